//! From a look to a graph of waits, and to the threads that are stuck in two looks.

use super::andor::{self, Idx, Need, Node};
use crate::model::ProcRef;
use crate::model::waits::{
    Certainty, Holder, Look, ProcessFact, ThreadFact, ThreadRef, ThreadState, WaitFact, Waker,
};
use std::collections::{HashMap, HashSet};

/// A look as a graph: the threads, and after them each process as "any of its threads", so that
/// a wait for a process of a thousand threads is one edge.
pub(super) struct Graph<'a> {
    pub(super) threads: Vec<Seen<'a>>,
    pub(super) processes: Vec<&'a ProcessFact>,
    by_thread: HashMap<ThreadRef, Idx>,
    by_process: HashMap<ProcRef, Idx>,
}

/// A thread and what is known of it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) who: ThreadRef,
    pub(super) process: &'a ProcessFact,
    pub(super) thread: &'a ThreadFact,
    pub(super) wait: Option<&'a WaitFact>,
}

/// Which threads are taken for what, other than as they were seen.
#[derive(Clone, Copy, Default)]
pub(super) struct Taken<'s> {
    /// Only these are stuck or at rest; `None`: all that look so.
    pub(super) only: Option<&'s Confirmed>,
    /// A wait without an owner, and a thread that is stopped, count as able to go on: what is
    /// stuck even so is stuck for certain.
    pub(super) certain: bool,
    /// A wait for somebody who is gone counts as able to end.
    pub(super) nobody_gone: bool,
}

/// Threads that did not run between two looks.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Confirmed {
    pub(super) stuck: HashSet<ThreadRef>,
    /// Stopped or ended.
    pub(super) at_rest: HashSet<ThreadRef>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(look: &'a Look) -> Graph<'a> {
        let waits: HashMap<ThreadRef, &WaitFact> =
            look.waits.iter().map(|wait| (wait.waiter, wait)).collect();
        let mut threads = Vec::new();
        let mut by_thread = HashMap::new();
        let mut by_process = HashMap::new();
        let mut processes: Vec<&ProcessFact> = look.processes.iter().collect();
        processes.sort_by_key(|process| process.proc);
        for (at, process) in processes.iter().copied().enumerate() {
            by_process.insert(process.proc, at);
            for thread in &process.threads {
                let who = ThreadRef { proc: process.proc, tid: thread.tid };
                by_thread.insert(who, threads.len());
                threads.push(Seen { who, process, thread, wait: waits.get(&who).copied() });
            }
        }
        by_process.values_mut().for_each(|at| *at += threads.len());
        Graph { threads, processes, by_thread, by_process }
    }

    pub(super) fn thread(&self, who: ThreadRef) -> Option<&Seen<'a>> {
        self.by_thread.get(&who).map(|idx| &self.threads[*idx])
    }

    pub(super) fn process(&self, proc: ProcRef) -> Option<&'a ProcessFact> {
        self.by_process.get(&proc).map(|idx| self.processes[idx - self.threads.len()])
    }

    /// The node of a thread or a process; `None` for one that is not in the look.
    fn node_of(&self, waker: &Waker) -> Option<Idx> {
        match waker {
            Waker::Thread(who) => self.by_thread.get(who).copied(),
            Waker::Process(proc) => self.by_process.get(proc).copied(),
            Waker::Outside(_) => None,
        }
    }

    fn catches_signals(&self, waker: &Waker) -> bool {
        let proc = match waker {
            Waker::Thread(who) => who.proc,
            Waker::Process(proc) => *proc,
            Waker::Outside(_) => return false,
        };
        self.process(proc).is_some_and(|process| process.catches_signals)
    }

    /// The graph of who can let whom go on.
    pub(super) fn nodes(&self, taken: Taken<'_>) -> Vec<Node> {
        let mut nodes: Vec<Node> =
            self.threads.iter().map(|seen| self.thread_node(seen, taken)).collect();
        let mut of_process: Vec<Vec<Idx>> = vec![Vec::new(); self.processes.len()];
        for (idx, seen) in self.threads.iter().enumerate() {
            if let Some(at) = self.by_process.get(&seen.process.proc) {
                of_process[at - self.threads.len()].push(idx);
            }
        }
        for threads in of_process {
            let rests = |idx: &Idx| matches!(nodes[*idx], Node::Never);
            let node = match threads.as_slice() {
                // Nothing is known of its threads.
                [] => Node::Live,
                threads if threads.iter().all(rests) => Node::Never,
                _ => Node::Waits(vec![Need { free: false, wakers: threads }]),
            };
            nodes.push(node);
        }
        nodes
    }

    fn thread_node(&self, seen: &Seen<'_>, taken: Taken<'_>) -> Node {
        match seen.thread.state {
            ThreadState::Running => return Node::Live,
            ThreadState::Stopped if taken.certain => return Node::Live,
            ThreadState::Stopped | ThreadState::Dead => {
                let is_sure = taken.only.is_none_or(|only| only.at_rest.contains(&seen.who));
                return if is_sure { Node::Never } else { Node::Live };
            }
            ThreadState::Blocked | ThreadState::Uninterruptible => {}
        }
        let Some(wait) = seen.wait else { return Node::Live };
        let doubt = wait.timeout
            || (wait.ends_by_signal && seen.process.catches_signals)
            || taken.only.is_some_and(|only| !only.stuck.contains(&seen.who))
            || (taken.certain && wait.certainty == Certainty::Inferred && !wait.abandoned)
            || (taken.nobody_gone && self.is_for_the_gone(wait));
        if doubt { Node::Live } else { Node::Waits(self.needs(wait)) }
    }

    fn needs(&self, wait: &WaitFact) -> Vec<Need> {
        let need = |need: &crate::model::waits::Need| {
            let free = |waker: &Waker| {
                self.node_of(waker).is_none()
                    || (wait.ends_by_signal && self.catches_signals(waker))
            };
            Need {
                free: need.wakers.iter().any(free),
                wakers: need.wakers.iter().filter_map(|waker| self.node_of(waker)).collect(),
            }
        };
        wait.needs.iter().map(need).collect()
    }

    /// Whether what a wait is for belongs to somebody who has ended.
    pub(super) fn is_for_the_gone(&self, wait: &WaitFact) -> bool {
        let is_gone = |waker: &Waker| match waker {
            Waker::Thread(who) => {
                self.thread(*who).is_some_and(|seen| seen.thread.state == ThreadState::Dead)
            }
            Waker::Process(proc) => self.process(*proc).is_some_and(|process| {
                !process.threads.is_empty()
                    && process.threads.iter().all(|t| t.state == ThreadState::Dead)
            }),
            Waker::Outside(_) => false,
        };
        wait.abandoned
            || wait
                .needs
                .iter()
                .any(|need| !need.wakers.is_empty() && need.wakers.iter().all(is_gone))
    }

    /// The graph reduced to what people are told: where holders are named, an unmet need of a
    /// stuck thread is for these, not for everybody who could; and what belonged to somebody who
    /// has ended is for nobody.
    pub(super) fn told(&self, nodes: &[Node], live: &[bool]) -> Vec<Node> {
        let mut told = nodes.to_vec();
        for (idx, seen) in self.threads.iter().enumerate() {
            let (Some(wait), Node::Waits(needs)) = (seen.wait, &mut told[idx]) else { continue };
            if live[idx] {
                continue;
            }
            needs.retain(|need| !need.free && !need.wakers.iter().any(|waker| live[*waker]));
            let proven = self.holder_nodes(wait, |holder| holder.proven);
            let all = self.holder_nodes(wait, |_| true);
            for need in needs {
                if wait.abandoned {
                    need.wakers.clear();
                }
                for named in [&proven, &all] {
                    let those = self.named_in(need, named);
                    if !those.is_empty() {
                        need.wakers = those;
                        break;
                    }
                }
            }
        }
        told
    }

    fn holder_nodes(&self, wait: &WaitFact, which: impl Fn(&Holder) -> bool) -> Vec<Idx> {
        let node = |holder: &&Holder| match holder.tid {
            Some(tid) => self.by_thread.get(&ThreadRef { proc: holder.proc, tid }).copied(),
            None => self.by_process.get(&holder.proc).copied(),
        };
        wait.holders.iter().filter(|holder| which(holder)).filter_map(|h| node(&h)).collect()
    }

    /// Those named who can meet a need: as themselves, as a thread of a process that can, or as
    /// a process of which single threads can.
    fn named_in(&self, need: &Need, named: &[Idx]) -> Vec<Idx> {
        let n_threads = self.threads.len();
        let process_of = |idx: Idx| self.by_process.get(&self.threads[idx].process.proc).copied();
        let mut those = Vec::new();
        for idx in named {
            if need.wakers.contains(idx) {
                those.push(*idx);
            } else if *idx < n_threads {
                if process_of(*idx).is_some_and(|process| need.wakers.contains(&process)) {
                    those.push(*idx);
                }
            } else {
                let threads = need.wakers.iter().filter(|w| **w < n_threads);
                those.extend(threads.filter(|w| process_of(**w) == Some(*idx)));
            }
        }
        those
    }

    /// The threads of which nothing shows that they could ever go on.
    pub(super) fn stuck(&self, taken: Taken<'_>) -> HashSet<ThreadRef> {
        let nodes = self.nodes(taken);
        let live = andor::live(&nodes);
        let is_stuck =
            |(idx, _): &(Idx, &Seen<'_>)| !live[*idx] && matches!(nodes[*idx], Node::Waits(_));
        self.threads.iter().enumerate().filter(is_stuck).map(|(_, seen)| seen.who).collect()
    }
}

/// The threads that are stuck in both looks and did not run in between.
///
/// A thread whose stamp is the same was blocked all the time from the one look to the other, so
/// all of them were blocked at one common moment; and whatever either look says could let one
/// go on is none but them.
pub(super) fn confirm(first: &Graph<'_>, second: &Graph<'_>) -> Confirmed {
    let mut confirmed = Confirmed::default();
    let (once, twice) = (first.stuck(Taken::default()), second.stuck(Taken::default()));
    for seen in &second.threads {
        let Some(before) = first.thread(seen.who) else { continue };
        let (then, now) = (before.thread, seen.thread);
        if then.state != now.state || then.stamp != now.stamp {
            continue;
        }
        if matches!(now.state, ThreadState::Stopped | ThreadState::Dead) {
            confirmed.at_rest.insert(seen.who);
        }
        let key =
            |seen: &Seen<'_>| seen.wait.map(|wait| (wait.resource.kind, wait.resource.id.clone()));
        if once.contains(&seen.who) && twice.contains(&seen.who) && key(before) == key(seen) {
            confirmed.stuck.insert(seen.who);
        }
    }
    loop {
        let n = confirmed.stuck.len();
        for graph in [second, first] {
            confirmed.stuck = graph.stuck(Taken { only: Some(&confirmed), ..Taken::default() });
        }
        if confirmed.stuck.len() == n {
            return confirmed;
        }
    }
}
