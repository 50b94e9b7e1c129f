//! Which workers are listed, and in which order.

use super::columns::{self, What};
use crate::model::{Mono, Slot, WorkerState, WorkerView};
use crate::tui::model::Model;
use std::time::Duration;

/// What the list can be sorted by, with its word; the first is where it starts.
pub const SORTS: [What; 16] = [
    What::Slot,
    What::Job,
    What::State,
    What::Pid,
    What::Time,
    What::Cpu,
    What::Wait,
    What::Read,
    What::Write,
    What::Memory,
    What::Output,
    What::Threads,
    What::Core,
    What::Faults,
    What::Files,
    What::Tries,
];
pub const SORT_NAMES: [&str; 16] = [
    "slot", "job", "state", "pid", "time", "cpu", "wait", "read", "write", "rss", "out", "thr",
    "core", "faults", "fds", "try",
];

/// Numbers move all the time: a sorted list stands still for so long at least.
const CALM: Duration = Duration::from_secs(2);

/// What a person has made of the list of workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Index in [`SORTS`].
    pub by: usize,
    pub inverted: bool,
    /// Only workers that have all its words are listed.
    pub filter: String,
    /// What was searched for last.
    pub search: String,
    /// The workers listed, in their order.
    pub rows: Vec<Slot>,
    sorted_at: Option<Mono>,
}

impl Order {
    /// Sorts by another column, or the other way round when it is the same.
    pub fn sort(&mut self, by: usize) {
        self.inverted = self.by == by && !self.inverted;
        self.by = by.min(SORTS.len() - 1);
        self.sorted_at = None;
    }

    /// Turns the order round.
    pub fn invert(&mut self) {
        self.inverted = !self.inverted;
        self.sorted_at = None;
    }

    /// Whether the largest stands first: where one looks for what is heavy.
    pub fn descends(&self) -> bool {
        let rising =
            matches!(SORTS[self.by], What::Slot | What::Job | What::State | What::Pid | What::Core);
        rising == self.inverted
    }
}

/// Brings the rows up to date.
pub fn settle(model: &mut Model) {
    let now = model.now.mono;
    let order = &model.order;
    let what = SORTS[order.by];
    let due = match order.sorted_at {
        None => true,
        Some(at) => what == What::Slot || now.since(at) >= CALM,
    };
    let fits = |w: &&WorkerView| matches(model, w, &order.filter);
    let mut listed: Vec<&WorkerView> = model.snapshot.workers.iter().filter(fits).collect();
    if !due {
        let place = |w: &WorkerView| order.rows.iter().position(|slot| *slot == w.slot);
        listed.sort_by_cached_key(|w| place(w).unwrap_or(usize::MAX));
    } else {
        let descends = order.descends();
        listed.sort_by_cached_key(|w| Key::of(value(model, w, what), descends));
    }
    let rows = listed.into_iter().map(|w| w.slot).collect();
    model.order.rows = rows;
    if due {
        model.order.sorted_at = Some(now);
    }
}

/// A value to sort by; what has none comes last, whichever way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(bool, i64);

impl Key {
    fn of(value: Option<f64>, descends: bool) -> Key {
        let Some(value) = value.filter(|v| v.is_finite()) else { return Key(true, 0) };
        // Thousandths are finer than anything that is shown.
        let value = (value * 1_000.0) as i64;
        Key(false, if descends { value.saturating_neg() } else { value })
    }
}

fn value(model: &Model, worker: &WorkerView, what: What) -> Option<f64> {
    let slot = f64::from(worker.slot.pool.0) * 1e9 + f64::from(worker.slot.n);
    match what {
        What::Slot | What::Pool => return Some(slot),
        What::State => return Some(urgency(worker)),
        _ => {}
    }
    let work = worker.work.as_ref()?;
    let tree = work.tree.as_ref();
    let float = |v: Option<f32>| v.map(f64::from);
    match what {
        What::Job => Some(f64::from(work.task.0) * 1e10 + f64::from(work.index)),
        What::Pid => work.proc.map(|p| f64::from(p.pid)),
        What::Time => Some(model.work_ms(work) as f64),
        What::Tries => Some(f64::from(work.attempt.n)),
        What::Cpu => float(tree?.cpu_percent),
        What::User => float(tree?.user_percent),
        What::System => float(tree?.system_percent),
        What::Wait => float(tree?.cpu_wait_percent),
        What::Read => float(tree?.read_bytes_per_s),
        What::Write => float(tree?.write_bytes_per_s),
        What::Memory => Some(tree?.rss_bytes as f64),
        What::Output => Some(model.ms_since(tree?.last_output?) as f64),
        What::Threads => Some(f64::from(tree?.threads_running)),
        What::Core => tree?.core.map(f64::from),
        What::Faults => float(tree?.major_faults_per_s),
        What::Files => tree?.fds.map(f64::from),
        What::Waits => work.waits.as_ref().map(|wait| model.ms_since(wait.since) as f64),
        What::Slot | What::State | What::Pool | What::Strip => None,
    }
}

/// What needs a person first.
fn urgency(worker: &WorkerView) -> f64 {
    match worker.state {
        WorkerState::Quiet => 0.0,
        WorkerState::Stopping => 1.0,
        WorkerState::Paused => 2.0,
        WorkerState::Launching => 3.0,
        WorkerState::Running if crate::tui::history::waits(worker) => 3.5,
        WorkerState::Running => 4.0,
        WorkerState::Reserved => 5.0,
        WorkerState::Idle => 6.0,
    }
}

/// Whether a worker has every word of a text in its slot, job, state or pid.
pub fn matches(model: &Model, worker: &WorkerView, text: &str) -> bool {
    if text.trim().is_empty() {
        return true;
    }
    let work = worker.work.as_ref();
    let label = work.map_or(String::new(), |w| model.label(w));
    let pid = work.and_then(|w| w.proc).map_or(String::new(), |p| p.pid.to_string());
    let (state, _) = columns::state_word(model, worker);
    let slot = columns::slot_text(model, worker);
    let pool = model.pool_name(worker.slot.pool);
    let waits = work.and_then(|w| w.waits.as_ref()).map_or("", |wait| &wait.what);
    let whole = format!("{slot} {label} {state} {pid} {pool} {waits}").to_lowercase();
    text.to_lowercase().split_whitespace().all(|word| whole.contains(word))
}
