use super::*;
use crate::engine::{Engine, Input};
use crate::model::locks::Deadlock;
use crate::model::waits::Resource;
use crate::model::waits::report::Rule;
use crate::model::{Asked, Command, Event, ExecReport, JobNo, Mono, Now, Requester, TaskIdx};
use crate::plan::{PoolRules, Schedule, TaskRules};

const SINCE: Mono = Mono(5_000_000);

fn now() -> Now {
    Now { mono: Mono(9_000_000), ..Now::default() }
}

fn proc(pid: i32) -> ProcRef {
    ProcRef { pid, start_ticks: 1 }
}

fn attempt(job: u32) -> AttemptId {
    AttemptId { job: JobNo(job), n: 1 }
}

/// A run with three jobs `t:1` to `t:3`, whose leaders are the processes 101 to 103.
fn run() -> Engine {
    let pool = PoolRules { name: "default".into(), min: 0, max: 9, start: 3 };
    let task = TaskRules { name: "t".into(), ..TaskRules::default() };
    let schedule = Schedule { pools: vec![pool], tasks: vec![task], ..Schedule::default() };
    let mut engine = Engine::new(schedule, 1);
    engine.handle(now(), Input::JobsAdded { task: TaskIdx(0), count: 3, each: Vec::new() });
    engine.handle(now(), Input::Start);
    for job in 1..=3 {
        let proc = proc(100 + job as i32);
        let report = ExecReport::Started { attempt: attempt(job), proc, at: now() };
        engine.handle(now(), Input::Exec(report));
    }
    engine
}

/// Reads `101`, a leader, or `101.7`, a helper of its job; processes from 200 on are nobody's.
fn member(text: &str) -> report::Member {
    let (pid, helper) = text.split_once('.').unwrap_or((text, ""));
    let pid: i32 = pid.parse().unwrap();
    let job = (pid < 200).then(|| attempt((pid - 100) as u32));
    let own = if helper.is_empty() { pid } else { pid * 100 + helper.parse::<i32>().unwrap() };
    report::Member { proc: proc(own), tid: own, name: "sh".into(), attempt: job }
}

/// Reads `101 file_lock:/a by 102 102.1`.
fn wait(text: &str, finding: Option<(u32, Part)>) -> Waiting {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (kind, name) = words[1].split_once(':').unwrap_or((words[1], ""));
    let kind = WaitKind::ALL.iter().copied().find(|k| k.word() == kind).unwrap();
    let held = |text: &&str| {
        let member = member(text);
        let (proc, name, attempt) = (member.proc, member.name, member.attempt);
        Held { proc, tid: None, name, attempt, proven: true, stopped: false }
    };
    Waiting {
        who: member(words[0]),
        resource: Resource {
            kind,
            id: words[1].to_owned(),
            name: (!name.is_empty()).then(|| name.to_owned()),
        },
        holders: words.iter().skip(3).filter(|word| **word != "timeout").map(held).collect(),
        last_owner: None,
        rule: Rule::Any,
        timeout: words.contains(&"timeout"),
        since: Some(SINCE),
        fill: None,
        frames: Vec::new(),
        finding,
        outside: None,
        text: String::new(),
    }
}

/// A report with one finding of these waits, and others.
fn report(kind: Verdict, core: &[&str], behind: &[&str], rest: &[&str]) -> Report {
    let of = |part: Part, texts: &[&str]| -> Vec<Waiting> {
        texts.iter().map(|text| wait(text, Some((0, part)))).collect()
    };
    let (core, behind) = (of(Part::Core, core), of(Part::Behind, behind));
    let whos = |waits: &[Waiting]| waits.iter().map(|wait| wait.who.clone()).collect();
    let knot = Knot {
        kind,
        core: whos(&core),
        behind: whos(&behind),
        since: Some(SINCE),
        text: String::new(),
    };
    let rest = rest.iter().map(|text| wait(text, None));
    Report {
        at: now().mono,
        verdict: kind,
        findings: if core.is_empty() { Vec::new() } else { vec![knot] },
        waits: core.into_iter().chain(behind).chain(rest).collect(),
        ..Report::default()
    }
}

/// A circle of two jobs, each of which waits in a helper.
fn circle() -> Report {
    report(
        Verdict::Deadlock,
        &[
            "101 wait_child by 101.1",
            "101.1 file_lock:/tmp/a by 102 102.1",
            "102 wait_child by 102.1",
            "102.1 file_lock:/tmp/b by 101 101.1",
        ],
        &["103 pipe_read by 101", "103.1 pipe_read by 101"],
        &[],
    )
}

fn found(all: Vec<Sighting>) -> Vec<Stuck> {
    let of = |sighting| match sighting {
        Sighting::Found(stuck) => *stuck,
        Sighting::Gone { id } => panic!("{id} is gone"),
    };
    all.into_iter().map(of).collect()
}

#[test]
fn helpers_are_folded_into_their_jobs() {
    let engine = run();
    let stuck = found(sightings(&circle(), engine.state())).remove(0);
    assert_eq!((stuck.kind, stuck.at, stuck.behind), (Verdict::Deadlock, SINCE, 1));
    assert_eq!(stuck.threads.len(), 4);
    let jobs: Vec<_> = stuck.members.iter().map(|m| m.job.unwrap().0).collect();
    assert_eq!(jobs, [1, 2]);
    let names = |names: &[Name]| names.join("+");
    let first = &stuck.members[0];
    assert_eq!((names(&first.holds), names(&first.wants)), ("/tmp/b".into(), "/tmp/a".into()));
    let text = "t:1 holds /tmp/b and wants /tmp/a, held by t:2, which wants /tmp/b";
    assert_eq!(stuck.text, text);
}

#[test]
fn a_circle_within_a_job_is_told_by_its_threads() {
    let engine = run();
    let mut report =
        report(Verdict::Deadlock, &["101 mutex:a by 101.1", "101.1 mutex:b by 101"], &[], &[]);
    name(&mut report, engine.state());
    let stuck = found(sightings(&report, engine.state())).remove(0);
    assert_eq!(stuck.members.len(), 1);
    assert_eq!(stuck.members[0].wants.len(), 2);
    assert!(stuck.text.contains("t:1 (pid 101, sh) waits"), "{}", stuck.text);
}

#[test]
fn what_is_told_is_not_told_again_and_goes_when_it_is_not_seen() {
    let mut engine = run();
    let mut feed = |report: &Report| -> Vec<&'static str> {
        let mut words = Vec::new();
        for sighting in sightings(report, engine.state()) {
            let step = engine.handle(now(), Input::Seen(sighting));
            words.extend(step.events.iter().map(Event::word));
        }
        words
    };
    assert_eq!(feed(&circle()), ["deadlock_found"]);
    assert!(feed(&circle()).is_empty());
    let stalled = report(Verdict::Stalled, &["103 unix_recv by 101"], &[], &[]);
    assert_eq!(feed(&stalled), ["deadlock_gone", "stuck_found"]);
    let worse = report(Verdict::Abandoned, &["103 unix_recv by 101"], &[], &[]);
    assert_eq!(feed(&worse), ["stuck_gone", "stuck_found"]);
    assert_eq!(feed(&report(Verdict::Healthy, &[], &[], &[])), ["stuck_gone"]);
}

#[test]
fn a_circle_that_grows_is_the_same_circle() {
    let mut engine = run();
    let sighting = sightings(&circle(), engine.state()).remove(0);
    engine.handle(now(), Input::Seen(sighting));
    let mut grown = circle();
    grown.findings[0].core.push(member("103"));
    for sighting in sightings(&grown, engine.state()) {
        assert!(matches!(sighting, Sighting::Found(_)));
        assert!(engine.handle(now(), Input::Seen(sighting)).events.is_empty());
    }
    assert_eq!(engine.state().deadlocks().iter().map(|d: &Deadlock| d.id).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_job_waits_for_what_keeps_it_from_going_on() {
    let engine = run();
    let said = |report: &Report, job: u32| {
        wait_for(report, attempt(job), Some(engine.state())).map(|wait| {
            let circle = if wait.in_circle { " circle" } else { "" };
            format!("{} < {}{circle}", wait.what, wait.holder.unwrap_or_default())
        })
    };
    let seen = circle();
    assert_eq!(said(&seen, 1).as_deref(), Some("a < t:2 circle"));
    assert_eq!(said(&seen, 2).as_deref(), Some("b < t:1 circle"));
    assert_eq!(said(&seen, 3).as_deref(), Some("read pipe < t:1"));
    for (waits, words) in [
        // What a job does for itself is no news, and time passes.
        (&["101 wait_child by 101.1", "101.1 time"][..], None),
        (&["101 wait_child by 101.1", "101.1 mp_lock:#2 by 102"], Some("mp.Lock #2 < t:2")),
        (&["101 pipe_read by 201"], Some("read pipe < sh 201")),
        (&["101 mutex by 101.1", "101.1 file_lock:/x/index by 102"], Some("index < t:2")),
        (&["101 pipe_read by 102 timeout"], None),
    ] {
        let report = report(Verdict::Healthy, &[], &[], waits);
        assert_eq!(said(&report, 1).as_deref(), words, "{waits:?}");
    }
}

#[test]
fn what_is_being_stopped_is_no_news() {
    let mut engine = run();
    let kill = Command::Kill { job: JobNo(1), now: false };
    let asked = Asked { by: Requester::Screen, command: kill };
    engine.handle(now(), Input::Asked(asked));
    for sighting in sightings(&circle(), engine.state()) {
        assert!(engine.handle(now(), Input::Seen(sighting)).events.is_empty());
    }
}
