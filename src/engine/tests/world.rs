//! Random schedules, and the dice they are made with.

use super::story::each_map;
use crate::model::each::{EachMap, GroupsOfJobs};
use crate::model::{PoolIdx, TaskIdx};
use crate::plan::{
    Declared, FailFast, Need, NeedWhen, OnDeadlock, OnFailure, PoolRules, QuietAction, QuietRule,
    Retries, Schedule, StopRule, TaskRules,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// A small generator of random numbers (splitmix64), the same on every machine.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number from 0 up to and without `n`.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n.max(1))) as u32
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize].clone()
    }

    pub(super) fn millis(&mut self, max: u32) -> Duration {
        Duration::from_millis(u64::from(self.below(max)))
    }
}

/// A schedule and the sizes of its tasks.
pub(super) struct World {
    pub(super) schedule: Schedule,
    /// Jobs of each task; `None`: its inputs cannot be read.
    pub(super) sizes: Vec<Option<u32>>,
    /// By task and position of the need.
    pub(super) maps: BTreeMap<(u32, usize), EachMap>,
}

impl World {
    pub(super) fn random(dice: &mut Dice) -> World {
        let mut world =
            World { schedule: Schedule::default(), sizes: Vec::new(), maps: BTreeMap::new() };
        for n in 0..1 + dice.below(2) {
            let (min, max) = (dice.below(2), 1 + dice.below(5));
            let start = min.max(1 + dice.below(max));
            let max = max.max(start);
            world.schedule.pools.push(PoolRules { name: format!("pool{n}"), min, max, start });
        }
        world.schedule.fail_fast = match dice.below(12) {
            0 => Some(FailFast::Jobs(1 + dice.below(4))),
            1 => Some(FailFast::Percent(f64::from(20 + dice.below(60)))),
            _ => None,
        };
        let permits = Declared::Semaphore { max: 2 };
        world.schedule.shared.declared.push(("s".into(), permits));
        world.schedule.shared.on_deadlock =
            dice.pick(&[OnDeadlock::Report, OnDeadlock::Report, OnDeadlock::StopYoungest]);
        world.schedule.shared.wait_timeout = dice.chance(30).then(|| Duration::from_millis(400));
        world.schedule.shared.hold_warn = dice.chance(30).then(|| Duration::from_millis(300));
        for t in 0..1 + dice.below(6) {
            world.add_task(dice, t);
        }
        world
    }

    fn add_task(&mut self, dice: &mut Dice, t: u32) {
        let pools = self.schedule.pools.len() as u32;
        let mut rules = TaskRules {
            name: format!("t{t}"),
            pool: PoolIdx(dice.below(pools) as u16),
            max_parallel: dice.chance(20).then(|| 1 + dice.below(2)),
            weight: if dice.chance(25) { 1 + dice.below(5) } else { 1 },
            priority: dice.pick(&[0, 0, 0, 1, -1]),
            timeout: dice.chance(40).then(|| Duration::from_millis(200) + dice.millis(1500)),
            stop: StopRule {
                signal: dice.pick(&[15, 15, 2, 9]),
                grace: if dice.chance(15) { Duration::ZERO } else { dice.millis(800) },
            },
            retries: random_retries(dice),
            on_failure: dice.pick(&[
                OnFailure::Continue,
                OnFailure::Continue,
                OnFailure::Continue,
                OnFailure::Continue,
                OnFailure::Continue,
                OnFailure::Stop,
                OnFailure::Abort,
            ]),
            ok_codes: dice.pick(&[vec![0], vec![0], vec![0, 2]]),
            quiet: dice.chance(30).then(|| QuietRule {
                after: Duration::from_millis(100),
                action: dice.pick(&[QuietAction::Report, QuietAction::Stop, QuietAction::Retry]),
            }),
            expand_when_ready: t > 0 && dice.chance(15),
            ..TaskRules::default()
        };
        if dice.chance(30) {
            let name = dice.pick(&["x", "y"]);
            rules.takes.locks.push((name.into(), dice.chance(40)));
        }
        if dice.chance(15) {
            rules.takes.uses.push(("s".into(), 1 + dice.below(2)));
        }
        let mut count = dice.below(7);
        for up in 0..t {
            if !dice.chance(40) {
                continue;
            }
            let when = dice.pick(&[
                NeedWhen::Succeeded,
                NeedWhen::Succeeded,
                NeedWhen::Failed,
                NeedWhen::Always,
            ]);
            let each = self.link(dice, &rules, up, &mut count, t);
            rules.needs.push(Need { task: TaskIdx(up), when, each });
        }
        self.schedule.tasks.push(rules);
        self.sizes.push((!dice.chance(4)).then_some(count));
    }

    /// Perhaps links a task job by job to an earlier one; the first link decides its size.
    fn link(
        &mut self,
        dice: &mut Dice,
        rules: &TaskRules,
        up: u32,
        count: &mut u32,
        t: u32,
    ) -> bool {
        let first = !rules.needs.iter().any(|n| n.each);
        let Some(ups) = self.sizes[up as usize].filter(|_| dice.chance(60)) else { return false };
        if first {
            *count = match dice.below(4) {
                0 if ups % 2 == 0 => ups / 2,
                1 => ups * 2,
                _ => ups,
            };
        }
        let fits = dice.chance(60)
            && ups > 0
            && *count > 0
            && (ups.is_multiple_of(*count) || count.is_multiple_of(ups));
        if fits {
            self.maps.insert((t, rules.needs.len()), each_map(ups, *count));
            return true;
        }
        // Values in any order, some of them without a partner.
        let by_value = dice.chance(70);
        if by_value {
            let groups = 1 + ups.max(*count);
            let mut values = |n: u32| (0..n).map(|_| dice.below(groups)).collect();
            let groups = GroupsOfJobs { ups: values(ups), downs: values(*count) };
            self.maps.insert((t, rules.needs.len()), EachMap::Groups(groups.into()));
        }
        by_value
    }
}

fn random_retries(dice: &mut Dice) -> Retries {
    Retries {
        max: dice.pick(&[0, 0, 1, 2]),
        delay: dice.pick(&[Duration::ZERO, Duration::from_millis(300)]),
        factor: dice.pick(&[1.0, 2.0]),
        max_delay: dice.chance(30).then(|| Duration::from_millis(400)),
        jitter: dice.pick(&[0.0, 0.3]),
        exit_codes: dice.chance(15).then(|| vec![1]),
    }
}
