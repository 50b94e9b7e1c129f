//! Names of things in a run: tasks, jobs, attempts, pools, slots, processes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Position of a task in its task file, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskIdx(pub u32);

/// Position of a pool in the plan, from 0; pool 0 is `default`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolIdx(pub u16);

impl PoolIdx {
    /// The pool of every task that names none.
    pub const DEFAULT: PoolIdx = PoolIdx(0);
}

/// Number of a job in its run, from 1 in the order in which jobs join the run.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct JobNo(pub u32);

impl fmt::Display for JobNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

/// One try of a job; `n` counts from 1. Shown as `:17#2`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct AttemptId {
    pub job: JobNo,
    pub n: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.job, self.n)
    }
}

/// One place in a pool: `n` counts from 1 and stays with the worker for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    pub pool: PoolIdx,
    pub n: u32,
}

/// A process that cannot be mistaken for another with the same pid.
///
/// `start_ticks` is field 22 of `/proc/PID/stat` (proc_pid_stat(5)): clock ticks since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcRef {
    pub pid: i32,
    pub start_ticks: u64,
}

/// How a person names a job: `17` or `:17` (number in the run), `resize:3` (third job of a
/// task), `prepare` (the only job of a task), each with `#2` behind it for one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct JobRef {
    pub place: JobPlace,
    pub attempt: Option<u32>,
}

/// The part of a [`JobRef`] that says which job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobPlace {
    Number(JobNo),
    OfTask {
        task: String,
        index: u32,
    },
    /// The only job of a task.
    OnlyOf {
        task: String,
    },
}

impl JobRef {
    /// Names a job by its number in the run.
    pub fn number(job: JobNo) -> JobRef {
        JobRef { place: JobPlace::Number(job), attempt: None }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            JobPlace::Number(job) => write!(f, "{job}")?,
            JobPlace::OfTask { task, index } => write!(f, "{task}:{index}")?,
            JobPlace::OnlyOf { task } => f.write_str(task)?,
        }
        match self.attempt {
            Some(n) => write!(f, "#{n}"),
            None => Ok(()),
        }
    }
}

impl FromStr for JobRef {
    type Err = String;

    fn from_str(text: &str) -> Result<JobRef, String> {
        let bad = || {
            format!(
                "`{text}` names no job: write `17` or `:17` (number in the run), `resize:3` \
                 (third job of a task), `prepare` (the only job of one), or `:17#2` (second attempt)"
            )
        };
        let number = |s: &str| s.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(bad);
        let (place, attempt) = match text.rsplit_once('#') {
            Some((place, n)) => (place, Some(number(n)?)),
            None => (text, None),
        };
        let place = match place.rsplit_once(':') {
            None if is_word(place) => JobPlace::OnlyOf { task: place.to_owned() },
            None | Some(("", _)) => JobPlace::Number(JobNo(number(place.trim_start_matches(':'))?)),
            Some((task, index)) => {
                JobPlace::OfTask { task: task.to_owned(), index: number(index)? }
            }
        };
        Ok(JobRef { place, attempt })
    }
}

/// Whether a text may be the name of a task and is no number.
fn is_word(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    !text.starts_with(['.', '-'])
        && text.bytes().all(inside)
        && text.bytes().any(|b| !b.is_ascii_digit())
}

impl From<JobRef> for String {
    fn from(r: JobRef) -> String {
        r.to_string()
    }
}

impl TryFrom<String> for JobRef {
    type Error = String;

    fn try_from(s: String) -> Result<JobRef, String> {
        s.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_refs_read_back_as_written() {
        for (text, shown) in [
            ("17", ":17"),
            (":17", ":17"),
            ("resize:3", "resize:3"),
            ("prepare", "prepare"),
            ("2nd-step#2", "2nd-step#2"),
            (":17#2", ":17#2"),
        ] {
            assert_eq!(text.parse::<JobRef>().map(|r| r.to_string()), Ok(shown.to_owned()));
        }
        for text in ["", ":", "0", "x y", "#1", "a:0", ":1#0", "a:b", "-1"] {
            assert!(text.parse::<JobRef>().is_err(), "{text} was taken for a job");
        }
    }
}
