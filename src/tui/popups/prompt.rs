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
        KeyCode::Tab => match prompt.what {
            Wanted::Search(panel) if PANELS[panel].next_scope(model) => typed(model, &mut prompt),
            Wanted::Filter(_) => {
                complete(model, &mut prompt);
                typed(model, &mut prompt);
            }
            _ => {}
        },
        _ => {
            prompt.input.key(key);
            typed(model, &mut prompt);
        }
    }
    model.popup = Some(Popup::Prompt(prompt));
}

/// What the word before the cursor may become.
fn endings(model: &Model, prompt: &Prompt) -> Vec<String> {
    match prompt.what {
        Wanted::Filter(panel) => PANELS[panel].filter_endings(model, prompt.input.before()),
        _ => Vec::new(),
    }
}

/// Ends the word before the cursor as far as there is only one way to.
fn complete(model: &Model, prompt: &mut Prompt) {
    let endings = endings(model, prompt);
    let Some(first) = endings.first() else { return };
    let common = endings.iter().fold(first.as_str(), |common, other| {
        let same = common.chars().zip(other.chars()).take_while(|(a, b)| a == b);
        &common[..same.map(|(c, _)| c.len_utf8()).sum()]
    });
    let before = prompt.input.before();
    // The endings are whole words, of which a part is there.
    let there = (0..=common.len())
        .rev()
        .find(|n| common.is_char_boundary(*n) && before.ends_with(&common[..*n]));
    let rest = common[there.unwrap_or(0)..].to_owned();
    prompt.input.paste(&rest);
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

/// Draws the line with its cursor, and what is wrong with the text: at its place, in a line
/// above, when the place is known.
pub fn draw(model: &Model, prompt: &Prompt, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    if height == 0 {
        return;
    }
    let mut line = canvas.part(0, height - 1, width, 1);
    line.clear(Role::Screen);
    let (name, mut keys) = words(model, prompt.what);
    if prompt.what == Wanted::Filter(panels::JOBS) && prompt.input.text.is_empty() {
        keys = format!("such as: failed  thumb:3  cpu>1  /text/   {keys}");
    }
    let x = line.put(1, 0, &name, Role::Key) + 1;
    let room = width.saturating_sub(x + 1);
    put_input(&mut line, x, room, &prompt.input);
    let place = wrong_at(model, prompt).filter(|_| height > 4);
    let (hint, role) = match (&prompt.error, place) {
        (Some(_), Some(_)) => (String::new(), Role::Dim),
        (Some(why), None) => (why.clone(), Role::Bad),
        (None, _) => (hint(&endings(model, prompt)).unwrap_or(keys), Role::Dim),
    };
    let used = x + prompt.input.text.width() as u16 + 3;
    if used < width {
        let room = width - used - 1;
        let cells = (hint.width() as u16).min(room);
        line.put_cut(width - cells - 1, 0, room, &hint, role);
    }
    if let (Some(why), Some(cells)) = (&prompt.error, place) {
        put_wrong(canvas, x + cells.min(room), why);
    }
}

/// Cells before what is wrong with the text.
fn wrong_at(model: &Model, prompt: &Prompt) -> Option<u16> {
    let Wanted::Filter(panel) = prompt.what else { return None };
    prompt.error.as_ref()?;
    let column = PANELS[panel].filter_wrong_at(model, &prompt.input.text)?;
    let before: String = prompt.input.text.chars().take(column).collect();
    Some(before.width() as u16)
}

/// A pointer to the place above the line, and the words beside it; above it where they do not
/// fit.
fn put_wrong(canvas: &mut Canvas<'_>, x: u16, why: &str) {
    let (width, height) = (canvas.width(), canvas.height());
    let x = x.min(width.saturating_sub(1));
    let cells = why.width() as u16;
    let pointer = canvas.glyphs().more[1];
    let fits = x + 3 + cells <= width;
    let mut line = canvas.part(0, height - 2, width, 1);
    line.clear(Role::Screen);
    line.put(x, 0, pointer, Role::Bad);
    if fits {
        line.put(x + 2, 0, why, Role::Bad);
    } else if cells + 1 < x {
        line.put(x - cells - 1, 0, why, Role::Bad);
    } else {
        let lines = broken(why, usize::from(width.saturating_sub(2)));
        let n = (lines.len() as u16).min(height.saturating_sub(2));
        for (i, text) in (0..n).zip(&lines) {
            let mut above = canvas.part(0, height - 2 - n + i, width, 1);
            above.clear(Role::Screen);
            above.put_cut(1, 0, width - 2, text, Role::Bad);
        }
    }
}

/// Breaks text between words.
fn broken(text: &str, cells: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let used = lines.last().map_or(0, |line| line.width());
        match lines.last_mut() {
            Some(line) if used == 0 => line.push_str(word),
            Some(line) if used + 1 + word.width() <= cells => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What Tab makes of the word.
fn hint(endings: &[String]) -> Option<String> {
    Some(match endings {
        [] => return None,
        [one] => format!("Tab {one}"),
        many => {
            let some: Vec<&str> = many.iter().take(5).map(String::as_str).collect();
            let more = if many.len() > 5 { " …" } else { "" };
            format!("Tab {}{more}", some.join(" "))
        }
    })
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
