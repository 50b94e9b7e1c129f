//! Locks that ganger does not own, as looks from outside saw them: who has each, who waits for it,
//! and what that cost.

use super::{LastOwner, WaitKind};
use crate::model::locks::{Name, Party};
use crate::model::time::Mono;
use serde::{Deserialize, Serialize};

/// Items in a queue that ganger does not own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QueueFill {
    /// Items that have been put and not been got, those on their way among them.
    pub depth: u32,
    /// `None`: it takes any number.
    pub capacity: Option<u32>,
}

/// A lock, or one side of a queue, that somebody was seen to wait for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignLock {
    pub kind: WaitKind,
    /// Tells it from others of its kind, in most cases as [`super::Resource::id`].
    pub id: String,
    /// `#2`, `Lock #2`, a path.
    pub name: String,
    /// Who has it, or may have it, as of the last look; nobody where nobody waits, since only
    /// what is waited for is looked at. At most [`crate::model::limits::VIEW_PARTIES`].
    pub holders: Vec<ForeignHolder>,
    /// It belonged to somebody who is gone, and nobody can give it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_owner: Option<LastOwner>,
    /// Who waited at the last look, the longest first; at most as many.
    pub waiters: Vec<ForeignWaiter>,
    /// All who waited at the last look.
    pub n_waiters: u32,
    /// Of a queue, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<QueueFill>,
    pub stats: ForeignStats,
}

/// What looks have added up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignStats {
    /// Looks in which somebody waited.
    pub looks: u64,
    /// The greatest number of threads that one look saw waiting.
    pub most_waiters: u32,
    /// The time between looks, once for each thread that waited: a sample, not a measurement.
    pub waited_us: u64,
    /// The part of it that jobs waited, each counted once however many of its threads did.
    pub jobs_waited_us: u64,
    /// The longest that one thread was seen to wait.
    pub longest_us: u64,
    /// The last look in which somebody waited.
    pub seen_at: Mono,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignHolder {
    pub party: Party,
    /// An owner is recorded. If not, it is one of those who could give it back.
    pub proven: bool,
    /// By a signal or a debugger.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignWaiter {
    pub party: Party,
    /// Since when it has been seen not to run; a lower bound.
    pub since: Option<Mono>,
    /// The wait ends by itself at some time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timeout: bool,
}

impl ForeignLock {
    /// What tells it from all others, and from ganger's own: none of those begins with `~`.
    pub fn key(&self) -> Name {
        format!("~{}:{}", self.kind.word(), self.id).into()
    }

    /// What it is called: `mutex #2`, `Lock #1`, `/tmp/a.lock`.
    pub fn title(&self) -> String {
        match self.name.strip_prefix('#') {
            Some(_) => format!("{} {}", self.kind.word().replace('_', " "), self.name),
            None => self.name.clone(),
        }
    }

    /// The holders that are proven to have it.
    pub fn owners(&self) -> impl Iterator<Item = &ForeignHolder> {
        self.holders.iter().filter(|holder| holder.proven)
    }
}
