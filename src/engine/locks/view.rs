//! What the table looks like to people.

use super::{Kind, LockTable, Thing, Wait, WaitNo, Want};
use crate::model::durations::Histogram;
use crate::model::limits::{SNAPSHOT_LOCKS, VIEW_PARTIES};
use crate::model::locks::{
    Datum, HolderView, LockKind, LockState, LockStats, LockView, Name, Party, WaiterView,
};
use crate::model::{AttemptId, JobNo, Mono, TaskIdx};
use std::cmp::Reverse;
use std::time::Duration;

/// Letters of a value in a list.
const VALUE_CHARS: usize = 60;

fn wants(want: &Want) -> &'static str {
    match want {
        Want::Locks { shared: true, .. } => "shared",
        Want::Locks { .. } => "exclusive",
        Want::Permits { .. } => "permits",
        Want::Set { .. } => "set",
        Want::Notify { .. } => "notify",
        Want::Parties { .. } => "parties",
        Want::Put { .. } => "put",
        Want::Get { .. } => "get",
        Want::Join { .. } => "join",
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// A wait that is going on, as far as others care.
#[derive(Clone, Debug, PartialEq)]
pub struct GoingOn<'a> {
    pub names: &'a [Name],
    /// The first of them that is held by somebody else.
    pub blocked: Option<&'a Name>,
    /// As in [`WaiterView::wants`].
    pub wants: &'static str,
    pub since: Mono,
    /// Who stands in the way, as far as that is known.
    pub holder: Option<Party>,
    pub no: WaitNo,
}

impl LockTable {
    /// What an attempt waits for: the oldest wait of its processes.
    pub fn wait_of(&self, attempt: AttemptId) -> Option<GoingOn<'_>> {
        let no = *self.of_attempt.get(&attempt)?.first()?;
        let wait = self.waits.get(&no)?;
        let holder = self.in_the_way(no).into_iter().find_map(|owner| self.party_of(owner));
        let (names, wants) = (wait.want.names(), wants(&wait.want));
        let stands = |name: &&Name| {
            let thing = self.things.get(*name);
            thing.is_some_and(|thing| !self.blockers_at(no, wait, thing).is_empty())
        };
        let blocked = names.iter().find(stands);
        Some(GoingOn { names, blocked, wants, since: wait.since, holder, no })
    }

    /// What the processes of jobs lost in waits so far, with those that are going on.
    pub fn lost_by_jobs(&self, now: Mono) -> Duration {
        let waits = self.of_attempt.values().flatten().filter_map(|no| self.waits.get(no));
        self.lost + waits.map(|wait| now.since(wait.since)).sum::<Duration>()
    }

    /// One primitive.
    pub fn view_of(&self, name: &Name) -> Option<LockView> {
        self.things.get(name).map(|thing| self.view(name, thing))
    }

    /// For how long one was held, as far as it was asked for here.
    pub fn hold_times(&self, name: &Name) -> Option<&Histogram> {
        self.things.get(name).map(|thing| &thing.stats.hold)
    }

    /// Permits that a semaphore has altogether.
    pub fn permits(&self, name: &Name) -> Option<u32> {
        match self.things.get(name)?.kind {
            Kind::Semaphore { max, .. } => Some(max),
            _ => None,
        }
    }

    /// How many primitives there are.
    pub fn len(&self) -> usize {
        self.things.len()
    }

    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// The views of these names, of all without; unknown names are left out.
    pub(super) fn list(&self, names: &[Name]) -> Vec<LockView> {
        if names.is_empty() {
            return self.things.iter().map(|(name, thing)| self.view(name, thing)).collect();
        }
        let view = |name: &Name| self.things.get(name).map(|thing| self.view(name, thing));
        names.iter().filter_map(view).collect()
    }

    /// What a snapshot shows: those with waiters first, then those that cost most time.
    pub fn top(&self, now: Mono) -> Vec<LockView> {
        let mut all: Vec<(&Name, &Thing)> = self.things.iter().collect();
        let waiting = |thing: &Thing| thing.queue.len() + thing.tasks.len();
        all.sort_by_key(|(name, thing)| {
            let lost = self.lost(thing, now);
            (Reverse(waiting(thing) > 0), Reverse(lost), Reverse(thing.holds.len()), *name)
        });
        all.truncate(SNAPSHOT_LOCKS);
        all.into_iter().map(|(name, thing)| self.view_at(name, thing, now)).collect()
    }

    fn lost(&self, thing: &Thing, now: Mono) -> Duration {
        let waits = thing.queue.iter().filter_map(|no| self.waits.get(no));
        let going_on = waits.map(|wait| now.since(wait.since)).sum::<Duration>();
        let tasks = thing.tasks.iter().filter_map(|(_, task)| self.tasks.get(task));
        thing.stats.lost + going_on + tasks.map(|wait| now.since(wait.since)).sum::<Duration>()
    }

    fn jobs_lost(&self, thing: &Thing, now: Mono) -> Duration {
        let waits = thing.queue.iter().filter_map(|no| self.waits.get(no));
        let of_jobs = waits.filter(|wait| wait.party.attempt.is_some());
        thing.stats.jobs_lost + of_jobs.map(|wait| now.since(wait.since)).sum::<Duration>()
    }

    fn view(&self, name: &Name, thing: &Thing) -> LockView {
        self.view_at(name, thing, self.now)
    }

    fn view_at(&self, name: &Name, thing: &Thing, now: Mono) -> LockView {
        let mut holders: Vec<HolderView> = thing
            .holds
            .iter()
            .map(|hold| HolderView {
                party: hold.party.clone(),
                since: hold.since,
                count: hold.count,
                shared: hold.shared,
            })
            .collect();
        if let Kind::Queue(queue) = &thing.kind {
            for kept in queue.kept() {
                match holders.iter_mut().find(|holder| holder.party == kept.party) {
                    Some(holder) => holder.count += 1,
                    None => holders.push(HolderView {
                        party: kept.party.clone(),
                        since: kept.since,
                        count: 1,
                        shared: true,
                    }),
                }
            }
        }
        holders.truncate(VIEW_PARTIES);
        let n_waiters = (thing.queue.len() + thing.tasks.len()) as u32;
        LockView {
            name: name.clone(),
            state: self.state_of(thing, now),
            holders,
            waiters: self.waiters(thing),
            n_waiters,
            stats: LockStats {
                acquisitions: thing.stats.acquisitions,
                waited: thing.stats.waited,
                lost_us: micros(self.lost(thing, now)),
                jobs_lost_us: micros(self.jobs_lost(thing, now)),
                wait: thing.stats.wait.summary(),
                hold: thing.stats.hold.summary(),
            },
        }
    }

    fn waiters(&self, thing: &Thing) -> Vec<WaiterView> {
        let mut all: Vec<(WaitNo, WaiterView)> = Vec::new();
        for no in thing.queue.iter().take(VIEW_PARTIES) {
            let Some(Wait { party, since, until, want, .. }) = self.waits.get(no) else { continue };
            let (party, wants) = (party.clone(), wants(want).to_owned());
            all.push((*no, WaiterView { party, since: *since, wants, until: *until }));
        }
        for (no, task) in thing.tasks.iter().take(VIEW_PARTIES) {
            let Some(wait) = self.tasks.get(task) else { continue };
            let (party, wants) = (Party::default(), "job".to_owned());
            all.push((*no, WaiterView { party, since: wait.since, wants, until: None }));
        }
        all.sort_by_key(|(no, _)| *no);
        all.truncate(VIEW_PARTIES);
        all.into_iter().map(|(_, view)| view).collect()
    }

    fn count(&self, thing: &Thing, of_sort: impl Fn(&Want) -> bool) -> u32 {
        let waits = thing.queue.iter().filter_map(|no| self.waits.get(no));
        waits.filter(|wait| of_sort(&wait.want)).count() as u32
    }

    fn state_of(&self, thing: &Thing, now: Mono) -> LockState {
        match &thing.kind {
            Kind::Lock { kind: LockKind::Lock, .. } => LockState::Lock,
            Kind::Lock { kind: LockKind::Rlock, .. } => LockState::Rlock,
            Kind::Lock { kind: LockKind::Rwlock, .. } => LockState::Rwlock,
            Kind::Semaphore { free, max, bounded } => {
                let (value, max) = (u32::try_from((*free).max(0)).unwrap_or(u32::MAX), *max);
                match bounded {
                    true => LockState::BoundedSemaphore { value, max },
                    false => LockState::Semaphore { value, max },
                }
            }
            Kind::Event { set } => LockState::Event { set: *set },
            Kind::Condition => LockState::Condition,
            Kind::Barrier { parties, broken, acting } => LockState::Barrier {
                parties: *parties,
                waiting: thing.queue.len() as u32 + u32::from(acting.is_some()),
                broken: *broken,
            },
            Kind::Queue(queue) => LockState::Queue {
                depth: queue.len(),
                capacity: queue.max,
                order: queue.order,
                closed: queue.closed,
                puts: queue.puts,
                gets: queue.gets,
                puts_per_s: queue.put_rate.per_second(now),
                gets_per_s: queue.get_rate.per_second(now),
                kept: queue.kept().count() as u64,
                waiting_putters: self.count(thing, |want| matches!(want, Want::Put { .. })),
                waiting_getters: self.count(thing, |want| matches!(want, Want::Get { .. })),
            },
            Kind::Value(value) => LockState::Value {
                value: match value {
                    Datum::Number(n) => n.to_string(),
                    Datum::Text(text) => text.lossy().chars().take(VALUE_CHARS).collect(),
                },
            },
            Kind::Kv(table) => LockState::Kv { entries: table.len() as u64 },
        }
    }

    /// On whom a task's next job waits, in words that follow "it waits for", and since when.
    pub fn why_waits(&self, task: TaskIdx) -> Option<(Vec<String>, Mono)> {
        let wait = self.tasks.get(&task)?;
        let fresh = Party::of_attempt(AttemptId { job: JobNo(0), n: 0 });
        let mut lines = Vec::new();
        let takes = &wait.takes;
        let names = takes
            .locks
            .iter()
            .map(|(n, s)| (n, *s))
            .chain(takes.uses.iter().map(|(n, _)| (n, true)));
        for (name, _) in names {
            let Some(thing) = self.things.get(name) else { continue };
            match thing.holds.first() {
                Some(hold) if hold.party != fresh => {
                    let more = match thing.holds.len() {
                        0 | 1 => String::new(),
                        n => format!(" and {} more", n - 1),
                    };
                    lines.push(format!("`{name}`, held by {}{more}", hold.party));
                }
                _ if !thing.queue.is_empty() => lines.push(format!("its turn to have `{name}`")),
                _ => {}
            }
        }
        Some((lines, wait.since))
    }
}
