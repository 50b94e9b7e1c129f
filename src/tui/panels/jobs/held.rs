//! Which part of the list is held, and what is asked for next. Pure: the panel sends it.
//!
//! A list may have a million rows, so only the page around the window is here. One question is
//! under way at a time, but another list is asked for at once: it refuses the older one.

use super::find::{Find, Goal};
use super::tasks::Tasks;
use crate::model::limits::PAGE_ROWS;
use crate::model::query::{JobList, JobPage, JobRow, JobSort, Query, Reply, TaskRow};
use crate::model::{Mono, Now};
use crate::tui::list::List;
use crate::tui::sanitize::one_line;
use std::time::Duration;

/// Part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<T> {
    /// Place of the first row in the whole list.
    pub first: usize,
    /// Rows that were asked for.
    pub limit: usize,
    pub rows: Vec<T>,
}

impl<T> Default for Part<T> {
    fn default() -> Part<T> {
        Part { first: 0, limit: 0, rows: Vec::new() }
    }
}

impl<T> Part<T> {
    pub fn get(&self, at: usize) -> Option<&T> {
        self.rows.get(at.checked_sub(self.first)?)
    }

    fn covers(&self, from: usize, until: usize) -> bool {
        from >= until || (self.first <= from && until <= self.first + self.rows.len())
    }
}

/// A question without an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct UnderWay {
    pub tag: u64,
    pub at: Mono,
    pub what: Asked,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    Page { list: JobList, offset: usize, limit: usize },
    Tasks { offset: usize, limit: usize },
    Find(Goal),
}

/// What the questions depend on.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub now: Mono,
    /// Number of the newest snapshot: when it is the same, nothing has changed.
    pub seq: u64,
    /// Jobs of the run.
    pub total: usize,
    /// Rows in sight.
    pub rows: usize,
    /// Nothing more happens: what is there is the end, and shown at once.
    pub has_ended: bool,
}

/// The state of the panel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jobs {
    pub list: List,
    /// What is to be listed.
    pub wanted: JobList,
    /// What is listed, once something came.
    pub shown: JobList,
    pub held: Part<JobRow>,
    /// Jobs that the filter lets through; `None` before the first answer.
    pub matches: Option<usize>,
    /// Jobs of the run then.
    pub of: usize,
    /// A sorted list ends here.
    pub cut_at: Option<usize>,
    pub taken_at: Option<Now>,
    /// The selected job, as it was when it was last seen.
    pub chosen: Option<JobRow>,
    /// The job that was selected when a filter began to be typed: no half of a filter moves the
    /// selection for good.
    pub anchor: Option<JobRow>,
    /// Why the last question was refused.
    pub trouble: Option<String>,
    pub find: Find,
    /// Tasks are listed instead of jobs.
    pub grouped: bool,
    /// The list is that of one task: Esc goes back to the tasks.
    pub of_task: bool,
    pub tasks: Tasks,
    under_way: Option<UnderWay>,
    last_tag: u64,
    asked_at: Option<(Mono, u64)>,
}

/// A list on the screen is asked for again after this time at the earliest.
const CALM: Duration = Duration::from_secs(1);
/// After this time nobody waits for an answer any more.
const PATIENCE: Duration = Duration::from_secs(10);
/// From then on it is said that an answer is waited for.
const SLOW: Duration = Duration::from_millis(300);

impl Jobs {
    /// Every job in the order of numbers: the place of a job is known from its number.
    pub fn is_everything(list: &JobList) -> bool {
        list.filter.is_empty() && list.sort == JobSort::Number
    }

    /// Returns the rows of the whole list; `total` are the jobs of the run by now.
    pub fn len(&self, total: usize) -> usize {
        match self.matches {
            // One may scroll before the first answer has come.
            None if Jobs::is_everything(&self.wanted) => total,
            None => 0,
            Some(n) if Jobs::is_everything(&self.shown) => n.max(total),
            Some(n) => self.cut_at.map_or(n, |cut| cut.min(n)),
        }
    }

    /// Whether another list has been waited for long enough to say so.
    pub fn is_slow(&self, now: Mono) -> bool {
        let slow = |u: &UnderWay| {
            let for_it = match &u.what {
                Asked::Page { list, .. } => *list != self.shown,
                Asked::Tasks { .. } => false,
                Asked::Find(_) => true,
            };
            for_it && now.since(u.at) >= SLOW
        };
        self.under_way.as_ref().is_some_and(slow)
    }

    /// Returns how old the rows are.
    pub fn age_ms(&self, now: Now) -> u64 {
        let age = self.taken_at.map_or_else(Default::default, |at| now.mono.since(at.mono));
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }

    /// Turns to a row.
    pub fn choose(&mut self, at: usize) {
        self.anchor = None;
        self.list.at = at;
        self.chosen = self.held.get(at).cloned();
    }

    /// Keeps selection and window within the list.
    pub fn settle(&mut self, total: usize, rows: usize) {
        let before = self.list.at;
        self.list.settle(self.len(total), rows);
        if self.list.at != before || self.chosen.is_none() {
            self.chosen = self.held.get(self.list.at).cloned();
        }
    }

    /// Returns what must be asked now, with its tag.
    pub fn question(&mut self, facts: Facts) -> Option<(u64, Query)> {
        let patient = |u: &UnderWay| facts.now.since(u.at) < PATIENCE;
        let busy = self.under_way.as_ref().filter(|u| patient(u)).map(|u| &u.what);
        let what = if self.grouped {
            match busy {
                Some(Asked::Tasks { .. }) => None,
                _ => self.tasks_question(facts),
            }
        } else if let Some(goal) = self.find.next.take() {
            Some(Asked::Find(goal))
        } else {
            match busy {
                Some(Asked::Find(_)) => None,
                Some(Asked::Page { list, .. }) if *list == self.wanted => None,
                _ => self.page_question(facts),
            }
        }?;
        let query = self.query(&what);
        self.last_tag += 1;
        self.asked_at = Some((facts.now, facts.seq));
        self.under_way = Some(UnderWay { tag: self.last_tag, at: facts.now, what });
        Some((self.last_tag, query))
    }

    fn query(&self, what: &Asked) -> Query {
        match what {
            Asked::Page { list, offset, limit } => {
                let (offset, limit) = (as_u32(*offset), as_u32(*limit));
                Query::Jobs { list: list.clone(), offset, limit }
            }
            Asked::Tasks { offset, limit } => {
                Query::Tasks { offset: as_u32(*offset), limit: as_u32(*limit) }
            }
            Asked::Find(goal) => goal.query(&self.shown),
        }
    }

    /// Whether what is there is old, and something has happened since.
    fn is_due(&self, facts: Facts) -> bool {
        self.asked_at.is_none_or(|(at, seq)| {
            seq != facts.seq && (facts.has_ended || facts.now.since(at) >= CALM)
        })
    }

    /// After a refusal the same question waits.
    fn may_repeat(&self, facts: Facts) -> bool {
        let waited = self.asked_at.is_none_or(|(at, _)| facts.now.since(at) >= CALM);
        self.trouble.is_none() || waited
    }

    fn page_question(&self, facts: Facts) -> Option<Asked> {
        let list = self.wanted.clone();
        let limit = page_rows(facts.rows);
        if self.matches.is_none() || self.wanted != self.shown {
            let offset = match self.anchor.as_ref().or(self.chosen.as_ref()) {
                Some(row) if Jobs::is_everything(&list) => {
                    place_of(row, &list, facts.total).saturating_sub(facts.rows)
                }
                None if self.matches.is_none() => self.list.offset.saturating_sub(facts.rows),
                _ => 0,
            };
            return self.may_repeat(facts).then_some(Asked::Page { list, offset, limit });
        }
        let asked = window_question(self.list, &self.held, self.len(facts.total), facts.rows);
        let offset = match asked {
            Some(offset) if self.may_repeat(facts) => offset,
            _ if self.is_due(facts) => self.list.offset.saturating_sub(facts.rows),
            _ => return None,
        };
        Some(Asked::Page { list, offset, limit })
    }

    fn tasks_question(&self, facts: Facts) -> Option<Asked> {
        let tasks = &self.tasks;
        let asked = match tasks.total {
            None => Some(0),
            Some(n) => window_question(tasks.list, &tasks.held, n, facts.rows),
        };
        let offset = match asked {
            Some(offset) if self.may_repeat(facts) => offset,
            _ if self.is_due(facts) => tasks.list.offset.saturating_sub(facts.rows),
            _ => return None,
        };
        Some(Asked::Tasks { offset, limit: page_rows(facts.rows) })
    }

    /// Takes in an answer. Returns what a search wants to say.
    pub fn take(
        &mut self,
        tag: u64,
        reply: Result<Reply, String>,
        now: Now,
        total: usize,
    ) -> Option<String> {
        let what = self.under_way.take_if(|u| u.tag == tag)?.what;
        match (what, reply) {
            (Asked::Page { list, offset, limit }, Ok(Reply::Jobs(page))) => {
                self.trouble = None;
                self.take_page(list, (offset, limit), page, total);
                self.taken_at = Some(now);
            }
            (Asked::Tasks { offset, limit }, Ok(Reply::Tasks { total, rows })) => {
                self.trouble = None;
                let rows = rows.into_iter().map(clean_task).collect();
                self.tasks.take(total as usize, Part { first: offset, limit, rows });
                self.taken_at = Some(now);
            }
            (Asked::Find(goal), Ok(Reply::Jobs(mut page))) => {
                page.rows.iter_mut().for_each(clean);
                return self.found(goal, page, total);
            }
            (Asked::Find(_), Err(why)) => return Some(why),
            (_, Err(why)) => self.trouble = Some(why),
            (_, Ok(_)) => self.trouble = Some("the supervisor answered something else".to_owned()),
        }
        None
    }

    fn take_page(
        &mut self,
        list: JobList,
        (first, limit): (usize, usize),
        mut page: JobPage,
        total: usize,
    ) {
        page.rows.iter_mut().for_each(clean);
        let is_first = self.matches.is_none();
        let is_new = is_first || list != self.shown;
        self.matches = Some(page.total as usize);
        self.of = page.of as usize;
        self.cut_at = page.cut_at.map(|n| n as usize);
        self.held = Part { first, limit, rows: page.rows };
        let wanted = self.anchor.as_ref().filter(|_| is_new).or(self.chosen.as_ref());
        let chosen = wanted.map(|row| row.job);
        let place = self.held.rows.iter().position(|row| Some(row.job) == chosen);
        let place = place.map(|i| first + i);
        if is_new {
            self.shown = list;
            let known = self.anchor.as_ref().or(self.chosen.as_ref());
            let known = known.filter(|_| Jobs::is_everything(&self.shown));
            let at = place.or(known.map(|row| place_of(row, &self.shown, total)));
            // What was selected keeps its row on the screen as far as it can.
            let row = self.list.at.saturating_sub(self.list.offset);
            self.list.at = at.unwrap_or(if is_first { self.list.at } else { 0 });
            self.list.offset = self.list.at.saturating_sub(row);
        } else if let Some(at) = place.filter(|at| *at != self.list.at) {
            let row = self.list.at.saturating_sub(self.list.offset);
            self.list = List { at, offset: at.saturating_sub(row) };
        }
        match self.held.get(self.list.at) {
            Some(row) => self.chosen = Some(row.clone()),
            // Scrolled away meanwhile: the next page will tell.
            None if is_new => self.chosen = None,
            None => {}
        }
    }

    /// A search has found something: the selection moves there.
    pub fn jump(&mut self, at: usize, row: JobRow) {
        self.list.at = at;
        self.chosen = Some(row);
    }
}

/// Where the page to ask for begins, when rows in sight or half a screen beside them are not
/// held.
fn window_question<T>(list: List, held: &Part<T>, n: usize, rows: usize) -> Option<usize> {
    let half = rows / 2;
    let from = list.offset.saturating_sub(half).min(n);
    let until = (list.offset + rows + half).min(n);
    let offset = list.offset.saturating_sub(rows);
    // The same question again would have the same answer.
    let known = held.first == offset && held.limit == page_rows(rows);
    (!known && !held.covers(from, until)).then_some(offset)
}

/// Three screens, so that a page up or down is there already.
fn page_rows(rows: usize) -> usize {
    (rows * 3).clamp(30, PAGE_ROWS as usize)
}

/// The place of a job in the list of all jobs by number.
pub fn place_of(row: &JobRow, list: &JobList, total: usize) -> usize {
    let number = row.job.0 as usize;
    if list.descending { total.saturating_sub(number) } else { number.saturating_sub(1) }
}

fn as_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn clean(row: &mut JobRow) {
    for text in [&mut row.label, &mut row.inputs, &mut row.state] {
        *text = one_line(text);
    }
}

fn clean_task(mut row: TaskRow) -> TaskRow {
    row.name = one_line(&row.name);
    row
}
