//! How runs come to an end: drained, stopped, killed, or by a rule.

use super::story::check_run;

// ---- people

#[test]
fn draining_cancels_the_queue_and_lets_attempts_end() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=4 retries=3 delay=9s
        0s     tick          => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     exit a:1#1 1  => ended a:1#1 failed(1), retrying a:1 at 10s, launched a:3#1 | launch a:3#1
        2s     drain         => run-stopping drain, cancelled 2 of a | | done: the run is draining: 2 waiting jobs cancelled, 2 running jobs go on to their end
        3s     exit a:2#1 1  => ended a:2#1 failed(1)
        4s     drain         => | | refused: the run is draining already
        5s     exit a:3#1 0  => ended a:3#1 succeeded, run stopped 130
    ",
    );
}

#[test]
fn interrupt_drains_then_stops_then_kills() {
    check_run(
        "
        plan   a: jobs=2
        0s     tick             => launched a:1#1 | launch a:1#1
        1s     drain by INT     => run-stopping drain, cancelled 1 of a | | done
        2s     stop by INT      => run-stopping stop, stopping a:1#1 run-stop | term a:1#1 | done
        3s     kill-all by INT  => run-stopping kill, stopping a:1#1 run-stop | kill a:1#1 | done
        4s     exit a:1#1 KILL  => ended a:1#1 cancelled, run stopped 130
    ",
    );
}

#[test]
fn a_second_stop_kills() {
    check_run(
        "
        plan   a:
        0s     tick            => launched a#1 | launch a#1
        1s     stop by TERM    => run-stopping stop, stopping a#1 run-stop | term a#1 | done
        2s     stop by TERM    => run-stopping kill, stopping a#1 run-stop | kill a#1 | done: the run is being killed
        3s     drain           => | | refused: the run is being killed already
        4s     exit a#1 KILL   => ended a#1 cancelled, run stopped 143
    ",
    );
}

#[test]
fn a_stop_that_keeps_nothing_from_running_is_no_stop() {
    check_run(
        "
        plan   a:
        0s     tick       => launched a#1 | launch a#1
        1s     drain      => run-stopping drain | | done
        2s     exit a#1 0 => ended a#1 succeeded, run succeeded 0
    ",
    );
}

#[test]
fn killing_what_a_drain_left_running_ends_the_run_as_stopped() {
    check_run(
        "
        plan   a: grace=5s
        0s     tick         => launched a#1 | launch a#1
        1s     drain by INT => run-stopping drain | | done
        2s     kill a       => stopping a#1 kill | term a#1 | done
        3s     exit a#1 TERM => ended a#1 cancelled, run stopped 130
    ",
    );
}

#[test]
fn a_drain_does_not_answer_for_a_job_that_was_killed_before() {
    check_run(
        "
        plan   workers 2
        plan   a: grace=5s jobs=2
        0s     tick         => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     kill a:1     => stopping a:1#1 kill | term a:1#1 | done
        2s     drain by TERM => run-stopping drain | | done
        3s     kill a:1     => stopping a:1#1 kill | kill a:1#1 | done
        4s     exit a:1#1 KILL => ended a:1#1 cancelled
        5s     exit a:2#1 0 => ended a:2#1 succeeded, run failed 1
    ",
    );
}

#[test]
fn a_stop_that_cuts_a_job_short_is_told_by_its_signal() {
    for (by, code) in [("INT", 130), ("TERM", 143)] {
        check_run(&format!(
            "
            plan   a: grace=5s
            0s     tick          => launched a#1 | launch a#1
            1s     drain by {by} => run-stopping drain | | done
            2s     stop by {by}  => run-stopping stop, stopping a#1 run-stop | term a#1 | done
            3s     exit a#1 0    => ended a#1 cancelled, run stopped {code}
        "
        ));
    }
}

#[test]
fn a_stop_closes_tasks_that_are_not_read() {
    check_run(
        "
        plan   a: jobs=?
        0s     tick     =>
        1s     stop     => run-stopping stop, run stopped 130 | | done
        2s     jobs a 3 =>
    ",
    );
}

// ---- rules

#[test]
fn on_failure_stop_starts_nothing_more() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=4 on_failure=stop
        0s     tick         => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     exit a:1#1 1 => ended a:1#1 failed(1), run-stopping drain, cancelled 2 of a
        2s     exit a:2#1 0 => ended a:2#1 succeeded, run failed 1
    ",
    );
}

#[test]
fn on_failure_abort_also_stops_what_runs() {
    check_run(
        "
        plan   workers 2
        plan   a: on_failure=abort
        plan   b: retries=3
        0s     tick          => launched a#1, launched b#1 | launch a#1, launch b#1
        1s     exit a#1 1    => ended a#1 failed(1), run-stopping stop, stopping b#1 abort | term b#1
        2s     exit b#1 TERM => ended b#1 cancelled, run failed 1
    ",
    );
}

#[test]
fn fail_fast_counts_jobs_not_attempts() {
    check_run(
        "
        plan   fail_fast 2
        plan   a: jobs=4 retries=1
        0s     tick         => launched a:1#1 | launch a:1#1
        1s     exit a:1#1 1 => ended a:1#1 failed(1), retrying a:1, launched a:1#2 | launch a:1#2
        2s     exit a:1#2 1 => ended a:1#2 failed(1), launched a:2#1 | launch a:2#1
        3s     kill a:2 now => stopping a:2#1 kill | kill a:2#1 | done
        4s     exit a:2#1 KILL => ended a:2#1 cancelled, launched a:3#1 | launch a:3#1
        5s     spawn-failed a:3#1 =>
        6s     exit a:3#1 1 => ended a:3#1 failed(1), retrying a:3, launched a:3#2 | launch a:3#2
        7s     exit a:3#2 1 => ended a:3#2 failed(1), run-stopping drain, cancelled 1 of a, run failed 1
    ",
    );
}

#[test]
fn fail_fast_percent_waits_until_the_total_is_known() {
    check_run(
        "
        plan   fail_fast 50%
        plan   workers 1
        plan   a: jobs=2
        plan   b: jobs=?
        0s     tick         => launched a:1#1 | launch a:1#1
        1s     exit a:1#1 1 => ended a:1#1 failed(1), launched a:2#1 | launch a:2#1
        2s     jobs b 1     => added b 1
        3s     exit a:2#1 1 => ended a:2#1 failed(1), run-stopping drain, cancelled 1 of b, run failed 1
    ",
    );
}
