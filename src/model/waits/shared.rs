//! Waits for what the jobs of a run share, as ganger itself knows them.

use super::WaitKind;
use crate::model::ids::{AttemptId, ProcRef};
use crate::model::locks::{Name, Owner, Party};
use serde::{Deserialize, Serialize};

/// All of them, at one moment, and whose they may be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SharedWaits {
    /// The process that answers: who waits, waits for a message from it.
    pub supervisor: i32,
    /// Attempts that run, each with its leader.
    pub attempts: Vec<(AttemptId, ProcRef)>,
    pub waits: Vec<SharedWait>,
}

/// A request that has not been answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharedWait {
    pub party: Party,
    /// [`WaitKind::GangerLock`], [`WaitKind::GangerQueue`] or [`WaitKind::GangerOther`].
    pub kind: WaitKind,
    /// What it waits for; several names where it takes all or none.
    pub names: Vec<Name>,
    /// Every one of these has to be done, each by any of its owners. Empty: anybody who uses it
    /// may end the wait.
    pub needs: Vec<Vec<Owner>>,
    /// Ends by itself at some time.
    pub timeout: bool,
}
