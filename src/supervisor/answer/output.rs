//! Parts of what attempts print.

use crate::engine::JobState;
use crate::exec::{self, Outputs};
use crate::model::harmless::last_lines;
use crate::model::limits::OUTPUT_PART_BYTES;
use crate::model::query::{OutputFrom, OutputPart, Stream};
use crate::model::{AttemptId, JobNo, JobRef, Outcome, Text};
use crate::supervisor::Supervisor;
use std::io::{Read, Seek, SeekFrom};

/// Bytes that are looked at for the last line of an output.
const TAIL_BYTES: u32 = 4096;
/// Characters of a last line.
const LAST_LINE_CHARS: usize = 200;

impl Supervisor {
    /// Why there is no output of a job that had no attempt.
    fn without_output(&self, job: JobNo) -> String {
        match self.engine.state().job_state(job) {
            Some(JobState::Ended { outcome: Outcome::Skipped { upstream } }) => {
                let up = &self.prepared.schedule.tasks[upstream.0 as usize].name;
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

    pub(super) fn output(
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
pub fn tail_line(outputs: &Outputs, attempt: AttemptId) -> String {
    for stream in [Stream::Stderr, Stream::Stdout] {
        let part = read_part(outputs, attempt, stream, OutputFrom::Tail, TAIL_BYTES);
        let Ok((_, _, bytes)) = part else { continue };
        if let Some(line) = last_lines(&bytes, 1, LAST_LINE_CHARS).pop() {
            return line;
        }
    }
    String::new()
}
