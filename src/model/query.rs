//! What front ends may ask without changing anything.

use super::bytes::Text;
use super::ids::{AttemptId, JobNo, JobRef};
use super::record::{EventFilter, EventPage, EventsFrom};
use super::snapshot::{RunInfo, Snapshot};
use super::time::{Mono, Wall};
use super::timeline::Timeline;
use serde::{Deserialize, Serialize};

/// A question to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "query")]
pub enum Query {
    /// Everything `status` shows.
    Status,
    /// A page of jobs.
    Jobs { filter: JobFilter, offset: u32, limit: u32 },
    /// One job in full.
    Job { job: JobRef },
    /// Part of the output of an attempt (its last, when the reference names none).
    Output { job: JobRef, stream: Stream, from: OutputFrom, max_bytes: u32 },
    /// Why a job is not running, or what it is doing, in sentences.
    Why { job: JobRef },
    /// What ran between two moments, both included: the same moment twice asks what ran then.
    /// A worker with more than `max_bars` bars has its bars merged into as many stretches.
    Timeline { from: Mono, to: Mono, max_bars: u32 },
    /// A page of what has happened.
    Events {
        #[serde(default)]
        filter: EventFilter,
        #[serde(default)]
        from: EventsFrom,
        limit: u32,
    },
}

/// Which jobs a page holds: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobFilter {
    /// `queued`, `running`, `ended`, or the word of an outcome.
    pub state: Option<String>,
    pub task: Option<String>,
}

/// One of the two streams of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Where a part of output starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFrom {
    /// The last `max_bytes`.
    Tail,
    Offset(u64),
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    Status {
        info: Box<RunInfo>,
        snapshot: Box<Snapshot>,
    },
    Jobs {
        total: u32,
        rows: Vec<JobRow>,
    },
    Job {
        job: Box<JobDetail>,
    },
    Output(OutputPart),
    Why {
        lines: Vec<String>,
    },
    Timeline(Timeline),
    Events(EventPage),
    /// The question cannot be answered, and why.
    Refused {
        error: String,
    },
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    pub job: JobNo,
    /// `resize:3`
    pub label: String,
    pub inputs: String,
    /// `blocked`, `ready`, `backing_off`, `running`, or the word of its outcome.
    pub state: String,
    pub attempts: u32,
    pub wall_ms: Option<u64>,
}

/// A job in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    pub row: JobRow,
    /// What would run, or ran, with every placeholder filled in.
    pub command: Vec<Text>,
    pub workdir: Text,
    pub inputs: Vec<(String, Text)>,
    pub started_at: Option<Wall>,
    pub why: Vec<String>,
}

/// A part of one stream of one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputPart {
    pub attempt: AttemptId,
    /// The file, for front ends on the same machine that copy a lot.
    pub path: Option<Text>,
    pub offset: u64,
    /// Size of the whole stream so far.
    pub size: u64,
    pub bytes: Text,
    /// The attempt has ended: nothing more will come.
    pub complete: bool,
}
