//! What every message does to the screen. Pure: messages in, actions out.

use super::acts;
use super::keymap::{Act, act_of};
use super::model::{Bye, Feedback, FeedbackKind, Model, Pending, Popup, Source};
use super::output::Room;
use super::panels;
use super::{Ended, popups};
use crate::control::client::ClientError;
use crate::control::proto::{ToClient, ToServer};
use crate::model::query::Reply;
use crate::model::{Answer, Command, Now, StopHow, limits};
use crossterm::event::{KeyEvent, KeyEventKind};
use ratatui::layout::Rect;
use std::time::Duration;

/// Something that happened.
#[derive(Debug)]
pub enum Msg {
    Key(KeyEvent),
    /// The terminal has this size now.
    Resize(Rect),
    Server(Box<ToClient>),
    ServerGone(ClientError),
    /// Half a second or so went by.
    Tick,
    /// A signal from outside.
    Signal(i32),
    /// The terminal is gone.
    Hangup,
}

/// Something to do.
#[derive(Debug)]
pub enum Action {
    Send(ToServer),
    /// Draw at once, not with the next frame.
    DrawNow,
    /// Draw with the next frame.
    DrawSoon,
    /// Draw everything anew: the terminal may have lost it.
    DrawAll,
    Suspend,
    Leave(Ended),
}

/// How long the bottom line shows what became of an act.
const FEEDBACK_FOR: Duration = Duration::from_secs(6);
/// After this time a size that was asked for no longer counts.
const WANTED_FOR: Duration = Duration::from_secs(3);

/// Takes in a message.
pub fn update(model: &mut Model, msg: Msg, now: Now) -> Vec<Action> {
    model.now = now;
    let mut actions = Vec::new();
    match msg {
        Msg::Key(key) if key.kind == KeyEventKind::Release => return actions,
        Msg::Key(key) => {
            on_key(model, key, &mut actions);
            actions.push(Action::DrawNow);
        }
        Msg::Resize(size) => {
            model.size = size;
            actions.push(Action::DrawNow);
        }
        Msg::Server(message) => on_server(model, *message, &mut actions),
        Msg::ServerGone(error) => on_gone(model, error, &mut actions),
        Msg::Tick => {}
        Msg::Signal(libc::SIGINT) => {
            perform(model, Act::Interrupt, 0, &mut actions);
            actions.push(Action::DrawNow);
        }
        Msg::Signal(libc::SIGTSTP) => actions.push(Action::Suspend),
        Msg::Signal(libc::SIGCONT) => actions.push(Action::DrawAll),
        Msg::Signal(libc::SIGWINCH) => actions.push(Action::DrawNow),
        Msg::Signal(signal) => end_by_signal(model, signal, &mut actions),
        Msg::Hangup => end_by_signal(model, libc::SIGHUP, &mut actions),
    }
    // With every message: while snapshots keep coming, no tick ever does.
    let_time_pass(model, &mut actions);
    if model.history.advance(now.mono, &model.snapshot) {
        actions.push(Action::DrawSoon);
    }
    ask_for_output(model, &mut actions);
    settle_offsets(model);
    actions
}

fn end_by_signal(model: &mut Model, signal: i32, actions: &mut Vec<Action>) {
    if !model.has_ended() {
        acts::send(model, Command::Stop { how: StopHow::Stop }, String::new(), actions);
    }
    actions.push(Action::Leave(Ended::Signal { signal, exit_code: 128 + signal }));
}

fn on_server(model: &mut Model, message: ToClient, actions: &mut Vec<Action>) {
    match message {
        ToClient::Snapshot { snapshot } => {
            let had_ended = model.has_ended();
            model.take(*snapshot);
            if model.has_ended() && !had_ended {
                // How it ended matters now, not what became of the last act.
                model.feedback = None;
                model.popup = model.popup.take().filter(|p| matches!(p, Popup::Help { .. }));
                turn_to_failures(model);
                leave_if_done(model, actions);
            }
            model.turn_output(false);
            actions.push(Action::DrawSoon);
        }
        ToClient::Answer { id, answer } => {
            let Some(Pending::Command { command, what }) = model.pending.remove(&id) else {
                return;
            };
            on_answer(model, &command, &what, answer);
            actions.push(Action::DrawNow);
        }
        ToClient::Reply { id, reply } => {
            if let Some(Pending::Output(ask)) = model.pending.remove(&id) {
                let part = match *reply {
                    Reply::Output(part) => Ok(part),
                    Reply::Refused { error } => Err(error),
                    _ => Err("the supervisor answered something else".to_owned()),
                };
                model.output.take(ask, part);
                actions.push(Action::DrawSoon);
            }
        }
        ToClient::Bye { exit_code, trouble } => {
            model.bye = Some(Bye { exit_code, trouble });
            model.popup = model.popup.take().filter(|p| matches!(p, Popup::Help { .. }));
            leave_if_done(model, actions);
            actions.push(Action::DrawNow);
        }
        ToClient::Error { error } => {
            actions.push(Action::Leave(Ended::SupervisorGone(ClientError::Refused(error))));
        }
        ToClient::Hello { .. } | ToClient::Event { .. } => {}
    }
}

fn on_answer(model: &mut Model, command: &Command, what: &str, answer: Answer) {
    let (text, kind) = match answer {
        Answer::Done(text) if text.is_empty() => (what.to_owned(), FeedbackKind::Done),
        Answer::Done(text) => (text, FeedbackKind::Done),
        Answer::Refused(why) => (format!("{what}: {why}"), FeedbackKind::Refused),
    };
    if let (Command::Scale { pool, .. }, FeedbackKind::Refused) = (command, kind) {
        model.wanted.remove(pool);
    }
    let text = super::sanitize::one_line(&text);
    model.feedback = Some(Feedback { text, kind, at: model.now.mono });
}

fn on_gone(model: &mut Model, error: ClientError, actions: &mut Vec<Action>) {
    model.output.offline = true;
    match model.exit_code() {
        Some(exit_code) => {
            let trouble = None;
            model.bye.get_or_insert(Bye { exit_code, trouble });
            leave_if_done(model, actions);
            actions.push(Action::DrawSoon);
        }
        None => actions.push(Action::Leave(Ended::SupervisorGone(error))),
    }
}

/// Lets go of what has been shown long enough.
fn let_time_pass(model: &mut Model, actions: &mut Vec<Action>) {
    let now = model.now.mono;
    if model.feedback.as_ref().is_some_and(|f| now.since(f.at) >= FEEDBACK_FOR) {
        model.feedback = None;
        actions.push(Action::DrawSoon);
    }
    model.wanted.retain(|_, (_, at)| now.since(*at) < WANTED_FOR);
    model.turn_output(false);
}

/// A run that this screen ended, or whose end nobody wants to look at, is left at once.
fn leave_if_done(model: &Model, actions: &mut Vec<Action>) {
    if model.asked_stop.is_some() || !model.hold_at_end {
        leave_ended(model, actions);
    }
}

/// Leaves with the run's exit code. The supervisor waits for this: while its screen is there
/// it answers questions about the run that has ended.
fn leave_ended(model: &Model, actions: &mut Vec<Action>) {
    if let Some(exit_code) = model.exit_code() {
        let trouble = model.bye.as_ref().and_then(|b| b.trouble.clone());
        actions.push(Action::Leave(Ended::Run { exit_code, trouble }));
    }
}

fn on_key(model: &mut Model, key: KeyEvent, actions: &mut Vec<Action>) {
    let act = act_of(key);
    // These mean the same wherever one is.
    if let Some((act @ (Act::Interrupt | Act::Suspend | Act::Redraw), n)) = act {
        perform(model, act, n, actions);
        return;
    }
    if model.popup.is_some() {
        popups::on_key(model, key, act.map(|(act, _)| act), actions);
    } else if let Some((act, n)) = act {
        perform(model, act, n, actions);
    }
}

fn perform(model: &mut Model, act: Act, number: usize, actions: &mut Vec<Action>) {
    let page = model.rows_of(model.focus).saturating_sub(1).max(1) as isize;
    match act {
        Act::Up => move_by(model, -1),
        Act::Down => move_by(model, 1),
        Act::PageUp => move_by(model, -page),
        Act::PageDown => move_by(model, page),
        Act::First => move_by(model, isize::MIN / 2),
        Act::Last => move_by(model, isize::MAX / 2),
        Act::Left => model.output.left = model.output.left.saturating_sub(8),
        Act::Right => model.output.left = (model.output.left + 8).min(4096),
        Act::NextPanel => turn_to(model, model.focus + 1),
        Act::PreviousPanel => turn_to(model, model.focus + panels::PANELS.len() - 1),
        Act::Panel if number >= 1 && number <= panels::PANELS.len() => turn_to(model, number - 1),
        Act::Panel => {}
        Act::Open => open(model),
        Act::Back => back(model),
        Act::Grow => acts::scale(model, 1, actions),
        Act::Shrink => acts::scale(model, -1, actions),
        Act::PauseRun => acts::pause_run(model, actions),
        Act::PauseJob => acts::pause_job(model, actions),
        Act::KillMenu => acts::open_kill_menu(model),
        Act::Retry => acts::retry(model, actions),
        Act::Follow => follow(model),
        Act::Streams => acts::next_streams(model),
        Act::Theme => acts::next_theme(model),
        Act::Help => model.popup = Some(Popup::Help { top: 0 }),
        Act::Quit if model.has_ended() => leave_ended(model, actions),
        Act::Quit => model.popup = Some(Popup::Quit { choice: 0 }),
        Act::Interrupt => interrupt(model, actions),
        Act::Suspend => actions.push(Action::Suspend),
        Act::Redraw => actions.push(Action::DrawAll),
    }
}

/// First Ctrl-C asks, the second stops, the third kills; one more leaves a supervisor that
/// does not react to its own devices (it stops the run when its screen is gone).
fn interrupt(model: &mut Model, actions: &mut Vec<Action>) {
    if model.has_ended() {
        leave_ended(model, actions);
        return;
    }
    match (model.asked_stop, &model.popup) {
        (Some(StopHow::Kill), _) => {
            let signal = libc::SIGINT;
            actions.push(Action::Leave(Ended::Signal { signal, exit_code: 128 + signal }));
        }
        (Some(StopHow::Stop), _) => acts::stop(model, StopHow::Kill, actions),
        (_, Some(Popup::Quit { .. })) => acts::stop(model, StopHow::Stop, actions),
        _ => model.popup = Some(Popup::Quit { choice: 0 }),
    }
}

fn turn_to(model: &mut Model, panel: usize) {
    model.focus = panel % panels::PANELS.len();
    if let Some(before) = &mut model.zoom {
        *before = model.focus;
    }
    match model.focus {
        panels::WORKERS => model.source = Source::Workers,
        panels::FAILURES if model.failure.is_some() => model.source = Source::Failures,
        _ => return,
    }
    model.turn_output(true);
}

/// A run that ended badly turns the eye to why, unless somebody is looking at something.
fn turn_to_failures(model: &mut Model) {
    let looking = model.zoom.is_some() || model.popup.is_some() || model.output.is_held();
    if !looking && model.focus == panels::WORKERS && model.failure.is_some() {
        turn_to(model, panels::FAILURES);
    }
}

/// Enter: a list opens the output of its selected job on the whole screen, any other panel
/// itself; once more closes it.
fn open(model: &mut Model) {
    match model.zoom {
        Some(_) => back(model),
        None => {
            model.zoom = Some(model.focus);
            if matches!(model.focus, panels::WORKERS | panels::FAILURES) {
                model.focus = panels::OUTPUT;
            }
        }
    }
}

fn back(model: &mut Model) {
    match model.zoom.take() {
        Some(before) => model.focus = before,
        None => model.output.follow(),
    }
}

fn follow(model: &mut Model) {
    match model.output.is_held() {
        true => model.output.follow(),
        false => model.output.scroll(0, output_room(model)),
    }
}

fn output_room(model: &Model) -> Room {
    // The width does not matter while lines are cut.
    Room { height: model.rows_of(panels::OUTPUT), width: usize::from(model.size.width) }
}

fn move_by(model: &mut Model, by: isize) {
    match model.focus {
        panels::FAILURES => {
            let failures = &model.snapshot.failures;
            let at = failures.iter().position(|f| Some(f.job) == model.failure);
            let to = moved(at, by, failures.len());
            model.failure = to.and_then(|i| failures.get(i)).map(|f| f.job);
            if model.failure.is_some() {
                model.source = Source::Failures;
            }
            model.turn_output(true);
        }
        panels::OUTPUT => {
            model.output.scroll(by, output_room(model));
        }
        // Elsewhere the arrows move in the list that matters most.
        _ => {
            let workers = &model.snapshot.workers;
            let at = workers.iter().position(|w| Some(w.slot) == model.worker);
            let to = moved(at, by, workers.len());
            model.worker = to.and_then(|i| workers.get(i)).map(|w| w.slot);
            model.source = Source::Workers;
            model.turn_output(true);
        }
    }
}

fn moved(at: Option<usize>, by: isize, n: usize) -> Option<usize> {
    let last = n.checked_sub(1)?;
    Some(at.unwrap_or(0).saturating_add_signed(by).min(last))
}

/// Lists scroll only as far as they must to show what is selected.
fn settle_offsets(model: &mut Model) {
    let workers = &model.snapshot.workers;
    let at = workers.iter().position(|w| Some(w.slot) == model.worker).unwrap_or(0);
    let rows = model.rows_of(panels::WORKERS);
    let rows = rows.saturating_sub(usize::from(panels::head_rows(model)));
    model.workers_offset = settled(model.workers_offset, at, rows, workers.len());
    let failures = &model.snapshot.failures;
    let at = failures.iter().position(|f| Some(f.job) == model.failure).unwrap_or(0);
    let rows = model.rows_of(panels::FAILURES);
    model.failures_offset = settled(model.failures_offset, at, rows, failures.len());
}

fn settled(offset: usize, at: usize, rows: usize, n: usize) -> usize {
    let rows = rows.max(1);
    offset.min(at).max((at + 1).saturating_sub(rows)).min(n.saturating_sub(rows))
}

fn ask_for_output(model: &mut Model, actions: &mut Vec<Action>) {
    let shown = model.layout().spots.iter().any(|s| s.panel == panels::OUTPUT);
    let now = model.now.mono;
    let mut asks = Vec::new();
    if shown {
        let key = model.output.target.as_ref().map(|t| t.key);
        let trees = model.snapshot.workers.iter().filter_map(|w| w.work.as_ref());
        let tree = trees.filter(|w| Some((w.attempt.job, w.attempt.n)) == key).find_map(|w| w.tree);
        asks.extend(model.output.asks(now, tree.and_then(|t| t.last_output)));
    }
    // The last words of failed jobs are fetched early, one at a time: they must be there when
    // the supervisor is not.
    if !model.pending.values().any(|p| matches!(p, Pending::Output(_))) {
        let failures = model.snapshot.failures.iter().take(limits::SNAPSHOT_FAILURES);
        let keys: Vec<_> = failures.map(|f| (f.job, f.attempts.max(1))).collect();
        let next = keys.into_iter().map(|key| model.output.prefetch(key, now));
        asks.extend(next.into_iter().find(|asks| !asks.is_empty()).unwrap_or_default());
    }
    for ask in asks {
        acts::send_ask(model, ask, actions);
    }
}
