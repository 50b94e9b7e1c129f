//! `ganger logs` line by line: of all jobs with their names, with times, or only what matches.

use super::args::LogsArgs;
use super::failure::Failure;
use super::logs::kept_job;
use super::{exit, reach};
use crate::clock;
use crate::control::client;
use crate::control::kept::KeptTasks;
use crate::control::proto::{Role, ToClient, ToServer};
use crate::control::runs::KnownRun;
use crate::exec::{self, Outputs};
use crate::model::query::{
    Chunk, Found, Hit, Pace, Query, Recent, RecentCursor, Reply, Search, SearchScope, Stream,
};
use crate::model::{AttemptId, Event, JobNo, JobRef, Pattern, Wall};
use crate::report::{Link, SocketLink};
use crate::supervisor::search::{self, What};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// Bytes asked for at a time.
const PART_BYTES: u32 = 256 << 10;
/// Hits asked for at a time.
const HITS: u32 = 500;
/// How often new output is asked for: a person sees no difference to at once.
const LOOK: Duration = Duration::from_millis(100);

/// Prints lines of output on standard output.
///
/// # Errors
/// When the run or the job is not there, or the pattern is none.
pub fn lines(args: &LogsArgs, known: KnownRun) -> Result<i32, Failure> {
    let pattern = args.search.as_deref().map(Pattern::typed);
    let matcher = pattern.as_ref().map(Pattern::matcher).transpose().map_err(|error| {
        Failure::usage(error, "Plain text needs no slashes; `/…/` is a regular expression.")
    })?;
    let out = Printer { out: io::stdout().lock(), stamp: args.timestamps };
    if known.alive {
        let follow = Follow::connect(args, known)?;
        return match pattern {
            Some(pattern) => follow.search(pattern, out),
            None => follow.print(out),
        };
    }
    let kept = KeptTasks::read(&known.dir);
    let job = match &args.job {
        None => None,
        Some(named) => Some((kept_job(&kept, named, &known)?, named.attempt)),
    };
    let kept = kept.unwrap_or_default();
    let outputs = Outputs::new(&known.dir);
    match matcher {
        Some(matcher) => {
            let stream = only(args);
            let mut what = What { matcher, job, stream, from: None, max_hits: HITS };
            search_kept(&outputs, &mut what, &kept, out)
        }
        None => print_kept(&outputs, job, only(args), &kept, out),
    }
}

/// The stream that was chosen.
fn only(args: &LogsArgs) -> Option<Stream> {
    match (args.stdout, args.stderr) {
        (true, _) => Some(Stream::Stdout),
        (_, true) => Some(Stream::Stderr),
        _ => None,
    }
}

/// Writes lines: `time label | text` for stdout, with `!` for stderr.
struct Printer<W> {
    out: W,
    stamp: bool,
}

impl<W: Write> Printer<W> {
    /// Prints one line; `false` when the reader has seen enough.
    fn line(
        &mut self,
        label: &str,
        n: u32,
        stream: Stream,
        at: Option<Wall>,
        line: &[u8],
    ) -> Result<bool, Failure> {
        let mut text = Vec::with_capacity(line.len() + 64);
        if let Some(at) = at.filter(|_| self.stamp) {
            text.extend(at.rfc3339().into_bytes());
            text.push(b' ');
        }
        text.extend(label.as_bytes());
        if n > 1 {
            text.extend(format!("#{n}").into_bytes());
        }
        text.extend(match stream {
            Stream::Stdout => b" | ",
            Stream::Stderr => b" ! ",
        });
        text.extend(line.strip_suffix(b"\n").unwrap_or(line));
        text.push(b'\n');
        seen(self.out.write_all(&text))
    }

    fn chunk(&mut self, chunk: &Chunk) -> Result<bool, Failure> {
        for line in chunk.bytes.0.split_inclusive(|b| *b == b'\n') {
            let n = chunk.attempt.n;
            if !self.line(&chunk.label, n, chunk.stream, Some(chunk.at), line)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn hit(&mut self, hit: &Hit) -> Result<bool, Failure> {
        self.line(&hit.label, hit.attempt.n, hit.stream, None, hit.text.as_bytes())
    }

    fn flush(&mut self) -> Result<bool, Failure> {
        seen(self.out.flush())
    }
}

/// Whether the reader wants more.
fn seen(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::own(format!("cannot print the output: {e}"))),
    }
}

/// A live run.
struct Follow<'a> {
    args: &'a LogsArgs,
    link: SocketLink,
    /// The job, when one was named.
    job: Option<JobNo>,
    next_id: u64,
    /// Nothing more will come: the run, or the job that was named, has ended.
    ended: bool,
}

impl<'a> Follow<'a> {
    fn connect(args: &'a LogsArgs, known: KnownRun) -> Result<Follow<'a>, Failure> {
        let mut reached = reach::connect(known)?;
        let detail = args.job.as_ref().map(|job| reached.job(job)).transpose()?;
        let pid = std::process::id().cast_signed();
        let (sender, receiver, _) = client::connect(&reached.known.socket, Role::Guest { pid })
            .map_err(|e| reach::unreachable(&reached.known.id, &e))?;
        let link = SocketLink::new(sender, receiver);
        let ended = detail.as_ref().is_some_and(|detail| {
            let goes_on = ["blocked", "ready", "backing_off", "running"];
            !goes_on.contains(&detail.row.state.as_str())
        });
        let job = detail.map(|detail| detail.row.job);
        Ok(Follow { args, link, job, next_id: 0, ended })
    }

    fn print<W: Write>(mut self, mut out: Printer<W>) -> Result<i32, Failure> {
        let subscribe = ToServer::Subscribe { snapshots: false, events: self.args.follow };
        self.link.send(subscribe).map_err(|_| gone())?;
        let mut after: Option<RecentCursor> = None;
        loop {
            // What ended before this question is complete in its answer.
            let was_ended = self.ended;
            let query = Query::Recent { after, pace: Pace::Everything, max_bytes: PART_BYTES };
            let Reply::Recent(recent) = self.ask(query)? else {
                return Err(reach::misunderstood());
            };
            after = Some(recent.next);
            if !self.print_recent(&recent, &mut out)? {
                return Ok(exit::OK);
            }
            if recent.more {
                continue;
            }
            if !self.args.follow || was_ended {
                return Ok(exit::OK);
            }
            self.wait()?;
        }
    }

    /// Takes in what is told until it is time to look again.
    fn wait(&mut self) -> Result<(), Failure> {
        let until = clock::mono() + LOOK;
        while !self.ended {
            let left = until.since(clock::mono());
            match self.link.receive(left).map_err(|_| gone())? {
                Some(message) if !left.is_zero() => self.note(&message),
                Some(message) => {
                    self.note(&message);
                    break;
                }
                None => break,
            }
        }
        Ok(())
    }

    fn print_recent<W: Write>(
        &self,
        recent: &Recent,
        out: &mut Printer<W>,
    ) -> Result<bool, Failure> {
        if recent.left_out_bytes > 0 {
            let n = recent.left_out_bytes;
            let hint = "`ganger logs JOB` prints all of one job";
            let _stderr_may_be_closed =
                writeln!(io::stderr(), "{n} bytes of older output are left out; {hint}");
        }
        let only = only(self.args);
        let attempt = self.args.job.as_ref().and_then(|job| job.attempt);
        let wanted = |chunk: &&Chunk| {
            let AttemptId { job, n } = chunk.attempt;
            self.job.is_none_or(|wanted| wanted == job)
                && attempt.is_none_or(|wanted| wanted == n)
                && only.is_none_or(|stream| stream == chunk.stream)
        };
        for chunk in recent.chunks.iter().filter(wanted) {
            if !out.chunk(chunk)? {
                return Ok(false);
            }
        }
        out.flush()
    }

    fn search<W: Write>(mut self, pattern: Pattern, mut out: Printer<W>) -> Result<i32, Failure> {
        let scope = match (self.job, &self.args.job) {
            (Some(no), Some(job)) => {
                SearchScope::Job(JobRef { attempt: job.attempt, ..JobRef::number(no) })
            }
            _ => SearchScope::All,
        };
        let stream = only(self.args);
        let mut search = Search { pattern, scope, stream, from: None, max_hits: HITS };
        loop {
            let found = match self.ask(Query::Search(search.clone()))? {
                Reply::Found(found) => found,
                Reply::Refused { error } => {
                    return Err(Failure::usage(error, "`ganger status` shows what is there."));
                }
                _ => return Err(reach::misunderstood()),
            };
            search.from = found.next;
            if !print_found(&found, &mut out)? || found.next.is_none() {
                return Ok(exit::OK);
            }
        }
    }

    fn ask(&mut self, query: Query) -> Result<Reply, Failure> {
        self.next_id += 1;
        let id = self.next_id;
        self.link.send(ToServer::Query { id, query }).map_err(|_| gone())?;
        loop {
            match self.link.receive(Duration::from_secs(30)).map_err(|_| gone())? {
                Some(ToClient::Reply { id: of, reply }) if of == id => return Ok(*reply),
                Some(message) => self.note(&message),
                None => return Err(Failure::own("the supervisor does not answer")),
            }
        }
    }

    fn note(&mut self, message: &ToClient) {
        match message {
            ToClient::Bye { .. } => self.ended = true,
            ToClient::Event { event, .. } => match **event {
                Event::JobEnded { job, .. } if Some(job) == self.job => self.ended = true,
                Event::AttemptLaunched { attempt, .. } if Some(attempt.job) == self.job => {
                    self.ended = false;
                }
                _ => {}
            },
            _ => {}
        }
    }
}

fn print_found<W: Write>(found: &Found, out: &mut Printer<W>) -> Result<bool, Failure> {
    for hit in &found.hits {
        if !out.hit(hit)? {
            return Ok(false);
        }
    }
    out.flush()
}

fn gone() -> Failure {
    Failure::own("the supervisor ended without a word")
}

/// Searches the files of a run that has ended.
fn search_kept<W: Write>(
    outputs: &Outputs,
    what: &mut What,
    kept: &KeptTasks,
    mut out: Printer<W>,
) -> Result<i32, Failure> {
    loop {
        let mut found = search::find(outputs, what, &|| false).map_err(Failure::own)?;
        what.from = found.next;
        for hit in &mut found.hits {
            hit.label = kept.label(hit.attempt.job);
        }
        if !print_found(&found, &mut out)? || found.next.is_none() {
            return Ok(exit::OK);
        }
    }
}

/// Prints the files of a run that has ended, one after the other. When their lines were
/// written is not kept, only when the files last changed.
fn print_kept<W: Write>(
    outputs: &Outputs,
    job: Option<(JobNo, Option<u32>)>,
    only: Option<Stream>,
    tasks: &KeptTasks,
    mut out: Printer<W>,
) -> Result<i32, Failure> {
    let cannot = |e: io::Error| Failure::own(format!("cannot read the output: {e}"));
    let wanted =
        |a: &AttemptId| job.is_none_or(|(job, n)| a.job == job && n.is_none_or(|n| a.n == n));
    let streams = [(Stream::Stdout, exec::Stream::Stdout), (Stream::Stderr, exec::Stream::Stderr)];
    for attempt in outputs.attempts().map_err(cannot)?.into_iter().filter(wanted) {
        for (stream, kept) in streams {
            if only.is_some_and(|only| only != stream) {
                continue;
            }
            let Some(file) = outputs.open(attempt, kept).map_err(cannot)? else { continue };
            let meta = file.metadata().map_err(cannot)?;
            if !meta.is_file() {
                continue;
            }
            let at = Wall(meta.mtime() * 1_000_000 + meta.mtime_nsec() / 1_000);
            let label = tasks.label(attempt.job);
            let mut reader = BufReader::new(file);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).map_err(cannot)? > 0 {
                if !out.line(&label, attempt.n, stream, Some(at), &line)? {
                    return Ok(exit::OK);
                }
                line.clear();
            }
        }
    }
    out.flush()?;
    Ok(exit::OK)
}
