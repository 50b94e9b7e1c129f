//! The pools: their sizes with the reason for them, to change by typing.

use super::{boxed, choice_row, moved};
use crate::model::PoolIdx;
use crate::tui::acts;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Popup};
use crate::tui::theme::Role;
use crate::tui::update::Action;
use crossterm::event::{KeyCode, KeyEvent};

/// Digits that a size may have.
const DIGITS: usize = 6;

/// A key while the menu is open.
pub fn key(
    model: &mut Model,
    choice: usize,
    mut typed: String,
    key: KeyEvent,
    act: Option<Act>,
    actions: &mut Vec<Action>,
) {
    let n = model.snapshot.pools.len();
    let pool = PoolIdx(choice as u16);
    match (key.code, act) {
        (KeyCode::Char(digit @ '0'..='9'), _) if typed.len() < DIGITS => typed.push(digit),
        (KeyCode::Backspace, _) => {
            typed.pop();
        }
        (_, Some(Act::Grow)) => acts::scale_pool(model, pool, 1, actions),
        (_, Some(Act::Shrink)) => acts::scale_pool(model, pool, -1, actions),
        (_, Some(Act::PauseRun | Act::PauseJob)) => acts::pause_pool(model, pool, actions),
        (_, Some(Act::Open)) => {
            if let Ok(size) = typed.parse() {
                acts::set_size(model, pool, size, actions);
            }
            return;
        }
        (_, Some(Act::Back | Act::Quit | Act::Pools)) => return,
        _ => {
            let to = moved(choice, act, n);
            let typed = if to == choice { typed } else { String::new() };
            model.popup = Some(Popup::Pools { choice: to, typed });
            return;
        }
    }
    model.popup = Some(Popup::Pools { choice, typed });
}

/// Draws the menu.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, choice: usize, typed: &str) {
    let pools = &model.snapshot.pools;
    let name_cells = pools.iter().map(|p| p.name.len()).max().unwrap_or(0).clamp(4, 16) as u16;
    let width = canvas.width().saturating_sub(8).clamp(30, 76);
    let height = pools.len() as u16 + 1;
    let foot = "type a size, Enter  + -  p pause  Esc back";
    let mut inside = boxed(canvas, width, height, "pools", foot);
    let size_end = 2 + name_cells + 1 + 7;
    inside.put(2, 0, "pool", Role::Heading);
    inside.put_right(size_end, 0, "size", Role::Heading);
    inside.put_right(size_end + 6, 0, "busy", Role::Heading);
    inside.put_right(size_end + 13, 0, "queued", Role::Heading);
    inside.put(size_end + 15, 0, "why this size", Role::Heading);
    let rows = usize::from(inside.height().saturating_sub(1)).max(1);
    let first = (choice + 1).saturating_sub(rows);
    for (y, (i, pool)) in (1..).zip(pools.iter().enumerate().skip(first).take(rows)) {
        choice_row(&mut inside, y, i, i == choice);
        inside.put_cut(2, y, name_cells, &pool.name, Role::Popup);
        let wanted = model.wanted.get(&PoolIdx(i as u16)).map(|(size, _)| *size);
        let size = match (i == choice && !typed.is_empty(), wanted) {
            (true, _) => format!("{typed}_"),
            (false, Some(size)) => format!("{} {size}", model.look.glyphs.arrow),
            (false, None) => pool.size.to_string(),
        };
        inside.put_right(size_end, y, &size, Role::Strong);
        inside.put_right(size_end + 6, y, &pool.running.to_string(), Role::Popup);
        let queued = u64::from(pool.ready) + u64::from(pool.blocked);
        let queued = crate::tui::format::short_count(queued);
        inside.put_right(size_end + 13, y, &queued, Role::Popup);
        let why = match pool.paused {
            true => "paused".to_owned(),
            false => format!("{} ({} to {})", pool.reason, pool.min, pool.max),
        };
        let role = if pool.paused { Role::Paused } else { Role::Dim };
        let room = inside.width().saturating_sub(size_end + 15);
        inside.put_cut(size_end + 15, y, room, &why, role);
    }
}
