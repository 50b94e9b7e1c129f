//! How the panel names things.

use super::Who;
use crate::model::locks::{LockState, LockView, Party};
use crate::tui::format;
use crate::tui::model::Model;
use crate::tui::panels::worker_name;

/// The kind's word.
pub fn kind(lock: &LockView) -> &'static str {
    match lock.state {
        LockState::BoundedSemaphore { .. } => "semaphore",
        LockState::Kv { .. } => "table",
        _ => lock.state.word(),
    }
}

/// How it is, in at most nine cells where that can be.
pub fn state(lock: &LockView) -> String {
    match &lock.state {
        LockState::Lock | LockState::Rlock | LockState::Rwlock => {
            match (lock.holders.len(), lock.holders.iter().any(|holder| holder.shared)) {
                (0, _) => "free".to_owned(),
                (1, false) => "held".to_owned(),
                (n, _) => format!("shared {n}"),
            }
        }
        LockState::Semaphore { value, max } | LockState::BoundedSemaphore { value, max } => {
            format!("{}/{max}", max.saturating_sub(*value))
        }
        LockState::Event { set } => if *set { "set" } else { "clear" }.to_owned(),
        LockState::Condition => String::new(),
        LockState::Barrier { broken: true, .. } => "broken".to_owned(),
        LockState::Barrier { parties, waiting, .. } => format!("{waiting}/{parties}"),
        LockState::Queue { depth, capacity, closed, .. } => {
            let depth = format::short_count(*depth);
            let room = capacity.map_or(String::new(), |max| format!("/{max}"));
            format!("{depth}{room}{}", if *closed { " end" } else { "" })
        }
        LockState::Value { value } => value.clone(),
        LockState::Kv { entries } => format!("{entries} keys"),
    }
}

/// How full it is (0 to 1), where that means something.
pub fn fill(lock: &LockView) -> Option<f32> {
    let share = |part: u64, all: u32| part as f32 / all.max(1) as f32;
    match &lock.state {
        LockState::Semaphore { value, max } | LockState::BoundedSemaphore { value, max } => {
            Some(share(u64::from(max.saturating_sub(*value)), *max))
        }
        LockState::Queue { depth, capacity: Some(max), .. } => Some(share(*depth, *max)),
        LockState::Barrier { parties, waiting, .. } => Some(share(u64::from(*waiting), *parties)),
        _ => None,
    }
}

/// The worker, if it has one, and what it is: `w5` and `index:17`.
pub fn party(model: &Model, party: &Party) -> (Option<String>, String) {
    let worker = party.job().and_then(|job| model.worker_of(job));
    if let Some((worker, work)) = worker.and_then(|worker| Some((worker, worker.work.as_ref()?))) {
        return (Some(worker_name(model, worker)), model.label(work));
    }
    let name = match (party.attempt, &party.label, party.proc) {
        (Some(attempt), _, _) => format!("job {attempt}"),
        (None, Some(label), _) => label.to_string(),
        (None, None, Some(proc)) => format!("pid {}", proc.pid),
        (None, None, None) => "a job that has not started".to_owned(),
    };
    (None, name)
}

/// In as few words as can be: `w5`, else its name.
pub fn short_party(model: &Model, who: &Party) -> String {
    let (worker, name) = party(model, who);
    worker.unwrap_or(name)
}

/// A job or an owner in words.
pub fn of_who(model: &Model, who: Who) -> String {
    let all = model.snapshot.shared.locks.iter();
    let mut parties = all.flat_map(|lock| {
        let holders = lock.holders.iter().map(|holder| &holder.party);
        holders.chain(lock.waiters.iter().map(|waiter| &waiter.party))
    });
    match parties.find(|party| Who::of(party) == who) {
        Some(found) => short_party(model, found),
        None => "it".to_owned(),
    }
}

/// Why `K` has nobody to end here.
pub fn nobody_to_kill(model: &Model) -> String {
    let Some(lock) = super::selected(model) else { return "nothing is selected".to_owned() };
    let who = match super::details::chosen(model).filter(|_| model.locks.inside) {
        Some((_, party)) => Some(party),
        None => lock.holders.first().map(|holder| &holder.party),
    };
    match who {
        None => format!("nobody holds {}: nothing to kill", lock.name),
        Some(party) => {
            let name = short_party(model, party);
            let hint = match party.proc {
                Some(proc) if party.attempt.is_none() => format!(": `kill {}` ends it", proc.pid),
                _ => String::new(),
            };
            format!("{name} is no running job of this run{hint}")
        }
    }
}

/// A number per second in at most four cells.
pub fn per_s(n: f32) -> String {
    match n {
        n if !n.is_finite() || n < 0.05 => "0".to_owned(),
        n if n < 99.5 => format!("{n:.1}"),
        n => format::short_count(n as u64),
    }
}

/// `3 wait`, `1 waits`.
pub fn wait_now(n: u32) -> String {
    format!("{n} {}", if n == 1 { "waits" } else { "wait" })
}

/// Whether a primitive has a text in its name, kind, or among its parties.
pub fn matches(model: &Model, lock: &LockView, text: &str) -> bool {
    let text = text.to_lowercase();
    let has = |of: &str| of.to_lowercase().contains(&text);
    let parties = lock.holders.iter().map(|holder| &holder.party);
    let mut parties = parties.chain(lock.waiters.iter().map(|waiter| &waiter.party));
    has(&lock.name)
        || has(kind(lock))
        || parties.any(|of| {
            let (worker, name) = party(model, of);
            has(&name) || worker.is_some_and(|worker| has(&worker))
        })
}
