//! What the panel has rows for: ganger's own primitives, and locks that are not its own.

use super::words;
use crate::model::locks::{LockView, Name, Party};
use crate::model::waits::foreign::ForeignLock;
use crate::tui::model::Model;

/// One row of the table.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    Own(&'a LockView),
    Foreign(&'a ForeignLock),
}

/// Everything that a snapshot tells of, in its order.
pub fn all(model: &Model) -> impl Iterator<Item = Shown<'_>> {
    let shared = &model.snapshot.shared;
    shared.locks.iter().map(Shown::Own).chain(shared.foreign.iter().map(Shown::Foreign))
}

/// The one that a row is about.
pub fn find<'a>(model: &'a Model, key: &Name) -> Option<Shown<'a>> {
    match key.starts_with('~') {
        true => {
            let mut foreign = model.snapshot.shared.foreign.iter();
            foreign.find(|lock| lock.key() == *key).map(Shown::Foreign)
        }
        false => super::lock(model, key).map(Shown::Own),
    }
}

impl<'a> Shown<'a> {
    pub fn own(self) -> Option<&'a LockView> {
        match self {
            Shown::Own(lock) => Some(lock),
            Shown::Foreign(_) => None,
        }
    }

    /// Tells it from all others, also from one moment to the next.
    pub fn key(self) -> Name {
        match self {
            Shown::Own(lock) => lock.name.clone(),
            Shown::Foreign(lock) => lock.key(),
        }
    }

    /// What it is called.
    pub fn title(self) -> String {
        match self {
            Shown::Own(lock) => lock.name.to_string(),
            Shown::Foreign(lock) => lock.title(),
        }
    }

    /// The same with a shape before what is not ganger's own.
    pub fn marked_title(self, model: &Model) -> String {
        match self {
            Shown::Own(lock) => lock.name.to_string(),
            Shown::Foreign(lock) => format!("{} {}", model.look.glyphs.foreign, lock.title()),
        }
    }

    pub fn kind(self) -> &'static str {
        match self {
            Shown::Own(lock) => words::kind(lock),
            Shown::Foreign(lock) => super::foreign::kind(lock),
        }
    }

    pub fn n_waiters(self) -> u32 {
        match self {
            Shown::Own(lock) => lock.n_waiters,
            Shown::Foreign(lock) => lock.n_waiters,
        }
    }

    /// What all waits for it cost, measured or sampled.
    pub fn lost_us(self) -> u64 {
        match self {
            Shown::Own(lock) => lock.stats.lost_us,
            Shown::Foreign(lock) => lock.stats.waited_us,
        }
    }

    /// Who has it. Of what is not ganger's own only who is proven to.
    pub fn holders(self) -> Vec<&'a Party> {
        match self {
            Shown::Own(lock) => lock.holders.iter().map(|holder| &holder.party).collect(),
            Shown::Foreign(lock) => lock.owners().map(|holder| &holder.party).collect(),
        }
    }

    /// Who waits for it; a job that has not started is nobody yet.
    pub fn waiters(self) -> Vec<&'a Party> {
        match self {
            Shown::Own(lock) => {
                let started = lock.waiters.iter().filter(|waiter| waiter.wants != "job");
                started.map(|waiter| &waiter.party).collect()
            }
            Shown::Foreign(lock) => lock.waiters.iter().map(|waiter| &waiter.party).collect(),
        }
    }

    /// All who are named as having it or waiting for it.
    pub fn parties(self) -> Vec<&'a Party> {
        match self {
            Shown::Own(lock) => {
                let holders = lock.holders.iter().map(|holder| &holder.party);
                holders.chain(lock.waiters.iter().map(|waiter| &waiter.party)).collect()
            }
            Shown::Foreign(lock) => {
                let holders = lock.holders.iter().map(|holder| &holder.party);
                holders.chain(lock.waiters.iter().map(|waiter| &waiter.party)).collect()
            }
        }
    }
}
