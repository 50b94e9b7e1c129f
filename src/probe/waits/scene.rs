//! All that one look may need to know of the system, read when it is first asked for and then
//! kept until the look is over: nothing here is older than the look.

use super::cancel::Callers;
use super::descriptors::{self, Descriptor, FdInfo, Target};
use super::file_lock::LockLine;
use super::kinds::outside;
use super::maps::{Device, Maps};
use super::process::{Files, Process, read_thread};
use super::reach::{self, ShmNames};
use super::socket::{self, TcpTable, Unix};
use super::status::Stat;
use crate::model::ids::ProcRef;
use crate::model::waits::{NotVisible, Waker};
use crate::probe::files::{Folder, Keep};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

pub struct Scene {
    /// Every process of the system.
    stats: BTreeMap<i32, Stat>,
    processes: RefCell<HashMap<i32, Option<Rc<Process>>>>,
    tree: HashSet<i32>,
    folder: RefCell<Folder>,
    callers: RefCell<Callers>,
    own_pid: i32,
    ends: OnceCell<Ends>,
    locks: OnceCell<Vec<LockLine>>,
    held: OnceCell<Vec<Held>>,
    shared: OnceCell<SharedMemory>,
    unix: OnceCell<HashMap<u64, Unix>>,
    tcp: RefCell<HashMap<PathBuf, Rc<TcpTable>>>,
    /// Of ends that were asked about; `None` where that cannot be read.
    infos: RefCell<HashMap<End, Option<Rc<FdInfo>>>>,
    shm_names: RefCell<HashMap<PathBuf, Rc<ShmNames>>>,
    in_flight: OnceCell<bool>,
    pub not_visible: RefCell<BTreeSet<NotVisible>>,
}

/// What a look uses that outlives it.
pub struct Lent {
    pub folder: Folder,
    pub callers: Callers,
}

/// Something that processes hold which an unreadable one may hold unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    Files,
    Memory,
}

/// How processes come to have something.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a> {
    /// From their parents, as with pipes; these are seen to have it.
    Inherited(&'a BTreeSet<i32>),
    /// By its name as well.
    Named,
}

/// A descriptor of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    pub pid: i32,
    /// Through which to read more of it.
    pub tid: i32,
    pub fd: i32,
}

/// Who has which pipe, socket and so on open.
#[derive(Debug, Default)]
struct Ends {
    by_target: HashMap<Target, Vec<End>>,
    /// Those with a path, which may be locked.
    files: Vec<End>,
    /// Those of them that lead to memory.
    memory: Vec<End>,
    /// Processes whose descriptors are not seen, and those that have some beside their table.
    hidden: HashMap<i32, &'static str>,
}

/// A lock that belongs to an open file, and a process that has that open.
#[derive(Clone, Debug)]
pub struct Held {
    pub pid: i32,
    /// The number of the mount that the file is on.
    pub mount: u64,
    pub lock: LockLine,
}

/// Memory that several processes can have in common: a place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shared {
    pub device: Device,
    pub inode: u64,
    pub offset: u64,
    /// Processes that did not inherit it may get it by a name.
    pub has_name: bool,
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}+{:#x}", self.device, self.inode, self.offset)
    }
}

/// A process that has a piece of shared memory, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    pub pid: i32,
    pub address: u64,
}

#[derive(Debug, Default)]
struct SharedMemory {
    by_file: HashMap<(Device, u64), Vec<Stretch>>,
    hidden: HashSet<i32>,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    pid: i32,
    start: u64,
    len: u64,
    offset: u64,
}

impl Scene {
    pub fn new(stats: BTreeMap<i32, Stat>, tree: Vec<Process>, lent: Lent) -> Scene {
        let Lent { folder, mut callers } = lent;
        callers.begin_look();
        Scene {
            stats,
            tree: tree.iter().map(Process::pid).collect(),
            processes: RefCell::new(
                tree.into_iter().map(|p| (p.pid(), Some(Rc::new(p)))).collect(),
            ),
            folder: RefCell::new(folder),
            callers: RefCell::new(callers),
            own_pid: std::process::id().cast_signed(),
            ends: OnceCell::new(),
            locks: OnceCell::new(),
            held: OnceCell::new(),
            shared: OnceCell::new(),
            unix: OnceCell::new(),
            tcp: RefCell::default(),
            infos: RefCell::default(),
            shm_names: RefCell::default(),
            in_flight: OnceCell::new(),
            not_visible: RefCell::default(),
        }
    }

    /// Gives back what was lent.
    pub fn into_lent(self) -> Lent {
        Lent { folder: self.folder.into_inner(), callers: self.callers.into_inner() }
    }

    /// What was read of a process at the start of the look; `None` when there was none.
    pub fn stat(&self, pid: i32) -> Option<&Stat> {
        self.stats.get(&pid)
    }

    /// Every process of the system, by pid.
    pub fn stats(&self) -> impl Iterator<Item = (i32, &Stat)> {
        self.stats.iter().map(|(pid, stat)| (*pid, stat))
    }

    pub fn is_in_tree(&self, pid: i32) -> bool {
        self.tree.contains(&pid)
    }

    pub fn proc_ref(&self, pid: i32) -> Option<ProcRef> {
        Some(ProcRef { pid, start_ticks: self.stats.get(&pid)?.start_ticks })
    }

    /// A process with its threads; `None` when it is gone.
    pub fn process(&self, pid: i32) -> Option<Rc<Process>> {
        if let Some(known) = self.processes.borrow().get(&pid) {
            return known.clone();
        }
        let read = self.read_process(pid).map(Rc::new);
        self.processes.borrow_mut().insert(pid, read.clone());
        read
    }

    fn read_process(&self, pid: i32) -> Option<Process> {
        let stat = self.stats.get(&pid)?.clone();
        let mut folder = self.folder.borrow_mut();
        let mut readings = Vec::new();
        for tid in folder.numbers(&format!("{pid}/task")) {
            let read = read_thread(&mut folder, &mut Files::default(), pid, tid, Keep::Nothing);
            readings.extend(read.map(|reading| (tid, reading)));
        }
        // Another one has its number by now.
        let leader = readings.iter().find(|(tid, _)| *tid == pid);
        if leader.is_some_and(|(_, r)| r.stat.start_ticks != stat.start_ticks) {
            return None;
        }
        (!readings.is_empty()).then(|| Process::new(pid, stat, readings))
    }

    /// Whoever can do something in the name of a process.
    pub fn waker(&self, pid: i32) -> Waker {
        if pid == self.own_pid {
            return outside("this ganger");
        }
        match self.proc_ref(pid) {
            Some(proc) if !self.process(pid).is_none_or(|p| p.is_dead()) => Waker::Process(proc),
            _ => outside("a process that is not visible"),
        }
    }

    /// Doubt about what cannot be seen: a process of the tree, or of the session of `of`, may
    /// have what is asked for, besides those that are seen to have it.
    pub fn hidden_near(&self, of: &Process, what: Hidden, access: Access<'_>) -> Option<Waker> {
        let is_near = |pid: i32| {
            let is_there = self.stats.get(&pid).is_some_and(|s| shares_session(&of.stat, pid, s));
            let is_near = pid != of.pid() && (is_there || self.tree.contains(&pid));
            is_near && !self.is_cut_off(pid, of, what, access)
        };
        match what {
            Hidden::Files => {
                let hidden = self.all_ends().hidden.iter().filter(|(pid, _)| is_near(**pid));
                hidden.min().map(|(pid, why)| outside(&format!("process {pid}, {why}")))
            }
            Hidden::Memory => {
                let hidden = self.shared().hidden.iter().filter(|pid| is_near(**pid));
                let words = |pid| outside(&format!("process {pid}, whose memory is not visible"));
                hidden.min().map(words)
            }
        }
    }

    /// Whether what is only inherited cannot have come to a hidden process, since an ancestor of
    /// `of` that is seen does not have it: then it is from below that ancestor. So it is with
    /// sudo, su, sshd, and with whatever a container began with: root's process runs a shell, and
    /// programs of the shell share something among themselves.
    fn is_cut_off(&self, pid: i32, of: &Process, what: Hidden, access: Access<'_>) -> bool {
        let Access::Inherited(seen) = access else { return false };
        let above = self.ancestors(of.pid());
        let is_without = |pid: &i32| !seen.contains(pid) && !self.hides(*pid, what);
        let Some(at) = above.iter().position(is_without) else { return false };
        let (without, above) = (above[at], &above[at + 1..]);
        if above.contains(&pid) {
            return true;
        }
        if self.ancestors(pid).contains(&without) {
            return false;
        }
        let started = |pid: i32| self.stats.get(&pid).map(|stat| stat.start_ticks);
        let is_older = started(pid) < started(without);
        // An orphan of somebody below has been given to one that is above.
        let parent = self.stats.get(&pid).map_or(0, |stat| stat.parent);
        is_older || !above.contains(&parent)
    }

    /// The parent, its parent and so on.
    fn ancestors(&self, pid: i32) -> Vec<i32> {
        let mut above = Vec::new();
        let mut at = pid;
        while let Some(stat) = self.stats.get(&at).filter(|stat| stat.parent > 0) {
            at = stat.parent;
            // Numbers may have been given again while they were read.
            if above.contains(&at) {
                break;
            }
            above.push(at);
        }
        above
    }

    fn hides(&self, pid: i32, what: Hidden) -> bool {
        match what {
            Hidden::Files => self.all_ends().hidden.contains_key(&pid),
            Hidden::Memory => self.shared().hidden.contains(&pid),
        }
    }

    /// Says that something could not be looked at.
    pub fn note(&self, pid: i32, what: &str, why: &str) {
        let note = NotVisible { pid, what: what.to_owned(), why: why.to_owned() };
        self.not_visible.borrow_mut().insert(note);
    }

    /// All descriptors of visible processes that lead to the same pipe or socket, or to any of
    /// the objects of one kind.
    pub fn ends(&self, of: &Target) -> &[End] {
        self.all_ends().by_target.get(of).map_or(&[], Vec::as_slice)
    }

    /// What is known of an end, read once for all who wait for it.
    pub fn info(&self, end: End) -> Option<Rc<FdInfo>> {
        let read = || descriptors::read_info(end.tid, end.fd).ok().map(Rc::new);
        self.infos.borrow_mut().entry(end).or_insert_with(read).clone()
    }

    /// All descriptors of visible processes that lead to memory.
    pub fn memory_files(&self) -> &[End] {
        &self.all_ends().memory
    }

    /// All descriptors of visible processes that lead to sockets.
    pub fn sockets(&self) -> impl Iterator<Item = End> {
        let all = self.all_ends().by_target.iter();
        let sockets = all.filter(|(target, _)| matches!(target, Target::Socket(_)));
        sockets.flat_map(|(_, ends)| ends.iter().copied())
    }

    /// The names in the `/dev/shm` that a process sees.
    pub fn shm_names(&self, process: &Process) -> Rc<ShmNames> {
        let mut known = self.shm_names.borrow_mut();
        let read = || Rc::new(reach::read_shm_names(process.live_tid));
        Rc::clone(known.entry(reach::mounts_of(process.live_tid)).or_insert_with(read))
    }

    /// Whether a thread of a process might cancel another one.
    pub fn may_cancel(&self, process: &Process) -> bool {
        self.callers.borrow_mut().may_cancel(process)
    }

    /// Whether a descriptor is on its way over a socket of the tree.
    pub fn has_in_flight(&self) -> bool {
        *self.in_flight.get_or_init(|| reach::any_in_flight(self))
    }

    fn all_ends(&self) -> &Ends {
        self.ends.get_or_init(|| {
            let mut ends = Ends::default();
            for (pid, stat) in &self.stats {
                ends.add(*pid, stat);
            }
            ends
        })
    }

    pub fn file_locks(&self) -> &[LockLine] {
        self.locks.get_or_init(|| LockLine::parse_all(&fs::read("/proc/locks").unwrap_or_default()))
    }

    /// All locks that belong to open files of visible processes.
    pub fn held_locks(&self) -> &[Held] {
        self.held.get_or_init(|| {
            let mut held = Vec::new();
            for end in &self.all_ends().files {
                let Some(info) = self.info(*end) else { continue };
                let of_end = |lock| Held { pid: end.pid, mount: info.mount, lock };
                held.extend(info.locks.iter().cloned().map(of_end));
            }
            held
        })
    }

    /// All Unix sockets that a process may have, by inode; `None` when it has a network of its
    /// own, which cannot be asked about.
    pub fn unix_sockets(&self, process: &Process) -> Option<&HashMap<u64, Unix>> {
        let own = fs::read_link("/proc/self/ns/net").ok()?;
        let is_here = network(process).is_some_and(|theirs| theirs == own);
        is_here.then(|| self.unix.get_or_init(|| socket::unix_sockets().unwrap_or_default()))
    }

    /// The TCP connections of the network of a process.
    pub fn tcp_sockets(&self, process: &Process) -> Rc<TcpTable> {
        let key = network(process).unwrap_or_default();
        let mut known = self.tcp.borrow_mut();
        let read = || {
            let mut table = TcpTable::default();
            for name in ["tcp", "tcp6"] {
                let path = format!("/proc/{}/net/{name}", process.live_tid);
                table.add(&fs::read(path).unwrap_or_default());
            }
            Rc::new(table)
        };
        Rc::clone(known.entry(key).or_insert_with(read))
    }

    /// Who has a piece of shared memory.
    pub fn mapped(&self, at: Shared) -> Vec<Mapped> {
        let stretches = self.shared().by_file.get(&(at.device, at.inode));
        let place = |s: &Stretch| {
            let inside = at.offset.checked_sub(s.offset).filter(|inside| *inside < s.len)?;
            Some(Mapped { pid: s.pid, address: s.start + inside })
        };
        stretches.into_iter().flatten().filter_map(place).collect()
    }

    fn shared(&self) -> &SharedMemory {
        self.shared.get_or_init(|| {
            let mut shared = SharedMemory::default();
            for (pid, stat) in &self.stats {
                shared.add(*pid, stat);
            }
            shared
        })
    }
}

impl Ends {
    fn add(&mut self, pid: i32, stat: &Stat) {
        let Some(tid) = living(pid, stat) else { return };
        match descriptors::read_all(tid) {
            Ok(found) => {
                for Descriptor { fd, target } in found {
                    let end = End { pid, tid, fd };
                    match &target {
                        Target::Path(path) if is_device(path) => continue,
                        Target::Path(path) => {
                            if path.starts_with("/memfd:") || path.starts_with("/dev/shm/") {
                                self.memory.push(end);
                            }
                            self.files.push(end);
                            continue;
                        }
                        Target::Other(_) | Target::Signals | Target::Pidfd => continue,
                        // What is registered with it is in no table, and moves by itself.
                        Target::Uring => {
                            self.hidden.insert(pid, "which uses io_uring");
                        }
                        _ => {}
                    }
                    self.by_target.entry(target).or_default().push(end);
                }
            }
            Err(error) if is_gone(&error) => {}
            Err(_) => {
                self.hidden.insert(pid, "whose files are not visible");
            }
        }
    }
}

fn is_device(path: &str) -> bool {
    path.starts_with("/dev/") && !path.starts_with("/dev/shm/")
}

impl SharedMemory {
    fn add(&mut self, pid: i32, stat: &Stat) {
        let Some(tid) = living(pid, stat) else { return };
        let text = match fs::read(format!("/proc/{tid}/maps")) {
            Ok(text) => text,
            Err(error) if is_gone(&error) => return,
            Err(_) => {
                self.hidden.insert(pid);
                return;
            }
        };
        // Most lines are libraries: only what is shared is looked at closer.
        let is_shared = |line: &&[u8]| {
            let flags = line.iter().position(|b| *b == b' ').unwrap_or(0) + 1;
            line.get(flags + 3) == Some(&b's')
        };
        let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(is_shared).collect();
        for mapping in Maps::parse(&lines.join(&b'\n')).iter() {
            let stretch =
                Stretch { pid, start: mapping.start, len: mapping.len(), offset: mapping.offset };
            self.by_file.entry((mapping.device, mapping.inode)).or_default().push(stretch);
        }
    }
}

/// Whether a process is of the session of another one. Where the leader of a session is in another
/// pid namespace its number is 0 here; then all that is known is who started whom.
fn shares_session(of: &Stat, pid: i32, stat: &Stat) -> bool {
    stat.session == of.session && (of.session != 0 || of.parent == pid)
}

/// The network namespace of a process.
fn network(process: &Process) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{}/ns/net", process.live_tid)).ok()
}

/// A thread of a process that has not ended; `None` when all have.
fn living(pid: i32, stat: &Stat) -> Option<i32> {
    if !stat.is_dead() {
        return Some(pid);
    }
    // A leader may end before its threads.
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let tids = tasks.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    tids.filter(|tid| *tid != pid).find(|tid| {
        let stat = fs::read(format!("/proc/{pid}/task/{tid}/stat")).ok();
        stat.and_then(|text| Stat::parse(&text)).is_some_and(|s| !s.is_dead())
    })
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}
