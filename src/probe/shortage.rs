//! Whether memory, swap and disk run short: read at a low rate, away from the loop, since a look
//! at a disk may block.
//!
//! Sources: the kernel's `Documentation/accounting/psi.rst`, proc_meminfo(5), `/proc/vmstat`.

use std::fs;
use std::path::Path;

/// One reading; `None`: this kernel does not tell, or it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shortage {
    /// Percent of the last ten seconds in which some task waited for memory.
    pub memory_some: Option<f32>,
    /// Percent of the last ten seconds in which all tasks did.
    pub memory_full: Option<f32>,
    pub memory_available_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
    pub swap_total_bytes: Option<u64>,
    pub swap_used_bytes: Option<u64>,
    /// Pages swapped in and out since boot.
    pub swapped_pages: Option<u64>,
    /// Of the file system of the run's folder, for those without privileges.
    pub disk_free_bytes: Option<u64>,
    pub disk_total_bytes: Option<u64>,
}

/// Reads everything; `dir` is the run's folder.
pub fn read_shortage(dir: &Path) -> Shortage {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let disk = rustix::fs::statvfs(dir).ok();
    let disk = disk.as_ref();
    let mut shortage =
        parse(&text("/proc/pressure/memory"), &text("/proc/meminfo"), &text("/proc/vmstat"));
    shortage.disk_free_bytes = disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    shortage.disk_total_bytes = disk.map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize));
    shortage
}

fn parse(psi: &str, meminfo: &str, vmstat: &str) -> Shortage {
    let avg10 = |kind: &str| {
        let line = psi.lines().find_map(|line| line.strip_prefix(kind))?;
        line.split_whitespace().find_map(|word| word.strip_prefix("avg10=")?.parse().ok())
    };
    let bytes = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    let pages = |key: &str| {
        let line = vmstat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
        line.trim().parse::<u64>().ok()
    };
    let swap_total_bytes = bytes("SwapTotal");
    let swap_free = bytes("SwapFree");
    Shortage {
        memory_some: avg10("some "),
        memory_full: avg10("full "),
        memory_available_bytes: bytes("MemAvailable"),
        memory_total_bytes: bytes("MemTotal"),
        swap_total_bytes,
        swap_used_bytes: swap_total_bytes
            .zip(swap_free)
            .map(|(all, free)| all.saturating_sub(free)),
        swapped_pages: pages("pswpin").zip(pages("pswpout")).map(|(i, o)| i.saturating_add(o)),
        ..Shortage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let psi = "some avg10=12.34 avg60=1.00 avg300=0.10 total=123\n\
                   full avg10=0.50 avg60=0.00 avg300=0.00 total=9\n";
        let meminfo = "MemTotal:  4000 kB\nMemFree: 1 kB\nMemAvailable:  1000 kB\n\
                       SwapCached: 7 kB\nSwapTotal: 2000 kB\nSwapFree:  500 kB\n";
        let vmstat = "nr_free_pages 1\npswpin 10\npswpout 32\npswpoutx 1\n";
        let shown = parse(psi, meminfo, vmstat);
        assert_eq!((shown.memory_some, shown.memory_full), (Some(12.34), Some(0.5)));
        assert_eq!(shown.memory_available_bytes, Some(1_024_000));
        assert_eq!(shown.swap_used_bytes, Some(1500 * 1024));
        assert_eq!(shown.swapped_pages, Some(42));
    }

    #[test]
    fn what_is_not_told_is_not_known() {
        assert_eq!(parse("", "MemTotal: x kB\n", "pswpin 1\n"), Shortage::default());
    }

    #[test]
    fn this_machine_has_a_disk() {
        let shortage = read_shortage(&std::env::temp_dir());
        assert!(shortage.disk_total_bytes > Some(0), "{shortage:?}");
        assert!(shortage.disk_free_bytes <= shortage.disk_total_bytes, "{shortage:?}");
        assert!(shortage.memory_total_bytes > Some(0), "{shortage:?}");
    }
}
