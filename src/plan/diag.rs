//! Problems of a task file: where, what, and what to try.
//!
//! A [`Diagnostic`] is plain data; [`Source`] turns byte offsets into lines and columns and
//! draws the line a problem is on. Never reads a file: text comes in as an argument.

use crate::model::limits;
pub use crate::model::nearest::nearest;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// Columns of a source line that are shown at the most, around the caret.
const SHOWN_COLUMNS: usize = 100;
/// A longer line is not looked through for the part to show.
const DRAWN_LINE_BYTES: usize = 1 << 20;
/// Columns that a tab takes in a shown line.
const TAB: &str = "    ";

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The task file cannot run.
    Error,
    /// It can, but perhaps not as meant.
    Warning,
}

/// A place in a task file: line and column from 1, column and length in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    /// Length of what is meant, up to the end of its first line; at least 1.
    pub length: u32,
}

/// One problem of a task file, or of the command line that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// What is wrong and why. Lower case, no full stop.
    pub message: String,
    /// `None`: not a place in the file, such as an unknown name after `--set`.
    pub span: Option<Span>,
    /// What to try, in whole sentences.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Makes an error about no place in the file.
    pub fn error(message: impl Into<String>, hint: Option<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, message: message.into(), span: None, hint }
    }

    /// Makes a warning about a place in the file.
    pub fn warning(span: Option<Span>, message: impl Into<String>, hint: Option<String>) -> Self {
        Diagnostic { severity: Severity::Warning, message: message.into(), span, hint }
    }

    /// Tells whether the task file cannot run because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Draws the problem with file, line, column and source line, ending with a line break.
    ///
    /// Control characters, of the file as of names in messages, are shown as pictures.
    pub fn render(&self, source: &Source<'_>) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!("{word}: {}\n", harmless(&self.message));
        match self.span {
            Some(span) => draw_source_line(&mut out, source, span),
            None => drop(writeln!(out, " --> {}", harmless(source.name))),
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "hint: {}", harmless(hint));
        }
        out
    }
}

/// Problems on their way to [`Diagnostic`]s: places are still bytes.
///
/// Each is kept once: what is wrong in `defaults` comes up for every task.
#[derive(Debug, Default)]
pub struct Problems {
    list: HashSet<Problem>,
    errors: usize,
}

/// Problems that are kept before the first of the file are picked: bounds the memory that a
/// large file of nothing but mistakes takes.
const KEPT_PROBLEMS: usize = 40 * limits::DIAGNOSTICS;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Problem {
    /// `None` sorts first: it is about the file as a whole or the command line.
    range: Option<(usize, usize)>,
    severity: Severity,
    message: String,
    hint: Option<String>,
}

impl Problems {
    /// Adds an error at a range of bytes.
    pub fn error(&mut self, at: &Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, Some(at), message.into(), hint);
    }

    /// Adds a warning at a range of bytes.
    pub fn warning(&mut self, at: &Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Warning, Some(at), message.into(), hint);
    }

    /// Adds an error about no place in the file.
    pub fn error_nowhere(&mut self, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, None, message.into(), hint);
    }

    fn add(
        &mut self,
        severity: Severity,
        at: Option<&Range<usize>>,
        message: String,
        hint: Option<String>,
    ) {
        self.errors += usize::from(severity == Severity::Error);
        if self.list.len() < KEPT_PROBLEMS {
            let range = at.map(|r| (r.start, r.end));
            self.list.insert(Problem { range, severity, message, hint });
        }
    }

    /// Tells whether anything stands in the way of a run.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Tells whether there are so many problems that looking for near names is not worth it.
    pub fn are_many(&self) -> bool {
        self.list.len() > limits::DIAGNOSTICS
    }

    /// Returns the problems in the order of the file, each once, and at the most
    /// [`limits::DIAGNOSTICS`] of them with a note on how many were left out.
    pub fn into_diagnostics(self, source: &Source<'_>) -> Vec<Diagnostic> {
        let mut list: Vec<Problem> = self.list.into_iter().collect();
        list.sort();
        let beyond = list.get(limits::DIAGNOSTICS..).unwrap_or_default();
        let severity = beyond.iter().map(|p| p.severity).min();
        let mut all: Vec<Diagnostic> = list
            .into_iter()
            .take(limits::DIAGNOSTICS)
            .map(|p| Diagnostic {
                severity: p.severity,
                message: p.message,
                span: p.range.map(|(start, end)| source.span(&(start..end))),
                hint: p.hint,
            })
            .collect();
        if let Some(severity) = severity {
            let message =
                format!("more than {0} problems: the first {0} are shown", limits::DIAGNOSTICS);
            let hint = Some("Correct these first, then check again.".to_owned());
            all.push(Diagnostic { severity, message, span: None, hint });
        }
        all
    }
}

/// Draws all problems, an empty line between two.
pub fn render_all(diagnostics: &[Diagnostic], source: &Source<'_>) -> String {
    diagnostics.iter().map(|d| d.render(source)).collect::<Vec<_>>().join("\n")
}

/// A task file's text and name, to find lines and columns in.
#[derive(Debug)]
pub struct Source<'a> {
    pub name: &'a str,
    text: Cow<'a, str>,
    /// Byte offset of each line's first character.
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Takes a text as it was read; bytes that are not UTF-8 are shown as U+FFFD.
    pub fn new(name: &'a str, bytes: &'a [u8]) -> Source<'a> {
        let text = String::from_utf8_lossy(bytes);
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let line_starts = std::iter::once(0).chain(breaks).collect();
        Source { name, text, line_starts }
    }

    /// Returns the place of a range of bytes; a range beyond the text is its end.
    pub fn span(&self, range: &Range<usize>) -> Span {
        let start = self.char_boundary(range.start);
        let line_idx = self.line_starts.partition_point(|s| *s <= start).saturating_sub(1);
        let line_start = self.line_starts.get(line_idx).copied().unwrap_or(0);
        let line_end = line_start + self.line(line_idx).len();
        let end = self.char_boundary(range.end).clamp(start, line_end.max(start));
        let characters = |r: Range<usize>| self.text.get(r).map_or(0, |s| s.chars().count());
        let bom = usize::from(line_idx == 0 && start > 0 && self.text.starts_with('\u{feff}'));
        Span {
            line: to_u32(line_idx + 1),
            column: to_u32(characters(line_start..start).saturating_sub(bom) + 1),
            length: to_u32(characters(start..end).max(1)),
        }
    }

    /// Returns the number of the line, from 1, that holds the byte at `offset`.
    pub fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|s| *s <= offset)
    }

    /// Returns the text of a range of bytes; nothing when it is not text.
    pub fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or("")
    }

    /// Returns the line's text, without its line break; `idx` counts from 0.
    fn line(&self, idx: usize) -> &str {
        let start = self.line_starts.get(idx).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(idx + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    fn char_boundary(&self, offset: usize) -> usize {
        let mut at = offset.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Appends ` --> file:line:column`, the line, and a caret under the place.
fn draw_source_line(out: &mut String, source: &Source<'_>, span: Span) {
    let gutter = span.line.to_string().len();
    let line_idx = span.line.saturating_sub(1) as usize;
    let line = source.line(line_idx);
    let line = if line_idx == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
    if line.len() > DRAWN_LINE_BYTES {
        let _ = writeln!(out, " --> {}:{}:{}", harmless(source.name), span.line, span.column);
        return;
    }
    let at = line
        .char_indices()
        .nth(span.column.saturating_sub(1) as usize)
        .map_or(line.len(), |(i, _)| i);
    let view = cut_around(line, at, span.length as usize);
    let _ =
        writeln!(out, "{:gutter$}--> {}:{}:{}", "", harmless(source.name), span.line, span.column);
    let _ = writeln!(out, "{:gutter$} |", "");
    let _ = writeln!(out, "{} | {}", span.line, view.text.trim_end());
    let _ = writeln!(out, "{:gutter$} | {:2$}{3}", "", "", view.caret_column, view.carets);
}

/// A shown piece of a line, and where its carets go.
struct View {
    text: String,
    caret_column: usize,
    carets: String,
}

/// Cuts a long line so that the place at byte `at` is in view.
fn cut_around(line: &str, at: usize, length: usize) -> View {
    let (before, after) = line.split_at(at);
    let mut left: Vec<Cow<'static, str>> = Vec::new();
    let mut caret_column = 0;
    let mut cut_left = false;
    for c in before.chars().rev() {
        let shown = shown_char(c);
        caret_column += width(&shown);
        if caret_column > SHOWN_COLUMNS / 2 && before.chars().count() > left.len() + 1 {
            caret_column -= width(&shown);
            cut_left = true;
            break;
        }
        left.push(shown);
    }
    let mut text: String = if cut_left { "…".to_owned() } else { String::new() };
    caret_column += usize::from(cut_left);
    text.extend(left.into_iter().rev());
    let mut columns = caret_column;
    let mut marked = 0;
    for (i, c) in after.chars().enumerate() {
        let shown = shown_char(c);
        if columns + width(&shown) > SHOWN_COLUMNS {
            text.push('…');
            break;
        }
        columns += width(&shown);
        if i < length {
            marked += width(&shown);
        }
        text.push_str(&shown);
    }
    View { text, caret_column, carets: "^".repeat(marked.max(1)) }
}

/// Returns a text with every character that could move the cursor or reorder text replaced.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| !is_harmful(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(picture).collect())
}

fn shown_char(c: char) -> Cow<'static, str> {
    if c == '\t' { Cow::Borrowed(TAB) } else { Cow::Owned(picture(c).to_string()) }
}

fn width(shown: &str) -> usize {
    shown.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Control characters, and characters that change the direction of what follows.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn picture(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        _ if is_harmful(c) => '\u{fffd}',
        _ => c,
    }
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, range: Range<usize>) -> String {
        let source = Source::new("a.yaml", text.as_bytes());
        let span = Some(source.span(&range));
        Diagnostic::warning(span, "odd", Some("Try it.".into())).render(&source)
    }

    #[test]
    fn a_problem_shows_its_line_and_a_caret_under_the_place() {
        assert_eq!(
            drawn("name: x\nworker: 3\n", 8..14),
            "warning: odd\n --> a.yaml:2:1\n  |\n2 | worker: 3\n  | ^^^^^^\nhint: Try it.\n"
        );
    }

    #[test]
    fn tabs_wide_characters_and_controls_keep_the_caret_in_place() {
        let shown = drawn("\t日本\u{1b}[31m: x\r\n", 14..15);
        assert!(shown.contains(":1:11\n"), "{shown}");
        assert!(shown.contains("1 |     日本␛[31m: x\n  |                ^\n"), "{shown}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let shown = drawn(&text, 500..504);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[3].chars().count() < 120, "{shown}");
        let caret = lines[4].chars().position(|c| c == '^');
        let here = lines[3].chars().position(|c| c == 'H');
        assert_eq!(caret, here, "{shown}");
    }

    #[test]
    fn places_beyond_the_text_are_its_end() {
        let source = Source::new("x", b"ab\n");
        assert_eq!(source.span(&(99..120)), Span { line: 2, column: 1, length: 1 });
        assert_eq!(source.span(&(1..99)), Span { line: 1, column: 2, length: 1 });
        let none = Source::new("x", b"");
        assert_eq!(none.span(&(0..0)), Span { line: 1, column: 1, length: 1 });
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        let source = Source::new("x", b"\xef\xbb\xbfab");
        assert_eq!(source.span(&(3..4)).column, 1);
        assert_eq!(source.span(&(4..5)).column, 2);
    }
}
