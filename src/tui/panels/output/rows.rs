//! The rows: edge, time, tag, text in the job's own colours, and what a search found in it.

use super::super::scroll_bar;
use super::words;
use crate::model::query::Stream;
use crate::tui::canvas::Canvas;
use crate::tui::model::Model;
use crate::tui::output::lines::Line;
use crate::tui::output::{Room, Whose};
use crate::tui::panels::OUTPUT;
use crate::tui::theme::Role;
use crate::tui::zones::Hit;

/// Cells of a time and the blank behind it.
const TIME_CELLS: u16 = 10;
/// Below this width text needs every cell.
const LEAST_FOR_COLUMNS: u16 = 30;

/// Where the parts of a row stand. The first cell is the edge, the last the scroll bar's.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    pub time_cells: u16,
    pub tag_cells: u16,
    pub text_cells: u16,
}

impl Columns {
    /// Divides a width.
    pub fn of(model: &Model, width: u16) -> Columns {
        let has_room = width >= LEAST_FOR_COLUMNS;
        let time_cells = if model.output_times && has_room { TIME_CELLS } else { 0 };
        let tag_cells = match model.output.whose() {
            Whose::All if has_room => tag_cells(model, width),
            _ => 0,
        };
        let text_cells = width.saturating_sub(2 + time_cells + tag_cells);
        Columns { time_cells, tag_cells, text_cells }
    }

    fn text_at(&self) -> u16 {
        1 + self.time_cells + self.tag_cells
    }
}

/// As wide as the longest name may get, so that nothing moves; no more than a quarter.
fn tag_cells(model: &Model, width: u16) -> u16 {
    use unicode_width::UnicodeWidthStr;
    let digits = model.snapshot.counts.total.max(1).ilog10() as usize + 1;
    let widest = model.info.tasks.iter().map(|t| t.name.width() + 1 + digits).max();
    let most = usize::from(width / 4);
    (widest.unwrap_or(0).min(most) + 1) as u16
}

/// Draws them.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    if let Some((text, role)) = words::instead(model) {
        canvas.put_cut(1, 0, u16::MAX, &text, role);
        return;
    }
    let (width, height) = (canvas.width(), canvas.height());
    let columns = Columns::of(model, width);
    let room = Room { height: usize::from(height), width: usize::from(columns.text_cells) };
    let lines = model.output.lines(room);
    for (y, line) in (0..height).zip(&lines) {
        let mut row = canvas.part(0, y, width, 1);
        if model.output.whose() == Whose::All && !line.notice {
            row.zone_all(Hit::Row { panel: OUTPUT, row: usize::from(y) });
        }
        draw_line(model, &mut row, line, columns);
    }
    let (offset, n) = scroll_rows(model.output.extent(room), room.height);
    scroll_bar(canvas, OUTPUT, offset, n);
}

/// What a scroll bar shows, as if every row were as long as those that are shown.
fn scroll_rows((top, end, size): (u64, u64, u64), height: usize) -> (usize, usize) {
    let shown = end.saturating_sub(top).max(1);
    if shown >= size {
        return (0, 0);
    }
    let rows = |amount: u64| (amount as f64 / shown as f64 * height as f64).ceil() as usize;
    let n = rows(size).max(height + 1);
    // At the end the thumb must touch the end.
    let offset = if end >= size { n - height } else { rows(top).min(n - height) };
    (offset, n)
}

fn draw_line(model: &Model, row: &mut Canvas<'_>, line: &Line, columns: Columns) {
    if line.notice {
        let text: String = line.spans.iter().map(|(text, _)| text.as_str()).collect();
        row.put(columns.text_at(), 0, &text, Role::Dim);
        return;
    }
    // A mark at the edge says what the colour repeats.
    let role = match line.stream {
        Stream::Stdout => Role::Text,
        Stream::Stderr => Role::Stderr,
    };
    if line.stream == Stream::Stderr {
        let edge = row.glyphs().edge;
        row.put(0, 0, edge, role);
    }
    if !line.continued {
        draw_head(model, row, line, columns);
    }
    let style = row.look.style(role);
    // Where the line goes on behind the edge, its last cell says so.
    let cells = columns.text_cells - u16::from(line.is_cut && columns.text_cells > 1);
    let mut text = row.part(columns.text_at(), 0, cells, 1);
    let mut x = 0;
    for (piece, job) in &line.spans {
        let style = model.look.theme.of_job(style, job);
        x = text.put_styled(x, 0, piece, style);
    }
    let found = if line.is_hit { Role::SearchCurrent } else { Role::SearchMatch };
    let found = text.look.style(found);
    for cells in &line.matches {
        let at = |cell: usize| u16::try_from(cell).unwrap_or(u16::MAX);
        text.tint(at(cells.start), 0, at(cells.len()), found);
    }
    if line.is_cut {
        let ellipsis = row.glyphs().ellipsis;
        row.put(columns.text_at() + cells, 0, ellipsis, Role::Dim);
    }
}

/// Time and tag of a line.
fn draw_head(model: &Model, row: &mut Canvas<'_>, line: &Line, columns: Columns) {
    if columns.time_cells > 0 {
        // Only the time of day: the run's age stands in the header.
        let time = line.time.map(|at| model.time_of_day(at));
        row.put(1, 0, time.as_deref().unwrap_or("--:--:--"), Role::Dim);
    }
    if let (Some(tag), true) = (&line.tag, columns.tag_cells > 0) {
        let style = model.look.theme.task(task_of(model, tag));
        let cells = columns.tag_cells - 1;
        let mut place = row.part(1 + columns.time_cells, 0, cells, 1);
        let end = place.put_middle(0, 0, cells, tag, Role::Text);
        place.tint(0, 0, end, style);
    }
}

/// The number of the task that a job's name begins with.
fn task_of(model: &Model, tag: &str) -> usize {
    let name = tag.rsplit_once(':').map_or(tag, |(name, _)| name);
    model.info.tasks.iter().position(|task| task.name == name).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scroll_bar_is_where_one_is() {
        for (extent, shown) in [
            ((0, 10, 10), (0, 0)),
            ((0, 0, 0), (0, 0)),
            ((0, 100, 1_000), (0, 100)),
            ((900, 1_000, 1_000), (90, 100)),
            ((450, 550, 1_000), (45, 100)),
            ((995, 1_000, 1_000), (1_990, 2_000)),
        ] {
            assert_eq!(scroll_rows(extent, 10), shown, "{extent:?}");
        }
    }
}
