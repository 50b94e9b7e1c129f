use super::*;
use proptest::prelude::*;

fn parse(text: &str, place: Place) -> Template {
    Template::parse(text, place).unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"))
}

/// Fills every placeholder with its own name in angle brackets.
fn plain(text: &str) -> String {
    let filled = parse(text, Place::Plain)
        .render(&|name| Some(Cow::Owned(format!("<{name}>").into_bytes())))
        .unwrap();
    String::from_utf8(filled).unwrap()
}

fn shell(text: &str, value: &str) -> String {
    let filled =
        parse(text, Place::PosixShell).render(&|_| Some(Cow::Borrowed(value.as_bytes()))).unwrap();
    String::from_utf8(filled).unwrap()
}

fn errors(text: &str) -> Vec<TemplateError> {
    match Template::parse(text, Place::PosixShell) {
        Ok(template) => panic!("{text:?} was taken: {template:?}"),
        Err(errors) => errors,
    }
}

#[test]
fn only_identifiers_in_braces_are_placeholders() {
    for (text, filled) in [
        ("{x}", "<x>"),
        ("a {x.stem}b{vars.out}", "a <x.stem>b<vars.out>"),
        ("{_a1}{A}", "<_a1><A>"),
        ("{x}}", "<x>}"),
        ("{\"a\": {x}}", "{\"a\": <x>}"),
        ("{{x},b}", "{<x>,b}"),
        ("{a,{x}}", "{a,<x>}"),
        ("$${x} {x}$", "$${x} <x>$"),
        ("ü{x}ü", "ü<x>ü"),
    ] {
        assert_eq!(plain(text), filled, "{text}");
    }
    for same in [
        "",
        "{}",
        "{ x }",
        "{a,b}",
        "${HOME}",
        "awk '{print $1}'",
        "{1}",
        "{1a}",
        "{a.b.c}",
        "{a.}",
        "{.a}",
        "{a-b}",
        "{a b}",
        "{",
        "}",
        "{a",
        "a}",
        "${x.y}",
        "{ü}",
        "{a.1}",
        "find -exec rm {} +",
        "{\nx}",
    ] {
        assert_eq!(plain(same), same);
        assert_eq!(parse(same, Place::OtherShell).as_literal(), Some(same));
    }
}

#[test]
fn doubled_braces_give_single_ones() {
    for (text, filled) in [
        ("{{x}}", "{x}"),
        ("{{vars.out}} {x}", "{vars.out} <x>"),
        ("{{{x}}}", "{{x}}"),
        ("{{{{x}}}}", "{{{x}}}"),
        ("${{x}}", "${x}"),
        ("{{x}}{{y}}{z}", "{x}{y}<z>"),
        ("{\"k\":{{x}}}", "{\"k\":{x}}"),
    ] {
        assert_eq!(plain(text), filled, "{text}");
    }
    assert_eq!(parse("a{{x}}b", Place::OtherShell).as_literal(), Some("a{x}b"));
    assert_eq!(Template::literal("{x}").as_literal(), Some("{x}"));
    assert_eq!(Template::literal("").as_literal(), Some(""));
    for same in ["{{}}", "{{ x }}", "{{1}}", "{{a,b}}"] {
        assert_eq!(plain(same), same);
    }
}

#[test]
fn a_value_is_put_in_once() {
    let template = parse("{a}{b}", Place::Plain);
    let filled = template
        .render(&|name| Some(Cow::Borrowed(if name.base == "a" { b"{b}{{b}}" } else { b"2" })));
    assert_eq!(filled.unwrap(), b"{b}{{b}}2");
    let unknown = template.render(&|_| None).unwrap_err();
    assert_eq!(unknown.to_string(), "`{a}` is not known here");
    let nul = template.render(&|_| Some(Cow::Borrowed(b"a\0"))).unwrap_err();
    assert!(nul.to_string().contains("`{a}` holds a NUL"), "{nul}");
}

#[test]
fn names_know_where_they_stand() {
    let text = "ü {x} {{y}} {vars.out}";
    let template = parse(text, Place::Plain);
    let names: Vec<&Name> = template.names().collect();
    assert_eq!(names.len(), 2);
    for name in names {
        assert_eq!(&text[name.offset..name.offset + name.len], format!("{{{name}}}"));
    }
}

#[test]
fn shell_words_are_quoted_only_where_they_must_be() {
    for (text, value, filled) in [
        ("gzip -k {x}", "/a/b-c_1.txt", "gzip -k /a/b-c_1.txt"),
        ("sleep {x};", "0.5", "sleep 0.5;"),
        ("{x} a", "if", "'if' a"),
        ("p {x}", "", "p ''"),
        ("p {x}", "it's", "p 'it'\\''s'"),
        ("p a{x}", "1", "p a'1'"),
        ("p {x}>f", "2", "p '2'>f"),
        ("p {x}", "~", "p '~'"),
        ("p {x}", "a=b", "p 'a=b'"),
        ("p \"{x}\"", "a b*", "p \"a b*\""),
        ("p \"{x}\"", "$a", "p \"\"'$a'\"\""),
        ("p \"$h{x}\"", "a", "p \"$h\"'a'\"\""),
        ("p '{x}'", "a b", "p 'a b'"),
    ] {
        assert_eq!(shell(text, value), filled, "{text} {value}");
    }
}

#[test]
fn where_no_word_can_stand_a_placeholder_is_an_error() {
    for (text, place) in [
        ("echo # {x}", "in a comment"),
        ("#{x}", "in a comment"),
        (": $(a # {x}\n)", "in a comment"),
        (": `a # {x}`", "in a comment"),
        ("cat <<E\n{x}\nE", "in a here-document"),
        ("cat <<'E'\n'{x}\nE\n", "in a here-document"),
        ("cat <<-\"E\"; a\n\t$(b '{x}')\n\tE\n", "in a here-document"),
        ("cat <<E\n${a:-{x}}\nE", "in a here-document"),
        ("echo $(({x} + 1))", "in shell arithmetic"),
        ("echo \"$((1 + {x}))\"", "in shell arithmetic"),
        ("echo $((1 + (\"{x}\")))", "in shell arithmetic"),
        ("(({x} > 1)) && a", "in shell arithmetic"),
        ("for ((i = 0; i < {x}; i++)); do a; done", "in shell arithmetic"),
        ("echo $[{x}]", "in shell arithmetic"),
        ("echo \\{x}", "after a backslash"),
        ("echo \"\\{x}\"", "after a backslash"),
        ("echo \\\\\\{x}", "after a backslash"),
        ("echo `echo '\\{x}'`", "after a backslash"),
        ("echo ${a/b/{x}}", "in a part of `${...}`"),
        ("echo ${a:{x}}", "in a part of `${...}`"),
        ("echo \"${a#{x}}\"", "in a part of `${...}`"),
        ("echo ${#{x}}", "in a part of `${...}`"),
        ("echo ${a[{x}]}", "in a part of `${...}`"),
        ("echo ${{x}-a}", "in a part of `${...}`"),
        ("echo ${a:={x}}", "in `${name=...}`"),
        ("echo \"${a-$b{x}}\"", "directly after `$name`"),
        ("echo $'{x}'", "in `$'...'`"),
        ("a[{x}]=1", "in the index of an array"),
    ] {
        let errors = errors(text);
        let [error] = errors.as_slice() else { panic!("{text:?}: {errors:?}") };
        assert!(error.message.starts_with("`{x}` stands "), "{text:?}: {error:?}");
        assert!(error.message.contains(place), "{text:?}: {error:?}");
        assert!(error.hint.as_ref().unwrap().contains("`GANGER_VAR_x`"), "{error:?}");
        assert_eq!(&text[error.offset..error.offset + error.len], "{x}");
    }
}

#[test]
fn all_errors_come_at_once_and_others_are_not_in_the_way() {
    let text = "echo {a} # {b}\necho $(({vars.c})) {d}\n# {job}";
    let errors = errors(text);
    let shown: Vec<&str> = errors.iter().map(|e| &text[e.offset..e.offset + e.len]).collect();
    assert_eq!(shown, ["{b}", "{vars.c}", "{job}"]);
    let hints: Vec<&str> = errors.iter().map(|e| e.hint.as_deref().unwrap()).collect();
    assert!(hints[0].contains("GANGER_VAR_b") && hints[0].contains("`{{b}}`"), "{hints:?}");
    assert!(hints[1].contains("VARS_C: \"{vars.c}\""), "{hints:?}");
    assert!(hints[2].contains("`GANGER_JOB`"), "{hints:?}");
}

#[test]
fn what_shells_read_differently_is_not_guessed() {
    for (text, why) in [
        ("echo {x} 'a", "a `'` is not closed"),
        ("echo {x} \"a", "a `\"` is not closed"),
        ("echo {x} `a", "a backquote is not closed"),
        ("echo $(a {x}", "a `$(` is not closed"),
        ("(a {x}", "a `(` is not closed"),
        ("a {x})", "a `)` closes nothing"),
        ("echo ${a-{x}", "a `${` is not closed"),
        ("case {x} in a) b", "a `case` has no `esac`"),
        ("case {x} of", "not followed by `in`"),
        ("((a); (b {x}))", "begins arithmetic"),
        ("echo \"${a-it's {x}}\"", "read `'`"),
        ("echo \"`echo \"{x}\"`\"", "in backquotes in double quotes"),
        ("echo $'a\\'b' {x}", "in `$'...'`"),
        ("cat <<{x}\n", "must be written out"),
        ("cat << ; {x}\n", "not followed by a word"),
        ("cat <<$E\n{x}", "is an expansion"),
        ("cat <<E \"a\nb\" {x}\nE\n", "a here-document is to begin"),
        ("cat <<E\n$(a\nE\n{x}", "is not closed"),
        ("echo ${ {x};}", "followed by a blank"),
    ] {
        let errors = errors(text);
        let [error] = errors.as_slice() else { panic!("{text:?}: {errors:?}") };
        assert!(error.message.starts_with("cannot tell how the shell reads this"), "{error:?}");
        assert!(error.message.contains(why), "{text:?}: {error:?}");
        assert!(text.is_char_boundary(error.offset) && error.offset <= text.len());
        assert!(error.hint.is_some());
        // The same text without placeholders is nobody's business.
        assert!(Template::parse(&text.replace("{x}", "x"), Place::PosixShell).is_ok());
    }
    let deep = format!("{}{{x}}{}", "$(".repeat(100), ")".repeat(100));
    assert!(errors(&deep)[0].message.contains("nested too deeply"));
}

#[test]
fn other_shells_take_no_placeholders() {
    let found = Template::parse("print({x}, {vars.y})", Place::OtherShell).unwrap_err();
    assert_eq!(found.len(), 2);
    assert!(found[0].message.contains("not a POSIX shell"), "{found:?}");
    assert!(found[0].hint.as_ref().unwrap().contains("GANGER_VAR_x"), "{found:?}");
}

#[test]
fn posix_shells_are_known_by_name_and_take_a_text() {
    let is = |words: &str| is_posix_shell(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
    for yes in [
        "sh -c",
        "/bin/dash -ec",
        "bash -euo pipefail -c",
        "/usr/bin/env bash -c",
        "busybox sh -c",
        "ksh -c",
        "bash -lc",
        "ash -ce",
    ] {
        assert!(is(yes), "{yes}");
    }
    for no in [
        "python3 -c",
        "fish -c",
        "zsh -c",
        "yash -c",
        "sh",
        "sh -e",
        "bash --norc",
        "perl -e",
        "env",
        "",
        "cash -c",
    ] {
        assert!(!is(no), "{no}");
    }
    assert!(!is_posix_shell(&[]));
}

#[test]
fn values_have_the_parts_of_paths() {
    for (value, name, stem, ext, dir) in [
        ("a/b.tar.gz", "b.tar.gz", "b.tar", "gz", "a"),
        ("/x/y.png", "y.png", "y", "png", "/x"),
        ("plain", "plain", "plain", "", "."),
        ("/root", "root", "root", "", "/"),
        ("/", "/", "/", "", "/"),
        ("//", "/", "/", "", "/"),
        ("", "", "", "", "."),
        ("a/b/", "b", "b", "", "a"),
        ("a//b", "b", "b", "", "a"),
        (".bashrc", ".bashrc", ".bashrc", "", "."),
        ("..x", "..x", "..x", "", "."),
        (".a.b", ".a.b", ".a", "b", "."),
        ("a.", "a.", "a.", "", "."),
        ("..", "..", "..", "", "."),
        ("./a.b", "a.b", "a", "b", "."),
        ("a.d/b", "b", "b", "", "a.d"),
    ] {
        let part =
            |field| std::str::from_utf8(value_field(value.as_bytes(), field).unwrap()).unwrap();
        let parts = (part("name"), part("stem"), part("ext"), part("dir"));
        assert_eq!(parts, (name, stem, ext, dir), "{value:?}");
    }
    assert_eq!(value_field(b"a", "size"), None);
    assert_eq!(value_field(b"d/\xff.\xfe", "ext"), Some(b"\xfe".as_slice()));
}

#[test]
fn unknown_names_get_the_nearest_one() {
    let hint = |text: &str, known: &[&str]| {
        let template = parse(&format!("{{{text}}}"), Place::Plain);
        let name = template.names().next().unwrap().clone();
        unknown_name_hint(&name, known.iter().copied())
    };
    let known = ["picture", "size", "vars.out", "job"];
    assert!(hint("pictrue", &known).starts_with("Did you mean `{picture}`?"));
    assert!(hint("pictur.stem", &known).starts_with("Did you mean `{picture.stem}`?"));
    assert!(hint("vars.outt", &known).starts_with("Did you mean `{vars.out}`?"));
    assert!(hint("out", &known).starts_with("Did you mean `{vars.out}`?"));
    assert!(hint("vars.o", &known).starts_with("Did you mean `{vars.out}`?"));
    assert!(hint("var.out", &known).starts_with("Did you mean `{vars.out}`?"));
    assert!(hint("var.xyz", &known).starts_with("Known here: `{vars.out}`. To keep"));
    assert!(hint("vars.xyz", &known).starts_with("Known here: `{vars.out}`. To keep"));
    assert!(hint("var.stem", &["var", "vars.x"]).starts_with("Known here"), "an input of its own");
    assert!(hint("print", &known).starts_with("Known here: `{job}`, `{picture}`"));
    assert!(hint("print", &known).ends_with("write `{{print}}`."));
    assert_eq!(hint("x", &[]), "To keep the text as it is, write `{{x}}`.");
}

proptest! {
    #[test]
    fn no_text_panics_and_errors_point_into_it(
        text in "([{}$x.'\"\\\\`()<#\n EU=:\\-é|;&\\[\\]]|\\{x\\}|case|esac|in |\\$\\(|<<E){0,24}",
    ) {
        for place in [Place::Plain, Place::PosixShell, Place::OtherShell] {
            match Template::parse(&text, place) {
                Ok(template) => {
                    prop_assert!(template.render(&|_| Some(Cow::Borrowed(b"'"))).is_ok());
                    for name in template.names() {
                        let shown = format!("{{{name}}}");
                        prop_assert_eq!(&text[name.offset..name.offset + name.len], shown);
                    }
                }
                Err(errors) => {
                    prop_assert!(!errors.is_empty());
                    for error in errors {
                        prop_assert!(error.offset <= text.len(), "{:?}", error);
                    }
                }
            }
        }
    }

    #[test]
    fn text_with_braces_doubled_comes_back(names in prop::collection::vec("[a-z]{1,4}", 0..5)) {
        let text: String = names.iter().map(|n| format!("{{{n}}} ")).collect();
        let doubled: String = names.iter().map(|n| format!("{{{{{n}}}}} ")).collect();
        let template = parse(&doubled, Place::Plain);
        prop_assert_eq!(template.as_literal(), Some(text.as_str()));
    }

    #[test]
    fn stem_and_ext_make_the_name(value in prop::collection::vec(prop::sample::select(b"ab./\xff".to_vec()), 0..10)) {
        let part = |field| value_field(&value, field).unwrap().to_vec();
        let (name, stem, ext) = (part("name"), part("stem"), part("ext"));
        let joined = if ext.is_empty() { stem } else { [stem, b".".to_vec(), ext].concat() };
        prop_assert_eq!(joined, name);
    }
}
