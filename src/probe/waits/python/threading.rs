//! Locks of `threading`, which live in one process: an RLock notes its owner, a Lock does not,
//! and waiting for the end of a thread looks like waiting for a lock.

use super::object::{self, Class, RLock};
use super::source::Sources;
use super::{FutexSite, Python, Sharer};
use crate::model::waits::{
    Certainty, Holder, LastOwner, Need, ThreadRef, WaitFact, WaitKind, Waker,
};
use crate::probe::stacks::{PythonFrame, PythonThread, Stacks};
use crate::probe::waits::memory::Memory;
use crate::probe::waits::pthread::Who;

const FILE: &str = "threading.py";

pub(super) fn refine(
    python: &mut Python,
    site: &FutexSite<'_>,
    own: &Sharer<'_>,
    stacks: &mut Stacks,
    fact: &mut WaitFact,
) {
    let threads = stacks.python(own.proc, own.live_tid, own.maps);
    let frames = threads.iter().find(|t| t.tid == site.waiter.tid).map_or(&[][..], |t| &t.frames);
    // What it waits for may have come already: then only names are added.
    let needs = fact.needs.iter().flat_map(|need| &need.wakers);
    let before = needs.clone().any(|w| matches!(w, Waker::Outside(_))).then(|| fact.clone());
    match joined(frames) {
        Some(joined) => join(joined, &threads, own, fact),
        None => lock(python, site, own, &threads, fact),
    }
    if let Some(before) = before {
        let resource = fact.resource.clone();
        *fact = WaitFact { resource, ..before };
    }
}

fn lock(
    python: &mut Python,
    site: &FutexSite<'_>,
    own: &Sharer<'_>,
    threads: &[PythonThread],
    fact: &mut WaitFact,
) {
    let found = object::on_stack(
        own.memory(),
        site.stack_pointer,
        own.maps,
        site.address,
        &[Class::RLock, Class::Lock],
    );
    match found {
        Some((field, Class::RLock)) => {
            fact.resource.kind = WaitKind::PyRlock;
            let id = fact.resource.id.clone();
            fact.resource.name = Some(python.numbered(WaitKind::PyRlock, &id, "RLock"));
            if let Some(lock) = RLock::read(own.memory(), field) {
                recursive(lock, own, fact);
            }
        }
        Some((field, _)) => plain(python, field - 16, site, own, threads, fact),
        None => {}
    }
}

fn recursive(lock: RLock, own: &Sharer<'_>, fact: &mut WaitFact) {
    // Taken a moment ago, by a thread that is about to say so.
    if lock.owner == 0 || lock.depth == 0 {
        return;
    }
    let proc = own.proc;
    match own.who(lock.owner) {
        Who::Thread(tid) => {
            fact.needs = vec![Need { wakers: vec![Waker::Thread(ThreadRef { proc, tid })] }];
            fact.holders = vec![Holder { proc, tid: Some(tid), proven: true }];
        }
        // It ended, or it is a thread of the parent that this process was forked from.
        Who::Gone(inside) => {
            fact.needs = vec![Need::default()];
            fact.holders = Vec::new();
            fact.abandoned = true;
            let last = inside.map(|tid| LastOwner { pid: proc.pid, tid });
            fact.last_owner = last;
        }
        Who::Unknown => return,
    }
    fact.certainty = Certainty::Proven;
    fact.ends_by_signal = false;
}

/// A Lock: nothing says who has it, so any thread of the process may give it back. What it is for
/// and who seems to have it are told from frames.
fn plain(
    python: &mut Python,
    object: u64,
    site: &FutexSite<'_>,
    own: &Sharer<'_>,
    threads: &[PythonThread],
    fact: &mut WaitFact,
) {
    let frames = threads.iter().find(|t| t.tid == site.waiter.tid).map_or(&[][..], |t| &t.frames);
    if let Some(what) = condition(frames, own.memory()) {
        fact.resource.kind = WaitKind::Condvar;
        fact.resource.name = Some(what);
        return;
    }
    fact.resource.kind = WaitKind::PyLock;
    let id = fact.resource.id.clone();
    fact.resource.name = Some(python.numbered(WaitKind::PyLock, &id, "Lock"));
    let mut sources = Sources::of(own.live_tid);
    if let Some(tid) = sources.holder(object, site.waiter.tid, threads) {
        fact.holders = vec![Holder { proc: own.proc, tid: Some(tid), proven: false }];
    }
}

/// The Thread object whose end is waited for; its address.
///
/// Up to 3.12 it is a Lock that the ending thread gives back, from 3.13 on an event in the
/// waiter's own stack.
fn joined(frames: &[PythonFrame]) -> Option<u64> {
    let top = frames.first()?;
    let joins = top.is(FILE, "_wait_for_tstate_lock") || top.is(FILE, "join");
    // `Thread.join(timeout)` is no wait for ever, and is not asked about.
    let this = top.local("self").filter(|_| joins)?;
    Some(this.address)
}

fn join(object: u64, threads: &[PythonThread], own: &Sharer<'_>, fact: &mut WaitFact) {
    fact.resource.kind = WaitKind::ThreadJoin;
    let is_of = |thread: &&PythonThread| {
        thread.frames.iter().rev().take(2).any(|frame| {
            frame.is(FILE, "_bootstrap")
                && frame.local("self").is_some_and(|this| this.address == object)
        })
    };
    let proc = own.proc;
    if let Some(target) = threads.iter().find(is_of) {
        let tid = target.tid;
        fact.resource.name = Some(format!("thread {tid}"));
        fact.needs = vec![Need { wakers: vec![Waker::Thread(ThreadRef { proc, tid })] }];
        fact.holders = vec![Holder { proc, tid: Some(tid), proven: true }];
        fact.certainty = Certainty::Proven;
        fact.ends_by_signal = false;
    }
}

/// What a thread waits for that somebody is to announce; `None` where it wants a lock.
fn condition(frames: &[PythonFrame], memory: Memory) -> Option<String> {
    let within = |files: &[(&str, &str)]| {
        frames.iter().take(5).any(|f| files.iter().any(|(file, name)| f.is(file, name)))
    };
    if !frames.first()?.is(FILE, "wait") {
        return None;
    }
    let this = frames.get(1).filter(|f| f.is(FILE, "wait")).and_then(|f| f.local("self"));
    let class = this.and_then(|this| object::class_name(memory, this.address));
    let what = if within(&[("queue.py", "get")]) {
        "an item in a queue.Queue"
    } else if within(&[("queue.py", "put")]) {
        "room in a queue.Queue"
    } else if within(&[("queue.py", "join")]) {
        "the work of a queue.Queue"
    } else if within(&[("concurrent/futures/_base.py", "result")]) {
        "the result of a Future"
    } else if within(&[("multiprocessing/pool.py", "wait")]) {
        "the result of a Pool"
    } else if within(&[(FILE, "acquire")]) {
        "threading.Semaphore"
    } else if class.as_deref() == Some("Barrier") || within(&[(FILE, "_wait")]) {
        "threading.Barrier"
    } else if class.as_deref() == Some("Event") {
        "threading.Event"
    } else {
        "threading.Condition"
    };
    Some(what.to_owned())
}
