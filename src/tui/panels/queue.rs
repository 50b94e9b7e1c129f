//! How many jobs wait, over time: all together, or pool by pool.

use super::Panel;
use crate::model::PoolView;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::graph::{Scale, moment};
use crate::tui::history::{POOLS_KEPT, Point};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::{format, graph};

/// The panel.
pub struct Queue;

impl Panel for Queue {
    fn name(&self) -> &'static str {
        "queue"
    }

    fn min(&self) -> (u16, u16) {
        (30, 4)
    }

    fn priority(&self) -> u8 {
        4
    }

    fn want(&self, model: &Model, _width: u16) -> u16 {
        (model.snapshot.pools.len() as u16 * 2).clamp(4, 8)
    }

    fn want_lines(&self, _model: &Model, _width: u16) -> Option<u16> {
        Some(1)
    }

    fn draw_lines(&self, model: &Model, canvas: &mut Canvas<'_>) {
        draw_lines(model, canvas);
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        foot(model, width)
    }

    fn graph_cells(&self, model: &Model, width: u16) -> u16 {
        graph_cells(model, width)
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, _focused: bool) {
        draw(model, canvas);
    }
}

/// Cells of the label before lines without a border.
const LABEL: u16 = 8;
/// Cells for a pool's name and numbers beside the graph.
const POOL_CELLS: u16 = 18;

/// Jobs that wait, now or at the time cursor.
fn waiting_text(model: &Model) -> String {
    let counts = &model.snapshot.counts;
    let then = model.axis.cursor.map(|at| model.history.at(at).map_or(0, |p| p.waiting as u64));
    let waiting = format::grouped(then.unwrap_or(u64::from(counts.waiting())));
    let open = if counts.tasks_unread > 0 && then.is_none() { "+?" } else { "" };
    format!("{waiting}{open} queued")
}

fn status(model: &Model) -> Vec<Span> {
    let counts = &model.snapshot.counts;
    let role = if model.axis.cursor.is_some() { Role::TimeCursor } else { Role::Strong };
    let mut spans = vec![(waiting_text(model), role)];
    let dot = model.look.glyphs.dot;
    if let Some((arrived, ended)) = flow(model) {
        let rates = format!("in {} out {}", format::rate(arrived), format::rate(ended));
        spans.push((format!(" {dot} {rates}"), Role::Title));
    }
    if model.axis.cursor.is_none() {
        for (n, word) in [(counts.blocked, "blocked"), (counts.backing_off, "backing off")] {
            if n > 0 {
                let text = format!(" {dot} {} {word}", format::grouped(u64::from(n)));
                spans.push((text, Role::Title));
            }
        }
    }
    spans
}

/// How many jobs join the queues and how many attempts end, per second; of the past nobody
/// keeps it.
fn flow(model: &Model) -> Option<(f32, f32)> {
    if model.has_ended() || model.axis.cursor.is_some() {
        return None;
    }
    let sum = |of: fn(&PoolView) -> f32| model.snapshot.pools.iter().map(of).sum();
    Some((sum(|pool| pool.arrived_per_s), sum(|pool| pool.ended_per_s)))
}

/// By how much the queue grows per second, now or at the time cursor.
fn trend(model: &Model) -> Option<String> {
    let per_s = match flow(model) {
        Some((arrived, ended)) => arrived - ended,
        None if model.axis.cursor.is_some() => model.history.flow(moment(model))?.0,
        None => return None,
    };
    let sign = if per_s < 0.0 { model.look.glyphs.minus } else { "+" };
    (per_s.abs() >= 0.05).then(|| format!("{sign}{}", format::rate(per_s.abs())))
}

/// The time axis under the graph, and how high its peak is.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    // The foot is two cells shorter than the panel's inside at either end.
    let all = graph_cells(model, width + 4);
    let cells = all.saturating_sub(2).min(width);
    let peak = peak(&window(model, all, |p| p.waiting));
    graph::axis_foot(model, cells, &format!(" peak {} ", format::grouped(peak as u64)))
}

fn window(model: &Model, cells: u16, value: impl Fn(&Point) -> f32) -> Vec<Option<f32>> {
    let window = model.history.window(&model.axis, model.axis_now(), cells);
    window.iter().map(|p| p.as_ref().map(&value)).collect()
}

fn peak(values: &[Option<f32>]) -> f32 {
    values.iter().flatten().copied().fold(0.0, f32::max)
}

fn has_side(model: &Model, width: u16) -> bool {
    model.snapshot.pools.len() > 1 && width >= POOL_CELLS + 26
}

fn graph_cells(model: &Model, width: u16) -> u16 {
    let side = if has_side(model, width) { POOL_CELLS + 1 } else { 0 };
    width.saturating_sub(side + graph::SCALE)
}

fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let pools = &model.snapshot.pools;
    let n = pools.len() as u16;
    // A band of less than two rows is no graph any more.
    let bands = n > 1 && pools.len() <= POOLS_KEPT && height >= n * 2 && has_side(model, width);
    if !bands {
        draw_band(model, canvas, |p| p.waiting);
        let x = width.saturating_sub(POOL_CELLS);
        if has_side(model, width) {
            for (y, pool) in pools.iter().take(usize::from(height)).enumerate() {
                draw_pool(model, &mut canvas.part(x, y as u16, POOL_CELLS, 1), y, pool);
            }
        }
        return;
    }
    for (i, pool) in pools.iter().enumerate() {
        let at = |i: usize| i as u16 * height / n;
        let (y, rows) = (at(i), at(i + 1) - at(i));
        draw_band(model, &mut canvas.part(0, y, width, rows), |p| p.pools[i]);
        let x = width - POOL_CELLS;
        draw_pool(model, &mut canvas.part(x, y, POOL_CELLS, rows), i, pool);
    }
}

/// One graph with its scale.
fn draw_band(model: &Model, canvas: &mut Canvas<'_>, value: impl Fn(&Point) -> f32) {
    let (width, height) = (canvas.width(), canvas.height());
    let cells = graph_cells(model, width);
    let values = window(model, cells, &value);
    let peak = peak(&values);
    let mut area = canvas.part(0, 0, cells, height);
    if peak <= 0.0 {
        area.put_cut(1, height / 2, cells, "nothing waits", Role::Dim);
        graph::time_cursor(model, &mut area, super::QUEUE);
        return;
    }
    let top = graph::round_top(peak);
    graph::history(&mut area, &values, top);
    graph::time_cursor(model, &mut area, super::QUEUE);
    let now = model.history.at(moment(model)).map(|p| value(&p));
    let now = now.or(values.last().copied().flatten().filter(|_| model.axis.cursor.is_none()));
    let text = |v: f32| format::short_count(v.max(0.0) as u64);
    let scale = Scale { top, value: now, peak, text };
    graph::scale(model, &mut canvas.part(cells, 0, graph::SCALE, height), &scale);
}

/// A pool's name and count; below, as far as there are rows, what holds its jobs back.
fn draw_pool(model: &Model, canvas: &mut Canvas<'_>, i: usize, pool: &PoolView) {
    let width = canvas.width();
    let then = model.axis.cursor.filter(|_| i < POOLS_KEPT);
    let then = then.map(|at| model.history.at(at).map_or(0, |p| p.pools[i] as u64));
    let n = then.unwrap_or(u64::from(pool.ready) + u64::from(pool.blocked));
    let role = match (then, n) {
        (Some(_), _) => Role::TimeCursor,
        (None, 0) => Role::Dim,
        _ => Role::Strong,
    };
    canvas.put_cut(0, 0, width - 8, &pool.name, Role::Text);
    canvas.put_right(width - 1, 0, &format::grouped(n), role);
    let below = match (pool.paused, pool.blocked) {
        (true, _) => ("paused".to_owned(), Role::Paused),
        (false, 0) => return,
        (false, blocked) => (format!("{} blocked", format::grouped(u64::from(blocked))), Role::Dim),
    };
    canvas.put_right(width - 1, 1, &below.0, below.1);
}

fn draw_lines(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    canvas.put(1, 0, "queue", Role::Title);
    let end = width.saturating_sub(1);
    let role = if model.axis.cursor.is_some() { Role::TimeCursor } else { Role::Text };
    let trend = trend(model).unwrap_or_default();
    canvas.put_right(end, 0, &format!("{trend:>7}"), Role::Dim);
    canvas.put_right(end.saturating_sub(9), 0, &format!("{:>16}", waiting_text(model)), role);
    let cells = width.saturating_sub(LABEL + 1 + 27);
    let values = window(model, cells, |p| p.waiting);
    let peak = peak(&values);
    let mut area = canvas.part(LABEL, 0, cells, 1);
    if peak <= 0.0 {
        area.put_cut(0, 0, cells, "nothing waits", Role::Dim);
        return;
    }
    // A line has four dots of height at the most: let the peak fill them.
    graph::history(&mut area, &values, peak);
    graph::time_cursor(model, &mut area, super::QUEUE);
}
