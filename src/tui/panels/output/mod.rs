//! What the selected job says, or all jobs: followed, looked through, searched, saved.

mod hands;
mod rows;
mod words;

use super::{PANELS, Panel};
use crate::model::query::Reply;
use crate::model::{AttemptId, JobNo};
use crate::tui::acts;
use crate::tui::canvas::{Canvas, Span};
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Phase, Selection, Wanted};
use crate::tui::output::{Room, Whose};
use crate::tui::update::{self, Action};
pub use hands::{go_to, save, saved, search_all};

/// The panel.
pub struct OutputPanel;

/// Cells that the arrows move lines to the side.
const SIDE_STEP: usize = 8;
/// Lines are moved no further.
const FURTHEST_LEFT: usize = 16 << 10;

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
        words::status(model)
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        words::foot(model, width)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[
            (Act::Follow, "F follow"),
            (Act::Find, "/ search"),
            (Act::AllJobs, "a all"),
            (Act::Wrap, "w wrap"),
            (Act::Save, "S save"),
        ]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, _focused: bool) {
        rows::draw(model, canvas);
    }

    /// The job whose output it is; none while it is that of all jobs.
    fn selection(&self, model: &Model) -> Option<Selection> {
        let target = model.output.target.as_ref()?;
        if model.output.whose() == Whose::All {
            return None;
        }
        let job = target.key.0;
        running(model, job).or_else(|| failed(model, job)).or_else(|| {
            PANELS.get(model.source)?.selection(model).filter(|selected| selected.job == job)
        })
    }

    fn act(&self, model: &mut Model, act: Act, actions: &mut Vec<Action>) -> bool {
        match act {
            Act::Left => model.output.left = model.output.left.saturating_sub(SIDE_STEP),
            Act::Right if model.output.wrap => {}
            Act::Right => model.output.left = (model.output.left + SIDE_STEP).min(FURTHEST_LEFT),
            Act::Follow => match model.output.is_held() {
                true => model.output.follow(),
                false => model.output.scroll(0, room(model)),
            },
            Act::Streams => model.output.next_streams(),
            Act::AllJobs => match model.output.whose() {
                Whose::One => model.output.show_whose(Whose::All),
                Whose::All => model.output.show_whose(Whose::One),
            },
            Act::Wrap => {
                model.output.wrap = !model.output.wrap;
                model.output.left = 0;
            }
            Act::Times => model.output_times = !model.output_times,
            Act::Percent => update::prompt(model, Wanted::Percent, String::new()),
            Act::PreviousAttempt => hands::ask_attempts(model, hands::BEFORE, actions),
            Act::NextAttempt => hands::ask_attempts(model, hands::AFTER, actions),
            Act::Save => hands::ask_path(model),
            Act::FindNext => hands::next_hit(model, true),
            Act::FindPrevious => hands::next_hit(model, false),
            Act::Back => return hands::back(model),
            _ => return false,
        }
        true
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        let room = room(model);
        model.output.scroll(by, room);
        true
    }

    fn settle(&self, model: &mut Model, _rows: usize) {
        hands::arrive(model);
    }

    fn ask(&self, model: &mut Model, actions: &mut Vec<Action>) {
        let now = model.now.mono;
        let key = model.output.target.as_ref().map(|t| t.key);
        let work = model.snapshot.workers.iter().filter_map(|w| w.work.as_ref());
        let tree = work.filter(|w| Some((w.attempt.job, w.attempt.n)) == key).find_map(|w| w.tree);
        for question in model.output.questions(now, tree.and_then(|t| t.last_output)) {
            acts::send_question(model, question, actions);
        }
    }

    fn take(&self, model: &mut Model, tag: u64, reply: Result<Reply, String>) {
        hands::take_attempts(model, tag, reply);
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        let room = room(model);
        let now = model.now.mono;
        if let Some((target, stream, offset)) = model.output.job_at_row(room, row) {
            model.output.show_whose(Whose::One);
            model.output.show(target, now);
            model.output.to_offset(stream, offset);
            model.output.picked = true;
        }
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        model.output.to_percent((share.clamp(0.0, 1.0) * 100.0).round() as u8);
    }

    fn search(&self, model: &mut Model, text: &str, done: bool) -> Result<(), String> {
        hands::search(model, text, done)
    }

    fn next_scope(&self, model: &mut Model) -> bool {
        model.search_all = !model.search_all;
        true
    }

    fn search_words(&self, model: &Model) -> (String, String) {
        words::search_prompt(model)
    }
}

/// What acts on a job are about when it runs.
fn running(model: &Model, job: JobNo) -> Option<Selection> {
    let mut all = model.snapshot.workers.iter().filter_map(|w| Some((w, w.work.as_ref()?)));
    let (worker, work) = all.find(|(_, work)| work.attempt.job == job)?;
    Some(model.selection_of(worker, work))
}

fn failed(model: &Model, job: JobNo) -> Option<Selection> {
    let failure = model.snapshot.failures.iter().find(|f| f.job == job)?;
    Some(Selection {
        job,
        label: model.failure_label(failure),
        attempt: Some(AttemptId { job, n: failure.attempts.max(1) }),
        proc: None,
        since: failure.at,
        phase: Phase::Bad,
    })
}

/// The room for text, as the panel is on the screen.
fn room(model: &Model) -> Room {
    let layout = model.layout();
    let spot = layout.spots.iter().find(|s| s.panel == super::OUTPUT);
    let (width, height) = spot.map_or((0, 0), |s| (s.area.width, s.area.height));
    let columns = rows::Columns::of(model, width.saturating_sub(2));
    Room { height: usize::from(height.saturating_sub(2)), width: usize::from(columns.text_cells) }
}
