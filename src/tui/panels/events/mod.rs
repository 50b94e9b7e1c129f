//! What has happened, the newest at the bottom, and who asked for it.

mod list;
mod rows;
mod words;

use super::{Panel, scroll_bar};
use crate::model::query::Reply;
use crate::tui::acts;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Selection};
use crate::tui::theme::Role;
use crate::tui::update::Action;
pub use list::EventList;

/// The panel.
pub struct EventsPanel;

impl Panel for EventsPanel {
    fn name(&self) -> &'static str {
        "events"
    }

    fn min(&self) -> (u16, u16) {
        (30, 3)
    }

    fn priority(&self) -> u8 {
        2
    }

    fn grows(&self) -> bool {
        true
    }

    fn want(&self, model: &Model, _width: u16) -> u16 {
        (model.events.rows.len() as u16).clamp(4, 40)
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, _width: u16) -> Vec<Span> {
        foot(model)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[
            (Act::Filter, "f filter"),
            (Act::Find, "/ search"),
            (Act::Last, "End newest"),
            (Act::Open, "Enter output"),
        ]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        draw(model, canvas, focused);
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        list::selection(model)
    }

    fn act(&self, model: &mut Model, act: Act, _actions: &mut Vec<Action>) -> bool {
        match act {
            Act::First => {
                model.events.to_first();
                choose(model);
            }
            Act::Last => model.events.to_last(),
            Act::FindNext => find(model, 1),
            Act::FindPrevious => find(model, -1),
            // Whatever else is open is closed first.
            Act::Back if model.zoom.is_none() && model.axis.cursor.is_none() => {
                return model.events.set_filter("", words::no_filter());
            }
            _ => return false,
        }
        true
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        model.events.step(by);
        choose(model);
        true
    }

    fn settle(&self, model: &mut Model, height: usize) {
        model.events.settle(height.saturating_sub(usize::from(head_rows(height))));
    }

    fn ask(&self, model: &mut Model, actions: &mut Vec<Action>) {
        list::ask(model, actions);
    }

    fn take(&self, model: &mut Model, tag: u64, reply: Result<Reply, String>) {
        list::take(model, tag, reply);
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        model.events.select(row);
        choose(model);
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let height = model.rows_of(super::EVENTS);
        let rows = height.saturating_sub(usize::from(head_rows(height)));
        model.events.scroll_to(share, rows);
        choose(model);
    }

    fn search(&self, model: &mut Model, text: &str, _done: bool) -> Result<(), String> {
        text.trim().clone_into(&mut model.events.search);
        if text.trim().is_empty() || find_from(model, 0, -1) {
            return Ok(());
        }
        Err(format!("nothing has `{}`: f looks at older events too", text.trim()))
    }

    fn filter(&self, model: &mut Model, text: &str, _done: bool) -> Result<(), String> {
        let filter = words::parse(model, text)?;
        model.events.set_filter(text, filter);
        Ok(())
    }

    fn filter_text(&self, model: &Model) -> String {
        model.events.filter_text.clone()
    }
}

/// The row that the list stands on is what acts mean; while it follows, none is.
fn choose(model: &mut Model) {
    model.source = super::EVENTS;
    model.turn_output(true);
}

/// The next event (`by` 1) or the one before that has what was searched for.
fn find(model: &mut Model, by: isize) {
    if model.events.search.is_empty() {
        acts::refuse(model, "nothing was searched for: / asks");
    } else if !find_from(model, by, by) {
        let why = format!("nothing has `{}`: f looks at older events too", model.events.search);
        acts::refuse(model, &why);
    }
}

fn find_from(model: &mut Model, first: isize, by: isize) -> bool {
    let n = model.events.rows.len() as isize;
    let from = model.events.at() as isize + first;
    let rows = (0..n).map(|i| (from + i * by).rem_euclid(n.max(1)) as usize);
    let Some(at) = rows.into_iter().find(|row| model.events.has(*row)) else { return false };
    model.events.select(at);
    choose(model);
    true
}

fn status(model: &Model) -> Vec<Span> {
    let events = &model.events;
    let dot = model.look.glyphs.dot;
    let mut spans = vec![(format::grouped(events.newest), Role::Strong)];
    if !events.filter_text.is_empty() {
        let text = format!(" {dot} only `{}`", events.filter_text);
        spans.push((text, Role::Warn));
    }
    if events.is_held() {
        let below = events.below();
        let text = match below {
            0 => format!(" {dot} held"),
            n => format!(" {dot} held, {} newer", format::grouped(n)),
        };
        spans.push((text, Role::Paused));
    }
    spans
}

/// Which of the rows are in sight, and how far back they are kept.
fn foot(model: &Model) -> Vec<Span> {
    let events = &model.events;
    let mut spans = Vec::new();
    if events.oldest > 1 {
        let dropped = format::grouped(events.oldest - 1);
        spans.push((format!("the oldest {dropped} are not kept"), Role::Dim));
    }
    spans
}

/// Where rows are dear, the columns must speak for themselves.
fn head_rows(height: usize) -> u16 {
    u16::from(height >= 8)
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let events = &model.events;
    if events.rows.is_empty() {
        let (text, role) = match (&events.error, events.known(), events.filter_text.is_empty()) {
            (Some(error), ..) => (error.clone(), Role::Bad),
            (None, false, _) if !model.output.offline => {
                ("waiting for the events".to_owned(), Role::Dim)
            }
            (None, _, true) => ("nothing has happened".to_owned(), Role::Dim),
            (None, _, false) => {
                (format!("nothing is `{}`: Esc shows all", events.filter_text), Role::Dim)
            }
        };
        canvas.put_cut(1, 0, u16::MAX, &text, role);
        return;
    }
    let columns = rows::Columns::of(model, width);
    let head = head_rows(usize::from(height));
    if head > 0 {
        rows::draw_head(canvas, &columns);
    }
    let n = events.rows.len();
    for y in 0..height - head {
        let at = events.offset() + usize::from(y);
        let Some(event) = events.rows.get(at) else { break };
        let mut row = canvas.part(0, head + y, width, 1);
        rows::draw_row(model, &mut row, (at, event), &columns, focused);
    }
    let mut area = canvas.part(0, head, width, height - head);
    scroll_bar(&mut area, super::EVENTS, events.offset(), n);
}
