//! The whole screen from the model: header, panels, key bar, and what lies over them.

use super::canvas::{Canvas, Span, spans_width};
use super::keymap::Act;
use super::layout::{Form, Layout, Spot};
use super::model::Model;
use super::panels::{PANELS, WORKERS};
use super::theme::Role;
use super::zones::{Hit, Zones};
use super::{footer, header, notice, popups};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::cell::RefCell;
use unicode_width::UnicodeWidthStr;

/// Draws everything, and returns what a click on it means.
pub fn draw(model: &Model, buf: &mut Buffer) -> Zones {
    let zones = RefCell::default();
    let layout = model.layout();
    let area = buf.area;
    let look = &model.look;
    Canvas::new(buf, area, look, &zones).clear(Role::Screen);
    header::draw(model, &mut Canvas::new(buf, layout.header, look, &zones));
    notice::draw(model, &mut Canvas::new(buf, layout.notice, look, &zones));
    for spot in &layout.spots {
        panel(model, spot, &mut Canvas::new(buf, spot.area, look, &zones));
    }
    split_zones(&layout, &mut zones.borrow_mut());
    footer::draw(model, &mut Canvas::new(buf, layout.keys, look, &zones));
    popups::draw(model, &mut Canvas::new(buf, area, look, &zones));
    zones.into_inner()
}

/// The borders between panels can be dragged: the left edge of a row's second panel, and the
/// lower edge of every row but the last.
fn split_zones(layout: &Layout, zones: &mut Zones) {
    let boxed: Vec<_> = layout.spots.iter().filter(|s| s.form == Form::Boxed).collect();
    let lowest = boxed.iter().map(|s| s.area.bottom()).max().unwrap_or(0);
    for spot in &boxed {
        let area = spot.area;
        let of_row = || boxed.iter().filter(|s| s.row == spot.row);
        // What stands below a list in its row moves nothing else.
        let is_low = of_row().all(|s| s.area.bottom() <= area.bottom());
        if area.bottom() < lowest && is_low {
            let edge = Rect { y: area.bottom() - 1, height: 1, ..area };
            zones.add(edge, Hit::RowSplit(spot.row));
        }
        let left = of_row().any(|s| s.area.right() == area.x);
        let columns: std::collections::BTreeSet<u16> = of_row().map(|s| s.area.x).collect();
        if left && columns.len() == 2 {
            let inner = area.height.saturating_sub(2);
            let edge = Rect { x: area.x, y: area.y + 1, width: 1, height: inner };
            zones.add(edge, Hit::ColumnSplit(spot.row));
        }
    }
}

/// A panel with its border, title and keys, or its lines.
fn panel(model: &Model, spot: &Spot, canvas: &mut Canvas<'_>) {
    let panel = PANELS[spot.panel];
    canvas.zone_all(Hit::Panel(spot.panel));
    if spot.form == Form::Lines {
        panel.draw_lines(model, canvas);
        return;
    }
    let focused = model.focus == spot.panel;
    let (width, height) = (canvas.width(), canvas.height());
    let (border, title) = match focused {
        true => (Role::BorderFocus, Role::TitleFocus),
        false => (Role::Border, Role::Title),
    };
    canvas.frame(border);
    let room = width.saturating_sub(4);
    let mut spans = vec![
        (number(canvas, spot.panel), Role::Key),
        (format!("{} ", name_of(model, spot)), title),
    ];
    let status = panel.status(model);
    if !status.is_empty() {
        spans.push((canvas.glyphs().corners[4].to_owned(), border));
        spans.push((" ".to_owned(), border));
        spans.extend(status);
    }
    let end = 2 + put_fitting(canvas, 2, 0, room.saturating_sub(1), &spans);
    let end = if panel.status(model).is_empty() { end } else { canvas.put(end, 0, " ", border) };
    if focused {
        let hints: Vec<_> = panel.hints().iter().filter(|(act, _)| model.may(*act)).collect();
        put_hints(model, canvas, &hints, end);
    }
    let mut foot = panel.foot(model, room.saturating_sub(2));
    if !foot.is_empty() && height >= 2 {
        foot.insert(0, (" ".to_owned(), border));
        foot.push((" ".to_owned(), border));
        let cells = spans_width(&foot);
        if cells <= room {
            canvas.put_spans(2, height - 1, &foot);
        }
    }
    let mut inside = canvas.part(1, 1, width.saturating_sub(2), height.saturating_sub(2));
    if inside.width() > 0 && inside.height() > 0 {
        panel.draw(model, &mut inside, focused);
    }
}

/// The title of a panel: without a run there are no workers.
fn name_of(model: &Model, spot: &Spot) -> &'static str {
    match spot.panel {
        WORKERS if model.observes() => "processes",
        panel => PANELS[panel].name(),
    }
}

/// The key that turns to a panel, small and close to its name where there are such digits.
fn number(canvas: &Canvas<'_>, panel: usize) -> String {
    // Keys go to nine.
    let Some(digit) = canvas.glyphs().digits.get(panel + 1) else { return " ".to_owned() };
    if digit.is_ascii() { format!(" {digit} ") } else { format!(" {digit}") }
}

/// Puts pieces while there is room, and returns the cells taken. A fact that a dot sets apart
/// is there whole or not at all; other text is cut.
fn put_fitting(canvas: &mut Canvas<'_>, x: u16, y: u16, room: u16, spans: &[Span]) -> u16 {
    let dot = format!(" {} ", canvas.glyphs().dot);
    let mut at = 0;
    let mut rest = spans;
    while let Some((span, after)) = rest.split_first() {
        let fact = 1 + after.iter().take_while(|(text, _)| !text.starts_with(&dot)).count();
        if span.0.starts_with(&dot) && at + spans_width(&rest[..fact]) > room {
            rest = &rest[fact..];
            continue;
        }
        let left = room.saturating_sub(at);
        at = canvas.put_cut(x + at, y, left, &span.0, span.1).saturating_sub(x);
        rest = after;
    }
    at
}

/// The keys of a panel at the right of its upper border: the key itself stands out. A click on
/// them is the key.
fn put_hints(model: &Model, canvas: &mut Canvas<'_>, hints: &[&(Act, &'static str)], end: u16) {
    let texts = hints.iter().map(|(act, hint)| (*act, hint_text(model, *act, hint)));
    let texts: Vec<_> = texts.filter(|(_, (key, _))| !key.is_empty()).collect();
    let cells = |(_, (key, word)): &(Act, (String, &str))| {
        let word = if word.is_empty() { 0 } else { word.width() + 2 };
        (1 + key.width() + word) as u16
    };
    let all: u16 = texts.iter().map(cells).sum();
    let width = canvas.width();
    if hints.is_empty() || end + all + 3 >= width {
        return;
    }
    let mut x = width - all - 2;
    for hint in &texts {
        let (act, (key, word)) = hint;
        canvas.zone(x, 0, cells(hint), 1, Hit::Act(*act));
        let at = canvas.put(x, 0, " ", Role::BorderFocus);
        let at = canvas.put(at, 0, key, Role::Key);
        if !word.is_empty() {
            canvas.put(at, 0, &format!(" {word} "), Role::KeyText);
        }
        x += cells(hint);
    }
}

/// Key and word of a hint such as `K kill`; the key is the one that holds.
fn hint_text(model: &Model, act: Act, hint: &'static str) -> (String, &'static str) {
    let (key, word) = hint.split_once(' ').unwrap_or((hint, ""));
    (model.keymap.changed_key(act).unwrap_or_else(|| key.to_owned()), word)
}
