//! Text with placeholders: `{x}`, `{x.stem}`, `{vars.out}`, `{job}`.
//!
//! Only `{identifier}` and `{identifier.identifier}` not preceded by `$` are placeholders, so
//! awk's `{print $1}`, `{}`, `{a,b}` and `${HOME}` are text. `{{x}}` gives `{x}`, and one more
//! pair of braces gives one more. A value is put in once and never looked at again.

use super::quoting::{Quoting, put_value};
use super::shell::{Refusal, Spot, Symbol, Unsure, What, spots};
use std::borrow::Cow;
use std::fmt;

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
    /// `quoting`: `None` puts the value in as it is.
    Value {
        name: Name,
        quoting: Option<Quoting>,
    },
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
    /// In bytes of the text.
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
    #[error("the value of `{{{0}}}` holds a NUL byte, which no argument can hold")]
    Nul(Name),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            None => f.write_str(&self.base),
            Some(field) => write!(f, "{}.{field}", self.base),
        }
    }
}

impl Template {
    /// Reads a text with placeholders; reports every problem at once.
    ///
    /// Whether the names are known is not judged here: see [`Template::names`].
    pub fn parse(text: &str, place: Place) -> Result<Template, Vec<TemplateError>> {
        let mut parts = scan(text);
        let n_values = parts.iter().filter(|p| matches!(p.what, Scanned::Value(_))).count();
        if n_values > 0 {
            match place {
                Place::Plain => {}
                Place::PosixShell => quote_for_shell(&mut parts, n_values)?,
                Place::OtherShell => return Err(refuse_all(&parts)),
            }
        }
        Ok(Template { parts: parts.into_iter().map(ScannedPart::into_part).collect() })
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
    ///
    /// # Errors
    /// A name that `lookup` does not know, and a value that holds a NUL byte.
    pub fn render(&self, lookup: &Lookup<'_>) -> Result<Vec<u8>, RenderError> {
        let mut out = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value { name, quoting } => {
                    let value = lookup(name).ok_or_else(|| RenderError::Unknown(name.clone()))?;
                    if value.contains(&0) {
                        return Err(RenderError::Nul(name.clone()));
                    }
                    match quoting {
                        None => out.extend_from_slice(&value),
                        Some(quoting) => put_value(&mut out, &value, *quoting),
                    }
                }
            }
        }
        Ok(out)
    }
}

/// A part of a text, with where it came from.
struct ScannedPart {
    what: Scanned,
    quoting: Option<Quoting>,
}

enum Scanned {
    /// Text, and the offset of each of its bytes where braces were taken off before it:
    /// (bytes of the text before, offset from there on).
    Literal {
        text: String,
        starts: Vec<(usize, usize)>,
    },
    Value(Name),
}

impl ScannedPart {
    fn into_part(self) -> Part {
        match self.what {
            Scanned::Literal { text, .. } => Part::Literal(text),
            Scanned::Value(name) => Part::Value { name, quoting: self.quoting },
        }
    }
}

/// Splits a text at its placeholders.
fn scan(text: &str) -> Vec<ScannedPart> {
    let bytes = text.as_bytes();
    let mut scanner = Scanner::default();
    let mut start = 0;
    let mut pos = 0;
    while pos < bytes.len() {
        if bytes[pos] != b'{' {
            pos += 1;
            continue;
        }
        if let Some(len) = doubled_len(&bytes[pos..]) {
            // `{{x}}` gives `{x}`.
            scanner.literal(&text[start..pos], start);
            scanner.literal(&text[pos + 1..pos + len - 1], pos + 1);
            pos += len;
            start = pos;
        } else if let Some(len) = braced_len(&bytes[pos..])
            && (pos == 0 || bytes[pos - 1] != b'$')
        {
            scanner.literal(&text[start..pos], start);
            scanner.value(&text[pos + 1..pos + len - 1], pos, len);
            pos += len;
            start = pos;
        } else {
            pos += 1;
        }
    }
    scanner.literal(&text[start..], start);
    scanner.parts
}

#[derive(Default)]
struct Scanner {
    parts: Vec<ScannedPart>,
}

impl Scanner {
    fn literal(&mut self, piece: &str, offset: usize) {
        if piece.is_empty() {
            return;
        }
        if let Some(ScannedPart { what: Scanned::Literal { text, starts }, .. }) =
            self.parts.last_mut()
        {
            starts.push((text.len(), offset));
            text.push_str(piece);
            return;
        }
        let what = Scanned::Literal { text: piece.to_owned(), starts: vec![(0, offset)] };
        self.parts.push(ScannedPart { what, quoting: None });
    }

    fn value(&mut self, inner: &str, offset: usize, len: usize) {
        let (base, field) = match inner.split_once('.') {
            Some((base, field)) => (base, Some(field.to_owned())),
            None => (inner, None),
        };
        let name = Name { base: base.to_owned(), field, offset, len };
        self.parts.push(ScannedPart { what: Scanned::Value(name), quoting: None });
    }
}

/// Returns the bytes of `{identifier}` or `{identifier.identifier}` when `text` begins with it.
fn braced_len(text: &[u8]) -> Option<usize> {
    let mut pos = 1 + identifier_len(text.get(1..)?)?;
    if text.get(pos) == Some(&b'.') {
        pos += 1 + identifier_len(text.get(pos + 1..)?)?;
    }
    (text.get(pos) == Some(&b'}')).then_some(pos + 1)
}

/// Returns the bytes of `{{identifier}}` or `{{identifier.identifier}}` at the start of `text`.
fn doubled_len(text: &[u8]) -> Option<usize> {
    let inner = text.get(1..).filter(|t| t.first() == Some(&b'{'))?;
    let len = 1 + braced_len(inner)?;
    (text.get(len) == Some(&b'}')).then_some(len + 1)
}

fn identifier_len(text: &[u8]) -> Option<usize> {
    let len = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    (len > 0 && !text[0].is_ascii_digit()).then_some(len)
}

/// Tells whether `text` can be the name of a variable: letters, digits and `_`, no digit first.
pub fn is_identifier(text: &str) -> bool {
    identifier_len(text.as_bytes()) == Some(text.len())
}

/// Decides for every value how it is quoted, or why it cannot be.
fn quote_for_shell(parts: &mut [ScannedPart], n_values: usize) -> Result<(), Vec<TemplateError>> {
    let spots = match spots(&symbols(parts), n_values) {
        Ok(spots) => spots,
        Err(unsure) => return Err(vec![unsure_error(parts, unsure)]),
    };
    let mut errors = Vec::new();
    let values = parts.iter_mut().filter_map(|part| match &part.what {
        Scanned::Value(name) => Some((name, &mut part.quoting)),
        Scanned::Literal { .. } => None,
    });
    for ((name, quoting), spot) in values.zip(spots) {
        match spot {
            Spot::Word(found) => *quoting = Some(found),
            Spot::Refused(why) => errors.push(refusal_error(name, why)),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn symbols(parts: &[ScannedPart]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    let mut n_values = 0;
    for part in parts {
        match &part.what {
            Scanned::Value(name) => {
                symbols.push(Symbol { what: What::Hole(n_values), at: name.offset });
                n_values += 1;
            }
            Scanned::Literal { text, starts } => {
                for (i, (from, offset)) in starts.iter().enumerate() {
                    let to = starts.get(i + 1).map_or(text.len(), |next| next.0);
                    let bytes = text.as_bytes()[*from..to].iter().enumerate();
                    symbols.extend(
                        bytes.map(|(k, b)| Symbol { what: What::Byte(*b), at: offset + k }),
                    );
                }
            }
        }
    }
    symbols
}

fn unsure_error(parts: &[ScannedPart], unsure: Unsure) -> TemplateError {
    let names = parts.iter().filter_map(|part| match &part.what {
        Scanned::Value(name) => Some(name),
        Scanned::Literal { .. } => None,
    });
    // The first value is the one to name; the place is where the doubt begins.
    let hint = names.map(environment_hint).next();
    TemplateError {
        offset: unsure.at,
        len: 1,
        message: format!("cannot tell how the shell reads this text: {}", unsure.why),
        hint,
    }
}

fn refusal_error(name: &Name, why: Refusal) -> TemplateError {
    let place = match why {
        Refusal::Comment => "in a comment, where no word can stand",
        Refusal::HereDocument => "in a here-document, where no word can stand",
        Refusal::Arithmetic => "in shell arithmetic, where no word can stand",
        Refusal::Backslash => "directly after a backslash, which would change its value",
        Refusal::Expansion => "in a part of `${...}` where no word can stand",
        Refusal::Assignment => "in `${name=...}` without double quotes, which splits its value",
        Refusal::AnsiQuote => "in `$'...'`, which not all shells read alike",
        Refusal::Glued => "directly after `$name`; write `${name}` there",
        Refusal::Subscript => "in the index of an array, which the shell calculates",
    };
    TemplateError {
        offset: name.offset,
        len: name.len,
        message: format!("`{{{name}}}` stands {place}"),
        hint: Some(environment_hint(name)),
    }
}

fn refuse_all(parts: &[ScannedPart]) -> Vec<TemplateError> {
    let refuse = |part: &ScannedPart| match &part.what {
        Scanned::Literal { .. } => None,
        Scanned::Value(name) => Some(TemplateError {
            offset: name.offset,
            len: name.len,
            message: format!(
                "`{{{name}}}` cannot be put into text for a shell that is not a POSIX shell"
            ),
            hint: Some(environment_hint(name)),
        }),
    };
    parts.iter().filter_map(refuse).collect()
}

/// Tells how a job gets at the value without a placeholder.
fn environment_hint(name: &Name) -> String {
    let keep = format!("To keep the text as it is, write `{{{{{name}}}}}`.");
    match (name.base.as_str(), &name.field) {
        ("job" | "slot" | "attempt" | "run", None) => format!(
            "Use the environment variable `GANGER_{}`, which every job has. {keep}",
            name.base.to_uppercase()
        ),
        (base, None) => {
            format!("Use the environment variable `GANGER_VAR_{base}`, which the job has. {keep}")
        }
        (base, Some(field)) => {
            let variable = format!("{base}_{field}").to_uppercase();
            let whole = if base == "vars" {
                String::new()
            } else {
                format!(" (inputs are in `GANGER_VAR_{base}` and so on already)")
            };
            format!(
                "Use an environment variable{whole}: add \
                 `env: {{{variable}: \"{{{name}}}\"}}` to the task. {keep}"
            )
        }
    }
}

/// Returns the hint for an unknown placeholder: the nearest known name, and how to keep the text.
///
/// `known` holds full names such as `x`, `vars.out`, `row.id`.
pub fn unknown_name_hint<'a>(name: &Name, known: impl Iterator<Item = &'a str>) -> String {
    let wanted = name.to_string();
    let keep = format!("To keep the text as it is, write `{{{{{wanted}}}}}`.");
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    let is_of_vars = name.field.is_some() && matches!(name.base.as_str(), "vars" | "var");
    if is_of_vars && known.iter().any(|k| k.starts_with("vars.")) {
        known.retain(|k| k.starts_with("vars."));
    }
    match nearest(name, &known) {
        Some(near) => format!("Did you mean `{{{near}}}`? {keep}"),
        None if known.is_empty() => keep,
        None => {
            let some: Vec<String> = known.iter().take(8).map(|k| format!("`{{{k}}}`")).collect();
            let more = if known.len() > some.len() { " and more" } else { "" };
            format!("Known here: {}{more}. {keep}", some.join(", "))
        }
    }
}

fn nearest(name: &Name, known: &[&str]) -> Option<String> {
    let wanted = match &name.field {
        // `{var.x}` for `{vars.x}`, unless an input is called so.
        Some(field) if name.base == "var" && !known.contains(&"var") => format!("vars.{field}"),
        _ => name.to_string(),
    };
    let whole = known.iter().map(|k| (strsim::damerau_levenshtein(&wanted, k), (*k).to_owned()));
    let with_field = known.iter().filter_map(|k| {
        let field = name.field.as_deref().filter(|_| !k.contains('.'))?;
        Some((strsim::damerau_levenshtein(&name.base, k), format!("{k}.{field}")))
    });
    // `{out}` for `{vars.out}`: the last part alone was written.
    let by_last = known.iter().filter_map(|k| {
        let (_, last) = k.split_once('.')?;
        (name.field.is_none() && last == name.base).then(|| (1, (*k).to_owned()))
    });
    let allowed = (wanted.len() / 3).max(1);
    let near = whole.chain(with_field).chain(by_last).filter(|(d, _)| *d <= allowed).min();
    // `{vars.q}` for `{vars.quality}`, if only one begins so.
    let begun = || {
        let mut begun = known.iter().filter(|k| name.field.is_some() && k.starts_with(&wanted));
        begun.next().filter(|_| begun.next().is_none()).map(|k| (*k).to_owned())
    };
    near.map(|(_, k)| k).or_else(begun)
}

/// Returns a part of a value that is a path: `name`, `stem`, `ext` or `dir`; `None` for any other
/// field.
///
/// Works on bytes, does not look at the file system. `name` is what follows the last `/`, slashes
/// at the end aside; `ext` is what follows the last dot of the name, without the dot, and empty
/// when there is none, when only dots stand before it (`.bashrc`) or nothing after it; `stem` is
/// the name without that dot and `ext`; `dir` is what stands before the name, without the slash:
/// `.` when there is nothing, `/` for the root. So `a/b.tar.gz` has `b.tar.gz`, `b.tar`, `gz`,
/// `a`.
pub fn value_field<'a>(value: &'a [u8], field: &str) -> Option<&'a [u8]> {
    let (dir, name) = split_path(value);
    match field {
        "name" => Some(name),
        "stem" => Some(split_name(name).0),
        "ext" => Some(split_name(name).1),
        "dir" => Some(dir),
        _ => None,
    }
}

/// The fields that every value has.
pub const VALUE_FIELDS: [&str; 4] = ["name", "stem", "ext", "dir"];

fn split_path(path: &[u8]) -> (&[u8], &[u8]) {
    let trimmed = trim_slashes(path);
    if trimmed.is_empty() {
        // The root is its own name, as for basename(1); nothing has no name.
        return if path.is_empty() { (b".", b"") } else { (b"/", b"/") };
    }
    match trimmed.iter().rposition(|b| *b == b'/') {
        None => (b".", trimmed),
        Some(slash) => {
            let dir = trim_slashes(&trimmed[..slash]);
            (if dir.is_empty() { b"/" } else { dir }, &trimmed[slash + 1..])
        }
    }
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1);
    &path[..end]
}

fn split_name(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|b| *b == b'.') {
        Some(dot) if dot + 1 < name.len() && name[..dot].iter().any(|b| *b != b'.') => {
            (&name[..dot], &name[dot + 1..])
        }
        _ => (name, b""),
    }
}

/// Tells whether `shell` is a POSIX shell that takes a command text as its next argument: one of
/// the known ones, found by the name of the program, with `-c` last.
///
/// zsh is not one: in its own mode it reads words in other ways (`=ls`, glob qualifiers, aliases
/// that are in force everywhere). Nor is yash, which makes an empty word of bytes that are no
/// text in its locale. Values reach both through the environment.
pub fn is_posix_shell(shell: &[String]) -> bool {
    let words: Vec<&str> = shell.iter().map(String::as_str).collect();
    let words = match words.as_slice() {
        [env, rest @ ..] if base_name(env) == "env" => rest,
        all => all,
    };
    let (program, options) = match words {
        [busybox, applet, options @ ..] if base_name(busybox) == "busybox" => (*applet, options),
        [program, options @ ..] => (*program, options),
        [] => return false,
    };
    let known = [
        "sh", "dash", "ash", "bash", "rbash", "ksh", "ksh93", "mksh", "lksh", "oksh", "pdksh",
        "posh",
    ];
    known.contains(&base_name(program)) && options.last().is_some_and(|last| takes_text(last))
}

/// Tells whether an option is `-c`, alone or among other letters.
fn takes_text(option: &str) -> bool {
    option.strip_prefix('-').is_some_and(|letters| {
        letters.contains('c') && letters.bytes().all(|b| b.is_ascii_alphabetic())
    })
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
