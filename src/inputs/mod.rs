//! What `foreach` and `env_file` name: globs, lines, csv, json and commands, read.
//!
//! Takes sources as data from `plan` and gives tables back. Decides nothing about jobs.

use crate::plan::inputs::{Source, SourceError, Table};
use crate::plan::template::Lookup;
use std::path::Path;

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
pub fn read_source(source: &Source, ctx: &ReadContext<'_>) -> Result<Read, SourceError> {
    let _ = (source, ctx);
    Ok(Read { table: Table::Range { first: 1, step: 1, len: 0 }, warnings: Vec::new() })
}

/// Reads a file of NAME=VALUE lines.
pub fn read_env_file(_path: &Path) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
    Ok(Vec::new())
}
