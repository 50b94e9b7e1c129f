//! `foreach`: which values a task's jobs get, computed from the number of the job.

use super::rules::EachMap;
use super::template::{Name, Template};
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

/// The inputs of a task's jobs, computed from the position of the job (from 0).
#[derive(Clone, Debug, PartialEq)]
pub struct InputSet {
    len: u32,
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
    pub fn new(_foreach: &Foreach, _tables: Vec<Table>) -> Result<InputSet, String> {
        Ok(InputSet { len: 1 })
    }

    /// One job without inputs.
    pub fn none() -> InputSet {
        InputSet { len: 1 }
    }

    /// Returns the number of jobs.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns what a placeholder stands for in the job at `index`.
    pub fn lookup(&self, _index: u32, _name: &Name) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// Returns all inputs of the job at `index`: `x`, and `x_column` for records.
    pub fn vars(&self, _index: u32) -> Vec<(String, Cow<'_, [u8]>)> {
        Vec::new()
    }

    /// Returns the inputs of the job at `index` in one short line for the screen.
    pub fn short(&self, _index: u32) -> String {
        String::new()
    }

    /// Returns the inputs of the job at `index` that are or may be paths of files.
    pub fn file_inputs(&self, _index: u32) -> Vec<FileInput<'_>> {
        Vec::new()
    }
}

/// Finds out which jobs of `up` each job of `down` needs: those with the same values of the
/// variables that both have.
pub fn each_map(up: &InputSet, _down: &InputSet) -> Result<EachMap, String> {
    Ok(EachMap::identity(up.len))
}
