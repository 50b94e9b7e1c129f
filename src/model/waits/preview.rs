//! What the death of processes would do to those who wait for what they have.

use super::report::{Held, Member};
use super::text::{Words, thing};
use super::{Resource, WaitKind};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Waiters that a line names.
const NAMED: usize = 3;

/// What would come of a kill. Nothing is killed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// Who would die.
    pub victims: Vec<Held>,
    /// What somebody else waits for, and what would become of it; the worst first.
    pub fates: Vec<Fated>,
    /// What would still be stuck, in words.
    pub left: Vec<String>,
    /// Whom to kill instead: it would leave nothing locked for ever, and nothing stuck.
    pub instead: Vec<Held>,
}

/// One thing that the victims have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fated {
    pub fate: Fate,
    pub resource: Resource,
    /// Who waits for it.
    pub waiters: Vec<Member>,
    /// Who else has it.
    pub others: Vec<Held>,
}

/// What becomes of something when those who have it are killed. The later the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nobody gives it back: it stays locked for ever.
    Kept,
    /// The C library ends whoever waits for it (a priority-inheriting mutex that is not robust).
    Aborts,
    /// Depends on how it was taken.
    Unknown,
    /// Others have it too.
    Shared,
    /// The next gets it, and is told that its owner died.
    Marked,
    /// The next gets it.
    Freed,
    /// What is waited for happens: the other end closes, the child ends.
    Ended,
}

impl Fate {
    pub fn word(self) -> &'static str {
        match self {
            Fate::Kept => "kept",
            Fate::Aborts => "aborts",
            Fate::Unknown => "unknown",
            Fate::Shared => "shared",
            Fate::Marked => "marked",
            Fate::Freed => "freed",
            Fate::Ended => "ended",
        }
    }
}

impl Preview {
    /// Whether something would be worse afterwards than before.
    pub fn is_harmful(&self) -> bool {
        self.fates.iter().any(|fated| matches!(fated.fate, Fate::Kept | Fate::Aborts))
    }

    /// In lines for people.
    pub fn drawn(&self, words: &Words<'_>) -> String {
        let mut text = match self.victims.as_slice() {
            [] => "nobody would die\n".to_owned(),
            [one] => format!("a kill of {} would\n", words.held(one)),
            [one, rest @ ..] => {
                let more = if rest.len() == 1 { "process" } else { "processes" };
                format!("a kill of {} and {} {more} would\n", words.held(one), rest.len())
            }
        };
        for fated in &self.fates {
            let _ = writeln!(text, "  {}", sentence(fated, words));
        }
        if self.fates.is_empty() {
            text += "  release nobody: nobody is seen to wait for what it has\n";
        }
        if !self.left.is_empty() {
            text += "still stuck then\n";
            for line in &self.left {
                let _ = writeln!(text, "  {line}");
            }
        }
        if !self.instead.is_empty() {
            let names: Vec<String> = self.instead.iter().map(|held| words.held(held)).collect();
            let what = "leaves nothing locked for ever, and nothing stuck";
            let _ = writeln!(text, "better: kill {}, which {what}", names.join(" and "));
        }
        text
    }
}

fn sentence(fated: &Fated, words: &Words<'_>) -> String {
    let what = thing(&fated.resource);
    let mut names: Vec<String> =
        fated.waiters.iter().take(NAMED).map(|who| words.member(who)).collect();
    let more = fated.waiters.len() - names.len();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let who = match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    };
    let is_one = fated.waiters.len() == 1;
    let s = if is_one { "s" } else { "" };
    match fated.fate {
        Fate::Kept => format!("LEAVE LOCKED FOR EVER {what}: {who} wait{s} for it"),
        Fate::Aborts => format!("make {who} abort, which wait{s} for {what}"),
        Fate::Unknown if fated.resource.kind == WaitKind::SysvSem => {
            format!("free {what} for {who} only if it was taken with SEM_UNDO")
        }
        Fate::Unknown => format!("perhaps not free {what}, for which {who} wait{s}"),
        Fate::Shared => {
            let others: Vec<String> =
                fated.others.iter().take(NAMED).map(|held| words.held(held)).collect();
            let others = if others.is_empty() { "others".to_owned() } else { others.join(", ") };
            format!("not release {who}, which wait{s} for {what}: {others} could still end that")
        }
        Fate::Marked => {
            format!("free {what}: {who} get{s} it and must deal with the owner's death")
        }
        Fate::Freed => format!("free {what}: {who} can get it"),
        Fate::Ended => format!("end the wait of {who} for {what}"),
    }
}
