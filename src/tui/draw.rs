//! The whole screen from the model: header, panels, key bar, and what lies over them.

use super::canvas::{Canvas, Span, spans_width};
use super::keymap::{Act, KEYMAP};
use super::layout::{Form, Layout, Spot};
use super::model::{FeedbackKind, Model};
use super::panels::PANELS;
use super::theme::Role;
use super::zones::{Hit, Zones};
use super::{format, graph, popups};
use crate::model::{RunOutcome, RunState, StopHow};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::cell::RefCell;
use unicode_width::UnicodeWidthStr;

/// Draws everything, and returns what a click on it means.
pub fn draw(model: &Model, buf: &mut Buffer) -> Zones {
    let zones = RefCell::default();
    let layout = model.layout();
    let area = buf.area;
    let look = &model.look;
    Canvas::new(buf, area, look, &zones).clear(Role::Screen);
    header(model, &mut Canvas::new(buf, layout.header, look, &zones));
    notice(model, &mut Canvas::new(buf, layout.notice, look, &zones));
    for spot in &layout.spots {
        panel(model, spot, &mut Canvas::new(buf, spot.area, look, &zones));
    }
    split_zones(&layout, &mut zones.borrow_mut());
    key_bar(model, &mut Canvas::new(buf, layout.keys, look, &zones));
    popups::draw(model, &mut Canvas::new(buf, area, look, &zones));
    zones.into_inner()
}

/// The borders between panels can be dragged: the left edge of a row's second panel, and the
/// lower edge of every row but the last.
fn split_zones(layout: &Layout, zones: &mut Zones) {
    let boxed: Vec<_> = layout.spots.iter().filter(|s| s.form == Form::Boxed).collect();
    let lowest = boxed.iter().map(|s| s.area.bottom()).max().unwrap_or(0);
    for spot in &boxed {
        let area = spot.area;
        if area.bottom() < lowest {
            let edge = Rect { y: area.bottom() - 1, height: 1, ..area };
            zones.add(edge, Hit::RowSplit(spot.row));
        }
        let left = boxed.iter().any(|s| s.row == spot.row && s.area.right() == area.x);
        if left && boxed.iter().filter(|s| s.row == spot.row).count() == 2 {
            let inner = area.height.saturating_sub(2);
            let edge = Rect { x: area.x, y: area.y + 1, width: 1, height: inner };
            zones.add(edge, Hit::ColumnSplit(spot.row));
        }
    }
}

/// The run's state in a glyph, a word and a colour.
fn state(model: &Model) -> (&'static str, &'static str, Role) {
    let g = model.look.glyphs;
    match model.snapshot.state {
        _ if !model.live => (g.queued, "starting", Role::Dim),
        _ if model.frozen.is_some() => (g.paused, "FROZEN", Role::Paused),
        RunState::Running if model.has_ended() => (g.ended, "ended", Role::Strong),
        RunState::Running => (g.running, "running", Role::Run),
        RunState::Paused => (g.paused, "PAUSED", Role::Paused),
        RunState::Ending(StopHow::Drain) => (g.running, "draining", Role::Warn),
        RunState::Ending(StopHow::Stop) => (g.ended, "stopping", Role::Stopping),
        RunState::Ending(StopHow::Kill) => (g.ended, "killing", Role::Stopping),
        RunState::Ended { outcome: RunOutcome::Succeeded, .. } => (g.done, "done", Role::Good),
        RunState::Ended { outcome: RunOutcome::Failed, .. } => (g.failed, "failed", Role::Bad),
        RunState::Ended { outcome: RunOutcome::Stopped, .. } => (g.ended, "stopped", Role::Bad),
    }
}

fn header(model: &Model, canvas: &mut Canvas<'_>) {
    let rows = canvas.height();
    identity(model, canvas);
    match rows {
        0 | 1 => {}
        2 => progress_with_counts(model, &mut canvas.part(0, 1, u16::MAX, 1)),
        _ => {
            narrow_progress(model, &mut canvas.part(0, 1, u16::MAX, 1));
            narrow_counts(model, &mut canvas.part(0, 2, u16::MAX, 1));
        }
    }
}

/// First line: which run, how it is, for how long, how long still, on how many workers.
fn identity(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let (glyph, word, role) = state(model);
    let status = [
        // Words of different length must not move the clock.
        (format!("{glyph} {word:<8} "), role),
        (format!("{:>7}", format::long_clock(model.elapsed_ms())), Role::Strong),
    ];
    let past_ms = model.now.mono.since(model.snapshot.at.mono).as_millis() as u64;
    let eta = match (model.snapshot.eta_ms, model.has_ended()) {
        (_, true) => String::new(),
        (Some(ms), false) if ms >= past_ms + 500 && !all_hang(model) => {
            format!("   ETA {:>7}", format::long_clock(ms - past_ms))
        }
        // Also when it should have ended by now: something takes longer than others did.
        (_, false) => "   ETA -:--:--".to_owned(),
    };
    let status_width = spans_width(&status) + if width >= 60 { eta.len() as u16 } else { 0 };
    let mut x = 1;
    if width >= 100 {
        x = canvas.put(x, 0, "ganger", Role::Dim) + 2;
    }
    let size = super::panels::size_text(model);
    let size_cells = unicode_width::UnicodeWidthStr::width(size.as_str()) as u16;
    let name_cells = width.saturating_sub(x + status_width + 3).min(28);
    let end = canvas.put_cut(x, 0, name_cells, &model.info.name, Role::Strong);
    let mut at = end + 2;
    if model.info.run != model.info.name {
        // The reason for the number of workers says more than the run's id.
        let room = width.saturating_sub(at + status_width + size_cells + 8).min(24);
        if room >= 6 {
            at = canvas.put_cut(at, 0, room, &model.info.run, Role::Dim) + 2;
        }
    }
    if width >= 60 {
        at += 1;
    }
    at = canvas.put_spans(at, 0, &status);
    if width >= 60 {
        at = canvas.put(at, 0, &eta, Role::Dim);
    }
    // The reason for the number of workers: cut rather than left out.
    let room = width.saturating_sub(at + 4);
    if size_cells <= room {
        canvas.put_right(width.saturating_sub(1), 0, &size, Role::Dim);
    } else if room >= 10 {
        canvas.put_cut(at + 3, 0, room, &size, Role::Dim);
    }
}

/// Everything that runs is hung: the rate of the past says nothing about the end.
fn all_hang(model: &Model) -> bool {
    let mut busy = model.snapshot.workers.iter().filter(|w| w.work.is_some()).peekable();
    busy.peek().is_some() && busy.all(|w| w.state == crate::model::WorkerState::Quiet)
}

fn digits(n: u32) -> usize {
    n.max(1).ilog10() as usize + 1
}

fn percent_done(model: &Model) -> f32 {
    let counts = &model.snapshot.counts;
    if counts.total == 0 { 0.0 } else { counts.ended() as f32 / counts.total as f32 * 100.0 }
}

/// Rounded down: 100 % means that nothing is left.
fn percent_text(model: &Model) -> String {
    format!("{:>4}", format!("{}%", percent_done(model).floor()))
}

fn bar(model: &Model, canvas: &mut Canvas<'_>, x: u16, width: u16) {
    let counts = &model.snapshot.counts;
    let total = counts.total.max(1) as f32;
    let full = canvas.glyphs().bar_full;
    let running = match canvas.glyphs().set {
        super::glyphs::GlyphSet::Ascii => ">",
        _ => "▒",
    };
    let failed = match canvas.glyphs().set {
        super::glyphs::GlyphSet::Ascii => "x",
        _ => "▓",
    };
    let bad = counts.bad() + counts.cancelled + counts.skipped;
    graph::shares(
        canvas,
        x,
        0,
        width,
        &[
            (counts.good() as f32 / total, full, Role::BarDone),
            (bad as f32 / total, failed, Role::BarFailed),
            (counts.running as f32 / total, running, Role::BarRunning),
        ],
    );
}

/// The counts as number, word and colour, those that matter first; what is zero and rare is
/// left out.
fn counts(model: &Model) -> Vec<(u32, &'static str, &'static str, Role)> {
    let c = &model.snapshot.counts;
    let g = model.look.glyphs;
    let quiet = |n: u32, role| if n == 0 { Role::Dim } else { role };
    let mut all = vec![
        (c.good(), "done", g.done, quiet(c.good(), Role::Good)),
        (c.bad(), "failed", g.failed, quiet(c.bad(), Role::Bad)),
        (c.running, "running", g.running, quiet(c.running, Role::Run)),
        (c.waiting(), "queued", g.queued, quiet(c.waiting(), Role::Text)),
    ];
    for (n, word, glyph, role) in [
        (c.skipped, "skipped", "-", Role::Warn),
        (c.cancelled, "cancelled", g.ended, Role::Warn),
        (c.retries, "retries", g.retried, Role::Warn),
    ] {
        if n > 0 {
            all.push((n, word, glyph, role));
        }
    }
    all
}

fn total_text(model: &Model) -> String {
    let c = &model.snapshot.counts;
    let open = if c.tasks_unread > 0 { "+?" } else { "" };
    format!("of {}{open}", format::grouped(u64::from(c.total)))
}

/// Second line: the bar, then every count in a field as wide as it can ever need.
fn progress_with_counts(model: &Model, canvas: &mut Canvas<'_>) {
    const LEAST_BAR: usize = 8;
    let width = usize::from(canvas.width());
    let total = &model.snapshot.counts.total;
    let field = digits(*total);
    let mut spans: Vec<Span> = vec![
        (format!(" {}", percent_text(model)), Role::Strong),
        (format!(" {}", total_text(model)), Role::Text),
    ];
    let rate = format!("  {:>6}", format::rate(model.snapshot.rate_per_s));
    for (n, word, _, role) in counts(model) {
        let (word, field) = match word {
            "running" if width < 100 => ("run", field.min(3)),
            "running" => (word, field.min(4)),
            _ => (word, field),
        };
        let text = format!("  {n:>field$} {word}");
        let after = usize::from(spans_width(&spans)) + text.len() + rate.len() + LEAST_BAR + 2;
        if after <= width {
            spans.push((text, role));
        }
    }
    spans.push((rate, Role::Dim));
    let bar_width = canvas.width().saturating_sub(2 + spans_width(&spans));
    bar(model, canvas, 1, bar_width);
    canvas.put_spans(1 + bar_width, 0, &spans);
}

fn narrow_progress(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let text = format!("{} {}", percent_text(model), total_text(model));
    let bar_width = width.saturating_sub(3 + text.len() as u16);
    bar(model, canvas, 1, bar_width);
    canvas.put(1 + bar_width, 0, &text, Role::Strong);
}

fn narrow_counts(model: &Model, canvas: &mut Canvas<'_>) {
    let mut x = 1;
    let words = canvas.width() >= 56;
    for (n, word, glyph, role) in counts(model) {
        let n = format::short_count(u64::from(n));
        let text = if words { format!("{n} {word}") } else { format!("{glyph}{n}") };
        if usize::from(x) + text.chars().count() < usize::from(canvas.width()) {
            x = canvas.put(x, 0, &text, role) + 2;
        }
    }
    if let (Some(ms), false) = (model.snapshot.eta_ms, model.has_ended()) {
        let text = format!("ETA {}", format::clock(ms));
        let end = canvas.width().saturating_sub(1);
        if x as usize + text.len() < usize::from(end) {
            canvas.put_right(end, 0, &text, Role::Dim);
        }
    }
}

fn notice(model: &Model, canvas: &mut Canvas<'_>) {
    let Some(newest) = model.snapshot.notices.last() else { return };
    if canvas.height() == 0 {
        return;
    }
    let warning = canvas.glyphs().warning;
    let end = canvas.put(1, 0, warning, Role::Warn);
    let n = model.snapshot.notices.len();
    let more = if n > 1 { format!(" (1 of {n})") } else { String::new() };
    let room = canvas.width().saturating_sub(end + 2 + more.len() as u16);
    let end = canvas.put_cut(end + 1, 0, room, newest, Role::Warn);
    canvas.put(end, 0, &more, Role::Dim);
}

/// A panel with its border, title and keys, or its lines.
fn panel(model: &Model, spot: &Spot, canvas: &mut Canvas<'_>) {
    let panel = PANELS[spot.panel];
    canvas.zone_all(Hit::Panel(spot.panel));
    if spot.form == Form::Lines {
        panel.draw_lines(model, canvas);
        return;
    }
    let focused = model.focus == spot.panel;
    let (width, height) = (canvas.width(), canvas.height());
    let (border, title) = match focused {
        true => (Role::BorderFocus, Role::TitleFocus),
        false => (Role::Border, Role::Title),
    };
    canvas.frame(border);
    let room = width.saturating_sub(4);
    let mut spans =
        vec![(format!(" {} ", spot.panel + 1), Role::Key), (format!("{} ", panel.name()), title)];
    let mut status = panel.status(model);
    if !status.is_empty() {
        spans.push((canvas.glyphs().corners[4].to_owned(), border));
        spans.push((" ".to_owned(), border));
        status.push((" ".to_owned(), border));
        spans.extend(status);
    }
    let end = 2 + put_fitting(canvas, 2, 0, room, &spans);
    if focused {
        hints(canvas, panel.hints(), end, border);
    }
    let mut foot = panel.foot(model, room.saturating_sub(2));
    if !foot.is_empty() && height >= 2 {
        foot.insert(0, (" ".to_owned(), border));
        foot.push((" ".to_owned(), border));
        let cells = spans_width(&foot);
        if cells <= room {
            canvas.put_spans(2, height - 1, &foot);
        }
    }
    let mut inside = canvas.part(1, 1, width.saturating_sub(2), height.saturating_sub(2));
    if inside.width() > 0 && inside.height() > 0 {
        panel.draw(model, &mut inside, focused);
    }
}

/// Puts pieces, the last one cut, and returns the cells taken.
fn put_fitting(canvas: &mut Canvas<'_>, x: u16, y: u16, room: u16, spans: &[Span]) -> u16 {
    let mut at = 0;
    for (text, role) in spans {
        at = canvas.put_cut(x + at, y, room.saturating_sub(at), text, *role).saturating_sub(x);
        if at >= room {
            break;
        }
    }
    at
}

/// The keys of a panel at the right of its upper border: the key itself stands out. A click on
/// them is the key.
fn hints(canvas: &mut Canvas<'_>, hints: &[(Act, &'static str)], end: u16, border: Role) {
    let cells = |hint: &str| hint.width() as u16 + if hint.contains(' ') { 2 } else { 1 };
    let all: u16 = hints.iter().map(|(_, hint)| cells(hint)).sum();
    let width = canvas.width();
    if hints.is_empty() || end + all + 3 >= width {
        return;
    }
    let mut x = width - all - 2;
    for (act, hint) in hints {
        canvas.zone(x, 0, cells(hint), 1, Hit::Act(*act));
        let (key, word) = hint.split_once(' ').unwrap_or((hint, ""));
        let at = canvas.put(x, 0, " ", border);
        let at = canvas.put(at, 0, key, Role::Key);
        if !word.is_empty() {
            canvas.put(at, 0, &format!(" {word} "), Role::KeyText);
        }
        x += cells(hint);
    }
}

/// The bottom line: keys, what became of the last act, or how the run ended.
fn key_bar(model: &Model, canvas: &mut Canvas<'_>) {
    if canvas.height() == 0 {
        return;
    }
    if model.has_ended() && model.feedback.is_none() {
        end_banner(model, canvas);
        return;
    }
    let width = canvas.width();
    let Some(feedback) = &model.feedback else { return keys(canvas, width) };
    let g = canvas.glyphs();
    let (mark, role, word) = match feedback.kind {
        FeedbackKind::Sent => (g.queued, Role::Warn, " (sent)"),
        FeedbackKind::Done => (g.done, Role::Good, ""),
        FeedbackKind::Refused => (g.failed, Role::Bad, ""),
    };
    let text = format!("  {mark} {}{word} ", feedback.text);
    // How to leave stays in sight, whatever there is to say.
    let cells = (text.width() as u16).min(width.saturating_sub(LEAVE_CELLS));
    keys(canvas, width - cells);
    canvas.part(width - cells, 0, cells, 1).put_cut(0, 0, cells, &text, role);
}

/// Cells of the hint that says how to leave.
const LEAVE_CELLS: u16 = 8;

/// Key hints, as many as have room; each can be clicked.
fn keys(canvas: &mut Canvas<'_>, width: u16) {
    let bars: Vec<_> =
        KEYMAP.iter().filter_map(|b| b.bar.split_once('|').map(|(k, w)| (b.act, k, w))).collect();
    let cells = |(_, key, word): &(Act, &str, &str)| (key.len() + word.len() + 3) as u16;
    // How to leave is always there; the others as far as they fit.
    let leave = bars.last().map_or(0, cells);
    let mut x = 1;
    for (i, bar) in bars.iter().enumerate() {
        let is_last = i + 1 == bars.len();
        if !is_last && x + cells(bar) + leave > width + 2 {
            continue;
        }
        let (act, key, word) = bar;
        canvas.zone(x, 0, cells(bar), 1, Hit::Act(*act));
        let end = canvas.put(x, 0, key, Role::Key);
        x = canvas.put(end + 1, 0, word, Role::KeyText) + 2;
    }
}

fn end_banner(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let c = &model.snapshot.counts;
    let code = model.exit_code().unwrap_or(0);
    let trouble = model.bye.as_ref().and_then(|b| b.trouble.as_deref());
    let good = code == 0 && trouble.is_none();
    let role = if good { Role::BannerGood } else { Role::BannerBad };
    let style = canvas.look.style(role);
    canvas.repeat(0, 0, width, " ", style);
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
    let dot = canvas.glyphs().dot;
    let mut text = format!("{word}: {}", parts.join(", "));
    let took = format!(" in {} {dot} exit {code}", format::long_clock(model.elapsed_ms()));
    let leave = if width >= 100 { "4 failures  Enter output  q leave " } else { "q leave " };
    if text.chars().count() + took.chars().count() + leave.len() + 2 <= usize::from(width) {
        text.push_str(&took);
    }
    if let Some(trouble) = trouble {
        text = format!("{trouble} {dot} {text}");
    }
    let room = width.saturating_sub(leave.len() as u16 + 2);
    canvas.put_cut(1, 0, room, &text, role);
    canvas.put_right(width, 0, leave, role);
}
