//! Where threads stand.

use super::{Program, pythons};
use ganger::model::waits::Language;
use ganger::probe::stacks::HAS_PYTHON;

const CODE: &str = r#"
lock = threading.Lock()
def inner(task, password):
    lock.acquire()
def outer():
    role("waiter")
    inner("re\x1b[31msize", "hush")
lock.acquire()
role("main")
t = threading.Thread(target=outer, daemon=True)
t.start()
time.sleep(600)
"#;

#[test]
fn python_frames_say_function_file_line_and_locals() {
    if !HAS_PYTHON {
        return;
    }
    for (version, path) in pythons() {
        let mut program = Program::start(&version, &path, 2, CODE);
        let frames = program.frames("waiter");
        let names: Vec<&str> = frames.iter().map(|f| &*f.function).take(3).collect();
        assert_eq!(names[..2], ["inner", "outer"], "{version}");
        let inner = &frames[0];
        assert_eq!(inner.language, Language::Python);
        assert!(inner.file.as_deref().unwrap().ends_with("program.py"), "{version}");
        let line = 1 + super::program::lines_before(CODE, "lock.acquire()");
        assert_eq!(inner.line, Some(line), "{version}");
        let task = inner.locals.iter().find(|(name, _)| name == "task").unwrap();
        assert_eq!(task.1, "\"resize\"", "{version}: what a terminal would obey is left out");
        assert!(inner.locals.iter().all(|(name, _)| name != "password"), "{version}");
    }
}

#[test]
fn native_frames_begin_with_the_function_that_waits() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    for (version, path) in pythons() {
        let mut program = Program::start(&version, &path, 2, CODE);
        let frames = program.native("waiter");
        let names: Vec<&str> = frames.iter().map(|f| &*f.function).collect();
        // sem_wait() leaves its frame to a function that has no name.
        let called = names.iter().take(5).any(|name| name.starts_with("PyThread_acquire_lock"));
        assert!(called, "{version}: {names:?}");
        assert!(frames[0].file.as_deref().unwrap().contains("libc"), "{version}");
        assert!(frames.len() > 5, "{version}: {names:?}");
    }
}
