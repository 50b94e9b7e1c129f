//! Events that are files: eventfd(2), timerfd_create(2) and pidfd_open(2).

use super::descriptors::{self, Target};
use super::kinds::{Fact, outside};
use super::process::Process;
use super::reach;
use super::scene::{Access, End, Hidden, Scene};
use crate::model::waits::{Certainty, Holder, WaitKind, Waker};
use std::collections::BTreeSet;

/// Says who could make such a file ready.
pub fn until_ready(scene: &Scene, process: &Process, fd: i32, target: &Target) -> Fact {
    let info = descriptors::read_info(process.live_tid, fd).unwrap_or_default();
    let id = format!("{} fd {fd}", process.pid());
    let name = format!("fd {fd} ({target})");
    match target {
        Target::Pidfd => match info.pid {
            Some(pid) if pid > 0 => of_process(scene, pid).named(name),
            Some(-1) => Fact::open(WaitKind::WaitChild, id, "a process that has ended"),
            _ => Fact::open(WaitKind::WaitChild, id, "a process that is not visible"),
        },
        Target::Timer if info.armed => Fact::open(WaitKind::Time, id, "a timer").named(name),
        Target::Timer => {
            // Timers have no number: whoever has one may have this one.
            let fact = Fact::new(WaitKind::Time, id).named(name);
            let near = scene.ends(target).iter().map(|end| end.pid);
            shared(scene, process, fact, near.filter(|pid| scene.is_in_tree(*pid)))
        }
        _ => {
            let is_it = |end: &&End| {
                let other = scene.info(**end).and_then(|other| other.event_id);
                other.is_none() || other == info.event_id
            };
            let fact = Fact::new(WaitKind::Unknown, id).named(name);
            let ends = scene.ends(target).iter().filter(is_it);
            let mut fact = shared(scene, process, fact, ends.map(|end| end.pid));
            if is_used_by_kernel(process) {
                fact.also(outside("the kernel"));
            }
            fact
        }
    }
}

/// The end of a process that somebody has a descriptor of.
fn of_process(scene: &Scene, pid: i32) -> Fact {
    let is_dead = scene.process(pid).is_none_or(|p| p.is_dead());
    let waker = if is_dead { outside("a process that has ended") } else { scene.waker(pid) };
    let mut fact = Fact::new(WaitKind::WaitChild, format!("process {pid}")).need(vec![waker]);
    fact.certainty = Certainty::Proven;
    let proc = scene.proc_ref(pid);
    fact.holders.extend(proc.map(|proc| Holder { proc, tid: None, proven: true }));
    fact
}

/// Something that whoever has it may use.
fn shared(
    scene: &Scene,
    process: &Process,
    mut fact: Fact,
    pids: impl Iterator<Item = i32>,
) -> Fact {
    let mut all: BTreeSet<i32> = pids.collect();
    all.insert(process.pid());
    let mut wakers: Vec<Waker> = all.iter().map(|pid| scene.waker(*pid)).collect();
    wakers.extend(scene.hidden_near(process, Hidden::Files, Access::Inherited(&all)));
    wakers.extend(reach::in_flight(scene));
    let refs = all.iter().filter_map(|pid| scene.proc_ref(*pid));
    fact.holders = refs.map(|proc| Holder { proc, tid: None, proven: false }).collect();
    fact.by_signal().need(wakers)
}

/// Whether a process has something open through which the kernel may raise its events: notices
/// of control groups, virtual machines, devices of user space, requests that go on without it.
fn is_used_by_kernel(process: &Process) -> bool {
    let aio = process.maps().map_or(true, |maps| maps.iter().any(|m| m.path.contains("[aio]")));
    let is_source = |target: &Target| match target {
        Target::Uring => true,
        Target::Path(path) => {
            ["/sys/fs/cgroup/", "/dev/kvm", "/dev/vfio/", "/dev/vhost", "/dev/dri/", "/dev/uio"]
                .iter()
                .any(|source| path.starts_with(source))
                || path.contains("/memory.oom_control")
        }
        Target::Other(name) => {
            ["kvm", "vfio", "iommu", "sync_file"].iter().any(|source| name.contains(source))
        }
        _ => false,
    };
    let files = descriptors::read_all(process.live_tid);
    aio || files.map_or(true, |files| files.iter().any(|file| is_source(&file.target)))
}
