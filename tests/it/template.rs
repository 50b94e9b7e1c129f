//! Values in shell text arrive as exactly one word: shown by running real shells.

#![allow(clippy::unwrap_used)]

use ganger::plan::template::{Place, Template, is_posix_shell};
use proptest::prelude::*;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

/// What every script begins with: `p` prints its arguments, each with a NUL after it; what is
/// printed inside a substitution goes to descriptor 3, the script's real output.
const PRELUDE: &str = "p() { printf '%s\\0' \"$@\"; }; exec 3>&1; H=h; unset u w\n";

/// A text and what it prints: `@` stands for the value, `|` ends an argument.
const EVERYWHERE: &[(&str, &str)] = &[
    // Bare.
    ("p {x}", "@|"),
    ("p {x} b", "@|b|"),
    ("p a{x}b", "a@b|"),
    ("p --file={x}", "--file=@|"),
    ("p {x}{x} {x}", "@@|@|"),
    ("p $H{x}", "h@|"),
    ("p \\\n  {x}", "@|"),
    ("p \\\\{x}", "\\@|"),
    ("p a#{x} # it's a `comment", "a#@|"),
    ("# it's $(not code\np {x}", "@|"),
    ("v={x}; p \"$v\"", "@|"),
    ("V={x} sh -c 'printf \"%s\\0\" \"$V\"'", "@|"),
    ("for i in {x} \"{x}\" '{x}'; do p \"$i\"; done", "@|@|@|"),
    ("f() { p \"$1\"; }; f {x}", "@|"),
    ("f () (p \"$1\"); f {x}", "@|"),
    ("(p {x})", "@|"),
    ("{ p {x}; }", "@|"),
    ("p {x}| cat", "@|"),
    ("p {x};p {x}&& p {x}", "@|@|@|"),
    ("if [ x{x} = \"x{x}\" ]; then p {x}; else p no; fi", "@|"),
    ("sh -c 'printf \"%s\\0\" \"$@\"' _ {x} \"{x}\"", "@|@|"),
    ("p {x} 2>/dev/null >&1", "@|"),
    ("set -- {x} \"a{x}\"; p \"$#\" \"$@\"", "2|@|a@|"),
    // In double quotes.
    ("p \"{x}\"", "@|"),
    ("p \"a {x} b\"", "a @ b|"),
    ("p \"$H{x}\"", "h@|"),
    ("p \"$H/{x}$H\"", "h/@h|"),
    ("p \"${H}{x}${H}\"", "h@h|"),
    ("p \"\\\\{x}\\\"\"", "\\@\"|"),
    ("p \"a\nb{x}\"", "a\nb@|"),
    ("p \"it's {x}\"", "it's @|"),
    // In single quotes.
    ("p '{x}'", "@|"),
    ("p 'a {x} b'", "a @ b|"),
    ("p '\"{x}\" $(no) `no`'", "\"@\" $(no) `no`|"),
    ("p '\\{x}\\'", "\\@\\|"),
    ("p a\"b{x}\"'c{x}'{x}d", "ab@c@@d|"),
    // In command substitutions.
    (": $(p {x} >&3)", "@|"),
    (": \"$(p {x} >&3)\"", "@|"),
    (": \"$(p \"{x}\" '{x}' a{x}b >&3)\"", "@|@|a@b|"),
    (": $(: \"$(: $(p \"{x}\" >&3))\" )", "@|"),
    (": $( # it's a comment )\n p {x} >&3 )", "@|"),
    (": $( (p {x}) >&3)", "@|"),
    (": `p {x} >&3`", "@|"),
    (": `p \"{x}\" '{x}' a{x}b >&3`", "@|@|a@b|"),
    (": \"`p {x} >&3`\"", "@|"),
    (": \"`p '{x}' >&3`\"", "@|"),
    (": \"`p \\\"{x}\\\" >&3`\"", "@|"),
    (": \"`p \\\"a {x}\\\" '{x}' >&3`\"", "a @|@|"),
    (": \"`: \\`p {x} \\\"{x}\\\" >&3\\``\"", "@|@|"),
    (": `: \\`p {x} \"{x}\" '{x}' >&3\\``", "@|@|@|"),
    (": `: $(p {x} \"{x}\" >&3)`", "@|@|"),
    (": $(: `p {x} \"{x}\" >&3`)", "@|@|"),
    // In parameter expansions.
    ("p ${u:-{x}}", "@|"),
    ("p ${u-a{x}b} {x}", "a@b|@|"),
    ("p ${u-\"{x}\"}", "@|"),
    ("p ${u-'{x}'}", "@|"),
    ("p ${u-$H{x}}", "h@|"),
    ("p ${H+{x}}", "@|"),
    ("p ${u-${w-{x}}}", "@|"),
    ("p ${u-`p {x} >&3`}", "@||"),
    ("p \"${u:-{x}}\"", "@|"),
    ("p \"${u-a {x} b}\"", "a @ b|"),
    ("p \"${u-${H}{x}}\"", "h@|"),
    ("p \"${H:+{x}}\"", "@|"),
    ("p \"${u-${w-{x}}}\"", "@|"),
    ("p \"${u-$(p {x} \"{x}\" >&3)}\"", "@|@||"),
    ("p \"$(p \"${u-{x}}\" >&3)\"", "@||"),
    ("unset z; p \"${z={x}}\" \"$z\"", "@|@|"),
    ("v={x}; p ${v#{x}}. ${v%{x}}.", ".|.|"),
    ("v=a{x}; p ${v%\"{x}\"} ${v%%'{x}'} {x}", "a|a|@|"),
    ("v={x}{x}; : ${v%{x}}; p \"${v#\"$v\"}{x}\"", "@|"),
    // Where a parenthesis ends no substitution.
    ("case {x} in {x}) p {x};; *) p no;; esac", "@|"),
    ("case \"{x}\" in (a\"b\" | '{x}') p {x};; *) p no;; esac", "@|"),
    (": $(case a in a) p {x} >&3;; esac)", "@|"),
    (": $(case a in\n(b | c)\n;;\n a) p {x} >&3\nesac; p {x} >&3)", "@|@|"),
    ("echo case in a >/dev/null; p {x}", "@|"),
    // Next to things that no value may stand in.
    ("p $((1 + (2 * 3))) {x}", "7|@|"),
    ("p $(( $(p {x} >&3; echo 1) + 1 ))", "@|2|"),
    ("cat >/dev/null <<EOF; p {x}\nit's $(echo \"a\") `echo` \\$(\nEOF\np {x}", "@|@|"),
    ("cat >/dev/null <<'E F'; p {x}\nit's $( `\nE F\np {x}", "@|@|"),
    ("cat >/dev/null <<-E\n\tit's\n\t\tE\np {x}", "@|"),
    ("cat <<E >/dev/null; cat <<F >/dev/null\na\nE\n\"b\nF\np {x}", "@|"),
    (": $(cat <<E >&3\na'\nE\np {x} >&3)", "a'\n@|"),
];

/// The same for what only bash knows.
const IN_BASH: &[(&str, &str)] = &[
    ("a=({x} \"{x}\" b); p \"${a[@]}\" \"${#a[@]}\"", "@|@|b|3|"),
    ("if [[ x{x} == x\"{x}\" ]]; then p {x}; fi", "@|"),
    ("if [[ x{x} =~ ^(x|y){x}$ ]]; then p {x}; fi", "@|"),
    ("read -r -d '' v <<< a; p {x}", "@|"),
    ("cat <(p {x}) > >(cat) | cat", "@|"),
    ("p $'a\\tb' {x}", "a\tb|@|"),
    ("p $\"{x}\"", "@|"),
    ("((1 + (1))); for ((i = 0; i < 1; i++)); do p {x}; done", "@|"),
    ("case a in a) p {x} ;;& *) p \"{x}\" ;& b) p '{x}' ;; esac", "@|@|@|"),
    ("p {x} |& cat; p {x} &> /dev/stdout", "@|@|"),
    ("a=(1 2); p \"${a[0]}\" \"${H^^}\" \"${H/h/$H}\" {x}", "1|H|h|@|"),
];

fn nasty_values() -> Vec<Vec<u8>> {
    let texts = [
        "",
        " ",
        "a",
        "if",
        "done",
        "a b",
        " a  b ",
        "'",
        "''",
        "\"",
        "a'b\"c",
        "it's",
        "\n",
        "a\n",
        "a\n\n",
        "\na",
        "a\nEOF\nb",
        "\t",
        "$",
        "$x",
        "${x}",
        "$(x)",
        "$(: >owned)",
        "`: >owned`",
        "';: >owned;'",
        "\";: >owned;\"",
        ")",
        "}",
        "}}",
        "\\",
        "\\\\",
        "a\\",
        "\\'",
        "\\\"",
        "\\`",
        "\\$",
        "\\}",
        "\\n",
        "-",
        "-n",
        "--",
        "-rf",
        "*",
        "?",
        "[a-z]*",
        "/*",
        "~",
        "~root",
        "~/a",
        "!",
        "!!",
        "a!b",
        "#",
        "#a",
        "&",
        ";",
        "|",
        "<",
        ">",
        "(",
        "2",
        "a=b",
        "=ls",
        "{a,b}",
        "{1..3}",
        "{x}",
        "{{x}}",
        "{vars.out}",
        "%s",
        "%",
        "+(a)",
        "@(a|b)",
        "a:b",
        "\r",
        "a\rb",
        "\u{1b}[31m",
        "ü",
        "日本",
        "\u{7f}",
        "\u{1}",
        "\u{2}",
        "a\u{1}b\u{7f}c",
        "$'a'",
        "^a^b",
    ];
    let mut values: Vec<Vec<u8>> = texts.iter().map(|t| t.as_bytes().to_vec()).collect();
    values.extend([
        b"\xff\xfe".to_vec(),
        b"a\x80'\x81b".to_vec(),
        b"\x81'\x82\"\x83$\x84`\x85\\\x86 \x87}\x88".to_vec(),
        b"\xe0\\\xe0'\xe0`\xe0\"".to_vec(),
        (1..=255).collect(),
        (1..=255).rev().collect(),
    ]);
    values
}

fn render(text: &str, value: &[u8]) -> Vec<u8> {
    let template = Template::parse(text, Place::PosixShell)
        .unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"));
    template.render(&|_| Some(Cow::Borrowed(value))).unwrap()
}

fn expected(pattern: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in pattern.bytes() {
        match byte {
            b'@' => out.extend_from_slice(value),
            b'|' => out.push(0),
            _ => out.push(byte),
        }
    }
    out
}

fn run(shell: &str, script: &[u8], dir: &std::path::Path) -> Vec<u8> {
    // `busybox sh` is two words.
    let mut words = shell.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .arg("-c")
        .arg(OsStr::from_bytes(script))
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if !output.stderr.is_empty() {
        let _ = std::io::stderr().write_all(&output.stderr);
    }
    output.stdout
}

/// Runs every text with one value: in one script, and one by one when that does not match.
fn check(shell: &str, cases: &[(&str, &str)], value: &[u8], dir: &std::path::Path) {
    let mut script = PRELUDE.as_bytes().to_vec();
    let mut wanted = Vec::new();
    for (text, pattern) in cases {
        script.extend(render(text, value));
        script.push(b'\n');
        wanted.extend(expected(pattern, value));
    }
    if run(shell, &script, dir) == wanted {
        return;
    }
    for (text, pattern) in cases {
        let mut script = PRELUDE.as_bytes().to_vec();
        script.extend(render(text, value));
        let printed = run(shell, &script, dir);
        assert!(
            printed == expected(pattern, value),
            "{shell}: {text:?} with {:?} became {:?} and printed {:?}",
            value.escape_ascii().to_string(),
            script.escape_ascii().to_string(),
            printed.escape_ascii().to_string(),
        );
    }
    panic!("{shell}: the texts work one by one but not together, value {value:?}");
}

fn check_all(value: &[u8], dir: &std::path::Path) {
    check("sh", EVERYWHERE, value, dir);
    check("bash", EVERYWHERE, value, dir);
    check("bash", IN_BASH, value, dir);
}

#[test]
fn a_value_arrives_as_one_word_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    for value in nasty_values() {
        check_all(&value, dir.path());
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a value was run as code");
}

#[test]
fn the_other_shells_that_are_known_read_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["dash", "busybox sh", "ksh", "mksh"] {
        let words: Vec<String> = shell.split(' ').chain(["-c"]).map(str::to_owned).collect();
        assert!(is_posix_shell(&words), "{shell}");
        if Command::new(&words[0]).args(&words[1..]).arg(":").stdin(Stdio::null()).status().is_err()
        {
            // The tests before this one hold for `sh` and bash in any case.
            println!("{shell} is not installed");
            continue;
        }
        // Every byte, bytes that are no text, and some of the texts: four shells take their time.
        let all = nasty_values();
        let (texts, bytes) = all.split_at(all.len() - 6);
        for value in texts.iter().step_by(5).chain(bytes) {
            check(shell, EVERYWHERE, value, dir.path());
        }
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a value was run as code");
}

#[test]
fn every_byte_arrives_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    for byte in 1..=255_u8 {
        check_all(&[b'a', byte, byte, b'\'', byte], dir.path());
    }
}

#[test]
fn a_value_reaches_a_program_and_a_redirection_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let name = b"a 'b' \"c\" $(d) \xff\n*";
    run("sh", &render("echo hello >{x}; /usr/bin/env printf %s {x} >>\"{x}\"", name), dir.path());
    let written = std::fs::read(dir.path().join(OsStr::from_bytes(name))).unwrap();
    assert_eq!(written, [b"hello\n".as_slice(), name].concat());
}

fn nasty_bytes() -> impl Strategy<Value = Vec<u8>> {
    let special =
        prop::sample::select(b"'\"\\$`(){}[]<>|&;#~*?!=%-^,.: \t\n\r\x01\x7f\x81\x88".to_vec());
    prop::collection::vec(prop_oneof![3 => special, 1 => 1..=255_u8], 0..12)
}

/// Pieces of shell text, thrown together at random: mostly nonsense, which a shell refuses.
fn random_text() -> impl Strategy<Value = String> {
    let pieces = [
        "{x}",
        "{x}",
        "{x}",
        "{x}",
        " ",
        " ",
        "\n",
        "'",
        "\"",
        "`",
        "\\",
        "\\`",
        "\\\"",
        "\\\\",
        "$(",
        ")",
        "(",
        "((",
        "))",
        "$((",
        "${u:-",
        "${H#",
        "${u",
        "}",
        "{ ",
        "; ",
        ";;",
        "case a in a) ",
        "case ",
        " in ",
        "esac",
        "# ",
        "#",
        "<<E\n",
        "<<'E'\n",
        "<<-E ",
        "\nE\n",
        "echo ",
        ": ",
        "a",
        "$",
        "$H",
        "$'",
        "$\"",
        "$[",
        "]",
        "|",
        "&",
        "&&",
        "<",
        ">",
        "<(",
        "if ",
        "then ",
        "fi",
        "for i in ",
        "do ",
        "done",
        "[[ ",
        " ]]",
        "=",
        "a[",
        "~",
        "!",
        "f()",
        "\t",
        "${H/",
        "1",
        "+",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 1..14).prop_map(|p| p.concat())
}

/// Values that leave a file behind when any part of them is run.
const TRAPS: &[&str] = &[
    "$(: >owned)",
    "`: >owned`",
    ";: >owned;",
    "\n: >owned\n",
    "';: >owned;'",
    "\";: >owned;\"",
    ");: >owned;(",
    "};: >owned;{ ",
    "'$(: >owned)'",
    "\"$(: >owned)\"",
    "'\"$(: >owned)\"'",
    "\\$(: >owned)",
    "\\\\`: >owned`\\\\",
    "\nE\n: >owned\n",
    "))\n: >owned\n",
    "x[$(: >owned)]",
    "]$(: >owned)",
    "'; : >owned #",
    "\"; : >owned #",
    "`; : >owned #",
    "<(: >owned)",
    ">(: >owned)",
    "(: >owned)",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_value_arrives_as_one_word(value in nasty_bytes()) {
        let dir = tempfile::tempdir().unwrap();
        check_all(&value, dir.path());
    }

    /// Set GANGER_TEST_TEXTS to try more texts.
    #[test]
    fn no_value_is_ever_run_as_code(texts in prop::collection::vec(random_text(), n_texts())) {
        let dir = tempfile::tempdir().unwrap();
        for text in texts.iter().filter(|t| t.contains("{x}")) {
            let Ok(template) = Template::parse(text, Place::PosixShell) else { continue };
            for trap in TRAPS {
                let mut script = b"PATH=/nonexistent\n".to_vec();
                script.extend(template.render(&|_| Some(Cow::Borrowed(trap.as_bytes()))).unwrap());
                for shell in ["sh", "bash"] {
                    let status = Command::new(shell)
                        .arg("-c")
                        .arg(OsStr::from_bytes(&script))
                        .current_dir(dir.path())
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .status();
                    prop_assert!(status.is_ok());
                    prop_assert!(
                        !dir.path().join("owned").exists(),
                        "{}: {:?} became {:?}", shell, text, String::from_utf8_lossy(&script)
                    );
                }
            }
        }
    }
}

fn n_texts() -> usize {
    std::env::var("GANGER_TEST_TEXTS").ok().and_then(|n| n.parse().ok()).unwrap_or(4)
}
