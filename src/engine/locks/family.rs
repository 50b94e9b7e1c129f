//! Locks and semaphores: who can take them, in which order, and what comes of giving back.

use super::{
    Back, Hold, Kind, LockTable, Order, Request, Result, TaskWait, Thing, Told, Wait, WaitNo, Want,
};
use crate::model::limits::{LOCK_ORDERS, NAMES_AT_ONCE, OVERTAKEN};
use crate::model::locks::{Failure, Given, LockKind, LockNotice, Name, Op, Owner, Party, Refusal};
use crate::model::{AttemptId, Mono, TaskIdx};
use crate::plan::Takes;
use std::collections::BTreeSet;

/// Permits that a semaphore may count: sums of these never overflow.
const PERMITS: i64 = 1 << 40;

/// Whether somebody may take a lock again that is theirs already, whoever else waits.
pub(super) fn is_again(thing: &Thing, wait: &Wait) -> bool {
    match &wait.want {
        Want::Locks { kind, shared, back: None, .. } => {
            matches!(thing.kind, Kind::Lock { .. }) && again(thing, &wait.party, *kind, *shared)
        }
        _ => false,
    }
}

fn again(thing: &Thing, party: &Party, kind: LockKind, shared: bool) -> bool {
    let owner = party.owner();
    thing.holds.iter().any(|hold| {
        let mine = hold.party.owner() == owner;
        // What its task takes for a job, the processes of the job need not wait for.
        let of_my_job = party.proc.is_some()
            && hold.party.proc.is_none()
            && hold.party.attempt == party.attempt
            && (shared || !hold.shared);
        of_my_job || (mine && (kind == LockKind::Rlock || (shared && hold.shared)))
    })
}

/// Whether a lock is free for one more, apart from who waits for it.
fn fits(thing: &Thing, shared: bool) -> bool {
    !thing.is_elsewhere()
        && (thing.holds.is_empty() || (shared && thing.holds.iter().all(|hold| hold.shared)))
}

impl LockTable {
    // ---- locks

    pub(super) fn acquire(
        &mut self,
        request: Request,
        names: &[Name],
        kind: LockKind,
        shared: bool,
    ) -> Result<Option<Given>> {
        let unique: BTreeSet<&Name> = names.iter().collect();
        if names.is_empty() || names.len() > NAMES_AT_ONCE || unique.len() != names.len() {
            let text = format!("`names` has 1 to {NAMES_AT_ONCE} names, each once");
            return Err(Refusal::new(Failure::Invalid, text));
        }
        let kind = if shared { LockKind::Rwlock } else { kind };
        // All names are looked at before the first is made.
        for name in names {
            self.lock_kind(name)?;
        }
        for name in names {
            self.lock_of(name, kind)?;
        }
        let names = names.to_vec();
        self.enlist(request, Want::Locks { names, kind, shared, back: None })
    }

    /// The lock of a name, made if there is none.
    pub(super) fn lock_of(&mut self, name: &Name, kind: LockKind) -> Result<()> {
        self.lock_kind(name)?;
        let thing = self.thing(name, || Kind::Lock { kind, orphaned: false })?;
        if let Kind::Lock { kind: known @ LockKind::Lock, .. } = &mut thing.kind {
            *known = kind;
        }
        Ok(())
    }

    fn lock_kind(&self, name: &Name) -> Result<()> {
        match self.things.get(name) {
            Some(thing) if !matches!(thing.kind, Kind::Lock { .. }) => {
                let text = format!("`{name}` is {}, not a lock", thing.word());
                Err(Refusal::new(Failure::WrongKind, text))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn release(&mut self, party: &Party, names: &[Name], anyone: bool) -> Result<Given> {
        for name in names {
            self.lock_kind(name)?;
            if self.whose(party, name, anyone).is_none() {
                let holder = self.things.get(name).and_then(|t| t.holds.first());
                let whose = match holder {
                    Some(hold) => format!("it is held by {}", hold.party),
                    None => "nobody does".to_owned(),
                };
                let text = format!("{party} does not hold `{name}`: {whose}");
                return Err(Refusal::new(Failure::NotOwner, text));
            }
        }
        for name in names {
            if let Some(owner) = self.whose(party, name, anyone)
                && owner != of_job(party)
            {
                self.give_back(name, owner, 1, false);
            }
        }
        self.serve_all(names, false);
        Ok(Given::Nothing {})
    }

    /// Whose hold a release by this party gives back. A process that was let in because its job
    /// holds the lock gives nothing back: the job still holds it.
    fn whose(&self, party: &Party, name: &Name, anyone: bool) -> Option<Owner> {
        let holds = &self.things.get(name)?.holds;
        let held_by = |owner: Owner| holds.iter().any(|hold| hold.party.owner() == owner);
        let own = [party.owner(), of_job(party)].into_iter().find(|owner| held_by(*owner));
        own.or_else(|| holds.first().filter(|_| anyone).map(|hold| hold.party.owner()))
    }

    /// Gives back a lock `count` times, or so many permits; all with `u32::MAX`.
    pub(super) fn give_back(&mut self, name: &Name, owner: Owner, count: u32, died: bool) {
        let now = self.now;
        let Some(thing) = self.things.get_mut(name) else { return };
        let Some(at) = thing.holds.iter().position(|hold| hold.party.owner() == owner) else {
            return;
        };
        let hold = &mut thing.holds[at];
        let given = hold.count.min(count);
        hold.count -= given;
        let is_free = hold.count == 0;
        if is_free {
            let hold = thing.holds.remove(at);
            thing.stats.hold.add(now.since(hold.since));
            if let Some(warn) = self.rules.hold_warn {
                self.long_holds.remove(&(hold.since + warn, name.clone(), owner));
            }
            if let Some(names) = self.holding.get_mut(&owner) {
                names.remove(name);
                if names.is_empty() {
                    self.holding.remove(&owner);
                }
            }
        }
        match &mut thing.kind {
            Kind::Semaphore { free, .. } => *free += i64::from(given),
            Kind::Lock { orphaned, .. } if is_free => *orphaned |= died,
            _ => {}
        }
        if is_free {
            self.queue_again(name, owner);
        }
        self.touch(name);
    }

    /// Gives back a lock for good, however often it was taken.
    pub(super) fn give_back_for(&mut self, name: &Name, owner: Owner) {
        self.give_back(name, owner, u32::MAX, false);
        self.serve(name, false);
    }

    /// Somebody else gave back what this owner was about to take again: it queues like others.
    fn queue_again(&mut self, name: &Name, owner: Owner) {
        let Some(thing) = self.things.get_mut(name) else { return };
        for no in self.waiting.get(&owner).into_iter().flatten() {
            let wants = |wait: &Wait| {
                matches!(wait.want, Want::Locks { .. }) && wait.want.names().contains(name)
            };
            if self.waits.get(no).is_some_and(wants) {
                thing.queue.insert(*no);
            }
        }
    }

    /// Gives back everything of an owner and returns what that was; whoever waits for it is to be
    /// served.
    pub(super) fn give_back_all(&mut self, owner: Owner, died: bool) -> Vec<Name> {
        let names: Vec<Name> = self.holding.get(&owner).into_iter().flatten().cloned().collect();
        let is_lock = |name: &&Name| {
            self.things.get(*name).is_some_and(|t| matches!(t.kind, Kind::Lock { .. }))
        };
        let locks: Vec<Name> = names.iter().filter(is_lock).cloned().collect();
        let party = locks.first().and_then(|name| {
            let holds = &self.things.get(name)?.holds;
            holds.iter().find(|hold| hold.party.owner() == owner).map(|hold| hold.party.clone())
        });
        if let (true, Some(party)) = (died, party) {
            self.notice(LockNotice::OwnerDied { names: locks, party });
        }
        for name in &names {
            self.give_back(name, owner, u32::MAX, died);
            self.hand_out_again(name, owner);
            self.stop_acting(name, owner);
        }
        names
    }

    // ---- semaphores

    pub(super) fn semaphore(
        &mut self,
        op: &Op,
        party: &Party,
        request: &dyn Fn(Option<u64>) -> Request,
    ) -> Result<Option<Given>> {
        match op {
            Op::SemaphoreAcquire { name, max, bounded, n, tied, timeout_ms } => {
                self.semaphore_of(name, *max, *bounded)?;
                if *n == 0 {
                    return Err(Refusal::new(Failure::Invalid, "`n` is at least 1"));
                }
                let (name, n, tied) = (name.clone(), *n, *tied);
                self.enlist(request(*timeout_ms), Want::Permits { name, n, tied })
            }
            Op::SemaphoreRelease { name, max, bounded, n } => {
                self.semaphore_of(name, *max, *bounded)?;
                self.semaphore_release(party, name, *n).map(Some)
            }
            Op::SemaphoreResize { name, max } => {
                self.semaphore_of(name, Some(*max), true)?;
                if let Some(Kind::Semaphore { free, max: old, .. }) =
                    self.things.get_mut(name).map(|thing| &mut thing.kind)
                {
                    *free += i64::from(*max) - i64::from(*old);
                    *old = *max;
                }
                self.serve(name, false);
                Ok(Some(Given::Nothing {}))
            }
            _ => Ok(Some(Given::Nothing {})),
        }
    }

    pub(super) fn semaphore_of(
        &mut self,
        name: &Name,
        max: Option<u32>,
        bounded: bool,
    ) -> Result<()> {
        let max = max.unwrap_or(1);
        let thing = self.thing(name, || Kind::Semaphore { free: i64::from(max), max, bounded })?;
        match &thing.kind {
            Kind::Semaphore { .. } => Ok(()),
            _ => {
                let text = format!("`{name}` is {}, not a semaphore", thing.word());
                Err(Refusal::new(Failure::WrongKind, text))
            }
        }
    }

    fn semaphore_release(&mut self, party: &Party, name: &Name, n: u32) -> Result<Given> {
        let owner = party.owner();
        let Some(thing) = self.things.get_mut(name) else { return Ok(Given::Nothing {}) };
        let tied = thing.holds.iter().find(|hold| hold.party.owner() == owner);
        let tied = tied.map_or(0, |hold| hold.count.min(n));
        if let Kind::Semaphore { free, max, bounded } = &mut thing.kind {
            let out: i64 = thing.holds.iter().map(|hold| i64::from(hold.count)).sum();
            let signals = i64::from(n - tied);
            let most = if *bounded { i64::from(*max) - out } else { PERMITS };
            if *free + signals > most {
                let text = format!("`{name}` would have more than its {max} permits");
                return Err(Refusal::new(Failure::Invalid, text));
            }
            *free += signals;
        }
        self.give_back(name, owner, tied, false);
        self.serve(name, false);
        Ok(Given::Nothing {})
    }

    // ---- serving

    /// Grants what can be granted of locks and semaphores, in the order of coming over all of
    /// these names. One pass is enough: what is granted frees nothing.
    pub(super) fn serve_family(&mut self, names: &[Name], settling: bool) {
        let mut open: Vec<(Name, WaitNo)> = names.iter().map(|name| (name.clone(), 0)).collect();
        let mut passed: Vec<WaitNo> = Vec::new();
        while let Some(no) = self.next_of(&open) {
            for (_, from) in &mut open {
                *from = (*from).max(no + 1);
            }
            let Some(wait) = self.waits.get(&no) else { continue };
            let wanted = wait.want.names();
            if wanted.iter().all(|n| self.is_ready(n, no, wait, settling)) {
                let (wanted, owner) = (wanted.to_vec(), wait.party.owner());
                self.grant_locks(no);
                self.grant_again(owner, settling);
                self.overtake(&passed, &wanted);
                continue;
            }
            if !settling {
                let owed = wanted.iter().filter(|name| self.is_owed_to_job(name, no));
                let owed: Vec<Name> = owed.cloned().collect();
                self.owed.extend(owed);
            }
            // One that waits for several lets others pass, unless it was passed too often.
            if wait.want.is_many() && wait.reserved.is_none() {
                passed.push(no);
            } else if let Some(wait) = self.waits.get(&no) {
                let wanted = wait.want.names();
                open.retain(|(name, _)| !wanted.contains(name));
            }
        }
    }

    /// What an owner has just got it may take again, in requests of its own that were waiting.
    fn grant_again(&mut self, owner: Owner, settling: bool) {
        let again = |table: &LockTable| {
            table.waiting.get(&owner)?.iter().copied().find(|no| {
                let Some(wait) = table.waits.get(no) else { return false };
                let mut things = wait.want.names().iter().filter_map(|n| table.things.get(n));
                things.any(|thing| is_again(thing, wait))
                    && wait.want.names().iter().all(|n| table.is_ready(n, *no, wait, settling))
            })
        };
        while let Some(no) = again(self) {
            self.grant_locks(no);
        }
    }

    /// The oldest wait of these names from a number on.
    fn next_of(&self, open: &[(Name, WaitNo)]) -> Option<WaitNo> {
        let next = |(name, from): &(Name, WaitNo)| {
            self.things.get(name)?.queue.range(from..).next().copied()
        };
        open.iter().filter_map(next).min()
    }

    /// Counts for those who were passed by one that got some of what they wait for.
    fn overtake(&mut self, passed: &[WaitNo], got: &[Name]) {
        for no in passed {
            let Some(wait) = self.waits.get_mut(no) else { continue };
            if wait.want.names().iter().any(|name| got.contains(name)) {
                wait.overtaken += 1;
                if wait.overtaken >= OVERTAKEN {
                    self.reserve(*no);
                }
            }
        }
    }

    /// Whether a thing would be enough for a wait, if nobody else waited.
    fn could_have(&self, name: &Name, wait: &Wait) -> bool {
        let Some(thing) = self.things.get(name) else { return false };
        match (&wait.want, &thing.kind) {
            (Want::Locks { shared, .. }, _) => fits(thing, *shared) || is_again(thing, wait),
            (Want::Permits { n, .. }, Kind::Semaphore { free, .. }) => *free >= i64::from(*n),
            _ => false,
        }
    }

    /// Whether it is this wait's turn to have a thing.
    pub(super) fn is_ready(&self, name: &Name, no: WaitNo, wait: &Wait, settling: bool) -> bool {
        let Some(thing) = self.things.get(name) else { return false };
        if is_again(thing, wait) {
            return true;
        }
        self.could_have(name, wait)
            && !self.is_behind(thing, no)
            && (settling || !self.is_owed_to_job(name, no))
    }

    /// Whether somebody waits for it longer who lets nobody pass.
    fn is_behind(&self, thing: &Thing, no: WaitNo) -> bool {
        thing.queue.range(..no).filter_map(|older| self.waits.get(older)).any(|older| {
            // The others are served first whenever they can be.
            !older.want.is_many() || older.reserved.is_some()
        })
    }

    fn is_owed_to_job(&self, name: &Name, no: WaitNo) -> bool {
        let first = self.things.get(name).and_then(|thing| thing.tasks.first());
        first.is_some_and(|(job_no, _)| *job_no < no)
    }

    pub(super) fn grant_locks(&mut self, no: WaitNo) {
        let Some(wait) = self.waits.get(&no).cloned() else { return };
        let owner = wait.party.owner();
        let mut owner_died = Vec::new();
        for name in wait.want.names() {
            match &wait.want {
                Want::Locks { kind, shared, back, .. } => {
                    let entered = self.things.get(name).is_some_and(|thing| {
                        back.is_none()
                            && thing.holds.iter().all(|hold| hold.party.owner() != owner)
                            && again(thing, &wait.party, *kind, *shared)
                    });
                    if entered {
                        continue;
                    }
                    let count = back.as_ref().map_or(1, |back| back.count);
                    if self.hold(name, &wait.party, count, *shared) {
                        owner_died.push(name.clone());
                    }
                }
                Want::Permits { n, tied, .. } => self.take_permits(name, &wait.party, *n, *tied),
                _ => {}
            }
        }
        if let Want::Locks { names, .. } = &wait.want {
            self.note_order(&wait.party, names);
        }
        let given = match wait.want {
            Want::Locks { back: Some(Back { result, .. }), .. } => result,
            Want::Locks { .. } => Ok(Given::Locks { owner_died }),
            _ => Ok(Given::Nothing {}),
        };
        self.finish(no, given);
    }

    /// Adds a hold; returns whether the owner before had ended without giving it back.
    pub(super) fn hold(&mut self, name: &Name, party: &Party, count: u32, shared: bool) -> bool {
        let (now, owner) = (self.now, party.owner());
        let Some(thing) = self.things.get_mut(name) else { return false };
        if let Some(hold) = thing.holds.iter_mut().find(|h| h.party.owner() == owner) {
            hold.count = hold.count.saturating_add(count);
            return false;
        }
        let from_cell = false;
        thing.holds.push(Hold { party: party.clone(), since: now, count, shared, from_cell });
        self.holding.entry(owner).or_default().insert(name.clone());
        // What one process of a job gets, another of the job may wait beside.
        if let Some(waits) = party.attempt.and_then(|attempt| self.of_attempt.get(&attempt)) {
            self.begun.extend(waits);
        }
        if let Some(warn) = self.rules.hold_warn {
            self.long_holds.insert((now + warn, name.clone(), owner));
        }
        match &mut thing.kind {
            Kind::Lock { orphaned, .. } => std::mem::take(orphaned),
            _ => false,
        }
    }

    fn take_permits(&mut self, name: &Name, party: &Party, n: u32, tied: bool) {
        if let Some(Kind::Semaphore { free, .. }) =
            self.things.get_mut(name).map(|thing| &mut thing.kind)
        {
            *free -= i64::from(n);
        }
        if tied {
            self.hold(name, party, n, true);
        }
    }

    /// Remembers in which order locks are taken, and tells when it is reversed.
    pub(super) fn note_order(&mut self, party: &Party, new: &[Name]) {
        // What its task took for the job is held around everything that the job does.
        let of_job = party.attempt.map(Owner::Attempt).filter(|job| *job != party.owner());
        let owners: Vec<Owner> = [Some(party.owner()), of_job].into_iter().flatten().collect();
        let is_shared = |name: &Name| {
            let thing = self.things.get(name).filter(|t| matches!(t.kind, Kind::Lock { .. }))?;
            let mine = thing.holds.iter().find(|hold| owners.contains(&hold.party.owner()))?;
            Some((name.clone(), mine.shared))
        };
        let held = owners.iter().filter_map(|owner| self.holding.get(owner)).flatten();
        let held: Vec<(Name, bool)> =
            held.filter(|name| !new.contains(name)).filter_map(is_shared).collect();
        let new: Vec<(Name, bool)> = new.iter().filter_map(is_shared).collect();
        for first in &held {
            for second in &new {
                self.note_pair(party, first, second);
            }
        }
    }

    pub(super) fn is_lock(&self, name: &Name) -> bool {
        self.things.get(name).is_some_and(|thing| matches!(thing.kind, Kind::Lock { .. }))
    }

    /// One lock was taken while another was held, each alone or shared. In the other order this
    /// blocks only where both are not shared by both.
    pub(super) fn note_pair(
        &mut self,
        party: &Party,
        (first, first_shared): &(Name, bool),
        (second, second_shared): &(Name, bool),
    ) {
        let (key, reverse) = ((first.clone(), second.clone()), (second.clone(), first.clone()));
        let new = Order { party: party.clone(), shared: (*first_shared, *second_shared) };
        let known = self.orders.get(&key);
        let is_known =
            known.is_some_and(|o| o.told || o.seen.iter().any(|o| o.shared == new.shared));
        if first == second || is_known || self.orders.len() >= LOCK_ORDERS {
            return;
        }
        let against = |other: &&Order| {
            let (first, second) = other.shared;
            !(first && new.shared.1 || second && new.shared.0)
        };
        let others = self.orders.get(&reverse).filter(|orders| !orders.told);
        let other = others.and_then(|orders| orders.seen.iter().find(against)).cloned();
        self.orders.entry(key.clone()).or_default().seen.push(new);
        if let Some(one) = other {
            for both in [&key, &reverse] {
                self.orders.entry(both.clone()).or_default().told = true;
            }
            let (one, other) = (one.party, party.clone());
            let (first, second) = reverse;
            self.notice(LockNotice::OrderInverted { first, second, one, other });
        }
    }

    // ---- jobs

    /// Whether a job could have all that its task takes at this moment. A task that waits has
    /// waited since it was told to; another comes after all who wait.
    pub fn could_take(&self, task: TaskIdx, takes: &Takes) -> bool {
        let no = self.tasks.get(&task).map_or(WaitNo::MAX, |wait| wait.no);
        let has = |name: &Name, enough: &dyn Fn(&Thing) -> bool| {
            self.things.get(name).is_none_or(|thing| enough(thing) && !self.is_behind(thing, no))
        };
        let locks = takes.locks.iter().all(|(name, shared)| {
            has(name, &|thing| matches!(thing.kind, Kind::Lock { .. }) && fits(thing, *shared))
        });
        locks
            && takes.uses.iter().all(|(name, n)| {
                has(name, &|thing| match thing.kind {
                    Kind::Semaphore { free, .. } => free >= i64::from(*n),
                    _ => false,
                })
            })
    }

    /// Takes all that a task takes for one of its attempts. Who could not take it gets it all the
    /// same: whether it can is asked before.
    pub fn take_for(
        &mut self,
        now: Mono,
        task: TaskIdx,
        attempt: AttemptId,
        takes: &Takes,
    ) -> Vec<Told> {
        self.now = self.now.max(now);
        self.await_no_more(task);
        let party = Party::of_attempt(attempt);
        for (name, shared) in &takes.locks {
            let kind = if *shared { LockKind::Rwlock } else { LockKind::Lock };
            if self.thing(name, || Kind::Lock { kind, orphaned: false }).is_ok() {
                self.hold(name, &party, 1, *shared);
                self.count_for_job(name);
            }
        }
        for (name, n) in &takes.uses {
            let max = *n;
            let make = || Kind::Semaphore { free: i64::from(max), max, bounded: true };
            if self.thing(name, make).is_ok() {
                self.take_permits(name, &party, *n, true);
                self.count_for_job(name);
            }
        }
        let names: Vec<Name> = takes.locks.iter().map(|(name, _)| name.clone()).collect();
        self.note_order(&party, &names);
        std::mem::take(&mut self.told)
    }

    fn count_for_job(&mut self, name: &Name) {
        if let Some(thing) = self.things.get_mut(name) {
            thing.stats.acquisitions += 1;
        }
    }

    /// The next job of a task waits for what its task takes.
    pub fn await_for(&mut self, now: Mono, task: TaskIdx, takes: &Takes) {
        self.now = self.now.max(now);
        if self.tasks.contains_key(&task) {
            return;
        }
        let no = self.next;
        self.next += 1;
        let names = takes.locks.iter().map(|(n, _)| n).chain(takes.uses.iter().map(|(n, _)| n));
        for name in names {
            if let Some(thing) = self.things.get_mut(name) {
                thing.tasks.insert((no, task));
            }
        }
        self.tasks.insert(task, TaskWait { no, since: self.now, takes: takes.clone() });
    }

    /// No job of the task waits for what it takes any more.
    pub fn await_no_more(&mut self, task: TaskIdx) {
        let Some(TaskWait { no, since, takes }) = self.tasks.remove(&task) else { return };
        let waited = self.now.since(since);
        let names = takes.locks.iter().map(|(n, _)| n).chain(takes.uses.iter().map(|(n, _)| n));
        for name in names {
            if let Some(thing) = self.things.get_mut(name)
                && thing.tasks.remove(&(no, task))
            {
                thing.stats.waited += 1;
                thing.stats.lost += waited;
                thing.stats.wait.add(waited);
                if !thing.queue.is_empty() {
                    self.owed.insert(name.clone());
                }
            }
            self.touch(name);
        }
    }

    /// Tasks that wait, by the time they have waited, longest first.
    pub fn awaiting(&self) -> Vec<TaskIdx> {
        let mut all: Vec<(WaitNo, TaskIdx)> = self.tasks.iter().map(|(t, w)| (w.no, *t)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, task)| task).collect()
    }
}

/// The job of a party, as an owner.
fn of_job(party: &Party) -> Owner {
    Owner::Attempt(party.attempt.unwrap_or_default())
}
