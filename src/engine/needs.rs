//! Tasks that wait for tasks, and jobs that wait for jobs: who may go on, who is skipped.

use super::state::{Gate, JobState, Verdict};
use super::{Effect, Engine, Fault};
use crate::model::{Event, JobNo, Outcome, TaskIdx, limits};
use crate::plan::EachMap;
use std::collections::BTreeSet;

/// What must be looked at before an input is dealt with.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// Tasks that something has changed for.
    tasks: BTreeSet<TaskIdx>,
    links: Vec<LinkChore>,
}

/// Linked jobs that may be skipped now.
#[derive(Clone, Copy, Debug)]
enum LinkChore {
    /// All jobs of a task.
    All(TaskIdx),
    One(TaskIdx, u32),
    /// The jobs that need this job of a task.
    DownsOf(TaskIdx, u32),
}

impl Engine {
    /// Remembers what a fact makes necessary to look at.
    pub(super) fn note_chores(&mut self, event: &Event) {
        match event {
            Event::RunStarted { .. } | Event::RunStopping { .. } | Event::Resumed { .. } => {
                let count = self.state.schedule().tasks.len() as u32;
                self.chores.tasks.extend((0..count).map(TaskIdx));
            }
            Event::JobsAdded { task, .. } | Event::InputsFailed { task, .. } => {
                self.chores.tasks.insert(*task);
                self.check_links(*task);
            }
            Event::TaskEnded { task } => {
                for (down, _) in self.state.dependents_of(*task) {
                    self.chores.tasks.insert(down);
                    if self.state.is_void(*task) {
                        self.check_links(down);
                    }
                }
            }
            Event::JobEnded { job, task, .. } => {
                self.chores.tasks.insert(*task);
                if let Some((_, index)) = self.state.task_of(*job) {
                    self.chores.links.push(LinkChore::DownsOf(*task, index));
                }
            }
            Event::RestEnded { task, .. } => {
                self.chores.tasks.insert(*task);
                for (down, _) in self.state.dependents_of(*task) {
                    self.check_links(down);
                }
            }
            Event::Unskipped { task, .. } => {
                self.chores.tasks.insert(*task);
                self.check_links(*task);
            }
            Event::JobRetrying { job, .. } | Event::BackoffOver { job } => {
                if let Some((task, index)) = self.state.task_of(*job) {
                    self.chores.tasks.insert(task);
                    self.chores.links.push(LinkChore::One(task, index));
                }
            }
            _ => {}
        }
    }

    fn check_links(&mut self, task: TaskIdx) {
        if self.state.is_linked(task) {
            self.chores.links.push(LinkChore::All(task));
        }
    }

    pub(super) fn do_chores(&mut self) {
        if self.state.started().is_none() {
            return;
        }
        loop {
            if let Some(chore) = self.chores.links.pop() {
                self.skip_doomed(chore);
                continue;
            }
            // When everything is cancelled, jobs that need others go first: otherwise each of
            // them would be looked at for every job it is linked to, and be called skipped.
            let tasks = &mut self.chores.tasks;
            let next = match self.state.ending() {
                Some(_) => tasks.pop_last(),
                None => tasks.pop_first(),
            };
            let Some(task) = next else { return };
            self.tend_task(task);
        }
    }

    /// Does what is due for a task: cancel or skip its jobs, read its inputs, end it.
    fn tend_task(&mut self, task: TaskIdx) {
        let ending = self.state.ending().is_some();
        let shut = self.state.gate(task) == Gate::Shut;
        if self.state.task_unread(task) {
            // Links to a task without jobs cannot be made: nothing would ever come.
            let lost = shut && self.is_late(task);
            if ending || lost {
                self.emit(Event::TaskEnded { task });
            } else {
                self.expand(task);
            }
            return;
        }
        let waiting = self.state.waiting(task);
        if waiting > 0 && ending {
            self.end_rest(task, Outcome::Cancelled);
        } else if waiting > 0 && shut {
            let upstream = self.state.unmet_need(task).unwrap_or(task);
            self.end_rest(task, Outcome::Skipped { upstream });
        }
        let counts = self.state.task_counts(task);
        let done = counts.waiting() == 0 && counts.running == 0;
        if done && self.state.task_ended(task).is_none() {
            self.emit(Event::TaskEnded { task });
        }
    }

    /// Whether nobody will send the inputs of an unread task whose needs did not end as needed.
    fn is_late(&self, task: TaskIdx) -> bool {
        let rules = self.state.rules(task);
        let void = |need: &crate::plan::Need| need.each && self.state.is_void(need.task);
        rules.expand_when_ready || rules.needs.iter().any(void)
    }

    fn expand(&mut self, task: TaskIdx) {
        let due = self.state.rules(task).expand_when_ready
            && self.state.all_needs_ended(task)
            && self.state.gate(task) == Gate::Open
            && self.state.run_paused().is_none()
            && !self.state.is_expanding(task);
        if due {
            self.emit(Event::Expanding { task });
            self.effect(Effect::Expand { task });
        }
    }

    fn end_rest(&mut self, task: TaskIdx, outcome: Outcome) {
        let count = self.state.waiting(task);
        self.emit(Event::RestEnded { task, outcome, count, at: self.now });
    }

    fn skip_doomed(&mut self, chore: LinkChore) {
        match chore {
            LinkChore::One(task, index) => self.skip_if_doomed(task, index),
            LinkChore::All(task) => self.skip_all_doomed(task),
            LinkChore::DownsOf(task, index) => {
                for (down, need) in self.state.dependents_of(task) {
                    let Some(map) = self.state.link(down, need) else { continue };
                    for d in map.downs_of(index) {
                        self.skip_if_doomed(down, d);
                    }
                }
            }
        }
    }

    fn skip_if_doomed(&mut self, task: TaskIdx, index: u32) {
        if !self.state.is_linked(task) || !self.state.is_idle(task, index) {
            return;
        }
        if let Verdict::Doomed(upstream) = self.state.each_verdict(task, index)
            && !self.has(Fault::ForgetSkips)
        {
            self.end_job(self.job(task, index), task, index, Outcome::Skipped { upstream });
        }
    }

    fn skip_all_doomed(&mut self, task: TaskIdx) {
        let doomed: Vec<(u32, TaskIdx)> = self
            .state
            .idle_jobs(task)
            .filter_map(|index| match self.state.each_verdict(task, index) {
                Verdict::Doomed(upstream) => Some((index, upstream)),
                _ => None,
            })
            .collect();
        let Some((_, upstream)) = doomed.first().copied() else { return };
        let all = doomed.len() as u32 == self.state.waiting(task)
            && self.state.only_idle_wait(task)
            && doomed.iter().all(|(_, up)| *up == upstream);
        if all && doomed.len() > 1 {
            self.end_rest(task, Outcome::Skipped { upstream });
            return;
        }
        for (index, _) in doomed {
            self.skip_if_doomed(task, index);
        }
    }

    fn job(&self, task: TaskIdx, index: u32) -> JobNo {
        self.state.job_of(task, index).unwrap_or(JobNo(0))
    }

    // ---- inputs of tasks

    pub(super) fn add_jobs(&mut self, task: TaskIdx, count: u32, each: Vec<EachMap>) {
        if !self.awaits_inputs(task) {
            return;
        }
        let links = match self.check_maps(task, count, each) {
            Ok(links) => links,
            Err(error) => return self.fail_inputs(task, error),
        };
        for (upstream, map) in links {
            self.emit(Event::Linked { task, upstream, map });
        }
        let first = JobNo(self.state.counts().total + 1);
        self.emit(Event::JobsAdded { task, first, count });
        self.check_fail_fast();
    }

    pub(super) fn fail_inputs(&mut self, task: TaskIdx, error: String) {
        if !self.awaits_inputs(task) {
            return;
        }
        let why = format!("the inputs of `{}` could not be read", self.state.rules(task).name);
        self.emit(Event::InputsFailed { task, error });
        self.obey_on_failure(task, why);
        self.check_fail_fast();
    }

    fn awaits_inputs(&self, task: TaskIdx) -> bool {
        let known = (task.0 as usize) < self.state.schedule().tasks.len();
        known && self.state.task_unread(task)
    }

    /// Pairs the maps with the needs they are for, and holds them against what is known.
    fn check_maps(
        &self,
        task: TaskIdx,
        count: u32,
        each: Vec<EachMap>,
    ) -> Result<Vec<(TaskIdx, EachMap)>, String> {
        let total = u64::from(self.state.counts().total) + u64::from(count);
        if total > u64::from(limits::JOBS) {
            return Err(format!("a run has at most {} jobs, this makes {total}", limits::JOBS));
        }
        let needs = &self.state.rules(task).needs;
        let ups = needs.iter().filter(|n| n.each && !self.state.is_void(n.task)).map(|n| n.task);
        let ups: Vec<TaskIdx> = ups.collect();
        // Nobody can tell the jobs of a task that has none by failure: its map may be left out.
        let all = needs.iter().filter(|n| n.each).map(|n| n.task);
        let pairs: Vec<(TaskIdx, EachMap)> = if each.len() == ups.len() {
            ups.into_iter().zip(each).collect()
        } else {
            let all: Vec<TaskIdx> = all.collect();
            if each.len() != all.len() {
                return Err(format!("{} links for {} needs with `each`", each.len(), all.len()));
            }
            let pairs = all.into_iter().zip(each);
            pairs.filter(|(up, _)| !self.state.is_void(*up)).collect()
        };
        for (up, map) in &pairs {
            let known = self.state.is_read(*up).then(|| self.state.task_counts(*up).total);
            if map.down_count() != u64::from(count)
                || known.is_some_and(|known| map.up_count() != u64::from(known))
            {
                let up = &self.state.rules(*up).name;
                return Err(format!("the links to the jobs of `{up}` do not fit their number"));
            }
        }
        Ok(pairs)
    }

    // ---- retry by hand

    /// After a job was taken back by hand: the jobs that were skipped because of it wait
    /// again, and those skipped because of them.
    pub(super) fn undo_skips(&mut self, job: JobNo) {
        let Some((task, index)) = self.state.task_of(job) else { return };
        let mut todo = vec![(task, Some(index))];
        while let Some((up, only)) = todo.pop() {
            for (down, need) in self.state.dependents_of(up) {
                let each = self.state.rules(down).needs[need].each;
                if self.state.is_closed(down) {
                    if self.state.gate(down) != Gate::Shut {
                        self.unskip(down, up, None, 0);
                        todo.push((down, None));
                    }
                } else if let (true, Some(only)) = (each, only) {
                    let Some(map) = self.state.link(down, need) else { continue };
                    for d in map.downs_of(only) {
                        if self.is_skipped_by(down, d, up) {
                            self.unskip(down, up, self.state.job_of(down, d), 1);
                            todo.push((down, Some(d)));
                        }
                    }
                } else {
                    let total = self.state.task_counts(down).total;
                    let count =
                        (0..total).filter(|i| self.is_skipped_by(down, *i, up)).count() as u32;
                    if count > 0 {
                        self.unskip(down, up, None, count);
                        todo.push((down, None));
                    }
                }
            }
        }
    }

    fn is_skipped_by(&self, task: TaskIdx, index: u32, upstream: TaskIdx) -> bool {
        let skipped = JobState::Ended { outcome: Outcome::Skipped { upstream } };
        let job = self.state.job_of(task, index);
        job.and_then(|job| self.state.job_state(job)) == Some(skipped)
    }

    fn unskip(&mut self, task: TaskIdx, upstream: TaskIdx, job: Option<JobNo>, count: u32) {
        self.emit(Event::Unskipped { task, upstream, job, count });
    }
}
