//! The whole machine: time per core, load, memory, swap and pressure.

use super::files::Kept;
use super::procfs::{self, CoreTicks, core_shares, cores};
use crate::clock;
use crate::model::{CoreShares, MachineSample, Mono, OwnUse, Pressure, limits};
use std::path::Path;
use std::time::Duration;

/// Looks at the machine again and again; keeps what it needs to tell a difference.
pub struct Machine {
    stat: Kept,
    loadavg: Kept,
    meminfo: Kept,
    /// CPU, memory, I/O.
    pressure: [Kept; 3],
    buffer: Vec<u8>,
    look: u64,
    ticks: Vec<CoreTicks>,
    shares: Vec<CoreShares>,
    last_pressure: Option<Pressure>,
    /// CPU time of this process at the look before.
    own: Option<(Mono, Duration)>,
    born: Option<Born>,
}

/// What tells whether, and with which pids, processes were started since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Born {
    /// Processes and threads that the machine has ever started.
    pub forks: u64,
    /// The newest pid; pids are given out in rising order and start again from below.
    pub newest: i32,
}

impl Machine {
    /// Takes the first reading, against which the first look is measured.
    pub fn new(proc: &Path) -> Machine {
        let open = |name: &str| Kept::open(&proc.join(name));
        let mut machine = Machine {
            stat: open("stat"),
            loadavg: open("loadavg"),
            meminfo: open("meminfo"),
            pressure: ["pressure/cpu", "pressure/memory", "pressure/io"].map(open),
            buffer: Vec::with_capacity(16 << 10),
            look: 0,
            ticks: Vec::new(),
            shares: Vec::new(),
            last_pressure: None,
            own: None,
            born: None,
        };
        machine.ticks = machine.read_cores();
        machine.own_cpu_percent(clock::mono());
        machine
    }

    /// Returns the machine now, its cores since the look before.
    pub fn look(&mut self, now: Mono) -> MachineSample {
        let ticks = self.read_cores();
        self.shares = since(&self.ticks, &ticks, &self.shares);
        self.ticks = ticks;
        let memory = self.meminfo.read(&mut self.buffer).and_then(procfs::memory);
        let memory = memory.unwrap_or_default();
        let load = self.loadavg.read(&mut self.buffer).and_then(procfs::load);
        // The kernel itself counts it anew only every two seconds.
        if self.look.is_multiple_of(limits::PROBE_SLOW_LOOKS) {
            self.last_pressure = self.read_pressure();
        }
        self.look += 1;
        MachineSample {
            cores: self.shares.clone(),
            load: load.unwrap_or_default(),
            memory_total_bytes: memory.total,
            memory_used_bytes: memory.total.saturating_sub(memory.available),
            swap_total_bytes: memory.swap_total,
            swap_used_bytes: memory.swap_total.saturating_sub(memory.swap_free),
            pressure: self.last_pressure,
            own: OwnUse { cpu_percent: self.own_cpu_percent(now), resident_bytes: None },
        }
    }

    /// Returns what was started, as of the last look.
    pub fn born(&self) -> Option<Born> {
        self.born
    }

    fn read_cores(&mut self) -> Vec<CoreTicks> {
        let Some(stat) = self.stat.read(&mut self.buffer) else { return Vec::new() };
        let (forks, cores) = (procfs::forks(stat), cores(stat));
        let newest = self.loadavg.read(&mut self.buffer).and_then(procfs::newest_pid);
        self.born = forks.zip(newest).map(|(forks, newest)| Born { forks, newest });
        cores
    }

    fn read_pressure(&mut self) -> Option<Pressure> {
        let buffer = &mut self.buffer;
        let [cpu, memory, io] = &self.pressure;
        let mut read = |file: &Kept| file.read(buffer).and_then(procfs::pressure);
        let (cpu_some, _) = read(cpu)?;
        let ((memory_some, memory_full), (io_some, io_full)) = (read(memory)?, read(io)?);
        let (memory_full, io_full) = (memory_full?, io_full?);
        Some(Pressure { cpu_some, memory_some, memory_full, io_some, io_full })
    }

    fn own_cpu_percent(&mut self, now: Mono) -> Option<f32> {
        let used = clock::own_cpu();
        let (at, before) = self.own.replace((now, used))?;
        let elapsed = now.since(at);
        let percent = used.saturating_sub(before).as_secs_f32() * 100.0 / elapsed.as_secs_f32();
        (!elapsed.is_zero()).then_some(percent)
    }
}

/// Shares of every core that is online in both readings; a core for which no time has passed
/// keeps its last shares.
fn since(before: &[CoreTicks], now: &[CoreTicks], last: &[CoreShares]) -> Vec<CoreShares> {
    now.iter()
        .filter_map(|after| {
            let before = before.iter().find(|b| b.core == after.core)?;
            core_shares(before, after)
                .or_else(|| last.iter().find(|s| s.core == after.core).copied())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_comes_and_goes_is_shown_only_while_it_is_there() {
        let ticks = |core, user, idle| CoreTicks { core, user, idle, ..CoreTicks::default() };
        let first = [ticks(0, 0, 0), ticks(1, 0, 0)];
        let second = [ticks(0, 50, 50)];
        let third = [ticks(0, 50, 50), ticks(1, 10, 0)];
        let fourth = [ticks(0, 50, 150), ticks(1, 10, 10)];
        let shown =
            |shares: &[CoreShares]| shares.iter().map(|s| (s.core, s.user)).collect::<Vec<_>>();

        let shares = since(&first, &second, &[]);
        assert_eq!(shown(&shares), [(0, 50.0)]);
        let shares = since(&second, &third, &shares);
        assert_eq!(shown(&shares), [(0, 50.0)], "no time has passed on 0; 1 has one reading only");
        let shares = since(&third, &fourth, &shares);
        assert_eq!(shown(&shares), [(0, 0.0), (1, 0.0)]);
    }

    #[test]
    fn this_machine_has_memory_cores_and_costs() {
        let mut machine = Machine::new(Path::new("/proc"));
        let sample = machine.look(clock::mono() + Duration::from_millis(1));
        assert!(sample.memory_total_bytes > sample.memory_used_bytes, "{sample:?}");
        assert!(sample.swap_total_bytes >= sample.swap_used_bytes, "{sample:?}");
        assert!(sample.load.iter().all(|l| *l >= 0.0), "{sample:?}");
        assert!(sample.own.cpu_percent.is_some_and(|p| p >= 0.0), "{sample:?}");
        assert!(machine.born().is_some_and(|b| b.forks > 0 && b.newest > 0));
    }

    #[test]
    fn what_a_kernel_does_not_count_is_nothing_and_not_zero() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        let look = || Machine::new(root.path()).look(clock::mono());
        assert_eq!((look().pressure, look().memory_total_bytes), (None, 0));

        std::fs::create_dir(root.path().join("pressure")).unwrap();
        write("pressure/cpu", "some avg10=2.50 avg60=0.00 avg300=0.00 total=5\n");
        assert_eq!(look().pressure, None, "one of three");
        let both = "some avg10=3.00 avg60=0 avg300=0 total=5\nfull avg10=1.00 avg60=0 total=5\n";
        write("pressure/memory", both);
        write("pressure/io", "some avg10=9.00 total=5\nfull avg10=8.00 total=5\n");
        let wanted = Pressure {
            cpu_some: 2.5,
            memory_some: 3.0,
            memory_full: 1.0,
            io_some: 9.0,
            io_full: 8.0,
        };
        assert_eq!(look().pressure, Some(wanted));

        let memory = "MemTotal: 100 kB\nMemAvailable: 40 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\n";
        write("meminfo", memory);
        let sample = look();
        assert_eq!((sample.memory_used_bytes, sample.swap_total_bytes), (60 << 10, 50 << 10));
        assert_eq!(sample.swap_used_bytes, 30 << 10);
    }
}
