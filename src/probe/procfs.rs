//! The formats of the few files under `/proc` that the probe reads. Pure.
//!
//! Sources: proc_stat(5), proc_pid_stat(5), proc_pid_io(5) and the kernel's
//! `Documentation/filesystems/proc.rst`.

use crate::model::CoreShares;

/// Time counters of one core in clock ticks, since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreTicks {
    pub core: u32,
    pub user: u64,
    pub nice: u64,
    pub system: u64,
    pub idle: u64,
    pub iowait: u64,
    pub irq: u64,
    pub softirq: u64,
    pub steal: u64,
}

/// Returns the online cores of `/proc/stat` by number; lines of another shape are passed over.
///
/// Old kernels have fewer columns; what is missing is zero. Guest time is already in `user` and
/// `nice`.
pub fn cores(stat: &[u8]) -> Vec<CoreTicks> {
    let core_line = |line: &[u8]| -> Option<CoreTicks> {
        let mut words = line.split(|b| *b == b' ').filter(|w| !w.is_empty());
        let core = number(words.next()?.strip_prefix(b"cpu")?)?;
        let mut next = || words.next().and_then(number).unwrap_or(0);
        Some(CoreTicks {
            core: u32::try_from(core).ok()?,
            user: next(),
            nice: next(),
            system: next(),
            idle: next(),
            iowait: next(),
            irq: next(),
            softirq: next(),
            steal: next(),
        })
    };
    stat.split(|b| *b == b'\n')
        .take_while(|line| line.starts_with(b"cpu"))
        .filter_map(core_line)
        .collect()
}

/// Returns the shares of one core between two readings.
///
/// Returns `None` when no time has passed. A class whose counter went backwards (`iowait` and
/// `idle` may, says proc.rst) counts as not having run: the others still tell something.
pub fn core_shares(before: &CoreTicks, after: &CoreTicks) -> Option<CoreShares> {
    let passed = |get: fn(&CoreTicks) -> u64| get(after).saturating_sub(get(before)) as f32;
    let user = passed(|t| t.user);
    let nice = passed(|t| t.nice);
    let system = passed(|t| t.system);
    let idle = passed(|t| t.idle);
    let iowait = passed(|t| t.iowait);
    let irq = passed(|t| t.irq);
    let softirq = passed(|t| t.softirq);
    let steal = passed(|t| t.steal);
    let all = user + nice + system + idle + iowait + irq + softirq + steal;
    if all <= 0.0 {
        return None;
    }
    let percent = |ticks: f32| ticks * 100.0 / all;
    Some(CoreShares {
        core: after.core,
        user: percent(user),
        nice: percent(nice),
        system: percent(system),
        irq: percent(irq),
        softirq: percent(softirq),
        steal: percent(steal),
        iowait: percent(iowait),
        idle: percent(idle),
        ..CoreShares::default()
    })
}

/// What the probe wants of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PidStat {
    /// `R`, `S`, `D`, `Z` and so on.
    pub state: u8,
    pub ppid: i32,
    pub session: i32,
    /// Clock ticks on a CPU, all threads, ended ones included.
    pub own_ticks: u64,
    /// Clock ticks of children that ended and were waited for.
    pub children_ticks: u64,
    pub threads: u32,
    /// Clock ticks between boot and the start of the process.
    pub start_ticks: u64,
    pub rss_pages: u64,
}

impl PidStat {
    /// Its own ticks and those it inherited from ended children.
    pub fn all_ticks(&self) -> u64 {
        self.own_ticks + self.children_ticks
    }

    /// `false` for a process that has ended and only waits to be reaped.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Reads one line of `/proc/PID/stat`; `None` when it has another shape.
///
/// The name in parentheses may hold blanks, parentheses and newlines: the last `)` ends it.
pub fn pid_stat(line: &[u8]) -> Option<PidStat> {
    let name_end = line.iter().rposition(|b| *b == b')')?;
    let words: Vec<&[u8]> = line
        .get(name_end + 1..)?
        .split(|b| b.is_ascii_whitespace())
        .filter(|w| !w.is_empty())
        .collect();
    // The manual counts fields from 1, and the third is the first after the name.
    let field = |n: usize| words.get(n - 3).copied();
    let count = |n: usize| field(n).and_then(signed).map(|v| u64::try_from(v).unwrap_or(0));
    Some(PidStat {
        state: *field(3)?.first()?,
        ppid: i32::try_from(signed(field(4)?)?).ok()?,
        session: i32::try_from(signed(field(6)?)?).ok()?,
        own_ticks: count(14)? + count(15)?,
        children_ticks: count(16)? + count(17)?,
        threads: u32::try_from(count(20)?).ok()?,
        start_ticks: number(field(22)?)?,
        rss_pages: count(24)?,
    })
}

/// Returns the bytes a process has moved, from `/proc/PID/io`: through calls (files, pipes,
/// sockets are counted) and to and from disk (which sees mapped files).
pub fn io_bytes(io: &[u8]) -> u64 {
    io.split(|b| *b == b'\n')
        .filter_map(|line| {
            let at = line.iter().position(|b| *b == b':')?;
            let (key, value) = line.split_at(at);
            match key {
                b"rchar" | b"wchar" | b"read_bytes" | b"write_bytes" => {
                    number(value.get(1..)?.trim_ascii())
                }
                _ => None,
            }
        })
        .fold(0, u64::wrapping_add)
}

/// Returns how many numbers a list such as `0-3,8` holds, the kernel's way to write CPU sets.
pub fn list_len(list: &str) -> Option<u32> {
    let mut len = 0_u32;
    for part in list.trim().split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        len = len.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(len)
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn signed(word: &[u8]) -> Option<i64> {
    // Some counters are unsigned and beyond i64 only when the kernel is in trouble.
    let text = std::str::from_utf8(word).ok()?;
    text.parse().ok().or_else(|| text.parse::<u64>().ok().map(|_| i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &[u8] = include_bytes!("../../tests/fixtures/proc/stat-two-cores");
    const STAT_OFFLINE: &[u8] = include_bytes!("../../tests/fixtures/proc/stat-core-offline");
    const STAT_OLD: &[u8] = include_bytes!("../../tests/fixtures/proc/stat-linux-2.6.10");
    const PID: &[u8] = include_bytes!("../../tests/fixtures/proc/pid-stat-odd-name");
    const ZOMBIE: &[u8] = include_bytes!("../../tests/fixtures/proc/pid-stat-zombie");
    const IO: &[u8] = include_bytes!("../../tests/fixtures/proc/pid-io");

    #[test]
    fn cores_are_read_with_all_classes_and_without_the_sum_line() {
        let cores = cores(STAT);
        assert_eq!(cores.iter().map(|c| c.core).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(
            cores[1],
            CoreTicks {
                core: 1,
                user: 6204,
                nice: 3,
                system: 1378,
                idle: 120854,
                iowait: 317,
                irq: 2,
                softirq: 19,
                steal: 9
            }
        );
    }

    #[test]
    fn an_offline_core_is_absent_and_old_kernels_have_fewer_columns() {
        assert_eq!(cores(STAT_OFFLINE).iter().map(|c| c.core).collect::<Vec<_>>(), [0, 2, 3]);
        let old = cores(STAT_OLD);
        assert_eq!((old[0].user, old[0].idle, old[0].steal), (100, 400, 0));
    }

    #[test]
    fn shares_add_up_to_a_hundred() {
        let before = CoreTicks { user: 100, idle: 100, ..CoreTicks::default() };
        let after = CoreTicks { user: 130, system: 10, steal: 10, idle: 150, ..before };
        let shares = core_shares(&before, &after).unwrap();
        assert_eq!(
            (shares.user, shares.system, shares.steal, shares.idle),
            (30.0, 10.0, 10.0, 50.0)
        );
        assert_eq!(shares.busy(), 50.0);
    }

    #[test]
    fn a_counter_that_goes_backwards_does_not_spoil_the_others() {
        let before = CoreTicks { iowait: 50, ..CoreTicks::default() };
        let after = CoreTicks { user: 25, idle: 75, iowait: 40, ..CoreTicks::default() };
        let shares = core_shares(&before, &after).unwrap();
        assert_eq!((shares.user, shares.idle, shares.iowait), (25.0, 75.0, 0.0));
        assert_eq!(core_shares(&after, &after), None, "no time has passed");
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = pid_stat(PID).unwrap();
        assert_eq!((stat.state, stat.ppid, stat.session), (b'S', 811, 800));
        assert_eq!((stat.own_ticks, stat.children_ticks), (12 + 34, 5 + 6));
        assert_eq!((stat.threads, stat.start_ticks, stat.rss_pages), (3, 987_654, 2048));
        assert!(stat.is_alive());
        assert!(!pid_stat(ZOMBIE).unwrap().is_alive());
    }

    #[test]
    fn other_shapes_are_not_taken_for_a_process() {
        for line in ["", "1", "1 (x", "1 (x)", "1 (x) S", "1 (x) S one 2 3"] {
            assert_eq!(pid_stat(line.as_bytes()), None, "{line}");
        }
        for cut in 0..PID.len() - 60 {
            pid_stat(&PID[..cut]);
            cores(&STAT[..cut.min(STAT.len())]);
        }
    }

    #[test]
    fn io_counts_calls_and_disk() {
        assert_eq!(io_bytes(IO), 1000 + 200 + 4096 + 8192);
        assert_eq!(io_bytes(b""), 0);
    }

    #[test]
    fn cpu_lists_are_counted() {
        for (list, len) in
            [("0", Some(1)), ("0-3", Some(4)), ("0-1,4,6-7\n", Some(5)), ("", Some(0))]
        {
            assert_eq!(list_len(list), len, "{list}");
        }
        for list in ["x", "3-1", "1-", "0-4294967295"] {
            assert_eq!(list_len(list), None, "{list}");
        }
    }
}
