//! Timeline, events, alerts, what is taken back and what became of a stop: keys in, with replies
//! of a supervisor that is not there.

use super::fixtures::{act, alarmed, at, busy, empty, ended, now, send, stop_of, text};
use super::past::{Past, bar, keys, serve};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ganger::control::proto::{ToClient, ToServer};
use ganger::model::query::{Query, Reply};
use ganger::model::*;
use ganger::tui::model::Model;
use ganger::tui::update::{Action, Msg, update};
use std::time::Duration;

fn screen() -> Model {
    let mut model = empty(120, 40);
    send(&mut model, busy());
    model
}

/// A screen that has turned to a view.
fn in_view(view: &str) -> (Model, Past) {
    let (mut model, past) = (screen(), Past::busy());
    keys(&mut model, &past, &format!(":view {view}<Enter>"));
    (model, past)
}

fn commands(actions: &[Action]) -> Vec<Command> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send(ToServer::Command { command, .. }) => Some(command.clone()),
        _ => None,
    });
    sent.collect()
}

fn queries(actions: &[Action]) -> Vec<(u64, Query)> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send(ToServer::Query { id, query }) => Some((*id, query.clone())),
        _ => None,
    });
    sent.collect()
}

fn wait(model: &mut Model, past: &Past, ms: u64) -> Vec<Action> {
    model.now.mono = model.now.mono + Duration::from_millis(ms);
    serve(model, past, Msg::Tick)
}

fn answer(model: &mut Model, past: &Past, answer: Answer) {
    let id = model.next_id - 1;
    serve(model, past, Msg::Server(Box::new(ToClient::Answer { id, answer })));
}

fn footer(model: &Model) -> String {
    text(model).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn bars_can_be_chosen_and_acts_mean_their_jobs() {
    let (mut model, past) = in_view("timeline");
    let selected = |model: &Model| model.selection().map(|s| s.attempt.unwrap().to_string());
    assert_eq!(selected(&model).as_deref(), Some(":1320#1"), "without a cursor: what runs now");
    keys(&mut model, &past, "jj");
    assert_eq!(selected(&model).as_deref(), Some(":1290#1"));
    assert_eq!(commands(&keys(&mut model, &past, "K<Enter>")).len(), 1);
    // 44 seconds ago the first worker had a job that failed.
    keys(&mut model, &past, &format!("kk{}", ",".repeat(44)));
    assert_eq!(selected(&model).as_deref(), Some(":1201#1"));
    assert!(text(&model).contains("at −0:44: ran thumb:1289, thumb:997✗"), "{}", text(&model));
    let retry = Command::Retry { job: JobNo(1_201) };
    assert_eq!(commands(&keys(&mut model, &past, "r")), [retry]);
    keys(&mut model, &past, "<Enter>");
    assert!(text(&model).contains("output ─ thumb:1200"), "{}", text(&model));
    keys(&mut model, &past, "<Esc>;");
    assert_eq!(model.axis.cursor, None);
}

#[test]
fn a_click_chooses_a_bar_and_a_drag_moves_the_cursor() {
    let (mut model, past) = in_view("timeline");
    let shown = text(&model);
    let row = shown.lines().position(|line| line.contains(":1200")).unwrap() as u16;
    let line = shown.lines().nth(usize::from(row)).unwrap();
    let column = line.chars().position(|c| c == '✗').unwrap() as u16;
    let mouse =
        |kind, column| Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    // Where things lie is noted while they are drawn.
    let mut buf = ratatui::buffer::Buffer::empty(model.size);
    model.zones = ganger::tui::draw::draw(&model, &mut buf);
    serve(&mut model, &past, mouse(MouseEventKind::Down(MouseButton::Left), column));
    assert_eq!(model.selection().unwrap().job, JobNo(1_201));
    serve(&mut model, &past, mouse(MouseEventKind::Drag(MouseButton::Left), column + 20));
    assert_eq!(
        model.axis.column(now().mono, model.axis.cursor.unwrap(), 80),
        Some(column + 20 - 33)
    );
    assert_ne!(model.selection().map(|s| s.job), Some(JobNo(1_201)));
}

#[test]
fn the_timeline_asks_twice_a_second_and_at_once_when_it_is_moved() {
    let (mut model, past) = in_view("timeline");
    let asks = |actions: &[Action]| {
        let timeline = |(_, query): &(u64, Query)| matches!(query, Query::Timeline { .. });
        queries(actions).iter().filter(|q| timeline(q)).count()
    };
    let mut asked = 0;
    let mut counted = |model: &mut Model, msg: Msg| {
        let at = model.now;
        let actions = update(model, msg, at);
        asked += asks(&actions);
        for (id, query) in queries(&actions) {
            if let Some(reply) = past.answer(&query) {
                let reply = ToClient::Reply { id, reply: Box::new(reply) };
                let more = update(model, Msg::Server(Box::new(reply)), at);
                asked += asks(&more);
            }
        }
        asked
    };
    for _ in 0..20 {
        model.now.mono = model.now.mono + Duration::from_millis(50);
        counted(&mut model, Msg::Tick);
    }
    let before = counted(&mut model, Msg::Tick);
    assert!((1..=2).contains(&before), "a second has two halves: {before}");
    for (i, key) in ['<', '>', 'h', 'h'].into_iter().enumerate() {
        let key = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Char(key));
        assert_eq!(counted(&mut model, Msg::Key(key)), before + i + 1, "at once");
    }
    // What is in sight has ended, but for what still runs: that is asked for now and then.
    let before = counted(&mut model, Msg::Tick);
    for _ in 0..40 {
        model.now.mono = model.now.mono + Duration::from_millis(50);
        counted(&mut model, Msg::Tick);
    }
    assert_eq!(counted(&mut model, Msg::Tick), before + 1);
}

#[test]
fn events_can_be_filtered_searched_and_acted_on() {
    let (mut model, past) = in_view("events");
    assert!(model.selection().is_none(), "while the list follows, rows run away under keys");
    keys(&mut model, &past, "<Up><Up>");
    let raised = model.selection().unwrap();
    assert_eq!((raised.job, raised.attempt), (JobNo(1_500), None));
    let first = Command::Prioritize { job: JobNo(1_500), to: Rank::First };
    assert_eq!(commands(&keys(&mut model, &past, "]")), [first]);
    let own = Command::Prioritize { job: JobNo(1_500), to: Rank::OfTask };
    assert_eq!(commands(&keys(&mut model, &past, "[")), [own]);
    keys(&mut model, &past, "/exit code<Enter>");
    assert_eq!(model.selection().unwrap().job, JobNo(1_207));
    let failed = model.events.at();
    keys(&mut model, &past, "n");
    assert_ne!(model.events.at(), failed);
    keys(&mut model, &past, "NfJob:x");
    assert!(!footer(&model).contains("no number"), "{}", footer(&model));
    for (wrong, hint) in [
        ("job:x", "write job:17"),
        ("kind:job_end", "kind:job_ended?"),
        ("by:scren", "by:screen?"),
        ("task:thum", "task:thumb?"),
    ] {
        keys(&mut model, &past, &format!("<Esc>f{wrong}<Enter>"));
        assert!(footer(&model).contains(hint), "{}", footer(&model));
    }
    keys(&mut model, &past, "<Esc>fby:people<Enter>");
    assert_eq!(model.events.rows.len(), 3, "{}", text(&model));
    keys(&mut model, &past, "<Esc>");
    assert_eq!(model.events.rows.len(), past.events.len());
    keys(&mut model, &past, "<Home>/exit code<Enter><Enter>");
    assert!(text(&model).contains("output ─ thumb:1206"), "{}", text(&model));
}

#[test]
fn new_events_come_while_the_list_follows_and_stay_below_while_it_is_held() {
    let (mut model, mut past) = in_view("events");
    let more = |past: &mut Past, text: &str| {
        let mut row = past.events.last().unwrap().clone();
        (row.id, row.text) = (row.id + 1, text.to_owned());
        past.events.push(row);
    };
    more(&mut past, "one more");
    wait(&mut model, &past, 600);
    assert!(text(&model).contains("one more"));
    keys(&mut model, &past, "<Home>");
    more(&mut past, "and another");
    wait(&mut model, &past, 600);
    assert_eq!(model.events.at(), 0, "what is held stays");
    keys(&mut model, &past, "<End>");
    wait(&mut model, &past, 600);
    assert!(text(&model).contains("and another"), "{}", text(&model));
}

#[test]
fn an_alert_with_a_job_can_be_acted_on() {
    let (mut model, past) = (empty(120, 40), Past::busy());
    send(&mut model, alarmed());
    let shown = text(&model);
    let notice = shown.lines().nth(2).unwrap();
    assert!(notice.contains("▲ CRITICAL  memory is short") && notice.contains("- fewer workers"));
    assert!(shown.contains("1 critical  1 warning  1 advice  2 failed"), "{shown}");
    // The first that acts can be about is the job that hangs.
    let stop = Command::Kill { job: JobNo(1_290), now: false };
    assert_eq!(commands(&keys(&mut model, &past, "4K<Enter>")), [stop]);
    keys(&mut model, &past, "k");
    assert!(commands(&keys(&mut model, &past, "K")).is_empty());
    keys(&mut model, &past, "jjj");
    let retry = Command::Retry { job: JobNo(1_201) };
    assert_eq!(commands(&keys(&mut model, &past, "r")), [retry]);
    // An alert that goes takes nothing else along.
    let mut fewer = alarmed();
    fewer.alerts.remove(0);
    send(&mut model, fewer);
    assert_eq!(model.selection().unwrap().job, JobNo(1_201));
}

#[test]
fn undo_takes_back_the_newest_act_that_can_be_and_says_what() {
    let (mut model, past) = (screen(), Past::busy());
    assert!(commands(&keys(&mut model, &past, "u")).is_empty());
    assert!(footer(&model).contains("nothing to take back"), "{}", footer(&model));
    let mut snapshot = busy();
    snapshot.acts = vec![
        act(3, "kill thumb:3", None),
        act(2, "scale pool default to 6", Some("scale pool default to 2")),
        act(1, "pause the run", Some("resume the run")),
    ];
    send(&mut model, snapshot.clone());
    assert_eq!(commands(&keys(&mut model, &past, "u")), [Command::Undo { act: 2 }]);
    let said = "undo: scale pool default to 6 → scale pool default to 2";
    assert!(footer(&model).contains(said), "{}", footer(&model));
    // Once more, before anything was answered: the next one is known with the next snapshot.
    assert!(commands(&keys(&mut model, &past, "u")).is_empty());
    answer(&mut model, &past, Answer::Done("pool default: 6 -> 2 workers".to_owned()));
    snapshot.acts[1].undo = None;
    snapshot.at = at(1_001);
    let actions = {
        let now = snapshot.at;
        let message = ToClient::Snapshot { snapshot: Box::new(snapshot) };
        update(&mut model, Msg::Server(Box::new(message)), now)
    };
    assert_eq!(commands(&actions), [Command::Undo { act: 1 }]);
}

#[test]
fn acts_on_several_jobs_are_one_command_with_one_answer() {
    let (mut model, past) = (screen(), Past::busy());
    let sent = commands(&keys(&mut model, &past, "   K<Enter>"));
    let [Command::Many { commands: all }] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(all.len(), 3);
    answer(&mut model, &past, Answer::Refused("2 done, 1 refused: it has ended".to_owned()));
    assert!(footer(&model).contains("stop 3 jobs: 2 done, 1 refused"), "{}", footer(&model));
}

#[test]
fn a_stop_is_followed_until_nothing_is_left() {
    let (mut model, past) = (screen(), Past::busy());
    keys(&mut model, &past, "K<Enter>");
    assert!(footer(&model).contains("stop thumb:1319 cat.png 256 (sent)"), "{}", footer(&model));
    answer(&mut model, &past, Answer::Done(String::new()));
    let mut snapshot = busy();
    let mut tell = |model: &mut Model, ms: u64, change: &dyn Fn(&mut StopProof)| {
        let mut stop = stop_of(1_320);
        change(&mut stop);
        snapshot.last_stops = vec![stop];
        snapshot.at.mono = now().mono + Duration::from_millis(ms);
        send(model, snapshot.clone());
        footer(model)
    };
    let at = |ms: u64| Some(now().mono + Duration::from_millis(ms));
    let said = tell(&mut model, 1_800, &|_| {});
    assert!(said.contains("stop thumb:1319: TERM sent, KILL in 3.2s"), "{said}");
    let said = tell(&mut model, 2_000, &|stop| {
        (stop.leader_ended_at, stop.exit) = (at(400), Some(Exit::Signal(libc::SIGTERM)));
    });
    assert!(said.contains("leader ended by SIGTERM, sweeping"), "{said}");
    let over = |stop: &mut StopProof| {
        (stop.leader_ended_at, stop.exit) = (at(400), Some(Exit::Signal(libc::SIGTERM)));
        (stop.ended_at, stop.swept, stop.nothing_left) = (at(400), 2, Some(true));
    };
    let proof = "✓ thumb:1319 ended by SIGTERM after 0.4s; 2 more processes ended; nothing left";
    let said = tell(&mut model, 2_500, &over);
    assert!(said.contains(proof), "{said}");
    assert!(tell(&mut model, 6_000, &over).contains(proof), "it stays to be read");
    assert!(!tell(&mut model, 8_000, &over).contains("thumb:1319"), "and goes");
}

#[test]
fn what_could_not_be_ended_and_many_stops_are_told_too() {
    let (mut model, past) = (screen(), Past::busy());
    keys(&mut model, &past, "  K<Enter>");
    let mut snapshot = busy();
    snapshot.at.mono = now().mono + Duration::from_millis(1_000);
    let (mut first, second) = (stop_of(1_320), stop_of(1_322));
    first.exit = Some(Exit::Code(0));
    (first.ended_at, first.nothing_left) = (Some(now().mono), Some(true));
    snapshot.last_stops = vec![second.clone(), first.clone()];
    send(&mut model, snapshot.clone());
    assert!(footer(&model).contains("stop 2 jobs: 1 ended, KILL in 4.0s"), "{}", footer(&model));
    let mut second = second;
    (second.exit, second.swept) = (Some(Exit::Signal(libc::SIGKILL)), 1);
    second.ended_at = Some(now().mono + Duration::from_millis(5_000));
    (second.nothing_left, second.left) = (Some(false), Some("pid 7 is in state D".to_owned()));
    snapshot.last_stops = vec![second, first];
    snapshot.at.mono = now().mono + Duration::from_millis(5_100);
    send(&mut model, snapshot);
    let said = "✗ 2 jobs ended: 1 by SIGKILL, 1 with exit code 0 after 5.0s; 1 more process ended; \
                pid 7 is in state D";
    assert!(footer(&model).contains(said), "{}", footer(&model));
}

#[test]
fn a_run_that_has_ended_stands_still_in_all_graphs() {
    let (mut model, past) = in_view("timeline");
    let mut last = ended();
    last.at = at(1_001);
    send(&mut model, last);
    wait(&mut model, &past, 600);
    let row =
        |model: &Model| text(model).lines().find(|l| l.contains("longest")).map(str::to_owned);
    let before = (row(&model), model.axis_now());
    wait(&mut model, &past, 60_000);
    assert_eq!((row(&model), model.axis_now()), before);
}

mod anything {
    use super::*;
    use proptest::prelude::*;

    fn any_bar() -> impl Strategy<Value = Bar> {
        let time = prop_oneof![0u64..2_000_000_000, any::<u64>()];
        (any::<u32>(), 0u32..9, time.clone(), proptest::option::of(time), 0u32..12).prop_map(
            |(job, task, start, end, n)| Bar {
                start: Mono(start),
                end: end.map(Mono),
                slot: Slot { pool: PoolIdx((n % 3) as u16), n },
                outcome: [None, Some(Outcome::Succeeded), Some(Outcome::Lost)][n as usize % 3],
                ..bar(1, job.max(1), task, 1, None, None)
            },
        )
    }

    fn any_lane() -> impl Strategy<Value = Lane> {
        let stretch = (any::<u64>(), any::<u64>(), any::<u32>(), any::<f32>()).prop_map(
            |(start, end, count, busy_percent)| Stretch {
                start: Mono(start),
                end: Mono(end),
                count,
                bad: count / 2,
                busy_percent,
                task: (count % 2 == 0).then_some(TaskIdx(count)),
            },
        );
        let work = prop_oneof![
            proptest::collection::vec(any_bar(), 0..30).prop_map(LaneWork::Bars),
            proptest::collection::vec(stretch, 0..30).prop_map(LaneWork::Merged),
        ];
        (work, 0u32..20, proptest::option::of(any::<f32>())).prop_map(|(work, n, idle_percent)| {
            let slot = Slot { pool: PoolIdx((n % 4) as u16), n };
            Lane { slot, work, count: n, idle_percent }
        })
    }

    fn any_reply() -> impl Strategy<Value = Reply> {
        let row =
            (any::<u64>(), any::<String>(), any::<u32>()).prop_map(|(id, text, n)| EventRow {
                id,
                at: Now { mono: Mono(id), wall: Wall(id as i64) },
                kind: ["job_ended", "asked", "\u{1b}[31m", "attempt_quiet"][n as usize % 4]
                    .to_owned(),
                job: (n % 3 > 0).then_some(JobNo(n)),
                task: (n % 5 > 0).then_some(TaskIdx(n % 7)),
                pool: None,
                by: (n % 2 > 0).then_some(Requester::Cli { pid: n as i32 }),
                text,
            });
        prop_oneof![
            (
                proptest::collection::vec(any_lane(), 0..20),
                proptest::collection::vec(any_bar(), 0..9)
            )
                .prop_map(|(lanes, longest)| {
                    Reply::Timeline(Timeline { lanes, longest, ..Timeline::default() })
                }),
            (proptest::collection::vec(row, 0..40), any::<u64>(), any::<u64>(), any::<u64>())
                .prop_map(|(rows, oldest, newest, looked_to)| {
                    Reply::Events(EventPage { rows, oldest, newest, looked_to })
                }),
            Just(Reply::Refused { error: "no\nsuch\tthing".to_owned() }),
            Just(Reply::Why { lines: Vec::new() }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn that_the_supervisor_answers_never_panics(
            replies in proptest::collection::vec(any_reply(), 1..8),
            presses in "[,.;<>hljkgGcu/f 1-7KmnN\\]\\[]{0,16}",
            view in prop_oneof![Just("timeline"), Just("events"), Just("overview")],
            (width, height) in (20u16..220, 4u16..60),
        ) {
            let mut model = empty(width, height);
            send(&mut model, alarmed());
            let past = Past { bars: Vec::new(), events: Vec::new(), waits: None };
            keys(&mut model, &past, &format!(":view {view}<Enter>"));
            let mut replies = replies.into_iter().cycle();
            for key in presses.chars() {
                model.now.mono = model.now.mono + Duration::from_millis(600);
                let (at, key) = (model.now, crossterm::event::KeyCode::Char(key));
                let mut asked = queries(&update(&mut model, Msg::Key(key.into()), at));
                for _ in 0..3 {
                    let mut more = Vec::new();
                    for (id, _) in asked {
                        let reply = Box::new(replies.next().unwrap());
                        let reply = ToClient::Reply { id, reply };
                        more.extend(queries(&update(&mut model, Msg::Server(Box::new(reply)), at)));
                    }
                    asked = more;
                    text(&model);
                }
            }
        }
    }
}
