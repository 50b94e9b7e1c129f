//! How many CPUs this process may really use: the lesser of its affinity and the CPU quota of
//! its control group.
//!
//! A container or a batch system usually narrows one of the two; counting cores alone would
//! start several times too many workers there. Formats: `Documentation/admin-guide/cgroup-v2.rst`
//! (`cpu.max`), `cgroup-v1` and `scheduler/sched-bwc.rst` (`cpu.cfs_quota_us`),
//! proc_pid_mountinfo(5), cgroups(7).

use super::procfs::list_len;
use std::fs;
use std::path::{Path, PathBuf};

/// A number of CPUs and what decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// At least 1.
    pub count: u32,
    /// "2 cores", "affinity: 2 of 8 cores", "cgroup quota of 1.5 CPUs".
    pub reason: String,
}

/// Returns the CPUs this process may really use.
pub fn usable_cpus() -> Cpus {
    usable_under(Path::new("/"), affinity())
}

/// CPUs that the scheduler lets the calling thread run on, `None` when it does not say.
fn affinity() -> Option<u32> {
    // The call fails where the kernel counts more CPUs than a fixed set holds (1024).
    rustix::thread::sched_getaffinity(None).ok().map(|set| set.count())
}

/// The decision, with every file below `root` so that tests can bring their own machine.
fn usable_under(root: &Path, affinity: Option<u32>) -> Cpus {
    let allowed = affinity.or_else(|| allowed_list(root));
    let online = read(root, "sys/devices/system/cpu/online").and_then(|list| list_len(&list));
    let cores = online.or(allowed).unwrap_or(1).max(1);
    let allowed = allowed.unwrap_or(cores).max(1);
    match quota(root) {
        Some(quota) if quota < f64::from(allowed) => {
            let cpus = Decimal(quota);
            let plural = if quota == 1.0 { "CPU" } else { "CPUs" };
            // Half a CPU still needs a worker; one and a half keep two busy most of the time.
            let count = quota.ceil().max(1.0) as u32;
            Cpus { count, reason: format!("cgroup quota of {cpus} {plural}") }
        }
        _ if allowed < cores => {
            Cpus { count: allowed, reason: format!("affinity: {allowed} of {cores} cores") }
        }
        _ if allowed == 1 => Cpus { count: 1, reason: "1 core".to_owned() },
        _ => Cpus { count: allowed, reason: format!("{allowed} cores") },
    }
}

/// At most two digits behind the point, none that are zero.
struct Decimal(f64);

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.2}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

fn read(root: &Path, path: &str) -> Option<String> {
    fs::read_to_string(root.join(path)).ok()
}

fn allowed_list(root: &Path) -> Option<u32> {
    let status = read(root, "proc/self/status")?;
    list_len(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

/// The tightest CPU quota on the way from this process's own control group up to the root, in
/// CPUs; `None` when there is none.
fn quota(root: &Path) -> Option<f64> {
    let own = read(root, "proc/self/cgroup")?;
    let mounts = read(root, "proc/self/mountinfo")?;
    let mounts: Vec<Mount> = mounts.lines().filter_map(mount).collect();
    own.lines()
        .filter_map(membership)
        .flat_map(|(version, path)| folders(&mounts, version, &path))
        .filter_map(|(version, folder)| quota_of(&below(root, &folder), version))
        .min_by(f64::total_cmp)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// A mounted hierarchy that can hold CPU quotas: `origin` is the control group that stands at
/// `point`, which is not the top of the hierarchy inside many containers.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    origin: PathBuf,
    point: PathBuf,
}

/// A line of `/proc/self/mountinfo`.
fn mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (origin, point) = (unescape(place.next()?), unescape(place.next()?));
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup2" => Version::V2,
        // Options of the superblock name the controllers, as `rw,cpu,cpuacct`.
        "cgroup" if kind.nth(1)?.split(',').any(|o| o == "cpu") => Version::V1,
        _ => return None,
    };
    Some(Mount { version, origin, point })
}

/// Blanks and the like stand as `\040` in mountinfo.
fn unescape(field: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal = (*first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

/// A line of `/proc/self/cgroup` that is about CPUs: `0::/path` or `4:cpu,cpuacct:/path`.
fn membership(line: &str) -> Option<(Version, PathBuf)> {
    let mut parts = line.splitn(3, ':');
    let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let version = if id == "0" && controllers.is_empty() {
        Version::V2
    } else if controllers.split(',').any(|c| c == "cpu") {
        Version::V1
    } else {
        return None;
    };
    Some((version, PathBuf::from(path)))
}

/// The folders of a control group and all its ancestors, as far as they are mounted.
fn folders(mounts: &[Mount], version: Version, path: &Path) -> Vec<(Version, PathBuf)> {
    let mut found = Vec::new();
    for mount in mounts.iter().filter(|m| m.version == version) {
        // A path outside of the mount's part (`/../x` in a cgroup namespace, or a container
        // that mounts only its own group without a namespace) still stands under its origin.
        let inner = path
            .strip_prefix(&mount.origin)
            .ok()
            .filter(|p| p.components().all(|c| matches!(c, std::path::Component::Normal(_))))
            .unwrap_or(Path::new(""));
        found.extend(inner.ancestors().map(|p| (version, mount.point.join(p))));
    }
    found
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn quota_of(folder: &Path, version: Version) -> Option<f64> {
    let number = |name: &str| -> Option<f64> {
        fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()
    };
    let (quota, period) = match version {
        Version::V1 => (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?),
        Version::V2 => {
            let max = fs::read_to_string(folder.join("cpu.max")).ok()?;
            let mut words = max.split_whitespace();
            // "max" is no number and means no quota.
            (words.next()?.parse().ok()?, words.next().and_then(|w| w.parse().ok())?)
        }
    };
    // -1 means no quota in version 1.
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine in a folder: `path: content` lines, `\n` in the content.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn check(files: &[(&str, &str)], affinity: u32, count: u32, reason: &str) {
        let root = machine(files);
        let cpus = usable_under(root.path(), Some(affinity));
        assert_eq!(cpus, Cpus { count, reason: reason.to_owned() });
    }

    const EIGHT: (&str, &str) = ("sys/devices/system/cpu/online", "0-7\n");
    const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1: &str = "31 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        32 23 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    #[test]
    fn without_control_groups_the_cores_count() {
        check(&[EIGHT], 8, 8, "8 cores");
        check(&[("sys/devices/system/cpu/online", "0\n")], 1, 1, "1 core");
        check(&[EIGHT], 2, 2, "affinity: 2 of 8 cores");
        check(&[], 3, 3, "3 cores");
    }

    #[test]
    fn version_2_looks_at_every_ancestor() {
        let own = ("proc/self/cgroup", "0::/user.slice/job.scope/inner\n");
        let mounts = ("proc/self/mountinfo", V2);
        let inner = ("sys/fs/cgroup/user.slice/job.scope/inner/cpu.max", "max 100000\n");
        let job = ("sys/fs/cgroup/user.slice/job.scope/cpu.max", "150000 100000\n");
        let slice = ("sys/fs/cgroup/user.slice/cpu.max", "400000 100000\n");
        check(&[EIGHT, own, mounts, inner, job, slice], 8, 2, "cgroup quota of 1.5 CPUs");
        check(&[EIGHT, own, mounts, inner, slice], 8, 4, "cgroup quota of 4 CPUs");
        check(&[EIGHT, own, mounts, inner, slice], 2, 2, "affinity: 2 of 8 cores");
        check(&[EIGHT, own, mounts, inner], 8, 8, "8 cores");
    }

    #[test]
    fn the_quota_is_rounded_up_and_never_zero() {
        let own = ("proc/self/cgroup", "0::/a\n");
        let mounts = ("proc/self/mountinfo", V2);
        for (max, count, reason) in [
            ("1000 100000", 1, "cgroup quota of 0.01 CPUs"),
            ("100000 100000", 1, "cgroup quota of 1 CPU"),
            ("225000 100000", 3, "cgroup quota of 2.25 CPUs"),
        ] {
            check(&[EIGHT, own, mounts, ("sys/fs/cgroup/a/cpu.max", max)], 8, count, reason);
        }
        for max in ["", "max", "max 100000", "-1 100000", "0 0", "x y"] {
            check(&[EIGHT, own, mounts, ("sys/fs/cgroup/a/cpu.max", max)], 8, 8, "8 cores");
        }
    }

    #[test]
    fn version_1_reads_the_cpu_hierarchy_only() {
        let own = ("proc/self/cgroup", "5:memory:/wrong\n4:cpu,cpuacct:/batch/job\n1:name=x:/y\n");
        let mounts = ("proc/self/mountinfo", V1);
        let quota = ("sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us", "300000\n");
        let period = ("sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_period_us", "100000\n");
        let none = ("sys/fs/cgroup/cpu,cpuacct/batch/job/cpu.cfs_quota_us", "-1\n");
        check(&[EIGHT, own, mounts, quota, period, none], 8, 3, "cgroup quota of 3 CPUs");
        check(&[EIGHT, own, mounts, period, none], 8, 8, "8 cores");
    }

    #[test]
    fn both_versions_at_once_give_the_tighter_one() {
        let own = ("proc/self/cgroup", "4:cpu:/a\n0::/b\n");
        let mounts = (
            "proc/self/mountinfo",
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        );
        let quota = ("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000");
        let period = ("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "25000");
        check(&[EIGHT, own, mounts, quota, period], 8, 2, "cgroup quota of 2 CPUs");
        let other = ("sys/fs/cgroup/unified/b/cpu.max", "100000 100000");
        check(&[EIGHT, own, mounts, quota, period, other], 8, 1, "cgroup quota of 1 CPU");
    }

    #[test]
    fn inside_a_container_the_own_group_stands_at_the_mount_point() {
        // Without a cgroup namespace: the host's path, of which only the end is mounted.
        let own = ("proc/self/cgroup", "0::/docker/abc/inner\n");
        let mounts = (
            "proc/self/mountinfo",
            "31 23 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
        );
        let top = ("sys/fs/cgroup/cpu.max", "250000 100000\n");
        let inner = ("sys/fs/cgroup/inner/cpu.max", "200000 100000\n");
        check(&[EIGHT, own, mounts, top], 8, 3, "cgroup quota of 2.5 CPUs");
        check(&[EIGHT, own, mounts, top, inner], 8, 2, "cgroup quota of 2 CPUs");
        // A path that leaves the namespace: what is mounted is all that can be seen.
        let outside = ("proc/self/cgroup", "0::/../other\n");
        let mounts = ("proc/self/mountinfo", V2);
        check(&[EIGHT, outside, mounts, top], 8, 3, "cgroup quota of 2.5 CPUs");
    }

    #[test]
    fn mount_points_may_hold_blanks() {
        assert_eq!(
            mount("1 2 0:3 / /mnt/a\\040b\\134c rw shared:4 - cgroup2 none rw"),
            Some(Mount {
                version: Version::V2,
                origin: PathBuf::from("/"),
                point: PathBuf::from("/mnt/a b\\c"),
            })
        );
        assert_eq!(mount("1 2 0:3 / / rw - ext4 /dev/vda rw"), None);
        assert_eq!(mount("nonsense"), None);
    }

    #[test]
    fn affinity_is_read_from_a_file_when_the_call_fails() {
        let root = machine(&[EIGHT, ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-1,4\n")]);
        assert_eq!(usable_under(root.path(), None).reason, "affinity: 3 of 8 cores");
    }

    #[test]
    fn this_machine_has_at_least_one() {
        let cpus = usable_cpus();
        assert!(cpus.count >= 1 && !cpus.reason.is_empty(), "{cpus:?}");
    }
}
