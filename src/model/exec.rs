//! What the back end that runs attempts is told, and what it reports.
//!
//! Plain data that could cross a pipe to another host: no handles.

use super::bytes::Text;
use super::ids::{AttemptId, ProcRef};
use super::outcome::{Exit, StopReason};
use super::time::{Mono, Now};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What marks the processes of this run, and where its files are.
#[derive(Clone, Debug)]
pub struct RunLocation {
    /// GANGER_RUN of the jobs: this run's id, with the outer runs before it (`outer/inner`).
    pub mark: String,
    /// The run's own folder, mode 0700; output goes to `<dir>/output/`.
    pub dir: PathBuf,
    /// GANGER_SOCKET of the jobs.
    pub socket: PathBuf,
}

/// Everything needed to start one attempt. Placeholders are filled in already.
#[derive(Clone, Debug)]
pub struct LaunchOrder {
    pub attempt: AttemptId,
    /// Number of the slot, to reuse output files that stayed empty.
    pub slot_key: u64,
    /// Program and arguments; never empty. The program is looked up in the PATH of `env`.
    pub argv: Vec<Vec<u8>>,
    /// The environment that all jobs of a task share.
    pub env: Arc<Vec<(Vec<u8>, Vec<u8>)>>,
    /// What this job adds to it or overrides in it: first the task's, last the GANGER_ marks.
    pub job_env: Vec<(Vec<u8>, Vec<u8>)>,
    pub workdir: PathBuf,
    pub stdin: Stdin,
    pub stdout: Stdout,
    pub stderr: Stdout,
    pub tty: Option<TtySize>,
    /// With `creates`: the path, and the file inputs it must be newer than. When it is there
    /// and newer, the attempt is reported as up to date and nothing is started.
    pub creates: Option<(PathBuf, Vec<PathBuf>)>,
    pub nice: Option<i32>,
    pub limits: Limits,
    /// Processes left when the leader has ended stay alive.
    pub keep_leftovers: bool,
}

/// Where an attempt's standard input comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    #[default]
    Null,
    Text(Vec<u8>),
    File(PathBuf),
}

/// Where a stream of an attempt goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stdout {
    /// A file of the attempt in the run's folder.
    #[default]
    Kept,
    /// A file the task names; truncated per attempt.
    File(PathBuf),
}

/// Size of a job's own terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtySize {
    pub cols: u16,
    pub rows: u16,
}

/// `limits` of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Resident bytes of the whole tree.
    pub memory_bytes: Option<u64>,
    /// CPU seconds of each process, RLIMIT_CPU of setrlimit(2).
    pub cpu_time: Option<Duration>,
    pub open_files: Option<u64>,
    pub file_size_bytes: Option<u64>,
    /// Processes of the whole tree.
    pub processes: Option<u64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Limits::default()
    }
}

/// By which means `memory` and `processes` of an attempt were bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitMeans {
    CgroupV1,
    CgroupV2,
    /// A look at the tree at least five times a second, and KILL.
    Look,
}

/// Resources that an attempt used, from wait4(2). CPU covers the leader and every process it
/// waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub cpu_user: Duration,
    pub cpu_system: Duration,
    /// Largest resident size of one process, `None` when it cannot be known (a child starts
    /// at its parent's own peak).
    pub max_rss_bytes: Option<u64>,
    /// `None` when the stream went to a file that is gone or not a regular file.
    pub stdout_bytes: Option<u64>,
    pub stderr_bytes: Option<u64>,
    pub means: Option<LimitMeans>,
}

/// What happened to an attempt in the world.
///
/// Order per attempt: `Started` then `LeaderEnded` then, only when `leftovers` was not zero,
/// `TreeGone`; or one of `UpToDate` and `SpawnFailed` alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum ExecReport {
    Started {
        attempt: AttemptId,
        proc: ProcRef,
        /// Just before the process was made.
        at: Now,
    },
    UpToDate {
        attempt: AttemptId,
        at: Now,
    },
    SpawnFailed {
        attempt: AttemptId,
        error: String,
        at: Now,
    },
    LeaderEnded {
        attempt: AttemptId,
        /// `None`: somebody else reaped it, so nobody knows.
        exit: Option<Exit>,
        usage: Usage,
        /// Processes of the attempt that are still alive. With `keep_leftovers` always 0.
        leftovers: u32,
        /// The kernel's out-of-memory killer hit the attempt; `None`: no counter to ask.
        oom_killed: Option<bool>,
        at: Now,
    },
    /// Nothing of the attempt is alive any more. `swept` processes besides the leader had to
    /// be ended; `unkillable` did not go in time (uninterruptible sleep).
    TreeGone {
        attempt: AttemptId,
        swept: u32,
        unkillable: u32,
        at: Now,
    },
    /// A limit of `limits` was exceeded, seen by a look.
    OverLimit {
        attempt: AttemptId,
        reason: StopReason,
        at: Now,
    },
}

/// Something the probe saw that a rule of the task file asked to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub attempt: AttemptId,
    /// The attempt has shown no CPU, no output and no I/O since then.
    pub quiet_since: Mono,
    /// `false`: it has moved again.
    pub quiet: bool,
}

/// Where an attempt's two streams can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFiles {
    pub stdout: Option<Text>,
    pub stderr: Option<Text>,
}
