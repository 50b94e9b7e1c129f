//! Times, sizes and outcomes in words.

use crate::model::{Counts, Exit, Outcome, Requester, signal_name};
use std::time::Duration;

/// Returns a duration as people read it: `0.4s`, `12.3s`, `3m 07s`, `2h 05m`, `3d 04h`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => {
            let tenths = d.as_millis() / 100;
            format!("{}.{}s", tenths / 10, tenths % 10)
        }
        60..3_600 => format!("{}m {:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h {:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d {:02}h", s / 86_400, s / 3_600 % 24),
    }
}

/// Returns how a job ended: `exit code 2`, `killed by SIGSEGV`, `timed out (SIGTERM)`.
pub fn outcome(outcome: Outcome, exit: Option<Exit>) -> String {
    let by = match exit {
        Some(Exit::Signal(signal)) => format!(" ({})", signal_name(signal)),
        Some(Exit::Code(code)) => format!(" (exit code {code})"),
        None => String::new(),
    };
    match outcome {
        Outcome::Succeeded => "succeeded".into(),
        Outcome::UpToDate => "up to date".into(),
        Outcome::Failed { code } => format!("exit code {code}"),
        Outcome::Signaled { signal } => format!("killed by {}", signal_name(signal)),
        Outcome::TimedOut => format!("timed out{by}"),
        Outcome::OutOfMemory => format!("out of memory{by}"),
        Outcome::SpawnFailed => "could not be started".into(),
        Outcome::Cancelled => format!("cancelled{by}"),
        Outcome::Skipped { .. } => "skipped".into(),
        Outcome::Lost => "lost: nobody saw how it ended".into(),
    }
}

/// Returns `1 job`, `2 jobs`.
pub fn count(n: u32, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Returns what became of the jobs so far, without those numbers that are zero:
/// `7 jobs: 5 succeeded, 2 failed`.
pub fn counts(c: &Counts) -> String {
    let parts: Vec<String> = [
        (c.succeeded, "succeeded"),
        (c.up_to_date, "up to date"),
        (c.failed, "failed"),
        (c.signaled, "killed by a signal"),
        (c.timed_out, "timed out"),
        (c.out_of_memory, "out of memory"),
        (c.spawn_failed, "could not be started"),
        (c.cancelled, "cancelled"),
        (c.skipped, "skipped"),
        (c.lost, "lost"),
        (c.running, "running"),
        (c.waiting(), "queued"),
    ]
    .iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, word)| format!("{n} {word}"))
    .collect();
    let jobs = count(c.total, "job");
    if parts.is_empty() { jobs } else { format!("{jobs}: {}", parts.join(", ")) }
}

/// Returns who asked, to follow "by".
pub fn requester(by: &Requester) -> String {
    match by {
        Requester::Screen => "a person at the screen".into(),
        Requester::Cli { pid } => format!("a person in another terminal (pid {pid})"),
        Requester::Signal { signal } => signal_name(*signal),
        Requester::Rule => "a rule of the task file".into(),
        Requester::Ganger => "ganger".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_size() {
        for (ms, shown) in [
            (0, "0.0s"),
            (449, "0.4s"),
            (59_999, "59.9s"),
            (187_000, "3m 07s"),
            (7_500_000, "2h 05m"),
            (273_600_000, "3d 04h"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), shown);
        }
    }

    #[test]
    fn counts_leave_out_what_is_zero() {
        let c = Counts { total: 3, succeeded: 2, failed: 1, ..Counts::default() };
        assert_eq!(counts(&c), "3 jobs: 2 succeeded, 1 failed");
        assert_eq!(counts(&Counts::default()), "0 jobs");
    }

    #[test]
    fn an_outcome_says_how_the_process_really_ended() {
        let shown = outcome(Outcome::TimedOut, Some(Exit::Signal(15)));
        assert_eq!(shown, "timed out (SIGTERM)");
        assert_eq!(outcome(Outcome::Failed { code: 2 }, Some(Exit::Code(2))), "exit code 2");
    }
}
