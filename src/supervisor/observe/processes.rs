//! The processes of the tree: who is there, in which row, and what each is called.

use super::Happening;
use crate::exec::ProcessTable;
use crate::model::harmless::harmless_line;
use crate::model::waits::report::{Held, Member, Report};
use crate::model::{AttemptId, JobNo, Mono, PoolIdx, ProcRef, Sample, Slot};
use crate::probe::{WatchList, Watched};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::mpsc::SyncSender;

/// Processes that are shown; the others count.
const ROWS: usize = 1000;
/// Letters of a command line that are shown.
const NAME_CHARS: usize = 120;

/// One process.
#[derive(Clone, Debug)]
pub struct Row {
    pub proc: ProcRef,
    pub slot: Slot,
    /// Its command line, or before that is known its name.
    pub name: String,
    /// When it started.
    pub since: Mono,
    pub is_dead: bool,
}

/// Those that are there.
pub struct Processes {
    root: ProcRef,
    rows: BTreeMap<i32, Row>,
    /// Those for which there is no row.
    pub hidden: usize,
    to_observer: SyncSender<Happening>,
    ticks_per_s: u64,
}

/// The process of a pid in the words of a run.
pub fn attempt_of(pid: i32) -> AttemptId {
    AttemptId { job: JobNo(pid.unsigned_abs()), n: 1 }
}

impl Processes {
    pub fn new(root: ProcRef, to_observer: SyncSender<Happening>) -> Processes {
        let ticks_per_s = crate::exec::clock_ticks_per_second().max(1);
        Processes { root, rows: BTreeMap::new(), hidden: 0, to_observer, ticks_per_s }
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub fn get(&self, pid: i32) -> Option<ProcRef> {
        self.rows.get(&pid).map(|row| row.proc)
    }

    /// Whether nobody is left. Those that nobody reaps may stay in the table for ever.
    pub fn have_ended(&self) -> bool {
        self.rows.values().all(|row| row.is_dead && !has_threads(row.proc.pid))
    }

    /// Takes in what a process is called.
    pub fn call(&mut self, proc: ProcRef, name: String) {
        if let Some(row) = self.rows.get_mut(&proc.pid).filter(|row| row.proc == proc) {
            row.name = name;
        }
    }

    /// Looks who is there, and has the probe watch them. Whoever was in the tree stays in it when
    /// its parent ends before it.
    pub fn look(&mut self, watch: &WatchList, _sample: &Sample) {
        let table = ProcessTable::take();
        let is_there = |proc: ProcRef| table.get(proc.pid).is_some_and(|s| s.proc() == proc);
        let known: Vec<i32> =
            self.rows.values().filter(|r| is_there(r.proc)).map(|r| r.proc.pid).collect();
        let root = is_there(self.root).then_some(self.root.pid);
        let trees = table.trees(root.into_iter().chain(known));
        let here: BTreeSet<ProcRef> = trees.iter().map(|stat| stat.proc()).collect();
        self.rows.retain(|_, row| {
            let stays = here.contains(&row.proc);
            if !stays {
                watch.unwatch(attempt_of(row.proc.pid));
            }
            stays
        });
        let mut stats: Vec<_> = trees.iter().collect();
        stats.sort_by_key(|stat| (stat.start_ticks, stat.pid));
        self.hidden = 0;
        for stat in stats {
            if let Some(row) = self.rows.get_mut(&stat.pid) {
                row.is_dead = stat.is_zombie();
            } else if self.rows.len() < ROWS {
                self.add(stat.proc(), stat.is_zombie(), watch);
            } else {
                self.hidden += 1;
            }
        }
    }

    fn add(&mut self, proc: ProcRef, is_dead: bool, watch: &WatchList) {
        let taken: BTreeSet<u32> = self.rows.values().map(|row| row.slot.n).collect();
        let n = (1..).find(|n| !taken.contains(n)).unwrap_or(u32::MAX);
        let micros = proc.start_ticks.saturating_mul(1_000_000) / self.ticks_per_s;
        let row = Row {
            proc,
            slot: Slot { pool: PoolIdx::DEFAULT, n },
            name: comm(proc.pid),
            since: Mono(micros),
            is_dead,
        };
        self.rows.insert(proc.pid, row);
        watch.watch(Watched {
            attempt: attempt_of(proc.pid),
            proc,
            output: [None, None],
            quiet: None,
            threads: 1,
            paused: false,
        });
        // Reading a command line may wait for the process: not here.
        let to = self.to_observer.clone();
        let read = move || {
            if let Some(name) = command_line(proc.pid) {
                drop(to.send(Happening::Called(proc, name)));
            }
        };
        let _its_name_is_enough = std::thread::Builder::new().name("names".to_owned()).spawn(read);
    }

    /// Says of everybody in a report which row is theirs, so that acts mean it.
    pub fn attribute(&self, report: &mut Report) {
        let of = |proc: ProcRef| {
            self.rows.get(&proc.pid).filter(|row| row.proc == proc).map(|_| attempt_of(proc.pid))
        };
        let member = |member: &mut Member| member.attempt = of(member.proc);
        let held = |held: &mut Held| held.attempt = of(held.proc);
        for knot in &mut report.findings {
            knot.core.iter_mut().chain(&mut knot.behind).for_each(member);
        }
        for wait in &mut report.waits {
            member(&mut wait.who);
            wait.holders.iter_mut().for_each(held);
        }
    }
}

/// Whether threads go on after the first one has ended.
fn has_threads(pid: i32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 1)
}

fn comm(pid: i32) -> String {
    let text = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    harmless_line(text.trim_ascii_end(), NAME_CHARS)
}

/// `python3 pool.py 4`; `None` where it has none, such as a zombie.
fn command_line(pid: i32) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<&[u8]> = text.split(|b| *b == 0).filter(|word| !word.is_empty()).collect();
    let (program, rest) = words.split_first()?;
    let program = program.rsplit(|b| *b == b'/').next().unwrap_or(program);
    let mut line = program.to_vec();
    for word in rest {
        line.push(b' ');
        line.extend_from_slice(word);
    }
    Some(harmless_line(&line, NAME_CHARS))
}
