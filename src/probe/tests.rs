//! The probe against real processes.

use super::*;
use crate::model::{Activity, JobNo, TreeSample};
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
            threads: 1,
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
    sample_until(list, |s| s.trees.first().is_some_and(&wanted)).trees[0]
}

fn sample_until(list: &WatchList, wanted: impl Fn(&Sample) -> bool) -> Arc<Sample> {
    let (tx, rx) = mpsc::channel();
    let _probe = Probe::start(list.clone(), move |s| tx.send(s).unwrap_or(()), |_| {}).unwrap();
    let mut last = None;
    let end = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < end {
        let sample = rx.recv_timeout(PATIENCE).unwrap();
        if wanted(&sample) {
            return sample;
        }
        last = Some(sample);
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
fn a_busy_child_is_busy_in_itself_and_on_some_core() {
    let shell = Shell::ready("echo ready; while :; do :; done");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let tree = look_until(&list, |t| {
        t.user_percent > t.cpu_percent.map(|p| p / 2.0)
            && t.threads_running == 1
            && t.cpu_wait_percent.is_some()
    });
    let (user, system) = (tree.user_percent.unwrap(), tree.system_percent.unwrap());
    assert!((user + system - tree.cpu_percent.unwrap()).abs() < 0.1, "{tree:?}");
    assert!(tree.core.is_some() && !tree.oversubscribed, "{tree:?}");
    assert!(matches!(tree.activity, Activity::Running | Activity::WaitingCpu), "{tree:?}");
}

#[test]
fn the_share_of_the_run_stands_on_the_cores() {
    let shell = Shell::ready("echo ready; while :; do :; done");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let sample = sample_until(&list, |s| {
        let run: f32 = s.machine.cores.iter().map(|c| c.run).sum();
        s.trees.first().is_some_and(|t| t.cpu_percent.is_some_and(|p| p > 5.0)) && run > 5.0
    });
    assert!(sample.machine.cores.iter().all(|c| c.run <= c.busy() + 0.1), "{sample:?}");
}

#[test]
fn own_memory_and_descriptors_come_a_little_later() {
    let shell = Shell::ready("exec 5</dev/null 6</dev/null 7</dev/null; echo ready; read x");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let sample = sample_until(&list, |s| {
        let tree = s.trees.first();
        s.machine.own.resident_bytes.is_some()
            && tree.is_some_and(|t| t.fds.is_some() && t.voluntary_switches_per_s.is_some())
    });
    // What a test runner leaves open is inherited and counts.
    let all = std::fs::read_dir(format!("/proc/{}/fd", shell.0.id())).unwrap().count();
    assert!(all >= 6 && sample.trees[0].fds == Some(all as u32), "{all} {sample:?}");
    assert!(sample.machine.own.resident_bytes > Some(100_000), "{sample:?}");
}

#[test]
fn what_is_written_through_to_the_disk_has_a_rate() {
    // A folder of the project: the one for temporary files may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let file = folder.path().join("written");
    let script =
        "echo ready; while :; do dd if=/dev/zero of=\"$0\" bs=64k count=16 conv=fsync; done";
    let script = script.replace("$0", file.to_str().unwrap());
    let shell = Shell::ready(&format!("{script} 2>/dev/null"));
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let tree = look_until(&list, |t| t.write_bytes_per_s.is_some_and(|b| b > 100_000.0));
    assert!(tree.read_bytes_per_s.is_some() && tree.major_faults_per_s.is_some(), "{tree:?}");
}

#[test]
fn four_busy_threads_with_a_place_for_one_are_too_many() {
    let program = "import hashlib, threading
def work():
    while True:
        hashlib.sha256(bytes(1 << 20)).digest()
for _ in range(4):
    threading.Thread(target=work).start()
print('ready', flush=True)
";
    let shell = Shell::ready(&format!("exec python3 -c \"{program}\""));
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let tree = look_until(&list, |t| t.oversubscribed);
    assert!(tree.threads_running >= 2 && tree.threads >= 4, "{tree:?}");
    assert_eq!(tree.threads_allotted, 1);

    list.watch(Watched { threads: 8, ..shell.watched(1) });
    look_until(&list, |t| t.threads_running >= 2 && !t.oversubscribed && t.threads_allotted == 8);
}

#[test]
fn a_stopped_tree_is_seen_to_be_stopped_and_going_on() {
    let shell = Shell::ready("echo ready; while :; do :; done");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let group = nix::unistd::Pid::from_raw(shell.0.id() as i32);
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGSTOP).unwrap();
    look_until(&list, |t| t.activity == Activity::Stopped);
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGCONT).unwrap();
    look_until(&list, |t| t.activity == Activity::Running || t.activity == Activity::WaitingCpu);
}

#[test]
fn a_sleeper_sleeps() {
    let shell = Shell::ready("echo ready; read x");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let tree = look_until(&list, |t| t.quiet_since.is_some());
    assert_eq!((tree.activity, tree.threads_running), (Activity::Sleeping, 0), "{tree:?}");
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
fn who_is_started_later_joins() {
    let mut shell =
        Shell::ready("echo ready; read x; (echo started; while :; do :; done) & read x");
    let list = WatchList::default();
    list.watch(shell.watched(1));
    let (tx, rx) = mpsc::channel();
    let _probe = Probe::start(list.clone(), move |s| tx.send(s).unwrap_or(()), |_| {}).unwrap();
    let next = || rx.recv_timeout(PATIENCE).unwrap().trees.first().map(|t| t.processes);
    assert_eq!((next(), next()), (Some(1), Some(1)));
    std::io::Write::write_all(shell.0.stdin.as_mut().unwrap(), b"go\n").unwrap();
    let mut line = String::new();
    BufReader::new(shell.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    // What was seen before it was there does not count.
    while rx.try_recv().is_ok() {}
    let soon = (0..20).position(|_| next() == Some(2));
    // Not only at the turn at which everything is read again.
    assert!(soon.is_some_and(|n| n < 5), "{soon:?}");
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
