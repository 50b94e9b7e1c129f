//! The shape of the house, held by reading its sources: which room may know which, who reads a
//! clock, what never stands outside of tests.
//!
//! Each rule is a function from one file to what is wrong in it; the tests at the end plant a
//! violation of every rule and see that it is found.

mod rust_text;

use rust_text::{Path, Token, lines_of_code, paths, tokens, without_tests};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Each room, and the rooms it may know (ARCHITECTURE.md, "Direction").
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("plan", &["model"]),
    ("engine", &["model", "plan"]),
    ("xray", &["model"]),
    ("inputs", &["model", "plan", "clock"]),
    ("probe", &["model", "clock"]),
    ("exec", &["model", "clock"]),
    ("broker", &["model", "clock"]),
    ("journal", &["model", "clock"]),
    ("control", &["model", "clock"]),
    ("report", &["model", "clock", "control"]),
    ("tui", &["model", "clock", "control"]),
    (
        "supervisor",
        &[
            "model", "clock", "plan", "engine", "xray", "inputs", "probe", "exec", "broker",
            "journal", "control",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "clock",
            "plan",
            "engine",
            "xray",
            "inputs",
            "probe",
            "exec",
            "broker",
            "journal",
            "control",
            "report",
            "tui",
            "supervisor",
        ],
    ),
    ("main", &["cli"]),
];

/// Rooms without I/O, async and clocks.
const PURE: &[&str] = &["model", "plan", "engine", "xray"];

/// What a pure room never names.
const IMPURE: &[&str] = &[
    "tokio",
    "libc",
    "nix",
    "rustix",
    "sysinfo",
    "crossterm",
    "ratatui",
    "indicatif",
    "std::fs",
    "std::process",
    "std::net",
    "std::thread",
    "std::env",
    "std::os::fd",
    "std::os::unix::fs",
    "std::os::unix::io",
    "std::os::unix::net",
    "std::os::unix::process",
];

/// Rooms that see a run only through the client half of `control`.
const FRONT_ENDS: &[&str] = &["report", "tui"];

/// Code, and files of tests, which are read case by case.
const LINES_OF_CODE: usize = 900;
const LINES_OF_TESTS: usize = 1200;

/// One source file of the crate, without its tests.
struct Source {
    /// From the project's folder, such as `src/tui/panels/cores.rs`.
    name: String,
    tokens: Vec<Token>,
    paths: Vec<Path>,
}

impl Source {
    fn new(name: &str, text: &str) -> Source {
        let (tokens, _) = without_tests(&tokens(text));
        let paths = paths(&tokens);
        Source { name: name.to_owned(), tokens, paths }
    }

    /// Modules from the crate down to this file; empty for lib.rs.
    fn module(&self) -> Vec<&str> {
        let inner = self.name.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<&str> = inner.split('/').collect();
        if matches!(module.last(), Some(&"mod") | Some(&"lib")) {
            module.pop();
        }
        module
    }

    fn room(&self) -> &str {
        self.module().first().copied().unwrap_or("lib")
    }

    fn wrong(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.name)
    }

    /// The path counted from the crate, `None` for one that leads elsewhere.
    fn place_of(&self, path: &Path) -> Option<Vec<String>> {
        let mut segments = path.segments.iter().map(String::as_str).peekable();
        let mut place: Vec<String> = self.module().iter().map(|s| (*s).to_owned()).collect();
        place.extend((0..path.depth).map(|_| "(inner)".to_owned()));
        match *segments.peek()? {
            "crate" | "ganger" => place.clear(),
            "self" => {}
            "super" => {
                place.pop();
            }
            _ => return None,
        }
        segments.next();
        for segment in segments {
            match segment {
                "super" => {
                    place.pop();
                }
                "self" => {}
                _ => place.push(segment.to_owned()),
            }
        }
        Some(place)
    }
}

fn direction(source: &Source) -> Vec<String> {
    let room = source.room();
    if room == "lib" {
        return Vec::new();
    }
    let Some((_, may_know)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![source.wrong(1, format!("`{room}` has no place in the table of rooms"))];
    };
    let mut wrong = Vec::new();
    for path in &source.paths {
        let Some(place) = source.place_of(path) else { continue };
        let said = path.segments.join("::");
        match place.first().map(String::as_str) {
            None | Some("*") => {
                wrong.push(source.wrong(path.line, format!("`{said}` names the whole crate")));
            }
            Some(other) if other == room => {}
            Some(other) if !may_know.contains(&other) => {
                wrong.push(source.wrong(path.line, format!("`{room}` may not know `{said}`")));
            }
            Some("control") if FRONT_ENDS.contains(&room) => {
                let half = place.get(1).map(String::as_str);
                if matches!(half, Some("server" | "*")) {
                    let what = format!("`{room}` may know the client half only, not `{said}`");
                    wrong.push(source.wrong(path.line, what));
                }
            }
            Some(_) => {}
        }
    }
    wrong
}

fn purity(source: &Source) -> Vec<String> {
    if !PURE.contains(&source.room()) {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for path in &source.paths {
        let said = path.segments.join("::");
        let hidden = path.imported && matches!(said.as_str(), "std" | "std::*");
        let named = IMPURE
            .iter()
            .any(|i| said == *i || said.strip_prefix(i).is_some_and(|rest| rest.starts_with("::")));
        if hidden || named {
            wrong.push(source.wrong(path.line, format!("`{said}` in a pure room")));
        }
    }
    wrong
}

fn clocks(source: &Source) -> Vec<String> {
    if source.name == "src/clock.rs" {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for path in &source.paths {
        let last_two: Vec<&str> = path.segments.iter().rev().take(2).map(String::as_str).collect();
        let reads = match last_two.as_slice() {
            ["now", "clock"] => false,
            ["now", _] => !path.segments.starts_with(&["crate".to_owned(), "clock".to_owned()]),
            ["clock_gettime" | "gettimeofday" | "elapsed", _] => true,
            _ => false,
        };
        if reads {
            let what = format!("`{}` reads a clock: use clock.rs", path.segments.join("::"));
            wrong.push(source.wrong(path.line, what));
        }
    }
    // Instant's takes no argument; one that is given the time reads no clock.
    for call in source.tokens.windows(4) {
        let said: String = call.iter().map(|t| t.text.as_str()).collect();
        if said == ".elapsed()" {
            wrong.push(source.wrong(call[1].line, "`.elapsed()` reads a clock: use clock.rs"));
        }
    }
    wrong
}

fn sleeps(source: &Source) -> Vec<String> {
    let asleep = |path: &&Path| match path.segments.last().map(String::as_str) {
        Some("sleep" | "sleep_ms" | "nanosleep" | "clock_nanosleep" | "usleep") => true,
        // The supervisor waits for the next deadline of a run.
        Some("sleep_until") => source.room() != "supervisor",
        _ => false,
    };
    source
        .paths
        .iter()
        .filter(asleep)
        .map(|path| {
            let said = path.segments.join("::");
            source.wrong(path.line, format!("`{said}`: nothing waits by sleeping"))
        })
        .collect()
}

fn panics(source: &Source) -> Vec<String> {
    let methods = method_calls(&source.tokens, &["unwrap", "expect", "unwrap_err", "expect_err"]);
    let macros = source.tokens.windows(2).filter(|w| {
        let panics = ["panic", "todo", "unimplemented", "unreachable"];
        panics.contains(&w[0].text.as_str()) && w[1].text == "!"
    });
    let said = methods.chain(macros.map(|w| &w[0]));
    said.map(|token| source.wrong(token.line, format!("`{}` outside of tests", token.text)))
        .collect()
}

fn method_calls<'a>(tokens: &'a [Token], names: &[&str]) -> impl Iterator<Item = &'a Token> {
    tokens
        .windows(3)
        .filter(move |w| {
            matches!(w[0].text.as_str(), "." | "::")
                && names.contains(&w[1].text.as_str())
                && w[2].text == "("
        })
        .map(|w| &w[1])
        .collect::<Vec<_>>()
        .into_iter()
}

fn length(name: &str, text: &str) -> Vec<String> {
    let only_tests = !name.starts_with("src/") || name.ends_with("tests.rs");
    let (lines, most) = if only_tests {
        (text.lines().count(), LINES_OF_TESTS)
    } else {
        (lines_of_code(text), LINES_OF_CODE)
    };
    (lines > most).then(|| format!("{name}: {lines} lines; split it")).into_iter().collect()
}

/// Paths that exist on one machine only.
fn machine_paths(name: &str, text: &str) -> Vec<String> {
    // In two parts, so that this file passes.
    let foreign = [concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/tmp/", "wt/")];
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let starts_here = |at: usize| {
            let before = line.get(..at).and_then(|s| s.chars().next_back());
            !before.is_some_and(|c| c.is_alphanumeric() || "_-.})*".contains(c))
        };
        let found = foreign.iter().find(|f| line.match_indices(**f).any(|(at, _)| starts_here(at)));
        if let Some(path) = found {
            wrong.push(format!("{name}:{}: `{path}` is a path of one machine", number + 1));
        }
    }
    wrong
}

/// Links of a page to files that are not there; links to the web are not looked at.
fn dead_links(name: &str, text: &str) -> Vec<String> {
    let folder = project().join(name).parent().map(PathBuf::from).unwrap_or_default();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|t| !t.contains("://") && !t.starts_with('#'))
        .filter(|t| !folder.join(t.split('#').next().unwrap_or(t)).exists())
        .map(|t| format!("{name}: the link to `{t}` leads nowhere"))
        .collect()
}

/// Modules of lib.rs without a sentence.
fn undescribed_modules(lib: &str) -> Vec<String> {
    let mut described = false;
    let mut wrong = Vec::new();
    for line in lib.lines().map(str::trim) {
        let declared = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "));
        if let Some(module) = declared
            && !described
        {
            wrong.push(format!("src/lib.rs: `{module}` has no sentence"));
        }
        described = line.starts_with("// ") || (described && line.starts_with("#["));
    }
    wrong
}

/// The project's folder.
fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the project by name and content; folders that others write are passed over.
fn project_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![project()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == ".git" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                if !matches!(name.as_str(), "target" | "corpus" | "artifacts") {
                    folders.push(path);
                }
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let inner = path.strip_prefix(project()).unwrap();
                files.push((inner.to_string_lossy().into_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// The sources below `src`, without the files that only tests use.
fn sources() -> Vec<Source> {
    let files: Vec<(String, String)> = project_files()
        .into_iter()
        .filter(|(name, _)| name.starts_with("src/") && name.ends_with(".rs"))
        .collect();
    let mut test_files = BTreeSet::new();
    for (name, text) in &files {
        let (_, modules) = without_tests(&tokens(text));
        let folder = name.trim_end_matches("mod.rs").trim_end_matches(".rs");
        let beside = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        for module in modules {
            test_files.insert(format!("{}/{module}", folder.trim_end_matches('/')));
            // `#[path = "x_tests.rs"]` puts it beside its parent.
            let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".rs");
            test_files.insert(format!("{beside}/{stem}_{module}"));
        }
    }
    let is_test = |name: &str| {
        test_files.iter().any(|t| {
            name.strip_prefix(t.as_str()).is_some_and(|r| r == ".rs" || r.starts_with('/'))
        })
    };
    files
        .iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| Source::new(name, text))
        .collect()
}

fn assert_clean(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} things are not tidy:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rooms_know_only_what_they_may() {
    assert_clean(sources().iter().flat_map(direction).collect());
}

#[test]
fn pure_rooms_touch_nothing() {
    assert_clean(sources().iter().flat_map(purity).collect());
}

#[test]
fn only_clock_rs_reads_a_clock() {
    assert_clean(sources().iter().flat_map(clocks).collect());
}

#[test]
fn nothing_waits_by_sleeping() {
    assert_clean(sources().iter().flat_map(sleeps).collect());
}

#[test]
fn nothing_panics_on_purpose_outside_of_tests() {
    assert_clean(sources().iter().flat_map(panics).collect());
}

#[test]
fn files_are_short_name_no_machine_and_link_to_what_is_there() {
    let files = project_files();
    assert!(files.iter().any(|(name, _)| name == "src/lib.rs"), "the project was not found");
    let rust = files.iter().filter(|(name, _)| name.ends_with(".rs"));
    let long = rust.flat_map(|(name, text)| length(name, text));
    let foreign = files.iter().flat_map(|(name, text)| machine_paths(name, text));
    let pages = files.iter().filter(|(name, _)| name.ends_with(".md"));
    let links = pages.flat_map(|(name, text)| dead_links(name, text));
    assert_clean(long.chain(foreign).chain(links).collect());
}

#[test]
fn lib_rs_says_what_each_module_is() {
    let lib = std::fs::read_to_string(project().join("src/lib.rs")).unwrap();
    assert!(lib.contains("mod model"));
    assert_clean(undescribed_modules(&lib));
}

mod planted {
    //! Every rule must notice what it is for.
    use super::*;

    /// Lines on which a rule finds something in a file of that name.
    fn found(rule: fn(&Source) -> Vec<String>, name: &str, text: &str) -> Vec<usize> {
        let line = |wrong: &String| wrong.split(':').nth(1).and_then(|l| l.parse().ok()).unwrap();
        let lines: BTreeSet<usize> = rule(&Source::new(name, text)).iter().map(line).collect();
        lines.into_iter().collect()
    }

    #[test]
    fn a_wrong_direction_is_found_however_it_is_written() {
        let text = "use crate::model::Now;
            use crate::tui::Screen;
            use crate::{model::Mono, exec::{Local, self}};
            fn f() { crate::supervisor::run(); }
            use super::super::probe as eyes;
            use crate as everything;
            use crate::*;
            use super::super::{self};
            fn g(x: &super::state::State) -> self::Y { self::super::super::clock::now() }
            use r#crate::x; // crate::tui
            /* crate::tui */ const S: &str = \"crate::tui\"; const R: &str = r#\"\"crate::tui\"#;
            fn h(q: char) -> bool { q == '\"' && crate::broker::ok() || q == '\\'' }
            pub(crate) fn i() { macro_rules! m { () => { $crate::journal::x() } } }
            mod inner { use super::super::super::cli; use super::state; }
            #[cfg(test)] mod tests { use crate::tui::Screen; }
            fn k<'a>() -> impl Iterator + use<'a> { f(); crate::cli::x() }";
        let lines = found(direction, "src/engine/schedule.rs", text);
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 16]);
    }

    #[test]
    fn front_ends_have_the_client_half_of_control() {
        let text = "use crate::control::client::Client;
            use crate::control::{proto::Frame, server::Server};
            use crate::control::*;
            use crate::engine::Engine;";
        assert_eq!(found(direction, "src/tui/mod.rs", text), [2, 3, 4]);
        assert_eq!(found(direction, "src/supervisor/mod.rs", text), [0_usize; 0]);
        assert_eq!(found(direction, "src/attic/mod.rs", text), [1]);
        assert_eq!(found(direction, "src/main.rs", "fn main() { ganger::engine::x() }"), [1]);
    }

    #[test]
    fn io_in_a_pure_room_is_found() {
        let text = "use std::time::Duration;
            use std::{collections::HashMap, fs::File};
            use tokio::sync::mpsc;
            fn f() { std::process::exit(1) }
            use std as s;
            use rustix as r;
            fn g() { std::fsx(); libc::getpid(); }";
        assert_eq!(found(purity, "src/plan/x.rs", text), [2, 3, 4, 5, 6, 7]);
        assert_eq!(found(purity, "src/exec/x.rs", text), [0_usize; 0]);
    }

    #[test]
    fn readers_of_clocks_are_found() {
        let text = "use std::time::Instant;
            fn f() { Instant::now(); }
            fn g() { crate::clock::now(); clock::mono(); }
            fn h() { std::time::SystemTime::now(); }
            fn i(t: Instant) { t.elapsed(); }
            fn j() { rustix::time::clock_gettime(x); jiff::Timestamp::now(); }
            #[cfg(test)] fn k() { Instant::now(); }
            fn l() { Instant::now(); }";
        assert_eq!(found(clocks, "src/exec/x.rs", text), [2, 4, 5, 6, 8]);
        assert_eq!(found(clocks, "src/clock.rs", text), [0_usize; 0]);
    }

    #[test]
    fn sleepers_are_found() {
        let text = "use std::thread::sleep;
            async fn f() { tokio::time::sleep(x).await; }
            async fn g() { tokio::time::sleep_until(x).await; }
            fn h() { a.wait_timeout(b); }";
        assert_eq!(found(sleeps, "src/exec/x.rs", text), [1, 2, 3]);
        assert_eq!(found(sleeps, "src/supervisor/x.rs", text), [1, 2]);
    }

    #[test]
    fn panics_are_found_outside_of_tests_only() {
        let text = "fn f() { a.unwrap(); }
            fn g() { a.unwrap_or(0); a.unwrap_or_default(); expect(b); }
            fn h() { a
                .expect(\"x\"); }
            fn i() { panic!(\"no\"); todo!() }
            // a.unwrap()
            #[cfg(test)]
            mod tests { fn j() { a.unwrap(); panic!() } }
            fn k() { Option::unwrap(a); }";
        assert_eq!(found(panics, "src/x.rs", text), [1, 4, 5, 9]);
    }

    #[test]
    fn long_files_machine_paths_dead_links_and_silent_modules_are_found() {
        let page = "[a](../README.md#x) [b](none.md) [c](https://x.org/y) [d](#here)";
        assert_eq!(dead_links("docs/x.md", page).len(), 1);
        let long = "\n".repeat(LINES_OF_CODE);
        let tests = "#[cfg(test)]\nmod tests {\n\n}\n";
        assert_eq!(length("src/x.rs", &format!("{long}{tests}")).len(), 0);
        assert_eq!(length("src/x.rs", &format!("{long}{tests}\n")).len(), 1);
        assert_eq!(length("tests/it/x.rs", &"\n".repeat(LINES_OF_TESTS + 1)).len(), 1);
        let foreign = concat!("cd /wo", "rk/main");
        assert_eq!(machine_paths("x", &format!("a\n{foreign}\n")).len(), 1);
        assert_eq!(machine_paths("x", concat!("{out}/wo", "rk/a net", "/wo", "rk/b")).len(), 0);
        let lib = "// One.\npub mod a;\npub mod b;\n// Three.\n#[cfg(unix)]\nmod c;\n";
        assert_eq!(undescribed_modules(lib), ["src/lib.rs: `b;` has no sentence"]);
    }
}
