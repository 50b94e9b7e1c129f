//! The whole machine: time per core, load and memory.

use super::procfs::{CoreTicks, core_shares, cores};
use crate::model::{CoreShares, MachineSample};
use std::fs::File;
use std::os::unix::fs::FileExt;
use sysinfo::{MemoryRefreshKind, System};

/// Looks at the machine again and again; keeps what it needs to tell a difference.
pub struct Machine {
    /// Kept open: reading at offset 0 makes the kernel write the file anew.
    stat: Option<File>,
    buffer: Vec<u8>,
    ticks: Vec<CoreTicks>,
    shares: Vec<CoreShares>,
    /// `None` where sysinfo does not start; memory then shows as zero of zero.
    system: Option<System>,
}

impl Machine {
    /// Takes the first reading, against which the first look is measured.
    pub fn new() -> Machine {
        let mut machine = Machine {
            stat: File::open("/proc/stat").ok(),
            buffer: vec![0; 16 << 10],
            ticks: Vec::new(),
            shares: Vec::new(),
            system: System::new_with_specifics(sysinfo::RefreshKind::nothing()).ok(),
        };
        machine.ticks = machine.read_cores();
        machine
    }

    /// Returns the machine now, its cores since the look before.
    pub fn look(&mut self) -> MachineSample {
        let now = self.read_cores();
        self.shares = since(&self.ticks, &now, &self.shares);
        self.ticks = now;
        let load = System::load_average().unwrap_or_default();
        let (total, used) = match &mut self.system {
            Some(system) => {
                system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
                let total = system.total_memory();
                (total, total.saturating_sub(system.available_memory()))
            }
            None => (0, 0),
        };
        MachineSample {
            cores: self.shares.clone(),
            load: [load.one as f32, load.five as f32, load.fifteen as f32],
            memory_total_bytes: total,
            memory_used_bytes: used,
            ..MachineSample::default()
        }
    }

    fn read_cores(&mut self) -> Vec<CoreTicks> {
        let Some(stat) = &self.stat else { return Vec::new() };
        loop {
            let n = stat.read_at(&mut self.buffer, 0).unwrap_or(0);
            // A second read would see another moment: one buffer must take all cores.
            if n < self.buffer.len() || contains_more_than_cores(&self.buffer) {
                return cores(self.buffer.get(..n).unwrap_or_default());
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}

fn contains_more_than_cores(stat: &[u8]) -> bool {
    stat.windows(5).any(|w| w == b"\nintr")
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
    fn this_machine_has_memory_and_cores() {
        let sample = Machine::new().look();
        assert!(sample.memory_total_bytes > sample.memory_used_bytes, "{sample:?}");
        assert!(sample.load.iter().all(|l| *l >= 0.0), "{sample:?}");
    }
}
