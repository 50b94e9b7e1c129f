//! Lists of jobs for which every job has to be looked at, made in slices.
//!
//! One question has one answer, which knows how many jobs there are in all, so a front end
//! needs no cursor and no list of its own; the supervisor keeps the question and works on it
//! between two turns of its loop. The other way, answers that say how far they came and are
//! asked on, would put a message of either direction between two slices, and sorting into every
//! front end. A slice is bounded by the number of jobs and of bytes, not by a clock, so the same
//! question takes the same slices. The list is what each job was at the moment it was looked at;
//! jobs that join meanwhile are not on it.

use super::view::View;
use crate::model::filter::{Filter, JobFacts, Standing};
use crate::model::limits::{SCAN_SLICE_BYTES, SCAN_SLICE_JOBS, SORTED_JOBS};
use crate::model::query::{JobPage, JobSort};
use crate::model::{JobNo, Outcome, TaskIdx};
use std::cell::Cell;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::time::Duration;

/// Lists that clients wait for, at most one of each client.
#[derive(Default)]
pub struct Scans {
    /// The next to work on first.
    waiting: VecDeque<Waiting>,
}

/// A list and who waits for it.
pub struct Waiting {
    pub client: u64,
    pub id: u64,
    pub scan: Box<Scan>,
}

impl Scans {
    /// Takes in a question. Returns the id of the client's question before, which nobody will
    /// answer any more.
    pub fn add(&mut self, client: u64, id: u64, scan: Box<Scan>) -> Option<u64> {
        match self.waiting.iter_mut().find(|w| w.client == client) {
            Some(place) => Some(std::mem::replace(place, Waiting { client, id, scan }).id),
            None => {
                self.waiting.push_back(Waiting { client, id, scan });
                None
            }
        }
    }

    /// Takes out the one that has waited longest for its slice.
    pub fn take_next(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    /// Puts one that is not ready behind the others.
    pub fn put_back(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// Forgets what a client waits for.
    pub fn leave(&mut self, client: u64) {
        self.waiting.retain(|w| w.client != client);
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// A list in the making.
pub struct Scan {
    filter: Filter,
    offset: u32,
    limit: u32,
    descending: bool,
    /// Jobs of the run when it began.
    of: u32,
    /// Numbers of jobs that are still to be looked at, in this order.
    left: VecDeque<Range<u32>>,
    total: u32,
    scanned: u32,
    page: Page,
}

/// What is kept of the jobs that were found.
enum Page {
    /// Those of the page, in the order of finding.
    InOrder(Vec<JobNo>),
    /// The first ones by a key, the last of them on top.
    Sorted { by: Keys, first: BinaryHeap<(Key, JobNo)>, keep: usize },
}

/// Whether the key is not known, and the key: what is not known comes last.
type Key = (bool, u64);

impl Scan {
    pub fn new(
        view: &View<'_>,
        filter: Filter,
        sort: JobSort,
        descending: bool,
        offset: u32,
        limit: u32,
    ) -> Scan {
        let keep = offset.saturating_add(limit).min(SORTED_JOBS) as usize;
        let page = match sort {
            JobSort::Number => Page::InOrder(Vec::new()),
            _ => Page::Sorted {
                by: Keys::new(view, sort, descending),
                first: BinaryHeap::new(),
                keep,
            },
        };
        let mut left = ranges(view, &filter);
        if descending && sort == JobSort::Number {
            left.make_contiguous().reverse();
        }
        Scan {
            filter,
            offset,
            limit,
            descending: descending && sort == JobSort::Number,
            of: view.state.counts().total,
            left,
            total: 0,
            scanned: 0,
            page,
        }
    }

    /// Looks at the jobs of one slice. Returns the page when none is left.
    pub fn step(&mut self, view: &View<'_>) -> Option<JobPage> {
        let bytes = Cell::new(0);
        let mut n_jobs = 0;
        while n_jobs < SCAN_SLICE_JOBS && bytes.get() < SCAN_SLICE_BYTES {
            let Some(range) = self.left.front_mut() else { return Some(self.finish(view)) };
            let job = if self.descending { range.next_back() } else { range.next() };
            match job {
                None => drop(self.left.pop_front()),
                Some(job) => {
                    n_jobs += 1;
                    self.look(view, JobNo(job), &bytes);
                }
            }
        }
        None
    }

    /// Jobs that were looked at so far.
    #[cfg(test)]
    pub fn scanned(&self) -> u32 {
        self.scanned
    }

    fn look(&mut self, view: &View<'_>, job: JobNo, bytes: &Cell<usize>) {
        self.scanned += 1;
        let found = view.find(job);
        let texts = || {
            let texts = view.texts(found);
            // Making a text takes about as long as reading sixteen bytes of it.
            bytes.set(bytes.get() + texts.label.len() + texts.inputs.len() + 16);
            texts
        };
        let facts = view.facts(found, &texts);
        if !self.filter.matches(&facts) {
            return;
        }
        let place = self.total;
        self.total += 1;
        match &mut self.page {
            Page::InOrder(jobs) => {
                if place >= self.offset && jobs.len() < self.limit as usize {
                    jobs.push(job);
                }
            }
            Page::Sorted { by, first, keep } => {
                let entry = (by.key(&facts), job);
                if first.len() < *keep {
                    first.push(entry);
                } else if let Some(mut last) = first.peek_mut()
                    && entry < *last
                {
                    *last = entry;
                }
            }
        }
    }

    fn finish(&mut self, view: &View<'_>) -> JobPage {
        let (jobs, cut_at) = match std::mem::replace(&mut self.page, Page::InOrder(Vec::new())) {
            Page::InOrder(jobs) => (jobs, None),
            Page::Sorted { first, .. } => {
                let first = first.into_sorted_vec().into_iter().map(|(_, job)| job);
                let page = first.skip(self.offset as usize).take(self.limit as usize);
                (page.collect(), (self.total > SORTED_JOBS).then_some(SORTED_JOBS))
            }
        };
        let rows = jobs.into_iter().map(|job| view.row(job)).collect();
        JobPage { total: self.total, of: self.of, scanned: self.scanned, cut_at, rows }
    }
}

/// The numbers of the jobs that a filter may let through: tasks are passed over as a whole, and
/// what its terms about numbers leave out.
fn ranges(view: &View<'_>, filter: &Filter) -> VecDeque<Range<u32>> {
    let (low, high) = filter.job_bounds();
    let bounded = |range: Range<u32>| {
        let low = u32::try_from(low.max(0)).unwrap_or(u32::MAX);
        let end = u32::try_from(high.saturating_add(1).max(0)).unwrap_or(u32::MAX);
        range.start.max(low)..range.end.min(end)
    };
    let mut ranges: Vec<Range<u32>> = (0u32..)
        .zip(&view.state.schedule().tasks)
        .filter(|(task, rules)| filter.may_match(TaskIdx(*task), rules.pool))
        .filter_map(|(task, _)| {
            let first = view.state.job_of(TaskIdx(task), 0)?.0;
            Some(bounded(first..first + view.state.task_counts(TaskIdx(task)).total))
        })
        .collect();
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.into()
}

/// How a list is sorted.
struct Keys {
    sort: JobSort,
    descending: bool,
    /// By task: its place among the names. Empty unless sorted by it.
    ranks: Vec<u32>,
}

impl Keys {
    fn new(view: &View<'_>, sort: JobSort, descending: bool) -> Keys {
        let mut ranks = Vec::new();
        if sort == JobSort::Task {
            let tasks = &view.state.schedule().tasks;
            let mut by_name: Vec<u32> = (0u32..).zip(tasks).map(|(task, _)| task).collect();
            by_name.sort_by_key(|task| &tasks[*task as usize].name);
            ranks.resize(tasks.len(), 0);
            for (rank, task) in (0u32..).zip(by_name) {
                ranks[task as usize] = rank;
            }
        }
        Keys { sort, descending, ranks }
    }

    fn key(&self, facts: &JobFacts<'_>) -> Key {
        let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        let moment = |at: Option<i64>| at.map(|us| u64::try_from(us).unwrap_or(0));
        let key = match self.sort {
            JobSort::Number => Some(u64::from(facts.job.0)),
            JobSort::Task => self.ranks.get(facts.task.0 as usize).map(|rank| u64::from(*rank)),
            JobSort::State => Some(state_rank(facts.standing)),
            JobSort::Time => facts.wall.map(micros),
            JobSort::Cpu => facts.cpu.map(micros),
            JobSort::Rss => facts.max_rss_bytes,
            JobSort::Attempts => Some(u64::from(facts.attempts)),
            JobSort::Started => moment(facts.started_at.map(|at| at.0)),
            JobSort::Ended => moment(facts.ended_at.map(|at| at.0)),
        };
        match key {
            None => (true, 0),
            Some(key) if self.descending => (false, u64::MAX - key),
            Some(key) => (false, key),
        }
    }
}

/// What a person looks for first comes first.
fn state_rank(standing: Standing) -> u64 {
    match standing {
        Standing::Running(_) => 0,
        Standing::BackingOff => 1,
        Standing::Ready => 2,
        Standing::Blocked => 3,
        Standing::Ended(Outcome::Cancelled | Outcome::Skipped { .. }) => 5,
        Standing::Ended(outcome) if outcome.is_success() => 6,
        Standing::Ended(_) => 4,
    }
}
