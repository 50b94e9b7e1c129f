//! How attempts, jobs and runs end.

use super::ids::TaskIdx;
use serde::{Deserialize, Serialize};

/// How the leader of an attempt really ended, see wait(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// How it ended in a word or two: `exit 2`, `SIGSEGV`.
    pub fn words(self) -> String {
        match self {
            Exit::Code(code) => format!("exit {code}"),
            Exit::Signal(signal) => signal_name(signal),
        }
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    /// Its `creates` path was already there and newer than its inputs: nothing was run.
    UpToDate,
    Failed {
        code: i32,
    },
    Signaled {
        signal: i32,
    },
    TimedOut,
    OutOfMemory,
    /// No process came to be: program not found, folder missing, output file not writable.
    SpawnFailed,
    /// Ended, or never started, because somebody or a rule said so.
    Cancelled,
    /// Never started: the named task, which it needs, did not end as needed.
    Skipped {
        upstream: TaskIdx,
    },
    /// ganger cannot know how it ended.
    Lost,
}

impl Outcome {
    /// The outcome's one word in reports, events and on screen.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::UpToDate => "up_to_date",
            Outcome::Failed { .. } => "failed",
            Outcome::Signaled { .. } => "signaled",
            Outcome::TimedOut => "timed_out",
            Outcome::OutOfMemory => "out_of_memory",
            Outcome::SpawnFailed => "spawn_failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Skipped { .. } => "skipped",
            Outcome::Lost => "lost",
        }
    }

    /// Whether a job that needs this one with `when: succeeded` may start.
    pub fn is_success(self) -> bool {
        matches!(self, Outcome::Succeeded | Outcome::UpToDate)
    }
}

/// Why an attempt is being stopped. Ordered: the more urgent reason wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The leader has ended by itself; processes it left behind are ended.
    Leftovers,
    /// Hung by the task's `quiet` rule.
    Quiet,
    Timeout,
    /// It was in a circle of waits, and `on_deadlock` says that it has to go.
    Deadlock,
    /// Over `limits.processes` of the task, seen by a look.
    ProcessLimit,
    /// Over `limits.memory` of the task.
    MemoryLimit,
    /// The pool shrank and running attempts were told to go.
    Shrink,
    /// A person asked for this job.
    Kill,
    /// Another job failed and the rules say that everything ends.
    Abort,
    /// The run is being stopped.
    RunStop,
}

impl StopReason {
    /// The reason in words, to follow "stopped: ".
    pub fn words(self) -> &'static str {
        match self {
            StopReason::Leftovers => "processes left behind by its leader",
            StopReason::Quiet => "hung: no CPU, no output, no I/O",
            StopReason::Timeout => "timeout",
            StopReason::Deadlock => "in a deadlock",
            StopReason::ProcessLimit => "over its process limit",
            StopReason::MemoryLimit => "over its memory limit",
            StopReason::Shrink => "its pool was made smaller",
            StopReason::Kill => "killed by hand",
            StopReason::Abort => "another job failed",
            StopReason::RunStop => "the run is being stopped",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every job succeeded or was up to date.
    Succeeded,
    /// Some job did not.
    Failed,
    /// A person or a signal ended the run before all its jobs had run.
    Stopped,
}

/// Returns the name of a signal such as `SIGTERM`, `SIG34` for those without one.
pub fn signal_name(signal: i32) -> String {
    SIGNALS
        .iter()
        .find(|(_, n)| *n == signal)
        .map_or_else(|| format!("SIG{signal}"), |(name, _)| format!("SIG{name}"))
}

/// Returns the number of a signal written as `TERM`, `SIGTERM`, `term` or `15`.
pub fn signal_number(text: &str) -> Option<i32> {
    if let Ok(n) = text.parse::<i32>() {
        return (1..=64).contains(&n).then_some(n);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, n)| *n)
}

/// The classic signals of Linux on x86-64 and arm64, signal(7).
pub const SIGNALS: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];
