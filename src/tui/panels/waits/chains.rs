//! Waits in lines: who, for how long, for what, and who could end it.

use super::rows::{Rail, Row};
use super::{held_name, member_name, verdict_word};
use crate::model::waits::report::{Held, Knot, Part, Report, Rule, Verdict, Waiting};
use crate::model::waits::text;
use crate::tui::canvas::{Canvas, Span, spans_width};
use crate::tui::format;
use crate::tui::model::Model;
use crate::tui::panels::WAITS;
use crate::tui::panels::workers::mark;
use crate::tui::theme::Role;
use crate::tui::zones::Hit;

/// Cells of the marker and the rail.
const RAIL: u16 = 4;
/// Cells of how long it has waited.
const AGE: u16 = 6;

/// Draws the rows that are in sight.
pub fn draw(model: &Model, report: &Report, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let waits = &model.waits;
    if waits.rows.is_empty() {
        let text = format!(
            "nothing waits: {} looked at",
            format::plural(u64::from(report.threads), "thread")
        );
        canvas.put_cut(1, 0, u16::MAX, &text, Role::Dim);
        return;
    }
    for y in 0..usize::from(height) {
        let at = waits.list.offset + y;
        let Some(row) = waits.rows.get(at) else { break };
        let mut canvas = canvas.part(0, y as u16, width, 1);
        canvas.zone_all(Hit::Row { panel: WAITS, row: at });
        if at == waits.list.at && waits.selected.is_some() {
            mark(&mut canvas, focused);
        }
        draw_row(model, report, &mut canvas, row);
    }
}

fn draw_row(model: &Model, report: &Report, canvas: &mut Canvas<'_>, row: &Row) {
    match row {
        Row::Gap => {}
        Row::Title(title) => {
            canvas.put(1, 0, title, Role::Heading);
        }
        Row::Head(n) => {
            if let Some(knot) = report.findings.get(*n) {
                draw_head(model, canvas, knot);
            }
        }
        Row::Behind(n) => {
            let text = match n {
                1 => "1 more waits behind".to_owned(),
                n => format!("{n} more wait behind"),
            };
            canvas.put(RAIL, 0, &text, Role::Heading);
        }
        Row::Wait { at, rail } => {
            if let Some(wait) = report.waits.get(*at) {
                draw_rail(canvas, *rail);
                draw_wait(model, canvas, wait, *rail);
            }
        }
        Row::Loose(member) => {
            canvas.put_cut(RAIL + 2, 0, u16::MAX, &member_name(model, member), Role::Text);
        }
        Row::Frame { at, n, rail } => {
            draw_rail(canvas, *rail);
            let frame = n.and_then(|n| report.waits.get(*at)?.frames.get(n));
            let (text, role) = match frame {
                Some(frame) => (text::frame_words(frame), Role::KeyText),
                None => ("its stack is not known".to_owned(), Role::Idle),
            };
            canvas.put_cut(RAIL + 4, 0, u16::MAX, &text, role);
        }
        Row::Hidden(n) => {
            if let Some(hidden) = report.not_visible.get(*n) {
                let text = format!("{} of pid {}: {}", hidden.what, hidden.pid, hidden.why);
                canvas.put_cut(RAIL, 0, u16::MAX, &text, Role::Dim);
            }
        }
    }
}

/// `▲ DEADLOCK  since 0:41  none of these 2 can ever go on`
fn draw_head(model: &Model, canvas: &mut Canvas<'_>, knot: &Knot) {
    let (word, role) = verdict_word(knot.kind);
    let warning = canvas.glyphs().warning;
    let x = canvas.put(1, 0, &format!("{warning} {word}"), role);
    let since = knot
        .since
        .map_or(String::new(), |since| format!("  since {}", format::clock(model.ms_since(since))));
    let x = canvas.put(x, 0, &since, Role::Strong);
    let n = knot.core.len();
    let meaning = match (knot.kind, n) {
        (Verdict::Deadlock, 1) => "it waits for itself and can never go on".to_owned(),
        (Verdict::Deadlock, n) => format!("none of these {n} can ever go on"),
        (Verdict::Abandoned, _) => "what is waited for belonged to somebody who is gone".to_owned(),
        _ => "nothing that can be seen ends this".to_owned(),
    };
    canvas.put_cut(x + 2, 0, u16::MAX, &meaning, Role::Text);
}

fn draw_rail(canvas: &mut Canvas<'_>, rail: Rail) {
    let [top_left, _, low_left, _, across, down] = canvas.glyphs().corners;
    let arrow = canvas.glyphs().marker;
    let role = Role::AlertCritical;
    let style = ratatui::style::Style { bg: None, ..canvas.look.style(role) };
    let shape = match rail {
        Rail::None | Rail::Behind => return,
        Rail::Alone => format!(" {arrow}"),
        Rail::Top => format!("{top_left}{arrow}"),
        Rail::Middle => down.to_owned(),
        Rail::Bottom => format!("{low_left}{across}"),
    };
    canvas.put_styled(1, 0, &shape, style);
}

fn draw_wait(model: &Model, canvas: &mut Canvas<'_>, wait: &Waiting, rail: Rail) {
    let width = canvas.width();
    let indent = if rail == Rail::Behind { 2 } else { 0 };
    let x = RAIL + indent;
    let who_cells = (width / 4).clamp(10, 34).saturating_sub(indent);
    let who = member_name(model, &wait.who);
    canvas.put_middle(x, 0, who_cells, &who, Role::Text);
    let mut x = x + who_cells + 1;
    if width >= 60 {
        let age = wait.since.map_or("?".to_owned(), |since| format::age(model.ms_since(since)));
        canvas.put_right(x + AGE - 1, 0, &age, Role::Dim);
        x += AGE;
    }
    let (shape, role) = match wait.finding {
        Some((_, Part::Core)) => (canvas.glyphs().stuck, Role::Bad),
        _ => (canvas.glyphs().waiter, Role::Waiter),
    };
    let mut spans: Vec<Span> =
        vec![(format!("{shape} "), role), (text::thing(&wait.resource), Role::Waiter)];
    spans.extend(by_whom(model, canvas, wait));
    if let Some(place) = text::place(&wait.frames) {
        spans.push((format!("  at {place}"), Role::Dim));
    }
    if let Some(outside) = &wait.outside {
        spans.push((format!("  may be ended by {outside}"), Role::Dim));
    }
    put_cut(canvas, x, &spans);
}

/// Who could end it: ` ← ■ swap:2 6002`, with what is known of them.
fn by_whom(model: &Model, canvas: &Canvas<'_>, wait: &Waiting) -> Vec<Span> {
    let glyphs = canvas.glyphs();
    if wait.timeout {
        return vec![("  ends by itself (timeout)".to_owned(), Role::Dim)];
    }
    if let Some(owner) = wait.last_owner {
        let text = format!(" {} pid {}, which is gone", glyphs.failed, owner.pid);
        return vec![(text, Role::Bad)];
    }
    let arrow = if glyphs.arrow.is_ascii() { " < " } else { " ← " };
    let mut spans = Vec::new();
    let ands = if wait.rule == Rule::All { " + " } else { " | " };
    if let Some(job) = one_other_job(model, wait) {
        let stopped = if wait.holders.iter().any(|held| held.stopped) { " STOPPED" } else { "" };
        let proven = wait.holders.iter().any(|held| held.proven);
        let mark = if proven { glyphs.holder } else { "?" };
        let role = if proven { Role::Holder } else { Role::Dim };
        return vec![(arrow.to_owned(), Role::Dim), (format!("{mark} {job}{stopped}"), role)];
    }
    // That a process shares what it waits for says nothing.
    let others = |held: &&Held| held.proven || held.proc != wait.who.proc;
    let holders: Vec<&Held> = wait.holders.iter().filter(others).collect();
    for (i, held) in holders.iter().take(3).enumerate() {
        let before = if i == 0 { arrow } else { ands };
        spans.push((before.to_owned(), Role::Dim));
        let own = held.proc == wait.who.proc && held.tid == Some(wait.who.tid);
        let mark = if held.proven { glyphs.holder } else { "?" };
        let name = if own { "itself".to_owned() } else { held_name(model, held) };
        let stopped = if held.stopped { " STOPPED" } else { "" };
        let role = if held.proven { Role::Holder } else { Role::Dim };
        spans.push((format!("{mark} {name}{stopped}"), role));
    }
    if holders.len() > 3 {
        spans.push((format!(" and {} more", holders.len() - 3), Role::Dim));
    }
    if wait.holders.is_empty() && wait.finding.is_some() {
        spans.push((format!("{arrow}nobody"), Role::Bad));
    }
    spans
}

/// The name of the job that all holders are of: which of its processes has it says little.
fn one_other_job(model: &Model, wait: &Waiting) -> Option<String> {
    let [first, rest @ ..] = wait.holders.as_slice() else { return None };
    let attempt = first.attempt.filter(|attempt| Some(*attempt) != wait.who.attempt)?;
    if model.observes() {
        return None;
    }
    let same = rest.iter().all(|held| held.attempt == Some(attempt));
    let (_, work) = model.work_of(attempt).filter(|_| same && !rest.is_empty())?;
    Some(model.job_name(work.task, work.index))
}

/// Puts pieces, the last that fits cut.
fn put_cut(canvas: &mut Canvas<'_>, mut x: u16, spans: &[Span]) {
    let width = canvas.width();
    for (text, role) in spans {
        let room = width.saturating_sub(x);
        if room == 0 {
            return;
        }
        let cells = spans_width(&[(text.clone(), *role)]);
        x = canvas.put_cut(x, 0, room, text, *role);
        if cells > room {
            return;
        }
    }
}
