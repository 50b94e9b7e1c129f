//! Pipes: who reads one waits for those who have the end for writing, and the other way round.
//! The process itself may have both. Data comes, or the last of them closes.

use super::descriptors::Target;
use super::kinds::Fact;
use super::process::Process;
use super::ready::{Direction, for_holders};
use super::scene::Scene;
use crate::model::waits::WaitKind;
use std::collections::BTreeSet;

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
        let is_other = scene.info(*end).is_none_or(|info| match direction {
            Direction::Data => info.can_write(),
            Direction::Room => info.can_read(),
        });
        if is_other {
            pids.insert(end.pid);
        }
    }
    let kind = match direction {
        Direction::Data => WaitKind::PipeRead,
        Direction::Room => WaitKind::PipeWrite,
    };
    let mut fact = Fact::new(kind, format!("pipe:[{inode}]")).named(format!("fd {fd}"));
    fact.ends_by_signal = direction == Direction::Data;
    for_holders(scene, process, fact, &pids, &BTreeSet::new())
}
