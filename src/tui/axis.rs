//! The time axis that all graphs share: how much time one cell is, where the right edge stands,
//! and the cursor that points at one moment in all of them.

use crate::model::Mono;

/// What one cell may be, in microseconds.
const CELLS: [u64; 9] = [
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    1_800_000_000,
];

/// Scale and place of every graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    zoom: usize,
    /// The right edge; `None` moves along with now.
    pub end: Option<Mono>,
    /// The moment that is pointed at.
    pub cursor: Option<Mono>,
}

impl Default for Axis {
    fn default() -> Axis {
        Axis { zoom: 1, end: None, cursor: None }
    }
}

impl Axis {
    /// Returns the time of one cell in microseconds.
    pub fn cell_us(&self) -> u64 {
        CELLS[self.zoom]
    }

    /// More time per cell, or less.
    pub fn zoom(&mut self, out: bool) {
        let last = CELLS.len() - 1;
        self.zoom = if out { (self.zoom + 1).min(last) } else { self.zoom.saturating_sub(1) };
    }

    /// Returns the number of the cell at the right edge: cells are counted from boot, so that
    /// what is in one of them stays in it while time goes on.
    pub fn last_cell(&self, now: Mono) -> u64 {
        self.end.unwrap_or(now).0 / self.cell_us()
    }

    /// Returns the column of a moment in a graph, `None` outside of it.
    pub fn column(&self, now: Mono, at: Mono, width: u16) -> Option<u16> {
        let back = self.last_cell(now).checked_sub(at.0 / self.cell_us())?;
        u16::try_from(back).ok().and_then(|back| (width.checked_sub(1)?).checked_sub(back))
    }

    /// Returns the moment at the middle of a column.
    pub fn moment(&self, now: Mono, column: u16, width: u16) -> Mono {
        let back = u64::from(width.saturating_sub(1).saturating_sub(column));
        let cell = self.last_cell(now).saturating_sub(back);
        Mono(cell * self.cell_us() + self.cell_us() / 2)
    }

    /// Moves the cursor by cells; it starts at the right edge. Within `width` cells the window
    /// stands still, beyond them it follows.
    pub fn move_cursor(&mut self, by: i64, now: Mono, width: u16) {
        let cell = self.cell_us() as i64;
        let from = self.cursor.unwrap_or(self.end.unwrap_or(now));
        let to = (from.0 as i64).saturating_add(by.saturating_mul(cell)).max(0) as u64;
        let to = Mono(to.min(now.0));
        self.cursor = Some(to);
        let width = u64::from(width.max(2));
        let (at, last) = (to.0 / self.cell_us(), self.last_cell(now));
        if at > last {
            self.end = Some(to);
        } else if last - at >= width {
            self.end = Some(Mono((at + width - 1) * self.cell_us()));
        }
        if self.end.is_some_and(|end| end.0 / self.cell_us() >= now.0 / self.cell_us()) {
            self.end = None;
        }
    }

    /// Moves the window by cells.
    pub fn pan(&mut self, by: i64, now: Mono) {
        let step = by.saturating_mul(self.cell_us() as i64);
        let end = self.end.unwrap_or(now).0 as i64;
        let end = end.saturating_add(step).max(0) as u64;
        self.end = (end < now.0).then_some(Mono(end));
    }

    /// Back to now, without a cursor.
    pub fn clear(&mut self) {
        (self.end, self.cursor) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono(1_000_300_000);

    #[test]
    fn columns_and_moments_agree() {
        let axis = Axis::default();
        assert_eq!(axis.column(NOW, NOW, 60), Some(59));
        assert_eq!(axis.column(NOW, Mono(999_900_000), 60), Some(58));
        assert_eq!(axis.column(NOW, Mono(900_000_000), 60), None);
        assert_eq!(axis.column(NOW, Mono(2_000_000_000), 60), None);
        for column in 0..60 {
            let at = axis.moment(NOW, column, 60);
            assert_eq!(axis.column(NOW, at, 60), Some(column));
        }
    }

    #[test]
    fn the_cursor_takes_the_window_along_and_comes_back_to_now() {
        let mut axis = Axis::default();
        axis.move_cursor(-10, NOW, 60);
        assert_eq!((axis.end, axis.column(NOW, axis.cursor.unwrap(), 60)), (None, Some(49)));
        axis.move_cursor(-90, NOW, 60);
        assert_eq!(axis.column(NOW, axis.cursor.unwrap(), 60), Some(0));
        assert!(axis.end.is_some());
        axis.move_cursor(1_000, NOW, 60);
        assert_eq!((axis.end, axis.cursor), (None, Some(NOW)));
        axis.clear();
        assert_eq!(axis, Axis::default());
    }

    #[test]
    fn scales_have_ends() {
        let mut axis = Axis::default();
        for _ in 0..20 {
            axis.zoom(true);
        }
        assert_eq!(axis.cell_us(), CELLS[CELLS.len() - 1]);
        for _ in 0..20 {
            axis.zoom(false);
        }
        assert_eq!(axis.cell_us(), CELLS[0]);
        axis.pan(-100, NOW);
        axis.pan(200, NOW);
        assert_eq!(axis.end, None);
    }
}
