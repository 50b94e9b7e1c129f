//! Who has something not yet and may get it: by its name, or with a descriptor that is on its way
//! over a socket. A wait that such a process could end may end.

use super::kinds::outside;
use super::maps::Mapping;
use super::process::Process;
use super::scene::{Scene, Shared};
use crate::model::waits::Waker;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The names of files in the `/dev/shm` of a mount namespace, by device and inode.
pub type ShmNames = HashMap<(u64, u64), String>;

/// Those who have not mapped a piece of shared memory and may do so yet.
pub fn later_sharers(
    scene: &Scene,
    process: &Process,
    mapping: &Mapping,
    shared: Shared,
) -> Vec<Waker> {
    let seen: BTreeSet<i32> = scene.mapped(shared).iter().map(|mapped| mapped.pid).collect();
    let mut wakers = Vec::new();
    match name_of(scene, process, mapping) {
        // `multiprocessing` hands these names to the processes that it starts, which open them
        // when they have imported what they need; nobody else knows them.
        Some(name) if name.starts_with("sem.mp-") => {
            // They are of its session, as other jobs of a run are not.
            let near = scene.stats().filter(|(_, s)| s.session == process.stat.session);
            let pids = near.map(|(pid, _)| pid);
            let may_open = |pid: &i32| {
                scene.is_in_tree(*pid) && !seen.contains(pid) && !is_helper(scene, *pid)
            };
            let alive = |pid: &i32| scene.process(*pid).is_some_and(|p| !p.is_dead());
            wakers.extend(pids.filter(may_open).filter(alive).map(|pid| scene.waker(pid)));
        }
        Some(name) => wakers.push(outside(&format!("whoever opens `{name}`"))),
        // Without a name it may still be open, and be mapped later.
        None => {
            let open = scene.memory_files().iter().filter(|end| !seen.contains(&end.pid));
            let is_it = |inode: u64| inode == shared.inode;
            let open = open.filter(|end| scene.info(**end).is_some_and(|info| is_it(info.inode)));
            let pids: BTreeSet<i32> = open.map(|end| end.pid).collect();
            wakers.extend(pids.into_iter().map(|pid| scene.waker(pid)));
        }
    }
    wakers
}

/// A name under which others may open the file of a mapping: that of a semaphore or a piece of
/// shared memory without its folder, else a path.
fn name_of(scene: &Scene, process: &Process, mapping: &Mapping) -> Option<String> {
    let path = mapping.file()?;
    if path.starts_with("/dev/shm/") {
        // Whoever made a semaphore sees its file as deleted.
        let device = libc::makedev(mapping.device.major, mapping.device.minor);
        return scene.shm_names(process).get(&(device, mapping.inode)).cloned();
    }
    if let Some(key) = path.strip_prefix("/SYSV") {
        return (key != "00000000").then(|| format!("the key {key}"));
    }
    if mapping.path.ends_with(" (deleted)") || path == "/dev/zero" || path.starts_with("/memfd:") {
        return None;
    }
    Some(path.to_owned())
}

/// Reads the names in the `/dev/shm` that a process sees.
pub fn read_shm_names(live_tid: i32) -> ShmNames {
    let entries = fs::read_dir(format!("/proc/{live_tid}/root/dev/shm")).into_iter().flatten();
    let named = entries.flatten().filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        Some(((meta.dev(), meta.ino()), entry.file_name().to_string_lossy().into_owned()))
    });
    named.collect()
}

/// The mount namespace of a process: those in the same one see the same names.
pub fn mounts_of(live_tid: i32) -> PathBuf {
    fs::read_link(format!("/proc/{live_tid}/ns/mnt")).unwrap_or_default()
}

/// Processes that `multiprocessing` starts for itself: one keeps count of names, one forks others
/// when it is asked to. Neither opens a lock.
fn is_helper(scene: &Scene, pid: i32) -> bool {
    const FORKSERVER: &str = "from multiprocessing.forkserver import main";
    const TRACKERS: [&str; 2] = [
        "from multiprocessing.resource_tracker import main",
        "from multiprocessing.semaphore_tracker import main",
    ];
    let says = |pid: i32, words: &str| {
        let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(words)
    };
    let parent = scene.stat(pid).map_or(0, |stat| stat.parent);
    // What a forkserver has forked has the same words.
    TRACKERS.iter().any(|words| says(pid, words))
        || (says(pid, FORKSERVER) && !says(parent, FORKSERVER))
}

/// Doubt about descriptors that were sent over a socket and not received yet: whoever receives
/// one has what it leads to.
pub fn in_flight(scene: &Scene) -> Option<Waker> {
    scene.has_in_flight().then(|| outside("whoever receives a descriptor that is on its way"))
}

/// Whether an unread message in any of the sockets of the tree carries a descriptor.
pub fn any_in_flight(scene: &Scene) -> bool {
    scene.sockets().any(|end| {
        scene.is_in_tree(end.pid) && scene.info(end).is_some_and(|info| info.in_flight > 0)
    })
}
