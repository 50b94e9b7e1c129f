//! Bars and graphs out of cells.

use super::canvas::Canvas;
use super::glyphs::{GlyphSet, Glyphs};
use super::theme::Role;
use crate::model::CoreShares;

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

/// Draws one core's time split by class.
pub fn core_bar(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, core: &CoreShares) {
    let values = class_values(core);
    let shapes = canvas.glyphs().classes;
    let parts: Vec<_> =
        (0..CLASSES.len()).map(|i| (values[i] / 100.0, shapes[i], CLASSES[i].0)).collect();
    shares(canvas, x, y, width, &parts);
}

/// Returns the classes of a core in the order of [`CLASSES`], in percent.
pub fn class_values(c: &CoreShares) -> [f32; 7] {
    [c.user, c.nice, c.system, c.irq, c.softirq, c.steal, c.iowait]
}

/// Draws a series over the whole canvas, newest at the right edge: two samples a cell.
///
/// `top` is the value of the highest dot.
pub fn history(canvas: &mut Canvas<'_>, samples: &[f32], top: f32) {
    let (w, h) = (canvas.width(), canvas.height());
    let rows = usize::from(h);
    let per_row = if canvas.glyphs().set == GlyphSet::Braille { 4 } else { 8 };
    let most = rows * per_row;
    for x in 0..w {
        // Counted from the newest, so that the axis does not depend on how much there is.
        let back = usize::from(w - 1 - x) * 2;
        let level = |age: usize| {
            let value = age.checked_add(1).and_then(|n| samples.len().checked_sub(n));
            value.map_or(0, |i| level_of(samples[i], top, most))
        };
        let (left, right) = (level(back + 1), level(back));
        for y in 0..h {
            let floor = (rows - 1 - usize::from(y)) * per_row;
            let part = |l: usize| l.saturating_sub(floor).min(per_row);
            if left <= floor && right <= floor {
                continue;
            }
            let height = (floor + per_row / 2) as f32 / most as f32;
            let style = canvas.look.theme.gradient(height);
            if canvas.glyphs().set == GlyphSet::Braille {
                let cell = Glyphs::dots(part(left), part(right)).to_string();
                canvas.put_styled(x, y, &cell, style);
            } else {
                let cell = canvas.glyphs().levels[part(left.max(right)).min(8)];
                canvas.put_styled(x, y, cell, style);
            }
        }
    }
}

/// Any value above zero shows at least the lowest dot: something is not nothing.
fn level_of(value: f32, top: f32, most: usize) -> usize {
    if !value.is_finite() || value <= 0.0 || top <= 0.0 {
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
