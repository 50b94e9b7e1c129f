//! The local back end with real processes, and the contract that every back end keeps.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use ganger::exec::{
    Backend, Capabilities, Local, LocalOptions, Outputs, SHIM_VERB, Shim, Stream, path_of,
    sweep_run,
};
use ganger::model::exec::LimitMeans;
use ganger::model::{
    AttemptId, ExecReport, Exit, JobNo, LaunchOrder, Limits, ProcRef, RunLocation, Stdin, Stdout,
    StopReason, TtySize, Usage,
};
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use tempfile::TempDir;

mod limits;
mod output;
mod starting;
mod trees;

/// Far beyond what anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// All tests share one process, which adopts the orphans of all of them. A test whose orphans
/// carry no marks holds this alone: only then is it sure whose they are.
static UNMARKED: RwLock<()> = RwLock::new(());

enum Guard {
    Shared(#[allow(dead_code)] RwLockReadGuard<'static, ()>),
    Alone(#[allow(dead_code)] RwLockWriteGuard<'static, ()>),
}

fn shared() -> Guard {
    Guard::Shared(UNMARKED.read().unwrap_or_else(|e| e.into_inner()))
}

fn alone() -> Guard {
    Guard::Alone(UNMARKED.write().unwrap_or_else(|e| e.into_inner()))
}

/// Returns the helper program, built by `cargo test`, or here when only this binary was.
fn fake_worker() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let exe = std::env::current_exe().unwrap();
        let profile = exe.parent().unwrap().parent().unwrap();
        let program = profile.join("examples/fake_worker");
        if !program.exists() {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--example", "fake_worker"]);
            if profile.ends_with("release") {
                build.arg("--release");
            }
            assert!(build.status().unwrap().success(), "cannot build fake_worker");
        }
        program
    })
}

/// A back end with a folder and a mark of its own.
struct Rig<B: Backend = Local> {
    backend: B,
    outputs: Outputs,
    reports: Receiver<ExecReport>,
    dir: TempDir,
    mark: String,
    last_job: u32,
    _guard: Guard,
}

fn rig() -> Rig {
    rig_with(LocalOptions::default(), shared())
}

fn rig_with(options: LocalOptions, guard: Guard) -> Rig {
    make_rig(guard, |location, sink| {
        let shim = Shim { program: fake_worker().to_owned(), verb: SHIM_VERB.to_owned() };
        let options = LocalOptions { shim: Some(shim), ..options };
        Local::start(location, options, sink).unwrap()
    })
}

fn make_rig<B: Backend>(
    guard: Guard,
    start: impl FnOnce(RunLocation, ganger::exec::ReportSink) -> B,
) -> Rig<B> {
    static N: AtomicU32 = AtomicU32::new(0);
    let dir = tempfile::tempdir().unwrap();
    let mark = format!("test{}-{}", std::process::id(), N.fetch_add(1, Ordering::Relaxed));
    let location = RunLocation {
        mark: mark.clone(),
        dir: dir.path().to_owned(),
        socket: dir.path().join("socket"),
    };
    let (sender, reports) = channel();
    let backend = start(location, Box::new(move |report| drop(sender.send(report))));
    let outputs = Outputs::new(dir.path());
    Rig { backend, outputs, reports, dir, mark, last_job: 0, _guard: guard }
}

/// How an attempt ended, from all its reports.
#[derive(Debug)]
struct End {
    exit: Exit,
    usage: Usage,
    leftovers: u32,
    oom_killed: Option<bool>,
    /// (swept, unkillable), when there was a `TreeGone`.
    gone: Option<(u32, u32)>,
}

impl<B: Backend> Rig<B> {
    /// An order for the next job, with its marks in the environment.
    fn order(&mut self, argv: &[&str]) -> LaunchOrder {
        self.last_job += 1;
        let job = self.last_job;
        let pair = |name: &str, value: String| (name.into(), value.into_bytes());
        LaunchOrder {
            attempt: AttemptId { job: JobNo(job), n: 1 },
            slot_key: 1,
            argv: argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
            env: Arc::new(vec![pair("PATH", std::env::var("PATH").unwrap())]),
            job_env: vec![
                pair("GANGER_RUN", self.mark.clone()),
                pair("GANGER_JOB", job.to_string()),
                pair("GANGER_ATTEMPT", "1".into()),
            ],
            workdir: self.dir.path().to_owned(),
            stdin: Stdin::Null,
            stdout: Stdout::Kept,
            stderr: Stdout::Kept,
            tty: None,
            creates: None,
            nice: None,
            limits: Limits::default(),
            keep_leftovers: false,
        }
    }

    fn worker(&mut self, script: &str) -> LaunchOrder {
        self.order(&[fake_worker().to_str().unwrap(), script])
    }

    fn next(&self) -> ExecReport {
        self.reports.recv_timeout(PATIENCE).expect("no report came")
    }

    fn launch(&mut self, order: LaunchOrder) -> AttemptId {
        let attempt = order.attempt;
        self.backend.launch(order);
        attempt
    }

    /// Launches and waits until the attempt has a process.
    fn start(&mut self, order: LaunchOrder) -> (AttemptId, ProcRef) {
        let wanted = self.launch(order);
        match self.next() {
            ExecReport::Started { attempt, proc, .. } if attempt == wanted => (attempt, proc),
            other => panic!("not started but {other:?}"),
        }
    }

    fn start_worker(&mut self, script: &str) -> (AttemptId, ProcRef) {
        let order = self.worker(script);
        self.start(order)
    }

    /// Waits for the leader's end, and for the tree's when something was left.
    fn end(&mut self) -> End {
        let mut end = match self.next() {
            ExecReport::LeaderEnded { exit, usage, leftovers, oom_killed, .. } => {
                End { exit: exit.unwrap(), usage, leftovers, oom_killed, gone: None }
            }
            other => panic!("not ended but {other:?}"),
        };
        if end.leftovers > 0 {
            end.gone = Some(self.tree_gone());
        }
        end
    }

    fn tree_gone(&mut self) -> (u32, u32) {
        match self.next() {
            ExecReport::TreeGone { swept, unkillable, .. } => (swept, unkillable),
            other => panic!("tree not gone but {other:?}"),
        }
    }

    /// Kills and returns the end, with the `TreeGone` that every kill is answered by.
    fn kill(&mut self, attempt: AttemptId) -> End {
        self.backend.kill(attempt);
        let mut end = self.end();
        if end.gone.is_none() {
            end.gone = Some(self.tree_gone());
        }
        end
    }

    fn run(&mut self, order: LaunchOrder) -> End {
        self.start(order);
        self.end()
    }

    fn run_worker(&mut self, script: &str) -> End {
        let order = self.worker(script);
        self.run(order)
    }

    fn spawn_error(&mut self, order: LaunchOrder) -> String {
        self.launch(order);
        match self.next() {
            ExecReport::SpawnFailed { error, .. } => error,
            other => panic!("not refused but {other:?}"),
        }
    }

    fn read(&self, attempt: AttemptId, stream: Stream) -> String {
        let mut text = String::new();
        if let Some(mut file) = self.outputs.open(attempt, stream).unwrap() {
            file.read_to_string(&mut text).unwrap();
        }
        text
    }

    fn stdout(&self, attempt: AttemptId) -> String {
        self.read(attempt, Stream::Stdout)
    }

    /// Waits until the attempt has printed a line, and returns all of its output.
    fn wait_for_line(&self, attempt: AttemptId, line: &str) -> String {
        eventually(&format!("line `{line}`"), || {
            let text = self.stdout(attempt);
            text.lines().any(|l| l == line).then_some(text)
        })
    }

    /// The output of the last job.
    fn last_stdout(&self) -> String {
        self.stdout(AttemptId { job: JobNo(self.last_job), n: 1 })
    }

    fn last_stderr(&self) -> String {
        self.read(AttemptId { job: JobNo(self.last_job), n: 1 }, Stream::Stderr)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn output_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(ganger::exec::folder(self.dir.path())).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_nothing_alive(&self) {
        assert_eq!(marked(&self.mark), Vec::<i32>::new(), "still alive");
    }
}

impl Rig<Local> {
    fn with_outputs(mut self) -> Rig<Local> {
        self.outputs = self.backend.outputs();
        self
    }
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "{what} never came");
        std::thread::park_timeout(Duration::from_millis(3));
    }
}

/// Returns field 3 of `/proc/PID/stat`, `None` when there is no such process.
fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn is_alive(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

fn all_pids() -> Vec<i32> {
    let names =
        std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// Returns the living processes with this GANGER_RUN.
fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("GANGER_RUN={mark}");
    let has_mark = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|b| *b == 0).any(|e| e == wanted.as_bytes()))
    };
    all_pids().into_iter().filter(has_mark).filter(|pid| is_alive(*pid)).collect()
}

/// Returns the numbers of all lines `pid N`.
fn pids_in(text: &str) -> Vec<i32> {
    text.lines().filter_map(|line| line.strip_prefix("pid ")?.parse().ok()).collect()
}

fn contract<B: Backend>(make: impl Fn() -> Rig<B>) {
    let mut rig = make();
    let Capabilities { can_freeze, .. } = rig.backend.capabilities();

    let order = rig.order(&["sh", "-c", "echo out; echo err >&2; exit 3"]);
    let end = rig.run(order);
    assert_eq!((end.exit, end.leftovers, end.gone), (Exit::Code(3), 0, None));
    assert_eq!((end.usage.stdout_bytes, end.usage.stderr_bytes), (Some(4), Some(4)));
    assert_eq!((rig.last_stdout(), rig.last_stderr()), ("out\n".into(), "err\n".into()));

    let order = rig.order(&["sh", "-c", "kill -9 $$"]);
    assert_eq!(rig.run(order).exit, Exit::Signal(libc::SIGKILL));

    let order = rig.order(&["no-such-program"]);
    assert_eq!(rig.spawn_error(order), "program `no-such-program` not found on PATH");

    std::fs::write(rig.path("there"), "").unwrap();
    let mut order = rig.order(&["false"]);
    order.creates = Some(("there".into(), Vec::new()));
    rig.launch(order);
    assert!(matches!(rig.next(), ExecReport::UpToDate { .. }));

    let (attempt, _) = rig.start_worker("ignore TERM; fork {hang}; print ready; hang");
    rig.wait_for_line(attempt, "ready");
    rig.backend.signal(attempt, libc::SIGTERM);
    let end = rig.kill(attempt);
    assert_eq!((end.exit, end.gone), (Exit::Signal(libc::SIGKILL), Some((1, 0))));

    let (attempt, _) = rig.start_worker("print ready; hang");
    rig.wait_for_line(attempt, "ready");
    if can_freeze {
        rig.backend.freeze(attempt);
        rig.backend.thaw(attempt);
        rig.backend.freeze(attempt);
    }
    rig.backend.signal(attempt, libc::SIGTERM);
    assert_eq!(rig.end().exit, Exit::Signal(libc::SIGTERM));

    // Orders for what is over, or never was, do nothing.
    rig.backend.kill(attempt);
    rig.backend.thaw(AttemptId { job: JobNo(999), n: 1 });

    let (_, _) = rig.start_worker("ignore TERM; hang");
    rig.backend.shutdown();
    assert_eq!(rig.end().exit, Exit::Signal(libc::SIGKILL));
    assert_eq!(rig.tree_gone(), (0, 0));
    rig.backend.shutdown();
    rig.assert_nothing_alive();
}

#[test]
fn the_local_back_end_keeps_the_contract() {
    contract(|| rig().with_outputs());
}
