//! What the mouse does: the same as keys, where one points.

use super::model::{Model, Popup};
use super::panels::PANELS;
use super::popups;
use super::update::{Action, perform, step};
use super::zones::Hit;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

/// Rows that one notch of the wheel moves.
const NOTCH: isize = 3;

/// Takes in a movement or a click; returns whether it meant anything.
pub fn on_mouse(model: &mut Model, event: MouseEvent, actions: &mut Vec<Action>) -> bool {
    let (x, y) = (event.column, event.row);
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => match model.zones.at(x, y) {
            Some(zone) => {
                model.drag = Some(zone);
                press(model, zone, (x, y), actions);
            }
            None => return false,
        },
        MouseEventKind::Drag(MouseButton::Left) => match model.drag {
            Some(zone) => drag(model, zone, (x, y)),
            None => return false,
        },
        MouseEventKind::Up(_) => {
            model.drag = None;
            return false;
        }
        MouseEventKind::ScrollUp => wheel(model, (x, y), -NOTCH, actions),
        MouseEventKind::ScrollDown => wheel(model, (x, y), NOTCH, actions),
        MouseEventKind::ScrollLeft => model.axis.pan(-1, model.axis_now()),
        MouseEventKind::ScrollRight => model.axis.pan(1, model.axis_now()),
        _ => return false,
    }
    true
}

fn press(model: &mut Model, zone: (Rect, Hit), at: (u16, u16), actions: &mut Vec<Action>) {
    match zone.1 {
        Hit::Choice(choice) => popups::click(model, choice, actions),
        Hit::Outside => model.popup = None,
        // What lies over the screen keeps clicks from what lies under it.
        _ if model.popup.is_some() && !matches!(model.popup, Some(Popup::Prompt(_))) => {}
        Hit::Panel(panel) => model.turn_to(panel),
        Hit::Row { panel, row } => {
            model.turn_to(panel);
            PANELS[panel].click_row(model, row);
        }
        Hit::Part { panel, row } => {
            model.turn_to(panel);
            PANELS[panel].click_part(model, row);
        }
        Hit::Column { panel, column } => {
            model.turn_to(panel);
            PANELS[panel].click_column(model, column);
        }
        Hit::Lane { panel, row } => {
            model.turn_to(panel);
            drag(model, zone, at);
            PANELS[panel].click_row(model, row);
        }
        Hit::Act(act) => perform(model, act, 0, actions),
        Hit::ScrollBar { .. } | Hit::Graph { .. } | Hit::RowSplit(_) | Hit::ColumnSplit(_) => {
            drag(model, zone, at);
        }
    }
}

fn drag(model: &mut Model, (area, hit): (Rect, Hit), (x, y): (u16, u16)) {
    match hit {
        Hit::ScrollBar { panel } => {
            let rows = f32::from(area.height.saturating_sub(1).max(1));
            PANELS[panel].scroll_to(model, f32::from(y.saturating_sub(area.y)) / rows);
        }
        Hit::Graph { .. } | Hit::Lane { .. } => {
            let column = x.saturating_sub(area.x).min(area.width.saturating_sub(1));
            let now = model.axis_now();
            let moment = model.axis.moment(now, column, area.width);
            model.axis.cursor = Some(moment.min(now));
        }
        Hit::RowSplit(row) => {
            let top = spots(model).filter(|s| s.row == row).map(|s| s.area.y).min();
            let height = y.saturating_add(1).saturating_sub(top.unwrap_or(y));
            model.splits.rows.insert((model.view, row), height.max(3));
        }
        Hit::ColumnSplit(row) => {
            let left = spots(model).filter(|s| s.row == row).map(|s| s.area.x).min();
            let width = x.saturating_add(1).saturating_sub(left.unwrap_or(x));
            model.splits.columns.insert((model.view, row), width.max(8));
        }
        _ => {}
    }
}

fn spots(model: &Model) -> impl Iterator<Item = super::layout::Spot> {
    model.layout().spots.into_iter()
}

/// The wheel moves in what lies under the pointer, without turning the focus to it.
fn wheel(model: &mut Model, (x, y): (u16, u16), by: isize, actions: &mut Vec<Action>) {
    if model.popup.is_some() {
        popups::wheel(model, by.signum(), actions);
    } else if let Some(panel) = model.zones.panel_at(x, y) {
        let focus = std::mem::replace(&mut model.focus, panel);
        step(model, by);
        model.focus = focus;
    }
}
