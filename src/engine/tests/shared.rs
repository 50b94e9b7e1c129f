//! Stories of what jobs share.

use super::story::check_run;
use crate::model::Mono;

#[test]
fn jobs_that_take_a_lock_run_one_at_a_time_and_others_pass() {
    let story = check_run(
        "
        plan workers 3
        plan a: jobs=3 locks=db
        plan b: jobs=1
        0s tick         => launched a:1#1, awaits a, launched b#1 | launch a:1#1, launch b#1
        1s exit a:1#1 1 => ended a:1#1 failed(1), free a, launched a:2#1, awaits a | launch a:2#1
        2s kill a:2 now => stopping a:2#1 kill | kill a:2#1 | done
        2s exit a:2#1 KILL => ended a:2#1 cancelled, free a, launched a:3#1 | launch a:3#1
    ",
    );
    assert!(story.engine.state.locks().deadline().is_none());
}

#[test]
fn a_job_that_waits_for_a_lock_says_on_whom() {
    let story = check_run(
        "
        plan workers 3
        plan a: jobs=2 locks=db
        0s tick         => launched a:1#1, awaits a | launch a:1#1
        3s tick         =>
    ",
    );
    let now = crate::model::Now { mono: Mono(3_000_000), ..Default::default() };
    let why = story.engine.why(story.job("a:2"), now);
    assert_eq!(why, ["It waits for `db`, held by :1#1, since 3.0s."]);
}

#[test]
fn those_who_share_a_lock_run_together_and_permits_are_counted() {
    check_run(
        "
        plan workers 9
        plan read: jobs=2 locks=db:shared
        plan write: jobs=1 locks=db
        0s tick => launched read:1#1, launched read:2#1, awaits write | launch read:1#1, launch read:2#1
        1s exit read:1#1 0 => ended read:1#1 succeeded
        2s exit read:2#1 0 => ended read:2#1 succeeded, free write, launched write#1 | launch write#1
    ",
    );
    check_run(
        "
        plan workers 9
        plan semaphore api 3
        plan a: jobs=4 uses=api:2
        plan b: jobs=1 uses=api:1
        0s tick => launched a:1#1, awaits a, launched b#1 | launch a:1#1, launch b#1
        1s exit b#1 0 => ended b#1 succeeded
        2s exit a:1#1 0 => ended a:1#1 succeeded, free a, launched a:2#1, awaits a | launch a:2#1
    ",
    );
}

#[test]
fn a_job_comes_before_a_process_that_asked_later_and_never_keeps_a_lock_idle() {
    check_run(
        "
        plan workers 3
        plan p: jobs=2
        plan a: locks=db priority=-1
        0s tick        => launched p:1#1, launched p:2#1, launched a#1 | launch p:1#1, launch p:2#1, launch a#1
        1s lock p:1 db =>
        2s exit a#1 0  => ended a#1 succeeded | tell p:1 ok
        3s unlock p:1 db => | tell p:1 ok
    ",
    );
    check_run(
        "
        plan workers 2
        plan p: jobs=2
        plan a: locks=db priority=-1
        0s tick          => launched p:1#1, launched p:2#1 | launch p:1#1, launch p:2#1
        1s lock p:1 db   => | tell p:1 ok
        2s lock p:2 db   =>
        3s unlock p:1 db => | tell p:2 ok, tell p:1 ok
        4s exit p:1#1 0  => ended p:1#1 succeeded, awaits a
        5s unlock p:2 db => free a, launched a#1 | tell p:2 ok, launch a#1
    ",
    );
}

#[test]
fn the_lock_of_a_dead_process_goes_to_the_next_who_is_told() {
    check_run(
        "
        plan workers 2
        plan a: jobs=2
        0s tick        => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s lock a:1 db => | tell a:1 ok
        2s lock a:2 db =>
        3s died a:1    => owner-died db | tell a:2 died=db
        4s lock a:1 db => | tell a:1 gone
    ",
    );
}

#[test]
fn a_circle_is_told_the_moment_it_closes_and_when_it_is_over() {
    check_run(
        "
        plan workers 3
        plan t: jobs=3
        0s tick       => launched t:1#1, launched t:2#1, launched t:3#1 | launch t:1#1, launch t:2#1, launch t:3#1
        1s lock t:1 x => | tell t:1 ok
        2s lock t:2 y => | tell t:2 ok
        3s lock t:1 y =>
        4s lock t:3 x =>
        5s lock t:2 x => deadlock t:1 holds x and wants y, held by t:2, which wants x
        6s died t:2   => owner-died y, deadlock-gone 1 | tell t:2 gone, tell t:1 died=y
        7s unlock t:1 x => | tell t:3 ok, tell t:1 ok
    ",
    );
}

#[test]
fn the_youngest_of_a_circle_is_stopped_and_tried_again() {
    check_run(
        "
        plan workers 2
        plan on_deadlock stop_youngest
        plan t: jobs=2 retries=1
        0s tick       => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s lock t:1 x => | tell t:1 ok
        2s lock t:2 y => | tell t:2 ok
        3s lock t:1 y =>
        4s lock t:2 x => deadlock t:1 holds x and wants y, held by t:2, which wants x, stopping t:2#1 deadlock | term t:2#1
        5s died t:2   => owner-died y, deadlock-gone 1 | tell t:2 gone, tell t:1 died=y
        5s exit t:2#1 0 => ended t:2#1 failed(0), retrying t:2, launched t:2#2 | launch t:2#2
    ",
    );
    check_run(
        "
        plan workers 2
        plan on_deadlock stop
        plan t: jobs=2
        0s tick       => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s lock t:1 x => | tell t:1 ok
        2s lock t:1 x => deadlock t:1 holds x and waits for itself, run-stopping stop, stopping t:1#1 abort, stopping t:2#1 abort | term t:1#1, term t:2#1
    ",
    );
}

#[test]
fn a_job_that_holds_by_its_task_is_part_of_a_circle_of_its_processes() {
    check_run(
        "
        plan workers 2
        plan a: locks=x
        plan b: locks=y
        0s tick    => launched a#1, launched b#1 | launch a#1, launch b#1
        1s lock a x => | tell a ok
        2s lock a y =>
        3s lock b x => deadlock a:1 holds x and wants y, held by b:1, which wants x
    ",
    );
}

#[test]
fn locks_taken_in_both_orders_are_told_once() {
    check_run(
        "
        plan workers 2
        plan t: jobs=2
        0s tick       => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s lock t:1 x => | tell t:1 ok
        2s lock t:1 y => | tell t:1 ok
        3s unlock t:1 x y => | tell t:1 ok
        4s lock t:2 y => | tell t:2 ok
        5s lock t:2 x => inverted x+y | tell t:2 ok
        6s unlock t:2 x y => | tell t:2 ok
        7s lock t:2 y => | tell t:2 ok
        8s lock t:2 x => | tell t:2 ok
    ",
    );
}

#[test]
fn people_give_a_semaphore_more_permits_and_close_a_queue() {
    check_run(
        "
        plan workers 9
        plan semaphore api 1
        plan t: jobs=3
        plan a: jobs=2 uses=api:1
        0s tick        => launched t:1#1, launched t:2#1, launched t:3#1, launched a:1#1, awaits a | launch t:1#1, launch t:2#1, launch t:3#1, launch a:1#1
        1s permits api 2 => free a, launched a:2#1 | launch a:2#1 | done
        1s permits api 2 => | | refused: semaphore `api` has 2 permits already
        1s permits api 0 => | | refused: a semaphore has 1 to 1000000 permits, and `api` has 2
        1s permits b 9   => | | refused: nothing of this run is called `b`
        2s put t:1 q   => | tell t:1 ok
        2s put t:1 q   =>
        3s close api   => | | refused: `api` is a bounded semaphore, not a queue
        4s close q     => | tell t:1 closed | done
        5s close q     => | | refused: queue `q` is closed already
    ",
    );
}

#[test]
fn a_wait_without_an_end_is_told_about_once_for_each_lock() {
    check_run(
        "
        plan workers 3
        plan t: jobs=3
        0s tick       => launched t:1#1, launched t:2#1, launched t:3#1 | launch t:1#1, launch t:2#1, launch t:3#1
        1s lock t:1 x => | tell t:1 ok
        2s lock t:2 x =>
        9s lock t:3 x =>
        61.9s tick    =>
        62s tick      => waits-long x
        99s tick      =>
    ",
    );
}

#[test]
fn jobs_that_take_all_workers_and_wait_for_one_that_cannot_start_are_told() {
    check_run(
        "
        plan workers 2
        plan t: jobs=3
        0s tick        => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s meet t:1 all =>
        2s meet t:2 all => | look 1
        2s no-help 1 => deadlock nobody of the run can go on: t:1 waits for all, t:2 waits for all; 1 job cannot start before one of them has ended
        3s exit t:1#1 KILL => ended t:1#1 signaled(SIGKILL), launched t:3#1 | launch t:3#1
    ",
    );
}

#[test]
fn queues_that_are_full_or_empty_close_a_circle_when_everybody_waits() {
    check_run(
        "
        plan workers 3
        plan on_deadlock stop_youngest
        plan t: jobs=2
        0s tick    => launched t:1#1, launched t:2#1 | launch t:1#1, launch t:2#1
        1s put t:1 a => | tell t:1 ok
        2s put t:2 b => | tell t:2 ok
        3s put t:1 a =>
        4s put t:2 b => | look 1
        4.05s no-help 1 => deadlock nobody of the run can go on: t:1 waits to put into a, t:2 waits to put into b, stopping t:2#1 deadlock | term t:2#1
    ",
    );
    // Where items come and go it is not looked each time, and an old answer says nothing.
    check_run(
        "
        plan workers 2
        plan t: jobs=1
        0s tick        => launched t#1 | launch t#1
        1s get t q     => | look 1
        1.001s put t q => | tell t ok, tell t ok
        1.002s get t q =>
        1.003s no-help 1 =>
        1.01s put t q  => | tell t ok, tell t ok
        1.02s get t q  =>
        1.05s tick     => | look 4
        1.06s no-help 4 => deadlock nobody of the run can go on: t:1 waits for an item of q
    ",
    );
    // A job that is stopped some time is no circle.
    check_run(
        "
        plan workers 1
        plan t: jobs=2 timeout=2s
        0s tick    => launched t:1#1 | launch t:1#1
        1s get t:1 q =>
        2s tick    => stopping t:1#1 timeout | term t:1#1
    ",
    );
    // Whoever may still do something is found out again and again, for a while.
    check_run(
        "
        plan workers 3
        plan t: jobs=1
        0s tick     => launched t#1 | launch t#1
        1s get t q => | look 1
        1.1s tick    => | look 2
        1.6s tick    => | look 3
        1.6s no-help 2 =>
        3.6s tick    => | look 4
        4s set t e => | tell t ok
        13.6s tick   => | look 5
        99s tick     =>
        99s no-help 5 => deadlock nobody of the run can go on: t:1 waits for an item of q
        99s no-help 5 =>
    ",
    );
}
