//! Tasks, each with what its jobs add up to.

use super::view::{View, millis};
use crate::model::limits::PAGE_ROWS;
use crate::model::query::{Durations, Reply, TaskRow};
use crate::model::{RunState, TaskIdx};
use crate::supervisor::Supervisor;
use std::time::Duration;

impl Supervisor {
    pub(super) fn tasks(&self, offset: u32, limit: u32) -> Reply {
        let view = self.view();
        let total = u32::try_from(view.state.schedule().tasks.len()).unwrap_or(u32::MAX);
        let page = (offset..total).take(limit.min(PAGE_ROWS) as usize);
        Reply::Tasks { total, rows: page.map(|i| view.task_row(TaskIdx(i))).collect() }
    }
}

impl View<'_> {
    pub(super) fn task_row(&self, task: TaskIdx) -> TaskRow {
        let rules = &self.state.schedule().tasks[task.0 as usize];
        let tally = self.ledger.tally(task);
        let durations = tally.and_then(|tally| tally.durations.summary());
        TaskRow {
            task,
            name: rules.name.clone(),
            pool: rules.pool,
            counts: *self.state.task_counts(task),
            unread: self.state.task_unread(task),
            attempts: tally.map_or(0, |tally| tally.attempts),
            durations,
            cpu_ms: tally.map_or(0, |tally| millis(tally.cpu)),
            max_rss_bytes: tally.and_then(|tally| tally.max_rss_bytes),
            eta_ms: durations.and_then(|durations| self.task_eta(task, durations)),
        }
    }

    /// The jobs that are left, as many at a time as may run, each as long as those before.
    fn task_eta(&self, task: TaskIdx, durations: Durations) -> Option<u64> {
        let rules = &self.state.schedule().tasks[task.0 as usize];
        let counts = self.state.task_counts(task);
        let left = counts.waiting() + counts.running;
        let pool = self.state.pool(rules.pool);
        let at_a_time = (pool.size() / pool.effective_weight(rules.weight).max(1))
            .min(rules.max_parallel.unwrap_or(u32::MAX));
        let goes_on = self.state.run_state() == RunState::Running && pool.paused().is_none();
        if !goes_on || at_a_time == 0 || self.state.task_unread(task) {
            return None;
        }
        let us = u128::from(durations.mean_us) * u128::from(left) / u128::from(at_a_time);
        Some(millis(Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX))))
    }
}
