//! The document that `--report FILE` writes. Described for users in `docs/json.md`.

use super::bytes::Text;
use super::exec::{LimitMeans, Usage};
use super::outcome::{Exit, Outcome, RunOutcome, StopReason, signal_name};
use super::snapshot::Counts;
use super::time::Wall;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

/// Goes up when a field changes its meaning or goes away; not when one is added.
pub const REPORT_VERSION: u32 = 1;

/// Everything of the document but its jobs, which follow one by one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// [`REPORT_VERSION`].
    pub version: u32,
    pub run: String,
    pub name: String,
    /// The task file as named on the command line.
    pub file: String,
    #[serde(serialize_with = "as_rfc3339")]
    pub started_at: Wall,
    #[serde(serialize_with = "as_rfc3339")]
    pub ended_at: Wall,
    #[serde(serialize_with = "as_seconds")]
    pub wall_s: Duration,
    pub outcome: RunOutcome,
    pub exit_code: i32,
    pub totals: Totals,
    /// Tasks whose inputs could not be read, and why: they have no jobs.
    pub unread_tasks: Vec<UnreadTask>,
    /// Every circle of waits that there was, in the order in which they closed.
    pub deadlocks: Vec<DeadlockReport>,
}

/// A circle of waits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadlockReport {
    /// Tasks of its members, each once, in the order of the circle.
    pub tasks: Vec<String>,
    /// Numbers of its members' jobs, each once.
    pub jobs: Vec<u32>,
    /// From the start of the run until it closed.
    #[serde(serialize_with = "as_seconds")]
    pub after_s: Duration,
    /// What happened, in one sentence.
    pub text: String,
}

/// A task without jobs, because its inputs could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadTask {
    pub task: String,
    pub error: String,
}

/// How many jobs ended how; the outcomes add up to `jobs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub jobs: u32,
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
    /// Attempts beyond the first of their job.
    pub retries: u32,
}

impl From<Counts> for Totals {
    fn from(c: Counts) -> Totals {
        Totals {
            jobs: c.total,
            succeeded: c.succeeded,
            up_to_date: c.up_to_date,
            failed: c.failed,
            signaled: c.signaled,
            timed_out: c.timed_out,
            out_of_memory: c.out_of_memory,
            spawn_failed: c.spawn_failed,
            cancelled: c.cancelled,
            skipped: c.skipped,
            lost: c.lost,
            retries: c.retries,
        }
    }
}

/// A job of the document. What is not known is null, never a zero.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobReport {
    /// Number in the run, from 1 in file order.
    pub job: u32,
    pub task: String,
    /// Number in its task, from 1: `resize:3`.
    pub index: u32,
    #[serde(serialize_with = "as_object")]
    pub inputs: Vec<(String, Text)>,
    pub command: CommandText,
    /// The word of [`Outcome`].
    pub outcome: &'static str,
    /// How the leader of the last attempt really ended, whatever the outcome.
    pub exit_code: Option<i32>,
    /// A name such as `SIGTERM`; one of `exit_code` and `signal` is null.
    pub signal: Option<String>,
    pub attempts: u32,
    /// When the first attempt started.
    #[serde(serialize_with = "as_rfc3339_or_null")]
    pub started_at: Option<Wall>,
    /// From the start of the first attempt to the end of the last.
    #[serde(serialize_with = "as_seconds_or_null")]
    pub wall_s: Option<Duration>,
    #[serde(serialize_with = "as_seconds_or_null")]
    pub cpu_user_s: Option<Duration>,
    #[serde(serialize_with = "as_seconds_or_null")]
    pub cpu_system_s: Option<Duration>,
    pub max_rss_bytes: Option<u64>,
    pub stdout_bytes: Option<u64>,
    pub stderr_bytes: Option<u64>,
    /// Processes besides the leader that ganger had to end.
    pub swept_processes: u32,
    /// By which means `limits` were kept.
    pub limits_by: Option<LimitMeans>,
    /// The kernel's out-of-memory killer hit it; null: no counter to ask.
    pub oom_killed: Option<bool>,
    /// The task's `quiet` rule marked an attempt as hung, whatever became of it.
    pub hung: bool,
    /// How long the attempt that was marked last had been quiet, until it moved again or ended.
    #[serde(serialize_with = "as_seconds_or_null")]
    pub quiet_s: Option<Duration>,
    /// Why ganger stopped the last attempt.
    pub reason: Option<StopReason>,
    /// For `skipped`: the needed task that did not end as needed.
    pub upstream: Option<String>,
    /// Why no process came to be, for `spawn_failed`.
    pub error: Option<String>,
}

/// A command as written in the task file, with its placeholders filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CommandText {
    /// Text for the shell.
    Shell(Text),
    /// Executed as it is.
    Argv(Vec<Text>),
}

impl JobReport {
    /// Returns the entry of a job of which no attempt began.
    pub fn unstarted(
        job: u32,
        task: String,
        index: u32,
        inputs: Vec<(String, Text)>,
        command: CommandText,
        outcome: Outcome,
    ) -> JobReport {
        JobReport {
            job,
            task,
            index,
            inputs,
            command,
            outcome: outcome.word(),
            exit_code: None,
            signal: None,
            attempts: 0,
            started_at: None,
            wall_s: None,
            cpu_user_s: None,
            cpu_system_s: None,
            max_rss_bytes: None,
            stdout_bytes: None,
            stderr_bytes: None,
            swept_processes: 0,
            limits_by: None,
            oom_killed: None,
            hung: false,
            quiet_s: None,
            reason: None,
            upstream: None,
            error: None,
        }
    }

    /// Says how the leader of the last attempt ended, `None` when there was no process.
    #[must_use]
    pub fn with_exit(mut self, exit: Option<Exit>) -> JobReport {
        (self.exit_code, self.signal) = match exit {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(signal)) => (None, Some(signal_name(signal))),
            None => (None, None),
        };
        self
    }

    /// Says how long an attempt had been quiet, `None` when none was ever marked as hung.
    #[must_use]
    pub fn with_hang(mut self, quiet: Option<Duration>) -> JobReport {
        (self.hung, self.quiet_s) = (quiet.is_some(), quiet);
        self
    }

    /// Says what the last attempt used.
    #[must_use]
    pub fn with_usage(mut self, usage: &Usage) -> JobReport {
        self.cpu_user_s = Some(usage.cpu_user);
        self.cpu_system_s = Some(usage.cpu_system);
        self.max_rss_bytes = usage.max_rss_bytes;
        self.stdout_bytes = usage.stdout_bytes;
        self.stderr_bytes = usage.stderr_bytes;
        self.limits_by = usage.means;
        self
    }
}

/// Returns a duration in seconds, exact to the microsecond.
pub fn seconds(d: Duration) -> f64 {
    // 2^53 microseconds are 285 years.
    d.as_micros() as f64 / 1e6
}

fn as_seconds<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64(seconds(*d))
}

fn as_seconds_or_null<S: Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
    d.map(seconds).serialize(s)
}

fn as_rfc3339<S: Serializer>(at: &Wall, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&at.rfc3339())
}

fn as_rfc3339_or_null<S: Serializer>(at: &Option<Wall>, s: S) -> Result<S::Ok, S::Error> {
    at.map(Wall::rfc3339).serialize(s)
}

fn as_object<S: Serializer>(pairs: &[(String, Text)], s: S) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name, value)?;
    }
    map.end()
}
