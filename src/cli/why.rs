//! `ganger why`: why a job is not running, or what it is doing.

use super::args::WhyArgs;
use super::failure::Failure;
use super::reach::{self, reach};
use super::{exit, print};
use crate::control::runs::RunsDir;
use crate::model::JobRef;
use crate::model::harmless::harmless_line;
use crate::model::query::{Query, Reply};

/// Characters of one sentence that are shown.
const LINE_CHARS: usize = 1000;

/// Prints what is known of a job.
///
/// # Errors
/// When the run or the job is not there.
pub fn why(args: &WhyArgs) -> Result<i32, Failure> {
    let (run, job) = split(&args.job);
    if args.job.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::usage(
            format!(
                "`{}` is a pid, and looking at foreign processes is not built into this version",
                args.job
            ),
            format!("For job {0} of a run write `ganger why :{0}`.", args.job),
        ));
    }
    let job: JobRef = job.parse().map_err(|e: String| {
        Failure::usage(e, "`ganger status` shows the jobs that run and those that failed.")
    })?;
    let mut reached = reach(args.on.run.as_deref().or(run))?;
    let row = reached.job(&job)?.row;
    let Reply::Why { lines } = reached.ask(Query::Why { job: JobRef::number(row.job) })? else {
        return Err(reach::misunderstood());
    };
    let mut text = format!("{} ({})", row.label, row.job);
    if !row.inputs.is_empty() {
        text += &format!(" [{}]", harmless_line(row.inputs.as_bytes(), LINE_CHARS));
    }
    text += &format!(": {}\n", row.state.replace('_', " "));
    for line in &lines {
        text += &format!("  {}\n", harmless_line(line.as_bytes(), LINE_CHARS));
    }
    print::bytes(text.as_bytes())?;
    Ok(exit::OK)
}

/// Takes `RUN:17` apart. A task may have the name that a run begins with, so only the whole id
/// of a run counts.
fn split(text: &str) -> (Option<&str>, &str) {
    let Some(at) = text.rfind(':').filter(|at| *at > 0) else { return (None, text) };
    let is_run =
        RunsDir::from_env().is_ok_and(|runs| runs.list().iter().any(|run| run.id == text[..at]));
    if is_run { (Some(&text[..at]), &text[at..]) } else { (None, text) }
}
