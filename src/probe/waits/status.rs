//! What `/proc` says of processes and threads themselves: `stat` (proc_pid_stat(5)), `status`
//! (proc_pid_status(5)) and `auxv` (getauxval(3)). Pure.

use super::syscall::Machine;
use crate::model::waits::ThreadState;

/// What is wanted of `/proc/PID/stat` or `/proc/PID/task/TID/stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    pub name: Box<str>,
    /// `R`, `S`, `D`, `Z` and so on.
    pub state: u8,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// Device number of the controlling terminal; 0 for none.
    pub terminal: i32,
    pub start_ticks: u64,
}

impl Stat {
    /// Reads the line; `None` when it has another shape. The name may hold anything: the last
    /// `)` ends it.
    pub fn parse(line: &[u8]) -> Option<Stat> {
        let open = line.iter().position(|b| *b == b'(')?;
        let close = line.iter().rposition(|b| *b == b')')?;
        let name = String::from_utf8_lossy(line.get(open + 1..close)?).into();
        let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
        let mut words = rest.split_ascii_whitespace();
        let state = *words.next()?.as_bytes().first()?;
        let mut number = || words.next()?.parse().ok();
        let (parent, group, session, terminal) = (number()?, number()?, number()?, number()?);
        // Field 22; seven were taken.
        let start_ticks = words.nth(22 - 8)?.parse().ok()?;
        Some(Stat { name, state, parent, group, session, terminal, start_ticks })
    }

    pub fn thread_state(&self) -> ThreadState {
        match self.state {
            b'R' => ThreadState::Running,
            b'D' => ThreadState::Uninterruptible,
            b'T' | b't' => ThreadState::Stopped,
            b'Z' | b'X' | b'x' => ThreadState::Dead,
            // Also `I` and `P`, which only threads of the kernel have.
            _ => ThreadState::Blocked,
        }
    }

    /// Whether all that is left of it is its number.
    pub fn is_dead(&self) -> bool {
        self.thread_state() == ThreadState::Dead
    }
}

/// What is wanted of `/proc/PID/task/TID/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Signals that wait for this thread or for any thread of its process.
    pub pending: u64,
    pub blocked: u64,
    pub caught: u64,
    /// What it calls itself, in its own pid namespace, and how deep that is (1: where the reader
    /// is).
    pub own_tid: i32,
    pub depth: usize,
    /// Who traces it; 0 for nobody.
    pub tracer: i32,
    pub user: u32,
    /// How often it gave up its CPU or lost it.
    pub switches: u64,
}

impl Status {
    pub fn parse(text: &[u8]) -> Status {
        let mut status = Status { depth: 1, ..Status::default() };
        for line in text.split(|b| *b == b'\n') {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let mask = || u64::from_str_radix(value, 16).unwrap_or(0);
            match key {
                "Pid" if status.own_tid == 0 => status.own_tid = value.parse().unwrap_or(0),
                "NSpid" => {
                    let numbers = value.split_ascii_whitespace();
                    status.depth = numbers.clone().count().max(1);
                    if let Some(last) = numbers.last().and_then(|n| n.parse().ok()) {
                        status.own_tid = last;
                    }
                }
                "TracerPid" => status.tracer = value.parse().unwrap_or(0),
                "Uid" => {
                    let effective = value.split_ascii_whitespace().nth(1);
                    status.user = effective.and_then(|n| n.parse().ok()).unwrap_or(0);
                }
                "SigPnd" | "ShdPnd" => status.pending |= mask(),
                "SigBlk" => status.blocked = mask(),
                "SigCgt" => status.caught = mask(),
                "voluntary_ctxt_switches" | "nonvoluntary_ctxt_switches" => {
                    status.switches += value.parse::<u64>().unwrap_or(0);
                }
                _ => {}
            }
        }
        status
    }

    /// A signal is about to wake it.
    pub fn is_woken(&self) -> bool {
        self.pending & !self.blocked != 0
    }

    pub fn catches(&self, signal: i32) -> bool {
        u32::try_from(signal - 1)
            .is_ok_and(|bit| self.caught.checked_shr(bit).unwrap_or(0) & 1 == 1)
    }

    /// Whether it catches a signal that comes from outside at any time and whose handler may make
    /// a thread go on. Not counted are those for its own mistakes, for broken pipes, ended
    /// children and terminals that change their size, and the two that glibc keeps for itself.
    /// CPython always catches INT.
    pub fn catches_signals(&self, is_python: bool) -> bool {
        let mut own = NEVER_FROM_OUTSIDE.iter().fold(0, |mask, n| mask | bit(*n));
        if is_python {
            own |= bit(libc::SIGINT);
        }
        self.caught & !own != 0
    }
}

const NEVER_FROM_OUTSIDE: [i32; 12] = [
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGPIPE,
    libc::SIGCHLD,
    libc::SIGWINCH,
    32,
    33,
];

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Whose system calls a program makes, by the vector that the kernel gave it: that needs no
/// reading of the program's file. `None` when it cannot be told.
///
/// A 32-bit program has entries of half the size. Both kinds have the size of a program header in
/// it, which is another for each.
pub fn machine(auxv: &[u8]) -> Option<Machine> {
    const AT_PHENT: u64 = 4;
    let (words, _) = auxv.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|w| u64::from_ne_bytes(*w)).collect();
    let (pairs, _) = words.as_chunks::<2>();
    if pairs.contains(&[AT_PHENT, 56]) {
        return Some(Machine::HOST);
    }
    let (halves, _) = auxv.as_chunks::<4>();
    let halves: Vec<u32> = halves.iter().map(|w| u32::from_ne_bytes(*w)).collect();
    let (pairs, _) = halves.as_chunks::<2>();
    pairs.contains(&[AT_PHENT as u32, 32]).then_some(Machine::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let line = b"4 (a) (b c) S 3 2 1 34816 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((&*stat.name, stat.state, stat.parent), ("a) (b c", b'S', 3));
        assert_eq!((stat.group, stat.session, stat.terminal), (2, 1, 34816));
        assert_eq!(stat.start_ticks, 777);
        assert_eq!(Stat::parse(b"4 (a) S 3"), None);
    }

    #[test]
    fn a_thread_in_a_namespace_calls_itself_otherwise() {
        let text = b"Name:\tx\nPid:\t5150\nTracerPid:\t7\nUid:\t0\t1000\t0\t0\nNSpid:\t5150\t3\n\
            SigPnd:\t0000000000000000\nShdPnd:\t0000000000004000\nSigBlk:\t0000000000004000\n\
            SigCgt:\t0000000180000002\nvoluntary_ctxt_switches:\t5\n\
            nonvoluntary_ctxt_switches:\t2\n";
        let status = Status::parse(text);
        assert_eq!((status.own_tid, status.depth, status.tracer), (3, 2, 7));
        assert_eq!((status.user, status.switches), (1000, 7));
        assert!(!status.is_woken(), "TERM is blocked");
        assert!(status.catches(libc::SIGINT) && !status.catches(libc::SIGTERM));
        assert!(status.catches_signals(false) && !status.catches_signals(true));
        let woken = Status { blocked: 0, ..status };
        assert!(woken.is_woken());
    }

    #[test]
    fn this_program_has_64_bits() {
        let auxv = std::fs::read("/proc/self/auxv").unwrap();
        assert_eq!(machine(&auxv), Some(Machine::HOST));
        let halves: Vec<u8> =
            [3_u32, 0x8048034, 4, 32, 0, 0].iter().flat_map(|n| n.to_ne_bytes()).collect();
        assert_eq!(machine(&halves), Some(Machine::Other));
        assert_eq!(machine(b""), None);
    }
}
