//! From tokens to an expression: `or` binds loosest, then standing side by side, then `not`.

use super::lexer::{Kind, Token, error, tokens};
use super::words::{OUTCOMES, SIGNAL_BASE, bytes, micros};
use super::{Comparison, Expr, FIELDS, Field, FilterError, Names, Term, WORDS, Word};
use crate::model::ids::{PoolIdx, TaskIdx};
use crate::model::limits::{FILTER_BYTES, FILTER_DEPTH, FILTER_REGEX_BYTES};
use crate::model::nearest::nearest;
use crate::model::outcome::signal_number;
use crate::model::units::{parse_duration, parse_size};
use regex::RegexBuilder;
use std::ops::Range;

/// Fields that take a name instead of a number.
const NAMED: [&str; 4] = ["task", "pool", "state", "outcome"];

pub(super) fn parse(text: &str, names: &Names<'_>) -> Result<Option<Expr>, FilterError> {
    if text.len() > FILTER_BYTES {
        let cause = format!("the filter is longer than {FILTER_BYTES} bytes");
        return Err(error(text, 0..text.len(), cause, "Say it shorter."));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { text, names, tokens: tokens.iter().peekable(), depth: 0 };
    let expr = parser.any()?;
    match parser.tokens.next() {
        None => Ok(Some(expr)),
        Some(token) => Err(parser.wrong(token, "this `)` closes nothing", "Leave it out.")),
    }
}

struct Parser<'a> {
    text: &'a str,
    names: &'a Names<'a>,
    tokens: std::iter::Peekable<std::slice::Iter<'a, Token>>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn wrong(
        &self,
        token: &Token,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> FilterError {
        error(self.text, token.span.clone(), cause, fix)
    }

    /// Terms apart by `or`.
    fn any(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all()?];
        while self.tokens.next_if(|t| is_or(t)).is_some() {
            parts.push(self.all()?);
        }
        Ok(joined(parts, Expr::Or))
    }

    /// Terms side by side.
    fn all(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.one()?];
        while let Some(token) = self.tokens.peek().copied() {
            if is_or(token) || token.kind == Kind::Close {
                break;
            }
            if is_word(token, "and") {
                self.tokens.next();
            }
            parts.push(self.one()?);
        }
        Ok(joined(parts, Expr::And))
    }

    fn one(&mut self) -> Result<Expr, FilterError> {
        let Some(token) = self.tokens.next() else {
            let end = self.text.len()..self.text.len();
            let fix = "Write a term such as `failed` or `cpu>1`.";
            return Err(error(self.text, end, "a term is missing at the end", fix));
        };
        match &token.kind {
            Kind::Not => self.deeper(token, Parser::one).map(negated),
            Kind::Word(word) if word == "not" => self.deeper(token, Parser::one).map(negated),
            Kind::Open => {
                let inner = self.deeper(token, Parser::any)?;
                match self.tokens.next() {
                    Some(_) => Ok(inner),
                    None => Err(self.wrong(token, "this `(` is not closed", "Close it with `)`.")),
                }
            }
            Kind::Close => Err(self.wrong(
                token,
                "a term is missing before `)`",
                "Write one, or leave out `)`.",
            )),
            Kind::Or => Err(self.wrong(
                token,
                "a term is missing before this",
                "Write one, or leave it out.",
            )),
            Kind::Word(word) if word == "or" || word == "and" => {
                let cause = format!("a term is missing before `{word}`");
                let fix = format!("Write one; for the text `{word}` write \"{word}\".");
                Err(self.wrong(token, cause, fix))
            }
            Kind::Word(word) => self.word(token, word),
            Kind::Quoted(text) => Ok(Expr::Term(text_term(text))),
            Kind::Regex { pattern, any_case } => self.regex(token, pattern, *any_case),
            Kind::Compare { key, operator, value } => self.compare(token, key, operator, value),
        }
    }

    fn deeper(
        &mut self,
        token: &Token,
        read: impl Fn(&mut Parser<'a>) -> Result<Expr, FilterError>,
    ) -> Result<Expr, FilterError> {
        if self.depth == FILTER_DEPTH {
            let cause = format!("more than {FILTER_DEPTH} terms within each other");
            return Err(self.wrong(token, cause, "Say it with fewer parentheses."));
        }
        self.depth += 1;
        let expr = read(self);
        self.depth -= 1;
        expr
    }

    // ---- words

    /// A state, a task, a job, else text.
    fn word(&self, token: &Token, word: &str) -> Result<Expr, FilterError> {
        if let Some(meaning) = Word::of(word) {
            return Ok(Expr::Term(Term::Is(meaning)));
        }
        if let Some(task) = self.task_named(word) {
            return Ok(Expr::Term(Term::Task(task)));
        }
        if let Some(number) = number(word.strip_prefix(':').unwrap_or(word)) {
            return Ok(equal(Field::Job, number));
        }
        if let Some((task, index)) = word.rsplit_once(':') {
            return self.job_of_task(token, task, index);
        }
        match self.meant(word) {
            None => Ok(Expr::Term(text_term(word))),
            Some(near) => {
                let cause = format!("`{word}` is no state and no task");
                let fix = format!("Did you mean `{near}`? For the text `{word}` write \"{word}\".");
                Err(self.wrong(token, cause, fix))
            }
        }
    }

    fn job_of_task(&self, token: &Token, task: &str, index: &str) -> Result<Expr, FilterError> {
        let whole = &self.text[token.span.clone()];
        let as_text = format!("for text write \"{whole}\"");
        let Some(idx) = self.task_named(task) else {
            let near = nearest(task, self.names.tasks.iter().copied())
                .map_or_else(String::new, |near| format!("Did you mean `{near}:{index}`? "));
            let cause = format!("no task `{task}`");
            return Err(self.wrong(token, cause, format!("{near}F{}.", &as_text[1..])));
        };
        match number(index).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) {
            Some(n) => Ok(Expr::Term(Term::OfTask(idx, n))),
            None => {
                let cause = format!("`{index}` is no number of a job");
                let fix = format!("Write `{task}:3` for the third job of the task; {as_text}.");
                Err(self.wrong(token, cause, fix))
            }
        }
    }

    /// What an unknown word must be a slip of: the name is one or two letters away. Other words
    /// are text.
    fn meant(&self, word: &str) -> Option<&'a str> {
        let known = WORDS.iter().map(|(name, _, _)| *name).chain(self.names.tasks.iter().copied());
        let near = nearest(word, known)?;
        let slips = if word.len() < 6 { 1 } else { 2 };
        let word = word.to_lowercase().replace('-', "_");
        let is_beginning = near.starts_with(&word);
        let far = strsim::damerau_levenshtein(&word, &near.to_lowercase()) > slips;
        (word.len() > 3 && !far && !is_beginning).then_some(near)
    }

    fn task_named(&self, name: &str) -> Option<TaskIdx> {
        let place = self.names.tasks.iter().position(|task| *task == name)?;
        u32::try_from(place).ok().map(TaskIdx)
    }

    fn regex(&self, token: &Token, pattern: &str, any_case: bool) -> Result<Expr, FilterError> {
        let built = RegexBuilder::new(pattern)
            .case_insensitive(any_case)
            .size_limit(FILTER_REGEX_BYTES)
            .dfa_size_limit(FILTER_REGEX_BYTES)
            .build();
        built.map(|regex| Expr::Term(Term::Regex(regex))).map_err(|e| {
            // The last line says what is wrong, those before draw the place.
            let said = e.to_string();
            let why = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let fix = "For text with such signs in it write \"text\".";
            self.wrong(token, format!("no regular expression: {why}"), fix)
        })
    }

    // ---- comparisons

    fn compare(
        &self,
        token: &Token,
        key: &str,
        operator: &str,
        value: &str,
    ) -> Result<Expr, FilterError> {
        let is = comparison(operator);
        let key_span = token.span.start..token.span.start + key.len();
        if value.is_empty() {
            let cause = format!("nothing stands behind `{key}{operator}`");
            return Err(self.wrong(
                token,
                cause,
                format!("Write a value, such as {}.", example(key)),
            ));
        }
        if NAMED.contains(&key) {
            let term = Expr::Term(self.named(token, key, value)?);
            return match is {
                Comparison::Equal => Ok(term),
                Comparison::NotEqual => Ok(negated(term)),
                _ => {
                    let cause = format!("`{key}` has no order for `{operator}`");
                    Err(self.wrong(
                        token,
                        cause,
                        format!("Write `{key}={value}` or `{key}!={value}`."),
                    ))
                }
            };
        }
        let Some(field) = Field::named(key) else { return Err(self.unknown_field(key_span, key)) };
        let to = quantity(field, value).map_err(|(cause, fix)| {
            let start = token.span.start + key.len() + operator.len();
            error(self.text, start..token.span.end, cause, fix)
        })?;
        Ok(Expr::Term(Term::Compare { field, is, to }))
    }

    fn unknown_field(&self, span: Range<usize>, key: &str) -> FilterError {
        let fields = FIELDS.iter().map(|(name, _, _)| *name).chain(NAMED);
        let fix = match nearest(key, fields.clone()) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => {
                let all: Vec<String> = fields.map(|name| format!("`{name}`")).collect();
                format!("There are {}; write text in quotes.", all.join(", "))
            }
        };
        error(self.text, span, format!("jobs have no `{key}` to compare"), fix)
    }

    fn named(&self, token: &Token, key: &str, value: &str) -> Result<Term, FilterError> {
        let word = value.replace('-', "_").to_lowercase();
        let (found, known): (Option<Term>, Vec<&str>) = match key {
            "task" => (self.task_named(value).map(Term::Task), self.names.tasks.clone()),
            "pool" => {
                let place = self.names.pools.iter().position(|pool| *pool == value);
                let idx = place.and_then(|p| u16::try_from(p).ok()).map(PoolIdx);
                (idx.map(Term::Pool), self.names.pools.clone())
            }
            "state" => {
                let known = WORDS.iter().map(|(name, _, _)| *name);
                (Word::of(value).map(Term::Is), known.collect())
            }
            _ => {
                let found = OUTCOMES.iter().find(|(name, _)| *name == word);
                let known = OUTCOMES.iter().map(|(name, _)| *name);
                (found.map(|(_, meaning)| Term::Is(*meaning)), known.collect())
            }
        };
        found.ok_or_else(|| {
            let fix = match nearest(value, known.iter().copied()) {
                Some(near) => format!("Did you mean `{key}={near}`?"),
                None => format!("There are: {}.", shortened(&known)),
            };
            self.wrong(token, format!("no {key} `{value}`"), fix)
        })
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(&token.kind, Kind::Word(w) if w == word)
}

fn is_or(token: &Token) -> bool {
    token.kind == Kind::Or || is_word(token, "or")
}

fn negated(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

fn equal(field: Field, to: i64) -> Expr {
    Expr::Term(Term::Compare { field, is: Comparison::Equal, to })
}

/// Puts parts together, the cheap ones first: what they decide need not read any text.
fn joined(mut parts: Vec<Expr>, with: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    parts.sort_by_key(Expr::reads_texts);
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            with(parts)
        }
        None => with(parts),
    }
}

/// Small letters match large ones too; a large letter matches only itself.
fn text_term(text: &str) -> Term {
    let any_case = !text.chars().any(char::is_uppercase);
    Term::Text { text: text.to_owned(), any_case }
}

fn comparison(operator: &str) -> Comparison {
    match operator {
        ">=" => Comparison::GreaterOrEqual,
        "<=" => Comparison::LessOrEqual,
        "!=" => Comparison::NotEqual,
        ">" => Comparison::Greater,
        "<" => Comparison::Less,
        _ => Comparison::Equal,
    }
}

fn number(text: &str) -> Option<i64> {
    let all_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

/// A number of the field's kind; an error is a cause and a fix.
fn quantity(field: Field, value: &str) -> Result<i64, (String, String)> {
    match field {
        Field::Cpu | Field::Time => {
            let is_bare = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let text = if is_bare { format!("{value}s") } else { value.to_owned() };
            parse_duration(&text).map(micros).map_err(|_| {
                let fix = "Write seconds such as `1.5`, or a unit: `500ms`, `1m30s`, `2h`.";
                (format!("`{value}` is not a duration"), fix.to_owned())
            })
        }
        Field::Rss | Field::Out => parse_size(value).map(bytes).map_err(|_| {
            let fix = "Write bytes, or a unit: `64K`, `100M`, `1.5G`.";
            (format!("`{value}` is not a size"), fix.to_owned())
        }),
        Field::Exit => exit_number(value).ok_or_else(|| {
            let fix = "Write an exit code such as `3`, or a signal such as `SEGV`.";
            (format!("`{value}` is neither an exit code nor a signal"), fix.to_owned())
        }),
        Field::Attempts | Field::Job | Field::Index => number(value).ok_or_else(|| {
            (format!("`{value}` is not a number"), "Write a number such as `3`.".to_owned())
        }),
    }
}

fn exit_number(value: &str) -> Option<i64> {
    let code = value.parse::<i32>().ok().map(i64::from);
    code.or_else(|| signal_number(value).map(|n| i64::from(SIGNAL_BASE + n)))
}

fn example(key: &str) -> &'static str {
    match key {
        "cpu" | "time" => "`1.5` or `2m`",
        "rss" | "out" => "`100M`",
        "task" | "pool" => "a name",
        "state" | "outcome" => "`failed`",
        _ => "`3`",
    }
}

/// The first names of many.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    if names.len() > SHOWN {
        shown.push("...".to_owned());
    }
    shown.join(", ")
}
