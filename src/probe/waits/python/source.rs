//! Guesses who holds a lock that notes no owner: a thread whose current line is inside of a
//! `with` statement for it. Only a guess: it is read from source files, which may have changed.

use crate::probe::stacks::{PythonFrame, PythonThread};
use std::collections::HashMap;
use std::fs;
use std::io::Read;

/// Larger source files are not looked at.
const FILE_MAX: u64 = 4 << 20;
/// Frames of a thread that are looked at: the innermost hold what others wait for.
const FRAMES: usize = 24;

/// Source files of one process.
pub struct Sources {
    live_tid: i32,
    files: HashMap<String, Vec<String>>,
}

/// Something that a `with` statement enters, in a certain frame.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entered {
    /// A local variable: the object that it refers to.
    Object(u64),
    /// An attribute of one: the object, and what follows its name, such as `.lock`.
    Within(u64, String),
    /// Anything else by its text, which means the same in the whole file: a global name.
    Text(String, String),
}

impl Sources {
    pub fn of(live_tid: i32) -> Sources {
        Sources { live_tid, files: HashMap::new() }
    }

    /// The thread that seems to hold the lock at `object`, for which `waiter` waits.
    pub fn holder(&mut self, object: u64, waiter: i32, threads: &[PythonThread]) -> Option<i32> {
        // How the waiter names it on its line helps where it is no local variable of a holder.
        let own = threads.iter().find(|t| t.tid == waiter)?;
        let mut names = vec![Entered::Object(object)];
        if let Some(frame) = own.frames.first() {
            let line = self.line(frame, frame.line);
            let on_line = items_of(&line).unwrap_or_default();
            let called = line.trim().strip_suffix(".acquire()").map(str::to_owned);
            let text = match (on_line.as_slice(), called) {
                ([only], _) => Some(only.clone()),
                (_, Some(called)) => Some(called),
                _ => None,
            };
            names.extend(text.map(|text| entered(frame, &text)));
        }
        let mut found = threads.iter().filter(|thread| {
            thread.frames.iter().take(FRAMES).enumerate().any(|(depth, frame)| {
                let waits_here = thread.tid == waiter && depth == 0;
                let held = self.held(frame, waits_here);
                held.iter().any(|entered| names.contains(entered))
            })
        });
        let first = found.next()?.tid;
        // Two cannot have it.
        found.next().is_none().then_some(first)
    }

    /// Whether a thread is inside of any `with` statement; `None` where a source file is missing.
    pub fn is_inside_with(&mut self, thread: &PythonThread) -> Option<bool> {
        let mut inside = false;
        for frame in thread.frames.iter().take(FRAMES) {
            let lines = self.lines(&frame.file)?;
            inside |= !statements_around(lines, frame.line as usize).is_empty();
        }
        Some(inside)
    }

    /// What the `with` statements around the current line of a frame have entered.
    fn held(&mut self, frame: &PythonFrame, waits_here: bool) -> Vec<Entered> {
        let Some(lines) = self.lines(&frame.file) else { return Vec::new() };
        let mut held = Vec::new();
        for (at, text) in statements_around(lines, frame.line as usize) {
            // On its own line the first is entered before the second, and so on.
            let is_current = at == frame.line as usize;
            let items = items_of(&text).unwrap_or_default();
            let n = match (is_current, waits_here) {
                (false, _) => items.len(),
                (true, _) => items.len().saturating_sub(1),
            };
            held.extend(items.iter().take(n).map(|item| entered(frame, item)));
        }
        held
    }

    fn line(&mut self, frame: &PythonFrame, line: u32) -> String {
        let lines = self.lines(&frame.file);
        let found = lines.and_then(|lines| lines.get((line as usize).checked_sub(1)?));
        found.cloned().unwrap_or_default()
    }

    fn lines(&mut self, file: &str) -> Option<&[String]> {
        let tid = self.live_tid;
        let lines = self.files.entry(file.to_owned()).or_insert_with(|| {
            // As the process sees it: it may be in a container, or name it from its folder.
            let path = match file.starts_with('/') {
                true => format!("/proc/{tid}/root{file}"),
                false => format!("/proc/{tid}/cwd/{file}"),
            };
            read(&path).unwrap_or_default().lines().map(str::to_owned).collect()
        });
        (!lines.is_empty()).then_some(lines.as_slice())
    }
}

/// A regular file only: opening anything else could block or change something.
fn read(path: &str) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_file() || meta.len() > FILE_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn entered(frame: &PythonFrame, item: &str) -> Entered {
    let end = item.find('.').unwrap_or(item.len());
    match frame.local(&item[..end]) {
        Some(local) if end == item.len() => Entered::Object(local.address),
        Some(local) => Entered::Within(local.address, item[end..].to_owned()),
        None => Entered::Text(frame.file.clone(), item.to_owned()),
    }
}

/// The `with` statements that a line is inside of or on, innermost first: number and text.
fn statements_around(lines: &[String], current: usize) -> Vec<(usize, String)> {
    let Some(now) = current.checked_sub(1).and_then(|i| lines.get(i)) else { return Vec::new() };
    let mut found = Vec::new();
    if items_of(now).is_some() {
        found.push((current, now.clone()));
    }
    let mut limit = indent(now);
    for (i, line) in lines[..current - 1].iter().enumerate().rev() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') || limit == 0 {
            continue;
        }
        let depth = indent(line);
        if depth >= limit {
            continue;
        }
        limit = depth;
        let text = line.trim_start();
        if text.starts_with("def ") || text.starts_with("async def ") || text.starts_with("class ")
        {
            break;
        }
        if items_of(line).is_some() {
            found.push((i + 1, line.clone()));
        }
    }
    found
}

fn indent(line: &str) -> usize {
    let blanks = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blanks.map(|c| if c == '\t' { 8 } else { 1 }).sum()
}

/// What a `with` statement of one line enters: names and attributes of names only. `None` for
/// other statements.
fn items_of(line: &str) -> Option<Vec<String>> {
    let text = line.trim().strip_prefix("with ")?;
    let text = text.split('#').next()?.trim().strip_suffix(':').unwrap_or_else(|| {
        // A body on the same line.
        text.split(':').next().unwrap_or(text)
    });
    let text = text.trim().trim_start_matches('(').trim_end_matches(')');
    let is_name = |item: &str| {
        !item.is_empty() && item.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
    };
    let items = text.split(',').map(|item| item.split(" as ").next().unwrap_or(item).trim());
    Some(items.filter(|item| is_name(item)).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_is_inside_of_the_statements_around_it() {
        let text = lines(
            "\
def f(a, b):
    with a:
        x = 1

        if x:
            with b, self.c as c:  # both
                g()
    with d:
        pass
    h()",
        );
        let at = |line| -> Vec<usize> {
            statements_around(&text, line).into_iter().map(|(at, _)| at).collect()
        };
        assert_eq!(at(7), [6, 2]);
        assert_eq!(at(6), [6, 2]);
        assert_eq!(at(3), [2]);
        assert_eq!(at(2), [2]);
        assert_eq!(at(9), [8]);
        assert!(at(10).is_empty());
        assert!(at(99).is_empty());
        assert!(at(0).is_empty());
    }

    #[test]
    fn names_are_taken_from_with_statements() {
        let items = |line: &str| items_of(line).unwrap();
        assert_eq!(items("  with lock:"), ["lock"]);
        assert_eq!(items("with self._lock, b as c:  # why: so"), ["self._lock", "b"]);
        assert_eq!(items("with open(path) as f, lock:"), ["lock"]);
        assert_eq!(items("with (a, b):"), ["a", "b"]);
        assert_eq!(items("with a: return 1"), ["a"]);
        assert_eq!(items_of("without = 3"), None);
        assert_eq!(items_of("for x in y:"), None);
    }
}
