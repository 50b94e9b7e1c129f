//! What `foreach` and `env_file` name: globs, lines, csv, json and commands, read.
//!
//! Takes sources as data from `plan` and gives tables back. Every byte of a value is kept as it
//! was found. Decides nothing about jobs.

mod command;
mod env_file;
mod glob;
mod pattern;
mod records;

pub use env_file::read_env_file;

use crate::model::limits;
use crate::plan::inputs::{Source, SourceError, Table, Values, ValuesError};
use crate::plan::template::{Lookup, Template};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
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

/// Reads one source.
///
/// - A glob gives paths as its pattern is written (a relative pattern gives relative paths), in
///   the order of their bytes; see `glob` for what matches.
/// - Lines end with a newline, which is no part of the value; if every line ends with CR and
///   newline, neither is. An empty line is an empty value. A byte order mark is dropped.
/// - csv has a first row with the names of the columns; RFC 4180.
/// - json is a list of scalars (strings decoded, numbers as written) or of objects with the same
///   keys.
/// - A command must end with exit code 0; its lines, or NUL-ended records, are the values.
///
/// # Errors
/// What could not be read and why; nothing is taken in half.
pub fn read_source(source: &Source, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    match source {
        Source::List(_) | Source::Range { .. } => {
            let table = Table::of_literal(source).unwrap_or(Ok(Table::Values(Arc::default())));
            let table = table.map_err(|e| SourceError {
                what: "list".to_owned(),
                why: values_error("value", e),
                path: None,
            })?;
            Ok(Read { table, warnings: Vec::new() })
        }
        Source::Glob { pattern, exclude } => glob::read(pattern, exclude, ctx),
        Source::Lines(file) => read_lines(file, ctx),
        Source::Csv(file) => records::read_csv(file, ctx),
        Source::Json(file) => records::read_json(file, ctx),
        Source::Command { run, nul } => command::read(run, *nul, ctx),
    }
}

fn read_lines(file: &Template, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    let file = SourceFile::open("lines", file, ctx)?;
    let bytes = file.bytes()?;
    let bytes = without_crs(without_bom(bytes));
    let values = Values::split(bytes, b'\n').map_err(|e| file.error(&values_error("line", e)))?;
    let mut warnings = Vec::new();
    let n_empty = values.iter().filter(|line| line.is_empty()).count();
    if values.is_empty() {
        warnings.push(format!("{} has no lines", file.what));
    } else if n_empty == 1 {
        warnings.push(format!("{} has an empty line, which is a value", file.what));
    } else if n_empty > 1 {
        warnings.push(format!("{} has {n_empty} empty lines; each is a value", file.what));
    }
    Ok(Read { table: Table::Values(Arc::new(values)), warnings })
}

/// A file that a source names, or standard input.
struct SourceFile {
    /// Such as ``lines `names.txt` ``.
    what: String,
    path: PathBuf,
}

impl SourceFile {
    fn open(kind: &str, file: &Template, ctx: &ReadContext<'_>) -> Result<SourceFile, SourceError> {
        let name = render(kind, file, ctx)?;
        let what = format!("{kind} `{}`", String::from_utf8_lossy(&name));
        if name != b"-" {
            return Ok(SourceFile { what, path: ctx.workdir.join(OsStr::from_bytes(&name)) });
        }
        match ctx.stdin {
            Some(path) => Ok(SourceFile { what, path: path.to_owned() }),
            None => Err(SourceError {
                what,
                why: "there is no standard input to read".to_owned(),
                path: None,
            }),
        }
    }

    fn error(&self, why: &str) -> SourceError {
        SourceError { what: self.what.clone(), why: why.to_owned(), path: Some(self.path.clone()) }
    }

    fn bytes(&self) -> Result<Vec<u8>, SourceError> {
        read_bounded(&self.path).map_err(|why| self.error(&why))
    }
}

/// Reads a whole file, if it is not larger than values may be.
fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limits::SOURCE_BYTES).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(|e| io_why(&e))?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| io_why(&e))?;
    if bytes.len() > limits::SOURCE_BYTES {
        return Err(format!("it is larger than {} MiB", limits::SOURCE_BYTES >> 20));
    }
    Ok(bytes)
}

/// Says in words why a file could not be read.
fn io_why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

fn render(kind: &str, template: &Template, ctx: &ReadContext<'_>) -> Result<Vec<u8>, SourceError> {
    template.render(ctx.lookup).map_err(|e| SourceError {
        what: kind.to_owned(),
        why: e.to_string(),
        path: None,
    })
}

/// Says in words why values were not taken in; `unit` is what a value is called there.
fn values_error(unit: &str, error: ValuesError) -> String {
    match error {
        ValuesError::Nul(position) => format!(
            "{unit} {} holds a NUL byte, which no argument and no variable can hold",
            position + 1
        ),
        ValuesError::TooMany => format!(
            "there are more than {} values or {} MiB of them",
            limits::JOBS,
            limits::SOURCE_BYTES >> 20
        ),
    }
}

fn without_bom(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    bytes
}

/// Takes the CR off every line when all lines end with CR and newline: then the file comes from
/// elsewhere, and none of them is meant. A single CR is a part of its line.
fn without_crs(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut n_lines = 0_usize;
    let mut before = 0_u8;
    for byte in &bytes {
        if *byte == b'\n' {
            if before != b'\r' {
                return bytes;
            }
            n_lines += 1;
        }
        before = *byte;
    }
    if n_lines > 0 {
        let mut to = 0;
        for from in 0..bytes.len() {
            if bytes[from] == b'\r' && bytes.get(from + 1) == Some(&b'\n') {
                continue;
            }
            bytes[to] = bytes[from];
            to += 1;
        }
        bytes.truncate(to);
    }
    bytes
}

#[cfg(test)]
mod tests;
