//! Known shapes of waiting, and what follows from each.

use super::*;
use crate::model::limits::XRAY_APART;
use crate::model::waits::report::{Part, Verdict};
use crate::xray::{is_suspicious, judge};

#[test]
fn two_threads_that_wait_for_each_other_are_a_deadlock_and_the_joiner_waits_behind() {
    check(
        "10    thread_join:t 10.11 held=10.11
         10.11 mutex:b 10.12 held=10.12
         10.12 mutex:a 10.11 held=10.11",
        &["deadlock 10.11 10.12 behind 10"],
    );
}

#[test]
fn whoever_may_move_lets_everybody_go_on() {
    let scene = |more: &str| {
        format!(
            "10 file_lock:a 20 held=20
             20 pipe_read:b 30 held=30
             {more}"
        )
    };
    for more in [
        "30 runs",
        "30 blocked",
        "30 mutex:c 10 timeout",
        "30 pipe_read:d 10 outside",
        "30 mutex:c 40",
        "30 mutex:c p40",
        "30 pipe_read:d 10 signal
         process 10 signals",
        "30 pipe_read:d 10 signal
         process 30 signals",
        "30 wait_child:e p50 held=p50
         50 mutex:f 10
         50.51 runs",
        "",
    ] {
        check(&scene(more), &[]);
    }
    check(&scene("30 mutex:c 10 held=10"), &["deadlock 10 20 30"]);
    // A handler does not give a mutex back.
    check(&scene("30 mutex:c 10 held=10\nprocess 10 signals"), &["deadlock 10 20 30"]);
}

#[test]
fn of_several_needs_all_have_to_be_met_of_several_wakers_one() {
    check("10 rwlock:a 20 & 30\n20 mutex:b 10\n30 runs", &["deadlock 10 20"]);
    check("10 rwlock:a 20 30\n20 mutex:b 10\n30 runs", &[]);
    check("10 rwlock:a 20 30\n20 mutex:b 10\n30 mutex:b 10", &["deadlock 10 20 30"]);
    // What else it waits for may be anything: this circle does not open.
    check("10 rwlock:a 20 & 30\n20 mutex:b 10\n30 stopped", &["deadlock 10 20"]);
    check("10 rwlock:a 20 30\n20 mutex:b 10\n30 stopped", &["stalled 10 20"]);
}

#[test]
fn a_thread_that_waits_for_itself_or_for_nobody_is_stuck_alone() {
    check("10 mutex:a 10 held=10", &["deadlock 10"]);
    check("10 mutex:a", &["deadlock 10"]);
    check("10 pipe_read:a p10 held=p10\n9 wait_child:c p10 held=p10", &["deadlock 10 behind 9"]);
}

#[test]
fn what_belongs_to_the_gone_is_abandoned() {
    check("10 mutex:a abandoned was=9", &["abandoned 10"]);
    check(
        "1  wait_child:c p10 held=p10
         10 mp_lock:a abandoned was=9
         20 mp_lock:a abandoned was=9",
        &["abandoned 10 20 behind 1"],
    );
    // The record names a thread that has ended while its process goes on.
    check("10 mutex:a 10.11\n10.11 dead", &["abandoned 10"]);
    check("10 semaphore:a 20 inferred\n20 mutex:b abandoned was=9", &["abandoned 20 behind 10"]);
}

#[test]
fn a_stopped_holder_or_an_unknown_one_is_stalled() {
    check("10 file_lock:a p20 held=p20\n20 stopped", &["stalled 10"]);
    check("10 py_lock:a p10 inferred\n10.11 py_lock:b p10 inferred", &["stalled 10 10.11"]);
    // A stopped thread in a process that goes on does not matter.
    check("10 file_lock:a p20 held=p20\n20 stopped\n20.21 runs", &[]);
    check("10 mutex:a 20 held=20\n20 semaphore:b p10 p20 inferred", &["stalled 10 20"]);
}

#[test]
fn holders_make_the_circle_and_others_who_share_it_wait_behind() {
    // Without frames anybody who maps the lock could give it back; both counts name one.
    check(
        "10 wait_child:c p20 held=p20
         20 mp_lock:b 10 30 guess=30
         30 mp_lock:a 10 20 guess=20",
        &["deadlock 20 30 behind 10"],
    );
}

#[test]
fn idle_helpers_in_the_processes_of_a_circle_wait_behind_it() {
    check(
        "10    file_lock:b p20 held=p20
         10.11 condvar:x p10 inferred
         20    file_lock:a p10 held=p10
         20.21 condvar:y p20 inferred",
        &["stalled 10 20 behind 10.11 20.21"],
    );
}

#[test]
fn a_queue_of_processes_is_a_circle_of_three() {
    check(
        "10    wait_child:c p20 held=p20
         20    py_lock:t p20 guess=20.21 inferred
         20.21 pipe_write:q p10 p20 held=p10 held=p20",
        &["stalled 10 20 20.21"],
    );
}

#[test]
fn independent_circles_are_findings_of_their_own_and_one_may_wait_behind_two() {
    check(
        "10 mutex:a 11 held=11
         11 mutex:b 10 held=10
         20 mutex:c 21 held=21
         21 mutex:d 20 held=20
         30 semaphore:e abandoned
         40 poll:x 10 20 & 30
         50 wait_child:y p40 held=p40",
        &[
            "deadlock 10 11 behind 40 50",
            "deadlock 20 21 behind 40 50",
            "abandoned 30 behind 40 50",
        ],
    );
}

#[test]
fn a_circle_that_another_finding_could_open_waits_behind_that() {
    check(
        "10 poll:a 20 30\n20 mutex:b 10 held=10\n30 mutex:c abandoned",
        &["abandoned 30 behind 10 20"],
    );
    check(
        "10 rwlock:a 20 & 30\n20 mutex:b 10 held=10\n30 mutex:c abandoned",
        &["deadlock 10 20", "abandoned 30"],
    );
}

#[test]
fn the_order_of_a_circle_follows_who_waits_for_whom() {
    check("10 mutex:a 30\n20 mutex:b 10\n30 mutex:c 40\n40 mutex:d 20", &["deadlock 10 30 40 20"]);
    // The order with all members is told, not the shortest way round.
    check("10 poll:a 20 & 30\n20 mutex:b 30\n30 poll:c 10 & 20", &["deadlock 10 20 30"]);
}

#[test]
fn processes_outside_of_the_tree_count_and_are_told_only_if_somebody_inside_waits() {
    let circle = "process 10 outside\nprocess 20 outside
                  10 mutex:a 20 held=20\n20 mutex:b 10 held=10";
    check(circle, &[]);
    check(&format!("{circle}\n30 file_lock:c p10 held=p10"), &["deadlock 10 20 behind 30"]);
    check("process 20 outside\n10 mutex:a 20 held=20\n20 mutex:b 10 held=10", &["deadlock 10 20"]);
    let report = judged(&format!("{circle}\n30 runs\n40 poll:x outside"));
    assert_eq!((report.processes, report.threads, report.waits.len()), (2, 2, 1));
    assert_eq!(report.waits[0].outside.as_deref(), Some("somebody"));
}

#[test]
fn circles_between_jobs_are_found_like_those_within() {
    let report = judged(
        "process 10 job=1\nprocess 11 job=1\nprocess 20 job=2
         10 wait_child:c p11 held=p11
         11 pipe_write:a p20 held=p20
         20 file_lock:b p10 held=p10",
    );
    assert_eq!(findings(&report), ["deadlock 10 11 20"]);
    let jobs: Vec<u32> = report.findings[0].core.iter().map(|m| m.attempt.unwrap().job.0).collect();
    assert_eq!(jobs, [1, 1, 2]);
}

// ---- two looks

const HUNG: &str = "10 mutex:a 20 held=20\n20 mutex:b 10 held=10\n30 wait_child:c p10 held=p10";

#[test]
fn one_look_twice_proves_nothing_nor_do_two_at_once() {
    let second = look(HUNG);
    assert!(is_suspicious(&second));
    let soon = Look { at: second.at + XRAY_APART, ..second.clone() };
    let too_soon = Look { at: Mono(soon.at.0 - 1), ..second.clone() };
    assert_eq!(judge(&second, &second).findings, []);
    assert_eq!(judge(&second, &too_soon).findings, []);
    assert_eq!(judge(&soon, &second).findings, [], "looks in the wrong order");
    assert_eq!(findings(&judge(&second, &soon)), ["deadlock 10 20 behind 30"]);
    let report = judge(&second, &second);
    assert_eq!((report.verdict, report.waits.len()), (Verdict::Healthy, 3));
}

#[test]
fn whoever_ran_between_the_looks_is_not_stuck_nor_are_those_who_wait_for_it() {
    type Change = fn(&mut Look);
    let changes: [(&str, Change); 8] = [
        ("ran", |look| look.processes[0].threads[0].stamp.run_ns += 1),
        ("had a turn", |look| look.processes[0].threads[0].stamp.turns += 1),
        ("called again", |look| look.processes[0].threads[0].stamp.syscall = "x".into()),
        ("waits for something else", |look| look.waits[0].resource.id = "z".to_owned()),
        ("waits for another kind", |look| look.waits[0].resource.kind = WaitKind::Rwlock),
        ("was not there", |look| drop(look.processes.remove(0))),
        ("was another process", |look| look.processes[0].proc.start_ticks += 1),
        ("ran", |look| look.processes[0].threads[0].state = ThreadState::Running),
    ];
    for (what, change) in changes {
        let second = look(HUNG);
        let mut first = earlier(&second);
        change(&mut first);
        let report = judge(&first, &second);
        assert_eq!(findings(&report), [""; 0], "10 {what}");
    }
}

#[test]
fn who_could_end_a_wait_in_either_look_counts() {
    let second = look(HUNG);
    let mut first = earlier(&second);
    first.waits[0].needs[0].wakers.push(waker("outside"));
    assert_eq!(judge(&first, &second).findings, []);
    let mut first = earlier(&look(&format!("{HUNG}\n40 runs")));
    first.waits[0].needs[0].wakers.push(waker("40"));
    assert_eq!(judge(&first, &second).findings, []);
}

#[test]
fn who_stopped_or_ended_between_the_looks_may_just_have_done_something() {
    for state in [ThreadState::Stopped, ThreadState::Dead] {
        let second = look("10 mutex:a 20 held=20\n20 stopped");
        let mut first = earlier(&second);
        first.processes[1].threads[0].state = state;
        let was_so = state == ThreadState::Stopped;
        assert_eq!(judge(&first, &second).findings.is_empty(), !was_so);
    }
}

// ---- reports

#[test]
fn waits_are_told_in_order_with_their_place_in_a_finding() {
    let report = judged(
        "30 mutex:b 20 held=20
         10 wait_child:c p20 held=p20
         20 mutex:a 30 held=30
         5  poll:x outside",
    );
    let told: Vec<_> = report.waits.iter().map(|wait| (wait.who.tid, wait.finding)).collect();
    let part = |part| Some((0, part));
    assert_eq!(
        told,
        [(20, part(Part::Core)), (30, part(Part::Core)), (10, part(Part::Behind)), (5, None)]
    );
    assert_eq!(report.findings[0].since, Some(Mono(SECOND - 41_000_000)));
}

#[test]
fn without_named_holders_all_who_could_end_it_are_told() {
    let many = "10 condvar:a 20 20.21 20.22 20.23 20.24 30 inferred";
    let report = judged(many);
    let held = &report.waits[0].holders;
    let told: Vec<_> = held.iter().map(|h| (h.proc.pid, h.tid, h.proven)).collect();
    assert_eq!(told, [(20, None, false), (30, Some(30), false)]);
    let report = judged("10 mutex:a abandoned was=9 held=20");
    assert_eq!(report.waits[0].holders, []);
    assert_eq!(report.waits[0].last_owner, Some(LastOwner { pid: 9, tid: 9 }));
}
