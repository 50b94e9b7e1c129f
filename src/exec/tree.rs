//! Which processes belong to which attempt.
//!
//! ganger is a child subreaper: whoever outlives its parent becomes ganger's own child. So
//! the tree of an attempt is everything below its leader and below those orphans that came
//! from it. An orphan is recognised by its session, its group, its control group, its marks,
//! the output file it writes to, or by being possible for one attempt only.

use super::procs::{AdoptedChildren, Snapshot, Stat, marks_of, stat_of, writes_to};
use super::reap::reap;
use crate::model::{AttemptId, JobNo, ProcRef};
use std::collections::{HashMap, HashSet};

/// What is known of an attempt that an orphan may have come from.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) attempt: AttemptId,
    pub(super) leader: ProcRef,
    /// Sessions of processes that were seen in its tree.
    pub(super) sessions: HashSet<i32>,
    /// Processes in its control groups.
    pub(super) group_pids: Vec<i32>,
    /// Device and inode of its output files.
    pub(super) files: Vec<(u64, u64)>,
}

/// Whose an adopted process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Attempt(AttemptId),
    /// Left alive on purpose by `leftovers: keep`.
    Kept,
    /// Not a job's: started by another part of ganger, or of another run.
    Foreign,
    /// Of an attempt that has ended and was thought to be gone.
    Late,
    /// More than one attempt is possible.
    Unknown,
}

/// The orphans that ganger has adopted.
#[derive(Debug)]
pub(super) struct Orphans {
    list: AdoptedChildren,
    known: HashMap<i32, (ProcRef, Owner)>,
    kept_attempts: HashSet<AttemptId>,
    kept_sessions: HashSet<i32>,
    me: Stat,
    mark: String,
}

impl Orphans {
    pub(super) fn new(me: Stat, mark: &str) -> Orphans {
        Orphans {
            list: AdoptedChildren::open(),
            known: HashMap::new(),
            kept_attempts: HashSet::new(),
            kept_sessions: HashSet::new(),
            me,
            mark: mark.to_owned(),
        }
    }

    /// Whether nothing is adopted: the cheap check at the end of an attempt. Exact, because a
    /// process that outlives its parent hangs below an orphan, and a parent that ends hands
    /// its children over before anybody can see that it has ended.
    pub(super) fn is_empty(&mut self) -> bool {
        self.known.is_empty() && self.list.read().is_some_and(|pids| pids.is_empty())
    }

    /// Looks what has been adopted, reaps what has ended, and finds out whose the rest is.
    pub(super) fn refresh(&mut self, claims: &[Claim]) {
        let pids = self.list.read().unwrap_or_else(|| {
            // Without CONFIG_PROC_CHILDREN only a look at everything tells.
            Snapshot::take().children(self.me.pid).map(|stat| stat.pid).collect()
        });
        let mut before = std::mem::take(&mut self.known);
        for pid in pids {
            if claims.iter().any(|claim| claim.leader.pid == pid) {
                continue;
            }
            let Some(stat) = stat_of(pid) else { continue };
            // Jobs have sessions of their own, which their processes cannot leave for ours:
            // a child in our session was started by another part of ganger, which waits for it.
            if stat.sid == self.me.sid {
                continue;
            }
            if stat.is_zombie() {
                reap(pid);
                continue;
            }
            let owner = match before.remove(&pid) {
                Some((proc, owner)) if proc == stat.proc() && owner != Owner::Unknown => owner,
                _ => self.owner_of(&stat, claims),
            };
            if owner == Owner::Late {
                super::procs::signal_proc(stat.proc(), libc::SIGKILL);
            }
            self.known.insert(pid, (stat.proc(), owner));
        }
    }

    fn owner_of(&self, stat: &Stat, claims: &[Claim]) -> Owner {
        let by = |test: &dyn Fn(&Claim) -> bool| claims.iter().find(|claim| test(claim));
        let sure = by(&|claim| {
            claim.leader.pid == stat.pgid
                || claim.leader.pid == stat.sid
                || claim.sessions.contains(&stat.sid)
        })
        .or_else(|| by(&|claim| claim.group_pids.contains(&stat.pid)));
        if let Some(claim) = sure {
            return Owner::Attempt(claim.attempt);
        }
        if self.kept_sessions.contains(&stat.sid) {
            return Owner::Kept;
        }
        if let Some(owner) = self.owner_by_marks(stat.pid, claims) {
            return owner;
        }
        if let Some(claim) = by(&|claim| writes_to(stat.pid, &claim.files)) {
            return Owner::Attempt(claim.attempt);
        }
        // On its way out a process has lost its memory, and its marks with it: what is seen of
        // it now tells nothing, and soon it is gone.
        if stat.rss_pages == 0 {
            return Owner::Unknown;
        }
        let mut possible =
            claims.iter().filter(|claim| claim.leader.start_ticks <= stat.start_ticks);
        match (possible.next(), possible.next()) {
            // It may as well come from a tree that was left alive on purpose.
            _ if !self.kept_attempts.is_empty() => Owner::Unknown,
            (Some(claim), None) => Owner::Attempt(claim.attempt),
            _ => Owner::Unknown,
        }
    }

    /// `None`: no marks, or they may not be read.
    fn owner_by_marks(&self, pid: i32, claims: &[Claim]) -> Option<Owner> {
        let marks = marks_of(pid)?;
        let Some((job, n)) = marks.job_of_run(&self.mark) else { return Some(Owner::Foreign) };
        let is_it = |id: AttemptId| id.job == JobNo(job) && n.is_none_or(|n| n == id.n);
        if let Some(claim) = claims.iter().find(|claim| is_it(claim.attempt)) {
            return Some(Owner::Attempt(claim.attempt));
        }
        Some(if self.kept_attempts.iter().any(|id| is_it(*id)) { Owner::Kept } else { Owner::Late })
    }

    /// Returns the orphans of an attempt, as of the last [`Orphans::refresh`].
    pub(super) fn of(&self, attempt: AttemptId) -> Vec<i32> {
        let wanted = Owner::Attempt(attempt);
        self.known.iter().filter(|(_, (_, o))| *o == wanted).map(|(pid, _)| *pid).collect()
    }

    /// Leaves what remains of an attempt alive for good. Returns whether there is anything.
    pub(super) fn keep(&mut self, attempt: AttemptId) -> bool {
        let mut any = false;
        for (proc, owner) in self.known.values_mut() {
            // Nobody knows whose it is: it might be this one's, so it must not be ended.
            if *owner == Owner::Attempt(attempt) || *owner == Owner::Unknown {
                *owner = Owner::Kept;
                any = true;
                if let Some(stat) = stat_of(proc.pid) {
                    self.kept_sessions.insert(stat.sid);
                }
            }
        }
        if any {
            self.kept_attempts.insert(attempt);
        }
        any
    }

    /// Returns those that belong to the run but to no attempt that is still known.
    pub(super) fn unclaimed(&self) -> Vec<ProcRef> {
        let is_unclaimed = |owner: Owner| {
            owner == Owner::Late || (owner == Owner::Unknown && self.kept_attempts.is_empty())
        };
        self.known.values().filter(|(_, o)| is_unclaimed(*o)).map(|(proc, _)| *proc).collect()
    }

    /// Whether anything is adopted that may end some time and must be reaped then.
    pub(super) fn any(&self) -> bool {
        !self.known.is_empty()
    }
}

/// Returns everything alive of an attempt except its leader: what is below the leader and its
/// orphans, and what is in its control groups.
pub(super) fn members(
    snapshot: &Snapshot,
    leader: ProcRef,
    orphans: &[i32],
    group_pids: &[i32],
) -> Vec<Stat> {
    let roots = orphans.iter().chain(group_pids).copied().chain([leader.pid]);
    let mut found = snapshot.trees(roots);
    found.retain(|stat| stat.pid != leader.pid && stat.is_alive());
    found
}

/// Ends everything of a run whose supervisor is dead, and returns how many processes that
/// were. `mark` is the run's GANGER_RUN; runs nested in it end too.
///
/// Blocks until nothing is found any more, at most `limits::SWEEP_PATIENCE`.
pub fn sweep_run(mark: &str) -> u32 {
    use crate::clock::mono;
    let give_up = mono() + crate::model::limits::SWEEP_PATIENCE;
    let mut ended = HashSet::new();
    let mut sessions = HashSet::new();
    while mono() < give_up {
        let found = marked(&Snapshot::take(), mark, &mut sessions);
        if found.is_empty() {
            break;
        }
        // Stopped first: what is stopped cannot fork, so two rounds hold the whole tree.
        for signal in [libc::SIGSTOP, libc::SIGKILL] {
            for stat in &found {
                super::procs::signal_proc(stat.proc(), signal);
            }
        }
        wait_for_end(&found);
        ended.extend(found.iter().map(Stat::proc));
    }
    ended.len().try_into().unwrap_or(u32::MAX)
}

/// Finds the processes with the mark, what is below them, and what shares their sessions.
fn marked(snapshot: &Snapshot, mark: &str, sessions: &mut HashSet<i32>) -> Vec<Stat> {
    let spared = ancestors_of_self(snapshot);
    let has_mark = |stat: &&Stat| marks_of(stat.pid).is_some_and(|m| m.is_of_run(mark));
    let roots: Vec<i32> = snapshot
        .all()
        .filter(|stat| stat.is_alive())
        .filter(|stat| sessions.contains(&stat.sid) || has_mark(stat))
        .map(|stat| stat.pid)
        .collect();
    let mut found = snapshot.trees(roots);
    // Whoever asks from inside a job of the run must not end itself or the way back.
    found.retain(|stat| stat.is_alive() && !spared.contains(&stat.pid));
    let spared_sessions: HashSet<i32> =
        spared.iter().filter_map(|pid| Some(snapshot.get(*pid)?.sid)).collect();
    // Only sessions that a found process leads: a job's own, for those began in the run.
    sessions.extend(
        found
            .iter()
            .filter(|stat| stat.sid == stat.pid && !spared_sessions.contains(&stat.sid))
            .map(|stat| stat.sid),
    );
    found
}

fn ancestors_of_self(snapshot: &Snapshot) -> HashSet<i32> {
    let mut pid = std::process::id() as i32;
    let mut all = HashSet::from([0]);
    while all.insert(pid) {
        pid = snapshot.get(pid).map_or(0, |stat| stat.ppid);
    }
    all
}

fn wait_for_end(found: &[Stat]) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let pidfds: Vec<_> = found.iter().filter_map(|s| super::procs::pidfd_of(s.proc())).collect();
    let mut fds: Vec<PollFd<'_>> = pidfds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    // One end is enough to look again. 50 ms bound the wait for one that cannot end.
    let patience = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let _ = poll(&mut fds, Some(&patience));
}
