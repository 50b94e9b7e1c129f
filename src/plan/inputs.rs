//! `foreach`: which values a task's jobs get, computed from the number of the job.

use super::template::Template;
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
    Values(Arc<Vec<Vec<u8>>>),
    /// `{x.column}`; each row has as many cells as there are columns.
    Records { columns: Arc<Vec<String>>, rows: Arc<Vec<Vec<Vec<u8>>>> },
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
