//! Sources read from real files.

use super::*;
use crate::plan::inputs::CommandLine;
use crate::plan::template::{Name, Place};
use std::borrow::Cow;
use std::fs;

fn template(text: &str) -> Template {
    Template::parse(text, Place::Plain).unwrap()
}

/// Reads a source in a folder with these files.
fn read(files: &[(&str, &[u8])], source: &Source) -> Result<Read, SourceError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let lookup = |_: &Name| -> Option<Cow<'_, [u8]>> { None };
    let stdin = dir.path().join("stdin");
    let ctx = ReadContext { workdir: dir.path(), stdin: Some(&stdin), env: &[], lookup: &lookup };
    read_source(source, &ctx)
}

fn values(read: &Read) -> Vec<Vec<u8>> {
    match &read.table {
        Table::Values(values) => {
            (0..values.len()).map(|i| values.get(i).unwrap().to_vec()).collect()
        }
        Table::Records { cells, .. } => {
            (0..cells.len()).map(|i| cells.get(i).unwrap().to_vec()).collect()
        }
        Table::Range { first, step, len } => {
            (0..*len).map(|i| (first + i64::from(i) * step).to_string().into_bytes()).collect()
        }
    }
}

fn texts(read: &Read) -> Vec<String> {
    values(read).iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect()
}

fn glob(pattern: &[&str], exclude: &[&str]) -> Source {
    Source::Glob {
        pattern: pattern.iter().map(|t| template(t)).collect(),
        exclude: exclude.iter().map(|t| template(t)).collect(),
    }
}

#[test]
fn globs_find_what_a_shell_would() {
    let files: &[(&str, &[u8])] = &[
        ("a.png", b""),
        ("b.txt", b""),
        (".hidden.png", b""),
        ("sub/c.png", b""),
        ("sub/deep/d.png", b""),
        ("sub/.git/e.png", b""),
    ];
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (&["*.png"], &[], &["a.png"]),
        (&["**/*.png"], &[], &["a.png", "sub/c.png", "sub/deep/d.png"]),
        (&["**/*.png"], &["deep"], &["a.png", "sub/c.png"]),
        (&["**/*.png"], &["sub/*.png"], &["a.png", "sub/deep/d.png"]),
        (&["*.txt", "a.*"], &[], &["a.png", "b.txt"]),
        (&[".*.png"], &[], &[".hidden.png"]),
        (&["{a,b}.*"], &[], &["a.png", "b.txt"]),
        (&["sub/**"], &[], &["sub/c.png", "sub/deep/d.png"]),
        (&["b.txt"], &[], &["b.txt"]),
        (&["*/"], &[], &["sub"]),
    ];
    for (pattern, exclude, expected) in cases {
        let read = read(files, &glob(pattern, exclude)).unwrap();
        assert_eq!(texts(&read), *expected, "{pattern:?} without {exclude:?}");
        assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    }
}

#[test]
fn a_glob_that_matches_nothing_is_a_warning() {
    let read = read(&[], &glob(&["*.png"], &[])).unwrap();
    assert_eq!(values(&read).len(), 0);
    assert_eq!(read.warnings, ["glob `*.png` matches nothing"]);
}

#[test]
fn lines_are_taken_byte_for_byte() {
    let file: &[(&str, &[u8])] = &[("l", b"a b\r\n\n  c\xff\nlast")];
    let read = read(file, &Source::Lines(template("l"))).unwrap();
    assert_eq!(values(&read), [&b"a b"[..], b"", b"  c\xff", b"last"]);
}

#[test]
fn standard_input_is_called_dash() {
    let read = read(&[("stdin", b"1\n2\n")], &Source::Lines(template("-"))).unwrap();
    assert_eq!(texts(&read), ["1", "2"]);
}

#[test]
fn csv_rows_become_records() {
    let file: &[(&str, &[u8])] = &[("t.csv", b"\xef\xbb\xbfname,size\n\"a, b\",1\nc,\"x\ny\"\n")];
    let read = read(file, &Source::Csv(template("t.csv"))).unwrap();
    assert_eq!(texts(&read), ["a, b", "1", "c", "x\ny"]);
    let Table::Records { columns, .. } = &read.table else { panic!("no records") };
    assert_eq!(**columns, ["name", "size"]);
}

#[test]
fn json_lists_become_values_or_records() {
    let of = |text: &str| read(&[("j", text.as_bytes())], &Source::Json(template("j")));
    assert_eq!(texts(&of(r#"["a", 1, 2.50, true]"#).unwrap()), ["a", "1", "2.5", "true"]);
    assert_eq!(
        texts(&of(r#"[{"a": 1, "b": "x"}, {"b": "y", "a": 2}]"#).unwrap()),
        ["1", "x", "2", "y"]
    );
}

#[test]
fn commands_print_inputs() {
    let shell = |text: &str, nul| Source::Command {
        run: CommandLine::Shell { shell: vec!["sh".into(), "-c".into()], text: template(text) },
        nul,
    };
    assert_eq!(texts(&read(&[], &shell("printf 'a\\nb c\\n'", false)).unwrap()), ["a", "b c"]);
    assert_eq!(texts(&read(&[], &shell("printf 'a\\nb\\0c\\0'", true)).unwrap()), ["a\nb", "c"]);
}

#[test]
fn what_cannot_be_read_is_said_with_object_and_cause() {
    let json = |text: &'static str| (vec![("f", text.as_bytes())], Source::Json(template("f")));
    let csv = |text: &'static str| (vec![("f", text.as_bytes())], Source::Csv(template("f")));
    let argv =
        |word: &str| Source::Command { run: CommandLine::Argv(vec![template(word)]), nul: false };
    let cases = [
        ((vec![], Source::Lines(template("no"))), "lines `no`: cannot read"),
        (json("{}"), "json `f`: it holds an object, not a list"),
        (json("[1, {}]"), "json `f`: element 2 is an object, where the others are scalars"),
        (json("[{\"a\": 1}, {}]"), "json `f`: element 2 has no key `a`"),
        (json("[1,"), "json `f`: it is not JSON"),
        (csv("a,b\n1\n"), "csv `f`: line 2 has 1 cells, but there are 2 columns"),
        (csv("a,a\n"), "csv `f`: two of its columns are called `a`"),
        (csv("a b\n"), "csv `f`: its column `a b` cannot be used"),
        ((vec![], argv("false")), "command `false`: it failed with exit code 1"),
        ((vec![], argv("no-such-program-here")), "cannot start `no-such-program-here`"),
        ((vec![], glob(&["[a"], &[])), "glob `[a`: it is no pattern"),
    ];
    for ((files, source), expected) in cases {
        let error = read(&files, &source).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}

#[test]
fn ranges_include_both_ends() {
    let of = |first, last, step| texts(&read(&[], &Source::Range { first, last, step }).unwrap());
    assert_eq!(of(1, 3, 1), ["1", "2", "3"]);
    assert_eq!(of(0, 10, 5), ["0", "5", "10"]);
    assert_eq!(of(3, 1, -1), ["3", "2", "1"]);
    assert_eq!(of(3, 1, 1), Vec::<String>::new());
    assert!(read(&[], &Source::Range { first: 1, last: i64::MAX, step: 1 }).is_err());
}

#[test]
fn env_files_are_names_and_values() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("env");
    fs::write(&path, b"# c\nA=1\nexport B = two words # note\nC='#x $y'\nD=\"a\\n\\\"b\"\nE=\n")
        .unwrap();
    let pairs = read_env_file(&path).unwrap();
    let shown: Vec<_> = pairs.iter().map(|(n, v)| format!("{n}={}", shown(v))).collect();
    assert_eq!(shown, ["A=1", "B=two words", "C=#x $y", "D=a\n\"b", "E="]);
    for (text, why) in
        [("x", "line 1: it has no `=`"), ("\nA-B=1", "line 2: its name"), ("A='x", "not closed")]
    {
        fs::write(&path, text).unwrap();
        let error = read_env_file(&path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(!error.contains("=1"), "a value was shown: {error}");
    }
}
