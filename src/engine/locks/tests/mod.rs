//! The table beside a model of it that is slow and obvious, under random requests, deaths,
//! time-outs and withdrawals; and single stories of what is easily got wrong.

mod oracle;
mod stories;

use super::*;
use oracle::Oracle;

/// A small random source (splitmix64): a seed says it all.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(super) fn proc(pid: i32) -> ProcRef {
    ProcRef { pid, start_ticks: 1 }
}

pub(super) fn party(pid: i32) -> Party {
    Party { proc: Some(proc(pid)), ..Party::default() }
}

fn any_locks(dice: &mut Dice) -> Vec<Name> {
    let all = ["a", "b", "c"];
    let mut names: Vec<Name> = Vec::new();
    for name in all {
        if dice.chance(35) {
            names.push(name.into());
        }
    }
    if names.is_empty() || dice.chance(60) {
        names = vec![all[dice.below(3) as usize].into()];
    }
    names
}

fn any_op(dice: &mut Dice, next_id: u64) -> Op {
    let name = |n: &str| -> Name { n.into() };
    let timeout_ms = match dice.below(5) {
        0 => Some(0),
        1 => Some(1 + dice.below(40)),
        _ => None,
    };
    let lock = |dice: &mut Dice| -> Name { ["a", "b", "c"][dice.below(3) as usize].into() };
    match dice.below(26) {
        0..=6 => {
            let kind = if dice.chance(40) { LockKind::Rlock } else { LockKind::Lock };
            Op::Acquire { names: any_locks(dice), kind, shared: dice.chance(25), timeout_ms }
        }
        7..=11 => Op::Release { names: vec![lock(dice)], anyone: dice.chance(10) },
        12 => Op::SemaphoreAcquire {
            name: name("s"),
            max: Some(2),
            bounded: true,
            n: 1 + dice.below(2) as u32,
            tied: dice.chance(60),
            timeout_ms,
        },
        13 => Op::SemaphoreRelease { name: name("s"), max: Some(2), bounded: true, n: 1 },
        14 => Op::EventWait { name: name("e"), timeout_ms },
        15 => match dice.chance(50) {
            true => Op::EventSet { name: name("e") },
            false => Op::EventClear { name: name("e") },
        },
        16 => Op::ConditionWait {
            name: name("k"),
            lock: Some(lock(dice)),
            timeout_ms: timeout_ms.filter(|ms| *ms > 0),
        },
        17 => Op::ConditionNotify { name: name("k"), n: dice.chance(70).then_some(1) },
        18 => Op::BarrierWait { name: name("r"), parties: Some(2), act: false, timeout_ms },
        19 => Op::BarrierReset { name: name("r"), parties: None },
        20 | 21 => Op::QueuePut {
            name: name("q"),
            items: (0..1 + dice.below(3)).map(|i| format!("{next_id}-{i}").into()).collect(),
            max: Some(2),
            priority: 0,
            timeout_ms,
        },
        22 | 23 => Op::QueueGet {
            name: name("q"),
            n: 1 + dice.below(2) as u32,
            keep: dice.chance(60),
            tied: false,
            timeout_ms,
        },
        24 => Op::QueueJoin { name: name("q"), timeout_ms },
        _ => Op::Withdraw { of: 1 + dice.below(next_id) },
    }
}

/// Plays one random history against the model; returns what differs.
fn play(seed: u64, steps: u32, talk: bool) -> std::result::Result<(), String> {
    let mut dice = Dice(seed);
    let mut table = LockTable::new(&SharedRules::default());
    let mut oracle = Oracle::default();
    let mut now = Mono(1);
    let mut pids: Vec<i32> = (1..=5).collect();
    for id in 1..=u64::from(steps) {
        now = now + Duration::from_millis(dice.below(8));
        let who = dice.below(pids.len() as u64) as usize;
        let pid = pids[who];
        let change = match dice.below(100) {
            0..=3 => {
                pids[who] += 5;
                LockChange::Died { proc: proc(pid) }
            }
            4..=5 => LockChange::Left { client: pid as u64 },
            6..=14 => LockChange::TimePassed,
            15..=20 if !oracle.tickets(pid).is_empty() => {
                let tickets = vec![oracle.tickets(pid)[0]];
                let op = Op::QueueDone { name: "q".into(), tickets, n: 0 };
                LockChange::Asked { client: pid as u64, id, party: party(pid), op }
            }
            _ => {
                let op = any_op(&mut dice, id);
                LockChange::Asked { client: pid as u64, id, party: party(pid), op }
            }
        };
        let told = table.apply(now, &change);
        let mut got: Vec<(u64, u64, String)> = told
            .into_iter()
            .filter_map(|told| match told {
                Told::Answer { client, id, result } => Some((client, id, oracle::words(&result))),
                Told::Notice(_) => None,
            })
            .collect();
        let mut wanted = oracle.apply(now, &change);
        if talk {
            println!("{:>6} {change:?}\n        {got:?}", now.0);
        }
        got.sort();
        wanted.sort();
        if got != wanted {
            return Err(format!("step {id}: {change:?}\n  got    {got:?}\n  wanted {wanted:?}"));
        }
        check(&table).map_err(|e| format!("step {id}: {change:?}: {e}"))?;
    }
    Ok(())
}

/// What must hold whatever happened.
fn check(table: &LockTable) -> std::result::Result<(), String> {
    for (name, thing) in &table.things {
        let alone = thing.holds.iter().filter(|hold| !hold.shared).count();
        if matches!(thing.kind, Kind::Lock { .. }) && alone > 0 && thing.holds.len() > 1 {
            return Err(format!("{name} is held by several: {:?}", thing.holds));
        }
        for hold in &thing.holds {
            let owner = hold.party.owner();
            if owner.proc().is_some_and(|proc| table.dead.contains(&proc)) {
                return Err(format!("{name} is held by the dead {owner:?}"));
            }
            if !table.holding.get(&owner).is_some_and(|names| names.contains(name)) {
                return Err(format!("{owner:?} does not know that it holds {name}"));
            }
        }
        if thing.queue.iter().any(|no| !table.waits.contains_key(no)) {
            return Err(format!("{name} has a waiter that does not wait"));
        }
    }
    for (no, wait) in &table.waits {
        if wait.party.proc.is_some_and(|proc| table.dead.contains(&proc)) {
            return Err(format!("the dead {:?} waits", wait.party));
        }
        let family = matches!(wait.want, Want::Locks { .. } | Want::Permits { .. });
        if family && wait.want.names().iter().all(|n| table.is_ready(n, *no, wait, true)) {
            return Err(format!("nobody serves {wait:?}"));
        }
        let listed = table.waiting.get(&wait.party.owner()).is_some_and(|all| all.contains(no));
        if !listed || table.requests.get(&(wait.client, wait.id)) != Some(no) {
            return Err(format!("{wait:?} is not in all lists"));
        }
    }
    let timed = table.waits.values().filter(|wait| wait.until.is_some()).count();
    let reserved = table.waits.values().filter(|wait| wait.reserved.is_some()).count();
    if table.deadlines.len() != timed + reserved {
        return Err(format!("{} deadlines for {timed} waits", table.deadlines.len()));
    }
    Ok(())
}

#[test]
fn random_histories_are_as_the_slow_model_says() {
    if let Ok(seed) = std::env::var("GANGER_SEED") {
        play(seed.parse().unwrap(), 120, true).unwrap();
        return;
    }
    for seed in 0..2000 {
        if let Err(why) = play(seed, 120, false) {
            panic!("seed {seed} (replay with GANGER_SEED={seed}): {why}");
        }
    }
}
