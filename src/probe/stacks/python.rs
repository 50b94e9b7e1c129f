//! Frames of Python programs, by the `py-spy` crate in its non-blocking mode: it reads memory
//! with process_vm_readv(2) and stops nobody.

use super::{Local, PythonFrame, PythonThread, runs_python};
use crate::model::ids::ProcRef;
use crate::model::limits;
use crate::probe::waits::maps::{Device, Maps};
use crate::probe::waits::memory::Memory;
use crate::probe::waits::pthread::{Threads, Who};
use py_spy::config::LockingStrategy;
use py_spy::{Config, PythonSpy, StackTrace};
use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Readers of Python programs, kept from one look to the next: finding the interpreter in a
/// process takes ten times as long as reading its frames.
#[derive(Default)]
pub struct Spies {
    by_image: HashMap<Image, Spy>,
    /// Processes that could not be read, and from which look on they are tried again.
    failed: HashMap<ProcRef, Failed>,
    n_looks: u64,
}

struct Spy {
    spy: PythonSpy,
    last_used: u64,
}

struct Failed {
    image: Image,
    times: u32,
    again_at: u64,
}

/// Programs with equal ones have their interpreter at the same place: a process and those that it
/// forked. So one reader serves all workers of a pool. An exec, or another process with the
/// number, has another one, as addresses of programs are random.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Image(Vec<(u64, Device, u64)>);

impl Image {
    fn of(maps: &Maps) -> Image {
        let files = maps.iter().filter(|m| m.inode != 0 && m.offset == 0);
        let python = files.filter(|m| m.file().is_some_and(super::is_python));
        Image(python.map(|m| (m.start, m.device, m.inode)).collect())
    }
}

impl Spies {
    pub fn begin_look(&mut self) {
        self.n_looks += 1;
        let now = self.n_looks;
        self.by_image.retain(|_, kept| now - kept.last_used < limits::STACK_SPY_LOOKS);
        self.failed.retain(|_, failed| now < failed.again_at + limits::STACK_SPY_LOOKS);
    }

    /// Empty where nothing can be read.
    pub fn threads(&mut self, proc: ProcRef, live_tid: i32, maps: &Maps) -> Vec<PythonThread> {
        if !runs_python(maps) {
            return Vec::new();
        }
        let image = Image::of(maps);
        if let Some(failed) = self.failed.get(&proc)
            && failed.image == image
            && self.n_looks < failed.again_at
        {
            return Vec::new();
        }
        let Ok(threads) = Threads::of(proc.pid) else { return Vec::new() };
        if let Some(kept) = self.by_image.get_mut(&image) {
            kept.last_used = self.n_looks;
            if let Some(found) = read(&mut kept.spy, live_tid, &threads) {
                self.failed.remove(&proc);
                return found;
            }
        }
        // None yet, or equal only by chance, or what was read was torn.
        let fresh = quietly(|| PythonSpy::new(live_tid, &config()).ok()).flatten();
        let found = fresh.and_then(|mut spy| Some((read(&mut spy, live_tid, &threads)?, spy)));
        match found {
            Some((found, spy)) => {
                self.failed.remove(&proc);
                self.by_image.insert(image, Spy { spy, last_used: self.n_looks });
                found
            }
            None => {
                let failed =
                    self.failed.entry(proc).or_insert(Failed { image, times: 0, again_at: 0 });
                failed.times = (failed.times + 1).min(6);
                failed.again_at = self.n_looks + (1 << failed.times);
                Vec::new()
            }
        }
    }
}

fn config() -> Config {
    Config {
        blocking: LockingStrategy::NonBlocking,
        native: false,
        collect_thread_names: false,
        // Text of each local: up to 128 characters.
        dump_locals: 1,
        ..Config::default()
    }
}

/// Frames of the threads of one process; `None` when they cannot be those of this process.
fn read(spy: &mut PythonSpy, tid: i32, threads: &Threads) -> Option<Vec<PythonThread>> {
    spy.pid = tid;
    spy.process.pid = tid;
    let traces = quietly(|| spy.get_stack_traces().ok()).flatten()?;
    let memory = Memory::of(tid);
    let found: Vec<PythonThread> = traces
        .into_iter()
        .filter_map(|trace| {
            let tid = tid_of(&trace, threads, memory)?;
            let frames = trace.frames.into_iter().map(frame_of).collect();
            Some(PythonThread { tid, frames })
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

/// Before 3.11 an interpreter knows its threads by their `pthread_t` only.
fn tid_of(trace: &StackTrace, threads: &Threads, memory: Memory) -> Option<i32> {
    let own = trace.os_thread_id.and_then(|tid| i32::try_from(tid).ok());
    // A fork before 3.12 may leave the number of the parent's thread in the child.
    own.and_then(|tid| threads.here(tid)).or_else(|| match threads.who(memory, trace.thread_id) {
        Who::Thread(tid) => Some(tid),
        Who::Gone(_) | Who::Unknown => None,
    })
}

fn frame_of(frame: py_spy::Frame) -> PythonFrame {
    let local = |local: py_spy::stack_trace::LocalVariable| Local {
        name: local.name,
        address: local.addr as u64,
        is_argument: local.arg,
        text: local.repr.unwrap_or_default(),
    };
    PythonFrame {
        function: frame.name,
        file: frame.filename,
        line: u32::try_from(frame.line).unwrap_or(0),
        locals: frame.locals.unwrap_or_default().into_iter().map(local).collect(),
    }
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic over torn reads, without a word of it. `None` when it did.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                before(info);
            }
        }));
    });
    EXPECTED.set(true);
    // What it leaves half done is a reader, which is dropped or read anew.
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    EXPECTED.set(false);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_reader_is_no_panic() {
        assert_eq!(quietly(|| 7), Some(7));
        assert_eq!(quietly(|| -> i32 { panic!("torn") }), None);
        assert!(!EXPECTED.get());
    }
}
