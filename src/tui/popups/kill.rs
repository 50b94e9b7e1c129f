//! The kill menu: what will be ended, and how.

use super::{boxed, choice_row, moved};
use crate::model::signal_name;
use crate::tui::acts::{self, KILL_CHOICES};
use crate::tui::canvas::Canvas;
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::{KillMenu, Model, Popup};
use crate::tui::panels;
use crate::tui::theme::Role;
use crate::tui::update::Action;
use crossterm::event::{KeyCode, KeyEvent};

/// A key while the menu is open.
pub fn key(
    model: &mut Model,
    mut menu: KillMenu,
    key: KeyEvent,
    act: Option<Act>,
    actions: &mut Vec<Action>,
) {
    match (key.code, act) {
        (KeyCode::Char(digit @ '0'..='9'), _) => {
            menu.typed.push(digit);
            if !pick_typed(&mut menu) {
                menu.typed = digit.to_string();
                pick_typed(&mut menu);
            }
        }
        (_, Some(Act::Open)) => {
            acts::kill(model, &menu, actions);
            return;
        }
        (_, Some(Act::Back | Act::Quit)) => return,
        _ => menu.choice = moved(menu.choice, act, KILL_CHOICES.len()),
    }
    model.popup = Some(Popup::Kill(menu));
}

fn pick_typed(menu: &mut KillMenu) -> bool {
    let at = KILL_CHOICES.iter().position(|c| c.signal.to_string() == menu.typed);
    let begins = KILL_CHOICES.iter().any(|c| c.signal.to_string().starts_with(&menu.typed));
    if let Some(at) = at {
        menu.choice = at;
    }
    begins
}

/// Most lines that say what would be freed.
const FREES: usize = 6;

/// Draws the menu.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, menu: &KillMenu) {
    let title = match menu.targets.as_slice() {
        [one] => format!("kill {}", one.label),
        many => format!("kill {} tagged jobs", many.len()),
    };
    let mut frees = panels::frees(model, &menu.targets);
    let room = usize::from(canvas.height()).saturating_sub(KILL_CHOICES.len() + 5);
    frees.truncate(room.clamp(usize::from(canvas.height() >= 8), FREES));
    let n = frees.len() as u16;
    let height = KILL_CHOICES.len() as u16 + 3 + n;
    let mut inside = boxed(canvas, 60, height, &title, "Enter send  Esc back");
    let rows = inside.height();
    let compact = rows < height;
    inside.put_cut(0, 0, u16::MAX, &who(model, menu), Role::Popup);
    let changed = changed_words(model, menu);
    match &changed {
        Some(why) => {
            inside.put_cut(0, 1, u16::MAX, why, Role::Bad);
        }
        None if !compact => {
            inside.put_cut(0, 1, u16::MAX, &reach(model, menu), Role::Dim);
        }
        None => {}
    }
    let top = if compact { 1 + u16::from(changed.is_some()) } else { 2 };
    for (y, line) in (top..).zip(&frees) {
        let role = if line.starts_with("does not") { Role::Warn } else { Role::Good };
        inside.put_cut(0, y, u16::MAX, line, role);
    }
    let top = top + n + u16::from(!compact);
    draw_choices(&mut inside, menu, top);
}

fn draw_choices(inside: &mut Canvas<'_>, menu: &KillMenu, top: u16) {
    let visible = usize::from(inside.height().saturating_sub(top)).max(1);
    let first = (menu.choice + 1).saturating_sub(visible);
    let choices = KILL_CHOICES.iter().enumerate().skip(first).take(visible);
    for (y, (i, choice)) in (top..).zip(choices) {
        choice_row(inside, y, i, i == menu.choice);
        let name = signal_name(choice.signal);
        let name = name.trim_start_matches("SIG");
        inside.put_right(5, y, &choice.signal.to_string(), Role::Dim);
        inside.put(6, y, name, if choice.ends { Role::Key } else { Role::Popup });
        let room = inside.width().saturating_sub(13);
        inside.put_cut(13, y, room, choice.help, Role::Popup);
    }
}

/// Who will be hit, as it was when the menu opened.
fn who(model: &Model, menu: &KillMenu) -> String {
    let [target] = menu.targets.as_slice() else {
        let labels: Vec<_> = menu.targets.iter().map(|t| t.label.as_str()).collect();
        return labels.join(", ");
    };
    let pid = match target.proc {
        Some(proc) => format!("pid {}", proc.pid),
        None => "no process yet".to_owned(),
    };
    let age = format::age(model.ms_since(target.since));
    let attempt = target.attempt.map_or(String::new(), |a| format!(", attempt {a}"));
    format!("{pid}, started {age} ago{attempt}")
}

/// How far it reaches: the whole tree of every target, in numbers where they are known.
fn reach(model: &Model, menu: &KillMenu) -> String {
    let trees = menu.targets.iter().filter_map(|t| model.work_of(t.attempt?)?.1.tree);
    let processes: u64 = trees.map(|tree| u64::from(tree.processes)).sum();
    match processes {
        0 | 1 => "goes to its whole process tree".to_owned(),
        n => format!("goes to the whole process tree: {n} processes now"),
    }
}

/// Why some targets are no longer what they were; nothing is sent to them.
fn changed_words(model: &Model, menu: &KillMenu) -> Option<String> {
    let whys: Vec<_> = menu.targets.iter().filter_map(|t| acts::target_changed(model, t)).collect();
    match (whys.as_slice(), menu.targets.len()) {
        ([], _) => None,
        ([why], 1) => Some(format!("changed: {why}, nothing will be sent")),
        (whys, of) => Some(format!("changed: {} of {of} have ended, left out", whys.len())),
    }
}
