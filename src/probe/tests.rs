//! The probe against real processes.

use super::*;
use crate::model::{JobNo, TreeSample};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// Long enough for a machine that does many other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell that ends, with all it started, when dropped.
struct Shell(Child);

impl Shell {
    /// Runs `script` in a session of its own until it has printed a line.
    fn ready(script: &str) -> Shell {
        let mut child = Command::new("setsid")
            .args(["sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Shell(child)
    }

    fn watched(&self, n: u32) -> Watched {
        let pid = self.0.id() as i32;
        let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap();
        let start_ticks = procfs::pid_stat(&stat).unwrap().start_ticks;
        Watched {
            attempt: AttemptId { job: JobNo(n), n: 1 },
            proc: ProcRef { pid, start_ticks },
            output: [None, None],
            quiet: None,
            paused: false,
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// Looks until the tree of a watched attempt is as `wanted`.
fn look_until(list: &WatchList, wanted: impl Fn(&TreeSample) -> bool) -> TreeSample {
    let (tx, rx) = mpsc::channel();
    let probe = Probe::start(list.clone(), move |s| tx.send(s).unwrap_or(()), |_| {}).unwrap();
    let mut last = None;
    let end = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < end {
        let sample = rx.recv_timeout(PATIENCE).unwrap();
        last = sample.trees.first().copied();
        if let Some(tree) = last.filter(&wanted) {
            drop(probe);
            return tree;
        }
    }
    panic!("not seen; last: {last:?}");
}

#[test]
fn a_busy_tree_shows_cpu_memory_and_its_processes() {
    let shell = Shell::ready("(while :; do :; done) & echo ready; read x");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let tree = look_until(&list, |t| t.processes == 2 && t.cpu_percent.is_some_and(|p| p > 1.0));
    assert_eq!((tree.threads, tree.partial, tree.quiet_since), (2, false, None));
    assert!(tree.rss_bytes > 100_000 && tree.peak_rss_bytes >= tree.rss_bytes, "{tree:?}");
}

#[test]
fn many_short_processes_show_as_cpu_of_their_job() {
    let shell = Shell::ready("echo ready; while :; do /bin/true; done");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    look_until(&list, |t| t.cpu_percent.is_some_and(|p| p > 1.0));
}

#[test]
fn a_grandchild_in_a_session_of_its_own_belongs_to_the_tree() {
    let shell = Shell::ready("exec 3<&0; setsid sh -c 'echo ready; read x <&3' & read x");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    look_until(&list, |t| t.processes == 2);
}

#[test]
fn a_still_attempt_is_found_quiet_and_then_moving() {
    let mut shell = Shell::ready("echo ready; read x; while :; do :; done");
    let list = WatchList::default();
    let quiet = Some(Duration::from_millis(10));
    list.watch(Watched { quiet, ..shell.watched(7) });
    let (tx, rx) = mpsc::channel();
    let _probe = Probe::start(list.clone(), |_| {}, move |f| tx.send(f).unwrap_or(())).unwrap();

    let finding = rx.recv_timeout(PATIENCE).unwrap();
    assert_eq!((finding.attempt.job, finding.quiet), (JobNo(7), true));
    std::io::Write::write_all(shell.0.stdin.as_mut().unwrap(), b"go\n").unwrap();
    let finding = rx.recv_timeout(PATIENCE).unwrap();
    assert_eq!((finding.attempt.job, finding.quiet), (JobNo(7), false));
}

#[test]
fn dropping_the_probe_ends_its_thread() {
    let (tx, rx) = mpsc::channel::<()>();
    let probe = Probe::start(
        WatchList::default(),
        move |_| {
            let _keep = &tx;
        },
        |_| {},
    )
    .unwrap();
    drop(probe);
    // The sender lives in the thread: it is gone with it.
    assert_eq!(rx.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_dear_look_makes_looks_rarer() {
    let (began, ms) = (Mono(1_000_000), |n: u64| Mono(1_000_000 + n * 1_000));
    assert_eq!(pause_after(ms(1), began), Duration::from_millis(499));
    assert_eq!(pause_after(ms(100), began), Duration::from_secs(2));
}
