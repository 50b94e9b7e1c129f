//! What the probe saw of the machine at one moment. For the eyes only.
//!
//! What could not be seen is `None`, never zero. Fields that an older ganger does not send take
//! their defaults.

use super::ids::AttemptId;
use super::query::Mark;
use super::time::Mono;
use serde::{Deserialize, Serialize};

/// Shares of one core between two readings, in percent; the classes add up to about 100.
///
/// Classes are those of `/proc/stat` (proc_stat(5)); guest time is inside user and nice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoreShares {
    pub core: u32,
    pub user: f32,
    pub nice: f32,
    pub system: f32,
    pub irq: f32,
    pub softirq: f32,
    pub steal: f32,
    pub iowait: f32,
    pub idle: f32,
    /// Percent of the core that this run's processes used: a part of the busy classes, not one
    /// more class. Estimated from where each process last ran; never above [`CoreShares::busy`].
    pub run: f32,
    /// Its clock now, in MHz, at most a few seconds old; `None` where the kernel does not tell.
    pub mhz: Option<u32>,
}

impl CoreShares {
    /// Percent of the core that was busy: everything but idle and iowait.
    pub fn busy(&self) -> f32 {
        self.user + self.nice + self.system + self.irq + self.softirq + self.steal
    }
}

/// Which kind of core it is, on machines that have two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreKind {
    Performance,
    Efficiency,
}

/// What does not change about a core; read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoreInfo {
    pub core: u32,
    /// Its NUMA node; `None` where the kernel knows of no nodes.
    pub node: Option<u32>,
    /// `None` where all cores are alike or the kernel does not tell.
    pub kind: Option<CoreKind>,
    /// Number of the physical core that it is a hardware thread of, unique within the machine:
    /// the lowest number of the cores that share it.
    pub physical: Option<u32>,
}

/// Pressure stall information: percent of the last ten seconds in which something waited.
///
/// `some`: at least one task of the machine waited; `full`: all that were not idle did. Source:
/// the kernel's `Documentation/accounting/psi.rst`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pressure {
    pub cpu_some: f32,
    pub memory_some: f32,
    pub memory_full: f32,
    pub io_some: f32,
    pub io_full: f32,
}

/// What one process of ganger itself costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnUse {
    /// Percent of one core since the look before, all threads, the probe included.
    pub cpu_percent: Option<f32>,
    /// Resident bytes; shared pages count by their share (PSS) where the kernel tells.
    pub resident_bytes: Option<u64>,
}

/// The whole machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineSample {
    /// Online cores by number.
    pub cores: Vec<CoreShares>,
    /// Load averages of 1, 5 and 15 minutes.
    pub load: [f32; 3],
    pub memory_total_bytes: u64,
    /// Total minus available, as free(1) counts it.
    pub memory_used_bytes: u64,
    /// Zero on a machine without swap.
    pub swap_total_bytes: u64,
    pub swap_used_bytes: u64,
    /// `None` where the kernel does not count it; a few seconds old at most.
    pub pressure: Option<Pressure>,
    /// The supervisor's own use; a front end in a process of its own adds its own.
    pub own: OwnUse,
}

/// What a tree did for most of the time since the look before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Some thread was on a CPU.
    Running,
    /// Some thread could run, but other threads had the CPUs.
    WaitingCpu,
    /// Some process was blocked on a disk or a network file system.
    WaitingIo,
    /// Nobody had anything to do: waiting for a timer, a pipe, a lock or a child.
    #[default]
    Sleeping,
    /// Every process was stopped by a signal or a debugger.
    Stopped,
}

/// The whole process tree of one attempt.
///
/// Shares and rates are since the look before, of some since an earlier one, and at the first
/// look since the start of the attempt; `None` when it is too young to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TreeSample {
    pub attempt: AttemptId,
    /// Percent of one core; 200 is two cores.
    pub cpu_percent: Option<f32>,
    /// The part of `cpu_percent` in the programs themselves.
    pub user_percent: Option<f32>,
    /// The part of `cpu_percent` in the kernel: `user_percent` and this add up to `cpu_percent`.
    pub system_percent: Option<f32>,
    /// Percent of wall time in which threads could run but waited for a CPU, of all threads
    /// together: 300 when three wait all the time. `None` when the kernel does not count it.
    pub cpu_wait_percent: Option<f32>,
    /// Percent of time for which the process that waited most was blocked on I/O, 0 to 100. Where
    /// the kernel does not count it (`kernel.task_delayacct`): the share of the last looks at
    /// which some process was in state D.
    pub io_wait_percent: Option<f32>,
    pub rss_bytes: u64,
    /// Largest `rss_bytes` of any sample of this attempt.
    pub peak_rss_bytes: u64,
    /// Bytes fetched from storage per second; what a cache gave does not count. Children that
    /// ended count. `None` when no process of the tree lets it be read.
    pub read_bytes_per_s: Option<f32>,
    /// Bytes sent to storage per second, counted when a page becomes dirty.
    pub write_bytes_per_s: Option<f32>,
    /// Page faults per second that had to wait for a disk.
    pub major_faults_per_s: Option<f32>,
    /// Times per second that main threads gave up their CPU to wait for something, of the few
    /// processes that used most CPU in their life; a few seconds old at most.
    pub voluntary_switches_per_s: Option<f32>,
    /// Open file descriptors of the process that has most, among the few that used most CPU in
    /// their life: the number that `RLIMIT_NOFILE` bounds. A few seconds old at most.
    pub fds: Option<u32>,
    pub threads: u32,
    /// Threads that were on a CPU or waited for one, on average, rounded.
    pub threads_running: u32,
    /// Threads that the task file gives the job, by `threads` or else by `weight`; at least 1
    /// in what a probe saw.
    pub threads_allotted: u32,
    /// For several looks now, more threads could run than `threads_allotted`.
    pub oversubscribed: bool,
    pub processes: u32,
    /// Where its busiest process last ran, of that with many threads its busiest thread.
    pub core: Option<u32>,
    pub activity: Activity,
    /// When its output last grew, `None` when it never did.
    pub last_output: Option<Mono>,
    /// Since when it shows no CPU, no output and no I/O; `None` while it moves.
    pub quiet_since: Option<Mono>,
    /// Some process of the tree could not be read: the numbers are lower bounds.
    pub partial: bool,
}

/// One look of the probe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub at: Mono,
    pub machine: MachineSample,
    /// One entry per running attempt that could be seen.
    pub trees: Vec<TreeSample>,
    /// How long the output of running attempts is.
    #[serde(default)]
    pub outputs: Vec<OutputSample>,
}

/// Size and last change of both streams of an attempt; `None` where there is no regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSample {
    pub attempt: AttemptId,
    pub streams: [Option<Mark>; 2],
}
