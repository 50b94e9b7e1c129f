//! What processes, threads and resources are called in a report: safe to show everywhere.

use super::graph::{Graph, Seen};
use crate::model::ProcRef;
use crate::model::harmless::harmless_line;
use crate::model::waits::report::{Held, Member, Waiting};
use crate::model::waits::{Resource, ThreadRef, ThreadState};
use std::collections::{BTreeMap, BTreeSet};

/// Letters of a name, and of a path, that are shown.
const NAME_CHARS: usize = 200;
/// Threads of one process that are named one by one.
const NAMED_THREADS: usize = 4;

pub(super) fn harmless(text: &str) -> String {
    harmless_line(text.as_bytes(), NAME_CHARS)
}

pub(super) fn member(seen: &Seen<'_>) -> Member {
    Member {
        proc: seen.who.proc,
        tid: seen.who.tid,
        name: name(&seen.thread.name, &seen.process.name),
        attempt: seen.process.attempt,
    }
}

fn name(thread: &str, process: &str) -> String {
    harmless(if thread.is_empty() { process } else { thread })
}

pub(super) fn held(graph: &Graph<'_>, proc: ProcRef, tid: Option<i32>, proven: bool) -> Held {
    let process = graph.process(proc);
    let thread = tid.and_then(|tid| graph.thread(ThreadRef { proc, tid }));
    let is_stopped = match (thread, process) {
        (Some(seen), _) => seen.thread.state == ThreadState::Stopped,
        (None, Some(process)) => {
            !process.threads.is_empty()
                && process.threads.iter().all(|t| t.state == ThreadState::Stopped)
        }
        (None, None) => false,
    };
    let process_name = process.map_or("", |process| process.name.as_str());
    Held {
        proc,
        tid,
        name: name(thread.map_or("", |seen| seen.thread.name.as_str()), process_name),
        attempt: process.and_then(|process| process.attempt),
        proven,
        stopped: is_stopped,
    }
}

/// Names a process in place of its threads when there are many.
pub(super) fn fold_threads(named: &mut [(ProcRef, Option<i32>)]) {
    let mut count: BTreeMap<ProcRef, BTreeSet<Option<i32>>> = BTreeMap::new();
    for (proc, tid) in named.iter() {
        count.entry(*proc).or_default().insert(*tid);
    }
    let is_folded = |proc: &ProcRef| {
        count.get(proc).is_some_and(|tids| tids.len() > NAMED_THREADS || tids.contains(&None))
    };
    for (proc, tid) in named.iter_mut() {
        if is_folded(proc) {
            *tid = None;
        }
    }
}

pub(super) fn resource(resource: &Resource) -> Resource {
    Resource {
        kind: resource.kind,
        id: harmless(&resource.id),
        name: resource.name.as_deref().map(harmless),
    }
}

/// Gives locks without a name a number each, counted by kind in the order of their ids, so that
/// the same lock keeps its number as long as the same ones are waited for.
pub(super) fn number(waits: &mut [Waiting]) {
    let mut ids: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for wait in waits.iter().filter(|wait| is_numbered(wait)) {
        ids.entry(wait.resource.kind).or_default().insert(wait.resource.id.clone());
    }
    for wait in waits.iter_mut().filter(|wait| is_numbered(wait)) {
        let place = ids[&wait.resource.kind].iter().position(|id| *id == wait.resource.id);
        wait.resource.name = place.map(|place| format!("#{}", place + 1));
    }
}

fn is_numbered(wait: &Waiting) -> bool {
    wait.resource.name.is_none() && wait.resource.kind.is_a_lock()
}
