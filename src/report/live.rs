//! Changes as lines, for screen readers and for people who read along: `--live`.
//!
//! Nothing is drawn over, nothing repeats: a line says what has just changed, and every half
//! minute one says where the run stands, if anything has changed since.

use super::book::Book;
use super::words;
use crate::model::sentence::{self, Names};
use crate::model::{AttemptId, Event, JobNo, Mono, PoolIdx, Snapshot, TaskIdx};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Time between two lines that say where the run stands.
const STANDING_EVERY: Duration = Duration::from_secs(30);

/// What was said so far.
#[derive(Default)]
pub(super) struct Live {
    began: HashMap<AttemptId, Mono>,
    alerts: BTreeSet<String>,
    stood_at: Mono,
    stood: String,
}

/// Names of a run whose task file is out of reach: stop signals are not told.
pub(super) struct BookNames<'a, 'b>(pub(super) &'a Book<'b>);

impl Names for BookNames<'_, '_> {
    fn job(&self, job: JobNo) -> String {
        self.0.label(job)
    }

    fn task(&self, task: TaskIdx) -> &str {
        self.0.task(task)
    }

    fn pool(&self, pool: PoolIdx) -> &str {
        self.0.pool(pool)
    }

    fn stop_signal(&self, _job: JobNo) -> i32 {
        libc::SIGTERM
    }
}

impl Live {
    /// Returns the line for an event, `None` for those that another line says too.
    pub(super) fn of_event(&mut self, event: &Event, book: &Book<'_>, now: Mono) -> Option<String> {
        let took = match event {
            Event::AttemptStarted { attempt, at, .. } => {
                self.began.insert(*attempt, at.mono);
                None
            }
            Event::AttemptEnded { attempt, at, .. } => {
                self.began.remove(attempt).map(|began| at.mono.since(began))
            }
            // Their attempts have said it, or the end of the run says it.
            Event::AttemptLaunched { .. }
            | Event::LeaderEnded { .. }
            | Event::Linked { .. }
            | Event::Expanding { .. }
            | Event::BackoffOver { .. }
            | Event::TaskEnded { .. }
            | Event::RunEnded { .. } => return None,
            Event::JobEnded { attempts, .. } if *attempts > 0 => return None,
            // Plain text says these itself.
            Event::RunStopping { .. }
            | Event::InputsFailed { .. }
            | Event::AttemptQuiet { quiet: true, .. } => return None,
            _ => None,
        };
        Some(sentence::of_event(&BookNames(book), event, now, took))
    }

    /// Returns the lines for a snapshot: alerts that are new or gone, and where the run stands.
    pub(super) fn of_snapshot(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let mut lines = Vec::new();
        // Numbers in an alert change all the time: what it is about says whether it is new.
        let about = |a: &crate::model::Alert| format!("{:?} {:?} {:?}", a.kind, a.job, a.task);
        let now: BTreeSet<_> = snapshot.alerts.iter().map(about).collect();
        for alert in snapshot.alerts.iter().filter(|a| !self.alerts.contains(&about(a))) {
            lines.push(format!("alert: {}", alert.text));
        }
        if !self.alerts.is_empty() && now.is_empty() {
            lines.push("no alerts any more".to_owned());
        }
        self.alerts = now;
        let at = snapshot.at.mono;
        let standing = standing(snapshot);
        // While sources of inputs are being read there is nothing to say yet.
        let is_known = snapshot.counts.total > 0 || snapshot.counts.tasks_unread == 0;
        if is_known && at.since(self.stood_at) >= STANDING_EVERY && standing != self.stood {
            self.stood_at = at;
            lines.push(standing.clone());
            self.stood = standing;
        }
        lines
    }
}

/// `12 of 138 done, 0 failed, 3 running, 123 waiting, about 2m 10s left`
fn standing(snapshot: &Snapshot) -> String {
    let c = &snapshot.counts;
    let unknown = if c.tasks_unread > 0 { " or more" } else { "" };
    let mut text = format!(
        "{} of {}{unknown} done, {} failed, {} running, {} waiting",
        c.ended(),
        c.total,
        c.bad(),
        c.running,
        c.waiting()
    );
    if let Some(ms) = snapshot.eta_ms {
        text += &format!(", about {} left", words::duration(Duration::from_millis(ms)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Counts, Now, Outcome, RunInfo, TaskInfo, Wall};

    fn at(s: u64) -> Now {
        Now { mono: Mono(s * 1_000_000), wall: Wall(0) }
    }

    #[test]
    fn a_change_is_one_line_and_nothing_is_said_twice() {
        let task = TaskInfo { name: "thumb".to_owned(), ..TaskInfo::default() };
        let info = RunInfo { tasks: vec![task], ..RunInfo::default() };
        let mut book = Book::new(&info);
        book.learn(&Event::JobsAdded { task: TaskIdx(0), first: JobNo(1), count: 3 });
        let attempt = AttemptId { job: JobNo(2), n: 1 };
        let proc = crate::model::ProcRef { pid: 77, start_ticks: 1 };
        let mut live = Live::default();
        let started = Event::AttemptStarted { attempt, proc, at: at(5) };
        let line = live.of_event(&started, &book, at(5).mono).unwrap();
        assert!(line.contains("thumb:2") && line.contains("77"), "{line}");
        let ended = Event::AttemptEnded {
            attempt,
            task: TaskIdx(0),
            outcome: Outcome::Succeeded,
            exit: None,
            usage: Default::default(),
            swept: 0,
            oom_killed: None,
            reason: None,
            error: None,
            at: at(9),
        };
        let line = live.of_event(&ended, &book, at(9).mono).unwrap();
        assert!(line.contains("thumb:2") && line.contains("4.0s"), "{line}");
        let (job, task, outcome) = (JobNo(2), TaskIdx(0), Outcome::Succeeded);
        let ended = Event::JobEnded { job, task, outcome, attempts: 1, at: at(9) };
        assert_eq!(live.of_event(&ended, &book, at(9).mono), None);
    }

    #[test]
    fn where_the_run_stands_is_said_now_and_then() {
        let mut live = Live::default();
        let mut snapshot = Snapshot { at: at(100), ..Snapshot::default() };
        snapshot.counts =
            Counts { total: 9, succeeded: 2, running: 1, ready: 6, ..Counts::default() };
        let said = live.of_snapshot(&snapshot);
        assert_eq!(said, ["2 of 9 done, 0 failed, 1 running, 6 waiting"]);
        snapshot.at = at(110);
        snapshot.counts.succeeded = 3;
        assert!(live.of_snapshot(&snapshot).is_empty());
        snapshot.at = at(131);
        assert_eq!(live.of_snapshot(&snapshot).len(), 1);
        snapshot.at = at(170);
        assert!(live.of_snapshot(&snapshot).is_empty(), "nothing has changed");
    }
}
