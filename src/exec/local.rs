//! The back end for processes on this host: the handle of the thread that owns them.

use super::cgroup::Cgroups;
use super::output::Outputs;
use super::reactor::Reactor;
use super::{Backend, Capabilities, ReportSink, SHIM_VERB};
use crate::model::exec::LimitMeans;
use crate::model::{AttemptId, LaunchOrder, RunLocation};
use rustix::event::EventfdFlags;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The program that sets limits and then becomes the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shim {
    pub program: PathBuf,
    /// The word behind the program's name that makes it the shim.
    pub verb: String,
}

/// How the back end is set up. The default is right for everything but tests.
#[derive(Clone, Debug, Default)]
pub struct LocalOptions {
    /// `None`: this program itself, by its real path.
    pub shim: Option<Shim>,
    /// Hold `limits` by looking even where a control group could.
    pub without_cgroups: bool,
}

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Order {
    Launch(Box<LaunchOrder>),
    Signal(AttemptId, i32),
    Kill(AttemptId),
    Freeze(AttemptId),
    Thaw(AttemptId),
    /// Answered when everything before it has been carried out.
    Flush(SyncSender<()>),
    Shutdown,
}

/// Orders on their way to the thread.
#[derive(Debug)]
pub(super) struct Mailbox {
    orders: Mutex<Vec<Order>>,
    /// The thread has been woken and has not looked yet: another wake-up would be wasted.
    is_woken: AtomicBool,
    pub(super) wake: OwnedFd,
}

impl Mailbox {
    fn new() -> io::Result<Mailbox> {
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Mailbox { orders: Mutex::default(), is_woken: AtomicBool::new(false), wake })
    }

    fn send(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            // Fails only when the counter would overflow, and then the thread is awake.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }

    /// Takes everything that was sent.
    pub(super) fn take(&self) -> Vec<Order> {
        // First empty the counter, then say that it is empty: the other way round a wake-up
        // that comes in between would be read away, and no later one would be sent.
        let mut counter = [0_u8; 8];
        let _ = rustix::io::read(&self.wake, &mut counter);
        self.is_woken.store(false, Ordering::Release);
        std::mem::take(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs attempts as processes of this host.
///
/// One thread starts and reaps them all: a process started by a thread that ends later would
/// lose its parent, and the order of events stays plain.
#[derive(Debug)]
pub struct Local {
    mailbox: Arc<Mailbox>,
    outputs: Outputs,
    capabilities: Capabilities,
    thread: Option<JoinHandle<()>>,
}

impl Local {
    /// Starts the thread, makes this process a child subreaper and creates the output folder.
    ///
    /// Errors name what failed: the output folder, or a system call that needs Linux 5.3.
    pub fn start(
        location: RunLocation,
        options: LocalOptions,
        sink: ReportSink,
    ) -> io::Result<Local> {
        let me = super::procs::stat_of(std::process::id() as i32)
            .ok_or_else(|| io::Error::other("cannot read /proc: is it mounted?"))?;
        let cgroups = if options.without_cgroups {
            Cgroups::none(me.proc())
        } else {
            Cgroups::discover(std::path::Path::new("/"), me.proc())
        };
        let shim = match options.shim {
            Some(shim) => shim,
            None => Shim { program: super::procs::own_program()?, verb: SHIM_VERB.to_owned() },
        };
        let capabilities = Capabilities {
            has_local_pids: true,
            can_freeze: true,
            can_tty: true,
            limit_means: cgroups.means().unwrap_or(LimitMeans::Look),
        };
        let mailbox = Arc::new(Mailbox::new()?);
        let reactor = Reactor::new(location, shim, cgroups, me, mailbox.clone(), sink)?;
        let outputs = reactor.outputs();
        let thread =
            std::thread::Builder::new().name("exec".to_owned()).spawn(move || reactor.run())?;
        Ok(Local { mailbox, outputs, capabilities, thread: Some(thread) })
    }

    /// Returns the index that finds the output of attempts, running or ended.
    pub fn outputs(&self) -> Outputs {
        self.outputs.clone()
    }
}

impl Backend for Local {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn launch(&mut self, order: LaunchOrder) {
        self.mailbox.send(Order::Launch(Box::new(order)));
    }

    fn signal(&mut self, attempt: AttemptId, signal: i32) {
        self.mailbox.send(Order::Signal(attempt, signal));
    }

    fn kill(&mut self, attempt: AttemptId) {
        self.mailbox.send(Order::Kill(attempt));
    }

    fn freeze(&mut self, attempt: AttemptId) {
        self.mailbox.send(Order::Freeze(attempt));
    }

    fn thaw(&mut self, attempt: AttemptId) {
        self.mailbox.send(Order::Thaw(attempt));
    }

    fn flush(&mut self) {
        let (done, wait) = sync_channel(1);
        self.mailbox.send(Order::Flush(done));
        // An error means that the thread is gone: then nothing is left to carry out.
        let _ = wait.recv();
    }

    fn shutdown(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.mailbox.send(Order::Shutdown);
            // An error would be a panic of the thread, which has printed itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Local {
    /// Nothing that ganger started outlives it unless a task said so.
    fn drop(&mut self) {
        self.shutdown();
    }
}
