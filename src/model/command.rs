//! What people and rules may ask of a run.

use super::ids::{JobNo, PoolIdx};
use super::locks::Name;
use serde::{Deserialize, Serialize};

/// Who asked. Shown wherever an act is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// A person at the run's own screen.
    Screen,
    /// A person in another terminal: `ganger kill`, `ganger scale` and so on.
    Cli { pid: i32 },
    /// A signal to ganger, such as Ctrl-C.
    Signal { signal: i32 },
    /// A rule in the task file: `fail_fast`, `on_failure`, `timeout`, `quiet`.
    Rule,
    /// ganger itself: its front end went away.
    Ganger,
}

/// What a pause or a resume is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseTarget {
    Run,
    Pool(PoolIdx),
    Job(JobNo),
}

/// How a run is brought to its end. Ordered: a later request may only be more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopHow {
    /// Start nothing more, let running attempts end by themselves.
    Drain,
    /// Stop running attempts too: their stop signal, KILL after their grace.
    Stop,
    /// KILL everything at once.
    Kill,
}

/// Where a waiting job is to stand in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// Before everything that waits in its pool.
    First,
    /// By this priority in place of its task's.
    Priority(i32),
    /// By its task's priority again.
    OfTask,
}

/// An act on a run. All jobs and pools named exist when the engine sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Sets the number of workers of a pool. With `now`, running attempts beyond the new
    /// size are stopped; otherwise they end first.
    Scale {
        pool: PoolIdx,
        size: u32,
        #[serde(default)]
        now: bool,
    },
    Pause {
        target: PauseTarget,
    },
    Resume {
        target: PauseTarget,
    },
    /// Ends a job: stops its running attempt (its stop signal, KILL after its grace; KILL at
    /// once with `now` or when it is stopping already) or cancels it in the queue.
    Kill {
        job: JobNo,
        #[serde(default)]
        now: bool,
    },
    /// Sends one signal to the whole tree of a job's running attempt and does nothing else.
    Signal {
        job: JobNo,
        signal: i32,
    },
    /// Queues an ended, unsuccessful job again.
    Retry {
        job: JobNo,
    },
    /// Brings the run to its end.
    Stop {
        how: StopHow,
    },
    /// Moves a waiting job in the queue of its pool.
    Prioritize {
        job: JobNo,
        to: Rank,
    },
    /// Adds or takes away permits of a semaphore, so that there are `max` altogether.
    ResizeSemaphore {
        name: Name,
        max: u32,
    },
    /// Says that no item comes into a queue any more.
    CloseQueue {
        name: Name,
    },
    /// Does all of these at once, with one answer that counts. None of them is `Many` or `Undo`.
    Many {
        commands: Vec<Command>,
    },
    /// Takes back an act of `Snapshot::acts`, as far as it can be.
    Undo {
        act: u64,
    },
}

/// A command, who asked it, and a number that the answer carries back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub by: Requester,
    pub command: Command,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done or under way, in words: "pool default: 2 -> 6 workers".
    Done(String),
    /// Not done, and why, in words.
    Refused(String),
}

impl Command {
    /// The job or the pool that it names, if it is one.
    pub fn about(&self) -> (Option<JobNo>, Option<PoolIdx>) {
        match self {
            Command::Kill { job, .. }
            | Command::Signal { job, .. }
            | Command::Retry { job }
            | Command::Prioritize { job, .. } => (Some(*job), None),
            Command::Scale { pool, .. } => (None, Some(*pool)),
            Command::Pause { target } | Command::Resume { target } => match target {
                PauseTarget::Run => (None, None),
                PauseTarget::Pool(pool) => (None, Some(*pool)),
                PauseTarget::Job(job) => (Some(*job), None),
            },
            Command::Stop { .. }
            | Command::ResizeSemaphore { .. }
            | Command::CloseQueue { .. }
            | Command::Many { .. }
            | Command::Undo { .. } => (None, None),
        }
    }
}
