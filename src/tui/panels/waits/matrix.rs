//! Waits as a matrix: who down the side, what is waited for across. Who holds and who waits meet
//! in a column.

use super::{member_name, thread};
use crate::model::waits::report::{Report, Waiting};
use crate::model::waits::text;
use crate::model::waits::{Resource, WaitKind};
use crate::model::{AttemptId, ProcRef};
use crate::tui::canvas::Canvas;
use crate::tui::model::Model;
use crate::tui::panels::workers::mark;
use crate::tui::theme::Role;

/// Cells of a column.
const COLUMN: u16 = 3;

/// A row: a job, or a process of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Job(AttemptId),
    Process(ProcRef),
}

struct Line {
    who: Who,
    name: String,
    is_selected: bool,
}

/// Draws as many rows and columns as fit; what is in a finding comes first.
pub fn draw(model: &Model, report: &Report, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let name_cells = (width / 4).clamp(10, 34);
    let fit = usize::from(width.saturating_sub(name_cells + 4) / COLUMN).min(26);
    let resources = resources(report);
    let shown = &resources[..resources.len().min(fit)];
    if shown.is_empty() {
        canvas.put_cut(1, 0, u16::MAX, "nothing waits for anything that has a name", Role::Dim);
        return;
    }
    let lines = lines(model, report);
    // The legend may take as much as half of what the rows leave.
    let legend = (height / 2).min(shown.len() as u16 + 1);
    let rows = height.saturating_sub(legend + 1);
    for (i, _) in shown.iter().enumerate() {
        canvas.put(column_x(name_cells, i), 0, &letter(i), Role::Heading);
    }
    for (y, line) in (1..=rows).zip(&lines) {
        let mut row = canvas.part(0, y, width, 1);
        if line.is_selected {
            mark(&mut row, focused);
        }
        row.put_middle(2, 0, name_cells, &line.name, Role::Text);
        for (i, resource) in shown.iter().enumerate() {
            draw_cell(&mut row, column_x(name_cells, i), report, line.who, resource);
        }
    }
    let below = (lines.len() as u16).min(rows) + 2;
    let holder = canvas.glyphs().holder;
    let waiter = canvas.glyphs().waiter;
    for (y, (i, resource)) in (below..height).zip(shown.iter().enumerate()) {
        let x = canvas.put(2, y, &letter(i), Role::Heading);
        canvas.put_cut(x + 1, y, u16::MAX, &text::thing(resource), Role::Dim);
    }
    let stuck = canvas.glyphs().stuck;
    let words = format!("{holder} has it  {waiter} waits  {stuck} stuck  ? may have it");
    canvas.put_right(width.saturating_sub(1), height.saturating_sub(1), &words, Role::Dim);
}

fn column_x(name_cells: u16, i: usize) -> u16 {
    name_cells + 4 + COLUMN * i as u16
}

fn letter(i: usize) -> String {
    char::from(b'A' + (i % 26) as u8).to_string()
}

fn resources(report: &Report) -> Vec<&Resource> {
    let mut all: Vec<&Resource> = Vec::new();
    for wait in report.waits.iter().filter(|wait| is_between(wait)) {
        if !all.contains(&&wait.resource) {
            all.push(&wait.resource);
        }
    }
    all
}

/// What only its own job could end, such as the end of a child, says nothing between jobs, and
/// nobody has time.
fn is_between(wait: &Waiting) -> bool {
    let this = who_of(wait.who.proc, wait.who.attempt);
    let is_own = wait.holders.iter().all(|held| who_of(held.proc, held.attempt) == this);
    match wait.resource.kind {
        WaitKind::Time | WaitKind::Signal => false,
        WaitKind::WaitChild | WaitKind::ThreadJoin => !is_own,
        _ => true,
    }
}

fn who_of(proc: ProcRef, attempt: Option<AttemptId>) -> Who {
    attempt.map_or(Who::Process(proc), Who::Job)
}

fn lines(model: &Model, report: &Report) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let selected = model.waits.selected;
    let mut add = |who: Who, name: &dyn Fn() -> String, is_selected: bool| match lines
        .iter_mut()
        .find(|line| line.who == who)
    {
        Some(line) => line.is_selected |= is_selected,
        None => lines.push(Line { who, name: name(), is_selected }),
    };
    for wait in report.waits.iter().filter(|wait| is_between(wait)) {
        let who = who_of(wait.who.proc, wait.who.attempt);
        let is_selected = Some(thread(&wait.who)) == selected;
        let name = || line_name(model, who, || member_name(model, &wait.who));
        add(who, &name, is_selected);
    }
    let between = report.waits.iter().filter(|wait| is_between(wait));
    for held in between.flat_map(|wait| &wait.holders) {
        let who = who_of(held.proc, held.attempt);
        add(who, &|| line_name(model, who, || super::held_name(model, held)), false);
    }
    lines
}

/// A job by its own name, whichever of its threads it is.
fn line_name(model: &Model, who: Who, of_thread: impl Fn() -> String) -> String {
    match who {
        Who::Job(attempt) => match model.work_of(attempt) {
            Some((_, work)) => model.label(work),
            None => of_thread(),
        },
        Who::Process(_) => of_thread(),
    }
}

fn draw_cell(row: &mut Canvas<'_>, x: u16, report: &Report, who: Who, resource: &Resource) {
    let glyphs = row.glyphs();
    let of: Vec<&Waiting> = report.waits.iter().filter(|w| w.resource == *resource).collect();
    let held = of.iter().flat_map(|wait| &wait.holders);
    let held = held.filter(|held| who_of(held.proc, held.attempt) == who);
    let proven = held.map(|held| held.proven).max();
    let waits = of.iter().find(|wait| who_of(wait.who.proc, wait.who.attempt) == who);
    let stuck = waits.is_some_and(|wait| wait.finding.is_some());
    if waits.is_some() {
        let (shape, role) =
            if stuck { (glyphs.stuck, Role::Bad) } else { (glyphs.waiter, Role::Waiter) };
        row.put(x, 0, shape, role);
    }
    let x = x + u16::from(waits.is_some());
    match proven {
        Some(true) => {
            row.put(x, 0, glyphs.holder, Role::Holder);
        }
        Some(false) => {
            row.put(x, 0, "?", Role::Dim);
        }
        None if waits.is_none() => {
            row.put(x, 0, glyphs.dot, Role::Idle);
        }
        None => {}
    }
}
