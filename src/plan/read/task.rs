//! Tasks: one entry of `tasks` with `defaults` behind it.

use super::needs::{ReadTask, WrittenNeed};
use super::shared::takes;
use super::sources::truth;
use super::texts::Scope;
use super::{Reader, threads};
use crate::model::exec::{Limits, TtySize};
use crate::model::{PoolIdx, TaskIdx, limits, signal_number};
use crate::plan::inputs::CommandLine;
use crate::plan::rules::{
    NeedWhen, OnFailure, QuietAction, QuietRule, Retries, StopRule, TaskRules,
};
use crate::plan::spec::{MARKS, Run, StdinSpec, TaskSpec, WorkerCount};
use crate::plan::template::{Place, Template};
use crate::plan::yaml::{Entry, Node};
use crate::plan::{shape, units};
use std::collections::HashMap;
use std::time::Duration;

/// A task's map with `defaults` behind it.
#[derive(Clone, Copy)]
struct Layers<'n> {
    task: &'n Node,
    defaults: Option<&'n Node>,
}

impl<'n> Layers<'n> {
    /// Returns the task's value of a key, else the one of `defaults`.
    fn get(self, key: &str) -> Option<&'n Node> {
        let of = |node: &'n Node| node.get(key).map(|n| &**n);
        of(self.task).or_else(|| self.defaults.and_then(of))
    }

    /// Returns a field of a key that may be given in part: the task's, else the one of
    /// `defaults`. A scalar stands for its field `short`.
    fn field(self, key: &str, field: &str, short: &str) -> Option<&'n Node> {
        let of = |layer: &'n Node| {
            let node = &**layer.get(key)?;
            match node.text() {
                Some(_) if field == short => Some(node),
                Some(_) => None,
                None => node.get(field).map(|n| &**n),
            }
        };
        of(self.task).or_else(|| self.defaults.and_then(of))
    }

    fn text(self, key: &str) -> Option<&'n str> {
        self.get(key).and_then(Node::text)
    }

    fn int(self, key: &str) -> Option<i64> {
        self.get(key).and_then(int)
    }
}

fn int(node: &Node) -> Option<i64> {
    node.text().and_then(shape::whole_number)
}

fn count(node: &Node) -> Option<u32> {
    int(node).and_then(|n| u32::try_from(n).ok())
}

fn duration(node: &Node) -> Option<Duration> {
    node.text().and_then(|t| units::parse_duration(t).ok())
}

fn number(node: &Node) -> Option<f64> {
    node.text().and_then(shape::number)
}

/// Reads one exit code or several.
fn codes(node: &Node) -> Option<Vec<i32>> {
    let code = |n: &Node| int(n).and_then(|c| i32::try_from(c).ok());
    match node.items() {
        Some(items) => items.iter().map(|i| code(i)).collect(),
        None => code(node).map(|c| vec![c]),
    }
}

impl Reader<'_> {
    pub(super) fn read_tasks(&mut self, root: &Node) -> Vec<ReadTask> {
        let defaults = root.get("defaults").map(|n| &**n);
        let top_env = root.get("env").map(|n| &**n);
        let shared_env = self.env(top_env, &Scope::any_job("at the top of the file"));
        let items = root.get("tasks").and_then(|n| n.items()).unwrap_or_default();
        let shell = root.get("shell").map(|n| &**n);
        let shared =
            [defaults, top_env, shell].into_iter().flatten().map(Node::spread_bytes).sum::<usize>();
        if shared.saturating_mul(items.len()) > limits::TASK_FILE_SPREAD_BYTES {
            let message = format!(
                "`defaults`, `env` and `shell` take more than {} MiB when each of {} tasks has them",
                limits::TASK_FILE_SPREAD_BYTES >> 20,
                items.len()
            );
            let hint = "Make one task with `foreach` of them, or read long values from files.";
            let at = root.get("defaults").or(root.get("env")).map_or(0..0, |n| n.range.clone());
            self.problems.error(&shape::start_of(&at), message, Some(hint.to_owned()));
            return Vec::new();
        }
        let mut names: HashMap<&str, usize> = HashMap::new();
        let mut tasks = Vec::new();
        for (idx, item) in items.iter().enumerate() {
            if item.entries().is_none() {
                continue;
            }
            if let Some(node) = item.get("name")
                && let Some(name) = node.text()
                && let Some(first) = names.insert(name, node.range.start)
            {
                let line = self.source.line_of(first);
                let message = format!("duplicate task name `{name}`: line {line} has it already");
                let hint = "Needs, reports and `resize:3` go by the name: choose another one.";
                self.problems.error(&node.range, message, Some(hint.to_owned()));
                names.insert(name, first);
            }
            let idx = TaskIdx(u32::try_from(idx).unwrap_or(u32::MAX));
            tasks.push(self.task(idx, Layers { task: item, defaults }, &shared_env));
        }
        tasks
    }

    fn task(&mut self, idx: TaskIdx, at: Layers<'_>, shared: &[(String, Template)]) -> ReadTask {
        let later = at.text("expand") == Some("when_ready");
        let zip = at.get("zip").is_some_and(truth);
        let (foreach, inputs) = match at.get("foreach") {
            Some(node) => self.foreach(node, zip, later, idx),
            None => (None, Vec::new()),
        };
        let input_names = inputs.iter().map(|(name, _)| name.clone()).collect();
        let scope = Scope::job(inputs);
        let run = self.run(at, &scope, idx);
        let mut env = shared.to_vec();
        for layer in [at.defaults.and_then(|d| d.get("env")), at.task.get("env")] {
            env.extend(self.env(layer.map(|n| &**n), &scope));
        }
        let mut path = |key: &str| at.get(key).and_then(|n| self.path(n, key, &scope));
        let (workdir, creates) = (path("workdir"), path("creates"));
        let (stdout, stderr) = (path("stdout"), path("stderr"));
        let before_jobs = Scope::vars_only("in `env_file`, which is read before there are jobs");
        let env_file = at.get("env_file").and_then(|n| self.paths(n, "env_file", &before_jobs));
        let start = shape::start_of(&at.task.range);
        let spec = TaskSpec {
            description: at.text("description").map(str::to_owned),
            rules: self.rules(at, later),
            foreach,
            run: run.unwrap_or(Run::Argv(Vec::new())),
            env,
            env_file: env_file.unwrap_or_default(),
            workdir,
            stdin: self.stdin(at, &scope),
            stdout,
            stderr,
            tty: tty(at),
            creates,
            nice: at.int("nice").and_then(|n| i32::try_from(n).ok()),
            limits: limits_of(at),
            keep_leftovers: at.text("leftovers") == Some("keep"),
            threads: at.text("threads").and_then(|t| threads(t).ok()),
            line: u32::try_from(self.source.line_of(start.start)).unwrap_or(u32::MAX),
        };
        ReadTask { idx, spec, needs: self.needs(at.get("needs")), inputs: input_names, at: start }
    }

    fn run(&mut self, at: Layers<'_>, scope: &Scope, idx: TaskIdx) -> Option<Run> {
        let Some(node) = at.get("run") else {
            let message = "a task has no `run`";
            let hint = "Add what it runs, such as `run: echo hello`.";
            let start = shape::start_of(&at.task.range);
            self.problems.error(&start, message, Some(hint.to_owned()));
            return None;
        };
        self.command_line(node, scope, idx).map(|line| match line {
            CommandLine::Shell { shell, text } => Run::Shell { shell, text },
            CommandLine::Argv(words) => Run::Argv(words),
        })
    }

    fn env(&mut self, node: Option<&Node>, scope: &Scope) -> Vec<(String, Template)> {
        let mut env = Vec::new();
        for Entry { key, key_range, value } in node.and_then(Node::entries).unwrap_or_default() {
            if MARKS.contains(&&**key) || key.starts_with("GANGER_VAR_") {
                let message = format!("`{key}` is one of ganger's own marks: `env` cannot set it");
                let hint = "Every job has it already. Other names that begin with GANGER_ are \
                            yours.";
                self.problems.warning(key_range, message, Some(hint.to_owned()));
            } else if let Some(text) = self.template(value, Place::Plain, scope) {
                env.push((key.to_string(), text));
            }
        }
        env
    }

    fn rules(&mut self, at: Layers<'_>, expand_when_ready: bool) -> TaskRules {
        let pool = self.pool(at.get("pool"));
        let weight = at.get("weight").and_then(count).unwrap_or(1);
        let name = at.task.get("name").and_then(|n| n.text()).unwrap_or("");
        if let (Some(node), Some(pool)) = (at.get("weight"), self.pools.get(usize::from(pool.0))) {
            let most = match pool.workers.max {
                Some(WorkerCount::Exactly(max)) => max,
                _ => limits::WORKERS,
            };
            if weight > most {
                let message = format!(
                    "`weight` is {weight}, and the pool `{}` never has more than {most} workers",
                    pool.name
                );
                let hint = "Such a job takes the whole pool.";
                self.problems.warning(&node.range, message, Some(hint.to_owned()));
            }
        }
        let retries = self.retries(at);
        TaskRules {
            name: name.to_owned(),
            pool,
            needs: Vec::new(),
            max_parallel: at.get("max_parallel").and_then(count),
            weight,
            priority: at.int("priority").and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
            timeout: at.get("timeout").and_then(duration),
            stop: stop(at),
            quiet: self.quiet(at, &retries),
            retries,
            on_failure: match at.text("on_failure") {
                Some("stop") => OnFailure::Stop,
                Some("abort") => OnFailure::Abort,
                _ => OnFailure::Continue,
            },
            ok_codes: at.get("ok_codes").and_then(codes).unwrap_or_else(|| vec![0]),
            expand_when_ready,
            takes: takes(at.get("locks"), at.get("uses")),
        }
    }

    fn pool(&mut self, node: Option<&Node>) -> PoolIdx {
        let Some((node, name)) = node.and_then(|n| n.text().map(|t| (n, t))) else {
            return PoolIdx::DEFAULT;
        };
        if let Some(idx) = self.pools.iter().position(|p| p.name == name) {
            return PoolIdx(u16::try_from(idx).unwrap_or(0));
        }
        let known: Vec<&str> = self.pools.iter().map(|p| p.name.as_str()).collect();
        let hint = self.name_hint(name, &known);
        let message = format!("unknown pool `{}`", crate::plan::yaml::short(name));
        self.problems.error(&node.range, message, hint);
        PoolIdx::DEFAULT
    }

    fn retries(&mut self, at: Layers<'_>) -> Retries {
        let field = |name: &str| at.field("retries", name, "max");
        let retries = Retries {
            max: field("max").and_then(count).unwrap_or(0),
            delay: field("delay").and_then(duration).unwrap_or(Duration::ZERO),
            factor: field("factor").and_then(number).unwrap_or(1.0),
            max_delay: field("max_delay").and_then(duration),
            jitter: field("jitter").and_then(number).unwrap_or(0.0),
            exit_codes: field("exit_codes").and_then(codes),
        };
        let of_task = at.task.get("retries");
        if let Some(node) = of_task
            && node.entries().is_some_and(|e| !e.is_empty())
            && field("max").is_none()
        {
            let message = "`retries` has no `max`, so nothing is tried again";
            let hint = "Add how often, such as `max: 2`.";
            self.problems.warning(&shape::start_of(&node.range), message, Some(hint.to_owned()));
        }
        if let (Some(node), Some(max_delay)) = (field("max_delay"), retries.max_delay)
            && max_delay < retries.delay
        {
            let message = "`max_delay` is shorter than `delay`, so every delay is `max_delay`";
            let hint = "Make `max_delay` longer, or leave it out: then delays have no limit.";
            self.problems.warning(&node.range, message, Some(hint.to_owned()));
        }
        retries
    }

    fn quiet(&mut self, at: Layers<'_>, retries: &Retries) -> Option<QuietRule> {
        let node = at.get("quiet").filter(|n| n.entries().is_some())?;
        let action = at.field("quiet", "action", "");
        let rule = match action.and_then(Node::text) {
            Some("stop") => QuietAction::Stop,
            Some("retry") => QuietAction::Retry,
            _ => QuietAction::Report,
        };
        let Some(after) = at.field("quiet", "after", "") else {
            let hint = "Add how long a job may be quiet, such as `after: 20s`.";
            let start = shape::start_of(&node.range);
            self.problems.error(&start, "`quiet` has no `after`", Some(hint.to_owned()));
            return None;
        };
        if let Some(action) = action.filter(|_| rule == QuietAction::Retry && retries.max == 0) {
            let message = "`action: retry` tries nothing again, because `retries` is 0";
            let hint = "Add `retries: 2`, or write `action: stop`.";
            self.problems.warning(&action.range, message, Some(hint.to_owned()));
        }
        Some(QuietRule { after: duration(after)?, action: rule })
    }

    fn stdin(&mut self, at: Layers<'_>, scope: &Scope) -> StdinSpec {
        let Some(node) = at.get("stdin") else { return StdinSpec::Null };
        let text = if node.text().is_some() { Some(node) } else { node.get("text").map(|n| &**n) };
        let file = node.get("file").map(|n| &**n);
        match (text, file) {
            (Some(text), None) => self.template(text, Place::Plain, scope).map(StdinSpec::Text),
            (None, Some(file)) => self.path(file, "stdin", scope).map(StdinSpec::File),
            _ => {
                if node.entries().is_some_and(|e| e.is_empty() || file.is_some()) {
                    let hint = "Write `stdin: {text: ...}` or `stdin: {file: ...}`.";
                    let start = shape::start_of(&node.range);
                    let message = "`stdin` takes either a text or a file";
                    self.problems.error(&start, message, Some(hint.to_owned()));
                }
                None
            }
        }
        .unwrap_or_default()
    }

    fn needs(&mut self, node: Option<&Node>) -> Vec<WrittenNeed> {
        let Some(node) = node else { return Vec::new() };
        let need = |node: &Node| match node.text() {
            Some(name) => Some(WrittenNeed {
                name: name.to_owned(),
                at: node.range.clone(),
                each: None,
                when: NeedWhen::Succeeded,
            }),
            None => {
                let task = node.get("task")?;
                let each = node.get("each").filter(|n| truth(n)).map(|n| n.range.clone());
                let when = match node.get("when").and_then(|n| n.text()) {
                    Some("failed") => NeedWhen::Failed,
                    Some("always") => NeedWhen::Always,
                    _ => NeedWhen::Succeeded,
                };
                let name = task.text()?.to_owned();
                Some(WrittenNeed { name, at: task.range.clone(), each, when })
            }
        };
        match node.items() {
            Some(items) => items.iter().filter_map(|i| need(i)).collect(),
            None => need(node).into_iter().collect(),
        }
    }
}

fn stop(at: Layers<'_>) -> StopRule {
    let unless = StopRule::default();
    let signal = at.field("stop", "signal", "").and_then(Node::text).and_then(signal_number);
    let grace = at.field("stop", "grace", "").and_then(duration);
    StopRule { signal: signal.unwrap_or(unless.signal), grace: grace.unwrap_or(unless.grace) }
}

fn tty(at: Layers<'_>) -> Option<TtySize> {
    let node = at.get("tty")?;
    let size = |key: &str, unless: u16| {
        let cells = node.get(key).and_then(|n| int(n));
        cells.and_then(|n| u16::try_from(n).ok()).unwrap_or(unless)
    };
    (node.entries().is_some() || truth(node))
        .then(|| TtySize { cols: size("cols", 80), rows: size("rows", 24) })
}

fn limits_of(at: Layers<'_>) -> Limits {
    let field = |name: &str| at.field("limits", name, "");
    let size =
        |name: &str| field(name).and_then(Node::text).and_then(|t| units::parse_size(t).ok());
    let whole = |name: &str| field(name).and_then(count).map(u64::from);
    Limits {
        memory_bytes: size("memory"),
        cpu_time: field("cpu_time").and_then(duration),
        open_files: whole("open_files"),
        file_size_bytes: size("file_size"),
        processes: whole("processes"),
    }
}
