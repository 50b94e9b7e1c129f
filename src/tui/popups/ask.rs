//! A question before something that cannot be taken back.

use super::boxed;
use crate::tui::acts;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Act;
use crate::tui::model::{Ask, Model, Popup};
use crate::tui::theme::Role;
use crate::tui::update::Action;
use unicode_width::UnicodeWidthStr;

/// A key while the question is open.
pub fn key(model: &mut Model, ask: Ask, act: Option<Act>, actions: &mut Vec<Action>) {
    match act {
        Some(Act::Open) if model.has_ended() => acts::refuse(model, "the run has ended"),
        Some(Act::Open) => acts::send(model, ask.command, ask.title, actions),
        Some(Act::Back | Act::Quit) => {}
        _ => model.popup = Some(Popup::Ask(ask)),
    }
}

/// Draws the question.
pub fn draw(canvas: &mut Canvas<'_>, ask: &Ask) {
    let widest = ask.lines.iter().chain([&ask.title]).map(|line| line.width()).max().unwrap_or(0);
    let foot = format!("Enter {}  Esc back", ask.verb);
    let width = (widest.max(foot.width() + 4) as u16).max(40);
    let mut inside = boxed(canvas, width, ask.lines.len() as u16, &ask.title, &foot);
    for (y, line) in (0..).zip(&ask.lines) {
        inside.put_cut(0, y, u16::MAX, line, Role::Popup);
    }
}
