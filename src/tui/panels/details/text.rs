//! What is said of a job, as lines of a width: a word at the left says what they are about.

use super::super::jobs::{exit_text, work_on};
use crate::model::exec::LimitMeans;
use crate::model::query::{AttemptRow, EnvFrom, EnvVar, JobDetail};
use crate::model::snapshot::WorkView;
use crate::model::{Outcome, Text, signal_name, words};
use crate::tui::canvas::Span;
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::Model;
use crate::tui::sanitize::one_line;
use crate::tui::theme::Role;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A line in pieces.
pub type Line = Vec<Span>;

/// Lines about one thing.
struct Section {
    head: &'static str,
    lines: Vec<Line>,
}

/// Cells of the words at the left.
const GUTTER: usize = 11;
/// From this width on there are two columns.
const TWO: u16 = 100;

/// Returns the columns of a panel so wide and high inside: cells and lines of each.
pub fn columns(
    model: &Model,
    detail: &JobDetail,
    width: u16,
    rows: usize,
) -> Vec<(u16, Vec<Line>)> {
    let room = |cells: u16| usize::from(cells).saturating_sub(GUTTER + 3).max(10);
    if width < TWO {
        let cells = room(width);
        let mut sections = about(model, detail, cells);
        sections.extend(ties(model, detail, cells));
        return vec![(width, join(sections, rows))];
    }
    let left = width * 11 / 20;
    let right = width - left;
    vec![
        (left, join(about(model, detail, room(left)), rows)),
        (right, join(ties(model, detail, room(right)), rows)),
    ]
}

/// What it is and how it went.
fn about(model: &Model, detail: &JobDetail, room: usize) -> Vec<Section> {
    vec![
        why(model, detail, room),
        now(model, detail, room),
        command(detail, room),
        section("in", wrapped(&safe(&detail.workdir), room, Role::Text)),
        attempts(model, detail, room),
        used(detail, room),
    ]
}

/// What it was given, and what ties it to others.
fn ties(model: &Model, detail: &JobDetail, room: usize) -> Vec<Section> {
    let mut all = vec![
        pairs("inputs", detail.inputs.iter().map(|(n, v)| (one_line(n), safe(v))), room),
        limits(detail, room),
        holds(model, detail, room),
        needs(detail, room),
        section("needed by", wrapped(&one_line(&detail.needed_by.join(", ")), room, Role::Text)),
    ];
    all.extend(env(detail, room));
    all
}

/// The sections one below the other, a blank line between them where all of it fits; those
/// without lines are not there.
fn join(mut sections: Vec<Section>, rows: usize) -> Vec<Line> {
    sections.retain(|section| !section.lines.is_empty());
    let n: usize = sections.iter().map(|section| section.lines.len() + 1).sum();
    let apart = n <= rows + 1;
    let mut lines = Vec::new();
    for section in sections {
        if apart && !lines.is_empty() {
            lines.push(Vec::new());
        }
        for (i, mut line) in section.lines.into_iter().enumerate() {
            let head = if i == 0 { section.head } else { "" };
            line.insert(0, (format!("{head:<GUTTER$}"), Role::Heading));
            lines.push(line);
        }
    }
    lines
}

fn section(head: &'static str, lines: Vec<Line>) -> Section {
    Section { head, lines }
}

fn safe(text: &Text) -> String {
    one_line(&text.lossy())
}

fn why(model: &Model, detail: &JobDetail, room: usize) -> Section {
    let mut lines: Vec<Line> =
        detail.why.iter().flat_map(|line| wrapped(&one_line(line), room, Role::Strong)).collect();
    let work = model.worker_of(detail.row.job).and_then(|worker| worker.work.as_ref());
    if let Some(wait) = work.and_then(|work| work.waits.as_ref()) {
        let key = model.keymap.key_of(Act::Waits);
        let text = format!("It waits for {} ({key} shows who waits for whom).", wait.words());
        lines.extend(wrapped(&one_line(&text), room, Role::Strong));
    }
    section("why", lines)
}

/// What its processes do at this moment.
fn now(model: &Model, detail: &JobDetail, room: usize) -> Section {
    let work = work_on(model, &detail.row);
    let facts = work.map_or_else(Vec::new, |(_, work)| facts_now(model, work));
    section("now", flowed(facts, room))
}

fn facts_now(model: &Model, work: &WorkView) -> Vec<String> {
    let mut facts = Vec::new();
    facts.extend(work.proc.map(|proc| format!("pid {}", proc.pid)));
    let Some(tree) = &work.tree else { return facts };
    let percent =
        |name: &str, of: Option<f32>| of.map(|p| format!("{name} {}", format::percent(p)));
    facts.extend(percent("cpu", tree.cpu_percent));
    facts.extend(percent("waits for a CPU", tree.cpu_wait_percent.filter(|p| *p >= 1.0)));
    facts.push(format!("rss {}", format::size(tree.rss_bytes)));
    facts.push(format!("{}/{} threads run", tree.threads_running, tree.threads_allotted));
    facts.push(words::count_of(tree.processes, "process", "processes"));
    let flow = |name: &str, of: Option<f32>| {
        of.filter(|b| *b >= 1.0).map(|b| format!("{name} {}/s", format::flow(b)))
    };
    facts.extend(flow("reads", tree.read_bytes_per_s));
    facts.extend(flow("writes", tree.write_bytes_per_s));
    facts.extend(tree.fds.map(|n| format!("{n} files open")));
    let said = tree.last_output.map(|at| format::age(model.ms_since(at)));
    facts.push(said.map_or("no output yet".to_owned(), |age| format!("last output {age} ago")));
    facts
}

fn command(detail: &JobDetail, room: usize) -> Section {
    let mut lines = Vec::new();
    if detail.shell {
        for text in &detail.command {
            let lossy = text.lossy();
            for line in lossy.lines().filter(|line| !line.trim().is_empty()) {
                lines.extend(wrapped(&one_line(line), room, Role::Text));
            }
        }
    } else {
        let words: Vec<String> = detail.command.iter().map(word).collect();
        lines.extend(wrapped(&words.join(" "), room, Role::Text));
    }
    section("command", lines)
}

/// A word of a command as one would type it.
fn word(text: &Text) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=,+@%^".contains(c);
    let text = safe(text);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Names with their values, the values one below the other.
fn pairs(head: &'static str, all: impl Iterator<Item = (String, String)>, room: usize) -> Section {
    let all: Vec<_> = all.collect();
    let widest = all.iter().map(|(name, _)| name.width()).max().unwrap_or(0).min(room / 2);
    let mut lines = Vec::new();
    for (name, value) in all {
        let gap = widest.saturating_sub(name.width()) + 1;
        let left = room.saturating_sub(name.width().max(widest) + 1).max(8);
        let values = wrapped(&value, left, Role::Text);
        for (i, mut line) in values.into_iter().enumerate() {
            let text = match i {
                0 => format!("{name}{}", " ".repeat(gap)),
                _ => " ".repeat(name.width() + gap),
            };
            line.insert(0, (text, Role::Dim));
            lines.push(line);
        }
    }
    section(head, lines)
}

/// One line for each attempt, the newest first: cut at the right where there is no room.
fn attempts(model: &Model, detail: &JobDetail, room: usize) -> Section {
    let mut lines: Vec<Line> = Vec::new();
    if !detail.attempts.is_empty() {
        let mut heads =
            format!("{:<4}{:>8} {:>7} {:>6} {:>5}", "", "started", "time", "cpu", "rss");
        if room >= 60 {
            heads.push_str(&format!(" {:>5} {:>5}", "out", "err"));
        }
        heads.push_str("  outcome");
        lines.push(vec![(heads, Role::Heading)]);
    }
    for attempt in detail.attempts.iter().rev() {
        lines.push(attempt_line(model, attempt, room));
        lines.extend(reason(attempt).into_iter().flat_map(|why| {
            let mut lines = wrapped(&why, room.saturating_sub(4), Role::Warn);
            for line in &mut lines {
                line.insert(0, ("    ".to_owned(), Role::Dim));
            }
            lines
        }));
    }
    if detail.n_attempts_dropped > 0 {
        let n = words::count(detail.n_attempts_dropped, "attempt");
        lines.push(vec![(format!("and {n} before these"), Role::Dim)]);
    }
    section("attempts", lines)
}

fn attempt_line(model: &Model, attempt: &AttemptRow, room: usize) -> Line {
    let unknown = || "-".to_owned();
    let span = format::span_ms;
    let cpu = match (attempt.cpu_user_ms, attempt.cpu_system_ms) {
        (None, None) => unknown(),
        (user, system) => span(user.unwrap_or(0).saturating_add(system.unwrap_or(0))),
    };
    let time = match attempt.outcome {
        None => format::clock(attempt.wall_ms),
        Some(_) => span(attempt.wall_ms),
    };
    let size = |bytes: Option<u64>| bytes.map_or_else(unknown, format::size);
    let started = model.time_of_day(attempt.started_at);
    let mut line = vec![
        (format!("{:<4}", format!("#{}", attempt.n)), Role::Strong),
        (format!("{started:>8} "), Role::Dim),
        (format!("{time:>7} {cpu:>6} {:>5}", size(attempt.max_rss_bytes)), Role::Text),
    ];
    if room >= 60 {
        let (out, err) = (size(attempt.stdout_bytes), size(attempt.stderr_bytes));
        line.push((format!(" {out:>5} {err:>5}"), Role::Dim));
    }
    let (text, role) = match attempt.outcome {
        None => ("running".to_owned(), Role::Run),
        Some(outcome) => {
            let text = match outcome {
                Outcome::Failed { code } => format!("failed {code}"),
                Outcome::Signaled { signal } => signal_name(signal),
                other => other.word().replace('_', " "),
            };
            (text, if outcome.is_success() { Role::Good } else { Role::Bad })
        }
    };
    line.push((format!("  {text}"), role));
    let pool = one_line(model.pool_name(attempt.slot.pool));
    let place = match model.info.pools.len() {
        0 | 1 => format!("  worker {}", attempt.slot.n),
        _ => format!("  worker {pool} {}", attempt.slot.n),
    };
    let used: usize = line.iter().map(|(text, _)| text.width()).sum();
    if used + place.width() <= room {
        line.push((place, Role::Dim));
    }
    line
}

/// What else there is to say about how an attempt ended.
fn reason(attempt: &AttemptRow) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(attempt.error.as_deref().map(one_line));
    all.extend(attempt.reason.map(|reason| format!("stopped: {}", reason.words())));
    if attempt.oom_killed == Some(true) {
        all.push("the kernel killed it: out of memory".to_owned());
    }
    if attempt.swept > 0 {
        let n = words::count_of(attempt.swept, "process", "processes");
        all.push(format!("{n} that it left behind had to be ended"));
    }
    all
}

/// What all its attempts took.
fn used(detail: &JobDetail, room: usize) -> Section {
    let row = &detail.row;
    let span = format::span_ms;
    let mut facts = Vec::new();
    if let Some(ms) = row.wall_ms {
        facts.push(format!(
            "{} from start to {}",
            span(ms),
            match row.ended_at {
                Some(_) => "end",
                None => "now",
            }
        ));
    }
    if let Some(ms) = row.cpu_ms {
        let share = row.wall_ms.filter(|wall| *wall > 0 && row.ended_at.is_some());
        let share =
            share.map(|wall| format!(", {:.0}% of a core", ms as f64 * 100.0 / wall as f64));
        facts.push(format!("cpu {}{}", span(ms), share.unwrap_or_default()));
    }
    facts.extend(row.max_rss_bytes.map(|bytes| format!("rss {} at most", format::size(bytes))));
    facts.extend(row.stdout_bytes.map(|bytes| format!("out {}", format::size(bytes))));
    facts.extend(row.stderr_bytes.map(|bytes| format!("err {}", format::size(bytes))));
    if let (Some(exit), true) = (row.exit, row.ended_at.is_some()) {
        facts.push(format!("exit {}", exit_text(exit).0));
    }
    section("used", flowed(facts, room))
}

fn limits(detail: &JobDetail, room: usize) -> Section {
    let limits = &detail.limits;
    let bytes = |name: &str, n: Option<u64>| n.map(|n| format!("{name} {}", format::size(n)));
    let count = |name: &str, n: Option<u64>| n.map(|n| format!("{name} {n}"));
    let time = limits.cpu_time.map(|time| format!("cpu time {}", words::duration(time)));
    let all = [
        bytes("memory", limits.memory_bytes),
        time,
        count("open files", limits.open_files),
        bytes("file size", limits.file_size_bytes),
        count("processes", limits.processes),
    ];
    let mut facts: Vec<String> = all.into_iter().flatten().collect();
    if !facts.is_empty() {
        facts.extend(detail.limits_by.map(|means| match means {
            LimitMeans::CgroupV1 => "kept by cgroup v1".to_owned(),
            LimitMeans::CgroupV2 => "kept by cgroup v2".to_owned(),
            LimitMeans::Look => "kept by looking at its processes".to_owned(),
        }));
    }
    section("limits", flowed(facts, room))
}

fn holds(model: &Model, detail: &JobDetail, room: usize) -> Section {
    let pool = one_line(&detail.pool);
    match &detail.holds {
        Some(holds) => {
            let of = one_line(model.pool_name(holds.slot.pool));
            let taken = words::count(holds.weight, "worker");
            let text =
                format!("worker {} of pool {of}, {taken} of {}", holds.slot.n, holds.pool_size);
            section("holds", wrapped(&text, room, Role::Text))
        }
        None => {
            let weight = words::count(detail.weight, "worker");
            let text = format!("{pool}, takes {weight} while it runs");
            section("pool", wrapped(&text, room, Role::Text))
        }
    }
}

fn needs(detail: &JobDetail, room: usize) -> Section {
    let lines = detail.needs.iter().flat_map(|need| {
        let each = if need.each { ", job by job" } else { "" };
        let ended = if need.ended { "has ended" } else { "has not ended" };
        let text = format!("{} ({}{each}): {ended}", one_line(&need.task), one_line(&need.when));
        let role = if need.ended { Role::Text } else { Role::Warn };
        wrapped(&text, room, role)
    });
    section("needs", lines.collect())
}

/// The environment by who sets it. What a file says is never shown.
fn env(detail: &JobDetail, room: usize) -> Vec<Section> {
    let from = |from: EnvFrom| detail.env.iter().filter(move |var| var.from == from);
    let file = match detail.env_files.as_slice() {
        [one] => format!("from {}", safe(one)),
        _ => "from env_file".to_owned(),
    };
    let pair =
        |var: &EnvVar| (safe(&var.name), var.value.as_ref().map_or_else(|| file.clone(), safe));
    let mut files = pairs("file env", from(EnvFrom::EnvFile).map(pair), room);
    if files.lines.is_empty() || detail.env_files.len() > 1 {
        for path in &detail.env_files {
            let text = format!("what {} says", safe(path));
            files.lines.extend(wrapped(&text, room, Role::Dim));
        }
    }
    let mut given = pairs("ganger env", from(EnvFrom::Ganger).map(pair), room);
    let inherited = format!("and {} inherited", words::count(detail.n_inherited_env, "variable"));
    given.lines.push(vec![(inherited, Role::Dim)]);
    vec![pairs("task env", from(EnvFrom::Task).map(pair), room), files, given]
}

/// Facts one behind the other, two blanks between them, none of them broken.
fn flowed(facts: Vec<String>, room: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut used = 0;
    for fact in facts {
        let cells = fact.width();
        match lines.last_mut() {
            Some(line) if used + 2 + cells <= room => {
                line.push((format!("  {fact}"), Role::Text));
                used += 2 + cells;
            }
            _ => {
                used = cells;
                lines.push(vec![(fact, Role::Text)]);
            }
        }
    }
    lines
}

/// Text broken between words, and within a word that is longer than a line.
fn wrapped(text: &str, room: usize, role: Role) -> Vec<Line> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for piece in text.split_inclusive(' ') {
        let cells = piece.trim_end().width();
        if used > 0 && used + cells > room {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        for c in piece.chars() {
            let cells = c.width().unwrap_or(0);
            if used + cells > room {
                if c == ' ' {
                    continue;
                }
                // A letter wider than a line has one of its own.
                if used > 0 {
                    lines.push(std::mem::take(&mut line));
                }
                used = 0;
            }
            line.push(c);
            used += cells;
        }
    }
    if !line.trim_end().is_empty() {
        lines.push(line);
    }
    lines.into_iter().map(|line| vec![(line.trim_end().to_owned(), role)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, room: usize) -> Vec<String> {
        let lines = wrapped(text, room, Role::Text);
        lines.into_iter().map(|line| line.into_iter().map(|(text, _)| text).collect()).collect()
    }

    #[test]
    fn text_is_broken_between_words_and_long_words_within() {
        assert_eq!(lines("one two three", 8), ["one two", "three"]);
        assert_eq!(lines("a 0123456789 b", 4), ["a", "0123", "4567", "89 b"]);
        assert_eq!(lines("日本語", 4), ["日本", "語"]);
        assert_eq!(lines("日本語", 1), ["日", "本", "語"]);
        assert!(lines("", 4).is_empty());
    }
}
