//! A terminal for a program under test: keys in, screen out.

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for anything; the machine may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the program has drawn, and whether it can draw more.
struct Drawn {
    parser: vt100::Parser,
    /// Everything written, for modes that the parser does not know.
    raw: Vec<u8>,
    closed: bool,
}

pub struct Pty {
    master: Option<File>,
    slave: OwnedFd,
    pub child: Child,
    drawn: Arc<(Mutex<Drawn>, Condvar)>,
    vanished: Arc<AtomicBool>,
}

/// Reads what comes; `None` at the end, or as soon as it is not wanted any more.
fn read_while(from: &mut File, bytes: &mut [u8], wanted: impl Fn() -> bool) -> Option<usize> {
    while wanted() {
        let mut fds = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(50_u8)).is_ok_and(|n| n > 0) {
            return from.read(bytes).ok().filter(|n| *n > 0);
        }
    }
    None
}

fn non_zero(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

/// Opens both ends of a terminal. Neither goes to any program but as its standard streams: one
/// that holds the other end of its own terminal would never see it vanish.
fn open_pty() -> (File, OwnedFd) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = open(ptsname_r(&master).unwrap().as_str(), flags, Mode::empty()).unwrap();
    (File::from(OwnedFd::from(master)), slave)
}

fn set_size(slave: &OwnedFd, cols: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open and the argument is what TIOCSWINSZ takes.
    let done = unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    assert_eq!(done, 0);
}

impl Pty {
    /// Starts a program on a terminal of its own, as its controlling terminal.
    pub fn start(command: &mut Command, cols: u16, rows: u16) -> Pty {
        let (master, slave) = open_pty();
        set_size(&slave, cols, rows);
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env_remove("NO_COLOR");
        command.env_remove("LC_ALL");
        let tty = slave.as_raw_fd();
        // SAFETY: both calls are async-signal-safe, and touch nothing but the new process.
        unsafe {
            command.pre_exec(move || {
                libc::setsid();
                libc::ioctl(tty, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        let drawn = Drawn {
            parser: vt100::Parser::new(non_zero(rows), non_zero(cols), 0),
            raw: Vec::new(),
            closed: false,
        };
        let drawn = Arc::new((Mutex::new(drawn), Condvar::new()));
        let (mut from, to) = (master.try_clone().unwrap(), Arc::clone(&drawn));
        let vanished = Arc::new(AtomicBool::new(false));
        let is_vanished = Arc::clone(&vanished);
        std::thread::spawn(move || {
            let mut bytes = [0; 65536];
            while let Some(n) =
                read_while(&mut from, &mut bytes, || !is_vanished.load(Ordering::SeqCst))
            {
                let mut drawn = to.0.lock().unwrap();
                drawn.parser.process(&bytes[..n]);
                drawn.raw.extend_from_slice(&bytes[..n]);
                to.1.notify_all();
            }
            // Closed first: whoever waits for the end finds the terminal gone.
            drop(from);
            to.0.lock().unwrap().closed = true;
            to.1.notify_all();
        });
        Pty { master: Some(master), slave, child, drawn, vanished }
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        self.master.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    pub fn text(&self) -> String {
        self.drawn.0.lock().unwrap().parser.screen().contents()
    }

    /// Returns the background of a cell.
    pub fn background(&self, row: u16, col: u16) -> Option<vt100::Color> {
        self.drawn.0.lock().unwrap().parser.screen().cell(row, col).map(vt100::Cell::bgcolor)
    }

    /// Everything that was written before the alternate screen was entered; there must be something on it.
    pub fn before_the_screen(&self) -> String {
        const ENTER: &[u8] = b"\x1b[?1049h";
        let drawn = self.drawn.0.lock().unwrap();
        let at = drawn.raw.windows(ENTER.len()).position(|w| w == ENTER).unwrap_or(0);
        String::from_utf8_lossy(&drawn.raw[..at]).into_owned()
    }

    /// Everything that was written since the alternate screen was left.
    pub fn written(&self) -> String {
        const LEAVE: &[u8] = b"\x1b[?1049l";
        let drawn = self.drawn.0.lock().unwrap();
        let at = drawn.raw.windows(LEAVE.len()).rposition(|w| w == LEAVE).unwrap_or(0);
        String::from_utf8_lossy(&drawn.raw[at..]).into_owned()
    }

    /// Waits until the screen shows something.
    pub fn wait_for(&self, what: &str) -> String {
        self.wait(what, |text| text.contains(what))
    }

    pub fn wait(&self, what: &str, shows: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        let mut drawn = self.drawn.0.lock().unwrap();
        loop {
            let text = drawn.parser.screen().contents();
            if shows(&text) {
                return text;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !drawn.closed, "never showed {what}:\n{text}");
            drawn = self.drawn.1.wait_timeout(drawn, left).unwrap().0;
        }
    }

    pub fn resize(&self, cols: u16, rows: u16) {
        self.drawn.0.lock().unwrap().parser.screen_mut().set_size(non_zero(rows), non_zero(cols));
        set_size(&self.slave, cols, rows);
    }

    /// Returns the terminal's modes.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    /// Asserts that the program left the terminal as it found it.
    pub fn assert_restored(&self, before: &Termios) {
        let now = self.modes();
        assert_eq!(now.local_flags, before.local_flags);
        assert_eq!(now.input_flags, before.input_flags);
        assert_eq!(now.output_flags, before.output_flags);
        let drawn = self.drawn.0.lock().unwrap();
        let screen = drawn.parser.screen();
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        let last = |mode: &[u8]| drawn.raw.windows(mode.len()).rposition(|w| w == mode);
        assert!(last(b"\x1b[?2026l") >= last(b"\x1b[?2026h"), "an update is still open");
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: i32) {
        // SAFETY: signals a process that we started and have not reaped.
        unsafe { libc::kill(self.child.id().cast_signed(), signal) };
    }

    /// The terminal goes away, as when its window is closed.
    pub fn hang_up(&mut self) {
        self.vanish();
        self.signal(libc::SIGHUP);
    }

    /// The other end of the terminal is closed. The kernel sends SIGHUP then, which a program
    /// may have blocked.
    pub fn vanish(&mut self) {
        self.master = None;
        self.vanished.store(true, Ordering::SeqCst);
        let mut drawn = self.drawn.0.lock().unwrap();
        while !drawn.closed {
            drawn = self.drawn.1.wait(drawn).unwrap();
        }
    }

    /// Waits for the end of the program; a signal counts as 128 and its number.
    pub fn exit_code(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until everything drawn before the end has been read.
    pub fn settle(&self) {
        let mut drawn = self.drawn.0.lock().unwrap();
        let mut seen = usize::MAX;
        while drawn.raw.len() != seen {
            seen = drawn.raw.len();
            drawn = self.drawn.1.wait_timeout(drawn, Duration::from_millis(200)).unwrap().0;
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
