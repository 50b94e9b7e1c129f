//! Signals to whole trees: send, freeze, thaw, and the sweep that ends everything.

use super::procs::{Snapshot, Stat, signal_proc};
use super::reactor::{Live, Phase, Reactor, sweep_deadline};
use crate::clock::mono;
use crate::model::{AttemptId, Mono, ProcRef};
use std::collections::HashSet;
use std::time::Duration;

/// Rounds of "stop, then look for what was forked meanwhile". Each round leaves only what was
/// started between the look and the signal, so few are needed.
const STOP_ROUNDS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_SWEEP_PAUSE: Duration = Duration::from_millis(50);
const LAST_WATCH_PAUSE: Duration = Duration::from_millis(250);

/// A tree that is being ended.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) next: Mono,
    pause: Duration,
    give_up: Mono,
    /// Processes besides the leader that had to be ended.
    seen: HashSet<ProcRef>,
}

/// Leftovers that may go away by themselves.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) next: Mono,
    pause: Duration,
}

impl Watch {
    pub(super) fn new() -> Watch {
        Watch { next: mono() + FIRST_PAUSE, pause: FIRST_PAUSE }
    }
}

impl Reactor {
    fn live_of(&mut self, attempt: AttemptId) -> Option<(u64, &mut Live)> {
        let serial = *self.serial_of.get(&attempt)?;
        Some((serial, self.live.get_mut(&serial)?))
    }

    /// Returns everything alive of an attempt except its leader, as of this turn's snapshot,
    /// and remembers the sessions seen.
    pub(super) fn members_of(&mut self, serial: u64) -> Vec<Stat> {
        if self.snapshot.is_none() {
            self.snapshot = Some(Snapshot::take());
            // After the snapshot: whoever was orphaned meanwhile must be known by now.
            self.refresh_orphans();
        }
        let (Some(snapshot), Some(live)) = (&self.snapshot, self.live.get_mut(&serial)) else {
            return Vec::new();
        };
        let orphans = self.orphans.of(live.attempt);
        let group_pids = live.group.as_ref().map(|group| group.pids()).unwrap_or_default();
        let members = super::tree::members(snapshot, live.leader, &orphans, &group_pids);
        live.sessions.extend(members.iter().map(|stat| stat.sid));
        members
    }

    pub(super) fn signal(&mut self, attempt: AttemptId, signal: i32) {
        let Some((serial, live)) = self.live_of(attempt) else { return };
        if let Phase::Leftovers { signalled, .. } = &mut live.phase {
            *signalled = true;
        }
        let leader = live.leader;
        let members = self.members_of(serial);
        let is_stopped = members.iter().any(Stat::is_stopped)
            || self.live.get(&serial).is_some_and(|live| live.is_frozen)
            || self.snapshot.as_ref().and_then(|s| s.get(leader.pid)).is_some_and(Stat::is_stopped);
        signal_tree(leader, &members, signal);
        if is_stopped && signal != libc::SIGSTOP && signal != libc::SIGCONT {
            signal_tree(leader, &members, libc::SIGCONT);
        }
        if let Some(live) = self.live.get_mut(&serial) {
            live.is_frozen = signal == libc::SIGSTOP;
        }
    }

    pub(super) fn thaw(&mut self, attempt: AttemptId) {
        let Some((serial, live)) = self.live_of(attempt) else { return };
        live.is_frozen = false;
        let leader = live.leader;
        self.freezing.remove(&serial);
        let members = self.members_of(serial);
        signal_tree(leader, &members, libc::SIGCONT);
    }

    /// Freezes are carried out together at the end of the turn: they share the looks.
    pub(super) fn freeze(&mut self, attempt: AttemptId) {
        let Some((serial, live)) = self.live_of(attempt) else { return };
        live.is_frozen = true;
        self.freezing.insert(serial);
    }

    pub(super) fn run_freezes(&mut self) {
        let serials: Vec<u64> = self.freezing.drain().collect();
        if serials.is_empty() {
            return;
        }
        for _ in 0..STOP_ROUNDS {
            self.snapshot = None;
            let mut found_any = false;
            for serial in &serials {
                let members = self.members_of(*serial);
                let Some(live) = self.live.get(serial) else { continue };
                let leader = self.snapshot.as_ref().and_then(|s| s.get(live.leader.pid));
                let is_running = |stat: &Stat| stat.is_alive() && !stat.is_stopped();
                if members.iter().chain(leader).any(is_running) {
                    found_any = true;
                    signal_tree(live.leader, &members, libc::SIGSTOP);
                }
            }
            if !found_any {
                break;
            }
        }
    }

    pub(super) fn kill(&mut self, attempt: AttemptId) {
        let Some((serial, live)) = self.live_of(attempt) else { return };
        if live.sweep.is_none() {
            live.watch = None;
            live.sweep = Some(Sweep {
                next: Mono(0),
                pause: FIRST_PAUSE,
                give_up: sweep_deadline(),
                seen: HashSet::new(),
            });
            self.watching.remove(&serial);
            self.sweeping.insert(serial);
        }
    }

    pub(super) fn run_sweeps(&mut self) {
        if self.sweeping.is_empty() {
            return;
        }
        let at = mono();
        let mut due: Vec<u64> = self.sweeping.iter().copied().collect();
        due.retain(|s| {
            self.live.get(s).and_then(|l| l.sweep.as_ref()).is_some_and(|sweep| sweep.next <= at)
        });
        if due.is_empty() {
            return;
        }
        self.refresh_orphans();
        due.retain(|serial| !self.finish_if_gone(*serial));
        for round in 0..STOP_ROUNDS {
            if due.is_empty() {
                break;
            }
            self.snapshot = None;
            due.retain(|serial| self.sweep_once(*serial, round + 1 < STOP_ROUNDS));
        }
    }

    /// Ends an attempt's sweep when its leader is dead and nothing adopted is left of it:
    /// then nothing at all is left, see [`super::tree::Orphans::is_empty`].
    fn finish_if_gone(&mut self, serial: u64) -> bool {
        let Some(live) = self.live.get(&serial) else { return true };
        if !live.is_leader_dead() || !self.orphans.of(live.attempt).is_empty() {
            return false;
        }
        let n = live.sweep.as_ref().map_or(0, |sweep| sweep.seen.len());
        self.finish(serial, Some((n.try_into().unwrap_or(u32::MAX), 0)));
        true
    }

    /// Signals what is there. Returns whether to look again at once.
    ///
    /// A tree with processes outside the leader's group is stopped before it is killed: what
    /// is stopped cannot fork, and while parents live, everything below them is found.
    fn sweep_once(&mut self, serial: u64, may_stop: bool) -> bool {
        let members = self.members_of(serial);
        let Some(live) = self.live.get_mut(&serial) else { return false };
        let (leader, is_leader_dead) = (live.leader, live.is_leader_dead());
        let Some(sweep) = &mut live.sweep else { return false };
        let n_before = sweep.seen.len();
        sweep.seen.extend(members.iter().map(Stat::proc));
        let is_new = sweep.seen.len() > n_before;
        let has_strays = members.iter().any(|stat| stat.pgid != leader.pid);
        if is_new && has_strays && may_stop {
            signal_tree(leader, &members, libc::SIGSTOP);
            return true;
        }
        signal_tree(leader, &members, libc::SIGKILL);
        let at = mono();
        if at >= sweep.give_up {
            let n_left = members.len() + usize::from(!is_leader_dead);
            let n_swept = sweep.seen.len().saturating_sub(members.len());
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            self.finish(serial, Some((count(n_swept), count(n_left))));
            return false;
        }
        sweep.next = at + sweep.pause;
        sweep.pause = (sweep.pause * 2).min(LAST_SWEEP_PAUSE);
        false
    }

    pub(super) fn run_watches(&mut self) {
        if self.watching.is_empty() {
            return;
        }
        let at = mono();
        let mut due: Vec<u64> = self.watching.iter().copied().collect();
        due.retain(|s| {
            self.live.get(s).and_then(|l| l.watch.as_ref()).is_some_and(|watch| watch.next <= at)
        });
        if due.is_empty() {
            return;
        }
        self.refresh_orphans();
        for serial in due {
            let Some(live) = self.live.get_mut(&serial) else { continue };
            if self.orphans.of(live.attempt).is_empty() {
                let swept = match live.phase {
                    Phase::Leftovers { n_seen, signalled: true } => n_seen,
                    _ => 0,
                };
                self.finish(serial, Some((swept, 0)));
            } else if let Some(watch) = &mut live.watch {
                watch.next = at + watch.pause;
                watch.pause = (watch.pause * 2).min(LAST_WATCH_PAUSE);
            }
        }
    }
}

/// Sends a signal to the leader's group and to every other process of the tree.
///
/// The leader is not reaped before its tree is gone. Alive or zombie, it keeps its pid from
/// being used again, so the group signal cannot reach a stranger. It reaches all of the group
/// in one step, which no fork can escape.
fn signal_tree(leader: ProcRef, members: &[Stat], signal: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(-leader.pid, signal) };
    for stat in members.iter().filter(|stat| stat.pgid != leader.pid) {
        signal_proc(stat.proc(), signal);
    }
}
