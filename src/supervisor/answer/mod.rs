//! Answers to queries, from the state and the files of the run, without passing the engine.
//!
//! Every answer is made in a few milliseconds. What may take longer, a list of jobs for which
//! every job has to be looked at, is made in slices between two turns of the loop ([`scan`]).

mod detail;
mod output;
mod scan;
#[cfg(test)]
mod scan_tests;
mod tasks;
mod view;

use super::Supervisor;
use crate::clock;
use crate::control::proto::ToClient;
use crate::model::filter::{Filter, Names};
use crate::model::limits::PAGE_ROWS;
use crate::model::query::{JobList, JobPage, JobSort, Query, Reply};
use crate::model::timeline::Range;
use crate::model::{JobNo, JobPlace, JobRef, TaskIdx};
pub use output::tail_line;
use scan::Scan;
pub use scan::Scans;
use view::View;

impl Supervisor {
    /// Answers one question of a client, now or, for a list, later.
    pub(super) fn answer_to(&mut self, client: u64, id: u64, query: &Query) {
        let reply = match query {
            Query::Jobs { list, offset, limit } => match self.jobs(list, *offset, *limit) {
                Ok(Listed::Page(page)) => Ok(Reply::Jobs(page)),
                Ok(Listed::Scan(scan)) => {
                    if let Some(overtaken) = self.scans.add(client, id, scan) {
                        let error = "another list was asked for before this one was ready";
                        self.reply(client, overtaken, Reply::Refused { error: error.to_owned() });
                    }
                    return;
                }
                Err(error) => Err(error),
            },
            _ => self.answer(query),
        };
        self.reply(client, id, reply.unwrap_or_else(|error| Reply::Refused { error }));
    }

    fn reply(&mut self, client: u64, id: u64, reply: Reply) {
        self.clients.send(client, &ToClient::Reply { id, reply: Box::new(reply) });
    }

    /// Works one slice on a list that somebody waits for.
    pub(super) fn scan_on(&mut self) {
        let Some(mut waiting) = self.scans.take_next() else { return };
        let view = self.view();
        match waiting.scan.step(&view) {
            None => self.scans.put_back(waiting),
            Some(page) => self.reply(waiting.client, waiting.id, Reply::Jobs(page)),
        }
    }

    fn answer(&mut self, query: &Query) -> Result<Reply, String> {
        match query {
            Query::Status => Ok(self.status()),
            Query::Jobs { .. } => Err("a list takes its own way".to_owned()),
            Query::Tasks { offset, limit } => Ok(self.tasks(*offset, *limit)),
            Query::Job { job } => {
                let detail = self.detail(self.resolve(job)?)?;
                Ok(Reply::Job { job: Box::new(detail) })
            }
            Query::Waits => Ok(self.waits()),
            Query::Why { job } => Ok(Reply::Why { lines: self.why(self.resolve(job)?) }),
            Query::SharedWaits => Ok(Reply::SharedWaits(self.shared_waits())),
            Query::Timeline { from, to, max_bars } => {
                if from > to {
                    return Err("a timeline ends before it begins".to_owned());
                }
                let (from, to, now) = (*from, *to, clock::mono());
                let range = Range { from, to, now, max_bars: *max_bars };
                Ok(Reply::Timeline(self.history.timeline(range, self.engine.state())))
            }
            Query::Events { filter, from, limit } => {
                let page = self.history.page(filter, *from, *limit, self.engine.state());
                Ok(Reply::Events(page))
            }
            Query::Output { job, stream, from, max_bytes } => {
                self.output(job, *stream, *from, *max_bytes).map(Reply::Output)
            }
            Query::Recent { after, pace, max_bytes } => {
                Ok(Reply::Recent(self.recent(*after, *pace, *max_bytes)))
            }
            Query::KillPreview { .. } => Err("a preview is answered when it is known".to_owned()),
            Query::Search(_) => Err("a search is answered when it has found something".to_owned()),
        }
    }

    fn status(&mut self) -> Reply {
        let snapshot = self.snapshot();
        // Others are owed this change too.
        self.publisher.changed();
        Reply::Status { info: Box::new((*self.info).clone()), snapshot: Box::new(snapshot) }
    }

    fn view(&self) -> View<'_> {
        View {
            state: self.engine.state(),
            ledger: &self.ledger,
            inputs: &self.inputs,
            now: clock::now(),
        }
    }

    /// A list of jobs. In the order of their numbers and without a filter it is cut out of the
    /// run; else every job has to be looked at.
    fn jobs(&self, list: &JobList, offset: u32, limit: u32) -> Result<Listed, String> {
        let limit = limit.min(PAGE_ROWS);
        let filter = Filter::parse(&list.filter, &Names::from(&*self.info))
            .map_err(|e| format!("cannot read the filter `{}`: {e}. {}", list.filter, e.fix))?;
        let view = self.view();
        if !filter.is_everything() || list.sort != JobSort::Number {
            let scan = Scan::new(&view, filter, list.sort, list.descending, offset, limit);
            return Ok(Listed::Scan(Box::new(scan)));
        }
        let total = view.state.counts().total;
        let page = (offset..total).take(limit as usize);
        let number = |i| if list.descending { total - i } else { i + 1 };
        let rows = page.map(|i| view.row(JobNo(number(i)))).collect();
        Ok(Listed::Page(JobPage { total, of: total, scanned: 0, cut_at: None, rows }))
    }

    /// Tells somebody who asked for events late what came before, as far as it names jobs.
    pub(super) fn catch_up(&mut self, client: u64) {
        for event in super::publish::events_so_far(self.engine.state()) {
            let message = ToClient::Event { event: Box::new(event), inputs: Vec::new() };
            self.clients.send(client, &message);
        }
    }

    /// Finds the job that a person named.
    pub(super) fn resolve(&self, job: &JobRef) -> Result<JobNo, String> {
        let state = self.engine.state();
        match &job.place {
            JobPlace::Number(no) if no.0 <= state.counts().total => Ok(*no),
            JobPlace::Number(no) => {
                Err(format!("no job {no}: this run has {} jobs so far", state.counts().total))
            }
            JobPlace::OfTask { task, index } => {
                let place = self.task_named(task)?;
                state.job_of(place, index - 1).ok_or_else(|| {
                    let n = state.task_counts(place).total;
                    format!("no job {task}:{index}: task `{task}` has {n} jobs so far")
                })
            }
            JobPlace::OnlyOf { task } => {
                let place = self.task_named(task)?;
                let n = state.task_counts(place).total;
                state.job_of(place, 0).filter(|_| n == 1).ok_or_else(|| match n {
                    0 => format!("task `{task}` has no jobs so far"),
                    n => {
                        format!("task `{task}` has {n} jobs: name one, `{task}:1` to `{task}:{n}`")
                    }
                })
            }
        }
    }

    fn task_named(&self, task: &str) -> Result<TaskIdx, String> {
        let place = self.prepared.schedule.tasks.iter().position(|t| t.name == task);
        let idx = place.and_then(|place| u32::try_from(place).ok());
        idx.map(TaskIdx).ok_or_else(|| format!("no task `{task}` in this run"))
    }

    fn why(&self, job: JobNo) -> Vec<String> {
        let mut lines = self.engine.why(job, clock::now());
        if let Some(error) = self.ledger.error(job) {
            lines.push(format!("The reason: {error}."));
        }
        let usage = self.ledger.get(job).and_then(super::ledger::Record::usage);
        if let Some(means) = usage.and_then(|usage| usage.means) {
            lines.push(format!("Its limits were kept by {}.", super::ledger::means_words(means)));
        }
        lines
    }
}

/// A list that is there, or has to be made.
enum Listed {
    Page(JobPage),
    Scan(Box<Scan>),
}
