//! The command palette: every act by its name, and those that take a word.

use super::prompt::put_input;
use super::{boxed, choice_row};
use crate::tui::acts;
use crate::tui::canvas::Canvas;
use crate::tui::input::Input;
use crate::tui::keymap::{self, Act};
use crate::tui::model::{Model, Popup};
use crate::tui::panels::PANELS;
use crate::tui::theme::Role;
use crate::tui::update::{self, Action};
use crossterm::event::{KeyCode, KeyEvent};

/// Acts that take words: name, words, what they do.
const WITH_WORDS: [(&str, &str, &str); 8] = [
    ("scale", "[POOL] N | +N | -N", "set the number of workers of a pool"),
    ("theme", "NAME", "put on a theme"),
    ("view", "NAME", "turn to a view: overview, jobs, timeline, events, locks"),
    ("filter", "TEXT", "show only what fits, in this panel"),
    ("search", "TEXT", "search in this panel"),
    ("search-all", "TEXT", "search in the output of all jobs; `/regex/` is one, too"),
    ("drain", "", "start nothing more, leave when running jobs have ended"),
    ("stop", "", "end running jobs too, KILL after their grace"),
];

/// A line of the palette.
struct Entry {
    name: &'static str,
    words: &'static str,
    keys: String,
    help: &'static str,
    act: Option<Act>,
}

fn entries(model: &Model, text: &str) -> Vec<Entry> {
    let panel = PANELS[model.focus].name();
    let text = text.trim_start();
    let (name, words) = match text.split_once(' ') {
        Some((name, words)) if WITH_WORDS.iter().any(|(n, _, _)| *n == name) => (name, words),
        _ => (text.trim_end(), ""),
    };
    let with_words = WITH_WORDS.iter().map(|(name, words, help)| Entry {
        name,
        words,
        keys: String::new(),
        help,
        act: None,
    });
    let acts = keymap::bindings_in(panel).filter(|b| b.act != Act::Panel).map(|b| Entry {
        name: b.name,
        words: "",
        keys: model.keymap.shown(b),
        help: b.help,
        act: Some(b.act),
    });
    let mut all: Vec<_> = with_words
        .chain(acts)
        .filter(|e| words.is_empty() || !e.words.is_empty())
        .filter_map(|e| rank(name, &e).map(|rank| (rank, e)))
        .collect();
    all.sort_by_key(|(rank, _)| *rank);
    all.into_iter().map(|(_, entry)| entry).collect()
}

/// How well a typed name fits: 0 is best, `None` not at all. A name may be typed in part: its
/// beginning, a piece of it, letters of it in their order, or a word of what it does.
fn rank(typed: &str, entry: &Entry) -> Option<u8> {
    let typed = typed.to_lowercase();
    let mut letters = entry.name.chars();
    let in_order = typed.chars().all(|c| letters.any(|l| l == c));
    match () {
        () if entry.name == typed => Some(0),
        () if entry.name.starts_with(&typed) => Some(1),
        () if entry.name.contains(&typed) => Some(2),
        () if entry.help.to_lowercase().contains(&typed) => Some(3),
        () if in_order => Some(4),
        () => None,
    }
}

/// A key while the palette is open.
pub fn key(
    model: &mut Model,
    mut input: Input,
    choice: usize,
    key: KeyEvent,
    actions: &mut Vec<Action>,
) {
    let n = entries(model, &input.text).len();
    let last = n.saturating_sub(1);
    let choice = match key.code {
        KeyCode::Esc => return,
        KeyCode::Backspace if input.text.is_empty() => return,
        KeyCode::Enter => return run(model, &input.text, choice, actions),
        KeyCode::Up => choice.saturating_sub(1),
        KeyCode::Down => (choice + 1).min(last),
        KeyCode::PageUp => choice.saturating_sub(8),
        KeyCode::PageDown => (choice + 8).min(last),
        KeyCode::Tab => {
            let entry = entries(model, &input.text).into_iter().nth(choice);
            let name = entry.map_or(String::new(), |e| {
                let blank = if e.words.is_empty() { "" } else { " " };
                format!("{}{blank}", e.name)
            });
            input = Input::with(name);
            0
        }
        _ => {
            if input.key(key) {
                0
            } else {
                choice
            }
        }
    };
    model.popup = Some(Popup::Palette { input, choice });
}

fn run(model: &mut Model, text: &str, choice: usize, actions: &mut Vec<Action>) {
    let Some(entry) = entries(model, text).into_iter().nth(choice) else {
        return acts::refuse(model, &format!("no act fits `{}`", text.trim()));
    };
    if let Some(act) = entry.act {
        return update::perform(model, act, 0, actions);
    }
    let words = text.trim().split_once(' ').map_or("", |(_, words)| words.trim());
    if words.is_empty() && !entry.words.is_empty() {
        // Chosen by the arrows: now its words are typed.
        let input = Input::with(format!("{} ", entry.name));
        model.popup = Some(Popup::Palette { input, choice: 0 });
        return;
    }
    if let Err(why) = acts::in_words(model, entry.name, words, actions) {
        acts::refuse(model, &why);
    }
}

/// Draws the palette in the upper half: what is below stays in sight.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, input: &Input, choice: usize) {
    let all = entries(model, &input.text);
    let width = canvas.width().saturating_sub(8).min(84);
    let rows = canvas.height().saturating_sub(6).clamp(3, 16);
    let mut inside = boxed(canvas, width, rows + 1, "what to do", "Tab completes  Enter  Esc back");
    let end = inside.put(0, 0, ":", Role::Key);
    let room = inside.width().saturating_sub(end);
    put_input(&mut inside, end, room, input);
    if all.is_empty() {
        inside.put(2, 1, "nothing fits", Role::Dim);
    }
    let visible = usize::from(inside.height().saturating_sub(1)).max(1);
    let first = (choice + 1).saturating_sub(visible);
    for (y, (i, entry)) in (1..).zip(all.iter().enumerate().skip(first).take(visible)) {
        choice_row(&mut inside, y, i, i == choice);
        let end = inside.put(2, y, entry.name, Role::Popup);
        inside.put(end + 1, y, entry.words, Role::Dim);
        let keys_end = 40.min(inside.width());
        if entry.words.is_empty() {
            inside.put_right(keys_end, y, &entry.keys, Role::Key);
        }
        let room = inside.width().saturating_sub(keys_end + 2);
        inside.put_cut(keys_end + 2, y, room, entry.help, Role::Dim);
    }
}
