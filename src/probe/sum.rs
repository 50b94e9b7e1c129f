//! The processes of one attempt, added up.

use super::load::States;
use super::processes::{Ended, Member};
use super::procfs::{Counters, IoBytes};
use super::spread::Use;
use std::cmp::Reverse;
use std::time::Duration;

/// The members of one attempt, added up.
#[derive(Default)]
pub struct Sum {
    /// Those alive.
    pub pids: Vec<i32>,
    pub rss_pages: u64,
    pub threads: u32,
    pub processes: u32,
    /// Counters now of all members, ended children included.
    pub now: Counters,
    /// The same at the look before, of those that were members then and can no longer show up
    /// in a parent's counters.
    before: Counters,
    /// What processes alive at both looks counted themselves.
    own_used: Counters,
    /// Processes came or went.
    pub changed: bool,
    pub partial: bool,
    /// Bytes that processes had moved which ended without anybody inheriting their counters.
    pub io_lost: IoBytes,
    /// Clock ticks for which the process that waited most was blocked on I/O.
    pub io_wait_ticks: u64,
    /// The kernel counts how long threads run and wait.
    has_sched: bool,
    queued: Queued,
    n_runnable: u32,
    n_blocked: u32,
    n_stopped: u32,
    busiest: Option<(Busy, Option<u32>)>,
    places: Vec<(Option<u32>, u64)>,
    /// Processes by the CPU time of their life, most first, then the oldest.
    lives: Vec<(Reverse<u64>, u64, i32)>,
}

/// CPU ticks, then nanoseconds of the first thread, then the lowest pid.
type Busy = (u64, u64, Reverse<i32>);

/// Time on a CPU or waiting for one.
#[derive(Default)]
struct Queued {
    run_ns: u64,
    wait_ns: u64,
    /// Of processes whose threads were read: seconds per second.
    running: f32,
    waiting: f32,
    /// Of those about which only their CPU time is known.
    ticks: u64,
}

impl Sum {
    pub fn add(&mut self, pid: i32, member: &Member) {
        let stat = &member.stat;
        if stat.is_alive() {
            self.pids.push(pid);
            self.processes += 1;
            self.threads += stat.threads;
            self.rss_pages += stat.rss_pages;
            self.n_runnable += u32::from(stat.state == b'R');
            self.n_blocked += u32::from(stat.state == b'D');
            self.n_stopped += u32::from(matches!(stat.state, b'T' | b't'));
            self.lives.push((Reverse(stat.own.ticks()), stat.start_ticks, pid));
        }
        self.now = self.now.with(&stat.all(), u64::wrapping_add);
        let own_used = match &member.before {
            Some(before) => {
                self.before = self.before.with(&before.all(), u64::wrapping_add);
                let used = stat.own.with(&before.own, u64::saturating_sub);
                self.own_used = self.own_used.with(&used, u64::wrapping_add);
                let blocked = stat.io_wait_ticks.saturating_sub(before.io_wait_ticks);
                self.io_wait_ticks = self.io_wait_ticks.max(blocked);
                used
            }
            None => {
                self.changed = true;
                stat.own
            }
        };
        self.partial |= member.unreadable;
        self.add_time(pid, member, own_used.ticks());
    }

    fn add_time(&mut self, pid: i32, member: &Member, ticks: u64) {
        let of_threads = member.threads.seen();
        let core = of_threads.and_then(|t| t.core).or(member.stat.core);
        self.places.push((core, ticks));
        let sched = member.sched.map(|s| s.since(&member.sched_before.unwrap_or_default()));
        self.has_sched |= sched.is_some();
        match (of_threads, sched) {
            (Some(seen), _) => {
                self.queued.running += seen.running;
                self.queued.waiting += seen.waiting;
            }
            (None, Some(sched)) => {
                self.queued.wait_ns += sched.wait_ns;
                if member.stat.threads == 1 {
                    self.queued.run_ns += sched.run_ns;
                } else {
                    self.queued.ticks += ticks;
                }
            }
            (None, None) => self.queued.ticks += ticks,
        }
        let run_ns = sched.map_or(0, |s| s.run_ns);
        self.busiest = self.busiest.max(Some(((ticks, run_ns, Reverse(pid)), core)));
    }

    /// Takes in a process that is gone; `has_heir` when its parent inherits its counters.
    pub fn end(&mut self, ended: &Ended, has_heir: bool) {
        self.changed = true;
        if has_heir {
            self.before = self.before.with(&ended.stat.all(), u64::wrapping_add);
        } else if let Some(io) = ended.io {
            self.io_lost.from_storage += io.from_storage;
            self.io_lost.to_storage += io.to_storage;
        }
    }

    /// What was counted since the look before.
    ///
    /// When a child ends and its parent waits for it, its ticks move into the parent's counter:
    /// the sum over the tree stays. Where nobody waited they are lost; then the processes that
    /// are still alive give a lower bound.
    pub fn used(&self) -> Counters {
        self.now.with(&self.before, u64::saturating_sub).with(&self.own_used, u64::max)
    }

    pub fn states(&self) -> States {
        States {
            runnable: self.n_runnable > 0,
            blocked: self.n_blocked > 0,
            stopped: self.processes > 0 && self.n_stopped == self.processes,
        }
    }

    /// Threads on a CPU or waiting for one on average; at a first look those that could run now.
    pub fn running(&self, elapsed: Option<Duration>, ticks_per_s: u64) -> f32 {
        let Some(seconds) = elapsed.map(|e| e.as_secs_f32()).filter(|s| *s > 0.0) else {
            return self.n_runnable as f32;
        };
        let queued = &self.queued;
        let ns = (queued.run_ns + queued.wait_ns) as f32 / 1e9;
        let s = ns + queued.ticks as f32 / ticks_per_s as f32;
        s / seconds + queued.running + queued.waiting
    }

    /// Seconds of waiting for a CPU per second; `None` where the kernel does not count.
    pub fn waiting(&self, elapsed: Duration) -> Option<f32> {
        let ns = self.queued.wait_ns as f32 / 1e9;
        (self.has_sched && !elapsed.is_zero())
            .then(|| ns / elapsed.as_secs_f32() + self.queued.waiting)
    }

    /// Where its busiest process last ran.
    pub fn core(&self) -> Option<u32> {
        self.busiest?.1
    }

    /// The processes that used most CPU time in their life, at most `n`.
    pub fn heaviest(&mut self, n: usize) -> impl Iterator<Item = (i32, u64)> {
        self.lives.sort_unstable();
        self.lives.iter().take(n).map(|(_, start_ticks, pid)| (*pid, *start_ticks))
    }

    /// The CPU time since the look before by place; `ticks` of it make one percent.
    pub fn uses(&self, ticks: f32) -> impl Iterator<Item = Use> {
        let placed: u64 = self.places.iter().map(|(_, ticks)| ticks).sum();
        let of_children = (None, self.used().ticks().saturating_sub(placed));
        let all = self.places.iter().copied().chain([of_children]).filter(|(_, used)| *used > 0);
        all.map(move |(core, used)| Use { core, percent: used as f32 / ticks })
    }
}
