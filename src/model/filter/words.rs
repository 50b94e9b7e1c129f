//! The words and fields of the language, as tables: the parser, completion on the screen and
//! the test of the reference page read them.

use super::{JobFacts, Standing};
use crate::model::outcome::{Exit, Outcome};
use crate::model::snapshot::WorkerState;
use std::time::Duration;

/// A word that says where a job stands or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    Queued,
    Blocked,
    Ready,
    BackingOff,
    Running,
    Launching,
    Quiet,
    Paused,
    Stopping,
    Ended,
    /// Ended well: succeeded or was up to date.
    Ok,
    /// Ended badly, however.
    Bad,
    Succeeded,
    UpToDate,
    /// Exactly the outcome `failed`: its leader ended with a bad code.
    ExitedBadly,
    Signaled,
    TimedOut,
    OutOfMemory,
    SpawnFailed,
    Cancelled,
    Skipped,
    Lost,
}

/// Every word with what it means and its meaning in a sentence. `failed` stands for everything
/// that ended badly, since that is what people look for.
pub const WORDS: [(&str, Word, &str); 25] = [
    ("queued", Word::Queued, "has not started, or waits to start again"),
    ("blocked", Word::Blocked, "waits for jobs that it needs"),
    ("ready", Word::Ready, "in the queue of its pool"),
    ("backing_off", Word::BackingOff, "waits for its next attempt"),
    ("running", Word::Running, "an attempt runs, whatever it does"),
    ("launching", Word::Launching, "its process is being started"),
    ("quiet", Word::Quiet, "runs and shows no CPU, no output, no I/O"),
    ("paused", Word::Paused, "paused itself, or frozen while it runs"),
    ("stopping", Word::Stopping, "runs and is being stopped"),
    ("ended", Word::Ended, "has ended, however"),
    ("ok", Word::Ok, "succeeded or was up to date"),
    ("failed", Word::Bad, "ended badly, however"),
    ("succeeded", Word::Succeeded, "ran and ended well"),
    ("up_to_date", Word::UpToDate, "had nothing to do"),
    ("signaled", Word::Signaled, "killed by a signal"),
    ("timed_out", Word::TimedOut, "ran longer than its timeout"),
    ("timeout", Word::TimedOut, "short for timed_out"),
    ("out_of_memory", Word::OutOfMemory, "over its memory limit, or out of memory"),
    ("oom", Word::OutOfMemory, "short for out_of_memory"),
    ("spawn_failed", Word::SpawnFailed, "no process came to be"),
    ("cancelled", Word::Cancelled, "ended because somebody or a rule said so"),
    ("canceled", Word::Cancelled, "the same as cancelled"),
    ("skipped", Word::Skipped, "never started: what it needs did not end as needed"),
    ("lost", Word::Lost, "nobody saw how it ended"),
    ("signalled", Word::Signaled, "the same as signaled"),
];

/// Outcomes, for `outcome=`; the words are exact.
pub(super) const OUTCOMES: [(&str, Word); 10] = [
    ("succeeded", Word::Succeeded),
    ("up_to_date", Word::UpToDate),
    ("failed", Word::ExitedBadly),
    ("signaled", Word::Signaled),
    ("timed_out", Word::TimedOut),
    ("out_of_memory", Word::OutOfMemory),
    ("spawn_failed", Word::SpawnFailed),
    ("cancelled", Word::Cancelled),
    ("skipped", Word::Skipped),
    ("lost", Word::Lost),
];

impl Word {
    /// The meaning of a word, `-` taken for `_`.
    pub(super) fn of(text: &str) -> Option<Word> {
        let text = text.replace('-', "_").to_lowercase();
        WORDS.iter().find(|(word, _, _)| *word == text).map(|(_, meaning, _)| *meaning)
    }

    pub(super) fn holds(self, standing: Standing, paused: bool) -> bool {
        match standing {
            _ if self == Word::Paused => paused,
            Standing::Blocked => matches!(self, Word::Queued | Word::Blocked),
            Standing::Ready => matches!(self, Word::Queued | Word::Ready),
            Standing::BackingOff => matches!(self, Word::Queued | Word::BackingOff),
            Standing::Running(doing) => match self {
                Word::Running => true,
                Word::Launching => doing == WorkerState::Launching,
                Word::Quiet => doing == WorkerState::Quiet,
                Word::Stopping => doing == WorkerState::Stopping,
                _ => false,
            },
            Standing::Ended(outcome) => self == Word::Ended || self.covers(outcome),
        }
    }

    fn covers(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Succeeded => matches!(self, Word::Ok | Word::Succeeded),
            Outcome::UpToDate => matches!(self, Word::Ok | Word::UpToDate),
            Outcome::Failed { .. } => matches!(self, Word::Bad | Word::ExitedBadly),
            Outcome::Signaled { .. } => matches!(self, Word::Bad | Word::Signaled),
            Outcome::TimedOut => matches!(self, Word::Bad | Word::TimedOut),
            Outcome::OutOfMemory => matches!(self, Word::Bad | Word::OutOfMemory),
            Outcome::SpawnFailed => matches!(self, Word::Bad | Word::SpawnFailed),
            Outcome::Lost => matches!(self, Word::Bad | Word::Lost),
            Outcome::Cancelled => self == Word::Cancelled,
            Outcome::Skipped { .. } => self == Word::Skipped,
        }
    }
}

/// A number of a job that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Cpu,
    Time,
    Rss,
    Out,
    Attempts,
    Exit,
    Job,
    Index,
}

/// Every field with its meaning in a sentence.
pub const FIELDS: [(&str, Field, &str); 8] = [
    ("cpu", Field::Cpu, "CPU time of all attempts: `cpu>90`, `cpu>1m30s`"),
    ("time", Field::Time, "time from its first start to its end, or to now: `time>2m`"),
    ("rss", Field::Rss, "largest resident memory: `rss>100M`"),
    ("out", Field::Out, "bytes of output of the last attempt: `out>1M`"),
    ("attempts", Field::Attempts, "attempts that have begun: `attempts>1`"),
    ("exit", Field::Exit, "exit code of the last attempt, or a signal: `exit=3`, `exit=SEGV`"),
    ("job", Field::Job, "number in the run: `job<=100`"),
    ("index", Field::Index, "number in its task: `index=3`"),
];

/// A process killed by signal N counts as exit code 128 + N, as in a shell.
pub(super) const SIGNAL_BASE: i32 = 128;

impl Field {
    pub(super) fn named(text: &str) -> Option<Field> {
        FIELDS.iter().find(|(name, _, _)| *name == text).map(|(_, field, _)| *field)
    }

    /// The number of a job: microseconds, bytes or a count.
    pub(super) fn of(self, job: &JobFacts<'_>) -> Option<i64> {
        match self {
            Field::Cpu => job.cpu.map(micros),
            Field::Time => job.wall.map(micros),
            Field::Rss => job.max_rss_bytes.map(bytes),
            Field::Out => job.output_bytes.map(bytes),
            Field::Attempts => Some(i64::from(job.attempts)),
            Field::Exit => job.exit.map(|exit| match exit {
                Exit::Code(code) => i64::from(code),
                Exit::Signal(signal) => i64::from(SIGNAL_BASE) + i64::from(signal),
            }),
            Field::Job => Some(i64::from(job.job.0)),
            Field::Index => Some(i64::from(job.index)),
        }
    }
}

pub(super) fn micros(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn bytes(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
