//! Snapshots: what the run looks like, for front ends. Joins the engine's state with what the
//! probe saw. Costs nothing while nobody looks.

use super::acts::{Acts, Stops};
use super::alerts::Alerts;
use super::answer::tail_line;
use super::flow::Flow;
use super::prepare::Prepared;
use super::shared::wait_for;
use super::waits::Waits;
use crate::control::server::Inputs;
use crate::engine::{Attempt, Engine, State};
use crate::exec::Outputs;
use crate::model::event::unread_words;
use crate::model::limits::{SNAPSHOT_FAILURES, SNAPSHOT_INTERVAL, SNAPSHOT_WORKERS};
use crate::model::locks::{SharedView, WaitFor};
use crate::model::snapshot::WorkView;
use crate::model::{
    AttemptId, Counts, Event, FailureView, JobNo, Mono, Now, Outcome, PoolIdx, PoolView, RunState,
    Sample, Slot, Snapshot, TaskIdx, TaskView, Text, WorkerState, WorkerView, signal_name,
};
use crate::plan::inputs::InputSet;
use crate::probe::Shortage;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The rate counts jobs that ended in this many seconds.
const RATE_SECONDS: u64 = 60;
/// Notices in a snapshot.
const NOTICES: usize = 20;

/// Makes snapshots.
pub struct Publisher {
    prepared: Arc<Prepared>,
    seq: u64,
    /// Something changed since the last snapshot.
    dirty: bool,
    last: Mono,
    sample: Arc<Sample>,
    failures: VecDeque<FailureView>,
    /// Failures, newest first, whose last line has not been read yet.
    n_unread: usize,
    notices: Vec<String>,
    rate: Rate,
    /// Pools that were scaled by hand or by a rule: their size has another reason now.
    scaled: HashMap<PoolIdx, String>,
    flow: Flow,
    pub(super) acts: Acts,
    pub(super) stops: Stops,
    alerts: Alerts,
    pub(super) waits: Waits,
}

impl Publisher {
    pub fn new(prepared: Arc<Prepared>, notices: Vec<String>, waits: Waits) -> Publisher {
        Publisher {
            prepared,
            seq: 0,
            dirty: true,
            last: Mono::default(),
            sample: Arc::default(),
            failures: VecDeque::new(),
            n_unread: 0,
            notices,
            rate: Rate::default(),
            scaled: HashMap::new(),
            flow: Flow::default(),
            acts: Acts::default(),
            stops: Stops::default(),
            alerts: Alerts::default(),
            waits,
        }
    }

    /// Says that the next snapshot will differ.
    pub fn changed(&mut self) {
        self.dirty = true;
    }

    /// Adds something that a person should know.
    pub fn notice(&mut self, text: String) {
        self.dirty = true;
        self.notices.push(text);
        if self.notices.len() > NOTICES {
            self.notices.remove(0);
        }
    }

    /// Takes in what the probe saw.
    pub fn sampled(&mut self, sample: Arc<Sample>, now: Mono, state: &State) {
        self.dirty = true;
        self.flow.read(now, state);
        self.sample = sample;
        self.look_at_alerts(now, state);
    }

    fn look_at_alerts(&mut self, now: Mono, state: &State) {
        let waits = |id| wait_of(&self.waits, state, id);
        self.alerts.look(now, state, &self.sample, &waits);
    }

    /// Takes in how short memory and disk are.
    pub fn shortage(&mut self, now: Mono, shortage: Shortage) {
        self.alerts.note_shortage(now, shortage);
    }

    /// When the next snapshot should be made; `None`: nothing has changed.
    pub fn due(&self) -> Option<Mono> {
        self.dirty.then(|| self.last + SNAPSHOT_INTERVAL)
    }

    /// Takes in one fact that the engine told at `now`.
    pub fn note(&mut self, event: &Event, now: Mono, engine: &Engine) {
        self.dirty = true;
        self.flow.note(event, engine.state());
        self.alerts.note(event);
        self.stops.note(event, now, engine.state());
        if is_verdict(event) {
            // News that must not wait for the next look.
            self.look_at_alerts(now, engine.state());
        }
        match event {
            Event::RunStarted { at } => {
                self.flow.read(at.mono, engine.state());
            }
            Event::JobEnded { job, task, outcome, attempts, at } => {
                self.rate.add(engine.state().worked(at.mono));
                let is_failure = match outcome {
                    Outcome::Succeeded | Outcome::UpToDate | Outcome::Skipped { .. } => false,
                    Outcome::Cancelled => *attempts > 0,
                    _ => true,
                };
                if is_failure {
                    let index = engine.state().task_of(*job).map_or(0, |(_, index)| index);
                    self.failed(*job, *task, index, *outcome, *attempts, at.mono);
                }
            }
            Event::JobRetrying { job, .. } => self.failures.retain(|f| f.job != *job),
            Event::InputsFailed { task, error } => {
                let name = &self.prepared.schedule.tasks[task.0 as usize].name;
                self.notice(unread_words(name, error));
            }
            Event::Scaled { pool, .. } => {
                self.scaled.insert(*pool, "set by hand".to_owned());
            }
            _ => {}
        }
    }

    fn failed(
        &mut self,
        job: JobNo,
        task: TaskIdx,
        index: u32,
        outcome: Outcome,
        attempts: u32,
        at: Mono,
    ) {
        let words = match outcome {
            Outcome::Failed { code } => format!("failed {code}"),
            Outcome::Signaled { signal } => format!("signaled {}", signal_name(signal)),
            other => other.word().to_owned(),
        };
        self.failures.push_front(FailureView {
            job,
            task,
            index: index + 1,
            inputs: String::new(),
            outcome: words,
            attempts,
            at,
            last_line: String::new(),
        });
        self.failures.truncate(SNAPSHOT_FAILURES);
        self.n_unread = (self.n_unread + 1).min(self.failures.len());
    }

    /// Makes a snapshot.
    pub fn snapshot(
        &mut self,
        now: Now,
        engine: &Engine,
        inputs: &[Option<Arc<InputSet>>],
        outputs: &Outputs,
    ) -> Snapshot {
        self.seq += 1;
        self.dirty = false;
        self.last = now.mono;
        self.read_last_lines(inputs, outputs);
        let state = engine.state();
        self.flow.read(now.mono, state);
        let counts = *state.counts();
        let rate_per_s = self.rate.per_second(state.worked(now.mono));
        let youngest = state.attempts_running();
        let youngest =
            youngest.map(|a| now.mono.since(a.launched).saturating_sub(a.paused(now.mono))).min();
        let (foreign, foreign_total) = self.waits.foreign();
        Snapshot {
            seq: self.seq,
            at: now,
            state: state.run_state(),
            counts,
            rate_per_s,
            eta_ms: eta_ms(&counts, rate_per_s, youngest, state.run_state()),
            elapsed_ms: millis(state.elapsed(now.mono)),
            pools: self.pools(state),
            workers: self.workers(state, inputs),
            tasks: (0..self.prepared.plan.tasks.len())
                .map(|i| task_view(state, TaskIdx(u32::try_from(i).unwrap_or(u32::MAX))))
                .collect(),
            failures: self.failures.iter().cloned().collect(),
            machine: self.sample.machine.clone(),
            sampled_at: self.sample.at,
            notices: self.notices.clone(),
            alerts: self.alerts.views(),
            acts: self.acts.views(),
            last_stops: self.stops.views(),
            shared: SharedView {
                locks: state.locks().top(now.mono),
                total: u32::try_from(state.locks().len()).unwrap_or(u32::MAX),
                lost_us: micros(state.locks().lost_by_jobs(now.mono)),
                deadlocks: state.deadlocks().to_vec(),
                foreign,
                foreign_total,
            },
            stuck: state.stuck().to_vec(),
            xray: self.waits.view(),
        }
    }

    /// Reads what the newest failures said last. Only for those that a snapshot shows.
    fn read_last_lines(&mut self, inputs: &[Option<Arc<InputSet>>], outputs: &Outputs) {
        for failure in self.failures.iter_mut().take(self.n_unread) {
            let attempt = AttemptId { job: failure.job, n: failure.attempts };
            failure.last_line = tail_line(outputs, attempt);
            failure.inputs = short(inputs, failure.task, failure.index - 1);
        }
        self.n_unread = 0;
    }

    fn pools(&self, state: &State) -> Vec<PoolView> {
        let rules = self.prepared.schedule.pools.iter();
        rules
            .zip(state.pools())
            .enumerate()
            .map(|(i, (rules, pool))| {
                let idx = PoolIdx(u16::try_from(i).unwrap_or(u16::MAX));
                let reason = self.scaled.get(&idx).cloned();
                let (arrived_per_s, ended_per_s) = self.flow.rates(idx, self.last, state);
                PoolView {
                    name: rules.name.clone(),
                    size: pool.size(),
                    min: rules.min,
                    max: rules.max,
                    reason: reason.unwrap_or_else(|| self.prepared.size_reasons[i].clone()),
                    running: pool.running(),
                    weight_used: pool.weight_used(),
                    ready: pool.ready(),
                    blocked: pool.blocked(),
                    paused: pool.paused().is_some(),
                    arrived_per_s,
                    ended_per_s,
                }
            })
            .collect()
    }

    fn workers(&self, state: &State, inputs: &[Option<Arc<InputSet>>]) -> Vec<WorkerView> {
        let running: HashMap<Slot, &Attempt> =
            state.attempts_running().map(|a| (a.slot, a)).collect();
        let mut views = Vec::new();
        for (i, pool) in state.pools().iter().enumerate() {
            let idx = PoolIdx(u16::try_from(i).unwrap_or(u16::MAX));
            let in_pool = running.keys().filter(|slot| slot.pool == idx);
            let last = in_pool.map(|slot| slot.n).max().unwrap_or(0).max(pool.size());
            // Slots that the weight of other attempts takes stand empty.
            let mut reserved = pool.weight_used().saturating_sub(pool.running());
            for n in 1..=last {
                let slot = Slot { pool: idx, n };
                let leaving = n > pool.size();
                let attempt = running.get(&slot);
                let worker = match attempt {
                    Some(a) => worker_state(a),
                    None if leaving => continue,
                    None if reserved > 0 => {
                        reserved -= 1;
                        WorkerState::Reserved
                    }
                    None => WorkerState::Idle,
                };
                let work = attempt.map(|a| self.work(a, state, inputs));
                views.push(WorkerView { slot, state: worker, work, leaving });
                if views.len() == SNAPSHOT_WORKERS {
                    return views;
                }
            }
        }
        views
    }

    fn work(&self, a: &Attempt, state: &State, inputs: &[Option<Arc<InputSet>>]) -> WorkView {
        WorkView {
            attempt: a.id,
            task: a.task,
            index: a.index + 1,
            inputs: short(inputs, a.task, a.index),
            proc: a.proc(),
            since: a.since(),
            stopping: a.stopping(),
            tree: self.sample.trees.iter().find(|t| t.attempt == a.id).copied(),
            waits: wait_of(&self.waits, state, a.id),
        }
    }
}

/// What an attempt waits for: what ganger knows itself is exact, the rest is what can be seen.
fn wait_of(waits: &Waits, state: &State, id: AttemptId) -> Option<WaitFor> {
    wait_for(state, id).or_else(|| waits.of(id, state))
}

/// Whether something is stuck from now on, or is no longer.
fn is_verdict(event: &Event) -> bool {
    matches!(
        event,
        Event::DeadlockFound { .. }
            | Event::DeadlockGone { .. }
            | Event::StuckFound { .. }
            | Event::StuckGone { .. }
    )
}

/// What the worker of a running attempt does.
pub fn worker_state(a: &Attempt) -> WorkerState {
    if a.stopping().is_some() {
        WorkerState::Stopping
    } else if a.is_frozen() {
        WorkerState::Paused
    } else if a.quiet_since.is_some() {
        WorkerState::Quiet
    } else if a.proc().is_none() {
        WorkerState::Launching
    } else {
        WorkerState::Running
    }
}

fn task_view(state: &State, task: TaskIdx) -> TaskView {
    let counts = *state.task_counts(task);
    TaskView { counts, unread: state.task_unread(task) }
}

/// The inputs of a job in short.
pub fn short(inputs: &[Option<Arc<InputSet>>], task: TaskIdx, index: u32) -> String {
    inputs[task.0 as usize].as_ref().map_or_else(String::new, |set| set.short(index))
}

/// The values of a job, for events that begin an attempt or end a job: whoever reads events
/// alone must learn what they are about.
pub fn inputs_of(event: &Event, engine: &Engine, inputs: &[Option<Arc<InputSet>>]) -> Inputs {
    let job = match event {
        Event::AttemptLaunched { attempt, .. } | Event::AttemptStarted { attempt, .. } => {
            attempt.job
        }
        Event::JobEnded { job, .. } => *job,
        _ => return Inputs::new(),
    };
    let Some((task, index)) = engine.state().task_of(job) else { return Inputs::new() };
    let set = inputs.get(task.0 as usize).and_then(Option::as_deref);
    let pairs = set.map(|set| set.vars(index)).unwrap_or_default();
    pairs.into_iter().map(|(name, value)| (name, Text(value.into_owned()))).collect()
}

/// What somebody who starts to read events now must know to name jobs.
pub fn events_so_far(state: &State) -> Vec<Event> {
    let Some(at) = state.started() else { return Vec::new() };
    let mut events = vec![Event::RunStarted { at }];
    for i in 0..state.schedule().tasks.len() {
        let task = TaskIdx(u32::try_from(i).unwrap_or(u32::MAX));
        let count = state.task_counts(task).total;
        if let Some(error) = state.inputs_error(task) {
            events.push(Event::InputsFailed { task, error: error.to_owned() });
        } else if let (Some(first), false) = (state.job_of(task, 0), state.task_unread(task)) {
            events.push(Event::JobsAdded { task, first, count });
        }
    }
    events
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// `youngest`: how long the attempt that started last has been running.
fn eta_ms(
    counts: &Counts,
    rate_per_s: f32,
    youngest: Option<Duration>,
    state: RunState,
) -> Option<u64> {
    let left = counts.waiting() + counts.running;
    // At the rate of late a job takes as long as all that run now take to end one after the
    // other. When even the youngest runs for much longer, they are of another kind, or hang.
    let usual_s = counts.running as f32 / rate_per_s;
    let as_before = youngest.is_none_or(|age| age.as_secs_f32() <= UNUSUAL * usual_s);
    // With an empty queue the rate of those before says nothing: the last jobs are the long ones.
    let can_be_said = state == RunState::Running
        && counts.tasks_unread == 0
        && counts.waiting() > 0
        && rate_per_s > 0.0
        && as_before;
    can_be_said.then(|| (f64::from(left) / f64::from(rate_per_s) * 1000.0) as u64)
}

/// From so many times the usual duration on, what runs is not like what ran before.
const UNUSUAL: f32 = 3.0;

/// Jobs that ended in each of the last seconds, pauses left out: nothing could end then.
#[derive(Default)]
struct Rate {
    /// Second of the run's work and number, oldest first.
    seconds: VecDeque<(u64, u32)>,
}

impl Rate {
    fn add(&mut self, worked: Duration) {
        let second = worked.as_secs();
        match self.seconds.back_mut() {
            Some((s, n)) if *s == second => *n += 1,
            _ => self.seconds.push_back((second, 1)),
        }
        while self.seconds.len() > RATE_SECONDS as usize + 1 {
            self.seconds.pop_front();
        }
    }

    fn per_second(&self, worked: Duration) -> f32 {
        let from = worked.as_secs().saturating_sub(RATE_SECONDS);
        let n: u32 = self.seconds.iter().filter(|(s, _)| *s >= from).map(|(_, n)| n).sum();
        let over = worked.as_secs_f32().min(RATE_SECONDS as f32);
        if over > 0.0 { n as f32 / over } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_told_while_jobs_end_as_those_before() {
        let counts =
            Counts { total: 40, ready: 18, running: 2, succeeded: 20, ..Counts::default() };
        let eta = |youngest_ms: u64| {
            let youngest = Some(Duration::from_millis(youngest_ms));
            eta_ms(&counts, 4.0, youngest, RunState::Running)
        };
        // Two at a time, four in a second: half a second each.
        assert_eq!((eta(0), eta(1400)), (Some(5000), Some(5000)));
        assert_eq!(eta(1600), None, "both take longer than any before");
        let last = Counts { ready: 0, ..counts };
        assert_eq!(eta_ms(&last, 4.0, None, RunState::Running), None);
        assert_eq!(eta_ms(&counts, 0.0, None, RunState::Running), None);
        assert_eq!(eta_ms(&counts, 4.0, None, RunState::Paused), None);
    }
}
