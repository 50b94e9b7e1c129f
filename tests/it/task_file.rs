//! Task files as people write them: the reference's examples, the mistakes of
//! `tests/fixtures/bad`, and whatever bytes a random generator comes up with.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use ganger::model::limits;
use ganger::plan::keys::{self, Key, Shape, Type};
use ganger::plan::rules::{NeedWhen, OnFailure, QuietAction};
use ganger::plan::spec::{MARKS, Run, StdinSpec, WorkerCount};
use ganger::plan::yaml::Node;
use ganger::plan::{Outcome, Plan, ReadOptions, SiteKind, Source, diag, read};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const REFERENCE: &str = include_str!("../../docs/task-file.md");

fn options() -> ReadOptions {
    ReadOptions { file_name: "it.yaml".into(), file_dir: "/base".into(), ..Default::default() }
}

fn drawn(outcome: &Outcome, name: &str, bytes: &[u8]) -> String {
    diag::render_all(&outcome.diagnostics, &Source::new(name, bytes))
}

fn plan(text: &str) -> Plan {
    plan_with(text, &options())
}

fn plan_with(text: &str, options: &ReadOptions) -> Plan {
    let outcome = read(text.as_bytes(), options);
    let problems = drawn(&outcome, "it.yaml", text.as_bytes());
    outcome.plan.unwrap_or_else(|| panic!("{problems}\nin\n{text}"))
}

/// First error or warning of a text.
fn complaint(text: &str, options: &ReadOptions) -> String {
    let outcome = read(text.as_bytes(), options);
    let first = outcome.diagnostics.first().unwrap_or_else(|| panic!("no complaint about\n{text}"));
    assert!(first.hint.as_ref().is_some_and(|h| !h.is_empty()), "no hint: {first:?}");
    format!("{} | {}", first.message, first.hint.as_deref().unwrap_or(""))
}

#[test]
fn every_mark_is_in_the_reference_and_env_cannot_set_it() {
    for mark in MARKS.into_iter().chain(["GANGER_VAR_x"]) {
        assert!(REFERENCE.contains(&format!("\n| `{mark}` |")), "{mark} is not in the reference");
        let text = format!("tasks: [{{name: a, run: 'true', env: {{{mark}: 1}}}}]");
        let said = complaint(&text, &options());
        assert!(said.starts_with(&format!("`{mark}` is one of ganger's own marks")), "{said}");
    }
}

// --- the reference ---

/// The examples of the reference as whole files. `yaml task` blocks are keys of one task.
fn examples() -> Vec<String> {
    let mut found = Vec::new();
    for block in REFERENCE.split("\n```yaml").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        let text = rest.split("\n```").next().unwrap();
        found.push(match kind.trim() {
            "" => text.to_owned(),
            "task" => {
                let indented = text.lines().map(|l| format!("    {l}\n")).collect::<String>();
                format!("tasks:\n  - name: example\n{indented}")
            }
            other => panic!("unknown kind of example: {other}"),
        });
    }
    assert!(found.len() > 40, "only {} examples found", found.len());
    found
}

#[test]
fn every_example_of_the_reference_is_read_without_complaint() {
    for text in examples() {
        let outcome = read(text.as_bytes(), &options());
        let problems = drawn(&outcome, "docs/task-file.md", text.as_bytes());
        assert!(outcome.diagnostics.is_empty(), "{problems}\nin\n{text}");
        assert!(outcome.plan.is_some());
    }
}

#[test]
fn the_reference_has_an_example_for_every_key() {
    let mut seen = BTreeSet::new();
    for text in examples() {
        let source = Source::new("x", text.as_bytes());
        let mut problems = diag::Problems::default();
        let document = ganger::plan::yaml::parse(text.as_bytes(), &source, &mut problems);
        note_keys(&document.root.expect("the example is YAML"), &keys::TOP, &mut seen);
    }
    let mut missing = Vec::new();
    for shape in keys::SHAPES {
        // `defaults` takes the keys of a task, which are shown there.
        let keys = shape.keys().filter(|_| shape.place != keys::DEFAULTS.place);
        missing.extend(
            keys.filter(|k| !seen.contains(&(shape.place, k.name)))
                .map(|k| format!("`{}` in {}", k.name, shape.place)),
        );
    }
    // A pool takes its bounds with or without `workers`; one way is shown.
    missing.retain(|m| m != "`start` in `workers`");
    assert!(missing.is_empty(), "no example in docs/task-file.md for: {missing:?}");
}

fn note_keys(
    node: &Node,
    shape: &'static Shape,
    seen: &mut BTreeSet<(&'static str, &'static str)>,
) {
    for entry in node.entries().unwrap_or_default() {
        if let Some(key) = shape.key(&entry.key) {
            seen.insert((shape.place, key.name));
            note_in(&entry.value, &key.takes, seen);
        }
    }
}

fn note_in(node: &Node, takes: &'static Type, seen: &mut BTreeSet<(&'static str, &'static str)>) {
    match takes {
        Type::Map(shape) => note_keys(node, shape, seen),
        Type::Either(types) => types.iter().for_each(|t| note_in(node, t, seen)),
        Type::List { of, .. } => {
            node.items().unwrap_or_default().iter().for_each(|i| note_in(i, of, seen));
        }
        Type::Names { of, .. } => {
            node.entries().unwrap_or_default().iter().for_each(|e| note_in(&e.value, of, seen));
        }
        _ => {}
    }
}

#[test]
fn every_example_of_the_table_is_read() {
    for key in keys::TOP.keys().filter(|k| k.name != "tasks") {
        plan(&format!("{}\ntasks: [{{name: a, run: x}}]\n", key.example));
    }
    for key in keys::TASK.keys().filter(|k| k.name != "name") {
        let run = if key.name == "run" { "" } else { "    run: x\n" };
        let inputs = "    foreach: {file: [a], level: [a], target: [a], picture: [a]}\n";
        let inputs = if key.name == "foreach" { "" } else { inputs };
        let others = "pools: {net: 1}\ntasks:\n  - {name: prepare, run: x}\n  - name: a\n";
        plan(&format!("{others}{run}{inputs}    {}\n", key.example));
    }
}

#[test]
fn the_reference_names_the_limits_as_they_are() {
    assert_eq!(limits::TASK_FILE_BYTES, 16 << 20);
    for (name, value) in [
        ("values", limits::TASK_FILE_NODES),
        ("levels", limits::TASK_FILE_DEPTH),
        ("variables", limits::FOREACH_VARIABLES),
        ("pools", limits::POOLS),
        ("workers", limits::WORKERS as usize),
        ("jobs", limits::JOBS as usize),
        ("problems", limits::DIAGNOSTICS),
    ] {
        let digits = value.to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().map(|c| std::str::from_utf8(c).unwrap()).collect();
        assert!(REFERENCE.contains(&groups.join(",")), "{name}: {value}");
    }
}

// --- what is read ---

#[test]
fn values_are_text_as_written() {
    let plan = plan(
        "vars: {a: 1.10, b: 0x10, c: no, d: 007, e: 1_000}\n\
         env: {V: 1.10, Y: yes, T: true, N: 'null', Q: \"a\\tb\"}\n\
         tasks:\n  - {name: 1.10, run: true}\n  - {name: b, run: [echo, 007, no, 1e3, false]}\n",
    );
    let vars: Vec<&[u8]> = plan.vars.iter().map(|(_, v)| v.as_slice()).collect();
    assert_eq!(vars, [b"1.10".as_slice(), b"0x10", b"no", b"007", b"1_000"]);
    let task = &plan.tasks[0];
    let env: Vec<&str> = task.env.iter().map(|(_, t)| t.as_literal().unwrap()).collect();
    assert_eq!(env, ["1.10", "yes", "true", "null", "a\tb"]);
    assert_eq!(task.rules.name, "1.10");
    assert!(matches!(&task.run, Run::Shell { text, .. } if text.as_literal() == Some("true")));
    let Run::Argv(words) = &plan.tasks[1].run else { panic!("not a list") };
    let words: Vec<&str> = words.iter().map(|w| w.as_literal().unwrap()).collect();
    assert_eq!(words, ["echo", "007", "no", "1e3", "false"]);
}

#[test]
fn json_with_tabs_is_read_like_yaml() {
    let json = "{\n\t\"name\": \"j\",\n\t\"tasks\": [\n\t\t{\"name\": \"a\", \"run\": [\"x\\/y\\u00e9\"],\n\t\t \"retries\": 2}\n\t]\n}\n";
    let plan = plan(json);
    assert_eq!(plan.name, "j");
    assert_eq!(plan.tasks[0].rules.retries.max, 2);
    let Run::Argv(words) = &plan.tasks[0].run else { panic!("not a list") };
    assert_eq!(words[0].as_literal(), Some("x/yé"));
}

#[test]
fn what_is_given_in_part_is_filled_from_defaults_and_then_from_what_holds_anyway() {
    let plan = plan(
        "defaults:\n  retries: {max: 3, delay: 2s}\n  stop: {signal: INT}\n  limits: {memory: 1MiB}\n  \
         quiet: {after: 9s}\n  env: {A: '1', B: '1'}\n  timeout: 5s\n\
         tasks:\n  - name: a\n    run: x\n    retries: {delay: 4s}\n    stop: {grace: 1s}\n    \
         limits: {processes: 3}\n    quiet: {action: stop}\n    env: {B: '2'}\n  \
         - {name: b, run: x, retries: 1, timeout: 7s}\n  - {name: c, run: x, retries: 0}\n",
    );
    let [a, b, c] = plan.tasks.as_slice() else { panic!("three tasks") };
    assert_eq!((a.rules.retries.max, a.rules.retries.delay), (3, Duration::from_secs(4)));
    assert_eq!((a.rules.stop.signal, a.rules.stop.grace), (2, Duration::from_secs(1)));
    assert_eq!((a.limits.memory_bytes, a.limits.processes), (Some(1 << 20), Some(3)));
    let quiet = a.rules.quiet.unwrap();
    assert_eq!((quiet.after, quiet.action), (Duration::from_secs(9), QuietAction::Stop));
    let env: Vec<(&str, &str)> =
        a.env.iter().map(|(n, t)| (n.as_str(), t.as_literal().unwrap())).collect();
    assert_eq!(env, [("A", "1"), ("B", "1"), ("B", "2")]);
    assert_eq!((b.rules.retries.max, b.rules.retries.delay), (1, Duration::from_secs(2)));
    assert_eq!(b.rules.timeout, Some(Duration::from_secs(7)));
    assert_eq!((c.rules.retries.max, c.rules.timeout), (0, Some(Duration::from_secs(5))));
    assert_eq!(c.rules.stop.grace, limits::DEFAULT_GRACE);
}

#[test]
fn needs_pools_and_rules_arrive_in_the_plan() {
    let plan = plan(
        "workers: 3\npools: {net: {workers: {max: 9}}, io: {min: 2, start: 150%}}\nfail_fast: 5\n\
         tasks:\n  - {name: a, run: x, foreach: {n: [1, 2]}}\n  \
         - {name: b, run: x, foreach: {n: [1, 2]}, pool: io, on_failure: abort, \
         needs: [{task: a, each: true, when: always}], ok_codes: 3, tty: {rows: 5}}\n  \
         - {name: c, run: x, needs: b, stdin: hello, tty: true, threads: auto}\n",
    );
    assert_eq!(
        plan.pools.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
        ["default", "net", "io"]
    );
    assert_eq!(plan.pools[1].workers.max, Some(WorkerCount::Exactly(9)));
    assert_eq!(plan.pools[2].workers.start, WorkerCount::Percent(150.0));
    let b = &plan.tasks[1];
    assert_eq!((b.rules.pool.0, b.rules.on_failure), (2, OnFailure::Abort));
    assert_eq!(b.rules.ok_codes, [3]);
    let need = &b.rules.needs[0];
    assert_eq!((need.task.0, need.each, need.when), (0, true, NeedWhen::Always));
    assert_eq!(b.tty.map(|t| (t.cols, t.rows)), Some((80, 5)));
    let c = &plan.tasks[2];
    assert!(matches!(&c.stdin, StdinSpec::Text(t) if t.as_literal() == Some("hello")));
    assert_eq!(c.rules.needs[0].task.0, 1);
    let (schedule, reasons) = plan.schedule(8, "8 cores", None);
    let sizes: Vec<_> = schedule.pools.iter().map(|p| (p.min, p.start, p.max)).collect();
    assert_eq!(sizes, [(1, 3, 4096), (1, 8, 9), (2, 12, 4096)]);
    assert_eq!(reasons, ["set in the file", "auto: 8 cores", "150% of 8 CPUs (8 cores)"]);
}

#[test]
fn names_and_folders_come_from_the_file_unless_given() {
    let at = |name: &str| ReadOptions { file_name: name.into(), ..options() };
    let text = "tasks: [{name: a, run: x}]";
    assert_eq!(plan_with(text, &at("tasks/thumbs.yaml")).name, "thumbs");
    assert_eq!(plan_with(text, &at("-")).name, "stdin");
    assert_eq!(plan(text).workdir, PathBuf::from("/base"));
    let text = "vars: {d: sub}\nworkdir: '{vars.d}/x'\ntasks: [{name: a, run: x}]";
    assert_eq!(plan(text).workdir, PathBuf::from("/base/sub/x"));
    let set = ReadOptions { set: vec![("d".into(), "/abs".into())], ..options() };
    assert_eq!(plan_with(text, &set).workdir, PathBuf::from("/abs/x"));
    let wrong = ReadOptions { set: vec![("e".into(), "1".into())], ..options() };
    assert_eq!(
        complaint(text, &wrong),
        "`--set e`: the task file has no such variable in `vars` | It has: d."
    );
}

#[test]
fn wanted_tasks_bring_what_they_need_and_nothing_else() {
    let text = "tasks:\n  - {name: a, run: pa}\n  - {name: b, run: pb}\n  \
                - {name: c, run: pc, needs: [a]}\n  - {name: d, run: pd, needs: [c, b]}\n";
    let only = |names: &[&str]| ReadOptions {
        only: names.iter().map(|n| (*n).to_owned()).collect(),
        ..options()
    };
    let outcome = read(text.as_bytes(), &only(&["c"]));
    let programs: Vec<_> = outcome
        .sites
        .iter()
        .map(|s| match &s.kind {
            SiteKind::Program(p) => (p.as_str(), s.task.unwrap().0),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(programs, [("pa", 0), ("pc", 1)]);
    let plan = outcome.plan.unwrap();
    assert_eq!(plan.tasks.iter().map(|t| t.rules.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(plan.tasks[1].rules.needs[0].task.0, 0);
    assert_eq!(plan_with(text, &only(&["d"])).tasks.len(), 4);
    assert_eq!(
        complaint("tasks: [{name: resize, run: x}]", &only(&["resise"])),
        "the task file has no task `resise` | Did you mean `resize`?"
    );
}

#[test]
fn programs_and_sources_are_named_with_their_places_even_in_a_broken_file() {
    let text = "shell: [bsh, -c]\ntasks:\n  - name: a\n    foreach: {f: {glob: 'x*'}}\n    run: [prg, b]\n  - oops\n";
    let outcome = read(text.as_bytes(), &options());
    assert!(outcome.plan.is_none());
    let sites: Vec<String> = outcome
        .sites
        .iter()
        .map(|s| {
            let what = match &s.kind {
                SiteKind::Program(p) => p.clone(),
                SiteKind::Source { variable, later, .. } => format!("{variable} {later}"),
            };
            format!("{what} {}:{}", s.span.line, s.span.column)
        })
        .collect();
    assert_eq!(sites, ["bsh 1:9", "f false 4:25", "prg 5:11"]);
}

#[test]
fn columns_that_only_the_file_tells_are_checked_when_it_is_read() {
    use ganger::plan::inputs::{InputSet, Table, Values};
    let text = "tasks:\n  - name: a\n    foreach: {row: {csv: f.csv}}\n    run: echo {row.id} {city} {nmae}\n";
    let plan = plan(text);
    let task = &plan.tasks[0];
    let mut cells = Values::default();
    ["1", "Ulm", "Eva"].iter().for_each(|c| cells.push(c.as_bytes()).unwrap());
    let columns = ["id", "city", "name"].map(str::to_owned).to_vec();
    let table = Table::Records { columns: columns.into(), cells: cells.into() };
    let inputs = InputSet::new(task.foreach.as_ref().unwrap(), vec![table]).unwrap();
    let unknown = task.unknown_names(&inputs);
    let [(name, hint)] = unknown.as_slice() else { panic!("{unknown:?}") };
    assert_eq!(name, "nmae");
    assert!(hint.contains("`{row.name}`"), "{hint}");
}

// --- what is refused ---

/// Compares with the text beside each file; `GANGER_BLESS=1` writes it anew.
#[test]
fn bad_files_are_refused_in_the_words_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bad");
    let bless = std::env::var_os("GANGER_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut n_files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        n_files += 1;
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let outcome = read(&bytes, &ReadOptions { file_name: name.clone(), ..options() });
        assert!(!outcome.diagnostics.is_empty(), "{name} has nothing wrong");
        for problem in &outcome.diagnostics {
            assert!(problem.hint.is_some(), "{name}: nothing to try: {}", problem.message);
        }
        let shown = drawn(&outcome, &name, &bytes);
        let beside = path.with_extension("txt");
        if bless {
            std::fs::write(&beside, &shown).unwrap();
        } else if std::fs::read_to_string(&beside).ok().as_deref() != Some(&shown) {
            wrong.push(format!("{name} gives\n{shown}"));
        }
    }
    assert!(n_files > 30);
    assert!(wrong.is_empty(), "run with GANGER_BLESS=1 if this is right:\n{}", wrong.join("\n"));
}

#[test]
fn diagnostics_have_a_json_form() {
    let outcome = read(b"tasks: [{name: a, rum: x}]", &options());
    let json = serde_json::to_value(&outcome.diagnostics[1]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "severity": "error",
            "message": "unknown key `rum` in a task",
            "span": {"line": 1, "column": 19, "length": 3},
            "hint": "Did you mean `run`?",
        })
    );
}

#[test]
fn files_over_the_limits_are_refused_with_the_limit() {
    let large = vec![b' '; limits::TASK_FILE_BYTES + 1];
    let outcome = read(&large, &options());
    assert!(outcome.diagnostics[0].message.contains("at most 16 MiB"));
    let text = format!("vars: {{a: &a {}}}\nb: [{}]", "x".repeat(1 << 20), "*a,".repeat(300));
    assert!(complaint(&text, &options()).contains("more than 256 MiB once its aliases"));
    let long = "x".repeat(1 << 20);
    let text = format!("defaults: {{run: {long}}}\ntasks: [{}]", "{name: a},".repeat(300));
    assert!(complaint(&text, &options()).contains("take more than 256 MiB"));
    let many: String = (0..300).map(|i| format!("v{i}: [1], ")).collect();
    let text = format!("tasks: [{{name: a, run: x, foreach: {{{many}}}}}]");
    assert!(complaint(&text, &options()).contains("too many variables: 300"));
}

#[test]
fn a_flood_of_mistakes_is_cut_and_says_so() {
    let text = format!("tasks:\n{}", "  - {name: a, rum: x}\n".repeat(5000));
    let outcome = read(text.as_bytes(), &options());
    assert_eq!(outcome.diagnostics.len(), limits::DIAGNOSTICS + 1);
    let last = &outcome.diagnostics[limits::DIAGNOSTICS];
    assert!(last.message.contains("more than 500 problems"), "{}", last.message);
}

// --- whatever comes ---

/// Draws from a list of numbers, so that a failure shrinks.
struct Draw<'a>(std::slice::Iter<'a, u32>);

impl Draw<'_> {
    fn below(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |c| *c as usize % n)
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

const SCRAPS: [&str; 64] = [
    "\n",
    " ",
    "  ",
    "\t",
    ":",
    ": ",
    "- ",
    "-",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!x ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "#",
    " # ",
    "---\n",
    "...\n",
    "? ",
    "%YAML 1.2\n",
    "\\x",
    "\u{feff}",
    "\r\n",
    "\0",
    "日本",
    "\u{1b}",
    "\u{2028}",
    "name: ",
    "run: ",
    "tasks:\n",
    "foreach: ",
    "needs: ",
    "each: true",
    "{x}",
    "{vars.a}",
    "{{x}}",
    "{x.stem}",
    "${x}",
    "$((",
    "<<EOF",
    "`",
    "null",
    "~",
    "1..9",
    "5s",
    "50%",
    "0x",
    "1e999",
    "-9223372036854775808",
    "18446744073709551616",
    "defaults: ",
    "x",
    "expand: when_ready",
    "range: ",
    "glob: '*'",
    "\u{0}",
];

/// Breaks a text in a few places.
fn broken(text: &str, draw: &mut Draw<'_>) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=draw.below(6) {
        let at = draw.below(bytes.len() + 1);
        let end = (at + draw.below(12)).min(bytes.len());
        match draw.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 => bytes.insert(at, draw.below(256) as u8),
            _ => {
                let scrap = draw.one(&SCRAPS).bytes();
                bytes.splice(at..at, scrap);
            }
        }
    }
    bytes
}

/// A value that a type takes, or now and then another one.
fn grown(takes: &'static Type, depth: usize, draw: &mut Draw<'_>) -> serde_json::Value {
    use serde_json::{Value, json};
    if depth > 8 || draw.below(12) == 1 {
        let odd =
            [json!(null), json!(-1), json!("{x}"), json!([]), json!({"x": [1]}), json!(1e300)];
        return odd[draw.below(odd.len())].clone();
    }
    let shape = |shape: &'static Shape, draw: &mut Draw<'_>| -> Value {
        let keys: Vec<&'static Key> = shape.keys().collect();
        let mut map = serde_json::Map::new();
        for key in &keys {
            if key.required || draw.below(keys.len()) < 3 {
                map.insert(key.name.to_owned(), grown(&key.takes, depth + 1, draw));
            }
        }
        Value::Object(map)
    };
    match takes {
        Type::Bool => json!(draw.below(2) == 0),
        Type::Int { min, max } => json!([*min, *max, 1, 3][draw.below(4)]),
        Type::Number { min, max } => json!([*min, *max, 0.5][draw.below(3)]),
        Type::Word(words) => json!(draw.one(words)),
        Type::Text | Type::Form(_) => json!(draw.one(&[
            "a",
            "b",
            "c",
            "{x}",
            "echo {x} '{y.stem}' \"{vars.v}\"",
            "1..9",
            "2",
            "3s",
            "1MiB",
            "50%",
            "auto",
            "TERM",
            "-",
            "~/x",
            "",
            "{job}{slot}{attempt}{run}",
            "cat <<E\n{x}\nE\n",
            "$(({x}))",
        ])),
        Type::List { of, .. } => (0..draw.below(4)).map(|_| grown(of, depth + 1, draw)).collect(),
        Type::Map(inner) => shape(inner, draw),
        Type::Names { of, fixed, .. } => {
            let mut map = serde_json::Map::new();
            for name in ["x", "y", "v", "GANGER_JOB", "job", "a b"].iter().take(draw.below(7)) {
                map.insert((*name).to_owned(), grown(of, depth + 1, draw));
            }
            for key in *fixed {
                if draw.below(3) == 0 {
                    map.insert(key.name.to_owned(), grown(&key.takes, depth + 1, draw));
                }
            }
            Value::Object(map)
        }
        Type::Either(types) => grown(&types[draw.below(types.len())], depth, draw),
    }
}

fn whatever(draw: &mut Draw<'_>, examples: &[String]) -> Vec<u8> {
    match draw.below(8) {
        0 => (0..draw.below(300)).map(|_| draw.below(256) as u8).collect(),
        1 => (0..draw.below(200)).map(|_| draw.one(&SCRAPS)).collect::<String>().into_bytes(),
        2..=4 => broken(&examples[draw.below(examples.len())], draw),
        n => {
            static FILE: Type = Type::Map(&keys::TOP);
            let value = grown(&FILE, 0, draw);
            let text = serde_json::to_string_pretty(&value).unwrap();
            if n == 5 { broken(&text, draw) } else { text.into_bytes() }
        }
    }
}

/// What must hold of whatever is read.
fn holds(bytes: &[u8]) {
    let options = ReadOptions {
        set: vec![("v".into(), "w".into())],
        only: if bytes.len().is_multiple_of(5) { vec!["a".into()] } else { Vec::new() },
        ..options()
    };
    let outcome = read(bytes, &options);
    let source = Source::new("it.yaml", bytes);
    let shown = diag::render_all(&outcome.diagnostics, &source);
    assert!(!shown.contains(['\u{1b}', '\0', '\r', '\u{202e}']), "{shown:?}");
    assert_eq!(outcome.plan.is_none(), outcome.diagnostics.iter().any(|d| d.is_error()), "{shown}");
    let n_lines = bytes.iter().filter(|b| **b == b'\n').count() as u32 + 1;
    for diagnostic in &outcome.diagnostics {
        let line = diagnostic.span.map_or(1, |s| s.line);
        assert!((1..=n_lines).contains(&line), "line {line} of {n_lines}:\n{shown}");
        assert!(!diagnostic.message.is_empty() && !diagnostic.message.ends_with('.'), "{shown}");
    }
    if let Some(plan) = &outcome.plan {
        let (schedule, reasons) = plan.schedule(4, "4 cores", None);
        assert_eq!(schedule.pools.len(), reasons.len());
        for pool in &schedule.pools {
            assert!(pool.min <= pool.start && pool.start <= pool.max && pool.min > 0);
        }
        for task in &schedule.tasks {
            assert!(usize::from(task.pool.0) < schedule.pools.len());
            assert!(task.needs.iter().all(|n| (n.task.0 as usize) < schedule.tasks.len()));
        }
    }
}

/// CPU time of this thread: time on the clock tells more of the machine than of the reader.
fn own_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// `GANGER_FUZZ_CASES` and `GANGER_FUZZ_SEED` make it long and different.
#[test]
fn whatever_the_bytes_reading_ends_with_a_plan_or_an_error() {
    let number = |name: &str, unless: u64| {
        std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(unless)
    };
    let config = Config {
        cases: number("GANGER_FUZZ_CASES", 4000) as u32,
        rng_seed: RngSeed::Fixed(number("GANGER_FUZZ_SEED", 1)),
        failure_persistence: None,
        ..Config::default()
    };
    let examples = examples();
    let started = Instant::now();
    let slowest = std::cell::Cell::new(Duration::ZERO);
    let strategy = proptest::collection::vec(proptest::num::u32::ANY, 0..500);
    TestRunner::new(config)
        .run(&strategy, |choices| {
            let bytes = whatever(&mut Draw(choices.iter()), &examples);
            let began = own_cpu();
            let checked = std::panic::catch_unwind(|| holds(&bytes));
            slowest.set(slowest.get().max(own_cpu().saturating_sub(began)));
            proptest::prop_assert!(checked.is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
            Ok(())
        })
        .unwrap();
    assert!(
        slowest.get() < Duration::from_secs(20),
        "{:?} of {:?}",
        slowest.get(),
        started.elapsed()
    );
}
