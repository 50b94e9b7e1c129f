//! What jobs share: declarations at the top of the file, and what tasks take.

use super::Reader;
use super::needs::ReadTask;
use crate::model::locks::{Datum, LockKind, Name, QueueOrder};
use crate::plan::rules::{Declared, OnDeadlock, SharedRules, Takes};
use crate::plan::yaml::{Entry, Node};
use crate::plan::{shape, units};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

/// A declaration, and where its name stands.
type Written = (Name, Range<usize>, Declared);

impl Reader<'_> {
    /// Reads `locks`, `semaphores` and the like at the top; a name is of one kind.
    pub(super) fn read_shared(&mut self, root: &Node) -> SharedRules {
        let at = |key: &str| root.get(key).map(|n| &**n);
        let mut written = locks(at("locks"));
        let number = |entry: &Entry| whole(&entry.value);
        written
            .extend(named(at("semaphores"), |e| number(e).map(|max| Declared::Semaphore { max })));
        written.extend(listed(at("events"), || Declared::Event));
        written.extend(named(at("barriers"), |e| {
            number(e).map(|parties| Declared::Barrier { parties })
        }));
        written.extend(named(at("queues"), |e| Some(queue(&e.value))));
        written.extend(named(at("values"), |e| e.value.text().map(|t| Declared::Value(datum(t)))));
        let duration =
            |key: &str| -> Option<Duration> { units::parse_duration(at(key)?.text()?).ok() };
        SharedRules {
            declared: self.each_name_once(written),
            on_deadlock: match at("on_deadlock").and_then(Node::text) {
                Some("stop_youngest") => OnDeadlock::StopYoungest,
                Some("stop") => OnDeadlock::Stop,
                _ => OnDeadlock::Report,
            },
            wait_timeout: duration("wait_timeout"),
            hold_warn: duration("hold_warn"),
        }
    }

    /// A task that takes what it can never have would wait for ever. Locks that only tasks name
    /// are there from the start too, so that nobody makes something else of the name.
    pub(super) fn check_takes(&mut self, tasks: &[ReadTask], shared: &mut SharedRules) {
        let mut declared: HashMap<Name, Declared> = shared.declared.iter().cloned().collect();
        for (name, is_shared) in tasks.iter().flat_map(|task| &task.spec.rules.takes.locks) {
            if !declared.contains_key(name) {
                let kind = if *is_shared { LockKind::Rwlock } else { LockKind::Lock };
                declared.insert(name.clone(), Declared::Lock(kind));
                shared.declared.push((name.clone(), Declared::Lock(kind)));
            }
        }
        // Where none is declared, a semaphore has as many permits as its largest user needs. Beside
        // declared ones a name that is not is a slip.
        if !declared.values().any(|what| matches!(what, Declared::Semaphore { .. })) {
            let mut most: BTreeMap<Name, u32> = BTreeMap::new();
            for (name, n) in tasks.iter().flat_map(|task| &task.spec.rules.takes.uses) {
                let max = most.entry(name.clone()).or_default();
                *max = (*max).max(*n);
            }
            most.retain(|name, _| !declared.contains_key(name));
            for (name, max) in most {
                shared.declared.push((name.clone(), Declared::Semaphore { max }));
                declared.insert(name, Declared::Semaphore { max });
            }
        }
        for ReadTask { spec, at, .. } in tasks {
            let (task, takes) = (&spec.rules.name, &spec.rules.takes);
            for (name, _) in &takes.locks {
                if let Some(what) = declared.get(name).filter(|w| !matches!(w, Declared::Lock(_))) {
                    let message = format!("`{task}` takes `{name}` as a lock: {}", kind(what));
                    let hint = "Permits of semaphores stand in `uses`.";
                    self.problems.error(at, message, Some(hint.to_owned()));
                }
            }
            for (name, n) in &takes.uses {
                let message = match declared.get(name) {
                    None => format!("`{task}` uses `{name}`, which nobody has declared"),
                    Some(Declared::Semaphore { max }) if n <= max => continue,
                    Some(Declared::Semaphore { max }) => {
                        format!("`{task}` uses {n} permits of `{name}`, which has {max}")
                    }
                    Some(what) => format!("`{task}` uses `{name}`: {}", kind(what)),
                };
                let hint =
                    "It could never start: write `semaphores: {name: N}` with enough permits.";
                self.problems.error(at, message, Some(hint.to_owned()));
            }
        }
    }

    fn each_name_once(&mut self, written: Vec<Written>) -> Vec<(Name, Declared)> {
        let mut first: HashMap<Name, usize> = HashMap::new();
        let mut declared = Vec::new();
        for (name, range, what) in written {
            if let Some(at) = first.get(&name) {
                let line = self.source.line_of(*at);
                let message = format!("`{name}` is declared twice: line {line} has it already");
                let hint = "What jobs share has one name space for all kinds: choose another name.";
                self.problems.error(&range, message, Some(hint.to_owned()));
                continue;
            }
            first.insert(name.clone(), range.start);
            declared.push((name, what));
        }
        declared
    }
}

/// What a declaration is, in words.
fn kind(declared: &Declared) -> &'static str {
    match declared {
        Declared::Lock(_) => "it is a lock",
        Declared::Semaphore { .. } => "it is a semaphore",
        Declared::Event => "it is an event",
        Declared::Barrier { .. } => "it is a barrier",
        Declared::Queue { .. } => "it is a queue",
        Declared::Value(_) => "it is a value",
    }
}

/// Reads `locks` and `uses` of a task.
pub(super) fn takes(locks: Option<&Node>, uses: Option<&Node>) -> Takes {
    let mut takes = Takes::default();
    if let Some(node) = locks {
        for item in node.items().unwrap_or_default() {
            takes.locks.extend(item.text().map(|name| (Name::from(name), false)));
        }
        for entry in node.entries().unwrap_or_default() {
            let shared = entry.value.text() == Some("shared");
            takes.locks.push((Name::from(&*entry.key), shared));
        }
    }
    for entry in uses.and_then(Node::entries).unwrap_or_default() {
        takes.uses.extend(whole(&entry.value).map(|n| (Name::from(&*entry.key), n)));
    }
    takes.locks.sort();
    takes.locks.dedup_by(|a, b| a.0 == b.0);
    takes
}

fn locks(node: Option<&Node>) -> Vec<Written> {
    let Some(node) = node else { return Vec::new() };
    if node.items().is_some() {
        return listed(Some(node), || Declared::Lock(LockKind::Lock));
    }
    named(Some(node), |entry| {
        Some(Declared::Lock(match entry.value.text() {
            Some("rlock") => LockKind::Rlock,
            Some("rwlock") => LockKind::Rwlock,
            _ => LockKind::Lock,
        }))
    })
}

fn listed(node: Option<&Node>, what: impl Fn() -> Declared) -> Vec<Written> {
    let items = node.and_then(Node::items).unwrap_or_default();
    let name = |item: &Node| Some((Name::from(item.text()?), item.range.clone(), what()));
    items.iter().filter_map(|item| name(item)).collect()
}

fn named(node: Option<&Node>, what: impl Fn(&Entry) -> Option<Declared>) -> Vec<Written> {
    let entries = node.and_then(Node::entries).unwrap_or_default();
    let one = |e: &Entry| Some((Name::from(&*e.key), e.key_range.clone(), what(e)?));
    entries.iter().filter_map(one).collect()
}

fn queue(node: &Node) -> Declared {
    let max = match node.get("max") {
        Some(max) => whole(max),
        None => whole(node),
    };
    let order = match node.get("order").and_then(|n| n.text()) {
        Some("lifo") => QueueOrder::Lifo,
        Some("priority") => QueueOrder::Priority,
        _ => QueueOrder::Fifo,
    };
    Declared::Queue { max, order }
}

fn datum(text: &str) -> Datum {
    shape::whole_number(text).map_or_else(|| Datum::Text(text.into()), Datum::Number)
}

fn whole(node: &Node) -> Option<u32> {
    node.text().and_then(shape::whole_number).and_then(|n| u32::try_from(n).ok())
}
