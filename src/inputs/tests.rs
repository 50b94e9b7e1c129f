use super::*;
use crate::plan::template::{Name, Place};
use proptest::prelude::*;
use std::borrow::Cow;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn template(text: &str) -> Template {
    Template::parse(text, Place::Plain).unwrap()
}

fn read(dir: &Path, source: &Source) -> Result<Read, SourceError> {
    let lookup = |name: &Name| {
        (name.to_string() == "vars.dir").then_some(Cow::Borrowed(b"a[1]*".as_slice()))
    };
    read_source(source, &ReadContext { workdir: dir, stdin: None, env: &[], lookup: &lookup })
}

fn plain(table: &Table) -> Vec<String> {
    let Table::Values(values) = table else { panic!("{table:?}") };
    values.iter().map(|v| v.escape_ascii().to_string()).collect()
}

fn glob_source(patterns: &[&str], exclude: &[&str]) -> Source {
    let all = |list: &[&str]| list.iter().map(|p| template(p)).collect();
    Source::Glob { pattern: all(patterns), exclude: all(exclude) }
}

fn glob(dir: &Path, pattern: &str, exclude: &[&str]) -> Vec<String> {
    plain(&read(dir, &glob_source(&[pattern], exclude)).unwrap().table)
}

fn tree(files: &[&[u8]]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(OsStr::from_bytes(file));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    dir
}

#[test]
fn an_open_quote_in_csv_is_an_error_with_its_line() {
    for (text, line) in [
        ("id,n\n1,\"abc\n2,x\n", 2),
        ("id,\"n\n1,2\n", 1),
        ("a\n\"x\ny\"\n\"\"\"", 4),
        ("a\n\"x\"\"\n", 2),
    ] {
        let error = records::csv_table(text.as_bytes()).unwrap_err();
        assert_eq!(error, format!("the quote that opens in line {line} is never closed"));
    }
    for text in
        ["a\nx\"y\n", "a\n\"x\ny\"\n", "a\r\n\"x\"\"y\"\r\n", "a\n\"\"\n", "a,b\n\"x\"y,\"z\"\n"]
    {
        assert!(records::csv_table(text.as_bytes()).is_ok(), "{text:?}");
    }
}

#[test]
fn a_glob_gives_paths_as_it_is_written_in_the_order_of_their_bytes() {
    let dir = tree(&[
        b"b.c",
        b"a.c",
        b"Z.c",
        b".h.c",
        b"x.h",
        b"s/a.c",
        b"s/t/u.c",
        b".hid/v.c",
        b"\xff.c",
    ]);
    let at = dir.path();
    assert_eq!(glob(at, "*.c", &[]), ["Z.c", "a.c", "b.c", "\\xff.c"]);
    assert_eq!(glob(at, ".*.c", &[]), [".h.c"]);
    assert_eq!(glob(at, "./?.c", &[]), ["./Z.c", "./a.c", "./b.c", "./\\xff.c"]);
    assert_eq!(glob(at, "**/[a-z].c", &[]), ["a.c", "b.c", "s/a.c", "s/t/u.c"]);
    assert_eq!(glob(at, "s/**", &[]), ["s/a.c", "s/t/u.c"]);
    assert_eq!(glob(at, "**/.hid/*", &[]), [".hid/v.c"]);
    assert_eq!(glob(at, "{a,b,s/a}.c", &[]), ["a.c", "b.c", "s/a.c"]);
    assert_eq!(glob(at, "s/*/", &[]), ["s/t"]);
    assert_eq!(glob(at, "s/*", &[]), ["s/a.c", "s/t"]);
    assert_eq!(glob(at, "**/[a-z]/", &[]), ["s", "s/t"]);
    assert_eq!(glob(at, "s/t/u.c", &[]), ["s/t/u.c"]);
    assert_eq!(glob(at, "s/../a.c", &[]), ["s/../a.c"]);
    let absolute = format!("{}/s/*.c", at.display());
    assert_eq!(glob(Path::new("/"), &absolute, &[]), [format!("{}/s/a.c", at.display())]);
    let both = read(at, &glob_source(&["*.h", "[ax].*", "a.c"], &[])).unwrap();
    assert_eq!(plain(&both.table), ["a.c", "x.h"]);
}

#[test]
fn exclude_drops_names_folders_and_paths() {
    let dir = tree(&[b"a.c", b"a.bak", b"s/a.c", b"s/b.bak", b"s/t/a.c", b"n/s/a.c", b"n/m/a.c"]);
    let all = |exclude: &[&str]| glob(dir.path(), "**/*", exclude);
    assert_eq!(all(&["*.bak", "n"]), ["a.c", "s/a.c", "s/t/a.c"]);
    assert_eq!(all(&["s/*"]), ["a.bak", "a.c", "n/m/a.c"]);
    assert_eq!(all(&["./s/**", "*.bak"]), ["a.c", "n/m/a.c", "n/s/a.c"]);
    assert_eq!(all(&["s/", "n/", "*.bak"]), ["a.c"]);
    assert_eq!(all(&["**/t/**", "*.bak", "m"]), ["a.c", "n/s/a.c", "s/a.c"]);
    let top = dir.path().display();
    let exclude = format!("{top}/s");
    let found = glob(dir.path(), &format!("{top}/**/a.c"), &[&exclude]);
    assert_eq!(found, [format!("{top}/a.c"), format!("{top}/n/m/a.c"), format!("{top}/n/s/a.c")]);
}

#[test]
fn links_are_followed_by_name_and_never_in_circles() {
    let dir = tree(&[b"real/a.c"]);
    symlink("..", dir.path().join("real/up")).unwrap();
    symlink("real", dir.path().join("link")).unwrap();
    symlink("nowhere", dir.path().join("broken")).unwrap();
    assert_eq!(glob(dir.path(), "**/*.c", &[]), ["real/a.c"]);
    assert_eq!(glob(dir.path(), "*/*.c", &[]), ["link/a.c", "real/a.c"]);
    assert_eq!(glob(dir.path(), "*", &[]), ["broken", "link", "real"]);
    assert_eq!(glob(dir.path(), "*/", &[]), ["link", "real"]);
}

#[test]
fn a_glob_says_what_it_did_not_find() {
    let dir = tree(&[b"s/t/a", b"locked/a", b"a[1]*/b"]);
    let warn = |pattern: &str| read(dir.path(), &glob_source(&[pattern], &[])).unwrap().warnings;
    assert!(warn("*.png")[0].contains("`*.png` matches nothing"));
    assert!(warn("nope/*.png")[0].contains("matches nothing"));
    assert!(warn("**/t")[0].contains("end the pattern with `/`"));
    assert!(warn("~/x")[0].contains("not expanded"));
    assert_eq!(glob(dir.path(), "{vars.dir}/*", &[]), ["a[1]*/b"], "values are not patterns");
    let locked = dir.path().join("locked");
    set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    // The superuser can look into every folder.
    if std::fs::read_dir(&locked).is_err() {
        assert!(
            warn("**/*").iter().any(|w| w.contains("locked") && w.contains("permission denied"))
        );
    }
    set_permissions(&locked, Permissions::from_mode(0o700)).unwrap();
}

fn from_file(make: fn(Template) -> Source, content: &[u8]) -> Result<Read, SourceError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), content).unwrap();
    read(dir.path(), &make(template("f")))
}

#[test]
fn lines_are_kept_byte_for_byte() {
    let lines = |content: &[u8]| plain(&from_file(Source::Lines, content).unwrap().table);
    assert_eq!(lines(b"a\n b \xff\n\nc"), ["a", " b \\xff", "", "c"]);
    assert_eq!(lines(b"a\r\nb\r\n"), ["a", "b"]);
    assert_eq!(lines(b"a\r\nb\n"), ["a\\r", "b"]);
    assert_eq!(lines(b"a\r\nb\rc"), ["a", "b\\rc"]);
    assert_eq!(lines(b"\xef\xbb\xbfa\n"), ["a"]);
    assert!(lines(b"").is_empty());
    assert!(from_file(Source::Lines, b"").unwrap().warnings[0].contains("no lines"));
    assert!(from_file(Source::Lines, b"a\n\nb\n").unwrap().warnings[0].contains("an empty line"));
    let error = from_file(Source::Lines, b"a\nb\0\n").unwrap_err();
    assert!(error.why.contains("line 2 holds a NUL"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let error = read(dir.path(), &Source::Lines(template("no.txt"))).unwrap_err();
    assert_eq!(error.to_string(), "lines `no.txt`: no such file");
    assert_eq!(error.path, Some(dir.path().join("no.txt")));
    let error = read(dir.path(), &Source::Lines(template("."))).unwrap_err();
    assert!(error.why.contains("folder"), "{error}");
    let error = read(dir.path(), &Source::Lines(template("-"))).unwrap_err();
    assert!(error.why.contains("standard input"), "{error}");
}

#[test]
fn a_dash_is_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    std::fs::write(&spool, "x\ny\n").unwrap();
    let ctx = ReadContext { workdir: dir.path(), stdin: Some(&spool), env: &[], lookup: &|_| None };
    let read = read_source(&Source::Lines(template("-")), &ctx).unwrap();
    assert_eq!(plain(&read.table), ["x", "y"]);
}

fn rows(table: &Table) -> Vec<Vec<String>> {
    let Table::Records { columns, cells } = table else { panic!("{table:?}") };
    let cells: Vec<String> = cells.iter().map(|c| c.escape_ascii().to_string()).collect();
    std::iter::once(columns.to_vec())
        .chain(cells.chunks(columns.len()).map(<[String]>::to_vec))
        .collect()
}

#[test]
fn csv_has_columns() {
    let csv = |content: &[u8]| from_file(Source::Csv, content);
    let table = csv(b"\xef\xbb\xbfid,name\r\n1,\"a \"\"b\"\",\nc\"\r\n2,\xff\r\n").unwrap().table;
    assert_eq!(rows(&table), [["id", "name"], ["1", "a \\\"b\\\",\\nc"], ["2", "\\xff"]]);
    let read = csv(b"id,First Name\n").unwrap();
    assert!(read.table.is_empty() && read.warnings.len() == 2, "{:?}", read.warnings);
    for (content, why) in [
        (b"a,b\n1,2\n3\n".as_slice(), "line 3 has 1 cells, the first row has 2"),
        (b"a,b\n1,2,3\n", "line 2 has 3 cells"),
        (b"a,a\n", "two columns are called `a`"),
        (b"a,\n", "column 2 has no name"),
        (b"", "no first row"),
        (b"a\n1\n\0\n", "line 3 holds a NUL"),
        (b"\xff\n", "not UTF-8"),
    ] {
        let error = csv(content).unwrap_err();
        assert!(error.why.contains(why), "{error}");
    }
}

#[test]
fn json_gives_values_or_columns() {
    let json = |content: &str| from_file(Source::Json, content.as_bytes());
    let table = json(r#"[1, 1.10, 1e3, -0, true, "a\n\"\u00fc, ]}", ""]"#).unwrap().table;
    assert_eq!(plain(&table), ["1", "1.10", "1e3", "-0", "true", "a\\n\\\"\\xc3\\xbc, ]}", ""]);
    let table = json(r#" [ {"id":1,"n":"a,]\\"} , {"n" : "b", "id" : 2.50} ] "#).unwrap().table;
    assert_eq!(rows(&table), [["id", "n"], ["1", "a,]\\\\"], ["2.50", "b"]]);
    assert!(json("[]").unwrap().warnings[0].contains("no rows"));
    for (content, why) in [
        (r#"{"a": 1}"#, "not a list"),
        ("{\"a\": 1}\n{\"a\": 2}", "not lines of JSON"),
        ("[1, 2", "not valid JSON"),
        ("[1, [2]]", "element 2 is a list"),
        (r#"[1, {"a": 1}]"#, "element 2 is an object"),
        (r#"[{"a": 1}, 1]"#, "element 2 is a value"),
        (r#"[{"a": [1]}]"#, "element 1: `a` is nested"),
        (r#"[{"a": {"b": 1}}]"#, "element 1: `a` is nested"),
        (r#"[{"a": 1}, {"b": 1}]"#, "element 2 has `b`"),
        (r#"[{"a": 1, "b": 2}, {"b": 1}]"#, "element 2 has no `a`"),
        (r#"[{"a": 1, "a": 2}]"#, "element 1 has `a` twice"),
        (r#"[{}]"#, "element 1 has no fields"),
        ("[null]", "element 1 is null"),
        (r#"["a\u0000"]"#, "element 1 holds a NUL"),
    ] {
        let error = json(content).unwrap_err();
        assert!(error.why.contains(why), "{content}: {error}");
    }
}

#[test]
fn env_files_have_quotes_and_comments() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("env");
    let text = b"# a comment\n\nA=1\r\n export B = two words  # why\nC='it\"s $HOME\nline two'\n\
        D=\"a\\n\\\"b\\\" \\$x \\d\" # end\nE=\nF=#none\nG=a#b=c\nH=\xff\nexport=9\nA=2";
    std::fs::write(&path, text).unwrap();
    let found = read_env_file(&path).unwrap();
    let found: Vec<(&str, &[u8])> = found.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    let wanted: [(&str, &[u8]); 10] = [
        ("A", b"1"),
        ("B", b"two words"),
        ("C", b"it\"s $HOME\nline two"),
        ("D", b"a\n\"b\" $x \\d"),
        ("E", b""),
        ("F", b""),
        ("G", b"a#b=c"),
        ("H", b"\xff"),
        ("export", b"9"),
        ("A", b"2"),
    ];
    assert_eq!(found, wanted);
    for (text, why) in [
        ("A=1\nsecret", "line 2 has no `=`"),
        ("1A=secret", "line 1 has no valid name"),
        ("\nA='secret\n\n", "line 2 opens a `'`"),
        ("A=\"secret\n\n", "line 1 opens a `\"`"),
        ("A='x' secret", "line 1 has text after"),
        ("A=secret\0", "line 1 holds a NUL"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = read_env_file(&path).unwrap_err();
        assert!(error.why.contains(why) && !error.to_string().contains("secret"), "{error}");
    }
    assert!(read_env_file(&dir.path().join("no")).unwrap_err().why.contains("no such file"));
}

proptest! {
    #[test]
    fn no_content_panics(
        content in prop::collection::vec(prop_oneof![
            prop::sample::select(b"\"'\\,:[]{}\n\r =#a1\0\xef".to_vec()), any::<u8>()], 0..64),
    ) {
        let _ = records::csv_table(&content);
        let _ = records::json_table(&content);
        let _ = env_file::parse(&content);
        let _ = without_crs(without_bom(content));
    }

    #[test]
    fn any_values_survive_json_and_csv(
        values in prop::collection::vec("[^\\x00]{0,8}", 1..8),
    ) {
        let json = serde_json::to_vec(&values).unwrap();
        let Table::Values(read) = records::json_table(&json).unwrap() else { panic!() };
        prop_assert!(read.iter().eq(values.iter().map(|v| v.as_bytes())));
        let mut text = csv::Writer::from_writer(Vec::new());
        text.write_record(["k", "v"]).unwrap();
        for value in &values {
            text.write_record([value.as_str(), "x"]).unwrap();
        }
        let text = text.into_inner().unwrap();
        let Table::Records { cells, .. } = records::csv_table(&text).unwrap() else { panic!() };
        prop_assert!(cells.iter().step_by(2).eq(values.iter().map(|v| v.as_bytes())));
    }
}
