//! The slow model: one list of waits in the order of coming, gone over from the start after
//! every change until nobody gets anything.

use crate::model::Mono;
use crate::model::locks::{Failure, Given, LockChange, LockKind, Name, Op, Party, Refusal};
use std::collections::BTreeMap;
use std::time::Duration;

type Answer = (u64, u64, String);

#[derive(Clone, Debug)]
struct Waiting {
    client: u64,
    id: u64,
    pid: i32,
    until: Option<Mono>,
    op: Op,
    /// A sleeper that was woken: how often it takes its lock, and what it is told then.
    back: Option<(u32, bool, String)>,
    stored: usize,
}

#[derive(Clone, Debug)]
struct Hold {
    pid: i32,
    count: u32,
    shared: bool,
}

#[derive(Default)]
pub(super) struct Oracle {
    locks: BTreeMap<Name, Vec<Hold>>,
    orphans: Vec<Name>,
    free: Option<u32>,
    tied: BTreeMap<i32, u32>,
    set: bool,
    broken: bool,
    items: Vec<(u64, String)>,
    kept: BTreeMap<u64, (i32, String)>,
    unfinished: usize,
    n_puts: u64,
    barrier_made: bool,
    waits: Vec<Waiting>,
    dead: Vec<i32>,
    out: Vec<Answer>,
}

/// An answer without what only people read.
pub(super) fn words(result: &Result<Given, Refusal>) -> String {
    match result {
        Ok(given) => serde_json::to_string(given).unwrap(),
        Err(refusal) => format!("{:?}/{}", refusal.error, refusal.stored),
    }
}

fn pid_of(party: &Party) -> i32 {
    party.proc.unwrap().pid
}

impl Oracle {
    pub(super) fn tickets(&self, pid: i32) -> Vec<u64> {
        self.kept.iter().filter(|(_, (p, _))| *p == pid).map(|(t, _)| *t).collect()
    }

    pub(super) fn apply(&mut self, now: Mono, change: &LockChange) -> Vec<Answer> {
        match change {
            LockChange::Asked { client, id, party, op } => {
                self.ask(now, *client, *id, pid_of(party), op);
            }
            LockChange::Left { client } => {
                let gone = |w: &Waiting| w.client == *client;
                self.lose(gone, None);
            }
            LockChange::Died { proc } => self.died(proc.pid),
            LockChange::TimePassed => {
                // In the order of their ends, as time would have it.
                while let Some(i) = (0..self.waits.len())
                    .filter(|i| self.waits[*i].until.is_some_and(|until| until <= now))
                    .min_by_key(|i| self.waits[*i].until)
                {
                    self.end(i, Failure::Timeout);
                    self.settle();
                }
            }
            LockChange::Settled | LockChange::CellSeen { .. } | LockChange::CellOpened { .. } => {}
        }
        self.settle();
        std::mem::take(&mut self.out)
    }

    fn say(&mut self, client: u64, id: u64, result: &Result<Given, Refusal>) {
        self.out.push((client, id, words(result)));
    }

    fn ask(&mut self, now: Mono, client: u64, id: u64, pid: i32, op: &Op) {
        let fail = |error| Err(Refusal::new(error, ""));
        if self.dead.contains(&pid) {
            return self.say(client, id, &fail(Failure::Gone));
        }
        let wait = |timeout_ms: Option<u64>| Waiting {
            client,
            id,
            pid,
            until: timeout_ms.map(|ms| now + Duration::from_millis(ms)),
            op: op.clone(),
            back: None,
            stored: 0,
        };
        match op {
            Op::Release { names, anyone } => {
                let name = &names[0];
                let holds = self.locks.entry(name.clone()).or_default();
                let at = holds.iter().position(|h| h.pid == pid);
                match at.or((*anyone && !holds.is_empty()).then_some(0)) {
                    None => self.say(client, id, &fail(Failure::NotOwner)),
                    Some(at) => {
                        holds[at].count -= 1;
                        holds.retain(|h| h.count > 0);
                        self.say(client, id, &Ok(Given::Nothing {}));
                    }
                }
            }
            Op::SemaphoreRelease { n, .. } => {
                let tied = self.tied.get(&pid).copied().unwrap_or(0).min(*n);
                let free = self.free.get_or_insert(2);
                let all: u32 = *free + self.tied.values().sum::<u32>();
                if all + (n - tied) > 2 {
                    return self.say(client, id, &fail(Failure::Invalid));
                }
                *free += n;
                *self.tied.entry(pid).or_default() -= tied;
                self.say(client, id, &Ok(Given::Nothing {}));
            }
            Op::Withdraw { of } => {
                let at = self.waits.iter().position(|w| (w.client, w.id) == (client, *of));
                match at {
                    None => self.say(client, id, &fail(Failure::Gone)),
                    Some(at) => {
                        if self.waits[at].back.is_none() {
                            self.end(at, Failure::Withdrawn);
                        }
                        self.say(client, id, &Ok(Given::Nothing {}));
                    }
                }
            }
            Op::BarrierWait { .. } if self.broken => {
                self.say(client, id, &fail(Failure::Broken));
            }
            Op::ConditionWait { lock: Some(lock), timeout_ms, .. } => {
                let holds = self.locks.entry(lock.clone()).or_default();
                let Some(at) = holds.iter().position(|h| h.pid == pid) else {
                    return self.say(client, id, &fail(Failure::NotOwner));
                };
                let hold = holds.remove(at);
                let mut sleeper = wait(*timeout_ms);
                sleeper.stored = (hold.count as usize) << 1 | usize::from(hold.shared);
                self.waits.push(sleeper);
            }
            Op::Acquire { timeout_ms, .. }
            | Op::SemaphoreAcquire { timeout_ms, .. }
            | Op::EventWait { timeout_ms, .. }
            | Op::BarrierWait { timeout_ms, .. }
            | Op::QueuePut { timeout_ms, .. }
            | Op::QueueGet { timeout_ms, .. }
            | Op::QueueJoin { timeout_ms, .. } => {
                if matches!(op, Op::BarrierWait { .. }) {
                    self.barrier_made = true;
                }
                self.waits.push(wait(*timeout_ms));
                self.settle();
                if *timeout_ms == Some(0)
                    && let Some(at) =
                        self.waits.iter().position(|w| (w.client, w.id) == (client, id))
                {
                    self.end(at, Failure::Busy);
                }
            }
            other => self.ask_at_once(client, id, other),
        }
    }

    /// Requests that never wait.
    fn ask_at_once(&mut self, client: u64, id: u64, op: &Op) {
        match op {
            Op::EventSet { .. } => {
                self.set = true;
                let woken =
                    self.waits.iter().filter(|w| matches!(w.op, Op::EventWait { .. })).count();
                self.say(client, id, &Ok(Given::Woken { woken: woken as u32 }));
            }
            Op::EventClear { .. } => {
                self.set = false;
                self.say(client, id, &Ok(Given::Nothing {}));
            }
            Op::ConditionNotify { n, .. } => {
                let woken = self.wake(n.unwrap_or(u32::MAX));
                self.say(client, id, &Ok(Given::Woken { woken }));
            }
            Op::BarrierReset { .. } => {
                if !self.barrier_made {
                    return self.say(client, id, &Err(Refusal::new(Failure::Gone, "")));
                }
                self.broken = false;
                self.send_away();
                self.say(client, id, &Ok(Given::Nothing {}));
            }
            Op::QueueDone { tickets, .. } => {
                self.kept.remove(&tickets[0]);
                self.unfinished -= 1;
                self.say(client, id, &Ok(Given::Nothing {}));
            }
            other => panic!("the model does not know {other:?}"),
        }
    }

    fn wake(&mut self, n: u32) -> u32 {
        let mut woken = 0;
        while woken < n {
            let asleep = |w: &Waiting| matches!(w.op, Op::ConditionWait { .. }) && w.back.is_none();
            let Some(at) = self.waits.iter().position(asleep) else { break };
            self.rise(at, words(&Ok(Given::Nothing {})));
            woken += 1;
        }
        woken
    }

    /// A sleeper goes to the end of the queue for its lock.
    fn rise(&mut self, at: usize, answer: String) {
        let mut w = self.waits.remove(at);
        w.until = None;
        w.back = Some(((w.stored >> 1) as u32, w.stored & 1 == 1, answer));
        self.waits.push(w);
    }

    fn send_away(&mut self) {
        let (away, stay) = std::mem::take(&mut self.waits)
            .into_iter()
            .partition::<Vec<_>, _>(|w| matches!(w.op, Op::BarrierWait { .. }));
        self.waits = stay;
        for w in away {
            self.say(w.client, w.id, &Err(Refusal::new(Failure::Broken, "")));
        }
    }

    /// A wait ends without getting anything.
    fn end(&mut self, at: usize, failure: Failure) {
        let w = &self.waits[at];
        let mut refusal = Refusal::new(failure, "");
        if matches!(w.op, Op::ConditionWait { .. }) && w.back.is_none() {
            return self.rise(at, words(&Err(refusal)));
        }
        let w = self.waits.remove(at);
        refusal.stored = w.stored as u64;
        self.say(w.client, w.id, &Err(refusal));
        if matches!(w.op, Op::BarrierWait { .. }) {
            self.broken = true;
            self.send_away();
        }
    }

    /// Waits that vanish; with a failure they are told.
    fn lose(&mut self, gone: impl Fn(&Waiting) -> bool, failure: Option<Failure>) {
        while let Some(at) = self.waits.iter().position(&gone) {
            let w = self.waits.remove(at);
            if let Some(failure) = failure {
                let mut refusal = Refusal::new(failure, "");
                if matches!(w.op, Op::QueuePut { .. }) {
                    refusal.stored = w.stored as u64;
                }
                self.say(w.client, w.id, &Err(refusal));
            }
            if matches!(w.op, Op::BarrierWait { .. }) {
                self.broken = true;
                self.send_away();
            }
            if w.back.is_some_and(|(_, _, answer)| answer == words(&Ok(Given::Nothing {}))) {
                self.wake(1);
            }
        }
    }

    fn died(&mut self, pid: i32) {
        self.dead.push(pid);
        self.lose(|w| w.pid == pid, Some(Failure::Gone));
        for (name, holds) in &mut self.locks {
            if holds.iter().any(|h| h.pid == pid) {
                holds.retain(|h| h.pid != pid);
                self.orphans.push(name.clone());
            }
        }
        if let Some(tied) = self.tied.remove(&pid) {
            *self.free.get_or_insert(2) += tied;
        }
        let back: Vec<u64> = self.tickets(pid);
        for ticket in back.into_iter().rev() {
            let (_, text) = self.kept.remove(&ticket).unwrap();
            let at = self.items.iter().take_while(|(no, _)| *no < ticket).count();
            self.items.insert(at, (ticket, text));
        }
    }

    fn settle(&mut self) {
        while (0..self.waits.len()).any(|i| self.try_grant(i)) {}
    }

    fn try_grant(&mut self, i: usize) -> bool {
        let w = self.waits[i].clone();
        let given = match (&w.op, &w.back) {
            (Op::ConditionWait { lock: Some(lock), .. }, Some((count, shared, answer))) => {
                if !self.may_take(i, lock, w.pid, LockKind::Lock, *shared, true) {
                    return false;
                }
                let hold = Hold { pid: w.pid, count: *count, shared: *shared };
                let holds = self.locks.entry(lock.clone()).or_default();
                match holds.iter_mut().find(|h| h.pid == w.pid) {
                    Some(mine) => mine.count += count,
                    None => {
                        holds.push(hold);
                        self.orphans.retain(|n| n != lock);
                    }
                }
                self.out.push((w.client, w.id, answer.clone()));
                self.waits.remove(i);
                return true;
            }
            (Op::Acquire { names, kind, shared, .. }, _) => {
                if names.iter().any(|n| !self.may_take(i, n, w.pid, *kind, *shared, false)) {
                    return false;
                }
                let mut owner_died = Vec::new();
                for name in names {
                    let holds = self.locks.entry(name.clone()).or_default();
                    match holds.iter_mut().find(|h| h.pid == w.pid) {
                        Some(mine) => mine.count += 1,
                        None => {
                            holds.push(Hold { pid: w.pid, count: 1, shared: *shared });
                            if self.orphans.contains(name) {
                                owner_died.push(name.clone());
                                self.orphans.retain(|n| n != name);
                            }
                        }
                    }
                }
                Given::Locks { owner_died }
            }
            (Op::SemaphoreAcquire { n, tied, .. }, _) => {
                let older = self.waits[..i].iter();
                let behind = older.clone().any(|o| matches!(o.op, Op::SemaphoreAcquire { .. }));
                let free = self.free.get_or_insert(2);
                if behind || *free < *n {
                    return false;
                }
                *free -= n;
                if *tied {
                    *self.tied.entry(w.pid).or_default() += n;
                }
                Given::Nothing {}
            }
            (Op::EventWait { .. }, _) if self.set => Given::Nothing {},
            (Op::BarrierWait { .. }, _) => return self.try_barrier(),
            (Op::QueuePut { items, .. }, _) => match self.try_put(i, items) {
                Some(true) => Given::Nothing {},
                Some(false) => return true,
                None => return false,
            },
            (Op::QueueGet { n, keep, .. }, _) => match self.try_get(i, w.pid, *n, *keep) {
                Some(given) => given,
                None => return false,
            },
            (Op::QueueJoin { .. }, _) if self.unfinished == 0 => Given::Nothing {},
            _ => return false,
        };
        self.waits.remove(i);
        self.say(w.client, w.id, &Ok(given));
        true
    }

    /// Stores one item; whether it was the last. `None`: it is not its turn.
    fn try_put(&mut self, i: usize, items: &[crate::model::Text]) -> Option<bool> {
        let first = self.waits.iter().position(|o| matches!(o.op, Op::QueuePut { .. }));
        if first != Some(i) || self.items.len() >= 2 {
            return None;
        }
        self.n_puts += 1;
        self.unfinished += 1;
        let text = items[self.waits[i].stored].lossy().into_owned();
        self.items.push((self.n_puts, text));
        self.waits[i].stored += 1;
        Some(self.waits[i].stored == items.len())
    }

    fn try_get(&mut self, i: usize, pid: i32, n: u32, keep: bool) -> Option<Given> {
        let first = self.waits.iter().position(|o| matches!(o.op, Op::QueueGet { .. }));
        if first != Some(i) || self.items.is_empty() || self.can_store() {
            return None;
        }
        let n = (n as usize).min(self.items.len());
        let taken: Vec<(u64, String)> = self.items.drain(..n).collect();
        let mut tickets = Vec::new();
        for (ticket, text) in &taken {
            if keep {
                tickets.push(*ticket);
                self.kept.insert(*ticket, (pid, text.clone()));
            }
        }
        let items = taken.into_iter().map(|(_, text)| text.into()).collect();
        Some(Given::Items { items, tickets })
    }

    /// Putting comes before getting, so that one who gets several finds all there are.
    fn can_store(&self) -> bool {
        self.items.len() < 2 && self.waits.iter().any(|w| matches!(w.op, Op::QueuePut { .. }))
    }

    fn try_barrier(&mut self) -> bool {
        let all: Vec<usize> = (0..self.waits.len())
            .filter(|i| matches!(self.waits[*i].op, Op::BarrierWait { .. }))
            .collect();
        if all.len() < 2 {
            return false;
        }
        for (index, at) in (0..).zip([all[0], all[1] - 1]) {
            let w = self.waits.remove(at);
            self.say(w.client, w.id, &Ok(Given::Turn { index, act: false }));
        }
        true
    }

    /// Whether the wait `i` may have a lock: it is free for it, and nobody older who wants only
    /// one thing wants it.
    fn may_take(
        &self,
        i: usize,
        name: &Name,
        pid: i32,
        kind: LockKind,
        shared: bool,
        back: bool,
    ) -> bool {
        let none = Vec::new();
        let holds = self.locks.get(name).unwrap_or(&none);
        let mine = holds.iter().find(|h| h.pid == pid);
        // Asking for `shared` is asking for a lock that many share, never for a recursive one.
        let again =
            mine.is_some_and(|m| (kind == LockKind::Rlock && !shared) || (shared && m.shared));
        if again && !back {
            return true;
        }
        let fits = holds.is_empty() || (shared && holds.iter().all(|h| h.shared));
        let older = self.waits[..i].iter().any(|o| match (&o.op, &o.back) {
            (Op::Acquire { names, .. }, _) => names.len() == 1 && names[0] == *name,
            (Op::ConditionWait { lock, .. }, Some(_)) => lock.as_ref() == Some(name),
            _ => false,
        });
        fits && !older
    }
}
