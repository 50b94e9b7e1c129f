//! What is said at the end: counts, time, and every job that did not end well.

use super::words;
use crate::model::harmless::harmless_line;
use crate::model::{Counts, Exit, JobNo, Outcome};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Failures of which inputs and last lines are kept: about 2 KB each. Later ones have one line.
pub(super) const DETAILED: usize = 1000;
/// Last lines of a failed job, and how long one may be.
pub(super) const LAST_LINES: usize = 10;
pub(super) const LINE_CHARS: usize = 200;

/// A job that did not end well.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub label: String,
    pub outcome: Outcome,
    pub exit: Option<Exit>,
    pub attempts: u32,
    pub details: Option<Details>,
}

/// The part that is kept for the first failures only.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub inputs: String,
    /// Why it was stopped or could not be started.
    pub why: Option<String>,
    pub last_lines: Vec<String>,
}

/// All of them, in the order of their jobs.
#[derive(Default)]
pub(super) struct Failures {
    by_job: BTreeMap<JobNo, Failure>,
}

impl Failures {
    /// Whether the details of one more are to be kept.
    pub(super) fn wants_details(&self) -> bool {
        self.by_job.len() < DETAILED
    }

    pub(super) fn add(&mut self, job: JobNo, failure: Failure) {
        self.by_job.insert(job, failure);
    }

    /// Forgets a job that is tried again.
    pub(super) fn forget(&mut self, job: JobNo) {
        self.by_job.remove(&job);
    }
}

/// Returns the text of the end.
pub(super) fn text(run: &str, counts: &Counts, wall: Duration, failures: &Failures) -> String {
    let mut text = String::new();
    if !failures.by_job.is_empty() {
        text.push_str("\nfailed:\n");
    }
    for (job, failure) in &failures.by_job {
        let _ = write!(text, "  {} ({job})", failure.label);
        if let Some(Details { inputs, .. }) = failure.details.as_ref()
            && !inputs.is_empty()
        {
            let _ = write!(text, "  [{inputs}]");
        }
        let _ = write!(text, "  {}", words::outcome(failure.outcome, failure.exit));
        if failure.attempts > 1 {
            let _ = write!(text, ", {} attempts", failure.attempts);
        }
        let Some(details) = &failure.details else {
            text.push('\n');
            continue;
        };
        if let Some(why) = &details.why {
            let _ = write!(text, ": {why}");
        }
        text.push('\n');
        for line in &details.last_lines {
            let _ = writeln!(text, "    | {line}");
        }
    }
    if failures.by_job.len() > DETAILED {
        let _ = writeln!(text, "  (last lines are kept of the first {DETAILED} only)");
    }
    if !failures.by_job.is_empty() {
        let _ = writeln!(text, "  `ganger logs JOB -r {run}` shows all of a job's output.\n");
    }
    let _ = writeln!(text, "{}", totals(run, counts, wall));
    text
}

/// Returns what is left of a screen that has closed, in one line.
pub fn line(
    name: &str,
    run: &str,
    counts: &Counts,
    wall: Duration,
    report: Option<&str>,
) -> String {
    let name = harmless_line(name.as_bytes(), LINE_CHARS);
    let mut line = format!("ganger: {name}: {}", totals(run, counts, wall));
    if let Some(report) = report {
        let _ = write!(line, "; report {report}");
    }
    line
}

fn totals(run: &str, counts: &Counts, wall: Duration) -> String {
    let mut text = words::counts(counts);
    if counts.retries > 0 {
        let _ = write!(text, "; {} more attempts by retries", counts.retries);
    }
    if counts.tasks_unread > 0 {
        let _ =
            write!(text, "; inputs of {} never read", words::count(counts.tasks_unread, "task"));
    }
    let _ = write!(text, "; {}; run {run}", words::duration(wall));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_what_became_of_the_jobs_how_long_it_took_and_where_the_report_is() {
        let counts = Counts { total: 122, succeeded: 120, failed: 2, ..Counts::default() };
        let shown = |report| line("thu\x1b[mbs", "a-b-1", &counts, Duration::from_secs(63), report);
        let without = shown(None);
        assert!(without.ends_with("bs: 122 jobs: 120 succeeded, 2 failed; 1m 03s; run a-b-1"));
        assert!(!without.contains('\x1b'), "{without:?}");
        assert_eq!(shown(Some("r.json")), format!("{without}; report r.json"));
    }
}
