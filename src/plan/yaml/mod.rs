//! Task file text -> a tree of nodes that know where they stand.
//!
//! Built from the events of the YAML parser, because a reader that stops at the first problem
//! could not report all of them. Scalars stay the text as written (`1.10`, `0x10`, `no`); who
//! reads the tree decides what they mean. Aliases share the node they point to, so an alias
//! costs nothing to hold, and what following all of them would cost is counted and bounded.

mod wording;

use super::diag::{Problems, Source};
use crate::model::limits::{
    TASK_FILE_BYTES, TASK_FILE_DEPTH, TASK_FILE_NODES, TASK_FILE_SPREAD_BYTES,
};
use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// A node and the bytes it was written with.
#[derive(Debug)]
pub struct Node {
    pub range: Range<usize>,
    pub value: Value,
}

/// What a node holds.
#[derive(Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
    /// Something wrong that has been reported already.
    Broken,
}

/// A text as written, quotes and escapes resolved.
#[derive(Debug)]
pub struct Scalar {
    pub text: String,
    /// In quotes, in a block (`|`, `>`) or tagged `!!str`: it can only be text.
    pub quoted: bool,
}

/// A key of a map and its value. Keys are unique within their map.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Rc<str>,
    pub key_range: Range<usize>,
    pub value: Rc<Node>,
}

impl Node {
    /// Returns the text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Returns the entries of a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Returns the items of a list.
    pub fn items(&self) -> Option<&[Rc<Node>]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Rc<Node>> {
        self.entries()?.iter().find(|e| &*e.key == key).map(|e| &e.value)
    }

    /// Returns what the node is in words: "a list", "the number `4`".
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Broken => "something broken".to_owned(),
            Value::Scalar(s) if s.quoted => format!("the text {}", quoted_short(&s.text)),
            Value::Scalar(s) if is_bool(&s.text) => format!("the boolean `{}`", s.text),
            Value::Scalar(s) if is_number(&s.text) => format!("the number `{}`", short(&s.text)),
            Value::Scalar(s) => format!("the text {}", quoted_short(&s.text)),
        }
    }
}

fn quoted_short(text: &str) -> String {
    format!("`{}`", short(text))
}

/// Returns the start of a text that may be long.
pub fn short(text: &str) -> String {
    let line = text.trim_end().lines().next().unwrap_or("");
    if line.len() == text.trim_end().len() && text.chars().count() <= 40 {
        return line.to_owned();
    }
    format!("{}…", line.chars().take(40).collect::<String>())
}

/// Tells whether plain text is a boolean in YAML's core schema.
pub fn is_bool(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// Tells whether plain text looks like a decimal number.
pub fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.parse::<f64>().is_ok()
}

/// A text, read.
#[derive(Debug)]
pub struct Document {
    /// `None`: nothing could be read.
    pub root: Option<Rc<Node>>,
    /// The text was read to its end. Otherwise the tree ends where its syntax broke.
    pub complete: bool,
}

/// Reads a text into a tree; adds what is wrong with it to `problems`.
///
/// `source` is the same text, to name lines in messages.
pub fn parse(bytes: &[u8], source: &Source<'_>, problems: &mut Problems) -> Document {
    let broken = Document { root: None, complete: false };
    if bytes.len() > TASK_FILE_BYTES {
        let message = format!(
            "the task file is too large: {} bytes, and at most {} MiB are read",
            bytes.len(),
            TASK_FILE_BYTES >> 20
        );
        let hint = "Keep long lists in files of their own and name them in `foreach` with \
                    `lines`, `csv` or `json`.";
        problems.error_nowhere(message, Some(hint.to_owned()));
        return broken;
    }
    match wording::readable_text(bytes, problems) {
        Some(text) => Builder::new(text, source, problems).build(),
        None => broken,
    }
}

/// What following all aliases in a node would cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    nodes: usize,
    bytes: usize,
    height: usize,
}

impl Cost {
    /// A value without parts.
    fn of_one(text_bytes: usize) -> Cost {
        Cost { nodes: 1, bytes: NODE_BYTES + text_bytes, height: 1 }
    }
}

/// What a value takes besides its text, roughly.
const NODE_BYTES: usize = 64;

impl Node {
    /// Returns what a copy of the node would take, roughly, in bytes.
    pub fn spread_bytes(&self) -> usize {
        let parts: usize = match &self.value {
            Value::Null | Value::Broken => 0,
            Value::Scalar(scalar) => scalar.text.len(),
            Value::List(items) => items.iter().map(|i| i.spread_bytes()).sum(),
            Value::Map(entries) => {
                entries.iter().map(|e| e.key.len() + e.value.spread_bytes()).sum()
            }
        };
        NODE_BYTES + parts
    }
}

/// A node with an anchor: `None` while it is still open.
type Anchored = Option<(Rc<Node>, Cost)>;

/// A collection that has begun and not ended.
struct Frame {
    content: Content,
    range: Range<usize>,
    anchor: usize,
    cost: Cost,
    broken: bool,
}

enum Content {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<Entry>, merged: Vec<Entry>, key: PendingKey, seen: HashMap<Rc<str>, usize> },
}

/// The key whose value comes next.
enum PendingKey {
    None,
    Name(Rc<str>, Range<usize>),
    /// `<<`: the entries of the value, or of each map in it, join this map.
    Merge,
    /// Reported; its value is dropped.
    Bad,
}

struct Builder<'a> {
    text: &'a str,
    source: &'a Source<'a>,
    problems: &'a mut Problems,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Rc<Node>>,
}

/// Why building ends early; what is wrong has been reported.
struct Stop;

impl<'a> Builder<'a> {
    fn new(text: &'a str, source: &'a Source<'a>, problems: &'a mut Problems) -> Builder<'a> {
        let (frames, anchors) = (Vec::new(), HashMap::new());
        Builder { text, source, problems, frames, anchors, root: None }
    }

    fn build(mut self) -> Document {
        let mut options = Options::default();
        options.emit_unresolved_aliases = true;
        options.flow_nesting_limit = TASK_FILE_DEPTH;
        options.block_nesting_limit = TASK_FILE_DEPTH;
        options.set_emit_comments(false);
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(self.text, options) {
            match event {
                Ok((Event::DocumentStart(..), span)) => {
                    documents += 1;
                    if documents > 1 {
                        self.second_document(&span);
                        break;
                    }
                }
                Ok((event, span)) => {
                    if self.take(event, &span).is_err() {
                        return Document { root: None, complete: false };
                    }
                }
                Err(error) => {
                    wording::report(&error, self.text, self.problems);
                    return self.end_early();
                }
            }
        }
        Document { root: self.root, complete: true }
    }

    /// Ends what a broken text left open, so that the problems before the break are found too.
    fn end_early(mut self) -> Document {
        // What the last value was meant to be, nobody can tell.
        match self.frames.last_mut().map(|f| &mut f.content) {
            None => self.root = None,
            Some(Content::List(items)) => {
                if let Some(item) = items.last_mut() {
                    *item = broken(&item.range);
                }
            }
            Some(Content::Map { entries, .. }) => {
                if let Some(entry) = entries.last_mut() {
                    entry.value = broken(&entry.value.range);
                }
            }
        }
        while !self.frames.is_empty() {
            if self.close(self.text.len()).is_err() {
                return Document { root: None, complete: false };
            }
        }
        Document { root: self.root, complete: false }
    }

    fn second_document(&mut self, span: &Span) {
        self.problems.error(
            &bytes_of(span),
            "a second document starts here, and a task file is one",
            Some("Remove this line, or put the second document into a file of its own.".into()),
        );
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Stop> {
        let range = bytes_of(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), span);
                let node = Node { range: trimmed(self.text, range), value };
                self.complete(node, anchor, Cost::of_one(text.len()))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Content::List(Vec::new()), range, anchor, tag.as_deref(), span)
            }
            Event::MappingStart(_, anchor, tag) => {
                let (entries, merged) = (Vec::new(), Vec::new());
                let content =
                    Content::Map { entries, merged, key: PendingKey::None, seen: HashMap::new() };
                self.open(content, range, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(range.end),
            Event::Alias(id) => self.alias(id, range),
            Event::UnresolvedAlias(name) => {
                wording::unknown_alias(&name, &range, self.problems);
                self.complete(Node { range, value: Value::Broken }, 0, Cost::of_one(0))
            }
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Value {
        let plain = style == ScalarStyle::Plain;
        let is_null = plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        // A lone `!` makes a scalar text, as `!!str` does.
        let as_text = match tag.map(Tag::core_suffix) {
            None => false,
            Some(Some("str")) => true,
            Some(Some("int" | "float" | "bool" | "null")) => false,
            Some(_) if self.tag_text(span) == "!" => true,
            Some(_) => {
                self.bad_tag(span);
                return Value::Broken;
            }
        };
        if is_null && !as_text {
            return Value::Null;
        }
        let text = if is_null && span.is_empty() { "" } else { text };
        Value::Scalar(Scalar { text: text.to_owned(), quoted: as_text || !plain })
    }

    fn tag_text(&self, span: &Span) -> &str {
        span.tag_span().and_then(|s| s.slice(self.text)).unwrap_or("")
    }

    fn bad_tag(&mut self, span: &Span) {
        let range = span.tag_span().map_or_else(|| bytes_of(span), |s| bytes_of(&s));
        let tag = self.text.get(range.clone()).unwrap_or("!").to_owned();
        let hint = "A value that starts with `!` is a tag in YAML: put it in quotes if it is text.";
        self.problems.error(
            &range,
            format!("the tag `{tag}` has no meaning here"),
            Some(hint.into()),
        );
    }

    fn open(
        &mut self,
        content: Content,
        range: Range<usize>,
        anchor: usize,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<(), Stop> {
        if self.frames.len() >= TASK_FILE_DEPTH {
            wording::too_deep(&range, self.problems);
            return Err(Stop);
        }
        let fits = match (tag.map(Tag::core_suffix), &content) {
            (None, _) | (Some(Some("seq")), Content::List(_)) => true,
            (Some(Some("map")), Content::Map { .. }) => true,
            _ => self.tag_text(span) == "!",
        };
        if !fits {
            self.bad_tag(span);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        let cost = Cost { height: 0, ..Cost::of_one(0) };
        self.frames.push(Frame { content, range, anchor, cost, broken: !fits });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let value = match frame.content {
            _ if frame.broken => Value::Broken,
            Content::List(items) => Value::List(items),
            Content::Map { mut entries, merged, seen, .. } => {
                let mut known = seen;
                for entry in merged {
                    // Of two merged maps the first wins; the map's own keys win over both.
                    if known.insert(entry.key.clone(), 0).is_none() {
                        entries.push(entry);
                    }
                }
                Value::Map(entries)
            }
        };
        let range = trimmed(self.text, frame.range.start..end);
        let cost = Cost { height: frame.cost.height + 1, ..frame.cost };
        self.complete(Node { range, value }, frame.anchor, cost)
    }

    fn alias(&mut self, id: usize, range: Range<usize>) -> Result<(), Stop> {
        let Some(Some((node, cost))) = self.anchors.get(&id) else {
            let hint = "An alias can only repeat something that has ended before it.";
            self.problems.error(&range, "this alias is part of what it names", Some(hint.into()));
            let broken = Node { range, value: Value::Broken };
            return self.complete(broken, 0, Cost::of_one(0));
        };
        let (node, cost) = (node.clone(), *cost);
        if self.frames.len() + cost.height > TASK_FILE_DEPTH {
            wording::too_deep(&range, self.problems);
            return Err(Stop);
        }
        self.attach(node, &range, cost)
    }

    fn complete(&mut self, node: Node, anchor: usize, cost: Cost) -> Result<(), Stop> {
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Some((node.clone(), cost)));
        }
        let range = node.range.clone();
        self.attach(node, &range, cost)
    }

    /// Hands a node to the collection it stands in; `range` is where it, or its alias, stands.
    fn attach(&mut self, node: Rc<Node>, range: &Range<usize>, cost: Cost) -> Result<(), Stop> {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.cost.nodes = frame.cost.nodes.saturating_add(cost.nodes);
        frame.cost.bytes = frame.cost.bytes.saturating_add(cost.bytes);
        frame.cost.height = frame.cost.height.max(cost.height);
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, merged, key, seen } => {
                match std::mem::replace(key, PendingKey::None) {
                    PendingKey::None => {
                        *key = take_key(&node, range, seen, self.source, self.problems)
                    }
                    PendingKey::Name(key, key_range) => {
                        entries.push(Entry { key, key_range, value: node });
                    }
                    PendingKey::Merge => merge(&node, range, merged, self.problems),
                    PendingKey::Bad => {}
                }
            }
        }
        self.count(range)
    }

    /// Counts nodes as they would be with every alias followed.
    fn count(&mut self, range: &Range<usize>) -> Result<(), Stop> {
        // What an open frame holds is in its own cost; the sum over the open frames is the
        // whole tree so far.
        let sum = |of: fn(&Cost) -> usize| {
            self.frames.iter().fold(0_usize, |n, f| n.saturating_add(of(&f.cost)))
        };
        let too_many = if sum(|c| c.nodes) > TASK_FILE_NODES {
            format!("{TASK_FILE_NODES} values")
        } else if sum(|c| c.bytes) > TASK_FILE_SPREAD_BYTES {
            format!("{} MiB", TASK_FILE_SPREAD_BYTES >> 20)
        } else {
            return Ok(());
        };
        let message =
            format!("the task file is too big: more than {too_many} once its aliases are followed");
        let hint = "Aliases of aliases multiply. Keep long lists in files of their own and name \
                    them in `foreach`.";
        self.problems.error(range, message, Some(hint.into()));
        Err(Stop)
    }
}

/// Reads a node that stands where a key is.
fn take_key(
    node: &Node,
    range: &Range<usize>,
    seen: &mut HashMap<Rc<str>, usize>,
    source: &Source<'_>,
    problems: &mut Problems,
) -> PendingKey {
    let scalar = match &node.value {
        Value::Scalar(scalar) => scalar,
        Value::Broken => return PendingKey::Bad,
        Value::Null | Value::List(_) | Value::Map(_) => {
            let message = format!("a key must be text, found {}", node.describe());
            let hint = match node.value {
                Value::Null => "Put it in quotes if it is text, or remove the line.",
                _ => {
                    "A value that starts with `{` or `[` is a map or a list in YAML: put it in \
                      quotes if it is text."
                }
            };
            problems.error(range, message, Some(hint.into()));
            return PendingKey::Bad;
        }
    };
    let key: Rc<str> = scalar.text.as_str().into();
    if let Some(first) = seen.get(&key) {
        let line = source.line_of(*first);
        let message = format!("duplicate key `{}`: it is already on line {line}", short(&key));
        problems.error(range, message, Some("Keep one of the two.".into()));
        return PendingKey::Bad;
    }
    seen.insert(key.clone(), range.start);
    if &*key == "<<" && !scalar.quoted {
        return PendingKey::Merge;
    }
    PendingKey::Name(key, range.clone())
}

/// Takes over the entries of the map, or the maps, that `<<` names.
fn merge(node: &Node, range: &Range<usize>, merged: &mut Vec<Entry>, problems: &mut Problems) {
    match &node.value {
        Value::Map(entries) => merged.extend(entries.iter().cloned()),
        Value::List(items) if items.iter().all(|i| i.entries().is_some()) => {
            merged.extend(items.iter().filter_map(|i| i.entries()).flatten().cloned());
        }
        Value::Broken => {}
        _ => {
            let message = format!("`<<` takes a map or a list of maps, found {}", node.describe());
            let hint = "Write `<<: *name`, where `&name` stands before a map.";
            problems.error(range, message, Some(hint.into()));
        }
    }
}

fn broken(range: &Range<usize>) -> Rc<Node> {
    Rc::new(Node { range: range.clone(), value: Value::Broken })
}

fn bytes_of(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or(0..0)
}

/// Takes off the blanks and line breaks that the parser counts to a block.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let len = text.get(range.clone()).map_or(0, |s| s.trim_end().len());
    range.start..(range.start + len).max(range.start)
}
