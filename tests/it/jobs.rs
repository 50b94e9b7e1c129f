//! Lists of jobs, and jobs in full, of a live run with very many jobs.

use crate::cli::Home;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Five jobs that end in every way, one that stands still, 200000 that wait for it.
const MANY: &str = "
workers: 3
env: {COLOUR: 'blue {vars.shade}'}
vars: {shade: dark}
tasks:
  - name: good
    foreach: {n: {range: 1..3}}
    run: echo {n}
  - name: bad
    retries: 1
    env_file: secrets.env
    run: |
      echo no >&2
      exit 3
  - name: shot
    run: kill -SEGV $$
  - name: wait
    weight: 2
    stop: {grace: 60s}
    limits: {open_files: 50}
    run: until test -e go; do sleep 0.05; done
  - name: later
    needs: [{task: wait, when: always}]
    foreach: {n: {range: 1..200000}}
    run: echo {n}
";

fn labels(list: &Value) -> Vec<&str> {
    list["jobs"].as_array().unwrap().iter().map(|job| job["label"].as_str().unwrap()).collect()
}

#[test]
fn jobs_of_many_are_found_sorted_counted_and_explained() {
    let home = Home::new();
    home.file("secrets.env", "TOKEN=hush-hush\n");
    let mut run = home.start(MANY, &[]);
    let mut left: BTreeSet<u64> = (1..=5).collect();
    while !left.is_empty() {
        let ended = run.wait_for("job_ended", |_| true);
        left.remove(&ended["job"].as_u64().unwrap());
    }
    // It may have started before the last of those ended: asked, not waited for.
    while home.json(&["job", ":6", "--json"])["state"] != "running" {
        std::thread::yield_now();
    }

    finds(&home);
    sorts(&home);
    explains(&home);
    groups(&home);

    home.ok(&["stop", "--now"]);
    assert_eq!(run.end(), 130);
    assert!(home.fails(2, &["jobs"]).contains("hint: "));
}

fn finds(home: &Home) {
    for (filter, total, first) in [
        (vec!["failed"], 2, vec!["bad:1", "shot:1"]),
        (vec!["outcome=failed"], 1, vec!["bad:1"]),
        (vec!["exit=SEGV"], 1, vec!["shot:1"]),
        (vec!["exit=3", "attempts>1"], 1, vec!["bad:1"]),
        (vec!["good", "ok", "not good:2"], 2, vec!["good:1", "good:3"]),
        (vec!["running"], 1, vec!["wait:1"]),
        (vec![":199999"], 1, vec!["later:199993"]),
        (vec!["/^later:19999[89]$/ or shot"], 3, vec!["shot:1", "later:199998", "later:199999"]),
        (vec!["'177777'"], 1, vec!["later:177777"]),
        (vec!["out>=2", "good"], 3, vec!["good:1", "good:2", "good:3"]),
        (vec!["pool=default", "skipped"], 0, vec![]),
    ] {
        let mut words = vec!["jobs", "--json"];
        words.extend(&filter);
        let list = home.json(&words);
        assert_eq!((&list["total"], &list["of"]), (&json!(total), &json!(200_006)), "{filter:?}");
        assert_eq!(labels(&list), first, "{filter:?}");
    }
    let bad = &home.json(&["jobs", "bad", "--json"])["jobs"][0];
    for (field, value) in [
        ("state", json!("failed")),
        ("exit_code", json!(3)),
        ("signal", json!(null)),
        ("attempts", json!(2)),
        ("stderr_bytes", json!(3)),
        ("doing", json!(null)),
    ] {
        assert_eq!(bad[field], value, "{field}");
    }
    let table = home.ok(&["jobs", "failed"]);
    assert!(table.contains("shot:1") && table.contains("SIGSEGV"), "{table}");
    assert!(home.ok(&["jobs"]).contains("... and 199906 more"));
    assert!(home.ok(&["jobs", "skipped"]).contains("no job of 200006 jobs fits `skipped`"));
    let error = home.fails(2, &["jobs", "running", "faild"]);
    assert!(error.contains("  running faild\n          ^^^^^\n"), "{error}");
    assert!(error.contains("hint: Did you mean `failed`?"), "{error}");
}

fn sorts(home: &Home) {
    let list = home.json(&["jobs", "--reverse", "--limit", "2", "--json"]);
    assert_eq!(labels(&list), ["later:200000", "later:199999"]);
    let list = home.json(&["jobs", "queued", "--limit", "1500", "--json"]);
    assert_eq!(labels(&list).len(), 1500, "more than a page");
    assert_eq!(labels(&list)[1499], "later:1500");
    let list = home.json(&["jobs", "--sort", "attempts", "--reverse", "--limit", "1", "--json"]);
    assert_eq!(labels(&list), ["bad:1"]);
    let list = home.json(&["jobs", "--sort", "task", "--limit", "2", "--json"]);
    assert_eq!(labels(&list), ["bad:1", "good:1"]);
    let longest = home.json(&["jobs", "--sort", "time", "--limit", "6", "--json"]);
    let times = longest["jobs"].as_array().unwrap().iter().map(|j| j["wall_s"].as_f64().unwrap());
    assert!(times.is_sorted(), "{longest}");
}

fn explains(home: &Home) {
    let text = home.ok(&["job", "bad:1"]);
    for part in ["bad:1 (:4): failed", "exit 3", "#2", "exit code 3", "COLOUR=blue dark"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(text.contains("TOKEN=(from env_file)") && !text.contains("hush"), "{text}");
    let bad = home.json(&["job", "bad:1", "--json"]);
    assert!(!bad.to_string().contains("hush"), "{bad}");
    assert_eq!(bad["command"], "echo no >&2\nexit 3\n");
    let tries = bad["tries"].as_array().unwrap();
    assert_eq!((tries.len(), &bad["tries_dropped"]), (2, &json!(0)));
    assert_eq!((&tries[1]["attempt"], &tries[1]["outcome"]), (&json!(2), &json!("failed")));
    let variable = |name: &str| {
        let env = bad["env"].as_array().unwrap();
        env.iter().find(|var| var["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    };
    assert_eq!(variable("TOKEN"), json!({"name": "TOKEN", "value": null, "from": "env_file"}));
    assert_eq!(variable("COLOUR")["from"], "task");
    assert_eq!(variable("GANGER_ATTEMPT")["value"], "2");

    let wait = home.json(&["job", "wait:1", "--json"]);
    assert_eq!((&wait["state"], &wait["weight"]), (&json!("running"), &json!(2)));
    assert!(wait["slot"].is_u64() && wait["tries"][0]["outcome"].is_null(), "{wait}");
    assert_eq!(wait["needed_by"], json!(["later"]));
    assert_eq!(wait["limits"], json!({"open_files": 50.0}));
    let later = home.json(&["job", "later:5", "--json"]);
    assert_eq!(later["inputs"], json!({"n": "5"}));
    assert_eq!(
        later["needs"][0],
        json!({"task": "wait", "when": "always", "each": false, "ended": false})
    );
    assert!(later["why"][0].as_str().unwrap().contains("`wait`"), "{later}");
    assert!(!later["env"].to_string().contains("GANGER_SLOT"), "it has no worker: {later}");
    assert!(home.fails(2, &["job", "bad:2"]).contains("bad:2"));
}

fn groups(home: &Home) {
    let tasks = home.json(&["tasks", "--json"]);
    let names: Vec<&Value> = tasks.as_array().unwrap().iter().map(|task| &task["task"]).collect();
    assert_eq!(names, ["good", "bad", "shot", "wait", "later"]);
    let good = &tasks[0];
    assert_eq!((&good["durations"]["count"], &good["counts"]["succeeded"]), (&json!(3), &json!(3)));
    let durations = &good["durations"];
    let at = |name: &str| durations[name].as_f64().unwrap();
    assert!(at("p50_s") > 0.0 && at("p50_s") <= at("p95_s") && at("p95_s") <= at("max_s"));
    assert_eq!((&tasks[1]["durations"], &tasks[1]["attempts"]), (&Value::Null, &json!(2)));
    assert_eq!(tasks[4]["counts"]["blocked"], 200_000);
    let table = home.ok(&["tasks"]);
    assert!(table.contains("later  200000  200000"), "{table}");
}
