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
