//! Circles that lead through what ganger's jobs share.

use super::*;
use crate::model::locks::{Owner, Party};
use crate::model::waits::{SharedWait, SharedWaits};
use crate::xray::{join, judge};

const SUPERVISOR: i32 = 5;

fn waits(pid: i32, thread: Option<u64>, needs: Vec<Vec<Owner>>) -> SharedWait {
    SharedWait {
        party: Party { proc: Some(proc(pid)), thread, ..Party::default() },
        kind: WaitKind::GangerLock,
        names: vec!["db".into()],
        needs,
        timeout: false,
    }
}

fn attempt(job: u32) -> AttemptId {
    AttemptId { job: JobNo(job), n: 1 }
}

#[track_caller]
fn joined(scene: &str, shared: Vec<SharedWait>, wanted: &[&str]) -> Report {
    let mut second = look(scene);
    // Processes of a job come from its leader, which has the lowest number.
    for at in 0..second.processes.len() {
        let of_job = second.processes[at].attempt;
        let leader = second.processes.iter().find(|p| of_job.is_some() && p.attempt == of_job);
        let leader = leader.map(|leader| leader.proc.pid);
        let process = &mut second.processes[at];
        process.parent = leader.filter(|pid| *pid != process.proc.pid).unwrap_or(SUPERVISOR);
    }
    join(
        &mut second,
        &SharedWaits { supervisor: SUPERVISOR, waits: shared, ..SharedWaits::default() },
    );
    let report = judge(&earlier(&second), &second);
    assert_eq!(findings(&report), wanted, "of {scene}");
    report
}

const SCENE: &str = "process 5 outside
     process 10 job=1\nprocess 11 job=1\nprocess 20 job=2
     5 runs
     10 wait_child:c p11 held=p11
     11 unix_recv:s p5 held=p5
     20 pipe_read:p p11 held=p11";

#[test]
fn a_circle_through_a_lock_of_ganger_and_a_pipe_is_one_circle() {
    joined(SCENE, vec![], &[]);
    let report = joined(
        SCENE,
        vec![waits(11, None, vec![vec![Owner::Process(proc(20))]])],
        &["deadlock 11 20 behind 10"],
    );
    assert_eq!(
        report.waits[0].text,
        ":1#1 (pid 11, prog) waits 41 s for ganger lock `db` held by :2#1 (pid 20, prog)"
    );
    // What the task of a job says is given back when its leader has ended.
    joined(
        SCENE,
        vec![waits(11, None, vec![vec![Owner::Attempt(attempt(2))]])],
        &["deadlock 11 20 behind 10"],
    );
    joined(
        SCENE,
        vec![waits(11, None, vec![vec![Owner::Attempt(attempt(1))]])],
        &["deadlock 10 11 behind 20"],
    );
}

#[test]
fn doubt_about_a_lock_of_ganger_makes_no_circle() {
    let held = || vec![vec![Owner::Process(proc(20))]];
    for (what, shared) in [
        ("a timeout", vec![SharedWait { timeout: true, ..waits(11, None, held()) }]),
        ("nobody is known to hold it", vec![waits(11, None, vec![])]),
        ("another process", vec![waits(20, None, held())]),
        ("two requests", vec![waits(11, None, held()), waits(11, None, held())]),
        ("a job that is not seen", vec![waits(11, None, vec![vec![Owner::Attempt(attempt(9))]])]),
        (
            "one of two may",
            vec![waits(11, None, vec![vec![Owner::Process(proc(20)), Owner::Process(proc(5))]])],
        ),
    ] {
        let report = joined(SCENE, shared, &[]);
        assert!(report.findings.is_empty(), "{what}");
    }
    let all = vec![vec![Owner::Process(proc(20))], vec![Owner::Process(proc(5))]];
    joined(SCENE, vec![waits(11, None, all)], &["deadlock 11 20 behind 10"]);
}

#[test]
fn threads_that_say_who_they_are_are_told_apart() {
    let scene = "process 5 outside
         5 runs
         10    unix_recv:s p5 held=p5
         10.11 unix_recv:t p5 held=p5
         20    mutex:m 10.11 held=10.11";
    let held = || vec![vec![Owner::Thread(proc(20), 20)]];
    joined(scene, vec![waits(10, Some(11), held())], &["deadlock 10.11 20"]);
    joined(scene, vec![waits(10, Some(10), held())], &[]);
    joined(scene, vec![waits(10, Some(77), held())], &[]);
    // Another thread of the process may give the lock back.
    let held = vec![vec![Owner::Thread(proc(10), 11)]];
    joined(scene, vec![waits(10, Some(11), held)], &[]);
}
