//! What follows when the screen of a run has closed.

use super::failure::Failure;
use crate::control::runs::RunFolder;
use crate::exec;
use crate::supervisor::mark;
use crate::tui::{Ended, TuiError};
use std::io::{self, Write};
use std::process::Child;

/// Waits for the supervisor and turns what the screen saw into the exit code of `ganger run`.
///
/// # Errors
/// When the supervisor died before the run ended; its jobs are ended then.
pub fn after(
    ended: Result<Ended, TuiError>,
    supervisor: &mut Child,
    folder: &RunFolder,
) -> Result<i32, Failure> {
    match ended {
        Ok(Ended::Run { exit_code, trouble }) => {
            if let Some(trouble) = trouble {
                let _stderr_may_be_closed = writeln!(io::stderr(), "error: {trouble}");
            }
            let _it_ends_by_itself = supervisor.wait();
            Ok(exit_code)
        }
        Ok(Ended::SupervisorGone(why)) => {
            // It may only be slow to say goodbye: its own word counts if it has one.
            let _reaped = supervisor.wait();
            let n = exec::sweep_run(&mark(&folder.id));
            let swept = match n {
                0 => "nothing of it was left running".to_owned(),
                1 => "1 process of it was ended".to_owned(),
                n => format!("{n} processes of it were ended"),
            };
            Err(Failure::own(format!(
                "the supervisor of run `{}` died: {why}; {swept}\nhint: The output so far is in `{}`.",
                folder.id,
                folder.dir.join("output").display()
            )))
        }
        Ok(Ended::Signal { exit_code, .. }) => {
            // The run was told to stop, and is stopped for want of an owner besides. How it
            // ended is its supervisor's word: it may have ended before the signal came.
            let of_supervisor = supervisor.wait().ok().and_then(|status| status.code());
            Ok(of_supervisor.unwrap_or(exit_code))
        }
        Err(error) => {
            // The supervisor stops the run when its screen is gone.
            let _it_ends_by_itself = supervisor.wait();
            Err(Failure::own(format!("the screen failed: {error}")))
        }
    }
}
