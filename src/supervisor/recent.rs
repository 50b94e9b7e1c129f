//! The output of all jobs in the order in which it appeared: whole lines, each once.

use super::Supervisor;
use super::marks::Piece;
use crate::exec::{self, Outputs};
use crate::model::limits::{LINE_BYTES, OUTPUT_PART_BYTES};
use crate::model::query::{Chunk, Mark, Pace, Recent, RecentCursor, Stream};
use crate::model::{AttemptId, Event, JobNo, Sample, TaskIdx, Text, Wall};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Running attempts whose files are looked at for one answer: two calls each. The others are
/// seen at the next look of the probe.
const LOOKED_AT: usize = 512;
/// Bytes before a growth in which the start of its first line is looked for at first.
const NEAR_BYTES: u64 = 4096;

impl Supervisor {
    /// Hands out what is new.
    pub(super) fn recent(
        &mut self,
        after: Option<RecentCursor>,
        pace: Pace,
        max_bytes: u32,
    ) -> Recent {
        self.look_at_outputs();
        let share = self.marks.share(after, pace, u64::from(max_bytes.min(OUTPUT_PART_BYTES)));
        let mut recent = Recent {
            chunks: Vec::new(),
            next: share.next,
            left_out_bytes: share.left_out_bytes,
            more: share.more,
        };
        for piece in &share.pieces {
            // A file that is gone by now has no lines.
            let Ok(Some(lines)) = lines_of(&self.outputs, piece) else { continue };
            if lines.bytes.is_empty() {
                recent.left_out_bytes += piece.left_out_bytes;
                continue;
            }
            recent.chunks.push(Chunk {
                attempt: piece.growth.attempt,
                label: self.job_label(piece.growth.attempt.job),
                stream: piece.growth.stream,
                offset: lines.offset,
                bytes: Text(lines.bytes),
                at: piece.growth.at,
                left_out_bytes: lines.left_out_bytes,
            });
        }
        recent
    }

    /// `resize:3`
    pub(super) fn job_label(&self, job: JobNo) -> String {
        let (task, index) = self.engine.state().task_of(job).unwrap_or((TaskIdx(0), 0));
        format!("{}:{}", self.prepared.schedule.tasks[task.0 as usize].name, index + 1)
    }

    /// Looks how far the output of running attempts is.
    fn look_at_outputs(&mut self) {
        let running = self.engine.state().attempts_running().take(LOOKED_AT).map(|a| a.id);
        let mut seen: Vec<(Wall, AttemptId, Stream, u64)> = Vec::new();
        for attempt in running {
            for (stream, grown) in both().into_iter().zip(self.outputs.grown(attempt)) {
                seen.extend(grown.map(|(size, at)| (at, attempt, stream, size)));
            }
        }
        self.note_in_order(seen);
    }

    /// Takes in what the probe saw of output.
    pub(super) fn note_outputs(&mut self, sample: &Sample) {
        let running: HashSet<AttemptId> =
            self.engine.state().attempts_running().map(|a| a.id).collect();
        let mut seen = Vec::new();
        for output in sample.outputs.iter().filter(|o| running.contains(&o.attempt)) {
            for (stream, grown) in both().into_iter().zip(output.streams) {
                seen.extend(grown.map(|mark| (mark.at, output.attempt, stream, mark.size)));
            }
        }
        self.note_in_order(seen);
    }

    fn note_in_order(&mut self, mut seen: Vec<(Wall, AttemptId, Stream, u64)>) {
        seen.retain(|(_, _, _, size)| *size > 0);
        seen.sort_unstable();
        for (at, attempt, stream, size) in seen {
            self.marks.note(attempt, stream, size, at);
        }
    }

    /// Takes in the sizes with which an attempt ended.
    pub(super) fn note_end(&mut self, event: &Event) {
        if let Event::AttemptEnded { attempt, usage, at, .. } = event {
            self.marks.end(*attempt, [usage.stdout_bytes, usage.stderr_bytes], at.wall);
        }
    }

    /// Returns the marks of a part of a stream. Where none are kept, the time at which the file
    /// last changed stands for all.
    pub(super) fn marks_of(
        &mut self,
        attempt: AttemptId,
        stream: Stream,
        from: u64,
        to: u64,
    ) -> Vec<Mark> {
        let is_running = self.engine.state().attempts_running().any(|a| a.id == attempt);
        if is_running && let Some((size, at)) = self.outputs.grown(attempt)[stream as usize] {
            self.marks.note(attempt, stream, size, at);
        }
        let marks = self.marks.covering(attempt, stream, from, to);
        if !marks.is_empty() || from == to {
            return marks;
        }
        let file = self.outputs.open(attempt, kept(stream)).ok().flatten();
        let meta = file.and_then(|file| file.metadata().ok());
        meta.map(|m| Mark { at: changed(&m), size: m.len() }).into_iter().collect()
    }
}

fn changed(meta: &std::fs::Metadata) -> Wall {
    Wall(meta.mtime() * 1_000_000 + meta.mtime_nsec() / 1_000)
}

fn both() -> [Stream; 2] {
    [Stream::Stdout, Stream::Stderr]
}

/// The same stream as the back end names it.
pub(super) fn kept(stream: Stream) -> exec::Stream {
    match stream {
        Stream::Stdout => exec::Stream::Stdout,
        Stream::Stderr => exec::Stream::Stderr,
    }
}

/// Whole lines.
struct Lines {
    offset: u64,
    bytes: Vec<u8>,
    left_out_bytes: u64,
}

fn lines_of(outputs: &Outputs, piece: &Piece) -> io::Result<Option<Lines>> {
    match outputs.open(piece.growth.attempt, kept(piece.growth.stream))? {
        Some(file) if file.metadata()?.is_file() => read_lines(&file, piece).map(Some),
        _ => Ok(None),
    }
}

/// Reads the lines that end within a piece, so that every line belongs to one piece however a
/// growth is cut. Of a line longer than [`LINE_BYTES`] the beginning is missing. Behind bytes
/// that are left out, the rest of a line is left out too.
fn read_lines(file: &File, piece: &Piece) -> io::Result<Lines> {
    let Piece { growth, from, to, mut left_out_bytes } = *piece;
    let mut offset = if left_out_bytes > 0 { from } else { line_start(file, from)? };
    let mut bytes = read_at(file, offset, to)?;
    if !(growth.last && to == growth.to) {
        let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        bytes.truncate(end);
    }
    if left_out_bytes > 0 {
        let begin = bytes.iter().position(|b| *b == b'\n').map_or(0, |i| i + 1);
        bytes.drain(..begin);
        offset += begin as u64;
        left_out_bytes += begin as u64;
    }
    Ok(Lines { offset, bytes, left_out_bytes })
}

fn line_start(file: &File, at: u64) -> io::Result<u64> {
    for back in [NEAR_BYTES, LINE_BYTES as u64] {
        let from = at.saturating_sub(back);
        let bytes = read_at(file, from, at)?;
        if let Some(i) = bytes.iter().rposition(|b| *b == b'\n') {
            return Ok(from + i as u64 + 1);
        }
        if from == 0 {
            return Ok(0);
        }
    }
    Ok(at.saturating_sub(LINE_BYTES as u64))
}

fn read_at(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
    let mut n = 0;
    while n < bytes.len() {
        match file.read_at(&mut bytes[n..], from + n as u64) {
            Ok(0) => break,
            Ok(read) => n += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(n);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::marks::Growth;
    use std::io::Write;

    const TEXT: &[u8] = b"one\ntwo\nthree\nfour";

    fn lines(from: u64, to: u64, last: bool, left_out_bytes: u64) -> (u64, String, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(TEXT).unwrap();
        let attempt = AttemptId { job: JobNo(1), n: 1 };
        let (stream, at) = (Stream::Stdout, Wall(0));
        let growth = Growth { attempt, stream, from: 0, to, at, last };
        let lines = read_lines(&file, &Piece { growth, from, to, left_out_bytes }).unwrap();
        (lines.offset, String::from_utf8(lines.bytes).unwrap(), lines.left_out_bytes)
    }

    #[test]
    fn every_line_is_in_the_piece_in_which_it_ends() {
        let end = TEXT.len() as u64;
        for cuts in [vec![0, end], vec![0, 3, 4, 9, end], (0..=end).collect::<Vec<_>>()] {
            let mut all = String::new();
            for piece in cuts.windows(2) {
                let (offset, text, _) = lines(piece[0], piece[1], piece[1] == end, 0);
                assert!(text.is_empty() || offset == all.len() as u64, "{cuts:?}");
                all.push_str(&text);
            }
            assert_eq!(all.as_bytes(), TEXT, "{cuts:?}");
        }
        // What comes when the end is known, and nothing was added.
        assert_eq!(lines(end, end, true, 0), (14, "four".to_owned(), 0));
        assert_eq!(lines(end, end, false, 0).1, "");
    }

    #[test]
    fn behind_what_was_left_out_stand_whole_lines() {
        assert_eq!(lines(5, 14, false, 5), (8, "three\n".to_owned(), 8));
        assert_eq!(lines(5, 14, false, 0), (4, "two\nthree\n".to_owned(), 0));
    }
}
