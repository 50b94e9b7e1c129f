//! A circle of waits on top of the screen, drawn as a rail: the last waits for the first.

use super::{Place, Who, go_to, words};
use crate::model::locks::{Deadlock, Member};
use crate::tui::acts;
use crate::tui::canvas::{Canvas, Span, spans_width};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::zones::Hit;

/// Rows that the rail takes on a screen so high; none without a circle.
pub fn rows(model: &Model) -> u16 {
    if model.snapshot.shared.deadlocks.is_empty() || model.has_ended() {
        return 0;
    }
    match model.size.height {
        0..9 => 0,
        9..20 => 1,
        20..28 => 2,
        _ => 3,
    }
}

/// The circle that is drawn: that of the selected job, else the newest.
fn shown(model: &Model) -> Option<&Deadlock> {
    let all = &model.snapshot.shared.deadlocks;
    all.iter().find(|deadlock| has_selected(model, deadlock)).or(all.last())
}

fn has_selected(model: &Model, deadlock: &Deadlock) -> bool {
    let selected = model.selection().map(|selection| Who::Job(selection.job));
    selected.is_some_and(|who| deadlock.members.iter().any(|m| Who::of(&m.party) == who))
}

/// Turns to the member of the circle whose request closed it.
pub fn look(model: &mut Model) {
    let Some(deadlock) = shown(model) else {
        return acts::refuse(model, "no circle of waits: select one that waits, then o");
    };
    if !deadlock.seen.is_empty() {
        let threads = deadlock.seen.clone();
        return super::super::look_at_waits(model, &threads);
    }
    let closer = deadlock.members.get(deadlock.closed_by as usize);
    let Some(Member { wants, party, .. }) = closer.or(deadlock.members.first()) else { return };
    let (name, owner) = (wants.first().cloned(), party.owner());
    model.turn_to(super::super::LOCKS);
    if let Some(name) = name {
        go_to(model, &name, Place { waits: true, owner });
    }
}

/// Draws a circle; its keys stand in the border.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let n = model.snapshot.shared.deadlocks.len();
    let Some(deadlock) = shown(model) else { return };
    canvas.zone_all(Hit::Act(Act::Owner));
    let (width, height) = (canvas.width(), canvas.height());
    if height == 1 {
        let mut spans = title(model, deadlock, n);
        spans.push(("  ".to_owned(), Role::Text));
        let keys = keys(model, deadlock);
        let cells = spans_width(&keys);
        canvas.put_spans(width.saturating_sub(cells + 1), 0, &keys);
        let room = width.saturating_sub(cells + 3);
        let mut line = canvas.part(1, 0, room, 1);
        let end = line.put_spans_cut(0, 0, &spans);
        draw_rail(model, &mut line.into_part(end, 0, room.saturating_sub(end), 1), deadlock);
        return;
    }
    let style = canvas.look.style(Role::Bad);
    let [top_left, top_right, low_left, low_right, across, down] = canvas.glyphs().corners;
    canvas.put_styled(0, 0, top_left, style);
    canvas.repeat(1, 0, width.saturating_sub(2), across, style);
    canvas.put_styled(width.saturating_sub(1), 0, top_right, style);
    let keys = keys(model, deadlock);
    let room = width.saturating_sub(spans_width(&keys) + 6);
    let mut spans = vec![(" ".to_owned(), Role::Text)];
    spans.extend(title(model, deadlock, n));
    spans.push((" ".to_owned(), Role::Text));
    canvas.part(2, 0, room, 1).put_spans_cut(0, 0, &spans);
    let x = width.saturating_sub(spans_width(&keys) + 4);
    let end = canvas.put(x, 0, " ", Role::Text);
    let end = canvas.put_spans(end, 0, &keys);
    canvas.put(end, 0, " ", Role::Text);
    if height == 2 {
        canvas.put_styled(0, 1, low_left, style);
        canvas.put_styled(width.saturating_sub(1), 1, low_right, style);
    } else {
        canvas.put_styled(0, 1, down, style);
        canvas.put_styled(width.saturating_sub(1), 1, down, style);
        canvas.put_styled(0, 2, low_left, style);
        canvas.repeat(1, 2, width.saturating_sub(2), across, style);
        canvas.put_styled(width.saturating_sub(1), 2, low_right, style);
        draw_way_back(model, &mut canvas.part(2, 2, width.saturating_sub(4), 1), deadlock);
    }
    draw_rail(model, &mut canvas.part(2, 1, width.saturating_sub(4), 1), deadlock);
}

/// The lower border is the way back from the last to the first.
fn draw_way_back(model: &Model, row: &mut Canvas<'_>, deadlock: &Deadlock) {
    let (Some(first), Some(last)) = (deadlock.members.first(), deadlock.members.last()) else {
        return;
    };
    let back = row.glyphs().back;
    let until = deadlock.until.map_or(String::new(), |until| {
        let left = until.since(model.now.mono).as_millis() as u64;
        format!(" {} its first wait ends in {} ", row.glyphs().dot, format::age(left))
    });
    let dot = row.glyphs().dot;
    let closer = deadlock.members.get(deadlock.closed_by as usize);
    let closed = closer.map_or(String::new(), |member| {
        let wants = member.wants.join(" and ");
        let who = words::short_party(model, &member.party);
        format!(" {dot} closed when {who} asked for {wants}")
    });
    let text = format!(
        " {} waits for {}{closed}{} ",
        words::short_party(model, &last.party),
        words::short_party(model, &first.party),
        until.trim_end()
    );
    row.put(0, 0, back, Role::Bad);
    row.put_cut(2, 0, row.width().saturating_sub(3), &text, Role::Dim);
}

fn title(model: &Model, deadlock: &Deadlock, n: usize) -> Vec<Span> {
    let glyphs = model.look.glyphs;
    let since = format::age(model.ms_since(deadlock.at));
    let mut spans = vec![
        (format!("{} DEADLOCK", glyphs.warning), Role::AlertCritical),
        (format!(" since {since}"), Role::Strong),
    ];
    if model.size.width >= 60 {
        let members = match deadlock.members.len() {
            1 => "one waits for itself".to_owned(),
            n => format!("{n} wait for each other"),
        };
        spans.push((format!(" {} {members}", glyphs.dot), Role::Text));
        if deadlock.behind > 0 {
            spans.push((format!(", {} behind them", deadlock.behind), Role::Text));
        }
    }
    if n > 1 {
        let more = match n - 1 {
            1 => "1 circle more".to_owned(),
            n => format!("{n} circles more"),
        };
        spans.push((format!(" {} {more}", glyphs.dot), Role::Warn));
    }
    spans
}

/// The keys to press: look at it, and when one of the circle is selected, kill that.
fn keys(model: &Model, deadlock: &Deadlock) -> Vec<Span> {
    let key = |act: Act, key: &str| model.keymap.changed_key(act).unwrap_or_else(|| key.to_owned());
    let mut spans = vec![(key(Act::Owner, "o"), Role::Key), (" look".to_owned(), Role::KeyText)];
    if has_selected(model, deadlock) {
        spans[1].0 = " next".to_owned();
        spans.push((format!("  {}", key(Act::KillMenu, "K")), Role::Key));
        let who = model.selection().and_then(|s| model.worker_of(s.job));
        let who =
            who.map_or(String::new(), |w| format!(" {}", super::super::worker_name(model, w)));
        spans.push((format!(" kill{who}"), Role::KeyText));
    }
    spans
}

/// `w1 philosopher:1 wants fork/2 → w2 philosopher:2 wants fork/3 → …`, as many as there is room.
fn draw_rail(model: &Model, row: &mut Canvas<'_>, deadlock: &Deadlock) {
    let width = row.width();
    let with_names = rail(model, deadlock, true);
    let fits = with_names.iter().map(|spans| spans_width(spans)).sum::<u16>() <= width;
    let all = if fits { with_names } else { rail(model, deadlock, false) };
    let mut x = 0;
    for (i, spans) in all.iter().enumerate() {
        let left = all.len() - i;
        let more = format!("{} {left} more", row.glyphs().ellipsis);
        let reserve = if left > 1 { more.len() as u16 } else { 0 };
        if x + spans_width(spans) + reserve > width {
            row.put_cut(x, 0, width - x.min(width), &more, Role::Dim);
            return;
        }
        x = row.put_spans(x, 0, spans);
    }
}

fn rail(model: &Model, deadlock: &Deadlock, names: bool) -> Vec<Vec<Span>> {
    let n = deadlock.members.len();
    let arrow = model.look.glyphs.arrow;
    let of_member = |(i, member): (usize, &Member)| {
        let (worker, name) = words::party(model, &member.party);
        let mut spans = Vec::new();
        match worker {
            Some(worker) => {
                spans.push((worker, Role::Strong));
                if names {
                    spans.push((format!(" {name}"), Role::Text));
                }
            }
            None => spans.push((name, Role::Strong)),
        }
        if names && !member.holds.is_empty() {
            spans.push((format!(" holds {},", member.holds.join(" and ")), Role::Holder));
        }
        spans.push((format!(" wants {}", member.wants.join(" and ")), Role::Waiter));
        if i + 1 < n {
            spans.push((format!(" {arrow} "), Role::Bad));
        }
        spans
    };
    deadlock.members.iter().enumerate().map(of_member).collect()
}
