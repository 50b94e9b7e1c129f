//! Waits for data in a pipe, and for room in one.
//!
//! Who reads waits for those who have the end for writing, and the other way round; the process
//! itself may have both. Data comes, or the last of them closes.

use super::descriptors::{self, Target};
use super::kinds::{Fact, Wait, outside};
use super::process::Process;
use super::scene::{Hidden, Scene};
use super::syscall::Sys;
use crate::model::waits::{Certainty, Holder, WaitKind, Waker};
use std::collections::BTreeSet;

/// What is waited for at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Data,
    Room,
}

/// Says what a thread in read(2) or write(2) of a pipe waits for.
pub fn collect(scene: &Scene, wait: &Wait) -> Option<Fact> {
    let fd = wait.call.int(0);
    let direction = if wait.call.sys == Sys::Read { Direction::Data } else { Direction::Room };
    match descriptors::read_target(wait.process.live_tid, fd) {
        Ok(Target::Pipe(inode)) => Some(until_ready(scene, &wait.process, fd, inode, direction)),
        _ => None,
    }
}

/// Says what has to happen for a pipe to have data, or room.
pub fn until_ready(
    scene: &Scene,
    process: &Process,
    fd: i32,
    inode: u64,
    direction: Direction,
) -> Fact {
    let mut pids = BTreeSet::new();
    for end in scene.ends(&Target::Pipe(inode)) {
        // One that cannot be read may be either end.
        let is_other = descriptors::read_info(end.tid, end.fd).map_or(true, |i| match direction {
            Direction::Data => i.can_write(),
            Direction::Room => i.can_read(),
        });
        if is_other {
            pids.insert(end.pid);
        }
    }
    let mut wakers: Vec<Waker> = pids.iter().map(|pid| scene.waker(*pid)).collect();
    // The kernel would have ended the wait if there were none.
    if wakers.is_empty() {
        wakers.push(outside("whoever has the other end, which is not visible"));
    }
    wakers.extend(scene.hidden_near(process, Hidden::Files));
    let (kind, by_signal) = match direction {
        Direction::Data => (WaitKind::PipeRead, true),
        Direction::Room => (WaitKind::PipeWrite, false),
    };
    let mut fact = Fact::new(kind, format!("pipe:[{inode}]")).named(format!("fd {fd}"));
    let proven = pids.len() == 1;
    fact.holders = pids
        .iter()
        .filter_map(|pid| scene.proc_ref(*pid))
        .map(|proc| Holder { proc, tid: None, proven })
        .collect();
    fact.certainty = Certainty::Proven;
    fact.ends_by_signal = by_signal;
    fact.need(wakers)
}
