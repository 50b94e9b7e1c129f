//! What may take long to read, read by a thread of its own: a look never waits for it, and shows
//! what came last.
//!
//! That is the folder of descriptors of a process, its status, ganger's own memory map (which
//! waits for a lock of memory) and the clock of each core (some drivers ask firmware).

use super::files::Kept;
use super::{lock, procfs};
use crate::clock;
use crate::model::{AttemptId, Mono, ProcRef};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// Orders after which ganger's own memory is read again: its map costs more than all the rest.
const OWN_MEMORY_ORDERS: u64 = 8;

/// What to look at.
#[derive(Debug, Default)]
pub struct Order {
    pub processes: Vec<(AttemptId, ProcRef)>,
    pub cores: Vec<u32>,
}

/// What is known of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Details {
    pub fds: Option<u32>,
    pub voluntary_switches_per_s: Option<f32>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub attempts: HashMap<AttemptId, Details>,
    /// Clocks of cores in MHz.
    pub mhz: HashMap<u32, u32>,
    /// Proportional share of ganger's own memory, or where the kernel does not tell, all of it.
    pub own_bytes: Option<u64>,
}

/// A thread that reads beside the looks; it ends with this.
pub struct Aside {
    orders: SyncSender<Order>,
    report: Arc<Mutex<Arc<Report>>>,
}

impl Aside {
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Aside> {
        let (orders, to_do) = sync_channel(1);
        let report = Arc::new(Mutex::new(Arc::default()));
        let of_thread = Arc::clone(&report);
        // Not joined: it may be stuck, which is what it is for.
        std::thread::Builder::new()
            .name("probe-aside".to_owned())
            .spawn(move || work(&to_do, &of_thread))?;
        Ok(Aside { orders, report })
    }

    /// Has things read some time soon; forgets it when the last order is not done.
    pub fn ask(&self, order: Order) {
        let _busy_means_that_old_values_stay = self.orders.try_send(order);
    }

    /// What was seen last.
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&lock(&self.report))
    }
}

fn work(orders: &Receiver<Order>, report: &Mutex<Arc<Report>>) {
    let mut reader = Reader::default();
    let mut n_orders = 0_u64;
    while let Ok(order) = orders.recv() {
        let mut seen = Report {
            attempts: reader.attempts(&order.processes, clock::mono()),
            mhz: reader.mhz(&order.cores),
            own_bytes: lock(report).own_bytes,
        };
        if n_orders.is_multiple_of(OWN_MEMORY_ORDERS) {
            seen.own_bytes = own_bytes(Path::new("/proc/self"), &mut reader.buffer);
        }
        n_orders += 1;
        *lock(report) = Arc::new(seen);
    }
}

#[derive(Default)]
struct Reader {
    known: HashMap<ProcRef, Known>,
    clocks: HashMap<u32, Kept>,
    buffer: Vec<u8>,
}

/// Files of a process, which never show another one with the same pid.
struct Known {
    status: Kept,
    fds: Option<File>,
    path: PathBuf,
    switches: Option<(Mono, u64)>,
}

impl Reader {
    fn attempts(
        &mut self,
        processes: &[(AttemptId, ProcRef)],
        now: Mono,
    ) -> HashMap<AttemptId, Details> {
        let mut attempts: HashMap<AttemptId, Details> = HashMap::new();
        let mut known = std::mem::take(&mut self.known);
        for (attempt, proc) in processes {
            let kept = known.remove(proc).or_else(|| Known::open(*proc, &mut self.buffer));
            let Some(mut process) = kept else { continue };
            let details = attempts.entry(*attempt).or_default();
            details.fds = details.fds.max(process.n_fds());
            let rate = process.switches_per_s(now, &mut self.buffer);
            if let Some(rate) = rate {
                *details.voluntary_switches_per_s.get_or_insert(0.0) += rate;
            }
            self.known.insert(*proc, process);
        }
        attempts
    }

    fn mhz(&mut self, cores: &[u32]) -> HashMap<u32, u32> {
        let buffer = &mut self.buffer;
        let clocks = &mut self.clocks;
        let mut mhz_of = |core: &u32| {
            let open = || {
                let folder = format!("/sys/devices/system/cpu/cpu{core}/cpufreq");
                Kept::open(&Path::new(&folder).join("scaling_cur_freq"))
            };
            let text = clocks.entry(*core).or_insert_with(open).read(buffer)?;
            Some((*core, mhz(text)?))
        };
        cores.iter().filter_map(&mut mhz_of).collect()
    }
}

impl Known {
    fn open(proc: ProcRef, buffer: &mut Vec<u8>) -> Option<Known> {
        let folder = PathBuf::from(format!("/proc/{}", proc.pid));
        let path = folder.join("fd");
        let known = Known {
            status: Kept::open(&folder.join("status")),
            fds: File::open(&path).ok(),
            path,
            switches: None,
        };
        // Whoever has the pid now had it when the files were opened, if it is this one.
        let stat = procfs::pid_stat(Kept::open(&folder.join("stat")).read(buffer)?)?;
        (stat.start_ticks == proc.start_ticks).then_some(known)
    }

    fn n_fds(&self) -> Option<u32> {
        let folder = self.fds.as_ref()?;
        let n = folder.metadata().ok()?.size();
        if n > 0 {
            return u32::try_from(n).ok();
        }
        // Kernels before 6.2 do not count: the names have to be.
        let n = fs::read_dir(&self.path).ok()?.count();
        u32::try_from(n).ok()
    }

    fn switches_per_s(&mut self, now: Mono, buffer: &mut Vec<u8>) -> Option<f32> {
        let n = procfs::voluntary_switches(self.status.read(buffer)?)?;
        let (at, before) = self.switches.replace((now, n))?;
        let seconds = now.since(at).as_secs_f32();
        (seconds > 0.0).then(|| n.saturating_sub(before) as f32 / seconds)
    }
}

/// The clock of a core from `scaling_cur_freq`, which is in kHz.
fn mhz(text: &[u8]) -> Option<u32> {
    let khz: u32 = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    (khz > 0).then_some(khz / 1000)
}

fn own_bytes(folder: &Path, buffer: &mut Vec<u8>) -> Option<u64> {
    let rollup = Kept::open(&folder.join("smaps_rollup"));
    if let Some(pss) = rollup.read(buffer).and_then(procfs::pss_bytes) {
        return Some(pss);
    }
    // Kernels before 4.14.
    procfs::resident_bytes(Kept::open(&folder.join("status")).read(buffer)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobNo;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    #[test]
    fn descriptors_of_a_process_are_counted() {
        // Of a process of its own: this one opens and closes files in other tests.
        let script =
            "echo ready; read x; exec 5</dev/null 6</dev/null 7</dev/null; echo more; read x";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let pid = child.id().cast_signed();
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap();
        let start_ticks = procfs::pid_stat(&stat).unwrap().start_ticks;
        let (a, b) = (AttemptId { job: JobNo(1), n: 1 }, AttemptId { job: JobNo(2), n: 1 });
        let processes = [
            (a, ProcRef { pid, start_ticks }),
            // The same pid at another time: a stranger.
            (b, ProcRef { pid, start_ticks: start_ticks + 1 }),
        ];
        let mut reader = Reader::default();
        let first = reader.attempts(&processes, Mono(1_000_000));
        assert!(first[&a].fds.is_some_and(|n| n >= 3), "{first:?}");
        assert_eq!(first[&a].voluntary_switches_per_s, None, "one reading is no rate");
        assert!(!first.contains_key(&b));
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "more");
        let second = reader.attempts(&processes, Mono(2_000_000));
        assert_eq!(second[&a].fds, first[&a].fds.map(|n| n + 3), "{first:?} {second:?}");
        assert!(second[&a].voluntary_switches_per_s.is_some_and(|n| n >= 0.0));
        reader.attempts(&[], Mono(3_000_000));
        assert!(reader.known.is_empty(), "files of what is no longer asked for are closed");
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn clocks_and_own_memory_are_read() {
        assert_eq!((mhz(b"2700123\n"), mhz(b"0\n"), mhz(b"<unknown>\n")), (Some(2700), None, None));
        assert!(own_bytes(Path::new("/proc/self"), &mut Vec::new()).is_some_and(|n| n > 100_000));
        assert_eq!(own_bytes(Path::new("/nowhere"), &mut Vec::new()), None);
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("status"), "Name:\tx\nVmRSS:\t     12 kB\n").unwrap();
        assert_eq!(own_bytes(root.path(), &mut Vec::new()), Some(12 << 10), "an old kernel");
    }
}
