//! `ganger status`: where a run stands.

use super::args::StatusArgs;
use super::failure::Failure;
use super::{exit, ls, print, reach};
use crate::model::harmless::harmless_line;
use crate::model::locks::WaitFor;
use crate::model::query::{Query, Reply};
use crate::model::snapshot::WorkView;
use crate::model::waits::stuck::XrayView;
use crate::model::{
    AlertLevel, FailureView, Mono, RunInfo, RunState, Snapshot, TaskIdx, WorkerState, WorkerView,
};
use crate::report::words;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Characters of inputs and last lines that are shown.
const SHOWN_CHARS: usize = 60;

/// Shows a run, live or ended.
///
/// # Errors
/// When no run, or not just one, is meant, or it does not answer.
pub fn status(args: &StatusArgs) -> Result<i32, Failure> {
    let known = reach::find(args.run.as_deref())?;
    if !known.alive {
        return ended(known, args.json);
    }
    let mut reached = reach::connect(known)?;
    let Reply::Status { info, snapshot } = reached.ask(Query::Status)? else {
        return Err(reach::misunderstood());
    };
    if args.json {
        print::json(&as_json(&info, &snapshot))?;
    } else {
        print::bytes(drawn(&info, &snapshot).as_bytes())?;
    }
    Ok(exit::OK)
}

/// A run of which only the record is left.
fn ended(known: crate::control::runs::KnownRun, as_json: bool) -> Result<i32, Failure> {
    let row = ls::row_of_record(known);
    if as_json {
        print::json(&ls::as_json(&row))?;
        return Ok(exit::OK);
    }
    let mut text = format!("{}  {}  {}", row.run.id, shown(&row.run.name), row.state);
    if let (Some(elapsed), Some(code)) = (row.elapsed, row.exit_code) {
        let _ = write!(text, " with exit code {code} after {}", words::duration(elapsed));
    }
    text.push('\n');
    if let Some(counts) = &row.counts {
        let _ = writeln!(text, "{}", words::counts(counts));
    }
    if row.run.is_lost() {
        let id = &row.run.id;
        let _ = writeln!(text, "Its supervisor died; `ganger stop {id}` ends what it left behind.");
    }
    print::bytes(text.as_bytes())?;
    Ok(exit::OK)
}

fn task_name(info: &RunInfo, task: TaskIdx) -> &str {
    let place = usize::try_from(task.0).unwrap_or(usize::MAX);
    info.tasks.get(place).map_or("?", |task| task.name.as_str())
}

fn pool_name<'a>(info: &'a RunInfo, worker: &WorkerView) -> &'a str {
    info.pools.get(usize::from(worker.slot.pool.0)).map_or("?", String::as_str)
}

fn worker_word(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Idle => "idle",
        WorkerState::Reserved => "reserved",
        WorkerState::Launching => "launching",
        WorkerState::Running => "running",
        WorkerState::Paused => "paused",
        WorkerState::Quiet => "quiet",
        WorkerState::Stopping => "stopping",
    }
}

fn seconds_between(from: Mono, to: Mono) -> f64 {
    to.since(from).as_secs_f64()
}

fn as_json(info: &RunInfo, snapshot: &Snapshot) -> Value {
    let (outcome, exit_code) = match snapshot.state {
        RunState::Ended { outcome, exit_code } => (Some(outcome), Some(exit_code)),
        _ => (None, None),
    };
    let pools = snapshot.pools.iter().map(|pool| {
        json!({
            "name": pool.name, "size": pool.size, "min": pool.min, "max": pool.max,
            "reason": pool.reason, "running": pool.running, "ready": pool.ready,
            "blocked": pool.blocked, "paused": pool.paused,
            "arrived_per_s": pool.arrived_per_s, "ended_per_s": pool.ended_per_s,
        })
    });
    let workers = snapshot.workers.iter().map(|worker| worker_json(info, snapshot, worker));
    let failures = snapshot.failures.iter().map(|failure| {
        let task = task_name(info, failure.task);
        json!({
            "job": failure.job, "task": task, "index": failure.index,
            "label": format!("{task}:{}", failure.index), "inputs": failure.inputs,
            "outcome": failure.outcome, "attempts": failure.attempts,
            "last_line": failure.last_line,
        })
    });
    let alerts = snapshot.alerts.iter().map(|alert| {
        let pool = alert.pool.and_then(|pool| info.pools.get(usize::from(pool.0)));
        json!({
            "level": alert.level, "kind": alert.kind, "text": alert.text, "hint": alert.hint,
            "job": alert.job, "task": alert.task.map(|task| task_name(info, task)), "pool": pool,
            "held_s": seconds_between(alert.since, snapshot.at.mono),
        })
    });
    json!({
        "run": info.run,
        "name": info.name,
        "file": info.file,
        "state": ls::state_word(snapshot.state),
        "outcome": outcome,
        "exit_code": exit_code,
        "supervisor_pid": info.supervisor_pid,
        "started_at": info.started_at.rfc3339(),
        "elapsed_s": seconds_of(snapshot.elapsed_ms),
        "eta_s": snapshot.eta_ms.map(seconds_of),
        "rate_per_s": snapshot.rate_per_s,
        "counts": ls::counts_json(&snapshot.counts),
        "pools": pools.collect::<Vec<_>>(),
        "workers": workers.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "notices": snapshot.notices,
        "alerts": alerts.collect::<Vec<_>>(),
        "xray": snapshot.xray.as_ref().map(xray_json),
    })
}

fn waits_json(wait: &WaitFor, now: Mono) -> Value {
    json!({
        "what": wait.what, "holder": wait.holder, "holder_job": wait.holder_job,
        "since_s": seconds_between(wait.since, now), "in_circle": wait.in_circle,
    })
}

/// What x-ray saw last; null when it is off.
fn xray_json(xray: &XrayView) -> Value {
    json!({
        "verdict": xray.verdict, "findings": xray.findings, "worst": xray.worst,
        "processes": xray.processes, "threads": xray.threads, "waiting": xray.waiting,
    })
}

fn level_word(level: AlertLevel) -> &'static str {
    match level {
        AlertLevel::Advice => "advice",
        AlertLevel::Warning => "warning",
        AlertLevel::Critical => "critical",
    }
}

fn seconds_of(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

fn worker_json(info: &RunInfo, snapshot: &Snapshot, worker: &WorkerView) -> Value {
    let mut value = json!({
        "pool": pool_name(info, worker),
        "slot": worker.slot.n,
        "state": worker_word(worker.state),
        "leaving": worker.leaving,
    });
    let (Value::Object(fields), Some(work)) = (&mut value, &worker.work) else { return value };
    let task = task_name(info, work.task);
    let tree = work.tree.as_ref();
    let more = json!({
        "job": work.attempt.job,
        "task": task,
        "index": work.index,
        "label": format!("{task}:{}", work.index),
        "attempt": work.attempt.n,
        "inputs": work.inputs,
        "pid": work.proc.map(|proc| proc.pid),
        "elapsed_s": seconds_between(work.since, snapshot.at.mono),
        "cpu_percent": tree.and_then(|tree| tree.cpu_percent),
        "rss_bytes": tree.map(|tree| tree.rss_bytes),
        "threads": tree.map(|tree| tree.threads),
        "processes": tree.map(|tree| tree.processes),
        "last_output_age_s": tree
            .and_then(|tree| tree.last_output)
            .map(|at| seconds_between(at, snapshot.at.mono)),
        "stopping": work.stopping.map(|stopping| stopping.reason),
        "waits_for": work.waits.as_ref().map(|wait| waits_json(wait, snapshot.at.mono)),
    });
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    value
}

fn shown(text: &str) -> String {
    harmless_line(text.as_bytes(), SHOWN_CHARS)
}

fn drawn(info: &RunInfo, snapshot: &Snapshot) -> String {
    let mut text = format!(
        "{}  {}  {}, started {} ago\n{}\n",
        info.run,
        shown(&info.name),
        ls::state_word(snapshot.state),
        words::duration(Duration::from_millis(snapshot.elapsed_ms)),
        words::counts(&snapshot.counts),
    );
    if let Some(left_ms) = snapshot.eta_ms {
        let left = words::duration(Duration::from_millis(left_ms));
        let _ = writeln!(text, "{:.1} jobs/s, about {left} left", snapshot.rate_per_s);
    }
    text.push('\n');
    for pool in &snapshot.pools {
        let paused = if pool.paused { ", paused" } else { "" };
        let _ = writeln!(
            text,
            "pool {}: {} ({}), {} running, {} ready, {} blocked{paused}",
            pool.name,
            words::count(pool.size, "worker"),
            pool.reason,
            pool.running,
            pool.ready,
            pool.blocked,
        );
    }
    text.push_str(&workers(info, snapshot));
    if !snapshot.failures.is_empty() {
        text.push_str("\nfailures, newest first:\n");
    }
    for failure in &snapshot.failures {
        text.push_str(&failure_line(info, failure));
    }
    for alert in &snapshot.alerts {
        let _ = writeln!(text, "{}: {}\n  {}", level_word(alert.level), alert.text, alert.hint);
    }
    for notice in &snapshot.notices {
        let _ = writeln!(text, "note: {}", harmless_line(notice.as_bytes(), 500));
    }
    text
}

fn failure_line(info: &RunInfo, failure: &FailureView) -> String {
    let label = format!("{}:{} ({})", task_name(info, failure.task), failure.index, failure.job);
    let mut parts = vec![label];
    if !failure.inputs.is_empty() {
        parts.push(format!("[{}]", shown(&failure.inputs)));
    }
    parts.push(failure.outcome.clone());
    parts.push(shown(&failure.last_line));
    format!("  {}\n", parts.join("  ").trim_end())
}

fn workers(info: &RunInfo, snapshot: &Snapshot) -> String {
    let heads = ["SLOT", "STATE", "JOB", "", "PID", "ELAPSED", "CPU%", "RSS", "INPUTS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for worker in &snapshot.workers {
        let slot = format!("{}/{}", pool_name(info, worker), worker.slot.n);
        let mut row = vec![slot, worker_word(worker.state).to_owned()];
        if let Some(work) = &worker.work {
            row.extend(work_cells(info, snapshot, work));
        }
        rows.push(row);
    }
    if rows.len() == 1 {
        String::new()
    } else {
        format!("\n{}", print::table(&rows, &[4, 5, 6, 7]))
    }
}

fn work_cells(info: &RunInfo, snapshot: &Snapshot, work: &WorkView) -> Vec<String> {
    let unseen = || "-".to_owned();
    let tree = work.tree.as_ref();
    vec![
        format!("{}:{}", task_name(info, work.task), work.index),
        work.attempt.to_string(),
        work.proc.map_or_else(unseen, |proc| proc.pid.to_string()),
        words::duration(snapshot.at.mono.since(work.since)),
        tree.and_then(|tree| tree.cpu_percent).map_or_else(unseen, |cpu| format!("{cpu:.0}")),
        tree.map_or_else(unseen, |tree| words::size(tree.rss_bytes)),
        shown(&work.inputs),
    ]
}
