//! What is seen of locks and semaphores in the memory that clients share:
//! `docs/protocol-fast.md`.

use super::Party;
use crate::model::time::Mono;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a cell of the shared memory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    Lock,
    Rlock,
    Semaphore,
}

/// What was in a cell when it was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "found")]
pub enum CellFound {
    /// Nobody has the lock.
    Free,
    /// So many permits came out of the memory.
    Permits { n: u64 },
    /// Somebody took the lock there. It may give it back there once more, so it is looked at again
    /// before anybody relies on it.
    Held { party: Party, since: Mono },
    /// The lock went with an owner that has ended, as far as it is known with this one.
    Orphaned { party: Option<Party> },
    /// A client is in the middle of taking it or giving it back: it counts as taken until more is
    /// known.
    Unclear,
}

/// What a cell looks like to people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellView {
    /// The cell is open, and somebody has it.
    pub holder: Option<(Party, Mono)>,
    /// Permits in it.
    pub permits: u32,
    /// How often it was taken there.
    pub taken: u64,
    /// For how long it was held there, to an eighth, and how often so long.
    pub holds: Vec<(Duration, u64)>,
}
