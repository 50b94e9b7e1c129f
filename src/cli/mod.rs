//! The command line.
pub mod args;
pub mod check;
pub mod dry_run;
pub mod failure;
pub mod run;
pub mod schema;
pub mod screen;
use clap::Parser;
use std::process::ExitCode;

pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.nth(1).is_some_and(|w| w == crate::exec::SHIM_VERB) {
        return crate::exec::shim_main(std::env::args_os().skip(2));
    }
    let done = match args::Cli::parse().verb {
        args::Verb::Run(a) => run::run(&a),
        args::Verb::Check(a) => check::check(&a),
        args::Verb::Schema => schema::print(),
        args::Verb::Supervise { id } => run::supervise_detached(&id),
    };
    match done {
        Ok(code) => ExitCode::from(code as u8),
        Err(f) => {
            eprintln!("{}", f.drawn_text());
            ExitCode::from(f.code() as u8)
        }
    }
}
