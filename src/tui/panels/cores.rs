//! What every core does, split by class of time.

use super::Panel;
use crate::model::CoreShares;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::{format, graph};

/// The panel.
pub struct Cores;

impl Panel for Cores {
    fn name(&self) -> &'static str {
        "cores"
    }

    fn min(&self) -> (u16, u16) {
        (36, 4)
    }

    fn priority(&self) -> u8 {
        3
    }

    fn want(&self, model: &Model, width: u16) -> u16 {
        want(model, width)
    }

    fn want_lines(&self, model: &Model, width: u16) -> Option<u16> {
        Some(want_lines(model, width))
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
        if cores(model).is_empty() { 0 } else { width - bars_width(width).min(width) }
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, _focused: bool) {
        draw(model, canvas);
    }
}

/// Least cells of a core in the boxed form: number, bar of twelve, percent.
const CORE_CELLS: u16 = 22;
/// The same where there are many: number, bar of four, percent.
const SMALL_CELLS: u16 = 13;
/// Cells of a core in the line form, at least.
const LINE_CELLS: u16 = 18;
/// Cells of the history beside the bars, at least; less is not worth it.
const HISTORY_CELLS: u16 = 16;

fn cores(model: &Model) -> &[CoreShares] {
    &model.snapshot.machine.cores
}

fn busy_percent(model: &Model) -> f32 {
    let cores = cores(model);
    cores.iter().map(CoreShares::busy).sum::<f32>() / cores.len().max(1) as f32
}

fn status(model: &Model) -> Vec<Span> {
    if cores(model).is_empty() {
        return Vec::new();
    }
    let load = model.snapshot.machine.load[0].clamp(0.0, 9999.0);
    vec![
        (format!("{:>4}", format::percent(busy_percent(model))), Role::Strong),
        (format!(" of {}", cores(model).len()), Role::Title),
        (format!(" {} load {load:.1}", model.look.glyphs.dot), Role::Title),
    ]
}

/// The legend: the classes that are there now, those that always are first.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    if cores(model).is_empty() {
        return Vec::new();
    }
    let glyphs = model.look.glyphs;
    let mut seen = [true, false, true, false, false, false, true];
    for core in cores(model) {
        for (seen, value) in seen.iter_mut().zip(graph::class_values(core)) {
            *seen |= value >= 2.0;
        }
    }
    let mut spans: Vec<Span> = Vec::new();
    for (i, (role, name)) in graph::CLASSES.iter().enumerate() {
        let used = crate::tui::canvas::spans_width(&spans);
        if seen[i] && used + name.len() as u16 + 3 <= width {
            let blank = if spans.is_empty() { "" } else { " " };
            spans.push((format!("{blank}{}", glyphs.classes[i]), *role));
            spans.push((format!(" {name}"), Role::Dim));
        }
    }
    spans
}

/// How the bars stand in a box: cells for them (the rest is history) and columns; no columns
/// when only levels of one cell each have room.
fn arrange(n: usize, width: u16, rows: u16) -> (u16, Option<u16>) {
    let n = n as u16;
    let beside = bars_width(width);
    for (bars, cells) in [(beside, CORE_CELLS), (width, CORE_CELLS), (width, SMALL_CELLS)] {
        let columns = n.div_ceil(rows.max(1)).max(1);
        if columns <= (bars / cells).max(1) {
            return (bars, Some(columns));
        }
    }
    (beside, None)
}

fn want(model: &Model, width: u16) -> u16 {
    let n = cores(model).len() as u16;
    // Few cores: one under the other. Many: as few rows as hold them all. One row is memory.
    let rows = match (n, n.div_ceil((width / SMALL_CELLS).max(1))) {
        (0..=8, _) => n,
        (_, small @ 0..=12) => small.max(6),
        _ => n.div_ceil(width.max(1)).max(4),
    };
    rows.saturating_add(1)
}

fn bars_width(width: u16) -> u16 {
    if width >= CORE_CELLS * 2 + HISTORY_CELLS {
        width - width / 3 - 1
    } else if width > CORE_CELLS + HISTORY_CELLS {
        width - width * 2 / 5 - 1
    } else {
        width
    }
}

fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    if cores(model).is_empty() {
        canvas.put_cut(0, 0, u16::MAX, "the first look at the machine is on its way", Role::Dim);
        return;
    }
    let (width, height) = (canvas.width(), canvas.height());
    let memory_rows = u16::from(height >= 3);
    let left = height - memory_rows;
    let (bars, columns) = arrange(cores(model).len(), width, left);
    // With a row to spare, all cores together.
    let all_rows = u16::from(cores(model).len() < usize::from(left) && cores(model).len() > 1);
    draw_cores(model, &mut canvas.part(1, 0, bars.saturating_sub(1), left - all_rows), columns);
    if all_rows > 0 {
        draw_core(&mut canvas.part(1, left - 1, bars.saturating_sub(1), 1), "all", &average(model));
    }
    if memory_rows > 0 {
        draw_memory(model, &mut canvas.part(1, height - 1, bars.saturating_sub(1), 1));
    }
    if bars < width {
        let mut side = canvas.part(bars, 0, width - bars, height);
        let window = model.history.window(&model.axis, model.now.mono, width - bars);
        let classes: Vec<_> = window.iter().map(|p| p.map(|p| p.classes)).collect();
        graph::stacked(&mut side, &classes, 100.0);
        graph::time_cursor(model, &mut side, super::CORES);
    }
}

fn draw_cores(model: &Model, canvas: &mut Canvas<'_>, columns: Option<u16>) {
    let cores = cores(model);
    let Some(columns) = columns else {
        draw_levels(model, canvas);
        return;
    };
    let cells = canvas.width() / columns;
    let per_column = (cores.len() as u16).div_ceil(columns);
    for (i, core) in cores.iter().enumerate() {
        let (column, row) = (i as u16 / per_column, i as u16 % per_column);
        let gap = u16::from(column + 1 < columns);
        draw_core(
            &mut canvas.part(column * cells, row, cells.saturating_sub(gap), 1),
            &core.core.to_string(),
            core,
        );
    }
}

fn average(model: &Model) -> CoreShares {
    let n = cores(model).len().max(1) as f32;
    let mut sum = CoreShares::default();
    for c in cores(model) {
        sum.user += c.user / n;
        sum.nice += c.nice / n;
        sum.system += c.system / n;
        sum.irq += c.irq / n;
        sum.softirq += c.softirq / n;
        sum.steal += c.steal / n;
        sum.iowait += c.iowait / n;
    }
    sum
}

/// Name, bar and percent of one core in one row.
fn draw_core(canvas: &mut Canvas<'_>, name: &str, core: &CoreShares) {
    let width = canvas.width();
    canvas.put_right(3, 0, name, Role::Dim);
    let bar = width.saturating_sub(4 + 5);
    graph::core_bar(canvas, 4, 0, bar, core);
    canvas.put_right(width, 0, &format::percent(core.busy()), Role::Text);
}

/// More cores than bars have room for: one cell each.
fn draw_levels(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width().max(1);
    for (i, core) in cores(model).iter().enumerate() {
        let (x, y) = (i as u16 % width, i as u16 / width);
        let level = graph::percent_level(core.busy());
        let shape = if level == 0 { canvas.glyphs().idle } else { canvas.glyphs().levels[level] };
        let style = canvas.look.theme.gradient(core.busy() / 100.0);
        canvas.put_styled(x, y, shape, style);
    }
}

fn draw_memory(model: &Model, canvas: &mut Canvas<'_>) {
    let machine = &model.snapshot.machine;
    let width = canvas.width();
    if machine.memory_total_bytes == 0 {
        return;
    }
    let share = machine.memory_used_bytes as f32 / machine.memory_total_bytes as f32;
    let used = format::size(machine.memory_used_bytes);
    let text = format!("{used:>4}/{:<4}", format::size(machine.memory_total_bytes));
    canvas.put(0, 0, "mem", Role::Dim);
    let bar = width.saturating_sub(4 + 10);
    let full = canvas.glyphs().bar_full;
    graph::shares(canvas, 4, 0, bar, &[(share, full, Role::Memory)]);
    canvas.put_right(width, 0, &text, Role::Text);
}

fn per_line(model: &Model, width: u16) -> u16 {
    let room = width.saturating_sub(LABEL);
    (room / LINE_CELLS).clamp(1, (cores(model).len() as u16).max(1))
}

/// Cells of the label before lines without a border.
const LABEL: u16 = 8;

fn want_lines(model: &Model, width: u16) -> u16 {
    let n = cores(model).len() as u16;
    let rows = n.div_ceil(per_line(model, width)).max(1);
    // Many cores: one cell each in one line.
    if rows > 4 { n.div_ceil(width.saturating_sub(LABEL + 6).max(1)).min(3) } else { rows }
}

fn draw_lines(model: &Model, canvas: &mut Canvas<'_>) {
    canvas.put(1, 0, "cores", Role::Title);
    let cores = cores(model);
    let (width, rows) = (canvas.width(), canvas.height());
    if cores.is_empty() {
        canvas.put(LABEL, 0, "the first look at the machine is on its way", Role::Dim);
        return;
    }
    let columns = per_line(model, width);
    if cores.len() > usize::from(columns * rows) {
        let all = format!("{:>4}", format::percent(busy_percent(model)));
        canvas.put_right(width.saturating_sub(1), 0, &all, Role::Text);
        draw_levels(model, &mut canvas.part(LABEL, 0, width.saturating_sub(LABEL + 6), rows));
        return;
    }
    let cells = width.saturating_sub(LABEL - 2) / columns;
    for (i, core) in cores.iter().enumerate() {
        let (row, column) = (i as u16 / columns, i as u16 % columns);
        let x = LABEL - 2 + column * cells;
        draw_core(
            &mut canvas.part(x, row, cells.saturating_sub(1), 1),
            &core.core.to_string(),
            core,
        );
    }
}
