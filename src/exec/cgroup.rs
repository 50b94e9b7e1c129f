//! Control groups that bound an attempt's whole tree: v1 and v2, as plain files.
//!
//! Makes groups only below the group that ganger itself is in, so limits set by others keep
//! counting. Sources: the kernel's cgroup-v2.rst and cgroup-v1/memory.rst, pids.rst.

use crate::model::exec::LimitMeans;
use crate::model::{AttemptId, JobNo, Limits, ProcRef};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Start of the name of every group that ganger makes; process id and start time follow, so
/// that another ganger sees whether its owner still lives.
const PREFIX: &str = "ganger-";

/// Where a controller can be used: ganger's own group in the controller's hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Home {
    means: LimitMeans,
    dir: PathBuf,
}

/// The controllers that this process may find a use for.
#[derive(Clone, Debug)]
pub(super) struct Cgroups {
    memory: Option<Home>,
    pids: Option<Home>,
    owner: ProcRef,
    swept: bool,
}

/// The groups of one attempt.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) means: LimitMeans,
    dirs: BTreeSet<PathBuf>,
    oom_counter: Option<PathBuf>,
}

impl Cgroups {
    /// Looks which controllers there are. `root` is `/`, or a copy of the few files read here.
    pub(super) fn discover(root: &Path, owner: ProcRef) -> Cgroups {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let mounts = read("proc/self/mountinfo");
        let own = read("proc/self/cgroup");
        let home = |controller| find_home(root, &mounts, &own, controller);
        Cgroups { memory: home("memory"), pids: home("pids"), owner, swept: false }
    }

    /// Knows no controllers: every limit is held by looking.
    pub(super) fn none(owner: ProcRef) -> Cgroups {
        Cgroups { memory: None, pids: None, owner, swept: false }
    }

    /// Returns which version holds both limits here; `None` when not both can be held.
    pub(super) fn means(&self) -> Option<LimitMeans> {
        self.pids.as_ref().and(self.memory.as_ref()).map(|home| home.means)
    }

    /// Makes the groups that hold `memory` and `processes` of an attempt; `None` when any of
    /// them cannot be held by a group (then none is).
    pub(super) fn create(&mut self, attempt: AttemptId, limits: &Limits) -> Option<Group> {
        self.remove_stale();
        let AttemptId { job: JobNo(job), n } = attempt;
        let ProcRef { pid, start_ticks } = self.owner;
        let name = format!("{PREFIX}{pid}-{start_ticks}-{job}-{n}");
        let mut group = Group { means: LimitMeans::Look, dirs: BTreeSet::new(), oom_counter: None };
        match self.fill(&mut group, &name, limits) {
            Ok(()) => Some(group),
            Err(_) => {
                group.remove();
                None
            }
        }
    }

    fn fill(&self, group: &mut Group, name: &str, limits: &Limits) -> io::Result<()> {
        if let Some(bytes) = limits.memory_bytes {
            let dir = group.add(self.memory.as_ref(), "memory", name, self.owner)?;
            bound_memory(&dir, group.means, bytes)?;
            group.oom_counter = Some(dir.join(oom_file(group.means)));
        }
        if let Some(n) = limits.processes {
            let dir = group.add(self.pids.as_ref(), "pids", name, self.owner)?;
            write_to(&dir.join("pids.max"), &n.to_string())?;
        }
        Ok(())
    }

    /// Returns how often the out-of-memory killer hit ganger's own group; `None`: no counter.
    pub(super) fn own_oom_kills(&self) -> Option<u64> {
        let home = self.memory.as_ref()?;
        oom_kills(&home.dir.join(oom_file(home.means)))
    }

    /// Removes groups whose ganger is dead. Once is enough: a live one removes its own.
    fn remove_stale(&mut self) {
        if std::mem::replace(&mut self.swept, true) {
            return;
        }
        for home in [&self.memory, &self.pids].into_iter().flatten() {
            let Ok(entries) = fs::read_dir(&home.dir) else { continue };
            for entry in entries.flatten() {
                if let Some(owner) = owner_of(&entry.file_name())
                    && super::procs::stat_of(owner.pid).map(|s| s.proc()) != Some(owner)
                {
                    // Fails while something still runs in it, which is as it should be.
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }
}

impl Group {
    fn add(
        &mut self,
        home: Option<&Home>,
        controller: &str,
        name: &str,
        owner: ProcRef,
    ) -> io::Result<PathBuf> {
        let home = home.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        if home.means == LimitMeans::CgroupV2 {
            enable(home, controller, owner)?;
        }
        let dir = home.dir.join(name);
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.means = home.means;
        self.dirs.insert(dir.clone());
        Ok(dir)
    }

    /// Returns the files to which a process writes `0` to join.
    pub(super) fn join_files(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|dir| dir.join("cgroup.procs")).collect()
    }

    /// Returns how often the out-of-memory killer hit the attempt; `None`: no memory limit.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        oom_kills(self.oom_counter.as_ref()?)
    }

    /// Returns the processes in the groups, zombies excluded.
    pub(super) fn pids(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        for dir in &self.dirs {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Removes the groups; `false` when something still runs in one.
    pub(super) fn remove(&mut self) -> bool {
        self.dirs.retain(|dir| match fs::remove_dir(dir) {
            Ok(()) => false,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        });
        self.dirs.is_empty()
    }
}

fn find_home(root: &Path, mounts: &str, own: &str, controller: &str) -> Option<Home> {
    let has = |list: &str| list.split(',').any(|word| word == controller);
    for line in mounts.lines() {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (fstype, options) = (right.next()?, right.nth(1).unwrap_or_default());
        let mut left = left.split(' ').skip(3);
        let (mount_root, mount_point) = (left.next()?, left.next()?);
        let (means, path) = match fstype {
            "cgroup" if has(options) => {
                (LimitMeans::CgroupV1, own_path(own, |controllers| has(controllers)))
            }
            "cgroup2" => (LimitMeans::CgroupV2, own_path(own, str::is_empty)),
            _ => continue,
        };
        let Some(path) = path else { continue };
        // Inside a container the mount may show only a part of the hierarchy.
        let Ok(inside) = Path::new(path).strip_prefix(mount_root) else { continue };
        let dir = root.join(mount_point.trim_start_matches('/')).join(inside);
        let usable = means == LimitMeans::CgroupV1
            || fs::read_to_string(dir.join("cgroup.controllers"))
                .is_ok_and(|list| list.split_whitespace().any(|word| word == controller));
        if usable {
            return Some(Home { means, dir });
        }
    }
    None
}

/// Finds the path in `/proc/self/cgroup` (`4:memory:/some/path`, v2: `0::/some/path`).
fn own_path(own: &str, is_wanted: impl Fn(&str) -> bool) -> Option<&str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        is_wanted(controllers).then(|| fields.next())?
    })
}

/// Lets groups below `home` use a controller, see "Top-down Constraint" in cgroup-v2.rst.
fn enable(home: &Home, controller: &str, owner: ProcRef) -> io::Result<()> {
    let control = home.dir.join("cgroup.subtree_control");
    if fs::read_to_string(&control)?.split_whitespace().any(|word| word == controller) {
        return Ok(());
    }
    let turn_on = format!("+{controller}");
    match write_to(&control, &turn_on) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            // A group with processes of its own may not have children with controllers. When
            // the only process is ganger, it moves to a leaf; others are not moved about.
            let procs = fs::read_to_string(home.dir.join("cgroup.procs"))?;
            if procs.trim() != owner.pid.to_string() {
                return Err(error);
            }
            let leaf = home.dir.join(format!("{PREFIX}{}-{}-self", owner.pid, owner.start_ticks));
            fs::create_dir_all(&leaf)?;
            write_to(&leaf.join("cgroup.procs"), &owner.pid.to_string())?;
            write_to(&control, &turn_on)
        }
        done => done,
    }
}

fn bound_memory(dir: &Path, means: LimitMeans, bytes: u64) -> io::Result<()> {
    let value = bytes.to_string();
    if means == LimitMeans::CgroupV1 {
        write_to(&dir.join("memory.limit_in_bytes"), &value)?;
        // Exists only with swap accounting. Without it memory over the limit can go to swap.
        let _ = write_to(&dir.join("memory.memsw.limit_in_bytes"), &value);
        return Ok(());
    }
    write_to(&dir.join("memory.max"), &value)?;
    let _ = write_to(&dir.join("memory.swap.max"), "0");
    // All or nothing: half a tree without its largest process is of no use.
    let _ = write_to(&dir.join("memory.oom.group"), "1");
    Ok(())
}

/// Writes to a control file that exists. `fs::write` would create a plain file elsewhere.
fn write_to(path: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn oom_file(means: LimitMeans) -> &'static str {
    if means == LimitMeans::CgroupV1 { "memory.oom_control" } else { "memory.events" }
}

/// Both files have a line `oom_kill N`.
fn oom_kills(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

fn owner_of(name: &OsStr) -> Option<ProcRef> {
    let mut parts = name.to_str()?.strip_prefix(PREFIX)?.split('-');
    let pid = parts.next()?.parse().ok()?;
    let start_ticks = parts.next()?.parse().ok()?;
    parts.next().is_some().then_some(ProcRef { pid, start_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: ProcRef = ProcRef { pid: i32::MAX, start_ticks: 7 };
    const ATTEMPT: AttemptId = AttemptId { job: JobNo(17), n: 2 };

    /// A copy of the few files that matter: `(path, text)`.
    fn fake(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const V1: &[(&str, &str)] = &[
        (
            "proc/self/mountinfo",
            "35 31 0:32 / /cg/memory rw,relatime - cgroup cgroup rw,memory\n\
             39 31 0:36 / /cg/pids rw - cgroup cgroup rw,pids\n\
             41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n",
        ),
        ("proc/self/cgroup", "8:pids:/\n4:memory:/mine\n0::/\n"),
        ("cg/memory/mine/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ("cg/unified/cgroup.controllers", ""),
    ];

    const V2: &[(&str, &str)] = &[
        ("proc/self/mountinfo", "41 31 0:38 /box /cg rw,nosuid - cgroup2 cgroup2 rw\n"),
        ("proc/self/cgroup", "0::/box/mine\n"),
        ("cg/mine/cgroup.controllers", "cpu memory pids\n"),
        ("cg/mine/cgroup.subtree_control", "memory pids\n"),
        ("cg/mine/memory.events", "low 0\noom 2\noom_kill 1\noom_group_kill 0\n"),
    ];

    #[test]
    fn v1_controllers_are_found_in_their_own_hierarchies() {
        let root = fake(V1);
        let cgroups = Cgroups::discover(root.path(), OWNER);
        let home =
            |dir: &str| Some(Home { means: LimitMeans::CgroupV1, dir: root.path().join(dir) });
        assert_eq!(cgroups.memory, home("cg/memory/mine"));
        assert_eq!(cgroups.pids, home("cg/pids"));
        assert_eq!(cgroups.own_oom_kills(), Some(3));
    }

    #[test]
    fn v2_is_found_behind_a_mount_that_shows_a_part() {
        let root = fake(V2);
        let cgroups = Cgroups::discover(root.path(), OWNER);
        let dir = root.path().join("cg/mine");
        assert_eq!(cgroups.memory, Some(Home { means: LimitMeans::CgroupV2, dir }));
        assert_eq!(cgroups.own_oom_kills(), Some(1));
    }

    #[test]
    fn without_control_files_there_is_no_group_and_nothing_stays_behind() {
        for files in [V1, V2] {
            let root = fake(files);
            let mut cgroups = Cgroups::discover(root.path(), OWNER);
            let limits = Limits { memory_bytes: Some(1 << 20), ..Limits::default() };
            // A plain folder has no `memory.max`, as a hierarchy without the controller.
            assert!(cgroups.create(ATTEMPT, &limits).is_none());
            let name = format!("{PREFIX}{}-7-17-2", i32::MAX);
            assert!(!root.path().join("cg/mine").join(&name).exists());
            assert!(!root.path().join("cg/memory/mine").join(&name).exists());
        }
        assert!(Cgroups::none(OWNER).create(ATTEMPT, &Limits::default()).is_some());
    }

    #[test]
    fn limits_are_written_where_each_version_has_them() {
        let name = format!("{PREFIX}{}-7-17-2", i32::MAX);
        let limits = Limits { memory_bytes: Some(4096), processes: Some(9), ..Limits::default() };
        let v2 = fake(V2);
        let dir = v2.path().join("cg/mine").join(&name);
        fs::create_dir_all(&dir).unwrap();
        for file in ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max"] {
            fs::write(dir.join(file), "").unwrap();
        }
        fs::write(dir.join("cgroup.procs"), "12\n9\n").unwrap();
        let group = Cgroups::discover(v2.path(), OWNER).create(ATTEMPT, &limits).unwrap();
        assert_eq!(group.means, LimitMeans::CgroupV2);
        let read = |file: &str| fs::read_to_string(dir.join(file)).unwrap();
        assert_eq!(read("memory.max"), "4096");
        assert_eq!(read("memory.swap.max"), "0");
        assert_eq!(read("memory.oom.group"), "1");
        assert_eq!(read("pids.max"), "9");
        assert_eq!(group.join_files(), [dir.join("cgroup.procs")]);
        assert_eq!(group.pids(), [9, 12]);
    }

    #[test]
    fn groups_of_a_dead_ganger_are_removed_and_others_stay() {
        let root = fake(V1);
        let home = root.path().join("cg/memory/mine");
        let me = super::super::procs::stat_of(std::process::id() as i32).unwrap();
        let mine = format!("{PREFIX}{}-{}-1-1", me.pid, me.start_ticks);
        for name in ["ganger-2147483646-7-1-1", mine.as_str(), "ganger-notes", "other"] {
            fs::create_dir(home.join(name)).unwrap();
        }
        let mut cgroups = Cgroups::discover(root.path(), me.proc());
        cgroups.remove_stale();
        assert!(!home.join("ganger-2147483646-7-1-1").exists());
        for name in [mine.as_str(), "ganger-notes", "other"] {
            assert!(home.join(name).exists(), "{name} was removed");
        }
    }
}
