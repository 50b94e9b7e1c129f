//! Bars and graphs out of cells.

use super::canvas::{Canvas, Span};
use super::format;
use super::glyphs::{GlyphSet, Glyphs};
use super::model::Model;
use super::theme::Role;
use super::zones::Hit;
use crate::model::{CoreShares, Mono};
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// Draws shares (0.0 to 1.0 together) as one bar; what is left over is drawn as the last role.
pub fn shares(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, parts: &[(f32, &str, Role)]) {
    let mut sum = 0.0f32;
    let mut at = 0u16;
    for (share, shape, role) in parts {
        sum += if share.is_finite() { share.max(0.0) } else { 0.0 };
        // Rounding the running sum, not each part, keeps the whole at its length.
        let end = ((sum.min(1.0) * f32::from(width)).round() as u16).min(width);
        let style = canvas.look.style(*role);
        canvas.repeat(x + at, y, end.saturating_sub(at), shape, style);
        at = end.max(at);
    }
    let idle = canvas.glyphs().idle;
    let style = canvas.look.style(Role::BarRest);
    canvas.repeat(x + at, y, width.saturating_sub(at), idle, style);
}

/// The classes of CPU time with their roles and names, in the order of [`Glyphs::classes`].
pub const CLASSES: [(Role, &str); 7] = [
    (Role::CpuUser, "user"),
    (Role::CpuNice, "nice"),
    (Role::CpuSystem, "system"),
    (Role::CpuIrq, "irq"),
    (Role::CpuSoftirq, "softirq"),
    (Role::CpuSteal, "steal"),
    (Role::CpuIowait, "wait"),
];

/// The shapes of time that others than this run used, in the order of [`CLASSES`]: lighter
/// where the class has a shape, the letter where it has one.
pub fn shapes_of_others(glyphs: &Glyphs) -> [&'static str; 7] {
    let mut shapes = glyphs.classes;
    shapes[..OURS].copy_from_slice(&glyphs.others);
    shapes
}

/// Draws one core's time split by class. This run's part is the left one, in full shapes; the
/// rest of what was busy is drawn in lighter ones.
pub fn core_bar(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, core: &CoreShares) {
    let glyphs = canvas.glyphs();
    let (ours, others) = (glyphs.classes, shapes_of_others(glyphs));
    let mut left = if core.run.is_finite() { core.run.max(0.0) } else { 0.0 };
    let mut parts = Vec::with_capacity(10);
    for (i, value) in class_values(core).into_iter().enumerate() {
        let value = if value.is_finite() { value.max(0.0) } else { 0.0 };
        let role = CLASSES[i].0;
        let run = if i < OURS { left.min(value) } else { 0.0 };
        left -= run;
        parts.push((run / 100.0, ours[i], role));
        parts.push(((value - run) / 100.0, others[i], role));
    }
    shares(canvas, x, y, width, &parts);
}

/// Processes have user, nice and system time; the other classes are nobody's.
const OURS: usize = 3;

/// Returns the classes of a core in the order of [`CLASSES`], in percent.
pub fn class_values(c: &CoreShares) -> [f32; 7] {
    [c.user, c.nice, c.system, c.irq, c.softirq, c.steal, c.iowait]
}

/// Draws a series over the whole canvas, two values a cell, the newest at the right edge.
///
/// `top` is the value of the highest dot. What is unknown stays empty.
pub fn history(canvas: &mut Canvas<'_>, values: &[Option<f32>], top: f32) {
    let (w, h) = (canvas.width(), canvas.height());
    let rows = usize::from(h);
    let per_row = if canvas.glyphs().set == GlyphSet::Braille { 4 } else { 8 };
    let most = rows * per_row;
    for x in 0..w {
        let level = |half: usize| {
            let value = values.get(usize::from(x) * 2 + half).copied().flatten();
            value.map_or(0, |value| level_of(value, top, most))
        };
        let (left, right) = (level(0), level(1));
        for y in 0..h {
            let floor = (rows - 1 - usize::from(y)) * per_row;
            let part = |l: usize| l.saturating_sub(floor).min(per_row);
            if left <= floor && right <= floor {
                continue;
            }
            let height = (floor + per_row / 2) as f32 / most as f32;
            let style = canvas.look.theme.gradient(height);
            put_levels(canvas, (x, y), (part(left), part(right)), style);
        }
    }
}

/// Draws parts of a whole (each in percent, up to `top` together) one upon the other, two sets a
/// cell. Cells that two parts share have the colour of the greater.
pub fn stacked(canvas: &mut Canvas<'_>, values: &[Option<[f32; 7]>], top: f32) {
    let (w, h) = (canvas.width(), canvas.height());
    let rows = usize::from(h);
    let per_row = if canvas.glyphs().set == GlyphSet::Braille { 4 } else { 8 };
    let most = rows * per_row;
    for x in 0..w {
        let set = |half: usize| values.get(usize::from(x) * 2 + half).copied().flatten();
        let levels = [0, 1].map(|half| set(half).map_or([0; 7], |s| stack_levels(&s, top, most)));
        for y in 0..h {
            let floor = (rows - 1 - usize::from(y)) * per_row;
            let part = |half: usize| levels[half][6].saturating_sub(floor).min(per_row);
            if part(0) + part(1) == 0 {
                continue;
            }
            let role = CLASSES[greatest_class(&levels, floor, per_row)].0;
            let style = canvas.look.style(role);
            put_levels(canvas, (x, y), (part(0), part(1)), style);
        }
    }
}

/// Where each class ends, from below, in steps of the graph.
fn stack_levels(set: &[f32; 7], top: f32, most: usize) -> [usize; 7] {
    let mut sum = 0.0;
    set.map(|value| {
        sum += if value.is_finite() { value.max(0.0) } else { 0.0 };
        level_of(sum, top, most)
    })
}

/// The class with most of the cell above `floor`.
fn greatest_class(levels: &[[usize; 7]; 2], floor: usize, per_row: usize) -> usize {
    let cut = |level: usize| level.clamp(floor, floor + per_row) - floor;
    let share = |class: usize| {
        let of = |half: &[usize; 7]| {
            let below = if class == 0 { 0 } else { half[class - 1] };
            cut(half[class]).saturating_sub(cut(below))
        };
        levels.iter().map(of).sum::<usize>()
    };
    (0..7).rev().max_by_key(|class| share(*class)).unwrap_or(0)
}

fn put_levels(canvas: &mut Canvas<'_>, at: (u16, u16), levels: (usize, usize), style: Style) {
    let (left, right) = levels;
    if canvas.glyphs().set == GlyphSet::Braille {
        canvas.put_styled(at.0, at.1, &Glyphs::dots(left, right).to_string(), style);
    } else {
        let shape = canvas.glyphs().levels[left.max(right).min(8)];
        canvas.put_styled(at.0, at.1, shape, style);
    }
}

/// Cells right of a graph for its scale: a marker and a number of four.
pub const SCALE: u16 = 6;

/// What stands right of a graph: each value at its height.
pub struct Scale {
    /// The value of the highest dot.
    pub top: f32,
    /// The value now, or at the time cursor.
    pub value: Option<f32>,
    pub peak: f32,
    /// How values read, in at most four cells.
    pub text: fn(f32) -> String,
}

/// Draws the scale of a graph into its own canvas: the value now beside where the graph is now,
/// its peak at its height, the top.
pub fn scale(model: &Model, canvas: &mut Canvas<'_>, scale: &Scale) {
    let height = canvas.height();
    if height == 0 || canvas.width() < SCALE {
        return;
    }
    let row = |value: f32| {
        let share = if scale.top > 0.0 { (value / scale.top).clamp(0.0, 1.0) } else { 0.0 };
        let from_below = (share * f32::from(height)).ceil().max(1.0) as u16;
        height - from_below.min(height)
    };
    let (mark, role) = match model.axis.cursor {
        Some(_) => (canvas.glyphs().cursor, Role::TimeCursor),
        None => (marker_left(canvas.glyphs()), Role::Strong),
    };
    let mut free = 0..height;
    if let Some(value) = scale.value.filter(|v| v.is_finite()) {
        let y = row(value);
        canvas.put(0, y, mark, role);
        canvas.put_right(SCALE - 1, y, &(scale.text)(value), role);
        let peak_y = row(scale.peak);
        if scale.peak > value && peak_y != y {
            canvas.put(0, peak_y, "↑", Role::Dim);
            canvas.put_right(SCALE - 1, peak_y, &(scale.text)(scale.peak), Role::Dim);
        }
        let taken = if scale.peak > value { peak_y.min(y) } else { y };
        free = 0..taken;
    }
    if !free.is_empty() {
        canvas.put_right(SCALE - 1, 0, &(scale.text)(scale.top), Role::Idle);
    }
}

fn marker_left(glyphs: &Glyphs) -> &'static str {
    match glyphs.set {
        GlyphSet::Braille => "◂",
        _ => "<",
    }
}

/// Returns the moment that graphs speak of: the time cursor, else now.
pub fn moment(model: &Model) -> Mono {
    model.axis.cursor.unwrap_or(model.axis_now())
}

/// Draws the time cursor over a graph that fills the canvas, and notes that a click sets it.
pub fn time_cursor(model: &Model, canvas: &mut Canvas<'_>, panel: usize) {
    canvas.zone_all(Hit::Graph { panel });
    let Some(at) = model.axis.cursor else { return };
    let Some(x) = model.axis.column(model.axis_now(), at, canvas.width()) else { return };
    let style = canvas.look.style(Role::TimeCursor);
    let line = canvas.glyphs().cursor;
    for y in 0..canvas.height() {
        canvas.put_styled(x, y, line, style);
    }
}

/// Returns the time axis for the border under a graph of `cells` cells: how far back its left
/// edge is, `middle`, and what its right edge is.
pub fn axis_foot(model: &Model, cells: u16, middle: &str) -> Vec<Span> {
    let glyphs = model.look.glyphs;
    let age = |at: Mono| format!("{}{}", glyphs.minus, format::age(model.ms_since(at)));
    let left = format!("{} ", age(model.axis.moment(model.axis_now(), 0, cells.max(1))));
    let right = model.axis.end.map_or(" now".to_owned(), |end| format!(" {}", age(end)));
    let middle = match model.axis.cursor {
        Some(at) => format!(" cursor {} ", age(at)),
        None => middle.to_owned(),
    };
    let role = if model.axis.cursor.is_some() { Role::TimeCursor } else { Role::Dim };
    // Where there is no room for all, the cursor says more than the scale.
    let (left, middle, right) = (left.as_str(), middle.as_str(), right.as_str());
    let forms = match model.axis.cursor {
        Some(_) => [[left, middle, right], ["", middle, right], ["", middle, ""]],
        None => [[left, middle, right], [left, "", right], ["", "", right]],
    };
    for [left, middle, right] in forms {
        let used = left.width() + middle.width() + right.width();
        let Some(gap) = usize::from(cells).checked_sub(used + 2) else { continue };
        let line = |n: usize| (glyphs.corners[4].repeat(n), Role::Border);
        return vec![
            (left.to_owned(), Role::Dim),
            line(gap / 2 + 1),
            (middle.to_owned(), role),
            line(gap - gap / 2 + 1),
            (right.to_owned(), Role::Dim),
        ];
    }
    Vec::new()
}

/// Returns the step (0 to `most`) at which a value stands; any value above zero shows at least
/// the lowest: something is not nothing.
pub fn level_of(value: f32, top: f32, most: usize) -> usize {
    if !value.is_finite() || value <= 0.0 || top <= 0.0 || most == 0 {
        return 0;
    }
    ((value / top * most as f32).round() as usize).clamp(1, most)
}

/// Returns the level (0 to 8) of a percentage, for one cell.
pub fn percent_level(percent: f32) -> usize {
    level_of(percent, 100.0, 8)
}

/// Returns a round number at or above `value`, such as 1, 1.5, 2, 3, 4, 6, 8, 10, 15: the
/// scale of a graph stands still while its peak moves a little.
pub fn round_top(value: f32) -> f32 {
    let mut decade = 1.0f32;
    while decade < 1e12 {
        for step in [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0] {
            if decade * step >= value {
                return decade * step;
            }
        }
        decade *= 10.0;
    }
    decade
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_round_but_never_hide_something() {
        assert_eq!(level_of(0.0, 10.0, 8), 0);
        assert_eq!(level_of(0.01, 10.0, 8), 1);
        assert_eq!(level_of(10.0, 10.0, 8), 8);
        assert_eq!(level_of(99.0, 10.0, 8), 8);
        assert_eq!(level_of(f32::NAN, 10.0, 8), 0);
        assert_eq!(percent_level(50.0), 4);
    }

    #[test]
    fn tops_are_round() {
        for (value, top) in [(0.0, 1.0), (1.6, 2.0), (3.0, 3.0), (7.0, 8.0), (770.0, 800.0)] {
            assert!((round_top(value) - top).abs() < 0.01, "{value} {}", round_top(value));
        }
    }
}
