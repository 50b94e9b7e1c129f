//! What follows from a look at blocked threads: verdicts, and every wait in words.

use super::foreign::QueueFill;
use super::{Frame, LastOwner, NotVisible, Resource};
use crate::model::ids::{AttemptId, ProcRef};
use crate::model::time::Mono;
use serde::{Deserialize, Serialize};

/// How bad it is; the later the worse.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    #[default]
    Healthy,
    /// Nothing that can be seen ends it, but there is no proof, or a holder is stopped.
    Stalled,
    /// What is waited for belongs to somebody who is gone.
    Abandoned,
    /// Proven: nobody outside can end it.
    Deadlock,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Healthy => "healthy",
            Verdict::Stalled => "stalled",
            Verdict::Abandoned => "abandoned",
            Verdict::Deadlock => "deadlock",
        }
    }
}

/// Everything about the waits of one tree of processes, or of all jobs of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub at: Mono,
    /// The process that was asked about; `None` when it was a whole run.
    pub pid: Option<i32>,
    pub processes: u32,
    pub threads: u32,
    /// The worst of the findings.
    pub verdict: Verdict,
    pub findings: Vec<Knot>,
    /// Every blocked thread; those of findings first, the cores before those behind.
    pub waits: Vec<Waiting>,
    pub not_visible: Vec<NotVisible>,
}

/// Threads that are stuck together, and those that wait behind them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Knot {
    pub kind: Verdict,
    /// In the order of the circle where there is one: each waits for the next, the last for the
    /// first.
    pub core: Vec<Member>,
    pub behind: Vec<Member>,
    /// Since when all of the core have been seen not to run; a lower bound of their age.
    pub since: Option<Mono>,
    /// In one sentence or a few.
    pub text: String,
}

/// A thread, as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    pub proc: ProcRef,
    pub tid: i32,
    /// Of the thread; that of its process where it has none of its own.
    pub name: String,
    pub attempt: Option<AttemptId>,
}

/// One blocked thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub who: Member,
    pub resource: Resource,
    pub holders: Vec<Held>,
    pub last_owner: Option<LastOwner>,
    pub rule: Rule,
    pub timeout: bool,
    pub since: Option<Mono>,
    /// What is in the queue that it waits for, where that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<QueueFill>,
    pub frames: Vec<Frame>,
    /// Its place in [`Report::findings`], and whether it is of the core.
    pub finding: Option<(u32, Part)>,
    /// Who else might end it, of those that are always able to: why this is no finding.
    pub outside: Option<String>,
    /// "worker 3 (pid 6004, python) waits 41 s for multiprocessing.Lock #2 held by worker 2 (pid
    /// 6003) at transfer.py:42"; without a full stop.
    pub text: String,
}

/// Who could end a wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub proc: ProcRef,
    pub tid: Option<i32>,
    pub name: String,
    pub attempt: Option<AttemptId>,
    pub proven: bool,
    /// By a signal or a debugger: does nothing until somebody lets it go on.
    #[serde(default)]
    pub stopped: bool,
}

/// Whether one of the holders is enough to end a wait, or all of them are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    Any,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Core,
    Behind,
}
