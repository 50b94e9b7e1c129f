//! The threads that listen: to the keys, to signals, to the supervisor.

use super::update::Msg;
use crate::control::client::Receiver;
use crate::control::proto::ToClient;
use crossterm::event::{self, Event};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

/// Signals that end or concern a screen.
const SIGNALS: [Signal; 7] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

/// The signals of [`SIGNALS`], blocked in this thread and in those that it starts.
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks the signals; from now on they wait to be read.
    pub fn block() -> io::Result<Signals> {
        let mask: SigSet = SIGNALS.into_iter().collect();
        mask.thread_block()?;
        Ok(Signals { fd: SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC)? })
    }

    /// Reads them on a thread of its own.
    pub fn read_into(self, to: SyncSender<Msg>) -> io::Result<()> {
        spawn("tui-signals", move || {
            while let Ok(Some(info)) = self.fd.read_signal() {
                if to.send(Msg::Signal(info.ssi_signo.cast_signed())).is_err() {
                    return;
                }
            }
        })
    }
}

/// Reads keys on a thread of its own, and says when the terminal is gone.
///
/// crossterm alone would spin on a terminal that has gone: its reader takes neither the end of
/// the input nor an error for an answer. So we look first.
pub fn read_keys_into(to: SyncSender<Msg>) -> io::Result<()> {
    let tty = File::options().read(true).write(true).open("/dev/tty")?;
    spawn("tui-keys", move || {
        loop {
            let mut fds = [PollFd::new(&tty, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => break,
            }
            let seen = fds[0].revents();
            if seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                break;
            }
            match pass_on_keys(&to) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => break,
            }
        }
        let _ = to.send(Msg::Hangup);
    })
}

/// Passes on what there is to read; returns `false` when nobody listens any more.
fn pass_on_keys(to: &SyncSender<Msg>) -> io::Result<bool> {
    while event::poll(Duration::ZERO)? {
        let message = match event::read()? {
            Event::Key(key) => Msg::Key(key),
            Event::Resize(width, height) => Msg::Resize(Rect::new(0, 0, width, height)),
            _ => continue,
        };
        if to.send(message).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Receives from the supervisor on a thread of its own.
pub fn receive_into(to: SyncSender<Msg>, mut receiver: Receiver) -> io::Result<()> {
    spawn("tui-socket", move || {
        loop {
            match receiver.receive() {
                Ok(message) => {
                    let ends = matches!(message, ToClient::Error { .. });
                    if to.send(Msg::Server(Box::new(message))).is_err() || ends {
                        return;
                    }
                }
                Err(error) => {
                    let _ = to.send(Msg::ServerGone(error));
                    return;
                }
            }
        }
    })
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
}
