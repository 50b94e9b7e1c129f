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

/// Returns how many processes and threads were ever started, from the end of `/proc/stat`;
/// `None` when it does not say.
pub fn forks(stat: &[u8]) -> Option<u64> {
    // From the end: the line of interrupts before it is long.
    stat.rsplit(|b| *b == b'\n').take(16).find_map(|line| number(line.strip_prefix(b"processes ")?))
}

/// Counters of a process that only grow, and that its parent inherits when it has waited for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Clock ticks on a CPU in the program itself.
    pub user: u64,
    /// Clock ticks on a CPU in the kernel.
    pub system: u64,
    /// Page faults that had to wait for a disk.
    pub major_faults: u64,
}

impl Counters {
    /// Clock ticks on a CPU.
    pub fn ticks(&self) -> u64 {
        self.user + self.system
    }

    /// Combines two field by field.
    pub fn with(&self, other: &Counters, f: fn(u64, u64) -> u64) -> Counters {
        Counters {
            user: f(self.user, other.user),
            system: f(self.system, other.system),
            major_faults: f(self.major_faults, other.major_faults),
        }
    }
}

/// What the probe wants of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PidStat {
    /// `R`, `S`, `D`, `Z` and so on; of a process with several threads that of the first.
    pub state: u8,
    pub ppid: i32,
    pub session: i32,
    /// Of all threads, ended ones included.
    pub own: Counters,
    /// Of children that ended and were waited for.
    pub children: Counters,
    pub threads: u32,
    /// Clock ticks between boot and the start of the process.
    pub start_ticks: u64,
    pub rss_pages: u64,
    /// Where its first thread last ran.
    pub core: Option<u32>,
    /// Clock ticks for which its first thread was blocked on I/O; stays zero unless the kernel
    /// counts delays.
    pub io_wait_ticks: u64,
}

impl PidStat {
    /// Its own counters and those it inherited from ended children.
    pub fn all(&self) -> Counters {
        self.own.with(&self.children, u64::wrapping_add)
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
    let words = line.get(name_end + 1..)?.split(u8::is_ascii_whitespace);
    let mut fields = Fields { words: words.filter(|w| !w.is_empty()), next: 3 };
    let state = *fields.at(3)?.first()?;
    let ppid = i32::try_from(signed(fields.at(4)?)?).ok()?;
    let session = i32::try_from(signed(fields.at(6)?)?).ok()?;
    let (mut own, mut children) = (Counters::default(), Counters::default());
    (own.major_faults, children.major_faults) = (fields.count(12)?, fields.count(13)?);
    (own.user, own.system) = (fields.count(14)?, fields.count(15)?);
    (children.user, children.system) = (fields.count(16)?, fields.count(17)?);
    Some(PidStat {
        state,
        ppid,
        session,
        own,
        children,
        threads: u32::try_from(fields.count(20)?).ok()?,
        start_ticks: fields.count(22)?,
        rss_pages: fields.count(24)?,
        // Kernels before 2.6.18 have fewer fields.
        core: fields.count(39).and_then(|core| u32::try_from(core).ok()),
        io_wait_ticks: fields.count(42).unwrap_or(0),
    })
}

/// The fields of a line, asked for in rising order. The manual counts them from 1.
struct Fields<I> {
    words: I,
    next: usize,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Fields<I> {
    fn at(&mut self, n: usize) -> Option<&'a [u8]> {
        let skipped = n.checked_sub(self.next)?;
        self.next = n + 1;
        self.words.nth(skipped)
    }

    /// A counter; some are signed and may be below zero for a moment.
    fn count(&mut self, n: usize) -> Option<u64> {
        self.at(n).and_then(signed).map(|v| u64::try_from(v).unwrap_or(0))
    }
}

/// `/proc/PID/schedstat`, which is that of the first thread, or that of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sched {
    pub run_ns: u64,
    /// Time in which it could run but waited for a CPU.
    pub wait_ns: u64,
    /// Times it was given a CPU.
    pub turns: u64,
}

impl Sched {
    pub fn since(&self, before: &Sched) -> Sched {
        Sched {
            run_ns: self.run_ns.saturating_sub(before.run_ns),
            wait_ns: self.wait_ns.saturating_sub(before.wait_ns),
            turns: self.turns.saturating_sub(before.turns),
        }
    }
}

/// Reads a `schedstat`; `None` when it has another shape or the kernel does not count, which it
/// writes as three zeros (`Documentation/scheduler/sched-stats.rst`).
pub fn sched(text: &[u8]) -> Option<Sched> {
    let mut numbers = text.split(u8::is_ascii_whitespace).map(number);
    let sched =
        Sched { run_ns: numbers.next()??, wait_ns: numbers.next()??, turns: numbers.next()?? };
    (sched != Sched::default()).then_some(sched)
}

/// What a process has moved, ended children that were waited for included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoBytes {
    /// Through calls (files, pipes, sockets are counted) and to and from storage, which sees
    /// mapped files: good for nothing but to see whether it moves.
    pub moved: u64,
    pub from_storage: u64,
    pub to_storage: u64,
}

/// Reads `/proc/PID/io`.
pub fn io_bytes(io: &[u8]) -> IoBytes {
    let mut bytes = IoBytes::default();
    for (key, value) in pairs(io) {
        match key {
            b"rchar" | b"wchar" => {}
            b"read_bytes" => bytes.from_storage = value,
            b"write_bytes" => bytes.to_storage = value,
            _ => continue,
        }
        bytes.moved = bytes.moved.wrapping_add(value);
    }
    bytes
}

/// Returns how often the thread of a `/proc/PID/status` gave up its CPU to wait.
pub fn voluntary_switches(status: &[u8]) -> Option<u64> {
    // The third line from the end: no need to read the many others.
    let lines = status.rsplit(|b| *b == b'\n').take(8);
    lines.filter_map(pair).find_map(|(key, n)| (key == b"voluntary_ctxt_switches").then_some(n))
}

/// What the probe wants of `/proc/meminfo`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub available: u64,
    pub swap_total: u64,
    pub swap_free: u64,
}

/// Reads `/proc/meminfo`, whose `kB` are 1024 bytes; `None` when it has another shape.
pub fn memory(meminfo: &[u8]) -> Option<Memory> {
    let (mut memory, mut available, mut reclaimable) = (Memory::default(), None, 0);
    for (key, kib) in pairs(meminfo) {
        let bytes = kib.saturating_mul(1024);
        match key {
            b"MemTotal" => memory.total = bytes,
            b"MemAvailable" => available = Some(bytes),
            b"MemFree" | b"Buffers" | b"Cached" => reclaimable += bytes,
            b"SwapTotal" => memory.swap_total = bytes,
            b"SwapFree" => {
                memory.swap_free = bytes;
                break;
            }
            _ => {}
        }
    }
    // Kernels before 3.14 leave the guess to the reader.
    memory.available = available.unwrap_or(reclaimable);
    (memory.total > 0).then_some(memory)
}

/// Returns `avg10` of the lines `some` and `full` of a file below `/proc/pressure`.
pub fn pressure(text: &[u8]) -> Option<(f32, Option<f32>)> {
    let text = std::str::from_utf8(text).ok()?;
    let avg10 = |kind: &str| {
        let mut words = text.lines().find_map(|l| l.strip_prefix(kind))?.split_whitespace();
        words.find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
    };
    Some((avg10("some ")?, avg10("full ")))
}

/// Returns the load averages of `/proc/loadavg`.
pub fn load(text: &[u8]) -> Option<[f32; 3]> {
    let mut words = std::str::from_utf8(text).ok()?.split_whitespace().map(str::parse);
    Some([words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?])
}

/// Returns the newest pid that `/proc/loadavg` names; `None` where something stands in for the
/// kernel that does not know.
pub fn newest_pid(loadavg: &[u8]) -> Option<i32> {
    let last = loadavg.trim_ascii_end().rsplit(|b| *b == b' ').next()?;
    i32::try_from(number(last)?).ok().filter(|pid| *pid > 0)
}

/// Returns the proportional share of resident memory in bytes, from `smaps_rollup`.
pub fn pss_bytes(smaps_rollup: &[u8]) -> Option<u64> {
    let kib = pairs(smaps_rollup).find_map(|(key, n)| (key == b"Pss").then_some(n))?;
    Some(kib.saturating_mul(1024))
}

/// Returns the resident memory of a `/proc/PID/status` in bytes.
pub fn resident_bytes(status: &[u8]) -> Option<u64> {
    let kib = pairs(status).find_map(|(key, n)| (key == b"VmRSS").then_some(n))?;
    Some(kib.saturating_mul(1024))
}

/// Lines such as `key:   12 kB`; those without a number are passed over.
fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    text.split(|b| *b == b'\n').filter_map(pair)
}

fn pair(line: &[u8]) -> Option<(&[u8], u64)> {
    let at = line.iter().position(|b| *b == b':')?;
    let (key, value) = line.split_at(at);
    let value = value.get(1..)?.trim_ascii_start();
    let word = value.split(u8::is_ascii_whitespace).next()?;
    Some((key, number(word)?))
}

/// Returns the numbers of a list such as `0-3,8`, the kernel's way to write CPU sets.
pub fn list(text: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in text.trim().split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        // Far above what any kernel can be built for.
        if last.checked_sub(first)? > 1 << 16 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// Returns how many numbers a list such as `0-3,8` holds, the kernel's way to write CPU sets.
pub fn list_len(text: &str) -> Option<u32> {
    u32::try_from(list(text)?.len()).ok()
}

/// A number without a sign, as the kernel writes it.
fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    // Several dozens at every look for every process: no detour by text.
    word.iter().try_fold(0_u64, |sum, b| {
        let digit = b.checked_sub(b'0').filter(|d| *d <= 9)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

fn signed(word: &[u8]) -> Option<i64> {
    match word.strip_prefix(b"-") {
        Some(digits) => i64::try_from(number(digits)?).ok().map(|n| -n),
        // Some counters are unsigned and beyond i64 only when the kernel is in trouble.
        None => number(word).map(|n| i64::try_from(n).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &[u8] = include_bytes!("../../tests/fixtures/proc/stat-two-cores");
    const STAT_OFFLINE: &[u8] = include_bytes!("../../tests/fixtures/proc/stat-core-offline");
    const STAT_OLD: &[u8] = include_bytes!("../../tests/fixtures/proc/stat-linux-2.6.10");
    const PID: &[u8] = include_bytes!("../../tests/fixtures/proc/pid-stat-odd-name");
    const ZOMBIE: &[u8] = include_bytes!("../../tests/fixtures/proc/pid-stat-zombie");
    const MEMINFO: &[u8] = include_bytes!("../../tests/fixtures/proc/meminfo");
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
        assert_eq!((stat.own.user, stat.own.system, stat.own.major_faults), (12, 34, 7));
        assert_eq!((stat.children.ticks(), stat.all().ticks()), (5 + 6, 12 + 34 + 5 + 6));
        assert_eq!((stat.threads, stat.start_ticks, stat.rss_pages), (3, 987_654, 2048));
        assert_eq!((stat.core, stat.io_wait_ticks), (Some(1), 66));
        let old = pid_stat(b"1 (x) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0 20 0 2 0 7 0 10").unwrap();
        assert_eq!((old.core, old.io_wait_ticks, old.own.user), (None, 0, 1));
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
        let io = io_bytes(IO);
        assert_eq!(
            (io.moved, io.from_storage, io.to_storage),
            (1000 + 200 + 4096 + 8192, 4096, 8192)
        );
        assert_eq!(io_bytes(b""), IoBytes::default());
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

    #[test]
    fn the_number_of_forks_stands_behind_the_interrupts() {
        assert_eq!(forks(STAT), Some(11806));
        assert_eq!(forks(b"cpu 1 2 3\n"), None);
    }

    #[test]
    fn lists_are_spread_out() {
        assert_eq!(list("0-2,8\n"), Some(vec![0, 1, 2, 8]));
        assert_eq!(list("\n"), Some(Vec::new()));
    }

    #[test]
    fn schedstat_of_a_kernel_that_does_not_count_is_not_zero_but_nothing() {
        let seen = sched(b"14812616 2451239 66\n");
        assert_eq!(seen, Some(Sched { run_ns: 14_812_616, wait_ns: 2_451_239, turns: 66 }));
        for text in ["0 0 0\n", "", "1 2", "1 x 3"] {
            assert_eq!(sched(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn switches_are_found_at_the_end_of_a_status() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t1234\nnonvoluntary_ctxt_switches:\t5\n";
        assert_eq!(voluntary_switches(status.as_bytes()), Some(1234));
        assert_eq!(voluntary_switches(b"Name:\tx\n"), None);
    }

    #[test]
    fn memory_and_swap_are_in_bytes() {
        let with_swap = memory(MEMINFO).unwrap();
        assert_eq!((with_swap.total, with_swap.available), (24_684_096 << 10, 23_650_536 << 10));
        assert_eq!((with_swap.swap_total, with_swap.swap_free), (2_097_148 << 10, 1_900_000 << 10));
        let old = b"MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\n";
        assert_eq!(memory(old).unwrap().available, 35 << 10);
        assert_eq!(memory(b""), None);
    }

    #[test]
    fn pressure_of_old_kernels_has_no_full_line() {
        let both = "some avg10=2.46 avg60=6.51 avg300=7.45 total=2485409475\n\
                    full avg10=0.50 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(pressure(both.as_bytes()), Some((2.46, Some(0.5))));
        assert_eq!(pressure(b"some avg10=1.00 avg60=0.00\n"), Some((1.0, None)));
        assert_eq!(pressure(b""), None);
    }

    #[test]
    fn load_and_proportional_memory_are_read() {
        assert_eq!(load(b"0.67 0.78 1.23 1/234 12345\n"), Some([0.67, 0.78, 1.23]));
        assert_eq!(load(b"0.67 x"), None);
        assert_eq!(newest_pid(b"0.67 0.78 1.23 1/234 12345\n"), Some(12345));
        assert_eq!(newest_pid(b"0.00 0.00 0.00 0/0 0\n"), None);
        let rollup = b"55c501174000-7ffe78778000 ---p 00000000 00:00 0    [rollup]\n\
                       Rss:    1756 kB\nPss:     317 kB\nPss_Dirty:    116 kB\n";
        assert_eq!(pss_bytes(rollup), Some(317 << 10));
        assert_eq!(pss_bytes(b""), None);
    }
}
