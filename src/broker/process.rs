//! From a pid to a process that cannot be mistaken for another.

use crate::model::ProcRef;
use crate::model::locks::{Failure, Refusal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

/// A process that lived when it was looked at, and what tells of its end.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) proc: ProcRef,
    pub(super) pidfd: OwnedFd,
}

/// Identifies the process behind a connection.
pub(super) fn behind(pid: i32, pidfd: Option<OwnedFd>) -> Result<Known, Refusal> {
    let pidfd = match pidfd {
        Some(pidfd) => pidfd,
        // Before SO_PEERPIDFD a pid that was reused since the connection was opened cannot be
        // told apart; the window is that between connect(2) and the first request.
        None => open(pid)?,
    };
    let start_ticks = start_ticks(pid).ok_or_else(|| has_ended(pid))?;
    // Looked at in this order: a pidfd whose process still lives says that the start time just
    // read was that of the same process.
    if !is_alive(&pidfd) {
        return Err(has_ended(pid));
    }
    Ok(Known { proc: ProcRef { pid, start_ticks }, pidfd })
}

/// Identifies a process that somebody named; it must be this user's.
pub(super) fn of_same_user(pid: i32) -> Result<Known, Refusal> {
    if pid <= 0 {
        return Err(Refusal::new(Failure::Invalid, format!("{pid} is no pid")));
    }
    let known = behind(pid, None)?;
    // Of a process that may not be looked into (setuid, say) this is root.
    let uid = std::fs::metadata(format!("/proc/{pid}")).map(|of| of.uid()).ok();
    match uid {
        Some(uid) if uid == rustix::process::geteuid().as_raw() => Ok(known),
        None => Err(has_ended(pid)),
        Some(_) => {
            let text = format!("process {pid} belongs to another user");
            Err(Refusal::new(Failure::Invalid, text))
        }
    }
}

/// A process as it is known while it lives; `None` when there is none with this pid.
pub fn proc_of(pid: i32) -> Option<ProcRef> {
    Some(ProcRef { pid, start_ticks: start_ticks(pid)? })
}

pub(super) fn has_ended(pid: i32) -> Refusal {
    Refusal::new(Failure::Gone, format!("process {pid} has ended"))
}

pub(super) fn unwatchable(pid: i32, error: &io::Error) -> Refusal {
    Refusal::new(Failure::TooLarge, format!("process {pid} cannot be watched: {error}"))
}

fn open(pid: i32) -> Result<OwnedFd, Refusal> {
    let pid_of = Pid::from_raw(pid).ok_or_else(|| has_ended(pid))?;
    pidfd_open(pid_of, PidfdFlags::NONBLOCK).map_err(|errno| match errno {
        // EINVAL: a thread that leads no process has this number, see pidfd_open(2).
        Errno::SRCH | Errno::INVAL => has_ended(pid),
        errno => unwatchable(pid, &errno.into()),
    })
}

/// Whether the process has not ended; a zombie has.
fn is_alive(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&at_once)), Ok(0))
}

/// Field 22 of `/proc/PID/stat`, proc_pid_stat(5). The name in parentheses may hold anything.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}
