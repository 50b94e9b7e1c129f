//! What front ends may ask without changing anything.

use super::bytes::Text;
use super::exec::{LimitMeans, Limits};
use super::ids::{AttemptId, JobNo, JobRef, PoolIdx, Slot, TaskIdx};
use super::outcome::{Exit, Outcome, StopReason};
use super::pattern::Pattern;
use super::record::{EventFilter, EventPage, EventsFrom};
use super::snapshot::{Counts, RunInfo, Snapshot, WorkerState};
use super::time::{Mono, Wall};
use super::timeline::Timeline;
use super::waits::SharedWaits;
use super::waits::preview::Preview;
use super::waits::report::Report;
use serde::{Deserialize, Serialize};

/// A question to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "query")]
pub enum Query {
    /// Everything `status` shows.
    Status,
    /// A page of jobs. The answer may come after answers to later questions: the supervisor
    /// looks at the jobs in slices, so that a million of them never hold it up. A client that
    /// asks for another list before it has its answer gets a refusal for the older one.
    Jobs {
        #[serde(flatten)]
        list: JobList,
        offset: u32,
        limit: u32,
    },
    /// A page of tasks, in file order, each with what its jobs add up to.
    Tasks { offset: u32, limit: u32 },
    /// One job in full.
    Job { job: JobRef },
    /// Part of the output of an attempt (its last, when the reference names none).
    Output { job: JobRef, stream: Stream, from: OutputFrom, max_bytes: u32 },
    /// What a kill of these attempts would do to those who wait for what they have. Answered when
    /// it is known, perhaps after later questions.
    KillPreview { attempts: Vec<AttemptId> },
    /// Who waits for whom, as x-ray saw it last. While somebody asks, it looks more often.
    Waits,
    /// Why a job is not running, or what it is doing, in sentences.
    Why { job: JobRef },
    /// Who waits for what jobs share, with all who could end each wait.
    SharedWaits,
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

/// Which jobs a list holds and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobList {
    /// In the language of [`super::filter`]; empty: every job.
    pub filter: String,
    pub sort: JobSort,
    /// From the largest to the smallest. Jobs of which the key is not known come last in both
    /// directions, equal ones by number.
    pub descending: bool,
}

/// What a list of jobs is sorted by.
///
/// In the order of their numbers a list can be read to its end; in any other order it ends
/// after [`super::limits::SORTED_JOBS`] jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobSort {
    #[default]
    Number,
    /// Name of the task.
    Task,
    /// Running jobs, then those that wait, then those that ended: badly before well.
    State,
    /// From the start of the first attempt to the end of the last, or to now.
    Time,
    Cpu,
    Rss,
    Attempts,
    Started,
    Ended,
}

impl JobSort {
    pub const ALL: [JobSort; 9] = [
        JobSort::Number,
        JobSort::Task,
        JobSort::State,
        JobSort::Time,
        JobSort::Cpu,
        JobSort::Rss,
        JobSort::Attempts,
        JobSort::Started,
        JobSort::Ended,
    ];

    /// The key's one word on the command line and on screen.
    pub fn word(self) -> &'static str {
        match self {
            JobSort::Number => "number",
            JobSort::Task => "task",
            JobSort::State => "state",
            JobSort::Time => "time",
            JobSort::Cpu => "cpu",
            JobSort::Rss => "rss",
            JobSort::Attempts => "attempts",
            JobSort::Started => "started",
            JobSort::Ended => "ended",
        }
    }
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
    Jobs(JobPage),
    Tasks {
        /// Tasks of the run.
        total: u32,
        rows: Vec<TaskRow>,
    },
    Job {
        job: Box<JobDetail>,
    },
    Output(OutputPart),
    Why {
        lines: Vec<String>,
    },
    SharedWaits(SharedWaits),
    KillPreview {
        preview: Box<Preview>,
    },
    Waits {
        /// `None` before the first look, and where nobody looks.
        report: Option<Box<Report>>,
        /// Why there is no report.
        why_not: Option<String>,
    },
    Found(Found),
    Recent(Recent),
    Timeline(Timeline),
    Events(EventPage),
    /// The question cannot be answered, and why.
    Refused {
        error: String,
    },
}

/// A page of a [`JobList`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobPage {
    /// Jobs that the filter lets through, on all pages.
    pub total: u32,
    /// Jobs of the run so far.
    pub of: u32,
    /// Jobs that were looked at for this answer.
    pub scanned: u32,
    /// The list ends after this many jobs although `total` is larger, because it is sorted by
    /// something else than the number.
    pub cut_at: Option<u32>,
    pub rows: Vec<JobRow>,
}

/// A job in a list. What is not known is `None`, never a zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    pub job: JobNo,
    pub task: TaskIdx,
    /// Number in its task, from 1.
    pub index: u32,
    /// `resize:3`
    pub label: String,
    pub inputs: String,
    /// `blocked`, `ready`, `backing_off`, `running`, or the word of its outcome.
    pub state: String,
    /// Of a running job, what its worker is doing: running, quiet, paused, stopping ...
    pub doing: Option<WorkerState>,
    /// It is paused: itself, or frozen while it runs.
    pub paused: bool,
    /// How the leader of its last attempt ended.
    pub exit: Option<Exit>,
    /// Attempts that have begun.
    pub attempts: u32,
    /// Start of the first attempt.
    pub started_at: Option<Wall>,
    /// End of the last attempt; `None` while it runs.
    pub ended_at: Option<Wall>,
    /// From `started_at` to `ended_at`, or to now while it runs.
    pub wall_ms: Option<u64>,
    /// CPU time of all attempts that have ended.
    pub cpu_ms: Option<u64>,
    /// Peak of all attempts, also of the one that runs as far as the probe saw it.
    pub max_rss_bytes: Option<u64>,
    /// Bytes of the last attempt; `None` while it runs.
    pub stdout_bytes: Option<u64>,
    pub stderr_bytes: Option<u64>,
}

impl JobRow {
    /// Returns the row of a job of which nothing is known but its name.
    pub fn bare(job: JobNo, task: TaskIdx, index: u32, label: String) -> JobRow {
        JobRow {
            job,
            task,
            index,
            label,
            inputs: String::new(),
            state: "blocked".to_owned(),
            doing: None,
            paused: false,
            exit: None,
            attempts: 0,
            started_at: None,
            ended_at: None,
            wall_ms: None,
            cpu_ms: None,
            max_rss_bytes: None,
            stdout_bytes: None,
            stderr_bytes: None,
        }
    }
}

/// A task, with what its jobs add up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    pub task: TaskIdx,
    pub name: String,
    pub pool: PoolIdx,
    pub counts: Counts,
    /// Its inputs are not read yet.
    pub unread: bool,
    /// Attempts that have begun.
    pub attempts: u64,
    /// Of attempts that succeeded; `None` before the first.
    pub durations: Option<Durations>,
    /// CPU time of all attempts that have ended.
    pub cpu_ms: u64,
    /// Peak of all attempts that have ended.
    pub max_rss_bytes: Option<u64>,
    /// Time until its last job has ended if its pool had nothing else to do, from the mean
    /// duration and the workers that may run it. `None` when nothing succeeded yet.
    pub eta_ms: Option<u64>,
}

/// How long attempts took. Percentiles are exact to 4 percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    /// Attempts that were counted.
    pub count: u64,
    pub mean_us: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p95_us: u64,
    pub max_us: u64,
}

/// A job in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    pub row: JobRow,
    /// What would run, or ran, with every placeholder filled in.
    pub command: Vec<Text>,
    /// The command is text for a shell.
    pub shell: bool,
    pub workdir: Text,
    pub inputs: Vec<(String, Text)>,
    /// What the job's environment has besides the inherited one, in the order of setting: a
    /// later variable of the same name wins.
    pub env: Vec<EnvVar>,
    /// The `env_file`s of its task. Variables of those that were not read yet are not in `env`.
    pub env_files: Vec<Text>,
    /// Variables that it inherits from ganger.
    pub n_inherited_env: u32,
    /// Oldest first; at most [`super::limits::ATTEMPTS_KEPT`], the one that runs included.
    pub attempts: Vec<AttemptRow>,
    /// Attempts before those, of which nothing but sums is kept.
    pub n_attempts_dropped: u32,
    pub limits: Limits,
    /// By which means the limits of its last attempt were kept.
    pub limits_by: Option<LimitMeans>,
    /// Why it waits, what it is doing, how it ended.
    pub why: Vec<String>,
    /// What it takes from others at this moment.
    pub holds: Option<Holding>,
    /// Its pool, and the workers' worth of it that an attempt takes.
    pub pool: String,
    pub weight: u32,
    pub needs: Vec<NeedRow>,
    /// Tasks that need this one.
    pub needed_by: Vec<String>,
}

impl JobDetail {
    /// Returns the details of a job of which nothing is known but its row.
    pub fn bare(row: JobRow) -> JobDetail {
        JobDetail {
            row,
            command: Vec::new(),
            shell: false,
            workdir: Text::default(),
            inputs: Vec::new(),
            env: Vec::new(),
            env_files: Vec::new(),
            n_inherited_env: 0,
            attempts: Vec::new(),
            n_attempts_dropped: 0,
            limits: Limits::default(),
            limits_by: None,
            why: Vec::new(),
            holds: None,
            pool: String::new(),
            weight: 1,
            needs: Vec::new(),
            needed_by: Vec::new(),
        }
    }
}

/// A variable of a job's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    pub name: Text,
    /// `None` for what an `env_file` says: such values are never shown.
    pub value: Option<Text>,
    pub from: EnvFrom,
}

/// Who sets a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvFrom {
    /// `env_file` of the task.
    EnvFile,
    /// `env` or `threads` of the task file.
    Task,
    Ganger,
}

/// One attempt of a job. What is not known is `None`, never a zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRow {
    pub n: u32,
    pub slot: Slot,
    pub started_at: Wall,
    /// To now while it runs.
    pub wall_ms: u64,
    /// `None` while it runs.
    pub outcome: Option<Outcome>,
    pub exit: Option<Exit>,
    pub cpu_user_ms: Option<u64>,
    pub cpu_system_ms: Option<u64>,
    pub max_rss_bytes: Option<u64>,
    pub stdout_bytes: Option<u64>,
    pub stderr_bytes: Option<u64>,
    /// Processes besides the leader that ganger had to end.
    pub swept: u32,
    pub oom_killed: Option<bool>,
    /// Why ganger stopped it.
    pub reason: Option<StopReason>,
    pub error: Option<String>,
}

/// What a running attempt holds of its pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    pub slot: Slot,
    /// Workers' worth that it takes.
    pub weight: u32,
    pub pool_size: u32,
}

/// A task that a job needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedRow {
    pub task: String,
    /// How the needed jobs must end: `succeeded`, `failed` or `always`.
    pub when: String,
    /// Job by job instead of all by all.
    pub each: bool,
    /// The needed task has ended; with `each`, that says nothing about the single job.
    pub ended: bool,
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
