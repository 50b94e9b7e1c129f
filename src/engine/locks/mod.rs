//! The primitives that jobs share, as a pure machine: who holds what, who waits, who is next.
//!
//! [`LockTable::apply`] takes in one [`LockChange`] and returns what is to be told; nothing else
//! changes the table but the jobs that take what their task says. Every request is a wait that
//! may be over at once, so there is one way to be served, in the order of coming.
//!
//! # Decisions
//!
//! - **Owners** are processes or threads, not connections. Their death gives back what they hold
//!   and ends their waits; the end of a connection only ends its waits.
//! - **Fairness.** Nobody overtakes one who waits for a single thing. One who waits for several
//!   holds none of them meanwhile: whatever is free stays free for others, since keeping it could
//!   close a circle that nobody asked for. It may be overtaken so often; then what is free is kept
//!   for it, for a short time that ends by itself.
//! - **Jobs** that wait to take what their task says come before processes that came later, if
//!   they can start at that moment; a free lock never waits for a free worker.

mod cells;
mod data;
mod family;
mod graph;
mod queue;
mod rate;
mod refusals;
mod sync;
mod view;
mod waits;

#[cfg(test)]
mod tests;

pub use graph::{Circle, Link, sentence};
pub use view::GoingOn;

use crate::model::limits::{ENDLESS_WAIT, PRIMITIVES, RESERVATION, WAITS};
use crate::model::locks::{
    ClientNo, Datum, Failure, Given, LockChange, LockKind, LockNotice, Name, Op, Owner, Party,
    Refusal, is_name,
};
use crate::model::{AttemptId, Histogram, Mono, ProcRef, TaskIdx, Text};
use crate::plan::{Declared, SharedRules, Takes};
use cells::Cell;
use queue::Queue;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Processes whose end is remembered: a request may be on its way when its process ends.
const REMEMBERED_DEAD: usize = 4096;

/// Number of a wait, in the order of coming.
pub type WaitNo = u64;

type Result<T> = std::result::Result<T, Refusal>;

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Answer { client: ClientNo, id: u64, result: Result<Given> },
    Notice(LockNotice),
}

/// All primitives of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct LockTable {
    rules: SharedRules,
    things: BTreeMap<Name, Thing>,
    waits: BTreeMap<WaitNo, Wait>,
    requests: BTreeMap<(ClientNo, u64), WaitNo>,
    waiting: BTreeMap<Owner, BTreeSet<WaitNo>>,
    /// Waits of the processes of an attempt.
    of_attempt: BTreeMap<AttemptId, BTreeSet<WaitNo>>,
    holding: BTreeMap<Owner, BTreeSet<Name>>,
    /// Tasks whose next job waits for what it takes.
    tasks: BTreeMap<TaskIdx, TaskWait>,
    deadlines: BTreeSet<(Mono, WaitNo)>,
    /// When a lock has been held for longer than `hold_warn`.
    long_holds: BTreeSet<(Mono, Name, Owner)>,
    /// When a wait that no time ends has gone on for long.
    endless: BTreeSet<(Mono, WaitNo)>,
    /// What somebody was told to wait for without an end.
    told_endless: BTreeSet<Name>,
    /// What the processes of jobs lost in waits that are over.
    lost: Duration,
    /// What was left free for jobs that came before those who wait.
    owed: BTreeSet<Name>,
    dead: VecDeque<ProcRef>,
    /// Which lock was taken while which was held, and by whom first; `None`: told already.
    orders: BTreeMap<(Name, Name), Orders>,
    next: WaitNo,
    /// Sleepers of conditions that will come back for a lock.
    sleepers: BTreeMap<Name, u32>,
    /// Things with a closed cell that have changed since somebody looked.
    touched: BTreeSet<Name>,
    /// Bytes of items, values and tables.
    bytes: usize,
    now: Mono,
    /// Waits that have begun since somebody looked, for the graph.
    begun: Vec<WaitNo>,
    told: Vec<Told>,
}

/// One primitive.
#[derive(Clone, Debug, PartialEq)]
struct Thing {
    kind: Kind,
    cell: Option<Cell>,
    holds: Vec<Hold>,
    queue: BTreeSet<WaitNo>,
    tasks: BTreeSet<(WaitNo, TaskIdx)>,
    stats: Stats,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// With `orphaned` its last owner ended without giving it back.
    Lock {
        kind: LockKind,
        orphaned: bool,
    },
    /// `free` is below zero after a resize, until enough has been given back.
    Semaphore {
        free: i64,
        max: u32,
        bounded: bool,
    },
    Event {
        set: bool,
    },
    Condition,
    Barrier {
        parties: u32,
        broken: bool,
        /// All have come, and the last of them does something before the others go on.
        acting: Option<Owner>,
    },
    Queue(Queue),
    Value(Datum),
    Kv(BTreeMap<Text, Datum>),
}

/// Somebody who has a lock, or tied permits.
#[derive(Clone, Debug, PartialEq)]
struct Hold {
    party: Party,
    since: Mono,
    count: u32,
    shared: bool,
    /// It was taken in the memory that clients share, and may have been given back there.
    from_cell: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Stats {
    acquisitions: u64,
    waited: u64,
    lost: Duration,
    /// By processes of jobs.
    jobs_lost: Duration,
    wait: Histogram,
    hold: Histogram,
}

/// A request that has not been answered.
#[derive(Clone, Debug, PartialEq)]
struct Wait {
    client: ClientNo,
    id: u64,
    party: Party,
    since: Mono,
    until: Option<Mono>,
    /// It said itself how long it waits.
    own_timeout: bool,
    want: Want,
    overtaken: u32,
    /// Until then what is free of its names is kept for it.
    reserved: Option<Mono>,
}

#[derive(Clone, Debug, PartialEq)]
enum Want {
    Locks { names: Vec<Name>, kind: LockKind, shared: bool, back: Option<Back> },
    Permits { name: Name, n: u32, tied: bool },
    Set { name: Name },
    Notify { condition: Name, lock: Option<Relock> },
    Parties { name: Name, act: bool },
    Put { name: Name, items: VecDeque<Text>, priority: i64, stored: u64 },
    Get { name: Name, n: u32, keep: bool, tied: bool },
    Join { name: Name },
}

/// The lock that a sleeper takes again.
#[derive(Clone, Debug, PartialEq)]
struct Relock {
    name: Name,
    count: u32,
    shared: bool,
}

/// A sleeper that was woken, on its way back to its lock.
#[derive(Clone, Debug, PartialEq)]
struct Back {
    condition: Name,
    count: u32,
    result: Result<Given>,
}

#[derive(Clone, Debug, PartialEq)]
struct TaskWait {
    no: WaitNo,
    since: Mono,
    takes: Takes,
}

/// In which ways one lock was taken while another was held.
#[derive(Clone, Debug, Default, PartialEq)]
struct Orders {
    /// By whom first, for each of the ways.
    seen: Vec<Order>,
    /// It has been told that they are taken in both orders.
    told: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Order {
    party: Party,
    /// Whether the first and the second were shared with others.
    shared: (bool, bool),
}

/// Who asks, and how long it would wait.
struct Request {
    client: ClientNo,
    id: u64,
    party: Party,
    timeout_ms: Option<u64>,
}

impl Want {
    fn names(&self) -> &[Name] {
        match self {
            Want::Locks { names, .. } => names,
            Want::Permits { name, .. }
            | Want::Set { name }
            | Want::Notify { condition: name, .. }
            | Want::Parties { name, .. }
            | Want::Put { name, .. }
            | Want::Get { name, .. }
            | Want::Join { name } => std::slice::from_ref(name),
        }
    }

    /// Waits for several locks at once.
    fn is_many(&self) -> bool {
        self.names().len() > 1
    }
}

impl Thing {
    fn new(kind: Kind) -> Thing {
        Thing {
            kind,
            cell: None,
            holds: Vec::new(),
            queue: BTreeSet::new(),
            tasks: BTreeSet::new(),
            stats: Stats::default(),
        }
    }

    /// The kind's one word, for refusals.
    fn word(&self) -> &'static str {
        match &self.kind {
            Kind::Lock { .. } => "a lock",
            Kind::Semaphore { .. } => "a semaphore",
            Kind::Event { .. } => "an event",
            Kind::Condition => "a condition",
            Kind::Barrier { .. } => "a barrier",
            Kind::Queue(_) => "a queue",
            Kind::Value(_) => "a value",
            Kind::Kv(_) => "a table",
        }
    }
}

impl LockTable {
    /// Makes the table of a run with what its task file declares.
    pub fn new(rules: &SharedRules) -> LockTable {
        let kind = |declared: &Declared| match declared {
            Declared::Lock(kind) => Kind::Lock { kind: *kind, orphaned: false },
            Declared::Semaphore { max } => {
                Kind::Semaphore { free: i64::from(*max), max: *max, bounded: true }
            }
            Declared::Event => Kind::Event { set: false },
            Declared::Barrier { parties } => {
                Kind::Barrier { parties: *parties, broken: false, acting: None }
            }
            Declared::Queue { max, order } => Kind::Queue(Queue::new(*max, *order)),
            Declared::Value(value) => Kind::Value(value.clone()),
        };
        let things = rules.declared.iter().map(|(name, d)| (name.clone(), Thing::new(kind(d))));
        LockTable {
            things: things.collect(),
            rules: rules.clone(),
            waits: BTreeMap::new(),
            requests: BTreeMap::new(),
            waiting: BTreeMap::new(),
            of_attempt: BTreeMap::new(),
            holding: BTreeMap::new(),
            tasks: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            long_holds: BTreeSet::new(),
            endless: BTreeSet::new(),
            told_endless: BTreeSet::new(),
            lost: Duration::ZERO,
            owed: BTreeSet::new(),
            dead: VecDeque::new(),
            orders: BTreeMap::new(),
            next: 1,
            sleepers: BTreeMap::new(),
            touched: BTreeSet::new(),
            bytes: 0,
            now: Mono::default(),
            begun: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Takes in one change and returns what is to be told, in order.
    pub fn apply(&mut self, now: Mono, change: &LockChange) -> Vec<Told> {
        self.now = self.now.max(now);
        match change {
            LockChange::Asked { client, id, party, op } => self.ask(*client, *id, party, op),
            LockChange::Left { client } => self.left(*client),
            LockChange::Died { proc } => self.died(*proc),
            LockChange::TimePassed => self.pass_time(),
            LockChange::Settled => self.settle(),
            LockChange::CellSeen { name, found } => self.cell_seen(name, found),
            LockChange::CellOpened { name } => self.cell_opened(name),
        }
        std::mem::take(&mut self.told)
    }

    /// When something happens by itself next; a [`LockChange::TimePassed`] is due then.
    pub fn deadline(&self) -> Option<Mono> {
        let wait = self.deadlines.first().map(|(at, _)| *at);
        let hold = self.long_holds.first().map(|(at, ..)| *at);
        let endless = self.endless.first().map(|(at, _)| *at);
        [wait, hold, endless].into_iter().flatten().min()
    }

    /// Whether something is free that nobody was given because a job came before; after the jobs
    /// had their chance a [`LockChange::Settled`] is due.
    pub fn is_owing(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether the process of this client's party is of use to anybody: it holds or waits.
    pub fn knows(&self, proc: ProcRef) -> bool {
        self.owners_of(proc).next().is_some()
    }

    // ---- requests

    fn ask(&mut self, client: ClientNo, id: u64, party: &Party, op: &Op) {
        if party.proc.is_some_and(|proc| self.dead.contains(&proc)) {
            let refusal = Refusal::new(Failure::Gone, format!("{party} has ended"));
            return self.answer(client, id, Err(refusal));
        }
        if self.requests.contains_key(&(client, id)) {
            let text = format!("request {id} of this connection is still waiting");
            return self.answer(client, id, Err(Refusal::new(Failure::Invalid, text)));
        }
        for name in op.relies_on() {
            self.touch(name);
        }
        let request =
            |timeout_ms: Option<u64>| Request { client, id, party: party.clone(), timeout_ms };
        match self.do_op(op, party, &request) {
            Ok(Some(given)) => self.answer(client, id, Ok(given)),
            // It waits, or has been answered while it was served.
            Ok(None) => {}
            Err(refusal) => self.answer(client, id, Err(refusal)),
        }
    }

    /// `Ok(None)`: the request has become a wait.
    fn do_op(
        &mut self,
        op: &Op,
        party: &Party,
        request: &dyn Fn(Option<u64>) -> Request,
    ) -> Result<Option<Given>> {
        match op {
            Op::Acquire { names, kind, shared, timeout_ms } => {
                self.acquire(request(*timeout_ms), names, *kind, *shared)
            }
            Op::Release { names, anyone } => self.release(party, names, *anyone).map(Some),
            Op::SemaphoreAcquire { .. }
            | Op::SemaphoreRelease { .. }
            | Op::SemaphoreResize { .. } => self.semaphore(op, party, request),
            Op::EventSet { .. }
            | Op::EventClear { .. }
            | Op::EventIsSet { .. }
            | Op::EventWait { .. } => self.event(op, request),
            Op::ConditionWait { name, lock, timeout_ms } => {
                self.condition_wait(request(*timeout_ms), name, lock.as_ref())
            }
            Op::ConditionNotify { name, n } => self.condition_notify(name, *n).map(Some),
            Op::BarrierWait { name, parties, act, timeout_ms } => {
                self.barrier_wait(request(*timeout_ms), name, *parties, *act)
            }
            Op::BarrierPass { name } => self.barrier_pass(party, name).map(Some),
            Op::BarrierAbort { name, parties } => self.barrier_end(name, *parties, true).map(Some),
            Op::BarrierReset { name, parties } => self.barrier_end(name, *parties, false).map(Some),
            Op::QueueCreate { .. }
            | Op::QueuePut { .. }
            | Op::QueueGet { .. }
            | Op::QueueDone { .. }
            | Op::QueueLen { .. }
            | Op::QueueClose { .. }
            | Op::QueueJoin { .. } => self.queue_op(op, request),
            Op::ValueGet { .. }
            | Op::ValueSet { .. }
            | Op::ValueAdd { .. }
            | Op::ValueCas { .. } => self.value_op(op).map(Some),
            Op::KvGet { .. }
            | Op::KvSet { .. }
            | Op::KvDelete { .. }
            | Op::KvAdd { .. }
            | Op::KvList { .. } => self.kv_op(op).map(Some),
            Op::Withdraw { of } => self.withdraw(request(None).client, *of).map(Some),
            Op::List { names } => Ok(Some(Given::Table { locks: self.list(names) })),
            Op::FastAttach {}
            | Op::FastSeat {}
            | Op::FastOpen { .. }
            | Op::FastFreed { .. }
            | Op::FastOrder { .. }
            | Op::FastLost { .. } => self.cell_op(op, party, request),
        }
    }

    /// The primitive of a name, made by `make` if there is none.
    fn thing(&mut self, name: &Name, make: impl FnOnce() -> Kind) -> Result<&mut Thing> {
        if !self.things.contains_key(name) {
            if !is_name(name) {
                let text = "a name has letters, digits and `_.:/-`, 200 at the most, and begins \
                            with a letter, a digit or `_`";
                return Err(Refusal::new(Failure::Invalid, text));
            }
            if self.things.len() >= PRIMITIVES {
                let text = format!("a run has at most {PRIMITIVES} shared primitives");
                return Err(Refusal::new(Failure::TooLarge, text));
            }
        }
        Ok(self.things.entry(name.clone()).or_insert_with(|| Thing::new(make())))
    }

    // ---- waits

    /// Makes a wait of a request and serves what it waits for. Refused at once when it is not to
    /// wait; then `Busy`.
    fn enlist(&mut self, request: Request, want: Want) -> Result<Option<Given>> {
        if self.waits.len() >= WAITS {
            let text = format!("{WAITS} requests wait already");
            return Err(Refusal::new(Failure::TooLarge, text));
        }
        let Request { client, id, party, timeout_ms } = request;
        let wait = Wait {
            client,
            id,
            party,
            since: self.now,
            until: None,
            own_timeout: timeout_ms.is_some(),
            want,
            overtaken: 0,
            reserved: None,
        };
        let no = self.insert(wait);
        // One that does not wait cannot let a job go first.
        let settling = timeout_ms == Some(0);
        self.serve_for(no, settling);
        if !self.waits.contains_key(&no) {
            return Ok(None);
        }
        if settling {
            self.refuse(no, Failure::Busy);
            return Ok(None);
        }
        let timeout = match timeout_ms {
            Some(ms) => Some(Duration::from_millis(ms)),
            None => self.rules.wait_timeout,
        };
        self.begun.push(no);
        if let (Some(timeout), Some(wait)) = (timeout, self.waits.get_mut(&no)) {
            let until = self.now + timeout;
            wait.until = Some(until);
            self.deadlines.insert((until, no));
        } else if timeout.is_none() {
            self.watch_endless(no);
        }
        Ok(None)
    }

    fn insert(&mut self, wait: Wait) -> WaitNo {
        let no = self.next;
        self.next += 1;
        self.requests.insert((wait.client, wait.id), no);
        self.waiting.entry(wait.party.owner()).or_default().insert(no);
        if let Some(attempt) = wait.party.attempt {
            self.of_attempt.entry(attempt).or_default().insert(no);
        }
        for name in wait.want.names() {
            // What its owner may take again whoever else waits, it does not queue for.
            if let Some(thing) = self.things.get_mut(name)
                && !family::is_again(thing, &wait)
            {
                thing.queue.insert(no);
            }
        }
        if let Want::Notify { lock: Some(lock), .. } = &wait.want {
            *self.sleepers.entry(lock.name.clone()).or_default() += 1;
        }
        self.waits.insert(no, wait);
        no
    }

    /// Takes a wait out of every list.
    fn remove(&mut self, no: WaitNo) -> Option<Wait> {
        let wait = self.waits.remove(&no)?;
        self.requests.remove(&(wait.client, wait.id));
        let owner = wait.party.owner();
        if let Some(all) = self.waiting.get_mut(&owner) {
            all.remove(&no);
            if all.is_empty() {
                self.waiting.remove(&owner);
            }
        }
        if let Some(attempt) = wait.party.attempt
            && let Some(all) = self.of_attempt.get_mut(&attempt)
        {
            all.remove(&no);
            if all.is_empty() {
                self.of_attempt.remove(&attempt);
            }
        }
        for name in wait.want.names() {
            if let Some(thing) = self.things.get_mut(name) {
                thing.queue.remove(&no);
            }
            self.touch(name);
        }
        if let Want::Notify { lock: Some(lock), .. } = &wait.want {
            if let Some(n) = self.sleepers.get_mut(&lock.name) {
                *n -= 1;
                if *n == 0 {
                    self.sleepers.remove(&lock.name);
                }
            }
            self.touch(&lock.name);
        }
        for at in [wait.until, wait.reserved].into_iter().flatten() {
            self.deadlines.remove(&(at, no));
        }
        self.endless.remove(&(wait.since + ENDLESS_WAIT, no));
        Some(wait)
    }

    fn serve_for(&mut self, no: WaitNo, settling: bool) {
        let Some(wait) = self.waits.get(&no) else { return };
        let names = wait.want.names().to_vec();
        if names.iter().all(|n| self.things.get(n).is_some_and(|t| !t.queue.contains(&no))) {
            // All of it is its own already.
            return self.grant_locks(no);
        }
        self.serve_all(&names, settling);
    }

    /// Gives whoever waits for this what can be given.
    fn serve(&mut self, name: &Name, settling: bool) {
        self.serve_all(std::slice::from_ref(name), settling);
    }

    fn serve_all(&mut self, names: &[Name], settling: bool) {
        self.serve_family(names, settling);
        for name in names {
            self.serve_other(name);
        }
    }

    fn serve_other(&mut self, name: &Name) {
        match self.things.get(name).map(|thing| &thing.kind) {
            Some(Kind::Event { set: true }) => {
                self.grant_all(name, |_| true);
            }
            Some(Kind::Barrier { .. }) => self.serve_barrier(name),
            Some(Kind::Queue(_)) => self.serve_queue(name),
            _ => {}
        }
    }

    /// Grants all waits of one thing that are of a sort; returns how many.
    fn grant_all(&mut self, name: &Name, of_sort: impl Fn(&Want) -> bool) -> u32 {
        let Some(thing) = self.things.get(name) else { return 0 };
        let sort = |no: &WaitNo| self.waits.get(no).is_some_and(|wait| of_sort(&wait.want));
        let all: Vec<WaitNo> = thing.queue.iter().copied().filter(sort).collect();
        for no in &all {
            self.finish(*no, Ok(Given::Nothing {}));
        }
        all.len() as u32
    }

    /// Ends a wait with its answer and counts it.
    fn finish(&mut self, no: WaitNo, result: Result<Given>) {
        let Some(wait) = self.remove(no) else { return };
        let waited = self.now.since(wait.since);
        if wait.party.attempt.is_some() {
            self.lost += waited;
        }
        for name in wait.want.names() {
            let Some(thing) = self.things.get_mut(name) else { continue };
            let stats = &mut thing.stats;
            stats.acquisitions += u64::from(result.is_ok());
            if wait.party.attempt.is_some() {
                stats.jobs_lost += waited;
            }
            if !waited.is_zero() {
                stats.waited += u64::from(result.is_ok());
                stats.lost += waited;
            }
            stats.wait.add(waited);
        }
        self.forget_unstored(&wait.want);
        self.answer(wait.client, wait.id, result);
    }

    fn answer(&mut self, client: ClientNo, id: u64, result: Result<Given>) {
        self.told.push(Told::Answer { client, id, result });
    }

    fn notice(&mut self, notice: LockNotice) {
        self.told.push(Told::Notice(notice));
    }

    /// Ends a wait that gets nothing; what it did to others is undone.
    fn refuse(&mut self, no: WaitNo, failure: Failure) {
        let Some(wait) = self.waits.get(&no) else { return };
        let mut refusal = Refusal::new(failure, self.why_not(wait, failure));
        if let Want::Put { stored, .. } = &wait.want {
            refusal.stored = *stored;
        }
        match wait.want.clone() {
            // It has its lock first, whatever has become of it.
            Want::Notify { lock: Some(lock), condition } if failure != Failure::Gone => {
                self.wake(no, &condition, lock, Err(refusal));
            }
            want => {
                self.finish(no, Err(refusal));
                self.make_up_for(&want);
            }
        }
    }

    /// After a wait has gone without getting anything: others may be next, or lost with it.
    fn make_up_for(&mut self, want: &Want) {
        match want {
            Want::Parties { name, .. } => self.break_barrier(name),
            // It was woken in vain: somebody else is to be woken in its place.
            Want::Locks { back: Some(Back { condition, result: Ok(_), .. }), names, .. } => {
                self.wake_some(condition, 1);
                self.serve_all(names, false);
            }
            other => self.serve_all(other.names(), false),
        }
    }

    fn withdraw(&mut self, client: ClientNo, of: u64) -> Result<Given> {
        let Some(no) = self.requests.get(&(client, of)).copied() else {
            let text = format!("no request {of} of this connection waits");
            return Err(Refusal::new(Failure::Gone, text));
        };
        let woken = |wait: &Wait| matches!(wait.want, Want::Locks { back: Some(_), .. });
        if !self.waits.get(&no).is_some_and(woken) {
            self.refuse(no, Failure::Withdrawn);
        }
        Ok(Given::Nothing {})
    }

    // ---- ends

    fn left(&mut self, client: ClientNo) {
        let all = self.requests.range((client, 0)..=(client, u64::MAX));
        let all: Vec<WaitNo> = all.map(|(_, no)| *no).collect();
        let mut wants = Vec::new();
        for no in all {
            // Nobody is there to be answered.
            if let Some(wait) = self.remove(no) {
                self.forget_unstored(&wait.want);
                wants.push(wait.want);
            }
        }
        self.after_losses(&wants, Vec::new());
    }

    /// After several waits have gone at once, and these names were given back: first all that is
    /// free goes to those who came first, then what was lost with the waits is made up for.
    fn after_losses(&mut self, wants: &[Want], given_back: Vec<Name>) {
        let mut names: BTreeSet<Name> = given_back.into_iter().collect();
        names.extend(wants.iter().flat_map(|want| want.names().iter().cloned()));
        self.serve_all(&names.into_iter().collect::<Vec<_>>(), false);
        for want in wants {
            self.make_up_for(want);
        }
    }

    fn owners_of(&self, proc: ProcRef) -> impl Iterator<Item = Owner> + use<> {
        let threads = Owner::Thread(proc, 0)..=Owner::Thread(proc, u64::MAX);
        let mut owners: BTreeSet<Owner> = BTreeSet::new();
        owners.extend(self.holding.range(threads.clone()).map(|(owner, _)| *owner));
        owners.extend(self.waiting.range(threads).map(|(owner, _)| *owner));
        let whole = Owner::Process(proc);
        if self.holding.contains_key(&whole) || self.waiting.contains_key(&whole) {
            owners.insert(whole);
        }
        owners.into_iter()
    }

    fn died(&mut self, proc: ProcRef) {
        if self.dead.len() >= REMEMBERED_DEAD {
            self.dead.pop_front();
        }
        self.dead.push_back(proc);
        let owners: Vec<Owner> = self.owners_of(proc).collect();
        // First the waits: nothing that is given back may go to the dead.
        let waits: Vec<WaitNo> =
            owners.iter().filter_map(|o| self.waiting.get(o)).flatten().copied().collect();
        let mut wants = Vec::new();
        for no in waits {
            let Some(wait) = self.waits.get(&no) else { continue };
            let mut refusal = Refusal::new(Failure::Gone, self.why_not(wait, Failure::Gone));
            if let Want::Put { stored, .. } = &wait.want {
                refusal.stored = *stored;
            }
            wants.push(wait.want.clone());
            self.finish(no, Err(refusal));
        }
        let given_back = owners.into_iter().flat_map(|o| self.give_back_all(o, true)).collect();
        self.after_losses(&wants, given_back);
    }

    /// An attempt has ended: it gives back what its task says it takes, and items that it has not
    /// dealt with, if it did not end well.
    pub fn attempt_ended(&mut self, now: Mono, attempt: AttemptId, well: bool) -> Vec<Told> {
        self.now = self.now.max(now);
        let owner = Owner::Attempt(attempt);
        if well {
            self.done_by(owner);
        }
        let given_back = self.give_back_all(owner, false);
        self.serve_all(&given_back, false);
        std::mem::take(&mut self.told)
    }

    // ---- time

    fn pass_time(&mut self) {
        while let Some((at, no)) = self.deadlines.first().copied()
            && at <= self.now
        {
            self.deadlines.remove(&(at, no));
            let Some(wait) = self.waits.get_mut(&no) else { continue };
            if wait.until.is_some_and(|until| until <= self.now) {
                self.refuse(no, Failure::Timeout);
            } else {
                wait.reserved = None;
                let names = wait.want.names().to_vec();
                self.serve_all(&names, false);
            }
        }
        while let Some((at, name, owner)) = self.long_holds.first().cloned()
            && at <= self.now
        {
            self.long_holds.pop_first();
            let holds = self.things.get(&name).map(|thing| thing.holds.as_slice());
            let hold = holds.unwrap_or_default().iter().find(|h| h.party.owner() == owner);
            if let Some(Hold { party, since, .. }) = hold.cloned() {
                self.notice(LockNotice::HeldLong { name, party, since });
            }
        }
        self.tell_endless();
    }

    /// A lock that nobody gives back would be waited for without an end: whoever waits long for
    /// one, and said nothing of how long, is told about once for each name.
    fn watch_endless(&mut self, no: WaitNo) {
        let Some(wait) = self.waits.get(&no) else { return };
        let is_new = wait.want.names().iter().any(|name| !self.told_endless.contains(name));
        if is_new && matches!(wait.want, Want::Locks { .. } | Want::Permits { .. }) {
            self.endless.insert((wait.since + ENDLESS_WAIT, no));
        }
    }

    fn tell_endless(&mut self) {
        while let Some((at, no)) = self.endless.first().copied()
            && at <= self.now
        {
            self.endless.pop_first();
            let Some(wait) = self.waits.get(&no) else { continue };
            let (party, since) = (wait.party.clone(), wait.since);
            let mut names = wait.want.names().iter();
            let Some(name) = names.find(|name| !self.told_endless.contains(*name)).cloned() else {
                continue;
            };
            self.told_endless.insert(name.clone());
            self.notice(LockNotice::WaitsLong { name, party, since });
        }
    }

    /// Keeps what is free for one who was overtaken too often, for a while.
    fn reserve(&mut self, no: WaitNo) {
        let until = self.now + RESERVATION;
        let Some(wait) = self.waits.get_mut(&no) else { return };
        wait.overtaken = 0;
        wait.reserved = Some(until);
        self.deadlines.insert((until, no));
    }

    fn settle(&mut self) {
        let owed: Vec<Name> = std::mem::take(&mut self.owed).into_iter().collect();
        self.serve_all(&owed, true);
        owed.iter().for_each(|name| self.touch(name));
    }

    /// Waits that have begun since the last call and are still going on.
    pub fn take_begun(&mut self) -> Vec<WaitNo> {
        let begun = std::mem::take(&mut self.begun);
        begun.into_iter().filter(|no| self.waits.contains_key(no)).collect()
    }
}
