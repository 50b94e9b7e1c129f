//! Why a job is not running, or what it is doing: in sentences.

use super::Engine;
use super::state::{Attempt, AttemptPhase, Gate, JobState, Verdict};
use super::stop::{by_words, how_words, outcome_words};
use crate::model::{JobNo, Mono, Now, Outcome, Slot, StopHow, TaskIdx};
use std::time::Duration;

/// Jobs that are named one by one before the rest is only counted.
const NAMED: usize = 3;

impl Engine {
    /// Returns sentences that say why a job is not running or what it is doing; the nearest
    /// cause first. Never empty.
    pub fn why(&self, job: JobNo, now: Now) -> Vec<String> {
        let mut lines = Vec::new();
        let (Some(state), Some((task, index))) =
            (self.state.job_state(job), self.state.task_of(job))
        else {
            return vec![format!("There is no job {job} in this run.")];
        };
        match state {
            JobState::Ended { outcome } => self.why_ended(job, task, outcome, &mut lines),
            JobState::Running { .. } => {
                if let Some(attempt) = self.state.attempt(job) {
                    self.why_running(attempt, now.mono, &mut lines);
                }
            }
            JobState::BackingOff { until } => {
                let (left, tries) = (span(until.since(now.mono)), self.state.attempts(job));
                lines.push(format!("It waits {left} before attempt {}.", tries + 1));
                self.why_paused(job, task, &mut lines);
            }
            JobState::Blocked => self.why_blocked(task, index, now.mono, &mut lines),
            JobState::Ready => self.why_ready(job, task, index, &mut lines),
        }
        if lines.is_empty() {
            lines.push("It is about to start.".to_owned());
        }
        lines
    }

    fn why_ended(&self, job: JobNo, task: TaskIdx, outcome: Outcome, lines: &mut Vec<String>) {
        if let Outcome::Skipped { upstream } = outcome {
            let up = &self.state.rules(upstream).name;
            let error = self.state.inputs_error(upstream);
            lines.push(match error {
                Some(error) => {
                    format!("It was skipped: the inputs of `{up}` could not be read: {error}.")
                }
                None => format!("It was skipped: it needs `{up}`, which did not end as needed."),
            });
            return;
        }
        let attempts = match self.state.attempts(job) {
            0 => "without an attempt".to_owned(),
            1 => "after 1 attempt".to_owned(),
            n => format!("after {n} attempts"),
        };
        lines.push(format!("It has ended: it {} {attempts}.", outcome_words(outcome)));
        if outcome == Outcome::Cancelled {
            self.why_ending(lines);
        } else if !outcome.is_success() && self.state.rules(task).retries.max > 0 {
            lines.push("Its retries are used up, or do not cover this outcome.".to_owned());
        }
    }

    fn why_ending(&self, lines: &mut Vec<String>) {
        if let Some(ending) = self.state.ending() {
            lines.push(format!("The run is {}: {}.", how_words(ending.how), ending.why));
        }
    }

    // ---- running

    fn why_running(&self, attempt: &Attempt, now: Mono, lines: &mut Vec<String>) {
        let Attempt { id, .. } = attempt;
        let place = self.slot_words(attempt.slot);
        let since = span(now.since(attempt.since()));
        match (&attempt.phase, attempt.proc()) {
            (AttemptPhase::Launching, _) => {
                lines.push(format!("Attempt {id} is being started in {place} since {since}."));
            }
            (AttemptPhase::LeaderEnded { .. }, _) => lines.push(format!(
                "The leader of attempt {id} has ended; processes that it left behind are alive."
            )),
            (_, pid) => {
                let pid = pid.map(|p| format!(", pid {}", p.pid)).unwrap_or_default();
                lines.push(format!("Attempt {id} runs in {place}{pid}, since {since}."));
            }
        }
        if let Some(stop) = &attempt.stopping {
            let kill = match stop.kill_at.since(now) {
                Duration::ZERO => "SIGKILL has been sent".to_owned(),
                left => format!("SIGKILL in {}", span(left)),
            };
            lines.push(format!("It is being stopped: {}; {kill}.", stop.reason.words()));
        } else if attempt.is_frozen() {
            self.why_paused(id.job, attempt.task, lines);
        } else if let Some(timeout) = self.state.rules(attempt.task).timeout
            && let AttemptPhase::Running { since, .. } = attempt.phase
        {
            let ran = now.since(since).saturating_sub(attempt.paused(now));
            lines.push(format!("Its timeout is in {}.", span(timeout.saturating_sub(ran))));
        }
        if let Some(since) = attempt.quiet_since {
            let quiet = span(now.since(since));
            lines.push(format!("It has shown no CPU, no output and no I/O for {quiet}."));
        }
    }

    fn slot_words(&self, slot: Slot) -> String {
        let pool = &self.state.schedule().pools[slot.pool.0 as usize].name;
        format!("slot {} of pool `{pool}`", slot.n)
    }

    // ---- waiting for others

    fn why_blocked(&self, task: TaskIdx, index: u32, now: Mono, lines: &mut Vec<String>) {
        if self.state.gate(task) == Gate::Shut
            && let Some(up) = self.state.unmet_need(task)
        {
            let up = &self.state.rules(up).name;
            lines.push(format!("It needs `{up}`, which did not end as needed."));
        }
        let needs: Vec<TaskIdx> = self.state.open_needs(task).collect();
        for up in needs.iter().take(NAMED) {
            lines.push(self.need_words(*up));
        }
        if needs.len() > NAMED {
            lines.push(format!("It needs {} more tasks to end.", needs.len() - NAMED));
        }
        if self.state.gate(task) == Gate::Locked
            && let Some((things, since)) = self.state.locks().why_waits(task)
        {
            let for_what = match things.is_empty() {
                true => "what it takes".to_owned(),
                false => things.join(", and for "),
            };
            let since = span(now.since(since));
            lines.push(format!("It waits for {for_what}, since {since}."));
        }
        if let Verdict::Waiting(left) = self.state.each_verdict(task, index) {
            lines.push(self.link_words(task, index, left));
        }
    }

    fn need_words(&self, up: TaskIdx) -> String {
        let name = &self.state.rules(up).name;
        if self.state.task_unread(up) {
            return format!("It needs `{name}` to end, whose inputs are not read yet.");
        }
        let counts = self.state.task_counts(up);
        format!(
            "It needs `{name}` to end: {} of {} jobs left, {} of them running.",
            counts.waiting() + counts.running,
            counts.total,
            counts.running
        )
    }

    fn link_words(&self, task: TaskIdx, index: u32, left: u32) -> String {
        let mut names = Vec::new();
        for (position, need) in self.state.rules(task).needs.iter().enumerate() {
            let Some(map) = self.state.link(task, position) else { continue };
            for i in map.ups_of(index) {
                let Some(job) = self.state.job_of(need.task, i) else {
                    let up = &self.state.rules(need.task).name;
                    names.push(format!("job {} of `{up}` (not read yet)", i + 1));
                    continue;
                };
                let word = match self.state.job_state(job) {
                    Some(JobState::Ended { .. }) | None => continue,
                    Some(JobState::Running { .. }) => "running",
                    Some(JobState::BackingOff { .. }) => "waiting for its next attempt",
                    Some(JobState::Ready) => "in the queue",
                    Some(JobState::Blocked) => "waiting for others",
                };
                names.push(format!("{} ({word})", self.state.job_name(job)));
            }
        }
        names.truncate(NAMED);
        let more = match left as usize - names.len().min(left as usize) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("It needs {}{more} to end.", names.join(", "))
    }

    // ---- in the queue

    /// Says which pauses cover a job.
    fn why_paused(&self, job: JobNo, task: TaskIdx, lines: &mut Vec<String>) {
        if let Some(by) = self.state.job_paused(job) {
            lines.push(format!("The job is paused, {}.", by_words(by)));
        }
        let pool = self.state.rules(task).pool;
        if let Some(by) = self.state.pool(pool).paused() {
            let name = &self.state.schedule().pools[pool.0 as usize].name;
            lines.push(format!("Pool `{name}` is paused, {}.", by_words(by)));
        }
        if let Some(by) = self.state.run_paused() {
            lines.push(format!("The run is paused, {}.", by_words(by)));
        }
    }

    fn why_ready(&self, job: JobNo, task: TaskIdx, index: u32, lines: &mut Vec<String>) {
        if self.state.started().is_none() {
            lines.push("The run has not started yet.".to_owned());
        }
        if self.state.ending().is_some_and(|e| e.how >= StopHow::Drain) {
            self.why_ending(lines);
        }
        self.why_paused(job, task, lines);
        if let Some(priority) = self.state.priority_by_hand(job) {
            lines.push(format!("It was given priority {priority} by hand."));
        }
        let rules = self.state.rules(task);
        let running = self.state.task_counts(task).running;
        if let Some(max) = rules.max_parallel.filter(|max| running >= *max) {
            let name = &rules.name;
            lines.push(format!(
                "{running} jobs of `{name}` are running, and its `max_parallel` is {max}."
            ));
        }
        let pool = self.state.pool(rules.pool);
        let name = &self.state.schedule().pools[rules.pool.0 as usize].name;
        let (size, used) = (pool.size(), pool.weight_used());
        if size == 0 {
            lines.push(format!("Pool `{name}` has no workers."));
            return;
        }
        let weight = pool.effective_weight(rules.weight);
        if used >= size {
            lines.push(format!(
                "It waits for a free worker of pool `{name}`: all {size} are taken."
            ));
        } else if used + weight > size {
            lines.push(format!(
                "It takes {weight} workers, and pool `{name}` has {} of {size} free.",
                size - used
            ));
        }
        let ahead = self.state.ready_ahead_of(task, index);
        if ahead > 0 {
            let jobs = if ahead == 1 { "1 job is".to_owned() } else { format!("{ahead} jobs are") };
            lines.push(format!("{jobs} ahead of it in the queue."));
        }
    }
}

/// Returns a span of time as a person would say it: `4.2s`, `42s`, `1m30s`, `2h05m`.
fn span(d: Duration) -> String {
    match d.as_secs() {
        0..10 => format!("{:.1}s", d.as_secs_f64()),
        s @ 10..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        s => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
    }
}
