//! The stories: each scene, and what is seen of who waits in it.

use super::{Stage, wait_of};
use ganger::clock;
use ganger::model::waits::{Holder, ThreadState};
use ganger::probe::waits::Scope;
use std::time::Duration;

/// Plays a scene, and checks what one role says.
fn check(scene: &[&str], roles: &[&str], role: &str, words: &str) {
    if let Some(mut stage) = Stage::play(scene, roles) {
        stage.expect(role, words);
    }
}

#[test]
fn every_kind_of_mutex_names_its_owner() {
    for kind in ["normal", "recursive", "errorcheck", "adaptive", "shared", "robust", "pi"] {
        let Some(mut stage) = Stage::play(&["mutex", kind], &["holder", "waiter"]) else { return };
        let wait = stage.expect("waiter", "mutex: holder, proven");
        let (pid, tid) = (stage.pid("holder"), stage.tid("holder"));
        let named = |h: &Holder| h.proven && h.proc.pid == pid && h.tid == Some(tid);
        assert!(matches!(wait.holders.as_slice(), [holder] if named(holder)), "{kind} {wait:?}");
        assert!(wait.resource.id.starts_with(&format!("{pid}:0x")), "{kind} {wait:?}");
    }
}

#[test]
fn who_takes_a_mutex_twice_waits_for_itself() {
    check(&["twice"], &["waiter"], "waiter", "mutex: waiter, proven");
}

#[test]
fn a_shared_mutex_is_followed_into_another_process() {
    let roles = ["holder", "waiter"];
    check(&["shared_mutex", "stays"], &roles, "waiter", "mutex: holder, proven");
    check(&["shared_mutex", "robust"], &roles, "waiter", "mutex: holder, proven");
}

#[test]
fn a_mutex_whose_owner_is_gone_is_abandoned() {
    let roles = ["holder", "waiter"];
    let Some(mut stage) = Stage::play(&["shared_mutex", "ends"], &roles) else { return };
    let wait = stage.expect("waiter", "mutex: nobody, proven, abandoned");
    assert_eq!(wait.last_owner.map(|o| o.pid), Some(stage.pid("holder")));
    // The owner lives, but in the parent, which has a mutex of its own.
    let Some(mut stage) = Stage::play(&["forked_mutex"], &roles) else { return };
    let wait = stage.expect("waiter", "mutex: nobody, proven, abandoned");
    let owner = (stage.pid("holder"), stage.tid("holder"));
    assert_eq!(wait.last_owner.map(|o| (o.pid, o.tid)), Some(owner));
}

#[test]
fn a_join_names_the_thread() {
    check(&["join"], &["other", "waiter"], "waiter", "thread_join: other, proven");
}

#[test]
fn a_read_write_lock_names_its_writer_only() {
    let roles = ["holder", "waiter"];
    let owned = "rwlock: holder, proven";
    check(&["rwlock", "ww"], &roles, "waiter", owned);
    check(&["rwlock", "wr"], &roles, "waiter", owned);
    check(&["rwlock", "rw"], &roles, "waiter", "rwlock: holder's process, by signal");
}

#[test]
fn what_has_no_owner_may_be_released_by_anybody_who_has_it() {
    for kind in ["condvar", "semaphore", "barrier"] {
        let words = format!("{kind}: waiter's process, by signal");
        check(&["ownerless", kind], &["waiter"], "waiter", &words);
    }
    let roles = ["waiter", "user", "stranger"];
    let Some(mut stage) = Stage::play(&["shared_semaphore"], &roles) else { return };
    let words = "semaphore: ??'s process or user's process or waiter's process, by signal";
    stage.expect("waiter", words);
}

#[test]
fn pipes_are_followed_to_their_other_end() {
    let roles = ["reader", "writer", "parent"];
    let words = "pipe_read: writer's process, proven, by signal";
    check(&["pipe", "empty"], &roles, "reader", words);
    check(&["pipe", "full"], &roles, "writer", "pipe_write: reader's process, proven");
}

#[test]
fn every_lock_on_a_file_that_is_in_the_way_has_to_go() {
    // The locks of open files are not told apart by the kernel where they are equal.
    let either = "heir1's process or heir2's process or holder's process";
    let equal = format!("file_lock: {either} and {either}, proven");
    let inherited = "file_lock: heir1's process or heir2's process and holder's process, proven";
    let roles = ["heir1", "heir2", "holder", "waiter"];
    check(&["lock", "flock", "@"], &roles, "waiter", inherited);
    check(&["lock", "ofd", "@"], &roles, "waiter", &equal);
    let own = "file_lock: heir1's process and holder's process, proven";
    check(&["lock", "posix", "@"], &["heir1", "holder", "waiter"], "waiter", own);
}

#[test]
fn whoever_waits_for_children_waits_for_those_it_asked_for() {
    let roles = ["first", "second", "waiter"];
    let any = "wait_child: first's process or second's process, proven";
    check(&["children", "any"], &roles, "waiter", any);
    for how in ["pid", "waitid", "pidfd"] {
        check(&["children", how], &roles, "waiter", "wait_child: first's process, proven");
    }
}

#[test]
fn who_waits_for_a_vfork_is_blocked_by_its_child() {
    let Some(mut stage) = Stage::play(&["vfork"], &["waiter", "child"]) else { return };
    stage.expect("waiter", "wait_child: child's process, proven");
    let look = stage.look(Scope::All);
    let fact = look.processes.iter().find(|p| p.proc.pid == stage.pid("waiter")).unwrap();
    assert_eq!(fact.threads[0].state, ThreadState::Blocked);
}

#[test]
fn a_leader_that_has_ended_hides_nothing() {
    let Some(mut stage) = Stage::play(&["dead_leader"], &["waiter", "leader"]) else { return };
    stage.expect("waiter", "pipe_read: leader's process, proven, by signal");
    let look = stage.look(Scope::All);
    let states: Vec<ThreadState> = look.processes[0].threads.iter().map(|t| t.state).collect();
    assert_eq!(states, [ThreadState::Dead, ThreadState::Blocked]);
}

#[test]
fn a_stopped_thread_is_told_as_such() {
    let Some(mut stage) = Stage::play(&["stopped"], &["stopped", "waiter"]) else { return };
    stage.expect("waiter", "wait_child: stopped's process, proven");
    let pid = stage.pid("stopped");
    let give_up = clock::mono() + Duration::from_secs(60);
    loop {
        let look = stage.look(Scope::All);
        let fact = look.processes.iter().find(|p| p.proc.pid == pid).unwrap();
        if fact.threads[0].state == ThreadState::Stopped {
            assert!(wait_of(&look, pid).is_none());
            return;
        }
        assert!(clock::mono() < give_up, "it was never seen stopped");
    }
}

#[test]
fn a_fifo_may_be_opened_by_anybody() {
    let Some(mut stage) = Stage::play(&["fifo", "", "@"], &["waiter", "opener"]) else { return };
    stage.expect("waiter", "fifo: (whoever opens the FIFO)");
}

#[test]
fn suspects_have_stood_still_for_two_ticks_and_half_a_second() {
    let Some(mut stage) = Stage::play(&["pipe", "empty"], &["reader", "writer", "parent"]) else {
        return;
    };
    stage.expect("reader", "pipe_read: writer's process, proven, by signal");
    let now = clock::mono();
    let later = |ms: u64| now + Duration::from_millis(ms);
    assert_eq!(stage.tracker.tick(later(0)).suspects, 0);
    stage.tracker.tick(later(300));
    let tick = stage.tracker.tick(later(600));
    // The others wait for signals, which come from outside.
    assert_eq!((tick.processes, tick.threads, tick.suspects), (3, 3, 1));
    let look = stage.tracker.look(later(700), Scope::Suspects);
    let tids: Vec<i32> = look.waits.iter().map(|w| w.waiter.tid).collect();
    let (reader, writer) = (stage.tid("reader"), stage.tid("writer"));
    assert!(tids.contains(&reader) && tids.contains(&writer) && tids.len() == 2, "{tids:?}");
    assert_eq!(look.processes.len(), 3);
}
