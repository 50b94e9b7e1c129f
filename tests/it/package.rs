//! The Python package against the real binary. The tests themselves are Python: this starts them.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/tests");

/// The first of these that there is; Debian's comes first, since it can have CPython's tests.
fn python() -> Option<&'static str> {
    let starts = |name: &&str| {
        let mut asked = Command::new(name);
        asked.args(["-c", "import sys; sys.exit(sys.version_info < (3, 8))"]);
        asked.stdin(Stdio::null()).stderr(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    };
    ["/usr/bin/python3", "python3"].into_iter().find(starts)
}

fn passes(words: &[&str]) {
    let Some(python) = python() else {
        println!("skipped: no python3 of 3.8 or later is there");
        return;
    };
    let mut child = Command::new(python)
        .args(words)
        .current_dir(Path::new(TESTS))
        .env("GANGER", env!("CARGO_BIN_EXE_ganger"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("GANGER_SOCKET")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Each test of Python's has a time limit of its own, and says where it hangs.
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{words:?} failed:\n{said}");
}

#[test]
fn names_forks_interrupts_and_the_end_of_the_supervisor() {
    passes(&["test_client.py"]);
}

#[test]
fn no_kill_hangs_the_rest() {
    passes(&["test_kill.py"]);
}

#[test]
fn locks_in_shared_memory_survive_a_kill_at_each_step() {
    passes(&["test_fast.py"]);
}

/// A few of CPython's own: all of them take minutes, `.ci/run` has them.
#[test]
fn some_of_the_tests_of_cpython_pass() {
    let has_tests = python().is_some_and(|python| {
        let asked = Command::new(python).args(["-c", "import test._test_multiprocessing"]).status();
        asked.is_ok_and(|status| status.success())
    });
    if !has_tests {
        println!("skipped: CPython's tests are not there (Debian: libpython3-testsuite)");
        return;
    }
    for class in ["_TestLock", "_TestSemaphore", "_TestCondition"] {
        passes(&["conformance.py", "fork", "-k", class]);
    }
}
