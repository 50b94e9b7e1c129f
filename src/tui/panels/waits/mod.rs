//! Who waits for whom: findings as closed rails, who waits behind them, then all other waits; or
//! everything as a matrix. Below, for every worker, what it did each second: where all strips
//! turn, it stopped.

mod chains;
mod matrix;
mod rows;
mod strips;

use super::{Panel, scroll_bar};
use crate::model::query::{Query, Reply};
use crate::model::waits::ThreadRef;
use crate::model::waits::report::{Held, Member, Report, Verdict, Waiting};
use crate::model::waits::text::{self, Show, Words};
use crate::model::{AttemptId, Mono};
use crate::tui::acts;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::list::List;
use crate::tui::model::{Model, Selection};
use crate::tui::sanitize::one_line;
use crate::tui::theme::Role;
use crate::tui::update::Action;
use rows::Row;
use std::time::Duration;

/// The panel.
pub struct WaitsPanel;

/// While the panel is on the screen it asks this often.
const OFTEN: Duration = Duration::from_millis(500);

/// What the panel shows, and where one is in it.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// The last report; `None` before the first, and where there is none to be had.
    report: Option<Report>,
    /// Why there is none.
    why_not: Option<String>,
    waits: bool,
    asked_at: Option<Mono>,
    list: List,
    /// The thread that is selected; it stays so while it waits.
    selected: Option<ThreadRef>,
    /// Its stack is shown below it.
    open: Option<ThreadRef>,
    is_matrix: bool,
    /// Something has waited, or may wait, for others: the workers' table has a column for it.
    pub any: bool,
    rows: Vec<Row>,
}

impl Panel for WaitsPanel {
    fn name(&self) -> &'static str {
        "waits"
    }

    fn min(&self) -> (u16, u16) {
        (30, 4)
    }

    fn priority(&self) -> u8 {
        1
    }

    fn grows(&self) -> bool {
        true
    }

    fn want(&self, model: &Model, _width: u16) -> u16 {
        (model.waits.rows.len() as u16).clamp(4, 40)
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, _width: u16) -> Vec<Span> {
        foot(model)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[
            (Act::Owner, "o owner"),
            (Act::KillMenu, "K kill"),
            (Act::Open, "Enter stack"),
            (Act::Copy, "y copy"),
            (Act::WaitsMatrix, "v matrix"),
        ]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        draw(model, canvas, focused);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        let attempt = selected(model)?.attempt?;
        let (worker, work) = model.work_of(attempt)?;
        Some(model.selection_of(worker, work))
    }

    fn act(&self, model: &mut Model, act: Act, actions: &mut Vec<Action>) -> bool {
        match act {
            Act::Owner => to_owner(model),
            Act::Open => toggle_stack(model),
            Act::Copy => copy(model, actions),
            Act::WaitsMatrix => model.waits.is_matrix = !model.waits.is_matrix,
            Act::Back if model.waits.open.is_some() && model.zoom.is_none() => {
                model.waits.open = None;
            }
            _ => return false,
        }
        true
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        step(model, by);
        true
    }

    fn settle(&self, model: &mut Model, height: usize) {
        rows::settle(model);
        let list = height.saturating_sub(usize::from(strips::rows(model, height as u16)));
        model.waits.list.settle(model.waits.rows.len(), list);
    }

    fn ask(&self, model: &mut Model, actions: &mut Vec<Action>) {
        ask(model, actions);
    }

    fn take(&self, model: &mut Model, _tag: u64, reply: Result<Reply, String>) {
        take(model, reply);
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        if let Some(thread) = model.waits.rows.get(row).and_then(|row| thread_of(model, row)) {
            (model.waits.list.at, model.waits.selected) = (row, Some(thread));
            choose(model);
        }
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let height = model.rows_of(super::WAITS);
        let rows = height.saturating_sub(usize::from(strips::rows(model, height as u16)));
        model.waits.list.scroll_to(share, model.waits.rows.len(), rows);
        model.waits.selected = nearest(model, model.waits.list.at, 1);
    }
}

// ---- the report

/// Asks for the report where it is due: while it is asked for, all waits are looked at often.
pub fn ask(model: &mut Model, actions: &mut Vec<Action>) {
    let now = model.now.mono;
    let due = model.waits.asked_at.is_none_or(|at| now.since(at) >= OFTEN);
    if model.waits.waits || !due || model.frozen.is_some() || model.output.offline || !model.live {
        return;
    }
    if model.has_ended() && model.waits.report.is_some() {
        return;
    }
    (model.waits.waits, model.waits.asked_at) = (true, Some(now));
    acts::ask(model, super::WAITS, 0, Query::Waits, actions);
}

fn take(model: &mut Model, reply: Result<Reply, String>) {
    model.waits.waits = false;
    match reply {
        Ok(Reply::Waits { report: Some(report), .. }) => {
            (model.waits.report, model.waits.why_not) = (Some(clean(*report)), None);
        }
        Ok(Reply::Waits { report: None, why_not }) => {
            model.waits.report = None;
            model.waits.why_not = why_not.as_deref().map(one_line);
        }
        Ok(_) => model.waits.why_not = Some("the supervisor answered something else".to_owned()),
        Err(why) => model.waits.why_not = Some(why),
    }
    rows::settle(model);
}

/// Makes every text of a report safe to draw.
fn clean(mut report: Report) -> Report {
    let clean_member = |member: &mut Member| member.name = one_line(&member.name);
    for knot in &mut report.findings {
        knot.text = one_line(&knot.text);
        knot.core.iter_mut().chain(&mut knot.behind).for_each(clean_member);
    }
    for wait in &mut report.waits {
        clean_member(&mut wait.who);
        wait.text = one_line(&wait.text);
        wait.outside = wait.outside.as_deref().map(one_line);
        wait.resource.name = wait.resource.name.as_deref().map(one_line);
        for held in &mut wait.holders {
            held.name = one_line(&held.name);
        }
    }
    for hidden in &mut report.not_visible {
        (hidden.what, hidden.why) = (one_line(&hidden.what), one_line(&hidden.why));
    }
    report
}

// ---- where one is

fn thread(member: &Member) -> ThreadRef {
    ThreadRef { proc: member.proc, tid: member.tid }
}

fn wait_at(model: &Model, at: usize) -> Option<&Waiting> {
    model.waits.report.as_ref()?.waits.get(at)
}

fn thread_of(model: &Model, row: &Row) -> Option<ThreadRef> {
    match row {
        Row::Wait { at, .. } => wait_at(model, *at).map(|wait| thread(&wait.who)),
        Row::Loose(member) => Some(thread(member)),
        _ => None,
    }
}

fn selected(model: &Model) -> Option<&Member> {
    let selected = model.waits.selected?;
    let mut all = model.waits.report.as_ref()?.waits.iter().map(|wait| &wait.who);
    all.find(|who| thread(who) == selected)
}

fn selected_wait(model: &Model) -> Option<&Waiting> {
    let selected = model.waits.selected?;
    let waits = &model.waits.report.as_ref()?.waits;
    waits.iter().find(|wait| thread(&wait.who) == selected)
}

/// Moves among the rows that are threads; between them others may stand.
fn step(model: &mut Model, by: isize) {
    let at: Vec<usize> = (0..model.waits.rows.len())
        .filter(|row| thread_of(model, &model.waits.rows[*row]).is_some())
        .collect();
    let now = at.iter().position(|row| *row >= model.waits.list.at).unwrap_or(0);
    let to = now.saturating_add_signed(by).min(at.len().saturating_sub(1));
    let Some(row) = at.get(to).copied() else { return };
    model.waits.list.at = row;
    model.waits.selected = thread_of(model, &model.waits.rows[row]);
    choose(model);
}

fn nearest(model: &Model, row: usize, by: isize) -> Option<ThreadRef> {
    let rows = &model.waits.rows;
    let mut from = Some(row);
    while let Some(row) = from.filter(|row| *row < rows.len()) {
        if let Some(thread) = thread_of(model, &rows[row]) {
            return Some(thread);
        }
        from = row.checked_add_signed(by);
    }
    None
}

fn choose(model: &mut Model) {
    if WaitsPanel.selection(model).is_some() {
        model.source = super::WAITS;
        model.turn_output(true);
    }
}

// ---- acts

/// Jumps to who could end the selected wait: to its own wait, else to its worker.
fn to_owner(model: &mut Model) {
    let Some(wait) = selected_wait(model) else {
        return acts::refuse(model, "select a wait first, then go to who could end it");
    };
    if wait.holders.is_empty() {
        let why = match wait.last_owner {
            Some(owner) => format!("its owner (pid {}) is gone", owner.pid),
            None => "nobody is known who could end this wait".to_owned(),
        };
        return acts::refuse(model, &why);
    }
    let holders = wait.holders.clone();
    let waits = model.waits.report.iter().flat_map(|report| &report.waits);
    let of_holder = waits.map(|wait| thread(&wait.who)).find(|who| {
        holders.iter().any(|h| h.proc == who.proc && h.tid.is_none_or(|tid| tid == who.tid))
    });
    if let Some(owner) = of_holder {
        model.waits.selected = Some(owner);
        rows::settle(model);
        return choose(model);
    }
    let attempt = holders.iter().find_map(|held| held.attempt);
    let slot = attempt.and_then(|id| model.work_of(id)).map(|(worker, _)| worker.slot);
    let name = held_name(model, &holders[0]);
    if slot.is_some() {
        model.worker = slot;
        model.turn_to(super::WORKERS);
    }
    acts::say(
        model,
        crate::tui::model::FeedbackKind::Done,
        format!("{name} is not seen to wait for anything"),
    );
}

/// Turns to the first of these threads that waits.
pub fn look_at_waits(model: &mut Model, threads: &[ThreadRef]) {
    model.turn_to(super::WAITS);
    model.waits.is_matrix = false;
    model.waits.selected = threads.first().copied();
    rows::settle(model);
    choose(model);
}

fn toggle_stack(model: &mut Model) {
    let Some(selected) = model.waits.selected else {
        return acts::refuse(model, "nothing is selected");
    };
    model.waits.open = if model.waits.open == Some(selected) { None } else { Some(selected) };
    rows::settle(model);
}

fn copy(model: &mut Model, actions: &mut Vec<Action>) {
    match report_text(model) {
        Some(text) => actions.push(Action::Copy { what: "waits", text }),
        None => acts::refuse(model, "there is no report yet"),
    }
}

/// The report as `ganger why` prints it.
fn report_text(model: &Model) -> Option<String> {
    let report = model.waits.report.as_ref()?;
    let name_of = |attempt: AttemptId| {
        let (_, work) = model.work_of(attempt)?;
        Some(model.job_name(work.task, work.index))
    };
    let words = match model.observes() {
        true => Words::new(report.at),
        false => Words::naming(report.at, &name_of),
    };
    Some(text::drawn(report, &words, Show { stacks: true }))
}

// ---- names

/// `swap:1 6001`, `python 812`, `worker 812/813` for a thread that is not the main one.
fn member_name(model: &Model, who: &Member) -> String {
    name(model, who.proc.pid, Some(who.tid), &who.name, who.attempt)
}

fn held_name(model: &Model, held: &Held) -> String {
    name(model, held.proc.pid, held.tid, &held.name, held.attempt)
}

fn name(
    model: &Model,
    pid: i32,
    tid: Option<i32>,
    name: &str,
    attempt: Option<AttemptId>,
) -> String {
    // Without a run, a process is called as it calls itself.
    let attempt = attempt.filter(|_| !model.observes());
    let work = attempt.and_then(|id| model.work_of(id)).map(|(_, work)| work);
    let job = work.map(|work| model.job_name(work.task, work.index));
    let is_leader = work.is_some_and(|w| w.proc.is_some_and(|proc| proc.pid == pid));
    let thread = tid.filter(|tid| *tid != pid).map_or(String::new(), |tid| format!("/{tid}"));
    let words = match job {
        Some(job) if is_leader && thread.is_empty() => job,
        Some(job) if name.is_empty() => job,
        Some(job) => format!("{job} {name}"),
        None if name.is_empty() => "pid".to_owned(),
        None => name.to_owned(),
    };
    format!("{words} {pid}{thread}")
}

/// The word of a verdict on the screen, and its colour.
pub fn verdict_word(verdict: Verdict) -> (&'static str, Role) {
    match verdict {
        Verdict::Deadlock => ("DEADLOCK", Role::AlertCritical),
        Verdict::Abandoned => ("ABANDONED", Role::AlertCritical),
        Verdict::Stalled => ("STALLED", Role::AlertWarn),
        Verdict::Healthy => ("no deadlock", Role::Good),
    }
}

// ---- drawing

fn status(model: &Model) -> Vec<Span> {
    let Some(report) = &model.waits.report else { return Vec::new() };
    let dot = model.look.glyphs.dot;
    let (word, role) = match (report.verdict, model.snapshot.shared.deadlocks.is_empty()) {
        // Who waits for the supervisor may be woken by it, as far as the kernel knows.
        (Verdict::Healthy, false) => ("DEADLOCK in locks of ganger", Role::AlertCritical),
        (verdict, _) => verdict_word(verdict),
    };
    let n = report.findings.len();
    let word = if n > 1 { format!("{word} and {} more", n - 1) } else { word.to_owned() };
    let seen = format!(
        " {dot} {} wait of {} in {}",
        report.waits.len(),
        format::plural(u64::from(report.threads), "thread"),
        match report.processes {
            1 => "1 process".to_owned(),
            n => format!("{n} processes"),
        }
    );
    vec![(word, role), (seen, Role::Title)]
}

fn foot(model: &Model) -> Vec<Span> {
    let Some(report) = &model.waits.report else { return Vec::new() };
    let mut spans = Vec::new();
    let hidden = report.not_visible.len();
    if hidden > 0 {
        spans.push((format!("{} not visible", format::plural(hidden as u64, "thing")), Role::Warn));
    }
    let age = model.ms_since(report.at);
    if age >= 5_000 && !model.has_ended() {
        let blank = if spans.is_empty() { "" } else { "  " };
        spans.push((format!("{blank}seen {} ago", format::age(age)), Role::Dim));
    }
    spans
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let strip_rows = strips::rows(model, height);
    let list_rows = height - strip_rows;
    match &model.waits.report {
        None => {
            let (text, role) = match &model.waits.why_not {
                Some(why) => (why.clone(), Role::Warn),
                None => ("waiting for the first look at the processes".to_owned(), Role::Dim),
            };
            canvas.put_cut(1, 0, u16::MAX, &text, role);
        }
        Some(report) if model.waits.is_matrix => {
            matrix::draw(model, report, &mut canvas.part(0, 0, width, list_rows), focused);
        }
        Some(report) => {
            let mut list = canvas.part(0, 0, width, list_rows);
            chains::draw(model, report, &mut list, focused);
            scroll_bar(&mut list, super::WAITS, model.waits.list.offset, model.waits.rows.len());
        }
    }
    if strip_rows > 0 {
        strips::draw(model, &mut canvas.part(0, list_rows, width, strip_rows));
    }
}
