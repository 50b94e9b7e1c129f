//! How the panel names things.

use super::shown::{self, Shown};
use super::{Who, foreign};
use crate::model::locks::{LockState, LockView, Party};
use crate::tui::canvas::Canvas;
use crate::tui::format;
use crate::tui::model::Model;
use crate::tui::panels::worker_name;
use crate::tui::theme::Role;
use unicode_width::UnicodeWidthStr;

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
    let mut parties = shown::all(model).flat_map(Shown::parties);
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
        None => lock.holders().first().copied(),
    };
    match who {
        None => format!("{}: nothing to kill", nobody_holds(lock)),
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

/// Whether one has a text in its name, kind, or among its parties.
pub fn matches(model: &Model, lock: Shown<'_>, text: &str) -> bool {
    let text = text.to_lowercase();
    let has = |of: &str| of.to_lowercase().contains(&text);
    let is_foreign = lock.own().is_none() && has("foreign");
    let mut parties = lock.parties().into_iter();
    is_foreign
        || has(&lock.title())
        || has(lock.kind())
        || parties.any(|of| {
            let (worker, name) = party(model, of);
            has(&name) || worker.is_some_and(|worker| has(&worker))
        })
}

/// How one is, whoever owns it.
pub fn state_of(lock: Shown<'_>) -> String {
    match lock {
        Shown::Own(lock) => state(lock),
        Shown::Foreign(lock) => foreign::state(lock).0,
    }
}

/// Why there is no holder to go to.
pub fn nobody_holds(lock: Shown<'_>) -> String {
    let title = lock.title();
    match lock {
        Shown::Own(_) => format!("nobody holds {title}"),
        Shown::Foreign(lock) => match lock.last_owner {
            Some(owner) => format!("the owner of {title} (pid {}) is gone", owner.pid),
            None if lock.n_waiters == 0 => {
                format!("nobody waits for {title} now, so who holds it is not looked at")
            }
            None => format!("nobody is proven to hold {title}"),
        },
    }
}

/// Why an act does nothing here.
pub fn not_own(lock: Shown<'_>) -> String {
    format!("{} is not ganger's own: it is only seen from outside", lock.title())
}

/// Draws the first who has something, and how many more do.
pub fn draw_holders(model: &Model, cell: &mut Canvas<'_>, parties: &[&Party]) {
    let Some(first) = parties.first() else { return };
    let (worker, name) = party(model, first);
    let holder = cell.glyphs().holder;
    let more = match parties.len() {
        1 => String::new(),
        n => format!(" +{}", n - 1),
    };
    let width = cell.width();
    let text = match &worker {
        Some(worker) if usize::from(width) >= worker.width() + 10 => format!("{worker} {name}"),
        Some(worker) => worker.clone(),
        None => name,
    };
    let room = width.saturating_sub(2 + more.width() as u16);
    cell.put(0, 0, holder, Role::Holder);
    let end = cell.put_cut(1, 0, room, &text, Role::Text);
    cell.put(end, 0, &more, Role::Dim);
}
