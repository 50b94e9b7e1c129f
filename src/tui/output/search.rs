//! Searching: where it began, going to hits, and going back.

use super::find::{Find, Place};
use super::{Output, Position, Streams, Target, Whose};
use crate::model::query::{Hit, SearchScope, Stream};
use crate::model::{AttemptId, JobPlace, JobRef, Mono, Pattern};
use crate::tui::sanitize;

/// Where one was when a search began.
#[derive(Clone, Debug)]
pub struct Origin {
    target: Option<Target>,
    place: Position,
    whose: Whose,
    feed_top: Option<(u64, usize)>,
    streams: Streams,
    left: usize,
    picked: bool,
}

impl Output {
    /// Searches from now on. [`Output::arrive`] goes to the first hit as soon as one is known.
    ///
    /// # Errors
    /// In words, when the pattern is empty or no regular expression.
    pub fn search(&mut self, pattern: Pattern, scope: SearchScope) -> Result<(), String> {
        let mut find = Find::new(pattern, scope, self.searched_stream())?;
        if self.origin.is_none() {
            self.origin = Some(Origin {
                target: self.target.clone(),
                place: self.place,
                whose: self.whose,
                feed_top: self.feed_top,
                streams: self.streams,
                left: self.left,
                picked: self.picked,
            });
        }
        find.from = self.origin.as_ref().and_then(|origin| {
            let (job, n) = origin.target.as_ref()?.key;
            Some(line_at(AttemptId { job, n }, origin.place))
        });
        find.seeks = Some(true);
        self.find = Some(find);
        Ok(())
    }

    /// The scope of a search in the attempt that is shown.
    pub fn scope_of_target(&self) -> Option<SearchScope> {
        let (job, n) = self.target.as_ref()?.key;
        Some(SearchScope::Job(JobRef { place: JobPlace::Number(job), attempt: Some(n) }))
    }

    fn searched_stream(&self) -> Option<Stream> {
        match self.streams {
            Streams::Both => None,
            Streams::Out => Some(Stream::Stdout),
            Streams::Err => Some(Stream::Stderr),
        }
    }

    /// Ends the search and goes back to where one was before it.
    pub fn end_search(&mut self, now: Mono) {
        self.find = None;
        if let Some(origin) = self.origin.take() {
            self.go_back(origin, now);
        }
    }

    fn go_back(&mut self, origin: Origin, now: Mono) {
        if let Some(target) = origin.target {
            self.turn_to(target, now);
        }
        self.whose = origin.whose;
        self.feed_top = origin.feed_top;
        self.streams = origin.streams;
        self.left = origin.left;
        self.picked = origin.picked;
        self.go(origin.place);
    }

    /// A search in one job goes on in the one that is shown now, but moves nothing by itself.
    pub(super) fn search_in_target(&mut self) {
        let Some((pattern, old)) = self.find.as_ref().map(|f| (f.pattern.clone(), f.scope.clone()))
        else {
            return;
        };
        let Some(scope) = self.scope_of_target() else { return };
        if old == SearchScope::All || old == scope {
            return;
        }
        self.origin = None;
        // The pattern was one before.
        self.find = Find::new(pattern, scope, self.searched_stream()).ok();
        let from = self.target.as_ref().map(|target| {
            let (job, n) = target.key;
            line_at(AttemptId { job, n }, self.place)
        });
        if let Some(find) = &mut self.find {
            find.from = from;
        }
    }

    /// Goes to the first hit of a search that waits for one, and returns it. When nothing was
    /// found one is where one was.
    pub fn arrive(&mut self, now: Mono) -> Option<Hit> {
        let find = self.find.as_mut()?;
        let forward = find.seeks?;
        if find.complete && find.hits.is_empty() {
            find.seeks = None;
            if let Some(origin) = self.origin.clone() {
                self.go_back(origin, now);
            }
            return None;
        }
        self.step(forward, now)
    }

    /// Goes to the next hit or the previous one and returns it; `None` while none is known.
    /// The line of the hit is then the first one shown.
    pub fn step(&mut self, forward: bool, now: Mono) -> Option<Hit> {
        let find = self.find.as_mut()?;
        find.step(forward);
        let hit = find.hit()?.clone();
        self.whose = Whose::One;
        let key = (hit.attempt.job, hit.attempt.n);
        if self.target.as_ref().is_none_or(|target| target.key != key) {
            let label = sanitize::one_line(&hit.label);
            self.turn_to(Target { key, label }, now);
            self.picked = true;
        }
        let is_shown = self.shown().contains(&hit.stream);
        if !is_shown {
            self.streams = Streams::Both;
        }
        self.to_offset(hit.stream, hit.offset);
        Some(hit)
    }

    /// The line that the search stands on, if it is one of the attempt that is shown.
    pub(super) fn hit_here(&self) -> Option<(Stream, u64)> {
        let hit = self.find.as_ref()?.hit()?;
        let target = self.target.as_ref()?;
        (target.key == (hit.attempt.job, hit.attempt.n)).then_some((hit.stream, hit.offset))
    }
}

/// Which line one looks at, as hits are ordered. From the end the way goes around to the start
/// of the same attempt.
fn line_at(attempt: AttemptId, place: Position) -> Place {
    match place {
        Position::At { stream, offset, .. } => (attempt, stream, offset),
        Position::Start | Position::End => (attempt, Stream::Stdout, 0),
    }
}
