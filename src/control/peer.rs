//! Who is at the other end of a connection, as the kernel tells: unix(7), SO_PEERCRED.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use tokio::net::UnixStream;

/// The process that opened a connection.
#[derive(Debug)]
pub struct Peer {
    pub pid: i32,
    pub uid: u32,
    /// Stands for that very process, however often its pid has been reused since. `None` before
    /// Linux 6.5, which has no SO_PEERPIDFD.
    pub pidfd: Option<OwnedFd>,
}

impl Peer {
    /// Asks the kernel; `None` when it does not tell.
    pub fn of(stream: &UnixStream) -> Option<Peer> {
        let credentials = stream.peer_cred().ok()?;
        Some(Peer { pid: credentials.pid()?, uid: credentials.uid(), pidfd: peer_pidfd(stream) })
    }
}

fn peer_pidfd(stream: &UnixStream) -> Option<OwnedFd> {
    let mut fd: libc::c_int = -1;
    let mut len = std::mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is one int, and `len` says so.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut fd).cast(),
            &raw mut len,
        )
    };
    // SAFETY: a descriptor that the kernel has just made for us.
    (failed == 0 && fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}
