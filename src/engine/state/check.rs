//! The state checked against itself: every number that is kept in step is counted anew.

use super::cell::{self, Place};
use super::jobs::tally;
use super::task::{Inputs, satisfies};
use super::{AttemptPhase, Gate, State};
use crate::model::{Counts, TaskIdx};
use std::cmp::Reverse;

/// Returns an error that names both values when they differ.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, kept: T, counted: T) -> Result<(), String> {
    if kept == counted { Ok(()) } else { Err(format!("{what}: kept {kept:?}, is {counted:?}")) }
}

impl State {
    /// Counts everything anew and compares.
    ///
    /// Holds between two inputs. Errors name what differs. For tests: takes time in proportion
    /// to the number of jobs.
    pub fn check(&self) -> Result<(), String> {
        let mut total = Counts::default();
        for task in (0..self.tasks.len() as u32).map(TaskIdx) {
            let name = &self.rules(task).name;
            let counts = self.check_task(task).map_err(|e| format!("task {name}: {e}"))?;
            add(&mut total, &counts);
        }
        same("counts of the run", self.counts, total)?;
        same("jobs of the run", total.total, total.waiting() + total.running + total.ended())?;
        let open = self.tasks.iter().filter(|t| t.ended.is_none()).count() as u32;
        same("tasks that have not ended", self.open_tasks, open)?;
        self.check_pools()?;
        self.check_priorities()?;
        self.check_attempts()
    }

    fn check_task(&self, task: TaskIdx) -> Result<Counts, String> {
        let this = self.task(task);
        let mut counts = Counts {
            total: this.count(),
            retries: this.counts.retries,
            tasks_unread: u32::from(this.is_unread()),
            ..Counts::default()
        };
        let (mut idle, mut queued) = (0, 0);
        for index in 0..this.count() {
            match this.place(index) {
                Place::Idle => idle += 1,
                Place::Queued if this.queued.contains(&index) => queued += 1,
                Place::Queued => return Err(format!("job {index} is queued nowhere")),
                Place::BackingOff => counts.backing_off += 1,
                Place::Running => counts.running += 1,
                Place::Between => return Err(format!("job {index} is nowhere")),
                Place::Ended(outcome) => *tally(&mut counts, outcome) += 1,
            }
        }
        same("idle jobs", this.idle, idle)?;
        same("queued jobs", this.queued.len() as u32, queued)?;
        same("jobs backing off", counts.backing_off, self.backing_off_in(task).count() as u32)?;
        (counts.ready, counts.blocked) = match this.gate() {
            Gate::Open if this.is_linked() => (queued, idle),
            Gate::Open => (queued + idle, 0),
            _ => (0, queued + idle),
        };
        same("counts", this.counts, counts)?;
        let fresh_before = this.cells.iter().take(this.cursor as usize);
        if !this.is_linked()
            && this.rest.is_none()
            && fresh_before.clone().any(|c| cell::is_idle(*c))
        {
            return Err(format!("an idle job before the cursor at {}", this.cursor));
        }
        self.check_needs(task)?;
        Ok(counts)
    }

    fn check_needs(&self, task: TaskIdx) -> Result<(), String> {
        let (mut left, mut open, mut unmet) = (0, 0, 0);
        let this = self.task(task);
        for (position, need) in self.rules(task).needs.iter().enumerate() {
            let up = self.task(need.task);
            let whole = this.needs_whole(position, need.each);
            match up.ended {
                None => {
                    open += 1;
                    left += u32::from(whole);
                }
                Some(good) => {
                    let counts = whole || up.is_void();
                    unmet += u32::from(counts && !satisfies(need.when, good));
                }
            }
        }
        let kept = (this.needs_left, this.needs_open, this.needs_unmet);
        same("needs left, open, unmet", kept, (left, open, unmet))?;
        if this.is_linked() && this.inputs == Inputs::Read {
            let counted = self.first_each_left(task, this.count()).unwrap_or_default();
            same("jobs that each job waits for", &this.each_left, &counted)?;
        }
        Ok(())
    }

    fn check_pools(&self) -> Result<(), String> {
        for (p, pool) in self.pools.iter().enumerate() {
            let name = &self.schedule.pools[p].name;
            let here = || self.running.values().filter(|a| a.slot.pool.0 as usize == p);
            let weight: u32 = here().map(|a| a.weight).sum();
            same(&format!("weight in pool {name}"), pool.weight_used, weight)?;
            same(&format!("running in pool {name}"), pool.running, here().count() as u32)?;
            let mut slots: Vec<u32> = here().map(|a| a.slot.n).collect();
            slots.sort_unstable();
            slots.dedup();
            same(&format!("slots of pool {name}"), pool.running, slots.len() as u32)?;
            let (mut ready, mut blocked) = (0, 0);
            for (t, task) in self.tasks.iter().enumerate() {
                let rules = &self.schedule.tasks[t];
                if rules.pool.0 as usize != p {
                    continue;
                }
                ready += task.counts.ready;
                blocked += task.counts.blocked;
                let room = task.counts.running < rules.max_parallel.unwrap_or(u32::MAX).max(1);
                let listed = pool.startable.contains(&self.web.rank[t]);
                same(&format!("{} can start", rules.name), listed, task.counts.ready > 0 && room)?;
            }
            same(
                &format!("ready and blocked in pool {name}"),
                (pool.ready, pool.blocked),
                (ready, blocked),
            )?;
        }
        Ok(())
    }

    fn check_priorities(&self) -> Result<(), String> {
        let moved: usize = self.pools.iter().map(|pool| pool.moved.len()).sum();
        same("jobs moved by hand", moved, self.priorities.len())?;
        for (job, priority) in &self.priorities {
            let (task, index) = self.task_of(*job).ok_or(format!("{job} is of no task"))?;
            let pool = &self.pools[self.rules(task).pool.0 as usize];
            let listed = pool.moved.contains(&(Reverse(*priority), task, index));
            same(&format!("{job} is moved in its pool"), listed, true)?;
            let ended = matches!(self.task(task).place(index), Place::Ended(_));
            same(&format!("{job} is moved and has ended"), ended, false)?;
        }
        Ok(())
    }

    fn check_attempts(&self) -> Result<(), String> {
        same("running attempts", self.running.len() as u32, self.counts.running)?;
        same("delays", self.backoff_ends.len(), self.backoff_queue.len())?;
        for (job, attempt) in &self.running {
            let id = attempt.id;
            let (task, index) = self.task_of(*job).ok_or(format!("{id} is of no job"))?;
            same(&format!("place of {id}"), self.task(task).place(index), Place::Running)?;
            same(&format!("number of {id}"), id.n, self.attempts(*job))?;
            let covered = self.run.paused.is_some()
                || self.pools[attempt.slot.pool.0 as usize].paused.is_some()
                || self.paused_jobs.contains_key(job);
            let runs = matches!(attempt.phase, AttemptPhase::Running { .. });
            let frozen = covered && runs && attempt.stopping.is_none();
            same(&format!("{id} stands still"), attempt.is_frozen(), frozen)?;
        }
        Ok(())
    }
}

fn add(sum: &mut Counts, part: &Counts) {
    sum.total += part.total;
    sum.tasks_unread += part.tasks_unread;
    sum.blocked += part.blocked;
    sum.ready += part.ready;
    sum.backing_off += part.backing_off;
    sum.running += part.running;
    sum.succeeded += part.succeeded;
    sum.up_to_date += part.up_to_date;
    sum.failed += part.failed;
    sum.signaled += part.signaled;
    sum.timed_out += part.timed_out;
    sum.out_of_memory += part.out_of_memory;
    sum.spawn_failed += part.spawn_failed;
    sum.cancelled += part.cancelled;
    sum.skipped += part.skipped;
    sum.lost += part.lost;
    sum.retries += part.retries;
}
