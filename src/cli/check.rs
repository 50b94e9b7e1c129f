//! `ganger check`: every problem of a task file at once, without running anything.

use super::args::CheckArgs;
use super::failure::Failure;
use super::run::{read_task_file, request_for};
use crate::engine::Input;
use crate::inputs::{ReadContext, read_source};
use crate::model::TaskIdx;
use crate::plan::diag::Span;
use crate::plan::inputs::Source as InputSource;
use crate::plan::template::Name;
use crate::plan::{Diagnostic, Outcome, Severity, Site, SiteKind, Source, read};
use crate::supervisor::prepare::{
    Expanded, Prepared, Request, draft, expand, input_for, read_at_start, read_options,
};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Checks a task file and prints what is wrong with it. Exit code 2 when it has errors.
///
/// # Errors
/// When the file cannot be read.
pub fn check(args: &CheckArgs) -> Result<i32, Failure> {
    let text = read_task_file(&args.file)?;
    let request = request_for(&args.file, &args.set);
    let outcome = read(&text, &read_options(&request));
    let mut diagnostics = outcome.diagnostics.clone();
    diagnostics.extend(outcome.sites.iter().filter_map(|site| look_up(site, &outcome)));
    diagnostics.extend(wrong_columns(&text, request.clone(), &diagnostics));
    diagnostics.sort_by_key(|d| d.span.map(|s| (s.line, s.column)));
    let has_errors = diagnostics.iter().any(|d| d.severity == Severity::Error);
    let printed = if args.json {
        print_json(&diagnostics)
    } else {
        print_text(&diagnostics, &Source::new(&request.file, &text), &outcome, has_errors)
    };
    match printed {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("cannot print: {e}")))
        }
        _ => Ok(if has_errors { 2 } else { 0 }),
    }
}

/// Columns of csv and json are known only when the files are read. Each task's inputs are put
/// together as a run would, unless a command or standard input is among them, or something else
/// is wrong with the task.
fn wrong_columns(text: &[u8], request: Request, known: &[Diagnostic]) -> Vec<Diagnostic> {
    let Some(prepared) = draft(text, request) else { return Vec::new() };
    let errors = known.iter().filter(|d| d.severity == Severity::Error);
    let errors: Vec<u32> = errors.filter_map(|d| Some(d.span?.line)).collect();
    let is_wrong = |task: &TaskIdx| {
        let lines = lines_of(&prepared, *task);
        errors.iter().any(|line| lines.contains(line))
    };
    let can_be_read = |task: &TaskIdx| {
        let foreach = prepared.plan.tasks[task.0 as usize].foreach.as_ref();
        foreach.is_none_or(|f| !f.vars.iter().any(|var| is_left_to_the_run(&var.source)))
    };
    let tasks = read_at_start(&prepared).into_iter().filter(|task| !is_wrong(task));
    let all: Vec<_> = tasks.filter(can_be_read).map(|task| expand(&prepared, task)).collect();
    let mut known = vec![None; prepared.plan.tasks.len()];
    for expanded in &all {
        known[expanded.task.0 as usize] = expanded.inputs.clone().ok();
    }
    let mut wrong = Vec::new();
    for expanded in &all {
        let needs = &prepared.schedule.tasks[expanded.task.0 as usize].needs;
        if needs.iter().any(|need| need.each && known[need.task.0 as usize].is_none()) {
            continue;
        }
        let (input, warnings) = input_for(&prepared, expanded, &known);
        let spec = &prepared.plan.tasks[expanded.task.0 as usize];
        let span = Some(start_of_line(text, spec.line));
        let hint = "A job without a partner starts without waiting for that task: give both \
                    tasks the same values, or remove `each` to wait for all of them.";
        wrong.extend(
            warnings
                .into_iter()
                .map(|message| Diagnostic::warning(span, message, Some(hint.to_owned()))),
        );
        if let Input::InputsFailed { error, .. } = input {
            wrong.extend(unread(text, &prepared, expanded, &error));
        }
    }
    wrong
}

/// Files over this size, in bytes, are read by the run alone.
const READ_TWICE: u64 = 1 << 20;

/// What does not fit the sources that a run can read in no time: columns of `csv` and `json` that
/// are not there, lists of unequal length that are linked. Said before anything starts.
pub fn misfits(text: &[u8], prepared: &Prepared) -> Vec<Diagnostic> {
    let is_small = |source: &InputSource| match source {
        InputSource::Csv(path) | InputSource::Json(path) => path.as_literal().is_some_and(|path| {
            let meta = prepared.plan.workdir.join(path).metadata();
            meta.is_ok_and(|meta| meta.is_file() && meta.len() <= READ_TWICE)
        }),
        InputSource::List(_) | InputSource::Range { .. } => true,
        _ => false,
    };
    let may_misfit = |task: &TaskIdx| {
        let foreach = prepared.plan.tasks[task.0 as usize].foreach.as_ref();
        foreach.is_some_and(|f| {
            let has_columns =
                |s: &InputSource| matches!(s, InputSource::Csv(_) | InputSource::Json(_));
            let sources = || f.vars.iter().map(|var| &var.source);
            (f.zip || sources().any(has_columns)) && sources().all(is_small)
        })
    };
    let all = read_at_start(prepared).into_iter().filter(may_misfit);
    let misfits = all.map(|task| expand(prepared, task)).filter(|expanded| expanded.is_misfit);
    let told = |expanded: Expanded| match &expanded.inputs {
        Ok(_) => Vec::new(),
        Err(error) => unread(text, prepared, &expanded, error),
    };
    misfits.flat_map(told).collect()
}

/// What is wrong with the inputs of a task: each unknown placeholder at its place.
fn unread(text: &[u8], prepared: &Prepared, expanded: &Expanded, error: &str) -> Vec<Diagnostic> {
    let spec = &prepared.plan.tasks[expanded.task.0 as usize];
    let at_task = start_of_line(text, spec.line);
    if !expanded.unknown.is_empty() {
        let lines = lines_of(prepared, expanded.task);
        let one = |(name, hint): &(String, String)| {
            let span = place_of(text, lines.clone(), &format!("{{{name}}}")).unwrap_or(at_task);
            let message = format!("unknown placeholder `{{{name}}}`");
            Diagnostic {
                severity: Severity::Error,
                message,
                span: Some(span),
                hint: Some(hint.clone()),
            }
        };
        return expanded.unknown.iter().map(one).collect();
    }
    let span = Some(at_task);
    let message = format!("task `{}`: {error}", spec.rules.name);
    let hint = Some(unread_hint(error).to_owned());
    vec![Diagnostic { severity: Severity::Error, message, span, hint }]
}

/// The lines of a task: up to the next one.
fn lines_of(prepared: &Prepared, task: TaskIdx) -> std::ops::Range<u32> {
    let first = prepared.plan.tasks[task.0 as usize].line;
    let others = prepared.plan.tasks.iter().map(|spec| spec.line);
    let next = others.filter(|line| *line > first).min().unwrap_or(u32::MAX);
    first..next
}

fn start_of_line(text: &[u8], line: u32) -> Span {
    let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let words = text.split(|byte| *byte == b'\n').nth(index).unwrap_or_default();
    let indent = words.iter().take_while(|byte| **byte == b' ').count();
    Span { line, column: u32::try_from(indent).unwrap_or(0) + 1, length: 1 }
}

/// Where a placeholder stands first in some lines of a file; columns count letters.
fn place_of(text: &[u8], lines: std::ops::Range<u32>, wanted: &str) -> Option<Span> {
    let text = String::from_utf8_lossy(text);
    let numbered = (1..).zip(text.lines()).filter(|(n, _)| lines.contains(n));
    let mut found = numbered.filter_map(|(line, words)| {
        let before = &words[..words.find(wanted)?];
        let column = u32::try_from(before.chars().count()).ok()? + 1;
        let length = u32::try_from(wanted.chars().count()).ok()?;
        Some(Span { line, column, length })
    });
    found.next()
}

/// What to try when inputs that could be read do not make jobs.
fn unread_hint(error: &str) -> &'static str {
    if error.contains("`each`") {
        "Give both tasks a variable with the same values, or remove `each` to wait for all jobs."
    } else {
        "Check the sources of its `foreach`."
    }
}

fn print_json(diagnostics: &[Diagnostic]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, diagnostics)?;
    writeln!(out)
}

fn print_text(
    diagnostics: &[Diagnostic],
    source: &Source<'_>,
    outcome: &Outcome,
    has_errors: bool,
) -> io::Result<()> {
    let mut err = io::stderr().lock();
    for diagnostic in diagnostics {
        writeln!(err, "{}", diagnostic.render(source))?;
    }
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let n_errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = match diagnostics.len() - n_errors {
        0 => String::new(),
        n => format!(", {}", counted(n, "warning")),
    };
    if has_errors {
        return writeln!(err, "{}{warnings}", counted(n_errors, "error"));
    }
    let n_tasks = outcome.plan.as_ref().map_or(0, |plan| plan.tasks.len());
    let tasks = counted(n_tasks, "task");
    writeln!(io::stdout().lock(), "{}: valid, {tasks}{warnings}", source.name)
}

/// Looks outside the file for what it names.
fn look_up(site: &Site, outcome: &Outcome) -> Option<Diagnostic> {
    match &site.kind {
        // Jobs find this one, wherever it is.
        SiteKind::Program(program) if program == "ganger" => None,
        SiteKind::Program(program) if !is_there(program, &outcome.workdir) => {
            let (what, hint) = if program.contains('/') {
                ("there is no such program", "Check the path; relative paths count from `workdir`.")
            } else {
                ("not found on PATH", "Install it, or write its path.")
            };
            let message = format!("program `{program}`: {what}");
            Some(Diagnostic::warning(Some(site.span), message, Some(hint.to_owned())))
        }
        SiteKind::Source { source, later: false, .. } => look_into(source, site, outcome),
        _ => None,
    }
}

/// Reads a source of inputs, unless it is a command (those are run by a run only) or standard
/// input.
fn look_into(source: &InputSource, site: &Site, outcome: &Outcome) -> Option<Diagnostic> {
    if is_left_to_the_run(source) {
        return None;
    }
    let lookup = |name: &Name| match (name.base.as_str(), name.field.as_deref()) {
        ("vars", Some(field)) => {
            let var = outcome.vars.iter().find(|(n, _)| n == field);
            var.map(|(_, value)| Cow::Borrowed(value.as_slice()))
        }
        _ => None,
    };
    let context = ReadContext { workdir: &outcome.workdir, stdin: None, env: &[], lookup: &lookup };
    match read_source(source, &context) {
        Ok(read) if read.warnings.is_empty() => None,
        Ok(read) => {
            let hint = match source {
                _ if read.table.is_empty() => {
                    "Then there are no jobs; relative paths count from `workdir`."
                }
                InputSource::Lines(_) => {
                    "Each makes a job with an empty value: remove them if that is not meant."
                }
                InputSource::Csv(_) | InputSource::Json(_) => {
                    "The job has such a column as an environment variable only."
                }
                _ => "Relative paths count from `workdir`.",
            };
            let warning = read.warnings.join("; ");
            Some(Diagnostic::warning(Some(site.span), warning, Some(hint.to_owned())))
        }
        // The value stands in the file, and what is wrong with it has been said there.
        Err(_) if matches!(source, InputSource::List(_)) => None,
        Err(error) => Some(Diagnostic {
            severity: Severity::Error,
            message: error.to_string(),
            span: Some(site.span),
            hint: Some(
                "A source is read when the run starts; with `expand: when_ready` when the needs \
                 of its task have ended."
                    .to_owned(),
            ),
        }),
    }
}

fn is_left_to_the_run(source: &InputSource) -> bool {
    match source {
        InputSource::Lines(t) | InputSource::Csv(t) | InputSource::Json(t) => {
            t.as_literal() == Some("-")
        }
        InputSource::Command { .. } => true,
        _ => false,
    }
}

fn is_there(program: &str, workdir: &Path) -> bool {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return is_program(&workdir.join(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| is_program(&dir.join(OsStr::new(program))))
}
