//! Jobs that take much longer than others of their task, and why, as far as it is seen.

use super::{Facts, Key, Verdict};
use crate::model::alert::{AlertKind, AlertLevel};
use crate::model::sentence::Names;
use crate::model::words::duration;
use crate::model::{AttemptId, Event, Mono, Outcome, TaskIdx, TreeSample};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Times of a task that are remembered.
const RECENT: usize = 20;
/// As many must be known before they are a measure.
const ENOUGH: usize = 5;
/// So many times as long as four of five others is slow.
const TIMES: u32 = 5;
/// Nobody waits for what takes less.
const LEAST: Duration = Duration::from_secs(10);
/// Most jobs that are told of.
const TOLD: usize = 3;

/// How long jobs of each task have taken of late.
#[derive(Clone, Debug, Default)]
pub(super) struct Paces {
    started: BTreeMap<AttemptId, Mono>,
    of: BTreeMap<TaskIdx, VecDeque<Duration>>,
}

impl Paces {
    /// Takes in one fact.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::AttemptStarted { attempt, at, .. } => {
                self.started.insert(*attempt, at.mono);
            }
            Event::AttemptEnded { attempt, task, outcome, at, .. } => {
                let started = self.started.remove(attempt);
                let took = started.map(|started| at.mono.since(started));
                if let (Some(took), Outcome::Succeeded) = (took, outcome) {
                    let recent = self.of.entry(*task).or_default();
                    recent.push_back(took);
                    if recent.len() > RECENT {
                        recent.pop_front();
                    }
                }
            }
            _ => {}
        }
    }

    /// What four of five jobs of a task took at most.
    fn usual(&self, task: TaskIdx) -> Option<Duration> {
        let mut recent: Vec<Duration> = self.of.get(&task)?.iter().copied().collect();
        recent.sort_unstable();
        recent.get(recent.len() * 4 / 5).copied().filter(|_| recent.len() >= ENOUGH)
    }

    /// The slowest, unless they are told to hang.
    pub fn verdicts(&self, facts: &Facts<'_>, hung: &[Verdict]) -> Vec<Verdict> {
        let mut slow = Vec::new();
        for attempt in facts.state.attempts_running() {
            let job = attempt.id.job;
            let is_told = hung.iter().any(|verdict| verdict.key.job == Some(job));
            if is_told || attempt.stopping.is_some() || attempt.is_frozen() {
                continue;
            }
            let runs = facts.now.since(attempt.since()).saturating_sub(attempt.paused(facts.now));
            let usual = self.usual(attempt.task).filter(|usual| runs >= LEAST.max(*usual * TIMES));
            if let Some(usual) = usual {
                slow.push((runs, usual, attempt));
            }
        }
        slow.sort_by_key(|(runs, ..)| std::cmp::Reverse(*runs));
        let told = slow.into_iter().take(TOLD);
        told.map(|(runs, usual, attempt)| {
            let job = attempt.id.job;
            Verdict {
                key: Key {
                    job: Some(job),
                    task: Some(attempt.task),
                    ..Key::of(AlertKind::SlowJob)
                },
                level: AlertLevel::Advice,
                text: format!(
                    "{} runs for {}, others took {}: {}",
                    facts.names.job(job),
                    duration(runs),
                    duration(usual),
                    why(facts, attempt.id)
                ),
                hint: format!("`ganger why {job}` says more, `ganger logs {job}` what it said."),
                raises: true,
            }
        })
        .collect()
    }
}

/// What it does all the time.
fn why(facts: &Facts<'_>, attempt: AttemptId) -> String {
    if let Some(wait) = (facts.waits)(attempt) {
        return format!("waits for {}", wait.words());
    }
    let tree = facts.sample.trees.iter().find(|tree| tree.attempt == attempt);
    let percent = |of: fn(&TreeSample) -> Option<f32>| tree.and_then(of).unwrap_or(0.0);
    let (cpu, disk) = (percent(|t| t.cpu_percent), percent(|t| t.io_wait_percent));
    let crowd = percent(|t| t.cpu_wait_percent);
    match () {
        () if tree.is_none() => "what it does is not known".to_owned(),
        () if disk >= 30.0 => format!("waits for disks {disk:.0} % of the time"),
        () if crowd >= 50.0 && crowd > cpu => {
            format!("waits for a CPU {crowd:.0} % of the time, uses {cpu:.0} %")
        }
        () if cpu >= 50.0 => format!("computes, {cpu:.0} % of a core"),
        () => format!("uses {cpu:.0} % of a core"),
    }
}
