//! Durations, sizes, shares, worker counts and ranges as people write them.
//!
//! Every error says what was written and what is accepted.

use super::spec::WorkerCount;
use crate::model::limits;
use crate::model::units::is_number;
pub use crate::model::units::{parse_duration, parse_size};

/// Reads a percentage from `0%` to `100%`.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a percentage; it takes `0%` to `100%`");
    let percent = percentage(text).ok_or_else(wrong)?;
    if percent <= 100.0 { Ok(percent) } else { Err(wrong()) }
}

/// Reads a number of workers: `auto`, `4`, `50%`, `cores-1`.
///
/// A percentage is one of the CPUs and may exceed 100, for jobs that mostly wait.
pub fn parse_workers(text: &str) -> Result<WorkerCount, String> {
    let text = text.trim();
    let accepted = "it takes `auto`, a number such as `4`, a share of the CPUs such as `50%`, or \
                    all but some, such as `cores-1`";
    let wrong = || format!("`{text}` is not a number of workers; {accepted}");
    if text == "auto" {
        return Ok(WorkerCount::Auto);
    }
    if let Some(minus) = text.strip_prefix("cores") {
        let n = minus.trim_start().strip_prefix('-').map(str::trim_start).ok_or_else(wrong)?;
        return digits(n).map(WorkerCount::CoresMinus).ok_or_else(wrong);
    }
    if text.ends_with('%') {
        let percent = percentage(text).filter(|p| *p > 0.0).ok_or_else(wrong)?;
        return Ok(WorkerCount::Percent(percent));
    }
    match digits(text) {
        Some(0) => Err(format!("a pool needs at least 1 worker; {accepted}")),
        Some(n) if n <= limits::WORKERS => Ok(WorkerCount::Exactly(n)),
        Some(n) => Err(format!("{n} workers are too many; a pool has at most {}", limits::WORKERS)),
        None if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            Err(format!("{text} workers are too many; a pool has at most {}", limits::WORKERS))
        }
        None => Err(wrong()),
    }
}

impl WorkerCount {
    /// Returns the number of workers on a machine with `cpus` usable CPUs: at least 1, at most
    /// [`limits::WORKERS`].
    pub fn resolve(self, cpus: u32) -> u32 {
        let n = match self {
            WorkerCount::Auto => cpus,
            WorkerCount::Exactly(n) => n,
            // A float-to-integer `as` saturates, and both numbers are small.
            WorkerCount::Percent(percent) => (f64::from(cpus) * percent / 100.0).round() as u32,
            WorkerCount::CoresMinus(n) => cpus.saturating_sub(n),
        };
        n.clamp(1, limits::WORKERS)
    }
}

/// A range of whole numbers, both ends included, that is known to be a fit number of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: i64,
    pub last: i64,
    /// Never 0, and never away from `last`.
    pub step: i64,
}

impl Range {
    /// Checks that a range goes somewhere and ends; without `step` it counts by one from `first`
    /// towards `last`.
    pub fn new(first: i64, last: i64, step: Option<i64>) -> Result<Range, String> {
        let step = step.unwrap_or(if first <= last { 1 } else { -1 });
        if step == 0 {
            return Err(format!("the range {first}..{last} has step 0 and would never end"));
        }
        if (step > 0) != (first <= last) && first != last {
            return Err(format!(
                "the range {first}..{last} never gets to its end with step {step}; \
                 write step {} or swap the ends",
                step.saturating_neg()
            ));
        }
        let range = Range { first, last, step };
        if range.values() > u128::from(limits::JOBS) {
            return Err(format!(
                "the range {first}..{last} has more than {} values, the most that a run takes",
                limits::JOBS
            ));
        }
        Ok(range)
    }

    fn values(&self) -> u128 {
        let span = i128::from(self.last) - i128::from(self.first);
        match span.checked_div(i128::from(self.step)) {
            Some(steps) if steps >= 0 && (span == 0 || (span > 0) == (self.step > 0)) => {
                steps.unsigned_abs() + 1
            }
            _ => 0,
        }
    }

    /// Returns how many values there are; none when `step` leads away from `last`.
    pub fn n_values(&self) -> u32 {
        u32::try_from(self.values()).unwrap_or(limits::JOBS)
    }
}

/// Reads a range such as `1..100` or `-5..5`; see [`Range::new`].
pub fn parse_range(text: &str, step: Option<i64>) -> Result<Range, String> {
    let wrong =
        || format!("`{text}` is not a range; it takes two whole numbers, both included: `1..100`");
    let (first, last) = text.trim().split_once("..").ok_or_else(wrong)?;
    if last.starts_with('=') {
        return Err(format!("`{text}` needs no `=`: both ends of a range are included"));
    }
    let whole = |s: &str| s.trim().parse::<i64>().map_err(|_| wrong());
    let (first_n, last_n) = (whole(first)?, whole(last)?);
    for end in [first, last] {
        let number = end.trim().trim_start_matches(['-', '+']);
        if number.len() > 1 && number.starts_with('0') {
            return Err(format!(
                "`{text}` has leading zeros, which a range does not keep; \
                 pad the number where it is used, such as `$(printf %03d {{x}})`"
            ));
        }
    }
    Range::new(first_n, last_n, step)
}

fn percentage(text: &str) -> Option<f64> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let percent: f64 = if is_number(number) { number.parse().ok()? } else { return None };
    (percent <= 1_000_000.0).then_some(percent)
}

fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn workers_are_counted_from_the_cpus() {
        let on_8 = |text: &str| parse_workers(text).map(|w| w.resolve(8));
        for (text, n) in [
            ("auto", 8),
            ("4", 4),
            ("50%", 4),
            ("200%", 16),
            ("1%", 1),
            ("cores-1", 7),
            ("cores - 3", 5),
            ("cores-20", 1),
            ("12.5%", 1),
        ] {
            assert_eq!(on_8(text), Ok(n), "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "four",
            "4.5",
            "0%",
            "%",
            "cores",
            "cores+1",
            "cores-",
            "99999",
            "9999999999",
        ] {
            assert!(on_8(text).is_err(), "{text}");
        }
        assert_eq!(parse_percent("12.5%"), Ok(12.5));
        assert!(parse_percent("101%").is_err() && parse_percent("12").is_err());
    }

    #[test]
    fn ranges_include_both_ends() {
        let n = |text: &str, step| parse_range(text, step).map(|r| r.n_values());
        assert_eq!(n("1..100", None), Ok(100));
        assert_eq!(n("1..10", Some(3)), Ok(4));
        assert_eq!(n("10..1", None), Ok(10));
        assert_eq!(n("10..1", Some(-4)), Ok(3));
        assert_eq!(n("-5..5", None), Ok(11));
        assert_eq!(n("7..7", Some(-1)), Ok(1));
        assert_eq!(n("1..1000000", None), Ok(1_000_000));
        assert_eq!(n("0..9223372036854775807", Some(i64::MAX)), Ok(2));
        assert!(n("-9223372036854775808..9223372036854775807", None).unwrap_err().contains("most"));
        assert!(n("1..10", Some(0)).unwrap_err().contains("never end"));
        assert!(n("1..10", Some(-1)).unwrap_err().contains("step 1"));
        assert!(n("1..=10", None).unwrap_err().contains("included"));
        assert!(n("001..100", None).unwrap_err().contains("printf"));
        for text in ["", "1", "..", "1..", "..2", "a..b", "1...3", "1-3", "1..2..3"] {
            assert!(n(text, None).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_people_write_panics(text in "[0-9a-zA-Z.% =+-]{0,24}|\\PC{0,12}", step: Option<i64>) {
            let _ = parse_percent(&text);
            let _ = parse_workers(&text).map(|w| w.resolve(3));
            let _ = parse_range(&text, step).map(|r| r.n_values());
        }

        #[test]
        fn a_range_has_its_ends(first in -1000..1000_i64, len in 0..500_i64, step in 1..20_i64) {
            let up = parse_range(&format!("{first}..{}", first + len), Some(step)).unwrap();
            prop_assert_eq!(i64::from(up.n_values()), len / step + 1);
            let down = Range::new(first + len, first, Some(-step)).unwrap();
            prop_assert_eq!(down.n_values(), up.n_values());
        }
    }
}
