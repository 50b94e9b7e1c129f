//! What a person should look at now, with the numbers behind it.

use super::ids::{JobNo, PoolIdx, TaskIdx};
use super::time::Mono;
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertLevel {
    /// Worth knowing: something could be faster.
    Advice,
    Warning,
    /// Work or the machine is in danger.
    Critical,
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    HungJob,
    /// It takes much longer than others of its task.
    SlowJob,
    FailingTask,
    MemoryPressure,
    Swapping,
    DiskFull,
    /// More threads compute than there are cores.
    Oversubscribed,
    /// More workers would not help.
    CpuFull,
    /// More workers would help.
    WaitsForIo,
    IdleWorkers,
    /// A circle of waits has closed.
    Deadlock,
    /// Something is seen to be stuck without a proven circle.
    Stuck,
    /// One lock or semaphore takes most of the workers' time.
    Contention,
}

/// Something that holds now and has held for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub level: AlertLevel,
    pub kind: AlertKind,
    /// One line with numbers.
    pub text: String,
    /// What to do about it.
    pub hint: String,
    pub job: Option<JobNo>,
    pub task: Option<TaskIdx>,
    pub pool: Option<PoolIdx>,
    /// Since when it holds.
    pub since: Mono,
}
