//! What the probe saw of the machine at one moment. For the eyes only.

use super::ids::AttemptId;
use super::query::Mark;
use super::time::Mono;
use serde::{Deserialize, Serialize};

/// Shares of one core between two readings, in percent; they add up to about 100.
///
/// Classes are those of `/proc/stat` (proc_stat(5)); guest time is inside user and nice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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
}

impl CoreShares {
    /// Percent of the core that was busy: everything but idle and iowait.
    pub fn busy(&self) -> f32 {
        self.user + self.nice + self.system + self.irq + self.softirq + self.steal
    }
}

/// The whole machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineSample {
    /// Online cores by number.
    pub cores: Vec<CoreShares>,
    /// Load averages of 1, 5 and 15 minutes.
    pub load: [f32; 3],
    pub memory_total_bytes: u64,
    /// Total minus available, as free(1) counts it.
    pub memory_used_bytes: u64,
}

/// The whole process tree of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeSample {
    pub attempt: AttemptId,
    /// Percent of one core since the look before, at the first look since its start; 200 is two
    /// cores. `None` when it is too young to tell.
    pub cpu_percent: Option<f32>,
    pub rss_bytes: u64,
    /// Largest `rss_bytes` of any sample of this attempt.
    pub peak_rss_bytes: u64,
    pub threads: u32,
    pub processes: u32,
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
