//! The columns of the list of jobs: which of them a width has room for, and what stands in their
//! cells.

use crate::model::query::{JobRow, JobSort};
use crate::model::snapshot::WorkView;
use crate::model::{Exit, WorkerState, WorkerView, signal_name};
use crate::tui::format;
use crate::tui::glyphs::Glyphs;
use crate::tui::model::Model;
use crate::tui::theme::Role;

/// What a column tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    State,
    Exit,
    Tries,
    Time,
    Cpu,
    Memory,
    Output,
    Started,
    Ended,
    Pool,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column<W> {
    pub what: W,
    pub head: &'static str,
    pub cells: u16,
    /// The lower, the sooner it is there when the panel grows.
    rank: u8,
}

/// A column of a table, for lists of them.
pub const fn number<W: Copy>(what: W, head: &'static str, cells: u16, rank: u8) -> Column<W> {
    Column { what, head, cells, rank }
}

/// Cells of a state's shape and word; where room is scarce the longest are cut.
const STATE: u16 = 15;
const SHORT_STATE: u16 = 11;
const NARROW: u16 = 50;

/// The columns right of the job, in their order.
const COLUMNS: [Column<What>; 10] = [
    number(What::State, "state", STATE, 0),
    number(What::Exit, "exit", 5, 2),
    number(What::Tries, "try", 3, 5),
    number(What::Time, "time", 7, 1),
    number(What::Cpu, "cpu", 6, 3),
    number(What::Memory, "rss", 5, 4),
    number(What::Output, "out", 5, 6),
    number(What::Started, "started", 9, 7),
    number(What::Ended, "ended", 9, 8),
    number(What::Pool, "pool", 10, 9),
];

impl What {
    /// What a click on the head sorts by.
    pub fn sort(self) -> Option<JobSort> {
        Some(match self {
            What::State => JobSort::State,
            What::Tries => JobSort::Attempts,
            What::Time => JobSort::Time,
            What::Cpu => JobSort::Cpu,
            What::Memory => JobSort::Rss,
            What::Started => JobSort::Started,
            What::Ended => JobSort::Ended,
            What::Exit | What::Output | What::Pool => return None,
        })
    }

    /// Words stand at the left of their column, numbers at the right.
    pub fn is_left(self) -> bool {
        matches!(self, What::State | What::Pool)
    }
}

/// Returns the columns of a table that fit a width, and the cells left for what stands before
/// them, `least` of them at least.
pub fn fit<W: Copy + PartialEq>(all: &[Column<W>], room: u16, least: u16) -> (Vec<Column<W>>, u16) {
    let mut ranked: Vec<&Column<W>> = all.iter().collect();
    ranked.sort_by_key(|c| c.rank);
    let mut left = room;
    let mut fits: Vec<W> = Vec::new();
    for column in ranked {
        // Columns come in their order, so that a wider panel never loses one.
        if left < least + column.cells + 1 {
            break;
        }
        left -= column.cells + 1;
        fits.push(column.what);
    }
    (all.iter().filter(|c| fits.contains(&c.what)).copied().collect(), left)
}

/// Cells of the marks and the number before the job.
pub fn number_cells(total: usize) -> u16 {
    let digits = total.max(1).ilog10() as u16 + 1;
    // Marker, tag and colon before it, a blank behind.
    digits.max(2) + 4
}

/// Returns the columns that fit a width, and the cells left for the job.
pub fn fitting(model: &Model, width: u16, total: usize) -> (Vec<Column<What>>, u16) {
    // The last cell is that of the scroll bar.
    let room = width.saturating_sub(number_cells(total) + 2);
    let least = (room / 4).clamp(10, 40);
    let several = model.info.pools.len() > 1;
    let all: Vec<_> = COLUMNS.iter().filter(|c| several || c.what != What::Pool).copied().collect();
    let (mut columns, mut left) = fit(&all, room, least);
    if let Some(state) = columns.iter_mut().find(|c| c.what == What::State && room < NARROW) {
        state.cells = SHORT_STATE;
        left += STATE - SHORT_STATE;
    }
    (columns, left)
}

/// Returns the shape of a job's state, its word as the filter language has it, and its colour.
/// `now`: what its worker does, which is newer than the row.
pub fn state_of(
    glyphs: &Glyphs,
    row: &JobRow,
    now: Option<WorkerState>,
) -> (&'static str, String, Role) {
    let (shape, word, role) = match (row.state.as_str(), now.or(row.doing)) {
        ("running", _) if row.paused => (glyphs.paused, "paused", Role::Paused),
        ("running", Some(WorkerState::Quiet)) => (glyphs.running, "QUIET", Role::Quiet),
        ("running", Some(WorkerState::Launching)) => (glyphs.running, "launching", Role::Run),
        ("running", Some(WorkerState::Stopping)) => (glyphs.running, "stopping", Role::Stopping),
        ("running", _) => (glyphs.running, "running", Role::Run),
        ("blocked" | "ready" | "backing_off", _) if row.paused => {
            (glyphs.paused, "paused", Role::Paused)
        }
        ("blocked", _) => (glyphs.queued, "blocked", Role::Dim),
        ("ready", _) => (glyphs.queued, "ready", Role::KeyText),
        ("backing_off", _) => (glyphs.retried, "backing off", Role::Warn),
        ("succeeded", _) => (glyphs.done, "succeeded", Role::Good),
        ("up_to_date", _) => (glyphs.done, "up to date", Role::Good),
        ("cancelled", _) => (glyphs.ended, "cancelled", Role::Warn),
        ("skipped", _) => (glyphs.ended, "skipped", Role::Dim),
        (bad, _) => return (glyphs.failed, bad.replace('_', " "), Role::Bad),
    };
    (shape, word.to_owned(), role)
}

/// Returns the exit of a leader in a few letters: `0`, `2`, `SEGV`.
pub fn exit_text(exit: Exit) -> (String, Role) {
    match exit {
        Exit::Code(0) => ("0".to_owned(), Role::Dim),
        Exit::Code(code) => (code.to_string(), Role::Bad),
        Exit::Signal(signal) => {
            let name = signal_name(signal);
            (name.trim_start_matches("SIG").to_owned(), Role::Bad)
        }
    }
}

/// Returns what stands in a job's cell, and its colour. `work` is what its worker does now.
pub fn cell(
    model: &Model,
    row: &JobRow,
    work: Option<(&WorkerView, &WorkView)>,
    what: What,
) -> (String, Role) {
    let tree = work.and_then(|(_, work)| work.tree);
    let known = match what {
        What::State => None,
        What::Exit => row.exit.filter(|_| work.is_none()).map(exit_text),
        What::Tries => match row.attempts {
            0 => None,
            1 => Some(("1".to_owned(), Role::Idle)),
            n => Some((n.to_string(), Role::Warn)),
        },
        What::Time => row.wall_ms.map(|ms| match row.ended_at {
            None => (format::clock(ms.saturating_add(model.jobs.age_ms(model.now))), Role::Text),
            Some(_) => (format::span_ms(ms), Role::Text),
        }),
        // What a running job has used by now nobody counts: what it takes at the moment.
        What::Cpu => match tree.and_then(|tree| tree.cpu_percent) {
            Some(percent) => Some((format::percent(percent), Role::Run)),
            None => row.cpu_ms.map(|ms| (format::span_ms(ms), Role::Text)),
        },
        What::Memory => {
            let peak = tree.map(|tree| tree.peak_rss_bytes).max(row.max_rss_bytes);
            peak.map(|bytes| (format::size(bytes), Role::Text))
        }
        What::Output => output_bytes(row).map(|bytes| {
            let role =
                if row.stderr_bytes.is_some_and(|n| n > 0) { Role::Stderr } else { Role::Dim };
            (format::size(bytes), role)
        }),
        What::Started => row.started_at.map(|at| (model.time_of_day(at), Role::Dim)),
        What::Ended => row.ended_at.map(|at| (model.time_of_day(at), Role::Dim)),
        What::Pool => {
            let pool = model.info.tasks.get(row.task.0 as usize).map_or(0, |task| task.pool);
            let name = model.info.pools.get(usize::from(pool)).cloned();
            name.map(|name| (name, Role::Dim))
        }
    };
    // Of a job that has not begun nothing is unknown.
    let unknown = if row.attempts == 0 { "" } else { "-" };
    known.unwrap_or_else(|| (unknown.to_owned(), Role::Idle))
}

/// Bytes of both streams.
fn output_bytes(row: &JobRow) -> Option<u64> {
    match (row.stdout_bytes, row.stderr_bytes) {
        (None, None) => None,
        (out, err) => Some(out.unwrap_or(0).saturating_add(err.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_ranks_of_their_own_and_heads_that_fit() {
        for (i, column) in COLUMNS.iter().enumerate() {
            assert!(column.head.len() as u16 <= column.cells, "{}", column.head);
            assert!(COLUMNS[i + 1..].iter().all(|c| c.rank != column.rank), "{}", column.head);
        }
    }
}
