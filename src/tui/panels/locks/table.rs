//! One row for each primitive: which columns a width has room for, and what stands in them.

use super::shown::{self, Shown};
use super::{foreign, words};
use crate::model::locks::{LockState, LockView, Name, Party};
use crate::model::query::Durations;
use crate::tui::canvas::{Canvas, Span, spans_width};
use crate::tui::format;
use crate::tui::graph::{self, moment};
use crate::tui::model::Model;
use crate::tui::panels::{scroll_bar, workers::mark};
use crate::tui::theme::Role;
use crate::tui::zones::Hit;
use std::cmp::Ordering;
use unicode_width::UnicodeWidthStr;

/// What the table can be sorted by; columns of the same name sort by it.
pub const SORTS: [&str; 6] = ["time lost", "name", "waiters", "wait p95", "hold p95", "taken"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Kind,
    State,
    Holder,
    Held,
    Waiters,
    Share,
    Lost,
    WaitP95,
    HoldP95,
    Taken,
    Waited,
    Flow,
    Graph,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    what: What,
    head: &'static str,
    cells: u16,
    left: bool,
    /// The lower, the sooner it is there when the panel grows.
    rank: u8,
    /// Index in [`SORTS`].
    sort: Option<usize>,
}

const fn words(what: What, head: &'static str, cells: u16, rank: u8) -> Column {
    Column { what, head, cells, left: true, rank, sort: None }
}

const fn number(what: What, head: &'static str, cells: u16, rank: u8, sort: usize) -> Column {
    Column { what, head, cells, left: false, rank, sort: Some(sort) }
}

const GRAPH: u16 = 14;
/// What names of jobs and the graph get before columns of this rank and further ones.
const ROOM_RANK: u8 = 9;
const ROOM: u16 = 26;
const COLUMNS: [Column; 13] = [
    words(What::Kind, "kind", 9, 5),
    words(What::State, "state", 9, 1),
    words(What::Holder, "held by", 7, 0),
    Column { sort: None, ..number(What::Held, "held", 5, 3, 0) },
    number(What::Waiters, "wait", 5, 2, 2),
    number(What::Share, "lost", 5, 6, 0),
    number(What::WaitP95, "w p95", 6, 7, 3),
    number(What::HoldP95, "h p95", 6, 8, 4),
    number(What::Lost, "all lost", 8, 11, 0),
    number(What::Taken, "taken", 6, 9, 5),
    Column { sort: None, ..number(What::Waited, "had to", 6, 12, 0) },
    words(What::Flow, "in/s  out/s", 11, 10),
    words(What::Graph, "", GRAPH, 4),
];

/// Least cells of a name.
const NAME: u16 = 8;

/// Which columns fit, and the cells of names.
fn fitting(model: &Model, width: u16) -> (Vec<Column>, u16) {
    let longest = shown::all(model).map(|lock| lock.marked_title(model).width()).max();
    let longest = (longest.unwrap_or(0) as u16).clamp(NAME, 28);
    // The last cell is the scroll bar's.
    let mut left = width.saturating_sub(3 + NAME);
    let mut ranked = COLUMNS.to_vec();
    ranked.sort_by_key(|column| column.rank);
    let mut fits: Vec<Column> = Vec::new();
    let queues = model.snapshot.shared.locks.iter();
    let queues = queues.filter(|lock| matches!(lock.state, LockState::Queue { .. })).count();
    for column in ranked {
        if column.what == What::Flow && queues == 0 {
            continue;
        }
        let kept = if column.rank >= ROOM_RANK { ROOM } else { 0 };
        if left < column.cells + 1 + kept {
            break;
        }
        left -= column.cells + 1;
        fits.push(column);
    }
    let name = NAME + left.min(longest - NAME);
    left -= name - NAME;
    // Then who holds it with the job's name, then the graph.
    if let Some(holder) = fits.iter_mut().find(|column| column.what == What::Holder) {
        let more = left.min(14);
        holder.cells += more;
        left -= more;
    }
    let mut name = name;
    match fits.iter_mut().find(|column| column.what == What::Graph) {
        Some(graph) => graph.cells += left,
        None => name += left.min(20),
    }
    let shown = COLUMNS.iter().filter_map(|c| fits.iter().find(|f| f.what == c.what).copied());
    (shown.collect(), name)
}

/// Cells of the graphs in a panel whose inside is this wide.
pub fn graph_cells(model: &Model, width: u16) -> u16 {
    let (columns, _) = fitting(model, width);
    columns.iter().find(|column| column.what == What::Graph).map_or(0, |column| column.cells)
}

/// Puts the names in order.
pub fn order(model: &mut Model) {
    let filter = model.locks.filter.clone();
    let fits = |lock: &Shown<'_>| filter.is_empty() || words::matches(model, *lock, &filter);
    let mut rows: Vec<(Shown<'_>, String)> =
        shown::all(model).filter(fits).map(|lock| (lock, lock.title())).collect();
    let p95 = |d: Option<Durations>| d.map_or(0, |d| d.p95_us);
    let wait = |of: Shown<'_>| of.own().map_or(0, |lock| p95(lock.stats.wait));
    let hold = |of: Shown<'_>| of.own().map_or(0, |lock| p95(lock.stats.hold));
    let taken = |of: Shown<'_>| of.own().map_or(0, |lock| lock.stats.acquisitions);
    let by = |a: Shown<'_>, b: Shown<'_>| -> Ordering {
        match SORTS.get(model.locks.by).copied() {
            Some("name") => Ordering::Equal,
            Some("waiters") => b.n_waiters().cmp(&a.n_waiters()),
            Some("wait p95") => wait(b).cmp(&wait(a)),
            Some("hold p95") => hold(b).cmp(&hold(a)),
            Some("taken") => taken(b).cmp(&taken(a)),
            _ => b.lost_us().cmp(&a.lost_us()),
        }
    };
    rows.sort_by(|(a, a_title), (b, b_title)| by(*a, *b).then_with(|| a_title.cmp(b_title)));
    if model.locks.inverted {
        rows.reverse();
    }
    model.locks.rows = rows.into_iter().map(|(lock, _)| lock.key()).collect();
}

/// The time axis under the graphs, and how many there are.
pub fn foot(model: &Model, width: u16) -> Vec<Span> {
    let (columns, _) = fitting(model, width + 4);
    let Some(graph) = columns.iter().find(|column| column.what == What::Graph) else {
        return Vec::new();
    };
    let axis = graph::axis_foot(model, graph.cells.min(width), "");
    let line = model.look.glyphs.corners[4];
    // The graph ends at the right edge of the inside; the foot ends two cells before it.
    let Some(gap) = width.checked_sub(spans_width(&axis)) else { return axis };
    let has = |what| columns.iter().any(|column| column.what == what);
    let mut legend: Vec<String> = Vec::new();
    if !model.snapshot.shared.foreign.is_empty() {
        legend.push(format!("{} not ganger's own: sampled", model.look.glyphs.foreign));
    }
    let p95 = "p95: 95 of 100 waits (w) and holds (h) are shorter".to_owned();
    let room = usize::from(gap).checked_sub(legend.iter().map(|text| text.width() + 2).sum());
    if has(What::HoldP95) && room.is_some_and(|room| p95.width() + 2 <= room) {
        legend.push(p95);
    }
    let words = legend.join("  ");
    match gap.checked_sub(words.width() as u16 + 2) {
        Some(rest) if !words.is_empty() => {
            let line = format!(" {} ", line.repeat(usize::from(rest)));
            [vec![(words, Role::Dim), (line, Role::Border)], axis].concat()
        }
        _ if gap > 0 => [vec![(line.repeat(usize::from(gap)), Role::Border)], axis].concat(),
        _ => axis,
    }
}

/// Draws heads and rows.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, head: u16, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let (columns, name_cells) = fitting(model, width);
    if head > 0 {
        draw_head(model, canvas, &columns, name_cells);
    }
    let offset = model.locks.list.offset;
    let rows = usize::from(height - head);
    for (y, name) in model.locks.rows.iter().skip(offset).take(rows).enumerate() {
        let Some(lock) = shown::find(model, name) else { continue };
        let mut row = canvas.part(0, head + y as u16, width, 1);
        row.zone_all(Hit::Row { panel: crate::tui::panels::LOCKS, row: offset + y });
        if model.locks.name.as_ref() == Some(name) {
            mark(&mut row, focused && !model.locks.inside);
        }
        draw_row(model, &mut row, lock, &columns, name_cells);
    }
    let n = model.locks.rows.len();
    let mut area = canvas.part(0, head, width, height - head);
    scroll_bar(&mut area, crate::tui::panels::LOCKS, offset, n);
}

/// Draws what matters most in one line: `locks  lost 11%  db ■w5 ○3  api 2/3 ○1`.
pub fn draw_line(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let glyphs = canvas.glyphs();
    let x = canvas.put(1, 0, "locks", Role::Title) + 2;
    let mut spans: Vec<Span> = Vec::new();
    if let Some(share) = model.history.locks.share(None, moment(model)) {
        let percent = format::percent(share * 100.0);
        spans.push((format!("lost {:>4}  ", percent.trim()), Role::Dim));
    }
    for name in &model.locks.rows {
        let Some(lock) = shown::find(model, name) else { continue };
        if lock.holders().is_empty() && lock.n_waiters() == 0 {
            continue;
        }
        let mut next = vec![(format!("{} ", lock.marked_title(model)), Role::Text)];
        let is_lock = lock.own().is_none_or(is_lock);
        match lock.holders().first().filter(|_| is_lock) {
            Some(first) => {
                let who = words::short_party(model, first);
                next.push((format!("{}{who}", glyphs.holder), Role::Holder));
            }
            None => next.push((words::state_of(lock), Role::Holder)),
        }
        if lock.n_waiters() > 0 {
            next.push((format!(" {}{}", glyphs.waiter, lock.n_waiters()), Role::Waiter));
        }
        next.push(("   ".to_owned(), Role::Text));
        if x + spans_width(&spans) + spans_width(&next) > width {
            break;
        }
        spans.extend(next);
    }
    canvas.put_spans(x, 0, &spans);
}

fn draw_head(model: &Model, canvas: &mut Canvas<'_>, columns: &[Column], name_cells: u16) {
    let arrow = if model.locks.inverted { "↑" } else { "↓" };
    let mut put = |x: u16, cells: u16, left: bool, head: &str, sort: Option<usize>| {
        let sorted = sort == Some(model.locks.by) && model.locks.by > 0;
        let text = if sorted { format!("{head}{arrow}") } else { head.to_owned() };
        let role = if sorted { Role::Key } else { Role::Heading };
        match left {
            true => _ = canvas.put_cut(x, 0, cells, &text, role),
            false => canvas.put_right(x + cells, 0, &text, role),
        }
        if let Some(column) = sort {
            let panel = crate::tui::panels::LOCKS;
            canvas.zone(x, 0, cells, 1, Hit::Column { panel, column });
        }
    };
    put(2, name_cells, true, "name", Some(1));
    let mut x = 2 + name_cells + 1;
    for column in columns {
        let head = match column.what {
            What::Graph => "waiting, or in the queue",
            _ => column.head,
        };
        put(x, column.cells, column.left, head, column.sort);
        x += column.cells + 1;
    }
}

fn draw_row(
    model: &Model,
    row: &mut Canvas<'_>,
    shown: Shown<'_>,
    columns: &[Column],
    name_cells: u16,
) {
    let waits = shown.n_waiters() > 0;
    let role = if waits { Role::Strong } else { Role::Text };
    row.put_middle(2, 0, name_cells, &shown.marked_title(model), role);
    let mut x = 2 + name_cells + 1;
    let has_state = columns.iter().any(|column| column.what == What::State);
    for column in columns {
        let mut cell = row.part(x, 0, column.cells, 1);
        x += column.cells + 1;
        let lock = match shown {
            Shown::Own(lock) => lock,
            Shown::Foreign(lock) => {
                foreign::draw_cell(model, &mut cell, lock, column.what, has_state);
                continue;
            }
        };
        match column.what {
            What::Graph => draw_graph(model, &mut cell, lock),
            What::State => draw_state(&mut cell, lock),
            What::Holder if has_state || is_lock(lock) => draw_holder(model, &mut cell, lock),
            What::Holder => draw_state(&mut cell, lock),
            What::Flow => {
                if let LockState::Queue { puts_per_s, gets_per_s, .. } = lock.state {
                    cell.put_right(4, 0, &words::per_s(puts_per_s), Role::Dim);
                    cell.put_right(11, 0, &words::per_s(gets_per_s), Role::Dim);
                }
            }
            what => {
                let (text, role) = text(model, lock, what);
                match column.left {
                    true => _ = cell.put_cut(0, 0, column.cells, &text, role),
                    false => cell.put_right(column.cells, 0, text.trim(), role),
                }
            }
        }
    }
}

fn is_lock(lock: &LockView) -> bool {
    matches!(lock.state, LockState::Lock | LockState::Rlock | LockState::Rwlock)
}

fn text(model: &Model, lock: &LockView, what: What) -> (String, Role) {
    let stats = &lock.stats;
    let p95 = |d: Option<Durations>| match d {
        Some(d) => (format::span_us(d.p95_us), Role::Dim),
        None => ("-".to_owned(), Role::Idle),
    };
    match what {
        What::Kind => (words::kind(lock).to_owned(), Role::Dim),
        What::Held => match lock.holders.iter().map(|holder| holder.since).min() {
            Some(since) => (format::age(model.ms_since(since)), Role::Text),
            None => (String::new(), Role::Dim),
        },
        What::Waiters => match waiting(model, &lock.name, lock.n_waiters) {
            0 => (model.look.glyphs.dot.to_owned(), Role::Idle),
            n => (format!("{}{n}", model.look.glyphs.waiter), Role::Waiter),
        },
        What::Share => share(model, &lock.name),
        What::Lost => match stats.lost_us {
            0 => ("-".to_owned(), Role::Idle),
            us => (format::span_us(us), Role::Text),
        },
        What::WaitP95 => p95(stats.wait.filter(|wait| wait.count > 0)),
        What::HoldP95 => p95(stats.hold.filter(|hold| hold.count > 0)),
        What::Taken => (format::short_count(stats.acquisitions), Role::Dim),
        What::Waited => match stats.acquisitions {
            0 => ("-".to_owned(), Role::Idle),
            n => {
                let percent = stats.waited.min(n) as f32 * 100.0 / n as f32;
                (format::percent(percent), Role::Dim)
            }
        },
        _ => (String::new(), Role::Dim),
    }
}

/// Who waits now, or at the time cursor.
pub fn waiting(model: &Model, key: &Name, now: u32) -> u32 {
    match model.axis.cursor {
        Some(at) => model.history.locks.at(key, at).map_or(0, |point| u32::from(point.waiters)),
        None => now,
    }
}

/// What waiting for it cost of the workers' time in the last minute.
pub fn share(model: &Model, key: &Name) -> (String, Role) {
    match model.history.locks.share(Some(key), moment(model)) {
        None => ("-".to_owned(), Role::Idle),
        Some(share) => {
            let role = match share {
                s if s >= 0.25 => Role::Warn,
                s if s >= 0.01 => Role::Text,
                _ => Role::Idle,
            };
            (format::percent(share * 100.0), role)
        }
    }
}

fn draw_holder(model: &Model, cell: &mut Canvas<'_>, lock: &LockView) {
    let parties: Vec<&Party> = lock.holders.iter().map(|holder| &holder.party).collect();
    words::draw_holders(model, cell, &parties);
}

/// The state's word, with a bar before it where it has a fill.
fn draw_state(cell: &mut Canvas<'_>, lock: &LockView) {
    let text = words::state(lock);
    let full = words::fill(lock).is_some_and(|fill| fill >= 1.0);
    let role = match () {
        () if full && lock.n_waiters > 0 => Role::Warn,
        () if text == "free" || text == "clear" => Role::Idle,
        () if text == "broken" => Role::Bad,
        () => Role::Text,
    };
    let width = cell.width();
    let bar = width.saturating_sub(text.width() as u16 + 1).min(4);
    match words::fill(lock).filter(|_| bar >= 3) {
        Some(fill) => {
            let shape = cell.glyphs().bar_full;
            graph::shares(cell, 0, 0, bar, &[(fill, shape, Role::GraphMid)]);
            cell.put(bar + 1, 0, &text, role);
        }
        None => {
            cell.put_cut(0, 0, width, &text, role);
        }
    }
}

/// How many waited over time; of a queue how many items it had.
fn draw_graph(model: &Model, cell: &mut Canvas<'_>, lock: &LockView) {
    let cells = cell.width();
    let now = model.axis_now();
    let window = model.history.locks.window(&lock.name, &model.axis, now, cells);
    let (values, top): (Vec<Option<f32>>, f32) = match &lock.state {
        LockState::Queue { capacity, .. } => {
            let values: Vec<_> = window.iter().map(|p| p.map(|p| f32::from(p.depth))).collect();
            let peak = values.iter().flatten().copied().fold(1.0, f32::max);
            (values, capacity.map_or(peak, |max| max as f32))
        }
        _ => {
            let values: Vec<_> = window.iter().map(|p| p.map(|p| f32::from(p.waiters))).collect();
            let peak = values.iter().flatten().copied().fold(4.0, f32::max);
            (values, peak)
        }
    };
    graph::history(cell, &values, top);
    graph::time_cursor(model, cell, crate::tui::panels::LOCKS);
}
