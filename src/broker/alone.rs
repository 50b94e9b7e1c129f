//! Whether jobs have a process that might still do something, or only such that wait.

use crate::model::ProcRef;
use std::fs;

/// More processes than these are not looked at one by one: then nothing is proven.
const MOST: usize = 512;

/// Tells whether every process below `leader` waits: those that are named in so many threads as
/// they have, all others for a child of theirs.
pub fn only_waits(leader: ProcRef, waiting: &[(ProcRef, u32)]) -> bool {
    let mut todo = vec![leader.pid];
    let mut seen = 0;
    let mut found = 0;
    while let Some(pid) = todo.pop() {
        seen += 1;
        let Some(look) = Look::at(pid).filter(|_| seen <= MOST) else { return false };
        let known = waiting.iter().find(|(proc, _)| proc.pid == pid);
        let is_still = match known {
            Some((proc, waits)) => {
                found += 1;
                proc.start_ticks == look.start_ticks && look.threads <= *waits
            }
            None => look.threads == 1 && !look.children.is_empty() && waits_for_child(pid),
        };
        if !is_still {
            return false;
        }
        todo.extend(look.children);
    }
    // One that left the tree may do anything.
    found == waiting.len()
}

/// Tells whether this process has only these children.
pub fn has_only_children(leaders: &[ProcRef]) -> bool {
    let own = std::process::id().cast_signed();
    let children = children_of(own);
    children.is_some_and(|all| all.iter().all(|pid| leaders.iter().any(|l| l.pid == *pid)))
}

struct Look {
    start_ticks: u64,
    threads: u32,
    children: Vec<i32>,
}

impl Look {
    fn at(pid: i32) -> Option<Look> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |n: usize| fields.get(n).copied();
        // Fields 3 (state), 20 (num_threads) and 22 (starttime) of proc_pid_stat(5).
        (field(0)? == "S").then_some(())?;
        let threads = field(17)?.parse().ok()?;
        let start_ticks = field(19)?.parse().ok()?;
        Some(Look { start_ticks, threads, children: children_of(pid)? })
    }
}

fn children_of(pid: i32) -> Option<Vec<i32>> {
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let list = fs::read_to_string(task.ok()?.path().join("children")).ok()?;
        all.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Some(all)
}

/// Whether a process sleeps until a child of its own ends: a shell in wait4(2), or a `ganger` that
/// runs a command.
fn waits_for_child(pid: i32) -> bool {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let in_wait = read("wchan").trim() == "do_wait" || {
        let call = read("syscall");
        WAITS.contains(&call.split(' ').next().unwrap_or_default())
    };
    let exe = |of: &str| fs::metadata(format!("/proc/{of}/exe")).ok();
    let is_own = || {
        use std::os::unix::fs::MetadataExt;
        let pair = exe(&pid.to_string()).zip(exe("self"));
        pair.is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()))
    };
    in_wait || is_own()
}

/// wait4(2) and waitid(2).
#[cfg(target_arch = "x86_64")]
const WAITS: [&str; 2] = ["61", "247"];
#[cfg(not(target_arch = "x86_64"))]
const WAITS: [&str; 2] = ["260", "95"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::proc_of;
    use std::process::{Command, Stdio};

    #[test]
    fn a_shell_that_waits_for_one_that_waits_is_still_and_any_other_is_not() {
        let start = |script: &str| {
            let mut child = Command::new("sh")
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            let out = child.stdout.as_mut().unwrap();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
            (
                proc_of(child.id().cast_signed()).unwrap(),
                proc_of(line.trim().parse().unwrap()),
                child,
            )
        };
        let until = |is_so: &dyn Fn() -> bool| (0..100_000).any(|_| is_so());
        // Both read from a pipe that nobody writes to.
        let (leader, waiter, mut one) = start("sh -c 'echo $$; read x'; true");
        let named = [(waiter.unwrap(), 1)];
        assert!(until(&|| only_waits(leader, &named)));
        assert!(!only_waits(leader, &[]));
        assert!(!only_waits(leader, &[(ProcRef { start_ticks: 1, ..waiter.unwrap() }, 1)]));
        let (leader, waiter, mut two) = start("sleep 60 & p=$!; sh -c 'echo $$; read x'; kill $p");
        assert!(!only_waits(leader, &[(waiter.unwrap(), 1)]));
        for child in [&mut one, &mut two] {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}
