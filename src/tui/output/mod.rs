//! The output of jobs as far as the screen holds it: what was fetched, where one looks, what is
//! searched for. Pure but for [`save`], which copies files.
//!
//! A stream may have any size, so of each only a window of bytes is held ([`buffer`]); looking
//! elsewhere asks for another window. [`lines`] makes rows of the screen from lines, [`find`]
//! is a search, [`feed`] the output of all jobs. [`Output`] brings them together.

pub mod buffer;
pub mod feed;
pub mod find;
pub mod lines;
mod merge;
pub mod save;
mod search;

use super::sanitize;
use crate::model::query::{OutputFrom, OutputPart, Query, Reply, Search, Stream};
use crate::model::{JobNo, JobPlace, JobRef, Mono, Wall};
use buffer::HELD_BYTES;
pub use buffer::StreamBuf;
use feed::Feed;
use find::Find;
use lines::{Line, Lines, Shape, Top};
use merge::Merged;
use save::{Copy, SaveJob};
use search::Origin;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes asked for at once: many screens full, yet quick to send.
pub const PART_BYTES: u32 = 64 << 10;
/// Bytes held of a stream nobody looks at.
const KEPT_BYTES: usize = 16 << 10;
/// Attempts whose output is held.
const KEPT_ATTEMPTS: usize = 80;
/// Least time between two questions about one attempt: four a second.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Time after which a running attempt is asked about even without a sign of news.
const ASK_ANYWAY: Duration = Duration::from_secs(1);
/// Lines between where one looks and the edge of a window at which more is asked for.
const NEAR_LINES: usize = 1000;
/// Bytes held before and behind where one looks; a window holds more than both together, so
/// that fetching one never drops the other.
const AROUND_BYTES: u64 = HELD_BYTES as u64 / 4;
/// Moving by so many rows is meant to go to an end.
const TO_THE_END: isize = 1 << 30;

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

/// Whose output is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// The target's.
    #[default]
    One,
    /// That of all jobs, tagged.
    All,
}

/// Where in the output of an attempt one looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// At its end, wherever that is.
    #[default]
    End,
    Start,
    /// The first row shown is a row of the line that holds this byte.
    At {
        stream: Stream,
        offset: u64,
        row: usize,
    },
}

/// Room for text, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub height: usize,
    pub width: usize,
}

/// A question about a part of an attempt's output, to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub key: Key,
    pub stream: Stream,
    pub from: OutputFrom,
    pub max_bytes: u32,
}

/// A question to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    Part(Ask),
    Find(Search),
    Recent(Query),
}

impl Question {
    /// The question as the supervisor takes it.
    pub fn query(&self) -> Query {
        match self {
            Question::Part(ask) => Query::Output {
                job: JobRef { place: JobPlace::Number(ask.key.0), attempt: Some(ask.key.1) },
                stream: ask.stream,
                from: ask.from,
                max_bytes: ask.max_bytes,
            },
            Question::Find(search) => Query::Search(search.clone()),
            Question::Recent(query) => query.clone(),
        }
    }
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
        let all = |s: &StreamBuf| s.refused.is_some() || (s.known && s.is_at_end());
        self.complete && all(&self.out) && all(&self.err)
    }
}

/// Everything about output on this screen.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub target: Option<Target>,
    pub target_since: Mono,
    streams: Streams,
    whose: Whose,
    place: Position,
    /// Lines go on in the next row instead of being cut.
    pub wrap: bool,
    /// Cells cut off at the left of lines that are not wrapped.
    pub left: usize,
    held: BTreeMap<Key, Pair>,
    uses: u64,
    /// The lines of the target that are shown, in their order.
    order: Vec<(Stream, usize)>,
    /// The moment that the stream one does not look at was last turned to.
    aligned: Option<(Stream, Wall)>,
    feed: Feed,
    /// First line of the feed while one looks back (its number since the start), and its row.
    feed_top: Option<(u64, usize)>,
    pub find: Option<Find>,
    /// Where one was before the search.
    origin: Option<Origin>,
    /// Chosen by itself, not by what is selected in a list: it stays when the selection changes
    /// by itself.
    pub picked: bool,
    /// Attempts of the job that is shown, once somebody asked.
    pub n_attempts: Option<(JobNo, u32)>,
    /// The supervisor has gone: nothing can be asked any more.
    pub offline: bool,
}

impl Output {
    /// Looks at another attempt; a search in one job goes on in that one.
    pub fn show(&mut self, target: Target, now: Mono) {
        self.turn_to(target, now);
        self.search_in_target();
    }

    fn turn_to(&mut self, target: Target, now: Mono) {
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
        self.place = Position::End;
        self.aligned = None;
        self.left = 0;
        self.forget_oldest();
        self.reorder();
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

    /// Which streams are shown.
    pub fn streams(&self) -> Streams {
        self.streams
    }

    /// Shows both streams, stdout, stderr in turn.
    pub fn next_streams(&mut self) {
        self.streams = match self.streams {
            Streams::Both => Streams::Out,
            Streams::Out => Streams::Err,
            Streams::Err => Streams::Both,
        };
        self.follow();
    }

    /// Whose output is shown.
    pub fn whose(&self) -> Whose {
        self.whose
    }

    /// Turns between the output of one job and that of all.
    pub fn show_whose(&mut self, whose: Whose) {
        self.whose = whose;
    }

    /// The output of all jobs.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Returns the stream that matters more: for words where nothing is shown.
    pub fn active(&self) -> Stream {
        match (self.streams, self.pair()) {
            (Streams::Out, _) => Stream::Stdout,
            (Streams::Err, _) => Stream::Stderr,
            (Streams::Both, Some(p)) if p.out.n_lines() == 0 && p.err.n_lines() > 0 => {
                Stream::Stderr
            }
            (Streams::Both, _) => Stream::Stdout,
        }
    }

    fn shown(&self) -> &'static [Stream] {
        match self.streams {
            Streams::Both => &[Stream::Stdout, Stream::Stderr],
            Streams::Out => &[Stream::Stdout],
            Streams::Err => &[Stream::Stderr],
        }
    }

    /// Whether one looks at a place instead of following the end.
    pub fn is_held(&self) -> bool {
        match self.whose {
            Whose::One => self.place != Position::End,
            Whose::All => self.feed_top.is_some(),
        }
    }

    /// Where in the target's output one looks.
    pub fn place(&self) -> Position {
        self.place
    }

    /// Follows the end from now on.
    pub fn follow(&mut self) {
        match self.whose {
            Whose::One => self.go(Position::End),
            Whose::All => self.feed_top = None,
        }
    }

    /// Goes to the start.
    pub fn to_start(&mut self) {
        match self.whose {
            Whose::One => self.go(Position::Start),
            Whose::All => self.feed_top = Some((0, 0)),
        }
    }

    /// Goes to the line that holds a byte of a stream.
    pub fn to_offset(&mut self, stream: Stream, offset: u64) {
        self.go(Position::At { stream, offset, row: 0 });
    }

    /// Goes to a share, 0 to 100, of the longer stream that is shown, or of all jobs' lines.
    pub fn to_percent(&mut self, percent: u8) {
        if self.whose == Whose::All {
            let line = self.feed.n_lines() as u64 * u64::from(percent.min(100)) / 100;
            self.feed_top = (percent < 100).then_some((self.feed.first + line, 0));
            return;
        }
        let Some(pair) = self.pair() else { return };
        let stream = self.longest(pair);
        let size = u128::from(pair.of(stream).size) * u128::from(percent.min(100)) / 100;
        match percent {
            0 => self.to_start(),
            100.. => self.follow(),
            _ => self.to_offset(stream, u64::try_from(size).unwrap_or(u64::MAX)),
        }
    }

    fn longest(&self, pair: &Pair) -> Stream {
        let longest = self.shown().iter().rev().max_by_key(|s| pair.of(**s).size).copied();
        longest.unwrap_or_default()
    }

    /// What the rows shown are of everything: from where, to where, of how much. Counted in
    /// bytes of the longer stream, or in lines of all jobs.
    pub fn extent(&self, room: Room) -> (u64, u64, u64) {
        let shape = self.shape(room.width);
        let height = isize::try_from(room.height).unwrap_or(isize::MAX);
        let (top, end) = self.with_lines(|lines| {
            let top = self.top(lines, room);
            (top, shape.moved(lines, top, height))
        });
        let Some(pair) = self.pair().filter(|_| self.whose == Whose::One) else {
            return (top.line as u64, end.line as u64, self.feed.n_lines() as u64);
        };
        let stream = self.longest(pair);
        let buf = pair.of(stream);
        let offset = |at: Top| {
            let line = self.order.iter().skip(at.line).find(|(s, _)| *s == stream);
            line.map_or(buf.end(), |(_, line)| buf.offset_of(*line))
        };
        (offset(top), offset(end), buf.size)
    }

    /// Whose line a row of all jobs' output is: what to turn to, and where in it.
    pub fn job_at_row(&self, room: Room, row: usize) -> Option<(Target, Stream, u64)> {
        let shape = self.shape(room.width);
        let at = shape.moved(&self.feed, self.top(&self.feed, room), row as isize);
        let line = self.feed.get(at.line).filter(|_| self.whose == Whose::All)?;
        let (attempt, stream, offset) = line.from?;
        let label = self.feed.line(at.line).tag.unwrap_or_default().to_owned();
        Some((Target { key: (attempt.job, attempt.n), label }, stream, offset))
    }

    fn go(&mut self, place: Position) {
        self.place = place;
        self.aligned = None;
        let key = self.target.as_ref().map(|target| target.key);
        if let Some(pair) = key.and_then(|key| self.held.get_mut(&key)) {
            (pair.out.refused, pair.err.refused) = (None, None);
            // Wherever one goes, one does not wait for the next turn.
            pair.asked_at = None;
        }
        self.reorder();
    }

    fn shape(&self, width: usize) -> Shape<'_> {
        let matcher = self.find.as_ref().map(Find::matcher);
        Shape { width, wrap: self.wrap, left: self.left, matcher }
    }

    fn with_lines<T>(&self, act: impl FnOnce(&dyn Lines) -> T) -> T {
        match (self.whose, self.pair()) {
            (Whose::All, _) => act(&self.feed),
            (Whose::One, Some(pair)) => {
                act(&Merged { pair, order: &self.order, hit: self.hit_here() })
            }
            (Whose::One, None) => act(&Merged { pair: &Pair::default(), order: &[], hit: None }),
        }
    }

    /// The rows to draw.
    pub fn lines(&self, room: Room) -> Vec<Line> {
        let shape = self.shape(room.width);
        self.with_lines(|lines| shape.page(lines, self.top(lines, room), room.height))
    }

    /// The first row shown.
    fn top(&self, lines: &dyn Lines, room: Room) -> Top {
        let shape = self.shape(room.width);
        let last = || shape.last_top(lines, room.height);
        let (line, row) = match (self.whose, self.place) {
            (Whose::All, _) => match self.feed_top {
                None => return last(),
                Some((number, row)) => (Some(number.saturating_sub(self.feed.first) as usize), row),
            },
            (Whose::One, Position::End) => return last(),
            (Whose::One, Position::Start) => (Some(0), 0),
            (Whose::One, Position::At { stream, offset, row }) => {
                (self.line_of(stream, offset), row)
            }
        };
        match line {
            Some(line) => Top { line, row }.min(self.furthest(lines, last())),
            // It is being fetched: what is there stays, as near as possible.
            None => match (self.place, self.pair()) {
                (Position::At { stream, offset, .. }, Some(p)) if offset < p.of(stream).start => {
                    Top::default()
                }
                _ => last(),
            },
        }
    }

    /// The last row that may stand at the top: while more is to be fetched, any.
    fn furthest(&self, lines: &dyn Lines, last: Top) -> Top {
        let is_at_end = self.whose == Whose::All || self.is_at_end();
        let line = lines.n_lines().saturating_sub(1);
        if is_at_end { last } else { last.max(Top { line, row: usize::MAX }) }
    }

    fn is_at_end(&self) -> bool {
        self.pair().is_none_or(|p| self.shown().iter().all(|s| p.of(*s).is_at_end()))
    }

    /// The place of a line in the order that is shown.
    fn line_of(&self, stream: Stream, offset: u64) -> Option<usize> {
        let line = self.pair()?.of(stream).line_at(offset)?;
        self.order.iter().position(|at| *at == (stream, line))
    }

    /// Moves by rows; negative is back. Moving down to the end follows it again.
    pub fn scroll(&mut self, by: isize, room: Room) {
        if by <= -TO_THE_END {
            return self.to_start();
        }
        if by >= TO_THE_END {
            return self.follow();
        }
        let shape = self.shape(room.width);
        let (to, last) = self.with_lines(|lines| {
            let to = shape.moved(lines, self.top(lines, room), by);
            let last = shape.last_top(lines, room.height);
            (to.min(self.furthest(lines, last)), last)
        });
        match self.whose {
            Whose::All if by > 0 && to >= last => self.feed_top = None,
            Whose::All => self.feed_top = Some((self.feed.first + to.line as u64, to.row)),
            Whose::One if by > 0 && to >= last && self.is_at_end() => self.go(Position::End),
            Whose::One => {
                let Some((stream, line)) = self.order.get(to.line).copied() else { return };
                let offset = self.pair().map_or(0, |p| p.of(stream).offset_of(line));
                self.place = Position::At { stream, offset, row: to.row };
            }
        }
    }

    /// What to do to copy the shown output of the target into a file; stderr beside it, as
    /// `NAME.stderr`, when both streams are shown and both hold something.
    ///
    /// # Errors
    /// In words, when there is nothing to copy.
    pub fn save_plan(&self, to: &Path, replace: bool) -> Result<SaveJob, String> {
        let pair = self.pair().ok_or("no output is shown")?;
        let filled: Vec<Stream> =
            self.shown().iter().copied().filter(|s| pair.of(*s).size > 0).collect();
        let mut copies = Vec::new();
        for stream in &filled {
            let buf = pair.of(*stream);
            let path = buf.path.clone().ok_or("its file is not known yet: try again")?;
            let mut name = to.as_os_str().to_owned();
            if !copies.is_empty() {
                name.push(".stderr");
            }
            copies.push(Copy {
                from: PathBuf::from(OsString::from_vec(path)),
                to: PathBuf::from(name),
                holds: buf.token(),
            });
        }
        if copies.is_empty() {
            return Err("there is no output to save".to_owned());
        }
        Ok(SaveJob { copies, replace })
    }

    fn reorder(&mut self) {
        let anchor = match self.place {
            Position::At { stream, offset, .. } => Some((stream, offset)),
            _ => None,
        };
        let follows = self.place == Position::End;
        self.order = match self.pair() {
            Some(pair) => merge::order(pair, self.shown(), anchor, follows),
            None => Vec::new(),
        };
    }
}

/// Asking, and taking in what comes.
impl Output {
    /// Returns everything to ask now. `last_output` is when the attempt that is shown last said
    /// something, as the probe saw. Each is answered by [`Output::answer`].
    pub fn questions(&mut self, now: Mono, last_output: Option<Mono>) -> Vec<Question> {
        if self.offline {
            return Vec::new();
        }
        let mut questions: Vec<Question> = match self.whose {
            Whose::One => self.asks(now, last_output).into_iter().map(Question::Part).collect(),
            Whose::All => self.feed.ask(now).into_iter().map(Question::Recent).collect(),
        };
        questions.extend(self.find.as_mut().and_then(Find::ask).map(Question::Find));
        questions
    }

    /// Takes in an answer.
    pub fn answer(&mut self, question: &Question, reply: Result<Reply, String>) {
        let wrong = || "the supervisor answered something else".to_owned();
        let reply = match reply {
            Ok(Reply::Refused { error }) => Err(error),
            other => other,
        };
        match question {
            Question::Part(ask) => self.take(
                *ask,
                reply.and_then(|r| match r {
                    Reply::Output(part) => Ok(part),
                    _ => Err(wrong()),
                }),
            ),
            Question::Find(search) => {
                let found = reply.and_then(|r| match r {
                    Reply::Found(found) => Ok(found),
                    _ => Err(wrong()),
                });
                if let Some(find) = &mut self.find {
                    find.take(search, found);
                }
            }
            Question::Recent(_) => self.feed.take(reply.and_then(|r| match r {
                Reply::Recent(recent) => Ok(recent),
                _ => Err(wrong()),
            })),
        }
    }

    fn asks(&mut self, now: Mono, last_output: Option<Mono>) -> Vec<Ask> {
        let (Some(target), false) = (&self.target, self.offline) else { return Vec::new() };
        let key = target.key;
        match self.place {
            Position::End => self.asks_at_end(key, now, last_output),
            // What was refused would be again, until one looks elsewhere.
            _ if self.is_refused() => Vec::new(),
            Position::Start => self.asks_at_start(key),
            Position::At { stream, offset, .. } => self.asks_around(key, stream, offset),
        }
    }

    fn is_refused(&self) -> bool {
        self.pair().is_none_or(|p| self.shown().iter().any(|s| p.of(*s).refused.is_some()))
    }

    fn asks_at_end(&mut self, key: Key, now: Mono, last_output: Option<Mono>) -> Vec<Ask> {
        let Some(pair) = self.held.get_mut(&key) else { return Vec::new() };
        let waited = pair.asked_at.map(|at| now.since(at));
        let news = last_output > pair.seen_output;
        let due = match waited {
            None => true,
            Some(t) if pair.settled() => news && t >= ASK_EVERY,
            Some(t) => t >= if news || pair.complete { ASK_EVERY } else { ASK_ANYWAY },
        };
        if !due {
            return Vec::new();
        }
        pair.asked_at = Some(now);
        pair.seen_output = last_output;
        let mut asks = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let buf = pair.of_mut(stream);
            // Far behind: the end is what one wants to see, not every byte on the way.
            let behind = buf.size.saturating_sub(buf.end()) > u64::from(PART_BYTES);
            let from = match buf.known && !behind {
                true => OutputFrom::Offset(buf.end()),
                false => OutputFrom::Tail,
            };
            asks.extend(ask(buf, key, stream, from));
        }
        asks
    }

    fn asks_at_start(&mut self, key: Key) -> Vec<Ask> {
        let shown = self.shown();
        let n_lines = self.order.len();
        let Some(pair) = self.held.get_mut(&key) else { return Vec::new() };
        let mut asks = Vec::new();
        for stream in shown {
            let buf = pair.of_mut(*stream);
            if !buf.known || buf.start > 0 {
                asks.extend(ask(buf, key, *stream, OutputFrom::Offset(0)));
            } else if n_lines < NEAR_LINES && buf.end() < AROUND_BYTES && !buf.is_at_end() {
                let from = OutputFrom::Offset(buf.end());
                asks.extend(ask(buf, key, *stream, from));
            }
        }
        asks
    }

    /// Asks for the window around a place, for the other stream at the same time, and for what
    /// lies before and behind when one comes near to an edge.
    fn asks_around(&mut self, key: Key, stream: Stream, offset: u64) -> Vec<Ask> {
        let shown = self.shown();
        let at = self.line_of(stream, offset).unwrap_or(0);
        let near = [at < NEAR_LINES, at + 2 * NEAR_LINES > self.order.len()];
        let order = &self.order;
        let here = |pair: &Pair, of: Stream| {
            let line = order.iter().skip(at).find(|(s, _)| *s == of);
            match line {
                _ if of == stream => offset,
                Some((_, line)) => pair.of(of).offset_of(*line),
                None => pair.of(of).end(),
            }
        };
        let Some(pair) = self.held.get_mut(&key) else { return Vec::new() };
        let buf = pair.of_mut(stream);
        let is_held = offset >= buf.start && (offset < buf.end() || buf.is_at_end());
        if !buf.known || !is_held {
            let from = OutputFrom::Offset(offset.saturating_sub(u64::from(PART_BYTES / 2)));
            return ask(buf, key, stream, from).into_iter().collect();
        }
        let mut asks = Vec::new();
        let time = buf.line_at(offset).and_then(|line| buf.time_of(line));
        for other in shown.iter().filter(|s| **s != stream) {
            let is_apart = merge::is_apart(pair, *other, (time, stream));
            let buf = pair.of_mut(*other);
            let from = match time {
                // What was written in the same moment counts as later.
                Some(at) => OutputFrom::After(Wall(at.0.saturating_sub(1))),
                None => OutputFrom::Tail,
            };
            let aligned = time.map(|at| (stream, at));
            if !buf.known || (is_apart && self.aligned != aligned) {
                self.aligned = aligned;
                asks.extend(ask(buf, key, *other, from));
            }
        }
        if !asks.is_empty() {
            return asks;
        }
        // Few long lines may fill a window: the bytes to fetch are limited, too.
        if near[0]
            && let Some(before) = merge::limits_start(pair, shown)
        {
            let place = here(pair, before);
            let buf = pair.of_mut(before);
            if place.saturating_sub(buf.start) < AROUND_BYTES {
                let from = buf.start.saturating_sub(u64::from(PART_BYTES));
                let max_bytes = u32::try_from(buf.start - from).unwrap_or(PART_BYTES);
                let asked = ask(buf, key, before, OutputFrom::Offset(from));
                asks.extend(asked.map(|asked| Ask { max_bytes, ..asked }));
            }
        }
        if near[1]
            && let Some(behind) = merge::limits_end(pair, shown)
        {
            let place = here(pair, behind);
            let buf = pair.of_mut(behind);
            if buf.end().saturating_sub(place) < AROUND_BYTES {
                let from = OutputFrom::Offset(buf.end());
                asks.extend(ask(buf, key, behind, from));
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

    fn take(&mut self, ask: Ask, part: Result<OutputPart, String>) {
        let is_target = self.target.as_ref().is_some_and(|t| t.key == ask.key);
        let place = if is_target { self.place } else { Position::End };
        let Some(pair) = self.held.get_mut(&ask.key) else { return };
        let buf = pair.of_mut(ask.stream);
        buf.in_flight = false;
        match part {
            Err(error) => buf.refused = Some(sanitize::one_line(&error)),
            Ok(part) => {
                buf.apply(&part);
                match place {
                    Position::End => buf.trim(HELD_BYTES / 4),
                    // The end is fetched again when one comes to it.
                    Position::Start => {}
                    Position::At { stream, offset, .. } => {
                        let ahead = offset.saturating_sub(buf.start);
                        if stream != ask.stream || ahead > u64::from(PART_BYTES) * 4 {
                            buf.trim(HELD_BYTES);
                        }
                    }
                }
                pair.complete = part.complete;
            }
        }
        if is_target {
            self.reorder();
        }
    }
}

/// A question about a stream, unless one is on its way.
fn ask(buf: &mut StreamBuf, key: Key, stream: Stream, from: OutputFrom) -> Option<Ask> {
    if std::mem::replace(&mut buf.in_flight, true) {
        return None;
    }
    Some(Ask { key, stream, from, max_bytes: PART_BYTES })
}

#[cfg(test)]
mod tests;
