//! The state of a run. [`State::apply`] is the only thing that changes it, and events are all
//! it reads: the fields are visible to this file and its children alone.

mod attempt;
mod cell;
mod check;
mod jobs;
mod pool;
mod priority;
mod read;
mod shared;
mod task;

pub use attempt::{Attempt, AttemptPhase, StopState};
pub use pool::Pool;
pub use read::JobState;
pub(in crate::engine) use read::Verdict;
pub(in crate::engine) use task::Gate;

use super::locks::LockTable;
use crate::model::{
    Counts, Event, JobNo, Mono, Now, Outcome, PauseTarget, Requester, RunOutcome, StopHow,
    StopReason, TaskIdx,
};
use crate::plan::Schedule;
use cell::Place;
use shared::Shared;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use task::{Inputs, Task, Web};

/// Everything that is so in a run, as its events have told.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    schedule: Arc<Schedule>,
    web: Arc<Web>,
    tasks: Vec<Task>,
    pools: Vec<Pool>,
    /// Tasks with jobs, in the order in which they joined.
    joined: Vec<TaskIdx>,
    counts: Counts,
    running: BTreeMap<JobNo, Attempt>,
    backoff_ends: BTreeMap<JobNo, Mono>,
    backoff_queue: BTreeSet<(Mono, JobNo)>,
    /// Attempts of a job that do not count against its retries.
    free_attempts: BTreeMap<JobNo, u32>,
    paused_jobs: BTreeMap<JobNo, Requester>,
    /// Jobs that were moved in the queue, and the priority they got.
    priorities: BTreeMap<JobNo, i32>,
    run: Run,
    shared: Shared,
    /// Tasks that have not ended.
    open_tasks: u32,
    /// The latest time that any event named.
    clock: Mono,
}

/// The run as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
struct Run {
    started: Option<Now>,
    paused: Option<(Requester, Mono)>,
    paused_before: Duration,
    ending: Option<Ending>,
    /// The person or signal that last asked for the end of the run.
    stopped_by: Option<Requester>,
    /// That request kept some job from running to its end.
    cut_short: bool,
    ended: Option<RunEnd>,
}

/// How the run is being brought to its end, and at whose request.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    pub how: StopHow,
    pub by: Requester,
    pub why: String,
}

/// How the run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunEnd {
    pub outcome: RunOutcome,
    pub exit_code: i32,
    pub at: Now,
}

impl State {
    /// The state of a run before its first event.
    pub fn new(schedule: Arc<Schedule>) -> State {
        let mut state = State {
            web: Arc::new(Web::new(&schedule)),
            tasks: vec![Task::default(); schedule.tasks.len()],
            pools: schedule
                .pools
                .iter()
                .map(|pool| Pool { size: pool.start, ..Pool::default() })
                .collect(),
            joined: Vec::new(),
            counts: Counts { tasks_unread: schedule.tasks.len() as u32, ..Counts::default() },
            running: BTreeMap::new(),
            backoff_ends: BTreeMap::new(),
            backoff_queue: BTreeSet::new(),
            free_attempts: BTreeMap::new(),
            paused_jobs: BTreeMap::new(),
            priorities: BTreeMap::new(),
            run: Run::default(),
            shared: Shared::new(LockTable::new(&schedule.shared)),
            open_tasks: schedule.tasks.len() as u32,
            clock: Mono::default(),
            schedule,
        };
        for (task, rules) in state.tasks.iter_mut().zip(&state.schedule.tasks) {
            task.counts.tasks_unread = 1;
            task.links = vec![None; rules.needs.len()];
            task.needs_open = rules.needs.len() as u32;
            task.needs_left = rules.needs.iter().filter(|need| !need.each).count() as u32;
        }
        state
    }

    /// Takes in one fact.
    ///
    /// Facts about tasks, jobs or attempts that do not exist change nothing.
    pub fn apply(&mut self, event: &Event) {
        self.see_time(event);
        match event {
            Event::RunStarted { at } => self.run.started = Some(*at),
            Event::Linked { task, upstream, map } => self.linked(*task, *upstream, map),
            Event::JobsAdded { task, first, count } => self.jobs_added(*task, *first, *count),
            Event::InputsFailed { task, error } => {
                self.inputs_ended(*task, Inputs::Failed { error: error.clone() });
            }
            Event::Expanding { task } => self.expanding(*task),
            Event::TaskEnded { task } => self.end_task(*task),
            Event::AttemptLaunched { .. }
            | Event::AttemptStarted { .. }
            | Event::AttemptStopping { .. }
            | Event::LeaderEnded { .. }
            | Event::AttemptQuiet { .. }
            | Event::AttemptEnded { .. } => self.apply_to_attempt(event),
            Event::JobRetrying { job, ready_at, by: _ } => self.job_retrying(*job, *ready_at),
            Event::BackoffOver { job } => self.backoff_over(*job),
            Event::Unskipped { task, upstream, job, count: _ } => {
                self.unskipped(*task, *upstream, *job);
            }
            Event::JobEnded { job, outcome, .. } => self.job_ended(*job, *outcome),
            Event::RestEnded { task, outcome, .. } => self.rest_ended(*task, *outcome),
            Event::Scaled { pool, to, .. } => {
                if let Some(pool) = self.pools.get_mut(pool.0 as usize) {
                    pool.size = *to;
                }
            }
            Event::Paused { target, by, .. } => self.paused(*target, by),
            Event::Resumed { target, .. } => self.resumed(*target),
            Event::Prioritized { job, to, .. } => self.prioritized(*job, *to),
            Event::Signalled { .. } | Event::LockNoticed { .. } => {}
            Event::LocksAwaited { .. }
            | Event::LocksFree { .. }
            | Event::Shared { .. }
            | Event::DeadlockFound { .. }
            | Event::DeadlockGone { .. }
            | Event::StuckFound { .. }
            | Event::StuckGone { .. } => self.apply_shared(event),
            Event::RunStopping { how, by, why } => {
                if *by != Requester::Rule {
                    self.run.stopped_by = Some(by.clone());
                }
                self.run.ending = Some(Ending { how: *how, by: by.clone(), why: why.clone() });
            }
            Event::RunEnded { outcome, exit_code, at } => {
                self.run.ended = Some(RunEnd { outcome: *outcome, exit_code: *exit_code, at: *at });
            }
        }
    }

    fn see_time(&mut self, event: &Event) {
        if let Event::RunStarted { at }
        | Event::AttemptLaunched { at, .. }
        | Event::AttemptStarted { at, .. }
        | Event::LeaderEnded { at, .. }
        | Event::AttemptEnded { at, .. }
        | Event::JobEnded { at, .. }
        | Event::RestEnded { at, .. }
        | Event::Paused { at, .. }
        | Event::Resumed { at, .. }
        | Event::LocksAwaited { at, .. }
        | Event::RunEnded { at, .. } = event
        {
            self.clock = self.clock.max(at.mono);
        }
    }

    fn apply_to_attempt(&mut self, event: &Event) {
        match event {
            Event::AttemptLaunched { attempt, task, slot, weight, at } => {
                let Some((_, index)) = self.task_of(attempt.job) else { return };
                self.take_locks(*task, *attempt, at.mono);
                self.attempt_launched(Attempt {
                    id: *attempt,
                    task: *task,
                    index,
                    slot: *slot,
                    weight: *weight,
                    launched: at.mono,
                    phase: AttemptPhase::Launching,
                    stopping: None,
                    quiet_since: None,
                    frozen_since: None,
                    frozen_before: Duration::ZERO,
                });
            }
            Event::AttemptEnded { attempt, outcome, reason, at, .. }
                if self.attempt(attempt.job).is_some_and(|a| a.id == *attempt) =>
            {
                self.attempt_ended(attempt.job, *outcome, *reason);
                self.give_locks_back(*attempt, outcome.is_success(), at.mono);
            }
            Event::AttemptStarted { attempt, .. }
            | Event::AttemptStopping { attempt, .. }
            | Event::LeaderEnded { attempt, .. }
            | Event::AttemptQuiet { attempt, .. } => {
                if let Some(running) = self.running.get_mut(&attempt.job)
                    && running.id == *attempt
                {
                    change_attempt(running, event, self.run.stopped_by.is_some());
                    self.refreeze(attempt.job);
                }
            }
            _ => {}
        }
    }

    fn attempt_ended(&mut self, job: JobNo, outcome: Outcome, reason: Option<StopReason>) {
        let Some(attempt) = self.running.remove(&job) else { return };
        let pool = &mut self.pools[attempt.slot.pool.0 as usize];
        pool.running -= 1;
        pool.weight_used -= attempt.weight;
        pool.give_slot(attempt.slot.n);
        if outcome == Outcome::Cancelled {
            // An attempt that had to make room has not failed: it is as if it had not been.
            if reason == Some(StopReason::Shrink) {
                *self.free_attempts.entry(job).or_default() += 1;
            }
            let by_stop = match reason {
                Some(StopReason::RunStop | StopReason::Shrink) => self.run.stopped_by.is_some(),
                // Whoever drains a run and then kills what still runs has ended it by hand.
                Some(StopReason::Kill) => attempt.stopping.is_some_and(|s| s.after_run_stop),
                _ => false,
            };
            self.run.cut_short |= by_stop;
        }
        self.move_job(attempt.task, attempt.index, Place::Between);
    }

    fn attempt_launched(&mut self, attempt: Attempt) {
        let job = attempt.id.job;
        let pool = &mut self.pools[attempt.slot.pool.0 as usize];
        pool.running += 1;
        pool.weight_used += attempt.weight;
        pool.take_slot(attempt.slot.n);
        self.move_job(attempt.task, attempt.index, Place::Running);
        let task = &mut self.tasks[attempt.task.0 as usize];
        task.cells[attempt.index as usize] = cell::pack(Place::Running, attempt.id.n);
        if attempt.id.n > 1 {
            task.counts.retries += 1;
            self.counts.retries += 1;
        }
        self.running.insert(job, attempt);
    }

    fn paused(&mut self, target: PauseTarget, by: &Requester) {
        match target {
            PauseTarget::Run => self.run.paused = Some((by.clone(), self.clock)),
            PauseTarget::Pool(pool) => {
                if let Some(pool) = self.pools.get_mut(pool.0 as usize) {
                    pool.paused = Some(by.clone());
                }
            }
            PauseTarget::Job(job) => {
                self.paused_jobs.insert(job, by.clone());
                self.track(job);
            }
        }
        self.refreeze_all();
    }

    fn resumed(&mut self, target: PauseTarget) {
        match target {
            PauseTarget::Run => {
                if let Some((_, since)) = self.run.paused.take() {
                    self.run.paused_before += self.clock.since(since);
                }
            }
            PauseTarget::Pool(pool) => {
                if let Some(pool) = self.pools.get_mut(pool.0 as usize) {
                    pool.paused = None;
                }
            }
            PauseTarget::Job(job) => {
                self.paused_jobs.remove(&job);
            }
        }
        self.refreeze_all();
    }

    fn refreeze_all(&mut self) {
        let jobs: Vec<JobNo> = self.running.keys().copied().collect();
        for job in jobs {
            self.refreeze(job);
        }
    }

    /// An attempt stands still while any pause covers it, from its start until it is stopped.
    fn refreeze(&mut self, job: JobNo) {
        let Some(attempt) = self.running.get_mut(&job) else { return };
        let covered = self.run.paused.is_some()
            || self.pools[attempt.slot.pool.0 as usize].paused.is_some()
            || self.paused_jobs.contains_key(&job);
        let can_run = matches!(attempt.phase, AttemptPhase::Running { .. });
        let frozen = covered && can_run && attempt.stopping.is_none();
        match attempt.frozen_since {
            None if frozen => attempt.frozen_since = Some(self.clock),
            Some(since) if !frozen => {
                attempt.frozen_before += self.clock.since(since);
                attempt.frozen_since = None;
            }
            _ => {}
        }
    }
}

fn change_attempt(attempt: &mut Attempt, event: &Event, run_stops: bool) {
    match event {
        Event::AttemptStarted { proc, at, .. } => {
            attempt.phase = AttemptPhase::Running { proc: *proc, since: at.mono };
        }
        Event::AttemptStopping { reason, kill_at, by, .. } => {
            let (reason, kill_at, by) = (*reason, *kill_at, by.clone());
            // A second request for the same reason only makes haste.
            let before = attempt.stopping.as_ref().filter(|stop| stop.reason == reason);
            let after_run_stop = before.map_or(run_stops, |stop| stop.after_run_stop);
            attempt.stopping = Some(StopState { reason, kill_at, by, after_run_stop });
        }
        Event::LeaderEnded { exit, usage, oom_killed, .. } => {
            attempt.phase = AttemptPhase::LeaderEnded {
                proc: attempt.proc(),
                since: attempt.since(),
                exit: *exit,
                usage: *usage,
                oom_killed: *oom_killed,
                reason: attempt.stopping.as_ref().map(|stop| stop.reason),
            };
        }
        Event::AttemptQuiet { quiet, since, .. } => attempt.quiet_since = quiet.then_some(*since),
        _ => {}
    }
}
