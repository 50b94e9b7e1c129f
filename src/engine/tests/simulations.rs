//! Random runs by the thousand: every promise holds at every step, and planted bugs are found.

use super::sabotage::Sabotage;
use super::sim::Sim;
use crate::engine::Fault;
use std::sync::atomic::{AtomicU64, Ordering};

const RUNS: u64 = 10_000;

/// Plays one run; `Err` says what broke.
fn play(seed: u64, sabotage: Option<Sabotage>) -> Result<(), String> {
    Sim::new(seed, sabotage, false).play()
}

/// Plays a broken run again and shows its end.
fn tell(seed: u64, why: &str) -> String {
    let mut sim = Sim::new(seed, None, true);
    let _ = sim.play();
    let transcript = sim.transcript.unwrap_or_default();
    let from = transcript.lines().count().saturating_sub(60);
    let tail: Vec<&str> = transcript.lines().skip(from).collect();
    format!("{}\n\nseed {seed}: {why}\nplay it again with GANGER_SIM_SEED={seed}", tail.join("\n"))
}

#[test]
fn ten_thousand_random_runs_keep_every_promise() {
    if let Some(seed) = std::env::var("GANGER_SIM_SEED").ok().and_then(|s| s.parse().ok()) {
        let mut sim = Sim::new(seed, None, true);
        let result = sim.play();
        println!("{}", sim.transcript.unwrap_or_default());
        result.unwrap();
        return;
    }
    let next = AtomicU64::new(0);
    let broken = AtomicU64::new(u64::MAX);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= RUNS || broken.load(Ordering::Relaxed) != u64::MAX {
                        return;
                    }
                    let fine = std::panic::catch_unwind(|| play(seed, None).is_ok());
                    if !matches!(fine, Ok(true)) {
                        broken.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let seed = broken.load(Ordering::Relaxed);
    if seed != u64::MAX {
        let why = std::panic::catch_unwind(|| play(seed, None));
        let why = why.map_or("panic".to_owned(), |r| r.err().unwrap_or_default());
        panic!("{}", tell(seed, &why));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..200 {
        let (mut a, mut b) = (Sim::new(seed, None, false), Sim::new(seed, None, false));
        assert_eq!((a.play(), b.play()), (Ok(()), Ok(())), "seed {seed}");
        assert_eq!(a.steps, b.steps, "seed {seed}");
    }
}

#[test]
fn random_runs_reach_what_they_are_meant_to_test() {
    let (mut seen, mut inputs) = (std::collections::BTreeMap::<String, u32>::new(), 0);
    for seed in 0..600 {
        let mut sim = Sim::new(seed, None, false);
        sim.play().unwrap();
        inputs += sim.inputs;
        for event in sim.steps.iter().flat_map(|step| &step.events) {
            let words = format!("{event:?}");
            let name = words.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            *seen.entry(name.to_owned()).or_default() += 1;
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, n)| **n < 20).collect();
    assert_eq!((seen.len(), rare.len()), (32, 0), "{inputs} inputs: {seen:?}");
}

#[test]
fn planted_bugs_are_found() {
    let bugs = [
        Sabotage::Planted(Fault::LoseShrunk),
        Sabotage::Planted(Fault::ForgetSkips),
        Sabotage::Planted(Fault::ForgetKill),
        Sabotage::Planted(Fault::IgnoreRoom),
        Sabotage::NoNeeds,
        Sabotage::NoWeights,
        Sabotage::NoMaxParallel,
        Sabotage::NoPriorities,
        Sabotage::NoTakes,
        Sabotage::BiggerPools,
        Sabotage::NoRetries,
        Sabotage::MoreRetries,
        Sabotage::EndTwice,
        Sabotage::LaunchTwice,
        Sabotage::HideRetry,
        Sabotage::HideEnd,
        Sabotage::HidePause,
        Sabotage::HidePriority,
        Sabotage::HideLockChange,
        Sabotage::NoKill,
        Sabotage::NoThaw,
        Sabotage::NoLaunch,
        Sabotage::SignalStranger,
        Sabotage::Oversleep,
    ];
    for bug in bugs {
        let found = (0..300).find_map(|seed| Some((seed, play(seed, Some(bug)).err()?)));
        let (seed, why) = found.unwrap_or_else(|| panic!("nobody noticed {bug:?}"));
        println!("{bug:?} was noticed in run {seed}: {why}");
    }
}
