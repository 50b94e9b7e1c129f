//! What has to happen for an open file to have data, or room: asked by calls that wait for one
//! file, and by those that wait for any of many.

use super::descriptors::{self, Target};
use super::kinds::{Fact, outside};
use super::process::Process;
use super::reach;
use super::scene::{Access, Hidden, Scene};
use super::{event, pipe, socket};
use crate::model::waits::{Certainty, Holder, WaitKind, Waker};
use std::collections::BTreeSet;
use std::os::fd::AsFd;

/// What is waited for at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Data,
    Room,
}

/// Says who could let a descriptor of a process have data, or room.
pub fn until_ready(scene: &Scene, process: &Process, fd: i32, direction: Direction) -> Fact {
    let Ok(target) = descriptors::read_target(process.live_tid, fd) else {
        let id = format!("{} fd {fd}", process.pid());
        return Fact::open(WaitKind::Unknown, id, "a file that is not visible");
    };
    match &target {
        Target::Pipe(inode) => pipe::until_ready(scene, process, fd, *inode, direction),
        Target::Socket(inode) => socket::until_ready(scene, process, fd, *inode, direction),
        Target::Event | Target::Timer | Target::Pidfd => {
            event::until_ready(scene, process, fd, &target)
        }
        Target::Path(path) => of_path(process, fd, path),
        Target::Signals => unknown(process, fd, &target, "a signal"),
        Target::Uring => unknown(process, fd, &target, "a request of io_uring"),
        Target::Epoll | Target::Other(_) => unknown(process, fd, &target, "an event"),
    }
}

fn unknown(process: &Process, fd: i32, target: &Target, by: &str) -> Fact {
    let id = format!("{} fd {fd}", process.pid());
    Fact::open(WaitKind::Unknown, id, by).named(format!("fd {fd} ({target})"))
}

/// Files that have a name: anybody may open them.
fn of_path(process: &Process, fd: i32, path: &str) -> Fact {
    let is_terminal = ["/dev/pts/", "/dev/tty", "/dev/console"].iter().any(|d| path.starts_with(d));
    let (kind, by) = if is_terminal {
        (WaitKind::Unknown, "whoever types at the terminal")
    } else if is_fifo(rustix::fs::CWD, &format!("/proc/{}/fd/{fd}", process.live_tid)) == Some(true)
    {
        (WaitKind::Fifo, "whoever opens the FIFO")
    } else {
        (WaitKind::Unknown, "whatever is behind the file")
    };
    Fact::open(kind, path.to_owned(), by).named(path.to_owned())
}

/// Whether there is a FIFO at a path, or behind a descriptor; `None` when that is not to be seen.
/// Never asks a disk.
pub fn is_fifo(from: impl AsFd, path: &str) -> Option<bool> {
    use rustix::fs::{AtFlags, FileType, StatxFlags, statx};
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::EMPTY_PATH;
    let found = statx(from, path, flags, StatxFlags::TYPE).ok()?;
    Some(FileType::from_raw_mode(found.stx_mode.into()) == FileType::Fifo)
}

/// A wait for those who have another end of something open: `named` are told, `others` could end
/// it as well. The kernel ends the wait when nobody has it, so there is somebody: if none is
/// found, one that is not visible.
pub fn for_holders(
    scene: &Scene,
    process: &Process,
    mut fact: Fact,
    named: &BTreeSet<i32>,
    others: &BTreeSet<i32>,
) -> Fact {
    let seen: BTreeSet<i32> = named.union(others).copied().collect();
    let mut wakers: BTreeSet<Waker> = seen.iter().map(|pid| scene.waker(*pid)).collect();
    if named.is_empty() {
        wakers.insert(outside("whoever has the other end, which is not visible"));
    }
    wakers.extend(scene.hidden_near(process, Hidden::Files, Access::Inherited(&seen)));
    wakers.extend(reach::in_flight(scene));
    let proven = named.len() == 1;
    let refs = named.iter().filter_map(|pid| scene.proc_ref(*pid));
    fact.holders = refs.map(|proc| Holder { proc, tid: None, proven }).collect();
    fact.certainty = Certainty::Proven;
    fact.need(wakers.into_iter().collect())
}
