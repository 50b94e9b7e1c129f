//! What lies around a futex: the objects of glibc and musl, told apart by their fields. Pure.
//!
//! Nothing marks such an object, so an owner is believed only where all fields fit. Anything else
//! is an object that anybody may release. Offsets are those of 64-bit glibc (`struct_mutex.h`,
//! `struct_rwlock.h`, `nptl/descr.h`) and musl (`src/internal/pthread_impl.h`).

use super::memory::{u32_in, u64_in};

/// A futex that a thread waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Futex {
    pub address: u64,
    /// As in the call: command and flags.
    pub op: u32,
    pub value: u32,
}

impl Futex {
    pub const WAIT: u32 = 0;
    pub const LOCK_PI: u32 = 6;
    pub const WAIT_BITSET: u32 = 9;
    pub const WAIT_REQUEUE_PI: u32 = 11;
    pub const LOCK_PI2: u32 = 13;
    const PRIVATE: u32 = 128;
    const REALTIME: u32 = 256;

    pub fn command(self) -> u32 {
        self.op & !(Futex::PRIVATE | Futex::REALTIME)
    }

    fn is_private(self) -> bool {
        self.op & Futex::PRIVATE != 0
    }

    pub fn is_pi(self) -> bool {
        matches!(self.command(), Futex::LOCK_PI | Futex::LOCK_PI2)
    }
}

/// Bytes around a futex.
pub struct Window {
    pub bytes: Vec<u8>,
    /// Place of the futex in them.
    pub at: usize,
}

impl Window {
    /// How much is wanted before and behind the futex.
    pub const BEFORE: u64 = JOIN;
    pub const BEHIND: u64 = 64;

    fn u32(&self, offset: isize) -> Option<u32> {
        u32_in(&self.bytes, self.at.checked_add_signed(offset)?)
    }

    fn u64(&self, offset: isize) -> Option<u64> {
        u64_in(&self.bytes, self.at.checked_add_signed(offset)?)
    }

    /// Whether a mutex of glibc can be given back by its owner alone: the recursive, the error
    /// checking, the robust and the priority inheriting compare who unlocks them, others do not.
    pub fn checks_owner(&self) -> bool {
        const RECURSIVE: u32 = 1;
        const ERROR_CHECK: u32 = 2;
        const ROBUST: u32 = 16;
        const INHERITS_PRIORITY: u32 = 32;
        self.u32(16).is_none_or(|kind| {
            kind & (ROBUST | INHERITS_PRIORITY) != 0
                || [RECURSIVE, ERROR_CHECK].contains(&(kind & 15))
        })
    }
}

/// What a futex is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// With the number that its owner has for itself.
    Mutex {
        owner: i32,
        robust: bool,
    },
    /// One that keeps no owner.
    BareMutex,
    /// That of a `FILE` of stdio, which a thread of the process has.
    Stdio {
        owner: i32,
    },
    /// The end of a thread.
    Join {
        tid: i32,
    },
    /// A read-write lock that a writer has.
    Written {
        owner: i32,
    },
    /// One that readers have, or nobody for a moment.
    Read,
    Semaphore,
    Condvar,
    Barrier,
    Unknown,
}

/// Place of the thread's number in glibc's `struct pthread`.
const JOIN: u64 = 0x2d0;
const TID: u32 = 0x3fff_ffff;
const WAITERS: u32 = 0x8000_0000;

/// The threads of a process, by the numbers that they have for themselves.
pub struct Threads<'a> {
    pub is_one: &'a dyn Fn(i32) -> bool,
    /// The thread that a `pthread_t` stands for.
    pub of_pthread: &'a dyn Fn(u64) -> Option<i32>,
    /// The futex is among the variables of the C library itself.
    pub in_library: bool,
}

/// Says what a futex of a program with glibc, or with an unknown library, is part of.
pub fn classify(futex: Futex, window: &Window, threads: &Threads<'_>) -> Object {
    let found = match futex.command() {
        Futex::WAIT => stdio(futex, window, threads)
            .or_else(|| mutex(futex, window))
            .or_else(|| barrier(futex, window)),
        Futex::LOCK_PI | Futex::LOCK_PI2 => pi_mutex(futex, window),
        Futex::WAIT_BITSET => join(futex, window, threads.is_one)
            .or_else(|| rwlock(futex, window))
            .or_else(|| writer_first(futex, window))
            .or_else(|| semaphore(futex, window))
            .or_else(|| condvar(futex, window)),
        _ => None,
    };
    found.unwrap_or(Object::Unknown)
}

struct Fields {
    word: u32,
    owner: i32,
    kind: u32,
}

/// Numbers of threads end below (`PID_MAX_LIMIT` of `linux/threads.h`).
const TID_MAX: i32 = 1 << 22;
/// Who has a mutex, and who comes back to it from a condition; above, it may be part of an address.
const USERS: u32 = 1 << 14;

/// `pthread_mutex_t`, whose first field is the futex; `None` where the fields do not fit one.
fn fields(window: &Window) -> Option<Fields> {
    let word = window.u32(0)?;
    let owner = window.u32(8)? as i32;
    let users = window.u32(12)?;
    let kind = window.u32(16)?;
    let fits =
        kind & !0x3ff == 0 && kind & 15 <= 3 && users < USERS && (1..TID_MAX).contains(&owner);
    fits.then_some(Fields { word, owner, kind })
}

/// `_IO_lock_t`: word 0, count 4, `pthread_t` of the owner 8. Those of the three standard files are
/// side by side in the library; others are behind their `FILE`, which points to them (`locked_FILE`
/// of `libio/iofopen.c`).
fn stdio(futex: Futex, window: &Window, threads: &Threads<'_>) -> Option<Object> {
    const POINTER: isize = -0x58;
    let is_one = || threads.in_library || window.u64(POINTER) == Some(futex.address);
    let fits = futex.is_private()
        && is_one()
        && futex.value == 2
        && window.u32(0)? == 2
        && (1..USERS).contains(&window.u32(4)?);
    let owner = (threads.of_pthread)(window.u64(8).filter(|_| fits)?)?;
    Some(Object::Stdio { owner })
}

fn mutex(futex: Futex, window: &Window) -> Option<Object> {
    let Fields { word, owner, kind } = fields(window)?;
    let robust = kind & 16 != 0;
    // Only robust ones are in a list. Whoever has it is a user of it.
    let is_unlisted = || window.u64(24) == Some(0) && window.u64(32) == Some(0);
    let is_used = || window.u32(12).is_some_and(|users| users > 0);
    let fits = if kind & (32 | 64) != 0 {
        false
    } else if robust {
        // The kernel finds robust ones by the address, whoever shares them.
        !futex.is_private() && word & WAITERS != 0 && word & TID == owner as u32
    } else {
        let is_shared = kind & 128 != 0;
        word == 2
            && futex.value == 2
            && is_shared != futex.is_private()
            && is_used()
            && is_unlisted()
    };
    fits.then_some(Object::Mutex { owner, robust })
}

fn pi_mutex(_: Futex, window: &Window) -> Option<Object> {
    let Fields { word, owner, kind } = fields(window)?;
    let fits = kind & 32 != 0 && word & WAITERS != 0 && word & TID == owner as u32;
    fits.then_some(Object::Mutex { owner, robust: kind & 16 != 0 })
}

/// `pthread_join`: the futex is the number of the thread in its `struct pthread`, which begins
/// with a pointer to itself (`tcbhead_t` of x86_64).
fn join(futex: Futex, window: &Window, is_thread: &dyn Fn(i32) -> bool) -> Option<Object> {
    let tid = i32::try_from(futex.value).ok()?;
    if futex.is_private() || tid == 0 || window.u32(0)? != futex.value || !is_thread(tid) {
        return None;
    }
    let begin = futex.address.wrapping_sub(JOIN);
    let is_pthread = window.u64(0x10 - JOIN as isize) == Some(begin);
    // Small numbers are states of other objects as well.
    (is_pthread || tid > 3).then_some(Object::Join { tid })
}

/// `pthread_rwlock_t`: readers 0, writers 4, phase 8, writers' futex 12, padding 16 and 20,
/// writer 24, shared 28, flags 48.
fn rwlock(futex: Futex, window: &Window) -> Option<Object> {
    if !(1..=3).contains(&futex.value) {
        return None;
    }
    let at = |base: isize| {
        let field = |offset: isize| window.u32(base + offset);
        let readers = field(0)?;
        let padding = (field(16)?, field(20)?);
        let writer = field(24)? as i32;
        let (shared, flags) = (field(28)?, field(48)?);
        let fits = padding == (0, 0)
            && readers != 0
            && writer >= 0
            && (shared == 0) == futex.is_private()
            && shared <= 1
            && flags <= 2;
        if !fits {
            return None;
        }
        // It is in a phase of writing (1), and a writer has it (2).
        let is_written = readers & 3 == 3 && writer > 0;
        Some(if is_written { Object::Written { owner: writer } } else { Object::Read })
    };
    at(-8).or_else(|| at(-12))
}

/// A reader that lets those go first who want to write waits on the readers themselves
/// (`PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP`): others read (from 8 up), somebody wants to
/// write (2), and such readers wait (4).
fn writer_first(futex: Futex, window: &Window) -> Option<Object> {
    const PREFERS_WRITERS: u32 = 2;
    let shared = window.u32(28)?;
    let fits = futex.value >= 8
        && futex.value & 7 == 6
        && window.u32(0)? == futex.value
        && (window.u32(16)?, window.u32(20)?) == (0, 0)
        && shared <= 1
        && (shared == 0) == futex.is_private()
        && window.u32(48)? == PREFERS_WRITERS;
    fits.then_some(Object::Read)
}

/// `sem_t`: value and waiters in one word, 0 for a private one behind.
fn semaphore(futex: Futex, window: &Window) -> Option<Object> {
    let fits = futex.value == 0
        && futex.address.is_multiple_of(8)
        && window.u32(0)? == 0
        && (1..100_000).contains(&window.u32(4)?)
        && window.u32(8)? == if futex.is_private() { 0 } else { 128 };
    fits.then_some(Object::Semaphore)
}

/// `pthread_cond_t`: the futexes of two groups at 40 and 44, waiters and flags at 36 (from 2.41 on
/// all of these 8 earlier).
///
/// The first two fields count in halves who ever waited, and those of them that are through.
fn condvar(_: Futex, window: &Window) -> Option<Object> {
    let is_group = |of: isize| {
        let waiting = window.u32(-4 - of).map_or(0, |flags| flags >> 3);
        let counts = |start: isize, through: isize| {
            let (begun, through) = (window.u64(start - of), window.u64(through - of));
            let (Some(begun), Some(through)) = (begun, through) else { return false };
            begun < 1 << 40 && through >> 1 <= begun >> 1 && begun >> 1 >= u64::from(waiting)
        };
        (1..100_000).contains(&waiting) && (counts(-40, -32) || counts(-32, -24))
    };
    (is_group(0) || is_group(4)).then_some(Object::Condvar)
}

/// `pthread_barrier_t`: in 0, round 4 (the futex), count 8, shared 12, out 16.
fn barrier(futex: Futex, window: &Window) -> Option<Object> {
    let (arrived, round, count) = (window.u32(-4)?, window.u32(0)?, window.u32(8 - 4)?);
    let shared = window.u32(12 - 4)?;
    let fits = round == futex.value
        && count > 0
        && count < 100_000
        && (arrived.wrapping_sub(round)) < count
        && arrived != round
        && shared == if futex.is_private() { 0 } else { 128 };
    fits.then_some(Object::Barrier)
}

/// Says what a futex of a program with musl is part of.
pub fn classify_musl(futex: Futex, window: &Window, is_thread: &dyn Fn(i32) -> bool) -> Object {
    let found = match futex.command() {
        Futex::WAIT if futex.value == u32::MAX => Some(Object::Semaphore),
        Futex::WAIT => musl_mutex(futex, window).or_else(|| musl_join(futex, window, is_thread)),
        _ => None,
    };
    found.unwrap_or(Object::Unknown)
}

/// Type at 0, lock at 4 (the futex), waiters at 8.
fn musl_mutex(futex: Futex, window: &Window) -> Option<Object> {
    /// `EBUSY`, which says that somebody has it.
    const TAKEN: u32 = 16;
    let (kind, word, waiters) = (window.u32(-4)?, window.u32(0)?, window.u32(4)?);
    let is_shared = kind & 128 != 0;
    let fits = kind & !(3 | 4 | 128) == 0
        && word == futex.value
        && word & WAITERS != 0
        && (1..100_000).contains(&waiters)
        && is_shared != futex.is_private();
    if !fits {
        return None;
    }
    match kind & 15 {
        0 => (word == WAITERS | TAKEN).then_some(Object::BareMutex),
        kind => {
            let owner = (word & TID) as i32;
            (owner > 0).then_some(Object::Mutex { owner, robust: kind & 4 != 0 })
        }
    }
}

/// The state of a thread, 2 while it runs, 8 bytes behind its number.
fn musl_join(futex: Futex, window: &Window, is_thread: &dyn Fn(i32) -> bool) -> Option<Object> {
    let tid = window.u32(-8)? as i32;
    (futex.value == 2 && is_thread(tid)).then_some(Object::Join { tid })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OP: u32 = 0x80;

    fn window(before: &[u32], from: &[u32]) -> Window {
        let bytes = before.iter().chain(from).flat_map(|n| n.to_le_bytes()).collect();
        Window { bytes, at: before.len() * 4 }
    }

    fn said(op: u32, value: u32, window: &Window) -> Object {
        let of_pthread = |at| (at == 0x7f00_4bff_e6c0).then_some(4711);
        let threads =
            Threads { is_one: &|tid| tid == 4711, of_pthread: &of_pthread, in_library: true };
        classify(Futex { address: 0x7f00_0000_1000, op, value }, window, &threads)
    }

    /// lock, count, owner, users, kind
    fn mutex(lock: u32, owner: u32, users: u32, kind: u32) -> Window {
        window(&[], &[lock, 0, owner, users, kind, 0, 0, 0, 0, 0])
    }

    #[test]
    fn mutexes_of_all_kinds_tell_their_owner() {
        let plain = Object::Mutex { owner: 4711, robust: false };
        let robust = Object::Mutex { owner: 4711, robust: true };
        for kind in [0, 1, 2, 3, 256, 513] {
            assert_eq!(said(OP, 2, &mutex(2, 4711, 1, kind)), plain, "{kind}");
        }
        assert_eq!(said(0, 2, &mutex(2, 4711, 1, 128)), plain, "shared");
        let word = 4711 | WAITERS;
        assert_eq!(said(0, word, &mutex(word, 4711, 1, 16)), robust);
        assert_eq!(said(0, word, &mutex(word, 4711, 1, 16 | 128)), robust);
        assert_eq!(said(OP | 6, 0, &mutex(word, 4711, 1, 32)), plain);
        assert_eq!(said(OP | 13, 0, &mutex(word, 4711, 1, 33)), plain);
        assert_eq!(said(6, 0, &mutex(word, 4711, 1, 32 | 16)), robust);
    }

    #[test]
    fn nothing_that_only_looks_like_a_mutex_has_an_owner() {
        // Locks of malloc and stdio: the same call, but no such fields.
        assert_eq!(said(OP, 2, &mutex(2, 0, 0, 0)), Object::Unknown, "a hand-over too");
        assert_eq!(said(OP, 2, &mutex(2, 4711, 1, 0x400)), Object::Unknown);
        assert_eq!(said(OP, 2, &mutex(2, 4711, 1, 5)), Object::Unknown);
        assert_eq!(said(OP, 2, &mutex(2, 4711, 0x7f00_0000, 0)), Object::Unknown);
        assert_eq!(said(OP, 2, &mutex(2, 4711, 0x7f00, 0)), Object::Unknown, "half a pointer");
        assert_eq!(said(OP, 2, &mutex(2, 0x4bff_e6c0, 1, 0)), Object::Unknown, "no such thread");
        assert_eq!(said(OP, 2, &mutex(2, 1, 0, 0)), Object::Unknown, "an arena of malloc");
        let listed = window(&[], &[2, 0, 4711, 1, 0, 0, 0, 1, 0, 0]);
        assert_eq!(said(OP, 2, &listed), Object::Unknown);
        assert_eq!(said(0, 2, &mutex(2, 4711, 1, 0)), Object::Unknown, "private, called shared");
        assert_eq!(said(OP, 2, &mutex(1, 4711, 1, 0)), Object::Unknown);
        assert_eq!(said(OP | 6, 0, &mutex(4712 | WAITERS, 4711, 1, 32)), Object::Unknown);
        // Rust's.
        assert_eq!(said(OP | 9, 2, &mutex(2, 4711, 1, 0)), Object::Unknown);
        assert_eq!(said(OP, 2, &window(&[], &[2, 0])), Object::Unknown, "the end of memory");
    }

    #[test]
    fn the_lock_of_a_file_belongs_to_a_thread() {
        let lock =
            |count, low, high| window(&[], &[2, count, low, high, 1, 1, 0x4bff_e6c0, 0x7f00]);
        let owned = Object::Stdio { owner: 4711 };
        assert_eq!(said(OP, 2, &lock(1, 0x4bff_e6c0, 0x7f00)), owned);
        assert_eq!(said(OP, 2, &lock(0, 0x4bff_e6c0, 0x7f00)), Object::Unknown);
        assert_eq!(said(OP, 2, &lock(1, 0x4bff_f6c0, 0x7f00)), Object::Unknown);
    }

    #[test]
    fn a_joined_thread_is_one_of_the_process() {
        let at = |value| window(&[], &[value, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(said(0x109, 4711, &at(4711)), Object::Join { tid: 4711 });
        assert_eq!(said(0x109, 4712, &at(4712)), Object::Unknown);
        assert_eq!(said(0x189, 4711, &at(4711)), Object::Unknown);
    }

    #[test]
    fn a_read_write_lock_knows_its_writer_only() {
        // readers, writers | phase, writers' futex, padding, writer, shared, ..., flags
        let lock = |readers, writer| {
            window(&[readers, 1], &[3, 1, 0, 0, writer, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        };
        assert_eq!(said(0x189, 3, &lock(3, 4711)), Object::Written { owner: 4711 });
        assert_eq!(said(0x189, 3, &lock(8 | 2, 0)), Object::Read);
        assert_eq!(said(0x109, 3, &lock(3, 4711)), Object::Unknown, "not a shared one");
        assert_eq!(said(0x189, 3, &lock(0, 4711)), Object::Unknown);
        let first =
            |readers, flags| window(&[], &[readers, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, flags, 0]);
        assert_eq!(said(0x189, 8 | 6, &first(8 | 6, 2)), Object::Read);
        assert_eq!(said(0x189, 8 | 6, &first(8 | 6, 0)), Object::Unknown);
        assert_eq!(said(0x189, 8 | 6, &first(16 | 6, 2)), Object::Unknown);
    }

    #[test]
    fn semaphores_conditions_and_barriers_have_words() {
        let zero = [0_u32; 14];
        let semaphore = window(&[], &[&[0, 1, 0], &zero[..]].concat());
        assert_eq!(said(0x189, 0, &semaphore), Object::Semaphore);
        assert_eq!(said(0x109, 0, &semaphore), Object::Unknown);
        let condvar = window(&[&[2], &zero[..8], &[8]].concat(), &zero);
        assert_eq!(said(0x189, 0, &condvar), Object::Condvar);
        let second = window(&[&[5, 0, 2], &zero[..6], &[8, 0]].concat(), &zero);
        assert_eq!(said(0x189, 0, &second), Object::Condvar);
        let newer = window(&[&[2], &zero[..6], &[8]].concat(), &zero);
        assert_eq!(said(0x189, 0, &newer), Object::Condvar);
        let noise = window(&[&[0x4000, 0x7f00], &zero[..7], &[8]].concat(), &zero);
        assert_eq!(said(0x189, 0, &noise), Object::Unknown, "of a stack");
        let barrier = window(&[5], &[4, 3, 0, 4, 0]);
        assert_eq!(said(OP, 4, &barrier), Object::Barrier);
    }

    #[test]
    fn musl_keeps_owners_of_some_mutexes_only() {
        let said = |op, value, window: &Window| {
            let futex = Futex { address: 0x7f00_0000_1004, op, value };
            classify_musl(futex, window, &|tid| tid == 4711)
        };
        let mutex = |kind, word, waiters| window(&[kind], &[word, waiters, 0]);
        assert_eq!(said(OP, 0x8000_0010, &mutex(0, 0x8000_0010, 1)), Object::BareMutex);
        let word = 4711 | WAITERS;
        let owned = Object::Mutex { owner: 4711, robust: false };
        assert_eq!(said(OP, word, &mutex(1, word, 1)), owned);
        assert_eq!(said(0, word, &mutex(128 | 2, word, 1)), owned);
        assert_eq!(said(OP, u32::MAX, &mutex(0, 0, 0)), Object::Semaphore);
        assert_eq!(said(OP, 2, &window(&[4711, 0], &[2, 0, 0])), Object::Join { tid: 4711 });
        assert_eq!(said(OP, 2, &window(&[5, 0], &[2, 0, 0])), Object::Unknown, "a condition");
    }
}
