//! What a blocked thread says of itself: `/proc/PID/task/TID/syscall` (proc_pid_syscall(5)), and
//! what the numbers in it mean. Pure.

/// One reading of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// On a CPU, or ready to be.
    Running,
    /// Blocked, but in no call: a page fault, a stop. Also what the dead say.
    NoCall,
    Call(Call),
}

/// A system call that a thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub sys: Sys,
    /// Whole registers: what is an `int` for the call may have anything in its upper half, and an
    /// argument that the call does not have is whatever was there. See [`Call::int`].
    pub args: [u64; 6],
    pub stack_pointer: u64,
    pub program_counter: u64,
}

impl Call {
    /// An argument that is an `int`.
    pub fn int(&self, n: usize) -> i32 {
        self.args[n] as u32 as i32
    }

    /// Whether it ends by itself after some time. Calls that go on after a stop (`Restart`) had a
    /// time limit, all of them.
    pub fn is_timed(&self) -> bool {
        let [_, _, a2, a3, a4, _] = self.args;
        match self.sys {
            Sys::Futex | Sys::FutexWaitv | Sys::Semtimedop | Sys::EpollPwait2 => a3 != 0,
            Sys::FutexWait | Sys::Select | Sys::MqReceive | Sys::MqSend | Sys::Recvmmsg => a4 != 0,
            Sys::Ppoll | Sys::SignalTimed => a2 != 0,
            Sys::Poll => self.int(2) >= 0,
            Sys::EpollWait => self.int(3) >= 0,
            Sys::Sleep | Sys::Restart => true,
            _ => false,
        }
    }
}

/// Reads one line; `None` when it has another shape. `machine` says whose numbers they are.
pub fn line(text: &[u8], machine: Machine) -> Option<Line> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if text == "running" {
        return Some(Line::Running);
    }
    let mut words = text.split(' ');
    let number: i64 = words.next()?.parse().ok()?;
    let mut hex = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    if number < 0 {
        return Some(Line::NoCall);
    }
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = hex()?;
    }
    let (stack_pointer, program_counter) = (hex()?, hex()?);
    Some(Line::Call(Call { sys: sys(number, machine), args, stack_pointer, program_counter }))
}

/// Whose numbers system calls have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    Aarch64,
    /// Not known: no call is.
    Other,
}

impl Machine {
    /// That of 64-bit programs on this host.
    pub const HOST: Machine = if cfg!(target_arch = "x86_64") {
        Machine::X86_64
    } else if cfg!(target_arch = "aarch64") {
        Machine::Aarch64
    } else {
        Machine::Other
    };
}

macro_rules! calls {
    ($($name:ident { $($x86:literal)* } { $($arm:literal)* })*) => {
        /// The calls that threads wait in. Those that wait in the same way are one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Sys {
            $($name,)*
            /// A call that nothing is known of.
            Unknown,
        }

        /// What a number means. Those of aarch64 are the generic ones of
        /// `include/uapi/asm-generic/unistd.h`.
        pub fn sys(number: i64, machine: Machine) -> Sys {
            match machine {
                Machine::X86_64 => match number { $($($x86)|* => Sys::$name,)* _ => Sys::Unknown },
                Machine::Aarch64 => match number { $($($arm)|* => Sys::$name,)* _ => Sys::Unknown },
                Machine::Other => Sys::Unknown,
            }
        }
    };
}

calls! {
    Futex { 202 } { 98 }
    FutexWaitv { 449 } { 449 }
    FutexWait { 455 } { 455 }
    // read, pread, readv, preadv, preadv2
    Read { 0 17 19 295 327 } { 63 67 65 69 286 }
    Write { 1 18 20 296 328 } { 64 68 66 70 287 }
    Sendfile { 40 } { 71 }
    Splice { 275 } { 76 }
    Tee { 276 } { 77 }
    Vmsplice { 278 } { 75 }
    // recvfrom, recvmsg
    Recv { 45 47 } { 207 212 }
    Recvmmsg { 299 } { 243 }
    // sendto, sendmsg, sendmmsg
    Send { 44 46 307 } { 206 211 269 }
    // accept, accept4
    Accept { 43 288 } { 202 242 }
    Connect { 42 } { 203 }
    Poll { 7 } { 2147483647 }
    Ppoll { 271 } { 73 }
    // select, pselect6
    Select { 23 270 } { 72 }
    // epoll_wait, epoll_pwait
    EpollWait { 232 281 } { 22 }
    EpollPwait2 { 441 } { 441 }
    Wait4 { 61 } { 260 }
    Waitid { 247 } { 95 }
    // vfork, and clone and clone3 with CLONE_VFORK
    Vfork { 58 } { 2147483646 }
    Clone { 56 435 } { 220 435 }
    Flock { 73 } { 32 }
    Fcntl { 72 } { 25 }
    Semop { 65 } { 193 }
    Semtimedop { 220 } { 192 }
    Msgrcv { 70 } { 188 }
    Msgsnd { 69 } { 189 }
    MqReceive { 243 } { 183 }
    MqSend { 242 } { 182 }
    // nanosleep, clock_nanosleep
    Sleep { 35 230 } { 101 115 }
    // pause, rt_sigsuspend
    Signal { 34 130 } { 133 }
    SignalTimed { 128 } { 137 }
    Restart { 219 } { 128 }
    Open { 2 } { 2147483645 }
    // openat, openat2
    Openat { 257 437 } { 56 437 }
    IoUring { 426 } { 426 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        match line(text.as_bytes(), Machine::X86_64) {
            Some(Line::Call(call)) => call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_read() {
        let x86 = |text: &str| line(text.as_bytes(), Machine::X86_64);
        assert_eq!(x86("running\n"), Some(Line::Running));
        assert_eq!(x86("-1 0x7ffc0 0x7f12\n"), Some(Line::NoCall));
        assert_eq!(x86("-1 0x0 0x0\n"), Some(Line::NoCall));
        assert_eq!(x86(""), None);
        assert_eq!(x86("61 0x5\n"), None);
        let wait = call("61 0xffffffff 0x7ffd1c 0x0 0x0 0x1 0xfffffffffffffffe 0x7ffd10 0x7f34");
        assert_eq!((wait.sys, wait.int(0)), (Sys::Wait4, -1));
        assert_eq!((wait.stack_pointer, wait.program_counter), (0x7ffd10, 0x7f34));
        // musl extends the sign of the value that it waits for.
        let musl = call("202 0x7f0004 0x80 0xffffffff80000010 0x0 0x0 0x0 0x7f 0x7f");
        assert_eq!(musl.int(2) as u32, 0x8000_0010);
        assert!(!musl.is_timed());
    }

    #[test]
    fn calls_that_end_by_themselves_are_known() {
        let timed =
            |number: u32, args: &str| call(&format!("{number} {args} 0x7ffd10 0x7f34")).is_timed();
        assert!(timed(202, "0x7f 0x189 0x0 0x7ffd 0x0 0xffffffff"));
        assert!(!timed(202, "0x7f 0x189 0x0 0x0 0x7ffd 0xffffffff"));
        assert!(timed(7, "0x7f 0x1 0x3e8 0x0 0x0 0x0"));
        assert!(!timed(7, "0x7f 0x1 0xffffffff 0x0 0x0 0x0"));
        assert!(timed(232, "0x3 0x7f 0x10 0x64 0x0 0x0"));
        assert!(!timed(281, "0x3 0x7f 0x10 0xffffffff 0x0 0x8"));
        assert!(timed(270, "0x3 0x7f 0x0 0x0 0x7ffe 0x0"));
        assert!(timed(219, "0x7f 0x0 0x0 0x0 0x0 0x0"));
        assert!(!timed(0, "0x3 0x7f 0x100 0x5 0x5 0x5"));
        assert!(!timed(65, "0x3 0x7f 0x1 0x5 0x5 0x5"), "semop has no time limit");
    }

    #[test]
    fn machines_have_numbers_of_their_own() {
        assert_eq!(sys(202, Machine::X86_64), Sys::Futex);
        assert_eq!(sys(202, Machine::Aarch64), Sys::Accept);
        assert_eq!(sys(98, Machine::Aarch64), Sys::Futex);
        assert_eq!(sys(202, Machine::Other), Sys::Unknown);
        assert_eq!(sys(39, Machine::X86_64), Sys::Unknown);
    }
}
