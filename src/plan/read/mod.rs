//! A tree -> [`Plan`], with every problem at once.
//!
//! The shape of the tree has been checked against the table of keys before; what is of the
//! wrong shape has been reported and is passed over here. This module judges what takes more
//! than one value to judge: names that must exist, placeholders, cycles, bounds.

mod needs;
mod program;
mod shared;
mod sources;
mod task;
mod texts;

use super::diag::{Diagnostic, Problems, Source, Span, nearest};
use super::inputs;
use super::rules::FailFast;
use super::spec::{Plan, PoolSpec, Threads, WorkerCount, Workers};
use super::template::{Place, Template, is_posix_shell};
use super::yaml::{Node, Value};
use super::{keys, shape, units, yaml};
use crate::model::{TaskIdx, limits};
use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use texts::Scope;

pub use program::program_of;

/// What a task file is read with.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// As the user named it; `-` is standard input. Names the run when the file does not.
    pub file_name: String,
    /// Absolute; what a relative `workdir` counts from.
    pub file_dir: PathBuf,
    /// `--set NAME=VALUE`.
    pub set: Vec<(String, String)>,
    /// Only these tasks and what they need; empty: all.
    pub only: Vec<String>,
}

/// A task file, read.
#[derive(Debug)]
pub struct Outcome {
    /// `None` when a diagnostic is an error.
    pub plan: Option<Plan>,
    /// What could be read beside the errors: no run, but enough to find more of them.
    pub draft: Option<Plan>,
    /// In the order of the file; those about no place in it first.
    pub diagnostics: Vec<Diagnostic>,
    /// What an edge may look up to warn about: there even when the plan is not.
    pub sites: Vec<Site>,
    /// `vars` with `--set` applied, for the templates of `sites`.
    pub vars: Vec<(String, Vec<u8>)>,
    /// What relative paths of `sites` count from.
    pub workdir: PathBuf,
}

/// A place that names something outside the file.
#[derive(Clone, Debug)]
pub struct Site {
    pub kind: SiteKind,
    /// `None`: the top level.
    pub task: Option<TaskIdx>,
    pub span: Span,
}

/// What a [`Site`] names.
#[derive(Clone, Debug)]
pub enum SiteKind {
    /// A program, as a name for PATH or as a path.
    Program(String),
    /// The source of a variable of `foreach`. With `later` it is read only when the needs of
    /// its task have ended, so that nothing may be there yet.
    Source { variable: String, source: inputs::Source, later: bool },
}

/// Reads a task file. Always ends, whatever the bytes; bounded by [`limits`].
pub fn read(bytes: &[u8], options: &ReadOptions) -> Outcome {
    let too_large = bytes.len() > limits::TASK_FILE_BYTES;
    let source = Source::new(&options.file_name, if too_large { b"" } else { bytes });
    let mut problems = Problems::default();
    let document = yaml::parse(bytes, &source, &mut problems);
    let mut reader = Reader::new(&source, options, problems);
    match &document.root {
        None => {
            if document.complete {
                reader.empty_file();
            }
        }
        Some(root) if matches!(root.value, Value::Null) => reader.empty_file(),
        Some(root) => {
            shape::check(root, &keys::TOP, document.complete, &mut reader.problems);
            if document.complete {
                return reader.read_root(root);
            }
        }
    }
    reader.finish(None)
}

/// Reads `fail_fast`: `3` or `10%`.
pub(super) fn fail_fast(text: &str) -> Result<FailFast, String> {
    if text.ends_with('%') {
        let percent = units::parse_percent(text)?;
        return match percent > 0.0 {
            true => Ok(FailFast::Percent(percent)),
            false => Err(String::new()),
        };
    }
    match text.parse::<u32>() {
        Ok(n) if n > 0 => Ok(FailFast::Jobs(n)),
        _ => Err(String::new()),
    }
}

/// Reads `threads`: `auto` or a number.
pub(super) fn threads(text: &str) -> Result<Threads, String> {
    match text.parse::<u16>() {
        _ if text == "auto" => Ok(Threads::Auto),
        Ok(n) if n > 0 => Ok(Threads::Exactly(u32::from(n))),
        _ => Err(String::new()),
    }
}

/// What all parts of reading share.
struct Reader<'a> {
    source: &'a Source<'a>,
    options: &'a ReadOptions,
    problems: Problems,
    sites: Vec<Site>,
    vars: Vec<(String, Vec<u8>)>,
    var_names: HashSet<String>,
    workdir: PathBuf,
    shell: Vec<String>,
    pools: Vec<PoolSpec>,
    /// Where standard input is read already.
    stdin_reader: Option<Range<usize>>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source<'a>, options: &'a ReadOptions, problems: Problems) -> Reader<'a> {
        Reader {
            source,
            options,
            problems,
            sites: Vec::new(),
            vars: Vec::new(),
            var_names: HashSet::new(),
            workdir: options.file_dir.clone(),
            shell: vec!["sh".to_owned(), "-c".to_owned()],
            pools: Vec::new(),
            stdin_reader: None,
        }
    }

    fn empty_file(&mut self) {
        let hint = "Begin with `tasks: [{name: hello, run: echo hello}]`.";
        self.problems.error(&(0..0), "the task file is empty", Some(hint.to_owned()));
    }

    fn read_root(mut self, root: &Node) -> Outcome {
        self.read_vars(root.get("vars").map(|n| &**n));
        self.read_shell(root.get("shell").map(|n| &**n));
        self.read_workdir(root.get("workdir").map(|n| &**n));
        self.read_pools(root);
        let read = self.read_tasks(root);
        let tasks = self.link_needs(read);
        let mut shared = self.read_shared(root);
        self.check_takes(&tasks, &mut shared);
        let tasks = self.select(tasks);
        let text = |key: &str| root.get(key).and_then(|n| n.text());
        let plan = Plan {
            name: text("name").map_or_else(|| self.default_name(), |n| n.trim().to_owned()),
            description: text("description").map(str::to_owned),
            workdir: self.workdir.clone(),
            pools: std::mem::take(&mut self.pools),
            fail_fast: text("fail_fast").and_then(|t| fail_fast(t).ok()),
            shared,
            xray: root.get("xray").is_none_or(|node| sources::truth(node)),
            tasks,
            vars: self.vars.clone(),
        };
        self.finish(Some(plan))
    }

    fn finish(self, plan: Option<Plan>) -> Outcome {
        let (plan, draft) = match self.problems.has_errors() {
            true => (None, plan),
            false => (plan, None),
        };
        Outcome {
            plan,
            draft,
            diagnostics: self.problems.into_diagnostics(self.source),
            sites: self.sites,
            vars: self.vars,
            workdir: self.workdir,
        }
    }

    /// The file's name without folder and extension.
    fn default_name(&self) -> String {
        if self.options.file_name == "-" {
            return "stdin".to_owned();
        }
        let stem = Path::new(&self.options.file_name).file_stem();
        stem.map_or_else(|| "run".to_owned(), |s| s.to_string_lossy().into_owned())
    }

    fn read_vars(&mut self, node: Option<&Node>) {
        for entry in node.and_then(Node::entries).unwrap_or_default() {
            let Some(text) = entry.value.text() else { continue };
            self.var_names.insert(entry.key.to_string());
            self.vars.push((entry.key.to_string(), text.as_bytes().to_vec()));
            let parsed = Template::parse(text, Place::Plain);
            if let Some(name) = parsed.iter().flat_map(Template::names).find(|n| n.base == "vars") {
                let message = format!("`{{{name}}}` stays as it is in a value of `vars`");
                let hint = "Placeholders are filled in where a variable is used, and only once.";
                self.problems.warning(&entry.value.range, message, Some(hint.to_owned()));
            }
        }
        for (name, value) in &self.options.set {
            if let Some((_, old)) = self.vars.iter_mut().find(|(known, _)| known == name) {
                *old = value.as_bytes().to_vec();
                continue;
            }
            let message = format!("`--set {name}`: the task file has no such variable in `vars`");
            let known: Vec<&str> = self.vars.iter().map(|(n, _)| n.as_str()).collect();
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("Did you mean `{near}`?"),
                None if known.len() > 12 => format!("It has {} others.", known.len()),
                None if known.is_empty() => format!("Add it to the file: `vars: {{{name}: ...}}`."),
                None => format!("It has: {}.", known.join(", ")),
            };
            self.problems.error_nowhere(message, Some(hint));
        }
    }

    fn read_shell(&mut self, node: Option<&Node>) {
        let Some(items) = node.and_then(Node::items) else { return };
        let words: Vec<String> = items.iter().filter_map(|i| i.text()).map(str::to_owned).collect();
        let Some(first) = items.first().filter(|_| words.len() == items.len()) else { return };
        if let Some(program) = words.first() {
            let kind = SiteKind::Program(program.clone());
            self.sites.push(Site { kind, task: None, span: self.source.span(&first.range) });
        }
        self.shell = words;
    }

    fn read_workdir(&mut self, node: Option<&Node>) {
        let Some(node) = node else { return };
        let scope = Scope::vars_only("at the top of the file");
        let Some(template) = self.path(node, "workdir", &scope) else { return };
        let vars = &self.vars;
        let value = |name: &super::template::Name| {
            let field = name.field.as_deref()?;
            let (_, value) = vars.iter().find(|(n, _)| n == field)?;
            Some(std::borrow::Cow::Borrowed(value.as_slice()))
        };
        match template.render(&value) {
            Ok(bytes) => {
                use std::os::unix::ffi::OsStringExt as _;
                let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
                self.workdir = self.options.file_dir.join(path);
            }
            Err(error) => {
                let hint = "Only `{vars.name}` with a name from `vars` can stand here.";
                self.problems.error(&node.range, error.to_string(), Some(hint.to_owned()));
            }
        }
    }

    fn read_pools(&mut self, root: &Node) {
        let default = self.workers(root.get("workers").map(|n| &**n));
        self.pools.push(PoolSpec { name: "default".to_owned(), workers: default });
        let pools = root.get("pools").map(|n| &**n).and_then(Node::entries).unwrap_or_default();
        if pools.len() >= limits::POOLS {
            let at = root.get("pools").map_or(0..0, |n| shape::start_of(&n.range));
            let message = format!("too many pools: {}, at most {}", pools.len(), limits::POOLS - 1);
            let hint = "Let tasks share pools: `pool` of a task chooses one.";
            self.problems.error(&at, message, Some(hint.to_owned()));
            return;
        }
        for entry in pools {
            let mut node = &*entry.value;
            if let Some(inner) = node.get("workers") {
                self.only_workers(node);
                node = inner;
            }
            let workers = self.workers(Some(node));
            self.pools.push(PoolSpec { name: entry.key.to_string(), workers });
        }
    }

    fn only_workers(&mut self, pool: &Node) {
        for entry in pool.entries().unwrap_or_default() {
            if matches!(&*entry.key, "min" | "max" | "start") {
                let message = format!("`{}` stands beside `workers`", entry.key);
                let hint = "Write `workers: {min: 1, max: 8, start: 4}`.";
                self.problems.error(&entry.key_range, message, Some(hint.to_owned()));
            }
        }
    }

    /// Reads `workers`, in one number or with bounds.
    fn workers(&mut self, node: Option<&Node>) -> Workers {
        let count = |n: &Node| n.text().and_then(|t| units::parse_workers(t).ok());
        let auto = Workers { start: WorkerCount::Auto, min: None, max: None };
        let Some(node) = node else { return auto };
        if let Some(start) = count(node) {
            return Workers { start, ..auto };
        }
        let get = |key: &str| node.get(key).and_then(|n| count(n).map(|c| (c, n.range.clone())));
        let (min, max, start) = (get("min"), get("max"), get("start"));
        let mut ordered = |low: &Option<_>, high: &Option<_>, words: &str| {
            if let (Some((WorkerCount::Exactly(l), at)), Some((WorkerCount::Exactly(h), _))) =
                (low, high)
                && l > h
            {
                let hint = "Scaling stays between `min` and `max`, and so does the start.";
                self.problems.error(at, format!("{words}: {l} > {h}"), Some(hint.to_owned()));
            }
        };
        ordered(&min, &max, "`min` is more than `max`");
        ordered(&min, &start, "`min` is more than `start`");
        ordered(&start, &max, "`start` is more than `max`");
        Workers {
            start: start.map_or(WorkerCount::Auto, |(c, _)| c),
            min: min.map(|(c, _)| c),
            max: max.map(|(c, _)| c),
        }
    }

    fn shell_place(&self) -> Place {
        if is_posix_shell(&self.shell) { Place::PosixShell } else { Place::OtherShell }
    }

    /// Adds a hint with the nearest of `known`, or all of them when they are few.
    fn name_hint(&self, wrong: &str, known: &[&str]) -> Option<String> {
        if self.problems.are_many() {
            return None;
        }
        if let Some(near) = nearest(wrong, known.iter().copied()) {
            return Some(format!("Did you mean `{near}`?"));
        }
        let list =
            |names: &[&str]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        // Names that stand twice are a problem of their own.
        let mut seen = HashSet::new();
        let known: Vec<&str> = known.iter().copied().filter(|name| seen.insert(*name)).collect();
        match known.len() {
            0 => Some("There are none.".to_owned()),
            1..=12 => Some(format!("There is {}.", list(&known))),
            n => Some(format!("There are {n}, such as {}.", list(known.get(..8)?))),
        }
    }
}
