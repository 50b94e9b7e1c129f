//! The examples of `tasks/`: every one is valid, and does what its comments say.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tasks")
}

/// `ganger` with state of its own, so that tests leave nothing behind.
fn ganger(scratch: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
    command
        .env("XDG_STATE_HOME", scratch.join("state"))
        .env("XDG_RUNTIME_DIR", scratch)
        .current_dir(scratch)
        .stdin(Stdio::null());
    command
}

/// Runs an example on a small scale; returns its exit code and how many jobs of each task had
/// which outcome.
fn run(example: &str, set: &[&str]) -> (Option<i32>, BTreeMap<String, usize>) {
    let scratch = tempfile::tempdir().unwrap();
    let report = scratch.path().join("report.json");
    let out = format!("out={}", scratch.path().join("out").display());
    let mut command = ganger(scratch.path());
    command.arg("run").arg(folder().join(example)).args(["--plain", "--output", "failed"]);
    let has_out = std::fs::read_to_string(folder().join(example)).unwrap().contains("\n  out: ");
    for set in set.iter().chain(has_out.then_some(&out.as_str())) {
        command.args(["--set", set]);
    }
    let output = command.arg("--report").arg(&report).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let report = std::fs::read(&report).unwrap_or_else(|e| panic!("{e}: {said}"));
    let report: Value = serde_json::from_slice(&report).unwrap();
    let mut outcomes = BTreeMap::new();
    for job in report["jobs"].as_array().unwrap() {
        let (task, outcome) = (job["task"].as_str().unwrap(), job["outcome"].as_str().unwrap());
        *outcomes.entry(format!("{task} {outcome}")).or_insert(0) += 1;
    }
    if output.status.code() != Some(0) {
        // Shown only when the test fails.
        println!("{said}");
    }
    (output.status.code(), outcomes)
}

fn all_succeed(example: &str, set: &[&str]) -> BTreeMap<String, usize> {
    let (code, outcomes) = run(example, set);
    assert!(outcomes.keys().all(|k| k.ends_with(" succeeded")), "{outcomes:?}");
    assert_eq!(code, Some(0));
    outcomes
}

#[test]
fn every_example_is_valid() {
    let scratch = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let output = ganger(scratch.path()).arg("check").arg(&path).output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", path.display());
        assert!(!said.contains("error"), "{said}");
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    let known = [
        "compress",
        "copy",
        "fetch",
        "flaky",
        "hung",
        "lockout",
        "logs",
        "philosophers",
        "pipeline",
        "sweep",
        "transfers",
    ]
    .map(|n| format!("{n}.yaml"));
    assert_eq!(names, known, "an example that no test here runs");
}

#[test]
fn compress_packs_and_verifies_as_much() {
    let outcomes = all_succeed("compress.yaml", &["most=2000"]);
    assert_eq!(outcomes["pack succeeded"], outcomes["verify succeeded"]);
    assert!(outcomes["pack succeeded"] >= 2, "{outcomes:?}");
}

#[test]
fn logs_are_crunched_day_by_day() {
    let outcomes = all_succeed("logs.yaml", &["lines=50"]);
    assert_eq!((outcomes["log succeeded"], outcomes["pages succeeded"]), (30, 30));
}

#[test]
fn sweep_measures_every_rate() {
    let outcomes = all_succeed("sweep.yaml", &["steps=200"]);
    assert_eq!(outcomes["rate succeeded"], 31 * 3);
}

#[test]
fn copy_reads_its_parts_when_they_are_there() {
    let scratch = tempfile::tempdir().unwrap();
    for n in 0..150 {
        std::fs::write(scratch.path().join(format!("file {n}")), format!("content {n}")).unwrap();
    }
    let from = format!("from={}", scratch.path().display());
    let outcomes = all_succeed("copy.yaml", &[&from]);
    assert_eq!((outcomes["copy succeeded"], outcomes["compare succeeded"]), (60, 60));
}

#[test]
fn flaky_ends_well_but_for_one_page() {
    let (code, outcomes) = run("flaky.yaml", &[]);
    assert_eq!(code, Some(1));
    assert_eq!((outcomes["fetch failed"], outcomes["fetch succeeded"]), (1, 23));
    assert_eq!(outcomes["complain succeeded"], 1);
}

#[test]
fn money_moves_under_locks_and_none_is_lost() {
    let outcomes = all_succeed("transfers.yaml", &[]);
    assert_eq!((outcomes["transfer succeeded"], outcomes["audit succeeded"]), (60, 1));
}

#[test]
fn a_pipeline_of_two_stages_loses_nothing() {
    let outcomes = all_succeed("pipeline.yaml", &[]);
    assert_eq!((outcomes["square succeeded"], outcomes["add succeeded"]), (3, 2));
}

#[test]
fn three_at_a_time_are_fetched() {
    let outcomes = all_succeed("fetch.yaml", &[]);
    assert_eq!(outcomes["fetch succeeded"], 24);
}

#[test]
fn a_lockout_is_seen_from_outside_and_listed_in_the_report() {
    if Command::new("flock").arg("--version").output().is_err() {
        println!("skipped: no flock on this machine");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let example = std::fs::read_to_string(folder().join("lockout.yaml")).unwrap();
    let file = scratch.path().join("lockout.yaml");
    std::fs::write(&file, example.replace("on_deadlock: report", "on_deadlock: stop")).unwrap();
    let report = scratch.path().join("report.json");
    let mut command = ganger(scratch.path());
    command.env("TMPDIR", scratch.path()).arg("run").arg(&file).args(["files", "--plain"]);
    let output = command.arg("--report").arg(&report).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let circles = report["deadlocks"].as_array().unwrap();
    assert_eq!(circles.len(), 1, "{circles:?} {said}");
    assert_eq!(circles[0]["tasks"], serde_json::json!(["files"]));
    let mut jobs: Vec<u64> =
        circles[0]["jobs"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    jobs.sort_unstable();
    assert_eq!(jobs, [1, 2]);
    let after = circles[0]["after_s"].as_f64().unwrap();
    assert!((0.9..60.0).contains(&after), "{after}");
    assert!(circles[0]["text"].as_str().unwrap().contains("held by files:"), "{circles:?}");
}

#[test]
fn philosophers_starve_until_one_is_killed() {
    let scratch = tempfile::tempdir().unwrap();
    let mut run = EndedWhenDropped(
        ganger(scratch.path())
            .arg("run")
            .arg(folder().join("philosophers.yaml"))
            .arg("--json")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut ended = BTreeMap::new();
    for line in BufReader::new(run.0.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["event"] == "deadlock_found" {
            assert_eq!(event["members"].as_array().unwrap().len(), 5, "{event}");
            let found = ganger(scratch.path()).args(["deadlocks", "--json"]).output().unwrap();
            assert_eq!(found.status.code(), Some(1));
            let found: Value = serde_json::from_slice(&found.stdout).unwrap();
            assert_eq!(found[0]["members"].as_array().unwrap().len(), 5, "{found}");
            let killed = ganger(scratch.path()).args(["kill", "philosopher:3"]).status().unwrap();
            assert!(killed.success());
        }
        if event["event"] == "job_ended" {
            let outcome = event["outcome"].as_str().unwrap().to_owned();
            *ended.entry(outcome).or_insert(0) += 1;
        }
    }
    assert_eq!(run.0.wait().unwrap().code(), Some(1));
    assert_eq!((ended["succeeded"], ended["cancelled"]), (4, 1));
}

/// A run that does not outlive a test that fails.
struct EndedWhenDropped(Child);

impl Drop for EndedWhenDropped {
    fn drop(&mut self) {
        // The second request ends what ignores the first.
        for _ in 0..3 {
            if matches!(self.0.try_wait(), Ok(None)) {
                let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGINT);
            }
        }
        let _ = self.0.wait();
    }
}

#[test]
fn hung_is_marked_and_ends_when_somebody_kills_it() {
    let scratch = tempfile::tempdir().unwrap();
    let report = scratch.path().join("report.json");
    let out = format!("out={}", scratch.path().join("out").display());
    let mut run = EndedWhenDropped(
        ganger(scratch.path())
            .arg("run")
            .arg(folder().join("hung.yaml"))
            .args(["--json", "--set", &out, "--report"])
            .arg(&report)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut leader = None;
    for line in BufReader::new(run.0.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["label"] == "transfer:1" && event["event"] == "attempt_started" {
            leader = event["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        }
        if event["event"] == "attempt_quiet" && event["quiet"] == true {
            assert_eq!(event["label"], "transfer:1");
            // Only once: afterwards the pid may be another's.
            kill(Pid::from_raw(leader.take().unwrap()), Signal::SIGKILL).unwrap();
        }
    }
    assert_eq!(run.0.wait().unwrap().code(), Some(1));
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let jobs = report["jobs"].as_array().unwrap();
    let job = |task: &str| jobs.iter().find(|j| j["task"] == task).unwrap();
    // Its helper left the session and had to be found.
    assert_eq!(job("transfer")["signal"], "SIGKILL");
    assert!(job("transfer")["swept_processes"].as_u64().unwrap() >= 1, "{}", job("transfer"));
    assert_eq!(job("after")["outcome"], "skipped");
}
