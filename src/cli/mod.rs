//! The command line: one file per verb, and the exit codes in one place.

pub mod args;
pub mod check;
pub mod contention;
pub mod dry_run;
pub mod events;
pub mod failure;
mod foreign;
pub mod job;
pub mod jobs;
pub mod lines;
pub mod lock;
pub mod logs;
pub mod ls;
pub mod primitives;
pub mod print;
pub mod queue;
pub mod reach;
pub mod run;
pub mod schema;
pub mod screen;
pub mod shared;
pub mod shared_args;
pub mod status;
pub mod steer;
pub mod tasks;
pub mod texts;
pub mod themes;
pub mod why;
pub mod wrapped;
pub mod xray;

use args::{Cli, Verb};
use clap::Parser;
use failure::Failure;
use std::io::{self, Write};
use std::process::ExitCode;

/// The exit codes of ganger: the table of `docs/cli.md`.
pub mod exit {
    /// Everything succeeded or was up to date; a verb did what it was asked.
    pub const OK: i32 = 0;
    /// Some job failed.
    pub const JOB_FAILED: i32 = 1;
    /// Wrong usage, an invalid task file, or something named that is not there.
    pub const USAGE: i32 = 2;
    /// ganger itself failed.
    pub const OWN: i32 = 3;
    /// The answer is no: not held, broken, not there, something else than expected; there is a
    /// deadlock.
    pub const NO: i32 = 1;
    /// The queue is closed, for `get` also empty.
    pub const CLOSED: i32 = 4;
    /// It would have to wait, and `--try` says not to (EX_TEMPFAIL of sysexits.h).
    pub const BUSY: i32 = 75;
    /// The time of `--timeout` is up, as timeout(1) says it.
    pub const TIMED_OUT: i32 = 124;
    /// A verb that runs a command failed itself, as env(1) says it.
    pub const WRAPPER: i32 = 125;
    /// The command cannot be executed.
    pub const NOT_EXECUTABLE: i32 = 126;
    /// The command is not there.
    pub const NOT_FOUND: i32 = 127;
    /// Ended by SIGHUP: the terminal went away.
    pub const HUNG_UP: i32 = 129;
    /// Ended by a person: SIGINT, the screen, `ganger stop`.
    pub const INTERRUPTED: i32 = 130;
    /// Killed by SIGQUIT.
    pub const QUIT: i32 = 131;
    /// Ended by SIGTERM.
    pub const TERMINATED: i32 = 143;
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    // Before anything else: the shim becomes a job and must have nothing of ganger in it.
    if std::env::args_os().nth(1).is_some_and(|word| word == crate::exec::SHIM_VERB) {
        return crate::exec::shim_main(std::env::args_os().skip(2));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return wrong_usage(&e),
    };
    let code = match dispatch(&cli.verb) {
        Ok(code) => code,
        Err(failure) => {
            let text = failure.drawn_text();
            let _stderr_may_be_closed = writeln!(io::stderr(), "{}", text.trim_end());
            failure.code()
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// What clap says of a command line. Verbs that run a command leave 2 to that command.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    let _closed_is_fine = error.print();
    let words: Vec<_> = std::env::args_os().skip(1).take(2).collect();
    let is_wrapper = match words.first().and_then(|word| word.to_str()) {
        Some("lock" | "sem") => true,
        Some("queue") => words.get(1).is_some_and(|word| word == "each"),
        _ => false,
    };
    let code = if !error.use_stderr() {
        exit::OK
    } else if is_wrapper {
        exit::WRAPPER
    } else {
        exit::USAGE
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn dispatch(verb: &Verb) -> Result<i32, Failure> {
    match verb {
        Verb::Run(args) => run::run(args),
        Verb::Check(args) => check::check(args),
        Verb::Schema => schema::print(),
        Verb::Ls(args) => ls::ls(args),
        Verb::Status(args) => status::status(args),
        Verb::Jobs(args) => jobs::jobs(args),
        Verb::Job(args) => job::job(args),
        Verb::Tasks(args) => tasks::tasks(args),
        Verb::Scale(args) => steer::scale(args),
        Verb::Pause(args) => steer::pause(args, true),
        Verb::Continue(args) => steer::pause(args, false),
        Verb::Kill(args) => steer::kill(args),
        Verb::Retry(args) => steer::retry(args),
        Verb::Prio(args) => steer::prioritize(args),
        Verb::Undo(args) => steer::undo(args),
        Verb::Stop(args) => steer::stop(args),
        Verb::Logs(args) => logs::logs(args),
        Verb::Why(args) => why::why(args),
        Verb::Xray(args) => xray::xray(args),
        Verb::Themes(args) => themes::themes(args),
        Verb::Events(args) => events::events(args),
        Verb::Lock(args) => lock::lock(args),
        Verb::Sem(args) => lock::semaphore(args),
        Verb::Event(args) => primitives::event(args),
        Verb::Barrier(args) => primitives::barrier(args),
        Verb::Queue(args) => queue::queue(args),
        Verb::Value(args) => primitives::value(args),
        Verb::Kv(args) => primitives::table(args),
        Verb::Locks(args) => contention::locks(args),
        Verb::Deadlocks(args) => contention::deadlocks(args),
        Verb::Completions { shell } => texts::completions(*shell),
        Verb::Man => texts::man(),
        Verb::Supervise { id } => run::supervise_detached(id),
    }
}
