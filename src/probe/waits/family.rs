//! Which processes are looked at: trees, and the sessions that members of them lead. Pure.
//!
//! Who is in stays in until it ends, even when its parent ends before it.

use super::Root;
use super::status::Stat;
use crate::model::AttemptId;
use crate::model::ids::ProcRef;
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Default)]
pub struct Family {
    roots: Vec<Root>,
    members: BTreeMap<i32, Member>,
    /// Sessions whose leader is or was a member: whoever is in one is a member.
    sessions: HashMap<i32, Option<AttemptId>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub proc: ProcRef,
    pub attempt: Option<AttemptId>,
}

impl Family {
    /// Looks at other trees from now on. Members stay as far as they come from one of these.
    pub fn set_roots(&mut self, roots: Vec<Root>) {
        let stays = |attempt: Option<AttemptId>| {
            attempt.is_some() && roots.iter().any(|root| root.attempt == attempt)
        };
        self.members.retain(|_, member| stays(member.attempt));
        self.sessions.retain(|_, attempt| stays(*attempt));
        self.roots = roots;
    }

    pub fn members(&self) -> impl Iterator<Item = (i32, Member)> {
        self.members.iter().map(|(pid, member)| (*pid, *member))
    }

    pub fn get(&self, pid: i32) -> Option<Member> {
        self.members.get(&pid).copied()
    }

    /// Brings members up to date with all processes of the system.
    pub fn update(&mut self, stats: &BTreeMap<i32, Stat>) {
        self.members.retain(|pid, member| {
            stats.get(pid).is_some_and(|stat| stat.start_ticks == member.proc.start_ticks)
        });
        for root in &self.roots {
            let pid = root.proc.pid;
            if stats.get(&pid).is_some_and(|stat| stat.start_ticks == root.proc.start_ticks) {
                self.members.insert(pid, Member { proc: root.proc, attempt: root.attempt });
            }
        }
        self.sessions.retain(|session, _| stats.values().any(|s| s.session == *session));
        // Children mostly have higher numbers than their parents; where not, another round.
        let mut n_before = usize::MAX;
        while n_before != self.members.len() {
            n_before = self.members.len();
            for (pid, stat) in stats {
                self.add(*pid, stat);
            }
        }
    }

    /// Adds a process if it is one of them; says whether it is.
    pub fn add(&mut self, pid: i32, stat: &Stat) -> bool {
        let known = self.members.get(&pid).map(|member| member.attempt);
        let by_parent = || {
            let parent = self.members.get(&stat.parent)?;
            // A stranger may remember a parent that had the number of one.
            (parent.proc.start_ticks <= stat.start_ticks).then_some(parent.attempt)
        };
        let by_session = || self.sessions.get(&stat.session).copied();
        let Some(attempt) = known.or_else(by_parent).or_else(by_session) else { return false };
        if stat.session == pid {
            self.sessions.insert(pid, attempt);
        }
        let proc = ProcRef { pid, start_ticks: stat.start_ticks };
        self.members.insert(pid, Member { proc, attempt });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// pid, parent, session, start
    fn stats(rows: &[(i32, i32, i32, u64)]) -> BTreeMap<i32, Stat> {
        let stat = |(pid, parent, session, start_ticks): &(i32, i32, i32, u64)| {
            let stat = Stat {
                parent: *parent,
                session: *session,
                start_ticks: *start_ticks,
                ..Stat::default()
            };
            (*pid, stat)
        };
        rows.iter().map(stat).collect()
    }

    fn root(pid: i32, start_ticks: u64) -> Root {
        Root { proc: ProcRef { pid, start_ticks }, attempt: None }
    }

    fn pids(family: &Family) -> Vec<i32> {
        family.members().map(|(pid, _)| pid).collect()
    }

    #[test]
    fn a_tree_has_descendants_and_the_sessions_that_they_lead() {
        let mut family = Family::default();
        family.set_roots(vec![root(100, 50)]);
        family.update(&stats(&[
            (1, 0, 1, 1),
            (90, 1, 90, 5),    // a shell: 100 is in its session, and leads none
            (91, 90, 90, 40),  // another job of the shell
            (100, 90, 90, 50), // the root
            (99, 100, 90, 55), // a child with a lower number
            (101, 99, 101, 56),
            (102, 1, 101, 57), // an orphan of the session of 101
            (103, 1, 103, 58),
            (104, 100, 90, 10), // older than its parent: that was another 100
        ]));
        assert_eq!(pids(&family), [99, 100, 101, 102]);
    }

    #[test]
    fn who_is_in_stays_in() {
        let mut family = Family::default();
        family.set_roots(vec![root(100, 50)]);
        family.update(&stats(&[(100, 1, 100, 50), (101, 100, 100, 51)]));
        family.update(&stats(&[(101, 1, 100, 51), (102, 1, 100, 60)]));
        assert_eq!(pids(&family), [101, 102]);
        // Another process has the number of the root.
        family.update(&stats(&[(100, 1, 7, 99), (101, 1, 100, 51)]));
        assert_eq!(pids(&family), [101]);
        family.update(&stats(&[(100, 1, 7, 99)]));
        assert_eq!(pids(&family), [] as [i32; 0]);
    }
}
