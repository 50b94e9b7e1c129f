//! The process tree of each attempt: CPU, memory, I/O, age of output, and whether it is still.

use super::Watched;
use super::load::{Load, Shares, activity};
use super::machine::Born;
use super::processes::Processes;
use super::procfs::IoBytes;
use super::quiet::{Seen, Stillness};
use super::spread::Use;
use super::sum::Sum;
use crate::model::exec::Finding;
use crate::model::query::Mark;
use crate::model::{AttemptId, Mono, Now, OutputSample, ProcRef, TreeSample, Wall, limits};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Age from which a first look shows CPU.
const YOUNG: Duration = Duration::from_millis(100);

/// Looks at the trees of all watched attempts again and again.
pub struct Trees {
    processes: Processes,
    page_bytes: u64,
    ticks_per_s: u64,
    /// Time since boot at this look, on the clock that `start_ticks` counts on.
    uptime: Option<Duration>,
    known: HashMap<AttemptId, Known>,
    n_looks: u64,
    looked_at: Option<Mono>,
    /// The kernel counts how long processes are blocked on I/O.
    has_io_wait: bool,
    uses: Vec<Use>,
    heaviest: Vec<(AttemptId, ProcRef)>,
}

/// What earlier looks found out about an attempt.
#[derive(Default)]
struct Known {
    at: Option<Mono>,
    peak_rss_bytes: u64,
    output: Output,
    last_output: Option<Mono>,
    io: Io,
    stillness: Stillness,
    load: Load,
}

/// What earlier looks found out about the bytes that an attempt moves.
#[derive(Default)]
struct Io {
    moved: Option<u64>,
    /// It moved bytes between the last two readings.
    is_moving: bool,
    /// Where the next rate counts from.
    from: Option<(Mono, IoBytes)>,
    read_per_s: Option<f32>,
    written_per_s: Option<f32>,
    partial: bool,
}

/// Size and time of last change of each output file.
type Output = [Option<(u64, i64)>; 2];

impl Trees {
    pub fn new(root: PathBuf) -> Trees {
        let delayacct = fs::read(root.join("sys/kernel/task_delayacct"));
        Trees {
            processes: Processes::new(root),
            page_bytes: system_number(libc::_SC_PAGESIZE),
            ticks_per_s: system_number(libc::_SC_CLK_TCK),
            uptime: None,
            known: HashMap::new(),
            n_looks: 0,
            looked_at: None,
            has_io_wait: delayacct.is_ok_and(|text| text.starts_with(b"1")),
            uses: Vec::new(),
            heaviest: Vec::new(),
        }
    }

    /// Looks at every watched attempt; hands findings to `on_finding`. `born` is what the
    /// machine had started shortly before, where that is known.
    pub fn look(
        &mut self,
        now: Now,
        watched: &[Watched],
        born: Option<Born>,
        on_finding: &mut dyn FnMut(Finding),
    ) -> Vec<TreeSample> {
        self.uses.clear();
        self.heaviest.clear();
        self.n_looks += 1;
        let since_last = self.looked_at.replace(now.mono).map(|before| now.mono.since(before));
        if watched.is_empty() {
            self.processes.clear();
            self.known.clear();
            return Vec::new();
        }
        let leaders: HashMap<i32, (AttemptId, ProcRef)> =
            watched.iter().map(|w| (w.proc.pid, (w.attempt, w.proc))).collect();
        self.processes.look(now.mono, &leaders, born);
        self.uptime = self.processes.uptime();
        let mut sums = self.sums();
        if let Some(since_last) = since_last.filter(|s| !s.is_zero()) {
            let ticks_of_a_percent = since_last.as_secs_f32() * self.ticks_per_s as f32 / 100.0;
            self.uses.extend(sums.values().flat_map(|sum| sum.uses(ticks_of_a_percent)));
        }
        for (attempt, sum) in &mut sums {
            let procs = sum.heaviest(limits::PROBE_DETAILED);
            let procs = procs.map(|(pid, start_ticks)| (*attempt, ProcRef { pid, start_ticks }));
            self.heaviest.extend(procs);
        }
        let mut known = std::mem::take(&mut self.known);
        let mut trees = Vec::with_capacity(watched.len());
        for watched in watched {
            let mut known_of = known.remove(&watched.attempt).unwrap_or_default();
            let sum = sums.remove(&watched.attempt);
            trees.extend(self.tree(now, watched, &mut known_of, sum, on_finding));
            self.known.insert(watched.attempt, known_of);
        }
        trees
    }

    /// How long the output of each attempt was at the last look.
    pub fn outputs(&self) -> Vec<OutputSample> {
        let mark = |(size, at)| Mark { at: Wall(at), size };
        let sample = |(attempt, known): (&AttemptId, &Known)| OutputSample {
            attempt: *attempt,
            streams: known.output.map(|seen| seen.map(mark)),
        };
        self.known.iter().map(sample).collect()
    }

    /// Where the CPU time since the look before was used.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// The processes of each attempt that used most CPU time in their life.
    pub fn heaviest(&self) -> &[(AttemptId, ProcRef)] {
        &self.heaviest
    }

    fn sums(&self) -> HashMap<AttemptId, Sum> {
        let mut sums: HashMap<AttemptId, Sum> = HashMap::new();
        for (pid, member) in self.processes.members() {
            sums.entry(member.attempt).or_default().add(pid, member);
        }
        for ended in self.processes.ended() {
            let Some(sum) = sums.get_mut(&ended.attempt) else { continue };
            sum.end(ended, self.processes.is_or_was_member(ended.stat.ppid, ended.attempt));
        }
        for sum in sums.values_mut() {
            sum.partial |= self.processes.missed_some();
        }
        sums
    }

    fn tree(
        &mut self,
        now: Now,
        watched: &Watched,
        known: &mut Known,
        sum: Option<Sum>,
        on_finding: &mut dyn FnMut(Finding),
    ) -> Option<TreeSample> {
        let output = [
            watched.output[0].as_deref().and_then(size_and_change),
            watched.output[1].as_deref().and_then(size_and_change),
        ];
        let grew = std::mem::replace(&mut known.output, output) != output;
        known.last_output = last_output(now, &output).max(known.last_output);
        let sum = sum?;

        if let Some((_, from)) = &mut known.io.from {
            from.from_storage = from.from_storage.saturating_sub(sum.io_lost.from_storage);
            from.to_storage = from.to_storage.saturating_sub(sum.io_lost.to_storage);
        }
        let elapsed = known.at.replace(now.mono).map(|before| now.mono.since(before));
        let used = sum.used();
        let mut moved = elapsed.is_none() || grew || sum.changed || used.ticks() > 0;
        // A dear file, read at every other look or less.
        let few = self.processes.n_members() <= limits::PROBE_IO_PROCESSES;
        let looks = if few { 2 } else { limits::PROBE_SLOW_LOOKS };
        if self.n_looks.is_multiple_of(looks) || known.io.from.is_none() {
            known.io.is_moving = self.read_io(now.mono, watched.proc, &mut known.io, &sum);
        }
        moved |= known.io.is_moving;
        let seen = Seen { at: now.mono, moved, paused: watched.paused };
        if let Some(quiet) = known.stillness.look(seen, watched.quiet) {
            let quiet_since = known.stillness.since().unwrap_or(now.mono);
            on_finding(Finding { attempt: watched.attempt, quiet_since, quiet });
        }
        Some(self.sample(watched, known, &sum, elapsed))
    }

    fn sample(
        &mut self,
        watched: &Watched,
        known: &mut Known,
        sum: &Sum,
        elapsed: Option<Duration>,
    ) -> TreeSample {
        // Many jobs end before a second look: the first counts from their start.
        let (used, of) = match elapsed {
            Some(elapsed) => (sum.used(), Some(elapsed)),
            None => (sum.now, self.age(watched.proc)),
        };
        let seconds = of.map(|of| of.as_secs_f32()).filter(|s| *s > 0.0);
        let percent = |ticks: u64| Some(ticks as f32 * 100.0 / self.ticks_per_s as f32 / seconds?);
        let states = sum.states();
        let running = sum.running(elapsed, self.ticks_per_s);
        let allotted = watched.threads.max(1);
        known.load.look(states, running, allotted);
        // Before 5.14 kernels count without saying so.
        self.has_io_wait |= sum.io_wait_ticks > 0;
        let counted = if self.has_io_wait && elapsed.is_some() {
            percent(sum.io_wait_ticks).map(|p| p.min(100.0))
        } else {
            None
        };
        let shares = Shares {
            cpu: percent(used.ticks()),
            cpu_wait: of.and_then(|of| sum.waiting(of)).map(|w| w * 100.0),
            io_wait: counted,
        };
        let rss_bytes = sum.rss_pages * self.page_bytes;
        known.peak_rss_bytes = known.peak_rss_bytes.max(rss_bytes);
        TreeSample {
            attempt: watched.attempt,
            cpu_percent: shares.cpu,
            user_percent: percent(used.user),
            system_percent: percent(used.system),
            cpu_wait_percent: shares.cpu_wait,
            io_wait_percent: counted.or_else(|| known.load.io_wait()),
            rss_bytes,
            peak_rss_bytes: known.peak_rss_bytes,
            read_bytes_per_s: known.io.read_per_s,
            write_bytes_per_s: known.io.written_per_s,
            major_faults_per_s: seconds.map(|s| used.major_faults as f32 / s),
            // Read elsewhere, more rarely.
            voluntary_switches_per_s: None,
            fds: None,
            threads: sum.threads,
            threads_running: running.round() as u32,
            threads_allotted: allotted,
            oversubscribed: known.load.is_oversubscribed(),
            processes: sum.processes,
            core: sum.core(),
            activity: activity(states, shares),
            last_output: known.last_output,
            quiet_since: known.stillness.since(),
            partial: sum.partial || known.io.partial,
        }
    }

    /// How long a process has been there, `None` when it is too young for its CPU time to tell
    /// something: that is counted in ticks.
    fn age(&self, proc: ProcRef) -> Option<Duration> {
        let started = Duration::from_secs_f64(proc.start_ticks as f64 / self.ticks_per_s as f64);
        self.uptime?.checked_sub(started).filter(|age| *age >= YOUNG)
    }

    /// Brings rates up to date; returns whether a tree has moved bytes since the reading before.
    fn read_io(&mut self, now: Mono, leader: ProcRef, known: &mut Io, sum: &Sum) -> bool {
        let mut total: Option<IoBytes> = None;
        known.partial = false;
        for pid in &sum.pids {
            match self.processes.io_bytes(*pid) {
                Some(bytes) => {
                    let total = total.get_or_insert_default();
                    total.moved = total.moved.wrapping_add(bytes.moved);
                    total.from_storage += bytes.from_storage;
                    total.to_storage += bytes.to_storage;
                }
                None => known.partial = true,
            }
        }
        let moved = total.unwrap_or_default().moved;
        self.rates(now, leader, known, total);
        known.moved.replace(moved) != Some(moved)
    }

    fn rates(&self, now: Mono, leader: ProcRef, known: &mut Io, total: Option<IoBytes>) {
        let Some(total) = total else {
            (known.from, known.read_per_s, known.written_per_s) = (None, None, None);
            return;
        };
        let (before, elapsed) = match known.from {
            Some((at, before)) => (before, Some(now.since(at))),
            None => (IoBytes::default(), self.age(leader)),
        };
        known.from = Some((now, total));
        let seconds = elapsed.map(|e| e.as_secs_f32()).filter(|s| *s > 0.0);
        let rate = |now: u64, before: u64| Some(now.saturating_sub(before) as f32 / seconds?);
        known.read_per_s = rate(total.from_storage, before.from_storage);
        known.written_per_s = rate(total.to_storage, before.to_storage);
    }
}

/// A number that does not change while the system is up, at least 1.
fn system_number(name: libc::c_int) -> u64 {
    // SAFETY: sysconf takes a number, returns a number and touches no memory of ours.
    let value = unsafe { libc::sysconf(name) };
    u64::try_from(value).unwrap_or(0).max(1)
}

/// Size and last change of a regular file, in microseconds since 1970; `None` when it is not
/// there or not a file, such as `/dev/null`.
fn size_and_change(path: &Path) -> Option<(u64, i64)> {
    let file = fs::metadata(path).ok().filter(|m| m.is_file())?;
    Some((file.len(), file.mtime() * 1_000_000 + file.mtime_nsec() / 1_000))
}

/// When a file that holds something last changed, on the clock that never goes back.
fn last_output(now: Now, output: &Output) -> Option<Mono> {
    let changed = output.iter().flatten().filter(|(size, _)| *size > 0).map(|(_, at)| *at).max()?;
    let Wall(wall) = now.wall;
    let age = u64::try_from(wall.saturating_sub(changed)).unwrap_or(0);
    Some(now.mono - Duration::from_micros(age))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobNo;
    use std::path::PathBuf;

    /// A `/proc` in a folder, written process by process.
    struct Machine {
        root: tempfile::TempDir,
        trees: Trees,
        second: u64,
        born: Option<Born>,
        findings: Vec<(u64, bool)>,
    }

    /// pid, ppid, session, own ticks, children's ticks, start
    type Row = (i32, i32, i32, u64, u64, u64);

    impl Machine {
        fn new() -> Machine {
            let root = tempfile::tempdir().unwrap();
            let trees =
                Trees { page_bytes: 4096, ticks_per_s: 100, ..Trees::new(root.path().to_owned()) };
            Machine { root, trees, second: 0, born: None, findings: Vec::new() }
        }

        fn write(&self, rows: &[Row]) {
            for folder in fs::read_dir(self.root.path()).unwrap().flatten() {
                // Removed, not overwritten: a kept file must not see the next process.
                let _ = fs::remove_dir_all(folder.path());
            }
            for (pid, ppid, session, own, children, start) in rows {
                let folder = self.root.path().join(pid.to_string());
                fs::create_dir(&folder).unwrap();
                let stat = format!(
                    "{pid} (x) S {ppid} {pid} {session} 0 -1 0 0 0 0 0 {own} 0 {children} 0 20 0 2 0 {start} 0 10\n"
                );
                fs::write(folder.join("stat"), stat).unwrap();
                fs::write(folder.join("io"), "rchar: 5\nwchar: 0\n").unwrap();
            }
        }

        /// One second later; the kept files of a real `/proc` change, those of a folder do not.
        fn look(&mut self, rows: &[Row], watched: &[Watched]) -> Vec<TreeSample> {
            self.write(rows);
            self.look_at_it(watched)
        }

        /// The same with bytes written by process; who has none may not be asked.
        fn look_with_io(
            &mut self,
            rows: &[Row],
            written: &[(i32, u64)],
            watched: &[Watched],
        ) -> Vec<TreeSample> {
            self.write(rows);
            for (pid, ..) in rows {
                fs::remove_file(self.root.path().join(format!("{pid}/io"))).unwrap();
            }
            for (pid, n) in written {
                let io = format!("rchar: 0\nread_bytes: 0\nwrite_bytes: {n}\n");
                fs::write(self.root.path().join(format!("{pid}/io")), io).unwrap();
            }
            self.look_at_it(watched)
        }

        fn look_at_it(&mut self, watched: &[Watched]) -> Vec<TreeSample> {
            self.trees.processes.close_files();
            self.second += 1;
            let at = Mono(self.second * 1_000_000);
            let now = Now { mono: at, wall: Wall(1_000_000_000_000 + at.0 as i64) };
            let (second, findings) = (self.second, &mut self.findings);
            self.trees.look(now, watched, self.born, &mut |f| findings.push((second, f.quiet)))
        }
    }

    fn watched(pid: i32, start_ticks: u64) -> Watched {
        Watched {
            attempt: AttemptId { job: JobNo(pid as u32), n: 1 },
            proc: ProcRef { pid, start_ticks },
            output: [None, None],
            quiet: Some(Duration::from_secs(3)),
            threads: 1,
            paused: false,
        }
    }

    /// Job, processes, whole percents.
    fn shape(trees: &[TreeSample]) -> Vec<(u32, u32, Option<f32>)> {
        let percent = |t: &TreeSample| t.cpu_percent.map(f32::round);
        trees.iter().map(|t| (t.attempt.job.0, t.processes, percent(t))).collect()
    }

    #[test]
    fn a_tree_has_its_descendants_and_its_session() {
        let mut machine = Machine::new();
        let rows: &[Row] = &[
            (1, 0, 1, 999, 0, 1),
            (10, 1, 1, 500, 0, 5),     // the supervisor
            (100, 10, 100, 1, 0, 50),  // leader
            (101, 100, 100, 1, 0, 51), // child
            (102, 101, 102, 1, 0, 52), // grandchild that called setsid
            (103, 10, 100, 1, 0, 53),  // orphan of the session, now the supervisor's
            (104, 10, 104, 1, 0, 54),  // somebody else's
            (200, 10, 200, 1, 0, 60),  // another leader
            (300, 10, 300, 1, 0, 70),  // reused pid: the watched one started at 65
        ];
        let trees = machine.look(rows, &[watched(100, 50), watched(200, 60), watched(300, 65)]);
        assert_eq!(shape(&trees), [(100, 4, None), (200, 1, None)]);
        assert_eq!((trees[0].threads, trees[0].rss_bytes), (8, 4 * 10 * 4096));
    }

    #[test]
    fn nobody_new_is_looked_for_where_nobody_was_started() {
        let mut machine = Machine::new();
        let both: &[Row] = &[(100, 10, 100, 0, 0, 50), (200, 10, 200, 0, 0, 60)];
        let three = [both, &[(101, 100, 100, 0, 0, 70)]].concat();
        machine.born = Some(Born { forks: 7, newest: 200 });
        machine.look(both, &[watched(100, 50)]);
        // The same world, but one more of those in it matters now.
        let watched = [watched(100, 50), watched(200, 60)];
        let processes =
            |trees: &[TreeSample]| trees.iter().map(|t| t.processes).collect::<Vec<_>>();
        assert_eq!(processes(&machine.look(both, &watched)), [1, 1]);
        assert_eq!(processes(&machine.look(&three, &watched)), [1, 1], "a liar is believed");
        for _ in 0..limits::PROBE_REREAD_LOOKS {
            machine.look(&three, &watched);
        }
        assert_eq!(processes(&machine.look(&three, &watched)), [2, 1], "but not for ever");

        let four = [&three[..], &[(102, 101, 100, 0, 0, 80)]].concat();
        machine.born = Some(Born { forks: 8, newest: 102 });
        assert_eq!(processes(&machine.look(&four, &watched)), [3, 1], "pids began from below");
        machine.born = Some(Born { forks: 9, newest: 103 });
        let five = [&four[..], &[(103, 101, 100, 0, 0, 90)]].concat();
        assert_eq!(processes(&machine.look(&five, &watched)), [4, 1]);
    }

    #[test]
    fn rates_of_bytes_count_ended_children_once() {
        let mut machine = Machine::new();
        let leader = [watched(100, 50)];
        let mut look = |rows: &[(i32, i32, u64)]| {
            let stats: Vec<Row> =
                rows.iter().map(|(pid, ppid, _)| (*pid, *ppid, 100, 5, 0, 50)).collect();
            let written: Vec<(i32, u64)> = rows.iter().map(|(pid, _, n)| (*pid, *n)).collect();
            machine.look_with_io(&stats, &written, &leader)[0].write_bytes_per_s
        };
        look(&[(100, 10, 1000)]);
        look(&[(100, 10, 1000), (101, 100, 500)]);
        // Every other look tells a rate.
        assert_eq!(look(&[(100, 10, 1000), (101, 100, 500)]), Some(500.0));
        assert_eq!(look(&[(100, 10, 1000), (101, 100, 4500)]), Some(2000.0));
        look(&[(100, 10, 1000), (101, 100, 4500)]);
        // The child has ended and its parent has inherited its bytes.
        assert_eq!(look(&[(100, 10, 5500)]), Some(0.0));
        look(&[(100, 10, 5500)]);
        assert_eq!(look(&[(100, 10, 6500)]), Some(500.0));
    }

    #[test]
    fn what_may_not_be_read_has_no_rate() {
        let mut machine = Machine::new();
        let leader = [watched(100, 50)];
        let rows: &[Row] = &[(100, 10, 100, 5, 0, 50)];
        for _ in 0..4 {
            let tree = machine.look_with_io(rows, &[], &leader)[0];
            assert_eq!((tree.read_bytes_per_s, tree.write_bytes_per_s), (None, None));
            assert_eq!((tree.cpu_wait_percent, tree.fds, tree.partial), (None, None, true));
        }
    }

    #[test]
    fn cpu_is_split_and_faults_and_waits_for_io_are_counted() {
        let mut machine = Machine::new();
        let leader = [watched(100, 50)];
        let row = [(100, 10, 100, 0, 0, 50)];
        let mut look = |user, system, faults, io_wait| {
            machine.write(&row);
            let stat = format!(
                "100 (x) D 10 100 100 0 -1 0 0 0 {faults} 0 {user} {system} 0 0 20 0 1 0 50 0 10 \
                 0 0 0 0 0 0 0 0 0 0 0 0 0 0 3 0 0 {io_wait}"
            );
            fs::write(machine.root.path().join("100/stat"), stat).unwrap();
            machine.look_at_it(&leader)[0]
        };
        let tree = look(10, 10, 5, 0);
        assert_eq!((tree.user_percent, tree.major_faults_per_s), (None, None), "too young to tell");
        let tree = look(40, 20, 15, 0);
        assert_eq!((tree.user_percent, tree.system_percent), (Some(30.0), Some(10.0)));
        assert_eq!((tree.cpu_percent, tree.major_faults_per_s), (Some(40.0), Some(10.0)));
        assert_eq!(tree.io_wait_percent, Some(100.0), "seen blocked at every look");
        assert_eq!(tree.core, Some(3));
        let tree = look(40, 20, 15, 25);
        assert_eq!(tree.io_wait_percent, Some(25.0), "counted by the kernel");
        assert_eq!(tree.activity, crate::model::Activity::WaitingIo);
    }

    #[test]
    fn who_is_in_stays_in_when_its_parent_ends() {
        let mut machine = Machine::new();
        let leader = [watched(100, 50)];
        let rows: &[Row] =
            &[(100, 10, 100, 0, 0, 50), (101, 100, 100, 0, 0, 51), (102, 101, 102, 0, 0, 52)];
        machine.look(rows, &leader);
        let rows: &[Row] = &[(100, 10, 100, 0, 0, 50), (102, 10, 102, 30, 0, 52)];
        assert_eq!(shape(&machine.look(rows, &leader)), [(100, 2, Some(30.0))]);
        // Its own children follow.
        let rows: &[Row] = &[(102, 10, 102, 30, 0, 52), (103, 102, 103, 0, 0, 58)];
        assert_eq!(shape(&machine.look(rows, &leader)), [(100, 2, Some(0.0))]);
    }

    #[test]
    fn a_stranger_with_a_reused_pid_does_not_join() {
        let mut machine = Machine::new();
        let leader = [watched(100, 50)];
        // 90 remembers 101 as its parent from a time when that was another process.
        let rows: &[Row] =
            &[(100, 10, 100, 0, 0, 50), (101, 100, 100, 0, 0, 51), (90, 101, 90, 0, 0, 40)];
        assert_eq!(shape(&machine.look(rows, &leader)), [(100, 2, None)]);
    }

    #[test]
    fn a_job_of_many_short_processes_shows_their_cpu() {
        let mut machine = Machine::new();
        let leader = [watched(100, 50)];
        machine.look(&[(100, 10, 100, 5, 0, 50)], &leader);
        let trees = machine.look(&[(100, 10, 100, 5, 80, 50)], &leader);
        assert_eq!(shape(&trees), [(100, 1, Some(80.0))]);
        // A child at work, then reaped: its ticks are counted once.
        let rows: &[Row] = &[(100, 10, 100, 5, 80, 50), (101, 100, 100, 60, 0, 70)];
        assert_eq!(shape(&machine.look(rows, &leader)), [(100, 2, Some(60.0))]);
        let trees = machine.look(&[(100, 10, 100, 5, 150, 50)], &leader);
        assert_eq!(shape(&trees), [(100, 1, Some(10.0))]);
    }

    #[test]
    fn ticks_that_nobody_waited_for_do_not_hide_the_work_of_others() {
        let mut machine = Machine::new();
        let leader = [watched(100, 50)];
        let rows: &[Row] = &[(100, 10, 100, 5, 0, 50), (101, 100, 100, 500, 0, 51)];
        machine.look(rows, &leader);
        let trees = machine.look(&[(100, 10, 100, 45, 0, 50)], &leader);
        assert_eq!(shape(&trees), [(100, 1, Some(40.0))]);
    }

    #[test]
    fn a_first_look_counts_from_the_start_of_the_attempt() {
        let mut machine = Machine::new();
        machine.trees.processes.set_uptime("2.50 9.99\n");
        let rows: &[Row] = &[(100, 10, 100, 50, 25, 150), (200, 10, 200, 1, 0, 245)];
        let trees = machine.look(rows, &[watched(100, 150), watched(200, 245)]);
        assert_eq!(shape(&trees), [(100, 1, Some(75.0)), (200, 1, None)]);
        let trees = machine.look(rows, &[watched(100, 150), watched(200, 245)]);
        assert_eq!(shape(&trees), [(100, 1, Some(0.0)), (200, 1, Some(0.0))]);
    }

    #[test]
    fn quiet_is_found_after_its_time_and_ends_with_a_movement() {
        let mut machine = Machine::new();
        let leader = [watched(100, 50)];
        let still: &[Row] = &[(100, 10, 100, 5, 0, 50)];
        for _ in 1..=7 {
            machine.look(still, &leader);
        }
        // The first look is the baseline. Quiet from then on.
        assert_eq!(machine.findings, [(4, true)]);
        let trees = machine.look(&[(100, 10, 100, 6, 0, 50)], &leader);
        assert_eq!(machine.findings, [(4, true), (8, false)]);
        assert_eq!(trees[0].quiet_since, None);
    }

    #[test]
    fn output_has_an_age_and_counts_as_a_movement() {
        let mut machine = Machine::new();
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut leader = watched(100, 50);
        leader.output[0] = Some(PathBuf::from(file.path()));
        leader.output[1] = Some(PathBuf::from("/dev/null"));
        let still: &[Row] = &[(100, 10, 100, 5, 0, 50)];
        let written = |second: u64, text: &str| {
            fs::write(file.path(), text).unwrap();
            let at = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000 + second);
            file.as_file().set_modified(at).unwrap();
        };
        written(0, "");
        let leader = [leader];
        assert_eq!(machine.look(still, &leader)[0].last_output, None);
        machine.look(still, &leader);
        machine.look(still, &leader);
        written(3, "hello");
        let tree = machine.look(still, &leader)[0];
        assert_eq!((tree.last_output, tree.quiet_since), (Some(Mono(3_000_000)), None));
        let mark = Mark { at: Wall(1_000_003_000_000), size: 5 };
        let outputs = machine.trees.outputs();
        assert_eq!((outputs.len(), outputs[0].streams), (1, [Some(mark), None]));
        machine.look(still, &leader);
        let tree = machine.look(still, &leader)[0];
        assert_eq!(tree.last_output, Some(Mono(3_000_000)));
        assert_eq!(tree.quiet_since, Some(Mono(4_000_000)));
    }
}
