//! A resolved, valid task file.

use super::inputs::{Foreach, InputSet};
use super::keys::BUILT_IN;
use super::rules::{SharedRules, TaskRules};
use super::template::{Template, unknown_name_hint};
use crate::model::exec::{Limits, TtySize};
use crate::plan::rules::FailFast;
use std::path::PathBuf;

/// Variables of the environment that ganger sets for jobs: `env` cannot, and those of an outer
/// run are not passed on. `GANGER_VAR_x` is one too, for each variable `x`.
pub const MARKS: [&str; 10] = [
    "GANGER_RUN",
    "GANGER_JOB",
    "GANGER_TASK",
    "GANGER_ATTEMPT",
    "GANGER_SLOT",
    "GANGER_SOCKET",
    "GANGER_SEED",
    "GANGER_BIN",
    "GANGER_LOCKS",
    OUTER_JOBS,
];

/// The jobs of outer runs that this process hangs under, outermost first, `/` between them.
pub const OUTER_JOBS: &str = "GANGER_OUTER_JOBS";

/// Everything a run is made of, before its sources of inputs are read.
#[derive(Clone, Debug)]
pub struct Plan {
    pub name: String,
    pub description: Option<String>,
    /// Absolute; the task file's folder unless it says otherwise.
    pub workdir: PathBuf,
    /// Pool 0 is `default`.
    pub pools: Vec<PoolSpec>,
    pub fail_fast: Option<FailFast>,
    pub shared: SharedRules,
    /// Whether the processes of jobs are looked at for whom they wait.
    pub xray: bool,
    /// In file order.
    pub tasks: Vec<TaskSpec>,
    /// `vars`, with `--set` applied, in file order.
    pub vars: Vec<(String, Vec<u8>)>,
}

/// A pool as written.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSpec {
    pub name: String,
    pub workers: Workers,
}

/// `workers`: a size, or bounds and a start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workers {
    pub start: WorkerCount,
    pub min: Option<WorkerCount>,
    pub max: Option<WorkerCount>,
}

/// A number of workers, perhaps relative to the CPUs that this process may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WorkerCount {
    /// One per CPU.
    Auto,
    Exactly(u32),
    /// Percent of the CPUs, rounded to the nearest, at least 1.
    Percent(f64),
    /// All CPUs but this many, at least 1.
    CoresMinus(u32),
}

/// A task, resolved: `defaults` merged in, names checked, placeholders parsed.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    pub description: Option<String>,
    /// What the engine needs to know of it, its name included.
    pub rules: TaskRules,
    /// `None`: one job without inputs.
    pub foreach: Option<Foreach>,
    pub run: Run,
    /// Top level `env` and the task's, in this order; a later name wins.
    pub env: Vec<(String, Template)>,
    /// Files of NAME=VALUE lines; their values are never shown.
    pub env_file: Vec<Template>,
    /// Relative to the plan's; `None`: the plan's.
    pub workdir: Option<Template>,
    pub stdin: StdinSpec,
    pub stdout: Option<Template>,
    pub stderr: Option<Template>,
    pub tty: Option<TtySize>,
    pub creates: Option<Template>,
    pub nice: Option<i32>,
    pub limits: Limits,
    pub keep_leftovers: bool,
    pub threads: Option<Threads>,
    /// Line of the task in its file, from 1.
    pub line: u32,
}

impl TaskSpec {
    /// Returns every text that is filled in for each job.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let run: &[Template] = match &self.run {
            Run::Shell { text, .. } => std::slice::from_ref(text),
            Run::Argv(words) => words,
        };
        let stdin = match &self.stdin {
            StdinSpec::Null => None,
            StdinSpec::Text(text) | StdinSpec::File(text) => Some(text),
        };
        let paths = [&self.workdir, &self.stdout, &self.stderr, &self.creates];
        run.iter()
            .chain(self.env.iter().map(|(_, text)| text))
            .chain(stdin)
            .chain(paths.into_iter().flatten())
    }

    /// Checks placeholders that only the inputs, read, can tell: columns of `csv` and `json`.
    ///
    /// Returns the unknown ones and for each a hint with what the inputs do have.
    pub fn unknown_names(&self, inputs: &InputSet) -> Vec<(String, String)> {
        let names = self.templates().flat_map(Template::names);
        // What is fixed was checked when the task file was read.
        let fixed = |base: &str| BUILT_IN.contains(&base);
        let mut unknown: Vec<(String, String)> = Vec::new();
        for name in names.filter(|n| !fixed(&n.base) && !inputs.knows(n)) {
            let known = inputs.names();
            let hint = unknown_name_hint(name, known.iter().map(String::as_str));
            let one = (name.to_string(), hint);
            if !unknown.contains(&one) {
                unknown.push(one);
            }
        }
        unknown
    }
}

/// `run`.
#[derive(Clone, Debug)]
pub enum Run {
    /// Text for the shell: `shell` followed by the text with every value as one word.
    Shell { shell: Vec<String>, text: Template },
    /// Executed as it is.
    Argv(Vec<Template>),
}

/// `stdin`.
#[derive(Clone, Debug, Default)]
pub enum StdinSpec {
    #[default]
    Null,
    Text(Template),
    File(Template),
}

/// `threads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// CPUs divided by the workers of the pool at the time of the start, at least 1.
    Auto,
    Exactly(u32),
}
