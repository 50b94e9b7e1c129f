//! The real program on a real terminal.

use super::pty::Pty;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A folder with a task file, and where ganger keeps its runs.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new(task_file: &str) -> Home {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("t.yaml"), task_file).unwrap();
        Home { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn wait_for_file(&self, name: &str, shows: impl Fn(&str) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(self.path(name)).is_ok_and(|text| shows(&text)) {
            assert!(Instant::now() < end, "`{name}` never came");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
        command.args(args).current_dir(self.dir.path());
        self.in_env(&mut command);
        command
    }

    fn in_env(&self, command: &mut Command) {
        for name in ["XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
            command.env(name, self.dir.path());
        }
    }

    /// What ganger keeps about the one run there is.
    fn record(&self) -> Value {
        let mut runs = fs::read_dir(self.path("ganger/runs")).unwrap().flatten();
        let record = runs.find_map(|run| fs::read(run.path().join("run.json")).ok()).unwrap();
        serde_json::from_slice(&record).unwrap()
    }

    fn run(&self, args: &[&str], cols: u16, rows: u16) -> Pty {
        let all: Vec<&str> = ["run", "t.yaml"].iter().chain(args).copied().collect();
        Pty::start(&mut self.command(&all), cols, rows)
    }
}

/// Whether a process runs that has `word` among its arguments.
fn is_running(word: &str) -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|e| fs::read(e.path().join("cmdline")).ok())
        .any(|cmdline| cmdline.split(|b| *b == 0).any(|arg| arg == word.as_bytes()))
}

fn wait_running(word: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_running(word) {
        assert!(Instant::now() < end, "`{word}` never ran");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_gone(word: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while is_running(word) {
        assert!(Instant::now() < end, "`{word}` still runs");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A number that no other process has as an argument.
fn sleep_word() -> String {
    format!("{}.{}", 3_600, std::process::id())
}

const WAITING: &str = "
name: waiting
workers: 2
tasks:
  - name: hold
    foreach: {n: {range: 1..24}}
    run: echo {n} >> started; while [ ! -e go ]; do sleep 0.05; done; echo {n} >> done
";

#[test]
fn scaling_by_hand_loses_no_job_and_runs_none_twice() {
    let home = Home::new(WAITING);
    let mut pty = home.run(&[], 120, 40);
    pty.wait_for("2 of 2 busy");
    pty.send("++++");
    pty.wait_for("6 of 6 busy");
    home.wait_for_file("started", |text| text.lines().count() == 6);
    pty.send("-----");
    pty.wait_for("leaving");
    fs::write(home.path("go"), "").unwrap();
    pty.wait_for("done: 24 succeeded");
    pty.send("q");
    assert_eq!(pty.exit_code(), 0);
    for name in ["started", "done"] {
        let mut seen: Vec<u32> = home.lines(name).iter().map(|l| l.parse().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=24).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_job_that_ignores_term_is_killed_by_hand_with_all_its_processes() {
    let word = sleep_word();
    let home = Home::new(&format!(
        "
workers: 1
tasks:
  - name: stubborn
    stop: {{grace: 1s}}
    run: |
      trap '' TERM
      setsid sleep {word} &
      echo ready
      while :; do sleep {word}; done
"
    ));
    let mut pty = home.run(&["--report", "report.json"], 80, 24);
    pty.wait_for("ready");
    pty.send("K");
    pty.wait_for("kill stubborn");
    pty.send("\r");
    pty.wait_for("1 cancelled");
    pty.send("q");
    assert_eq!(pty.exit_code(), 1);
    wait_gone(&word);
    let report = fs::read_to_string(home.path("report.json")).unwrap();
    assert!(report.contains("SIGKILL"), "{report}");
}

#[test]
fn every_size_shows_the_run_and_how_to_leave() {
    let home = Home::new(WAITING);
    let mut pty = home.run(&[], 80, 24);
    pty.wait_for("2 of 2 busy");
    for (cols, rows) in [(40, 10), (300, 100), (20, 5), (120, 40), (80, 24)] {
        pty.resize(cols, rows);
        pty.send("\x0c");
        if cols >= 40 {
            pty.wait(&format!("{cols}x{rows}"), |text| {
                text.contains("running") && text.contains("q quit") && text.contains("hold:1")
            });
        }
    }
    pty.send("qs");
    assert_eq!(pty.exit_code(), 130);
}

#[test]
fn draining_waits_for_what_runs_and_starts_nothing_more() {
    let home = Home::new(WAITING);
    let mut pty = home.run(&[], 80, 24);
    pty.wait_for("2 of 2 busy");
    home.wait_for_file("started", |text| text.lines().count() == 2);
    pty.send("q");
    pty.wait_for("drain: start nothing more");
    pty.send("d");
    pty.wait_for("draining");
    fs::write(home.path("go"), "").unwrap();
    pty.exit_code();
    assert_eq!(home.lines("done").len(), 2);
}

#[test]
fn the_terminal_is_as_before_after_the_end_and_after_a_signal() {
    let home = Home::new(WAITING);
    let mut pty = home.run(&[], 80, 24);
    pty.wait_for("2 of 2 busy");
    pty.send("\x03\x03");
    assert_eq!(pty.exit_code(), 130);
    pty.settle();
    pty.assert_restored(&new_terminal());

    let home = Home::new(WAITING);
    let mut pty = home.run(&[], 80, 24);
    pty.wait_for("2 of 2 busy");
    pty.signal(libc::SIGTERM);
    assert_eq!(pty.exit_code(), 143);
    pty.settle();
    pty.assert_restored(&new_terminal());
}

/// The modes of a new terminal.
fn new_terminal() -> nix::sys::termios::Termios {
    let new = nix::pty::openpty(None, None).unwrap();
    nix::sys::termios::tcgetattr(&new.slave).unwrap()
}

#[test]
fn the_terminal_is_as_before_after_a_panic() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = "tui::live::helper_that_panics_on_its_screen";
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    let mut pty = Pty::start(&mut command, 80, 24);
    assert_eq!(pty.exit_code(), 101);
    pty.settle();
    pty.assert_restored(&new_terminal());
    // libtest prints its own lines, and the message must not be lost on the alternate screen.
    assert!(pty.written().contains("on purpose"), "{}", pty.written());
}

#[test]
#[ignore = "run by the test of panics"]
fn helper_that_panics_on_its_screen() {
    let _screen = ganger::tui::terminal::Screen::enter(true).unwrap();
    panic!("on purpose");
}

fn at_prompt(text: &str) -> bool {
    text.trim_end().ends_with("prompt>")
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back() {
    let home = Home::new(WAITING);
    let mut shell = Command::new("/bin/sh");
    shell.arg("-i").current_dir(home.dir.path()).env("PS1", "prompt> ").env_remove("ENV");
    home.in_env(&mut shell);
    let mut pty = Pty::start(&mut shell, 80, 24);
    pty.wait_for("prompt> ");
    pty.send(&format!("{} run t.yaml\n", env!("CARGO_BIN_EXE_ganger")));
    pty.wait_for("2 of 2 busy");
    pty.send("\x1a");
    pty.wait("the shell", |text| text.contains("Stopped") && at_prompt(text));
    pty.send("echo mode-$(stty -a | grep -o -e '-icanon' -e 'icanon')-\n");
    pty.wait_for("mode-icanon-");
    pty.send("fg\n");
    pty.wait_for("2 of 2 busy");
    pty.send("qs");
    pty.wait("the shell", at_prompt);
    pty.send("echo code-$?-\n");
    pty.wait_for("code-130-");
    pty.send("exit\n");
    pty.exit_code();
}

/// Lets a program never hear of SIGHUP.
fn without_hangups(command: &mut Command) {
    use nix::sys::signal::{SigSet, Signal};
    use std::os::unix::process::CommandExt;
    let block = || Ok(SigSet::from(Signal::SIGHUP).thread_block()?);
    // SAFETY: sigprocmask(2) is async-signal-safe, and the set is on the stack.
    unsafe { command.pre_exec(block) };
}

/// What ends a screen from outside, and the exit code that it means.
type Blow = (&'static str, fn(&mut Pty), i32);

#[test]
fn a_screen_that_is_ended_from_outside_stops_the_run_and_all_tell_the_same_exit_code() {
    let blows: [Blow; 4] = [
        ("term", |pty| pty.signal(libc::SIGTERM), 143),
        ("hup", |pty| pty.signal(libc::SIGHUP), 129),
        ("window", Pty::hang_up, 129),
        ("vanished", Pty::vanish, 129),
    ];
    for (i, (name, strike, code)) in blows.into_iter().enumerate() {
        let word = format!("{}{i}", sleep_word());
        let home = Home::new(&format!("tasks:\n  - name: long\n    run: exec sleep {word}\n"));
        let mut command = home.command(&["run", "t.yaml", "--report", "report.json"]);
        if name == "vanished" {
            without_hangups(&mut command);
        }
        let mut pty = Pty::start(&mut command, 80, 24);
        pty.wait_for("long");
        wait_running(&word);
        strike(&mut pty);
        assert_eq!(pty.exit_code(), code, "{name}");
        wait_gone(&word);
        let report: Value =
            serde_json::from_slice(&fs::read(home.path("report.json")).unwrap()).unwrap();
        assert_eq!(report["exit_code"], code, "{name}");
        assert_eq!(home.record()["ended"]["exit_code"], code, "{name}");
    }
}

#[test]
fn a_screen_that_has_closed_leaves_one_line_and_the_report() {
    let home = Home::new("name: thumbs\ntasks: [{name: a, run: 'true'}, {name: b, run: exit 3}]");
    let mut pty = home.run(&["--report", "r.json", "--no-hold"], 200, 24);
    assert_eq!(pty.exit_code(), 1);
    pty.settle();
    let left = pty.written();
    assert!(left.contains("ganger: thumbs: 2 jobs: 1 succeeded, 1 failed; "), "{left}");
    assert!(left.contains("/r.json\r\n"), "{left}");
    assert_eq!(left.lines().count(), 1, "{left}");

    let mut pty = home.run(&["--report", "-", "--no-hold"], 200, 24);
    assert_eq!(pty.exit_code(), 1);
    pty.settle();
    let left = pty.written();
    assert!(left.contains("\"exit_code\": 1") || left.contains("\"exit_code\":1"), "{left}");
}

#[test]
fn a_supervisor_that_is_killed_leaves_nothing_to_look_after() {
    let word = format!("{}9", sleep_word());
    let home = Home::new(&format!("tasks:\n  - name: long\n    run: exec sleep {word}\n"));
    let mut pty = home.run(&["--report", "r.json"], 200, 24);
    pty.wait_for("long");
    wait_running(&word);
    let supervisor = home.record()["pid"].as_i64().unwrap();
    // SAFETY: signals the supervisor that our own ganger started and has not reaped.
    unsafe { libc::kill(i32::try_from(supervisor).unwrap(), libc::SIGKILL) };
    assert_eq!(pty.exit_code(), 3);
    wait_gone(&word);
    pty.settle();
    let left = pty.written();
    assert!(left.contains("was ended by SIGKILL"), "{left}");
    assert!(left.contains("1 process of it was ended; its report was not written"), "{left}");
    assert_eq!(home.record()["swept"], true);
    let list = home.command(&["ls", "--json"]).output().unwrap();
    assert_eq!(list.stdout, b"[]\n");
}

#[test]
fn a_signal_after_the_end_does_not_change_how_the_run_ended() {
    let home = Home::new("tasks: [{name: quick, run: 'true'}]");
    let mut pty = home.run(&[], 80, 24);
    pty.wait_for("done: 1 succeeded");
    pty.signal(libc::SIGTERM);
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn a_failed_job_can_be_read_and_retried_on_the_screen() {
    let home = Home::new(
        "
workers: 1
tasks:
  - name: flaky
    run: 'if [ -e fixed ]; then echo fine; else echo it is broken >&2; exit 7; fi'
  - name: hold
    run: while [ ! -e go ]; do sleep 0.05; done
",
    );
    let mut pty = home.run(&[], 100, 30);
    pty.wait_for("failed 7");
    pty.wait_for("it is broken");
    fs::write(home.path("fixed"), "").unwrap();
    pty.send("4r");
    // The supervisor's answer: the key hints say `retry`, too.
    pty.wait("queued again", |text| {
        text.lines().last().is_some_and(|line| line.contains('✓') && line.contains("flaky"))
    });
    fs::write(home.path("go"), "").unwrap();
    pty.wait_for("done: 2 succeeded");
    pty.send("q");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn twenty_thousand_jobs_are_filtered_scrolled_and_ended_by_hand() {
    let word = sleep_word();
    let home = Home::new(&format!(
        "
workers: 1
tasks:
  - {{name: hold, run: sleep {word}}}
  - {{name: quick, foreach: {{n: {{range: 1..20000}}}}, run: 'true', needs: hold}}
"
    ));
    let mut pty = home.run(&[], 120, 40);
    pty.wait_for("1 of 1 busy");
    pty.send("6");
    pty.wait_for("of 20 001");
    pty.send("G");
    pty.wait_for(":20001 quick:20000");
    pty.send("x");
    pty.wait_for("cancelled");
    pty.send("frunning\r");
    pty.wait_for("running · 1 of 20 001");
    wait_running(&word);
    pty.send("K");
    pty.wait_for("kill hold");
    pty.send("\r");
    pty.wait_for("running · 0 of 20 001");
    wait_gone(&word);
    pty.wait_for("done: ");
    pty.send("\x1b");
    pty.wait_for("jobs ─ 20 001");
    pty.send("fskipped\r");
    pty.wait_for("skipped · 19 999 of 20 001");
    pty.send("gd");
    pty.wait_for("details ─ :2 ");
    pty.wait_for("hold (succeeded): has ended");
    pty.wait("the focus on the details", |text| !text.contains("a tasks"));
    pty.send("\x1b");
    pty.wait_for("a tasks");
    pty.send("q");
    assert_eq!(pty.exit_code(), 1);
}

/// Colours, a progress bar, and more lines than a window holds.
const TALKING: &str = r"
name: talking
workers: 1
tasks:
  - name: talk
    run: |
      printf '\033[31mred\033[0m words\n'
      printf 'loading 1%%\rloading 100%%\n'
      echo 'a warning' >&2
      seq -f 'line %.0f of many' 100000
      while [ ! -e go ]; do sleep 0.05; done
      echo finally
";

#[test]
fn a_hundred_thousand_lines_are_followed_held_searched_and_saved() {
    let home = Home::new(TALKING);
    let mut pty = home.run(&[], 120, 30);
    pty.wait_for("line 100000 of many");
    pty.send("5m");
    pty.wait_for("following");
    pty.send("g");
    let text = pty.wait("the start", |text| text.contains("red words") && text.contains("line 9 "));
    assert!(text.contains("loading 100%") && !text.contains("loading 1%"), "{text}");
    assert!(text.contains("held still"), "{text}");
    pty.send("/line 777");
    pty.wait_for("`line 777`");
    pty.send("\r");
    pty.wait("the first hit", |text| text.contains("1 of ") && text.contains("line 777 of many"));
    pty.send("n");
    pty.wait("the next hit", |text| text.contains("2 of ") && text.contains("line 7770 of many"));
    pty.send("N");
    pty.wait("the hit before", |text| text.contains("1 of ") && text.contains("line 780 of many"));
    pty.send("\x1b");
    pty.wait("the start again", |text| text.contains("red words") && !text.contains("`line 777`"));
    pty.send("F");
    pty.wait("the end", |text| text.contains("following") && text.contains("line 100000 of"));
    pty.send("S");
    pty.wait_for("save to talk.log");
    pty.send("\r");
    pty.wait_for("saved 1.8M in talk.log and talk.log.stderr");
    assert_eq!(home.lines("talk.log").len(), 100_002);
    assert_eq!(home.lines("talk.log.stderr"), ["a warning"]);
    pty.send("S\r");
    pty.wait_for("talk.log is there: Enter overwrites it");
    pty.send("\x1b");
    fs::write(home.path("go"), "").unwrap();
    pty.wait_for("finally");
    pty.send("q");
    assert_eq!(pty.exit_code(), 0);
}

/// Presses a key until the screen shows something: what it is about may not be known at once.
fn press_until(pty: &mut Pty, key: &str, what: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !pty.text().contains(what) {
        assert!(Instant::now() < end, "{key} never gave {what}:\n{}", pty.text());
        pty.send(key);
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_stop_is_proven_and_acts_can_be_seen_and_taken_back() {
    let home = Home::new(WAITING);
    let mut pty = home.run(&[], 120, 40);
    pty.wait_for("2 of 2 busy");
    home.wait_for_file("started", |text| text.lines().count() == 2);
    // One worker more, and back.
    pty.send("+");
    pty.wait_for("3 of 3 busy");
    pty.send("u");
    pty.wait_for("leaving");
    // A stop, until nothing is left of the job.
    pty.send("K");
    pty.wait_for("kill hold:1");
    pty.send("\r");
    pty.wait_for("hold:1 ended by SIGTERM after");
    assert!(pty.text().contains("nothing left"), "{}", pty.text());
    // The timeline has its bar, the events say who stopped it and what was taken back.
    pty.send(":view timeline\r");
    pty.wait("the bar of hold:1 with its mark", |text| {
        text.contains("timeline ─ 3 attempts") && text.contains('■')
    });
    pty.send(":view events\r");
    pty.wait_for("hold:1 killed by the screen");
    let shown = pty.wait_for("scale pool default to 2, asked by the screen");
    assert!(shown.contains("scale pool default to 3, asked by the screen"), "{shown}");
    // What was stopped is queued again, and goes to the front.
    pty.send("/hold:1 is over\r");
    pty.wait_for("held");
    press_until(&mut pty, "r", "hold:1 queued again by the screen");
    press_until(&mut pty, "]", "hold:1 moved to priority");
    fs::write(home.path("go"), "").unwrap();
    pty.wait_for("done: 24 succeeded");
    let started = home.lines("started");
    assert_eq!(started.iter().filter(|line| *line == "1").count(), 2, "{started:?}");
    pty.send("q");
    assert_eq!(pty.exit_code(), 0);
}
