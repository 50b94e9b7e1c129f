//! Locks of `threading`.

use super::{Program, pythons};
use ganger::model::waits::{Certainty, WaitKind};

fn each(n_roles: usize, code: &str, check: fn(&mut Program)) {
    for (version, path) in pythons() {
        let mut program = Program::start(&version, &path, n_roles, code);
        check(&mut program);
    }
}

const ABBA: &str = r#"
class Account:
    def __init__(self):
        self.lock = threading.Lock()
    def move(self, name, first, second):
        role(name)
        with first:
            time.sleep(0.4)
            with second:
                pass
plain, recursive = threading.Lock(), threading.RLock()
account = Account()
role("main")
t1 = threading.Thread(target=account.move, args=("t1", plain, recursive))
t2 = threading.Thread(target=account.move, args=("t2", recursive, plain))
t1.daemon = t2.daemon = True
t1.start(); t2.start()
t1.join()
"#;

#[test]
fn an_rlock_belongs_to_its_owner_and_a_lock_to_who_is_inside_of_with() {
    each(3, ABBA, |program| {
        let fact = program.look("t1");
        assert_eq!(fact.resource.kind, WaitKind::PyRlock, "{}", program.words);
        assert_eq!(program.holders(&fact), ["t2"], "{}", program.words);
        assert_eq!(program.wakers(&fact), ["thread t2".to_owned()].into());
        assert_eq!(fact.certainty, Certainty::Proven);

        let fact = program.look("t2");
        assert_eq!(fact.resource.kind, WaitKind::PyLock, "{}", program.words);
        assert_eq!(fact.certainty, Certainty::Inferred);
        assert!(program.wakers(&fact).contains("main"), "any thread may give a Lock back");
        if ganger::probe::stacks::HAS_PYTHON {
            assert_eq!(program.holders(&fact), ["t1?"], "{}", program.words);
        }
    });
}

#[test]
fn the_end_of_a_thread_is_waited_for() {
    each(3, ABBA, |program| {
        let fact = program.look("main");
        if ganger::probe::stacks::HAS_PYTHON {
            assert_eq!(fact.resource.kind, WaitKind::ThreadJoin, "{}", program.words);
            assert_eq!(program.holders(&fact), ["t1"], "{}", program.words);
            assert_eq!(program.wakers(&fact), ["thread t1".to_owned()].into());
            assert_eq!(fact.certainty, Certainty::Proven);
        }
    });
}

#[test]
fn the_depth_of_an_rlock_does_not_matter() {
    let code = r#"
lock = threading.RLock()
def waiter():
    role("waiter")
    with lock: pass
for _ in range(5): lock.acquire()
role("main")
t = threading.Thread(target=waiter, daemon=True)
t.start()
time.sleep(600)
"#;
    each(2, code, |program| {
        let fact = program.look("waiter");
        assert_eq!(fact.resource.kind, WaitKind::PyRlock, "{}", program.words);
        assert_eq!(program.holders(&fact), ["main"], "{}", program.words);
    });
}

#[test]
fn an_rlock_of_a_thread_that_the_child_of_a_fork_does_not_have_is_abandoned() {
    let code = r#"
lock = threading.RLock()
ready = threading.Event()
def holder():
    with lock:
        ready.set()
        time.sleep(600)
threading.Thread(target=holder, daemon=True).start()
ready.wait()
if os.fork() == 0:
    role("child")
    with lock: pass
role("parent")
time.sleep(600)
"#;
    each(2, code, |program| {
        let fact = program.look("child");
        assert_eq!(fact.resource.kind, WaitKind::PyRlock, "{}", program.words);
        assert!(fact.abandoned, "{}: {fact:?}", program.words);
        assert!(program.wakers(&fact).is_empty());
    });
}

#[test]
fn conditions_events_and_queues_are_told_from_locks() {
    let code = r#"
import queue
c, e, q = threading.Condition(), threading.Event(), queue.Queue()
def condition():
    role("condition")
    with c: c.wait()
def event():
    role("event")
    e.wait()
def get():
    role("get")
    q.get()
for f in (condition, event, get):
    threading.Thread(target=f, daemon=True).start()
role("main")
time.sleep(600)
"#;
    each(4, code, |program| {
        let cases = [
            ("condition", "threading.Condition"),
            ("event", "threading.Event"),
            // Written in C from 3.7 on only for SimpleQueue.
            ("get", "an item in a queue.Queue"),
        ];
        for (role, name) in cases {
            let fact = program.look(role);
            if ganger::probe::stacks::HAS_PYTHON {
                assert_eq!(fact.resource.kind, WaitKind::Condvar, "{} {role}", program.words);
                assert_eq!(fact.resource.name.as_deref(), Some(name), "{}", program.words);
            }
            assert_eq!(fact.certainty, Certainty::Inferred);
            assert!(program.wakers(&fact).contains("main") || program.wakers(&fact).len() == 1);
        }
    });
}

#[test]
fn a_lock_in_an_attribute_or_a_global_is_guessed_as_well() {
    let code = r#"
class Box:
    def __init__(self):
        self.lock = threading.Lock()
    def hold(self):
        with self.lock:
            role("attribute_holder")
            time.sleep(600)
    def want(self):
        role("attribute")
        with self.lock:
            pass
LOCK = threading.Lock()
def hold():
    with LOCK:
        role("global_holder")
        time.sleep(600)
def want():
    role("global")
    LOCK.acquire()
box = Box()
for pair in ((box.hold, box.want), (hold, want)):
    for f in pair:
        threading.Thread(target=f, daemon=True).start()
        time.sleep(0.2)
role("main")
time.sleep(600)
"#;
    each(5, code, |program| {
        for role in ["attribute", "global"] {
            let fact = program.look(role);
            assert_eq!(fact.resource.kind, WaitKind::PyLock, "{}", program.words);
            if ganger::probe::stacks::HAS_PYTHON {
                assert_eq!(
                    program.holders(&fact),
                    [format!("{role}_holder?")],
                    "{}",
                    program.words
                );
            }
        }
    });
}
