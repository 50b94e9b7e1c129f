//! What looking into Python programs costs: a search through memory, frames of Python and of
//! native code.
//!
//! `cargo bench --bench python`, with `mib=512` behind `--` for another size. The program that is
//! looked at is `python3` of the search path, with as much memory as is said and some threads that
//! wait.

use ganger::model::ids::ProcRef;
use ganger::model::waits::ThreadRef;
use ganger::probe::stacks::{HAS_PYTHON, Registers, Stacks};
use ganger::probe::waits::maps::Maps;
use ganger::probe::waits::python::scan;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TIMES: usize = 9;

const PROGRAM: &str = r#"
import sys, threading
size = int(sys.argv[1]) << 20
held = bytearray(size)
held[::4096] = b"x" * len(range(0, size, 4096))
lock = threading.Lock()
lock.acquire()
def inner(n, name): lock.acquire()
def outer(n): inner(n, "worker")
for n in range(3): threading.Thread(target=outer, args=(n,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"#;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mib: u64 = words.iter().find_map(|w| w.strip_prefix("mib=")?.parse().ok()).unwrap_or(512);
    let mut child = Command::new("python3")
        .args(["-c", PROGRAM, &mib.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start python3: {e}"));
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap_or_else(|| panic!("no output")));
    said.read_line(&mut line).unwrap_or_else(|e| panic!("python3 said nothing: {e}"));
    let pid = child.id().cast_signed();
    let proc = ProcRef { pid, start_ticks: 0 };
    let maps = Maps::read(pid, pid).unwrap_or_else(|e| panic!("{e:?}"));

    let mut read = 0;
    let took = median(|| {
        let found = scan::words(pid, &maps, &[0x7fff_dead_b000]);
        read = found.unwrap_or_else(|e| panic!("{e:?}")).read_bytes;
    });
    let gib = read as f64 / f64::from(1 << 30);
    println!("search through {:.0} MiB: {}", gib * 1024.0, millis(took));
    println!("  for each GiB: {}", millis(took.div_f64(gib)));

    if HAS_PYTHON {
        let mut stacks = Stacks::new();
        let began = Instant::now();
        stacks.begin_look();
        let n = stacks.python(proc, pid, &maps).len();
        println!("Python frames of {n} threads, the first time: {}", millis(began.elapsed()));
        let took = median(|| {
            stacks.begin_look();
            stacks.python(proc, pid, &maps);
        });
        println!("  later: {}", millis(took));
    }
    native(proc, &maps);
    let _ = child.kill();
    let _ = child.wait();
}

fn native(proc: ProcRef, maps: &Maps) {
    let path = format!("/proc/{0}/task/{0}/syscall", proc.pid);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let hex = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let words: Vec<u64> = text.split_whitespace().filter_map(hex).collect();
    let [.., stack_pointer, program_counter] = words[..] else { return };
    let registers = Registers { stack_pointer, program_counter };
    let thread = ThreadRef { proc, tid: proc.pid };
    let mut stacks = Stacks::new();
    let began = Instant::now();
    let n = stacks.native(thread, maps, registers).len();
    println!("{n} native frames of one thread, the first time: {}", millis(began.elapsed()));
    let took = median(|| drop(stacks.native(thread, maps, registers)));
    println!("  later: {}", millis(took));
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[TIMES / 2]
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
