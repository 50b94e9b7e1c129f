//! The list of jobs and the details of one, asked of a supervisor that is built in code.

use super::asked::{Fake, later};
use super::fixtures::{busy, empty, ended, lived, look, text};
use super::screens::{SIZES, check};
use crossterm::event::{KeyCode, KeyEvent};
use ganger::control::client::ClientError;
use ganger::control::proto::{ToClient, ToServer};
use ganger::model::query::*;
use ganger::model::*;
use ganger::tui::glyphs::GlyphSet;
use ganger::tui::model::{Model, Phase};
use ganger::tui::panels::{DETAILS, JOBS, OUTPUT, PANELS, WORKERS};
use ganger::tui::update::{Action, Msg, update};

const N: u32 = 2_096;

struct Screen {
    model: Model,
    fake: Fake,
    /// Commands that were sent.
    sent: Vec<Command>,
}

impl Screen {
    fn with(model: Model, n: u32) -> Screen {
        let mut screen = Screen { model, fake: Fake::new(n), sent: Vec::new() };
        screen.snapshot(later(busy(), n, 0));
        screen
    }

    fn new(width: u16, height: u16, n: u32) -> Screen {
        Screen::with(empty(width, height), n)
    }

    fn update(&mut self, msg: Msg) {
        let now = self.model.now;
        let actions = update(&mut self.model, msg, now);
        for action in &actions {
            if let Action::Send(ToServer::Command { command, .. }) = action {
                self.sent.push(command.clone());
            }
        }
        self.fake.answer(&mut self.model, actions);
    }

    fn snapshot(&mut self, snapshot: Snapshot) {
        self.model.now = snapshot.at;
        self.update(Msg::Server(Box::new(ToClient::Snapshot { snapshot: Box::new(snapshot) })));
    }

    fn at(&mut self, seconds: u64) {
        self.snapshot(later(busy(), self.fake.n, seconds));
    }

    /// Presses keys: characters, or `<Name>` for others.
    fn press(&mut self, keys: &str) -> &mut Screen {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let (name, after) = match rest.strip_prefix('<').and_then(|r| r.split_once('>')) {
                Some((name, after)) if name.len() > 1 => (name.to_owned(), after),
                _ => (c.to_string(), &rest[c.len_utf8()..]),
            };
            rest = after;
            let code = match name.as_str() {
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Esc,
                "Tab" => KeyCode::Tab,
                "Down" => KeyCode::Down,
                "PgDn" => KeyCode::PageDown,
                one => KeyCode::Char(one.chars().next().unwrap()),
            };
            self.update(Msg::Key(KeyEvent::from(code)));
        }
        self
    }

    fn turn(&mut self, panel: usize) -> &mut Screen {
        self.press(&(panel + 1).to_string());
        assert_eq!(self.model.focus, panel);
        self
    }

    fn selected(&self) -> u32 {
        PANELS[JOBS].selection(&self.model).map_or(0, |selection| selection.job.0)
    }

    fn text(&self) -> String {
        text(&self.model)
    }

    #[track_caller]
    fn shows(&mut self, what: &str) -> &mut Screen {
        let text = self.text();
        assert!(text.contains(what), "`{what}` is not shown:\n{text}");
        self
    }
}

fn pictured(width: u16, height: u16) -> Screen {
    let mut screen = Screen::with(lived(width, height, busy()), N);
    screen.press("6");
    for _ in 0..2 {
        super::screens::answer_output(&mut screen.model, "tile 1 of 40\ntile 2 of 40\n", "");
    }
    screen
}

#[test]
fn the_list_at_every_size() {
    for (width, height) in SIZES {
        let mut screen = pictured(width, height);
        screen.press("fjob>1284 !index>1340<Enter>");
        screen.model.now = super::fixtures::now();
        check("jobs", &screen.model);
    }
}

#[test]
fn the_tasks_at_every_size() {
    for (width, height) in SIZES {
        let mut screen = pictured(width, height);
        screen.press("aj");
        check("tasks", &screen.model);
    }
}

#[test]
fn details_at_every_size() {
    for (width, height) in SIZES {
        let mut screen = pictured(width, height);
        screen.press("f:1201<Enter>d");
        check("details", &screen.model);
        screen.press("m");
        check("details-alone", &screen.model);
    }
}

#[test]
fn a_filter_that_is_wrong_says_where_and_what_to_try() {
    for (name, typed) in [("filter-wrong", "ffaild cpu>1"), ("filter-typed", "ffailed or c")] {
        for (width, height) in [(80, 24), (40, 10)] {
            let mut screen = pictured(width, height);
            screen.press(typed);
            check(name, &screen.model);
        }
    }
}

#[test]
fn in_seven_bits() {
    let mut screen = pictured(80, 24);
    screen.press("fjob>1284<Enter>");
    screen.model.look = look(GlyphSet::Ascii);
    let shown = screen.text();
    assert!(shown.is_ascii(), "{shown}");
}

#[test]
fn a_million_rows_are_never_held_and_the_last_is_there_at_once() {
    let mut screen = Screen::new(120, 40, 1_000_000);
    screen.turn(JOBS).shows("1 000 000").shows(":1 prepare");
    screen.press("G").shows(":1000000 index").shows("of 1 000 000");
    assert_eq!(screen.selected(), 1_000_000);
    screen.press("g").shows(":1 prepare");
    let before = screen.fake.lists();
    for _ in 0..60 {
        screen.press("<PgDn>").shows(":");
        assert!(!screen.text().contains("· · ·"), "{}", screen.text());
    }
    // Three screens at a time, one of which is new: no more questions than pages.
    assert!(screen.fake.lists() - before <= 61, "{}", screen.fake.lists() - before);
    assert!(screen.fake.most_rows() <= 3 * 40, "{}", screen.fake.most_rows());
    for _ in 0..300 {
        screen.press("j");
    }
    assert!(screen.fake.lists() - before <= 100, "{}", screen.fake.lists() - before);
}

#[test]
fn rows_that_are_not_there_yet_show_their_number_and_nothing_is_done_to_them() {
    let mut screen = Screen::new(120, 40, 1_000_000);
    screen.turn(JOBS);
    screen.fake.answers = false;
    screen.press("G").shows(":999999 · · ·");
    screen.press("x").shows("select a job first");
    assert_eq!(screen.sent, []);
    screen.fake.catch_up(&mut screen.model);
    screen.shows(":999999 thumb:999998").press("gG");
    assert_eq!(screen.selected(), 1_000_000);
}

#[test]
fn one_may_scroll_before_the_first_answer() {
    let mut screen = Screen::new(120, 40, 1_000_000);
    screen.fake.answers = false;
    screen.turn(JOBS).press("G").shows(":1000000 · · ·");
    screen.fake.catch_up(&mut screen.model);
    screen.shows(":1000000 index");
    assert_eq!(screen.selected(), 1_000_000);
}

#[test]
fn what_is_on_the_screen_is_asked_for_once_a_second_while_something_changes() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS);
    let before = screen.fake.lists();
    for _ in 0..20 {
        screen.update(Msg::Tick);
    }
    assert_eq!(screen.fake.lists(), before, "nothing has changed");
    for second in 1..=10 {
        screen.at(second);
        screen.update(Msg::Tick);
    }
    assert_eq!(screen.fake.lists(), before + 10);
    // Off the screen it is not asked for.
    screen.turn(WORKERS);
    let before = screen.fake.lists();
    for second in 20..30 {
        screen.at(second);
    }
    assert_eq!(screen.fake.lists(), before);
}

#[test]
fn a_filter_works_while_it_is_typed_and_an_error_keeps_the_one_before() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS).press("ffailed");
    screen.shows("failed · 3 of 2 096").shows("thumb:1200").shows("timed out");
    screen.press(" cpu").shows("failed · 3 of 2 096").press(">");
    screen.shows("nothing stands behind `cpu>`").shows("failed · 3 of 2 096");
    screen.press("1s").shows("failed cpu>1s · ");
    screen.press("<Enter>").shows("failed cpu>1s · ");
    screen.press("<Esc>").shows("jobs ─ 2 096");
    screen.press("fzzz<Enter>").shows("no job fits `zzz`").press("<Esc>").shows(":1 prepare");
    // Tab ends the word.
    screen.press("fskipp<Tab>").shows("skipped · 0 of 2 096");
}

#[test]
fn a_newer_list_does_not_wait_for_an_older_one() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS);
    screen.fake.answers = false;
    screen.press("ffailed or ok");
    let asked: Vec<_> = screen.fake.held_back.iter().collect();
    assert!(asked.len() >= 2, "every text that means something is asked for: {asked:?}");
    // Those before are refused, as the supervisor does it.
    let held = std::mem::take(&mut screen.fake.held_back);
    for (id, _) in &held[..held.len() - 1] {
        let error = "another list was asked for before this one was ready".to_owned();
        let reply = Box::new(Reply::Refused { error });
        screen.update(Msg::Server(Box::new(ToClient::Reply { id: *id, reply })));
    }
    assert!(!screen.text().contains("another list"), "{}", screen.text());
    screen.fake.held_back = held.into_iter().next_back().into_iter().collect();
    screen.fake.catch_up(&mut screen.model);
    screen.shows("failed or ok · ");
}

#[test]
fn a_refusal_is_said_and_asked_again_after_a_while() {
    let mut screen = Screen::new(120, 40, N);
    screen.fake.answers = false;
    screen.turn(JOBS);
    let before = screen.fake.lists();
    for (id, _) in std::mem::take(&mut screen.fake.held_back) {
        let reply = Box::new(Reply::Refused { error: "too \x1b[31mbusy".to_owned() });
        screen.update(Msg::Server(Box::new(ToClient::Reply { id, reply })));
    }
    screen.shows("too busy");
    assert_eq!(screen.fake.lists(), before);
    screen.fake.answers = true;
    screen.at(2);
    screen.shows(":1 prepare");
}

#[test]
fn a_click_or_the_menu_sorts_and_the_border_says_so() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS).press("s<Down><Down><Down><Down><Enter>");
    screen.shows("by cpu ↓").shows("cpu↓");
    screen.press("I").shows("by cpu ↑");
    let before = screen.selected();
    screen.press("G");
    assert_ne!(screen.selected(), before);
    // A click on the head: the same, then the other way round.
    let row = screen.text().lines().position(|line| line.contains(" started")).unwrap();
    let line = screen.text().lines().nth(row).unwrap().to_owned();
    let column = line.split("started").next().unwrap().chars().count();
    for shown in ["by started ↓", "by started ↑"] {
        let mut buf = ratatui::buffer::Buffer::empty(screen.model.size);
        screen.model.zones = ganger::tui::draw::draw(&screen.model, &mut buf);
        screen.update(Msg::Mouse(crossterm::event::MouseEvent {
            kind: crossterm::event::MouseEventKind::Down(crossterm::event::MouseButton::Left),
            column: column as u16 + 2,
            row: row as u16,
            modifiers: crossterm::event::KeyModifiers::NONE,
        }));
        screen.shows(shown);
    }
}

#[test]
fn a_sorted_list_of_very_many_says_where_it_ends() {
    let mut screen = Screen::new(120, 40, 20_000);
    screen.turn(JOBS).press("s<Down><Down><Down><Enter>G");
    screen.shows("only the first 10 000 by time").shows("of 10 000");
}

#[test]
fn the_selection_stays_with_its_job_when_rows_move() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS).press("frunning<Enter>jj");
    assert_eq!(screen.selected(), 1_320);
    screen.fake.ended = vec![1_290, 1_317];
    screen.at(2);
    screen.shows("running · 4 of 2 096");
    assert_eq!((screen.selected(), screen.model.jobs.list.at), (1_320, 0));
    // When the job itself is gone, what stands in its place is selected.
    screen.fake.ended = vec![1_290, 1_317, 1_320];
    screen.at(4);
    assert_eq!(screen.selected(), 1_321);
    // Back in the list of all jobs it is still that one.
    screen.press("<Esc>");
    assert_eq!((screen.selected(), screen.model.jobs.list.at), (1_321, 1_320));
}

#[test]
fn search_goes_from_match_to_match_and_round() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS).press("/IMG_1400");
    assert_eq!(screen.selected(), 1_400);
    screen.press("<Esc>");
    assert_eq!(screen.selected(), 1, "Esc goes back to where one was");
    screen.press("/img_20<Enter>");
    assert_eq!(screen.selected(), 2_000);
    screen.press("nn");
    assert_eq!(screen.selected(), 2_002);
    screen.press("NNN");
    assert_eq!(screen.selected(), 2_095, "round");
    screen.press("/no such<Enter>").shows("no job has `no such`");
    // In a filtered list the place is counted.
    screen.press("ffailed<Enter>/IMG_1201<Enter>");
    assert_eq!((screen.selected(), screen.model.jobs.list.at), (1_201, 1));
    // In a sorted list it is read page by page.
    screen.press("<Esc>s<Down><Down><Down><Down><Enter>g/IMG_1201<Enter>");
    assert_eq!(screen.selected(), 1_201);
    assert!(screen.model.jobs.list.at > 10);
}

#[test]
fn jobs_are_grouped_by_task_and_enter_lists_those_of_one() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS).press("a").shows("4 tasks").shows("p95").shows("2.48s").shows("0+?");
    // No job is selected: nothing can be done to one by mistake.
    screen.press("x").shows("select a job first");
    screen.press("j<Enter>").shows("task=thumb · 2 094 of 2 096");
    screen.press("<Esc>").shows("4 tasks").press("<Esc>").shows("jobs ─ 2 096");
}

#[test]
fn acts_mean_the_selected_or_tagged_jobs() {
    let job = JobNo;
    let target = |n| PauseTarget::Job(JobNo(n));
    for (keys, sent) in [
        ("f:1201<Enter>r", vec![Command::Retry { job: job(1_201) }]),
        ("f:1201<Enter>K", vec![]),
        ("f:1320<Enter>K<Enter>", vec![Command::Kill { job: job(1_320), now: false }]),
        ("f:1340<Enter>x", vec![Command::Kill { job: job(1_340), now: false }]),
        ("f:1330<Enter>x", vec![Command::Kill { job: job(1_330), now: false }]),
        ("f:1340<Enter>P", vec![Command::Pause { target: target(1_340) }]),
        ("f:1330<Enter>P", vec![Command::Resume { target: target(1_330) }]),
        ("f:1320<Enter>P", vec![Command::Pause { target: target(1_320) }]),
        ("f:1321<Enter>P", vec![Command::Resume { target: target(1_321) }]),
        ("f:5<Enter>r", vec![]),
        (
            "ffailed<Enter>  r",
            vec![Command::Many {
                commands: vec![
                    Command::Retry { job: job(998) },
                    Command::Retry { job: job(1_201) },
                ],
            }],
        ),
        ("ffailed<Enter>  Ur", vec![Command::Retry { job: job(1_310) }]),
    ] {
        let mut screen = Screen::new(120, 40, N);
        screen.turn(JOBS).press(keys);
        assert_eq!(screen.sent, sent, "{keys}\n{}", screen.text());
    }
}

#[test]
fn a_tag_knows_what_became_of_its_job() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS).press("f:1340<Enter> ");
    assert_eq!(screen.model.tags[&JobNo(1_340)].phase, Phase::Queued);
    screen.fake.ended = vec![1_340];
    screen.at(2);
    assert_eq!(screen.model.tags[&JobNo(1_340)].phase, Phase::Good);
}

#[test]
fn enter_opens_the_output_of_the_selected_job_and_escape_comes_back() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS).press("f:1201<Enter><Enter>");
    assert_eq!(screen.model.focus, OUTPUT);
    screen.shows("output ─ thumb:1200").press("<Esc>");
    assert_eq!(screen.model.focus, JOBS);
}

#[test]
fn details_of_the_selected_job_of_any_panel_and_back() {
    let mut screen = Screen::new(120, 40, N);
    let view = screen.model.view;
    screen.press("jd").shows("details ─ :1322").shows("rss 80M").shows("IMG_1322");
    assert_eq!(screen.model.focus, DETAILS);
    screen.press("P");
    assert_eq!(screen.sent, [Command::Pause { target: PauseTarget::Job(JobNo(1_322)) }]);
    screen.press("<Esc>");
    assert_eq!((screen.model.focus, screen.model.view), (WORKERS, view));
    // Beside the list they follow it, with the focus they stay.
    screen.turn(JOBS).press("f:1201<Enter>").shows("details ─ :1201");
    screen.press("<Esc>g").shows("details ─ :1 ");
    screen.press("d").shows("secrets.env").shows("UPLOAD_TOKEN");
    screen.fake.ended = vec![1];
    screen.at(2);
    screen.shows("details ─ :1 ").press("d");
    assert_eq!(screen.model.focus, JOBS);
    // Alone on the screen, then back to that.
    screen.turn(WORKERS).press("md").shows("details ─ :1322").press("<Esc>");
    assert_eq!((screen.model.focus, screen.model.zoom), (WORKERS, Some(WORKERS)));
}

#[test]
fn what_is_held_stays_when_the_run_has_ended_and_the_supervisor_is_gone() {
    let mut screen = Screen::new(120, 40, N);
    screen.turn(JOBS).press("f:1201<Enter>");
    screen.snapshot(later(ended(), N, 5));
    screen.turn(JOBS).shows("thumb:1200").shows("the run has ended");
    screen.press("<Esc>G").shows("index");
    let before = screen.fake.asked.len();
    screen.update(Msg::ServerGone(ClientError::Gone));
    screen.shows("index").shows("the supervisor has gone: as of 00:16:45");
    screen.press("gGjk");
    assert_eq!(screen.fake.asked.len(), before, "nobody is there to ask");
}

mod any {
    use super::super::screens::any_size::{any_key, any_text};
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_reply()(
            numbers in proptest::collection::vec(any::<u32>(), 8),
            texts in proptest::collection::vec(any_text(), 6),
            kind in 0u8..5,
            n_rows in 0usize..200,
        ) -> Reply {
            let at = |i: usize| numbers[i % 8];
            let row = |i: usize| {
                let n = at(i).wrapping_mul(i as u32 | 1);
                let mut row = Fake::new(N).row(n % 3_000 + 1);
                row.inputs = texts[i % 6].clone();
                row.state = [row.state, texts[(i + 1) % 6].clone(), "running".to_owned()]
                    [n as usize % 3].clone();
                (row.task, row.index) = (TaskIdx(n % 9), n);
                (row.attempts, row.cpu_ms) = (n % 4, Some(u64::from(n) << (n % 33)));
                (row.wall_ms, row.max_rss_bytes) = (Some(u64::MAX), Some(u64::MAX));
                (row.stdout_bytes, row.stderr_bytes) = (Some(u64::MAX), Some(u64::from(n)));
                row.started_at = Some(Wall((i64::from(n) - (1 << 31)) << (n % 33)));
                row.ended_at = (n.is_multiple_of(3)).then_some(Wall(i64::MAX));
                row
            };
            let rows = (0..n_rows).map(row).collect();
            match kind {
                0 | 1 => Reply::Jobs(JobPage {
                    total: at(0), of: at(1), scanned: at(2), cut_at: (at(3).is_multiple_of(2)).then_some(at(4)), rows,
                }),
                2 => {
                    let task = |i: usize| TaskRow {
                        task: TaskIdx(at(i)), name: texts[i % 6].clone(), pool: PoolIdx(at(i) as u16),
                        counts: Counts { total: at(i), succeeded: at(i + 1) / 4, failed: at(i + 2) / 4,
                            running: at(i + 3) / 4, ..Counts::default() },
                        unread: at(i).is_multiple_of(2), attempts: u64::MAX,
                        durations: Some(Durations { max_us: u64::MAX, ..Durations::default() }),
                        cpu_ms: u64::MAX, max_rss_bytes: Some(u64::MAX), eta_ms: Some(u64::MAX),
                    };
                    Reply::Tasks { total: at(5) % 9_000, rows: (0..n_rows).map(task).collect() }
                }
                3 => {
                    let mut job = Fake::new(N).detail(JobNo(at(0) % N + 1));
                    job.why = texts.clone();
                    job.command = texts.iter().map(|t| Text::from(t.as_str())).collect();
                    job.workdir = Text::from(texts[0].as_str());
                    job.inputs = texts.iter().map(|t| (t.clone(), Text::from(t.as_str()))).collect();
                    job.pool = texts[1].clone();
                    job.row = row(3);
                    for attempt in &mut job.attempts {
                        (attempt.wall_ms, attempt.cpu_user_ms, attempt.cpu_system_ms) =
                            (u64::MAX, Some(u64::MAX), Some(u64::MAX));
                        attempt.error = Some(texts[2].clone());
                        attempt.slot.pool = PoolIdx(9);
                    }
                    Reply::Job { job: Box::new(job) }
                }
                _ => Reply::Refused { error: texts[0].clone() },
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn answers_of_any_kind_never_panic_nor_make_it_ask_for_ever(
            replies in proptest::collection::vec(any_reply(), 1..6),
            panel in prop_oneof![Just(JOBS), Just(DETAILS)],
            width in 0u16..260,
            height in 0u16..70,
            keys in proptest::collection::vec(any_key(), 0..14),
        ) {
            let mut model = empty(120, 40);
            let now = super::super::fixtures::now();
            super::super::fixtures::send(&mut model, later(busy(), N, 0));
            model.turn_to(panel);
            let mut asked = update(&mut model, Msg::Resize(ratatui::layout::Rect::new(0, 0, width, height)), now);
            let mut replies = replies.iter().cycle();
            for key in keys {
                for _ in 0..20 {
                    let ids: Vec<u64> = asked.drain(..).filter_map(|action| match action {
                        Action::Send(ToServer::Query { id, .. }) => Some(id),
                        _ => None,
                    }).collect();
                    for id in ids {
                        let reply = Box::new(replies.next().unwrap().clone());
                        let message = ToClient::Reply { id, reply };
                        asked.extend(update(&mut model, Msg::Server(Box::new(message)), now));
                        text(&model);
                    }
                }
                asked.extend(update(&mut model, Msg::Key(key), now));
                text(&model);
            }
        }
    }
}
