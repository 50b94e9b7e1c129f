//! What happens when time passes: timeouts, the KILL after a grace period, delays before a
//! retry.

use super::state::{Attempt, AttemptPhase};
use super::{Engine, Fault};
use crate::model::{Event, JobNo, Mono, Requester, StopReason};
use std::collections::{BTreeMap, BTreeSet};

/// The next deadline of each running attempt that has one.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    queue: BTreeSet<(Mono, JobNo)>,
    of: BTreeMap<JobNo, Mono>,
}

impl Deadlines {
    pub fn next(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }

    fn passed(&self, now: Mono) -> Option<JobNo> {
        self.queue.first().filter(|(at, _)| *at <= now).map(|(_, job)| *job)
    }

    fn set(&mut self, job: JobNo, at: Option<Mono>) {
        let old = match at {
            Some(at) => self.of.insert(job, at),
            None => self.of.remove(&job),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.queue.remove(&(old, job));
        }
        if let Some(at) = at {
            self.queue.insert((at, job));
        }
    }
}

impl Engine {
    /// Keeps the deadlines in step with a fact.
    pub(super) fn note_deadlines(&mut self, event: &Event) {
        match event {
            Event::AttemptStarted { attempt, .. }
            | Event::AttemptStopping { attempt, .. }
            | Event::LeaderEnded { attempt, .. } => self.set_deadline(attempt.job),
            Event::AttemptEnded { attempt, .. } => {
                self.killed.remove(&attempt.job);
                self.set_deadline(attempt.job);
            }
            Event::Paused { .. } | Event::Resumed { .. } => {
                let jobs: Vec<JobNo> = self.state.attempts_running().map(|a| a.id.job).collect();
                for job in jobs {
                    self.set_deadline(job);
                }
            }
            _ => {}
        }
    }

    pub(super) fn set_deadline(&mut self, job: JobNo) {
        let at = self.state.attempt(job).and_then(|attempt| self.deadline_of(attempt));
        self.deadlines.set(job, at);
    }

    /// When something must happen to an attempt by itself.
    fn deadline_of(&self, attempt: &Attempt) -> Option<Mono> {
        match (&attempt.phase, &attempt.stopping) {
            // Nobody to kill yet; looked at again when it has started.
            (AttemptPhase::Launching, _) => None,
            (_, Some(_)) if self.has(Fault::ForgetKill) => None,
            (_, Some(stop)) => (!self.killed.contains(&attempt.id.job)).then_some(stop.kill_at),
            (AttemptPhase::Running { since, .. }, None) if !attempt.is_frozen() => {
                let timeout = self.state.rules(attempt.task).timeout?;
                Some(*since + timeout + attempt.frozen_before)
            }
            _ => None,
        }
    }

    pub(super) fn pass_deadlines(&mut self) {
        self.pass_lock_deadlines();
        while let Some(job) = self.deadlines.passed(self.now.mono) {
            let stopping = self.state.attempt(job).is_some_and(|a| a.stopping.is_some());
            if stopping {
                self.kill_tree(job);
            } else {
                self.stop_attempt(job, StopReason::Timeout, &Requester::Rule, false);
            }
        }
        while let Some((at, job)) = self.state.next_backoff()
            && at <= self.now.mono
        {
            self.emit(Event::BackoffOver { job });
        }
    }
}
