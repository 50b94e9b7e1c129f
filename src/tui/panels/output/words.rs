//! What the panel says about the output: in its borders, and instead of rows.

use crate::model::PoolIdx;
use crate::model::query::{SearchScope, Stream};
use crate::tui::canvas::{Span, spans_width};
use crate::tui::format;
use crate::tui::model::Model;
use crate::tui::output::find::Find;
use crate::tui::output::{Pair, Streams, Whose};
use crate::tui::panels::WORKERS;
use crate::tui::theme::Role;

/// Whose output it is, and how a search goes.
pub fn status(model: &Model) -> Vec<Span> {
    let mut spans = match (model.output.whose(), &model.output.target) {
        (Whose::All, _) => vec![("all jobs".to_owned(), Role::Strong)],
        (Whose::One, Some(target)) => {
            let (task, inputs) = target.label.split_once(' ').unwrap_or((&target.label, ""));
            let mut spans = vec![(task.to_owned(), Role::Strong)];
            // Where cells are dear, what was found matters more than the inputs.
            let inputs = if is_searching_narrowly(model) { "" } else { inputs };
            if !inputs.is_empty() {
                spans.push((format!(" {inputs}"), Role::Title));
            }
            spans.extend(attempt(model));
            spans
        }
        (Whose::One, None) => return Vec::new(),
    };
    let dot = model.look.glyphs.dot;
    if let Some(find) = &model.output.find {
        let (text, role) = found(model, find);
        spans.push((format!(" {dot} {text}"), role));
    } else if let Some(text) = idle_worker(model) {
        spans.push((format!(" {dot} {text}"), Role::Warn));
    }
    spans
}

fn is_searching_narrowly(model: &Model) -> bool {
    model.output.find.is_some() && model.size.width < 80
}

/// `#2`, when it is not the only attempt.
fn attempt(model: &Model) -> Option<Span> {
    let (job, n) = model.output.target.as_ref()?.key;
    match model.output.n_attempts {
        Some((of, last)) if of == job && last > 1 => Some((format!(" #{n} of {last}"), Role::Warn)),
        _ if n > 1 => Some((format!(" #{n}"), Role::Warn)),
        _ => None,
    }
}

/// The selected worker has no job: whose output is it then?
fn idle_worker(model: &Model) -> Option<String> {
    let worker = model.selected_worker().filter(|w| w.work.is_none())?;
    if model.source != WORKERS || model.output.whose() == Whose::All || model.output.picked {
        return None;
    }
    let name = match worker.slot.pool {
        PoolIdx::DEFAULT => worker.slot.n.to_string(),
        pool => format!("{} {}", model.pool_name(pool), worker.slot.n),
    };
    match model.output_from == Some(worker.slot) {
        true => Some(format!("worker {name} is idle now")),
        false => Some(format!("not of worker {name}: it is idle")),
    }
}

/// ``3 of 214+ `needle` (searching)``.
fn found(model: &Model, find: &Find) -> Span {
    let pattern = match is_searching_narrowly(model) {
        true => String::new(),
        false => format!(" {}", pattern_text(find)),
    };
    let ellipsis = model.look.glyphs.ellipsis;
    let n = find.hits.len() as u64;
    if let Some(error) = &find.error {
        return (error.clone(), Role::Bad);
    }
    let whose = if find.scope == SearchScope::All { " in all jobs" } else { "" };
    let more = if find.is_open() { "+" } else { "" };
    let busy = match (find.is_searching(), find.searched_bytes) {
        (true, 0) => format!(" (searching{ellipsis})"),
        (true, n) => format!(" (searching{ellipsis} {})", format::size(n).trim()),
        (false, _) => String::new(),
    };
    match (find.current, n) {
        (_, 0) if find.complete => (format!("no {}{whose}", pattern_text(find)), Role::Bad),
        (Some(at), _) => {
            let (at, n) = (format::grouped(at as u64 + 1), format::grouped(n));
            (format!("{at} of {n}{more}{pattern}{whose}{busy}"), Role::Key)
        }
        (None, n) => {
            let n = format::grouped(n);
            (format!("{n}{more}{pattern}{whose}{busy}"), Role::Key)
        }
    }
}

fn pattern_text(find: &Find) -> String {
    let text = crate::tui::sanitize::one_line(&find.pattern.text);
    format!("`{}`", text.chars().take(24).collect::<String>())
}

/// What the prompt of a search is called, and what stands beside the text.
pub fn search_prompt(model: &Model) -> (String, String) {
    let (name, other) = match super::hands::searches_all(model) {
        true => ("search [all jobs]", "Tab this job"),
        false => ("search [this job]", "Tab all jobs"),
    };
    let hits = model.output.find.as_ref().map(|find| found(model, find).0);
    let hits = hits.map_or(String::new(), |hits| format!("{hits}   "));
    (name.to_owned(), format!("{hits}{other}  Enter  Esc back"))
}

/// How much there is, where one is, and what differs from how it usually is shown. How much
/// there is goes first where the border is short.
pub fn foot(model: &Model, width: u16) -> Vec<Span> {
    let output = &model.output;
    let mut facts: Vec<Vec<Span>> = Vec::new();
    let pair = output.pair().filter(|_| output.whose() == Whose::One);
    if pair.is_none() && output.whose() == Whose::One {
        return Vec::new();
    }
    facts.push(vec![(place(model, pair), if output.is_held() { Role::Key } else { Role::Dim })]);
    if let Some(pair) = pair {
        facts.insert(0, sizes(pair));
    }
    let mut looks = Vec::new();
    match output.streams() {
        Streams::Both => {}
        Streams::Out if pair.is_some() => looks.push("stdout only".to_owned()),
        Streams::Err if pair.is_some() => looks.push("stderr only".to_owned()),
        _ => {}
    }
    if output.wrap {
        looks.push("wrapped".to_owned());
    }
    if output.left > 0 {
        looks.push(format!("from column {}", output.left + 1));
    }
    facts.extend(looks.into_iter().map(|text| vec![(text, Role::Warn)]));
    let cells: u16 = facts.iter().map(|fact| spans_width(fact) + 2).sum();
    if cells > width + 2 && pair.is_some() {
        facts.remove(0);
    }
    let mut spans: Vec<Span> = Vec::new();
    for fact in facts {
        let gap = u16::from(!spans.is_empty()) * 2;
        if spans_width(&spans) + gap + spans_width(&fact) > width {
            break;
        }
        if gap > 0 {
            spans.push(("  ".to_owned(), Role::Dim));
        }
        spans.extend(fact);
    }
    spans
}

fn sizes(pair: &Pair) -> Vec<Span> {
    let role = if pair.err.size > 0 { Role::Stderr } else { Role::Dim };
    vec![
        (format!("out {:>4}", format::size(pair.out.size)), Role::Dim),
        (format!("  err {:>4}", format::size(pair.err.size)), role),
    ]
}

fn place(model: &Model, pair: Option<&Pair>) -> String {
    let is_complete = pair.is_some_and(|pair| pair.complete)
        || (model.output.whose() == Whose::All && model.has_ended());
    if model.output.is_held() {
        let (_, end, size) = model.output.extent(super::room(model));
        let percent = (end.min(size) * 100).checked_div(size).unwrap_or(100);
        return format!("held still {percent:>3}%");
    }
    if is_complete { "complete".to_owned() } else { "following".to_owned() }
}

/// What stands there while there are no rows; `None` when there are some.
pub fn instead(model: &Model) -> Option<(String, Role)> {
    let text = match model.output.whose() {
        Whose::All => all_silent(model)?,
        Whose::One => one_silent(model)?,
    };
    Some((text, Role::Dim))
}

fn all_silent(model: &Model) -> Option<String> {
    use crate::tui::output::lines::Lines;
    let feed = model.output.feed();
    match (feed.n_lines(), &feed.refused) {
        (0, Some(why)) => Some(why.clone()),
        (0, None) if model.output.offline => Some(GONE.to_owned()),
        (0, None) if model.has_ended() => Some("no job said anything".to_owned()),
        (0, None) => Some("no job has said anything yet".to_owned()),
        _ => None,
    }
}

const GONE: &str = "the supervisor has gone: its output is in the run's folder";

fn one_silent(model: &Model) -> Option<String> {
    let Some(pair) = model.output.pair() else {
        let text = match model.selected_worker() {
            Some(worker) if worker.work.is_none() => {
                format!("worker {} is idle: select one that works", worker.slot.n)
            }
            _ => "select a worker to see what its job says".to_owned(),
        };
        return Some(text);
    };
    let active = model.output.active();
    let buf = pair.of(active);
    let n_lines = match model.output.streams() {
        Streams::Both => pair.out.n_lines() + pair.err.n_lines(),
        _ => buf.n_lines(),
    };
    if n_lines > 0 {
        return None;
    }
    if let Some(why) = &buf.refused {
        return Some(why.clone());
    }
    let text = match (model.output.streams(), model.output.offline, pair.complete) {
        (_, true, false) => GONE,
        // Asked for, and about to be there: no word that would be wrong a moment later.
        _ if !buf.is_known() => "",
        (Streams::Both, _, true) => "it said nothing",
        (Streams::Both, _, false) => "nothing said yet",
        (_, _, is_complete) => match (active, is_complete) {
            (Stream::Stdout, true) => "nothing on stdout",
            (Stream::Stderr, true) => "nothing on stderr",
            (Stream::Stdout, false) => "nothing on stdout yet",
            (Stream::Stderr, false) => "nothing on stderr yet",
        },
    };
    Some(text.to_owned())
}
