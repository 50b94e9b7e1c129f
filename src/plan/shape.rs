//! Checks a tree against the table of keys: unknown keys, wrong types, bad names.
//!
//! Everything that can be said about a value by looking at it alone is said here, once; the
//! reader then takes what has the right shape and passes silently over the rest.

use super::diag::{Problems, nearest};
use super::keys::{Form, Key, Names, Shape, Type};
use super::yaml::{Entry, Node, Scalar, Value, is_bool, short};
use std::fmt;
use std::ops::Range;

/// Checks a whole tree; with `complete`, that required keys are there too.
pub fn check(root: &Node, shape: &'static Shape, complete: bool, problems: &mut Problems) {
    let mut checker = Checker { problems, complete };
    if matches!(root.value, Value::Map(_) | Value::Broken) {
        checker.map(root, shape);
    } else {
        let message = format!("{} must be a map, found {}", shape.place, root.describe());
        let hint = "Write `tasks:` on a line, and each task below it as `- name: ...`.";
        checker.problems.error(&root.range, message, Some(hint.into()));
    }
}

/// Reads a whole number as YAML's core schema does; `None` when the text is none.
pub fn whole_number(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // 010 is 8 for one reader of YAML and 10 for another, so it is neither here.
    let ambiguous = digits.len() > 1 && digits.starts_with('0');
    if ambiguous || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads a decimal number; `None` when the text is none.
pub fn number(text: &str) -> Option<f64> {
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
    text.bytes().all(plain).then(|| text.parse().ok()).flatten().filter(|n: &f64| n.is_finite())
}

/// What a message calls a value.
#[derive(Clone, Copy)]
enum Label<'a> {
    Key(&'a Key),
    ItemOf(&'a Key),
    Named { name: &'a str, of: &'a Key },
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Key(key) => write!(f, "`{}`", key.name),
            Label::ItemOf(key) => write!(f, "an item of `{}`", key.name),
            Label::Named { name, of } => write!(f, "`{}` in `{}`", short(name), of.name),
        }
    }
}

impl Label<'_> {
    fn key(&self) -> &Key {
        match self {
            Label::Key(key) | Label::ItemOf(key) | Label::Named { of: key, .. } => key,
        }
    }
}

struct Checker<'p> {
    problems: &'p mut Problems,
    complete: bool,
}

impl Checker<'_> {
    fn map(&mut self, node: &Node, shape: &'static Shape) {
        let Some(entries) = node.entries() else { return };
        for entry in entries {
            match shape.key(&entry.key) {
                Some(key) => {
                    self.value(&entry.value, &key.takes, Label::Key(key), &entry.key_range)
                }
                None => self.unknown_key(entry, shape),
            }
        }
        if !self.complete || shape.partial {
            return;
        }
        for key in shape.keys().filter(|k| k.required && node.get(k.name).is_none()) {
            let message = format!("{} has no `{}`", shape.place, key.name);
            let hint = format!("Add it, such as `{}`.", key.example);
            self.problems.error(&start_of(&node.range), message, Some(hint));
        }
    }

    fn unknown_key(&mut self, entry: &Entry, shape: &'static Shape) {
        let name = &*entry.key;
        if let Some((_, why)) = shape.without.filter(|(without, _)| *without == name) {
            let message = format!("`{name}` cannot stand in {}: {why}", shape.place);
            let hint = "Write it in the task.";
            return self.problems.error(&entry.key_range, message, Some(hint.into()));
        }
        let message = format!("unknown key `{}` in {}", short(name), shape.place);
        let near = match self.problems.are_many() {
            true => None,
            false => nearest(name, shape.keys().map(|k| k.name)),
        };
        let elsewhere = || {
            let at = super::keys::SHAPES.iter().find(|s| s.key(name).is_some())?;
            if std::ptr::eq(*at, &raw const super::keys::TOP) {
                return Some(format!("`{name}` stands at the top of the file, beside `tasks`."));
            }
            Some(format!("`{name}` is a key of {}.", at.place))
        };
        let all = || {
            let names: Vec<_> = shape.keys().map(|k| format!("`{}`", k.name)).collect();
            format!("Known here: {}.", names.join(", "))
        };
        let hint = near.map(|n| format!("Did you mean `{n}`?")).or_else(elsewhere);
        self.problems.error(&entry.key_range, message, Some(hint.unwrap_or_else(all)));
    }

    fn value(&mut self, node: &Node, takes: &'static Type, label: Label<'_>, key: &Range<usize>) {
        match (&node.value, takes) {
            (Value::Broken, _) => {}
            (Value::Null, _) => self.nothing(node, takes, label, key),
            (_, Type::Either(types)) => match types.iter().find(|t| fits_kind(node, t)) {
                Some(one) => self.value(node, one, label, key),
                None => self.mismatch(node, takes, label),
            },
            (Value::Map(_), Type::Map(shape)) => self.map(node, shape),
            (Value::Map(entries), Type::Names { names, of, fixed }) => {
                for entry in entries {
                    self.named(entry, names, of, fixed, label);
                }
            }
            (Value::List(items), Type::List { of, min }) => {
                if items.len() < *min && self.complete {
                    let message = format!("{label} is an empty list");
                    let hint = format!("Write, for example, `{}`.", label.key().example);
                    self.problems.error(&node.range, message, Some(hint));
                }
                for item in items {
                    self.value(item, of, Label::ItemOf(label.key()), &item.range);
                }
            }
            (Value::Scalar(scalar), _) => self.scalar(node, scalar, takes, label),
            _ => self.mismatch(node, takes, label),
        }
    }

    fn named(
        &mut self,
        entry: &Entry,
        names: &Names,
        of: &'static Type,
        fixed: &'static [Key],
        label: Label<'_>,
    ) {
        if let Some(key) = fixed.iter().find(|k| k.name == &*entry.key) {
            return self.value(&entry.value, &key.takes, Label::Key(key), &entry.key_range);
        }
        let name = &*entry.key;
        if names.taken.contains(&name) {
            let message =
                format!("`{name}` cannot be the name of {}: it has a meaning", names.what);
            let hint = "Choose another name.";
            self.problems.error(&entry.key_range, message, Some(hint.into()));
        } else if let Err(why) = (names.check)(name) {
            let message = format!("`{}` cannot be the name of {}", short(name), names.what);
            self.problems.error(&entry.key_range, message, Some(format!("A name {why}.")));
        }
        let label = Label::Named { name, of: label.key() };
        self.value(&entry.value, of, label, &entry.key_range);
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, takes: &Type, label: Label<'_>) {
        let text = scalar.text.as_str();
        let fits = match takes {
            Type::Text => return self.no_nul(node, text, label),
            Type::Word(words) if words.contains(&text) => true,
            Type::Word(words) => return self.bad_word(node, takes, words, label),
            Type::Form(form) => return self.form(node, text, form, label),
            Type::Bool => !scalar.quoted && is_bool(text),
            Type::Int { min, max } => {
                !scalar.quoted && whole_number(text).is_some_and(|n| (*min..=*max).contains(&n))
            }
            Type::Number { min, max } => {
                !scalar.quoted && number(text).is_some_and(|n| (*min..=*max).contains(&n))
            }
            _ => false,
        };
        if !fits {
            self.mismatch(node, takes, label);
        }
    }

    fn no_nul(&mut self, node: &Node, text: &str, label: Label<'_>) {
        // Only what a job reads may hold any byte.
        if text.contains('\0') && !matches!(label.key().name, "stdin" | "text") {
            let message = format!("{label} holds a NUL byte");
            let hint = "No argument, path or environment variable can hold one.";
            self.problems.error(&node.range, message, Some(hint.to_owned()));
        }
    }

    fn bad_word(&mut self, node: &Node, takes: &Type, words: &[&str], label: Label<'_>) {
        let text = node.text().unwrap_or("");
        let message = format!("{label} must be {}, found {}", takes.expects(), node.describe());
        let hint = match nearest(text, words.iter().copied()) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("Write, for example, `{}`.", label.key().example),
        };
        self.problems.error(&node.range, message, Some(hint));
    }

    fn form(&mut self, node: &Node, text: &str, form: &Form, label: Label<'_>) {
        // No form needs more, and messages repeat the text.
        let check = if text.len() > 200 { |_: &str| Err(String::new()) } else { form.check };
        if let Err(why) = check(text) {
            let message = match why.as_str() {
                "" => format!("{label} must be {}, found {}", form.what, node.describe()),
                why => format!("{label} must be {}: {why}", form.what),
            };
            self.problems.error(&node.range, message, Some(form.hint.to_owned()));
        }
    }

    fn nothing(&mut self, node: &Node, takes: &Type, label: Label<'_>, key: &Range<usize>) {
        let range = if node.range.is_empty() { key } else { &node.range };
        let message = format!("{label} has no value; it must be {}", takes.expects());
        let hint = match (takes, label) {
            (Type::Text, Label::ItemOf(_) | Label::Named { .. }) if node.range.is_empty() => {
                "Write `''` for empty text, or remove the line.".to_owned()
            }
            (Type::Text, _) if !node.range.is_empty() => {
                "YAML reads this as nothing. Put it in quotes if it is text.".to_owned()
            }
            _ if label.key().required => format!("Write, for example, `{}`.", label.key().example),
            _ => format!("Write, for example, `{}`, or remove the line.", label.key().example),
        };
        self.problems.error(range, message, Some(hint));
    }

    fn mismatch(&mut self, node: &Node, takes: &Type, label: Label<'_>) {
        let message = format!("{label} must be {}, found {}", takes.expects(), node.describe());
        let range = match node.value {
            Value::List(_) | Value::Map(_) => start_of(&node.range),
            _ => node.range.clone(),
        };
        self.problems.error(&range, message, Some(mismatch_hint(node, takes, label)));
    }
}

fn mismatch_hint(node: &Node, takes: &Type, label: Label<'_>) -> String {
    let example = || format!("Write, for example, `{}`.", label.key().example);
    match (&node.value, takes) {
        (Value::Map(_), Type::Text | Type::Either([Type::Text, ..])) => {
            "A text that holds `: ` or starts with `{` needs quotes: \
                                        put it in 'single quotes'."
                .to_owned()
        }
        (Value::Map(_), _) if label.key().name == "tasks" => {
            "Write `- name: ...` for each task, and its other keys below.".to_owned()
        }
        (Value::List(_), Type::Text) => {
            "A text that starts with `[` or `- ` needs quotes: put it in 'single quotes'."
                .to_owned()
        }
        (Value::Scalar(s), Type::Int { .. } | Type::Number { .. } | Type::Bool) if s.quoted => {
            let unquoted = Scalar { text: s.text.clone(), quoted: false };
            let plain = Node { range: node.range.clone(), value: Value::Scalar(unquoted) };
            if scalar_fits(&plain, takes) { "Remove the quotes.".to_owned() } else { example() }
        }
        (Value::Scalar(s), Type::Bool) => match s.text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "1" => "Write `true`.".to_owned(),
            "no" | "off" | "n" | "0" => "Write `false`.".to_owned(),
            _ => example(),
        },
        (Value::Scalar(s), Type::List { .. }) if label.key().name == "shell" => {
            let mut words: Vec<&str> = s.text.split_ascii_whitespace().collect();
            if words.len() == 1 {
                words.push("-c");
            }
            format!("Write a list: `[{}]`.", short(&words.join(", ")))
        }
        (Value::Scalar(s), Type::List { .. }) => format!("Write a list: `[{}]`.", short(&s.text)),
        (Value::Scalar(s), Type::Names { .. } | Type::Either(_))
            if label.key().name == "foreach" && s.text.contains("..") =>
        {
            format!("Write `{{range: {}}}`.", short(&s.text))
        }
        _ => example(),
    }
}

fn scalar_fits(node: &Node, takes: &Type) -> bool {
    let Some(text) = node.text() else { return false };
    match takes {
        Type::Bool => is_bool(text),
        Type::Int { min, max } => whole_number(text).is_some_and(|n| (*min..=*max).contains(&n)),
        Type::Number { min, max } => number(text).is_some_and(|n| (*min..=*max).contains(&n)),
        _ => false,
    }
}

fn fits_kind(node: &Node, takes: &Type) -> bool {
    match node.value {
        Value::List(_) => matches!(takes, Type::List { .. }),
        Value::Map(_) => matches!(takes, Type::Map(_) | Type::Names { .. }),
        _ => !matches!(takes, Type::List { .. } | Type::Map(_) | Type::Names { .. }),
    }
}

/// Where a collection starts: its whole range would underline a screenful.
pub fn start_of(range: &Range<usize>) -> Range<usize> {
    range.start..range.start + 1
}
