//! What follows when the screen of a run has closed.

use super::failure::Failure;
use super::{exit, print};
use crate::control::report_file::ReportTarget;
use crate::control::runs::{EndedInfo, RunFolder, RunRecord};
use crate::exec;
use crate::model::signal_name;
use crate::report;
use crate::supervisor::mark;
use crate::tui::{Ended, TuiError};
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

/// Where the supervisor of a screen writes a report that is meant for standard output, which
/// is the screen's until that has closed.
const REPORT: &str = "report.json";

/// Returns the file that the supervisor is to write the report to.
pub fn report_file(target: &ReportTarget, folder: &RunFolder) -> PathBuf {
    match target {
        ReportTarget::Stdout => folder.dir.join(REPORT),
        ReportTarget::File(path) => path.clone(),
    }
}

/// Waits for the supervisor, says on standard error how the run ended, and returns the exit
/// code of `ganger run`: a closed screen leaves nothing behind that says so.
///
/// # Errors
/// When there was no screen, or the supervisor died before the run ended; its jobs are ended
/// then.
pub fn after(
    ended: Result<Ended, TuiError>,
    supervisor: &mut Child,
    folder: &RunFolder,
    target: Option<&ReportTarget>,
) -> Result<i32, Failure> {
    // It ends by itself: the run has ended, or is stopped for want of its screen.
    let status = supervisor.wait().ok();
    let record = folder.read().ok();
    if let Some((record, end)) = record.as_ref().and_then(|r| Some((r, r.ended.as_ref()?))) {
        told(record, end, target, folder)?;
        return match ended {
            // How it ended is its supervisor's word: a signal may have come after the end.
            Ok(_) => Ok(end.exit_code),
            Err(error) => Err(no_screen(&error)),
        };
    }
    match ended {
        // Only its record could not be written.
        Ok(Ended::Run { exit_code, trouble }) => {
            trouble.iter().for_each(|trouble| say(&format!("error: {trouble}")));
            Ok(exit_code)
        }
        Ok(Ended::Signal { exit_code, .. }) if status.is_some_and(|s| s.code().is_some()) => {
            Ok(status.and_then(|status| status.code()).unwrap_or(exit_code))
        }
        Ok(Ended::SupervisorGone(_) | Ended::Signal { .. }) => Err(died(status, folder, target)),
        Err(error) => Err(no_screen(&error)),
    }
}

fn no_screen(error: &TuiError) -> Failure {
    Failure::own(format!("the screen failed: {error}"))
}

fn say(line: &str) {
    let _stderr_may_be_closed = writeln!(io::stderr(), "{line}");
}

/// Says how a run ended, and prints a report that is meant for standard output.
fn told(
    record: &RunRecord,
    end: &EndedInfo,
    target: Option<&ReportTarget>,
    folder: &RunFolder,
) -> Result<(), Failure> {
    if let Some(trouble) = &end.trouble {
        say(&format!("error: {trouble}"));
    }
    let written = target.filter(|_| end.trouble.is_none());
    let file = match written {
        Some(ReportTarget::File(path)) => Some(path.as_path()),
        _ => None,
    };
    let report = file.map(Path::to_string_lossy);
    let wall = end.ended_at.since(record.started_at);
    say(&report::summary_line(&record.name, &record.run, &end.counts, wall, report.as_deref()));
    if let Some(target @ ReportTarget::Stdout) = written {
        let text = fs::read(report_file(target, folder))
            .map_err(|e| Failure::own(format!("cannot print the report: {e}")))?;
        print::bytes(&text)?;
    }
    Ok(())
}

/// Ends what a dead supervisor left behind, so that nobody has to look after it, and says so.
fn died(status: Option<ExitStatus>, folder: &RunFolder, target: Option<&ReportTarget>) -> Failure {
    let swept = match exec::sweep_run(&mark(&folder.id)) {
        0 => "nothing of it was left running".to_owned(),
        1 => "1 process of it was ended".to_owned(),
        n => format!("{n} processes of it were ended"),
    };
    // Else `ganger ls` goes on showing it, and `ganger stop` finds nothing to do.
    let _shown_as_lost = folder.mark_swept();
    let how = match status.map(|status| (status.code(), status.signal())) {
        Some((_, Some(signal))) => format!("was ended by {}", signal_name(signal)),
        Some((Some(code), _)) => format!("ended with exit code {code}"),
        _ => "ended".to_owned(),
    };
    let report = if target.is_some() { "; its report was not written" } else { "" };
    let id = &folder.id;
    Failure::drawn(
        exit::OWN,
        format!(
            "error: the supervisor of run `{id}` {how} before the run had ended; {swept}{report}\n\
             hint: The output so far is in `{}`.",
            folder.dir.join("output").display()
        ),
    )
}
