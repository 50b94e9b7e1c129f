//! Joins what is seen of threads with what ganger knows of its own primitives.
//!
//! From outside, who waits for a lock of ganger waits for a message from the supervisor, which
//! always can send one. What it really waits for is in the supervisor's table.

use crate::model::ProcRef;
use crate::model::locks::Owner;
use crate::model::waits::{
    Certainty, Holder, Look, Need, OnDeath, ProcessFact, Resource, SharedWait, SharedWaits,
    WaitFact, WaitKind, Waker,
};

/// Replaces waits for messages of the supervisor by what is waited for.
///
/// The table has to be newer than the look: what held a lock before may have given it back.
pub fn join(look: &mut Look, shared: &SharedWaits) {
    for wait in &shared.waits {
        let Some(proc) = wait.party.proc else { continue };
        let Some(at) = waiter(look, proc, wait, shared) else { continue };
        let fact = fact(look, &look.waits[at], wait);
        look.waits[at] = fact;
    }
}

/// The wait of the thread that asked: the one that it says it is, else the only one of its
/// process that waits for the supervisor.
fn waiter(look: &Look, proc: ProcRef, wait: &SharedWait, shared: &SharedWaits) -> Option<usize> {
    let of_process = |fact: &WaitFact| fact.waiter.proc == proc && is_for(fact, shared.supervisor);
    let mut all = (0..look.waits.len()).filter(|at| of_process(&look.waits[*at]));
    let is_thread =
        |at: &usize| wait.party.thread == u64::try_from(look.waits[*at].waiter.tid).ok();
    if wait.party.thread.is_some()
        && let Some(at) = all.clone().find(is_thread)
    {
        return Some(at);
    }
    let only = all.next()?;
    let same = shared.waits.iter().filter(|other| other.party.proc == Some(proc)).count();
    (all.next().is_none() && same == 1).then_some(only)
}

/// Whether a wait may be for a message of the supervisor.
fn is_for(fact: &WaitFact, supervisor: i32) -> bool {
    let is_supervisor = |waker: &Waker| match waker {
        Waker::Thread(who) => who.proc.pid == supervisor,
        Waker::Process(proc) => proc.pid == supervisor,
        Waker::Outside(_) => false,
    };
    let named = fact.holders.iter().any(|holder| holder.proc.pid == supervisor);
    let wakes = fact.needs.iter().flat_map(|need| &need.wakers).any(is_supervisor);
    let may = matches!(fact.resource.kind, WaitKind::UnixRecv | WaitKind::Poll);
    !fact.timeout && may && (named || wakes)
}

fn fact(look: &Look, seen: &WaitFact, wait: &SharedWait) -> WaitFact {
    let name = wait.names.join(", ");
    let need = |owners: &Vec<Owner>| Need {
        wakers: owners.iter().flat_map(|owner| wakers(look, *owner)).collect(),
    };
    let mut needs: Vec<Need> = wait.needs.iter().map(need).collect();
    if needs.is_empty() {
        let anybody = Waker::Outside(format!("anybody who uses `{name}`"));
        needs.push(Need { wakers: vec![anybody] });
    }
    let holders = wait.needs.iter().flatten().flat_map(|owner| holders(look, *owner));
    WaitFact {
        resource: Resource { kind: wait.kind, id: format!("ganger:{name}"), name: Some(name) },
        needs,
        holders: holders.collect(),
        abandoned: false,
        last_owner: None,
        timeout: wait.timeout,
        certainty: match wait.kind {
            WaitKind::GangerLock => Certainty::Proven,
            _ => Certainty::Inferred,
        },
        ends_by_signal: wait.kind != WaitKind::GangerLock,
        on_death: OnDeath::Nothing,
        waiter: seen.waiter,
        fill: None,
        frames: seen.frames.clone(),
    }
}

/// Who can make an owner give something back: any thread of its process; of a job those of its
/// leader, with which it ends.
fn wakers(look: &Look, owner: Owner) -> Vec<Waker> {
    let attempt = match owner {
        Owner::Process(proc) | Owner::Thread(proc, _) => return vec![Waker::Process(proc)],
        Owner::Attempt(attempt) => attempt,
    };
    let leaders = leaders(look, owner);
    if leaders.is_empty() {
        return vec![Waker::Outside(format!("job {attempt}, which is not seen"))];
    }
    leaders.into_iter().map(Waker::Process).collect()
}

fn holders(look: &Look, owner: Owner) -> Vec<Holder> {
    let known = |proc: ProcRef, tid: i32| {
        let process = look.processes.iter().find(|process| process.proc == proc);
        process.is_some_and(|process| process.threads.iter().any(|thread| thread.tid == tid))
    };
    let holder = |proc, tid| Holder { proc, tid, proven: true };
    match owner {
        Owner::Process(proc) => vec![holder(proc, None)],
        Owner::Thread(proc, thread) => {
            let tid = i32::try_from(thread).ok().filter(|tid| known(proc, *tid));
            vec![holder(proc, tid)]
        }
        Owner::Attempt(_) => {
            leaders(look, owner).into_iter().map(|proc| holder(proc, None)).collect()
        }
    }
}

/// Processes of an attempt that none of its own processes started.
fn leaders(look: &Look, owner: Owner) -> Vec<ProcRef> {
    let Owner::Attempt(attempt) = owner else { return Vec::new() };
    let of_attempt = || look.processes.iter().filter(|p| p.attempt == Some(attempt));
    let is_leader =
        |process: &&ProcessFact| !of_attempt().any(|other| other.proc.pid == process.parent);
    of_attempt().filter(is_leader).map(|process| process.proc).collect()
}
