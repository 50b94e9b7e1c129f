//! Plain text: each job's output in one piece when it ends, and a summary.

use super::bar::Bar;
use super::book::Book;
use super::link::{Gone, Link, Talk};
use super::live::{BookNames, Live};
use super::streams::Streams;
use super::summary::{self, Details, Failure, Failures};
use super::{FAILED_ITSELF, Finish, words};
use crate::control::proto::ToClient;
use crate::model::event::unread_words;
use crate::model::harmless;
use crate::model::query::{OutputFrom, OutputPart, Query, Reply, Stream};
use crate::model::{
    AlertKind, AttemptId, Counts, Event, Exit, Hangs, JobNo, JobRef, Mono, Outcome, Requester,
    RunInfo, Snapshot, StopHow, StopReason, sentence,
};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// How jobs' output is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputMode {
    /// Byte for byte, stdout to stdout and stderr to stderr, each job in one piece.
    #[default]
    Grouped,
    /// As grouped, each line with the name of its job before it.
    Tagged,
    /// As grouped, only of jobs that did not end well.
    Failed,
    Nothing,
}

/// What a person chose.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainOptions {
    pub output: OutputMode,
    /// Every change is a line on standard error; there is no bar.
    pub live: bool,
}

/// Output up to this size comes with the reply; more is copied from its file by the kernel.
const SMALL_BYTES: u32 = 64 << 10;
/// Enough for the last lines of a failed job.
const TAIL_BYTES: u32 = 16 << 10;
/// Nothing is waited for but messages; this only bounds one wait.
const WAIT: Duration = Duration::from_secs(3600);

/// Follows a run to its end and prints it. Returns when the run has ended.
///
/// When standard output is closed (`| head`), printing ends and the run goes on. When it cannot
/// be written for another reason, that is said and the exit code is at least 3.
pub fn follow(
    link: &mut dyn Link,
    info: &RunInfo,
    options: PlainOptions,
    streams: &Streams,
) -> Finish {
    let mut plain = Plain {
        book: Book::new(info),
        info,
        options,
        streams,
        bar: Bar::new(cfg!(test) || options.live),
        live: options.live.then(Live::default),
        counts: Counts::default(),
        wall: Duration::ZERO,
        last: HashMap::new(),
        hangs: Hangs::default(),
        failures: Failures::default(),
        noticed: HashSet::new(),
        broken: None,
    };
    let end = plain.follow(link);
    plain.bar.finish();
    plain.say_the_end(end)
}

/// How a run was brought to its end, as the supervisor says it.
struct End {
    exit_code: i32,
    trouble: Option<String>,
}

/// The attempt of a job that ended last.
struct LastAttempt {
    attempt: AttemptId,
    exit: Option<Exit>,
    /// `Some(0)`: there is nothing to ask for.
    stdout_bytes: Option<u64>,
    stderr_bytes: Option<u64>,
    reason: Option<StopReason>,
    error: Option<String>,
}

struct Plain<'a> {
    book: Book<'a>,
    info: &'a RunInfo,
    options: PlainOptions,
    streams: &'a Streams,
    bar: Bar,
    live: Option<Live>,
    counts: Counts,
    wall: Duration,
    /// Of jobs between the end of an attempt and their own.
    last: HashMap<JobNo, LastAttempt>,
    /// Of jobs that have not ended.
    hangs: Hangs,
    failures: Failures,
    noticed: HashSet<String>,
    /// Why standard output or standard error takes no more, once it does not.
    broken: Option<io::ErrorKind>,
}

impl Plain<'_> {
    fn follow(&mut self, link: &mut dyn Link) -> Result<End, Gone> {
        let mut talk = Talk::begin(link)?;
        loop {
            match talk.next(WAIT)? {
                Some(ToClient::Snapshot { snapshot }) => self.take_snapshot(&snapshot),
                Some(ToClient::Event { event, .. }) => self.take_event(&mut talk, &event),
                Some(ToClient::Bye { exit_code, trouble }) => {
                    return Ok(End { exit_code, trouble });
                }
                Some(ToClient::Error { error }) => self.note(&format!("error: {error}")),
                _ => {}
            }
        }
    }

    fn take_snapshot(&mut self, snapshot: &Snapshot) {
        self.counts = snapshot.counts;
        self.wall = snapshot.at.mono.since(self.info.started_mono);
        for notice in &snapshot.notices {
            if self.noticed.insert(notice.clone()) {
                self.note(&format!("warning: {notice}"));
            }
        }
        let eaten = snapshot.alerts.iter().filter(|alert| alert.kind == AlertKind::Contention);
        for alert in eaten.filter(|_| self.live.is_none()) {
            // The numbers in it change, so it is told once.
            if self.noticed.insert(format!("{:?}", alert.kind)) {
                self.note(&format!("warning: {}\nhint: {}", alert.text, alert.hint));
            }
        }
        self.bar.show(snapshot);
        let lines = self.live.as_mut().map(|live| live.of_snapshot(snapshot));
        for line in lines.unwrap_or_default() {
            self.note(&line);
        }
    }

    fn take_event(&mut self, talk: &mut Talk<'_>, event: &Event) {
        self.book.learn(event);
        self.hangs.note(event);
        let now = event.at().map_or(Mono::default(), |at| at.mono);
        let line = self.live.as_mut().and_then(|live| live.of_event(event, &self.book, now));
        let line = line.or_else(|| self.trouble_of(event, now));
        if let Some(line) = line {
            self.note(&line);
        }
        match event {
            Event::AttemptEnded { attempt, exit, usage, reason, error, .. } => {
                let last = LastAttempt {
                    attempt: *attempt,
                    exit: *exit,
                    stdout_bytes: usage.stdout_bytes,
                    stderr_bytes: usage.stderr_bytes,
                    reason: *reason,
                    error: error.clone(),
                };
                self.last.insert(attempt.job, last);
            }
            Event::JobRetrying { job, .. } => {
                self.last.remove(job);
                self.failures.forget(*job);
            }
            Event::JobEnded { job, outcome, attempts, .. } => {
                self.end_job(talk, *job, *outcome, *attempts);
            }
            Event::InputsFailed { task, error } => {
                let words = unread_words(self.book.task(*task), error);
                self.note(&format!("error: {words}"));
                self.failures.unread.push(words.clone());
                // It comes as a notice too, for those who look later.
                self.noticed.insert(words);
            }
            Event::AttemptQuiet { attempt, quiet: true, .. } => self.note_quiet(*attempt),
            Event::RunStopping { how, by, why } => self.note_stopping(*how, by, why),
            Event::RunEnded { at, .. } => self.wall = at.mono.since(self.info.started_mono),
            _ => {}
        }
    }

    /// The line for what may keep a run from ever ending: nobody has to look for it.
    fn trouble_of(&self, event: &Event, now: Mono) -> Option<String> {
        let is_warning = match event {
            Event::LockNoticed { .. } => true,
            Event::DeadlockFound { .. }
            | Event::DeadlockGone { .. }
            | Event::StuckFound { .. }
            | Event::StuckGone { .. } => false,
            _ => return None,
        };
        let line = sentence::of_event(&BookNames(&self.book), event, now, None);
        let run = &self.info.run;
        Some(match event {
            _ if is_warning => format!("warning: {line}"),
            Event::DeadlockFound { .. } | Event::StuckFound { .. } => format!(
                "{line}\nhint: `ganger why JOB -r {run}` says more, `ganger kill JOB --preview -r {run}` \
                 what a kill would free."
            ),
            _ => line,
        })
    }

    fn note(&self, line: &str) {
        self.bar.without(|| self.streams.note(line));
    }

    fn note_quiet(&self, attempt: AttemptId) {
        let label = self.book.label(attempt.job);
        let job = attempt.job;
        self.note(&format!(
            "warning: {label} ({job}) is quiet: no CPU, no output, no I/O; \
             `ganger why {job}` says more, `ganger kill {job}` ends it"
        ));
    }

    fn note_stopping(&self, how: StopHow, by: &Requester, why: &str) {
        let next = match (how, by) {
            (StopHow::Drain, Requester::Signal { signal: 2 }) => {
                "; running jobs end first, Ctrl-C again stops them"
            }
            (StopHow::Stop, Requester::Signal { signal: 2 }) => "; Ctrl-C again kills",
            _ => "",
        };
        let verb = match how {
            StopHow::Drain => "draining",
            StopHow::Stop => "stopping",
            StopHow::Kill => "killing",
        };
        let why = if why.is_empty() { words::requester(by) } else { why.to_owned() };
        self.note(&format!("{verb}: {why}{next}"));
    }

    fn end_job(&mut self, talk: &mut Talk<'_>, job: JobNo, outcome: Outcome, attempts: u32) {
        let last = self.last.remove(&job);
        let hung_for = self.hangs.quiet_for(job);
        self.hangs.forget(job);
        let is_good = outcome.is_success();
        let is_bad = !is_good && !matches!(outcome, Outcome::Cancelled | Outcome::Skipped { .. });
        let printed = match self.options.output {
            OutputMode::Grouped | OutputMode::Tagged => true,
            OutputMode::Failed => is_bad,
            OutputMode::Nothing => false,
        };
        if let Some(last) = last.as_ref().filter(|_| printed) {
            self.print_output(talk, last);
        }
        // Whoever killed a hung job wants to find it again, although it is no failure.
        if is_bad || (!is_good && hung_for.is_some()) {
            let details = self.failures.wants_details().then(|| details(talk, job, last.as_ref()));
            let reason = last.as_ref().and_then(|last| last.reason);
            let exit = last.and_then(|last| last.exit);
            let label = self.book.label(job);
            let failure = Failure { label, outcome, exit, attempts, reason, hung_for, details };
            self.failures.add(job, failure);
        } else {
            self.failures.forget(job);
        }
    }

    fn print_output(&mut self, talk: &mut Talk<'_>, last: &LastAttempt) {
        let streams = [(Stream::Stdout, last.stdout_bytes), (Stream::Stderr, last.stderr_bytes)];
        for (stream, bytes) in streams {
            if bytes == Some(0) || self.broken.is_some() {
                continue;
            }
            let Some(part) = ask_output(talk, last.attempt, stream, OutputFrom::Offset(0)) else {
                continue;
            };
            if part.size == 0 || !self.is_kept(&part) {
                continue;
            }
            let done = self.bar.without(|| self.print_part(talk, last.attempt, stream, &part));
            if let Err(e) = done {
                self.broken = Some(e.kind());
                if e.kind() != io::ErrorKind::BrokenPipe {
                    self.note(&format!("error: cannot print the output of jobs: {e}"));
                }
            }
        }
    }

    /// Whether a stream was kept by ganger and not sent to a file that the task names.
    fn is_kept(&self, part: &OutputPart) -> bool {
        let Some(path) = &part.path else { return true };
        let path = Path::new(OsStr::from_bytes(&path.0));
        // In the run's folder stands a link to a file that the task names.
        path.starts_with(&self.info.dir) && !path.is_symlink()
    }

    /// Prints one stream of one attempt, from its start.
    fn print_part(
        &self,
        talk: &mut Talk<'_>,
        attempt: AttemptId,
        stream: Stream,
        part: &OutputPart,
    ) -> io::Result<()> {
        let label = self.book.label(attempt.job);
        let mut sink = Sink::new(self.streams, stream, self.options.output, &label);
        let n = part.bytes.0.len() as u64;
        if n >= part.size {
            sink.write(&part.bytes.0)?;
            return sink.end();
        }
        let file = part.path.as_ref().and_then(|path| open_at(&path.0, part.offset));
        if let Some(mut file) = file {
            sink.copy(&mut file, part.size)?;
            return sink.end();
        }
        // The file is out of reach, so the supervisor hands it over piece by piece.
        sink.write(&part.bytes.0)?;
        let mut offset = part.offset + n;
        while let Some(next) = ask_output(talk, attempt, stream, OutputFrom::Offset(offset)) {
            if next.bytes.0.is_empty() {
                break;
            }
            sink.write(&next.bytes.0)?;
            offset += next.bytes.0.len() as u64;
        }
        sink.end()
    }

    fn say_the_end(&self, end: Result<End, Gone>) -> Finish {
        let mut text = summary::text(&self.info.run, &self.counts, self.wall, &self.failures);
        let mut exit_code = match &end {
            Ok(end) => end.exit_code,
            Err(Gone) => FAILED_ITSELF,
        };
        match end {
            Ok(End { trouble: Some(trouble), .. }) => text += &format!("error: {trouble}\n"),
            Ok(_) => {}
            Err(gone) => {
                text += &format!(
                    "error: cannot follow run `{run}`: {gone}\n\
                     hint: `ganger stop {run}` ends what it may have left.\n",
                    run = self.info.run
                );
            }
        }
        if self.broken.is_some_and(|kind| kind != io::ErrorKind::BrokenPipe) && exit_code == 0 {
            exit_code = FAILED_ITSELF;
        }
        let _ = (&self.streams.err).write_all(text.as_bytes());
        Finish { exit_code }
    }
}

fn ask_output(
    talk: &mut Talk<'_>,
    attempt: AttemptId,
    stream: Stream,
    from: OutputFrom,
) -> Option<OutputPart> {
    let max_bytes = if from == OutputFrom::Tail { TAIL_BYTES } else { SMALL_BYTES };
    let job = JobRef { attempt: Some(attempt.n), ..JobRef::number(attempt.job) };
    match talk.ask(Query::Output { job, stream, from, max_bytes })? {
        Reply::Output(part) => Some(part),
        _ => None,
    }
}

fn open_at(path: &[u8], offset: u64) -> Option<File> {
    let mut file = File::open(OsStr::from_bytes(path)).ok()?;
    file.seek(SeekFrom::Start(offset)).ok()?;
    Some(file)
}

/// Asks for what the summary shows of a failed job: its inputs and its last lines.
fn details(talk: &mut Talk<'_>, job: JobNo, last: Option<&LastAttempt>) -> Details {
    let inputs = match talk.ask(Query::Job { job: JobRef::number(job) }) {
        Some(Reply::Job { job }) => {
            harmless::harmless_line(job.row.inputs.as_bytes(), summary::LINE_CHARS)
        }
        _ => String::new(),
    };
    let error = last.and_then(|last| last.error.as_deref());
    let error = error.map(|e| harmless::harmless_line(e.as_bytes(), 500));
    let mut last_lines = Vec::new();
    if let Some(last) = last {
        let streams = [(Stream::Stderr, last.stderr_bytes), (Stream::Stdout, last.stdout_bytes)];
        for (stream, bytes) in streams {
            if bytes == Some(0) || !last_lines.is_empty() {
                continue;
            }
            if let Some(part) = ask_output(talk, last.attempt, stream, OutputFrom::Tail) {
                let (lines, chars) = (summary::LAST_LINES, summary::LINE_CHARS);
                last_lines = harmless::last_lines(&part.bytes.0, lines, chars);
            }
        }
    }
    Details { inputs, error, last_lines }
}

/// Where one stream of one attempt is printed, with or without tags.
struct Sink<'a> {
    file: &'a File,
    /// What stands before each line; `None`: bytes go through as they are.
    tag: Option<Vec<u8>>,
    /// What comes next must begin a line: with tags, and on a terminal, where the progress
    /// bar would wipe out an unfinished one.
    ends_lines: bool,
    at_line_start: bool,
}

impl Sink<'_> {
    fn new<'a>(streams: &'a Streams, stream: Stream, mode: OutputMode, label: &str) -> Sink<'a> {
        let (file, colours, mark, colour) = match stream {
            Stream::Stdout => (&streams.out, streams.out_colours, '|', "\x1b[36m"),
            Stream::Stderr => (&streams.err, streams.err_colours, '!', "\x1b[33m"),
        };
        let is_terminal = match stream {
            Stream::Stdout => streams.out_is_terminal,
            Stream::Stderr => streams.err_is_terminal,
        };
        let tag = (mode == OutputMode::Tagged).then(|| {
            let plain = format!("{label} {mark} ");
            if colours { format!("{colour}{plain}\x1b[0m").into_bytes() } else { plain.into() }
        });
        let ends_lines = tag.is_some() || is_terminal;
        Sink { file, tag, ends_lines, at_line_start: true }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tag) = &self.tag else {
            self.at_line_start = bytes.last().is_none_or(|b| *b == b'\n');
            return self.file.write_all(bytes);
        };
        let mut tagged = Vec::with_capacity(bytes.len() * 2);
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            if self.at_line_start {
                tagged.extend_from_slice(tag);
            }
            tagged.extend_from_slice(line);
            self.at_line_start = line.ends_with(b"\n");
        }
        self.file.write_all(&tagged)
    }

    /// Copies a file of `size` bytes from where it stands.
    fn copy(&mut self, from: &mut File, size: u64) -> io::Result<()> {
        if self.tag.is_none() {
            let mut last = [b'\n'];
            let _only_matters_on_a_terminal = from.read_at(&mut last, size.saturating_sub(1));
            self.at_line_start = last == [b'\n'];
            // File to file: the kernel copies, whatever the size.
            return io::copy(from, &mut self.file).map(|_| ());
        }
        let mut buffer = vec![0; usize::try_from(SMALL_BYTES).unwrap_or(1 << 16)];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => self.write(&buffer[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.ends_lines && !self.at_line_start {
            self.at_line_start = true;
            return self.file.write_all(b"\n");
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
