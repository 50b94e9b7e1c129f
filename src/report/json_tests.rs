use super::*;
use crate::model::each::EachMap;
use crate::model::exec::LimitMeans;
use crate::model::locks::Member;
use crate::model::waits::report::Verdict;
use crate::model::waits::stuck::Stuck;
use crate::model::{PoolIdx, ProcRef, RunOutcome, Slot, StopReason, TaskIdx};
use crate::report::script::{Captured, Script, at, inputs_of};
use std::collections::BTreeMap;

const ATTEMPT: AttemptId = AttemptId { job: JobNo(2), n: 1 };

/// One of every event, with every field filled where the event allows it.
fn one_of_each() -> Vec<Event> {
    let usage = Usage {
        cpu_user: Duration::from_millis(1500),
        cpu_system: Duration::from_millis(20),
        max_rss_bytes: Some(4096),
        stdout_bytes: Some(12),
        stderr_bytes: Some(0),
        means: Some(LimitMeans::Look),
    };
    let (task, job) = (TaskIdx(0), JobNo(2));
    let by = Requester::Cli { pid: 99 };
    let proc = ProcRef { pid: 4242, start_ticks: 1 };
    let exit = Exit::Signal(15);
    vec![
        Event::RunStarted { at: at(0) },
        Event::Linked { task: TaskIdx(1), upstream: task, map: EachMap::identity(3) },
        Event::JobsAdded { task, first: JobNo(1), count: 3 },
        Event::InputsFailed { task, error: "no such file".into() },
        Event::Expanding { task },
        Event::AttemptLaunched {
            attempt: ATTEMPT,
            task,
            slot: Slot { pool: PoolIdx(1), n: 2 },
            weight: 1,
            at: at(1),
        },
        Event::AttemptStarted { attempt: ATTEMPT, proc, at: at(1) },
        Event::AttemptQuiet { attempt: ATTEMPT, quiet: true, since: Mono(500_000) },
        Event::AttemptStopping {
            attempt: ATTEMPT,
            reason: StopReason::Timeout,
            kill_at: Mono(7_000_000),
            by: Requester::Rule,
            at: at(2),
        },
        Event::LeaderEnded {
            attempt: ATTEMPT,
            exit: Some(exit),
            usage,
            oom_killed: Some(false),
            at: at(2),
        },
        Event::AttemptEnded {
            attempt: ATTEMPT,
            task,
            outcome: Outcome::TimedOut,
            exit: Some(exit),
            usage,
            swept: 3,
            oom_killed: Some(false),
            reason: Some(StopReason::Timeout),
            error: None,
            at: at(2),
        },
        Event::JobRetrying { job, ready_at: Mono(4_000_000), by: Requester::Rule },
        Event::BackoffOver { job },
        Event::Unskipped { task: TaskIdx(1), upstream: task, job: None, count: 9 },
        Event::JobEnded { job, task, outcome: Outcome::TimedOut, attempts: 2, at: at(2) },
        Event::RestEnded {
            task,
            outcome: Outcome::Skipped { upstream: task },
            count: 9,
            at: at(2),
        },
        Event::TaskEnded { task },
        Event::Scaled { pool: PoolIdx(0), from: 2, to: 6, by: by.clone() },
        Event::Paused { target: PauseTarget::Pool(PoolIdx(1)), by: by.clone(), at: at(2) },
        Event::Resumed { target: PauseTarget::Job(job), by: Requester::Screen, at: at(2) },
        Event::Signalled { attempt: ATTEMPT, signal: 10, by: by.clone() },
        Event::Prioritized { job, from: None, to: Some(6), by },
        Event::RunStopping {
            how: StopHow::Drain,
            by: Requester::Signal { signal: 2 },
            why: "SIGINT".into(),
        },
        Event::RunEnded { outcome: RunOutcome::Stopped, exit_code: 130, at: at(3) },
    ]
}

/// One of every event about primitives that jobs share.
fn about_locks() -> Vec<Event> {
    let task = TaskIdx(0);
    vec![
        Event::LocksAwaited { task, at: at(2) },
        Event::LocksFree { task },
        noticed(LockNotice::OwnerDied { names: vec!["db".into()], party: party(3) }),
        noticed(LockNotice::OrderInverted {
            first: "a".into(),
            second: "b".into(),
            one: party(3),
            other: party(4),
        }),
        noticed(LockNotice::HeldLong {
            name: "db".into(),
            party: party(3),
            since: Mono(1_000_000),
        }),
        noticed(LockNotice::WaitsLong {
            name: "db".into(),
            party: Party { label: Some("index.py:17".into()), ..party(4) },
            since: Mono(1_000_000),
        }),
        Event::DeadlockFound { deadlock: Box::new(deadlock()), at: at(2) },
        Event::DeadlockGone { id: 1, at: at(3) },
        Event::StuckFound { stuck: Box::new(stuck()), at: at(2) },
        Event::StuckGone { id: 2, at: at(3) },
    ]
}

fn noticed(notice: LockNotice) -> Event {
    Event::LockNoticed { notice: Box::new(notice), at: at(2) }
}

fn party(job: u32) -> Party {
    Party {
        proc: Some(ProcRef { pid: 800 + job as i32, start_ticks: 1 }),
        attempt: Some(AttemptId { job: JobNo(job), n: 1 }),
        ..Party::default()
    }
}

fn deadlock() -> Deadlock {
    let member = |job: u32, holds: &str, wants: &str| Member {
        party: party(job),
        job: Some(JobNo(job)),
        task: Some(TaskIdx(0)),
        holds: vec![holds.into()],
        wants: vec![wants.into()],
        since: Mono(1_500_000),
    };
    Deadlock {
        id: 1,
        at: at(2).mono,
        members: vec![member(2, "db", "index"), member(3, "index", "db")],
        closed_by: 1,
        behind: 0,
        until: None,
        waits: Vec::new(),
        seen: Vec::new(),
        text: "a:2 holds db and wants index, held by a:3, which wants db".into(),
    }
}

fn stuck() -> Stuck {
    let member = Member {
        party: party(3),
        job: Some(JobNo(3)),
        task: Some(TaskIdx(0)),
        holds: Vec::new(),
        wants: vec!["multiprocessing.Lock".into()],
        since: Mono(1_500_000),
    };
    Stuck {
        id: 2,
        kind: Verdict::Abandoned,
        at: at(2).mono,
        members: vec![member],
        behind: 1,
        threads: Vec::new(),
        text: "a:3 (pid 803) waits for multiprocessing.Lock, which nobody holds any more".into(),
    }
}

/// The lines of all events, by name, received 2 seconds after the start.
fn lines() -> BTreeMap<String, Value> {
    let info = Script::new().info();
    let mut lines = Lines::new(&info);
    one_of_each()
        .iter()
        .chain(&about_locks())
        .map(|event| {
            // Each for itself: they are in no order.
            lines.last = Wall::default();
            let line = lines.line(event, &inputs_of(event), at(2));
            assert_eq!(line["event"], event.word());
            (line["event"].as_str().unwrap().to_owned(), line)
        })
        .collect()
}

#[test]
fn times_of_lines_do_not_go_back() {
    let info = Script::new().info();
    let mut lines = Lines::new(&info);
    let all = one_of_each();
    let times = all.iter().map(|event| lines.line(event, &[], at(2))["at"].to_string());
    let times: Vec<String> = times.collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// The names of all events, from the source: each arm ends in its name and its time.
fn every_name() -> Vec<&'static str> {
    let arms = include_str!("json.rs").split("(\"").skip(1).filter_map(|arm| {
        let (name, rest) = arm.split_once('"')?;
        (rest.starts_with(", None,") || rest.starts_with(", Some(*at),")).then_some(name)
    });
    let names: Vec<&str> = arms.collect();
    assert!(names.len() > 20, "the source is not read as it is written: {names:?}");
    names
}

#[test]
fn every_line_has_its_name_time_and_run_first() {
    for (name, line) in lines() {
        let keys: Vec<&String> = line.as_object().unwrap().keys().take(3).collect();
        assert_eq!(keys, ["event", "at", "run"], "{name}");
        assert_eq!(line["run"], "brave-otter-x7k2");
        assert!(line["at"].as_str().unwrap().ends_with(".000000Z"), "{line}");
    }
}

#[test]
fn a_job_without_inputs_says_that_it_has_none() {
    let info = Script::new().info();
    let event = Event::JobEnded {
        job: JobNo(4),
        task: TaskIdx(1),
        outcome: Outcome::Lost,
        attempts: 1,
        at: at(2),
    };
    assert_eq!(Lines::new(&info).line(&event, &[], at(2))["inputs"], json!({}));
}

#[test]
fn an_attempt_is_named_in_full_and_its_times_are_times_of_day() {
    let lines = lines();
    let stopping = &lines["attempt_stopping"];
    assert_eq!(
        *stopping,
        json!({
            "event": "attempt_stopping", "at": "1970-01-01T00:00:02.000000Z",
            "run": "brave-otter-x7k2", "job": 2, "task": "a", "index": 2, "label": "a:2",
            "attempt": 1, "reason": "timeout", "kill_at": "1970-01-01T00:00:07.000000Z",
            "by": {"who": "rule"},
        })
    );
    assert_eq!(lines["attempt_quiet"]["since"], "1970-01-01T00:00:00.500000Z");
    assert_eq!(lines["attempt_ended"]["signal"], "SIGTERM");
    assert_eq!(lines["attempt_ended"]["exit_code"], Value::Null);
    assert_eq!(lines["rest_ended"]["upstream"], "a");
    assert_eq!(lines["scaled"]["pool"], "default");
}

/// The examples of `docs/json.md` in fenced blocks after "## Events" are lines as printed here.
#[test]
fn the_examples_in_the_docs_are_what_is_printed() {
    let docs = include_str!("../../docs/json.md");
    let events = docs.split("\n## Events of a run").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut documented = BTreeMap::new();
    for text in events.lines().filter(|line| line.starts_with("{\"event\"")) {
        let line: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        documented.insert(line["event"].as_str().unwrap().to_owned(), line);
    }
    let printed = lines();
    for (name, line) in &printed {
        assert_eq!(documented.get(name), Some(line), "the docs should show: {line}");
    }
    for name in every_name() {
        assert!(printed.contains_key(name), "`one_of_each` lacks `{name}`");
    }
    assert_eq!(documented.len(), printed.len(), "the docs show events that are never printed");
}

#[test]
fn a_run_is_lines_of_json_on_stdout_and_warnings_on_stderr() {
    let mut script = Script::new();
    let notices = vec!["no cgroup".to_owned()];
    script.snapshot(crate::model::Snapshot { notices, ..Default::default() });
    script.job(1, Outcome::Succeeded, Exit::Code(0), b"not printed", b"");
    script.bye(1, Some("cannot write the report"));
    let info = script.info();
    let (captured, streams) = Captured::new();
    let finish = follow(&mut script, &info, &streams);
    assert_eq!(finish.exit_code, 1);
    let text = captured.out_text();
    let names: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().into())
        .collect();
    let expected = ["run_started", "jobs_added", "jobs_added", "attempt_ended", "job_ended"];
    assert_eq!(names, expected);
    assert_eq!(captured.err_text(), "warning: no cgroup\nerror: cannot write the report\n");
}

#[test]
fn a_closed_pipe_ends_the_printing_and_a_full_disk_is_a_failure() {
    for (path, exit_code) in [(None, 0), (Some("/dev/full"), 3)] {
        let mut script = Script::new();
        script.bye(0, None);
        let info = script.info();
        let (_captured, mut streams) = Captured::new();
        streams.out = match path {
            Some(path) => std::fs::OpenOptions::new().write(true).open(path).unwrap(),
            None => {
                let (_, write) = std::io::pipe().unwrap();
                std::os::fd::OwnedFd::from(write).into()
            }
        };
        assert_eq!(follow(&mut script, &info, &streams).exit_code, exit_code);
    }
}
