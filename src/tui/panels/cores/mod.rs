//! What every core does, split by class of time and by whose it is; memory, swap and pressure.

mod bars;
mod meters;

use super::Panel;
use crate::model::CoreShares;
use crate::tui::canvas::{Canvas, Span, spans_width};
use crate::tui::graph::{SCALE, Scale, moment};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::{format, graph};
use bars::Plan;

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
        if cores(model).is_empty() {
            return 4;
        }
        let bars = bars_width(model, width).saturating_sub(2);
        let all = u16::from(cores(model).len() > 1);
        (bars::want(model, bars) + all + meters::rows(model, bars)).max(4)
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
        if cores(model).is_empty() { 0 } else { history_cells(model, width) }
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, _focused: bool) {
        draw(model, canvas);
    }
}

/// Cells that bars need at least before a history stands beside them.
const LEAST_BARS: u16 = 24;
/// Cells of the history beside the bars, at least; less is not worth it.
const LEAST_HISTORY: u16 = 12;

fn cores(model: &Model) -> &[CoreShares] {
    &model.snapshot.machine.cores
}

/// Cells for bars in a box this wide; the rest is history.
fn bars_width(model: &Model, width: u16) -> u16 {
    if width < LEAST_BARS + LEAST_HISTORY + SCALE {
        return width;
    }
    // Many cores need the room more than the past does.
    let history = if cores(model).len() > 16 { width / 4 } else { width * 2 / 5 };
    let history = history.max(LEAST_HISTORY + SCALE);
    (width - history).max(LEAST_BARS)
}

fn history_cells(model: &Model, width: u16) -> u16 {
    width.saturating_sub(bars_width(model, width) + SCALE)
}

/// All cores together, now or at the time cursor; `None` when nothing is known of that moment.
fn all(model: &Model) -> Option<CoreShares> {
    if let Some(at) = model.axis.cursor {
        let point = model.history.at(at)?;
        let [user, nice, system, irq, softirq, steal, iowait] = point.classes;
        let run = point.ours;
        return Some(CoreShares {
            user,
            nice,
            system,
            irq,
            softirq,
            steal,
            iowait,
            run,
            ..Default::default()
        });
    }
    let n = cores(model).len() as f32;
    let mut sum = CoreShares::default();
    for c in cores(model) {
        sum.user += c.user / n;
        sum.nice += c.nice / n;
        sum.system += c.system / n;
        sum.irq += c.irq / n;
        sum.softirq += c.softirq / n;
        sum.steal += c.steal / n;
        sum.iowait += c.iowait / n;
        sum.run += c.run / n;
    }
    let clocks: Vec<u64> = cores(model).iter().filter_map(|c| c.mhz).map(u64::from).collect();
    sum.mhz = clocks.iter().sum::<u64>().checked_div(clocks.len() as u64).map(|mhz| mhz as u32);
    (n > 0.0).then_some(sum)
}

fn status(model: &Model) -> Vec<Span> {
    let n = cores(model).len();
    if n == 0 {
        return Vec::new();
    }
    let dot = model.look.glyphs.dot;
    let role = if model.axis.cursor.is_some() { Role::TimeCursor } else { Role::Strong };
    let Some(all) = all(model) else { return vec![("not known".to_owned(), Role::Dim)] };
    let load = model.snapshot.machine.load[0].clamp(0.0, 9999.0);
    let mut spans = vec![
        (format!("{:>4}", format::percent(all.busy())), role),
        (format!(" ours {:<4}", format::percent(all.run)), Role::Title),
        (format!(" {dot} {}", format::plural(n as u64, "core")), Role::Title),
        (format!(" {dot} load {load:.1}"), Role::Title),
    ];
    // Whoever has several machines open wants to know which this is.
    let machine = &model.info.machine;
    for fact in [&machine.host, &machine.cpu, &machine.kernel] {
        if !fact.is_empty() {
            spans.push((format!(" {dot} {fact}"), Role::Dim));
        }
    }
    spans
}

/// The legend under the bars, and the time axis under the graph.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    if cores(model).is_empty() {
        return Vec::new();
    }
    // The border's text begins and ends two cells inside of the panel.
    let inside = width + 4;
    let cells = history_cells(model, inside);
    let bars = bars_width(model, inside).saturating_sub(2);
    let mut spans = legend(model, bars.saturating_sub(2).min(width));
    if cells == 0 {
        return spans;
    }
    let axis = graph::axis_foot(model, cells, "");
    if axis.is_empty() {
        return spans;
    }
    let blank = if spans.is_empty() { "" } else { " " };
    let gap = bars.saturating_sub(spans_width(&spans) + 1 + blank.len() as u16);
    let line = model.look.glyphs.corners[4].repeat(usize::from(gap));
    spans.push((format!("{blank}{line} "), Role::Border));
    spans.extend(axis);
    spans
}

/// The classes that are there now, those that always are first, and what is not of this run.
fn legend(model: &Model, width: u16) -> Vec<Span> {
    let glyphs = model.look.glyphs;
    let mut seen = [true, false, true, false, false, false, true];
    let mut others = 0.0f32;
    for core in cores(model) {
        for (seen, value) in seen.iter_mut().zip(graph::class_values(core)) {
            *seen |= value >= 2.0;
        }
        others = others.max(core.busy() - core.run);
    }
    let lighter = graph::shapes_of_others(glyphs)[0];
    let classes = graph::CLASSES.iter().enumerate().filter(|(i, _)| seen[*i]);
    let classes = classes.map(|(i, (role, name))| (glyphs.classes[i], *role, *name));
    let mut entries: Vec<_> = classes.collect();
    if others >= 2.0 {
        entries.insert(1, (lighter, Role::CpuUser, "others"));
    }
    let mut spans: Vec<Span> = Vec::new();
    for (shape, role, name) in entries {
        let blank = if spans.is_empty() { "" } else { " " };
        if spans_width(&spans) + (blank.len() + 2 + name.len()) as u16 <= width {
            spans.push((format!("{blank}{shape}"), role));
            spans.push((format!(" {name}"), Role::Dim));
        }
    }
    spans
}

fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    if cores(model).is_empty() {
        canvas.put_cut(1, 0, u16::MAX, "the first look at the machine is on its way", Role::Dim);
        return;
    }
    let (width, height) = (canvas.width(), canvas.height());
    let bars = bars_width(model, width);
    draw_bars(model, &mut canvas.part(1, 0, bars.saturating_sub(2), height));
    let cells = history_cells(model, width);
    if cells == 0 {
        return;
    }
    let window = model.history.window(&model.axis, model.axis_now(), cells);
    let classes: Vec<_> = window.iter().map(|p| p.map(|p| p.classes)).collect();
    let peak = window.iter().flatten().map(|p| p.busy()).fold(0.0, f32::max);
    let mut area = canvas.part(bars, 0, cells, height);
    graph::stacked(&mut area, &classes, 100.0);
    graph::time_cursor(model, &mut area, super::CORES);
    let value = model.history.at(moment(model)).map(|p| p.busy());
    let value = value.or(all(model).map(|c| c.busy()));
    let scale = Scale { top: 100.0, value, peak, text: format::short_percent };
    graph::scale(model, &mut canvas.part(bars + cells, 0, SCALE, height), &scale);
}

/// Cores, all of them together, and the meters, as far as there are rows for them.
fn draw_bars(model: &Model, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    // What can be left out, from the least: pressure and swap, all cores together, memory.
    let mut meter_rows = meters::rows(model, width);
    let mut all_rows = u16::from(cores(model).len() > 1);
    let want = bars::want(model, width);
    while meter_rows > 1 && want + all_rows + meter_rows > height {
        meter_rows -= 1;
    }
    if want + all_rows + meter_rows > height {
        all_rows = 0;
    }
    if height < 3 {
        meter_rows = 0;
    }
    let rows = height - all_rows - meter_rows;
    let plan = Plan::new(model, width, rows);
    let used = plan.rows.min(rows);
    bars::draw(model, &mut canvas.part(0, 0, width, rows), &plan);
    let name_cells = plan.name_cells.max(3);
    if let (1, Some(all)) = (all_rows, all(model)) {
        bars::draw_core(&mut canvas.part(0, used, width, 1), "all", name_cells, &all);
    }
    let y = used + all_rows;
    meters::draw(model, &mut canvas.part(0, y, width, height - y), name_cells);
}

/// Cells of the label before lines without a border.
const LABEL: u16 = 8;
/// Cells of memory's words at the right of a line.
const MEMORY_CELLS: u16 = 15;
/// Cells of a core in the line form, at least.
const LINE_CELLS: u16 = 14;

fn per_line(model: &Model, width: u16) -> u16 {
    let room = width.saturating_sub(LABEL - 1 + MEMORY_CELLS);
    (room / LINE_CELLS).clamp(1, (cores(model).len() as u16).max(1))
}

fn want_lines(model: &Model, width: u16) -> u16 {
    let rows = (cores(model).len() as u16).div_ceil(per_line(model, width)).max(1);
    // Many cores: one cell each in one line.
    if rows > 3 { 1 + u16::from(cores(model).len() > usize::from(width) / 2) } else { rows }
}

fn draw_lines(model: &Model, canvas: &mut Canvas<'_>) {
    canvas.put(1, 0, "cores", Role::Title);
    let n = cores(model).len();
    let (width, rows) = (canvas.width(), canvas.height());
    if n == 0 {
        canvas.put(LABEL, 0, "the first look at the machine is on its way", Role::Dim);
        return;
    }
    let memory = meters::memory_text(model);
    canvas.put_right(width.saturating_sub(1), 0, &format!("mem {memory}"), Role::Dim);
    let columns = per_line(model, width);
    if n > usize::from(columns * rows) {
        let all = all(model).unwrap_or_default();
        let text = format!("{:>4}", format::percent(all.busy()));
        let end = width.saturating_sub(MEMORY_CELLS + 1);
        canvas.put_right(end, 0, &text, Role::Strong);
        if rows > 1 {
            let ours = format!("ours {:>4}", format::percent(all.run));
            canvas.put_right(end, 1, &ours, Role::Text);
        }
        let cells = end.saturating_sub(LABEL + 10);
        bars::draw_levels(model, &mut canvas.part(LABEL, 0, cells, rows), rows);
        return;
    }
    let cells = width.saturating_sub(LABEL - 1 + MEMORY_CELLS) / columns;
    let list = bars::in_order(model);
    for (i, core) in list.iter().enumerate() {
        let (row, column) = (i as u16 / columns, i as u16 % columns);
        let mut area = canvas.part(LABEL - 1 + column * cells, row, cells.saturating_sub(1), 1);
        bars::draw_core(&mut area, &core.name, 3, &core.shares);
    }
}
