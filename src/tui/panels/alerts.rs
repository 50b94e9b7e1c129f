//! What to look at: alerts with numbers and what to do about them, then the jobs that did not
//! end well, newest first, each with its last words.

use super::workers::mark;
use super::{Panel, put_label, scroll_bar};
use crate::model::limits::SNAPSHOT_FAILURES;
use crate::model::{Alert, AlertKind, AlertLevel, AttemptId, FailureView, JobNo, PoolIdx, TaskIdx};
use crate::tui::canvas::{Canvas, Span};
use crate::tui::glyphs::Glyphs;
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Phase, Selection};
use crate::tui::theme::Role;
use crate::tui::zones::Hit;
use crate::tui::{format, panels};
use unicode_width::UnicodeWidthStr;

/// The panel.
pub struct Alerts;

/// What tells one alert from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertId {
    kind: AlertKind,
    job: Option<JobNo>,
    task: Option<TaskIdx>,
    pool: Option<PoolIdx>,
}

impl AlertId {
    fn of(alert: &Alert) -> AlertId {
        let Alert { kind, job, task, pool, .. } = *alert;
        AlertId { kind, job, task, pool }
    }
}

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
        rows(model).clamp(1, 8) as u16
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        foot(model, width)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[(Act::Retry, "r retry"), (Act::KillMenu, "K kill"), (Act::Open, "Enter output")]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        draw(model, canvas, focused);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        let running = |job: JobNo| {
            let now = model.snapshot.workers.iter().filter_map(|w| Some((w, w.work.as_ref()?)));
            let (worker, work) = now.clone().find(|(_, work)| work.attempt.job == job)?;
            Some(model.selection_of(worker, work))
        };
        if let Some(alert) = selected_alert(model) {
            return running(alert.job?);
        }
        let failure = model.selected_failure()?;
        // It may have been retried and run again by now.
        running(failure.job).or_else(|| {
            let n = failure.attempts.max(1);
            Some(Selection {
                job: failure.job,
                label: model.failure_label(failure),
                attempt: Some(AttemptId { job: failure.job, n }),
                proc: None,
                since: failure.at,
                phase: Phase::Bad,
            })
        })
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        model.failures.step(by, rows(model));
        choose(model);
        true
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        model.failures.at = row.min(rows(model).saturating_sub(1));
        choose(model);
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        model.failures.scroll_to(share, rows(model), model.rows_of(super::ALERTS));
        choose(model);
    }

    fn settle(&self, model: &mut Model, height: usize) {
        model.failures.settle(rows(model), height);
    }
}

fn rows(model: &Model) -> usize {
    model.snapshot.alerts.len() + model.snapshot.failures.len()
}

fn selected_alert(model: &Model) -> Option<&Alert> {
    let selected = model.alert?;
    model.snapshot.alerts.iter().find(|alert| AlertId::of(alert) == selected)
}

/// The row that the list stands on is what acts mean.
fn choose(model: &mut Model) {
    point(model);
    if model.alert.is_some() || model.failure.is_some() {
        model.source = super::ALERTS;
        model.turn_output(true);
    }
}

fn point(model: &mut Model) {
    let n_alerts = model.snapshot.alerts.len();
    let at = model.failures.at;
    model.alert = model.snapshot.alerts.get(at).map(AlertId::of);
    let failure = at.checked_sub(n_alerts).and_then(|at| model.snapshot.failures.get(at));
    model.failure = failure.map(|failure| failure.job);
}

/// What was selected stays selected while it is there. Until somebody chooses, it is the first
/// that acts can be about: a job in trouble, else the newest failure.
pub fn keep_alert(model: &mut Model) {
    let alerts = &model.snapshot.alerts;
    let failures = &model.snapshot.failures;
    let chosen = model.source == panels::ALERTS || model.focus == panels::ALERTS;
    let of_alert = alerts.iter().position(|alert| Some(AlertId::of(alert)) == model.alert);
    let of_failure = failures.iter().position(|failure| Some(failure.job) == model.failure);
    let of_job = alerts.iter().position(|alert| alert.job.is_some());
    let newest = (!failures.is_empty()).then_some(alerts.len());
    model.failures.at = match (chosen, of_alert.or(of_failure.map(|at| at + alerts.len()))) {
        (true, Some(at)) => at,
        (true, None) if model.alert.is_some() || model.failure.is_some() => {
            model.failures.at.min(rows(model).saturating_sub(1))
        }
        _ => of_job.or(newest).unwrap_or(0),
    };
    point(model);
}

/// Shape and role of a level.
pub fn alert_mark(glyphs: &Glyphs, level: AlertLevel) -> (&'static str, Role) {
    match level {
        AlertLevel::Critical => (glyphs.warning, Role::AlertCritical),
        AlertLevel::Warning => (glyphs.warning, Role::AlertWarn),
        AlertLevel::Advice => (glyphs.dot, Role::AlertInfo),
    }
}

/// The word of a level.
pub fn alert_word(level: AlertLevel) -> &'static str {
    match level {
        AlertLevel::Critical => "CRITICAL",
        AlertLevel::Warning => "warning",
        AlertLevel::Advice => "advice",
    }
}

fn status(model: &Model) -> Vec<Span> {
    let counts = &model.snapshot.counts;
    let of = |level| model.snapshot.alerts.iter().filter(|a| a.level == level).count() as u64;
    let (warnings, n_advice) = (of(AlertLevel::Warning), of(AlertLevel::Advice));
    let parts = [
        (of(AlertLevel::Critical), "critical", Role::AlertCritical),
        (warnings, if warnings == 1 { "warning" } else { "warnings" }, Role::AlertWarn),
        (n_advice, "advice", Role::AlertInfo),
        (u64::from(counts.bad()), "failed", Role::Bad),
        (u64::from(counts.cancelled), "cancelled", Role::Warn),
    ];
    let mut spans = Vec::new();
    for (n, word, role) in parts {
        if n > 0 {
            let blank = if spans.is_empty() { "" } else { "  " };
            spans.push((format!("{blank}{} {word}", format::grouped(n)), role));
        }
    }
    spans
}

/// What to do about the alert that is selected, or how many failures are in the list: it holds
/// the newest.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    if let Some(alert) = selected_alert(model) {
        let hint = format!("{} {}", model.look.glyphs.arrow, hint_here(model, alert));
        return if hint.width() <= usize::from(width) {
            vec![(hint, Role::KeyText)]
        } else {
            Vec::new()
        };
    }
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
    let (alerts, failures) = (&model.snapshot.alerts, &model.snapshot.failures);
    if alerts.is_empty() && failures.is_empty() {
        let good = model.snapshot.counts.good();
        let text = match good {
            0 => "nothing to look at".to_owned(),
            n => {
                format!("nothing to look at, {} succeeded", format::grouped(u64::from(n)))
            }
        };
        canvas.put_cut(1, 0, u16::MAX, &text, Role::Dim);
        return;
    }
    for y in 0..usize::from(height) {
        let at = model.failures.offset + y;
        if at >= rows(model) {
            break;
        }
        let mut row = canvas.part(0, y as u16, width, 1);
        row.zone_all(Hit::Row { panel: super::ALERTS, row: at });
        if at == model.failures.at {
            mark(&mut row, focused);
        }
        match (alerts.get(at), at.checked_sub(alerts.len()).and_then(|at| failures.get(at))) {
            (Some(alert), _) => draw_alert(model, &mut row, alert),
            (None, Some(failure)) => draw_failure(model, &mut row, failure),
            (None, None) => {}
        }
    }
    scroll_bar(canvas, super::ALERTS, model.failures.offset, rows(model));
}

/// What to do about an alert on the screen: with keys, where the hint names a command.
fn hint_here(model: &Model, alert: &Alert) -> String {
    if !matches!(alert.kind, AlertKind::HungJob | AlertKind::SlowJob) {
        return alert.hint.clone();
    }
    let key = |act| model.keymap.key_of(act);
    let (output, details, kill) = (key(Act::Open), key(Act::Details), key(Act::KillMenu));
    let waits = match alert.kind {
        AlertKind::HungJob => format!("{} what it waits for, ", key(Act::Waits)),
        _ => String::new(),
    };
    // Keys mean what is selected in the panel that acts are about.
    let first = if model.source == super::ALERTS { "" } else { "4, then " };
    format!("{first}{output} shows what it said, {waits}{details} more about it, {kill} ends it.")
}

/// How bad, what with numbers, since when, and where there is room what to do.
fn draw_alert(model: &Model, row: &mut Canvas<'_>, alert: &Alert) {
    let width = row.width();
    let (glyph, role) = alert_mark(row.glyphs(), alert.level);
    row.put(2, 0, glyph, role);
    let mut x = 4;
    if width >= 56 {
        row.put(x, 0, alert_word(alert.level), role);
        x += 9;
    }
    let mut end = width;
    if width >= 60 {
        end = width.saturating_sub(6);
        row.put_right(width - 1, 0, &format::age(model.ms_since(alert.since)), Role::Dim);
    }
    let text_role = if alert.level == AlertLevel::Advice { Role::Text } else { role };
    let at = row.put_cut(x, 0, end.saturating_sub(x), &alert.text, text_role);
    let room = end.saturating_sub(at + 2);
    let hint = format!("{} {}", row.glyphs().arrow, hint_here(model, alert));
    if hint.width() <= usize::from(room) {
        row.put_cut(at + 2, 0, room, &hint, Role::Dim);
    }
}

fn draw_failure(model: &Model, row: &mut Canvas<'_>, failure: &FailureView) {
    let width = row.width();
    let cancelled = failure.outcome == "cancelled";
    let (mark, role) = match cancelled {
        true => (row.glyphs().ended, Role::Warn),
        false => (row.glyphs().failed, Role::Bad),
    };
    row.put(2, 0, mark, role);
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
    row.put_cut(x, 0, outcome_cells, &outcome_text(&failure.outcome), role);
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
