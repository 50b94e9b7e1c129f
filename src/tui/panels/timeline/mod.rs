//! Who ran what when: a lane per worker with a bar per attempt, on the time axis of all graphs.

mod lanes;

use super::workers::mark;
use super::{Panel, put_label, scroll_bar};
use crate::model::query::{Query, Reply};
use crate::model::words::duration;
use crate::model::{Bar, Lane, LaneWork, Mono, PoolIdx, Slot, Timeline};
use crate::tui::acts;
use crate::tui::canvas::{Canvas, Span, spans_width};
use crate::tui::format;
use crate::tui::graph::{self, moment};
use crate::tui::keymap::Act;
use crate::tui::list::List;
use crate::tui::model::{Model, Phase, Selection};
use crate::tui::theme::Role;
use crate::tui::then::{self, bar_name};
use crate::tui::update::Action;
use crate::tui::zones::Hit;
use lanes::{Scene, draw_lane};
use std::time::Duration;

/// The panel.
pub struct TimelinePanel;

/// Under which tag the question for the lanes goes.
const LANES: u64 = 0;
/// Time between questions while now is in sight.
const OFTEN: Duration = Duration::from_millis(500);
/// Time between questions while something in sight still runs, but now is not.
const SELDOM: Duration = Duration::from_secs(2);
/// What is less than this part of the longest is no long pole.
const POLE: u32 = 10;
/// Cells of the share of idle time.
const IDLE_CELLS: u16 = 5;

/// What the timeline shows.
#[derive(Clone, Debug, Default)]
pub struct Gantt {
    data: Option<Timeline>,
    error: Option<String>,
    lanes: List,
    /// The lane that is selected.
    slot: Option<Slot>,
    by_outcome: bool,
    /// What was asked for last, and when.
    asked: Option<(View, Mono)>,
    /// Its answer has not come.
    waits: bool,
}

/// What is in sight: anything else must be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    cell_us: u64,
    end: Option<Mono>,
    cells: u16,
    ended: bool,
}

impl Panel for TimelinePanel {
    fn name(&self) -> &'static str {
        "timeline"
    }

    fn min(&self) -> (u16, u16) {
        (36, 4)
    }

    fn priority(&self) -> u8 {
        1
    }

    fn grows(&self) -> bool {
        true
    }

    fn want(&self, model: &Model, _width: u16) -> u16 {
        (model.snapshot.workers.len() as u16).saturating_add(2).max(4)
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        foot(model, width)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[
            (Act::ZoomOut, "<"),
            (Act::ZoomIn, "> zoom"),
            (Act::TimeBack, ","),
            (Act::TimeForward, ". cursor"),
            (Act::Colours, "c colours"),
            (Act::Open, "Enter output"),
        ]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        draw(model, canvas, focused);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        let bar = selected_bar(model)?;
        if let Some((worker, work)) = model.work_of(bar.attempt) {
            return Some(model.selection_of(worker, work));
        }
        Some(Selection {
            job: bar.attempt.job,
            label: model.job_name(bar.task, bar.index),
            attempt: Some(bar.attempt),
            proc: None,
            since: bar.start,
            phase: match bar.outcome {
                None => Phase::Running,
                Some(outcome) if outcome.is_success() => Phase::Good,
                Some(_) => Phase::Bad,
            },
        })
    }

    fn act(&self, model: &mut Model, act: Act, _actions: &mut Vec<Action>) -> bool {
        let step = i64::from((model.graph_cells(super::TIMELINE) / 10).max(1));
        let now = model.axis_now();
        match act {
            Act::Left => model.axis.pan(-step, now),
            Act::Right => model.axis.pan(step, now),
            Act::Colours => model.gantt.by_outcome = !model.gantt.by_outcome,
            _ => return false,
        }
        true
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        let n = n_lanes(model);
        model.gantt.lanes.step(by, n);
        choose(model);
        true
    }

    fn graph_cells(&self, model: &Model, width: u16) -> u16 {
        Columns::of(model, width).graph
    }

    fn settle(&self, model: &mut Model, rows: usize) {
        let lanes = model.gantt.data.as_ref().map(|data| data.lanes.as_slice());
        let slot = model.gantt.slot;
        let at = lanes.and_then(|lanes| lanes.iter().position(|lane| Some(lane.slot) == slot));
        if let Some(at) = at {
            model.gantt.lanes.at = at;
        }
        let (head, foot) = edges(model, rows as u16);
        let rows = (rows as u16).saturating_sub(head + foot);
        let n = n_lanes(model);
        model.gantt.lanes.settle(n, usize::from(rows / lane_rows(n, rows)));
    }

    fn ask(&self, model: &mut Model, actions: &mut Vec<Action>) {
        ask(model, actions);
    }

    fn take(&self, model: &mut Model, tag: u64, reply: Result<Reply, String>) {
        if tag == then::TAG {
            then::take(model, reply);
            return;
        }
        model.gantt.waits = false;
        match reply {
            Ok(Reply::Timeline(data)) => {
                (model.gantt.data, model.gantt.error) = (Some(data), None);
            }
            Ok(_) => model.gantt.error = Some("the supervisor answered something else".to_owned()),
            Err(why) => model.gantt.error = Some(why),
        }
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        model.gantt.lanes.at = row.min(n_lanes(model).saturating_sub(1));
        choose(model);
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let rows = model.rows_of(super::TIMELINE);
        let (head, foot) = edges(model, rows as u16);
        let n = n_lanes(model);
        model.gantt.lanes.scroll_to(share, n, rows.saturating_sub(usize::from(head + foot)));
        choose(model);
    }
}

fn n_lanes(model: &Model) -> usize {
    model.gantt.data.as_ref().map_or(0, |data| data.lanes.len())
}

fn selected_lane(model: &Model) -> Option<&Lane> {
    model.gantt.data.as_ref()?.lanes.get(model.gantt.lanes.at)
}

fn choose(model: &mut Model) {
    model.gantt.slot = selected_lane(model).map(|lane| lane.slot);
    model.source = super::TIMELINE;
    model.turn_output(true);
}

/// Asks for what is in sight: at once when that is something else, else as time goes by.
fn ask(model: &mut Model, actions: &mut Vec<Action>) {
    let cells = model.graph_cells(super::TIMELINE);
    if model.gantt.waits || model.frozen.is_some() || model.output.offline || cells == 0 {
        return;
    }
    let now = model.now.mono;
    let ended = model.has_ended();
    let view = View { cell_us: model.axis.cell_us(), end: model.axis.end, cells, ended };
    if let Some((last, at)) = model.gantt.asked
        && last == view
    {
        let open = model.gantt.data.as_ref().is_some_and(|data| {
            data.lanes.iter().any(|lane| match &lane.work {
                LaneWork::Bars(bars) => bars.iter().any(|bar| bar.end.is_none()),
                LaneWork::Merged(_) => true,
            })
        });
        let pause = if view.end.is_none() { OFTEN } else { SELDOM };
        if ended || (view.end.is_some() && !open) || now.since(at) < pause {
            return;
        }
    }
    let (from, to) = range(model, cells);
    (model.gantt.asked, model.gantt.waits) = (Some((view, now)), true);
    // Two for each cell: long ones among short ones keep their names.
    let max_bars = u32::from(cells) * 2;
    let query = Query::Timeline { from, to, max_bars };
    acts::ask(model, super::TIMELINE, LANES, query, actions);
}

/// From the left edge of the first cell to the right edge of the last.
fn range(model: &Model, cells: u16) -> (Mono, Mono) {
    let cell_us = model.axis.cell_us();
    let end = (model.axis.last_cell(model.axis_now()) + 1).saturating_mul(cell_us);
    (Mono(end.saturating_sub(u64::from(cells).saturating_mul(cell_us))), Mono(end))
}

/// The bar that the selected lane has at the time cursor, or now.
fn selected_bar(model: &Model) -> Option<Bar> {
    bar_of(model, selected_lane(model)?)
}

fn bar_of(model: &Model, lane: &Lane) -> Option<Bar> {
    let of_lane = |bars: &[Bar]| bars.iter().rfind(|bar| bar.slot == lane.slot).copied();
    if let Some(at) = model.axis.cursor {
        let known = (model.then.at == Some(at)).then(|| of_lane(&model.then.bars)).flatten();
        return known.or_else(|| match &lane.work {
            LaneWork::Bars(bars) => near(bars, at, model.axis.cell_us()),
            LaneWork::Merged(_) => None,
        });
    }
    let worker = model.snapshot.workers.iter().find(|w| w.slot == lane.slot);
    match (worker.and_then(|worker| worker.work.as_ref()), &lane.work) {
        (Some(work), _) => Some(Bar {
            attempt: work.attempt,
            task: work.task,
            index: work.index,
            slot: lane.slot,
            weight: 1,
            start: work.since,
            end: None,
            outcome: None,
        }),
        (None, LaneWork::Bars(bars)) => bars.last().copied(),
        (None, LaneWork::Merged(_)) => None,
    }
}

/// The bar at a moment; else the longest in the cell around it: short ones are hard to hit.
fn near(bars: &[Bar], at: Mono, cell_us: u64) -> Option<Bar> {
    let cell = at.0 / cell_us.max(1);
    let (from, to) = (Mono(cell * cell_us), Mono((cell + 1) * cell_us));
    let exact = bars.iter().rfind(|bar| bar.overlaps(at, at));
    let around = bars.iter().filter(|bar| bar.overlaps(from, to));
    exact.or_else(|| around.max_by_key(|bar| bar.length(to))).copied()
}

/// Rows above and below the lanes: heads, and what the bars mean.
fn edges(model: &Model, height: u16) -> (u16, u16) {
    let head = u16::from(height >= 6);
    // Where the screen has no line for it, the panel says who ran at the time cursor.
    let said = model.axis.cursor.is_none() || model.layout().notice.height > 0;
    let foot = if said { u16::from(height >= 8) } else { u16::from(height >= 3) };
    (head, foot)
}

/// Rows of a lane: few lanes are high, with a blank row between them.
fn lane_rows(n: usize, rows: u16) -> u16 {
    let each = usize::from(rows) / n.max(1);
    each.clamp(1, 3) as u16
}

/// The widths of the columns.
struct Columns {
    slot: u16,
    job: u16,
    graph: u16,
}

impl Columns {
    fn of(model: &Model, width: u16) -> Columns {
        let lanes = model.gantt.data.as_ref().map(|data| data.lanes.as_slice()).unwrap_or_default();
        let names = lanes.iter().map(|lane| slot_name(model, lane.slot).chars().count());
        let slot = (names.max().unwrap_or(1) as u16 + 3).min(width / 4);
        let job = match width {
            0..70 => 0,
            70..110 => 15,
            110..160 => 20,
            _ => 30,
        };
        let graph = width.saturating_sub(slot + job + IDLE_CELLS + 1);
        Columns { slot, job, graph }
    }
}

/// `3`; in further pools `net 3`.
fn slot_name(model: &Model, slot: Slot) -> String {
    match slot.pool == PoolIdx::DEFAULT {
        true => slot.n.to_string(),
        false => format!("{} {}", model.pool_name(slot.pool), slot.n),
    }
}

fn status(model: &Model) -> Vec<Span> {
    let Some(data) = &model.gantt.data else { return Vec::new() };
    let dot = model.look.glyphs.dot;
    let attempts: u64 = data.lanes.iter().map(|lane| u64::from(lane.count)).sum();
    let mut spans = vec![
        (format::grouped(attempts), Role::Strong),
        (if attempts == 1 { " attempt" } else { " attempts" }.to_owned(), Role::Title),
    ];
    let idle: Vec<f32> = data.lanes.iter().filter_map(|lane| lane.idle_percent).collect();
    if !idle.is_empty() {
        let mean = idle.iter().sum::<f32>() / idle.len() as f32;
        spans.push((format!(" {dot} {} idle", format::percent(mean)), Role::Title));
    }
    if data.lanes_left_out > 0 {
        let text = format!(" {dot} {} lanes more", data.lanes_left_out);
        spans.push((text, Role::Warn));
    }
    if data.since.is_some_and(|since| since > data.from) {
        spans.push((format!(" {dot} older ones are not kept"), Role::Warn));
    }
    spans
}

/// The time axis, where the lanes are.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    // The border's text begins and ends two cells inside of the panel.
    let columns = Columns::of(model, width + 4);
    let before = (columns.slot + columns.job).saturating_sub(2);
    let axis = graph::axis_foot(model, columns.graph, "");
    let scale = cell_words(model);
    let Some(gap) = usize::from(before).checked_sub(scale.len() + 2) else { return axis };
    if axis.is_empty() {
        return axis;
    }
    let line = model.look.glyphs.corners[4].repeat(gap);
    let mut spans = vec![(scale, Role::Dim), (format!(" {line} "), Role::Border)];
    spans.extend(axis);
    spans
}

/// How much time a cell is.
fn cell_words(model: &Model) -> String {
    match model.axis.cell_us() {
        us if us < 1_000_000 => format!("{} ms a cell", us / 1000),
        us if us < 60_000_000 => format!("{} s a cell", us / 1_000_000),
        us => format!("{} min a cell", us / 60_000_000),
    }
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let data = match (&model.gantt.data, &model.gantt.error) {
        (_, Some(error)) => {
            canvas.put_cut(1, 0, u16::MAX, error, Role::Bad);
            return;
        }
        (Some(data), None) if !data.lanes.is_empty() => data,
        (data, None) => {
            let waits = data.is_none() && !model.output.offline;
            let text = if waits { "waiting for the lanes" } else { "nothing ran yet" };
            canvas.put_cut(1, 0, u16::MAX, text, Role::Dim);
            return;
        }
    };
    let columns = Columns::of(model, width);
    let (head, foot) = edges(model, height);
    if head > 0 {
        draw_head(model, canvas, &columns, data);
    }
    let rows = height - head - foot;
    let each = lane_rows(data.lanes.len(), rows);
    let scene = Scene::new(model, columns.graph, &data.longest);
    for y in 0..rows / each {
        let at = model.gantt.lanes.offset + usize::from(y);
        let Some(lane) = data.lanes.get(at) else { break };
        let mut row = canvas.part(0, head + y * each, width, each);
        draw_row(model, &mut row, (at, lane), &columns, &scene, focused);
    }
    let mut area = canvas.part(0, head, width, rows);
    scroll_bar(&mut area, super::TIMELINE, model.gantt.lanes.offset, data.lanes.len());
    if foot > 0 {
        let mut row = canvas.part(1, height - 1, width.saturating_sub(2), 1);
        match model.axis.cursor {
            Some(_) if model.layout().notice.height == 0 => {
                let spans = then::line(model, row.width());
                row.put_spans(0, 0, &spans);
            }
            _ => scene.draw_legend(model, &mut row),
        }
    }
}

/// The heads; above the bars the longest of them, the long poles.
fn draw_head(model: &Model, canvas: &mut Canvas<'_>, columns: &Columns, data: &Timeline) {
    canvas.put_right(columns.slot - 1, 0, "#", Role::Heading);
    if columns.job > 0 {
        let job = if model.axis.cursor.is_some() { "ran then" } else { "runs now" };
        canvas.put_cut(columns.slot, 0, columns.job - 1, job, Role::Heading);
    }
    let x = columns.slot + columns.job;
    canvas.put_right(x + columns.graph + IDLE_CELLS, 0, "idle", Role::Heading);
    let mut spans: Vec<Span> = vec![("longest".to_owned(), Role::Heading)];
    let now = model.axis_now();
    let most = data.longest.first().map_or(Duration::ZERO, |bar| bar.length(now));
    let poles = data.longest.iter().take_while(|bar| bar.length(now) * POLE >= most);
    for bar in poles {
        let took = duration(bar.length(now));
        let more = if bar.end.is_none() { model.look.glyphs.running } else { "" };
        let next = [
            (format!("  {}", bar_name(model, bar)), Role::Text),
            (format!(" {took}{more}"), Role::Dim),
        ];
        if spans_width(&spans) + spans_width(&next) > columns.graph {
            break;
        }
        spans.extend(next);
    }
    if spans.len() > 1 {
        canvas.put_spans(x, 0, &spans);
    }
}

fn draw_row(
    model: &Model,
    row: &mut Canvas<'_>,
    (at, lane): (usize, &Lane),
    columns: &Columns,
    scene: &Scene,
    focused: bool,
) {
    row.zone_all(Hit::Row { panel: super::TIMELINE, row: at });
    let selected = at == model.gantt.lanes.at;
    if selected {
        let cells = columns.slot + columns.job;
        let cells = if cells > 0 { cells - 1 } else { 0 };
        mark(&mut row.part(0, 0, cells, 1), focused);
    }
    let bar = bar_of(model, lane);
    let name_role = if selected { Role::Strong } else { Role::Dim };
    row.put_right(columns.slot - 1, 0, &slot_name(model, lane.slot), name_role);
    if columns.job > 0 {
        let mut cell = row.part(columns.slot, 0, columns.job - 1, 1);
        let then = model.axis.cursor.is_some();
        match bar.filter(|bar| then || bar.end.is_none()) {
            Some(bar) => put_label(&mut cell, 0, columns.job - 1, &bar_name(model, &bar)),
            None => {
                let idle = row.glyphs().dot;
                row.put(columns.slot, 0, idle, Role::Idle);
            }
        }
    }
    let x = columns.slot + columns.job;
    let high = if row.height() > 2 { 2 } else { row.height() };
    let mut area = row.part(x, 0, columns.graph, high);
    area.zone_all(Hit::Lane { panel: super::TIMELINE, row: at });
    let chosen = bar.filter(|_| selected && focused).map(|bar| bar.attempt);
    draw_lane(&mut area, lane, scene, chosen);
    cursor(model, &mut area);
    let idle = lane.idle_percent.map_or(String::new(), format::short_percent);
    let role = match lane.idle_percent {
        Some(idle) if idle >= 50.0 => Role::Warn,
        _ => Role::Dim,
    };
    row.put_right(x + columns.graph + IDLE_CELLS, 0, &idle, role);
}

/// The time cursor through a lane.
fn cursor(model: &Model, area: &mut Canvas<'_>) {
    if model.axis.cursor.is_none() {
        return;
    }
    let Some(x) = model.axis.column(model.axis_now(), moment(model), area.width()) else { return };
    let line = area.glyphs().cursor;
    for y in 0..area.height() {
        area.put(x, y, line, Role::TimeCursor);
    }
}
