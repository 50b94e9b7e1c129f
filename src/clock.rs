//! The only file that reads a clock.

use crate::model::{Mono, Now, Wall};
use std::time::Duration;

/// Returns this moment on both clocks.
pub fn now() -> Now {
    Now { mono: mono(), wall: wall() }
}

/// Returns this moment on CLOCK_MONOTONIC.
pub fn mono() -> Mono {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Mono(micros(t.tv_sec, t.tv_nsec).unsigned_abs())
}

/// Returns this moment since 1970-01-01 UTC.
pub fn wall() -> Wall {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Wall(micros(t.tv_sec, t.tv_nsec))
}

/// Returns nanoseconds on CLOCK_BOOTTIME, which start times of processes are counted in.
pub fn boot_nanos() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    (t.tv_sec * 1_000_000_000 + t.tv_nsec).unsigned_abs()
}

/// Returns the CPU time that this process has used, all threads.
pub fn own_cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::from_micros(micros(t.tv_sec, t.tv_nsec).unsigned_abs())
}

fn micros(seconds: i64, nanos: i64) -> i64 {
    seconds * 1_000_000 + nanos / 1_000
}

/// Lets time pass on this thread.
pub fn pause(time: Duration) {
    let (_sender, nobody) = std::sync::mpsc::channel::<()>();
    let _it_is_over = nobody.recv_timeout(time);
}

/// Returns the moment on Tokio's clock, for sleeping until `at`.
pub fn tokio_instant(at: Mono) -> tokio::time::Instant {
    let left: Duration = at.since(mono());
    tokio::time::Instant::now() + left
}
