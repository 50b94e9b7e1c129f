//! Every job of the run, a million of them if need be: filtered, sorted, searched, or grouped by
//! task. Only the page around what is in sight is held; the supervisor has the list.

mod columns;
mod find;
mod held;
mod tasks;

use super::workers::mark;
use super::{Panel, put_label, scroll_bar};
use crate::model::filter::{Filter, FilterError, Names};
use crate::model::query::{JobList, JobRow, JobSort, Reply};
use crate::model::snapshot::WorkView;
use crate::model::{AttemptId, WorkerView};
use crate::tui::canvas::{Canvas, Span};
use crate::tui::keymap::Act;
use crate::tui::model::{Model, Phase, Selection};
use crate::tui::theme::Role;
use crate::tui::update::Action;
use crate::tui::zones::Hit;
use crate::tui::{acts, format};
use columns::{Column, What};
pub use columns::{exit_text, state_of};
use held::Facts;
pub use held::Jobs;

/// The panel.
pub struct JobsPanel;

/// What the list can be sorted by, in the order of [`JobSort::ALL`].
const SORT_NAMES: [&str; 9] =
    ["number", "task", "state", "time", "cpu", "rss", "attempts", "started", "ended"];

impl Panel for JobsPanel {
    fn name(&self) -> &'static str {
        "jobs"
    }

    fn min(&self) -> (u16, u16) {
        (36, 5)
    }

    fn priority(&self) -> u8 {
        0
    }

    fn grows(&self) -> bool {
        true
    }

    fn want(&self, model: &Model, _width: u16) -> u16 {
        let n = model.snapshot.counts.total.saturating_add(1);
        u16::try_from(n).unwrap_or(u16::MAX).max(3)
    }

    fn status(&self, model: &Model) -> Vec<Span> {
        status(model)
    }

    fn foot(&self, model: &Model, width: u16) -> Vec<Span> {
        foot(model, width)
    }

    fn hints(&self) -> &'static [(Act, &'static str)] {
        &[
            (Act::Filter, "f filter"),
            (Act::Sort, "s sort"),
            (Act::Group, "a tasks"),
            (Act::Details, "d details"),
        ]
    }

    fn draw(&self, model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
        if model.jobs.grouped {
            tasks::draw(model, canvas, focused, head_rows(model).min(canvas.height()));
        } else {
            draw(model, canvas, focused);
        }
    }

    fn selection(&self, model: &Model) -> Option<Selection> {
        let row = model.jobs.chosen.as_ref().filter(|_| !model.jobs.grouped)?;
        Some(selection_of(model, row))
    }

    fn act(&self, model: &mut Model, act: Act, _actions: &mut Vec<Action>) -> bool {
        let jobs = &mut model.jobs;
        match act {
            Act::Group => {
                jobs.grouped = !jobs.grouped;
                jobs.of_task = false;
            }
            Act::Open if jobs.grouped => open_task(model),
            Act::Invert if !jobs.grouped => jobs.wanted.descending = !jobs.wanted.descending,
            Act::FindNext => find_on(model, false),
            Act::FindPrevious => find_on(model, true),
            Act::Filter => {
                jobs.grouped = false;
                jobs.anchor = jobs.chosen.clone();
                return false;
            }
            Act::Back if model.zoom.is_none() => return back(jobs),
            _ => return false,
        }
        true
    }

    fn step(&self, model: &mut Model, by: isize) -> bool {
        let total = total(model);
        let jobs = &mut model.jobs;
        if jobs.grouped {
            jobs.tasks.list.step(by, jobs.tasks.total.unwrap_or(0));
            return true;
        }
        let mut list = jobs.list;
        list.step(by, jobs.len(total));
        jobs.choose(list.at);
        follow(model);
        true
    }

    fn click_row(&self, model: &mut Model, row: usize) {
        match model.jobs.grouped {
            true => model.jobs.tasks.list.at = row,
            false => {
                model.jobs.choose(row);
                follow(model);
            }
        }
    }

    fn click_column(&self, model: &mut Model, column: usize) {
        sort(model, column);
    }

    fn scroll_to(&self, model: &mut Model, share: f32) {
        let (rows, total) = (list_rows(model), total(model));
        let jobs = &mut model.jobs;
        if jobs.grouped {
            jobs.tasks.list.scroll_to(share, jobs.tasks.total.unwrap_or(0), rows);
            return;
        }
        let n = jobs.len(total);
        jobs.list.scroll_to(share, n, rows);
        jobs.choose(jobs.list.at);
        follow(model);
    }

    fn settle(&self, model: &mut Model, rows: usize) {
        let rows = rows.saturating_sub(usize::from(head_rows(model)));
        let total = total(model);
        let jobs = &mut model.jobs;
        if jobs.grouped {
            jobs.tasks.list.settle(jobs.tasks.total.unwrap_or(0), rows);
            return;
        }
        jobs.settle(total, rows);
        // The panel was turned to before anything was known of its jobs.
        if model.focus == super::JOBS && model.source != super::JOBS && model.jobs.chosen.is_some()
        {
            follow(model);
        }
    }

    fn ask(&self, model: &mut Model, actions: &mut Vec<Action>) {
        if !model.live || model.output.offline {
            return;
        }
        let facts = Facts {
            now: model.now.mono,
            seq: model.snapshot.seq,
            total: total(model),
            rows: list_rows(model),
            has_ended: model.has_ended(),
        };
        if let Some((tag, query)) = model.jobs.question(facts) {
            acts::ask(model, super::JOBS, tag, query, actions);
        }
    }

    fn take(&self, model: &mut Model, tag: u64, reply: Result<Reply, String>) {
        let (now, total) = (model.now, total(model));
        let before = model.jobs.chosen.as_ref().map(|row| (row.job, row.attempts));
        if let Some(why) = model.jobs.take(tag, reply, now, total) {
            acts::refuse(model, &why);
        }
        renew_tags(model);
        let after = model.jobs.chosen.as_ref().map(|row| (row.job, row.attempts));
        if model.source == super::JOBS && after != before {
            model.turn_output(after.map(|a| a.0) != before.map(|b| b.0));
        }
    }

    fn search(&self, model: &mut Model, text: &str, done: bool) -> Result<(), String> {
        model.jobs.grouped = false;
        let total = total(model);
        model.jobs.search(text.trim(), done, total);
        Ok(())
    }

    fn filter(&self, model: &mut Model, text: &str, done: bool) -> Result<(), String> {
        if let Err(wrong) = parse(model, text) {
            return Err(format!("{}. {}", wrong.cause, wrong.fix));
        }
        // `fai` and `cpu` are text to the language: half of `failed` must not empty the list.
        if !done && find::is_half(&Names::from(&model.info), text) {
            return Ok(());
        }
        let jobs = &mut model.jobs;
        text.trim().clone_into(&mut jobs.wanted.filter);
        (jobs.grouped, jobs.of_task, jobs.trouble) = (false, false, None);
        Ok(())
    }

    fn filter_text(&self, model: &Model) -> String {
        model.jobs.wanted.filter.clone()
    }

    fn filter_wrong_at(&self, model: &Model, text: &str) -> Option<usize> {
        parse(model, text).err().map(|wrong| wrong.column)
    }

    fn filter_endings(&self, model: &Model, before: &str) -> Vec<String> {
        find::endings(&Names::from(&model.info), before)
    }

    fn sorts(&self, model: &Model) -> Option<(&'static [&'static str], usize)> {
        let by = JobSort::ALL.iter().position(|sort| *sort == model.jobs.wanted.sort);
        (!model.jobs.grouped).then_some((&SORT_NAMES, by.unwrap_or(0)))
    }

    fn sort(&self, model: &mut Model, by: usize) {
        if JobSort::ALL.get(by) != Some(&model.jobs.wanted.sort) {
            sort(model, by);
        }
    }
}

fn parse(model: &Model, text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, &Names::from(&model.info))
}

/// Jobs of the run by now.
fn total(model: &Model) -> usize {
    model.snapshot.counts.total as usize
}

/// Sorts by another key, or the other way round when it is the same.
fn sort(model: &mut Model, by: usize) {
    let Some(by) = JobSort::ALL.get(by) else { return };
    let wanted = &mut model.jobs.wanted;
    // One looks for what is heavy, or for what came last.
    let rising = matches!(by, JobSort::Number | JobSort::Task | JobSort::State);
    wanted.descending = if wanted.sort == *by { !wanted.descending } else { !rising };
    wanted.sort = *by;
}

/// Where rows are dear, the columns must speak for themselves.
fn head_rows(model: &Model) -> u16 {
    u16::from(model.size.height >= 14)
}

fn list_rows(model: &Model) -> usize {
    model.rows_of(super::JOBS).saturating_sub(usize::from(head_rows(model)))
}

/// The output turns to the selected job.
fn follow(model: &mut Model) {
    model.source = super::JOBS;
    model.turn_output(true);
}

fn find_on(model: &mut Model, back: bool) {
    match model.jobs.find.text.is_empty() || model.jobs.grouped {
        true => acts::refuse(model, "nothing was searched for: / asks"),
        false => {
            let total = total(model);
            model.jobs.find_on(back, false, total);
        }
    }
}

/// Enter on a task lists its jobs.
fn open_task(model: &mut Model) {
    let Some(name) = model.jobs.tasks.chosen().map(|task| task.name.clone()) else { return };
    let jobs = &mut model.jobs;
    jobs.wanted.filter = find::of_task(&name);
    (jobs.grouped, jobs.of_task, jobs.trouble) = (false, true, None);
}

/// Back to the tasks, or to all jobs; `false` when nothing is to be closed here.
fn back(jobs: &mut Jobs) -> bool {
    if jobs.grouped {
        jobs.grouped = false;
    } else if jobs.of_task {
        (jobs.grouped, jobs.of_task) = (true, false);
        jobs.wanted.filter.clear();
    } else {
        return !std::mem::take(&mut jobs.wanted.filter).is_empty();
    }
    true
}

/// Returns what acts on a job are about: what its worker says of it is newer than its row.
pub fn selection_of(model: &Model, row: &JobRow) -> Selection {
    if let Some((worker, work)) = work_on(model, row) {
        return model.selection_of(worker, work);
    }
    let age = row.started_at.map_or_else(Default::default, |at| model.now.wall.since(at));
    Selection {
        job: row.job,
        label: model.job_label(row.task.0, row.index, &row.inputs),
        attempt: (row.attempts > 0).then_some(AttemptId { job: row.job, n: row.attempts }),
        proc: None,
        since: model.now.mono - age,
        phase: phase_of(row),
    }
}

fn phase_of(row: &JobRow) -> Phase {
    match (row.state.as_str(), row.paused) {
        ("running", true) => Phase::Paused,
        ("running", false) => Phase::Running,
        ("blocked" | "ready" | "backing_off", true) => Phase::Held,
        ("blocked" | "ready" | "backing_off", false) => Phase::Queued,
        ("succeeded" | "up_to_date", _) => Phase::Good,
        _ => Phase::Bad,
    }
}

/// The worker that runs a job, and what it says of it.
pub fn work_on<'a>(model: &'a Model, row: &JobRow) -> Option<(&'a WorkerView, &'a WorkView)> {
    let mut all = model.snapshot.workers.iter().filter_map(|w| Some((w, w.work.as_ref()?)));
    all.find(|(_, work)| work.attempt.job == row.job)
}

/// What was tagged may have started or ended since.
fn renew_tags(model: &mut Model) {
    let tagged = model.jobs.held.rows.iter().filter(|row| model.tags.contains_key(&row.job));
    let renewed: Vec<_> = tagged.map(|row| selection_of(model, row)).collect();
    model.tags.extend(renewed.into_iter().map(|selection| (selection.job, selection)));
}

/// What is listed, how many of how many, and in which order.
fn status(model: &Model) -> Vec<Span> {
    let jobs = &model.jobs;
    let dot = model.look.glyphs.dot;
    let mut spans = Vec::new();
    if jobs.grouped {
        let n = jobs.tasks.total.unwrap_or(model.info.tasks.len());
        return vec![
            (format::grouped(n as u64), Role::Strong),
            (format!(" {}", if n == 1 { "task" } else { "tasks" }), Role::Title),
        ];
    }
    let of = format::grouped(total(model).max(jobs.of) as u64);
    let filter = &jobs.wanted.filter;
    match (filter.is_empty(), jobs.matches) {
        (true, _) => spans.push((of, Role::Strong)),
        (false, Some(n)) if jobs.shown.filter == *filter => {
            spans.push((filter.clone(), Role::Warn));
            spans.push((format!(" {dot} "), Role::Title));
            spans.push((format::grouped(n as u64), Role::Strong));
            spans.push((format!(" of {of}"), Role::Title));
        }
        (false, _) => spans.push((filter.clone(), Role::Warn)),
    }
    if jobs.is_slow(model.now.mono) {
        spans.push((format!(" {dot} looking"), Role::Dim));
    }
    if jobs.wanted.sort != JobSort::Number || jobs.wanted.descending {
        let arrow = if jobs.wanted.descending { "↓" } else { "↑" };
        spans.push((format!(" {dot} by {} {arrow}", jobs.wanted.sort.word()), Role::Key));
    }
    if !model.tags.is_empty() {
        spans.push((format!(" {dot} {} tagged", model.tags.len()), Role::Key));
    }
    spans
}

/// Which rows are in sight, and what there is to say about the list.
fn foot(model: &Model, width: u16) -> Vec<Span> {
    let jobs = &model.jobs;
    let rows = list_rows(model);
    let (list, n) = match jobs.grouped {
        true => (jobs.tasks.list, jobs.tasks.total.unwrap_or(0)),
        false => (jobs.list, jobs.len(total(model))),
    };
    let mut facts: Vec<Span> = Vec::new();
    if n > rows {
        let grouped = |n: usize| format::grouped(n as u64);
        let (first, last) = (grouped(list.offset + 1), grouped((list.offset + rows).min(n)));
        facts.push((format!("{first} - {last} of {}", grouped(n)), Role::Dim));
    }
    let cut = jobs.cut_at.filter(|cut| !jobs.grouped && jobs.matches.is_some_and(|n| n > *cut));
    if let Some(cut) = cut {
        let by = jobs.shown.sort.word();
        let text = format!("only the first {} by {by}", format::grouped(cut as u64));
        facts.push((text, Role::Warn));
    }
    if !jobs.find.text.is_empty() && !jobs.grouped {
        facts.push((format!("/{}", jobs.find.text), Role::Key));
    }
    if let Some(text) = gone_text(model, jobs.taken_at.map(|now| now.wall)) {
        facts.push((text, Role::Warn));
    } else if let Some(why) = &jobs.trouble {
        facts.push((why.clone(), Role::Bad));
    }
    let mut spans: Vec<Span> = Vec::new();
    for (text, role) in facts {
        let blank = if spans.is_empty() { "" } else { "  " };
        let span = (format!("{blank}{text}"), role);
        let used = crate::tui::canvas::spans_width(&spans);
        if used + crate::tui::canvas::spans_width(std::slice::from_ref(&span)) <= width {
            spans.push(span);
        }
    }
    spans
}

/// What is shown is old: nobody answers any more.
pub fn gone_text(model: &Model, taken_at: Option<crate::model::Wall>) -> Option<String> {
    if !model.output.offline {
        return None;
    }
    Some(match taken_at {
        Some(at) => format!("the supervisor has gone: as of {}", model.time_of_day(at)),
        None => "the supervisor has gone".to_owned(),
    })
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, focused: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let jobs = &model.jobs;
    let n = jobs.len(total(model));
    if n == 0 || (jobs.matches.is_none() && model.output.offline) {
        canvas.put_cut(1, 0, u16::MAX, &nothing(model), Role::Dim);
        return;
    }
    let all = total(model).max(jobs.of);
    let number_cells = columns::number_cells(all);
    let (columns, job_cells) = columns::fitting(model, width, all);
    let head = head_rows(model).min(height);
    if head > 0 {
        draw_head(model, canvas, &columns, (number_cells, job_cells));
    }
    for y in 0..usize::from(height - head).min(n.saturating_sub(jobs.list.offset)) {
        let at = jobs.list.offset + y;
        let mut row = canvas.part(0, y as u16 + head, width, 1);
        row.zone_all(Hit::Row { panel: super::JOBS, row: at });
        if at == jobs.list.at {
            mark(&mut row, focused);
        }
        match jobs.held.get(at) {
            Some(job) => draw_row(model, &mut row, job, &columns, (number_cells, job_cells)),
            None => {
                // Where every job is listed its number is known.
                if Jobs::is_everything(&jobs.shown) {
                    let number = if jobs.shown.descending { n - at } else { at + 1 };
                    row.put_right(number_cells - 1, 0, &format!(":{number}"), Role::Dim);
                }
                draw_missing(&mut row, number_cells);
            }
        }
    }
    let mut area = canvas.part(0, head, width, height - head);
    scroll_bar(&mut area, super::JOBS, jobs.list.offset, n);
}

fn nothing(model: &Model) -> String {
    let jobs = &model.jobs;
    match (&jobs.trouble, jobs.matches) {
        (Some(why), None) => why.clone(),
        (_, None) if model.output.offline => "the supervisor has gone".to_owned(),
        (_, None) => "asking for the jobs".to_owned(),
        (_, Some(_)) if !jobs.shown.filter.is_empty() => {
            format!("no job fits `{}`: Esc shows all", jobs.shown.filter)
        }
        _ if model.snapshot.counts.tasks_unread > 0 => {
            "no jobs yet: the inputs are being read".to_owned()
        }
        _ => "no jobs".to_owned(),
    }
}

/// A row that is on its way.
fn draw_missing(row: &mut Canvas<'_>, x: u16) {
    let dots = format!("{} ", row.glyphs().dot).repeat(3);
    row.put(x, 0, &dots, Role::Dim);
}

/// The heads; a click sorts, an arrow tells by what the list is sorted.
fn draw_head(
    model: &Model,
    canvas: &mut Canvas<'_>,
    columns: &[Column<What>],
    (number_cells, job_cells): (u16, u16),
) {
    let JobList { sort, descending, .. } = model.jobs.wanted;
    let mut put = |x: u16, cells: u16, left: bool, by: Option<JobSort>, head: &str| {
        let sorted = by == Some(sort) && (sort != JobSort::Number || descending);
        let arrow = match (sorted, descending) {
            (false, _) => "",
            (true, true) => "↓",
            (true, false) => "↑",
        };
        let text = format!("{head}{arrow}");
        let role = if sorted { Role::Key } else { Role::Heading };
        match left {
            true => {
                canvas.put_cut(x, 0, cells, &text, role);
            }
            false => canvas.put_right(x + cells, 0, &text, role),
        }
        let column = by.and_then(|by| JobSort::ALL.iter().position(|sort| *sort == by));
        if let Some(column) = column {
            let from = x.saturating_sub(u16::from(!left));
            canvas.zone(from, 0, cells + 1, 1, Hit::Column { panel: super::JOBS, column });
        }
    };
    put(0, number_cells - 1, false, Some(JobSort::Number), "#");
    put(number_cells, job_cells, true, Some(JobSort::Task), "job");
    let mut x = number_cells + job_cells + 1;
    for column in columns {
        put(x, column.cells, column.what.is_left(), column.what.sort(), column.head);
        x += column.cells + 1;
    }
}

fn draw_row(
    model: &Model,
    row: &mut Canvas<'_>,
    job: &JobRow,
    columns: &[Column<What>],
    (number_cells, job_cells): (u16, u16),
) {
    if model.tags.contains_key(&job.job) {
        let mark = row.glyphs().tag;
        row.put(1, 0, mark, Role::Tag);
    }
    row.put_right(number_cells - 1, 0, &format!(":{}", job.job.0), Role::Dim);
    let label = model.job_label(job.task.0, job.index, &job.inputs);
    put_label(row, number_cells, job_cells, &label);
    let work = work_on(model, job).filter(|_| job.state == "running");
    let mut x = number_cells + job_cells + 1;
    for column in columns {
        if column.what == What::State {
            let (shape, word, role) =
                state_of(row.glyphs(), job, work.map(|(worker, _)| worker.state));
            let end = row.put(x, 0, shape, role);
            row.put_cut(end + 1, 0, column.cells - 2, &word, role);
        } else {
            let (text, role) = columns::cell(model, job, work, column.what);
            match column.what.is_left() {
                true => {
                    row.put_cut(x, 0, column.cells, &text, role);
                }
                false => row.put_right(x + column.cells, 0, &text, role),
            }
        }
        x += column.cells + 1;
    }
}
