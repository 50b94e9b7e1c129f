//! Who waits for whom, as JSON: `docs/json.md` describes the same.

use crate::model::Mono;
use crate::model::waits::preview::{Fated, Preview};
use crate::model::waits::report::{Held, Knot, Member, Report, Rule, Waiting};
use crate::model::waits::{Frame, Language, Resource, WaitKind};
use serde_json::{Value, json};

/// Goes up when a field is taken away or changes its meaning.
const SCHEMA: u32 = 1;

/// Returns a report as JSON.
pub fn json(report: &Report) -> Value {
    let all = |those: &[Member]| those.iter().map(member).collect::<Vec<_>>();
    let finding = |knot: &Knot| {
        json!({
            "kind": knot.kind,
            "core": all(&knot.core),
            "behind": all(&knot.behind),
            "since_s": age(report.at, knot.since),
            "text": knot.text,
        })
    };
    json!({
        "schema": SCHEMA,
        "target": {
            "pid": report.pid,
            "processes": report.processes,
            "threads": report.threads,
        },
        "verdict": report.verdict,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "waits": report.waits.iter().map(|wait| waiting(wait, report.at)).collect::<Vec<_>>(),
        "not_visible": report.not_visible,
    })
}

/// Returns what a kill would do as JSON.
pub fn preview_json(preview: &Preview) -> Value {
    let fate = |fated: &Fated| {
        json!({
            "fate": fated.fate,
            "resource": resource(&fated.resource),
            "waiters": fated.waiters.iter().map(member).collect::<Vec<_>>(),
            "others": fated.others.iter().map(process).collect::<Vec<_>>(),
        })
    };
    json!({
        "schema": SCHEMA,
        "victims": preview.victims.iter().map(process).collect::<Vec<_>>(),
        "fates": preview.fates.iter().map(fate).collect::<Vec<_>>(),
        "left": preview.left,
        "instead": preview.instead.iter().map(process).collect::<Vec<_>>(),
    })
}

fn process(held: &Held) -> Value {
    json!({
        "pid": held.proc.pid,
        "name": held.name,
        "job": held.attempt.map(|attempt| attempt.job),
    })
}

/// Seconds with three decimals: what was seen a moment ago is not more exact.
fn age(at: Mono, since: Option<Mono>) -> Option<f64> {
    since.map(|since| at.since(since).as_millis() as f64 / 1e3)
}

fn member(member: &Member) -> Value {
    json!({
        "pid": member.proc.pid,
        "tid": member.tid,
        "name": member.name,
        "job": member.attempt.map(|attempt| attempt.job),
        "attempt": member.attempt.map(|attempt| attempt.n),
    })
}

/// What is waited for. Kinds that schema 1 has no word for are `unknown`; the name says more.
fn resource(resource: &Resource) -> Value {
    let words = || resource.kind.words().to_owned();
    let (kind, name) = match resource.kind {
        WaitKind::UnixSend
        | WaitKind::MessageQueue
        | WaitKind::Signal
        | WaitKind::Time
        | WaitKind::GangerOther => {
            let name = resource.name.as_ref().map(|name| format!("{} ({name})", words()));
            (WaitKind::Unknown, Some(name.unwrap_or_else(words)))
        }
        kind => (kind, resource.name.clone()),
    };
    json!({"kind": kind, "id": resource.id, "name": name})
}

fn waiting(wait: &Waiting, at: Mono) -> Value {
    json!({
        "pid": wait.who.proc.pid,
        "tid": wait.who.tid,
        "name": wait.who.name,
        "job": wait.who.attempt.map(|attempt| attempt.job),
        "resource": resource(&wait.resource),
        "holders": wait.holders.iter().map(held).collect::<Vec<_>>(),
        "last_owner": wait.last_owner,
        "rule": match wait.rule {
            Rule::Any => "any",
            Rule::All => "all",
        },
        "timeout": wait.timeout,
        "since_s": age(at, wait.since),
        "where": wait.frames.iter().map(frame).collect::<Vec<_>>(),
        "outside": wait.outside,
        "text": wait.text,
    })
}

fn held(held: &Held) -> Value {
    json!({
        "pid": held.proc.pid,
        "tid": held.tid,
        "proven": held.proven,
        "name": held.name,
        "stopped": held.stopped,
    })
}

fn frame(frame: &Frame) -> Value {
    let locals = frame.locals.iter().map(|(name, value)| (name.clone(), json!(value)));
    json!({
        "function": frame.function,
        "file": frame.file,
        "line": frame.line,
        "language": match frame.language {
            Language::Native => "native",
            Language::Python => "python",
        },
        "locals": locals.collect::<serde_json::Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::waits::report::{Part, Verdict};
    use crate::model::waits::{LastOwner, NotVisible, Resource, WaitKind};
    use crate::model::{AttemptId, JobNo, ProcRef};

    fn sample() -> Report {
        let proc = |pid| ProcRef { pid, start_ticks: 1 };
        let who = |pid, job| Member {
            proc: proc(pid),
            tid: pid,
            name: "python3".to_owned(),
            attempt: Some(AttemptId { job: JobNo(job), n: 2 }),
        };
        let wait = |pid, holders| Waiting {
            who: who(pid, 17),
            resource: Resource {
                kind: WaitKind::MpLock,
                id: "00:1c:5521".to_owned(),
                name: Some("#1".to_owned()),
            },
            holders,
            last_owner: None,
            rule: Rule::Any,
            timeout: false,
            since: Some(Mono(1_000_000)),
            fill: None,
            frames: vec![Frame {
                language: Language::Python,
                function: "copy".to_owned(),
                file: Some("/home/a/transfer.py".to_owned()),
                line: Some(42),
                locals: vec![("n".to_owned(), "3".to_owned())],
            }],
            finding: Some((0, Part::Core)),
            outside: None,
            text: "in words".to_owned(),
        };
        let held = Held {
            proc: proc(6003),
            tid: None,
            name: "python3".to_owned(),
            attempt: None,
            proven: true,
            stopped: false,
        };
        let gone = Waiting {
            last_owner: Some(LastOwner { pid: 9, tid: 9 }),
            rule: Rule::All,
            timeout: true,
            since: None,
            frames: Vec::new(),
            outside: Some("a person".to_owned()),
            ..wait(6003, Vec::new())
        };
        Report {
            at: Mono(42_000_000),
            pid: Some(6001),
            processes: 3,
            threads: 4,
            verdict: Verdict::Abandoned,
            findings: vec![Knot {
                kind: Verdict::Abandoned,
                core: vec![who(6004, 17)],
                behind: vec![who(6002, 1)],
                since: Some(Mono(2_500_000)),
                text: "in words".to_owned(),
            }],
            waits: vec![wait(6004, vec![held]), gone],
            not_visible: vec![NotVisible {
                pid: 7,
                what: "memory".to_owned(),
                why: "permission denied".to_owned(),
            }],
        }
    }

    /// Whoever reads it by a program counts on every name and type here.
    #[test]
    fn the_shape_is_schema_1() {
        let resource = json!({"kind": "mp_lock", "id": "00:1c:5521", "name": "#1"});
        assert_eq!(
            json(&sample()),
            json!({
                "schema": 1,
                "target": {"pid": 6001, "processes": 3, "threads": 4},
                "verdict": "abandoned",
                "findings": [{
                    "kind": "abandoned",
                    "core": [
                        {"pid": 6004, "tid": 6004, "name": "python3", "job": 17, "attempt": 2}],
                    "behind": [
                        {"pid": 6002, "tid": 6002, "name": "python3", "job": 1, "attempt": 2}],
                    "since_s": 39.5,
                    "text": "in words",
                }],
                "waits": [
                    {
                        "pid": 6004, "tid": 6004, "name": "python3", "job": 17,
                        "resource": resource,
                        "holders": [{
                            "pid": 6003, "tid": null, "proven": true, "name": "python3",
                            "stopped": false,
                        }],
                        "last_owner": null,
                        "rule": "any",
                        "timeout": false,
                        "since_s": 41.0,
                        "where": [{
                            "function": "copy", "file": "/home/a/transfer.py", "line": 42,
                            "language": "python", "locals": {"n": "3"},
                        }],
                        "outside": null,
                        "text": "in words",
                    },
                    {
                        "pid": 6003, "tid": 6003, "name": "python3", "job": 17,
                        "resource": resource,
                        "holders": [],
                        "last_owner": {"pid": 9, "tid": 9},
                        "rule": "all",
                        "timeout": true,
                        "since_s": null,
                        "where": [],
                        "outside": "a person",
                        "text": "in words",
                    },
                ],
                "not_visible": [{"pid": 7, "what": "memory", "why": "permission denied"}],
            })
        );
    }

    #[test]
    fn every_kind_is_on_the_page() {
        let page = include_str!("../../docs/json.md");
        for kind in WaitKind::ALL {
            let value = resource(&Resource { kind: *kind, id: String::new(), name: None });
            let told = value["kind"].as_str().unwrap();
            assert!(page.contains(&format!("`{told}`")), "{kind}");
        }
    }

    #[test]
    fn a_healthy_tree_has_every_field() {
        let value = json(&Report { pid: Some(1), ..Report::default() });
        assert_eq!(
            value,
            json!({
                "schema": 1,
                "target": {"pid": 1, "processes": 0, "threads": 0},
                "verdict": "healthy",
                "findings": [], "waits": [], "not_visible": [],
            })
        );
        for verdict in ["healthy", "stalled", "abandoned", "deadlock"] {
            let read: Verdict = serde_json::from_value(json!(verdict)).unwrap();
            assert_eq!(read.word(), verdict);
        }
    }
}
