//! Looks written as text, and random ones against an oracle that knows no tricks.

mod joined;
mod oracle;
mod previewed;
mod scenes;
mod shown;

use crate::model::waits::report::Report;
use crate::model::waits::{
    Certainty, Holder, LastOwner, Look, Need, OnDeath, ProcessFact, Resource, Stamp, ThreadFact,
    ThreadRef, ThreadState, WaitFact, WaitKind, Waker,
};
use crate::model::{AttemptId, JobNo, Mono, ProcRef};

/// When the second look of a scene is taken, in microseconds; the first is a second earlier.
const SECOND: u64 = 42_000_000;

fn proc(pid: i32) -> ProcRef {
    ProcRef { pid, start_ticks: 100 + pid.unsigned_abs() as u64 }
}

/// `10` is the first thread of process 10, `10.11` its thread 11.
fn thread(text: &str) -> ThreadRef {
    let (pid, tid) = text.split_once('.').unwrap_or((text, text));
    ThreadRef { proc: proc(pid.parse().unwrap()), tid: tid.parse().unwrap() }
}

fn waker(text: &str) -> Waker {
    match text.strip_prefix('p') {
        _ if text == "outside" => Waker::Outside("somebody".to_owned()),
        Some(pid) => Waker::Process(proc(pid.parse().unwrap())),
        None => Waker::Thread(thread(text)),
    }
}

/// Reads a look. One line for each process or thread:
///
/// ```text
/// process 10 named python outside signals job=3
/// 10.11 runs | stopped | dead | blocked
/// 10.12 mutex:a by 10 | p20 & 10.11 held=10 guess=p20 timeout inferred signal abandoned was=9
/// ```
///
/// A wait ends when all parts between `&` are done, each by any of those between `|`; `nobody`
/// can be one. Processes need no line of their own.
fn look(text: &str) -> Look {
    let mut look = Look { at: Mono(SECOND), ..Look::default() };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "process" {
            let pid: i32 = words[1].parse().unwrap();
            let process = process_of(&mut look, pid);
            process.in_tree = !words.contains(&"outside");
            process.catches_signals = words.contains(&"signals");
            for word in &words {
                if let Some(job) = word.strip_prefix("job=") {
                    let job = JobNo(job.parse().unwrap());
                    process.attempt = Some(AttemptId { job, n: 1 });
                }
            }
            if let Some(at) = words.iter().position(|word| *word == "named") {
                process.name = words[at + 1].to_owned();
            }
            continue;
        }
        let who = thread(words[0]);
        let state = match words[1] {
            "runs" => ThreadState::Running,
            "stopped" => ThreadState::Stopped,
            "dead" => ThreadState::Dead,
            _ => ThreadState::Blocked,
        };
        let process = process_of(&mut look, who.proc.pid);
        process.threads.push(ThreadFact {
            tid: who.tid,
            name: process.name.clone(),
            state,
            stamp: Stamp { run_ns: 1, turns: 1, syscall: words[1].into() },
            still_since: Some(Mono(SECOND - 41_000_000)),
        });
        if words[1].contains(':') {
            look.waits.push(wait(who, &words));
        }
    }
    look
}

fn process_of(look: &mut Look, pid: i32) -> &mut ProcessFact {
    let found = look.processes.iter().position(|process| process.proc == proc(pid));
    let at = found.unwrap_or_else(|| {
        look.processes.push(ProcessFact {
            proc: proc(pid),
            parent: 1,
            name: "prog".to_owned(),
            in_tree: true,
            attempt: None,
            catches_signals: false,
            threads: Vec::new(),
        });
        look.processes.len() - 1
    });
    &mut look.processes[at]
}

fn wait(who: ThreadRef, words: &[&str]) -> WaitFact {
    let (kind, id) = words[1].split_once(':').unwrap();
    let kind = WaitKind::ALL.iter().find(|k| k.word() == kind).copied().unwrap();
    let mut needs = vec![Need::default()];
    let mut holders = Vec::new();
    for word in &words[2..] {
        let named = |text: &str, proven| match waker(text) {
            Waker::Thread(who) => Holder { proc: who.proc, tid: Some(who.tid), proven },
            Waker::Process(proc) => Holder { proc, tid: None, proven },
            Waker::Outside(_) => panic!("nobody can be named for outside"),
        };
        if let Some(text) = word.strip_prefix("held=") {
            holders.push(named(text, true));
        } else if let Some(text) = word.strip_prefix("guess=") {
            holders.push(named(text, false));
        } else if *word == "&" {
            needs.push(Need::default());
        } else if word.starts_with(|c: char| c.is_ascii_digit())
            || word.strip_prefix('p').is_some_and(|rest| rest.parse::<i32>().is_ok())
            || *word == "outside"
        {
            needs.last_mut().unwrap().wakers.push(waker(word));
        }
    }
    let has = |flag: &str| words.contains(&flag);
    let was = words.iter().find_map(|word| word.strip_prefix("was="));
    WaitFact {
        waiter: who,
        resource: Resource { kind, id: id.to_owned(), name: None },
        needs,
        holders,
        abandoned: has("abandoned"),
        last_owner: was.map(|pid| pid.parse().unwrap()).map(|pid| LastOwner { pid, tid: pid }),
        timeout: has("timeout"),
        certainty: if has("inferred") { Certainty::Inferred } else { Certainty::Proven },
        ends_by_signal: has("signal"),
        on_death: match () {
            () if has("robust") => OnDeath::Marked,
            () if has("inheriting") => OnDeath::Aborts,
            () => OnDeath::Nothing,
        },
        fill: None,
        frames: Vec::new(),
    }
}

/// The same, a second earlier.
fn earlier(look: &Look) -> Look {
    Look { at: Mono(look.at.0 - 1_000_000), ..look.clone() }
}

/// Judges a scene that did not change between two looks.
fn judged(text: &str) -> Report {
    let second = look(text);
    super::judge(&earlier(&second), &second)
}

/// The findings of a report: `deadlock 10.11 10.12 behind 10`.
fn findings(report: &Report) -> Vec<String> {
    let name = |member: &crate::model::waits::report::Member| {
        if member.tid == member.proc.pid {
            member.tid.to_string()
        } else {
            format!("{}.{}", member.proc.pid, member.tid)
        }
    };
    let line = |knot: &crate::model::waits::report::Knot| {
        let mut line = knot.kind.word().to_owned();
        for member in &knot.core {
            line += &format!(" {}", name(member));
        }
        if !knot.behind.is_empty() {
            line += " behind";
        }
        for member in &knot.behind {
            line += &format!(" {}", name(member));
        }
        line
    };
    report.findings.iter().map(line).collect()
}

#[track_caller]
fn check(text: &str, wanted: &[&str]) {
    let report = judged(text);
    assert_eq!(findings(&report), wanted, "of{text}");
}
