//! Which processes belong to which attempt, and their counters.
//!
//! A process belongs to an attempt when its parent does, or when it is in the session of the
//! attempt's leader: the first finds children that called setsid(2), the second finds those
//! whose parent has ended. Once in, a process stays in until it ends. Only `stat`, `schedstat` and
//! `io` are read: none waits for the memory lock of the process, which a stuck one may hold for
//! ever. `schedstat` comes first, since it costs a third: who has not run is not read further.

use super::files::{Folder, Keep, Trouble};
use super::procfs::{self, IoBytes, PidStat, Sched};
use super::threads::Threads;
use crate::model::{AttemptId, Mono, ProcRef, limits};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// A process of an attempt.
#[derive(Debug)]
pub struct Member {
    pub attempt: AttemptId,
    pub stat: PidStat,
    /// What it showed at the look before; `None` for a new one.
    pub before: Option<PidStat>,
    /// Of its first thread; `None` where the kernel does not count.
    pub sched: Option<Sched>,
    pub sched_before: Option<Sched>,
    /// What its threads did, when it has several.
    pub threads: Threads,
    io: Option<IoBytes>,
    /// It may have moved bytes since `io` was read.
    io_is_old: bool,
    files: Files,
    seen_at_look: u64,
    /// It is there but could not be read at this look.
    pub unreadable: bool,
}

impl Member {
    fn new(attempt: AttemptId, stat: PidStat, files: Files, seen_at_look: u64) -> Member {
        Member {
            attempt,
            stat,
            before: None,
            sched: None,
            sched_before: None,
            threads: Threads::default(),
            io: None,
            io_is_old: true,
            files,
            seen_at_look,
            unreadable: false,
        }
    }

    /// Returns whether it cannot have changed since `stat` was read, since it has not run: what
    /// matters of a process with one thread changes only by running. One that could run may have
    /// got its turn without being counted yet.
    fn stood_still(&self, sched: Option<Sched>) -> bool {
        sched.is_some() && sched == self.sched && self.stat.threads == 1 && self.stat.state != b'R'
    }
}

/// Files of a process, kept open while there are few: cheaper than opening, and they can never
/// read a stranger with the same pid.
#[derive(Debug, Default)]
struct Files {
    stat: Option<OwnedFd>,
    schedstat: Option<OwnedFd>,
    io: Option<OwnedFd>,
}

impl Files {
    fn n_open(&self) -> usize {
        [&self.stat, &self.schedstat, &self.io].into_iter().flatten().count()
    }
}

/// A process of nobody, remembered so that it need not be read at every look.
#[derive(Clone, Copy, Debug)]
struct Other {
    stat: PidStat,
    listed_at_look: u64,
}

/// All processes of the machine as far as they matter to attempts.
pub struct Processes {
    /// `/proc`
    root: PathBuf,
    folder: Folder,
    look: u64,
    members: HashMap<i32, Member>,
    others: HashMap<i32, Other>,
    /// Members of the look before that have ended.
    ended: Vec<Ended>,
    /// Some process could not be read and may belong to any attempt.
    missed: bool,
    /// Forks of the machine before processes were listed last.
    listed_at_fork: Option<u64>,
    /// Leaders at the look before.
    leaders: HashSet<ProcRef>,
    /// The kernel counts how long threads ran and waited.
    has_sched: bool,
}

/// A process of an attempt that is gone, with what it last showed.
pub struct Ended {
    pub pid: i32,
    pub attempt: AttemptId,
    pub stat: PidStat,
    pub io: Option<IoBytes>,
}

impl Processes {
    pub fn new(root: PathBuf) -> Processes {
        let own = fs::read(root.join("self/schedstat"));
        Processes {
            folder: Folder::open(&root),
            root,
            look: 0,
            members: HashMap::new(),
            others: HashMap::new(),
            ended: Vec::new(),
            missed: false,
            listed_at_fork: None,
            leaders: HashSet::new(),
            has_sched: own.is_ok_and(|text| procfs::sched(&text).is_some()),
        }
    }

    /// Forgets everything; closes all files.
    pub fn clear(&mut self) {
        self.members.clear();
        self.others.clear();
        self.ended.clear();
        self.leaders.clear();
        self.listed_at_fork = None;
    }

    /// Closes what is kept open, so that the next look opens everything anew.
    #[cfg(test)]
    pub fn close_files(&mut self) {
        self.members.values_mut().for_each(|member| member.files = Files::default());
    }

    /// Writes the time since boot of a machine in a folder.
    #[cfg(test)]
    pub fn set_uptime(&self, text: &str) {
        assert!(fs::write(self.root.join("uptime"), text).is_ok());
    }

    /// Looks at the machine: afterwards [`Processes::members`] are those alive now. `forks` is
    /// how many processes the machine had ever started shortly before.
    pub fn look(
        &mut self,
        now: Mono,
        leaders: &HashMap<i32, (AttemptId, ProcRef)>,
        forks: Option<u64>,
    ) {
        self.look += 1;
        self.drop_members_of_ended_attempts(leaders);
        let n_open = self.members.values().map(|m| m.files.n_open()).sum();
        if !self.folder.set_budget(n_open, leaders.len()) {
            self.members.values_mut().for_each(|member| member.files = Files::default());
        }
        // Where nobody was started, nobody is new: the list of all processes costs as much as
        // all the rest.
        let may_be_new = forks.is_none() || forks != self.listed_at_fork || self.missed;
        let pids = if may_be_new { self.pids() } else { self.members.keys().copied().collect() };
        self.missed = false;
        for pid in &pids {
            self.read_again(*pid);
        }
        self.note_the_gone();
        if may_be_new {
            self.listed_at_fork = forks;
            self.others.retain(|_, other| other.listed_at_look == self.look);
        }
        let now_leaders = leaders.values().map(|(_, proc)| *proc).collect();
        let changed = std::mem::replace(&mut self.leaders, now_leaders) != self.leaders;
        if may_be_new || changed {
            let strangers: Vec<i32> = self.others.keys().copied().collect();
            for pid in strangers {
                if let Some(attempt) = self.attempt_of(pid, leaders) {
                    self.join(pid, attempt);
                }
            }
        }
        self.look_at_threads(now);
    }

    /// The processes of all attempts.
    pub fn members(&self) -> impl Iterator<Item = (i32, &Member)> {
        self.members.iter().map(|(pid, member)| (*pid, member))
    }

    /// Members of the look before that are gone.
    pub fn ended(&self) -> impl Iterator<Item = &Ended> {
        self.ended.iter()
    }

    /// Returns whether `pid` was a member of `attempt` at this look or the one before.
    pub fn is_or_was_member(&self, pid: i32, attempt: AttemptId) -> bool {
        self.members.get(&pid).is_some_and(|m| m.attempt == attempt)
            || self.ended.iter().any(|e| e.pid == pid && e.attempt == attempt)
    }

    /// Returns the time since boot, sleep of the machine included.
    pub fn uptime(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.root.join("uptime")).ok()?;
        let seconds = text.split_whitespace().next()?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Returns whether processes may be missing, because some could not be read.
    pub fn missed_some(&self) -> bool {
        self.missed
    }

    /// Returns the bytes that a member has moved; `None` when that may not be read.
    pub fn io_bytes(&mut self, pid: i32) -> Option<IoBytes> {
        let member = self.members.get_mut(&pid)?;
        if member.io_is_old {
            let text = self.folder.read(&mut member.files.io, pid, "io", Keep::Half).ok();
            member.io = text.map(procfs::io_bytes);
            // Other threads may run unseen.
            member.io_is_old = member.sched.is_none() || member.stat.threads != 1;
        }
        member.io
    }

    fn drop_members_of_ended_attempts(&mut self, leaders: &HashMap<i32, (AttemptId, ProcRef)>) {
        self.ended.clear();
        let watched: HashSet<AttemptId> = leaders.values().map(|(attempt, _)| *attempt).collect();
        self.members.retain(|_, member| watched.contains(&member.attempt));
    }

    fn pids(&mut self) -> Vec<i32> {
        self.folder.numbers(".")
    }

    /// Brings what is known of a process up to date: members always, others when they are new
    /// or were read long ago.
    fn read_again(&mut self, pid: i32) {
        // Spread over the looks by pid, so that no look has to read all of them.
        let is_turn =
            (self.look + u64::from(pid.unsigned_abs())).is_multiple_of(limits::PROBE_REREAD_LOOKS);
        if self.members.contains_key(&pid) {
            if self.read_member(pid, is_turn) {
                return;
            }
            // It has ended and `pid` may already be another process, read below.
            self.end(pid);
        }
        if let Some(other) = self.others.get_mut(&pid) {
            other.listed_at_look = self.look;
            if !is_turn {
                return;
            }
        }
        match read_stat(&mut self.folder, &mut None, pid) {
            Ok(stat) => {
                self.others.insert(pid, Other { stat, listed_at_look: self.look });
            }
            // Strangers often may not be read (`hidepid`): only other errors hide our own.
            Err(Trouble::Gone | Trouble::Forbidden) => {
                self.others.remove(&pid);
            }
            Err(Trouble::Unreadable) => self.missed = true,
        }
    }

    /// Reads a member again; `false` when it is gone.
    fn read_member(&mut self, pid: i32, is_turn: bool) -> bool {
        let Some(member) = self.members.get_mut(&pid) else { return false };
        let sched = if self.has_sched {
            let file = &mut member.files.schedstat;
            self.folder.read(file, pid, "schedstat", Keep::All).ok().and_then(procfs::sched)
        } else {
            None
        };
        let still = member.stood_still(sched);
        member.sched_before = std::mem::replace(&mut member.sched, sched);
        member.seen_at_look = self.look;
        // What the kernel takes from it without its help, such as memory, is seen at its turn.
        if still && !is_turn {
            member.before = Some(member.stat);
            member.unreadable = false;
            return true;
        }
        member.io_is_old |= !still;
        let stat = read_stat(&mut self.folder, &mut member.files.stat, pid);
        member.unreadable = false;
        match stat {
            Ok(stat) if stat.start_ticks == member.stat.start_ticks => {
                member.before = Some(std::mem::replace(&mut member.stat, stat));
                true
            }
            Err(Trouble::Forbidden | Trouble::Unreadable) => {
                member.before = Some(member.stat);
                member.unreadable = true;
                true
            }
            Ok(_) | Err(Trouble::Gone) => false,
        }
    }

    /// Looks at the threads of those that have several and used a CPU; those that waited longest
    /// come first, since there may be more than one look should read.
    fn look_at_threads(&mut self, now: Mono) {
        let look = self.look;
        let mut due: Vec<(u64, &i32, &mut Member)> = self
            .members
            .iter_mut()
            .filter(|(_, m)| m.stat.threads > 1 && m.stat.is_alive() && self.has_sched)
            .filter_map(|(pid, m)| Some((m.threads.due(look, &m.stat, m.before.as_ref())?, pid, m)))
            .collect();
        due.sort_by_key(|(last, pid, _)| (*last, **pid));
        let mut left = limits::PROBE_THREADS;
        for (_, pid, member) in due {
            if left == 0 {
                break;
            }
            left -= member.threads.look(&mut self.folder, *pid, look, now, left);
        }
    }

    fn end(&mut self, pid: i32) {
        if let Some(Member { attempt, stat, io, .. }) = self.members.remove(&pid) {
            self.ended.push(Ended { pid, attempt, stat, io });
        }
    }

    fn note_the_gone(&mut self) {
        let look = self.look;
        let gone: Vec<i32> =
            self.members.iter().filter(|(_, m)| m.seen_at_look != look).map(|(p, _)| *p).collect();
        gone.into_iter().for_each(|pid| self.end(pid));
    }

    /// Finds the attempt of a process that is no member yet, by its ancestors.
    fn attempt_of(
        &self,
        pid: i32,
        leaders: &HashMap<i32, (AttemptId, ProcRef)>,
    ) -> Option<AttemptId> {
        let (mut pid, mut child_start) = (pid, u64::MAX);
        // Far deeper than any real chain; a chain cannot be a circle, but readings of two
        // moments may look like one.
        for _ in 0..256 {
            if let Some(member) = self.members.get(&pid) {
                // A parent is never younger: this would be a stranger with a reused pid.
                return (member.stat.start_ticks <= child_start).then_some(member.attempt);
            }
            let stat = &self.others.get(&pid)?.stat;
            if stat.start_ticks > child_start {
                return None;
            }
            if let Some((attempt, proc)) = leaders.get(&stat.session)
                && !self.is_stranger(*proc)
            {
                return Some(*attempt);
            }
            if let Some((attempt, proc)) = leaders.get(&pid)
                && proc.start_ticks == stat.start_ticks
            {
                return Some(*attempt);
            }
            (pid, child_start) = (stat.ppid, stat.start_ticks);
        }
        None
    }

    /// Whether the pid of a leader is another process now. A session cannot be: its number is
    /// not given away while it has members.
    fn is_stranger(&self, leader: ProcRef) -> bool {
        self.others
            .get(&leader.pid)
            .is_some_and(|other| other.stat.start_ticks != leader.start_ticks)
    }

    fn join(&mut self, pid: i32, attempt: AttemptId) {
        if self.members.contains_key(&pid) {
            return;
        }
        let Some(other) = self.others.get(&pid) else { return };
        // What is known may be from an earlier look: counters must be of now.
        let mut files = Files::default();
        let Ok(stat) = read_stat(&mut self.folder, &mut files.stat, pid) else { return };
        if stat.start_ticks != other.stat.start_ticks {
            return;
        }
        self.others.remove(&pid);
        let mut member = Member::new(attempt, stat, files, self.look);
        if self.has_sched {
            let file = &mut member.files.schedstat;
            let text = self.folder.read(file, pid, "schedstat", Keep::All).ok();
            member.sched = text.and_then(procfs::sched);
        }
        self.members.insert(pid, member);
    }
}

fn read_stat(
    folder: &mut Folder,
    file: &mut Option<OwnedFd>,
    pid: i32,
) -> Result<PidStat, Trouble> {
    let text = folder.read(file, pid, "stat", Keep::Half)?;
    procfs::pid_stat(text).ok_or(Trouble::Unreadable)
}
