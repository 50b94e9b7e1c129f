//! What `ganger why --json` said, held against the manifest.

use super::manifest::{Edge, Program};
use super::stage::Role;
use serde_json::Value;
use std::collections::BTreeMap;

type Roles = BTreeMap<String, Role>;

/// What is wrong with an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Not there yet: the program may not hang yet, or has not been seen still for long enough.
    Yet(String),
    /// Never right, whenever it is said.
    Ever(String),
}

/// Compares one answer with what is right for the program.
pub(crate) fn check(
    program: &Program,
    roles: &Roles,
    report: &Value,
    code: i32,
) -> Result<(), Wrong> {
    let verdict = report["verdict"].as_str().unwrap_or("(none)");
    shape(report, verdict, code).map_err(Wrong::Ever)?;
    no_false_alarm(program, roles, report, verdict).map_err(Wrong::Ever)?;
    if !program.is_healthy() {
        if verdict == "healthy" {
            return Err(Wrong::Yet("the verdict is healthy".into()));
        }
        found(program, roles, report).map_err(Wrong::Yet)?;
    }
    program.edges.iter().try_for_each(|edge| see(edge, roles, report)).map_err(Wrong::Yet)
}

/// What holds for every answer: the exit code, and that the verdict is the worst finding.
fn shape(report: &Value, verdict: &str, code: i32) -> Result<(), String> {
    let right_code = i32::from(verdict != "healthy");
    if code != right_code {
        return Err(format!("verdict {verdict}, exit code {code}"));
    }
    let order = ["healthy", "stalled", "abandoned", "deadlock"];
    let kinds = findings(report).map(|f| f["kind"].as_str().unwrap_or_default());
    let worst = kinds.filter_map(|kind| order.iter().position(|o| *o == kind)).max();
    if order.get(worst.unwrap_or(0)) != Some(&verdict) {
        return Err(format!("verdict {verdict} is not that of the worst finding"));
    }
    let empty = findings(report).any(|f| f["core"].as_array().is_none_or(Vec::is_empty));
    if empty { Err("a finding without a core".into()) } else { Ok(()) }
}

fn no_false_alarm(
    program: &Program,
    roles: &Roles,
    report: &Value,
    verdict: &str,
) -> Result<(), String> {
    if verdict != "healthy" && !program.accepts(verdict) {
        return Err(format!("verdict {verdict}"));
    }
    let any_of = program.core_any_of.iter().flat_map(|any| &any.roles);
    let may_be_core: Vec<&String> = program.core.iter().chain(any_of).collect();
    for (name, role) in roles {
        let core = part_of(report, "core", *role);
        let behind = part_of(report, "behind", *role);
        if core && !may_be_core.contains(&name) {
            return Err(format!("`{name}` is reported as one of the core"));
        }
        if behind && !program.behind.contains(name) && !may_be_core.contains(&name) {
            return Err(format!("`{name}` is reported as waiting behind"));
        }
        if core && behind {
            return Err(format!("`{name}` is reported twice"));
        }
    }
    Ok(())
}

fn found(program: &Program, roles: &Roles, report: &Value) -> Result<(), String> {
    for name in &program.core {
        if !part_of(report, "core", roles[name]) {
            return Err(format!("`{name}` is not reported as one of the core"));
        }
    }
    for name in &program.behind {
        if !part_of(report, "behind", roles[name]) {
            return Err(format!("`{name}` is not reported as waiting behind"));
        }
    }
    if let Some(any) = &program.core_any_of {
        let n = any.roles.iter().filter(|name| part_of(report, "core", roles[*name])).count();
        if n < any.n {
            return Err(format!("{n} of {:?} are reported as the core", any.roles));
        }
    }
    Ok(())
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    report["findings"].as_array().into_iter().flatten()
}

fn part_of(report: &Value, part: &str, role: Role) -> bool {
    let members = findings(report).flat_map(move |f| f[part].as_array().into_iter().flatten());
    members.into_iter().any(|member| is(member, role))
}

fn is(value: &Value, role: Role) -> bool {
    value["pid"] == role.pid && value["tid"] == role.tid
}

fn see(edge: &Edge, roles: &Roles, report: &Value) -> Result<(), String> {
    let from = roles[&edge.from];
    let mut waits = report["waits"].as_array().into_iter().flatten().filter(|w| is(w, from));
    let Some(wait) = waits.next() else {
        return Err(format!("`{}` has no wait", edge.from));
    };
    if waits.next().is_some() {
        return Err(format!("`{}` has two waits", edge.from));
    }
    let kind = wait["resource"]["kind"].as_str().unwrap_or("(none)");
    if !edge.resource.all().iter().any(|r| r == kind) {
        return Err(format!("`{}` waits for {kind}, not {:?}", edge.from, edge.resource.all()));
    }
    let holders: Vec<&Value> = wait["holders"].as_array().into_iter().flatten().collect();
    if edge.to == "nobody" {
        return match holders.as_slice() {
            [] => Ok(()),
            some => Err(format!("`{}` waits for somebody: {some:?}", edge.from)),
        };
    }
    let to = roles[&edge.to];
    let named =
        holders.iter().find(|h| h["pid"] == to.pid && (h["tid"].is_null() || h["tid"] == to.tid));
    match named {
        None if edge.owner_proven => {
            Err(format!("`{}` waits for {holders:?}, not for `{}`", edge.from, edge.to))
        }
        // The end of a thread has a proven owner where the interpreter shows which one it is.
        Some(named) if !edge.owner_proven && kind == "py_lock" && named["proven"] != false => {
            Err(format!("`{}` as the holder that `{}` waits for is a guess", edge.to, edge.from))
        }
        _ => Ok(()),
    }
}

mod tests {
    use super::*;
    use serde_json::json;

    /// Two in a circle and one behind.
    fn right() -> Value {
        json!({
            "verdict": "deadlock",
            "findings": [{
                "kind": "deadlock",
                "core": [{"pid": 10, "tid": 11, "name": "a"}, {"pid": 10, "tid": 12, "name": "b"}],
                "behind": [{"pid": 10, "tid": 10, "name": "main"}],
            }],
            "waits": [
                {"pid": 10, "tid": 11, "resource": {"kind": "mutex"},
                 "holders": [{"pid": 10, "tid": 12, "proven": true}]},
                {"pid": 10, "tid": 12, "resource": {"kind": "py_lock"},
                 "holders": [{"pid": 10, "tid": null, "proven": false}]},
                {"pid": 10, "tid": 10, "resource": {"kind": "mutex"}, "holders": []},
            ],
        })
    }

    fn verdict_on(report: &Value, code: i32) -> Result<(), Wrong> {
        let program: Program = serde_yaml::from_str(
            "{id: x, run: x, kind: deadlock, hung_after_s: 1, words: x,
              roles: [main, a, b, free], core: [a, b], behind: [main],
              edges: [{from: a, resource: mutex, to: b},
                      {from: b, resource: [mutex, py_lock], to: a, owner_proven: false},
                      {from: main, resource: mutex, to: nobody}]}",
        )
        .unwrap();
        let roles = [("main", 10), ("a", 11), ("b", 12), ("free", 13)];
        let roles = roles.map(|(name, tid)| (name.to_owned(), Role { pid: 10, tid }));
        check(&program, &Roles::from(roles), report, code)
    }

    #[test]
    fn the_check_of_answers_lets_the_right_one_pass() {
        assert_eq!(verdict_on(&right(), 1), Ok(()));
    }

    #[test]
    fn the_check_of_answers_sees_each_wrong_one() {
        let member = |tid: i32| json!({"pid": 10, "tid": tid});
        let set = |path: &str, value: Value| {
            let mut report = right();
            *report.pointer_mut(path).unwrap() = value;
            report
        };
        let ever = [
            set("/verdict", json!("stalled")),
            set("/verdict", json!("healthy")),
            set("/findings/0/kind", json!("stalled")),
            set("/findings/0/core", json!([])),
            set("/findings/0/core", json!([member(11), member(12), member(13)])),
            set("/findings/0/core", json!([member(11), member(12), member(10)])),
            set("/findings/0/behind", json!([member(10), member(13)])),
            set("/findings/0/behind", json!([member(10), member(11)])),
        ];
        for report in ever {
            assert!(matches!(verdict_on(&report, 1), Err(Wrong::Ever(_))), "{report}");
        }
        assert!(matches!(verdict_on(&right(), 0), Err(Wrong::Ever(_))));
        let yet = [
            set("/findings/0/core", json!([member(11)])),
            set("/findings/0/behind", json!([])),
            set("/waits/0/resource/kind", json!("rwlock")),
            set("/waits/0/holders", json!([])),
            set("/waits/0/holders/0/tid", json!(10)),
            set("/waits/1/holders/0/proven", json!(true)),
            set("/waits/2/holders", json!([member(11)])),
            set("/waits/2/tid", json!(11)),
            set("/waits/2/tid", json!(14)),
        ];
        for report in yet {
            assert!(matches!(verdict_on(&report, 1), Err(Wrong::Yet(_))), "{report}");
        }
        let healthy = json!({"verdict": "healthy", "findings": [], "waits": right()["waits"]});
        assert!(matches!(verdict_on(&healthy, 0), Err(Wrong::Yet(_))));
    }
}
