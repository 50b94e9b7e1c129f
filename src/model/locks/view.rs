//! What the primitives of a run look like at one moment, for front ends.

use super::op::QueueOrder;
use super::{Name, Party};
use crate::model::ids::{JobNo, TaskIdx};
use crate::model::query::Durations;
use crate::model::time::Mono;
use crate::model::waits::ThreadRef;
use crate::model::waits::foreign::ForeignLock;
use crate::model::waits::stuck::Stuck;
use serde::{Deserialize, Serialize};

/// The primitives of a run at one moment, for a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SharedView {
    /// Those with waiters first, then those that cost most time. At most
    /// [`crate::model::limits::SNAPSHOT_LOCKS`].
    pub locks: Vec<LockView>,
    /// All there are.
    pub total: u32,
    /// All waits of processes of jobs together, with those that are going on.
    #[serde(default)]
    pub lost_us: u64,
    /// Circles of waits at this moment, oldest first.
    pub deadlocks: Vec<Deadlock>,
    /// Locks that ganger does not own and somebody was seen to wait for: those with waiters first,
    /// then those that cost most time. At most [`crate::model::limits::SNAPSHOT_FOREIGN`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<ForeignLock>,
    /// All of them that are remembered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub foreign_total: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// A primitive at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockView {
    pub name: Name,
    #[serde(flatten)]
    pub state: LockState,
    /// For locks and tied permits: who has it. For queues: who has items that are not dealt
    /// with. At most [`crate::model::limits::VIEW_PARTIES`].
    pub holders: Vec<HolderView>,
    /// In the order in which they get their turn; at most as many.
    pub waiters: Vec<WaiterView>,
    /// All who wait.
    pub n_waiters: u32,
    pub stats: LockStats,
}

/// What is special to each kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum LockState {
    Lock,
    Rlock,
    Rwlock,
    Semaphore {
        value: u32,
        max: u32,
    },
    BoundedSemaphore {
        value: u32,
        max: u32,
    },
    Event {
        set: bool,
    },
    Condition,
    Barrier {
        parties: u32,
        waiting: u32,
        broken: bool,
    },
    Queue {
        depth: u64,
        capacity: Option<u32>,
        order: QueueOrder,
        closed: bool,
        /// Items since the start.
        puts: u64,
        gets: u64,
        /// Over the last ten seconds.
        #[serde(default)]
        puts_per_s: f32,
        #[serde(default)]
        gets_per_s: f32,
        /// Got and not dealt with, with `keep`.
        kept: u64,
        waiting_putters: u32,
        waiting_getters: u32,
    },
    Value {
        /// In short.
        value: String,
    },
    Kv {
        entries: u64,
    },
}

impl LockState {
    /// The kind's one word.
    pub fn word(&self) -> &'static str {
        match self {
            LockState::Lock => "lock",
            LockState::Rlock => "rlock",
            LockState::Rwlock => "rwlock",
            LockState::Semaphore { .. } => "semaphore",
            LockState::BoundedSemaphore { .. } => "bounded_semaphore",
            LockState::Event { .. } => "event",
            LockState::Condition => "condition",
            LockState::Barrier { .. } => "barrier",
            LockState::Queue { .. } => "queue",
            LockState::Value { .. } => "value",
            LockState::Kv { .. } => "kv",
        }
    }
}

/// Who has a primitive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HolderView {
    pub party: Party,
    pub since: Mono,
    /// Times it took it, or permits or items.
    pub count: u32,
    pub shared: bool,
}

/// Who waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaiterView {
    pub party: Party,
    pub since: Mono,
    /// For what: `exclusive`, `shared`, `set`, `notify`, `parties`, `put`, `get`, `join`,
    /// `permits`, `job` (a job that has not started).
    pub wants: String,
    /// When the wait ends by itself.
    pub until: Option<Mono>,
}

/// What a job waits for at one moment, whoever saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitFor {
    /// In few words: `db`, `put frames`.
    pub what: String,
    /// Who stands in the way, in words, as far as that is known.
    pub holder: Option<String>,
    /// The job that the holder belongs to.
    pub holder_job: Option<JobNo>,
    pub since: Mono,
    /// It is part of a circle of waits.
    pub in_circle: bool,
}

impl WaitFor {
    /// `db, up to sleep 4711`: what, and who could end it.
    pub fn words(&self) -> String {
        match &self.holder {
            Some(holder) => format!("{}, up to {holder}", self.what),
            None => self.what.clone(),
        }
    }
}

/// What a primitive has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LockStats {
    pub acquisitions: u64,
    /// Acquisitions that had to wait.
    pub waited: u64,
    /// All waits together, with those that are still going on.
    pub lost_us: u64,
    /// The part of it that processes of jobs waited, while they had a worker.
    #[serde(default)]
    pub jobs_lost_us: u64,
    /// Of waits that have ended.
    pub wait: Option<Durations>,
    pub hold: Option<Durations>,
}

/// A circle of waits: none of its members goes on unless somebody steps in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deadlock {
    /// Counts up; one for each circle.
    pub id: u64,
    pub at: Mono,
    /// In the order of the circle: each waits for the next, the last for the first.
    pub members: Vec<Member>,
    /// Place in `members` of the one whose request closed the circle.
    pub closed_by: u32,
    /// Others that wait for members and are in no circle themselves.
    pub behind: u32,
    /// When the first of its waits ends by the run's `wait_timeout`.
    pub until: Option<Mono>,
    /// The engine's numbers of the waits that it is made of.
    #[serde(default)]
    pub waits: Vec<u64>,
    /// Threads that were seen from outside to be stuck; empty for a circle of primitives that
    /// ganger knows itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<ThreadRef>,
    /// In one sentence.
    pub text: String,
}

impl Deadlock {
    /// Returns a circle that was seen from outside.
    pub fn of_seen(stuck: Stuck) -> Deadlock {
        // Whose wait came last has closed it.
        let last = stuck.members.iter().enumerate().max_by_key(|(_, member)| member.since);
        let closed_by = last.map_or(0, |(place, _)| place as u32);
        Deadlock {
            id: stuck.id,
            at: stuck.at,
            members: stuck.members,
            closed_by,
            behind: stuck.behind,
            until: None,
            waits: Vec::new(),
            seen: stuck.threads,
            text: stuck.text,
        }
    }
}

/// One of a circle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub party: Party,
    pub job: Option<JobNo>,
    pub task: Option<TaskIdx>,
    /// What it has that the one before it wants.
    pub holds: Vec<Name>,
    /// What it waits for.
    pub wants: Vec<Name>,
    pub since: Mono,
}
