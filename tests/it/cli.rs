//! The verbs, against a live run of the real binary.
//!
//! A run prints its events as JSON lines, which the tests wait for: no sleeping.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A home of its own for runs, and a folder for files of jobs.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("runtime")).unwrap();
        Home { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
        command
            .args(words)
            .current_dir(self.dir.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_RUNTIME_DIR", self.path("runtime"))
            .env_remove("GANGER_RUN")
            .stdin(Stdio::null());
        command
    }

    fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a verb that must succeed; returns what it printed.
    fn ok(&self, words: &[&str]) -> String {
        let output = self.output(words);
        assert!(output.status.success(), "ganger {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(words)).unwrap()
    }

    /// Runs a verb that must fail with this code; returns what it said.
    fn fails(&self, code: i32, words: &[&str]) -> String {
        let output = self.output(words);
        assert_eq!(output.status.code(), Some(code), "ganger {words:?}: {output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("error: "), "ganger {words:?}: {text}");
        text
    }

    fn start(&self, text: &str, more: &[&str]) -> Live {
        let file = self.file("tasks.yaml", text);
        let mut words = vec!["run", file.to_str().unwrap(), "--json"];
        words.extend(more);
        let mut child =
            self.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        Live { child, events }
    }
}

/// A run that is under way.
struct Live {
    child: Child,
    events: BufReader<ChildStdout>,
}

impl Drop for Live {
    fn drop(&mut self) {
        // A test that failed half-way leaves nothing behind: the second TERM kills the jobs.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal(libc::SIGTERM);
            self.signal(libc::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

impl Live {
    /// Reads events up to one that fits.
    fn wait_for(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            let n = self.events.read_line(&mut line).unwrap();
            assert!(n > 0, "the run ended before `{name}`: {:?}", self.child.wait());
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name && fits(&event) {
                return event;
            }
        }
    }

    fn started(&mut self, job: u32) -> Value {
        self.wait_for("attempt_started", |event| event["job"] == job)
    }

    fn signal(&self, signal: i32) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; returns the exit code.
    fn end(mut self) -> i32 {
        let mut rest = String::new();
        self.events.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| panic!("killed by {:?}", status.signal()))
    }
}

/// Jobs that stand still until they are told to go on, by a file `go`.
const WAITING: &str = "
workers: {start: 2, max: 8}
pools: {io: 1}
tasks:
  - name: a
    foreach: {n: {range: 1..4}}
    stop: {grace: 60s}
    run: |
      echo started {n}
      until test -e go; do sleep 0.05; done
      echo done {n} >&2
  - name: b
    pool: io
    needs: [a]
    run: echo b
";

fn go(home: &Home) {
    home.file("go", "");
}

#[test]
fn a_live_run_is_listed_shown_scaled_and_ends_well() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    let id = run.started(2)["run"].as_str().unwrap().to_owned();

    let list = home.json(&["ls", "--json"]);
    assert_eq!(list.as_array().unwrap().len(), 1);
    let row = &list[0];
    assert_eq!((&row["run"], &row["name"]), (&id.clone().into(), &"tasks".into()));
    assert_eq!(row["state"], "running");
    assert_eq!(row["supervisor_pid"], run.child.id());
    assert_eq!((&row["counts"]["running"], &row["counts"]["queued"]), (&2.into(), &3.into()));
    assert!(home.ok(&["ls"]).contains(&id));

    let status = home.json(&["status", &id[..6], "--json"]);
    assert_eq!(status["workers"][0]["label"], "a:1");
    assert_eq!(status["pools"][1]["name"], "io");
    assert!(home.ok(&["status"]).contains("2 workers"));

    home.ok(&["scale", "+1"]);
    run.started(3);
    home.ok(&["scale", "4", "-r", &id]);
    run.started(4);
    home.ok(&["scale", "-2"]);
    assert_eq!(home.json(&["status", "--json"])["pools"][0]["size"], 2);
    home.ok(&["scale", "1", "--pool", "io"]);
    assert!(home.fails(2, &["scale", "9"]).contains('8'));
    assert!(home.fails(2, &["scale", "1", "--pool", "oi"]).contains("default, io"));

    go(&home);
    assert_eq!(run.end(), 0);
    assert_eq!(home.json(&["ls", "--json"]), serde_json::json!([]));
    assert_eq!(home.json(&["ls", "--all", "--json"])[0]["outcome"], "succeeded");
    assert_eq!(home.json(&["status", &id, "--json"])["counts"]["succeeded"], 5);
    let logs = home.output(&["logs", ":2", "-r", &id]);
    assert_eq!((logs.stdout, logs.stderr), (b"started 2\n".to_vec(), b"done 2\n".to_vec()));
}

#[test]
fn jobs_are_paused_and_go_on() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    let pid = run.started(1)["pid"].as_i64().unwrap();
    home.ok(&["pause", ":1"]);
    run.wait_for("paused", |event| event["target"] == "job" && event["label"] == "a:1");
    wait_until(|| process_state(pid) == Some('T'));
    home.ok(&["pause"]);
    run.wait_for("paused", |event| event["target"] == "run");
    assert_eq!(home.json(&["ls", "--json"])[0]["state"], "paused");
    home.ok(&["continue"]);
    home.ok(&["continue", "a:1"]);
    wait_until(|| process_state(pid) != Some('T'));
    home.ok(&["pause", "--pool", "io"]);
    home.ok(&["continue", "--pool", "io"]);
    go(&home);
    assert_eq!(run.end(), 0);
}

#[test]
fn a_job_is_killed_explained_and_retried() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    run.started(1);
    run.started(2);
    let why = home.ok(&["why", ":4"]);
    assert!(why.starts_with("a:4 (:4) [4]: ready\n  "), "{why}");
    let id = home.json(&["status", "--json"])["run"].as_str().unwrap().to_owned();
    assert_eq!(home.ok(&["why", &format!("{id}:4")]), why);
    assert!(home.fails(2, &["why", "17"]).contains("ganger why :17"));
    assert!(home.fails(2, &["kill", "99"]).contains(":99"));
    assert!(home.fails(2, &["kill", "c:1"]).contains("no task `c`"));
    assert!(home.fails(2, &["kill", ":1#2"]).contains("attempt"));
    home.fails(2, &["retry", "1"]);

    home.ok(&["kill", ":1", "a:2"]);
    let ended = run.wait_for("attempt_ended", |event| event["job"] == 1);
    assert_eq!(ended["signal"], "SIGTERM");
    assert_eq!(ended["reason"], "kill");
    // Which job starts next, and when, depends on whether job 2 has ended before.
    home.ok(&["retry", "1"]);
    go(&home);
    let again = run.wait_for("attempt_started", |event| event["job"] == 1);
    assert_eq!(again["attempt"], 2);
    let ended = run.wait_for("job_ended", |event| event["job"] == 1);
    assert_eq!(ended["outcome"], "succeeded");
    assert_eq!(run.end(), 1, "job 2 was killed");
}

#[test]
fn logs_follow_a_job_to_its_end() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    run.started(1);
    let mut follow = home
        .command(&["logs", "-f", "a:1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(follow.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "started 1\n");
    assert!(follow.try_wait().unwrap().is_none(), "the job is still running");
    assert!(home.fails(2, &["logs", ":4"]).contains("has not started"));
    go(&home);
    let followed = follow.wait_with_output().unwrap();
    assert!(followed.status.success());
    assert_eq!(followed.stderr, b"done 1\n");
    assert_eq!(run.end(), 0);
}

#[test]
fn a_run_is_stopped_from_outside() {
    for (words, signal) in [(vec!["stop"], "SIGTERM"), (vec!["stop", "--now"], "SIGKILL")] {
        let home = Home::new();
        let mut run = home.start(WAITING, &[]);
        run.started(2);
        home.ok(&words);
        let ended = run.wait_for("attempt_ended", |_| true);
        assert_eq!(ended["signal"], signal, "{words:?}");
        let ended = run.wait_for("run_ended", |_| true);
        assert_eq!(ended["outcome"], "stopped");
        assert_eq!(ended["exit_code"], 130);
        assert_eq!(run.end(), 130, "{words:?}");
    }
}

#[test]
fn a_run_is_drained_from_outside() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    run.started(2);
    home.ok(&["stop", "--drain"]);
    assert_eq!(home.json(&["ls", "--json"])[0]["state"], "draining");
    go(&home);
    let ended = run.wait_for("job_ended", |_| true);
    assert_eq!(ended["outcome"], "succeeded");
    assert_eq!(run.end(), 130, "jobs that never ran are no success");
}

#[test]
fn the_first_ctrl_c_drains_the_second_stops_the_third_kills() {
    let stubborn = WAITING.replace("    run: |\n", "    run: |\n      trap '' TERM\n");
    let home = Home::new();
    let mut run = home.start(&stubborn, &[]);
    run.started(2);
    wait_until(|| home.output(&["logs", ":2"]).stdout == b"started 2\n");
    for how in ["drain", "stop", "kill"] {
        run.signal(libc::SIGINT);
        let stopping = run.wait_for("run_stopping", |_| true);
        assert_eq!(stopping["how"], how);
    }
    let ended = run.wait_for("attempt_ended", |_| true);
    assert_eq!(ended["signal"], "SIGKILL");
    assert_eq!(run.end(), 130);
}

#[test]
fn a_drained_run_exits_with_130_and_a_terminated_one_with_143() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    run.started(2);
    run.signal(libc::SIGINT);
    run.wait_for("run_stopping", |_| true);
    go(&home);
    assert_eq!(run.end(), 130);

    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    run.started(2);
    run.signal(libc::SIGTERM);
    assert_eq!(run.end(), 143);
}

#[test]
fn a_dead_supervisor_shows_as_lost_and_stop_sweeps_what_it_left() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    let started = run.started(1);
    let (id, pid) = (started["run"].as_str().unwrap(), started["pid"].as_i64().unwrap());
    run.signal(libc::SIGKILL);
    run.child.wait().unwrap();
    let list = home.json(&["ls", "--json"]);
    assert_eq!((&list[0]["state"], &list[0]["counts"]), (&"lost".into(), &Value::Null));
    assert!(home.fails(2, &["pause", "-r", id]).contains(&format!("ganger stop {id}")));
    assert!(home.ok(&["stop", id]).contains("supervisor had died"));
    wait_until(|| process_state(pid).is_none_or(|state| state == 'Z'));
    assert_eq!(home.json(&["ls", "--json"]), serde_json::json!([]));
    assert_eq!(home.json(&["ls", "-a", "--json"])[0]["state"], "lost");
}

#[test]
fn wrong_use_is_said_with_a_hint() {
    let home = Home::new();
    for words in [
        &["status"][..],
        &["stop"],
        &["scale", "3"],
        &["status", "brave"],
        &["logs", "3"],
        &["run", "no-such-file.yaml"],
    ] {
        let text = home.fails(2, words);
        assert!(text.contains("hint: "), "ganger {words:?}: {text}");
    }
    let good = home.file("good.yaml", "tasks: [{name: a, run: 'true'}]");
    let report = home.path("no/such/folder/r.json");
    let words = ["run", good.to_str().unwrap(), "--plain", "--report", report.to_str().unwrap()];
    assert!(home.fails(2, &words).contains("there is no folder"));
    assert_eq!(home.json(&["ls", "--all", "--json"]), serde_json::json!([]), "a run was begun");
    home.fails(2, &["nonsense"]);
}

#[test]
fn a_report_and_its_exit_code_tell_the_same() {
    let home = Home::new();
    let file = home.file(
        "r.yaml",
        "tasks: [{name: bad, run: 'echo no >&2; exit 3', retries: 1}, {name: good, run: [echo, hi]}]",
    );
    let words = ["run", file.to_str().unwrap(), "--plain", "--report", "r.json"];
    let output = home.output(&words);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"hi\n");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("bad:1 (:1)  exit code 3, 2 attempts\n    | no\n"), "{text}");
    let report: Value = serde_json::from_slice(&fs::read(home.path("r.json")).unwrap()).unwrap();
    assert_eq!((&report["exit_code"], &report["outcome"]), (&1.into(), &"failed".into()));
    assert_eq!(report["totals"]["jobs"], 2);
    let (bad, good) = (&report["jobs"][0], &report["jobs"][1]);
    assert_eq!((&bad["exit_code"], &bad["attempts"]), (&3.into(), &2.into()));
    assert_eq!(bad["command"], "echo no >&2; exit 3");
    assert_eq!(good["command"], serde_json::json!(["echo", "hi"]));
    assert_eq!(good["stdout_bytes"], 3);
}

#[test]
fn a_reader_who_leaves_early_does_not_end_the_run() {
    let home = Home::new();
    let file = home.file(
        "p.yaml",
        "workers: 1\ntasks: [{name: a, foreach: {n: {range: 1..20}}, run: 'echo {n} | tee done-{n}'}]",
    );
    let words = ["run", file.to_str().unwrap(), "--plain"];
    let mut child =
        home.command(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!((1..=20).all(|n| home.path(&format!("done-{n}")).exists()));
}

#[test]
fn completions_and_the_manual_are_printed_without_hidden_verbs() {
    let home = Home::new();
    for words in [&["completions", "bash"][..], &["completions", "zsh"], &["man"]] {
        let text = home.ok(words);
        assert!(text.contains("scale") && text.contains("retry"), "{words:?}");
        assert!(!text.contains("__supervise"), "{words:?}");
    }
}

/// Field 3 of proc_pid_stat(5), `None` when the process is gone.
fn process_state(pid: i64) -> Option<char> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    stat[stat.rfind(')')? + 2..].chars().next()
}

/// Looks until something is so: for what the kernel does and nobody reports.
fn wait_until(is_so: impl Fn() -> bool) {
    let (_never, nothing) = std::sync::mpsc::channel::<()>();
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        let _timeout = nothing.recv_timeout(std::time::Duration::from_millis(50));
    }
    panic!("it was not so within a minute");
}
