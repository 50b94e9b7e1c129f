//! Waits that somebody outside can always end: time, signals, new connections.

use super::descriptors::{self, Target};
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
    Sys::Read,
    Sys::Write,
];

/// Says what such a thread waits for.
pub fn collect(_: &Scene, wait: &Wait) -> Option<Fact> {
    let pid = wait.process.pid();
    let thread = || format!("{pid}:{}", wait.thread.tid);
    let of_fd = |kind, by: &str| {
        let fd = wait.call.int(0);
        let target = descriptors::read_target(wait.process.live_tid, fd).ok();
        if matches!(target, Some(Target::Path(_))) && is_fifo(wait.process.live_tid, fd) {
            let by = "whoever opens the FIFO";
            let path = target.map(|t| t.to_string());
            return Fact::open(WaitKind::Fifo, format!("{pid} fd {fd}"), by).named(path);
        }
        let name = target.map_or_else(|| format!("fd {fd}"), |target| target.to_string());
        Fact::open(kind, format!("{pid} fd {fd}"), by).named(name)
    };
    Some(match wait.call.sys {
        Sys::Sleep | Sys::Restart => Fact::open(WaitKind::Time, thread(), "time"),
        Sys::Signal | Sys::SignalTimed => Fact::open(WaitKind::Signal, thread(), "a signal"),
        Sys::Accept => of_fd(WaitKind::Unknown, "a new connection"),
        Sys::Connect => of_fd(WaitKind::Unknown, "whoever accepts the connection"),
        Sys::Open => Fact::open(WaitKind::Fifo, thread(), "whoever opens the other end"),
        Sys::IoUring => Fact::open(WaitKind::Unknown, thread(), "a request of io_uring"),
        _ => of_fd(WaitKind::Unknown, "whatever is at the other end"),
    })
}

/// Whether a descriptor leads to a FIFO with a name. Never asks a disk.
fn is_fifo(tid: i32, fd: i32) -> bool {
    use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, statx};
    let path = format!("/proc/{tid}/fd/{fd}");
    let found = statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE);
    found.is_ok_and(|found| FileType::from_raw_mode(found.stx_mode.into()) == FileType::Fifo)
}
