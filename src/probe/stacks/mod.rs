//! Where threads stand in their code, read without stopping them: Python frames by the `py-spy`
//! crate (feature `python`), native frames by unwinding copies of their stacks.
//!
//! A blocked thread does not change, so what is read of it is exact. Of one that runs it may be
//! torn: then there are no frames, or strange ones, which are for the eyes only.

mod native;
#[cfg(feature = "python")]
mod python;
mod symbols;

use super::waits::maps::Maps;
use crate::model::ids::ProcRef;
use crate::model::limits;
use crate::model::waits::{Frame, Language, ThreadRef};
use std::collections::HashMap;
use std::sync::Arc;

/// Whether this ganger can read Python frames.
pub const HAS_PYTHON: bool = cfg!(feature = "python");

/// Reads stacks, and keeps what it learnt of programs between looks.
#[derive(Default)]
pub struct Stacks {
    #[cfg(feature = "python")]
    spies: python::Spies,
    native: native::Unwinders,
    /// Read in this look.
    seen: HashMap<ProcRef, Arc<[PythonThread]>>,
}

/// A thread that runs Python code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PythonThread {
    pub tid: i32,
    /// Innermost first.
    pub frames: Vec<PythonFrame>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PythonFrame {
    /// With the classes around it from 3.11 on (`Thread.join`), before that without (`join`).
    pub function: String,
    pub file: String,
    /// 0 where it is not known.
    pub line: u32,
    pub locals: Vec<Local>,
}

/// A local variable of a Python function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    pub name: String,
    /// Of the object that it refers to.
    pub address: u64,
    pub is_argument: bool,
    /// As the object would be written, cut; `<Lock at 0x7f12>` for most classes.
    pub text: String,
}

impl PythonFrame {
    /// The last word of the function's name: the same in every version.
    pub fn name(&self) -> &str {
        self.function.rsplit('.').next().unwrap_or(&self.function)
    }

    /// Whether it is this function of a module of the standard library, such as
    /// `("threading.py", "join")`.
    pub fn is(&self, file: &str, name: &str) -> bool {
        self.name() == name
            && self.file.strip_suffix(file).is_some_and(|dir| dir.is_empty() || dir.ends_with('/'))
    }

    pub fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().find(|local| local.name == name)
    }
}

/// Registers of a blocked thread, as `/proc/PID/task/TID/syscall` shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    pub stack_pointer: u64,
    pub program_counter: u64,
}

impl Stacks {
    pub fn new() -> Stacks {
        Stacks::default()
    }

    /// Forgets the frames of the look before. Call it at the start of each.
    pub fn begin_look(&mut self) {
        self.seen.clear();
        #[cfg(feature = "python")]
        self.spies.begin_look();
    }

    /// The threads of a process that run Python code; none for other programs, and where they
    /// cannot be read. Read once in each look. `live_tid` is any thread that has not ended.
    pub fn python(&mut self, proc: ProcRef, live_tid: i32, maps: &Maps) -> Arc<[PythonThread]> {
        if let Some(seen) = self.seen.get(&proc) {
            return Arc::clone(seen);
        }
        #[cfg(feature = "python")]
        let threads = self.spies.threads(proc, live_tid, maps);
        #[cfg(not(feature = "python"))]
        let threads = {
            let _ = (live_tid, maps);
            Vec::new()
        };
        let threads: Arc<[PythonThread]> = threads.into();
        self.seen.insert(proc, Arc::clone(&threads));
        threads
    }

    /// Where a thread stands: in Python code where it runs that, else in native code, for which
    /// its registers are needed. Empty where nothing can be said.
    pub fn frames(
        &mut self,
        thread: ThreadRef,
        live_tid: i32,
        maps: &Maps,
        registers: Option<Registers>,
    ) -> Vec<Frame> {
        let python = self.python(thread.proc, live_tid, maps);
        let of_thread = python.iter().find(|t| t.tid == thread.tid);
        match (of_thread.filter(|t| !t.frames.is_empty()), registers) {
            (Some(found), _) => found.frames.iter().take(limits::STACK_FRAMES).map(shown).collect(),
            (None, Some(registers)) => self.native(thread, maps, registers),
            (None, None) => Vec::new(),
        }
    }

    /// Native frames of a blocked thread, also of one that runs Python code.
    pub fn native(&mut self, thread: ThreadRef, maps: &Maps, registers: Registers) -> Vec<Frame> {
        self.native.frames(thread, maps, registers)
    }
}

/// Whether Python runs in a process: its program or a library of it says so.
pub fn runs_python(maps: &Maps) -> bool {
    maps.iter().filter(|m| m.executable).filter_map(|m| m.file()).any(is_python)
}

fn is_python(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let name = name.strip_prefix("lib").unwrap_or(name);
    name.strip_prefix("python")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A Python frame for people.
fn shown(frame: &PythonFrame) -> Frame {
    let locals = frame.locals.iter().filter(|local| is_telling(local));
    Frame {
        language: Language::Python,
        function: harmless(&frame.function),
        file: Some(harmless(&frame.file)),
        line: (frame.line > 0).then_some(frame.line),
        locals: locals
            .take(limits::STACK_LOCALS)
            .map(|local| (harmless(&local.name), harmless(&local.text)))
            .collect(),
    }
}

/// Whether a variable helps people: numbers, short texts and objects; nothing that is long, and
/// nothing that is called like a secret.
fn is_telling(local: &Local) -> bool {
    const SECRETS: [&str; 6] = ["pass", "secret", "token", "key", "credential", "auth"];
    let name = local.name.to_lowercase();
    !name.starts_with("__")
        && !local.text.is_empty()
        && local.text != "?"
        && local.text.chars().count() <= limits::STACK_LOCAL_CHARS
        && !local.text.starts_with(['{', '[', '('])
        && !SECRETS.iter().any(|secret| name.contains(secret))
}

fn harmless(text: &str) -> String {
    crate::model::harmless::harmless_line(text.as_bytes(), limits::STACK_TEXT_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_libraries_of_python_are_known_by_name() {
        for yes in ["/usr/bin/python3.11", "/opt/python", "/usr/lib/libpython3.9.so.1.0"] {
            assert!(is_python(yes), "{yes}");
        }
        for no in ["/usr/bin/pythonic", "/usr/lib/python3/x.so", "/bin/sh", "/a/libpythonize.so"] {
            assert!(!is_python(no), "{no}");
        }
    }

    #[test]
    fn functions_of_the_standard_library_are_known_in_every_version() {
        let frame = |function: &str, file: &str| PythonFrame {
            function: function.to_owned(),
            file: file.to_owned(),
            ..PythonFrame::default()
        };
        let new = frame("Thread.join", "/usr/lib/python3.11/threading.py");
        assert!(new.is("threading.py", "join") && !new.is("threading.py", "start"));
        assert!(frame("join", "threading.py").is("threading.py", "join"));
        assert!(!frame("join", "/home/me/my_threading.py").is("threading.py", "join"));
        let deep = frame("Queue.put", "/x/multiprocessing/queues.py");
        assert!(deep.is("multiprocessing/queues.py", "put"));
    }

    #[test]
    fn variables_that_are_long_or_secret_are_not_shown() {
        let local = |name: &str, text: &str| Local {
            name: name.to_owned(),
            text: text.to_owned(),
            ..Local::default()
        };
        assert!(is_telling(&local("task", "\"resize\"")));
        assert!(is_telling(&local("n", "7")));
        let long = "x".repeat(200);
        for (name, text) in [
            ("api_token", "\"abc\""),
            ("Password", "\"abc\""),
            ("rows", "[1, 2, 3]"),
            ("text", &long),
            ("torn", "?"),
            ("__class__", "<type at 0x7f>"),
        ] {
            assert!(!is_telling(&local(name, text)), "{name}");
        }
    }
}
