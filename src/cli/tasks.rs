//! `ganger tasks`: the tasks of a live run, each with what its jobs add up to.

use super::args::TasksArgs;
use super::failure::Failure;
use super::jobs::seconds;
use super::reach::{self, Reached, reach};
use super::{exit, ls, print};
use crate::model::RunInfo;
use crate::model::limits::PAGE_ROWS;
use crate::model::query::{Query, Reply, TaskRow};
use crate::report::words;
use serde_json::{Value, json};
use std::time::Duration;

/// Prints the tasks.
///
/// # Errors
/// When no live run is meant, or not just one.
pub fn tasks(args: &TasksArgs) -> Result<i32, Failure> {
    let mut reached = reach(args.run.as_deref())?;
    let rows = read(&mut reached)?;
    if args.json {
        let all: Vec<Value> = rows.iter().map(|row| as_json(&reached.info, row)).collect();
        print::json(&Value::Array(all))?;
    } else {
        print::bytes(drawn(&rows).as_bytes())?;
    }
    Ok(exit::OK)
}

fn read(reached: &mut Reached) -> Result<Vec<TaskRow>, Failure> {
    let mut all = Vec::new();
    loop {
        let offset = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let query = Query::Tasks { offset, limit: PAGE_ROWS };
        let Reply::Tasks { total, mut rows } = reached.ask(query)? else {
            return Err(reach::misunderstood());
        };
        let is_last = rows.is_empty();
        all.append(&mut rows);
        if is_last || all.len() >= total as usize {
            return Ok(all);
        }
    }
}

fn drawn(rows: &[TaskRow]) -> String {
    let heads = [
        "TASK", "JOBS", "QUEUED", "RUNNING", "OK", "FAILED", "OTHER", "P50", "P90", "P95", "MAX",
        "CPU", "RSS", "LEFT",
    ];
    let mut table = vec![heads.map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(cells));
    print::table(&table, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
}

fn cells(row: &TaskRow) -> Vec<String> {
    let unknown = || "-".to_owned();
    let time =
        |us: Option<u64>| us.map_or_else(unknown, |us| words::duration(Duration::from_micros(us)));
    let counts = &row.counts;
    let jobs = if row.unread { "?".to_owned() } else { counts.total.to_string() };
    let durations = row.durations;
    vec![
        row.name.clone(),
        jobs,
        counts.waiting().to_string(),
        counts.running.to_string(),
        counts.good().to_string(),
        counts.bad().to_string(),
        (counts.cancelled + counts.skipped).to_string(),
        time(durations.map(|d| d.p50_us)),
        time(durations.map(|d| d.p90_us)),
        time(durations.map(|d| d.p95_us)),
        time(durations.map(|d| d.max_us)),
        words::duration(Duration::from_millis(row.cpu_ms)),
        row.max_rss_bytes.map_or_else(unknown, words::size),
        row.eta_ms.map_or_else(unknown, |ms| words::duration(Duration::from_millis(ms))),
    ]
}

fn as_json(info: &RunInfo, row: &TaskRow) -> Value {
    let seconds_of = |us: u64| Duration::from_micros(us).as_secs_f64();
    let durations = row.durations.map(|d| {
        json!({
            "count": d.count,
            "mean_s": seconds_of(d.mean_us),
            "p50_s": seconds_of(d.p50_us),
            "p90_s": seconds_of(d.p90_us),
            "p95_s": seconds_of(d.p95_us),
            "max_s": seconds_of(d.max_us),
        })
    });
    json!({
        "task": row.name,
        "pool": info.pools.get(usize::from(row.pool.0)),
        "counts": ls::counts_json(&row.counts),
        "attempts": row.attempts,
        "durations": durations,
        "cpu_s": seconds(row.cpu_ms),
        "max_rss_bytes": row.max_rss_bytes,
        "eta_s": row.eta_ms.map(seconds),
    })
}
