//! `ganger xray PID`: a tree of processes that ganger did not start, served to a screen in the
//! words of a run, so that the same panels show it. Every process stands where a worker would.
//!
//! It only looks, and passes on signals that a person sends to one process. What makes no sense
//! without a run is refused in words.

mod processes;
mod view;

use super::waits::named;
use super::xray::{Looks, Proof, Told, Xray, look_at};
use crate::clock;
use crate::control::proto::{PROTOCOL, ToClient, ToServer};
use crate::exec::signal_proc;
use crate::model::query::{Query, Reply};
use crate::model::waits::preview::Preview;
use crate::model::waits::report::Report;
use crate::model::{Answer, AttemptId, Command, Mono, ProcRef, RunInfo, Sample, signal_name};
use crate::probe::waits::{Root, Tracker};
use crate::probe::{Probe, WatchList};
use crate::xray::{self, Contention};
use processes::Processes;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// After somebody asked what waits, it is looked at more often for so long.
const WATCHED_FOR: Duration = Duration::from_secs(3);
/// How long is looked for somebody who is stuck before a kill: a person waits for the answer.
const PATIENCE: Duration = Duration::from_millis(200);
/// Happenings that wait for their turn.
const QUEUE: usize = 256;

/// Everything that can happen to an observer.
enum Happening {
    Front(ToServer),
    FrontGone,
    Sample(Arc<Sample>),
    Waits(Told),
    Previewed(u64, Box<Preview>),
    /// The command line of a process.
    Called(ProcRef, String),
}

/// An observer at work.
struct Observer {
    root: ProcRef,
    front: UnixStream,
    to_self: SyncSender<Happening>,
    watch: WatchList,
    xray: Option<Xray>,
    processes: Processes,
    sample: Arc<Sample>,
    report: Option<Report>,
    contention: Contention,
    seq: u64,
    began: Mono,
    /// The screen wants snapshots.
    wanted: bool,
    watched_until: Option<Mono>,
    ended: bool,
}

/// Starts to look at the tree of a process; returns the screen's end of the connection.
///
/// # Errors
/// When the system gives no threads or sockets.
pub fn start(root: ProcRef, name: &str, folder: PathBuf) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let (to_self, happenings) = sync_channel(QUEUE);
    let reader = BufReader::new(ours.try_clone()?);
    let to = to_self.clone();
    std::thread::Builder::new().name("front".to_owned()).spawn(move || read(reader, &to))?;
    let watch = WatchList::default();
    let to = to_self.clone();
    let probe = Probe::start(
        watch.clone(),
        move |sample| drop(to.try_send(Happening::Sample(sample))),
        |_| {},
    )?;
    let to = to_self.clone();
    let told = move |told| drop(to.send(Happening::Waits(told)));
    let xray = Xray::start(tracker, None, told)?;
    xray.follow(vec![Root { proc: root, attempt: None }]);
    let info = view::info(root, name, &folder);
    let mut observer = Observer {
        root,
        front: ours,
        to_self: to_self.clone(),
        watch,
        xray: Some(xray),
        processes: Processes::new(root, to_self),
        sample: Arc::default(),
        report: None,
        contention: Contention::default(),
        seq: 0,
        began: clock::mono(),
        wanted: false,
        watched_until: None,
        ended: false,
    };
    std::thread::Builder::new().name("observer".to_owned()).spawn(move || {
        observer.work(&info, &happenings);
        drop(probe);
    })?;
    Ok(theirs)
}

fn tracker() -> Box<dyn Looks> {
    let mut tracker = Tracker::new();
    tracker.set_frames(true);
    Box::new(tracker)
}

/// Reads what the screen says, line by line.
fn read(mut reader: BufReader<UnixStream>, to: &SyncSender<Happening>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        let happening = match reader.read_until(b'\n', &mut line) {
            Ok(1..) => match serde_json::from_slice(&line) {
                Ok(message) => Happening::Front(message),
                Err(_) => Happening::FrontGone,
            },
            _ => Happening::FrontGone,
        };
        let is_gone = matches!(happening, Happening::FrontGone);
        if to.send(happening).is_err() || is_gone {
            return;
        }
    }
}

impl Observer {
    /// Works until the screen leaves.
    fn work(&mut self, info: &RunInfo, happenings: &Receiver<Happening>) {
        loop {
            let patience = match self.watched_until {
                Some(until) => until.since(clock::mono()),
                None => WATCHED_FOR,
            };
            match happenings.recv_timeout(patience) {
                Ok(Happening::Front(message)) => self.said(message, info),
                Ok(Happening::Sample(sample)) => self.sampled(sample),
                Ok(Happening::Waits(told)) => self.saw(told),
                Ok(Happening::Previewed(id, preview)) => {
                    self.send(&reply(id, Reply::KillPreview { preview }));
                }
                Ok(Happening::Called(proc, text)) => self.processes.call(proc, text),
                Ok(Happening::FrontGone) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.watched_until.is_some_and(|until| until <= clock::mono()) {
                self.watched_until = None;
                self.xray.iter().for_each(|xray| xray.watch(false));
            }
        }
    }

    fn send(&mut self, message: &ToClient) {
        let Ok(mut line) = serde_json::to_vec(message) else { return };
        line.push(b'\n');
        // A screen that is gone says so at the other end.
        let _ = self.front.write_all(&line);
    }

    fn said(&mut self, message: ToServer, info: &RunInfo) {
        match message {
            ToServer::Hello { .. } => {
                let info = Box::new(info.clone());
                self.send(&ToClient::Hello { protocol: PROTOCOL, info });
            }
            ToServer::Subscribe { snapshots, .. } => {
                self.wanted = snapshots;
                self.publish();
            }
            ToServer::Command { id, command } => {
                let answer = self.done(&command);
                self.send(&ToClient::Answer { id, answer });
            }
            ToServer::Query { id, query } => self.asked(id, query),
            ToServer::Ask { .. } | ToServer::Signalled { .. } => {}
        }
    }

    fn done(&mut self, command: &Command) -> Answer {
        if let Command::Many { commands } = command {
            let answers: Vec<Answer> = commands.iter().map(|one| self.done(one)).collect();
            let done = answers.iter().filter(|a| matches!(a, Answer::Done(_))).count();
            let words = format!("{done} of {} done", answers.len());
            return if done > 0 { Answer::Done(words) } else { Answer::Refused(words) };
        }
        let (job, signal) = match command {
            Command::Kill { job, now: false } => (*job, libc::SIGTERM),
            Command::Kill { job, now: true } => (*job, libc::SIGKILL),
            Command::Signal { job, signal } => (*job, *signal),
            _ => {
                let why = "ganger did not start this tree: it can be looked at, and its processes \
                           can be sent signals, nothing else";
                return Answer::Refused(why.to_owned());
            }
        };
        let pid = job.0.cast_signed();
        let word = signal_name(signal);
        match self.processes.get(pid) {
            Some(proc) if signal_proc(proc, signal) => {
                Answer::Done(format!("{word} sent to pid {pid}"))
            }
            Some(_) => Answer::Refused(format!(
                "{word} was not sent to pid {pid}: it has ended, or is not yours"
            )),
            None => Answer::Refused(format!("pid {pid} has ended")),
        }
    }

    fn asked(&mut self, id: u64, query: Query) {
        let refused = |error: &str| Reply::Refused { error: error.to_owned() };
        let answer = match query {
            Query::Waits => {
                self.watched_until = Some(clock::mono() + WATCHED_FOR);
                self.xray.iter().for_each(|xray| xray.watch(true));
                Reply::Waits { report: self.report.clone().map(Box::new), why_not: None }
            }
            Query::KillPreview { attempts } => match self.preview(id, &attempts) {
                Ok(()) => return,
                Err(error) => refused(&error),
            },
            Query::Output { .. } | Query::Recent { .. } | Query::Search(_) => {
                refused("the output of processes that ganger did not start is not seen")
            }
            _ => refused("there is no run: ganger only looks at these processes"),
        };
        self.send(&reply(id, answer));
    }

    /// Finds out what a kill would do, on a thread of its own.
    fn preview(&self, id: u64, attempts: &[AttemptId]) -> Result<(), String> {
        let pids = attempts.iter().map(|attempt| attempt.job.0.cast_signed());
        let victims: Vec<ProcRef> = pids.filter_map(|pid| self.processes.get(pid)).collect();
        let (root, to) = (self.root, self.to_self.clone());
        let look = move || {
            let mut tracker = Tracker::new();
            tracker.set_roots(vec![Root { proc: root, attempt: None }]);
            let Proof { first, second } = look_at(&mut tracker, &mut |_| {}, PATIENCE);
            let preview = Box::new(xray::preview(&first, &second, &victims));
            drop(to.send(Happening::Previewed(id, preview)));
        };
        let thread = std::thread::Builder::new().name("preview".to_owned()).spawn(look);
        thread.map(drop).map_err(|e| format!("cannot start a thread to look: {e}"))
    }

    fn sampled(&mut self, sample: Arc<Sample>) {
        self.sample = sample;
        if !self.ended {
            self.processes.look(&self.watch, &self.sample);
            self.ended = self.processes.have_ended();
            if self.ended {
                (self.xray, self.report) = (None, None);
                self.contention.nobody_waits();
            }
        }
        self.publish();
    }

    fn saw(&mut self, told: Told) {
        if self.ended {
            return;
        }
        let mut report = match (told, &self.report) {
            (Told::News(report), _) => *report,
            (Told::Same(at), Some(report)) => return self.contention.still(at, report),
            (Told::Same(_), None) => return,
        };
        report.pid = Some(self.root.pid);
        self.processes.attribute(&mut report);
        self.contention.see(&mut report);
        named(&mut report);
        self.report = Some(report);
        self.publish();
    }

    fn publish(&mut self) {
        if self.wanted {
            self.seq += 1;
            let snapshot = Box::new(view::snapshot(self, clock::now()));
            self.send(&ToClient::Snapshot { snapshot });
        }
    }
}

fn reply(id: u64, reply: Reply) -> ToClient {
    ToClient::Reply { id, reply: Box::new(reply) }
}
