//! What is wrong with a text that is not YAML, in words that help.

use crate::model::limits::TASK_FILE_DEPTH;
use crate::plan::diag::Problems;
use serde_yaml::granit_parser::{ErrorKind, ScanError};
use std::ops::Range;

/// Returns the bytes as text when they are text that YAML allows; else says what is wrong.
pub(super) fn readable_text<'a>(bytes: &'a [u8], problems: &mut Problems) -> Option<&'a str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let hint = "Save the file as UTF-8.";
        problems.error_nowhere("the task file is UTF-16, not UTF-8", Some(hint.into()));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let byte = bytes.get(at).copied().unwrap_or(0);
            let message = format!("byte 0x{byte:02x} at offset {at} is not UTF-8 text");
            let hint = "Save the file as UTF-8. Names that are not UTF-8 can come from a `glob` \
                        or a file of `lines`.";
            // Lossy text, where the place is looked up, has the same bytes before it.
            problems.error(&(at..at + 1), message, Some(hint.into()));
            return None;
        }
    };
    let control = |b: &u8| matches!(b, 0..=8 | 11 | 12 | 14..=31 | 127);
    match bytes.iter().position(control) {
        None => Some(text),
        Some(at) => {
            let byte = bytes.get(at).copied().unwrap_or(0);
            let name = if byte == 0 { "a NUL byte" } else { "a control character" };
            let message = format!("{name} (0x{byte:02x}) stands in the task file");
            let hint = if byte == 0 {
                "Remove it; no argument, path or environment variable can hold one.".to_owned()
            } else {
                format!("Write it as `\\x{byte:02x}` in double quotes, or remove it.")
            };
            problems.error(&(at..at + 1), message, Some(hint));
            None
        }
    }
}

pub(super) fn too_deep(range: &Range<usize>, problems: &mut Problems) {
    let message = format!("nested too deep: more than {TASK_FILE_DEPTH} levels");
    let hint = "A task file needs six levels. Is a bracket too many, or an alias inside another?";
    problems.error(range, message, Some(hint.into()));
}

pub(super) fn unknown_alias(name: &str, range: &Range<usize>, problems: &mut Problems) {
    let message = format!("the alias `*{name}` names no anchor before it");
    let hint = format!(
        "A value that starts with `*` is an alias in YAML: put it in quotes if it is text, or \
         write `&{name}` before what it repeats."
    );
    problems.error(range, message, Some(hint));
}

/// Reports an error of the YAML parser.
pub(super) fn report(error: &ScanError, text: &str, problems: &mut Problems) {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let line = Line::around(text, at);
    let (message, hint) = words(error.kind(), &line);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(&(at..at + 1), problems);
    }
    let at = culprit(error.kind(), text, at);
    problems.error(&(at..at + 1), message, hint);
}

/// The parser notices some things before or after the byte that is to blame.
fn culprit(kind: &ErrorKind, text: &str, at: usize) -> usize {
    use ErrorKind as K;
    let rest = text.get(at..).unwrap_or("");
    let offset = match kind {
        K::TabNotAllowed
        | K::TabInBlockIndentation
        | K::TabInIndentation
        | K::TabInPlainScalar
        | K::TabAtBlockScalarStart => {
            rest.lines().take(2).any(|l| l.contains('\t')).then(|| rest.find('\t'))
        }
        K::UnknownQuotedScalarEscape => {
            let mut escaped = false;
            let unknown = rest.char_indices().find(|(_, c)| {
                let was = escaped;
                escaped = *c == '\\' && !was;
                was && !"0abtnvfre \"/\\N_LPxuU\t\n\r".contains(*c)
            });
            Some(unknown.map(|(i, _)| i - 1))
        }
        _ => None,
    };
    at + offset.flatten().unwrap_or(0)
}

/// The line an error is on.
struct Line<'a> {
    /// Up to the place of the error.
    before: &'a str,
    whole: &'a str,
}

impl Line<'_> {
    fn around(text: &str, at: usize) -> Line<'_> {
        let at = (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
        let end = text[at..].find('\n').map_or(text.len(), |i| at + i);
        Line { before: &text[start..at], whole: &text[start..end] }
    }

    /// Returns the first character of the line's value: what follows `key: ` or `- `.
    fn value_start(&self) -> Option<char> {
        let mut rest = self.whole.trim_start();
        while let Some(item) = rest.strip_prefix("- ") {
            rest = item.trim_start();
        }
        match rest.split_once(": ") {
            Some((key, value)) if !key.contains(['"', '\'', '{', '[']) => {
                value.trim_start().chars().next()
            }
            _ => rest.chars().next(),
        }
    }
}

const QUOTE_IT: &str = "Put the whole value in 'single quotes', or write it on lines of its own \
                        after `|`.";

fn words(kind: &ErrorKind, line: &Line<'_>) -> (String, Option<String>) {
    use ErrorKind as K;
    let hinted = |message: &str, hint: &str| (message.to_owned(), Some(hint.to_owned()));
    match kind {
        K::MappingValueNotAllowed if line.before.contains(": ") => {
            hinted("a value without quotes holds `: `, which starts a map in YAML", QUOTE_IT)
        }
        K::MappingValueNotAllowed | K::MappingKeyNotAllowed | K::BlockSequenceEntryNotAllowed => {
            off_indentation()
        }
        K::TabNotAllowed
        | K::TabInBlockIndentation
        | K::TabInIndentation
        | K::TabInPlainScalar
        | K::TabAtBlockScalarStart => hinted(
            "a tab stands where YAML wants spaces",
            "Indent with spaces; two for each level are usual.",
        ),
        K::UnclosedQuotedScalar => {
            hinted("a quote is opened and never closed", "Close it, or write the text after `|`.")
        }
        K::InvalidQuotedScalarIndent => hinted(
            "a quoted text goes on here, but is not indented",
            "Close the quote before this line, or indent what belongs to it.",
        ),
        K::UnclosedFlowCollection { open } => {
            (format!("`{open}` is opened and never closed"), Some(flow_hint(*open)))
        }
        K::MismatchedFlowCollectionEnd { open, close } => {
            (format!("`{open}` is closed by `{close}`"), Some(flow_hint(*open)))
        }
        K::MisplacedFlowCollectionEnd => {
            hinted("this bracket closes nothing", "Remove it, or put the value in quotes.")
        }
        K::ExpectedFlowMappingSeparator | K::ExpectedFlowSequenceSeparator => hinted(
            "a comma or a closing bracket is missing here",
            "Between the brackets of `{...}` and `[...]`, a text with `{`, `}`, `[`, `]` or `,` \
             needs 'single quotes'.",
        ),
        K::UnexpectedCharacter { character } => {
            (format!("no value can start with `{character}` in YAML"), Some(QUOTE_IT.to_owned()))
        }
        K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => {
            hinted("text follows the closing quote of a value", QUOTE_IT)
        }
        K::UnknownQuotedScalarEscape => hinted(
            "unknown escape: in double quotes, `\\` starts one",
            "Write `\\\\`, or use 'single quotes', where `\\` is itself.",
        ),
        _ => other_words(kind, line),
    }
}

fn other_words(kind: &ErrorKind, line: &Line<'_>) -> (String, Option<String>) {
    use ErrorKind as K;
    // `run: {x}/bin` ends in one of many errors; what misled the parser is how it starts.
    if let Some(start @ ('{' | '[' | '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' | '"' | '\'')) =
        line.value_start()
    {
        let what = match start {
            '{' => "a map",
            '[' => "a list",
            '&' => "an anchor",
            '*' => "an alias",
            '!' => "a tag",
            '|' | '>' => "a text block",
            '"' | '\'' => "a quoted text",
            _ => "reserved",
        };
        let message =
            format!("a value that starts with `{start}` is {what} in YAML, and this is none");
        return (message, Some(QUOTE_IT.to_owned()));
    }
    if matches!(
        kind,
        K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry | K::InvalidIndentation
    ) {
        return off_indentation();
    }
    let hint = match kind {
        K::SimpleKeyExpected | K::InvalidSimpleKey => "Write `key: value`, with a space after `:`.",
        K::InvalidColonPlacement => "Is a `[` or `{` on a line before never closed?",
        K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping => "A `{` or `[` is never closed.",
        _ => {
            "Put text with special characters in 'single quotes', or on lines of its own after `|`."
        }
    };
    (format!("not valid YAML: {kind}"), Some(hint.to_owned()))
}

fn off_indentation() -> (String, Option<String>) {
    let message = "this line does not fit the indentation of the lines before it";
    let hint = "The keys of one map start in the same column, and so do the items of one list.";
    (message.to_owned(), Some(hint.to_owned()))
}

fn flow_hint(open: char) -> String {
    let close = if open == '{' { '}' } else { ']' };
    format!("Close it with `{close}`, or put the value in quotes if `{open}` is part of a text.")
}
