//! Who runs what: one row per worker.

mod columns;
mod order;

use super::{Panel, put_label, scroll_bar};
use crate::model::{PoolIdx, WorkerState, WorkerView};
use crate::tui::canvas::{Canvas, Span, spans_width};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Selection};
use crate::tui::theme::Role;
use crate::tui::update::Action;
use crate::tui::zones::Hit;
use columns::{Column, What};
pub use columns::{strip_words, worker_name};
pub use order::Order;
use order::{SORT_NAMES, SORTS};

/// The panel.
pub struct Workers;

impl Panel for Workers {
    fn name(&self) -> &'static str {
        "workers"
    }

    fn priority(&self) -> u8 {
        0
    }

    fn want(&self, model: &Model, _width: u16) -> u16 {
        (model.snapshot.workers.len() as u16).saturating_add(1).max(3)
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        foot(model, width)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[
            (Act::Grow, "+"),
            (Act::Shrink, "- scale"),
            (Act::PauseJob, "P pause"),
            (Act::KillMenu, "K kill"),
            (Act::Sort, "s sort"),
        ]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        draw(model, canvas, focused);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        let worker = model.selected_worker()?;
        Some(model.selection_of(worker, worker.work.as_ref()?))
    }

    fn act(&self, model: &mut Model, act: Act, _actions: &mut Vec<Action>) -> bool {
        match act {
            Act::Invert => model.order.invert(),
            Act::Owner => return to_holder(model),
            Act::FindNext => find(model, 1),
            Act::FindPrevious => find(model, -1),
            // Whatever else is open is closed first.
            Act::Back if model.zoom.is_none() && model.axis.cursor.is_none() => {
                return !std::mem::take(&mut model.order.filter).is_empty();
            }
            _ => return false,
        }
        true
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        order::settle(model);
        model.workers.at = selected_row(model).unwrap_or(model.workers.at);
        model.workers.step(by, model.order.rows.len());
        choose(model);
        true
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        model.workers.at = row;
        choose(model);
    }

    fn click_column(&self, model: &mut Model, column: usize) {
        model.order.sort(column);
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let rows = list_rows(model);
        model.workers.scroll_to(share, model.order.rows.len(), rows);
        choose(model);
    }

    fn settle(&self, model: &mut Model, rows: usize) {
        order::settle(model);
        match selected_row(model) {
            Some(at) => model.workers.at = at,
            None => {
                // What a filter hides must not be what acts mean.
                let last = model.order.rows.len().saturating_sub(1);
                model.workers.at = model.workers.at.min(last);
                model.worker = model.order.rows.get(model.workers.at).copied();
            }
        }
        let rows = rows.saturating_sub(usize::from(head_rows(model)));
        model.workers.settle(model.order.rows.len(), rows);
    }

    fn search(&self, model: &mut Model, text: &str, _done: bool) -> Result<(), String> {
        text.trim().clone_into(&mut model.order.search);
        if text.trim().is_empty() || find_from(model, 0) {
            return Ok(());
        }
        Err(format!("no worker has `{}`", text.trim()))
    }

    fn filter(&self, model: &mut Model, text: &str, _done: bool) -> Result<(), String> {
        text.trim().clone_into(&mut model.order.filter);
        let fits = |w: &WorkerView| order::matches(model, w, text);
        if model.snapshot.workers.iter().any(fits) {
            return Ok(());
        }
        Err(format!("no worker has `{}`", text.trim()))
    }

    fn filter_text(&self, model: &Model) -> String {
        model.order.filter.clone()
    }

    fn sorts(&self, model: &Model) -> Option<(&'static [&'static str], usize)> {
        Some((&SORT_NAMES, model.order.by))
    }

    fn sort(&self, model: &mut Model, by: usize) {
        if by != model.order.by {
            model.order.sort(by);
        }
    }
}

fn selected_row(model: &Model) -> Option<usize> {
    let selected = model.worker?;
    model.order.rows.iter().position(|slot| *slot == selected)
}

fn choose(model: &mut Model) {
    model.worker = model.order.rows.get(model.workers.at).copied();
    model.source = super::WORKERS;
    model.turn_output(true);
}

/// From a worker that waits to the one that has what it waits for; `false` when it waits for
/// nobody.
fn to_holder(model: &mut Model) -> bool {
    let work = model.selected_worker().and_then(|worker| worker.work.as_ref());
    let Some(wait) = work.and_then(|work| work.waits.clone()) else { return false };
    match (wait.holder_job.and_then(|job| model.worker_of(job)), &wait.holder) {
        (Some(worker), _) => {
            model.worker = Some(worker.slot);
            if let Some(at) = selected_row(model) {
                model.workers.at = at;
            }
            model.source = super::WORKERS;
            model.turn_output(true);
        }
        (None, Some(holder)) => {
            let why = format!("{holder} has {}: no running job of this run", wait.what);
            crate::tui::acts::refuse(model, &why);
        }
        (None, None) => {
            let why = format!("anybody may end the wait for {}", wait.what);
            crate::tui::acts::refuse(model, &why);
        }
    }
    true
}

/// The next or previous worker that has what was searched for.
fn find(model: &mut Model, by: isize) {
    if model.order.search.is_empty() {
        crate::tui::acts::refuse(model, "nothing was searched for: / asks");
    } else if !find_from(model, by) {
        let why = format!("no worker has `{}`", model.order.search);
        crate::tui::acts::refuse(model, &why);
    }
}

/// Selects the first worker that has what was searched for, from `by` rows on and round.
fn find_from(model: &mut Model, by: isize) -> bool {
    let n = model.order.rows.len() as isize;
    let step = if by < 0 { -1 } else { 1 };
    let from = model.workers.at as isize + by;
    let rows = (0..n).map(|i| (from + i * step).rem_euclid(n.max(1)) as usize);
    let has = |row: &usize| {
        let worker = worker_at(model, *row);
        worker.is_some_and(|w| order::matches(model, w, &model.order.search))
    };
    let Some(at) = rows.into_iter().find(has) else { return false };
    model.workers.at = at;
    choose(model);
    true
}

fn worker_at(model: &Model, row: usize) -> Option<&WorkerView> {
    let slot = model.order.rows.get(row)?;
    model.snapshot.workers.iter().find(|w| w.slot == *slot)
}

/// The words of the state column, for the help.
pub const STATE_WORDS: [(&str, &str); 10] = [
    ("idle", "waits for work"),
    ("reserved", "taken by the weight of another worker's job"),
    ("start", "its process is being started"),
    ("run", "runs"),
    ("WAIT", "waits for something that others hold or have to bring"),
    ("paused", "stopped with SIGSTOP, its timeout clock too"),
    ("QUIET", "no CPU, no output, no I/O for long: hung?"),
    ("stop 3s", "was told to end; KILL follows in 3 s"),
    ("sweep", "its leader has ended, what it left behind is being ended"),
    ("leaving", "ends with its job: the pool is getting smaller"),
];

fn status(model: &Model) -> Vec<Span> {
    let mut spans = Vec::new();
    let count = |state| model.snapshot.workers.iter().filter(|w| w.state == state).count();
    let busy = model.snapshot.workers.iter().filter(|w| w.work.is_some()).count();
    let dot = model.look.glyphs.dot;
    spans.push((format!("{busy}"), Role::Strong));
    if !model.observes() {
        spans.push((format!(" of {} busy", model.snapshot.workers.len()), Role::Title));
    }
    let quiet = count(WorkerState::Quiet);
    if quiet > 0 {
        spans.push((format!(" {dot} {quiet} QUIET"), Role::Quiet));
    }
    let crowded =
        |w: &&WorkerView| w.work.as_ref().and_then(|w| w.tree).is_some_and(|t| t.oversubscribed);
    let crowded = model.snapshot.workers.iter().filter(crowded).count();
    if crowded > 0 {
        spans.push((format!(" {dot} {crowded} oversubscribed"), Role::Warn));
    }
    if !model.tags.is_empty() {
        spans.push((format!(" {dot} {} tagged", model.tags.len()), Role::Tag));
    }
    if !model.order.filter.is_empty() {
        let shown = model.order.rows.len();
        spans.push((format!(" {dot} {shown} with `{}`", model.order.filter), Role::Warn));
    }
    spans
}

/// Which of the rows are in sight, the sizes of several pools, and the shapes of the strip.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let rows = list_rows(model);
    let n = model.order.rows.len();
    if n > rows {
        let (first, last) = (model.workers.offset + 1, (model.workers.offset + rows).min(n));
        spans.push((format!("{first}-{last} of {n}"), Role::Dim));
    }
    let pools = &model.snapshot.pools;
    for pool in pools.iter().filter(|_| pools.len() > 1) {
        let blank = if spans.is_empty() { "" } else { "  " };
        let paused = if pool.paused { " paused" } else { "" };
        let text = format!("{blank}{} {}/{}{paused}", pool.name, pool.running, pool.size);
        let span = (text, if pool.paused { Role::Paused } else { Role::Dim });
        if spans_width(&spans) + spans_width(std::slice::from_ref(&span)) > width {
            break;
        }
        spans.push(span);
    }
    let (columns, _) = columns::fitting(model, width + 4);
    if columns.iter().any(|c| c.what == What::Strip) {
        let legend = columns::legend(model.look.glyphs);
        let line = model.look.glyphs.corners[4];
        let used = spans_width(&spans) + 1;
        let cells = spans_width(&legend) + 1;
        if spans.is_empty() {
            return if cells <= width + 1 { legend } else { spans };
        }
        if let Some(gap) = width.checked_sub(used + cells) {
            spans.push((format!(" {} ", line.repeat(usize::from(gap))), Role::Border));
            spans.extend(legend);
        }
    } else if model.size.width < 100 && !model.observes() {
        // Why there are so many: the header has no room for it.
        let blank = if spans.is_empty() { "" } else { "  " };
        let why = (format!("{blank}{}", size_text(model)), Role::Dim);
        if spans_width(&spans) + spans_width(std::slice::from_ref(&why)) <= width {
            spans.push(why);
        }
    }
    spans
}

/// Where rows are dear, the columns must speak for themselves.
fn head_rows(model: &Model) -> u16 {
    u16::from(model.size.height >= 14)
}

fn list_rows(model: &Model) -> usize {
    model.rows_of(super::WORKERS).saturating_sub(usize::from(head_rows(model)))
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let n = model.order.rows.len();
    if n == 0 {
        let text = match (model.live, model.order.filter.is_empty()) {
            (true, true) => "no workers: + adds one".to_owned(),
            (true, false) => format!("no worker has `{}`: Esc shows all", model.order.filter),
            (false, _) => "waiting for the run".to_owned(),
        };
        canvas.put_cut(1, 0, u16::MAX, &text, Role::Dim);
        return;
    }
    let (columns, job_cells) = columns::fitting(model, width);
    let slot_cells = columns::slot_cells(model);
    let head = head_rows(model).min(height);
    if head > 0 {
        draw_head(model, canvas, &columns, (slot_cells, job_cells));
    }
    let rows = usize::from(height - head);
    let offset = model.workers.offset;
    for y in 0..rows.min(n.saturating_sub(offset)) {
        let Some(worker) = worker_at(model, offset + y) else { continue };
        let mut row = canvas.part(0, y as u16 + head, width, 1);
        row.zone_all(Hit::Row { panel: super::WORKERS, row: offset + y });
        if Some(worker.slot) == model.worker {
            mark(&mut row, focused);
        }
        draw_row(model, &mut row, worker, &columns, (slot_cells, job_cells));
    }
    let mut area = canvas.part(0, head, width, height - head);
    scroll_bar(&mut area, super::WORKERS, offset, n);
}

/// Lays the colour of the selection under a row and puts the marker that says the same.
pub fn mark(row: &mut Canvas<'_>, focused: bool) {
    let role = if focused { Role::Select } else { Role::SelectBlur };
    let style = row.look.style(role);
    let width = row.width();
    row.repeat(0, 0, width, " ", style);
    row.lay_under(style);
    let marker = row.glyphs().marker;
    row.put(0, 0, marker, if focused { Role::Key } else { Role::Dim });
}

/// The heads; a click sorts, an arrow tells by what the list is sorted.
fn draw_head(model: &Model, canvas: &mut Canvas<'_>, columns: &[Column], cells: (u16, u16)) {
    let (slot_cells, job_cells) = cells;
    let mut put = |x: u16, cells: u16, left: bool, what: What, head: &str| {
        let column = SORTS.iter().position(|sort| *sort == what);
        let sorted = column == Some(model.order.by) && model.order.by > 0;
        let arrow = match (sorted, model.order.descends()) {
            (false, _) => "",
            (true, true) => "↓",
            (true, false) => "↑",
        };
        let text = format!("{head}{arrow}");
        let role = if sorted { Role::Key } else { Role::Heading };
        if left {
            canvas.put_cut(x, 0, cells, &text, role);
        } else {
            canvas.put_right(x + cells, 0, &text, role);
        }
        if let Some(column) = column {
            let from = x.saturating_sub(u16::from(!left));
            canvas.zone(from, 0, cells + 1, 1, Hit::Column { panel: super::WORKERS, column });
        }
    };
    put(0, slot_cells - 1, false, What::Slot, "#");
    let head = if model.observes() { "process" } else { "job" };
    put(slot_cells, job_cells, true, What::Job, head);
    let mut x = slot_cells + job_cells + 1;
    for column in columns {
        put(x, column.cells, column.left, column.what, column.head);
        x += column.cells + 1;
    }
}

fn draw_row(
    model: &Model,
    row: &mut Canvas<'_>,
    worker: &WorkerView,
    columns: &[Column],
    (slot_cells, job_cells): (u16, u16),
) {
    row.put_right(slot_cells - 1, 0, &columns::slot_text(model, worker), Role::Dim);
    match &worker.work {
        Some(work) => {
            if model.tags.contains_key(&work.attempt.job) {
                let tag = row.glyphs().tag;
                row.put(1, 0, tag, Role::Tag);
            }
            put_label(row, slot_cells, job_cells, &model.label(work));
        }
        None => {
            let reason = columns::idle_reason(model, worker);
            let text = if reason.is_empty() { row.glyphs().dot } else { &reason };
            row.put_cut(slot_cells, 0, job_cells, text, Role::Idle);
        }
    }
    let mut x = slot_cells + job_cells + 1;
    for column in columns {
        match (column.what, &worker.work) {
            (What::State, _) => {
                let (word, role) = columns::state_word(model, worker);
                row.put_cut(x, 0, column.cells, &word, role);
            }
            (What::Pool, _) => {
                let pool = model.pool_name(worker.slot.pool);
                row.put_cut(x, 0, column.cells, pool, Role::Dim);
            }
            (What::Strip, _) => columns::draw_strip(model, row, worker, x, column.cells),
            (What::Waits, Some(work)) => {
                let spans = columns::waits_text(model, work);
                row.part(x, 0, column.cells, 1).put_spans_cut(0, 0, &spans);
            }
            (_, None) => {}
            (what, Some(work)) => {
                let (text, role) = columns::cell(model, work, what);
                row.put_right(x + column.cells, 0, &text, role);
            }
        }
        x += column.cells + 1;
    }
}

/// Returns how many workers there are and why, for the header: `6 workers: auto: 2 cores`.
pub fn size_text(model: &Model) -> String {
    let pools = &model.snapshot.pools;
    let Some(pool) = pools.get(usize::from(PoolIdx::DEFAULT.0)) else {
        return String::new();
    };
    let all: u64 = pools.iter().map(|p| u64::from(p.size)).sum();
    if model.observes() {
        return "not started by ganger: it only looks".to_owned();
    }
    let workers = format::plural(all, "worker");
    let of_pools = match pools.len() {
        1 => String::new(),
        n => format!(" in {n} pools"),
    };
    match pool.reason.is_empty() {
        true => format!("{workers}{of_pools}"),
        false => format!("{workers}{of_pools}: {}", pool.reason),
    }
}
