//! Memory, swap and pressure under the cores.

use crate::tui::canvas::{Canvas, Span};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::{format, graph};

/// Least cells of a meter.
const METER_CELLS: u16 = 27;

/// What there is to show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meter {
    Memory,
    Swap,
    Pressure,
}

fn meters(model: &Model) -> Vec<Meter> {
    let machine = &model.snapshot.machine;
    let mut meters = Vec::new();
    if machine.memory_total_bytes > 0 {
        meters.push(Meter::Memory);
    }
    if machine.swap_total_bytes > 0 {
        meters.push(Meter::Swap);
    }
    if machine.pressure.is_some() {
        meters.push(Meter::Pressure);
    }
    meters
}

fn columns(width: u16) -> u16 {
    (width / METER_CELLS).max(1)
}

/// Returns the rows that all meters take at a width.
pub fn rows(model: &Model, width: u16) -> u16 {
    (meters(model).len() as u16).div_ceil(columns(width))
}

/// Draws them, as many as there are rows for.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, name_cells: u16) {
    let meters = meters(model);
    let columns = columns(canvas.width()).min(meters.len().max(1) as u16);
    let cells = canvas.width() / columns;
    for (i, meter) in meters.into_iter().enumerate() {
        let (row, column) = (i as u16 / columns, i as u16 % columns);
        let gap = if column + 1 < columns { 2 } else { 0 };
        let mut area = canvas.part(column * cells, row, cells.saturating_sub(gap), 1);
        match meter {
            // Of these the past has not been kept.
            Meter::Swap | Meter::Pressure if model.axis.cursor.is_some() => {}
            Meter::Memory => draw_memory(model, &mut area, name_cells),
            Meter::Swap => draw_swap(model, &mut area, name_cells),
            Meter::Pressure => draw_pressure(model, &mut area, name_cells),
        }
    }
}

/// Returns used and whole memory, or the share at the time cursor.
pub fn memory_text(model: &Model) -> String {
    let machine = &model.snapshot.machine;
    if machine.memory_total_bytes == 0 {
        return "not known".to_owned();
    }
    if let Some(at) = model.axis.cursor {
        let then = model.history.at(at);
        return then.map_or("-".to_owned(), |p| format::percent(p.memory));
    }
    of(machine.memory_used_bytes, machine.memory_total_bytes)
}

/// `1.2G/3.9G`, nine cells.
fn of(used: u64, total: u64) -> String {
    format!("{:>4}/{:<4}", format::size(used), format::size(total))
}

fn draw_memory(model: &Model, row: &mut Canvas<'_>, name_cells: u16) {
    let machine = &model.snapshot.machine;
    let share = match model.axis.cursor {
        Some(at) => model.history.at(at).map_or(0.0, |p| p.memory / 100.0),
        None => machine.memory_used_bytes as f32 / machine.memory_total_bytes as f32,
    };
    draw_bar(row, name_cells, "mem", share, &memory_text(model));
}

fn draw_swap(model: &Model, row: &mut Canvas<'_>, name_cells: u16) {
    let machine = &model.snapshot.machine;
    let share = machine.swap_used_bytes as f32 / machine.swap_total_bytes as f32;
    draw_bar(row, name_cells, "swp", share, &of(machine.swap_used_bytes, machine.swap_total_bytes));
}

fn draw_bar(row: &mut Canvas<'_>, name_cells: u16, name: &str, share: f32, text: &str) {
    let width = row.width();
    row.put_right(name_cells, 0, name, Role::Dim);
    let bar = width.saturating_sub(name_cells + 1 + 10);
    let full = row.glyphs().bar_full;
    graph::shares(row, name_cells + 1, 0, bar, &[(share, full, Role::Memory)]);
    row.put_right(width, 0, text, Role::Text);
}

/// Percent of the last ten seconds in which something waited for a CPU, memory or I/O.
fn draw_pressure(model: &Model, row: &mut Canvas<'_>, name_cells: u16) {
    let Some(pressure) = model.snapshot.machine.pressure else { return };
    row.put_right(name_cells, 0, "psi", Role::Dim);
    let mut x = name_cells + 1;
    let values =
        [("cpu", pressure.cpu_some), ("mem", pressure.memory_some), ("io", pressure.io_some)];
    for (name, percent) in values {
        let role = match percent {
            p if p >= 25.0 => Role::Warn,
            p if p >= 1.0 => Role::Text,
            _ => Role::Dim,
        };
        let spans: [Span; 2] = [
            (format!("{name} "), Role::Dim),
            (format!("{:<5}", format::percent(percent.min(100.0))), role),
        ];
        x = row.put_spans(x, 0, &spans);
    }
}
