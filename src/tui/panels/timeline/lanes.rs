//! The bars of one lane, cell by cell. What a bar means never rests on its colour: it begins
//! with its name or its task's letter and ends with a mark when it failed or still runs.

use crate::model::{AttemptId, Bar, Lane, LaneWork, Mono, Outcome, Stretch, TaskIdx};
use crate::tui::canvas::{Canvas, Span, spans_width};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::then::bar_name;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr;

/// A cell with as many bars shows how full it is instead of one of them.
const CROWD: u32 = 3;

/// What all lanes of a frame have in common.
pub struct Scene<'a> {
    model: &'a Model,
    /// The left edge, and how much time a cell is.
    from: u64,
    cell_us: u64,
    now: Mono,
    /// When the run began: before that nobody was idle.
    began: Mono,
    letters: Vec<char>,
    by_outcome: bool,
    /// The longest bars of all lanes: they have their names where bars are merged too.
    longest: &'a [Bar],
}

/// What is in one cell.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    micros: u64,
    bars: u32,
    bad: bool,
    task: Option<TaskIdx>,
    /// The bar with most of the cell, and how much that is.
    top: Option<(usize, u64)>,
}

impl<'a> Scene<'a> {
    /// Prepares a frame whose graph is `cells` wide.
    pub fn new(model: &'a Model, cells: u16, longest: &'a [Bar]) -> Scene<'a> {
        let cell_us = model.axis.cell_us();
        let now = model.axis_now();
        let end = (model.axis.last_cell(now) + 1).saturating_mul(cell_us);
        Scene {
            model,
            from: end.saturating_sub(u64::from(cells).saturating_mul(cell_us)),
            cell_us,
            now,
            began: model.info.started_mono,
            letters: letters(model.info.tasks.iter().map(|task| task.name.as_str())),
            by_outcome: model.gantt.by_outcome,
            longest,
        }
    }

    /// The cells from the one with `start` to the one with `end`, and what part of each is taken.
    fn cells(&self, start: Mono, end: Mono, width: usize) -> impl Iterator<Item = (usize, u64)> {
        let (from, cell_us) = (self.from, self.cell_us);
        let place = |at: Mono| at.0.checked_sub(from).map(|us| us / cell_us);
        // An end at the edge of a cell is not in the cell behind it.
        let last = Mono(end.0.saturating_sub(u64::from(end > start)));
        let first = place(start).unwrap_or(0);
        let cells = place(last).map_or(0..0, |last| first..last.saturating_add(1));
        let cells = cells.start.min(width as u64)..cells.end.min(width as u64);
        cells.map(move |i| {
            let (left, right) = (from + i * cell_us, from + (i + 1) * cell_us);
            (i as usize, end.0.min(right).saturating_sub(start.0.max(left)))
        })
    }

    fn letter(&self, task: TaskIdx) -> String {
        self.letters.get(task.0 as usize).copied().unwrap_or('?').to_string()
    }

    /// The colour of a task, or of how it ended.
    fn style(&self, task: Option<TaskIdx>, outcome: Outcomes) -> Style {
        let theme = &self.model.look.theme;
        if !self.by_outcome {
            return theme.task(task.map_or(0, |task| task.0 as usize));
        }
        theme.style(match outcome {
            Outcomes::Runs => Role::Run,
            Outcomes::Good => Role::BarDone,
            Outcomes::Stopped => Role::Warn,
            Outcomes::Bad => Role::Bad,
        })
    }

    /// What letters, colours and marks mean.
    pub fn draw_legend(&self, model: &Model, row: &mut Canvas<'_>) {
        let glyphs = row.glyphs();
        let density = glyphs.density;
        let marks: [Span; 6] = [
            (format!("  {}", glyphs.failed), Role::Bad),
            (" failed".to_owned(), Role::Dim),
            (format!("  {}", glyphs.running), Role::Run),
            (" runs".to_owned(), Role::Dim),
            (format!("  {}{}{}", density[0], density[1], density[2]), Role::Text),
            (" many short ones".to_owned(), Role::Dim),
        ];
        let cells = spans_width(&marks);
        let width = row.width();
        let room = if width > cells + 20 { width - cells } else { width };
        let mut x = 0;
        if self.by_outcome {
            let words = [
                (Outcomes::Good, "succeeded"),
                (Outcomes::Bad, "failed"),
                (Outcomes::Stopped, "cancelled"),
                (Outcomes::Runs, "runs"),
            ];
            for (outcome, word) in words {
                let style = self.style(None, outcome);
                x = row.put_styled(x, 0, glyphs.bar_full, style);
                x = row.put(x + 1, 0, word, Role::Dim) + 2;
            }
        } else {
            for (i, task) in model.info.tasks.iter().enumerate() {
                let name_cells = task.name.width() as u16;
                if x + name_cells + 3 > room {
                    row.put(x, 0, glyphs.ellipsis, Role::Dim);
                    break;
                }
                let task_no = TaskIdx(i as u32);
                let style =
                    self.style(Some(task_no), Outcomes::Good).add_modifier(Modifier::REVERSED);
                x = row.put_styled(x, 0, &self.letter(task_no), style);
                x = row.put(x + 1, 0, &task.name, Role::Dim) + 2;
            }
        }
        if room < width {
            row.put_spans(width - cells, 0, &marks);
        }
    }
}

/// How a bar ended, as far as its colour tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcomes {
    Runs,
    Good,
    Stopped,
    Bad,
}

impl Outcomes {
    fn of(outcome: Option<Outcome>) -> Outcomes {
        match outcome {
            None => Outcomes::Runs,
            Some(outcome) if outcome.is_success() => Outcomes::Good,
            Some(Outcome::Cancelled) => Outcomes::Stopped,
            Some(_) => Outcomes::Bad,
        }
    }
}

/// Draws a lane over the whole canvas; `chosen` is the bar that acts mean.
pub fn draw_lane(area: &mut Canvas<'_>, lane: &Lane, scene: &Scene<'_>, chosen: Option<AttemptId>) {
    let width = usize::from(area.width());
    if lane.idle_percent.is_some() {
        let idle = area.glyphs().idle;
        for (x, _) in scene.cells(scene.began, scene.now, width) {
            area.put(x as u16, 0, idle, Role::Idle);
        }
    }
    let mut cells = vec![Cell::default(); width];
    match &lane.work {
        LaneWork::Bars(bars) => {
            fill(&mut cells, bars, scene);
            draw_bars(area, &cells, bars, scene, chosen);
        }
        LaneWork::Merged(parts) => fill_merged(&mut cells, parts, scene),
    }
    let merged = matches!(lane.work, LaneWork::Merged(_));
    draw_crowds(area, &cells, scene, if merged { 0 } else { CROWD });
    if merged {
        draw_long(area, lane, scene, chosen);
    }
}

fn fill(cells: &mut [Cell], bars: &[Bar], scene: &Scene<'_>) {
    let width = cells.len();
    for (i, bar) in bars.iter().enumerate() {
        let end = bar.end.unwrap_or(scene.now).max(bar.start);
        for (x, micros) in scene.cells(bar.start, end, width) {
            let cell = &mut cells[x];
            cell.micros += micros;
            cell.bars += 1;
            let bad = Outcomes::of(bar.outcome) == Outcomes::Bad;
            cell.bad |= bad && bar.end.is_some_and(|end| scene.is_in(end, x));
            // What began later wins a draw: it has its name still to show.
            if cell.top.is_none_or(|(_, most)| micros >= most) {
                cell.top = Some((i, micros));
                cell.task = Some(bar.task);
            }
        }
    }
}

impl Scene<'_> {
    fn is_in(&self, at: Mono, x: usize) -> bool {
        let last = Mono(at.0.saturating_sub(1));
        last.0.checked_sub(self.from).is_some_and(|us| us / self.cell_us == x as u64)
    }
}

fn fill_merged(cells: &mut [Cell], parts: &[Stretch], scene: &Scene<'_>) {
    let width = cells.len();
    for part in parts {
        let share = if part.busy_percent.is_finite() { part.busy_percent / 100.0 } else { 0.0 };
        for (n, (x, micros)) in scene.cells(part.start, part.end, width).enumerate() {
            let cell = &mut cells[x];
            let busy = (micros as f64 * f64::from(share.clamp(0.0, 1.0))) as u64;
            cell.micros += busy;
            cell.bars = cell.bars.saturating_add(1);
            cell.bad |= part.bad > 0 && n == 0;
            if cell.top.is_none_or(|(_, most)| busy >= most) {
                cell.top = Some((0, busy));
                cell.task = part.task;
            }
        }
    }
}

/// Draws each bar over the cells of which it has most.
fn draw_bars(
    area: &mut Canvas<'_>,
    cells: &[Cell],
    bars: &[Bar],
    scene: &Scene<'_>,
    chosen: Option<AttemptId>,
) {
    let mut x = 0;
    while x < cells.len() {
        let Some((i, _)) = cells[x].top.filter(|_| cells[x].bars < CROWD) else {
            x += 1;
            continue;
        };
        let is_same = |cell: &&Cell| cell.bars < CROWD && cell.top.map(|top| top.0) == Some(i);
        let n = cells[x..].iter().take_while(is_same).count();
        if let Some(bar) = bars.get(i) {
            let high = area.height();
            let mut span = area.part(x as u16, 0, n as u16, high);
            draw_bar(&mut span, bar, scene, Some(bar.attempt) == chosen);
        }
        x += n;
    }
}

/// Draws the long bars of a lane over its density, as far as they fill cells.
fn draw_long(area: &mut Canvas<'_>, lane: &Lane, scene: &Scene<'_>, chosen: Option<AttemptId>) {
    let width = usize::from(area.width());
    for bar in scene.longest.iter().filter(|bar| bar.slot == lane.slot) {
        let end = bar.end.unwrap_or(scene.now).max(bar.start);
        let mine = scene.cells(bar.start, end, width).filter(|(_, us)| *us * 2 >= scene.cell_us);
        let mine: Vec<usize> = mine.map(|(x, _)| x).collect();
        if let (Some(first), Some(last), 3..) = (mine.first(), mine.last(), mine.len()) {
            let high = area.height();
            let cells = (last - first + 1) as u16;
            let mut span = area.part(*first as u16, 0, cells, high);
            draw_bar(&mut span, bar, scene, Some(bar.attempt) == chosen);
        }
    }
}

fn draw_bar(span: &mut Canvas<'_>, bar: &Bar, scene: &Scene<'_>, chosen: bool) {
    let width = span.width();
    let glyphs = span.glyphs();
    let outcome = Outcomes::of(bar.outcome);
    let style = scene.style(Some(bar.task), outcome);
    // A high bar is one piece: only its top stands apart from what is above.
    for y in 0..span.height() {
        span.repeat(0, y, width, if y == 0 { glyphs.bar_full } else { glyphs.solid }, style);
    }
    let mark = match outcome {
        Outcomes::Runs => Some((glyphs.running, Role::Run)),
        Outcomes::Bad => Some((glyphs.failed, Role::Bad)),
        Outcomes::Stopped => Some((glyphs.ended, Role::Warn)),
        Outcomes::Good => None,
    };
    let room = usize::from(width) - usize::from(mark.is_some()).min(usize::from(width));
    let name = bar_name(scene.model, bar);
    // The mark at the end says it already.
    let name = mark.and_then(|(mark, _)| name.strip_suffix(mark)).unwrap_or(&name);
    let number = format!(":{}", bar.index);
    let letter = scene.letter(bar.task);
    let names = [name, number.as_str(), letter.as_str()];
    let label = names.into_iter().find(|label| label.width() <= room);
    if let Some(label) = label {
        let style = match chosen {
            true => {
                span.look.style(Role::Select).add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
            }
            false => style.add_modifier(Modifier::REVERSED),
        };
        span.put_styled(0, 0, label, style);
    }
    if let Some((shape, role)) = mark {
        span.put(width.saturating_sub(1), 0, shape, role);
    }
}

/// Cells with more bars than can be told apart: how full they are. The letter stands where the
/// task that has most of them changes.
fn draw_crowds(area: &mut Canvas<'_>, cells: &[Cell], scene: &Scene<'_>, crowd: u32) {
    let glyphs = area.glyphs();
    let mut before = None;
    for (x, cell) in cells.iter().enumerate() {
        if cell.bars == 0 || cell.bars < crowd {
            before = None;
            continue;
        }
        let busy = cell.micros as f64 / scene.cell_us as f64;
        let shape = match busy {
            busy if busy < 0.25 => glyphs.density[0],
            busy if busy < 0.6 => glyphs.density[1],
            busy if busy < 0.9 => glyphs.density[2],
            _ => glyphs.density[3],
        };
        let outcome = if cell.bad { Outcomes::Bad } else { Outcomes::Good };
        let style = scene.style(cell.task, outcome);
        let x = x as u16;
        match cell.task {
            _ if cell.bad => {
                area.put(x, 0, glyphs.failed, Role::Bad);
            }
            Some(task) if before != Some(task) => {
                let style = style.add_modifier(Modifier::REVERSED);
                area.put_styled(x, 0, &scene.letter(task), style);
            }
            _ => {
                area.put_styled(x, 0, shape, style);
            }
        }
        // As in a bar, only its top stands apart from what is above.
        let below = if shape == glyphs.density[3] { glyphs.solid } else { shape };
        for y in 1..area.height() {
            area.put_styled(x, y, below, style);
        }
        before = cell.task;
    }
}

/// A letter for each task: the first of its name that no earlier task has, else any that is free.
fn letters<'n>(names: impl Iterator<Item = &'n str>) -> Vec<char> {
    let mut taken: Vec<char> = Vec::new();
    for name in names {
        let own = name.chars().filter(char::is_ascii_alphabetic);
        let any = ('a'..='z').chain('A'..='Z').chain('0'..='9');
        let free = own.chain(any).find(|c| !taken.contains(c));
        taken.push(free.unwrap_or('*'));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_a_letter_of_its_own_while_there_are_any() {
        assert_eq!(
            letters(["thumb", "tile", "t", "", "日本"].into_iter()),
            ['t', 'i', 'a', 'b', 'c']
        );
        let names: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
        let all = letters(names.iter().map(String::as_str));
        assert_eq!(all.iter().filter(|c| **c == '*').count(), 38);
    }
}
