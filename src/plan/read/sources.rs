//! `foreach`: variables and where their values come from.

use super::texts::{Holds, Scope};
use super::{Reader, Site, SiteKind};
use crate::model::TaskIdx;
use crate::model::limits::FOREACH_VARIABLES;
use crate::plan::inputs::{CommandLine, Foreach, ForeachVar, Source};
use crate::plan::keys::{BUILT_IN, is_range};
use crate::plan::template::Template;
use crate::plan::yaml::{Node, Value, is_bool};
use crate::plan::{shape, units};
use std::rc::Rc;

/// The keys of a source that say what it is; exactly one of them stands in each.
const KINDS: [&str; 6] = ["glob", "range", "lines", "csv", "json", "command"];

/// Which key belongs to which kind of source.
const EXTRAS: [(&str, &str); 3] = [("exclude", "glob"), ("step", "range"), ("nul", "command")];

impl Reader<'_> {
    /// Reads `foreach`; returns also what its variables hold.
    pub(super) fn foreach(
        &mut self,
        node: &Node,
        zip: bool,
        later: bool,
        task: TaskIdx,
    ) -> (Option<Foreach>, Vec<(String, Holds)>) {
        let Some(entries) = node.entries() else { return (None, Vec::new()) };
        let mut foreach = Foreach { vars: Vec::new(), zip };
        let mut inputs = Vec::new();
        if entries.len() > FOREACH_VARIABLES {
            let message = format!(
                "too many variables: {}, and at most {FOREACH_VARIABLES} go together",
                entries.len()
            );
            let hint = "A `csv` or `json` source gives a job many values with one variable.";
            let at = shape::start_of(&node.range);
            self.problems.error(&at, message, Some(hint.to_owned()));
            return (None, Vec::new());
        }
        for entry in entries {
            if &*entry.key == "zip" {
                foreach.zip |= truth(&entry.value);
                continue;
            }
            if !BUILT_IN.contains(&&*entry.key) {
                inputs.push((entry.key.to_string(), holds(&entry.value)));
            }
            let Some(source) = self.input_source(&entry.value, task) else { continue };
            let (variable, place) = (entry.key.to_string(), source_node(&entry.value));
            self.sites.push(Site {
                kind: SiteKind::Source { variable, source: source.clone(), later },
                task: Some(task),
                span: self.source.span(&place.range),
            });
            foreach.vars.push(ForeachVar { name: entry.key.to_string(), source });
        }
        if entries.iter().all(|e| &*e.key == "zip") {
            let hint = "Write, for example, `foreach: {size: [64, 256]}`.";
            let at = shape::start_of(&node.range);
            self.problems.error(&at, "`foreach` has no variable", Some(hint.to_owned()));
        }
        (Some(foreach), inputs)
    }

    fn input_source(&mut self, node: &Node, task: TaskIdx) -> Option<Source> {
        if let Some(items) = node.items() {
            let values: Vec<_> =
                items.iter().filter_map(|i| i.text()).map(|t| t.as_bytes().to_vec()).collect();
            return (values.len() == items.len()).then_some(Source::List(values));
        }
        let (kind, value) = self.kind_of(node)?;
        let scope = Scope::vars_only("where inputs are read, before there are jobs");
        match kind {
            "glob" => {
                let exclude = node.get("exclude").map(|n| &**n);
                Some(Source::Glob {
                    pattern: self.paths(value, "glob", &scope)?,
                    exclude: exclude
                        .map_or_else(|| Some(Vec::new()), |n| self.paths(n, "exclude", &scope))?,
                })
            }
            "range" => self.range(value, node.get("step").map(|n| &**n)),
            "lines" => {
                if value.text() == Some("-") {
                    self.reads_stdin(value);
                }
                self.path(value, "lines", &scope).map(Source::Lines)
            }
            "csv" => self.path(value, "csv", &scope).map(Source::Csv),
            "json" => self.path(value, "json", &scope).map(Source::Json),
            _ => {
                let run = self.command_line(value, &scope, task)?;
                Some(Source::Command { run, nul: node.get("nul").is_some_and(|n| truth(n)) })
            }
        }
    }

    /// Finds out what kind of source a map is; reports keys that do not go together.
    fn kind_of<'n>(&mut self, node: &'n Node) -> Option<(&'static str, &'n Node)> {
        let entries = node.entries()?;
        let mut kinds = KINDS.iter().filter_map(|k| node.get(k).map(|value| (*k, &**value)));
        let Some((kind, value)) = kinds.next() else {
            // When a key is unknown, that has been said, and is the likely cause.
            if entries.iter().all(|e| EXTRAS.iter().any(|(k, _)| *k == &*e.key)) {
                let hint = "Write a list, or one of `glob`, `range`, `lines`, `csv`, `json` and \
                            `command`.";
                let at = shape::start_of(&node.range);
                self.problems.error(&at, "this source names nothing to read", Some(hint.into()));
            }
            return None;
        };
        if let Some((other, _)) = kinds.next() {
            let message = format!("a source is either `{kind}` or `{other}`, not both");
            let hint = "Make two variables of it.";
            let at = shape::start_of(&node.range);
            self.problems.error(&at, message, Some(hint.to_owned()));
            return None;
        }
        for entry in entries {
            if let Some((extra, of)) =
                EXTRAS.iter().find(|(k, of)| *k == &*entry.key && *of != kind)
            {
                let message = format!("`{extra}` belongs to `{of}`, not to `{kind}`");
                self.problems.error(&entry.key_range, message, Some("Remove it.".to_owned()));
            }
        }
        Some((kind, value))
    }

    fn range(&mut self, node: &Node, step: Option<&Node>) -> Option<Source> {
        // What is no range has been reported.
        let text = node.text().filter(|t| t.len() <= 200 && is_range(t))?;
        let step_value = step.and_then(Node::text).and_then(shape::whole_number);
        match units::parse_range(text, step_value) {
            Ok(units::Range { first, last, step }) => Some(Source::Range { first, last, step }),
            Err(why) => {
                let hint = "A range is `FIRST..LAST`, both included, such as `1..100`; `step` says how far \
                            apart its numbers are.";
                self.problems.error(&node.range, why, Some(hint.to_owned()));
                None
            }
        }
    }

    /// Standard input can be read once.
    fn reads_stdin(&mut self, node: &Node) {
        let message = if self.options.file_name == "-" {
            "`-` is standard input, and the task file itself comes from there".to_owned()
        } else if let Some(first) = self.stdin_reader.replace(node.range.clone()) {
            let line = self.source.line_of(first.start);
            format!("standard input can be read once, and line {line} reads it already")
        } else {
            return;
        };
        let hint = "Put the lines into a file and name that.";
        self.problems.error(&node.range, message, Some(hint.to_owned()));
    }

    /// Reads a text for the shell, or a list of arguments; notes the program.
    pub(super) fn command_line(
        &mut self,
        node: &Node,
        scope: &Scope,
        task: TaskIdx,
    ) -> Option<CommandLine> {
        if let Some(items) = node.items() {
            let words: Vec<_> = items.iter().map(|i| self.argument(i, scope)).collect();
            if let (Some(first), Some(Some(word))) = (items.first(), words.first())
                && let Some(program) = word.as_literal()
            {
                if program.is_empty() {
                    let hint = "The first item is the program.";
                    self.problems.error(&first.range, "the program is empty", Some(hint.into()));
                }
                let kind = SiteKind::Program(program.to_owned());
                let span = self.source.span(&first.range);
                self.sites.push(Site { kind, task: Some(task), span });
            }
            return words.into_iter().collect::<Option<Vec<_>>>().map(CommandLine::Argv);
        }
        let text = node.text()?;
        if text.trim().is_empty() {
            let hint = "Write `true` for a job that does nothing.";
            self.problems.error(&node.range, "the command is empty", Some(hint.to_owned()));
            return None;
        }
        let place = self.shell_place();
        if place == crate::plan::template::Place::PosixShell
            && let Some(at) = super::program_of(text)
        {
            let span = self.source.span(&self.locate(node, text, at.start, at.len()));
            let kind = SiteKind::Program(text.get(at).unwrap_or("").to_owned());
            self.sites.push(Site { kind, task: Some(task), span });
        }
        let text = self.template(node, place, scope)?;
        Some(CommandLine::Shell { shell: self.shell.clone(), text })
    }

    fn argument(&mut self, node: &Rc<Node>, scope: &Scope) -> Option<Template> {
        self.template(node, crate::plan::template::Place::Plain, scope)
    }

    /// Reads one path or several.
    pub(super) fn paths(&mut self, node: &Node, key: &str, scope: &Scope) -> Option<Vec<Template>> {
        match node.items() {
            Some(items) => {
                let paths: Vec<_> = items.iter().map(|i| self.path(i, key, scope)).collect();
                paths.into_iter().collect()
            }
            None => self.path(node, key, scope).map(|path| vec![path]),
        }
    }
}

/// What a variable of this source holds.
fn holds(node: &Node) -> Holds {
    match node {
        _ if node.get("csv").is_some() => Holds::Records,
        _ if node.get("json").is_some() || matches!(node.value, Value::Broken) => Holds::Either,
        // A source that is wrong has been reported; what it would hold is unknown.
        _ if node.entries().is_some_and(|_| KINDS.iter().all(|k| node.get(k).is_none())) => {
            Holds::Either
        }
        _ => Holds::Values,
    }
}

/// The part of a source that names what is read.
fn source_node(node: &Node) -> &Node {
    KINDS.iter().find_map(|k| node.get(k)).map_or(node, |n| n)
}

/// Reads a boolean that has the right shape.
pub(super) fn truth(node: &Node) -> bool {
    node.text().is_some_and(|t| is_bool(t) && t.starts_with(['t', 'T']))
}
