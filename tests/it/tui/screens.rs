//! What the screen looks like, kept as text in `tests/fixtures/screens/`.
//!
//! `GANGER_UPDATE_SCREENS=1 cargo test screens` writes the pictures anew: look at them.

use super::fixtures::{alarmed, busy, crowded, empty, ended, large, lived, look, send, text};
use super::past::{Past, keys};
use ganger::control::proto::ToClient;
use ganger::model::query::{OutputPart, Reply, Stream};
use ganger::model::{AttemptId, Snapshot, Text};
use ganger::tui::glyphs::GlyphSet;
use ganger::tui::model::{Model, Pending, Popup};
use ganger::tui::output::Question;
use ganger::tui::update::{Msg, update};
use std::path::Path;

pub const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 40), (200, 50)];

pub fn check(name: &str, model: &Model) {
    let file = format!("{name}-{}x{}.txt", model.size.width, model.size.height);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/screens");
    let shown = text(model);
    if std::env::var_os("GANGER_UPDATE_SCREENS").is_some() {
        std::fs::write(dir.join(file), shown).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(dir.join(&file)).unwrap_or_default();
    assert!(shown == kept, "{file} looks different now:\n{shown}\nit was:\n{kept}");
}

/// Answers every question about output that the screen has asked and will ask.
pub fn answer_output(model: &mut Model, out: &str, err: &str) {
    for _ in 0..8 {
        let ids: Vec<_> = model.pending.iter().map(|(id, p)| (*id, p.clone())).collect();
        for (id, pending) in ids {
            let Pending::Output(Question::Part(ask)) = pending else { continue };
            let body = if ask.stream == Stream::Stdout { out } else { err };
            let part = OutputPart {
                attempt: AttemptId { job: ask.key.0, n: ask.key.1 },
                path: None,
                offset: 0,
                size: body.len() as u64,
                bytes: Text::from(body),
                complete: true,
                marks: Vec::new(),
            };
            let reply = ToClient::Reply { id, reply: Box::new(Reply::Output(part)) };
            let now = model.now;
            update(model, Msg::Server(Box::new(reply)), now);
        }
    }
}

fn with_output(width: u16, height: u16, snapshot: Snapshot) -> Model {
    let mut model = lived(width, height, snapshot);
    let out: String = (1..=40)
        .map(|i| {
            format!("14:02:{:02} tile {i:>2} of 40: \x1b[32mok\x1b[0m, {} bytes\n", i, i * 731)
        })
        .collect();
    answer_output(&mut model, &out, "warning: profile missing\r\nwarning: using sRGB\n");
    model.now = super::fixtures::now();
    model
}

#[test]
fn a_busy_run_at_every_size() {
    for (width, height) in SIZES {
        check("busy", &with_output(width, height, busy()));
    }
}

/// A screen that shows output only, with everything answered.
fn output_alone(width: u16, height: u16, set: GlyphSet) -> Model {
    let mut model = empty(width, height);
    model.look = look(set);
    send(&mut model, busy());
    press(&mut model, '5');
    press(&mut model, 'm');
    model
}

#[test]
fn output_in_all_its_forms_at_every_size() {
    for (width, height) in SIZES {
        let mut model = output_alone(width, height, GlyphSet::Braille);
        super::output::answer(&mut model);
        check("output-both", &model);
        press(&mut model, 'T');
        check("output-times", &model);
        press(&mut model, 'w');
        check("output-wrapped", &model);
        press(&mut model, 'T');
        super::output::type_in(&mut model, "/needle\n");
        super::output::answer(&mut model);
        check("output-search", &model);
        super::output::type_in(&mut model, "\x1bea");
        super::output::answer(&mut model);
        check("output-all", &model);
    }
    let mut model = output_alone(80, 24, GlyphSet::Ascii);
    super::output::answer(&mut model);
    press(&mut model, 'T');
    let shown = text(&model);
    assert!(shown.is_ascii(), "{shown}");
    check("output-ascii", &model);
}

#[test]
fn a_large_machine_at_every_size() {
    for (width, height) in SIZES {
        check("large", &with_output(width, height, large()));
    }
}

#[test]
fn two_pools_on_machines_of_every_size() {
    for (cores, width, height) in
        [(8, 80, 24), (8, 120, 40), (64, 120, 40), (128, 120, 40), (128, 80, 24), (128, 200, 50)]
    {
        check(&format!("cores-{cores}"), &with_output(width, height, crowded(cores)));
    }
    // The workers alone on a wide screen: every column.
    let mut model = with_output(200, 50, crowded(8));
    press(&mut model, 'm');
    check("workers", &model);
}

#[test]
fn another_moment() {
    let mut model = with_output(120, 40, crowded(8));
    for _ in 0..9 {
        press(&mut model, ',');
    }
    check("cursor", &model);
}

/// A screen that has turned to a view, and whose questions are answered.
fn in_view(width: u16, height: u16, view: &str, then: &str) -> Model {
    let mut model = with_output(width, height, busy());
    keys(&mut model, &Past::busy(), &format!(":view {view}<Enter>{then}"));
    model
}

#[test]
fn a_timeline_at_every_size() {
    for (width, height) in SIZES {
        check("timeline", &in_view(width, height, "timeline", ""));
        check("timeline-cursor", &in_view(width, height, "timeline", ",,,,,,,,,jjj"));
    }
    check("timeline-zoomed", &in_view(120, 40, "timeline", "c<<<"));
    let mut model = in_view(80, 24, "timeline", "");
    model.look = look(GlyphSet::Ascii);
    let shown = text(&model);
    assert!(shown.is_ascii(), "{shown}");
    check("timeline-ascii", &model);
}

#[test]
fn events_at_every_size() {
    for (width, height) in SIZES {
        check("events", &in_view(width, height, "events", "<Up><Up>"));
    }
    check("events-filtered", &in_view(120, 40, "events", "fby:people<Enter>"));
}

#[test]
fn alerts_are_above_failures_and_the_worst_is_on_top() {
    for (width, height) in SIZES {
        check("alerts", &with_output(width, height, alarmed()));
    }
    let mut model = with_output(120, 40, alarmed());
    press(&mut model, '4');
    check("alerts-focus", &model);
}

#[test]
fn a_spike_in_the_overview_says_who_ran_then() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut model = with_output(width, height, busy());
        keys(&mut model, &Past::busy(), ",,,,,,,,,,,,,,,,,,,,,,,,,,");
        check("then", &model);
    }
}

fn press(model: &mut Model, key: char) {
    let key = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Char(key));
    let now = model.now;
    update(model, Msg::Key(key), now);
}

#[test]
fn the_first_and_the_last_moment() {
    check("first", &empty(80, 24));
    for (width, height) in [(40, 10), (80, 24), (120, 40)] {
        check("ended", &lived(width, height, ended()));
    }
}

#[test]
fn what_lies_over_the_screen() {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    for (width, height) in [(40, 10), (80, 24)] {
        for (name, key) in [("quit", 'q'), ("kill", 'K'), ("help", '?')] {
            let mut model = with_output(width, height, busy());
            let key = KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE);
            let now = model.now;
            update(&mut model, Msg::Key(key), now);
            check(name, &model);
        }
    }
}

#[test]
fn in_seven_bits() {
    let mut model = with_output(80, 24, busy());
    model.look = look(GlyphSet::Ascii);
    let shown = text(&model);
    assert!(shown.is_ascii(), "{shown}");
    check("ascii", &model);
    model.look = look(GlyphSet::Block);
    check("block", &model);
}

#[test]
fn a_notice_and_feedback_have_their_place() {
    let mut snapshot = busy();
    snapshot.notices.push("task `upload`: its inputs could not be read: no such file".to_owned());
    let mut model = with_output(80, 24, snapshot);
    let now = model.now;
    let key = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Char('+'));
    update(&mut model, Msg::Key(key), now);
    check("notice", &model);
}

#[test]
fn every_screen_tells_the_state_and_how_to_stop() {
    for (width, height) in [(40, 10), (40, 12), (60, 15), (80, 24), (120, 40), (300, 100)] {
        for popup in [None, Some(Popup::Quit { choice: 0 })] {
            let mut model = with_output(width, height, busy());
            model.popup = popup.clone();
            let shown = text(&model);
            assert!(shown.contains("running"), "{shown}");
            let word = if popup.is_some() { "stop" } else { "quit" };
            assert!(shown.contains(word), "{width}x{height}\n{shown}");
        }
    }
}

pub mod any_size {
    use super::*;
    use ganger::model::locks::{LockState, SharedView, WaitFor};
    use ganger::model::*;
    use proptest::prelude::*;
    use ratatui::layout::Rect;

    pub fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9. ]{0,60}",
            proptest::collection::vec(any::<char>(), 0..30).prop_map(|c| c.into_iter().collect()),
            Just("日本語のとても長い名前のファイル.png".to_owned()),
        ]
    }

    prop_compose! {
        fn any_snapshot()(
            numbers in proptest::collection::vec(any::<u32>(), 40),
            shares in proptest::collection::vec(prop_oneof![Just(f32::NAN), -5.0f32..200.0, Just(f32::INFINITY)], 16),
            texts in proptest::collection::vec(any_text(), 8),
            n_workers in 0usize..40,
            n_cores in 0u32..200,
            n_pools in 0usize..5,
            n_failures in 0usize..20,
        ) -> Snapshot {
            let mut s = large();
            s.workers.truncate(n_workers);
            s.machine.cores = fixtures_cores(n_cores, &shares);
            s.machine.load[0] = shares[0];
            s.machine.memory_used_bytes = u64::from(numbers[30]) << (numbers[31] % 40);
            s.machine.memory_total_bytes = u64::from(numbers[32]) << (numbers[33] % 40);
            s.machine.swap_total_bytes = u64::from(numbers[34]) << (numbers[35] % 40);
            s.machine.swap_used_bytes = u64::from(numbers[36]) << 20;
            s.machine.pressure = (numbers[37] % 3 > 0).then_some(Pressure {
                cpu_some: shares[2], memory_some: shares[3], io_some: shares[4], ..Pressure::default()
            });
            s.machine.own = OwnUse { cpu_percent: Some(shares[5]), resident_bytes: Some(u64::MAX) };
            s.pools = (0..n_pools).map(|i| {
                let mut pool = super::super::fixtures::pool(&texts[i % 8], numbers[i], &texts[(i + 1) % 8]);
                pool.ready = numbers[i + 1];
                pool.blocked = numbers[i + 2] % 9;
                pool.paused = i == 1;
                pool
            }).collect();
            for (i, worker) in s.workers.iter_mut().enumerate() {
                let n = numbers[i % 40];
                worker.leaving = n % 3 == 0;
                worker.state = [WorkerState::Idle, WorkerState::Quiet, WorkerState::Stopping,
                    WorkerState::Paused, WorkerState::Launching, WorkerState::Reserved][n as usize % 6];
                if n % 7 == 0 { worker.work = None; }
                if let Some(work) = worker.work.as_mut() {
                    work.inputs = texts[i % 8].clone();
                    work.task = TaskIdx(n % 9);
                    work.since = Mono(u64::from(n) << (n % 33));
                    if let Some(tree) = work.tree.as_mut() {
                        let share = |k: usize| (n % 5 != 1).then_some(shares[(i + k) % 16]);
                        tree.cpu_percent = share(0);
                        tree.user_percent = share(1);
                        tree.system_percent = share(2);
                        tree.cpu_wait_percent = share(3);
                        tree.read_bytes_per_s = share(4).map(|s| s * 1e9);
                        tree.write_bytes_per_s = share(5);
                        tree.major_faults_per_s = share(6);
                        tree.rss_bytes = u64::from(n) << 31;
                        (tree.threads_running, tree.threads_allotted) = (n, n / 3);
                        tree.oversubscribed = n % 2 == 0;
                        (tree.core, tree.fds) = (Some(n), Some(n));
                        tree.activity = [Activity::Running, Activity::WaitingCpu, Activity::WaitingIo,
                            Activity::Sleeping, Activity::Stopped][n as usize % 5];
                    }
                }
            }
            let failure = s.failures[0].clone();
            s.failures = (0..n_failures).map(|i| FailureView {
                job: JobNo(i as u32), last_line: texts[i % 8].clone(), outcome: texts[(i + 2) % 8].clone(),
                attempts: numbers[i], ..failure.clone()
            }).collect();
            s.counts = Counts {
                total: numbers[0], ready: numbers[1] / 8, running: numbers[2] / 8, succeeded: numbers[3] / 8,
                failed: numbers[4] / 8, skipped: numbers[5] / 8, retries: numbers[6], tasks_unread: numbers[7] % 2,
                ..Counts::default()
            };
            if numbers[14] % 3 > 0 {
                s.shared = any_shared(&numbers, &texts);
                for (i, work) in s.workers.iter_mut().filter_map(|w| w.work.as_mut()).enumerate() {
                    work.waits = (numbers[i % 40] % 4 == 0).then(|| WaitFor {
                        what: texts[i % 8].clone(),
                        holder: (numbers[i % 40] % 3 == 0).then(|| texts[(i + 1) % 8].clone()),
                        holder_job: (numbers[i % 40] % 5 > 0).then_some(JobNo(2_001 + i as u32 % 9)),
                        since: Mono(u64::from(numbers[i % 40])),
                        in_circle: numbers[i % 40] % 2 == 0,
                    });
                }
            }
            s.rate_per_s = shares[1];
            s.eta_ms = (numbers[8] % 2 == 0).then(|| u64::from(numbers[9]) << 30);
            s.elapsed_ms = u64::from(numbers[10]) << (numbers[11] % 33);
            s.notices = texts[..numbers[12] as usize % 3].to_vec();
            s.state = [RunState::Running, RunState::Paused, RunState::Ending(StopHow::Stop),
                RunState::Ended { outcome: RunOutcome::Stopped, exit_code: 130 }][numbers[13] as usize % 4];
            s
        }
    }

    fn some_job(n: u32) -> Option<AttemptId> {
        (!n.is_multiple_of(3)).then_some(AttemptId { job: JobNo(2_001 + n % 40), n: 1 })
    }

    fn any_shared(numbers: &[u32], texts: &[String]) -> SharedView {
        let mut shared = super::super::locks::circle().shared;
        for (i, lock) in shared.locks.iter_mut().enumerate() {
            let n = numbers[i % 40];
            lock.name = format!("{}{i}", "lock/with-a-long-name:".repeat(n as usize % 5)).into();
            lock.n_waiters = n >> (n % 32);
            lock.stats.lost_us = u64::from(n) << (n % 40);
            lock.stats.jobs_lost_us = u64::from(n) << (n % 30);
            for (k, holder) in lock.holders.iter_mut().enumerate() {
                let n = numbers[(i + k) % 40];
                holder.party.label = Some(texts[k % 8].as_str().into());
                holder.party.attempt = some_job(n);
                holder.since = Mono(u64::from(n) << (n % 33));
            }
            for (k, waiter) in lock.waiters.iter_mut().enumerate() {
                let n = numbers[(i + k + 7) % 40];
                waiter.party.attempt = some_job(n);
                waiter.until = n.is_multiple_of(2).then_some(Mono(u64::from(n) << (n % 33)));
            }
            if let LockState::Queue { depth, capacity, .. } = &mut lock.state {
                (*depth, *capacity) = (u64::from(n) << 20, Some(n % 9));
            }
        }
        for deadlock in &mut shared.deadlocks {
            deadlock.closed_by = numbers[39] % 4;
            deadlock.members.truncate(numbers[38] as usize % 3);
        }
        shared.total = numbers[37];
        shared.foreign = super::super::foreign::contended().shared.foreign;
        for (i, lock) in shared.foreign.iter_mut().enumerate() {
            let n = numbers[i % 40];
            lock.name.clone_from(&texts[i % 8]);
            lock.n_waiters = n >> (n % 32);
            lock.stats.waited_us = u64::from(n) << (n % 40);
            lock.stats.seen_at = Mono(u64::from(n) << (n % 33));
            for holder in &mut lock.holders {
                holder.party.label = Some(texts[n as usize % 8].as_str().into());
                (holder.party.attempt, holder.proven) = (some_job(n), n.is_multiple_of(2));
            }
            for waiter in &mut lock.waiters {
                waiter.party.attempt = some_job(n);
                waiter.since = n.is_multiple_of(3).then_some(Mono(u64::from(n) << (n % 33)));
            }
        }
        shared.foreign_total = numbers[36];
        shared
    }

    fn fixtures_cores(n: u32, shares: &[f32]) -> Vec<CoreShares> {
        let at = |i: u32| shares[i as usize % shares.len()];
        (0..n)
            .map(|core| CoreShares {
                core,
                user: at(core),
                system: at(core + 1),
                iowait: at(core + 2),
                run: at(core + 3),
                mhz: (core % 3 > 0).then_some(core * 77_777),
                ..CoreShares::default()
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn never_panics(
            snapshot in any_snapshot(),
            n_infos in 0u32..200,
            width in 0u16..310,
            height in 0u16..110,
            keys in proptest::collection::vec(any_key(), 0..12),
            set in prop_oneof![Just(GlyphSet::Braille), Just(GlyphSet::Block), Just(GlyphSet::Ascii)],
        ) {
            let mut model = empty(120, 40);
            model.look = look(set);
            model.own = OwnUse { cpu_percent: Some(1.0), resident_bytes: Some(u64::MAX) };
            model.info.cores = super::super::fixtures::machine(n_infos);
            send(&mut model, busy());
            send(&mut model, snapshot);
            let now = model.now;
            update(&mut model, Msg::Resize(Rect::new(0, 0, width, height)), now);
            text(&model);
            for key in keys {
                update(&mut model, Msg::Key(key), now);
                text(&model);
            }
        }
    }

    pub fn any_key() -> impl Strategy<Value = crossterm::event::KeyEvent> {
        use crossterm::event::{KeyCode, KeyEvent};
        let code = prop_oneof![
            proptest::char::range(' ', '~').prop_map(KeyCode::Char),
            Just(KeyCode::Tab),
            Just(KeyCode::Enter),
            Just(KeyCode::Esc),
            Just(KeyCode::Down),
            Just(KeyCode::PageUp),
            Just(KeyCode::PageDown),
            Just(KeyCode::End),
            Just(KeyCode::F(9)),
        ];
        code.prop_map(KeyEvent::from)
    }
}
