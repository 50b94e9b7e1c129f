//! What can be asked of a primitive, and what comes back.

use super::Name;
use super::cell::CellKind;
use super::view::LockView;
use crate::model::bytes::Text;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which of the lock family is asked for. They share one name: what differs is what a second
/// request of the holder means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockKind {
    /// Waits even when the asker holds it already.
    #[default]
    Lock,
    /// Counts when the asker holds it already, and has to be given back as often.
    Rlock,
    /// With `shared`, many may hold it at the same time.
    Rwlock,
}

/// In which order items leave a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueOrder {
    #[default]
    Fifo,
    Lifo,
    /// The smallest priority first, equal ones in the order of their coming.
    Priority,
}

/// What a value or an entry of a table holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Datum {
    Number(i64),
    Text(Text),
}

/// One request. `timeout_ms`: how long to wait, 0 not at all; without it as long as the run's
/// `wait_timeout` says, else for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Op {
    /// Takes all of these locks or none.
    Acquire {
        names: Vec<Name>,
        #[serde(default)]
        kind: LockKind,
        #[serde(default)]
        shared: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Gives all of these locks back, each once.
    Release {
        names: Vec<Name>,
        /// Also when somebody else holds them.
        #[serde(default)]
        anyone: bool,
    },
    SemaphoreAcquire {
        name: Name,
        /// Permits that it begins with; who comes first decides. 1 without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
        #[serde(default)]
        bounded: bool,
        #[serde(default = "one")]
        n: u32,
        /// The permits belong to the asker and come back when it ends. Without, they are signals
        /// that anybody may give.
        #[serde(default)]
        tied: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// A bounded one refuses to grow beyond its maximum.
    SemaphoreRelease {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
        #[serde(default)]
        bounded: bool,
        #[serde(default = "one")]
        n: u32,
    },
    /// Adds or takes away permits, so that there are `max` altogether.
    SemaphoreResize {
        name: Name,
        max: u32,
    },
    EventSet {
        name: Name,
    },
    EventClear {
        name: Name,
    },
    EventIsSet {
        name: Name,
    },
    EventWait {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Gives `lock` back, sleeps until notified, and takes `lock` again before the answer comes,
    /// also when the time is up.
    ConditionWait {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<Name>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Wakes `n` sleepers, all without.
    ConditionNotify {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n: Option<u32>,
    },
    BarrierWait {
        name: Name,
        /// Who comes first decides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parties: Option<u32>,
        /// Should it be the last to come, it does something before the others go on, and says
        /// so with `barrier_pass`.
        #[serde(default, skip_serializing_if = "is_false")]
        act: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// What was to be done before the others go on is done.
    BarrierPass {
        name: Name,
    },
    BarrierAbort {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parties: Option<u32>,
    },
    BarrierReset {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parties: Option<u32>,
    },
    /// Makes a queue; one that is there already stays as it is.
    QueueCreate {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
        #[serde(default)]
        order: QueueOrder,
    },
    /// Answered when all items are stored.
    QueuePut {
        name: Name,
        items: Vec<Text>,
        /// For a queue that is made by this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
        #[serde(default)]
        priority: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Answered with 1 to `n` items.
    QueueGet {
        name: Name,
        #[serde(default = "one")]
        n: u32,
        /// The items are handed out again when their taker ends without `queue_done`: the job
        /// when the asker belongs to one, and it did not end well; else the process.
        #[serde(default)]
        keep: bool,
        /// With `keep`: the taker is the process, also in a job.
        #[serde(default, skip_serializing_if = "is_false")]
        tied: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Items are dealt with: these, or `n` that were got without `keep`.
    QueueDone {
        name: Name,
        #[serde(default)]
        tickets: Vec<u64>,
        #[serde(default)]
        n: u32,
    },
    QueueLen {
        name: Name,
    },
    /// No item comes any more.
    QueueClose {
        name: Name,
    },
    /// Waits until every item that was put is dealt with.
    QueueJoin {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    ValueGet {
        name: Name,
    },
    ValueSet {
        name: Name,
        value: Datum,
    },
    /// Makes it from 0 when there is none.
    ValueAdd {
        name: Name,
        n: i64,
    },
    /// Sets it to `new` if it is `old` (without: if there is none).
    ValueCas {
        name: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<Datum>,
        new: Datum,
    },
    KvGet {
        name: Name,
        key: Text,
    },
    KvSet {
        name: Name,
        key: Text,
        value: Datum,
    },
    KvDelete {
        name: Name,
        key: Text,
    },
    KvAdd {
        name: Name,
        key: Text,
        n: i64,
    },
    KvList {
        name: Name,
    },
    /// Ends the wait of this client's request `of`, which is then answered with `withdrawn`
    /// (unless its answer is under way).
    Withdraw {
        of: u64,
    },
    /// The live table: of these names, of all without.
    List {
        #[serde(default)]
        names: Vec<Name>,
    },
    /// Hands over the memory that clients share, and a seat in it for the asking thread.
    FastAttach {},
    /// A seat for a further thread, or for a forked process that has the memory already.
    FastSeat {},
    /// The cell of a lock or semaphore in that memory.
    FastOpen {
        name: Name,
        kind: CellKind,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
        #[serde(default, skip_serializing_if = "is_false")]
        bounded: bool,
        /// Filled in by the supervisor: what a client says here counts for nothing.
        #[serde(default, skip_serializing_if = "is_zero")]
        cell: u64,
    },
    /// It was given back in the memory, just when somebody began to wait.
    FastFreed {
        name: Name,
    },
    /// The asker took `second` while it held `first`.
    FastOrder {
        first: Name,
        second: Name,
    },
    /// A thread was interrupted in the middle of a step, and is to hold nothing of this.
    FastLost {
        name: Name,
        seat: u64,
    },
}

impl Op {
    /// The locks and semaphores whose state has to be known before this can be answered.
    pub fn relies_on(&self) -> &[Name] {
        match self {
            Op::Acquire { names, .. } | Op::Release { names, .. } => names,
            Op::SemaphoreAcquire { name, .. }
            | Op::SemaphoreRelease { name, .. }
            | Op::SemaphoreResize { name, .. }
            | Op::FastFreed { name }
            | Op::FastLost { name, .. } => std::slice::from_ref(name),
            Op::ConditionWait { lock: Some(lock), .. } => std::slice::from_ref(lock),
            _ => &[],
        }
    }
}

fn one() -> u32 {
    1
}

/// What a request got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// To `acquire`: the locks whose last owner ended without giving them back.
    Locks { owner_died: Vec<Name> },
    /// To `condition_notify`, `event_set`: how many it woke.
    Woken { woken: u32 },
    /// To `barrier_wait`: the place in the order of coming, from 0.
    /// With `act` it is to do something, and to say so, before the others go on.
    Turn {
        index: u32,
        #[serde(default, skip_serializing_if = "is_false")]
        act: bool,
    },
    /// To `queue_get`. `tickets` has one for each item with `keep`, else it is empty.
    Items { items: Vec<Text>, tickets: Vec<u64> },
    /// To `queue_len`: items in it, room, and whether it is closed.
    Len { len: u64, max: Option<u32>, closed: bool },
    /// To `event_is_set`.
    IsSet { is_set: bool },
    /// To `value_*`, `kv_get` and `kv_add`: what it is now.
    Value { value: Datum },
    /// To `kv_list`.
    Entries { entries: Vec<(Text, Datum)> },
    /// To `list`.
    Table { locks: Vec<LockView> },
    /// To `fast_attach` and `fast_seat`.
    Seat { seat: u64 },
    /// To `fast_open`.
    Cell { cell: u64 },
    /// To everything else.
    Nothing {},
}

/// Why a request got nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub error: Failure,
    /// One sentence.
    pub text: String,
    /// To `queue_put`: items that were stored before it failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stored: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The time is up.
    Timeout,
    /// It would have to wait, and was not to.
    Busy,
    /// The queue is closed (for `queue_get`: and has nothing any more), or the run is ending.
    Closed,
    /// The barrier is broken.
    Broken,
    /// The asker does not hold it.
    NotOwner,
    /// The name is of another kind of primitive.
    WrongKind,
    /// The request makes no sense.
    Invalid,
    /// More than a limit allows.
    TooLarge,
    /// There is no such thing.
    Gone,
    /// `value_cas` found something else.
    Changed,
    /// The wait was withdrawn.
    Withdrawn,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(error: Failure, text: impl Into<String>) -> Refusal {
        Refusal { error, text: text.into(), stored: 0 }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
