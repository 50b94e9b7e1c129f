//! Durations and sizes as people write them.
//!
//! Every error says what was written and what is accepted.

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

/// Tells whether a text is digits with perhaps one dot between them.
pub fn is_number(text: &str) -> bool {
    scaled(text, 1).is_some()
}

/// Splits a text behind the bytes at its start that `of` accepts.
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

    proptest! {
        #[test]
        fn nothing_that_people_write_panics(text in "[0-9a-zA-Z.% =+-]{0,24}|\\PC{0,12}") {
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
        }

        #[test]
        fn a_duration_reads_back(ms in 0..10_000_000_000_u64) {
            prop_assert_eq!(parse_duration(&format!("{ms}ms")), Ok(Duration::from_millis(ms)));
            let (s, ms) = (ms / 1000, ms % 1000);
            let text = format!("{}m{}.{ms:03}s", s / 60, s % 60);
            prop_assert_eq!(parse_duration(&text), Ok(Duration::from_millis(s * 1000 + ms)));
        }
    }
}
