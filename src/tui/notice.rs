//! The line under the header: the one thing that matters now. At the time cursor, who ran then;
//! else the worst alert and the key to press; else the newest notice.

use super::canvas::{Canvas, Span, spans_width};
use super::model::Model;
use super::panels::{self, ALERTS, alert_mark, alert_word};
use super::theme::Role;
use super::then;
use super::zones::Hit;
use crate::model::{Alert, AlertKind, AlertLevel};
use unicode_width::UnicodeWidthStr;

/// Rows that it takes: a circle of waits comes before everything else and has some more.
pub fn rows(model: &Model) -> u16 {
    let circle = panels::circle_rows(model);
    let says =
        model.axis.cursor.is_some() || worst(model).is_some() || !model.snapshot.notices.is_empty();
    if circle > 0 { circle } else { u16::from(says && model.size.height >= 16) }
}

/// The worst alert that asks for something.
fn worst(model: &Model) -> Option<(usize, &Alert)> {
    let alerts = model.snapshot.alerts.iter().enumerate();
    let bad = alerts.filter(|(_, alert)| alert.level >= AlertLevel::Warning);
    // Of equal ones the first: the supervisor puts them in order.
    bad.rev().max_by_key(|(_, alert)| alert.level)
}

/// Draws the line.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    if canvas.height() == 0 {
        return;
    }
    if panels::circle_rows(model) > 0 {
        panels::draw_circle(model, canvas);
    } else if model.axis.cursor.is_some() {
        let spans = then::line(model, canvas.width().saturating_sub(2));
        canvas.put_spans(1, 0, &spans);
    } else if let Some((row, alert)) = worst(model) {
        draw_alert(model, canvas, row, alert);
    } else {
        draw_notice(model, canvas);
    }
}

fn draw_alert(model: &Model, canvas: &mut Canvas<'_>, row: usize, alert: &Alert) {
    canvas.zone_all(Hit::Row { panel: ALERTS, row });
    let (glyph, role) = alert_mark(canvas.glyphs(), alert.level);
    let head: [Span; 2] =
        [(format!("{glyph} "), role), (format!("{}  ", alert_word(alert.level)), role)];
    let keys = keys(model, alert.kind);
    let keys_cells = spans_width(&keys);
    let width = canvas.width();
    let at = canvas.put_spans(1, 0, &head);
    let room = width.saturating_sub(at + keys_cells + 3);
    let end = canvas.put_cut(at, 0, room, &alert.text, role);
    // What to do in words, when all of it fits.
    let free = width.saturating_sub(end + keys_cells + 6);
    if alert.hint.width() <= usize::from(free) {
        canvas.put(end + 2, 0, &alert.hint, Role::Dim);
    }
    canvas.put_spans(width.saturating_sub(keys_cells + 1), 0, &keys);
}

/// The key that does something about it.
fn keys(model: &Model, kind: AlertKind) -> Vec<Span> {
    use crate::tui::keymap::Act;
    let key = |act: Act, key: &str, word: &str| {
        let key = model.keymap.changed_key(act).unwrap_or_else(|| key.to_owned());
        [(key, Role::Key), (format!(" {word}"), Role::KeyText)]
    };
    let look = [((ALERTS + 1).to_string(), Role::Key), (" look".to_owned(), Role::KeyText)];
    let then = match kind {
        AlertKind::MemoryPressure | AlertKind::Swapping | AlertKind::Oversubscribed => {
            key(Act::Shrink, "-", "fewer workers")
        }
        AlertKind::FailingTask | AlertKind::DiskFull => key(Act::PauseRun, "p", "pause the run"),
        _ => return look.to_vec(),
    };
    let gap = [("  ".to_owned(), Role::KeyText)];
    [&look[..], &gap, &then].concat()
}

fn draw_notice(model: &Model, canvas: &mut Canvas<'_>) {
    let Some(newest) = model.snapshot.notices.last() else { return };
    let warning = canvas.glyphs().warning;
    let end = canvas.put(1, 0, warning, Role::Warn);
    let n = model.snapshot.notices.len();
    let more = if n > 1 { format!(" (1 of {n})") } else { String::new() };
    let room = canvas.width().saturating_sub(end + 2 + more.len() as u16);
    let end = canvas.put_cut(end + 1, 0, room, newest, Role::Warn);
    canvas.put(end, 0, &more, Role::Dim);
}
