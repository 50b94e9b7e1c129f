//! What `/proc` says of processes: identity, family, memory, marks.
//!
//! Pure parsing with thin reads around it; decides nothing. Formats: proc_pid_stat(5),
//! proc_pid_environ(5), proc_tid_children(5).

use crate::model::ProcRef;
use rustix::fs::{Mode, OFlags};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// The fields of `/proc/PID/stat` that tell who a process is and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: i32,
    pub ppid: i32,
    pub pgid: i32,
    pub sid: i32,
    /// `R`, `S`, `D`, `T`, `Z` and so on.
    pub state: u8,
    pub start_ticks: u64,
    pub rss_pages: u64,
}

impl Stat {
    /// The process, not to be mistaken for another with the same pid.
    pub fn proc(&self) -> ProcRef {
        ProcRef { pid: self.pid, start_ticks: self.start_ticks }
    }

    /// Whether it still runs: neither a zombie nor dead.
    pub fn is_alive(&self) -> bool {
        !self.is_zombie() && self.state != b'X' && self.state != b'x'
    }

    /// Whether it has ended and waits to be reaped.
    pub fn is_zombie(&self) -> bool {
        self.state == b'Z'
    }

    /// Whether a signal has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.state == b'T' || self.state == b't'
    }
}

/// Parses one `/proc/PID/stat` line; `None` when it is cut short.
///
/// The name in parentheses may hold anything, so fields are counted from the last `)`.
pub fn parse_stat(line: &[u8]) -> Option<Stat> {
    let open = line.iter().position(|b| *b == b'(')?;
    let close = line.iter().rposition(|b| *b == b')')?;
    let pid = std::str::from_utf8(line.get(..open)?).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    // Field 3 (state) is the first one after the name.
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let ppid = fields.next()?.parse().ok()?;
    let pgid = fields.next()?.parse().ok()?;
    let sid = fields.next()?.parse().ok()?;
    let start_ticks = fields.nth(22 - 7)?.parse().ok()?;
    let rss_pages = fields.nth(24 - 23)?.parse().unwrap_or(0);
    Some(Stat { pid, ppid, pgid, sid, state, start_ticks, rss_pages })
}

/// Returns what `/proc/PID/stat` says, `None` when there is no such process.
pub fn stat_of(pid: i32) -> Option<Stat> {
    let mut buffer = [0_u8; 1024];
    let n = read_into(&format!("/proc/{pid}/stat"), &mut buffer)?;
    parse_stat(buffer.get(..n)?)
}

fn read_into(path: &str, buffer: &mut [u8]) -> Option<usize> {
    File::open(path).ok()?.read(buffer).ok()
}

/// Opens a pidfd of this very process, `None` when it is gone.
pub fn pidfd_of(proc: ProcRef) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(proc.pid)?;
    let fd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
    // The pid may have been reused before the pidfd was opened; from here on it cannot be.
    (stat_of(proc.pid)?.start_ticks == proc.start_ticks).then_some(fd)
}

/// Sends a signal to this very process and no other with its pid; `false` when it is gone.
pub fn signal_proc(proc: ProcRef, signal: i32) -> bool {
    pidfd_of(proc).is_some_and(|fd| signal_pidfd(&fd, signal))
}

/// Sends a signal through a pidfd, see pidfd_send_signal(2).
pub fn signal_pidfd(fd: &OwnedFd, signal: i32) -> bool {
    use std::os::fd::AsRawFd;
    // SAFETY: a plain system call on an open descriptor; a null siginfo means "as kill(2)".
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    done == 0
}

/// Every process at about one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    by_pid: HashMap<i32, Stat>,
    by_parent: HashMap<i32, Vec<i32>>,
}

impl Snapshot {
    /// Reads every `/proc/PID/stat`. Processes that come or go meanwhile may be missed, so
    /// whoever must not miss one looks again.
    pub fn take() -> Snapshot {
        let mut snapshot = Snapshot::default();
        for pid in all_pids() {
            if let Some(stat) = stat_of(pid) {
                snapshot.add(stat);
            }
        }
        snapshot
    }

    fn add(&mut self, stat: Stat) {
        self.by_parent.entry(stat.ppid).or_default().push(stat.pid);
        self.by_pid.insert(stat.pid, stat);
    }

    /// Returns what was read of `pid`.
    pub fn get(&self, pid: i32) -> Option<&Stat> {
        self.by_pid.get(&pid)
    }

    /// Returns every process read.
    pub fn all(&self) -> impl Iterator<Item = &Stat> {
        self.by_pid.values()
    }

    /// Returns the direct children of `pid`.
    pub fn children(&self, pid: i32) -> impl Iterator<Item = &Stat> {
        self.by_parent.get(&pid).into_iter().flatten().filter_map(|pid| self.by_pid.get(pid))
    }

    /// Returns `roots` and everything below them, each once.
    pub fn trees(&self, roots: impl IntoIterator<Item = i32>) -> Vec<Stat> {
        let mut queue: Vec<i32> = roots.into_iter().collect();
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        while let Some(pid) = queue.pop() {
            if !seen.insert(pid) {
                continue;
            }
            if let Some(stat) = self.by_pid.get(&pid) {
                found.push(*stat);
            }
            queue.extend(self.by_parent.get(&pid).into_iter().flatten());
        }
        found
    }
}

fn all_pids() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The marks that every process of a run carries in its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    pub run: Vec<u8>,
    pub job: Option<u32>,
    pub attempt: Option<u32>,
    /// Numbers of the outer jobs of a nested run, outermost first.
    pub outer_jobs: Vec<u32>,
}

impl Marks {
    /// Finds the marks in an environment block; `None` without GANGER_RUN.
    pub fn parse(environ: &[u8]) -> Option<Marks> {
        let mut marks = Marks::default();
        let mut found = false;
        for entry in environ.split(|b| *b == 0) {
            let Some(rest) = entry.strip_prefix(b"GANGER_") else { continue };
            if let Some(run) = rest.strip_prefix(b"RUN=") {
                marks.run = run.to_vec();
                found = true;
            } else if let Some(job) = rest.strip_prefix(b"JOB=") {
                marks.job = number(job);
            } else if let Some(n) = rest.strip_prefix(b"ATTEMPT=") {
                marks.attempt = number(n);
            } else if let Some(jobs) = rest.strip_prefix(b"OUTER_JOBS=") {
                marks.outer_jobs = jobs.split(|b| *b == b'/').filter_map(number).collect();
            }
        }
        found.then_some(marks)
    }

    /// Whether the process belongs to the run with this mark, directly or through a nested run.
    pub fn is_of_run(&self, mark: &str) -> bool {
        match self.run.strip_prefix(mark.as_bytes()) {
            Some(rest) => rest.is_empty() || rest.starts_with(b"/"),
            None => false,
        }
    }

    /// Returns the job of the run with this mark, and the attempt when it is the run's own.
    pub fn job_of_run(&self, mark: &str) -> Option<(u32, Option<u32>)> {
        if self.run == mark.as_bytes() {
            return Some((self.job?, self.attempt));
        }
        if !self.is_of_run(mark) {
            return None;
        }
        // The run `a/b/c` has two outer jobs; the job of `a/b` is the second.
        let depth = mark.split('/').count() - 1;
        Some((*self.outer_jobs.get(depth)?, None))
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Returns the marks of a process; `None` when it has none or may not be read.
pub fn marks_of(pid: i32) -> Option<Marks> {
    Marks::parse(&std::fs::read(format!("/proc/{pid}/environ")).ok()?)
}

/// The children that hang directly under this process's first thread: what the kernel hands
/// to a child subreaper lands there (`find_new_reaper` in kernel/exit.c takes the first
/// thread that is alive).
#[derive(Debug)]
pub struct AdoptedChildren {
    /// `/proc/self/task/PID/children`, kept open; `None`: no CONFIG_PROC_CHILDREN.
    list: Option<OwnedFd>,
    buffer: Vec<u8>,
}

impl AdoptedChildren {
    /// Opens the list of this process.
    pub fn open() -> AdoptedChildren {
        let me = std::process::id();
        let list = rustix::fs::open(
            format!("/proc/self/task/{me}/children"),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        AdoptedChildren { list: list.ok(), buffer: vec![0; 4096] }
    }

    /// Returns the pids, zombies included; `None` when the kernel has no such list.
    ///
    /// An empty answer is exact: nothing was adopted that has not been reaped.
    pub fn read(&mut self) -> Option<Vec<i32>> {
        let list = self.list.as_ref()?;
        let mut filled = 0;
        loop {
            let part = self.buffer.get_mut(filled..)?;
            match rustix::io::pread(list, part, filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return None,
            }
            // Short lists, which is nearly all of them, end with the first read.
            if filled < self.buffer.len() / 2 {
                break;
            }
            let doubled = self.buffer.len() * 2;
            self.buffer.resize(doubled, 0);
        }
        let text = std::str::from_utf8(self.buffer.get(..filled)?).ok()?;
        Some(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
    }
}

/// Whether standard output or error of a process is one of these files (device, inode).
pub fn writes_to(pid: i32, files: &[(u64, u64)]) -> bool {
    use std::os::unix::fs::MetadataExt;
    (1..=2).any(|fd| {
        std::fs::metadata(format!("/proc/{pid}/fd/{fd}"))
            .is_ok_and(|meta| files.contains(&(meta.dev(), meta.ino())))
    })
}

/// Returns the unit of start times: ticks per second.
pub fn clock_ticks_per_second() -> u64 {
    // SAFETY: a plain question to libc. 100 on every Linux; 0 is never divided by.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1).unsigned_abs()
}

/// Returns the size of a page of memory, in bytes.
pub fn page_bytes() -> u64 {
    // SAFETY: a plain question to libc.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1).unsigned_abs()
}

/// Returns the largest resident size this process ever had, in KiB (VmHWM of
/// proc_pid_status(5)); 0 when it cannot be read.
pub fn own_peak_kib() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Returns the real path of this program, for starting it again under its own name.
pub fn own_program() -> io::Result<std::path::PathBuf> {
    let path = std::fs::read_link("/proc/self/exe")?;
    // The kernel appends this when the file was replaced or removed; the link still opens it.
    if path.as_os_str().as_bytes().ends_with(b" (deleted)") {
        return Ok(format!("/proc/{}/exe", std::process::id()).into());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let line = b"812 (a) R 1 (b) S 1 812 800 0 -1 4194560 131 0 0 0 0 0 0 0 20 0 1 0 4711 \
            9592832 250 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!(
            stat,
            Stat {
                pid: 812,
                ppid: 1,
                pgid: 812,
                sid: 800,
                state: b'S',
                start_ticks: 4711,
                rss_pages: 250
            }
        );
        assert_eq!(parse_stat(b"812 (a) S 1"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn this_process_reads_itself() {
        let me = stat_of(std::process::id() as i32).unwrap();
        assert!(me.is_alive() && me.rss_pages > 0);
        assert_eq!(stat_of(i32::MAX), None);
        assert!(signal_proc(me.proc(), 0));
        assert!(!signal_proc(ProcRef { pid: me.pid, start_ticks: me.start_ticks + 1 }, 0));
    }

    #[test]
    fn marks_name_the_job_of_each_run_they_pass_through() {
        let own = Marks::parse(b"A=1\0GANGER_RUN=oak\0GANGER_JOB=7\0GANGER_ATTEMPT=2\0").unwrap();
        assert_eq!(own.job_of_run("oak"), Some((7, Some(2))));
        assert_eq!(own.job_of_run("oa"), None);
        let nested =
            Marks::parse(b"GANGER_RUN=oak/elm/ash\0GANGER_JOB=1\0GANGER_OUTER_JOBS=7/3\0").unwrap();
        assert_eq!(nested.job_of_run("oak"), Some((7, None)));
        assert_eq!(nested.job_of_run("oak/elm"), Some((3, None)));
        assert_eq!(nested.job_of_run("oak/elm/ash"), Some((1, None)));
        assert_eq!(nested.job_of_run("elm"), None);
        assert!(!nested.is_of_run("oak/el"));
        assert_eq!(Marks::parse(b"PATH=/bin\0"), None);
    }

    #[test]
    fn trees_follow_parents_and_stop_at_loops() {
        let mut snapshot = Snapshot::default();
        for (pid, ppid) in [(10, 1), (11, 10), (12, 11), (20, 1), (30, 31), (31, 30)] {
            let stat =
                Stat { pid, ppid, pgid: pid, sid: pid, state: b'S', start_ticks: 1, rss_pages: 0 };
            snapshot.add(stat);
        }
        let mut pids: Vec<i32> = snapshot.trees([10, 30]).iter().map(|s| s.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [10, 11, 12, 30, 31]);
    }
}
