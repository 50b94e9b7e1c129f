//! Rows of locks that are not ganger's own: what looks from outside have sampled.

use super::table::What;
use super::words;
use crate::model::locks::Party;
use crate::model::waits::WaitKind;
use crate::model::waits::foreign::{ForeignHolder, ForeignLock, ForeignWaiter, QueueFill};
use crate::tui::canvas::{Canvas, Span};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::{format, graph};
use unicode_width::UnicodeWidthStr;

/// The kind's word, in at most nine cells.
pub fn kind(lock: &ForeignLock) -> &'static str {
    use WaitKind::*;
    match lock.kind {
        MpLock => "mp.Lock",
        MpRlock => "mp.RLock",
        PySemaphore => "mp.Sem",
        PyLock => "py Lock",
        PyRlock => "py RLock",
        FileLock => "file lock",
        SysvSem => "SysV sem",
        PipeRead => "mp get",
        PipeWrite => "mp put",
        other => other.word(),
    }
}

/// How it is, in at most nine cells.
pub fn state(lock: &ForeignLock) -> (String, Role) {
    match lock.fill {
        _ if lock.last_owner.is_some() => ("abandoned".to_owned(), Role::Bad),
        Some(fill) => {
            let role = if is_full(fill) { Role::Warn } else { Role::Text };
            (fill_words(fill), role)
        }
        None if lock.owners().next().is_some() => ("held".to_owned(), Role::Text),
        None if lock.n_waiters > 0 => ("awaited".to_owned(), Role::Text),
        None => ("quiet".to_owned(), Role::Idle),
    }
}

fn is_full(fill: QueueFill) -> bool {
    fill.capacity.is_some_and(|max| fill.depth >= max)
}

/// `3/8`, `3`
fn fill_words(fill: QueueFill) -> String {
    let room = fill.capacity.map_or(String::new(), |max| format!("/{max}"));
    format!("{}{room}", format::short_count(u64::from(fill.depth)))
}

/// Draws one cell of its row.
pub fn draw_cell(
    model: &Model,
    cell: &mut Canvas<'_>,
    lock: &ForeignLock,
    what: What,
    has_state: bool,
) {
    let has_owner = lock.owners().next().is_some();
    match what {
        What::State => draw_state(cell, lock),
        What::Holder if has_owner => draw_holder(model, cell, lock),
        What::Holder if !has_state => draw_state(cell, lock),
        What::Graph => draw_graph(model, cell, lock),
        What::Kind => _ = cell.put_cut(0, 0, cell.width(), kind(lock), Role::Dim),
        _ => {
            let (text, role) = number(model, lock, what);
            cell.put_right(cell.width(), 0, &text, role);
        }
    }
}

/// What is not known of what ganger does not own is a dash.
fn number(model: &Model, lock: &ForeignLock, what: What) -> (String, Role) {
    match what {
        What::Waiters => match super::table::waiting(model, &lock.key(), lock.n_waiters) {
            0 => (model.look.glyphs.dot.to_owned(), Role::Idle),
            n => (format!("{}{n}", model.look.glyphs.waiter), Role::Waiter),
        },
        What::Share => super::table::share(model, &lock.key()),
        What::Lost => match lock.stats.waited_us {
            0 => ("-".to_owned(), Role::Idle),
            us => (sampled(us), Role::Text),
        },
        What::WaitP95 | What::HoldP95 | What::Taken | What::Waited => ("-".to_owned(), Role::Idle),
        _ => (String::new(), Role::Dim),
    }
}

/// `~12s`: about.
fn sampled(us: u64) -> String {
    format!("~{}", format::span_us(us))
}

fn draw_state(cell: &mut Canvas<'_>, lock: &ForeignLock) {
    let (text, role) = state(lock);
    let width = cell.width();
    let bar = width.saturating_sub(text.width() as u16 + 1).min(4);
    let share = lock.fill.and_then(|fill| {
        let max = fill.capacity.filter(|max| *max > 0)?;
        Some((fill.depth as f32 / max as f32).min(1.0))
    });
    match share.filter(|_| bar >= 3 && lock.last_owner.is_none()) {
        Some(share) => {
            let shape = cell.glyphs().bar_full;
            graph::shares(cell, 0, 0, bar, &[(share, shape, Role::GraphMid)]);
            cell.put(bar + 1, 0, &text, role);
        }
        None => _ = cell.put_cut(0, 0, width, &text, role),
    }
}

fn draw_holder(model: &Model, cell: &mut Canvas<'_>, lock: &ForeignLock) {
    let parties: Vec<&Party> = lock.owners().map(|holder| &holder.party).collect();
    words::draw_holders(model, cell, &parties);
}

fn draw_graph(model: &Model, cell: &mut Canvas<'_>, lock: &ForeignLock) {
    let cells = cell.width();
    let now = model.axis_now();
    let window = model.history.locks.window(&lock.key(), &model.axis, now, cells);
    let values: Vec<Option<f32>> = window.iter().map(|p| p.map(|p| f32::from(p.waiters))).collect();
    let top = values.iter().flatten().copied().fold(4.0, f32::max);
    graph::history(cell, &values, top);
    graph::time_cursor(model, cell, crate::tui::panels::LOCKS);
}

// ---- the selected one

/// What waiting for it cost.
pub fn costs(model: &Model, lock: &ForeignLock) -> Vec<Span> {
    let word = |text: &str| (text.to_owned(), Role::Dim);
    let stats = &lock.stats;
    let mut spans = vec![
        word("waited for in "),
        (format::plural(stats.looks, "look"), Role::Strong),
        word(", at most by "),
        (format::plural(u64::from(stats.most_waiters), "thread"), Role::Strong),
        word("   lost "),
        (sampled(stats.waited_us), Role::Strong),
        word(", sampled"),
    ];
    if let Some(share) = model.history.locks.share(Some(&lock.key()), graph::moment(model)) {
        let percent = format::percent(share * 100.0);
        spans.push((format!(", {} of the workers' last minute", percent.trim()), Role::Dim));
    }
    spans
}

/// The longest wait, and what these numbers are.
pub fn times(model: &Model, lock: &ForeignLock) -> Vec<Span> {
    let dim = |text: String| (text, Role::Dim);
    let mut spans = Vec::new();
    if let Some(fill) = lock.fill {
        let items = format::plural(u64::from(fill.depth), "item");
        let of = fill.capacity.map_or(String::new(), |max| format!(" of {max}"));
        spans.push((format!("{items}{of} in the queue"), Role::Text));
        spans.push(dim("   ".to_owned()));
    }
    if lock.stats.longest_us > 0 {
        spans.push(dim("longest wait ".to_owned()));
        spans.push((format::span_us(lock.stats.longest_us), Role::Text));
        spans.push(dim("   ".to_owned()));
    }
    if let Some(owner) = lock.last_owner {
        spans.push((format!("its owner (pid {}) is gone   ", owner.pid), Role::Bad));
    } else if lock.n_waiters == 0 && lock.stats.looks > 0 {
        let age = format::age(model.ms_since(lock.stats.seen_at));
        spans.push(dim(format!("last waited for {age} ago   ")));
    }
    spans.push(dim("seen from outside: shorter waits than a look are missed".to_owned()));
    spans
}

/// `holds   pid 6003`, `may have it`
pub fn holder_facts(holder: &ForeignHolder) -> Vec<Span> {
    let mut spans = match holder.proven {
        true => vec![("holds it".to_owned(), Role::Dim)],
        false => vec![("may have it".to_owned(), Role::Dim)],
    };
    spans.push((place(&holder.party), Role::Text));
    if holder.stopped {
        spans.push((", stopped".to_owned(), Role::Warn));
    }
    spans
}

/// `waits  0:12   pid 6004`
pub fn waiter_facts(model: &Model, waiter: &ForeignWaiter) -> Vec<Span> {
    let age = waiter.since.map_or("?".to_owned(), |since| format::age(model.ms_since(since)));
    let mut spans = vec![
        ("waits ".to_owned(), Role::Dim),
        (format!("{age:>5}"), Role::Waiter),
        (place(&waiter.party), Role::Text),
    ];
    if waiter.timeout {
        spans.push((", with a timeout".to_owned(), Role::Dim));
    }
    spans
}

/// `  pid 6004/6007`
fn place(party: &Party) -> String {
    let thread = party.thread.map_or(String::new(), |tid| format!("/{tid}"));
    party.proc.map_or(String::new(), |proc| format!("  pid {}{thread}", proc.pid))
}
