//! What lies over the screen: help, the kill menu, the question how to leave.

use super::acts::{self, KILL_CHOICES};
use super::canvas::Canvas;
use super::keymap::{Act, KEYMAP};
use super::model::{KillMenu, Model, Popup};
use super::theme::Role;
use super::update::Action;
use super::{format, graph};
use crate::model::{RunState, StopHow, signal_name};
use crossterm::event::{KeyCode, KeyEvent};

/// A key while a popup is open.
pub fn on_key(model: &mut Model, key: KeyEvent, act: Option<Act>, actions: &mut Vec<Action>) {
    match model.popup.take() {
        Some(Popup::Help { top }) => model.popup = help_key(model, act, top),
        Some(Popup::Kill(menu)) => kill_key(model, menu, key, act, actions),
        Some(Popup::Quit { choice }) => quit_key(model, choice, key, act, actions),
        None => {}
    }
}

fn help_key(model: &Model, act: Option<Act>, top: u16) -> Option<Popup> {
    let page = model.size.height.saturating_sub(4).max(1);
    let last = (help_lines(model).len() as u16).saturating_sub(page);
    let top = match act {
        Some(Act::Up) => top.saturating_sub(1),
        Some(Act::Down) => (top + 1).min(last),
        Some(Act::PageUp | Act::First) => top.saturating_sub(page),
        Some(Act::PageDown | Act::Last) => top.saturating_add(page).min(last),
        _ => return None,
    };
    Some(Popup::Help { top })
}

fn kill_key(
    model: &mut Model,
    mut menu: KillMenu,
    key: KeyEvent,
    act: Option<Act>,
    actions: &mut Vec<Action>,
) {
    let last = KILL_CHOICES.len() - 1;
    match (key.code, act) {
        (KeyCode::Char(digit @ '0'..='9'), _) => {
            menu.typed.push(digit);
            if !pick_typed(&mut menu) {
                menu.typed = digit.to_string();
                pick_typed(&mut menu);
            }
        }
        (_, Some(Act::Up)) => menu.choice = menu.choice.saturating_sub(1),
        (_, Some(Act::Down)) => menu.choice = (menu.choice + 1).min(last),
        (_, Some(Act::First | Act::PageUp)) => menu.choice = 0,
        (_, Some(Act::Last | Act::PageDown)) => menu.choice = last,
        (_, Some(Act::Open)) => {
            acts::kill(model, &menu, actions);
            return;
        }
        (_, Some(Act::Back | Act::Quit)) => return,
        _ => {}
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

/// The answers to the question how to leave: key, what is sent, words.
fn quit_choices(model: &Model) -> Vec<(char, Option<StopHow>, String)> {
    let counts = &model.snapshot.counts;
    let running = u64::from(counts.running);
    let mut choices = vec![('b', None, "back: the run goes on".to_owned())];
    let ending = match model.snapshot.state {
        RunState::Ending(how) => Some(how),
        _ => model.asked_stop,
    };
    let after = if running == 0 {
        "leave".to_owned()
    } else {
        let verb = if running == 1 { "ends" } else { "end" };
        format!("leave when {} {verb}", format::plural(running, "running job"))
    };
    if ending < Some(StopHow::Drain) {
        choices.push(('d', Some(StopHow::Drain), format!("drain: start nothing more, {after}")));
    }
    if ending < Some(StopHow::Stop) {
        let words = "stop: end running jobs too, KILL after their grace";
        choices.push(('s', Some(StopHow::Stop), words.to_owned()));
    } else {
        choices.push(('k', Some(StopHow::Kill), "kill: end everything at once".to_owned()));
    }
    choices
}

fn quit_key(
    model: &mut Model,
    choice: usize,
    key: KeyEvent,
    act: Option<Act>,
    actions: &mut Vec<Action>,
) {
    let choices = quit_choices(model);
    let typed = choices.iter().find(|(c, _, _)| KeyCode::Char(*c) == key.code);
    let picked = match (typed, act) {
        (Some(typed), _) => Some(typed),
        (None, Some(Act::Open)) => choices.get(choice),
        (None, Some(Act::Back | Act::Quit)) => return,
        _ => None,
    };
    match picked {
        Some((_, Some(how), _)) => acts::stop(model, *how, actions),
        Some((_, None, _)) => {}
        None => {
            let choice = match act {
                Some(Act::Up | Act::PreviousPanel) => choice.saturating_sub(1),
                Some(Act::Down | Act::NextPanel) => (choice + 1).min(choices.len() - 1),
                _ => choice,
            };
            model.popup = Some(Popup::Quit { choice });
        }
    }
}

/// Draws what lies over the screen.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    match &model.popup {
        Some(Popup::Help { top }) => draw_help(model, canvas, *top),
        Some(Popup::Kill(menu)) => draw_kill(model, canvas, menu),
        Some(Popup::Quit { choice }) => draw_quit(model, canvas, *choice),
        None => {}
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
    let style = canvas.look.style(Role::Popup);
    let mut area = canvas.part(x, y, width, height);
    area.clear(Role::Popup);
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

fn draw_quit(model: &Model, canvas: &mut Canvas<'_>, choice: usize) {
    let choices = quit_choices(model);
    let counts = &model.snapshot.counts;
    let state = format!(
        "{} running, {} queued",
        format::grouped(u64::from(counts.running)),
        format::grouped(u64::from(counts.waiting()))
    );
    let widest = choices.iter().map(|(_, _, w)| w.chars().count()).max().unwrap_or(0);
    let width = (widest as u16 + 6).max(state.len() as u16);
    let height = choices.len() as u16 + 2;
    let mut inside = boxed(canvas, width, height, "leave this run?", "Ctrl-C stops");
    inside.put(0, 0, &state, Role::Dim);
    // Where there is no room for both, the choices come first.
    let top = inside.height().saturating_sub(choices.len() as u16).min(2);
    for (i, (key, _, words)) in choices.iter().enumerate() {
        let y = top + i as u16;
        choice_row(&mut inside, y, i == choice);
        let shown = if *key == 'b' { "Esc".to_owned() } else { format!(" {key} ") };
        inside.put(2, y, &shown, Role::Key);
        let room = inside.width().saturating_sub(6);
        inside.put_cut(6, y, room, words, Role::Popup);
    }
}

fn choice_row(inside: &mut Canvas<'_>, y: u16, chosen: bool) {
    let style = inside.look.style(Role::Choice);
    if chosen {
        let width = inside.width();
        inside.repeat(0, y, width, " ", style);
        let marker = inside.glyphs().marker;
        inside.put_styled(0, y, marker, style);
        inside.lay_under(style);
    } else {
        let bg = inside.look.style(Role::Popup).bg;
        inside.lay_under(ratatui::style::Style { bg, ..Default::default() });
    }
}

fn draw_kill(model: &Model, canvas: &mut Canvas<'_>, menu: &KillMenu) {
    let title = format!("kill {}", menu.label);
    let height = KILL_CHOICES.len() as u16 + 3;
    let mut inside = boxed(canvas, 56, height, &title, "Enter send  Esc back");
    let pid = match menu.proc {
        Some(proc) => format!("pid {}", proc.pid),
        None => "no process yet".to_owned(),
    };
    let age = format::age(model.now.mono.since(menu.since).as_millis() as u64);
    let who = format!("{pid}, started {age} ago, attempt {}", menu.attempt);
    inside.put_cut(0, 0, u16::MAX, &who, Role::Popup);
    let rows = inside.height();
    let compact = rows < height;
    match acts::target_changed(model, menu) {
        Some(why) => inside.put(0, 1, &format!("changed: {why}, nothing will be sent"), Role::Bad),
        None if !compact => inside.put(0, 1, "goes to its whole process tree", Role::Dim),
        None => 0,
    };
    let top = if compact { 2 } else { 3 };
    let visible = usize::from(rows.saturating_sub(top)).max(1);
    let first = (menu.choice + 1).saturating_sub(visible);
    for (row, (i, choice)) in KILL_CHOICES.iter().enumerate().skip(first).take(visible).enumerate()
    {
        let y = top + row as u16;
        choice_row(&mut inside, y, i == menu.choice);
        let name = signal_name(choice.signal);
        let name = name.trim_start_matches("SIG");
        inside.put_right(5, y, &choice.signal.to_string(), Role::Dim);
        inside.put(6, y, name, if choice.ends { Role::Key } else { Role::Popup });
        let room = inside.width().saturating_sub(13);
        inside.put_cut(13, y, room, choice.help, Role::Popup);
    }
}

/// The help: pairs of what is shown and what it means; a pair without the first is a heading.
fn help_lines(model: &Model) -> Vec<(String, String)> {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let mut lines = vec![pair("", "keys")];
    lines.extend(KEYMAP.iter().map(|b| pair(b.shown, b.help)));
    lines.push(pair("", ""));
    lines.push(pair("", "what a worker does"));
    for (word, meaning) in super::panels::STATE_WORDS {
        lines.push(pair(word, meaning));
    }
    lines.push(pair("", ""));
    lines.push(pair("", "a core's time"));
    let glyphs = model.look.glyphs;
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

fn draw_help(model: &Model, canvas: &mut Canvas<'_>, top: u16) {
    let lines = help_lines(model);
    let keys = lines.iter().map(|(a, _)| a.chars().count()).max().unwrap_or(0) as u16;
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
