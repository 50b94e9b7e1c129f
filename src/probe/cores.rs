//! What does not change about cores: NUMA nodes, hardware threads, and kinds of core.
//!
//! Sources: the kernel's `Documentation/ABI/stable/sysfs-devices-node` and
//! `ABI/testing/sysfs-devices-system-cpu` (`topology`, `cpu_capacity`). Intel's hybrid machines
//! list each kind under its counter device, `/sys/devices/cpu_core` and `cpu_atom`.

use super::procfs::list;
use crate::model::{CoreInfo, CoreKind};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Returns what is known of the cores that are online, by number.
pub fn core_infos() -> Vec<CoreInfo> {
    infos_under(Path::new("/sys/devices"))
}

fn infos_under(devices: &Path) -> Vec<CoreInfo> {
    let cpus = devices.join("system/cpu");
    let cores = read_list(&cpus.join("online")).unwrap_or_default();
    let nodes = nodes(&devices.join("system/node"));
    let kinds = kinds(devices, &cores);
    let info = |core: &u32| {
        let siblings = cpus.join(format!("cpu{core}/topology/thread_siblings_list"));
        CoreInfo {
            core: *core,
            node: nodes.get(core).copied(),
            kind: kinds.get(core).copied(),
            physical: read_list(&siblings).and_then(|list| list.into_iter().min()),
        }
    };
    cores.iter().map(info).collect()
}

/// The node of each core.
fn nodes(folder: &Path) -> HashMap<u32, u32> {
    let mut nodes = HashMap::new();
    for node in read_list(&folder.join("online")).unwrap_or_default() {
        let cores = read_list(&folder.join(format!("node{node}/cpulist"))).unwrap_or_default();
        nodes.extend(cores.into_iter().map(|core| (core, node)));
    }
    nodes
}

/// The kind of each core; empty where all are alike.
fn kinds(devices: &Path, cores: &[u32]) -> HashMap<u32, CoreKind> {
    let big = read_list(&devices.join("cpu_core/cpus"));
    let small = read_list(&devices.join("cpu_atom/cpus"));
    if let (Some(big), Some(small)) = (big, small) {
        let of = |list: Vec<u32>, kind| list.into_iter().map(move |core| (core, kind));
        return of(big, CoreKind::Performance).chain(of(small, CoreKind::Efficiency)).collect();
    }
    // Arm: what a core can do, 1024 for the best. With three kinds only the weakest are
    // called efficient: the middle ones are built for speed.
    let capacity = |core: &u32| {
        let file = devices.join(format!("system/cpu/cpu{core}/cpu_capacity"));
        fs::read_to_string(file).ok()?.trim().parse::<u32>().ok().map(|c| (*core, c))
    };
    let capacities: Vec<(u32, u32)> = cores.iter().filter_map(capacity).collect();
    let weakest = capacities.iter().map(|(_, c)| *c).min().unwrap_or(0);
    let best = capacities.iter().map(|(_, c)| *c).max().unwrap_or(0);
    // Cores of one kind may differ by a few percent in their best clock (x86 since Linux 6.12).
    if weakest * 5 > best * 4 {
        return HashMap::new();
    }
    let kind = |c| if c * 5 > weakest * 6 { CoreKind::Performance } else { CoreKind::Efficiency };
    capacities.into_iter().map(|(core, c)| (core, kind(c))).collect()
}

fn read_list(path: &Path) -> Option<Vec<u32>> {
    list(&fs::read_to_string(path).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `/sys/devices` in a folder: path and content of each file.
    fn seen(files: &[(&str, &str)]) -> Vec<(Option<u32>, Option<CoreKind>, Option<u32>)> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        infos_under(root.path()).iter().map(|i| (i.node, i.kind, i.physical)).collect()
    }

    const FOUR: (&str, &str) = ("system/cpu/online", "0-3\n");

    #[test]
    fn nodes_and_hardware_threads_are_read() {
        let cores = seen(&[
            FOUR,
            ("system/node/online", "0-1\n"),
            ("system/node/node0/cpulist", "0,2\n"),
            ("system/node/node1/cpulist", "1,3\n"),
            ("system/cpu/cpu0/topology/thread_siblings_list", "0,2\n"),
            ("system/cpu/cpu2/topology/thread_siblings_list", "0,2\n"),
        ]);
        assert_eq!(cores.iter().map(|c| c.0).collect::<Vec<_>>(), [0, 1, 0, 1].map(Some));
        assert_eq!(
            cores.iter().map(|c| c.2).collect::<Vec<_>>(),
            [Some(0), None, Some(0), None],
            "what is not told is not made up"
        );
    }

    #[test]
    fn kinds_of_intel_and_of_arm() {
        use CoreKind::{Efficiency as E, Performance as P};
        let kinds = |files: &[(&str, &str)]| {
            let files = [&[FOUR], files].concat();
            seen(&files).iter().map(|c| c.1).collect::<Vec<_>>()
        };
        let intel = [("cpu_core/cpus", "0-1\n"), ("cpu_atom/cpus", "2-3\n")];
        assert_eq!(kinds(&intel), [P, P, E, E].map(Some));
        let arm = |all: [&'static str; 4]| {
            let files = [
                "system/cpu/cpu0/cpu_capacity",
                "system/cpu/cpu1/cpu_capacity",
                "system/cpu/cpu2/cpu_capacity",
                "system/cpu/cpu3/cpu_capacity",
            ];
            kinds(&files.into_iter().zip(all).collect::<Vec<_>>())
        };
        assert_eq!(arm(["1024", "871", "381", "381"]), [P, P, E, E].map(Some));
        assert_eq!(arm(["1024", "1024", "980", "1024"]), [None; 4], "alike but for the clock");
        assert_eq!(kinds(&[]), [None; 4]);
    }

    #[test]
    fn a_machine_that_tells_nothing_has_no_cores() {
        assert_eq!(seen(&[]), []);
    }
}
