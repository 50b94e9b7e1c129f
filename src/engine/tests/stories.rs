use super::story::check_run;

#[test]
fn a_timeout_asks_first_and_kills_after_the_grace_period() {
    check_run(
        "
        plan   a: timeout=5s grace=1s
        0s     tick          => launched a#1          | launch a#1
        4.9s   tick          =>
        5s     tick          => stopping a#1 timeout  | term a#1
        6s     tick          =>                       | kill a#1
        6.1s   exit a#1 KILL => ended a#1 timed-out, run failed 1
    ",
    );
}
