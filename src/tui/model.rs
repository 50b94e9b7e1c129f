//! Everything the screen knows. Changed by [`super::update()`] alone, drawn by [`super::draw`].

use super::axis::Axis;
use super::canvas::Look;
use super::format;
use super::history::History;
use super::input::Input;
use super::keymap::{Act, Keymap};
use super::layout::{self, Layout, Splits, View};
use super::list::List;
use super::output::save::SaveJob;
use super::output::{Output, Question, Target};
use super::panels::{self, AlertId, Details, EventList, Gantt, Jobs, Locks, Order, PANELS, Waits};
use super::proof::Watch;
use super::sanitize::one_line;
use super::then::Then;
use super::zones::{Hit, Zones};
use crate::model::locks::{LockState, Party, SharedView};
use crate::model::snapshot::WorkView;
use crate::model::{
    AttemptId, Command, FailureView, JobNo, Mono, Now, OwnUse, PoolIdx, ProcRef, RunInfo, RunState,
    Slot, Snapshot, StopHow, TaskIdx, Wall, WorkerState, WorkerView,
};
use jiff::tz::TimeZone;
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
    pub keymap: Keymap,
    pub history: History,
    /// The time axis of all graphs.
    pub axis: Axis,
    /// What arrives is kept back: the screen stands still, and this is the newest.
    pub frozen: Option<Option<Box<Snapshot>>>,
    pub views: Vec<View>,
    /// Index in `views`.
    pub view: usize,
    pub splits: Splits,
    /// Index in [`PANELS`].
    pub focus: usize,
    /// The panel with the focus has the screen for itself; where the focus was before.
    pub zoom: Option<usize>,
    /// The panel whose selection the output follows.
    pub source: usize,
    pub worker: Option<Slot>,
    pub workers: List,
    /// How the workers are sorted and filtered.
    pub order: Order,
    /// The alert that is selected; else it is the failure.
    pub alert: Option<AlertId>,
    pub failure: Option<JobNo>,
    /// Alerts, then failures.
    pub failures: List,
    pub jobs: Jobs,
    pub details: Details,
    /// In which times of day are told.
    pub time_zone: TimeZone,
    /// Jobs that the next act is about.
    pub tags: BTreeMap<JobNo, Selection>,
    pub output: Output,
    /// The worker that the shown job was selected by.
    pub output_from: Option<Slot>,
    /// Lines of output are shown with their time.
    pub output_times: bool,
    /// Searches in output look through all jobs.
    pub search_all: bool,
    /// A path that was typed and is there already, and what would overwrite it.
    pub overwrite: Option<(String, SaveJob)>,
    pub popup: Option<Popup>,
    pub feedback: Option<Feedback>,
    pub pending: BTreeMap<u64, Pending>,
    pub next_id: u64,
    /// Sizes asked for that no snapshot shows yet.
    pub wanted: BTreeMap<PoolIdx, (u32, Mono)>,
    /// The most urgent end that was asked for at this screen.
    pub asked_stop: Option<StopHow>,
    /// When the run was first seen to have ended.
    pub ended_at: Option<Mono>,
    pub bye: Option<Bye>,
    pub hold_at_end: bool,
    /// When the last command of this screen was answered: what an older snapshot tells of acts
    /// is not the whole truth.
    pub answered_at: Option<Mono>,
    /// Undo was asked for before the last act was known.
    pub undo_wanted: bool,
    /// Stops that this screen asked for, told of until it is proven that nothing is left.
    pub watch: Option<Watch>,
    /// What ran at the time cursor.
    pub then: Then,
    /// What the timeline shows.
    pub gantt: Gantt,
    /// The events as far as they are here.
    pub events: EventList,
    /// What is shown of what jobs share.
    pub locks: Locks,
    /// How often the key that is being done was asked for: `04+`.
    pub times: i32,
    /// Who waits for whom.
    pub waits: Waits,
    /// What the process of this screen costs.
    pub own: OwnUse,
    /// A number that was just typed, for `04+`.
    pub count: Option<Count>,
    /// What can be clicked in the frame that is on the screen.
    pub zones: Zones,
    /// What the mouse holds.
    pub drag: Option<(Rect, Hit)>,
}

/// A job that acts can be about, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub job: JobNo,
    /// `thumb:3 cat.png 256`
    pub label: String,
    /// Its attempt that runs, or else its last; `None` when it has had none.
    pub attempt: Option<AttemptId>,
    /// The leader of its running attempt.
    pub proc: Option<ProcRef>,
    pub since: Mono,
    pub phase: Phase,
}

/// Where a job stands, as far as acts care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Queued,
    /// Paused while it waits in the queue.
    Held,
    Running,
    Paused,
    /// It ended well.
    Good,
    /// It did not end well.
    Bad,
}

/// A count on its way: `04` says how often the `+` that follows is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub n: u32,
    /// When its last digit came.
    pub at: Mono,
}

/// The supervisor's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bye {
    pub exit_code: i32,
    pub trouble: Option<String>,
}

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Popup {
    Help {
        top: u16,
    },
    Kill(KillMenu),
    Quit {
        choice: usize,
    },
    /// A line of text at the bottom.
    Prompt(Prompt),
    Palette {
        input: Input,
        choice: usize,
    },
    Pools {
        choice: usize,
        typed: String,
    },
    Sort {
        panel: usize,
        choice: usize,
    },
    Ask(Ask),
}

/// A question before something that cannot be taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub title: String,
    /// What it would do.
    pub lines: Vec<String>,
    pub verb: &'static str,
    pub command: Command,
}

/// A question that is answered by typing.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    pub what: Wanted,
    pub input: Input,
    /// Why the text means nothing yet.
    pub error: Option<String>,
}

/// What a prompt asks for, and the panel it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Search(usize),
    Filter(usize),
    /// A file for the output that is shown.
    Save,
    /// A place in it.
    Percent,
}

impl Wanted {
    /// Whether the shown output must not change while this is typed.
    fn is_about_output(self) -> bool {
        matches!(self, Wanted::Search(panels::OUTPUT) | Wanted::Save | Wanted::Percent)
    }
}

/// A kill menu: its targets were fixed when it opened.
#[derive(Clone, Debug, PartialEq)]
pub struct KillMenu {
    pub targets: Vec<Selection>,
    pub choice: usize,
    /// Digits typed so far, to pick a signal by number.
    pub typed: String,
    /// What a kill would do to others, as far as x-ray sees.
    pub preview: KillPreview,
}

/// What is known of what a kill would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum KillPreview {
    #[default]
    ToAsk,
    Asked,
    /// Lines for people; none when nobody else is concerned.
    Known(Vec<String>),
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
    /// It was done, and its end is still to come.
    UnderWay,
    Done,
    Refused,
}

/// A message that has no answer yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Pending {
    Command {
        command: Command,
        what: String,
    },
    Output(Question),
    /// A question of a panel.
    Panel {
        panel: usize,
        tag: u64,
    },
    /// What a kill would do; the menu with these targets asked.
    KillPreview(Vec<AttemptId>),
}

impl Model {
    /// Returns the screen before anything came.
    pub fn new(info: RunInfo, look: Look, size: Rect, now: Now) -> Model {
        let views = match info.observes {
            Some(_) => layout::views_of_tree(),
            None => layout::built_in_views(),
        };
        Model {
            info: clean_info(info),
            snapshot: Snapshot::default(),
            live: false,
            now,
            size,
            look,
            keymap: Keymap::default(),
            history: History::default(),
            axis: Axis::default(),
            frozen: None,
            views,
            view: layout::OVERVIEW,
            splits: Splits::default(),
            focus: panels::WORKERS,
            zoom: None,
            source: panels::WORKERS,
            worker: None,
            workers: List::default(),
            order: Order::default(),
            alert: None,
            failure: None,
            failures: List::default(),
            jobs: Jobs::default(),
            details: Details::default(),
            time_zone: TimeZone::UTC,
            tags: BTreeMap::new(),
            output: Output::default(),
            output_from: None,
            output_times: false,
            search_all: false,
            overwrite: None,
            popup: None,
            feedback: None,
            pending: BTreeMap::new(),
            next_id: 1,
            wanted: BTreeMap::new(),
            asked_stop: None,
            ended_at: None,
            bye: None,
            hold_at_end: true,
            answered_at: None,
            undo_wanted: false,
            watch: None,
            then: Then::default(),
            gantt: Gantt::default(),
            events: EventList::default(),
            locks: Locks::default(),
            times: 1,
            waits: Waits::default(),
            own: OwnUse::default(),
            count: None,
            zones: Zones::default(),
            drag: None,
        }
    }

    /// Takes in a snapshot; every text in it becomes safe to draw.
    pub fn take(&mut self, mut snapshot: Snapshot) {
        for work in snapshot.workers.iter_mut().filter_map(|w| w.work.as_mut()) {
            work.inputs = one_line(&work.inputs);
            if let Some(wait) = &mut work.waits {
                wait.what = one_line(&wait.what);
                wait.holder = wait.holder.as_deref().map(one_line);
            }
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
        for alert in &mut snapshot.alerts {
            (alert.text, alert.hint) = (one_line(&alert.text), one_line(&alert.hint));
        }
        for act in &mut snapshot.acts {
            (act.asked, act.answer) = (one_line(&act.asked), one_line(&act.answer));
            act.undo = act.undo.as_deref().map(one_line);
        }
        clean_shared(&mut snapshot.shared);
        for stop in &mut snapshot.last_stops {
            stop.left = stop.left.as_deref().map(one_line);
        }
        let waits = |w: &WorkerView| w.work.as_ref().is_some_and(|work| work.waits.is_some());
        // A column that comes and goes would move all others.
        self.waits.any |= snapshot.shared.total > 0 || snapshot.workers.iter().any(waits);
        self.snapshot = snapshot;
        self.live = true;
        if let (RunState::Ended { .. }, None) = (self.snapshot.state, self.ended_at) {
            self.ended_at = Some(self.snapshot.at.mono);
        }
        self.wanted.retain(|pool, (size, _)| {
            self.snapshot.pools.get(usize::from(pool.0)).is_some_and(|p| p.size != *size)
        });
        self.keep_selection();
    }

    /// What was selected stays selected while it is there; else what stands in its place is.
    fn keep_selection(&mut self) {
        let workers = &self.snapshot.workers;
        let slot = self.worker.unwrap_or(Slot { pool: PoolIdx::DEFAULT, n: 0 });
        let near = workers.iter().find(|w| w.slot >= slot).or(workers.last());
        self.worker = near.map(|w| w.slot);
        panels::keep_alert(self);
        self.tags.retain(|_, tag| tag.job.0 <= self.snapshot.counts.total);
    }

    /// The output panel turns to the selected job.
    pub fn turn_output(&mut self, by_hand: bool) {
        const CALM_US: u64 = 1_000_000;
        // A worker with very short jobs would make the panel flicker: a look lasts a second.
        let fresh = self.now.mono.0.saturating_sub(self.output.target_since.0) < CALM_US;
        let asked = matches!(&self.popup, Some(Popup::Prompt(p)) if p.what.is_about_output());
        let busy_looking = self.output.is_held() || self.output.picked || asked || fresh;
        if !by_hand && busy_looking && self.output.target.is_some() {
            return;
        }
        if let Some(target) = self.target() {
            let (job, n) = target.key;
            self.output_from = self.work_of(AttemptId { job, n }).map(|(worker, _)| worker.slot);
            self.output.show(target, self.now.mono);
            self.output.picked = false;
        }
    }

    fn target(&self) -> Option<Target> {
        let panel = PANELS.get(self.source)?;
        let Selection { attempt, label, .. } = panel.selection(self)?;
        let attempt = attempt?;
        Some(Target { key: (attempt.job, attempt.n), label })
    }

    /// Returns the job that acts are about while nothing is tagged.
    pub fn selection(&self) -> Option<Selection> {
        let focused = PANELS.get(self.focus)?;
        let of_list = focused.selection(self);
        // Panels without a list: the arrows move in the workers, so that is what acts mean.
        of_list.or_else(|| match self.focus {
            panels::CORES | panels::QUEUE => PANELS[panels::WORKERS].selection(self),
            _ => None,
        })
    }

    /// Returns the jobs that an act is about: those with tags, else the selected one.
    pub fn targets(&self) -> Vec<Selection> {
        match self.tags.is_empty() {
            true => self.selection().into_iter().collect(),
            false => self.tags.values().cloned().collect(),
        }
    }

    /// Returns the worker that is selected.
    pub fn selected_worker(&self) -> Option<&WorkerView> {
        self.snapshot.workers.iter().find(|w| Some(w.slot) == self.worker)
    }

    /// Returns the failure that is selected.
    pub fn selected_failure(&self) -> Option<&FailureView> {
        self.snapshot.failures.iter().find(|f| Some(f.job) == self.failure)
    }

    /// Returns the worker that runs a job.
    pub fn worker_of(&self, job: JobNo) -> Option<&WorkerView> {
        let runs =
            |worker: &&WorkerView| worker.work.as_ref().is_some_and(|work| work.attempt.job == job);
        self.snapshot.workers.iter().find(runs)
    }

    /// Returns the work on an attempt, if it runs.
    pub fn work_of(&self, attempt: AttemptId) -> Option<(&WorkerView, &WorkView)> {
        let mut all = self.snapshot.workers.iter().filter_map(|w| Some((w, w.work.as_ref()?)));
        all.find(|(_, work)| work.attempt == attempt)
    }

    /// Returns what acts on a worker's job are about.
    pub fn selection_of(&self, worker: &WorkerView, work: &WorkView) -> Selection {
        let paused = worker.state == WorkerState::Paused;
        Selection {
            job: work.attempt.job,
            label: self.label(work),
            attempt: Some(work.attempt),
            proc: work.proc,
            since: work.since,
            phase: if paused { Phase::Paused } else { Phase::Running },
        }
    }

    /// Returns a running job's name: `thumb:3 cat.png 256`.
    pub fn label(&self, work: &WorkView) -> String {
        self.job_label(work.task.0, work.index, &work.inputs)
    }

    /// Returns a failed job's name.
    pub fn failure_label(&self, failure: &FailureView) -> String {
        self.job_label(failure.task.0, failure.index, &failure.inputs)
    }

    /// Returns a job's name: `thumb:3 cat.png 256`.
    pub fn job_label(&self, task: u32, index: u32, inputs: &str) -> String {
        if self.observes() {
            // A process: its number has a column of its own.
            return inputs.to_owned();
        }
        let task = self.info.tasks.get(task as usize).map_or("?", |t| t.name.as_str());
        // A task with one job and no inputs needs no number.
        match (inputs.is_empty(), index) {
            (true, 0 | 1) => task.to_owned(),
            (true, _) => format!("{task}:{index}"),
            (false, _) => format!("{task}:{index} {inputs}"),
        }
    }

    /// Returns a job's name without its inputs: `thumb:3`, or `index` for the only one.
    pub fn job_name(&self, task: TaskIdx, index: u32) -> String {
        let view = self.snapshot.tasks.get(task.0 as usize);
        match (self.info.tasks.get(task.0 as usize), view.is_some_and(|t| t.counts.total > 1)) {
            (Some(task), true) => format!("{}:{index}", task.name),
            _ => self.job_label(task.0, index, ""),
        }
    }

    /// Returns the name of a pool.
    pub fn pool_name(&self, pool: PoolIdx) -> &str {
        let view = self.snapshot.pools.get(usize::from(pool.0)).map(|p| p.name.as_str());
        view.or(self.info.pools.get(usize::from(pool.0)).map(String::as_str)).unwrap_or("default")
    }

    /// Returns the run's age in milliseconds.
    pub fn elapsed_ms(&self) -> u64 {
        let since = if !self.has_ended() && self.live {
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

    /// Returns how long ago an attempt began, in milliseconds.
    pub fn work_ms(&self, work: &WorkView) -> u64 {
        self.now.mono.since(work.since).as_millis() as u64
    }

    /// Returns a moment's time of day: `14:02:11`, and its day instead when that is not today.
    pub fn time_of_day(&self, at: Wall) -> String {
        format::time_of_day(at, self.now.wall, &self.time_zone)
    }

    /// Returns the moment at the right edge of all graphs: they stand still with the run.
    pub fn axis_now(&self) -> Mono {
        self.ended_at.unwrap_or(self.now.mono)
    }

    /// It shows a tree of processes that ganger did not start.
    pub fn observes(&self) -> bool {
        self.info.observes.is_some()
    }

    /// Whether an act can do anything here: what has ended can only be looked at, and of processes
    /// that ganger did not start each can be sent a signal, nothing else.
    pub fn may(&self, act: Act) -> bool {
        let steers = matches!(
            act,
            Act::Grow
                | Act::Shrink
                | Act::PauseRun
                | Act::PauseJob
                | Act::Retry
                | Act::Cancel
                | Act::Raise
                | Act::ResetPriority
                | Act::Undo
        );
        match (self.has_ended(), self.observes()) {
            (true, _) => !steers && act != Act::KillMenu,
            (false, true) => !steers && act != Act::Pools,
            (false, false) => true,
        }
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
        let alone = View::of("", vec![vec![self.focus]]);
        let layout = self.layout_of(self.views.get(self.view).unwrap_or(&alone), self.view);
        if layout.spots.iter().any(|spot| spot.panel == self.focus) {
            return layout;
        }
        // It stood where a list had rows to spare, which are gone.
        let own = layout::view_with(&self.views, self.view, self.focus).unwrap_or(self.view);
        self.layout_of(self.views.get(own).unwrap_or(&alone), own)
    }

    fn layout_of(&self, view: &View, view_no: usize) -> Layout {
        layout::layout(
            self.size,
            &layout::Facts {
                focus: self.focus,
                zoom: self.zoom.is_some(),
                notice: super::notice::rows(self),
                there: &|i| PANELS[i].is_there(self),
                view,
                view_no,
                splits: &self.splits,
                want: &|i, width| PANELS[i].want(self, width),
                want_lines: &|i, width| PANELS[i].want_lines(self, width),
            },
        )
    }

    /// Turns to a panel: in the present view if it is there, else in the first that has it.
    pub fn turn_to(&mut self, panel: usize) {
        let panel = panel % PANELS.len();
        let is_seen = self.layout().spots.iter().any(|spot| spot.panel == panel);
        if let Some(view) = layout::view_with(&self.views, self.view, panel).filter(|_| !is_seen) {
            self.view = view;
        }
        self.focus = panel;
        if let Some(before) = &mut self.zoom {
            *before = panel;
        }
        if PANELS[panel].selection(self).is_some() && panel != panels::OUTPUT {
            self.source = panel;
            self.turn_output(true);
        }
    }

    /// Returns the cells of a panel's graph on the time axis, zero when there is none to see.
    pub fn graph_cells(&self, panel: usize) -> u16 {
        let spot = self.layout().spots.into_iter().find(|s| s.panel == panel);
        spot.map_or(0, |s| PANELS[panel].graph_cells(self, s.area.width.saturating_sub(2)))
    }

    /// Returns the rows inside a panel's border, zero when it is not on the screen.
    pub fn rows_of(&self, panel: usize) -> usize {
        let layout = self.layout();
        let spot = layout.spots.iter().find(|s| s.panel == panel);
        spot.map_or(0, |s| usize::from(s.area.height.saturating_sub(2)))
    }
}

/// What clients call themselves becomes safe to draw.
fn clean_shared(shared: &mut SharedView) {
    let clean = |party: &mut Party| {
        party.label = party.label.take().map(|label| one_line(&label).into());
    };
    for lock in &mut shared.locks {
        lock.holders.iter_mut().for_each(|holder| clean(&mut holder.party));
        lock.waiters.iter_mut().for_each(|waiter| clean(&mut waiter.party));
        if let LockState::Value { value } = &mut lock.state {
            *value = one_line(value);
        }
    }
    for lock in &mut shared.foreign {
        (lock.name, lock.id) = (one_line(&lock.name), one_line(&lock.id));
        lock.holders.iter_mut().for_each(|holder| clean(&mut holder.party));
        lock.waiters.iter_mut().for_each(|waiter| clean(&mut waiter.party));
    }
    for deadlock in &mut shared.deadlocks {
        deadlock.text = one_line(&deadlock.text);
        deadlock.members.iter_mut().for_each(|member| clean(&mut member.party));
    }
}

fn clean_info(mut info: RunInfo) -> RunInfo {
    let machine = &mut info.machine;
    for text in [&mut machine.host, &mut machine.kernel, &mut machine.cpu] {
        *text = one_line(text);
    }
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
