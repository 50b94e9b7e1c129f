//! Files of NAME=VALUE lines.

use super::{read_bounded, without_bom};
use crate::plan::inputs::SourceError;
use crate::plan::template::is_identifier;
use std::path::Path;

/// Reads a file of NAME=VALUE lines; a later line with the same name wins.
///
/// Empty lines and lines that begin with `#` are skipped; `export ` before a name is allowed.
/// A value without quotes goes to the end of its line, blanks around it dropped, or to a blank
/// and `#`. In `'single'` quotes everything is itself. In `"double"` quotes `\n`, `\r`, `\t`,
/// `\"`, `\\` and `\$` are escapes, any other backslash is itself. A quoted value may go over
/// several lines. Nothing is ever expanded: `$HOME` is five characters.
///
/// # Errors
/// The file cannot be read, or a line is not of this form. Errors name the line, never the value.
pub fn read_env_file(path: &Path) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
    let error = |why: String| SourceError {
        what: format!("env_file `{}`", path.display()),
        why,
        path: Some(path.to_owned()),
    };
    // A pipe or a device could keep everybody waiting.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(error("it is no regular file".to_owned()));
    }
    let bytes = read_bounded(path).map_err(error)?;
    parse(&without_bom(bytes)).map_err(|(line, why)| error(format!("line {line} {why}")))
}

type LineError = (usize, &'static str);

pub(super) fn parse(text: &[u8]) -> Result<Vec<(String, Vec<u8>)>, LineError> {
    let mut reader = Reader { text, pos: 0 };
    let mut all = Vec::new();
    loop {
        reader.skip_while(|b| b.is_ascii_whitespace());
        match reader.peek() {
            None => return Ok(all),
            Some(b'#') => reader.skip_while(|b| b != b'\n'),
            Some(_) => all.push(reader.assignment()?),
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    pos: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn skip_while(&mut self, of: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&of) {
            self.pos += 1;
        }
    }

    fn line_at(&self, pos: usize) -> usize {
        self.text[..pos.min(self.text.len())].iter().filter(|b| **b == b'\n').count() + 1
    }

    fn wrong<T>(&self, why: &'static str) -> Result<T, LineError> {
        Err((self.line_at(self.pos), why))
    }

    fn word(&mut self) -> &'a [u8] {
        let start = self.pos;
        self.skip_while(|b| !b.is_ascii_whitespace() && b != b'=');
        &self.text[start..self.pos]
    }

    fn assignment(&mut self) -> Result<(String, Vec<u8>), LineError> {
        let mut name = self.word();
        self.skip_while(is_blank);
        if name == b"export" && self.peek() != Some(b'=') {
            name = self.word();
            self.skip_while(is_blank);
        }
        if self.peek() != Some(b'=') {
            return self.wrong("has no `=` after its name; it takes NAME=VALUE");
        }
        let name = std::str::from_utf8(name).ok().filter(|n| is_identifier(n));
        let Some(name) = name else {
            return self.wrong("has no valid name: letters, digits and `_`, no digit first");
        };
        self.pos += 1;
        self.skip_while(is_blank);
        let value = match self.peek() {
            Some(b'\'') => self.single()?,
            Some(b'"') => self.double()?,
            _ => self.plain(),
        };
        if value.contains(&0) {
            return self.wrong("holds a NUL byte, which no variable can hold");
        }
        Ok((name.to_owned(), value))
    }

    fn plain(&mut self) -> Vec<u8> {
        let start = self.pos;
        self.skip_while(|b| b != b'\n');
        let line = &self.text[start..self.pos];
        let is_comment = |i: usize| line[i] == b'#' && (i == 0 || is_blank(line[i - 1]));
        let end = (0..line.len()).find(|i| is_comment(*i)).unwrap_or(line.len());
        line[..end].trim_ascii_end().to_vec()
    }

    fn single(&mut self) -> Result<Vec<u8>, LineError> {
        self.pos += 1;
        let start = self.pos;
        self.skip_while(|b| b != b'\'');
        if self.peek().is_none() {
            return Err((self.line_at(start), "opens a `'` that is never closed"));
        }
        let value = self.text[start..self.pos].to_vec();
        self.after_quote()?;
        Ok(value)
    }

    fn double(&mut self) -> Result<Vec<u8>, LineError> {
        self.pos += 1;
        let start = self.pos;
        let mut value = Vec::new();
        loop {
            match self.peek() {
                None => return Err((self.line_at(start), "opens a `\"` that is never closed")),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.pos += 1;
                    let escape = self.peek().and_then(|b| match b {
                        b'n' => Some(b'\n'),
                        b'r' => Some(b'\r'),
                        b't' => Some(b'\t'),
                        b'"' | b'\\' | b'$' => Some(b),
                        _ => None,
                    });
                    match escape {
                        Some(byte) => {
                            value.push(byte);
                            self.pos += 1;
                        }
                        None => value.push(b'\\'),
                    }
                }
                Some(byte) => {
                    value.push(byte);
                    self.pos += 1;
                }
            }
        }
        self.after_quote()?;
        Ok(value)
    }

    fn after_quote(&mut self) -> Result<(), LineError> {
        self.pos += 1;
        self.skip_while(is_blank);
        match self.peek() {
            None | Some(b'\n') => Ok(()),
            Some(b'#') => {
                self.skip_while(|b| b != b'\n');
                Ok(())
            }
            Some(_) => self.wrong("has text after its closing quote"),
        }
    }
}

/// A blank inside a line; a CR before the newline counts as one.
fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r')
}
