//! What x-ray costs: a tick and a look at many processes that are all blocked.
//!
//! `cargo bench --bench waits`, or with the words of some scenes behind `--`. The processes are
//! this program again. Ticks are taken at their real pace of ten a second, so that caches are as
//! cold as they would be.

use criterion::Criterion;
use ganger::clock;
use ganger::model::ProcRef;
use ganger::probe::waits::{Root, Scope, Tracker};
use std::cell::UnsafeCell;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name, processes, threads of each, what they wait for.
const SCENES: &[(&str, usize, usize, &str)] = &[
    ("pipes-100", 100, 1, "pipe"),
    ("pipes-1000", 1000, 1, "pipe"),
    ("mutexes-100", 100, 2, "mutex"),
    ("mutexes-1000", 500, 2, "mutex"),
];
const PACE: Duration = Duration::from_millis(100);
const TICKS: u32 = 30;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|w| w != "--bench").collect();
    match words.as_slice() {
        [role, what, children] if role == "leader" => lead(what, children.parse().unwrap_or(0)),
        [role, what] if role == "worker" => work(what),
        _ => {}
    }
    let named = |name: &str| words.is_empty() || words.iter().any(|w| *w == name);
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    for (name, processes, threads, what) in SCENES.iter().filter(|(name, ..)| named(name)) {
        let leader = Leader::start(what, *processes);
        measure(&mut criterion, name, &leader, processes * threads);
    }
}

fn measure(criterion: &mut Criterion, name: &str, leader: &Leader, threads: usize) {
    let mut tracker = Tracker::new();
    tracker.set_roots(vec![Root { proc: leader.proc(), attempt: None }]);
    while (tracker.tick(clock::mono()).suspects as usize) < threads {
        std::thread::sleep(PACE);
    }
    let before = clock::own_cpu();
    let mut walls = Vec::new();
    for _ in 0..TICKS {
        let began = Instant::now();
        tracker.tick(clock::mono());
        walls.push(began.elapsed());
        std::thread::sleep(PACE.saturating_sub(began.elapsed()));
    }
    let cpu = (clock::own_cpu() - before) / TICKS;
    walls.sort_unstable();
    println!(
        "{name}: tick at its pace {} us, CPU {} us, at 10 Hz {:.3} % of a core",
        walls[walls.len() / 2].as_micros(),
        cpu.as_micros(),
        cpu.as_secs_f64() * 1000.0,
    );
    criterion.bench_function(&format!("waits/tick/{name}"), |bench| {
        bench.iter(|| tracker.tick(clock::mono()));
    });
    criterion.bench_function(&format!("waits/look/{name}"), |bench| {
        bench.iter(|| tracker.look(clock::mono(), Scope::Suspects));
    });
}

/// A process whose children are all blocked; they end with it.
struct Leader(Child);

impl Leader {
    fn start(what: &str, children: usize) -> Leader {
        let mut command = again(&["leader", what, &children.to_string()]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start processes: {e}"));
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ready = BufReader::new(stdout).read_line(&mut line);
        }
        assert_eq!(line, "ready\n", "the processes did not start");
        Leader(child)
    }

    fn proc(&self) -> ProcRef {
        let pid = self.0.id().cast_signed();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let start = after_name.split_whitespace().nth(19).and_then(|w| w.parse().ok());
        ProcRef { pid, start_ticks: start.unwrap_or(0) }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _status = self.0.wait();
    }
}

fn again(words: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|e| panic!("who am I: {e}"));
    let mut command = Command::new(program);
    command.args(words);
    command
}

/// Starts children that wait for what comes from here, says so, and waits as well.
fn lead(what: &str, children: usize) -> ! {
    end_with_parent();
    let start = || again(&["worker", what]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let _children: Vec<Child> =
        (0..children).map(|_| start().unwrap_or_else(|e| panic!("no child: {e}"))).collect();
    println!("ready");
    read_for_ever()
}

fn work(what: &str) -> ! {
    end_with_parent();
    if what == "mutex" {
        // Two threads that have a mutex each and want the other.
        static A: Mutex = Mutex::new();
        static B: Mutex = Mutex::new();
        let (say, heard) = std::sync::mpsc::channel();
        A.lock();
        std::thread::spawn(move || {
            B.lock();
            let _it_waits = say.send(());
            A.lock();
        });
        let _it_has_its = heard.recv();
        B.lock();
    }
    read_for_ever()
}

/// A mutex of the C library, which keeps its owner.
struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: that is what it is for.
unsafe impl Sync for Mutex {}

impl Mutex {
    const fn new() -> Mutex {
        Mutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER))
    }

    fn lock(&'static self) {
        // SAFETY: it was made by its initializer and lives for ever.
        unsafe { libc::pthread_mutex_lock(self.0.get()) };
    }
}

fn read_for_ever() -> ! {
    let mut byte = [0];
    while std::io::stdin().read(&mut byte).is_ok_and(|n| n > 0) {}
    std::process::exit(0)
}

fn end_with_parent() {
    let kill = Some(rustix::process::Signal::KILL);
    let _old_kernels_leave_processes = rustix::process::set_parent_process_death_signal(kill);
}
