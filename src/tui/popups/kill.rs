//! The kill menu: what will be ended, and how.

use super::{boxed, choice_row, moved};
use crate::model::query::{Query, Reply};
use crate::model::waits::preview::Preview;
use crate::model::waits::text::Words;
use crate::model::{AttemptId, signal_name};
use crate::tui::acts::{self, KILL_CHOICES};
use crate::tui::canvas::Canvas;
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::{KillMenu, KillPreview, Model, Pending, Popup};
use crate::tui::panels;
use crate::tui::sanitize::one_line;
use crate::tui::theme::Role;
use crate::tui::update::Action;
use crossterm::event::{KeyCode, KeyEvent};
use unicode_width::UnicodeWidthStr;

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

/// Most lines that x-ray has to say.
const PREVIEW: usize = 12;
/// Choices that stay in sight beside them.
const KEPT_CHOICES: usize = 4;
/// Most lines that say what would be freed.
const FREES: usize = 6;

/// Asks what a kill would do to others, once.
pub fn ask(model: &mut Model, actions: &mut Vec<Action>) {
    let Some(Popup::Kill(menu)) = &mut model.popup else { return };
    if menu.preview != KillPreview::ToAsk {
        return;
    }
    menu.preview = KillPreview::Asked;
    let attempts: Vec<AttemptId> = menu.targets.iter().filter_map(|t| t.attempt).collect();
    let query = Query::KillPreview { attempts: attempts.clone() };
    acts::send_query(model, Pending::KillPreview(attempts), query, actions);
}

/// Takes in the answer, if the menu is still about the same.
pub fn take(model: &mut Model, attempts: &[AttemptId], reply: Result<Reply, String>) {
    let lines = match reply {
        Ok(Reply::KillPreview { preview }) => preview_lines(model, &preview),
        // Without x-ray nothing is known: then nothing is said.
        _ => Vec::new(),
    };
    let Some(Popup::Kill(menu)) = &mut model.popup else { return };
    if menu.targets.iter().filter_map(|t| t.attempt).eq(attempts.iter().copied()) {
        menu.preview = KillPreview::Known(lines);
    }
}

/// What the kernel frees, what stays locked for ever, who goes on, and whom to kill instead.
fn preview_lines(model: &Model, preview: &Preview) -> Vec<String> {
    if preview.fates.is_empty() && preview.left.is_empty() {
        return Vec::new();
    }
    let name_of = |attempt: AttemptId| {
        let (_, work) = model.work_of(attempt)?;
        Some(model.job_name(work.task, work.index))
    };
    let words = match model.observes() {
        true => Words::new(model.snapshot.at.mono),
        false => Words::naming(model.snapshot.at.mono, &name_of),
    };
    // The title of the menu says who is killed.
    preview.drawn(&words).lines().skip(1).map(|line| one_line(line.trim())).collect()
}

/// Lines cut to a width at words, what follows indented.
fn wrapped(lines: &[String], width: usize) -> Vec<String> {
    let mut out = Vec::new();
    for line in lines {
        let mut rest = String::new();
        for word in line.split(' ') {
            if !rest.is_empty() && rest.width() + 1 + word.width() > width {
                out.push(std::mem::replace(&mut rest, " ".to_owned()));
            }
            if !rest.is_empty() {
                rest.push(' ');
            }
            rest.push_str(word);
        }
        out.push(rest);
    }
    out
}

/// What would be worse afterwards stands out, and what would be better.
fn preview_role(line: &str, before: Role) -> Role {
    match line {
        _ if line.starts_with(' ') => before,
        _ if line.starts_with("LEAVE LOCKED") || line.starts_with("make ") => Role::Bad,
        _ if line.starts_with("still stuck") || line.starts_with("perhaps not") => Role::Warn,
        _ if line.starts_with("not release") => Role::Warn,
        _ if line.starts_with("better: ") => Role::Key,
        _ if line.starts_with("free ") || line.starts_with("end ") => Role::Good,
        _ => Role::Popup,
    }
}

/// Draws the menu.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, menu: &KillMenu) {
    let title = match menu.targets.as_slice() {
        [one] => format!("kill {}", one.label),
        many if model.observes() => format!("kill {} tagged processes", many.len()),
        many => format!("kill {} tagged jobs", many.len()),
    };
    let mut frees = panels::frees(model, &menu.targets);
    let room = usize::from(canvas.height()).saturating_sub(KILL_CHOICES.len() + 5);
    frees.truncate(room.clamp(usize::from(canvas.height() >= 8), FREES));
    let width =
        if matches!(&menu.preview, KillPreview::Known(l) if !l.is_empty()) { 76 } else { 60 };
    let cells = usize::from(canvas.width().min(width + 4)).saturating_sub(4).max(10);
    let mut seen = match &menu.preview {
        KillPreview::Known(lines) => wrapped(lines, cells),
        _ => Vec::new(),
    };
    // The first choices stay in sight.
    let most = usize::from(canvas.height()).saturating_sub(KEPT_CHOICES + 5 + frees.len());
    cut(&mut seen, most.min(PREVIEW), canvas.glyphs().ellipsis);
    let n = (frees.len() + seen.len()) as u16;
    let height = KILL_CHOICES.len() as u16 + 3 + n;
    let mut inside = boxed(canvas, width, height, &title, "Enter send  Esc back");
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
    let mut role = Role::Popup;
    for (y, line) in (top + frees.len() as u16..).zip(&seen) {
        role = preview_role(line, role);
        inside.put_cut(0, y, u16::MAX, line, role);
    }
    let top = top + n + u16::from(!compact);
    draw_choices(&mut inside, menu, top, model.observes());
}

/// Keeps as many lines, and says so.
fn cut(lines: &mut Vec<String>, most: usize, ellipsis: &str) {
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = format!("{last} {ellipsis}");
        }
    }
}

/// Draws the choices; `alone`: what is chosen goes to one process, not to a tree.
fn draw_choices(inside: &mut Canvas<'_>, menu: &KillMenu, top: u16, alone: bool) {
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
        let help = match (choice.ends && alone, choice.signal) {
            (true, libc::SIGKILL) => "end it at once",
            (true, _) => "ask it to end",
            _ => choice.help,
        };
        inside.put_cut(13, y, room, help, Role::Popup);
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
    if model.observes() {
        return "goes to this process alone, not to what it has started".to_owned();
    }
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
