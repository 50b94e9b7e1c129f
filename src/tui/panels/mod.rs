//! The panels. A new one is a file here and a line in [`PANELS`].

mod cores;
mod failures;
mod output;
mod queue;
mod workers;

use super::canvas::{Canvas, Span};
use super::keymap::Act;
use super::model::Model;

pub use workers::{STATE_WORDS, head_rows, size_text};

/// Where on the screen a panel belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the row of the machine, below the header.
    Strip,
    /// In the left column of a wide screen, else in the one column there is.
    Left,
    /// In the right column of a wide screen, else below the left.
    Right,
}

/// A panel's form without a border, for screens with few rows.
pub struct Lines {
    /// Rows it takes at a width.
    pub want: fn(&Model, u16) -> u16,
    pub draw: fn(&Model, &mut Canvas<'_>),
}

/// What the screen needs to know of a panel.
pub struct Panel {
    pub title: &'static str,
    pub place: Place,
    /// Least width and height with border.
    pub min: (u16, u16),
    /// The lowest number is the last to be dropped.
    pub priority: u8,
    /// It can use any number of rows.
    pub grows: bool,
    /// Rows inside the border it would like at a width.
    pub want: fn(&Model, u16) -> u16,
    pub lines: Option<Lines>,
    /// What stands behind the title in the upper border.
    pub status: fn(&Model) -> Vec<Span>,
    /// What stands in the lower border, given its width.
    pub foot: fn(&Model, u16) -> Vec<Span>,
    /// Keys to show in the upper border while it has the focus, as `key`, `word`.
    pub hints: &'static [(Act, &'static str)],
    pub draw: fn(&Model, &mut Canvas<'_>, bool),
}

/// Every panel in the order of its number.
pub const PANELS: &[Panel] =
    &[cores::PANEL, queue::PANEL, workers::PANEL, failures::PANEL, output::PANEL];

/// Positions in [`PANELS`] that keys and selection know.
pub const WORKERS: usize = 2;
pub const FAILURES: usize = 3;
pub const OUTPUT: usize = 4;

impl Panel {
    /// Returns the number key that turns to this panel.
    pub fn key(&self) -> usize {
        PANELS.iter().position(|p| p.title == self.title).map_or(0, |i| i + 1)
    }
}

/// For panels with nothing to say in a border.
fn nothing(_: &Model, _: u16) -> Vec<Span> {
    Vec::new()
}
