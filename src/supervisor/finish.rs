//! The end of a run: the report and the run's record.

use super::Supervisor;
use super::launch::{Place, command};
use crate::control::kept::{KeptTask, KeptTasks};
use crate::control::proto::ToClient;
use crate::control::runs::EndedInfo;
use crate::engine::JobState;
use crate::model::locks::Deadlock;
use crate::model::report::{
    CommandText, DeadlockReport, JobReport, REPORT_VERSION, RunReport, UnreadTask,
};
use crate::model::{AttemptId, JobNo, Now, Outcome, RunOutcome, Slot, TaskIdx, Text};
use crate::plan::inputs::InputSet;
use std::collections::HashSet;
use std::time::Duration;

impl Supervisor {
    /// Takes in that the run has ended: writes the report and says so in the run's folder.
    pub(super) fn ended(&mut self, outcome: RunOutcome, exit_code: i32, at: Now) {
        self.exit_code = Some(exit_code);
        self.publisher.waits.stop();
        // The report first: the record tells with which exit code all of it ended.
        self.write_report(outcome, exit_code, at);
        let ended = EndedInfo {
            exit_code: self.exit_code.unwrap_or(exit_code),
            outcome,
            ended_at: at.wall,
            counts: *self.engine.state().counts(),
            trouble: self.trouble.clone(),
        };
        if let Err(e) = self.kept_tasks().write(&self.folder.dir) {
            let dir = self.folder.dir.display();
            self.publisher.notice(format!("cannot write the names of the tasks in {dir}: {e}"));
        }
        if let Err(e) = self.folder.finish(ended) {
            self.publisher.notice(e.to_string());
        }
        // Everybody sees the end before the goodbye.
        if self.clients.want_snapshots() {
            self.publish();
        }
        // The run's own front end may stay and ask on; it ends the connection.
        let bye = ToClient::Bye {
            exit_code: self.exit_code.unwrap_or(exit_code),
            trouble: self.trouble.clone(),
        };
        self.clients.send_to_owner(&bye);
    }

    fn kept_tasks(&self) -> KeptTasks {
        let state = self.engine.state();
        let tasks = (0_u32..).map(TaskIdx).zip(&self.prepared.schedule.tasks);
        let kept = tasks.filter_map(|(task, rules)| {
            let first = state.job_of(task, 0)?;
            let n_jobs = state.task_counts(task).total;
            Some(KeptTask { name: rules.name.clone(), first, n_jobs })
        });
        KeptTasks(kept.collect())
    }

    fn write_report(&mut self, outcome: RunOutcome, exit_code: i32, at: Now) {
        let counts = *self.engine.state().counts();
        let Some(target) = self.report.take() else { return };
        let head = self.head(outcome, exit_code, at);
        let jobs = (1..=counts.total).map(|n| self.job_report(JobNo(n)));
        if let Err(e) = target.write(&head, jobs) {
            let trouble = format!("{e}\nhint: {}", e.hint);
            self.publisher.notice(trouble.clone());
            self.trouble = Some(trouble);
            self.exit_code = Some(if exit_code == 0 { 3 } else { exit_code });
        }
    }

    fn head(&self, outcome: RunOutcome, exit_code: i32, at: Now) -> RunReport {
        let task_name = |task: TaskIdx| self.prepared.schedule.tasks[task.0 as usize].name.clone();
        let unread = self.ledger.unread.iter();
        RunReport {
            version: REPORT_VERSION,
            run: self.info.run.clone(),
            name: self.info.name.clone(),
            file: self.info.file.clone(),
            started_at: self.info.started_at,
            ended_at: at.wall,
            wall_s: at.mono.since(self.info.started_mono),
            outcome,
            exit_code,
            totals: (*self.engine.state().counts()).into(),
            unread_tasks: unread
                .map(|(task, error)| UnreadTask { task: task_name(*task), error: error.clone() })
                .collect(),
            deadlocks: self.deadlock_reports(),
        }
    }

    fn deadlock_reports(&self) -> Vec<DeadlockReport> {
        let report = |deadlock: &Deadlock| {
            let mut report = DeadlockReport {
                tasks: Vec::new(),
                jobs: Vec::new(),
                after_s: deadlock.at.since(self.info.started_mono),
                text: deadlock.text.clone(),
            };
            for member in &deadlock.members {
                let name = |task: TaskIdx| {
                    self.prepared.schedule.tasks.get(task.0 as usize).map(|t| t.name.clone())
                };
                report.tasks.extend(member.task.and_then(name));
                report.jobs.extend(member.job.map(|job| job.0));
            }
            let mut seen = HashSet::new();
            report.tasks.retain(|task| seen.insert(task.clone()));
            let mut seen = HashSet::new();
            report.jobs.retain(|job| seen.insert(*job));
            report
        };
        self.engine.state().past_deadlocks().iter().map(report).collect()
    }

    fn job_report(&self, job: JobNo) -> JobReport {
        let state = self.engine.state();
        let (task, index) = state.task_of(job).unwrap_or((TaskIdx(0), 0));
        let none = InputSet::none();
        let inputs = self.inputs[task.0 as usize].as_deref().unwrap_or(&none);
        let record = self.ledger.get(job);
        let place = Place {
            attempt: AttemptId { job, n: record.map_or(1, |r| r.attempts) },
            task,
            index,
            slot: Slot { pool: crate::model::PoolIdx::DEFAULT, n: 1 },
            pool_size: 1,
        };
        let text = command(&self.prepared, inputs, place)
            .unwrap_or_else(|error| CommandText::Shell(Text::from(error)));
        let outcome = match state.job_state(job) {
            Some(JobState::Ended { outcome }) => outcome,
            _ => Outcome::Lost,
        };
        let pairs = inputs.vars(index).into_iter().map(|(n, v)| (n, Text(v.into_owned())));
        let name = |task: TaskIdx| self.prepared.schedule.tasks[task.0 as usize].name.clone();
        let row =
            JobReport::unstarted(job.0, name(task), index + 1, pairs.collect(), text, outcome);
        let row = JobReport {
            upstream: match outcome {
                Outcome::Skipped { upstream } => Some(name(upstream)),
                _ => None,
            },
            ..row
        };
        let Some(record) = record else { return row };
        let last = &record.last;
        let row = row.with_exit(last.exit).with_hang(self.ledger.hangs.quiet_for(job));
        // What a job used whose last attempt had no process is not what its attempts before used.
        let row = match record.usage().filter(|_| last.exit.is_some()) {
            Some(usage) => row.with_usage(&usage),
            None => row,
        };
        JobReport {
            attempts: record.attempts,
            started_at: Some(record.started_at()),
            wall_s: record.wall().or(Some(Duration::ZERO)),
            swept_processes: record.swept(),
            oom_killed: last.oom_killed,
            reason: last.reason,
            error: self.ledger.error(job).map(str::to_owned),
            ..row
        }
    }
}
