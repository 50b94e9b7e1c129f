//! A task: its jobs, and what it waits for.

use super::cell::{self, Place};
use crate::model::each::EachMap;
use crate::model::{Counts, JobNo, Outcome, TaskIdx};
use crate::plan::{NeedWhen, Schedule};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// How far the reading of a task's inputs is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Inputs {
    #[default]
    Unread,
    /// Asked for, since the needs have ended.
    Expanding,
    Read,
    Failed {
        error: String,
    },
    /// They will not be read: the task is skipped, or the run is ending.
    Closed,
}

/// Whether a task's needs of whole tasks let its jobs start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Gate {
    /// This many needed tasks have not ended.
    Waiting(u32),
    Open,
    /// They wait for what its `locks` and `uses` name.
    Locked,
    /// Some needed task did not end as needed.
    Shut,
}

/// A task at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Task {
    pub inputs: Inputs,
    /// Number of its first job; 0 while it has none.
    pub first: u32,
    pub cells: Vec<u64>,
    /// Idle jobs have ended like this, all of them at once.
    pub rest: Option<Outcome>,
    /// Idle jobs that have not ended by `rest`.
    pub idle: u32,
    /// No idle job before this position. Not used with job-to-job needs.
    pub cursor: u32,
    pub queued: BTreeSet<u32>,
    /// By position of the need; `Some` for job-to-job needs whose map has come.
    pub links: Vec<Option<EachMap>>,
    /// Per job, over all links: needed jobs that have not ended. Empty without links.
    pub each_left: Vec<u32>,
    /// Needed tasks that have not ended, without those linked job to job.
    pub needs_left: u32,
    /// Needed tasks that have not ended, all of them.
    pub needs_open: u32,
    /// Needs that ended otherwise than needed.
    pub needs_unmet: u32,
    /// `Some` when the task has ended; whether all of its jobs are good.
    pub ended: Option<bool>,
    pub counts: Counts,
    /// Its next job waits for what it takes.
    pub awaits: bool,
    /// It is in its pool's `startable`.
    pub listed: bool,
}

impl Task {
    pub fn is_linked(&self) -> bool {
        !self.each_left.is_empty()
    }

    pub fn count(&self) -> u32 {
        self.cells.len() as u32
    }

    pub fn gate(&self) -> Gate {
        match (self.needs_unmet, self.needs_left) {
            (0, 0) if self.awaits => Gate::Locked,
            (0, 0) => Gate::Open,
            (0, left) => Gate::Waiting(left),
            _ => Gate::Shut,
        }
    }

    /// Number of the job at a position.
    pub fn job(&self, index: u32) -> JobNo {
        JobNo(self.first + index)
    }

    /// Where a job is, with `rest` taken into account.
    pub fn place(&self, index: u32) -> Place {
        match (cell::place(self.cells[index as usize]), self.rest) {
            (Place::Idle, Some(outcome)) => Place::Ended(outcome),
            (place, _) => place,
        }
    }

    /// Whether a need is of the whole task. One with `each` is too when no map came with the
    /// jobs: the needed task had no jobs at that time, since its inputs were not to be read.
    pub fn needs_whole(&self, need: usize, each: bool) -> bool {
        !each || (self.inputs == Inputs::Read && self.links[need].is_none())
    }

    /// A task whose inputs will never be known has no jobs to be linked to.
    pub fn is_void(&self) -> bool {
        matches!(self.inputs, Inputs::Failed { .. } | Inputs::Closed)
    }

    pub fn is_unread(&self) -> bool {
        matches!(self.inputs, Inputs::Unread | Inputs::Expanding)
    }
}

/// Who needs whom and who comes first: what follows from the schedule alone.
#[derive(Debug, PartialEq)]
pub(super) struct Web {
    /// By needed task.
    pub dependents: Vec<Vec<Dependent>>,
    /// By task: its place in the order of starting.
    pub rank: Vec<u32>,
    pub by_rank: Vec<TaskIdx>,
}

/// A task that needs another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dependent {
    pub task: TaskIdx,
    /// Position in its `needs`.
    pub need: usize,
    pub when: NeedWhen,
    pub each: bool,
}

impl Web {
    pub fn new(schedule: &Schedule) -> Web {
        let mut dependents = vec![Vec::new(); schedule.tasks.len()];
        for (task, rules) in (0u32..).zip(&schedule.tasks) {
            for (position, need) in rules.needs.iter().enumerate() {
                dependents[need.task.0 as usize].push(Dependent {
                    task: TaskIdx(task),
                    need: position,
                    when: need.when,
                    each: need.each,
                });
            }
        }
        let mut by_rank: Vec<TaskIdx> = (0..schedule.tasks.len() as u32).map(TaskIdx).collect();
        by_rank.sort_by_key(|t| (Reverse(schedule.tasks[t.0 as usize].priority), t.0));
        let mut rank = vec![0; by_rank.len()];
        for (place, task) in (0u32..).zip(&by_rank) {
            rank[task.0 as usize] = place;
        }
        Web { dependents, rank, by_rank }
    }
}

/// Whether a needed task or job that ended well, or not, is what `when` asks for.
pub(in crate::engine) fn satisfies(when: NeedWhen, good: bool) -> bool {
    match when {
        NeedWhen::Succeeded => good,
        NeedWhen::Failed => !good,
        NeedWhen::Always => true,
    }
}
