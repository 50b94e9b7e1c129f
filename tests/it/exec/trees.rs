//! Ending whole trees, and what is left of them.

use super::*;

#[test]
fn a_kill_ends_a_grandchild_in_a_session_of_its_own_that_ignores_term() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker(
        "ignore TERM; fork {setsid; ignore TERM; fork {setsid; pid; print low; hang}; hang}; hang",
    );
    let text = rig.wait_for_line(attempt, "low");
    rig.backend.signal(attempt, libc::SIGTERM);
    let end = rig.kill(attempt);
    assert_eq!(end.exit, Exit::Signal(libc::SIGKILL));
    assert_eq!(end.gone, Some((2, 0)));
    assert!(!is_alive(pids_in(&text)[0]));
    rig.assert_nothing_alive();
}

#[test]
fn a_signal_reaches_the_whole_tree() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker("fork {setsid; print low; hang}; wait");
    rig.wait_for_line(attempt, "low");
    rig.backend.signal(attempt, libc::SIGTERM);
    assert_eq!(rig.end().exit, Exit::Signal(libc::SIGTERM));
    eventually("an empty tree", || marked(&rig.mark).is_empty().then_some(()));
}

#[test]
fn a_daemon_left_behind_is_counted_and_ended() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker("daemon {ignore TERM; ignore HUP; hang}; exit 0");
    match rig.next() {
        ExecReport::LeaderEnded { exit: Some(Exit::Code(0)), leftovers: 1, .. } => {}
        other => panic!("{other:?}"),
    }
    rig.backend.signal(attempt, libc::SIGTERM);
    rig.backend.kill(attempt);
    assert_eq!(rig.tree_gone(), (1, 0));
    rig.assert_nothing_alive();
}

#[test]
fn leftovers_that_go_by_themselves_are_noticed() {
    let mut rig = rig().with_outputs();
    let go = rig.path("go");
    rig.start_worker(&format!(
        "fork {{until {}}}; daemon {{until {}}}",
        go.display(),
        go.display()
    ));
    match rig.next() {
        ExecReport::LeaderEnded { leftovers: 2, .. } => {}
        other => panic!("{other:?}"),
    }
    std::fs::write(go, "").unwrap();
    assert_eq!(rig.tree_gone(), (0, 0));
}

#[test]
fn kept_leftovers_stay_alive_and_keep_their_output() {
    let mut rig = rig().with_outputs();
    let go = rig.path("go");
    let mut order = rig.worker(&format!("daemon {{until {}; print late}}", go.display()));
    order.keep_leftovers = true;
    let attempt = order.attempt;
    let end = rig.run(order);
    assert_eq!((end.exit, end.leftovers), (Exit::Code(0), 0));
    // The next attempt of the slot must not get the file that the daemon still has.
    assert_eq!(rig.run_worker("print other").exit, Exit::Code(0));
    assert_eq!(rig.last_stdout(), "other\n");
    assert_eq!(marked(&rig.mark).len(), 1);
    rig.backend.shutdown();
    assert_eq!(marked(&rig.mark).len(), 1);
    std::fs::write(go, "").unwrap();
    rig.wait_for_line(attempt, "late");
}

#[test]
fn a_daemon_without_marks_and_in_its_own_session_is_found() {
    let mut rig = rig_with(LocalOptions::default(), alone()).with_outputs();
    let ready = rig.path("ready");
    // It says through a file that it has cleared its environment, and only then is left.
    let script = format!(
        "daemon {{bare {{pid; daemon {{pid; fork {{until {0}.x}}; hang}}; hang}}}}; until {0}",
        ready.display()
    );
    let (attempt, _) = rig.start_worker(&script);
    let pids = eventually("two pids", || {
        let pids = pids_in(&rig.stdout(attempt));
        (pids.len() == 2).then_some(pids)
    });
    std::fs::write(&ready, "").unwrap();
    match rig.next() {
        ExecReport::LeaderEnded { leftovers: 3, .. } => {}
        other => panic!("{other:?}"),
    }
    rig.backend.kill(attempt);
    assert_eq!(rig.tree_gone(), (3, 0));
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
}

#[test]
fn a_fork_bomb_of_sessions_is_killed() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker("print ready; bomb 6");
    rig.wait_for_line(attempt, "ready");
    let end = rig.kill(attempt);
    assert_eq!(end.exit, Exit::Signal(libc::SIGKILL));
    assert_eq!(end.gone.unwrap().1, 0);
    rig.assert_nothing_alive();
}

#[test]
fn a_frozen_tree_stands_still_and_can_be_killed_or_asked_to_end() {
    let mut rig = rig().with_outputs();
    for ask in [false, true] {
        let (attempt, proc) = rig.start_worker("fork {setsid; pid; print low; hang}; hang");
        let low = pids_in(&rig.wait_for_line(attempt, "low"))[0];
        rig.backend.freeze(attempt);
        eventually("a stopped tree", || {
            (state(proc.pid) == Some('T') && state(low) == Some('T')).then_some(())
        });
        rig.backend.thaw(attempt);
        eventually("a tree that goes on", || {
            (state(proc.pid) == Some('S') && state(low) == Some('S')).then_some(())
        });
        rig.backend.freeze(attempt);
        if ask {
            rig.backend.signal(attempt, libc::SIGTERM);
            assert_eq!(rig.end().exit, Exit::Signal(libc::SIGTERM));
        } else {
            assert_eq!(rig.kill(attempt).gone, Some((1, 0)));
        }
        eventually("an empty tree", || marked(&rig.mark).is_empty().then_some(()));
    }
}

#[test]
fn many_kills_at_once_end_every_tree() {
    let mut rig = rig().with_outputs();
    let mut attempts = Vec::new();
    for slot in 0..12 {
        let mut order =
            rig.worker("fork {setsid; ignore TERM; print low; hang}; ignore TERM; hang");
        order.slot_key = slot;
        attempts.push(rig.start(order).0);
    }
    for attempt in &attempts {
        rig.wait_for_line(*attempt, "low");
    }
    attempts.iter().for_each(|attempt| rig.backend.kill(*attempt));
    let mut swept = 0;
    for _ in 0..2 * attempts.len() {
        match rig.next() {
            ExecReport::LeaderEnded { exit: Some(Exit::Signal(libc::SIGKILL)), .. } => {}
            ExecReport::TreeGone { swept: n, unkillable: 0, .. } => swept += n,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(swept, 12);
    rig.assert_nothing_alive();
}

#[test]
fn a_dead_run_is_swept_by_its_mark() {
    let _guard = shared();
    let mark = format!("dead{}", std::process::id());
    let mut children = Vec::new();
    for run in [mark.clone(), format!("{mark}/inner"), format!("{mark}x")] {
        let mut command = Command::new(fake_worker());
        command.args(["daemon {ignore TERM; fork {hang}; hang}; hang"]).env("GANGER_RUN", run);
        children.push(command.spawn().unwrap());
    }
    let all = [mark.clone(), format!("{mark}/inner"), format!("{mark}x")];
    eventually("all processes", || all.iter().all(|m| marked(m).len() == 3).then_some(()));
    assert_eq!(sweep_run(&mark), 6);
    assert_eq!((marked(&all[0]).len(), marked(&all[1]).len()), (0, 0));
    assert_eq!(marked(&all[2]).len(), 3, "another run was ended");
    assert_eq!(sweep_run(&all[2]), 3);
    assert_eq!(sweep_run(&mark), 0);
    children.iter_mut().for_each(|child| drop(child.wait()));
}

#[test]
fn zombies_of_a_running_job_do_not_pile_up() {
    let mut rig = rig().with_outputs();
    let (attempt, _) = rig.start_worker("orphans 40; print ready; hang");
    rig.wait_for_line(attempt, "ready");
    let me = std::process::id().to_string();
    let zombies = || {
        let is_mine = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<&str> =
                stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
            fields.first() == Some(&"Z") && fields.get(1) == Some(&me.as_str())
        };
        all_pids().into_iter().filter(is_mine).count()
    };
    // Other tests' leaders may be zombies for a moment; forty would be ours.
    eventually("zombies reaped", || (zombies() < 20).then_some(()));
    rig.kill(attempt);
}

#[test]
fn an_orphan_that_may_be_of_two_attempts_ends_with_the_run_at_the_latest() {
    let mut rig = rig_with(LocalOptions::default(), alone()).with_outputs();
    let other = rig.worker("hang");
    let mut order = rig.worker("bare {daemon {pid; bare {print ready; hang}}; hang}");
    // Not even its output tells whose it is.
    order.stdout = Stdout::File("log".into());
    order.slot_key = 2;
    let (other, _) = rig.start(other);
    let (attempt, _) = rig.start(order);
    let text = rig.wait_for_line(attempt, "ready");
    let end = rig.kill(attempt);
    assert_eq!(end.exit, Exit::Signal(libc::SIGKILL));
    let end = rig.kill(other);
    assert_eq!(end.exit, Exit::Signal(libc::SIGKILL));
    rig.backend.shutdown();
    let pid = pids_in(&text)[0];
    eventually("an end of the orphan", || (!is_alive(pid)).then_some(()));
}
