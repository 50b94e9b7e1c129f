//! The stories: each scene, and what is seen of who waits in it.

use super::{Stage, wait_of};
use ganger::clock;
use ganger::model::waits::{Holder, ThreadState, WaitKind, Waker};
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
    // The owner lives, but in the parent, which has a mutex of its own. Who forked while it had one
    // may give it back in the child: that is the waiter, which waits.
    let Some(mut stage) = Stage::play(&["forked_mutex"], &roles) else { return };
    let wait = stage.expect("waiter", "mutex: waiter, proven, abandoned");
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

#[test]
fn unix_sockets_are_followed_to_their_other_end() {
    let roles = ["near", "far"];
    let both = "far's process or near's process, proven";
    for how in ["stream", "datagram"] {
        let words = format!("unix_recv: {both}, by signal");
        check(&["socket", how], &roles, "near", &words);
    }
    check(&["socket", "full"], &roles, "near", &format!("unix_send: {both}"));
    let limited = "unix_recv: (the time limit of the socket) or far's process or near's process, proven, \
         by signal";
    check(&["socket", "limited"], &roles, "near", limited);
}

#[test]
fn tcp_is_followed_within_the_machine() {
    let words = "tcp: far's process or near's process, proven, by signal";
    check(&["tcp", "4"], &["near", "far"], "near", words);
    check(&["tcp", "6"], &["near", "far"], "near", words);
    check(&["tcp", "4", "listens"], &["waiter"], "waiter", "unknown: (a new connection)");
}

#[test]
fn whoever_polls_waits_for_any_of_its_files() {
    let roles = ["waiter", "writer", "peer", "parent"];
    let all = "poll: peer's process or waiter's process or writer's process, proven, by signal";
    for how in ["poll", "select", "epoll", "nested"] {
        check(&["poll", how], &roles, "waiter", all);
    }
    let timed = all.replace(", by", ", timed, by");
    check(&["poll", "timed"], &roles, "waiter", &timed);
    let closed = "poll: (a file that is not visible) or peer's process or waiter's process, \
        by signal";
    check(&["poll", "closed"], &roles, "waiter", closed);
}

#[test]
fn events_timers_and_signals_are_told_apart() {
    let roles = ["waiter", "writer", "peer", "parent"];
    for (how, words) in [
        ("event", "poll: waiter's process, by signal"),
        // Like the self-pipe of asyncio: Ctrl-C may wake it.
        ("event caught", "poll: (a signal (Ctrl-C)) or waiter's process, by signal"),
        ("timer", "poll: (a timer), by signal"),
        ("signals", "poll: (a signal), by signal"),
        ("pidfd", "poll: parent's process, proven, by signal"),
        ("nothing", "signal: (a signal)"),
    ] {
        check(&["poll", how], &roles, "waiter", words);
    }
}

#[test]
fn from_one_pipe_to_another_it_may_be_either() {
    let words = "pipe_read: reader's process or writer's process, proven, by signal";
    check(&["splice"], &["waiter", "writer", "reader"], "waiter", words);
}

#[test]
fn whoever_knows_a_semaphore_may_use_it() {
    let roles = ["other", "ready", "waiter", "parent"];
    let Some(mut stage) = Stage::play(&["sysv", "semaphore"], &roles) else { return };
    let all = "other's process or parent's process or waiter's process, by signal";
    let wait = stage.expect("waiter", &format!("sysv_sem: {all}"));
    assert_eq!(wait.resource.name.as_deref(), Some("semaphore 0"));
    check(&["sysv", "receive"], &roles, "waiter", &format!("message_queue: {all}"));
    let named = "message_queue: (anybody who knows its name)";
    check(&["sysv", "posix"], &roles, "waiter", named);
}

#[test]
fn time_signals_and_people_may_always_come() {
    for (how, words) in [
        ("sleep", "time: (time), timed"),
        ("pause", "signal: (a signal)"),
        ("sigwait", "signal: (a signal)"),
        ("terminal", "unknown: (whoever types at the terminal)"),
    ] {
        check(&["idle", how], &["waiter"], "waiter", words);
    }
}

#[test]
fn a_lock_with_a_time_limit_ends_by_itself() {
    // The C library uses another call for it, of which it is not said what it is for.
    let roles = ["holder", "waiter"];
    let words = "unknown: holder's process, timed, by signal";
    check(&["timed"], &roles, "waiter", words);
}

#[test]
fn threads_in_a_pid_namespace_are_known_by_their_own_numbers() {
    let Some(mut stage) = Stage::play(&["namespace"], &["inside"]) else { return };
    if stage.tid("inside") == 0 {
        println!("skipped: no pid namespace for this user");
        return;
    }
    let give_up = clock::mono() + Duration::from_secs(60);
    loop {
        let look = stage.look(Scope::All);
        let joins = look.waits.iter().find(|w| w.resource.kind == WaitKind::ThreadJoin);
        if let Some(wait) = joins {
            let [holder] = wait.holders.as_slice() else { panic!("{wait:?}") };
            assert_eq!(holder.proc, wait.waiter.proc);
            assert!(holder.tid.is_some_and(|tid| tid != wait.waiter.tid && tid > 100), "{wait:?}");
            return;
        }
        assert!(clock::mono() < give_up, "{:?}", look.waits);
    }
}

#[test]
fn musl_keeps_the_owners_of_some_mutexes() {
    let anybody = "mutex: holder's process, by signal";
    for (scene, roles, words) in [
        (["mutex", "normal"], ["holder", "waiter"], anybody),
        (["mutex", "recursive"], ["holder", "waiter"], "mutex: holder, proven"),
        (["mutex", "errorcheck"], ["holder", "waiter"], "mutex: holder, proven"),
        (["mutex", "robust"], ["holder", "waiter"], "mutex: holder, proven"),
        (["join", ""], ["other", "waiter"], "thread_join: other, proven"),
    ] {
        let Some(mut stage) = Stage::play_with("musl-gcc", &[], &scene, &roles) else { return };
        stage.expect("waiter", words);
    }
}

#[test]
fn programs_that_do_not_say_their_library_name_no_wrong_owner() {
    let roles = ["holder", "waiter"];
    let play = |compiler, scene: &[&str]| Stage::play_with(compiler, &["-static"], scene, &roles);
    let Some(mut stage) = play("cc", &["mutex", "normal"]) else { return };
    stage.expect("waiter", "mutex: holder, proven");
    for kind in ["normal", "recursive", "errorcheck"] {
        let Some(mut stage) = play("musl-gcc", &["mutex", kind]) else { return };
        stage.expect("waiter", "unknown: holder's process, by signal");
    }
}

#[test]
fn who_may_not_be_looked_at_is_said_so() {
    let roles = ["reader", "writer", "parent"];
    let Some(mut stage) = Stage::play(&["pipe", "empty", "hidden"], &roles) else { return };
    stage.settle("reader");
    let look = as_nobody(|| stage.look(Scope::All));
    assert!(look.waits.iter().all(|wait| {
        wait.needs
            .iter()
            .all(|need| need.wakers.iter().any(|waker| matches!(waker, Waker::Outside(_))))
    }));
    assert_eq!(look.waits.len(), 3, "{look:?}");
    assert_eq!(look.not_visible.len(), 3, "{look:?}");
    assert!(look.not_visible[0].why.starts_with("permission denied"), "{look:?}");
}

/// Does something on a thread with the rights of nobody, where it has the right to become that.
fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            const NOBODY: libc::c_long = 65_534;
            // SAFETY: the calls take numbers; without the C library they change this thread only.
            unsafe {
                if libc::geteuid() == 0 {
                    let changed = libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY);
                    assert_eq!(changed, 0);
                }
            }
            act()
        });
        thread.join().unwrap()
    })
}
