//! Threads of a Rust program: its locks record no owner. `rust_threads SCENARIO`.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock};
use std::thread;
use std::time::Duration;

fn role(name: &str) {
    let link = std::fs::read_link("/proc/thread-self").unwrap();
    let words: Vec<_> = link.iter().map(|w| w.to_str().unwrap().to_owned()).collect();
    let line = format!("role {name} {} {}\n", words[0], words[2]);
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn start(name: &'static str, run: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        role(name);
        run();
    })
}

/// By looking now and then, so that it leaves no lock.
fn meet(come: &AtomicUsize, n: usize) {
    come.fetch_add(1, Ordering::SeqCst);
    while come.load(Ordering::SeqCst) < n {
        thread::sleep(Duration::from_millis(2));
    }
}

fn sleep_for_ever() {
    loop {
        thread::sleep(Duration::from_secs(600));
    }
}

fn abba() -> thread::JoinHandle<()> {
    let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let come = Arc::new(AtomicUsize::new(0));
    let take = |first: &Arc<Mutex<()>>, second: &Arc<Mutex<()>>| {
        let (first, second, come) = (first.clone(), second.clone(), come.clone());
        move || {
            let _first = first.lock();
            meet(&come, 2);
            let _second = second.lock();
        }
    };
    start("t2", take(&b, &a));
    start("t1", take(&a, &b))
}

fn main() {
    role("main");
    match std::env::args().nth(1).as_deref() {
        Some("mutex_abba") => abba().join().unwrap(),
        Some("ok_mutex_abba_beside") => {
            abba();
            sleep_for_ever();
        }
        Some("join_under_lock") => {
            let a = Arc::new(Mutex::new(()));
            let _held = a.lock();
            let b = a.clone();
            start("t1", move || drop(b.lock())).join().unwrap();
        }
        Some("channel_circle") => {
            let ((to_a, a), (to_b, b)) = (channel::<()>(), channel::<()>());
            let t = start("t1", move || a.recv().and_then(|()| Ok(to_b.send(()).unwrap())).unwrap());
            b.recv().unwrap();
            to_a.send(()).unwrap();
            t.join().unwrap();
        }
        Some("self_lock") => {
            let a = Mutex::new(());
            let _held = a.lock();
            let _again = a.lock();
        }
        Some("ok_condvar_pool") => {
            let pair = Arc::new((Mutex::new(()), Condvar::new()));
            for name in ["t1", "t2", "t3"] {
                let pair = pair.clone();
                start(name, move || {
                    let mut held = pair.0.lock().unwrap();
                    loop {
                        held = pair.1.wait(held).unwrap();
                    }
                });
            }
            loop {
                thread::sleep(Duration::from_millis(700));
                pair.1.notify_all();
            }
        }
        Some("ok_stdin_channel") => {
            let (sender, receiver) = channel();
            start("t1", move || for _ in receiver {});
            for byte in std::io::stdin().bytes() {
                sender.send(byte.unwrap()).unwrap();
            }
        }
        Some("ok_bounded_channel") => {
            let (sender, receiver) = sync_channel(0);
            start("t1", move || while sender.send(()).is_ok() {});
            for () in receiver {
                thread::sleep(Duration::from_millis(600));
            }
        }
        Some("ok_rwlock") => {
            let lock = Arc::new(RwLock::new(0));
            for name in ["t1", "t2", "t3"] {
                let lock = lock.clone();
                start(name, move || {
                    loop {
                        drop(lock.read());
                        *lock.write().unwrap() += 1;
                    }
                });
            }
            sleep_for_ever();
        }
        Some("ok_barrier") => {
            let barrier = Arc::new(Barrier::new(2));
            let other = barrier.clone();
            start("t1", move || {
                loop {
                    other.wait();
                }
            });
            loop {
                barrier.wait();
                thread::sleep(Duration::from_millis(3));
            }
        }
        other => panic!("no scenario {other:?}"),
    }
}
