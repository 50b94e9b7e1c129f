//! Tables in files: csv and json.

use super::{Read, ReadContext, SourceFile, values_error, without_bom};
use crate::plan::inputs::{SourceError, Table, Values, ValuesError};
use crate::plan::template::{Template, is_identifier};
use serde::de::IgnoredAny;
use std::sync::Arc;

pub(super) fn read_csv(file: &Template, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    let file = SourceFile::open("csv", file, ctx)?;
    let bytes = without_bom(file.bytes()?);
    csv_table(&bytes).map_err(|why| file.error(&why)).map(|table| with_warnings(&file, table))
}

pub(super) fn read_json(file: &Template, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    let file = SourceFile::open("json", file, ctx)?;
    let bytes = without_bom(file.bytes()?);
    json_table(&bytes).map_err(|why| file.error(&why)).map(|table| with_warnings(&file, table))
}

fn with_warnings(file: &SourceFile, table: Table) -> Read {
    let mut warnings = Vec::new();
    if table.is_empty() {
        warnings.push(format!("{} has no rows", file.what));
    }
    if let Table::Records { columns, .. } = &table {
        for column in columns.iter().filter(|c| !is_identifier(c)) {
            warnings.push(format!(
                "{}: no placeholder can name the column `{column}`; \
                 rename it to letters, digits and `_`",
                file.what
            ));
        }
    }
    Read { table, warnings }
}

pub(super) fn csv_table(bytes: &[u8]) -> Result<Table, String> {
    if let Some(line) = unclosed_quote(bytes) {
        return Err(format!("the quote that opens in line {line} is never closed"));
    }
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let headers = reader.byte_headers().map_err(|e| csv_why(&e))?.clone();
    let mut columns = Vec::new();
    for header in &headers {
        let name = std::str::from_utf8(header)
            .map_err(|_| "a name in the first row is not UTF-8".to_owned())?;
        add_column(&mut columns, name.to_owned())?;
    }
    if columns.is_empty() {
        return Err("it has no first row with the names of the columns".to_owned());
    }
    let mut cells = Values::default();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|e| csv_why(&e))? {
        let line = record.position().map_or(0, csv::Position::line);
        for cell in &record {
            cells.push(cell).map_err(|e| match e {
                ValuesError::Nul(_) => format!("line {line} holds a NUL byte"),
                ValuesError::TooMany => values_error("row", e),
            })?;
        }
    }
    Ok(Table::Records { columns: Arc::new(columns), cells: Arc::new(cells) })
}

/// Returns the line of a quote that is open at the end: all that follows it would be one cell.
///
/// The reader takes that for a cell like any other. As there, a quote opens at the start of a
/// cell only, and two within quotes are one that is meant.
fn unclosed_quote(bytes: &[u8]) -> Option<u32> {
    let (mut line, mut opened, mut at_start) = (1_u32, None, true);
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        line += u32::from(*byte == b'\n');
        match opened {
            Some(_) if *byte == b'"' => {
                if rest.next_if(|next| **next == b'"').is_none() {
                    opened = None;
                }
            }
            Some(_) => {}
            None if *byte == b'"' && at_start => opened = Some(line),
            None => at_start = matches!(byte, b',' | b'\n' | b'\r'),
        }
        at_start &= opened.is_none();
    }
    opened
}

fn csv_why(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => format!(
            "line {} has {len} cells, the first row has {expected_len}",
            pos.as_ref().map_or(0, csv::Position::line)
        ),
        _ => error.to_string(),
    }
}

fn add_column(columns: &mut Vec<String>, name: String) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("column {} has no name", columns.len() + 1));
    }
    if name.contains('\0') {
        return Err(format!("the name of column {} holds a NUL byte", columns.len() + 1));
    }
    if columns.contains(&name) {
        return Err(format!("two columns are called `{name}`"));
    }
    columns.push(name);
    Ok(())
}

pub(super) fn json_table(bytes: &[u8]) -> Result<Table, String> {
    // The scanner below relies on valid JSON, so that it can be simple and keep numbers as they
    // are written (1.10 stays 1.10).
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|e| json_why(bytes, &e))?;
    let mut scanner = Scanner { text: bytes, pos: 0 };
    scanner.blanks();
    if scanner.peek() != Some(b'[') {
        return Err("it is not a list; it takes `[...]` of values or of objects".to_owned());
    }
    scanner.pos += 1;
    let mut rows = Rows::default();
    while let Some(first) = scanner.next_element() {
        rows.n_rows += 1;
        match first {
            b'{' => rows.object(&mut scanner)?,
            b'[' => return Err(format!("element {} is a list, not a value", rows.n_rows)),
            _ => rows.scalar(&mut scanner)?,
        }
    }
    Ok(match rows.columns {
        Some(columns) => {
            Table::Records { columns: Arc::new(columns), cells: Arc::new(rows.values) }
        }
        None => Table::Values(Arc::new(rows.values)),
    })
}

fn json_why(bytes: &[u8], error: &serde_json::Error) -> String {
    let why = format!("it is not valid JSON: {error}");
    let is_lines = bytes.trim_ascii_start().starts_with(b"{");
    if is_lines { format!("{why}; it takes one list `[...]`, not lines of JSON") } else { why }
}

#[derive(Default)]
struct Rows {
    /// Of the first object; `None`: scalars.
    columns: Option<Vec<String>>,
    values: Values,
    n_rows: usize,
}

impl Rows {
    fn scalar(&mut self, scanner: &mut Scanner<'_>) -> Result<(), String> {
        if self.columns.is_some() {
            return Err(format!("element {} is a value, the ones before are objects", self.n_rows));
        }
        let value =
            scalar_text(scanner.value()).map_err(|why| format!("element {} {why}", self.n_rows))?;
        self.push(&value)
    }

    fn object(&mut self, scanner: &mut Scanner<'_>) -> Result<(), String> {
        let n = self.n_rows;
        if self.columns.is_none() && !self.values.is_empty() {
            return Err(format!("element {n} is an object, the ones before are values"));
        }
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        scanner.pos += 1;
        while scanner.next_element().is_some() {
            let key = scanner.value();
            let key: String =
                serde_json::from_slice(key).map_err(|e| format!("element {n}: {e}"))?;
            scanner.blanks();
            scanner.pos += 1; // The colon.
            scanner.blanks();
            let value = scalar_text(scanner.value())
                .map_err(|why| format!("element {n}: `{key}` {why}"))?;
            if fields.iter().any(|(k, _)| *k == key) {
                return Err(format!("element {n} has `{key}` twice"));
            }
            fields.push((key, value));
        }
        if self.columns.is_none() {
            let mut columns = Vec::new();
            fields.iter().try_for_each(|(key, _)| add_column(&mut columns, key.clone()))?;
            if columns.is_empty() {
                return Err(format!("element {n} has no fields"));
            }
            self.columns = Some(columns);
        }
        let columns = self.columns.clone().unwrap_or_default();
        if let Some((key, _)) = fields.iter().find(|(key, _)| !columns.contains(key)) {
            return Err(format!("element {n} has `{key}`, which the first element has not"));
        }
        for column in &columns {
            match fields.iter().find(|(key, _)| key == column) {
                Some((_, value)) => self.push(value)?,
                None => {
                    return Err(format!("element {n} has no `{column}`, which the first has"));
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, value: &[u8]) -> Result<(), String> {
        self.values.push(value).map_err(|e| match e {
            ValuesError::Nul(_) => format!("element {} holds a NUL byte", self.n_rows),
            ValuesError::TooMany => values_error("element", e),
        })
    }
}

/// Returns the text of a scalar: strings decoded, all else as it is written.
fn scalar_text(json: &[u8]) -> Result<Vec<u8>, String> {
    match json.first() {
        Some(b'"') => serde_json::from_slice::<String>(json)
            .map(String::into_bytes)
            .map_err(|e| e.to_string()),
        Some(b'{' | b'[') => {
            Err("is nested; it takes strings, numbers and true or false".to_owned())
        }
        Some(b'n') => Err("is null, which is no value".to_owned()),
        _ => Ok(json.to_vec()),
    }
}

/// Finds where values begin and end in JSON that is known to be valid.
struct Scanner<'a> {
    text: &'a [u8],
    pos: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.pos += 1;
        }
    }

    /// Goes to the next element of a list or an object; `None` after its end.
    fn next_element(&mut self) -> Option<u8> {
        self.blanks();
        if self.peek() == Some(b',') {
            self.pos += 1;
            self.blanks();
        }
        match self.peek()? {
            b']' | b'}' => {
                self.pos += 1;
                None
            }
            first => Some(first),
        }
    }

    /// Returns the value that begins here, and goes behind it.
    fn value(&mut self) -> &'a [u8] {
        let start = self.pos;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.pos += 1;
                }
                b'}' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    self.pos += 1;
                }
                _ => self.pos += 1,
            }
            if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
                break;
            }
        }
        &self.text[start..self.pos]
    }

    fn string(&mut self) {
        self.pos += 1;
        while let Some(byte) = self.peek() {
            self.pos += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }
}
