//! What the selected job says, stderr told apart.

use super::{PANELS, Panel};
use crate::model::query::Stream;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Selection};
use crate::tui::output::{Pair, StreamBuf, Streams};
use crate::tui::theme::Role;
use crate::tui::update::Action;
use crate::tui::{acts, format};

/// The panel.
pub struct OutputPanel;

impl Panel for OutputPanel {
    fn name(&self) -> &'static str {
        "output"
    }

    fn priority(&self) -> u8 {
        1
    }

    fn grows(&self) -> bool {
        true
    }

    fn want(&self, _model: &Model, _width: u16) -> u16 {
        4
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, _width: u16) -> Vec<Span> {
        foot(model)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[(Act::Follow, "F follow"), (Act::Streams, "e streams"), (Act::PageUp, "PgUp back")]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, _focused: bool) {
        draw(model, canvas);
    }

    /// The job whose output it is.
    fn selection(&self, model: &Model) -> Option<Selection> {
        let target = model.output.target.as_ref()?;
        PANELS.get(model.source)?.selection(model).filter(|s| s.job == target.key.0)
    }

    fn act(&self, model: &mut Model, act: Act, _actions: &mut Vec<Action>) -> bool {
        match act {
            Act::Left => model.output.left = model.output.left.saturating_sub(8),
            Act::Right => model.output.left = (model.output.left + 8).min(4096),
            Act::Follow => match model.output.top {
                Some(_) => model.output.top = None,
                None => model.output.scroll(0, model.rows_of(super::OUTPUT)),
            },
            Act::Streams => acts::next_streams(model),
            _ => return false,
        }
        true
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        let page = model.rows_of(super::OUTPUT);
        model.output.scroll(by, page);
        true
    }

    fn ask(&self, model: &mut Model, actions: &mut Vec<Action>) {
        let now = model.now.mono;
        let key = model.output.target.as_ref().map(|t| t.key);
        let work = model.snapshot.workers.iter().filter_map(|w| w.work.as_ref());
        let tree = work.filter(|w| Some((w.attempt.job, w.attempt.n)) == key).find_map(|w| w.tree);
        for ask in model.output.asks(now, tree.and_then(|t| t.last_output)) {
            acts::send_ask(model, ask, actions);
        }
    }
}

fn status(model: &Model) -> Vec<Span> {
    let Some(target) = &model.output.target else { return Vec::new() };
    let (task, inputs) = target.label.split_once(' ').unwrap_or((&target.label, ""));
    let mut spans = vec![(task.to_owned(), Role::Strong)];
    if !inputs.is_empty() {
        spans.push((format!(" {inputs}"), Role::Title));
    }
    if target.key.1 > 1 {
        spans.push((format!(" #{}", target.key.1), Role::Warn));
    }
    spans
}

fn foot(model: &Model) -> Vec<Span> {
    let Some(pair) = model.output.pair() else { return Vec::new() };
    let mut spans = vec![(format!("out {:>4}", format::size(pair.out.size)), Role::Dim)];
    let role = if pair.err.size > 0 { Role::Stderr } else { Role::Dim };
    spans.push((format!("  err {:>4}", format::size(pair.err.size)), role));
    let place = match (model.output.top, pair.complete) {
        (Some(_), _) => "  held still",
        (None, true) => "  complete",
        (None, false) => "  following",
    };
    spans.push((place.to_owned(), Role::Dim));
    spans
}

fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let Some(pair) = model.output.pair() else {
        canvas.put_cut(1, 0, u16::MAX, "select a worker to see what its job says", Role::Dim);
        return;
    };
    let active = model.output.active();
    let buf = pair.of(active);
    if let (Some(why), true) = (&buf.refused, buf.lines.is_empty()) {
        canvas.put_cut(1, 0, u16::MAX, why, Role::Dim);
        return;
    }
    if model.output.top.is_none() && model.output.streams == Streams::Both {
        draw_both(model, pair, canvas);
        return;
    }
    if buf.lines.is_empty() {
        canvas.put_cut(1, 0, u16::MAX, silence(model, pair, active), Role::Dim);
        return;
    }
    let rows = usize::from(canvas.height());
    let last_top = buf.lines.len().saturating_sub(rows);
    let top = model.output.top.unwrap_or(last_top).min(last_top);
    let height = canvas.height();
    draw_lines(model, canvas, buf, active, top, 0, height);
}

fn silence(model: &Model, pair: &Pair, stream: Stream) -> &'static str {
    match (model.output.offline, pair.complete, stream) {
        (true, false, _) => "the supervisor has gone: its output is in the run's folder",
        (_, true, Stream::Stdout) => "nothing on stdout",
        (_, true, Stream::Stderr) => "nothing on stderr",
        (_, false, Stream::Stdout) => "nothing on stdout yet",
        (_, false, Stream::Stderr) => "nothing on stderr yet",
    }
}

/// Both streams at their ends: stderr gets what it needs, at most a third while stdout is there.
fn draw_both(model: &Model, pair: &Pair, canvas: &mut Canvas<'_>) {
    let rows = usize::from(canvas.height());
    let (n_out, n_err) = (pair.out.lines.len(), pair.err.lines.len());
    if n_out + n_err == 0 {
        let text = match (model.output.offline, pair.complete) {
            (true, false) => "the supervisor has gone: its output is in the run's folder",
            (_, true) => "it said nothing",
            (_, false) => "nothing said yet",
        };
        canvas.put_cut(1, 0, u16::MAX, text, Role::Dim);
        return;
    }
    let split = n_out > 0 && n_err > 0 && rows >= 4;
    let err_rows = match (n_out, n_err, split) {
        (0, _, _) => rows,
        (_, 0, _) | (_, _, false) => 0,
        _ => n_err.min((rows / 3).max(1).max(rows.saturating_sub(n_out + 1))),
    };
    let out_rows = rows - err_rows - usize::from(split);
    let top = n_out.saturating_sub(out_rows);
    draw_lines(model, canvas, &pair.out, Stream::Stdout, top, 0, out_rows as u16);
    if err_rows == 0 {
        return;
    }
    if split {
        let y = out_rows as u16;
        let style = canvas.look.style(Role::Border);
        let width = canvas.width();
        canvas.repeat(0, y, width, canvas.glyphs().divider, style);
        canvas.put(1, y, " stderr ", Role::Stderr);
    }
    let y = (rows - err_rows) as u16;
    let top = n_err.saturating_sub(err_rows);
    draw_lines(model, canvas, &pair.err, Stream::Stderr, top, y, err_rows as u16);
}

fn draw_lines(
    model: &Model,
    canvas: &mut Canvas<'_>,
    buf: &StreamBuf,
    stream: Stream,
    top: usize,
    y: u16,
    rows: u16,
) {
    // A mark at the edge says what the colour repeats.
    let (role, edge) = match stream {
        Stream::Stdout => (Role::Text, " "),
        Stream::Stderr => (Role::Stderr, canvas.glyphs().edge),
    };
    for (i, line) in buf.lines.iter().skip(top).take(usize::from(rows)).enumerate() {
        let y = y + i as u16;
        canvas.put(0, y, edge, role);
        let rest = skip_cells(line, model.output.left);
        let room = canvas.width().saturating_sub(1);
        canvas.put_cut(1, y, room, rest, role);
    }
}

/// Returns the line without its first cells.
fn skip_cells(line: &str, cells: usize) -> &str {
    use unicode_width::UnicodeWidthChar;
    let mut left = cells;
    let mut chars = line.char_indices();
    for (at, c) in chars.by_ref() {
        let width = c.width().unwrap_or(0);
        if left == 0 && width > 0 {
            return &line[at..];
        }
        left = left.saturating_sub(width);
    }
    if cells == 0 { line } else { "" }
}
