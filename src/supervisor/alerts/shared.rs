//! Alerts about waits: circles, what else is stuck, and locks that hold up most of the workers.

use super::{Facts, Key, MEMORY, Verdict};
use crate::engine::State;
use crate::model::alert::{AlertKind, AlertLevel};
use crate::model::locks::{LockState, Name};
use crate::model::waits::report::Verdict as Waits;
use crate::model::waits::stuck::Stuck;
use crate::model::words::{count, duration};
use crate::model::{Mono, TaskIdx};
use std::collections::BTreeMap;

/// Share of the workers that waits for one thing, from which on it is told about, and above which
/// an alert stays.
const RAISES: f32 = 0.5;
const STAYS: f32 = 0.35;

/// How many workers wait for each lock and semaphore, as means of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowds {
    at: Mono,
    /// Share of the workers that ran something.
    of: BTreeMap<Name, f32>,
}

impl Crowds {
    /// Looks at who waits now.
    pub fn take(&mut self, now: Mono, state: &State) {
        let passed = now.since(self.at).as_secs_f32();
        self.at = now;
        let new = 1.0 - (-passed / MEMORY.as_secs_f32()).exp();
        let mut seen: BTreeMap<Name, u32> = BTreeMap::new();
        for attempt in state.attempts_running() {
            let Some(wait) = state.locks().wait_of(attempt.id) else { continue };
            if matches!(wait.wants, "exclusive" | "shared" | "permits") {
                for name in wait.names {
                    *seen.entry(name.clone()).or_default() += 1;
                }
            }
        }
        let running = state.attempts_running().len();
        self.of.retain(|name, mean| seen.contains_key(name) || *mean > 0.01);
        for name in seen.keys() {
            self.of.entry(name.clone()).or_insert(0.0);
        }
        for (name, mean) in &mut self.of {
            let waiting = seen.get(name).copied().unwrap_or(0);
            *mean += new * (waiting as f32 / running.max(1) as f32 - *mean);
        }
    }

    /// One that takes most of the time of the workers.
    pub fn verdict(&self, facts: &Facts<'_>) -> Option<Verdict> {
        let running = facts.state.attempts_running().len();
        let (name, mean) = self.of.iter().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        if running < 3 || *mean < STAYS || !facts.state.deadlocks().is_empty() {
            return None;
        }
        let view = facts.state.locks().view_of(name)?;
        let percent = (mean * 100.0).round();
        let jobs = count(u32::try_from(running).unwrap_or(u32::MAX), "running job");
        let (level, what, hint) = match view.state {
            LockState::Semaphore { max, .. } | LockState::BoundedSemaphore { max, .. } => (
                AlertLevel::Advice,
                format!("semaphore {name} ({})", count(max, "permit")),
                "Raise it if whom it protects can bear that; else fewer workers do as much.",
            ),
            _ => (
                AlertLevel::Warning,
                format!("{} {name}", view.state.word()),
                "Hold it for a shorter time, share it, or split what it protects.",
            ),
        };
        Some(Verdict {
            key: Key::of(AlertKind::Contention),
            level,
            text: format!("{what} eats the workers' time: {percent} % of it, of {jobs}"),
            hint: hint.to_owned(),
            raises: *mean >= RAISES,
        })
    }
}

/// Circles of waits.
pub(super) fn deadlocks(facts: &Facts<'_>) -> Vec<Verdict> {
    let verdict = |deadlock: &crate::model::locks::Deadlock| {
        let closer = deadlock.members.get(deadlock.closed_by as usize)?;
        let since = duration(facts.now.since(deadlock.at));
        Some(Verdict {
            key: Key {
                job: closer.job,
                // Circles of processes that belong to no job are told apart by their number.
                task: closer.task.or(Some(TaskIdx(u32::MAX - deadlock.id as u32))),
                ..Key::of(AlertKind::Deadlock)
            },
            level: AlertLevel::Critical,
            text: format!("deadlock since {since}: {}", deadlock.text),
            hint: match deadlock.seen.is_empty() {
                true => "Kill one of them: what it holds goes to the next.",
                false => "Look at the waits, and kill the one that lets the others go on.",
            }
            .to_owned(),
            raises: true,
        })
    };
    facts.state.deadlocks().iter().filter_map(verdict).collect()
}

/// What x-ray sees to be stuck without a proven circle.
pub(super) fn stuck(facts: &Facts<'_>) -> Vec<Verdict> {
    let verdict = |stuck: &Stuck| {
        let first = stuck.members.first();
        let since = duration(facts.now.since(stuck.at));
        Verdict {
            key: Key {
                job: first.and_then(|member| member.job),
                // Processes that belong to no job are told apart by their number.
                task: first
                    .and_then(|member| member.task)
                    .or(Some(TaskIdx(u32::MAX - stuck.id as u32))),
                ..Key::of(AlertKind::Stuck)
            },
            level: match stuck.kind {
                Waits::Abandoned => AlertLevel::Critical,
                _ => AlertLevel::Warning,
            },
            text: format!("{} since {since}: {}", stuck.kind.word(), stuck.text),
            hint: match stuck.kind {
                Waits::Abandoned => "It never goes on by itself: kill it, and try it again.",
                _ => "Look at the waits: nothing that can be seen ends this.",
            }
            .to_owned(),
            raises: true,
        }
    };
    facts.state.stuck().iter().map(verdict).collect()
}
