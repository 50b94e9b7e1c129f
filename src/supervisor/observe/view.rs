//! The tree in the words of a run: what a screen is told.

use super::Observer;
use super::processes::{Row, attempt_of};
use crate::clock;
use crate::model::locks::SharedView;
use crate::model::snapshot::WorkView;
use crate::model::{
    Activity, Counts, Now, PoolView, ProcRef, RunInfo, RunOutcome, RunState, Snapshot, TaskIdx,
    TaskInfo, TaskView, WorkerState, WorkerView,
};
use crate::probe::{core_infos, machine_info};
use crate::supervisor::waits::{circles, short, wait_for_process};
use std::path::Path;

/// What does not change.
pub fn info(root: ProcRef, name: &str, folder: &Path) -> RunInfo {
    let now = clock::now();
    RunInfo {
        run: format!("pid {}", root.pid),
        name: format!("{name} {}", root.pid),
        supervisor_pid: std::process::id().cast_signed(),
        started_at: now.wall,
        started_mono: now.mono,
        dir: folder.display().to_string(),
        tasks: vec![TaskInfo { name: "pid".to_owned(), ..TaskInfo::default() }],
        pools: vec!["processes".to_owned()],
        machine: machine_info(),
        cores: core_infos(),
        observes: Some(root.pid),
        ..RunInfo::default()
    }
}

/// What it looks like now.
pub fn snapshot(observer: &Observer, at: Now) -> Snapshot {
    let mut rows: Vec<&Row> = observer.processes.rows().collect();
    rows.sort_by_key(|row| row.slot);
    let n = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let counts = Counts { total: n, running: n, ..Counts::default() };
    let (deadlocks, stuck) = observer.report.as_ref().map(circles).unwrap_or_default();
    let (foreign, foreign_total) = observer.contention.view();
    let hidden = observer.processes.hidden;
    Snapshot {
        seq: observer.seq,
        at,
        state: match observer.ended {
            true => RunState::Ended { outcome: RunOutcome::Succeeded, exit_code: 0 },
            false => RunState::Running,
        },
        counts,
        elapsed_ms: u64::try_from(at.mono.since(observer.began).as_millis()).unwrap_or(u64::MAX),
        pools: vec![PoolView {
            name: "processes".to_owned(),
            size: n,
            min: n,
            max: n,
            reason: "all of the tree".to_owned(),
            running: n,
            weight_used: n,
            ..PoolView::default()
        }],
        workers: rows.into_iter().map(|row| worker(observer, row)).collect(),
        tasks: vec![TaskView { counts, unread: false }],
        machine: observer.sample.machine.clone(),
        sampled_at: observer.sample.at,
        notices: match hidden {
            0 => Vec::new(),
            n => vec![format!("{n} more processes are not shown")],
        },
        shared: SharedView { deadlocks, foreign, foreign_total, ..SharedView::default() },
        stuck,
        xray: observer.report.as_ref().map(short),
        ..Snapshot::default()
    }
}

fn worker(observer: &Observer, row: &Row) -> WorkerView {
    let attempt = attempt_of(row.proc.pid);
    let tree = observer.sample.trees.iter().find(|tree| tree.attempt == attempt).copied();
    let waits = observer.report.as_ref().and_then(|report| wait_for_process(report, attempt));
    let is_stopped = tree.is_some_and(|tree| tree.activity == Activity::Stopped);
    let name =
        if row.is_dead { format!("{} (dead, not reaped)", row.name) } else { row.name.clone() };
    WorkerView {
        slot: row.slot,
        state: if is_stopped { WorkerState::Paused } else { WorkerState::Running },
        leaving: false,
        work: Some(WorkView {
            attempt,
            task: TaskIdx(0),
            index: attempt.job.0,
            inputs: name,
            proc: Some(row.proc),
            since: row.since,
            stopping: None,
            tree,
            waits,
        }),
    }
}
