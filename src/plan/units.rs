//! Durations, sizes, shares, worker counts and ranges as people write them.
//!
//! Every error says what was written and what is accepted.

use super::spec::WorkerCount;
use crate::model::limits;
use std::time::Duration;

/// The longest duration that may be written: beyond it a typing mistake is more likely.
const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads a duration such as `3s`, `1m30s`, `500ms`, `1.5h`, `2d`; a unit is needed.
///
/// The units are `ms`, `s`, `m`, `h` and `d`; several parts follow each other from large to
/// small, each at most once.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let accepted = "a number with a unit: `500ms`, `3s`, `1m30s`, `2h`, `1d`";
    let wrong = || format!("`{text}` is not a duration; it takes {accepted}");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    if is_number(rest) {
        return Err(format!("`{rest}` has no unit; write `{rest}s` for seconds, or `{rest}ms`"));
    }
    let mut nanos: u128 = 0;
    let mut last_unit = u128::MAX;
    while !rest.is_empty() {
        let (number, after) = split_at_end_of(rest, |b| b.is_ascii_digit() || b == b'.');
        let (unit, after) = split_at_end_of(after, |b| b.is_ascii_alphabetic());
        let unit_nanos: u128 = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return Err(wrong()),
        };
        if unit_nanos >= last_unit {
            return Err(format!("`{text}` has its units in the wrong order; {accepted}"));
        }
        last_unit = unit_nanos;
        let part = scaled(number, unit_nanos).ok_or_else(wrong)?;
        nanos = nanos.saturating_add(part);
        rest = after.trim_start();
    }
    if nanos > DURATION_MAX.as_nanos() {
        return Err(format!("`{text}` is too long; the longest duration is 36500d"));
    }
    // Below 100 years the nanoseconds fit u64.
    Ok(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// Reads a size in bytes: `4096`, `64MiB`, `1.5G`, `10KB`.
///
/// `K`, `M`, `G`, `T` and `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024; `KB`, `MB`, `GB`, `TB`
/// are powers of 1000; `B` is a byte. Large and small letters are the same. A part of a byte is
/// dropped.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "`{text}` is not a size; it takes bytes such as `4096`, or a number with a unit: \
             `64MiB` or `64M` (powers of 1024), `64MB` (powers of 1000)"
        )
    };
    let (number, unit) = split_at_end_of(text.trim(), |b| b.is_ascii_digit() || b == b'.');
    let factor: u128 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" if number.contains('.') => return Err(wrong()),
        "" | "b" => 1,
        "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "t" | "ti" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    let bytes = scaled(number, factor).ok_or_else(wrong)?;
    u64::try_from(bytes).map_err(|_| format!("`{text}` is more bytes than any machine has"))
}

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

/// Returns `number` times `factor`, exactly, a fraction at the end dropped.
fn scaled(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 18 {
        return None;
    }
    // Eighteen digits and the largest factor stay far below u128::MAX.
    let whole =
        if whole.len() > 18 { return Some(u128::MAX) } else { whole.parse::<u128>().ok()? };
    let part = match fraction {
        "" => 0,
        digits => {
            let scale = 10_u128.pow(u32::try_from(digits.len()).ok()?);
            digits.parse::<u128>().ok()?.checked_mul(factor)? / scale
        }
    };
    Some(whole.saturating_mul(factor).saturating_add(part))
}

fn percentage(text: &str) -> Option<f64> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let percent: f64 = if is_number(number) { number.parse().ok()? } else { return None };
    (percent <= 1_000_000.0).then_some(percent)
}

/// Tells whether a text is digits with perhaps one dot between them.
fn is_number(text: &str) -> bool {
    scaled(text, 1).is_some()
}

fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn split_at_end_of(text: &str, of: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().take_while(|b| of(*b)).count();
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_need_a_unit() {
        let ok = [
            ("3s", 3_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("0s", 0),
            (" 1m 30s ", 90_000),
            ("1h0.5s", 3_600_500),
        ];
        for (text, ms) in ok {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["3", "1.5", "0"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains("no unit") && error.contains(&format!("`{text}s`")), "{error}");
        }
        for text in ["", "s", "3 s x", "-3s", "1s1m", "1s1s", "3sec", "1.s", ".5s", "1..5s", "9e3s"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("40000d").unwrap_err().contains("too long"));
        assert!(parse_duration("99999999999999999999999999999999999999999999d").is_err());
    }

    #[test]
    fn sizes_take_bytes_and_units() {
        let ok = [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("64MiB", 64 << 20),
            ("64M", 64 << 20),
            ("64Mi", 64 << 20),
            ("64 mib", 64 << 20),
            ("1.5G", 3 << 29),
            ("10KB", 10_000),
            ("2GB", 2_000_000_000),
            ("1T", 1 << 40),
        ];
        for (text, bytes) in ok {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "1.5", "1.5B", "-1", "1X", "1 2", "1e3", "0x10", "64 Mi B"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert!(parse_size("99999999999T").unwrap_err().contains("any machine"));
    }

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
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
            let _ = parse_percent(&text);
            let _ = parse_workers(&text).map(|w| w.resolve(3));
            let _ = parse_range(&text, step).map(|r| r.n_values());
        }

        #[test]
        fn a_duration_reads_back(ms in 0..10_000_000_000_u64) {
            prop_assert_eq!(parse_duration(&format!("{ms}ms")), Ok(Duration::from_millis(ms)));
            let (s, ms) = (ms / 1000, ms % 1000);
            let text = format!("{}m{}.{ms:03}s", s / 60, s % 60);
            prop_assert_eq!(parse_duration(&text), Ok(Duration::from_millis(s * 1000 + ms)));
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
