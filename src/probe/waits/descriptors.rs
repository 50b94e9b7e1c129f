//! Open files of processes: what `/proc/PID/fd/N` leads to and what `/proc/PID/fdinfo/N` says
//! (proc_pid_fdinfo(5)). Parsers are pure.

use super::file_lock::LockLine;
use std::{fmt, fs};

/// What a descriptor leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// By inode.
    Pipe(u64),
    Socket(u64),
    Epoll,
    Event,
    Timer,
    Signals,
    Pidfd,
    Uring,
    /// Anything with a path: files, terminals, devices, FIFOs.
    Path(Box<str>),
    /// Other objects of the kernel, as it calls them.
    Other(Box<str>),
}

impl Target {
    pub fn parse(link: &str) -> Target {
        let inode = |kind: &str| link.strip_prefix(kind)?.strip_suffix(']')?.parse().ok();
        if let Some(inode) = inode("pipe:[") {
            return Target::Pipe(inode);
        }
        if let Some(inode) = inode("socket:[") {
            return Target::Socket(inode);
        }
        match link {
            "anon_inode:[eventpoll]" => Target::Epoll,
            "anon_inode:[eventfd]" => Target::Event,
            "anon_inode:[timerfd]" => Target::Timer,
            "anon_inode:[signalfd]" => Target::Signals,
            "anon_inode:[pidfd]" => Target::Pidfd,
            "anon_inode:[io_uring]" => Target::Uring,
            _ if link.starts_with("pidfd:[") => Target::Pidfd,
            _ if link.starts_with('/') => Target::Path(link.into()),
            _ => Target::Other(link.into()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Pipe(inode) => write!(f, "pipe:[{inode}]"),
            Target::Socket(inode) => write!(f, "socket:[{inode}]"),
            Target::Epoll => f.write_str("epoll"),
            Target::Event => f.write_str("eventfd"),
            Target::Timer => f.write_str("timerfd"),
            Target::Signals => f.write_str("signalfd"),
            Target::Pidfd => f.write_str("pidfd"),
            Target::Uring => f.write_str("io_uring"),
            Target::Path(name) | Target::Other(name) => f.write_str(name),
        }
    }
}

/// One descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub fd: i32,
    pub target: Target,
}

/// Reads all descriptors of a process through one of its live threads; those that are closed
/// meanwhile are left out.
///
/// # Errors
/// When the process may not be looked at, or is gone.
pub fn read_all(tid: i32) -> std::io::Result<Vec<Descriptor>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{tid}/fd"))? {
        let entry = entry?;
        let Some(fd) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        if let Ok(link) = fs::read_link(entry.path()) {
            found.push(Descriptor { fd, target: Target::parse(&link.to_string_lossy()) });
        }
    }
    Ok(found)
}

/// Reads what one descriptor leads to.
pub fn read_target(tid: i32, fd: i32) -> std::io::Result<Target> {
    let link = fs::read_link(format!("/proc/{tid}/fd/{fd}"))?;
    Ok(Target::parse(&link.to_string_lossy()))
}

/// Reads `fdinfo` of one descriptor.
pub fn read_info(tid: i32, fd: i32) -> std::io::Result<FdInfo> {
    fs::read(format!("/proc/{tid}/fdinfo/{fd}")).map(|text| FdInfo::parse(&text))
}

/// What is wanted of `fdinfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FdInfo {
    /// Those of open(2).
    pub flags: i32,
    pub inode: u64,
    /// Number of the mount: with the same one, the same inode number is the same file.
    pub mount: u64,
    /// The process of a pidfd; -1 when it has ended.
    pub pid: Option<i32>,
    pub event_id: Option<u64>,
    /// Whether a timer runs.
    pub armed: bool,
    /// Locks that belong to this open file.
    pub locks: Vec<LockLine>,
    /// What an epoll waits for.
    pub watched: Vec<Watched>,
    /// Descriptors in messages that a Unix socket has got and nobody has received yet.
    pub in_flight: u32,
}

/// One file that an epoll waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// As it was when it was added: it may have been closed since.
    pub fd: i32,
    pub events: u32,
    pub inode: u64,
}

impl FdInfo {
    pub fn parse(text: &[u8]) -> FdInfo {
        let mut info = FdInfo::default();
        for line in text.split(|b| *b == b'\n') {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match key {
                "flags" => info.flags = i32::from_str_radix(value, 8).unwrap_or(0),
                "ino" => info.inode = value.parse().unwrap_or(0),
                "mnt_id" => info.mount = value.parse().unwrap_or(0),
                "Pid" => info.pid = value.parse().ok(),
                "eventfd-id" => info.event_id = value.parse().ok(),
                "scm_fds" => info.in_flight = value.parse().unwrap_or(0),
                "it_value" => info.armed = value != "(0, 0)",
                "lock" => info.locks.extend(LockLine::parse(value.as_bytes())),
                "tfd" => info.watched.extend(watched(value)),
                _ => {}
            }
        }
        info
    }

    pub fn can_read(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_WRONLY
    }

    pub fn can_write(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_RDONLY
    }
}

/// `6 events:       19 data:     7f9600000006  pos:0 ino:278a2 sdev:f`
fn watched(value: &str) -> Option<Watched> {
    let mut words = value.split_ascii_whitespace();
    let fd = words.next()?.parse().ok()?;
    let (mut events, mut inode) = (0, 0);
    while let Some(word) = words.next() {
        let Some((key, value)) = word.split_once(':') else { continue };
        let value = if value.is_empty() { words.next()? } else { value };
        match key {
            "events" => events = u32::from_str_radix(value, 16).ok()?,
            "ino" => inode = u64::from_str_radix(value, 16).ok()?,
            _ => {}
        }
    }
    Some(Watched { fd, events, inode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_say_what_they_lead_to() {
        assert_eq!(Target::parse("pipe:[161899]"), Target::Pipe(161899));
        assert_eq!(Target::parse("socket:[7]"), Target::Socket(7));
        assert_eq!(Target::parse("anon_inode:[eventfd]"), Target::Event);
        assert_eq!(Target::parse("/tmp/pipe:[5]"), Target::Path("/tmp/pipe:[5]".into()));
        assert_eq!(Target::parse("anon_inode:inotify"), Target::Other("anon_inode:inotify".into()));
    }

    #[test]
    fn an_epoll_lists_what_it_waits_for() {
        let info = FdInfo::parse(
            b"pos:\t0\nflags:\t02000002\nmnt_id:\t17\nino:\t1030\n\
            tfd:        6 events:       19 data:     7f9600000006  pos:0 ino:278a2 sdev:f\n\
            tfd:        4 events: 40000000 data:                4  pos:0 ino:406 sdev:10\n",
        );
        assert_eq!(
            info.watched,
            [
                Watched { fd: 6, events: 0x19, inode: 0x278a2 },
                Watched { fd: 4, events: 0x4000_0000, inode: 0x406 },
            ]
        );
        assert!(info.can_read() && info.can_write());
    }

    #[test]
    fn ends_timers_and_processes_are_told_apart() {
        let read = FdInfo::parse(b"pos:\t0\nflags:\t02000000\nino:\t5\n");
        assert!(read.can_read() && !read.can_write());
        let write = FdInfo::parse(b"pos:\t0\nflags:\t0100001\nino:\t5\n");
        assert!(!write.can_read() && write.can_write());
        assert_eq!(FdInfo::parse(b"Pid:\t6304\nNSpid:\t6304\n").pid, Some(6304));
        assert_eq!(FdInfo::parse(b"Pid:\t-1\nNSpid:\t-1\n").pid, Some(-1));
        assert!(!FdInfo::parse(b"it_value: (0, 0)\nit_interval: (0, 0)\n").armed);
        assert!(FdInfo::parse(b"it_value: (9, 861230112)\nit_interval: (0, 0)\n").armed);
        assert_eq!(FdInfo::parse(b"eventfd-id: 12\n").event_id, Some(12));
        let locked = FdInfo::parse(b"lock:\t1: FLOCK  ADVISORY  WRITE 6304 fe:00:100 0 EOF\n");
        assert_eq!(locked.locks.len(), 1);
    }
}
