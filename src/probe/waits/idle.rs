//! Waits that somebody outside can always end: time, signals, new connections.

use super::kinds::{Fact, Wait};
use super::scene::Scene;
use super::syscall::Sys;
use super::{descriptors, ready};
use crate::model::waits::{ThreadState, WaitKind};

pub const CALLS: &[Sys] = &[
    Sys::Sleep,
    Sys::Restart,
    Sys::Signal,
    Sys::SignalTimed,
    Sys::Accept,
    Sys::Connect,
    Sys::Open,
    Sys::Openat,
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
        Sys::Open | Sys::Openat => of_open(wait, thread()),
        Sys::IoUring => of_fd("a request of io_uring"),
        _ => return None,
    })
}

/// A file that is being opened: a FIFO until somebody opens its other end, another one until
/// somebody gives up a lease on it (fcntl(2)), or until what is behind it answers.
fn of_open(wait: &Wait, id: String) -> Fact {
    let path = path_of(wait);
    // In an uninterruptible wait it is the disk that does not answer, and it is not asked again.
    let is_asked = wait.thread.state == ThreadState::Blocked;
    let asked = path.as_deref().filter(|_| is_asked);
    if asked.and_then(|path| is_fifo(wait, path)) == Some(false) {
        Fact::open(WaitKind::Unknown, id, "whatever is behind the file").named(path)
    } else {
        Fact::open(WaitKind::Fifo, id, "whoever opens the other end").named(path)
    }
}

/// The path that a call was given.
fn path_of(wait: &Wait) -> Option<String> {
    let [first, second, ..] = wait.call.args;
    let address = if wait.call.sys == Sys::Open { first } else { second };
    let mut bytes = [0_u8; 1024];
    let n = wait.memory().read_some(address, &mut bytes).ok()?;
    let end = bytes[..n].iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// Whether it is a FIFO that is opened; `None` when that cannot be told without waiting for
/// anybody: whoever opens a file has looked its path up, so the kernel still has it.
fn is_fifo(wait: &Wait, path: &str) -> Option<bool> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
    let tid = wait.thread.tid;
    let fd = wait.call.int(0);
    let (from, path) = match path.strip_prefix('/') {
        Some(path) => (format!("/proc/{tid}/root"), path),
        None if wait.call.sys == Sys::Open || fd == libc::AT_FDCWD => {
            (format!("/proc/{tid}/cwd"), path)
        }
        None => (format!("/proc/{tid}/fd/{fd}"), path),
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let from = openat(CWD, from, flags, Mode::empty()).ok()?;
    let file = openat2(from, path, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
    ready::is_fifo(&file, "")
}
