//! The jobs grouped: a row for each task, with what its jobs add up to.

use super::super::scroll_bar;
use super::super::workers::mark;
use super::columns::{Column, fit, number};
use super::held::Part;
use crate::model::query::{Durations, TaskRow};
use crate::tui::canvas::Canvas;
use crate::tui::format;
use crate::tui::list::List;
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::zones::Hit;

/// The list of tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tasks {
    pub list: List,
    pub held: Part<TaskRow>,
    /// Tasks of the run; `None` before the first answer.
    pub total: Option<usize>,
}

impl Tasks {
    pub fn take(&mut self, total: usize, rows: Part<TaskRow>) {
        self.total = Some(total);
        self.held = rows;
    }

    /// Returns the selected task.
    pub fn chosen(&self) -> Option<&TaskRow> {
        self.held.get(self.list.at)
    }
}

/// What a column tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Jobs,
    Bar,
    Done,
    Failed,
    Cancelled,
    Running,
    Waiting,
    Skipped,
    P50,
    P90,
    P95,
    Max,
    Cpu,
    Rss,
    Eta,
}

/// The columns right of the task, in their order.
const COLUMNS: [Column<What>; 15] = [
    number(What::Bar, "progress", BAR, 2),
    number(What::Jobs, "jobs", 9, 0),
    number(What::Done, "done", 9, 3),
    number(What::Failed, "failed", 6, 1),
    number(What::Cancelled, "cancel", 6, 14),
    number(What::Running, "run", 5, 4),
    number(What::Waiting, "wait", 9, 5),
    number(What::Skipped, "skip", 6, 11),
    number(What::P50, "p50", 7, 6),
    number(What::P90, "p90", 7, 12),
    number(What::P95, "p95", 7, 8),
    number(What::Max, "max", 7, 9),
    number(What::Cpu, "cpu", 7, 10),
    number(What::Rss, "rss", 5, 13),
    number(What::Eta, "eta", 7, 7),
];

/// Cells of the bar.
const BAR: u16 = 10;
const LONG_BAR: u16 = 20;

/// Draws the table: `head` rows of heads, then the tasks.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool, head: u16) {
    let (width, height) = (canvas.width(), canvas.height());
    let tasks = &model.jobs.tasks;
    let Some(n) = tasks.total else {
        canvas.put_cut(1, 0, u16::MAX, "asking for the tasks", Role::Dim);
        return;
    };
    let (mut columns, mut name_cells) = fit(&COLUMNS, width.saturating_sub(4), 14);
    if let Some(bar) = columns.iter_mut().find(|c| c.what == What::Bar)
        && name_cells >= 40 + LONG_BAR - BAR
    {
        bar.cells = LONG_BAR;
        name_cells -= LONG_BAR - BAR;
    }
    if head > 0 {
        canvas.put(2, 0, "task", Role::Heading);
        let mut x = 2 + name_cells + 1;
        for column in &columns {
            match column.what {
                What::Bar => canvas.put(x, 0, column.head, Role::Heading),
                _ => {
                    canvas.put_right(x + column.cells, 0, column.head, Role::Heading);
                    x
                }
            };
            x += column.cells + 1;
        }
    }
    let offset = tasks.list.offset;
    for y in 0..usize::from(height - head).min(n.saturating_sub(offset)) {
        let mut row = canvas.part(0, y as u16 + head, width, 1);
        row.zone_all(Hit::Row { panel: super::super::JOBS, row: offset + y });
        if offset + y == tasks.list.at {
            mark(&mut row, focused);
        }
        match tasks.held.get(offset + y) {
            Some(task) => draw_row(&mut row, task, &columns, name_cells),
            None => super::draw_missing(&mut row, 2),
        }
    }
    let mut area = canvas.part(0, head, width, height - head);
    scroll_bar(&mut area, super::super::JOBS, offset, n);
}

fn draw_row(row: &mut Canvas<'_>, task: &TaskRow, columns: &[Column<What>], name_cells: u16) {
    row.put_middle(2, 0, name_cells, &task.name, Role::Strong);
    let mut x = 2 + name_cells + 1;
    for column in columns {
        if column.what == What::Bar {
            draw_bar(&mut row.part(x, 0, column.cells, 1), task);
        } else {
            let (text, role) = cell(task, column.what);
            row.put_right(x + column.cells, 0, &text, role);
        }
        x += column.cells + 1;
    }
}

/// What has ended well, what badly, what runs, and the rest; what there is has a cell at least.
fn draw_bar(bar: &mut Canvas<'_>, task: &TaskRow) {
    let c = &task.counts;
    let width = bar.width();
    let n = u64::from(c.total.max(1));
    let cells = |part: u32| match part {
        0 => 0,
        part => ((u64::from(part) * u64::from(width) / n) as u16).max(1),
    };
    let full = bar.glyphs().bar_full;
    let rest = bar.glyphs().bar_rest;
    let (failed, running) = (cells(c.bad() + c.cancelled + c.skipped), cells(c.running));
    let all = c.total > 0 && c.ended() == c.total;
    let done = match all {
        true => width.saturating_sub(failed),
        false => cells(c.good()).min(width.saturating_sub(failed + running + 1)),
    };
    let x = bar.repeat(0, 0, done, full, bar.look.style(Role::BarDone));
    let x = bar.repeat(x, 0, failed, full, bar.look.style(Role::BarFailed));
    let x = bar.repeat(x, 0, running, full, bar.look.style(Role::BarRunning));
    bar.repeat(x, 0, width.saturating_sub(x), rest, bar.look.style(Role::BarRest));
}

fn cell(task: &TaskRow, what: What) -> (String, Role) {
    let c = &task.counts;
    let count = |n: u32, role: Role| match n {
        0 => ("0".to_owned(), Role::Idle),
        n => (format::grouped(u64::from(n)), role),
    };
    let short = |n: u32, role: Role| match n {
        0 => ("0".to_owned(), Role::Idle),
        n => (format::short_count(u64::from(n)), role),
    };
    let time = |of: fn(&Durations) -> u64, role: Role| {
        task.durations.as_ref().map(|d| (format::span_us(of(d)), role))
    };
    let known = match what {
        What::Bar => None,
        What::Jobs if task.unread => {
            Some((format!("{}+?", format::grouped(c.total.into())), Role::Text))
        }
        What::Jobs => Some(count(c.total, Role::Text)),
        What::Done => Some(count(c.good(), Role::Good)),
        What::Failed => Some(short(c.bad(), Role::Bad)),
        What::Cancelled => Some(short(c.cancelled, Role::Warn)),
        What::Running => Some(short(c.running, Role::Run)),
        What::Waiting => Some(count(c.waiting(), Role::Text)),
        What::Skipped => Some(short(c.skipped, Role::Warn)),
        What::P50 => time(|d| d.p50_us, Role::Text),
        What::P90 => time(|d| d.p90_us, Role::Dim),
        What::P95 => time(|d| d.p95_us, Role::Dim),
        What::Max => time(|d| d.max_us, Role::Dim),
        What::Cpu if task.attempts == 0 => None,
        What::Cpu => Some((format::span_ms(task.cpu_ms), Role::Text)),
        What::Rss => task.max_rss_bytes.map(|bytes| (format::size(bytes), Role::Text)),
        What::Eta if c.total > 0 && c.waiting() + c.running == 0 && !task.unread => {
            Some(("done".to_owned(), Role::Good))
        }
        What::Eta => task.eta_ms.map(|ms| (format::clock(ms), Role::Text)),
    };
    known.unwrap_or_else(|| ("-".to_owned(), Role::Idle))
}
