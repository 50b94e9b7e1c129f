//! What a kill would do: which of the victims' things the kernel frees and which stay locked for
//! ever, whom that releases, and who would be the better victim.
//!
//! Measured by killing holders of each kind while others waited: the kernel gives back file locks,
//! robust mutexes and what was taken with `SEM_UNDO`, and closes pipes and sockets; a lock that is
//! only a number in shared memory (plain mutexes, `sem_t`, and with it all of multiprocessing)
//! keeps its number.

use super::graph::{Graph, Taken};
use super::{judge, naming};
use crate::model::ProcRef;
use crate::model::waits::preview::{Fate, Fated, Preview};
use crate::model::waits::report::{Held, Knot, Member, Report};
use crate::model::waits::{Look, OnDeath, Resource, WaitFact, WaitKind, Waker};
use std::collections::{BTreeMap, BTreeSet};

/// Says what would come of killing these processes, none of their children with them.
pub fn preview(first: &Look, second: &Look, victims: &[ProcRef]) -> Preview {
    let dead: BTreeSet<ProcRef> = victims.iter().copied().collect();
    let graph = Graph::new(second);
    let mut fates = fates(&graph, second, &dead);
    fates.sort_by_key(|fated| fated.fate);
    let after = after(first, second, &dead);
    let mut preview = Preview {
        victims: victims.iter().map(|proc| naming::held(&graph, *proc, None, true)).collect(),
        fates,
        left: after.findings.iter().map(|knot| knot.text.clone()).collect(),
        instead: Vec::new(),
    };
    if preview.is_harmful() || !preview.left.is_empty() {
        let better = better(first, second, &graph, &dead);
        preview.instead =
            better.into_iter().map(|proc| naming::held(&graph, proc, None, true)).collect();
    }
    preview
}

/// The report that would be made if these were gone.
fn after(first: &Look, second: &Look, dead: &BTreeSet<ProcRef>) -> Report {
    judge(&without(first, dead), &without(second, dead))
}

// ---- fates

fn fates(graph: &Graph<'_>, look: &Look, dead: &BTreeSet<ProcRef>) -> Vec<Fated> {
    let mut all: BTreeMap<(&Resource, Fate), Fated> = BTreeMap::new();
    let mut waits: Vec<&WaitFact> = look.waits.iter().collect();
    waits.sort_by_key(|wait| wait.waiter);
    for wait in waits.into_iter().filter(|wait| !dead.contains(&wait.waiter.proc)) {
        let Some(fate) = fate(look, wait, dead) else { continue };
        let Some(seen) = graph.thread(wait.waiter) else { continue };
        let fated = all.entry((&wait.resource, fate)).or_insert_with(|| Fated {
            fate,
            resource: naming::resource(&wait.resource),
            waiters: Vec::new(),
            others: others(graph, wait, dead),
        });
        fated.waiters.push(naming::member(seen));
    }
    all.into_values().collect()
}

fn others(graph: &Graph<'_>, wait: &WaitFact, dead: &BTreeSet<ProcRef>) -> Vec<Held> {
    let others: BTreeSet<ProcRef> = procs(wait).into_iter().filter(|p| !dead.contains(p)).collect();
    others.into_iter().map(|proc| naming::held(graph, proc, None, true)).collect()
}

/// The processes that have what is waited for: those named, else all who could end the wait.
fn procs(wait: &WaitFact) -> BTreeSet<ProcRef> {
    if !wait.holders.is_empty() {
        return wait.holders.iter().map(|holder| holder.proc).collect();
    }
    wait.needs.iter().flat_map(|need| &need.wakers).filter_map(proc_of).collect()
}

fn proc_of(waker: &Waker) -> Option<ProcRef> {
    match waker {
        Waker::Thread(who) => Some(who.proc),
        Waker::Process(proc) => Some(*proc),
        Waker::Outside(_) => None,
    }
}

/// What becomes of what a survivor waits for; `None` when the victims have nothing of it.
fn fate(look: &Look, wait: &WaitFact, dead: &BTreeSet<ProcRef>) -> Option<Fate> {
    let holders = procs(wait);
    if !holders.iter().any(|proc| dead.contains(proc)) {
        return None;
    }
    let is_open = wait
        .needs
        .iter()
        .flat_map(|need| &need.wakers)
        .any(|waker| matches!(waker, Waker::Outside(_)));
    let remain = is_open || holders.iter().any(|proc| !dead.contains(proc));
    let unless_shared = |fate| if remain { Fate::Shared } else { fate };
    // Who shares what it waits for can be the one who gives it only through another thread.
    let is_alone = || {
        let own = look.processes.iter().find(|process| process.proc == wait.waiter.proc);
        own.is_some_and(|process| process.threads.len() < 2)
    };
    let only_itself = || {
        let mut others = holders.iter().filter(|proc| !dead.contains(proc));
        !is_open && is_alone() && others.all(|proc| *proc == wait.waiter.proc)
    };
    use WaitKind::*;
    Some(match wait.resource.kind {
        WaitChild => Fate::Ended,
        PipeRead | PipeWrite | UnixRecv | UnixSend | Tcp | Poll => unless_shared(Fate::Ended),
        FileLock => unless_shared(Fate::Freed),
        GangerLock | GangerQueue | GangerOther => unless_shared(Fate::Freed),
        SysvSem => Fate::Unknown,
        Mutex | Rwlock => match wait.on_death {
            OnDeath::Marked => Fate::Marked,
            OnDeath::Aborts => Fate::Aborts,
            OnDeath::Nothing => unless_shared(Fate::Kept),
        },
        _ if only_itself() => Fate::Kept,
        _ => unless_shared(Fate::Kept),
    })
}

// ---- afterwards

/// The look as it would be if these were gone.
fn without(look: &Look, dead: &BTreeSet<ProcRef>) -> Look {
    let mut left = look.clone();
    left.processes.retain(|process| !dead.contains(&process.proc));
    left.waits.retain(|wait| !dead.contains(&wait.waiter.proc));
    for wait in &mut left.waits {
        let Some(fate) = fate(look, wait, dead) else { continue };
        let is_dead = |waker: &Waker| proc_of(waker).is_some_and(|proc| dead.contains(&proc));
        for need in &mut wait.needs {
            if !need.wakers.iter().any(is_dead) {
                continue;
            }
            need.wakers.retain(|waker| !is_dead(waker));
            match fate {
                Fate::Kept | Fate::Shared => {}
                _ => need.wakers.push(Waker::Outside("the end of its owner".to_owned())),
            }
        }
        wait.holders.retain(|holder| !dead.contains(&holder.proc));
        if fate == Fate::Kept {
            wait.abandoned = true;
        }
    }
    left
}

// ---- instead

/// Whom to kill so that nothing stays locked and nothing stuck: a job or process of a core, or
/// all of them together, or everything that is stuck.
fn better(
    first: &Look,
    second: &Look,
    graph: &Graph<'_>,
    dead: &BTreeSet<ProcRef>,
) -> Vec<ProcRef> {
    let report = judge(first, second);
    let group = |member: &Member| -> BTreeSet<ProcRef> {
        let of_job = graph
            .processes
            .iter()
            .filter(|process| member.attempt.is_some() && process.attempt == member.attempt);
        of_job.map(|process| process.proc).chain([member.proc]).collect()
    };
    let mut tries: Vec<BTreeSet<ProcRef>> = Vec::new();
    for knot in &report.findings {
        tries.extend(knot.core.iter().map(group));
    }
    let core = |knot: &Knot| knot.core.iter().flat_map(group).collect::<BTreeSet<_>>();
    tries.extend(report.findings.iter().map(core));
    tries.push(graph.stuck(Taken::default()).into_iter().map(|who| who.proc).collect());
    let is_good = |victims: &BTreeSet<ProcRef>| {
        let harms = second.waits.iter().filter(|w| !victims.contains(&w.waiter.proc)).any(|wait| {
            matches!(fate(second, wait, victims), Some(Fate::Kept | Fate::Aborts | Fate::Unknown))
        });
        !harms && after(first, second, victims).findings.is_empty()
    };
    let found = tries.into_iter().find(|t| !t.is_empty() && t != dead && is_good(t));
    found.unwrap_or_default().into_iter().collect()
}
