//! Who runs what: one row per worker.

use super::{Panel, put_label};
use crate::model::snapshot::WorkView;
use crate::model::{PoolIdx, WorkerState, WorkerView};
use crate::tui::canvas::{Canvas, Span};
use crate::tui::history::Moment;
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Selection};
use crate::tui::theme::Role;
use crate::tui::zones::Hit;
use crate::tui::{format, graph};
use unicode_width::UnicodeWidthStr;

/// The panel.
pub struct Workers;

impl Panel for Workers {
    fn name(&self) -> &'static str {
        "workers"
    }

    fn priority(&self) -> u8 {
        0
    }

    fn want(&self, model: &Model, _width: u16) -> u16 {
        (model.snapshot.workers.len() as u16).saturating_add(1).max(3)
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        foot(model, width)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[
            (Act::Grow, "+"),
            (Act::Shrink, "- scale"),
            (Act::PauseJob, "P pause"),
            (Act::KillMenu, "K kill"),
        ]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        draw(model, canvas, focused);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        let worker = model.selected_worker()?;
        Some(model.selection_of(worker, worker.work.as_ref()?))
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        let workers = &model.snapshot.workers;
        model.workers.at = workers.iter().position(|w| Some(w.slot) == model.worker).unwrap_or(0);
        model.workers.step(by, workers.len());
        choose(model);
        true
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        model.workers.at = row;
        choose(model);
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let rows = model.rows_of(super::WORKERS).saturating_sub(usize::from(head_rows(model)));
        model.workers.scroll_to(share, model.snapshot.workers.len(), rows);
        choose(model);
    }

    fn settle(&self, model: &mut Model, rows: usize) {
        let workers = &model.snapshot.workers;
        model.workers.at = workers.iter().position(|w| Some(w.slot) == model.worker).unwrap_or(0);
        let rows = rows.saturating_sub(usize::from(head_rows(model)));
        model.workers.settle(workers.len(), rows);
    }
}

fn choose(model: &mut Model) {
    model.worker = model.snapshot.workers.get(model.workers.at).map(|w| w.slot);
    model.source = super::WORKERS;
    model.turn_output(true);
}

/// The words of the state column, for the help.
pub const STATE_WORDS: [(&str, &str); 9] = [
    ("idle", "waits for work"),
    ("reserved", "taken by the weight of another worker's job"),
    ("start", "its process is being started"),
    ("run", "runs"),
    ("paused", "stopped with SIGSTOP, its timeout clock too"),
    ("QUIET", "no CPU, no output, no I/O for long: hung?"),
    ("stop 3s", "was told to end; KILL follows in 3 s"),
    ("sweep", "its leader has ended, what it left behind is being ended"),
    ("leaving", "ends with its job: the pool is getting smaller"),
];

/// A column: heading, cells, and the width of the panel from which on it is shown.
#[derive(Clone, Copy)]
struct Column {
    what: What,
    head: &'static str,
    cells: u16,
    from_width: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Pool,
    State,
    Pid,
    Time,
    Cpu,
    Memory,
    Output,
    Threads,
    Tries,
    Strip,
}

/// The columns right of the job, in their order.
const COLUMNS: [Column; 10] = [
    Column { what: What::State, head: "state", cells: 8, from_width: 0 },
    Column { what: What::Pid, head: "pid", cells: 7, from_width: 70 },
    Column { what: What::Time, head: "time", cells: 7, from_width: 34 },
    Column { what: What::Cpu, head: "cpu", cells: 5, from_width: 54 },
    Column { what: What::Memory, head: "rss", cells: 5, from_width: 62 },
    Column { what: What::Output, head: "out", cells: 5, from_width: 76 },
    Column { what: What::Threads, head: "thr", cells: 4, from_width: 116 },
    Column { what: What::Tries, head: "try", cells: 4, from_width: 110 },
    Column { what: What::Strip, head: "last minute", cells: 20, from_width: 102 },
    Column { what: What::Pool, head: "pool", cells: 9, from_width: 88 },
];

fn status(model: &Model) -> Vec<Span> {
    let mut spans = Vec::new();
    let quiet = count(model, WorkerState::Quiet);
    let busy = model.snapshot.workers.iter().filter(|w| w.work.is_some()).count();
    spans.push((format!("{busy}"), Role::Strong));
    spans.push((format!(" of {} busy", model.snapshot.workers.len()), Role::Title));
    if quiet > 0 {
        spans.push((format!(" {} {quiet} QUIET", model.look.glyphs.dot), Role::Quiet));
    }
    spans
}

fn count(model: &Model, state: WorkerState) -> usize {
    model.snapshot.workers.iter().filter(|w| w.state == state).count()
}

/// How many workers are out of sight, and with more than one pool the size of each.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    let pools = &model.snapshot.pools;
    let mut spans: Vec<Span> = Vec::new();
    let rows = model.rows_of(super::WORKERS);
    let rows = rows.saturating_sub(usize::from(head_rows(model)));
    let n_workers = model.snapshot.workers.len();
    if n_workers > rows {
        let (first, last) =
            (model.workers.offset + 1, (model.workers.offset + rows).min(n_workers));
        spans.push((format!("{first}-{last} of {n_workers}"), Role::Dim));
    }
    if pools.len() < 2 {
        return spans;
    }
    for pool in pools {
        let text = format!("{} {}/{}", pool.name, pool.running, pool.size);
        let blank = if spans.is_empty() { "" } else { "  " };
        let text = format!("{blank}{text}{}", if pool.paused { " paused" } else { "" });
        if usize::from(crate::tui::canvas::spans_width(&spans)) + text.width() > usize::from(width)
        {
            break;
        }
        spans.push((text, if pool.paused { Role::Paused } else { Role::Dim }));
    }
    spans
}

fn shown_columns(model: &Model, width: u16) -> Vec<Column> {
    let has_pools = model.snapshot.pools.len() > 1;
    let wanted = |c: &Column| match c.what {
        What::Pool => has_pools && width >= c.from_width,
        _ => width >= c.from_width,
    };
    COLUMNS.into_iter().filter(wanted).collect()
}

/// Where rows are dear, the columns must speak for themselves.
fn head_rows(model: &Model) -> u16 {
    u16::from(model.size.height >= 14)
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let workers = &model.snapshot.workers;
    if workers.is_empty() {
        let text = if model.live { "no workers: + adds one" } else { "waiting for the run" };
        canvas.put_cut(1, 0, u16::MAX, text, Role::Dim);
        return;
    }
    let columns = shown_columns(model, width);
    let right: u16 = columns.iter().map(|c| c.cells + 1).sum();
    let job_cells = width.saturating_sub(6 + right);
    let head = head_rows(model).min(height);
    if head > 0 {
        draw_head(canvas, &columns, job_cells);
    }
    let rows = usize::from(height - head);
    for (y, worker) in workers.iter().skip(model.workers.offset).take(rows).enumerate() {
        let y = y as u16 + head;
        let mut row = canvas.part(0, y, width, 1);
        let at = model.workers.offset + usize::from(y - head);
        row.zone_all(Hit::Row { panel: super::WORKERS, row: at });
        let selected = Some(worker.slot) == model.worker;
        if selected {
            mark(&mut row, focused);
        }
        draw_row(model, &mut row, worker, &columns, job_cells);
    }
}

/// Lays the colour of the selection under a row and puts the marker that says the same.
pub(super) fn mark(row: &mut Canvas<'_>, focused: bool) {
    let role = if focused { Role::Select } else { Role::SelectBlur };
    let style = row.look.style(role);
    let width = row.width();
    row.repeat(0, 0, width, " ", style);
    row.lay_under(style);
    let marker = row.glyphs().marker;
    row.put(0, 0, marker, Role::Key);
}

fn draw_head(canvas: &mut Canvas<'_>, columns: &[Column], job_cells: u16) {
    canvas.put_right(4, 0, "#", Role::Heading);
    canvas.put(5, 0, "job", Role::Heading);
    let mut x = 6 + job_cells;
    for column in columns {
        match column.what {
            What::State | What::Strip | What::Pool => {
                canvas.put(x, 0, column.head, Role::Heading);
            }
            _ => canvas.put_right(x + column.cells, 0, column.head, Role::Heading),
        }
        x += column.cells + 1;
    }
}

fn draw_row(
    model: &Model,
    row: &mut Canvas<'_>,
    worker: &WorkerView,
    columns: &[Column],
    job_cells: u16,
) {
    row.put_right(4, 0, &worker.slot.n.to_string(), Role::Dim);
    let (word, role) = state_word(model, worker);
    match &worker.work {
        Some(work) => {
            put_label(row, 5, job_cells, &model.label(work));
        }
        None => {
            row.put_cut(5, 0, job_cells, row.glyphs().dot, Role::Idle);
        }
    }
    let mut x = 6 + job_cells;
    for column in columns {
        let end = x + column.cells;
        match (column.what, &worker.work) {
            (What::State, _) => {
                row.put_cut(x, 0, column.cells, &word, role);
            }
            (What::Pool, _) => {
                row.put_cut(x, 0, column.cells, model.pool_name(worker.slot.pool), Role::Dim);
            }
            (What::Strip, _) => draw_strip(model, row, worker, x),
            (_, None) => {}
            (what, Some(work)) => {
                let (text, role) = cell(model, worker, work, what);
                row.put_right(end, 0, &text, role);
            }
        }
        x = end + 1;
    }
}

fn cell(model: &Model, worker: &WorkerView, work: &WorkView, what: What) -> (String, Role) {
    let unknown = ("-".to_owned(), Role::Idle);
    let tree = work.tree.as_ref();
    match what {
        What::Pid => work.proc.map_or(unknown, |p| (p.pid.to_string(), Role::Dim)),
        What::Time => (format::clock(model.work_ms(worker, work)), Role::Text),
        What::Cpu => match tree.and_then(|t| t.cpu_percent) {
            Some(p) => (format::percent(p), if p >= 1.0 { Role::Text } else { Role::Dim }),
            None => unknown,
        },
        What::Memory => tree.map_or(unknown, |t| (format::size(t.rss_bytes), Role::Text)),
        What::Output => match tree.and_then(|t| t.last_output) {
            Some(at) => {
                let ms = model.ms_since(at);
                (format::age(ms), if ms < 5_000 { Role::Text } else { Role::Dim })
            }
            None => unknown,
        },
        What::Tries if work.attempt.n > 1 => (format!("#{}", work.attempt.n), Role::Warn),
        What::Tries => (format!("#{}", work.attempt.n), Role::Idle),
        What::Threads => match tree {
            Some(t) => (t.threads.min(9999).to_string(), Role::Dim),
            None => unknown,
        },
        What::State | What::Strip | What::Pool => (String::new(), Role::Text),
    }
}

/// What a worker does, in one word and its colour.
fn state_word(model: &Model, worker: &WorkerView) -> (String, Role) {
    let stopping = worker.work.as_ref().and_then(|w| w.stopping);
    if let Some(stopping) = stopping {
        let left = stopping.kill_at.since(model.now.mono).as_millis().div_ceil(1000);
        let verb = if stopping.leader_ended { "sweep" } else { "stop" };
        return match left {
            0 => (if stopping.leader_ended { "sweep" } else { "KILL" }.to_owned(), Role::Stopping),
            s if s < 100 => (format!("{verb} {s}s"), Role::Stopping),
            _ => (verb.to_owned(), Role::Stopping),
        };
    }
    let (word, role) = match worker.state {
        WorkerState::Idle if worker.leaving => ("leaving", Role::Dim),
        WorkerState::Idle => ("idle", Role::Idle),
        WorkerState::Reserved => ("reserved", Role::Idle),
        WorkerState::Launching => ("start", Role::Run),
        WorkerState::Paused => ("paused", Role::Paused),
        WorkerState::Quiet => ("QUIET", Role::Quiet),
        WorkerState::Stopping => ("stop", Role::Stopping),
        WorkerState::Running if worker.leaving => ("leaving", Role::Dim),
        WorkerState::Running => ("run", Role::Run),
    };
    (word.to_owned(), role)
}

fn draw_strip(model: &Model, row: &mut Canvas<'_>, worker: &WorkerView, x: u16) {
    let glyphs = row.glyphs();
    let moments: Vec<_> = model.history.strip(worker.slot).collect();
    const CELLS: u16 = 20;
    let first = x + CELLS.saturating_sub(moments.len() as u16);
    for (i, moment) in moments.iter().enumerate() {
        let at = first + i as u16;
        match moment {
            Moment::Idle => row.put(at, 0, glyphs.idle, Role::BarRest),
            Moment::Busy(percent) => {
                let level = graph::percent_level(*percent).max(1);
                let style = row.look.theme.gradient(percent / 100.0);
                row.put_styled(at, 0, glyphs.levels[level], style)
            }
            Moment::Quiet => row.put(at, 0, "?", Role::Quiet),
            Moment::Paused => row.put(at, 0, "=", Role::Paused),
            Moment::Stopping => row.put(at, 0, "x", Role::Stopping),
        };
    }
}

/// Returns why the default pool has its size, for the header: `6 of auto: 2 cores`.
pub fn size_text(model: &Model) -> String {
    let Some(pool) = model.snapshot.pools.get(usize::from(PoolIdx::DEFAULT.0)) else {
        return String::new();
    };
    let others: u64 = model.snapshot.pools.iter().skip(1).map(|p| u64::from(p.size)).sum();
    let more = if others > 0 { format!(" +{others}") } else { String::new() };
    let reason = if pool.reason.is_empty() { String::new() } else { format!(": {}", pool.reason) };
    format!("{}{more} workers{reason}", pool.size)
}
