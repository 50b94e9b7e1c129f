//! The question how to leave.

use super::{boxed, choice_row, moved};
use crate::model::{RunState, StopHow};
use crate::tui::acts;
use crate::tui::canvas::Canvas;
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Popup};
use crate::tui::theme::Role;
use crate::tui::update::Action;
use crossterm::event::{KeyCode, KeyEvent};

/// The answers to the question how to leave: key, what is sent, words.
fn quit_choices(model: &Model) -> Vec<(char, Option<StopHow>, String)> {
    let counts = &model.snapshot.counts;
    let running = u64::from(counts.running);
    let ending = match model.snapshot.state {
        RunState::Ending(how) => Some(how),
        _ => model.asked_stop,
    };
    let back = match ending {
        None => "back: the run goes on",
        Some(_) => "back: the run goes on ending",
    };
    let mut choices = vec![('b', None, back.to_owned())];
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

/// What an answer does, in at most thirty cells.
fn short_words(how: Option<StopHow>) -> &'static str {
    match how {
        None => "back to the run",
        Some(StopHow::Drain) => "drain: start nothing more",
        Some(StopHow::Stop) => "stop: end running jobs too",
        Some(StopHow::Kill) => "kill: end everything at once",
    }
}

/// A key while the question stands.
pub fn key(
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
            let choice = moved(choice, act, choices.len());
            model.popup = Some(Popup::Quit { choice });
        }
    }
}

/// Draws the question.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, choice: usize) {
    let choices = quit_choices(model);
    let counts = &model.snapshot.counts;
    let state = format!(
        "{} running, {} queued",
        format::grouped(u64::from(counts.running)),
        format::grouped(u64::from(counts.waiting()))
    );
    // The words that say most come first; what a colon sets off gives way on a narrow screen.
    let room = usize::from(canvas.width().saturating_sub(10));
    let short = choices.iter().any(|(_, _, words)| words.chars().count() > room);
    let choices: Vec<_> = choices
        .into_iter()
        .map(|(key, how, words)| match short {
            true => (key, how, short_words(how).to_owned()),
            false => (key, how, words),
        })
        .collect();
    let widest = choices.iter().map(|(_, _, w)| w.chars().count()).max().unwrap_or(0);
    let width = (widest as u16 + 6).max(state.len() as u16);
    let height = choices.len() as u16 + 2;
    let mut inside = boxed(canvas, width, height, "leave this run?", "Ctrl-C stops");
    inside.put(0, 0, &state, Role::Dim);
    // Where there is no room for both, the choices come first.
    let top = inside.height().saturating_sub(choices.len() as u16).min(2);
    for (i, (key, _, words)) in choices.iter().enumerate() {
        let y = top + i as u16;
        choice_row(&mut inside, y, i, i == choice);
        let shown = if *key == 'b' { "Esc".to_owned() } else { format!(" {key} ") };
        inside.put(2, y, &shown, Role::Key);
        let room = inside.width().saturating_sub(6);
        inside.put_cut(6, y, room, words, Role::Popup);
    }
}
