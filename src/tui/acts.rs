//! What a person can do to a run from this screen: each act as a message and a word about it.

use super::format;
use super::model::{
    Feedback, FeedbackKind, KillMenu, KillPreview, Model, Pending, Phase, Popup, Selection,
};
use super::output::Question;
use super::panels::{self, PANELS};
use super::proof::Watch;
use super::settings::Warning;
use super::theme::Theme;
use super::update::Action;
use crate::control::proto::ToServer;
use crate::model::query::Query;
use crate::model::{
    Command, PauseTarget, PoolIdx, Rank, Requester, RunState, StopHow, limits, signal_name,
};

/// Sends a command and says so on the bottom line.
pub fn send(model: &mut Model, command: Command, what: String, actions: &mut Vec<Action>) {
    let id = model.next_id;
    model.next_id += 1;
    if !what.is_empty() {
        say(model, FeedbackKind::Sent, what.clone());
    }
    model.pending.insert(id, Pending::Command { command: command.clone(), what });
    actions.push(Action::Send(ToServer::Command { id, command }));
}

/// Sends a question about output.
pub fn send_question(model: &mut Model, question: Question, actions: &mut Vec<Action>) {
    let query = question.query();
    send_query(model, Pending::Output(question), query, actions);
}

/// Sends a question; `pending` says who takes the answer.
pub fn send_query(model: &mut Model, pending: Pending, query: Query, actions: &mut Vec<Action>) {
    let id = model.next_id;
    model.next_id += 1;
    model.pending.insert(id, pending);
    actions.push(Action::Send(ToServer::Query { id, query }));
}

/// Sends a question of a panel; its answer comes back to it with `tag`.
pub fn ask(model: &mut Model, panel: usize, tag: u64, query: Query, actions: &mut Vec<Action>) {
    let id = model.next_id;
    model.next_id += 1;
    model.pending.insert(id, Pending::Panel { panel, tag });
    actions.push(Action::Send(ToServer::Query { id, query }));
}

/// Says something on the bottom line.
pub fn say(model: &mut Model, kind: FeedbackKind, text: String) {
    model.feedback = Some(Feedback { text, kind, at: model.now.mono });
}

/// Says why an act cannot be done.
pub fn refuse(model: &mut Model, why: &str) {
    say(model, FeedbackKind::Refused, why.to_owned());
}

fn may_act(model: &mut Model) -> bool {
    let why = match (model.has_ended(), model.live) {
        (true, _) if model.observes() => "the tree has ended: only looking is left, q leaves",
        (true, _) => "the run has ended: only looking is left, q leaves",
        (false, false) => "the run has not said anything yet",
        (false, true) => return true,
    };
    refuse(model, why);
    false
}

/// Makes the pool of the selected worker larger or smaller.
pub fn scale(model: &mut Model, by: i32, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let pool = model.worker.map_or(PoolIdx::DEFAULT, |slot| slot.pool);
    scale_pool(model, pool, by, actions);
}

/// Makes a pool larger or smaller, within its bounds.
pub fn scale_pool(model: &mut Model, pool: PoolIdx, by: i32, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let Some(view) = model.snapshot.pools.get(usize::from(pool.0)) else { return };
    // Pressing + three times quickly means three more, whatever the last snapshot says.
    let from = model.wanted.get(&pool).map_or(view.size, |(size, _)| *size);
    // As far as its bounds let it go: `099+` means "as many as there may be".
    let size = from.saturating_add_signed(by).clamp(view.min, view.max);
    let name = view.name.clone();
    let (min, max) = (view.min, view.max);
    match size == from {
        true if by > 0 => {
            refuse(model, &format!("pool {name} has {from} of at most {max} workers"))
        }
        true => refuse(model, &format!("pool {name} has {from} of at least {min} workers")),
        false => set_size(model, pool, size, actions),
    }
}

/// Gives a pool a size.
pub fn set_size(model: &mut Model, pool: PoolIdx, size: u32, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let Some(view) = model.snapshot.pools.get(usize::from(pool.0)) else { return };
    let from = model.wanted.get(&pool).map_or(view.size, |(size, _)| *size);
    let arrow = model.look.glyphs.arrow;
    let what = format!("scale {} {from} {arrow} {size}", view.name);
    model.wanted.insert(pool, (size, model.now.mono));
    send(model, Command::Scale { pool, size, now: false }, what, actions);
}

/// Pauses a pool, or lets it go on.
pub fn pause_pool(model: &mut Model, pool: PoolIdx, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let Some(view) = model.snapshot.pools.get(usize::from(pool.0)) else { return };
    let (paused, name) = (view.paused, view.name.clone());
    let target = PauseTarget::Pool(pool);
    match paused {
        true => send(model, Command::Resume { target }, format!("continue pool {name}"), actions),
        false => send(model, Command::Pause { target }, format!("pause pool {name}"), actions),
    }
}

/// Pauses the run, or lets it go on.
pub fn pause_run(model: &mut Model, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let target = PauseTarget::Run;
    match model.snapshot.state {
        RunState::Paused => {
            send(model, Command::Resume { target }, "continue the run".to_owned(), actions);
        }
        _ => send(model, Command::Pause { target }, "pause the run".to_owned(), actions),
    }
}

/// Returns what an act is about, as far as it is in one of these phases; refuses when nothing
/// is. `verb` is for the words: `kill`.
fn targets(model: &mut Model, verb: &str, phases: &[Phase]) -> Vec<Selection> {
    if !may_act(model) {
        return Vec::new();
    }
    let all = model.targets();
    let fit: Vec<_> = all.iter().filter(|t| phases.contains(&t.phase)).cloned().collect();
    match (all.first(), fit.is_empty()) {
        (None, _) => refuse(model, &format!("select a job first, then {verb} it")),
        (Some(first), true) => {
            let state = match first.phase {
                Phase::Queued => "waits in the queue",
                Phase::Held => "is paused in the queue",
                Phase::Running => "runs",
                Phase::Paused => "is paused",
                Phase::Good => "ended well",
                Phase::Bad => "has ended",
            };
            let what = match all.len() {
                1 => format!("{} {state}: nothing to {verb}", first.label),
                n => format!("none of the {n} tagged jobs is one to {verb}"),
            };
            refuse(model, &what);
        }
        _ => {}
    }
    fit
}

/// `thumb:3`, or `4 jobs`.
fn names(targets: &[Selection]) -> String {
    match targets {
        [one] => one.label.clone(),
        many => format::plural(many.len() as u64, "job"),
    }
}

/// Sends one command for all targets, which gets one answer, and says so.
fn send_each(
    model: &mut Model,
    targets: &[Selection],
    verb: &str,
    command: impl Fn(&Selection) -> Command,
    actions: &mut Vec<Action>,
) {
    let what = format!("{verb} {}", names(targets));
    for targets in targets.chunks(limits::COMMANDS_AT_ONCE) {
        let mut commands: Vec<Command> = targets.iter().map(&command).collect();
        let command = match commands.len() {
            1 => commands.remove(0),
            _ => Command::Many { commands },
        };
        send(model, command, what.clone(), actions);
    }
    model.tags.clear();
}

/// Pauses jobs, or lets them go on when all of them are paused.
pub fn pause_jobs(model: &mut Model, actions: &mut Vec<Action>) {
    let paused = |t: &Selection| matches!(t.phase, Phase::Paused | Phase::Held);
    let phases = [Phase::Running, Phase::Paused, Phase::Queued, Phase::Held];
    let all = targets(model, "pause", &phases);
    if all.is_empty() {
        return;
    }
    if all.iter().all(paused) {
        let resume = |t: &Selection| Command::Resume { target: PauseTarget::Job(t.job) };
        return send_each(model, &all, "continue", resume, actions);
    }
    let running: Vec<_> = all.into_iter().filter(|t| !paused(t)).collect();
    let pause = |t: &Selection| Command::Pause { target: PauseTarget::Job(t.job) };
    send_each(model, &running, "pause", pause, actions);
}

/// Opens the kill menu; its targets are fixed from now on.
pub fn open_kill_menu(model: &mut Model) {
    let targets = targets(model, "kill", &[Phase::Running, Phase::Paused]);
    if !targets.is_empty() {
        model.popup = Some(Popup::Kill(KillMenu {
            targets,
            choice: 0,
            typed: String::new(),
            preview: KillPreview::ToAsk,
        }));
    }
}

/// Cancels jobs that have not started.
pub fn cancel(model: &mut Model, actions: &mut Vec<Action>) {
    let queued = targets(model, "cancel", &[Phase::Queued, Phase::Held]);
    if !queued.is_empty() {
        let cancel = |t: &Selection| Command::Kill { job: t.job, now: false };
        send_each(model, &queued, "cancel", cancel, actions);
    }
}

/// Queues jobs that did not end well again.
pub fn retry(model: &mut Model, actions: &mut Vec<Action>) {
    let bad = targets(model, "retry", &[Phase::Bad]);
    if !bad.is_empty() {
        send_each(model, &bad, "retry", |t| Command::Retry { job: t.job }, actions);
    }
}

/// Moves jobs that wait to the front of their pool's queue, or back to their task's priority.
pub fn prioritize(model: &mut Model, to: Rank, actions: &mut Vec<Action>) {
    let verb = if to == Rank::First { "raise" } else { "reset the priority of" };
    let queued = targets(model, verb, &[Phase::Queued]);
    if !queued.is_empty() {
        send_each(model, &queued, verb, |t| Command::Prioritize { job: t.job, to }, actions);
    }
}

/// Takes back the last act that can be taken back, whoever asked for it. What this screen has
/// just asked for comes first: its act must be in a snapshot before anything is taken back.
pub fn undo(model: &mut Model, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let waits = model.pending.values().any(|p| matches!(p, Pending::Command { .. }));
    if waits || model.answered_at.is_some_and(|at| model.snapshot.at.mono < at) {
        model.undo_wanted = true;
        say(model, FeedbackKind::Sent, "undo the last act".to_owned());
        return;
    }
    take_back(model, actions);
}

/// Does what [`undo`] put off, when a snapshot tells of the last act.
pub fn undo_when_known(model: &mut Model, actions: &mut Vec<Action>) {
    if std::mem::take(&mut model.undo_wanted) {
        undo(model, actions);
    }
}

fn take_back(model: &mut Model, actions: &mut Vec<Action>) {
    let Some(act) = model.snapshot.acts.iter().find(|act| act.undo.is_some()) else {
        let why = "nothing to take back: kill, stop and signals cannot be undone";
        return refuse(model, why);
    };
    let by = match act.by {
        Requester::Screen => String::new(),
        ref by => format!(" (asked by {})", crate::model::sentence::who(by)),
    };
    let back = act.undo.as_deref().unwrap_or_default();
    let arrow = model.look.glyphs.arrow;
    let (id, what) = (act.id, format!("undo: {}{by} {arrow} {back}", act.asked));
    send(model, Command::Undo { act: id }, what, actions);
}

/// One line of the kill menu.
pub struct KillChoice {
    pub signal: i32,
    /// Goes through the job's own way to stop instead of being one signal and nothing more.
    pub ends: bool,
    pub help: &'static str,
}

const fn signal(signal: i32, help: &'static str) -> KillChoice {
    KillChoice { signal, ends: false, help }
}

/// The kill menu. The first is where one starts, as in htop.
pub const KILL_CHOICES: [KillChoice; 11] = [
    KillChoice { signal: libc::SIGTERM, ends: true, help: "stop: ask first, KILL after its grace" },
    KillChoice { signal: libc::SIGKILL, ends: true, help: "kill the whole tree at once" },
    signal(libc::SIGINT, "interrupt, as Ctrl-C does"),
    signal(libc::SIGHUP, "hang up, often: read the settings anew"),
    signal(libc::SIGQUIT, "quit with a core dump"),
    signal(libc::SIGUSR1, "what the program makes of it"),
    signal(libc::SIGUSR2, "what the program makes of it"),
    signal(libc::SIGALRM, "alarm clock"),
    signal(libc::SIGABRT, "abort with a core dump"),
    signal(libc::SIGSTOP, "freeze it (P pauses its clock too)"),
    signal(libc::SIGCONT, "thaw it"),
];

/// Returns why a target of a kill menu is not what it was, `None` when it still is.
pub fn target_changed(model: &Model, target: &Selection) -> Option<&'static str> {
    let running = target.attempt.and_then(|attempt| model.work_of(attempt));
    match running {
        _ if model.has_ended() => Some("the run has ended"),
        None => Some("it has ended"),
        Some((_, work)) if target.proc.is_some() && work.proc != target.proc => {
            Some("its process is another one now")
        }
        Some(_) => None,
    }
}

/// Sends what a kill menu says, unless its target has changed since it opened.
pub fn kill(model: &mut Model, menu: &KillMenu, actions: &mut Vec<Action>) {
    let (same, changed): (Vec<Selection>, Vec<Selection>) =
        menu.targets.iter().cloned().partition(|t| target_changed(model, t).is_none());
    let Some(choice) = KILL_CHOICES.get(menu.choice) else { return };
    if let (Some(first), true) = (changed.first(), same.is_empty()) {
        let why = target_changed(model, first).unwrap_or("it has ended");
        let label = names(&changed);
        return refuse(model, &format!("nothing sent to {label}: {why}"));
    }
    let verb = match (choice.ends, choice.signal) {
        (true, libc::SIGKILL) => "kill".to_owned(),
        (true, _) => "stop".to_owned(),
        (false, signal) => format!("{} to", signal_name(signal)),
    };
    let command = |t: &Selection| match (choice.ends, choice.signal) {
        (true, signal) => Command::Kill { job: t.job, now: signal == libc::SIGKILL },
        (false, signal) => Command::Signal { job: t.job, signal },
    };
    if choice.ends && !model.observes() {
        model.watch = Some(Watch::new(&verb, &same, model.now.mono));
    }
    send_each(model, &same, &verb, command, actions);
}

/// Brings the run to its end.
pub fn stop(model: &mut Model, how: StopHow, actions: &mut Vec<Action>) {
    model.popup = None;
    model.asked_stop = model.asked_stop.max(Some(how));
    let running = u64::from(model.snapshot.counts.running);
    let jobs = format::plural(running, "running job");
    let what = match how {
        StopHow::Drain => format!("drain: start nothing more, wait for {jobs}"),
        StopHow::Stop => format!("stop {jobs}"),
        StopHow::Kill => format!("kill {jobs}"),
    };
    send(model, Command::Stop { how }, what, actions);
}

/// Puts a theme on.
pub fn put_on(model: &mut Model, theme: Result<Theme, Warning>) {
    match theme {
        Ok(theme) => {
            say(model, FeedbackKind::Done, format!("theme {}", theme.name));
            model.look.theme = theme;
        }
        Err(mut warning) => {
            // One line holds what is wrong; whoever saved the file knows where it is.
            let name = warning.file.rsplit('/').next().unwrap_or_default().to_owned();
            warning.file = name;
            say(model, FeedbackKind::Refused, warning.to_string());
        }
    }
}

/// Draws with the next set of shapes.
pub fn next_glyphs(model: &mut Model) {
    model.look.glyphs = model.look.glyphs.next();
    let name = model.look.glyphs.set.name();
    say(model, FeedbackKind::Done, format!("shapes: {name}"));
}

/// Does what the palette's acts with words say.
///
/// # Errors
/// In words, when the words mean nothing.
pub fn in_words(
    model: &mut Model,
    name: &str,
    words: &str,
    actions: &mut Vec<Action>,
) -> Result<(), String> {
    match name {
        "scale" => scale_in_words(model, words, actions),
        "theme" => {
            actions.push(Action::PutOn(words.to_owned()));
            Ok(())
        }
        "view" => {
            let view = model.views.iter().position(|v| v.name == words);
            // The panel that the view is named after matters most in it.
            let panel = view.and_then(|view| {
                let panels = model.views[view].rows.concat();
                let own = panels.iter().find(|panel| PANELS[**panel].name() == words);
                own.or(panels.first()).copied()
            });
            let (Some(view), Some(panel)) = (view, panel) else {
                let names: Vec<_> = model.views.iter().map(|v| v.name.as_str()).collect();
                return Err(format!("no view `{words}`: there are {}", names.join(", ")));
            };
            model.view = view;
            model.turn_to(panel);
            Ok(())
        }
        "filter" => PANELS[model.focus].filter(model, words, true),
        "search" => PANELS[model.focus].search(model, words, true),
        "search-all" => panels::output::search_all(model, words),
        "drain" => {
            stop(model, StopHow::Drain, actions);
            Ok(())
        }
        "stop" => {
            stop(model, StopHow::Stop, actions);
            Ok(())
        }
        other => Err(format!("no act `{other}`")),
    }
}

fn scale_in_words(model: &mut Model, words: &str, actions: &mut Vec<Action>) -> Result<(), String> {
    let (pool, number) = words.rsplit_once(' ').unwrap_or(("default", words));
    let at = model.snapshot.pools.iter().position(|p| p.name == pool.trim());
    let Some(at) = at.and_then(|at| u16::try_from(at).ok()) else {
        let names: Vec<_> = model.snapshot.pools.iter().map(|p| p.name.as_str()).collect();
        return Err(format!("no pool `{}`: there are {}", pool.trim(), names.join(", ")));
    };
    let relative = number.starts_with(['+', '-']);
    match (relative, number.parse::<i32>()) {
        (true, Ok(by)) => scale_pool(model, PoolIdx(at), by, actions),
        (false, Ok(size)) if size >= 0 => {
            set_size(model, PoolIdx(at), size.unsigned_abs(), actions);
        }
        _ => return Err(format!("`{number}` is no number of workers: write 4, +2 or -1")),
    }
    Ok(())
}
