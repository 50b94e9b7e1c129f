//! What jobs say about themselves.

use super::story::check_run;
use crate::model::{Mono, Now, Wall};

fn why(script: &str, job: &str, at_s: u64) -> Vec<String> {
    let story = check_run(script);
    let now = Now { mono: Mono(at_s * 1_000_000), wall: Wall(0) };
    story.engine.why(story.job(job), now)
}

#[test]
fn every_job_can_say_why_it_waits() {
    let plan = "
        plan   workers 2
        plan   a: jobs=5 max=1 timeout=60s retries=2 delay=10s
        plan   big: weight=2
        plan   b: needs=a+big
        plan   c: jobs=5 needs=a:each
        0s     tick         => launched a:1#1 | launch a:1#1
    ";
    let running = why(plan, "a:1", 4);
    assert_eq!(
        running,
        [
            "Attempt :1#1 runs in slot 1 of pool `default`, pid 101, since 4.0s.",
            "Its timeout is in 56s."
        ]
    );
    assert_eq!(
        why(plan, "a:3", 4),
        [
            "1 jobs of `a` are running, and its `max_parallel` is 1.",
            "1 job is ahead of it in the queue."
        ]
    );
    assert_eq!(why(plan, "big", 4), ["It takes 2 workers, and pool `default` has 1 of 2 free."]);
    assert_eq!(
        why(plan, "b", 4),
        [
            "It needs `a` to end: 5 of 5 jobs left, 1 of them running.",
            "It needs `big` to end: 1 of 1 jobs left, 0 of them running."
        ]
    );
    assert_eq!(why(plan, "c:2", 4), ["It needs `a:2` (:2) (in the queue) to end."]);
    let failed = format!(
        "{plan}\n1s exit a:1#1 1 => ended a:1#1 failed(1), retrying a:1 at 11s, launched a:2#1 | launch a:2#1"
    );
    assert_eq!(why(&failed, "a:1", 4), ["It waits 7.0s before attempt 2."]);
    assert_eq!(
        why(&failed, "c:1", 4),
        ["It needs `a:1` (:1) (waiting for its next attempt) to end."]
    );
    let paused = format!("{plan}\n2s pause run by screen => paused | freeze a:1#1 | done");
    assert_eq!(why(&paused, "a:1", 4)[1], "The run is paused, at the screen.");
    assert_eq!(why(&paused, "a:2", 4)[0], "The run is paused, at the screen.");
    let killed = format!("{plan}\n2s kill a:1 => stopping a:1#1 kill | term a:1#1 | done");
    assert_eq!(why(&killed, "a:1", 4)[1], "It is being stopped: killed by hand; SIGKILL in 3.0s.");
}

#[test]
fn an_ended_job_says_how_it_ended() {
    let plan = "
        plan   a: retries=1
        plan   b: needs=a
        0s     tick       => launched a#1 | launch a#1
        1s     exit a#1 1 => ended a#1 failed(1), retrying a, launched a#2 | launch a#2
        2s     exit a#2 2 => ended a#2 failed(2), skipped 1 of b, run failed 1
    ";
    assert_eq!(
        why(plan, "a", 4),
        [
            "It has ended: it failed with exit code 2 after 2 attempts.",
            "Its retries are used up, or do not cover this outcome."
        ]
    );
    assert_eq!(why(plan, "b", 4), ["It was skipped: it needs `a`, which did not end as needed."]);
    assert_eq!(why(plan, "a:9", 4), ["There is no job :999 in this run."]);
}
