//! What the screen remembers of the past: one sample per half second of what snapshots said.

use crate::model::{Mono, Slot, Snapshot, WorkerState};
use std::collections::{BTreeMap, VecDeque};

/// Microseconds of one sample.
pub const STEP_US: u64 = 500_000;
/// Samples kept: five minutes, more than the widest screen shows.
const KEPT: usize = 600;
/// Samples in one cell of a worker's strip.
pub const STRIP_STEPS: u64 = 6;
/// Cells kept of a worker's strip.
const STRIP_KEPT: usize = 20;

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

/// Series over the last minutes, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Number of the next sample.
    step: Option<u64>,
    waiting: VecDeque<f32>,
    busy: VecDeque<f32>,
    strips: BTreeMap<Slot, VecDeque<Moment>>,
}

impl History {
    /// Adds samples up to `now`; what nobody told since the last one stays as it was.
    /// Returns whether there is something new to see.
    pub fn advance(&mut self, now: Mono, snapshot: &Snapshot) -> bool {
        let due = now.0 / STEP_US;
        let from = self.step.unwrap_or(due).max(due.saturating_sub(KEPT as u64));
        if self.step.is_some() && from >= due {
            return false;
        }
        for step in from..due.max(from + u64::from(self.step.is_none())) {
            self.sample(step, snapshot);
        }
        self.step = Some(due.max(from));
        true
    }

    fn sample(&mut self, step: u64, snapshot: &Snapshot) {
        push(&mut self.waiting, snapshot.counts.waiting() as f32, KEPT);
        let cores = &snapshot.machine.cores;
        let busy: f32 = cores.iter().map(|c| c.busy()).sum();
        push(&mut self.busy, busy / cores.len().max(1) as f32, KEPT);
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

    /// Returns the newest `n` samples of jobs that wait.
    pub fn waiting(&self, n: usize) -> Vec<f32> {
        newest(&self.waiting, n)
    }

    /// Returns the newest `n` samples of how busy all cores were, in percent.
    pub fn busy(&self, n: usize) -> Vec<f32> {
        newest(&self.busy, n)
    }

    /// Returns a worker's last minute, oldest first.
    pub fn strip(&self, slot: Slot) -> impl DoubleEndedIterator<Item = Moment> + '_ {
        self.strips.get(&slot).into_iter().flatten().copied()
    }

    /// Returns how much the queue grew (or shrank) per second over the last ten seconds.
    pub fn waiting_per_s(&self) -> Option<f32> {
        let last = self.waiting.back()?;
        let n = self.waiting.len().min(21);
        let first = self.waiting.get(self.waiting.len() - n)?;
        let seconds = (n - 1) as f32 * STEP_US as f32 / 1e6;
        (seconds >= 2.0).then(|| (last - first) / seconds)
    }
}

fn push<T>(series: &mut VecDeque<T>, value: T, kept: usize) {
    if series.len() >= kept {
        series.pop_front();
    }
    series.push_back(value);
}

fn newest(series: &VecDeque<f32>, n: usize) -> Vec<f32> {
    series.range(series.len().saturating_sub(n)..).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_ready(ready: u32) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.counts.ready = ready;
        snapshot
    }

    #[test]
    fn silence_repeats_the_last_value() {
        let mut history = History::default();
        assert!(history.advance(Mono(0), &with_ready(8)));
        assert!(!history.advance(Mono(400_000), &with_ready(6)));
        assert!(history.advance(Mono(2_000_000), &with_ready(4)));
        assert_eq!(history.waiting(9), [8.0, 4.0, 4.0, 4.0, 4.0]);
        assert_eq!(history.waiting(2), [4.0, 4.0]);
        assert_eq!(history.waiting_per_s(), Some(-2.0));
    }

    #[test]
    fn a_long_pause_costs_no_more_than_what_is_kept() {
        let mut history = History::default();
        history.advance(Mono(0), &with_ready(1));
        history.advance(Mono(u64::MAX / 2), &with_ready(2));
        assert_eq!(history.waiting(10_000).len(), KEPT);
    }
}
