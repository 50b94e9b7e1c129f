//! Names of jobs, learnt from `jobs_added`.

use crate::model::{Event, JobNo, PoolIdx, RunInfo, TaskIdx};

/// Which job belongs to which task. Grows with the tasks, not with the jobs.
pub(super) struct Book<'a> {
    info: &'a RunInfo,
    /// By first job.
    ranges: Vec<Range>,
}

struct Range {
    first: u32,
    count: u32,
    task: TaskIdx,
}

impl<'a> Book<'a> {
    pub(super) fn new(info: &'a RunInfo) -> Book<'a> {
        Book { info, ranges: Vec::new() }
    }

    pub(super) fn learn(&mut self, event: &Event) {
        if let Event::JobsAdded { task, first, count: count @ 1.. } = event {
            let place = self.ranges.partition_point(|range| range.first < first.0);
            self.ranges.insert(place, Range { first: first.0, count: *count, task: *task });
        }
    }

    /// Returns the task of a job and its number in the task, from 1.
    pub(super) fn place(&self, job: JobNo) -> Option<(TaskIdx, u32)> {
        let after = self.ranges.partition_point(|range| range.first <= job.0);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        let position = job.0 - range.first;
        (position < range.count).then_some((range.task, position + 1))
    }

    /// Returns `resize:3`, or `:17` for a job that was never announced.
    pub(super) fn label(&self, job: JobNo) -> String {
        match self.place(job) {
            Some((task, index)) => format!("{}:{index}", self.task(task)),
            None => job.to_string(),
        }
    }

    pub(super) fn task(&self, task: TaskIdx) -> &'a str {
        let place = usize::try_from(task.0).unwrap_or(usize::MAX);
        self.info.tasks.get(place).map_or("?", |task| task.name.as_str())
    }

    pub(super) fn pool(&self, pool: PoolIdx) -> &'a str {
        self.info.pools.get(usize::from(pool.0)).map_or("?", String::as_str)
    }
}
