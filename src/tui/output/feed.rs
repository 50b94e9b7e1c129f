//! The output of all jobs, tagged, in the order in which it appeared.

use super::lines::{Lines, Source};
use crate::model::query::{Chunk, Pace, Query, Recent, RecentCursor, Stream};
use crate::model::{AttemptId, Mono, Wall};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Lines and bytes held.
const HELD_LINES: usize = 20_000;
const HELD_BYTES: usize = 4 << 20;
/// Bytes asked for at once: at four questions a second more than anybody reads.
const PART_BYTES: u32 = 128 << 10;
/// Least time between two questions.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// What is held of the output of all jobs.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    lines: VecDeque<FeedLine>,
    bytes: usize,
    /// Lines that were forgotten: the number of the first that is held.
    pub(super) first: u64,
    after: Option<RecentCursor>,
    asked_at: Option<Mono>,
    in_flight: bool,
    pub refused: Option<String>,
}

/// One line of one job.
#[derive(Clone, Debug)]
pub struct FeedLine {
    /// `None` for a word of the screen.
    pub from: Option<(AttemptId, Stream, u64)>,
    tag: Arc<str>,
    time: Option<Wall>,
    bytes: Vec<u8>,
}

impl Lines for Feed {
    fn n_lines(&self) -> usize {
        self.lines.len()
    }

    fn line(&self, i: usize) -> Source<'_> {
        match self.lines.get(i) {
            Some(line) => Source {
                bytes: &line.bytes,
                stream: line.from.map_or(Stream::Stdout, |(_, stream, _)| stream),
                time: line.time,
                tag: line.from.is_some().then_some(&*line.tag),
                notice: line.from.is_none(),
                is_hit: false,
            },
            None => Source {
                bytes: &[],
                stream: Stream::Stdout,
                time: None,
                tag: None,
                notice: true,
                is_hit: false,
            },
        }
    }
}

impl Feed {
    /// A line that is held, with where it is in the output of its attempt.
    pub fn get(&self, i: usize) -> Option<&FeedLine> {
        self.lines.get(i)
    }

    /// What to ask now, if anything.
    pub(super) fn ask(&mut self, now: Mono) -> Option<Query> {
        let due = self.asked_at.is_none_or(|at| now.since(at) >= ASK_EVERY);
        if self.in_flight || !due {
            return None;
        }
        self.in_flight = true;
        self.asked_at = Some(now);
        Some(Query::Recent { after: self.after, pace: Pace::Newest, max_bytes: PART_BYTES })
    }

    /// Takes in an answer.
    pub(super) fn take(&mut self, recent: Result<Recent, String>) {
        self.in_flight = false;
        let recent = match recent {
            Ok(recent) => recent,
            Err(error) => {
                self.refused = Some(crate::tui::sanitize::one_line(&error));
                return;
            }
        };
        self.refused = None;
        // What was there before one looked is not missing.
        if self.after.is_some() {
            self.leave_out(recent.left_out_bytes, None);
        }
        self.after = Some(recent.next);
        for chunk in &recent.chunks {
            let tag: Arc<str> = crate::tui::sanitize::one_line(&chunk.label).into();
            self.leave_out(chunk.left_out_bytes, Some((&tag, chunk.at)));
            self.add(chunk, &tag);
        }
        self.forget_oldest();
    }

    fn add(&mut self, chunk: &Chunk, tag: &Arc<str>) {
        let mut offset = chunk.offset;
        for line in chunk.bytes.0.split_inclusive(|b| *b == b'\n') {
            self.push(FeedLine {
                from: Some((chunk.attempt, chunk.stream, offset)),
                tag: Arc::clone(tag),
                time: Some(chunk.at),
                bytes: line.strip_suffix(b"\n").unwrap_or(line).to_vec(),
            });
            offset += line.len() as u64;
        }
    }

    fn leave_out(&mut self, bytes: u64, of: Option<(&Arc<str>, Wall)>) {
        if bytes == 0 {
            return;
        }
        let size = crate::tui::format::size(bytes);
        let whose = of.map(|(tag, _)| format!(" of {tag}")).unwrap_or_default();
        self.push(FeedLine {
            from: None,
            tag: "".into(),
            time: of.map(|(_, at)| at),
            bytes: format!("... {}{whose} left out: too fast to show", size.trim()).into_bytes(),
        });
    }

    fn push(&mut self, line: FeedLine) {
        self.bytes += line.bytes.len();
        self.lines.push_back(line);
    }

    fn forget_oldest(&mut self) {
        while self.lines.len() > HELD_LINES || self.bytes > HELD_BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.bytes.len();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobNo, Text};

    fn chunk(label: &str, text: &str, left_out_bytes: u64) -> Chunk {
        Chunk {
            attempt: AttemptId { job: JobNo(1), n: 1 },
            label: label.to_owned(),
            stream: Stream::Stderr,
            offset: 10,
            bytes: Text::from(text),
            at: Wall(5),
            left_out_bytes,
        }
    }

    fn shown(feed: &Feed) -> Vec<(Option<&str>, String)> {
        let line = |i| {
            let line = feed.line(i);
            (line.tag, String::from_utf8_lossy(line.bytes).into_owned())
        };
        (0..feed.n_lines()).map(line).collect()
    }

    #[test]
    fn lines_are_tagged_and_what_is_left_out_is_said() {
        let mut feed = Feed::default();
        let query = feed.ask(Mono(0));
        assert!(matches!(query, Some(Query::Recent { after: None, .. })));
        assert!(feed.ask(Mono(9_000_000)).is_none(), "asked again while it waits");
        let next = RecentCursor { growth: 7, bytes: 0, before: 99 };
        let chunks = vec![chunk("a:1", "one\ntwo", 0)];
        feed.take(Ok(Recent { chunks, next, left_out_bytes: 50, more: false }));
        assert!(feed.ask(Mono(100_000)).is_none(), "asked too soon");
        let query = feed.ask(Mono(9_000_000));
        assert!(matches!(query, Some(Query::Recent { after: Some(after), .. }) if after == next));
        let chunks = vec![chunk("b:1", "three\n", 2048)];
        feed.take(Ok(Recent { chunks, next, left_out_bytes: 1024, more: false }));
        let lines = shown(&feed);
        assert_eq!(lines[..2], [(Some("a:1"), "one".to_owned()), (Some("a:1"), "two".into())]);
        assert!(lines[2].0.is_none() && lines[2].1.contains("left out"), "{lines:?}");
        assert!(lines[3].1.contains("of b:1 left out"), "{lines:?}");
        assert_eq!(lines[4], (Some("b:1"), "three".to_owned()));
        assert_eq!(feed.get(1).unwrap().from.unwrap().2, 14);
    }

    #[test]
    fn memory_stays_bounded() {
        let mut feed = Feed::default();
        for _ in 0..3 {
            let chunks = vec![chunk("a:1", &"x\n".repeat(HELD_LINES), 0)];
            feed.take(Ok(Recent { chunks, ..Recent::default() }));
        }
        assert_eq!((feed.n_lines(), feed.first), (HELD_LINES, 2 * HELD_LINES as u64));
        feed.take(Ok(Recent {
            chunks: vec![chunk("a:1", &"y".repeat(9 << 20), 0)],
            ..Recent::default()
        }));
        assert_eq!(feed.n_lines(), 0);
    }
}
