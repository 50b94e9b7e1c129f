//! The primitives that jobs share, as part of a run: what clients ask for, what jobs take before
//! they start, and what happens when a circle of waits has closed.

use super::locks::{Circle, Told, WaitNo, sentence};
use super::{Effect, Engine};
use crate::model::locks::{
    ClientNo, Deadlock, LockChange, LockState, Member, NOBODY, Name, Op, Party,
};
use crate::model::{Event, JobNo, Requester, StopHow, StopReason, TaskIdx};
use crate::plan::OnDeadlock;
use std::collections::BTreeSet;

/// More permits than anybody could hold at once.
const PERMITS_AT_MOST: u32 = 1_000_000;

/// `bounded_semaphore` as "a bounded semaphore".
fn a(word: &str) -> String {
    let article = if word.starts_with('e') { "an" } else { "a" };
    format!("{article} {}", word.replace('_', " "))
}

impl Engine {
    /// Takes in what clients and processes do. The engine's own changes come from nobody else.
    pub(super) fn take_lock_changes(&mut self, changes: Vec<LockChange>) {
        for change in changes {
            let own = matches!(
                change,
                LockChange::TimePassed | LockChange::Settled | LockChange::CellOpened { .. }
            );
            if !own {
                self.change_locks(change);
            }
        }
    }

    fn change_locks(&mut self, change: LockChange) {
        let at = self.now.mono;
        self.emit(Event::Shared { at, change: Box::new(change) });
    }

    /// Does what is to be told after a fact.
    pub(super) fn tell(&mut self) {
        for told in self.state.take_told() {
            match told {
                Told::Answer { client: NOBODY, .. } => {}
                Told::Answer { client, id, result } => {
                    self.effect(Effect::Tell { client, id, result });
                }
                Told::Notice(notice) => {
                    self.emit(Event::LockNoticed { notice: Box::new(notice), at: self.now });
                }
            }
        }
    }

    /// Lets waits end whose time is up.
    pub(super) fn pass_lock_deadlines(&mut self) {
        if self.state.locks().deadline().is_some_and(|at| at <= self.now.mono) {
            self.change_locks(LockChange::TimePassed);
        }
    }

    /// Tasks whose next job can have what it takes by now.
    pub(super) fn free_tasks(&mut self) {
        for task in self.state.locks().awaiting() {
            let takes = &self.state.rules(task).takes;
            if self.state.awaits_locks(task) && self.state.locks().could_take(task, takes) {
                self.emit(Event::LocksFree { task });
            }
        }
    }

    /// Whether jobs of a task have to wait for what they take; then they do.
    pub(super) fn must_await(&mut self, task: TaskIdx) -> bool {
        let takes = &self.state.rules(task).takes;
        if takes.is_empty() || self.state.locks().could_take(task, takes) {
            return false;
        }
        let names = takes.locks.iter().map(|(n, _)| n).chain(takes.uses.iter().map(|(n, _)| n));
        let elsewhere = self.state.locks().elsewhere(names);
        self.emit(Event::LocksAwaited { task, at: self.now });
        for name in elsewhere {
            self.effect(Effect::CloseCell { name });
        }
        true
    }

    /// What is still free after jobs had their turn goes to those who wait.
    pub(super) fn settle_locks(&mut self) {
        if self.state.locks().is_owing() {
            self.change_locks(LockChange::Settled);
        }
    }

    // ---- acts of people

    /// Gives a semaphore another number of permits.
    pub(super) fn resize_semaphore(&mut self, name: &Name, max: u32) -> Result<String, String> {
        let Some(view) = self.state.locks().view_of(name) else {
            return Err(format!("nothing of this run is called `{name}`"));
        };
        let (LockState::Semaphore { max: old, .. } | LockState::BoundedSemaphore { max: old, .. }) =
            view.state
        else {
            return Err(format!("`{name}` is {}, not a semaphore", a(view.state.word())));
        };
        if !(1..=PERMITS_AT_MOST).contains(&max) {
            return Err(format!(
                "a semaphore has 1 to {PERMITS_AT_MOST} permits, and `{name}` has {old}"
            ));
        }
        if old == max {
            return Err(format!("semaphore `{name}` has {max} permits already"));
        }
        self.change_for_people(Op::SemaphoreResize { name: name.clone(), max });
        let left = self.state.locks().view_of(name).map_or(0, |view| view.n_waiters);
        let out: u32 = view.holders.iter().map(|holder| holder.count).sum();
        let more = match (max > old, view.n_waiters.saturating_sub(left)) {
            (true, 0) => String::new(),
            (true, n) => format!("; {n} of {} that waited go on", view.n_waiters),
            (false, _) if out > max => format!("; {out} are out and come back first"),
            (false, _) => String::new(),
        };
        Ok(format!("semaphore `{name}`: {old} -> {max} permits{more}"))
    }

    /// Says that no item comes into a queue any more.
    pub(super) fn close_queue(&mut self, name: &Name) -> Result<String, String> {
        let Some(view) = self.state.locks().view_of(name) else {
            return Err(format!("nothing of this run is called `{name}`"));
        };
        let LockState::Queue { depth, closed, waiting_putters, .. } = view.state else {
            return Err(format!("`{name}` is {}, not a queue", a(view.state.word())));
        };
        if closed {
            return Err(format!("queue `{name}` is closed already"));
        }
        self.change_for_people(Op::QueueClose { name: name.clone() });
        let left = match depth {
            0 => "it is empty".to_owned(),
            1 => "1 item can still be got".to_owned(),
            n => format!("{n} items can still be got"),
        };
        let refused = match waiting_putters {
            0 => String::new(),
            1 => ", 1 that waited to put was refused".to_owned(),
            n => format!(", {n} that waited to put were refused"),
        };
        Ok(format!("queue `{name}` is closed: {left}{refused}"))
    }

    fn change_for_people(&mut self, op: Op) {
        let (client, id, party): (ClientNo, _, _) = (NOBODY, 0, Party::default());
        self.change_locks(LockChange::Asked { client, id, party, op });
    }

    /// What nobody waits for goes back to the memory that clients share.
    pub(super) fn open_cells(&mut self) {
        for (name, permits) in self.state.take_openable() {
            self.change_locks(LockChange::CellOpened { name: name.clone() });
            self.effect(Effect::OpenCell { name, permits });
        }
    }

    // ---- deadlocks

    /// Looks for circles that waits have closed, and for those that are no more.
    pub(super) fn check_deadlocks(&mut self) {
        self.drop_stuck();
        let over = |deadlock: &&Deadlock| self.is_over(deadlock);
        let gone: Vec<u64> = self.state.deadlocks().iter().filter(over).map(|d| d.id).collect();
        let any_gone = !gone.is_empty();
        for id in gone {
            self.emit(Event::DeadlockGone { id, at: self.now });
        }
        let begun = self.state.take_begun();
        let suspect = |no: &WaitNo| self.state.locks().may_close_circle(*no);
        if !any_gone && !begun.iter().any(suspect) {
            return;
        }
        let known = self.state.deadlocks().iter();
        let known: BTreeSet<WaitNo> = known.flat_map(|d| d.waits.iter().copied()).collect();
        for circle in self.state.locks().circles(&known) {
            self.report_circle(circle);
        }
    }

    fn report_circle(&mut self, circle: Circle) {
        let name = |party: &Party| match party.job() {
            Some(job) => self.state.job_words(job),
            None => party.to_string(),
        };
        let text = sentence(&circle.members, name);
        let members: Vec<Member> = circle
            .members
            .into_iter()
            .map(|link| Member {
                job: link.party.job(),
                task: link.party.job().and_then(|job| self.state.task_of(job)).map(|(t, _)| t),
                holds: link.holds.into_iter().collect(),
                wants: link.wants.into_iter().collect(),
                since: link.since,
                party: link.party,
            })
            .collect();
        let deadlock = Deadlock {
            id: self.state.deadlocks_so_far() + 1,
            at: self.now.mono,
            members,
            closed_by: circle.closed_by as u32,
            behind: circle.behind,
            until: circle.until,
            waits: circle.waits.into_iter().collect(),
            seen: Vec::new(),
            text,
        };
        self.tell_deadlock(deadlock);
    }

    /// Tells of a circle and does what the task file says about such.
    pub(super) fn tell_deadlock(&mut self, deadlock: Deadlock) {
        let jobs: Vec<JobNo> = deadlock.members.iter().filter_map(|member| member.job).collect();
        let text = deadlock.text.clone();
        self.emit(Event::DeadlockFound { deadlock: Box::new(deadlock), at: self.now });
        match self.state.schedule().shared.on_deadlock {
            OnDeadlock::Report => {}
            OnDeadlock::StopYoungest => self.stop_youngest(&jobs),
            OnDeadlock::Stop => {
                self.stop_by_rule(StopHow::Stop, format!("deadlock: {text}"));
            }
        }
    }

    /// Stops the attempt that started last; it gives back what it holds.
    fn stop_youngest(&mut self, jobs: &[JobNo]) {
        let attempts = jobs.iter().filter_map(|job| self.state.attempt(*job));
        let youngest = attempts.max_by_key(|attempt| (attempt.launched, attempt.id.job));
        if let Some(job) = youngest.map(|attempt| attempt.id.job) {
            self.stop_attempt(job, StopReason::Deadlock, &Requester::Rule, false);
        }
    }
}
