//! What became of every job so far: the source of the report, of lists and of details.

use crate::model::exec::{LimitMeans, Usage};
use crate::model::{AttemptId, Event, Exit, Hangs, JobNo, Mono, Now, Outcome, StopReason, Wall};
use std::collections::HashMap;
use std::time::Duration;

/// The attempts of one job, added up.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub attempts: u32,
    /// Of the first attempt.
    pub started_at: Option<Wall>,
    /// The same moment on the clock that is never put back.
    began: Option<Mono>,
    /// End of the last attempt.
    ended: Option<Mono>,
    /// How the leader of the last attempt ended.
    pub exit: Option<Exit>,
    /// CPU of all attempts; peak of all attempts; bytes of the last one.
    pub usage: Usage,
    pub swept: u32,
    pub oom_killed: Option<bool>,
    pub reason: Option<StopReason>,
    pub error: Option<Box<str>>,
    /// `None` until the job has ended for good.
    pub outcome: Option<Outcome>,
}

impl Record {
    /// Time from the start of the first attempt to the end of the last.
    pub fn wall(&self) -> Option<Duration> {
        Some(self.ended?.since(self.began?))
    }

    fn begin(&mut self, at: Now) {
        (self.started_at, self.began) = (Some(at.wall), Some(at.mono));
    }
}

/// The records of all jobs that ever started. Jobs that never did have none.
#[derive(Default)]
pub struct Ledger {
    /// Job number to place in `records`; zero: none yet.
    places: Vec<u32>,
    records: Vec<Record>,
    /// Largest resident size that the probe saw of a running attempt's tree.
    sampled_peaks: HashMap<AttemptId, u64>,
    /// Which jobs hung, and for how long.
    pub hangs: Hangs,
    /// Tasks whose inputs could not be read, and why.
    pub unread: Vec<(crate::model::TaskIdx, String)>,
}

impl Ledger {
    /// Returns what is known of a job.
    pub fn get(&self, job: JobNo) -> Option<&Record> {
        let place = *self.places.get(job.0 as usize)?;
        self.records.get((place as usize).checked_sub(1)?)
    }

    /// Takes in one fact.
    pub fn note(&mut self, event: &Event) {
        self.hangs.note(event);
        match event {
            Event::AttemptLaunched { attempt, at, .. } => {
                let record = self.record(attempt.job);
                record.attempts = attempt.n;
                record.outcome = None;
                if record.began.is_none() {
                    record.begin(*at);
                }
            }
            Event::AttemptStarted { attempt, at, .. } if attempt.n == 1 => {
                self.record(attempt.job).begin(*at);
            }
            Event::AttemptEnded {
                attempt,
                exit,
                usage,
                swept,
                oom_killed,
                reason,
                error,
                at,
                ..
            } => {
                let sampled = self.sampled_peaks.remove(attempt);
                let record = self.record(attempt.job);
                record.ended = Some(at.mono);
                record.exit = *exit;
                record.add(usage, sampled);
                record.swept += swept;
                record.oom_killed = *oom_killed;
                record.reason = *reason;
                record.error = error.as_deref().map(Into::into);
            }
            Event::JobEnded { job, outcome, attempts, .. } if *attempts > 0 => {
                self.record(*job).outcome = Some(*outcome);
            }
            Event::InputsFailed { task, error } => self.unread.push((*task, error.clone())),
            _ => {}
        }
    }

    /// Takes in the peak of a running attempt that the probe saw.
    pub fn note_peak(&mut self, attempt: AttemptId, rss_bytes: u64) {
        if rss_bytes == 0 {
            // Nothing was left to measure.
            return;
        }
        let peak = self.sampled_peaks.entry(attempt).or_default();
        *peak = (*peak).max(rss_bytes);
    }

    fn record(&mut self, job: JobNo) -> &mut Record {
        let idx = job.0 as usize;
        if self.places.len() <= idx {
            self.places.resize(idx + 1, 0);
        }
        if self.places[idx] == 0 {
            self.records.push(Record::default());
            self.places[idx] = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        }
        let place = self.places[idx] as usize - 1;
        &mut self.records[place]
    }
}

impl Record {
    fn add(&mut self, usage: &Usage, sampled_peak: Option<u64>) {
        let total = &mut self.usage;
        total.cpu_user += usage.cpu_user;
        total.cpu_system += usage.cpu_system;
        // A child starts at ganger's own peak, which may hide its own: then what was seen of
        // its tree is the next best.
        total.max_rss_bytes = total.max_rss_bytes.max(usage.max_rss_bytes.or(sampled_peak));
        total.stdout_bytes = usage.stdout_bytes;
        total.stderr_bytes = usage.stderr_bytes;
        total.means = usage.means.or(total.means);
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
