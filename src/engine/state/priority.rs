//! Jobs that people moved in the queue, and the order in which a pool starts its jobs.

use super::State;
use super::cell::Place;
use crate::model::{JobNo, PoolIdx, TaskIdx};
use std::cmp::Reverse;

/// The order of starting: priority, then file order, then position.
pub(in crate::engine) type Order = (Reverse<i32>, TaskIdx, u32);

impl State {
    /// The priority that a job was given by hand, if it was.
    pub fn priority_by_hand(&self, job: JobNo) -> Option<i32> {
        self.priorities.get(&job).copied()
    }

    pub(super) fn prioritized(&mut self, job: JobNo, to: Option<i32>) {
        self.forget_priority(job);
        let (Some(priority), Some((task, index))) = (to, self.task_of(job)) else { return };
        self.priorities.insert(job, priority);
        let pool = self.schedule.tasks[task.0 as usize].pool;
        self.pools[pool.0 as usize].moved.insert((Reverse(priority), task, index));
        self.track(job);
    }

    pub(super) fn forget_priority(&mut self, job: JobNo) {
        let Some(priority) = self.priorities.remove(&job) else { return };
        let Some((task, index)) = self.task_of(job) else { return };
        let pool = self.schedule.tasks[task.0 as usize].pool;
        self.pools[pool.0 as usize].moved.remove(&(Reverse(priority), task, index));
    }

    /// Forgets where jobs of a task stood that have ended all at once.
    pub(super) fn forget_priorities_of_rest(&mut self, task: TaskIdx) {
        if self.priorities.is_empty() {
            return;
        }
        let this = self.task(task);
        let range = JobNo(this.first)..JobNo(this.first + this.count());
        let has_ended = |job: &JobNo| matches!(this.place(job.0 - this.first), Place::Ended(_));
        let ended: Vec<JobNo> =
            self.priorities.range(range).map(|(job, _)| *job).filter(has_ended).collect();
        for job in ended {
            self.forget_priority(job);
        }
    }

    /// The job of a pool that starts next, whether there is room for it or not.
    pub(in crate::engine) fn next_start(&self, pool: PoolIdx) -> Option<(TaskIdx, u32)> {
        let by_task = self.startable(pool).find_map(|task| {
            let index = self.next_ready(task)?;
            Some((Reverse(self.rules(task).priority), task, index))
        });
        let can_start = |(_, task, index): &&Order| {
            let this = self.task(*task);
            let queued = this.listed && this.place(*index) == Place::Queued;
            queued && !self.paused_jobs.contains_key(&this.job(*index))
        };
        let moved = self.pool(pool).moved.iter().find(can_start).copied();
        [by_task, moved].into_iter().flatten().min().map(|(_, task, index)| (task, index))
    }

    /// The highest priority that anything of a pool has, a job itself left out.
    pub(in crate::engine) fn highest_priority(&self, pool: PoolIdx, but: (TaskIdx, u32)) -> i32 {
        let of_tasks = self.schedule.tasks.iter().filter(|rules| rules.pool == pool);
        let of_tasks = of_tasks.map(|rules| rules.priority);
        let mut moved = self.pool(pool).moved.iter();
        let moved = moved.find(|(_, task, index)| (*task, *index) != but).map(|order| order.0.0);
        of_tasks.chain(moved).max().unwrap_or_default()
    }

    /// How many ready jobs of its pool start before a job.
    pub(in crate::engine) fn ready_ahead_of(&self, task: TaskIdx, index: u32) -> u32 {
        let rules = self.rules(task);
        let own = self.priority_by_hand(self.task(task).job(index));
        let order = (Reverse(own.unwrap_or(rules.priority)), task, index);
        let (pool, own_task) = (self.pool(rules.pool), task);
        let is_ready = |task: TaskIdx, index: u32| {
            let can_start =
                self.task(task).listed || (task == own_task && self.task(task).counts.ready > 0);
            can_start && self.task(task).place(index) == Place::Queued
        };
        let moved: Vec<Order> =
            pool.moved.iter().filter(|(_, task, index)| is_ready(*task, *index)).copied().collect();
        let moved_of = |task: TaskIdx| moved.iter().filter(move |m| m.1 == task);
        let mut ahead = moved.iter().filter(|m| **m < order).count() as u32;
        let own_is_full = !self.task(task).listed;
        for other in self.startable(rules.pool).chain(own_is_full.then_some(task)) {
            let priority = Reverse(self.rules(other).priority);
            if other == task && own.is_none() {
                let before = self.ready_before(task, index);
                ahead += before - moved_of(task).filter(|m| m.2 < index).count() as u32;
            } else if (priority, other) < (order.0, order.1) {
                ahead += self.task(other).counts.ready - moved_of(other).count() as u32;
            }
        }
        ahead
    }
}
