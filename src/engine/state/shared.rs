//! The part of the state that jobs share: the table of primitives, and the circles of waits.

use super::State;
use crate::engine::locks::{LockTable, Told, WaitNo};
use crate::model::locks::{Deadlock, LockChange, Name};
use crate::model::waits::stuck::Stuck;
use crate::model::{AttemptId, Event, JobNo, Mono, TaskIdx};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Circles that are remembered for the report.
const PAST_DEADLOCKS: usize = 1000;

/// What is shared.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub locks: LockTable,
    /// Those of this moment.
    pub deadlocks: Vec<Deadlock>,
    /// All there were.
    pub past: Vec<Deadlock>,
    pub found: u64,
    /// What is seen to be stuck at this moment, and no proven circle.
    pub stuck: Vec<Stuck>,
    /// What is to be told of the last fact. No part of the state.
    told: Vec<Told>,
    /// Waits that have begun since somebody looked. No part of the state.
    begun: Vec<WaitNo>,
    /// Cells that could be opened when somebody looks. No part of the state.
    touched: BTreeSet<Name>,
}

impl PartialEq for Shared {
    fn eq(&self, other: &Shared) -> bool {
        self.locks == other.locks
            && self.deadlocks == other.deadlocks
            && self.past == other.past
            && self.found == other.found
            && self.stuck == other.stuck
    }
}

impl Shared {
    pub fn new(locks: LockTable) -> Shared {
        let (deadlocks, past, told, begun) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Shared {
            locks,
            deadlocks,
            past,
            found: 0,
            stuck: Vec::new(),
            told,
            begun,
            touched: BTreeSet::new(),
        }
    }

    /// Takes out of the table what is only for those who look at once.
    pub(super) fn drain(&mut self) {
        self.begun.extend(self.locks.take_begun());
        self.touched.extend(self.locks.take_touched());
    }
}

impl State {
    /// The primitives that jobs share.
    pub fn locks(&self) -> &LockTable {
        &self.shared.locks
    }

    /// Circles of waits at this moment, oldest first.
    pub fn deadlocks(&self) -> &[Deadlock] {
        &self.shared.deadlocks
    }

    /// All circles of waits that there were, oldest first; of very many the first.
    pub fn past_deadlocks(&self) -> &[Deadlock] {
        &self.shared.past
    }

    /// What is seen to be stuck at this moment besides circles, oldest first.
    pub fn stuck(&self) -> &[Stuck] {
        &self.shared.stuck
    }

    pub(in crate::engine) fn deadlocks_so_far(&self) -> u64 {
        self.shared.found
    }

    pub(in crate::engine) fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.shared.told)
    }

    pub(in crate::engine) fn take_begun(&mut self) -> Vec<WaitNo> {
        std::mem::take(&mut self.shared.begun)
    }

    pub(in crate::engine) fn take_openable(&mut self) -> Vec<(Name, u64)> {
        self.shared.drain();
        let touched = std::mem::take(&mut self.shared.touched);
        let permits = |name: Name| Some((name.clone(), self.shared.locks.openable(&name)?));
        touched.into_iter().filter_map(permits).collect()
    }

    /// Whether jobs of a task wait for what they take.
    pub fn awaits_locks(&self, task: TaskIdx) -> bool {
        self.tasks.get(task.0 as usize).is_some_and(|task| task.awaits)
    }

    /// A job as a sentence names it: `resize:3`, with its number when the task has one job.
    pub(in crate::engine) fn job_words(&self, job: JobNo) -> String {
        match self.task_of(job) {
            Some((task, index)) => format!("{}:{}", self.rules(task).name, index + 1),
            None => job.to_string(),
        }
    }

    pub(super) fn apply_shared(&mut self, event: &Event) {
        match event {
            Event::Shared { at, change } => self.change_locks(*at, change),
            Event::LocksAwaited { task, at } => self.await_locks(*task, at.mono, true),
            Event::LocksFree { task } => self.await_locks(*task, self.clock, false),
            Event::DeadlockFound { deadlock, .. } => {
                self.shared.found += 1;
                self.shared.deadlocks.push((**deadlock).clone());
                if self.shared.past.len() < PAST_DEADLOCKS {
                    self.shared.past.push((**deadlock).clone());
                }
            }
            Event::DeadlockGone { id, .. } => {
                self.shared.deadlocks.retain(|deadlock| deadlock.id != *id);
            }
            Event::StuckFound { stuck, .. } => {
                self.shared.found += 1;
                self.shared.stuck.push((**stuck).clone());
            }
            Event::StuckGone { id, .. } => self.shared.stuck.retain(|stuck| stuck.id != *id),
            _ => {}
        }
    }

    fn change_locks(&mut self, at: Mono, change: &LockChange) {
        self.shared.told = self.shared.locks.apply(at, change);
        self.shared.drain();
    }

    fn await_locks(&mut self, task: TaskIdx, at: Mono, awaits: bool) {
        let Some(this) = self.tasks.get_mut(task.0 as usize) else { return };
        this.awaits = awaits;
        if awaits {
            let takes = &self.schedule.tasks[task.0 as usize].takes;
            self.shared.locks.await_for(at, task, takes);
            self.shared.drain();
        }
        self.settle(task);
    }

    /// An attempt takes what its task says. Whether it can was asked before.
    pub(super) fn take_locks(&mut self, task: TaskIdx, attempt: AttemptId, at: Mono) {
        let schedule = Arc::clone(&self.schedule);
        let takes = &schedule.tasks[task.0 as usize].takes;
        if !takes.is_empty() {
            self.shared.told = self.shared.locks.take_for(at, task, attempt, takes);
            self.shared.drain();
        }
    }

    pub(super) fn give_locks_back(&mut self, attempt: AttemptId, well: bool, at: Mono) {
        self.shared.told = self.shared.locks.attempt_ended(at, attempt, well);
        self.shared.drain();
    }
}
