//! Somebody is killed at a bad moment: nobody hangs, and who comes next is told.

use super::{Stage, until};
use serde_json::json;

#[test]
fn what_a_killed_holder_held_goes_to_the_next_who_is_told() {
    let stage = Stage::new();
    let mut holder = stage.spawn(&["lock", "db", "--", "sh", "-c", "echo $$; exec sleep 1000"]);
    let command = holder.line();
    let first = stage.spawn(&["lock", "db", "--", "echo", "first"]);
    stage.until_waiting("db", 1);
    let mut second = stage.spawn(&["lock", "db", "--", "echo", "second"]);
    stage.until_waiting("db", 2);
    // A waiter that dies is passed over.
    first.kill();
    stage.until_waiting("db", 1);
    holder.kill();
    assert_eq!(second.line(), "second");
    let output = second.output();
    assert!(String::from_utf8(output.stderr).unwrap().contains("without giving it back"));
    // The command must not go on as if it held the lock.
    let stat = format!("/proc/{command}/stat");
    until("the command is dead too", || {
        std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    });
    let free = stage.home.output(&["lock", "db", "--try", "--", "true"]);
    assert!(free.status.success() && free.stderr.is_empty(), "told once: {free:?}");
    assert_eq!(stage.end(), 0);
}

#[test]
fn permits_and_items_of_the_dead_come_back() {
    let stage = Stage::new();
    let mut holder = stage.spawn(&["sem", "api", "--", "sh", "-c", "echo up; exec sleep 1000"]);
    assert_eq!(holder.line(), "up");
    let mut next = stage.spawn(&["sem", "api", "--", "echo", "permitted"]);
    stage.until_waiting("api", 1);
    holder.kill();
    assert_eq!(next.line(), "permitted");
    assert!(next.output().status.success());

    stage.home.ok(&["queue", "put", "q", "a"]);
    stage.home.ok(&["queue", "close", "q"]);
    let script = "echo got $1; exec sleep 1000";
    let mut taker = stage.spawn(&["queue", "each", "q", "--", "sh", "-c", script, "x"]);
    assert_eq!(taker.line(), "got a");
    let mut next = stage.spawn(&["queue", "each", "q", "--", "echo", "then"]);
    stage.until_waiting("q", 1);
    taker.kill();
    assert_eq!(next.line(), "then a");
    assert_eq!(next.output().status.code(), Some(0));
    assert_eq!(stage.end(), 0);
}

#[test]
fn a_dead_member_breaks_the_barrier() {
    let stage = Stage::new();
    let other = stage.spawn(&["barrier", "wait", "start", "--parties", "3"]);
    let dies = stage.spawn(&["barrier", "wait", "start", "--parties", "3"]);
    stage.until_waiting("start", 2);
    dies.kill();
    let output = other.output();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("broken"));
    assert_eq!(stage.end(), 0);
}

#[test]
fn an_ended_connection_waits_no_more_but_its_process_keeps_what_it_has() {
    let stage = Stage::new();
    let mut client = stage.client();
    assert_eq!(client.ask(&json!({"op": "acquire", "names": ["db"]}))["ok"], true);
    client.begin(&json!({"op": "event_wait", "name": "never"}));
    stage.until_waiting("never", 1);
    drop(client);
    stage.until_waiting("never", 0);
    assert_eq!(stage.row("db")["holders"][0]["party"]["proc"]["pid"], std::process::id());
    // The same process over another connection gives it back.
    assert_eq!(stage.client().ask(&json!({"op": "release", "names": ["db"]}))["ok"], true);
    assert_eq!(stage.end(), 0);
}

#[test]
fn a_waiter_that_is_interrupted_withdraws() {
    let stage = Stage::new();
    let mut holder = stage.spawn(&["lock", "db", "--", "sh", "-c", "echo up; read x"]);
    assert_eq!(holder.line(), "up");
    let waiter = stage.spawn(&["lock", "db", "--", "true"]);
    stage.until_waiting("db", 1);
    waiter.signal(rustix::process::Signal::INT);
    stage.until_waiting("db", 0);
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(waiter.output().status.signal(), Some(libc::SIGINT));
    drop(holder.output());
    assert_eq!(stage.end(), 0);
}

#[test]
fn when_the_supervisor_is_killed_every_client_says_so() {
    let stage = Stage::new();
    let mut holder = stage.spawn(&["lock", "db", "--", "sh", "-c", "echo up; read x; exit 5"]);
    assert_eq!(holder.line(), "up");
    let waiting = [
        (stage.spawn(&["lock", "db", "--", "true"]), 125),
        (stage.spawn(&["queue", "get", "q"]), 3),
        (stage.spawn(&["event", "wait", "e"]), 3),
        (stage.spawn(&["queue", "each", "q", "--", "true"]), 125),
    ];
    stage.until_waiting("db", 1);
    stage.until_waiting("q", 2);
    stage.until_waiting("e", 1);
    stage.run.signal(libc::SIGKILL);
    for (client, code) in waiting {
        let output = client.output();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("the supervisor of the run died"), "{said}");
    }
    // Who is at work ends as it would have.
    assert_eq!(holder.output().status.code(), Some(5));
    stage.home.output(&["stop"]);
}
