//! How processes ended: wait4(2) and waitid(2), because std and tokio drop the resource usage.

use crate::model::Exit;
use std::mem::MaybeUninit;
use std::time::Duration;

/// How a child ended and what it used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) cpu_user: Duration,
    pub(super) cpu_system: Duration,
    pub(super) max_rss_kib: u64,
}

/// Reaps a child that has ended; `None` when it has not, or was reaped by somebody else.
pub(super) fn reap(pid: i32) -> Option<Ended> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let pid = retry(|| {
        // SAFETY: both pointers are to values of the right type.
        unsafe { libc::wait4(pid, &mut status, libc::WNOHANG, usage.as_mut_ptr()) }
    });
    if pid <= 0 {
        return None;
    }
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    // SAFETY: zero is a valid value of every field, and wait4 has filled it.
    let usage = unsafe { usage.assume_init() };
    Some(ended(exit, &usage))
}

/// Like [`reap`] but leaves the zombie, whose pid and group id then cannot be used again.
pub(super) fn peek(pid: i32) -> Option<Ended> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    let done = retry(|| {
        // SAFETY: both pointers are to values of the right type. The system call has a fifth
        // argument for the usage, which libc's function lacks.
        let done = unsafe {
            libc::syscall(
                libc::SYS_waitid,
                libc::P_PID,
                pid,
                info.as_mut_ptr(),
                options,
                usage.as_mut_ptr(),
            )
        };
        done as i32
    });
    // SAFETY: zero is a valid value of every field.
    let (info, usage) = unsafe { (info.assume_init(), usage.assume_init()) };
    // SAFETY: the kernel has filled these fields for a child; they are zero for none.
    let (child, status) = unsafe { (info.si_pid(), info.si_status()) };
    if done != 0 || child == 0 {
        return None;
    }
    let exit = match info.si_code {
        libc::CLD_EXITED => Exit::Code(status),
        _ => Exit::Signal(status),
    };
    Some(ended(exit, &usage))
}

fn ended(exit: Exit, usage: &libc::rusage) -> Ended {
    Ended {
        exit,
        cpu_user: duration(usage.ru_utime),
        cpu_system: duration(usage.ru_stime),
        max_rss_kib: usage.ru_maxrss.unsigned_abs(),
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_micros(time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_usec.unsigned_abs())
}

fn retry(mut call: impl FnMut() -> i32) -> i32 {
    loop {
        let done = call();
        if done != -1 || std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return done;
        }
    }
}

/// The largest resident size of this process so far: a child's own peak counts from it,
/// because the kernel carries the peak of the parent's memory over execve(2).
#[derive(Debug)]
pub(super) struct OwnPeak {
    /// getrusage(2) tells the peak of this program, not that of one before it in this process.
    is_own: bool,
}

/// The kernel's counters are inexact by some pages per CPU.
const PEAK_SLACK_KIB: u64 = 512;

impl OwnPeak {
    pub(super) fn new() -> OwnPeak {
        // After a fat shell has executed ganger, getrusage still tells the shell's peak.
        OwnPeak { is_own: rusage_peak_kib() <= super::procs::own_peak_kib() + PEAK_SLACK_KIB }
    }

    /// Returns the peak in KiB, rounded up.
    pub(super) fn kib(&self) -> u64 {
        let peak = if self.is_own { rusage_peak_kib() } else { super::procs::own_peak_kib() };
        peak + PEAK_SLACK_KIB
    }
}

fn rusage_peak_kib() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: fills a value of the right type, for which zero is valid too.
    unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init().ru_maxrss.unsigned_abs()
    }
}
