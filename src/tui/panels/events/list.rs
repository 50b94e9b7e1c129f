//! The events that are here: a window on all that the supervisor keeps, which grows at either
//! end as one moves there.

use crate::model::query::{JobDetail, Query, Reply};
use crate::model::{
    AttemptId, EventFilter, EventPage, EventRow, EventsFrom, JobNo, JobRef, Mono, Requester,
};
use crate::tui::acts;
use crate::tui::list::List;
use crate::tui::model::{Model, Phase, Selection};
use crate::tui::panels;
use crate::tui::sanitize::one_line;
use crate::tui::update::Action;
use std::collections::VecDeque;
use std::time::Duration;

/// Rows in one answer.
const PAGE: u32 = 300;
/// Rows that are kept here: more than anybody scrolls through, a few hundred bytes each.
const KEPT: usize = 4_000;
/// Rows above the window at which older ones are asked for.
const AHEAD: usize = 60;
/// Time between questions for what is new.
const OFTEN: Duration = Duration::from_millis(500);
/// A job that is selected is looked at again after this time.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The events as far as they are here.
#[derive(Clone, Debug, Default)]
pub struct EventList {
    /// Oldest first.
    pub rows: VecDeque<EventRow>,
    list: List,
    /// A row is selected; else the list follows the newest.
    held: bool,
    pub filter_text: String,
    filter: EventFilter,
    pub search: String,
    /// All ids from the first to the second have been looked at; `None` before the first answer.
    reach: Option<(u64, u64)>,
    /// The oldest and newest id there is.
    pub oldest: u64,
    pub newest: u64,
    /// What was asked for, and has no answer yet.
    waits: Option<EventsFrom>,
    asked_at: Option<Mono>,
    /// Where to go instead of on.
    jump: Option<EventsFrom>,
    /// Counts up when everything is asked for anew: older answers no longer count.
    turn: u64,
    pub error: Option<String>,
    /// The job of the selected row, when it does not run.
    job: Option<(JobNo, Option<Selection>, Mono)>,
    waits_for_job: bool,
}

impl EventList {
    pub fn at(&self) -> usize {
        self.list.at
    }

    pub fn offset(&self) -> usize {
        self.list.offset
    }

    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether an answer has come.
    pub fn known(&self) -> bool {
        self.reach.is_some()
    }

    /// Events below the window that are not here.
    pub fn below(&self) -> u64 {
        self.reach.map_or(0, |(_, high)| self.newest.saturating_sub(high))
    }

    /// Whether a row has what was searched for.
    pub fn has(&self, row: usize) -> bool {
        let wanted = self.search.to_lowercase();
        self.rows.get(row).is_some_and(|row| row.text.to_lowercase().contains(&wanted))
    }

    /// Selects a row.
    pub fn select(&mut self, row: usize) {
        self.list.at = row.min(self.rows.len().saturating_sub(1));
        self.held = !self.rows.is_empty();
    }

    /// Moves the selection; from the last row on it follows the newest.
    pub fn step(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(1);
        if by > 0 && self.list.at >= last && self.below() == 0 {
            self.held = false;
            return;
        }
        let at = self.list.at;
        // From following, one step up selects the newest: nothing was selected before.
        let by = if self.held || by >= 0 { by } else { by + 1 };
        self.select(at.saturating_add_signed(by));
    }

    pub fn to_first(&mut self) {
        self.select(0);
        if self.reach.is_some_and(|(low, _)| low > self.oldest) {
            self.jump = Some(EventsFrom::After(self.oldest.saturating_sub(1)));
        }
    }

    pub fn to_last(&mut self) {
        self.held = false;
        if self.below() > u64::from(PAGE) {
            self.jump = Some(EventsFrom::Newest);
        }
    }

    /// Puts the window at a share (0 to 1) of what is here.
    pub fn scroll_to(&mut self, share: f32, rows: usize) {
        self.list.scroll_to(share, self.rows.len(), rows);
        self.select(self.list.at);
        self.held &= share < 1.0;
    }

    pub fn settle(&mut self, rows: usize) {
        if !self.held {
            self.list.at = self.rows.len().saturating_sub(1);
        }
        self.list.settle(self.rows.len(), rows);
    }

    /// Shows only what fits; returns whether that is something else than before.
    pub fn set_filter(&mut self, text: &str, filter: EventFilter) -> bool {
        text.trim().clone_into(&mut self.filter_text);
        if filter == self.filter {
            return false;
        }
        self.filter = filter;
        self.anew();
        true
    }

    fn anew(&mut self) {
        self.rows.clear();
        (self.reach, self.waits, self.jump) = (None, None, None);
        (self.list, self.held) = (List::default(), false);
        self.turn += 1;
    }

    /// What is missing, if anything is.
    fn next(&self, now: Mono) -> Option<EventsFrom> {
        let Some((low, high)) = self.reach else { return Some(EventsFrom::Newest) };
        if let Some(jump) = self.jump {
            return Some(jump);
        }
        if self.held && self.list.offset < AHEAD && low > self.oldest {
            return Some(EventsFrom::Before(low));
        }
        let at_end = !self.held || self.rows.len().saturating_sub(self.list.at) < AHEAD;
        let due = self.asked_at.is_none_or(|at| now.since(at) >= OFTEN);
        let behind = at_end && self.newest > high;
        (behind || due).then_some(EventsFrom::After(high))
    }

    fn put(&mut self, from: EventsFrom, page: EventPage) {
        (self.oldest, self.newest) = (page.oldest.max(1), page.newest);
        let jumped = self.jump.take_if(|jump| *jump == from).is_some();
        let (low, high) = match (from, self.reach) {
            (EventsFrom::Before(_), Some((low, high))) => {
                self.prepend(page.rows, low);
                (page.looked_to.min(low), high)
            }
            (EventsFrom::After(_), Some((low, high))) if !jumped => {
                self.append(page.rows, high);
                (low, page.looked_to.max(high))
            }
            (EventsFrom::After(after), _) => {
                self.rows.clear();
                self.append(page.rows, after);
                (after + 1, page.looked_to.max(after))
            }
            _ => {
                self.rows.clear();
                self.append(page.rows, 0);
                (page.looked_to, page.newest)
            }
        };
        self.reach = Some((low, high));
        self.forget();
    }

    fn prepend(&mut self, rows: Vec<EventRow>, below: u64) {
        let mut first = below;
        for row in rows.into_iter().rev() {
            if row.id < first {
                first = row.id;
                self.rows.push_front(clean(row));
                self.list.at += 1;
                self.list.offset += 1;
            }
        }
    }

    fn append(&mut self, rows: Vec<EventRow>, above: u64) {
        let mut last = above;
        for row in rows {
            if row.id > last {
                last = row.id;
                self.rows.push_back(clean(row));
            }
        }
    }

    /// Lets go of what is farthest from the window.
    fn forget(&mut self) {
        let Some((low, high)) = &mut self.reach else { return };
        while self.rows.len() > KEPT {
            let top = self.list.at > self.rows.len() / 2 || !self.held;
            if top {
                self.rows.pop_front();
                *low = self.rows.front().map_or(*low, |row| row.id);
                self.list.at = self.list.at.saturating_sub(1);
                self.list.offset = self.list.offset.saturating_sub(1);
            } else {
                self.rows.pop_back();
                *high = self.rows.back().map_or(*high, |row| row.id);
            }
        }
    }
}

fn clean(mut row: EventRow) -> EventRow {
    (row.text, row.kind) = (one_line(&row.text), one_line(&row.kind));
    row
}

/// Asks for what is missing, and for the job of the selected row.
pub fn ask(model: &mut Model, actions: &mut Vec<Action>) {
    if model.frozen.is_some() || model.output.offline {
        return;
    }
    let now = model.now.mono;
    if let (None, Some(from)) = (model.events.waits, model.events.next(now)) {
        (model.events.waits, model.events.asked_at) = (Some(from), Some(now));
        let query = Query::Events { filter: model.events.filter.clone(), from, limit: PAGE };
        acts::ask(model, panels::EVENTS, model.events.turn * 2, query, actions);
    }
    let Some(job) = selected_job(model).filter(|job| running(model, *job).is_none()) else {
        return;
    };
    let known = model.events.job.as_ref().is_some_and(|(of, _, at)| {
        // Whatever was done since may have been done to it.
        let since = model.answered_at.is_some_and(|answered| answered >= *at);
        *of == job && !since && (now.since(*at) < LOOK_AGAIN || model.has_ended())
    });
    if !known && !model.events.waits_for_job {
        model.events.waits_for_job = true;
        let query = Query::Job { job: JobRef::number(job) };
        acts::ask(model, panels::EVENTS, 1, query, actions);
    }
}

/// Takes in an answer.
pub fn take(model: &mut Model, tag: u64, reply: Result<Reply, String>) {
    if tag % 2 == 1 {
        take_job(model, reply);
        return;
    }
    // An answer to what was asked under another filter.
    if tag / 2 != model.events.turn {
        return;
    }
    let Some(from) = model.events.waits.take() else { return };
    model.events.error = None;
    match reply {
        Ok(Reply::Events(page)) => model.events.put(from, page),
        Ok(_) => model.events.error = Some("the supervisor answered something else".to_owned()),
        Err(why) => model.events.error = Some(why),
    }
}

fn take_job(model: &mut Model, reply: Result<Reply, String>) {
    model.events.waits_for_job = false;
    let now = model.now.mono;
    let Some(job) = selected_job(model) else { return };
    let selection = match reply {
        Ok(Reply::Job { job: detail }) if detail.row.job == job => {
            Some(selection_of(model, &detail))
        }
        // It is asked for again.
        Ok(Reply::Job { .. }) => return,
        _ => None,
    };
    model.events.job = Some((job, selection, now));
    if model.source == panels::EVENTS {
        model.turn_output(true);
    }
}

fn selection_of(model: &Model, detail: &JobDetail) -> Selection {
    let row = &detail.row;
    let n = row.attempts;
    Selection {
        job: row.job,
        label: model.job_label(row.task.0, row.index, &one_line(&row.inputs)),
        attempt: (n > 0).then_some(AttemptId { job: row.job, n }),
        proc: None,
        since: model.now.mono,
        phase: match row.state.as_str() {
            "blocked" | "ready" | "backing_off" => Phase::Queued,
            "running" if row.paused => Phase::Paused,
            "running" => Phase::Running,
            "succeeded" | "up_to_date" => Phase::Good,
            _ => Phase::Bad,
        },
    }
}

/// The job of the selected row; none while the list follows, where rows run away under keys.
fn selected_job(model: &Model) -> Option<JobNo> {
    let events = &model.events;
    events.rows.get(events.list.at).filter(|_| events.held)?.job
}

fn running(model: &Model, job: JobNo) -> Option<Selection> {
    let mut all = model.snapshot.workers.iter().filter_map(|w| Some((w, w.work.as_ref()?)));
    let (worker, work) = all.find(|(_, work)| work.attempt.job == job)?;
    Some(model.selection_of(worker, work))
}

/// The job that acts mean.
pub fn selection(model: &Model) -> Option<Selection> {
    let job = selected_job(model)?;
    running(model, job).or_else(|| {
        let (of, selection, _) = model.events.job.as_ref()?;
        selection.clone().filter(|_| *of == job)
    })
}

/// Who asked, in a word or two.
pub fn who(by: &Requester) -> String {
    match by {
        Requester::Screen => "screen".to_owned(),
        Requester::Cli { pid } => format!("cli {pid}"),
        Requester::Signal { signal } => crate::model::signal_name(*signal),
        Requester::Rule => "rule".to_owned(),
        Requester::Ganger => "ganger".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Now;

    fn row(id: u64) -> EventRow {
        EventRow {
            id,
            at: Now::default(),
            kind: "job_ended".to_owned(),
            job: Some(JobNo(id as u32)),
            task: None,
            pool: None,
            by: None,
            text: format!("event {id}"),
        }
    }

    /// A supervisor with events `oldest..=newest` that answers as the real one does.
    fn page(from: EventsFrom, oldest: u64, newest: u64) -> EventPage {
        let n = u64::from(PAGE);
        let (first, last) = match from {
            EventsFrom::After(id) => ((id + 1).max(oldest), (id + n).min(newest)),
            EventsFrom::Newest => ((newest + 1).saturating_sub(n).max(oldest), newest),
            EventsFrom::Before(id) => (id.saturating_sub(n).max(oldest), (id - 1).min(newest)),
        };
        let rows: Vec<_> = (first..=last).map(row).collect();
        let looked_to = match from {
            EventsFrom::After(_) => rows.last().map_or(newest, |row| row.id),
            _ => rows.first().map_or(oldest, |row| row.id),
        };
        EventPage { rows, oldest, newest, looked_to }
    }

    /// Answers until nothing is missing at this moment.
    fn serve(list: &mut EventList, newest: u64) {
        list.asked_at = Some(Mono(0));
        for _ in 0..100 {
            list.settle(20);
            let Some(from) = list.next(Mono(0)) else { break };
            list.put(from, page(from, 1, newest));
        }
        list.settle(20);
    }

    fn ids(list: &EventList) -> (u64, u64, usize) {
        let id = |row: Option<&EventRow>| row.map_or(0, |row| row.id);
        let rows: Vec<u64> = list.rows.iter().map(|row| row.id).collect();
        assert!(rows.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a gap: {rows:?}");
        (id(list.rows.front()), id(list.rows.back()), list.rows.len())
    }

    #[test]
    fn a_window_grows_where_one_goes_and_has_no_gap() {
        let mut list = EventList::default();
        serve(&mut list, 20_000);
        assert_eq!(ids(&list), (19_701, 20_000, 300));
        // Following: what is new is added.
        list.newest = 20_010;
        serve(&mut list, 20_010);
        assert_eq!((ids(&list).1, list.list.at), (20_010, 309));
        // Up: older ones come in time, the newest go when there are too many.
        for _ in 0..200 {
            list.step(-40);
            serve(&mut list, 20_010);
        }
        let (first, last, n) = ids(&list);
        assert!(first < 13_000 && last < 20_010 && n <= KEPT, "{first} {last} {n}");
        assert!(list.held && list.below() > 0);
        // Down again to the newest.
        for _ in 0..300 {
            list.step(40);
            serve(&mut list, 20_010);
        }
        assert_eq!((ids(&list).1, list.held), (20_010, false));
    }

    #[test]
    fn the_first_and_the_last_are_one_key_away() {
        let mut list = EventList::default();
        serve(&mut list, 20_000);
        list.to_first();
        serve(&mut list, 20_000);
        assert_eq!((ids(&list).0, list.at()), (1, 0));
        list.to_last();
        serve(&mut list, 20_000);
        assert_eq!((ids(&list).1, list.is_held()), (20_000, false));
    }

    #[test]
    fn rows_that_come_twice_or_in_disorder_do_not_count() {
        let mut list = EventList::default();
        let rows = [3, 4, 4, 2, 5].map(row).to_vec();
        let page = EventPage { rows, oldest: 0, newest: 5, looked_to: 3 };
        list.put(EventsFrom::Newest, page.clone());
        list.put(EventsFrom::After(5), page);
        assert_eq!(list.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
