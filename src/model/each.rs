//! How jobs of two tasks are linked one to one.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which jobs of a needed task a job needs: those with the same values of what both have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EachMap {
    /// Both tasks list the same values in the same order: nothing is stored for any job.
    Product(ProductMap),
    /// Every job knows the group of those with its values.
    Groups(GroupMap),
}

impl EachMap {
    /// The map between two tasks with the very same inputs: job i needs job i.
    pub fn identity(len: u32) -> EachMap {
        EachMap::Product(ProductMap {
            shared: vec![SharedAxis { len, up_stride: 1, down_stride: 1 }],
            up_only: Vec::new(),
            down_only: Vec::new(),
        })
    }

    /// Number of jobs of the needed task, as far as this map knows it.
    pub fn up_count(&self) -> u64 {
        match self {
            EachMap::Product(map) => map.up_count(),
            EachMap::Groups(map) => map.0.ups.group_of.len() as u64,
        }
    }

    /// Number of jobs of the needing task, as far as this map knows it.
    pub fn down_count(&self) -> u64 {
        match self {
            EachMap::Product(map) => map.down_count(),
            EachMap::Groups(map) => map.0.downs.group_of.len() as u64,
        }
    }

    /// How many jobs the job `down` of the needing task needs.
    pub fn n_ups_of(&self, down: u32) -> u32 {
        match self {
            EachMap::Product(map) => u32::try_from(map.ups_per_down()).unwrap_or(u32::MAX),
            EachMap::Groups(map) => map.ups_of(down).len() as u32,
        }
    }

    /// Positions (from 0) of the jobs that job `down` needs.
    pub fn ups_of(&self, down: u32) -> Vec<u32> {
        match self {
            EachMap::Product(map) => map.ups_of(down),
            EachMap::Groups(map) => map.ups_of(down).to_vec(),
        }
    }

    /// Positions (from 0) of the jobs that need job `up`.
    pub fn downs_of(&self, up: u32) -> Vec<u32> {
        match self {
            EachMap::Product(map) => map.downs_of(up),
            EachMap::Groups(map) => map.downs_of(up).to_vec(),
        }
    }
}

/// Links by arithmetic on positions.
///
/// Both tasks' jobs are products of axes, the last axis changing fastest. Axes with the same
/// variables and values are shared; a job needs every job of the other task that has the same
/// values on all shared axes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductMap {
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

impl ProductMap {
    fn up_count(&self) -> u64 {
        product(self.shared.iter().map(|a| a.len)) * self.ups_per_down()
    }

    fn down_count(&self) -> u64 {
        product(self.shared.iter().map(|a| a.len)) * product(self.down_only.iter().map(|a| a.len))
    }

    fn ups_per_down(&self) -> u64 {
        product(self.up_only.iter().map(|a| a.len))
    }

    fn ups_of(&self, down: u32) -> Vec<u32> {
        let base = self.shared.iter().map(|a| down / a.down_stride % a.len * a.up_stride).sum();
        spread(base, &self.up_only)
    }

    fn downs_of(&self, up: u32) -> Vec<u32> {
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

/// Links by groups: a job needs all jobs of the other task that are in its group. Twelve bytes
/// for each job; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "GroupsOfJobs", into = "GroupsOfJobs")]
pub struct GroupMap(Arc<Sides>);

/// The groups of the jobs of both tasks, by position. Groups count from 0; a job whose group
/// has nobody of the other task in it is linked to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupsOfJobs {
    pub ups: Vec<u32>,
    pub downs: Vec<u32>,
}

#[derive(Debug, PartialEq, Eq)]
struct Sides {
    ups: Side,
    downs: Side,
}

/// The jobs of one task, by group.
#[derive(Debug, PartialEq, Eq)]
struct Side {
    group_of: Vec<u32>,
    /// Where each group's part of `members` ends; it starts where the one before ends.
    ends: Vec<u32>,
    members: Vec<u32>,
}

impl From<GroupsOfJobs> for GroupMap {
    fn from(groups: GroupsOfJobs) -> GroupMap {
        let (ups, downs) = (Side::new(groups.ups), Side::new(groups.downs));
        GroupMap(Arc::new(Sides { ups, downs }))
    }
}

impl From<GroupMap> for GroupsOfJobs {
    fn from(map: GroupMap) -> GroupsOfJobs {
        GroupsOfJobs { ups: map.0.ups.group_of.clone(), downs: map.0.downs.group_of.clone() }
    }
}

impl GroupMap {
    fn ups_of(&self, down: u32) -> &[u32] {
        self.0.downs.group(down).map_or(&[], |group| self.0.ups.members(group))
    }

    fn downs_of(&self, up: u32) -> &[u32] {
        self.0.ups.group(up).map_or(&[], |group| self.0.downs.members(group))
    }
}

impl Side {
    /// Sorts the jobs by group, by counting: positions stay in order within one.
    fn new(group_of: Vec<u32>) -> Side {
        let n_groups = group_of.iter().max().map_or(0, |last| *last as usize + 1);
        let mut ends = vec![0_u32; n_groups];
        for group in &group_of {
            ends[*group as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        // `ends` holds the starts until each group is filled.
        let mut members = vec![0; group_of.len()];
        for (position, group) in (0..).zip(&group_of) {
            let next = &mut ends[*group as usize];
            members[*next as usize] = position;
            *next += 1;
        }
        Side { group_of, ends, members }
    }

    fn group(&self, position: u32) -> Option<u32> {
        self.group_of.get(position as usize).copied()
    }

    fn members(&self, group: u32) -> &[u32] {
        let group = group as usize;
        let Some(end) = self.ends.get(group) else { return &[] };
        let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.members[start as usize..*end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(map: &EachMap, ups: u32, downs: u32) {
        assert_eq!((map.up_count(), map.down_count()), (u64::from(ups), u64::from(downs)));
        for down in 0..downs {
            assert_eq!(map.ups_of(down).len() as u32, map.n_ups_of(down));
            for up in 0..ups {
                assert_eq!(map.ups_of(down).contains(&up), map.downs_of(up).contains(&down));
            }
        }
    }

    #[test]
    fn ups_and_downs_of_a_product_agree() {
        // Upper: picture(3) x size(2); lower: picture(3) x format(4).
        let map = EachMap::Product(ProductMap {
            shared: vec![SharedAxis { len: 3, up_stride: 2, down_stride: 4 }],
            up_only: vec![Axis { len: 2, stride: 1 }],
            down_only: vec![Axis { len: 4, stride: 1 }],
        });
        assert_eq!(map.n_ups_of(11), 2);
        assert_eq!(map.ups_of(5), [2, 3]);
        assert_eq!(map.downs_of(3), [4, 5, 6, 7]);
        agree(&map, 6, 12);
    }

    #[test]
    fn groups_link_all_with_all_and_loners_with_nobody() {
        let groups = GroupsOfJobs { ups: vec![0, 1, 0, 3], downs: vec![1, 0, 0, 2, 9, 1] };
        let map = EachMap::Groups(groups.into());
        let ups: Vec<Vec<u32>> = (0..6).map(|d| map.ups_of(d)).collect();
        assert_eq!(ups, [vec![1], vec![0, 2], vec![0, 2], vec![], vec![], vec![1]]);
        assert_eq!(map.downs_of(1), [0, 5]);
        assert!(map.downs_of(3).is_empty() && map.downs_of(99).is_empty());
        agree(&map, 4, 6);
        let none = EachMap::Groups(GroupsOfJobs { ups: vec![], downs: vec![0] }.into());
        agree(&none, 0, 1);
    }

    #[test]
    fn groups_survive_being_written_and_read() {
        let groups = GroupsOfJobs { ups: vec![0, 1, 0], downs: vec![1, 5] };
        let map = EachMap::Groups(groups.into());
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, r#"{"groups":{"ups":[0,1,0],"downs":[1,5]}}"#);
        assert_eq!(serde_json::from_str::<EachMap>(&text).unwrap(), map);
    }
}
