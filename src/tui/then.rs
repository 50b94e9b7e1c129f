//! What ran at the time cursor: point at a spike in any graph and read who made it.

use super::acts;
use super::canvas::{Span, spans_width};
use super::format;
use super::model::Model;
use super::panels::TIMELINE;
use super::theme::Role;
use super::update::Action;
use crate::model::query::{Query, Reply};
use crate::model::{Bar, LaneWork, Mono, Outcome};

/// Under which tag the question goes.
pub const TAG: u64 = 1;
/// At one moment a worker has one bar, and another that ends just then.
const BARS_PER_LANE: u32 = 1_000;

/// What ran at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Then {
    /// The moment that `bars` are about.
    pub at: Option<Mono>,
    asked: Option<Mono>,
    /// Oldest first.
    pub bars: Vec<Bar>,
    error: Option<String>,
}

/// Asks what ran at the time cursor, when that is not known.
pub fn ask(model: &mut Model, actions: &mut Vec<Action>) {
    let Some(at) = model.axis.cursor else {
        model.then = Then { asked: model.then.asked, ..Then::default() };
        return;
    };
    let known = model.then.at == Some(at);
    if known || model.then.asked.is_some() || model.output.offline || !model.live {
        return;
    }
    model.then.asked = Some(at);
    let query = Query::Timeline { from: at, to: at, max_bars: BARS_PER_LANE };
    acts::ask(model, TIMELINE, TAG, query, actions);
}

/// Takes in the answer.
pub fn take(model: &mut Model, reply: Result<Reply, String>) {
    let then = &mut model.then;
    then.at = then.asked.take();
    (then.bars, then.error) = match reply {
        Ok(Reply::Timeline(timeline)) => {
            let lanes = timeline.lanes.into_iter().filter_map(|lane| match lane.work {
                LaneWork::Bars(bars) => Some(bars),
                LaneWork::Merged(_) => None,
            });
            (lanes.flatten().collect(), None)
        }
        Ok(_) => (Vec::new(), Some("the supervisor answered something else".to_owned())),
        Err(error) => (Vec::new(), Some(error)),
    };
    then.bars.sort_by_key(|bar| (bar.start, bar.attempt));
}

/// `at −0:41: ran thumb:3, index:1 … (12 more)`, as much of it as fits.
pub fn line(model: &Model, width: u16) -> Vec<Span> {
    let Some(at) = model.axis.cursor else { return Vec::new() };
    let glyphs = model.look.glyphs;
    let ago = format::clock(model.ms_since(at));
    let mut spans = vec![(format!("at {}{ago}: ", glyphs.minus), Role::TimeCursor)];
    let then = &model.then;
    match (&then.error, then.at, then.bars.as_slice()) {
        (Some(error), ..) => spans.push((error.clone(), Role::Bad)),
        (None, None, _) => spans.push((glyphs.ellipsis.to_owned(), Role::Dim)),
        (None, Some(_), []) => spans.push(("nothing ran".to_owned(), Role::Dim)),
        (None, Some(_), bars) => {
            spans.push(("ran ".to_owned(), Role::Dim));
            names(model, bars, width, &mut spans);
        }
    }
    spans
}

fn names(model: &Model, bars: &[Bar], width: u16, spans: &mut Vec<Span>) {
    let ellipsis = model.look.glyphs.ellipsis;
    for (i, bar) in bars.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let name = (format!("{comma}{}", bar_name(model, bar)), bar_role(bar));
        let left = bars.len() - i;
        let more = format!(" {ellipsis} ({left} more)");
        let rest = if left > 1 { more.chars().count() as u16 } else { 0 };
        let cells = spans_width(spans) + spans_width(std::slice::from_ref(&name));
        if i > 0 && cells + rest > width {
            spans.push((more, Role::Dim));
            return;
        }
        spans.push(name);
    }
}

/// `thumb:3`, `thumb:3#2` for its second attempt, with a mark when it did not end well.
pub fn bar_name(model: &Model, bar: &Bar) -> String {
    let name = model.job_name(bar.task, bar.index);
    let nth = if bar.attempt.n > 1 { format!("#{}", bar.attempt.n) } else { String::new() };
    let mark = match bar.outcome {
        Some(Outcome::Cancelled) => model.look.glyphs.ended,
        Some(outcome) if !outcome.is_success() => model.look.glyphs.failed,
        _ => "",
    };
    format!("{name}{nth}{mark}")
}

fn bar_role(bar: &Bar) -> Role {
    match bar.outcome {
        None => Role::Run,
        Some(outcome) if outcome.is_success() => Role::Text,
        Some(_) => Role::Bad,
    }
}
