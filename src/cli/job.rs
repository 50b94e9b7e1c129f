//! `ganger job`: everything about one job of a live run.

use super::args::JobArgs;
use super::failure::Failure;
use super::jobs::{exit_json, row_json, seconds, state_words};
use super::reach::reach;
use super::{exit, print};
use crate::model::harmless::harmless_line;
use crate::model::query::{AttemptRow, EnvFrom, JobDetail};
use crate::model::{Limits, RunInfo, StopReason, Text};
use crate::report::words;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Characters of a line that are shown.
const LINE_CHARS: usize = 1000;

/// Prints what is known of a job.
///
/// # Errors
/// When the run or the job is not there.
pub fn job(args: &JobArgs) -> Result<i32, Failure> {
    let mut reached = reach(args.on.run.as_deref())?;
    let detail = reached.job(&args.job)?;
    if args.json {
        print::json(&as_json(&reached.info, &detail))?;
    } else {
        print::bytes(drawn(&reached.info, &detail).as_bytes())?;
    }
    Ok(exit::OK)
}

fn shown(text: &Text) -> String {
    harmless_line(&text.0, LINE_CHARS)
}

fn drawn(info: &RunInfo, detail: &JobDetail) -> String {
    let row = &detail.row;
    let mut text = format!("{} ({}): {}\n", row.label, row.job, state_words(row));
    for line in &detail.why {
        let _ = writeln!(text, "  {}", harmless_line(line.as_bytes(), LINE_CHARS));
    }
    text.push_str("\ncommand\n");
    for word in &detail.command {
        // Text for a shell may have several lines.
        for line in word.0.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "  {}", harmless_line(line, LINE_CHARS));
        }
    }
    let _ = writeln!(text, "in {}", shown(&detail.workdir));
    if !detail.inputs.is_empty() {
        text.push_str("\ninputs\n");
    }
    for (name, value) in &detail.inputs {
        let _ = writeln!(text, "  {name} = {}", shown(value));
    }
    draw_env(&mut text, detail);
    draw_attempts(&mut text, info, detail);
    draw_ties(&mut text, info, detail);
    text
}

fn draw_env(text: &mut String, detail: &JobDetail) {
    let _ = writeln!(text, "\nenvironment, besides {} inherited", detail.n_inherited_env);
    for var in &detail.env {
        let value = var.value.as_ref().map_or("(from env_file)".to_owned(), shown);
        let _ = writeln!(text, "  {}={value}", shown(&var.name));
    }
    for file in &detail.env_files {
        let _ = writeln!(text, "  and what {} says", shown(file));
    }
}

fn draw_attempts(text: &mut String, info: &RunInfo, detail: &JobDetail) {
    if detail.attempts.is_empty() {
        return;
    }
    text.push_str("\nattempts\n");
    if detail.n_attempts_dropped > 0 {
        let _ = writeln!(text, "  {} before these", detail.n_attempts_dropped);
    }
    let heads =
        ["", "STARTED", "TIME", "OUTCOME", "USER", "SYSTEM", "RSS", "SWEPT", "SLOT", "REASON"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(detail.attempts.iter().map(|attempt| cells(info, attempt)));
    for line in print::table(&rows, &[2, 4, 5, 6, 7]).lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn cells(info: &RunInfo, attempt: &AttemptRow) -> Vec<String> {
    let unknown = || "-".to_owned();
    let time = |ms: u64| words::duration(Duration::from_millis(ms));
    let outcome = match attempt.outcome {
        None => "running".to_owned(),
        Some(outcome) => words::outcome(outcome, attempt.exit),
    };
    let reason = attempt.error.clone().or_else(|| attempt.reason.map(|r| r.words().to_owned()));
    vec![
        format!("#{}", attempt.n),
        attempt.started_at.rfc3339(),
        time(attempt.wall_ms),
        outcome,
        attempt.cpu_user_ms.map_or_else(unknown, time),
        attempt.cpu_system_ms.map_or_else(unknown, time),
        attempt.max_rss_bytes.map_or_else(unknown, words::size),
        attempt.swept.to_string(),
        format!("{}/{}", pool_name(info, attempt), attempt.slot.n),
        reason.map_or_else(String::new, |r| harmless_line(r.as_bytes(), LINE_CHARS)),
    ]
}

fn pool_name<'a>(info: &'a RunInfo, attempt: &AttemptRow) -> &'a str {
    info.pools.get(usize::from(attempt.slot.pool.0)).map_or("?", String::as_str)
}

/// Limits, pool and needs: what ties a job to others.
fn draw_ties(text: &mut String, info: &RunInfo, detail: &JobDetail) {
    text.push('\n');
    if !detail.limits.is_none() {
        let limits: Vec<String> = limits(&detail.limits)
            .into_iter()
            .map(|(name, shown, _)| format!("{name} {shown}"))
            .collect();
        let _ = writeln!(text, "limits: {}", limits.join(", "));
    }
    let workers = words::count(detail.weight, "worker");
    let _ = match &detail.holds {
        Some(holds) => {
            let pool = info.pools.get(usize::from(holds.slot.pool.0)).map_or("?", String::as_str);
            let (slot, size) = (holds.slot.n, holds.pool_size);
            let taken = words::count(holds.weight, "worker");
            writeln!(text, "holds: slot {slot} of pool {pool}, {taken} of {size}")
        }
        None => writeln!(text, "pool: {}, takes {workers} when it runs", detail.pool),
    };
    for need in &detail.needs {
        let each = if need.each { ", job by job" } else { "" };
        let ended = if need.ended { "has ended" } else { "has not ended" };
        let _ = writeln!(text, "needs: {} ({}{each}), which {ended}", need.task, need.when);
    }
    if !detail.needed_by.is_empty() {
        let _ = writeln!(text, "needed by: {}", detail.needed_by.join(", "));
    }
}

/// The limits that are set: name, in words, as a number.
fn limits(limits: &Limits) -> Vec<(&'static str, String, f64)> {
    let bytes = |n: u64| (words::size(n), n as f64);
    let count = |n: u64| (n.to_string(), n as f64);
    let all = [
        ("memory_bytes", limits.memory_bytes.map(bytes)),
        ("cpu_time_s", limits.cpu_time.map(|d| (words::duration(d), d.as_secs_f64()))),
        ("open_files", limits.open_files.map(count)),
        ("file_size_bytes", limits.file_size_bytes.map(bytes)),
        ("processes", limits.processes.map(count)),
    ];
    all.into_iter().filter_map(|(name, set)| set.map(|(shown, n)| (name, shown, n))).collect()
}

fn as_json(info: &RunInfo, detail: &JobDetail) -> Value {
    let mut value = row_json(info, &detail.row);
    let command = match (detail.shell, detail.command.as_slice()) {
        (true, [text]) => json!(text),
        (_, words) => json!(words),
    };
    let object = |pairs: &[(String, Text)]| -> Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
    };
    let env = detail.env.iter().map(|var| {
        let from = match var.from {
            EnvFrom::EnvFile => "env_file",
            EnvFrom::Task => "task",
            EnvFrom::Ganger => "ganger",
        };
        json!({ "name": var.name, "value": var.value, "from": from })
    });
    let limits: Map<String, Value> = limits(&detail.limits)
        .into_iter()
        .map(|(name, _, n)| (name.to_owned(), json!(n)))
        .collect();
    let more = json!({
        "command": command,
        "workdir": detail.workdir,
        "inputs": object(&detail.inputs),
        "env": env.collect::<Vec<_>>(),
        "env_files": detail.env_files,
        "inherited_env": detail.n_inherited_env,
        "tries": detail.attempts.iter().map(|a| attempt_json(info, a)).collect::<Vec<_>>(),
        "tries_dropped": detail.n_attempts_dropped,
        "limits": limits,
        "limits_by": detail.limits_by,
        "why": detail.why,
        "pool": detail.pool,
        "weight": detail.weight,
        "slot": detail.holds.as_ref().map(|holds| holds.slot.n),
        "needs": detail.needs,
        "needed_by": detail.needed_by,
    });
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, more) {
        fields.extend(more);
    }
    value
}

fn attempt_json(info: &RunInfo, attempt: &AttemptRow) -> Value {
    let (exit_code, signal) = exit_json(attempt.exit);
    json!({
        "attempt": attempt.n,
        "pool": pool_name(info, attempt),
        "slot": attempt.slot.n,
        "started_at": attempt.started_at.rfc3339(),
        "wall_s": seconds(attempt.wall_ms),
        "outcome": attempt.outcome.map(|outcome| outcome.word()),
        "exit_code": exit_code,
        "signal": signal,
        "cpu_user_s": attempt.cpu_user_ms.map(seconds),
        "cpu_system_s": attempt.cpu_system_ms.map(seconds),
        "max_rss_bytes": attempt.max_rss_bytes,
        "stdout_bytes": attempt.stdout_bytes,
        "stderr_bytes": attempt.stderr_bytes,
        "swept_processes": attempt.swept,
        "oom_killed": attempt.oom_killed,
        "reason": attempt.reason.map(reason_json),
        "error": attempt.error,
    })
}

fn reason_json(reason: StopReason) -> Value {
    json!(reason)
}
