//! JSON lines: one event a line. Every line is described in `docs/json.md`.

use super::book::Book;
use super::link::{Gone, Link, Talk};
use super::streams::Streams;
use super::{FAILED_ITSELF, Finish};
use crate::clock;
use crate::control::proto::ToClient;
use crate::model::locks::{Deadlock, LockNotice, Member, Party};
use crate::model::report::seconds;
use crate::model::waits::stuck::Stuck;
use crate::model::{
    AttemptId, Event, Exit, JobNo, Mono, Now, Outcome, PauseTarget, Requester, RunInfo, StopHow,
    Text, Usage, Wall, signal_name,
};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// Nothing is waited for but messages; this only bounds one wait.
const WAIT: Duration = Duration::from_secs(3600);

/// Follows a run to its end and prints its events. Returns when the run has ended.
///
/// Warnings go to standard error. A closed standard output ends the printing, not the run.
pub fn follow(link: &mut dyn Link, info: &RunInfo, streams: &Streams) -> Finish {
    let mut out = Some(BufWriter::with_capacity(1 << 16, &streams.out));
    let mut failed_to_print = false;
    let mut lines = Lines::new(info);
    let end = Talk::begin(link).and_then(|mut talk| {
        loop {
            let message = match talk.next(Duration::ZERO)? {
                Some(message) => message,
                None => {
                    // Nothing more is under way: a reader must not wait for a full buffer.
                    failed_to_print |= attempt(&mut out, streams, Write::flush);
                    match talk.next(WAIT)? {
                        Some(message) => message,
                        None => continue,
                    }
                }
            };
            match message {
                ToClient::Event { event, inputs } => {
                    let line = lines.line(&event, &inputs, clock::now());
                    failed_to_print |= attempt(&mut out, streams, |out| {
                        serde_json::to_writer(&mut *out, &line)?;
                        out.write_all(b"\n")
                    });
                }
                ToClient::Snapshot { snapshot } => {
                    for notice in lines.new_notices(&snapshot.notices) {
                        streams.note(&format!("warning: {notice}"));
                    }
                }
                ToClient::Bye { exit_code, trouble } => return Ok((exit_code, trouble)),
                ToClient::Error { error } => streams.note(&format!("error: {error}")),
                ToClient::Hello { .. }
                | ToClient::Welcome { .. }
                | ToClient::Got { .. }
                | ToClient::Answer { .. }
                | ToClient::Reply { .. } => {}
            }
        }
    });
    failed_to_print |= attempt(&mut out, streams, Write::flush);
    let exit_code = match end {
        Ok((exit_code, trouble)) => {
            if let Some(trouble) = trouble {
                streams.note(&format!("error: {trouble}"));
            }
            exit_code
        }
        Err(gone @ Gone) => {
            streams.note(&format!("error: cannot follow run `{}`: {gone}", info.run));
            FAILED_ITSELF
        }
    };
    Finish { exit_code: if failed_to_print && exit_code == 0 { FAILED_ITSELF } else { exit_code } }
}

/// Prints while that works. Returns whether it failed for another reason than a reader who has
/// seen enough.
fn attempt<W: Write>(
    out: &mut Option<BufWriter<W>>,
    streams: &Streams,
    print: impl FnOnce(&mut BufWriter<W>) -> io::Result<()>,
) -> bool {
    let Some(Err(e)) = out.as_mut().map(print) else { return false };
    // Taken apart without a last flush: that would fail, too.
    drop(out.take().map(BufWriter::into_parts));
    if e.kind() == io::ErrorKind::BrokenPipe {
        return false;
    }
    streams.note(&format!("error: cannot print events: {e}"));
    true
}

/// Turns events into lines.
struct Lines<'a> {
    info: &'a RunInfo,
    book: Book<'a>,
    noticed: HashSet<String>,
    /// The time of the last line.
    last: Wall,
}

impl<'a> Lines<'a> {
    fn new(info: &'a RunInfo) -> Lines<'a> {
        Lines { info, book: Book::new(info), noticed: HashSet::new(), last: Wall::default() }
    }

    fn new_notices(&mut self, notices: &[String]) -> Vec<String> {
        notices.iter().filter(|notice| self.noticed.insert((*notice).clone())).cloned().collect()
    }

    /// Returns the line of an event that was received at `now`, with the values of its job.
    fn line(&mut self, event: &Event, inputs: &[(String, Text)], now: Now) -> Value {
        self.book.learn(event);
        let (name, at, fields) = self.fields(event, &now);
        // What other threads saw arrives in one order with the rest, but was stamped before: times
        // of lines do not go back.
        self.last = self.last.max(at.map_or(now.wall, |at| at.wall));
        let mut line = Map::new();
        line.insert("event".into(), name.into());
        line.insert("at".into(), self.last.rfc3339().into());
        line.insert("run".into(), self.info.run.clone().into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let tells_inputs = matches!(
            event,
            Event::AttemptLaunched { .. } | Event::AttemptStarted { .. } | Event::JobEnded { .. }
        );
        if tells_inputs {
            let pairs = inputs.iter().map(|(name, value)| (name.clone(), json!(value)));
            line.insert("inputs".into(), Value::Object(pairs.collect()));
        }
        Value::Object(line)
    }

    /// Returns the event's name, when it happened (if it says so), and what it adds to its line.
    #[allow(clippy::too_many_lines)] // One arm per event, each a few flat lines.
    fn fields(&self, event: &Event, now: &Now) -> (&'static str, Option<Now>, Value) {
        match event {
            Event::RunStarted { at } => ("run_started", Some(*at), self.run_started()),
            Event::JobsAdded { task, first, count } => {
                let task = self.book.task(*task);
                ("jobs_added", None, json!({"task": task, "first_job": first, "count": count}))
            }
            Event::Linked { task, upstream, .. } => {
                let more =
                    json!({"task": self.book.task(*task), "upstream": self.book.task(*upstream)});
                ("linked", None, more)
            }
            Event::BackoffOver { job } => ("backoff_over", None, self.of_job(*job, json!({}))),
            Event::Unskipped { task, upstream, count, .. } => {
                let more = json!({
                    "task": self.book.task(*task), "upstream": self.book.task(*upstream), "count": count,
                });
                ("unskipped", None, more)
            }
            Event::InputsFailed { task, error } => {
                ("inputs_failed", None, json!({"task": self.book.task(*task), "error": error}))
            }
            Event::Expanding { task } => {
                ("expanding", None, json!({"task": self.book.task(*task)}))
            }
            Event::TaskEnded { task } => {
                ("task_ended", None, json!({"task": self.book.task(*task)}))
            }
            Event::AttemptLaunched { attempt, slot, weight, at, .. } => {
                let more = json!({
                    "pool": self.book.pool(slot.pool), "slot": slot.n, "weight": weight,
                });
                ("attempt_launched", Some(*at), self.of_attempt(*attempt, more))
            }
            Event::AttemptStarted { attempt, proc, at } => {
                ("attempt_started", Some(*at), self.of_attempt(*attempt, json!({"pid": proc.pid})))
            }
            Event::AttemptStopping { attempt, reason, kill_at, by, .. } => {
                let more = json!({
                    "reason": reason, "kill_at": wall_of(*kill_at, now).rfc3339(), "by": who(by),
                });
                ("attempt_stopping", None, self.of_attempt(*attempt, more))
            }
            Event::LeaderEnded { attempt, exit, usage, oom_killed, at } => {
                let more = with(ended(*exit, usage), json!({"oom_killed": oom_killed}));
                ("leader_ended", Some(*at), self.of_attempt(*attempt, more))
            }
            Event::AttemptQuiet { attempt, quiet, since } => {
                let more = json!({"quiet": quiet, "since": wall_of(*since, now).rfc3339()});
                ("attempt_quiet", None, self.of_attempt(*attempt, more))
            }
            Event::AttemptEnded {
                attempt,
                outcome,
                exit,
                usage,
                swept,
                oom_killed,
                reason,
                error,
                at,
                ..
            } => {
                let more = with(json!({"outcome": outcome.word()}), ended(*exit, usage));
                let rest = json!({
                    "swept_processes": swept, "limits_by": usage.means, "oom_killed": oom_killed,
                    "reason": reason, "error": error,
                });
                ("attempt_ended", Some(*at), self.of_attempt(*attempt, with(more, rest)))
            }
            Event::JobRetrying { job, ready_at, by } => {
                let more = json!({"ready_at": wall_of(*ready_at, now).rfc3339(), "by": who(by)});
                ("job_retrying", None, self.of_job(*job, more))
            }
            Event::JobEnded { job, outcome, attempts, at, .. } => {
                let more = with(self.outcome(*outcome), json!({"attempts": attempts}));
                ("job_ended", Some(*at), self.of_job(*job, more))
            }
            Event::RestEnded { task, outcome, count, at } => {
                let task = json!({"task": self.book.task(*task)});
                let more = with(self.outcome(*outcome), json!({"count": count}));
                ("rest_ended", Some(*at), with(task, more))
            }
            Event::Scaled { pool, from, to, by } => {
                let pool = self.book.pool(*pool);
                ("scaled", None, json!({"pool": pool, "from": from, "to": to, "by": who(by)}))
            }
            Event::Paused { target, by, at } => ("paused", Some(*at), self.paused(target, by)),
            Event::Resumed { target, by, at } => ("resumed", Some(*at), self.paused(target, by)),
            Event::Signalled { attempt, signal, by } => {
                let more = json!({"signal": signal_name(*signal), "by": who(by)});
                ("signalled", None, self.of_attempt(*attempt, more))
            }
            Event::Prioritized { job, from, to, by } => {
                let more = json!({"from": from, "to": to, "by": who(by)});
                ("prioritized", None, self.of_job(*job, more))
            }
            Event::LocksAwaited { task, at } => {
                ("locks_awaited", Some(*at), json!({"task": self.book.task(*task)}))
            }
            Event::LocksFree { task } => {
                ("locks_free", None, json!({"task": self.book.task(*task)}))
            }
            Event::Shared { .. } => (event.word(), None, json!({})),
            Event::LockNoticed { notice, at } => {
                (event.word(), Some(*at), notice_fields(notice, now))
            }
            Event::DeadlockFound { deadlock, at } => {
                ("deadlock_found", Some(*at), self.deadlock(deadlock))
            }
            Event::DeadlockGone { id, at } => ("deadlock_gone", Some(*at), json!({"deadlock": id})),
            Event::StuckFound { stuck, at } => ("stuck_found", Some(*at), self.stuck(stuck)),
            Event::StuckGone { id, at } => ("stuck_gone", Some(*at), json!({"stuck": id})),
            Event::RunStopping { how, by, why } => {
                ("run_stopping", None, json!({"how": how_word(*how), "by": who(by), "why": why}))
            }
            Event::RunEnded { outcome, exit_code, at } => {
                let wall = at.mono.since(self.info.started_mono);
                let more = json!({
                    "outcome": outcome, "exit_code": exit_code, "wall_s": seconds(wall),
                });
                ("run_ended", Some(*at), more)
            }
        }
    }

    fn deadlock(&self, deadlock: &Deadlock) -> Value {
        json!({
            "deadlock": deadlock.id, "text": deadlock.text,
            "members": self.members(&deadlock.members),
            "closed_by": deadlock.closed_by, "behind": deadlock.behind,
            "xray": !deadlock.seen.is_empty(),
        })
    }

    fn stuck(&self, stuck: &Stuck) -> Value {
        json!({
            "stuck": stuck.id, "kind": stuck.kind, "text": stuck.text,
            "members": self.members(&stuck.members), "behind": stuck.behind,
        })
    }

    fn members(&self, members: &[Member]) -> Vec<Value> {
        let members = members.iter().map(|member| {
            let about = match member.job {
                Some(job) => self.of_job(job, json!({})),
                None => json!({"job": null, "task": null, "index": null, "label": null}),
            };
            let pid = member.party.proc.map(|proc| proc.pid);
            with(about, json!({"pid": pid, "holds": member.holds, "wants": member.wants}))
        });
        members.collect()
    }

    fn run_started(&self) -> Value {
        let tasks: Vec<&str> = self.info.tasks.iter().map(|task| task.name.as_str()).collect();
        json!({
            "name": self.info.name, "file": self.info.file,
            "supervisor_pid": self.info.supervisor_pid, "tasks": tasks, "pools": self.info.pools,
        })
    }

    fn of_job(&self, job: JobNo, more: Value) -> Value {
        let (task, index) = match self.book.place(job) {
            Some((task, index)) => (Some(self.book.task(task)), Some(index)),
            None => (None, None),
        };
        let label = self.book.label(job);
        with(json!({"job": job, "task": task, "index": index, "label": label}), more)
    }

    fn of_attempt(&self, attempt: AttemptId, more: Value) -> Value {
        self.of_job(attempt.job, with(json!({"attempt": attempt.n}), more))
    }

    fn outcome(&self, outcome: Outcome) -> Value {
        match outcome {
            Outcome::Skipped { upstream } => {
                json!({"outcome": outcome.word(), "upstream": self.book.task(upstream)})
            }
            _ => json!({"outcome": outcome.word()}),
        }
    }

    fn paused(&self, target: &PauseTarget, by: &Requester) -> Value {
        let by = json!({"by": who(by)});
        match target {
            PauseTarget::Run => with(json!({"target": "run"}), by),
            PauseTarget::Pool(pool) => {
                with(json!({"target": "pool", "pool": self.book.pool(*pool)}), by)
            }
            PauseTarget::Job(job) => with(json!({"target": "job"}), self.of_job(*job, by)),
        }
    }
}

/// Returns two objects as one.
fn with(mut first: Value, second: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut first, second) {
        fields.extend(more);
    }
    first
}

fn notice_fields(notice: &LockNotice, now: &Now) -> Value {
    let who = |party: &Party| {
        let who = json!({"job": party.job(), "pid": party.proc.map(|p| p.pid)});
        match &party.label {
            Some(label) => with(who, json!({"label": label})),
            None => who,
        }
    };
    match notice {
        LockNotice::OwnerDied { names, party } => json!({"names": names, "owner": who(party)}),
        LockNotice::OrderInverted { first, second, one, other } => json!({
            "first": first, "second": second, "one": who(one), "other": who(other),
        }),
        LockNotice::HeldLong { name, party, since } => json!({
            "name": name, "owner": who(party), "since": wall_of(*since, now).rfc3339(),
        }),
        LockNotice::WaitsLong { name, party, since } => json!({
            "name": name, "waiter": who(party), "since": wall_of(*since, now).rfc3339(),
        }),
    }
}

fn ended(exit: Option<Exit>, usage: &Usage) -> Value {
    let (code, signal) = match exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal_name(signal))),
        None => (None, None),
    };
    json!({
        "exit_code": code,
        "signal": signal,
        "cpu_user_s": seconds(usage.cpu_user),
        "cpu_system_s": seconds(usage.cpu_system),
        "max_rss_bytes": usage.max_rss_bytes,
        "stdout_bytes": usage.stdout_bytes,
        "stderr_bytes": usage.stderr_bytes,
    })
}

/// Returns who asked, as an object.
pub fn who(by: &Requester) -> Value {
    match by {
        Requester::Screen => json!({"who": "screen"}),
        Requester::Cli { pid } => json!({"who": "cli", "pid": pid}),
        Requester::Signal { signal } => json!({"who": "signal", "signal": signal_name(*signal)}),
        Requester::Rule => json!({"who": "rule"}),
        Requester::Ganger => json!({"who": "ganger"}),
    }
}

fn how_word(how: StopHow) -> &'static str {
    match how {
        StopHow::Drain => "drain",
        StopHow::Stop => "stop",
        StopHow::Kill => "kill",
    }
}

/// Returns the time of day of a moment on the monotonic clock.
fn wall_of(at: Mono, now: &Now) -> Wall {
    let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    let ahead = micros(at.since(now.mono)) - micros(now.mono.since(at));
    Wall(now.wall.0.saturating_add(ahead))
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
