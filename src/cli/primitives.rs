//! `ganger event`, `barrier`, `value` and `kv`: one request each.

use super::failure::Failure;
use super::shared::{Shared, datum, printed, text};
use super::shared_args::{
    BarrierArgs, BarrierVerb, EventArgs, EventVerb, KvArgs, KvVerb, SharedRun, ValueArgs, ValueVerb,
};
use super::{exit, print};
use crate::model::locks::{Given, Name, Op};
use serde_json::json;

/// `ganger event`.
///
/// # Errors
/// When it is refused, or there is no run.
pub fn event(args: &EventArgs) -> Result<i32, Failure> {
    match &args.verb {
        EventVerb::Set { name, on } => ask(on, "event set", Op::EventSet { name: named(name) }),
        EventVerb::Clear { name, on } => {
            ask(on, "event clear", Op::EventClear { name: named(name) })
        }
        EventVerb::Wait { name, patience, on } => {
            let timeout_ms = patience.timeout_ms();
            ask(on, "event wait", Op::EventWait { name: named(name), timeout_ms })
        }
    }?;
    Ok(exit::OK)
}

/// `ganger barrier`.
///
/// # Errors
/// When it is broken or refused, or there is no run.
pub fn barrier(args: &BarrierArgs) -> Result<i32, Failure> {
    match &args.verb {
        BarrierVerb::Wait { name, parties, patience, on } => {
            let (parties, timeout_ms) = (*parties, patience.timeout_ms());
            let op = Op::BarrierWait { name: named(name), parties, act: false, timeout_ms };
            if let Given::Turn { index, .. } = ask(on, "barrier wait", op)? {
                print::bytes(format!("{index}\n").as_bytes())?;
            }
        }
        BarrierVerb::Reset { name, on } => {
            ask(on, "barrier reset", Op::BarrierReset { name: named(name), parties: None })?;
        }
    }
    Ok(exit::OK)
}

/// `ganger value`.
///
/// # Errors
/// When it is not there or something else, or there is no run.
pub fn value(args: &ValueArgs) -> Result<i32, Failure> {
    let name = |name: &str| named(name);
    match &args.verb {
        ValueVerb::Get { name: of, on } => {
            print_value(&ask(on, "value get", Op::ValueGet { name: name(of) })?)
        }
        ValueVerb::Set { name: of, value, on } => {
            let op = Op::ValueSet { name: name(of), value: datum(value) };
            ask(on, "value set", op).map(|_| exit::OK)
        }
        ValueVerb::Add { name: of, n, on } => {
            print_value(&ask(on, "value add", Op::ValueAdd { name: name(of), n: *n })?)
        }
        ValueVerb::Cas { name: of, old, new, on, .. } => {
            // With --absent the only word is the new value.
            let (old, new) = match new {
                Some(new) => (Some(datum(old)), datum(new)),
                None => (None, datum(old)),
            };
            ask(on, "value cas", Op::ValueCas { name: name(of), old, new }).map(|_| exit::OK)
        }
    }
}

/// `ganger kv`.
///
/// # Errors
/// When the key is not there, or there is no run.
pub fn table(args: &KvArgs) -> Result<i32, Failure> {
    match &args.verb {
        KvVerb::Get { name, key, on } => {
            let op = Op::KvGet { name: named(name), key: text(key) };
            print_value(&ask(on, "kv get", op)?)
        }
        KvVerb::Set { name, key, value, on } => {
            let op = Op::KvSet { name: named(name), key: text(key), value: datum(value) };
            ask(on, "kv set", op).map(|_| exit::OK)
        }
        KvVerb::Del { name, key, on } => {
            let op = Op::KvDelete { name: named(name), key: text(key) };
            ask(on, "kv del", op).map(|_| exit::OK)
        }
        KvVerb::Add { name, key, n, on } => {
            let op = Op::KvAdd { name: named(name), key: text(key), n: *n };
            print_value(&ask(on, "kv add", op)?)
        }
        KvVerb::List { name, json, on } => {
            let given = ask(on, "kv list", Op::KvList { name: named(name) })?;
            print_entries(&given, *json)
        }
    }
}

fn named(name: &str) -> Name {
    Name::from(name)
}

fn ask(on: &SharedRun, label: &str, op: Op) -> Result<Given, Failure> {
    Shared::connect(on.run.as_deref(), &format!("ganger {label}"))?.ask(op)
}

fn print_value(given: &Given) -> Result<i32, Failure> {
    if let Given::Value { value } = given {
        let mut line = printed(value);
        line.push(b'\n');
        print::bytes(&line)?;
    }
    Ok(exit::OK)
}

fn print_entries(given: &Given, as_json: bool) -> Result<i32, Failure> {
    let Given::Entries { entries } = given else { return Ok(exit::OK) };
    if as_json {
        let entry = |(key, value)| json!({"key": key, "value": value});
        print::json(&entries.iter().map(|(k, v)| entry((k, v))).collect())?;
        return Ok(exit::OK);
    }
    let mut lines = Vec::new();
    for (key, value) in entries {
        lines.extend_from_slice(&key.0);
        lines.push(b'\t');
        lines.extend(printed(value));
        lines.push(b'\n');
    }
    print::bytes(&lines)?;
    Ok(exit::OK)
}
