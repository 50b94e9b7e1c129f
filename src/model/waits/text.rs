//! A report in words: one sentence for each wait, circles as closed rails.

use super::report::{Held, Knot, Member, Part, Report, Rule, Verdict, Waiting};
use super::{Frame, Language, Resource, WaitKind};
use crate::model::harmless::harmless_line;
use crate::model::ids::AttemptId;
use crate::model::time::Mono;
use crate::model::words::{count, duration};
use std::fmt::Write as _;
use std::time::Duration;

/// Holders that a sentence names.
const NAMED: usize = 3;
/// Letters of a frame's part.
const FRAME_CHARS: usize = 200;

/// How attempts are called: `worker 3`, `resize:3`. `None`: by their number.
type NameOf<'a> = dyn Fn(AttemptId) -> Option<String> + 'a;

/// Puts a report into words, as of one moment.
pub struct Words<'a> {
    at: Mono,
    attempt: Option<&'a NameOf<'a>>,
}

/// What else a drawn report shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Show {
    /// The stack of every blocked thread.
    pub stacks: bool,
}

impl Words<'static> {
    pub fn new(at: Mono) -> Words<'static> {
        Words { at, attempt: None }
    }
}

impl<'a> Words<'a> {
    /// Calls attempts as this says.
    pub fn naming(at: Mono, attempt: &'a NameOf<'a>) -> Words<'a> {
        Words { at, attempt: Some(attempt) }
    }

    /// `worker 3 (pid 6004, python)`, `python (pid 6004)`, `t1 (pid 6004, thread 6005)`.
    pub fn member(&self, member: &Member) -> String {
        let tid = Some(member.tid).filter(|tid| *tid != member.proc.pid);
        self.who(member.proc.pid, tid, &member.name, member.attempt)
    }

    /// As [`Words::member`]; a process where its thread is not known.
    pub fn held(&self, held: &Held) -> String {
        let tid = held.tid.filter(|tid| *tid != held.proc.pid);
        self.called(held.proc.pid, tid, &held.name, held.attempt, held.stopped)
    }

    fn who(&self, pid: i32, tid: Option<i32>, name: &str, attempt: Option<AttemptId>) -> String {
        self.called(pid, tid, name, attempt, false)
    }

    fn called(
        &self,
        pid: i32,
        tid: Option<i32>,
        name: &str,
        attempt: Option<AttemptId>,
        is_stopped: bool,
    ) -> String {
        let mut thread = tid.map_or(String::new(), |tid| format!(", thread {tid}"));
        if is_stopped {
            thread += ", stopped";
        }
        match attempt {
            Some(attempt) => {
                let job = self.attempt.and_then(|name_of| name_of(attempt));
                let job = job.unwrap_or_else(|| attempt.to_string());
                let name = if name.is_empty() { String::new() } else { format!(", {name}") };
                format!("{job} (pid {pid}{thread}{name})")
            }
            None if name.is_empty() => format!("pid {pid}{thread}"),
            None => format!("{name} (pid {pid}{thread})"),
        }
    }

    /// One wait in one sentence, without a full stop.
    pub fn wait(&self, wait: &Waiting) -> String {
        format!("{} {}", self.member(&wait.who), self.predicate(wait))
    }

    /// `waits 41 s for multiprocessing.Lock #2 held by worker 2 (pid 6003) at transfer.py:42`
    fn predicate(&self, wait: &Waiting) -> String {
        let mut text = "waits".to_owned();
        if let Some(since) = wait.since {
            let _ = write!(text, " {}", age(self.at.since(since)));
        }
        text += &self.object(wait);
        if let Some(fill) = wait.fill {
            let of = fill.capacity.map_or(String::new(), |max| format!(" of {max}"));
            let items = if fill.depth == 1 { "item" } else { "items" };
            let _ = write!(text, ", with {}{of} {items} in it", fill.depth);
        }
        if wait.timeout {
            text += ", with a timeout";
        }
        if let Some(place) = place(&wait.frames) {
            let _ = write!(text, " at {place}");
        }
        if let Some(outside) = &wait.outside {
            let _ = write!(text, "; may be ended by {outside}");
        }
        text
    }

    fn object(&self, wait: &Waiting) -> String {
        let names = || self.names(wait);
        let is_for_an_end =
            matches!(wait.resource.kind, WaitKind::ThreadJoin | WaitKind::WaitChild);
        if is_for_an_end && !wait.holders.is_empty() {
            return format!(" for the end of {}", names());
        }
        let what = thing(&wait.resource);
        if let Some(owner) = wait.last_owner {
            let thread = if owner.tid == owner.pid {
                String::new()
            } else {
                format!(", thread {}", owner.tid)
            };
            return format!(" for {what}, whose owner is gone (pid {}{thread})", owner.pid);
        }
        // Whoever could end it besides those outside is of no interest.
        if wait.holders.is_empty() || wait.outside.is_some() && !is_proven(wait) {
            let nobody = wait.holders.is_empty() && wait.finding.is_some();
            return format!(" for {what}{}", if nobody { ", which nobody can end" } else { "" });
        }
        let proven = is_proven(wait);
        if has_owner(wait.resource.kind) && (proven || wait.holders.len() == 1) {
            let how = if proven { "held" } else { "perhaps held" };
            return format!(" for {what} {how} by {}", names());
        }
        format!(" for {what}, which only {} could {}", names(), verb(wait.resource.kind))
    }

    /// The holders, those of the waiting thread's own process in short.
    fn names(&self, wait: &Waiting) -> String {
        let name = |held: &Held| match held.tid {
            _ if held.proc != wait.who.proc => self.held(held),
            Some(tid) if tid == wait.who.tid => "itself".to_owned(),
            Some(_) => self.held(held),
            None => "its own process".to_owned(),
        };
        let last = if wait.rule == Rule::All { "and" } else { "or" };
        let mut all: Vec<String> = wait.holders.iter().take(NAMED).map(name).collect();
        let more = wait.holders.len() - all.len();
        if more > 0 {
            all.push(format!("{more} more"));
        }
        match all.split_last() {
            Some((end, [])) => end.clone(),
            Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
            None => String::new(),
        }
    }
}

fn is_proven(wait: &Waiting) -> bool {
    !wait.holders.is_empty() && wait.holders.iter().all(|held| held.proven)
}

/// `multiprocessing.Lock #2`, "file lock `/tmp/a`", `data from a pipe (fd 3)`.
pub fn thing(resource: &Resource) -> String {
    let words = resource.kind.words();
    if let Some(number) = resource.number() {
        return format!("{words} {number}");
    }
    match &resource.name {
        Some(name) if resource.kind.is_a_lock() => format!("{words} `{name}`"),
        // What it is called says more than that nothing else is known.
        Some(name) if resource.kind == WaitKind::Unknown => format!("something of {name}"),
        Some(name) => format!("{words} ({name})"),
        None => words.to_owned(),
    }
}

/// Whether it belongs to somebody while it is taken.
fn has_owner(kind: WaitKind) -> bool {
    use WaitKind::*;
    matches!(kind, Mutex | Rwlock | MpLock | MpRlock | PyLock | PyRlock | FileLock | GangerLock)
}

fn verb(kind: WaitKind) -> &'static str {
    match kind {
        WaitKind::Condvar => "signal",
        WaitKind::Barrier => "complete",
        WaitKind::Semaphore | WaitKind::PySemaphore | WaitKind::SysvSem => "post",
        WaitKind::PipeRead | WaitKind::UnixRecv => "send",
        WaitKind::PipeWrite | WaitKind::UnixSend => "make by reading",
        kind if kind.is_a_lock() => "give",
        _ => "bring about",
    }
}

/// `0.8 s`, `41 s`, then as everywhere.
fn age(d: Duration) -> String {
    match d.as_secs() {
        0..10 => format!("{}.{} s", d.as_secs(), d.subsec_millis() / 100),
        10..60 => format!("{} s", d.as_secs()),
        _ => duration(d),
    }
}

/// Where in the program of a person a thread stands: `transfer.py:42`, `copy_all (libwork.so)`.
pub fn place(frames: &[Frame]) -> Option<String> {
    let python = || frames.iter().filter(|frame| frame.language == Language::Python);
    if let Some(frame) = python().find(|frame| !is_library(frame)).or_else(|| python().next()) {
        let file = frame.file.as_deref()?;
        let file = harmless(file.rsplit('/').next().unwrap_or(file));
        return Some(match frame.line {
            Some(line) => format!("{file}:{line}"),
            None => file,
        });
    }
    // An address without a name tells a person nothing.
    let is_named = |frame: &Frame| !frame.function.is_empty() && !frame.function.starts_with("0x");
    let frame = frames.iter().find(|frame| is_named(frame) && !is_library(frame))?;
    Some(match &frame.file {
        Some(file) => {
            let file = file.rsplit('/').next().unwrap_or(file);
            format!("{} ({})", harmless(&frame.function), harmless(file))
        }
        None => harmless(&frame.function),
    })
}

/// Code that came with the language, in which everybody's waits end.
fn is_library(frame: &Frame) -> bool {
    let Some(file) = frame.file.as_deref() else { return false };
    let name = file.rsplit('/').next().unwrap_or(file);
    match frame.language {
        Language::Python => {
            // `<string>` and `<stdin>` are what `python -c` and a pipe brought: a person wrote them.
            let is_installed = file.contains("/lib/python") || file.starts_with("<frozen");
            is_installed && !file.contains("-packages/")
        }
        Language::Native => {
            name.starts_with("libc.")
                || name.starts_with("libc-")
                || name.starts_with("ld-")
                || name.starts_with("libpthread")
                || name.starts_with("[vdso")
        }
    }
}

fn harmless(text: &str) -> String {
    harmless_line(text.as_bytes(), FRAME_CHARS)
}

// ---- findings

/// Puts the findings of a report into words.
pub fn tell_knots(report: &mut Report, words: &Words<'_>) {
    let texts: Vec<String> =
        (0_u32..).zip(&report.findings).map(|(n, knot)| tell(report, n, knot, words)).collect();
    for (knot, text) in report.findings.iter_mut().zip(texts) {
        knot.text = text;
    }
}

fn tell(report: &Report, n: u32, knot: &Knot, words: &Words<'_>) -> String {
    let core = core_waits(report, n);
    let mut text = if is_ring(&core) {
        let mut text = core.first().map_or(String::new(), |wait| words.wait(wait));
        for wait in core.iter().skip(1) {
            let _ = write!(text, "; {}", words.wait(wait));
        }
        if core.len() == 1 { text } else { format!("a circle of {}: {text}", core.len()) }
    } else {
        core.iter().map(|wait| words.wait(wait)).collect::<Vec<_>>().join("; ")
    };
    if !knot.behind.is_empty() {
        let those = count(knot.behind.len() as u32, "more thread");
        let verb = if knot.behind.len() == 1 { "waits" } else { "wait" };
        let _ = write!(text, ". {those} {verb} behind");
    }
    text
}

/// The waits of a finding's core, in its order.
pub fn core_waits(report: &Report, finding: u32) -> Vec<&Waiting> {
    of_finding(report, finding, Part::Core)
}

fn of_finding(report: &Report, finding: u32, part: Part) -> Vec<&Waiting> {
    report.waits.iter().filter(|wait| wait.finding == Some((finding, part))).collect()
}

/// Whether each waits for the next, and the last for the first.
pub fn is_ring(core: &[&Waiting]) -> bool {
    let awaits = |wait: &Waiting, next: &Waiting| {
        let is_it = |held: &Held| {
            held.proc == next.who.proc && held.tid.is_none_or(|tid| tid == next.who.tid)
        };
        wait.holders.iter().any(is_it)
    };
    core.len() > 1 && (0..core.len()).all(|i| awaits(core[i], core[(i + 1) % core.len()]))
}

// ---- the whole report

/// Draws a report for people: circles first, then who waits behind them, then the rest.
pub fn drawn(report: &Report, words: &Words<'_>, show: Show) -> String {
    let mut text = head(report);
    for (n, knot) in (0_u32..).zip(&report.findings) {
        text.push('\n');
        draw_finding(&mut text, report, n, knot, words, show);
    }
    let rest: Vec<&Waiting> = report.waits.iter().filter(|w| w.finding.is_none()).collect();
    if !rest.is_empty() {
        let head = if report.findings.is_empty() { "waits" } else { "other waits" };
        let _ = write!(text, "\n{head}\n");
        for wait in rest {
            draw_wait(&mut text, "  ", "  ", wait, words, show);
        }
    }
    if !report.not_visible.is_empty() {
        text.push_str("\nnot visible\n");
        for hidden in &report.not_visible {
            let (what, why) = (harmless(&hidden.what), harmless(&hidden.why));
            let _ = writeln!(text, "  {what} of pid {}: {why}", hidden.pid);
        }
    }
    text
}

fn head(report: &Report) -> String {
    let seen = format!(
        "{}, {}",
        if report.processes == 1 {
            "1 process".to_owned()
        } else {
            format!("{} processes", report.processes)
        },
        count(report.threads, "thread"),
    );
    // Some may be outside of what was looked at.
    let waiting = count(report.waits.len() as u32, "wait");
    match report.verdict {
        Verdict::Healthy => format!("nothing is stuck: {seen}, {waiting}\n"),
        verdict => {
            let findings = count(report.findings.len() as u32, "finding");
            format!("{}: {findings} in {seen}, {waiting}\n", verdict.word())
        }
    }
}

fn draw_finding(
    text: &mut String,
    report: &Report,
    n: u32,
    knot: &Knot,
    words: &Words<'_>,
    show: Show,
) {
    let core = core_waits(report, n);
    let title = match knot.kind {
        Verdict::Deadlock => "DEADLOCK: none of these can ever go on",
        Verdict::Abandoned => "ABANDONED: what is waited for belonged to somebody who is gone",
        Verdict::Stalled => "STALLED: nothing that can be seen ends this",
        Verdict::Healthy => "",
    };
    let _ = write!(text, "{title}");
    if let Some(since) = knot.since {
        let _ = write!(text, " (for at least {})", age(report.at.since(since)));
    }
    text.push('\n');
    let last = core.len().saturating_sub(1);
    let is_ring = is_ring(&core);
    for (i, wait) in core.iter().enumerate() {
        let (rail, under) = match i {
            _ if !is_ring => ("  ", "  "),
            0 => ("┌▶ ", "│  "),
            i if i == last => ("└─ ", "   "),
            _ => ("│  ", "│  "),
        };
        draw_wait(text, rail, under, wait, words, show);
    }
    if !knot.behind.is_empty() {
        let _ = writeln!(text, "   behind {}", if core.len() == 1 { "it" } else { "them" });
    }
    for member in &knot.behind {
        let is_it = |w: &&Waiting| w.who.proc == member.proc && w.who.tid == member.tid;
        match report.waits.iter().find(is_it) {
            Some(wait) => draw_wait(text, "     ", "     ", wait, words, show),
            None => {
                let _ = writeln!(text, "     {}", words.member(member));
            }
        }
    }
}

fn draw_wait(
    text: &mut String,
    rail: &str,
    under: &str,
    wait: &Waiting,
    words: &Words<'_>,
    show: Show,
) {
    let _ = writeln!(text, "{rail}{}", words.wait(wait));
    if !show.stacks {
        return;
    }
    if wait.frames.is_empty() {
        let _ = writeln!(text, "{under}    (its stack is not known)");
    }
    for frame in &wait.frames {
        let _ = writeln!(text, "{under}    {}", frame_words(frame));
    }
}

/// `read_all (transfer.py:42) n = 3`, `pthread_mutex_lock (libc.so.6)`.
pub fn frame_words(frame: &Frame) -> String {
    let function = if frame.function.is_empty() { "?" } else { frame.function.as_str() };
    let mut text = harmless(function);
    if let Some(file) = &frame.file {
        let _ = write!(text, " ({}", harmless(file));
        if let Some(line) = frame.line {
            let _ = write!(text, ":{line}");
        }
        text.push(')');
    }
    for (name, value) in &frame.locals {
        let _ = write!(text, " {} = {}", harmless(name), harmless(value));
    }
    text
}
