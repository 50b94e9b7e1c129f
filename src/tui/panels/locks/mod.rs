//! What jobs share: who holds, who waits, for how long, and what that costs. A table, the holders
//! and waiters of the selected one below it, and workers by locks as a matrix.

mod circle;
mod details;
mod foreign;
mod frees;
mod matrix;
mod shown;
mod table;
mod words;

use super::{PANELS, Panel};
use crate::model::locks::{LockState, LockView, Name, Owner, Party};
use crate::model::{Command, JobNo, Mono};
use crate::tui::acts;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::list::List;
use crate::tui::model::{Ask, Model, Popup, Selection};
use crate::tui::theme::Role;
use crate::tui::update::Action;
use shown::Shown;
use std::time::Duration;

pub use circle::{draw as draw_circle, look as look_at_circle, rows as circle_rows};
pub use frees::frees;

/// The panel.
pub struct LocksPanel;

/// From this number of rows on there is room for holders and waiters below the table.
const DETAILS_HEIGHT: u16 = 9;
/// From this width on.
const DETAILS_WIDTH: u16 = 56;
/// After this time a number of permits that was asked for no longer counts.
const WANTED_FOR: Duration = Duration::from_secs(3);

/// Who holds or waits, as one row: a job with all of its processes, or an owner without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Job(JobNo),
    Owner(Owner),
}

impl Who {
    fn of(party: &Party) -> Who {
        party.job().map_or(Who::Owner(party.owner()), Who::Job)
    }
}

/// A holder or a waiter of the selected primitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    waits: bool,
    owner: Owner,
}

/// What the panel shows.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    list: List,
    /// The selected one.
    name: Option<Name>,
    /// A person chose it; until then it is the first.
    picked: bool,
    /// In the order of the table.
    rows: Vec<Name>,
    /// Index in [`table::SORTS`].
    by: usize,
    inverted: bool,
    filter: String,
    search: String,
    /// The arrows move among holders and waiters.
    inside: bool,
    parties: List,
    place: Option<Place>,
    /// Workers by locks in place of the table.
    matrix: bool,
    who: Option<Who>,
    matrix_rows: List,
    /// The first column of the matrix that is in sight.
    column: usize,
    /// Permits asked for that no snapshot shows yet.
    wanted: Option<(Name, u32, Mono)>,
}

impl Panel for LocksPanel {
    fn name(&self) -> &'static str {
        "locks"
    }

    fn min(&self) -> (u16, u16) {
        (28, 4)
    }

    fn priority(&self) -> u8 {
        3
    }

    fn is_there(&self, model: &Model) -> bool {
        let shared = &model.snapshot.shared;
        // In a run without primitives of its own it comes when it is asked for.
        shared.total > 0 || (!shared.foreign.is_empty() && is_its_view(model))
    }

    fn want(&self, model: &Model, width: u16) -> u16 {
        let n = shown::all(model).count() as u16;
        // Beside other panels it is a glance; on a row of its own it says everything.
        if width < DETAILS_WIDTH { n.clamp(3, 6) + 1 } else { n.clamp(3, 10) + 14 }
    }

    fn want_lines(&self, _model: &Model, _width: u16) -> Option<u16> {
        Some(1)
    }

    fn draw_lines(&self, model: &Model, canvas: &mut Canvas<'_>) {
        table::draw_line(model, canvas);
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        if model.locks.matrix { matrix::foot(model, width) } else { table::foot(model, width) }
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[
            (Act::Owner, "o holder"),
            (Act::KillMenu, "K kill"),
            (Act::Matrix, "v matrix"),
            (Act::CloseQueue, "C close"),
            (Act::Sort, "s sort"),
        ]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        draw(model, canvas, focused);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        selection(model)
    }

    fn act(&self, model: &mut Model, act: Act, actions: &mut Vec<Action>) -> bool {
        do_act(model, act, actions)
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        if model.locks.matrix {
            matrix::step(model, by);
        } else if model.locks.inside {
            let n = details::parties(model).len();
            model.locks.parties.step(by, n);
            details::choose(model);
        } else {
            model.locks.list.step(by, model.locks.rows.len());
            choose(model);
        }
        true
    }

    fn graph_cells(&self, model: &Model, width: u16) -> u16 {
        if model.locks.matrix { 0 } else { table::graph_cells(model, width) }
    }

    fn settle(&self, model: &mut Model, rows: usize) {
        settle(model, (inside(model).0, rows as u16));
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        if model.locks.matrix {
            matrix::click(model, row);
        } else {
            model.locks.inside = false;
            model.locks.list.at = row;
            choose(model);
        }
    }

    fn click_part(&self, model: &mut Model, row: usize) {
        model.locks.inside = true;
        model.locks.parties.at = row;
        details::choose(model);
    }

    fn click_column(&self, model: &mut Model, column: usize) {
        sort(model, column);
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let rows = usize::from(table_rows(model, inside(model)));
        model.locks.list.scroll_to(share, model.locks.rows.len(), rows);
        choose(model);
    }

    fn ask(&self, model: &mut Model, actions: &mut Vec<Action>) {
        // Looking at everything costs something: only for somebody who looks at this panel.
        if model.focus == super::LOCKS || is_its_view(model) {
            super::waits::ask(model, actions);
        }
    }

    fn search(&self, model: &mut Model, text: &str, _done: bool) -> Result<(), String> {
        text.trim().clone_into(&mut model.locks.search);
        if text.trim().is_empty() || find(model, 0) {
            return Ok(());
        }
        Err(format!("nothing shared has `{}`", text.trim()))
    }

    fn filter(&self, model: &mut Model, text: &str, _done: bool) -> Result<(), String> {
        text.trim().clone_into(&mut model.locks.filter);
        if shown::all(model).any(|lock| words::matches(model, lock, text.trim())) {
            return Ok(());
        }
        Err(format!("nothing shared has `{}`", text.trim()))
    }

    fn filter_text(&self, model: &Model) -> String {
        model.locks.filter.clone()
    }

    fn sorts(&self, model: &Model) -> Option<(&'static [&'static str], usize)> {
        (!model.locks.matrix).then_some((&table::SORTS, model.locks.by))
    }

    fn sort(&self, model: &mut Model, by: usize) {
        if by != model.locks.by {
            sort(model, by);
        }
    }
}

/// Whether the view that is made for it is on the screen.
fn is_its_view(model: &Model) -> bool {
    model.views.get(model.view).is_some_and(|view| view.name == "locks")
}

fn sort(model: &mut Model, by: usize) {
    let inverted = by == model.locks.by && !model.locks.inverted;
    (model.locks.by, model.locks.inverted) = (by, inverted);
}

/// The selected one.
fn selected(model: &Model) -> Option<Shown<'_>> {
    shown::find(model, model.locks.name.as_ref()?)
}

fn lock<'a>(model: &'a Model, name: &Name) -> Option<&'a LockView> {
    model.snapshot.shared.locks.iter().find(|lock| lock.name == *name)
}

fn choose(model: &mut Model) {
    let name = model.locks.rows.get(model.locks.list.at).cloned();
    if name != model.locks.name {
        (model.locks.place, model.locks.parties) = (None, List::default());
    }
    (model.locks.name, model.locks.picked) = (name, true);
    follow(model);
}

/// The output follows whom acts are about.
fn follow(model: &mut Model) {
    if selection(model).is_some() {
        model.source = super::LOCKS;
        model.turn_output(true);
    }
}

/// Whom acts are about: the chosen party, else the first job that holds what is selected.
fn acts_on(model: &Model) -> Option<Who> {
    if model.locks.matrix {
        return model.locks.who;
    }
    if model.locks.inside {
        return details::chosen(model).map(|(_, party)| Who::of(party));
    }
    let lock = selected(model)?;
    let holders: Vec<Who> = lock.holders().into_iter().map(Who::of).collect();
    let job = holders.iter().find(|who| matches!(who, Who::Job(_)));
    job.or(holders.first()).copied()
}

fn selection(model: &Model) -> Option<Selection> {
    let Some(Who::Job(job)) = acts_on(model) else { return None };
    let worker = model.worker_of(job)?;
    Some(model.selection_of(worker, worker.work.as_ref()?))
}

fn do_act(model: &mut Model, act: Act, actions: &mut Vec<Action>) -> bool {
    match act {
        Act::Owner => to_holder(model),
        Act::Matrix => model.locks.matrix = !model.locks.matrix,
        Act::CloseQueue => ask_to_close(model),
        Act::Grow => return more_permits(model, 1, actions),
        Act::Shrink => return more_permits(model, -1, actions),
        Act::Invert => model.locks.inverted = !model.locks.inverted,
        Act::FindNext => find_again(model, 1),
        Act::FindPrevious => find_again(model, -1),
        Act::Left if model.locks.matrix => {
            model.locks.column = model.locks.column.saturating_sub(1);
        }
        Act::Right if model.locks.matrix => model.locks.column += 1,
        Act::Left if model.locks.inside => model.locks.inside = false,
        Act::Back if model.zoom.is_none() && model.axis.cursor.is_none() => return close(model),
        Act::Open if !model.locks.matrix && !model.locks.inside => go_inside(model),
        Act::Right if !model.locks.matrix && !model.locks.inside => go_inside(model),
        Act::KillMenu if model.tags.is_empty() && selection(model).is_none() => {
            let why = words::nobody_to_kill(model);
            acts::refuse(model, &why);
        }
        _ => return false,
    }
    true
}

/// Closes what is open, the innermost first.
fn close(model: &mut Model) -> bool {
    let locks = &mut model.locks;
    let open = locks.inside || locks.matrix || !locks.filter.is_empty();
    if !std::mem::take(&mut locks.inside) && !std::mem::take(&mut locks.matrix) {
        locks.filter.clear();
    }
    open
}

fn go_inside(model: &mut Model) {
    if details::parties(model).is_empty() {
        let what = selected(model).map_or("nothing".to_owned(), Shown::title);
        return acts::refuse(model, &format!("nobody holds {what}, nobody waits for it"));
    }
    turn_to_room(model);
    (model.locks.inside, model.locks.picked) = (true, true);
    details::choose(model);
}

/// Cells inside the border.
fn inside(model: &Model) -> (u16, u16) {
    let layout = model.layout();
    let spot = layout.spots.iter().find(|spot| spot.panel == super::LOCKS);
    let area = spot.map(|spot| spot.area).unwrap_or_default();
    (area.width.saturating_sub(2), area.height.saturating_sub(2))
}

/// Whether holders and waiters have room below the table.
fn has_details((width, height): (u16, u16)) -> bool {
    height >= DETAILS_HEIGHT && width >= DETAILS_WIDTH
}

/// Where the panel is large enough for everything.
fn turn_to_room(model: &mut Model) {
    if has_details(inside(model)) {
        return;
    }
    if let Some(view) = model.views.iter().position(|view| view.name == "locks") {
        model.view = view;
    }
    model.turn_to(super::LOCKS);
}

// ---- from waiter to holder

/// From a waiter to who holds what it waits for; from a holder that waits itself on to what that
/// waits for.
fn to_holder(model: &mut Model) {
    if model.locks.matrix {
        return matrix::to_holder(model);
    }
    let Some(lock) = selected(model) else {
        return look_at_circle(model);
    };
    let name = lock.key();
    let holder = lock.holders().first().map(|party| party.owner());
    let nobody = words::nobody_holds(lock);
    let from = details::chosen(model).filter(|_| model.locks.inside);
    match from.map(|(place, party)| (place.waits, Who::of(party))) {
        Some((false, who)) => match awaited_by(model, who) {
            Some((next, owner)) => go_to(model, &next, Place { waits: true, owner }),
            None if !model.snapshot.shared.deadlocks.is_empty() => look_at_circle(model),
            None => {
                let text = format!("{} waits for nothing", words::of_who(model, who));
                acts::refuse(model, &text);
            }
        },
        Some((true, _)) | None => match holder {
            Some(owner) => go_to(model, &name, Place { waits: false, owner }),
            None if !model.snapshot.shared.deadlocks.is_empty() => look_at_circle(model),
            None => acts::refuse(model, &nobody),
        },
    }
}

/// What somebody waits for, and as which owner.
fn awaited_by(model: &Model, who: Who) -> Option<(Name, Owner)> {
    shown::all(model).find_map(|lock| {
        let waiter = lock.waiters().into_iter().find(|party| Who::of(party) == who)?;
        Some((lock.key(), waiter.owner()))
    })
}

/// Selects a holder or waiter of a primitive.
fn go_to(model: &mut Model, name: &Name, place: Place) {
    model.locks.matrix = false;
    if !model.locks.rows.contains(name) {
        model.locks.filter.clear();
    }
    model.locks.name = Some(name.clone());
    (model.locks.inside, model.locks.place) = (true, Some(place));
    model.locks.picked = true;
    turn_to_room(model);
    follow(model);
}

// ---- acts

/// Gives the selected semaphore more permits, or fewer; `false` when it is none.
fn more_permits(model: &mut Model, sign: i32, actions: &mut Vec<Action>) -> bool {
    let Some(lock) = selected(model).filter(|_| !model.locks.matrix) else { return false };
    let Shown::Own(LockView { name, state, .. }) = lock else {
        let why = words::not_own(lock);
        acts::refuse(model, &why);
        return true;
    };
    let (LockState::Semaphore { max, .. } | LockState::BoundedSemaphore { max, .. }) = state else {
        return false;
    };
    let (name, max, now) = (name.clone(), *max, model.now.mono);
    if model.has_ended() {
        acts::refuse(model, "the run has ended: only looking is left, q leaves");
        return true;
    }
    // Pressing + three times quickly means three more, whatever the last snapshot says.
    let wanted = model
        .locks
        .wanted
        .take()
        .filter(|(of, n, at)| *of == name && *n != max && now.since(*at) < WANTED_FOR);
    let from = wanted.map_or(max, |(_, n, _)| n);
    let to = from.saturating_add_signed(sign.saturating_mul(model.times)).max(1);
    if to == from {
        acts::refuse(model, &format!("semaphore {name} has {from} permit, one is the least"));
        return true;
    }
    let arrow = model.look.glyphs.arrow;
    let what = format!("semaphore {name} {from} {arrow} {to}");
    model.locks.wanted = Some((name.clone(), to, now));
    acts::send(model, Command::ResizeSemaphore { name, max: to }, what, actions);
    true
}

/// Asks before a queue is closed: that cannot be taken back.
fn ask_to_close(model: &mut Model) {
    let Some(lock) = selected(model) else {
        return acts::refuse(model, "select a queue first, then close it");
    };
    let Shown::Own(lock) = lock else {
        let why = words::not_own(lock);
        return acts::refuse(model, &why);
    };
    let LockState::Queue { depth, closed, waiting_putters, waiting_getters, .. } = lock.state
    else {
        let why = format!("{} is a {}, not a queue", lock.name, words::kind(lock));
        return acts::refuse(model, &why);
    };
    let name = lock.name.clone();
    if closed {
        return acts::refuse(model, &format!("queue {name} is closed already"));
    }
    let put = match waiting_putters {
        0 => "whoever puts from now on gets an error".to_owned(),
        n => format!("{} to put and get an error, as all who come", words::wait_now(n)),
    };
    let got = match (depth, waiting_getters) {
        (0, 0) => "it is empty: whoever gets is told that it is over".to_owned(),
        (0, n) => format!("{} to get and are told that it is over", words::wait_now(n)),
        (n, _) => format!("{} can still be got", format::plural(n, "item")),
    };
    let lines = vec![put, got, "this cannot be taken back".to_owned()];
    let title = format!("close queue {name}");
    let command = Command::CloseQueue { name };
    model.popup = Some(Popup::Ask(Ask { title, lines, verb: "close", command }));
}

// ---- search

fn find_again(model: &mut Model, by: isize) {
    if model.locks.search.is_empty() {
        acts::refuse(model, "nothing was searched for: / asks");
    } else if !find(model, by) {
        let why = format!("nothing shared has `{}`", model.locks.search);
        acts::refuse(model, &why);
    }
}

/// Selects the first row that has what was searched for, from `by` rows on and round.
fn find(model: &mut Model, by: isize) -> bool {
    let n = model.locks.rows.len() as isize;
    let step = if by < 0 { -1 } else { 1 };
    let from = model.locks.list.at as isize + by;
    let mut rows = (0..n).map(|i| (from + i * step).rem_euclid(n.max(1)) as usize);
    let has = |row: &usize| {
        let lock = model.locks.rows.get(*row).and_then(|name| shown::find(model, name));
        lock.is_some_and(|lock| words::matches(model, lock, &model.locks.search))
    };
    let Some(at) = rows.find(has) else { return false };
    model.locks.list.at = at;
    choose(model);
    true
}

// ---- drawing

/// Rows that the table has for primitives, of those inside the border.
fn table_rows(model: &Model, (width, height): (u16, u16)) -> u16 {
    let n = (model.locks.rows.len() as u16).max(1);
    if !has_details((width, height)) {
        return height.saturating_sub(1);
    }
    n.min((height * 2 / 5).max(3)).min(height.saturating_sub(1))
}

fn settle(model: &mut Model, size: (u16, u16)) {
    table::order(model);
    if !model.locks.picked {
        (model.locks.name, model.locks.list.at) = (None, 0);
    }
    let at = model.locks.name.as_ref();
    let at = at.and_then(|name| model.locks.rows.iter().position(|row| row == name));
    match at {
        Some(at) => model.locks.list.at = at,
        None => {
            let last = model.locks.rows.len().saturating_sub(1);
            model.locks.list.at = model.locks.list.at.min(last);
            model.locks.name = model.locks.rows.get(model.locks.list.at).cloned();
            model.locks.inside = false;
        }
    }
    let rows = usize::from(table_rows(model, size));
    model.locks.list.settle(model.locks.rows.len(), rows);
    details::settle(model, size);
    matrix::settle(model, size.1);
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    if shown::all(model).next().is_none() {
        let text = match model.snapshot.shared.total {
            0 if model.observes() => "nobody was seen to wait for a lock",
            0 => {
                "nothing is shared: `ganger lock NAME -- CMD`, or `locks: [NAME]` in the task file"
            }
            _ => "waiting for the run",
        };
        canvas.put_cut(1, 0, u16::MAX, text, Role::Dim);
        return;
    }
    if model.locks.matrix {
        return matrix::draw(model, canvas, focused);
    }
    let head = u16::from(height >= 4);
    let rows = table_rows(model, (width, height)) + (1 - head);
    table::draw(model, &mut canvas.part(0, 0, width, head + rows), head, focused);
    let y = head + rows;
    if has_details((width, height)) && y + 2 < height {
        details::draw(model, &mut canvas.part(0, y, width, height - y), focused);
    }
}

fn status(model: &Model) -> Vec<Span> {
    let shared = &model.snapshot.shared;
    let dot = model.look.glyphs.dot;
    let mut spans = vec![(format::grouped(u64::from(shared.total)), Role::Strong)];
    if shared.foreign_total > 0 {
        let foreign = format!("{} foreign", format::grouped(u64::from(shared.foreign_total)));
        match shared.total {
            0 => spans = vec![(foreign, Role::Strong)],
            _ => spans.push((format!(" {dot} {foreign}"), Role::Title)),
        }
    }
    let held = shown::all(model).filter(|lock| !lock.holders().is_empty()).count();
    if held > 0 {
        spans.push((format!(" {dot} {held} held"), Role::Title));
    }
    let waiting: u64 = shown::all(model).map(|lock| u64::from(lock.n_waiters())).sum();
    if waiting > 0 {
        let waiting = format::grouped(waiting);
        spans.push((format!(" {dot} {waiting} waiting"), Role::Waiter));
    }
    let moment = crate::tui::graph::moment(model);
    if let Some(share) = model.history.locks.share(None, moment).filter(|share| *share >= 0.005) {
        let percent = format::percent(share * 100.0);
        let role = if share >= 0.25 { Role::Warn } else { Role::Title };
        spans.push((format!(" {dot} lost {}", percent.trim()), role));
    }
    let circles = shared.deadlocks.len() as u64;
    if circles > 0 {
        spans.push((format!(" {dot} {}", format::plural(circles, "deadlock")), Role::Bad));
    }
    if !model.locks.filter.is_empty() {
        let (n, text) = (model.locks.rows.len(), &model.locks.filter);
        spans.push((format!(" {dot} {n} with `{text}`"), Role::Warn));
    }
    spans
}

/// Whether a job or process is in a circle of waits.
fn in_circle(model: &Model, who: Who) -> bool {
    let members = model.snapshot.shared.deadlocks.iter().flat_map(|deadlock| &deadlock.members);
    members.into_iter().any(|member| Who::of(&member.party) == who)
}

/// The position of the panel is known to others by name.
const _: () = assert!(PANELS.len() > super::LOCKS);
