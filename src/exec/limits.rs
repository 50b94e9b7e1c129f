//! `limits.memory` and `limits.processes` where no control group holds them: a look at the
//! tree; and the look at a control group's out-of-memory counter.

use super::procs::{Stat, page_bytes};
use super::reactor::Reactor;
use crate::clock::{mono, now};
use crate::model::exec::LimitMeans;
use crate::model::limits::LIMIT_LOOK_INTERVAL;
use crate::model::{ExecReport, Limits, StopReason};

impl Reactor {
    /// Looks at every attempt with such limits, when it is time.
    pub(super) fn run_looks(&mut self) {
        let at = mono();
        if self.looking.is_empty() || at < self.next_look {
            return;
        }
        self.next_look = at + LIMIT_LOOK_INTERVAL;
        let serials: Vec<u64> = self.looking.iter().copied().collect();
        for serial in serials {
            let Some(live) = self.live.get(&serial) else { continue };
            if live.is_over_limit {
                continue;
            }
            let (attempt, limits, leader) = (live.attempt, live.limits, live.leader);
            let reason = if live.means == Some(LimitMeans::Look) {
                let mut tree = self.members_of(serial);
                let snapshot = self.snapshot.as_ref();
                tree.extend(snapshot.and_then(|s| s.get(leader.pid)).filter(|s| s.is_alive()));
                over(&limits, &tree)
            } else {
                // On v1 the kernel ends one process and the rest goes on without it.
                let n_kills = live.group.as_ref().and_then(|group| group.oom_kills());
                n_kills.filter(|n| *n > 0).map(|_| StopReason::MemoryLimit)
            };
            let Some(reason) = reason else { continue };
            if let Some(live) = self.live.get_mut(&serial) {
                live.is_over_limit = true;
            }
            self.report(ExecReport::OverLimit { attempt, reason, at: now() });
        }
    }
}

/// Returns which limit a tree exceeds. Memory shared within the tree counts once per process.
fn over(limits: &Limits, tree: &[Stat]) -> Option<StopReason> {
    let page = page_bytes();
    let rss_bytes: u64 = tree.iter().map(|stat| stat.rss_pages.saturating_mul(page)).sum();
    if limits.memory_bytes.is_some_and(|most| rss_bytes > most) {
        return Some(StopReason::MemoryLimit);
    }
    let is_crowded = limits.processes.is_some_and(|most| tree.len() as u64 > most);
    is_crowded.then_some(StopReason::ProcessLimit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_over_its_limit_when_all_its_processes_together_are() {
        let page = page_bytes();
        let process = |rss_pages| Stat {
            pid: 1,
            ppid: 0,
            pgid: 1,
            sid: 1,
            state: b'S',
            start_ticks: 0,
            rss_pages,
        };
        let tree = [process(6), process(4)];
        for (memory_pages, processes, expected) in [
            (None, None, None),
            (Some(10), Some(2), None),
            (Some(9), Some(2), Some(StopReason::MemoryLimit)),
            (Some(10), Some(1), Some(StopReason::ProcessLimit)),
            (Some(9), Some(1), Some(StopReason::MemoryLimit)),
        ] {
            let memory_bytes = memory_pages.map(|pages: u64| pages * page);
            let limits = Limits { memory_bytes, processes, ..Limits::default() };
            assert_eq!(over(&limits, &tree), expected);
        }
    }
}
