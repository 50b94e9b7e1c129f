//! The loop of the thread that owns all processes of a run: starts, reaps, watches.
//!
//! It waits on one epoll for orders, for leaders that end (pidfds), for the exec shim and for
//! terminals, and on timers for sweeps, leftovers and limits. Nothing here blocks.

use super::ReportSink;
use super::cgroup::{Cgroups, Group};
use super::env::ExecBuilder;
use super::local::{Mailbox, Order, Shim};
use super::output::{OutputStore, Outputs, Pair};
use super::procs::{Snapshot, Stat};
use super::reap::{Ended, OwnPeak, peek, reap};
use super::spawn::Attributes;
use super::stop::{Sweep, Watch};
use super::tree::{Claim, Orphans};
use super::tty::{Copied, Tty};
use crate::clock::{mono, now};
use crate::model::exec::LimitMeans;
use crate::model::{
    AttemptId, ExecReport, Exit, Limits, Mono, Now, ProcRef, RunLocation, Usage, limits,
};
use rustix::event::epoll;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Adopted zombies are reaped at least this often while there may be any.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long a `Started` report may wait for company.
const START_REPORT_DELAY: Duration = Duration::from_millis(2);
/// Events taken from the kernel in one turn.
const EVENTS_PER_TURN: usize = 128;

/// What an epoll event is about; the low bits of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Leader,
    ShimStatus,
    Tty,
}

/// The token of the mailbox; serials never get that far.
const MAILBOX: u64 = u64::MAX;

pub(super) fn token(serial: u64, about: About) -> u64 {
    serial << 2 | about as u64
}

/// Where a live attempt is in its life.
#[derive(Debug)]
pub(super) enum Phase {
    /// The exec shim has not become the job yet; this is the pipe it would complain through.
    Shim {
        status: OwnedFd,
        program: std::ffi::CString,
        n_bytes: usize,
    },
    Running,
    /// The leader is a zombie that nobody has been told of: its tree is being ended first.
    LeaderDead,
    /// The leader's end is reported; it stays a zombie, which keeps its group's id from being
    /// used again, until nothing of its tree is left.
    Leftovers {
        n_seen: u32,
        signalled: bool,
    },
}

/// An attempt of which something may be alive.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) attempt: AttemptId,
    pub(super) slot_key: u64,
    pub(super) leader: ProcRef,
    pub(super) pidfd: OwnedFd,
    pub(super) started: Now,
    pub(super) phase: Phase,
    pub(super) order: Option<Box<crate::model::LaunchOrder>>,
    pub(super) limits: Limits,
    pub(super) keep_leftovers: bool,
    pub(super) pair: Pair,
    pub(super) tty: Option<Tty>,
    pub(super) group: Option<Group>,
    pub(super) means: Option<LimitMeans>,
    pub(super) own_peak_kib: u64,
    pub(super) sessions: HashSet<i32>,
    pub(super) is_frozen: bool,
    pub(super) is_over_limit: bool,
    pub(super) sweep: Option<Sweep>,
    pub(super) watch: Option<Watch>,
}

impl Live {
    pub(super) fn is_leader_dead(&self) -> bool {
        matches!(self.phase, Phase::LeaderDead | Phase::Leftovers { .. })
    }

    /// Leftovers that did not go by themselves: they were sent a signal.
    pub(super) fn n_asked_to_end(&self) -> u32 {
        match self.phase {
            Phase::Leftovers { n_seen, signalled: true } => n_seen,
            _ => 0,
        }
    }
}

pub(super) struct Reactor {
    pub(super) shim: Shim,
    pub(super) cgroups: Cgroups,
    pub(super) mailbox: Arc<Mailbox>,
    sink: ReportSink,
    pub(super) epoll: OwnedFd,
    pub(super) attributes: Attributes,
    pub(super) builder: ExecBuilder,
    pub(super) store: OutputStore,
    pub(super) dev_null: OwnedFd,
    pub(super) own_peak: OwnPeak,
    pub(super) orphans: Orphans,
    pub(super) live: HashMap<u64, Live>,
    pub(super) serial_of: HashMap<AttemptId, u64>,
    pub(super) last_serial: u64,
    /// Serials with something to do at a later moment, so that a turn need not look at all.
    pub(super) sweeping: HashSet<u64>,
    pub(super) watching: HashSet<u64>,
    pub(super) looking: HashSet<u64>,
    pub(super) freezing: HashSet<u64>,
    pub(super) next_look: Mono,
    next_poll: Mono,
    /// Every process as of this turn, for all orders of the turn.
    pub(super) snapshot: Option<Snapshot>,
    /// Leaders that KILL could not end in time.
    unkillable: Vec<i32>,
    groups_to_remove: Vec<Group>,
    /// The soft limit of open files before it was raised.
    pub(super) open_files_before: Option<u64>,
    own_oom_kills: Option<u64>,
    is_closing: bool,
    /// `Started` reports that wait a moment for the end of a short attempt: the two then wake
    /// the receiver once.
    held: Vec<ExecReport>,
    held_until: Mono,
}

impl Reactor {
    pub(super) fn new(
        location: RunLocation,
        shim: Shim,
        cgroups: Cgroups,
        me: Stat,
        mailbox: Arc<Mailbox>,
        sink: ReportSink,
    ) -> io::Result<Reactor> {
        adopt_orphans()?;
        let store = OutputStore::create(&location.dir).map_err(|error| {
            let dir = super::output::folder(&location.dir);
            io::Error::new(error.kind(), format!("cannot create `{}`: {error}", dir.display()))
        })?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = epoll::EventData::new_u64(MAILBOX);
        epoll::add(&epoll, &mailbox.wake, wake, epoll::EventFlags::IN)?;
        Ok(Reactor {
            orphans: Orphans::new(me, &location.mark),
            own_oom_kills: cgroups.own_oom_kills(),
            shim,
            cgroups,
            mailbox,
            sink,
            epoll,
            attributes: Attributes::new()?,
            builder: ExecBuilder::default(),
            store,
            dev_null: std::fs::File::open("/dev/null")?.into(),
            own_peak: OwnPeak::new(),
            live: HashMap::new(),
            serial_of: HashMap::new(),
            last_serial: 0,
            sweeping: HashSet::new(),
            watching: HashSet::new(),
            looking: HashSet::new(),
            freezing: HashSet::new(),
            next_look: Mono(0),
            next_poll: Mono(0),
            snapshot: None,
            unkillable: Vec::new(),
            groups_to_remove: Vec::new(),
            open_files_before: None,
            is_closing: false,
            held: Vec::new(),
            held_until: Mono(0),
        })
    }

    pub(super) fn outputs(&self) -> Outputs {
        self.store.outputs()
    }

    /// Runs until a shutdown has been asked for and nothing is alive.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS_PER_TURN);
        while !(self.is_closing && self.live.is_empty()) {
            let timeout = self.timeout();
            events.clear();
            let waited = epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                timeout.as_ref(),
            );
            // EINTR is a turn without events; nothing else can happen to a valid epoll.
            let _ = waited;
            for event in &events {
                self.on_event(event.data.u64());
            }
            self.snapshot = None;
            for order in self.mailbox.take() {
                self.on_order(order);
            }
            self.run_freezes();
            self.run_sweeps();
            self.run_watches();
            self.run_looks();
            self.poll();
            if !self.held.is_empty() && mono() >= self.held_until {
                self.send_held();
            }
        }
        self.close();
    }

    fn on_event(&mut self, token: u64) {
        if token == MAILBOX {
            return;
        }
        let serial = token >> 2;
        match token & 3 {
            t if t == About::Leader as u64 => self.on_leader_end(serial),
            t if t == About::ShimStatus as u64 => self.on_shim_status(serial, false),
            _ => self.on_tty(serial),
        }
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::Launch(order) if !self.is_closing => self.launch(order),
            Order::Launch(order) => {
                let error = "the back end is shutting down".to_owned();
                let attempt = order.attempt;
                self.report(ExecReport::SpawnFailed { attempt, error, at: now() });
            }
            Order::Signal(attempt, signal) => self.signal(attempt, signal),
            Order::Kill(attempt) => self.kill(attempt),
            Order::Freeze(attempt) => self.freeze(attempt),
            Order::Thaw(attempt) => self.thaw(attempt),
            Order::Flush(done) => {
                self.run_freezes();
                // Nobody waits any more when it fails.
                let _ = done.send(());
            }
            Order::Shutdown => {
                self.is_closing = true;
                let all: Vec<AttemptId> = self.serial_of.keys().copied().collect();
                all.into_iter().for_each(|attempt| self.kill(attempt));
            }
        }
    }

    /// Returns how long the loop may wait; `None` for ever.
    fn timeout(&self) -> Option<rustix::event::Timespec> {
        let sweeps =
            self.sweeping.iter().filter_map(|s| Some(self.live.get(s)?.sweep.as_ref()?.next));
        let watches =
            self.watching.iter().filter_map(|s| Some(self.live.get(s)?.watch.as_ref()?.next));
        let look = (!self.looking.is_empty()).then_some(self.next_look);
        let poll = self.wants_poll().then_some(self.next_poll);
        let held = (!self.held.is_empty()).then_some(self.held_until);
        let first = sweeps.chain(watches).chain(look).chain(poll).chain(held).min()?;
        let left = first.since(mono());
        Some(rustix::event::Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        })
    }

    pub(super) fn report(&mut self, report: ExecReport) {
        if matches!(report, ExecReport::Started { .. }) {
            if self.held.is_empty() {
                self.held_until = mono() + START_REPORT_DELAY;
            }
            return self.held.push(report);
        }
        self.send_held();
        (self.sink)(report);
    }

    fn send_held(&mut self) {
        self.held.drain(..).for_each(&self.sink);
    }

    fn wants_poll(&self) -> bool {
        !self.live.is_empty()
            || self.orphans.any()
            || !self.unkillable.is_empty()
            || !self.groups_to_remove.is_empty()
    }

    /// Does what must happen some time but is worth no event of its own.
    fn poll(&mut self) {
        let at = mono();
        if at < self.next_poll || !self.wants_poll() {
            return;
        }
        self.next_poll = at + POLL_INTERVAL;
        self.refresh_orphans();
        self.unkillable.retain(|pid| reap(*pid).is_none() && super::procs::stat_of(*pid).is_some());
        self.groups_to_remove.retain_mut(|group| !group.remove());
        self.own_oom_kills = self.cgroups.own_oom_kills();
    }

    /// Finds out whose the adopted processes are. Costs little when there are none.
    pub(super) fn refresh_orphans(&mut self) {
        if self.orphans.is_empty() {
            return;
        }
        let live = &self.live;
        let claim = |live: &Live| Claim {
            attempt: live.attempt,
            leader: live.leader,
            sessions: live.sessions.clone(),
            group_pids: live.group.as_ref().map(Group::pids).unwrap_or_default(),
            files: live.pair.kept_files(),
        };
        self.orphans.refresh(
            |pid| live.values().any(|live| live.leader.pid == pid),
            || live.values().map(claim).collect(),
        );
    }

    fn on_tty(&mut self, serial: u64) {
        if let Some(tty) = self.live.get_mut(&serial).and_then(|live| live.tty.as_mut())
            && tty.copy_page() == Copied::HungUp
        {
            // A hung-up terminal stays readable for ever.
            let _ = epoll::delete(&self.epoll, &*tty);
        }
    }

    fn on_leader_end(&mut self, serial: u64) {
        self.on_shim_status(serial, true);
        let Some(live) = self.live.get_mut(&serial) else { return };
        // The zombie would stay readable for ever.
        let _ = epoll::delete(&self.epoll, live.pidfd.as_fd());
        if let Some(tty) = &mut live.tty {
            tty.drain();
        }
        live.phase = Phase::LeaderDead;
        if let Some(sweep) = &mut live.sweep {
            sweep.next = Mono(0);
            return;
        }
        // This is the whole check for most attempts: one read of a list that is empty.
        if self.orphans.is_empty() {
            return self.finish(serial, None);
        }
        let attempt = live.attempt;
        self.refresh_orphans();
        if self.orphans.of(attempt).is_empty() || self.keeps_leftovers(serial) {
            return self.finish(serial, None);
        }
        self.snapshot = None;
        let n_seen = self.members_of(serial).len().try_into().unwrap_or(u32::MAX);
        if n_seen == 0 {
            return self.finish(serial, None);
        }
        let Some(live) = self.live.get_mut(&serial) else { return };
        live.phase = Phase::Leftovers { n_seen, signalled: false };
        live.watch = Some(Watch::new());
        self.watching.insert(serial);
        let ended = peek(self.live.get(&serial).map_or(0, |live| live.leader.pid));
        if let Some(report) = self.leader_end(serial, ended, n_seen) {
            self.report(report);
        }
    }

    fn keeps_leftovers(&self, serial: u64) -> bool {
        self.live.get(&serial).is_some_and(|live| live.keep_leftovers)
    }

    /// Makes the report of a leader's end that `peek` or `reap` has told of.
    fn leader_end(
        &mut self,
        serial: u64,
        ended: Option<Ended>,
        leftovers: u32,
    ) -> Option<ExecReport> {
        let live = self.live.get(&serial)?;
        // Without an answer somebody else of this process has reaped our child, and how it
        // ended is lost.
        let exit = ended.map(|ended| ended.exit);
        let usage = usage_of(live, ended.as_ref());
        let attempt = live.attempt;
        let oom_killed = match &live.group {
            Some(group) if live.limits.memory_bytes.is_some() => group.oom_kills().map(|n| n > 0),
            _ if exit == Some(Exit::Signal(libc::SIGKILL)) => {
                let before = self.own_oom_kills;
                self.own_oom_kills = self.cgroups.own_oom_kills();
                before.zip(self.own_oom_kills).map(|(before, after)| after > before)
            }
            _ => None,
        };
        let at = now();
        Some(ExecReport::LeaderEnded { attempt, exit, usage, leftovers, oom_killed, at })
    }

    /// Forgets an attempt: nothing of it is alive, or what is may stay.
    ///
    /// `gone`: its `TreeGone` is due too, with these numbers (swept, unkillable).
    pub(super) fn finish(&mut self, serial: u64, gone: Option<(u32, u32)>) {
        let Some(live) = self.live.get(&serial) else { return };
        let (attempt, pid) = (live.attempt, live.leader.pid);
        let is_reported = matches!(live.phase, Phase::Leftovers { .. });
        let ended = if live.is_leader_dead() { reap(pid) } else { None };
        let mut end = None;
        if live.is_leader_dead() && !is_reported {
            let leftovers = gone.map_or(0, |(swept, unkillable)| swept + unkillable);
            end = self.leader_end(serial, ended, leftovers);
        }
        let kept = self.keeps_leftovers(serial) && gone.is_none() && self.orphans.keep(attempt);
        if let Some(live) = self.live.remove(&serial) {
            self.serial_of.remove(&attempt);
            for set in
                [&mut self.sweeping, &mut self.watching, &mut self.looking, &mut self.freezing]
            {
                set.remove(&serial);
            }
            if !live.is_leader_dead() {
                self.unkillable.push(pid);
            }
            let alive = kept || gone.is_some_and(|(_, unkillable)| unkillable > 0);
            let sizes = match &end {
                Some(ExecReport::LeaderEnded { usage, .. }) => {
                    [usage.stdout_bytes, usage.stderr_bytes]
                }
                _ => live.pair.sizes(),
            };
            self.store.release_sized(attempt, live.slot_key, live.pair, sizes, alive);
            if let Some(mut group) = live.group
                && !group.remove()
            {
                self.groups_to_remove.push(group);
            }
        }
        // Whoever hears of the end finds the output under its final name.
        if let Some(end) = end {
            self.report(end);
        }
        if let Some((swept, unkillable)) = gone {
            self.report(ExecReport::TreeGone { attempt, swept, unkillable, at: now() });
        }
    }

    fn close(&mut self) {
        self.refresh_orphans();
        for proc in self.orphans.unclaimed() {
            super::procs::signal_proc(proc, libc::SIGKILL);
        }
        self.groups_to_remove.retain_mut(|group| !group.remove());
        self.store.clear_idle();
    }
}

fn usage_of(live: &Live, ended: Option<&Ended>) -> Usage {
    let [stdout_bytes, stderr_bytes] = live.pair.sizes();
    let mut usage = Usage { stdout_bytes, stderr_bytes, means: live.means, ..Usage::default() };
    if let Some(ended) = ended {
        usage.cpu_user = ended.cpu_user;
        usage.cpu_system = ended.cpu_system;
        usage.max_rss_bytes =
            (ended.max_rss_kib > live.own_peak_kib).then_some(ended.max_rss_kib * 1024);
    }
    usage
}

/// Makes this process the one that orphans of its jobs become children of, and makes sure
/// that it learns how its children end.
fn adopt_orphans() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // SAFETY: reads and sets the disposition of one signal; the default runs no code of ours.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        let read = libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut action);
        // When the parent ignored it, the kernel would reap our children and drop their status.
        if read == 0 && action.sa_sigaction == libc::SIG_IGN {
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        }
    }
    Ok(())
}

/// Bounds how long a sweep goes on.
pub(super) fn sweep_deadline() -> Mono {
    mono() + limits::SWEEP_PATIENCE
}
