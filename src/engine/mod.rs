//! The run as a pure state machine with one writer.
//!
//! [`Engine::handle`] takes one [`Input`] and returns the [`Event`]s that happened and the
//! [`Effect`]s that somebody must perform. No I/O, no async, no clock. Every change of state
//! goes through `state.rs`, which applies events and nothing else: replaying the events of a
//! run gives the same state.

use crate::model::exec::Finding;
use crate::model::{Answer, Asked, AttemptId, Event, ExecReport, Slot, TaskIdx};
use crate::plan::EachMap;

/// Everything that can happen to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The first input of every run.
    Start,
    /// A task's inputs have been read: it has `count` jobs. `each` has one map for each of the
    /// task's needs with `each`, in their order. Arrives once per task, before or after `Start`.
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
    Asked(Asked),
    Exec(ExecReport),
    Finding(Finding),
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
}

/// What came of one input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    /// To an [`Input::Asked`].
    pub answer: Option<Answer>,
}
