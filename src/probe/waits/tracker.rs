//! Follows threads over time: who runs, who has not run for a while.

use super::cancel::Callers;
use super::family::Family;
use super::process::{Files, counters, machine_of};
use super::python::Languages;
use super::status::Stat;
use super::syscall::{Call, Line, Machine, Sys, line};
use super::{Insight, Root, Tick, look};
use crate::model::ids::ProcRef;
use crate::model::waits::{Look, ThreadRef};
use crate::model::{Mono, limits};
use crate::probe::files::{Folder, Keep};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Follows the threads of some trees of processes.
pub struct Tracker {
    pub(super) folder: Folder,
    pub(super) callers: Callers,
    pub(super) family: Family,
    pub(super) processes: BTreeMap<i32, Tracked>,
    /// Threads outside of the trees that a look led to: counters, and since when they stand.
    pub(super) strangers: HashMap<ThreadRef, ((u64, u64), Mono)>,
    pub(super) insights: Vec<Box<dyn Insight>>,
    pub(super) with_frames: bool,
    /// When all processes of the system were read last; `None`: they have to be.
    listed: Option<Mono>,
    /// Somebody has run since then.
    somebody_ran: bool,
}

/// A process of the trees.
#[derive(Debug)]
pub(super) struct Tracked {
    pub proc: ProcRef,
    pub threads: BTreeMap<i32, TrackedThread>,
    machine: Option<Machine>,
}

/// A thread of the trees.
#[derive(Debug, Default)]
pub(super) struct TrackedThread {
    pub files: Files,
    pub counters: (u64, u64),
    /// When it was first seen with these counters.
    pub since: Mono,
    /// Ticks that have seen them since.
    ticks: u32,
    /// Whether it is in a call that may last for ever; `None` while nobody asked.
    may_last: Option<bool>,
}

impl TrackedThread {
    /// Takes new counters; says whether it ran.
    pub fn saw(&mut self, counters: (u64, u64), now: Mono) -> bool {
        if counters == self.counters && self.since != Mono::default() {
            return false;
        }
        (self.counters, self.since) = (counters, now);
        (self.ticks, self.may_last) = (0, None);
        true
    }

    pub fn is_suspect(&self, now: Mono) -> bool {
        self.may_last == Some(true)
            && self.ticks >= limits::XRAY_TICKS
            && now.since(self.since) >= limits::XRAY_STILL
    }
}

impl Default for Tracker {
    fn default() -> Tracker {
        Tracker::new()
    }
}

impl Tracker {
    pub fn new() -> Tracker {
        Tracker {
            folder: Folder::open(Path::new("/proc")),
            callers: Callers::default(),
            family: Family::default(),
            processes: BTreeMap::new(),
            strangers: HashMap::new(),
            insights: vec![Box::new(Languages::default())],
            with_frames: false,
            listed: None,
            somebody_ran: false,
        }
    }

    /// Follows these trees from now on.
    pub fn set_roots(&mut self, roots: Vec<Root>) {
        self.family.set_roots(roots);
        self.listed = None;
    }

    /// Whether looks tell where threads stand, which is dear.
    pub fn set_frames(&mut self, wanted: bool) {
        self.with_frames = wanted;
    }

    /// Sees who has run since the last tick. Cheap: one reading of a file that is kept open for
    /// each thread; a process none of whose threads ran has no new thread and no new child.
    pub fn tick(&mut self, now: Mono) -> Tick {
        let is_old = |at: Mono| now.since(at) >= limits::XRAY_LIST && self.somebody_ran;
        if self.listed.is_none_or(is_old) {
            self.list(now);
        }
        self.budget();
        let pids: Vec<i32> = self.processes.keys().copied().collect();
        let mut ran = Vec::new();
        for pid in pids {
            self.tick_process(pid, now, &mut ran);
        }
        self.somebody_ran |= !ran.is_empty();
        for (pid, tid) in ran {
            self.add_children(pid, tid, now);
        }
        self.seen(now)
    }

    /// Looks at what threads wait for, and at all that this leads to. Everything is read anew.
    pub fn look(&mut self, now: Mono, scope: super::Scope) -> Look {
        self.budget();
        look::look(self, now, scope)
    }

    fn seen(&self, now: Mono) -> Tick {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let threads = || self.processes.values().flat_map(|p| &p.threads);
        let suspects = || threads().filter(|(_, thread)| thread.is_suspect(now));
        let mark = |(tid, thread): (&i32, &TrackedThread)| {
            let mixed = u64::from(tid.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ thread.since.0).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        };
        Tick {
            processes: count(self.processes.len()),
            threads: count(threads().count()),
            suspects: count(suspects().count()),
            who: suspects().map(mark).fold(0, u64::wrapping_add),
        }
    }

    /// Keeps as many files open as the system lets ganger have, and not more.
    fn budget(&mut self) {
        let files = || self.processes.values().flat_map(|p| p.threads.values());
        let n_open = files().map(|t| t.files.n_open()).sum();
        if !self.folder.set_budget_of(n_open, limits::XRAY_FDS) {
            let all = self.processes.values_mut().flat_map(|p| p.threads.values_mut());
            all.for_each(|thread| thread.files = Files::default());
        }
    }

    /// Reads all processes of the system, and finds those that belong to the trees.
    pub(super) fn list(&mut self, now: Mono) -> BTreeMap<i32, Stat> {
        let mut stats = BTreeMap::new();
        for pid in self.folder.processes() {
            let text = self.folder.read(&mut None, pid, "stat", Keep::Nothing);
            if let Some(stat) = text.ok().and_then(Stat::parse) {
                stats.insert(pid, stat);
            }
        }
        self.family.update(&stats);
        let family = &self.family;
        self.processes
            .retain(|pid, p| family.get(*pid).is_some_and(|member| member.proc == p.proc));
        for (pid, member) in self.family.members() {
            self.processes.entry(pid).or_insert_with(|| Tracked::new(member.proc));
        }
        (self.listed, self.somebody_ran) = (Some(now), false);
        stats
    }

    fn tick_process(&mut self, pid: i32, now: Mono, ran: &mut Vec<(i32, i32)>) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let is_new = process.threads.is_empty();
        let mut list_again = is_new;
        let folder = &mut self.folder;
        process.threads.retain(|tid, thread| {
            let Some(counters) = counters(folder, &mut thread.files, pid, *tid, Keep::All) else {
                return false;
            };
            if thread.saw(counters, now) {
                list_again = true;
                ran.push((pid, *tid));
            } else {
                thread.ticks = thread.ticks.saturating_add(1);
            }
            true
        });
        if list_again {
            process.list_threads(folder, now, ran);
        }
        if process.threads.is_empty() {
            self.processes.remove(&pid);
            return;
        }
        let proc = process.proc;
        let machine = &mut process.machine;
        let asked = process.threads.iter_mut().filter(|(_, t)| t.ticks > 0 && t.may_last.is_none());
        for (tid, thread) in asked {
            let machine =
                *machine.get_or_insert_with(|| machine_of(*tid).unwrap_or(Machine::Other));
            let name = format!("task/{tid}/syscall");
            let text = folder.read(&mut thread.files.syscall, proc.pid, &name, Keep::Half);
            let found = text.ok().and_then(|text| line(text, machine));
            thread.may_last = Some(matches!(found, Some(Line::Call(call)) if may_last(&call)));
        }
    }

    /// Adds the children that a thread has now.
    fn add_children(&mut self, pid: i32, tid: i32, now: Mono) {
        let name = format!("task/{tid}/children");
        let Ok(text) = self.folder.read(&mut None, pid, &name, Keep::Nothing) else { return };
        let text = String::from_utf8_lossy(text).into_owned();
        // A list that was cut ends in the middle of a number; the next listing finds the rest.
        for child in text.split_inclusive(' ').filter(|word| word.ends_with(' ')) {
            let Ok(child) = child.trim().parse::<i32>() else { continue };
            if self.processes.contains_key(&child) {
                continue;
            }
            let stat = self.folder.read(&mut None, child, "stat", Keep::Nothing);
            let Some(stat) = stat.ok().and_then(Stat::parse) else { continue };
            if self.family.add(child, &stat) {
                let proc = ProcRef { pid: child, start_ticks: stat.start_ticks };
                let mut tracked = Tracked::new(proc);
                tracked.list_threads(&mut self.folder, now, &mut Vec::new());
                self.processes.insert(child, tracked);
            }
        }
    }
}

impl Tracked {
    fn new(proc: ProcRef) -> Tracked {
        Tracked { proc, threads: BTreeMap::new(), machine: None }
    }

    /// Adds threads that are new.
    pub fn list_threads(&mut self, folder: &mut Folder, now: Mono, ran: &mut Vec<(i32, i32)>) {
        let pid = self.proc.pid;
        for tid in folder.numbers(&format!("{pid}/task")) {
            if self.threads.contains_key(&tid) {
                continue;
            }
            let mut thread = TrackedThread::default();
            let Some(counters) = counters(folder, &mut thread.files, pid, tid, Keep::All) else {
                continue;
            };
            thread.saw(counters, now);
            ran.push((pid, tid));
            self.threads.insert(tid, thread);
        }
    }
}

/// Whether a call may last for ever and be somebody's fault: not sleeps, and not what always may
/// be ended from outside.
fn may_last(call: &Call) -> bool {
    let is_open = matches!(
        call.sys,
        Sys::Unknown
            | Sys::Sleep
            | Sys::Restart
            | Sys::Signal
            | Sys::SignalTimed
            | Sys::Accept
            | Sys::Connect
            | Sys::Open
            | Sys::Openat
            | Sys::IoUring
    );
    !is_open && !call.is_timed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspect_has_stood_still_for_ticks_and_for_time() {
        let at = |ms: u64| Mono(1_000_000 + ms * 1000);
        let mut thread = TrackedThread::default();
        assert!(thread.saw((5, 1), at(0)));
        assert!(!thread.saw((5, 1), at(100)));
        (thread.ticks, thread.may_last) = (limits::XRAY_TICKS, Some(true));
        assert!(!thread.is_suspect(at(400)));
        assert!(thread.is_suspect(at(500)));
        assert!(thread.saw((6, 2), at(600)));
        assert!(!thread.is_suspect(at(2000)), "it ran");
    }

    #[test]
    fn sleepers_are_no_suspects() {
        let call = |text: &str| match line(text.as_bytes(), Machine::X86_64) {
            Some(Line::Call(call)) => may_last(&call),
            other => panic!("{other:?}"),
        };
        assert!(call("202 0x7f 0x80 0x2 0x0 0x0 0x0 0x7f 0x7f"));
        assert!(call("0 0x3 0x7f 0x1 0x0 0x0 0x0 0x7f 0x7f"));
        assert!(!call("230 0x0 0x0 0x7f 0x7f 0x0 0x0 0x7f 0x7f"));
        assert!(!call("7 0x7f 0x1 0x64 0x0 0x0 0x0 0x7f 0x7f"));
        assert!(!call("9999 0x7f 0x1 0x64 0x0 0x0 0x0 0x7f 0x7f"));
    }
}
