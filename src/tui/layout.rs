//! Where everything stands at a given size. Pure: facts in, rectangles out.
//!
//! A view is rows of panels. Panels drop by priority as space shrinks; the header and the key
//! bar never do, and the panel with the focus is always there.

use super::config::Config;
use super::panels::PANELS;
use ratatui::layout::Rect;
use std::collections::BTreeMap;

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
    /// Row of the view it stands in.
    pub row: usize,
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

/// Rows of panels, by index in [`PANELS`]: those of a row stand side by side.
pub type Rows = Vec<Vec<usize>>;

/// A named arrangement of panels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub name: String,
    pub rows: Rows,
    /// The rows on a screen at least [`WIDE`] cells wide.
    pub wide: Rows,
    /// What stands below a list that needs fewer rows than what stands beside it.
    pub spare: Vec<usize>,
}

impl View {
    /// A view of these rows and nothing else.
    pub fn of(name: &str, rows: Rows) -> View {
        View { name: name.to_owned(), rows, wide: Vec::new(), spare: Vec::new() }
    }
}

/// From this width on a view's wide rows count.
pub const WIDE: u16 = 140;

/// The view everything starts in.
pub const OVERVIEW: usize = 0;

/// A view as it is written here: name, rows and wide rows, by the names of panels.
type Named = (&'static str, &'static [&'static [&'static str]], &'static [&'static [&'static str]]);

/// What stands below a list with rows to spare, by view.
const SPARE: (&str, &[&str]) = ("overview", &["timeline", "events"]);

/// The views that are built in. A panel with a number has a view that it stands in.
const VIEWS: &[Named] = &[
    (
        "overview",
        &[&["cores", "queue", "locks"], &["workers"], &["alerts"], &["output"]],
        &[&["cores", "queue", "locks"], &["workers", "output"], &["alerts"]],
    ),
    ("jobs", &[&["jobs"], &["details"]], &[&["jobs", "details"], &["output"]]),
    ("timeline", &[&["cores", "queue"], &["timeline"]], &[]),
    ("events", &[&["events"]], &[]),
    ("locks", &[&["locks"], &["workers"]], &[&["locks"], &["workers", "output"]]),
    ("waits", &[&["waits"]], &[]),
];

/// Returns the views that are built in.
pub fn built_in_views() -> Vec<View> {
    let rows = |rows: &[&[&str]]| -> Rows {
        let indices = |row: &&[&str]| {
            row.iter().filter_map(|name| super::panels::index_of(name)).collect::<Vec<_>>()
        };
        rows.iter().map(indices).filter(|row| !row.is_empty()).collect()
    };
    let view = |(name, narrow, wide): &Named| View {
        name: (*name).to_owned(),
        rows: rows(narrow),
        wide: rows(wide),
        spare: if *name == SPARE.0 { rows(&[SPARE.1]).concat() } else { Vec::new() },
    };
    VIEWS.iter().map(view).filter(|view| !view.rows.is_empty()).collect()
}

/// Returns the views of a tree of processes that is no run.
pub fn views_of_tree() -> Vec<View> {
    let row = |names: &[&str]| -> Vec<usize> {
        names.iter().filter_map(|name| super::panels::index_of(name)).collect()
    };
    let rows = vec![row(&["cores"]), row(&["workers"]), row(&["waits"])];
    vec![
        View::of("overview", rows),
        View::of("waits", vec![row(&["waits"])]),
        View::of("locks", vec![row(&["locks"]), row(&["workers"])]),
    ]
}

/// Puts the layouts of a configuration in place of the built-in ones; returns what is wrong with
/// them. `overview.wide` is the overview on a wide screen; without it the layout holds for all.
/// `overview.spare` is what stands below lists with rows to spare.
pub fn arrange(views: &mut [View], config: &Config) -> Vec<String> {
    let names_of = |v: &View| [v.name.clone(), format!("{}.wide", v.name), spare_of(&v.name)];
    let names: Vec<_> = views.iter().flat_map(names_of).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let panels: Vec<&str> = PANELS.iter().map(|p| p.name()).collect();
    let warnings = config.check_layouts(&names, &panels);
    for (name, rows) in &config.layouts {
        let (name, part) = match name.split_once('.') {
            Some((name, part)) => (name, part),
            None => (name.as_str(), ""),
        };
        let index = |name: &String| super::panels::index_of(name);
        let rows: Rows = rows.iter().map(|row| row.iter().filter_map(index).collect()).collect();
        let rows: Rows = rows.into_iter().filter(|row: &Vec<usize>| !row.is_empty()).collect();
        let Some(view) = views.iter_mut().find(|v| v.name == name) else { continue };
        if rows.is_empty() {
            continue;
        }
        match part {
            "wide" => view.wide = rows,
            "spare" => view.spare = rows.concat(),
            _ => {
                view.rows = rows;
                if !config.layouts.contains_key(&format!("{name}.wide")) {
                    view.wide.clear();
                }
                if !config.layouts.contains_key(&spare_of(name)) {
                    view.spare.clear();
                }
            }
        }
    }
    warnings
}

fn spare_of(view: &str) -> String {
    format!("{view}.spare")
}

/// Returns the view that shows a panel: the present one if it does, else the first that does.
pub fn view_with(views: &[View], present: usize, panel: usize) -> Option<usize> {
    let shows = |view: &View| view.rows.iter().flatten().any(|i| *i == panel);
    match views.get(present) {
        Some(view) if shows(view) => Some(present),
        _ => views.iter().position(shows),
    }
}

/// What a person set by dragging: rows of a row of panels, cells of the first panel of a row of
/// two, by view and row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Splits {
    pub rows: BTreeMap<(usize, usize), u16>,
    pub columns: BTreeMap<(usize, usize), u16>,
}

/// What the layout depends on.
pub struct Facts<'a> {
    /// The panel with the focus, and whether it has the screen for itself.
    pub focus: usize,
    pub zoom: bool,
    /// Rows of what matters most now; on a small screen there is none.
    pub notice: u16,
    /// Panels that have something to show.
    pub there: &'a dyn Fn(usize) -> bool,
    /// The view and its number.
    pub view: &'a View,
    pub view_no: usize,
    pub splits: &'a Splits,
    /// Rows (without border) that a panel would like at a width, by index in [`PANELS`].
    pub want: &'a dyn Fn(usize, u16) -> u16,
    /// Rows that a panel's line form takes at a width, `None` without such a form.
    pub want_lines: &'a dyn Fn(usize, u16) -> Option<u16>,
}

/// From this height of the body on the panels that have a line form get boxes.
const BOXED: u16 = 24;
/// Narrower than this every panel has a row of its own.
const SIDE_BY_SIDE: u16 = 72;

/// Lays out a screen.
pub fn layout(area: Rect, facts: &Facts<'_>) -> Layout {
    let mut rest = area;
    let narrow = area.width < SIDE_BY_SIDE;
    let header = take_top(&mut rest, if narrow && area.height >= 9 { 3 } else { 2 });
    let keys = take_bottom(&mut rest, u16::from(area.height >= 4));
    let notice = take_top(&mut rest, facts.notice);
    let mut spots = Vec::new();
    if facts.zoom || rest.height < 8 || rest.width < 30 {
        spots.push(Spot { panel: facts.focus, area: rest, form: Form::Boxed, row: 0 });
    } else {
        place_rows(rest, facts, &mut spots);
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

/// A row of panels on its way to its place.
struct Row {
    /// Its number in the view.
    no: usize,
    panels: Vec<usize>,
    height: u16,
}

impl Row {
    fn least(&self) -> u16 {
        self.panels.iter().map(|i| PANELS[*i].min().1).max().unwrap_or(0)
    }

    fn priority(&self) -> u8 {
        self.panels.iter().map(|i| PANELS[*i].priority()).min().unwrap_or(u8::MAX)
    }

    fn grows(&self) -> bool {
        self.panels.iter().any(|i| PANELS[*i].grows())
    }
}

fn place_rows(mut rest: Rect, facts: &Facts<'_>, spots: &mut Vec<Spot>) {
    let wide = rest.width >= WIDE && !facts.view.wide.is_empty();
    let rows = if wide { &facts.view.wide } else { &facts.view.rows };
    let mut boxed: Vec<Row> = Vec::new();
    let lines = rest.height < BOXED || rest.width < SIDE_BY_SIDE;
    for (no, row) in rows.iter().enumerate() {
        let here = |panel: &&usize| (facts.there)(**panel) || facts.focus == **panel;
        let row: &Vec<usize> = &row.iter().filter(here).copied().collect();
        if row.is_empty() {
            continue;
        }
        let fits = row.iter().map(|i| PANELS[*i].min().0).sum::<u16>() <= rest.width;
        let split = !fits || rest.width < SIDE_BY_SIDE;
        let width = rest.width;
        let in_lines = |panel: &&usize| lines && (facts.want_lines)(**panel, width).is_some();
        for panel in row.iter().filter(in_lines) {
            place_lines(*panel, no, &mut rest, facts, spots);
        }
        let others: Vec<usize> = row.iter().filter(|p| !in_lines(p)).copied().collect();
        if split {
            boxed.extend(others.iter().map(|i| Row { no, panels: vec![*i], height: 0 }));
        } else if !others.is_empty() {
            boxed.push(Row { no, panels: others, height: 0 });
        }
    }
    place_boxed(rest, boxed, facts, spots);
}

/// Places a panel in its line form, if there is room for it.
fn place_lines(
    panel: usize,
    row: usize,
    rest: &mut Rect,
    facts: &Facts<'_>,
    spots: &mut Vec<Spot>,
) {
    let Some(rows) = (facts.want_lines)(panel, rest.width) else { return };
    // The lists come first: they keep two thirds of the rows.
    if rest.height >= 11 && rows <= rest.height / 3 && facts.focus != panel {
        let area = take_top(rest, rows);
        spots.push(Spot { panel, area, form: Form::Lines, row });
    } else if facts.focus == panel {
        let area = take_top(rest, (facts.want)(panel, rest.width).clamp(4, rest.height / 2) + 2);
        spots.push(Spot { panel, area, form: Form::Boxed, row });
    }
}

fn place_boxed(area: Rect, mut rows: Vec<Row>, facts: &Facts<'_>, spots: &mut Vec<Spot>) {
    while rows.len() > 1 && rows.iter().map(Row::least).sum::<u16>() > area.height {
        drop_least(&mut rows, facts.focus);
    }
    share_height(area, &mut rows, facts);
    let mut y = area.y;
    for row in &rows {
        let height = row.height.min((area.y + area.height).saturating_sub(y));
        place_row(Rect { y, height, ..area }, row, facts, spots);
        y += height;
    }
}

/// Gives everyone's least, then what a person dragged, then wishes by priority, then the rest
/// to the row that can use any number of rows.
fn share_height(area: Rect, rows: &mut [Row], facts: &Facts<'_>) {
    let n = rows.len();
    for row in rows.iter_mut() {
        row.height = row.least();
    }
    let mut left = area.height.saturating_sub(rows.iter().map(|r| r.height).sum());
    let mut order: Vec<usize> = (0..n).collect();
    // Whoever is looked at comes first where rows are scarce.
    order.sort_by_key(|at| (!rows[*at].panels.contains(&facts.focus), rows[*at].priority()));
    for at in &order {
        let row = &mut rows[*at];
        let each = area.width / row.panels.len().max(1) as u16;
        let want = row.panels.iter().map(|i| (facts.want)(*i, each.saturating_sub(2)));
        let want = want.max().unwrap_or(0).saturating_add(2);
        // Nobody takes more than 3/5 while others are there: what comes below must be seen.
        let most = if n > 1 { (area.height * 3 / 5).max(row.height) } else { u16::MAX };
        let dragged = facts.splits.rows.get(&(facts.view_no, row.no)).copied();
        let more = dragged.unwrap_or(want.min(most)).saturating_sub(row.height).min(left);
        row.height += more;
        left -= more;
    }
    let free = |at: &&usize| !facts.splits.rows.contains_key(&(facts.view_no, rows[**at].no));
    order.sort_by_key(|at| rows[*at].priority());
    let grows = order.iter().find(|at| rows[**at].grows() && free(at));
    if let Some(at) = grows.or(order.iter().rev().find(free)).or(order.last()) {
        rows[*at].height += left;
    }
}

fn place_row(area: Rect, row: &Row, facts: &Facts<'_>, spots: &mut Vec<Spot>) {
    let n = row.panels.len() as u16;
    let mut x = area.x;
    for (at, panel) in row.panels.iter().enumerate() {
        let last = at + 1 == row.panels.len();
        let least = PANELS[*panel].min().0;
        let others: u16 = row.panels[at + 1..].iter().map(|i| PANELS[*i].min().0).sum();
        let room = (area.x + area.width).saturating_sub(x);
        let dragged = facts.splits.columns.get(&(facts.view_no, row.no)).filter(|_| at == 0);
        let wish = dragged.copied().unwrap_or(area.width * weight(row, at) / total_weight(row));
        let width =
            if last { room } else { wish.clamp(least, room.saturating_sub(others).max(least)) };
        let mut area = Rect { x, width: width.min(room), ..area };
        let below = if n > 1 && row.grows() && !PANELS[*panel].grows() {
            spare_below(*panel, &mut area, row.no, facts)
        } else {
            Vec::new()
        };
        spots.push(Spot { panel: *panel, area, form: Form::Boxed, row: row.no });
        spots.extend(below);
        x = x.saturating_add(width);
    }
    debug_assert!(n > 0);
}

/// Fewer rows than this with border are not given away: a panel would be there for nothing.
const SPARE_ROWS: u16 = 7;

/// Takes from a list the rows that it does not need, and gives them to what is useful there.
fn spare_below(panel: usize, area: &mut Rect, row: usize, facts: &Facts<'_>) -> Vec<Spot> {
    let want = |panel: usize| {
        (facts.want)(panel, area.width.saturating_sub(2))
            .saturating_add(2)
            .max(PANELS[panel].min().1)
    };
    let in_rows = |panel: &usize| {
        [&facts.view.rows, &facts.view.wide].iter().any(|r| r.concat().contains(panel))
    };
    let mut left = area.height.saturating_sub(want(panel));
    let fits = |panel: &usize| PANELS[*panel].min().0 <= area.width && (facts.there)(*panel);
    let mut below = Vec::new();
    for panel in facts.view.spare.iter().copied().filter(|p| fits(p) && !in_rows(p)) {
        let least = SPARE_ROWS.max(PANELS[panel].min().1);
        if left >= least {
            let rows = want(panel).clamp(least, left);
            below.push((panel, rows));
            left -= rows;
        }
    }
    // What is left then is too little for anybody else.
    if let Some((_, rows)) = below.last_mut() {
        *rows += left;
    }
    let all: u16 = below.iter().map(|(_, rows)| *rows).sum();
    area.height -= all;
    let mut y = area.y + area.height;
    let spot = |(panel, rows)| {
        let area = Rect { y, height: rows, ..*area };
        y += rows;
        Spot { panel, area, form: Form::Boxed, row }
    };
    below.into_iter().map(spot).collect()
}

/// A list with many columns takes more of its row than what stands beside it.
fn weight(row: &Row, at: usize) -> u16 {
    if at == 0 && row.panels.len() == 2 && row.grows() { 11 } else { 10 }
}

fn total_weight(row: &Row) -> u16 {
    let n = row.panels.len();
    (0..n).map(|at| if at > 0 && n == 2 && row.grows() { 9 } else { weight(row, at) }).sum()
}

/// Drops the row that matters least; the one with the focus stays.
fn drop_least(rows: &mut Vec<Row>, focus: usize) {
    let others = (0..rows.len()).filter(|at| !rows[*at].panels.contains(&focus));
    match others.max_by_key(|at| rows[*at].priority()) {
        Some(at) => rows.remove(at),
        None => rows.remove(0),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view that has the panel, as the screen chooses it.
    fn at(width: u16, height: u16, focus: usize, zoom: bool) -> Layout {
        let views = built_in_views();
        let view_no = view_with(&views, OVERVIEW, focus);
        let alone = View::of("", vec![vec![focus]]);
        let facts = Facts {
            focus,
            zoom,
            notice: 0,
            there: &|_| true,
            view: view_no.map_or(&alone, |no| &views[no]),
            view_no: 0,
            splits: &Splits::default(),
            want: &|_, _| 6,
            want_lines: &|i, _| (i < 2).then_some(1),
        };
        layout(Rect::new(0, 0, width, height), &facts)
    }

    #[test]
    fn nothing_overlaps_or_leaves_the_screen_at_any_size() {
        for width in (0..210).chain([300]) {
            for height in (0..70).chain([100]) {
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
            for focus in 0..PANELS.len() {
                let layout = at(width, height, focus, false);
                let cells: u32 = layout.spots.iter().map(|s| s.area.area()).sum();
                let body = u32::from(width)
                    * u32::from(height - layout.header.height - layout.keys.height);
                assert_eq!(cells, body, "{width}x{height}: {:?}", layout.spots);
            }
        }
    }

    #[test]
    fn the_panel_with_the_focus_is_always_there() {
        for (focus, panel) in PANELS.iter().enumerate() {
            for (width, height) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
                for zoom in [false, true] {
                    let layout = at(width, height, focus, zoom);
                    let there = layout.spots.iter().any(|s| s.panel == focus);
                    assert!(there, "{} at {width}x{height}", panel.name());
                }
            }
        }
    }

    #[test]
    fn a_configuration_arranges_the_panels() {
        let text = "layouts:\n  overview: [[workers], [output, cores]]\n  nope: [[workers]]\n";
        let (config, warnings) = Config::parse("config.yaml", text);
        assert!(warnings.is_empty(), "{warnings:?}");
        let mut views = built_in_views();
        let warnings = arrange(&mut views, &config);
        assert!(warnings.len() == 1 && warnings[0].contains("nope"), "{warnings:?}");
        let index = |name| super::super::panels::index_of(name).unwrap();
        let (workers, output, cores) = (index("workers"), index("output"), index("cores"));
        assert_eq!(views[OVERVIEW].rows, [vec![workers], vec![output, cores]]);
        assert!(views[OVERVIEW].wide.is_empty() && views[OVERVIEW].spare.is_empty());
        let text = "layouts:\n  overview.spare: [[events]]\n";
        let (config, _) = Config::parse("config.yaml", text);
        let mut views = built_in_views();
        assert!(arrange(&mut views, &config).is_empty());
        assert_eq!(views[OVERVIEW].spare, [index("events")]);
        assert!(!views[OVERVIEW].wide.is_empty());
    }

    #[test]
    fn what_a_list_does_not_need_is_given_away_on_a_large_screen() {
        let shown = |width, height| {
            let layout = at(width, height, super::super::panels::WORKERS, false);
            let spots = layout.spots.iter().map(|s| (PANELS[s.panel].name(), s.area.height));
            spots.collect::<std::collections::BTreeMap<_, _>>()
        };
        let large = shown(200, 50);
        assert_eq!((large["workers"], large["timeline"]), (8, 8));
        assert_eq!(large["output"], large["workers"] + large["timeline"] + large["events"]);
        let low = shown(200, 40);
        assert_eq!((low["workers"], low.contains_key("events")), (8, false));
        assert_eq!(low["output"], low["workers"] + low["timeline"]);
        assert!(!shown(200, 30).contains_key("timeline") && !shown(120, 60).contains_key("events"));
    }

    #[test]
    fn what_was_dragged_holds_as_far_as_there_is_room() {
        let views = built_in_views();
        let mut splits = Splits::default();
        splits.rows.insert((0, 1), 20);
        splits.columns.insert((0, 0), 70);
        let facts = Facts {
            focus: 2,
            zoom: false,
            notice: 0,
            there: &|panel| panel != super::super::panels::LOCKS,
            view: &views[0],
            view_no: 0,
            splits: &splits,
            want: &|_, _| 6,
            want_lines: &|_, _| None,
        };
        let layout = layout(Rect::new(0, 0, 120, 60), &facts);
        let spot = |panel| layout.spots.iter().find(|s| s.panel == panel).unwrap().area;
        assert_eq!((spot(0).width, spot(1).width), (70, 50));
        assert_eq!(spot(2).height, 20);
    }
}
