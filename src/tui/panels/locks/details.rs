//! The selected primitive: what it cost, how it was, who holds it and who waits for it.

use super::shown::{self, Shown};
use super::{Place, Who, foreign, has_details, selected, table_rows, words};
use crate::model::locks::{HolderView, LockState, LockView, Party, WaiterView};
use crate::model::query::Durations;
use crate::model::waits::foreign::{ForeignHolder, ForeignWaiter};
use crate::tui::canvas::{Canvas, Span, spans_width};
use crate::tui::graph::Scale;
use crate::tui::model::Model;
use crate::tui::panels::workers::mark;
use crate::tui::theme::Role;
use crate::tui::zones::Hit;
use crate::tui::{format, graph};
use unicode_width::UnicodeWidthStr;

/// Rows of the graph.
const GRAPH_ROWS: u16 = 3;

/// One row of the list.
pub enum Row<'a> {
    Holder(&'a HolderView),
    Waiter(usize, &'a WaiterView),
    ForeignHolder(&'a ForeignHolder),
    ForeignWaiter(usize, &'a ForeignWaiter),
}

impl<'a> Row<'a> {
    fn party(&self) -> &'a Party {
        match self {
            Row::Holder(holder) => &holder.party,
            Row::Waiter(_, waiter) => &waiter.party,
            Row::ForeignHolder(holder) => &holder.party,
            Row::ForeignWaiter(_, waiter) => &waiter.party,
        }
    }

    /// Its turn, when it waits.
    fn turn(&self) -> Option<usize> {
        match self {
            Row::Waiter(turn, _) | Row::ForeignWaiter(turn, _) => Some(*turn),
            Row::Holder(_) | Row::ForeignHolder(_) => None,
        }
    }

    fn place(&self) -> Place {
        Place { waits: self.turn().is_some(), owner: self.party().owner() }
    }
}

/// Holders, then waiters in the order of their turn; of what is not ganger's own, whose order is
/// not known, those who have waited longest first.
pub fn parties(model: &Model) -> Vec<Row<'_>> {
    match selected(model) {
        None => Vec::new(),
        Some(Shown::Own(lock)) => {
            let waiters = lock.waiters.iter().enumerate().map(|(i, waiter)| Row::Waiter(i, waiter));
            lock.holders.iter().map(Row::Holder).chain(waiters).collect()
        }
        Some(Shown::Foreign(lock)) => {
            let waiters = lock.waiters.iter().enumerate();
            let waiters = waiters.map(|(i, waiter)| Row::ForeignWaiter(i, waiter));
            // Where one is proven to have it, the others who share it say nothing.
            let is_proven = lock.owners().next().is_some();
            let holders = lock.holders.iter().filter(|holder| holder.proven || !is_proven);
            holders.map(Row::ForeignHolder).chain(waiters).collect()
        }
    }
}

/// The one that is chosen.
pub fn chosen(model: &Model) -> Option<(Place, &Party)> {
    let at = model.locks.parties.at;
    let row = parties(model).into_iter().nth(at)?;
    Some((row.place(), row.party()))
}

/// What the list stands on is chosen.
pub fn choose(model: &mut Model) {
    model.locks.place = chosen(model).map(|(place, _)| place);
    super::follow(model);
}

/// What was chosen stays chosen: first as it was, then wherever it went.
pub fn settle(model: &mut Model, size: (u16, u16)) {
    let rows = parties(model);
    let place = model.locks.place;
    let exact = place.and_then(|place| rows.iter().position(|row| row.place() == place));
    let moved = place.and_then(|p| rows.iter().position(|row| row.place().owner == p.owner));
    let n = rows.len();
    if let Some(at) = exact.or(moved) {
        model.locks.parties.at = at;
    }
    let shown = usize::from(list_rows(model, size));
    model.locks.parties.settle(n, shown);
    if model.locks.inside {
        model.locks.inside = n > 0;
        model.locks.place = chosen(model).map(|(place, _)| place);
    }
}

/// Rows for holders and waiters, of all inside the border.
fn list_rows(model: &Model, size: (u16, u16)) -> u16 {
    if !has_details(size) {
        return 0;
    }
    let below = size.1.saturating_sub(1 + table_rows(model, size));
    below.saturating_sub(head_rows(below))
}

/// Rows above the list: a line, numbers, and the graph where there is room.
fn head_rows(height: u16) -> u16 {
    if height >= 11 { 4 + GRAPH_ROWS } else { 3 }
}

/// Draws everything about the selected one.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let Some(shown) = selected(model) else { return };
    let (costs, times) = match shown {
        Shown::Own(lock) => (costs(model, lock), times(model, lock)),
        Shown::Foreign(lock) => (foreign::costs(model, lock), foreign::times(model, lock)),
    };
    draw_line(model, canvas, shown);
    canvas.part(1, 1, width.saturating_sub(2), 1).put_spans_cut(0, 0, &costs);
    canvas.part(1, 2, width.saturating_sub(2), 1).put_spans_cut(0, 0, &times);
    let head = head_rows(height);
    if head > 3 {
        draw_graphs(model, &mut canvas.part(1, 3, width.saturating_sub(2), GRAPH_ROWS), shown);
    }
    let rows = height.saturating_sub(head);
    let all = parties(model);
    if all.is_empty() {
        let text = match shown {
            Shown::Own(_) => "nobody holds it, nobody waits for it",
            Shown::Foreign(_) => "nobody was seen to wait for it at the last look",
        };
        canvas.put_cut(1, head, u16::MAX, text, Role::Idle);
        return;
    }
    let offset = model.locks.parties.offset;
    for (y, row) in all.iter().enumerate().skip(offset).take(usize::from(rows)) {
        let mut line = canvas.part(0, head + (y - offset) as u16, width, 1);
        line.zone_all(Hit::Part { panel: crate::tui::panels::LOCKS, row: y });
        if model.locks.inside && y == model.locks.parties.at {
            mark(&mut line, focused);
        }
        draw_party(model, &mut line, row);
    }
    let told = all.iter().filter(|row| row.turn().is_some()).count() as u64;
    let hidden = u64::from(shown.n_waiters()).saturating_sub(told);
    let shown = all.len().saturating_sub(offset).min(usize::from(rows)) as u16;
    if hidden > 0 && shown < rows {
        let text = format!("and {hidden} more wait");
        canvas.put_cut(2, head + shown, u16::MAX, &text, Role::Dim);
    }
}

/// The line that sets it apart from the table, with its name and what it is.
fn draw_line(model: &Model, canvas: &mut Canvas<'_>, shown: Shown<'_>) {
    let width = canvas.width();
    let line = canvas.glyphs().divider;
    let style = canvas.look.style(Role::Border);
    canvas.repeat(0, 0, width, line, style);
    let dot = canvas.glyphs().dot;
    let mut spans: Vec<Span> = vec![
        (format!(" {} ", shown.marked_title(model)), Role::Strong),
        (format!("{} {dot} {} ", shown.kind(), words::state_of(shown)), Role::Text),
    ];
    if shown.own().is_none() {
        spans.push((format!("{dot} foreign "), Role::Dim));
    }
    if let Some(lock) = shown.own()
        && let LockState::BoundedSemaphore { max, .. } | LockState::Semaphore { max, .. } =
            lock.state
    {
        let wanted =
            model.locks.wanted.as_ref().filter(|(name, n, _)| *name == lock.name && *n != max);
        if let Some((_, n, _)) = wanted {
            spans.push((format!("{} {n} ", model.look.glyphs.arrow), Role::Warn));
        }
        spans.push(("+ - permits ".to_owned(), Role::KeyText));
    }
    canvas.part(1, 0, width.saturating_sub(2), 1).put_spans_cut(0, 0, &spans);
}

fn costs(model: &Model, lock: &LockView) -> Vec<Span> {
    let stats = &lock.stats;
    let number = |n: u64| (format::grouped(n), Role::Strong);
    let word = |text: String| (text, Role::Dim);
    let taken = match lock.state {
        LockState::Queue { .. } => "served",
        LockState::Event { .. } | LockState::Condition | LockState::Barrier { .. } => "passed",
        _ => "taken",
    };
    let mut spans = vec![word(format!("{taken} ")), number(stats.acquisitions)];
    let had_to = stats.waited.min(stats.acquisitions) * 100;
    if let Some(percent) = had_to.checked_div(stats.acquisitions) {
        spans.push(word(format!(", {percent}% had to wait")));
    }
    spans.push(word("   lost ".to_owned()));
    spans.push((format::span_us(stats.lost_us), Role::Strong));
    if let Some(share) = model.history.locks.share(Some(&lock.name), graph::moment(model)) {
        let percent = format::percent(share * 100.0);
        spans.push(word(format!(", {} of the workers' last minute", percent.trim())));
    }
    if let LockState::Queue {
        puts,
        gets,
        kept,
        waiting_putters,
        waiting_getters,
        puts_per_s,
        gets_per_s,
        ..
    } = &lock.state
    {
        spans = vec![
            word("in ".to_owned()),
            number(*puts),
            word(format!(", {}/s   out ", words::per_s(*puts_per_s))),
            number(*gets),
            word(format!(", {}/s   ", words::per_s(*gets_per_s))),
            (
                format!("{} to put", words::wait_now(*waiting_putters)),
                waiter_role(*waiting_putters),
            ),
            word(", ".to_owned()),
            (format!("{waiting_getters} to get"), waiter_role(*waiting_getters)),
            word(format!("   {kept} in hand   lost {}", format::span_us(stats.lost_us))),
        ];
    }
    spans
}

fn waiter_role(n: u32) -> Role {
    if n > 0 { Role::Waiter } else { Role::Dim }
}

/// How long waits and holds took.
fn times(_model: &Model, lock: &LockView) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (word, durations) in [("waits", lock.stats.wait), ("held for", lock.stats.hold)] {
        let Some(d) = durations.filter(|d: &Durations| d.count > 0) else { continue };
        if !spans.is_empty() {
            spans.push(("   ".to_owned(), Role::Dim));
        }
        spans.push((format!("{word} p50 "), Role::Dim));
        spans.push((format::span_us(d.p50_us), Role::Text));
        spans.push((" p95 ".to_owned(), Role::Dim));
        spans.push((format::span_us(d.p95_us), Role::Text));
        spans.push((" max ".to_owned(), Role::Dim));
        spans.push((format::span_us(d.max_us), Role::Text));
    }
    if spans.is_empty() {
        spans.push(("nothing has been waited for or given back yet".to_owned(), Role::Idle));
    }
    spans
}

/// Waiters over time, and beside them what is in a queue.
fn draw_graphs(model: &Model, canvas: &mut Canvas<'_>, shown: Shown<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let queue = match shown {
        Shown::Own(lock) => matches!(lock.state, LockState::Queue { .. }),
        Shown::Foreign(lock) => lock.fill.is_some(),
    };
    let parts: &[bool] = if queue && width >= 60 { &[true, false] } else { &[queue] };
    let each = width / parts.len() as u16;
    for (i, depth) in parts.iter().enumerate() {
        let mut part = canvas.part(i as u16 * each, 0, each, height + 1);
        let cells = each.saturating_sub(graph::SCALE + 1);
        draw_graph(model, &mut part.part(0, 0, each, height), shown, *depth, cells);
    }
}

fn draw_graph(model: &Model, canvas: &mut Canvas<'_>, shown: Shown<'_>, depth: bool, cells: u16) {
    let height = canvas.height();
    let key = shown.key();
    let now = model.axis_now();
    let window = model.history.locks.window(&key, &model.axis, now, cells);
    let of = |point: crate::tui::lock_history::LockPoint| {
        f32::from(if depth { point.depth } else { point.waiters })
    };
    let values: Vec<Option<f32>> = window.iter().map(|point| point.map(of)).collect();
    let peak = values.iter().flatten().copied().fold(0.0, f32::max);
    let capacity = match shown {
        Shown::Own(LockView { state: LockState::Queue { capacity, .. }, .. }) => *capacity,
        Shown::Foreign(lock) => lock.fill.and_then(|fill| fill.capacity),
        Shown::Own(_) => None,
    };
    let room = capacity.filter(|_| depth).map_or(0.0, |max| max as f32);
    let top = graph::round_top(peak.max(room).max(1.0));
    let mut area = canvas.part(0, 0, cells, height);
    graph::history(&mut area, &values, top);
    if peak <= 0.0 {
        let text = if depth { "empty all the time" } else { "nobody waited" };
        area.put_cut(1, height / 2, cells, text, Role::Idle);
    } else {
        let text = if depth { "in it" } else { "waiting" };
        area.put(0, 0, text, Role::Dim);
    }
    graph::time_cursor(model, &mut area, crate::tui::panels::LOCKS);
    let value = model.history.locks.at(&key, graph::moment(model)).map(of);
    let text = |v: f32| format::short_count(v.max(0.0) as u64);
    let scale = Scale { top, value: value.or(Some(0.0)), peak, text };
    graph::scale(model, &mut canvas.part(cells, 0, graph::SCALE, height), &scale);
}

/// `■ w5  index:17  held 0:41 alone`, `○ 2. w2  thumb:3  waits 0:12 shared  has db`.
fn draw_party(model: &Model, row: &mut Canvas<'_>, of: &Row<'_>) {
    let width = row.width();
    let party = of.party();
    let (worker, name) = words::party(model, party);
    let glyphs = row.glyphs();
    let (shape, role) = match of {
        Row::ForeignHolder(holder) if !holder.proven => ("?", Role::Dim),
        Row::Holder(_) | Row::ForeignHolder(_) => (glyphs.holder, Role::Holder),
        Row::Waiter(..) | Row::ForeignWaiter(..) => (glyphs.waiter, Role::Waiter),
    };
    row.put(2, 0, shape, role);
    if let Some(i) = of.turn() {
        row.put_right(6, 0, &(i + 1).to_string(), Role::Dim);
    }
    row.put_cut(7, 0, 9, &worker.unwrap_or_else(|| glyphs.dot.to_owned()), Role::Strong);
    let room = (width / 3).clamp(8, 40);
    row.put_cut(17, 0, room, &name, Role::Text);
    let x = 17 + room + 1;
    let mut spans = facts(model, of);
    if super::in_circle(model, Who::of(party)) && party.proc.is_some() {
        spans.push((format!("  {} circle", glyphs.warning), Role::Bad));
    }
    let has = also_holds(model, party);
    let cells = width.saturating_sub(x);
    if !has.is_empty() && spans_width(&spans) + (has.width() as u16) + 7 <= cells {
        spans.push((format!("  has {has}"), Role::Dim));
    }
    row.part(x, 0, cells, 1).put_spans_cut(0, 0, &spans);
}

fn facts(model: &Model, of: &Row<'_>) -> Vec<Span> {
    let dim = |text: String| (text, Role::Dim);
    match of {
        Row::Holder(holder) => {
            let age = format::age(model.ms_since(holder.since));
            let state = selected(model).and_then(Shown::own).map(|lock| &lock.state);
            if let Some(LockState::Queue { .. }) = state {
                let items = format::plural(u64::from(holder.count), "item");
                return vec![
                    dim("has   ".to_owned()),
                    (format!("{age:>5}"), Role::Text),
                    dim(format!(" {items} in hand")),
                ];
            }
            let mut spans = vec![dim("holds ".to_owned()), (format!("{age:>5}"), Role::Text)];
            if holder.count > 1 {
                spans.push(dim(format!(" {}{}", model.look.glyphs.times, holder.count)));
            }
            let lock = selected(model).and_then(Shown::own);
            let lock = lock.is_some_and(|lock| words::fill(lock).is_none());
            if holder.shared && lock {
                spans.push(dim(" shared".to_owned()));
            }
            spans
        }
        Row::Waiter(_, waiter) => {
            let age = format::age(model.ms_since(waiter.since));
            let mut spans = vec![dim("waits ".to_owned()), (format!("{age:>5}"), Role::Waiter)];
            let what = match waiter.wants.as_str() {
                "exclusive" | "permits" => "",
                "job" => " to start",
                "put" => " to put",
                "get" => " to get",
                "join" => " until all is done",
                other => other,
            };
            let blank = if what.is_empty() || what.starts_with(' ') { "" } else { " " };
            spans.push(dim(format!("{blank}{what}")));
            if let Some(until) = waiter.until {
                let left = until.since(model.now.mono).as_millis() as u64;
                spans.push(dim(format!(", {} more at most", format::age(left))));
            }
            spans
        }
        Row::ForeignHolder(holder) => foreign::holder_facts(holder),
        Row::ForeignWaiter(_, waiter) => foreign::waiter_facts(model, waiter),
    }
}

/// What else somebody holds.
fn also_holds(model: &Model, party: &Party) -> String {
    let who = Who::of(party);
    let others = shown::all(model).filter(|lock| Some(&lock.key()) != model.locks.name.as_ref());
    let held = others.filter(|lock| lock.holders().into_iter().any(|p| Who::of(p) == who));
    held.map(Shown::title).collect::<Vec<_>>().join(", ")
}
