//! System V semaphores and message queues, and POSIX message queues.
//!
//! Nothing records who has such a semaphore, or who uses it: whoever knows its number may. Counted
//! are those who are looked at, those who were started together with the waiter, and those who
//! used it last (semctl(2), `/proc/sysvipc/msg`).

use super::descriptors;
use super::kinds::{Fact, Wait, outside};
use super::process::Process;
use super::scene::Scene;
use super::syscall::Sys;
use crate::model::waits::{Holder, WaitKind, Waker};
use std::collections::BTreeSet;
use std::fs;

pub const CALLS: &[Sys] =
    &[Sys::Semop, Sys::Semtimedop, Sys::Msgrcv, Sys::Msgsnd, Sys::MqReceive, Sys::MqSend];

/// Says which semaphores or queue a thread waits for.
pub fn collect(scene: &Scene, wait: &Wait) -> Option<Fact> {
    let number = wait.call.int(0);
    let process = &*wait.process;
    match wait.call.sys {
        Sys::MqReceive | Sys::MqSend => {
            let id = format!("{} fd {number}", process.pid());
            let target = descriptors::read_target(process.live_tid, number).ok();
            let fact = Fact::open(WaitKind::MessageQueue, id, "anybody who knows its name");
            Some(fact.named(target.map(|t| t.to_string())))
        }
        Sys::Semop | Sys::Semtimedop => {
            let fact = Fact::new(WaitKind::SysvSem, format!("sysv_sem:{number}"));
            let fact = fact.named(semaphores(wait));
            let users = last_users(process, number);
            Some(used_by(scene, process, fact, users, key_of_semaphores(number)))
        }
        _ => {
            let fact = Fact::new(WaitKind::MessageQueue, format!("sysv_msg:{number}"));
            let text = fs::read("/proc/sysvipc/msg").unwrap_or_default();
            let users = is_same_namespace(process).then(|| message_users(&text, number)).flatten();
            Some(used_by(scene, process, fact, users, key_of_queue(&text, number)))
        }
    }
}

/// `key`: the name under which anybody may open it; 0 where there is none.
fn used_by(
    scene: &Scene,
    process: &Process,
    mut fact: Fact,
    last: Option<Vec<i32>>,
    key: i32,
) -> Fact {
    let mut pids: BTreeSet<i32> = parties(scene, process);
    let is_known = last.is_some();
    // 0 is somebody in another pid namespace, or nobody yet.
    let mut is_hidden = false;
    for pid in last.into_iter().flatten().filter(|pid| *pid != 0) {
        pids.insert(pid);
        is_hidden |= pid < 0;
    }
    let is_there = |pid: &i32| scene.stat(*pid).is_some_and(|stat| !stat.is_dead());
    pids.retain(is_there);
    let mut wakers: Vec<Waker> = pids.iter().map(|pid| scene.waker(*pid)).collect();
    if !is_known || is_hidden {
        wakers.push(outside("a user of it that is not visible"));
    }
    if key != libc::IPC_PRIVATE {
        wakers.push(outside(&format!("whoever opens it by its key {key:#x}")));
    }
    let refs = pids.iter().filter_map(|pid| scene.proc_ref(*pid));
    fact.holders = refs.map(|proc| Holder { proc, tid: None, proven: false }).collect();
    fact.by_signal().need(wakers)
}

/// Who may use what the process uses, as far as nothing says more: the trees that are looked at,
/// and whoever was started in one go with it. Without a terminal that is its whole session.
fn parties(scene: &Scene, process: &Process) -> BTreeSet<i32> {
    let own = std::process::id().cast_signed();
    let near = scene.stats().filter(|(pid, stat)| {
        let is_with_it = stat.group == process.stat.group
            || (process.stat.terminal == 0 && stat.session == process.stat.session);
        *pid != own && (is_with_it || scene.is_in_tree(*pid))
    });
    near.map(|(pid, _)| pid).chain([process.pid()]).collect()
}

/// `semaphores 0, 3`; `None` where they cannot be read.
fn semaphores(wait: &Wait) -> Option<String> {
    let n = usize::try_from(wait.call.args[2]).ok().filter(|n| (1..=64).contains(n))?;
    let mut bytes = vec![0; 6 * n];
    wait.memory().read(wait.call.args[1], &mut bytes).ok()?;
    let (operations, _) = bytes.as_chunks::<6>();
    // struct sembuf: u16 number, i16 operation, i16 flags.
    let numbers = operations.iter().map(|op| u16::from_le_bytes([op[0], op[1]]).to_string());
    let numbers: Vec<String> = numbers.collect();
    let word = if n == 1 { "semaphore" } else { "semaphores" };
    Some(format!("{word} {}", numbers.join(", ")))
}

/// The key of a set of semaphores; 0 where it has none, or may not be asked.
fn key_of_semaphores(set: i32) -> i32 {
    stat_of(set).map_or(0, |about| about.sem_perm.__key)
}

fn stat_of(set: i32) -> Option<libc::semid_ds> {
    let mut about = [0_u64; 32];
    // SAFETY: IPC_STAT writes a `semid_ds`, which is smaller than this.
    let failed = unsafe { libc::semctl(set, 0, libc::IPC_STAT, about.as_mut_ptr()) };
    // SAFETY: the kernel has just written it, and any bits of it are numbers.
    (failed == 0).then(|| unsafe { std::ptr::read(about.as_ptr().cast()) })
}

/// The key of a queue; 0 where it has none.
fn key_of_queue(text: &[u8], queue: i32) -> i32 {
    row_of(text, queue).and_then(|row| row.first()?.parse().ok()).unwrap_or(0)
}

/// Who used each semaphore of a set last; `None` where that may not be asked.
fn last_users(process: &Process, set: i32) -> Option<Vec<i32>> {
    if !is_same_namespace(process) {
        return None;
    }
    let about = stat_of(set)?;
    let n = i32::try_from(about.sem_nsems).ok().filter(|n| *n <= 32_000)?;
    let user = |number| {
        // SAFETY: GETPID takes and gives numbers.
        let pid = unsafe { libc::semctl(set, number, libc::GETPID) };
        (pid >= 0).then_some(pid)
    };
    (0..n).map(user).collect()
}

/// Who sent and who received last; `None` when there is no such queue.
fn message_users(text: &[u8], queue: i32) -> Option<Vec<i32>> {
    row_of(text, queue)?.get(5..7)?.iter().map(|n| n.parse().ok()).collect()
}

/// The line of a queue: key msqid perms cbytes qnum lspid lrpid ...
fn row_of(text: &[u8], queue: i32) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut rows =
        text.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.find(|row| row.get(1).and_then(|n| n.parse().ok()) == Some(queue))
}

/// Numbers of semaphores and queues mean something in their namespace only.
fn is_same_namespace(process: &Process) -> bool {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/ipc")).ok();
    let theirs = namespace(&process.live_tid.to_string());
    theirs.is_some() && theirs == namespace("self")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_users_of_a_queue_are_read() {
        let text = b"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid\n\
            0          3   600          16384          1  6304  6310     0     0\n\
            1234          4   600          0          0  0  0     0     0\n";
        assert_eq!(message_users(text, 3), Some(vec![6304, 6310]));
        assert_eq!(message_users(text, 4), Some(vec![0, 0]));
        assert_eq!(message_users(text, 5), None);
    }
}
