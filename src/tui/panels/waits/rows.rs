//! The rows of the list, made of a report: findings first, who waits behind them, then the rest.

use super::{Waits, thread, thread_of};
use crate::model::waits::ThreadRef;
use crate::model::waits::report::{Knot, Member, Part, Report};
use crate::model::waits::text;
use crate::tui::model::Model;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// The head of a finding, by its place in the report.
    Head(usize),
    /// A wait, by its place in the report.
    Wait {
        at: usize,
        rail: Rail,
    },
    /// A thread of a finding of which no wait is known.
    Loose(Member),
    /// A frame of the stack of a wait; `None`: there is no stack.
    Frame {
        at: usize,
        n: Option<usize>,
        rail: Rail,
    },
    /// How many wait behind a finding.
    Behind(usize),
    Title(&'static str),
    /// Something that could not be looked at, by its place in the report.
    Hidden(usize),
    Gap,
}

/// What stands left of a wait: the circle is a rail that closes at the side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rail {
    /// Not part of a circle.
    None,
    /// A circle of one.
    Alone,
    Top,
    Middle,
    Bottom,
    Behind,
}

/// Makes the rows anew; what was selected stays so.
pub fn settle(model: &mut Model) {
    let Some(report) = &model.waits.report else {
        model.waits.rows.clear();
        return;
    };
    model.waits.rows = of(report, &model.waits);
    let place = |thread: ThreadRef| {
        let mut rows = model.waits.rows.iter();
        rows.position(|row| thread_of(model, row) == Some(thread))
    };
    match model.waits.selected.and_then(place) {
        Some(at) => model.waits.list.at = at,
        None => {
            let at = model.waits.list.at.min(model.waits.rows.len().saturating_sub(1));
            let near = super::nearest(model, at, 1).or_else(|| super::nearest(model, at, -1));
            model.waits.list.at = near.and_then(place).unwrap_or(0);
            model.waits.selected = near;
        }
    }
}

fn of(report: &Report, waits: &Waits) -> Vec<Row> {
    let mut rows = Vec::new();
    for (n, knot) in report.findings.iter().enumerate() {
        if n > 0 {
            rows.push(Row::Gap);
        }
        finding(&mut rows, report, n, knot, waits);
    }
    let rest: Vec<usize> =
        (0..report.waits.len()).filter(|at| report.waits[*at].finding.is_none()).collect();
    if !rest.is_empty() {
        if !rows.is_empty() {
            rows.push(Row::Gap);
            rows.push(Row::Title("other waits"));
        }
        for at in rest {
            wait(&mut rows, report, at, Rail::None, waits);
        }
    }
    if !report.not_visible.is_empty() {
        rows.extend([Row::Gap, Row::Title("not visible")]);
        rows.extend((0..report.not_visible.len()).map(Row::Hidden));
    }
    rows
}

fn finding(rows: &mut Vec<Row>, report: &Report, n: usize, knot: &Knot, waits: &Waits) {
    rows.push(Row::Head(n));
    let number = u32::try_from(n).unwrap_or(u32::MAX);
    let is_ring = text::is_ring(&text::core_waits(report, number));
    let core: Vec<usize> = (0..report.waits.len())
        .filter(|at| report.waits[*at].finding == Some((number, Part::Core)))
        .collect();
    let last = core.len().saturating_sub(1);
    for (i, at) in core.iter().enumerate() {
        let rail = match i {
            _ if !is_ring => Rail::Alone,
            0 => Rail::Top,
            i if i == last => Rail::Bottom,
            _ => Rail::Middle,
        };
        wait(rows, report, *at, rail, waits);
    }
    if knot.behind.is_empty() {
        return;
    }
    rows.push(Row::Behind(knot.behind.len()));
    for member in &knot.behind {
        match report.waits.iter().position(|w| thread(&w.who) == thread(member)) {
            Some(at) => wait(rows, report, at, Rail::Behind, waits),
            None => rows.push(Row::Loose(member.clone())),
        }
    }
}

fn wait(rows: &mut Vec<Row>, report: &Report, at: usize, rail: Rail, waits: &Waits) {
    rows.push(Row::Wait { at, rail });
    if waits.open != Some(thread(&report.waits[at].who)) {
        return;
    }
    // The rail goes on beside the stack, but not below its end.
    let beside = match rail {
        Rail::Top | Rail::Middle => Rail::Middle,
        Rail::Bottom | Rail::Alone | Rail::None => Rail::None,
        Rail::Behind => Rail::Behind,
    };
    let n = report.waits[at].frames.len();
    if n == 0 {
        rows.push(Row::Frame { at, n: None, rail: beside });
    }
    rows.extend((0..n).map(|n| Row::Frame { at, n: Some(n), rail: beside }));
}
