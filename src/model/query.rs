//! What front ends may ask without changing anything.

use super::bytes::Text;
use super::ids::{AttemptId, JobNo, JobRef};
use super::pattern::Pattern;
use super::snapshot::{RunInfo, Snapshot};
use super::time::Wall;
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
    /// Lines of output that match a pattern. Answered when they are found, perhaps after later
    /// questions; a new search of the same front end ends the one before it.
    Search(Search),
    /// The newest output of all jobs, in the order in which it appeared.
    Recent {
        /// Where the last answer ended; without it, the newest that fits.
        after: Option<RecentCursor>,
        pace: Pace,
        max_bytes: u32,
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
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    #[default]
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
    /// What was written after this moment, as far as it is known when what was written.
    After(Wall),
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
    Found(Found),
    Recent(Recent),
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
    /// When the bytes were there, oldest first, as far as it is known; covers this part.
    #[serde(default)]
    pub marks: Vec<Mark>,
}

/// How long a stream was at one moment.
///
/// Jobs write straight into files, so the time of a line is known only from looking: a line was
/// written by the time of the first mark that is not before its end, and after the mark before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When the file last changed, seen at a look.
    pub at: Wall,
    /// Its size then.
    pub size: u64,
}

/// A search of output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    pub pattern: Pattern,
    pub scope: SearchScope,
    /// Only this stream.
    #[serde(default)]
    pub stream: Option<Stream>,
    /// Where the last answer ended; without it, from the first job on.
    #[serde(default)]
    pub from: Option<SearchCursor>,
    pub max_hits: u32,
}

/// Whose output is searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchScope {
    /// One job: all its attempts unless one is named.
    Job(JobRef),
    All,
}

/// A place in the output of all jobs: by attempt, then stdout, then stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SearchCursor {
    pub attempt: AttemptId,
    pub stream: Stream,
    /// Start of a line.
    pub offset: u64,
}

/// What a search has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// Where to go on: there were enough hits, or enough was read for one answer. `None`:
    /// everything has been searched.
    pub next: Option<SearchCursor>,
    /// Bytes read for this answer.
    pub searched_bytes: u64,
}

/// A line that matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    pub attempt: AttemptId,
    /// `resize:3`
    pub label: String,
    pub stream: Stream,
    /// Where the line begins in its stream.
    pub offset: u64,
    /// The line without escapes, cut around the match.
    pub text: String,
    /// Where in `text` the first match is, in bytes: from, to.
    pub matched: (u32, u32),
}

/// How output of all jobs is handed out to who cannot keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// The newest counts: what does not fit is left out, and it is said how much.
    Newest,
    /// Everything that is still known, answer by answer.
    Everything,
}

/// A place in the order in which output appeared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentCursor {
    /// Number of the next growth.
    pub growth: u64,
    /// Bytes of that growth that have been handed out.
    pub bytes: u64,
    /// Bytes of all growths before it.
    pub before: u64,
}

/// New output of all jobs: whole lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    pub chunks: Vec<Chunk>,
    pub next: RecentCursor,
    /// Bytes before the first chunk that are handed out to nobody any more.
    pub left_out_bytes: u64,
    /// There is more at once.
    pub more: bool,
}

/// Lines that one stream of one attempt grew by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    pub attempt: AttemptId,
    /// `resize:3`
    pub label: String,
    pub stream: Stream,
    /// Where `bytes` begin in their stream.
    pub offset: u64,
    pub bytes: Text,
    /// By when they had been written.
    pub at: Wall,
    /// Bytes before these that did not fit.
    pub left_out_bytes: u64,
}
