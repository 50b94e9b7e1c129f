//! What x-ray sees from outside: it enters as an input, and only a proven circle is acted upon.

use super::Engine;
use crate::model::Event;
use crate::model::locks::{Deadlock, Member};
use crate::model::waits::report::Verdict;
use crate::model::waits::stuck::{Sighting, Stuck};
use crate::model::{AttemptId, JobNo};
use std::collections::BTreeSet;

impl Engine {
    /// Takes in what has come or gone.
    pub(super) fn take_sighting(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Found(stuck) => self.see(*stuck),
            Sighting::Gone { id } => self.lose_sight_of(id),
        }
    }

    fn see(&mut self, stuck: Stuck) {
        if !self.is_news(&stuck) {
            return;
        }
        let id = self.state.deadlocks_so_far() + 1;
        match stuck.kind {
            Verdict::Healthy => {}
            Verdict::Stalled | Verdict::Abandoned => {
                let stuck = Box::new(Stuck { id, ..stuck });
                self.emit(Event::StuckFound { stuck, at: self.now });
            }
            Verdict::Deadlock => {
                self.tell_deadlock(Deadlock::of_seen(Stuck { id, ..stuck }));
            }
        }
    }

    /// Whether it says something new about attempts that still run: what was seen may be older
    /// than what has happened since.
    fn is_news(&self, stuck: &Stuck) -> bool {
        let known = self.state.stuck().iter().any(|old| old.is_same(stuck.kind, &stuck.threads));
        let is_circle = stuck.kind == Verdict::Deadlock;
        let told = is_circle && self.state.deadlocks().iter().any(|old| is_told(old, stuck));
        !known
            && !told
            && !stuck.members.is_empty()
            && stuck.members.iter().all(|member| self.can_be_stuck(member, stuck.kind))
    }

    /// An attempt that is being stopped ends in any case, and one that is paused is still because
    /// somebody wants it so.
    fn can_be_stuck(&self, member: &Member, kind: Verdict) -> bool {
        let Some(attempt) = member.party.attempt else { return true };
        let is_paused = |id: AttemptId| self.state.attempt(id.job).is_some_and(|a| a.is_frozen());
        self.runs_on(attempt) && (kind != Verdict::Stalled || !is_paused(attempt))
    }

    fn runs_on(&self, attempt: AttemptId) -> bool {
        let running = self.state.attempt(attempt.job).filter(|a| a.id == attempt);
        running.is_some_and(|a| a.stopping.is_none())
    }

    fn lose_sight_of(&mut self, id: u64) {
        if self.state.deadlocks().iter().any(|d| d.id == id && !d.seen.is_empty()) {
            self.emit(Event::DeadlockGone { id, at: self.now });
        } else if self.state.stuck().iter().any(|stuck| stuck.id == id) {
            self.emit(Event::StuckGone { id, at: self.now });
        }
    }

    /// Whether a circle is no more: one of ganger's own when one of its waits has ended, one that
    /// was seen when one of its attempts has.
    pub(super) fn is_over(&self, deadlock: &Deadlock) -> bool {
        if deadlock.seen.is_empty() {
            return !self.state.locks().all_wait(deadlock.waits.iter().copied());
        }
        let attempts = deadlock.members.iter().filter_map(|member| member.party.attempt);
        attempts.into_iter().any(|id| self.state.attempt(id.job).is_none_or(|a| a.id != id))
    }

    /// Lets go of what cannot be stuck any longer.
    pub(super) fn drop_stuck(&mut self) {
        let over = |stuck: &&Stuck| {
            !stuck.members.iter().all(|member| self.can_be_stuck(member, stuck.kind))
        };
        let gone: Vec<u64> = self.state.stuck().iter().filter(over).map(|s| s.id).collect();
        for id in gone {
            self.emit(Event::StuckGone { id, at: self.now });
        }
    }
}

/// Whether a circle has been told already: it was seen before, or ganger's own primitives have
/// shown it, between the same jobs.
fn is_told(known: &Deadlock, stuck: &Stuck) -> bool {
    if known.seen.is_empty() {
        let jobs = jobs(&known.members);
        return !jobs.is_empty() && jobs == self::jobs(&stuck.members);
    }
    known.seen.iter().any(|thread| stuck.threads.contains(thread))
}

fn jobs(members: &[Member]) -> BTreeSet<JobNo> {
    members.iter().filter_map(|member| member.job).collect()
}
