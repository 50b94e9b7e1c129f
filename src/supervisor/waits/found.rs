//! What follows from a report for a run: what has come and gone, what each job waits for.
//!
//! Pure: a report and the state of the run in, data out.

use crate::engine::State;
use crate::model::locks::{Deadlock, Member, Name, Party, WaitFor};
use crate::model::sentence::Names;
use crate::model::waits::report::{Held, Knot, Part, Report, Verdict, Waiting};
use crate::model::waits::stuck::{Sighting, Stuck, XrayView};
use crate::model::waits::text::{self, Words};
use crate::model::waits::{ThreadRef, WaitKind, report};
use crate::model::{AttemptId, ProcRef};
use crate::supervisor::history::StateNames;

/// Who stands for a thread: its attempt, or its process when it belongs to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Attempt(AttemptId),
    Process(ProcRef),
}

fn who(member: &report::Member) -> Who {
    member.attempt.map_or(Who::Process(member.proc), Who::Attempt)
}

fn who_holds(held: &Held) -> Who {
    held.attempt.map_or(Who::Process(held.proc), Who::Attempt)
}

fn thread(member: &report::Member) -> ThreadRef {
    ThreadRef { proc: member.proc, tid: member.tid }
}

/// Calls everything in a report as the run does.
pub fn name(report: &mut Report, state: &State) {
    let name_of = |attempt: AttemptId| Some(StateNames(state).job(attempt.job));
    let words = Words::naming(report.at, &name_of);
    for wait in &mut report.waits {
        wait.text = words.wait(wait);
    }
    text::tell_knots(report, &words);
}

/// What a report of processes that belong to no run shows: circles, and what else is stuck.
pub fn circles(report: &Report) -> (Vec<Deadlock>, Vec<Stuck>) {
    let (mut circles, mut others) = (Vec::new(), Vec::new());
    for (n, knot) in (0_u32..).zip(&report.findings) {
        let found = Stuck { id: u64::from(n) + 1, ..stuck(report, n, knot, None) };
        match knot.kind {
            Verdict::Healthy => {}
            Verdict::Deadlock => circles.push(Deadlock::of_seen(found)),
            Verdict::Stalled | Verdict::Abandoned => others.push(found),
        }
    }
    (circles, others)
}

/// Tells what the report shows and the state does not know, and what it no longer shows.
pub fn sightings(report: &Report, state: &State) -> Vec<Sighting> {
    let mut seen: Vec<Stuck> = Vec::new();
    for (n, knot) in (0_u32..).zip(&report.findings) {
        if knot.kind > Verdict::Healthy {
            seen.push(stuck(report, n, knot, Some(state)));
        }
    }
    let is_seen = |kind: Verdict, threads: &[ThreadRef]| {
        seen.iter().any(|stuck| stuck.is_same(kind, threads))
    };
    let circles = state.deadlocks().iter().filter(|deadlock| !deadlock.seen.is_empty());
    let circles = circles.filter(|d| !is_seen(Verdict::Deadlock, &d.seen)).map(|d| d.id);
    let others = state.stuck().iter().filter(|stuck| !is_seen(stuck.kind, &stuck.threads));
    let gone = circles.chain(others.map(|stuck| stuck.id));
    let mut all: Vec<Sighting> = gone.map(|id| Sighting::Gone { id }).collect();
    // What is known already is no news to the engine: it knows best.
    all.extend(seen.into_iter().map(|stuck| Sighting::Found(Box::new(stuck))));
    all
}

fn stuck(report: &Report, n: u32, knot: &Knot, state: Option<&State>) -> Stuck {
    let core = text::core_waits(report, n);
    let mut whos: Vec<Who> = Vec::new();
    let mut members: Vec<Member> = Vec::new();
    for one in &knot.core {
        if !whos.contains(&who(one)) {
            whos.push(who(one));
            members.push(member(report, &core, one, state));
        }
    }
    let mut behind: Vec<Who> = Vec::new();
    for who in knot.behind.iter().map(who) {
        if !behind.contains(&who) && !whos.contains(&who) {
            behind.push(who);
        }
    }
    Stuck {
        id: 0,
        kind: knot.kind,
        at: knot.since.unwrap_or(report.at),
        behind: u32::try_from(behind.len()).unwrap_or(u32::MAX),
        threads: knot.core.iter().map(thread).collect(),
        text: sentence(&members, state).unwrap_or_else(|| knot.text.clone()),
        members,
    }
}

/// One job, or one process of none: what it wants of others, or of itself when it wants nothing
/// else, and what it has that they want.
fn member(
    report: &Report,
    core: &[&Waiting],
    first: &report::Member,
    state: Option<&State>,
) -> Member {
    let this = who(first);
    let own = core.iter().filter(|wait| who(&wait.who) == this);
    let of_others = own.clone().filter(|wait| is_for_others(wait));
    let mut wants = names(of_others);
    if wants.is_empty() {
        wants = names(own.clone());
    }
    let holds = core.iter().filter(|wait| {
        let is_of_it = wait.holders.iter().any(|held| who_holds(held) == this);
        // The end of a child is held by nobody.
        who(&wait.who) != this && is_of_it && wait.resource.kind.is_a_lock()
    });
    let job = first.attempt.map(|attempt| attempt.job);
    Member {
        party: Party {
            proc: Some(first.proc),
            attempt: first.attempt,
            // Jobs have names of their own.
            label: (first.attempt.is_none() || state.is_none()).then(|| first.name.as_str().into()),
            ..Party::default()
        },
        job,
        task: job.and_then(|job| state?.task_of(job)).map(|(task, _)| task),
        holds: names(holds),
        wants,
        since: own.filter_map(|wait| wait.since).min().unwrap_or(report.at),
    }
}

/// Whether somebody else than whose it is could end it.
fn is_for_others(wait: &Waiting) -> bool {
    wait.holders.iter().any(|held| who_holds(held) != who(&wait.who))
}

fn names<'a>(waits: impl Iterator<Item = &'a &'a Waiting>) -> Vec<Name> {
    let mut names: Vec<Name> = waits.map(|wait| name_of(wait).into()).collect();
    names.sort();
    names.dedup();
    names
}

/// What is waited for: a file by its path alone.
fn name_of(wait: &Waiting) -> String {
    match (&wait.resource.name, wait.resource.kind) {
        (Some(path), WaitKind::FileLock) => path.clone(),
        _ => text::thing(&wait.resource),
    }
}

/// What happened between jobs in one sentence: "a:1 holds x and wants y, held by a:2, which wants
/// x". `None` where it is not as simple as that: all of it within one job, or no circle of locks.
fn sentence(members: &[Member], state: Option<&State>) -> Option<String> {
    let state = state?;
    let is_simple = |member: &Member| {
        member.job.is_some() && !member.holds.is_empty() && !member.wants.is_empty()
    };
    let ([first, rest @ ..], true) = (members, members.iter().all(is_simple)) else { return None };
    if rest.is_empty() {
        return None;
    }
    let name = |member: &Member| member.job.map_or(String::new(), |job| StateNames(state).job(job));
    let list = |names: &[Name]| names.join(" and ");
    let (holds, wants) = (list(&first.holds), list(&first.wants));
    let mut text = format!("{} holds {holds} and wants {wants}", name(first));
    for member in rest {
        text += &format!(", held by {}, which wants {}", name(member), list(&member.wants));
    }
    Some(text)
}

/// What the report says in short.
pub fn view(report: &Report) -> XrayView {
    let worst = report.findings.iter().max_by_key(|knot| knot.kind);
    XrayView {
        at: report.at,
        processes: report.processes,
        threads: report.threads,
        waiting: u32::try_from(report.waits.len()).unwrap_or(u32::MAX),
        verdict: report.verdict,
        findings: u32::try_from(report.findings.len()).unwrap_or(u32::MAX),
        worst: worst.map(|knot| knot.text.clone()),
    }
}

/// What to say in one line of what an attempt waits for: of all that its threads do, what keeps
/// it from going on.
pub fn wait_for(report: &Report, attempt: AttemptId, state: Option<&State>) -> Option<WaitFor> {
    let of_attempt = report.waits.iter().filter(|wait| wait.who.attempt == Some(attempt));
    let (urgency, wait) = of_attempt
        .filter_map(|wait| Some((urgency(wait)?, wait)))
        .min_by_key(|(urgency, wait)| (*urgency, wait.who.tid))?;
    let other = |held: &&Held| held.attempt != Some(attempt);
    let holder = wait.holders.iter().find(other).or(wait.holders.first());
    // Who is always able to end it is nobody to name.
    let holder = holder.filter(|_| wait.outside.is_none());
    let name = |held: &Held| match held.attempt {
        Some(id) if id == attempt => "itself".to_owned(),
        _ => match (held.attempt, state) {
            (Some(id), Some(state)) => StateNames(state).job(id.job),
            _ => format!("{} {}", held.name, held.proc.pid),
        },
    };
    Some(WaitFor {
        what: short_what(wait),
        holder: holder.map(name),
        holder_job: holder.and_then(|held| held.attempt).map(|id| id.job),
        since: wait.since.unwrap_or(report.at),
        in_circle: urgency == Urgency::Stuck,
    })
}

/// How much a wait says about its job, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Stuck,
    Behind,
    ForOthers,
    ForItself,
    ForSomebody,
}

/// `None`: nothing that is worth a word.
fn urgency(wait: &Waiting) -> Option<Urgency> {
    let is_stuck = matches!(wait.finding, Some((_, Part::Core)));
    Some(match wait.resource.kind {
        // Waiting for one of its own says nothing: that one's wait does.
        WaitKind::WaitChild if !is_for_others(wait) && !is_stuck => return None,
        WaitKind::WaitChild if !is_for_others(wait) => Urgency::ForItself,
        WaitKind::Time | WaitKind::Signal => return None,
        _ if wait.timeout => return None,
        _ if is_stuck => Urgency::Stuck,
        _ if wait.finding.is_some() => Urgency::Behind,
        _ if is_for_others(wait) => Urgency::ForOthers,
        _ if wait.holders.is_empty() => Urgency::ForSomebody,
        _ => Urgency::ForItself,
    })
}

/// What is waited for in a column of a table: `index.lock`, `read pipe`, `mp.Lock #2`.
fn short_what(wait: &Waiting) -> String {
    use WaitKind::{
        FileLock, MpLock, MpRlock, PipeRead, PipeWrite, PyLock, PyRlock, PySemaphore, Rwlock,
        SysvSem, ThreadJoin, UnixRecv, UnixSend, WaitChild,
    };
    let name = wait.resource.name.as_deref();
    let word = match wait.resource.kind {
        FileLock => {
            let file = name.map(|path| path.rsplit('/').next().unwrap_or(path));
            return file.filter(|file| !file.is_empty()).unwrap_or("file lock").to_owned();
        }
        PipeRead => "read pipe",
        PipeWrite => "write pipe",
        UnixRecv => "read socket",
        UnixSend => "write socket",
        WaitChild => "child",
        ThreadJoin => "join thread",
        MpLock => "mp.Lock",
        MpRlock => "mp.RLock",
        PySemaphore => "mp.Semaphore",
        PyLock => "Lock",
        PyRlock => "RLock",
        Rwlock => "rwlock",
        SysvSem => "SysV semaphore",
        other => other.words(),
    };
    match wait.resource.number() {
        Some(number) => format!("{word} {number}"),
        None => word.to_owned(),
    }
}

#[cfg(test)]
#[path = "found_tests.rs"]
mod tests;
