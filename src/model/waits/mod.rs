//! What was seen of blocked threads: who waits for what, and who could end the wait.
//!
//! A [`Look`] is collected by `probe::waits` (and completed with ganger's own primitives by the
//! supervisor); `xray` makes a [`report::Report`] of it. The rule of both: doubt makes a thread
//! live. A wait whose end somebody unseen might bring has [`Waker::Outside`] among its wakers.

pub mod dot;
pub mod foreign;
pub mod preview;
pub mod report;
mod shared;
pub mod stuck;
pub mod text;

pub use shared::{SharedWait, SharedWaits};

use super::ids::{AttemptId, ProcRef};
use super::time::Mono;
use foreign::QueueFill;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A thread that cannot be mistaken for another with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ThreadRef {
    pub proc: ProcRef,
    pub tid: i32,
}

/// Everything seen at one time of the processes that were asked about, and of those that what
/// they wait for leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    pub at: Mono,
    pub processes: Vec<ProcessFact>,
    /// At most one for each thread. A thread without one runs, or was not looked at: it is live.
    pub waits: Vec<WaitFact>,
    pub not_visible: Vec<NotVisible>,
}

/// What was seen of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessFact {
    pub proc: ProcRef,
    pub parent: i32,
    /// Its `comm`.
    pub name: String,
    /// Whether it was asked about; others are here because they hold something, or share it.
    pub in_tree: bool,
    /// The attempt of a run that it belongs to.
    pub attempt: Option<AttemptId>,
    /// It catches an asynchronous signal whose handler could make a thread of it, or of whoever
    /// waits for its data, go on.
    pub catches_signals: bool,
    pub threads: Vec<ThreadFact>,
}

/// What was seen of a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadFact {
    pub tid: i32,
    pub name: String,
    pub state: ThreadState,
    pub stamp: Stamp,
    /// Since when it has been seen not to run: a lower bound.
    pub still_since: Option<Mono>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadState {
    /// On a CPU, or waiting for one.
    Running,
    /// Blocked in a way that ends with what it waits for.
    Blocked,
    /// Blocked in the kernel, mostly for a device (state `D`).
    Uninterruptible,
    /// By a signal or a debugger: cannot run until somebody lets it.
    Stopped,
    /// Has ended; its process is still there.
    Dead,
}

/// Equal stamps of a thread say that it did not run in between: its counters in
/// `/proc/PID/task/TID/schedstat` and the line in `.../syscall`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    pub run_ns: u64,
    pub turns: u64,
    pub syscall: Box<str>,
}

/// What one thread waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitFact {
    pub waiter: ThreadRef,
    pub resource: Resource,
    /// Every one of these has to be done, each by any of its wakers. Mostly one; a writer that
    /// waits for several readers has as many. Never empty.
    pub needs: Vec<Need>,
    /// Whom to name: only those who could still end it.
    pub holders: Vec<Holder>,
    /// The holder is gone, and nobody can give back what it had.
    pub abandoned: bool,
    /// Who had it before it was abandoned, where something still says so.
    pub last_owner: Option<LastOwner>,
    /// It ends by itself at some time: the thread is live.
    pub timeout: bool,
    pub certainty: Certainty,
    /// The handler of a signal could end it (waits for data, and those without an owner): see
    /// [`ProcessFact::catches_signals`].
    pub ends_by_signal: bool,
    /// What the death of its owner does to it.
    pub on_death: OnDeath,
    /// What is in the queue that it waits for, where that could be read.
    pub fill: Option<QueueFill>,
    /// Innermost first. Empty where nobody looked.
    pub frames: Vec<Frame>,
}

/// What has to happen for a wait to end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Need {
    /// Any of them is enough. Empty: nobody can do it.
    pub wakers: Vec<Waker>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waker {
    Thread(ThreadRef),
    /// Any thread of the process.
    Process(ProcRef),
    /// Something that is always able to: time, a person, a device, a process that is not seen.
    /// The words follow "may be ended by".
    Outside(String),
}

/// How sure it is that nobody but the wakers can end a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// An owner is recorded, or the set of those who can is closed.
    Proven,
    /// Whoever shares it could, and they are all known; no owner is recorded.
    Inferred,
}

/// What becomes of a lock when its owner is killed, where that is not of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeath {
    /// It stays as it is.
    #[default]
    Nothing,
    /// The next gets it and is told (a robust mutex).
    Marked,
    /// Whoever waits for it is ended by the C library (a mutex with priority inheritance that is
    /// not robust).
    Aborts,
}

/// Who has what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub proc: ProcRef,
    /// `None` where only the process is known.
    pub tid: Option<i32>,
    /// `false` for a guess, or one of several who share it.
    pub proven: bool,
}

/// Who had an abandoned lock. It may have ended: nothing more than numbers is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastOwner {
    pub pid: i32,
    pub tid: i32,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    pub kind: WaitKind,
    /// Equal for all who wait for the same, such as `00:1c:5521` (device and inode),
    /// `pipe:[5521]`, or `812:0x7f00c0de` (process and address).
    pub id: String,
    /// For people: a path, a name, `fd 5`.
    pub name: Option<String>,
}

macro_rules! wait_kinds {
    ($($kind:ident $word:literal $words:literal,)*) => {
        /// Kinds of waits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum WaitKind { $($kind,)* }

        impl Resource {
    /// `#2` where that, behind the words for its kind, is all that its name says.
    pub fn number(&self) -> Option<&str> {
        let name = self.name.as_deref()?;
        let (class, number) = name.split_at(name.rfind('#')?);
        let class = class.trim_end();
        let is_said = class.is_empty() || self.kind.words().rsplit('.').next() == Some(class);
        is_said.then_some(number)
    }
}

impl WaitKind {
            pub const ALL: &[WaitKind] = &[$(WaitKind::$kind,)*];

            /// Its word in JSON.
            pub fn word(self) -> &'static str {
                match self { $(WaitKind::$kind => $word,)* }
            }

            /// What people call it: follows "waits for".
            pub fn words(self) -> &'static str {
                match self { $(WaitKind::$kind => $words,)* }
            }
        }
    };
}

wait_kinds! {
    Mutex "mutex" "mutex",
    Rwlock "rwlock" "read-write lock",
    Condvar "condvar" "condition variable",
    Barrier "barrier" "barrier",
    Semaphore "semaphore" "semaphore",
    ThreadJoin "thread_join" "the end of a thread",
    MpLock "mp_lock" "multiprocessing.Lock",
    MpRlock "mp_rlock" "multiprocessing.RLock",
    PySemaphore "py_semaphore" "multiprocessing semaphore",
    PyLock "py_lock" "threading.Lock",
    PyRlock "py_rlock" "threading.RLock",
    FileLock "file_lock" "file lock",
    PipeRead "pipe_read" "data from a pipe",
    PipeWrite "pipe_write" "room in a pipe",
    UnixRecv "unix_recv" "data from a Unix socket",
    UnixSend "unix_send" "room in a Unix socket",
    Tcp "tcp" "a TCP connection",
    Fifo "fifo" "a FIFO",
    Poll "poll" "one of several files",
    WaitChild "wait_child" "the end of a child process",
    SysvSem "sysv_sem" "System V semaphore",
    MessageQueue "message_queue" "message queue",
    Signal "signal" "a signal",
    Time "time" "time to pass",
    GangerLock "ganger_lock" "ganger lock",
    GangerQueue "ganger_queue" "ganger queue",
    GangerOther "ganger_other" "an answer from ganger",
    Unknown "unknown" "something unknown",
}

impl WaitKind {
    /// Whether it is a thing that is had and given back, or waited on by many: one that is told
    /// from its likes by a number where it has no name.
    pub fn is_a_lock(self) -> bool {
        use WaitKind::*;
        matches!(
            self,
            Mutex
                | Rwlock
                | Condvar
                | Barrier
                | Semaphore
                | MpLock
                | MpRlock
                | PySemaphore
                | PyLock
                | PyRlock
                | FileLock
                | SysvSem
                | GangerLock
        )
    }
}

impl fmt::Display for WaitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A place in the code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    pub language: Language,
    pub function: String,
    /// Source file of Python, program or library of native code.
    pub file: Option<String>,
    pub line: Option<u32>,
    /// Chosen local variables: name and short text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locals: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    #[default]
    Native,
    Python,
}

/// Something that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotVisible {
    pub pid: i32,
    /// Such as `waits`, `memory`, `files`, `python frames`.
    pub what: String,
    /// Such as `permission denied (other user)`.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_number_where_the_kind_says_the_rest() {
        let number = |kind, name: &str| {
            let name = Some(name.to_owned());
            Resource { kind, id: "1".to_owned(), name }.number().map(str::to_owned)
        };
        assert_eq!(number(WaitKind::Mutex, "#3").as_deref(), Some("#3"));
        assert_eq!(number(WaitKind::MpLock, "Lock #1").as_deref(), Some("#1"));
        assert_eq!(number(WaitKind::PySemaphore, "room in Queue #1"), None);
        assert_eq!(number(WaitKind::FileLock, "/tmp/a#1"), None);
    }

    #[test]
    fn kinds_are_called_the_same_everywhere() {
        for kind in WaitKind::ALL {
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.word());
        }
    }
}
