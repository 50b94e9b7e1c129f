//! What a person does with output: search, save, go to a place, turn to another attempt.

use super::room;
use crate::model::query::{Hit, Query, Reply, SearchScope};
use crate::model::{JobPlace, JobRef, Pattern};
use crate::tui::acts;
use crate::tui::format;
use crate::tui::input::Input;
use crate::tui::model::{FeedbackKind, Model, Pending, Popup, Prompt, Wanted};
use crate::tui::output::save::{SaveError, SaveJob};
use crate::tui::output::{Question, Target, Whose};
use crate::tui::panels::OUTPUT;
use crate::tui::update::{self, Action};
use std::path::Path;

/// Whether a search means all jobs: where all are shown it does anyway.
pub fn searches_all(model: &Model) -> bool {
    model.search_all || model.output.whose() == Whose::All
}

/// Searches for what is typed, in one job or in all.
pub fn search(model: &mut Model, text: &str, done: bool) -> Result<(), String> {
    if text.is_empty() {
        model.output.end_search(model.now.mono);
        return Ok(());
    }
    if model.output.offline {
        return Err("the supervisor has gone: nothing more can be searched".to_owned());
    }
    let scope = match (searches_all(model), model.output.scope_of_target()) {
        (true, _) => SearchScope::All,
        (false, Some(scope)) => scope,
        (false, None) => return Err("no job is shown: Tab searches all jobs".to_owned()),
    };
    let pattern = Pattern::typed(text);
    let is_same = |f: &crate::tui::output::find::Find| f.pattern == pattern && f.scope == scope;
    // Enter only closes the prompt: what was found stays.
    match &model.output.find {
        Some(find) if done && is_same(find) => Ok(()),
        _ => {
            // The supervisor ends a search when the next one comes; its last word about the old
            // one must not be taken for one about the new.
            model.pending.retain(|_, p| !matches!(p, Pending::Output(Question::Find(_))));
            model.output.search(pattern, scope)
        }
    }
}

/// `:search-all TEXT`.
pub fn search_all(model: &mut Model, text: &str) -> Result<(), String> {
    model.search_all = true;
    model.turn_to(OUTPUT);
    search(model, text, true)
}

/// The first hit of a search has come.
pub fn arrive(model: &mut Model) {
    let before = model.output.target.as_ref().map(|target| target.key);
    if let Some(hit) = model.output.arrive(model.now.mono) {
        shown(model, &hit, before);
    }
}

/// Goes to the next hit or the previous one.
pub fn next_hit(model: &mut Model, forward: bool) {
    if model.output.find.is_none() {
        return acts::refuse(model, "nothing was searched for: / asks");
    }
    let before = model.output.target.as_ref().map(|target| target.key);
    if let Some(hit) = model.output.step(forward, model.now.mono) {
        shown(model, &hit, before);
    }
}

/// Brings the match into sight when the line is cut, and says so when the job is another one.
fn shown(model: &mut Model, hit: &Hit, before: Option<crate::tui::output::Key>) {
    use unicode_width::UnicodeWidthStr;
    if before != Some((hit.attempt.job, hit.attempt.n)) {
        let label = model.output.target.as_ref().map_or(String::new(), |t| t.label.clone());
        let attempt =
            if hit.attempt.n > 1 { format!(" #{}", hit.attempt.n) } else { String::new() };
        acts::say(model, FeedbackKind::Done, format!("now in {label}{attempt}"));
    }
    let (from, to) = (hit.matched.0 as usize, hit.matched.1 as usize);
    let cells = |end: usize| hit.text.get(..end).map_or(0, UnicodeWidthStr::width);
    let (from, to) = (cells(from), cells(to));
    let room = room(model).width;
    let output = &mut model.output;
    let is_in_sight = from >= output.left && to <= output.left + room;
    if !output.wrap && !is_in_sight {
        output.left = if to <= room { 0 } else { from.saturating_sub(room / 3) };
    }
}

/// Esc ends what was begun here last: the search, then looking at a picked attempt.
pub fn back(model: &mut Model) -> bool {
    if model.output.find.is_some() {
        model.output.end_search(model.now.mono);
        return true;
    }
    let is_apart = model.output.picked && model.zoom.is_none();
    if is_apart {
        model.output.picked = false;
        model.output.follow();
        model.turn_output(true);
    }
    is_apart
}

/// Goes to a place by percent.
///
/// # Errors
/// In words, when the text is no number from 0 to 100.
pub fn go_to(model: &mut Model, text: &str, done: bool) -> Result<(), String> {
    let number = text.trim().trim_end_matches('%');
    if number.is_empty() {
        return Ok(());
    }
    match number.parse::<u8>() {
        Ok(percent @ 0..=100) => {
            if done {
                model.output.to_percent(percent);
            }
            Ok(())
        }
        _ => Err("a number from 0 to 100".to_owned()),
    }
}

/// Asks where to save.
pub fn ask_path(model: &mut Model) {
    let why = match (model.output.whose(), &model.output.target) {
        (Whose::All, _) => {
            "the output of all jobs is no file: a shows one job, `ganger logs --all` prints all"
        }
        (Whose::One, None) => "no output is shown",
        (Whose::One, Some(target)) => {
            let name = file_name(target);
            return update::prompt(model, Wanted::Save, name);
        }
    };
    acts::refuse(model, why);
}

/// `thumb-3.log`, with letters that need no quotes in a shell.
fn file_name(target: &Target) -> String {
    let job = target.label.split(' ').next().unwrap_or_default();
    let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = job.chars().map(plain).collect();
    // Neither hidden nor an option of whoever reads it.
    let name = name.trim_start_matches(['.', '-']);
    match (name, target.key.1) {
        ("", _) => "output.log".to_owned(),
        (name, 0 | 1) => format!("{name}.log"),
        (name, n) => format!("{name}.try{n}.log"),
    }
}

/// Saves what is shown; what is there already only when that was confirmed.
///
/// # Errors
/// In words, when there is nothing to save or no name.
pub fn save(model: &mut Model, path: &str, actions: &mut Vec<Action>) -> Result<(), String> {
    if path.trim().is_empty() {
        return Err("type the name of a file".to_owned());
    }
    let job = match model.overwrite.take() {
        Some((asked, job)) if asked == path => SaveJob { replace: true, ..job },
        _ => model.output.save_plan(Path::new(path), false)?,
    };
    acts::say(model, FeedbackKind::Sent, format!("save {path}"));
    actions.push(Action::Save(job));
    Ok(())
}

/// Says what became of it. Where something is there already it asks again, with the same text:
/// one more Enter overwrites.
pub fn saved(model: &mut Model, job: SaveJob, result: Result<u64, SaveError>) {
    let path = |i: usize| job.copies.get(i).map(|c| c.to.display().to_string());
    let name = path(0).unwrap_or_default();
    match result {
        Ok(n_bytes) => {
            let also = path(1).map_or(String::new(), |path| format!(" and {path}"));
            let size = format::size(n_bytes);
            let text = format!("saved {} in {name}{also}", size.trim());
            acts::say(model, FeedbackKind::Done, crate::tui::sanitize::one_line(&text));
        }
        Err(SaveError::Exists(there)) if model.popup.is_none() => {
            let there = crate::tui::sanitize::one_line(&there.display().to_string());
            let error = Some(format!("{there} is there: Enter overwrites it  Esc back"));
            let input = Input::with(name.clone());
            model.feedback = None;
            model.overwrite = Some((name, job));
            model.popup = Some(Popup::Prompt(Prompt { what: Wanted::Save, input, error }));
        }
        Err(error) => {
            let text = crate::tui::sanitize::one_line(&format!("not saved: {error}"));
            acts::say(model, FeedbackKind::Refused, text);
        }
    }
}

/// Tags of the question which attempts there are.
pub const BEFORE: u64 = 0;
pub const AFTER: u64 = 1;

/// Asks which attempts the shown job has had, to turn to the one before or after.
pub fn ask_attempts(model: &mut Model, tag: u64, actions: &mut Vec<Action>) {
    let why = match (model.output.whose(), &model.output.target) {
        (Whose::All, _) => "attempts are of one job: a shows one",
        (Whose::One, None) => "no output is shown",
        (Whose::One, Some(_)) if model.output.offline => "the supervisor has gone",
        (Whose::One, Some(target)) => {
            let job = JobRef { place: JobPlace::Number(target.key.0), attempt: None };
            let pending = Pending::Panel { panel: OUTPUT, tag };
            return acts::send_query(model, pending, Query::Job { job }, actions);
        }
    };
    acts::refuse(model, why);
}

/// Turns to the attempt before or after.
pub fn take_attempts(model: &mut Model, tag: u64, reply: Result<Reply, String>) {
    let detail = match reply {
        Ok(Reply::Job { job }) => job,
        Ok(_) => return,
        Err(why) => return acts::refuse(model, &why),
    };
    // One may look at another job by now.
    let Some(target) = model.output.target.clone().filter(|t| t.key.0 == detail.row.job) else {
        return;
    };
    let (job, n) = target.key;
    let all = || detail.attempts.iter().map(|attempt| attempt.n);
    let last = all().max().unwrap_or(n);
    model.output.n_attempts = Some((job, last));
    let next = match tag {
        BEFORE => all().filter(|other| *other < n).max(),
        _ => all().filter(|other| *other > n).min(),
    };
    match (next, tag) {
        (Some(next), _) => {
            let now = model.now.mono;
            model.output.show(Target { key: (job, next), ..target }, now);
            model.output.picked = true;
        }
        (None, _) if last <= 1 => acts::refuse(model, "it has had one attempt"),
        (None, BEFORE) => acts::refuse(model, &format!("nothing is kept before attempt {n}")),
        (None, _) => acts::refuse(model, &format!("attempt {n} is the last one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobNo;

    #[test]
    fn files_are_called_as_their_jobs() {
        for (label, n, name) in [
            ("thumb:3 cat.png 256", 1, "thumb-3.log"),
            ("thumb:3", 2, "thumb-3.try2.log"),
            ("report", 1, "report.log"),
            ("../etc/x y", 1, "etc-x.log"),
            ("größe:1", 1, "größe-1.log"),
            ("-", 1, "output.log"),
        ] {
            let target = Target { key: (JobNo(1), n), label: label.to_owned() };
            assert_eq!(file_name(&target), name);
        }
    }
}
