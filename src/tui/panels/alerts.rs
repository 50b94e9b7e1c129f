//! The jobs that did not end well, newest first, each with its last words.

use super::workers::mark;
use super::{Panel, put_label};
use crate::model::limits::SNAPSHOT_FAILURES;
use crate::model::{AttemptId, FailureView};
use crate::tui::canvas::{Canvas, Span};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Phase, Selection};
use crate::tui::theme::Role;
use crate::tui::zones::Hit;

/// The panel.
pub struct Alerts;

impl Panel for Alerts {
    fn name(&self) -> &'static str {
        "alerts"
    }

    fn min(&self) -> (u16, u16) {
        (24, 3)
    }

    fn priority(&self) -> u8 {
        2
    }

    fn want(&self, model: &Model, _width: u16) -> u16 {
        model.snapshot.failures.len().clamp(1, 8) as u16
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, _width: u16) -> Vec<Span> {
        foot(model)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[(Act::Retry, "r retry"), (Act::Open, "Enter output")]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        draw(model, canvas, focused);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        let failure = model.selected_failure()?;
        // It may have been retried and run again by now.
        let now = model.snapshot.workers.iter().filter_map(|w| Some((w, w.work.as_ref()?)));
        if let Some((worker, work)) = now.clone().find(|(_, w)| w.attempt.job == failure.job) {
            return Some(model.selection_of(worker, work));
        }
        let n = failure.attempts.max(1);
        Some(Selection {
            job: failure.job,
            label: model.failure_label(failure),
            attempt: Some(AttemptId { job: failure.job, n }),
            proc: None,
            since: failure.at,
            phase: Phase::Bad,
        })
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        model.failures.step(by, model.snapshot.failures.len());
        choose(model);
        true
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        model.failures.at = row;
        choose(model);
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let n = model.snapshot.failures.len();
        model.failures.scroll_to(share, n, model.rows_of(super::ALERTS));
        choose(model);
    }

    fn settle(&self, model: &mut Model, rows: usize) {
        model.failures.settle(model.snapshot.failures.len(), rows);
    }
}

fn choose(model: &mut Model) {
    let chosen = model.snapshot.failures.get(model.failures.at).map(|f| f.job);
    if chosen.is_some() {
        model.failure = chosen;
        model.source = super::ALERTS;
        model.turn_output(true);
    }
}

fn status(model: &Model) -> Vec<Span> {
    let counts = &model.snapshot.counts;
    let mut spans = Vec::new();
    for (n, word, role) in
        [(counts.bad(), "failed", Role::Bad), (counts.cancelled, "cancelled", Role::Warn)]
    {
        if n > 0 {
            let blank = if spans.is_empty() { "" } else { "  " };
            spans.push((format!("{blank}{} {word}", format::grouped(u64::from(n))), role));
        }
    }
    spans
}

/// How many of them are in the list: it holds the newest.
fn foot(model: &Model) -> Vec<Span> {
    let counts = &model.snapshot.counts;
    let all = u64::from(counts.bad()) + u64::from(counts.cancelled);
    let listed = model.snapshot.failures.len() as u64;
    // Jobs cancelled in the queue are counted but not listed.
    if listed < SNAPSHOT_FAILURES as u64 || all <= listed {
        return Vec::new();
    }
    vec![(format!("the newest {listed} of {}", format::grouped(all)), Role::Dim)]
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let failures = &model.snapshot.failures;
    if failures.is_empty() {
        let good = model.snapshot.counts.good();
        let text = match good {
            0 => "no failures".to_owned(),
            n => format!("no failures, {} succeeded", format::grouped(u64::from(n))),
        };
        canvas.put_cut(1, 0, u16::MAX, &text, Role::Dim);
        return;
    }
    let rows = usize::from(height);
    for (y, failure) in failures.iter().skip(model.failures.offset).take(rows).enumerate() {
        let mut row = canvas.part(0, y as u16, width, 1);
        row.zone_all(Hit::Row { panel: super::ALERTS, row: model.failures.offset + y });
        if Some(failure.job) == model.failure {
            mark(&mut row, focused);
        }
        draw_row(model, &mut row, failure);
    }
}

fn draw_row(model: &Model, row: &mut Canvas<'_>, failure: &FailureView) {
    let width = row.width();
    let failed = row.glyphs().failed;
    row.put(2, 0, failed, Role::Bad);
    let outcome_cells = 13.min(width / 3);
    let side = width >= 60;
    let age_cells = if side { 9 } else { 0 };
    let fixed = 4 + outcome_cells + 1 + age_cells;
    let job_cells = match width {
        0..60 => width.saturating_sub(fixed),
        60..100 => (width - fixed) * 2 / 5,
        _ => ((width - fixed) * 2 / 5).min(40),
    };
    put_label(row, 4, job_cells, &model.failure_label(failure));
    let mut x = 4 + job_cells + 1;
    row.put_cut(x, 0, outcome_cells, &outcome_text(&failure.outcome), Role::Bad);
    x += outcome_cells + 1;
    if side {
        let tries = match failure.attempts {
            0 | 1 => String::new(),
            n => format!("{}{n}", row.glyphs().times),
        };
        row.put_right(x + 3, 0, &tries, Role::Warn);
        row.put_right(x + 8, 0, &format::age(model.ms_since(failure.at)), Role::Dim);
        let room = width.saturating_sub(x + 10);
        let (line, role) = match failure.last_line.as_str() {
            "" => ("it said nothing", Role::Idle),
            line => (line, Role::KeyText),
        };
        row.put_cut(x + 10, 0, room, line, role);
    }
}

/// The outcome as short as it can be said: `failed 2`, `SIGSEGV`, `timed out`.
fn outcome_text(outcome: &str) -> String {
    outcome.strip_prefix("signaled ").unwrap_or(outcome).replace('_', " ")
}
