//! The verbs, against a live run of the real binary.
//!
//! A run prints its events as JSON lines, which the tests wait for: no sleeping.

use ganger::control::client::connect;
use ganger::control::proto::{Role, ToClient, ToServer};
use ganger::model::limits::KEPT_RUNS;
use ganger::model::{Event, JobNo, TaskIdx};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A home of its own for runs, and a folder for files of jobs.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("runtime")).unwrap();
        Home { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A copy of a program that every user may run.
    pub(crate) fn for_everybody(&self, program: &str, name: &str) -> PathBuf {
        let copy = self.path(name);
        // By another process: what this one has open for writing cannot be executed, and the
        // tests beside this one start processes that would have it open as well.
        let copied = Command::new("cp").arg(program).arg(&copy).status().unwrap();
        assert!(copied.success());
        for path in [self.dir.path(), &copy] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        copy
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
        command
            .args(words)
            .current_dir(self.dir.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_RUNTIME_DIR", self.path("runtime"))
            .env_remove("GANGER_RUN")
            .env_remove("GANGER_SOCKET")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a verb that must succeed; returns what it printed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.output(words);
        assert!(output.status.success(), "ganger {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(words)).unwrap()
    }

    /// Runs a verb that must fail with this code; returns what it said.
    pub(crate) fn fails(&self, code: i32, words: &[&str]) -> String {
        let output = self.output(words);
        assert_eq!(output.status.code(), Some(code), "ganger {words:?}: {output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("error: "), "ganger {words:?}: {text}");
        text
    }

    pub(crate) fn start(&self, text: &str, more: &[&str]) -> Live {
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
pub(crate) struct Live {
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
    pub(crate) fn wait_for(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
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

    pub(crate) fn started(&mut self, job: u32) -> Value {
        self.wait_for("attempt_started", |event| event["job"] == job)
    }

    pub(crate) fn signal(&self, signal: i32) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; returns the exit code.
    pub(crate) fn end(mut self) -> i32 {
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
fn events_tell_what_a_job_is_about() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    let launched = run.wait_for("attempt_launched", |event| event["job"] == 2);
    assert_eq!(launched["inputs"], serde_json::json!({"n": "2"}));
    assert_eq!(run.started(2)["inputs"], serde_json::json!({"n": "2"}));
    home.ok(&["kill", "a:4"]);
    let ended = run.wait_for("job_ended", |_| true);
    assert_eq!((&ended["label"], &ended["inputs"]["n"]), (&"a:4".into(), &"4".into()));
    go(&home);
    assert_eq!(run.end(), 1);
}

#[test]
fn who_asks_for_events_late_learns_first_which_jobs_there_are() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    let id = run.started(2)["run"].as_str().unwrap().to_owned();
    let socket = home.path("runtime/ganger").join(format!("{id}.sock"));
    let (mut sender, mut receiver, _) = connect(&socket, Role::Guest { pid: 1 }).unwrap();
    let mut subscribe = |events| {
        sender.send(&ToServer::Subscribe { snapshots: false, events }).unwrap();
    };
    subscribe(true);
    // Asking again changes nothing, and tells nothing again.
    subscribe(true);
    let mut next = || loop {
        if let ToClient::Event { event, inputs } = receiver.receive().unwrap() {
            return (*event, inputs);
        }
    };
    assert!(matches!(next().0, Event::RunStarted { .. }));
    let added =
        |task, first, count| Event::JobsAdded { task: TaskIdx(task), first: JobNo(first), count };
    assert_eq!([next().0, next().0], [added(0, 1, 4), added(1, 5, 1)]);
    home.ok(&["kill", "a:4"]);
    let (ended, inputs) = next();
    assert!(matches!(ended, Event::JobEnded { job: JobNo(4), .. }), "{ended:?}");
    assert_eq!(inputs, [("n".to_owned(), "4".to_owned().into())]);
    go(&home);
    assert_eq!(run.end(), 1);
}

#[test]
fn jobs_are_paused_and_go_on() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    let pid = run.started(1)["pid"].as_i64().unwrap();
    home.ok(&["pause", ":1"]);
    run.wait_for("paused", |event| event["target"] == "job" && event["label"] == "a:1");
    wait_until(|| stands_still(pid));
    home.ok(&["pause"]);
    run.wait_for("paused", |event| event["target"] == "run");
    assert_eq!(home.json(&["ls", "--json"])[0]["state"], "paused");
    home.ok(&["continue"]);
    home.ok(&["continue", "a:1"]);
    wait_until(|| !stands_still(pid));
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
    assert!(home.fails(3, &["why", "4194304"]).contains("ganger why :4194304"));
    assert!(home.fails(2, &["kill", "99"]).contains(":99"));
    assert!(home.fails(2, &["kill", "c:1"]).contains("no task `c`"));
    assert!(home.fails(2, &["kill", "a"]).contains("name one, `a:1` to `a:"));
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
fn a_hung_job_that_a_person_killed_is_reported_as_hung() {
    let home = Home::new();
    let tasks = "tasks:
  - {name: hung, quiet: {after: 1s}, run: exec sleep 1000}
  - {name: busy, needs: [{task: hung, when: always}], run: echo}
";
    let mut run = home.start(tasks, &["--report", "report.json"]);
    run.wait_for("attempt_quiet", |event| event["quiet"] == true);
    home.ok(&["kill", "hung"]);
    assert_eq!(run.end(), 1);
    let report: Value =
        serde_json::from_slice(&fs::read(home.path("report.json")).unwrap()).unwrap();
    let [hung, busy] = report["jobs"].as_array().unwrap().as_slice() else {
        panic!("two jobs: {report}")
    };
    assert_eq!((&hung["outcome"], &hung["hung"]), (&"cancelled".into(), &true.into()));
    assert_eq!((&hung["reason"], &hung["signal"]), (&"kill".into(), &"SIGTERM".into()));
    let quiet_s = hung["quiet_s"].as_f64().unwrap();
    assert!((1.0..=hung["wall_s"].as_f64().unwrap()).contains(&quiet_s), "{quiet_s}");
    assert_eq!((&busy["hung"], &busy["quiet_s"]), (&false.into(), &Value::Null));
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

const TALKING: &str = "
workers: 2
tasks:
  - name: a
    foreach: {n: {range: 1..3}}
    retries: 1
    run: |
      printf '\\033[31mfirst\\033[0m of {n}\\n10%%\\r99%%\\n'
      echo 'a warning of {n}' >&2
      [ {n} != 2 -o $GANGER_ATTEMPT = 2 ] || exit 1
      while [ {n} = 3 -a ! -e go ]; do sleep 0.02; done
      printf 'no end of {n}'
";

#[test]
fn lines_of_all_jobs_are_followed_searched_and_have_times() {
    let home = Home::new();
    let mut run = home.start(TALKING, &[]);
    let id = run.started(3)["run"].as_str().unwrap().to_owned();
    wait_until(|| home.ok(&["logs", "--all"]).contains("a:3 ! a warning of 3"));
    let all = home.ok(&["logs", "--all"]);
    let count = |text: &str, line: &str| text.lines().filter(|l| *l == line).count();
    for (line, n) in [
        ("a:1 | \x1b[31mfirst\x1b[0m of 1", 1),
        ("a:1 ! a warning of 1", 1),
        ("a:1 | no end of 1", 1),
        ("a:2 ! a warning of 2", 1),
        ("a:2#2 ! a warning of 2", 1),
        ("a:3 | no end of 3", 0),
    ] {
        assert_eq!(count(&all, line), n, "{line} in {all}");
    }
    assert!(all.find("a:2 !").unwrap() < all.find("a:2#2 !").unwrap());

    let found = home.ok(&["logs", "--search", "/first of [23]/"]);
    assert_eq!(found, "a:2 | first of 2\na:2#2 | first of 2\na:3 | first of 3\n");
    assert_eq!(home.ok(&["logs", "a:3", "--search", "WARNING"]), "");
    assert_eq!(home.ok(&["logs", "a:3", "--search", "warning"]), "a:3 ! a warning of 3\n");
    assert_eq!(home.ok(&["logs", ":1", "--search", "99%", "--stdout"]), "a:1 | 99%\n");
    assert!(home.fails(2, &["logs", "--search", "/(/"]).contains("regular expression"));

    let stamped = home.ok(&["logs", ":3", "--timestamps"]);
    let (time, rest) = stamped.lines().next().unwrap().split_once(' ').unwrap();
    assert!(time.ends_with('Z') && time.len() == 27, "{stamped}");
    assert!(rest.starts_with("a:3 "), "{stamped}");

    let mut follow = home.command(&["logs", "--all", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(follow.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    go(&home);
    let mut followed = line.clone();
    out.read_to_string(&mut followed).unwrap();
    assert!(follow.wait().unwrap().success());
    assert_eq!(count(&followed, "a:3 | no end of 3"), 1, "{followed}");
    assert_eq!(followed.lines().count(), all.lines().count() + 1, "every line once");
    assert_eq!(run.end(), 0);

    let kept = home.ok(&["logs", "--all", "-r", &id]);
    assert_eq!(kept.lines().count(), followed.lines().count());
    assert_eq!(home.ok(&["logs", "--search", "end of 3", "-r", &id]), "a:3 | no end of 3\n");
    assert_eq!(
        home.ok(&["logs", "a:3", "--search", "warning", "-r", &id]),
        "a:3 ! a warning of 3\n"
    );
    let (by_name, by_number) =
        (home.output(&["logs", "a:3", "-r", &id]), home.output(&["logs", ":3", "-r", &id]));
    assert!(!by_name.stdout.is_empty() && by_name == by_number);
    let missing = home.fails(2, &["logs", "a:99", "-r", &id]);
    assert!(missing.contains("no job `a:99` was in this run: `a:3` is the last one"), "{missing}");
}

#[test]
fn logs_do_not_wait_for_a_job_that_will_never_start() {
    let home = Home::new();
    let mut run = home.start(
        "
workers: 2
pools: {one: 1}
tasks:
  - {name: hold, run: 'until test -e go; do sleep 0.05; done'}
  - {name: bad, run: 'until test -e fail; do sleep 0.05; done; exit 1'}
  - {name: after, needs: [bad], foreach: {n: {range: 1..3}}, run: echo never}
  - {name: later, needs: [hold], run: echo never}
",
        &[],
    );
    run.started(2);
    let mut follow =
        home.command(&["logs", "-f", "after:2"]).stderr(Stdio::piped()).spawn().unwrap();
    // With the thread that reads what the supervisor says it is waiting.
    let tasks = Path::new("/proc").join(follow.id().to_string()).join("task");
    wait_until(|| fs::read_dir(&tasks).is_ok_and(|tasks| tasks.count() == 2));
    assert!(follow.try_wait().unwrap().is_none(), "the job may still start");
    home.file("fail", "");
    run.wait_for("rest_ended", |event| event["task"] == "after");
    let mut said = String::new();
    follow.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(follow.wait().unwrap().code(), Some(2), "{said}");
    assert!(said.contains("was skipped, since `bad` did not end as needed"), "{said}");

    let said = home.fails(2, &["logs", "-f", "after:1"]);
    assert!(said.contains("it has no output") && said.contains("ganger why :3"), "{said}");
    home.ok(&["kill", "later:1"]);
    let said = home.fails(2, &["logs", "-f", "later:1"]);
    assert!(said.contains("ended before it started (cancelled)"), "{said}");
    go(&home);
    assert_eq!(run.end(), 1);
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
fn what_a_drain_leaves_running_may_end_well_or_be_cut_short_by_hand() {
    for (by_hand, code) in [(false, 0), (true, 130)] {
        let home = Home::new();
        let tasks = "tasks: [{name: a, run: 'until test -e go; do sleep 0.05; done'}]\n";
        let mut run = home.start(tasks, &[]);
        run.started(1);
        run.signal(libc::SIGINT);
        run.wait_for("run_stopping", |event| event["how"] == "drain");
        if by_hand {
            home.ok(&["kill", "a:1"]);
        } else {
            go(&home);
        }
        assert_eq!(run.end(), code, "killed by hand: {by_hand}");
    }
}

#[test]
fn a_failure_without_inputs_is_shown_without_brackets() {
    let home = Home::new();
    let tasks = "tasks:
  - {name: bad, run: echo oh >&2; exit 3}
  - {name: worse, foreach: {x: [one]}, run: exit 4}
  - {name: waits, run: 'until test -e go; do sleep 0.05; done'}
";
    let mut run = home.start(tasks, &["-j", "3"]);
    for _ in 0..2 {
        run.wait_for("job_ended", |_| true);
    }
    let status = home.ok(&["status"]);
    assert!(status.contains("  bad:1 (:1)  failed 3  oh\n"), "{status}");
    assert!(status.contains("  worse:1 (:2)  [one]  failed 4\n"), "{status}");
    go(&home);
    assert_eq!(run.end(), 1);
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
fn a_drained_run_exits_with_130_and_one_that_a_signal_ended_as_that_signal() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    run.started(2);
    run.signal(libc::SIGINT);
    run.wait_for("run_stopping", |_| true);
    go(&home);
    assert_eq!(run.end(), 130);

    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGHUP, 129)] {
        let home = Home::new();
        let mut run = home.start(WAITING, &["--report", "report.json"]);
        run.started(2);
        run.signal(signal);
        assert_eq!(run.end(), code);
        let report: Value =
            serde_json::from_slice(&fs::read(home.path("report.json")).unwrap()).unwrap();
        assert_eq!(report["exit_code"], code);
        assert_eq!(home.json(&["ls", "--all", "--json"])[0]["exit_code"], code);
    }
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
    for words in [&["status"][..], &["stop"], &["pause"]] {
        let said = home.fails(2, words);
        assert!(said.contains(&format!("ganger stop {id}")), "{words:?}: {said}");
    }
    assert!(home.fails(2, &["pause", "-r", id]).contains(&format!("ganger stop {id}")));
    assert!(home.ok(&["stop", id]).contains("supervisor had died"));
    wait_until(|| process_state(pid).is_none_or(|state| state == 'Z'));
    assert_eq!(home.json(&["ls", "--json"]), serde_json::json!([]));
    assert_eq!(home.json(&["ls", "-a", "--json"])[0]["state"], "lost");
}

#[test]
fn a_new_run_clears_the_oldest_away() {
    let home = Home::new();
    home.ok(&["run", home.file("q.yaml", "tasks: [{name: a, run: 'true'}]").to_str().unwrap()]);
    let runs = home.path("state/ganger/runs");
    let first = home.json(&["ls", "--all", "--json"])[0]["run"].as_str().unwrap().to_owned();
    let record = fs::read_to_string(runs.join(&first).join("run.json")).unwrap();
    for n in 0..KEPT_RUNS {
        let mut record: Value = serde_json::from_str(&record).unwrap();
        let started_at = record["started_at"].as_i64().unwrap();
        record["run"] = format!("later-run-{n:04}").into();
        record["started_at"] = (started_at + 1 + i64::try_from(n).unwrap()).into();
        let dir = runs.join(format!("later-run-{n:04}"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("run.json"), record.to_string()).unwrap();
    }
    let mut run = home.start(WAITING, &[]);
    run.started(1);
    wait_until(|| !runs.join(&first).exists());
    let left = home.json(&["ls", "--all", "--json"]);
    let left: Vec<&str> =
        left.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    assert_eq!(left.len(), KEPT_RUNS, "with the live one");
    assert!(!left.contains(&"later-run-0000") && left.contains(&"later-run-0001"), "{left:?}");
    go(&home);
    assert_eq!(run.end(), 0);
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

/// Whether a shell is stopped. One that was caught between vfork and exec waits for its stopped
/// child (`D`).
fn stands_still(pid: i64) -> bool {
    matches!(process_state(pid), Some('T' | 'D'))
}

/// Looks until something is so: for what the kernel does and nobody reports.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let (_never, nothing) = std::sync::mpsc::channel::<()>();
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        let _timeout = nothing.recv_timeout(std::time::Duration::from_millis(50));
    }
    panic!("it was not so within a minute");
}

#[test]
fn waiting_jobs_are_moved_acts_are_taken_back_and_events_tell_who_asked() {
    let home = Home::new();
    let mut run = home.start(WAITING, &[]);
    run.started(2);
    assert!(home.ok(&["prio", "a:4"]).contains("priority 0 -> 1; it is next in the queue"));
    run.wait_for("prioritized", |event| event["label"] == "a:4" && event["to"] == 1);
    assert!(home.ok(&["kill", "a:3"]).contains("is cancelled in the queue"));
    run.wait_for("job_ended", |event| event["label"] == "a:3");
    assert!(home.ok(&["undo"]).contains("is queued again"));
    run.wait_for("job_retrying", |event| event["label"] == "a:3");
    home.ok(&["scale", "3"]);
    let next = run.wait_for("attempt_started", |_| true);
    assert_eq!(next["label"], "a:4", "it was moved to the front");
    assert!(home.ok(&["undo"]).contains("3 -> 2 workers"));
    assert!(home.fails(2, &["prio", "a:4", "--to", "7"]).contains("is running"));
    assert!(home.fails(2, &["undo", "no-such-run"]).contains("no-such-run"));

    let lines = home.ok(&["events", "--by", "people", "--kind", "asked", "--json"]);
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<&str> = rows.iter().map(|row| row["text"].as_str().unwrap()).collect();
    assert!(texts[0].starts_with("move a:4 to the front, asked by pid "), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("refused: job `a:4` (:4) is running")));
    assert_eq!((&rows[0]["job"], &rows[0]["by"]["who"]), (&4.into(), &"cli".into()));
    let few = home.ok(&["events", "-n", "2"]);
    assert_eq!(few.lines().count(), 2, "{few}");

    let follow = home.command(&["events", "-f", "--text", "ended"]).stdout(Stdio::piped()).spawn();
    let follow = follow.unwrap();
    go(&home);
    assert_eq!(run.end(), 0);
    let followed = follow.wait_with_output().unwrap();
    let text = String::from_utf8(followed.stdout).unwrap();
    assert!(followed.status.success(), "{text}");
    assert!(
        text.lines().last().unwrap().ends_with("the run ended: succeeded, exit code 0"),
        "{text}"
    );
    assert!(text.contains("b:1 ended: succeeded after "), "{text}");
}
