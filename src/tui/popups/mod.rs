//! What lies over the screen: help, menus, prompts, the palette. One file each.

mod ask;
mod help;
mod kill;
mod palette;
mod pools;
mod prompt;
mod quit;
mod sort;

use super::canvas::Canvas;
use super::keymap::Act;
use super::model::{Model, Popup};
use super::theme::Role;
use super::update::Action;
use super::zones::Hit;
use crossterm::event::{KeyCode, KeyEvent};

pub use kill::{ask as ask_preview, take as take_preview};

/// A key while a popup is open.
pub fn on_key(model: &mut Model, key: KeyEvent, act: Option<Act>, actions: &mut Vec<Action>) {
    match model.popup.take() {
        Some(Popup::Help { top }) => model.popup = help::key(model, act, top),
        Some(Popup::Kill(menu)) => kill::key(model, menu, key, act, actions),
        Some(Popup::Quit { choice }) => quit::key(model, choice, key, act, actions),
        Some(Popup::Prompt(prompt)) => prompt::key(model, prompt, key, actions),
        Some(Popup::Palette { input, choice }) => palette::key(model, input, choice, key, actions),
        Some(Popup::Pools { choice, typed }) => {
            pools::key(model, choice, typed, key, act, actions);
        }
        Some(Popup::Sort { panel, choice }) => sort::key(model, panel, choice, act),
        Some(Popup::Ask(question)) => ask::key(model, question, act, actions),
        None => {}
    }
}

/// A click on line `choice` of a popup.
pub fn click(model: &mut Model, clicked: usize, actions: &mut Vec<Action>) {
    match &mut model.popup {
        _ if clicked == usize::MAX => return,
        Some(Popup::Kill(menu)) => menu.choice = clicked,
        Some(
            Popup::Quit { choice }
            | Popup::Palette { choice, .. }
            | Popup::Pools { choice, .. }
            | Popup::Sort { choice, .. },
        ) => {
            *choice = clicked;
        }
        _ => return,
    }
    // One click on a pool or a signal only chooses: Enter follows by hand.
    if !matches!(model.popup, Some(Popup::Kill(_) | Popup::Pools { .. })) {
        on_key(model, KeyEvent::from(KeyCode::Enter), Some(Act::Open), actions);
    }
}

/// The wheel over a popup.
pub fn wheel(model: &mut Model, by: isize, actions: &mut Vec<Action>) {
    let (code, act) = if by < 0 { (KeyCode::Up, Act::Up) } else { (KeyCode::Down, Act::Down) };
    on_key(model, KeyEvent::from(code), Some(act), actions);
}

/// Text was pasted: lines of text take it, nothing else does.
pub fn on_paste(model: &mut Model, text: &str) {
    match model.popup.take() {
        Some(Popup::Prompt(prompt)) => prompt::paste(model, prompt, text),
        Some(Popup::Palette { mut input, choice }) => {
            input.paste(text);
            model.popup = Some(Popup::Palette { input, choice });
        }
        other => model.popup = other,
    }
}

/// Draws what lies over the screen.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    match &model.popup {
        Some(Popup::Help { top }) => help::draw(model, canvas, *top),
        Some(Popup::Kill(menu)) => kill::draw(model, canvas, menu),
        Some(Popup::Quit { choice }) => quit::draw(model, canvas, *choice),
        Some(Popup::Prompt(prompt)) => prompt::draw(model, prompt, canvas),
        Some(Popup::Palette { input, choice }) => palette::draw(model, canvas, input, *choice),
        Some(Popup::Pools { choice, typed }) => pools::draw(model, canvas, *choice, typed),
        Some(Popup::Sort { panel, choice }) => sort::draw(model, canvas, *panel, *choice),
        Some(Popup::Ask(question)) => ask::draw(canvas, question),
        None => {}
    }
}

/// Moves a choice with the arrows; returns it within `0..n`.
fn moved(choice: usize, act: Option<Act>, n: usize) -> usize {
    let last = n.saturating_sub(1);
    match act {
        Some(Act::Up | Act::PreviousPanel) => choice.saturating_sub(1),
        Some(Act::Down | Act::NextPanel) => (choice + 1).min(last),
        Some(Act::First | Act::PageUp) => 0,
        Some(Act::Last | Act::PageDown) => last,
        _ => choice.min(last),
    }
}

/// Draws an empty box in the middle, as large as it may be, and returns its inside.
fn boxed<'a>(
    canvas: &'a mut Canvas<'_>,
    width: u16,
    height: u16,
    title: &str,
    foot: &str,
) -> Canvas<'a> {
    let width = (width + 4).min(canvas.width());
    let height = (height + 2).min(canvas.height());
    let x = (canvas.width() - width) / 2;
    let y = (canvas.height() - height) / 2;
    canvas.zone_all(Hit::Outside);
    let style = canvas.look.style(Role::Popup);
    let mut area = canvas.part(x, y, width, height);
    area.clear(Role::Popup);
    area.zone_all(Hit::Choice(usize::MAX));
    area.lay_under(ratatui::style::Style { bg: style.bg, ..Default::default() });
    area.frame(Role::PopupBorder);
    let room = width.saturating_sub(6);
    let end = area.put(2, 0, " ", Role::Popup);
    let end = area.put_cut(end, 0, room, title, Role::Strong);
    area.put(end, 0, " ", Role::Popup);
    if height > 2 {
        let foot_y = height - 1;
        let foot = format!(" {foot} ");
        area.put_right(width.saturating_sub(2), foot_y, &foot, Role::Dim);
    }
    area.into_part(2, 1, width.saturating_sub(4), height.saturating_sub(2))
}

/// Draws the ground of a line that can be chosen, and notes that a click chooses it.
fn choice_row(inside: &mut Canvas<'_>, y: u16, choice: usize, chosen: bool) {
    let width = inside.width();
    inside.zone(0, y, width, 1, Hit::Choice(choice));
    let style = inside.look.style(Role::Choice);
    if chosen {
        inside.repeat(0, y, width, " ", style);
        let marker = inside.glyphs().marker;
        inside.put_styled(0, y, marker, style);
        inside.lay_under(style);
    } else {
        let bg = inside.look.style(Role::Popup).bg;
        inside.lay_under(ratatui::style::Style { bg, ..Default::default() });
    }
}
