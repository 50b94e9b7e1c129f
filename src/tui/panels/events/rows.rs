//! One event per row: when, what, which job, who asked, in a sentence.

use super::list::who;
use super::words::kind_mark;
use crate::model::EventRow;
use crate::tui::canvas::Canvas;
use crate::tui::model::Model;
use crate::tui::panels::workers::mark;
use crate::tui::theme::Role;
use crate::tui::zones::Hit;

/// Where the columns begin; zero for one that has no room.
pub struct Columns {
    kind: u16,
    job: u16,
    by: u16,
    text: u16,
}

/// Cells of the time of day and of the mark behind it.
const TIME: u16 = 10;

impl Columns {
    pub fn of(model: &Model, width: u16) -> Columns {
        let mut x = 2 + TIME;
        let mut take = |cells: u16, at_least: u16| {
            let at = if width >= at_least { x } else { 0 };
            x += if at > 0 { cells + 1 } else { 0 };
            at
        };
        let names = model.info.tasks.iter().map(|task| task.name.chars().count());
        let name_cells = (names.max().unwrap_or(0) as u16 + 6).clamp(8, 20);
        let mark = take(1, 0);
        let kind = take(16, 76);
        let job = take(name_cells, 120);
        let by = take(10, 90);
        debug_assert!(mark > 0);
        Columns { kind, job, by, text: x }
    }
}

pub fn draw_head(canvas: &mut Canvas<'_>, columns: &Columns) {
    canvas.put(2, 0, "time", Role::Heading);
    for (x, head) in [(columns.kind, "what"), (columns.job, "job"), (columns.by, "asked by")] {
        if x > 0 {
            canvas.put(x, 0, head, Role::Heading);
        }
    }
    canvas.put(columns.text, 0, "in a sentence", Role::Heading);
}

pub fn draw_row(
    model: &Model,
    row: &mut Canvas<'_>,
    (at, event): (usize, &EventRow),
    columns: &Columns,
    focused: bool,
) {
    row.zone_all(Hit::Row { panel: super::super::EVENTS, row: at });
    if model.events.is_held() && at == model.events.at() {
        mark(row, focused);
    }
    if event.job.is_some_and(|job| model.tags.contains_key(&job)) {
        let tag = row.glyphs().tag;
        row.put(1, 0, tag, Role::Tag);
    }
    row.put(2, 0, &model.time_of_day(event.at.wall), Role::Dim);
    let (shape, role) = kind_mark(row.glyphs(), event);
    row.put(2 + TIME, 0, shape, role);
    if columns.kind > 0 {
        row.put_cut(columns.kind, 0, 16, &event.kind.replace('_', " "), role);
    }
    if columns.job > 0 {
        let room = columns.by.max(columns.text).saturating_sub(columns.job + 1);
        let room = if columns.by > columns.job { columns.by - columns.job - 1 } else { room };
        row.put_middle(columns.job, 0, room, &job_name(model, event), Role::Text);
    }
    if let Some(by) = event.by.as_ref().filter(|_| columns.by > 0) {
        row.put_cut(columns.by, 0, 10, &who(by), Role::Key);
    }
    let found = !model.events.search.is_empty() && model.events.has(at);
    let text_role = match (found, event.by.is_some()) {
        (true, _) => Role::SearchMatch,
        (false, true) => Role::Strong,
        (false, false) => Role::Text,
    };
    let room = row.width().saturating_sub(columns.text + 1);
    row.put_cut(columns.text, 0, room, &event.text, text_role);
}

/// Sentences about a job begin with its name; a request does not.
fn job_name(model: &Model, event: &EventRow) -> String {
    let Some(job) = event.job else { return String::new() };
    let task = event.task.and_then(|task| model.info.tasks.get(task.0 as usize));
    let first = event.text.split(' ').next().unwrap_or_default();
    match task {
        Some(task) if first.strip_prefix(&task.name).is_some_and(is_number) => first.to_owned(),
        Some(task) => format!("{} {job}", task.name),
        None => job.to_string(),
    }
}

/// `:3`, or nothing for the only job of its task.
fn is_number(rest: &str) -> bool {
    rest.is_empty() || rest.strip_prefix(':').is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()))
}
