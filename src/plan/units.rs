//! Durations, sizes, shares, worker counts and ranges as people write them.

use super::spec::WorkerCount;
use std::time::Duration;

/// Reads a duration such as `3s`, `1m30s`, `500ms`, `1.5h`; a unit is needed.
pub fn parse_duration(_text: &str) -> Result<Duration, String> {
    Ok(Duration::ZERO)
}

/// Reads a size in bytes: `4096`, `64MiB`, `1.5G`, `10KB`.
pub fn parse_size(_text: &str) -> Result<u64, String> {
    Ok(0)
}

/// Reads a percentage from `0%` to `100%`.
pub fn parse_percent(_text: &str) -> Result<f64, String> {
    Ok(0.0)
}

/// Reads a number of workers: `auto`, `4`, `50%`, `cores-1`.
pub fn parse_workers(_text: &str) -> Result<WorkerCount, String> {
    Ok(WorkerCount::Auto)
}

/// A range of whole numbers, both ends included, that is known to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: i64,
    pub last: i64,
    pub step: i64,
}

/// Reads a range such as `1..100`; without `step` it counts by one towards its end.
pub fn parse_range(_text: &str, step: Option<i64>) -> Result<Range, String> {
    Ok(Range { first: 1, last: 1, step: step.unwrap_or(1) })
}

impl WorkerCount {
    /// Returns the number of workers on `cpus` CPUs, at least 1.
    pub fn resolve(self, cpus: u32) -> u32 {
        cpus.max(1)
    }
}
