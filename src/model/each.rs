//! How jobs of two tasks are linked one to one, by arithmetic.

use serde::{Deserialize, Serialize};

/// Which jobs of a needed task a job needs, by arithmetic on their positions.
///
/// Both tasks' jobs are products of axes, the last axis changing fastest. Axes with the same
/// variables and values are shared; a job needs every job of the other task that has the same
/// values on all shared axes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EachMap {
    pub shared: Vec<SharedAxis>,
    /// Axes that only the needed (upper) task has.
    pub up_only: Vec<Axis>,
    /// Axes that only the needing (lower) task has.
    pub down_only: Vec<Axis>,
}

/// An axis of one task: `len` values, neighbours `stride` jobs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    pub len: u32,
    pub stride: u32,
}

/// An axis that two tasks have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedAxis {
    pub len: u32,
    pub up_stride: u32,
    pub down_stride: u32,
}

impl EachMap {
    /// The map between two tasks with the very same inputs: job i needs job i.
    pub fn identity(len: u32) -> EachMap {
        EachMap {
            shared: vec![SharedAxis { len, up_stride: 1, down_stride: 1 }],
            up_only: Vec::new(),
            down_only: Vec::new(),
        }
    }

    /// Number of jobs of the needed task, as far as this map knows it.
    pub fn up_count(&self) -> u64 {
        product(self.shared.iter().map(|a| a.len)) * product(self.up_only.iter().map(|a| a.len))
    }

    /// Number of jobs of the needing task, as far as this map knows it.
    pub fn down_count(&self) -> u64 {
        product(self.shared.iter().map(|a| a.len)) * product(self.down_only.iter().map(|a| a.len))
    }

    /// How many jobs each job of the needing task needs.
    pub fn ups_per_down(&self) -> u64 {
        product(self.up_only.iter().map(|a| a.len))
    }

    /// Positions (from 0) of the jobs that job `down` needs.
    pub fn ups_of(&self, down: u32) -> Vec<u32> {
        let base = self.shared.iter().map(|a| down / a.down_stride % a.len * a.up_stride).sum();
        spread(base, &self.up_only)
    }

    /// Positions (from 0) of the jobs that need job `up`.
    pub fn downs_of(&self, up: u32) -> Vec<u32> {
        let base = self.shared.iter().map(|a| up / a.up_stride % a.len * a.down_stride).sum();
        spread(base, &self.down_only)
    }
}

fn product(lens: impl Iterator<Item = u32>) -> u64 {
    lens.fold(1, |n, len| n.saturating_mul(u64::from(len)))
}

/// Every position reached from `base` by stepping along the free axes.
fn spread(base: u32, free: &[Axis]) -> Vec<u32> {
    let mut places = vec![base];
    for axis in free {
        places =
            places.iter().flat_map(|p| (0..axis.len).map(move |i| p + i * axis.stride)).collect();
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ups_and_downs_of_a_product_agree() {
        // Upper: picture(3) x size(2); lower: picture(3) x format(4).
        let map = EachMap {
            shared: vec![SharedAxis { len: 3, up_stride: 2, down_stride: 4 }],
            up_only: vec![Axis { len: 2, stride: 1 }],
            down_only: vec![Axis { len: 4, stride: 1 }],
        };
        assert_eq!((map.up_count(), map.down_count(), map.ups_per_down()), (6, 12, 2));
        assert_eq!(map.ups_of(5), [2, 3]);
        assert_eq!(map.downs_of(3), [4, 5, 6, 7]);
        for down in 0..12 {
            for up in 0..6 {
                assert_eq!(map.ups_of(down).contains(&up), map.downs_of(up).contains(&down));
            }
        }
    }
}
