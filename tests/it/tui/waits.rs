//! The panel of who waits for whom: pictures, and keys in.

use super::fixtures::{busy, empty, look, now, send, text};
use super::past::{Past, keys, serve};
use super::screens::{SIZES, check};
use ganger::model::locks::{Deadlock, Member, Party, WaitFor};
use ganger::model::waits::report::{self, Held, Knot, Part, Report, Rule, Verdict, Waiting};
use ganger::model::waits::{Frame, Language, LastOwner, NotVisible, Resource, ThreadRef, WaitKind};
use ganger::model::*;
use ganger::tui::glyphs::GlyphSet;
use ganger::tui::model::Model;
use ganger::tui::update::{Action, Msg};
use std::time::Duration;

fn ago(seconds: u64) -> Mono {
    Mono(now().mono.0 - seconds * 1_000_000)
}

fn proc(pid: i32) -> ProcRef {
    ProcRef { pid, start_ticks: 4_711 }
}

fn attempt(job: u32) -> Option<AttemptId> {
    Some(AttemptId { job: JobNo(job), n: 1 })
}

fn member(pid: i32, tid: i32, name: &str, job: Option<u32>) -> report::Member {
    report::Member { proc: proc(pid), tid, name: name.to_owned(), attempt: job.and_then(attempt) }
}

fn held(pid: i32, tid: Option<i32>, name: &str, job: Option<u32>) -> Held {
    let attempt = job.and_then(attempt);
    let (proven, stopped) = (true, false);
    Held { proc: proc(pid), tid, name: name.to_owned(), attempt, proven, stopped }
}

fn wait(who: report::Member, kind: WaitKind, name: &str, holders: Vec<Held>) -> Waiting {
    let name = (!name.is_empty()).then(|| name.to_owned());
    Waiting {
        resource: Resource { kind, id: format!("{kind}:{name:?}"), name },
        holders,
        last_owner: None,
        rule: Rule::Any,
        timeout: false,
        since: Some(ago(41)),
        fill: None,
        frames: Vec::new(),
        finding: None,
        outside: None,
        text: String::new(),
        who,
    }
}

fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame {
        language: Language::Python,
        function: function.to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
        locals: Vec::new(),
    }
}

/// Two jobs in a circle over two kinds of locks, one behind them, one whose lock has died, a
/// process of nobody, and something that cannot be seen.
pub fn report() -> Report {
    use WaitKind::{FileLock, MpLock, PipeRead, WaitChild};
    let cat = member(7_320, 7_320, "python3", Some(1_320));
    let worker = member(7_322, 7_329, "copier", Some(1_322));
    let owl = member(7_323, 7_323, "python3", Some(1_323));
    let huge = member(7_290, 7_290, "convert", Some(1_290));
    let of = |n: u32, part: Part, wait: Waiting| Waiting { finding: Some((n, part)), ..wait };
    let mut first =
        wait(cat.clone(), MpLock, "#1", vec![held(7_322, Some(7_329), "copier", Some(1_322))]);
    first.frames = vec![
        frame("__enter__", "/usr/lib/python3.11/multiprocessing/synchronize.py", 95),
        frame("take", "/srv/thumbs/transfer.py", 42),
    ];
    let second = wait(
        worker.clone(),
        FileLock,
        "/srv/thumbs/index.lock",
        vec![held(7_320, None, "python3", Some(1_320))],
    );
    let behind = wait(
        owl.clone(),
        PipeRead,
        "[77]",
        vec![held(7_322, None, "copier", Some(1_322)), held(7_320, None, "python3", Some(1_320))],
    );
    let mut orphan = wait(huge.clone(), MpLock, "#2", Vec::new());
    orphan.last_owner = Some(LastOwner { pid: 7_100, tid: 7_100 });
    let mut child = wait(
        member(9_001, 9_001, "make", None),
        WaitChild,
        "",
        vec![held(9_002, None, "cc1", None)],
    );
    child.since = Some(ago(3));
    let knot = |kind, core: Vec<report::Member>, behind: Vec<report::Member>| Knot {
        kind,
        core,
        behind,
        since: Some(ago(41)),
        text: "stuck".to_owned(),
    };
    Report {
        at: now().mono,
        pid: None,
        processes: 9,
        threads: 14,
        verdict: Verdict::Deadlock,
        findings: vec![
            knot(Verdict::Deadlock, vec![cat, worker], vec![owl]),
            knot(Verdict::Abandoned, vec![huge], Vec::new()),
        ],
        waits: vec![
            of(0, Part::Core, first),
            of(0, Part::Core, second),
            of(0, Part::Behind, behind),
            of(1, Part::Core, orphan),
            child,
        ],
        not_visible: vec![NotVisible {
            pid: 9_100,
            what: "waits".to_owned(),
            why: "permission denied (other user)".to_owned(),
        }],
    }
}

/// The run of [`busy`] in which [`report`] was seen.
pub fn stuck() -> Snapshot {
    let mut snapshot = busy();
    let waits = |what: &str, holder: Option<(&str, u32)>, seconds, in_circle| {
        Some(WaitFor {
            what: what.to_owned(),
            holder: holder.map(|(name, _)| name.to_owned()),
            holder_job: holder.map(|(_, job)| JobNo(job)),
            since: ago(seconds),
            in_circle,
        })
    };
    for worker in &mut snapshot.workers {
        let Some(work) = &mut worker.work else { continue };
        work.waits = match work.attempt.job.0 {
            1_320 => waits("mp.Lock #1", Some(("thumb:1321", 1_322)), 41, true),
            1_322 => waits("index.lock", Some(("thumb:1319", 1_320)), 41, true),
            1_323 => waits("read pipe", Some(("thumb:1321", 1_322)), 41, false),
            1_290 => waits("mp.Lock #2", None, 41, false),
            _ => None,
        };
    }
    let member = |job: u32, holds: &str, wants: &str| Member {
        party: Party { proc: Some(proc(6_000)), attempt: attempt(job), ..Party::default() },
        job: Some(JobNo(job)),
        task: Some(TaskIdx(1)),
        holds: vec![holds.into()],
        wants: vec![wants.into()],
        since: ago(41),
    };
    snapshot.shared.deadlocks = vec![Deadlock {
        id: 1,
        at: ago(41),
        members: vec![
            member(1_320, "/srv/thumbs/index.lock", "multiprocessing.Lock #1"),
            member(1_322, "multiprocessing.Lock #1", "/srv/thumbs/index.lock"),
        ],
        closed_by: 1,
        behind: 1,
        until: None,
        waits: Vec::new(),
        seen: vec![ThreadRef { proc: proc(7_322), tid: 7_329 }],
        text: "thumb:1319 holds /srv/thumbs/index.lock and wants multiprocessing.Lock #1".into(),
    }];
    snapshot
}

fn past() -> Past {
    Past { waits: Some(report()), ..Past::busy() }
}

/// A screen on the panel, a minute after it all ran well.
fn screen(width: u16, height: u16) -> (Model, Past) {
    let (mut model, past) = (empty(width, height), past());
    for second in 0..60 {
        let mut snapshot = if second < 19 { busy() } else { stuck() };
        snapshot.at.mono = Mono(now().mono.0 - (60 - second) * 1_000_000);
        send(&mut model, snapshot);
    }
    send(&mut model, stuck());
    keys(&mut model, &past, "W");
    (model, past)
}

fn footer(model: &Model) -> String {
    text(model).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn waits_at_every_size() {
    for (width, height) in SIZES {
        let (mut model, past) = screen(width, height);
        check("waits", &model);
        keys(&mut model, &past, "v");
        check("waits-matrix", &model);
        keys(&mut model, &past, "v<Enter>");
        check("waits-stack", &model);
    }
}

#[test]
fn waits_in_seven_bits_and_without_colour() {
    let (mut model, _) = screen(80, 24);
    model.look = look(GlyphSet::Ascii);
    let shown = text(&model);
    assert!(shown.is_ascii(), "{shown}");
    check("waits-ascii", &model);
    // What is stuck is told from what only waits by its shape and a word.
    assert!(shown.contains("DEADLOCK") && shown.contains("ABANDONED"), "{shown}");
}

#[test]
fn a_run_in_which_nothing_waits_says_so_and_one_without_x_ray_why() {
    let mut quiet = Past::busy();
    quiet.waits = Some(Report { at: now().mono, threads: 6, processes: 6, ..Report::default() });
    let mut model = empty(80, 24);
    send(&mut model, busy());
    keys(&mut model, &quiet, "W");
    let shown = text(&model);
    assert!(shown.contains("no deadlock") && shown.contains("nothing waits"), "{shown}");
    let mut model = empty(80, 24);
    send(&mut model, busy());
    keys(&mut model, &Past::busy(), "W");
    assert!(text(&model).contains("x-ray is off"), "{}", text(&model));
}

#[test]
fn one_key_goes_to_the_owner_and_round_the_circle() {
    let (mut model, past) = screen(120, 40);
    let selected = |model: &Model| model.selection().map(|s| s.job.0);
    assert_eq!(selected(&model), Some(1_320));
    keys(&mut model, &past, "o");
    assert_eq!(selected(&model), Some(1_322));
    keys(&mut model, &past, "o");
    assert_eq!(selected(&model), Some(1_320));
    keys(&mut model, &past, "jjj");
    assert_eq!(selected(&model), Some(1_290));
    keys(&mut model, &past, "o");
    assert!(footer(&model).contains("its owner (pid 7100) is gone"), "{}", footer(&model));
    keys(&mut model, &past, "jo");
    assert!(footer(&model).contains("cc1 9002 is not seen to wait"), "{}", footer(&model));
}

#[test]
fn acts_mean_the_job_of_the_selected_thread() {
    let (mut model, past) = screen(120, 40);
    keys(&mut model, &past, "j");
    let actions = keys(&mut model, &past, "K<Enter>");
    let kill = Command::Kill { job: JobNo(1_322), now: false };
    let sent = |action: &Action| match action {
        Action::Send(ganger::control::proto::ToServer::Command { command, .. }) => {
            Some(command.clone())
        }
        _ => None,
    };
    assert_eq!(actions.iter().find_map(sent), Some(kill));
}

#[test]
fn the_banner_of_a_circle_that_was_seen_leads_to_its_threads() {
    let (mut model, past) = (empty(120, 40), past());
    send(&mut model, stuck());
    assert!(text(&model).contains("DEADLOCK since 41s"), "{}", text(&model));
    keys(&mut model, &past, "1o");
    assert!(text(&model).contains("waits ─ DEADLOCK"), "{}", text(&model));
    assert_eq!(model.selection().map(|s| s.job.0), Some(1_322));
}

#[test]
fn the_report_is_copied_as_text_with_the_names_of_the_run() {
    let (mut model, past) = screen(80, 24);
    let actions = keys(&mut model, &past, "y");
    let copied = actions.iter().find_map(|action| match action {
        Action::Copy { what, text } => Some((*what, text.clone())),
        _ => None,
    });
    let (what, text) = copied.unwrap();
    assert_eq!(what, "waits");
    for part in ["DEADLOCK", "thumb:1319", "transfer.py:42", "ABANDONED", "not visible"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn what_is_selected_stays_selected_while_others_come_and_go() {
    let (mut model, mut past) = screen(120, 40);
    keys(&mut model, &past, "j");
    let mut less = report();
    less.waits.remove(0);
    less.findings[0].core.remove(0);
    past.waits = Some(less);
    model.now.mono = model.now.mono + Duration::from_millis(600);
    serve(&mut model, &past, Msg::Tick);
    assert_eq!(model.selection().map(|s| s.job.0), Some(1_322));
    past.waits = Some(Report { at: now().mono, ..Report::default() });
    model.now.mono = model.now.mono + Duration::from_millis(600);
    serve(&mut model, &past, Msg::Tick);
    assert_eq!(model.selection(), None);
}

mod anything {
    use super::*;
    use crate::tui::screens::any_size::{any_key, any_text};
    use proptest::prelude::*;
    use ratatui::layout::Rect;

    prop_compose! {
        fn any_report()(
            texts in proptest::collection::vec(any_text(), 6),
            numbers in proptest::collection::vec(any::<u32>(), 12),
            n in 0usize..40,
        ) -> Report {
            let base = report();
            let mut all = Report { threads: numbers[0], processes: numbers[1], ..base.clone() };
            all.waits = (0..n).map(|i| {
                let number = numbers[i % 12];
                let mut wait = base.waits[number as usize % base.waits.len()].clone();
                wait.who.tid = number as i32;
                wait.who.name = texts[i % 6].clone();
                wait.resource.name = (number % 3 > 0).then(|| texts[(i + 1) % 6].clone());
                wait.resource.kind = WaitKind::ALL[number as usize % WaitKind::ALL.len()];
                wait.since = (number % 5 > 0).then_some(Mono(u64::from(number) << (number % 33)));
                wait.timeout = number % 7 == 0;
                wait.outside = (number % 4 == 0).then(|| texts[(i + 2) % 6].clone());
                wait.frames = vec![frame(&texts[i % 6], &texts[(i + 3) % 6], number)];
                wait.finding = (number % 2 == 0).then_some((number % 4, Part::Core));
                if number % 6 == 0 {
                    wait.who.attempt = Some(AttemptId { job: JobNo(number), n: number });
                }
                wait
            }).collect();
            all.not_visible[0].why = texts[0].clone();
            all
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn never_panics(
            report in any_report(),
            width in 0u16..310,
            height in 0u16..110,
            keys in proptest::collection::vec(any_key(), 0..12),
            set in prop_oneof![Just(GlyphSet::Braille), Just(GlyphSet::Ascii)],
        ) {
            let past = Past { waits: Some(report), ..Past::busy() };
            let mut model = empty(120, 40);
            model.look = look(set);
            send(&mut model, stuck());
            super::keys(&mut model, &past, "W");
            serve(&mut model, &past, Msg::Resize(Rect::new(0, 0, width, height)));
            text(&model);
            for key in keys {
                serve(&mut model, &past, Msg::Key(key));
                text(&model);
            }
        }
    }
}
