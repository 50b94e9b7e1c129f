//! Who waits for whom, and whether it can ever go on. Pure: knows nothing but what was seen.
//!
//! [`judge`] takes two looks at the same processes and returns what follows. A thread is live
//! when it may move by itself, or when everything that it needs can be done by somebody who is
//! live; what is live by no such path is stuck. Whatever is doubtful makes a thread live, so
//! doubt never makes a report:
//!
//! - who was not seen, does not wait, waits with a timeout or runs, is live;
//! - a wait for data, and one without an owner, may be ended by the handler of a signal, if its
//!   process or one that could end it catches any;
//! - only threads count that both looks saw in the same wait and that did not run in between.
//!   They were all blocked at one common moment, so none of them could let another go on.
//!
//! Of what is stuck, the core is told first: circles, and waits that nobody can end. Others wait
//! behind it. A core is a **deadlock** when it stays stuck even if every thread without a proven
//! owner and every stopped one went on; **abandoned** when it leads to something whose owner is
//! gone; else **stalled**.

mod andor;
mod contention;
mod findings;
mod graph;
mod join;
mod naming;
mod preview;

#[cfg(test)]
mod tests;

pub use contention::Contention;
pub use join::join;
pub use preview::preview;

use crate::model::limits::XRAY_APART;
use crate::model::waits::report::{Held, Knot, Part, Report, Rule, Verdict, Waiting};
use crate::model::waits::text::{self, Words};
use crate::model::waits::{Look, ThreadRef, ThreadState, WaitFact, Waker};
use findings::Finding;
use graph::{Confirmed, Graph, Seen};
use std::collections::HashMap;

/// Tells whether a look shows anybody who seems stuck, so that a second one is worth it.
pub fn is_suspicious(look: &Look) -> bool {
    !Graph::new(look).stuck(graph::Taken::default()).is_empty()
}

/// Returns what follows from two looks, of which the second shows what is said.
///
/// Looks that are less than [`XRAY_APART`] apart, or the same look twice, show waits but prove
/// nothing: there are no findings.
pub fn judge(first: &Look, second: &Look) -> Report {
    let (then, now) = (Graph::new(first), Graph::new(second));
    let confirmed = if second.at.since(first.at) < XRAY_APART {
        Confirmed::default()
    } else {
        graph::confirm(&then, &now)
    };
    report(&now, second, &findings::findings(&now, &confirmed))
}

fn report(graph: &Graph<'_>, look: &Look, found: &[Finding]) -> Report {
    let mut parts: HashMap<ThreadRef, (u32, Part)> = HashMap::new();
    for (n, finding) in (0_u32..).zip(found) {
        let core = finding.core.iter().map(|who| (who, Part::Core));
        for (who, part) in core.chain(finding.behind.iter().map(|who| (who, Part::Behind))) {
            // Behind two of them: the worst is told of.
            parts.entry(*who).or_insert((n, part));
        }
    }
    let told = |seen: &&Seen<'_>| {
        let is_blocked =
            matches!(seen.thread.state, ThreadState::Blocked | ThreadState::Uninterruptible);
        is_blocked && (seen.process.in_tree || parts.contains_key(&seen.who))
    };
    let mut waits: Vec<Waiting> = graph
        .threads
        .iter()
        .filter(told)
        .filter_map(|seen| Some(waiting(graph, seen, seen.wait?, parts.get(&seen.who).copied())))
        .collect();
    order(&mut waits, found);
    naming::number(&mut waits);
    let words = Words::new(look.at);
    for wait in &mut waits {
        wait.text = words.wait(wait);
    }
    let in_tree = || look.processes.iter().filter(|process| process.in_tree);
    let mut not_visible = look.not_visible.clone();
    not_visible.sort();
    not_visible.dedup();
    let mut report = Report {
        at: look.at,
        pid: None,
        processes: in_tree().count() as u32,
        threads: in_tree().map(|process| process.threads.len() as u32).sum(),
        verdict: found.iter().map(|finding| finding.kind).max().unwrap_or(Verdict::Healthy),
        findings: found.iter().map(|finding| knot(graph, finding)).collect(),
        waits,
        not_visible,
    };
    text::tell_knots(&mut report, &words);
    report
}

fn knot(graph: &Graph<'_>, finding: &Finding) -> Knot {
    let members = |those: &[ThreadRef]| {
        those.iter().filter_map(|who| graph.thread(*who)).map(naming::member).collect()
    };
    Knot {
        kind: finding.kind,
        core: members(&finding.core),
        behind: members(&finding.behind),
        since: finding.since,
        text: String::new(),
    }
}

/// Those of findings first: by finding, the core in its order, then those behind; the rest by
/// process.
fn order(waits: &mut [Waiting], found: &[Finding]) {
    let place: HashMap<ThreadRef, usize> = found
        .iter()
        .flat_map(|finding| finding.core.iter().chain(&finding.behind))
        .enumerate()
        .map(|(place, who)| (*who, place))
        .collect();
    waits.sort_by_key(|wait| {
        let who = ThreadRef { proc: wait.who.proc, tid: wait.who.tid };
        let of_finding = wait.finding.map_or(u32::MAX, |(n, _)| n);
        let part = wait.finding.map(|(_, part)| part);
        (of_finding, part, place.get(&who).copied(), who)
    });
}

fn waiting(
    graph: &Graph<'_>,
    seen: &Seen<'_>,
    wait: &WaitFact,
    finding: Option<(u32, Part)>,
) -> Waiting {
    let outside = wait.needs.iter().flat_map(|need| &need.wakers).find_map(|waker| match waker {
        Waker::Outside(words) => Some(naming::harmless(words)),
        _ => None,
    });
    let by_signal = || {
        let named = wait.ends_by_signal && seen.process.catches_signals && finding.is_none();
        named.then(|| "the handler of a signal".to_owned())
    };
    Waiting {
        who: naming::member(seen),
        resource: naming::resource(&wait.resource),
        holders: holders(graph, wait),
        last_owner: wait.last_owner.filter(|_| wait.abandoned),
        rule: if wait.needs.len() > 1 { Rule::All } else { Rule::Any },
        timeout: wait.timeout,
        since: seen.thread.still_since,
        fill: wait.fill,
        frames: wait.frames.clone(),
        finding,
        outside: outside.or_else(by_signal),
        text: String::new(),
    }
}

/// Who could still end a wait: those that are named, else all who could.
fn holders(graph: &Graph<'_>, wait: &WaitFact) -> Vec<Held> {
    if wait.abandoned {
        return Vec::new();
    }
    let mut all: Vec<Held> = wait
        .holders
        .iter()
        .map(|holder| naming::held(graph, holder.proc, holder.tid, holder.proven))
        .collect();
    if all.is_empty() {
        let wakers = wait.needs.iter().flat_map(|need| &need.wakers);
        let named = wakers.filter_map(|waker| match waker {
            Waker::Thread(who) => Some((who.proc, Some(who.tid))),
            Waker::Process(proc) => Some((*proc, None)),
            Waker::Outside(_) => None,
        });
        let mut named: Vec<_> = named.collect();
        naming::fold_threads(&mut named);
        all.extend(named.into_iter().map(|(proc, tid)| naming::held(graph, proc, tid, false)));
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|held| seen.insert((held.proc, held.tid)));
    all
}
