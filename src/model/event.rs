//! Facts of a run, in the order in which they happened. Replaying them gives the same state.

use super::command::{PauseTarget, Requester, StopHow};
use super::each::EachMap;
use super::exec::Usage;
use super::ids::{AttemptId, JobNo, PoolIdx, ProcRef, Slot, TaskIdx};
use super::locks::{Deadlock, LockChange, LockNotice};
use super::outcome::{Exit, Outcome, RunOutcome, StopReason};
use super::time::{Mono, Now};
use super::waits::stuck::Stuck;
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
        at: Now,
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
    /// A waiting job stands by priority `to` in its queue; it stood by `from`. `None`: by its
    /// task's.
    Prioritized {
        job: JobNo,
        from: Option<i32>,
        to: Option<i32>,
        by: Requester,
    },
    /// Jobs of the task wait for what its `locks` and `uses` name.
    LocksAwaited {
        task: TaskIdx,
        at: Now,
    },
    /// They wait no longer: the next of them can have it.
    LocksFree {
        task: TaskIdx,
    },
    /// Something happened to the primitives that jobs share. For the record: there may be a
    /// million of these, and front ends get none.
    Shared {
        at: Mono,
        change: Box<LockChange>,
    },
    LockNoticed {
        notice: Box<LockNotice>,
        at: Now,
    },
    /// A circle of waits has closed.
    DeadlockFound {
        deadlock: Box<Deadlock>,
        at: Now,
    },
    /// That circle is no more: one of its waits or members has ended.
    DeadlockGone {
        id: u64,
        at: Now,
    },
    /// Something was seen to be stuck that is no proven circle.
    StuckFound {
        stuck: Box<Stuck>,
        at: Now,
    },
    /// It goes on, or has ended.
    StuckGone {
        id: u64,
        at: Now,
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

impl Event {
    /// The event's one word, in `docs/json.md` and wherever events are filtered.
    pub fn word(&self) -> &'static str {
        match self {
            Event::RunStarted { .. } => "run_started",
            Event::Linked { .. } => "linked",
            Event::JobsAdded { .. } => "jobs_added",
            Event::InputsFailed { .. } => "inputs_failed",
            Event::Expanding { .. } => "expanding",
            Event::TaskEnded { .. } => "task_ended",
            Event::AttemptLaunched { .. } => "attempt_launched",
            Event::AttemptStarted { .. } => "attempt_started",
            Event::AttemptStopping { .. } => "attempt_stopping",
            Event::LeaderEnded { .. } => "leader_ended",
            Event::AttemptQuiet { .. } => "attempt_quiet",
            Event::AttemptEnded { .. } => "attempt_ended",
            Event::JobRetrying { .. } => "job_retrying",
            Event::BackoffOver { .. } => "backoff_over",
            Event::Unskipped { .. } => "unskipped",
            Event::JobEnded { .. } => "job_ended",
            Event::RestEnded { .. } => "rest_ended",
            Event::Scaled { .. } => "scaled",
            Event::Paused { .. } => "paused",
            Event::Resumed { .. } => "resumed",
            Event::Signalled { .. } => "signalled",
            Event::Prioritized { .. } => "prioritized",
            Event::LocksAwaited { .. } => "locks_awaited",
            Event::LocksFree { .. } => "locks_free",
            Event::Shared { .. } => "shared",
            Event::LockNoticed { notice, .. } => match **notice {
                LockNotice::OwnerDied { .. } => "owner_died",
                LockNotice::OrderInverted { .. } => "lock_order_inverted",
                LockNotice::HeldLong { .. } => "lock_held_long",
                LockNotice::WaitsLong { .. } => "lock_waits_long",
            },
            Event::DeadlockFound { .. } => "deadlock_found",
            Event::DeadlockGone { .. } => "deadlock_gone",
            Event::StuckFound { .. } => "stuck_found",
            Event::StuckGone { .. } => "stuck_gone",
            Event::RunStopping { .. } => "run_stopping",
            Event::RunEnded { .. } => "run_ended",
        }
    }

    /// Whether it is of use for the record alone, and nobody is told.
    pub fn is_record_only(&self) -> bool {
        matches!(self, Event::Shared { .. })
    }

    /// When it happened, if it says so.
    pub fn at(&self) -> Option<Now> {
        match self {
            Event::RunStarted { at }
            | Event::AttemptLaunched { at, .. }
            | Event::AttemptStarted { at, .. }
            | Event::AttemptStopping { at, .. }
            | Event::LeaderEnded { at, .. }
            | Event::AttemptEnded { at, .. }
            | Event::JobEnded { at, .. }
            | Event::RestEnded { at, .. }
            | Event::Paused { at, .. }
            | Event::Resumed { at, .. }
            | Event::LocksAwaited { at, .. }
            | Event::LockNoticed { at, .. }
            | Event::DeadlockFound { at, .. }
            | Event::DeadlockGone { at, .. }
            | Event::StuckFound { at, .. }
            | Event::StuckGone { at, .. }
            | Event::RunEnded { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// The one job that it is about.
    pub fn job(&self) -> Option<JobNo> {
        match self {
            Event::AttemptLaunched { attempt, .. }
            | Event::AttemptStarted { attempt, .. }
            | Event::AttemptStopping { attempt, .. }
            | Event::LeaderEnded { attempt, .. }
            | Event::AttemptQuiet { attempt, .. }
            | Event::AttemptEnded { attempt, .. }
            | Event::Signalled { attempt, .. } => Some(attempt.job),
            Event::JobRetrying { job, .. }
            | Event::BackoffOver { job }
            | Event::JobEnded { job, .. }
            | Event::Prioritized { job, .. } => Some(*job),
            Event::Unskipped { job, .. } => *job,
            Event::Paused { target, .. } | Event::Resumed { target, .. } => match target {
                PauseTarget::Job(job) => Some(*job),
                _ => None,
            },
            _ => None,
        }
    }

    /// The task that it names.
    pub fn task(&self) -> Option<TaskIdx> {
        match self {
            Event::Linked { task, .. }
            | Event::JobsAdded { task, .. }
            | Event::InputsFailed { task, .. }
            | Event::Expanding { task }
            | Event::TaskEnded { task }
            | Event::AttemptLaunched { task, .. }
            | Event::AttemptEnded { task, .. }
            | Event::Unskipped { task, .. }
            | Event::JobEnded { task, .. }
            | Event::LocksAwaited { task, .. }
            | Event::LocksFree { task }
            | Event::RestEnded { task, .. } => Some(*task),
            _ => None,
        }
    }

    /// The pool that it names.
    pub fn pool(&self) -> Option<PoolIdx> {
        match self {
            Event::AttemptLaunched { slot, .. } => Some(slot.pool),
            Event::Scaled { pool, .. } => Some(*pool),
            Event::Paused { target, .. } | Event::Resumed { target, .. } => match target {
                PauseTarget::Pool(pool) => Some(*pool),
                _ => None,
            },
            _ => None,
        }
    }

    /// Who asked for it, if it says so.
    pub fn by(&self) -> Option<&Requester> {
        match self {
            Event::AttemptStopping { by, .. }
            | Event::JobRetrying { by, .. }
            | Event::Scaled { by, .. }
            | Event::Paused { by, .. }
            | Event::Resumed { by, .. }
            | Event::Signalled { by, .. }
            | Event::Prioritized { by, .. }
            | Event::RunStopping { by, .. } => Some(by),
            _ => None,
        }
    }
}
