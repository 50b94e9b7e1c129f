//! Facts of a run, in the order in which they happened. Replaying them gives the same state.

use super::command::{PauseTarget, Requester, StopHow};
use super::each::EachMap;
use super::exec::Usage;
use super::ids::{AttemptId, JobNo, PoolIdx, ProcRef, Slot, TaskIdx};
use super::outcome::{Exit, Outcome, RunOutcome, StopReason};
use super::time::{Mono, Now};
use serde::{Deserialize, Serialize};

/// Returns what a person is told about a task whose inputs could not be read.
pub fn unread_words(task: &str, error: &str) -> String {
    format!("task `{task}` has no jobs: {error}")
}

/// One fact. Every change of the engine's state is one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    RunStarted {
        at: Now,
    },
    /// Each job of `task` needs the jobs of `upstream` that the map gives. Comes before the
    /// task's `JobsAdded`.
    Linked {
        task: TaskIdx,
        upstream: TaskIdx,
        map: EachMap,
    },
    /// `count` jobs of a task joined the run; their numbers are `first..first + count`.
    JobsAdded {
        task: TaskIdx,
        first: JobNo,
        count: u32,
    },
    /// The inputs of a task could not be read: it has no jobs and counts as failed.
    InputsFailed {
        task: TaskIdx,
        error: String,
    },
    /// The needs of a task whose inputs are read late have ended; its inputs are being read.
    Expanding {
        task: TaskIdx,
    },
    /// All of a task's jobs have ended, or its inputs will never be read. Sent again when jobs
    /// that were retried by hand have ended.
    TaskEnded {
        task: TaskIdx,
    },
    AttemptLaunched {
        attempt: AttemptId,
        task: TaskIdx,
        slot: Slot,
        weight: u32,
        at: Now,
    },
    AttemptStarted {
        attempt: AttemptId,
        proc: ProcRef,
        at: Now,
    },
    /// The attempt is being stopped; KILL follows at `kill_at`. Sent again when it escalates.
    AttemptStopping {
        attempt: AttemptId,
        reason: StopReason,
        kill_at: Mono,
        by: Requester,
    },
    /// The leader has ended; something of its tree is still alive. `exit` is `None` when
    /// somebody else reaped it.
    LeaderEnded {
        attempt: AttemptId,
        exit: Option<Exit>,
        usage: Usage,
        oom_killed: Option<bool>,
        at: Now,
    },
    AttemptQuiet {
        attempt: AttemptId,
        quiet: bool,
        since: Mono,
    },
    /// One try is over. `exit` is how the leader ended, `None` when there was none.
    AttemptEnded {
        attempt: AttemptId,
        task: TaskIdx,
        outcome: Outcome,
        exit: Option<Exit>,
        usage: Usage,
        swept: u32,
        oom_killed: Option<bool>,
        reason: Option<StopReason>,
        /// Why no process came to be, for `spawn_failed`; or what could not be ended.
        error: Option<String>,
        at: Now,
    },
    /// The job goes back to the queue; it may start again at `ready_at`.
    JobRetrying {
        job: JobNo,
        ready_at: Mono,
        by: Requester,
    },
    /// The delay before the job's next attempt is over: it is in the queue.
    BackoffOver {
        job: JobNo,
    },
    /// Jobs that were skipped because of `upstream` wait again, since something they need is
    /// tried again: this job, or all such jobs of the task.
    Unskipped {
        task: TaskIdx,
        upstream: TaskIdx,
        job: Option<JobNo>,
        count: u32,
    },
    /// The job has ended for good (until somebody retries it by hand).
    JobEnded {
        job: JobNo,
        task: TaskIdx,
        outcome: Outcome,
        attempts: u32,
        at: Now,
    },
    /// All jobs of a task that have not started and not ended yet end with this outcome,
    /// one fact for any number of them.
    RestEnded {
        task: TaskIdx,
        outcome: Outcome,
        count: u32,
        at: Now,
    },
    Scaled {
        pool: PoolIdx,
        from: u32,
        to: u32,
        by: Requester,
    },
    Paused {
        target: PauseTarget,
        by: Requester,
        at: Now,
    },
    Resumed {
        target: PauseTarget,
        by: Requester,
        at: Now,
    },
    /// A signal was sent by hand to the tree of an attempt.
    Signalled {
        attempt: AttemptId,
        signal: i32,
        by: Requester,
    },
    RunStopping {
        how: StopHow,
        by: Requester,
        why: String,
    },
    RunEnded {
        outcome: RunOutcome,
        exit_code: i32,
        at: Now,
    },
}
