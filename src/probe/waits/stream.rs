//! Waits for one file: to read something from it, or to write something to it.

use super::descriptors::{self, Target};
use super::kinds::{Fact, Wait, outside};
use super::ready::{Direction, until_ready};
use super::scene::Scene;
use super::socket;
use super::syscall::Sys;

pub const CALLS: &[Sys] = &[
    Sys::Read,
    Sys::Write,
    Sys::Recv,
    Sys::Recvmmsg,
    Sys::Send,
    Sys::Sendfile,
    Sys::Splice,
    Sys::Tee,
    Sys::Vmsplice,
];

/// Says what a thread in such a call waits for.
pub fn collect(scene: &Scene, wait: &Wait) -> Option<Fact> {
    let fd = wait.call.int(0);
    Some(match wait.call.sys {
        Sys::Read | Sys::Recv | Sys::Recvmmsg => one(scene, wait, fd, Direction::Data),
        Sys::Write | Sys::Send | Sys::Sendfile => one(scene, wait, fd, Direction::Room),
        Sys::Splice => either(scene, wait, fd, wait.call.int(2)),
        Sys::Tee => either(scene, wait, fd, wait.call.int(1)),
        // Which way it goes is said by the end of the pipe.
        Sys::Vmsplice => {
            let info = descriptors::read_info(wait.process.live_tid, fd);
            let writes = info.is_ok_and(|info| info.can_write());
            one(scene, wait, fd, if writes { Direction::Room } else { Direction::Data })
        }
        _ => return None,
    })
}

fn one(scene: &Scene, wait: &Wait, fd: i32, direction: Direction) -> Fact {
    let mut fact = until_ready(scene, &wait.process, fd, direction);
    if matches!(target(wait, fd), Some(Target::Socket(_))) {
        match socket::is_limited(wait.process.pid(), fd, direction) {
            Some(false) => {}
            Some(true) => fact.also(outside("the time limit of the socket")),
            None => fact.also(outside("a time limit, if the socket has one")),
        }
    }
    // How programs without other means limit the time of a call.
    if wait.has_timer() {
        fact.also(outside("a timer of its own"));
    }
    fact
}

/// From one file to another: it is not said for which of them it waits.
fn either(scene: &Scene, wait: &Wait, from: i32, to: i32) -> Fact {
    let streams = [(from, Direction::Data), (to, Direction::Room)]
        .into_iter()
        .filter(|(fd, _)| !matches!(target(wait, *fd), Some(Target::Path(_))));
    let facts: Vec<Fact> = streams.map(|(fd, way)| one(scene, wait, fd, way)).collect();
    let mut facts = facts.into_iter();
    let Some(mut fact) = facts.next() else { return one(scene, wait, from, Direction::Data) };
    for other in facts {
        fact.ends_by_signal |= other.ends_by_signal;
        fact.certainty = fact.certainty.max(other.certainty);
        other.needs.into_iter().flat_map(|need| need.wakers).for_each(|waker| fact.also(waker));
        fact.holders.extend(other.holders);
        fact.holders.iter_mut().for_each(|holder| holder.proven = false);
    }
    fact
}

fn target(wait: &Wait, fd: i32) -> Option<Target> {
    descriptors::read_target(wait.process.live_tid, fd).ok()
}
