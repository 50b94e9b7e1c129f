//! A supervisor that plays a script, for tests of front ends.

use super::link::{Gone, Link};
use super::streams::Streams;
use crate::control::proto::{ToClient, ToServer};
use crate::model::query::{JobDetail, JobRow, OutputFrom, OutputPart, Query, Reply, Stream};
use crate::model::{
    AttemptId, Event, Exit, JobNo, JobPlace, JobRef, Mono, Now, Outcome, RunInfo, Snapshot,
    StopReason, TaskIdx, TaskInfo, Text, Usage, Wall,
};
use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

/// A scripted run of two tasks, `a` with the jobs 1 to 3 and `b` with job 4.
pub(super) struct Script {
    pub(super) dir: tempfile::TempDir,
    pub(super) messages: VecDeque<ToClient>,
    outputs: HashMap<(JobNo, bool), PathBuf>,
    /// Replies name no file.
    pub(super) hide_paths: bool,
}

/// What the supervisor sends with an event.
pub(super) fn inputs_of(event: &Event) -> Vec<(String, Text)> {
    match event {
        Event::AttemptLaunched { .. } | Event::AttemptStarted { .. } | Event::JobEnded { .. } => {
            vec![("picture".into(), Text::from("cat.png")), ("raw".into(), Text(vec![0xff]))]
        }
        _ => Vec::new(),
    }
}

impl Script {
    pub(super) fn new() -> Script {
        let mut script = Script {
            dir: tempfile::tempdir().unwrap(),
            messages: VecDeque::new(),
            outputs: HashMap::new(),
            hide_paths: false,
        };
        script.event(Event::RunStarted { at: at(0) });
        script.event(Event::JobsAdded { task: TaskIdx(0), first: JobNo(1), count: 3 });
        script.event(Event::JobsAdded { task: TaskIdx(1), first: JobNo(4), count: 1 });
        script
    }

    pub(super) fn info(&self) -> RunInfo {
        let task = |name: &str| TaskInfo { name: name.into(), ..TaskInfo::default() };
        RunInfo {
            run: "brave-otter-x7k2".into(),
            name: "test".into(),
            file: "test.yaml".into(),
            supervisor_pid: 7,
            dir: self.dir.path().join("run").display().to_string(),
            tasks: vec![task("a"), task("b")],
            pools: vec!["default".into(), "io".into()],
            ..RunInfo::default()
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        let inputs = inputs_of(&event);
        self.messages.push_back(ToClient::Event { event: Box::new(event), inputs });
    }

    pub(super) fn snapshot(&mut self, snapshot: Snapshot) {
        self.messages.push_back(ToClient::Snapshot { snapshot: Box::new(snapshot) });
    }

    pub(super) fn bye(&mut self, exit_code: i32, trouble: Option<&str>) {
        self.messages
            .push_back(ToClient::Bye { exit_code, trouble: trouble.map(ToOwned::to_owned) });
    }

    /// One attempt of a job that prints this, and its end.
    pub(super) fn job(&mut self, job: u32, outcome: Outcome, exit: Exit, out: &[u8], err: &[u8]) {
        self.attempt(job, 1, outcome, exit, out, err);
        let task = TaskIdx(u32::from(job == 4));
        self.event(Event::JobEnded { job: JobNo(job), task, outcome, attempts: 1, at: at(1) });
    }

    pub(super) fn attempt(
        &mut self,
        job: u32,
        n: u32,
        outcome: Outcome,
        exit: Exit,
        out: &[u8],
        err: &[u8],
    ) {
        let output = self.dir.path().join("run/output");
        fs::create_dir_all(&output).unwrap();
        for (bytes, is_err) in [(out, false), (err, true)] {
            let path = output.join(format!("{job}-{n}-{is_err}"));
            fs::write(&path, bytes).unwrap();
            self.outputs.insert((JobNo(job), is_err), path);
        }
        self.event(Event::AttemptEnded {
            attempt: AttemptId { job: JobNo(job), n },
            task: TaskIdx(u32::from(job == 4)),
            outcome,
            exit: Some(exit),
            usage: Usage {
                stdout_bytes: Some(out.len() as u64),
                stderr_bytes: Some(err.len() as u64),
                ..Usage::default()
            },
            swept: 0,
            oom_killed: None,
            reason: None,
            error: None,
            at: at(1),
        });
    }

    /// The end of a silent job that TERM ended, at this moment.
    pub(super) fn stopped_job(
        &mut self,
        job: u32,
        outcome: Outcome,
        reason: Option<StopReason>,
        at: Now,
    ) {
        let task = TaskIdx(u32::from(job == 4));
        self.event(Event::AttemptEnded {
            attempt: AttemptId { job: JobNo(job), n: 1 },
            task,
            outcome,
            exit: Some(Exit::Signal(15)),
            usage: Usage { stdout_bytes: Some(0), stderr_bytes: Some(0), ..Usage::default() },
            swept: 0,
            oom_killed: None,
            reason,
            error: None,
            at,
        });
        self.event(Event::JobEnded { job: JobNo(job), task, outcome, attempts: 1, at });
    }

    /// The output of a job was not kept but sent to a file of the user.
    pub(super) fn send_elsewhere(&mut self, job: u32) {
        let path = self.dir.path().join("mine");
        fs::write(&path, "mine").unwrap();
        self.outputs.insert((JobNo(job), false), path);
    }

    fn reply(&self, query: &Query) -> Reply {
        let number = |job: &JobRef| match job.place {
            JobPlace::Number(job) => job,
            JobPlace::OfTask { .. } | JobPlace::OnlyOf { .. } => panic!("front ends ask by number"),
        };
        match query {
            Query::Job { job } => Reply::Job { job: Box::new(detail(number(job))) },
            Query::Output { job, stream, from, max_bytes } => {
                let key = (number(job), *stream == Stream::Stderr);
                Reply::Output(self.part(key, *from, *max_bytes as usize))
            }
            _ => Reply::Refused { error: "not in the script".into() },
        }
    }

    fn part(&self, key: (JobNo, bool), from: OutputFrom, max_bytes: usize) -> OutputPart {
        let path = &self.outputs[&key];
        let all = fs::read(path).unwrap();
        let offset = match from {
            OutputFrom::Tail => all.len().saturating_sub(max_bytes),
            OutputFrom::Offset(offset) => usize::try_from(offset).unwrap().min(all.len()),
            OutputFrom::After(_) => 0,
        };
        let bytes = all[offset..all.len().min(offset + max_bytes)].to_vec();
        OutputPart {
            attempt: AttemptId { job: key.0, n: 1 },
            path: (!self.hide_paths).then(|| path.to_str().unwrap().into()),
            offset: offset as u64,
            size: all.len() as u64,
            bytes: Text(bytes),
            complete: true,
            marks: Vec::new(),
        }
    }
}

impl Link for Script {
    fn send(&mut self, message: ToServer) -> Result<(), Gone> {
        if let ToServer::Query { id, query } = message {
            let reply = Box::new(self.reply(&query));
            // Behind what is under way, as over a real connection.
            let place = self.messages.len().min(1);
            self.messages.insert(place, ToClient::Reply { id, reply });
        }
        Ok(())
    }

    fn receive(&mut self, _wait: Duration) -> Result<Option<ToClient>, Gone> {
        self.messages.pop_front().map(Some).ok_or(Gone)
    }
}

pub(super) fn at(s: u64) -> Now {
    Now { mono: Mono(s * 1_000_000), wall: Wall(s.cast_signed() * 1_000_000) }
}

fn detail(job: JobNo) -> JobDetail {
    let row = JobRow::bare(job, TaskIdx(0), 1, String::new());
    JobDetail::bare(JobRow { inputs: format!("input-{}", job.0), ..row })
}

/// Streams into files, and how to read them back.
pub(super) struct Captured {
    dir: tempfile::TempDir,
}

impl Captured {
    pub(super) fn new() -> (Captured, Streams) {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(dir.path().join(name)).unwrap();
        let streams = Streams {
            out: file("out"),
            err: file("err"),
            out_colours: false,
            err_colours: false,
            out_is_terminal: false,
            err_is_terminal: false,
        };
        (Captured { dir }, streams)
    }

    pub(super) fn out(&self) -> Vec<u8> {
        fs::read(self.dir.path().join("out")).unwrap()
    }

    pub(super) fn out_text(&self) -> String {
        String::from_utf8(self.out()).unwrap()
    }

    pub(super) fn err_text(&self) -> String {
        fs::read_to_string(self.dir.path().join("err")).unwrap()
    }
}
