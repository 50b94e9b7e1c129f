//! Who waits for whom: circles of waits, told only when there is no doubt.
//!
//! A node is an owner. Locks are held by all of their holders at once, so one stuck holder is
//! enough; permits may come from any holder, so all who have too many of them must be stuck.
//! Events, conditions, barriers, queues and signals may be answered by anybody, and a wait with a
//! time of its own ends by itself: none of these is ever part of a proof. First everybody who
//! waits for something provable counts as stuck; then whoever could go on is taken out until
//! nothing changes. What is left are circles and those behind them.

use super::{Kind, LockTable, Thing, Wait, WaitNo, Want, family};
use crate::model::locks::{Name, Owner, Party};
use crate::model::{AttemptId, Mono, ProcRef};
use std::collections::{BTreeMap, BTreeSet};

/// A circle of waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Circle {
    /// In order: each waits for the next, the last for the first.
    pub members: Vec<Link>,
    /// The waits that it is made of.
    pub waits: BTreeSet<WaitNo>,
    /// Place of the member whose request came last.
    pub closed_by: usize,
    /// Owners that are stuck because of it and in no circle.
    pub behind: u32,
    /// When the first of its waits ends by the run's `wait_timeout`.
    pub until: Option<Mono>,
}

/// One of a circle: an owner, or all of one attempt that are in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub party: Party,
    pub holds: BTreeSet<Name>,
    pub wants: BTreeSet<Name>,
    pub since: Mono,
    last_wait: WaitNo,
}

/// For whom owners wait.
type Edges = BTreeMap<Owner, BTreeSet<Owner>>;

/// What stands for a member: its attempt when it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Attempt(AttemptId),
    Other(Owner),
}

fn who(party: &Party) -> Who {
    party.attempt.map_or(Who::Other(party.owner()), Who::Attempt)
}

impl Link {
    /// The number of its wait that began last.
    pub fn last_wait(&self) -> WaitNo {
        self.last_wait
    }
}

impl LockTable {
    /// What an attempt holds and waits for, as a member of a circle.
    pub fn link_of(&self, attempt: AttemptId) -> Option<Link> {
        let nos = self.of_attempt.get(&attempt)?;
        let first = self.waits.get(nos.first()?)?;
        let waits = nos.iter().filter_map(|no| self.waits.get(no));
        let of_it = |owner: &&Owner| {
            self.party_of(**owner).is_some_and(|party| party.attempt == Some(attempt))
        };
        let owners = self.holding.keys().filter(of_it);
        let holds = owners.filter_map(|owner| self.holding.get(owner)).flatten();
        Some(Link {
            party: first.party.clone(),
            holds: holds.cloned().collect(),
            wants: waits.flat_map(|wait| wait.want.names().iter().cloned()).collect(),
            since: first.since,
            last_wait: *nos.last()?,
        })
    }

    /// The waits of an attempt with their processes; `None` when it waits for nothing, or when
    /// one of them ends by itself.
    pub fn endless_waits(&self, attempt: AttemptId) -> Option<Vec<(WaitNo, ProcRef)>> {
        let one = |no: &WaitNo| {
            let wait = self.waits.get(no).filter(|wait| wait.until.is_none())?;
            Some((*no, wait.party.proc?))
        };
        self.of_attempt.get(&attempt)?.iter().map(one).collect()
    }

    /// Whether processes outside of jobs hold or wait for something: they may do anything.
    pub fn others_are_there(&self) -> bool {
        let is_other = |party: &Party| party.attempt.is_none();
        self.waits.values().any(|wait| is_other(&wait.party))
            || self.things.values().flat_map(|thing| &thing.holds).any(|h| is_other(&h.party))
    }

    /// Whether this wait may have closed a circle: its owner can be reached from itself.
    pub fn may_close_circle(&self, no: WaitNo) -> bool {
        let Some(start) = self.waits.get(&no).map(|wait| wait.party.owner()) else { return false };
        let mut seen = BTreeSet::new();
        let mut todo = vec![start];
        while let Some(node) = todo.pop() {
            for next in self.next_nodes(node) {
                if next == start {
                    return true;
                }
                if seen.insert(next) {
                    todo.push(next);
                }
            }
        }
        false
    }

    /// All circles of waits at this moment that close without those which are `known`: a member
    /// of a circle may be one of another as well.
    pub fn circles(&self, known: &BTreeSet<WaitNo>) -> Vec<Circle> {
        let stuck = self.stuck();
        if stuck.is_empty() {
            return Vec::new();
        }
        let edges = |counts: &dyn Fn(WaitNo) -> bool| -> Edges {
            let next = |node: &Owner| self.next_nodes_by(*node, counts);
            let inside = |node: &Owner| next(node).into_iter().filter(|next| stuck.contains(next));
            stuck.iter().map(|node| (*node, inside(node).collect())).collect()
        };
        let in_any: usize = cores(&edges(&|_| true)).iter().map(BTreeSet::len).sum();
        let behind = (stuck.len() - in_any) as u32;
        let edges = edges(&|no| !known.contains(&no));
        let new = cores(&edges);
        new.iter().filter_map(|core| self.circle(core, &edges, known, behind)).collect()
    }

    /// Whether all of these waits are still going on.
    pub fn all_wait(&self, waits: impl IntoIterator<Item = WaitNo>) -> bool {
        waits.into_iter().all(|no| self.waits.contains_key(&no))
    }

    // ---- nodes and edges

    /// Owners that an owner cannot go on without, as far as they are known.
    fn next_nodes(&self, node: Owner) -> BTreeSet<Owner> {
        self.next_nodes_by(node, &|_| true)
    }

    /// The same through waits that count.
    fn next_nodes_by(&self, node: Owner, counts: &dyn Fn(WaitNo) -> bool) -> BTreeSet<Owner> {
        let mut next = BTreeSet::new();
        let waits = self.waiting.get(&node);
        for no in waits.into_iter().flatten().filter(|no| counts(**no)) {
            next.extend(self.blockers(*no).into_iter().map(|(_, owner)| owner));
        }
        if waits.is_none()
            && let Some(attempt) = self.ends_with(node)
        {
            let waits = self.of_attempt.get(&attempt).into_iter().flatten();
            let waits = waits.filter(|no| counts(**no)).filter_map(|no| self.waits.get(no));
            let owners = waits.map(|wait| wait.party.owner());
            next.extend(owners.filter(|owner| *owner != node));
        }
        next
    }

    /// The attempt whose processes an owner waits for: a job holds what its task takes until they
    /// have ended, and so does a command that runs another.
    fn ends_with(&self, node: Owner) -> Option<AttemptId> {
        if let Owner::Attempt(attempt) = node {
            return Some(attempt);
        }
        let name = self.holding.get(&node)?.first()?;
        let holds = &self.things.get(name)?.holds;
        let party = &holds.iter().find(|hold| hold.party.owner() == node)?.party;
        party.attempt.filter(|_| party.command)
    }

    /// Who stands in the way of a wait, and for what. Empty when it cannot be proven.
    fn blockers(&self, no: WaitNo) -> Vec<(Name, Owner)> {
        let Some(wait) = self.waits.get(&no).filter(|wait| !wait.own_timeout) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for name in wait.want.names() {
            let Some(thing) = self.things.get(name) else { continue };
            let owners = self.blockers_at(no, wait, thing);
            all.extend(owners.into_iter().map(|owner| (name.clone(), owner)));
        }
        all
    }

    /// Owners that stand in the way of a wait, whether or not that proves anything.
    pub(super) fn in_the_way(&self, no: WaitNo) -> Vec<Owner> {
        let Some(wait) = self.waits.get(&no) else { return Vec::new() };
        let things = wait.want.names().iter().filter_map(|name| self.things.get(name));
        things.flat_map(|thing| self.blockers_at(no, wait, thing)).collect()
    }

    pub(super) fn blockers_at(&self, no: WaitNo, wait: &Wait, thing: &Thing) -> Vec<Owner> {
        if family::is_again(thing, wait) {
            return Vec::new();
        }
        let first = thing.queue.iter().next().filter(|first| **first < no);
        let first = first.and_then(|first| self.waits.get(first)).filter(|w| !w.want.is_many());
        let first = first.map(|wait| wait.party.owner());
        match (&wait.want, &thing.kind) {
            (Want::Locks { shared, .. }, _) => {
                let against = thing.holds.iter().filter(|hold| !(*shared && hold.shared));
                let holders: Vec<Owner> = against.map(|hold| hold.party.owner()).collect();
                // Whoever comes first stands in the way too, but who would share a lock waits
                // for nobody else.
                if holders.is_empty() { first.into_iter().collect() } else { holders }
            }
            (Want::Permits { .. }, Kind::Semaphore { free, max, bounded: true }) => {
                let tied: i64 = thing.holds.iter().map(|hold| i64::from(hold.count)).sum();
                // A permit that belongs to nobody may be given back by anybody.
                if free + tied < i64::from(*max) {
                    return Vec::new();
                }
                thing.holds.iter().map(|hold| hold.party.owner()).chain(first).collect()
            }
            _ => Vec::new(),
        }
    }

    // ---- reduction

    fn stuck(&self) -> BTreeSet<Owner> {
        let mut stuck: BTreeSet<Owner> = self.waiting.keys().copied().collect();
        let holders = self.holding.keys().filter(|node| {
            let attempt = self.ends_with(**node);
            attempt.is_some_and(|attempt| self.of_attempt.contains_key(&attempt))
        });
        stuck.extend(holders.copied());
        loop {
            let free: Vec<Owner> =
                stuck.iter().copied().filter(|node| !self.is_stuck(*node, &stuck)).collect();
            if free.is_empty() {
                return stuck;
            }
            for node in free {
                stuck.remove(&node);
            }
        }
    }

    fn is_stuck(&self, node: Owner, stuck: &BTreeSet<Owner>) -> bool {
        match self.waiting.get(&node) {
            // Of several requests any may let it go on.
            Some(waits) => waits.iter().all(|no| self.is_wait_stuck(*no, stuck)),
            None => self.next_nodes(node).iter().any(|next| stuck.contains(next)),
        }
    }

    fn is_wait_stuck(&self, no: WaitNo, stuck: &BTreeSet<Owner>) -> bool {
        let Some(wait) = self.waits.get(&no).filter(|wait| !wait.own_timeout) else {
            return false;
        };
        wait.want.names().iter().any(|name| {
            let Some(thing) = self.things.get(name) else { return false };
            let blockers = self.blockers_at(no, wait, thing);
            match (&wait.want, &thing.kind) {
                (Want::Permits { n, .. }, Kind::Semaphore { free, .. }) => {
                    let holds = thing.holds.iter();
                    let can_come = holds.filter(|hold| !stuck.contains(&hold.party.owner()));
                    let can_come: i64 = can_come.map(|hold| i64::from(hold.count)).sum();
                    let is_proof = !blockers.is_empty();
                    let first = thing.queue.iter().next().and_then(|no| self.waits.get(no));
                    let behind = first.is_some_and(|first| {
                        first.party.owner() != wait.party.owner()
                            && stuck.contains(&first.party.owner())
                    });
                    is_proof && (behind || free + can_come < i64::from(*n))
                }
                _ => blockers.iter().any(|owner| stuck.contains(owner)),
            }
        })
    }

    // ---- circles

    fn circle(
        &self,
        core: &BTreeSet<Owner>,
        edges: &Edges,
        known: &BTreeSet<WaitNo>,
        behind: u32,
    ) -> Option<Circle> {
        let mut links: BTreeMap<Who, Link> = BTreeMap::new();
        let mut waits: BTreeSet<WaitNo> = BTreeSet::new();
        let mut until: Option<Mono> = None;
        let mut order: Vec<Who> = Vec::new();
        for node in walk(core, edges) {
            let Some(party) = self.party_of(node) else { continue };
            let key = who(&party);
            if !order.contains(&key) {
                order.push(key);
            }
            let link = links.entry(key).or_insert_with(|| Link {
                party: party.clone(),
                holds: BTreeSet::new(),
                wants: BTreeSet::new(),
                since: self.now,
                last_wait: 0,
            });
            let waiting = self.waiting.get(&node).into_iter().flatten();
            for no in waiting.filter(|no| !known.contains(no)) {
                let Some(wait) = self.waits.get(no) else { continue };
                let inside = self.blockers(*no).into_iter().filter(|(_, o)| core.contains(o));
                link.wants.extend(inside.map(|(name, _)| name));
                link.since = link.since.min(wait.since);
                link.last_wait = link.last_wait.max(*no);
                link.party = wait.party.clone();
                waits.insert(*no);
                until = [until, wait.until].into_iter().flatten().min();
            }
        }
        let wanted: BTreeSet<Name> = links.values().flat_map(|l| l.wants.clone()).collect();
        for node in core {
            let key = self.party_of(*node).map(|party| who(&party));
            let Some(link) = key.and_then(|key| links.get_mut(&key)) else { continue };
            let held = self.holding.get(node).into_iter().flatten();
            link.holds.extend(held.filter(|name| wanted.contains(*name)).cloned());
        }
        let mut members: Vec<Link> = order.iter().filter_map(|key| links.remove(key)).collect();
        // Who only stands in the queue before another is told of as such, not as a holder.
        members.retain(|link| !link.wants.is_empty());
        let closed_by = (0..members.len()).max_by_key(|i| members[*i].last_wait)?;
        Some(Circle { members, waits, closed_by, behind, until })
    }

    pub(super) fn party_of(&self, node: Owner) -> Option<Party> {
        let waits = self.waiting.get(&node).and_then(|waits| waits.first());
        if let Some(wait) = waits.and_then(|no| self.waits.get(no)) {
            return Some(wait.party.clone());
        }
        if let Owner::Attempt(attempt) = node {
            return Some(Party::of_attempt(attempt));
        }
        let names = self.holding.get(&node)?;
        let mut holds =
            names.iter().filter_map(|name| self.things.get(name)).flat_map(|t| &t.holds);
        holds.find(|hold| hold.party.owner() == node).map(|hold| hold.party.clone())
    }
}

/// Groups of nodes that can all reach each other, those of one node only if it waits for itself.
fn cores(edges: &Edges) -> Vec<BTreeSet<Owner>> {
    let mut left: BTreeSet<Owner> = edges.keys().copied().collect();
    // Whom nobody waits for is in no circle. Most of many are such, and go here.
    loop {
        let awaited: BTreeSet<Owner> =
            left.iter().filter_map(|node| edges.get(node)).flatten().copied().collect();
        let before = left.len();
        left.retain(|node| awaited.contains(node));
        if left.len() == before {
            break;
        }
    }
    let mut back: Edges = BTreeMap::new();
    for (from, to) in edges {
        for to in to {
            back.entry(*to).or_default().insert(*from);
        }
    }
    let mut found = Vec::new();
    while let Some(start) = left.first().copied() {
        let reached = reach(start, edges);
        let core: BTreeSet<Owner> = reach(start, &back).intersection(&reached).copied().collect();
        left.remove(&start);
        left.retain(|node| !core.contains(node));
        if !core.is_empty() {
            found.push(core);
        }
    }
    found
}

/// Nodes that can be reached from one, itself only over others.
fn reach(start: Owner, edges: &Edges) -> BTreeSet<Owner> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![start];
    while let Some(node) = todo.pop() {
        for next in edges.get(&node).into_iter().flatten() {
            if seen.insert(*next) {
                todo.push(*next);
            }
        }
    }
    seen
}

/// The nodes of a core, each followed by one that it waits for, as far as that goes; what one
/// circle does not touch follows.
fn walk(core: &BTreeSet<Owner>, edges: &Edges) -> Vec<Owner> {
    let mut path: Vec<Owner> = core.first().copied().into_iter().collect();
    while let Some(last) = path.last() {
        let mut next = edges.get(last).into_iter().flatten();
        let next = next.find(|n| core.contains(n) && !path.contains(n)).copied();
        match next {
            Some(next) => path.push(next),
            None => break,
        }
    }
    let rest: Vec<Owner> = core.iter().filter(|node| !path.contains(node)).copied().collect();
    path.extend(rest);
    path
}

/// What happened, in one sentence: "a:1 holds x and wants y, held by a:2, which wants x".
pub fn sentence(members: &[Link], name: impl Fn(&Party) -> String) -> String {
    let list = |names: &BTreeSet<Name>| {
        names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" and ")
    };
    let [first, rest @ ..] = members else { return String::new() };
    let mut text = name(&first.party);
    if !first.holds.is_empty() {
        text += &format!(" holds {} and", list(&first.holds));
    }
    if rest.is_empty() {
        return format!("{text} waits for itself");
    }
    text += &format!(" wants {}", list(&first.wants));
    for link in rest {
        text += &format!(", held by {}, which wants {}", name(&link.party), list(&link.wants));
    }
    text
}
