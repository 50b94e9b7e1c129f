//! `ganger ls`: the runs of this user.

use super::args::LsArgs;
use super::failure::Failure;
use super::{exit, print, reach};
use crate::clock;
use crate::control::runs::{KnownRun, RunsDir};
use crate::model::harmless::harmless_line;
use crate::model::query::{Query, Reply};
use crate::model::{Counts, RunOutcome, RunState, StopHow};
use crate::report::words;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::mpsc;
use std::time::Duration;

/// A supervisor that has not answered by then is shown as such.
const PATIENCE: Duration = Duration::from_secs(2);
/// Characters of a name that are shown.
const NAME_CHARS: usize = 40;

/// One line of the list.
pub struct Row {
    pub run: KnownRun,
    pub state: &'static str,
    pub counts: Option<Counts>,
    pub outcome: Option<RunOutcome>,
    pub exit_code: Option<i32>,
    pub elapsed: Option<Duration>,
}

/// Lists the live runs, and with `--all` the ended ones.
///
/// # Errors
/// When it cannot be told where runs are.
pub fn ls(args: &LsArgs) -> Result<i32, Failure> {
    let runs = RunsDir::from_env()?.list();
    let shown = runs.into_iter().filter(|run| args.all || run.alive || run.is_left()).collect();
    let rows = rows(shown);
    if args.json {
        print::json(&Value::Array(rows.iter().map(as_json).collect()))?;
        return Ok(exit::OK);
    }
    if rows.is_empty() {
        let _ = writeln!(io::stderr(), "no runs; start one with `ganger run FILE`");
        return Ok(exit::OK);
    }
    print::bytes(drawn(&rows).as_bytes())?;
    for row in rows.iter().filter(|row| row.run.is_left()) {
        let id = &row.run.id;
        let _ = writeln!(
            io::stderr(),
            "hint: the supervisor of {id} died; `ganger stop {id}` ends what it left behind"
        );
    }
    Ok(exit::OK)
}

/// Asks all runs at once, so that one that is stuck holds up none.
fn rows(runs: Vec<KnownRun>) -> Vec<Row> {
    let asked: Vec<_> = runs
        .into_iter()
        .map(|run| {
            let (to, answer) = mpsc::channel();
            if run.alive {
                let run = run.clone();
                std::thread::spawn(move || drop(to.send(live_row(run))));
            }
            (run, answer)
        })
        .collect();
    asked
        .into_iter()
        .map(|(run, answer)| match answer.recv_timeout(PATIENCE) {
            Ok(row) => row,
            Err(_) => row_of_record(run),
        })
        .collect()
}

fn live_row(run: KnownRun) -> Row {
    let reached = reach::connect(run.clone());
    let reply = reached.and_then(|mut reached| reached.ask(Query::Status));
    let Ok(Reply::Status { snapshot, .. }) = reply else { return row_of_record(run) };
    let (outcome, exit_code) = match snapshot.state {
        RunState::Ended { outcome, exit_code } => (Some(outcome), Some(exit_code)),
        _ => (None, None),
    };
    Row {
        run,
        state: state_word(snapshot.state),
        counts: Some(snapshot.counts),
        outcome,
        exit_code,
        elapsed: Some(Duration::from_millis(snapshot.elapsed_ms)),
    }
}

/// What the run's record alone says.
pub fn row_of_record(run: KnownRun) -> Row {
    let state = match (&run.ended, run.alive, run.elsewhere) {
        (Some(_), ..) => "ended",
        (None, true, _) if run.preparing => "starting",
        (None, true, _) => "not_answering",
        (None, false, true) => "elsewhere",
        (None, false, false) => "lost",
    };
    let ended = run.ended.clone();
    let until = match &ended {
        Some(ended) => Some(ended.ended_at),
        None => run.alive.then(clock::wall),
    };
    let micros = until.map(|until| until.0.saturating_sub(run.started_at.0));
    Row {
        state,
        counts: ended.as_ref().map(|ended| ended.counts),
        outcome: ended.as_ref().map(|ended| ended.outcome),
        exit_code: ended.map(|ended| ended.exit_code),
        elapsed: micros.map(|us| Duration::from_micros(us.max(0).unsigned_abs())),
        run,
    }
}

/// Returns the word for where a run stands, as in `docs/json.md`.
pub fn state_word(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Paused => "paused",
        RunState::Ending(StopHow::Drain) => "draining",
        RunState::Ending(StopHow::Stop) => "stopping",
        RunState::Ending(StopHow::Kill) => "killing",
        RunState::Ended { .. } => "ended",
    }
}

/// Returns a run as `--json` shows it.
pub fn as_json(row: &Row) -> Value {
    json!({
        "run": row.run.id,
        "name": row.run.name,
        "file": row.run.file,
        "state": row.state,
        "outcome": row.outcome,
        "exit_code": row.exit_code,
        "supervisor_pid": row.run.pid,
        "started_at": row.run.started_at.rfc3339(),
        "elapsed_s": row.elapsed.map(|d| d.as_secs_f64()),
        "counts": row.counts.as_ref().map(counts_json),
    })
}

/// Returns the counts with their sums.
pub fn counts_json(counts: &Counts) -> Value {
    let mut value = json!({
        "total": counts.total,
        "queued": counts.waiting(),
        "running": counts.running,
        "done": counts.ended(),
    });
    if let (Value::Object(sums), Ok(Value::Object(all))) =
        (&mut value, serde_json::to_value(counts))
    {
        for (name, n) in all {
            sums.entry(name).or_insert(n);
        }
    }
    value
}

fn drawn(rows: &[Row]) -> String {
    let heads = ["RUN", "NAME", "STATE", "PID", "DONE", "FAILED", "RUNNING", "QUEUED", "ELAPSED"];
    let mut table = vec![heads.map(str::to_owned).to_vec()];
    for row in rows {
        let number =
            |n: fn(&Counts) -> u32| row.counts.as_ref().map_or("?".into(), |c| n(c).to_string());
        let done = row.counts.as_ref().map_or("?".into(), |c| {
            let unknown = if c.tasks_unread > 0 { "?" } else { "" };
            format!("{}/{}{unknown}", c.ended(), c.total)
        });
        let state = match row.exit_code {
            Some(code) => format!("{} ({code})", row.state),
            None => row.state.to_owned(),
        };
        table.push(vec![
            row.run.id.clone(),
            harmless_line(row.run.name.as_bytes(), NAME_CHARS),
            state,
            row.run.pid.to_string(),
            done,
            number(Counts::bad),
            number(|c| c.running),
            number(Counts::waiting),
            row.elapsed.map_or("?".into(), words::duration),
        ]);
    }
    print::table(&table, &[3, 4, 5, 6, 7, 8])
}
