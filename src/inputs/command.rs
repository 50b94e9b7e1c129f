//! Values that a command prints.

use super::{Read, ReadContext, render, values_error};
use crate::model::{limits, signal_name};
use crate::plan::inputs::{CommandLine, SourceError, Table, Values};
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

/// Bytes of the command's own messages that an error quotes from.
const STDERR_TAIL: usize = 16 << 10;
/// Lines of them.
const STDERR_LINES: usize = 5;

pub(super) fn read(
    run: &CommandLine,
    nul: bool,
    ctx: &ReadContext<'_>,
) -> Result<Read, SourceError> {
    let argv = argv(run, ctx)?;
    let shown = argv.last().map(|last| match run {
        CommandLine::Shell { .. } => String::from_utf8_lossy(last).into_owned(),
        CommandLine::Argv(_) => String::from_utf8_lossy(&argv.join(&b' ')).into_owned(),
    });
    let what = format!("command `{}`", shown.unwrap_or_default().trim_end());
    let error = |why: String| SourceError { what: what.clone(), why, path: None };
    let (stdout, stderr, status) = output(&argv, ctx).map_err(error)?;
    if !status.success() {
        return Err(error(failure(status, &stderr)));
    }
    let separator = if nul { 0 } else { b'\n' };
    let values = Values::split(stdout, separator).map_err(|e| {
        let hint = if nul { "" } else { " (is it meant to print NUL-ended records?)" };
        error(format!("{}{hint}", values_error("line", e)))
    })?;
    let mut warnings = Vec::new();
    if values.is_empty() {
        warnings.push(format!("{what} printed nothing"));
    }
    Ok(Read { table: Table::Values(Arc::new(values)), warnings })
}

fn argv(run: &CommandLine, ctx: &ReadContext<'_>) -> Result<Vec<Vec<u8>>, SourceError> {
    match run {
        CommandLine::Shell { shell, text } => {
            let mut argv: Vec<Vec<u8>> = shell.iter().map(|s| s.as_bytes().to_vec()).collect();
            argv.push(render("command", text, ctx)?);
            Ok(argv)
        }
        CommandLine::Argv(words) => words.iter().map(|w| render("command", w, ctx)).collect(),
    }
}

/// Runs a command to its end; returns what it printed and the end of its messages.
fn output(
    argv: &[Vec<u8>],
    ctx: &ReadContext<'_>,
) -> Result<(Vec<u8>, Vec<u8>, ExitStatus), String> {
    let (program, args) = argv.split_first().ok_or("there is no program to run")?;
    let mut child = Command::new(OsStr::from_bytes(program))
        .args(args.iter().map(|arg| OsStr::from_bytes(arg)))
        .envs(ctx.env.iter().map(|(name, value)| (name, OsStr::from_bytes(value))))
        .current_dir(ctx.workdir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound if !ctx.workdir.is_dir() => {
                format!("its folder `{}` does not exist", ctx.workdir.display())
            }
            std::io::ErrorKind::NotFound => {
                format!("program `{}` not found", String::from_utf8_lossy(program))
            }
            _ => format!("cannot start `{}`: {e}", String::from_utf8_lossy(program)),
        })?;
    // Both pipes are read at once, so that the command never waits for one of them.
    let stderr = child.stderr.take();
    let messages = std::thread::spawn(move || stderr.map(tail_of).unwrap_or_default());
    let stdout = bounded_stdout(&mut child);
    if stdout.is_err() {
        // It may print for ever; nothing of it is used.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| format!("cannot wait for it: {e}"))?;
    let stdout = stdout?;
    // Someone whom the command left behind may hold the pipe of messages open; they are needed
    // only when it failed.
    let stderr = if status.success() { Vec::new() } else { messages.join().unwrap_or_default() };
    Ok((stdout, stderr, status))
}

fn bounded_stdout(child: &mut Child) -> Result<Vec<u8>, String> {
    let Some(stdout) = child.stdout.take() else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    let limit = u64::try_from(limits::SOURCE_BYTES).unwrap_or(u64::MAX);
    stdout
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| format!("cannot read what it prints: {e}"))?;
    if bytes.len() > limits::SOURCE_BYTES {
        return Err(format!("it prints more than {} MiB", limits::SOURCE_BYTES >> 20));
    }
    Ok(bytes)
}

/// Reads to the end and keeps the last part.
fn tail_of(mut from: impl std::io::Read) -> Vec<u8> {
    let mut tail = Vec::new();
    let mut part = [0; 4096];
    loop {
        match from.read(&mut part) {
            Ok(0) => return tail,
            Ok(n) => {
                tail.extend_from_slice(&part[..n]);
                if tail.len() > 2 * STDERR_TAIL {
                    tail.drain(..tail.len() - STDERR_TAIL);
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return tail,
        }
    }
}

fn failure(status: ExitStatus, stderr: &[u8]) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by {}", signal_name(signal)),
        (None, None) => format!("it ended with {status}"),
    };
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(STDERR_LINES)..];
    if last.is_empty() { how } else { format!("{how}: {}", last.join("\n")) }
}
