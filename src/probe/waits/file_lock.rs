//! Waits for locks on files: flock(2), and fcntl(2) of both kinds (a process's own, and those of
//! open files).
//!
//! `/proc/locks` (proc_locks(5)) names who took a lock. A FLOCK or OFD lock belongs to the open
//! file, which children inherit, so who took it may be gone: fdinfo says who has it. All
//! conflicting locks have to go, each by any of those who have it.

use super::descriptors::{self, FdInfo, Target};
use super::kinds::{Fact, Wait, outside};
use super::memory::{i32_in, u64_in};
use super::reach;
use super::scene::{Access, Held, Hidden, Scene};
use super::syscall::Sys;
use crate::model::waits::{Certainty, Holder, Need, WaitKind, Waker};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Flock,
    Posix,
    Ofd,
    /// Leases, delegations, and what may come.
    Other,
}

impl Class {
    /// Locks of the two kinds of fcntl(2) exclude each other; flock(2) stands alone.
    fn meets(self, other: Class) -> bool {
        match self {
            Class::Flock => other == Class::Flock,
            Class::Posix | Class::Ofd => matches!(other, Class::Posix | Class::Ofd),
            Class::Other => false,
        }
    }
}

/// One line of `/proc/locks`, or of a `lock:` in fdinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockLine {
    /// It does not have the lock yet.
    pub waits: bool,
    pub class: Class,
    /// Nobody else may have it.
    pub exclusive: bool,
    /// Who asked for it; -1 for locks of open files.
    pub pid: i32,
    /// `maj:min:inode`, as the kernel writes it.
    pub file: Box<str>,
    pub start: u64,
    /// The last byte; `u64::MAX` for the end of the file, wherever it will be.
    pub end: u64,
}

impl LockLine {
    /// `1: -> FLOCK  ADVISORY  WRITE 6304 fe:00:10010647 0 EOF`; `None` when it has another shape.
    pub fn parse(line: &[u8]) -> Option<LockLine> {
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(1).peekable();
        let waits = words.next_if_eq(&"->").is_some();
        let class = match words.next()? {
            "FLOCK" => Class::Flock,
            "POSIX" => Class::Posix,
            "OFDLCK" => Class::Ofd,
            _ => Class::Other,
        };
        let exclusive = words.nth(1)? != "READ";
        let pid = words.next()?.parse().ok()?;
        let file = words.next()?.into();
        let start = words.next()?.parse().ok()?;
        let end = match words.next()? {
            "EOF" => u64::MAX,
            n => n.parse().ok()?,
        };
        Some(LockLine { waits, class, exclusive, pid, file, start, end })
    }

    pub fn parse_all(text: &[u8]) -> Vec<LockLine> {
        text.split(|b| *b == b'\n').filter_map(LockLine::parse).collect()
    }

    fn excludes(&self, other: &LockLine) -> bool {
        self.class.meets(other.class)
            && self.file == other.file
            && (self.exclusive || other.exclusive)
            && self.start <= other.end
            && other.start <= self.end
    }

    /// Whether both lines may say the same lock: the numbers before them differ.
    fn is_like(&self, other: &LockLine) -> bool {
        (self.class, self.exclusive, self.pid, &self.file, self.start, self.end)
            == (other.class, other.exclusive, other.pid, &other.file, other.start, other.end)
    }
}

/// What a thread asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    class: Class,
    /// `None` where it cannot be told from the call alone.
    exclusive: Option<bool>,
    /// The first byte, where it is counted from the start of the file.
    start: Option<u64>,
}

/// Says which file lock a thread waits for, and who has it.
pub fn collect(scene: &Scene, wait: &Wait) -> Option<Fact> {
    let asked = asked(wait)?;
    let fd = wait.call.int(0);
    let tid = wait.process.live_tid;
    let path = match descriptors::read_target(tid, fd) {
        Ok(Target::Path(path)) => Some(String::from(path)),
        _ => None,
    };
    let locks = scene.file_locks();
    let info = descriptors::read_info(tid, fd).unwrap_or_default();
    let listed = waiting_line(locks, &asked, wait.process.proc.pid, info.inode);
    let unlisted = match listed {
        Some(_) => Vec::new(),
        None => unlisted(scene.held_locks(), &asked, &info, wait.process.proc.pid),
    };
    let (line, locks) = match (listed, unlisted.split_first()) {
        (Some(line), _) => (line, locks),
        (None, Some((line, held))) => (line, held),
        (None, None) => return Some(hidden(wait, fd, path)),
    };

    let mut fact = Fact::new(WaitKind::FileLock, line.file.to_string()).named(path);
    fact.certainty = Certainty::Proven;
    // The same open file may change its lock: the old one is no hindrance. One that another file
    // has may say the same, so each counts once.
    let mut of_file = info.locks.clone();
    let mut own = |lock: &LockLine| match line.class {
        Class::Posix => lock.class == Class::Posix && lock.pid == line.pid,
        _ => {
            let found = of_file.iter().position(|l| l.is_like(lock));
            found.map(|at| of_file.swap_remove(at)).is_some()
        }
    };
    let hindrances: Vec<&LockLine> =
        locks.iter().filter(|l| !l.waits && l.excludes(line) && !own(l)).collect();
    for lock in &hindrances {
        let (wakers, pids) = wakers(scene, wait, lock);
        for pid in pids {
            if let Some(proc) = scene.proc_ref(pid) {
                fact.holders.push(Holder { proc, tid: None, proven: true });
            }
        }
        fact.needs.push(Need { wakers });
    }
    if hindrances.is_empty() {
        fact = fact.need(vec![outside("a lock holder that is not visible")]);
    }
    // How flock(1) and others set themselves a time limit.
    if wait.has_timer() {
        fact.also(outside("a timer of its own"));
    }
    Some(fact)
}

fn hidden(wait: &Wait, fd: i32, path: Option<String>) -> Fact {
    let id = format!("fd {fd} of {}", wait.process.proc.pid);
    let fact = Fact::new(WaitKind::FileLock, id).named(path);
    fact.need(vec![outside("a lock holder that is not visible")])
}

/// What somebody waits for who is in no list: in a pid namespace, as in a container, the kernel
/// lists neither a lock whose taker is gone nor those who wait for it, but still says who has the
/// lock. The request comes first, then the locks on its file.
fn unlisted(held: &[Held], asked: &Asked, info: &FdInfo, pid: i32) -> Vec<LockLine> {
    let (Class::Flock, Some(exclusive)) = (asked.class, asked.exclusive) else { return Vec::new() };
    let is_here = |held: &&Held| {
        held.mount == info.mount
            && held.lock.class == Class::Flock
            && of_inode(&held.lock, info.inode)
    };
    let mut locks: Vec<LockLine> = held.iter().filter(is_here).map(|h| h.lock.clone()).collect();
    // With its taker alive it is listed; then the wait is about to be over.
    let Some(file) = locks.iter().find(|lock| lock.pid == 0).map(|lock| lock.file.clone()) else {
        return Vec::new();
    };
    // One that several processes have is one. Two that look alike count as one as well: doubt.
    locks.dedup_by(|a, b| a.is_like(b));
    let whole = LockLine {
        waits: true,
        class: Class::Flock,
        exclusive,
        pid,
        file,
        start: 0,
        end: u64::MAX,
    };
    locks.insert(0, whole);
    locks
}

fn of_inode(lock: &LockLine, inode: u64) -> bool {
    lock.file.rsplit(':').next().is_some_and(|n| n.parse() == Ok(inode))
}

/// Who could give a lock back.
fn wakers(scene: &Scene, wait: &Wait, lock: &LockLine) -> (Vec<Waker>, BTreeSet<i32>) {
    let mut pids = BTreeSet::new();
    if lock.class == Class::Posix {
        pids.insert(lock.pid);
        return (vec![scene.waker(lock.pid)], pids);
    }
    for held in scene.held_locks().iter().filter(|held| held.lock.is_like(lock)) {
        pids.insert(held.pid);
    }
    let mut wakers: Vec<Waker> = pids.iter().map(|pid| scene.waker(*pid)).collect();
    if wakers.is_empty() {
        wakers.push(outside("a lock holder that is not visible"));
    }
    wakers.extend(scene.hidden_near(&wait.process, Hidden::Files, Access::Inherited(&pids)));
    wakers.extend(reach::in_flight(scene));
    (wakers, pids)
}

fn asked(wait: &Wait) -> Option<Asked> {
    if wait.call.sys == Sys::Flock {
        let exclusive = Some(wait.call.int(1) & libc::LOCK_SH == 0);
        return Some(Asked { class: Class::Flock, exclusive, start: Some(0) });
    }
    let class = match wait.call.int(1) {
        libc::F_SETLKW => Class::Posix,
        libc::F_OFD_SETLKW => Class::Ofd,
        _ => return None,
    };
    // struct flock: i16 type, i16 whence, i64 start, i64 length.
    let found = wait.memory().array::<16>(wait.call.args[2]).ok();
    let kinds = found.and_then(|bytes| i32_in(&bytes, 0));
    let exclusive = kinds.map(|k| k as i16 != libc::F_RDLCK as i16);
    let from_start = kinds.is_some_and(|k| k >> 16 == i32::from(libc::SEEK_SET as i16));
    let start = found.and_then(|bytes| u64_in(&bytes, 8)).filter(|_| from_start);
    Some(Asked { class, exclusive, start })
}

/// Finds the line of a waiting request; `None` as well when several fit that are not equal.
fn waiting_line<'a>(
    locks: &'a [LockLine],
    asked: &Asked,
    pid: i32,
    inode: u64,
) -> Option<&'a LockLine> {
    let mut fitting = locks.iter().filter(|l| {
        l.waits
            && l.class == asked.class
            && of_inode(l, inode)
            && (l.pid == pid || asked.class == Class::Ofd)
            && asked.exclusive.is_none_or(|exclusive| exclusive == l.exclusive)
            && asked.start.is_none_or(|start| start == l.start)
    });
    let first = fitting.next()?;
    fitting.all(|l| l.is_like(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: FLOCK  ADVISORY  WRITE 5519 fe:00:10010647 0 EOF
1: -> FLOCK  ADVISORY  WRITE 5521 fe:00:10010647 0 EOF
1:  -> FLOCK  ADVISORY  READ 5523 fe:00:10010647 0 EOF
2: POSIX  ADVISORY  READ 700 00:1c:77 0 99
3: POSIX  ADVISORY  READ 701 00:1c:77 50 149
3: -> POSIX  ADVISORY  WRITE 702 00:1c:77 60 70
4: OFDLCK ADVISORY  WRITE -1 00:1c:77 200 299
4: -> POSIX  ADVISORY  WRITE 702 00:1c:77 250 EOF
5: LEASE  ACTIVE    READ 3440 fe:00:10133507 0 EOF
";

    #[test]
    fn lines_are_read() {
        let locks = LockLine::parse_all(LOCKS.as_bytes());
        assert_eq!(locks.len(), 9);
        let waiting: Vec<i32> = locks.iter().filter(|l| l.waits).map(|l| l.pid).collect();
        assert_eq!(waiting, [5521, 5523, 702, 702]);
        assert_eq!(&*locks[0].file, "fe:00:10010647");
        assert_eq!((locks[3].start, locks[3].end, locks[7].end), (0, 99, u64::MAX));
        assert_eq!(locks[6].class, Class::Ofd);
        assert_eq!(locks[8].class, Class::Other);
        assert_eq!(LockLine::parse(b"1: FLOCK"), None);
    }

    #[test]
    fn all_that_is_in_the_way_is_found() {
        let locks = LockLine::parse_all(LOCKS.as_bytes());
        let in_the_way = |waiter: usize| -> Vec<i32> {
            locks.iter().filter(|l| !l.waits && l.excludes(&locks[waiter])).map(|l| l.pid).collect()
        };
        assert_eq!(in_the_way(1), [5519]);
        assert_eq!(in_the_way(5), [700, 701], "two readers, one writer");
        assert_eq!(in_the_way(7), [-1], "locks of open files stop those of processes");
    }

    #[test]
    fn what_a_container_does_not_list_is_found_with_those_who_have_it() {
        let lock = |line: &str| LockLine::parse(line.as_bytes()).unwrap();
        let held = |pid, mount, line| Held { pid, mount, lock: lock(line) };
        let orphaned = "1: FLOCK  ADVISORY  WRITE 0 fe:00:77 0 EOF";
        let all = [
            held(10, 44, orphaned),
            held(11, 44, orphaned),
            held(12, 45, "1: FLOCK  ADVISORY  WRITE 0 fe:01:77 0 EOF"),
            held(13, 44, "1: FLOCK  ADVISORY  WRITE 0 fe:00:78 0 EOF"),
        ];
        let asked = Asked { class: Class::Flock, exclusive: Some(true), start: Some(0) };
        let info = FdInfo { inode: 77, mount: 44, ..FdInfo::default() };
        let found = unlisted(&all, &asked, &info, 20);
        assert_eq!(found.len(), 2);
        assert!(found[0].waits && found[1].excludes(&found[0]) && !found[1].waits);
        let listed = [held(10, 44, "1: FLOCK  ADVISORY  WRITE 10 fe:00:77 0 EOF")];
        assert_eq!(unlisted(&listed, &asked, &info, 20), []);
    }

    #[test]
    fn a_thread_is_found_among_those_that_wait() {
        let locks = LockLine::parse_all(LOCKS.as_bytes());
        let find = |class, exclusive, start, pid, inode| {
            let asked = Asked { class, exclusive, start };
            waiting_line(&locks, &asked, pid, inode).map(|l| l.start)
        };
        assert_eq!(find(Class::Flock, Some(true), Some(0), 5521, 10010647), Some(0));
        assert_eq!(find(Class::Flock, Some(false), Some(0), 5521, 10010647), None);
        assert_eq!(find(Class::Posix, Some(true), Some(250), 702, 77), Some(250));
        assert_eq!(find(Class::Posix, Some(true), None, 702, 77), None, "two fit");
        assert_eq!(find(Class::Flock, Some(true), Some(0), 5521, 10010648), None);
    }
}
