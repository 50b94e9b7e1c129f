//! Questions to the state.

use super::cell::{self, Place};
use super::task::{Inputs, Task, satisfies};
use super::{Attempt, Ending, Gate, Pool, RunEnd, State};
use crate::model::{
    AttemptId, Counts, JobNo, Mono, Now, Outcome, PoolIdx, Requester, RunState, TaskIdx,
};
use crate::plan::{Need, NeedWhen, Schedule, TaskRules};
use std::time::Duration;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits for jobs that it needs.
    Blocked,
    /// In the queue of its pool.
    Ready,
    /// Waits for its next attempt.
    BackingOff {
        until: Mono,
    },
    Running {
        attempt: AttemptId,
    },
    Ended {
        outcome: Outcome,
    },
}

/// Whether the jobs that a job is linked to let it start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Verdict {
    Met,
    /// This many have not ended.
    Waiting(u32),
    /// A job of this task did not end as needed.
    Doomed(TaskIdx),
}

impl State {
    /// The rules that the run follows.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Jobs of the run by where they are.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Jobs of a task by where they are; `tasks_unread` is 1 while its inputs are not read.
    pub fn task_counts(&self, task: TaskIdx) -> &Counts {
        &self.task(task).counts
    }

    /// Whether the inputs of a task are not read yet, so that its number of jobs is unknown.
    pub fn task_unread(&self, task: TaskIdx) -> bool {
        self.task(task).is_unread()
    }

    /// Whether the task has ended: `Some(true)` when all of its jobs succeeded.
    pub fn task_ended(&self, task: TaskIdx) -> Option<bool> {
        self.task(task).ended
    }

    /// Why the inputs of a task could not be read, if so.
    pub fn inputs_error(&self, task: TaskIdx) -> Option<&str> {
        match &self.task(task).inputs {
            Inputs::Failed { error } => Some(error),
            _ => None,
        }
    }

    /// Pools by [`PoolIdx`].
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    pub fn pool(&self, pool: PoolIdx) -> &Pool {
        &self.pools[pool.0 as usize]
    }

    /// Running attempts by the number of their job.
    pub fn attempts_running(&self) -> impl ExactSizeIterator<Item = &Attempt> {
        self.running.values()
    }

    /// The running attempt of a job, if there is one.
    pub fn attempt(&self, job: JobNo) -> Option<&Attempt> {
        self.running.get(&job)
    }

    /// Where the run stands.
    pub fn run_state(&self) -> RunState {
        match (&self.run.ended, &self.run.ending, &self.run.paused) {
            (Some(end), _, _) => RunState::Ended { outcome: end.outcome, exit_code: end.exit_code },
            (_, Some(ending), _) => RunState::Ending(ending.how),
            (_, _, Some(_)) => RunState::Paused,
            _ => RunState::Running,
        }
    }

    /// When the run started.
    pub fn started(&self) -> Option<Now> {
        self.run.started
    }

    /// How the run ended, once it has.
    pub fn ended(&self) -> Option<RunEnd> {
        self.run.ended
    }

    /// How, at whose request and why the run is being brought to its end.
    pub fn ending(&self) -> Option<&Ending> {
        self.run.ending.as_ref()
    }

    /// Who paused the run as a whole, if somebody did.
    pub fn run_paused(&self) -> Option<&Requester> {
        self.run.paused.as_ref().map(|(by, _)| by)
    }

    /// Who paused this job itself, if somebody did.
    pub fn job_paused(&self, job: JobNo) -> Option<&Requester> {
        self.paused_jobs.get(&job)
    }

    /// Time since the start of the run, until its end.
    pub fn elapsed(&self, now: Mono) -> Duration {
        let Some(started) = self.run.started else { return Duration::ZERO };
        self.end_or(now).since(started.mono)
    }

    /// The same without pauses of the whole run.
    pub fn worked(&self, now: Mono) -> Duration {
        let end = self.end_or(now);
        let pause = self.run.paused.as_ref().map_or(Duration::ZERO, |(_, at)| end.since(*at));
        self.elapsed(now).saturating_sub(self.run.paused_before + pause)
    }

    fn end_or(&self, now: Mono) -> Mono {
        self.run.ended.map_or(now, |end| end.at.mono)
    }

    /// Which task and which position in it (from 0) a job number belongs to.
    pub fn task_of(&self, job: JobNo) -> Option<(TaskIdx, u32)> {
        let after = self.joined.partition_point(|task| self.task(*task).first <= job.0);
        let task = *self.joined.get(after.checked_sub(1)?)?;
        let index = job.0 - self.task(task).first;
        (index < self.task(task).count()).then_some((task, index))
    }

    /// The number of a task's job at a position (from 0).
    pub fn job_of(&self, task: TaskIdx, index: u32) -> Option<JobNo> {
        let this = self.tasks.get(task.0 as usize)?;
        (index < this.count()).then(|| this.job(index))
    }

    /// Where a job stands; `None` when there is no such job.
    pub fn job_state(&self, job: JobNo) -> Option<JobState> {
        let (task, index) = self.task_of(job)?;
        let this = self.task(task);
        let gate_open = this.gate() == Gate::Open;
        Some(match this.place(index) {
            Place::Idle if gate_open && !this.is_linked() => JobState::Ready,
            Place::Queued if gate_open => JobState::Ready,
            Place::Idle | Place::Queued => JobState::Blocked,
            Place::BackingOff => JobState::BackingOff {
                until: self.backoff_ends.get(&job).copied().unwrap_or_default(),
            },
            // Between an attempt's end and the event that says what follows from it.
            Place::Between => JobState::Ready,
            Place::Running => JobState::Running {
                attempt: AttemptId { job, n: cell::attempts(this.cells[index as usize]) },
            },
            Place::Ended(outcome) => JobState::Ended { outcome },
        })
    }

    /// How many attempts of a job have begun.
    pub fn attempts(&self, job: JobNo) -> u32 {
        self.task_of(job).map_or(0, |(task, i)| cell::attempts(self.task(task).cells[i as usize]))
    }

    /// How a person would name a job: `resize:3`, or `prepare` when it is the only one.
    pub fn job_name(&self, job: JobNo) -> String {
        match self.task_of(job) {
            None => job.to_string(),
            Some((task, _)) if self.task(task).count() == 1 => {
                format!("`{}` ({job})", self.rules(task).name)
            }
            Some((task, index)) => {
                format!("`{}:{}` ({job})", self.rules(task).name, index + 1)
            }
        }
    }
}

/// What only the engine asks.
impl State {
    pub(super) fn task(&self, task: TaskIdx) -> &Task {
        &self.tasks[task.0 as usize]
    }

    pub(in crate::engine) fn rules(&self, task: TaskIdx) -> &TaskRules {
        &self.schedule.tasks[task.0 as usize]
    }

    pub(in crate::engine) fn gate(&self, task: TaskIdx) -> Gate {
        self.task(task).gate()
    }

    pub(in crate::engine) fn is_linked(&self, task: TaskIdx) -> bool {
        self.task(task).is_linked()
    }

    pub(in crate::engine) fn is_read(&self, task: TaskIdx) -> bool {
        self.task(task).inputs == Inputs::Read
    }

    pub(in crate::engine) fn is_void(&self, task: TaskIdx) -> bool {
        self.task(task).is_void()
    }

    pub(in crate::engine) fn is_closed(&self, task: TaskIdx) -> bool {
        self.task(task).inputs == Inputs::Closed
    }

    pub(in crate::engine) fn is_expanding(&self, task: TaskIdx) -> bool {
        self.task(task).inputs == Inputs::Expanding
    }

    /// Whether all needed tasks have ended, the ones linked job to job included.
    pub(in crate::engine) fn all_needs_ended(&self, task: TaskIdx) -> bool {
        self.task(task).needs_open == 0
    }

    pub(in crate::engine) fn link(
        &self,
        task: TaskIdx,
        need: usize,
    ) -> Option<&crate::plan::EachMap> {
        self.task(task).links.get(need)?.as_ref()
    }

    /// Tasks that need this one, each with the position of the need in its `needs`.
    pub(in crate::engine) fn dependents_of(&self, task: TaskIdx) -> Vec<(TaskIdx, usize)> {
        self.web.dependents[task.0 as usize].iter().map(|dep| (dep.task, dep.need)).collect()
    }

    /// Jobs of a task that have not started, or wait to start again.
    pub(in crate::engine) fn waiting(&self, task: TaskIdx) -> u32 {
        self.task(task).counts.waiting()
    }

    /// Jobs of a task that wait for jobs they are linked to.
    pub(in crate::engine) fn idle_jobs(&self, task: TaskIdx) -> impl Iterator<Item = u32> {
        let this = self.task(task);
        (0..this.count()).filter(|i| this.place(*i) == Place::Idle)
    }

    pub(in crate::engine) fn is_idle(&self, task: TaskIdx, index: u32) -> bool {
        let this = self.task(task);
        index < this.count() && this.place(index) == Place::Idle
    }

    /// Whether nothing but idle jobs waits in a task.
    pub(in crate::engine) fn only_idle_wait(&self, task: TaskIdx) -> bool {
        self.task(task).idle == self.waiting(task)
    }

    pub(in crate::engine) fn open_tasks(&self) -> u32 {
        self.open_tasks
    }

    pub(in crate::engine) fn clock(&self) -> Mono {
        self.clock
    }

    pub(in crate::engine) fn next_backoff(&self) -> Option<(Mono, JobNo)> {
        self.backoff_queue.first().copied()
    }

    pub(super) fn backing_off_in(&self, task: TaskIdx) -> impl Iterator<Item = JobNo> {
        let this = self.task(task);
        let range = JobNo(this.first)..JobNo(this.first + this.count());
        self.backoff_ends.range(range).map(|(job, _)| *job)
    }

    /// Attempts of a job that count against its retries.
    pub(in crate::engine) fn attempts_counted(&self, job: JobNo) -> u32 {
        let free = self.free_attempts.get(&job).copied().unwrap_or_default();
        self.attempts(job).saturating_sub(free)
    }

    /// The person or signal that asked for the end of the run and thereby kept some job from
    /// running to its end.
    pub(in crate::engine) fn cut_short_by(&self) -> Option<&Requester> {
        self.run.stopped_by.as_ref().filter(|_| self.run.cut_short)
    }

    pub(in crate::engine) fn any_inputs_failed(&self) -> bool {
        self.tasks.iter().any(|task| matches!(task.inputs, Inputs::Failed { .. }))
    }

    /// Tasks of a pool that have something to start, in the order of starting.
    pub(in crate::engine) fn startable(&self, pool: PoolIdx) -> impl Iterator<Item = TaskIdx> {
        self.pool(pool).startable.iter().map(|rank| self.web.by_rank[*rank as usize])
    }

    /// The first job of a task that is in the queue, not paused itself and not moved by hand.
    pub(in crate::engine) fn next_ready(&self, task: TaskIdx) -> Option<u32> {
        let this = self.task(task);
        let fresh = (this.idle > 0 && !this.is_linked()).then_some(this.cursor);
        let again = this.queued.iter().copied().find(|i| {
            let job = this.job(*i);
            !self.paused_jobs.contains_key(&job) && !self.priorities.contains_key(&job)
        });
        [fresh, again].into_iter().flatten().min()
    }

    /// How many ready jobs of its own task come before a job.
    pub(in crate::engine) fn ready_before(&self, task: TaskIdx, index: u32) -> u32 {
        let this = self.task(task);
        let queued = this.queued.range(..index).count() as u32;
        if this.is_linked() || this.rest.is_some() || this.cursor >= index {
            return queued;
        }
        let fresh = &this.cells[this.cursor as usize..index as usize];
        queued + fresh.iter().filter(|c| cell::is_idle(**c)).count() as u32
    }

    /// Looks at every job that a job is linked to.
    pub(in crate::engine) fn each_verdict(&self, task: TaskIdx, index: u32) -> Verdict {
        let mut waiting = 0;
        for (need, map) in self.rules(task).needs.iter().zip(&self.task(task).links) {
            let Some(map) = map else { continue };
            let up = self.task(need.task);
            if up.is_void() {
                if !satisfies(need.when, false) {
                    return Verdict::Doomed(need.task);
                }
                continue;
            }
            let (mut open, mut bad) = (0, 0);
            for i in map.ups_of(index) {
                match (i < up.count()).then(|| up.place(i)) {
                    Some(Place::Ended(outcome)) => bad += u32::from(!outcome.is_success()),
                    _ => open += 1,
                }
            }
            waiting += open;
            let doomed = match need.when {
                NeedWhen::Succeeded => bad > 0,
                NeedWhen::Failed => open == 0 && bad == 0,
                NeedWhen::Always => false,
            };
            if doomed {
                return Verdict::Doomed(need.task);
            }
        }
        if waiting == 0 { Verdict::Met } else { Verdict::Waiting(waiting) }
    }

    /// A needed task that did not end as needed.
    pub(in crate::engine) fn unmet_need(&self, task: TaskIdx) -> Option<TaskIdx> {
        let this = self.task(task);
        self.rules(task).needs.iter().enumerate().find_map(|(position, need)| {
            let up = self.task(need.task);
            let counts = this.needs_whole(position, need.each) || up.is_void();
            let unmet = up.ended.is_some_and(|good| !satisfies(need.when, good));
            (counts && unmet).then_some(need.task)
        })
    }

    /// Needed tasks that have not ended, those linked job to job left out.
    pub(in crate::engine) fn open_needs(&self, task: TaskIdx) -> impl Iterator<Item = TaskIdx> {
        let this = self.task(task);
        let whole = move |(i, need): &(usize, &Need)| this.needs_whole(*i, need.each);
        self.rules(task)
            .needs
            .iter()
            .enumerate()
            .filter(whole)
            .map(|(_, need)| need.task)
            .filter(|up| self.task(*up).ended.is_none())
    }
}
