//! A line of text at the bottom: search, filter, the name of a file.

use crate::tui::canvas::Canvas;
use crate::tui::model::{Model, Popup, Prompt, Wanted};
use crate::tui::panels::{self, PANELS};
use crate::tui::theme::Role;
use crate::tui::update::Action;
use crossterm::event::{KeyCode, KeyEvent};
use unicode_width::UnicodeWidthStr;

/// A key while text is typed.
pub fn key(model: &mut Model, mut prompt: Prompt, key: KeyEvent, actions: &mut Vec<Action>) {
    match key.code {
        KeyCode::Esc => return give_up(model, &prompt),
        KeyCode::Enter => {
            let text = prompt.input.text.clone();
            match tell(model, &prompt, &text, Some(actions)) {
                Ok(()) => return,
                Err(why) => prompt.error = Some(why),
            }
        }
        KeyCode::Tab => {
            if let Wanted::Search(panel) = prompt.what
                && PANELS[panel].next_scope(model)
            {
                typed(model, &mut prompt);
            }
        }
        _ => {
            prompt.input.key(key);
            typed(model, &mut prompt);
        }
    }
    model.popup = Some(Popup::Prompt(prompt));
}

/// Text was pasted.
pub fn paste(model: &mut Model, mut prompt: Prompt, text: &str) {
    prompt.input.paste(text);
    typed(model, &mut prompt);
    model.popup = Some(Popup::Prompt(prompt));
}

fn typed(model: &mut Model, prompt: &mut Prompt) {
    let text = prompt.input.text.clone();
    prompt.error = tell(model, prompt, &text, None).err();
}

/// What was typed half is taken back: an empty text shows everything.
fn give_up(model: &mut Model, prompt: &Prompt) {
    let (Wanted::Search(panel) | Wanted::Filter(panel)) = prompt.what else { return };
    // An empty text is never wrong.
    let _ = match prompt.what {
        Wanted::Search(_) => PANELS[panel].search(model, "", true),
        _ => PANELS[panel].filter(model, "", true),
    };
}

/// Passes on what is typed; with `done`, when it is complete.
fn tell(
    model: &mut Model,
    prompt: &Prompt,
    text: &str,
    done: Option<&mut Vec<Action>>,
) -> Result<(), String> {
    match prompt.what {
        Wanted::Search(panel) => PANELS[panel].search(model, text, done.is_some()),
        Wanted::Filter(panel) => PANELS[panel].filter(model, text, done.is_some()),
        Wanted::Percent => panels::output::go_to(model, text, done.is_some()),
        Wanted::Save => match done {
            Some(actions) => panels::output::save(model, text, actions),
            None => Ok(()),
        },
    }
}

/// What a prompt asks for, and what keys do.
fn words(model: &Model, what: Wanted) -> (String, String) {
    let keys = "Enter keeps  Esc back";
    let (name, hint) = match what {
        Wanted::Search(panel) => return PANELS[panel].search_words(model),
        Wanted::Filter(_) => ("filter", keys),
        Wanted::Save => ("save to", "Enter saves  Esc back"),
        Wanted::Percent => ("go to percent", "Enter goes  Esc back"),
    };
    (name.to_owned(), hint.to_owned())
}

/// Draws the line with its cursor, and what is wrong with the text.
pub fn draw(model: &Model, prompt: &Prompt, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    if height == 0 {
        return;
    }
    let mut line = canvas.part(0, height - 1, width, 1);
    line.clear(Role::Screen);
    let (name, hint) = words(model, prompt.what);
    let x = line.put(1, 0, &name, Role::Key) + 1;
    let room = width.saturating_sub(x + 1);
    put_input(&mut line, x, room, &prompt.input);
    let hint = prompt.error.clone().unwrap_or(hint);
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
