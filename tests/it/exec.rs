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
            secret: false,
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
                End { exit, usage, leftovers, oom_killed, gone: None }
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

// ---- the contract of every back end ----

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

// ---- ending trees ----

#[test]
fn a_kill_ends_a_grandchild_in_a_session_of_its_own_that_ignores_term() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker(
        "ignore TERM; fork {setsid; ignore TERM; fork {setsid; pid; print low; hang}; hang}; hang",
    );
    let text = rig.wait_for_line(attempt, "low");
    rig.backend.signal(attempt, libc::SIGTERM);
    let end = rig.kill(attempt);
    assert_eq!(end.exit, Exit::Signal(libc::SIGKILL));
    assert_eq!(end.gone, Some((2, 0)));
    assert!(!is_alive(pids_in(&text)[0]));
    rig.assert_nothing_alive();
}

#[test]
fn a_signal_reaches_the_whole_tree() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker("fork {setsid; print low; hang}; wait");
    rig.wait_for_line(attempt, "low");
    rig.backend.signal(attempt, libc::SIGTERM);
    assert_eq!(rig.end().exit, Exit::Signal(libc::SIGTERM));
    eventually("an empty tree", || marked(&rig.mark).is_empty().then_some(()));
}

#[test]
fn a_daemon_left_behind_is_counted_and_ended() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker("daemon {ignore TERM; ignore HUP; hang}; exit 0");
    match rig.next() {
        ExecReport::LeaderEnded { exit: Exit::Code(0), leftovers: 1, .. } => {}
        other => panic!("{other:?}"),
    }
    rig.backend.signal(attempt, libc::SIGTERM);
    rig.backend.kill(attempt);
    assert_eq!(rig.tree_gone(), (1, 0));
    rig.assert_nothing_alive();
}

#[test]
fn leftovers_that_go_by_themselves_are_noticed() {
    let mut rig = rig().with_outputs();
    let go = rig.path("go");
    rig.start_worker(&format!(
        "fork {{until {}}}; daemon {{until {}}}",
        go.display(),
        go.display()
    ));
    match rig.next() {
        ExecReport::LeaderEnded { leftovers: 2, .. } => {}
        other => panic!("{other:?}"),
    }
    std::fs::write(go, "").unwrap();
    assert_eq!(rig.tree_gone(), (0, 0));
}

#[test]
fn kept_leftovers_stay_alive_and_keep_their_output() {
    let mut rig = rig().with_outputs();
    let go = rig.path("go");
    let mut order = rig.worker(&format!("daemon {{until {}; print late}}", go.display()));
    order.keep_leftovers = true;
    let attempt = order.attempt;
    let end = rig.run(order);
    assert_eq!((end.exit, end.leftovers), (Exit::Code(0), 0));
    // The next attempt of the slot must not get the file that the daemon still has.
    assert_eq!(rig.run_worker("print other").exit, Exit::Code(0));
    assert_eq!(rig.last_stdout(), "other\n");
    assert_eq!(marked(&rig.mark).len(), 1);
    rig.backend.shutdown();
    assert_eq!(marked(&rig.mark).len(), 1);
    std::fs::write(go, "").unwrap();
    rig.wait_for_line(attempt, "late");
}

#[test]
fn a_daemon_without_marks_and_in_its_own_session_is_found() {
    let mut rig = rig_with(LocalOptions::default(), alone()).with_outputs();
    let ready = rig.path("ready");
    // It says through a file that it has cleared its environment, and only then is left.
    let script = format!(
        "daemon {{bare {{pid; daemon {{pid; fork {{until {0}.x}}; hang}}; hang}}}}; until {0}",
        ready.display()
    );
    let (attempt, _) = rig.start_worker(&script);
    let pids = eventually("two pids", || {
        let pids = pids_in(&rig.stdout(attempt));
        (pids.len() == 2).then_some(pids)
    });
    std::fs::write(&ready, "").unwrap();
    match rig.next() {
        ExecReport::LeaderEnded { leftovers: 3, .. } => {}
        other => panic!("{other:?}"),
    }
    rig.backend.kill(attempt);
    assert_eq!(rig.tree_gone(), (3, 0));
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
}

#[test]
fn a_fork_bomb_of_sessions_is_killed() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker("print ready; bomb 6");
    rig.wait_for_line(attempt, "ready");
    let end = rig.kill(attempt);
    assert_eq!(end.exit, Exit::Signal(libc::SIGKILL));
    assert_eq!(end.gone.unwrap().1, 0);
    rig.assert_nothing_alive();
}

#[test]
fn a_frozen_tree_stands_still_and_can_be_killed_or_asked_to_end() {
    let mut rig = rig().with_outputs();
    for ask in [false, true] {
        let (attempt, proc) = rig.start_worker("fork {setsid; pid; print low; hang}; hang");
        let low = pids_in(&rig.wait_for_line(attempt, "low"))[0];
        rig.backend.freeze(attempt);
        eventually("a stopped tree", || {
            (state(proc.pid) == Some('T') && state(low) == Some('T')).then_some(())
        });
        rig.backend.thaw(attempt);
        eventually("a tree that goes on", || {
            (state(proc.pid) == Some('S') && state(low) == Some('S')).then_some(())
        });
        rig.backend.freeze(attempt);
        if ask {
            rig.backend.signal(attempt, libc::SIGTERM);
            assert_eq!(rig.end().exit, Exit::Signal(libc::SIGTERM));
        } else {
            assert_eq!(rig.kill(attempt).gone, Some((1, 0)));
        }
        eventually("an empty tree", || marked(&rig.mark).is_empty().then_some(()));
    }
}

#[test]
fn many_kills_at_once_end_every_tree() {
    let mut rig = rig().with_outputs();
    let mut attempts = Vec::new();
    for slot in 0..12 {
        let mut order =
            rig.worker("fork {setsid; ignore TERM; print low; hang}; ignore TERM; hang");
        order.slot_key = slot;
        attempts.push(rig.start(order).0);
    }
    for attempt in &attempts {
        rig.wait_for_line(*attempt, "low");
    }
    attempts.iter().for_each(|attempt| rig.backend.kill(*attempt));
    let mut swept = 0;
    for _ in 0..2 * attempts.len() {
        match rig.next() {
            ExecReport::LeaderEnded { exit: Exit::Signal(libc::SIGKILL), .. } => {}
            ExecReport::TreeGone { swept: n, unkillable: 0, .. } => swept += n,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(swept, 12);
    rig.assert_nothing_alive();
}

#[test]
fn a_dead_run_is_swept_by_its_mark() {
    let _guard = shared();
    let mark = format!("dead{}", std::process::id());
    let mut children = Vec::new();
    for run in [mark.clone(), format!("{mark}/inner"), format!("{mark}x")] {
        let mut command = Command::new(fake_worker());
        command.args(["daemon {ignore TERM; fork {hang}; hang}; hang"]).env("GANGER_RUN", run);
        children.push(command.spawn().unwrap());
    }
    let all = [mark.clone(), format!("{mark}/inner"), format!("{mark}x")];
    eventually("all processes", || all.iter().all(|m| marked(m).len() == 3).then_some(()));
    assert_eq!(sweep_run(&mark), 6);
    assert_eq!((marked(&all[0]).len(), marked(&all[1]).len()), (0, 0));
    assert_eq!(marked(&all[2]).len(), 3, "another run was ended");
    assert_eq!(sweep_run(&all[2]), 3);
    assert_eq!(sweep_run(&mark), 0);
    children.iter_mut().for_each(|child| drop(child.wait()));
}

#[test]
fn zombies_of_a_running_job_do_not_pile_up() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker("orphans 40; print ready; hang");
    rig.wait_for_line(attempt, "ready");
    let me = std::process::id().to_string();
    let zombies = || {
        let is_mine = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<&str> =
                stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
            fields.first() == Some(&"Z") && fields.get(1) == Some(&me.as_str())
        };
        all_pids().into_iter().filter(is_mine).count()
    };
    // Other tests' leaders may be zombies for a moment; forty would be ours.
    eventually("zombies reaped", || (zombies() < 20).then_some(()));
    rig.kill(attempt);
}

// ---- what a job finds ----

#[test]
fn a_job_starts_clean() {
    let mut rig = rig().with_outputs();
    let _open = std::fs::File::open("/dev/null").unwrap();
    let script =
        "fds; status SigBlk; status SigIgn; status SigCgt; tty; cwd; env GANGER_JOB; env HOME";
    for with_shim in [false, true] {
        let mut order = rig.worker(script);
        order.nice = with_shim.then_some(0);
        assert_eq!(rig.run(order).exit, Exit::Code(0));
        let text = rig.last_stdout();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "fds 0 1 2");
        assert_eq!(lines[1], "SigBlk: 0000000000000000");
        // std of the helper itself ignores SIGPIPE (13) at its start, and handles two.
        assert_eq!(lines[2], "SigIgn: 0000000000001000");
        assert!(lines[4].starts_with("leads_session=true terminal=false tty=[0, 0, 0]"));
        assert_eq!(lines[5], rig.dir.path().to_str().unwrap());
        assert_eq!(lines[6], format!("GANGER_JOB={}", rig.last_job));
        assert_eq!(lines[7], "HOME=");
        // A program that does nothing about signals shows SIGPIPE at its default too.
        let mut order = rig.order(&["cat", "/proc/self/status"]);
        order.nice = with_shim.then_some(0);
        rig.run(order);
        let text = rig.last_stdout();
        let signals: Vec<&str> = text.lines().filter(|line| line.starts_with("Sig")).collect();
        for name in ["SigBlk", "SigIgn", "SigCgt"] {
            assert!(
                signals.contains(&format!("{name}:\t0000000000000000").as_str()),
                "{signals:?}"
            );
        }
    }
}

#[test]
fn standard_input_is_empty_a_text_or_a_file() {
    let mut rig = rig().with_outputs();
    let long = "0123456789".repeat(100_000);
    std::fs::write(rig.path("in"), "from a file\n").unwrap();
    for (stdin, expected) in [
        (Stdin::Null, ""),
        (Stdin::Text(long.clone().into_bytes()), long.as_str()),
        (Stdin::File("in".into()), "from a file\n"),
    ] {
        let mut order = rig.worker("cat");
        order.stdin = stdin;
        assert_eq!(rig.run(order).exit, Exit::Code(0));
        assert!(rig.last_stdout() == expected);
    }
    // Nobody reads the text: nothing may hang.
    let mut order = rig.order(&["true"]);
    order.stdin = Stdin::Text(long.into_bytes());
    assert_eq!(rig.run(order).exit, Exit::Code(0));

    let mut order = rig.order(&["true"]);
    order.stdin = Stdin::File("missing".into());
    let error = rig.spawn_error(order);
    assert!(error.starts_with("cannot open standard input `"), "{error}");
    assert!(error.ends_with("missing`: it does not exist"), "{error}");
}

#[test]
fn a_job_with_tty_has_a_terminal_of_its_own() {
    let mut rig = rig().with_outputs();
    let mut order = rig.worker("tty; eprint err; flood 100000; print; raise TERM");
    order.tty = Some(TtySize { cols: 91, rows: 17 });
    let end = rig.run(order);
    assert_eq!(end.exit, Exit::Signal(libc::SIGTERM));
    let text = rig.last_stdout();
    assert!(
        text.starts_with("leads_session=true terminal=true tty=[1, 1, 1] size=91x17\r\nerr\r\n"),
        "{}",
        &text[..100]
    );
    assert_eq!(text.matches('x').count(), 100_000 + 1, "one in the size, the rest flooded");
    assert_eq!(end.usage.stdout_bytes, Some(text.len() as u64));
    assert_eq!((end.usage.stderr_bytes, rig.last_stderr()), (Some(0), String::new()));
    // One that leaves its terminal to a child, and one that is killed.
    let mut order = rig.worker("fork {ignore HUP; print low; hang}; hang");
    order.tty = Some(TtySize { cols: 80, rows: 24 });
    let (attempt, _) = rig.start(order);
    rig.wait_for_line(attempt, "low");
    assert_eq!(rig.kill(attempt).gone, Some((1, 0)));
}

// ---- output ----

#[test]
fn silent_jobs_create_no_files_and_loud_ones_have_their_own() {
    let mut rig = rig().with_outputs();
    for _ in 0..3 {
        let order = rig.order(&["true"]);
        rig.run(order);
    }
    assert_eq!(rig.output_names(), ["slot-1.err", "slot-1.out"]);
    rig.run_worker("print a; reopen b; print c");
    rig.run_worker("eprint e");
    let (attempt, _) = rig.start_worker("print running; hang");
    rig.wait_for_line(attempt, "running");
    assert_eq!(
        rig.output_names(),
        ["4-1.out", "5-1.err", "slot-1.err", "slot-1.out"],
        "an ended attempt owns its file, a running one that of its slot"
    );
    let progress = rig.outputs.progress(attempt).unwrap();
    assert_eq!((progress.stdout_bytes, progress.stderr_bytes), (Some(8), Some(0)));
    assert!(progress.last_write.is_some());
    let files = rig.outputs.files(attempt);
    assert!(files.stdout.unwrap().lossy().ends_with("/output/slot-1.out"));
    rig.kill(attempt);
    // What was written before the job reopened its output is lost, by the job's own doing;
    // what comes behind it neither overwrites nor leaves a hole.
    let text =
        std::fs::read(path_of(rig.dir.path(), AttemptId { job: JobNo(4), n: 1 }, Stream::Stdout));
    assert_eq!(text.unwrap(), b"b\nc\n");
    assert_eq!(rig.stdout(attempt), "running\n");
    assert_eq!(rig.outputs.progress(attempt), None);
    rig.backend.shutdown();
    assert_eq!(rig.output_names(), ["4-1.out", "5-1.err", "6-1.out"]);
}

#[test]
fn files_that_the_task_names_are_truncated_and_may_be_the_same() {
    let mut rig = rig().with_outputs();
    std::fs::write(rig.path("log"), "what was there before, and long").unwrap();
    let mut order = rig.worker("print one; eprint two; print three");
    order.stdout = Stdout::File("log".into());
    order.stderr = Stdout::File("./log".into());
    let attempt = order.attempt;
    let end = rig.run(order);
    assert_eq!(std::fs::read_to_string(rig.path("log")).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(end.usage.stdout_bytes, Some(14));
    assert_eq!(rig.stdout(attempt), "one\ntwo\nthree\n", "readers find it too");

    let mut order = rig.worker("print gone");
    order.stdout = Stdout::File("/dev/null".into());
    assert_eq!(rig.run(order).usage.stdout_bytes, None);

    let mut order = rig.worker("print x");
    order.stdout = Stdout::File("no/such/folder/log".into());
    let error = rig.spawn_error(order);
    assert!(error.starts_with("cannot open output file `"), "{error}");
    assert!(error.ends_with("/no/such/folder` is missing"), "{error}");
}

#[test]
fn much_output_passes_by_ganger_byte_for_byte() {
    let mut rig = rig().with_outputs();
    let end = rig.run_worker("flood 67108864");
    assert_eq!(end.usage.stdout_bytes, Some(64 << 20));
    let text = rig.last_stdout();
    assert!(text.len() == 64 << 20 && text.bytes().all(|byte| byte == b'x'));
}

// ---- starting ----

#[test]
fn a_failed_start_says_what_and_why() {
    let mut rig = rig().with_outputs();
    let write = |name: &str, text: &str, mode: u32| {
        let path = rig.path(name);
        std::fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).unwrap();
    };
    write("plain", "echo hi\n", 0o644);
    write("noline", "echo hi\n", 0o755);
    write("nointerpreter", "#!/no/such/interpreter -x\n", 0o755);
    write("windows", "#!/bin/sh\r\n", 0o755);
    for with_shim in [false, true] {
        for (program, expected) in [
            ("./missing", "program `./missing` does not exist"),
            ("./plain", "cannot execute `./plain`: it is not executable (`chmod +x` makes it so)"),
            ("/", "cannot execute `/`: it is a folder"),
            ("", "the command is empty"),
            (
                "./noline",
                "cannot execute `./noline`: it is neither a program for this machine nor a script \
                 with an interpreter in its first line (`#!/bin/sh`)",
            ),
            (
                "./nointerpreter",
                "cannot execute `./nointerpreter`: its interpreter `/no/such/interpreter` does \
                 not exist",
            ),
            (
                "./windows",
                "cannot execute `./windows`: its interpreter `/bin/sh\\r` does not exist",
            ),
        ] {
            let mut order = rig.order(&[program]);
            order.nice = with_shim.then_some(0);
            assert_eq!(rig.spawn_error(order), expected);
        }
        let mut order = rig.order(&["true", &"x".repeat(200_000)]);
        order.nice = with_shim.then_some(0);
        let error = rig.spawn_error(order);
        assert!(error.starts_with("argument list too long: "), "{error}");
        let mut order = rig.order(&["true"]);
        order.workdir = rig.path("nowhere");
        order.nice = with_shim.then_some(0);
        let error = rig.spawn_error(order);
        assert!(error.starts_with("working directory `"), "{error}");
        assert!(error.ends_with("/nowhere` does not exist"), "{error}");
    }
    // What failed leaves nothing behind, and the slot goes on.
    let order = rig.order(&["true"]);
    assert_eq!(rig.run(order).exit, Exit::Code(0));
    assert_eq!(rig.output_names(), ["slot-1.err", "slot-1.out"]);
}

#[test]
fn a_program_that_moves_is_found_again() {
    let mut rig = rig().with_outputs();
    let (first, second) = (rig.path("a"), rig.path("b"));
    for folder in [&first, &second] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::copy("/bin/true", first.join("tool")).unwrap();
    let path = format!("{}:{}", first.display(), second.display());
    for _ in 0..2 {
        let mut order = rig.order(&["tool"]);
        order.job_env.push((b"PATH".to_vec(), path.clone().into_bytes()));
        assert_eq!(rig.run(order).exit, Exit::Code(0));
        let _ = std::fs::rename(first.join("tool"), second.join("tool"));
    }
}

#[test]
fn nice_and_limits_reach_the_job() {
    let mut rig = rig().with_outputs();
    let mut order =
        rig.worker("limit Max cpu time; limit Max file size; limit Max open files; flood 5000");
    order.limits = Limits {
        cpu_time: Some(Duration::from_millis(6500)),
        file_size_bytes: Some(4096),
        open_files: Some(33),
        ..Limits::default()
    };
    let end = rig.run(order);
    assert_eq!(end.exit, Exit::Signal(libc::SIGXFSZ));
    let text = rig.last_stdout();
    assert!(
        text.starts_with(
            "Max cpu time 7 8 seconds\nMax file size 4096 4096 bytes\nMax open files 33 33 files\n"
        ),
        "{text}"
    );
    assert_eq!((end.usage.stdout_bytes, end.usage.means), (Some(4096), None));

    let mut order = rig.order(&["nice"]);
    order.nice = Some(7);
    rig.run(order);
    assert_eq!(rig.last_stdout(), "7\n");

    let mut order = rig.worker("spin 60");
    order.limits.cpu_time = Some(Duration::from_millis(1));
    let end = rig.run(order);
    assert_eq!(end.exit, Exit::Signal(libc::SIGXCPU));
    assert!(end.usage.cpu_user + end.usage.cpu_system > Duration::from_millis(500));
}

#[test]
fn memory_over_the_limit_is_out_of_memory() {
    for without_cgroups in [false, true] {
        let options = LocalOptions { without_cgroups, ..LocalOptions::default() };
        let mut rig = rig_with(options, shared()).with_outputs();
        let mut order = rig.worker("fork {eat 100000000; hang}; wait; hang");
        order.limits.memory_bytes = Some(60_000_000);
        let (attempt, _) = rig.start(order);
        match rig.next() {
            ExecReport::OverLimit { reason: StopReason::MemoryLimit, .. } => {}
            other => panic!("{other:?}"),
        }
        let end = rig.kill(attempt);
        let means = end.usage.means.unwrap();
        if without_cgroups {
            assert_eq!(means, LimitMeans::Look);
        }
        let expected = if means == LimitMeans::Look { end.oom_killed } else { Some(true) };
        assert_eq!(end.oom_killed, expected);
        assert!(no_groups_left(), "control groups were left behind");
        // Below the limit nothing happens, and the counter says so.
        let mut order = rig.worker("eat 1000000");
        order.limits.memory_bytes = Some(200_000_000);
        let end = rig.run(order);
        assert_eq!(end.exit, Exit::Code(0));
        assert_eq!(end.oom_killed, (means != LimitMeans::Look).then_some(false));
    }
}

#[test]
fn processes_are_bounded_over_the_whole_tree() {
    let script = "fork {setsid; hang}; fork {setsid; hang}; fork {setsid; hang}; \
                  fork {setsid; hang}; hang";
    for without_cgroups in [false, true] {
        let options = LocalOptions { without_cgroups, ..LocalOptions::default() };
        let mut rig = rig_with(options, shared()).with_outputs();
        let mut order = rig.worker(script);
        order.limits.processes = Some(3);
        let (attempt, _) = rig.start(order);
        let end = match rig.next() {
            // By a look: the engine is told, and kills.
            ExecReport::OverLimit { reason: StopReason::ProcessLimit, .. } => {
                let end = rig.kill(attempt);
                assert_eq!(end.usage.means, Some(LimitMeans::Look));
                end
            }
            // By a control group: fork fails, and so does this worker.
            ExecReport::LeaderEnded { usage, exit, leftovers, oom_killed, .. } => {
                assert!(!without_cgroups && leftovers == 2);
                rig.backend.kill(attempt);
                let gone = Some(rig.tree_gone());
                End { exit, usage, leftovers, oom_killed, gone }
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(end.gone.unwrap().1, 0);
        rig.assert_nothing_alive();
        assert!(no_groups_left(), "control groups were left behind");
    }
}

/// Whether no control group of an ended attempt of this process is there. Those of tests that
/// run meanwhile may be, so this waits.
fn no_groups_left() -> bool {
    let prefix = format!("ganger-{}-", std::process::id());
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let homes: HashSet<PathBuf> = own
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controller, path) = (fields.next()?, fields.next()?);
            Some(Path::new("/sys/fs/cgroup").join(controller).join(path.trim_start_matches('/')))
        })
        .collect();
    let has_any = |home: &PathBuf| {
        std::fs::read_dir(home).is_ok_and(|entries| {
            entries.flatten().any(|e| e.file_name().to_string_lossy().starts_with(&prefix))
        })
    };
    eventually("control groups removed", || (!homes.iter().any(has_any)).then_some(true))
}

#[test]
fn the_peak_of_memory_is_told_only_when_it_is_the_jobs_own() {
    let mut rig = rig().with_outputs();
    // This process, the parent, is made fat first.
    let mut fat = vec![0_u8; 150 << 20];
    fat.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&fat);
    let end = rig.run_worker("print small");
    assert_eq!(end.usage.max_rss_bytes, None);
    let end = rig.run_worker("eat 400000000");
    let peak = end.usage.max_rss_bytes.expect("a peak above the parent's");
    assert!((400_000_000..600_000_000).contains(&peak), "{peak}");
    drop(fat);
    let end = rig.run_worker("print small");
    assert_eq!(end.usage.max_rss_bytes, None, "the parent's peak stays");
}

#[test]
fn many_short_jobs_leave_nothing_behind() {
    let mut rig = rig().with_outputs();
    let n_fds = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (mut ended, mut before) = (0, 0);
    for _ in 0..300 {
        let order = rig.order(&["true"]);
        let end = rig.run(order);
        assert_eq!((end.exit, end.leftovers), (Exit::Code(0), 0));
        ended += 1;
        if ended == 1 {
            before = n_fds();
        }
    }
    // Other tests run meanwhile; three hundred leaked descriptors would show.
    assert!(n_fds() < before + 200);
    rig.backend.shutdown();
    assert_eq!(rig.output_names(), Vec::<String>::new());
}

// ---- limits of ganger itself, in a process of its own ----

#[test]
fn a_full_table_of_open_files_is_said_in_words() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "exec::helper_with_few_open_files", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Started by the test above: the limit is one of the whole process.
#[test]
#[ignore = "lowers the limit of open files of its process"]
fn helper_with_few_open_files() {
    fake_worker();
    let mut rig = rig().with_outputs();
    let set = |soft, hard| {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: a plain system call with a valid argument.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    };
    let mut open = Vec::new();
    let mut fill = |n: u64| {
        while let Ok(file) = std::fs::File::open("/dev/null") {
            open.push(file);
            assert!(open.len() as u64 <= n);
        }
    };
    // Below the hard limit ganger raises its own, and gives jobs the one it was started with.
    set(64, 70);
    fill(64);
    let order = rig.worker("limit Max open files");
    assert_eq!(rig.run(order).exit, Exit::Code(0));
    assert_eq!(rig.last_stdout(), "Max open files 64 70 files\n");
    fill(128);
    let mut order = rig.order(&["true"]);
    order.slot_key = 2;
    let error = rig.spawn_error(order);
    assert!(
        error.ends_with("ganger has reached its limit of 70 open files (`ulimit -n`)"),
        "{error}"
    );
}
