//! How long things took, in a room that does not grow with their number.

use super::query::Durations;
use std::time::Duration;

/// Buckets for each doubling: their width is a sixteenth, so that the upper end of a bucket is
/// at most 1/16 above anything in it, and its middle 1/32.
const PER_OCTAVE_BITS: u32 = 4;

/// Counts durations in buckets that grow with the duration, from a microsecond up.
///
/// Only buckets that hold something take room: at most 64 octaves of 16, 16 KB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Number of the bucket and what it holds, by number.
    buckets: Vec<(u16, u64)>,
    count: u64,
    sum_us: u64,
    max_us: u64,
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, d: Duration) {
        self.add_many(d, 1);
    }

    /// Counts so many of the same.
    pub fn add_many(&mut self, d: Duration, n: u64) {
        let us = u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket_of(us);
        match self.buckets.binary_search_by_key(&bucket, |(b, _)| *b) {
            Ok(place) => self.buckets[place].1 += n,
            Err(place) => self.buckets.insert(place, (bucket, n)),
        }
        self.count += n;
        self.sum_us = self.sum_us.saturating_add(us.saturating_mul(n));
        self.max_us = self.max_us.max(us);
    }

    /// Returns the percentiles; `None` when nothing was counted.
    pub fn summary(&self) -> Option<Durations> {
        Some(Durations {
            count: self.count,
            mean_us: self.sum_us.checked_div(self.count)?,
            p50_us: self.percentile(50),
            p90_us: self.percentile(90),
            p95_us: self.percentile(95),
            max_us: self.max_us,
        })
    }

    /// The middle of the bucket in which the share of `percent` is reached.
    fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.count * percent).div_ceil(100);
        let mut so_far = 0;
        for (bucket, n) in &self.buckets {
            so_far += n;
            if so_far >= wanted {
                return middle_of(*bucket).min(self.max_us);
            }
        }
        self.max_us
    }
}

/// Below 32 each number has a bucket of its own; above, the five highest bits tell.
fn bucket_of(us: u64) -> u16 {
    let bits = u64::BITS - us.leading_zeros();
    let shift = bits.saturating_sub(PER_OCTAVE_BITS + 1);
    ((shift as u16) << PER_OCTAVE_BITS) + (us >> shift) as u16
}

fn middle_of(bucket: u16) -> u64 {
    let shift = u32::from(bucket >> PER_OCTAVE_BITS).saturating_sub(1);
    let top = u64::from(bucket) - (u64::from(shift) << PER_OCTAVE_BITS);
    (top << shift) + ((1_u64 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_of_a_hundred_known_durations() {
        let mut h = Histogram::default();
        assert_eq!(h.summary(), None);
        for ms in (1..=100).rev() {
            h.add(Duration::from_millis(ms));
        }
        let s = h.summary().unwrap();
        assert_eq!((s.count, s.mean_us, s.max_us), (100, 50_500, 100_000));
        for (found, wanted) in [(s.p50_us, 50_000.0), (s.p90_us, 90_000.0), (s.p95_us, 95_000.0)] {
            let off = (found as f64 - wanted).abs() / wanted;
            assert!(off < 0.04, "{found} for {wanted}");
        }
    }

    #[test]
    fn one_duration_is_every_percentile() {
        let mut h = Histogram::default();
        h.add(Duration::from_micros(20));
        let s = h.summary().unwrap();
        assert_eq!((s.p50_us, s.p95_us, s.max_us), (20, 20, 20));
    }

    proptest! {
        #[test]
        fn a_bucket_is_near_everything_in_it(us: u64) {
            let middle = middle_of(bucket_of(us));
            prop_assert!(middle.abs_diff(us) <= us / 32 + 1, "{middle} for {us}");
        }

        #[test]
        fn buckets_keep_the_order(a: u64, b: u64) {
            prop_assert!(a > b || bucket_of(a) <= bucket_of(b));
        }

        #[test]
        fn the_room_is_bounded(all in proptest::collection::vec(any::<u64>(), 0..3000)) {
            let mut h = Histogram::default();
            for us in all {
                h.add(Duration::from_micros(us));
            }
            prop_assert!(h.buckets.len() <= 64 * 16);
            if let Some(s) = h.summary() {
                prop_assert!(s.p50_us <= s.p90_us && s.p90_us <= s.p95_us && s.p95_us <= s.max_us);
            }
        }
    }
}
