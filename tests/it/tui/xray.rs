//! X-ray in a real terminal: jobs that lock each other out, and processes that ganger did not
//! start.

use super::pty::Pty;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const GANGER: &str = env!("CARGO_BIN_EXE_ganger");

fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    found.is_ok_and(|found| found.status.success())
}

fn start(home: &Path, args: &[&str], cols: u16, rows: u16) -> Pty {
    let mut command = Command::new(GANGER);
    command.args(args).current_dir(home).env_remove("GANGER_RUN").env_remove("XDG_RUNTIME_DIR");
    command.env("XDG_STATE_HOME", home).env("XDG_CONFIG_HOME", home);
    Pty::start(&mut command, cols, rows)
}

/// Two jobs, each with a lock of its own, that want each other's; both say what they have.
const FLOCK: &str = "
name: both
workers: 3
tasks:
  - name: swap
    foreach: {mine: [a, b]}
    run: |
      case $GANGER_VAR_mine in a) other=b;; *) other=a;; esac
      exec 8>>lock-$GANGER_VAR_mine 9>>lock-$other
      flock 8; touch has-$GANGER_VAR_mine
      until test -e has-$other; do sleep 0.02; done
      flock 9; echo both
";

#[test]
fn a_deadlock_of_file_locks_is_on_the_screen_and_one_kill_lets_the_other_go_on() {
    if !has("flock") {
        println!("skipped: no flock on this machine");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("both.yaml"), FLOCK).unwrap();
    let mut pty = start(home.path(), &["run", "both.yaml"], 120, 40);
    pty.wait("the banner", |s| s.contains("DEADLOCK since"));
    pty.send("1o");
    pty.wait("its threads", |s| s.contains("waits ─ DEADLOCK") && s.contains("flock"));
    let selected = |s: &str| s.lines().find(|l| l.starts_with("│▸")).map(str::to_owned);
    let before = pty.wait("a selection", |s| selected(s).is_some());
    pty.send("o");
    pty.wait("the owner", |s| selected(s).is_some() && selected(s) != selected(&before));
    pty.send("K");
    pty.wait("what the kernel would free", |s| {
        s.contains("kill swap:") && (s.contains("free file lock") || s.contains("can get it"))
    });
    pty.send("\r");
    pty.wait("the other goes on", |s| s.contains("1 done") && !s.contains("DEADLOCK since"));
    pty.wait("the end", |s| s.contains("1 done") && s.contains("failed"));
    pty.send("q");
    pty.exit_code();
}

/// A tree of its own session: a shell that waits for two, which wait for each other's locks.
struct Tree(Child);

impl Tree {
    fn start(home: &Path) -> Tree {
        let script = "
            one() { exec 8>>lock-$1 9>>lock-$2; flock 8; touch has-$1
                    until test -e has-$2; do sleep 0.02; done; echo ready; flock 9; }
            one x y & one y x & wait";
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(home).stdout(Stdio::piped());
        // SAFETY: setsid is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                Ok(())
            });
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..2 {
            assert_eq!(lines.next().unwrap().unwrap(), "ready");
        }
        Tree(child)
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // SAFETY: the group is the test's own: its leader is not reaped before.
        unsafe { libc::kill(-self.pid(), libc::SIGKILL) };
        self.0.wait().unwrap();
    }
}

#[test]
fn a_foreign_tree_is_watched_steered_by_nobody_and_left_as_it_was() {
    if !has("flock") {
        println!("skipped: no flock on this machine");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let tree = Tree::start(home.path());
    let pid = tree.pid().to_string();
    let mut pty = start(home.path(), &["xray", &pid], 120, 40);
    pty.wait("the circle", |s| s.contains("DEADLOCK since") && s.contains("processes"));
    pty.send("W");
    pty.wait("its threads", |s| s.contains("can ever go on") && s.contains("flock"));
    pty.send("p");
    pty.wait("words", |s| s.contains("ganger did not start this tree"));
    pty.send("q");
    assert_eq!(pty.exit_code(), 0);
    // SAFETY: signal 0 only asks.
    assert_eq!(unsafe { libc::kill(tree.pid(), 0) }, 0, "the tree goes on");
    let mut pty = start(home.path(), &["xray", &pid], 80, 24);
    pty.wait("the circle again", |s| s.contains("DEADLOCK since"));
    drop(tree);
    pty.wait("the end of the tree", |s| s.contains("ended"));
    pty.send("q");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn a_process_that_is_not_there_is_said_to_be_so() {
    let output = Command::new(GANGER).args(["xray", "999999999"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("there is no such process") && said.contains("hint:"), "{said}");
}

/// One job has a lock that two others want, until it is told to give it back.
const WANTED: &str = "
name: wanted
workers: 3
tasks:
  - name: has
    run: exec 8>>wanted.lock; flock 8; touch has-it; until test -e enough; do sleep 0.02 8>&-; done
  - name: wants
    foreach: {n: [1, 2]}
    run: until test -e has-it; do sleep 0.02; done; exec flock wanted.lock true
";

#[test]
fn a_lock_of_others_has_a_row_with_its_waiters_and_its_holder() {
    if !has("flock") {
        println!("skipped: no flock on this machine");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("wanted.yaml"), WANTED).unwrap();
    let mut pty = start(home.path(), &["run", "wanted.yaml"], 120, 40);
    pty.wait("the jobs", |s| s.contains("3 of 3 busy"));
    pty.send("9");
    let row = |s: &str| {
        let row = s.lines().find(|l| l.contains("wanted.lock file lock") && !l.contains('╌'));
        row.map(str::to_owned)
    };
    let shown = pty.wait("its row with two who wait", |s| {
        row(s).is_some_and(|row| row.contains("○2") && row.contains("■w1 has"))
    });
    assert!(row(&shown).unwrap().contains('◇'), "{shown}");
    pty.send("l");
    pty.wait("holder and waiters", |s| {
        s.contains("holds it") && s.contains("2 w3") && s.matches("waits ").count() >= 2
    });
    pty.send("jo");
    pty.wait("the holder", |s| s.lines().any(|l| l.starts_with("│▸ ■") && l.contains("w1")));
    pty.wait("a second look", |s| s.contains("longest wait"));
    // The same for scripts.
    let said = foreign(home.path());
    assert_eq!((&said["kind"], &said["n_waiters"]), (&"file_lock".into(), &2.into()), "{said:#}");
    let holders = said["holders"].as_array().unwrap();
    assert_eq!(holders.len(), 1, "{said:#}");
    assert_eq!((&holders[0]["job"], &holders[0]["proven"]), (&1.into(), &true.into()), "{said:#}");
    let waiters = said["waiters"].as_array().unwrap().iter().map(|waiter| &waiter["job"]);
    let mut waiters: Vec<u64> = waiters.map(|job| job.as_u64().unwrap()).collect();
    waiters.sort_unstable();
    assert_eq!(waiters, [2, 3], "{said:#}");
    assert!(said["looks"].as_u64() >= Some(1) && said["most_waiters"] == 2, "{said:#}");
    let (lost, longest) = (said["sampled_lost_s"].as_f64(), said["longest_s"].as_f64());
    assert!(lost > Some(0.0) && longest > Some(0.0), "{said:#}");
    pty.send("K");
    pty.wait("what the kernel would free", |s| {
        s.contains("kill has") && (s.contains("free file lock") || s.contains("can get it"))
    });
    pty.send("\x1b");
    pty.wait("no menu", |s| !s.contains("kill has"));
    fs::write(home.path().join("enough"), "").unwrap();
    pty.wait("what stays", |s| s.contains("3 done") && row(s).is_some_and(|r| r.contains("quiet")));
    pty.send("q");
    assert_eq!(pty.exit_code(), 0);
}

/// What `ganger locks --foreign --json` says of the only such lock.
fn foreign(home: &Path) -> Value {
    let mut command = Command::new(GANGER);
    command.args(["locks", "--foreign", "--json"]).env("XDG_STATE_HOME", home);
    command.env_remove("GANGER_RUN").env_remove("XDG_RUNTIME_DIR");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let all: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let all = all.as_array().unwrap();
    let of_file = all.iter().find(|lock| lock["kind"] == "file_lock");
    of_file.unwrap_or_else(|| panic!("{said}")).clone()
}

/// Two producers at a queue of three places, whose getter has stopped to get.
const QUEUE: &str = r#"
import multiprocessing as mp, sys, time
def put(queue):
    while True: queue.put(b"x")
if __name__ == "__main__":
    queue = mp.get_context("fork").Queue(3)
    for _ in range(2): mp.get_context("fork").Process(target=put, args=(queue,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
"#;

#[test]
fn a_queue_of_a_foreign_tree_shows_its_items_and_who_waits_for_room() {
    if !has("python3") || !ganger::probe::stacks::HAS_PYTHON {
        println!("skipped: no python3 on this machine, or built without reading its frames");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut program = Command::new("python3");
    program.args(["-c", QUEUE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = program.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let mut pty = start(home.path(), &["xray", &program.id().to_string()], 120, 40);
    pty.wait("the tree", |s| s.contains("processes"));
    pty.send("9");
    pty.wait("the queue", |s| {
        let mut rows = s.lines().filter(|line| line.contains("◇ room in Queue #"));
        rows.any(|row| row.contains("3/3") && row.contains("○2"))
    });
    pty.send("q");
    assert_eq!(pty.exit_code(), 0);
    // At the end of its input it ends, and its producers with it.
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
}
