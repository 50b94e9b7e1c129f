//! What looks ask of languages: Python's locks, and the frames of all.

use super::{FutexSite, Python, Sharer, queue};
use crate::model::waits::foreign::QueueFill;
use crate::model::waits::{Frame, WaitFact};
use crate::probe::stacks::{Registers, Stacks};
use crate::probe::waits::futex::sharers;
use crate::probe::waits::process::{Process, Thread};
use crate::probe::waits::scene::Scene;
use crate::probe::waits::syscall::{Call, Line, Sys};
use crate::probe::waits::{Insight, maps::Maps};

/// Locks of Python, and where threads stand in Python and native code.
#[derive(Default)]
pub struct Languages {
    python: Python,
    stacks: Stacks,
}

impl Insight for Languages {
    fn begin_look(&mut self) {
        self.python.begin_look();
        self.stacks.begin_look();
    }

    fn refine(&mut self, scene: &Scene, process: &Process, thread: &Thread, wait: &mut WaitFact) {
        let (Some(call), Ok(maps)) = (call_of(process, thread), process.maps()) else { return };
        if call.sys != Sys::Futex {
            return;
        }
        let address = call.args[0];
        let Some(found) = sharers(scene, process, address) else { return };
        let mut sharers = vec![sharer(process, maps, address)];
        let mut all_seen = found.all_seen;
        for (other, address) in &found.all {
            match other.maps() {
                _ if other.pid() == process.pid() || other.is_dead() => {}
                Ok(maps) => sharers.push(sharer(other, maps, *address)),
                Err(_) => all_seen = false,
            }
        }
        let site = FutexSite {
            waiter: process.thread_ref(thread.tid),
            stack_pointer: call.stack_pointer,
            address,
            sharers,
            shared: found.shared,
            all_seen,
            may_grow: found.may_grow,
        };
        self.python.refine(&site, &mut self.stacks, wait);
    }

    fn queue(&mut self, process: &Process, thread: &Thread) -> Option<QueueFill> {
        let maps = process.maps().ok()?;
        let threads = self.stacks.python(process.proc, process.live_tid, maps);
        let own = threads.iter().find(|one| one.tid == thread.tid)?;
        queue::got_from(&own.frames, process.memory(), maps)
    }

    fn frames(&mut self, process: &Process, thread: &Thread) -> Vec<Frame> {
        let Ok(maps) = process.maps() else { return Vec::new() };
        let registers = call_of(process, thread).map(|call| Registers {
            stack_pointer: call.stack_pointer,
            program_counter: call.program_counter,
        });
        self.stacks.frames(process.thread_ref(thread.tid), process.live_tid, maps, registers)
    }
}

fn call_of(process: &Process, thread: &Thread) -> Option<Call> {
    match process.line(thread)? {
        Line::Call(call) => Some(call),
        Line::Running | Line::NoCall => None,
    }
}

fn sharer<'a>(process: &Process, maps: &'a Maps, address: u64) -> Sharer<'a> {
    Sharer { proc: process.proc, live_tid: process.live_tid, address, maps }
}
