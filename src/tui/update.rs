//! What every message does to the screen. Pure: messages in, actions out.

use super::acts;
use super::keymap::Act;
use super::model::{Bye, Count, Feedback, FeedbackKind, Model, Pending, Popup, Prompt, Wanted};
use super::output::save::{SaveError, SaveJob};
use super::output::{Question, Whose};
use super::panels::{self, PANELS};
use super::settings::Warning;
use super::theme::Theme;
use super::{Ended, mouse, popups};
use crate::control::client::ClientError;
use crate::control::proto::{ToClient, ToServer};
use crate::model::query::Reply;
use crate::model::{Answer, Command, Now, Rank, RunState, StopHow, limits};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, MouseEvent};
use ratatui::layout::Rect;
use std::time::Duration;

/// Something that happened.
#[derive(Debug)]
pub enum Msg {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    /// Another theme is on, or a theme that was saved is broken.
    Theme(Result<Theme, Warning>),
    /// The terminal has this size now.
    Resize(Rect),
    Server(Box<ToClient>),
    ServerGone(ClientError),
    /// Output was copied into files, or not.
    Saved(SaveJob, Result<u64, SaveError>),
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
    NextTheme,
    /// Put on the theme with this name.
    PutOn(String),
    Suspend,
    /// Put text into the terminal's clipboard and into a file beside the run's output.
    Copy {
        /// The file's name without its ending.
        what: &'static str,
        text: String,
    },
    /// Copy output into files; [`Msg::Saved`] tells what became of it.
    Save(SaveJob),
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
        Msg::Mouse(event) => {
            if mouse::on_mouse(model, event, &mut actions) {
                actions.push(Action::DrawNow);
            }
        }
        Msg::Paste(text) => {
            popups::on_paste(model, &text);
            actions.push(Action::DrawNow);
        }
        Msg::Theme(theme) => acts::put_on(model, theme),
        Msg::Saved(job, result) => {
            panels::output::saved(model, job, result);
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
    let layout = model.layout();
    for spot in &layout.spots {
        PANELS[spot.panel].settle(model, model.rows_of(spot.panel));
        PANELS[spot.panel].ask(model, &mut actions);
    }
    super::then::ask(model, &mut actions);
    popups::ask_preview(model, &mut actions);
    prefetch_last_words(model, &mut actions);
    actions
}

fn end_by_signal(model: &mut Model, signal: i32, actions: &mut Vec<Action>) {
    if !model.has_ended() {
        actions.push(Action::Send(ToServer::Signalled { signal }));
    }
    actions.push(Action::Leave(Ended::Signal { signal, exit_code: 128 + signal }));
}

fn on_server(model: &mut Model, message: ToClient, actions: &mut Vec<Action>) {
    match message {
        ToClient::Snapshot { snapshot } => {
            let had_ended = model.has_ended();
            match &mut model.frozen {
                // The end is news that no frozen screen may hide.
                Some(held) if !matches!(snapshot.state, RunState::Ended { .. }) => {
                    *held = Some(snapshot);
                    return;
                }
                _ => model.frozen = None,
            }
            model.take(*snapshot);
            acts::undo_when_known(model, actions);
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
            let reply = match *reply {
                Reply::Refused { error } => Err(super::sanitize::one_line(&error)),
                reply => Ok(reply),
            };
            match model.pending.remove(&id) {
                Some(Pending::Output(question)) => model.output.answer(&question, reply),
                Some(Pending::Panel { panel, tag }) => {
                    PANELS[panel].take(model, tag, reply);
                    // Somebody may have scrolled and waits for these rows.
                    actions.push(Action::DrawNow);
                }
                Some(Pending::KillPreview(attempts)) => {
                    popups::take_preview(model, &attempts, reply);
                }
                _ => return,
            }
            actions.push(Action::DrawSoon);
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
        ToClient::Hello { .. }
        | ToClient::Welcome { .. }
        | ToClient::Got { .. }
        | ToClient::Event { .. } => {}
    }
}

fn on_answer(model: &mut Model, command: &Command, what: &str, answer: Answer) {
    let (text, kind) = match answer {
        Answer::Done(text) if text.is_empty() => (what.to_owned(), FeedbackKind::Done),
        Answer::Done(text) => (text, FeedbackKind::Done),
        Answer::Refused(why) => (format!("{what}: {why}"), FeedbackKind::Refused),
    };
    model.answered_at = Some(model.now.mono);
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
    if model.count.is_some_and(|count| now.since(count.at) >= COUNT_FOR) {
        model.count = None;
        actions.push(Action::DrawSoon);
    }
    model.wanted.retain(|_, (_, at)| now.since(*at) < WANTED_FOR);
    if super::proof::tell(model) {
        actions.push(Action::DrawSoon);
    }
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

fn leave_tree(actions: &mut Vec<Action>) {
    actions.push(Action::Leave(Ended::Run { exit_code: 0, trouble: None }));
}

fn on_key(model: &mut Model, key: KeyEvent, actions: &mut Vec<Action>) {
    let act = model.keymap.act_of(key, PANELS[model.focus].name());
    // These mean the same wherever one is.
    if let Some((act @ (Act::Interrupt | Act::Suspend | Act::Redraw), n)) = act {
        perform(model, act, n, actions);
        return;
    }
    if model.popup.is_some() {
        popups::on_key(model, key, act.map(|(act, _)| act), actions);
        return;
    }
    if count_digit(model, key, act.is_none()) {
        return;
    }
    match act {
        Some((Act::Back, _)) if model.count.take().is_some() => {}
        Some((act, n)) => perform(model, act, n, actions),
        None => {}
    }
}

/// The greatest count that `04+` may have.
const MOST_TIMES: u32 = 10_000;
/// A count that nothing came after is no longer meant.
const COUNT_FOR: Duration = Duration::from_secs(5);

/// Takes a digit as part of a count. Digits turn to panels, and whoever looks at a panel and then
/// presses `+` means one: so a count begins with a zero, and from there on digits only count.
fn count_digit(model: &mut Model, key: KeyEvent, is_free: bool) -> bool {
    let KeyCode::Char(digit) = key.code else { return false };
    let Some(digit) = digit.to_digit(10).filter(|_| key.modifiers.is_empty()) else { return false };
    let begins = digit == 0 && is_free;
    let before = match model.count {
        Some(count) => count.n,
        None if begins => 0,
        None => return false,
    };
    let n = before.saturating_mul(10).saturating_add(digit).min(MOST_TIMES);
    model.count = Some(Count { n, at: model.now.mono });
    true
}

/// Does what a key, a click or the palette asks for; `number` is for [`Act::Panel`].
pub fn perform(model: &mut Model, act: Act, number: usize, actions: &mut Vec<Action>) {
    let times = match act {
        Act::Panel => return turn_by_number(model, number),
        // `0+` is no act, and nobody means it as one.
        Act::Grow | Act::Shrink | Act::TimeBack | Act::TimeForward => {
            model.count.map_or(1, |count| count.n.max(1) as i32)
        }
        _ => 1,
    };
    model.count = None;
    model.times = times;
    if PANELS[model.focus].act(model, act, actions) {
        return;
    }
    match act {
        Act::Grow => acts::scale(model, times, actions),
        Act::Shrink => acts::scale(model, -times, actions),
        Act::PauseRun => acts::pause_run(model, actions),
        Act::PauseJob => acts::pause_jobs(model, actions),
        Act::KillMenu => acts::open_kill_menu(model),
        Act::Retry => acts::retry(model, actions),
        Act::Cancel => acts::cancel(model, actions),
        Act::Raise => acts::prioritize(model, Rank::First, actions),
        Act::ResetPriority => acts::prioritize(model, Rank::OfTask, actions),
        Act::Undo => acts::undo(model, actions),
        Act::Tag => tag(model),
        Act::Untag => model.tags.clear(),
        Act::Owner => panels::look_at_circle(model),
        Act::Theme => actions.push(Action::NextTheme),
        Act::Quit if model.has_ended() => leave_ended(model, actions),
        // The tree goes on as it is: there is nothing to ask.
        Act::Quit if model.observes() => leave_tree(actions),
        Act::Interrupt => interrupt(model, actions),
        Act::Suspend => actions.push(Action::Suspend),
        Act::Redraw => actions.push(Action::DrawAll),
        _ => look(model, act),
    }
}

/// Acts that change only what this screen shows.
fn look(model: &mut Model, act: Act) {
    let page = model.rows_of(model.focus).saturating_sub(1).max(1) as isize;
    match act {
        Act::Up => step(model, -1),
        Act::Down => step(model, 1),
        Act::PageUp => step(model, -page),
        Act::PageDown => step(model, page),
        Act::First => step(model, isize::MIN / 2),
        Act::Last => step(model, isize::MAX / 2),
        Act::Left | Act::TimeBack => move_time(model, -i64::from(model.times)),
        Act::Right | Act::TimeForward => move_time(model, i64::from(model.times)),
        Act::TimeClear => model.axis.clear(),
        Act::ZoomIn => model.axis.zoom(false),
        Act::ZoomOut => model.axis.zoom(true),
        Act::NextPanel => turn_to_next(model, 1),
        Act::PreviousPanel => turn_to_next(model, -1),
        Act::Open => open(model),
        Act::Details => panels::open_details(model),
        Act::Waits => model.turn_to(panels::WAITS),
        Act::Zoom => zoom(model),
        Act::Back => back(model),
        Act::Freeze => freeze(model),
        Act::Find => prompt(model, Wanted::Search(model.focus), String::new()),
        Act::Filter => {
            let text = PANELS[model.focus].filter_text(model);
            prompt(model, Wanted::Filter(model.focus), text);
        }
        Act::Sort => match PANELS[model.focus].sorts(model) {
            Some((_, choice)) => model.popup = Some(Popup::Sort { panel: model.focus, choice }),
            None => acts::refuse(model, "this panel has nothing to sort"),
        },
        Act::Pools => model.popup = Some(Popup::Pools { choice: 0, typed: String::new() }),
        Act::Palette => {
            model.popup = Some(Popup::Palette { input: Default::default(), choice: 0 });
        }
        Act::Glyphs => acts::next_glyphs(model),
        Act::Help => model.popup = Some(Popup::Help { top: 0 }),
        Act::Quit => model.popup = Some(Popup::Quit { choice: 0 }),
        _ => acts::refuse(model, "this panel does not know that"),
    }
}

/// A key leads to where the panel has most room.
fn turn_by_number(model: &mut Model, number: usize) {
    let Some(panel) = number.checked_sub(1).filter(|at| *at < PANELS.len()) else { return };
    let own = model.views.iter().position(|view| view.name == PANELS[panel].name());
    if let Some(own) = own.filter(|_| model.zoom.is_none()) {
        model.view = own;
    }
    model.turn_to(panel);
}

/// Opens a line of text.
pub fn prompt(model: &mut Model, what: Wanted, text: String) {
    let input = super::input::Input::with(text);
    model.popup = Some(Popup::Prompt(Prompt { what, input, error: None }));
}

/// Tags what is selected, or removes its tag, and moves on.
fn tag(model: &mut Model) {
    let Some(selection) = model.selection() else {
        return acts::refuse(model, "select a job first, then tag it");
    };
    if model.tags.remove(&selection.job).is_none() {
        model.tags.insert(selection.job, selection);
    }
    step(model, 1);
}

fn freeze(model: &mut Model) {
    match model.frozen.take() {
        None => model.frozen = Some(None),
        Some(held) => {
            if let Some(snapshot) = held {
                model.take(*snapshot);
            }
        }
    }
}

fn move_time(model: &mut Model, by: i64) {
    let graphs = [panels::CORES, panels::QUEUE, panels::LOCKS, model.focus];
    let width = graphs.iter().map(|panel| model.graph_cells(*panel)).max().unwrap_or(0);
    model.axis.move_cursor(by, model.axis_now(), width.max(10));
}

/// First Ctrl-C asks, the second stops, the third kills; one more leaves a supervisor that
/// does not react to its own devices (it stops the run when its screen is gone).
fn interrupt(model: &mut Model, actions: &mut Vec<Action>) {
    if model.has_ended() {
        leave_ended(model, actions);
        return;
    }
    if model.observes() {
        return leave_tree(actions);
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

/// The next panel of the view that is on the screen, so that Tab never jumps to another.
fn turn_to_next(model: &mut Model, by: isize) {
    if model.zoom.is_some() {
        let n = PANELS.len() as isize;
        return model.turn_to((model.focus as isize + by).rem_euclid(n) as usize);
    }
    let mut shown: Vec<usize> = model.layout().spots.iter().map(|spot| spot.panel).collect();
    shown.sort_unstable();
    if shown.len() < 2 {
        shown = model.views.get(model.view).map_or(shown, |v| v.rows.concat());
    }
    let at = shown.iter().position(|panel| *panel == model.focus).unwrap_or(0) as isize;
    let to = (at + by).rem_euclid(shown.len().max(1) as isize) as usize;
    if let Some(panel) = shown.get(to) {
        model.turn_to(*panel);
    }
}

/// A run that ended badly turns the eye to why, unless somebody is looking at something.
fn turn_to_failures(model: &mut Model) {
    let looking = model.zoom.is_some() || model.popup.is_some() || model.output.is_held();
    if !looking && model.focus == panels::WORKERS && model.failure.is_some() {
        model.turn_to(panels::ALERTS);
    }
}

/// Enter: a list opens the output of its selected job on the whole screen, any other panel
/// itself; once more closes it.
fn open(model: &mut Model) {
    match model.zoom {
        Some(_) => back(model),
        None => {
            model.zoom = Some(model.focus);
            if PANELS[model.focus].selection(model).is_some() {
                model.output.show_whose(Whose::One);
                if model.focus != panels::OUTPUT {
                    model.source = model.focus;
                    model.turn_output(true);
                }
                model.focus = panels::OUTPUT;
            }
        }
    }
}

fn zoom(model: &mut Model) {
    match model.zoom.take() {
        Some(before) => model.focus = before,
        None => model.zoom = Some(model.focus),
    }
}

fn back(model: &mut Model) {
    if let Some(before) = model.zoom.take() {
        model.focus = before;
    } else if model.axis.cursor.is_some() || model.axis.end.is_some() {
        model.axis.clear();
    } else if model.output.is_held() {
        model.output.follow();
    } else if !model.tags.is_empty() {
        model.tags.clear();
    } else if model.view != super::layout::OVERVIEW {
        model.view = super::layout::OVERVIEW;
        model.turn_to(panels::WORKERS);
    }
}

/// Moves in the list of the panel with the focus, or in the one that matters most.
pub fn step(model: &mut Model, by: isize) {
    if !PANELS[model.focus].step(model, by) {
        PANELS[panels::WORKERS].step(model, by);
    }
}

/// The last words of failed jobs are fetched early, one at a time: they must be there when the
/// supervisor is not.
fn prefetch_last_words(model: &mut Model, actions: &mut Vec<Action>) {
    if model.pending.values().any(|p| matches!(p, Pending::Output(Question::Part(_)))) {
        return;
    }
    let failures = model.snapshot.failures.iter().take(limits::SNAPSHOT_FAILURES);
    let keys: Vec<_> = failures.map(|f| (f.job, f.attempts.max(1))).collect();
    let now = model.now.mono;
    let next = keys.into_iter().map(|key| model.output.prefetch(key, now));
    let asks = next.into_iter().find(|asks| !asks.is_empty()).unwrap_or_default();
    for ask in asks {
        acts::send_question(model, Question::Part(ask), actions);
    }
}
