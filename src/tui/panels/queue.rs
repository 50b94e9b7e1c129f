//! How many jobs wait, over time.

use super::Panel;
use crate::tui::canvas::{Canvas, Span};
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
        (model.snapshot.pools.len() as u16).max(4)
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
/// Cells for a pool's name and count beside the graph.
const POOL_CELLS: u16 = 20;

fn waiting_text(model: &Model) -> String {
    let counts = &model.snapshot.counts;
    let waiting = format::grouped(u64::from(counts.waiting()));
    format!("{waiting}{} queued", if counts.tasks_unread > 0 { "+?" } else { "" })
}

fn status(model: &Model) -> Vec<Span> {
    let counts = &model.snapshot.counts;
    let mut spans = vec![(waiting_text(model), Role::Strong)];
    let dot = model.look.glyphs.dot;
    if let Some(trend) = trend(model) {
        spans.push((format!(" {dot} {trend}"), Role::Title));
    }
    for (n, word) in [(counts.blocked, "blocked"), (counts.backing_off, "backing off")] {
        if n > 0 {
            spans.push((format!(" {dot} {} {word}", format::grouped(u64::from(n))), Role::Title));
        }
    }
    spans
}

fn trend(model: &Model) -> Option<String> {
    let per_s = model.history.waiting_per_s()?;
    let sign = if per_s < 0.0 { model.look.glyphs.minus } else { "+" };
    (per_s.abs() >= 0.05).then(|| format!("{sign}{}", format::rate(per_s.abs())))
}

/// The time axis under the graph, and how high its peak is.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    let cells = graph_cells(model, width + 2).min(width);
    let peak = peak(&window(model, cells));
    graph::axis_foot(model, cells, &format!(" peak {} ", format::grouped(peak as u64)))
}

fn window(model: &Model, cells: u16) -> Vec<Option<f32>> {
    let window = model.history.window(&model.axis, model.now.mono, cells);
    window.iter().map(|p| p.map(|p| p.waiting)).collect()
}

fn peak(values: &[Option<f32>]) -> f32 {
    values.iter().flatten().copied().fold(0.0, f32::max)
}

fn graph_cells(model: &Model, width: u16) -> u16 {
    let side = model.snapshot.pools.len() > 1 && width >= POOL_CELLS + 20;
    width.saturating_sub(if side { POOL_CELLS + 1 } else { 0 })
}

fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let cells = graph_cells(model, width);
    let values = window(model, cells);
    let peak = peak(&values);
    if peak <= 0.0 {
        canvas.put_cut(0, height / 2, cells, "nothing waits", Role::Dim);
    }
    let mut side = canvas.part(0, 0, cells, height);
    graph::history(&mut side, &values, graph::round_top(peak));
    graph::time_cursor(model, &mut side, super::QUEUE);
    if cells < width {
        for (y, pool) in model.snapshot.pools.iter().take(usize::from(height)).enumerate() {
            let y = y as u16;
            canvas.put_cut(cells + 1, y, POOL_CELLS - 7, &pool.name, Role::Text);
            let n = u64::from(pool.ready) + u64::from(pool.blocked);
            let role = if n > 0 { Role::Strong } else { Role::Dim };
            canvas.put_right(width, y, &format::short_count(n), role);
        }
    }
}

fn draw_lines(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    canvas.put(1, 0, "queue", Role::Title);
    let end = width.saturating_sub(1);
    let text = waiting_text(model);
    let trend = trend(model).unwrap_or_default();
    canvas.put_right(end, 0, &format!("{text:>16}  {trend:>7}"), Role::Text);
    let cells = width.saturating_sub(LABEL + 1 + 27);
    let values = window(model, cells);
    let peak = peak(&values);
    if peak <= 0.0 {
        canvas.put_cut(LABEL, 0, cells, "nothing waits", Role::Dim);
        return;
    }
    // A line has four dots of height at the most: let the peak fill them.
    graph::history(&mut canvas.part(LABEL, 0, cells, 1), &values, peak);
}
