//! What every worker did, second by second. Where all strips turn, the run stopped.

use crate::model::WorkerView;
use crate::tui::canvas::Canvas;
use crate::tui::glyphs::Glyphs;
use crate::tui::history::WaitMoment;
use crate::tui::model::Model;
use crate::tui::theme::Role;

/// Panels with fewer rows have none.
const FROM_HEIGHT: u16 = 14;
/// Cells of a worker's name.
const NAME: u16 = 22;

/// Rows that the strips take of a panel with so many, the head among them.
pub fn rows(model: &Model, height: u16) -> u16 {
    let busy = model.snapshot.workers.iter().filter(|w| w.work.is_some()).count() as u16;
    if height < FROM_HEIGHT || busy == 0 {
        return 0;
    }
    (busy + 1).min(height / 3)
}

/// Draws the strips: those who are stuck first.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let divider = canvas.glyphs().divider;
    let style = canvas.look.style(Role::Border);
    canvas.repeat(1, 0, width.saturating_sub(2), divider, style);
    let glyphs = canvas.glyphs();
    let x = canvas.put(2, 0, " each second: ", Role::Heading);
    let mut x = x;
    for (moment, word) in WORDS {
        let Some((shape, role)) = shape(glyphs, moment) else { continue };
        if x + word.len() as u16 + 4 > width {
            break;
        }
        x = canvas.put(x, 0, shape, role);
        x = canvas.put(x, 0, &format!(" {word}  "), Role::Dim);
    }
    let name_cells = NAME.min(width / 3);
    let cells = width.saturating_sub(name_cells + 4);
    for (y, worker) in (1..height).zip(workers(model)) {
        let Some(work) = &worker.work else { continue };
        let name = format!("{} {}", worker.slot.n, model.label(work));
        canvas.put_cut(2, y, name_cells, &name, Role::Text);
        let moments = model.history.waits(worker.slot, usize::from(cells));
        let first = name_cells + 3 + cells - moments.len() as u16;
        for (x, moment) in (first..).zip(&moments) {
            if let Some((shape, role)) = shape(glyphs, *moment) {
                canvas.put(x, y, shape, role);
            }
        }
    }
}

/// Those in a circle first, all others as the list of workers has them at first: a row that has a
/// place keeps it.
fn workers(model: &Model) -> Vec<&WorkerView> {
    let mut all: Vec<&WorkerView> =
        model.snapshot.workers.iter().filter(|worker| worker.work.is_some()).collect();
    let is_stuck = |worker: &WorkerView| {
        worker.work.as_ref().and_then(|work| work.waits.as_ref()).is_some_and(|wait| wait.in_circle)
    };
    all.sort_by_key(|worker| (!is_stuck(worker), worker.slot));
    all
}

const WORDS: [(WaitMoment, &str); 5] = [
    (WaitMoment::Running, "ran"),
    (WaitMoment::Waiting, "waited"),
    (WaitMoment::Stuck, "stuck"),
    (WaitMoment::Holding, "held what others wait for"),
    (WaitMoment::Sleeping, "slept"),
];

fn shape(glyphs: &Glyphs, moment: WaitMoment) -> Option<(&'static str, Role)> {
    Some(match moment {
        WaitMoment::Idle => return None,
        WaitMoment::Running => (glyphs.activity[0], Role::ActivityRun),
        WaitMoment::Sleeping => (glyphs.activity[3], Role::ActivitySleep),
        WaitMoment::Waiting => (glyphs.waiter, Role::Waiter),
        WaitMoment::Stuck => (glyphs.stuck, Role::Bad),
        WaitMoment::Holding => (glyphs.holder, Role::Holder),
        WaitMoment::Stopped => ("=", Role::Paused),
    })
}
