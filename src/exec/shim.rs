//! `ganger __exec`: sets limits and nice, joins control groups, then becomes the job.
//!
//! Only attempts with `nice` or `limits` pass through it. Descriptor 3 is a pipe that closes
//! by itself when the job's program is executed; what is written to it says why it was not.

use std::ffi::{CString, OsString, c_char};
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;

/// The word after the program's name that makes ganger the shim.
pub const SHIM_VERB: &str = "__exec";

/// What the shim does before it executes the job's program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShimOrder {
    /// Files to write `0` to, `cgroup.procs` of each group.
    pub(super) join: Vec<PathBuf>,
    pub(super) nice: Option<i32>,
    pub(super) cpu_seconds: Option<u64>,
    pub(super) file_size_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
    /// The soft limit of open files that ganger was started with, when it raised its own.
    pub(super) restore_open_files: Option<u64>,
}

impl ShimOrder {
    /// Returns the arguments between the verb and `--`.
    pub(super) fn to_args(&self) -> Vec<Vec<u8>> {
        let mut args = Vec::new();
        for path in &self.join {
            args.push([b"join=", path.as_os_str().as_bytes()].concat());
        }
        let mut number = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                args.push(format!("{name}={value}").into_bytes());
            }
        };
        number("nice", self.nice.map(|n| n.to_string()));
        number("cpu", self.cpu_seconds.map(|n| n.to_string()));
        number("fsize", self.file_size_bytes.map(|n| n.to_string()));
        number("nofile", self.open_files.map(|n| n.to_string()));
        number("soft-nofile", self.restore_open_files.map(|n| n.to_string()));
        args
    }

    fn take_arg(&mut self, arg: &[u8]) -> Option<()> {
        let split = arg.iter().position(|b| *b == b'=')?;
        let (name, value) = (arg.get(..split)?, arg.get(split + 1..)?);
        if name == b"join" {
            self.join.push(PathBuf::from(OsString::from_vec(value.to_vec())));
            return Some(());
        }
        let value = std::str::from_utf8(value).ok()?;
        match name {
            b"nice" => self.nice = Some(value.parse().ok()?),
            b"cpu" => self.cpu_seconds = Some(value.parse().ok()?),
            b"fsize" => self.file_size_bytes = Some(value.parse().ok()?),
            b"nofile" => self.open_files = Some(value.parse().ok()?),
            b"soft-nofile" => self.restore_open_files = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }
}

/// Why the shim could not execute the job's program, as it travels through the pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShimError {
    /// execve(2) failed with this error number.
    Exec(i32),
    /// Something before it failed, in words.
    Setup(String),
}

impl ShimError {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            ShimError::Exec(errno) => format!("exec {errno}").into_bytes(),
            ShimError::Setup(words) => format!("setup {words}").into_bytes(),
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> ShimError {
        let text = String::from_utf8_lossy(bytes);
        match text.split_once(' ') {
            Some(("exec", errno)) => ShimError::Exec(errno.parse().unwrap_or(libc::EIO)),
            Some(("setup", words)) => ShimError::Setup(words.to_owned()),
            _ => ShimError::Setup(format!("the exec shim said `{text}`")),
        }
    }
}

/// Becomes the job that the arguments (behind [`SHIM_VERB`]) describe. Returns only when that
/// failed; the exit code is then 127.
///
/// Call it before anything else of `main`: no threads, no descriptors, no handlers yet.
pub fn shim_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    // SAFETY: the caller of `__exec` passes the pipe as descriptor 3; nothing else of this
    // process uses that number.
    let mut pipe = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(3) });
    if rustix::io::fcntl_setfd(&pipe, rustix::io::FdFlags::CLOEXEC).is_err() {
        let _ = writeln!(std::io::stderr(), "error: `{SHIM_VERB}` is for ganger's own use");
        // Descriptor 3 is not open: dropping the file would close what is not there.
        std::mem::forget(pipe);
        return ExitCode::from(2);
    }
    let error = set_up_and_exec(&args);
    let _ = pipe.write_all(&error.to_bytes());
    ExitCode::from(127)
}

fn set_up_and_exec(args: &[Vec<u8>]) -> ShimError {
    let mut order = ShimOrder::default();
    let mut words = args.iter();
    for arg in words.by_ref() {
        if arg == b"--" {
            break;
        }
        if order.take_arg(arg).is_none() {
            let arg = String::from_utf8_lossy(arg);
            return ShimError::Setup(format!("the exec shim does not know `{arg}`"));
        }
    }
    let words: Result<Vec<CString>, _> = words.map(|w| CString::new(w.as_slice())).collect();
    let Ok(words) = words else { return ShimError::Exec(libc::EINVAL) };
    let Some((program, argv)) = words.split_first() else {
        return ShimError::Exec(libc::EINVAL);
    };
    if let Err(words) = apply(&order) {
        return ShimError::Setup(words);
    }
    let mut argv: Vec<*const c_char> = argv.iter().map(|word| word.as_ptr()).collect();
    argv.push(std::ptr::null());
    // SAFETY: std ignores SIGPIPE at start, which would pass on to the job; setting a default
    // disposition runs no code of ours. The arrays end with null and outlive the call;
    // `environ` is not changed by anyone in this single thread.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::execve(program.as_ptr(), argv.as_ptr(), libc::environ.cast());
    }
    ShimError::Exec(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

fn apply(order: &ShimOrder) -> Result<(), String> {
    use rustix::process::Resource;
    for file in &order.join {
        std::fs::OpenOptions::new()
            .write(true)
            .open(file)
            .and_then(|mut file| file.write_all(b"0"))
            .map_err(|e| format!("cannot join control group `{}`: {e}", file.display()))?;
    }
    if let Some(nice) = order.nice {
        rustix::process::setpriority_process(None, nice).map_err(|_| {
            format!("cannot set `nice: {nice}`: only root may ask for more than others have")
        })?;
    }
    if let Some(seconds) = order.cpu_seconds {
        // XCPU at the limit, KILL a second later for whoever catches it.
        limit(Resource::Cpu, seconds, seconds.saturating_add(1), "cpu_time")?;
    }
    if let Some(bytes) = order.file_size_bytes {
        limit(Resource::Fsize, bytes, bytes, "file_size")?;
    }
    match (order.open_files, order.restore_open_files) {
        (Some(n), _) => limit(Resource::Nofile, n, n, "open_files"),
        (None, Some(soft)) => {
            let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
            let new = rustix::process::Rlimit { current: Some(soft), maximum: hard };
            rustix::process::setrlimit(Resource::Nofile, new)
                .map_err(|e| format!("cannot restore the limit of open files: {e}"))
        }
        (None, None) => Ok(()),
    }
}

fn limit(
    resource: rustix::process::Resource,
    soft: u64,
    hard: u64,
    key: &str,
) -> Result<(), String> {
    let most = rustix::process::getrlimit(resource).maximum;
    if most.is_some_and(|most| soft > most) {
        // Nobody but root may raise the hard limit; say so unless this is root.
        let new = rustix::process::Rlimit { current: Some(soft), maximum: Some(hard) };
        return rustix::process::setrlimit(resource, new).map_err(|_| {
            let most = most.unwrap_or_default();
            format!("cannot set `limits.{key}` to {soft}: the hard limit here is {most}")
        });
    }
    let maximum = Some(most.map_or(hard, |most| hard.min(most)));
    rustix::process::setrlimit(resource, rustix::process::Rlimit { current: Some(soft), maximum })
        .map_err(|error| format!("cannot set `limits.{key}` to {soft}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_way_through_arguments() {
        let order = ShimOrder {
            join: vec!["/sys/fs/cgroup/a=b/cgroup.procs".into(), "/x y".into()],
            nice: Some(-5),
            cpu_seconds: Some(1),
            file_size_bytes: Some(u64::MAX),
            open_files: Some(16),
            restore_open_files: Some(1024),
        };
        let mut back = ShimOrder::default();
        for arg in order.to_args() {
            back.take_arg(&arg).unwrap();
        }
        assert_eq!(back, order);
        assert_eq!(back.take_arg(b"nice=x"), None);
        assert_eq!(back.take_arg(b"what=1"), None);
        assert!(ShimOrder::default().to_args().is_empty());
    }

    #[test]
    fn an_error_survives_the_way_through_the_pipe() {
        for error in [ShimError::Exec(2), ShimError::Setup("a b c".into())] {
            assert_eq!(ShimError::parse(&error.to_bytes()), error);
        }
        assert!(matches!(ShimError::parse(b"?"), ShimError::Setup(_)));
    }
}
