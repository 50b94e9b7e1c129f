//! A line of text at the bottom: search, filter.

use crate::tui::canvas::Canvas;
use crate::tui::model::{Model, Popup, Prompt, Wanted};
use crate::tui::panels::PANELS;
use crate::tui::theme::Role;
use crossterm::event::{KeyCode, KeyEvent};
use unicode_width::UnicodeWidthStr;

/// A key while text is typed.
pub fn key(model: &mut Model, mut prompt: Prompt, key: KeyEvent) {
    match key.code {
        KeyCode::Esc => {
            // What was typed half is taken back: an empty text shows everything.
            let _ = tell(model, &prompt, "", true);
            return;
        }
        KeyCode::Enter => {
            let text = prompt.input.text.clone();
            match tell(model, &prompt, &text, true) {
                Ok(()) => return,
                Err(why) => prompt.error = Some(why),
            }
        }
        _ => {
            prompt.input.key(key);
            let text = prompt.input.text.clone();
            prompt.error = tell(model, &prompt, &text, false).err();
        }
    }
    model.popup = Some(Popup::Prompt(prompt));
}

fn tell(model: &mut Model, prompt: &Prompt, text: &str, done: bool) -> Result<(), String> {
    match prompt.what {
        Wanted::Search(panel) => PANELS[panel].search(model, text, done),
        Wanted::Filter(panel) => PANELS[panel].filter(model, text, done),
    }
}

/// Draws the line with its cursor, and what is wrong with the text.
pub fn draw(prompt: &Prompt, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    if height == 0 {
        return;
    }
    let mut line = canvas.part(0, height - 1, width, 1);
    line.clear(Role::Screen);
    let name = match prompt.what {
        Wanted::Search(_) => "search",
        Wanted::Filter(_) => "filter",
    };
    let x = line.put(1, 0, name, Role::Key) + 1;
    let room = width.saturating_sub(x + 1);
    put_input(&mut line, x, room, &prompt.input);
    let hint = prompt.error.clone().unwrap_or_else(|| "Enter keeps  Esc back".to_owned());
    let role = if prompt.error.is_some() { Role::Bad } else { Role::Dim };
    let used = x + prompt.input.text.width() as u16 + 3;
    if used < width {
        let room = width - used - 1;
        let cells = (hint.width() as u16).min(room);
        line.put_cut(width - cells - 1, 0, room, &hint, role);
    }
}

/// Puts text that is being typed so that its cursor is in sight.
pub fn put_input(line: &mut Canvas<'_>, x: u16, room: u16, input: &crate::tui::input::Input) {
    let mut before = input.before();
    while before.width() + 1 > usize::from(room) && !before.is_empty() {
        before = &before[before.chars().next().map_or(0, char::len_utf8)..];
    }
    let at = line.put(x, 0, before, Role::Strong);
    let under = input.behind().chars().next().unwrap_or(' ').to_string();
    let style = line.look.style(Role::Choice);
    let after = line.put_styled(at, 0, &under, style);
    let rest = input.behind().strip_prefix(under.as_str()).unwrap_or("");
    let left = room.saturating_sub(after.saturating_sub(x));
    line.put_cut(after, 0, left, rest, Role::Strong);
}
