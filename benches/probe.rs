//! What looking costs: CPU time of the probe at its real pace, everything included.
//!
//! `cargo bench --bench probe`, or with the words of some scenes behind `--`, and `looks=100` for
//! a longer one. The processes that are looked at are this program again. A loop without pauses
//! would measure something else: between two looks at the real pace processes run, and caches
//! are used by others.

use ganger::clock;
use ganger::model::{AttemptId, JobNo, ProcRef, Sample, limits};
use ganger::probe::{Looker, Watched};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name, workers, processes below each worker, what all of them do.
const SCENES: &[(&str, usize, usize, &str)] = &[
    ("busy", 16, 0, "spin"),
    ("asleep", 16, 24, "sleep"),
    ("awake", 16, 24, "wake"),
    ("threads", 1, 0, "threads"),
];
const WARM_UP: usize = 9;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|w| w != "--bench").collect();
    if let [role, what, children] = words.as_slice()
        && role == "worker"
    {
        work(what, children.parse().unwrap_or(0));
    }
    let looks = words.iter().find_map(|w| w.strip_prefix("looks=")?.parse().ok()).unwrap_or(20);
    let named: Vec<&String> = words.iter().filter(|w| !w.contains('=')).collect();
    println!("one look every {} ms, {looks} looks a scene", limits::PROBE_INTERVAL.as_millis());
    println!("scene      processes threads   look, median     CPU a look   of one core");
    for (name, workers, children, what) in SCENES {
        if named.is_empty() || named.iter().any(|n| *n == name) {
            measure(name, *workers, *children, what, looks);
        }
    }
}

fn measure(name: &str, workers: usize, children: usize, what: &str, looks: usize) {
    let leaders: Vec<Leader> = (0..workers).map(|_| Leader::start(what, children)).collect();
    let watched: Vec<Watched> = leaders.iter().zip(1..).map(|(l, n)| l.watched(n)).collect();
    let mut looker = Looker::new().unwrap_or_else(|e| panic!("no probe: {e}"));
    let mut walls = Vec::new();
    let mut cpu_before = Duration::ZERO;
    let mut last = Sample::default();
    for n in 0..WARM_UP + looks {
        if n == WARM_UP {
            cpu_before = clock::own_cpu();
        }
        let began = Instant::now();
        last = looker.look(clock::now(), &watched, &mut |_| {});
        let wall = began.elapsed();
        if n >= WARM_UP {
            walls.push(wall);
        }
        std::thread::sleep(limits::PROBE_INTERVAL.saturating_sub(wall));
    }
    let cpu = (clock::own_cpu() - cpu_before) / looks as u32;
    walls.sort_unstable();
    let percent = cpu.as_secs_f64() * 100.0 / limits::PROBE_INTERVAL.as_secs_f64();
    let processes: u32 = last.trees.iter().map(|t| t.processes).sum();
    let threads: u32 = last.trees.iter().map(|t| t.threads).sum();
    println!(
        "{name:<10} {processes:>9} {threads:>7} {:>11} us {:>11} us {percent:>10.3} %",
        walls[walls.len() / 2].as_micros(),
        cpu.as_micros(),
    );
}

/// A worker, which takes its children with it.
struct Leader(Child);

impl Leader {
    fn start(what: &str, children: usize) -> Leader {
        let mut child = again(what, children).stdout(Stdio::piped()).spawn().unwrap_or_else(|e| {
            panic!("cannot start a worker: {e}");
        });
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ready = BufReader::new(stdout).read_line(&mut line);
        }
        Leader(child)
    }

    fn watched(&self, n: u32) -> Watched {
        let pid = self.0.id().cast_signed();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let start = after_name.split_whitespace().nth(19).and_then(|w| w.parse().ok());
        Watched {
            attempt: AttemptId { job: JobNo(n), n: 1 },
            proc: ProcRef { pid, start_ticks: start.unwrap_or(0) },
            output: [None, None],
            quiet: None,
            threads: 1,
            paused: false,
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _status = self.0.wait();
    }
}

fn again(what: &str, children: usize) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|e| panic!("who am I: {e}"));
    let mut command = Command::new(program);
    command.args(["worker", what, &children.to_string()]);
    command
}

/// Starts children, says so, and does the same as they until the parent ends.
fn work(what: &str, children: usize) -> ! {
    let kill = Some(rustix::process::Signal::KILL);
    let _old_kernels_leave_processes = rustix::process::set_parent_process_death_signal(kill);
    let _children: Vec<_> =
        (0..children).map(|_| again(what, 0).stdout(Stdio::null()).spawn()).collect();
    if what == "threads" {
        for n in 1..1000 {
            std::thread::spawn(move || rest(if n <= 8 { "spin" } else { "sleep" }));
        }
    }
    println!("ready");
    rest(what)
}

fn rest(what: &str) -> ! {
    loop {
        match what {
            "spin" => std::hint::spin_loop(),
            "wake" => std::thread::sleep(Duration::from_millis(100)),
            _ => std::thread::sleep(Duration::from_secs(1000)),
        }
    }
}
