//! The bottom line: keys, what became of the last act, what ganger costs, or how the run ended.

use super::canvas::Canvas;
use super::format;
use super::keymap::{Act, Binding, KEYMAP};
use super::model::{FeedbackKind, Model};
use super::panels::{self, PANELS};
use super::theme::Role;
use super::zones::Hit;
use crate::model::{RunOutcome, RunState};
use unicode_width::UnicodeWidthStr;

/// Draws the line.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    if canvas.height() == 0 {
        return;
    }
    if model.has_ended() && model.feedback.is_none() {
        end_banner(model, canvas);
        return;
    }
    let width = canvas.width();
    if model.count.is_some() {
        count(model, canvas);
        return;
    }
    if model.feedback.is_some() {
        feedback(model, canvas);
        return;
    }
    let own = own_use(model);
    // What ganger costs is always in sight where that takes no more than a fifth of the line.
    let cells = own.width() as u16;
    // Two blanks before it and one behind it.
    let room = if cells > 0 && cells * 5 <= width { width - cells - 3 } else { width };
    keys(model, canvas, room);
    if room < width {
        canvas.put_right(width - 1, 0, &own, Role::Dim);
    }
}

/// A count on its way, and the keys that take it.
fn count(model: &Model, canvas: &mut Canvas<'_>) {
    let Some(count) = model.count else { return };
    let key = |act| model.keymap.key_of(act);
    let (grow, shrink, back) = (key(Act::Grow), key(Act::Shrink), key(Act::Back));
    let (past, future) = (key(Act::TimeBack), key(Act::TimeForward));
    let n = count.n;
    let text = format!(
        " count {n}: {grow} {shrink} {past} or {future} does it {n} times, {back} drops it"
    );
    canvas.put_cut(0, 0, u16::MAX, &text, Role::Warn);
}

/// `ganger 0.3% 7M`: the supervisor and this screen together; blank until both are known.
fn own_use(model: &Model) -> String {
    let (supervisor, screen) = (model.snapshot.machine.own, model.own);
    let (Some(a), Some(b)) = (supervisor.cpu_percent, screen.cpu_percent) else {
        return String::new();
    };
    let cpu = (a + b).clamp(0.0, 999.0);
    let cpu = if cpu < 9.95 { format!("{cpu:.1}%") } else { format!("{cpu:.0}%") };
    let memory = match (supervisor.resident_bytes, screen.resident_bytes) {
        (Some(a), Some(b)) => format!(" {:>4}", format::size(a.saturating_add(b))),
        _ => String::new(),
    };
    format!("ganger {cpu:>4}{memory}")
}

fn feedback(model: &Model, canvas: &mut Canvas<'_>) {
    let Some(feedback) = &model.feedback else { return };
    let width = canvas.width();
    let g = canvas.glyphs();
    let (mark, role, word) = match feedback.kind {
        FeedbackKind::Sent => (g.queued, Role::Warn, " (sent)"),
        FeedbackKind::UnderWay => (g.queued, Role::Stopping, ""),
        FeedbackKind::Done => (g.done, Role::Good, ""),
        FeedbackKind::Refused => (g.failed, Role::Bad, ""),
    };
    let text = format!("  {mark} {}{word} ", feedback.text);
    // How to leave stays in sight, whatever there is to say.
    let cells = (text.width() as u16).min(width.saturating_sub(LEAVE_CELLS));
    keys(model, canvas, width - cells);
    canvas.part(width - cells, 0, cells, 1).put_cut(0, 0, cells, &text, role);
}

/// Cells of the hint that says how to leave.
const LEAVE_CELLS: u16 = 8;

/// Key hints, as many as have room; each can be clicked.
fn keys(model: &Model, canvas: &mut Canvas<'_>, width: u16) {
    let bar = |b: &Binding| {
        let (key, word) = b.bar.split_once('|')?;
        let is_paused = b.act == Act::PauseRun && model.snapshot.state == RunState::Paused;
        let word = if is_paused { "go on" } else { word };
        Some((b.act, model.keymap.changed_key(b.act).unwrap_or_else(|| key.to_owned()), word))
    };
    // A key that means something else in the panel with the focus is not shown.
    let panel = PANELS[model.focus].name();
    let is_left = |b: &Binding| model.may(b.act);
    let holds = |b: &&Binding| is_left(b) && !model.keymap.is_covered(b, panel);
    let has_key = |(_, key, _): &(Act, String, &str)| !key.is_empty();
    let bars: Vec<_> = KEYMAP.iter().filter(holds).filter_map(bar).filter(has_key).collect();
    let cells = |(_, key, word): &(Act, String, &str)| (key.width() + word.len() + 3) as u16;
    // Help and how to leave are always there; the others as far as they fit.
    let help_fits = width >= LEAVE_CELLS * 2;
    let stays = |bar: &(Act, String, &str)| bar.0 == Act::Quit || (bar.0 == Act::Help && help_fits);
    let mut kept: u16 = bars.iter().filter(|bar| stays(bar)).map(cells).sum();
    let mut x = 1;
    for bar in &bars {
        if stays(bar) {
            kept -= cells(bar);
        } else if x + cells(bar) + kept > width + 2 {
            continue;
        }
        let (act, shown, word) = bar;
        x = key(canvas, x, (*act, shown, word), (Role::Key, Role::KeyText)) + 2;
    }
}

/// One hint, which can be clicked; returns where it ends.
fn key(
    canvas: &mut Canvas<'_>,
    x: u16,
    (act, key, word): (Act, &str, &str),
    roles: (Role, Role),
) -> u16 {
    let cells = (key.width() + word.width() + 1) as u16;
    canvas.zone(x, 0, cells + 1, 1, Hit::Act(act));
    let end = canvas.put(x, 0, key, roles.0);
    canvas.put(end + 1, 0, word, roles.1)
}

/// How the run ended, and the keys that still do something.
fn end_banner(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let code = model.exit_code().unwrap_or(0);
    let trouble = model.bye.as_ref().and_then(|b| b.trouble.as_deref());
    let good = code == 0 && trouble.is_none();
    let role = if good { Role::BannerGood } else { Role::BannerBad };
    let style = canvas.look.style(role);
    canvas.repeat(0, 0, width, " ", style);
    let dot = canvas.glyphs().dot;
    let mut text = end_text(model);
    let took = format!(" in {} {dot} exit {code}", format::long_clock(model.elapsed_ms()));
    let leave = [(Act::Quit, "q", "leave")];
    let mut hints = end_hints(model);
    hints.extend(leave);
    let cells = |hints: &[(Act, &str, &str)]| -> u16 {
        hints.iter().map(|(_, key, word)| (key.len() + word.len() + 3) as u16).sum()
    };
    let needed = (text.width() + took.width()) as u16 + 2;
    if needed + cells(&hints) > width {
        hints = leave.to_vec();
    }
    if needed + cells(&hints) <= width {
        text.push_str(&took);
    }
    if let Some(trouble) = trouble {
        text = format!("{trouble} {dot} {text}");
    }
    let from = width.saturating_sub(cells(&hints));
    canvas.put_cut(1, 0, from.saturating_sub(2), &text, role);
    let mut x = from + 1;
    for hint in hints {
        x = key(canvas, x, hint, (role, role)) + 2;
    }
}

fn end_text(model: &Model) -> String {
    let c = &model.snapshot.counts;
    let word = match model.snapshot.state {
        RunState::Ended { outcome: RunOutcome::Stopped, .. } => "stopped",
        _ => "done",
    };
    let mut parts = vec![format!("{} succeeded", format::grouped(u64::from(c.good())))];
    for (n, what) in [(c.bad(), "failed"), (c.skipped, "skipped"), (c.cancelled, "cancelled")] {
        if n > 0 {
            parts.push(format!("{} {what}", format::grouped(u64::from(n))));
        }
    }
    format!("{word}: {}", parts.join(", "))
}

/// What can still be looked at.
fn end_hints(model: &Model) -> Vec<(Act, &'static str, &'static str)> {
    let mut hints = Vec::new();
    let opens = model.selection().is_some_and(|s| s.attempt.is_some());
    match model.zoom {
        Some(_) => hints.push((Act::Back, "Esc", "back")),
        None if opens => hints.push((Act::Open, "Enter", "output")),
        None => {}
    }
    let alone = PANELS.len() < 2 || model.focus == panels::OUTPUT;
    if !alone {
        hints.push((Act::NextPanel, "Tab", "panel"));
    }
    hints.push((Act::Help, "?", "help"));
    hints
}
