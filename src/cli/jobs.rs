//! `ganger jobs`: the jobs of a live run, filtered and sorted.

use super::args::JobsArgs;
use super::failure::Failure;
use super::reach::{self, Reached, reach};
use super::{exit, print};
use crate::model::filter::{Filter, FilterError, Names};
use crate::model::harmless::harmless_line;
use crate::model::limits::PAGE_ROWS;
use crate::model::query::{JobList, JobPage, JobRow, Query, Reply};
use crate::model::{Exit, RunInfo, Wall, WorkerState, signal_name};
use crate::report::words;
use serde_json::{Value, json};
use std::time::Duration;

/// Characters of inputs that are shown.
const SHOWN_CHARS: usize = 60;

/// Prints the jobs that are wanted.
///
/// # Errors
/// When the filter cannot be read, or the run is not there.
pub fn jobs(args: &JobsArgs) -> Result<i32, Failure> {
    let filter = args.filter.join(" ");
    let mut reached = reach(args.on.run.as_deref())?;
    // Here too, where the place of a mistake can be drawn.
    Filter::parse(&filter, &Names::from(&reached.info)).map_err(|e| drawn_error(&filter, &e))?;
    let list = JobList { filter, sort: args.sort, descending: args.reverse };
    let page = read(&mut reached, &list, args.limit)?;
    if args.json {
        print::json(&as_json(&reached.info, &list, &page))?;
    } else {
        print::bytes(drawn(&list, &page).as_bytes())?;
    }
    Ok(exit::OK)
}

fn drawn_error(filter: &str, e: &FilterError) -> Failure {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = filter.chars().map(blank).collect();
    let n_wrong = filter.get(e.span.clone()).map_or(1, |wrong| wrong.chars().count().max(1));
    let marks = format!("{}{}", " ".repeat(e.column), "^".repeat(n_wrong));
    let cause = harmless_line(e.cause.as_bytes(), 500);
    Failure::usage(
        format!("cannot read the filter: {cause}\n  {shown}\n  {marks}"),
        harmless_line(e.fix.as_bytes(), 500),
    )
}

/// Asks for page after page.
fn read(reached: &mut Reached, list: &JobList, limit: u32) -> Result<JobPage, Failure> {
    let mut all = JobPage::default();
    loop {
        let offset = u32::try_from(all.rows.len()).unwrap_or(u32::MAX);
        let query = Query::Jobs {
            list: list.clone(),
            offset,
            limit: limit.saturating_sub(offset).min(PAGE_ROWS),
        };
        let Reply::Jobs(mut page) = reached.ask(query)? else { return Err(reach::misunderstood()) };
        let n = page.rows.len();
        all.rows.append(&mut page.rows);
        all = JobPage { rows: all.rows, ..page };
        if n < PAGE_ROWS as usize {
            return Ok(all);
        }
    }
}

fn drawn(list: &JobList, page: &JobPage) -> String {
    if page.total == 0 {
        return match page.of {
            0 => "no jobs yet\n".to_owned(),
            of => format!("no job of {} fits `{}`\n", words::count(of, "job"), list.filter),
        };
    }
    let heads = ["JOB", "", "STATE", "EXIT", "TRIES", "TIME", "CPU", "RSS", "INPUTS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(page.rows.iter().map(cells));
    let mut text = print::table(&rows, &[1, 4, 5, 6, 7]);
    let shown = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
    if shown < page.total {
        let more = page.total - shown;
        text += &match page.cut_at.filter(|cut| shown >= *cut) {
            Some(cut) => format!("... and {more} more; a sorted list ends after {cut}\n"),
            None => format!("... and {more} more; --limit shows more of them\n"),
        };
    }
    text
}

fn cells(row: &JobRow) -> Vec<String> {
    let unknown = || "-".to_owned();
    let time = |ms: Option<u64>| ms.map(|ms| words::duration(Duration::from_millis(ms)));
    vec![
        row.label.clone(),
        row.job.to_string(),
        state_words(row),
        row.exit.map_or_else(unknown, Exit::words),
        row.attempts.to_string(),
        time(row.wall_ms).unwrap_or_else(unknown),
        time(row.cpu_ms).unwrap_or_else(unknown),
        row.max_rss_bytes.map_or_else(unknown, words::size),
        harmless_line(row.inputs.as_bytes(), SHOWN_CHARS),
    ]
}

/// Where a job stands, in a few words.
pub fn state_words(row: &JobRow) -> String {
    let state = match row.doing {
        Some(doing) => doing_word(doing).to_owned(),
        None => row.state.replace('_', " "),
    };
    if row.paused && row.doing.is_none() { format!("{state}, paused") } else { state }
}

fn doing_word(doing: WorkerState) -> &'static str {
    match doing {
        WorkerState::Launching => "launching",
        WorkerState::Paused => "paused",
        WorkerState::Quiet => "quiet",
        WorkerState::Stopping => "stopping",
        WorkerState::Idle | WorkerState::Reserved | WorkerState::Running => "running",
    }
}

fn as_json(info: &RunInfo, list: &JobList, page: &JobPage) -> Value {
    json!({
        "run": info.run,
        "filter": list.filter,
        "total": page.total,
        "of": page.of,
        "jobs": page.rows.iter().map(|row| row_json(info, row)).collect::<Vec<_>>(),
    })
}

/// A job as JSON, in the units of `docs/json.md`.
pub fn row_json(info: &RunInfo, row: &JobRow) -> Value {
    let (exit_code, signal) = exit_json(row.exit);
    json!({
        "job": row.job,
        "task": info.tasks.get(row.task.0 as usize).map(|task| task.name.as_str()),
        "index": row.index,
        "label": row.label,
        "inputs": row.inputs,
        "state": row.state,
        "doing": row.doing.map(doing_word),
        "paused": row.paused,
        "exit_code": exit_code,
        "signal": signal,
        "attempts": row.attempts,
        "started_at": row.started_at.map(Wall::rfc3339),
        "ended_at": row.ended_at.map(Wall::rfc3339),
        "wall_s": row.wall_ms.map(seconds),
        "cpu_s": row.cpu_ms.map(seconds),
        "max_rss_bytes": row.max_rss_bytes,
        "stdout_bytes": row.stdout_bytes,
        "stderr_bytes": row.stderr_bytes,
    })
}

/// Exit code and name of the signal; at least one of them is null.
pub fn exit_json(exit: Option<Exit>) -> (Option<i32>, Option<String>) {
    match exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal_name(signal))),
        None => (None, None),
    }
}

pub fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}
