//! Waits for any of several files: poll(2), select(2), epoll_wait(2) and their kin.

use super::descriptors::{self, Target};
use super::kinds::{Fact, Wait, outside};
use super::memory::i32_in;
use super::process::Process;
use super::ready::{Direction, until_ready};
use super::scene::{End, Scene};
use super::syscall::Sys;
use crate::model::waits::{Certainty, WaitKind, Waker};

pub const CALLS: &[Sys] = &[Sys::Poll, Sys::Ppoll, Sys::Select, Sys::EpollWait, Sys::EpollPwait2];

/// Names that are told at the most.
const MOST_NAMES: usize = 6;
/// An epoll may be watched by another one.
const DEPTH: usize = 4;

/// A file, and what would be news of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    fd: i32,
    direction: Direction,
    /// Of the file, where the kernel says it.
    inode: Option<u64>,
}

impl Asked {
    fn new(fd: i32, events: u32, inode: Option<u64>) -> Asked {
        const ROOM: u32 = (libc::POLLOUT | libc::POLLWRNORM) as u32;
        let direction = if events & ROOM != 0 { Direction::Room } else { Direction::Data };
        Asked { fd, direction, inode }
    }
}

/// Says which files a thread waits for, and who could bring news of any.
pub fn collect(scene: &Scene, wait: &Wait) -> Option<Fact> {
    let process = &*wait.process;
    let id = format!("{}:{} poll", process.pid(), wait.thread.tid);
    let Some(asked) = asked(wait) else {
        let by = "files that are not visible";
        return Some(Fact::open(WaitKind::Poll, id, by));
    };
    let is_epoll = matches!(wait.call.sys, Sys::EpollWait | Sys::EpollPwait2);
    if asked.is_empty() && !is_epoll {
        return Some(Fact::open(WaitKind::Signal, id, "a signal"));
    }
    let mut union = Union::new(id);
    union.add_all(scene, process, &asked, DEPTH);
    let mut fact = union.fact;
    // Whoever runs a command waits for its end, and for signals beside.
    if let ([end], 2, false) = (union.others.as_slice(), union.n_files, is_epoll)
        && end.kind == WaitKind::WaitChild
    {
        (fact.kind, fact.id, fact.name) = (end.kind, end.id.clone(), None);
        fact.holders.iter_mut().for_each(|holder| holder.proven = true);
    }
    if is_epoll {
        // Any thread may add files to it, and so may whoever has it too.
        fact.also(scene.waker(process.pid()));
        let own = descriptors::read_info(process.live_tid, wait.call.int(0)).unwrap_or_default();
        let of_tree = scene.ends(&Target::Epoll).iter().filter(|end| scene.is_in_tree(end.pid));
        let is_same = |end: &&End| scene.info(**end).is_none_or(|i| i.watched == own.watched);
        for end in of_tree.filter(is_same) {
            fact.also(scene.waker(end.pid));
        }
    }
    // A loop that wakes itself from the handler of Ctrl-C has no releaser but itself.
    let own = Waker::Process(process.proc);
    let is_alone = fact.needs.iter().flat_map(|need| &need.wakers).all(|waker| *waker == own);
    if is_alone && wait.status.catches(libc::SIGINT) {
        fact.also(outside("a signal (Ctrl-C)"));
    }
    Some(fact)
}

struct Union {
    fact: Fact,
    names: Vec<String>,
    n_files: usize,
    /// What is waited for besides signals.
    others: Vec<Fact>,
}

impl Union {
    fn new(id: String) -> Union {
        let mut fact = Fact::new(WaitKind::Poll, id).by_signal();
        fact.certainty = Certainty::Proven;
        Union { fact, names: Vec::new(), n_files: 0, others: Vec::new() }
    }

    fn add_all(&mut self, scene: &Scene, process: &Process, asked: &[Asked], depth: usize) {
        for one in asked {
            self.add(scene, process, *one, depth);
        }
        let more = self.n_files - self.names.len();
        let mut name = self.names.join(", ");
        if more > 0 {
            name += &format!(" and {more} more");
        }
        self.fact.name = (!name.is_empty()).then_some(name);
        let single = self.n_files == 1;
        self.fact.holders.sort_by_key(|h| (h.proc, h.tid));
        self.fact.holders.dedup();
        self.fact.holders.iter_mut().for_each(|h| h.proven &= single);
    }

    fn add(&mut self, scene: &Scene, process: &Process, asked: Asked, depth: usize) {
        let Asked { fd, direction, inode } = asked;
        self.n_files += 1;
        let target = descriptors::read_target(process.live_tid, fd).ok();
        if self.names.len() < MOST_NAMES {
            let shown = target.as_ref().map_or_else(|| "closed".to_owned(), Target::to_string);
            self.names.push(format!("fd {fd} ({shown})"));
        }
        let is_signals = target == Some(Target::Signals);
        let own = match &target {
            Some(Target::Pipe(own) | Target::Socket(own)) => Some(*own),
            _ => None,
        };
        let is_other = inode.is_some() && own.is_some() && own != inode;
        let fact = match target {
            // What an epoll watches stays watched while a copy of the descriptor is open.
            None => Fact::open(WaitKind::Poll, String::new(), "a file that is not visible"),
            _ if is_other => Fact::open(WaitKind::Poll, String::new(), "a file that was closed"),
            Some(Target::Epoll) if depth > 0 => {
                let info = descriptors::read_info(process.live_tid, fd).unwrap_or_default();
                let mut inner = Union::new(String::new());
                inner.add_all(scene, process, &watched(&info), depth - 1);
                inner.fact.also(scene.waker(process.pid()));
                inner.fact
            }
            // An end of a pipe has news of the other, whatever it is asked for.
            Some(Target::Pipe(_)) => {
                let info = descriptors::read_info(process.live_tid, fd).unwrap_or_default();
                match (info.can_read(), info.can_write()) {
                    (true, false) => until_ready(scene, process, fd, Direction::Data),
                    (false, true) => until_ready(scene, process, fd, Direction::Room),
                    _ => until_ready(scene, process, fd, direction),
                }
            }
            Some(_) => until_ready(scene, process, fd, direction),
        };
        if !is_signals {
            self.others.push(fact.clone());
        }
        self.fact.certainty = self.fact.certainty.max(fact.certainty);
        for waker in fact.needs.into_iter().flat_map(|need| need.wakers) {
            self.fact.also(waker);
        }
        self.fact.holders.extend(fact.holders);
    }
}

/// The files of a call; `None` where they cannot be read.
fn asked(wait: &Wait) -> Option<Vec<Asked>> {
    let [first, second, third, fourth, ..] = wait.call.args;
    match wait.call.sys {
        Sys::Poll | Sys::Ppoll => {
            // The kernel takes no more than a process may have open.
            let n = usize::try_from(second as u32).ok().filter(|n| *n <= 1 << 20)?;
            let mut bytes = vec![0; 8 * n];
            wait.memory().read(first, &mut bytes).ok()?;
            Some(polled(&bytes))
        }
        Sys::Select => {
            let n = usize::try_from(wait.call.int(0)).ok().filter(|n| *n <= 1 << 20)?;
            let set = |address: u64| {
                let mut bits = vec![0; n.div_ceil(64) * 8];
                let read = address != 0 && n > 0;
                if read {
                    wait.memory().read(address, &mut bits).ok()?;
                }
                Some(bits)
            };
            Some(selected(n, &set(second)?, &set(third)?, &set(fourth)?))
        }
        _ => {
            let fd = wait.call.int(0);
            descriptors::read_info(wait.process.live_tid, fd).ok().map(|info| watched(&info))
        }
    }
}

/// `struct pollfd`: i32 fd, i16 events, i16 revents. Those below zero are left out, as the kernel
/// does.
fn polled(bytes: &[u8]) -> Vec<Asked> {
    let (files, _) = bytes.as_chunks::<8>();
    let file = |file: &[u8; 8]| {
        let (fd, events) = (i32_in(file, 0)?, i32_in(file, 4)? as u16);
        (fd >= 0).then(|| Asked::new(fd, events.into(), None))
    };
    files.iter().filter_map(file).collect()
}

/// Three sets of bits: for data, for room, for what is exceptional.
fn selected(n: usize, data: &[u8], room: &[u8], exceptional: &[u8]) -> Vec<Asked> {
    let has = |set: &[u8], fd: usize| set.get(fd / 8).is_some_and(|b| b >> (fd % 8) & 1 == 1);
    let mut asked = Vec::new();
    for fd in 0..n {
        let number = i32::try_from(fd).unwrap_or(-1);
        if has(data, fd) || has(exceptional, fd) {
            asked.push(Asked { fd: number, direction: Direction::Data, inode: None });
        }
        if has(room, fd) {
            asked.push(Asked { fd: number, direction: Direction::Room, inode: None });
        }
    }
    asked
}

/// What an epoll watches. One that is to tell once and has told waits until it is asked again.
fn watched(info: &descriptors::FdInfo) -> Vec<Asked> {
    const TOLD: u32 = libc::EPOLLONESHOT as u32;
    let is_on = |w: &&descriptors::Watched| w.events & !(libc::EPOLLET as u32) != TOLD;
    let files = info.watched.iter().filter(is_on);
    files.map(|w| Asked::new(w.fd, w.events, Some(w.inode))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(fd: i32, direction: Direction) -> Asked {
        Asked { fd, direction, inode: None }
    }

    #[test]
    fn arrays_and_sets_are_read() {
        let mut bytes = Vec::new();
        for (fd, events) in [(3_i32, libc::POLLIN), (-1, libc::POLLIN), (5, libc::POLLOUT)] {
            bytes.extend(fd.to_le_bytes());
            bytes.extend(events.to_le_bytes());
            bytes.extend([0, 0]);
        }
        let (data, room) = (Direction::Data, Direction::Room);
        assert_eq!(polled(&bytes), [asked(3, data), asked(5, room)]);

        let mut set = [0_u8; 16];
        set[0] = 1 << 3;
        set[8] = 1 << 6;
        let found = selected(71, &set, &[1 << 3, 0], &[]);
        assert_eq!(found, [asked(3, data), asked(3, room), asked(70, data)]);
        assert_eq!(selected(70, &set, &[], &[]), [asked(3, data)], "beyond what is asked for");
    }

    #[test]
    fn an_epoll_that_has_told_once_waits_to_be_asked() {
        let of = |events| descriptors::Watched { fd: 3, events, inode: 9 };
        let info = descriptors::FdInfo {
            watched: vec![of(0x4000_0000), of(0xc000_0000), of(1), of(0x8000_0004)],
            ..descriptors::FdInfo::default()
        };
        let directions: Vec<Direction> = watched(&info).iter().map(|a| a.direction).collect();
        assert_eq!(directions, [Direction::Data, Direction::Room]);
    }
}
