//! What must hold in every run, checked from outside: the watch believes nothing but events,
//! effects and the schedule, and keeps books of its own.

use crate::engine::state::JobState;
use crate::engine::{Effect, Engine, Input, State, Step};
use crate::model::each::EachMap;
use crate::model::locks::{LockChange, Name, Op};
use crate::model::{
    Asked, AttemptId, Command, Event, JobNo, Mono, Now, Outcome, PauseTarget, PoolIdx, Requester,
    RunOutcome, Slot, StopReason, TaskIdx,
};
use crate::plan::{Declared, NeedWhen, QuietAction, Schedule};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

struct SeenAttempt {
    task: TaskIdx,
    slot: Slot,
    weight: u32,
    launch_ordered: bool,
    started: bool,
    leader_ended: bool,
    frozen: bool,
    killed: bool,
    stop: Option<(StopReason, Mono)>,
}

struct SeenJob {
    task: TaskIdx,
    index: u32,
    attempts: u32,
    free: u32,
    outcome: Option<Outcome>,
    last_reason: Option<StopReason>,
}

/// The books of one run.
pub(super) struct Watch {
    schedule: Arc<Schedule>,
    replay: State,
    running: BTreeMap<AttemptId, SeenAttempt>,
    begun: BTreeSet<AttemptId>,
    jobs: BTreeMap<JobNo, SeenJob>,
    /// First job and number of jobs, once known; `None` inside: closed without jobs.
    tasks: BTreeMap<TaskIdx, Option<(u32, u32)>>,
    links: Vec<(TaskIdx, TaskIdx, EachMap)>,
    sizes: Vec<u32>,
    /// Semaphores that were resized.
    permits: BTreeMap<Name, u32>,
    run_paused: bool,
    pools_paused: BTreeSet<PoolIdx>,
    jobs_paused: BTreeSet<JobNo>,
    priorities: BTreeMap<JobNo, i32>,
    ending: bool,
    ended: bool,
    inputs_failed: bool,
    /// Every event so far, for a replay from its written form.
    pub(super) events: Vec<Event>,
}

type Check = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            return Err(format!($($words)*));
        }
    };
}

impl Watch {
    pub(super) fn new(schedule: &Schedule) -> Watch {
        let schedule = Arc::new(schedule.clone());
        Watch {
            replay: State::new(Arc::clone(&schedule)),
            sizes: schedule.pools.iter().map(|p| p.start).collect(),
            permits: BTreeMap::new(),
            schedule,
            running: BTreeMap::new(),
            begun: BTreeSet::new(),
            jobs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            links: Vec::new(),
            run_paused: false,
            pools_paused: BTreeSet::new(),
            jobs_paused: BTreeSet::new(),
            priorities: BTreeMap::new(),
            ending: false,
            ended: false,
            inputs_failed: false,
            events: Vec::new(),
        }
    }

    /// Takes in one step of the engine.
    pub(super) fn step(&mut self, now: Now, input: &Input, step: &Step, engine: &Engine) -> Check {
        for event in &step.events {
            self.event(event, input).map_err(|e| format!("{e}\n  at event {event:?}"))?;
            self.replay.apply(event);
            self.events.push(event.clone());
        }
        let many = |asked: &Asked| matches!(asked.command, Command::Many { .. });
        let bundled = matches!(input, Input::Asked(asked) if many(asked));
        for effect in &step.effects {
            self.effect(effect, bundled).map_err(|e| format!("{e}\n  at effect {effect:?}"))?;
        }
        let asked = matches!(input, Input::Asked(_));
        ensure!(asked == step.answer.is_some(), "an answer to {input:?}: {:?}", step.answer);
        // The engine of a planted bug may follow another schedule: compare states by questions.
        self.same_state(engine.state())?;
        engine.state().check()?;
        self.after(now, engine)
    }

    fn same_state(&self, state: &State) -> Check {
        let sound = state.schedule() == &*self.schedule;
        ensure!(!sound || &self.replay == state, "replay gives another state");
        Ok(())
    }

    /// Writes all events down, reads them back and replays them.
    pub(super) fn replay_from_json(&self) -> Check {
        let mut replay = State::new(Arc::clone(&self.schedule));
        for event in &self.events {
            let text = serde_json::to_string(event).map_err(|e| e.to_string())?;
            replay.apply(&serde_json::from_str(&text).map_err(|e| format!("{e} in {text}"))?);
        }
        ensure!(replay == self.replay, "replay from JSON gives another state");
        Ok(())
    }

    // ---- events

    fn event(&mut self, event: &Event, input: &Input) -> Check {
        ensure!(!self.ended, "an event after the end of the run");
        match event {
            Event::Linked { task, upstream, map } => {
                self.links.push((*task, *upstream, map.clone()));
            }
            Event::JobsAdded { task, first, count } => self.jobs_added(*task, *first, *count)?,
            Event::InputsFailed { task, .. } => {
                self.inputs_failed = true;
                ensure!(self.tasks.insert(*task, None).is_none(), "inputs ended twice");
            }
            Event::TaskEnded { task } => {
                self.tasks.entry(*task).or_insert(None);
                ensure!(self.task_good(*task).is_some(), "a task ended with jobs left");
            }
            Event::AttemptLaunched { .. } => self.launched(event)?,
            Event::AttemptStarted { attempt, .. } => self.running(*attempt)?.started = true,
            Event::AttemptStopping { attempt, reason, kill_at, .. } => {
                let seen = self.running(*attempt)?;
                if let Some((old_reason, old_kill)) = seen.stop {
                    ensure!(*reason >= old_reason, "less urgent than {old_reason:?}");
                    ensure!(*kill_at <= old_kill, "KILL moved away");
                }
                seen.stop = Some((*reason, *kill_at));
            }
            Event::LeaderEnded { attempt, .. } => {
                let seen = self.running(*attempt)?;
                ensure!(!seen.leader_ended, "its leader ended twice");
                (seen.leader_ended, seen.frozen) = (true, false);
            }
            Event::AttemptQuiet { attempt, .. } | Event::Signalled { attempt, .. } => {
                self.running(*attempt)?;
            }
            Event::AttemptEnded { attempt, outcome, reason, .. } => {
                self.running(*attempt)?;
                self.running.remove(attempt);
                let job = self.job(attempt.job)?;
                job.last_reason = *reason;
                if *outcome == Outcome::Cancelled && *reason == Some(StopReason::Shrink) {
                    job.free += 1;
                }
            }
            Event::JobRetrying { job, by, .. } => self.retrying(*job, by)?,
            Event::BackoffOver { job } => {
                self.job(*job)?;
            }
            Event::Unskipped { task, upstream, job, count } => {
                self.unskipped(*task, *upstream, *job, *count)?;
            }
            Event::JobEnded { job, outcome, attempts, .. } => {
                self.job_ended(*job, *outcome, *attempts, input)?;
            }
            Event::RestEnded { task, outcome, count, .. } => {
                let n = self.rest_ended(*task, *outcome)?;
                ensure!(n == *count, "{n} jobs were waiting");
            }
            Event::Scaled { pool, from, to, .. } => {
                let size = &mut self.sizes[pool.0 as usize];
                ensure!(from == size, "it had {size}");
                *size = *to;
            }
            Event::Paused { target, .. } => self.pause(*target, true),
            Event::Resumed { target, .. } => self.pause(*target, false),
            Event::RunStopping { .. } => self.ending = true,
            Event::RunEnded { outcome, exit_code, .. } => {
                self.run_ended(*outcome, *exit_code)?;
            }
            Event::Prioritized { job, from, to, .. } => self.prioritized(*job, *from, *to)?,
            Event::Shared { change, .. } => {
                if let LockChange::Asked { op: Op::SemaphoreResize { name, max }, .. } = &**change {
                    self.permits.insert(name.clone(), *max);
                }
            }
            Event::RunStarted { .. }
            | Event::Expanding { .. }
            | Event::LocksAwaited { .. }
            | Event::LocksFree { .. }
            | Event::LockNoticed { .. }
            | Event::DeadlockFound { .. }
            | Event::DeadlockGone { .. }
            | Event::StuckFound { .. }
            | Event::StuckGone { .. } => {}
        }
        Ok(())
    }

    fn running(&mut self, id: AttemptId) -> Result<&mut SeenAttempt, String> {
        self.running.get_mut(&id).ok_or_else(|| format!("{id} is not running"))
    }

    fn job(&mut self, job: JobNo) -> Result<&mut SeenJob, String> {
        self.jobs.get_mut(&job).ok_or_else(|| format!("there is no job {job}"))
    }

    fn jobs_added(&mut self, task: TaskIdx, first: JobNo, count: u32) -> Check {
        ensure!(self.tasks.insert(task, Some((first.0, count))).is_none(), "jobs came twice");
        for index in 0..count {
            let job = JobNo(first.0 + index);
            let (attempts, free, outcome, last_reason) = (0, 0, None, None);
            let seen = SeenJob { task, index, attempts, free, outcome, last_reason };
            ensure!(self.jobs.insert(job, seen).is_none(), "number {job} is taken");
        }
        Ok(())
    }

    fn launched(&mut self, event: &Event) -> Check {
        let Event::AttemptLaunched { attempt, task, slot, weight, .. } = event else {
            return Ok(());
        };
        ensure!(self.begun.insert(*attempt), "{attempt} begins twice");
        ensure!(!self.ending, "something starts although the run is ending");
        self.check_order(attempt.job)?;
        let job = self.job(attempt.job)?;
        job.attempts += 1;
        ensure!(job.attempts == attempt.n && job.task == *task, "{attempt} is out of turn");
        ensure!(job.outcome.is_none(), "its job has ended");
        let one_at_a_time = self.running.keys().all(|a| a.job != attempt.job);
        ensure!(one_at_a_time, "two attempts of one job at a time");
        self.check_needs(attempt.job)?;
        self.check_room(*task, *slot, *weight)?;
        ensure!(!self.is_paused(attempt.job, slot.pool), "it is paused");
        self.check_takes(*task)?;
        let seen = SeenAttempt {
            task: *task,
            slot: *slot,
            weight: *weight,
            launch_ordered: false,
            started: false,
            leader_ended: false,
            frozen: false,
            killed: false,
            stop: None,
        };
        self.running.insert(*attempt, seen);
        Ok(())
    }

    /// Attempts that run at the same time do not take the same, unless they share it.
    fn check_takes(&self, task: TaskIdx) -> Check {
        let takes = |task: TaskIdx| &self.schedule.tasks[task.0 as usize].takes;
        for other in self.running.values().map(|attempt| takes(attempt.task)) {
            for (name, shared) in &takes(task).locks {
                let clash = other.locks.iter().any(|(n, s)| n == name && !(*s && *shared));
                ensure!(!clash, "another attempt has the lock {name}");
            }
        }
        for (name, n) in &takes(task).uses {
            let max = self.schedule.shared.declared.iter().find(|(known, _)| known == name);
            let Some((_, Declared::Semaphore { max })) = max else { continue };
            let used = self.running.values().flat_map(|attempt| &takes(attempt.task).uses);
            let used: u32 = used.filter(|(other, _)| other == name).map(|(_, n)| *n).sum();
            let max = self.permits.get(name).unwrap_or(max);
            ensure!(used + n <= *max, "{used} of {max} permits of {name} were taken");
        }
        Ok(())
    }

    fn check_room(&self, task: TaskIdx, slot: Slot, weight: u32) -> Check {
        let rules = &self.schedule.tasks[task.0 as usize];
        let size = self.sizes[slot.pool.0 as usize];
        let here = || self.running.values().filter(|a| a.slot.pool == slot.pool);
        let used: u32 = here().map(|a| a.weight).sum();
        ensure!(slot.pool == rules.pool, "it starts in another pool");
        ensure!(weight == rules.weight.min(size).max(1), "its weight is {}", rules.weight);
        ensure!(used + weight <= size, "{used} of {size} workers were taken");
        ensure!((1..=size).contains(&slot.n), "there are {size} slots");
        ensure!(here().all(|a| a.slot != slot), "the slot is taken");
        let same_task = here().filter(|a| a.task == task).count() as u32;
        let max = rules.max_parallel.unwrap_or(u32::MAX);
        ensure!(same_task < max, "{same_task} of the task run, max_parallel is {max}");
        Ok(())
    }

    /// Jobs of a pool that could start if there was room, by order of starting.
    fn first_ready(&self, pool: PoolIdx) -> Option<JobNo> {
        let mut running = BTreeMap::<TaskIdx, u32>::new();
        for attempt in self.running.values() {
            *running.entry(attempt.task).or_default() += 1;
        }
        let can_start = |(job, seen): &(&JobNo, &SeenJob)| {
            let rules = &self.schedule.tasks[seen.task.0 as usize];
            let room = running.get(&seen.task).copied().unwrap_or_default()
                < rules.max_parallel.unwrap_or(u32::MAX);
            let ready = self.replay.job_state(**job) == Some(JobState::Ready);
            rules.pool == pool && room && ready && !self.jobs_paused.contains(job)
        };
        let order = |(job, seen): &(&JobNo, &SeenJob)| {
            let of_task = self.schedule.tasks[seen.task.0 as usize].priority;
            let priority = self.priorities.get(job).copied().unwrap_or(of_task);
            (-i64::from(priority), seen.task, seen.index)
        };
        self.jobs.iter().filter(can_start).min_by_key(order).map(|(job, _)| *job)
    }

    fn check_order(&self, job: JobNo) -> Check {
        let Some(seen) = self.jobs.get(&job) else { return Err(format!("no job {job}")) };
        let first = self.first_ready(self.schedule.tasks[seen.task.0 as usize].pool);
        ensure!(first == Some(job), "job {first:?} is before it");
        Ok(())
    }

    fn check_needs(&self, job: JobNo) -> Check {
        let Some(seen) = self.jobs.get(&job) else { return Err(format!("no job {job}")) };
        for need in &self.schedule.tasks[seen.task.0 as usize].needs {
            let link = self
                .links
                .iter()
                .find(|(down, up, _)| need.each && *down == seen.task && *up == need.task);
            let good = match link {
                Some((_, up, map)) => self.jobs_good(*up, &map.ups_of(seen.index)),
                None => self.task_good(need.task),
            };
            let met = match (need.when, good) {
                (_, None) => false,
                (NeedWhen::Succeeded, Some(good)) => good,
                (NeedWhen::Failed, Some(good)) => !good,
                (NeedWhen::Always, Some(_)) => true,
            };
            ensure!(met, "it needs task {:?}, which is {good:?}", need.task);
        }
        Ok(())
    }

    /// Whether these jobs of a task are all good; `None` while some have not ended.
    fn jobs_good(&self, task: TaskIdx, indexes: &[u32]) -> Option<bool> {
        // A job without a partner waits for nothing, whatever becomes of the needed task.
        let Some(told) = self.tasks.get(&task) else { return indexes.is_empty().then_some(true) };
        // Without jobs since its inputs were not read: it counts as failed.
        let Some((first, _)) = told else { return Some(false) };
        let mut good = true;
        for index in indexes {
            good &= self.jobs.get(&JobNo(first + index))?.outcome?.is_success();
        }
        Some(good)
    }

    fn task_good(&self, task: TaskIdx) -> Option<bool> {
        match self.tasks.get(&task)? {
            None => Some(false),
            Some((_, count)) => self.jobs_good(task, &(0..*count).collect::<Vec<u32>>()),
        }
    }

    fn retrying(&mut self, job: JobNo, by: &Requester) -> Check {
        ensure!(self.running.keys().all(|a| a.job != job), "its attempt is running");
        let ending = self.ending;
        let schedule = Arc::clone(&self.schedule);
        let seen = self.job(job)?;
        ensure!(!ending, "nothing may start again");
        let rules = &schedule.tasks[seen.task.0 as usize];
        if let Some(outcome) = seen.outcome.take() {
            ensure!(*by != Requester::Rule && !outcome.is_success(), "it has ended {outcome:?}");
            seen.free = seen.attempts;
        } else if seen.last_reason != Some(StopReason::Shrink) {
            let quiet = rules.quiet.is_some_and(|q| q.action == QuietAction::Retry);
            let max = rules.retries.max.max(u32::from(quiet));
            let used = seen.attempts - seen.free;
            ensure!(used <= max, "{used} attempts, {max} retries");
        }
        Ok(())
    }

    fn unskipped(
        &mut self,
        task: TaskIdx,
        upstream: TaskIdx,
        only: Option<JobNo>,
        count: u32,
    ) -> Check {
        if self.tasks.get(&task) == Some(&None) {
            self.tasks.remove(&task);
            return Ok(());
        }
        let mut n = 0;
        for (job, seen) in &mut self.jobs {
            let named = only.is_none_or(|only| only == *job);
            let skipped = seen.outcome == Some(Outcome::Skipped { upstream });
            if seen.task == task && named && skipped {
                seen.outcome = None;
                n += 1;
            }
        }
        ensure!(n == count, "{n} jobs were skipped");
        Ok(())
    }

    fn job_ended(&mut self, job: JobNo, outcome: Outcome, attempts: u32, input: &Input) -> Check {
        ensure!(self.running.keys().all(|a| a.job != job), "its attempt is running");
        let ending = self.ending;
        let schedule = Arc::clone(&self.schedule);
        self.jobs_paused.remove(&job);
        self.priorities.remove(&job);
        let seen = self.job(job)?;
        ensure!(seen.outcome.is_none(), "it ended before, {:?}", seen.outcome);
        ensure!(seen.attempts == attempts, "it had {} attempts", seen.attempts);
        seen.outcome = Some(outcome);
        let rules = &schedule.tasks[seen.task.0 as usize];
        let killed = matches!(
            seen.last_reason,
            Some(StopReason::Kill | StopReason::Abort | StopReason::RunStop)
        );
        let by_hand = matches!(
            input,
            Input::Asked(asked) if asks_to_kill(&asked.command, job)
        );
        match outcome {
            Outcome::Cancelled => ensure!(killed || by_hand || ending, "nobody asked for that"),
            Outcome::Skipped { .. } | Outcome::Succeeded | Outcome::UpToDate => {}
            _ => {
                let plain = rules.quiet.is_none() && rules.retries.exit_codes.is_none();
                let used_up = seen.attempts - seen.free > rules.retries.max;
                ensure!(!plain || killed || ending || used_up, "it has retries left");
            }
        }
        Ok(())
    }

    fn prioritized(&mut self, job: JobNo, from: Option<i32>, to: Option<i32>) -> Check {
        ensure!(self.running.keys().all(|a| a.job != job), "its attempt is running");
        ensure!(self.job(job)?.outcome.is_none(), "it has ended");
        ensure!(from != to, "nothing changes");
        let before = match to {
            Some(to) => self.priorities.insert(job, to),
            None => self.priorities.remove(&job),
        };
        ensure!(before == from, "it stood by {before:?}");
        Ok(())
    }

    fn rest_ended(&mut self, task: TaskIdx, outcome: Outcome) -> Result<u32, String> {
        let running: BTreeSet<JobNo> = self.running.keys().map(|a| a.job).collect();
        let mut n = 0;
        for (job, seen) in &mut self.jobs {
            if seen.task == task && seen.outcome.is_none() && !running.contains(job) {
                seen.outcome = Some(outcome);
                self.jobs_paused.remove(job);
                self.priorities.remove(job);
                n += 1;
            }
        }
        ensure!(outcome != Outcome::Cancelled || self.ending, "cancelled without a reason");
        Ok(n)
    }

    fn pause(&mut self, target: PauseTarget, pause: bool) {
        match target {
            PauseTarget::Run => self.run_paused = pause,
            PauseTarget::Pool(pool) if pause => drop(self.pools_paused.insert(pool)),
            PauseTarget::Pool(pool) => drop(self.pools_paused.remove(&pool)),
            PauseTarget::Job(job) if pause => drop(self.jobs_paused.insert(job)),
            PauseTarget::Job(job) => drop(self.jobs_paused.remove(&job)),
        }
    }

    fn is_paused(&self, job: JobNo, pool: PoolIdx) -> bool {
        self.run_paused || self.pools_paused.contains(&pool) || self.jobs_paused.contains(&job)
    }

    fn run_ended(&mut self, outcome: RunOutcome, exit_code: i32) -> Check {
        self.ended = true;
        ensure!(self.running.is_empty(), "attempts are running");
        ensure!(self.tasks.len() == self.schedule.tasks.len(), "tasks are unread");
        let mut bad = self.inputs_failed;
        for (job, seen) in &self.jobs {
            let Some(outcome) = seen.outcome else { return Err(format!("{job} has not ended")) };
            bad |= !outcome.is_success() && !matches!(outcome, Outcome::Skipped { .. });
        }
        match outcome {
            RunOutcome::Succeeded => ensure!(!bad && exit_code == 0, "not everything is well"),
            RunOutcome::Failed => ensure!(bad && exit_code == 1, "nothing failed"),
            RunOutcome::Stopped => ensure!(self.ending && exit_code > 128, "nobody stopped it"),
        }
        Ok(())
    }

    // ---- effects

    fn effect(&mut self, effect: &Effect, bundled: bool) -> Check {
        match effect {
            Effect::Tell { .. }
            | Effect::LookForHelp { .. }
            | Effect::OpenCell { .. }
            | Effect::CloseCell { .. } => {}
            Effect::Launch { attempt, task, slot, .. } => {
                let seen = self.running(*attempt)?;
                ensure!(!seen.launch_ordered, "launched twice");
                ensure!((seen.task, seen.slot) == (*task, *slot), "launched elsewhere");
                seen.launch_ordered = true;
            }
            Effect::Signal { attempt, .. } => {
                let seen = self.running(*attempt)?;
                ensure!(seen.started || seen.leader_ended, "there is no process");
                // SIGCONT goes with it. A signal by hand does not end a pause.
                seen.frozen &= seen.stop.is_none();
            }
            Effect::Kill { attempt } => {
                let seen = self.running(*attempt)?;
                ensure!(!seen.killed, "killed twice");
                (seen.killed, seen.frozen) = (true, false);
            }
            Effect::Freeze { attempt } => {
                let seen = self.running(*attempt)?;
                // Of many commands at once, a later one may have stopped it.
                ensure!(!seen.frozen && (bundled || seen.stop.is_none()), "it cannot be frozen");
                seen.frozen = true;
            }
            Effect::Thaw { attempt } => {
                let seen = self.running(*attempt)?;
                ensure!(seen.frozen, "it is not frozen");
                seen.frozen = false;
            }
            Effect::Expand { task } => ensure!(!self.tasks.contains_key(task), "it is read"),
        }
        Ok(())
    }

    // ---- after a step

    fn after(&self, now: Now, engine: &Engine) -> Check {
        let next = engine.next_deadline();
        ensure!(next.is_none_or(|at| at > now.mono), "the deadline {next:?} has passed");
        ensure!(next.is_none() || !self.ended, "a deadline after the end");
        for (id, seen) in &self.running {
            ensure!(seen.launch_ordered, "nobody launches {id}");
            if let Some((_, kill_at)) = seen.stop
                && (seen.started || seen.leader_ended)
                && !seen.killed
            {
                ensure!(kill_at > now.mono, "{id} should have been killed");
                ensure!(next.is_some_and(|at| at <= kill_at), "nothing wakes up to kill {id}");
            }
            let runs = seen.started && !seen.leader_ended && seen.stop.is_none();
            let covered = self.is_paused(id.job, seen.slot.pool);
            ensure!(seen.frozen == (runs && covered), "{id} stands still: {}", seen.frozen);
        }
        if self.ended {
            return Ok(());
        }
        for (job, seen) in &self.jobs {
            // One job in eight at each step: words take longer than all the rest.
            if (self.events.len() as u32 + job.0).is_multiple_of(8) {
                let lines = engine.why(*job, now);
                let says = lines.iter().all(|l| l.len() > 5) && !lines.is_empty();
                ensure!(says, "no reason for {job}");
            }
            let state = engine.state().job_state(*job);
            ensure!(
                matches!(state, Some(JobState::Ended { .. })) == seen.outcome.is_some(),
                "{job} is {state:?}, seen {:?}",
                seen.outcome
            );
        }
        self.nobody_is_idle(engine)
    }

    /// No worker is free while a job that could run waits.
    fn nobody_is_idle(&self, engine: &Engine) -> Check {
        if self.ending || self.run_paused || engine.state().started().is_none() {
            return Ok(());
        }
        for pool in (0..self.sizes.len() as u16).map(PoolIdx) {
            let Some(job) = self.first_ready(pool) else { continue };
            let size = self.sizes[pool.0 as usize];
            let here = self.running.values().filter(|a| a.slot.pool == pool);
            let used: u32 = here.map(|a| a.weight).sum();
            let task = self.jobs[&job].task;
            let weight = self.schedule.tasks[task.0 as usize].weight.min(size).max(1);
            let waits = self.pools_paused.contains(&pool) || used + weight > size;
            ensure!(waits, "{job} waits although {used} of {size} workers are taken");
        }
        Ok(())
    }
}

fn asks_to_kill(command: &Command, job: JobNo) -> bool {
    match command {
        Command::Kill { job: asked, .. } => *asked == job,
        Command::Many { commands } => commands.iter().any(|c| asks_to_kill(c, job)),
        _ => false,
    }
}
