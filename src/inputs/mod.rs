//! What `foreach` and `env_file` name: globs, lines, csv, json and commands, read.
//!
//! Takes sources as data from `plan` and gives tables back. Decides nothing about jobs.

mod command;
mod env_file;
mod files;
mod glob;
#[cfg(test)]
mod tests;

pub use env_file::read_env_file;

use crate::model::limits::{JOBS, SOURCE_BYTES};
use crate::plan::inputs::{Source, SourceError, Table, Values, ValuesError};
use crate::plan::template::{Lookup, Template};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What reading a source needs to know of the run.
pub struct ReadContext<'a> {
    /// Absolute; relative paths and patterns count from here.
    pub workdir: &'a Path,
    /// A file with everything that came on standard input, for `-`; `None`: there is none.
    pub stdin: Option<&'a Path>,
    /// Set for commands, on top of ganger's own environment.
    pub env: &'a [(String, Vec<u8>)],
    /// What placeholders of the source stand for: `{vars.x}`.
    pub lookup: &'a Lookup<'a>,
}

/// A source, read, and what a person should know about it.
#[derive(Debug)]
pub struct Read {
    pub table: Table,
    /// Such as a pattern that matches nothing, or a folder that could not be looked into.
    pub warnings: Vec<String>,
}

/// Reads one source. Blocks on files, and on a command until it has ended.
///
/// # Errors
/// Names the source, what went wrong and where.
pub fn read_source(source: &Source, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    match source {
        Source::List(values) => {
            let mut all = Values::default();
            for value in values {
                add(&mut all, value, "list")?;
            }
            Ok(Read::of(Table::Values(Arc::new(all))))
        }
        Source::Range { first, last, step } => range(*first, *last, *step),
        Source::Glob { pattern, exclude } => glob::read(pattern, exclude, ctx),
        Source::Lines(path) => files::lines(path, ctx),
        Source::Csv(path) => files::csv(path, ctx),
        Source::Json(path) => files::json(path, ctx),
        Source::Command { run, nul } => command::read(run, *nul, ctx),
    }
}

impl Read {
    fn of(table: Table) -> Read {
        Read { table, warnings: Vec::new() }
    }
}

fn range(first: i64, last: i64, step: i64) -> Result<Read, SourceError> {
    let what = format!("range {first}..{last}");
    if step == 0 {
        return Err(error(what, "its step is zero"));
    }
    let distance = i128::from(last) - i128::from(first);
    let len = if (distance < 0) == (step < 0) || distance == 0 {
        distance / i128::from(step) + 1
    } else {
        0
    };
    match u32::try_from(len) {
        Ok(len) if len <= JOBS => Ok(Read::of(Table::Range { first, step, len })),
        _ => Err(error(
            what,
            format!("it has more than {JOBS} values, which is the most a run may have"),
        )),
    }
}

fn error(what: impl Into<String>, why: impl Into<String>) -> SourceError {
    SourceError { what: what.into(), why: why.into(), path: None }
}

/// Fills in what a source's text says.
fn fill(template: &Template, ctx: &ReadContext<'_>, what: &str) -> Result<Vec<u8>, SourceError> {
    template.render(ctx.lookup).map_err(|e| error(what, e.to_string()))
}

/// A path as it is shown to people.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The file that a source names: `-` is what came on standard input.
fn file_of(name: &[u8], ctx: &ReadContext<'_>, what: &str) -> Result<PathBuf, SourceError> {
    if name == b"-" {
        return ctx
            .stdin
            .map(Path::to_owned)
            .ok_or_else(|| error(what, "standard input cannot be read here"));
    }
    Ok(ctx.workdir.join(OsString::from_vec(name.to_vec())))
}

/// The words of an operating system error, without its number.
fn words(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Adds a value unless a source may not have so many.
fn add(values: &mut Values, value: &[u8], what: &str) -> Result<(), SourceError> {
    values.push(value).map_err(|refused| match refused {
        ValuesError::Nul(position) => error(
            what,
            format!("value {} holds a NUL byte, which no argument can hold", position + 1),
        ),
        ValuesError::TooMany => error(
            what,
            format!("it has more than a run may have: {JOBS} values, {SOURCE_BYTES} bytes"),
        ),
    })
}
