//! Events and commands as sentences for people.

use super::command::{Answer, Command, PauseTarget, Rank, Requester, StopHow};
use super::event::Event;
use super::harmless::harmless_line;
use super::ids::{AttemptId, JobNo, PoolIdx, TaskIdx};
use super::locks::{LockNotice, Party};
use super::outcome::{Exit, Outcome, StopReason, signal_name};
use super::time::Mono;
use super::words;
use std::time::Duration;

/// Characters of one sentence; what names and errors bring along is cut there.
const SENTENCE_CHARS: usize = 400;

/// What things are called.
pub trait Names {
    /// `resize:3`
    fn job(&self, job: JobNo) -> String;
    fn task(&self, task: TaskIdx) -> &str;
    fn pool(&self, pool: PoolIdx) -> &str;
    /// The signal that asks the attempts of a job to stop.
    fn stop_signal(&self, job: JobNo) -> i32;
}

/// Who asked, to follow "by".
pub fn who(by: &Requester) -> String {
    match by {
        Requester::Screen => "the screen".to_owned(),
        Requester::Cli { pid } => format!("pid {pid}"),
        Requester::Signal { signal } => signal_name(*signal),
        Requester::Rule => "a rule of the task file".to_owned(),
        Requester::Ganger => "ganger".to_owned(),
    }
}

/// Says in one sentence what happened at `at`; `took` is how long an attempt ran that ended.
pub fn of_event(names: &dyn Names, event: &Event, at: Mono, took: Option<Duration>) -> String {
    let text = match event {
        Event::AttemptLaunched { .. }
        | Event::AttemptStarted { .. }
        | Event::AttemptStopping { .. }
        | Event::LeaderEnded { .. }
        | Event::AttemptQuiet { .. }
        | Event::AttemptEnded { .. }
        | Event::Signalled { .. } => of_attempt(names, event, at, took),
        Event::JobRetrying { .. }
        | Event::BackoffOver { .. }
        | Event::JobEnded { .. }
        | Event::Prioritized { .. } => of_job(names, event, at),
        Event::RunStarted { .. } => "the run started".to_owned(),
        Event::Linked { task, upstream, .. } => {
            let (task, up) = (names.task(*task), names.task(*upstream));
            format!("each job of {task} needs the jobs of {up} with the same inputs")
        }
        Event::JobsAdded { task, count, .. } => {
            format!("{} has {}", names.task(*task), words::count(*count, "job"))
        }
        Event::InputsFailed { task, error } => {
            format!("the inputs of {} could not be read: {error}", names.task(*task))
        }
        Event::Expanding { task } => format!("the inputs of {} are being read", names.task(*task)),
        Event::TaskEnded { task } => format!("all jobs of {} have ended", names.task(*task)),
        Event::Unskipped { task, upstream, count, .. } => {
            let (jobs, up) = (words::count(*count, "job"), names.task(*upstream));
            format!("{jobs} of {} wait again, since {up} is tried again", names.task(*task))
        }
        Event::RestEnded { task, outcome, count, .. } => {
            let (jobs, task) = (words::count(*count, "job"), names.task(*task));
            format!("{jobs} of {task} never started: {}", ended_words(names, *outcome))
        }
        Event::Scaled { pool, from, to, by } => {
            format!("pool {} scaled {from} -> {to} by {}", names.pool(*pool), who(by))
        }
        Event::Paused { target, by, .. } => {
            format!("{} paused by {}", target_words(names, *target), who(by))
        }
        Event::Resumed { target, by, .. } => {
            format!("{} resumed by {}", target_words(names, *target), who(by))
        }
        Event::RunStopping { how, by, why } => {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            format!("the run is {} by {}{why}", how_words(*how), who(by))
        }
        Event::RunEnded { outcome, exit_code, .. } => {
            let word = format!("{outcome:?}").to_lowercase();
            format!("the run ended: {word}, exit code {exit_code}")
        }
        Event::LocksAwaited { task, .. } => {
            format!("jobs of {} wait for what its `locks` and `uses` name", names.task(*task))
        }
        Event::LocksFree { task } => {
            format!("the next job of {} can have its locks", names.task(*task))
        }
        Event::Shared { .. } => String::new(),
        Event::LockNoticed { notice, .. } => of_notice(names, notice, at),
        Event::DeadlockFound { deadlock, .. } => format!("deadlock: {}", deadlock.text),
        Event::DeadlockGone { id, .. } => format!("deadlock {id} is over"),
        Event::StuckFound { stuck, .. } => format!("{}: {}", stuck.kind.word(), stuck.text),
        Event::StuckGone { id, .. } => format!("what was stuck ({id}) is no longer"),
    };
    harmless_line(text.as_bytes(), SENTENCE_CHARS)
}

/// Says who a party is.
pub fn party(names: &dyn Names, party: &Party) -> String {
    let name = match (party.attempt, &party.label) {
        (Some(attempt), _) => Some(names.job(attempt.job)),
        (None, label) => label.as_deref().map(str::to_owned),
    };
    match (name, party.proc) {
        (Some(name), Some(proc)) => format!("{name} (pid {})", proc.pid),
        (Some(name), None) => name,
        (None, Some(proc)) => format!("pid {}", proc.pid),
        (None, None) => "somebody".to_owned(),
    }
}

fn of_notice(names: &dyn Names, notice: &LockNotice, at: Mono) -> String {
    match notice {
        LockNotice::OwnerDied { names: locks, party: who } => {
            format!("{} ended while it held {}", party(names, who), locks.join(", "))
        }
        LockNotice::OrderInverted { first, second, one, other } => format!(
            "{} took {first} and then {second}, {} the other way round: they can block each other",
            party(names, one),
            party(names, other)
        ),
        LockNotice::HeldLong { name, party: who, since } => {
            let held = words::duration(at.since(*since));
            format!("{} holds {name} for {held}", party(names, who))
        }
        LockNotice::WaitsLong { name, party: who, since } => {
            let waited = words::duration(at.since(*since));
            let who = party(names, who);
            format!("{who} waits for {name} for {waited}, and would for ever: it has no timeout")
        }
    }
}

fn of_attempt(names: &dyn Names, event: &Event, at: Mono, took: Option<Duration>) -> String {
    let name = |id: &AttemptId| names.job(id.job);
    match event {
        Event::AttemptLaunched { attempt, slot, .. } => {
            let pool = names.pool(slot.pool);
            format!("{} taken by worker {} of pool {pool}{}", name(attempt), slot.n, nth(*attempt))
        }
        Event::AttemptStarted { attempt, proc, .. } => {
            format!("{} started: pid {}{}", name(attempt), proc.pid, nth(*attempt))
        }
        Event::AttemptStopping { attempt, reason, kill_at, by, .. } => {
            let how = match kill_at.since(at) {
                Duration::ZERO => "SIGKILL".to_owned(),
                left => {
                    let signal = signal_name(names.stop_signal(attempt.job));
                    format!("{signal}, SIGKILL in {}", words::duration(left))
                }
            };
            match reason {
                StopReason::Kill => format!("{} killed by {}: {how}", name(attempt), who(by)),
                _ => format!("{} stopped by {}, {}: {how}", name(attempt), who(by), reason.words()),
            }
        }
        Event::LeaderEnded { attempt, exit, .. } => {
            let exit = exit.map_or("nobody saw how".to_owned(), exit_words);
            format!("the leader of {} ended ({exit}); it left processes behind", name(attempt))
        }
        Event::AttemptQuiet { attempt, quiet: true, since } => {
            let quiet = words::duration(at.since(*since));
            format!("{} is quiet for {quiet}: no CPU, no output, no I/O", name(attempt))
        }
        Event::AttemptQuiet { attempt, .. } => format!("{} moves again", name(attempt)),
        Event::AttemptEnded { attempt, outcome, exit, swept, error, .. } => {
            let mut text = format!("{} ended: {}", name(attempt), words::outcome(*outcome, *exit));
            if let Some(took) = took {
                text += &format!(" after {}", words::duration(took));
            }
            text += &nth(*attempt);
            if *swept > 0 {
                let processes = words::count_of(*swept, "process", "processes");
                text += &format!("; {processes} swept");
            }
            if let Some(error) = error {
                text += &format!("; {error}");
            }
            text
        }
        Event::Signalled { attempt, signal, by } => {
            format!("{} sent to {} by {}", signal_name(*signal), name(attempt), who(by))
        }
        _ => String::new(),
    }
}

fn of_job(names: &dyn Names, event: &Event, at: Mono) -> String {
    match event {
        Event::JobRetrying { job, ready_at, by } => {
            let delay = match ready_at.since(at) {
                Duration::ZERO => String::new(),
                left => format!(" in {}", words::duration(left)),
            };
            match by {
                Requester::Rule => format!("{} is tried again{delay}", names.job(*job)),
                by => format!("{} queued again{delay} by {}", names.job(*job), who(by)),
            }
        }
        Event::BackoffOver { job } => format!("{} is in the queue again", names.job(*job)),
        Event::JobEnded { job, outcome, attempts, .. } => {
            let after = match attempts {
                0 => "without an attempt".to_owned(),
                n => format!("after {}", words::count(*n, "attempt")),
            };
            format!("{} is over: {} {after}", names.job(*job), ended_words(names, *outcome))
        }
        Event::Prioritized { job, to, by, .. } => {
            let to = to.map_or("its task's priority".to_owned(), |to| format!("priority {to}"));
            format!("{} moved to {to} by {}", names.job(*job), who(by))
        }
        _ => String::new(),
    }
}

/// Says what a command asks for: `scale pool default to 6`.
pub fn of_command(names: &dyn Names, command: &Command) -> String {
    let text = match command {
        Command::Scale { pool, size, now } => {
            let now = if *now { " now" } else { "" };
            format!("scale pool {} to {size}{now}", names.pool(*pool))
        }
        Command::Pause { target } => format!("pause {}", target_words(names, *target)),
        Command::Resume { target } => format!("resume {}", target_words(names, *target)),
        Command::Kill { job, now } => {
            format!("kill {}{}", names.job(*job), if *now { " now" } else { "" })
        }
        Command::Signal { job, signal } => {
            format!("send {} to {}", signal_name(*signal), names.job(*job))
        }
        Command::Retry { job } => format!("queue {} again", names.job(*job)),
        Command::Stop { how: StopHow::Drain } => "drain the run".to_owned(),
        Command::Stop { how: StopHow::Stop } => "stop the run".to_owned(),
        Command::Stop { how: StopHow::Kill } => "kill the run".to_owned(),
        Command::Prioritize { job, to } => match to {
            Rank::First => format!("move {} to the front", names.job(*job)),
            Rank::Priority(n) => format!("give {} priority {n}", names.job(*job)),
            Rank::OfTask => format!("give {} its task's priority", names.job(*job)),
        },
        Command::ResizeSemaphore { name, max } => {
            format!("give semaphore {name} {}", words::count(*max, "permit"))
        }
        Command::CloseQueue { name } => format!("close queue {name}"),
        Command::Many { commands } => of_many(names, commands),
        Command::Undo { act } => format!("undo act {act}"),
    };
    harmless_line(text.as_bytes(), SENTENCE_CHARS)
}

/// Says what somebody asked for, in the words of [`of_command`], and what was answered.
pub fn of_request(asked: &str, by: &Requester, answer: &Answer) -> String {
    let (how, words) = match answer {
        Answer::Done(words) => ("done", words),
        Answer::Refused(words) => ("refused", words),
    };
    let text = format!("{asked}, asked by {}: {how}: {words}", who(by));
    harmless_line(text.as_bytes(), SENTENCE_CHARS)
}

fn of_many(names: &dyn Names, commands: &[Command]) -> String {
    match commands {
        [] => "nothing".to_owned(),
        [only] => of_command(names, only),
        [first, second, rest @ ..] => {
            let (first, second) = (of_command(names, first), of_command(names, second));
            let more = match rest.len() {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            format!("{first}, {second}{more}")
        }
    }
}

fn nth(attempt: AttemptId) -> String {
    format!(" (attempt {})", attempt.n)
}

fn exit_words(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => signal_name(signal),
    }
}

fn ended_words(names: &dyn Names, outcome: Outcome) -> String {
    match outcome {
        Outcome::Skipped { upstream } => {
            format!("skipped, since {} did not end as needed", names.task(upstream))
        }
        other => words::outcome(other, None),
    }
}

fn target_words(names: &dyn Names, target: PauseTarget) -> String {
    match target {
        PauseTarget::Run => "the run".to_owned(),
        PauseTarget::Pool(pool) => format!("pool {}", names.pool(pool)),
        PauseTarget::Job(job) => names.job(job),
    }
}

fn how_words(how: StopHow) -> &'static str {
    match how {
        StopHow::Drain => "drained",
        StopHow::Stop => "stopped",
        StopHow::Kill => "killed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Now, ProcRef, Slot, Usage, Wall};

    struct Plain;

    impl Names for Plain {
        fn job(&self, job: JobNo) -> String {
            format!("thumb:{}", job.0)
        }
        fn task(&self, _: TaskIdx) -> &'static str {
            "thumb"
        }
        fn pool(&self, _: PoolIdx) -> &'static str {
            "default"
        }
        fn stop_signal(&self, _: JobNo) -> i32 {
            15
        }
    }

    fn said(event: &Event) -> String {
        of_event(&Plain, event, Mono(10_000_000), Some(Duration::from_millis(3_200)))
    }

    #[test]
    fn events_are_told_in_one_sentence_with_who_asked() {
        let at = Now { mono: Mono(10_000_000), wall: Wall(0) };
        let (job, task, pool) = (JobNo(3), TaskIdx(0), PoolIdx(0));
        let attempt = AttemptId { job, n: 2 };
        let cli = || Requester::Cli { pid: 4411 };
        let ended = |swept, error: Option<&str>| Event::AttemptEnded {
            attempt,
            task,
            outcome: Outcome::Failed { code: 2 },
            exit: Some(Exit::Code(2)),
            usage: Usage::default(),
            swept,
            oom_killed: None,
            reason: None,
            error: error.map(str::to_owned),
            at,
        };
        let stopping = |reason, kill_at, by| Event::AttemptStopping {
            attempt,
            reason,
            kill_at,
            by,
            at: Now::default(),
        };
        for (event, text) in [
            (ended(0, None), "thumb:3 ended: exit code 2 after 3.2s (attempt 2)"),
            (
                ended(2, Some("1 stuck")),
                "thumb:3 ended: exit code 2 after 3.2s (attempt 2); 2 processes swept; 1 stuck",
            ),
            (
                Event::Scaled { pool, from: 2, to: 6, by: Requester::Screen },
                "pool default scaled 2 -> 6 by the screen",
            ),
            (
                stopping(StopReason::Kill, Mono(15_000_000), cli()),
                "thumb:3 killed by pid 4411: SIGTERM, SIGKILL in 5.0s",
            ),
            (
                stopping(StopReason::Timeout, Mono(10_000_000), Requester::Rule),
                "thumb:3 stopped by a rule of the task file, timeout: SIGKILL",
            ),
            (
                Event::AttemptLaunched { attempt, task, slot: Slot { pool, n: 4 }, weight: 1, at },
                "thumb:3 taken by worker 4 of pool default (attempt 2)",
            ),
            (
                Event::AttemptStarted { attempt, proc: ProcRef { pid: 7, start_ticks: 1 }, at },
                "thumb:3 started: pid 7 (attempt 2)",
            ),
            (
                Event::JobRetrying { job, ready_at: Mono(12_000_000), by: Requester::Rule },
                "thumb:3 is tried again in 2.0s",
            ),
            (
                Event::JobRetrying { job, ready_at: Mono(0), by: cli() },
                "thumb:3 queued again by pid 4411",
            ),
            (
                Event::JobEnded { job, task, outcome: Outcome::Cancelled, attempts: 0, at },
                "thumb:3 is over: cancelled without an attempt",
            ),
            (
                Event::Prioritized { job, from: None, to: Some(6), by: cli() },
                "thumb:3 moved to priority 6 by pid 4411",
            ),
        ] {
            assert_eq!(said(&event), text);
        }
    }

    #[test]
    fn what_others_wrote_is_made_harmless_and_cut() {
        let error = format!("\x1b[31mno{}", "x".repeat(1000));
        let text = said(&Event::InputsFailed { task: TaskIdx(0), error });
        assert!(text.starts_with("the inputs of thumb could not be read: nox"), "{text}");
        assert_eq!(text.chars().count(), SENTENCE_CHARS + 1);
    }

    #[test]
    fn commands_say_what_they_ask_for() {
        let kill = |n| Command::Kill { job: JobNo(n), now: false };
        let many = |commands| Command::Many { commands };
        for (command, text) in [
            (kill(3), "kill thumb:3"),
            (many(vec![kill(1), kill(2)]), "kill thumb:1, kill thumb:2"),
            (many((1..=9).map(kill).collect()), "kill thumb:1, kill thumb:2 and 7 more"),
            (Command::Prioritize { job: JobNo(3), to: Rank::First }, "move thumb:3 to the front"),
        ] {
            assert_eq!(of_command(&Plain, &command), text);
        }
    }
}
