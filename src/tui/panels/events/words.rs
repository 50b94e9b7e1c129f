//! The words of the filter, and what kinds of events look like.

use crate::model::nearest::nearest;
use crate::model::{EventFilter, EventRow, JobNo};
use crate::tui::glyphs::Glyphs;
use crate::tui::model::Model;
use crate::tui::theme::Role;

/// Who may have asked.
const BY: [&str; 6] = ["people", "screen", "cli", "signal", "rule", "ganger"];

/// The kinds of events, as in `docs/json.md`, and requests.
const KINDS: [&str; 34] = [
    "asked",
    "attempt_ended",
    "attempt_launched",
    "attempt_quiet",
    "attempt_started",
    "attempt_stopping",
    "backoff_over",
    "deadlock_found",
    "deadlock_gone",
    "expanding",
    "inputs_failed",
    "job_ended",
    "job_retrying",
    "jobs_added",
    "leader_ended",
    "linked",
    "lock_held_long",
    "lock_order_inverted",
    "locks_awaited",
    "locks_free",
    "owner_died",
    "paused",
    "prioritized",
    "rest_ended",
    "resumed",
    "run_ended",
    "run_started",
    "run_stopping",
    "scaled",
    "signalled",
    "stuck_found",
    "stuck_gone",
    "task_ended",
    "unskipped",
];

/// Everything is shown.
pub fn no_filter() -> EventFilter {
    EventFilter::default()
}

/// Reads a filter: `by:people kind:job_ended job:3 task:resize`, and text.
///
/// # Errors
/// In words, with what would be right.
pub fn parse(model: &Model, text: &str) -> Result<EventFilter, String> {
    let mut filter = EventFilter::default();
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        match word.split_once(':') {
            Some(("by", by)) => filter.by = Some(one_of(by, "by", &BY)?),
            Some(("kind", kind)) => filter.kind = Some(one_of(kind, "kind", &KINDS)?),
            Some(("job", job)) => {
                let number = job.trim_start_matches(':').parse();
                filter.job = Some(JobNo(number.map_err(|_| {
                    format!("`{job}` is no number of a job: write job:17, or thumb:3 as text")
                })?));
            }
            Some(("task", task)) => {
                let names: Vec<&str> = model.info.tasks.iter().map(|t| t.name.as_str()).collect();
                filter.task = Some(one_of(task, "task", &names)?);
            }
            _ => words.push(word),
        }
    }
    filter.text = (!words.is_empty()).then(|| words.join(" "));
    Ok(filter)
}

fn one_of(word: &str, what: &str, known: &[&str]) -> Result<String, String> {
    if known.contains(&word) {
        return Ok(word.to_owned());
    }
    let begins = known.iter().find(|known| !word.is_empty() && known.starts_with(word)).copied();
    let near = begins.or_else(|| nearest(word, known.iter().copied()));
    Err(match near {
        Some(near) => format!("no {what} `{word}`: {what}:{near}?"),
        None if known.len() <= 8 => format!("no {what} `{word}`: one of {}", known.join(", ")),
        None => format!("no {what} `{word}`: such as {what}:{}", known.first().unwrap_or(&"")),
    })
}

/// Shape and role of an event; how something ended is in its sentence.
pub fn kind_mark(glyphs: &Glyphs, event: &EventRow) -> (&'static str, Role) {
    match event.kind.as_str() {
        "attempt_ended" | "job_ended" | "task_ended" | "run_ended" => ended_mark(glyphs, event),
        "attempt_launched" | "attempt_started" | "run_started" | "resumed" => {
            (glyphs.running, Role::Run)
        }
        "attempt_stopping" | "leader_ended" | "run_stopping" => (glyphs.ended, Role::Stopping),
        "attempt_quiet" => ("?", Role::Quiet),
        "paused" => (glyphs.paused, Role::Paused),
        "job_retrying" | "backoff_over" | "unskipped" => (glyphs.retried, Role::Warn),
        "inputs_failed" | "deadlock_found" | "stuck_found" => (glyphs.warning, Role::Bad),
        "owner_died" | "lock_order_inverted" | "lock_held_long" => (glyphs.warning, Role::Warn),
        "asked" | "scaled" | "prioritized" | "signalled" => (glyphs.marker, Role::Key),
        _ => (glyphs.dot, Role::Dim),
    }
}

fn ended_mark(glyphs: &Glyphs, event: &EventRow) -> (&'static str, Role) {
    let says = |word: &str| event.text.contains(word);
    match event.kind.as_str() {
        "task_ended" => (glyphs.dot, Role::Strong),
        _ if says("succeeded") || says("up to date") => (glyphs.done, Role::Good),
        _ if says("cancelled") || says("skipped") || says("stopped") => (glyphs.ended, Role::Warn),
        _ => (glyphs.failed, Role::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Event;

    #[test]
    fn every_kind_of_event_is_known() {
        let event = Event::RunStarted { at: crate::model::Now::default() };
        assert!(KINDS.contains(&event.word()));
        let source = include_str!("../../../model/event.rs");
        let arms = source.lines().filter(|line| line.contains("Event::") && line.contains("=> \""));
        let words: Vec<&str> = arms.filter_map(|line| line.split('"').nth(1)).collect();
        assert!(words.len() >= 20, "{words:?}");
        // What is for the record alone is never told.
        for word in words.into_iter().filter(|word| *word != "shared") {
            assert!(KINDS.contains(&word), "{word}");
        }
    }
}
