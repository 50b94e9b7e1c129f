//! Locks of `multiprocessing`: a semaphore in shared memory, and in each process an object that
//! counts how often that process took it.

use super::object::{self, Class, SemLock};
use super::source::Sources;
use super::{FutexSite, Python, Sharer, is_settled, queue, scan};
use crate::clock;
use crate::model::ids::ProcRef;
use crate::model::limits;
use crate::model::time::Mono;
use crate::model::waits::{
    Certainty, Holder, LastOwner, Need, ThreadRef, WaitFact, WaitKind, Waker,
};
use crate::probe::stacks::{PythonFrame, Stacks};
use crate::probe::waits::memory::Memory;
use crate::probe::waits::pthread::Who;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// `SEM_VALUE_MAX` as Python writes it: the largest value of those that count without a limit.
pub(super) const UNLIMITED: i32 = i32::MAX;

pub(super) fn refine(
    python: &mut Python,
    site: &FutexSite<'_>,
    own: &Sharer<'_>,
    stacks: &mut Stacks,
    fact: &mut WaitFact,
) {
    let Some(lock) = python.places.of_waiter(site, own) else { return };
    let frames = own_frames(site, own, stacks);
    let usage = Usage::of(&frames, &lock, own.memory());
    fact.fill = match usage {
        Usage::Slots => {
            own.memory().u32(own.address).ok().and_then(|value| queue::fill(lock.max, value))
        }
        _ if lock.max == 1 => queue::got_from(&frames, own.memory(), own.maps),
        _ => None,
    };
    let of_queue = fact.fill.is_some();
    let (kind, name) = named(python, &lock, &usage, of_queue, &fact.resource.id);
    fact.resource.kind = kind;
    fact.resource.name = Some(name);
    // About to be given to somebody: nobody is waited for.
    if own.memory().u32(own.address) != Ok(0) {
        return;
    }
    if lock.max > 1 {
        // Several may have it, and anybody may give it back.
        return;
    }
    // One who opens it later may give it back, whoever has it now.
    let believed = lock.recursive || (usage == Usage::With && !site.may_grow);
    if site.all_seen {
        // One may have it, and all who could give it back are known.
        fact.certainty = Certainty::Proven;
    }
    if !lock.recursive && matches!(usage, Usage::Slots | Usage::Semaphore | Usage::Condition) {
        // Who took it is not who gives it back.
        return;
    }
    let mut counts = Counts::read(&mut python.places, site, &lock, false);
    if believed && !(lock.recursive && counts.owner().is_some()) {
        counts = Counts::read(&mut python.places, site, &lock, true);
    }
    match counts.owner() {
        Some(owner) => {
            let believed = lock.recursive || (believed && took_it_to_give_it_back(owner, stacks));
            owned(python, owner, believed, fact);
        }
        None if believed && counts.nobody() && site.all_seen && counts.all_settled(site) => {
            let last = python.owners.get(&fact.resource.id).copied();
            abandon(last, fact);
        }
        None => shared_owners(&counts, lock.recursive, fact),
    }
}

/// Whether the holder has a lock by a `with` statement, like the waiter: one that took it by
/// `acquire()` may leave it to others to give it back. Without its source that is believed.
fn took_it_to_give_it_back(owner: &Count<'_>, stacks: &mut Stacks) -> bool {
    let sharer = &owner.sharer;
    let Who::Thread(tid) = sharer.who(owner.lock.last_thread) else { return true };
    let threads = stacks.python(sharer.proc, sharer.live_tid, sharer.maps);
    let Some(thread) = threads.iter().find(|thread| thread.tid == tid) else { return true };
    Sources::of(sharer.live_tid).is_inside_with(thread).unwrap_or(true)
}

/// One process has it.
fn owned(python: &mut Python, owner: &Count<'_>, believed: bool, fact: &mut WaitFact) {
    let proc = owner.sharer.proc;
    let tid = match owner.sharer.who(owner.lock.last_thread) {
        Who::Thread(tid) => Some(tid),
        Who::Gone(inside) if owner.lock.recursive => {
            let tid = inside.unwrap_or(proc.pid);
            return abandon(Some(LastOwner { pid: proc.pid, tid }), fact);
        }
        // The thread that took it has ended. Its process may still give back what is no RLock,
        // but then it is not used as one uses a lock: whoever shares it might.
        Who::Gone(_) => {
            fact.holders = vec![Holder { proc, tid: None, proven: false }];
            return;
        }
        Who::Unknown => None,
    };
    let last = LastOwner { pid: proc.pid, tid: tid.unwrap_or(proc.pid) };
    python.owners.insert(fact.resource.id.clone(), last);
    fact.holders = vec![Holder { proc, tid, proven: believed }];
    if !believed {
        return;
    }
    let waker = match tid {
        Some(tid) if owner.lock.recursive => Waker::Thread(ThreadRef { proc, tid }),
        // Any thread of that process could give back what one of them took.
        _ => Waker::Process(proc),
    };
    fact.needs = vec![Need { wakers: vec![waker] }];
    fact.certainty = Certainty::Proven;
    fact.ends_by_signal = false;
    fact.abandoned = false;
}

/// Nobody gives it back any more.
fn abandon(last_owner: Option<LastOwner>, fact: &mut WaitFact) {
    fact.needs = vec![Need::default()];
    fact.holders = Vec::new();
    fact.abandoned = true;
    fact.last_owner = last_owner;
    fact.certainty = Certainty::Proven;
    fact.ends_by_signal = false;
}

/// Several processes count it as theirs, or it is not known whether one alone does: names them.
fn shared_owners(counts: &Counts<'_>, recursive: bool, fact: &mut WaitFact) {
    let mut holders: Vec<Holder> = Vec::new();
    for count in counts.takers() {
        let tid = match count.sharer.who(count.lock.last_thread) {
            Who::Thread(tid) => Some(tid),
            Who::Gone(_) | Who::Unknown => None,
        };
        holders.push(Holder { proc: count.sharer.proc, tid, proven: false });
    }
    if holders.is_empty() {
        return;
    }
    // After a bare fork() two count an RLock as theirs, and each may give it back.
    if recursive && holders.len() > 1 && counts.is_complete {
        let wakers = holders.iter().map(|holder| Waker::Process(holder.proc)).collect();
        fact.needs = vec![Need { wakers }];
        fact.ends_by_signal = false;
    }
    fact.holders = holders;
}

/// What the frames of a waiter say of how a lock is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// `with lock:`, of class Lock: whoever takes it gives it back.
    With,
    /// The places of a queue, which producers take and consumers give back.
    Slots,
    /// A semaphore of class Semaphore or BoundedSemaphore.
    Semaphore,
    /// Inside of another object of multiprocessing.
    Condition,
    /// `acquire()` of something, or no frames.
    Unknown,
}

impl Usage {
    /// A lock and a semaphore of one place are equal in memory, but are used in different ways.
    pub(super) fn of(frames: &[PythonFrame], lock: &SemLock, memory: Memory) -> Usage {
        const FILE: &str = "multiprocessing/synchronize.py";
        let Some(top) = frames.first() else { return Usage::Unknown };
        if top.is(FILE, "__enter__") {
            let this = top.local("self").map(|local| local.address);
            let class = this.and_then(|this| object::class_name(memory, this));
            return match class.as_deref() {
                Some("Lock") => Usage::With,
                Some("BoundedSemaphore" | "Semaphore") => Usage::Semaphore,
                Some("Condition" | "Event") => Usage::Condition,
                _ => Usage::Unknown,
            };
        }
        if top.is("multiprocessing/queues.py", "put") {
            return Usage::Slots;
        }
        if top.is(FILE, "wait") || top.is(FILE, "wait_for") {
            return Usage::Condition;
        }
        match lock.max {
            1 => Usage::Unknown,
            _ => Usage::Semaphore,
        }
    }
}

fn own_frames(site: &FutexSite<'_>, own: &Sharer<'_>, stacks: &mut Stacks) -> Vec<PythonFrame> {
    let threads = stacks.python(own.proc, own.live_tid, own.maps);
    let own = threads.iter().find(|thread| thread.tid == site.waiter.tid);
    own.map(|thread| thread.frames.clone()).unwrap_or_default()
}

fn named(
    python: &mut Python,
    lock: &SemLock,
    usage: &Usage,
    of_queue: bool,
    id: &str,
) -> (WaitKind, String) {
    match (lock.recursive, usage, lock.max) {
        (true, ..) => (WaitKind::MpRlock, python.numbered(WaitKind::MpRlock, id, "RLock")),
        (_, Usage::Slots, _) => {
            (WaitKind::PySemaphore, python.numbered(WaitKind::PySemaphore, id, "room in Queue"))
        }
        (_, Usage::Condition, _) => {
            (WaitKind::PySemaphore, python.numbered(WaitKind::PySemaphore, id, "Condition"))
        }
        (_, Usage::With | Usage::Unknown, 1) => {
            let class = if of_queue { "Lock of a Queue" } else { "Lock" };
            (WaitKind::MpLock, python.numbered(WaitKind::MpLock, id, class))
        }
        (_, _, max) => {
            let class = match max {
                UNLIMITED => "Semaphore".to_owned(),
                max => format!("BoundedSemaphore({max})"),
            };
            (WaitKind::PySemaphore, python.numbered(WaitKind::PySemaphore, id, &class))
        }
    }
}

/// How often each process has taken a lock.
struct Counts<'a> {
    all: Vec<Count<'a>>,
    /// Every object of every process is among them.
    is_complete: bool,
}

struct Count<'a> {
    sharer: Sharer<'a>,
    lock: SemLock,
}

impl<'a> Counts<'a> {
    /// Reads the objects of all sharers. Those of processes that have theirs at another place
    /// than the waiter have to be searched for, which is only done where it can help.
    fn read(
        places: &mut Places,
        site: &FutexSite<'a>,
        model: &SemLock,
        may_search: bool,
    ) -> Counts<'a> {
        let mut counts = Counts { all: Vec::new(), is_complete: true };
        for sharer in &site.sharers {
            let found = places.of(sharer, model, may_search);
            counts.is_complete &= found.is_complete && !found.locks.is_empty();
            counts.all.extend(found.locks.into_iter().map(|lock| Count { sharer: *sharer, lock }));
        }
        counts
    }

    fn takers(&self) -> impl Iterator<Item = &Count<'a>> {
        self.all.iter().filter(|count| count.lock.count > 0)
    }

    /// The one who has it: nobody else counts it, and no count shows that it is given back by
    /// others than those who take it.
    fn owner(&self) -> Option<&Count<'a>> {
        let mut takers = self.takers();
        let owner = takers.next().filter(|_| takers.next().is_none())?;
        let plain = !owner.lock.recursive;
        let as_signal = self.all.iter().any(|c| c.lock.count < 0) || owner.lock.count > 1;
        let is_sure = !plain || (self.is_complete && !as_signal);
        is_sure.then_some(owner)
    }

    fn nobody(&self) -> bool {
        self.is_complete && self.all.iter().all(|count| count.lock.count == 0)
    }

    /// Nobody is about to note that it has it, and nobody took it while the counts were read.
    fn all_settled(&self, site: &FutexSite<'_>) -> bool {
        let settled = site.sharers.iter().all(|sharer| is_settled(sharer.proc.pid));
        settled
            && self.all.iter().all(|count| {
                let memory = count.sharer.memory();
                let again = SemLock::read(memory, count.lock.field, count.sharer.address);
                again.is_some_and(|lock| lock.count == 0)
            })
            && site.own().is_some_and(|own| own.memory().u32(own.address) == Ok(0))
    }
}

/// Where the objects of processes are. They never move, so they are searched for once.
#[derive(Default)]
pub(super) struct Places {
    processes: HashMap<ProcRef, Known>,
    n_looks: u64,
    searched: Duration,
}

#[derive(Default)]
struct Known {
    last_used: u64,
    /// By address of the semaphore in the process.
    fields: BTreeMap<u64, BTreeSet<u64>>,
    search: Option<Search>,
}

/// The last search through all memory of a process.
struct Search {
    at: Mono,
    took: Duration,
    /// Semaphores that were looked for.
    targets: Vec<u64>,
    /// How much the process had run before.
    stamp: Option<String>,
    partial: bool,
}

struct Found {
    locks: Vec<SemLock>,
    is_complete: bool,
}

impl Places {
    pub(super) fn begin_look(&mut self) {
        self.n_looks += 1;
        self.searched = Duration::ZERO;
        let now = self.n_looks;
        self.processes.retain(|_, known| now - known.last_used < limits::STACK_SPY_LOOKS);
    }

    fn known(&mut self, proc: ProcRef) -> &mut Known {
        let known = self.processes.entry(proc).or_default();
        known.last_used = self.n_looks;
        known
    }

    /// The object that a thread waits with.
    fn of_waiter(&mut self, site: &FutexSite<'_>, own: &Sharer<'_>) -> Option<SemLock> {
        let memory = own.memory();
        let on_stack =
            object::on_stack(memory, site.stack_pointer, own.maps, site.address, &[Class::SemLock]);
        if let Some((field, _)) = on_stack {
            self.known(own.proc).fields.entry(site.address).or_default().insert(field);
            return SemLock::read(memory, field, site.address);
        }
        // Not on the stack: any object for the same semaphore says what it is.
        let found = self.search(own, true);
        found.locks.into_iter().next()
    }

    /// All objects of a process for the semaphore that the waiter has `model` for.
    fn of(&mut self, sharer: &Sharer<'_>, model: &SemLock, may_search: bool) -> Found {
        let memory = sharer.memory();
        // After a fork it is at the same place.
        if SemLock::read(memory, model.field, sharer.address).is_some() {
            self.known(sharer.proc).fields.entry(sharer.address).or_default().insert(model.field);
        }
        let found = self.read(sharer);
        // An object for a semaphore whose name is gone was made with it, or came with a fork:
        // there is one in each process.
        if found.len() == 1 && is_unlinked(sharer, &found[0]) {
            return Found { locks: found, is_complete: true };
        }
        self.search(sharer, may_search)
    }

    /// The objects at the places that are known.
    fn read(&mut self, sharer: &Sharer<'_>) -> Vec<SemLock> {
        let Some(fields) = self.known(sharer.proc).fields.get_mut(&sharer.address) else {
            return Vec::new();
        };
        let memory = sharer.memory();
        let read = |field: &u64| SemLock::read(memory, *field, sharer.address);
        let found: Vec<SemLock> = fields.iter().filter_map(read).collect();
        // Others have gone, with an exec or because nobody needed them.
        fields.retain(|field| found.iter().any(|lock| lock.field == *field));
        found
    }

    /// All objects of a process for one semaphore, by a search through its memory where the last
    /// one may miss some.
    fn search(&mut self, sharer: &Sharer<'_>, may_search: bool) -> Found {
        let stamp = stamp_of(sharer.proc.pid);
        let now = clock::mono();
        let too_much = self.searched > limits::SCAN_PER_LOOK;
        let known = self.known(sharer.proc);
        let is_fresh = known.search.as_ref().is_some_and(|search| {
            search.stamp.is_some()
                && search.stamp == stamp
                && search.targets.binary_search(&sharer.address).is_ok()
        });
        // A process that runs is searched again, but is not kept busy with it.
        let is_too_soon = known.search.as_ref().is_some_and(|search| {
            search.targets.binary_search(&sharer.address).is_ok()
                && now.since(search.at) < search.took * limits::SCAN_REST
        });
        if !is_fresh && may_search && !too_much && !is_too_soon {
            let targets = semaphores_of(sharer);
            let hits = scan::words(sharer.live_tid, sharer.maps, &targets);
            let took = clock::mono().since(now);
            self.searched += took;
            let known = self.known(sharer.proc);
            if let Ok(found) = hits {
                for (field, target) in &found.hits {
                    known.fields.entry(*target).or_default().insert(*field);
                }
                let partial = found.partial;
                known.search = Some(Search { at: now, took, targets, stamp, partial });
            }
            let is_complete =
                known.search.as_ref().is_some_and(|search| search.at == now && !search.partial);
            return Found { locks: self.read(sharer), is_complete };
        }
        let is_complete = is_fresh && known.search.as_ref().is_some_and(|search| !search.partial);
        Found { locks: self.read(sharer), is_complete }
    }
}

/// Where the semaphores of a process are mapped, in order; one search finds the objects of all.
fn semaphores_of(sharer: &Sharer<'_>) -> Vec<u64> {
    let is_semaphore = |path: &str| path.rsplit('/').next().is_some_and(|n| n.starts_with("sem."));
    let mapped = sharer.maps.iter().filter(|m| m.shared && m.file().is_some_and(is_semaphore));
    let mut all: Vec<u64> = mapped.map(|m| m.start).collect();
    all.push(sharer.address);
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether a process can get no other object for the same semaphore: opening one needs its name.
fn is_unlinked(sharer: &Sharer<'_>, lock: &SemLock) -> bool {
    // No name is kept of one that was unlinked as it was made, as `multiprocessing` does where
    // children are forked (`_multiprocessing_SemLock_impl` in CPython's `semaphore.c`).
    if !lock.has_name() {
        return true;
    }
    let Some(mapping) = sharer.maps.find(sharer.address) else { return false };
    let Some(name) = lock.name(sharer.memory()) else { return false };
    let Some(name) = name.strip_prefix('/').filter(|name| !name.contains('/')) else {
        return false;
    };
    let tid = sharer.live_tid;
    match fs::metadata(format!("/proc/{tid}/root/dev/shm/sem.{name}")) {
        Ok(meta) => meta.ino() != mapping.inode,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Equal while no thread of the process has run.
fn stamp_of(pid: i32) -> Option<String> {
    let mut tasks: Vec<String> = fs::read_dir(format!("/proc/{pid}/task"))
        .ok()?
        .flatten()
        .filter_map(|task| task.file_name().into_string().ok())
        .collect();
    tasks.sort();
    let mut stamp = String::new();
    for tid in tasks {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
        stamp.push_str(&tid);
        stamp.push(' ');
        stamp.push_str(&text);
    }
    Some(stamp)
}
