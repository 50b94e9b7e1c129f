//! A search as the screen holds it: what was found so far, and which hit one looks at.

use crate::model::query::{Found, Hit, Search, SearchCursor, SearchScope, Stream};
use crate::model::{AttemptId, Matcher, Pattern};
use crate::tui::sanitize;

/// Hits held: nobody walks through more.
const HELD_HITS: usize = 10_000;
/// Hits fetched beyond the one that is looked at.
const AHEAD: usize = 200;
/// Hits asked for at once.
const HITS: u32 = 200;

/// A search.
#[derive(Clone, Debug)]
pub struct Find {
    pub pattern: Pattern,
    pub scope: SearchScope,
    pub stream: Option<Stream>,
    matcher: Matcher,
    /// In the order of jobs, attempts, streams and lines.
    pub hits: Vec<Hit>,
    /// The hit one looks at.
    pub current: Option<usize>,
    /// Everything has been searched, or enough was found to hold.
    pub complete: bool,
    /// Bytes searched so far.
    pub searched_bytes: u64,
    /// Why it does not go on.
    pub error: Option<String>,
    next: Option<SearchCursor>,
    in_flight: bool,
}

impl Find {
    /// Begins a search.
    ///
    /// # Errors
    /// In words, when the pattern is empty or no regular expression.
    pub fn new(
        pattern: Pattern,
        scope: SearchScope,
        stream: Option<Stream>,
    ) -> Result<Find, String> {
        let matcher = pattern.matcher()?;
        Ok(Find {
            pattern,
            scope,
            stream,
            matcher,
            hits: Vec::new(),
            current: None,
            complete: false,
            searched_bytes: 0,
            error: None,
            next: None,
            in_flight: false,
        })
    }

    /// Marks what matches in lines.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// The hit one looks at.
    pub fn hit(&self) -> Option<&Hit> {
        self.hits.get(self.current?)
    }

    /// What to ask next, if anything.
    pub(super) fn ask(&mut self) -> Option<Search> {
        let enough = self.hits.len() > self.current.unwrap_or(0) + AHEAD;
        if self.in_flight || self.complete || self.error.is_some() || enough {
            return None;
        }
        self.in_flight = true;
        Some(Search {
            pattern: self.pattern.clone(),
            scope: self.scope.clone(),
            stream: self.stream,
            from: self.next,
            max_hits: HITS,
        })
    }

    /// Takes in an answer to a question of this search.
    pub(super) fn take(&mut self, asked: &Search, found: Result<Found, String>) {
        let is_mine = asked.pattern == self.pattern
            && asked.scope == self.scope
            && asked.stream == self.stream
            && asked.from == self.next;
        if !is_mine || !self.in_flight {
            return;
        }
        self.in_flight = false;
        match found {
            Err(error) => self.error = Some(sanitize::one_line(&error)),
            Ok(found) => {
                self.searched_bytes += found.searched_bytes;
                self.next = found.next;
                self.hits.extend(found.hits);
                self.complete = found.next.is_none() || self.hits.len() >= HELD_HITS;
                self.hits.truncate(HELD_HITS);
            }
        }
    }

    /// Goes to the next hit, or the previous one, and around at the ends when all are known.
    /// The first time it is the hit next to `from`, where one looks.
    pub(super) fn step(&mut self, forward: bool, from: Option<(AttemptId, Stream, u64)>) {
        let n = self.hits.len();
        let Some(last) = n.checked_sub(1) else { return };
        let place = |hit: &Hit| (hit.attempt, hit.stream, hit.offset);
        let to = match (self.current, forward) {
            (Some(at), true) if at < last => at + 1,
            (Some(at), true) => {
                if self.complete {
                    0
                } else {
                    at
                }
            }
            (Some(0), false) => {
                if self.complete {
                    last
                } else {
                    0
                }
            }
            (Some(at), false) => at - 1,
            (None, _) => {
                let after = from.map_or(0, |from| self.hits.partition_point(|h| place(h) < from));
                if forward { after % n } else { after.checked_sub(1).unwrap_or(last) }
            }
        };
        self.current = Some(to);
    }
}
