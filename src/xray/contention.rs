//! What waiting for locks costs that ganger does not own: a fold over reports.
//!
//! Nobody tells ganger when such a lock is taken. What is known are looks, so this is a sample: a
//! look counts, for every thread that it saw waiting, the time since the look before. A wait that
//! falls between two looks is not seen at all.

use crate::model::limits::{FOREIGN_LOCKS, SNAPSHOT_FOREIGN, VIEW_PARTIES};
use crate::model::locks::Party;
use crate::model::waits::foreign::{ForeignHolder, ForeignLock, ForeignStats, ForeignWaiter};
use crate::model::waits::report::{Held, Member, Report, Waiting};
use crate::model::waits::{Frame, Language, WaitKind};
use crate::model::{AttemptId, Mono, ProcRef};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a thread that was just seen to wait for the first time counts at most: the time between
/// looks while somebody watches. When nobody does looks are rare, and it may have begun only now.
const ONE_LOOK: Duration = Duration::from_millis(200);

/// Locks that somebody was seen to wait for.
#[derive(Clone, Debug, Default)]
pub struct Contention {
    locks: BTreeMap<Key, Known>,
    /// The last number that a lock without a name got, by kind.
    numbers: BTreeMap<WaitKind, u32>,
    looked_at: Option<Mono>,
}

/// Kind and id.
type Key = (WaitKind, String);

#[derive(Clone, Debug)]
struct Known {
    /// Without a name of its own.
    number: Option<u32>,
    lock: ForeignLock,
}

impl Contention {
    /// Takes in a report, and gives the locks without a name in it the numbers that they keep.
    pub fn see(&mut self, report: &mut Report) {
        self.make_room(&report.waits);
        for wait in report.waits.iter_mut().filter(|wait| counts(wait)) {
            let key = key(wait);
            if !self.locks.contains_key(&key) && self.locks.len() < FOREIGN_LOCKS {
                self.meet(key.clone(), wait);
            }
            if let Some(number) = self.locks.get(&key).and_then(|known| known.number) {
                wait.resource.name = Some(format!("#{number}"));
            }
        }
        self.still(report.at, report);
    }

    /// Takes in that a look at this time showed the same as the last report.
    pub fn still(&mut self, at: Mono, report: &Report) {
        let before = self.looked_at.replace(at);
        let step = before.map(|before| at.since(before));
        self.nobody_waits();
        let mut all: BTreeMap<Key, Vec<&Waiting>> = BTreeMap::new();
        for wait in report.waits.iter().filter(|wait| counts(wait)) {
            all.entry(key(wait)).or_default().push(wait);
        }
        for (key, waits) in all {
            if let Some(known) = self.locks.get_mut(&key) {
                known.see(at, step, &waits);
            }
        }
    }

    /// Nobody is looked at any more, or nothing is left to look at.
    pub fn nobody_waits(&mut self) {
        for known in self.locks.values_mut().filter(|known| known.lock.n_waiters > 0) {
            known.left();
        }
    }

    /// Those with waiters first, then those that cost most, and how many there are.
    pub fn view(&self) -> (Vec<ForeignLock>, u32) {
        let mut all: Vec<&ForeignLock> = self.locks.values().map(|known| &known.lock).collect();
        all.sort_by_key(|lock| (lock.n_waiters == 0, Reverse(lock.stats.waited_us)));
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        (all.into_iter().take(SNAPSHOT_FOREIGN).cloned().collect(), total)
    }

    /// Forgets locks that nobody has waited for the longest, as many as new ones need.
    fn make_room(&mut self, waits: &[Waiting]) {
        let seen: BTreeSet<Key> = waits.iter().filter(|wait| counts(wait)).map(key).collect();
        let new = seen.iter().filter(|key| !self.locks.contains_key(*key)).count();
        let over = (self.locks.len() + new).saturating_sub(FOREIGN_LOCKS);
        if over == 0 {
            return;
        }
        let unseen = self.locks.iter().filter(|(key, _)| !seen.contains(*key));
        let mut unseen: Vec<(Mono, Key)> =
            unseen.map(|(key, known)| (known.lock.stats.seen_at, key.clone())).collect();
        unseen.sort();
        for (_, key) in unseen.into_iter().take(over) {
            self.locks.remove(&key);
        }
    }

    fn meet(&mut self, key: Key, wait: &Waiting) {
        let is_nameless = wait.resource.name.as_ref().is_none_or(|name| name.starts_with('#'));
        let number = (is_nameless && key.0.is_a_lock()).then(|| {
            let last = self.numbers.entry(key.0).or_default();
            *last += 1;
            *last
        });
        let (kind, id) = key.clone();
        let lock = ForeignLock {
            kind,
            id,
            name: String::new(),
            holders: Vec::new(),
            last_owner: None,
            waiters: Vec::new(),
            n_waiters: 0,
            fill: None,
            stats: ForeignStats::default(),
        };
        self.locks.insert(key, Known { number, lock });
    }
}

impl Known {
    /// Takes in who waits for it at one look; `step` is the time since the look before.
    fn see(&mut self, at: Mono, step: Option<Duration>, waits: &[&Waiting]) {
        let lock = &mut self.lock;
        let mut by_job: BTreeMap<AttemptId, Duration> = BTreeMap::new();
        for wait in waits {
            let seen_for = wait.since.map_or(Duration::ZERO, |since| at.since(since));
            let lost = step.map_or(seen_for, |step| step.min(seen_for.max(ONE_LOOK)));
            lock.stats.waited_us += micros(lost);
            lock.stats.longest_us = lock.stats.longest_us.max(micros(seen_for));
            if let Some(attempt) = wait.who.attempt {
                let of_job = by_job.entry(attempt).or_default();
                *of_job = lost.max(*of_job);
            }
        }
        lock.stats.jobs_waited_us += by_job.into_values().map(micros).sum::<u64>();
        lock.stats.looks += 1;
        lock.stats.seen_at = at;
        lock.n_waiters = u32::try_from(waits.len()).unwrap_or(u32::MAX);
        lock.stats.most_waiters = lock.stats.most_waiters.max(lock.n_waiters);
        lock.fill = waits.iter().find_map(|wait| wait.fill);
        lock.last_owner = waits.iter().find_map(|wait| wait.last_owner);
        lock.holders = holders(waits);
        let mut longest = waits.to_vec();
        longest.sort_by_key(|wait| (wait.since.is_none(), wait.since, wait.who.proc, wait.who.tid));
        lock.waiters = longest.into_iter().take(VIEW_PARTIES).map(waiter).collect();
        if let Some(wait) = waits.first() {
            lock.name = name(wait);
        }
    }

    /// Nobody waits for it any more: who has it is not looked at then.
    fn left(&mut self) {
        let lock = &mut self.lock;
        (lock.n_waiters, lock.fill, lock.last_owner) = (0, None, None);
        lock.waiters.clear();
        lock.holders.clear();
    }
}

fn key(wait: &Waiting) -> Key {
    let id = match announced(wait) {
        Some(name) => format!("{}:{name}", wait.who.proc.pid),
        None => wait.resource.id.clone(),
    };
    (wait.resource.kind, id)
}

/// What a thread of Python waits for to be announced, such as an item of a queue. Each such wait
/// has a lock of its own (`threading.Condition.wait`), so what is waited for is known by its name
/// alone: all of one name in a process are one.
fn announced(wait: &Waiting) -> Option<&str> {
    let name = wait.resource.name.as_deref().filter(|name| !name.starts_with('#'));
    name.filter(|_| wait.resource.kind == WaitKind::Condvar)
}

/// Whether a wait is for a lock or a queue that is not ganger's own.
pub fn counts(wait: &Waiting) -> bool {
    match wait.resource.kind {
        WaitKind::GangerLock => false,
        WaitKind::PipeRead | WaitKind::PipeWrite => is_of_queue(&wait.frames),
        // A queue's own thread that has nothing to send is idle.
        WaitKind::Condvar => !is_of_queue(&wait.frames),
        kind => kind.is_a_lock(),
    }
}

/// Whether it is Python's `multiprocessing` that waits, for one of its queues. A pipe that anybody
/// else waits for is no lock.
fn is_of_queue(frames: &[Frame]) -> bool {
    let is_queues = |frame: &Frame| {
        let file = frame.file.as_deref().unwrap_or_default();
        frame.language == Language::Python && file.ends_with("multiprocessing/queues.py")
    };
    frames.iter().any(is_queues)
}

/// Its name, or what it is called for want of one.
fn name(wait: &Waiting) -> String {
    match (wait.resource.kind, &wait.resource.name) {
        (WaitKind::PipeRead | WaitKind::PipeWrite, _) => format!("Queue {}", wait.resource.id),
        (_, Some(name)) if announced(wait).is_some() => {
            format!("{name} (pid {})", wait.who.proc.pid)
        }
        (_, Some(name)) => name.clone(),
        (_, None) => wait.resource.id.clone(),
    }
}

/// Those who have it, each once, first those that are proven to.
fn holders(waits: &[&Waiting]) -> Vec<ForeignHolder> {
    let mut all: Vec<&Held> = waits.iter().flat_map(|wait| &wait.holders).collect();
    all.sort_by_key(|held| !held.proven);
    let mut seen: BTreeSet<(ProcRef, Option<i32>)> = BTreeSet::new();
    all.retain(|held| seen.insert((held.proc, held.tid)));
    all.into_iter()
        .take(VIEW_PARTIES)
        .map(|held| ForeignHolder {
            party: party(held.proc, held.tid, held.attempt, &held.name),
            proven: held.proven,
            stopped: held.stopped,
        })
        .collect()
}

fn waiter(wait: &Waiting) -> ForeignWaiter {
    let Member { proc, tid, name, attempt } = &wait.who;
    ForeignWaiter {
        party: party(*proc, Some(*tid), *attempt, name),
        since: wait.since,
        timeout: wait.timeout,
    }
}

/// The main thread stands for its process.
fn party(proc: ProcRef, tid: Option<i32>, attempt: Option<AttemptId>, name: &str) -> Party {
    let thread = tid.filter(|tid| *tid != proc.pid).and_then(|tid| u64::try_from(tid).ok());
    let label = (!name.is_empty()).then(|| name.into());
    Party { proc: Some(proc), thread, attempt, label, command: false }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "contention_tests.rs"]
mod tests;
