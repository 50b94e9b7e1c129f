//! The panels. A new one is a file here and a line in [`PANELS`].

mod alerts;
mod cores;
mod details;
mod events;
mod jobs;
mod locks;
pub mod output;
mod queue;
mod timeline;
mod waits;
mod workers;

use super::canvas::{Canvas, Span};
use super::keymap::Act;
use super::model::{Model, Selection};
use super::theme::Role;
use super::update::Action;
use super::zones::Hit;
use crate::model::query::Reply;

pub use alerts::{AlertId, alert_mark, alert_word, keep_alert};
pub use details::{Details, open as open_details};
pub use events::EventList;
pub use jobs::Jobs;
pub use locks::{Locks, circle_rows, draw_circle, frees, look_at_circle};
pub use timeline::Gantt;
pub use waits::{Waits, look_at_waits, verdict_word};
pub use workers::{Order, STATE_WORDS, size_text, strip_words, worker_name};

/// A part of the screen with a purpose of its own.
///
/// Everything but drawing has an answer that does nothing, so that a panel says only what is
/// special about it.
pub trait Panel: Sync {
    /// Its word: the title, and the name in the configuration file.
    fn name(&self) -> &'static str;

    /// Least width and height with border.
    fn min(&self) -> (u16, u16) {
        (24, 4)
    }

    /// The lowest number is the last to be dropped.
    fn priority(&self) -> u8;

    /// It has something to show; else it takes no room, unless it has the focus.
    fn is_there(&self, _model: &Model) -> bool {
        true
    }

    /// It can use any number of rows.
    fn grows(&self) -> bool {
        false
    }

    /// Rows inside the border it would like at a width.
    fn want(&self, model: &Model, width: u16) -> u16;

    /// Rows of its form without a border at a width; `None` when it has no such form.
    fn want_lines(&self, _model: &Model, _width: u16) -> Option<u16> {
        None
    }

    /// Draws the form without a border.
    fn draw_lines(&self, _model: &Model, _canvas: &mut Canvas<'_>) {}

    /// What stands behind the title in the upper border.
    fn status(&self, _model: &Model) -> Vec<Span> {
        Vec::new()
    }

    /// What stands in the lower border, given its width.
    fn foot(&self, _model: &Model, _width: u16) -> Vec<Span> {
        Vec::new()
    }

    /// Keys to show in the upper border while it has the focus, as `key word`.
    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[]
    }

    /// Draws what is inside the border.
    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool);

    /// The job that acts mean while this panel has the focus.
    fn selection(&self, _model: &Model) -> Option<Selection> {
        None
    }

    /// Does what a key asks for, if that is special here; `false` leaves it to the screen.
    fn act(&self, _model: &mut Model, _act: Act, _actions: &mut Vec<Action>) -> bool {
        false
    }

    /// Moves the selection of its list, or what it shows; `false` when it has neither.
    fn step(&self, _model: &mut Model, _by: isize) -> bool {
        false
    }

    /// Cells of its graph on the time axis in a border this wide; zero without one.
    fn graph_cells(&self, _model: &Model, _width: u16) -> u16 {
        0
    }

    /// After every message: lets the list follow its selection.
    fn settle(&self, _model: &mut Model, _rows: usize) {}

    /// While it is on the screen, after every message: asks the supervisor for what it needs.
    fn ask(&self, _model: &mut Model, _actions: &mut Vec<Action>) {}

    /// Takes in the answer to a question it asked under `tag`.
    fn take(&self, _model: &mut Model, _tag: u64, _reply: Result<Reply, String>) {}

    /// A click on a row that the panel marked with [`super::zones::Hit::Row`].
    fn click_row(&self, _model: &mut Model, _row: usize) {}

    /// A click on a row of a second list, see [`super::zones::Hit::Part`].
    fn click_part(&self, _model: &mut Model, _row: usize) {}

    /// A click on a column's head.
    fn click_column(&self, _model: &mut Model, _column: usize) {}

    /// The scroll bar was dragged to a share (0 to 1) of the whole.
    fn scroll_to(&self, _model: &mut Model, _share: f32) {}

    /// The text of a search or filter, while it is typed and when it is `done`.
    ///
    /// # Errors
    /// In words, when the text means nothing: shown beside it.
    fn search(&self, _model: &mut Model, _text: &str, _done: bool) -> Result<(), String> {
        Err("this panel has nothing to search in".to_owned())
    }

    /// Turns to the next place that a search can look in; `false` when there is only one.
    fn next_scope(&self, _model: &mut Model) -> bool {
        false
    }

    /// What a prompt for a search is called, and what stands beside the text.
    fn search_words(&self, _model: &Model) -> (String, String) {
        ("search".to_owned(), "Enter keeps  Esc back".to_owned())
    }

    /// See [`Panel::search`].
    ///
    /// # Errors
    /// In words, when the text means nothing: shown beside it.
    fn filter(&self, _model: &mut Model, _text: &str, _done: bool) -> Result<(), String> {
        Err("this panel has nothing to filter".to_owned())
    }

    /// The text that a prompt for its filter starts with.
    fn filter_text(&self, _model: &Model) -> String {
        String::new()
    }

    /// Where in a filter something is wrong, in characters.
    fn filter_wrong_at(&self, _model: &Model, _text: &str) -> Option<usize> {
        None
    }

    /// What the word that ends a filter so far may become, the shortest first.
    fn filter_endings(&self, _model: &Model, _before: &str) -> Vec<String> {
        Vec::new()
    }

    /// What its list can be sorted by, and which of it holds now.
    fn sorts(&self, _model: &Model) -> Option<(&'static [&'static str], usize)> {
        None
    }

    /// Sorts by one of [`Panel::sorts`].
    fn sort(&self, _model: &mut Model, _by: usize) {}
}

/// Every panel in the order of its number.
pub const PANELS: &[&dyn Panel] = &[
    &cores::Cores,
    &queue::Queue,
    &workers::Workers,
    &alerts::Alerts,
    &output::OutputPanel,
    &jobs::JobsPanel,
    &timeline::TimelinePanel,
    &events::EventsPanel,
    &locks::LocksPanel,
    &waits::WaitsPanel,
    &details::DetailsPanel,
];

/// Positions in [`PANELS`] that keys and selection know.
pub const CORES: usize = 0;
pub const QUEUE: usize = 1;
pub const WORKERS: usize = 2;
pub const ALERTS: usize = 3;
pub const OUTPUT: usize = 4;
pub const JOBS: usize = 5;
pub const TIMELINE: usize = 6;
pub const EVENTS: usize = 7;
pub const LOCKS: usize = 8;
pub const WAITS: usize = 9;
/// It stands last: one comes to it by `d` more than by its number.
pub const DETAILS: usize = PANELS.len() - 1;

/// Returns the position of a panel by its name.
pub fn index_of(name: &str) -> Option<usize> {
    PANELS.iter().position(|p| p.name() == name)
}

/// Puts a job's name: its task in full colour, its inputs calmer, so that the eye finds the kind
/// of job first. A task too long is cut in its middle: the number behind it stays.
fn put_label(row: &mut Canvas<'_>, x: u16, cells: u16, label: &str) {
    let (task, inputs) = label.split_once(' ').unwrap_or((label, ""));
    let used = row.put_middle(x, 0, cells, task, Role::Text).saturating_sub(x);
    if !inputs.is_empty() && used + 1 < cells {
        row.put_cut(x + used + 1, 0, cells - used - 1, inputs, Role::KeyText);
    }
}

/// Draws the scroll bar of a list of `n` rows over its right edge, when not all of them fit;
/// the canvas holds the rows and nothing else.
fn scroll_bar(rows: &mut Canvas<'_>, panel: usize, offset: usize, n: usize) {
    let (width, height) = (rows.width(), rows.height());
    let shown = usize::from(height);
    if n <= shown || height < 2 || width == 0 {
        return;
    }
    let x = width - 1;
    let cells = (shown * shown / n).clamp(1, shown - 1);
    let top = (offset * (shown - cells)).div_ceil(n - shown).min(shown - cells);
    let [track, thumb] = rows.glyphs().scroll;
    for y in 0..shown {
        let inside = (top..top + cells).contains(&y);
        let (shape, role) = match inside {
            true => (thumb, Role::ScrollThumb),
            false => (track, Role::ScrollTrack),
        };
        rows.put(x, y as u16, shape, role);
    }
    rows.zone(x, 0, 1, height, Hit::ScrollBar { panel });
}
