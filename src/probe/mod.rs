//! The probe: looks at the machine and at the processes of running attempts, on a thread of its
//! own. What it sees is for the eyes; only a rule of the task file turns it into a [`Finding`].
//!
//! It never changes anything, and it reads nothing of a process that could wait for that
//! process (no command line, no memory map). If it is stuck all the same, on a dead network
//! disk that holds an output file, only its samples stop.

mod aside;
mod cores;
mod cpus;
mod files;
mod host;
mod load;
mod machine;
mod processes;
mod procfs;
mod quiet;
mod shortage;
mod spread;
pub mod stacks;
mod sum;
mod threads;
mod trees;
pub mod waits;

pub use cores::core_infos;
pub use cpus::{Cpus, usable_cpus};
pub use host::machine_info;
pub use shortage::{Shortage, read_shortage};

use crate::clock;
use crate::model::exec::Finding;
use crate::model::{AttemptId, Mono, Now, ProcRef, Sample, limits};
use aside::{Aside, Order};
use machine::Machine;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use trees::Trees;

/// An attempt to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub attempt: AttemptId,
    /// Its leader.
    pub proc: ProcRef,
    /// Files that its stdout and stderr go to.
    pub output: [Option<PathBuf>; 2],
    /// The `after` of the task's `quiet` rule.
    pub quiet: Option<Duration>,
    /// Threads that the task file gives it; at least 1.
    pub threads: u32,
    /// It is paused, or waits for one of ganger's own locks: being still means nothing.
    pub paused: bool,
}

/// The attempts that a probe looks at. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct WatchList(Arc<Mutex<BTreeMap<AttemptId, Watched>>>);

impl WatchList {
    /// Looks at an attempt from now on.
    pub fn watch(&self, watched: Watched) {
        lock(&self.0).insert(watched.attempt, watched);
    }

    /// Looks at an attempt no longer.
    pub fn unwatch(&self, attempt: AttemptId) {
        lock(&self.0).remove(&attempt);
    }

    /// Says whether being still means something for an attempt.
    pub fn set_paused(&self, attempt: AttemptId, paused: bool) {
        if let Some(watched) = lock(&self.0).get_mut(&attempt) {
            watched.paused = paused;
        }
    }

    fn all(&self) -> Vec<Watched> {
        lock(&self.0).values().cloned().collect()
    }

    fn holds(&self, attempt: AttemptId) -> bool {
        lock(&self.0).contains_key(&attempt)
    }
}

/// A running probe; dropping it ends its thread.
pub struct Probe {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    life: Mutex<Life>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Life {
    #[default]
    Looking,
    ToEnd,
    Ended,
}

impl Probe {
    /// Starts looking: soon for the first time, then every [`limits::PROBE_INTERVAL`].
    ///
    /// Both functions are called on the probe's thread and should be short.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        list: WatchList,
        on_sample: impl FnMut(Arc<Sample>) + Send + 'static,
        on_finding: impl FnMut(Finding) + Send + 'static,
    ) -> io::Result<Probe> {
        let shared = Arc::new(Shared::default());
        let mut looker = Looker::new()?;
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
            look_until_the_end(&mut looker, &of_thread, &list, on_sample, on_finding);
            *lock(&of_thread.life) = Life::Ended;
            of_thread.changed.notify_all();
        })?;
        Ok(Probe { shared, thread: Some(thread) })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut life = lock(&self.shared.life);
        if *life == Life::Looking {
            *life = Life::ToEnd;
        }
        self.shared.changed.notify_all();
        // A look that is stuck must not keep ganger from ending: then the thread is left alone.
        let (life, _) = self
            .shared
            .changed
            .wait_timeout_while(life, limits::PROBE_INTERVAL, |life| *life != Life::Ended)
            .unwrap_or_else(PoisonError::into_inner);
        if *life == Life::Ended
            && let Some(thread) = self.thread.take()
        {
            drop(life);
            // It has nothing to say: a panic in a look has been printed already.
            let _ = thread.join();
        }
    }
}

/// Takes one look after the other. What [`Probe`] runs on its thread; a benchmark may run it on
/// its own.
pub struct Looker {
    machine: Machine,
    trees: Trees,
    aside: Aside,
    n_looks: u64,
}

impl Looker {
    /// # Errors
    /// When the system gives no thread for what is read aside.
    pub fn new() -> io::Result<Looker> {
        Ok(Looker {
            machine: Machine::new(Path::new("/proc")),
            trees: Trees::new(PathBuf::from("/proc")),
            aside: Aside::start()?,
            n_looks: 0,
        })
    }

    /// Looks at the machine and at these attempts.
    pub fn look(
        &mut self,
        now: Now,
        watched: &[Watched],
        on_finding: &mut dyn FnMut(Finding),
    ) -> Sample {
        // The machine first: it says what was started, so that the trees know whether and where
        // they have to look for new processes.
        let mut machine = self.machine.look(now.mono);
        let mut trees = self.trees.look(now, watched, self.machine.born(), on_finding);
        spread::spread(&mut machine.cores, self.trees.uses());

        let seen = self.aside.report();
        machine.own.resident_bytes = seen.own_bytes;
        for core in &mut machine.cores {
            core.mhz = seen.mhz.get(&core.core).copied();
        }
        for tree in &mut trees {
            let details = seen.attempts.get(&tree.attempt).copied().unwrap_or_default();
            tree.fds = details.fds;
            tree.voluntary_switches_per_s = details.voluntary_switches_per_s;
        }
        if self.n_looks.is_multiple_of(limits::PROBE_SLOW_LOOKS) {
            self.aside.ask(Order {
                processes: self.trees.heaviest().to_vec(),
                cores: machine.cores.iter().map(|c| c.core).collect(),
            });
        }
        self.n_looks += 1;
        Sample { at: now.mono, machine, trees, outputs: self.trees.outputs() }
    }
}

fn look_until_the_end(
    looker: &mut Looker,
    shared: &Shared,
    list: &WatchList,
    mut on_sample: impl FnMut(Arc<Sample>),
    mut on_finding: impl FnMut(Finding),
) {
    let mut pause = limits::PROBE_FIRST_LOOK;
    while waited(shared, pause) {
        let now = clock::now();
        let sample = looker.look(now, &list.all(), &mut |finding| {
            // It may have ended while the look went on.
            if list.holds(finding.attempt) {
                on_finding(finding);
            }
        });
        on_sample(Arc::new(sample));
        pause = pause_after(clock::mono(), now.mono);
    }
}

/// Time from one look to the next: the interval, or longer where a look is dear.
fn pause_after(now: Mono, began: Mono) -> Duration {
    let cost = now.since(began);
    limits::PROBE_INTERVAL.saturating_sub(cost).max(cost * limits::PROBE_COST_DIVISOR)
}

/// Waits for the next look; `false` when there is none.
fn waited(shared: &Shared, pause: Duration) -> bool {
    let life = lock(&shared.life);
    let (life, _) = shared
        .changed
        .wait_timeout_while(life, pause, |life| *life == Life::Looking)
        .unwrap_or_else(PoisonError::into_inner);
    *life == Life::Looking
}

/// A poisoned lock still holds a whole list: every change of it is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
