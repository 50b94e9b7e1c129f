//! What the screen remembers of the past: one point per half second of what snapshots said.

use super::axis::Axis;
use super::graph::class_values;
use super::lock_history::LockHistory;
use crate::model::{Activity, Mono, Slot, Snapshot, WorkerState, WorkerView};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Microseconds between two points.
pub const STEP_US: u64 = 500_000;
/// Points kept: an hour.
const KEPT: usize = 7_200;
/// Points in one cell of a worker's strip.
pub const STRIP_STEPS: u64 = 6;
/// Cells kept of a worker's strip: two minutes.
pub const STRIP_KEPT: usize = 40;
/// Points in a cell of what is seen of waits: a second.
const WAIT_STEPS: u64 = 2;
/// Seconds of waits that are kept: no screen shows more.
const WAITS_KEPT: usize = 300;
/// Pools with a series of their own; further ones count only in the sum.
pub const POOLS_KEPT: usize = 4;

/// What was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Jobs that wait.
    pub waiting: f32,
    /// Jobs that wait in each of the first pools.
    pub pools: [f32; POOLS_KEPT],
    /// Attempts that run.
    pub running: f32,
    /// Jobs that have ended.
    pub ended: f32,
    /// Percent of all cores by class, in the order of [`super::graph::CLASSES`].
    pub classes: [f32; 7],
    /// Percent of all cores that this run used.
    pub ours: f32,
    /// Percent of memory in use.
    pub memory: f32,
}

impl Point {
    fn of(snapshot: &Snapshot) -> Point {
        let machine = &snapshot.machine;
        let counts = &snapshot.counts;
        let mut point = Point {
            waiting: counts.waiting() as f32,
            running: counts.running as f32,
            ended: counts.ended() as f32,
            ..Point::default()
        };
        for (waiting, pool) in point.pools.iter_mut().zip(&snapshot.pools) {
            *waiting = pool.ready as f32 + pool.blocked as f32;
        }
        let n = machine.cores.len() as f32;
        for core in &machine.cores {
            for (sum, value) in point.classes.iter_mut().zip(class_values(core)) {
                *sum += value / n;
            }
            point.ours += core.run / n;
        }
        if machine.memory_total_bytes > 0 {
            let share = machine.memory_used_bytes as f32 / machine.memory_total_bytes as f32;
            point.memory = share * 100.0;
        }
        point
    }

    /// Percent of all cores that were busy: every class but waiting for I/O.
    pub fn busy(&self) -> f32 {
        self.classes[..6].iter().sum()
    }

    fn merge(&mut self, other: &Point) {
        self.waiting = self.waiting.max(other.waiting);
        for (pool, other) in self.pools.iter_mut().zip(other.pools) {
            *pool = pool.max(other);
        }
        self.running = self.running.max(other.running);
        self.memory = self.memory.max(other.memory);
        if other.busy() > self.busy() {
            (self.classes, self.ours) = (other.classes, other.ours);
        }
    }
}

/// Percent of a core below which a process only took a breath.
const BREATH: f32 = 12.5;

/// Percent of one core that was busy, and that was this run's.
pub type CoreThen = (u8, u8);

/// One cell of a worker's strip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    Idle,
    /// Percent of one core, at most 100.
    Running(f32),
    WaitingCpu,
    WaitingIo,
    Sleeping,
    /// For something that jobs share.
    Waiting,
    Quiet,
    Paused,
    Stopping,
}

impl Moment {
    fn of(worker: &WorkerView) -> Moment {
        let tree = worker.work.as_ref().and_then(|w| w.tree.as_ref());
        match worker.state {
            WorkerState::Idle | WorkerState::Reserved => return Moment::Idle,
            WorkerState::Quiet => return Moment::Quiet,
            WorkerState::Paused => return Moment::Paused,
            WorkerState::Stopping => return Moment::Stopping,
            WorkerState::Launching | WorkerState::Running => {}
        }
        let cpu = tree.and_then(|t| t.cpu_percent).unwrap_or(0.0);
        match tree.map(|t| t.activity) {
            Some(Activity::WaitingCpu) => Moment::WaitingCpu,
            Some(Activity::WaitingIo) => Moment::WaitingIo,
            Some(Activity::Stopped) => Moment::Paused,
            _ if waits(worker) => Moment::Waiting,
            // An eighth of a core is more than a pause between two breaths.
            Some(Activity::Sleeping) if cpu < BREATH => Moment::Sleeping,
            _ => Moment::Running(cpu.clamp(0.0, 100.0)),
        }
    }

    fn is_like(&self, other: &Moment) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Whether a worker does nothing but wait for something that jobs share.
pub fn waits(worker: &WorkerView) -> bool {
    let Some(work) = worker.work.as_ref().filter(|work| work.waits.is_some()) else {
        return false;
    };
    // One process may wait while another one computes.
    let cpu = work.tree.as_ref().and_then(|tree| tree.cpu_percent).unwrap_or(0.0);
    worker.state == WorkerState::Running && (cpu.is_nan() || cpu < BREATH)
}

/// One cell of what is seen of a worker's waits: a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitMoment {
    Idle,
    Running,
    Sleeping,
    Waiting,
    /// It waits in a circle.
    Stuck,
    /// It has what others wait for, and waits for nobody.
    Holding,
    /// By a person or a signal.
    Stopped,
}

impl WaitMoment {
    fn of(worker: &WorkerView, snapshot: &Snapshot) -> WaitMoment {
        let Some(work) = &worker.work else { return WaitMoment::Idle };
        let waits_for_it = |other: &WorkerView| {
            let wait = other.work.as_ref().and_then(|work| work.waits.as_ref());
            wait.is_some_and(|wait| wait.holder_job == Some(work.attempt.job))
        };
        match (&work.waits, Moment::of(worker)) {
            (Some(wait), _) if wait.in_circle => WaitMoment::Stuck,
            (_, Moment::Paused) => WaitMoment::Stopped,
            (Some(_), _) => WaitMoment::Waiting,
            _ if snapshot.workers.iter().any(waits_for_it) => WaitMoment::Holding,
            (None, Moment::Idle) => WaitMoment::Idle,
            (None, Moment::Sleeping | Moment::Waiting | Moment::Quiet) => WaitMoment::Sleeping,
            _ => WaitMoment::Running,
        }
    }
}

/// A worker's last minutes: cells that are full, and what will be the next one.
#[derive(Clone, Debug, Default)]
struct Strip {
    cells: VecDeque<Moment>,
    open: Vec<Moment>,
}

impl Strip {
    /// What it was most of the time; of what was equally long, the later.
    fn sum(open: &[Moment]) -> Option<Moment> {
        let often = |m: &Moment| open.iter().filter(|o| o.is_like(m)).count();
        let most = *open.iter().max_by_key(|m| often(m))?;
        let Moment::Running(_) = most else { return Some(most) };
        let cpu = open.iter().filter_map(|m| match m {
            Moment::Running(percent) => Some(*percent),
            _ => None,
        });
        Some(Moment::Running(cpu.sum::<f32>() / often(&most) as f32))
    }
}

/// Series over the last hour, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Number of the next point.
    step: Option<u64>,
    points: VecDeque<Point>,
    /// Every core at the moment of each point; looks are rarer than points, so many share one.
    cores: VecDeque<Arc<[CoreThen]>>,
    strips: BTreeMap<Slot, Strip>,
    /// What jobs share.
    pub locks: LockHistory,
    waits: BTreeMap<Slot, VecDeque<WaitMoment>>,
}

impl History {
    /// Adds points up to `now`; what nobody told since the last one stays as it was.
    /// Returns whether there is something new to see.
    pub fn advance(&mut self, now: Mono, snapshot: &Snapshot) -> bool {
        let due = now.0 / STEP_US;
        let from = self.step.unwrap_or(due).max((due + 1).saturating_sub(KEPT as u64));
        if from > due {
            return false;
        }
        for step in from..=due {
            self.sample(step, snapshot);
        }
        self.step = Some(due + 1);
        true
    }

    fn sample(&mut self, step: u64, snapshot: &Snapshot) {
        self.locks.sample(step, snapshot);
        push(&mut self.points, Point::of(snapshot), KEPT);
        let byte = |percent: f32| percent.clamp(0.0, 100.0).round() as u8;
        let cores = snapshot.machine.cores.iter().map(|c| (byte(c.busy()), byte(c.run)));
        let same = self.cores.back().filter(|last| cores.clone().eq(last.iter().copied()));
        let cores = same.cloned().unwrap_or_else(|| cores.collect());
        push(&mut self.cores, cores, KEPT);
        if step.is_multiple_of(WAIT_STEPS) {
            self.sample_waits(snapshot);
        }
        self.strips.retain(|slot, _| snapshot.workers.iter().any(|w| w.slot == *slot));
        for worker in &snapshot.workers {
            let strip = self.strips.entry(worker.slot).or_default();
            if step.is_multiple_of(STRIP_STEPS)
                && let Some(moment) = Strip::sum(&strip.open)
            {
                push(&mut strip.cells, moment, STRIP_KEPT);
                strip.open.clear();
            }
            strip.open.push(Moment::of(worker));
        }
    }

    fn sample_waits(&mut self, snapshot: &Snapshot) {
        self.waits.retain(|slot, _| snapshot.workers.iter().any(|w| w.slot == *slot));
        for worker in &snapshot.workers {
            let cells = self.waits.entry(worker.slot).or_default();
            push(cells, WaitMoment::of(worker, snapshot), WAITS_KEPT);
        }
    }

    /// Returns what a worker did in each of the last seconds, oldest first.
    pub fn waits(&self, slot: Slot, cells: usize) -> Vec<WaitMoment> {
        let all = self.waits.get(&slot);
        let skip = all.map_or(0, |all| all.len().saturating_sub(cells));
        all.into_iter().flatten().skip(skip).copied().collect()
    }

    /// Returns two points per cell of a graph of `cells` cells, `None` where nothing is known.
    /// Of several points the highest counts: a spike stays visible however far one zooms out.
    pub fn window(&self, axis: &Axis, now: Mono, cells: u16) -> Vec<Option<Point>> {
        let Some(next) = self.step else { return vec![None; usize::from(cells) * 2] };
        let first = next - self.points.len() as u64;
        let per_half = (axis.cell_us() / 2 / STEP_US).max(1);
        let last = axis.last_cell(now);
        let mut out = Vec::with_capacity(usize::from(cells) * 2);
        for column in 0..u64::from(cells) {
            let cell = (last + column + 1).checked_sub(u64::from(cells));
            for half in 0..2u64 {
                let from = cell.map(|c| (c * axis.cell_us() + half * axis.cell_us() / 2) / STEP_US);
                out.push(from.and_then(|from| self.span(from, from + per_half, first)));
            }
        }
        out
    }

    fn span(&self, from: u64, until: u64, first: u64) -> Option<Point> {
        let index = |step: u64| usize::try_from(step.saturating_sub(first)).unwrap_or(usize::MAX);
        let (from, until) = (index(from.max(first)), index(until).min(self.points.len()));
        let mut points = self.points.range(from.min(until)..until);
        let mut merged = *points.next()?;
        points.for_each(|point| merged.merge(point));
        Some(merged)
    }

    /// Returns what was at a moment.
    pub fn at(&self, moment: Mono) -> Option<Point> {
        self.points.get(self.index(moment)?).copied()
    }

    /// Returns what every core did at a moment, in their order.
    pub fn cores_at(&self, moment: Mono) -> Option<&[CoreThen]> {
        self.cores.get(self.index(moment)?).map(|cores| &**cores)
    }

    fn index(&self, moment: Mono) -> Option<usize> {
        let first = self.step? - self.points.len() as u64;
        usize::try_from((moment.0 / STEP_US).checked_sub(first)?).ok()
    }

    /// Returns a worker's last cells, oldest first; the last of them is not over yet.
    pub fn strip(&self, slot: Slot, cells: usize) -> Vec<Moment> {
        let Some(strip) = self.strips.get(&slot) else { return Vec::new() };
        let mut all: Vec<_> = strip.cells.iter().copied().chain(Strip::sum(&strip.open)).collect();
        all.drain(..all.len().saturating_sub(cells));
        all
    }

    /// Returns by how much the queue grew (or shrank) per second, and jobs that ended per
    /// second, over the ten seconds before a moment.
    pub fn flow(&self, moment: Mono) -> Option<(f32, f32)> {
        let last = self.index(moment)?.min(self.points.len().checked_sub(1)?);
        let first = last.saturating_sub(20);
        let (then, now) = (self.points.get(first)?, self.points.get(last)?);
        let seconds = (last - first) as f32 * STEP_US as f32 / 1e6;
        let per_s = |then: f32, now: f32| (now - then) / seconds;
        (seconds >= 2.0)
            .then(|| (per_s(then.waiting, now.waiting), per_s(then.ended, now.ended).max(0.0)))
    }
}

fn push<T>(series: &mut VecDeque<T>, value: T, kept: usize) {
    if series.len() >= kept {
        series.pop_front();
    }
    series.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_ready(ready: u32) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.counts.ready = ready;
        snapshot
    }

    fn waiting(history: &History, axis: &Axis, now: Mono, cells: u16) -> Vec<Option<u32>> {
        let window = history.window(axis, now, cells);
        window.iter().map(|p| p.map(|p| p.waiting as u32)).collect()
    }

    #[test]
    fn silence_repeats_the_last_value() {
        let mut history = History::default();
        assert!(history.advance(Mono(0), &with_ready(8)));
        assert!(!history.advance(Mono(400_000), &with_ready(6)));
        assert!(history.advance(Mono(2_000_000), &with_ready(4)));
        let now = Mono(1_900_000);
        let window = waiting(&history, &Axis::default(), now, 3);
        assert_eq!(window, [None, None, Some(8), Some(4), Some(4), Some(4)]);
        assert_eq!(history.at(Mono(600_000)).map(|p| p.waiting), Some(4.0));
        assert_eq!(history.at(Mono(9_000_000)), None);
    }

    #[test]
    fn a_spike_stays_visible_however_far_one_zooms_out() {
        let mut history = History::default();
        for half in 0..240u64 {
            let ready = if half == 100 { 77 } else { 1 };
            history.advance(Mono(half * STEP_US), &with_ready(ready));
        }
        let mut axis = Axis::default();
        let now = Mono(239 * STEP_US);
        for _ in 0..4 {
            let window = waiting(&history, &axis, now, 120);
            assert_eq!(window.iter().flatten().max(), Some(&77), "{}", axis.cell_us());
            axis.zoom(true);
        }
    }

    #[test]
    fn a_long_pause_costs_no_more_than_what_is_kept() {
        let mut history = History::default();
        history.advance(Mono(0), &with_ready(1));
        history.advance(Mono(u64::MAX / 2), &with_ready(2));
        assert_eq!(history.points.len(), KEPT);
    }
}
