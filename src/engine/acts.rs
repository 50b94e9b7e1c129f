//! Acts of people on the queue and on many jobs at once, and how acts are taken back.

use super::Engine;
use super::state::{JobState, State};
use super::stop::{how_words, outcome_words};
use crate::model::limits::COMMANDS_AT_ONCE;
use crate::model::{
    Answer, Asked, Command, Event, JobNo, PauseTarget, Rank, Requester, signal_name,
};

/// Refusals that are told one by one before the rest is only counted.
const NAMED: usize = 3;

impl Engine {
    pub(super) fn prioritize(
        &mut self,
        job: JobNo,
        to: Rank,
        by: Requester,
    ) -> Result<String, String> {
        let name = format!("job {}", self.state.job_name(job));
        let (Some(state), Some((task, index))) =
            (self.state.job_state(job), self.state.task_of(job))
        else {
            return Err(format!("there is no job {job} in this run"));
        };
        match state {
            JobState::Ended { outcome } => {
                return Err(format!("{name} has ended: it {}", outcome_words(outcome)));
            }
            JobState::Running { attempt } => {
                return Err(format!("{name} is running (attempt {attempt})"));
            }
            JobState::Blocked | JobState::Ready | JobState::BackingOff { .. } => {}
        }
        if let Some(ending) = self.state.ending() {
            return Err(format!("the run is {}: nothing more starts", how_words(ending.how)));
        }
        let rules = self.state.rules(task);
        let (pool, of_task) = (rules.pool, rules.priority);
        let from = self.state.priority_by_hand(job);
        let now = from.unwrap_or(of_task);
        let to = match to {
            Rank::OfTask => of_task,
            Rank::Priority(priority) => priority,
            Rank::First => {
                let highest = self.state.highest_priority(pool, (task, index));
                now.max(highest.saturating_add(1))
            }
        };
        if to == now {
            return Err(format!("{name} has priority {now} already"));
        }
        let by_hand = (to != of_task).then_some(to);
        self.emit(Event::Prioritized { job, from, to: by_hand, by });
        let place = match (self.state.job_state(job), self.state.ready_ahead_of(task, index)) {
            (Some(JobState::Ready), 0) => "; it is next in the queue".to_owned(),
            (Some(JobState::Ready), 1) => "; 1 job is ahead of it".to_owned(),
            (Some(JobState::Ready), n) => format!("; {n} jobs are ahead of it"),
            _ => "; it is not in the queue yet".to_owned(),
        };
        Ok(format!("{name}: priority {now} -> {to}{place}"))
    }

    /// Does many commands as if they were one: nothing starts in between.
    pub(super) fn do_many(&mut self, commands: Vec<Command>, by: &Requester) -> Answer {
        if commands.len() > COMMANDS_AT_ONCE {
            let n = commands.len();
            return Answer::Refused(format!("{n} commands at once, {COMMANDS_AT_ONCE} may be"));
        }
        if commands.iter().any(|c| matches!(c, Command::Many { .. } | Command::Undo { .. })) {
            return Answer::Refused("commands are bundled only once".to_owned());
        }
        let mut done: Vec<(String, u32)> = Vec::new();
        let mut refused = Vec::new();
        for command in commands {
            let sum = self.summary_of(&command);
            match self.answer(Asked { by: by.clone(), command }) {
                Answer::Refused(why) => refused.push(why),
                Answer::Done(_) => match done.iter_mut().find(|(known, _)| *known == sum) {
                    Some((_, n)) => *n += 1,
                    None => done.push((sum, 1)),
                },
            }
        }
        let mut parts: Vec<String> = done.iter().map(|(sum, n)| format!("{n} {sum}")).collect();
        if !refused.is_empty() {
            let named = refused[..refused.len().min(NAMED)].join("; ");
            let more = match refused.len().saturating_sub(NAMED) {
                0 => String::new(),
                n => format!("; and {n} more"),
            };
            parts.push(format!("{} refused: {named}{more}", refused.len()));
        }
        match (done.is_empty(), parts.is_empty()) {
            (_, true) => Answer::Refused("nothing was asked for".to_owned()),
            (true, false) => Answer::Refused(parts.join(", ")),
            (false, false) => Answer::Done(parts.join(", ")),
        }
    }

    /// What becomes of a command if it is done, in words that follow a number.
    fn summary_of(&self, command: &Command) -> String {
        match command {
            Command::Kill { job, now } => match (self.state.attempt(*job), now) {
                (None, _) => "cancelled in the queue".to_owned(),
                (Some(attempt), false) if attempt.stopping.is_none() => "asked to stop".to_owned(),
                (Some(_), _) => "killed".to_owned(),
            },
            Command::Retry { .. } => "queued again".to_owned(),
            Command::Prioritize { .. } => "moved in the queue".to_owned(),
            Command::Pause { .. } => "paused".to_owned(),
            Command::Resume { .. } => "resumed".to_owned(),
            Command::Signal { signal, .. } => format!("sent {}", signal_name(*signal)),
            Command::Scale { .. } | Command::ResizeSemaphore { .. } => "scaled".to_owned(),
            Command::CloseQueue { .. } => "closed".to_owned(),
            Command::Stop { .. } | Command::Many { .. } | Command::Undo { .. } => "done".to_owned(),
        }
    }
}

/// Returns the command that takes another back, as far as that can be; asked before that one is
/// done. `None`: it cannot be taken back (a process that was ended, a run that was stopped), or
/// it would change nothing.
pub fn inverse(state: &State, command: &Command) -> Option<Command> {
    match command {
        Command::Scale { pool, size, .. } => {
            let old = state.pools().get(usize::from(pool.0))?.size();
            (old != *size).then_some(Command::Scale { pool: *pool, size: old, now: false })
        }
        Command::Pause { target } => {
            (!is_paused(state, *target)?).then_some(Command::Resume { target: *target })
        }
        Command::Resume { target } => {
            is_paused(state, *target)?.then_some(Command::Pause { target: *target })
        }
        Command::Kill { job, .. } => match state.job_state(*job)? {
            JobState::Running { .. } | JobState::Ended { .. } => None,
            JobState::Blocked | JobState::Ready | JobState::BackingOff { .. } => {
                Some(Command::Retry { job: *job })
            }
        },
        Command::Prioritize { job, .. } => {
            let to = state.priority_by_hand(*job).map_or(Rank::OfTask, Rank::Priority);
            Some(Command::Prioritize { job: *job, to })
        }
        Command::Many { commands } => {
            // Backwards: the same thing may have been changed twice.
            let mut back: Vec<Command> =
                commands.iter().filter_map(|command| inverse(state, command)).collect();
            back.reverse();
            (!back.is_empty()).then_some(Command::Many { commands: back })
        }
        Command::ResizeSemaphore { name, max } => {
            let old = state.locks().permits(name)?;
            let name = name.clone();
            (old != *max).then_some(Command::ResizeSemaphore { name, max: old })
        }
        Command::Signal { .. }
        | Command::CloseQueue { .. }
        | Command::Retry { .. }
        | Command::Stop { .. }
        | Command::Undo { .. } => None,
    }
}

fn is_paused(state: &State, target: PauseTarget) -> Option<bool> {
    Some(match target {
        PauseTarget::Run => state.run_paused().is_some(),
        PauseTarget::Pool(pool) => state.pools().get(usize::from(pool.0))?.paused().is_some(),
        PauseTarget::Job(job) => state.job_paused(job).is_some(),
    })
}
