//! Numbers in words of a fixed greatest width, so that nothing shifts when they grow.

use crate::model::Wall;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Returns a duration as `0:00:03`, from 100 hours on as `4d 07:12`.
pub fn long_clock(ms: u64) -> String {
    let s = ms / 1000;
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    if h < 100 { format!("{h}:{m:02}:{s:02}") } else { format!("{}d {:02}:{m:02}", h / 24, h % 24) }
}

/// Returns a duration in at most seven characters: `0:03`, `59:59`, `1:02:10`, `12h05m`, `4d07h`.
pub fn clock(ms: u64) -> String {
    let s = ms / 1000;
    let (h, m, sec) = (s / 3600, s / 60 % 60, s % 60);
    match h {
        0 => format!("{m}:{sec:02}"),
        1..=9 => format!("{h}:{m:02}:{sec:02}"),
        10..=99 => format!("{h}h{m:02}m"),
        _ => format!("{}d{:02}h", (h / 24).min(9999), h % 24),
    }
}

/// Returns a span in at most seven characters, the shorter the finer: `0`, `840us`, `12.4ms`,
/// `3.21s`, `59.9s`, then as [`clock`] does.
pub fn span_us(us: u64) -> String {
    match us {
        0 => "0".to_owned(),
        1..=999 => format!("{us}us"),
        1_000..=9_949 => format!("{:.1}ms", us as f64 / 1e3),
        9_950..=999_499 => format!("{:.0}ms", us as f64 / 1e3),
        999_500..=9_994_999 => format!("{:.2}s", us as f64 / 1e6),
        9_995_000..=59_949_999 => format!("{:.1}s", us as f64 / 1e6),
        _ => clock(us / 1000),
    }
}

/// Returns a span of which no more than milliseconds are known: `7ms`, else as [`span_us`].
pub fn span_ms(ms: u64) -> String {
    if ms < 1_000 { format!("{ms}ms") } else { span_us(ms.saturating_mul(1_000)) }
}

/// Returns a moment's time of day as `14:02:11`, on another day than `now` as `11-21 14h`.
pub fn time_of_day(at: Wall, now: Wall, zone: &TimeZone) -> String {
    let local = |wall: Wall| {
        let at = Timestamp::from_microsecond(wall.0).ok()?;
        Some(at.to_zoned(zone.clone()))
    };
    let (Some(at), Some(now)) = (local(at), local(now)) else { return "-".to_owned() };
    match at.date() == now.date() {
        true => format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
        false => format!("{:02}-{:02} {:02}h", at.month(), at.day(), at.hour()),
    }
}

/// Returns an age in at most four characters: `3s`, `4:05`, `12m`, `5h`, `2d`.
pub fn age(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..=59 => format!("{s}s"),
        60..=599 => format!("{}:{:02}", s / 60, s % 60),
        600..=3599 => format!("{}m", s / 60),
        3600..=86_399 => format!("{}h", s / 3600),
        _ => format!("{}d", (s / 86_400).min(999)),
    }
}

/// Returns a size in at most four characters, in powers of 1024: `0B`, `812K`, `1.9G`, `84M`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if bytes < 1000 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 {
        format!("{value:.1}{}", UNITS[unit])
    } else {
        format!("{value:.0}{}", UNITS[unit])
    }
}

/// Returns a rate in at most six characters: `5.2/s`, `0.05/s`, `120/s`, `12k/s`.
pub fn rate(per_s: f32) -> String {
    let r = if per_s.is_finite() { per_s.max(0.0) } else { 0.0 };
    match r {
        r if r >= 9999.5 => format!("{:.0}k/s", (r / 1000.0).min(999.0)),
        r if r >= 99.95 => format!("{r:.0}/s"),
        r if r >= 0.995 || r == 0.0 => format!("{r:.1}/s"),
        r => format!("{r:.2}/s"),
    }
}

/// Returns a percentage in at most five characters: `7%`, `100%`, `1250%`.
pub fn percent(p: f32) -> String {
    let p = if p.is_finite() { p.clamp(0.0, 9999.0) } else { 0.0 };
    format!("{p:.0}%")
}

/// Returns a percentage in at most four characters: `7%`, `100%`, `12x` for 1200 %.
pub fn short_percent(p: f32) -> String {
    let p = if p.is_finite() { p.clamp(0.0, 99_900.0) } else { 0.0 };
    if p < 999.5 { format!("{p:.0}%") } else { format!("{:.0}x", p / 100.0) }
}

/// Returns bytes per second in at most four characters: `0`, `812K`.
pub fn flow(bytes_per_s: f32) -> String {
    if bytes_per_s.is_finite() && bytes_per_s >= 0.5 {
        size(bytes_per_s as u64)
    } else {
        "0".into()
    }
}

/// Returns a count in at most four characters: `999`, `8.3k`, `771k`, `1.2M`.
pub fn short_count(n: u64) -> String {
    let v = n as f64;
    match n {
        0..=9999 => n.to_string(),
        10_000..=999_499 => format!("{:.0}k", v / 1e3),
        999_500..=9_949_999 => format!("{:.1}M", v / 1e6),
        _ => format!("{:.0}M", (v / 1e6).min(999.0)),
    }
}

/// Returns a count with a blank between groups of three digits: `1 318`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// Returns `1 job`, `2 jobs`.
pub fn plural(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(n)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_and_keep_their_width() {
        for (ms, long, short, old) in [
            (0, "0:00:00", "0:00", "0s"),
            (3_999, "0:00:03", "0:03", "3s"),
            (245_000, "0:04:05", "4:05", "4:05"),
            (3_599_000, "0:59:59", "59:59", "59m"),
            (3_730_000, "1:02:10", "1:02:10", "1h"),
            (43_500_000, "12:05:00", "12h05m", "12h"),
            (371_520_000, "4d 07:12", "4d07h", "4d"),
        ] {
            assert_eq!(long_clock(ms), long);
            assert_eq!(clock(ms), short);
            assert_eq!(age(ms), old);
        }
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.0K"),
            (831_488, "812K"),
            (88_080_384, "84M"),
            (2_040_109_465, "1.9G"),
            (1_073_000_000, "1.0G"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (us, text) in [
            (0, "0"),
            (840, "840us"),
            (1_230, "1.2ms"),
            (9_960, "10ms"),
            (999_600, "1.00s"),
            (3_210_000, "3.21s"),
            (9_999_000, "10.0s"),
            (59_960_000, "0:59"),
            (61_000_000, "1:01"),
        ] {
            assert_eq!(span_us(us), text);
        }
        let (day, zone) = (86_400_000_000, TimeZone::UTC);
        assert_eq!(time_of_day(Wall(3_723_000_000), Wall(day - 1), &zone), "01:02:03");
        assert_eq!(time_of_day(Wall(3_723_000_000), Wall(day), &zone), "01-01 01h");
        for (r, text) in [(0.0, "0.0/s"), (5.24, "5.2/s"), (0.05, "0.05/s"), (120.4, "120/s")] {
            assert_eq!(rate(r), text);
        }
        assert_eq!(grouped(1_318), "1 318");
        assert_eq!(grouped(12), "12");
        assert_eq!(short_count(770_400), "770k");
    }

    #[test]
    fn no_number_outgrows_its_width() {
        for shift in 0..64 {
            for n in [1u64 << shift, (1u64 << shift) - 1, (1u64 << shift).wrapping_mul(999)] {
                assert!(size(n).len() <= 4, "{n} {}", size(n));
                assert!(age(n).len() <= 4, "{n} {}", age(n));
                assert!(clock(n).len() <= 8, "{n} {}", clock(n));
                assert!(short_count(n).len() <= 4, "{n} {}", short_count(n));
                assert!(rate(n as f32).len() <= 6, "{n} {}", rate(n as f32));
                assert!(percent(n as f32).len() <= 5);
            }
        }
        assert_eq!(rate(f32::NAN), "0.0/s");
    }
}
