//! The first lines: which run, how it is, how far it is.

use super::canvas::{Canvas, Span, spans_width};
use super::model::Model;
use super::theme::Role;
use super::{format, glyphs, graph};
use crate::model::{RunOutcome, RunState, StopHow};
use unicode_width::UnicodeWidthStr;

/// Draws the lines, as many as there are.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let rows = canvas.height();
    identity(model, canvas);
    if model.observes() {
        for y in 1..rows.min(2) {
            tree_line(model, &mut canvas.part(0, y, u16::MAX, 1));
        }
        return;
    }
    match rows {
        0 | 1 => {}
        2 => progress_with_counts(model, &mut canvas.part(0, 1, u16::MAX, 1)),
        _ => {
            narrow_progress(model, &mut canvas.part(0, 1, u16::MAX, 1));
            narrow_counts(model, &mut canvas.part(0, 2, u16::MAX, 1));
        }
    }
}

/// Of a tree that is no run: how many processes, what they wait for, and whether they ever go on.
fn tree_line(model: &Model, canvas: &mut Canvas<'_>) {
    let xray = model.snapshot.xray.clone().unwrap_or_default();
    let (word, role) = super::panels::verdict_word(xray.verdict);
    let n = model.snapshot.workers.len() as u64;
    let processes = if n == 1 { "1 process".to_owned() } else { format!("{n} processes") };
    let mut spans = vec![(processes, Role::Strong)];
    if xray.threads > 0 {
        let threads = format::plural(u64::from(xray.threads), "thread");
        spans.push((format!(", {threads}, {} wait   ", xray.waiting), Role::Dim));
        spans.push((word.to_owned(), role));
    }
    canvas.put_spans(1, 0, &spans);
}

/// The run's state in a glyph, a word and a colour.
fn state(model: &Model) -> (&'static str, &'static str, Role) {
    let g = model.look.glyphs;
    match model.snapshot.state {
        _ if !model.live => (g.queued, "starting", Role::Dim),
        _ if model.frozen.is_some() => (g.paused, "FROZEN", Role::Paused),
        RunState::Ended { .. } if model.observes() => (g.ended, "ended", Role::Strong),
        _ if model.observes() => (g.running, "watched", Role::Run),
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
        _ if model.observes() => String::new(),
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
    let size_cells = size.width() as u16;
    let name_cells = width.saturating_sub(x + status_width + 3).min(28);
    let end = canvas.put_cut(x, 0, name_cells, &model.info.name, Role::Strong);
    let mut at = end + 2;
    if model.info.run != model.info.name {
        // Commands name the run by its id: where room is scarce the reason for the number of
        // workers goes first, but not the number.
        let n_workers = size.split(':').next().unwrap_or_default().width() as u16;
        let room = width.saturating_sub(at + status_width + n_workers + 7).min(24);
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
    } else if room >= 20 {
        canvas.put_cut(at + 3, 0, room, &size, Role::Dim);
    } else if room >= 10 {
        let n_workers = size.split(':').next().unwrap_or_default();
        canvas.put_cut(at + 3, 0, room, n_workers, Role::Dim);
    }
}

/// Everything that runs is hung: the rate of the past says nothing about the end.
fn all_hang(model: &Model) -> bool {
    let mut busy = model.snapshot.workers.iter().filter(|w| w.work.is_some()).peekable();
    busy.peek().is_some() && busy.all(|w| w.state == crate::model::WorkerState::Quiet)
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
    let (running, failed) = match canvas.glyphs().set {
        glyphs::GlyphSet::Ascii => (">", "x"),
        _ => ("▒", "▓"),
    };
    let bad = counts.bad().saturating_add(counts.cancelled).saturating_add(counts.skipped);
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

/// A count of the header.
struct Count {
    n: u32,
    word: &'static str,
    glyph: &'static str,
    role: Role,
    /// The lower, the sooner it is there when room is scarce.
    rank: u8,
}

/// The counts in the order they are shown; what is zero and rare, or zero for ever, is left out.
fn counts(model: &Model) -> Vec<Count> {
    let c = &model.snapshot.counts;
    let g = model.look.glyphs;
    let goes_on = !model.has_ended();
    let retries = if c.retries == 1 { "retry" } else { "retries" };
    let all = [
        (c.good(), "done", g.done, Role::Good, 0, true),
        (c.bad(), "failed", g.failed, Role::Bad, if c.bad() > 0 { 1 } else { 7 }, true),
        (c.running, "running", g.running, Role::Run, 2, goes_on),
        (c.waiting(), "queued", g.queued, Role::Text, 3, goes_on),
        (c.cancelled, "cancelled", g.ended, Role::Warn, 4, c.cancelled > 0),
        (c.skipped, "skipped", "-", Role::Warn, 5, c.skipped > 0),
        (c.retries, retries, g.retried, Role::Warn, 6, c.retries > 0),
    ];
    all.into_iter()
        .filter(|count| count.5)
        .map(|(n, word, glyph, role, rank, _)| {
            let role = if n == 0 { Role::Dim } else { role };
            Count { n, word, glyph, role, rank }
        })
        .collect()
}

fn total_text(model: &Model) -> String {
    let c = &model.snapshot.counts;
    let open = if c.tasks_unread > 0 { "+?" } else { "" };
    format!("of {}{open}", format::grouped(u64::from(c.total)))
}

/// Second line: the bar, then every count in a field as wide as it can ever need.
fn progress_with_counts(model: &Model, canvas: &mut Canvas<'_>) {
    const LEAST_BAR: u16 = 8;
    let width = canvas.width();
    let field = format::grouped(u64::from(model.snapshot.counts.total)).len();
    let fixed: [Span; 2] = [
        (format!(" {}", percent_text(model)), Role::Strong),
        (format!(" {}", total_text(model)), Role::Text),
    ];
    let mut parts: Vec<(u8, Span)> = counts(model)
        .into_iter()
        .map(|count| {
            let (word, field) = match count.word {
                // Nobody has as many workers as jobs.
                "running" if width < 100 => ("run", field.min(3)),
                "running" => ("running", field.min(5)),
                "retry" => ("retry  ", field),
                word => (word, field),
            };
            let n = format::grouped(u64::from(count.n));
            (count.rank, (format!("  {n:>field$} {word}"), count.role))
        })
        .collect();
    if !model.has_ended() {
        let rate = format!("  {:>6}", format::rate(model.snapshot.rate_per_s));
        // A rate says more than that nothing has failed.
        parts.push((6, (rate, Role::Dim)));
    }
    let room = width.saturating_sub(2 + spans_width(&fixed) + LEAST_BAR);
    while parts.iter().map(|(_, span)| span.0.width() as u16).sum::<u16>() > room {
        let last = parts.iter().map(|(rank, _)| *rank).max();
        let Some(at) = parts.iter().rposition(|(rank, _)| Some(*rank) == last) else { break };
        parts.remove(at);
    }
    let mut spans = fixed.to_vec();
    spans.extend(parts.into_iter().map(|(_, span)| span));
    let bar_width = width.saturating_sub(2 + spans_width(&spans));
    bar(model, canvas, 1, bar_width);
    canvas.put_spans(1 + bar_width, 0, &spans);
}

fn narrow_progress(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let text = format!(" {} {}", percent_text(model), total_text(model));
    let bar_width = width.saturating_sub(2 + text.len() as u16);
    bar(model, canvas, 1, bar_width);
    canvas.put(1 + bar_width, 0, &text, Role::Strong);
}

fn narrow_counts(model: &Model, canvas: &mut Canvas<'_>) {
    let mut x = 1;
    let words = canvas.width() >= 56;
    for count in counts(model) {
        let n = format::short_count(u64::from(count.n));
        let text =
            if words { format!("{n} {}", count.word) } else { format!("{}{n}", count.glyph) };
        if x + (text.width() as u16) < canvas.width() {
            x = canvas.put(x, 0, &text, count.role) + 2;
        }
    }
    if let (Some(ms), false) = (model.snapshot.eta_ms, model.has_ended()) {
        let text = format!("ETA {}", format::clock(ms));
        let end = canvas.width().saturating_sub(1);
        if x + (text.len() as u16) < end {
            canvas.put_right(end, 0, &text, Role::Dim);
        }
    }
}
