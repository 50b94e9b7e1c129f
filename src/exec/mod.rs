//! Back ends that run attempts; local processes are the first.
//!
//! A back end is told what to do through [`Backend`] and answers with
//! [`ExecReport`]s through a [`ReportSink`]. Both are plain data that
//! could cross a pipe, so a back end may sit on another host. It decides nothing: when an
//! attempt starts, is stopped or has failed is up to the engine.
//!
//! Adding a back end: one file here, one call of the contract suite in `tests/it/exec.rs`.
//! What it cannot do it says in its [`Capabilities`].

mod cgroup;
mod creates;
mod env;
mod launch;
mod limits;
mod local;
mod output;
mod procs;
mod reactor;
mod reap;
mod shim;
mod spawn;
mod stop;
#[cfg(test)]
mod testing;
mod tree;
mod tty;

pub use local::{Local, LocalOptions, Shim};
pub use output::{Outputs, Progress, Stream, folder, path_of};
pub use procs::{Snapshot as ProcessTable, clock_ticks_per_second, signal_proc};
pub use shim::{SHIM_VERB, shim_main};
pub use tree::sweep_run;

use crate::model::exec::LimitMeans;
use crate::model::{AttemptId, ExecReport, LaunchOrder};

/// Takes the reports of a back end. Called from the back end's own thread; must not block.
pub type ReportSink = Box<dyn Fn(ExecReport) + Send>;

/// What a back end can do. What it cannot is shown in words, never as a zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Its processes are on this host: their pids mean something here.
    pub has_local_pids: bool,
    pub can_freeze: bool,
    pub can_tty: bool,
    /// How it holds `limits.memory` and `limits.processes`, as far as known before the first
    /// attempt. With control groups, `processes` counts threads too.
    pub limit_means: LimitMeans,
}

/// Runs attempts somewhere.
///
/// No call blocks; what comes of it is reported. A call that names an attempt that has ended
/// or never began does nothing: such calls cross with reports on their way.
pub trait Backend: Send {
    /// Returns what this back end can do.
    fn capabilities(&self) -> Capabilities;

    /// Starts an attempt. Answered by `Started`, `UpToDate` or `SpawnFailed`.
    fn launch(&mut self, order: LaunchOrder);

    /// Sends a signal to the whole tree, and SIGCONT behind it when the tree is stopped (not
    /// behind SIGSTOP).
    fn signal(&mut self, attempt: AttemptId, signal: i32);

    /// Ends the whole tree with SIGKILL. Always answered by `TreeGone`, before that by
    /// `LeaderEnded` when that has not been sent.
    fn kill(&mut self, attempt: AttemptId);

    /// Stops the whole tree with SIGSTOP.
    fn freeze(&mut self, attempt: AttemptId);

    /// Lets a stopped tree go on.
    fn thaw(&mut self, attempt: AttemptId);

    /// Returns when every order so far has been carried out.
    fn flush(&mut self);

    /// Ends every attempt as [`Backend::kill`] does, and returns when nothing is left (or
    /// cannot be ended). Takes no orders afterwards. Must not be called from the sink.
    fn shutdown(&mut self);
}
