//! What people asked for and how it is taken back; stops of attempts, from the first request to
//! the proof that nothing is left. The newest few of each.

use super::history::StateNames;
use crate::engine::{State, inverse};
use crate::model::limits::{SNAPSHOT_ACTS, SNAPSHOT_STOPS};
use crate::model::sentence::{self, Names};
use crate::model::{
    Act, Answer, AttemptId, Command, Event, Mono, Requester, StopProof, StopReason,
};
use std::collections::VecDeque;

/// The newest acts, newest first.
#[derive(Default)]
pub struct Acts {
    acts: VecDeque<(Act, Option<Command>)>,
    last_id: u64,
}

/// An act that is about to be done.
pub struct Begun {
    by: Requester,
    asked: String,
    undo: Option<(Command, String)>,
}

impl Acts {
    /// Remembers what is so before a command is done, so that it can be taken back.
    pub fn begin(state: &State, by: Requester, command: &Command, is_undo: bool) -> Begun {
        let names = StateNames(state);
        // Taking back goes backwards through the acts; it would stop at its own.
        let back = if is_undo { None } else { inverse(state, command) };
        let undo = back.map(|back| {
            let words = sentence::of_command(&names, &back);
            (back, words)
        });
        Begun { by, asked: sentence::of_command(&names, command), undo }
    }

    /// Takes in what became of it.
    pub fn end(&mut self, begun: Begun, answer: &Answer, at: Mono) -> &Act {
        let (text, done) = match answer {
            Answer::Done(text) => (text, true),
            Answer::Refused(text) => (text, false),
        };
        self.last_id += 1;
        let (back, words) = begun.undo.filter(|_| done).unzip();
        let act = Act {
            id: self.last_id,
            at,
            by: begun.by,
            asked: begun.asked,
            answer: text.clone(),
            done,
            undo: words,
        };
        self.acts.truncate(SNAPSHOT_ACTS - 1);
        self.acts.push_front((act, back));
        &self.acts[0].0
    }

    /// Returns the command that takes an act back; it can be taken back once.
    ///
    /// # Errors
    /// In words, when it cannot.
    pub fn take_back(&mut self, id: u64) -> Result<Command, String> {
        let Some((act, back)) = self.acts.iter_mut().find(|(act, _)| act.id == id) else {
            return Err(format!("act {id} is not among the newest {SNAPSHOT_ACTS}"));
        };
        let Some(command) = back.take() else {
            return Err(format!("`{}` cannot be taken back, or has been", act.asked));
        };
        act.undo = None;
        Ok(command)
    }

    /// For snapshots, newest first.
    pub fn views(&self) -> Vec<Act> {
        self.acts.iter().map(|(act, _)| act.clone()).collect()
    }
}

/// The newest stops, newest first.
#[derive(Default)]
pub struct Stops {
    stops: VecDeque<StopProof>,
}

impl Stops {
    /// Takes in one fact that the engine told at `now`.
    pub fn note(&mut self, event: &Event, now: Mono, state: &State) {
        match event {
            // What ends by itself and is swept up is nobody's act, and there may be many.
            Event::AttemptStopping { reason: StopReason::Leftovers, .. } => {}
            Event::AttemptStopping { attempt, reason, kill_at, by, .. } => {
                let stop = match self.stops.iter().position(|stop| stop.attempt == *attempt) {
                    Some(place) => &mut self.stops[place],
                    None => {
                        let Some(new) = stop_of(*attempt, now, state) else { return };
                        self.stops.truncate(SNAPSHOT_STOPS - 1);
                        self.stops.push_front(new);
                        &mut self.stops[0]
                    }
                };
                (stop.reason, stop.kill_at, stop.by) = (*reason, *kill_at, by.clone());
                if stop.asked_at == now && *kill_at <= now {
                    stop.signal = libc::SIGKILL;
                }
            }
            Event::LeaderEnded { attempt, exit, at, .. } => {
                if let Some(stop) = self.find(*attempt) {
                    (stop.leader_ended_at, stop.exit) = (Some(at.mono), *exit);
                }
            }
            Event::AttemptEnded { attempt, exit, swept, error, at, .. } => {
                if let Some(stop) = self.find(*attempt) {
                    if exit.is_some() {
                        stop.leader_ended_at.get_or_insert(at.mono);
                    }
                    (stop.exit, stop.swept) = (*exit, *swept);
                    (stop.ended_at, stop.nothing_left) = (Some(at.mono), Some(error.is_none()));
                    stop.left.clone_from(error);
                }
            }
            _ => {}
        }
    }

    /// Takes in that the whole tree of an attempt is sent SIGKILL.
    pub fn killed(&mut self, attempt: AttemptId, now: Mono) {
        if let Some(stop) = self.find(attempt) {
            stop.killed_at.get_or_insert(now);
        }
    }

    fn find(&mut self, attempt: AttemptId) -> Option<&mut StopProof> {
        self.stops.iter_mut().find(|stop| stop.attempt == attempt)
    }

    /// For snapshots, newest first.
    pub fn views(&self) -> Vec<StopProof> {
        self.stops.iter().cloned().collect()
    }
}

fn stop_of(attempt: AttemptId, now: Mono, state: &State) -> Option<StopProof> {
    let (task, index) = state.task_of(attempt.job)?;
    Some(StopProof {
        attempt,
        task,
        index: index + 1,
        reason: StopReason::Kill,
        by: Requester::Rule,
        asked_at: now,
        signal: StateNames(state).stop_signal(attempt.job),
        kill_at: now,
        killed_at: None,
        leader_ended_at: None,
        exit: None,
        ended_at: None,
        swept: 0,
        nothing_left: None,
        left: None,
    })
}

#[cfg(test)]
#[path = "acts_tests.rs"]
mod tests;
