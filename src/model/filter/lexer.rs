//! The text of a filter, cut into tokens.

use super::FilterError;
use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Close,
    Or,
    Not,
    /// A word without an operator: `failed`, `resize:3`, `cat.png`.
    Word(String),
    /// `cpu>1`, `task="a b"`.
    Compare {
        key: String,
        operator: &'static str,
        value: String,
    },
    /// `"text"`.
    Quoted(String),
    /// `/pattern/i`.
    Regex {
        pattern: String,
        any_case: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Range<usize>,
}

/// Longer ones first: `>` begins `>=`.
const OPERATORS: [(&str, &str); 7] =
    [(">=", ">="), ("<=", "<="), ("!=", "!="), ("==", "="), (">", ">"), ("<", "<"), ("=", "=")];

pub(super) fn error(
    text: &str,
    span: Range<usize>,
    cause: impl Into<String>,
    fix: impl Into<String>,
) -> FilterError {
    let column = text.get(..span.start).map_or(0, |before| before.chars().count());
    FilterError { span, column, cause: cause.into(), fix: fix.into() }
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    text: &'a str,
    /// Bytes that have been read.
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Option<Token>, FilterError> {
        self.at += self.rest().len() - self.rest().trim_start().len();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let kind = match first {
            '(' => self.sign("(", Kind::Open),
            ')' => self.sign(")", Kind::Close),
            '|' if self.rest().starts_with("||") => self.sign("||", Kind::Or),
            '|' => self.sign("|", Kind::Or),
            '!' => self.sign("!", Kind::Not),
            '"' | '\'' => Kind::Quoted(self.quoted(first)?),
            '/' => self.regex()?,
            _ => self.word()?,
        };
        Ok(Some(Token { kind, span: start..self.at }))
    }

    fn sign(&mut self, sign: &str, kind: Kind) -> Kind {
        self.at += sign.len();
        kind
    }

    /// Reads up to the closing sign, which stands at the start too. A backslash keeps the sign
    /// and itself in the text; before anything else it is left alone when `keep` is set.
    fn enclosed(&mut self, sign: char, keep: bool) -> Option<String> {
        let mut inner = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            if c == sign {
                self.at += i + sign.len_utf8();
                return Some(inner);
            }
            if c != '\\' {
                inner.push(c);
                continue;
            }
            match chars.next() {
                Some((_, next)) if next == sign => inner.push(next),
                Some((_, '\\')) if !keep => inner.push('\\'),
                Some((_, next)) => inner.extend(['\\', next]),
                None => inner.push('\\'),
            }
        }
        None
    }

    fn quoted(&mut self, sign: char) -> Result<String, FilterError> {
        let span = self.at..self.text.len();
        self.enclosed(sign, false).ok_or_else(|| {
            let fix = format!("Close it with `{sign}`.");
            error(self.text, span, "this quoted text has no end", fix)
        })
    }

    fn regex(&mut self) -> Result<Kind, FilterError> {
        let start = self.at;
        let Some(pattern) = self.enclosed('/', true) else {
            let fix = "Close it with `/`; for text with a `/` in it write \"text\".";
            let span = start..self.text.len();
            return Err(error(self.text, span, "this regular expression has no end", fix));
        };
        let end = self.word_end();
        let flags = &self.text[self.at..end];
        let any_case = match flags {
            "" => false,
            "i" => true,
            _ => {
                let whole = &self.text[start..end];
                let cause = format!("a regular expression has no flag `{flags}`");
                let fix = format!("Write `/{pattern}/i` for any case, or \"{whole}\" for text.");
                return Err(error(self.text, self.at..end, cause, fix));
            }
        };
        self.at = end;
        Ok(Kind::Regex { pattern, any_case })
    }

    /// Where the word that begins here ends.
    fn word_end(&self) -> usize {
        let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|' | '"');
        self.rest().find(ends).map_or(self.text.len(), |n| self.at + n)
    }

    fn word(&mut self) -> Result<Kind, FilterError> {
        let (start, end) = (self.at, self.word_end());
        let word = &self.text[start..end];
        let first = word.char_indices().find_map(|(i, _)| {
            let at = &word[i..];
            OPERATORS.iter().find(|(sign, _)| at.starts_with(sign)).map(|(s, op)| (i, *s, *op))
        });
        let Some((i, sign, operator)) = first else {
            self.at = end;
            return Ok(Kind::Word(word.to_owned()));
        };
        let key = word[..i].to_owned();
        let value = word[i + sign.len()..].to_owned();
        self.at = end;
        let value = match self.rest().chars().next() {
            Some('"') if value.is_empty() => self.quoted('"')?,
            _ => value,
        };
        Ok(Kind::Compare { key, operator, value })
    }
}
