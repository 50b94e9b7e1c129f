//! The output panel against a supervisor that is made of a few texts.

use super::fixtures::{busy, empty, look, send, text};
use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ganger::control::proto::ToClient;
use ganger::model::query::*;
use ganger::model::*;
use ganger::tui::glyphs::GlyphSet;
use ganger::tui::model::{Model, Pending};
use ganger::tui::output::save::{SaveError, SaveJob};
use ganger::tui::output::{Question, Whose};
use ganger::tui::theme::{Depth, Role, Theme};
use ganger::tui::update::{Action, Msg, update};
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

/// Types; `\n` is Enter, `\x1b` Esc, `\t` Tab. Returns the files that were to be saved.
pub fn type_in(model: &mut Model, keys: &str) -> Vec<SaveJob> {
    let mut saved = Vec::new();
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            '→' => KeyCode::Right,
            c => KeyCode::Char(c),
        };
        let now = model.now;
        for action in update(model, Msg::Key(KeyEvent::from(code)), now) {
            if let Action::Save(job) = action {
                saved.push(job);
            }
        }
    }
    saved
}

const OUT: &str = "\x1b[1;32mready\x1b[0m\nloading 10%\rloading 100%\nplain words\n\
    a line that is long enough to be cut on most screens, and goes on and on and on and on until \
    it holds a needle at its very end, where no screen of an ordinary width shows it at once\n\
    \x1b[31mred\x1b[0m and \x1b[4munderlined\x1b[0m and a needle\n日本語 is wide\n";
const ERR: &str = "warning: profile missing\nwarning: no needle\n";

fn body(key: (JobNo, u32), stream: Stream) -> Vec<u8> {
    match stream {
        Stream::Stdout if key.1 > 1 => OUT.as_bytes().to_vec(),
        Stream::Stdout => [OUT, &format!("of job {}\n", key.0)].concat().into_bytes(),
        Stream::Stderr => ERR.as_bytes().to_vec(),
    }
}

fn part(key: (JobNo, u32), stream: Stream, bytes: Vec<u8>) -> OutputPart {
    let size = bytes.len() as u64;
    let line = |n: u64| Mark { at: Wall(995_000_000 + n as i64 * 1_000_000), size: size * n / 4 };
    OutputPart {
        attempt: AttemptId { job: key.0, n: key.1 },
        path: Some(Text::from(format!("/run/{}-{stream:?}", key.0).as_str())),
        offset: 0,
        size,
        bytes: Text(bytes),
        complete: false,
        marks: (1..=4).map(line).collect(),
    }
}

/// Lines with `needle`, in the order of jobs.
fn hits(scope: &SearchScope) -> Vec<Hit> {
    let jobs = match scope {
        SearchScope::All => vec![1_200, 1_320, 1_400],
        SearchScope::Job(JobRef { place: JobPlace::Number(job), .. }) => vec![job.0],
        SearchScope::Job(_) => Vec::new(),
    };
    let mut hits = Vec::new();
    for job in jobs {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let attempt = AttemptId { job: JobNo(job), n: if job == 1_200 { 3 } else { 1 } };
            let bytes = body((attempt.job, attempt.n), stream);
            let mut offset = 0;
            for line in bytes.split_inclusive(|b| *b == b'\n') {
                let text = String::from_utf8_lossy(line).replace(['\n', '\x1b'], "");
                if let Some(at) = text.find("needle") {
                    let matched = (at as u32, at as u32 + 6);
                    let label = format!("thumb:{}", job - 1);
                    hits.push(Hit { attempt, label, stream, offset, text, matched });
                }
                offset += line.len() as u64;
            }
        }
    }
    hits
}

fn recent() -> Recent {
    let chunk = |job: u32, label: &str, stream, text: &str, left_out_bytes| Chunk {
        attempt: AttemptId { job: JobNo(job), n: 1 },
        label: label.to_owned(),
        stream,
        offset: 0,
        bytes: Text::from(text),
        at: Wall(996_000_000),
        left_out_bytes,
    };
    Recent {
        chunks: vec![
            chunk(1, "prepare:1", Stream::Stdout, "\x1b[1mten\x1b[0m folders\n", 0),
            chunk(1_320, "thumb:1319", Stream::Stdout, "cat.png read\ncat.png scaled\n", 0),
            chunk(1_322, "thumb:1321", Stream::Stderr, "warning: profile missing\n", 0),
            chunk(1_900, "upload:12", Stream::Stdout, "sent 12 files\n", 81_920),
        ],
        ..Recent::default()
    }
}

fn reply_to(question: &Question) -> Reply {
    match question {
        Question::Part(ask) => Reply::Output(part(ask.key, ask.stream, body(ask.key, ask.stream))),
        Question::Find(search) => {
            Reply::Found(Found { hits: hits(&search.scope), next: None, searched_bytes: 4_096 })
        }
        Question::Recent(_) => Reply::Recent(recent()),
    }
}

/// Answers what was asked so far, and what is asked because of that.
pub fn answer(model: &mut Model) {
    answer_with(model, reply_to);
}

fn answer_with(model: &mut Model, reply_to: impl Fn(&Question) -> Reply) {
    for _ in 0..6 {
        let open: Vec<_> = model.pending.iter().map(|(id, p)| (*id, p.clone())).collect();
        for (id, pending) in open {
            let reply = match &pending {
                Pending::Output(question) => reply_to(question),
                Pending::Panel { .. } | Pending::KillPreview(_) => {
                    Reply::Job { job: Box::new(detail()) }
                }
                Pending::Command { .. } => continue,
            };
            let message = ToClient::Reply { id, reply: Box::new(reply) };
            let now = model.now;
            update(model, Msg::Server(Box::new(message)), now);
        }
    }
}

/// A job that had three attempts.
fn detail() -> JobDetail {
    let row = JobRow::bare(JobNo(1_201), TaskIdx(1), 1_200, "thumb:1200".to_owned());
    let attempt = |n| AttemptRow {
        n,
        slot: Slot { pool: PoolIdx::DEFAULT, n: 1 },
        started_at: Wall(0),
        wall_ms: 5,
        outcome: None,
        exit: None,
        cpu_user_ms: None,
        cpu_system_ms: None,
        max_rss_bytes: None,
        stdout_bytes: None,
        stderr_bytes: None,
        swept: 0,
        oom_killed: None,
        reason: None,
        error: None,
    };
    JobDetail { attempts: (1..=3).map(attempt).collect(), ..JobDetail::bare(row) }
}

/// A screen that shows the output of the first worker, alone.
fn shown(width: u16, height: u16) -> Model {
    let mut model = empty(width, height);
    send(&mut model, busy());
    type_in(&mut model, "5m");
    answer(&mut model);
    model
}

fn has(model: &Model, what: &str) {
    let shown = text(model);
    assert!(shown.contains(what), "`{what}` is not there:\n{shown}");
}

fn has_not(model: &Model, what: &str) {
    let shown = text(model);
    assert!(!shown.contains(what), "`{what}` is there:\n{shown}");
}

#[test]
fn a_search_goes_to_hits_while_one_types_and_back_again() {
    let mut model = shown(100, 12);
    type_in(&mut model, "/need");
    has(&model, "search [this job] need");
    has(&model, "0+ `need` (searching…)");
    answer(&mut model);
    has(&model, "1 of 3 `need`");
    has(&model, "from column");
    type_in(&mut model, "le\n");
    answer(&mut model);
    has(&model, "1 of 3 `needle`");
    type_in(&mut model, "nn");
    has(&model, "3 of 3 `needle`");
    has(&model, "▌warning: no needle");
    type_in(&mut model, "n");
    has(&model, "1 of 3 `needle`");
    type_in(&mut model, "N");
    has(&model, "3 of 3 `needle`");
    type_in(&mut model, "\x1b");
    has(&model, "following");
    has_not(&model, "of 3");
    // One more Esc leaves the panel, as before.
    type_in(&mut model, "\x1b");
    assert!(model.zoom.is_none());
}

#[test]
fn a_search_that_finds_nothing_says_so_and_leaves_one_where_one_was() {
    let mut model = shown(100, 12);
    type_in(&mut model, "/needle");
    answer(&mut model);
    assert!(model.output.is_held());
    type_in(&mut model, "x");
    answer_with(&mut model, |question| match question {
        Question::Find(_) => Reply::Found(Found::default()),
        other => reply_to(other),
    });
    has(&model, "no `needlex`");
    assert!(!model.output.is_held());
    type_in(&mut model, "\x1b/[/");
    type_in(&mut model, "\x1b//(/");
    has(&model, "search [this job] /(/");
    type_in(&mut model, "\n");
    assert!(model.popup.is_some(), "an expression that is none stays to be corrected");
}

#[test]
fn a_search_in_all_jobs_turns_to_them_and_says_so() {
    let mut model = shown(120, 20);
    type_in(&mut model, "/needle\t");
    has(&model, "search [all jobs] needle");
    answer(&mut model);
    type_in(&mut model, "\n");
    has(&model, "4 of 9 `needle` in all jobs");
    has(&model, "output ─ thumb:1319 cat.png 256");
    type_in(&mut model, "nnn");
    answer(&mut model);
    has(&model, "7 of 9 `needle` in all jobs");
    has(&model, "output ─ thumb:1399");
    has(&model, "now in thumb:1399");
    // What the worker does next does not turn it away.
    let mut later = busy();
    later.at = super::fixtures::at(1_010);
    send(&mut model, later);
    has(&model, "output ─ thumb:1399");
    type_in(&mut model, "\x1b");
    has(&model, "output ─ thumb:1319 cat.png 256");
    has(&model, "following");

    let mut model = empty(120, 40);
    send(&mut model, busy());
    type_in(&mut model, ":search-all needle\n");
    answer(&mut model);
    has(&model, "4 of 9 `needle` in all jobs");
}

#[test]
fn the_output_of_all_jobs_leads_to_each() {
    let mut model = shown(100, 12);
    type_in(&mut model, "a");
    has(&model, "no job has said anything yet");
    answer(&mut model);
    has(&model, "output ─ all jobs");
    has(&model, "thumb:1319   cat.png scaled");
    has(&model, "80K of upload:12 left out");
    assert_eq!(model.selection(), None, "acts are about no job");
    type_in(&mut model, "S");
    has(&model, "the output of all jobs is no file");
    type_in(&mut model, "[");
    has(&model, "attempts are of one job");
    let mut buf = Buffer::empty(model.size);
    model.zones = ganger::tui::draw::draw(&model, &mut buf);
    let rows = text(&model);
    let row = rows.lines().position(|line| line.contains("cat.png scaled")).unwrap() as u16;
    let kind = MouseEventKind::Down(MouseButton::Left);
    let modifiers = crossterm::event::KeyModifiers::NONE;
    let now = model.now;
    update(&mut model, Msg::Mouse(MouseEvent { kind, column: 30, row, modifiers }), now);
    assert_eq!(model.output.whose(), Whose::One);
    has(&model, "output ─ thumb:1319");
}

#[test]
fn output_is_saved_and_overwritten_only_when_that_is_confirmed() {
    let mut model = shown(120, 20);
    assert!(type_in(&mut model, "S").is_empty());
    has(&model, "save to thumb-1319.log");
    let saved = type_in(&mut model, "\n");
    let [job] = saved.as_slice() else { panic!("{saved:?}") };
    let to: Vec<_> = job.copies.iter().map(|copy| copy.to.to_str().unwrap()).collect();
    assert_eq!(to, ["thumb-1319.log", "thumb-1319.log.stderr"]);
    assert!(!job.replace);
    let tell = |model: &mut Model, job: &SaveJob, result| {
        let now = model.now;
        update(model, Msg::Saved(job.clone(), result), now);
    };
    tell(&mut model, job, Ok(12_345));
    has(&model, "saved 12K in thumb-1319.log and thumb-1319.log.stderr");

    let there = || Err(SaveError::Exists("thumb-1319.log".into()));
    tell(&mut model, job, there());
    has(&model, "thumb-1319.log is there: Enter overwrites it");
    assert!(type_in(&mut model, "\n")[0].replace);
    tell(&mut model, job, there());
    // Another name is another question.
    assert!(!type_in(&mut model, "2\n")[0].replace);
    tell(&mut model, job, there());
    assert!(type_in(&mut model, "\x1b").is_empty());
    tell(&mut model, job, Err(SaveError::Moved));
    has(&model, "not saved: the job has just ended");
}

#[test]
fn one_turns_from_attempt_to_attempt() {
    let mut model = empty(100, 20);
    send(&mut model, busy());
    type_in(&mut model, "4\n");
    has(&model, "output ─ thumb:1200 logo.svg 256 #3");
    for (key, words) in [("[", "#2 of 3"), ("[", "#1 of 3"), ("]", "#2 of 3")] {
        type_in(&mut model, key);
        answer(&mut model);
        has(&model, words);
    }
    type_in(&mut model, "]]");
    answer(&mut model);
    type_in(&mut model, "]");
    answer(&mut model);
    has(&model, "attempt 3 is the last one");
}

#[test]
fn an_idle_worker_does_not_pass_off_the_output_of_another() {
    let mut model = empty(120, 40);
    let mut snapshot = busy();
    snapshot.workers[1].work = None;
    snapshot.workers[1].state = WorkerState::Idle;
    send(&mut model, snapshot.clone());
    answer(&mut model);
    has_not(&model, "is idle");
    type_in(&mut model, "j");
    has(&model, "thumb:1319 cat.png 256 · not of worker 2: it is idle");
    type_in(&mut model, "k");
    snapshot.workers[0].work = None;
    send(&mut model, snapshot);
    has(&model, "thumb:1319 cat.png 256 · worker 1 is idle now");
}

#[test]
fn acts_in_the_panel_are_about_the_job_that_is_shown() {
    let mut model = shown(100, 20);
    type_in(&mut model, "K");
    has(&model, "kill thumb:1319 cat.png 256");
    type_in(&mut model, "\x1b/needle\t");
    answer(&mut model);
    type_in(&mut model, "\nN");
    has(&model, "3 of 9");
    assert_eq!(model.selection(), None, "nothing is known of it but that it does not run");
}

#[test]
fn a_place_is_reached_by_percent_and_by_the_scroll_bar() {
    let long: String = (0..1_000).map(|i| format!("line {i:>4}\n")).collect();
    let long = |question: &Question| match question {
        Question::Part(ask) if ask.stream == Stream::Stdout => {
            Reply::Output(part(ask.key, ask.stream, long.clone().into_bytes()))
        }
        Question::Part(ask) => Reply::Output(part(ask.key, ask.stream, Vec::new())),
        other => reply_to(other),
    };
    let mut model = empty(60, 9);
    send(&mut model, busy());
    type_in(&mut model, "5m");
    answer_with(&mut model, long);
    has(&model, "line  999");
    type_in(&mut model, "%5x");
    has(&model, "a number from 0 to 100");
    let back = KeyEvent::from(KeyCode::Backspace);
    let now = model.now;
    update(&mut model, Msg::Key(back), now);
    type_in(&mut model, "0\n");
    has(&model, "line  500");
    has(&model, "held still  50%");
    type_in(&mut model, "%100\n");
    has(&model, "line  999");
    let mut buf = Buffer::empty(model.size);
    model.zones = ganger::tui::draw::draw(&model, &mut buf);
    let column = model.size.width - 2;
    let (top, bottom) = (4, 6);
    let modifiers = crossterm::event::KeyModifiers::NONE;
    for (row, line) in [(top, "line    0"), (bottom, "line  999")] {
        let kind = MouseEventKind::Down(MouseButton::Left);
        let now = model.now;
        update(&mut model, Msg::Mouse(MouseEvent { kind, column, row, modifiers }), now);
        has(&model, line);
        model.zones = ganger::tui::draw::draw(&model, &mut buf);
    }
}

/// The style of the first cell of a text on the screen.
fn style_of(model: &Model, what: &str) -> ratatui::style::Style {
    let mut buf = Buffer::empty(model.size);
    let _ = ganger::tui::draw::draw(model, &mut buf);
    let shown = text(model);
    let (y, line) = shown.lines().enumerate().find(|(_, line)| line.contains(what)).unwrap();
    let x = line[..line.find(what).unwrap()].chars().count();
    buf[(x as u16, y as u16)].style()
}

/// The backgrounds of all words `needle` in the panel.
fn needles(model: &Model) -> Vec<Option<ratatui::style::Color>> {
    let mut buf = Buffer::empty(model.size);
    let _ = ganger::tui::draw::draw(model, &mut buf);
    let mut found = Vec::new();
    for (y, line) in text(model).lines().enumerate().filter(|(_, line)| line.starts_with('│')) {
        if let Some(at) = line.find("needle") {
            let x = line[..at].chars().count();
            found.push(buf[(x as u16, y as u16)].style().bg);
        }
    }
    found
}

#[test]
fn colours_of_jobs_stay_and_without_colours_their_attributes() {
    let mut model = shown(100, 14);
    let theme = &model.look.theme;
    let plain = theme.style(Role::Text);
    let (found, current) = (theme.style(Role::SearchMatch), theme.style(Role::SearchCurrent));
    assert_eq!(style_of(&model, "red and").fg, Some(ratatui::style::Color::Red));
    assert_eq!(style_of(&model, "plain").fg, plain.fg);
    type_in(&mut model, "/needle");
    answer(&mut model);
    type_in(&mut model, "\nN");
    has(&model, "3 of 3");
    let marked: Vec<_> = needles(&model);
    assert!(marked.contains(&current.bg) && marked.contains(&found.bg), "{marked:?}");
    let mut model = shown(100, 14);
    model.look.theme = Theme::named("dark", Depth::None);
    assert!(style_of(&model, "ready").add_modifier.contains(Modifier::BOLD));
    assert!(style_of(&model, "underlined").add_modifier.contains(Modifier::UNDERLINED));
    assert!(matches!(style_of(&model, "red").fg, None | Some(ratatui::style::Color::Reset)));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn random_bytes_never_break_the_screen_nor_reach_the_terminal(
        out in proptest::collection::vec(proptest::num::u8::ANY, 0..3_000),
        width in 20_u16..120,
        height in 5_u16..30,
        keys in "[FeawTgGjk%\\[\\]→]{0,12}",
        ascii: bool,
    ) {
        let mut model = empty(width, height);
        model.look = look(if ascii { GlyphSet::Ascii } else { GlyphSet::Braille });
        send(&mut model, busy());
        let random = |question: &Question| match question {
            Question::Part(ask) => Reply::Output(part(ask.key, ask.stream, out.clone())),
            Question::Recent(_) => {
                let mut recent = recent();
                recent.chunks[1].bytes = Text(out.clone());
                Reply::Recent(recent)
            }
            other => reply_to(other),
        };
        type_in(&mut model, "5m");
        for key in keys.chars() {
            type_in(&mut model, &key.to_string());
            if key == '%' {
                type_in(&mut model, "37\n");
            }
            answer_with(&mut model, random);
            let shown = text(&model);
            proptest::prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
