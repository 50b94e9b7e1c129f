//! Locks and other primitives that the jobs of a run share: who asks, for what, what comes back
//! and what the live table shows. The rules are the engine's; the wire is in `docs/protocol.md`.

mod cell;
mod op;
mod view;

pub use cell::{CellFound, CellKind, CellView};
pub use op::{Datum, Failure, Given, LockKind, Op, QueueOrder, Refusal};
pub use view::{
    Deadlock, HolderView, LockState, LockStats, LockView, Member, SharedView, WaitFor, WaiterView,
};

use super::ids::{AttemptId, JobNo, ProcRef};
use super::time::Mono;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Name of a primitive: `[A-Za-z0-9_][A-Za-z0-9_.:/-]*`, at most [`super::limits::NAME_BYTES`].
pub type Name = Arc<str>;

/// Number of a connection to the run's socket, never reused.
pub type ClientNo = u64;

/// What asks for people who act on a run: no connection, nobody is answered.
pub const NOBODY: ClientNo = ClientNo::MAX;

/// Tells whether a text can be the name of a primitive.
pub fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b);
    text.len() <= super::limits::NAME_BYTES
        && text.bytes().all(inner)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Who asks for, holds or waits for something.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Party {
    /// `None`: a job that takes what its task says before it has a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proc: Option<ProcRef>,
    /// Tells threads of one process apart, if the client does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// The attempt that the process belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// It keeps what it takes until the command that it runs has ended, as `ganger lock` does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub command: bool,
    /// What a person would call it: a script, a line of code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Arc<str>>,
}

/// What owns a lock and stands for it in the graph of waits: connections come and go, owners
/// live and die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A job, for what its task says.
    Attempt(AttemptId),
    Process(ProcRef),
    Thread(ProcRef, u64),
}

impl Owner {
    /// The process, if it is one or a part of one.
    pub fn proc(self) -> Option<ProcRef> {
        match self {
            Owner::Attempt(_) => None,
            Owner::Process(proc) | Owner::Thread(proc, _) => Some(proc),
        }
    }
}

impl Party {
    /// A job as such, without a process.
    pub fn of_attempt(attempt: AttemptId) -> Party {
        Party { attempt: Some(attempt), ..Party::default() }
    }

    /// What owns what this party takes.
    pub fn owner(&self) -> Owner {
        match (self.proc, self.thread) {
            (Some(proc), Some(thread)) => Owner::Thread(proc, thread),
            (Some(proc), None) => Owner::Process(proc),
            (None, _) => Owner::Attempt(self.attempt.unwrap_or_default()),
        }
    }

    /// The job that it belongs to.
    pub fn job(&self) -> Option<JobNo> {
        self.attempt.map(|attempt| attempt.job)
    }
}

/// `:17#1 (pid 812)`, `index.py (pid 812)`, `pid 812`; a thread's number behind it.
impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (&self.attempt, &self.label) {
            (Some(attempt), _) => Some(attempt.to_string()),
            (None, Some(label)) => Some(label.to_string()),
            (None, None) => None,
        };
        let pid = self.proc.map(|proc| format!("pid {}", proc.pid));
        match (name, pid) {
            (Some(name), Some(pid)) => write!(f, "{name} ({pid})")?,
            (Some(one), None) | (None, Some(one)) => f.write_str(&one)?,
            (None, None) => f.write_str("somebody")?,
        }
        match self.thread {
            Some(thread) => write!(f, " thread {thread}"),
            None => Ok(()),
        }
    }
}

/// Something that happens to the primitives of a run. The state of a run follows from these,
/// so they are facts of its record too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum LockChange {
    /// A client asks. `party` is who is to own what it gets: where the client named another
    /// process, that one.
    Asked { client: ClientNo, id: u64, party: Party, op: Op },
    /// A connection has ended: its waits are withdrawn. What its process holds stays with it.
    Left { client: ClientNo },
    /// A process has ended.
    Died { proc: ProcRef },
    /// Time has passed: waits and reservations end.
    TimePassed,
    /// What is free and no job takes goes to those who wait.
    Settled,
    /// A lock or semaphore was taken over from the memory that clients share, or more is known of
    /// one that was.
    CellSeen { name: Name, found: CellFound },
    /// Nobody waits for it: from now on its state is in the memory that clients share.
    CellOpened { name: Name },
}

/// A fact about primitives that a person may want to know. Most of what happens to a lock is
/// none: nobody reads a million of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
pub enum LockNotice {
    /// The owner ended without giving these back; they go to the next who waits.
    OwnerDied { names: Vec<Name>, party: Party },
    /// Locks were taken in both orders: it takes an unlucky moment for a deadlock. Told once for
    /// each pair of names.
    OrderInverted {
        first: Name,
        second: Name,
        /// Took `first`, then `second`.
        one: Party,
        /// Took `second`, then `first`.
        other: Party,
    },
    /// Held for longer than `hold_warn` of the task file. Told once for each time it is held.
    HeldLong { name: Name, party: Party, since: Mono },
    /// A wait that no time ends, neither its own nor `wait_timeout` of the task file, has gone on
    /// for [`super::limits::ENDLESS_WAIT`]. Told once for each name.
    WaitsLong { name: Name, party: Party, since: Mono },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["db", "a.b:c/d-e", "9", "_x", "index.py:17"] {
            assert!(is_name(name), "{name}");
        }
        let long = "x".repeat(super::super::limits::NAME_BYTES + 1);
        for name in ["", "-a", ".a", "/a", "a b", "ä", long.as_str()] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_thread_owns_for_itself_and_a_job_without_a_process_does_too() {
        let proc = ProcRef { pid: 7, start_ticks: 1 };
        let attempt = AttemptId { job: JobNo(3), n: 1 };
        let party = Party { proc: Some(proc), attempt: Some(attempt), ..Party::default() };
        assert_eq!(party.owner(), Owner::Process(proc));
        assert_eq!(Party::of_attempt(attempt).owner(), Owner::Attempt(attempt));
        let thread = Party { thread: Some(2), ..party.clone() };
        assert_eq!(thread.owner(), Owner::Thread(proc, 2));
        assert_eq!(thread.to_string(), ":3#1 (pid 7) thread 2");
    }
}
