//! A window of one stream: bytes that were fetched, where their lines begin, when they came.

use crate::model::Wall;
use crate::model::limits::LINE_BYTES;
use crate::model::query::{Mark, OutputPart};

/// Bytes held of the stream one looks at.
pub const HELD_BYTES: usize = 1 << 20;
/// Marks held: those of the window, which a supervisor thins to a few hundred.
const HELD_MARKS: usize = 4096;

/// One stream of one attempt, a window of it.
#[derive(Clone, Debug, Default)]
pub struct StreamBuf {
    pub(super) known: bool,
    pub(super) start: u64,
    /// The window begins where a line does.
    begins_line: bool,
    bytes: Vec<u8>,
    /// Where lines begin in `bytes`. A line whose beginning is before the window is not shown.
    starts: Vec<usize>,
    marks: Vec<Mark>,
    /// Size of the whole stream when last heard of.
    pub size: u64,
    /// The file, at the last answer.
    pub(super) path: Option<Vec<u8>>,
    pub(super) in_flight: bool,
    pub refused: Option<String>,
}

impl StreamBuf {
    /// Where the window ends in the stream.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Whether the window holds the end of the stream.
    pub fn is_at_end(&self) -> bool {
        self.end() >= self.size
    }

    /// Whether anything was heard of the stream.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// Lines in the window.
    pub fn n_lines(&self) -> usize {
        self.starts.len()
    }

    /// Bytes of a line, without its newline.
    pub fn line(&self, i: usize) -> &[u8] {
        let Some(from) = self.starts.get(i) else { return &[] };
        let line = &self.bytes[*from..self.line_end(i)];
        line.strip_suffix(b"\n").unwrap_or(line)
    }

    /// Where a line begins in the stream.
    pub fn offset_of(&self, i: usize) -> u64 {
        self.start + self.starts.get(i).map_or(self.bytes.len(), |at| *at) as u64
    }

    /// The line that holds a byte of the stream; the nearest for one in a line cut off at the
    /// edge, `None` for one that is not in the window.
    pub fn line_at(&self, offset: u64) -> Option<usize> {
        let within = offset.checked_sub(self.start).filter(|_| offset <= self.end())?;
        let within = usize::try_from(within).ok()?;
        let last = self.starts.len().checked_sub(1)?;
        Some(self.starts.partition_point(|at| *at <= within).saturating_sub(1).min(last))
    }

    /// By when a line had been written, as far as it is known.
    pub fn time_of(&self, i: usize) -> Option<Wall> {
        let end = self.start + self.line_end(i) as u64;
        self.marks.get(self.marks.partition_point(|mark| mark.size < end)).map(|mark| mark.at)
    }

    /// Some bytes of the window and where they are, to know the file again.
    pub(super) fn token(&self) -> (u64, Vec<u8>) {
        (self.start, self.bytes[..self.bytes.len().min(256)].to_vec())
    }

    fn line_end(&self, i: usize) -> usize {
        self.starts.get(i + 1).copied().unwrap_or(self.bytes.len())
    }

    /// Takes in a part: appends it, puts it before, or turns the window to it.
    pub(super) fn apply(&mut self, part: &OutputPart) {
        self.refused = None;
        self.path = part.path.as_ref().map(|path| path.0.clone());
        let bytes = &part.bytes.0;
        let part_end = part.offset + bytes.len() as u64;
        let (start, end) = (self.start, self.end());
        let shrunk = part.size < end;
        self.size = part.size;
        if shrunk {
            // A file that became shorter was started anew by its job: forget, ask again.
            self.marks.clear();
            self.replace(part.offset, Vec::new());
            self.known = false;
            return;
        }
        self.note(&part.marks);
        if !self.known || part.offset > end || part_end < start {
            self.known = true;
            self.replace(part.offset, bytes.clone());
        } else if part.offset < start {
            let new = usize::try_from(start - part.offset).unwrap_or(0).min(bytes.len());
            self.bytes.splice(0..0, bytes[..new].iter().copied());
            self.start = part.offset;
            self.begins_line = part.offset == 0;
            self.cut_end(HELD_BYTES);
            self.index();
        } else {
            let known = usize::try_from(end - part.offset).unwrap_or(usize::MAX).min(bytes.len());
            self.append(&bytes[known..]);
        }
        let start = self.start;
        let first = self.marks.partition_point(|mark| mark.size <= start);
        self.marks.drain(..first);
    }

    fn replace(&mut self, start: u64, bytes: Vec<u8>) {
        self.start = start;
        self.begins_line = start == 0;
        self.bytes = bytes;
        self.index();
    }

    fn note(&mut self, marks: &[Mark]) {
        let (Some(first), Some(last)) = (marks.first(), marks.last()) else { return };
        // What comes is better known: marks thin out, and times become exact.
        self.marks.retain(|mark| mark.size < first.size || mark.size > last.size);
        let at = self.marks.partition_point(|mark| mark.size < first.size);
        self.marks.splice(at..at, marks.iter().copied());
        self.marks.truncate(HELD_MARKS);
    }

    fn append(&mut self, new: &[u8]) {
        self.bytes.extend_from_slice(new);
        match self.starts.last().copied() {
            // The window was empty, or in the middle of one long line.
            None | Some(0) if self.starts.len() <= 1 => self.index(),
            last => self.index_from(last.unwrap_or(0)),
        }
    }

    fn cut_end(&mut self, keep: usize) {
        if self.bytes.len() > keep {
            let end = self.bytes[..keep].iter().rposition(|b| *b == b'\n').map_or(keep, |i| i + 1);
            self.bytes.truncate(end);
        }
    }

    /// Forgets what is beyond `keep` bytes at the front.
    pub(super) fn trim(&mut self, keep: usize) {
        let Some(cut) = self.bytes.len().checked_sub(keep).filter(|cut| *cut > 0) else { return };
        let newline = self.bytes[cut..].iter().position(|b| *b == b'\n');
        self.begins_line = newline.is_some();
        let cut = newline.map_or(cut, |i| cut + i + 1);
        self.bytes.drain(..cut);
        self.start += cut as u64;
        self.index();
    }

    fn index(&mut self) {
        self.starts.clear();
        let first = self.first_start();
        self.index_from(first);
    }

    /// The first line that begins in the window.
    fn first_start(&self) -> usize {
        if self.begins_line {
            return 0;
        }
        let near = &self.bytes[..self.bytes.len().min(2 * LINE_BYTES)];
        let newline = near.iter().position(|b| *b == b'\n').map(|i| i + 1);
        let block = self.block_after(0);
        match newline {
            Some(at) if at < self.bytes.len() => at,
            _ if block < self.bytes.len() => block,
            // One line fills the window: better its end than nothing.
            _ => 0,
        }
    }

    /// The next place, counted in the stream, where a line that is too long is broken.
    fn block_after(&self, at: usize) -> usize {
        let absolute = self.start + at as u64;
        let block = (absolute / LINE_BYTES as u64 + 1) * LINE_BYTES as u64;
        usize::try_from(block - self.start).unwrap_or(usize::MAX)
    }

    /// Finds lines from the start of one on.
    fn index_from(&mut self, mut at: usize) {
        self.starts.truncate(self.starts.partition_point(|start| *start < at));
        while at < self.bytes.len() {
            self.starts.push(at);
            // At least one block long, so that pieces of an endless line do not become shorter.
            let limit = self.block_after(at + LINE_BYTES - 1).min(self.bytes.len());
            let newline = self.bytes[at..limit].iter().position(|b| *b == b'\n');
            at = newline.map_or(limit, |i| at + i + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptId, JobNo, Text};

    pub fn part(offset: u64, bytes: &[u8], size: u64) -> OutputPart {
        OutputPart {
            attempt: AttemptId { job: JobNo(1), n: 1 },
            path: None,
            offset,
            size,
            bytes: Text(bytes.to_vec()),
            complete: false,
            marks: Vec::new(),
        }
    }

    fn lines(buf: &StreamBuf) -> Vec<String> {
        (0..buf.n_lines()).map(|i| String::from_utf8_lossy(buf.line(i)).into_owned()).collect()
    }

    #[test]
    fn a_window_grows_at_both_ends_and_shows_whole_lines() {
        let text = b"zero\none\ntwo\nthree\nfour\n";
        let at = |from: usize, to: usize| part(from as u64, &text[from..to], text.len() as u64);
        let mut buf = StreamBuf::default();
        buf.apply(&at(7, 15));
        assert_eq!(lines(&buf), ["two", "th"]);
        buf.apply(&at(12, 20));
        assert_eq!(lines(&buf), ["two", "three", "f"]);
        buf.apply(&at(3, 7));
        assert_eq!(lines(&buf), ["one", "two", "three", "f"]);
        assert_eq!((buf.offset_of(0), buf.line_at(6), buf.line_at(9)), (5, Some(0), Some(1)));
        assert_eq!((buf.line_at(3), buf.line_at(2), buf.line_at(21)), (Some(0), None, None));
        buf.apply(&at(0, 3));
        buf.apply(&at(20, 24));
        assert_eq!(lines(&buf), ["zero", "one", "two", "three", "four"]);
        buf.trim(12);
        assert_eq!((lines(&buf), buf.start), (vec!["three".to_owned(), "four".to_owned()], 13));
    }

    #[test]
    fn a_line_without_end_is_broken_at_the_same_places_from_wherever_one_comes() {
        let size = 10 * LINE_BYTES;
        let all = vec![b'x'; size];
        let offsets = |from: usize, to: usize| {
            let mut buf = StreamBuf::default();
            buf.apply(&part(from as u64, &all[from..to], size as u64));
            (0..buf.n_lines()).map(|i| buf.offset_of(i)).collect::<Vec<_>>()
        };
        let block = LINE_BYTES as u64;
        assert_eq!(offsets(0, size), (0..10).map(|i| i * block).collect::<Vec<_>>());
        assert_eq!(offsets(100, 4 * LINE_BYTES), [block, 2 * block, 3 * block]);
        assert_eq!(offsets(5 * LINE_BYTES + 7, 5 * LINE_BYTES + 99), [5 * block + 7]);
    }

    #[test]
    fn appended_bytes_give_the_same_lines_as_bytes_at_once() {
        let mut text = b"a\n\nlong ".to_vec();
        text.extend(vec![b'y'; 3 * LINE_BYTES]);
        text.extend(b"\nlast\n");
        let size = text.len() as u64;
        let mut whole = StreamBuf::default();
        whole.apply(&part(0, &text, size));
        let mut grown = StreamBuf::default();
        for (i, chunk) in text.chunks(1000).enumerate() {
            grown.apply(&part(i as u64 * 1000, chunk, size));
        }
        assert_eq!(whole.starts, grown.starts);
    }

    #[test]
    fn lines_have_the_time_by_which_they_were_there() {
        let mark = |at, size| Mark { at: Wall(at), size };
        let mut buf = StreamBuf::default();
        let marks = vec![mark(5, 4), mark(9, 10)];
        buf.apply(&OutputPart { marks, ..part(0, b"a\nb\nccccc\nd\n", 12) });
        let times: Vec<_> = (0..4).map(|i| buf.time_of(i).map(|at| at.0)).collect();
        assert_eq!(times, [Some(5), Some(5), Some(9), None]);
        buf.apply(&OutputPart { marks: vec![mark(11, 12)], ..part(12, b"", 12) });
        assert_eq!(buf.time_of(3), Some(Wall(11)));
    }
}
