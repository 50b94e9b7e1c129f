//! Times, sizes and outcomes in words.

use super::outcome::{Exit, Outcome, signal_name};
use std::time::Duration;

/// Returns a duration as people read it: `12ms`, `0.4s`, `12.3s`, `3m 07s`, `2h 05m`, `3d 04h`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0 if d.as_millis() < 100 => format!("{}ms", d.as_millis()),
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

/// Returns a number of bytes as people read it: `512 B`, `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // What would be shown as 1024.0 is shown in the next unit.
        if amount < 1023.95 {
            break;
        }
        amount /= 1024.0;
        unit = next;
    }
    format!("{amount:.1} {unit}")
}

/// Returns `1 job`, `2 jobs`.
pub fn count(n: u32, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Returns `1 process`, `2 processes`.
pub fn count_of(n: u32, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_size() {
        for (ms, shown) in [
            (0, "0ms"),
            (12, "12ms"),
            (99, "99ms"),
            (100, "0.1s"),
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
    fn sizes_read_well() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn an_outcome_says_how_the_process_really_ended() {
        let shown = outcome(Outcome::TimedOut, Some(Exit::Signal(15)));
        assert_eq!(shown, "timed out (SIGTERM)");
        assert_eq!(outcome(Outcome::Failed { code: 2 }, Some(Exit::Code(2))), "exit code 2");
    }
}
