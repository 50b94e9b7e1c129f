//! The jobs that did not end well, newest first, each with its last words.

use super::workers::mark;
use super::{Panel, Place, nothing};
use crate::model::FailureView;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::Model;
use crate::tui::theme::Role;

pub const PANEL: Panel = Panel {
    title: "failures",
    place: Place::Left,
    min: (24, 3),
    priority: 2,
    grows: false,
    want: |model, _| model.snapshot.failures.len().clamp(1, 8) as u16,
    lines: None,
    status,
    foot: nothing,
    hints: &[(Act::Retry, "r retry"), (Act::Open, "Enter output")],
    draw,
};

fn status(model: &Model) -> Vec<Span> {
    let bad = model.snapshot.counts.bad();
    if bad == 0 {
        return Vec::new();
    }
    vec![(format::grouped(u64::from(bad)), Role::Bad)]
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
    for (y, failure) in failures.iter().skip(model.failures_offset).take(rows).enumerate() {
        let mut row = canvas.part(0, y as u16, width, 1);
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
    row.put_cut(4, 0, job_cells, &model.failure_label(failure), Role::Text);
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
