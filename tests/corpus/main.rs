//! Every program in `tests/deadlocks` is judged as its manifest says, by the user who runs the
//! tests and, where that is root, by an ordinary one too.
//!
//! A test binary of its own: what it looks at leads to the process of the tests, and that should
//! not be busy with others at the same time.
//!
//! `DEADLOCKS=c_abba_mutex,ok_` runs only programs whose names contain one of these.

// Clippy takes helpers of tests for code that users run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod check;
mod manifest;
mod stage;
mod undisturbed;

use check::{Wrong, check};
use manifest::Program;
use stage::{PATIENCE, Stage, User, is_there};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The manifests; one test for each.
const MANIFESTS: &[&str] = &[
    "manifest.yaml",
    "threads.yaml",
    "processes.yaml",
    "channels.yaml",
    "py_processes.yaml",
    "py_threads.yaml",
    "others.yaml",
    "reach.yaml",
];

/// Programs at a time. They mostly wait.
const N_AT_A_TIME: usize = 16;

/// Looks at a healthy program that must all be right.
const N_LOOKS: usize = 4;

/// Runs the programs of a manifest as every user there is.
fn judge_all(file: &str) {
    let wanted = std::env::var("DEADLOCKS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').collect();
    let mut todo = VecDeque::new();
    for program in manifest::load(file) {
        if !wanted.iter().any(|w| program.id.contains(w)) {
            continue;
        }
        if let Some(tool) = program.needs.iter().find(|tool| !is_there(tool)) {
            println!("skipped: {}: no `{tool}`", program.id);
            continue;
        }
        let users = User::all().into_iter().filter(|user| user.may_run(program.seen_by));
        todo.extend(users.map(|user| (program.clone(), user)));
    }
    let stage = Stage::shared();
    let (todo, wrong) = (Mutex::new(todo), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..N_AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().unwrap().pop_front();
                    let Some((program, user)) = next else { break };
                    if let Err(what) = judge(&stage, &program, user) {
                        let who = format!("{} as {user:?}", program.id);
                        println!("{who}: {}", what.lines().next().unwrap_or_default());
                        wrong.lock().unwrap().push(format!("{who}: {what}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} judged wrongly:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Starts a program, lets ganger look at it, and compares.
fn judge(stage: &Stage, program: &Program, user: User) -> Result<(), String> {
    let mut session = stage.start(program, user)?;
    let roles = session.roles(&program.roles)?;
    let told = Instant::now();
    let mut n_right = 0;
    loop {
        let (report, code) = stage.why(session.pid(), user)?;
        let wrong = match check(program, &roles, &report, code) {
            // A hang goes on; a healthy program has to be right again and again, also after it
            // has come to where it looks stuck.
            Ok(()) => {
                n_right += 1;
                let may_be_stuck = told.elapsed().as_secs_f64() > program.hung_after_s;
                if !program.is_healthy() || (n_right >= N_LOOKS && may_be_stuck) {
                    return Ok(());
                }
                continue;
            }
            Err(wrong) => wrong,
        };
        let (what, give_up) = match wrong {
            Wrong::Ever(what) => (what, true),
            Wrong::Yet(what) => (what, told.elapsed() > PATIENCE),
        };
        if session.has_ended() {
            return Err(format!("the program ended: {}", session.stderr()));
        }
        if give_up {
            let report = serde_json::to_string_pretty(&report).unwrap();
            let right = &program.words;
            let said = session.stderr();
            return Err(format!("{what}\nright: {right}\nroles {roles:?}\n{report}\n{said}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_corpus_is_judged_as_its_manifest_says() {
    judge_all("manifest.yaml");
}

#[test]
fn waits_between_threads_are_judged_rightly() {
    judge_all("threads.yaml");
}

#[test]
fn waits_between_processes_are_judged_rightly() {
    judge_all("processes.yaml");
}

#[test]
fn waits_for_pipes_and_sockets_are_judged_rightly() {
    judge_all("channels.yaml");
}

#[test]
fn multiprocessing_is_judged_rightly() {
    judge_all("py_processes.yaml");
}

#[test]
fn threads_and_children_of_python_are_judged_rightly() {
    judge_all("py_threads.yaml");
}

#[test]
fn shells_rust_and_musl_are_judged_rightly() {
    judge_all("others.yaml");
}

#[test]
fn who_gets_something_later_is_counted() {
    judge_all("reach.yaml");
}

#[test]
fn the_manifests_fit_together() {
    let known: BTreeSet<String> = MANIFESTS.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(known, manifest::files(), "each manifest has a test");
    let programs: Vec<Program> = MANIFESTS.iter().flat_map(|file| manifest::load(file)).collect();
    let problems: Vec<String> = programs.iter().flat_map(manifest::problems).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let ids: BTreeSet<&str> = programs.iter().map(|p| p.id.as_str()).collect();
    assert_eq!(ids.len(), programs.len(), "each program has a name of its own");
}
