//! A supervisor that answers what the screen asks about the past: bars and events, built in code.

use super::fixtures::now;
use ganger::control::proto::{ToClient, ToServer};
use ganger::model::query::{JobDetail, JobRow, Query, Reply};
use ganger::model::timeline::Range;
use ganger::model::waits::report::Report;
use ganger::model::*;
use ganger::tui::model::Model;
use ganger::tui::update::{Action, Msg, update};
use std::time::Duration;

/// What has happened until [`now`].
pub struct Past {
    pub bars: Vec<Bar>,
    pub events: Vec<EventRow>,
    /// What x-ray saw last; `None`: it is off.
    pub waits: Option<Report>,
}

fn slot(n: u32) -> Slot {
    Slot { pool: PoolIdx(0), n }
}

/// A bar on worker `n`; times in milliseconds before now.
pub fn bar(
    n: u32,
    job: u32,
    task: u32,
    from: u64,
    to: Option<u64>,
    outcome: Option<Outcome>,
) -> Bar {
    let ago = |ms: u64| Mono(now().mono.0 - ms * 1000);
    Bar {
        attempt: AttemptId { job: JobNo(job), n: 1 },
        task: TaskIdx(task),
        index: job - 1,
        slot: slot(n),
        weight: 1,
        start: ago(from),
        end: to.map(ago),
        outcome,
    }
}

impl Past {
    /// The past of [`super::fixtures::busy`]: what its workers did before what they do now.
    pub fn busy() -> Past {
        let good = Some(Outcome::Succeeded);
        let mut bars = vec![
            bar(1, 1_320, 1, 3_000, None, None),
            bar(2, 1_322, 1, 1_000, None, None),
            bar(3, 1_290, 1, 130_000, None, None),
            bar(4, 1_321, 1, 12_000, None, None),
            bar(5, 1_317, 1, 31_000, None, None),
            bar(6, 1_323, 1, 300, None, None),
            bar(1, 1_201, 1, 47_000, Some(41_000), Some(Outcome::Failed { code: 2 })),
            bar(5, 998, 1, 60_000, Some(43_000), Some(Outcome::TimedOut)),
            bar(4, 1_100, 2, 40_000, Some(26_000), Some(Outcome::Cancelled)),
        ];
        // One long, one short, a pause.
        for i in 0..8u32 {
            let at = u64::from(i) * 4_700 + 3_200;
            bars.push(bar(1, 1_200 - i, 1 + i % 2, at + 4_200, Some(at), good));
        }
        bars.retain(|b| b.slot.n != 1 || b.end.is_none() || b.start.0 > now().mono.0 - 48_000_000);
        for i in 0..400u32 {
            let at = u64::from(i) * 120 + 1_100;
            bars.push(bar(2, 600 + i, 3, at + 90, Some(at), good));
        }
        for i in 0..30u32 {
            let at = u64::from(i) * 1_500 + 400;
            bars.push(bar(6, 400 + i, i % 4, at + 1_300, Some(at), good));
        }
        Past { bars, events: events(), waits: None }
    }

    pub fn answer(&self, query: &Query) -> Option<Reply> {
        match query {
            Query::Timeline { from, to, max_bars } => {
                let (from, to, now) = (*from, *to, now().mono);
                let range = Range { from, to, now, max_bars: *max_bars };
                let lived = to.min(now).since(from).min(Duration::from_secs(252));
                let slots: Vec<_> = (1..=6).map(|n| (slot(n), lived)).collect();
                let timeline = Timeline::lay_out(range, &slots, self.bars.clone());
                Some(Reply::Timeline(timeline))
            }
            Query::Events { filter, from, limit } => {
                Some(Reply::Events(self.page(filter, *from, *limit as usize)))
            }
            Query::Waits => {
                let why_not = self.waits.is_none().then(|| "x-ray is off".to_owned());
                Some(Reply::Waits { report: self.waits.clone().map(Box::new), why_not })
            }
            Query::Job { job } => {
                let JobPlace::Number(job) = job.place else { return None };
                let index = job.0 - 1;
                let mut row = JobRow::bare(job, TaskIdx(1), index, format!("thumb:{index}"));
                (row.attempts, row.state) = (2, "failed".to_owned());
                if job.0 == 1_500 {
                    (row.attempts, row.state) = (0, "ready".to_owned());
                }
                Some(Reply::Job { job: Box::new(JobDetail::bare(row)) })
            }
            _ => None,
        }
    }

    fn page(&self, filter: &EventFilter, from: EventsFrom, limit: usize) -> EventPage {
        let newest = self.events.len() as u64;
        let fits = |row: &&EventRow| {
            let people = |by: &Requester| matches!(by, Requester::Screen | Requester::Cli { .. });
            filter.kind.as_ref().is_none_or(|kind| *kind == row.kind)
                && filter.job.is_none_or(|job| row.job == Some(job))
                && filter.text.as_ref().is_none_or(|text| row.text.contains(text))
                && filter.by.as_ref().is_none_or(|_| row.by.as_ref().is_some_and(people))
        };
        let all = self.events.iter().filter(fits);
        let (rows, looked_to): (Vec<EventRow>, u64) = match from {
            EventsFrom::After(id) => {
                (all.filter(|row| row.id > id).take(limit).cloned().collect(), newest)
            }
            EventsFrom::Newest => {
                let mut rows: Vec<_> = all.rev().take(limit).cloned().collect();
                rows.reverse();
                let first = rows.first().map_or(1, |row| row.id);
                (rows, first)
            }
            EventsFrom::Before(id) => {
                let mut rows: Vec<_> =
                    all.rev().filter(|row| row.id < id).take(limit).cloned().collect();
                rows.reverse();
                let first = rows.first().map_or(1, |row| row.id);
                (rows, first)
            }
        };
        EventPage { rows, oldest: 1, newest, looked_to }
    }
}

/// Forty jobs that come and go, and what people asked for in between.
fn events() -> Vec<EventRow> {
    let mut rows: Vec<EventRow> = Vec::new();
    let mut add = |ago: u64, kind: &str, job: Option<u32>, by: Option<Requester>, text: String| {
        let us = now().mono.0 - ago * 1_000_000;
        rows.push(EventRow {
            id: rows.len() as u64 + 1,
            at: Now { mono: Mono(us), wall: Wall(us as i64) },
            kind: kind.to_owned(),
            job: job.map(JobNo),
            task: job.map(|_| TaskIdx(1)),
            pool: None,
            by,
            text,
        });
    };
    add(252, "run_started", None, None, "the run started".to_owned());
    for i in 0..40u32 {
        let (job, ago) = (1_200 + i, 200 - u64::from(i) * 4);
        let name = format!("thumb:{}", job - 1);
        let launched = format!("{name} taken by worker {} of pool default (attempt 1)", i % 6 + 1);
        add(ago, "attempt_launched", Some(job), None, launched);
        let (word, outcome) = match i {
            7 => ("exit code 2", "exit code 2"),
            _ => ("succeeded", "succeeded"),
        };
        let ended = format!("{name} ended: {word} after 2.1s (attempt 1)");
        add(ago - 2, "attempt_ended", Some(job), None, ended);
        let over = format!("{name} is over: {outcome} after 1 attempt");
        add(ago - 2, "job_ended", Some(job), None, over);
    }
    let asked = "scale pool default to 6, asked by the screen: done: pool default: 2 -> 6 workers";
    add(30, "asked", None, Some(Requester::Screen), asked.to_owned());
    let scaled = "pool default has 6 workers instead of 2, asked by the screen";
    add(30, "scaled", None, Some(Requester::Screen), scaled.to_owned());
    let raised = "thumb:1499 moved to the front by pid 4711";
    add(20, "prioritized", Some(1_500), Some(Requester::Cli { pid: 4_711 }), raised.to_owned());
    let stopped =
        "thumb:1316 stopped by a rule of the task file, timeout: SIGTERM, SIGKILL in 5.0s";
    add(3, "attempt_stopping", Some(1_317), Some(Requester::Rule), stopped.to_owned());
    rows
}

/// Gives the screen a message and answers whatever it asks, until it asks no more. Returns what
/// else it does.
pub fn serve(model: &mut Model, past: &Past, msg: Msg) -> Vec<Action> {
    let at = model.now;
    let mut rest = Vec::new();
    let mut todo = update(model, msg, at);
    for _ in 0..50 {
        let mut next = Vec::new();
        for action in todo {
            match &action {
                Action::Send(ToServer::Query { id, query }) if past.answer(query).is_some() => {
                    let reply = Box::new(past.answer(query).unwrap());
                    let reply = ToClient::Reply { id: *id, reply };
                    next.extend(update(model, Msg::Server(Box::new(reply)), at));
                }
                _ => rest.push(action),
            }
        }
        if next.is_empty() {
            break;
        }
        todo = next;
    }
    rest
}

/// Presses keys on a screen that has a past.
pub fn keys(model: &mut Model, past: &Past, keys: &str) -> Vec<Action> {
    use crossterm::event::{KeyCode, KeyEvent};
    let mut rest = Vec::new();
    let mut left = keys;
    while let Some(c) = left.chars().next() {
        let (code, after) = match left.strip_prefix('<').and_then(|r| r.split_once('>')) {
            Some((name, after)) => {
                let code = match name {
                    "Enter" => KeyCode::Enter,
                    "Esc" => KeyCode::Esc,
                    "Left" => KeyCode::Left,
                    "Right" => KeyCode::Right,
                    "Up" => KeyCode::Up,
                    "Down" => KeyCode::Down,
                    "End" => KeyCode::End,
                    "Home" => KeyCode::Home,
                    "PgUp" => KeyCode::PageUp,
                    other => panic!("no key {other}"),
                };
                (code, after)
            }
            None => (KeyCode::Char(c), &left[c.len_utf8()..]),
        };
        left = after;
        rest.extend(serve(model, past, Msg::Key(KeyEvent::from(code))));
    }
    rest
}
