//! The threads that listen: to the keys, to signals, to the supervisor.

use super::update::Msg;
use crate::control::client::Receiver;
use crate::control::proto::ToClient;
use crossterm::event::{self, Event};
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::{Pid, pipe2};
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
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

/// Where the handler writes the number of each signal; -1 while nobody listens.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Handlers for [`SIGNALS`]; what was there before comes back when this is dropped.
///
/// Handlers rather than a blocked mask: a mask holds for one thread, and a signal would reach
/// any other thread of this process.
pub struct Signals {
    before: Vec<(Signal, SigAction)>,
}

impl Signals {
    /// Installs the handlers, and a thread that passes on what they note.
    pub fn read_into(to: SyncSender<Msg>) -> io::Result<Signals> {
        // crossterm takes SIGWINCH when it first looks for keys; we take it back. Its reader
        // waits for edges and forgets the keys that come together with the signal.
        event::poll(Duration::ZERO)?;
        let (from_handler, to_reader) = pipe2(OFlag::O_CLOEXEC)?;
        rustix::io::ioctl_fionbio(&to_reader, true)?;
        let mut before = Vec::new();
        WAKE.store(to_reader.into_raw_fd(), Ordering::SeqCst);
        for signal in SIGNALS {
            before.push((signal, handle(signal, SigHandler::Handler(note))?));
        }
        let mut from_handler = File::from(from_handler);
        spawn("tui-signals", move || {
            let mut byte = [0];
            while from_handler.read_exact(&mut byte).is_ok() {
                if to.send(Msg::Signal(i32::from(byte[0]))).is_err() {
                    return;
                }
            }
        })?;
        Ok(Signals { before })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, action) in &self.before {
            // SAFETY: the action was in force before and is put back as it was.
            let _ = unsafe { sigaction(*signal, action) };
        }
    }
}

fn handle(signal: Signal, handler: SigHandler) -> nix::Result<SigAction> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: `note` does only what signal-safety(7) allows.
    unsafe { sigaction(signal, &action) }
}

extern "C" fn note(signal: libc::c_int) {
    let byte = signal as u8;
    // SAFETY: errno is this thread's own; write(2) is async-signal-safe, the descriptor stays
    // open for the life of the process, and a full pipe only loses a signal that is told twice.
    unsafe {
        let errno = *libc::__errno_location();
        let fd = WAKE.load(Ordering::SeqCst);
        libc::write(fd, (&raw const byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

/// Stops the whole foreground job as Ctrl-Z does, and returns when it is continued.
///
/// The whole job, not this process alone: whoever waits for us (a script, a make) would
/// otherwise keep the terminal, and the shell would not come back.
pub fn stop_this_job() {
    let Ok(ours) = handle(Signal::SIGTSTP, SigHandler::SigDfl) else { return };
    // It reaches this thread before the call returns: signal(7) delivers to the main thread
    // first when that does not block the signal.
    let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
    // SAFETY: the action was in force before and is put back as it was.
    let _ = unsafe { sigaction(Signal::SIGTSTP, &ours) };
}

/// Keys are read while this lives; what is typed later is the shell's.
pub struct Keys {
    _closes_with_this: OwnedFd,
}

/// Reads keys on a thread of its own, and says when the terminal is gone.
///
/// crossterm alone would spin on a terminal that has gone: its reader takes neither the end of
/// the input nor an error for an answer. So we look first.
pub fn read_keys_into(to: SyncSender<Msg>) -> io::Result<Keys> {
    let tty = File::options().read(true).write(true).open("/dev/tty")?;
    let (until_closed, stop) = pipe2(OFlag::O_CLOEXEC)?;
    spawn("tui-keys", move || {
        loop {
            let mut fds =
                [PollFd::new(&tty, PollFlags::IN), PollFd::new(&until_closed, PollFlags::empty())];
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => break,
            }
            let seen = fds[0].revents();
            if !fds[1].revents().is_empty() {
                return;
            }
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
    })?;
    Ok(Keys { _closes_with_this: stop })
}

/// Passes on what there is to read; returns `false` when nobody listens any more.
fn pass_on_keys(to: &SyncSender<Msg>) -> io::Result<bool> {
    while event::poll(Duration::ZERO)? {
        let message = match event::read()? {
            Event::Key(key) => Msg::Key(key),
            Event::Mouse(event) => Msg::Mouse(event),
            Event::Paste(text) => Msg::Paste(text),
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
