//! The one table of a task file's keys.
//!
//! It feeds the reader's checks (`shape`), the JSON Schema ([`super::schema`]), the
//! did-you-mean hints, and the test that `docs/task-file.md` shows every key.

mod forms;
mod table;

pub use forms::{BUILT_IN, is_range};
pub use table::{DEFAULTS, SHAPES, TASK, TOP};

/// A map with fixed keys.
#[derive(Debug)]
pub struct Shape {
    /// Where the keys stand, to follow "in": "a task".
    pub place: &'static str,
    pub keys: &'static [Key],
    /// A key of `keys` that must not stand here, and why.
    pub without: Option<(&'static str, &'static str)>,
    /// No key is required, because the rest comes from elsewhere.
    pub partial: bool,
}

/// One key: what it takes, and what people are told about it.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub takes: Type,
    pub required: bool,
    /// What holds without it, in words or as it would be written; empty: nothing to say.
    pub default: &'static str,
    /// One line, as in the reference.
    pub doc: &'static str,
    /// The key with a value, as it may stand in a file.
    pub example: &'static str,
}

/// What a key, an item of a list or a value of a map may be.
#[derive(Debug)]
pub enum Type {
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    /// Any scalar, as written: `1.10` and `no` are text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A scalar with a form of its own.
    Form(&'static Form),
    List {
        of: &'static Type,
        min: usize,
    },
    Map(&'static Shape),
    /// A map with names of the user's as keys, besides `fixed` ones.
    Names {
        names: &'static Names,
        of: &'static Type,
        fixed: &'static [Key],
    },
    /// One of these; no two of them are of the same kind (scalar, list, map).
    Either(&'static [Type]),
}

/// A scalar with a form, such as a duration.
#[derive(Debug)]
pub struct Form {
    /// With its article: "a duration".
    pub what: &'static str,
    /// What texts look like (ECMA 262), for editors; it may let more through than `check`.
    pub pattern: &'static str,
    /// What it may be besides text, for a schema, which sees `4` as a number.
    pub bare: Bare,
    /// Says why a text is none; an empty text when there is nothing more to say.
    pub check: fn(&str) -> Result<(), String>,
    pub hint: &'static str,
}

/// Which bare scalars are read as the text they are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    None,
    /// Whole numbers from this on.
    WholeFrom(i64),
    /// Numbers and booleans.
    Any,
}

/// What the user's own names in a map look like.
#[derive(Debug)]
pub struct Names {
    /// "a variable", to follow "as the name of".
    pub what: &'static str,
    pub pattern: &'static str,
    /// Names that have a meaning already.
    pub taken: &'static [&'static str],
    /// Says what names are like, to follow "a name", when this is none.
    pub check: fn(&str) -> Result<(), String>,
}

impl Shape {
    /// Returns the key of a name, when it may stand here.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    /// Returns the keys that may stand here.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        let without = self.without.map(|(name, _)| name);
        self.keys.iter().filter(move |key| Some(key.name) != without)
    }
}

impl Type {
    /// Returns what is expected, in words, to follow "must be".
    pub fn expects(&self) -> String {
        match self {
            Type::Bool => "`true` or `false`".to_owned(),
            Type::Int { min, max } => match (*min, *max) {
                (min, max) if max - 1 < i64::from(i32::MAX) && min > i64::from(i32::MIN) => {
                    format!("a whole number from {min} to {max}")
                }
                (min @ 0..=1, _) => format!("a whole number, at least {min}"),
                _ => "a whole number".to_owned(),
            },
            Type::Number { min, max } if *max <= 1.0 => format!("a number from {min} to {max}"),
            Type::Number { min, .. } => format!("a number, at least {min}"),
            Type::Text => "text".to_owned(),
            Type::Word(words) => {
                let words: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => {
                        format!("{} or {last}", rest.join(", "))
                    }
                    _ => words.concat(),
                }
            }
            Type::Form(form) => form.what.to_owned(),
            Type::List { .. } => "a list".to_owned(),
            Type::Map(_) => "a map".to_owned(),
            Type::Names { names, .. } => format!("a map with the name of {} as key", names.what),
            Type::Either(types) => types.iter().map(Type::expects).collect::<Vec<_>>().join(" or "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_say_what_they_are_for() {
        for shape in SHAPES {
            let mut names: Vec<_> = shape.keys().map(|k| k.name).collect();
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "a key twice in {}", shape.place);
            for key in shape.keys() {
                assert!(key.doc.ends_with('.') && !key.doc.contains('\n'), "doc of {}", key.name);
                assert!(key.example.starts_with(key.name), "example of {}", key.name);
            }
        }
    }

    #[test]
    fn alternatives_differ_in_kind() {
        fn kind(t: &Type) -> &'static str {
            match t {
                Type::List { .. } => "list",
                Type::Map(_) | Type::Names { .. } => "map",
                Type::Either(_) => "either",
                _ => "scalar",
            }
        }
        fn walk(t: &Type) {
            match t {
                Type::Either(types) => {
                    let mut kinds: Vec<_> = types.iter().map(kind).collect();
                    kinds.sort_unstable();
                    let all = kinds.len();
                    kinds.dedup();
                    assert_eq!(kinds.len(), all, "{}", t.expects());
                    types.iter().for_each(walk);
                }
                Type::List { of, .. } => walk(of),
                Type::Names { of, .. } => walk(of),
                _ => {}
            }
        }
        SHAPES.iter().flat_map(|s| s.keys()).for_each(|k| walk(&k.takes));
    }
}
