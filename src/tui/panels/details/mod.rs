//! Everything about one job: what would run or ran, why it waits, its attempts, what it used,
//! its environment, and what ties it to others.

mod text;

use super::jobs::{gone_text, selection_of, state_of};
use super::{PANELS, Panel, scroll_bar};
use crate::model::query::{JobDetail, Query, Reply};
use crate::model::{JobNo, JobPlace, JobRef, Mono, Now};
use crate::tui::acts;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Selection};
use crate::tui::sanitize::one_line;
use crate::tui::theme::Role;
use crate::tui::update::Action;
use std::time::Duration;

/// The panel.
pub struct DetailsPanel;

/// The state of the panel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The job to show.
    job: Option<JobNo>,
    /// It stays the same while somebody reads: it was asked for, or has the focus.
    pinned: bool,
    /// The job that is shown.
    shown: Option<Box<JobDetail>>,
    taken_at: Option<Now>,
    /// Rows above the window.
    top: usize,
    /// Where one came from.
    back: Option<Back>,
    /// Why there is nothing to show.
    trouble: Option<String>,
    under_way: Option<(u64, Mono)>,
    asked: Option<(JobNo, Mono, u64)>,
    last_tag: u64,
}

/// Where the screen was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Back {
    view: usize,
    focus: usize,
    zoom: Option<usize>,
}

/// What is shown is asked for again after this time at the earliest.
const CALM: Duration = Duration::from_secs(1);
/// After this time nobody waits for an answer any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// Turns to everything about the selected job.
pub fn open(model: &mut Model) {
    let Some(selection) = model.selection() else {
        return acts::refuse(model, "select a job first, then look at it");
    };
    if model.focus == super::DETAILS {
        return back(model);
    }
    let Model { view, focus, zoom, .. } = *model;
    let details = &mut model.details;
    details.back = Some(Back { view, focus, zoom });
    details.turn_to(Some(selection.job));
    details.pinned = true;
    model.zoom = zoom.map(|_| super::DETAILS);
    let source = model.source;
    model.turn_to(super::DETAILS);
    model.source = source;
}

fn back(model: &mut Model) {
    let Some(Back { view, focus, zoom }) = model.details.back.take() else { return };
    model.details.pinned = false;
    (model.view, model.focus, model.zoom) = (view, focus, zoom);
}

impl Details {
    fn turn_to(&mut self, job: Option<JobNo>) {
        if self.job != job {
            self.job = job;
            self.top = 0;
            self.trouble = None;
        }
    }

    /// `hurry`: it is known that what is there is old.
    fn question(&mut self, now: Mono, seq: u64, hurry: bool) -> Option<(u64, Query)> {
        let job = self.job?;
        if self.under_way.is_some_and(|(_, at)| now.since(at) < PATIENCE) {
            return None;
        }
        let due = match self.asked {
            Some((asked, at, before)) if asked == job => {
                before != seq && (hurry || now.since(at) >= CALM)
            }
            _ => true,
        };
        if !due {
            return None;
        }
        self.last_tag += 1;
        self.under_way = Some((self.last_tag, now));
        self.asked = Some((job, now, seq));
        let job = JobRef { place: JobPlace::Number(job), attempt: None };
        Some((self.last_tag, Query::Job { job }))
    }
}

impl Panel for DetailsPanel {
    fn name(&self) -> &'static str {
        "details"
    }

    fn min(&self) -> (u16, u16) {
        (36, 5)
    }

    fn priority(&self) -> u8 {
        3
    }

    fn grows(&self) -> bool {
        true
    }

    fn want(&self, _model: &Model, _width: u16) -> u16 {
        16
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        let Some(detail) = model.details.shown.as_deref() else { return Vec::new() };
        let row = &detail.row;
        let (shape, word, role) =
            state_of(model.look.glyphs, row, model.worker_of(row.job).map(|worker| worker.state));
        let label = model.job_label(row.task.0, row.index, &row.inputs);
        let (task, inputs) = label.split_once(' ').unwrap_or((&label, ""));
        let mut spans = vec![
            (format!(":{} ", row.job.0), Role::Dim),
            (format!("{shape} {word} "), role),
            (task.to_owned(), Role::Strong),
        ];
        if !inputs.is_empty() {
            spans.push((format!(" {inputs}"), Role::Title));
        }
        spans
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        let details = &model.details;
        let mut spans = Vec::new();
        let rows = model.rows_of(super::DETAILS);
        let n = height(model, width.saturating_add(4));
        if n > rows {
            let last = (details.top + rows).min(n);
            spans.push((format!("{}-{last} of {n}", details.top + 1), Role::Dim));
        }
        let blank = if spans.is_empty() { "" } else { "  " };
        if let Some(gone) = gone_text(model, details.taken_at.map(|now| now.wall)) {
            spans.push((format!("{blank}{gone}"), Role::Warn));
        } else if model.has_ended() {
            spans.push((format!("{blank}the run has ended"), Role::Dim));
        }
        spans
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[(Act::KillMenu, "K kill"), (Act::Retry, "r retry"), (Act::Back, "Esc back")]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, _focused: bool) {
        draw(model, canvas);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        let detail = model.details.shown.as_deref()?;
        Some(selection_of(model, &detail.row))
    }

    fn act(&self, model: &mut Model, act: Act, _actions: &mut Vec<Action>) -> bool {
        match act {
            Act::Back | Act::Details if model.details.back.is_some() => back(model),
            _ => return false,
        }
        true
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        // A notch of the wheel or a key; settling keeps it within the text.
        model.details.top = model.details.top.saturating_add_signed(by);
        clamp(model);
        true
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let n = height(model, width(model)).saturating_sub(model.rows_of(super::DETAILS));
        model.details.top = (n as f32 * share.clamp(0.0, 1.0)).round() as usize;
    }

    fn settle(&self, model: &mut Model, _rows: usize) {
        if model.focus != super::DETAILS {
            // Beside a list it shows what is selected there.
            model.details.pinned = false;
            let of = |panel: usize| PANELS.get(panel).filter(|_| panel != super::DETAILS);
            let selection = of(model.source).and_then(|panel| panel.selection(model));
            if selection.is_some() {
                model.details.turn_to(selection.map(|s| s.job));
            }
        } else if !model.details.pinned {
            let job = model.details.job.or_else(|| {
                let source = PANELS.get(model.source)?;
                source.selection(model).map(|selection| selection.job)
            });
            model.details.turn_to(job);
            model.details.pinned = job.is_some();
        }
        clamp(model);
    }

    fn ask(&self, model: &mut Model, actions: &mut Vec<Action>) {
        if !model.live || model.output.offline {
            return;
        }
        let (now, seq) = (model.now.mono, model.snapshot.seq);
        let seems_to_run = model.details.shown.as_deref().is_some_and(|detail| {
            detail.row.state == "running" && model.worker_of(detail.row.job).is_none()
        });
        let hurry = seems_to_run || model.has_ended();
        if let Some((tag, query)) = model.details.question(now, seq, hurry) {
            acts::ask(model, super::DETAILS, tag, query, actions);
        }
    }

    fn take(&self, model: &mut Model, tag: u64, reply: Result<Reply, String>) {
        let details = &mut model.details;
        if details.under_way.take_if(|(asked, _)| *asked == tag).is_none() {
            return;
        }
        match reply {
            Ok(Reply::Job { mut job }) => {
                for text in [&mut job.row.label, &mut job.row.inputs, &mut job.row.state] {
                    *text = one_line(text);
                }
                details.shown = Some(job);
                details.trouble = None;
                details.taken_at = Some(model.now);
            }
            Ok(_) => details.trouble = Some("the supervisor answered something else".to_owned()),
            Err(why) => details.trouble = Some(why),
        }
        let shown = details.shown.as_ref().map(|detail| detail.row.clone());
        if let Some(row) = shown.filter(|row| model.tags.contains_key(&row.job)) {
            let selection = selection_of(model, &row);
            model.tags.insert(row.job, selection);
        }
    }
}

/// Cells inside the border.
fn width(model: &Model) -> u16 {
    let spots = model.layout().spots;
    let spot = spots.iter().find(|spot| spot.panel == super::DETAILS);
    spot.map_or(0, |spot| spot.area.width.saturating_sub(2))
}

/// Rows of the whole text at a width.
fn height(model: &Model, width: u16) -> usize {
    let Some(detail) = model.details.shown.as_deref() else { return 0 };
    let columns = text::columns(model, detail, width, model.rows_of(super::DETAILS));
    columns.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0)
}

fn clamp(model: &mut Model) {
    let n = height(model, width(model));
    let rows = model.rows_of(super::DETAILS);
    model.details.top = model.details.top.min(n.saturating_sub(rows));
}

fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let details = &model.details;
    let Some(detail) = details.shown.as_deref() else {
        let text = match (&details.trouble, details.job) {
            (Some(why), _) => why.as_str(),
            (None, Some(_)) if model.output.offline => "the supervisor has gone",
            (None, Some(_)) => "asking",
            (None, None) => "select a job to see everything about it",
        };
        canvas.put_cut(1, 0, u16::MAX, text, Role::Dim);
        return;
    };
    let (width, rows) = (canvas.width(), canvas.height());
    let columns = text::columns(model, detail, width, usize::from(rows));
    let n = columns.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
    let mut x = 0;
    for (cells, lines) in &columns {
        for (y, line) in (0..rows).zip(lines.iter().skip(details.top)) {
            let mut part = canvas.part(x, y, *cells, 1);
            let mut at = 1;
            for (text, role) in line {
                let room = cells.saturating_sub(at);
                at = part.put_cut(at, 0, room, text, *role);
            }
        }
        x += cells;
    }
    scroll_bar(canvas, super::DETAILS, details.top, n);
}
