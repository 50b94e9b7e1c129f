//! From threads that are stuck to findings: what stands at the root of it, and who waits behind.

use super::andor::{self, Idx, Node};
use super::graph::{Confirmed, Graph, Seen, Taken};
use crate::model::waits::report::Verdict;
use crate::model::waits::{Certainty, Holder, Resource, ThreadRef, WaitFact, WaitKind};
use crate::model::{Mono, ProcRef};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Members of a circle up to which every order is tried to find one that closes.
const ORDERED: usize = 10;
/// Steps of that search.
const ORDER_STEPS: u32 = 20_000;
/// Members that are tried one by one whether the circle needs them.
const TRIMMED: usize = 64;

/// Threads that are stuck together, and those that wait behind them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) kind: Verdict,
    pub(super) core: Vec<ThreadRef>,
    pub(super) behind: Vec<ThreadRef>,
    pub(super) since: Option<Mono>,
}

/// Finds what keeps the confirmed threads from going on; the worst first, then the oldest.
pub(super) fn findings(graph: &Graph<'_>, confirmed: &Confirmed) -> Vec<Finding> {
    if confirmed.stuck.is_empty() {
        return Vec::new();
    }
    let taken = Taken { only: Some(confirmed), ..Taken::default() };
    let nodes = graph.nodes(taken);
    let live = andor::live(&nodes);
    let stuck: Vec<Idx> = (0..nodes.len())
        .filter(|idx| !live[*idx] && matches!(nodes[*idx], Node::Waits(_)))
        .collect();
    let told = graph.told(&nodes, &live);
    let cores = cores(graph, &told, stuck.clone());
    let judged = Judged {
        graph,
        nodes: &nodes,
        live: &live,
        certain: andor::live(&graph.nodes(Taken { certain: true, nobody_gone: true, ..taken })),
    };
    let behind = behind(graph, &told, &stuck, &cores);
    let mut found: Vec<Finding> = cores
        .iter()
        .zip(behind)
        .map(|(core, behind)| Finding {
            kind: judged.verdict(core),
            core: core.iter().map(|idx| graph.threads[*idx].who).collect(),
            behind: behind.into_iter().map(|idx| graph.threads[idx].who).collect(),
            since: since(graph, core),
        })
        .filter(|finding| finding.is_asked_about(graph))
        .collect();
    found.sort_by(|a, b| {
        let key = |f: &Finding| (f.since.is_none(), f.since, f.core.first().copied());
        b.kind.cmp(&a.kind).then_with(|| key(a).cmp(&key(b)))
    });
    found
}

impl Finding {
    /// Whether it concerns anybody who was asked about.
    fn is_asked_about(&self, graph: &Graph<'_>) -> bool {
        self.core
            .iter()
            .chain(&self.behind)
            .any(|who| graph.thread(*who).is_some_and(|seen| seen.process.in_tree))
    }
}

/// Since when all of them have been seen not to run.
fn since(graph: &Graph<'_>, core: &[Idx]) -> Option<Mono> {
    core.iter()
        .map(|idx| graph.threads[*idx].thread.still_since)
        .try_fold(Mono(0), |latest, since| since.map(|since| latest.max(since)))
}

// ---- cores

/// The threads of every circle in its order, and those that wait for what nobody can give.
fn cores(graph: &Graph<'_>, told: &[Node], stuck: Vec<Idx>) -> Vec<Vec<Idx>> {
    let n_threads = graph.threads.len();
    let mut circles = Vec::new();
    // Who waits for the same thing that nobody can give is told of together.
    let mut alone: BTreeMap<&Resource, Vec<Idx>> = BTreeMap::new();
    for knot in andor::knots(told, stuck) {
        let threads: Vec<Idx> = knot.iter().copied().filter(|idx| *idx < n_threads).collect();
        match threads.as_slice() {
            [] => {}
            [one] => {
                if let Some(wait) = graph.threads[*one].wait {
                    alone.entry(&wait.resource).or_default().push(*one);
                }
            }
            _ => circles.push(in_order(told, &trimmed(graph, told, knot), n_threads)),
        }
    }
    circles.extend(alone.into_values());
    circles
}

/// Leaves out of a circle the threads that only are of a process which others in it wait for, and
/// of which nobody knows that they have anything: idle ones, those that wait for the end of others,
/// or for what others in it have. They wait behind it. What is left is a circle still.
fn trimmed(graph: &Graph<'_>, told: &[Node], knot: Vec<Idx>) -> Vec<Idx> {
    let wait_of = |idx: &Idx| graph.threads.get(*idx).and_then(|seen| seen.wait);
    let is_idle =
        |wait: &WaitFact| wait.certainty == Certainty::Inferred && wait.holders.is_empty();
    let idle = members_with(&wait_of, &knot, is_idle);
    let knot = without_some(graph, told, knot, idle);
    let known = Known::of(knot.iter().filter_map(wait_of));
    let is_beside = |wait: &WaitFact| {
        let waits_for_somebody = wait.certainty == Certainty::Proven || is_for_an_end(wait);
        waits_for_somebody && !known.has(wait.waiter)
    };
    let beside = members_with(&wait_of, &knot, is_beside);
    let are_beside: BTreeSet<Idx> = beside.iter().copied().collect();
    // Where all others wait for one thing, one of these may be who has it.
    let others = knot.iter().filter(|idx| !are_beside.contains(idx)).filter_map(wait_of);
    let wanted: BTreeSet<&Resource> = others.map(|wait| &wait.resource).collect();
    if wanted.len() < 2 { knot } else { without_some(graph, told, knot, beside) }
}

fn is_for_an_end(wait: &WaitFact) -> bool {
    matches!(wait.resource.kind, WaitKind::ThreadJoin | WaitKind::WaitChild)
}

/// Those of whom it is known that they have what somebody waits for.
#[derive(Default)]
struct Known {
    threads: HashSet<ThreadRef>,
    processes: HashSet<ProcRef>,
}

impl Known {
    fn of<'a>(waits: impl Iterator<Item = &'a WaitFact>) -> Known {
        let mut known = Known::default();
        for wait in waits.filter(|wait| wait.certainty == Certainty::Proven) {
            for Holder { proc, tid, .. } in &wait.holders {
                // The end of a process is that of its first thread.
                let is_end = wait.resource.kind == WaitKind::WaitChild;
                match tid.or_else(|| is_end.then_some(proc.pid)) {
                    Some(tid) => _ = known.threads.insert(ThreadRef { proc: *proc, tid }),
                    None => _ = known.processes.insert(*proc),
                }
            }
        }
        known
    }

    fn has(&self, who: ThreadRef) -> bool {
        self.threads.contains(&who) || self.processes.contains(&who.proc)
    }
}

fn members_with<'a>(
    wait_of: &impl Fn(&Idx) -> Option<&'a WaitFact>,
    knot: &[Idx],
    is_one: impl Fn(&WaitFact) -> bool,
) -> Vec<Idx> {
    knot.iter().copied().filter(|idx| wait_of(idx).is_some_and(&is_one)).collect()
}

/// A knot without these, or as many of them as leave a circle.
fn without_some(graph: &Graph<'_>, told: &[Node], mut knot: Vec<Idx>, some: Vec<Idx>) -> Vec<Idx> {
    let n_threads = knot.iter().filter(|idx| **idx < graph.threads.len()).count();
    if some.is_empty() || some.len() == n_threads {
        return knot;
    }
    let without = |knot: &[Idx], gone: &[Idx]| -> Vec<Idx> {
        knot.iter().copied().filter(|idx| !gone.contains(idx)).collect()
    };
    let knot_before = knot.clone();
    // A process of which no thread is left in the circle goes too.
    let reduced = |knot: &[Idx], gone: &[Idx]| -> Option<Vec<Idx>> {
        let mut rest = without(knot, gone);
        let mut within = andor::Within::new(told);
        within.restrict(&rest);
        let dangling: Vec<Idx> = rest
            .iter()
            .copied()
            .filter(|idx| *idx >= graph.threads.len() && members(told, *idx, &rest) == 0)
            .collect();
        rest = without(&rest, &dangling);
        // Who would be stuck even if the circle opened is more than one who waits behind it.
        if !within.stuck_alone(&without(&knot_before, &rest)).is_empty() {
            return None;
        }
        still_a_circle(told, &rest).then_some(rest)
    };
    if let Some(rest) = reduced(&knot, &some) {
        return rest;
    }
    for one in some.into_iter().take(TRIMMED) {
        if let Some(rest) = reduced(&knot, &[one]) {
            knot = rest;
        }
    }
    knot
}

fn members(told: &[Node], process: Idx, of: &[Idx]) -> usize {
    let Node::Waits(needs) = &told[process] else { return 0 };
    needs.iter().flat_map(|need| &need.wakers).filter(|waker| of.contains(waker)).count()
}

/// Whether a part of a knot reaches itself from everywhere, whoever else could help.
fn still_a_circle(told: &[Node], set: &[Idx]) -> bool {
    let mut nodes = vec![Node::Never; told.len()];
    for idx in set {
        nodes[*idx] = told[*idx].clone();
    }
    !set.is_empty() && andor::is_circle(&nodes, set)
}

/// The threads of a knot, each followed by one that it waits for, the last by the first where
/// there is such an order.
fn in_order(told: &[Node], knot: &[Idx], n_threads: usize) -> Vec<Idx> {
    let mut within = andor::Within::new(told);
    within.restrict(knot);
    let threads: Vec<Idx> = knot.iter().copied().filter(|idx| *idx < n_threads).collect();
    let next: BTreeMap<Idx, BTreeSet<Idx>> = threads
        .iter()
        .map(|idx| {
            let mut all = BTreeSet::new();
            for to in within.next(*idx) {
                if to < n_threads {
                    all.insert(to);
                } else {
                    all.extend(within.next(to).filter(|thread| thread != idx));
                }
            }
            (*idx, all)
        })
        .collect();
    let Some(start) = threads.first().copied() else { return threads };
    let mut search = Search { next: &next, start, steps: ORDER_STEPS, path: vec![start] };
    let mut order = if threads.len() <= ORDERED && search.closes(threads.len()) {
        search.path
    } else {
        shortest(&next, start)
    };
    let rest: Vec<Idx> = threads.into_iter().filter(|idx| !order.contains(idx)).collect();
    order.extend(rest);
    order
}

struct Search<'a> {
    next: &'a BTreeMap<Idx, BTreeSet<Idx>>,
    start: Idx,
    steps: u32,
    path: Vec<Idx>,
}

impl Search<'_> {
    /// Continues the path to one over `n` threads that ends before its start.
    fn closes(&mut self, n: usize) -> bool {
        let Some(last) = self.path.last().copied() else { return false };
        let Some(next) = self.next.get(&last) else { return false };
        if self.path.len() == n {
            return next.contains(&self.start);
        }
        for to in next {
            if self.steps == 0 {
                return false;
            }
            self.steps -= 1;
            if !self.path.contains(to) {
                self.path.push(*to);
                if self.closes(n) {
                    return true;
                }
                self.path.pop();
            }
        }
        false
    }
}

/// The shortest way from a thread back to itself.
fn shortest(next: &BTreeMap<Idx, BTreeSet<Idx>>, start: Idx) -> Vec<Idx> {
    let mut from: BTreeMap<Idx, Idx> = BTreeMap::new();
    let mut todo = std::collections::VecDeque::from([start]);
    while let Some(idx) = todo.pop_front() {
        for to in next.get(&idx).into_iter().flatten() {
            if *to == start {
                let mut path = vec![idx];
                let mut at = idx;
                while let Some(before) = from.get(&at) {
                    path.push(*before);
                    at = *before;
                }
                path.reverse();
                return path;
            }
            if !from.contains_key(to) {
                from.insert(*to, idx);
                todo.push_back(*to);
            }
        }
    }
    vec![start]
}

// ---- behind

/// For each core the threads that it keeps waiting; one behind two of them is in both.
fn behind(graph: &Graph<'_>, told: &[Node], stuck: &[Idx], cores: &[Vec<Idx>]) -> Vec<Vec<Idx>> {
    let in_core: BTreeSet<Idx> = cores.iter().flatten().copied().collect();
    let mut within = andor::Within::new(told);
    within.restrict(stuck);
    let mut back: BTreeMap<Idx, Vec<Idx>> = BTreeMap::new();
    for idx in stuck {
        for to in within.next(*idx) {
            back.entry(to).or_default().push(*idx);
        }
    }
    let behind_one = |core: &Vec<Idx>| {
        let mut seen: BTreeSet<Idx> = BTreeSet::new();
        let mut todo = core.clone();
        while let Some(idx) = todo.pop() {
            for from in back.get(&idx).into_iter().flatten() {
                if !in_core.contains(from) && seen.insert(*from) {
                    todo.push(*from);
                }
            }
        }
        seen.into_iter().filter(|idx| *idx < graph.threads.len()).collect()
    };
    cores.iter().map(behind_one).collect()
}

// ---- verdicts

struct Judged<'a, 'l> {
    graph: &'a Graph<'l>,
    nodes: &'a [Node],
    live: &'a [bool],
    /// Who could go on if every doubt and every loss were in their favour.
    certain: Vec<bool>,
}

impl Judged<'_, '_> {
    fn verdict(&self, core: &[Idx]) -> Verdict {
        if core.iter().all(|idx| !self.certain[*idx]) {
            return Verdict::Deadlock;
        }
        let is_for_the_gone =
            |seen: &Seen<'_>| seen.wait.is_some_and(|wait| self.graph.is_for_the_gone(wait));
        let gone = self
            .leads_to(core)
            .into_iter()
            .any(|idx| self.graph.threads.get(idx).is_some_and(is_for_the_gone));
        if gone { Verdict::Abandoned } else { Verdict::Stalled }
    }

    /// Everybody on whom it depends that these do not go on, they included.
    fn leads_to(&self, core: &[Idx]) -> BTreeSet<Idx> {
        let mut seen: BTreeSet<Idx> = core.iter().copied().collect();
        let mut todo = core.to_vec();
        while let Some(idx) = todo.pop() {
            let Node::Waits(needs) = &self.nodes[idx] else { continue };
            let unmet = needs
                .iter()
                .filter(|need| !need.free && !need.wakers.iter().any(|waker| self.live[*waker]));
            for waker in unmet.flat_map(|need| &need.wakers) {
                if seen.insert(*waker) {
                    todo.push(*waker);
                }
            }
        }
        seen
    }
}
