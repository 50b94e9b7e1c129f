//! What is easily got wrong, one by one.

use super::*;
use crate::model::limits::{ENDLESS_WAIT, OVERTAKEN};
use crate::model::{JobNo, locks::LockState};
use std::collections::BTreeSet;

/// A table, a clock, and a number for each request.
struct Scene {
    table: LockTable,
    now: Mono,
    id: u64,
}

impl Scene {
    fn new() -> Scene {
        Scene { table: LockTable::new(&SharedRules::default()), now: Mono(1), id: 0 }
    }

    fn change(&mut self, change: &LockChange) -> Vec<String> {
        let told = self.table.apply(self.now, change);
        check(&self.table).unwrap();
        let words = |told: Told| match told {
            Told::Answer { client, result, .. } => format!("{client} {}", oracle::words(&result)),
            Told::Notice(notice) => format!("{notice:?}").chars().take(9).collect(),
        };
        told.into_iter().map(words).collect()
    }

    fn ask_as(&mut self, party: Party, op: Op) -> Vec<String> {
        self.id += 1;
        let client = party.proc.map_or(0, |proc| proc.pid as u64);
        self.change(&LockChange::Asked { client, id: self.id, party, op })
    }

    fn ask(&mut self, pid: i32, op: &str) -> Vec<String> {
        self.ask_as(party(pid), serde_json::from_str(op).unwrap())
    }

    fn acquire(&mut self, pid: i32, names: &[&str]) -> Vec<String> {
        let names = names.iter().map(|n| (*n).into()).collect();
        let op = Op::Acquire { names, kind: LockKind::Lock, shared: false, timeout_ms: None };
        self.ask_as(party(pid), op)
    }

    fn release(&mut self, pid: i32, name: &str) -> Vec<String> {
        let names = vec![name.into()];
        self.ask_as(party(pid), Op::Release { names, anyone: false })
    }
}

#[test]
fn one_who_waits_for_several_is_overtaken_only_so_often() {
    let mut scene = Scene::new();
    scene.acquire(1, &["a"]);
    assert!(scene.acquire(2, &["a", "b"]).is_empty());
    // Others come and go with `b` while the first keeps `a`.
    for _ in 0..OVERTAKEN {
        assert_eq!(scene.acquire(3, &["b"]), [r#"3 {"owner_died":[]}"#]);
        scene.release(3, "b");
    }
    assert!(scene.acquire(3, &["b"]).is_empty(), "what is free is kept for the one who waits");
    assert_eq!(scene.release(1, "a").len(), 2);
}

#[test]
fn what_is_kept_for_one_is_given_to_others_after_a_while() {
    let mut scene = Scene::new();
    scene.acquire(1, &["a"]);
    scene.acquire(2, &["a", "b"]);
    for _ in 0..OVERTAKEN {
        scene.acquire(3, &["b"]);
        scene.release(3, "b");
    }
    assert!(scene.acquire(3, &["b"]).is_empty());
    scene.now = scene.table.deadline().unwrap();
    assert_eq!(scene.change(&LockChange::TimePassed), [r#"3 {"owner_died":[]}"#]);
    // What is left is only that it waits long.
    assert_eq!(scene.table.deadline(), Some(Mono(1) + ENDLESS_WAIT));
}

#[test]
fn a_sleeper_that_dies_after_it_was_woken_wakes_the_next() {
    let mut scene = Scene::new();
    for pid in [1, 2] {
        scene.acquire(pid, &["m"]);
        scene.ask(pid, r#"{"op":"condition_wait","name":"c","lock":"m"}"#);
    }
    scene.acquire(3, &["m"]);
    let woken = scene.ask(3, r#"{"op":"condition_notify","name":"c","n":1}"#);
    assert_eq!(woken, [r#"3 {"woken":1}"#]);
    scene.change(&LockChange::Died { proc: proc(1) });
    assert_eq!(scene.release(3, "m"), ["2 {}", "3 {}"]);
}

#[test]
fn a_sleeper_whose_time_is_up_has_its_lock_before_it_is_told() {
    let mut scene = Scene::new();
    scene.acquire(1, &["m"]);
    scene.ask(1, r#"{"op":"condition_wait","name":"c","lock":"m","timeout_ms":5}"#);
    scene.acquire(2, &["m"]);
    scene.now = scene.table.deadline().unwrap();
    assert!(scene.change(&LockChange::TimePassed).is_empty());
    assert_eq!(scene.release(2, "m"), ["1 Timeout/0", "2 {}"]);
    assert_eq!(scene.release(1, "m"), ["1 {}"]);
}

#[test]
fn an_item_of_a_job_that_failed_comes_back_first_and_one_of_a_good_job_is_done() {
    let mut scene = Scene::new();
    let attempt = |n| AttemptId { job: JobNo(1), n };
    let worker = |n| Party { attempt: Some(attempt(n)), ..party(7 + n as i32) };
    scene.ask(1, r#"{"op":"queue_put","name":"q","items":["x","y"]}"#);
    let get: Op = serde_json::from_str(r#"{"op":"queue_get","name":"q","keep":true}"#).unwrap();
    scene.ask_as(worker(1), get.clone());
    // The process that got it is gone, as `ganger queue get` is at once: its job keeps the item.
    scene.change(&LockChange::Died { proc: proc(8) });
    scene.ask(1, r#"{"op":"queue_close","name":"q"}"#);
    scene.table.attempt_ended(scene.now, attempt(1), false);
    assert_eq!(scene.ask_as(worker(2), get.clone()), [r#"9 {"items":["x"],"tickets":[1]}"#]);
    scene.ask_as(worker(2), get.clone());
    assert!(scene.ask_as(party(3), get).is_empty(), "they may come back");
    let told = scene.table.attempt_ended(scene.now, attempt(2), true);
    assert_eq!(told.len(), 1, "nothing can come any more");
    assert_eq!(scene.table.bytes, 0);
}

#[test]
fn loops_around_get_end_when_a_queue_is_closed_although_each_keeps_what_it_got() {
    let mut scene = Scene::new();
    let attempt = |n| AttemptId { job: JobNo(n), n: 1 };
    let worker = |n| Party { attempt: Some(attempt(n)), ..party(7 + n as i32) };
    scene.ask(1, r#"{"op":"queue_put","name":"q","items":["x","y"]}"#);
    let get: Op = serde_json::from_str(r#"{"op":"queue_get","name":"q","keep":true}"#).unwrap();
    scene.ask_as(worker(1), get.clone());
    scene.ask_as(worker(2), get.clone());
    scene.ask(1, r#"{"op":"queue_close","name":"q"}"#);
    assert!(scene.ask_as(worker(1), get.clone()).is_empty(), "the other's may come back");
    assert!(scene.ask_as(worker(4), get.clone()).is_empty(), "it keeps nothing");
    assert_eq!(scene.ask_as(worker(2), get.clone()).len(), 2, "both wait for each other");
    // What a failed one kept is there for whoever comes then.
    let told = scene.table.attempt_ended(scene.now, attempt(2), false);
    assert_eq!(told.len(), 1, "to the one that waited");
}

#[test]
fn a_bounded_semaphore_never_has_more_than_its_permits() {
    let mut scene = Scene::new();
    let take = r#"{"op":"semaphore_acquire","name":"s","max":2,"bounded":true,"tied":true}"#;
    scene.ask(1, take);
    scene.ask(2, take);
    assert!(scene.ask(3, take).is_empty());
    scene.change(&LockChange::Died { proc: proc(1) });
    let give = r#"{"op":"semaphore_release","name":"s"}"#;
    assert_eq!(scene.ask(2, give), ["2 {}"]);
    assert_eq!(scene.ask(2, give), ["2 Invalid/0"]);
    scene.ask(2, r#"{"op":"semaphore_resize","name":"s","max":1}"#);
    let view = &scene.table.list(&["s".into()])[0];
    assert_eq!(view.state, LockState::BoundedSemaphore { value: 0, max: 1 });
}

#[test]
fn numbers_of_values_do_not_wrap_and_kinds_are_not_mixed() {
    let mut scene = Scene::new();
    let max = i64::MAX;
    scene.ask(1, &format!(r#"{{"op":"value_set","name":"n","value":{max}}}"#));
    assert_eq!(scene.ask(1, r#"{"op":"value_add","name":"n","n":1}"#), ["1 Invalid/0"]);
    assert_eq!(scene.acquire(1, &["n"]), ["1 WrongKind/0"]);
    assert_eq!(scene.acquire(1, &["no spaces"]), ["1 Invalid/0"]);
    let cas = r#"{"op":"value_cas","name":"t","new":"a"}"#;
    assert_eq!(scene.ask(1, cas), [r#"1 {"value":"a"}"#]);
    assert_eq!(scene.ask(1, cas), ["1 Changed/0"]);
    assert_eq!(scene.ask(1, r#"{"op":"kv_add","name":"t","key":"k","n":1}"#), ["1 WrongKind/0"]);
}

#[test]
fn a_wait_with_a_time_of_its_own_is_no_part_of_a_deadlock() {
    let mut scene = Scene::new();
    scene.acquire(1, &["a"]);
    scene.acquire(2, &["b"]);
    scene.ask(1, r#"{"op":"acquire","names":["b"],"timeout_ms":60000}"#);
    scene.acquire(2, &["a"]);
    assert!(scene.table.circles(&BTreeSet::new()).is_empty());
}

#[test]
fn circles_are_told_apart_from_those_behind_and_permits_need_all_holders() {
    let mut scene = Scene::new();
    let take = r#"{"op":"semaphore_acquire","name":"s","max":2,"bounded":true,"tied":true}"#;
    scene.ask(1, take);
    scene.ask(2, take);
    scene.acquire(3, &["a"]);
    scene.acquire(1, &["a"]);
    scene.ask(3, take);
    assert!(scene.table.circles(&BTreeSet::new()).is_empty(), "2 may give its permit back");
    scene.acquire(2, &["a"]);
    scene.acquire(4, &["a"]);
    let circles = scene.table.circles(&BTreeSet::new());
    assert_eq!(circles.len(), 1);
    assert_eq!((circles[0].members.len(), circles[0].behind), (3, 1), "{circles:?}");
}

#[test]
fn two_circles_are_two() {
    let mut scene = Scene::new();
    for (one, other, a, b) in [(1, 2, "a", "b"), (3, 4, "c", "d")] {
        scene.acquire(one, &[a]);
        scene.acquire(other, &[b]);
        scene.acquire(one, &[b]);
        scene.acquire(other, &[a]);
    }
    let circles = scene.table.circles(&BTreeSet::new());
    let members: Vec<usize> = circles.iter().map(|circle| circle.members.len()).collect();
    assert_eq!(members, [2, 2]);
    assert_eq!(circles[0].closed_by, 1);
}

#[test]
fn a_command_waits_for_the_other_processes_of_its_job() {
    let attempt = |job| Some(AttemptId { job: JobNo(job), n: 1 });
    let command = |pid, job| Party { command: true, attempt: attempt(job), ..party(pid) };
    let lock = |name: &str| -> Op {
        serde_json::from_str(&format!(r#"{{"op":"acquire","names":["{name}"]}}"#)).unwrap()
    };
    let mut scene = Scene::new();
    scene.ask_as(command(10, 1), lock("a"));
    scene.ask_as(command(20, 2), lock("b"));
    scene.ask_as(command(11, 1), lock("b"));
    scene.table.take_begun();
    scene.ask_as(command(21, 2), lock("a"));
    let begun = scene.table.take_begun();
    assert!(begun.iter().any(|no| scene.table.may_close_circle(*no)));
    let circles = scene.table.circles(&BTreeSet::new());
    assert_eq!(circles.len(), 1);
    let name = |party: &Party| format!("job{}", party.job().unwrap());
    assert_eq!(
        sentence(&circles[0].members, name),
        "job:1 holds a and wants b, held by job:2, which wants a"
    );
}

#[test]
fn a_member_of_a_circle_may_close_another_one() {
    let attempt = |job| Some(AttemptId { job: JobNo(job), n: 1 });
    let command = |pid, job| Party { command: true, attempt: attempt(job), ..party(pid) };
    let lock = |name: &str| -> Op {
        serde_json::from_str(&format!(r#"{{"op":"acquire","names":["{name}"]}}"#)).unwrap()
    };
    let mut scene = Scene::new();
    for (pid, job, name) in [(10, 1, "a"), (20, 2, "b"), (30, 3, "c")] {
        scene.ask_as(command(pid, job), lock(name));
    }
    scene.ask_as(command(11, 1), lock("b"));
    scene.ask_as(command(21, 2), lock("a"));
    let first = scene.table.circles(&BTreeSet::new());
    assert_eq!(first.len(), 1);
    let known = first[0].waits.clone();
    assert!(scene.table.circles(&known).is_empty(), "it is told once");
    scene.ask_as(command(31, 3), lock("a"));
    scene.ask_as(command(12, 1), lock("c"));
    let second = scene.table.circles(&known);
    assert_eq!(second.len(), 1);
    let name = |party: &Party| format!("job{}", party.job().unwrap());
    let said = sentence(&second[0].members, name);
    assert_eq!(said, "job:1 holds a and wants c, held by job:3, which wants a");
}
