//! Between the memory that clients share and the table of the engine: closes a cell before the
//! engine is told of anything that relies on it, and opens it when the engine says so.

use crate::broker::Memory;
use crate::control::server::ClientId;
use crate::engine::locks::LockTable;
use crate::model::limits::{LOOK_AGAIN, LOOK_AGAIN_MOST};
use crate::model::locks::{
    CellKind, Failure, Given, HolderView, LockChange, LockState, LockView, Name, Op, Party, Refusal,
};
use crate::model::{Mono, ProcRef};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// A thread that waits to hear what became of the step in whose middle it was interrupted.
#[derive(Debug)]
struct Lost {
    client: ClientId,
    id: u64,
    party: Party,
    name: Name,
    seat: u64,
}

/// The memory of a run, once somebody has asked for it.
#[derive(Debug, Default)]
pub(super) struct Cells {
    memory: Option<Memory>,
    lost: Vec<Lost>,
    /// When cells of which too little is known are looked at again, and how long it was.
    again: Option<(Mono, Duration)>,
    /// When open cells are looked at for locks that are held too long.
    long_holds: Option<Mono>,
}

/// What a request is to the memory.
pub(super) enum Passed {
    /// The engine is to hear these, in one step.
    On(Vec<LockChange>),
    /// Answered already, with the memory itself if it is to be handed over.
    Answered(Given, Option<Arc<OwnedFd>>),
}

impl Cells {
    /// Takes in a request, and looks into the cells that it relies on.
    ///
    /// # Errors
    /// When there is no memory, seat or cell for it.
    pub(super) fn ask(
        &mut self,
        table: &LockTable,
        client: ClientId,
        id: u64,
        party: Party,
        mut op: Op,
        now: Mono,
    ) -> Result<Passed, Refusal> {
        match &mut op {
            Op::FastAttach {} | Op::FastSeat {} => {
                let memory = self.memory()?;
                let full = || Refusal::new(Failure::TooLarge, "all seats are taken");
                let seat = memory.sit(&party).ok_or_else(full)?;
                let fd = matches!(op, Op::FastAttach {}).then(|| memory.fd());
                return Ok(Passed::Answered(Given::Seat { seat }, fd));
            }
            Op::FastOpen { name, kind, cell, .. } => *cell = self.cell(table, name, *kind)?,
            Op::FastLost { name, seat } => {
                let own = self.memory.as_mut().is_some_and(|m| m.lose(*seat, party.proc));
                if !own {
                    let text = format!("{seat} is no seat of this process");
                    return Err(Refusal::new(Failure::Invalid, text));
                }
                let (name, seat) = (name.clone(), *seat);
                self.lost.push(Lost { client, id, party, name: name.clone(), seat });
                return Ok(Passed::On(self.look(table, &[name], now)));
            }
            _ => {}
        }
        let mut changes = self.look(table, op.relies_on(), now);
        changes.push(LockChange::Asked { client, id, party, op });
        Ok(Passed::On(changes))
    }

    fn memory(&mut self) -> Result<&mut Memory, Refusal> {
        if self.memory.is_none() {
            let none = |e: io::Error| {
                Refusal::new(Failure::Invalid, format!("there is no shared memory: {e}"))
            };
            self.memory = Some(Memory::new().map_err(none)?);
        }
        let gone = || Refusal::new(Failure::Invalid, "there is no shared memory");
        self.memory.as_mut().ok_or_else(gone)
    }

    fn cell(&mut self, table: &LockTable, name: &Name, kind: CellKind) -> Result<u64, Refusal> {
        // A thing of another kind is refused by the engine, and needs no cell.
        if !table.may_have_cell(name, kind) {
            return Ok(0);
        }
        let full = || Refusal::new(Failure::TooLarge, "all cells are taken");
        self.memory()?.cell(name, kind).ok_or_else(full)
    }

    /// Looks into the cells of some names: what is new of them, and then what only waited for it.
    pub(super) fn look(&mut self, table: &LockTable, names: &[Name], now: Mono) -> Vec<LockChange> {
        let Some(memory) = &mut self.memory else { return Vec::new() };
        let mut changes = Vec::new();
        for name in names {
            if let Some(found) = memory.look(name, table.is_belief(name)) {
                changes.push(LockChange::CellSeen { name: name.clone(), found });
            }
        }
        let unclear = memory.unclear();
        self.again = match (unclear.is_empty(), self.again) {
            (true, _) => None,
            (false, None) => Some((now + LOOK_AGAIN, LOOK_AGAIN)),
            (false, again) => again,
        };
        let settled = |lost: &mut Lost| !unclear.contains(&lost.name);
        for lost in self.lost.extract_if(.., settled) {
            memory.settle(lost.seat);
            let Lost { client, id, party, name, seat } = lost;
            let op = Op::FastLost { name, seat };
            changes.push(LockChange::Asked { client, id, party, op });
        }
        changes
    }

    /// A process has ended: what it left in the cells, and that it has ended.
    pub(super) fn ended(&mut self, table: &LockTable, proc: ProcRef, now: Mono) -> Vec<LockChange> {
        self.lost.retain(|lost| lost.party.proc != Some(proc));
        let names = self.memory.as_mut().map(|memory| memory.ended(proc)).unwrap_or_default();
        let mut changes = self.look(table, &names, now);
        changes.push(LockChange::Died { proc });
        self.bury();
        changes
    }

    fn bury(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.bury();
        }
    }

    /// A connection has ended.
    pub(super) fn left(&mut self, client: ClientId) {
        // Whether it lives or not, the step is not told of any more: its thread has the seat only
        // until its process ends.
        self.lost.retain(|lost| lost.client != client);
    }

    /// Opens a cell.
    pub(super) fn open(&mut self, name: &Name, permits: u64) {
        if let Some(memory) = &mut self.memory {
            memory.open(name, permits);
        }
    }

    /// When cells are to be looked at next.
    pub(super) fn due(&self) -> Option<Mono> {
        [self.again.map(|(at, _)| at), self.long_holds].into_iter().flatten().min()
    }

    /// Looks at those that are due. `hold_warn`: how long a lock may be held before it is told.
    pub(super) fn look_again(
        &mut self,
        table: &LockTable,
        now: Mono,
        hold_warn: Option<Duration>,
    ) -> Vec<LockChange> {
        let mut changes = Vec::new();
        if let Some((at, waited)) = self.again
            && at <= now
            && let Some(memory) = &self.memory
        {
            let names = memory.unclear();
            changes = self.look(table, &names, now);
            // A client that was stopped in the middle of a step may stay there for hours.
            let next = (waited * 2).min(LOOK_AGAIN_MOST);
            self.again = self.again.map(|_| (now + next, next));
            self.bury();
        }
        if let (Some(warn), Some(memory)) = (hold_warn, &self.memory)
            && self.long_holds.is_none_or(|at| at <= now)
        {
            let held: Vec<(Name, Mono)> =
                memory.held().map(|(name, since)| (name.clone(), since)).collect();
            let long = |(_, since): &&(Name, Mono)| *since + warn <= now;
            let next = held.iter().map(|(_, since)| *since + warn).filter(|at| *at > now).min();
            // What is taken after this look is not held too long before then.
            self.long_holds = Some(next.unwrap_or(now + warn).min(now + warn));
            let names: Vec<Name> = held.iter().filter(long).map(|(name, _)| name.clone()).collect();
            changes.extend(self.look(table, &names, now));
        }
        changes
    }

    /// Adds to a view what is in the cell.
    pub(super) fn complete(&self, table: &LockTable, view: &mut LockView) {
        let Some(seen) = self.memory.as_ref().and_then(|memory| memory.view(&view.name)) else {
            return;
        };
        view.stats.acquisitions += seen.taken;
        if !seen.holds.is_empty() {
            let mut all = table.hold_times(&view.name).cloned().unwrap_or_default();
            seen.holds.iter().for_each(|(time, n)| all.add_many(*time, *n));
            view.stats.hold = all.summary();
        }
        if let Some((party, since)) = seen.holder
            && view.holders.is_empty()
        {
            view.holders.push(HolderView { party, since, count: 1, shared: false });
        }
        if let LockState::Semaphore { value, .. } | LockState::BoundedSemaphore { value, .. } =
            &mut view.state
        {
            *value = value.saturating_add(seen.permits);
        }
    }
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
