//! The output of jobs as far as the screen holds it: what was fetched, where one looks.

use super::sanitize;
use crate::model::query::{OutputFrom, OutputPart, Stream};
use crate::model::{JobNo, Mono};
use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes asked for at once: many screens full, yet quick to send.
pub const PART_BYTES: u32 = 64 << 10;
/// Bytes held of the stream one looks at.
const HELD_BYTES: usize = 1 << 20;
/// Bytes held of a stream nobody looks at.
const KEPT_BYTES: usize = 16 << 10;
/// Attempts whose output is held.
const KEPT_ATTEMPTS: usize = 80;
/// Least time between two questions about one attempt: four a second.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Time after which a running attempt is asked about even without a sign of news.
const ASK_ANYWAY: Duration = Duration::from_secs(1);

/// An attempt: job and number of the try.
pub type Key = (JobNo, u32);

/// What the output panel shows, in words and as a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub key: Key,
    pub label: String,
}

/// Which streams are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    #[default]
    Both,
    Out,
    Err,
}

/// A question about output, to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub key: Key,
    pub stream: Stream,
    pub from: OutputFrom,
    pub max_bytes: u32,
}

/// One stream of one attempt, a window of it.
#[derive(Clone, Debug, Default)]
pub struct StreamBuf {
    known: bool,
    start: u64,
    bytes: Vec<u8>,
    /// Size of the whole stream when last heard of.
    pub size: u64,
    /// The window in lines that are safe to draw.
    pub lines: Vec<String>,
    in_flight: bool,
    pub refused: Option<String>,
}

impl StreamBuf {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Takes in a part; returns by how many lines what was held moved down.
    fn apply(&mut self, part: &OutputPart) -> usize {
        self.refused = None;
        let bytes = &part.bytes.0;
        let part_end = part.offset + bytes.len() as u64;
        let (start, end) = (self.start, self.end());
        let shrunk = part.size < end;
        self.size = part.size;
        if !self.known || shrunk || part.offset > end || part_end < start {
            // A file that became shorter was started anew by its job: forget, ask again.
            self.known = !shrunk;
            self.start = part.offset;
            self.bytes = if shrunk { Vec::new() } else { bytes.clone() };
            self.lines = split(&self.bytes);
            return 0;
        }
        if part.offset < start {
            let new = usize::try_from(start - part.offset).unwrap_or(0).min(bytes.len());
            let before = self.lines.len();
            self.bytes.splice(0..0, bytes[..new].iter().copied());
            self.start = part.offset;
            self.bytes.truncate(HELD_BYTES);
            self.lines = split(&self.bytes);
            return self.lines.len().saturating_sub(before);
        }
        let known = usize::try_from(end - part.offset).unwrap_or(usize::MAX).min(bytes.len());
        self.append(&bytes[known..]);
        0
    }

    fn append(&mut self, new: &[u8]) {
        if new.is_empty() {
            return;
        }
        let line_start = self.bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        if line_start < self.bytes.len() {
            self.lines.pop();
        }
        self.bytes.extend_from_slice(new);
        self.lines.extend(split(&self.bytes[line_start..]));
    }

    /// Forgets what is beyond `keep` bytes at the front; returns the lines that went.
    fn trim(&mut self, keep: usize) -> usize {
        if self.bytes.len() <= keep {
            return 0;
        }
        let cut = self.bytes.len() - keep;
        let cut = self.bytes[cut..].iter().position(|b| *b == b'\n').map_or(cut, |i| cut + i + 1);
        let gone = self.bytes[..cut].iter().filter(|b| **b == b'\n').count();
        self.bytes.drain(..cut);
        self.start += cut as u64;
        self.lines.drain(..gone.min(self.lines.len()));
        gone
    }
}

fn split(bytes: &[u8]) -> Vec<String> {
    let mut lines: Vec<_> = bytes.split(|b| *b == b'\n').map(sanitize::line).collect();
    if bytes.is_empty() || bytes.ends_with(b"\n") {
        lines.pop();
    }
    lines
}

/// Both streams of one attempt.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    pub out: StreamBuf,
    pub err: StreamBuf,
    pub complete: bool,
    asked_at: Option<Mono>,
    /// Sign of life that the last question came after.
    seen_output: Option<Mono>,
    used: u64,
}

impl Pair {
    pub fn of(&self, stream: Stream) -> &StreamBuf {
        match stream {
            Stream::Stdout => &self.out,
            Stream::Stderr => &self.err,
        }
    }

    fn of_mut(&mut self, stream: Stream) -> &mut StreamBuf {
        match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        }
    }

    fn settled(&self) -> bool {
        let all = |s: &StreamBuf| s.refused.is_some() || (s.known && s.end() >= s.size);
        self.complete && all(&self.out) && all(&self.err)
    }
}

/// Everything about output on this screen.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub target: Option<Target>,
    pub target_since: Mono,
    pub streams: Streams,
    /// First line shown while one looks back; `None` follows the end.
    pub top: Option<usize>,
    /// Cells cut off at the left.
    pub left: usize,
    held: BTreeMap<Key, Pair>,
    uses: u64,
    /// The supervisor has gone: nothing can be asked any more.
    pub offline: bool,
}

impl Output {
    /// Looks at another attempt.
    pub fn show(&mut self, target: Target, now: Mono) {
        if self.target.as_ref().is_some_and(|t| t.key == target.key) {
            self.target = Some(target);
            return;
        }
        if let Some(old) = self.target.take() {
            self.trim_unseen(old.key);
        }
        self.uses += 1;
        self.held.entry(target.key).or_default().used = self.uses;
        self.target = Some(target);
        self.target_since = now;
        self.top = None;
        self.left = 0;
        self.forget_oldest();
    }

    fn trim_unseen(&mut self, key: Key) {
        if let Some(pair) = self.held.get_mut(&key) {
            pair.out.trim(KEPT_BYTES);
            pair.err.trim(KEPT_BYTES);
        }
    }

    fn forget_oldest(&mut self) {
        while self.held.len() > KEPT_ATTEMPTS {
            let shown = self.target.as_ref().map(|target| target.key);
            let others = self.held.iter().filter(|(key, _)| Some(**key) != shown);
            let oldest = others.min_by_key(|(_, p)| p.used).map(|(k, _)| *k);
            match oldest {
                Some(key) => self.held.remove(&key),
                None => break,
            };
        }
    }

    /// Returns what is held of the attempt that is shown.
    pub fn pair(&self) -> Option<&Pair> {
        self.held.get(&self.target.as_ref()?.key)
    }

    /// Returns the stream that scrolling moves in.
    pub fn active(&self) -> Stream {
        match (self.streams, self.pair()) {
            (Streams::Out, _) => Stream::Stdout,
            (Streams::Err, _) => Stream::Stderr,
            (Streams::Both, Some(p)) if p.out.lines.is_empty() && !p.err.lines.is_empty() => {
                Stream::Stderr
            }
            (Streams::Both, _) => Stream::Stdout,
        }
    }

    /// Moves by lines (negative is back) in a view of `page` lines.
    pub fn scroll(&mut self, by: isize, page: usize) {
        let n_lines = self.pair().map_or(0, |p| p.of(self.active()).lines.len());
        let last_top = n_lines.saturating_sub(page);
        let top = self.top.unwrap_or(last_top).saturating_add_signed(by);
        let at_end = self.pair().is_none_or(|p| {
            let s = p.of(self.active());
            s.end() >= s.size
        });
        let follows = by > 0 && top >= last_top && at_end;
        self.top = (!follows).then_some(top.min(last_top));
    }

    /// Returns what to ask now about the attempt that is shown. `last_output` is when it last
    /// said something, as the probe saw.
    pub fn asks(&mut self, now: Mono, last_output: Option<Mono>) -> Vec<Ask> {
        let (Some(target), false) = (&self.target, self.offline) else { return Vec::new() };
        let (key, top, active) = (target.key, self.top, self.active());
        let Some(pair) = self.held.get_mut(&key) else { return Vec::new() };
        let mut asks = Vec::new();
        if top.is_some() {
            asks.extend(ask_around(pair.of_mut(active), key, active, top));
            return asks;
        }
        let waited = pair.asked_at.map(|at| now.since(at));
        let news = last_output > pair.seen_output;
        let due = match waited {
            None => true,
            Some(t) if pair.settled() => news && t >= ASK_EVERY,
            Some(t) => t >= if news || pair.complete { ASK_EVERY } else { ASK_ANYWAY },
        };
        if !due {
            return asks;
        }
        pair.asked_at = Some(now);
        pair.seen_output = last_output;
        for stream in [Stream::Stdout, Stream::Stderr] {
            let buf = pair.of_mut(stream);
            if !std::mem::replace(&mut buf.in_flight, true) {
                // Far behind: the end is what one wants to see, not every byte on the way.
                let behind = buf.size.saturating_sub(buf.end()) > u64::from(PART_BYTES);
                let from = match buf.known && !behind {
                    true => OutputFrom::Offset(buf.end()),
                    false => OutputFrom::Tail,
                };
                asks.push(Ask { key, stream, from, max_bytes: PART_BYTES });
            }
        }
        asks
    }

    /// Returns a question about an attempt nobody has looked at yet, so that its last words can
    /// still be read when the supervisor has gone.
    pub fn prefetch(&mut self, key: Key, now: Mono) -> Vec<Ask> {
        if self.offline || self.held.contains_key(&key) {
            return Vec::new();
        }
        let pair = self.held.entry(key).or_default();
        pair.asked_at = Some(now);
        pair.used = self.uses;
        pair.out.in_flight = true;
        pair.err.in_flight = true;
        self.forget_oldest();
        let ask =
            |stream| Ask { key, stream, from: OutputFrom::Tail, max_bytes: KEPT_BYTES as u32 };
        vec![ask(Stream::Stdout), ask(Stream::Stderr)]
    }

    /// Takes in an answer.
    pub fn take(&mut self, ask: Ask, part: Result<OutputPart, String>) {
        let shown = self.target.as_ref().is_some_and(|t| t.key == ask.key);
        let active = shown && self.active() == ask.stream;
        let Some(pair) = self.held.get_mut(&ask.key) else { return };
        let buf = pair.of_mut(ask.stream);
        buf.in_flight = false;
        let part = match part {
            Ok(part) => part,
            Err(error) => {
                buf.refused = Some(sanitize::one_line(&error));
                return;
            }
        };
        let moved = buf.apply(&part);
        let gone = if self.top.is_none() { buf.trim(HELD_BYTES / 4) } else { 0 };
        pair.complete = part.complete;
        if let (true, Some(top)) = (active, self.top.as_mut()) {
            *top = (*top + moved).saturating_sub(gone);
        }
    }
}

/// Asks for what lies before or behind the window when one scrolls to its edge.
fn ask_around(buf: &mut StreamBuf, key: Key, stream: Stream, top: Option<usize>) -> Option<Ask> {
    const NEAR_LINES: usize = 100;
    let top = top?;
    if buf.in_flight || !buf.known {
        return None;
    }
    let (from, max_bytes) = if top < NEAR_LINES && buf.start > 0 {
        let from = buf.start.saturating_sub(u64::from(PART_BYTES));
        (from, u32::try_from(buf.start - from).unwrap_or(PART_BYTES))
    } else if top + NEAR_LINES > buf.lines.len() && buf.end() < buf.size {
        (buf.end(), PART_BYTES)
    } else {
        return None;
    };
    buf.in_flight = true;
    Some(Ask { key, stream, from: OutputFrom::Offset(from), max_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptId, Text};

    const KEY: Key = (JobNo(7), 1);

    fn part(offset: u64, text: &str, size: u64) -> OutputPart {
        OutputPart {
            attempt: AttemptId { job: KEY.0, n: KEY.1 },
            path: None,
            offset,
            size,
            bytes: Text::from(text),
            complete: false,
            marks: Vec::new(),
        }
    }

    fn shown() -> Output {
        let mut output = Output::default();
        output.show(Target { key: KEY, label: "a:1".to_owned() }, Mono(0));
        output
    }

    fn second(n: u64) -> Mono {
        Mono(n * 1_000_000)
    }

    fn lines(output: &Output) -> Vec<&str> {
        output.pair().unwrap().out.lines.iter().map(String::as_str).collect()
    }

    #[test]
    fn the_end_is_followed_without_fetching_anything_twice() {
        let mut output = shown();
        let asks = output.asks(second(1), None);
        assert_eq!(asks.iter().map(|a| a.from).collect::<Vec<_>>(), [OutputFrom::Tail; 2]);
        assert!(output.asks(second(9), None).is_empty(), "asked again while it waits");
        output.take(asks[0], Ok(part(10, "one\ntw", 16)));
        output.take(asks[1], Ok(part(0, "", 0)));
        assert_eq!(lines(&output), ["one", "tw"]);
        assert!(output.asks(Mono(9_100_000), None).is_empty(), "asked too soon");
        let asks = output.asks(second(11), None);
        assert_eq!(asks[0].from, OutputFrom::Offset(16));
        output.take(asks[0], Ok(part(16, "o\nthree\n", 24)));
        assert_eq!(lines(&output), ["one", "two", "three"]);
    }

    #[test]
    fn a_file_that_became_shorter_is_read_anew() {
        let mut output = shown();
        let asks = output.asks(second(1), None);
        output.take(asks[0], Ok(part(0, "old old old\n", 12)));
        output.take(asks[1], Ok(part(0, "", 0)));
        let asks = output.asks(second(3), None);
        output.take(asks[0], Ok(part(4, "", 4)));
        output.take(asks[1], Ok(part(0, "", 0)));
        let asks = output.asks(second(5), None);
        assert_eq!(asks[0].from, OutputFrom::Tail);
        output.take(asks[0], Ok(part(0, "new\n", 4)));
        assert_eq!(lines(&output), ["new"]);
    }

    #[test]
    fn scrolling_back_fetches_what_lies_before_and_keeps_the_place() {
        let mut output = shown();
        let asks = output.asks(second(1), None);
        let text: String = (100..150).map(|i| format!("{i}\n")).collect();
        output.take(asks[0], Ok(part(200_000, &text, 200_200)));
        output.scroll(-20, 10);
        assert_eq!(output.top, Some(20));
        let asks = output.asks(second(2), None);
        assert_eq!(asks[0].from, OutputFrom::Offset(200_000 - u64::from(PART_BYTES)));
        let before = "b\n".repeat(PART_BYTES as usize / 2);
        output.take(asks[0], Ok(part(200_000 - u64::from(PART_BYTES), &before, 200_200)));
        let top = output.top.unwrap();
        assert_eq!(lines(&output)[top], "120");
        output.scroll(1_000_000, 10);
        assert_eq!(output.top, None, "the end is followed again");
    }

    #[test]
    fn what_ended_is_not_asked_for_again() {
        let mut output = shown();
        let asks = output.asks(second(1), None);
        for ask in asks {
            output.take(ask, Ok(OutputPart { complete: true, ..part(0, "x\n", 2) }));
        }
        assert!(output.asks(second(100), None).is_empty());
    }

    #[test]
    fn memory_stays_bounded() {
        let mut output = shown();
        let big = "x".repeat(99).add_newline().repeat(20_000);
        let asks = output.asks(second(1), None);
        output.take(asks[0], Ok(part(0, &big, big.len() as u64)));
        assert!(output.pair().unwrap().out.bytes.len() <= HELD_BYTES / 4);
        for job in 100..400 {
            output.prefetch((JobNo(job), 1), second(2));
        }
        assert!(output.held.len() <= KEPT_ATTEMPTS);
    }

    trait AddNewline {
        fn add_newline(self) -> String;
    }
    impl AddNewline for String {
        fn add_newline(mut self) -> String {
            self.push('\n');
            self
        }
    }
}
