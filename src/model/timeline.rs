//! Attempts as bars over workers: what ran when, how long, and where nothing ran.

use super::ids::{AttemptId, Slot, TaskIdx};
use super::outcome::Outcome;
use super::time::Mono;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One attempt on the axis of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    pub attempt: AttemptId,
    pub task: TaskIdx,
    /// Number of the job in its task, from 1.
    pub index: u32,
    pub slot: Slot,
    /// Workers' worth it takes; the others stand empty beside it.
    pub weight: u32,
    pub start: Mono,
    /// `None` while it runs.
    pub end: Option<Mono>,
    /// `None` while it runs.
    pub outcome: Option<Outcome>,
}

impl Bar {
    /// How long it ran, or has run until `now`.
    pub fn length(&self, now: Mono) -> Duration {
        self.end.unwrap_or(now).since(self.start)
    }

    /// Whether it ran at some moment of a range, both ends included: a range of one moment
    /// gives what ran then.
    pub fn overlaps(&self, from: Mono, to: Mono) -> bool {
        self.start <= to && self.end.is_none_or(|end| end >= from)
    }
}

/// Many bars of one lane in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    pub start: Mono,
    pub end: Mono,
    /// Attempts that began in it, or before the range and go on in it.
    pub count: u32,
    /// Of these, how many ended badly.
    pub bad: u32,
    /// Percent of the stretch in which something ran.
    pub busy_percent: f32,
    /// The task that ran longest in it.
    pub task: Option<TaskIdx>,
}

/// What one worker did in a range of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    pub slot: Slot,
    pub work: LaneWork,
    /// Attempts in the range.
    pub count: u32,
    /// Percent of the time in which the worker existed and was idle; `None` when it did not
    /// exist in the range.
    pub idle_percent: Option<f32>,
}

/// Bars one by one, or merged when there are too many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneWork {
    /// By start.
    Bars(Vec<Bar>),
    /// Equal stretches that cover the range, by start.
    Merged(Vec<Stretch>),
}

/// The answer to `Query::Timeline`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    pub from: Mono,
    pub to: Mono,
    /// Attempts that ended before this moment are not kept any more; `None`: all are.
    pub since: Option<Mono>,
    /// By pool, then slot. At most [`super::limits::SNAPSHOT_WORKERS`].
    pub lanes: Vec<Lane>,
    /// Lanes that did not fit.
    pub lanes_left_out: u32,
    /// The longest attempts that overlap the range, longest first: the long poles.
    pub longest: Vec<Bar>,
}
