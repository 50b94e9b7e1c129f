//! What a person can do to a run from this screen: each act as a message and a word about it.

use super::model::{Feedback, FeedbackKind, KillMenu, Model, Pending, Popup, Source};
use super::output::Ask;
use super::theme::Theme;
use super::update::Action;
use super::{format, panels};
use crate::control::proto::ToServer;
use crate::model::query::Query;
use crate::model::{
    Command, JobPlace, JobRef, PauseTarget, PoolIdx, RunState, StopHow, WorkerState, signal_name,
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
pub fn send_ask(model: &mut Model, ask: Ask, actions: &mut Vec<Action>) {
    let id = model.next_id;
    model.next_id += 1;
    model.pending.insert(id, Pending::Output(ask));
    let job = JobRef { place: JobPlace::Number(ask.key.0), attempt: Some(ask.key.1) };
    let Ask { stream, from, max_bytes, .. } = ask;
    let query = Query::Output { job, stream, from, max_bytes };
    actions.push(Action::Send(ToServer::Query { id, query }));
}

fn say(model: &mut Model, kind: FeedbackKind, text: String) {
    model.feedback = Some(Feedback { text, kind, at: model.now.mono });
}

/// Says why an act cannot be done. Returns `false`, for guards.
fn refuse(model: &mut Model, why: &str) -> bool {
    say(model, FeedbackKind::Refused, why.to_owned());
    false
}

fn may_act(model: &mut Model) -> bool {
    if model.has_ended() {
        return refuse(model, "the run has ended: only looking is left, q leaves");
    }
    if !model.live {
        return refuse(model, "the run has not said anything yet");
    }
    true
}

/// Makes the pool of the selected worker larger or smaller by one.
pub fn scale(model: &mut Model, by: i32, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let pool = model.worker.map_or(PoolIdx::DEFAULT, |slot| slot.pool);
    let Some(view) = model.snapshot.pools.get(usize::from(pool.0)) else { return };
    // Pressing + three times quickly means three more, whatever the last snapshot says.
    let from = model.wanted.get(&pool).map_or(view.size, |(size, _)| *size);
    let size = from.saturating_add_signed(by);
    let name = view.name.clone();
    let (min, max) = (view.min, view.max);
    if size > max {
        refuse(model, &format!("pool {name} has {from} of at most {max} workers"));
    } else if size < min || size == from {
        refuse(model, &format!("pool {name} has {from} of at least {min} workers"));
    } else {
        model.wanted.insert(pool, (size, model.now.mono));
        let arrow = model.look.glyphs.arrow;
        let what = format!("scale {name} {from} {arrow} {size}");
        send(model, Command::Scale { pool, size, now: false }, what, actions);
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

/// Pauses the selected worker's job, or lets it go on.
pub fn pause_job(model: &mut Model, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let Some((job, state, label)) = selected_job(model) else {
        refuse(model, "the selected worker has no job to pause");
        return;
    };
    let target = PauseTarget::Job(job);
    let (command, verb) = match state {
        WorkerState::Paused => (Command::Resume { target }, "continue"),
        _ => (Command::Pause { target }, "pause"),
    };
    send(model, command, format!("{verb} {label}"), actions);
}

fn selected_job(model: &Model) -> Option<(crate::model::JobNo, WorkerState, String)> {
    let worker = model.selected_worker()?;
    let work = worker.work.as_ref()?;
    Some((work.attempt.job, worker.state, model.label(work)))
}

/// Opens the kill menu on the selected worker's job; the target is fixed from now on.
pub fn open_kill_menu(model: &mut Model) {
    if !may_act(model) {
        return;
    }
    let worker = model.selected_worker();
    let Some(work) = worker.and_then(|w| w.work.as_ref()) else {
        refuse(model, "the selected worker has no job to kill");
        return;
    };
    model.popup = Some(Popup::Kill(KillMenu {
        label: model.label(work),
        attempt: work.attempt,
        proc: work.proc,
        since: work.since,
        choice: 0,
        typed: String::new(),
    }));
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

/// Returns why the target of a kill menu is not what it was, `None` when it still is.
pub fn target_changed(model: &Model, menu: &KillMenu) -> Option<&'static str> {
    match model.work_of(menu.attempt) {
        None => Some("it has ended"),
        Some((_, work)) if menu.proc.is_some() && work.proc != menu.proc => {
            Some("its process is another one now")
        }
        Some(_) if model.has_ended() => Some("the run has ended"),
        Some(_) => None,
    }
}

/// Sends what a kill menu says, unless its target has changed since it opened.
pub fn kill(model: &mut Model, menu: &KillMenu, actions: &mut Vec<Action>) {
    if let Some(why) = target_changed(model, menu) {
        refuse(model, &format!("nothing sent to {}: {why}", menu.label));
        return;
    }
    let Some(choice) = KILL_CHOICES.get(menu.choice) else { return };
    let job = menu.attempt.job;
    let (command, what) = match (choice.ends, choice.signal) {
        (true, libc::SIGKILL) => (Command::Kill { job, now: true }, format!("kill {}", menu.label)),
        (true, _) => (Command::Kill { job, now: false }, format!("stop {}", menu.label)),
        (false, signal) => {
            (Command::Signal { job, signal }, format!("{} to {}", signal_name(signal), menu.label))
        }
    };
    send(model, command, what, actions);
}

/// Queues the selected failed job again.
pub fn retry(model: &mut Model, actions: &mut Vec<Action>) {
    if !may_act(model) {
        return;
    }
    let chosen = model.focus == panels::FAILURES
        || (model.focus == panels::OUTPUT && model.source == Source::Failures);
    let failure = model.selected_failure().map(|f| (f.job, model.failure_label(f)));
    match failure {
        None => {
            refuse(model, "no failed job to retry");
        }
        Some(_) if !chosen => {
            let key = panels::PANELS[panels::FAILURES].key();
            refuse(model, &format!("select a failed job first ({key}), then retry it"));
        }
        Some((job, label)) => {
            send(model, Command::Retry { job }, format!("retry {label}"), actions)
        }
    }
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

/// Shows both streams, stdout, stderr in turn.
pub fn next_streams(model: &mut Model) {
    model.output.next_streams();
}

/// Puts on the next theme.
pub fn next_theme(model: &mut Model) {
    let theme = &model.look.theme;
    let next = Theme::named(theme.next_name(), theme.depth);
    say(model, FeedbackKind::Done, format!("theme {}", next.name));
    model.look.theme = next;
}
