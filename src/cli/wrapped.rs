//! Runs a command as timeout(1) and env(1) do: its signals, its exit code.

use super::exit;
use super::failure::Failure;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

/// Signals that are passed on to the command.
const PASSED_ON: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, 128+n when a signal ended it.
    pub code: i32,
    /// Somebody told this process to end; the signal was passed on.
    pub told_to_end: bool,
}

/// Runs a command to its end and returns its exit code. `env` is set for it.
///
/// # Errors
/// When it cannot be started, with exit code 126 or 127.
pub fn run(cmd: &[OsString], env: Option<(&str, String)>) -> Result<Ended, Failure> {
    let (program, words) = cmd.split_first().ok_or_else(|| Failure::own("no command"))?;
    let mut command = Command::new(program);
    command.args(words).envs(env);
    let signals: SigSet = PASSED_ON.into_iter().collect();
    let mut before = SigSet::empty();
    let own = |e: nix::Error| Failure::own(format!("cannot pass signals on: {e}"));
    // Blocked before the command starts: none gets lost between the two.
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), Some(&mut before)).map_err(own)?;
    let ended = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(own)
        .and_then(|arriving| {
            let mut child = start(&mut command, before).map_err(|e| not_started(program, &e))?;
            wait(&mut child, &arriving).map_err(|e| Failure::own(format!("cannot wait: {e}")))
        });
    // `queue each` waits for its next item with signals as they were.
    let _was_possible_before = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    ended.map(|(status, told_to_end)| Ended { code: code(status), told_to_end })
}

/// The exit code that tells how a command ended.
fn code(status: ExitStatus) -> i32 {
    let of_signal = status.signal().map(|signal| 128 + signal);
    status.code().or(of_signal).unwrap_or(exit::WRAPPER)
}

/// Starts the command. This process is small, so that the fork which `pre_exec` needs is cheap.
fn start(command: &mut Command, mask: SigSet) -> io::Result<Child> {
    let parent = Pid::this();
    // SAFETY: only system calls that signal-safety(7) allows, and no memory is taken.
    unsafe {
        command.pre_exec(move || {
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None)?;
            // What the command holds is given to the next when this process is killed: the
            // command must not go on then as if it held it.
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            if Pid::parent() == parent { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
        });
    }
    command.spawn()
}

fn not_started(program: &OsString, e: &io::Error) -> Failure {
    let code = match e.kind() {
        io::ErrorKind::NotFound => exit::NOT_FOUND,
        _ => exit::NOT_EXECUTABLE,
    };
    Failure::drawn(code, format!("error: cannot run `{}`: {e}", program.to_string_lossy()))
}

fn wait(child: &mut Child, arriving: &SignalFd) -> io::Result<(ExitStatus, bool)> {
    let mut told_to_end = false;
    let pid = Pid::from_raw(child.id().cast_signed());
    let ended = rustix::process::pidfd_open(
        rustix::process::Pid::from_child(child),
        rustix::process::PidfdFlags::empty(),
    )?;
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(arriving.as_fd(), PollFlags::IN),
            PollFd::new(&ended, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            done => done?,
        };
        while let Ok(Some(signal)) = arriving.read_signal() {
            // A terminal sends its signals to the command too.
            told_to_end |=
                ![libc::SIGUSR1, libc::SIGUSR2].contains(&signal.ssi_signo.cast_signed());
            let number = i32::try_from(signal.ssi_signo).ok();
            let passed = number.and_then(|n| Signal::try_from(n).ok());
            if signal.ssi_code != libc::SI_KERNEL
                && let Some(passed) = passed
            {
                let _has_ended_meanwhile = kill(pid, passed);
            }
        }
        if let Some(status) = child.try_wait()? {
            return Ok((status, told_to_end));
        }
    }
}
