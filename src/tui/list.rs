//! The place in a list: what is selected, and which row stands at the top.

/// Which row of a list is selected and where the window on it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List {
    pub at: usize,
    pub offset: usize,
}

impl List {
    /// Moves the selection in a list of `n` rows; beyond its ends there is nothing.
    pub fn step(&mut self, by: isize, n: usize) {
        self.at = self.at.saturating_add_signed(by).min(n.saturating_sub(1));
    }

    /// Scrolls only as far as it must to show what is selected in `rows` rows.
    pub fn settle(&mut self, n: usize, rows: usize) {
        self.at = self.at.min(n.saturating_sub(1));
        self.offset = settled(self.offset, self.at, rows, n);
    }

    /// Puts the window at a share (0 to 1) of `n` rows and takes the selection along.
    pub fn scroll_to(&mut self, share: f32, n: usize, rows: usize) {
        let last = n.saturating_sub(rows);
        self.offset = ((last as f64) * f64::from(share.clamp(0.0, 1.0))).round() as usize;
        let low = self.offset.min(n.saturating_sub(1));
        let high = (self.offset + rows.max(1) - 1).min(n.saturating_sub(1));
        self.at = self.at.clamp(low, high.max(low));
    }
}

/// Returns the offset nearest to `offset` at which row `at` of `n` is among `rows` rows.
pub fn settled(offset: usize, at: usize, rows: usize, n: usize) -> usize {
    let rows = rows.max(1);
    offset.min(at).max((at + 1).saturating_sub(rows)).min(n.saturating_sub(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_no_more_than_it_must() {
        let mut list = List::default();
        list.step(7, 100);
        list.settle(100, 10);
        assert_eq!(list, List { at: 7, offset: 0 });
        list.step(5, 100);
        list.settle(100, 10);
        assert_eq!(list, List { at: 12, offset: 3 });
        list.step(-3, 100);
        list.settle(100, 10);
        assert_eq!(list, List { at: 9, offset: 3 });
        list.step(isize::MAX, 100);
        list.settle(100, 10);
        assert_eq!(list, List { at: 99, offset: 90 });
        list.settle(5, 10);
        assert_eq!(list, List { at: 4, offset: 0 });
        list.settle(0, 10);
        assert_eq!(list, List { at: 0, offset: 0 });
    }

    #[test]
    fn a_dragged_scroll_bar_keeps_the_selection_in_sight() {
        let mut list = List { at: 3, offset: 0 };
        list.scroll_to(1.0, 1_000_000, 20);
        assert_eq!(list, List { at: 999_980, offset: 999_980 });
        list.scroll_to(0.0, 1_000_000, 20);
        assert_eq!(list, List { at: 19, offset: 0 });
        list.scroll_to(0.5, 0, 20);
        assert_eq!(list, List { at: 0, offset: 0 });
    }
}
