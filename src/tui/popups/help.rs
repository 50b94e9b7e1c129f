//! The help: the keys of the panel with the focus, then those for everywhere, then the words.

use super::boxed;
use crate::tui::canvas::Canvas;
use crate::tui::graph;
use crate::tui::keymap::{self, Act};
use crate::tui::model::{Model, Popup};
use crate::tui::panels::PANELS;
use crate::tui::theme::Role;

/// A key while the help is open.
pub fn key(model: &Model, act: Option<Act>, top: u16) -> Option<Popup> {
    let page = model.size.height.saturating_sub(2).max(1);
    let last = (wrapped(model).len() as u16).saturating_sub(page);
    let top = match act {
        Some(Act::Up) => top.saturating_sub(1),
        Some(Act::Down) => (top + 1).min(last),
        Some(Act::PageUp | Act::First) => top.saturating_sub(page),
        Some(Act::PageDown | Act::Last) => top.saturating_add(page).min(last),
        _ => return None,
    };
    Some(Popup::Help { top })
}

/// The help: pairs of what is shown and what it means; a pair without the first is a heading.
fn help_lines(model: &Model) -> Vec<(String, String)> {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let mut lines = Vec::new();
    let panel = PANELS[model.focus].name();
    let own: Vec<_> = keymap::bindings_in(panel).filter(|b| !b.panel.is_empty()).collect();
    if !own.is_empty() {
        lines.push(pair("", &format!("in {panel}")));
        lines.extend(own.iter().map(|b| pair(&model.keymap.shown(b), b.help)));
        lines.push(pair("", ""));
    }
    lines.push(pair("", "keys"));
    let everywhere = keymap::bindings_in(panel).filter(|b| b.panel.is_empty());
    lines.extend(everywhere.map(|b| pair(&model.keymap.shown(b), b.help)));
    lines.push(pair("", ""));
    lines.push(pair("", "mouse"));
    lines.push(pair("click", "selects; heads sort, graphs set the time cursor, keys act"));
    lines.push(pair("drag", "scroll bars, and borders between panels; Shift selects text"));
    lines.push(pair("", ""));
    lines.push(pair("", "what a worker does"));
    for (word, meaning) in crate::tui::panels::STATE_WORDS {
        lines.push(pair(word, meaning));
    }
    lines.push(pair("", ""));
    lines.push(pair("", "its last minute, three seconds a cell"));
    let glyphs = model.look.glyphs;
    let levels = format!("{} {}", glyphs.levels[1], glyphs.levels[8]);
    lines.push(pair(&levels, "was on a CPU, little or much"));
    for (shape, meaning) in crate::tui::panels::strip_words(glyphs) {
        lines.push(pair(shape, meaning));
    }
    lines.push(pair("", ""));
    lines.push(pair("", "a core's time"));
    let lighter = graph::shapes_of_others(glyphs)[0];
    lines.push(pair(lighter, "lighter: what is not of this run"));
    for (i, (_, name)) in graph::CLASSES.iter().enumerate() {
        lines.push(pair(glyphs.classes[i], CLASS_HELP.get(i).copied().unwrap_or(name)));
    }
    lines
}

const CLASS_HELP: [&str; 7] = [
    "user: programs",
    "nice: programs that gave way (nice)",
    "system: the kernel on their behalf",
    "irq: interrupts",
    "softirq: network and timers, after interrupts",
    "steal: taken by the host of this virtual machine",
    "wait: idle while disks are busy",
];

/// The lines as they are drawn: words too long for the screen go on below.
fn wrapped(model: &Model) -> Vec<(String, String)> {
    let lines = help_lines(model);
    let keys = key_cells(&lines);
    let room = usize::from(model.size.width).saturating_sub(keys + 6).max(10);
    let mut out = Vec::with_capacity(lines.len());
    for (key, text) in lines {
        if key.is_empty() {
            out.push((key, text));
            continue;
        }
        let mut key = Some(key);
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                // A blank key: not a heading.
                out.push((key.take().unwrap_or(" ".to_owned()), std::mem::take(&mut line)));
            }
            let blank = if line.is_empty() { "" } else { " " };
            line.push_str(blank);
            line.push_str(word);
        }
        out.push((key.take().unwrap_or(" ".to_owned()), line));
    }
    out
}

fn key_cells(lines: &[(String, String)]) -> usize {
    lines.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0)
}

/// Draws the help.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, top: u16) {
    let lines = wrapped(model);
    let keys = key_cells(&lines) as u16;
    let words = lines.iter().map(|(_, b)| b.chars().count()).max().unwrap_or(0) as u16;
    let height = lines.len() as u16;
    let foot = if height + 2 > canvas.height() { "up down  Esc back" } else { "Esc back" };
    let mut inside = boxed(canvas, keys + 2 + words, height, "ganger: help", foot);
    for (y, (key, text)) in lines.iter().skip(usize::from(top)).enumerate() {
        let y = y as u16;
        if key.is_empty() {
            inside.put(0, y, text, Role::Strong);
        } else {
            let end = inside.put(0, y, key, Role::Key).max(keys + 2);
            let room = inside.width().saturating_sub(end);
            inside.put_cut(end, y, room, text, Role::Popup);
        }
    }
}
