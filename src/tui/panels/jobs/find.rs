//! The search in the list: the next job whose label or inputs have a text.
//!
//! The supervisor finds it: in the order of numbers the next match is the first of a filter with
//! `job>=N job<=M`, a window of numbers after the other, and its place is the number of jobs
//! before it. A list sorted by something else has at most some thousand rows, which are read page
//! by page.

use super::held::{Jobs, place_of};
use crate::model::filter::{FIELDS, Names, WORDS};
use crate::model::limits::PAGE_ROWS;
use crate::model::query::{JobList, JobPage, JobRow, JobSort, Query};

/// What was searched for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Find {
    pub text: String,
    /// What to ask for next.
    pub next: Option<Goal>,
    /// Where the selection was when the search began, while the text is typed.
    pub origin: Option<(usize, Option<JobRow>)>,
}

/// A step of a search.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// The first match in a window of numbers that begins here and goes up or down.
    Next { text: String, from: u32, up: bool, round: bool },
    /// How many jobs of the list stand before the match.
    Place { text: String, row: Box<JobRow> },
    /// A page of a sorted list: the match is looked for here.
    Page { text: String, from: usize, back: bool, round: bool },
}

/// Jobs whose texts are looked at for one answer: all of a million would take a second.
const WINDOW: u32 = 1 << 16;

impl Goal {
    /// Returns the question about `list`.
    pub fn query(&self, list: &JobList) -> Query {
        match self {
            Goal::Next { text, from, up, .. } => {
                let (low, high) = match up {
                    true => (*from, from.saturating_add(WINDOW - 1)),
                    false => (from.saturating_sub(WINDOW - 1), *from),
                };
                let terms = format!("job>={low} job<={high} {}", quoted(text));
                let filter = with(list, &terms);
                let list = JobList { filter, sort: JobSort::Number, descending: !up };
                Query::Jobs { list, offset: 0, limit: 1 }
            }
            Goal::Place { row, .. } => {
                let sign = if list.descending { ">" } else { "<" };
                let filter = with(list, &format!("job{sign}{}", row.job.0));
                let list = JobList { filter, sort: JobSort::Number, descending: false };
                Query::Jobs { list, offset: 0, limit: 0 }
            }
            Goal::Page { from, .. } => {
                let offset = u32::try_from(*from).unwrap_or(u32::MAX);
                Query::Jobs { list: list.clone(), offset, limit: PAGE_ROWS }
            }
        }
    }
}

/// The filter of a list with more terms.
fn with(list: &JobList, terms: &str) -> String {
    match list.filter.as_str() {
        "" => terms.trim().to_owned(),
        filter => format!("({filter}) {terms}"),
    }
}

/// A text as the filter language takes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether a row has a text; small letters find large ones too.
fn has(row: &JobRow, text: &str) -> bool {
    let any_case = !text.chars().any(char::is_uppercase);
    let holds = |hay: &str| match any_case {
        true => hay.to_lowercase().contains(text),
        false => hay.contains(text),
    };
    holds(&row.label) || holds(&row.inputs)
}

impl Jobs {
    /// Searches while the text is typed: from where one stood on. Blank: back to there.
    pub fn search(&mut self, text: &str, done: bool, total: usize) {
        let here = (self.list.at, self.chosen.clone());
        let (at, row) = self.find.origin.get_or_insert(here).clone();
        if text != self.find.text || self.find.origin.is_none() {
            text.clone_into(&mut self.find.text);
            self.find.next = None;
            self.list.at = at;
            self.chosen = row;
            if !text.is_empty() {
                self.find_on(false, true, total);
            }
        }
        if done {
            self.find.origin = None;
        }
    }

    /// Looks for the next match, or the one before.
    pub fn find_on(&mut self, back: bool, including: bool, total: usize) {
        let text = self.find.text.clone();
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        self.find.next = Some(if self.shown.sort == JobSort::Number {
            let up = self.shown.descending == back;
            // A row that is not held yet has the number of its place, if all jobs are listed.
            let at = u32::try_from(self.list.at + 1).unwrap_or(u32::MAX);
            let everything = Jobs::is_everything(&self.shown) && !self.shown.descending;
            let known = self.chosen.as_ref().map(|row| row.job.0).or(everything.then_some(at));
            let from = match (known, up) {
                (None, true) => 1,
                (None, false) => total,
                (Some(here), _) if including => here,
                (Some(here), true) => here.saturating_add(1),
                (Some(here), false) => here.saturating_sub(1),
            };
            Goal::Next { text, from, up, round: false }
        } else {
            let page = PAGE_ROWS as usize;
            let from = match (back, including) {
                (true, _) => self.list.at.saturating_sub(page),
                (false, true) => self.list.at,
                (false, false) => self.list.at + 1,
            };
            Goal::Page { text, from, back, round: false }
        });
    }

    /// Takes in what a step of a search has found; returns what to say.
    pub fn found(&mut self, goal: Goal, page: JobPage, total: usize) -> Option<String> {
        match goal {
            Goal::Next { text, from, up, round } => match page.rows.into_iter().next() {
                Some(row) if Jobs::is_everything(&self.shown) => {
                    let at = place_of(&row, &self.shown, total.max(page.of as usize));
                    self.jump(at, row);
                }
                Some(row) => self.find.next = Some(Goal::Place { text, row: Box::new(row) }),
                None => {
                    let total = total.max(page.of as usize);
                    return self.find_further(text, (from, up, round), total);
                }
            },
            Goal::Place { row, .. } => self.jump(page.total as usize, *row),
            Goal::Page { text, from, back, round } => {
                return self.found_in_page(text, (from, back, round), page);
            }
        }
        None
    }

    /// The next window of numbers, once from the other end.
    fn find_further(
        &mut self,
        text: String,
        (from, up, round): (u32, bool, bool),
        total: usize,
    ) -> Option<String> {
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let next = match up {
            true => from.checked_add(WINDOW).filter(|n| *n <= total),
            false => from.checked_sub(WINDOW).filter(|n| *n > 0),
        };
        let (from, round) = match next {
            Some(from) => (from, round),
            None if round => return Some(format!("no job has `{text}`")),
            None => (if up { 1 } else { total }, true),
        };
        self.find.next = Some(Goal::Next { text, from, up, round });
        None
    }

    fn found_in_page(
        &mut self,
        text: String,
        (from, back, round): (usize, bool, bool),
        page: JobPage,
    ) -> Option<String> {
        let len = page.cut_at.unwrap_or(page.total).min(page.total) as usize;
        let here = self.list.at;
        let rows = page.rows.into_iter().enumerate().map(|(i, row)| (from + i, row));
        let mut hits = rows.filter(|(at, row)| has(row, &text) && (!back || round || *at < here));
        let hit = if back { hits.next_back() } else { hits.next() };
        let size = PAGE_ROWS as usize;
        let next = match (hit, back) {
            (Some((at, row)), _) => {
                self.jump(at, row);
                return None;
            }
            (None, false) if from + size < len => Some((from + size, round)),
            (None, true) if from > 0 => Some((from.saturating_sub(size), round)),
            (None, _) if !round && len > 0 => {
                Some((if back { len.saturating_sub(size) } else { 0 }, true))
            }
            (None, _) => None,
        };
        match next {
            Some((from, round)) => {
                self.find.next = Some(Goal::Page { text, from, back, round });
                None
            }
            None => Some(format!("no job of this list has `{text}`")),
        }
    }
}

/// A filter for the jobs of one task.
pub fn of_task(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if plain { format!("task={name}") } else { format!("task={}", quoted(name)) }
}

/// The word that a filter ends with.
fn last_word(before: &str) -> &str {
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | '!' | '|');
    before.rsplit(ends).next().unwrap_or(before)
}

/// Whether a filter ends with a word that is likely to grow into another one.
pub fn is_half(names: &Names<'_>, text: &str) -> bool {
    let word = last_word(text);
    FIELDS.iter().any(|(name, _, _)| *name == word) || !endings(names, text).is_empty()
}

/// Words that a word at the end of a filter may become, the shortest first.
pub fn endings(names: &Names<'_>, before: &str) -> Vec<String> {
    let word = last_word(before);
    if word.is_empty() {
        return Vec::new();
    }
    let known: Vec<String> = match word.split_once('=') {
        Some(("task", _)) => names.tasks.iter().map(|name| of_task(name)).collect(),
        Some(("pool", _)) => names.pools.iter().map(|name| format!("pool={name}")).collect(),
        Some(_) => return Vec::new(),
        None => {
            let words = WORDS.iter().map(|(word, _, _)| (*word).to_owned());
            let fields = FIELDS.iter().map(|(name, _, _)| (*name).to_owned());
            let named = ["task=", "pool=", "state=", "outcome="].map(str::to_owned);
            let tasks = names.tasks.iter().map(|name| (*name).to_owned());
            words.chain(fields).chain(named).chain(tasks).collect()
        }
    };
    let mut ends: Vec<String> = known.into_iter().filter(|k| k.starts_with(word)).collect();
    ends.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    ends.dedup();
    // A word that is whole needs no other ending.
    if ends.first().is_some_and(|first| first == word) {
        return Vec::new();
    }
    ends
}
