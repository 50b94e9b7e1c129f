//! The program that a shell text starts with, when that is plain to see.

use std::ops::Range;

/// Words that a shell takes for its own: keywords, and builtins of sh and bash that are not
/// programs everywhere too.
const OF_THE_SHELL: [&str; 79] = [
    "!",
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "while",
];

/// Returns the place of the program that a text for a POSIX shell runs first.
///
/// `None` when the first word is not plainly a program: an assignment, a keyword or builtin, a
/// word with quotes, expansions or placeholders, or the name of a function being defined.
pub fn program_of(text: &str) -> Option<Range<usize>> {
    let start = first_word(text)?;
    let rest = text.get(start..)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+');
    let len = rest.find(|c| !plain(c)).unwrap_or(rest.len());
    let (word, after) = rest.split_at(len);
    let ends =
        after.is_empty() || after.starts_with([' ', '\t', '\n', ';', '|', '&', '>', '<', ')']);
    let defines = after.trim_start().starts_with('(');
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    if word.is_empty() || !ends || defines || digits || OF_THE_SHELL.contains(&word) {
        return None;
    }
    Some(start..start + len)
}

/// Returns where the first word begins, after blanks, comments and opening brackets.
fn first_word(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let c = rest.chars().next()?;
        if c == '#' {
            at += rest.find('\n')?;
        } else if c.is_ascii_whitespace() || c == '(' {
            at += 1;
        } else if rest.starts_with("{ ") || rest.starts_with("! ") {
            at += 2;
        } else {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_only_when_it_is_plain() {
        for (text, expected) in [
            ("gzip -k x", Some("gzip")),
            ("  # first\n\n ./build.sh", Some("./build.sh")),
            ("(sort a | uniq)", Some("sort")),
            ("{ g++ a.cc; }", Some("g++")),
            ("! grep x", Some("grep")),
            ("ls;", Some("ls")),
            ("ls", Some("ls")),
            ("cd /tmp && x", None),
            ("A=1 b", None),
            ("$EDITOR x", None),
            ("{x} y", None),
            ("pre{x} y", None),
            ("\"my prog\" y", None),
            ("f() { :; }; f", None),
            ("if true; then :; fi", None),
            ("[ -f x ]", None),
            (": > x", None),
            ("2>x ls", None),
            ("> x ls", None),
            ("# only a comment", None),
            ("", None),
            ("日本 x", None),
        ] {
            assert_eq!(program_of(text).map(|r| &text[r]), expected, "{text:?}");
        }
    }
}
