//! `ganger logs`: the output of a job, of a live run or an ended one, byte for byte. What is
//! asked for by lines is in [`lines`].

use super::args::LogsArgs;
use super::failure::Failure;
use super::{exit, lines, reach};
use crate::control::client;
use crate::control::kept::KeptTasks;
use crate::control::proto::{Role, ToClient, ToServer};
use crate::control::runs::KnownRun;
use crate::exec::{self, Outputs};
use crate::model::query::{OutputFrom, OutputPart, Query, Reply, Stream};
use crate::model::{AttemptId, Event, JobNo, JobPlace, JobRef};
use crate::report::{Link, SocketLink};
use std::io::{self, Write};
use std::time::Duration;

/// Bytes asked for at a time.
const PART_BYTES: u32 = 256 << 10;
/// How often a growing file is looked at: a person sees no difference to at once.
const LOOK: Duration = Duration::from_millis(100);

/// Prints the output of a job, byte for byte: its stdout on stdout, its stderr on stderr.
///
/// # Errors
/// When the run or the job is not there, or has not started.
pub fn logs(args: &LogsArgs) -> Result<i32, Failure> {
    let known = reach::find(args.on.run.as_deref())?;
    let Some(named) = args.job.as_ref().filter(|_| args.search.is_none() && !args.timestamps)
    else {
        return lines::lines(args, known);
    };
    if known.alive {
        let mut reached = reach::connect(known)?;
        let job = reached.job(named)?.row.job;
        let socket = &reached.known.socket;
        let id = reached.known.id.clone();
        let pid = std::process::id().cast_signed();
        let (sender, receiver, _) = client::connect(socket, Role::Guest { pid })
            .map_err(|e| reach::unreachable(&id, &e))?;
        let link = SocketLink::new(sender, receiver);
        Live { args, named, job, link, next_id: 0, ended: None, unsure: true, gone: false }.print()
    } else {
        ended(args, named, &known)
    }
}

fn wanted(args: &LogsArgs) -> Vec<Stream> {
    let both = !args.stdout && !args.stderr;
    let mut streams = Vec::new();
    if args.stdout || both {
        streams.push(Stream::Stdout);
    }
    if args.stderr || both {
        streams.push(Stream::Stderr);
    }
    streams
}

/// Prints bytes on the stream of the same name; `false` when the reader has seen enough.
fn print(stream: Stream, bytes: &[u8]) -> Result<bool, Failure> {
    let done = match stream {
        Stream::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        Stream::Stderr => io::stderr().write_all(bytes),
    };
    match done {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::own(format!("cannot print the output: {e}"))),
    }
}

/// What came of one look at an attempt.
enum Look {
    /// Nothing of it yet.
    NotStarted(String),
    Growing,
    Complete,
    /// The reader has seen enough.
    Enough,
}

struct Live<'a> {
    args: &'a LogsArgs,
    named: &'a JobRef,
    job: JobNo,
    link: SocketLink,
    next_id: u64,
    /// How many attempts the job had when it ended, once it has.
    ended: Option<u32>,
    /// Whether the job has ended must be asked: no message has told.
    unsure: bool,
    /// The run has ended, or its supervisor is gone.
    gone: bool,
}

impl Live<'_> {
    fn print(mut self) -> Result<i32, Failure> {
        let subscribe = ToServer::Subscribe { snapshots: false, events: self.args.follow };
        self.link.send(subscribe).map_err(|_| gone())?;
        // Without `-f` the last attempt is shown, with `-f` it and all that follow.
        let mut attempt = self.named.attempt;
        let mut offsets = [0, 0];
        loop {
            let look = self.look(&mut attempt, &mut offsets)?;
            match look {
                Look::Enough => return Ok(exit::OK),
                Look::NotStarted(why) if !self.args.follow || self.is_over() => {
                    return Err(Failure::usage(why, self.hint_of_no_output()));
                }
                // It will never start: one more look says why.
                Look::NotStarted(_) if std::mem::take(&mut self.unsure) && self.is_ended()? => {}
                Look::Growing | Look::Complete if !self.args.follow => return Ok(exit::OK),
                Look::Complete if self.named.attempt.is_some() => return Ok(exit::OK),
                Look::Complete if self.is_ended()? => {
                    let n = attempt.unwrap_or(1);
                    if self.ended.is_none_or(|attempts| n >= attempts) {
                        return Ok(exit::OK);
                    }
                    attempt = Some(n + 1);
                    offsets = [0, 0];
                }
                Look::NotStarted(_) | Look::Growing | Look::Complete => {
                    // A retry has another attempt.
                    if self.wait()? && matches!(look, Look::Complete) {
                        attempt = attempt.map(|n| n + 1);
                        offsets = [0, 0];
                    }
                }
            }
        }
    }

    fn hint_of_no_output(&self) -> String {
        let why = format!("`ganger why {}` says where it stands", self.job);
        if self.args.follow { format!("{why}.") } else { format!("{why}; -f waits for it.") }
    }

    fn is_over(&self) -> bool {
        self.gone || self.ended.is_some()
    }

    /// Prints what is new of an attempt, whose number is learnt from the first answer.
    fn look(&mut self, attempt: &mut Option<u32>, offsets: &mut [u64; 2]) -> Result<Look, Failure> {
        let mut complete = true;
        for (stream, offset) in wanted(self.args).into_iter().zip(offsets.iter_mut()) {
            loop {
                let job = JobRef { attempt: *attempt, ..JobRef::number(self.job) };
                let from = OutputFrom::Offset(*offset);
                let part =
                    match self.ask(Query::Output { job, stream, from, max_bytes: PART_BYTES })? {
                        Reply::Output(part) => part,
                        Reply::Refused { error } => return Ok(Look::NotStarted(error)),
                        _ => return Err(reach::misunderstood()),
                    };
                let OutputPart { attempt: of, bytes, complete: is_complete, .. } = part;
                *attempt = Some(of.n);
                *offset += bytes.0.len() as u64;
                if !bytes.0.is_empty() && !print(stream, &bytes.0)? {
                    return Ok(Look::Enough);
                }
                if bytes.0.is_empty() {
                    complete &= is_complete;
                    break;
                }
            }
        }
        Ok(if complete { Look::Complete } else { Look::Growing })
    }

    /// Asks whether the job has ended for good.
    fn is_ended(&mut self) -> Result<bool, Failure> {
        if self.is_over() {
            return Ok(true);
        }
        match self.ask(Query::Job { job: JobRef::number(self.job) })? {
            Reply::Job { job } => {
                let goes_on = ["blocked", "ready", "backing_off", "running"];
                if !goes_on.contains(&job.row.state.as_str()) {
                    self.ended = Some(job.row.attempts);
                }
                Ok(self.is_over())
            }
            _ => Err(reach::misunderstood()),
        }
    }

    /// Waits a little or until the job does something; `true` when it began another attempt.
    fn wait(&mut self) -> Result<bool, Failure> {
        match self.link.receive(LOOK) {
            Ok(Some(message)) => Ok(self.note(&message)),
            Ok(None) => Ok(false),
            Err(_) => {
                self.gone = true;
                Err(gone())
            }
        }
    }

    /// Takes in a message that answers nothing; `true` when it says that the job started again.
    fn note(&mut self, message: &ToClient) -> bool {
        match message {
            ToClient::Bye { .. } => self.gone = true,
            ToClient::Event { event, .. } => match **event {
                Event::JobEnded { job, attempts, .. } if job == self.job => {
                    self.ended = Some(attempts);
                }
                Event::AttemptLaunched { attempt, .. } if attempt.job == self.job => {
                    self.ended = None;
                    return attempt.n > 1;
                }
                // Which jobs are the rest of a task it does not say.
                Event::RestEnded { .. } => self.unsure = true,
                _ => {}
            },
            _ => {}
        }
        false
    }

    fn ask(&mut self, query: Query) -> Result<Reply, Failure> {
        self.next_id += 1;
        let id = self.next_id;
        self.link.send(ToServer::Query { id, query }).map_err(|_| gone())?;
        loop {
            match self.link.receive(Duration::from_secs(30)).map_err(|_| gone())? {
                Some(ToClient::Reply { id: of, reply }) if of == id => return Ok(*reply),
                Some(message) => {
                    self.note(&message);
                }
                None => return Err(Failure::own("the supervisor does not answer")),
            }
        }
    }
}

fn gone() -> Failure {
    Failure::own("the supervisor ended without a word")
}

/// Reads the files of a run that nobody supervises any more.
fn ended(args: &LogsArgs, named: &JobRef, known: &KnownRun) -> Result<i32, Failure> {
    let job = kept_job(&KeptTasks::read(&known.dir), named, known)?;
    let outputs = Outputs::new(&known.dir);
    let streams = [exec::Stream::Stdout, exec::Stream::Stderr];
    let written = |n: &u32| {
        let attempt = AttemptId { job, n: *n };
        streams.iter().any(|s| exec::path_of(&known.dir, attempt, *s).exists())
    };
    // Attempts that wrote nothing have no files, so the last that did is shown.
    let last = match named.attempt {
        Some(n) => Some(n).filter(written),
        None => last_attempt(known, job),
    };
    let Some(n) = last else {
        let _ = writeln!(io::stderr(), "no output of {} was kept", named);
        return Ok(exit::OK);
    };
    for stream in wanted(args) {
        let kept = match stream {
            Stream::Stdout => exec::Stream::Stdout,
            Stream::Stderr => exec::Stream::Stderr,
        };
        let file = outputs
            .open(AttemptId { job, n }, kept)
            .map_err(|e| Failure::own(format!("cannot read the output of {}: {e}", named)))?;
        let Some(mut file) = file else { continue };
        let copied = match stream {
            Stream::Stdout => io::copy(&mut file, &mut io::stdout().lock()),
            Stream::Stderr => io::copy(&mut file, &mut io::stderr().lock()),
        };
        match copied {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Failure::own(format!("cannot print the output: {e}")));
            }
            _ => {}
        }
    }
    Ok(exit::OK)
}

/// Finds the number of a job of a run that has ended.
pub(super) fn kept_job(
    kept: &Option<KeptTasks>,
    named: &JobRef,
    known: &KnownRun,
) -> Result<JobNo, Failure> {
    match (kept, &named.place) {
        (_, JobPlace::Number(job)) => Ok(*job),
        (Some(kept), place) => kept.find(place).map_err(|why| {
            Failure::usage(why, "The summary of the run and its report name the jobs.")
        }),
        (None, _) => Err(Failure::usage(
            format!(
                "run `{}` never came to its end, and which job `{named}` was is not kept",
                known.id
            ),
            "Name the job by its number: `:17`.",
        )),
    }
}

/// The last attempt of a job that has files, by their names `17-2.out`.
fn last_attempt(known: &KnownRun, job: JobNo) -> Option<u32> {
    let prefix = format!("{}-", job.0);
    let entries = std::fs::read_dir(exec::folder(&known.dir)).ok()?;
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (n, _) = name.strip_prefix(&prefix)?.split_once('.')?;
            n.parse().ok()
        })
        .max()
}
