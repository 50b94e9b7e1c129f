//! Paths by pattern: `*`, `?`, `[a-z]`, `{a,b}` within a name, `**` for any depth of folders.
//!
//! As in a shell, names that begin with a dot match only where the pattern begins with one.
//! `**` does not follow symbolic links to folders, so loops cannot trap it.

use super::{Read, ReadContext, add, error, fill, shown, words};
use crate::plan::inputs::{SourceError, Table, Values};
use crate::plan::template::Template;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders that could not be looked into are named up to this many.
const NAMED_FOLDERS: usize = 3;

/// One name of a pattern.
enum Part {
    /// Without any special character: never looked for, just gone to.
    Exactly(Vec<u8>),
    Like {
        matcher: GlobMatcher,
        /// It begins with a dot, so it may match names that do.
        hidden: bool,
    },
    /// `**`
    AnyDepth,
}

/// What a walk has found.
#[derive(Default)]
struct Walk {
    found: BTreeSet<Vec<u8>>,
    unreadable: Vec<String>,
}

/// Finds all paths that match any of the patterns and none of the excluded ones, in the order
/// of their bytes. They are relative where the pattern is.
pub(super) fn read(
    patterns: &[Template],
    exclude: &[Template],
    ctx: &ReadContext<'_>,
) -> Result<Read, SourceError> {
    let mut walk = Walk::default();
    let mut warnings = Vec::new();
    let mut names = Vec::new();
    for pattern in patterns {
        let text = text(pattern, ctx)?;
        let before = walk.found.len();
        find(&text, ctx.workdir, &mut walk)?;
        if walk.found.len() == before {
            warnings.push(format!("glob `{text}` matches nothing"));
        }
        names.push(text);
    }
    let what = format!("glob `{}`", names.join("`, `"));
    let excluded =
        exclude.iter().map(|t| excluder(&text(t, ctx)?)).collect::<Result<Vec<_>, _>>()?;
    let mut values = Values::default();
    for path in &walk.found {
        if !excluded.iter().any(|e| e.matches(path)) {
            add(&mut values, path, &what)?;
        }
    }
    if values.len() == 0 && !walk.found.is_empty() {
        warnings.push(format!("{what}: everything it matches is excluded"));
    }
    if !walk.unreadable.is_empty() {
        let named = walk.unreadable[..walk.unreadable.len().min(NAMED_FOLDERS)].join(", ");
        let n = walk.unreadable.len();
        warnings.push(format!("{what}: {n} folders could not be looked into: {named}"));
    }
    Ok(Read { table: Table::Values(Arc::new(values)), warnings })
}

fn text(template: &Template, ctx: &ReadContext<'_>) -> Result<String, SourceError> {
    let bytes = fill(template, ctx, "glob")?;
    String::from_utf8(bytes)
        .map_err(|e| error(format!("glob `{}`", shown(e.as_bytes())), "a pattern must be UTF-8"))
}

fn matcher(text: &str) -> Result<GlobMatcher, SourceError> {
    let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    glob.map(|g| g.compile_matcher())
        .map_err(|e| error(format!("glob `{text}`"), format!("it is no pattern: {}", e.kind())))
}

fn parts(pattern: &str) -> Result<Vec<Part>, SourceError> {
    let names = pattern.split('/').filter(|name| !name.is_empty());
    names
        .map(|name| {
            if name == "**" {
                Ok(Part::AnyDepth)
            } else if name.contains(['*', '?', '[', '{', '\\']) {
                Ok(Part::Like { matcher: matcher(name)?, hidden: name.starts_with('.') })
            } else {
                Ok(Part::Exactly(name.as_bytes().to_vec()))
            }
        })
        .collect()
}

fn find(pattern: &str, workdir: &Path, walk: &mut Walk) -> Result<(), SourceError> {
    let parts = parts(pattern)?;
    let (base, shown) = if pattern.starts_with('/') {
        (PathBuf::from("/"), b"/".to_vec())
    } else {
        (workdir.to_owned(), Vec::new())
    };
    descend(&base, &shown, &parts, walk);
    if pattern.ends_with('/') {
        let root = if pattern.starts_with('/') { Path::new("/") } else { workdir };
        walk.found.retain(|path| root.join(OsStr::from_bytes(path)).is_dir());
    }
    Ok(())
}

/// Follows the rest of a pattern from one folder. `shown` is the path so far as it is given
/// to jobs.
fn descend(folder: &Path, shown: &[u8], parts: &[Part], walk: &mut Walk) {
    let Some((part, rest)) = parts.split_first() else { return };
    match part {
        Part::Exactly(name) => {
            let path = folder.join(OsStr::from_bytes(name));
            let shown = joined(shown, name);
            if !rest.is_empty() {
                descend(&path, &shown, rest, walk);
            } else if path.symlink_metadata().is_ok() {
                walk.found.insert(shown);
            }
        }
        Part::Like { matcher, hidden } => {
            for (name, is_folder, _) in entries(folder, walk) {
                let matches =
                    (*hidden || name[0] != b'.') && matcher.is_match(OsStr::from_bytes(&name));
                if !matches {
                    continue;
                }
                let shown = joined(shown, &name);
                if rest.is_empty() {
                    walk.found.insert(shown);
                } else if is_folder {
                    descend(&folder.join(OsStr::from_bytes(&name)), &shown, rest, walk);
                }
            }
        }
        Part::AnyDepth => {
            // No folder at all is a depth too.
            descend(folder, shown, rest, walk);
            for (name, is_folder, is_link) in entries(folder, walk) {
                if name[0] == b'.' {
                    continue;
                }
                let shown = joined(shown, &name);
                if is_folder && !is_link {
                    descend(&folder.join(OsStr::from_bytes(&name)), &shown, parts, walk);
                } else if rest.is_empty() {
                    walk.found.insert(shown);
                }
            }
        }
    }
}

fn joined(shown: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = shown.to_vec();
    if !path.is_empty() && path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Names in a folder, whether each leads to a folder, and whether it is a symbolic link.
fn entries(folder: &Path, walk: &mut Walk) -> Vec<(Vec<u8>, bool, bool)> {
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(e) => {
            use std::io::ErrorKind::{NotADirectory, NotFound};
            if !matches!(e.kind(), NotFound | NotADirectory) {
                walk.unreadable.push(format!("`{}` ({})", folder.display(), words(&e)));
            }
            return Vec::new();
        }
    };
    listing
        .flatten()
        .map(|entry| {
            let kind = entry.file_type();
            let is_link = kind.as_ref().is_ok_and(|k| k.is_symlink());
            let is_folder =
                if is_link { entry.path().is_dir() } else { kind.is_ok_and(|k| k.is_dir()) };
            (entry.file_name().into_vec(), is_folder, is_link)
        })
        .collect()
}

/// One pattern of `exclude`: with a slash it is held against the whole path, without one
/// against the name and every folder on the way.
struct Excluder {
    matcher: GlobMatcher,
    whole: bool,
}

fn excluder(text: &str) -> Result<Excluder, SourceError> {
    Ok(Excluder { matcher: matcher(text.trim_end_matches('/'))?, whole: text.contains('/') })
}

impl Excluder {
    fn matches(&self, path: &[u8]) -> bool {
        if self.whole {
            return self.matcher.is_match(OsStr::from_bytes(path));
        }
        let mut names = path.split(|b| *b == b'/');
        names.any(|name| self.matcher.is_match(OsStr::from_bytes(name)))
    }
}
