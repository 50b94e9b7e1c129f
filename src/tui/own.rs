//! What the screen itself costs: read beside the drawing, rarely.

use crate::clock;
use crate::model::{Mono, OwnUse};
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// Looks at memory are rarer by this: the kernel walks all of it to tell.
const MEMORY_EVERY: u32 = 5;

/// The last look.
#[derive(Default)]
pub struct Own {
    last: Option<(Mono, Duration)>,
    looks: u32,
    resident_bytes: Option<u64>,
}

impl Own {
    /// Returns what this process costs, when it is time for another look.
    pub fn look(&mut self, now: Mono) -> Option<OwnUse> {
        let used = clock::own_cpu();
        let Some((at, before)) = self.last else {
            self.last = Some((now, used));
            return None;
        };
        let elapsed = now.since(at);
        if elapsed < EVERY {
            return None;
        }
        self.last = Some((now, used));
        if self.looks.is_multiple_of(MEMORY_EVERY) {
            self.resident_bytes = resident_bytes();
        }
        self.looks += 1;
        let percent = used.saturating_sub(before).as_secs_f32() / elapsed.as_secs_f32() * 100.0;
        Some(OwnUse { cpu_percent: Some(percent), resident_bytes: self.resident_bytes })
    }
}

/// Shared pages count by their share, as the supervisor counts its own: proc_pid_smaps(5).
fn resident_bytes() -> Option<u64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_comes_every_two_seconds_and_not_sooner() {
        let mut own = Own::default();
        assert_eq!(own.look(Mono(1_000_000)), None);
        assert_eq!(own.look(Mono(2_000_000)), None);
        let seen = own.look(Mono(3_100_000)).unwrap();
        assert!(seen.cpu_percent.is_some_and(|p| p >= 0.0), "{seen:?}");
        assert!(seen.resident_bytes.is_none_or(|n| n > 100_000), "{seen:?}");
        assert_eq!(own.look(Mono(4_000_000)), None);
    }
}
