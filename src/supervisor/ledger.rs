//! What became of every job so far: the source of the report, of lists and of details.
//!
//! A million jobs have a million records, so a record is small: the last attempt in full, the
//! ones before only where there were any, and of many only the newest.

use crate::model::exec::{LimitMeans, Usage};
use crate::model::limits::ATTEMPTS_KEPT;
use crate::model::{
    AttemptId, Event, Exit, Hangs, Histogram, JobNo, Mono, Outcome, Slot, StopReason, TaskIdx, Wall,
};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Stands for "not known" in numbers that would take twice the room as an `Option`.
const UNKNOWN: u64 = u64::MAX;

/// One attempt.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// When its process started; when it was launched, as long as there is none.
    pub started_at: Wall,
    wall_us: u64,
    cpu_user_us: u64,
    cpu_system_us: u64,
    max_rss_bytes: u64,
    stdout_bytes: u64,
    stderr_bytes: u64,
    pub exit: Option<Exit>,
    /// `None` while it runs.
    pub outcome: Option<Outcome>,
    pub slot: Slot,
    pub swept: u32,
    pub oom_killed: Option<bool>,
    pub reason: Option<StopReason>,
    pub means: Option<LimitMeans>,
}

fn known(n: u64) -> Option<u64> {
    (n != UNKNOWN).then_some(n)
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(UNKNOWN - 1)
}

impl AttemptRecord {
    fn launched(slot: Slot, at: Wall) -> AttemptRecord {
        AttemptRecord {
            started_at: at,
            wall_us: UNKNOWN,
            cpu_user_us: 0,
            cpu_system_us: 0,
            max_rss_bytes: UNKNOWN,
            stdout_bytes: UNKNOWN,
            stderr_bytes: UNKNOWN,
            exit: None,
            outcome: None,
            slot,
            swept: 0,
            oom_killed: None,
            reason: None,
            means: None,
        }
    }

    /// How long it took; `None` while it runs.
    pub fn wall(&self) -> Option<Duration> {
        known(self.wall_us).map(Duration::from_micros)
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<Wall> {
        let us = i64::try_from(known(self.wall_us)?).ok()?;
        Some(Wall(self.started_at.0.saturating_add(us)))
    }

    /// What it used; `None` when there was no process, or while it runs.
    pub fn usage(&self) -> Option<Usage> {
        self.exit.map(|_| Usage {
            cpu_user: Duration::from_micros(self.cpu_user_us),
            cpu_system: Duration::from_micros(self.cpu_system_us),
            max_rss_bytes: known(self.max_rss_bytes),
            stdout_bytes: known(self.stdout_bytes),
            stderr_bytes: known(self.stderr_bytes),
            means: self.means,
        })
    }

    fn set_usage(&mut self, usage: &Usage, sampled_peak: Option<u64>) {
        self.cpu_user_us = micros(usage.cpu_user);
        self.cpu_system_us = micros(usage.cpu_system);
        // A child starts at ganger's own peak, which may hide its own: then what was seen of
        // its tree is the next best.
        self.max_rss_bytes = usage.max_rss_bytes.or(sampled_peak).unwrap_or(UNKNOWN);
        self.stdout_bytes = usage.stdout_bytes.unwrap_or(UNKNOWN);
        self.stderr_bytes = usage.stderr_bytes.unwrap_or(UNKNOWN);
        self.means = usage.means;
    }
}

/// The attempts of one job.
#[derive(Clone, Debug)]
pub struct Record {
    /// Attempts that have begun.
    pub attempts: u32,
    pub last: AttemptRecord,
    earlier: Option<Box<Earlier>>,
}

/// The attempts of one job before its last.
#[derive(Clone, Debug)]
struct Earlier {
    /// Of the first attempt.
    started_at: Wall,
    cpu_user_us: u64,
    cpu_system_us: u64,
    max_rss_bytes: Option<u64>,
    swept: u32,
    means: Option<LimitMeans>,
    any_ran: bool,
    /// Oldest first.
    kept: VecDeque<AttemptRecord>,
}

impl Record {
    /// When the first attempt started.
    pub fn started_at(&self) -> Wall {
        self.earlier.as_ref().map_or(self.last.started_at, |e| e.started_at)
    }

    /// Time from the start of the first attempt to the end of the last; `None` while it runs.
    pub fn wall(&self) -> Option<Duration> {
        Some(since(self.started_at(), self.last.ended_at()?))
    }

    /// CPU of all attempts, peak of all attempts, bytes of the last one. `None` when no process
    /// has ended yet.
    pub fn usage(&self) -> Option<Usage> {
        let last = self.last.usage();
        let Some(e) = &self.earlier else { return last };
        if last.is_none() && !e.any_ran {
            return None;
        }
        let last = last.unwrap_or_default();
        Some(Usage {
            cpu_user: last.cpu_user + Duration::from_micros(e.cpu_user_us),
            cpu_system: last.cpu_system + Duration::from_micros(e.cpu_system_us),
            max_rss_bytes: last.max_rss_bytes.max(e.max_rss_bytes),
            means: last.means.or(e.means),
            ..last
        })
    }

    /// Processes besides the leaders that had to be ended, in all attempts.
    pub fn swept(&self) -> u32 {
        self.last.swept + self.earlier.as_ref().map_or(0, |e| e.swept)
    }

    /// The newest attempts with their numbers, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = (u32, &AttemptRecord)> {
        let earlier = self.earlier.iter().flat_map(|e| e.kept.iter());
        let n_earlier = self.earlier.as_ref().map_or(0, |e| e.kept.len()) as u32;
        (self.attempts.saturating_sub(n_earlier)..).zip(earlier.chain([&self.last]))
    }

    fn begin(&mut self, n: u32, next: AttemptRecord) {
        let last = std::mem::replace(&mut self.last, next);
        self.attempts = n;
        let e = self.earlier.get_or_insert_with(|| Box::new(Earlier::before(&last)));
        e.cpu_user_us = e.cpu_user_us.saturating_add(last.cpu_user_us);
        e.cpu_system_us = e.cpu_system_us.saturating_add(last.cpu_system_us);
        e.max_rss_bytes = e.max_rss_bytes.max(known(last.max_rss_bytes));
        e.swept += last.swept;
        e.means = last.means.or(e.means);
        e.any_ran |= last.exit.is_some();
        // The last one is kept besides.
        if e.kept.len() + 1 == ATTEMPTS_KEPT {
            e.kept.pop_front();
        }
        // Most jobs that are tried again are so once: no room in advance.
        e.kept.reserve_exact(1);
        e.kept.push_back(last);
    }
}

impl Earlier {
    fn before(first: &AttemptRecord) -> Earlier {
        Earlier {
            started_at: first.started_at,
            cpu_user_us: 0,
            cpu_system_us: 0,
            max_rss_bytes: None,
            swept: 0,
            means: None,
            any_ran: false,
            kept: VecDeque::new(),
        }
    }
}

/// Returns the time between two moments of the wall clock, zero when it was set back.
pub fn since(from: Wall, to: Wall) -> Duration {
    Duration::from_micros(u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0))
}

/// What the attempts of one task add up to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Attempts that have begun.
    pub attempts: u64,
    /// Of attempts that have ended.
    pub cpu: Duration,
    pub max_rss_bytes: Option<u64>,
    /// Of attempts that succeeded.
    pub durations: Histogram,
}

/// The records of all jobs that ever started. Jobs that never did have none.
#[derive(Default)]
pub struct Ledger {
    /// Job number to place in `records`; zero: none yet.
    places: Vec<u32>,
    records: Chunks,
    /// Attempts that run.
    live: HashMap<AttemptId, Live>,
    /// Why no process came to be, or what could not be ended: of the last attempt of a job.
    errors: HashMap<JobNo, Box<str>>,
    /// By [`TaskIdx`]; tasks of which nothing has started may be missing at the end.
    tallies: Vec<Tally>,
    /// Which jobs hung, and for how long.
    pub hangs: Hangs,
    /// Tasks whose inputs could not be read, and why.
    pub unread: Vec<(TaskIdx, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Live {
    started: Mono,
    /// Largest resident size that the probe saw of its tree.
    sampled_peak: Option<u64>,
}

impl Ledger {
    /// Returns what is known of a job.
    pub fn get(&self, job: JobNo) -> Option<&Record> {
        let place = *self.places.get(job.0 as usize)?;
        self.records.get((place as usize).checked_sub(1)?)
    }

    /// Returns what went wrong with the last attempt of a job, besides its outcome.
    pub fn error(&self, job: JobNo) -> Option<&str> {
        self.errors.get(&job).map(|e| &**e)
    }

    /// Returns what the attempts of a task add up to; `None` before the first.
    pub fn tally(&self, task: TaskIdx) -> Option<&Tally> {
        self.tallies.get(task.0 as usize)
    }

    /// Returns the largest resident size that was seen of a running attempt.
    pub fn sampled_peak(&self, attempt: AttemptId) -> Option<u64> {
        self.live.get(&attempt)?.sampled_peak
    }

    /// Takes in one fact.
    pub fn note(&mut self, event: &Event) {
        self.hangs.note(event);
        match event {
            Event::AttemptLaunched { attempt, task, slot, at, .. } => {
                self.live.insert(*attempt, Live { started: at.mono, sampled_peak: None });
                self.errors.remove(&attempt.job);
                self.tally_mut(*task).attempts += 1;
                self.begin(*attempt, AttemptRecord::launched(*slot, at.wall));
            }
            Event::AttemptStarted { attempt, at, .. } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.started = at.mono;
                }
                if let Some(record) = self.get_mut(attempt.job) {
                    record.last.started_at = at.wall;
                }
            }
            Event::AttemptEnded { .. } => self.attempt_ended(event),
            Event::InputsFailed { task, error } => self.unread.push((*task, error.clone())),
            _ => {}
        }
    }

    fn attempt_ended(&mut self, event: &Event) {
        let Event::AttemptEnded {
            attempt,
            task,
            outcome,
            exit,
            usage,
            swept,
            oom_killed,
            reason,
            error,
            at,
        } = event
        else {
            return;
        };
        let live = self.live.remove(attempt);
        let wall = live.map_or(Duration::ZERO, |live| at.mono.since(live.started));
        if let Some(error) = error {
            self.errors.insert(attempt.job, error.as_str().into());
        }
        let Some(record) = self.get_mut(attempt.job) else { return };
        let last = &mut record.last;
        last.wall_us = micros(wall);
        last.exit = *exit;
        last.outcome = Some(*outcome);
        last.swept = *swept;
        last.oom_killed = *oom_killed;
        last.reason = *reason;
        last.set_usage(usage, live.and_then(|live| live.sampled_peak));
        let peak = known(last.max_rss_bytes);
        let tally = self.tally_mut(*task);
        tally.cpu += usage.cpu_user + usage.cpu_system;
        tally.max_rss_bytes = tally.max_rss_bytes.max(peak);
        if *outcome == Outcome::Succeeded {
            tally.durations.add(wall);
        }
    }

    /// Takes in the peak of a running attempt that the probe saw.
    pub fn note_peak(&mut self, attempt: AttemptId, rss_bytes: u64) {
        // Zero: nothing was left to measure.
        if let Some(live) = self.live.get_mut(&attempt).filter(|_| rss_bytes > 0) {
            live.sampled_peak = live.sampled_peak.max(Some(rss_bytes));
        }
    }

    fn tally_mut(&mut self, task: TaskIdx) -> &mut Tally {
        let idx = task.0 as usize;
        if self.tallies.len() <= idx {
            self.tallies.resize_with(idx + 1, Tally::default);
        }
        &mut self.tallies[idx]
    }

    fn get_mut(&mut self, job: JobNo) -> Option<&mut Record> {
        let place = *self.places.get(job.0 as usize)?;
        self.records.get_mut((place as usize).checked_sub(1)?)
    }

    fn begin(&mut self, attempt: AttemptId, launched: AttemptRecord) {
        if let Some(record) = self.get_mut(attempt.job) {
            record.begin(attempt.n, launched);
            return;
        }
        let idx = attempt.job.0 as usize;
        if self.places.len() <= idx {
            self.places.resize(idx + 1, 0);
        }
        self.records.push(Record { attempts: attempt.n, last: launched, earlier: None });
        self.places[idx] = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
    }
}

/// Records in pieces of equal size: growing copies nothing, however many there are, so it never
/// holds the supervisor up, and no memory lies waiting beyond one piece.
#[derive(Default)]
struct Chunks {
    chunks: Vec<Vec<Record>>,
}

/// Records of a piece.
const CHUNK: usize = 4096;

impl Chunks {
    fn len(&self) -> usize {
        self.chunks.len().saturating_sub(1) * CHUNK + self.chunks.last().map_or(0, Vec::len)
    }

    fn push(&mut self, record: Record) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(record),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(record);
                self.chunks.push(chunk);
            }
        }
    }

    fn get(&self, place: usize) -> Option<&Record> {
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut Record> {
        self.chunks.get_mut(place / CHUNK)?.get_mut(place % CHUNK)
    }
}

/// Words for [`LimitMeans`].
pub fn means_words(means: LimitMeans) -> &'static str {
    match means {
        LimitMeans::CgroupV1 => "cgroup v1",
        LimitMeans::CgroupV2 => "cgroup v2",
        LimitMeans::Look => "a look at the tree, ten times a second",
    }
}

#[cfg(test)]
mod tests;
