//! When nobody can go on although no circle of locks has closed: whoever might end a wait for an
//! event, a barrier, a condition or a queue waits itself, and nothing more can start, since the
//! workers are taken by those who wait or what is left needs them.
//!
//! Anybody may end such a wait, so the table alone proves nothing: a job may have a process that
//! has asked for nothing yet. When all that is known waits, the processes of all jobs are looked
//! at once ([`Effect::LookForHelp`]); the answer is an input ([`Input::NoHelp`]). One that comes
//! too late, after anything has changed, says nothing any more.
//!
//! [`Input::NoHelp`]: super::Input::NoHelp

use super::locks::Link;
use super::{Effect, Engine};
use crate::model::locks::{Deadlock, Member, Name, Party};
use crate::model::{JobNo, Mono, ProcRef, RunState};
use crate::plan::QuietAction;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A process may be on its way to the end when the last wait begins: then it is looked again,
/// after these times.
const AGAIN: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
];

/// Between two looks at other waits: where many come and go, as at a queue that is empty now and
/// then, looks would cost more than the jobs.
const APART: Duration = Duration::from_millis(50);

/// What was suspected last.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    no: u64,
    waits: BTreeSet<u64>,
    looks: usize,
    next: Option<Mono>,
    looked: Option<Mono>,
}

impl Suspicion {
    /// When it is looked again.
    pub(super) fn next(&self) -> Option<Mono> {
        self.next
    }
}

/// A job all of whose known processes wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub leader: ProcRef,
    /// Its processes that wait, and in how many threads.
    pub procs: Vec<(ProcRef, u32)>,
}

impl Engine {
    /// Asks for a look at the processes when all that is known waits.
    pub(super) fn suspect_stall(&mut self) {
        let Some((waits, waiting)) = self.all_wait() else {
            (self.suspicion.next, self.suspicion.looks) = (None, 0);
            self.suspicion.waits.clear();
            return;
        };
        let now = self.now.mono;
        if waits != self.suspicion.waits {
            let due = self.suspicion.looked.map_or(now, |at| (at + APART).max(now));
            (self.suspicion.waits, self.suspicion.looks) = (waits, 0);
            self.suspicion.next = Some(due);
            // An answer that is on its way is about other waits.
            self.suspicion.no += u64::from(due > now);
        }
        if self.suspicion.next.is_none_or(|at| at > now) {
            return;
        }
        self.suspicion.next = AGAIN.get(self.suspicion.looks).map(|after| now + *after);
        self.suspicion.no += 1;
        self.suspicion.looked = Some(now);
        self.suspicion.looks += 1;
        self.effect(Effect::LookForHelp { no: self.suspicion.no, waiting });
    }

    /// Nobody else was there when it was looked.
    pub(super) fn take_no_help(&mut self, no: u64) {
        if no != self.suspicion.no || self.suspicion.waits.is_empty() {
            return;
        }
        if self.all_wait().is_some_and(|(waits, _)| waits == self.suspicion.waits) {
            self.suspicion.next = None;
            self.report_stall();
        }
    }

    /// The waits of all jobs that run, when each of them waits for ever and nothing else can
    /// start or end.
    fn all_wait(&self) -> Option<(BTreeSet<u64>, Vec<Waiting>)> {
        let state = &self.state;
        let counts = state.counts();
        let can_change = state.run_state() != RunState::Running
            || counts.backing_off > 0
            || counts.tasks_unread > 0
            || state.pools().iter().any(|pool| pool.paused().is_some());
        if can_change || state.attempts_running().len() == 0 {
            return None;
        }
        let (mut waits, mut all) = (BTreeSet::new(), Vec::new());
        for attempt in state.attempts_running() {
            let rules = state.rules(attempt.task);
            let quiet = rules.quiet.as_ref();
            let ends =
                rules.timeout.is_some() || quiet.is_some_and(|q| q.action != QuietAction::Report);
            if ends || attempt.stopping.is_some() || attempt.is_frozen() {
                return None;
            }
            let mut procs: BTreeMap<ProcRef, u32> = BTreeMap::new();
            for (no, proc) in state.locks().endless_waits(attempt.id)? {
                waits.insert(no);
                *procs.entry(proc).or_default() += 1;
            }
            let procs: Vec<(ProcRef, u32)> = procs.into_iter().collect();
            all.push(Waiting { leader: attempt.proc()?, procs });
        }
        let told = state.deadlocks().iter().flat_map(|deadlock| &deadlock.waits);
        let told: BTreeSet<u64> = told.copied().collect();
        let is_new = waits.is_disjoint(&told) && !state.locks().others_are_there();
        (is_new && !waits.is_empty()).then_some((waits, all))
    }

    fn report_stall(&mut self) {
        let state = &self.state;
        let running = state.attempts_running();
        let links: Vec<Link> = running.filter_map(|a| state.locks().link_of(a.id)).collect();
        let member = |link: &Link| Member {
            job: link.party.job(),
            task: link.party.job().and_then(|job| state.task_of(job)).map(|(task, _)| task),
            holds: link.holds.iter().cloned().collect(),
            wants: link.wants.iter().cloned().collect(),
            since: link.since,
            party: link.party.clone(),
        };
        let members: Vec<Member> = links.iter().map(member).collect();
        let last = (0..links.len()).max_by_key(|at| links[*at].last_wait()).unwrap_or(0);
        let (waiting, counts) = (self.suspicion.waits.iter().copied().collect(), state.counts());
        let left = counts.ready + counts.blocked;
        let deadlock = Deadlock {
            id: state.deadlocks_so_far() + 1,
            at: self.now.mono,
            closed_by: u32::try_from(last).unwrap_or(0),
            behind: left,
            until: None,
            waits: waiting,
            seen: Vec::new(),
            text: self.stall_words(&members, left),
            members,
        };
        self.tell_deadlock(deadlock);
    }

    /// "nobody of the run can go on: a:1 waits to put numbers, b:1 waits for start; 3 jobs wait for them".
    fn stall_words(&self, members: &[Member], left: u32) -> String {
        let name = |party: &Party| match party.job() {
            Some(job) => self.state.job_words(job),
            None => party.to_string(),
        };
        let each = members.iter().map(|member| {
            let names: Vec<&Name> = member.wants.iter().collect();
            let names: Vec<&str> = names.iter().map(|name| &***name).collect();
            let verb = member.job.and_then(|job| self.wait_verb(job)).unwrap_or("waits for");
            format!("{} {verb} {}", name(&member.party), names.join(" and "))
        });
        let shown: Vec<String> = each.take(8).collect();
        let more = match members.len() - shown.len() {
            0 => String::new(),
            n => format!(" and {n} more wait"),
        };
        let left = match left {
            0 => String::new(),
            1 => "; 1 job cannot start before one of them has ended".to_owned(),
            n => format!("; {n} jobs cannot start before one of them has ended"),
        };
        format!("nobody of the run can go on: {}{more}{left}", shown.join(", "))
    }

    fn wait_verb(&self, job: JobNo) -> Option<&'static str> {
        let attempt = self.state.attempt(job)?;
        Some(match self.state.locks().wait_of(attempt.id)?.wants {
            "put" => "waits to put into",
            "get" => "waits for an item of",
            "join" => "waits until all is done of",
            _ => "waits for",
        })
    }
}
