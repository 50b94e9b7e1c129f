//! What becomes of a stop that this screen asked for: told on the bottom line until nothing of
//! the job is left, and for a moment longer.

use super::format;
use super::model::{Feedback, FeedbackKind, Model, Selection};
use crate::model::words::{count_of, duration};
use crate::model::{AttemptId, Exit, Mono, StopProof, signal_name};
use std::collections::BTreeMap;
use std::time::Duration;

/// The proof stays this long, so that it can be read.
const STAYS: Duration = Duration::from_secs(5);
/// What another act has to say is not talked over before this time.
const LISTENS: Duration = Duration::from_secs(2);

/// Stops that were asked for together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// `stop` or `kill`.
    verb: String,
    /// With the names of the jobs.
    attempts: Vec<(AttemptId, String)>,
    asked_at: Mono,
    /// When nothing was left of any.
    over_at: Option<Mono>,
    /// What was said last; it may be replaced.
    said: String,
    /// The end was told: what another act has to say then is the last word.
    told_end: bool,
}

impl Watch {
    /// Watches what becomes of `targets`.
    pub fn new(verb: &str, targets: &[Selection], now: Mono) -> Watch {
        let name = |label: &str| label.split(' ').next().unwrap_or(label).to_owned();
        let named = |t: &Selection| Some((t.attempt?, name(&t.label)));
        Watch {
            verb: verb.to_owned(),
            attempts: targets.iter().filter_map(named).collect(),
            asked_at: now,
            over_at: None,
            said: String::new(),
            told_end: false,
        }
    }
}

/// Says how far the stops are that are watched; returns whether that is news.
pub fn tell(model: &mut Model) -> bool {
    let Some(mut watch) = model.watch.take() else { return false };
    let now = model.now.mono;
    let replaced = model.feedback.as_ref().is_some_and(|f| f.text != watch.said);
    let gone = watch.over_at.is_some_and(|at| now.since(at) >= STAYS);
    if gone || watch.told_end && replaced || watch.attempts.is_empty() {
        let ours = model.feedback.as_ref().is_some_and(|f| f.text == watch.said);
        model.feedback = model.feedback.take().filter(|_| !ours);
        return ours;
    }
    let told = words(model, &watch);
    if told.as_ref().is_some_and(|(_, kind)| *kind != FeedbackKind::UnderWay) {
        watch.over_at.get_or_insert(now);
    }
    let busy = model.feedback.as_ref().is_some_and(|f| {
        // The answer to the stop itself is what the proof goes on from.
        let other = f.text != watch.said && f.at > watch.asked_at + Duration::from_millis(500);
        other && now.since(f.at) < LISTENS
    });
    let mut news = false;
    if let (Some((text, kind)), false) = (told, busy) {
        news = model.feedback.as_ref().is_none_or(|f| f.text != text);
        watch.said.clone_from(&text);
        watch.told_end = kind != FeedbackKind::UnderWay;
        model.feedback = Some(Feedback { text, kind, at: now });
    }
    model.watch = Some(watch);
    news
}

/// How far the stops are; `None` while nothing is known of them.
fn words(model: &Model, watch: &Watch) -> Option<(String, FeedbackKind)> {
    let proofs: Vec<&StopProof> = watch.attempts.iter().filter_map(|a| proof(model, a.0)).collect();
    match (watch.attempts.as_slice(), proofs.as_slice()) {
        (_, []) => None,
        ([(_, name)], [proof]) => Some(one(model, &watch.verb, name, proof)),
        _ => Some(many(model, watch, &proofs)),
    }
}

fn proof(model: &Model, attempt: AttemptId) -> Option<&StopProof> {
    model.snapshot.last_stops.iter().find(|stop| stop.attempt == attempt)
}

fn one(model: &Model, verb: &str, name: &str, stop: &StopProof) -> (String, FeedbackKind) {
    let now = model.now.mono;
    if let Some(ended_at) = stop.ended_at {
        let how = stop.exit.map_or(String::new(), |exit| format!(" {}", by(exit)));
        let after = duration(ended_at.since(stop.asked_at));
        let (rest, kind) = left(stop.swept, stop.nothing_left != Some(false), &stop.left);
        return (format!("{name} ended{how} after {after}{rest}"), kind);
    }
    let text = match (stop.leader_ended_at, stop.killed_at) {
        (Some(_), _) => {
            let how = stop.exit.map_or("ended".to_owned(), |exit| format!("ended {}", by(exit)));
            format!("{verb} {name}: leader {how}, sweeping what it left")
        }
        (None, Some(_)) => format!("{verb} {name}: KILL sent to its whole tree"),
        (None, None) => {
            let signal = signal_name(stop.signal);
            let signal = signal.trim_start_matches("SIG");
            let kill = duration(stop.kill_at.since(now));
            format!("{verb} {name}: {signal} sent, KILL in {kill}")
        }
    };
    (text, FeedbackKind::UnderWay)
}

fn many(model: &Model, watch: &Watch, stops: &[&StopProof]) -> (String, FeedbackKind) {
    let all = watch.attempts.len();
    // Of many stops only the newest are told of; who runs no more has ended.
    let runs = |attempt: AttemptId| match proof(model, attempt) {
        Some(stop) => stop.ended_at.is_none(),
        None => model.work_of(attempt).is_some(),
    };
    let running = watch.attempts.iter().filter(|(attempt, _)| runs(*attempt)).count();
    let swept: u32 = stops.iter().map(|stop| stop.swept).sum();
    if running > 0 {
        let mut text = format!("{} {all} jobs: {} ended", watch.verb, all - running);
        let open = stops.iter().filter(|stop| stop.ended_at.is_none());
        let sweeping = open.clone().filter(|stop| stop.leader_ended_at.is_some()).count();
        let kill_at = open.filter(|s| s.killed_at.is_none()).map(|stop| stop.kill_at).max();
        if sweeping > 0 {
            text += &format!(", {sweeping} sweeping");
        }
        if let Some(at) = kill_at.filter(|at| *at > model.now.mono) {
            text += &format!(", KILL in {}", duration(at.since(model.now.mono)));
        }
        return (text, FeedbackKind::UnderWay);
    }
    let mut ways: BTreeMap<String, usize> = BTreeMap::new();
    for stop in stops {
        *ways.entry(stop.exit.map_or("unseen".to_owned(), by)).or_default() += 1;
    }
    let ways: Vec<_> = ways.into_iter().map(|(way, n)| format!("{n} {way}")).collect();
    let last = stops.iter().filter_map(|s| s.ended_at).max().unwrap_or(model.now.mono);
    let first = stops.iter().map(|s| s.asked_at).min().unwrap_or(watch.asked_at);
    let after = duration(last.since(first));
    let bad = stops.iter().find(|stop| stop.nothing_left == Some(false));
    let (rest, kind) = left(swept, bad.is_none(), &bad.and_then(|stop| stop.left.clone()));
    let jobs = format::plural(all as u64, "job");
    (format!("{jobs} ended: {} after {after}{rest}", ways.join(", ")), kind)
}

/// `by SIGTERM`, `with exit code 0`.
fn by(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("with exit code {code}"),
        Exit::Signal(signal) => format!("by {}", signal_name(signal)),
    }
}

fn left(swept: u32, nothing: bool, left: &Option<String>) -> (String, FeedbackKind) {
    let swept = match swept {
        0 => String::new(),
        n => format!("; {} ended", count_of(n, "more process", "more processes")),
    };
    match (nothing, left) {
        (true, _) => (format!("{swept}; nothing left"), FeedbackKind::Done),
        (false, Some(left)) => (format!("{swept}; {left}"), FeedbackKind::Refused),
        (false, None) => (format!("{swept}; something is left"), FeedbackKind::Refused),
    }
}
