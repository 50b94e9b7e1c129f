//! Waits that somebody outside can always end: time, signals, new connections.

use super::descriptors;
use super::kinds::{Fact, Wait};
use super::scene::Scene;
use super::syscall::Sys;
use crate::model::waits::WaitKind;

pub const CALLS: &[Sys] = &[
    Sys::Sleep,
    Sys::Restart,
    Sys::Signal,
    Sys::SignalTimed,
    Sys::Accept,
    Sys::Connect,
    Sys::Open,
    Sys::IoUring,
];

/// Says what such a thread waits for.
pub fn collect(_: &Scene, wait: &Wait) -> Option<Fact> {
    let pid = wait.process.pid();
    let thread = || format!("{pid}:{}", wait.thread.tid);
    let of_fd = |by: &str| {
        let fd = wait.call.int(0);
        let target = descriptors::read_target(wait.process.live_tid, fd).ok();
        let name = target.map_or_else(|| format!("fd {fd}"), |target| target.to_string());
        Fact::open(WaitKind::Unknown, format!("{pid} fd {fd}"), by).named(name)
    };
    Some(match wait.call.sys {
        Sys::Sleep | Sys::Restart => Fact::open(WaitKind::Time, thread(), "time"),
        Sys::Signal | Sys::SignalTimed => Fact::open(WaitKind::Signal, thread(), "a signal"),
        Sys::Accept => of_fd("a new connection"),
        Sys::Connect => of_fd("whoever accepts the connection"),
        Sys::Open => Fact::open(WaitKind::Fifo, thread(), "whoever opens the other end"),
        Sys::IoUring => of_fd("a request of io_uring"),
        _ => return None,
    })
}
