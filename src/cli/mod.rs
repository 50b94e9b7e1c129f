//! The command line: one file per verb, and the exit codes in one place.

pub mod args;
pub mod check;
pub mod dry_run;
pub mod failure;
pub mod job;
pub mod jobs;
pub mod logs;
pub mod ls;
pub mod print;
pub mod reach;
pub mod run;
pub mod schema;
pub mod screen;
pub mod status;
pub mod steer;
pub mod tasks;
pub mod texts;
pub mod why;

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
    let code = match dispatch(&Cli::parse().verb) {
        Ok(code) => code,
        Err(failure) => {
            let text = failure.drawn_text();
            let _stderr_may_be_closed = writeln!(io::stderr(), "{}", text.trim_end());
            failure.code()
        }
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
        Verb::Stop(args) => steer::stop(args),
        Verb::Logs(args) => logs::logs(args),
        Verb::Why(args) => why::why(args),
        Verb::Completions { shell } => texts::completions(*shell),
        Verb::Man => texts::man(),
        Verb::Supervise { id } => run::supervise_detached(id),
    }
}
