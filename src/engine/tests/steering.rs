//! What people do to the queue and to many jobs at once, told line by line, and what can be
//! taken back.

use super::story::check_run;
use crate::engine::inverse;
use crate::model::{Command, PauseTarget, PoolIdx, Rank, StopHow};

#[test]
fn a_job_moved_to_the_front_starts_before_all_others() {
    check_run(
        "
        plan   a: jobs=3 priority=5
        plan   b: jobs=3
        0s     tick               => launched a:1#1      | launch a:1#1
        1s     priority b:3 first => priority b:3 6      | | done: job `b:3` (:6): priority 0 -> 6; it is next in the queue
        2s     priority b:2 first => priority b:2 7      | | it is next in the queue
        3s     priority b:2 first =>                     | | refused: job `b:2` (:5) has priority 7 already
        4s     exit a:1#1 0       => ended a:1#1 succeeded, launched b:2#1 | launch b:2#1
        5s     exit b:2#1 0       => ended b:2#1 succeeded, launched b:3#1 | launch b:3#1
        6s     exit b:3#1 0       => ended b:3#1 succeeded, launched a:2#1 | launch a:2#1
        7s     exit a:2#1 0       => ended a:2#1 succeeded, launched a:3#1 | launch a:3#1
        8s     exit a:3#1 0       => ended a:3#1 succeeded, launched b:1#1 | launch b:1#1
    ",
    );
}

#[test]
fn a_job_may_be_moved_back_and_its_task_priority_counts_again() {
    check_run(
        "
        plan   a: jobs=4
        0s     tick                 => launched a:1#1        | launch a:1#1
        1s     priority a:2 -1      => priority a:2 -1       | | priority 0 -> -1; 2 jobs are ahead of it
        2s     exit a:1#1 0         => ended a:1#1 succeeded, launched a:3#1 | launch a:3#1
        3s     priority a:2 of-task => priority a:2 of-task  | | priority -1 -> 0; it is next in the queue
        4s     exit a:3#1 0         => ended a:3#1 succeeded, launched a:2#1 | launch a:2#1
        5s     priority a:2 3       =>                       | | refused: job `a:2` (:2) is running
        6s     priority a:1 3       =>                       | | refused: job `a:1` (:1) has ended: it succeeded
    ",
    );
}

#[test]
fn a_blocked_job_keeps_its_priority_until_it_can_start() {
    check_run(
        "
        plan   a:
        plan   b: jobs=2 needs=a
        0s     tick               => launched a#1   | launch a#1
        1s     priority b:2 first => priority b:2 1 | | it is not in the queue yet
        2s     exit a#1 0         => ended a#1 succeeded, launched b:2#1 | launch b:2#1
    ",
    );
}

#[test]
fn a_moved_job_respects_max_parallel_and_pauses() {
    check_run(
        "
        plan   workers 2
        plan   a: jobs=3 max=1
        plan   b: jobs=3
        0s     tick               => launched a:1#1, launched b:1#1 | launch a:1#1, launch b:1#1
        1s     priority a:3 first => priority a:3 1  | | done
        2s     exit b:1#1 0       => ended b:1#1 succeeded, launched b:2#1 | launch b:2#1
        3s     pause a:3          => paused          | | done
        4s     exit a:1#1 0       => ended a:1#1 succeeded, launched a:2#1 | launch a:2#1
        5s     resume a:3         => resumed         | | done
        6s     exit a:2#1 0       => ended a:2#1 succeeded, launched a:3#1 | launch a:3#1
    ",
    );
}

#[test]
fn many_jobs_are_acted_on_at_once_with_one_answer_that_counts() {
    check_run(
        "
        plan   a: jobs=6 grace=60s
        0s     tick => launched a:1#1 | launch a:1#1
        1s     many kill a:1 + kill a:2 + kill a:3 + kill a:4 => stopping a:1#1 kill, cancelled a:2, cancelled a:3, cancelled a:4 | term a:1#1 | done: 1 asked to stop, 3 cancelled in the queue
        2s     many kill a:2 + kill a:5 => cancelled a:5 | | done: 1 cancelled in the queue, 1 refused: job `a:2` (:2) has ended: it was cancelled
        3s     many kill a:2 + kill a:3 + kill a:4 + kill a:5 + kill a:9 => | | refused: 5 refused: job `a:2` (:2) has ended: it was cancelled; job `a:3`
        4s     many retry a:2 + retry a:4 => retrying a:2, retrying a:4 | | done: 2 queued again
        5s     exit a:1#1 TERM => ended a:1#1 cancelled, launched a:2#1 | launch a:2#1
    ",
    );
}

#[test]
fn a_job_cancelled_in_the_queue_can_be_queued_again() {
    check_run(
        "
        plan   a: jobs=2
        plan   b: jobs=1 needs=a
        0s     tick         => launched a:1#1 | launch a:1#1
        1s     kill a:2     => cancelled a:2  | | is cancelled in the queue; it was not running
        2s     retry a:2    => retrying a:2   | | done: job `a:2` (:2) is queued again for attempt 1
        3s     exit a:1#1 0 => ended a:1#1 succeeded, launched a:2#1 | launch a:2#1
        4s     exit a:2#1 0 => ended a:2#1 succeeded, launched b#1   | launch b#1
        5s     kill b       => stopping b#1 kill | term b#1 | asked to stop
    ",
    );
}

#[test]
fn what_can_be_taken_back_is_the_opposite_of_what_was_so() {
    let story = check_run(
        "
        plan   workers 2
        plan   a: jobs=4
        0s     tick         => launched a:1#1, launched a:2#1 | launch a:1#1, launch a:2#1
        1s     pause a:3    => paused        | | done
        2s     priority a:4 7 => priority a:4 7 | | done
    ",
    );
    let back = |command: Command| inverse(story.engine.state(), &command);
    let (pool, job) = (PoolIdx::DEFAULT, |name: &str| story.job(name));
    let scale = |size| Command::Scale { pool, size, now: false };
    let target = PauseTarget::Job(job("a:3"));
    let kill = |name| Command::Kill { job: job(name), now: false };
    let retry = |name| Command::Retry { job: job(name) };
    let rank = |name, to| Command::Prioritize { job: job(name), to };
    assert_eq!(back(scale(5)), Some(scale(2)));
    assert_eq!(back(scale(2)), None, "nothing changes");
    assert_eq!(back(Command::Resume { target }), Some(Command::Pause { target }));
    assert_eq!(back(Command::Pause { target }), None, "it is paused already");
    assert_eq!(back(kill("a:4")), Some(retry("a:4")));
    assert_eq!(back(kill("a:1")), None, "a process does not come back");
    assert_eq!(back(rank("a:4", Rank::First)), Some(rank("a:4", Rank::Priority(7))));
    assert_eq!(back(rank("a:3", Rank::First)), Some(rank("a:3", Rank::OfTask)));
    assert_eq!(back(Command::Stop { how: StopHow::Drain }), None);
    let many = Command::Many { commands: vec![kill("a:1"), kill("a:3"), kill("a:4")] };
    let both = Command::Many { commands: vec![retry("a:4"), retry("a:3")] };
    assert_eq!(back(many), Some(both));
}
