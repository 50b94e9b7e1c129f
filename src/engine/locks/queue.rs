//! Queues: items that wait for room, items that wait for takers, items that come back.

use super::rate::Rate;
use super::{Kind, LockTable, Request, Result, Wait, WaitNo, Want};
use crate::model::limits::{ITEM_BYTES, NAMES_AT_ONCE};
use crate::model::locks::{Failure, Given, Name, Op, Owner, Party, QueueOrder, Refusal};
use crate::model::{Mono, Text};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that an item costs besides its text.
const ITEM_COST: usize = 64;

/// Place of an item in its queue: the smallest leaves first.
type Key = (i64, i64);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Queue {
    pub max: Option<u32>,
    pub order: QueueOrder,
    pub closed: bool,
    /// Nobody has said yet how large it is: it is there because somebody looked for it.
    is_blank: bool,
    items: BTreeMap<Key, Item>,
    /// Handed out to somebody who has to say that it is dealt with, by ticket.
    kept: BTreeMap<u64, Kept>,
    /// Put and not dealt with.
    unfinished: u64,
    next: i64,
    pub puts: u64,
    pub gets: u64,
    pub put_rate: Box<Rate>,
    pub get_rate: Box<Rate>,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    /// Its number in the queue, which is its ticket too.
    no: i64,
    priority: i64,
    text: Text,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    item: Item,
    owner: Owner,
    pub party: Party,
    pub since: Mono,
}

impl Queue {
    pub fn new(max: Option<u32>, order: QueueOrder) -> Queue {
        Queue {
            max,
            order,
            closed: false,
            is_blank: false,
            items: BTreeMap::new(),
            kept: BTreeMap::new(),
            unfinished: 0,
            next: 1,
            puts: 0,
            gets: 0,
            put_rate: Box::default(),
            get_rate: Box::default(),
        }
    }

    pub fn len(&self) -> u64 {
        self.items.len() as u64
    }

    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.kept.values()
    }

    fn has_room(&self) -> bool {
        self.max.is_none_or(|max| self.items.len() < max as usize)
    }

    fn put(&mut self, text: Text, priority: i64) {
        let no = self.next;
        self.next += 1;
        let key = match self.order {
            QueueOrder::Fifo => (0, no),
            QueueOrder::Lifo => (0, -no),
            QueueOrder::Priority => (priority, no),
        };
        self.items.insert(key, Item { no, priority, text });
        self.unfinished += 1;
        self.puts += 1;
    }

    /// Puts an item that nobody dealt with back to where it leaves next.
    fn put_back(&mut self, item: Item) {
        let key = match self.order {
            QueueOrder::Fifo | QueueOrder::Lifo => (i64::MIN, item.no),
            QueueOrder::Priority => (item.priority, item.no),
        };
        self.items.insert(key, item);
    }

    /// Nothing is in it, and nothing can come.
    fn is_over(&self) -> bool {
        self.closed && self.items.is_empty() && self.kept.is_empty()
    }
}

impl Wait {
    /// Who keeps what this gets, if it gets.
    fn keeper(&self) -> Option<Owner> {
        let Want::Get { tied, .. } = self.want else { return None };
        Some(match self.party.attempt {
            Some(attempt) if !tied => Owner::Attempt(attempt),
            _ => self.party.owner(),
        })
    }
}

impl LockTable {
    /// The queue of a name, as it is.
    fn queue(&mut self, name: &Name) -> Result<&mut Queue> {
        let blank = || Queue { is_blank: true, ..Queue::new(None, QueueOrder::Fifo) };
        let thing = self.thing(name, || Kind::Queue(blank()))?;
        let word = thing.word();
        match &mut thing.kind {
            Kind::Queue(queue) => Ok(queue),
            _ => {
                let text = format!("`{name}` is {word}, not a queue");
                Err(Refusal::new(Failure::WrongKind, text))
            }
        }
    }

    /// The queue of a name, made like this unless it was made before.
    fn made(&mut self, name: &Name, max: Option<u32>, order: QueueOrder) -> Result<&mut Queue> {
        let queue = self.queue(name)?;
        if queue.is_blank {
            queue.is_blank = false;
            // One that holds nothing would hold up everybody.
            queue.max = max.filter(|max| *max > 0);
            queue.order = order;
        }
        Ok(queue)
    }

    pub(super) fn queue_op(
        &mut self,
        op: &Op,
        request: &dyn Fn(Option<u64>) -> Request,
    ) -> Result<Option<Given>> {
        match op {
            Op::QueueCreate { name, max, order } => {
                self.made(name, *max, *order)?;
                Ok(Some(Given::Nothing {}))
            }
            Op::QueuePut { name, items, max, priority, timeout_ms } => {
                self.queue_put(request(*timeout_ms), name, items, *max, *priority)
            }
            Op::QueueGet { name, n, keep, tied, timeout_ms } => {
                let queue = self.queue(name)?;
                if queue.is_over() {
                    let text = format!("`{name}` is closed and empty");
                    return Err(Refusal::new(Failure::Closed, text));
                }
                let (name, n) = (name.clone(), (*n).max(1));
                let want = Want::Get { name, n, keep: *keep, tied: *tied };
                self.enlist(request(*timeout_ms), want)
            }
            Op::QueueDone { name, tickets, n } => self.queue_done(name, tickets, *n).map(Some),
            Op::QueueLen { name } => {
                let queue = self.queue(name)?;
                let (len, max, closed) = (queue.len(), queue.max, queue.closed);
                Ok(Some(Given::Len { len, max, closed }))
            }
            Op::QueueClose { name } => {
                self.queue(name)?.closed = true;
                self.serve(name, false);
                Ok(Some(Given::Nothing {}))
            }
            Op::QueueJoin { name, timeout_ms } => {
                self.queue(name)?;
                self.enlist(request(*timeout_ms), Want::Join { name: name.clone() })
            }
            _ => Ok(None),
        }
    }

    fn queue_put(
        &mut self,
        request: Request,
        name: &Name,
        items: &[Text],
        max: Option<u32>,
        priority: i64,
    ) -> Result<Option<Given>> {
        if self.made(name, max, QueueOrder::Fifo)?.closed {
            return Err(Refusal::new(Failure::Closed, format!("`{name}` is closed")));
        }
        if items.len() > NAMES_AT_ONCE {
            let text = format!("{} items at once, {NAMES_AT_ONCE} may be", items.len());
            return Err(Refusal::new(Failure::TooLarge, text));
        }
        let bytes = items.iter().map(|item| item.0.len() + ITEM_COST).sum();
        let longest = items.iter().map(|item| item.0.len()).max().unwrap_or(0);
        self.make_room(0, bytes, longest)?;
        let items = items.iter().cloned().collect();
        let want = Want::Put { name: name.clone(), items, priority, stored: 0 };
        let refused = self.enlist(request, want);
        if refused.is_err() {
            self.bytes -= bytes;
        }
        refused
    }

    fn queue_done(&mut self, name: &Name, tickets: &[u64], n: u32) -> Result<Given> {
        let queue = self.queue(name)?;
        if let Some(ticket) = tickets.iter().find(|ticket| !queue.kept.contains_key(ticket)) {
            let text = format!("nobody keeps item {ticket} of `{name}`");
            return Err(Refusal::new(Failure::Gone, text));
        }
        // Items in the queue and those that are kept are dealt with in other ways.
        let open = queue.unfinished - queue.len() - queue.kept.len() as u64;
        if u64::from(n) > open {
            let text = format!("`{name}` has {open} items to be dealt with, not {n}");
            return Err(Refusal::new(Failure::Invalid, text));
        }
        queue.unfinished -= u64::from(n);
        for ticket in tickets {
            self.deal_with(name, *ticket);
        }
        self.serve(name, false);
        Ok(Given::Nothing {})
    }

    fn deal_with(&mut self, name: &Name, ticket: u64) {
        let Some(Kind::Queue(queue)) = self.things.get_mut(name).map(|thing| &mut thing.kind)
        else {
            return;
        };
        let Some(kept) = queue.kept.remove(&ticket) else { return };
        queue.unfinished -= 1;
        self.bytes -= (kept.item.text.0.len() + ITEM_COST).min(self.bytes);
        self.forget_keeper(name, kept.owner);
    }

    /// The owner holds the queue as long as it keeps an item of it.
    fn forget_keeper(&mut self, name: &Name, owner: Owner) {
        let still = match self.things.get(name).map(|thing| &thing.kind) {
            Some(Kind::Queue(queue)) => queue.kept.values().any(|kept| kept.owner == owner),
            _ => return,
        };
        if !still && let Some(names) = self.holding.get_mut(&owner) {
            names.remove(name);
            if names.is_empty() {
                self.holding.remove(&owner);
            }
        }
    }

    /// Everything that an owner keeps is dealt with: it has ended well.
    pub(super) fn done_by(&mut self, owner: Owner) {
        for (name, tickets) in self.kept_by(owner) {
            for ticket in tickets {
                self.deal_with(&name, ticket);
            }
            self.serve(&name, false);
        }
    }

    fn kept_by(&self, owner: Owner) -> Vec<(Name, Vec<u64>)> {
        let names = self.holding.get(&owner).into_iter().flatten();
        let tickets = |name: &Name| match &self.things.get(name)?.kind {
            Kind::Queue(queue) => {
                let mine = queue.kept.iter().filter(|(_, kept)| kept.owner == owner);
                Some((name.clone(), mine.map(|(ticket, _)| *ticket).collect()))
            }
            _ => None,
        };
        names.filter_map(tickets).collect()
    }

    /// What an owner kept and did not deal with goes to the next.
    pub(super) fn hand_out_again(&mut self, name: &Name, owner: Owner) {
        let Some(Kind::Queue(queue)) = self.things.get_mut(name).map(|thing| &mut thing.kind)
        else {
            return;
        };
        let mine = queue.kept.iter().filter(|(_, kept)| kept.owner == owner);
        let tickets: Vec<u64> = mine.map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            if let Some(kept) = queue.kept.remove(&ticket) {
                queue.put_back(kept.item);
            }
        }
        self.forget_keeper(name, owner);
        self.serve(name, false);
    }

    // ---- serving

    /// Moves items from those who put to the queue and on to those who get, until nothing moves.
    pub(super) fn serve_queue(&mut self, name: &Name) {
        while self.store_next(name) || self.hand_out_next(name) {}
        let Some(Kind::Queue(queue)) = self.things.get(name).map(|thing| &thing.kind) else {
            return;
        };
        let (closed, done) = (queue.closed, queue.unfinished == 0);
        let is_drained = closed && queue.items.is_empty();
        if closed {
            for no in self.waits_of(name, |want| matches!(want, Want::Put { .. })) {
                self.refuse_put(no, Failure::Closed);
            }
        }
        if is_drained {
            self.end_gets(name);
        }
        if done {
            self.grant_all(name, |want| matches!(want, Want::Join { .. }));
        }
    }

    /// Nothing is left in a closed queue: its getters hear so, when nothing can come back to them.
    ///
    /// When all who keep an item wait for the next one, none of these items comes back before they
    /// have heard that there is no next one: a loop around `get` would wait for itself, or for
    /// another like it. To others it still may.
    fn end_gets(&mut self, name: &Name) {
        let Some(Kind::Queue(queue)) = self.things.get(name).map(|thing| &thing.kind) else {
            return;
        };
        let keepers: BTreeSet<Owner> = queue.kept.values().map(|kept| kept.owner).collect();
        let gets = self.waits_of(name, |want| matches!(want, Want::Get { .. }));
        let keeper = |no: &WaitNo| self.waits.get(no).and_then(Wait::keeper);
        let gets: Vec<(WaitNo, Option<Owner>)> = gets.iter().map(|no| (*no, keeper(no))).collect();
        let getters: BTreeSet<Owner> = gets.iter().filter_map(|(_, owner)| *owner).collect();
        if !keepers.is_subset(&getters) {
            return;
        }
        for (no, owner) in gets {
            if keepers.is_empty() || owner.is_some_and(|owner| keepers.contains(&owner)) {
                let text = format!("`{name}` is closed and empty");
                self.finish(no, Err(Refusal::new(Failure::Closed, text)));
            }
        }
    }

    fn waits_of(&self, name: &Name, of_sort: impl Fn(&Want) -> bool) -> Vec<WaitNo> {
        let Some(thing) = self.things.get(name) else { return Vec::new() };
        let sort = |no: &WaitNo| self.waits.get(no).is_some_and(|wait| of_sort(&wait.want));
        thing.queue.iter().copied().filter(sort).collect()
    }

    fn refuse_put(&mut self, no: WaitNo, failure: Failure) {
        let Some(wait) = self.waits.get(&no) else { return };
        let mut refusal = Refusal::new(failure, self.why_not(wait, failure));
        if let Want::Put { stored, .. } = &wait.want {
            refusal.stored = *stored;
        }
        self.finish(no, Err(refusal));
    }

    /// Stores one item of the first who puts.
    fn store_next(&mut self, name: &Name) -> bool {
        let now = self.now;
        let Some(thing) = self.things.get_mut(name) else { return false };
        let Kind::Queue(queue) = &mut thing.kind else { return false };
        let puts = |no: &&WaitNo| {
            self.waits.get(*no).is_some_and(|wait| matches!(wait.want, Want::Put { .. }))
        };
        let Some(no) = thing.queue.iter().find(puts).copied() else { return false };
        let Some(Want::Put { items, priority, stored, .. }) =
            self.waits.get_mut(&no).map(|wait| &mut wait.want)
        else {
            return false;
        };
        let moved = !queue.closed && (items.is_empty() || queue.has_room());
        if moved && let Some(item) = items.pop_front() {
            queue.put(item, *priority);
            queue.put_rate.add(now, 1);
            *stored += 1;
        }
        if moved && items.is_empty() {
            self.finish(no, Ok(Given::Nothing {}));
        }
        moved
    }

    /// Gives the first who gets what it may have.
    fn hand_out_next(&mut self, name: &Name) -> bool {
        let now = self.now;
        let Some(thing) = self.things.get_mut(name) else { return false };
        let Kind::Queue(queue) = &mut thing.kind else { return false };
        let gets = |no: &&WaitNo| {
            self.waits.get(*no).is_some_and(|wait| matches!(wait.want, Want::Get { .. }))
        };
        let Some(no) = thing.queue.iter().find(gets).copied() else { return false };
        let Some(wait) = self.waits.get(&no) else { return false };
        let Want::Get { n, keep, .. } = wait.want else { return false };
        let Some(owner) = wait.keeper() else { return false };
        if queue.items.is_empty() {
            return false;
        }
        let (mut items, mut tickets, mut bytes) = (Vec::new(), Vec::new(), 0);
        while items.len() < n as usize
            && let Some(first) = queue.items.first_entry()
        {
            bytes += first.get().text.0.len();
            if !items.is_empty() && bytes > ITEM_BYTES {
                break;
            }
            let item = first.remove();
            items.push(item.text.clone());
            if keep {
                let ticket = item.no.unsigned_abs();
                tickets.push(ticket);
                let party = wait.party.clone();
                queue.kept.insert(ticket, Kept { item, owner, party, since: now });
            } else {
                self.bytes -= (item.text.0.len() + ITEM_COST).min(self.bytes);
            }
        }
        queue.gets += items.len() as u64;
        queue.get_rate.add(now, items.len() as u64);
        if keep {
            self.holding.entry(owner).or_default().insert(name.clone());
        }
        self.finish(no, Ok(Given::Items { items, tickets }));
        true
    }

    /// Items of a put that will never be stored take no room.
    pub(super) fn forget_unstored(&mut self, want: &Want) {
        if let Want::Put { items, .. } = want {
            let bytes: usize = items.iter().map(|item| item.0.len() + ITEM_COST).sum();
            self.bytes -= bytes.min(self.bytes);
        }
    }
}
