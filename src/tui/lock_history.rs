//! What the screen remembers of what jobs share: for every primitive its waiters, its depth and
//! the time that waiting for it cost, one point per half second.

use super::axis::Axis;
use super::history::STEP_US;
use crate::model::locks::{LockState, LockView, Name, SharedView};
use crate::model::{Mono, Snapshot};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Points kept: an hour.
const KEPT: usize = 7_200;
/// Primitives with a series; a snapshot has fewer, but not always the same.
const SERIES: usize = 256;
/// Points that a share of the time looks back over: a minute.
const MINUTE: usize = 120;

/// A primitive at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockPoint {
    pub waiters: u16,
    /// Items in a queue.
    pub depth: u16,
    /// What workers lost here since the point before, in milliseconds.
    lost_ms: u32,
}

#[derive(Clone, Debug, Default)]
struct Series {
    points: VecDeque<LockPoint>,
    /// What was lost so far.
    lost_us: u64,
}

/// Series of primitives over the last hour, each ends at the same step.
#[derive(Clone, Debug, Default)]
pub struct LockHistory {
    /// Number of the next point.
    next: u64,
    series: BTreeMap<Name, Series>,
    /// Workers that ran something, and what was lost by all of them in milliseconds.
    busy: VecDeque<(u16, u32)>,
    lost_us: u64,
}

impl LockHistory {
    /// Takes in what a snapshot says, as the point of a step.
    pub fn sample(&mut self, step: u64, snapshot: &Snapshot) {
        self.next = step + 1;
        let shared = &snapshot.shared;
        let seen = seen(shared);
        if seen.is_empty() && self.series.is_empty() {
            return;
        }
        let busy = snapshot.workers.iter().filter(|worker| worker.work.is_some()).count();
        let lost = shared.lost_us.saturating_sub(self.lost_us) / 1000;
        self.lost_us = self.lost_us.max(shared.lost_us);
        push(&mut self.busy, (small(busy as u64), u32::try_from(lost).unwrap_or(u32::MAX)));
        let names: BTreeSet<Name> = seen.iter().map(|(name, ..)| name.clone()).collect();
        for (_, series) in self.series.iter_mut().filter(|(name, _)| !names.contains(*name)) {
            push(&mut series.points, LockPoint::default());
        }
        for (name, mut point, lost_us) in seen {
            if !self.series.contains_key(&name) {
                self.make_room(|name| names.contains(name));
                self.series.insert(name.clone(), Series { lost_us, points: VecDeque::new() });
            }
            if let Some(series) = self.series.get_mut(&name) {
                let lost = lost_us.saturating_sub(series.lost_us) / 1000;
                series.lost_us = series.lost_us.max(lost_us);
                point.lost_ms = u32::try_from(lost).unwrap_or(u32::MAX);
                push(&mut series.points, point);
            }
        }
    }

    fn make_room(&mut self, seen: impl Fn(&Name) -> bool) {
        if self.series.len() >= SERIES
            && let Some(name) = self.series.keys().find(|name| !seen(name)).cloned()
        {
            self.series.remove(&name);
        }
    }

    /// Returns two points per cell of a graph, `None` where nothing is known; of several the
    /// greatest numbers count.
    pub fn window(
        &self,
        name: &Name,
        axis: &Axis,
        now: Mono,
        cells: u16,
    ) -> Vec<Option<LockPoint>> {
        let n = usize::from(cells) * 2;
        let Some(series) = self.series.get(name) else { return vec![None; n] };
        let first = self.next.saturating_sub(series.points.len() as u64);
        let per_half = (axis.cell_us() / 2 / STEP_US).max(1);
        let last = axis.last_cell(now);
        let half = |at: usize| {
            let cell = (last + at as u64 / 2 + 1).checked_sub(u64::from(cells))?;
            let from = (cell * axis.cell_us() + (at as u64 % 2) * axis.cell_us() / 2) / STEP_US;
            let index = |step: u64| usize::try_from(step.checked_sub(first)?).ok();
            let until = index(from + per_half)?.min(series.points.len());
            let from = index(from.max(first))?.min(until);
            let merge = |a: LockPoint, b: &LockPoint| LockPoint {
                waiters: a.waiters.max(b.waiters),
                depth: a.depth.max(b.depth),
                lost_ms: a.lost_ms.saturating_add(b.lost_ms),
            };
            (from < until)
                .then(|| series.points.range(from..until).fold(LockPoint::default(), merge))
        };
        (0..n).map(half).collect()
    }

    /// Returns a primitive as it was at a moment.
    pub fn at(&self, name: &Name, moment: Mono) -> Option<LockPoint> {
        let points = &self.series.get(name)?.points;
        points.get(self.index(points.len(), moment)?).copied()
    }

    /// Returns the share (0 to 1) of the workers' time that one primitive cost in the minute
    /// before a moment; all of them together without a name.
    pub fn share(&self, name: Option<&Name>, moment: Mono) -> Option<f32> {
        let end = self.index(self.busy.len(), moment).unwrap_or(self.busy.len());
        let end = (end + 1).min(self.busy.len());
        let from = end.saturating_sub(MINUTE);
        let busy_ms: u64 = self.busy.range(from..end).map(|(n, _)| u64::from(*n) * 500).sum();
        let back = self.busy.len() - end;
        let lost_ms: u64 = match name {
            None => self.busy.range(from..end).map(|(_, lost)| u64::from(*lost)).sum(),
            Some(name) => {
                let points = &self.series.get(name)?.points;
                let until = points.len().saturating_sub(back);
                let from = until.saturating_sub(end - from);
                points.range(from..until).map(|point| u64::from(point.lost_ms)).sum()
            }
        };
        (busy_ms > 0).then(|| (lost_ms as f32 / busy_ms as f32).min(1.0))
    }

    fn index(&self, len: usize, moment: Mono) -> Option<usize> {
        let first = self.next.saturating_sub(len as u64);
        usize::try_from((moment.0 / STEP_US).checked_sub(first)?).ok()
    }
}

/// Everything that a snapshot tells of: by its name, how it is, and what it cost jobs so far.
fn seen(shared: &SharedView) -> Vec<(Name, LockPoint, u64)> {
    let point = |waiters: u32, depth: u16| LockPoint {
        waiters: small(u64::from(waiters)),
        depth,
        lost_ms: 0,
    };
    let own = shared.locks.iter().map(|lock| {
        (lock.name.clone(), point(lock.n_waiters, depth(lock)), lock.stats.jobs_lost_us)
    });
    let foreign = shared.foreign.iter().map(|lock| {
        let depth = lock.fill.map_or(0, |fill| small(u64::from(fill.depth)));
        (lock.key(), point(lock.n_waiters, depth), lock.stats.jobs_waited_us)
    });
    own.chain(foreign).collect()
}

fn depth(lock: &LockView) -> u16 {
    match &lock.state {
        LockState::Queue { depth, .. } => small(*depth),
        LockState::Barrier { waiting, .. } => small(u64::from(*waiting)),
        _ => 0,
    }
}

fn small(n: u64) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

fn push<T>(series: &mut VecDeque<T>, value: T) {
    if series.len() >= KEPT {
        series.pop_front();
    }
    series.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::locks::LockStats;
    use crate::model::{WorkerState, WorkerView};

    fn snapshot(waiters: u32, lost_ms: u64) -> Snapshot {
        let lock = LockView {
            name: "db".into(),
            state: LockState::Lock,
            holders: Vec::new(),
            waiters: Vec::new(),
            n_waiters: waiters,
            stats: LockStats { jobs_lost_us: lost_ms * 1000, ..LockStats::default() },
        };
        let shared = SharedView {
            locks: vec![lock],
            total: 1,
            lost_us: lost_ms * 1000,
            ..Default::default()
        };
        let worker = |n| WorkerView {
            slot: crate::model::Slot { pool: crate::model::PoolIdx(0), n },
            state: WorkerState::Running,
            work: Some(crate::model::snapshot::WorkView {
                attempt: Default::default(),
                task: crate::model::TaskIdx(0),
                index: n,
                inputs: String::new(),
                proc: None,
                since: Mono(0),
                stopping: None,
                tree: None,
                waits: None,
            }),
            leaving: false,
        };
        Snapshot { shared, workers: vec![worker(1), worker(2)], ..Snapshot::default() }
    }

    #[test]
    fn waiters_stand_on_the_axis_and_lost_time_is_a_share_of_all_workers() {
        let mut history = LockHistory::default();
        for step in 10..20 {
            // One of two workers waits all the time.
            history.sample(step, &snapshot(1, (step - 9) * 500));
        }
        let (db, now): (Name, _) = ("db".into(), Mono(19 * STEP_US));
        let window = history.window(&db, &Axis::default(), now, 6);
        let waiters: Vec<_> = window.iter().map(|p| p.map(|p| p.waiters)).collect();
        assert_eq!(waiters[..2], [None, None]);
        assert_eq!(waiters[2..], [Some(1); 10]);
        assert_eq!(history.at(&db, now).map(|point| point.waiters), Some(1));
        assert_eq!(history.at(&db, Mono(0)), None);
        for name in [None, Some(&db)] {
            let share = history.share(name, now).unwrap();
            assert!((0.44..=0.51).contains(&share), "{name:?} {share}");
        }
        assert_eq!(history.share(Some(&"none".into()), now), None);
    }
}
