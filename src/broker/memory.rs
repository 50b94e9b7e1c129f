//! Locks and semaphores that clients take without asking: `docs/protocol-fast.md`.
//!
//! A cell of the memory is open, and then the truth is in it, or closed, and then it is in the
//! table of the engine. This says what is found in a cell when it is closed, and opens it when it
//! is told to; who gets what is decided elsewhere. Nothing in the memory is believed further than
//! that: it belongs to processes of the same user, which may be stopped, killed or wrong at any
//! point.

use super::words::Words;
use crate::model::locks::{CellFound, CellKind, CellView, Name, Party};
use crate::model::{Mono, ProcRef};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::fence;
use std::time::Duration;

const MAGIC: u64 = u64::from_le_bytes(*b"GANGFAST");
const VERSION: u64 = 2;
/// Words of the header, of a cell and of a seat.
const HEADER: usize = 64;
const CELL: usize = 8;
const SEAT: usize = 8;
const CELLS: usize = 16384;
const SEATS: usize = 4096;
/// Where the hold times begin, and the words of those of a cell: four for each doubling.
const HOLDS: usize = HEADER + CELLS * CELL + SEATS * SEAT;
const HOLD: usize = 256;

/// Words of a cell, behind its semaphore.
const CLOSED: usize = 4;
const HOLDER: usize = 5;
const SINCE: usize = 6;
const TAKEN: usize = 7;

/// Words of a seat.
const INTENT: usize = 0;
const PID: usize = 1;
const THREAD: usize = 2;

/// The C library's count of a semaphore; the rest of its word says who sleeps in it: nobody.
const VALUE: u64 = 0xffff_ffff;

/// A thread of a client that may take cells.
#[derive(Clone, Debug)]
struct Seat {
    party: Party,
    has_ended: bool,
}

/// The memory, and who uses it.
#[derive(Debug)]
pub struct Memory {
    words: Words,
    cells: HashMap<Name, (usize, CellKind)>,
    /// By their number.
    names: Vec<Name>,
    seats: BTreeMap<usize, Seat>,
    free: Vec<usize>,
    n_seats: usize,
    /// Who had a cell when it was closed.
    found: HashMap<usize, usize>,
    /// Closed cells of which a client is in the middle of a step.
    unclear: BTreeSet<Name>,
    /// Seats of threads that were interrupted in the middle of a step and have said so.
    lost: BTreeSet<usize>,
}

impl Memory {
    /// Makes the memory of a run.
    ///
    /// # Errors
    /// Where the kernel has none to give, and on machines where the order of the steps does not
    /// hold.
    pub fn new() -> io::Result<Memory> {
        if !cfg!(target_arch = "x86_64") {
            return Err(io::Error::other("only x86-64 keeps stores in the order they need"));
        }
        let words = Words::new(HOLDS + CELLS * HOLD)?;
        let seats = HEADER + CELLS * CELL;
        let header = [MAGIC, VERSION, HEADER as u64, CELL as u64, CELLS as u64];
        let header = header.into_iter().chain([seats as u64, SEAT as u64, SEATS as u64]);
        let header = header.chain([HOLDS as u64, HOLD as u64]);
        for (place, word) in header.enumerate() {
            words.at(place).store(word, SeqCst);
        }
        Ok(Memory {
            words,
            cells: HashMap::new(),
            names: Vec::new(),
            seats: BTreeMap::new(),
            free: Vec::new(),
            n_seats: 0,
            found: HashMap::new(),
            unclear: BTreeSet::new(),
            lost: BTreeSet::new(),
        })
    }

    /// What clients map.
    pub fn fd(&self) -> Arc<OwnedFd> {
        self.words.fd()
    }

    /// A seat for a thread; `None` when all are taken.
    pub fn sit(&mut self, party: &Party) -> Option<u64> {
        let seat = self.free.pop().or_else(|| {
            let next = HEADER + CELLS * CELL + self.n_seats * SEAT;
            (self.n_seats < SEATS).then(|| {
                self.n_seats += 1;
                next
            })
        })?;
        let pid = party.proc.map_or(0, |proc| proc.pid);
        self.set(seat + INTENT, 0);
        self.set(seat + PID, u64::from(pid.unsigned_abs()));
        self.set(seat + THREAD, party.thread.unwrap_or(0));
        self.seats.insert(seat, Seat { party: party.clone(), has_ended: false });
        Some(seat as u64)
    }

    /// The cell of a name, closed when it is new; `None` when all are taken, or when the name has
    /// one of another kind.
    pub fn cell(&mut self, name: &Name, kind: CellKind) -> Option<u64> {
        let is_lock = |kind: CellKind| kind != CellKind::Semaphore;
        if let Some((at, known)) = self.cells.get(name) {
            return (is_lock(*known) == is_lock(kind)).then_some(*at as u64);
        }
        if self.names.len() >= CELLS {
            return None;
        }
        let at = HEADER + self.names.len() * CELL;
        self.set(at + CLOSED, 1);
        self.set(2, (at + CELL) as u64);
        self.cells.insert(name.clone(), (at, kind));
        self.names.push(name.clone());
        Some(at as u64)
    }

    /// Opens a closed cell: one permit for a lock that is free.
    pub fn open(&mut self, name: &Name, permits: u64) {
        let Some((at, _)) = self.cells.get(name).copied() else { return };
        self.found.remove(&at);
        self.set(at + HOLDER, 0);
        self.set(at + CLOSED, 0);
        self.words.at(at).fetch_add(permits.min(VALUE >> 1), SeqCst);
    }

    /// Closes a cell, if it is open, and says what is new of it. `believed`: the table has its
    /// holder from here.
    pub fn look(&mut self, name: &Name, believed: bool) -> Option<CellFound> {
        let (at, kind) = self.cells.get(name).copied()?;
        let was_open = self.words.at(at + CLOSED).swap(1, SeqCst) == 0;
        // Whoever looks from now on sees that it is closed; who looked before has announced it.
        fence(SeqCst);
        if kind == CellKind::Semaphore {
            let n = self.collect(at);
            return (was_open || n > 0).then_some(CellFound::Permits { n });
        }
        if !was_open && !self.unclear.contains(name) {
            let holder = self.get(at + HOLDER);
            if !believed || self.found.get(&at).is_some_and(|seat| *seat as u64 == holder) {
                return None;
            }
        }
        let found = self.find(at);
        match found {
            CellFound::Unclear => self.unclear.insert(name.clone()),
            _ => self.unclear.remove(name),
        };
        Some(found)
    }

    /// Finds out who has the lock of a closed cell. `docs/protocol-fast.md` says why it takes two
    /// rounds: one client may give it back and one other may take it meanwhile, and no more.
    fn find(&mut self, at: usize) -> CellFound {
        for _ in 0..2 {
            if self.collect(at) > 0 {
                return CellFound::Free;
            }
            let first = self.get(at + HOLDER);
            let under_way =
                self.with_intent(at).any(|(n, s)| !s.has_ended && !self.lost.contains(&n));
            let holder = match self.get(at + HOLDER) {
                0 => first,
                holder => holder,
            };
            let seat = usize::try_from(holder).ok().and_then(|n| Some((n, self.seats.get(&n)?)));
            if let Some((n, seat)) = seat {
                let party = self.sitter(n, &seat.party);
                if seat.has_ended {
                    return CellFound::Orphaned { party: Some(party) };
                }
                self.found.insert(at, n);
                return CellFound::Held { party, since: Mono(self.get(at + SINCE) / 1000) };
            }
            if under_way {
                return CellFound::Unclear;
            }
        }
        // It went with a process that has ended, or with a thread that knows no better than we.
        let mut gone = self.with_intent(at).filter(|(_, seat)| seat.has_ended);
        let gone = gone.next().map(|(n, seat)| self.sitter(n, &seat.party));
        if self.with_intent(at).any(|(n, _)| self.lost.contains(&n)) {
            return CellFound::Free;
        }
        CellFound::Orphaned { party: gone }
    }

    /// A thread was interrupted in the middle of a step, and does nothing until it hears what
    /// became of it. `false`: this is no seat of its process.
    pub fn lose(&mut self, seat: u64, proc: Option<ProcRef>) -> bool {
        let Ok(seat) = usize::try_from(seat) else { return false };
        let own = self.seats.get(&seat).is_some_and(|s| s.party.proc == proc && !s.has_ended);
        if own {
            self.lost.insert(seat);
        }
        own
    }

    /// It is settled what became of that step.
    pub fn settle(&mut self, seat: u64) {
        if let Ok(seat) = usize::try_from(seat)
            && self.lost.remove(&seat)
        {
            self.set(seat + INTENT, 0);
        }
    }

    /// A process has ended: returns the names of the cells to be looked at.
    pub fn ended(&mut self, proc: ProcRef) -> Vec<Name> {
        let mut touched: BTreeSet<u64> = BTreeSet::new();
        let mut dead: BTreeSet<u64> = BTreeSet::new();
        for (n, seat) in self.seats.iter_mut().filter(|(_, seat)| seat.party.proc == Some(proc)) {
            seat.has_ended = true;
            dead.insert(*n as u64);
            touched.insert(self.words.at(n + INTENT).load(SeqCst));
        }
        if dead.is_empty() {
            return Vec::new();
        }
        let is_touched = |name: &&Name| {
            self.cells.get(*name).is_some_and(|(at, kind)| {
                touched.contains(&(*at as u64))
                    || dead.contains(&self.get(at + HOLDER))
                    // It may have given back, late, what the table says it has.
                    || self.found.get(at).is_some_and(|seat| dead.contains(&(*seat as u64)))
                    || self.unclear.contains(*name)
                    // It may have given permits back and not said so.
                    || (*kind == CellKind::Semaphore && self.get(at + CLOSED) != 0)
            })
        };
        self.names.iter().filter(is_touched).cloned().collect()
    }

    /// Frees the seats of processes that have ended, once it is clear what they left.
    pub fn bury(&mut self) {
        if !self.unclear.is_empty() {
            return;
        }
        let dead: Vec<usize> =
            self.seats.iter().filter(|(_, seat)| seat.has_ended).map(|(n, _)| *n).collect();
        for seat in dead {
            self.seats.remove(&seat);
            self.lost.remove(&seat);
            self.set(seat + INTENT, 0);
            self.set(seat + PID, 0);
            self.free.push(seat);
        }
    }

    /// Closed cells of which more is to be found out: nothing tells when a step is over.
    pub fn unclear(&self) -> Vec<Name> {
        self.unclear.iter().cloned().collect()
    }

    /// What is in a cell; nothing is changed.
    pub fn view(&self, name: &Name) -> Option<CellView> {
        let (at, kind) = self.cells.get(name).copied()?;
        let taken = self.get(at + TAKEN);
        let holds = if taken > 0 { self.holds(at) } else { Vec::new() };
        if self.get(at + CLOSED) != 0 {
            return Some(CellView { taken, holds, ..CellView::default() });
        }
        let permits = (self.get(at) & VALUE) as u32;
        let holder = usize::try_from(self.get(at + HOLDER)).ok();
        let holder = holder.filter(|_| kind != CellKind::Semaphore);
        let holder = holder.and_then(|n| Some(self.sitter(n, &self.seats.get(&n)?.party)));
        let since = Mono(self.get(at + SINCE) / 1000);
        Some(CellView { holder: holder.map(|party| (party, since)), permits, taken, holds })
    }

    /// How long a cell was held, and how often so long, shortest first. Word `4 n + q` counts holds
    /// whose nanoseconds have `n` bits, at least 4, of which the first three are `q`.
    fn holds(&self, at: usize) -> Vec<(Duration, u64)> {
        let first = HOLDS + (at - HEADER) / CELL * HOLD;
        let of = |word: usize| {
            let (bits, top) = (word / 4 - 1, (word % 4 + 4) as u64);
            // The middle of all that begin with these three.
            let ns = (2 * top + 1) << (bits - 4);
            (Duration::from_nanos(ns), self.get(first + word))
        };
        (20..HOLD).map(of).filter(|(_, n)| *n > 0).collect()
    }

    /// Open cells that somebody has, and since when.
    pub fn held(&self) -> impl Iterator<Item = (&Name, Mono)> {
        self.names.iter().filter_map(|name| {
            let (_, since) = self.view(name)?.holder?;
            Some((name, since))
        })
    }

    /// A word of the memory, as a client writes it.
    #[cfg(test)]
    pub fn word(&self, place: u64) -> &std::sync::atomic::AtomicU64 {
        self.words.at(usize::try_from(place).unwrap_or(usize::MAX))
    }

    fn with_intent(&self, at: usize) -> impl Iterator<Item = (usize, &Seat)> {
        let here = move |(n, _): &(usize, &Seat)| self.get(n + INTENT) == at as u64;
        self.seats.iter().map(|(n, seat)| (*n, seat)).filter(here)
    }

    fn sitter(&self, seat: usize, party: &Party) -> Party {
        Party { thread: Some(self.get(seat + THREAD)), ..party.clone() }
    }

    /// Takes all that a semaphore has.
    fn collect(&self, at: usize) -> u64 {
        self.words.at(at).fetch_and(!VALUE, SeqCst) & VALUE
    }

    fn get(&self, place: usize) -> u64 {
        self.words.at(place).load(SeqCst)
    }

    fn set(&self, place: usize, word: u64) {
        self.words.at(place).store(word, SeqCst);
    }
}
