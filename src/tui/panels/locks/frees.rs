//! What ending jobs would free, and what it would not: shown before anybody is ended.

use super::{Who, words};
use crate::model::JobNo;
use crate::model::locks::{LockState, LockView};
use crate::tui::model::{Model, Selection};

/// Lines for the kill menu; none when the jobs hold nothing that is shared.
pub fn frees(model: &Model, targets: &[Selection]) -> Vec<String> {
    let jobs: Vec<JobNo> = targets.iter().map(|target| target.job).collect();
    let is_one = |who: Who| matches!(who, Who::Job(job) if jobs.contains(&job));
    let mut lines = Vec::new();
    let mut frees_any = false;
    for lock in &model.snapshot.shared.locks {
        if !lock.holders.iter().any(|holder| is_one(Who::of(&holder.party))) {
            continue;
        }
        frees_any = true;
        lines.push(of_lock(model, lock, &is_one));
    }
    let circles = &model.snapshot.shared.deadlocks;
    let broken = circles
        .iter()
        .filter(|circle| circle.members.iter().any(|member| is_one(Who::of(&member.party))));
    match broken.count() {
        0 => {}
        1 => lines.push("breaks the circle: the others go on".to_owned()),
        n => lines.push(format!("breaks {n} circles: the others go on")),
    }
    if frees_any {
        lines.push("does not mend what it left half done".to_owned());
    }
    lines
}

fn of_lock(model: &Model, lock: &LockView, is_one: &impl Fn(Who) -> bool) -> String {
    if let LockState::Queue { .. } = lock.state {
        let items: u32 = lock
            .holders
            .iter()
            .filter(|holder| is_one(Who::of(&holder.party)))
            .map(|holder| holder.count)
            .sum();
        return format!("hands {items} of {} out again", lock.name);
    }
    let others: Vec<String> = lock
        .holders
        .iter()
        .filter(|holder| !is_one(Who::of(&holder.party)))
        .map(|holder| words::short_party(model, &holder.party))
        .collect();
    // Of those who wait, the targets themselves are gone then.
    let next = lock.waiters.iter().find(|waiter| !is_one(Who::of(&waiter.party)));
    let is_lock = words::fill(lock).is_none();
    match (others.first(), next) {
        (Some(other), _) if is_lock => {
            format!("does not free {}: {other} has it too", lock.name)
        }
        (_, Some(next)) => {
            format!("frees {}: {} gets it next", lock.name, words::short_party(model, &next.party))
        }
        (_, None) => format!("frees {}: nobody waits for it", lock.name),
    }
}
