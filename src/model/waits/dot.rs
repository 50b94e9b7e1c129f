//! A report as a graph for Graphviz: threads, what they wait for, and who could end it.

use super::report::{Held, Part, Report, Rule, Waiting};
use super::text::{Words, thing};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Draws a report in the DOT language: an arrow leads from each thread to what it waits for, and
/// from there to who could end the wait; dashed where that is not proven. Cores are filled.
pub fn drawn(report: &Report, words: &Words<'_>) -> String {
    let mut text = String::from("digraph waits {\n  rankdir=LR;\n  node [shape=box];\n");
    let mut resources = BTreeSet::new();
    let mut named = BTreeSet::new();
    let blocked: BTreeSet<String> = report.waits.iter().map(thread_id).collect();
    for wait in &report.waits {
        let style = match wait.finding {
            Some((_, Part::Core)) => ", style=filled, fillcolor=\"#f4a6a6\", penwidth=2",
            Some((_, Part::Behind)) => ", style=filled, fillcolor=\"#f9e2af\"",
            None => "",
        };
        let (thread, resource) = (thread_id(wait), resource_id(wait));
        let _ = writeln!(text, "  {thread} [label={}{style}];", quoted(&words.member(&wait.who)));
        if resources.insert(resource.clone()) {
            let _ = writeln!(
                text,
                "  {resource} [label={}, shape=ellipse];",
                quoted(&thing(&wait.resource))
            );
        }
        let dotted = if wait.timeout { " [style=dotted, label=\"timeout\"]" } else { "" };
        let _ = writeln!(text, "  {thread} -> {resource}{dotted};");
        for held in &wait.holders {
            let holder = held_id(held, &blocked);
            if !blocked.contains(&holder) && named.insert(holder.clone()) {
                let _ = writeln!(text, "  {holder} [label={}];", quoted(&words.held(held)));
            }
        }
        edges(&mut text, &resource, wait, &blocked);
    }
    text.push_str("}\n");
    text
}

fn edges(text: &mut String, resource: &str, wait: &Waiting, blocked: &BTreeSet<String>) {
    for held in &wait.holders {
        let mut looks = Vec::new();
        if !held.proven {
            looks.push("style=dashed");
        }
        if wait.rule == Rule::All {
            looks.push("label=\"all\"");
        }
        let looks = match looks.as_slice() {
            [] => String::new(),
            looks => format!(" [{}]", looks.join(", ")),
        };
        let edge = format!("  {resource} -> {}{looks};\n", held_id(held, blocked));
        // Several wait for the same and are told of the same holders.
        if !text.contains(&edge) {
            text.push_str(&edge);
        }
    }
}

fn thread_id(wait: &Waiting) -> String {
    format!("t{}", wait.who.tid)
}

/// A process of which the thread is not known stands for its first one, if that waits.
fn held_id(held: &Held, blocked: &BTreeSet<String>) -> String {
    let main = format!("t{}", held.proc.pid);
    match held.tid {
        Some(tid) => format!("t{tid}"),
        None if blocked.contains(&main) => main,
        None => format!("p{}", held.proc.pid),
    }
}

fn resource_id(wait: &Waiting) -> String {
    quoted(&format!("{} {}", wait.resource.kind.word(), wait.resource.id))
}

/// A text in quotes, in which only these two have a meaning.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
