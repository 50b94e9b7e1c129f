//! Limits and the use of resources.

use super::*;
#[test]
fn nice_and_limits_reach_the_job() {
    let mut rig = rig().with_outputs();
    let mut order =
        rig.worker("limit Max cpu time; limit Max file size; limit Max open files; flood 5000");
    order.limits = Limits {
        cpu_time: Some(Duration::from_millis(6500)),
        file_size_bytes: Some(4096),
        open_files: Some(33),
        ..Limits::default()
    };
    let end = rig.run(order);
    assert_eq!(end.exit, Exit::Signal(libc::SIGXFSZ));
    let text = rig.last_stdout();
    assert!(
        text.starts_with(
            "Max cpu time 7 8 seconds\nMax file size 4096 4096 bytes\nMax open files 33 33 files\n"
        ),
        "{text}"
    );
    assert_eq!((end.usage.stdout_bytes, end.usage.means), (Some(4096), None));

    let mut order = rig.order(&["nice"]);
    order.nice = Some(7);
    rig.run(order);
    assert_eq!(rig.last_stdout(), "7\n");

    let mut order = rig.worker("spin 60");
    order.limits.cpu_time = Some(Duration::from_millis(1));
    let end = rig.run(order);
    assert_eq!(end.exit, Exit::Signal(libc::SIGXCPU));
    assert!(end.usage.cpu_user + end.usage.cpu_system > Duration::from_millis(500));
}

#[test]
fn memory_over_the_limit_is_out_of_memory() {
    for without_cgroups in [false, true] {
        let options = LocalOptions { without_cgroups, ..LocalOptions::default() };
        let mut rig = rig_with(options, shared()).with_outputs();
        let mut order = rig.worker("fork {eat 100000000; hang}; wait; hang");
        order.limits.memory_bytes = Some(60_000_000);
        let (attempt, _) = rig.start(order);
        match rig.next() {
            ExecReport::OverLimit { reason: StopReason::MemoryLimit, .. } => {}
            other => panic!("{other:?}"),
        }
        let end = rig.kill(attempt);
        let means = end.usage.means.unwrap();
        if without_cgroups {
            assert_eq!(means, LimitMeans::Look);
        }
        let expected = if means == LimitMeans::Look { end.oom_killed } else { Some(true) };
        assert_eq!(end.oom_killed, expected);
        assert!(no_groups_left(), "control groups were left behind");
        // Below the limit nothing happens, and the counter says so.
        let mut order = rig.worker("eat 1000000");
        order.limits.memory_bytes = Some(200_000_000);
        let end = rig.run(order);
        assert_eq!(end.exit, Exit::Code(0));
        assert_eq!(end.oom_killed, (means != LimitMeans::Look).then_some(false));
    }
}

#[test]
fn processes_are_bounded_over_the_whole_tree() {
    let script = "fork {setsid; hang}; fork {setsid; hang}; fork {setsid; hang}; \
                  fork {setsid; hang}; hang";
    for without_cgroups in [false, true] {
        let options = LocalOptions { without_cgroups, ..LocalOptions::default() };
        let mut rig = rig_with(options, shared()).with_outputs();
        let mut order = rig.worker(script);
        order.limits.processes = Some(3);
        let (attempt, _) = rig.start(order);
        let end = match rig.next() {
            // By a look: the engine is told, and kills.
            ExecReport::OverLimit { reason: StopReason::ProcessLimit, .. } => {
                let end = rig.kill(attempt);
                assert_eq!(end.usage.means, Some(LimitMeans::Look));
                end
            }
            // By a control group: fork fails, and so does this worker.
            ExecReport::LeaderEnded { usage, exit, leftovers, oom_killed, .. } => {
                assert!(!without_cgroups && leftovers == 2);
                rig.backend.kill(attempt);
                let gone = Some(rig.tree_gone());
                End { exit: exit.unwrap(), usage, leftovers, oom_killed, gone }
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(end.gone.unwrap().1, 0);
        rig.assert_nothing_alive();
        assert!(no_groups_left(), "control groups were left behind");
    }
}

/// Whether no control group of an ended attempt of this process is there. Those of tests that
/// run meanwhile may be, so this waits.
fn no_groups_left() -> bool {
    let prefix = format!("ganger-{}-", std::process::id());
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let homes: HashSet<PathBuf> = own
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controller, path) = (fields.next()?, fields.next()?);
            Some(Path::new("/sys/fs/cgroup").join(controller).join(path.trim_start_matches('/')))
        })
        .collect();
    let has_any = |home: &PathBuf| {
        std::fs::read_dir(home).is_ok_and(|entries| {
            entries.flatten().any(|e| e.file_name().to_string_lossy().starts_with(&prefix))
        })
    };
    eventually("control groups removed", || (!homes.iter().any(has_any)).then_some(true))
}

#[test]
fn the_peak_of_memory_is_told_only_when_it_is_the_jobs_own() {
    let mut rig = rig().with_outputs();
    // This process, the parent, is made fat first.
    let mut fat = vec![0_u8; 150 << 20];
    fat.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&fat);
    let end = rig.run_worker("print small");
    assert_eq!(end.usage.max_rss_bytes, None);
    let end = rig.run_worker("eat 400000000");
    let peak = end.usage.max_rss_bytes.expect("a peak above the parent's");
    assert!((400_000_000..600_000_000).contains(&peak), "{peak}");
    drop(fat);
    let end = rig.run_worker("print small");
    assert_eq!(end.usage.max_rss_bytes, None, "the parent's peak stays");
}

#[test]
fn many_short_jobs_leave_nothing_behind() {
    let mut rig = rig().with_outputs();
    let n_fds = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (mut ended, mut before) = (0, 0);
    for _ in 0..300 {
        let order = rig.order(&["true"]);
        let end = rig.run(order);
        assert_eq!((end.exit, end.leftovers), (Exit::Code(0), 0));
        ended += 1;
        if ended == 1 {
            before = n_fds();
        }
    }
    // Other tests run meanwhile; three hundred leaked descriptors would show.
    assert!(n_fds() < before + 200);
    rig.backend.shutdown();
    assert_eq!(rig.output_names(), Vec::<String>::new());
}
