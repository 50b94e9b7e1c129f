//! What a click means where: drawing notes it, so that the mouse always fits what is seen.

use super::keymap::Act;
use ratatui::layout::Rect;

/// What lies under the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A panel, anywhere.
    Panel(usize),
    /// A row of a panel's list.
    Row { panel: usize, row: usize },
    /// A row of a panel's second list.
    Part { panel: usize, row: usize },
    /// The head of a column.
    Column { panel: usize, column: usize },
    /// A scroll bar; where in it says how far.
    ScrollBar { panel: usize },
    /// A graph on the time axis: its right edge is the axis's end.
    Graph { panel: usize },
    /// A row of a panel's list that is a graph on the time axis too.
    Lane { panel: usize, row: usize },
    /// A button or a key hint.
    Act(Act),
    /// A line of what lies over the screen.
    Choice(usize),
    /// Outside of what lies over the screen.
    Outside,
    /// The lower border of a row of panels.
    RowSplit(usize),
    /// The border between the panels of a row of two.
    ColumnSplit(usize),
}

/// Everything that can be clicked in a frame; what was noted last lies on top.
#[derive(Clone, Debug, Default)]
pub struct Zones(Vec<(Rect, Hit)>);

impl Zones {
    /// Notes what a click into `area` means from now on.
    pub fn add(&mut self, area: Rect, hit: Hit) {
        if area.area() > 0 {
            self.0.push((area, hit));
        }
    }

    /// Returns what lies at a place, and the area that it fills.
    pub fn at(&self, x: u16, y: u16) -> Option<(Rect, Hit)> {
        let inside = |area: &Rect| area.contains(ratatui::layout::Position { x, y });
        self.0.iter().rev().find(|(area, _)| inside(area)).copied()
    }

    /// Returns the panel at a place, whatever lies in it.
    pub fn panel_at(&self, x: u16, y: u16) -> Option<usize> {
        let inside = |area: &Rect| area.contains(ratatui::layout::Position { x, y });
        self.0.iter().rev().find_map(|(area, hit)| match hit {
            Hit::Panel(panel) if inside(area) => Some(*panel),
            _ => None,
        })
    }
}
