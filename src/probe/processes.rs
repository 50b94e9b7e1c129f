//! Which processes belong to which attempt, and their counters.
//!
//! A process belongs to an attempt when its parent does, or when it is in the session of the
//! attempt's leader: the first finds children that called setsid(2), the second finds those
//! whose parent has ended. Once in, a process stays in until it ends. Only `stat` and `io` are
//! read: neither waits for the memory lock of the process, which a stuck one may hold for ever.

use super::procfs::{self, PidStat};
use crate::model::{AttemptId, ProcRef, limits};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A process of an attempt.
#[derive(Debug)]
pub struct Member {
    pub attempt: AttemptId,
    pub stat: PidStat,
    /// What it showed at the look before; `None` for a new one.
    pub before: Option<PidStat>,
    /// Kept open while there are few: cheaper than opening, and it can never read a stranger
    /// with the same pid.
    file: Option<File>,
    seen_at_look: u64,
    /// It is there but could not be read at this look.
    pub unreadable: bool,
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
    look: u64,
    files: usize,
    members: HashMap<i32, Member>,
    others: HashMap<i32, Other>,
    /// Members of the look before that have ended.
    ended: Vec<(i32, AttemptId, PidStat)>,
    /// Some process could not be read and may belong to any attempt.
    missed: bool,
    buffer: Box<[u8; 4096]>,
}

enum Reading {
    Stat(PidStat),
    Gone,
    Forbidden,
    Unreadable,
}

impl Processes {
    pub fn new(root: PathBuf) -> Processes {
        Processes {
            root,
            look: 0,
            files: 0,
            members: HashMap::new(),
            others: HashMap::new(),
            ended: Vec::new(),
            missed: false,
            buffer: Box::new([0; 4096]),
        }
    }

    /// Forgets everything; closes all files.
    pub fn clear(&mut self) {
        self.members.clear();
        self.others.clear();
        self.ended.clear();
        self.files = 0;
    }

    /// Closes what is kept open, so that the next look opens everything anew.
    #[cfg(test)]
    pub fn close_files(&mut self) {
        self.members.values_mut().for_each(|member| member.file = None);
        self.files = 0;
    }

    /// Looks at the machine: afterwards [`Processes::members`] are those alive now.
    pub fn look(&mut self, leaders: &HashMap<i32, (AttemptId, ProcRef)>) {
        self.look += 1;
        self.missed = false;
        self.drop_members_of_ended_attempts(leaders);
        let pids = self.pids();
        for pid in &pids {
            self.read_again(*pid);
        }
        self.note_the_gone();
        self.others.retain(|_, other| other.listed_at_look == self.look);
        for pid in pids {
            if let Some(attempt) = self.attempt_of(pid, leaders) {
                self.join(pid, attempt);
            }
        }
    }

    /// The processes of all attempts.
    pub fn members(&self) -> impl Iterator<Item = (i32, &Member)> {
        self.members.iter().map(|(pid, member)| (*pid, member))
    }

    /// Members of the look before that are gone, with what they last showed.
    pub fn ended(&self) -> impl Iterator<Item = &(i32, AttemptId, PidStat)> {
        self.ended.iter()
    }

    /// Returns whether `pid` was a member of `attempt` at this look or the one before.
    pub fn is_or_was_member(&self, pid: i32, attempt: AttemptId) -> bool {
        self.members.get(&pid).is_some_and(|m| m.attempt == attempt)
            || self.ended.iter().any(|(p, a, _)| *p == pid && *a == attempt)
    }

    /// Returns whether processes may be missing, because some could not be read.
    pub fn missed_some(&self) -> bool {
        self.missed
    }

    /// Returns the bytes that a process has moved; `None` when that may not be read.
    pub fn io_bytes(&mut self, pid: i32) -> Option<u64> {
        let file = File::open(self.root.join(pid.to_string()).join("io")).ok()?;
        let n = file.read_at(self.buffer.as_mut_slice(), 0).ok()?;
        Some(procfs::io_bytes(self.buffer.get(..n)?))
    }

    fn drop_members_of_ended_attempts(&mut self, leaders: &HashMap<i32, (AttemptId, ProcRef)>) {
        self.ended.clear();
        let watched: std::collections::HashSet<AttemptId> =
            leaders.values().map(|(attempt, _)| *attempt).collect();
        let files = &mut self.files;
        self.members.retain(|_, member| {
            let keep = watched.contains(&member.attempt);
            if !keep && member.file.is_some() {
                *files -= 1;
            }
            keep
        });
    }

    fn pids(&self) -> Vec<i32> {
        let Ok(folder) = fs::read_dir(&self.root) else { return Vec::new() };
        folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Brings what is known of a process up to date: members always, others when they are new
    /// or were read long ago.
    fn read_again(&mut self, pid: i32) {
        let look = self.look;
        if let Some(member) = self.members.get_mut(&pid) {
            let reading = match &member.file {
                Some(file) => read_open(file, &mut self.buffer),
                None => read_path(&self.root, pid, &mut self.buffer).1,
            };
            match reading {
                Reading::Stat(stat) if stat.start_ticks == member.stat.start_ticks => {
                    member.before = Some(std::mem::replace(&mut member.stat, stat));
                    member.seen_at_look = look;
                    member.unreadable = false;
                    return;
                }
                Reading::Forbidden | Reading::Unreadable => {
                    member.before = Some(member.stat);
                    member.seen_at_look = look;
                    member.unreadable = true;
                    return;
                }
                // It has ended and `pid` may already be another process, read below.
                _ => self.end(pid),
            }
        }
        if let Some(other) = self.others.get_mut(&pid) {
            other.listed_at_look = look;
            // Spread over the looks by pid, so that no look has to read all of them.
            let turn = look + u64::from(pid.unsigned_abs());
            if !turn.is_multiple_of(limits::PROBE_REREAD_LOOKS) {
                return;
            }
        }
        match read_path(&self.root, pid, &mut self.buffer).1 {
            Reading::Stat(stat) => {
                self.others.insert(pid, Other { stat, listed_at_look: look });
            }
            // Strangers often may not be read (`hidepid`): only other errors hide our own.
            Reading::Gone | Reading::Forbidden => {
                self.others.remove(&pid);
            }
            Reading::Unreadable => self.missed = true,
        }
    }

    fn end(&mut self, pid: i32) {
        if let Some(member) = self.members.remove(&pid) {
            self.files -= usize::from(member.file.is_some());
            self.ended.push((pid, member.attempt, member.stat));
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
        let (file, reading) = read_path(&self.root, pid, &mut self.buffer);
        let Reading::Stat(stat) = reading else { return };
        if stat.start_ticks != other.stat.start_ticks {
            return;
        }
        self.others.remove(&pid);
        let file = file.filter(|_| self.files < limits::PROBE_FDS);
        self.files += usize::from(file.is_some());
        let seen_at_look = self.look;
        let member = Member { attempt, stat, before: None, file, seen_at_look, unreadable: false };
        self.members.insert(pid, member);
    }
}

fn read_open(file: &File, buffer: &mut [u8; 4096]) -> Reading {
    match file.read_at(buffer.as_mut_slice(), 0) {
        Ok(n) => match buffer.get(..n).and_then(procfs::pid_stat) {
            Some(stat) => Reading::Stat(stat),
            None => Reading::Unreadable,
        },
        Err(error) => unread(&error),
    }
}

fn read_path(root: &std::path::Path, pid: i32, buffer: &mut [u8; 4096]) -> (Option<File>, Reading) {
    match File::open(root.join(pid.to_string()).join("stat")) {
        Ok(file) => {
            let reading = read_open(&file, buffer);
            (Some(file), reading)
        }
        Err(error) => (None, unread(&error)),
    }
}

fn unread(error: &io::Error) -> Reading {
    match error.kind() {
        io::ErrorKind::NotFound => Reading::Gone,
        io::ErrorKind::PermissionDenied => Reading::Forbidden,
        // It ended between the opening and the reading.
        _ if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Reading::Gone,
        _ => Reading::Unreadable,
    }
}
