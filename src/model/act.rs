//! Acts of people and how they went: the newest few, for the screen.

use super::command::Requester;
use super::ids::{AttemptId, TaskIdx};
use super::outcome::{Exit, StopReason};
use super::time::Mono;
use serde::{Deserialize, Serialize};

/// Something that was asked for, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Counts up by one with every act, from 1.
    pub id: u64,
    pub at: Mono,
    pub by: Requester,
    /// What was asked: `scale pool default to 6`.
    pub asked: String,
    /// What was answered.
    pub answer: String,
    pub done: bool,
    /// What `Command::Undo` with this id would do; `None`: it cannot be undone, or has been.
    pub undo: Option<String>,
}

/// The stop of one attempt, from the first request to the proof that nothing is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopProof {
    pub attempt: AttemptId,
    pub task: TaskIdx,
    /// Number of the job in its task, from 1.
    pub index: u32,
    pub reason: StopReason,
    pub by: Requester,
    pub asked_at: Mono,
    /// The signal that asks first; SIGKILL when nothing was asked.
    pub signal: i32,
    pub kill_at: Mono,
    pub killed_at: Option<Mono>,
    pub leader_ended_at: Option<Mono>,
    /// How the leader ended; `None` while it lives, and when there was none.
    pub exit: Option<Exit>,
    /// When nothing of it was left, or it was given up.
    pub ended_at: Option<Mono>,
    /// Processes besides the leader that had to be ended.
    pub swept: u32,
    /// `None` while it goes on; `Some(false)`: something could not be ended, see `left`.
    pub nothing_left: Option<bool>,
    pub left: Option<String>,
}
