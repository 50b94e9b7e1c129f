//! Commands of people, each answered in words.

use super::state::{AttemptPhase, JobState};
use super::stop::{by_words, how_words, outcome_words};
use super::{Effect, Engine};
use crate::model::{
    Answer, Asked, AttemptId, Command, Event, JobNo, Outcome, PauseTarget, PoolIdx, Requester,
    StopHow, StopReason, signal_name,
};
use std::collections::BTreeSet;

/// `Ok`: done, in words; `Err`: refused, and why.
type Words = Result<String, String>;

impl Engine {
    pub(super) fn answer(&mut self, asked: Asked) -> Answer {
        let Asked { by, command } = asked;
        let words = match command {
            Command::Scale { pool, size, now } => self.scale(pool, size, now, by),
            Command::Pause { target } => self.pause(target, by),
            Command::Resume { target } => self.resume(target, by),
            Command::Kill { job, now } => self.kill_job(job, now, &by),
            Command::Signal { job, signal } => self.signal_job(job, signal, by),
            Command::Retry { job } => self.retry_job(job, by),
            Command::Stop { how } => return self.ask_to_stop(how, by),
            Command::Prioritize { job, to } => self.prioritize(job, to, by),
            Command::ResizeSemaphore { name, max } => self.resize_semaphore(&name, max),
            Command::CloseQueue { name } => self.close_queue(&name),
            Command::Many { commands } => return self.do_many(commands, &by),
            // Whoever keeps what was done, and how it is taken back, says what that means.
            Command::Undo { act } => Err(format!("nothing is known of act {act}")),
        };
        words.map_or_else(Answer::Refused, Answer::Done)
    }

    // ---- pools

    fn scale(&mut self, pool: PoolIdx, size: u32, now: bool, by: Requester) -> Words {
        let Some(rules) = self.state.schedule().pools.get(pool.0 as usize) else {
            return Err(format!("there is no pool {}", pool.0));
        };
        let name = rules.name.clone();
        if !(rules.min..=rules.max).contains(&size) {
            let (min, max) = (rules.min, rules.max);
            return Err(format!("pool `{name}` takes {min} to {max} workers, not {size}"));
        }
        let from = self.state.pool(pool).size();
        let mut words = if from == size {
            format!("pool `{name}` has {size} workers already")
        } else {
            self.emit(Event::Scaled { pool, from, to: size, by: by.clone() });
            format!("pool `{name}`: {from} -> {size} workers")
        };
        if now {
            let stopped = self.stop_excess(pool, &by);
            if stopped > 0 {
                words += &format!("; {stopped} attempts stopped, their jobs go back to the queue");
            }
        } else if self.state.pool(pool).weight_used() > size {
            words += "; running attempts end first";
        }
        Ok(words)
    }

    /// Stops the newest attempts beyond the size of a pool; returns how many.
    fn stop_excess(&mut self, pool: PoolIdx, by: &Requester) -> u32 {
        let size = self.state.pool(pool).size();
        let mut staying: Vec<_> = self
            .state
            .attempts_running()
            .filter(|a| a.slot.pool == pool && a.stopping.is_none())
            // One that took the whole pool still does, once the pool is smaller.
            .map(|a| (a.launched, a.id.job, a.weight.min(size)))
            .collect();
        staying.sort_unstable();
        let mut weight: u32 = staying.iter().map(|(_, _, weight)| weight).sum();
        let mut stopped = 0;
        while (weight > size || size == 0)
            && let Some((_, job, heavy)) = staying.pop()
        {
            weight -= heavy;
            stopped += 1;
            self.stop_attempt(job, StopReason::Shrink, by, false);
        }
        stopped
    }

    // ---- pauses

    fn pause(&mut self, target: PauseTarget, by: Requester) -> Words {
        let (name, paused) = self.pause_target(target)?;
        if let Some(by) = paused {
            return Err(format!("{name} is paused already, {}", by_words(&by)));
        }
        if let Some(ending) = self.state.ending().filter(|e| e.how > StopHow::Drain) {
            return Err(format!("the run is {}", how_words(ending.how)));
        }
        if let PauseTarget::Job(job) = target {
            self.refuse_pause_of_job(job, &name)?;
        }
        let at = self.now;
        self.change_pauses(Event::Paused { target, by, at });
        Ok(format!("{name} is paused"))
    }

    fn refuse_pause_of_job(&self, job: JobNo, name: &str) -> Result<(), String> {
        if let Some(JobState::Ended { outcome }) = self.state.job_state(job) {
            return Err(format!("{name} has ended: it {}", outcome_words(outcome)));
        }
        if self.state.attempt(job).is_some_and(|a| a.stopping.is_some()) {
            return Err(format!("{name} is being stopped"));
        }
        Ok(())
    }

    fn resume(&mut self, target: PauseTarget, by: Requester) -> Words {
        let (name, paused) = self.pause_target(target)?;
        if paused.is_none() {
            let wider = match target {
                PauseTarget::Run => None,
                PauseTarget::Pool(_) => self.state.run_paused().map(|_| "the run".to_owned()),
                PauseTarget::Job(job) => self.wider_pause(job),
            };
            let wider = wider.map(|w| format!(" itself; {w} is")).unwrap_or_default();
            return Err(format!("{name} is not paused{wider}"));
        }
        let at = self.now;
        self.change_pauses(Event::Resumed { target, by, at });
        let still = match target {
            PauseTarget::Job(job) => self.wider_pause(job),
            _ => None,
        };
        let still = still.map(|w| format!(", but {w} is still paused")).unwrap_or_default();
        Ok(format!("{name} goes on{still}"))
    }

    /// What a pause is about, in words, and who has paused it already.
    fn pause_target(&self, target: PauseTarget) -> Result<(String, Option<Requester>), String> {
        match target {
            PauseTarget::Run => Ok(("the run".to_owned(), self.state.run_paused().cloned())),
            PauseTarget::Pool(pool) => {
                let rules = self.state.schedule().pools.get(pool.0 as usize);
                let rules = rules.ok_or_else(|| format!("there is no pool {}", pool.0))?;
                let by = self.state.pool(pool).paused().cloned();
                Ok((format!("pool `{}`", rules.name), by))
            }
            PauseTarget::Job(job) => {
                self.existing(job)?;
                Ok((self.name_of(job), self.state.job_paused(job).cloned()))
            }
        }
    }

    /// The pool or run whose pause covers a job.
    fn wider_pause(&self, job: JobNo) -> Option<String> {
        if self.state.run_paused().is_some() {
            return Some("the run".to_owned());
        }
        let (task, _) = self.state.task_of(job)?;
        let pool = self.state.rules(task).pool;
        self.state.pool(pool).paused()?;
        Some(format!("pool `{}`", self.state.schedule().pools[pool.0 as usize].name))
    }

    /// Emits a pause or a resume, and freezes and thaws what it changes for.
    fn change_pauses(&mut self, event: Event) {
        let frozen = |engine: &Engine| -> BTreeSet<AttemptId> {
            engine.state.attempts_running().filter(|a| a.is_frozen()).map(|a| a.id).collect()
        };
        let before = frozen(self);
        self.emit(event);
        let after = frozen(self);
        for attempt in after.difference(&before).copied() {
            self.effect(Effect::Freeze { attempt });
        }
        for attempt in before.difference(&after).copied() {
            self.effect(Effect::Thaw { attempt });
        }
    }

    // ---- jobs

    fn existing(&self, job: JobNo) -> Result<JobState, String> {
        self.state.job_state(job).ok_or_else(|| format!("there is no job {job} in this run"))
    }

    fn name_of(&self, job: JobNo) -> String {
        format!("job {}", self.state.job_name(job))
    }

    fn kill_job(&mut self, job: JobNo, now: bool, by: &Requester) -> Words {
        let (state, name) = (self.existing(job)?, self.name_of(job));
        if let JobState::Ended { outcome } = state {
            return Err(format!("{name} has ended: it {}", outcome_words(outcome)));
        }
        let Some(attempt) = self.state.attempt(job) else {
            if let Some((task, index)) = self.state.task_of(job) {
                self.end_job(job, task, index, Outcome::Cancelled);
            }
            return Ok(format!("{name} is cancelled in the queue; it was not running"));
        };
        let (id, launching) = (attempt.id, attempt.phase == AttemptPhase::Launching);
        let hurry = now || attempt.stopping.is_some();
        let sent_before = self.killed.contains(&job);
        self.stop_attempt(job, StopReason::Kill, by, hurry);
        Ok(if sent_before {
            format!("attempt {id} of {name} has been sent SIGKILL already")
        } else if launching {
            format!("attempt {id} of {name} is stopped as soon as it has started")
        } else if self.killed.contains(&job) {
            format!("attempt {id} of {name} is killed")
        } else {
            let stop = self.state.attempt(job).and_then(|a| a.stopping.clone());
            let left = stop.map(|s| s.kill_at.since(self.now.mono)).unwrap_or_default();
            format!("attempt {id} of {name} is asked to stop; SIGKILL in {left:?}")
        })
    }

    fn signal_job(&mut self, job: JobNo, signal: i32, by: Requester) -> Words {
        let (state, name) = (self.existing(job)?, self.name_of(job));
        let Some(attempt) = self.state.attempt(job) else {
            return Err(match state {
                JobState::Ended { outcome } => {
                    format!("{name} has ended: it {}", outcome_words(outcome))
                }
                _ => format!("{name} is not running"),
            });
        };
        let attempt_id = attempt.id;
        if attempt.phase == AttemptPhase::Launching {
            return Err(format!("attempt {attempt_id} of {name} has no process yet"));
        }
        self.emit(Event::Signalled { attempt: attempt_id, signal, by });
        self.effect(Effect::Signal { attempt: attempt_id, signal });
        Ok(format!("{} sent to attempt {attempt_id} of {name}", signal_name(signal)))
    }

    fn retry_job(&mut self, job: JobNo, by: Requester) -> Words {
        let (state, name) = (self.existing(job)?, self.name_of(job));
        let outcome = match state {
            JobState::Ended { outcome } => outcome,
            JobState::Running { attempt } => {
                return Err(format!("{name} is running (attempt {attempt})"));
            }
            _ => return Err(format!("{name} is waiting already")),
        };
        if outcome.is_success() {
            return Err(format!("{name} has ended well: it {}", outcome_words(outcome)));
        }
        if let Some(ending) = self.state.ending() {
            let (how, why) = (how_words(ending.how), &ending.why);
            let task = self.state.task_of(job).map_or("", |(t, _)| &self.state.rules(t).name);
            return Err(format!(
                "{name} cannot be tried again: the run is {how} ({why}), and nothing more starts; \
                 when it has ended, `ganger run FILE {task}` runs its task anew"
            ));
        }
        if let Outcome::Skipped { upstream } = outcome {
            let up = &self.state.rules(upstream).name;
            return Err(format!(
                "{name} was skipped, since `{up}` did not end as needed: retry that instead"
            ));
        }
        let ready_at = self.state.clock();
        self.emit(Event::JobRetrying { job, ready_at, by });
        self.undo_skips(job);
        let next = self.state.attempts(job) + 1;
        Ok(format!("{name} is queued again for attempt {next}"))
    }
}
