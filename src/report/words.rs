//! Counts and people in words; times, sizes and outcomes are worded for all.

pub use crate::model::words::{count, duration, outcome, size};

use crate::model::{Counts, Requester, signal_name};

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
    fn counts_leave_out_what_is_zero() {
        let c = Counts { total: 3, succeeded: 2, failed: 1, ..Counts::default() };
        assert_eq!(counts(&c), "3 jobs: 2 succeeded, 1 failed");
        assert_eq!(counts(&Counts::default()), "0 jobs");
    }
}
