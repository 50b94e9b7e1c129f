//! Which processes belong to which attempt, and their counters.
//!
//! A process belongs to an attempt when its parent does, or when it is in the session of the
//! attempt's leader: the first finds children that called setsid(2), the second finds those
//! whose parent has ended. Once in, a process stays in until it ends. Only `stat`, `schedstat` and
//! `io` are read: none waits for the memory lock of the process, which a stuck one may hold for
//! ever. `schedstat` comes first, since it costs a third: who has not run is not read further.

use super::files::{Folder, Keep, Trouble};
use super::machine::Born;
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
    /// It is there but could not be read at this look.
    pub unreadable: bool,
}

impl Member {
    fn new(attempt: AttemptId, stat: PidStat, files: Files) -> Member {
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
    /// What the machine had started before processes were listed last.
    listed: Option<Born>,
    /// Leaders at the look before.
    leaders: HashSet<ProcRef>,
    /// The kernel counts how long threads ran and waited.
    has_sched: bool,
}

/// Where processes may be that were not seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum New {
    None,
    /// Above the first pid, up to the second.
    Between(i32, i32),
    Anywhere,
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
            listed: None,
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
        self.listed = None;
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

    /// Looks at the machine: afterwards [`Processes::members`] are those alive now. `born` is
    /// what the machine had started shortly before.
    pub fn look(
        &mut self,
        now: Mono,
        leaders: &HashMap<i32, (AttemptId, ProcRef)>,
        born: Option<Born>,
    ) {
        self.look += 1;
        self.drop_members_of_ended_attempts(leaders);
        let n_open = self.members.values().map(|m| m.files.n_open()).sum();
        if !self.folder.set_budget(n_open, leaders.len()) {
            self.members.values_mut().for_each(|member| member.files = Files::default());
        }
        let now_leaders = leaders.values().map(|(_, proc)| *proc).collect();
        let may_join = std::mem::replace(&mut self.leaders, now_leaders) != self.leaders;

        let new = self.new_since(born);
        if may_join {
            self.lead(leaders);
        }
        let may_join = may_join || new != New::None;
        self.missed = false;
        self.read(new);
        self.listed = born;
        if may_join {
            let strangers: Vec<i32> = self.others.keys().copied().collect();
            for pid in strangers {
                if let Some(attempt) = self.attempt_of(pid, leaders) {
                    self.join(pid, attempt);
                }
            }
        }
        self.look_at_threads(now);
    }

    /// Where processes may be that the look before did not see.
    fn new_since(&self, born: Option<Born>) -> New {
        // Now and then all the same: numbers may come from something that stands in for the
        // kernel, as in some containers.
        let is_turn = self.look.is_multiple_of(limits::PROBE_REREAD_LOOKS);
        match (self.listed, born) {
            (Some(before), Some(now)) if !is_turn && !self.missed => {
                if before.forks == now.forks {
                    New::None
                } else if before.newest <= now.newest {
                    New::Between(before.newest, now.newest)
                } else {
                    New::Anywhere
                }
            }
            _ => New::Anywhere,
        }
    }

    /// Reads members, and others as far as they are new. Listing all processes costs as much as
    /// reading those of four hundred.
    fn read(&mut self, new: New) {
        let members: Vec<i32> = self.members.keys().copied().collect();
        for pid in members {
            self.read_member_again(pid);
        }
        let listed = match new {
            New::None => Vec::new(),
            New::Between(above, _) => self.folder.processes_above(above),
            New::Anywhere => self.folder.processes(),
        };
        for pid in listed {
            if !self.members.contains_key(&pid) {
                let is_new = matches!(new, New::Between(above, last) if above < pid && pid <= last);
                self.read_other(pid, is_new);
            }
        }
        if new == New::Anywhere {
            self.others.retain(|_, other| other.listed_at_look == self.look);
        }
    }

    /// The processes of all attempts.
    pub fn members(&self) -> impl Iterator<Item = (i32, &Member)> {
        self.members.iter().map(|(pid, member)| (*pid, member))
    }

    pub fn n_members(&self) -> usize {
        self.members.len()
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

    /// A member that leads now is looked at for itself, whomever it was counted for before.
    fn lead(&mut self, leaders: &HashMap<i32, (AttemptId, ProcRef)>) {
        for (pid, (attempt, proc)) in leaders {
            if let Some(member) = self.members.get_mut(pid)
                && member.stat.start_ticks == proc.start_ticks
            {
                member.attempt = *attempt;
            }
        }
    }

    fn drop_members_of_ended_attempts(&mut self, leaders: &HashMap<i32, (AttemptId, ProcRef)>) {
        self.ended.clear();
        let watched: HashSet<AttemptId> = leaders.values().map(|(attempt, _)| *attempt).collect();
        self.members.retain(|_, member| watched.contains(&member.attempt));
    }

    /// Whether something is read that need not be read every time; spread over the looks by
    /// pid, so that no look has to read all of them.
    fn is_turn(&self, pid: i32) -> bool {
        (self.look + u64::from(pid.unsigned_abs())).is_multiple_of(limits::PROBE_REREAD_LOOKS)
    }

    fn read_member_again(&mut self, pid: i32) {
        if !self.read_member(pid) {
            self.end(pid);
            // It has ended and `pid` may already be another process.
            self.read_other(pid, true);
        }
    }

    /// Brings what is known of a process of nobody up to date: when it is new or was read long
    /// ago.
    fn read_other(&mut self, pid: i32, is_new: bool) {
        let is_turn = is_new || self.is_turn(pid);
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
    fn read_member(&mut self, pid: i32) -> bool {
        let is_turn = self.is_turn(pid);
        let Some(member) = self.members.get_mut(&pid) else { return false };
        let sched = if self.has_sched {
            let file = &mut member.files.schedstat;
            self.folder.read(file, pid, "schedstat", Keep::All).ok().and_then(procfs::sched)
        } else {
            None
        };
        let still = member.stood_still(sched);
        member.sched_before = std::mem::replace(&mut member.sched, sched);
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
            if let Some((attempt, proc)) = leaders.get(&pid)
                && proc.start_ticks == stat.start_ticks
            {
                return Some(*attempt);
            }
            if let Some((attempt, proc)) = leaders.get(&stat.session)
                && !self.is_stranger(*proc)
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
        let mut member = Member::new(attempt, stat, files);
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
