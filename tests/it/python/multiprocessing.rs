//! Locks, semaphores and queues of `multiprocessing`.

use super::{Program, pythons, some_pythons};
use ganger::model::waits::foreign::QueueFill;
use ganger::model::waits::{Certainty, WaitFact, WaitKind};
use std::path::PathBuf;

/// Runs a check with every interpreter, by fork and by spawn.
fn each(n_roles: usize, code: &str, check: fn(&mut Program)) {
    check_all(pythons(), n_roles, code, check);
}

/// The same with a few: what differs between versions is tested with all of them elsewhere.
fn some(n_roles: usize, code: &str, check: fn(&mut Program)) {
    check_all(some_pythons(), n_roles, code, check);
}

fn check_all(
    pythons: Vec<(String, PathBuf)>,
    n_roles: usize,
    code: &str,
    check: impl Fn(&mut Program),
) {
    for (version, path) in pythons {
        for method in ["fork", "spawn"] {
            let code = code.replace("METHOD", method);
            let mut program = Program::start(&format!("{version} {method}"), &path, n_roles, &code);
            check(&mut program);
        }
    }
}

const HOLD_AND_WAIT: &str = r#"
def holder(lock, ready):
    role("holder")
    TAKE
    ready.send(1)
    time.sleep(600)
def waiter(lock):
    role("waiter")
    WAIT
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    lock = MAKE
    heard, ready = ctx.Pipe(False)
    role("parent")
    h = ctx.Process(target=holder, args=(lock, ready), daemon=True)
    h.start()
    heard.recv()
    w = ctx.Process(target=waiter, args=(lock,), daemon=True)
    w.start()
    w.join()
"#;

fn hold_and_wait(make: &str, take: &str, wait: &str) -> String {
    HOLD_AND_WAIT.replace("MAKE", make).replace("TAKE", take).replace("WAIT", wait)
}

#[test]
fn a_lock_that_is_waited_for_by_with_belongs_to_its_holder() {
    let take = "with lock: ready.send(1); time.sleep(600)";
    let code = hold_and_wait("ctx.Lock()", take, "with lock: pass");
    each(3, &code, |program| {
        let fact = program.look("waiter");
        assert_eq!(fact.resource.kind, WaitKind::MpLock, "{}", program.words);
        assert_eq!(fact.resource.name.as_deref(), Some("Lock #1"));
        assert_eq!(program.holders(&fact), ["holder"], "{}: {fact:?}", program.words);
        assert_eq!(program.wakers(&fact), ["holder".to_owned()].into(), "{}", program.words);
        assert_eq!(fact.certainty, Certainty::Proven);
        assert!(!fact.abandoned);
    });
}

#[test]
fn the_holder_of_a_lock_that_is_waited_for_by_acquire_is_a_guess() {
    let code = hold_and_wait("ctx.Lock()", "lock.acquire()", "lock.acquire()");
    some(3, &code, |program| {
        let fact = program.look("waiter");
        assert_eq!(fact.resource.kind, WaitKind::MpLock, "{}", program.words);
        let wakers = program.wakers(&fact);
        assert!(wakers.contains("parent") && wakers.contains("holder"), "{wakers:?}");
        if program.words.ends_with("fork") {
            assert_eq!(program.holders(&fact), ["holder?"], "{}", program.words);
        }
    });
}

#[test]
fn only_the_owner_can_give_an_rlock_back() {
    let code = hold_and_wait("ctx.RLock()", "lock.acquire(); lock.acquire()", "lock.acquire()");
    each(3, &code, |program| {
        let fact = program.look("waiter");
        assert_eq!(fact.resource.kind, WaitKind::MpRlock, "{}", program.words);
        assert_eq!(program.holders(&fact), ["holder"], "{}", program.words);
        assert_eq!(program.wakers(&fact), ["thread holder".to_owned()].into());
        assert_eq!(fact.certainty, Certainty::Proven);
    });
}

#[test]
fn a_semaphore_of_one_place_is_no_lock() {
    for make in ["ctx.BoundedSemaphore(1)", "ctx.Semaphore(1)"] {
        let code = hold_and_wait(make, "lock.acquire()", "with lock: pass");
        some(3, &code, |program| {
            let fact = program.look("waiter");
            assert_eq!(fact.resource.kind, WaitKind::PySemaphore, "{}", program.words);
            let wakers = program.wakers(&fact);
            assert!(wakers.contains("parent") && wakers.contains("holder"), "{wakers:?}");
            assert!(!fact.abandoned);
        });
    }
}

/// A killed holder leaves a lock that nobody gives back.
const KILLED: &str = r#"
def holder(lock, ready):
    role("holder")
    lock.acquire()
    ready.send(1)
    time.sleep(600)
def waiter(lock):
    role("waiter")
    WAIT
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    lock = MAKE
    heard, ready = ctx.Pipe(False)
    h = ctx.Process(target=holder, args=(lock, ready), daemon=True)
    h.start()
    heard.recv()
    w = ctx.Process(target=waiter, args=(lock,), daemon=True)
    w.start()
    time.sleep(0.3)
    os.kill(h.pid, signal.SIGKILL)
    h.join()
    role("parent")
    w.join()
"#;

#[test]
fn a_lock_of_a_killed_holder_is_abandoned() {
    for (make, wait) in [("ctx.Lock()", "with lock: pass"), ("ctx.RLock()", "lock.acquire()")] {
        let code = KILLED.replace("MAKE", make).replace("WAIT", wait);
        each(3, &code, |program| {
            let fact = program.look("waiter");
            assert!(fact.abandoned, "{}: {fact:?}", program.words);
            assert!(fact.holders.is_empty());
            assert!(fact.needs.iter().all(|need| need.wakers.is_empty()));
        });
    }
}

#[test]
fn a_lock_that_may_be_used_as_a_signal_is_never_abandoned() {
    let code = KILLED.replace("MAKE", "ctx.Lock()").replace("WAIT", "lock.acquire()");
    some(3, &code, |program| {
        let fact = program.look("waiter");
        assert!(!fact.abandoned, "{}: {fact:?}", program.words);
        assert!(program.wakers(&fact).contains("parent"), "{}", program.words);
    });
}

#[test]
fn a_lock_that_others_give_back_belongs_to_nobody_alone() {
    // Taken twice here, given back once there: the counts show it.
    let code = r#"
def child(lock, taken):
    lock.release()
    taken.recv()
    role("child")
    with lock: pass
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    lock = ctx.Lock()
    lock.acquire()
    role("parent")
    heard, taken = ctx.Pipe(False)
    c = ctx.Process(target=child, args=(lock, heard), daemon=True)
    c.start()
    lock.acquire()
    taken.send(1)
    c.join()
"#;
    some(2, code, |program| {
        let fact = program.look("child");
        assert!(!fact.abandoned, "{}: {fact:?}", program.words);
        assert!(program.wakers(&fact).contains("parent"), "{}", program.words);
        assert!(fact.holders.iter().all(|holder| !holder.proven), "{}: {fact:?}", program.words);
    });
}

#[test]
fn producers_of_a_full_queue_wait_for_room_that_anybody_may_make() {
    let code = r#"
def producer(name, queue):
    role(name)
    while True:
        queue.put(b"x")
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    queue = ctx.Queue(SIZE)
    ps = [ctx.Process(target=producer, args=(n, queue), daemon=True) for n in ("p1", "p2")]
    for p in ps: p.start()
    role("parent")
    time.sleep(600)
"#;
    some(3, &code.replace("SIZE", "1"), |program| {
        let fact = program.seen("p1", is_room);
        let wakers = program.wakers(&fact);
        assert!(wakers.contains("parent") && wakers.contains("p2"), "{wakers:?}");
        assert!(!fact.abandoned, "{}: {fact:?}", program.words);
        assert!(fact.holders.iter().all(|holder| !holder.proven), "{}", program.words);
        if ganger::probe::stacks::HAS_PYTHON {
            let name = fact.resource.name.as_deref();
            assert_eq!(name, Some("room in Queue #1"), "{}", program.words);
            assert_eq!(fact.fill, fill(1, Some(1)), "{}", program.words);
        }
    });
    some(3, &code.replace("SIZE", "7"), |program| {
        let fact = program.seen("p1", is_room);
        assert_eq!(fact.certainty, Certainty::Inferred);
        if ganger::probe::stacks::HAS_PYTHON {
            let name = fact.resource.name.as_deref();
            assert_eq!(name, Some("room in Queue #1"), "{}", program.words);
            assert_eq!(fact.fill, fill(7, Some(7)), "{}", program.words);
        }
    });
}

/// Without frames a queue of one place looks like a lock.
fn is_room(fact: &WaitFact) -> bool {
    matches!(fact.resource.kind, WaitKind::PySemaphore | WaitKind::MpLock)
}

fn fill(depth: u32, capacity: Option<u32>) -> Option<QueueFill> {
    Some(QueueFill { depth, capacity })
}

#[test]
fn who_gets_from_a_queue_shows_what_is_in_it() {
    let code = r#"
def getter(queue):
    # Its attributes become a dictionary of their own.
    if DICT: vars(queue)
    role("getter")
    queue.get()
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    # Another one whose objects lie beside those of the first.
    queue, other = ctx.CLASS(SIZE), ctx.Queue(3)
    # Who got before does not come back.
    queue._rlock.acquire()
    for _ in range(5): queue.put(b"x")
    role("parent")
    g = ctx.Process(target=getter, args=(queue,), daemon=True)
    g.start()
    time.sleep(600)
"#;
    if !ganger::probe::stacks::HAS_PYTHON {
        return println!("skipped: built without reading Python frames");
    }
    for (class, size, capacity, dict) in [
        ("Queue", "9", Some(9), "False"),
        ("Queue", "0", None, "True"),
        ("JoinableQueue", "9", Some(9), "True"),
    ] {
        let code = code.replace("CLASS", class).replace("SIZE", size).replace("DICT", dict);
        check_all(pythons(), 2, &code, |program| {
            let fact = program.until("getter", |fact| fact.resource.kind == WaitKind::MpLock);
            assert_eq!(fact.fill, fill(5, capacity), "{} {class} {dict}", program.words);
            let name = fact.resource.name.as_deref();
            assert_eq!(name, Some("Lock of a Queue #1"), "{} {class}", program.words);
        });
    }
}

#[test]
fn who_reads_from_the_pipe_of_a_queue_shows_that_it_is_empty() {
    let code = r#"
def getter(queue):
    role("getter")
    queue.get()
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    queue = ctx.Queue(4)
    g = ctx.Process(target=getter, args=(queue,), daemon=True)
    g.start()
    role("parent")
    time.sleep(600)
"#;
    if !ganger::probe::stacks::HAS_PYTHON {
        return println!("skipped: built without reading Python frames");
    }
    each(2, code, |program| {
        let fact = program.seen("getter", |fact| fact.resource.kind == WaitKind::PipeRead);
        assert_eq!(fact.fill, fill(0, Some(4)), "{}", program.words);
    });
}

#[test]
fn waiting_for_a_condition_or_an_event_is_no_lock() {
    let code = r#"
def waiter(name, thing):
    role(name)
    if name == "event":
        thing.wait()
    else:
        with thing: thing.wait()
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    c, e = ctx.Condition(), ctx.Event()
    ps = [ctx.Process(target=waiter, args=(n, t), daemon=True)
          for n, t in (("condition", c), ("event", e))]
    for p in ps: p.start()
    role("parent")
    ps[0].join()
"#;
    some(3, code, |program| {
        for role in ["condition", "event"] {
            let fact = program.look(role);
            assert_eq!(fact.resource.kind, WaitKind::PySemaphore, "{} {role}", program.words);
            assert!(program.wakers(&fact).contains("parent"));
            assert!(!fact.abandoned);
        }
    });
}

#[test]
fn a_pool_whose_worker_was_killed_with_the_lock_of_its_queue_is_abandoned() {
    let code = r#"
def start():
    role("w{}".format(os.getpid()))
def call(pid):
    try:
        return open("/proc/{}/syscall".format(pid)).read().split()[0]
    except OSError:
        return ""
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    pool = ctx.Pool(3, start)
    # One reads the queue and has its lock, for which the others wait.
    calls = {}
    while sorted(calls.values()) != ["0", "202", "202"]:
        time.sleep(0.05)
        calls = {p.pid: call(p.pid) for p in pool._pool}
    os.kill(min(calls, key=calls.get), signal.SIGKILL)
    role("parent")
    time.sleep(600)
"#;
    // Three workers, and the one that takes the place of the killed one.
    some(5, code, |program| {
        let roles: Vec<String> = program.roles.keys().cloned().collect();
        let workers = roles.iter().filter(|role| role.starts_with('w'));
        let living: Vec<&String> = workers.filter(|role| program.is_alive(role)).collect();
        assert_eq!(living.len(), 3, "{}: {roles:?}", program.words);
        for worker in living {
            // Older pools wake up ten times a second to look after their workers.
            let abandoned = program.until(worker, |fact| fact.abandoned);
            if ganger::probe::stacks::HAS_PYTHON {
                assert_eq!(abandoned.resource.kind, WaitKind::MpLock, "{}", program.words);
                assert!(abandoned.holders.is_empty());
            }
        }
    });
}

#[test]
fn an_idle_pool_waits_for_the_worker_that_waits_for_work() {
    let code = r#"
def start():
    role("w{}".format(os.getpid()))
if __name__ == "__main__":
    ctx = mp.get_context("METHOD")
    pool = ctx.Pool(2, start)
    role("parent")
    time.sleep(600)
"#;
    some(3, code, |program| {
        let roles: Vec<String> = program.roles.keys().cloned().collect();
        let fact = roles.iter().find_map(|role| program.waits_on_futex(role)).unwrap();
        assert_eq!(fact.resource.kind, WaitKind::MpLock, "{}", program.words);
        assert!(!fact.abandoned);
        assert_eq!(fact.holders.len(), 1, "{}: {fact:?}", program.words);
    });
}
