//! Workers by locks: who holds (`■`) and who waits (`○`), so that a circle can be seen.

use super::shown::{self, Shown};
use super::{Who, in_circle, words};
use crate::model::locks::Party;
use crate::tui::acts;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::model::Model;
use crate::tui::panels::{LOCKS, scroll_bar, workers::mark};
use crate::tui::theme::Role;
use crate::tui::zones::Hit;
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthStr;

/// Most cells of a column's name.
const HEAD: u16 = 10;

/// A row: what it is called, and of every column whether it holds and whether it waits.
struct Line<'a> {
    who: Who,
    party: &'a Party,
}

/// Locks that somebody holds or waits for, the dearest first.
fn columns(model: &Model) -> Vec<Shown<'_>> {
    let rows = model.locks.rows.iter().filter_map(|name| shown::find(model, name));
    rows.filter(|lock| !lock.holders().is_empty() || lock.n_waiters() > 0).collect()
}

/// Jobs in the order of their workers, then others.
fn lines(model: &Model) -> Vec<Line<'_>> {
    let mut all: BTreeMap<(u32, Who), &Party> = BTreeMap::new();
    for lock in columns(model) {
        for party in lock.holders().into_iter().chain(lock.waiters()) {
            let who = Who::of(party);
            let slot = party.job().and_then(|job| model.worker_of(job)).map(|worker| worker.slot);
            let place = slot.map_or(u32::MAX, |slot| (u32::from(slot.pool.0) << 16) + slot.n);
            all.entry((place, who)).or_insert(party);
        }
    }
    all.into_iter().map(|((_, who), party)| Line { who, party }).collect()
}

fn holds(lock: Shown<'_>, who: Who) -> bool {
    lock.holders().into_iter().any(|party| Who::of(party) == who)
}

fn waits(lock: Shown<'_>, who: Who) -> bool {
    lock.waiters().into_iter().any(|party| Who::of(party) == who)
}

pub fn step(model: &mut Model, by: isize) {
    let whos: Vec<Who> = lines(model).iter().map(|line| line.who).collect();
    model.locks.matrix_rows.step(by, whos.len());
    model.locks.who = whos.get(model.locks.matrix_rows.at).copied();
    super::follow(model);
}

pub fn click(model: &mut Model, row: usize) {
    model.locks.matrix_rows.at = row;
    step(model, 0);
}

pub fn settle(model: &mut Model, height: u16) {
    let whos: Vec<Who> = lines(model).iter().map(|line| line.who).collect();
    let at = model.locks.who.and_then(|who| whos.iter().position(|w| *w == who));
    if let Some(at) = at {
        model.locks.matrix_rows.at = at;
    }
    let rows = usize::from(height.saturating_sub(1));
    model.locks.matrix_rows.settle(whos.len(), rows);
    model.locks.who = whos.get(model.locks.matrix_rows.at).copied();
    model.locks.column = model.locks.column.min(columns(model).len().saturating_sub(1));
}

/// From a row that waits to the one that holds what it waits for.
pub fn to_holder(model: &mut Model) {
    let Some(who) = model.locks.who else {
        return acts::refuse(model, "nobody holds anything, nobody waits");
    };
    let awaited = columns(model).into_iter().find(|lock| waits(*lock, who));
    let holder = awaited.and_then(|lock| lock.holders().first().map(|party| Who::of(party)));
    let name = words::of_who(model, who);
    match (awaited.map(words::nobody_holds), holder) {
        (None, _) => acts::refuse(model, &format!("{name} waits for nothing")),
        (Some(nobody), None) => acts::refuse(model, &nobody),
        (Some(_), Some(holder)) => {
            model.locks.who = Some(holder);
            super::follow(model);
        }
    }
}

/// What the shapes mean.
pub fn foot(model: &Model, _width: u16) -> Vec<Span> {
    let glyphs = model.look.glyphs;
    vec![
        (glyphs.holder.to_owned(), Role::Holder),
        (" holds  ".to_owned(), Role::Dim),
        (glyphs.waiter.to_owned(), Role::Waiter),
        (" waits".to_owned(), Role::Dim),
    ]
}

/// The widths: of the rows' names, and of each column.
struct Widths {
    name: u16,
    columns: Vec<u16>,
}

fn widths(all: &[Shown<'_>], width: u16, from: usize) -> Widths {
    let name = (width / 3).clamp(10, 34);
    let mut left = width.saturating_sub(2 + name);
    let mut columns = Vec::new();
    for lock in all.iter().skip(from) {
        let cells = (lock.title().width() as u16).clamp(3, HEAD) + 2;
        let Some(rest) = left.checked_sub(cells) else { break };
        left = rest;
        columns.push(cells);
    }
    Widths { name, columns }
}

pub fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let (all, lines) = (columns(model), lines(model));
    if lines.is_empty() {
        canvas.put_cut(1, 0, u16::MAX, "nobody holds anything, nobody waits", Role::Dim);
        return;
    }
    let from = model.locks.column;
    let widths = widths(&all, width, from);
    draw_heads(model, canvas, &all, &widths);
    let offset = model.locks.matrix_rows.offset;
    let rows = usize::from(height.saturating_sub(1));
    for (y, line) in lines.iter().enumerate().skip(offset).take(rows) {
        let mut row = canvas.part(0, 1 + (y - offset) as u16, width, 1);
        row.zone_all(Hit::Row { panel: LOCKS, row: y });
        if Some(line.who) == model.locks.who {
            mark(&mut row, focused);
        }
        let (worker, name) = words::party(model, line.party);
        let circle = in_circle(model, line.who);
        let role = if circle { Role::Bad } else { Role::Text };
        let text = match worker {
            Some(worker) => format!("{worker} {name}"),
            None => name,
        };
        row.put_cut(2, 0, widths.name - 1, &text, role);
        let mut x = 2 + widths.name;
        for (lock, cells) in all.iter().skip(from).zip(&widths.columns) {
            draw_cell(&mut row, x, *lock, line.who, circle);
            x += cells;
        }
    }
    let mut area = canvas.part(0, 1, width, height.saturating_sub(1));
    scroll_bar(&mut area, LOCKS, offset, lines.len());
}

fn draw_heads(model: &Model, canvas: &mut Canvas<'_>, all: &[Shown<'_>], widths: &Widths) {
    let from = model.locks.column;
    canvas.put_cut(2, 0, widths.name - 1, "worker", Role::Heading);
    let mut x = 2 + widths.name;
    for (lock, cells) in all.iter().skip(from).zip(&widths.columns) {
        let role = if lock.n_waiters() > 0 { Role::Waiter } else { Role::Heading };
        canvas.put_middle(x, 0, cells - 1, &lock.title(), role);
        x += cells;
    }
    let hidden = all.len() - from - widths.columns.len();
    if hidden > 0 || from > 0 {
        let more = format!("{} more {}", hidden + from, canvas.glyphs().arrow);
        let width = canvas.width();
        canvas.put_right(width, 0, &more, Role::Warn);
    }
}

fn draw_cell(row: &mut Canvas<'_>, x: u16, lock: Shown<'_>, who: Who, circle: bool) {
    let glyphs = row.glyphs();
    let (holds, waits) = (holds(lock, who), waits(lock, who));
    let bad = |role| if circle { Role::Bad } else { role };
    match (holds, waits) {
        (false, false) => _ = row.put(x + 1, 0, glyphs.dot, Role::Idle),
        (true, waits) => {
            let end = row.put(x + 1, 0, glyphs.holder, bad(Role::Holder));
            if waits {
                row.put(end, 0, glyphs.waiter, bad(Role::Waiter));
            }
        }
        (false, true) => _ = row.put(x + 1, 0, glyphs.waiter, bad(Role::Waiter)),
    }
}
