//! A terminal of its own for a job with `tty`.
//!
//! The job has the terminal's one end; what it prints is copied from the other end to the
//! attempt's stdout file, a page per wake-up, so one chatty job cannot hold up the rest.

use crate::model::TtySize;
use rustix::pty::OpenptFlags;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Pages copied at the end of an attempt. A terminal buffers far less; more comes only from
/// a process that was left behind and prints without end.
const DRAIN_PAGES: usize = 1024;

/// ganger's end of a job's terminal.
#[derive(Debug)]
pub(super) struct Tty {
    master: OwnedFd,
    copy_to: Arc<File>,
}

/// Whether more may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    Some,
    NothingNow,
    /// Nobody has the other end open any more.
    HungUp,
}

impl Tty {
    /// Opens a terminal and returns it with the path of the job's end.
    pub(super) fn open(size: TtySize, copy_to: Arc<File>) -> io::Result<(Tty, CString)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let winsize = rustix::termios::Winsize {
            ws_col: size.cols,
            ws_row: size.rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&master, winsize)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let path = rustix::pty::ptsname(&master, Vec::new())?;
        Ok((Tty { master, copy_to }, path))
    }

    /// Copies one page.
    pub(super) fn copy_page(&mut self) -> Copied {
        let mut page = [0_u8; 4096];
        loop {
            return match rustix::io::read(&self.master, &mut page) {
                Ok(0) => Copied::HungUp,
                Ok(n) => {
                    // On a full disk the output is lost, but the job must not hang on it.
                    let _ = (&*self.copy_to).write_all(page.get(..n).unwrap_or_default());
                    Copied::Some
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => Copied::NothingNow,
                // EIO is how a terminal without its other end reads.
                Err(_) => Copied::HungUp,
            };
        }
    }

    /// Copies what is there.
    pub(super) fn drain(&mut self) {
        for _ in 0..DRAIN_PAGES {
            if self.copy_page() != Copied::Some {
                break;
            }
        }
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}
