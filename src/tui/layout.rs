//! Where everything stands at a given size. Pure: facts in, rectangles out.
//!
//! Panels drop by priority as space shrinks; the header and the key bar never do.

use super::panels::{PANELS, Panel, Place};
use ratatui::layout::Rect;

/// How a panel is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With a border, title and keys.
    Boxed,
    /// In lines without a border, where rows are dear.
    Lines,
}

/// A panel's place on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Index in [`PANELS`].
    pub panel: usize,
    pub area: Rect,
    pub form: Form,
}

/// The whole screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub header: Rect,
    /// The newest notice; no height when there is none.
    pub notice: Rect,
    pub spots: Vec<Spot>,
    pub keys: Rect,
}

/// What the layout depends on.
pub struct Facts<'a> {
    /// The panel with the focus, and whether it has the screen for itself.
    pub focus: usize,
    pub zoom: bool,
    pub notice: bool,
    /// Rows (without border) that a panel would like at a width, by index in [`PANELS`].
    pub want: &'a dyn Fn(usize, u16) -> u16,
    /// Rows that a panel's line form takes at a width.
    pub want_lines: &'a dyn Fn(usize, u16) -> u16,
}

/// From this width on two columns of panels stand side by side.
const TWO_COLUMNS: u16 = 140;
/// From this height of the body on the machine's panels get boxes.
const BOXED_STRIP: u16 = 24;

/// Lays out a screen.
pub fn layout(area: Rect, facts: &Facts<'_>) -> Layout {
    let mut rest = area;
    let narrow = area.width < 72;
    let header = take_top(&mut rest, if narrow && area.height >= 9 { 3 } else { 2 });
    let keys = take_bottom(&mut rest, u16::from(area.height >= 4));
    let notice = take_top(&mut rest, u16::from(facts.notice && area.height >= 16));
    let mut spots = Vec::new();
    if facts.zoom || rest.height < 8 || rest.width < 30 {
        spots.push(Spot { panel: facts.focus, area: rest, form: Form::Boxed });
    } else {
        place_strip(&mut rest, facts, &mut spots);
        place_columns(rest, facts, &mut spots);
    }
    spots.retain(|s| s.area.width > 0 && s.area.height > 0);
    Layout { header, notice, spots, keys }
}

fn take_top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let top = Rect { height: rows, ..*rest };
    rest.y += rows;
    rest.height -= rows;
    top
}

fn take_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect { y: rest.y + rest.height, height: rows, ..*rest }
}

fn of_place(place: Place) -> Vec<usize> {
    (0..PANELS.len()).filter(|i| PANELS[*i].place == place).collect()
}

/// Places the panels of the machine in a row, or in lines when rows are dear.
fn place_strip(rest: &mut Rect, facts: &Facts<'_>, spots: &mut Vec<Spot>) {
    let mut strip = of_place(Place::Strip);
    if rest.height >= BOXED_STRIP && rest.width >= 72 {
        while strip.iter().map(|i| PANELS[*i].min.0).sum::<u16>() > rest.width {
            drop_least(&mut strip, facts.focus);
        }
        let n = u16::try_from(strip.len()).unwrap_or(1).max(1);
        let width = rest.width / n;
        let want = strip.iter().map(|i| (facts.want)(*i, width.saturating_sub(2))).max();
        let rows = want.unwrap_or(0).clamp(4, (rest.height / 4).max(4)) + 2;
        let row = take_top(rest, rows);
        let mut x = row.x;
        for (at, panel) in strip.iter().enumerate() {
            let last = at + 1 == strip.len();
            let width = if last { row.x + row.width - x } else { width };
            spots.push(Spot { panel: *panel, area: Rect { x, width, ..row }, form: Form::Boxed });
            x += width;
        }
        return;
    }
    for panel in strip {
        let rows = (facts.want_lines)(panel, rest.width);
        // The list of workers comes first: it keeps two thirds of the rows.
        if rest.height >= 11 && rows <= rest.height / 3 {
            let area = take_top(rest, rows);
            spots.push(Spot { panel, area, form: Form::Lines });
        }
    }
}

fn place_columns(rest: Rect, facts: &Facts<'_>, spots: &mut Vec<Spot>) {
    let (mut left, right) = (of_place(Place::Left), of_place(Place::Right));
    if rest.width >= TWO_COLUMNS && rest.height >= 12 {
        let half = rest.width * 55 / 100;
        stack(Rect { width: half, ..rest }, left, facts, spots);
        let side = Rect { x: rest.x + half, width: rest.width - half, ..rest };
        stack(side, right, facts, spots);
    } else {
        left.extend(right);
        stack(rest, left, facts, spots);
    }
}

/// Places panels one under the other: everyone's least, then wishes by priority, then the rest
/// to the one that can use any number of rows.
fn stack(area: Rect, mut panels: Vec<usize>, facts: &Facts<'_>, spots: &mut Vec<Spot>) {
    while panels.len() > 1 && panels.iter().map(|i| PANELS[*i].min.1).sum::<u16>() > area.height {
        drop_least(&mut panels, facts.focus);
    }
    let mut rows: Vec<u16> = panels.iter().map(|i| PANELS[*i].min.1).collect();
    let mut left = area.height.saturating_sub(rows.iter().sum());
    let mut order: Vec<usize> = (0..panels.len()).collect();
    order.sort_by_key(|at| PANELS[panels[*at]].priority);
    for at in &order {
        let panel = panels[*at];
        let want = (facts.want)(panel, area.width.saturating_sub(2)).saturating_add(2);
        // Nobody takes more than 3/5 while others are there: what comes below must be seen.
        let most = if panels.len() > 1 { (area.height * 3 / 5).max(rows[*at]) } else { u16::MAX };
        let more = want.min(most).saturating_sub(rows[*at]).min(left);
        rows[*at] += more;
        left -= more;
    }
    let grows = |at: &&usize| PANELS[panels[**at]].grows;
    if let Some(at) = order.iter().find(grows).or(order.first()) {
        rows[*at] += left;
    }
    let mut y = area.y;
    for (panel, rows) in panels.iter().zip(rows) {
        let height = rows.min((area.y + area.height).saturating_sub(y));
        spots.push(Spot { panel: *panel, area: Rect { y, height, ..area }, form: Form::Boxed });
        y += height;
    }
}

/// Drops the panel that matters least; the one with the focus stays.
fn drop_least(panels: &mut Vec<usize>, focus: usize) {
    let matters = |i: &usize| -> &Panel { &PANELS[*i] };
    let least = (0..panels.len())
        .filter(|at| panels[*at] != focus)
        .max_by_key(|at| matters(&panels[*at]).priority);
    match least {
        Some(at) => panels.remove(at),
        None => panels.remove(0),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(width: u16, height: u16, focus: usize, zoom: bool) -> Layout {
        let facts = Facts { focus, zoom, notice: false, want: &|_, _| 6, want_lines: &|_, _| 1 };
        layout(Rect::new(0, 0, width, height), &facts)
    }

    #[test]
    fn nothing_overlaps_or_leaves_the_screen_at_any_size() {
        for width in 0..210 {
            for height in 0..70 {
                for focus in 0..PANELS.len() {
                    let layout = at(width, height, focus, false);
                    let mut areas = vec![layout.header, layout.notice, layout.keys];
                    areas.extend(layout.spots.iter().map(|s| s.area));
                    let screen = Rect::new(0, 0, width, height);
                    for (i, a) in areas.iter().enumerate() {
                        assert_eq!(a.intersection(screen).area(), a.area(), "{width}x{height}");
                        for b in &areas[i + 1..] {
                            assert_eq!(a.intersection(*b).area(), 0, "{width}x{height} {a} {b}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_row_of_the_body_stays_empty_where_it_counts() {
        for (width, height) in [(40, 10), (80, 24), (100, 30), (120, 40), (200, 50), (300, 100)] {
            let layout = at(width, height, 2, false);
            let cells: u32 = layout.spots.iter().map(|s| s.area.area()).sum();
            let body =
                u32::from(width) * u32::from(height - layout.header.height - layout.keys.height);
            assert_eq!(cells, body, "{width}x{height}: {:?}", layout.spots);
        }
    }

    #[test]
    fn the_panel_with_the_focus_is_always_there() {
        for (focus, panel) in PANELS.iter().enumerate() {
            for (width, height) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
                for zoom in [false, true] {
                    let layout = at(width, height, focus, zoom);
                    let there = layout.spots.iter().any(|s| s.panel == focus);
                    assert!(there, "{} at {width}x{height}", panel.title);
                }
            }
        }
    }
}
