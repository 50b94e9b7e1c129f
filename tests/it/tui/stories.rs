//! Keys in, messages out.

use super::fixtures::{at, busy, crowded, empty, ended, large, send, text};
use super::screens::answer_output;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ganger::control::client::ClientError;
use ganger::control::proto::{ToClient, ToServer};
use ganger::model::*;
use ganger::tui::Ended;
use ganger::tui::model::{Model, Popup};
use ganger::tui::update::{Action, Msg, update};

fn screen() -> Model {
    let mut model = empty(100, 30);
    send(&mut model, busy());
    model
}

/// Presses keys: characters, or `<Name>` for others. Returns what was sent or done.
pub fn press(model: &mut Model, keys: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let (name, after) = match rest.strip_prefix('<').and_then(|r| r.split_once('>')) {
            Some((name, after)) => (name.to_owned(), after),
            None => (c.to_string(), &rest[c.len_utf8()..]),
        };
        rest = after;
        let event = match name.as_str() {
            "Enter" => KeyEvent::from(KeyCode::Enter),
            "Esc" => KeyEvent::from(KeyCode::Esc),
            "Tab" => KeyEvent::from(KeyCode::Tab),
            "Down" => KeyEvent::from(KeyCode::Down),
            "F9" => KeyEvent::from(KeyCode::F(9)),
            "F10" => KeyEvent::from(KeyCode::F(10)),
            "C-c" => KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL),
            "C-z" => KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL),
            one => KeyEvent::from(KeyCode::Char(one.chars().next().unwrap())),
        };
        let now = model.now;
        done.extend(update(model, Msg::Key(event), now).iter().filter_map(shown));
    }
    done
}

fn of_command(command: &Command) -> String {
    match command {
        Command::Scale { pool, size, .. } => format!("scale {} {size}", pool.0),
        Command::Pause { target } => format!("pause {target:?}"),
        Command::Resume { target } => format!("resume {target:?}"),
        Command::Kill { job, now } => format!("{} {job}", if *now { "kill" } else { "stop" }),
        Command::Signal { job, signal } => format!("{} {job}", signal_name(*signal)),
        Command::Retry { job } => format!("retry {job}"),
        Command::Stop { how } => format!("end {how:?}"),
        Command::Prioritize { job, to } => format!("{to:?} {job}"),
        Command::Many { commands } => {
            commands.iter().map(of_command).collect::<Vec<_>>().join(" + ")
        }
        Command::ResizeSemaphore { name, max } => format!("permits {name} {max}"),
        Command::CloseQueue { name } => format!("close {name}"),
        Command::Undo { act } => format!("undo {act}"),
    }
}

fn shown(action: &Action) -> Option<String> {
    match action {
        Action::Send(ToServer::Command { command, .. }) => Some(of_command(command)),
        Action::Send(ToServer::Signalled { signal }) => Some(signal_name(*signal)),
        Action::Suspend => Some("suspend".to_owned()),
        Action::Leave(Ended::Run { exit_code, .. }) => Some(format!("leave {exit_code}")),
        Action::Leave(Ended::Signal { exit_code, .. }) => Some(format!("leave {exit_code}")),
        Action::Leave(Ended::SupervisorGone(_)) => Some("gone".to_owned()),
        _ => None,
    }
}

fn server(model: &mut Model, message: ToClient) -> Vec<String> {
    let now = model.now;
    update(model, Msg::Server(Box::new(message)), now).iter().filter_map(shown).collect()
}

#[test]
fn keys_say_what_they_do() {
    for (keys, sent) in [
        ("+", &["scale 0 7"][..]),
        ("+++", &["scale 0 7", "scale 0 8", "scale 0 9"]),
        ("--+", &["scale 0 5", "scale 0 4", "scale 0 5"]),
        ("04+", &["scale 0 10"]),
        ("012+", &["scale 0 18"]),
        ("010+", &["scale 0 16"]),
        ("03-", &["scale 0 3"]),
        ("099-", &["scale 0 1"]),
        ("0+", &["scale 0 7"]),
        ("04<Esc>+", &["scale 0 7"]),
        ("04j+", &["scale 0 7"]),
        // A digit that turns to a panel is no count.
        ("4+", &["scale 0 7"]),
        ("8+", &["scale 0 7"]),
        ("99-", &["scale 0 5"]),
        ("10+", &["scale 0 7"]),
        ("w8<Enter>", &["scale 0 8"]),
        ("w12<Esc>", &[]),
        ("wp", &["pause Pool(PoolIdx(0))"]),
        (":scale 9<Enter>", &["scale 0 9"]),
        (":scale +2<Enter>", &["scale 0 8"]),
        (":scale nope 2<Enter>", &[]),
        (":paus<Enter>", &["pause Run"]),
        (":drain<Enter>", &["end Drain"]),
        (" jP", &["pause Job(JobNo(1320))"]),
        ("   K<Enter>", &["stop :1290 + stop :1320 + stop :1322"]),
        ("  UK<Enter>", &["stop :1290"]),
        ("x", &[]),
        ("u", &[]),
        ("p", &["pause Run"]),
        ("P", &["pause Job(JobNo(1320))"]),
        ("jjjP", &["resume Job(JobNo(1321))"]),
        ("k", &[]),
        ("K", &[]),
        ("K<Enter>", &["stop :1320"]),
        ("jjK<Down><Enter>", &["kill :1290"]),
        ("<F9>9<Enter>", &["kill :1320"]),
        ("K2<Enter>", &["SIGINT :1320"]),
        ("K12<Enter>", &["SIGUSR2 :1320"]),
        ("K19<Enter>", &["SIGSTOP :1320"]),
        ("K<Esc>", &[]),
        ("Kq", &[]),
        ("r", &[]),
        ("4r", &["retry :1201"]),
        ("4jr", &["retry :998"]),
        ("<Tab>r", &["retry :1201"]),
        ("q<Esc>", &[]),
        ("q<Enter>", &[]),
        ("qd", &["end Drain"]),
        ("qs", &["end Stop"]),
        ("<F10>s", &["end Stop"]),
        ("qdqs", &["end Drain", "end Stop"]),
        ("qsqk", &["end Stop", "end Kill"]),
        ("<C-c>", &[]),
        ("<C-c><C-c>", &["end Stop"]),
        ("<C-c><C-c><C-c>", &["end Stop", "end Kill"]),
        ("<C-c><C-c><C-c><C-c>", &["end Stop", "end Kill", "leave 130"]),
        ("qd<C-c><C-c>", &["end Drain", "end Stop"]),
        ("<C-z>", &["suspend"]),
        ("?j<Esc>t", &[]),
    ] {
        assert_eq!(press(&mut screen(), keys), sent, "{keys}");
    }
}

#[test]
fn scaling_acts_on_the_pool_of_the_selected_worker_and_keeps_its_bounds() {
    let mut model = empty(100, 30);
    send(&mut model, large());
    assert_eq!(press(&mut model, "+G-"), ["scale 0 37", "scale 1 3"]);
    let mut model = screen();
    model.snapshot.pools[0].max = 6;
    assert!(press(&mut model, "+").is_empty());
    assert!(text(&model).contains("pool default has 6 of at most 6 workers"));
}

#[test]
fn an_act_shows_as_sent_and_then_what_became_of_it() {
    let mut model = screen();
    press(&mut model, "+");
    assert!(text(&model).contains("scale default 6 → 7 (sent)"), "{}", text(&model));
    let id = model.next_id - 1;
    let id = if model.pending.contains_key(&id) { id } else { 1 };
    let id = *model
        .pending
        .iter()
        .find(|(_, p)| format!("{p:?}").contains("Scale"))
        .map_or(&id, |(id, _)| id);
    server(
        &mut model,
        ToClient::Answer { id, answer: Answer::Done("pool default: 6 -> 7 workers".into()) },
    );
    assert!(text(&model).contains("✓ pool default: 6 -> 7 workers"));
    press(&mut model, "p");
    let id = *model.pending.iter().find(|(_, p)| format!("{p:?}").contains("Pause")).unwrap().0;
    server(
        &mut model,
        ToClient::Answer { id, answer: Answer::Refused("the run is ending".into()) },
    );
    assert!(text(&model).contains("✗ pause the run: the run is ending"));
    let late = at(1_010);
    update(&mut model, Msg::Tick, late);
    assert!(!text(&model).contains("the run is ending"), "feedback stays for ever");
}

fn click(model: &mut Model, what: &str) -> Vec<String> {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let shown_text = text(model);
    let mut buf = ratatui::buffer::Buffer::empty(model.size);
    model.zones = ganger::tui::draw::draw(model, &mut buf);
    let (row, line) =
        shown_text.lines().enumerate().find(|(_, line)| line.contains(what)).expect(what);
    let column = line[..line.find(what).unwrap()].chars().count() as u16;
    let event = |kind| MouseEvent { kind, column, row: row as u16, modifiers: KeyModifiers::NONE };
    let now = model.now;
    let down = Msg::Mouse(event(MouseEventKind::Down(MouseButton::Left)));
    let done = update(model, down, now).iter().filter_map(shown).collect();
    update(model, Msg::Mouse(event(MouseEventKind::Up(MouseButton::Left))), now);
    done
}

#[test]
fn the_mouse_selects_and_presses_what_is_shown() {
    let mut model = screen();
    click(&mut model, "huge.png");
    assert_eq!(model.worker.map(|s| s.n), Some(3));
    assert!(click(&mut model, "K kill").is_empty());
    assert!(text(&model).contains("kill thumb:1289 huge.png"));
    click(&mut model, "KILL  ");
    assert_eq!(press(&mut model, "<Enter>"), ["kill :1290"]);
    assert_eq!(click(&mut model, "+ - scale"), ["scale 0 7"]);
    click(&mut model, "logo.svg");
    assert_eq!(model.focus, 3);
    assert_eq!(press(&mut model, "r"), ["retry :1201"]);
    click(&mut model, "q quit");
    assert_eq!(click(&mut model, "stop: end running"), ["end Stop"]);
    click(&mut model, "q quit");
    click(&mut model, "thumbnails");
    assert_eq!(model.popup, None, "a click outside closes");
}

/// The slots of the workers as they are listed: `3`, in further pools `net 3`.
fn listed(model: &Model) -> Vec<String> {
    let name = |slot: &Slot| match slot.pool.0 {
        0 => slot.n.to_string(),
        _ => format!("{} {}", model.pool_name(slot.pool), slot.n),
    };
    model.order.rows.iter().map(name).collect()
}

#[test]
fn workers_are_sorted_by_key_menu_and_mouse() {
    let mut model = empty(120, 40);
    send(&mut model, crowded(2));
    let by_slot = ["1", "2", "3", "4", "5", "6", "net 1", "net 2", "net 3", "net 4"];
    assert_eq!(listed(&model), by_slot);
    // The menu: five below the slot is the CPU.
    press(&mut model, "sjjjjj<Enter>");
    assert_eq!(listed(&model)[..4], ["1", "2", "net 1", "6"]);
    assert!(text(&model).contains("cpu↓"), "{}", text(&model));
    assert_eq!(listed(&model)[7..], ["net 2", "net 3", "net 4"], "nothing to sort by is last");
    press(&mut model, "I");
    assert_eq!(listed(&model)[0], "3");
    assert_eq!(listed(&model)[7..], ["net 2", "net 3", "net 4"], "either way");
    click(&mut model, "rss");
    assert_eq!(listed(&model)[..2], ["3", "1"]);
    click(&mut model, "rss↓");
    assert_eq!(listed(&model)[..2], ["6", "5"]);
    click(&mut model, "#");
    assert_eq!(listed(&model), by_slot);
}

#[test]
fn a_sorted_list_stands_still_for_two_seconds() {
    let mut model = screen();
    press(&mut model, "sjjjjj<Enter>");
    assert_eq!(listed(&model)[0], "1");
    let mut later = busy();
    if let Some(tree) = later.workers[5].work.as_mut().and_then(|w| w.tree.as_mut()) {
        tree.cpu_percent = Some(400.0);
    }
    later.at = at(1_001);
    send(&mut model, later.clone());
    assert_eq!(listed(&model)[0], "1");
    later.at = at(1_003);
    send(&mut model, later);
    assert_eq!(listed(&model)[0], "6");
}

#[test]
fn a_filter_hides_workers_from_eyes_and_from_acts() {
    let mut model = empty(100, 30);
    send(&mut model, crowded(2));
    press(&mut model, "fQUIET<Enter>");
    assert_eq!(listed(&model), ["3"]);
    assert!(text(&model).contains("1 with `QUIET`"), "{}", text(&model));
    assert_eq!(press(&mut model, "K<Enter>"), ["stop :1290"]);
    press(&mut model, "<Esc>");
    assert_eq!(listed(&model).len(), 10);
    for (filter, slots) in [
        ("cat", &["1"][..]),
        ("net idle", &["net 2", "net 3", "net 4"]),
        ("7320", &["1"]),
        ("thumb png paused", &["4"]),
    ] {
        press(&mut model, &format!("f{filter}<Enter>"));
        assert_eq!(listed(&model), slots, "{filter}");
        press(&mut model, "<Esc>");
    }
    press(&mut model, "fnobody");
    assert!(text(&model).contains("no worker has `nobody`"), "{}", text(&model));
    press(&mut model, "<Enter>");
    assert!(press(&mut model, "K<Enter>").is_empty(), "nothing is in sight, nothing is killed");
    press(&mut model, "<Esc>");
    assert_eq!(listed(&model).len(), 10);
}

#[test]
fn a_search_moves_the_selection_and_hides_nothing() {
    let mut model = screen();
    press(&mut model, "/png<Enter>");
    assert_eq!(model.worker.map(|s| s.n), Some(1));
    for slot in [2, 3, 4, 6, 1] {
        press(&mut model, "n");
        assert_eq!(model.worker.map(|s| s.n), Some(slot));
    }
    press(&mut model, "N");
    assert_eq!(model.worker.map(|s| s.n), Some(6));
    assert_eq!(listed(&model).len(), 6);
}

#[test]
fn tags_are_seen_and_counted() {
    let mut model = screen();
    press(&mut model, " j ");
    let shown = text(&model);
    assert!(shown.contains("│ ◆ 1 thumb:1319"), "{shown}");
    assert!(shown.contains("◆ 3 thumb:1289"), "{shown}");
    assert!(shown.contains("2 tagged"), "{shown}");
    press(&mut model, "U");
    assert!(!text(&model).contains("◆"), "{}", text(&model));
}

#[test]
fn a_long_list_has_a_scroll_bar_that_can_be_dragged() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mut model = empty(100, 30);
    send(&mut model, large());
    let mut buf = ratatui::buffer::Buffer::empty(model.size);
    model.zones = ganger::tui::draw::draw(&model, &mut buf);
    let spot = model.layout().spots.into_iter().find(|s| s.panel == 2).unwrap();
    let mut mouse = |kind, row| {
        let column = spot.area.right() - 2;
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        let now = model.now;
        update(&mut model, Msg::Mouse(event), now);
        text(&model)
    };
    let (top, low) = (spot.area.y + 2, spot.area.bottom() - 2);
    assert!(mouse(MouseEventKind::Down(MouseButton::Left), top).contains("thumb:1 "));
    let shown = mouse(MouseEventKind::Drag(MouseButton::Left), low);
    assert!(shown.contains("of 40") && shown.contains("net 4"), "{shown}");
}

#[test]
fn an_idle_worker_says_what_holds_it_up() {
    let mut model = empty(120, 40);
    let mut snapshot = crowded(2);
    send(&mut model, snapshot.clone());
    assert!(text(&model).contains("net 2 12 blocked by other jobs"), "{}", text(&model));
    assert!(text(&model).contains("10 workers in 2 pools: auto"));
    snapshot.pools[1].paused = true;
    send(&mut model, snapshot);
    assert!(text(&model).contains("net 2 the pool is paused"));
}

#[test]
fn the_header_tells_what_is_there_and_keeps_it_in_its_place() {
    let mut model = empty(80, 24);
    let mut snapshot = busy();
    snapshot.counts.failed = 0;
    snapshot.counts.timed_out = 0;
    snapshot.counts.cancelled = 3;
    send(&mut model, snapshot.clone());
    let line = |model: &Model| text(model).lines().nth(1).unwrap_or_default().to_owned();
    let shown = line(&model);
    assert!(shown.contains("3 cancelled") && !shown.contains("failed"), "{shown}");
    // A number that grows moves nothing.
    let column = |line: &str| line.split("done").next().map(|before| before.chars().count());
    snapshot.counts.cancelled = 333;
    send(&mut model, snapshot.clone());
    assert_eq!(column(&shown), column(&line(&model)));
    let mut wide = empty(130, 40);
    snapshot.counts.retries = 1;
    snapshot.pools[0].size = 1;
    send(&mut wide, snapshot);
    let shown = text(&wide);
    assert!(shown.contains("1 retry") && !shown.contains("1 retries"), "{shown}");
    assert!(shown.contains(" 1 worker: set by hand"), "{shown}");
}

#[test]
fn the_end_offers_no_key_that_does_nothing() {
    let mut model = super::fixtures::lived(120, 40, ended());
    press(&mut model, "3");
    let shown = text(&model);
    for gone in ["running", "queued   ", "scale", "K kill", "P pause", "r retry", "/s"] {
        assert!(!shown.replace("rd/s", "").replace("wr/s", "").contains(gone), "{gone}: {shown}");
    }
    assert!(shown.contains("q leave"), "{shown}");
}

#[test]
fn a_border_can_be_dragged() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mut model = screen();
    let before = model.rows_of(2);
    let mut buf = ratatui::buffer::Buffer::empty(model.size);
    model.zones = ganger::tui::draw::draw(&model, &mut buf);
    let spot = model.layout().spots.into_iter().find(|s| s.panel == 2).unwrap();
    let column = spot.area.x + 40;
    let mut mouse = |kind, row| {
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        let now = model.now;
        update(&mut model, Msg::Mouse(event), now);
        model.rows_of(2)
    };
    let edge = spot.area.bottom() - 1;
    mouse(MouseEventKind::Down(MouseButton::Left), edge);
    assert_eq!(mouse(MouseEventKind::Drag(MouseButton::Left), edge - 2), before - 2);
    assert_eq!(mouse(MouseEventKind::Drag(MouseButton::Left), edge + 1), before + 1);
}

#[test]
fn a_frozen_screen_stands_still_and_catches_up() {
    let mut model = screen();
    press(&mut model, "z");
    let mut later = busy();
    later.counts.succeeded = 1_999;
    send(&mut model, later);
    assert!(text(&model).contains("FROZEN"), "{}", text(&model));
    assert_eq!(model.snapshot.counts.succeeded, busy().counts.succeeded);
    press(&mut model, "z");
    assert_eq!(model.snapshot.counts.succeeded, 1_999);
    assert!(!text(&model).contains("FROZEN"));
    press(&mut model, "z");
    send(&mut model, ended());
    assert!(text(&model).contains("done: 2 093"), "the end shows on a frozen screen too");
}

#[test]
fn one_time_cursor_points_into_all_graphs() {
    let mut model = super::fixtures::lived(120, 40, busy());
    press(&mut model, ",,,,,");
    let shown = text(&model);
    assert!(shown.contains("cursor −5s"), "{shown}");
    press(&mut model, "..;");
    assert!(!text(&model).contains("cursor"), "{}", text(&model));
    press(&mut model, ",<Esc>");
    assert_eq!(model.axis.cursor, None);
}

#[test]
fn the_palette_finds_every_act_by_name_key_and_purpose() {
    for binding in ganger::tui::keymap::KEYMAP {
        if binding.panel.is_empty() && binding.name != "panel" {
            let mut model = screen();
            press(&mut model, &format!(":{}", binding.name));
            let shown = text(&model);
            assert!(shown.contains(binding.name), "{}: {shown}", binding.name);
        }
    }
    let mut model = screen();
    press(&mut model, ":one more worker");
    assert!(text(&model).contains("grow"), "{}", text(&model));
    press(&mut model, "<Esc>:xyzzy");
    assert!(text(&model).contains("nothing fits"));
}

#[test]
fn a_count_is_seen_turns_to_no_panel_and_is_forgotten() {
    let mut model = screen();
    let focus = model.focus;
    press(&mut model, "04");
    assert_eq!(model.focus, focus);
    assert!(text(&model).contains("count 4: + - , or . does it 4 times, Esc drops it"));
    model.now.mono.0 += 6_000_000;
    let now = model.now;
    update(&mut model, Msg::Tick, now);
    assert!(!text(&model).contains("count 4"), "{}", text(&model));
    assert_eq!(press(&mut model, "+"), ["scale 0 7"]);
}

#[test]
fn a_paused_run_goes_on_with_the_same_key() {
    let mut model = screen();
    let mut paused = busy();
    paused.state = RunState::Paused;
    send(&mut model, paused);
    assert!(text(&model).contains("PAUSED"));
    assert_eq!(press(&mut model, "p"), ["resume Run"]);
}

#[test]
fn a_kill_never_reaches_another_than_the_one_that_was_shown() {
    let mut model = screen();
    press(&mut model, "K");
    assert!(text(&model).contains("kill thumb:1319 cat.png 256"));
    assert!(text(&model).contains("pid 7320, started 3s ago, attempt :1320#1"), "{}", text(&model));
    // The worker has gone on to another job meanwhile.
    let mut later = busy();
    if let Some(work) = later.workers[0].work.as_mut() {
        work.attempt = AttemptId { job: JobNo(1_400), n: 1 };
    }
    send(&mut model, later);
    assert!(text(&model).contains("changed: it has ended"), "{}", text(&model));
    assert!(press(&mut model, "<Enter>").is_empty());
    assert!(text(&model).contains("nothing sent to thumb:1319 cat.png 256: it has ended"));

    // The same attempt number with another process, which cannot be, is refused too.
    let mut model = screen();
    press(&mut model, "K");
    let mut later = busy();
    if let Some(work) = later.workers[0].work.as_mut() {
        work.proc = Some(ProcRef { pid: 7_320, start_ticks: 9_999 });
    }
    send(&mut model, later);
    assert!(press(&mut model, "<Enter>").is_empty());
}

#[test]
fn the_selection_stays_with_its_worker() {
    let mut model = screen();
    press(&mut model, "jj");
    assert_eq!(model.worker.map(|s| s.n), Some(3));
    let mut fewer = busy();
    fewer.workers.remove(0);
    send(&mut model, fewer.clone());
    assert_eq!(model.worker.map(|s| s.n), Some(3));
    fewer.workers.truncate(1);
    send(&mut model, fewer);
    assert_eq!(model.worker.map(|s| s.n), Some(2), "the nearest one that is there");
    press(&mut model, "GGggjk");
}

#[test]
fn enter_opens_the_output_of_what_is_selected_and_escape_closes_it() {
    let mut model = screen();
    press(&mut model, "4<Enter>");
    answer_output(&mut model, "", "convert: no decode delegate\n");
    let shown = text(&model);
    assert!(shown.contains("output ─ thumb:1200 logo.svg 256 #3"), "{shown}");
    assert!(shown.contains("▌convert: no decode delegate"));
    assert!(!shown.contains("⁴alerts"), "{shown}");
    press(&mut model, "<Esc>");
    assert!(text(&model).contains("⁴alerts"));
    assert_eq!(model.focus, 3);
}

#[test]
fn a_run_that_ended_by_itself_stays_on_the_screen_until_one_leaves() {
    let mut model = screen();
    send(&mut model, ended());
    assert!(text(&model).contains("done: 2 093 succeeded, 3 failed"), "{}", text(&model));
    assert_eq!(model.focus, 3, "failures have the focus");
    assert_eq!(press(&mut model, "q"), ["leave 1"]);

    let mut model = screen();
    send(&mut model, ended());
    let trouble = Some("cannot write the report".to_owned());
    assert!(server(&mut model, ToClient::Bye { exit_code: 1, trouble }).is_empty());
    assert!(text(&model).contains("cannot write the report"));
    assert!(press(&mut model, "4<Enter>+K").is_empty());
    assert_eq!(press(&mut model, "<Esc>q"), ["leave 1"]);
}

#[test]
fn a_run_that_one_ended_here_leaves_by_itself() {
    let mut model = screen();
    press(&mut model, "qs");
    let ended = ToClient::Snapshot { snapshot: Box::new(ended()) };
    assert_eq!(server(&mut model, ended), ["leave 1"]);
    let mut model = screen();
    press(&mut model, "qs");
    assert_eq!(server(&mut model, ToClient::Bye { exit_code: 130, trouble: None }), ["leave 130"]);
    let mut model = screen();
    model.hold_at_end = false;
    assert_eq!(server(&mut model, ToClient::Bye { exit_code: 0, trouble: None }), ["leave 0"]);
}

#[test]
fn a_supervisor_that_is_gone_is_an_error_only_before_the_end() {
    let gone = |model: &mut Model| -> Vec<String> {
        let now = model.now;
        let message = Msg::ServerGone(ClientError::Gone);
        update(model, message, now).iter().filter_map(shown).collect()
    };
    assert_eq!(gone(&mut screen()), ["gone"]);
    let mut model = screen();
    server(&mut model, ToClient::Bye { exit_code: 0, trouble: None });
    assert!(gone(&mut model).is_empty());
    assert_eq!(press(&mut model, "q"), ["leave 0"]);
}

#[test]
fn signals_and_a_lost_terminal_stop_the_run() {
    for (message, signal, code) in [
        (Msg::Signal(libc::SIGTERM), "SIGTERM", "leave 143"),
        (Msg::Signal(libc::SIGHUP), "SIGHUP", "leave 129"),
        (Msg::Hangup, "SIGHUP", "leave 129"),
    ] {
        let mut model = screen();
        let now = model.now;
        let done: Vec<_> = update(&mut model, message, now).iter().filter_map(shown).collect();
        assert_eq!(done, [signal, code]);
    }
    let mut model = screen();
    let now = model.now;
    update(&mut model, Msg::Signal(libc::SIGINT), now);
    assert!(matches!(model.popup, Some(Popup::Quit { .. })));
}

#[test]
fn clocks_tick_between_snapshots_and_in_a_pause() {
    let mut model = screen();
    assert!(text(&model).contains("0:04:12"));
    update(&mut model, Msg::Tick, at(1_003));
    assert!(text(&model).contains("0:04:15"));
    assert!(text(&model).contains("KILL "), "{}", text(&model));
    let mut paused = busy();
    paused.state = RunState::Paused;
    paused.at = at(1_003);
    send(&mut model, paused);
    update(&mut model, Msg::Tick, at(1_030));
    assert!(text(&model).contains("0:04:39"));
}

#[test]
fn docs_tui_lists_every_key() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tui.md");
    let doc = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = doc.split_once("<!-- keys").unwrap();
    let (comment, rest) = rest.split_once("-->\n").unwrap();
    let (table, after) = rest.split_once("<!-- /keys -->").unwrap();
    let wanted = ganger::tui::keymap::markdown();
    if std::env::var_os("GANGER_UPDATE_DOCS").is_some() {
        let doc = format!("{before}<!-- keys{comment}-->\n{wanted}<!-- /keys -->{after}");
        std::fs::write(&path, doc).unwrap();
        return;
    }
    assert_eq!(table, wanted, "run `GANGER_UPDATE_DOCS=1 cargo test docs_tui`");
}
