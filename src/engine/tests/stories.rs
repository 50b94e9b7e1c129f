//! What happens in a run, told line by line.

use super::story::check_run;

// ---- order and room

#[test]
fn jobs_start_by_priority_then_file_order_then_position() {
    check_run(
        "
        plan   a: jobs=2
        plan   b: priority=1
        plan   c:
        0s     tick       => launched b#1                    | launch b#1
        1s     exit b#1 0 => ended b#1 succeeded, launched a:1#1 | launch a:1#1
        2s     exit a:1#1 0 => ended a:1#1 succeeded, launched a:2#1 | launch a:2#1
        3s     exit a:2#1 0 => ended a:2#1 succeeded, launched c#1 | launch c#1
        4s     exit c#1 0 => ended c#1 succeeded, run succeeded 0
    ",
    );
}

#[test]
fn the_lowest_free_slot_is_used_again() {
    check_run(
        "
        plan   workers 3
        plan   with slots
        plan   a: jobs=4
        0s     tick         => launched a:1#1, launched a:2#1, launched a:3#1 | launch a:1#1 @1, launch a:2#1 @2, launch a:3#1 @3
        1s     exit a:2#1 0 => ended a:2#1 succeeded, launched a:4#1          | launch a:4#1 @2
    ",
    );
}

#[test]
fn a_task_at_its_max_parallel_is_passed_over() {
    check_run(
        "
        plan   workers 3
        plan   a: jobs=3 max=1
        plan   b: jobs=2
        0s     tick         => launched a:1#1, launched b:1#1, launched b:2#1 | launch a:1#1, launch b:1#1, launch b:2#1
        1s     exit b:1#1 0 => ended b:1#1 succeeded
        2s     exit a:1#1 0 => ended a:1#1 succeeded, launched a:2#1 | launch a:2#1
    ",
    );
}

#[test]
fn a_heavy_job_makes_the_pool_wait_and_is_not_starved() {
    check_run(
        "
        plan   workers 3
        plan   light: jobs=2 priority=2
        plan   heavy: weight=3 priority=1
        plan   other: jobs=2
        0s     tick             => launched light:1#1, launched light:2#1 | launch light:1#1, launch light:2#1
        1s     exit light:1#1 0 => ended light:1#1 succeeded
        2s     exit light:2#1 0 => ended light:2#1 succeeded, launched heavy#1 | launch heavy#1
        3s     exit heavy#1 0   => ended heavy#1 succeeded, launched other:1#1, launched other:2#1 | launch other:1#1, launch other:2#1
    ",
    );
}

#[test]
fn a_job_heavier_than_its_pool_runs_alone() {
    check_run(
        "
        plan   workers 2
        plan   heavy: jobs=2 weight=9
        0s     tick             => launched heavy:1#1 | launch heavy:1#1
        1s     exit heavy:1#1 0 => ended heavy:1#1 succeeded, launched heavy:2#1 | launch heavy:2#1
    ",
    );
}

#[test]
fn pools_have_queues_of_their_own() {
    check_run(
        "
        plan   pool disk 1
        plan   a: jobs=2
        plan   b: jobs=2 pool=disk
        0s     tick         => launched a:1#1, launched b:1#1        | launch a:1#1, launch b:1#1
        1s     exit b:1#1 0 => ended b:1#1 succeeded, launched b:2#1 | launch b:2#1
    ",
    );
}

#[test]
fn a_run_without_jobs_ends_at_once() {
    check_run(
        "
        plan   a: jobs=0
        plan   b: jobs=0 needs=a
        0s     tick => run succeeded 0
    ",
    );
}

#[test]
fn jobs_may_come_after_the_start() {
    check_run(
        "
        plan   a: jobs=?
        0s     tick       =>
        1s     jobs a 1   => added a 1, launched a#1 | launch a#1
        2s     jobs a 5   =>
        3s     exit a#1 0 => ended a#1 succeeded, run succeeded 0
    ",
    );
}

// ---- scaling

#[test]
fn growing_starts_work_at_once_and_shrinking_lets_attempts_end() {
    check_run(
        "
        plan   a: jobs=6
        0s     tick              => launched a:1#1              | launch a:1#1
        1s     scale default 3   => scaled 1 to 3, launched a:2#1, launched a:3#1 | launch a:2#1, launch a:3#1 | done: pool `default`: 1 -> 3 workers
        2s     scale default 1   => scaled 3 to 1               |              | running attempts end first
        3s     exit a:1#1 0      => ended a:1#1 succeeded
        4s     exit a:2#1 0      => ended a:2#1 succeeded
        5s     exit a:3#1 0      => ended a:3#1 succeeded, launched a:4#1 | launch a:4#1
    ",
    );
}

#[test]
fn shrinking_now_stops_the_newest_and_queues_their_jobs_again() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=2 grace=1s
        0s     tick                => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     scale default 1 now => scaled 2 to 1, stopping a:2#1 shrink | term a:2#1 | 1 attempts stopped
        1.5s   exit a:2#1 TERM     => ended a:2#1 cancelled, retrying a:2
        2s     exit a:1#1 0        => ended a:1#1 succeeded, launched a:2#2 | launch a:2#2
        3s     exit a:2#2 0        => ended a:2#2 succeeded, run succeeded 0
    ",
    );
}

#[test]
fn making_room_does_not_use_up_a_retry() {
    check_run(
        "
        plan   workers 1
        plan   a: retries=1
        0s     tick                => launched a#1 | launch a#1
        1s     scale default 0 now => scaled 1 to 0, stopping a#1 shrink | term a#1 | done
        2s     exit a#1 TERM       => ended a#1 cancelled, retrying a
        3s     scale default 1     => scaled 0 to 1, launched a#2 | launch a#2 | done
        4s     exit a#2 1          => ended a#2 failed(1), retrying a, launched a#3 | launch a#3
        5s     exit a#3 1          => ended a#3 failed(1), run failed 1
    ",
    );
}

#[test]
fn scaling_beyond_its_bounds_is_refused_with_the_bounds() {
    check_run(
        "
        plan   workers 2 min=1 max=4
        plan   a:
        0s     tick            => launched a#1 | launch a#1
        1s     scale default 5 =>              | | refused: pool `default` takes 1 to 4 workers, not 5
        2s     scale default 0 =>              | | refused: pool `default` takes 1 to 4 workers, not 0
        3s     scale default 2 =>              | | done: pool `default` has 2 workers already
    ",
    );
}

// ---- needs

#[test]
fn a_task_waits_for_all_jobs_of_the_tasks_it_needs() {
    check_run(
        "
        plan   workers 4
        plan   a: jobs=2
        plan   b: needs=a
        0s     tick         => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     exit a:1#1 0 => ended a:1#1 succeeded
        2s     up-to-date a:2#1 =>
        3s     exit a:2#1 0 => ended a:2#1 succeeded, launched b#1 | launch b#1
    ",
    );
}

#[test]
fn skips_travel_down_and_handlers_of_failures_run() {
    check_run(
        "
        plan   a:
        plan   b: jobs=3 needs=a
        plan   c: needs=b
        plan   report: needs=a:failed
        plan   clean: needs=c:always
        0s     tick            => launched a#1 | launch a#1
        1s     exit a#1 3      => ended a#1 failed(3), skipped 3 of b, skipped 1 of c, launched report#1 | launch report#1
        2s     exit report#1 0 => ended report#1 succeeded, launched clean#1 | launch clean#1
        3s     exit clean#1 0  => ended clean#1 succeeded, run failed 1
    ",
    );
}

#[test]
fn a_handler_of_failures_is_skipped_when_there_is_none_and_the_run_succeeds() {
    check_run(
        "
        plan   a:
        plan   report: needs=a:failed
        0s     tick       => launched a#1 | launch a#1
        1s     exit a#1 0 => ended a#1 succeeded, skipped 1 of report, run succeeded 0
    ",
    );
}

#[test]
fn jobs_linked_one_to_one_start_as_their_upstream_ends() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=3
        plan   b: jobs=3 needs=a:each priority=1
        0s     tick         => launched a:1#1, launched a:2#1          | launch a:1#1, launch a:2#1
        1s     exit a:2#1 0 => ended a:2#1 succeeded, launched b:2#1   | launch b:2#1
        2s     exit a:1#1 4 => ended a:1#1 failed(4), skipped b:1, launched a:3#1 | launch a:3#1
        3s     exit a:3#1 0 => ended a:3#1 succeeded, launched b:3#1   | launch b:3#1
        4s     exit b:3#1 0 => ended b:3#1 succeeded
        5s     exit b:2#1 0 => ended b:2#1 succeeded, run failed 1
    ",
    );
}

#[test]
fn a_job_linked_to_several_waits_for_all_of_them() {
    check_run(
        "
        plan   workers 4
        plan   a: jobs=4
        plan   b: jobs=2 needs=a:each
        0s     tick         => launched a:1#1, launched a:2#1, launched a:3#1, launched a:4#1 | launch a:1#1, launch a:2#1, launch a:3#1, launch a:4#1
        1s     exit a:1#1 0 => ended a:1#1 succeeded
        2s     exit a:3#1 0 => ended a:3#1 succeeded
        3s     exit a:2#1 0 => ended a:2#1 succeeded, launched b:1#1 | launch b:1#1
    ",
    );
}

#[test]
fn a_skipped_task_skips_the_jobs_linked_to_it_in_one_fact() {
    check_run(
        "
        plan   a:
        plan   b: jobs=4 needs=a
        plan   c: jobs=4 needs=b:each
        0s     tick       => launched a#1 | launch a#1
        1s     exit a#1 1 => ended a#1 failed(1), skipped 4 of b, skipped 4 of c, run failed 1
    ",
    );
}

#[test]
fn inputs_that_cannot_be_read_make_their_task_fail() {
    check_run(
        "
        plan   a: jobs=?
        plan   b: needs=a
        plan   c: needs=a:failed
        0s     tick        =>
        1s     no-inputs a => no-inputs a, skipped 1 of b, launched c#1 | launch c#1
        2s     exit c#1 0  => ended c#1 succeeded, run failed 1
    ",
    );
}

#[test]
fn late_inputs_are_read_when_the_needs_have_ended() {
    check_run(
        "
        plan   a:
        plan   b: jobs=2 needs=a late
        plan   c: needs=b
        0s     tick         => launched a#1 | launch a#1
        1s     exit a#1 0   => ended a#1 succeeded, expanding b | expand b
        2s     jobs b 2     => added b 2, launched b:1#1 | launch b:1#1
        3s     exit b:1#1 0 => ended b:1#1 succeeded, launched b:2#1 | launch b:2#1
        4s     exit b:2#1 0 => ended b:2#1 succeeded, launched c#1 | launch c#1
    ",
    );
}

#[test]
fn late_inputs_are_never_read_when_the_needs_did_not_end_well() {
    check_run(
        "
        plan   a:
        plan   b: jobs=2 needs=a late
        plan   c: needs=b
        0s     tick       => launched a#1 | launch a#1
        1s     exit a#1 1 => ended a#1 failed(1), skipped 1 of c, run failed 1
    ",
    );
}

// ---- how attempts end

#[test]
fn a_hung_job_that_ignores_term_is_killed_after_its_timeout() {
    check_run(
        "
        plan   a: timeout=5s grace=1s
        0s     tick          => launched a#1          | launch a#1
        4.9s   tick          =>
        5s     tick          => stopping a#1 timeout  | term a#1
        6s     tick          =>                       | kill a#1
        7s     tick          =>
        7.1s   exit a#1 KILL => ended a#1 timed-out, run failed 1
    ",
    );
}

#[test]
fn a_job_that_exits_well_after_its_timeout_has_timed_out_all_the_same() {
    check_run(
        "
        plan   a: timeout=5s signal=INT
        0s     tick       => launched a#1         | launch a#1
        5s     tick       => stopping a#1 timeout | int a#1
        5.5s   exit a#1 0 => ended a#1 timed-out, run failed 1
    ",
    );
}

#[test]
fn without_grace_the_kill_comes_at_once() {
    check_run(
        "
        plan   a: timeout=5s grace=0s
        0s     tick => launched a#1         | launch a#1
        5s     tick => stopping a#1 timeout | kill a#1
    ",
    );
}

#[test]
fn what_a_leader_leaves_behind_is_ended_and_counted() {
    check_run(
        "
        plan   a: grace=1s
        0s     tick              => launched a#1 | launch a#1
        1s     exit a#1 0 left=2 => leaderless a#1, stopping a#1 leftovers | term a#1
        2s     tick              => | kill a#1
        2.1s   gone a#1 swept=2  => ended a#1 succeeded swept=2, run succeeded 0
    ",
    );
}

#[test]
fn leftovers_of_a_stopped_attempt_keep_its_deadline() {
    check_run(
        "
        plan   a: timeout=1s grace=2s
        0s     tick                 => launched a#1 | launch a#1
        1s     tick                 => stopping a#1 timeout | term a#1
        2s     exit a#1 TERM left=1 => leaderless a#1
        3s     tick                 => | kill a#1
        3.1s   gone a#1 swept=1     => ended a#1 timed-out swept=1, run failed 1
    ",
    );
}

#[test]
fn a_kill_after_the_leader_ended_does_not_change_how_it_ended() {
    check_run(
        "
        plan   a:
        0s     tick              => launched a#1 | launch a#1
        1s     exit a#1 0 left=2 => leaderless a#1, stopping a#1 leftovers | term a#1
        2s     kill a            => stopping a#1 kill | kill a#1 | done: attempt :1#1 of job `a` (:1) is killed
        2.1s   gone a#1 swept=2  => ended a#1 succeeded swept=2, run succeeded 0
    ",
    );
}

#[test]
fn out_of_memory_is_told_apart_from_other_kills() {
    check_run(
        "
        plan   workers 3
        plan   a: jobs=3
        0s     tick                => launched a:1#1, launched a:2#1, launched a:3#1 | launch a:1#1, launch a:2#1, launch a:3#1
        1s     exit a:1#1 KILL oom => ended a:1#1 out-of-memory
        2s     exit a:2#1 KILL     => ended a:2#1 signaled(SIGKILL)
        3s     over a:3#1 memory   => stopping a:3#1 memory | kill a:3#1
        4s     exit a:3#1 KILL     => ended a:3#1 out-of-memory, run failed 1
    ",
    );
}

#[test]
fn a_job_that_somebody_ended_is_cancelled_whatever_the_kernel_counted() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=2 grace=9s timeout=5s
        0s     tick                => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     kill a:1            => stopping a:1#1 kill | term a:1#1 | done
        2s     exit a:1#1 TERM oom => ended a:1#1 cancelled
        5s     tick                => stopping a:2#1 timeout | term a:2#1
        6s     exit a:2#1 TERM oom => ended a:2#1 out-of-memory, run failed 1
    ",
    );
}

#[test]
fn a_leader_that_somebody_else_reaped_is_lost() {
    check_run(
        "
        plan   workers 3
        plan   a: jobs=3 grace=9s
        0s     tick              => launched a:1#1, launched a:2#1, launched a:3#1 | launch a:1#1, launch a:2#1, launch a:3#1
        1s     exit a:1#1 unseen => ended a:1#1 lost
        2s     exit a:2#1 unseen left=1 => leaderless a:2#1, stopping a:2#1 leftovers | term a:2#1
        3s     gone a:2#1        => ended a:2#1 lost
        4s     kill a:3          => stopping a:3#1 kill | term a:3#1 | done
        5s     exit a:3#1 unseen => ended a:3#1 cancelled, run failed 1
    ",
    );
}

#[test]
fn over_its_process_limit_a_job_ends_as_it_really_ended() {
    check_run(
        "
        plan   a:
        0s     tick              => launched a#1 | launch a#1
        1s     over a#1 processes => stopping a#1 processes | kill a#1
        2s     exit a#1 KILL     => ended a#1 signaled(SIGKILL), run failed 1
    ",
    );
}

#[test]
fn exit_codes_that_count_as_success() {
    check_run(
        "
        plan   a: jobs=2 ok=0+3
        0s     tick         => launched a:1#1 | launch a:1#1
        1s     exit a:1#1 3 => ended a:1#1 succeeded, launched a:2#1 | launch a:2#1
        2s     exit a:2#1 1 => ended a:2#1 failed(1), run failed 1
    ",
    );
}

#[test]
fn up_to_date_is_success_and_a_failed_start_is_not() {
    check_run(
        "
        plan   started by hand
        plan   a: jobs=2
        plan   b: needs=a
        0s     tick                => launched a:1#1 | launch a:1#1
        1s     up-to-date a:1#1    => ended a:1#1 up-to-date, launched a:2#1 | launch a:2#1
        2s     spawn-failed a:2#1  => ended a:2#1 spawn-failed, skipped 1 of b, run failed 1
    ",
    );
}

#[test]
fn a_kill_before_the_start_is_remembered() {
    check_run(
        "
        plan   started by hand
        plan   a: grace=1s
        0s     tick          => launched a#1 | launch a#1
        1s     kill a        => stopping a#1 kill | | as soon as it has started
        1.5s   started a#1   => started a#1 | term a#1
        2s     tick          => | kill a#1
        3s     exit a#1 KILL => ended a#1 cancelled, run failed 1
    ",
    );
}

#[test]
fn reports_about_nobody_change_nothing() {
    check_run(
        "
        plan   a: retries=1
        0s     tick         => launched a#1 | launch a#1
        1s     exit a#1 1   => ended a#1 failed(1), retrying a, launched a#2 | launch a#2
        2s     exit a#1 0   =>
        3s     gone a#1     =>
        4s     started a#2  =>
        5s     exit a#7 0   =>
        6s     gone a#2     => ended a#2 lost, run failed 1
    ",
    );
}

// ---- retries

#[test]
fn retries_wait_longer_each_time_up_to_a_limit() {
    check_run(
        "
        plan   a: retries=3 delay=1s factor=3 max_delay=5s
        0s     tick       => launched a#1 | launch a#1
        1s     exit a#1 1 => ended a#1 failed(1), retrying a at 2s
        1.9s   tick       =>
        2s     tick       => ready a, launched a#2 | launch a#2
        3s     exit a#2 1 => ended a#2 failed(1), retrying a at 6s
        6s     tick       => ready a, launched a#3 | launch a#3
        7s     exit a#3 1 => ended a#3 failed(1), retrying a at 12s
        12s    tick       => ready a, launched a#4 | launch a#4
        13s    exit a#4 1 => ended a#4 failed(1), run failed 1
    ",
    );
}

#[test]
fn a_retried_job_takes_its_old_place_in_the_order() {
    check_run(
        "
        plan   a: jobs=3 retries=1
        0s     tick         => launched a:1#1 | launch a:1#1
        1s     exit a:1#1 1 => ended a:1#1 failed(1), retrying a:1, launched a:1#2 | launch a:1#2
        2s     exit a:1#2 0 => ended a:1#2 succeeded, launched a:2#1 | launch a:2#1
    ",
    );
}

#[test]
fn exit_codes_narrow_what_is_tried_again() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=2 retries=5 codes=75 timeout=9s
        0s     tick            => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     exit a:1#1 1    => ended a:1#1 failed(1)
        2s     exit a:2#1 75   => ended a:2#1 failed(75), retrying a:2, launched a:2#2 | launch a:2#2
        3s     exit a:2#2 TERM => ended a:2#2 signaled(SIGTERM), run failed 1
    ",
    );
}

#[test]
fn a_retry_by_hand_brings_back_what_was_skipped() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=2 retries=1
        plan   b: jobs=2 needs=a:each
        plan   c: needs=b
        plan   d: jobs=1
        0s     tick         => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     exit a:1#1 1 => ended a:1#1 failed(1), retrying a:1, launched a:1#2 | launch a:1#2
        2s     exit a:1#2 1 => ended a:1#2 failed(1), skipped b:1, launched d#1 | launch d#1
        3s     exit a:2#1 0 => ended a:2#1 succeeded, launched b:2#1 | launch b:2#1
        4s     exit b:2#1 0 => ended b:2#1 succeeded, skipped 1 of c
        5s     retry b:1    => | | refused: job `b:1` (:3) was skipped, since `a` did not end as needed: retry that instead
        6s     retry a:1    => retrying a:1, unskipped b:1, unskipped c, launched a:1#3 | launch a:1#3 | done: job `a:1` (:1) is queued again for attempt 3
        7s     exit a:1#3 1 => ended a:1#3 failed(1), retrying a:1, launched a:1#4 | launch a:1#4
        8s     exit a:1#4 0 => ended a:1#4 succeeded, launched b:1#1 | launch b:1#1
        9s     exit b:1#1 0 => ended b:1#1 succeeded, launched c#1 | launch c#1
        10s    exit c#1 0   => ended c#1 succeeded
        11s    exit d#1 0   => ended d#1 succeeded, run succeeded 0
    ",
    );
}

#[test]
fn a_retry_by_hand_reopens_tasks_that_were_not_read() {
    check_run(
        "
        plan   workers 2
        plan   hold:
        plan   a:
        plan   b: jobs=2 needs=a late
        plan   c: needs=b
        0s     tick       => launched hold#1, launched a#1 | launch hold#1, launch a#1
        1s     exit a#1 1 => ended a#1 failed(1), skipped 1 of c
        2s     retry a    => retrying a, unskipped b, unskipped c, launched a#2 | launch a#2 | done
        3s     exit a#2 0 => ended a#2 succeeded, expanding b | expand b
        4s     jobs b 0   => added b 0, launched c#1 | launch c#1
    ",
    );
}

#[test]
fn retries_by_hand_are_refused_where_they_make_no_sense() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=4
        0s     tick         => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     exit a:1#1 0 => ended a:1#1 succeeded, launched a:3#1 | launch a:3#1
        2s     retry a:1    => | | refused: job `a:1` (:1) has ended well: it succeeded
        3s     retry a:2    => | | refused: job `a:2` (:2) is running (attempt :2#1)
        4s     retry a:4    => | | refused: job `a:4` (:4) is waiting already
        5s     exit a:2#1 1 => ended a:2#1 failed(1), launched a:4#1 | launch a:4#1
        6s     drain        => run-stopping drain | | done
        7s     retry a:2    => | | refused: job `a:2` (:2) cannot be tried again: the run is draining (asked from another terminal (pid 7)), and nothing more starts; when it has ended, `ganger run FILE a` runs its task anew
        8s     exit a:3#1 0 => ended a:3#1 succeeded
        9s     exit a:4#1 0 => ended a:4#1 succeeded, run failed 1
        10s    retry a:2    => | | refused: the run has ended
    ",
    );
}

// ---- quiet

#[test]
fn a_quiet_attempt_is_marked_and_unmarked() {
    check_run(
        "
        plan   a: quiet=report
        0s     tick      => launched a#1 | launch a#1
        9s     quiet a#1 => quiet a#1
        10s    quiet a#1 =>
        11s    moves a#1 => moves a#1
    ",
    );
}

#[test]
fn a_quiet_attempt_is_stopped_and_not_tried_again() {
    check_run(
        "
        plan   a: quiet=stop retries=3
        0s     tick          => launched a#1 | launch a#1
        9s     quiet a#1     => quiet a#1, stopping a#1 quiet | term a#1
        10s    exit a#1 TERM => ended a#1 timed-out, run failed 1
    ",
    );
}

#[test]
fn a_quiet_attempt_is_tried_again_once_unless_retries_allow_more() {
    check_run(
        "
        plan   a: quiet=retry
        0s     tick          => launched a#1 | launch a#1
        9s     quiet a#1     => quiet a#1, stopping a#1 quiet | term a#1
        10s    exit a#1 TERM => ended a#1 timed-out, retrying a, launched a#2 | launch a#2
        19s    quiet a#2     => quiet a#2, stopping a#2 quiet | term a#2
        20s    exit a#2 TERM => ended a#2 timed-out, run failed 1
    ",
    );
}

// ---- pauses

#[test]
fn a_pause_stops_the_timeout_and_nothing_starts() {
    check_run(
        "
        plan   a: jobs=2 timeout=5s
        0s     tick         => launched a:1#1 | launch a:1#1
        3s     pause run    => paused | freeze a:1#1 | done: the run is paused
        4s     quiet a:1#1  =>
        60s    tick         =>
        63s    resume run   => resumed | thaw a:1#1 | done: the run goes on
        64.9s  tick         =>
        65s    tick         => stopping a:1#1 timeout | term a:1#1
    ",
    );
}

#[test]
fn a_paused_job_is_passed_over_and_goes_on_later() {
    check_run(
        "
        plan   a: jobs=3
        0s     tick         => launched a:1#1 | launch a:1#1
        1s     pause a:2    => paused | | done: job `a:2` (:2) is paused
        2s     exit a:1#1 0 => ended a:1#1 succeeded, launched a:3#1 | launch a:3#1
        3s     exit a:3#1 0 => ended a:3#1 succeeded
        4s     resume a:2   => resumed, launched a:2#1 | launch a:2#1 | done
        5s     exit a:2#1 0 => ended a:2#1 succeeded, run succeeded 0
    ",
    );
}

#[test]
fn pauses_add_up() {
    check_run(
        "
        plan   a:
        0s     tick                => launched a#1 | launch a#1
        1s     pause a             => paused | freeze a#1 | done
        2s     pause pool default  => paused | | done: pool `default` is paused
        3s     resume a            => resumed | | done: job `a` (:1) goes on, but pool `default` is still paused
        4s     resume a            => | | refused: job `a` (:1) is not paused itself; pool `default` is
        5s     pause pool default  => | | refused: pool `default` is paused already, from another terminal (pid 7)
        6s     resume pool default => resumed | thaw a#1 | done
    ",
    );
}

#[test]
fn what_starts_under_a_pause_is_frozen_at_once() {
    check_run(
        "
        plan   started by hand
        plan   a:
        0s     tick        => launched a#1 | launch a#1
        1s     pause run   => paused | | done
        2s     started a#1 => started a#1 | freeze a#1
    ",
    );
}

#[test]
fn stopping_thaws() {
    check_run(
        "
        plan   a: grace=1s
        0s     tick          => launched a#1 | launch a#1
        1s     pause run     => paused | freeze a#1 | done
        2s     kill a        => stopping a#1 kill | term a#1 | done
        3s     tick          => | kill a#1
        4s     exit a#1 KILL => ended a#1 cancelled, run failed 1
    ",
    );
}

// ---- people

#[test]
fn a_second_kill_does_not_wait_for_the_grace_period() {
    check_run(
        "
        plan   a: retries=5
        0s     tick          => launched a#1 | launch a#1
        1s     kill a        => stopping a#1 kill | term a#1 | done: attempt :1#1 of job `a` (:1) is asked to stop
        2s     kill a        => stopping a#1 kill | kill a#1 | done: attempt :1#1 of job `a` (:1) is killed
        3s     kill a        => | | SIGKILL already
        4s     exit a#1 KILL => ended a#1 cancelled, run failed 1
    ",
    );
}

#[test]
fn a_job_in_the_queue_is_cancelled_by_a_kill() {
    check_run(
        "
        plan   a: jobs=2
        plan   b: needs=a
        0s     tick         => launched a:1#1 | launch a:1#1
        1s     kill a:2     => cancelled a:2 | | done: job `a:2` (:2) is cancelled; it was not running
        2s     kill a:2     => | | refused: job `a:2` (:2) has ended: it was cancelled
        3s     kill a:9     => | | refused: there is no job :999 in this run
        4s     exit a:1#1 0 => ended a:1#1 succeeded, skipped 1 of b, run failed 1
    ",
    );
}

#[test]
fn a_signal_by_hand_is_sent_and_nothing_else() {
    check_run(
        "
        plan   started by hand
        plan   a: jobs=2
        0s     tick            => launched a:1#1 | launch a:1#1
        1s     signal a:1 USR1 => | | refused: attempt :1#1 of job `a:1` (:1) has no process yet
        2s     started a:1#1   => started a:1#1
        3s     signal a:1 USR1 => | usr1 a:1#1 | done: SIGUSR1 sent
        4s     signal a:2 USR1 => | | refused: job `a:2` (:2) is not running
    ",
    );
}
