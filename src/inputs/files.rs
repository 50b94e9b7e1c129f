//! Sources that are files: lines, csv, json.

use super::{Read, ReadContext, add, error, file_of, fill, shown, words};
use crate::plan::inputs::{SourceError, Table, Values};
use crate::plan::template::Template;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

/// A file of a source, opened, and its name for people.
struct Opened {
    file: BufReader<File>,
    what: String,
    path: PathBuf,
}

fn open(kind: &str, name: &Template, ctx: &ReadContext<'_>) -> Result<Opened, SourceError> {
    let name = fill(name, ctx, kind)?;
    let what = format!("{kind} `{}`", shown(&name));
    let path = file_of(&name, ctx, &what)?;
    let failed = |e: &std::io::Error| SourceError {
        what: what.clone(),
        why: format!("cannot read `{}`: {}", path.display(), words(e)),
        path: Some(path.clone()),
    };
    let file = File::open(&path).map_err(|e| failed(&e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(failed(&std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    Ok(Opened { file: BufReader::with_capacity(1 << 16, file), what, path })
}

impl Opened {
    fn failed(&self, e: &std::io::Error) -> SourceError {
        SourceError {
            what: self.what.clone(),
            why: format!("cannot read `{}`: {}", self.path.display(), words(e)),
            path: Some(self.path.clone()),
        }
    }
}

/// Reads the lines of a file, byte for byte without their line feed (and without the carriage
/// return before it). Empty lines are values too; a last line feed ends the last line.
pub(super) fn lines(name: &Template, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    let mut opened = open("lines", name, ctx)?;
    let mut values = Values::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        match opened.file.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => add(&mut values, without_line_end(&line), &opened.what)?,
            Err(e) => return Err(opened.failed(&e)),
        }
    }
    Ok(Read {
        warnings: none_warning(&values, &opened.what),
        table: Table::Values(Arc::new(values)),
    })
}

pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

pub(super) fn none_warning(values: &Values, what: &str) -> Vec<String> {
    if values.len() == 0 {
        vec![format!("{what} has no entries: there are no jobs")]
    } else {
        Vec::new()
    }
}

/// Reads a csv file (RFC 4180) whose first row names the columns.
pub(super) fn csv(name: &Template, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    let mut opened = open("csv", name, ctx)?;
    skip_byte_order_mark(&mut opened)?;
    let what = opened.what.clone();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(opened.file);
    let columns = match reader.byte_headers() {
        Ok(row) => row.iter().map(|name| column(name, &what)).collect::<Result<Vec<_>, _>>()?,
        Err(e) => return Err(error(what, e.to_string())),
    };
    if let Some(twice) = columns.iter().enumerate().find(|(i, c)| columns[..*i].contains(c)) {
        return Err(error(what, format!("two of its columns are called `{}`", twice.1)));
    }
    let mut cells = Values::default();
    let mut row = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut row) {
            Ok(false) => break,
            Ok(true) if row.len() != columns.len() => {
                let line = row.position().map_or(0, csv::Position::line);
                return Err(error(
                    what,
                    format!(
                        "line {line} has {} cells, but there are {} columns",
                        row.len(),
                        columns.len()
                    ),
                ));
            }
            Ok(true) => {
                for cell in &row {
                    add(&mut cells, cell, &what)?;
                }
            }
            Err(e) => return Err(error(what, e.to_string())),
        }
    }
    let warnings = none_warning(&cells, &what);
    Ok(Read {
        table: Table::Records { columns: Arc::new(columns), cells: Arc::new(cells) },
        warnings,
    })
}

fn skip_byte_order_mark(opened: &mut Opened) -> Result<(), SourceError> {
    let has_mark = match opened.file.fill_buf() {
        Ok(start) => start.starts_with(b"\xef\xbb\xbf"),
        Err(e) => return Err(opened.failed(&e)),
    };
    if has_mark {
        opened.file.consume(3);
    }
    Ok(())
}

/// A column's name, which must be usable as `{x.name}`.
fn column(name: &[u8], what: &str) -> Result<String, SourceError> {
    let text = std::str::from_utf8(name).map(str::trim).unwrap_or_default();
    if crate::plan::template::is_identifier(text) {
        return Ok(text.to_owned());
    }
    Err(error(
        what,
        format!(
            "its column `{}` cannot be used in a placeholder: a name has letters, digits and `_` only",
            shown(name)
        ),
    ))
}

/// Reads a json file that holds a list: of scalars, or of objects with the same keys.
pub(super) fn json(name: &Template, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    let mut opened = open("json", name, ctx)?;
    let mut bytes = Vec::new();
    if let Err(e) = opened.file.read_to_end(&mut bytes) {
        return Err(opened.failed(&e));
    }
    let what = opened.what;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let list = match serde_json::from_slice(text) {
        Ok(Value::Array(list)) => list,
        Ok(other) => return Err(error(what, format!("it holds {}, not a list", kind(&other)))),
        Err(e) => return Err(error(what, format!("it is not JSON: {e}"))),
    };
    let table = match list.first() {
        Some(Value::Object(first)) => {
            let keys = first.keys().map(|k| column(k.as_bytes(), &what));
            let columns = keys.collect::<Result<Vec<_>, _>>()?;
            records(&list, columns, &what)?
        }
        _ => scalars(&list, &what)?,
    };
    let warnings = if list.is_empty() {
        vec![format!("{what} has no entries: there are no jobs")]
    } else {
        Vec::new()
    };
    Ok(Read { table, warnings })
}

fn scalars(list: &[Value], what: &str) -> Result<Table, SourceError> {
    let mut values = Values::default();
    for (i, value) in list.iter().enumerate() {
        match scalar(value) {
            Some(text) => add(&mut values, text.as_bytes(), what)?,
            None => {
                let why =
                    format!("element {} is {}, where the others are scalars", i + 1, kind(value));
                return Err(error(what, why));
            }
        }
    }
    Ok(Table::Values(Arc::new(values)))
}

fn records(list: &[Value], columns: Vec<String>, what: &str) -> Result<Table, SourceError> {
    let mut cells = Values::default();
    for (i, value) in list.iter().enumerate() {
        let Value::Object(object) = value else {
            let why = format!("element {} is {}, where the others are objects", i + 1, kind(value));
            return Err(error(what, why));
        };
        if let Some(extra) = object.keys().find(|k| !columns.contains(k)) {
            let why = format!("element {} has the key `{extra}`, which the first has not", i + 1);
            return Err(error(what, why));
        }
        for name in &columns {
            match object.get(name).map(|v| (scalar(v), v)) {
                Some((Some(text), _)) => add(&mut cells, text.as_bytes(), what)?,
                Some((None, v)) => {
                    let why = format!("`{name}` of element {} is {}, not a scalar", i + 1, kind(v));
                    return Err(error(what, why));
                }
                None => {
                    return Err(error(what, format!("element {} has no key `{name}`", i + 1)));
                }
            }
        }
    }
    Ok(Table::Records { columns: Arc::new(columns), cells: Arc::new(cells) })
}

/// A scalar as text; numbers as they are written by JSON.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
