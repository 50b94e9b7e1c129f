//! The columns of the list of workers: which of them a width has room for, and what stands in
//! their cells.

use crate::model::snapshot::WorkView;
use crate::model::{TreeSample, WorkerState, WorkerView};
use crate::tui::canvas::{Canvas, Span};
use crate::tui::format;
use crate::tui::history::{Moment, waits};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::{glyphs::Glyphs, graph};
use unicode_width::UnicodeWidthStr;

/// What a column tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Slot,
    Job,
    State,
    Pid,
    Time,
    Cpu,
    User,
    System,
    Wait,
    Read,
    Write,
    Memory,
    Output,
    Threads,
    Core,
    Faults,
    Files,
    Tries,
    Strip,
    Waits,
    Pool,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub what: What,
    pub head: &'static str,
    pub cells: u16,
    /// Words stand at the left of their column, numbers at the right.
    pub left: bool,
    /// The lower, the sooner it is there when the panel grows.
    rank: u8,
}

const fn words(what: What, head: &'static str, cells: u16, rank: u8) -> Column {
    Column { what, head, cells, left: true, rank }
}

const fn number(what: What, head: &'static str, cells: u16, rank: u8) -> Column {
    Column { what, head, cells, left: false, rank }
}

/// The columns right of the job, in their order.
const COLUMNS: [Column; 19] = [
    words(What::State, "state", 8, 0),
    number(What::Pid, "pid", 7, 5),
    number(What::Time, "time", 7, 1),
    number(What::Cpu, "cpu", 5, 2),
    number(What::User, "usr", 4, 14),
    number(What::System, "sys", 4, 15),
    number(What::Wait, "wait", 5, 8),
    number(What::Read, "rd/s", 5, 10),
    number(What::Write, "wr/s", 5, 11),
    number(What::Memory, "rss", 5, 4),
    number(What::Output, "out", 5, 6),
    number(What::Threads, "thr", 6, 9),
    number(What::Core, "core", 5, 12),
    number(What::Faults, "flt/s", 6, 17),
    number(What::Files, "fds", 5, 16),
    number(What::Tries, "try", 4, 13),
    words(What::Strip, "last minute", STRIP, 7),
    words(What::Waits, "waits for", 20, 3),
    words(What::Pool, "pool", 10, 18),
];

/// Cells of the strip: a minute, and where there is much room two.
const STRIP: u16 = 20;
const LONG_STRIP: u16 = 40;

/// Cells that the column of waits gets more where there is room.
const WAITS_MORE: u16 = 16;

/// Cells of the marks and the slot before the job.
pub fn slot_cells(model: &Model) -> u16 {
    let workers = &model.snapshot.workers;
    let longest = workers.iter().map(|w| slot_text(model, w).width()).max().unwrap_or(0);
    (longest as u16).clamp(2, 14) + 3
}

/// A worker's place: its number, in further pools with the pool's name before it.
pub fn slot_text(model: &Model, worker: &WorkerView) -> String {
    let slot = worker.slot;
    if slot.pool.0 == 0 {
        return slot.n.to_string();
    }
    let name: String = model.pool_name(slot.pool).chars().take(8).collect();
    format!("{name} {}", slot.n)
}

/// Returns the columns that fit a width, and the cells left for the job.
pub fn fitting(model: &Model, width: u16) -> (Vec<Column>, u16) {
    let room = width.saturating_sub(slot_cells(model) + 1);
    let least_job = (room / 5).clamp(12, 36);
    let mut ranked: Vec<Column> = COLUMNS.to_vec();
    ranked.sort_by_key(|c| c.rank);
    let mut left = room;
    let mut fits = Vec::new();
    for column in ranked {
        if column.what == What::Pool && model.snapshot.pools.len() < 2 {
            continue;
        }
        if column.what == What::Waits && !model.waits.any {
            continue;
        }
        // Columns come in their order, so that a wider panel never loses one.
        if left < least_job + column.cells + 1 {
            break;
        }
        left -= column.cells + 1;
        fits.push(column);
    }
    // What is read says little without what is written.
    if fits.last().is_some_and(|c| c.what == What::Read) {
        left += fits.pop().map_or(0, |c| c.cells + 1);
    }
    let longer = LONG_STRIP - STRIP;
    if let Some(strip) = fits.iter_mut().find(|c| c.what == What::Strip)
        && left >= least_job + longer
        && room >= 150
    {
        (strip.cells, strip.head) = (LONG_STRIP, "last two minutes");
        left -= longer;
    }
    // Who has what is waited for stands at the end of its cell.
    if let Some(waits) = fits.iter_mut().find(|c| c.what == What::Waits) {
        let more = (left.saturating_sub(least_job) / 2).min(WAITS_MORE);
        waits.cells += more;
        left -= more;
    }
    let shown = COLUMNS.iter().filter_map(|c| fits.iter().find(|f| f.what == c.what).copied());
    (shown.collect(), left)
}

/// Returns what stands in a worker's cell that is a number or a word, and its colour.
pub fn cell(model: &Model, work: &WorkView, what: What) -> (String, Role) {
    let unknown = ("-".to_owned(), Role::Idle);
    match what {
        What::Pid => work.proc.map_or(unknown, |p| (p.pid.to_string(), Role::Dim)),
        What::Time => (format::clock(model.work_ms(work)), Role::Text),
        What::Tries if work.attempt.n > 1 => (format!("#{}", work.attempt.n), Role::Warn),
        What::Tries => (format!("#{}", work.attempt.n), Role::Idle),
        _ => match &work.tree {
            Some(tree) => of_tree(model, tree, what).unwrap_or(unknown),
            None => unknown,
        },
    }
}

fn of_tree(model: &Model, tree: &TreeSample, what: What) -> Option<(String, Role)> {
    let busy = |p: f32, from: f32| if p >= from { Role::Text } else { Role::Dim };
    Some(match what {
        What::Cpu => {
            let p = tree.cpu_percent?;
            (format::percent(p), busy(p, 1.0))
        }
        What::User => (format::short_percent(tree.user_percent?), Role::Dim),
        What::System => {
            let p = tree.system_percent?;
            (format::short_percent(p), if p >= 50.0 { Role::CpuSystem } else { Role::Dim })
        }
        What::Wait => {
            let p = tree.cpu_wait_percent?;
            (format::percent(p), if p >= 50.0 { Role::Warn } else { busy(p, 5.0) })
        }
        What::Read => (format::flow(tree.read_bytes_per_s?), busy(tree.read_bytes_per_s?, 1.0)),
        What::Write => (format::flow(tree.write_bytes_per_s?), busy(tree.write_bytes_per_s?, 1.0)),
        What::Memory => (format::size(tree.rss_bytes), Role::Text),
        What::Output => {
            let ms = model.ms_since(tree.last_output?);
            (format::age(ms), busy(5_000.0 - ms as f32, 0.0))
        }
        What::Threads => threads(tree),
        What::Core => (tree.core?.to_string(), Role::Dim),
        What::Faults => {
            let n = tree.major_faults_per_s?;
            let role = if n >= 10.0 { Role::Warn } else { Role::Dim };
            (format::short_count(n.clamp(0.0, 1e9).round() as u64), role)
        }
        What::Files => (format::short_count(u64::from(tree.fds?)), Role::Dim),
        _ => return None,
    })
}

/// Threads on a CPU or waiting for one, of those the job was given.
fn threads(tree: &TreeSample) -> (String, Role) {
    let (running, allotted) = (tree.threads_running.min(999), tree.threads_allotted.min(99));
    if tree.oversubscribed {
        return (format!("{running}/{allotted}!"), Role::Warn);
    }
    let role = if running > 0 { Role::Text } else { Role::Dim };
    // The blank keeps the numbers where they are when the mark comes and goes.
    (format!("{running}/{allotted} "), role)
}

/// What a worker does, in one word and its colour.
pub fn state_word(model: &Model, worker: &WorkerView) -> (String, Role) {
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
        WorkerState::Running if waits(worker) => ("WAIT", Role::Waiter),
        WorkerState::Running if worker.leaving => ("leaving", Role::Dim),
        WorkerState::Running => ("run", Role::Run),
    };
    (word.to_owned(), role)
}

/// What a worker's job waits for and who has that, in pieces: `db ← w5 ●circle`.
pub fn waits_text(model: &Model, work: &WorkView) -> Vec<Span> {
    let Some(wait) = &work.waits else { return Vec::new() };
    let glyphs = model.look.glyphs;
    let mut spans = vec![(wait.what.clone(), Role::Waiter)];
    if let Some(holder) = &wait.holder {
        let worker = wait.holder_job.and_then(|job| model.worker_of(job));
        let name = worker.map_or_else(|| holder.clone(), |worker| worker_name(model, worker));
        spans.push((format!(" {} {name}", glyphs.back), Role::Holder));
    }
    if wait.in_circle {
        spans.push((format!(" {} circle", glyphs.warning), Role::Bad));
    }
    spans
}

/// A worker's name wherever it is not in its row: `w5`, in further pools `net 2`.
pub fn worker_name(model: &Model, worker: &WorkerView) -> String {
    let text = slot_text(model, worker);
    if worker.slot.pool.0 == 0 { format!("w{text}") } else { text }
}

/// Why a worker has nothing to do; blank when there is simply nothing left.
pub fn idle_reason(model: &Model, worker: &WorkerView) -> String {
    let pool = model.snapshot.pools.get(usize::from(worker.slot.pool.0));
    let Some(pool) = pool.filter(|_| !model.has_ended()) else { return String::new() };
    match (worker.state, pool.blocked) {
        (WorkerState::Reserved, _) => "its weight is lent to another job".to_owned(),
        _ if pool.paused => "the pool is paused".to_owned(),
        (_, blocked) if blocked > 0 && pool.ready == 0 => {
            format!("{} blocked by other jobs", format::grouped(u64::from(blocked)))
        }
        _ => String::new(),
    }
}

/// Draws the last minutes of a worker, the newest at the right.
pub fn draw_strip(model: &Model, row: &mut Canvas<'_>, worker: &WorkerView, x: u16, cells: u16) {
    let glyphs = row.glyphs();
    let moments = model.history.strip(worker.slot, usize::from(cells));
    let first = x + cells.saturating_sub(moments.len() as u16);
    for (i, moment) in moments.iter().enumerate() {
        let at = first + i as u16;
        if let Moment::Running(percent) = moment {
            let level = graph::percent_level(*percent).max(1);
            row.put(at, 0, glyphs.levels[level], Role::ActivityRun);
        } else if let Some((shape, role)) = strip_shape(glyphs, *moment) {
            row.put(at, 0, shape, role);
        }
    }
}

/// The shape of what is no level; nothing for a worker without a job.
fn strip_shape(glyphs: &Glyphs, moment: Moment) -> Option<(&'static str, Role)> {
    let [_, cpu_wait, io_wait, sleep] = glyphs.activity;
    Some(match moment {
        Moment::Idle | Moment::Running(_) => return None,
        Moment::WaitingCpu => (cpu_wait, Role::ActivityCpuWait),
        Moment::WaitingIo => (io_wait, Role::ActivityIoWait),
        Moment::Sleeping => (sleep, Role::ActivitySleep),
        Moment::Waiting => (glyphs.waiter, Role::Waiter),
        Moment::Quiet => ("?", Role::Quiet),
        Moment::Paused => ("=", Role::Paused),
        Moment::Stopping => ("x", Role::Stopping),
    })
}

/// The moments of the strip with their words.
const STRIP_WORDS: [(Moment, &str); 7] = [
    (Moment::WaitingCpu, "waits for a CPU"),
    (Moment::WaitingIo, "for I/O"),
    (Moment::Sleeping, "sleeps"),
    (Moment::Waiting, "for a lock"),
    (Moment::Quiet, "QUIET"),
    (Moment::Paused, "paused"),
    (Moment::Stopping, "stops"),
];

/// Returns the shapes of the strip that are no levels, with their words.
pub fn strip_words(glyphs: &'static Glyphs) -> impl Iterator<Item = (&'static str, &'static str)> {
    let words = STRIP_WORDS.iter();
    words.filter_map(move |(moment, word)| Some((strip_shape(glyphs, *moment)?.0, *word)))
}

/// Returns the legend of the strip.
pub fn legend(glyphs: &Glyphs) -> Vec<(String, Role)> {
    let mut spans = Vec::new();
    for (moment, word) in STRIP_WORDS {
        if let Some((shape, role)) = strip_shape(glyphs, moment) {
            let blank = if spans.is_empty() { "" } else { "  " };
            spans.push((format!("{blank}{shape}"), role));
            spans.push((format!(" {word}"), Role::Dim));
        }
    }
    spans
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
