//! What a list is sorted by.

use super::{boxed, choice_row, moved};
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Popup};
use crate::tui::panels::PANELS;
use crate::tui::theme::Role;

/// A key while the menu is open.
pub fn key(model: &mut Model, panel: usize, choice: usize, act: Option<Act>) {
    let Some((names, _)) = PANELS[panel].sorts(model) else { return };
    match act {
        Some(Act::Open) => PANELS[panel].sort(model, choice),
        Some(Act::Back | Act::Quit | Act::Sort) => {}
        act => {
            let choice = moved(choice, act, names.len());
            model.popup = Some(Popup::Sort { panel, choice });
        }
    }
}

/// Draws the menu.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, panel: usize, choice: usize) {
    let Some((names, now)) = PANELS[panel].sorts(model) else { return };
    let title = format!("sort {} by", PANELS[panel].name());
    let widest = names.iter().map(|name| name.len()).max().unwrap_or(0) as u16;
    let width = (widest + 10).max(title.len() as u16).max(24);
    let mut inside = boxed(canvas, width, names.len() as u16, &title, "Enter sort  Esc back");
    for (i, name) in names.iter().enumerate() {
        let y = i as u16;
        choice_row(&mut inside, y, i, i == choice);
        let end = inside.put(2, y, name, Role::Popup);
        if i == now {
            inside.put(end + 2, y, "now", Role::Dim);
        }
    }
}
