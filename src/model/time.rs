//! Points in time, handed in from outside: only `clock.rs` reads a clock.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// Microseconds on a clock that never goes back (CLOCK_MONOTONIC), zero at boot.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// Returns the time since `earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Mono {
    type Output = Mono;
    fn sub(self, d: Duration) -> Mono {
        Mono(self.0.saturating_sub(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Microseconds since 1970-01-01 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(pub i64);

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    pub mono: Mono,
    pub wall: Wall,
}

impl Wall {
    /// Returns the time since `earlier`, zero when the clock was put back in between.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the moment as RFC 3339 in UTC with microseconds: `2026-11-21T04:04:28.000001Z`.
    pub fn rfc3339(self) -> String {
        // Out of range (beyond the year 9999) is beyond every clock.
        jiff::Timestamp::from_microsecond(self.0)
            .map_or_else(|_| "9999-12-31T23:59:59.999999Z".into(), |at| format!("{at:.6}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_all_its_microseconds() {
        assert_eq!(Wall(0).rfc3339(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Wall(1_795_147_468_000_010).rfc3339(), "2026-11-20T04:04:28.000010Z");
    }
}
