//! Starting, and why it fails.

use super::*;

#[test]
fn a_failed_start_says_what_and_why() {
    let mut rig = rig().with_outputs();
    let write = |name: &str, text: &str, mode: u32| {
        let path = rig.path(name);
        std::fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).unwrap();
    };
    write("plain", "echo hi\n", 0o644);
    write("noline", "echo hi\n", 0o755);
    write("nointerpreter", "#!/no/such/interpreter -x\n", 0o755);
    write("windows", "#!/bin/sh\r\n", 0o755);
    for with_shim in [false, true] {
        for (program, expected) in [
            ("./missing", "program `./missing` does not exist"),
            ("./plain", "cannot execute `./plain`: it is not executable (`chmod +x` makes it so)"),
            ("/", "cannot execute `/`: it is a folder"),
            ("", "the command is empty"),
            (
                "./noline",
                "cannot execute `./noline`: it is neither a program for this machine nor a script \
                 with an interpreter in its first line (`#!/bin/sh`)",
            ),
            (
                "./nointerpreter",
                "cannot execute `./nointerpreter`: its interpreter `/no/such/interpreter` does \
                 not exist",
            ),
            (
                "./windows",
                "cannot execute `./windows`: its interpreter `/bin/sh\\r` does not exist",
            ),
        ] {
            let mut order = rig.order(&[program]);
            order.nice = with_shim.then_some(0);
            assert_eq!(rig.spawn_error(order), expected);
        }
        let mut order = rig.order(&["true", &"x".repeat(200_000)]);
        order.nice = with_shim.then_some(0);
        let error = rig.spawn_error(order);
        assert!(error.starts_with("argument list too long: "), "{error}");
        let mut order = rig.order(&["true"]);
        order.workdir = rig.path("nowhere");
        order.nice = with_shim.then_some(0);
        let error = rig.spawn_error(order);
        assert!(error.starts_with("working directory `"), "{error}");
        assert!(error.ends_with("/nowhere` does not exist"), "{error}");
    }
    // What failed leaves nothing behind, and the slot goes on.
    let order = rig.order(&["true"]);
    assert_eq!(rig.run(order).exit, Exit::Code(0));
    assert_eq!(rig.output_names(), ["slot-1.err", "slot-1.out"]);
}

#[test]
fn a_program_that_moves_is_found_again() {
    let mut rig = rig().with_outputs();
    let (first, second) = (rig.path("a"), rig.path("b"));
    for folder in [&first, &second] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::copy("/bin/true", first.join("tool")).unwrap();
    let path = format!("{}:{}", first.display(), second.display());
    for _ in 0..2 {
        let mut order = rig.order(&["tool"]);
        order.job_env.push((b"PATH".to_vec(), path.clone().into_bytes()));
        assert_eq!(rig.run(order).exit, Exit::Code(0));
        let _ = std::fs::rename(first.join("tool"), second.join("tool"));
    }
}

#[test]
fn a_full_table_of_open_files_is_said_in_words() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "exec::starting::helper_with_few_open_files", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Started by the test above: the limit is one of the whole process.
#[test]
#[ignore = "lowers the limit of open files of its process"]
fn helper_with_few_open_files() {
    fake_worker();
    let mut rig = rig().with_outputs();
    let set = |soft, hard| {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: a plain system call with a valid argument.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    };
    let mut open = Vec::new();
    let mut fill = |n: u64| {
        while let Ok(file) = std::fs::File::open("/dev/null") {
            open.push(file);
            assert!(open.len() as u64 <= n);
        }
    };
    // Below the hard limit ganger raises its own, and gives jobs the one it was started with.
    set(64, 70);
    fill(64);
    let order = rig.worker("limit Max open files");
    assert_eq!(rig.run(order).exit, Exit::Code(0));
    assert_eq!(rig.last_stdout(), "Max open files 64 70 files\n");
    fill(128);
    let mut order = rig.order(&["true"]);
    order.slot_key = 2;
    let error = rig.spawn_error(order);
    assert!(
        error.ends_with("ganger has reached its limit of 70 open files (`ulimit -n`)"),
        "{error}"
    );
}
