//! From a task file's text to everything a run needs before it starts.

use crate::engine::Input;
use crate::inputs::{ReadContext, read_source};
use crate::model::TaskIdx;
use crate::plan::EachMap;
use crate::plan::Source;
use crate::plan::inputs::{Foreach, InputSet, Table, each_map};
use crate::plan::read::{ReadOptions, read};
use crate::plan::template::Name;
use crate::plan::{Plan, Schedule};
use crate::probe::{Cpus, usable_cpus};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a person asked for when starting a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Request {
    /// The task file as named on the command line; `-` for standard input.
    pub file: String,
    /// Folder that the task file's relative paths count from.
    pub file_dir: PathBuf,
    /// `--set NAME=VALUE`
    pub set: Vec<(String, String)>,
    /// Run these tasks and what they need; empty: all.
    pub only: Vec<String>,
    /// `-j`, in place of `workers`.
    pub jobs: Option<String>,
    /// A file with everything that came on standard input, when something asked for it.
    pub stdin: Option<PathBuf>,
}

/// A run that may start.
pub struct Prepared {
    /// The run's id.
    pub run: String,
    pub plan: Plan,
    pub schedule: Schedule,
    /// Why each pool has its size.
    pub size_reasons: Vec<String>,
    pub cpus: Cpus,
    pub request: Request,
}

/// Why a run may not start.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The task file has errors; the text shows them all.
    #[error("{0}")]
    Invalid(String),
}

/// Reads a task file's text. Returns the run and its warnings, drawn but for that word.
///
/// # Errors
/// When the text has errors: all of them, drawn.
pub fn prepare(
    run: &str,
    text: &[u8],
    request: Request,
) -> Result<(Prepared, Vec<String>), PrepareError> {
    let source = Source::new(&request.file, text);
    let outcome = read(text, &read_options(&request));
    let drawn: Vec<String> = outcome.diagnostics.iter().map(|d| d.render(&source)).collect();
    // Whoever shows warnings says that they are.
    let warnings = drawn.iter().map(|d| d.strip_prefix("warning: ").unwrap_or(d).to_owned());
    let warnings = warnings.collect();
    let Some(plan) = outcome.plan else {
        return Err(PrepareError::Invalid(drawn.join("\n")));
    };
    let cpus = usable_cpus();
    let jobs = match request.jobs.as_deref().map(crate::plan::units::parse_workers) {
        None => None,
        Some(Ok(count)) => Some(count),
        Some(Err(why)) => {
            return Err(PrepareError::Invalid(format!(
                "error: `-j {}`: {why}\nhint: Write a number, `50%` of the CPUs, `cores-1` or `auto`.",
                request.jobs.as_deref().unwrap_or_default()
            )));
        }
    };
    let (schedule, size_reasons) = plan.schedule(cpus.count, &cpus.reason, jobs);
    let run = run.to_owned();
    Ok((Prepared { run, plan, schedule, size_reasons, cpus, request }, warnings))
}

/// Reads a task file as far as it can be read: with errors in it nothing can run.
pub fn draft(text: &[u8], request: Request) -> Option<Prepared> {
    let outcome = read(text, &read_options(&request));
    let plan = outcome.plan.or(outcome.draft)?;
    let cpus = usable_cpus();
    let (schedule, size_reasons) = plan.schedule(cpus.count, &cpus.reason, None);
    Some(Prepared { run: "check".to_owned(), plan, schedule, size_reasons, cpus, request })
}

/// What the reader of task files needs to know of a request.
pub fn read_options(request: &Request) -> ReadOptions {
    ReadOptions {
        file_name: request.file.clone(),
        file_dir: request.file_dir.clone(),
        set: request.set.clone(),
        only: request.only.clone(),
    }
}

/// The jobs of a task, ready for the engine.
pub struct Expanded {
    pub task: TaskIdx,
    /// `Err`: the inputs could not be read, in words.
    pub inputs: Result<Arc<InputSet>, String>,
    /// They could be read, but do not fit what the task file says of them.
    pub is_misfit: bool,
    /// Placeholders that the columns do not have, and a hint for each.
    pub unknown: Vec<(String, String)>,
    pub warnings: Vec<String>,
}

/// Reads the sources of one task. Blocks on files and commands.
pub fn expand(prepared: &Prepared, task: TaskIdx) -> Expanded {
    let mut warnings = Vec::new();
    let spec = &prepared.plan.tasks[task.0 as usize];
    let tables = match &spec.foreach {
        None => Ok(None),
        Some(foreach) => {
            read_tables(prepared, foreach, &mut warnings).map(|tables| Some((foreach, tables)))
        }
    };
    let was_read = tables.is_ok();
    let inputs = tables.and_then(|read| match read {
        None => Ok(InputSet::none()),
        Some((foreach, tables)) => InputSet::new(foreach, tables),
    });
    // Columns of csv and json are known only now.
    let unknown = inputs.as_ref().map_or_else(|_| Vec::new(), |read| spec.unknown_names(read));
    let inputs = inputs.and_then(|read| match unknown.first() {
        None => Ok(read),
        Some((name, hint)) => Err(format!("unknown placeholder `{{{name}}}`. {hint}")),
    });
    let is_misfit = was_read && inputs.is_err();
    let name = &prepared.schedule.tasks[task.0 as usize].name;
    for warning in &mut warnings {
        *warning = format!("task `{name}`: {warning}");
    }
    Expanded { task, inputs: inputs.map(Arc::new), is_misfit, unknown, warnings }
}

fn read_tables(
    prepared: &Prepared,
    foreach: &Foreach,
    warnings: &mut Vec<String>,
) -> Result<Vec<Table>, String> {
    let vars = &prepared.plan.vars;
    let lookup = |name: &Name| match (name.base.as_str(), name.field.as_deref()) {
        ("vars", Some(field)) => {
            vars.iter().find(|(n, _)| n == field).map(|(_, v)| Cow::Borrowed(v.as_slice()))
        }
        _ => None,
    };
    let context = ReadContext {
        workdir: &prepared.plan.workdir,
        stdin: prepared.request.stdin.as_deref(),
        env: &[("GANGER_RUN".to_owned(), super::mark(&prepared.run).into_bytes())],
        lookup: &lookup,
    };
    let mut tables = Vec::new();
    for var in &foreach.vars {
        let read = read_source(&var.source, &context).map_err(|e| e.to_string())?;
        warnings.extend(read.warnings);
        tables.push(read.table);
    }
    Ok(tables)
}

/// Turns the inputs of a task into what the engine is told, and warnings about its links.
/// `known` has the inputs of the tasks that it needs.
pub fn input_for(
    prepared: &Prepared,
    expanded: &Expanded,
    known: &[Option<Arc<InputSet>>],
) -> (Input, Vec<String>) {
    let task = expanded.task;
    let inputs = match &expanded.inputs {
        Err(error) => return (Input::InputsFailed { task, error: error.clone() }, Vec::new()),
        Ok(inputs) => inputs,
    };
    match each_maps(prepared, task, inputs, known) {
        Ok((each, warnings)) => (Input::JobsAdded { task, count: inputs.len(), each }, warnings),
        Err(error) => (Input::InputsFailed { task, error }, Vec::new()),
    }
}

fn each_maps(
    prepared: &Prepared,
    task: TaskIdx,
    inputs: &InputSet,
    known: &[Option<Arc<InputSet>>],
) -> Result<(Vec<EachMap>, Vec<String>), String> {
    let rules = &prepared.schedule.tasks[task.0 as usize];
    let (mut maps, mut warnings) = (Vec::new(), Vec::new());
    for need in rules.needs.iter().filter(|need| need.each) {
        let up_name = &prepared.schedule.tasks[need.task.0 as usize].name;
        let Some(up) = &known[need.task.0 as usize] else {
            return Err(format!("the inputs of `{up_name}`, which it needs, are not there"));
        };
        let found = each_map(up, inputs).map_err(|why| format!("needs `{up_name}`: {why}"))?;
        maps.push(found.map);
        warnings.extend(found.warning.map(|why| {
            let name = &rules.name;
            format!("task `{name}` needs `{up_name}` job by job, and {why}")
        }));
    }
    Ok((maps, warnings))
}

/// Tasks whose inputs are read at start, in the order in which they must be read: file order.
pub fn read_at_start(prepared: &Prepared) -> Vec<TaskIdx> {
    let tasks = &prepared.schedule.tasks;
    let at_start = tasks.iter().enumerate().filter(|(_, rules)| !rules.expand_when_ready);
    at_start.map(|(i, _)| TaskIdx(u32::try_from(i).unwrap_or(u32::MAX))).collect()
}

/// Folder that relative paths of a task file count from: its own, or the current one for `-`.
pub fn folder_of(file: &Path) -> PathBuf {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    absolute.parent().unwrap_or(Path::new("/")).to_owned()
}
