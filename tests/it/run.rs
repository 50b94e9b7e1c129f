//! `ganger run` from the outside: a task file goes in, an exit code and a report come out.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A run that has ended.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
    report: Value,
    dir: tempfile::TempDir,
}

impl Ran {
    /// Returns a field of a job, by its label such as `a:1`.
    fn job(&self, label: &str) -> &Value {
        let (task, index) = label.split_once(':').unwrap();
        let index: u64 = index.parse().unwrap();
        let jobs = self.report["jobs"].as_array().unwrap();
        let found = jobs.iter().find(|j| j["task"] == task && j["index"] == index);
        found.unwrap_or_else(|| panic!("no job {label} in {:#}\n{}", self.report, self.stderr))
    }

    fn outcome(&self, label: &str) -> &str {
        self.job(label)["outcome"].as_str().unwrap()
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).unwrap_or_default()
    }
}

fn ganger(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
    command
        .current_dir(dir)
        .env("XDG_STATE_HOME", dir.join("state"))
        .env("XDG_RUNTIME_DIR", dir)
        .env_remove("GANGER_RUN")
        .env_remove("GANGER_JOB")
        .stdin(Stdio::null());
    command
}

/// Runs a task file in an empty folder with these arguments behind it.
fn run_with(yaml: &str, args: &[&str]) -> Ran {
    run_in(tempfile::tempdir().unwrap(), yaml, args)
}

fn run_in(dir: tempfile::TempDir, yaml: &str, args: &[&str]) -> Ran {
    fs::write(dir.path().join("tasks.yaml"), yaml).unwrap();
    let mut command = ganger(dir.path());
    command.args(["run", "tasks.yaml", "--plain", "--report", "report.json"]).args(args);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let report = fs::read(dir.path().join("report.json")).unwrap_or_default();
    Ran {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        report: serde_json::from_slice(&report).unwrap_or_default(),
        dir,
    }
}

fn run(yaml: &str) -> Ran {
    run_with(yaml, &[])
}

#[test]
fn check_tells_unknown_columns_beside_other_errors_each_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("e.csv"), "name,size\n1,2\n").unwrap();
    let yaml = "workers: foo\n\
                tasks:\n\
                \x20 - {name: b, run: 'echo {r.nam} {zz}', foreach: {r: {csv: e.csv}}}\n\
                \x20 - {name: c, run: ls, foreach: {x: [1, 2], y: [1], zip: true}}\n";
    fs::write(dir.path().join("t.yaml"), yaml).unwrap();
    let output = ganger(dir.path()).args(["check", "t.yaml", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let place = |d: &Value| (d["span"]["line"].as_u64().unwrap(), d["span"]["column"].as_u64());
    let places: Vec<_> = told.iter().map(place).collect();
    assert_eq!(places, [(1, Some(10)), (3, Some(26)), (3, Some(34)), (4, Some(3))], "{told:#?}");
    assert!(told[1]["hint"].as_str().unwrap().contains("Did you mean `{r.name}`?"), "{told:#?}");
}

#[test]
fn what_does_not_fit_its_source_is_told_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("e.csv"), "name,size\n1,2\n").unwrap();
    let yaml = "tasks:\n\
                - {name: a, run: touch started}\n\
                - {name: b, run: 'echo {r.nam} {r.zz}', foreach: {r: {csv: e.csv}}}\n\
                - {name: c, run: ls, foreach: {x: [1, 2], y: [1], zip: true}}\n";
    let ran = run_in(dir, yaml, &[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for words in
        ["Did you mean `{r.name}`?", "unknown placeholder `{r.zz}`", "task `c`", "tasks.yaml:3"]
    {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(!ran.dir.path().join("started").exists());
}

#[test]
fn priorities_hold_from_the_first_job_on() {
    let ran = run_with(
        "workers: 1\n\
         tasks:\n\
         - {name: a, run: echo a}\n\
         - {name: b, priority: 5, run: echo b}\n\
         - {name: c, priority: 7, foreach: {x: [1, 2]}, run: echo c}\n",
        &[],
    );
    assert_eq!(ran.stdout, "c\nc\nb\na\n");
}

#[test]
fn jobs_run_in_order_of_their_needs_and_the_report_tells_all() {
    let ran = run(r#"
name: order
tasks:
  - {name: last, needs: [first], run: "cat made"}
  - {name: first, run: "echo $GANGER_TASK > made"}
"#);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "first\n"), "{}", ran.stderr);
    assert_eq!(ran.report["name"], "order");
    assert_eq!(ran.report["outcome"], "succeeded");
    assert_eq!(ran.report["totals"]["succeeded"], 2);
    let job = ran.job("last:1");
    assert_eq!(
        (&job["job"], &job["attempts"], &job["exit_code"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert_eq!(job["command"], "cat made");
    assert_eq!(job["stdout_bytes"], 6);
    assert!(job["signal"].is_null() && job["wall_s"].is_number());
}

#[test]
fn every_change_can_be_a_line() {
    let yaml = "
tasks:
  - {name: a, foreach: {n: [1, 2]}, run: 'echo out; test {n} = 1'}
  - {name: b, needs: [a], run: echo}
";
    let ran = run_with(yaml, &["--live", "-j1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "out\nout\n"));
    for line in ["a has 2 jobs", "a:1 started: pid ", "a:2 ended: exit code 1 after ", "skipped"] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains(['\r', '\x1b']), "{:?}", ran.stderr);
}

#[test]
fn every_way_to_end_has_its_outcome_and_exit_code() {
    let ran = run(r#"
workers: 4
defaults: {stop: {grace: 300ms}}
tasks:
  - {name: code, run: exit 7}
  - {name: fine, run: exit 7, ok_codes: [7]}
  - {name: signal, run: kill -SEGV $$}
  - {name: slow, run: sleep 60, timeout: 300ms}
  - {name: deaf, run: "trap '' TERM; while :; do sleep 1; done", timeout: 300ms}
  - {name: missing, run: [no-such-program-here]}
  - {name: nowhere, run: ["true"], workdir: no/such/folder}
  - {name: after, needs: [code], run: echo never}
  - {name: rescue, needs: [{task: code, when: failed}], run: echo rescued}
  - {name: anyway, needs: [{task: code, when: always}], run: echo anyway}
  - {name: quiet_end, needs: [{task: fine, when: failed}], run: echo never}
"#);
    let expected = [
        ("code:1", "failed", Some(7), None),
        ("fine:1", "succeeded", Some(7), None),
        ("signal:1", "signaled", None, Some("SIGSEGV")),
        ("slow:1", "timed_out", None, Some("SIGTERM")),
        ("deaf:1", "timed_out", None, Some("SIGKILL")),
        ("missing:1", "spawn_failed", None, None),
        ("nowhere:1", "spawn_failed", None, None),
        ("after:1", "skipped", None, None),
        ("rescue:1", "succeeded", Some(0), None),
        ("anyway:1", "succeeded", Some(0), None),
        ("quiet_end:1", "skipped", None, None),
    ];
    for (label, outcome, code, signal) in expected {
        let job = ran.job(label);
        assert_eq!(job["outcome"], outcome, "{label}");
        assert_eq!(job["exit_code"].as_i64(), code, "{label}");
        assert_eq!(job["signal"].as_str(), signal, "{label}");
    }
    assert_eq!(ran.code, 1);
    let missing = ran.job("missing:1")["error"].as_str().unwrap();
    assert!(missing.contains("no-such-program-here"), "{missing}");
    assert!(ran.job("nowhere:1")["error"].as_str().unwrap().contains("no/such/folder"));
}

#[test]
fn retries_count_attempts_and_may_be_narrowed() {
    let ran = run(r#"
tasks:
  - {name: third, retries: 2, run: 'echo x >> tries; test "$(wc -l < tries)" = 3'}
  - {name: never, retries: {max: 1, delay: 10ms}, run: 'echo "$GANGER_ATTEMPT {attempt}"; exit 1'}
  - {name: other, retries: {max: 5, exit_codes: [9]}, run: exit 8}
  - {name: gone, retries: 1, run: [no-such-program-here]}
"#);
    let attempts = |label: &str| ran.job(label)["attempts"].as_u64().unwrap();
    assert_eq!((ran.outcome("third:1"), attempts("third:1")), ("succeeded", 3));
    assert_eq!((ran.outcome("never:1"), attempts("never:1")), ("failed", 2));
    assert_eq!((ran.outcome("other:1"), attempts("other:1")), ("failed", 1));
    assert_eq!((ran.outcome("gone:1"), attempts("gone:1")), ("spawn_failed", 2));
    assert!(ran.stdout.contains("2 2\n"), "{}", ran.stdout);
}

#[test]
fn values_arrive_as_one_word_and_as_variables() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("names"),
        b"a b\n'q'\n$(touch hit)\n`touch hit`\n-n\n\\\n\xff\xfe\n*\n",
    )
    .unwrap();
    let ran = run_in(
        dir,
        r#"
workers: 1
tasks:
  - name: show
    foreach: {x: {lines: names}}
    run: |
      printf '<%s>' {x} "{x}" '{x}' "pre {x} post"
      test "$GANGER_VAR_x" = {x} && echo
"#,
        &[],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = ["<a b><a b><a b><pre a b post>", "<'q'><'q'><'q'><pre 'q' post>"];
    for line in expected {
        assert!(ran.stdout.contains(line), "{line} is not in {}", ran.stdout);
    }
    assert!(!ran.dir.path().join("hit").exists(), "a value was executed");
    assert_eq!(ran.job("show:7")["inputs"]["x"], serde_json::json!({"base64": "//4="}));
}

#[test]
fn each_links_job_to_job() {
    let ran = run(r#"
workers: 3
tasks:
  - name: down
    foreach: {x: [1, 2, 3], y: [a, b]}
    needs: [{task: up, each: true}]
    run: echo {x}{y}
  - name: up
    foreach: {x: [1, 2, 3]}
    run: test {x} != 2
"#);
    let outcomes: Vec<_> = (1..=6).map(|i| ran.outcome(&format!("down:{i}")).to_owned()).collect();
    assert_eq!(
        outcomes,
        ["succeeded", "succeeded", "skipped", "skipped", "succeeded", "succeeded"]
    );
}

#[test]
fn each_goes_by_value_and_names_jobs_without_a_partner() {
    let yaml = r#"
tasks:
  - {name: up, foreach: {x: [1, 2, 3]}, run: "test {x} != 2"}
  - name: down
    foreach: {x: [4, 3, 2, 1]}
    needs: [{task: up, each: true}]
    run: echo {x}
"#;
    let ran = run(yaml);
    let outcomes: Vec<_> = (1..=4).map(|i| ran.outcome(&format!("down:{i}")).to_owned()).collect();
    assert_eq!(outcomes, ["succeeded", "succeeded", "skipped", "succeeded"]);
    let warning = "warning: task `down` needs `up` job by job, and 1 of its 4 jobs has no partner \
                   there: `x` 4\n";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    let checked = ganger(ran.dir.path()).args(["check", "tasks.yaml"]).output().unwrap();
    assert_eq!(checked.status.code(), Some(0));
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(said.contains(warning) && said.contains("hint: A job without a partner"), "{said}");
}

#[test]
fn fail_fast_and_on_failure_end_the_run() {
    let ran = run_with(
        "fail_fast: 2\ntasks:\n  - {name: a, foreach: {i: {range: 1..50}}, run: exit 1}\n",
        &["-j1"],
    );
    let totals = &ran.report["totals"];
    assert_eq!((&totals["failed"], &totals["cancelled"]), (&2.into(), &48.into()));
    assert_eq!((ran.code, ran.report["outcome"].as_str()), (1, Some("failed")));
    let ran = run_with(
        "tasks:\n  - {name: a, on_failure: abort, run: sleep 0.3; exit 1}\n  - {name: b, run: sleep 60}\n  - {name: c, run: echo}\n",
        &["-j2"],
    );
    assert_eq!(
        (ran.outcome("a:1"), ran.outcome("b:1"), ran.outcome("c:1")),
        ("failed", "cancelled", "cancelled")
    );
    assert_eq!(ran.code, 1);
}

#[test]
fn what_exists_and_is_newer_is_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.txt"), "x").unwrap();
    let yaml = r#"
tasks:
  - name: make
    foreach: {f: {glob: "*.txt"}}
    creates: "{f.stem}.out"
    run: cp {f} {f.stem}.out; echo ran
  - {name: then, needs: [make], run: "true"}
"#;
    let ran = run_in(dir, yaml, &[]);
    assert_eq!(ran.outcome("make:1"), "succeeded");
    let ran = run_in(ran.dir, yaml, &[]);
    assert_eq!((ran.outcome("make:1"), ran.outcome("then:1")), ("up_to_date", "succeeded"));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs::File::open(ran.dir.path().join("in.txt")).unwrap().set_modified(later).unwrap();
    assert_eq!(run_in(ran.dir, yaml, &[]).outcome("make:1"), "succeeded");
}

#[test]
fn streams_go_where_the_task_says() {
    let ran = run(r#"
tasks:
  - {name: text, stdin: {text: "one\ntwo\n"}, run: wc -l}
  - {name: file, needs: [text], stdin: {file: tasks.yaml}, run: head -c1, stdout: "out-{job}.txt", stderr: err.txt}
  - {name: none, run: "cat; readlink /proc/self/fd/0"}
  - {name: tty, tty: {cols: 90, rows: 30}, run: "stty size; tty"}
"#);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("2\n") && ran.stdout.contains("/dev/null\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("30 90") && ran.stdout.contains("/dev/pts/"), "{}", ran.stdout);
    assert_eq!(ran.text("out-2.txt"), "\n");
    assert_eq!(ran.job("file:1")["stdout_bytes"], 1);
}

#[test]
fn the_environment_is_built_in_layers() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret.env"), "TOKEN=hush-hush\nB=file\n").unwrap();
    let ran = run_in(
        dir,
        r#"
env: {A: top, B: top, N: 1.10}
vars: {v: word}
tasks:
  - name: a
    env: {B: "task-{vars.v}", GANGER_MINE: mine}
    env_file: secret.env
    run: |
      echo "$A $B $N $GANGER_MINE $GANGER_JOB $GANGER_TASK $GANGER_ATTEMPT $GANGER_SLOT"
      test "${#TOKEN}" = 9 && test -S "$GANGER_SOCKET" && test -n "$GANGER_SEED" && echo all there
  - {name: b, threads: 3, run: 'echo "$OMP_NUM_THREADS$RAYON_NUM_THREADS"'}
"#,
        &["--set", "v=other"],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("top task-other 1.10 mine 1 a 1 "), "{}", ran.stdout);
    assert!(ran.stdout.contains("all there") && ran.stdout.contains("33"), "{}", ran.stdout);
    assert!(!ran.report.to_string().contains("hush"), "a value of env_file is in the report");
}

#[test]
fn leftovers_are_ended_and_counted_or_kept() {
    let ran = run(r#"
tasks:
  - {name: ended, stop: {grace: 200ms}, run: "sleep 300 & setsid sleep 300 & echo $!"}
  - {name: kept, leftovers: keep, run: "sleep 300 >/dev/null & echo $! > kept.pid"}
"#);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.outcome("ended:1"), "succeeded");
    assert_eq!(ran.job("ended:1")["swept_processes"], 2);
    assert_eq!(ran.job("kept:1")["swept_processes"], 0);
    let pid: i32 = ran.text("kept.pid").trim().parse().unwrap();
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it was kept");
}

#[test]
fn limits_bound_the_whole_tree() {
    let ran = run(r#"
workers: 1
tasks:
  - name: eater
    limits: {memory: 60MiB}
    run: ["sh", "-c", "tail /dev/zero & wait $!; exit $?"]
  - {name: files, limits: {open_files: 20}, run: "ulimit -n"}
  - {name: size, limits: {file_size: 1KiB}, run: "head -c 4096 /dev/zero > big"}
  - {name: polite, nice: 7, run: nice}
"#);
    assert_eq!(ran.outcome("eater:1"), "out_of_memory", "{:#}", ran.job("eater:1"));
    assert!(ran.job("eater:1")["limits_by"].is_string());
    assert!(ran.stdout.contains("20\n") && ran.stdout.contains("7\n"), "{}", ran.stdout);
    assert_ne!(ran.outcome("size:1"), "succeeded");
    assert_eq!(ran.text("big").len(), 1024);
}

#[test]
fn a_hung_job_is_stopped_by_its_rule() {
    let ran = run(r#"
tasks:
  - {name: hung, quiet: {after: 1s, action: stop}, run: sleep 300}
  - {name: busy, timeout: 60s, quiet: {after: 1s, action: stop}, run: "for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done"}
"#);
    assert_eq!((ran.outcome("hung:1"), ran.outcome("busy:1")), ("timed_out", "succeeded"));
    assert_eq!(ran.job("hung:1")["reason"], "quiet");
}

#[test]
fn inputs_may_be_read_when_the_needs_have_ended() {
    let ran = run(r#"
tasks:
  - {name: list, run: "printf 'a\\nb\\n' > names"}
  - {name: use, needs: [list], expand: when_ready, foreach: {x: {lines: names}}, run: "echo {x}"}
  - {name: end, needs: [use], run: echo end}
"#);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.report["totals"]["jobs"], 4);
    assert!(ran.stdout.ends_with("end\n"), "{}", ran.stdout);
    assert_eq!(
        run("tasks:\n  - {name: a, foreach: {x: {lines: none}}, run: 'echo {x}'}\n").code,
        1
    );
}

#[test]
fn inputs_and_task_files_come_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("t.yaml"),
        "tasks:\n  - {name: a, foreach: {x: {lines: '-'}}, run: 'echo _{x}_'}\n",
    )
    .unwrap();
    let feed = |args: &[&str], text: &str| {
        use std::io::Write;
        let mut command = ganger(dir.path());
        let mut child =
            command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    assert_eq!(feed(&["run", "t.yaml", "-j1", "--plain"], "1\n2 3\n"), "_1_\n_2 3_\n");
    assert_eq!(
        feed(&["run", "-", "--plain"], r#"{"tasks": [{"name": "a", "run": "echo json"}]}"#),
        "json\n"
    );
}

#[test]
fn chosen_tasks_bring_what_they_need_and_a_dry_run_runs_nothing() {
    let yaml = "vars: {w: hi}\ntasks:\n  - {name: a, run: touch ran}\n  - {name: b, needs: [a], foreach: {x: [1, 'two words']}, run: 'echo {vars.w} {x}'}\n  - {name: c, run: exit 1}\n";
    let ran = run_with(yaml, &["b", "-j1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "hi 1\nhi two words\n"), "{}", ran.stderr);
    let ran = run_with(yaml, &["--dry-run", "--set", "w=ho"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("echo 'ho' 'two words'"), "{}", ran.stdout);
    assert!(!ran.dir.path().join("ran").exists());
}

#[test]
fn a_bad_task_file_is_refused_with_all_its_problems() {
    let ran = run("tasks:\n  - {name: a, run: echo, nope: 1, needs: [b]}\n");
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("unknown key `nope`") && ran.stderr.contains("unknown task `b`"),
        "{}",
        ran.stderr
    );
    assert!(ran.report.is_null());
}

#[test]
fn inputs_that_cannot_be_read_are_told_at_once_and_in_the_summary() {
    let ran = run(
        "tasks:\n  - {name: a, foreach: {x: {lines: none}}, run: 'echo {x}'}\n  - {name: b, run: 'true'}\n",
    );
    let told = "task `a` has no jobs: lines `none`: no such file\n";
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines[0], format!("error: {}", told.trim_end()), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&format!(
            "\nfailed:\n  {told}\n1 job: 1 succeeded; inputs of 1 task could not be read; "
        )),
        "{}",
        ran.stderr
    );
    assert_eq!((ran.stderr.matches(told).count(), ran.code), (2, 1), "{}", ran.stderr);
}

#[test]
fn check_says_what_to_do_about_each_source() {
    let home = tempfile::tempdir().unwrap();
    let check = |source: &str, bytes: &[u8]| {
        fs::write(home.path().join("in"), bytes).unwrap();
        let yaml = format!("tasks:\n  - {{name: a, foreach: {{x: {source}}}, run: [echo]}}\n");
        fs::write(home.path().join("t.yaml"), yaml).unwrap();
        let output = ganger(home.path()).args(["check", "t.yaml"]).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    for (source, bytes, says, hint) in [
        (
            "{lines: in}",
            "a\n\nb\n",
            "has an empty line, which is a value",
            "hint: Each makes a job with an empty",
        ),
        (
            "{lines: in}",
            "a\n\n\n",
            "has 2 empty lines; each is a value",
            "hint: Each makes a job with an empty",
        ),
        ("{lines: in}", "", "has no lines", "hint: Then there are no jobs"),
        ("{csv: in}", "a\n1,2\n", "line 2 has 2 cells", "hint: A source is read when"),
        (
            "{csv: in}",
            "a\n\"1\n",
            "the quote that opens in line 2 is never closed",
            "hint: A source",
        ),
        ("{csv: in}", "a b\n1\n", "no placeholder can name the column `a b`", "hint: The job has"),
    ] {
        let said = check(source, bytes.as_bytes());
        assert!(said.contains(says) && said.contains(hint), "{said}");
        assert!(said.contains("no jobs") == bytes.is_empty(), "{said}");
    }
}

#[test]
fn check_counts_what_it_found_and_says_each_thing_once() {
    let home = tempfile::tempdir().unwrap();
    let check = |yaml: &str| {
        fs::write(home.path().join("t.yaml"), yaml).unwrap();
        let output = ganger(home.path()).args(["check", "t.yaml"]).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let said = check("tasks: [{name: a, run: nosuchprogram}]");
    assert!(said.starts_with("t.yaml: valid, 1 task, 1 warning\n"), "{said}");
    let said = check(
        "tasks: [{name: a, run: nosuchprogram, shell: [sh]}, {name: a, needs: [x], run: echo}]",
    );
    assert!(said.ends_with("\n3 errors, 1 warning\n"), "{said}");
    assert!(said.contains("hint: `shell` stands at the top of the file, beside `tasks`.\n"));
    assert!(said.contains("hint: There is `a`.\n"), "{said}");
    let said = check("tasks: [{name: a, foreach: {x: [\"a\\0b\"]}, run: 'echo {x}'}]");
    assert_eq!((said.matches("NUL").count(), said.matches("1 error\n").count()), (1, 1), "{said}");
}

#[test]
fn a_task_file_that_is_too_large_is_told_with_its_real_size() {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::create(dir.path().join("t.yaml")).unwrap();
    file.set_len(20_000_000).unwrap();
    let output = ganger(dir.path()).args(["check", "t.yaml"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("`t.yaml` is too large: 20000000 bytes, and at most 16 MiB"), "{said}");
    let stdin = fs::File::open(dir.path().join("t.yaml")).unwrap();
    let output = ganger(dir.path()).args(["check", "-"]).stdin(stdin).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`-` is too large: it goes on, and at most 16 MiB"), "{said}");
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_the_run() {
    let ran =
        run_with("tasks:\n  - {name: a, run: touch ran}\n", &["--report", "no/folder/r.json"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(!ran.dir.path().join("ran").exists());
}

#[test]
fn a_nested_run_dies_with_the_outer_job() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("inner.yaml"),
        "tasks:\n  - {name: i, run: 'echo $GANGER_RUN > mark; setsid sleep 301 & sleep 302'}\n",
    )
    .unwrap();
    let ran = run_in(
        dir,
        &format!(
            "tasks:\n  - {{name: o, timeout: 3s, stop: {{signal: KILL, grace: 0s}}, run: ['{}', run, inner.yaml, --plain]}}\n",
            env!("CARGO_BIN_EXE_ganger")
        ),
        &[],
    );
    assert_eq!(ran.outcome("o:1"), "timed_out");
    let mark = ran.text("mark");
    let outer = ran.report["run"].as_str().unwrap();
    assert!(mark.starts_with(&format!("{outer}/")), "{mark}");
    let left = Command::new("pgrep").args(["-f", "^sleep 30[12]$"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "something of the nested run is left");
}

#[test]
fn a_gigantic_queue_costs_next_to_nothing() {
    let ran = run(
        "fail_fast: 1\ntasks:\n  - {name: no, run: exit 1}\n  - {name: many, needs: [no], foreach: {i: {range: 1..1000000}}, run: 'echo {i}'}\n",
    );
    assert_eq!(ran.code, 1);
    assert_eq!(ran.report["totals"]["jobs"], 1_000_001);
    assert_eq!(ran.report["jobs"].as_array().unwrap().len(), 1_000_001);
}

#[test]
fn ctrl_z_stops_the_jobs_with_ganger_and_their_clocks_too() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = "tasks:\n  - {name: a, timeout: 4s, run: 'sleep 0.3; echo $$ > pid; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.1; done'}\n";
    fs::write(dir.path().join("t.yaml"), yaml).unwrap();
    let mut child = ganger(dir.path()).args(["run", "t.yaml", "--plain"]).spawn().unwrap();
    let state_of = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().unwrap_or_default().chars().next()
    };
    let wait_until = |what: &str, holds: &dyn Fn() -> bool| {
        let begin = std::time::Instant::now();
        while !holds() {
            assert!(begin.elapsed().as_secs() < 60, "never: {what}");
            std::thread::yield_now();
        }
    };
    let job = || fs::read_to_string(dir.path().join("pid")).unwrap_or_default().trim().to_owned();
    wait_until("the job says its pid", &|| !job().is_empty());
    let ganger_pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let send = |signal| nix::sys::signal::kill(ganger_pid, signal).unwrap();
    send(nix::sys::signal::Signal::SIGTSTP);
    wait_until("ganger stops", &|| state_of(&child.id().to_string()) == Some('T'));
    // A shell that was caught between vfork and exec waits for its stopped child (`D`).
    let stands_still = || matches!(state_of(&job()), Some('T' | 'D'));
    let begin = std::time::Instant::now();
    while !stands_still() && begin.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
    let stood_still = stands_still();
    // Before anything can fail: a stopped ganger would outlive this test.
    send(nix::sys::signal::Signal::SIGCONT);
    assert!(stood_still, "the job runs on");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_source_that_blocks_does_not_make_ganger_deaf() {
    let dir = tempfile::tempdir().unwrap();
    let yaml =
        "tasks: [{name: a, foreach: {x: {command: 'echo > began; sleep 303'}}, run: 'echo {x}'}]\n";
    fs::write(dir.path().join("t.yaml"), yaml).unwrap();
    let mut child = ganger(dir.path()).args(["run", "t.yaml", "--plain"]).spawn().unwrap();
    let begin = std::time::Instant::now();
    while !dir.path().join("began").exists() {
        assert!(begin.elapsed().as_secs() < 60, "the command never began");
        std::thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let left = Command::new("pgrep").args(["-f", "^sleep 303$"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "its command is left");
}

#[test]
fn no_job_used_more_cpu_than_one_process_can_in_its_time() {
    let ran = run(
        "workers: 2\ntasks: [{name: a, foreach: {n: {range: 1..200}}, run: ['true']}, {name: b, foreach: {n: {range: 1..20}}, nice: 1, run: ['true']}]",
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for job in ran.report["jobs"].as_array().unwrap() {
        let seconds = |name: &str| job[name].as_f64().unwrap();
        let cpu = seconds("cpu_user_s") + seconds("cpu_system_s");
        // Both are cut to whole microseconds.
        assert!(cpu <= seconds("wall_s") + 2e-6, "{job:#}");
    }
}
