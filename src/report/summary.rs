//! What is said at the end: counts, time, and every job that did not end well.

use super::words;
use crate::model::harmless::harmless_line;
use crate::model::{Counts, Exit, JobNo, Outcome, StopReason};
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
    /// Why it was stopped.
    pub reason: Option<StopReason>,
    /// How long it had been quiet when it ended, if it was ever marked as hung.
    pub hung_for: Option<Duration>,
    pub details: Option<Details>,
}

/// The part that is kept for the first failures only.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub inputs: String,
    /// Why it could not be started or ended.
    pub error: Option<String>,
    pub last_lines: Vec<String>,
}

/// All of them, in the order of their jobs.
#[derive(Default)]
pub(super) struct Failures {
    by_job: BTreeMap<JobNo, Failure>,
    /// Tasks that have no jobs since their inputs could not be read, in words.
    pub unread: Vec<String>,
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

impl Failure {
    /// Says why it ended so, beyond its outcome.
    fn why(&self) -> Option<String> {
        let error = self.details.as_ref().and_then(|details| details.error.clone());
        let stopped = self.reason.filter(|reason| {
            // The outcome says these already, or they are not why it ended.
            !matches!(reason, StopReason::Timeout | StopReason::Leftovers)
        });
        let cause = error.or_else(|| stopped.map(|reason| reason.words().to_owned()));
        let Some(hung_for) = self.hung_for.map(words::duration) else { return cause };
        match cause {
            Some(cause) if self.reason == Some(StopReason::Quiet) => {
                Some(format!("{cause} for {hung_for}"))
            }
            Some(cause) => Some(format!("{cause}, was hung: quiet for {hung_for}")),
            None => Some(format!("was hung: quiet for {hung_for}")),
        }
    }

    fn write(&self, text: &mut String, job: JobNo) {
        let _ = write!(text, "  {} ({job})", self.label);
        let inputs = self.details.as_ref().map_or("", |details| &details.inputs);
        if !inputs.is_empty() {
            let _ = write!(text, "  [{inputs}]");
        }
        let _ = write!(text, "  {}", words::outcome(self.outcome, self.exit));
        if self.attempts > 1 {
            let _ = write!(text, ", {} attempts", self.attempts);
        }
        if let Some(why) = self.why() {
            let _ = write!(text, ": {why}");
        }
        text.push('\n');
        for line in self.details.iter().flat_map(|details| &details.last_lines) {
            let _ = writeln!(text, "    | {line}");
        }
    }
}

/// Returns the text of the end.
pub(super) fn text(run: &str, counts: &Counts, wall: Duration, failures: &Failures) -> String {
    let mut text = String::new();
    let is_cancelled = |failure: &Failure| failure.outcome == Outcome::Cancelled;
    for (heading, cancelled) in [("failed", false), ("cancelled while hung", true)] {
        let mut jobs =
            failures.by_job.iter().filter(|(_, f)| is_cancelled(f) == cancelled).peekable();
        let unread = if cancelled { &[][..] } else { &failures.unread };
        if jobs.peek().is_some() || !unread.is_empty() {
            let _ = writeln!(text, "\n{heading}:");
        }
        for words in unread {
            let _ = writeln!(text, "  {words}");
        }
        jobs.for_each(|(job, failure)| failure.write(&mut text, *job));
    }
    if failures.by_job.len() > DETAILED {
        let _ = writeln!(text, "  (last lines are kept of the first {DETAILED} only)");
    }
    if !failures.by_job.is_empty() {
        let _ = writeln!(text, "  `ganger logs JOB -r {run}` shows all of a job's output.\n");
    } else if !failures.unread.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "{}", totals(run, counts, wall, failures.unread.len()));
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
    let mut line = format!("ganger: {name}: {}", totals(run, counts, wall, 0));
    if let Some(report) = report {
        let _ = write!(line, "; report {report}");
    }
    line
}

/// `unreadable`: tasks whose inputs could not be read.
fn totals(run: &str, counts: &Counts, wall: Duration, unreadable: usize) -> String {
    let mut text = words::counts(counts);
    if counts.retries > 0 {
        let _ = write!(text, "; {} by retries", words::count(counts.retries, "more attempt"));
    }
    if unreadable > 0 {
        let n = u32::try_from(unreadable).unwrap_or(u32::MAX);
        let _ = write!(text, "; inputs of {} could not be read", words::count(n, "task"));
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
