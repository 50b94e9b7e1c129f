//! One job in full.

use super::view::{Found, View, millis};
use crate::model::query::{AttemptRow, Holding, JobDetail, NeedRow};
use crate::model::report::CommandText;
use crate::model::words::duration;
use crate::model::{AttemptId, JobNo, Outcome, Slot, TaskIdx, Text};
use crate::plan::NeedWhen;
use crate::plan::inputs::InputSet;
use crate::supervisor::Supervisor;
use crate::supervisor::launch::{Place, command, workdir};
use crate::supervisor::ledger::{AttemptRecord, since};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// Jobs of a task that have to have succeeded before their median is a measure.
const ENOUGH: u64 = 5;
/// So many times the median is slow ...
const SLOW_TIMES: f64 = 2.0;
/// ... unless nobody waits for it anyway.
const SLOW: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn detail(&self, job: JobNo) -> Result<JobDetail, String> {
        let view = self.view();
        let found = view.find(job);
        let Found { task, index, .. } = found;
        let none = InputSet::none();
        let inputs = self.inputs[task.0 as usize].as_deref().unwrap_or(&none);
        let record = self.ledger.get(job);
        let place = self.place_of(found);
        let (words, shell) = match command(&self.prepared, inputs, place)? {
            CommandText::Shell(text) => (vec![text], true),
            CommandText::Argv(words) => (words, false),
        };
        let workdir = workdir(&self.prepared, inputs, place)?;
        let (env, env_files) = self.launcher.shown_env(place, inputs)?;
        let attempts = view.attempts(job);
        let rules = &self.prepared.schedule.tasks[task.0 as usize];
        Ok(JobDetail {
            command: words,
            shell,
            workdir: Text(workdir.into_os_string().into_vec()),
            inputs: inputs
                .vars(index)
                .into_iter()
                .map(|(n, v)| (n, Text(v.into_owned())))
                .collect(),
            // A worker and an attempt that there have not been cannot be said.
            env: env
                .into_iter()
                .filter(|var| {
                    let name = var.name.0.as_slice();
                    record.is_some() || !matches!(name, b"GANGER_SLOT" | b"GANGER_ATTEMPT")
                })
                .collect(),
            env_files,
            n_inherited_env: self.launcher.n_inherited(),
            n_attempts_dropped: record
                .map_or(0, |r| r.attempts)
                .saturating_sub(u32::try_from(attempts.len()).unwrap_or(u32::MAX)),
            attempts,
            limits: self.prepared.plan.tasks[task.0 as usize].limits,
            limits_by: record.and_then(|r| r.usage()).and_then(|u| u.means),
            why: self.why(job).into_iter().chain(view.slowness(job, task)).collect(),
            holds: view.holds(job),
            pool: self.prepared.schedule.pools[usize::from(rules.pool.0)].name.clone(),
            weight: rules.weight,
            needs: view.needs(task),
            needed_by: view.needed_by(task),
            row: view.row(job),
        })
    }

    /// Where the job runs or ran last; a worker of its pool when it never has.
    fn place_of(&self, found: Found) -> Place {
        let pool = self.prepared.schedule.tasks[found.task.0 as usize].pool;
        let record = self.ledger.get(found.job);
        Place {
            attempt: AttemptId { job: found.job, n: record.map_or(1, |r| r.attempts) },
            task: found.task,
            index: found.index,
            slot: record.map_or(Slot { pool, n: 1 }, |r| r.last.slot),
            pool_size: self.engine.state().pool(pool).size(),
        }
    }
}

impl View<'_> {
    /// Says that a job took much longer than others of its task.
    fn slowness(&self, job: JobNo, task: TaskIdx) -> Option<String> {
        let last = &self.ledger.get(job)?.last;
        let took = last.wall().filter(|_| last.outcome == Some(Outcome::Succeeded))?;
        let usual = self.ledger.tally(task)?.durations.summary().filter(|of| of.count >= ENOUGH)?;
        let usual = Duration::from_micros(usual.p50_us);
        let times = took.as_secs_f64() / usual.as_secs_f64().max(1e-6);
        let is_slow = took >= SLOW && times >= SLOW_TIMES;
        is_slow.then(|| {
            let (took, usual) = (duration(took), duration(usual));
            format!("It took {took}, {times:.1} times the median of its task ({usual}).")
        })
    }

    fn attempts(&self, job: JobNo) -> Vec<AttemptRow> {
        let Some(record) = self.ledger.get(job) else { return Vec::new() };
        let mut rows: Vec<AttemptRow> =
            record.kept().map(|(n, attempt)| self.attempt_row(n, attempt)).collect();
        if let Some(last) = rows.last_mut() {
            last.error = self.ledger.error(job).map(str::to_owned);
            let seen = self.ledger.sampled_peak(AttemptId { job, n: last.n });
            last.max_rss_bytes = last.max_rss_bytes.or(seen);
        }
        rows
    }

    fn attempt_row(&self, n: u32, attempt: &AttemptRecord) -> AttemptRow {
        let usage = attempt.usage();
        let to_now = || since(attempt.started_at, self.now.wall);
        AttemptRow {
            n,
            slot: attempt.slot,
            started_at: attempt.started_at,
            wall_ms: millis(attempt.wall().unwrap_or_else(to_now)),
            outcome: attempt.outcome,
            exit: attempt.exit,
            cpu_user_ms: usage.map(|u| millis(u.cpu_user)),
            cpu_system_ms: usage.map(|u| millis(u.cpu_system)),
            max_rss_bytes: usage.and_then(|u| u.max_rss_bytes),
            stdout_bytes: usage.and_then(|u| u.stdout_bytes),
            stderr_bytes: usage.and_then(|u| u.stderr_bytes),
            swept: attempt.swept,
            oom_killed: attempt.oom_killed,
            reason: attempt.reason,
            error: None,
        }
    }

    fn holds(&self, job: JobNo) -> Option<Holding> {
        let attempt = self.state.attempt(job)?;
        Some(Holding {
            slot: attempt.slot,
            weight: attempt.weight,
            pool_size: self.state.pool(attempt.slot.pool).size(),
        })
    }

    fn needs(&self, task: TaskIdx) -> Vec<NeedRow> {
        let rules = &self.state.schedule().tasks[task.0 as usize];
        let row = |need: &crate::plan::Need| NeedRow {
            task: self.task_name(need.task).to_owned(),
            when: match need.when {
                NeedWhen::Succeeded => "succeeded",
                NeedWhen::Failed => "failed",
                NeedWhen::Always => "always",
            }
            .to_owned(),
            each: need.each,
            ended: self.state.task_ended(need.task).is_some(),
        };
        rules.needs.iter().map(row).collect()
    }

    fn needed_by(&self, task: TaskIdx) -> Vec<String> {
        let tasks = self.state.schedule().tasks.iter();
        tasks
            .filter(|rules| rules.needs.iter().any(|need| need.task == task))
            .map(|rules| rules.name.clone())
            .collect()
    }
}
