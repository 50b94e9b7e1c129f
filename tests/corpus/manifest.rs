//! The programs in `tests/deadlocks` and what is right to say of each, see its README.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// One program.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    pub(crate) id: String,
    /// Shell command; programs with equal ones are built once.
    pub(crate) build: Option<String>,
    pub(crate) run: String,
    pub(crate) kind: String,
    /// Verdicts that are right; that of `kind` where it is not given.
    #[serde(default)]
    pub(crate) accept: Vec<String>,
    #[serde(default)]
    pub(crate) stdin: Option<String>,
    /// Seconds after which it hangs, when the machine is idle.
    pub(crate) hung_after_s: f64,
    pub(crate) roles: Vec<String>,
    #[serde(default)]
    pub(crate) core: Vec<String>,
    #[serde(default)]
    pub(crate) core_any_of: Option<AnyOf>,
    #[serde(default)]
    pub(crate) behind: Vec<String>,
    pub(crate) words: String,
    #[serde(default)]
    pub(crate) edges: Vec<Edge>,
    /// Programs that must be there, besides what is in every system.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// Where it matters who looks: others do not run it.
    #[serde(default)]
    pub(crate) seen_by: Option<SeenBy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SeenBy {
    Root,
    User,
}

/// At least `n` of `roles`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnyOf {
    pub(crate) n: usize,
    pub(crate) roles: Vec<String>,
}

/// What a role waits for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) resource: OneOrMore,
    pub(crate) to: String,
    #[serde(default = "yes")]
    pub(crate) owner_proven: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(crate) fn all(&self) -> &[String] {
        match self {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        }
    }
}

impl Program {
    pub(crate) fn named(id: &str) -> Program {
        Program { id: id.to_owned(), ..Program::default() }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.kind == "healthy"
    }

    pub(crate) fn accepts(&self, verdict: &str) -> bool {
        if self.accept.is_empty() {
            self.kind == verdict
        } else {
            self.accept.iter().any(|a| a == verdict)
        }
    }
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/deadlocks")
}

#[derive(Deserialize)]
struct Manifest {
    programs: Vec<Program>,
}

/// The programs of one file.
pub(crate) fn load(file: &str) -> Vec<Program> {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let manifest: Manifest = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
    manifest.programs
}

/// The manifests that are there.
pub(crate) fn files() -> BTreeSet<String> {
    let names = std::fs::read_dir(folder()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".yaml")).collect()
}

/// What is wrong with an entry, whatever the program does.
pub(crate) fn problems(program: &Program) -> Vec<String> {
    let mut problems = Vec::new();
    let mut say = |what: String| problems.push(format!("{}: {what}", program.id));
    let any_of = program.core_any_of.iter().flat_map(|any| &any.roles);
    let ends = program.edges.iter().flat_map(|e| [&e.from, &e.to]).filter(|r| *r != "nobody");
    for role in program.core.iter().chain(&program.behind).chain(any_of).chain(ends) {
        if !program.roles.contains(role) {
            say(format!("`{role}` is no role"));
        }
    }
    for resource in program.edges.iter().flat_map(|edge| edge.resource.all()) {
        if !ganger::model::waits::WaitKind::ALL.iter().any(|kind| kind.word() == resource) {
            say(format!("`{resource}` is no kind of wait"));
        }
    }
    let found = !program.core.is_empty() || program.core_any_of.is_some();
    if program.is_healthy() == found {
        say("a hang has a core, a healthy program has none".into());
    }
    let verdicts = ["healthy", "stalled", "abandoned", "deadlock"];
    if program.stdin.as_ref().is_some_and(|stdin| stdin != "keep_open") {
        say("the standard input is always kept open".into());
    }
    for verdict in program.accept.iter().chain([&program.kind]) {
        if !verdicts.contains(&verdict.as_str()) {
            say(format!("`{verdict}` is no verdict"));
        }
    }
    problems
}
