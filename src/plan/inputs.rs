//! `foreach`: which values a task's jobs get, computed from the number of the job.

mod each;

pub use each::{EachFor, each_map};

use super::template::{Name, Template, value_field};
use crate::model::limits;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

/// `foreach` as written: sources that somebody else must read.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreach {
    pub vars: Vec<ForeachVar>,
    /// Link the variables position by position instead of combining each with each.
    pub zip: bool,
}

/// One variable and where its values come from.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeachVar {
    pub name: String,
    pub source: Source,
}

/// Where values come from. Templates may hold `{vars.x}` only; paths count from the plan's workdir.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    List(Vec<Vec<u8>>),
    /// Both ends included; see [`super::units::Range`].
    Range {
        first: i64,
        last: i64,
        step: i64,
    },
    /// Paths in the order of their bytes.
    Glob {
        pattern: Vec<Template>,
        exclude: Vec<Template>,
    },
    /// A file of lines; `-` is standard input.
    Lines(Template),
    Csv(Template),
    Json(Template),
    /// The lines, or NUL-ended records, that a command prints.
    Command {
        run: CommandLine,
        nul: bool,
    },
}

/// A command that prints inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandLine {
    Shell { shell: Vec<String>, text: Template },
    Argv(Vec<Template>),
}

/// The values of one variable, read: rows of one column (plain values) or of named columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// Never stored: computed from the position.
    Range { first: i64, step: i64, len: u32 },
    /// `{x}`
    Values(Arc<Values>),
    /// `{x.column}`; the cells row by row, as many for each row as there are columns.
    Records { columns: Arc<Vec<String>>, cells: Arc<Values> },
}

/// Why a source could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct SourceError {
    /// The source, such as ``glob `*.png` `` or ``lines `names.txt` ``.
    pub what: String,
    pub why: String,
    pub path: Option<PathBuf>,
}

/// Many byte strings in one buffer: a million lines cost their bytes and four more each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`; it starts where the one before ends.
    ends: Vec<u32>,
}

/// Why values were not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuesError {
    /// The value with this position, from 0, holds a NUL byte.
    Nul(usize),
    /// More values than a run has jobs, or more bytes than [`limits::SOURCE_BYTES`].
    TooMany,
}

impl Values {
    /// Appends a value.
    pub fn push(&mut self, value: &[u8]) -> Result<(), ValuesError> {
        if value.contains(&0) {
            return Err(ValuesError::Nul(self.ends.len()));
        }
        self.bytes.extend_from_slice(value);
        self.end_value()
    }

    fn end_value(&mut self) -> Result<(), ValuesError> {
        if self.bytes.len() > limits::SOURCE_BYTES || self.ends.len() >= limits::JOBS as usize {
            return Err(ValuesError::TooMany);
        }
        let end = u32::try_from(self.bytes.len()).map_err(|_| ValuesError::TooMany)?;
        self.ends.push(end);
        Ok(())
    }

    /// Splits a buffer at each `separator`, in place; nothing after the last one is no value.
    pub fn split(mut bytes: Vec<u8>, separator: u8) -> Result<Values, ValuesError> {
        let all = bytes.len();
        if all > limits::SOURCE_BYTES.saturating_mul(2) {
            return Err(ValuesError::TooMany);
        }
        let mut values = Values::default();
        let (mut from, mut to) = (0, 0);
        while from < all {
            let rest = &bytes[from..];
            let len = rest.iter().position(|b| *b == separator).unwrap_or(rest.len());
            if separator != 0 && rest[..len].contains(&0) {
                return Err(ValuesError::Nul(values.ends.len()));
            }
            bytes.copy_within(from..from + len, to);
            from += len + 1;
            to += len;
            if values.ends.len() >= limits::JOBS as usize || to > limits::SOURCE_BYTES {
                return Err(ValuesError::TooMany);
            }
            values.ends.push(u32::try_from(to).map_err(|_| ValuesError::TooMany)?);
        }
        bytes.truncate(to);
        values.bytes = bytes;
        Ok(values)
    }

    /// Returns the value at a position from 0.
    pub fn get(&self, position: usize) -> Option<&[u8]> {
        let end = *self.ends.get(position)? as usize;
        let start =
            position.checked_sub(1).and_then(|p| self.ends.get(p)).map_or(0, |e| *e as usize);
        self.bytes.get(start..end)
    }

    /// Returns how many values there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the values in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|i| self.get(i))
    }
}

impl Table {
    /// Returns the table of a source that needs no reading: a list or a range.
    pub fn of_literal(source: &Source) -> Option<Result<Table, ValuesError>> {
        match source {
            Source::List(list) => {
                let mut values = Values::default();
                let filled = list.iter().try_for_each(|value| values.push(value));
                Some(filled.map(|()| Table::Values(Arc::new(values))))
            }
            Source::Range { first, last, step } => {
                let range = super::units::Range { first: *first, last: *last, step: *step };
                Some(Ok(Table::Range { first: *first, step: *step, len: range.n_values() }))
            }
            _ => None,
        }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        match self {
            Table::Range { len, .. } => *len as usize,
            Table::Values(values) => values.len(),
            Table::Records { columns, cells } => cells.len() / columns.len().max(1),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a row; `None` for records, which have no value as a whole.
    fn value(&self, row: usize) -> Option<Cow<'_, [u8]>> {
        match self {
            Table::Range { first, step, .. } => Some(Cow::Owned(range_value(*first, *step, row))),
            Table::Values(values) => values.get(row).map(Cow::Borrowed),
            Table::Records { .. } => None,
        }
    }

    fn cell(&self, row: usize, column: &str) -> Option<&[u8]> {
        match self {
            Table::Records { columns, cells } => {
                let at = columns.iter().position(|c| c == column)?;
                cells.get(row * columns.len() + at)
            }
            Table::Range { .. } | Table::Values(_) => None,
        }
    }

    fn same_values(&self, other: &Table) -> bool {
        match (self, other) {
            (Table::Values(a), Table::Values(b)) => Arc::ptr_eq(a, b) || a == b,
            (Table::Records { .. }, Table::Records { .. })
            | (Table::Range { .. }, Table::Range { .. }) => self == other,
            (Table::Range { .. }, Table::Values(_)) | (Table::Values(_), Table::Range { .. }) => {
                self.len() == other.len()
                    && (0..self.len()).all(|i| self.value(i) == other.value(i))
            }
            _ => false,
        }
    }
}

fn range_value(first: i64, step: i64, row: usize) -> Vec<u8> {
    let row = i64::try_from(row).unwrap_or(i64::MAX);
    // Ranges are made so that no value of theirs overflows.
    first.saturating_add(step.saturating_mul(row)).to_string().into_bytes()
}

/// The inputs of a task's jobs, computed from the position of the job (from 0).
///
/// The first variable changes slowest. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSet {
    axes: Vec<InputAxis>,
    len: u32,
}

/// Variables that change together: one, or all of a `zip`.
#[derive(Clone, Debug, PartialEq)]
struct InputAxis {
    len: u32,
    /// Jobs between two neighbouring values.
    stride: u32,
    vars: Vec<InputVar>,
}

#[derive(Clone, Debug, PartialEq)]
struct InputVar {
    name: String,
    table: Table,
    from_glob: bool,
}

/// An input that is, or may be, the path of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInput<'a> {
    pub path: Cow<'a, [u8]>,
    /// It comes from a `glob`; other values count only when a file of that name exists.
    pub from_glob: bool,
}

impl InputSet {
    /// Makes the inputs from `foreach` and its sources, read, in the order of its variables.
    ///
    /// # Errors
    /// Linked variables with different numbers of values, and more jobs than a run may have.
    pub fn new(foreach: &Foreach, tables: Vec<Table>) -> Result<InputSet, String> {
        if tables.len() != foreach.vars.len() {
            let (n, wanted) = (tables.len(), foreach.vars.len());
            return Err(format!("{n} sources were read for {wanted} variables"));
        }
        let vars = foreach.vars.iter().zip(tables).map(|(var, table)| InputVar {
            name: var.name.clone(),
            from_glob: matches!(var.source, Source::Glob { .. }),
            table,
        });
        let groups: Vec<Vec<InputVar>> =
            if foreach.zip { vec![vars.collect()] } else { vars.map(|var| vec![var]).collect() };
        let mut axes = Vec::new();
        for vars in groups.into_iter().filter(|vars| !vars.is_empty()) {
            axes.push(InputAxis { len: common_len(&vars)?, stride: 1, vars });
        }
        let len = set_strides(&mut axes)?;
        Ok(InputSet { axes, len })
    }

    /// One job without inputs.
    pub fn none() -> InputSet {
        InputSet { axes: Vec::new(), len: 1 }
    }

    /// Returns the number of jobs.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the variables with their rows in the job at `index`.
    fn rows(&self, index: u32) -> impl Iterator<Item = (&InputVar, usize)> {
        self.axes.iter().flat_map(move |axis| {
            let row = (index / axis.stride % axis.len.max(1)) as usize;
            axis.vars.iter().map(move |var| (var, row))
        })
    }

    /// Returns what a placeholder stands for in the job at `index`: `{x}`, `{x.column}` of
    /// records, or a field of the value taken as a path, such as `{x.stem}`.
    ///
    /// `{column}` works too where no variable has that name and only one has that column.
    pub fn lookup(&self, index: u32, name: &Name) -> Option<Cow<'_, [u8]>> {
        if let Some((var, row)) = self.rows(index).find(|(var, _)| var.name == name.base) {
            return var_value(var, row, name.field.as_deref());
        }
        let mut holders = self.rows(index).filter_map(|(var, row)| var.table.cell(row, &name.base));
        let cell = holders.next().filter(|_| holders.next().is_none())?;
        match &name.field {
            None => Some(Cow::Borrowed(cell)),
            Some(field) => value_field(cell, field).map(Cow::Borrowed),
        }
    }

    /// Returns what placeholders may name: `x` for plain values, `x.column` for records.
    pub fn names(&self) -> Vec<String> {
        let vars = self.axes.iter().flat_map(|axis| &axis.vars);
        vars.flat_map(|var| match &var.table {
            Table::Records { columns, .. } => {
                columns.iter().map(|c| format!("{}.{c}", var.name)).collect()
            }
            Table::Range { .. } | Table::Values(_) => vec![var.name.clone()],
        })
        .collect()
    }

    /// Tells whether a placeholder stands for something here.
    pub fn knows(&self, name: &Name) -> bool {
        // Whether a name is known does not depend on the row: a set without jobs is asked for its
        // columns.
        let plain = |var: &InputVar| match (&var.table, &name.field) {
            (Table::Records { columns, .. }, Some(field)) => columns.contains(field),
            (Table::Records { .. }, None) => false,
            (_, None) => true,
            (_, Some(field)) => value_field(b"", field).is_some(),
        };
        let mut vars = self.axes.iter().flat_map(|axis| &axis.vars);
        if let Some(var) = vars.clone().find(|var| var.name == name.base) {
            return plain(var);
        }
        let has = |var: &&InputVar| match &var.table {
            Table::Records { columns, .. } => columns.contains(&name.base),
            _ => false,
        };
        let first = vars.by_ref().find(has);
        let field_ok = name.field.as_ref().is_none_or(|f| value_field(b"", f).is_some());
        first.is_some() && !vars.any(|var| has(&var)) && field_ok
    }

    /// Returns all inputs of the job at `index` for the environment and reports: `x`, and
    /// `x_column` for records, every byte of the column that no variable may hold as `_`.
    pub fn vars(&self, index: u32) -> Vec<(String, Cow<'_, [u8]>)> {
        let mut all = Vec::new();
        for (var, row) in self.rows(index) {
            match &var.table {
                Table::Records { columns, .. } => {
                    for column in columns.iter() {
                        if let Some(cell) = var.table.cell(row, column) {
                            let name = format!("{}_{}", var.name, as_variable(column));
                            all.push((name, Cow::Borrowed(cell)));
                        }
                    }
                }
                Table::Range { .. } | Table::Values(_) => {
                    all.extend(var.table.value(row).map(|value| (var.name.clone(), value)));
                }
            }
        }
        all
    }

    /// Returns the inputs of the job at `index` in one short line for the screen: values apart by
    /// blanks, paths by their last component, what is not printable escaped.
    pub fn short(&self, index: u32) -> String {
        let shown = self.rows(index).map(|(var, row)| match &var.table {
            Table::Records { columns, .. } => {
                let cells = columns.iter().filter_map(|c| var.table.cell(row, c));
                cells.map(short_value).collect::<Vec<_>>().join(",")
            }
            Table::Range { .. } | Table::Values(_) => {
                var.table.value(row).map(|v| short_value(&v)).unwrap_or_default()
            }
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// Returns the inputs of the job at `index` that are or may be paths of files.
    pub fn file_inputs(&self, index: u32) -> Vec<FileInput<'_>> {
        let mut files = Vec::new();
        for (var, row) in self.rows(index) {
            match &var.table {
                // A number is hardly ever meant as a file.
                Table::Range { .. } => {}
                Table::Values(values) => files.extend(values.get(row).map(|value| FileInput {
                    path: Cow::Borrowed(value),
                    from_glob: var.from_glob,
                })),
                Table::Records { columns, cells } => {
                    let first = row * columns.len();
                    let row_cells = (first..first + columns.len()).filter_map(|i| cells.get(i));
                    files.extend(
                        row_cells
                            .map(|cell| FileInput { path: Cow::Borrowed(cell), from_glob: false }),
                    );
                }
            }
        }
        files.retain(|file| !file.path.is_empty());
        files
    }
}

fn var_value<'a>(var: &'a InputVar, row: usize, field: Option<&str>) -> Option<Cow<'a, [u8]>> {
    let Some(field) = field else { return var.table.value(row) };
    if let Some(cell) = var.table.cell(row, field) {
        return Some(Cow::Borrowed(cell));
    }
    match var.table.value(row)? {
        Cow::Borrowed(value) => value_field(value, field).map(Cow::Borrowed),
        Cow::Owned(value) => value_field(&value, field).map(|part| Cow::Owned(part.to_vec())),
    }
}

fn common_len(vars: &[InputVar]) -> Result<u32, String> {
    let lens: Vec<usize> = vars.iter().map(|var| var.table.len()).collect();
    if lens.windows(2).any(|pair| pair[0] != pair[1]) {
        let each = vars.iter().zip(&lens).map(|(var, len)| format!("`{}` has {len}", var.name));
        return Err(format!(
            "`zip` links variables value by value, so all need the same number of values: {}",
            each.collect::<Vec<_>>().join(", ")
        ));
    }
    let len = lens.first().copied().unwrap_or(0);
    u32::try_from(len).ok().filter(|n| *n <= limits::JOBS).ok_or_else(too_many)
}

/// Sets the distances of the axes and returns the number of jobs.
fn set_strides(axes: &mut [InputAxis]) -> Result<u32, String> {
    let mut len: u64 = 1;
    let mut stride: u64 = 1;
    let is_empty = axes.iter().any(|axis| axis.len == 0);
    for axis in axes.iter_mut().rev() {
        len *= u64::from(axis.len);
        if !is_empty && len > u64::from(limits::JOBS) {
            return Err(too_many());
        }
        // Without jobs no position is ever computed; a stride of 1 keeps the arithmetic defined.
        axis.stride = if is_empty { 1 } else { u32::try_from(stride).map_err(|_| too_many())? };
        stride = len.max(1);
        if is_empty {
            len = 0;
        }
    }
    if is_empty { Ok(0) } else { u32::try_from(len).map_err(|_| too_many()) }
}

fn too_many() -> String {
    format!("there are more than {} jobs, the most that a run takes", limits::JOBS)
}

fn as_variable(column: &str) -> String {
    column.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b) } else { '_' }).collect()
}

/// Shows at most this many characters of one value.
const SHORT_CHARS: usize = 40;

fn short_value(value: &[u8]) -> String {
    let name = value_field(value, "name").filter(|_| value.contains(&b'/')).unwrap_or(value);
    let text = String::from_utf8_lossy(name);
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == SHORT_CHARS {
            out.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Tells whether a character changes the direction or look of what follows, or shows nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
