//! What a job finds when it starts, and where its output goes.

use super::*;

#[test]
fn a_job_starts_clean() {
    let mut rig = rig().with_outputs();
    let _open = std::fs::File::open("/dev/null").unwrap();
    let script =
        "fds; status SigBlk; status SigIgn; status SigCgt; tty; cwd; env GANGER_JOB; env HOME";
    for with_shim in [false, true] {
        let mut order = rig.worker(script);
        order.nice = with_shim.then_some(0);
        assert_eq!(rig.run(order).exit, Exit::Code(0));
        let text = rig.last_stdout();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "fds 0 1 2");
        assert_eq!(lines[1], "SigBlk: 0000000000000000");
        // std of the helper itself ignores SIGPIPE (13) at its start, and handles two.
        assert_eq!(lines[2], "SigIgn: 0000000000001000");
        assert!(lines[4].starts_with("leads_session=true terminal=false tty=[0, 0, 0]"));
        assert_eq!(lines[5], rig.dir.path().to_str().unwrap());
        assert_eq!(lines[6], format!("GANGER_JOB={}", rig.last_job));
        assert_eq!(lines[7], "HOME=");
        // A program that does nothing about signals shows SIGPIPE at its default too.
        let mut order = rig.order(&["cat", "/proc/self/status"]);
        order.nice = with_shim.then_some(0);
        rig.run(order);
        let text = rig.last_stdout();
        let signals: Vec<&str> = text.lines().filter(|line| line.starts_with("Sig")).collect();
        for name in ["SigBlk", "SigIgn", "SigCgt"] {
            assert!(
                signals.contains(&format!("{name}:\t0000000000000000").as_str()),
                "{signals:?}"
            );
        }
    }
}

#[test]
fn standard_input_is_empty_a_text_or_a_file() {
    let mut rig = rig().with_outputs();
    let long = "0123456789".repeat(100_000);
    std::fs::write(rig.path("in"), "from a file\n").unwrap();
    for (stdin, expected) in [
        (Stdin::Null, ""),
        (Stdin::Text(long.clone().into_bytes()), long.as_str()),
        (Stdin::File("in".into()), "from a file\n"),
    ] {
        let mut order = rig.worker("cat");
        order.stdin = stdin;
        assert_eq!(rig.run(order).exit, Exit::Code(0));
        assert!(rig.last_stdout() == expected);
    }
    // Nobody reads the text: nothing may hang.
    let mut order = rig.order(&["true"]);
    order.stdin = Stdin::Text(long.into_bytes());
    assert_eq!(rig.run(order).exit, Exit::Code(0));

    let mut order = rig.order(&["true"]);
    order.stdin = Stdin::File("missing".into());
    let error = rig.spawn_error(order);
    assert!(error.starts_with("cannot open standard input `"), "{error}");
    assert!(error.ends_with("missing`: it does not exist"), "{error}");
}

#[test]
fn a_job_with_tty_has_a_terminal_of_its_own() {
    let mut rig = rig().with_outputs();
    let mut order = rig.worker("tty; eprint err; flood 100000; print; raise TERM");
    order.tty = Some(TtySize { cols: 91, rows: 17 });
    let end = rig.run(order);
    assert_eq!(end.exit, Exit::Signal(libc::SIGTERM));
    let text = rig.last_stdout();
    assert!(
        text.starts_with("leads_session=true terminal=true tty=[1, 1, 1] size=91x17\r\nerr\r\n"),
        "{}",
        &text[..100]
    );
    assert_eq!(text.matches('x').count(), 100_000 + 1, "one in the size, the rest flooded");
    assert_eq!(end.usage.stdout_bytes, Some(text.len() as u64));
    assert_eq!((end.usage.stderr_bytes, rig.last_stderr()), (Some(0), String::new()));
    // One that leaves its terminal to a child, and one that is killed.
    let mut order = rig.worker("fork {ignore HUP; print low; hang}; hang");
    order.tty = Some(TtySize { cols: 80, rows: 24 });
    let (attempt, _) = rig.start(order);
    rig.wait_for_line(attempt, "low");
    assert_eq!(rig.kill(attempt).gone, Some((1, 0)));
}

#[test]
fn silent_jobs_create_no_files_and_loud_ones_have_their_own() {
    let mut rig = rig().with_outputs();
    for _ in 0..3 {
        let order = rig.order(&["true"]);
        rig.run(order);
    }
    assert_eq!(rig.output_names(), ["slot-1.err", "slot-1.out"]);
    rig.run_worker("print a; reopen b; print c");
    rig.run_worker("eprint e");
    let (attempt, _) = rig.start_worker("print running; hang");
    rig.wait_for_line(attempt, "running");
    assert_eq!(
        rig.output_names(),
        ["4-1.out", "5-1.err", "slot-1.err", "slot-1.out"],
        "an ended attempt owns its file, a running one that of its slot"
    );
    let progress = rig.outputs.progress(attempt).unwrap();
    assert_eq!((progress.stdout_bytes, progress.stderr_bytes), (Some(8), Some(0)));
    assert!(progress.last_write.is_some());
    let files = rig.outputs.files(attempt);
    assert!(files.stdout.unwrap().lossy().ends_with("/output/slot-1.out"));
    rig.kill(attempt);
    // What was written before the job reopened its output is lost, by the job's own doing;
    // what comes behind it neither overwrites nor leaves a hole.
    let text =
        std::fs::read(path_of(rig.dir.path(), AttemptId { job: JobNo(4), n: 1 }, Stream::Stdout));
    assert_eq!(text.unwrap(), b"b\nc\n");
    assert_eq!(rig.stdout(attempt), "running\n");
    assert_eq!(rig.outputs.progress(attempt), None);
    rig.backend.shutdown();
    assert_eq!(rig.output_names(), ["4-1.out", "5-1.err", "6-1.out"]);
}

#[test]
fn files_that_the_task_names_are_truncated_and_may_be_the_same() {
    let mut rig = rig().with_outputs();
    std::fs::write(rig.path("log"), "what was there before, and long").unwrap();
    let mut order = rig.worker("print one; eprint two; print three");
    order.stdout = Stdout::File("log".into());
    order.stderr = Stdout::File("./log".into());
    let attempt = order.attempt;
    let end = rig.run(order);
    assert_eq!(std::fs::read_to_string(rig.path("log")).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(end.usage.stdout_bytes, Some(14));
    assert_eq!(rig.stdout(attempt), "one\ntwo\nthree\n", "readers find it too");

    let mut order = rig.worker("print gone");
    order.stdout = Stdout::File("/dev/null".into());
    assert_eq!(rig.run(order).usage.stdout_bytes, None);

    let mut order = rig.worker("print x");
    order.stdout = Stdout::File("no/such/folder/log".into());
    let error = rig.spawn_error(order);
    assert!(error.starts_with("cannot open output file `"), "{error}");
    assert!(error.ends_with("/no/such/folder` is missing"), "{error}");
}

#[test]
fn much_output_passes_by_ganger_byte_for_byte() {
    let mut rig = rig().with_outputs();
    let end = rig.run_worker("flood 67108864");
    assert_eq!(end.usage.stdout_bytes, Some(64 << 20));
    let text = rig.last_stdout();
    assert!(text.len() == 64 << 20 && text.bytes().all(|byte| byte == b'x'));
}
