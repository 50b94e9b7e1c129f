//! Everything the screen knows. Changed by [`super::update()`] alone, drawn by [`super::draw`].

use super::canvas::Look;
use super::history::History;
use super::layout::{self, Layout};
use super::output::{Ask, Output, Target};
use super::panels::{self, PANELS};
use super::sanitize::one_line;
use crate::model::snapshot::WorkView;
use crate::model::{
    AttemptId, Command, FailureView, JobNo, Mono, Now, PoolIdx, ProcRef, RunInfo, RunState, Slot,
    Snapshot, StopHow, WorkerState, WorkerView,
};
use ratatui::layout::Rect;
use std::collections::BTreeMap;

/// The state of the screen.
pub struct Model {
    pub info: RunInfo,
    pub snapshot: Snapshot,
    /// At least one snapshot came.
    pub live: bool,
    pub now: Now,
    pub size: Rect,
    pub look: Look,
    pub history: History,
    /// Index in [`PANELS`].
    pub focus: usize,
    /// The panel with the focus has the screen for itself; where the focus was before.
    pub zoom: Option<usize>,
    /// The list that the selected job is in.
    pub source: Source,
    pub worker: Option<Slot>,
    pub workers_offset: usize,
    pub failure: Option<JobNo>,
    pub failures_offset: usize,
    pub output: Output,
    pub popup: Option<Popup>,
    pub feedback: Option<Feedback>,
    pub pending: BTreeMap<u64, Pending>,
    pub next_id: u64,
    /// Sizes asked for that no snapshot shows yet.
    pub wanted: BTreeMap<PoolIdx, (u32, Mono)>,
    /// The most urgent end that was asked for at this screen.
    pub asked_stop: Option<StopHow>,
    pub bye: Option<Bye>,
    pub hold_at_end: bool,
}

/// The supervisor's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bye {
    pub exit_code: i32,
    pub trouble: Option<String>,
}

/// Which list says what the selected job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Workers,
    Failures,
}

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Popup {
    Help { top: u16 },
    Kill(KillMenu),
    Quit { choice: usize },
}

/// A kill menu: its target was fixed when it opened.
#[derive(Clone, Debug, PartialEq)]
pub struct KillMenu {
    pub label: String,
    pub attempt: AttemptId,
    pub proc: Option<ProcRef>,
    pub since: Mono,
    pub choice: usize,
    /// Digits typed so far, to pick a signal by number.
    pub typed: String,
}

/// What became of the last act, for the bottom line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    pub text: String,
    pub kind: FeedbackKind,
    pub at: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackKind {
    Sent,
    Done,
    Refused,
}

/// A message that has no answer yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Pending {
    Command { command: Command, what: String },
    Output(Ask),
}

impl Model {
    /// Returns the screen before anything came.
    pub fn new(info: RunInfo, look: Look, size: Rect, now: Now) -> Model {
        Model {
            info: clean_info(info),
            snapshot: Snapshot::default(),
            live: false,
            now,
            size,
            look,
            history: History::default(),
            focus: panels::WORKERS,
            zoom: None,
            source: Source::Workers,
            worker: None,
            workers_offset: 0,
            failure: None,
            failures_offset: 0,
            output: Output::default(),
            popup: None,
            feedback: None,
            pending: BTreeMap::new(),
            next_id: 1,
            wanted: BTreeMap::new(),
            asked_stop: None,
            bye: None,
            hold_at_end: true,
        }
    }

    /// Takes in a snapshot; every text in it becomes safe to draw.
    pub fn take(&mut self, snapshot: Snapshot) {
        let mut snapshot = snapshot;
        for work in snapshot.workers.iter_mut().filter_map(|w| w.work.as_mut()) {
            work.inputs = one_line(&work.inputs);
        }
        for failure in &mut snapshot.failures {
            for text in [&mut failure.inputs, &mut failure.outcome, &mut failure.last_line] {
                *text = one_line(text);
            }
        }
        for pool in &mut snapshot.pools {
            pool.name = one_line(&pool.name);
            pool.reason = one_line(&pool.reason);
        }
        for notice in &mut snapshot.notices {
            *notice = one_line(notice);
        }
        self.snapshot = snapshot;
        self.live = true;
        self.wanted.retain(|pool, (size, _)| {
            self.snapshot.pools.get(usize::from(pool.0)).is_some_and(|p| p.size != *size)
        });
        self.keep_selection();
    }

    /// What was selected stays selected while it is there; else its neighbour is.
    fn keep_selection(&mut self) {
        let workers = &self.snapshot.workers;
        let slot = self.worker.unwrap_or(Slot { pool: PoolIdx::DEFAULT, n: 0 });
        let near = workers.iter().find(|w| w.slot >= slot).or(workers.last());
        self.worker = near.map(|w| w.slot);
        let failures = &self.snapshot.failures;
        // Until somebody chooses one, the newest is what matters.
        let chosen = self.source == Source::Failures || self.focus == panels::FAILURES;
        if !chosen || !failures.iter().any(|f| Some(f.job) == self.failure) {
            self.failure = failures.first().map(|f| f.job);
        }
    }

    /// The output panel turns to the selected job.
    pub fn turn_output(&mut self, by_hand: bool) {
        const CALM_US: u64 = 1_000_000;
        // A worker with very short jobs would make the panel flicker: a look lasts a second.
        let fresh = self.now.mono.0.saturating_sub(self.output.target_since.0) < CALM_US;
        let busy_looking = self.output.is_held() || fresh;
        if !by_hand && busy_looking && self.output.target.is_some() {
            return;
        }
        if let Some(target) = self.target() {
            self.output.show(target, self.now.mono);
        }
    }

    fn target(&self) -> Option<Target> {
        if let (Source::Failures, Some(f)) = (self.source, self.selected_failure()) {
            return Some(Target { key: (f.job, f.attempts.max(1)), label: self.failure_label(f) });
        }
        let work = self.selected_worker()?.work.as_ref()?;
        let key = (work.attempt.job, work.attempt.n);
        Some(Target { key, label: self.label(work) })
    }

    /// Returns the worker that is selected.
    pub fn selected_worker(&self) -> Option<&WorkerView> {
        self.snapshot.workers.iter().find(|w| Some(w.slot) == self.worker)
    }

    /// Returns the failure that is selected.
    pub fn selected_failure(&self) -> Option<&FailureView> {
        self.snapshot.failures.iter().find(|f| Some(f.job) == self.failure)
    }

    /// Returns the work on an attempt, if it runs.
    pub fn work_of(&self, attempt: AttemptId) -> Option<(&WorkerView, &WorkView)> {
        let mut all = self.snapshot.workers.iter().filter_map(|w| Some((w, w.work.as_ref()?)));
        all.find(|(_, work)| work.attempt == attempt)
    }

    /// Returns a running job's name: `thumb:3 cat.png 256`.
    pub fn label(&self, work: &WorkView) -> String {
        self.job_label(work.task.0, work.index, &work.inputs)
    }

    /// Returns a failed job's name.
    pub fn failure_label(&self, failure: &FailureView) -> String {
        self.job_label(failure.task.0, failure.index, &failure.inputs)
    }

    fn job_label(&self, task: u32, index: u32, inputs: &str) -> String {
        let task = self.info.tasks.get(task as usize).map_or("?", |t| t.name.as_str());
        // A task with one job and no inputs needs no number.
        match (inputs.is_empty(), index) {
            (true, 0 | 1) => task.to_owned(),
            (true, _) => format!("{task}:{index}"),
            (false, _) => format!("{task}:{index} {inputs}"),
        }
    }

    /// Returns the name of a pool.
    pub fn pool_name(&self, pool: PoolIdx) -> &str {
        let view = self.snapshot.pools.get(usize::from(pool.0)).map(|p| p.name.as_str());
        view.or(self.info.pools.get(usize::from(pool.0)).map(String::as_str)).unwrap_or("default")
    }

    /// Returns the run's age in milliseconds, without the time it was paused as a whole.
    pub fn elapsed_ms(&self) -> u64 {
        let runs = matches!(self.snapshot.state, RunState::Running | RunState::Ending(_));
        let since = if runs && self.live {
            self.now.mono.since(self.snapshot.at.mono)
        } else {
            Default::default()
        };
        self.snapshot.elapsed_ms.saturating_add(since.as_millis() as u64)
    }

    /// Returns the milliseconds since `at`; time stands still when the run has ended.
    pub fn ms_since(&self, at: Mono) -> u64 {
        let now = if self.has_ended() { self.snapshot.at.mono } else { self.now.mono };
        now.since(at).as_millis() as u64
    }

    /// Returns how long an attempt has run in milliseconds, without pauses.
    pub fn work_ms(&self, worker: &WorkerView, work: &WorkView) -> u64 {
        let now = match worker.state {
            // Its pause so far is counted up to the snapshot.
            WorkerState::Paused => self.snapshot.at.mono,
            _ => self.now.mono,
        };
        (now.since(work.since).as_micros() as u64).saturating_sub(work.paused_us) / 1000
    }

    pub fn has_ended(&self) -> bool {
        self.bye.is_some() || matches!(self.snapshot.state, RunState::Ended { .. })
    }

    /// Returns the exit code, when the run has ended.
    pub fn exit_code(&self) -> Option<i32> {
        match (&self.bye, self.snapshot.state) {
            (Some(bye), _) => Some(bye.exit_code),
            (None, RunState::Ended { exit_code, .. }) => Some(exit_code),
            _ => None,
        }
    }

    /// Returns where everything stands.
    pub fn layout(&self) -> Layout {
        layout::layout(
            self.size,
            &layout::Facts {
                focus: self.focus,
                zoom: self.zoom.is_some(),
                notice: !self.snapshot.notices.is_empty(),
                want: &|i, width| (PANELS[i].want)(self, width),
                want_lines: &|i, width| {
                    PANELS[i].lines.as_ref().map_or(u16::MAX, |l| (l.want)(self, width))
                },
            },
        )
    }

    /// Returns the rows inside a panel's border, zero when it is not on the screen.
    pub fn rows_of(&self, panel: usize) -> usize {
        let layout = self.layout();
        let spot = layout.spots.iter().find(|s| s.panel == panel);
        spot.map_or(0, |s| usize::from(s.area.height.saturating_sub(2)))
    }
}

fn clean_info(mut info: RunInfo) -> RunInfo {
    for text in [&mut info.run, &mut info.name, &mut info.file] {
        *text = one_line(text);
    }
    for task in &mut info.tasks {
        task.name = one_line(&task.name);
    }
    for pool in &mut info.pools {
        *pool = one_line(pool);
    }
    info
}
