//! Random clients that are killed at random moments, for as long as one likes.
//!
//! `GANGER_SOAK=600 cargo test --test it soak -- --ignored --nocapture` goes on for 600 seconds;
//! `GANGER_SEED` replays the choices, though not their moments.

use super::{Running, Stage, until};
use serde_json::json;
use std::time::{Duration, Instant};

/// xorshift64*, of Marsaglia and Vigna: good enough to choose.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

fn client(stage: &Stage, dice: &mut Dice) -> Running {
    let (a, b) = (format!("lock/{}", dice.below(4)), format!("lock/{}", dice.below(4)));
    let nap = format!("sleep 0.0{}", dice.below(10));
    let nested =
        format!("{nap}; '{}' lock {b} --timeout 300ms -- {nap}", env!("CARGO_BIN_EXE_ganger"));
    let queue = format!("queue/{}", dice.below(2));
    let words: Vec<&str> = match dice.below(10) {
        0 => vec!["lock", &a, "--", "sh", "-c", &nap],
        1 => vec!["lock", &a, &b, "--", "sh", "-c", &nap],
        2 => vec!["lock", &a, "--shared", "--", "sh", "-c", &nap],
        3 => vec!["lock", &a, "--", "sh", "-c", &nested],
        4 => vec!["sem", "permits", "--max", "3", "--", "sh", "-c", &nap],
        5 => vec!["queue", "put", &queue, "--max", "4", "--timeout", "500ms", "x", "y", "z"],
        6 => vec!["queue", "get", &queue, "-n", "2", "--timeout", "500ms"],
        7 => vec!["queue", "each", &queue, "--timeout", "300ms", "--", "sh", "-c", &nap],
        8 => vec!["barrier", "wait", "three", "--parties", "3", "--timeout", "200ms"],
        _ => vec!["event", "wait", "bell", "--timeout", "200ms"],
    };
    stage.spawn(&words)
}

#[test]
#[ignore = "takes as long as GANGER_SOAK says"]
fn soak_of_clients_that_are_killed() {
    let seed = number("GANGER_SEED", 0x5eed);
    let seconds = number("GANGER_SOAK", 5);
    println!("seed {seed}, {seconds} s");
    let mut dice = Dice(seed.max(1));
    let stage = Stage::new();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut running: Vec<Running> = Vec::new();
    let (mut started, mut killed) = (0_u64, 0_u64);
    while Instant::now() < end {
        while running.len() < 24 {
            running.push(client(&stage, &mut dice));
            started += 1;
        }
        let idx = usize::try_from(dice.below(24)).unwrap();
        if dice.below(3) == 0 {
            running.swap_remove(idx).kill();
            killed += 1;
        }
        running.retain_mut(|r| r.child.try_wait().unwrap().is_none());
        if dice.below(16) == 0 {
            stage.client().ask(&json!({"op": "barrier_reset", "name": "three"}));
            stage.client().ask(&json!({"op": "event_set", "name": "bell"}));
            stage.client().ask(&json!({"op": "event_clear", "name": "bell"}));
        }
    }
    for one in running {
        one.kill();
        killed += 1;
    }
    println!("{started} clients, {killed} killed");
    // Children of the killed may live a moment longer; then everything is free.
    until("nobody holds or waits for anything", || {
        let table = stage.client().ask(&json!({"op": "list"}));
        table["locks"].as_array().unwrap().iter().all(|row| {
            let free = match row["kind"].as_str() {
                Some("semaphore" | "bounded_semaphore") => row["value"] == row["max"],
                Some("queue") => row["kept"] == 0,
                _ => true,
            };
            free && row["holders"].as_array().unwrap().is_empty() && row["n_waiters"] == 0
        })
    });
    // And can be had.
    for n in 0..4 {
        let name = format!("lock/{n}");
        assert_eq!(stage.home.ok(&["lock", &name, "--try", "--", "echo", "free"]), "free\n");
    }
    assert_eq!(stage.end(), 0);
}
