//! What is known of a job, gathered from the engine's state, the ledger and the inputs.

use crate::engine::{JobState, State};
use crate::model::filter::{JobFacts, JobTexts, Standing};
use crate::model::limits::ROW_INPUTS_CHARS;
use crate::model::query::JobRow;
use crate::model::{JobNo, Now, TaskIdx, Usage, WorkerState};
use crate::plan::inputs::InputSet;
use crate::supervisor::ledger::{Ledger, Record, since};
use crate::supervisor::publish::{short, worker_state};
use std::sync::Arc;
use std::time::Duration;

/// The run, to look at.
pub struct View<'a> {
    pub state: &'a State,
    pub ledger: &'a Ledger,
    pub inputs: &'a [Option<Arc<InputSet>>],
    pub now: Now,
}

/// A job, found by its number.
#[derive(Clone, Copy)]
pub struct Found {
    pub job: JobNo,
    pub task: TaskIdx,
    /// Position in its task, from 0.
    pub index: u32,
}

impl View<'_> {
    /// Finds a job. Numbers beyond the last job are taken for the first job of the first task.
    pub fn find(&self, job: JobNo) -> Found {
        let (task, index) = self.state.task_of(job).unwrap_or((TaskIdx(0), 0));
        Found { job, task, index }
    }

    pub fn task_name(&self, task: TaskIdx) -> &str {
        &self.state.schedule().tasks[task.0 as usize].name
    }

    /// What filters and sorting ask of a job.
    pub fn facts<'f>(&self, found: Found, texts: &'f dyn Fn() -> JobTexts) -> JobFacts<'f> {
        let Found { job, task, index } = found;
        let (standing, paused) = self.standing(job);
        let record = self.ledger.get(job);
        let usage = record.and_then(Record::usage);
        JobFacts {
            job,
            task,
            index: index + 1,
            pool: self.state.schedule().tasks[task.0 as usize].pool,
            standing,
            paused,
            attempts: record.map_or(0, |r| r.attempts),
            exit: record.and_then(|r| r.last.exit),
            wall: record.map(|r| self.wall(r)),
            started_at: record.map(Record::started_at),
            ended_at: record.and_then(|r| r.last.ended_at()),
            cpu: usage.map(|u| u.cpu_user + u.cpu_system),
            max_rss_bytes: self.peak(job, usage),
            output_bytes: usage.and_then(|u| match (u.stdout_bytes, u.stderr_bytes) {
                (None, None) => None,
                (out, err) => Some(out.unwrap_or(0) + err.unwrap_or(0)),
            }),
            texts,
        }
    }

    /// The texts of a job that filters look at: its inputs as a whole, not shortened.
    pub fn texts(&self, found: Found) -> JobTexts {
        let mut inputs = String::new();
        if let Some(set) = &self.inputs[found.task.0 as usize] {
            for (_, value) in set.vars(found.index) {
                if !inputs.is_empty() {
                    inputs.push(' ');
                }
                inputs.push_str(&String::from_utf8_lossy(&value));
            }
        }
        JobTexts { label: self.label(found), inputs }
    }

    pub fn label(&self, found: Found) -> String {
        format!("{}:{}", self.task_name(found.task), found.index + 1)
    }

    /// A job in a list.
    pub fn row(&self, job: JobNo) -> JobRow {
        let found = self.find(job);
        let (standing, paused) = self.standing(job);
        let record = self.ledger.get(job);
        let usage = record.and_then(Record::usage);
        JobRow {
            job,
            task: found.task,
            index: found.index + 1,
            label: self.label(found),
            inputs: cut(short(self.inputs, found.task, found.index)),
            state: standing.word().to_owned(),
            doing: match standing {
                Standing::Running(doing) => Some(doing),
                _ => None,
            },
            paused,
            exit: record.and_then(|r| r.last.exit),
            attempts: record.map_or(0, |r| r.attempts),
            started_at: record.map(Record::started_at),
            ended_at: record.and_then(|r| r.last.ended_at()),
            wall_ms: record.map(|r| millis(self.wall(r))),
            cpu_ms: usage.map(|u| millis(u.cpu_user + u.cpu_system)),
            max_rss_bytes: self.peak(job, usage),
            stdout_bytes: usage.and_then(|u| u.stdout_bytes),
            stderr_bytes: usage.and_then(|u| u.stderr_bytes),
        }
    }

    fn standing(&self, job: JobNo) -> (Standing, bool) {
        let paused = self.state.job_paused(job).is_some();
        match self.state.job_state(job) {
            None | Some(JobState::Blocked) => (Standing::Blocked, paused),
            Some(JobState::Ready) => (Standing::Ready, paused),
            Some(JobState::BackingOff { .. }) => (Standing::BackingOff, paused),
            Some(JobState::Running { .. }) => {
                let attempt = self.state.attempt(job);
                let doing = attempt.map_or(WorkerState::Running, worker_state);
                (Standing::Running(doing), attempt.is_some_and(|a| a.is_frozen()))
            }
            Some(JobState::Ended { outcome }) => (Standing::Ended(outcome), false),
        }
    }

    /// To now while it runs.
    fn wall(&self, record: &Record) -> Duration {
        record.wall().unwrap_or_else(|| since(record.started_at(), self.now.wall))
    }

    fn peak(&self, job: JobNo, usage: Option<Usage>) -> Option<u64> {
        let seen = self.state.attempt(job).and_then(|a| self.ledger.sampled_peak(a.id));
        usage.and_then(|u| u.max_rss_bytes).max(seen)
    }
}

/// Cuts what is longer than a row may be, so that a page of rows fits a frame.
fn cut(mut inputs: String) -> String {
    if let Some((at, _)) = inputs.char_indices().nth(ROW_INPUTS_CHARS) {
        inputs.truncate(at);
        inputs.push('…');
    }
    inputs
}

pub fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
