//! Inputs that commands print.

#![allow(clippy::unwrap_used)]

use ganger::inputs::{Read, ReadContext, read_source};
use ganger::plan::inputs::{CommandLine, Source, SourceError, Table};
use ganger::plan::template::{Place, Template};
use std::borrow::Cow;

fn run(run: CommandLine, nul: bool) -> Result<Read, SourceError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("here"), "").unwrap();
    let env = [("GREETING".to_owned(), b"hello \xff".to_vec())];
    let ctx = ReadContext {
        workdir: dir.path(),
        stdin: None,
        env: &env,
        lookup: &|_| Some(Cow::Borrowed(b"it's $(x)".as_slice())),
    };
    read_source(&Source::Command { run, nul }, &ctx)
}

fn shell(text: &str, nul: bool) -> Result<Read, SourceError> {
    let shell = vec!["sh".to_owned(), "-c".to_owned()];
    run(CommandLine::Shell { shell, text: Template::parse(text, Place::PosixShell).unwrap() }, nul)
}

fn values(read: &Read) -> Vec<String> {
    let Table::Values(values) = &read.table else { panic!("{read:?}") };
    values.iter().map(|v| v.escape_ascii().to_string()).collect()
}

#[test]
fn a_command_prints_lines_or_records() {
    let lines = shell("ls; echo \"$GREETING\"; echo {vars.x}; cat", false).unwrap();
    assert_eq!(values(&lines), ["here", "hello \\xff", "it\\'s $(x)"]);
    assert_eq!(values(&shell("printf 'a\\nb\\0c\\0'", true).unwrap()), ["a\\nb", "c"]);
    let empty = shell(":", false).unwrap();
    assert!(empty.table.is_empty() && empty.warnings[0].contains("printed nothing"));
    let words = ["printf", "%s\\n", "a b", "{vars.x}"];
    let words = words.iter().map(|w| Template::parse(w, Place::Plain).unwrap()).collect();
    assert_eq!(values(&run(CommandLine::Argv(words), false).unwrap()), ["a b", "it\\'s $(x)"]);
}

#[test]
fn a_command_that_fails_gives_no_values() {
    let error = shell("echo a; seq 1000 >&2; echo bad thing >&2; exit 3", false).unwrap_err();
    assert!(error.why.starts_with("it ended with exit code 3: 997\n"), "{error}");
    assert!(error.why.ends_with("\nbad thing") && error.what.starts_with("command `echo a;"));
    let error = shell("kill -TERM $$", false).unwrap_err();
    assert!(error.why.contains("SIGTERM"), "{error}");
    let error = shell("printf 'a\\0b'", false).unwrap_err();
    assert!(error.why.contains("line 1 holds a NUL"), "{error}");
    let words = vec![Template::literal("no-such-program-here")];
    let error = run(CommandLine::Argv(words), false).unwrap_err();
    assert!(error.why.contains("program `no-such-program-here` not found"), "{error}");
}
