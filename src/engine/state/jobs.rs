//! How jobs and tasks change: every move of a job, and what follows from it for the counts,
//! the queues and the jobs that need it.

use super::State;
use super::cell::{self, Place, pack};
use super::read::Verdict;
use super::task::{Dependent, Gate, Inputs, Task, satisfies};
use crate::model::each::EachMap;
use crate::model::{Counts, JobNo, Mono, Outcome, TaskIdx};
use std::sync::Arc;

impl State {
    fn task_mut(&mut self, task: TaskIdx) -> Option<&mut Task> {
        self.tasks.get_mut(task.0 as usize)
    }

    fn dependents(&self, task: TaskIdx) -> impl Iterator<Item = Dependent> + use<> {
        let web = Arc::clone(&self.web);
        let count = web.dependents[task.0 as usize].len();
        (0..count).map(move |i| web.dependents[task.0 as usize][i])
    }

    // ---- tasks

    pub(super) fn linked(&mut self, task: TaskIdx, upstream: TaskIdx, map: &EachMap) {
        let Some(rules) = self.schedule.tasks.get(task.0 as usize) else { return };
        let links = &mut self.tasks[task.0 as usize].links;
        let free = |i: &usize| {
            rules.needs[*i].each && rules.needs[*i].task == upstream && links[*i].is_none()
        };
        if let Some(need) = (0..rules.needs.len()).find(free) {
            links[need] = Some(map.clone());
        }
    }

    pub(super) fn jobs_added(&mut self, task: TaskIdx, first: JobNo, count: u32) {
        let t = task.0 as usize;
        if t >= self.tasks.len() || !self.tasks[t].is_unread() {
            return;
        }
        self.inputs_ended(task, Inputs::Read);
        self.needs_without_map(task);
        let each_left = self.first_each_left(task, count);
        let this = &mut self.tasks[t];
        this.first = first.0;
        this.cells = vec![0; count as usize];
        this.idle = count;
        this.cursor = 0;
        this.each_left = each_left.unwrap_or_default();
        this.counts.total += count;
        self.counts.total += count;
        if count > 0 {
            self.joined.push(task);
        }
        self.settle(task);
        if self.tasks[t].is_linked() {
            for index in 0..count {
                self.release(task, index);
            }
        }
        // Tasks that need this one job by job may have joined before it.
        for dep in self.dependents(task).filter(|dep| dep.each) {
            self.settle(dep.task);
        }
    }

    /// Needs with `each` that no map came for are needs of whole tasks from now on.
    fn needs_without_map(&mut self, task: TaskIdx) {
        let schedule = Arc::clone(&self.schedule);
        for (position, need) in schedule.tasks[task.0 as usize].needs.iter().enumerate() {
            let (void, ended) = {
                let up = &self.tasks[need.task.0 as usize];
                (up.is_void(), up.ended)
            };
            let this = &mut self.tasks[task.0 as usize];
            if need.each && this.links[position].is_none() {
                let unmet = ended.is_some_and(|good| !void && !satisfies(need.when, good));
                this.needs_left += u32::from(ended.is_none());
                this.needs_unmet += u32::from(unmet);
            }
        }
    }

    /// Per job of a task: how many jobs it is linked to have not ended. `None` without links.
    pub(super) fn first_each_left(&self, task: TaskIdx, count: u32) -> Option<Vec<u32>> {
        let this = &self.tasks[task.0 as usize];
        let rules = &self.schedule.tasks[task.0 as usize];
        let mut left: Option<Vec<u32>> = None;
        for (need, map) in rules.needs.iter().zip(&this.links) {
            let Some(map) = map else { continue };
            let left = left.get_or_insert_with(|| vec![0; count as usize]);
            let up = &self.tasks[need.task.0 as usize];
            if up.is_void() {
                continue;
            }
            for (down, n) in (0..).zip(left.iter_mut()) {
                *n = n.saturating_add(map.n_ups_of(down));
            }
            let ended = (0..up.count()).filter(|i| matches!(up.place(*i), Place::Ended(_)));
            for down in ended.flat_map(|i| map.downs_of(i)) {
                if let Some(n) = left.get_mut(down as usize) {
                    *n = n.saturating_sub(1);
                }
            }
        }
        left
    }

    pub(super) fn inputs_ended(&mut self, task: TaskIdx, inputs: Inputs) {
        let Some(this) = self.task_mut(task) else { return };
        if this.is_unread() {
            this.counts.tasks_unread = 0;
            this.inputs = inputs;
            self.counts.tasks_unread -= 1;
        }
    }

    pub(super) fn expanding(&mut self, task: TaskIdx) {
        if let Some(this) = self.task_mut(task)
            && this.inputs == Inputs::Unread
        {
            this.inputs = Inputs::Expanding;
        }
    }

    pub(super) fn end_task(&mut self, task: TaskIdx) {
        let Some(this) = self.task_mut(task) else { return };
        if this.ended.is_some() {
            return;
        }
        if this.is_unread() {
            self.inputs_ended(task, Inputs::Closed);
            self.run.cut_short |= self.run.stopped_by.is_some();
        }
        let this = &mut self.tasks[task.0 as usize];
        let good = this.inputs == Inputs::Read && this.counts.good() == this.counts.total;
        let void = this.is_void();
        this.ended = Some(good);
        self.open_tasks -= 1;
        for dep in self.dependents(task) {
            let down = &mut self.tasks[dep.task.0 as usize];
            down.needs_open -= 1;
            let whole = down.needs_whole(dep.need, dep.each);
            down.needs_left -= u32::from(whole);
            down.needs_unmet += u32::from((whole || void) && !satisfies(dep.when, good));
            self.shift_links(dep, void, false);
            self.settle(dep.task);
        }
    }

    /// A job of an ended task is tried again, or waits again: the task has not ended.
    fn reopen_task(&mut self, task: TaskIdx) {
        let this = &mut self.tasks[task.0 as usize];
        let Some(good) = this.ended.take() else { return };
        let void = this.is_void();
        self.open_tasks += 1;
        for dep in self.dependents(task) {
            let down = &mut self.tasks[dep.task.0 as usize];
            down.needs_open += 1;
            let whole = down.needs_whole(dep.need, dep.each);
            down.needs_left += u32::from(whole);
            down.needs_unmet -= u32::from((whole || void) && !satisfies(dep.when, good));
            self.shift_links(dep, void, true);
            self.settle(dep.task);
        }
    }

    /// Jobs linked to a task that will have no jobs do not wait for them.
    fn shift_links(&mut self, dep: Dependent, void: bool, back: bool) {
        let down = &mut self.tasks[dep.task.0 as usize];
        let Some(map) = down.links[dep.need].as_ref().filter(|_| void) else { return };
        for (job, left) in (0..).zip(&mut down.each_left) {
            let ups = map.n_ups_of(job);
            *left = if back { left.saturating_add(ups) } else { left.saturating_sub(ups) };
        }
        if !back {
            for index in 0..self.tasks[dep.task.0 as usize].each_left.len() as u32 {
                self.release(dep.task, index);
            }
        }
    }

    // ---- jobs

    pub(super) fn job_retrying(&mut self, job: JobNo, ready_at: Mono) {
        let Some((task, index)) = self.task_of(job) else { return };
        let t = task.0 as usize;
        if matches!(self.tasks[t].place(index), Place::Ended(_)) {
            // By hand: the job gets its retries once more.
            self.free_attempts.insert(job, self.attempts(job));
            self.reopen_task(task);
        }
        if ready_at > self.clock {
            self.move_job(task, index, Place::BackingOff);
            self.backoff_ends.insert(job, ready_at);
            self.backoff_queue.insert((ready_at, job));
        } else {
            let place = self.waiting_place(task, index);
            self.move_job(task, index, place);
        }
    }

    pub(super) fn backoff_over(&mut self, job: JobNo) {
        let Some((task, index)) = self.task_of(job) else { return };
        if self.tasks[task.0 as usize].place(index) == Place::BackingOff {
            let place = self.waiting_place(task, index);
            self.move_job(task, index, place);
        }
    }

    pub(super) fn job_ended(&mut self, job: JobNo, outcome: Outcome) {
        let Some((task, index)) = self.task_of(job) else { return };
        self.free_attempts.remove(&job);
        self.paused_jobs.remove(&job);
        self.forget_priority(job);
        self.move_job(task, index, Place::Ended(outcome));
    }

    pub(super) fn rest_ended(&mut self, task: TaskIdx, outcome: Outcome) {
        let Some(this) = self.tasks.get(task.0 as usize) else { return };
        let one_by_one: Vec<u32> = this
            .queued
            .iter()
            .copied()
            .chain(self.backing_off_in(task).map(|job| job.0 - this.first))
            .collect();
        if outcome == Outcome::Cancelled {
            self.run.cut_short |= self.run.stopped_by.is_some();
        }
        for index in one_by_one {
            self.job_ended(self.tasks[task.0 as usize].job(index), outcome);
        }
        let this = &mut self.tasks[task.0 as usize];
        let count = std::mem::take(&mut this.idle);
        if count == 0 {
            return;
        }
        this.rest = Some(outcome);
        *tally(&mut this.counts, outcome) += count;
        *tally(&mut self.counts, outcome) += count;
        self.settle(task);
        self.forget_pauses_of_rest(task);
        self.forget_priorities_of_rest(task);
        for index in self.idle_if_linked_to(task) {
            self.shift_downs(task, index, false);
        }
    }

    pub(super) fn unskipped(&mut self, task: TaskIdx, upstream: TaskIdx, job: Option<JobNo>) {
        let skipped = Outcome::Skipped { upstream };
        let Some(this) = self.task_mut(task) else { return };
        if this.inputs == Inputs::Closed {
            self.reopen_task(task);
            let this = &mut self.tasks[task.0 as usize];
            this.inputs = Inputs::Unread;
            this.counts.tasks_unread = 1;
            self.counts.tasks_unread += 1;
            return;
        }
        let indexes: Vec<u32> = match job {
            Some(job) => self.task_of(job).map(|(_, index)| index).into_iter().collect(),
            None => {
                if this.rest == Some(skipped) {
                    self.unskip_rest(task, skipped);
                }
                (0..self.tasks[task.0 as usize].count()).collect()
            }
        };
        for index in indexes {
            if self.tasks[task.0 as usize].place(index) == Place::Ended(skipped) {
                self.reopen_task(task);
                let place = self.waiting_place(task, index);
                self.move_job(task, index, place);
            }
        }
    }

    fn unskip_rest(&mut self, task: TaskIdx, skipped: Outcome) {
        self.reopen_task(task);
        let idle = self.idle_if_linked_to(task);
        let this = &mut self.tasks[task.0 as usize];
        let count = this.cells.iter().filter(|c| cell::is_idle(**c)).count() as u32;
        this.rest = None;
        this.idle = count;
        this.cursor = this.cells.iter().take_while(|c| !cell::is_idle(**c)).count() as u32;
        *tally(&mut this.counts, skipped) -= count;
        *tally(&mut self.counts, skipped) -= count;
        self.settle(task);
        for index in idle {
            self.shift_downs(task, index, true);
        }
        for index in 0..self.tasks[task.0 as usize].each_left.len() as u32 {
            self.release(task, index);
        }
    }

    /// Positions of idle jobs, when other jobs are linked to them.
    fn idle_if_linked_to(&self, task: TaskIdx) -> Vec<u32> {
        if !self.dependents(task).any(|dep| dep.each) {
            return Vec::new();
        }
        let cells = &self.tasks[task.0 as usize].cells;
        (0..cells.len() as u32).filter(|i| cell::is_idle(cells[*i as usize])).collect()
    }

    fn forget_pauses_of_rest(&mut self, task: TaskIdx) {
        if self.paused_jobs.is_empty() {
            return;
        }
        let tasks = &self.tasks;
        let this = &tasks[task.0 as usize];
        let range = this.first..this.first + this.count();
        self.paused_jobs.retain(|job, _| {
            !(range.contains(&job.0) && matches!(this.place(job.0 - this.first), Place::Ended(_)))
        });
    }

    /// Follows a job one by one from now on, so that the cursor can pass it.
    pub(super) fn track(&mut self, job: JobNo) {
        let Some((task, index)) = self.task_of(job) else { return };
        let this = &self.tasks[task.0 as usize];
        if !this.is_linked() && this.place(index) == Place::Idle {
            self.move_job(task, index, Place::Queued);
        }
    }

    // ---- moves

    /// Where a job that is to run waits: in the queue, or for the jobs it is linked to.
    fn waiting_place(&self, task: TaskIdx, index: u32) -> Place {
        if !self.tasks[task.0 as usize].is_linked()
            || self.each_verdict(task, index) == Verdict::Met
        {
            Place::Queued
        } else {
            Place::Idle
        }
    }

    /// Moves one job and keeps everything that counts it in step.
    pub(super) fn move_job(&mut self, task: TaskIdx, index: u32, to: Place) {
        let t = task.0 as usize;
        let from = self.tasks[t].place(index);
        if self.tasks[t].rest.is_some()
            && (to == Place::Idle || cell::is_idle(self.tasks[t].cells[index as usize]))
        {
            write_rest(&mut self.tasks[t]);
        }
        let this = &mut self.tasks[t];
        let job = this.job(index);
        match from {
            Place::Idle => this.idle -= 1,
            Place::Queued => {
                this.queued.remove(&index);
            }
            Place::BackingOff => {
                this.counts.backing_off -= 1;
                self.counts.backing_off -= 1;
                if let Some(until) = self.backoff_ends.remove(&job) {
                    self.backoff_queue.remove(&(until, job));
                }
            }
            Place::Running => {
                this.counts.running -= 1;
                self.counts.running -= 1;
            }
            Place::Between => {}
            Place::Ended(outcome) => {
                *tally(&mut this.counts, outcome) -= 1;
                *tally(&mut self.counts, outcome) -= 1;
            }
        }
        let attempts = cell::attempts(this.cells[index as usize]);
        this.cells[index as usize] = pack(to, attempts);
        match to {
            Place::Idle => this.idle += 1,
            Place::Queued => {
                this.queued.insert(index);
            }
            Place::BackingOff => {
                this.counts.backing_off += 1;
                self.counts.backing_off += 1;
            }
            Place::Running => {
                this.counts.running += 1;
                self.counts.running += 1;
            }
            Place::Between => {}
            Place::Ended(outcome) => {
                *tally(&mut this.counts, outcome) += 1;
                *tally(&mut self.counts, outcome) += 1;
            }
        }
        while this.cells.get(this.cursor as usize).is_some_and(|c| !cell::is_idle(*c)) {
            this.cursor += 1;
        }
        self.settle(task);
        match (from, to) {
            (Place::Ended(_), Place::Ended(_)) => {}
            (_, Place::Ended(_)) => self.shift_downs(task, index, false),
            (Place::Ended(_), _) => self.shift_downs(task, index, true),
            _ => {}
        }
    }

    /// A job has ended (or, with `back`, has not after all): the jobs linked to it wait for one
    /// job less (or more).
    fn shift_downs(&mut self, task: TaskIdx, index: u32, back: bool) {
        for dep in self.dependents(task).filter(|dep| dep.each) {
            let down = &self.tasks[dep.task.0 as usize];
            let Some(map) = down.links[dep.need].as_ref().filter(|_| down.is_linked()) else {
                continue;
            };
            for d in map.downs_of(index) {
                let down = &mut self.tasks[dep.task.0 as usize];
                let Some(left) = down.each_left.get_mut(d as usize) else { continue };
                if back {
                    *left = left.saturating_add(1);
                    if down.place(d) == Place::Queued {
                        self.move_job(dep.task, d, Place::Idle);
                    }
                } else {
                    *left = left.saturating_sub(1);
                    self.release(dep.task, d);
                }
            }
        }
    }

    /// Queues a linked job when all jobs it needs have ended as needed.
    fn release(&mut self, task: TaskIdx, index: u32) {
        let this = &self.tasks[task.0 as usize];
        if this.each_left[index as usize] == 0
            && this.place(index) == Place::Idle
            && self.each_verdict(task, index) == Verdict::Met
        {
            self.move_job(task, index, Place::Queued);
        }
    }

    /// Brings the numbers of ready and blocked jobs of a task, and its place among the tasks
    /// that can start something, in line with its queues and needs.
    pub(super) fn settle(&mut self, task: TaskIdx) {
        let this = &mut self.tasks[task.0 as usize];
        if this.awaits && this.idle == 0 && this.queued.is_empty() {
            this.awaits = false;
            self.shared.locks.await_no_more(task);
            self.shared.drain();
        }
        let this = &mut self.tasks[task.0 as usize];
        let rules = &self.schedule.tasks[task.0 as usize];
        let pool = &mut self.pools[rules.pool.0 as usize];
        let queued = this.queued.len() as u32;
        let (ready, blocked) = match this.gate() {
            Gate::Open if this.is_linked() => (queued, this.idle),
            Gate::Open => (queued + this.idle, 0),
            _ => (0, queued + this.idle),
        };
        let (old_ready, old_blocked) = (this.counts.ready, this.counts.blocked);
        this.counts.ready = ready;
        this.counts.blocked = blocked;
        self.counts.ready = self.counts.ready - old_ready + ready;
        self.counts.blocked = self.counts.blocked - old_blocked + blocked;
        pool.ready = pool.ready - old_ready + ready;
        pool.blocked = pool.blocked - old_blocked + blocked;
        let listed =
            ready > 0 && this.counts.running < rules.max_parallel.unwrap_or(u32::MAX).max(1);
        if listed != this.listed {
            this.listed = listed;
            let rank = self.web.rank[task.0 as usize];
            if listed {
                pool.startable.insert(rank);
            } else {
                pool.startable.remove(&rank);
            }
        }
    }
}

/// Writes what `rest` says into the cells, so that single jobs can leave it.
fn write_rest(task: &mut Task) {
    let Some(outcome) = task.rest.take() else { return };
    for cell in task.cells.iter_mut().filter(|c| cell::is_idle(**c)) {
        *cell = pack(Place::Ended(outcome), cell::attempts(*cell));
    }
}

/// The counter of an outcome.
pub(super) fn tally(counts: &mut Counts, outcome: Outcome) -> &mut u32 {
    match outcome {
        Outcome::Succeeded => &mut counts.succeeded,
        Outcome::UpToDate => &mut counts.up_to_date,
        Outcome::Failed { .. } => &mut counts.failed,
        Outcome::Signaled { .. } => &mut counts.signaled,
        Outcome::TimedOut => &mut counts.timed_out,
        Outcome::OutOfMemory => &mut counts.out_of_memory,
        Outcome::SpawnFailed => &mut counts.spawn_failed,
        Outcome::Cancelled => &mut counts.cancelled,
        Outcome::Skipped { .. } => &mut counts.skipped,
        Outcome::Lost => &mut counts.lost,
    }
}
