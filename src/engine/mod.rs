//! The run as a pure state machine with one writer.
//!
//! [`Engine::handle`] takes one [`Input`] and returns the [`Event`]s that happened and the
//! [`Effect`]s that somebody must perform. No I/O, no async, no clock. Every change of state
//! goes through `state.rs`, which applies events and nothing else: replaying the events of a
//! run gives the same state.
//!
//! One input runs through the same steps every time: what it says itself, then deadlines that
//! have passed, then what follows for tasks that need other tasks, then what can start, then
//! whether the run has ended.
//!
//! # Decisions
//!
//! - **Order.** Priority, then file order, then position; a retried job takes its old place.
//!   A priority that a person gave to one job stands for its task's until the job has ended.
//!   A job that does not fit by its weight makes its pool wait, so that it cannot starve.
//!   A task at its `max_parallel`, and a job that is paused itself, are passed over.
//! - **Needs.** A needed task counts once all of its jobs have ended. `when: failed` takes a
//!   skipped or cancelled job as one that did not succeed. Needs hold whenever something
//!   starts, also for a retry: if a needed task is tried again meanwhile, the job waits again.
//!   Inputs that cannot be read make their task count as failed, with no jobs. A task with
//!   `expand: when_ready` whose needs did not end as needed is never read; it ends without jobs.
//! - **Skipped** jobs do not make the run fail: what they waited for has failed already, or
//!   they were there for a failure that did not happen.
//! - **Retry by hand** takes the job back, and with it the jobs that were skipped because of
//!   it, and those skipped because of them. Jobs that have run already (`when: always`,
//!   `when: failed`) are not run again. Refused once the run is ending.
//! - **Stopping.** An attempt has one reason to be stopped, the most urgent so far, and one
//!   moment of KILL, which only ever moves closer. How the leader ended by itself stands,
//!   whatever is asked later. A repeated stop of the run by people is its second step.
//! - **Shrinking** with `now` stops the newest attempts; they end as cancelled, do not count
//!   as tries, and their jobs go back to the queue.
//! - **Pauses** add up: an attempt stands still while any pause covers it. Its timeout stands
//!   still with it; a grace period and a delay before a retry do not.

mod acts;
mod attempt;
mod command;
mod deadlines;
pub mod locks;
mod needs;
mod retry;
mod schedule;
mod seen;
mod shared;
mod stall;
pub mod state;
mod stop;
mod why;

#[cfg(test)]
mod tests;

pub use acts::inverse;
pub use stall::Waiting;
pub use state::{Attempt, AttemptPhase, Ending, JobState, Pool, RunEnd, State, StopState};

use crate::model::exec::Finding;
use crate::model::locks::{ClientNo, Failure, Given, LockChange, Name, Refusal};
use crate::model::waits::stuck::Sighting;
use crate::model::{
    Answer, Asked, AttemptId, Event, ExecReport, JobNo, Mono, Now, Requester, RunOutcome, Slot,
    TaskIdx,
};
use crate::plan::{EachMap, Schedule};
use deadlines::Deadlines;
use needs::Chores;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything that can happen to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The first input of every run.
    Start,
    /// A task's inputs have been read: it has `count` jobs. `each` has one map for each of the
    /// task's needs with `each`, in their order; those of tasks that ended without their inputs
    /// being read may be left out. Arrives once per task, before or after `Start`, and before
    /// or after the jobs of the tasks it is linked to. Maps that do not fit the numbers of jobs
    /// make the task fail.
    JobsAdded {
        task: TaskIdx,
        count: u32,
        each: Vec<EachMap>,
    },
    /// A task's inputs could not be read.
    InputsFailed {
        task: TaskIdx,
        error: String,
    },
    /// Inputs of several tasks that were read together: nothing starts before all of them are
    /// there, so that priorities hold from the first job on.
    Together(Vec<Input>),
    Asked(Asked),
    /// The same of a primitive whose state is in the memory that clients share: what was found
    /// there comes first, in the same step.
    AskedOfCells {
        found: Vec<LockChange>,
        asked: Asked,
    },
    Exec(ExecReport),
    Finding(Finding),
    /// Something happened to the primitives that jobs share: a request, the end of a connection,
    /// the end of a process that asked for something; before it, what was found in the memory
    /// that clients share. All of it is one step. The passing of time, settling and the opening
    /// of cells are the engine's own.
    Locks(Vec<LockChange>),
    /// X-ray saw from outside that something is stuck, or is no longer.
    Seen(Sighting),
    /// To an [`Effect::LookForHelp`]: the jobs have no process that does anything but wait.
    NoHelp {
        no: u64,
    },
    /// A deadline may have passed.
    Tick,
}

/// What somebody must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start an attempt: position `index` (from 0) of its task.
    Launch { attempt: AttemptId, task: TaskIdx, index: u32, slot: Slot },
    /// Send a signal to the whole tree; to a stopped tree also SIGCONT, unless the signal is
    /// SIGSTOP.
    Signal { attempt: AttemptId, signal: i32 },
    /// KILL the whole tree until nothing is left; answered by `LeaderEnded` (if it has not been
    /// sent) and `TreeGone`.
    Kill { attempt: AttemptId },
    /// SIGSTOP to the whole tree.
    Freeze { attempt: AttemptId },
    /// SIGCONT to the whole tree.
    Thaw { attempt: AttemptId },
    /// Read the inputs of a task; answered by `JobsAdded` or `InputsFailed`.
    Expand { task: TaskIdx },
    /// Answer a request about a primitive. Each gets exactly one answer, unless its connection
    /// has ended.
    Tell { client: ClientNo, id: u64, result: Result<Given, Refusal> },
    /// Everything that is known waits: look whether these jobs have a process that could do
    /// something else; if not, [`Input::NoHelp`] says so.
    LookForHelp { no: u64, waiting: Vec<Waiting> },
    /// Close the cell of a lock or semaphore in the memory that clients share, and tell what was
    /// in it: a job waits for it.
    CloseCell { name: Name },
    /// Open it, with so many permits in it (1: a lock).
    OpenCell { name: Name, permits: u64 },
}

/// What came of one input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    /// To an [`Input::Asked`].
    pub answer: Option<Answer>,
}

/// The engine of one run.
#[derive(Debug)]
pub struct Engine {
    state: State,
    seed: u64,
    now: Now,
    out: Step,
    deadlines: Deadlines,
    chores: Chores,
    /// Jobs whose running attempt has been sent KILL.
    killed: BTreeSet<JobNo>,
    suspicion: stall::Suspicion,
    #[cfg(test)]
    fault: Option<Fault>,
}

impl Engine {
    /// Makes the engine of a run that follows `schedule`, which must be valid: its needs have
    /// no cycle and name tasks and pools that exist. `seed` decides the jitter of retries.
    pub fn new(schedule: Schedule, seed: u64) -> Engine {
        Engine {
            state: State::new(Arc::new(schedule)),
            seed,
            now: Now::default(),
            out: Step::default(),
            deadlines: Deadlines::default(),
            chores: Chores::default(),
            killed: BTreeSet::new(),
            suspicion: stall::Suspicion::default(),
            #[cfg(test)]
            fault: None,
        }
    }

    /// Takes one input and returns what happened and what is to be done.
    ///
    /// Reports about attempts that have ended or never were change nothing, nor does anything
    /// after the end of the run. Time does not go back: an earlier `now` counts as the last.
    pub fn handle(&mut self, now: Now, input: Input) -> Step {
        self.now = Now { mono: now.mono.max(self.now.mono), wall: now.wall };
        if self.state.ended().is_some() {
            return self.refuse_after_the_end(&input);
        }
        self.take(input);
        self.pass_deadlines();
        self.do_chores();
        self.free_tasks();
        self.start_ready();
        self.settle_locks();
        self.open_cells();
        self.check_deadlocks();
        self.suspect_stall();
        self.end_run();
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Start => self.start(),
            Input::JobsAdded { task, count, each } => self.add_jobs(task, count, each),
            Input::InputsFailed { task, error } => self.fail_inputs(task, error),
            Input::Together(all) => all.into_iter().for_each(|input| self.take(input)),
            Input::Asked(asked) => self.take_asked(asked),
            Input::AskedOfCells { found, asked } => {
                self.take_lock_changes(found);
                self.take_asked(asked);
            }
            Input::Exec(report) => self.take_report(report),
            Input::Finding(finding) => self.take_finding(finding),
            Input::Locks(changes) => self.take_lock_changes(changes),
            Input::Seen(sighting) => self.take_sighting(sighting),
            Input::NoHelp { no } => self.take_no_help(no),
            Input::Tick => {}
        }
    }

    fn take_asked(&mut self, asked: Asked) {
        let answer = self.answer(asked);
        self.out.answer = Some(answer);
    }

    /// When the next deadline passes; a [`Input::Tick`] is due then.
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.state.ended().is_some() {
            return None;
        }
        let backoff = self.state.next_backoff().map(|(at, _)| at);
        let locks = self.state.locks().deadline();
        [self.deadlines.next(), backoff, locks, self.suspicion.next()].into_iter().flatten().min()
    }

    /// What is so in the run.
    pub fn state(&self) -> &State {
        &self.state
    }

    fn emit(&mut self, event: Event) {
        self.state.apply(&event);
        self.note_deadlines(&event);
        self.note_chores(&event);
        self.out.events.push(event);
        self.tell();
    }

    fn effect(&mut self, effect: Effect) {
        self.out.effects.push(effect);
    }

    fn start(&mut self) {
        if self.state.started().is_none() {
            self.emit(Event::RunStarted { at: self.now });
        }
    }

    fn refuse_after_the_end(&self, input: &Input) -> Step {
        if let Input::Locks(changes) = input {
            let refuse = |change: &LockChange| match change {
                LockChange::Asked { client, id, .. } => {
                    let refusal = Refusal::new(Failure::Gone, "the run has ended");
                    Some(Effect::Tell { client: *client, id: *id, result: Err(refusal) })
                }
                _ => None,
            };
            let effects = changes.iter().filter_map(refuse).collect();
            return Step { effects, ..Step::default() };
        }
        let asks = matches!(input, Input::Asked(_) | Input::AskedOfCells { .. });
        let refusal = || Answer::Refused("the run has ended".to_owned());
        Step { answer: asks.then(refusal), ..Step::default() }
    }

    /// Ends the run when every task has ended and nothing runs.
    fn end_run(&mut self) {
        let busy = self.state.open_tasks() > 0 || self.state.attempts_running().len() > 0;
        if busy || self.state.started().is_none() {
            return;
        }
        let counts = self.state.counts();
        let (outcome, exit_code) = if let Some(by) = self.state.cut_short_by() {
            (RunOutcome::Stopped, stop_exit_code(by))
        } else if counts.bad() > 0 || counts.cancelled > 0 || self.state.any_inputs_failed() {
            (RunOutcome::Failed, 1)
        } else {
            (RunOutcome::Succeeded, 0)
        };
        self.emit(Event::RunEnded { outcome, exit_code, at: self.now });
    }
}

/// The exit code of a run that somebody stopped: as if that signal had ended it, see bash(1).
fn stop_exit_code(by: &Requester) -> i32 {
    match by {
        Requester::Signal { signal } => 128 + signal,
        // Its terminal went away: SIGHUP.
        Requester::Ganger => 129,
        _ => 130,
    }
}

/// Bugs that the tests plant, to see that their checks notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Jobs of attempts that made room are not queued again.
    LoseShrunk,
    /// Linked jobs whose upstream failed are left waiting.
    ForgetSkips,
    /// The KILL after the grace period is not sent.
    ForgetKill,
    /// A job starts however many workers are free.
    IgnoreRoom,
}

impl Engine {
    #[cfg(test)]
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the same call as in tests")]
    const fn has(&self, _: Fault) -> bool {
        false
    }
}
