//! Searches in the output of jobs, on a thread of their own: files on disk may be large, and
//! the loop must not wait for them.
//!
//! Each front end has one search at a time; a new one ends the one before it. Every search is
//! answered once, at the latest when enough was read; where to go on is part of the answer.

use super::recent::kept;
use super::{Message, Supervisor};
use crate::control::proto::ToClient;
use crate::control::server::ClientId;
use crate::exec::Outputs;
use crate::model::drawn::drawn_line;
use crate::model::limits::{LINE_BYTES, SEARCH_BYTES, SEARCH_HITS, SEARCHES};
use crate::model::query::{Found, Hit, Reply, Search, SearchCursor, SearchScope, Stream};
use crate::model::{AttemptId, JobNo, Matcher};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::mpsc;

/// Bytes read at a time; between two reads a search can be ended.
const READ_BYTES: usize = 256 << 10;
/// What opening a file costs of an answer, in bytes: a million small files are work too.
const FILE_COST: u64 = 4096;
/// Cells of a line that are looked at: more than a line of [`LINE_BYTES`] has.
const LINE_CELLS: usize = 1 << 20;
/// Bytes of a hit's text, and of those how many stand before the match.
const HIT_BYTES: usize = 240;
const BEFORE_BYTES: usize = 80;

/// What to look for, and where.
#[derive(Clone, Debug)]
pub struct What {
    pub matcher: Matcher,
    /// Only this job, and of it only this attempt.
    pub job: Option<(JobNo, Option<u32>)>,
    pub stream: Option<Stream>,
    pub from: Option<SearchCursor>,
    pub max_hits: u32,
}

/// A search that waits for its turn.
struct Order {
    client: ClientId,
    id: u64,
    what: What,
    outputs: Outputs,
    cancelled: Arc<AtomicBool>,
}

/// A search that has been made; labels of jobs are not filled in.
pub struct Searched {
    client: ClientId,
    id: u64,
    result: Result<Found, String>,
}

/// The searches of all front ends.
#[derive(Default)]
pub struct Searches {
    to: Option<SyncSender<Order>>,
    latest: HashMap<ClientId, Arc<AtomicBool>>,
}

impl Searches {
    /// Ends what a front end searches for.
    pub fn cancel(&mut self, client: ClientId) {
        if let Some(cancelled) = self.latest.remove(&client) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Begins a search in place of the front end's last.
    fn begin(&mut self, order: Order, queue: &mpsc::Sender<Message>) -> Result<(), String> {
        self.cancel(order.client);
        self.latest.insert(order.client, Arc::clone(&order.cancelled));
        let to = match &self.to {
            Some(to) => to,
            None => self.to.insert(start(queue.clone())?),
        };
        to.try_send(order).map_err(|e| match e {
            TrySendError::Full(_) => format!("{SEARCHES} searches wait already: try again"),
            TrySendError::Disconnected(_) => "the thread that searches has ended".to_owned(),
        })
    }
}

fn start(queue: mpsc::Sender<Message>) -> Result<SyncSender<Order>, String> {
    let (to, orders) = sync_channel(SEARCHES);
    std::thread::Builder::new()
        .name("search".to_owned())
        .spawn(move || work(&orders, &queue))
        .map_err(|e| format!("cannot start a thread to search: {e}"))?;
    Ok(to)
}

/// Works until the supervisor has gone.
fn work(orders: &Receiver<Order>, queue: &mpsc::Sender<Message>) {
    while let Ok(Order { client, id, what, outputs, cancelled }) = orders.recv() {
        let result = find(&outputs, &what, &|| cancelled.load(Ordering::Relaxed));
        let searched = Searched { client, id, result };
        if queue.blocking_send(Message::Searched(searched)).is_err() {
            return;
        }
    }
}

impl Supervisor {
    /// Begins a search.
    pub(super) fn search(&mut self, client: ClientId, id: u64, search: Search) {
        let begun = self.what(&search).and_then(|what| {
            let outputs = self.outputs.clone();
            let order = Order { client, id, what, outputs, cancelled: Arc::default() };
            self.searches.begin(order, &self.queue)
        });
        if let Err(error) = begun {
            let reply = Box::new(Reply::Refused { error });
            self.clients.send(client, &ToClient::Reply { id, reply });
        }
    }

    fn what(&self, search: &Search) -> Result<What, String> {
        let job = match &search.scope {
            SearchScope::All => None,
            SearchScope::Job(job) => Some((self.resolve(job)?, job.attempt)),
        };
        Ok(What {
            matcher: search.pattern.matcher()?,
            job,
            stream: search.stream,
            from: search.from,
            max_hits: search.max_hits,
        })
    }

    /// Hands out what a search has found.
    pub(super) fn searched(&mut self, searched: Searched) {
        let Searched { client, id, result } = searched;
        let reply = match result {
            Ok(mut found) => {
                for hit in &mut found.hits {
                    hit.label = self.job_label(hit.attempt.job);
                }
                Reply::Found(found)
            }
            Err(error) => Reply::Refused { error },
        };
        self.clients.send(client, &ToClient::Reply { id, reply: Box::new(reply) });
    }
}

/// Searches until there are enough hits or enough was read. Labels of hits are job numbers.
///
/// # Errors
/// In words, when it was cancelled or the run's folder cannot be read. A file that cannot be
/// read has no hits.
pub fn find(
    outputs: &Outputs,
    what: &What,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Found, String> {
    let all = outputs.attempts().map_err(|e| format!("cannot list the output of jobs: {e}"))?;
    let mut pass = Pass {
        what,
        is_cancelled,
        max_hits: what.max_hits.clamp(1, SEARCH_HITS) as usize,
        found: Found::default(),
    };
    let first = what.from.map_or((0, 0), |from| (from.attempt.job.0, from.attempt.n));
    let start = all.partition_point(|a| (a.job.0, a.n) < first);
    let wanted =
        |a: &&AttemptId| what.job.is_none_or(|(job, n)| a.job == job && n.is_none_or(|n| a.n == n));
    for attempt in all[start..].iter().filter(wanted) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let begin = SearchCursor { attempt: *attempt, stream, offset: 0 };
            let place = what.from.map_or(begin, |from| from.max(begin));
            let is_past = (place.attempt, place.stream) != (*attempt, stream);
            if is_past || what.stream.is_some_and(|only| only != stream) {
                continue;
            }
            pass.found.next = pass.stream(outputs, place)?;
            if pass.found.next.is_some() {
                return Ok(pass.found);
            }
        }
    }
    Ok(pass.found)
}

/// One answer in the making.
struct Pass<'a> {
    what: &'a What,
    is_cancelled: &'a dyn Fn() -> bool,
    max_hits: usize,
    found: Found,
}

impl Pass<'_> {
    /// Searches one stream; returns where to go on when that is enough for one answer.
    fn stream(
        &mut self,
        outputs: &Outputs,
        place: SearchCursor,
    ) -> Result<Option<SearchCursor>, String> {
        if self.is_full() {
            return Ok(Some(place));
        }
        self.found.searched_bytes += FILE_COST;
        let Ok(Some(mut file)) = outputs.open(place.attempt, kept(place.stream)) else {
            return self.or_cancelled(None);
        };
        let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
        if !is_file || file.seek(SeekFrom::Start(place.offset)).is_err() {
            return self.or_cancelled(None);
        }
        self.found.searched_bytes -= FILE_COST;
        let before = self.found.searched_bytes;
        let mut reader = BufReader::with_capacity(READ_BYTES, file);
        let mut line = Vec::new();
        let mut offset = place.offset;
        let mut next_check = offset;
        loop {
            if offset >= next_check {
                next_check = offset + READ_BYTES as u64;
                self.or_cancelled(())?;
            }
            if self.is_full() {
                return Ok(Some(SearchCursor { offset, ..place }));
            }
            let n = read_line(&mut reader, &mut line).unwrap_or(0);
            if n == 0 {
                let read = self.found.searched_bytes - before;
                self.found.searched_bytes += FILE_COST.saturating_sub(read);
                return Ok(None);
            }
            self.line(SearchCursor { offset, ..place }, &line);
            offset += n as u64;
            self.found.searched_bytes += n as u64;
        }
    }

    fn is_full(&self) -> bool {
        self.found.hits.len() >= self.max_hits || self.found.searched_bytes >= SEARCH_BYTES
    }

    fn or_cancelled<T>(&self, value: T) -> Result<T, String> {
        if (self.is_cancelled)() {
            return Err("another search took its place".to_owned());
        }
        Ok(value)
    }

    fn line(&mut self, place: SearchCursor, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        // Most lines are plain text: they need not be written anew to be looked at.
        let is_plain = line.iter().all(|b| (0x20..0x7f).contains(b));
        let drawn;
        let text = match std::str::from_utf8(line) {
            Ok(text) if is_plain => text,
            _ => {
                drawn = drawn_line(line, LINE_CELLS).text;
                &drawn
            }
        };
        let Some(matched) = self.what.matcher.first(text) else { return };
        let SearchCursor { attempt, stream, offset } = place;
        let (text, matched) = cut(text, matched.start, matched.end);
        let label = attempt.job.to_string();
        self.found.hits.push(Hit { attempt, label, stream, offset, text, matched });
    }
}

/// Reads a line with its end, of a longer one [`LINE_BYTES`]. Zero is the end of the file.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    reader.take(LINE_BYTES as u64).read_until(b'\n', line)
}

/// Cuts a line around its match; returns where in the rest the match is.
fn cut(text: &str, from: usize, to: usize) -> (String, (u32, u32)) {
    let begin = match text.len() > HIT_BYTES {
        true => text.floor_char_boundary(from.saturating_sub(BEFORE_BYTES)),
        false => 0,
    };
    let end = text.floor_char_boundary((begin + HIT_BYTES).min(text.len()));
    let mut cut = String::new();
    if begin > 0 {
        cut.push('…');
    }
    let shift = |at: usize| u32::try_from(at.clamp(begin, end) - begin).unwrap_or(0);
    let mark = u32::try_from(cut.len()).unwrap_or(0);
    let matched = (mark + shift(from), mark + shift(to));
    cut.push_str(&text[begin..end]);
    if end < text.len() {
        cut.push('…');
    }
    (cut, matched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Pattern;
    use std::cell::Cell;
    use std::fs;
    use std::path::Path;

    /// A run's folder with the output of ended attempts: name and text of each file.
    fn run(files: &[(&str, &str)]) -> (tempfile::TempDir, Outputs) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("output")).unwrap();
        for (name, text) in files {
            write(dir.path(), name, text);
        }
        let outputs = Outputs::new(dir.path());
        (dir, outputs)
    }

    fn write(dir: &Path, name: &str, text: &str) {
        fs::write(dir.join("output").join(name), text).unwrap();
    }

    fn what(pattern: &str) -> What {
        let matcher = Pattern::typed(pattern).matcher().unwrap();
        What { matcher, job: None, stream: None, from: None, max_hits: 100 }
    }

    /// Job, attempt, stream, offset of each hit.
    fn places(found: &Found) -> Vec<(u32, u32, Stream, u64)> {
        let place = |h: &Hit| (h.attempt.job.0, h.attempt.n, h.stream, h.offset);
        found.hits.iter().map(place).collect()
    }

    const FILES: &[(&str, &str)] = &[
        ("1-1.out", "all good\nan error here\n"),
        ("1-1.err", "Error: first\n"),
        ("1-2.out", "error again"),
        ("2-1.out", "\x1b[31mer\x1b[0mror in colour\nprogress\rerror wins\nerror lost\rfine\n"),
        ("10-1.err", "error last\n"),
        ("slot-3.out", "error of nobody\n"),
    ];

    #[test]
    fn lines_of_all_attempts_are_found_as_they_are_drawn() {
        use Stream::{Stderr, Stdout};
        let (_dir, outputs) = run(FILES);
        let found = find(&outputs, &what("error"), &|| false).unwrap();
        let all = [
            (1, 1, Stdout, 9),
            (1, 1, Stderr, 0),
            (1, 2, Stdout, 0),
            (2, 1, Stdout, 0),
            (2, 1, Stdout, 25),
            (10, 1, Stderr, 0),
        ];
        assert_eq!((places(&found).as_slice(), found.next), (all.as_slice(), None));
        let texts: Vec<_> = found.hits.iter().map(|h| h.text.as_str()).collect();
        assert_eq!(texts[3..5], ["error in colour", "error wins"]);
        for hit in &found.hits {
            let (from, to) = hit.matched;
            assert_eq!(hit.text[from as usize..to as usize].to_lowercase(), "error");
        }
        let of_job = What { job: Some((JobNo(1), None)), ..what("error") };
        assert_eq!(places(&find(&outputs, &of_job, &|| false).unwrap()), all[..3]);
        let of_attempt = What { job: Some((JobNo(1), Some(2))), ..what("error") };
        assert_eq!(places(&find(&outputs, &of_attempt, &|| false).unwrap()), all[2..3]);
        let of_stream = What { stream: Some(Stderr), ..what("error") };
        assert_eq!(places(&find(&outputs, &of_stream, &|| false).unwrap()), [all[1], all[5]]);
    }

    #[test]
    fn a_search_goes_on_where_it_stopped() {
        let (_dir, outputs) = run(FILES);
        let whole = find(&outputs, &what("error"), &|| false).unwrap();
        let mut hits = Vec::new();
        let mut from = None;
        loop {
            let step = What { from, max_hits: 1, ..what("error") };
            let found = find(&outputs, &step, &|| false).unwrap();
            assert!(found.hits.len() <= 1);
            hits.extend(found.hits);
            from = found.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(hits, whole.hits);
    }

    #[test]
    fn an_answer_reads_only_so_much_and_can_be_ended() {
        let (dir, outputs) = run(&[]);
        let line = format!("{}\n", "x".repeat(99));
        for job in 1..=3 {
            write(dir.path(), &format!("{job}-1.out"), &line.repeat(SEARCH_BYTES as usize / 200));
        }
        let checks = Cell::new(0);
        let count = || {
            checks.set(checks.get() + 1);
            false
        };
        let found = find(&outputs, &what("y"), &count).unwrap();
        let next = found.next.unwrap();
        assert_eq!(next.attempt.job, JobNo(2), "two halves and what opening costs");
        assert!(found.searched_bytes <= SEARCH_BYTES + READ_BYTES as u64);
        assert!(checks.get() >= SEARCH_BYTES as usize / READ_BYTES);
        let rest = find(&outputs, &What { from: Some(next), ..what("y") }, &|| false).unwrap();
        assert!(rest.next.is_none() && rest.searched_bytes < SEARCH_BYTES);

        checks.set(0);
        let soon = || {
            count();
            checks.get() > 3
        };
        assert!(find(&outputs, &what("y"), &soon).is_err());
        assert_eq!(checks.get(), 4, "it went on");
    }

    #[test]
    fn many_small_files_are_work_too() {
        let (dir, outputs) = run(&[]);
        let n = SEARCH_BYTES / FILE_COST + 10;
        for job in 1..=n {
            write(dir.path(), &format!("{job}-1.out"), "x\n");
        }
        let found = find(&outputs, &what("y"), &|| false).unwrap();
        assert!(found.next.is_some_and(|next| u64::from(next.attempt.job.0) < n));
    }

    #[test]
    fn long_lines_are_cut_around_the_match() {
        let (_dir, outputs) =
            run(&[("1-1.out", &format!("{}日needle日{}", "é".repeat(900), "z".repeat(900)))]);
        let found = find(&outputs, &what("needle"), &|| false).unwrap();
        let hit = &found.hits[0];
        assert!(
            hit.text.len() < HIT_BYTES + 10 && hit.text.starts_with('…') && hit.text.ends_with('…')
        );
        let (from, to) = hit.matched;
        assert_eq!(&hit.text[from as usize..to as usize], "needle");
    }

    #[test]
    fn a_new_search_ends_the_one_before_it_and_only_that() {
        let mut searches = Searches::default();
        let (queue, _messages) = mpsc::channel(1);
        let (_dir, outputs) = run(&[]);
        let mut begin = |client| {
            let cancelled = Arc::new(AtomicBool::default());
            let what = what("x");
            let outputs = outputs.clone();
            let order = Order { client, id: 1, what, outputs, cancelled: Arc::clone(&cancelled) };
            searches.begin(order, &queue).unwrap();
            cancelled
        };
        let (first, other, second) = (begin(1), begin(2), begin(1));
        let ended = [first, other, second].map(|c| c.load(Ordering::Relaxed));
        assert_eq!(ended, [true, false, false]);
    }
}
