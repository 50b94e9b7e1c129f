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
    /// Where one was when it began: the first hit to go to is the next one from here.
    pub(super) from: Option<Place>,
    /// One waits for the first hit, in this direction (`true` is on).
    pub(super) seeks: Option<bool>,
    next: Option<SearchCursor>,
    in_flight: bool,
}

/// A line, as hits are ordered.
pub type Place = (AttemptId, Stream, u64);

fn place(hit: &Hit) -> Place {
    (hit.attempt, hit.stream, hit.offset)
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
            from: None,
            seeks: None,
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

    /// There may be more hits than are known.
    pub fn is_open(&self) -> bool {
        !self.complete || self.hits.len() >= HELD_HITS
    }

    /// An answer is awaited.
    pub fn is_searching(&self) -> bool {
        self.in_flight
    }

    /// Hits before where the search began.
    fn n_before(&self) -> usize {
        self.from.map_or(0, |from| self.hits.partition_point(|hit| place(hit) < from))
    }

    /// What to ask next, if anything.
    pub(super) fn ask(&mut self) -> Option<Search> {
        let enough = self.hits.len() > self.current.unwrap_or_else(|| self.n_before()) + AHEAD;
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
    /// The first time it is the hit next to where one was.
    pub(super) fn step(&mut self, forward: bool) {
        let n = self.hits.len();
        let last = n.saturating_sub(1);
        let to = match (self.current, forward) {
            (Some(at), true) if at < last => Some(at + 1),
            (Some(at), false) if at > 0 => Some(at - 1),
            (None, true) => Some(self.n_before()).filter(|after| *after < n),
            (None, false) => self.n_before().checked_sub(1),
            (Some(_), _) => None,
        };
        let around = || (self.complete && n > 0).then_some(if forward { 0 } else { last });
        if let Some(to) = to.or_else(around) {
            self.current = Some(to);
        }
        self.seeks = self.current.is_none().then_some(forward);
    }
}
