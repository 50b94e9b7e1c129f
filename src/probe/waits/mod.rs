//! What blocked threads wait for, read without stopping or changing them.
//!
//! A [`Tracker`] follows trees of processes. Its tick is cheap and finds threads that have not
//! run for a while in a call without a time limit; its look reads all that says what these wait
//! for, and what those do that could let them go on, also outside of the trees. What it finds is
//! data ([`Look`](crate::model::waits::Look)); the room `xray` judges it.
//!
//! Everything comes from `/proc`, from process_vm_readv(2) and from questions to the kernel about
//! sockets; nothing is attached to, stopped or signalled. Some of these readings may wait for a
//! process that is stuck in the kernel with its memory locked: a tracker belongs on a thread of
//! its own, on which nothing else depends.

pub mod cancel;
mod child;
mod descriptors;
mod event;
mod family;
mod file_lock;
pub mod futex;
pub mod glibc;
mod idle;
pub mod kinds;
mod look;
pub mod maps;
pub mod memory;
mod pipe;
mod poll;
pub mod process;
pub mod pthread;
pub mod python;
mod reach;
mod ready;
pub mod scene;
mod socket;
mod status;
mod stream;
pub mod syscall;
mod sysv;
mod tracker;

pub use tracker::Tracker;

use crate::model::AttemptId;
use crate::model::ids::ProcRef;
use crate::model::waits::foreign::QueueFill;
use crate::model::waits::{Frame, WaitFact};
use process::{Process, Thread};
use scene::Scene;

/// A process that is looked at together with all that comes from it: its descendants, and the
/// sessions that they lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    pub proc: ProcRef,
    pub attempt: Option<AttemptId>,
}

/// What a tick saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    pub processes: u32,
    pub threads: u32,
    /// Threads in a call without a time limit that have not run for a while.
    pub suspects: u32,
    /// Another number when these are not the same threads, or some of them ran in between.
    pub who: u64,
}

/// Whose waits a look tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of suspects, and of whoever these lead to.
    Suspects,
    All,
}

/// Knows more of waits than the kernel and the libraries of C do: a language.
pub trait Insight: Send {
    /// Forgets what was read at the look before.
    fn begin_look(&mut self) {}

    /// Looks closer at a wait on a futex, and says better what it is where it can.
    fn refine(&mut self, scene: &Scene, process: &Process, thread: &Thread, wait: &mut WaitFact);

    /// What is in the queue whose pipe a thread reads from; `None` where it cannot tell.
    fn queue(&mut self, _process: &Process, _thread: &Thread) -> Option<QueueFill> {
        None
    }

    /// Where a thread stands, innermost first; empty where it cannot tell.
    fn frames(&mut self, process: &Process, thread: &Thread) -> Vec<Frame>;
}
