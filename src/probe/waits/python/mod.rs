//! What Python programs wait for: tells the semaphores and futexes beneath them apart by the
//! objects that they belong to, and finds who has them.
//!
//! [`Python::refine`] takes what is known of a thread that waits on a futex and makes it more
//! exact where an object of Python says more; where none does it changes nothing. It only ever
//! takes away from who could end a wait what is proven not to be able to.

mod insight;
mod object;
mod queue;
pub mod scan;
mod semlock;
mod source;
mod threading;

pub use insight::Languages;

use super::maps::Maps;
use super::memory::Memory;
use super::pthread::{Threads, Who};
use crate::model::ids::ProcRef;
use crate::model::limits;
use crate::model::waits::{LastOwner, ThreadRef, WaitFact, WaitKind};
use crate::probe::stacks::{Stacks, runs_python};
use semlock::Places;
use std::collections::HashMap;
use std::fs;

/// A thread that waits on a futex, for ever.
pub struct FutexSite<'a> {
    pub waiter: ThreadRef,
    pub stack_pointer: u64,
    /// In the waiter.
    pub address: u64,
    /// Who has the memory that the futex is in, the waiter among them: all processes that map
    /// shared memory, or the process itself for private memory.
    pub sharers: Vec<Sharer<'a>>,
    /// The futex is in memory that processes share.
    pub shared: bool,
    /// Nobody can have that memory without being among the sharers.
    pub all_seen: bool,
    /// Others may get it yet: processes that were just started open what they were given by name.
    pub may_grow: bool,
}

/// A process that has the memory that a futex is in.
#[derive(Clone, Copy)]
pub struct Sharer<'a> {
    pub proc: ProcRef,
    /// Any thread of it that has not ended.
    pub live_tid: i32,
    /// Of the futex, in this process.
    pub address: u64,
    pub maps: &'a Maps,
}

impl Sharer<'_> {
    fn memory(&self) -> Memory {
        Memory::of(self.live_tid)
    }

    /// The thread that this process means by a `pthread_t`.
    fn who(&self, pthread: u64) -> Who {
        match Threads::of(self.proc.pid) {
            Ok(threads) => threads.who(self.memory(), pthread),
            Err(_) => Who::Unknown,
        }
    }
}

impl<'a> FutexSite<'a> {
    fn own(&self) -> Option<&Sharer<'a>> {
        self.sharers.iter().find(|sharer| sharer.proc == self.waiter.proc)
    }
}

/// Knows objects of Python, and remembers where they are.
#[derive(Default)]
pub struct Python {
    places: Places,
    /// Locks by the number that people see, in the order in which they were met.
    numbers: HashMap<(WaitKind, String), usize>,
    /// Who was seen to have a lock last, by its id: a process that is killed leaves no trace.
    owners: HashMap<String, LastOwner>,
}

impl Python {
    pub fn new() -> Python {
        Python::default()
    }

    /// Call it at the start of each look.
    pub fn begin_look(&mut self) {
        self.places.begin_look();
    }

    /// Makes what is known of a wait on a futex more exact. `fact` says before that any thread of
    /// the sharers could end it; with that it stays right where nothing more is found.
    pub fn refine(&mut self, site: &FutexSite<'_>, stacks: &mut Stacks, fact: &mut WaitFact) {
        let Some(own) = site.own() else { return };
        if !runs_python(own.maps) {
            return;
        }
        match site.shared {
            true => semlock::refine(self, site, own, stacks, fact),
            false => threading::refine(self, site, own, stacks, fact),
        }
    }

    /// `Lock #2`: the same as long as this lives.
    fn numbered(&mut self, kind: WaitKind, id: &str, class: &str) -> String {
        if self.numbers.len() >= limits::LOCKS_NAMED {
            self.numbers.clear();
            self.owners.clear();
        }
        let next = 1 + self.numbers.keys().filter(|(k, _)| *k == kind).count();
        let number = *self.numbers.entry((kind, id.to_owned())).or_insert(next);
        format!("{class} #{number}")
    }
}

/// Whether no thread of a process can be between having got a semaphore and having noted it.
///
/// What a lock of Python says of its owner is written under the interpreter's own lock, which a
/// thread that has just got a semaphore may still wait for: that one runs, or waits on a futex
/// with a timeout (which is how interpreters wait for that lock).
fn is_settled(pid: i32) -> bool {
    let Ok(threads) = Threads::of(pid) else { return false };
    threads.tids().all(|tid| {
        let line = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall"));
        line.is_ok_and(|line| is_settled_call(&line))
    })
}

fn is_settled_call(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let argument = |i: usize| {
        words
            .get(i + 1)
            .and_then(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
    };
    match words.first().and_then(|nr| nr.parse::<i64>().ok()) {
        // `running`; or blocked outside of a call, on a page maybe. A thread that has ended says
        // `-1` as well, with zeros.
        None => false,
        Some(-1) => argument(0) == Some(0) && argument(1) == Some(0),
        Some(nr) if nr == libc::SYS_futex => argument(3) == Some(0),
        // futex_waitv, futex_wait; and what the kernel shows of a futex with a timeout after the
        // process was stopped.
        Some(449 | 455) => false,
        Some(nr) => nr != libc::SYS_restart_syscall,
    }
}

#[cfg(test)]
mod tests {
    use super::is_settled_call;

    #[test]
    fn who_may_be_about_to_say_that_it_has_a_lock_is_not_settled() {
        let futex = |timeout: &str| {
            format!("{} 0x7f01 0x189 0x0 {timeout} 0x0 0xffffffff 0x7ffe 0x7f02", libc::SYS_futex)
        };
        let sleep =
            format!("{} 0x0 0x0 0x7ffe 0x7ffe 0x0 0x0 0x7ffe 0x7f02", libc::SYS_clock_nanosleep);
        let restarted = sleep.replacen(
            &libc::SYS_clock_nanosleep.to_string(),
            &libc::SYS_restart_syscall.to_string(),
            1,
        );
        assert!(is_settled_call(&futex("0x0")));
        assert!(is_settled_call(&sleep));
        assert!(is_settled_call("-1 0x0 0x0"), "it has ended");
        for moving in ["running\n", "-1 0x7ffe 0x7f02", "", &restarted, &futex("0x7ffe10")] {
            assert!(!is_settled_call(moving), "{moving}");
        }
    }
}
