//! How often something happens, over the last ten seconds.

use crate::model::Mono;

/// Seconds that are looked back over.
const SECONDS: usize = 10;

/// Counts by second.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rate {
    /// By second modulo [`SECONDS`].
    counts: [u64; SECONDS],
    /// The second that was counted last.
    last: u64,
    /// The second that was counted first.
    first: Option<u64>,
}

impl Rate {
    pub fn add(&mut self, now: Mono, n: u64) {
        let second = now.0 / 1_000_000;
        // What was counted ten seconds ago or before that makes room.
        for gone in (self.last + 1..=second).rev().take(SECONDS) {
            self.counts[gone as usize % SECONDS] = 0;
        }
        self.last = self.last.max(second);
        self.first.get_or_insert(second);
        self.counts[second as usize % SECONDS] += n;
    }

    /// Per second, over those ten, or since the first time when that is not so long ago.
    pub fn per_second(&self, now: Mono) -> f32 {
        let second = (now.0 / 1_000_000).max(self.last);
        let Some(first) = self.first else { return 0.0 };
        let from = (second + 1).saturating_sub(SECONDS as u64).max(first);
        let counted = (from..=self.last).map(|at| self.counts[at as usize % SECONDS]).sum::<u64>();
        counted as f32 / (second + 1 - from) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_counts_are_forgotten_and_young_ones_are_not_thinned() {
        let at = |seconds: u64| Mono(seconds * 1_000_000);
        let mut rate = Rate::default();
        assert!(rate.per_second(at(5)).abs() < 1e-6);
        rate.add(at(100), 4);
        assert!((rate.per_second(at(100)) - 4.0).abs() < 1e-6);
        rate.add(at(101), 2);
        assert!((rate.per_second(at(102)) - 2.0).abs() < 1e-6);
        assert!((rate.per_second(at(109)) - 0.6).abs() < 1e-6);
        assert!((rate.per_second(at(110)) - 0.2).abs() < 1e-6);
        rate.add(at(150), 10);
        assert!((rate.per_second(at(150)) - 1.0).abs() < 1e-6);
        assert!(rate.per_second(at(200)).abs() < 1e-6);
    }
}
