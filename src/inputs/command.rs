//! A command that prints inputs.

use super::files::{none_warning, without_line_end};
use super::{Read, ReadContext, add, error, fill, shown, words};
use crate::plan::inputs::{CommandLine, SourceError, Table, Values};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

/// Lines of a failed command's stderr that the error shows.
const SHOWN_LINES: usize = 5;

/// Runs a command and takes what it prints: lines, or records that end with NUL.
pub(super) fn read(
    run: &CommandLine,
    nul: bool,
    ctx: &ReadContext<'_>,
) -> Result<Read, SourceError> {
    let words_of_command = argv(run, ctx)?;
    let name = words_of_command.last().map(|w| shown(w)).unwrap_or_default();
    let what = format!("command `{name}`");
    let mut argv = words_of_command.into_iter().map(OsString::from_vec);
    let Some(program) = argv.next() else { return Err(error(what, "it is empty")) };
    let output = Command::new(&program)
        .args(argv)
        .current_dir(ctx.workdir)
        .envs(ctx.env.iter().map(|(n, v)| (n, OsString::from_vec(v.clone()))))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| {
            error(&what, format!("cannot start `{}`: {}", program.display(), words(&e)))
        })?;
    if !output.status.success() {
        return Err(error(what, failure(output.status, &output.stderr)));
    }
    let mut values = Values::default();
    let end = if nul { 0 } else { b'\n' };
    for record in output.stdout.split_inclusive(|b| *b == end) {
        let value = if nul {
            record.strip_suffix(b"\0").unwrap_or(record)
        } else {
            without_line_end(record)
        };
        add(&mut values, value, &what)?;
    }
    Ok(Read { warnings: none_warning(&values, &what), table: Table::Values(Arc::new(values)) })
}

fn argv(run: &CommandLine, ctx: &ReadContext<'_>) -> Result<Vec<Vec<u8>>, SourceError> {
    match run {
        CommandLine::Argv(words) => words.iter().map(|w| fill(w, ctx, "command")).collect(),
        CommandLine::Shell { shell, text } => {
            let mut argv: Vec<_> = shell.iter().map(|w| w.clone().into_bytes()).collect();
            argv.push(fill(text, ctx, "command")?);
            Ok(argv)
        }
    }
}

fn failure(status: ExitStatus, stderr: &[u8]) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("it failed with exit code {code}"),
        (None, Some(signal)) => format!("{} ended it", crate::model::signal_name(signal)),
        (None, None) => "it failed".to_owned(),
    };
    let text = shown(stderr);
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    if last.is_empty() { how } else { format!("{how}: {}", last.join(" / ")) }
}
