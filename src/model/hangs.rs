//! Which jobs the `quiet` rule marked as hung, and for how long: learnt from the events.

use super::event::Event;
use super::ids::{AttemptId, JobNo};
use super::time::Mono;
use std::collections::HashMap;
use std::time::Duration;

/// The jobs of which an attempt was marked as quiet. Grows with those only.
#[derive(Clone, Debug, Default)]
pub struct Hangs {
    by_job: HashMap<JobNo, Hang>,
}

/// The attempt of a job that was marked last.
#[derive(Clone, Debug)]
struct Hang {
    attempt: AttemptId,
    since: Mono,
    /// When it moved again or ended.
    until: Option<Mono>,
}

impl Hangs {
    /// Takes in one fact.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::AttemptQuiet { attempt, quiet: true, since } => {
                let hang = Hang { attempt: *attempt, since: *since, until: None };
                self.by_job.insert(attempt.job, hang);
            }
            // `since` is then the moment of the movement.
            Event::AttemptQuiet { attempt, quiet: false, since: at } => self.end(*attempt, *at),
            Event::AttemptEnded { attempt, at, .. } => self.end(*attempt, at.mono),
            _ => {}
        }
    }

    fn end(&mut self, attempt: AttemptId, at: Mono) {
        if let Some(hang) = self.by_job.get_mut(&attempt.job)
            && hang.attempt == attempt
        {
            hang.until.get_or_insert(at);
        }
    }

    /// Returns how long the job's attempt that was marked last had been quiet when it moved
    /// again or ended; `None`: none was ever marked.
    pub fn quiet_for(&self, job: JobNo) -> Option<Duration> {
        let hang = self.by_job.get(&job)?;
        Some(hang.until.unwrap_or(hang.since).since(hang.since))
    }

    /// Forgets a job.
    pub fn forget(&mut self, job: JobNo) {
        self.by_job.remove(&job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Now, Outcome, TaskIdx, Usage, Wall};

    const JOB: JobNo = JobNo(3);

    fn attempt(n: u32) -> AttemptId {
        AttemptId { job: JOB, n }
    }

    fn mono(s: u64) -> Mono {
        Mono(s * 1_000_000)
    }

    fn quiet(n: u32, since: u64) -> Event {
        Event::AttemptQuiet { attempt: attempt(n), quiet: true, since: mono(since) }
    }

    fn moved(n: u32, at: u64) -> Event {
        Event::AttemptQuiet { attempt: attempt(n), quiet: false, since: mono(at) }
    }

    fn ended(n: u32, at: u64) -> Event {
        Event::AttemptEnded {
            attempt: attempt(n),
            task: TaskIdx(0),
            outcome: Outcome::Cancelled,
            exit: None,
            usage: Usage::default(),
            swept: 0,
            oom_killed: None,
            reason: None,
            error: None,
            at: Now { mono: mono(at), wall: Wall(0) },
        }
    }

    #[test]
    fn the_attempt_marked_last_counts_until_it_moves_or_ends() {
        for (events, seconds) in [
            (vec![], None),
            (vec![ended(1, 9)], None),
            (vec![quiet(1, 2), ended(1, 44)], Some(42)),
            (vec![quiet(1, 2), moved(1, 7), ended(1, 44)], Some(5)),
            (vec![quiet(1, 2), moved(1, 7), quiet(1, 10), ended(1, 13)], Some(3)),
            (vec![quiet(1, 2), ended(1, 5), ended(2, 60)], Some(3)),
            (vec![quiet(1, 2), ended(1, 5), quiet(2, 6), ended(2, 7)], Some(1)),
        ] {
            let mut hangs = Hangs::default();
            events.iter().for_each(|event| hangs.note(event));
            assert_eq!(hangs.quiet_for(JOB).map(|d| d.as_secs()), seconds, "{events:?}");
        }
    }
}
