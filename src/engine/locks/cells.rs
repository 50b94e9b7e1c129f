//! Locks and semaphores whose state is at times in memory that clients share.
//!
//! A thing has a cell or none. While its cell is *open*, nobody waits for it, the truth is in the
//! memory, and to the table the thing is with an owner that it does not know. The edge that has
//! the memory closes a cell before it passes on what relies on it, and tells what it found; the
//! table opens it again when nothing speaks against it. `docs/protocol-fast.md` has the rest.

use super::{Hold, Kind, LockTable, Request, Result, Thing};
use crate::model::Mono;
use crate::model::locks::{
    CellFound, CellKind, Given, LockKind, LockNotice, Name, Op, Owner, Party, is_name,
};
use std::collections::BTreeSet;

/// Where the state of a thing with a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// In the memory.
    Open,
    /// Here.
    Closed,
    /// Somebody is in the middle of a step, of which more will be told.
    Unclear,
}

/// Permits that fit into a cell.
const CELL_PERMITS: i64 = i32::MAX as i64;

impl Thing {
    /// Somebody may have it whom the table does not know.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self.cell, Some(Cell::Open | Cell::Unclear))
    }
}

impl LockTable {
    /// A request about cells.
    pub(super) fn cell_op(
        &mut self,
        op: &Op,
        party: &Party,
        _request: &dyn Fn(Option<u64>) -> Request,
    ) -> Result<Option<Given>> {
        match op {
            Op::FastOpen { name, kind, max, bounded, cell } => {
                self.make_cell(name, *kind, *max, *bounded)?;
                Ok(Some(Given::Cell { cell: *cell }))
            }
            Op::FastLost { name, .. } => {
                let owner = party.owner();
                self.give_back_for(name, owner);
                Ok(Some(Given::Nothing {}))
            }
            Op::FastOrder { first, second } => {
                if [first, second].iter().all(|name| self.is_lock(name)) {
                    self.note_pair(party, &(first.clone(), false), &(second.clone(), false));
                }
                Ok(Some(Given::Nothing {}))
            }
            Op::FastFreed { name } => {
                self.touch(name);
                Ok(Some(Given::Nothing {}))
            }
            _ => Ok(Some(Given::Nothing {})),
        }
    }

    fn make_cell(
        &mut self,
        name: &Name,
        kind: CellKind,
        max: Option<u32>,
        bounded: bool,
    ) -> Result<()> {
        match kind {
            CellKind::Semaphore => self.semaphore_of(name, max, bounded)?,
            CellKind::Lock => self.lock_of(name, LockKind::Lock)?,
            CellKind::Rlock => self.lock_of(name, LockKind::Rlock)?,
        }
        if let Some(thing) = self.things.get_mut(name) {
            thing.cell.get_or_insert(Cell::Closed);
        }
        self.touch(name);
        Ok(())
    }

    /// Takes in what was found in a cell that has been closed.
    pub(super) fn cell_seen(&mut self, name: &Name, found: &CellFound) {
        let Some(thing) = self.things.get_mut(name) else { return };
        if thing.cell.is_none() {
            return;
        }
        let unclear = matches!(found, CellFound::Unclear);
        thing.cell = Some(if unclear { Cell::Unclear } else { Cell::Closed });
        self.forget_belief(name);
        match found {
            CellFound::Free | CellFound::Unclear => {}
            CellFound::Permits { n } => {
                if let Some(Kind::Semaphore { free, .. }) =
                    self.things.get_mut(name).map(|thing| &mut thing.kind)
                {
                    *free += i64::try_from(*n).unwrap_or(CELL_PERMITS).min(CELL_PERMITS);
                }
            }
            CellFound::Held { party, since } => self.believe(name, party, *since),
            CellFound::Orphaned { party } => {
                if let Some(Kind::Lock { orphaned, .. }) =
                    self.things.get_mut(name).map(|thing| &mut thing.kind)
                {
                    *orphaned = true;
                }
                if let Some(party) = party.clone() {
                    let names = vec![name.clone()];
                    self.notice(LockNotice::OwnerDied { names, party });
                }
            }
        }
        // Who waits has a new one to wait for, and so may have closed a circle.
        if let Some(thing) = self.things.get(name) {
            self.begun.extend(thing.queue.iter());
        }
        self.serve(name, false);
        self.touch(name);
    }

    /// Nobody waits for it: from now on the memory has it.
    pub(super) fn cell_opened(&mut self, name: &Name) {
        let Some(thing) = self.things.get_mut(name) else { return };
        if thing.cell == Some(Cell::Closed) {
            thing.cell = Some(Cell::Open);
            if let Kind::Semaphore { free, .. } = &mut thing.kind {
                *free = 0;
            }
        }
    }

    /// Things with a closed cell that have changed since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.touched)
    }

    /// The permits that go to a cell (1 for a lock), if it can be opened.
    pub fn openable(&self, name: &Name) -> Option<u64> {
        let thing = self.things.get(name).filter(|thing| thing.cell == Some(Cell::Closed))?;
        let wanted = !thing.holds.is_empty()
            || !thing.queue.is_empty()
            || !thing.tasks.is_empty()
            || self.sleepers.contains_key(name)
            || self.owed.contains(name);
        match &thing.kind {
            _ if wanted => None,
            Kind::Lock { orphaned: false, .. } => Some(1),
            Kind::Semaphore { free, .. } if *free <= CELL_PERMITS => u64::try_from(*free).ok(),
            _ => None,
        }
    }

    /// Those of some names whose state is in the memory.
    pub fn elsewhere<'a>(&'a self, names: impl Iterator<Item = &'a Name>) -> Vec<Name> {
        let open = |name: &&Name| {
            self.things.get(*name).is_some_and(|thing| thing.cell == Some(Cell::Open))
        };
        names.filter(open).cloned().collect()
    }

    /// Whether a name can have a cell of a kind: it is nothing else yet.
    pub fn may_have_cell(&self, name: &Name, kind: CellKind) -> bool {
        match (self.things.get(name).map(|thing| &thing.kind), kind) {
            (None, _) => is_name(name),
            (Some(Kind::Semaphore { .. }), CellKind::Semaphore)
            | (Some(Kind::Lock { .. }), CellKind::Lock | CellKind::Rlock) => true,
            _ => false,
        }
    }

    /// Whether the holder of a lock took it in the memory, as far as is known.
    pub fn is_belief(&self, name: &Name) -> bool {
        let holds = self.things.get(name).map(|thing| thing.holds.as_slice());
        holds.unwrap_or_default().iter().any(|hold| hold.from_cell)
    }

    /// Something of this name has changed: perhaps its cell can be opened.
    pub(super) fn touch(&mut self, name: &Name) {
        if self.things.get(name).is_some_and(|thing| thing.cell == Some(Cell::Closed)) {
            self.touched.insert(name.clone());
        }
    }

    fn believe(&mut self, name: &Name, party: &Party, since: Mono) {
        let free = self.things.get(name).is_some_and(|thing| thing.holds.is_empty());
        if !free {
            return;
        }
        self.hold(name, party, 1, false);
        let owner = party.owner();
        let (warn, now) = (self.rules.hold_warn, self.now);
        let hold = self.things.get_mut(name).and_then(|thing| thing.holds.first_mut());
        if let Some(hold) = hold {
            let since = since.min(now);
            hold.from_cell = true;
            if let Some(warn) = warn {
                self.long_holds.remove(&(hold.since + warn, name.clone(), owner));
                self.long_holds.insert((since + warn, name.clone(), owner));
            }
            hold.since = since;
        }
        self.note_order(&party.clone(), std::slice::from_ref(name));
    }

    /// The holder that the table has from the cell is none, or is to be found out anew.
    fn forget_belief(&mut self, name: &Name) {
        let holds = self.things.get(name).map(|thing| thing.holds.as_slice());
        let believed: Option<Owner> = holds
            .unwrap_or_default()
            .iter()
            .find(|hold: &&Hold| hold.from_cell)
            .map(|hold| hold.party.owner());
        if let Some(owner) = believed {
            self.give_back(name, owner, u32::MAX, false);
        }
    }
}
