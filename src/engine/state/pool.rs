//! A pool: its size, what runs in it, and which tasks have something to start.

use super::priority::Order;
use crate::model::Requester;
use std::collections::BTreeSet;

/// A pool at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    pub(super) size: u32,
    pub(super) running: u32,
    pub(super) weight_used: u32,
    pub(super) paused: Option<Requester>,
    pub(super) ready: u32,
    pub(super) blocked: u32,
    /// Ranks of the tasks with a ready job and room under their `max_parallel`.
    pub(super) startable: BTreeSet<u32>,
    /// Jobs that were moved in the queue, whether they are in it now or not.
    pub(super) moved: BTreeSet<Order>,
    /// One bit per slot; bit 0 is slot 1.
    pub(super) slots: Vec<u64>,
}

impl Pool {
    /// Number of workers it should have.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Number of running attempts.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// Workers' worth that running attempts take; more than the size only while shrinking.
    pub fn weight_used(&self) -> u32 {
        self.weight_used
    }

    /// Who paused this pool, if somebody did.
    pub fn paused(&self) -> Option<&Requester> {
        self.paused.as_ref()
    }

    /// Jobs in its queue.
    pub fn ready(&self) -> u32 {
        self.ready
    }

    /// Jobs of its tasks that wait for other jobs.
    pub fn blocked(&self) -> u32 {
        self.blocked
    }

    /// Returns the lowest slot number that nothing runs in, from 1.
    pub(in crate::engine) fn free_slot(&self) -> u32 {
        let full = self.slots.iter().take_while(|word| **word == u64::MAX).count();
        let bit = self.slots.get(full).map_or(0, |word| word.trailing_ones());
        full as u32 * 64 + bit + 1
    }

    /// What a task of this weight takes here: more than the pool has counts as all of it.
    pub fn effective_weight(&self, weight: u32) -> u32 {
        weight.min(self.size).max(1)
    }

    pub(super) fn take_slot(&mut self, n: u32) {
        let word = (n.saturating_sub(1) / 64) as usize;
        if self.slots.len() <= word {
            self.slots.resize(word + 1, 0);
        }
        self.slots[word] |= slot_bit(n);
    }

    pub(super) fn give_slot(&mut self, n: u32) {
        if let Some(word) = self.slots.get_mut((n.saturating_sub(1) / 64) as usize) {
            *word &= !slot_bit(n);
        }
    }
}

fn slot_bit(n: u32) -> u64 {
    1 << (n.saturating_sub(1) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_slot_is_given_first() {
        let mut pool = Pool::default();
        for n in 1..=130 {
            assert_eq!(pool.free_slot(), n);
            pool.take_slot(n);
        }
        pool.give_slot(70);
        pool.give_slot(2);
        assert_eq!(pool.free_slot(), 2);
        pool.take_slot(2);
        assert_eq!(pool.free_slot(), 70);
    }
}
