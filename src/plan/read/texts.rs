//! Texts with placeholders: which names are known where, and where in the file they stand.

use super::Reader;
use crate::plan::keys::BUILT_IN;
use crate::plan::template::{Name, Place, Template, TemplateError, unknown_name_hint};
use crate::plan::yaml::Node;
use std::ops::Range;

/// The parts of a value that is a path, as in `{x.stem}`.
const PATH_FIELDS: [&str; 4] = ["name", "stem", "ext", "dir"];

/// Variables that a hint chooses from at the most.
const OFFERED_VARS: usize = 1000;

/// Bytes of a placeholder that is compared with known names: the time grows with its length.
const NAME_WITH_HINT: usize = 80;

/// A part of a longer text is not looked for in the file.
const LOCATED_TEXT_BYTES: usize = 256 << 10;

/// What a variable of `foreach` holds, as far as the text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// `{x}`, and its parts as a path.
    Values,
    /// `{x.column}`, of columns that only the file tells.
    Records,
    /// One or the other: only the file tells.
    Either,
}

/// Which names a text may use.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub inputs: Vec<(String, Holds)>,
    /// `{job}`, `{slot}`, `{attempt}` and `{run}` are known.
    pub of_a_job: bool,
    /// Where the text stands, to follow "is not known".
    place: &'static str,
}

impl Scope {
    /// A text that is used before there are jobs.
    pub fn vars_only(place: &'static str) -> Scope {
        Scope { inputs: Vec::new(), of_a_job: false, place }
    }

    /// A text of all jobs, whatever their task.
    pub fn any_job(place: &'static str) -> Scope {
        Scope { inputs: Vec::new(), of_a_job: true, place }
    }

    /// A text of the jobs of one task.
    pub fn job(inputs: Vec<(String, Holds)>) -> Scope {
        Scope { inputs, of_a_job: true, place: "in this task" }
    }
}

impl Reader<'_> {
    /// Reads a text with placeholders; reports the names that are not known.
    pub(super) fn template(
        &mut self,
        node: &Node,
        place: Place,
        scope: &Scope,
    ) -> Option<Template> {
        let text = node.text()?;
        // Names are judged first: for awk's `{x}` in a comment, say, both would be wrong, and
        // only the hint of the unknown name helps.
        let plain = Template::parse(text, Place::Plain);
        let mut unknown: Vec<usize> = Vec::new();
        for name in plain.iter().flat_map(Template::names) {
            if self.problems.are_many() {
                break;
            }
            if let Some((message, hint)) = self.judge(name, scope) {
                let at = self.locate(node, text, name.offset, name.len);
                self.problems.error(&at, message, Some(hint));
                unknown.push(name.offset);
            }
        }
        match if place == Place::Plain { plain } else { Template::parse(text, place) } {
            Ok(template) => Some(template).filter(|_| unknown.is_empty()),
            Err(errors) => {
                for TemplateError { offset, len, message, hint } in errors {
                    if !unknown.contains(&offset) && !self.problems.are_many() {
                        let at = self.locate(node, text, offset, len);
                        self.problems.error(&at, message, hint);
                    }
                }
                None
            }
        }
    }

    /// Reads a path with placeholders.
    pub(super) fn path(&mut self, node: &Node, key: &str, scope: &Scope) -> Option<Template> {
        let text = node.text()?;
        if text.is_empty() {
            let hint = "Write a path, or remove the line.";
            self.problems.error(&node.range, format!("`{key}` is empty"), Some(hint.to_owned()));
            return None;
        }
        if text.starts_with("~/") || text.starts_with('$') {
            let what = if text.starts_with('~') { "`~`" } else { "`$`" };
            let message = format!("{what} stays as it is in `{key}`: only `run` goes to a shell");
            let hint =
                "Write the path in full, or use `{vars.name}` and `--set name=\"$HOME/...\"`.";
            self.problems.warning(&node.range, message, Some(hint.to_owned()));
        }
        self.template(node, Place::Plain, scope)
    }

    /// Says what is wrong with a name, if anything.
    fn judge(&self, name: &Name, scope: &Scope) -> Option<(String, String)> {
        let field = name.field.as_deref();
        if let Some((_, holds)) = scope.inputs.iter().find(|(n, _)| *n == name.base) {
            return self.judge_input(name, *holds, scope);
        }
        match (name.base.as_str(), field) {
            ("vars", None) => Some((
                "`{vars}` alone stands for nothing".to_owned(),
                "Write `{vars.name}` with a name from `vars`.".to_owned(),
            )),
            ("vars", Some(field)) => {
                let known = self.var_names.contains(field);
                (!known).then(|| self.unknown(name, scope, "no such variable in `vars`"))
            }
            (base, Some(_)) if BUILT_IN.contains(&base) => Some((
                format!("`{{{base}}}` has no parts"),
                format!("Write `{{{base}}}`, or `{{{{{name}}}}}` to keep the text as it is."),
            )),
            (base, None) if BUILT_IN.contains(&base) => (!scope.of_a_job).then(|| {
                (
                    format!("`{{{base}}}` is not known {}", scope.place),
                    "Only `{vars.name}` can stand here.".to_owned(),
                )
            }),
            // A column's own name will do where no variable has it; the file tells.
            (_, part)
                if part.is_none_or(|p| PATH_FIELDS.contains(&p))
                    && scope.inputs.iter().any(|(_, holds)| *holds != Holds::Values) =>
            {
                None
            }
            _ => Some(self.unknown(name, scope, "")),
        }
    }

    fn judge_input(&self, name: &Name, holds: Holds, scope: &Scope) -> Option<(String, String)> {
        let base = &name.base;
        match (holds, name.field.as_deref()) {
            (Holds::Either, _) | (Holds::Values, None) | (Holds::Records, Some(_)) => None,
            (Holds::Values, Some(field)) if PATH_FIELDS.contains(&field) => None,
            (Holds::Values, Some(_)) => Some(self.unknown(
                name,
                scope,
                "a value has the parts `name`, `stem`, `ext` and `dir`",
            )),
            (Holds::Records, None) => Some((
                format!("`{{{base}}}` is a row, not a value"),
                format!("Write `{{{base}.column}}` with a column of the file."),
            )),
        }
    }

    fn unknown(&self, name: &Name, scope: &Scope, why: &str) -> (String, String) {
        let mut known: Vec<String> = Vec::new();
        if !self.problems.are_many() && name.len <= NAME_WITH_HINT {
            known.extend(self.vars.iter().take(OFFERED_VARS).map(|(n, _)| format!("vars.{n}")));
            for (input, holds) in &scope.inputs {
                // A name without its field stands for any field in the hint.
                if (*holds == Holds::Values) == name.field.is_none() || *holds == Holds::Either {
                    known.push(input.clone());
                }
                if *holds == Holds::Values {
                    known.extend(PATH_FIELDS.iter().map(|f| format!("{input}.{f}")));
                }
            }
            if scope.of_a_job && name.field.is_none() {
                known.extend(BUILT_IN.iter().filter(|n| **n != "vars").map(|n| (*n).to_owned()));
            }
        }
        let message = match why {
            "" if scope.inputs.is_empty() && !scope.of_a_job => {
                format!("`{{{name}}}` is not known {}", scope.place)
            }
            "" => format!("unknown placeholder `{{{name}}}`"),
            why => format!("unknown placeholder `{{{name}}}`: {why}"),
        };
        (message, unknown_name_hint(name, known.iter().map(String::as_str)))
    }

    /// Returns the bytes of the file that a part of a scalar's text was written with.
    ///
    /// Quotes, escapes, indentation and folding move a text's parts, but neither double nor
    /// drop them: the n-th occurrence in the text is the n-th in the file. Where an escape
    /// hides it, the whole scalar is meant.
    pub(super) fn locate(
        &self,
        node: &Node,
        text: &str,
        offset: usize,
        len: usize,
    ) -> Range<usize> {
        let range = node.range.clone();
        let written = self.source.slice(&range);
        let offset_in_file = if written == text.trim_end() {
            Some(offset)
        } else if text.len() > LOCATED_TEXT_BYTES {
            None
        } else {
            text.get(offset..offset + len).filter(|part| !part.is_empty()).and_then(|part| {
                let before = text.get(..offset)?.matches(part).count();
                written.match_indices(part).nth(before).map(|(at, _)| at)
            })
        };
        match offset_in_file {
            Some(at) if at <= written.len() => range.start + at..range.start + at + len,
            _ => range,
        }
    }
}
