//! Looks at process trees for `benches/xray.py`.
//!
//!   xray_watcher soak HZ PID...     looks at all threads of each tree, again and again, until its
//!                                   standard input ends; each look is judged with the one before.
//!                                   Prints a line of JSON for each finding, and sums at the end
//!   xray_watcher cost HZ SECONDS PID   ticks, and then looks, and says what they took

use ganger::clock;
use ganger::model::waits::Look;
use ganger::model::{Mono, ProcRef};
use ganger::probe::waits::{Root, Scope, Tracker};
use ganger::xray;
use serde_json::json;
use std::error::Error;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// As far apart as two looks have to be at least to prove something.
const APART: Duration = ganger::model::limits::XRAY_APART;

static ENDED: AtomicBool = AtomicBool::new(false);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize| -> Result<u64> { Ok(words.get(at).ok_or("a number is missing")?.parse()?) };
    let pace = Duration::from_secs(1) / number(1)?.max(1) as u32;
    let pids = |from: usize| -> Result<Vec<i32>> {
        words.iter().skip(from).map(|word| Ok(word.parse()?)).collect()
    };
    match words.first().map(String::as_str) {
        Some("soak") => soak(pace, &pids(2)?),
        Some("cost") => cost(pace, Duration::from_secs(number(2)?), number(3)? as i32),
        _ => Err("say `soak` or `cost`".into()),
    }
}

/// A tree and what was seen of it last.
struct Watched {
    pid: i32,
    tracker: Tracker,
    last: Option<Look>,
    has_ended: bool,
}

fn tracker(pid: i32) -> Result<Tracker> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let words = stat.rsplit(')').next().unwrap_or_default();
    // The 22nd field, see proc_pid_stat(5).
    let start_ticks = words.split_whitespace().nth(19).ok_or("no start time")?.parse()?;
    let mut tracker = Tracker::new();
    tracker.set_roots(vec![Root { proc: ProcRef { pid, start_ticks }, attempt: None }]);
    Ok(tracker)
}

fn soak(pace: Duration, pids: &[i32]) -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ENDED.store(true, Ordering::SeqCst);
    });
    let watched = |pid: &i32| {
        Ok(Watched { pid: *pid, tracker: tracker(*pid)?, last: None, has_ended: false })
    };
    let mut all = pids.iter().map(watched).collect::<Result<Vec<Watched>>>()?;
    let (mut looks, mut threads, mut waits, mut findings) = (0_u64, 0_u64, 0_u64, 0_u64);
    // Spreads moments, so that no rhythm of a program is met at the same place again and again.
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    while !ENDED.load(Ordering::SeqCst) {
        let began = clock::mono();
        for one in all.iter_mut().filter(|one| !one.has_ended) {
            let now = clock::mono();
            one.tracker.tick(now);
            let look = one.tracker.look(now, Scope::All);
            if look.processes.is_empty() {
                one.has_ended = true;
                println!("{}", json!({"ended": one.pid}));
                continue;
            }
            looks += 1;
            threads += look.processes.iter().map(|p| p.threads.len() as u64).sum::<u64>();
            waits += look.waits.len() as u64;
            if let Some(last) = &one.last {
                let report = xray::judge(last, &look);
                // Once a look, however much is said of it.
                if let Some(finding) = report.findings.first() {
                    findings += 1;
                    println!(
                        "{}",
                        json!({"pid": one.pid, "finding": finding, "waits": report.waits})
                    );
                }
            }
            one.last = Some(look);
        }
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let least = APART + Duration::from_millis(1);
        let rest = pace.mul_f64(0.5 + (dice >> 40) as f64 / (1_u64 << 24) as f64);
        rest_until(began + least.max(rest));
    }
    let alive = all.iter().filter(|one| !one.has_ended).count();
    println!(
        "{}",
        json!({"looks": looks, "threads": threads, "waits": waits, "findings": findings,
               "trees": all.len(), "alive": alive})
    );
    Ok(())
}

fn rest_until(then: Mono) {
    std::thread::sleep(then.since(clock::mono()));
}

fn cost(pace: Duration, time: Duration, pid: i32) -> Result<()> {
    let mut tracker = tracker(pid)?;
    let took = |what: &str, tracker: &mut Tracker, act: &dyn Fn(&mut Tracker)| {
        // The first one opens files.
        act(tracker);
        let (end, cpu) = (clock::mono() + time, cpu_s());
        let mut n = 0_u32;
        let mut each = Vec::new();
        while clock::mono() < end {
            let began = clock::mono();
            act(tracker);
            each.push(clock::mono().since(began));
            n += 1;
            rest_until(began + pace);
        }
        each.sort();
        let median = each.get(each.len() / 2).copied().unwrap_or_default();
        println!(
            "{}",
            json!({"what": what, "n": n, "median_us": median.as_micros() as u64,
                   "cpu_percent": (cpu_s() - cpu) / time.as_secs_f64() * 100.0,
                   "rss_kib": rss_kib()})
        );
    };
    took("tick", &mut tracker, &|tracker| {
        tracker.tick(clock::mono());
    });
    took("look", &mut tracker, &|tracker| {
        tracker.look(clock::mono(), Scope::All);
    });
    Ok(())
}

/// CPU time of this process.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let ns: f64 = stat.split_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or(0.0);
    ns / 1e9
}

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}
