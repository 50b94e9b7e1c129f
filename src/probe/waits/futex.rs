//! Waits on words of memory: everything that libraries of threads are built on.

use super::glibc::{self, Futex, Object, Window, classify, classify_musl};
use super::kinds::{Fact, Wait, outside};
use super::maps::{Mapping, Maps};
use super::memory::u64_in;
use super::process::{Process, leader_of};
use super::pthread::Threads;
use super::reach::later_sharers;
use super::scene::{Access, Hidden, Scene, Shared};
use super::status::Stat;
use super::syscall::Sys;
use crate::model::waits::{Holder, LastOwner, Need, OnDeath, WaitKind, Waker};
use std::collections::BTreeSet;
use std::rc::Rc;

pub const CALLS: &[Sys] = &[Sys::Futex, Sys::FutexWait, Sys::FutexWaitv];

/// Says what a thread waits for, and who could release it.
pub fn collect(scene: &Scene, wait: &Wait) -> Option<Fact> {
    let [address, op, value, ..] = wait.call.args;
    let futex = match wait.call.sys {
        Sys::Futex => Futex { address, op: op as u32, value: value as u32 },
        // Nothing is known that is built on these two.
        Sys::FutexWait => return Some(of_any(scene, wait, &[(address, op)])),
        _ => {
            let watched = watched(wait, address, op);
            return Some(of_any(scene, wait, &watched.unwrap_or_default()));
        }
    };
    let waits = matches!(
        futex.command(),
        Futex::WAIT
            | Futex::WAIT_BITSET
            | Futex::WAIT_REQUEUE_PI
            | Futex::LOCK_PI
            | Futex::LOCK_PI2
    );
    waits.then(|| of_futex(scene, wait, futex))
}

/// The array of futex_waitv(2): u64 value, u64 address, u32 flags, u32 nothing.
fn watched(wait: &Wait, address: u64, n: u64) -> Option<Vec<(u64, u64)>> {
    let n = usize::try_from(n as u32).ok().filter(|n| *n <= 128)?;
    let mut bytes = vec![0; 24 * n];
    wait.memory().read(address, &mut bytes).ok()?;
    let (entries, _) = bytes.as_chunks::<24>();
    entries.iter().map(|entry| Some((u64_in(entry, 8)?, u64_in(entry, 0)?))).collect()
}

/// Waits on any of several words, by address and awaited value.
fn of_any(scene: &Scene, wait: &Wait, words: &[(u64, u64)]) -> Fact {
    let process = &*wait.process;
    let id = match words {
        [(address, _)] => format!("{}:{address:#x}", process.pid()),
        _ => format!("{}:{}", process.pid(), wait.thread.tid),
    };
    let mut fact = Fact::new(WaitKind::Unknown, id).by_signal();
    for (address, value) in words {
        let place = process.maps().ok().and_then(|maps| place_of(maps, *address));
        let is_awaited = process.memory().u32(*address) == Ok(*value as u32);
        match place.filter(|_| is_awaited) {
            Some((place, mapping)) => {
                let one = anybody(scene, process, fact.clone(), place, mapping);
                one.needs.into_iter().flat_map(|n| n.wakers).for_each(|waker| fact.also(waker));
                fact.holders.extend(one.holders);
            }
            None => fact.also(outside("a wake-up that is on its way")),
        }
    }
    fact.holders.sort_by_key(|holder| holder.proc);
    fact.holders.dedup();
    fact
}

/// Where a futex is, for all who may share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of this process alone.
    Private,
    Shared(Shared),
}

/// Finds out whether memory is shared: the flag in the call does not say, since robust mutexes
/// never set it.
pub fn place_of(maps: &Maps, address: u64) -> Option<(Place, &Mapping)> {
    let mapping = maps.find(address)?;
    let place = if mapping.shared {
        Place::Shared(Shared {
            device: mapping.device,
            inode: mapping.inode,
            offset: mapping.offset_of(address),
            has_name: mapping.has_name(),
        })
    } else {
        Place::Private
    };
    Some((place, mapping))
}

/// Who has the memory that a futex is in.
pub struct Sharers {
    /// Processes, the one that waits among them, and where each has the futex.
    pub all: Vec<(Rc<Process>, u64)>,
    pub shared: bool,
    /// Nobody can have it without being among them.
    pub all_seen: bool,
    /// Others may get it yet.
    pub may_grow: bool,
}

/// Finds all who have a futex of a process; `None` where its memory is not visible.
pub fn sharers(scene: &Scene, process: &Process, address: u64) -> Option<Sharers> {
    let (place, mapping) = place_of(process.maps().ok()?, address)?;
    let here = || Some((scene.process(process.pid())?, address));
    let Place::Shared(shared) = place else {
        let all = vec![here()?];
        return Some(Sharers { all, shared: false, all_seen: true, may_grow: false });
    };
    let others = scene.mapped(shared).into_iter().filter(|m| m.pid != process.pid());
    let others = others.filter_map(|m| Some((scene.process(m.pid)?, m.address)));
    let all: Vec<(Rc<Process>, u64)> = here().into_iter().chain(others).collect();
    let is_seen = |(process, _): &(Rc<Process>, u64)| process.hidden.is_none();
    let may_grow = !later_sharers(scene, process, mapping, shared).is_empty();
    let all_seen =
        all.iter().all(is_seen) && !may_grow && hidden_sharer(scene, process, shared).is_none();
    Some(Sharers { all, shared: true, all_seen, may_grow })
}

fn of_futex(scene: &Scene, wait: &Wait, futex: Futex) -> Fact {
    let process = &*wait.process;
    let id = format!("{}:{:#x}", process.pid(), futex.address);
    let maps = match process.maps() {
        Ok(maps) => maps,
        Err(trouble) => {
            let note = trouble.not_visible(process.pid(), "memory");
            scene.not_visible.borrow_mut().extend(note);
            return Fact::open(WaitKind::Unknown, id, "somebody that is not visible");
        }
    };
    let Some((place, mapping)) = place_of(maps, futex.address) else {
        return Fact::open(WaitKind::Unknown, id, "a change of its memory");
    };
    let Some(window) = window(process, mapping, futex.address) else {
        scene.note(process.pid(), "memory", "not readable where a thread waits");
        return Fact::open(WaitKind::Unknown, id, "somebody that is not visible");
    };
    let id = match place {
        Place::Private => id,
        Place::Shared(shared) => shared.to_string(),
    };
    let word = super::memory::u32_in(&window.bytes, window.at);
    if !futex.is_pi() && word != Some(futex.value) {
        return Fact::open(WaitKind::Unknown, id, "a wake-up that is on its way");
    }

    let is_thread = |tid| process.thread_called(tid).is_some();
    // One file is loader and library. Where it is mapped by its other name, glibc has that name
    // only with a number behind it; Debian keeps it in a folder of its own.
    let is_musl = maps.iter().any(|m| {
        let name = m.path.rsplit('/').next().unwrap_or_default();
        name == "libc.so" || name.starts_with("ld-musl") || m.path.contains("linux-musl")
    });
    let object = if is_musl {
        classify_musl(futex, &window, &is_thread)
    } else {
        let of_pthread = |at| {
            let known = Threads::of(process.pid()).ok()?;
            known.exactly(process.memory(), at)
        };
        let in_library = is_of_library(maps, mapping);
        classify(
            futex,
            &window,
            &glibc::Threads { is_one: &is_thread, of_pthread: &of_pthread, in_library },
        )
    };
    let mut fact = Fact::new(kind_of(object), id);
    if let Object::Mutex { robust, .. } = object {
        fact.on_death = match (robust, futex.is_pi()) {
            (true, _) => OnDeath::Marked,
            (false, true) => OnDeath::Aborts,
            (false, false) => OnDeath::Nothing,
        };
    }
    match object {
        Object::Mutex { owner, robust } => {
            let checks_owner = robust || is_musl || window.checks_owner();
            let lock = Owned { place, owner, robust, checks_owner, mapping, futex, window };
            owned(scene, process, fact, &lock)
        }
        Object::Written { owner } => {
            let (robust, checks_owner) = (false, false);
            let lock = Owned { place, owner, robust, checks_owner, mapping, futex, window };
            owned(scene, process, fact, &lock)
        }
        Object::Stdio { owner } => {
            let thread = process.thread_ref(owner);
            let holder = Holder { proc: thread.proc, tid: Some(owner), proven: true };
            fact.holders.push(holder);
            fact.proven().need(vec![Waker::Thread(thread)])
        }
        Object::Join { tid } => joined(process, fact, tid),
        _ => anybody(scene, process, fact, place, mapping),
    }
}

/// Whether a mapping has the variables of glibc: those with a value are in its file, the others in
/// memory right behind.
fn is_of_library(maps: &Maps, mapping: &Mapping) -> bool {
    let is_library = |m: &Mapping| {
        let name = m.path.rsplit('/').next().unwrap_or_default();
        name.starts_with("libc.so") || name.starts_with("libc-2")
    };
    let before = mapping.start.checked_sub(1).and_then(|at| maps.find(at));
    is_library(mapping) || (mapping.path.is_empty() && before.is_some_and(is_library))
}

fn kind_of(object: Object) -> WaitKind {
    match object {
        Object::Mutex { .. } | Object::BareMutex | Object::Stdio { .. } => WaitKind::Mutex,
        Object::Join { .. } => WaitKind::ThreadJoin,
        Object::Written { .. } | Object::Read => WaitKind::Rwlock,
        Object::Semaphore => WaitKind::Semaphore,
        Object::Condvar => WaitKind::Condvar,
        Object::Barrier => WaitKind::Barrier,
        Object::Unknown => WaitKind::Unknown,
    }
}

/// Reads what lies around a futex, as far as its mapping goes.
fn window(process: &Process, mapping: &Mapping, address: u64) -> Option<Window> {
    let start = address.saturating_sub(Window::BEFORE).max(mapping.start);
    let end = address.saturating_add(Window::BEHIND).min(mapping.end);
    let mut bytes = vec![0; usize::try_from(end.checked_sub(start)?).ok()?];
    let at = usize::try_from(address - start).ok()?;
    process.memory().read(start, &mut bytes).ok()?;
    Some(Window { bytes, at })
}

/// A lock that says who has it, by the number that the owner has for itself.
struct Owned<'a> {
    place: Place,
    owner: i32,
    robust: bool,
    /// Nobody but its owner can give it back: it checks.
    checks_owner: bool,
    mapping: &'a Mapping,
    futex: Futex,
    /// What it was read from.
    window: Window,
}

fn owned(scene: &Scene, process: &Process, mut fact: Fact, lock: &Owned<'_>) -> Fact {
    let users = users(scene, process, lock.place);
    let mut owners = Vec::new();
    for pid in &users {
        let found = if *pid == process.pid() {
            process.thread_called(lock.owner).map(|tid| process.thread_ref(tid))
        } else {
            let user = scene.process(*pid);
            user.and_then(|p| p.thread_called(lock.owner).map(|tid| p.thread_ref(tid)))
        };
        owners.extend(found);
    }
    match owners.as_slice() {
        [thread] => {
            let holder = Holder { proc: thread.proc, tid: Some(thread.tid), proven: true };
            fact.holders.push(holder);
            fact.proven().need(vec![Waker::Thread(*thread)])
        }
        // The kernel gives a robust one to the next when its owner ends.
        [] if !lock.robust => abandoned(scene, process, fact, lock, &users),
        // In other pid namespaces others may have the same number.
        _ => anybody(scene, process, fact, lock.place, lock.mapping),
    }
}

/// The processes that have the memory of a lock.
fn users(scene: &Scene, process: &Process, place: Place) -> BTreeSet<i32> {
    match place {
        Place::Private => BTreeSet::from([process.pid()]),
        Place::Shared(shared) => scene.mapped(shared).iter().map(|m| m.pid).collect(),
    }
}

/// Doubt about a process that may have the memory unseen.
fn hidden_sharer(scene: &Scene, process: &Process, shared: Shared) -> Option<Waker> {
    let seen = users(scene, process, Place::Shared(shared));
    let access = if shared.has_name { Access::Named } else { Access::Inherited(&seen) };
    scene.hidden_near(process, Hidden::Memory, access)
}

/// The owner is no thread of any process that has the lock. What is left of it: a private lock
/// was taken by another thread before a fork, which copied the lock but not the thread; the owner
/// of a shared one has ended.
fn abandoned(
    scene: &Scene,
    process: &Process,
    fact: Fact,
    lock: &Owned<'_>,
    users: &BTreeSet<i32>,
) -> Fact {
    // Somebody new may have taken it since threads were read; or the one who had it has ended
    // since the lock was read, which then says something else now.
    let is_new = users.iter().any(|pid| has_new_threads(scene, *pid));
    let again = window(process, lock.mapping, lock.futex.address);
    let is_same = again.is_some_and(|again| again.bytes == lock.window.bytes);
    if is_new || !is_same {
        return fact.need(vec![outside("a change that is on its way")]);
    }
    let is_doubtful = match lock.place {
        // Whoever was started without a copy of the memory is a child, or the parent.
        Place::Private => {
            kin(scene, process).any(|pid| shares_memory(process.pid(), pid) != Some(false))
        }
        Place::Shared(shared) => {
            let may_map = !later_sharers(scene, process, lock.mapping, shared).is_empty();
            lives_nearby(scene, lock.owner, may_map)
        }
    };
    let hidden = match lock.place {
        Place::Private => None,
        Place::Shared(shared) => hidden_sharer(scene, process, shared),
    };
    if is_doubtful || hidden.is_some() {
        let doubt = outside("a thread that had it and may have it again");
        return fact.proven().need([Some(doubt), hidden].into_iter().flatten().collect());
    }
    // Who forked while it had a mutex has it in the child, which may give it back: mutexes that
    // do not check for their owner allow that.
    let heirs = heirs(scene, process, lock, users);
    Fact {
        needs: vec![Need { wakers: heirs }],
        abandoned: true,
        last_owner: Some(LastOwner { pid: leader_of(lock.owner), tid: lock.owner }),
        ..fact.proven()
    }
}

/// The first threads of processes that may have been forked by the owner of a lock while it had
/// it.
fn heirs(scene: &Scene, process: &Process, lock: &Owned<'_>, users: &BTreeSet<i32>) -> Vec<Waker> {
    if lock.checks_owner {
        return Vec::new();
    }
    let first = |p: &Process| p.thread(p.pid()).map(|t| Waker::Thread(p.thread_ref(t.tid)));
    match lock.place {
        // It was copied with the rest of the memory.
        Place::Private => first(process).into_iter().collect(),
        // Who was there before the owner was not forked by it. Its child is an orphan now: the
        // parent that it has got does not share the lock.
        Place::Shared(_) => {
            let is_heir = |pid: &i32| {
                let parent = scene.stat(*pid).map_or(0, |stat| stat.parent);
                *pid > lock.owner && !users.contains(&parent)
            };
            let pids = users.iter().filter(|pid| is_heir(pid));
            pids.filter_map(|pid| first(&*scene.process(*pid)?)).collect()
        }
    }
}

/// Whether a process has threads that were not there when it was read.
fn has_new_threads(scene: &Scene, pid: i32) -> bool {
    let Some(known) = scene.process(pid) else { return true };
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    let mut tids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse::<i32>().ok());
    tids.any(|tid| known.thread(tid).is_none())
}

/// Whether a thread that has no part of a lock any more is still there, in a process that may have
/// had it: of the trees, new, or not visible. One that is seen counts when it `may_map` the lock
/// again; a program that was started anew cannot, where it has neither name nor descriptor.
fn lives_nearby(scene: &Scene, owner: i32, may_map: bool) -> bool {
    let in_tree = scene.stats().map(|(pid, _)| pid).filter(|pid| scene.is_in_tree(*pid));
    let is_here = |pid: i32| {
        let owns = |p: &Process| may_map && p.thread_called(owner).is_some();
        scene.process(pid).is_some_and(|p| p.hidden.is_some() || owns(&p))
    };
    if in_tree.into_iter().any(is_here) {
        return true;
    }
    let exists = std::path::Path::new(&format!("/proc/{owner}")).exists();
    exists && scene.process(leader_of(owner)).is_none_or(|p| p.hidden.is_some())
}

/// Those who may have been started without a copy of a process's memory: its children, and its
/// parent.
fn kin(scene: &Scene, process: &Process) -> impl Iterator<Item = i32> {
    let is_kin = |(pid, stat): &(i32, &Stat)| {
        let is_parent = *pid == process.stat.parent && scene.is_in_tree(*pid);
        stat.parent == process.pid() || is_parent
    };
    scene.stats().filter(is_kin).map(|(pid, _)| pid)
}

/// Whether two processes have the same memory, as after vfork(2); `None` where that is not known.
fn shares_memory(a: i32, b: i32) -> Option<bool> {
    const KCMP_VM: libc::c_long = 1;
    // SAFETY: kcmp(2) takes numbers only.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, a, b, KCMP_VM, 0, 0) };
    match order {
        0 => Some(true),
        1..=3 => Some(false),
        _ => None,
    }
}

fn joined(process: &Process, mut fact: Fact, own_tid: i32) -> Fact {
    let Some(tid) = process.thread_called(own_tid) else {
        return fact.need(vec![outside("a thread that is not visible")]);
    };
    let thread = process.thread_ref(tid);
    fact.id = format!("{}:{tid}", process.pid());
    fact.name = process.thread(tid).map(|t| t.name.to_string());
    fact.holders.push(Holder { proc: thread.proc, tid: Some(tid), proven: true });
    fact.proven().need(vec![Waker::Thread(thread)])
}

/// Something that keeps no owner: whoever has the memory may release it.
fn anybody(
    scene: &Scene,
    process: &Process,
    mut fact: Fact,
    place: Place,
    mapping: &Mapping,
) -> Fact {
    let mut wakers = BTreeSet::from([scene.waker(process.pid())]);
    let mut later = Vec::new();
    match place {
        Place::Shared(shared) => {
            wakers.extend(scene.mapped(shared).iter().map(|m| scene.waker(m.pid)));
            wakers.extend(hidden_sharer(scene, process, shared));
            later = later_sharers(scene, process, mapping, shared);
        }
        // Who has the same memory can be read whenever the process itself can.
        Place::Private => {
            let twins =
                kin(scene, process).filter(|pid| shares_memory(process.pid(), *pid) == Some(true));
            wakers.extend(twins.map(|pid| scene.waker(pid)));
        }
    }
    for waker in &wakers {
        if let Waker::Process(proc) = waker {
            fact.holders.push(Holder { proc: *proc, tid: None, proven: false });
        }
    }
    // Not named as holders: they have nothing to give back yet.
    wakers.extend(later);
    fact.by_signal().need(wakers.into_iter().collect())
}
