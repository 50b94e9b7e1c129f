//! A running attempt, from its launch to its end.

use crate::model::snapshot::Stopping;
use crate::model::{AttemptId, Exit, Mono, ProcRef, Requester, Slot, StopReason, TaskIdx, Usage};
use std::time::Duration;

/// One try of a job that has begun and not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub id: AttemptId,
    pub task: TaskIdx,
    /// Position of the job in its task, from 0.
    pub index: u32,
    pub slot: Slot,
    /// Workers' worth it takes, fixed at its launch.
    pub weight: u32,
    pub launched: Mono,
    pub phase: AttemptPhase,
    pub stopping: Option<StopState>,
    pub quiet_since: Option<Mono>,
    /// It stands still since then: a pause covers it and it is not being stopped.
    pub frozen_since: Option<Mono>,
    /// How long it stood still in earlier pauses.
    pub frozen_before: Duration,
}

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptPhase {
    /// Asked for; no process is known.
    Launching,
    Running {
        proc: ProcRef,
        since: Mono,
    },
    /// The leader has ended, something of its tree is alive.
    LeaderEnded {
        proc: Option<ProcRef>,
        since: Mono,
        /// `None`: somebody else reaped it.
        exit: Option<Exit>,
        usage: Usage,
        oom_killed: Option<bool>,
        /// Why it was being stopped when the leader ended; later requests do not change how
        /// the leader ended.
        reason: Option<StopReason>,
    },
}

/// An attempt on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct StopState {
    pub reason: StopReason,
    pub kill_at: Mono,
    pub by: Requester,
    /// Asked for when somebody had already asked for the end of the run.
    pub after_run_stop: bool,
}

impl Attempt {
    /// The leader's process, once it has started.
    pub fn proc(&self) -> Option<ProcRef> {
        match &self.phase {
            AttemptPhase::Launching => None,
            AttemptPhase::Running { proc, .. } => Some(*proc),
            AttemptPhase::LeaderEnded { proc, .. } => *proc,
        }
    }

    /// When its process started; when it was launched, before that is known.
    pub fn since(&self) -> Mono {
        match &self.phase {
            AttemptPhase::Launching => self.launched,
            AttemptPhase::Running { since, .. } | AttemptPhase::LeaderEnded { since, .. } => *since,
        }
    }

    /// How long it has stood still altogether; does not count against its timeout.
    pub fn paused(&self, now: Mono) -> Duration {
        self.frozen_before + self.frozen_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.frozen_since.is_some()
    }

    pub fn leader_ended(&self) -> bool {
        matches!(self.phase, AttemptPhase::LeaderEnded { .. })
    }

    /// Why it is being stopped and until when, for snapshots.
    pub fn stopping(&self) -> Option<Stopping> {
        self.stopping.as_ref().map(|stop| Stopping {
            reason: stop.reason,
            kill_at: stop.kill_at,
            leader_ended: self.leader_ended(),
        })
    }
}
