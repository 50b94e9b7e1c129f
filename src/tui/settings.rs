//! Files of settings (themes, the configuration): YAML as a tree whose nodes know their lines,
//! and warnings that name the place.
//!
//! A tree rather than a struct: whoever reads it goes on after a problem, scalars stay as they
//! are written (`no`, `1`, `+` may all be names of keys), and every value has a line.

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput};
use std::fmt;
use std::path::PathBuf;

/// No file of settings is longer; a bigger one is another file by mistake.
const MOST_BYTES: usize = 256 << 10;
/// No file of settings is nested deeper.
const MOST_DEPTH: usize = 16;

/// What is wrong in a file of settings: where, and what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// As a person would write it; may be empty when there is no file.
    pub file: String,
    /// Counted from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Where it stands, such as `roles.good`; may be empty.
    pub key: String,
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": `{}`", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// A value with the line it starts on.
#[derive(Clone, Debug)]
pub struct Node {
    pub line: usize,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub line: usize,
    pub value: Node,
}

impl Node {
    /// Returns the entries of a map; none for nothing.
    ///
    /// # Errors
    /// In words, when it is something else.
    pub fn entries(&self) -> Result<&[Entry], String> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            Value::Nothing => Ok(&[]),
            _ => Err(format!("{}, where keys with values must stand", self.describe())),
        }
    }

    /// Returns the texts of a list, or a text alone.
    ///
    /// # Errors
    /// In words, when it is something else.
    pub fn texts(&self) -> Result<Vec<&str>, String> {
        match &self.value {
            Value::Text(text) => Ok(vec![text]),
            Value::List(items) => items.iter().map(Node::text).collect(),
            _ => Err(format!("{}, where a word or a list of words must stand", self.describe())),
        }
    }

    /// Returns a text.
    ///
    /// # Errors
    /// In words, when it is something else.
    pub fn text(&self) -> Result<&str, String> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(format!("{}, where a word must stand", self.describe())),
        }
    }

    fn describe(&self) -> &'static str {
        match self.value {
            Value::Nothing => "nothing",
            Value::Text(_) => "a word",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads a text into a tree. `file` is how warnings call it.
///
/// # Errors
/// When it is not YAML, or nothing that settings could be.
pub fn parse(file: &str, text: &str) -> Result<Node, Warning> {
    let mut options = Options::default();
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = MOST_DEPTH;
    options.block_nesting_limit = MOST_DEPTH;
    options.set_emit_comments(false);
    let mut reader = Reader { file, events: Parser::new_from_str_with_options(text, options) };
    if text.len() > MOST_BYTES {
        return Err(reader.wrong(0, format!("too large: at most {} KiB", MOST_BYTES >> 10)));
    }
    loop {
        match reader.next()? {
            Some((Event::StreamStart | Event::DocumentStart(..), _)) => {}
            Some((Event::StreamEnd | Event::DocumentEnd, _)) | None => {
                return Ok(Node { line: 1, value: Value::Nothing });
            }
            Some((event, span)) => return reader.node(event, &span),
        }
    }
}

/// Returns the known name that was meant, if any is near enough, as a hint.
pub fn meant<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let wrong = wrong.to_lowercase().replace('-', "_");
    let far = |name: &str| strsim::damerau_levenshtein(&wrong, &name.replace('-', "_"));
    let near = known.into_iter().map(|name| (far(name), name)).min_by_key(|(far, _)| *far);
    match near {
        Some((far, name)) if far <= (wrong.chars().count() / 3).max(1) => {
            format!("; did you mean `{name}`?")
        }
        _ => String::new(),
    }
}

struct Reader<'a> {
    file: &'a str,
    events: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn wrong(&self, line: usize, what: impl Into<String>) -> Warning {
        Warning { file: self.file.to_owned(), line, key: String::new(), what: what.into() }
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Warning> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(e)) => {
                let what = format!("not YAML: {}", e.info());
                Err(self.wrong(e.marker().line(), what))
            }
        }
    }

    /// The next event within something that has begun.
    fn inner(&mut self) -> Result<(Event<'a>, Span), Warning> {
        let next = self.next()?;
        next.ok_or_else(|| self.wrong(0, "it ends in the middle"))
    }

    fn node(&mut self, event: Event<'a>, span: &Span) -> Result<Node, Warning> {
        let line = span.start.line();
        let value = match event {
            Event::Scalar(text, style, _, _) => {
                let plain = style == ScalarStyle::Plain;
                match text.as_ref() {
                    "" | "~" | "null" if plain => Value::Nothing,
                    text => Value::Text(text.to_owned()),
                }
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.inner()?;
                    if matches!(event, Event::SequenceEnd) {
                        break Value::List(items);
                    }
                    items.push(self.node(event, &span)?);
                }
            }
            Event::MappingStart(..) => Value::Map(self.entries()?),
            _ => return Err(self.wrong(line, "an alias; write out what it stands for")),
        };
        Ok(Node { line, value })
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Warning> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.inner()?;
            let line = span.start.line();
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(self.wrong(line, "a key must be a word")),
            };
            if let Some(first) = entries.iter().find(|e| e.key == key) {
                let what = format!("`{key}` stands twice: here and in line {}", first.line);
                return Err(self.wrong(line, what));
            }
            let (event, span) = self.inner()?;
            entries.push(Entry { key, line, value: self.node(event, &span)? });
        }
    }
}

/// Returns the folder of a person's settings: `$XDG_CONFIG_HOME/ganger`, else `~/.config/ganger`.
///
/// Paths that are not absolute count as unset, as the XDG specification has it.
pub fn folder(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("ganger"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse("f.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn scalars_stay_as_written_and_every_value_has_its_line() {
        let root = parse("f", "a: no\n? b\n: [1, '~', +]\n\nc:\n  d: ~\n").unwrap();
        let entries = root.entries().unwrap();
        let lines: Vec<_> = entries.iter().map(|e| (e.key.as_str(), e.line)).collect();
        assert_eq!(lines, [("a", 1), ("b", 2), ("c", 5)]);
        assert_eq!(entries[0].value.texts().unwrap(), ["no"]);
        assert_eq!(entries[1].value.texts().unwrap(), ["1", "~", "+"]);
        assert!(entries[2].value.entries().unwrap()[0].value.texts().is_err());
        assert!(parse("f", "# only a comment\n").unwrap().entries().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_settings_file_says_where() {
        assert!(problem("a: 1\nb: [\n").starts_with("f.yaml:"), "{}", problem("a: [\n"));
        assert_eq!(problem("a: 1\na: 2\n"), "f.yaml:2: `a` stands twice: here and in line 1");
        assert!(problem("a: *b\n").contains("f.yaml:1: an alias"), "{}", problem("a: *b\n"));
        assert!(problem(&"- ".repeat(100)).contains("f.yaml:1"));
        assert!(problem(&"#".repeat(MOST_BYTES + 1)).contains("too large"));
    }

    #[test]
    fn the_folder_follows_xdg() {
        let with = |pairs: &'static [(&str, &str)]| {
            folder(|n| pairs.iter().find(|(k, _)| *k == n).map(|(_, v)| (*v).to_owned()))
        };
        let path = |p: &str| Some(PathBuf::from(p));
        assert_eq!(with(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")]), path("/c/ganger"));
        assert_eq!(with(&[("XDG_CONFIG_HOME", ""), ("HOME", "/h")]), path("/h/.config/ganger"));
        assert_eq!(with(&[("XDG_CONFIG_HOME", "c"), ("HOME", "/h")]), path("/h/.config/ganger"));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        assert_eq!(meant("goood", ["bad", "good"]), "; did you mean `good`?");
        assert_eq!(meant("kill-menu", ["kill_menu"]), "; did you mean `kill_menu`?");
        assert_eq!(meant("xyz", ["bad", "good"]), "");
    }
}
