//! What a run looks like at one moment, for front ends. Never grows with the number of jobs.

use super::act::{Act, StopProof};
use super::alert::Alert;
use super::command::StopHow;
use super::ids::{AttemptId, JobNo, PoolIdx, ProcRef, Slot, TaskIdx};
use super::locks::{SharedView, WaitFor};
use super::outcome::{RunOutcome, StopReason};
use super::sample::{CoreInfo, MachineSample, TreeSample};
use super::time::{Mono, Now, Wall};
use super::waits::stuck::{Stuck, XrayView};
use serde::{Deserialize, Serialize};

/// What does not change while a run lives; sent once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The run's id, without outer runs.
    pub run: String,
    pub name: String,
    pub description: Option<String>,
    /// The task file as it was named on the command line; `-` for standard input.
    pub file: String,
    pub supervisor_pid: i32,
    pub started_at: Wall,
    pub started_mono: Mono,
    /// Path of the run's folder.
    pub dir: String,
    pub tasks: Vec<TaskInfo>,
    pub pools: Vec<String>,
    /// What machine it is; empty where the system does not tell.
    #[serde(default)]
    pub machine: MachineInfo,
    /// The cores that were online when the run started, by number.
    #[serde(default)]
    pub cores: Vec<CoreInfo>,
    /// It is no run, but the tree of this process, which ganger did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observes: Option<i32>,
}

/// The machine that a run is on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineInfo {
    pub host: String,
    /// `Linux 6.1.0-13-amd64`
    pub kernel: String,
    /// The model of its processors.
    pub cpu: String,
}

/// A task, as front ends need to know it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    pub name: String,
    pub description: Option<String>,
    pub pool: u16,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    #[default]
    Running,
    Paused,
    /// Being brought to its end.
    Ending(StopHow),
    Ended {
        outcome: RunOutcome,
        exit_code: i32,
    },
}

/// How many jobs are where. The first five and the outcomes add up to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Jobs known so far.
    pub total: u32,
    /// Tasks whose inputs are not read yet, so that `total` is a lower bound (`?`).
    pub tasks_unread: u32,
    /// Waiting for a job they need.
    pub blocked: u32,
    /// In the queue.
    pub ready: u32,
    /// Waiting for their next attempt.
    pub backing_off: u32,
    pub running: u32,
    pub succeeded: u32,
    pub up_to_date: u32,
    pub failed: u32,
    pub signaled: u32,
    pub timed_out: u32,
    pub out_of_memory: u32,
    pub spawn_failed: u32,
    pub cancelled: u32,
    pub skipped: u32,
    pub lost: u32,
    /// Attempts beyond the first of their job, so far.
    pub retries: u32,
}

impl Counts {
    /// Jobs that have ended, however.
    pub fn ended(&self) -> u32 {
        self.good() + self.bad() + self.cancelled + self.skipped
    }
    /// Jobs that ended well.
    pub fn good(&self) -> u32 {
        self.succeeded + self.up_to_date
    }
    /// Jobs that ran and did not end well.
    pub fn bad(&self) -> u32 {
        self.failed
            + self.signaled
            + self.timed_out
            + self.out_of_memory
            + self.spawn_failed
            + self.lost
    }
    /// Jobs that have not started or will start again.
    pub fn waiting(&self) -> u32 {
        self.blocked + self.ready + self.backing_off
    }
}

/// A pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolView {
    pub name: String,
    /// Workers it should have.
    pub size: u32,
    pub min: u32,
    pub max: u32,
    /// Why this size: "2 cores", "auto: cgroup quota of 1.5 CPUs", "set by hand".
    pub reason: String,
    /// Running attempts; more than `size` only while shrinking.
    pub running: u32,
    /// Workers' worth that running attempts take.
    pub weight_used: u32,
    pub ready: u32,
    pub blocked: u32,
    pub paused: bool,
    /// Jobs that joined its queue per second, over the last ten seconds.
    #[serde(default)]
    pub arrived_per_s: f32,
    /// Attempts that ended per second, over the last ten seconds.
    #[serde(default)]
    pub ended_per_s: f32,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    #[default]
    Idle,
    /// Taken by the weight of another worker's job.
    Reserved,
    Launching,
    Running,
    Paused,
    /// No CPU, no output and no I/O for as long as the task's `quiet` rule says.
    Quiet,
    Stopping,
}

/// A worker at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    pub slot: Slot,
    pub state: WorkerState,
    /// What it runs; `None` when idle or reserved.
    pub work: Option<WorkView>,
    /// It goes away when its attempt ends: the pool is shrinking.
    pub leaving: bool,
}

/// A running attempt at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkView {
    pub attempt: AttemptId,
    pub task: TaskIdx,
    /// Number of the job in its task, from 1.
    pub index: u32,
    /// The job's inputs in short, such as `cat.png 256`; empty when it has none.
    pub inputs: String,
    pub proc: Option<ProcRef>,
    pub since: Mono,
    pub stopping: Option<Stopping>,
    pub tree: Option<TreeSample>,
    /// What one of its processes waits for.
    #[serde(default)]
    pub waits: Option<WaitFor>,
}

/// An attempt on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    pub reason: StopReason,
    pub kill_at: Mono,
    pub leader_ended: bool,
}

/// A task at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    pub counts: Counts,
    /// Its inputs are not read yet.
    pub unread: bool,
}

/// A job that did not end well, newest first in the snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureView {
    pub job: JobNo,
    pub task: TaskIdx,
    pub index: u32,
    pub inputs: String,
    /// The outcome's word and its number: `failed 2`, `signaled SIGSEGV`, `timed_out`.
    pub outcome: String,
    pub attempts: u32,
    pub at: Mono,
    /// Last line of its stderr (else stdout) that is not blank, made harmless, cut to 200 characters.
    pub last_line: String,
}

/// A run at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Counts up with every snapshot.
    pub seq: u64,
    pub at: Now,
    pub state: RunState,
    pub counts: Counts,
    /// Jobs ended per second over the last minute.
    pub rate_per_s: f32,
    /// Time left at that rate in milliseconds; `None` when it cannot be said.
    pub eta_ms: Option<u64>,
    /// Since the start of the run, until its end.
    pub elapsed_ms: u64,
    pub pools: Vec<PoolView>,
    /// By pool, then slot. At most [`super::limits::SNAPSHOT_WORKERS`].
    pub workers: Vec<WorkerView>,
    pub tasks: Vec<TaskView>,
    /// Newest first. At most [`super::limits::SNAPSHOT_FAILURES`].
    pub failures: Vec<FailureView>,
    pub machine: MachineSample,
    /// When `machine` was seen; zero before the first look.
    pub sampled_at: Mono,
    /// Things a person should know: a front end shows the newest.
    pub notices: Vec<String>,
    /// What to look at now, the worst first. At most [`super::limits::SNAPSHOT_ALERTS`].
    #[serde(default)]
    pub alerts: Vec<Alert>,
    /// What people asked for, newest first. At most [`super::limits::SNAPSHOT_ACTS`].
    #[serde(default)]
    pub acts: Vec<Act>,
    /// Attempts that are or were being stopped, newest first. At most
    /// [`super::limits::SNAPSHOT_STOPS`].
    #[serde(default)]
    pub last_stops: Vec<StopProof>,
    /// The primitives that jobs share.
    #[serde(default)]
    pub shared: SharedView,
    /// What x-ray sees to be stuck besides circles, which stand in `shared`.
    #[serde(default)]
    pub stuck: Vec<Stuck>,
    /// What x-ray saw in short; `None` when it is off.
    #[serde(default)]
    pub xray: Option<XrayView>,
}

/// The pool of a slot, for sorting and grouping.
impl WorkerView {
    pub fn pool(&self) -> PoolIdx {
        self.slot.pool
    }
}
