//! Starts one process: posix_spawn(3) and what its errors mean.
//!
//! Never `fork` or `Command::pre_exec`: with a big parent those copy its page tables.

use super::env::{ExecBlocks, is_executable};
use crate::model::LaunchOrder;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

/// What the child's descriptors become. All are open in this process.
#[derive(Debug)]
pub(super) struct Streams<'a> {
    /// `None` with a terminal that is also standard input.
    pub(super) stdin: Option<RawFd>,
    pub(super) outs: Outs<'a>,
    /// Becomes descriptor 3, for the shim.
    pub(super) status: Option<RawFd>,
}

/// Where standard output and error go.
#[derive(Debug)]
pub(super) enum Outs<'a> {
    Files { stdout: RawFd, stderr: RawFd },
    Tty(&'a CStr),
}

/// The attributes all attempts share: a session of its own, nothing blocked, nothing ignored.
pub(super) struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    pub(super) fn new() -> io::Result<Attributes> {
        let mut attr = MaybeUninit::uninit();
        // SAFETY: initialises the attributes; they hold no memory of their own in glibc, and
        // are used only through this value, which does not move during a call.
        unsafe {
            check(libc::posix_spawnattr_init(attr.as_mut_ptr()))?;
            let mut attr = attr.assume_init();
            let mut set = MaybeUninit::uninit();
            libc::sigemptyset(set.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(&mut attr, set.as_ptr()))?;
            // Not sigfillset: it leaves out the two signals that glibc keeps for itself, and
            // posix_spawn would then pass those on ignored.
            set.as_mut_ptr().write_bytes(0xff, 1);
            check(libc::posix_spawnattr_setsigdefault(&mut attr, set.as_ptr()))?;
            let flags = i32::from(libc::POSIX_SPAWN_SETSID)
                | libc::POSIX_SPAWN_SETSIGMASK
                | libc::POSIX_SPAWN_SETSIGDEF;
            check(libc::posix_spawnattr_setflags(&mut attr, flags as libc::c_short))?;
            Ok(Attributes(attr))
        }
    }
}

/// File actions that are freed again.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Actions> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: initialises the value, which `Drop` destroys once.
        unsafe {
            check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Ok(Actions(actions.assume_init()))
        }
    }

    fn dup(&mut self, from: RawFd, to: RawFd) -> io::Result<()> {
        // SAFETY: plain numbers, checked by the kernel when the child starts.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, from, to) })
    }

    fn open(&mut self, path: &CStr, to: RawFd) -> io::Result<()> {
        // SAFETY: glibc copies the path.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(&mut self.0, to, path.as_ptr(), libc::O_RDWR, 0)
        })
    }

    fn chdir(&mut self, path: &CStr) -> io::Result<()> {
        // SAFETY: glibc copies the path.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&mut self.0, path.as_ptr()) })
    }

    fn close_from(&mut self, first: RawFd) -> io::Result<()> {
        // SAFETY: a plain number.
        check(unsafe { libc::posix_spawn_file_actions_addclosefrom_np(&mut self.0, first) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed only here.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

fn check(errno: libc::c_int) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}

/// Starts a process and returns its pid. Returns once it has executed its program, so an
/// error of execve(2) is an error here.
pub(super) fn spawn(
    attributes: &Attributes,
    program: &CStr,
    blocks: &ExecBlocks,
    workdir: &CStr,
    streams: &Streams<'_>,
) -> io::Result<i32> {
    let mut actions = Actions::new()?;
    // Every source is above 2: std opens 0 to 2 at start when they are closed.
    if let Some(fd) = streams.stdin {
        actions.dup(fd, 0)?;
    }
    match streams.outs {
        Outs::Files { stdout, stderr } => {
            actions.dup(stdout, 1)?;
            actions.dup(stderr, 2)?;
        }
        Outs::Tty(path) => {
            // The child leads a session without a terminal by then: the first one that it
            // opens without O_NOCTTY becomes its controlling terminal.
            actions.open(path, 1)?;
            actions.dup(1, 2)?;
            if streams.stdin.is_none() {
                actions.dup(1, 0)?;
            }
        }
    }
    if let Some(fd) = streams.status {
        actions.dup(fd, 3)?;
    }
    actions.chdir(workdir)?;
    actions.close_from(if streams.status.is_some() { 4 } else { 3 })?;
    let mut pid = 0;
    // SAFETY: all pointers are to live values; `blocks` ends its arrays with null.
    let errno = unsafe {
        libc::posix_spawn(
            &mut pid,
            program.as_ptr(),
            &actions.0,
            &attributes.0,
            blocks.argv(),
            blocks.envp(),
        )
    };
    check(errno).map(|()| pid)
}

/// Says in words why a program could not be started.
///
/// execve(2) has one ENOENT for a missing program, a missing interpreter and (with the chdir
/// before it) a missing folder, so this looks which one it was.
pub(super) fn words(order: &LaunchOrder, program: &CStr, errno: i32, n_bytes: usize) -> String {
    let workdir = &order.workdir;
    if let Some(problem) = workdir_problem(workdir) {
        return problem;
    }
    let program = program.to_string_lossy();
    let path = workdir.join(&*program);
    match errno {
        libc::ENOENT if path.exists() => match interpreter_of(&path) {
            Some(name) => format!(
                "cannot execute `{program}`: its interpreter `{}` does not exist",
                name.display()
            ),
            None => format!("cannot execute `{program}`: its program loader does not exist"),
        },
        libc::ENOENT | libc::ENOTDIR => format!("program `{program}` does not exist"),
        libc::EACCES | libc::EPERM if path.is_dir() => {
            format!("cannot execute `{program}`: it is a folder")
        }
        libc::EACCES | libc::EPERM if !is_executable(&path) => {
            format!("cannot execute `{program}`: it is not executable (`chmod +x` makes it so)")
        }
        libc::EACCES | libc::EPERM => format!("cannot execute `{program}`: permission denied"),
        libc::ENOEXEC => format!(
            "cannot execute `{program}`: it is neither a program for this machine nor a script \
             with an interpreter in its first line (`#!/bin/sh`)"
        ),
        libc::E2BIG => format!(
            "argument list too long: {n_bytes} bytes of arguments and environment for \
             `{program}`; the kernel takes 128 KiB per word and a quarter of the stack limit in \
             all"
        ),
        libc::ETXTBSY => format!("cannot execute `{program}`: somebody is writing to it"),
        libc::EAGAIN => format!(
            "cannot start `{program}`: no more processes (limit of this user or cgroup reached)"
        ),
        libc::ENOMEM => format!("cannot start `{program}`: out of memory"),
        _ => format!("cannot start `{program}`: {}", errno_words(errno)),
    }
}

/// Says in words why a file could not be opened.
pub(super) fn file_words(what: &str, path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match error.raw_os_error() {
        Some(libc::ENOENT) => match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() && !parent.exists() => {
                format!("cannot open {what} `{shown}`: folder `{}` is missing", parent.display())
            }
            _ => format!("cannot open {what} `{shown}`: it does not exist"),
        },
        Some(libc::ENXIO) => {
            format!("cannot open {what} `{shown}`: it is a named pipe that nobody reads")
        }
        Some(libc::EMFILE) => format!("cannot open {what} `{shown}`: {}", open_files_words()),
        Some(errno) => format!("cannot open {what} `{shown}`: {}", errno_words(errno)),
        None => format!("cannot open {what} `{shown}`: it {error}"),
    }
}

/// Says that this process may not open more files, with the limit.
pub(super) fn open_files_words() -> String {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    match limit.current {
        Some(n) => format!("ganger has reached its limit of {n} open files (`ulimit -n`)"),
        None => "the system has reached its limit of open files".to_owned(),
    }
}

/// Returns the text of an error number, in lower case and without the number.
pub(super) fn errno_words(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if letters.as_str().starts_with(|c: char| c.is_lowercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text,
    }
}

fn workdir_problem(workdir: &Path) -> Option<String> {
    let shown = workdir.display();
    match std::fs::metadata(workdir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("working directory `{shown}` does not exist"))
        }
        Err(error) => {
            let why = errno_words(error.raw_os_error().unwrap_or(libc::EIO));
            Some(format!("cannot enter working directory `{shown}`: {why}"))
        }
        Ok(meta) if !meta.is_dir() => Some(format!("working directory `{shown}` is not a folder")),
        Ok(_) if !is_executable(workdir) => {
            Some(format!("cannot enter working directory `{shown}`: permission denied"))
        }
        Ok(_) => None,
    }
}

/// Returns what stands behind `#!` in the first line of a script.
fn interpreter_of(path: &Path) -> Option<PathBuf> {
    use std::io::Read;
    use std::os::unix::ffi::OsStrExt;
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    // A carriage return is part of the name: files saved on Windows fail like this.
    let mut words = line.split(|b| *b == b' ' || *b == b'\t').filter(|word| !word.is_empty());
    let name = words.next()?;
    let shown = String::from_utf8_lossy(name).replace('\r', "\\r");
    if name.contains(&b'\r') {
        return Some(shown.into());
    }
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

/// Returns a path as a C string.
pub(super) fn c_path(path: &Path) -> Result<CString, String> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| format!("path `{}` contains a NUL byte", path.display()))
}
