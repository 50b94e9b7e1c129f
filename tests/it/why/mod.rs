//! `ganger why` of processes, and what it says before a kill, checked by killing.

use crate::cli::Home;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The built program; `None`, and why, where there is no C compiler.
fn fates() -> Option<&'static PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/why/fates.c");
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fates");
        let beside = program.with_extension(std::process::id().to_string());
        let mut cc = Command::new("cc");
        let built = cc.args(["-O1", "-pthread", "-o"]).arg(&beside).arg(source).status();
        assert!(built.ok()?.success(), "fates.c does not compile");
        std::fs::rename(beside, &program).unwrap();
        Some(program)
    });
    if built.is_none() {
        println!("skipped: no C compiler (cc)");
    }
    built.as_ref()
}

/// Far beyond what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two processes of which one has what the other waits for.
struct Pair {
    child: Child,
    _stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    holder: i32,
    waiter: i32,
}

impl Pair {
    fn start(home: &Home, kind: &str) -> Option<Pair> {
        let mut command = Command::new(fates()?);
        command.arg(kind).arg(home.path(kind)).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Some(Pair::of(command.spawn().unwrap()))
    }

    fn of(mut child: Child) -> Pair {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut role = |name: &str| {
            let line = lines.next().unwrap().unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[..2], ["role", name]);
            words[2].parse::<i32>().unwrap()
        };
        let (holder, waiter) = (role("holder"), role("waiter"));
        let stdin = child.stdin.take().unwrap();
        Pair { child, _stdin: stdin, lines, holder, waiter }
    }

    /// Waits until the waiter is seen to wait.
    fn wait_for_wait(&self, home: &Home) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = home.output(&["why", &self.waiter.to_string(), "--json"]);
            let seen: Value = serde_json::from_slice(&seen.stdout).unwrap();
            let waits = seen["waits"].as_array().unwrap();
            let of_waiter = waits.iter().find(|wait| wait["pid"] == self.waiter);
            if of_waiter.is_some_and(|wait| wait["resource"]["kind"] != "unknown") {
                return seen;
            }
            assert!(Instant::now() < end, "{seen:#}");
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

#[test]
fn what_a_kill_would_do_is_what_it_does() {
    let home = Home::new();
    for (kind, fate) in [
        ("flock", "freed"),
        ("lockf", "freed"),
        ("ofd", "freed"),
        ("robust", "marked"),
        ("plain", "kept"),
        ("rwlock", "kept"),
        ("sem", "kept"),
        ("inheriting", "aborts"),
        ("pipe", "ended"),
        ("child", "ended"),
    ] {
        let Some(mut pair) = Pair::start(&home, kind) else { return };
        pair.wait_for_wait(&home);
        let (waiter, holder) = (pair.waiter.to_string(), pair.holder.to_string());
        let said = home.output(&["why", &waiter, "--kill", &holder, "--json"]);
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        let fates: Vec<&str> = said["fates"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|fated| fated["waiters"][0]["pid"] == pair.waiter)
            .map(|fated| fated["fate"].as_str().unwrap())
            .collect();
        assert_eq!(fates, [fate], "{kind}: {said:#}");

        let victim = rustix::process::Pid::from_raw(pair.holder).unwrap();
        rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
        match fate {
            "kept" => {
                // It can never go on, and ganger says so.
                let end = Instant::now() + PATIENCE;
                loop {
                    let output = home.output(&["why", &waiter, "--json"]);
                    if output.status.code() == Some(1) {
                        break;
                    }
                    let is_late = Instant::now() > end;
                    assert_eq!(
                        (output.status.code(), is_late),
                        (Some(0), false),
                        "{kind}: {output:?}"
                    );
                }
                assert!(pair.child.try_wait().unwrap().is_none(), "{kind}");
            }
            "aborts" => {
                assert_eq!(pair.child.wait().unwrap().signal(), Some(libc::SIGABRT), "{kind}");
            }
            _ => {
                let line = pair.lines.next().unwrap().unwrap();
                let code = if fate == "marked" { libc::EOWNERDEAD } else { 0 };
                assert_eq!(line, format!("got {code}"), "{kind}");
            }
        }
    }
}

/// As it is behind sudo, su and sshd: who runs the session may not be looked at, but the shell
/// between it and the programs may.
#[test]
fn what_is_only_inherited_is_not_had_by_a_hidden_process_above_the_shell() {
    let home = Home::new();
    let Some(program) = fates() else { return };
    let ganger = home.for_everybody(env!("CARGO_BIN_EXE_ganger"), "ganger");
    let program = home.for_everybody(program.to_str().unwrap(), "fates");
    let nobody = rustix::process::geteuid().is_root().then_some(65534);
    // A shell of whoever runs the tests has the session, and starts one of somebody else.
    let mut outer = Command::new("setsid");
    outer.args(["sh", "-c", "\"$@\"; exit", "sh"]);
    if nobody.is_some() {
        outer.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    outer.args(["sh", "-c", "\"$@\"; exit", "sh"]).arg(program).args(["plain", "/dev/null"]);
    outer.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let pair = Pair::of(outer.spawn().unwrap());
    let why = || {
        let waiter = pair.waiter.to_string();
        let mut why = Command::new(&ganger);
        why.args(["why", &waiter, "--json"]).current_dir("/");
        if let Some(id) = nobody {
            why.uid(id).gid(id);
        }
        let seen = why.output().unwrap().stdout;
        serde_json::from_slice::<Value>(&seen).unwrap()
    };
    let end = Instant::now() + PATIENCE;
    let until = |is_so: &dyn Fn(&Value) -> bool| {
        loop {
            let seen = why();
            if is_so(&seen) {
                return;
            }
            assert!(Instant::now() < end, "{seen:#}");
        }
    };
    until(&|seen| seen["waits"].as_array().unwrap().iter().any(|w| w["pid"] == pair.waiter));
    let holder = rustix::process::Pid::from_raw(pair.holder).unwrap();
    rustix::process::kill_process(holder, rustix::process::Signal::KILL).unwrap();
    until(&|seen| seen["verdict"] == "abandoned");
}

#[test]
fn who_waits_for_whom_is_told_in_words_as_json_and_as_a_graph() {
    let home = Home::new();
    let Some(pair) = Pair::start(&home, "flock") else { return };
    let seen = pair.wait_for_wait(&home);
    assert_eq!((&seen["schema"], &seen["verdict"]), (&1.into(), &"healthy".into()));
    assert_eq!(seen["target"]["pid"], pair.waiter);
    assert_eq!(seen["target"]["processes"], 2);
    let waiter = pair.waiter.to_string();
    let path = home.path("flock");
    let text = home.ok(&["why", &waiter]);
    assert!(text.starts_with("nothing is stuck: 2 processes, 2 threads"), "{text}");
    let held = format!("file lock `{}` held by fates (pid {})", path.display(), pair.holder);
    assert!(text.contains(&held), "{text}");
    let graph = home.ok(&["why", &waiter, "--dot"]);
    assert!(graph.starts_with("digraph waits {") && graph.contains(&format!("t{waiter} -> ")));

    // A stopped holder cannot give it back; it is named as what it is.
    let holder = rustix::process::Pid::from_raw(pair.holder).unwrap();
    rustix::process::kill_process(holder, rustix::process::Signal::STOP).unwrap();
    let end = Instant::now() + PATIENCE;
    let output = loop {
        let output = home.output(&["why", &waiter]);
        assert!(Instant::now() < end, "{output:?}");
        if output.status.code() == Some(1) {
            break output;
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("STALLED") && text.contains(", stopped)"), "{text}");
}

#[test]
fn what_cannot_be_looked_at_is_said_with_exit_code_3() {
    let home = Home::new();
    // Pids end below this number, see proc_sys_kernel(5).
    let said = home.fails(3, &["why", "4194304"]);
    assert!(said.contains("no such process") && said.contains("hint: "), "{said}");
    assert!(home.fails(3, &["why", "99999999999999999999"]).contains("no such process"));
    assert!(home.fails(2, &["why", ":17"]).contains("hint: "));
    assert!(home.fails(2, &["why", "1 2"]).contains("pid"));
}

#[test]
fn names_of_processes_do_nothing_to_the_terminal() {
    let home = Home::new();
    let Some(program) = fates() else { return };
    let evil = home.path("a\u{1b}[31mb\u{7}");
    std::os::unix::fs::symlink(program, &evil).unwrap();
    let mut command = Command::new(&evil);
    command.arg("pipe").arg(home.path("unused")).process_group(0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let roles: Vec<String> = lines.by_ref().take(2).map(Result::unwrap).collect();
    let pid = child.id().to_string();
    let texts = [home.ok(&["why", &pid]), home.ok(&["why", &pid, "--dot"])];
    let group = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    child.wait().unwrap();
    assert_eq!(roles.len(), 2);
    for text in texts {
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
        assert!(text.contains("ab\u{fffd} (pid"), "{text:?}");
    }
}

/// Job `a` has ganger's lock `db` by its task and wants a file lock; `b` has the file lock and
/// wants `db`.
const CROSSED: &str = r#"
locks: [db]
workers: 2
tasks:
  - name: a
    locks: [db]
    run: |
      until test -e b-has-it; do sleep 0.05; done
      exec flock file true
  - name: b
    run: exec flock file sh -c 'touch b-has-it; exec GANGER lock db -- true'
"#;

#[test]
fn a_circle_through_a_lock_of_ganger_and_a_file_lock_is_one_circle() {
    if Command::new("flock").arg("--version").output().is_err() {
        println!("skipped: no flock(1)");
        return;
    }
    let home = Home::new();
    let text = CROSSED.replace("GANGER", env!("CARGO_BIN_EXE_ganger"));
    let mut run = home.start(&text, &[]);
    run.started(1);
    run.started(2);
    let end = Instant::now() + PATIENCE;
    let seen = loop {
        let output = home.output(&["why", ":1", "--json"]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
        if output.status.code() == Some(1) {
            break seen;
        }
        assert!(Instant::now() < end, "no circle was seen: {seen:#}");
    };
    assert_eq!(seen["verdict"], "deadlock", "{seen:#}");
    let waits = seen["waits"].as_array().unwrap();
    let kinds: Vec<&str> =
        waits.iter().map(|wait| wait["resource"]["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"ganger_lock") && kinds.contains(&"file_lock"), "{kinds:?}");
    let core = seen["findings"][0]["core"].as_array().unwrap();
    let jobs: std::collections::BTreeSet<u64> =
        core.iter().filter_map(|member| member["job"].as_u64()).collect();
    assert_eq!(jobs.into_iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(seen["job"]["label"], "a:1");

    let said = home.output(&["why", ":2"]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.starts_with("b:1 (:2): running\n"), "{said}");
    assert!(said.contains("ganger lock `db` held by a:1 (pid "), "{said}");
    // Either way out leaves nothing behind.
    let preview = home.ok(&["kill", ":2", "--preview"]);
    assert!(preview.contains("free file lock") && !preview.contains("still stuck"), "{preview}");
    home.ok(&["kill", ":2", "--now"]);
    run.wait_for("job_ended", |event| event["job"] == 1);
    assert_eq!(run.end(), 1);
}
