//! The list of what threads wait in, and what all of it has in common.
//!
//! A kind of wait is one file: it names the calls, and says of a thread in one of them what it
//! waits for and who could end that. It always names a superset: one more waker can hide a
//! deadlock, one less would invent one.

use super::memory::Memory;
use super::process::{Process, Thread};
use super::scene::Scene;
use super::status::{Stat, Status};
use super::syscall::{Call, Sys};
use super::{cancel, child, file_lock, futex, idle, poll, stream, sysv};
use crate::model::waits::{
    Certainty, Holder, LastOwner, Need, OnDeath, Resource, ThreadRef, WaitFact, WaitKind, Waker,
};
use std::fs;
use std::rc::Rc;

pub struct Kind {
    pub calls: &'static [Sys],
    /// `None`: not this kind after all.
    pub collect: fn(&Scene, &Wait) -> Option<Fact>,
}

/// All kinds; the first that knows a wait says what it is.
pub const KINDS: &[Kind] = &[
    Kind { calls: futex::CALLS, collect: futex::collect },
    Kind { calls: &[Sys::Flock, Sys::Fcntl], collect: file_lock::collect },
    Kind { calls: stream::CALLS, collect: stream::collect },
    Kind { calls: poll::CALLS, collect: poll::collect },
    Kind { calls: &[Sys::Wait4, Sys::Waitid, Sys::Vfork, Sys::Clone], collect: child::collect },
    Kind { calls: sysv::CALLS, collect: sysv::collect },
    Kind { calls: idle::CALLS, collect: idle::collect },
];

/// A thread in a call that it does not come back from by itself.
pub struct Wait {
    pub process: Rc<Process>,
    pub thread: Thread,
    pub call: Call,
    pub status: Status,
}

impl Wait {
    pub fn memory(&self) -> Memory {
        self.process.memory()
    }

    /// Whether the handler of a timer of the process may end the call: that of alarm(2) and
    /// setitimer(2), as programs without other means limit the time of a call, or one of
    /// timer_create(2), which the kernel lists.
    pub fn has_timer(&self) -> bool {
        let listed = || fs::read(format!("/proc/{}/timers", self.process.live_tid));
        self.status.catches(libc::SIGALRM) || listed().is_ok_and(|text| !text.is_empty())
    }
}

/// What one kind says of a wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub kind: WaitKind,
    pub id: String,
    pub name: Option<String>,
    pub needs: Vec<Need>,
    pub holders: Vec<Holder>,
    pub abandoned: bool,
    pub last_owner: Option<LastOwner>,
    pub certainty: Certainty,
    pub ends_by_signal: bool,
    pub on_death: OnDeath,
}

impl Fact {
    /// One without any needs yet, and not more certain than that all of those are known.
    pub fn new(kind: WaitKind, id: String) -> Fact {
        Fact {
            kind,
            id,
            name: None,
            needs: Vec::new(),
            holders: Vec::new(),
            abandoned: false,
            last_owner: None,
            certainty: Certainty::Inferred,
            ends_by_signal: false,
            on_death: OnDeath::Nothing,
        }
    }

    /// A wait that somebody can always end, in words that follow "may be ended by".
    pub fn open(kind: WaitKind, id: String, by: &str) -> Fact {
        Fact::new(kind, id).need(vec![outside(by)])
    }

    pub fn named(self, name: impl Into<Option<String>>) -> Fact {
        Fact { name: name.into(), ..self }
    }

    pub fn need(mut self, wakers: Vec<Waker>) -> Fact {
        self.needs.push(Need { wakers });
        self
    }

    pub fn proven(self) -> Fact {
        Fact { certainty: Certainty::Proven, ..self }
    }

    /// The handler of a signal may end it.
    pub fn by_signal(self) -> Fact {
        Fact { ends_by_signal: true, ..self }
    }

    /// Adds a waker to all needs.
    pub fn also(&mut self, waker: Waker) {
        if self.needs.is_empty() {
            self.needs.push(Need::default());
        }
        for need in &mut self.needs {
            if !need.wakers.contains(&waker) {
                need.wakers.push(waker.clone());
            }
        }
    }

    pub fn into_wait_fact(self, waiter: ThreadRef, timeout: bool) -> WaitFact {
        WaitFact {
            waiter,
            resource: Resource { kind: self.kind, id: self.id, name: self.name },
            needs: self.needs,
            holders: self.holders,
            abandoned: self.abandoned,
            last_owner: self.last_owner,
            timeout,
            certainty: self.certainty,
            ends_by_signal: self.ends_by_signal,
            on_death: self.on_death,
            fill: None,
            frames: Vec::new(),
        }
    }
}

/// Something that can always end a wait; the words follow "may be ended by".
pub fn outside(words: &str) -> Waker {
    Waker::Outside(words.to_owned())
}

/// Says what a thread waits for, by the first kind that knows.
pub fn collect(scene: &Scene, wait: &Wait) -> Fact {
    let kinds = KINDS.iter().filter(|kind| kind.calls.contains(&wait.call.sys));
    let found = kinds.filter_map(|kind| (kind.collect)(scene, wait)).next();
    let mut fact = found.unwrap_or_else(|| {
        let id = format!("{}:{}", wait.process.pid(), wait.thread.tid);
        Fact::open(WaitKind::Unknown, id, "something that ganger does not know")
    });
    // Its handler for ended children may end it.
    if fact.ends_by_signal && wait.status.catches(libc::SIGCHLD) {
        let is_child = |(_, stat): &(i32, &Stat)| stat.parent == wait.process.pid();
        let children = scene.stats().filter(is_child).map(|(pid, _)| pid);
        children.for_each(|pid| fact.also(scene.waker(pid)));
    }
    let is_open = |need: &Need| need.wakers.iter().any(|w| matches!(w, Waker::Outside(_)));
    let is_shut = !wait.call.is_timed() && !fact.needs.iter().any(is_open);
    if is_shut && cancel::is_point(wait, fact.kind) && scene.may_cancel(&wait.process) {
        fact.also(scene.waker(wait.process.pid()));
    }
    if wait.status.is_woken() {
        fact.also(outside("a signal that has come"));
    }
    if fact.needs.is_empty() {
        fact.also(outside("something that ganger does not know"));
    }
    fact
}
