//! Effects into the world, and events into the edges that follow them.

use super::launch::{Place, threads_of};
use super::prepare::Expanded;
use super::{Message, Supervisor, prepare};
use crate::broker::{has_only_children, only_waits};
use crate::clock;
use crate::engine::{Effect, Waiting};
use crate::exec::Backend;
use crate::model::{AttemptId, Command, Event, ExecReport, ProcRef, Slot, TaskIdx};
use crate::probe::{Watched, read_shortage};
use std::path::PathBuf;
use std::sync::Arc;

impl Supervisor {
    /// Does one thing that the engine asked for.
    pub(super) fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Launch { attempt, task, index, slot } => {
                self.launch(attempt, task, index, slot)
            }
            Effect::Signal { attempt, signal } => self.backend.signal(attempt, signal),
            Effect::Kill { attempt } => self.backend.kill(attempt),
            Effect::Freeze { attempt } => {
                self.watch.set_paused(attempt, true);
                self.backend.freeze(attempt);
            }
            Effect::Thaw { attempt } => {
                self.watch.set_paused(attempt, false);
                self.backend.thaw(attempt);
            }
            Effect::Expand { task } => self.read_inputs(vec![task]),
            Effect::Tell { client, id, result } => self.tell_shared(client, id, result),
            Effect::LookForHelp { no, waiting } => self.look_for_help(no, waiting),
            // Not at once: the engine must not be entered twice.
            Effect::CloseCell { name } => self.to_close.push(name),
            Effect::OpenCell { name, permits } => self.cells.open(&name, permits),
        }
    }

    /// Lets the edges know of what has happened.
    pub(super) fn follow(&mut self, event: &Event) {
        match event {
            Event::AttemptStarted { attempt, proc, .. } => {
                let Some((task, _)) = self.engine.state().task_of(attempt.job) else { return };
                let rules = &self.prepared.schedule.tasks[task.0 as usize];
                let path = |p: Option<crate::model::Text>| {
                    p.map(|p| PathBuf::from(std::ffi::OsString::from_vec(p.0)))
                };
                use std::os::unix::ffi::OsStringExt;
                let files = self.outputs.files(*attempt);
                let pool = &self.engine.state().pools()[rules.pool.0 as usize];
                let spec = &self.prepared.plan.tasks[task.0 as usize];
                // A job that takes three places may keep as many cores busy.
                let threads = threads_of(&self.prepared, spec, pool.size())
                    .unwrap_or_else(|| pool.effective_weight(rules.weight));
                self.watch.watch(Watched {
                    attempt: *attempt,
                    proc: *proc,
                    output: [path(files.stdout), path(files.stderr)],
                    quiet: rules.quiet.map(|q| q.after),
                    threads: threads.max(1),
                    paused: false,
                });
                self.publisher.waits.changed();
            }
            Event::AttemptEnded { attempt, .. } => {
                self.watch.unwatch(*attempt);
                self.publisher.waits.changed();
            }
            _ => {}
        }
    }

    fn launch(&mut self, attempt: AttemptId, task: TaskIdx, index: u32, slot: Slot) {
        let pool_size = self.engine.state().pools()[slot.pool.0 as usize].size();
        let place = Place { attempt, task, index, slot, pool_size };
        let order = match &self.inputs[task.0 as usize] {
            Some(inputs) => self.launcher.order(place, &Arc::clone(inputs)),
            None => Err("its inputs are not there".to_owned()),
        };
        match order {
            Ok(order) => self.backend.launch(order),
            Err(error) => {
                // Through the queue, not at once: the engine must not be entered twice.
                let report = ExecReport::SpawnFailed { attempt, error, at: clock::now() };
                self.later(Message::Exec(report));
            }
        }
    }

    /// Reads the inputs of tasks on a thread of its own, since that may block.
    pub(super) fn read_inputs(&mut self, tasks: Vec<TaskIdx>) {
        let prepared = Arc::clone(&self.prepared);
        let queue = self.queue.clone();
        let of_thread = tasks.clone();
        let read = move || {
            let all = of_thread.iter().map(|task| prepare::expand(&prepared, *task)).collect();
            drop(queue.blocking_send(Message::Expanded(all)));
        };
        match std::thread::Builder::new().name("inputs".to_owned()).spawn(read) {
            Ok(_runs_by_itself) => self.n_reading += 1,
            Err(e) => {
                let failed = |task| Expanded {
                    task,
                    inputs: Err(format!("cannot start a thread to read its inputs: {e}")),
                    is_misfit: false,
                    unknown: Vec::new(),
                    warnings: Vec::new(),
                };
                self.n_reading += 1;
                self.later(Message::Expanded(tasks.into_iter().map(failed).collect()));
            }
        }
    }

    /// Looks how short memory and disk are, where a dead network disk blocks nobody.
    pub(super) fn read_shortage(&self) {
        let (queue, dir) = (self.queue.clone(), self.folder.dir.clone());
        tokio::task::spawn_blocking(move || {
            drop(queue.blocking_send(Message::Shortage(read_shortage(&dir))));
        });
    }

    /// Looks at the processes of jobs that seem to wait for each other, where it holds up nobody.
    fn look_for_help(&self, no: u64, waiting: Vec<Waiting>) {
        let queue = self.queue.clone();
        tokio::task::spawn_blocking(move || {
            let leaders: Vec<ProcRef> = waiting.iter().map(|job| job.leader).collect();
            let only_wait = has_only_children(&leaders)
                && waiting.iter().all(|job| only_waits(job.leader, &job.procs));
            if only_wait {
                drop(queue.blocking_send(Message::NoHelp(no)));
            }
        });
    }

    /// Puts a message of our own into the queue.
    fn later(&self, message: Message) {
        let queue = self.queue.clone();
        tokio::spawn(async move { queue.send(message).await.ok() });
    }

    /// Finds out whether everything that a command names exists.
    pub(super) fn check(&self, command: &Command) -> Result<(), String> {
        let state = self.engine.state();
        let n_jobs = state.counts().total;
        let n_pools = state.pools().len();
        let (job, pool) = command.about();
        match (job, pool) {
            (Some(job), _) if job.0 == 0 || job.0 > n_jobs => {
                Err(format!("no job {job}: this run has {n_jobs} jobs so far"))
            }
            (_, Some(pool)) if usize::from(pool.0) >= n_pools => {
                Err(format!("no pool {}: this run has {n_pools}", pool.0))
            }
            _ => Ok(()),
        }
    }
}
