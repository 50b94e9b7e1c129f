//! The part of a plan that decides when what starts and stops. The engine reads nothing else.

pub use crate::model::each::EachMap;
use crate::model::locks::{Datum, LockKind, Name, QueueOrder};
use crate::model::{PoolIdx, TaskIdx};
use std::time::Duration;

/// Pools, tasks and run-wide rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Pool 0 is `default`.
    pub pools: Vec<PoolRules>,
    pub tasks: Vec<TaskRules>,
    pub fail_fast: Option<FailFast>,
    pub shared: SharedRules,
}

/// The primitives that jobs share, as far as the task file tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedRules {
    /// In file order, each name once.
    pub declared: Vec<(Name, Declared)>,
    pub on_deadlock: OnDeadlock,
    /// How long a wait lasts that says nothing itself.
    pub wait_timeout: Option<Duration>,
    /// A lock that is held for longer is told about.
    pub hold_warn: Option<Duration>,
}

/// A primitive of the task file.
#[derive(Clone, Debug, PartialEq)]
pub enum Declared {
    Lock(LockKind),
    Semaphore { max: u32 },
    Event,
    Barrier { parties: u32 },
    Queue { max: Option<u32>, order: QueueOrder },
    Value(Datum),
}

/// `on_deadlock`: what happens when a circle of waits has closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeadlock {
    #[default]
    Report,
    /// The attempt of the circle that started last is stopped; it counts as failed.
    StopYoungest,
    /// The run is stopped.
    Stop,
}

/// What a job takes before it starts, all of it or nothing, and gives back when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Each name once; `true`: shared with others that share it.
    pub locks: Vec<(Name, bool)>,
    /// Permits of semaphores.
    pub uses: Vec<(Name, u32)>,
}

impl Takes {
    pub fn is_empty(&self) -> bool {
        self.locks.is_empty() && self.uses.is_empty()
    }
}

/// A pool and the bounds of every later scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolRules {
    pub name: String,
    pub min: u32,
    pub max: u32,
    pub start: u32,
}

/// `fail_fast`: after this many jobs that did not end well, nothing more of the run starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailFast {
    Jobs(u32),
    /// Percent of all jobs of the run, 0 to 100; counts once the total is known.
    Percent(f64),
}

/// The rules of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRules {
    pub name: String,
    pub pool: PoolIdx,
    pub needs: Vec<Need>,
    pub max_parallel: Option<u32>,
    /// Workers' worth that a running attempt takes, at least 1. More than the pool has counts
    /// as the whole pool.
    pub weight: u32,
    /// Higher starts first; equal ones in file order.
    pub priority: i32,
    pub timeout: Option<Duration>,
    pub stop: StopRule,
    pub retries: Retries,
    pub on_failure: OnFailure,
    /// Exit codes that count as success; 0 unless the task says otherwise.
    pub ok_codes: Vec<i32>,
    pub quiet: Option<QuietRule>,
    /// Inputs are read when the needs have ended, not at start.
    pub expand_when_ready: bool,
    /// `locks` and `uses`.
    pub takes: Takes,
}

impl Default for TaskRules {
    fn default() -> TaskRules {
        TaskRules {
            name: String::new(),
            pool: PoolIdx::DEFAULT,
            needs: Vec::new(),
            max_parallel: None,
            weight: 1,
            priority: 0,
            timeout: None,
            stop: StopRule::default(),
            retries: Retries::default(),
            on_failure: OnFailure::default(),
            ok_codes: vec![0],
            quiet: None,
            expand_when_ready: false,
            takes: Takes::default(),
        }
    }
}

/// `needs`: what must have ended, and how, before a job starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    pub task: TaskIdx,
    pub when: NeedWhen,
    /// Job by job instead of all by all; the map comes with the jobs.
    pub each: bool,
}

/// How the needed jobs must have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NeedWhen {
    /// All of them succeeded or were up to date.
    #[default]
    Succeeded,
    /// At least one of them did not.
    Failed,
    /// However.
    Always,
}

/// `stop`: how an attempt is asked to end, and how long it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopRule {
    pub signal: i32,
    pub grace: Duration,
}

impl Default for StopRule {
    fn default() -> StopRule {
        StopRule { signal: 15, grace: crate::model::limits::DEFAULT_GRACE }
    }
}

/// `retries`.
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    /// Further attempts after the first.
    pub max: u32,
    /// Before the second attempt.
    pub delay: Duration,
    /// Each later delay is this much longer than the one before; at least 1.
    pub factor: f64,
    pub max_delay: Option<Duration>,
    /// Share of the delay that is drawn at random, 0 to 1: 0.2 gives 80 to 120 percent.
    pub jitter: f64,
    /// Only attempts that ended with one of these codes are tried again.
    pub exit_codes: Option<Vec<i32>>,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            max: 0,
            delay: Duration::ZERO,
            factor: 1.0,
            max_delay: None,
            jitter: 0.0,
            exit_codes: None,
        }
    }
}

/// `on_failure`: what the failure of a job does to the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    #[default]
    Continue,
    /// Start nothing more of the run.
    Stop,
    /// Also stop what runs.
    Abort,
}

/// `quiet`: no CPU, no output and no I/O for `after`, over at least two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietRule {
    pub after: Duration,
    pub action: QuietAction,
}

/// What happens to a quiet attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuietAction {
    /// It is marked, nothing else.
    #[default]
    Report,
    /// It is stopped; its job ends as timed out and is not tried again.
    Stop,
    /// It is stopped and its job is tried again as `retries` say.
    Retry,
}
