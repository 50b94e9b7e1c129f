//! Files of NAME=VALUE lines.

use super::{error, words};
use crate::plan::inputs::SourceError;
use std::path::Path;

/// Reads a file of NAME=VALUE lines.
///
/// Empty lines and lines that begin with `#` are passed over; a leading `export ` is taken off.
/// A value in 'single' quotes is taken as it is; in "double" quotes `\n`, `\t`, `\"`, `\\` and
/// `\$` are undone. Nothing is expanded. A value without quotes ends before ` #` and loses the
/// blanks around it.
///
/// # Errors
/// When the file cannot be read, or a line is something else; values are never part of it.
pub fn read_env_file(path: &Path) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
    let what = format!("env_file `{}`", path.display());
    let bytes = std::fs::read(path).map_err(|e| SourceError {
        what: what.clone(),
        why: format!("cannot read it: {}", words(&e)),
        path: Some(path.to_owned()),
    })?;
    let mut pairs = Vec::new();
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    for (i, line) in text.split(|b| *b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii_start();
        let pair = pair(line).map_err(|why| error(&what, format!("line {}: {why}", i + 1)))?;
        pairs.push(pair);
    }
    Ok(pairs)
}

fn pair(line: &[u8]) -> Result<(String, Vec<u8>), &'static str> {
    let Some(at) = line.iter().position(|b| *b == b'=') else {
        return Err("it has no `=`: write NAME=VALUE");
    };
    let (name, value) = (line[..at].trim_ascii_end(), line[at + 1..].trim_ascii());
    let name = std::str::from_utf8(name).map_err(|_| "its name is not UTF-8")?;
    if !crate::plan::template::is_identifier(name) {
        return Err("its name may have letters, digits and `_` only");
    }
    if value.contains(&0) {
        return Err("its value holds a NUL byte");
    }
    Ok((name.to_owned(), unquote(value)?))
}

fn unquote(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    match value.first() {
        Some(b'\'') => match value[1..].iter().position(|b| *b == b'\'') {
            Some(end) => Ok(value[1..=end].to_vec()),
            None => Err("its single quote is not closed"),
        },
        Some(b'"') => undo_escapes(&value[1..]),
        _ => {
            let end = value.windows(2).position(|w| w == b" #" || w == b"\t#");
            Ok(value[..end.unwrap_or(value.len())].trim_ascii_end().to_vec())
        }
    }
}

fn undo_escapes(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::new();
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return Ok(out),
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(b't') => out.push(b'\t'),
                Some(c @ (b'"' | b'\\' | b'$')) => out.push(*c),
                Some(c) => out.extend([b'\\', *c]),
                None => break,
            },
            other => out.push(*other),
        }
    }
    Err("its double quote is not closed")
}
