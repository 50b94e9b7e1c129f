//! How a job ends for good, and how the run is brought to its end: by people, by signals, and
//! by the rules `on_failure` and `fail_fast`.

use super::Engine;
use crate::model::{
    Answer, Event, JobNo, Outcome, Requester, StopHow, StopReason, TaskIdx, signal_name,
};
use crate::plan::{FailFast, OnFailure};

impl Engine {
    pub(super) fn end_job(&mut self, job: JobNo, task: TaskIdx, index: u32, outcome: Outcome) {
        let attempts = self.state.attempts(job);
        self.emit(Event::JobEnded { job, task, outcome, attempts, at: self.now });
        let harmless =
            outcome.is_success() || matches!(outcome, Outcome::Cancelled | Outcome::Skipped { .. });
        if harmless {
            return;
        }
        let rules = self.state.rules(task);
        if rules.on_failure != OnFailure::Continue {
            let name = format!("{}:{}", rules.name, index + 1);
            self.obey_on_failure(task, format!("job `{name}` {}", outcome_words(outcome)));
        }
        self.check_fail_fast();
    }

    /// Does what a task's `on_failure` says after `what` went wrong.
    pub(super) fn obey_on_failure(&mut self, task: TaskIdx, what: String) {
        let (how, word) = match self.state.rules(task).on_failure {
            OnFailure::Continue => return,
            OnFailure::Stop => (StopHow::Drain, "stop"),
            OnFailure::Abort => (StopHow::Stop, "abort"),
        };
        self.stop_by_rule(how, format!("{what} and its task says `on_failure: {word}`"));
    }

    pub(super) fn check_fail_fast(&mut self) {
        let counts = self.state.counts();
        let bad = counts.bad();
        let reached = match self.state.schedule().fail_fast {
            _ if bad == 0 => false,
            None => false,
            Some(FailFast::Jobs(limit)) => bad >= limit,
            Some(FailFast::Percent(percent)) => {
                let known = counts.tasks_unread == 0;
                known && f64::from(bad) * 100.0 >= percent * f64::from(counts.total)
            }
        };
        if reached {
            let why = match self.state.schedule().fail_fast {
                Some(FailFast::Percent(percent)) => {
                    format!("{bad} of {} jobs failed (`fail_fast: {percent}%`)", counts.total)
                }
                _ if bad == 1 => "1 job failed (`fail_fast`)".to_owned(),
                _ => format!("{bad} jobs failed (`fail_fast`)"),
            };
            self.stop_by_rule(StopHow::Drain, why);
        }
    }

    pub(super) fn stop_by_rule(&mut self, how: StopHow, why: String) {
        if self.state.ending().is_none_or(|ending| ending.how < how) {
            self.stop_run(how, Requester::Rule, why);
        }
    }

    /// Answers a request of people, of a signal or of ganger itself to end the run.
    pub(super) fn ask_to_stop(&mut self, how: StopHow, by: Requester) -> Answer {
        let mut how = how;
        if let Some(ending) = self.state.ending() {
            let by_people = ending.by != Requester::Rule;
            if ending.how > how || (ending.how == how && by_people && how != StopHow::Stop) {
                return Answer::Refused(format!("the run is {} already", how_words(ending.how)));
            }
            // Asking twice is the second step.
            if ending.how == how && by_people {
                how = StopHow::Kill;
            }
        }
        let (waiting, running) = (self.state.counts().waiting(), self.state.counts().running);
        self.stop_run(how, by.clone(), format!("asked {}", by_words(&by)));
        let rest = match how {
            StopHow::Drain if running > 0 && self.state.run_paused().is_some() => {
                "stand still until the run is resumed"
            }
            StopHow::Drain => "go on to their end",
            StopHow::Stop => "are asked to stop",
            StopHow::Kill => "are killed",
        };
        Answer::Done(format!(
            "the run is {}: {waiting} waiting jobs cancelled, {running} running jobs {rest}",
            how_words(how)
        ))
    }

    fn stop_run(&mut self, how: StopHow, by: Requester, why: String) {
        let reason = if by == Requester::Rule { StopReason::Abort } else { StopReason::RunStop };
        self.emit(Event::RunStopping { how, by: by.clone(), why });
        if how == StopHow::Drain {
            return;
        }
        let jobs: Vec<JobNo> = self.state.attempts_running().map(|a| a.id.job).collect();
        for job in jobs {
            self.stop_attempt(job, reason, &by, how == StopHow::Kill);
        }
    }
}

/// What a way of ending makes of the run, to follow "the run is".
pub(super) fn how_words(how: StopHow) -> &'static str {
    match how {
        StopHow::Drain => "draining",
        StopHow::Stop => "being stopped",
        StopHow::Kill => "being killed",
    }
}

/// Who asked, to follow "asked" or "paused".
pub(super) fn by_words(by: &Requester) -> String {
    match by {
        Requester::Screen => "at the screen".to_owned(),
        Requester::Cli { pid } => format!("from another terminal (pid {pid})"),
        Requester::Signal { signal } => format!("by {}", signal_name(*signal)),
        Requester::Rule => "by a rule of the task file".to_owned(),
        Requester::Ganger => "by ganger, since its screen went away".to_owned(),
    }
}

/// How a job ended, in words that follow its name.
pub(super) fn outcome_words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Succeeded => "succeeded".to_owned(),
        Outcome::UpToDate => "was up to date".to_owned(),
        Outcome::Failed { code } => format!("failed with exit code {code}"),
        Outcome::Signaled { signal } => format!("was ended by {}", signal_name(signal)),
        Outcome::TimedOut => "timed out".to_owned(),
        Outcome::OutOfMemory => "ran out of memory".to_owned(),
        Outcome::SpawnFailed => "could not be started".to_owned(),
        Outcome::Cancelled => "was cancelled".to_owned(),
        Outcome::Skipped { .. } => "was skipped".to_owned(),
        Outcome::Lost => "was lost sight of".to_owned(),
    }
}
