//! The search in the list: the next job whose label or inputs have a text.
//!
//! The supervisor finds it: in the order of numbers the next match is the first of a filter with
//! `job>N`, and its place is the number of jobs before it. A list sorted by something else has
//! at most some thousand rows, which are read page by page.

use super::held::{Jobs, place_of};
use crate::model::JobNo;
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
    /// The nearest match behind (or before) a job; from the other end once it has gone round.
    Next { text: String, beyond: Option<JobNo>, including: bool, back: bool },
    /// How many jobs of the list stand before the match.
    Place { text: String, row: Box<JobRow> },
    /// A page of a sorted list: the match is looked for here.
    Page { text: String, from: usize, back: bool, round: bool },
}

impl Goal {
    /// Returns the question about `list`.
    pub fn query(&self, list: &JobList) -> Query {
        match self {
            Goal::Next { text, beyond, including, back } => {
                let descending = list.descending != *back;
                let number = beyond.map_or(String::new(), |job| {
                    let equal = if *including { "=" } else { "" };
                    let sign = if descending { "<" } else { ">" };
                    format!("job{sign}{equal}{}", job.0)
                });
                let filter = with(list, &format!("{number} {}", quoted(text)));
                let list = JobList { filter, sort: JobSort::Number, descending };
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
    pub fn search(&mut self, text: &str, done: bool) {
        let here = (self.list.at, self.chosen.clone());
        let (at, row) = self.find.origin.get_or_insert(here).clone();
        if text != self.find.text || self.find.origin.is_none() {
            text.clone_into(&mut self.find.text);
            self.find.next = None;
            self.list.at = at;
            self.chosen = row;
            if !text.is_empty() {
                self.find_on(false, true);
            }
        }
        if done {
            self.find.origin = None;
        }
    }

    /// Looks for the next match, or the one before.
    pub fn find_on(&mut self, back: bool, including: bool) {
        let text = self.find.text.clone();
        let by_number = self.shown.sort == JobSort::Number;
        self.find.next = Some(if by_number {
            let beyond = self.chosen.as_ref().map(|row| row.job);
            // A row that is not held yet has the number of its place, if all jobs are listed.
            let at = u32::try_from(self.list.at + 1).unwrap_or(u32::MAX);
            let everything = Jobs::is_everything(&self.shown) && !self.shown.descending;
            let beyond = beyond.or(everything.then_some(JobNo(at)));
            Goal::Next { text, beyond, including, back }
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
            Goal::Next { text, beyond, back, .. } => match page.rows.into_iter().next() {
                Some(row) if Jobs::is_everything(&self.shown) => {
                    let at = place_of(&row, &self.shown, total.max(page.of as usize));
                    self.jump(at, row);
                }
                Some(row) => self.find.next = Some(Goal::Place { text, row: Box::new(row) }),
                // Round: from the other end.
                None if beyond.is_some() => {
                    self.find.next = Some(Goal::Next { text, beyond: None, including: true, back });
                }
                None => return Some(format!("no job has `{text}`")),
            },
            Goal::Place { row, .. } => self.jump(page.total as usize, *row),
            Goal::Page { text, from, back, round } => {
                return self.found_in_page(text, (from, back, round), page);
            }
        }
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

/// Words that a word at the end of a filter may become.
pub fn endings(names: &crate::model::filter::Names<'_>, before: &str) -> Vec<String> {
    use crate::model::filter::{FIELDS, WORDS};
    let start = before.rfind(|c: char| c.is_whitespace() || matches!(c, '(' | '!' | '|'));
    let word = start.map_or(before, |at| before[at..].trim_start_matches([' ', '(', '!', '|']));
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
    let mut ends: Vec<String> =
        known.iter().filter_map(|k| k.strip_prefix(word)).map(str::to_owned).collect();
    ends.sort_by_key(String::len);
    ends.dedup();
    // A word that is whole needs no other ending.
    if ends.first().is_some_and(String::is_empty) {
        return Vec::new();
    }
    ends.iter().map(|end| format!("{word}{end}")).collect()
}
