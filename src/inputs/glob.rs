//! Paths that match a pattern.
//!
//! `*`, `?`, `[a-z]` and `{a,b}` work inside one name, `**` stands for any number of folders, none
//! included. Names that begin with a dot match only where the pattern writes that dot. `**` does
//! not follow symbolic links to folders, so it always ends; other parts do. Folders match like
//! files, but not in a pattern with `**`, which gives what they hold; a pattern that ends with
//! `/` gives folders only. Folders outside the part without special characters that the
//! pattern begins with are never looked at. A backslash takes the meaning off the next character;
//! values of placeholders have none.
//!
//! This is not `globset`: that matches `?` and `[...]` with single bytes, takes only UTF-8
//! patterns, and cannot tell that a whole folder is excluded before it is walked.
//!
//! `exclude` drops a path when a pattern of it matches the path or a folder on the way to it. A
//! pattern that begins with `/` matches from the root, one with `./` from the working folder, any
//! other from wherever it fits: `*.bak`, `node_modules`, `old/*.png`. Hidden names are no
//! exception there.

use super::pattern::{self, Component, Pattern, Wanted};
use super::{Read, ReadContext, io_why, render, values_error};
use crate::plan::inputs::{SourceError, Table, Values};
use crate::plan::template::Template;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::Arc;

/// Warnings about folders that cannot be read, before the rest is only counted.
const FOLDER_WARNINGS: usize = 5;

pub(super) fn read(
    patterns: &[Template],
    exclude: &[Template],
    ctx: &ReadContext<'_>,
) -> Result<Read, SourceError> {
    let mut excluded = Vec::new();
    for template in exclude {
        let text = pattern_text(template, ctx)?;
        let parsed = pattern::parse(&text).map_err(|why| error("exclude", &text, why))?;
        excluded.extend(parsed.into_iter().map(Exclude::new));
    }
    let mut walk = Walk {
        workdir: ctx.workdir,
        excluded,
        found: Vec::new(),
        unreadable: Vec::new(),
        n_unreadable: 0,
        n_folders: 0,
    };
    let mut warnings = Vec::new();
    let mut last = Vec::new();
    for template in patterns {
        let text = pattern_text(template, ctx)?;
        let before = walk.found.len();
        walk.n_folders = 0;
        for one in pattern::parse(&text).map_err(|why| error("glob", &text, why))? {
            walk.run(&one);
        }
        if walk.found.len() == before {
            warnings.push(nothing(&text, walk.n_folders));
        }
        last = text;
    }
    warnings.append(&mut walk.folder_warnings());
    walk.found.sort_unstable();
    walk.found.dedup();
    let mut values = Values::default();
    for path in &walk.found {
        values.push(path).map_err(|e| error("glob", &last, values_error("path", e)))?;
    }
    Ok(Read { table: Table::Values(Arc::new(values)), warnings })
}

/// Renders a pattern; what values hold has no special meaning in it.
fn pattern_text(template: &Template, ctx: &ReadContext<'_>) -> Result<Vec<u8>, SourceError> {
    let escaped = ReadContext {
        lookup: &|name| (ctx.lookup)(name).map(|value| Cow::Owned(pattern::escape(&value))),
        ..*ctx
    };
    render("glob", template, &escaped)
}

fn error(kind: &str, text: &[u8], why: String) -> SourceError {
    SourceError { what: format!("{kind} `{}`", String::from_utf8_lossy(text)), why, path: None }
}

fn nothing(text: &[u8], n_folders: usize) -> String {
    let shown = String::from_utf8_lossy(text);
    if n_folders > 0 {
        return format!(
            "glob `{shown}` matches no file, only {n_folders} folders; \
             end the pattern with `/` to get folders"
        );
    }
    if text.starts_with(b"~") {
        return format!("glob `{shown}` matches nothing; `~` is not expanded, write the path out");
    }
    format!("glob `{shown}` matches nothing")
}

struct Exclude {
    pattern: Pattern,
    /// Written with `./`: counts from the working folder.
    from_workdir: bool,
}

impl Exclude {
    fn new(mut pattern: Pattern) -> Exclude {
        let dot = Component::Literal(b".".to_vec());
        let from_workdir = !pattern.absolute && pattern.components.first() == Some(&dot);
        pattern.components.retain(|component| *component != dot);
        Exclude { pattern, from_workdir }
    }

    fn matches(&self, path: &[u8], is_folder: bool) -> bool {
        if self.pattern.wanted == Wanted::Folders && !is_folder {
            return false;
        }
        let absolute = path.starts_with(b"/");
        let parts = path.split(|b| *b == b'/').filter(|name| !name.is_empty() && *name != b".");
        let names: Vec<&[u8]> = parts.collect();
        let components = &self.pattern.components;
        if self.pattern.absolute || self.from_workdir {
            return absolute == self.pattern.absolute && pattern::matches_path(components, &names);
        }
        (0..names.len()).any(|start| pattern::matches_path(components, &names[start..]))
    }
}

struct Walk<'a> {
    workdir: &'a Path,
    excluded: Vec<Exclude>,
    found: Vec<Vec<u8>>,
    unreadable: Vec<String>,
    n_unreadable: usize,
    /// Folders that matched a pattern for files.
    n_folders: usize,
}

/// What a folder holds.
struct Entry {
    name: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    /// A symbolic link; where it leads is looked up only when it matters.
    Link,
    Other,
}

impl Walk<'_> {
    fn run(&mut self, pattern: &Pattern) {
        let start = if pattern.absolute { b"/".as_slice() } else { b"" };
        self.descend(start, &pattern.components, pattern.wanted);
    }

    /// Finds what matches `components` below `dir`, which is as the pattern writes it.
    fn descend(&mut self, dir: &[u8], components: &[Component], wanted: Wanted) {
        let Some((first, rest)) = components.split_first() else {
            // The pattern is `/` alone.
            self.end(dir.to_vec(), Kind::Folder, wanted);
            return;
        };
        match first {
            Component::Literal(name) => {
                let path = join(dir, name);
                if rest.is_empty() {
                    if let Ok(metadata) = self.resolve(&path).symlink_metadata() {
                        self.end(path, kind_of(metadata.file_type()), wanted);
                    }
                } else {
                    self.descend(&path, rest, wanted);
                }
            }
            Component::Wild(_) => {
                let entries = self.entries(dir);
                self.choose(dir, &entries, first, rest, wanted);
            }
            Component::AnyFolders => self.any_folders(dir, rest, wanted),
        }
    }

    /// Follows the entries that match one component.
    fn choose(
        &mut self,
        dir: &[u8],
        entries: &[Entry],
        component: &Component,
        rest: &[Component],
        wanted: Wanted,
    ) {
        for entry in entries.iter().filter(|entry| component.matches(&entry.name, false)) {
            let path = join(dir, &entry.name);
            if rest.is_empty() {
                self.end(path, entry.kind, wanted);
            } else if self.is_folder(&path, entry.kind) && !self.is_excluded(&path, true) {
                self.descend(&path, rest, wanted);
            }
        }
    }

    fn any_folders(&mut self, top: &[u8], rest: &[Component], wanted: Wanted) {
        // A stack of its own: folders may be nested deeper than calls should be.
        let mut stack = vec![top.to_vec()];
        while let Some(dir) = stack.pop() {
            let entries = self.entries(&dir);
            match rest.split_first() {
                Some((next @ Component::Wild(_), after)) => {
                    self.choose(&dir, &entries, next, after, wanted);
                }
                _ => self.descend(&dir, rest, wanted),
            }
            for entry in &entries {
                if entry.kind == Kind::Folder && Component::AnyFolders.matches(&entry.name, false) {
                    let path = join(&dir, &entry.name);
                    if !self.is_excluded(&path, true) {
                        stack.push(path);
                    }
                }
            }
        }
    }

    /// Takes a path that matches the whole pattern, if it is of the right kind.
    fn end(&mut self, path: Vec<u8>, kind: Kind, wanted: Wanted) {
        let is_folder = self.is_folder(&path, kind);
        if self.is_excluded(&path, is_folder) {
            return;
        }
        match (is_folder, wanted) {
            (_, Wanted::All) | (true, Wanted::Folders) | (false, Wanted::Files) => {
                self.found.push(path);
            }
            (true, Wanted::Files) => self.n_folders += 1,
            (false, Wanted::Folders) => {}
        }
    }

    fn is_folder(&self, path: &[u8], kind: Kind) -> bool {
        match kind {
            Kind::Folder => true,
            Kind::Other => false,
            Kind::Link => self.resolve(path).metadata().is_ok_and(|m| m.is_dir()),
        }
    }

    fn is_excluded(&self, path: &[u8], is_folder: bool) -> bool {
        self.excluded.iter().any(|exclude| exclude.matches(path, is_folder))
    }

    fn resolve(&self, path: &[u8]) -> std::path::PathBuf {
        self.workdir.join(OsStr::from_bytes(path))
    }

    fn entries(&mut self, dir: &[u8]) -> Vec<Entry> {
        let path = self.resolve(dir);
        let mut entries = Vec::new();
        let listed = std::fs::read_dir(&path).and_then(|listing| {
            for entry in listing {
                let entry = entry?;
                let kind = entry.file_type().map_or(Kind::Other, kind_of);
                entries.push(Entry { name: entry.file_name().into_vec(), kind });
            }
            Ok(())
        });
        match listed {
            Ok(()) => {}
            // It is not there, or went away: nothing matches in it.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(e) => {
                self.n_unreadable += 1;
                if self.unreadable.len() < FOLDER_WARNINGS {
                    let why = io_why(&e);
                    self.unreadable.push(format!("cannot look into `{}`: {why}", path.display()));
                }
            }
        }
        entries
    }

    fn folder_warnings(&mut self) -> Vec<String> {
        let mut warnings = std::mem::take(&mut self.unreadable);
        let more = self.n_unreadable.saturating_sub(warnings.len());
        if more > 0 {
            warnings.push(format!("cannot look into {more} more folders"));
        }
        warnings
    }
}

fn kind_of(file_type: std::fs::FileType) -> Kind {
    if file_type.is_dir() {
        Kind::Folder
    } else if file_type.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(dir.len() + name.len() + 1);
    path.extend_from_slice(dir);
    if !dir.is_empty() && !dir.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
