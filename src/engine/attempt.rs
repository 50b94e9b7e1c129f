//! The life of an attempt: what the back end reports of it, how it is stopped, how it ended.

use super::state::{Attempt, AttemptPhase};
use super::{Effect, Engine};
use crate::model::exec::Finding;
use crate::model::{
    AttemptId, Event, ExecReport, Exit, JobNo, Now, Outcome, ProcRef, Requester, StopReason, Usage,
};
use crate::plan::{QuietAction, TaskRules};

/// SIGKILL, see signal(7).
const SIGKILL: i32 = 9;

/// What is known of an attempt at its end.
struct End {
    outcome: Outcome,
    exit: Option<Exit>,
    usage: Usage,
    swept: u32,
    oom_killed: Option<bool>,
    error: Option<String>,
    at: Now,
}

impl End {
    /// The end of an attempt that had no process.
    fn without_process(outcome: Outcome, error: Option<String>, at: Now) -> End {
        let (usage, swept) = (Usage::default(), 0);
        End { outcome, exit: None, usage, swept, oom_killed: None, error, at }
    }
}

impl Engine {
    pub(super) fn take_report(&mut self, report: ExecReport) {
        match report {
            ExecReport::Started { attempt, proc, at } => self.attempt_started(attempt, proc, at),
            ExecReport::UpToDate { attempt, at } => {
                if self.is_launching(attempt) {
                    let end = End::without_process(Outcome::UpToDate, None, at);
                    self.end_attempt(attempt, end);
                }
            }
            ExecReport::SpawnFailed { attempt, error, at } => {
                if self.is_launching(attempt) {
                    let end = End::without_process(Outcome::SpawnFailed, Some(error), at);
                    self.end_attempt(attempt, end);
                }
            }
            ExecReport::LeaderEnded { .. } => self.leader_ended(report),
            ExecReport::TreeGone { attempt, swept, unkillable, at } => {
                self.tree_gone(attempt, swept, unkillable, at);
            }
            ExecReport::OverLimit { attempt, reason, at: _ } => {
                // A limit that is only looked at is enforced at once: the tree may grow faster
                // than it would end by itself.
                if self.running(attempt).is_some_and(|a| !a.leader_ended()) {
                    self.stop_attempt(attempt.job, reason, &Requester::Rule, true);
                }
            }
        }
    }

    pub(super) fn take_finding(&mut self, finding: Finding) {
        let Some(attempt) = self.running(finding.attempt) else { return };
        let runs = matches!(attempt.phase, AttemptPhase::Running { .. });
        let known = finding.quiet == attempt.quiet_since.is_some();
        if !runs || attempt.is_frozen() || attempt.stopping.is_some() || known {
            return;
        }
        let rule = self.state.rules(attempt.task).quiet;
        self.emit(Event::AttemptQuiet {
            attempt: finding.attempt,
            quiet: finding.quiet,
            since: finding.quiet_since,
        });
        let stops = rule.is_some_and(|rule| rule.action != QuietAction::Report);
        if finding.quiet && stops {
            self.stop_attempt(finding.attempt.job, StopReason::Quiet, &Requester::Rule, false);
        }
    }

    /// The attempt of this id, if it is running.
    fn running(&self, id: AttemptId) -> Option<&Attempt> {
        self.state.attempt(id.job).filter(|attempt| attempt.id == id)
    }

    fn is_launching(&self, id: AttemptId) -> bool {
        self.running(id).is_some_and(|a| a.phase == AttemptPhase::Launching)
    }

    fn attempt_started(&mut self, id: AttemptId, proc: ProcRef, at: Now) {
        if !self.is_launching(id) {
            return;
        }
        self.emit(Event::AttemptStarted { attempt: id, proc, at });
        let Some(attempt) = self.running(id) else { return };
        if attempt.stopping.is_some() {
            // It was asked to stop before there was anything to send a signal to.
            self.send_stop(id.job);
        } else if attempt.is_frozen() {
            self.effect(Effect::Freeze { attempt: id });
        }
    }

    fn leader_ended(&mut self, report: ExecReport) {
        let ExecReport::LeaderEnded { attempt: id, exit, usage, leftovers, oom_killed, at } =
            report
        else {
            return;
        };
        let Some(attempt) = self.running(id).filter(|a| !a.leader_ended()) else { return };
        if leftovers == 0 {
            let reason = attempt.stopping.as_ref().map(|stop| stop.reason);
            let outcome = self.outcome(attempt, reason, exit, oom_killed);
            let end = End { outcome, exit, usage, swept: 0, oom_killed, error: None, at };
            self.end_attempt(id, end);
            return;
        }
        let stops_already = attempt.stopping.is_some();
        self.emit(Event::LeaderEnded { attempt: id, exit, usage, oom_killed, at });
        if !stops_already {
            self.stop_attempt(id.job, StopReason::Leftovers, &Requester::Rule, false);
        }
    }

    fn tree_gone(&mut self, id: AttemptId, swept: u32, unkillable: u32, at: Now) {
        let Some(attempt) = self.running(id) else { return };
        let reason = attempt.stopping.as_ref().map(|stop| stop.reason);
        let (outcome, exit, usage, oom_killed) = match attempt.phase {
            AttemptPhase::LeaderEnded { exit, usage, oom_killed, reason, .. } => {
                let outcome = self.outcome(attempt, reason, exit, oom_killed);
                (outcome, exit, usage, oom_killed)
            }
            // Nothing of it is alive, and nobody saw how its leader ended.
            _ => (stop_outcome(reason).unwrap_or(Outcome::Lost), None, Usage::default(), None),
        };
        let error =
            (unkillable > 0).then(|| format!("{unkillable} processes did not end after SIGKILL"));
        self.end_attempt(id, End { outcome, exit, usage, swept, oom_killed, error, at });
    }

    /// How an attempt ended whose leader ended with `exit` while it was being stopped for
    /// `reason`.
    fn outcome(
        &self,
        attempt: &Attempt,
        reason: Option<StopReason>,
        exit: Option<Exit>,
        oom_killed: Option<bool>,
    ) -> Outcome {
        // The kernel's counter does not say which process it hit: once we have sent KILL
        // ourselves, the leader's death is ours.
        // Otherwise it counts however the leader took it: a shell turns the death of its child
        // into exit code 137, and others go on without it.
        let by_us = self.killed.contains(&attempt.id.job);
        let stopped = stop_outcome(reason);
        // Who asked for the end of a job gets what was asked for.
        let asked_for = stopped == Some(Outcome::Cancelled);
        if oom_killed == Some(true) && !by_us && !asked_for {
            return Outcome::OutOfMemory;
        }
        match stopped.unwrap_or_else(|| exit_outcome(self.state.rules(attempt.task), exit)) {
            // It was told to go before it was done, however politely it went.
            Outcome::Succeeded if reason == Some(StopReason::Deadlock) => {
                Outcome::Failed { code: 0 }
            }
            outcome => outcome,
        }
    }

    fn end_attempt(&mut self, id: AttemptId, end: End) {
        let Some(attempt) = self.running(id) else { return };
        let (task, index) = (attempt.task, attempt.index);
        let reason = attempt.stopping.as_ref().map(|stop| stop.reason);
        let End { outcome, exit, usage, swept, oom_killed, error, at } = end;
        self.emit(Event::AttemptEnded {
            attempt: id,
            task,
            outcome,
            exit,
            usage,
            swept,
            oom_killed,
            reason,
            error,
            at,
        });
        match self.retry_at(id, task, outcome, reason) {
            Some(ready_at) => {
                self.emit(Event::JobRetrying { job: id.job, ready_at, by: Requester::Rule });
            }
            None => self.end_job(id.job, task, index, outcome),
        }
    }

    /// Asks an attempt to end: its task's stop signal now, KILL after the grace period, or
    /// KILL at once in a `hurry`. Of several reasons the most urgent counts.
    pub(super) fn stop_attempt(
        &mut self,
        job: JobNo,
        reason: StopReason,
        by: &Requester,
        hurry: bool,
    ) {
        let Some(attempt) = self.state.attempt(job) else { return };
        let rule = self.state.rules(attempt.task).stop;
        let now = self.now.mono;
        let at_once = hurry || rule.grace.is_zero() || rule.signal == SIGKILL;
        let (reason, kill_at) = match &attempt.stopping {
            None if at_once => (reason, now),
            None => (reason, now + rule.grace),
            Some(stop) => {
                let kill_at = if hurry { stop.kill_at.min(now) } else { stop.kill_at };
                let reason = reason.max(stop.reason);
                if (reason, kill_at) == (stop.reason, stop.kill_at) {
                    return;
                }
                (reason, kill_at)
            }
        };
        let first = attempt.stopping.is_none();
        let (attempt, by, at) = (attempt.id, by.clone(), self.now);
        self.emit(Event::AttemptStopping { attempt, reason, kill_at, by, at });
        if first || hurry {
            self.send_stop(job);
        }
    }

    /// Sends what an attempt that is being stopped is due: its stop signal, or KILL.
    fn send_stop(&mut self, job: JobNo) {
        let Some(attempt) = self.state.attempt(job) else { return };
        let (id, signal) = (attempt.id, self.state.rules(attempt.task).stop.signal);
        match &attempt.stopping {
            _ if attempt.phase == AttemptPhase::Launching => {}
            Some(stop) if stop.kill_at <= self.now.mono => self.kill_tree(job),
            Some(_) => self.effect(Effect::Signal { attempt: id, signal }),
            None => {}
        }
    }

    pub(super) fn kill_tree(&mut self, job: JobNo) {
        let Some(attempt) = self.state.attempt(job) else { return };
        let id = attempt.id;
        if self.killed.insert(job) {
            self.effect(Effect::Kill { attempt: id });
        }
        self.set_deadline(job);
    }
}

/// What the reason for stopping makes of an attempt; `None`: it ended as its leader did.
fn stop_outcome(reason: Option<StopReason>) -> Option<Outcome> {
    match reason? {
        StopReason::Leftovers | StopReason::ProcessLimit | StopReason::Deadlock => None,
        StopReason::Quiet | StopReason::Timeout => Some(Outcome::TimedOut),
        StopReason::MemoryLimit => Some(Outcome::OutOfMemory),
        StopReason::Shrink | StopReason::Kill | StopReason::Abort | StopReason::RunStop => {
            Some(Outcome::Cancelled)
        }
    }
}

fn exit_outcome(rules: &TaskRules, exit: Option<Exit>) -> Outcome {
    let Some(exit) = exit else { return Outcome::Lost };
    match exit {
        Exit::Code(code) if rules.ok_codes.contains(&code) => Outcome::Succeeded,
        Exit::Code(code) => Outcome::Failed { code },
        Exit::Signal(signal) => Outcome::Signaled { signal },
    }
}
