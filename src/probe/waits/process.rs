//! A process and its threads as one look sees them: read once, what is dear only when it is
//! asked for.

use super::maps::Maps;
use super::memory::{Memory, Trouble};
use super::status::{self, Stat, Status};
use super::syscall::{Line, Machine, line};
use crate::model::AttemptId;
use crate::model::ids::ProcRef;
use crate::model::waits::{Stamp, ThreadRef, ThreadState};
use crate::probe::files::{self, Folder, Keep};
use crate::probe::procfs;
use std::cell::OnceCell;
use std::fs;
use std::os::fd::OwnedFd;

/// A process at one look.
#[derive(Debug)]
pub struct Process {
    pub proc: ProcRef,
    /// Of its first thread.
    pub stat: Stat,
    pub in_tree: bool,
    pub attempt: Option<AttemptId>,
    pub threads: Vec<Thread>,
    /// A thread that has not ended, through which to read what all of them share: a leader that
    /// ended before the others shows nothing.
    pub live_tid: i32,
    /// Why its threads do not say what they wait for.
    pub hidden: Option<String>,
    machine: OnceCell<Option<Machine>>,
    status: OnceCell<Option<Status>>,
    maps: OnceCell<Result<Maps, Trouble>>,
    program: OnceCell<Option<Box<str>>>,
}

/// A thread at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub tid: i32,
    pub name: Box<str>,
    pub state: ThreadState,
    pub stamp: Stamp,
}

impl Process {
    pub fn new(pid: i32, stat: Stat, readings: Vec<(i32, Reading)>) -> Process {
        let is_hidden = readings.iter().any(|(_, r)| r.is_forbidden && !r.stat.is_dead());
        let threads: Vec<Thread> = readings
            .into_iter()
            .map(|(tid, r)| Thread { tid, state: r.state(), name: r.stat.name, stamp: r.stamp })
            .collect();
        // The first one of a process mostly lives as long as it does; others come and go.
        let is_live = |t: &&Thread| t.state != ThreadState::Dead;
        let leader = threads.iter().find(|t| t.tid == pid).filter(is_live);
        let live = leader.or_else(|| threads.iter().find(is_live));
        let live_tid = live.map_or(pid, |t| t.tid);
        Process {
            proc: ProcRef { pid, start_ticks: stat.start_ticks },
            stat,
            in_tree: false,
            attempt: None,
            threads,
            live_tid,
            hidden: is_hidden.then(|| why_forbidden(pid)),
            machine: OnceCell::new(),
            status: OnceCell::new(),
            maps: OnceCell::new(),
            program: OnceCell::new(),
        }
    }

    pub fn pid(&self) -> i32 {
        self.proc.pid
    }

    pub fn thread(&self, tid: i32) -> Option<&Thread> {
        self.threads.iter().find(|t| t.tid == tid)
    }

    pub fn thread_ref(&self, tid: i32) -> ThreadRef {
        ThreadRef { proc: self.proc, tid }
    }

    /// Finds a thread by the number that it has for itself, which is another one inside a pid
    /// namespace. `None` when there is none.
    pub fn thread_called(&self, own_tid: i32) -> Option<i32> {
        if self.status().is_none_or(|s| s.depth <= 1) {
            return self.thread(own_tid).filter(|t| t.state != ThreadState::Dead).map(|t| t.tid);
        }
        let living = self.threads.iter().filter(|t| t.state != ThreadState::Dead);
        living.map(|t| t.tid).find(|tid| self.status_of(*tid).is_some_and(|s| s.own_tid == own_tid))
    }

    /// Whether all of it has ended.
    pub fn is_dead(&self) -> bool {
        self.threads.iter().all(|t| t.state == ThreadState::Dead)
    }

    /// Whose system calls it makes; `None` when that cannot be read.
    pub fn machine(&self) -> Option<Machine> {
        *self.machine.get_or_init(|| machine_of(self.live_tid))
    }

    /// What a thread says that it is in; `None` when it may not be read or makes no sense.
    pub fn line(&self, thread: &Thread) -> Option<Line> {
        line(thread.stamp.syscall.as_bytes(), self.machine()?)
    }

    pub fn memory(&self) -> Memory {
        Memory::of(self.live_tid)
    }

    pub fn maps(&self) -> Result<&Maps, &Trouble> {
        self.maps.get_or_init(|| Maps::read(self.pid(), self.live_tid)).as_ref()
    }

    /// The status of a living thread; signals and user are the same for all.
    pub fn status(&self) -> Option<&Status> {
        self.status.get_or_init(|| self.status_of(self.live_tid)).as_ref()
    }

    pub fn status_of(&self, tid: i32) -> Option<Status> {
        let text = fs::read(format!("/proc/{}/task/{tid}/status", self.pid())).ok()?;
        Some(Status::parse(&text))
    }

    /// The file name of its program.
    pub fn program(&self) -> Option<&str> {
        let read = || {
            let path = fs::read_link(format!("/proc/{}/exe", self.live_tid)).ok()?;
            Some(path.file_name()?.to_string_lossy().into())
        };
        self.program.get_or_init(read).as_deref()
    }

    pub fn is_python(&self) -> bool {
        self.program().is_some_and(|p| p.starts_with("python"))
    }
}

/// What is kept open of a thread. Bound to it for ever: never reads another with its number.
#[derive(Debug, Default)]
pub struct Files {
    pub schedstat: Option<OwnedFd>,
    pub syscall: Option<OwnedFd>,
}

impl Files {
    pub fn n_open(&self) -> usize {
        [&self.schedstat, &self.syscall].into_iter().flatten().count()
    }
}

/// What one reading of a thread gave. The counters come first: whoever they do not change for
/// later has been in this state and call since.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub stamp: Stamp,
    pub stat: Stat,
    /// Its call may not be read.
    pub is_forbidden: bool,
}

impl Reading {
    fn state(&self) -> ThreadState {
        match self.stat.thread_state() {
            // It was woken after its call was read, or before its state was.
            ThreadState::Blocked if self.stamp.syscall.starts_with("running") => {
                ThreadState::Running
            }
            state => state,
        }
    }
}

/// Reads a thread; `None` when it is gone.
pub fn read_thread(
    folder: &mut Folder,
    files: &mut Files,
    pid: i32,
    tid: i32,
    keep: Keep,
) -> Option<Reading> {
    let mut reading = Reading::default();
    let keep_call = if keep == Keep::All { Keep::Half } else { keep };
    (reading.stamp.run_ns, reading.stamp.turns) = counters(folder, files, pid, tid, keep)?;
    let mut path = [0_u8; 40];
    let name = name_of(&mut path, tid, "syscall");
    match folder.read(&mut files.syscall, pid, name, keep_call) {
        Ok(text) => reading.stamp.syscall = String::from_utf8_lossy(text).trim_end().into(),
        Err(files::Trouble::Gone) => return None,
        Err(files::Trouble::Forbidden) => reading.is_forbidden = true,
        Err(files::Trouble::Unreadable) => {}
    }
    let text = folder.read(&mut None, pid, &format!("task/{tid}/stat"), Keep::Nothing).ok()?;
    reading.stat = Stat::parse(text)?;
    Some(reading)
}

/// Reads how long a thread has run and how often it was given a CPU; `None` when it is gone.
pub fn counters(
    folder: &mut Folder,
    files: &mut Files,
    pid: i32,
    tid: i32,
    keep: Keep,
) -> Option<(u64, u64)> {
    let mut path = [0_u8; 40];
    let name = name_of(&mut path, tid, "schedstat");
    let text = folder.read(&mut files.schedstat, pid, name, keep).ok()?;
    if let Some(sched) = procfs::sched(text) {
        return Some((sched.run_ns, sched.turns));
    }
    // The kernel does not count; or it is so new that it has not run.
    let text = folder.read(&mut None, pid, &format!("task/{tid}/status"), Keep::Nothing).ok()?;
    Some((0, Status::parse(text).switches))
}

/// `task/TID/NAME`, without asking for memory: this is done for every thread at every tick.
fn name_of<'a>(path: &'a mut [u8; 40], tid: i32, name: &str) -> &'a str {
    use std::io::Write;
    let mut rest = path.as_mut_slice();
    let _it_has_room = write!(rest, "task/{tid}/{name}");
    let left = rest.len();
    std::str::from_utf8(&path[..40 - left]).unwrap_or_default()
}

/// The process of a thread; its own number when it has ended.
pub fn leader_of(tid: i32) -> i32 {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    group.and_then(|n| n.trim().parse().ok()).unwrap_or(tid)
}

/// The parent of a process that has ended with all its threads and is still listed.
pub fn unreaped(pid: i32) -> Option<i32> {
    let n_threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.count();
    let stat = Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)?;
    (stat.is_dead() && n_threads == 1).then_some(stat.parent)
}

/// Whose system calls the program of a thread makes; `None` when that cannot be told.
pub fn machine_of(live_tid: i32) -> Option<Machine> {
    status::machine(&fs::read(format!("/proc/{live_tid}/auxv")).ok()?)
}

/// Why a process may not be looked at, as far as that can be told from outside.
fn why_forbidden(pid: i32) -> String {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    let owner = || Some(fs::metadata(format!("/proc/{pid}")).ok()?.uid());
    let status = fs::read(format!("/proc/{pid}/status")).map(|text| Status::parse(&text));
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let why = match status {
        Ok(status) if own != 0 && status.user != own => "other user",
        _ if own != 0 && owner() == Some(0) => "setuid, or its program may not be read",
        _ if !matches!(yama.trim(), "" | "0") => "ptrace_scope of this system",
        _ => "more rights than ganger",
    };
    format!("permission denied ({why})")
}
