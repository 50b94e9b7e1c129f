//! What a person searches output for. The same matcher finds lines and marks them on screen.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Bytes that a compiled pattern may take: stops patterns that count very far.
const COMPILED_BYTES: usize = 1 << 20;

/// A pattern as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    pub text: String,
    /// `text` is a regular expression, not plain text.
    #[serde(default)]
    pub regex: bool,
    #[serde(default)]
    pub case: Case,
}

/// Whether capitals matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// Only when the pattern has one, as vim and ripgrep do.
    #[default]
    Smart,
    Exact,
    Ignore,
}

impl Pattern {
    /// Reads what was typed: `/regex/`, everything else is plain text.
    pub fn typed(text: &str) -> Pattern {
        let inner = text.strip_prefix('/').and_then(|t| t.strip_suffix('/'));
        let regex = inner.is_some_and(|t| !t.is_empty());
        let text = inner.filter(|_| regex).unwrap_or(text).to_owned();
        Pattern { text, regex, case: Case::Smart }
    }

    /// Makes it ready to search.
    ///
    /// # Errors
    /// In words, when it is empty or no regular expression.
    pub fn matcher(&self) -> Result<Matcher, String> {
        if self.text.is_empty() {
            return Err("there is nothing to search for".to_owned());
        }
        let ignore_case = match self.case {
            Case::Smart => !has_capital(&self.text, self.regex),
            Case::Exact => false,
            Case::Ignore => true,
        };
        let text = if self.regex { self.text.clone() } else { regex::escape(&self.text) };
        RegexBuilder::new(&text)
            .case_insensitive(ignore_case)
            .size_limit(COMPILED_BYTES)
            .build()
            .map(Matcher)
            .map_err(|e| format!("`/{}/` is no regular expression: {}", self.text, reason(&e)))
    }
}

/// The last line of the parser's picture says what is wrong.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

/// Whether a letter that is meant as itself is a capital; `\S` and `\B` are not.
fn has_capital(text: &str, is_regex: bool) -> bool {
    let mut escaped = false;
    text.chars().any(|c| {
        let counts = !std::mem::take(&mut escaped);
        escaped = is_regex && counts && c == '\\';
        counts && c.is_uppercase()
    })
}

/// A pattern made ready.
#[derive(Clone, Debug)]
pub struct Matcher(Regex);

impl Matcher {
    /// Returns where in a line the pattern is found first, in bytes.
    pub fn first(&self, line: &str) -> Option<Range<usize>> {
        self.0.find(line).map(|m| m.range())
    }

    /// Returns every place in a line that holds at least one letter, in bytes.
    pub fn all<'a>(&'a self, line: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        self.0.find_iter(line).map(|m| m.range()).filter(|range| !range.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_make_a_regular_expression_and_capitals_matter_when_typed() {
        for (typed, line, found) in [
            ("error", "an ERROR", Some(3..8)),
            ("Error", "an ERROR", None),
            ("a.c", "abc a.c", Some(4..7)),
            ("/a.c/", "abc a.c", Some(0..3)),
            ("/", "a/b", Some(1..2)),
            ("//", "a//b", Some(1..3)),
            ("/usr", "in /usr/bin", Some(3..7)),
            ("/\\S+$/", "two WORDS", Some(4..9)),
            ("/é+/", "ÉÉ", Some(0..4)),
        ] {
            let matcher = Pattern::typed(typed).matcher().unwrap();
            assert_eq!(matcher.first(line), found, "{typed} in {line}");
        }
    }

    #[test]
    fn what_cannot_be_searched_is_refused_in_words() {
        assert!(Pattern::typed("").matcher().is_err());
        let error = Pattern::typed("/a(b/").matcher().unwrap_err();
        assert!(error.contains("unclosed group") && !error.contains('\n'), "{error}");
        assert!(Pattern::typed("/(a{1000}){1000}/").matcher().is_err());
    }
}
