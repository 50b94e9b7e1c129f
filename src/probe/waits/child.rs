//! Waits for child processes: wait4(2), waitid(2), and vfork(2), whose caller waits until its
//! child has a program of its own.

use super::descriptors;
use super::kinds::{Fact, Wait, outside};
use super::scene::Scene;
use super::syscall::Sys;
use crate::model::waits::{Certainty, Holder, WaitKind, Waker};

/// Whom a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    Any,
    Pid(i32),
    Group(i32),
}

/// Says which children a thread waits for.
pub fn collect(scene: &Scene, wait: &Wait) -> Option<Fact> {
    let process = &*wait.process;
    let own_group = process.stat.group;
    let whom = match wait.call.sys {
        Sys::Wait4 => whom_of_wait4(wait.call.int(0), own_group),
        Sys::Waitid => whom_of_waitid(wait, own_group),
        // Its child shares its memory; it is among all of them.
        _ => Whom::Any,
    };
    // Numbers are those of its own namespace: then it may be any child.
    let is_outside = process.status().is_none_or(|s| s.depth > 1);
    let is_meant = |pid: i32, group: i32| match whom {
        _ if is_outside => true,
        Whom::Any => true,
        Whom::Pid(wanted) => pid == wanted,
        Whom::Group(wanted) => group == wanted,
    };
    let children = scene
        .stats()
        .filter(|(pid, stat)| stat.parent == process.pid() && is_meant(*pid, stat.group));

    let mut wakers = Vec::new();
    let mut holders = Vec::new();
    for (pid, _) in children {
        if scene.process(pid).is_none_or(|child| child.is_dead()) {
            wakers.push(outside("a child that has ended"));
            continue;
        }
        wakers.push(scene.waker(pid));
        holders.extend(scene.proc_ref(pid).map(|proc| Holder { proc, tid: None, proven: true }));
    }
    if wakers.is_empty() {
        wakers.push(outside("a child that is not visible"));
    }
    // Another thread may start a child, or put one into the group.
    if !matches!(whom, Whom::Pid(_)) && process.threads.len() > 1 {
        wakers.push(Waker::Process(process.proc));
    }
    // Shells that have something to tidy away catch every signal that would end them: no sign of
    // a timer.
    let status = &wait.status;
    if status.catches(libc::SIGALRM) && !status.catches(libc::SIGVTALRM) {
        wakers.push(outside("a timer of its own"));
    }
    let id = match whom {
        Whom::Any => format!("children of {}", process.pid()),
        Whom::Pid(pid) => format!("process {pid}"),
        Whom::Group(group) => format!("children of {} in group {group}", process.pid()),
    };
    let mut fact = Fact::new(WaitKind::WaitChild, id).need(wakers);
    fact.certainty = Certainty::Proven;
    fact.holders = holders;
    Some(fact)
}

fn whom_of_wait4(pid: i32, own_group: i32) -> Whom {
    match pid {
        -1 => Whom::Any,
        0 => Whom::Group(own_group),
        1.. => Whom::Pid(pid),
        _ => Whom::Group(pid.wrapping_neg()),
    }
}

fn whom_of_waitid(wait: &Wait, own_group: i32) -> Whom {
    const P_PIDFD: i32 = 3;
    let id = wait.call.int(1);
    match wait.call.int(0) {
        1 => Whom::Pid(id),
        2 if id == 0 => Whom::Group(own_group),
        2 => Whom::Group(id),
        P_PIDFD => {
            let info = descriptors::read_info(wait.process.live_tid, id).ok();
            info.and_then(|info| info.pid).filter(|pid| *pid > 0).map_or(Whom::Any, Whom::Pid)
        }
        _ => Whom::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_whom_it_means() {
        assert_eq!(whom_of_wait4(-1, 9), Whom::Any);
        assert_eq!(whom_of_wait4(0, 9), Whom::Group(9));
        assert_eq!(whom_of_wait4(17, 9), Whom::Pid(17));
        assert_eq!(whom_of_wait4(-17, 9), Whom::Group(17));
    }
}
