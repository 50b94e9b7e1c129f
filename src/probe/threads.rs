//! What the threads of one process do: how many run, how long they wait for a CPU.
//!
//! The counters of a process tell that of its first thread only, so each thread has to be read.
//! That is dear where there are many: it is done every few looks, for some.

use super::files::{Folder, Keep};
use super::procfs::{self, PidStat, Sched};
use crate::model::{Mono, limits};
use std::collections::HashMap;

/// What threads did between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Seconds on a CPU per second, all threads.
    pub running: f32,
    /// Seconds of waiting for a CPU per second, all threads.
    pub waiting: f32,
    /// Where the busiest of them last ran.
    pub core: Option<u32>,
}

/// The threads of a process over time.
#[derive(Debug, Default)]
pub struct Threads {
    counters: HashMap<i32, Sched>,
    /// `counters` has all threads.
    is_complete: bool,
    read_at: Option<(u64, Mono)>,
    seen: Option<Seen>,
}

impl Threads {
    /// What they did lately; `None` when that is not known.
    pub fn seen(&self) -> Option<Seen> {
        self.seen
    }

    /// Returns the look of the last reading when it is time for another.
    pub fn due(&mut self, look: u64, stat: &PidStat, before: Option<&PidStat>) -> Option<u64> {
        if before.is_some_and(|before| before.own.ticks() == stat.own.ticks()) {
            // Idle: what they did before is over.
            *self = Threads::default();
            return None;
        }
        let last = self.read_at.map_or(0, |(look, _)| look);
        let pause = if self.seen.is_some() { limits::PROBE_SLOW_LOOKS } else { 1 };
        (look - last >= pause).then_some(last)
    }

    /// Reads at most `most` threads; returns how many files it took.
    pub fn look(
        &mut self,
        folder: &mut Folder,
        pid: i32,
        look: u64,
        now: Mono,
        most: usize,
    ) -> usize {
        let mut tids = folder.numbers(&format!("{pid}/task"));
        let is_complete = tids.len() <= most;
        tids.truncate(most);
        let before = self.read_at.replace((look, now)).map(|(_, at)| now.since(at).as_secs_f32());
        let mut counters = HashMap::with_capacity(tids.len());
        let (mut sum, mut busiest) = (Sched::default(), None);
        for tid in &tids {
            let name = format!("task/{tid}/schedstat");
            let text = folder.read(&mut None, pid, &name, Keep::Nothing).ok();
            let Some(sched) = text.and_then(procfs::sched) else { continue };
            counters.insert(*tid, sched);
            // One that is new has done everything since the last reading.
            let new = self.is_complete.then(Sched::default);
            let Some(before) = self.counters.get(tid).copied().or(new) else { continue };
            let used = sched.since(&before);
            sum.run_ns += used.run_ns;
            sum.wait_ns += used.wait_ns;
            busiest = busiest.max(Some((used.run_ns, *tid)));
        }
        (self.counters, self.is_complete) = (counters, is_complete);
        self.seen = before.filter(|s| *s > 0.0).map(|s| Seen {
            running: sum.run_ns as f32 / 1e9 / s,
            waiting: sum.wait_ns as f32 / 1e9 / s,
            core: busiest.and_then(|(_, tid)| core_of(folder, pid, tid)),
        });
        tids.len() + 1
    }
}

fn core_of(folder: &mut Folder, pid: i32, tid: i32) -> Option<u32> {
    let name = format!("task/{tid}/stat");
    procfs::pid_stat(folder.read(&mut None, pid, &name, Keep::Nothing).ok()?)?.core
}
