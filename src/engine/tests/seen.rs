//! Stories of what x-ray saw from outside.

use super::story::check_run;

#[test]
fn a_circle_that_was_seen_is_told_once_and_gone_with_one_of_its_jobs() {
    check_run(
        "
        plan workers 3
        plan t: jobs=3
        0s tick => launched t:1#1, launched t:2#1, launched t:3#1 | launch t:1#1, launch t:2#1, launch t:3#1
        1s saw deadlock t:1#1 t:2#1 => deadlock t:1#1 and t:2#1
        2s saw deadlock t:2#1 t:1#1 =>
        3s saw gone 7 =>
        4s exit t:2#1 1 => ended t:2#1 failed(1), deadlock-gone 1
        5s saw gone 1 =>
        6s saw deadlock t:1#1 t:2#1 =>
    ",
    );
}

#[test]
fn a_circle_that_was_seen_is_acted_upon_as_any_other() {
    check_run(
        "
        plan workers 2
        plan on_deadlock stop_youngest
        plan t: jobs=2 retries=1
        0s tick => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s saw deadlock t:1#1 t:2#1 => deadlock t:1#1 and t:2#1, stopping t:2#1 deadlock | term t:2#1
        2s saw deadlock t:1#1 t:2#1 =>
        3s exit t:2#1 TERM => ended t:2#1 signaled(SIGTERM), retrying t:2, launched t:2#2, deadlock-gone 1 | launch t:2#2
    ",
    );
    check_run(
        "
        plan workers 2
        plan on_deadlock stop
        plan t: jobs=2
        0s tick => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s saw deadlock t:1#1 => deadlock t:1#1, run-stopping stop, stopping t:1#1 abort, stopping t:2#1 abort | term t:1#1, term t:2#1
    ",
    );
}

#[test]
fn what_is_no_proof_is_told_and_nothing_is_done() {
    check_run(
        "
        plan workers 2
        plan on_deadlock stop
        plan t: jobs=2
        0s tick => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s saw stalled t:1#1 => stalled t:1#1
        2s saw abandoned t:2#1 => abandoned t:2#1
        3s saw stalled t:1#1 =>
        4s saw gone 1 => stuck-gone 1
        5s exit t:2#1 0 => ended t:2#1 succeeded, stuck-gone 2
    ",
    );
}

#[test]
fn what_people_paused_or_stop_is_not_stuck() {
    check_run(
        "
        plan workers 2
        plan t: jobs=2
        0s tick => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s saw stalled t:1#1 => stalled t:1#1
        2s pause t:1 => paused, stuck-gone 1 | freeze t:1#1 | done
        3s saw stalled t:1#1 =>
        4s kill t:2 => stopping t:2#1 kill | term t:2#1 | done
        5s saw deadlock t:2#1 =>
    ",
    );
}

#[test]
fn a_circle_of_own_locks_that_is_seen_from_outside_too_is_told_once() {
    check_run(
        "
        plan workers 3
        plan t: jobs=3
        0s tick       => launched t:1#1, launched t:2#1, launched t:3#1 | launch t:1#1, launch t:2#1, launch t:3#1
        1s lock t:1 x => | tell t:1 ok
        2s lock t:2 y => | tell t:2 ok
        3s lock t:1 y =>
        4s lock t:2 x => deadlock t:1 holds x and wants y, held by t:2, which wants x
        5s saw deadlock t:1#1 t:2#1 =>
        6s saw gone 1 =>
        7s saw deadlock t:1#1 t:3#1 => deadlock t:1#1 and t:3#1
    ",
    );
}
