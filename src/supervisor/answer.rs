//! Answers to queries, from the state and the files of the run, without passing the engine.

use super::Supervisor;
use super::launch::{Place, command, workdir};
use super::publish::short;
use crate::clock;
use crate::control::proto::ToClient;
use crate::control::server::ClientId;
use crate::engine::JobState;
use crate::exec::{self, Outputs};
use crate::model::harmless::last_lines;
use crate::model::limits::OUTPUT_PART_BYTES;
use crate::model::query::{
    JobDetail, JobFilter, JobRow, OutputFrom, OutputPart, Query, Reply, Stream,
};
use crate::model::report::CommandText;
use crate::model::timeline::Range;
use crate::model::{AttemptId, JobNo, JobPlace, JobRef, Outcome, Slot, TaskIdx, Text};
use crate::plan::inputs::InputSet;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;

/// Rows that a page may have.
const PAGE: u32 = 1000;
/// Bytes that are looked at for the last line of an output.
const TAIL_BYTES: u32 = 4096;
/// Characters of a last line.
const LAST_LINE_CHARS: usize = 200;

impl Supervisor {
    /// Answers one question.
    ///
    /// # Errors
    /// In words, when it names something that is not there.
    pub(super) fn answer(&mut self, query: &Query) -> Result<Reply, String> {
        match query {
            Query::Status => {
                let snapshot = self.publisher.snapshot(
                    clock::now(),
                    &self.engine,
                    &self.inputs,
                    &self.outputs,
                );
                // Others are owed this change too.
                self.publisher.changed();
                Ok(Reply::Status {
                    info: Box::new((*self.info).clone()),
                    snapshot: Box::new(snapshot),
                })
            }
            Query::Jobs { filter, offset, limit } => self.page(filter, *offset, *limit),
            Query::Job { job } => {
                let detail = self.detail(self.resolve(job)?)?;
                Ok(Reply::Job { job: Box::new(detail) })
            }
            Query::Why { job } => Ok(Reply::Why { lines: self.why(self.resolve(job)?) }),
            Query::Timeline { from, to, max_bars } => {
                if from > to {
                    return Err("a timeline ends before it begins".to_owned());
                }
                let (from, to, now) = (*from, *to, clock::mono());
                let range = Range { from, to, now, max_bars: *max_bars };
                Ok(Reply::Timeline(self.history.timeline(range, self.engine.state())))
            }
            Query::Events { filter, from, limit } => {
                let page = self.history.page(filter, *from, *limit, self.engine.state());
                Ok(Reply::Events(page))
            }
            Query::Output { job, stream, from, max_bytes } => {
                self.output(job, *stream, *from, *max_bytes).map(Reply::Output)
            }
        }
    }

    /// Tells somebody who asked for events late what came before, as far as it names jobs.
    pub(super) fn catch_up(&mut self, client: ClientId) {
        for event in super::publish::events_so_far(self.engine.state()) {
            let message = ToClient::Event { event: Box::new(event), inputs: Vec::new() };
            self.clients.send(client, &message);
        }
    }

    /// Finds the job that a person named.
    fn resolve(&self, job: &JobRef) -> Result<JobNo, String> {
        let state = self.engine.state();
        match &job.place {
            JobPlace::Number(no) if no.0 <= state.counts().total => Ok(*no),
            JobPlace::Number(no) => {
                Err(format!("no job {no}: this run has {} jobs so far", state.counts().total))
            }
            JobPlace::OfTask { task, index } => {
                let tasks = &self.prepared.schedule.tasks;
                let Some(place) = tasks.iter().position(|t| t.name == *task) else {
                    return Err(format!("no task `{task}` in this run"));
                };
                let task_idx = TaskIdx(u32::try_from(place).unwrap_or(u32::MAX));
                state.job_of(task_idx, index - 1).ok_or_else(|| {
                    let n = state.task_counts(task_idx).total;
                    format!("no job {task}:{index}: task `{task}` has {n} jobs so far")
                })
            }
        }
    }

    fn why(&self, job: JobNo) -> Vec<String> {
        let mut lines = self.engine.why(job, clock::now());
        if let Some(record) = self.ledger.get(job) {
            if let Some(error) = &record.error {
                lines.push(format!("The reason: {error}."));
            }
            if let Some(means) = record.usage.means {
                lines.push(format!(
                    "Its limits were kept by {}.",
                    super::ledger::means_words(means)
                ));
            }
        }
        lines
    }

    fn page(&self, filter: &JobFilter, offset: u32, limit: u32) -> Result<Reply, String> {
        let state = self.engine.state();
        let wanted = |job: JobNo| {
            let word = state_word(state.job_state(job).as_ref());
            let group = match word {
                "blocked" | "ready" | "backing_off" => "queued",
                "running" => "running",
                _ => "ended",
            };
            let of_task = || state.task_of(job).map(|(t, _)| self.task_name(t));
            filter.state.as_deref().is_none_or(|s| s == word || s == group)
                && filter.task.as_deref().is_none_or(|t| of_task() == Some(t))
        };
        let everything = *filter == JobFilter::default();
        let total = state.counts().total;
        if everything {
            let page = (offset..total).take(limit.min(PAGE) as usize);
            let rows = page.map(|i| self.row(JobNo(i + 1))).collect();
            return Ok(Reply::Jobs { total, rows });
        }
        let mut n = 0;
        let mut rows = Vec::new();
        for job in (1..=total).map(JobNo).filter(|job| wanted(*job)) {
            if n >= offset && rows.len() < limit.min(PAGE) as usize {
                rows.push(self.row(job));
            }
            n += 1;
        }
        Ok(Reply::Jobs { total: n, rows })
    }

    fn task_name(&self, task: TaskIdx) -> &str {
        &self.prepared.schedule.tasks[task.0 as usize].name
    }

    fn row(&self, job: JobNo) -> JobRow {
        let state = self.engine.state();
        let (task, index) = state.task_of(job).unwrap_or((TaskIdx(0), 0));
        let record = self.ledger.get(job);
        JobRow {
            job,
            label: format!("{}:{}", self.task_name(task), index + 1),
            inputs: short(&self.inputs, task, index),
            state: state_word(state.job_state(job).as_ref()).to_owned(),
            attempts: record.map_or(0, |r| r.attempts),
            wall_ms: record
                .and_then(super::ledger::Record::wall)
                .map(|w| u64::try_from(w.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    fn detail(&self, job: JobNo) -> Result<JobDetail, String> {
        let state = self.engine.state();
        let (task, index) = state.task_of(job).unwrap_or((TaskIdx(0), 0));
        let none = InputSet::none();
        let inputs = self.inputs[task.0 as usize].as_deref().unwrap_or(&none);
        let running = state.attempts_running().find(|a| a.id.job == job);
        let n = self.ledger.get(job).map_or(1, |r| r.attempts);
        let place = Place {
            attempt: AttemptId { job, n },
            task,
            index,
            slot: running.map_or(Slot { pool: state_pool(self, task), n: 1 }, |a| a.slot),
            pool_size: 1,
        };
        let words = match command(&self.prepared, inputs, place)? {
            CommandText::Shell(text) => vec![text],
            CommandText::Argv(words) => words,
        };
        Ok(JobDetail {
            row: self.row(job),
            command: words,
            workdir: Text(workdir(&self.prepared, inputs, place)?.into_os_string().into_vec()),
            inputs: inputs
                .vars(index)
                .into_iter()
                .map(|(n, v)| (n, Text(v.into_owned())))
                .collect(),
            started_at: self.ledger.get(job).and_then(|r| r.started_at),
            why: self.why(job),
        })
    }

    /// Why there is no output of a job that had no attempt.
    fn without_output(&self, job: JobNo) -> String {
        match self.engine.state().job_state(job) {
            Some(JobState::Ended { outcome: Outcome::Skipped { upstream } }) => {
                let up = self.task_name(upstream);
                format!(
                    "job {job} was skipped, since `{up}` did not end as needed: it has no output"
                )
            }
            Some(JobState::Ended { outcome }) => {
                format!("job {job} ended before it started ({}): it has no output", outcome.word())
            }
            _ => format!("job {job} has not started: there is no output yet"),
        }
    }

    fn output(
        &self,
        job: &JobRef,
        stream: Stream,
        from: OutputFrom,
        max_bytes: u32,
    ) -> Result<OutputPart, String> {
        let no = self.resolve(job)?;
        let attempts = self.ledger.get(no).map_or(0, |r| r.attempts);
        let n = job.attempt.unwrap_or(attempts);
        if attempts == 0 {
            return Err(self.without_output(no));
        }
        if n > attempts {
            return Err(format!("job {no} had {attempts} attempts, no attempt #{n}"));
        }
        let attempt = AttemptId { job: no, n };
        let complete = !self.engine.state().attempts_running().any(|a| a.id == attempt);
        let files = self.outputs.files(attempt);
        let path = match stream {
            Stream::Stdout => files.stdout,
            Stream::Stderr => files.stderr,
        };
        let max_bytes = max_bytes.min(OUTPUT_PART_BYTES);
        let (offset, size, bytes) = read_part(&self.outputs, attempt, stream, from, max_bytes)
            .map_err(|e| format!("cannot read the output of {attempt}: {e}"))?;
        Ok(OutputPart { attempt, path, offset, size, bytes: Text(bytes), complete })
    }
}

fn state_pool(supervisor: &Supervisor, task: TaskIdx) -> crate::model::PoolIdx {
    supervisor.prepared.schedule.tasks[task.0 as usize].pool
}

fn state_word(state: Option<&JobState>) -> &'static str {
    let Some(state) = state else { return "unknown" };
    match state {
        JobState::Blocked => "blocked",
        JobState::Ready => "ready",
        JobState::BackingOff { .. } => "backing_off",
        JobState::Running { .. } => "running",
        JobState::Ended { outcome } => Outcome::word(*outcome),
    }
}

fn read_part(
    outputs: &Outputs,
    attempt: AttemptId,
    stream: Stream,
    from: OutputFrom,
    max_bytes: u32,
) -> std::io::Result<(u64, u64, Vec<u8>)> {
    let stream = match stream {
        Stream::Stdout => exec::Stream::Stdout,
        Stream::Stderr => exec::Stream::Stderr,
    };
    let Some(mut file) = outputs.open(attempt, stream)? else { return Ok((0, 0, Vec::new())) };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok((0, 0, Vec::new()));
    }
    let size = meta.len();
    let offset = match from {
        OutputFrom::Tail => size.saturating_sub(u64::from(max_bytes)),
        OutputFrom::Offset(offset) => offset.min(size),
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(u64::from(max_bytes)).read_to_end(&mut bytes)?;
    Ok((offset, size, bytes))
}

/// The last line of an attempt's stderr, else of its stdout, that is not blank; made harmless.
pub(super) fn tail_line(outputs: &Outputs, attempt: AttemptId) -> String {
    for stream in [Stream::Stderr, Stream::Stdout] {
        let part = read_part(outputs, attempt, stream, OutputFrom::Tail, TAIL_BYTES);
        let Ok((_, _, bytes)) = part else { continue };
        if let Some(line) = last_lines(&bytes, 1, LAST_LINE_CHARS).pop() {
            return line;
        }
    }
    String::new()
}
