//! From a `pthread_t`, which is what programs keep, to the number of the thread.

use super::memory::{Memory, Trouble, i32_in, u64_in};
use std::fs;

/// Place of the thread's number in glibc's `struct pthread`, 2.36 on x86_64.
const GLIBC: usize = 0x2d0;
/// The same in musl 1.2.
const MUSL: usize = 0x30;
/// How much of the structure is searched when it is not there.
const SEARCHED: usize = 2048;

/// What a `pthread_t` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Thread(i32),
    /// The thread has ended. With its number as the process saw it, where that is still there.
    Gone(Option<i32>),
    Unknown,
}

/// The threads of a process: numbers here, and as the process itself sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Threads {
    /// (number here, number there); they differ for a process in another pid namespace.
    all: Vec<(i32, i32)>,
}

impl Threads {
    /// # Errors
    /// When the process is gone.
    pub fn of(pid: i32) -> Result<Threads, Trouble> {
        let tasks =
            fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| Trouble::of(&error))?;
        let here: Vec<i32> =
            tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect();
        let elsewhere = is_elsewhere(pid);
        let there = |tid: i32| match elsewhere {
            true => number_inside(pid, tid).unwrap_or(tid),
            false => tid,
        };
        Ok(Threads { all: here.into_iter().map(|tid| (tid, there(tid))).collect() })
    }

    pub fn tids(&self) -> impl Iterator<Item = i32> {
        self.all.iter().map(|(here, _)| *here)
    }

    /// From a number that the process knows to the one that is good here.
    pub fn here(&self, inside: i32) -> Option<i32> {
        self.all.iter().find(|(_, there)| *there == inside).map(|(here, _)| *here)
    }

    /// The thread that a `pthread_t` stands for, by glibc's place of its number alone.
    pub fn exactly(&self, memory: Memory, pthread: u64) -> Option<i32> {
        let mut bytes = [0_u8; GLIBC + 4];
        memory.read(pthread, &mut bytes).ok()?;
        let is_one = u64_in(&bytes, 0) == Some(pthread) && u64_in(&bytes, 16) == Some(pthread);
        self.here(i32_in(&bytes, GLIBC).filter(|_| is_one)?)
    }

    /// What a `pthread_t` of this process stands for.
    pub fn who(&self, memory: Memory, pthread: u64) -> Who {
        let mut bytes = [0_u8; SEARCHED];
        let Ok(n) = memory.read_some(pthread, &mut bytes) else { return Who::Unknown };
        let bytes = &bytes[..n];
        let tid_at = |at| i32_in(bytes, at).and_then(|tid| self.here(tid));
        // Both C libraries begin it with a pointer to itself on x86_64; glibc has another one.
        let itself = |at| u64_in(bytes, at) == Some(pthread);
        if !itself(0) && cfg!(target_arch = "x86_64") {
            return Who::Unknown;
        }
        let usual = if itself(0) && !itself(16) { MUSL } else { GLIBC };
        if let Some(tid) = tid_at(usual).or_else(|| (0..n / 4).find_map(|i| tid_at(4 * i))) {
            return Who::Thread(tid);
        }
        if !itself(0) {
            return Who::Unknown;
        }
        // The kernel writes 0 there when a thread ends; a copy made by fork() keeps the number
        // of a thread that only the parent has.
        match i32_in(bytes, usual) {
            Some(0) => Who::Gone(None),
            Some(tid) if tid > 0 && tid < 1 << 22 => Who::Gone(Some(tid)),
            _ => Who::Unknown,
        }
    }
}

/// Whether a process counts threads in a namespace of its own.
fn is_elsewhere(pid: i32) -> bool {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/pid")).ok();
    match (namespace(&pid.to_string()), namespace("self")) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => false,
    }
}

/// The last number of `NSpid:` in `/proc/PID/task/TID/status`.
fn number_inside(pid: i32, tid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_pthread_is_found_by_its_number_and_missed_when_it_has_ended() {
        let pid = std::process::id().cast_signed();
        let memory = Memory::of(pid);
        let (say, heard) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            // SAFETY: both calls only return numbers of the calling thread.
            let who = unsafe { (libc::pthread_self(), libc::gettid()) };
            say.send(who).unwrap();
            let _ = ended.recv();
        });
        let (pthread, tid) = heard.recv().unwrap();
        let threads = Threads::of(pid).unwrap();
        assert_eq!(threads.who(memory, pthread), Who::Thread(tid));
        assert_eq!(threads.who(memory, 8), Who::Unknown);
        assert_eq!(threads.here(tid), Some(tid));
        drop(end);
        thread.join().unwrap();
        // Its stack may be given back, be kept with a 0, or serve a thread of another test.
        let threads = Threads::of(pid).unwrap();
        assert_ne!(threads.who(memory, pthread), Who::Thread(tid));
    }
}
