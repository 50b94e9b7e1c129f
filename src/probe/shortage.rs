//! What the looks at the machine do not tell: room on the disk of the run's folder, and how much
//! the machine swaps. Read at a low rate, away from the loop, since a look at a disk may block.
//!
//! Source: `/proc/vmstat`, statvfs(3).

use std::fs;
use std::path::Path;

/// One reading; `None`: this kernel does not tell, or it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shortage {
    /// Pages swapped in and out since boot.
    pub swapped_pages: Option<u64>,
    /// Of the file system of the run's folder, for those without privileges.
    pub disk_free_bytes: Option<u64>,
    pub disk_total_bytes: Option<u64>,
}

/// Reads everything; `dir` is the run's folder.
pub fn read_shortage(dir: &Path) -> Shortage {
    let disk = rustix::fs::statvfs(dir).ok();
    let disk = disk.as_ref();
    Shortage {
        swapped_pages: fs::read_to_string("/proc/vmstat").ok().as_deref().and_then(swapped_pages),
        disk_free_bytes: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        disk_total_bytes: disk.map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
    }
}

fn swapped_pages(vmstat: &str) -> Option<u64> {
    let pages = |key: &str| {
        let line = vmstat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
        line.trim().parse::<u64>().ok()
    };
    pages("pswpin").zip(pages("pswpout")).map(|(read, written)| read.saturating_add(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_both_directions_count() {
        let vmstat = "nr_free_pages 1\npswpin 10\npswpout 32\npswpoutx 1\n";
        assert_eq!(swapped_pages(vmstat), Some(42));
        assert_eq!(swapped_pages("pswpin 1\n"), None);
        assert_eq!(swapped_pages("pswpin x\npswpout 1\n"), None);
    }

    #[test]
    fn this_machine_has_a_disk() {
        let shortage = read_shortage(&std::env::temp_dir());
        assert!(shortage.disk_total_bytes > Some(0), "{shortage:?}");
        assert!(shortage.disk_free_bytes <= shortage.disk_total_bytes, "{shortage:?}");
    }
}
