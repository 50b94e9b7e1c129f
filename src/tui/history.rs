//! What the screen remembers of the past: one point per half second of what snapshots said.

use super::axis::Axis;
use super::graph::class_values;
use crate::model::{Mono, Slot, Snapshot, WorkerState};
use std::collections::{BTreeMap, VecDeque};

/// Microseconds between two points.
pub const STEP_US: u64 = 500_000;
/// Points kept: an hour.
const KEPT: usize = 7_200;
/// Points in one cell of a worker's strip.
pub const STRIP_STEPS: u64 = 6;
/// Cells kept of a worker's strip.
const STRIP_KEPT: usize = 20;

/// What was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Jobs that wait.
    pub waiting: f32,
    /// Attempts that run.
    pub running: f32,
    /// Percent of all cores by class, in the order of [`super::graph::CLASSES`].
    pub classes: [f32; 7],
}

impl Point {
    /// Percent of all cores that were busy: every class but waiting for I/O.
    pub fn busy(&self) -> f32 {
        self.classes[..6].iter().sum()
    }

    fn merge(&mut self, other: &Point) {
        self.waiting = self.waiting.max(other.waiting);
        self.running = self.running.max(other.running);
        if other.busy() > self.busy() {
            self.classes = other.classes;
        }
    }
}

/// One cell of a worker's strip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    Idle,
    /// Percent of one core, at most 100.
    Busy(f32),
    Quiet,
    Paused,
    Stopping,
}

/// Series over the last hour, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Number of the next point.
    step: Option<u64>,
    points: VecDeque<Point>,
    strips: BTreeMap<Slot, VecDeque<Moment>>,
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
        let cores = &snapshot.machine.cores;
        let mut point = Point {
            waiting: snapshot.counts.waiting() as f32,
            running: snapshot.counts.running as f32,
            ..Point::default()
        };
        for core in cores {
            for (sum, value) in point.classes.iter_mut().zip(class_values(core)) {
                *sum += value / cores.len() as f32;
            }
        }
        push(&mut self.points, point, KEPT);
        if !step.is_multiple_of(STRIP_STEPS) {
            return;
        }
        self.strips.retain(|slot, _| snapshot.workers.iter().any(|w| w.slot == *slot));
        for worker in &snapshot.workers {
            let cpu = worker.work.as_ref().and_then(|w| w.tree).and_then(|t| t.cpu_percent);
            let moment = match worker.state {
                WorkerState::Idle | WorkerState::Reserved => Moment::Idle,
                WorkerState::Quiet => Moment::Quiet,
                WorkerState::Paused => Moment::Paused,
                WorkerState::Stopping => Moment::Stopping,
                _ => Moment::Busy(cpu.unwrap_or(0.0).min(100.0)),
            };
            push(self.strips.entry(worker.slot).or_default(), moment, STRIP_KEPT);
        }
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
        let first = self.step? - self.points.len() as u64;
        let step = moment.0 / STEP_US;
        self.points.get(usize::try_from(step.checked_sub(first)?).ok()?).copied()
    }

    /// Returns a worker's last minute, oldest first.
    pub fn strip(&self, slot: Slot) -> impl DoubleEndedIterator<Item = Moment> + '_ {
        self.strips.get(&slot).into_iter().flatten().copied()
    }

    /// Returns how much the queue grew (or shrank) per second over the last ten seconds.
    pub fn waiting_per_s(&self) -> Option<f32> {
        let last = self.points.back()?;
        let n = self.points.len().min(21);
        let first = self.points.get(self.points.len() - n)?;
        let seconds = (n - 1) as f32 * STEP_US as f32 / 1e6;
        (seconds >= 2.0).then(|| (last.waiting - first.waiting) / seconds)
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
