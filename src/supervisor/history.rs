//! What has happened, for people to look back: ended attempts as bars, and events as rows. Both
//! keep the newest only and say so.

use crate::engine::State;
use crate::model::command::Requester;
use crate::model::limits::{EVENTS_KEPT, EVENTS_PAGE, TIMELINE_ATTEMPTS};
use crate::model::sentence::{self, Names};
use crate::model::timeline::Range;
use crate::model::{
    AttemptId, Bar, Event, EventFilter, EventPage, EventRow, EventsFrom, JobNo, Mono, Now, Outcome,
    PoolIdx, Slot, TaskIdx, Timeline,
};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Changes of pool sizes that are kept: people scale by hand.
const SIZES_KEPT: usize = 1_000;

/// The names of a run's things, from its state.
pub struct StateNames<'a>(pub &'a State);

impl Names for StateNames<'_> {
    fn job(&self, job: JobNo) -> String {
        match self.0.task_of(job) {
            Some((task, index)) => format!("{}:{}", self.task(task), index + 1),
            None => job.to_string(),
        }
    }

    fn task(&self, task: TaskIdx) -> &str {
        self.0.schedule().tasks.get(task.0 as usize).map_or("?", |rules| &rules.name)
    }

    fn pool(&self, pool: PoolIdx) -> &str {
        self.0.schedule().pools.get(usize::from(pool.0)).map_or("?", |rules| &rules.name)
    }

    fn stop_signal(&self, job: JobNo) -> i32 {
        let rules = self.0.task_of(job).map(|(task, _)| task.0 as usize);
        let rules = rules.and_then(|task| self.0.schedule().tasks.get(task));
        rules.map_or(libc::SIGTERM, |rules| rules.stop.signal)
    }
}

/// An attempt that has ended; small, since many are kept.
#[derive(Clone, Copy, Debug)]
struct Past {
    start: Mono,
    end: Mono,
    attempt: AttemptId,
    pool: u16,
    slot: u16,
    weight: u16,
    outcome: Outcome,
}

/// An attempt that runs.
#[derive(Clone, Copy, Debug)]
struct Launched {
    start: Mono,
    slot: Slot,
    weight: u32,
}

/// One thing that happened.
struct Kept {
    at: Now,
    what: What,
}

enum What {
    Event {
        event: Event,
        took: Option<Duration>,
    },
    /// A request and its answer, in words.
    Asked {
        by: Requester,
        text: String,
        job: Option<JobNo>,
        pool: Option<PoolIdx>,
    },
}

/// What is kept of a run's past.
#[derive(Default)]
pub struct History {
    /// By end.
    past: VecDeque<Past>,
    /// The end of the newest attempt that was dropped.
    dropped: Option<Mono>,
    running: HashMap<AttemptId, Launched>,
    /// Size of each pool from a moment on, oldest first.
    sizes: VecDeque<(Mono, PoolIdx, u32)>,
    kept: VecDeque<Kept>,
    /// Id of the newest event.
    newest: u64,
}

impl History {
    /// Takes in one fact that the engine told at `now`.
    pub fn note(&mut self, event: Event, now: Now, state: &State) {
        let took = self.note_bar(&event, now.mono, state);
        let at = event.at().unwrap_or(now);
        self.keep(Kept { at, what: What::Event { event, took } });
    }

    /// Takes in what somebody asked for and what was answered.
    pub fn note_asked(
        &mut self,
        by: Requester,
        text: String,
        about: (Option<JobNo>, Option<PoolIdx>),
        at: Now,
    ) {
        let (job, pool) = about;
        self.keep(Kept { at, what: What::Asked { by, text, job, pool } });
    }

    fn keep(&mut self, kept: Kept) {
        self.newest += 1;
        if self.kept.len() == EVENTS_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(kept);
    }

    /// Follows attempts and sizes; returns how long an attempt ran that has ended.
    fn note_bar(&mut self, event: &Event, now: Mono, state: &State) -> Option<Duration> {
        match event {
            Event::RunStarted { at } => {
                for (pool, view) in (0..).zip(state.pools()) {
                    self.sizes.push_back((at.mono, PoolIdx(pool), view.size()));
                }
            }
            Event::Scaled { pool, to, .. } => {
                if self.sizes.len() == SIZES_KEPT {
                    self.sizes.pop_front();
                }
                self.sizes.push_back((now, *pool, *to));
            }
            Event::AttemptLaunched { attempt, slot, weight, at, .. } => {
                let launched = Launched { start: at.mono, slot: *slot, weight: *weight };
                self.running.insert(*attempt, launched);
            }
            Event::AttemptStarted { attempt, at, .. } => {
                if let Some(launched) = self.running.get_mut(attempt) {
                    launched.start = at.mono;
                }
            }
            Event::AttemptEnded { attempt, outcome, at, .. } => {
                let Launched { start, slot, weight } = self.running.remove(attempt)?;
                if self.past.len() == TIMELINE_ATTEMPTS {
                    self.dropped = self.past.pop_front().map(|past| past.end);
                }
                let small = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
                self.past.push_back(Past {
                    start,
                    end: at.mono,
                    attempt: *attempt,
                    pool: slot.pool.0,
                    slot: small(slot.n),
                    weight: small(weight),
                    outcome: *outcome,
                });
                return Some(at.mono.since(start));
            }
            _ => {}
        }
        None
    }

    // ---- looking back

    /// What ran in a range of time.
    pub fn timeline(&self, range: Range, state: &State) -> Timeline {
        let ended = self.past.iter().map(|past| Bar {
            attempt: past.attempt,
            task: TaskIdx(0),
            index: 0,
            slot: Slot { pool: PoolIdx(past.pool), n: u32::from(past.slot) },
            weight: u32::from(past.weight),
            start: past.start,
            end: Some(past.end),
            outcome: Some(past.outcome),
        });
        let running = self.running.iter().map(|(attempt, launched)| Bar {
            attempt: *attempt,
            task: TaskIdx(0),
            index: 0,
            slot: launched.slot,
            weight: launched.weight,
            start: launched.start,
            end: None,
            outcome: None,
        });
        let named = |bar: Bar| match state.task_of(bar.attempt.job) {
            Some((task, index)) => Bar { task, index: index + 1, ..bar },
            None => bar,
        };
        let overlaps = |bar: &Bar| bar.overlaps(range.from, range.to);
        let bars = ended.chain(running).filter(overlaps).map(named).collect();
        let slots = self.slots(range.from, range.to.min(range.now));
        let timeline = Timeline::lay_out(range, &slots, bars);
        Timeline { since: self.dropped, ..timeline }
    }

    /// The workers that existed in a range, each with how long it did.
    fn slots(&self, from: Mono, to: Mono) -> Vec<(Slot, Duration)> {
        let mut slots = Vec::new();
        let n_pools = self.sizes.iter().map(|(_, pool, _)| pool.0 + 1).max().unwrap_or(0);
        for pool in (0..n_pools).map(PoolIdx) {
            let sizes: Vec<(Mono, u32)> =
                self.sizes.iter().filter(|s| s.1 == pool).map(|s| (s.0, s.2)).collect();
            let ends = sizes.iter().skip(1).map(|(at, _)| *at).chain([to]);
            let spans: Vec<(u32, Mono, Mono)> = sizes
                .iter()
                .zip(ends)
                .map(|((at, size), end)| (*size, (*at).max(from), end.min(to)))
                .filter(|(_, start, end)| start <= end)
                .collect();
            let most = spans.iter().map(|(size, ..)| *size).max().unwrap_or(0);
            slots.extend((1..=most).map(|n| {
                let there = spans.iter().filter(|(size, ..)| *size >= n);
                (Slot { pool, n }, there.map(|(_, start, end)| end.since(*start)).sum())
            }));
        }
        slots
    }

    /// A page of what has happened.
    pub fn page(
        &self,
        filter: &EventFilter,
        from: EventsFrom,
        limit: u32,
        state: &State,
    ) -> EventPage {
        let oldest = self.newest + 1 - self.kept.len() as u64;
        let limit = limit.min(EVENTS_PAGE) as usize;
        let wanted = Wanted::new(filter, state);
        let row = |id: u64| {
            let place = usize::try_from(id.checked_sub(oldest)?).ok()?;
            wanted.row(id, self.kept.get(place)?)
        };
        let (mut rows, mut looked_to) = (Vec::new(), self.newest);
        let take = |id: u64, rows: &mut Vec<EventRow>| {
            rows.extend(row(id));
            rows.len() < limit
        };
        match from {
            EventsFrom::After(id) => {
                for id in id.saturating_add(1).max(oldest)..=self.newest {
                    looked_to = id;
                    if !take(id, &mut rows) {
                        break;
                    }
                }
            }
            EventsFrom::Newest | EventsFrom::Before(_) => {
                let end = match from {
                    EventsFrom::Before(id) => id.min(self.newest + 1),
                    _ => self.newest + 1,
                };
                looked_to = end;
                for id in (oldest..end).rev() {
                    looked_to = id;
                    if !take(id, &mut rows) {
                        break;
                    }
                }
                rows.reverse();
            }
        }
        EventPage { rows, oldest, newest: self.newest, looked_to }
    }
}

/// A filter made ready for many rows.
struct Wanted<'a> {
    filter: &'a EventFilter,
    text: Option<String>,
    names: StateNames<'a>,
}

impl<'a> Wanted<'a> {
    fn new(filter: &'a EventFilter, state: &'a State) -> Wanted<'a> {
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        Wanted { filter, text, names: StateNames(state) }
    }

    /// The row of something that happened, if it is wanted. Words come last: they are dear.
    fn row(&self, id: u64, kept: &Kept) -> Option<EventRow> {
        let (kind, job, named_task, pool, by) = match &kept.what {
            What::Event { event, .. } => {
                (event.word(), event.job(), event.task(), event.pool(), event.by())
            }
            What::Asked { by, job, pool, .. } => ("asked", *job, None, *pool, Some(by)),
        };
        let task = named_task.or_else(|| self.names.0.task_of(job?).map(|(task, _)| task));
        let filter = self.filter;
        let is_wanted = filter.kind.as_deref().is_none_or(|wanted| wanted == kind)
            && filter.job.is_none_or(|wanted| job == Some(wanted))
            && filter
                .task
                .as_deref()
                .is_none_or(|wanted| task.is_some_and(|task| self.names.task(task) == wanted))
            && filter.by.as_deref().is_none_or(|wanted| by.is_some_and(|by| is_by(by, wanted)));
        if !is_wanted {
            return None;
        }
        let text = match &kept.what {
            What::Event { event, took } => {
                sentence::of_event(&self.names, event, kept.at.mono, *took)
            }
            What::Asked { text, .. } => text.clone(),
        };
        if self.text.as_ref().is_some_and(|wanted| !text.to_lowercase().contains(wanted)) {
            return None;
        }
        let (kind, by) = (kind.to_owned(), by.cloned());
        Some(EventRow { id, at: kept.at, kind, job, task, pool, by, text })
    }
}

fn is_by(by: &Requester, wanted: &str) -> bool {
    let word = match by {
        Requester::Screen => "screen",
        Requester::Cli { .. } => "cli",
        Requester::Signal { .. } => "signal",
        Requester::Rule => "rule",
        Requester::Ganger => "ganger",
    };
    let is_a_person = matches!(word, "screen" | "cli" | "signal");
    word == wanted || (wanted == "people" && is_a_person)
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
