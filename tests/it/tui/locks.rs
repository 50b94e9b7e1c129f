//! What jobs share, on the screen.

use super::fixtures::{at, busy, empty, look, now, send, tell, text};
use super::past::{Past, keys};
use super::screens::{SIZES, check};
use ganger::model::locks::*;
use ganger::model::query::Durations;
use ganger::model::snapshot::WorkView;
use ganger::model::*;
use ganger::tui::glyphs::GlyphSet;
use ganger::tui::model::Model;

fn party(job: u32) -> Party {
    Party {
        proc: Some(ProcRef { pid: 7_000 + job as i32, start_ticks: 1 }),
        attempt: Some(AttemptId { job: JobNo(job), n: 1 }),
        command: true,
        ..Party::default()
    }
}

fn holder(party: Party, ago: u64, shared: bool) -> HolderView {
    HolderView { party, since: Mono((1_000 - ago) * 1_000_000), count: 1, shared }
}

fn waiter(party: Party, ago: u64, wants: &str) -> WaiterView {
    let since = Mono((1_000 - ago) * 1_000_000);
    WaiterView { party, since, wants: wants.to_owned(), until: None }
}

fn lock(name: &str, state: LockState, lost_s: u64) -> LockView {
    let durations = |us: u64| {
        Some(Durations {
            count: 90,
            mean_us: us,
            p50_us: us,
            p90_us: us * 5,
            p95_us: us * 9,
            max_us: us * 20,
        })
    };
    LockView {
        name: name.into(),
        state,
        holders: Vec::new(),
        waiters: Vec::new(),
        n_waiters: 0,
        stats: LockStats {
            acquisitions: 1_318,
            waited: 401,
            lost_us: lost_s * 1_000_000,
            jobs_lost_us: lost_s * 1_000_000,
            wait: durations(31_000),
            hold: durations(12_000),
        },
    }
}

fn held(name: &str, lost_s: u64, holders: Vec<HolderView>, waiters: Vec<WaiterView>) -> LockView {
    let n_waiters = waiters.len() as u32;
    LockView { holders, waiters, n_waiters, ..lock(name, LockState::Lock, lost_s) }
}

fn jobs(snapshot: &mut Snapshot) -> impl Iterator<Item = &mut WorkView> {
    snapshot.workers.iter_mut().filter_map(|worker| worker.work.as_mut())
}

fn waits(snapshot: &mut Snapshot, job: u32, what: &str, holder: u32, in_circle: bool) {
    let work = jobs(snapshot).find(|work| work.attempt.job == JobNo(job)).unwrap();
    work.waits = Some(WaitFor {
        what: what.to_owned(),
        holder: Some(format!("thumb:{}", holder - 1)),
        holder_job: Some(JobNo(holder)),
        since: Mono(960_000_000),
        in_circle,
    });
    if let Some(tree) = work.tree.as_mut() {
        (tree.cpu_percent, tree.activity) = (Some(0.0), Activity::Sleeping);
    }
}

/// Locks, a semaphore, a queue, a barrier, an event and somebody from outside.
pub fn shared() -> Snapshot {
    let mut snapshot = busy();
    let outside = Party {
        proc: Some(ProcRef { pid: 812, start_ticks: 1 }),
        label: Some("psql -f migrate.sql".into()),
        ..Party::default()
    };
    let db = held(
        "db",
        188,
        vec![holder(party(1_320), 2, false)],
        vec![waiter(party(1_322), 1, "exclusive"), waiter(party(1_323), 0, "exclusive")],
    );
    let index = LockView {
        state: LockState::Rwlock,
        ..held(
            "index",
            41,
            vec![holder(outside, 130, true)],
            vec![waiter(party(1_290), 99, "exclusive")],
        )
    };
    let mut api = lock("api", LockState::BoundedSemaphore { value: 1, max: 3 }, 9);
    api.holders = vec![holder(party(1_321), 12, true), holder(party(1_320), 1, true)];
    let frames = LockState::Queue {
        depth: 8,
        capacity: Some(8),
        order: QueueOrder::Fifo,
        closed: false,
        puts: 41_204,
        gets: 41_196,
        puts_per_s: 12.3,
        gets_per_s: 11.9,
        kept: 2,
        waiting_putters: 1,
        waiting_getters: 0,
    };
    let mut frames = lock("frames", frames, 77);
    (frames.waiters, frames.n_waiters) = (vec![waiter(party(1_321), 4, "put")], 1);
    let seated = LockState::Barrier { parties: 5, waiting: 2, broken: false };
    let done = LockState::Value { value: "1318".to_owned() };
    waits(&mut snapshot, 1_322, "db", 1_320, false);
    snapshot.shared = SharedView {
        locks: vec![
            db,
            frames,
            index,
            api,
            lock("seated", seated, 1),
            lock("go", LockState::Event { set: false }, 0),
            lock("done", done, 0),
        ],
        total: 7,
        lost_us: 315_000_000,
        ..SharedView::default()
    };
    snapshot
}

/// The run of [`shared`] after a circle has closed.
pub fn circle() -> Snapshot {
    let mut snapshot = shared();
    let wait = |job, wants: &str| vec![waiter(party(job), 40, wants)];
    snapshot.shared.locks[0] =
        held("db", 188, vec![holder(party(1_320), 60, false)], wait(1_322, "exclusive"));
    snapshot.shared.locks[2] =
        held("index", 41, vec![holder(party(1_322), 50, false)], wait(1_320, "exclusive"));
    waits(&mut snapshot, 1_322, "db", 1_320, true);
    waits(&mut snapshot, 1_320, "index", 1_322, true);
    let member = |job, holds: &str, wants: &str| Member {
        party: party(job),
        job: Some(JobNo(job)),
        task: Some(TaskIdx(1)),
        holds: vec![holds.into()],
        wants: vec![wants.into()],
        since: Mono(960_000_000),
    };
    snapshot.shared.deadlocks = vec![Deadlock {
        id: 1,
        at: Mono(959_000_000),
        members: vec![member(1_320, "db", "index"), member(1_322, "index", "db")],
        closed_by: 1,
        behind: 1,
        until: None,
        waits: vec![4, 5],
        seen: Vec::new(),
        text: "thumb:1319 holds db and wants index, held by thumb:1321, which wants db".to_owned(),
    }];
    snapshot
}

/// A screen on which waiters and items came and went for a minute.
pub fn lived(width: u16, height: u16, last: &Snapshot) -> Model {
    let mut model = empty(width, height);
    let past = Past::busy();
    for half in 0..120u64 {
        let mut snapshot = last.clone();
        snapshot.at = at(0);
        snapshot.at.mono = Mono(940_000_000 + half * 500_000);
        snapshot.shared.deadlocks.clear();
        let back = (119 - half) * 200_000;
        snapshot.shared.lost_us = last.shared.lost_us.saturating_sub(back);
        for (i, lock) in snapshot.shared.locks.iter_mut().enumerate() {
            let phase = (half as f32 / (5.0 + i as f32 * 3.0)).sin();
            let share = back / (i as u64 * 4 + 2);
            lock.stats.jobs_lost_us = lock.stats.jobs_lost_us.saturating_sub(share);
            if i < 3 {
                lock.n_waiters = (2.0 + phase * 3.0).max(0.0) as u32;
            }
            if let LockState::Queue { depth, .. } = &mut lock.state {
                *depth = (4.0 + phase * 4.0) as u64;
            }
        }
        tell(&mut model, &past, snapshot);
    }
    tell(&mut model, &past, last.clone());
    model
}

fn press(model: &mut Model, typed: &str) {
    keys(model, &Past::busy(), typed);
}

#[test]
fn what_is_shared_at_every_size() {
    for (width, height) in SIZES {
        let mut model = lived(width, height, &shared());
        check("shared", &model);
        press(&mut model, "9");
        check("locks", &model);
        press(&mut model, "jl");
        check("locks-inside", &model);
        press(&mut model, "<Esc>v");
        check("locks-matrix", &model);
    }
    let mut model = lived(120, 40, &shared());
    press(&mut model, "9,,,,,,,");
    check("locks-cursor", &model);
    let mut model = lived(80, 24, &circle());
    model.look = look(GlyphSet::Ascii);
    press(&mut model, "9v");
    let shown = text(&model);
    assert!(shown.is_ascii(), "{shown}");
    check("locks-ascii", &model);
}

#[test]
fn a_circle_is_on_top_of_every_screen_with_the_key_to_press() {
    for (width, height) in SIZES {
        let mut model = lived(width, height, &circle());
        check("circle", &model);
        let shown = text(&model);
        // The selected worker is one of them: the key goes on to the next.
        assert!(shown.contains("DEADLOCK") && shown.contains("o next  K kill w1"), "{shown}");
        // Wherever one was: the next key leads to one of the circle, the next kills that.
        press(&mut model, "6oK");
        check("circle-kill", &model);
        let shown = text(&model);
        assert!(shown.contains("kill thumb:1321"), "{shown}");
    }
}

#[test]
fn of_several_circles_the_one_of_the_selected_job_is_on_top() {
    let mut several = circle();
    let mut other = several.shared.deadlocks[0].clone();
    (other.id, other.members) = (2, vec![other.members[0].clone()]);
    other.members[0].party = party(1_321);
    other.members[0].job = Some(JobNo(1_321));
    several.shared.deadlocks.push(other);
    let mut model = lived(120, 40, &several);
    let mine = text(&model);
    assert!(mine.contains("2 wait for each other") && mine.contains("kill w1"), "{mine}");
    assert!(mine.contains("1 circle more"), "{mine}");
    while model.selection().is_some_and(|selection| [1_320, 1_322].contains(&selection.job.0)) {
        press(&mut model, "j");
    }
    let newest = text(&model);
    assert!(newest.contains("one waits for itself"), "{newest}");
}

#[test]
fn o_goes_round_a_circle_from_waiter_to_holder() {
    let mut model = lived(120, 40, &circle());
    let mut seen = Vec::new();
    press(&mut model, "9");
    for _ in 0..5 {
        press(&mut model, "o");
        seen.push(model.selection().map(|selection| selection.job.0));
    }
    // The holder of `db`, at what it waits for, who holds that, and round.
    let [a, b] = [Some(1_320), Some(1_322)];
    assert_eq!(seen, [a, a, b, b, a]);
    press(&mut model, "3go");
    assert_eq!(model.selection().map(|selection| selection.job.0), b);
}

#[test]
fn acts_say_what_they_do_to_what_is_shared() {
    use super::stories::press as sent;
    let story = |typed: &str| {
        let mut model = lived(120, 40, &shared());
        press(&mut model, "9g");
        let sent = sent(&mut model, typed);
        let said = model.feedback.as_ref().map(|f| f.text.clone()).unwrap_or_default();
        (sent, said)
    };
    for (typed, commands, said) in [
        ("/api<Enter>+", &["permits api 4"][..], "semaphore api 3 → 4"),
        ("/api<Enter>++-", &["permits api 4", "permits api 5", "permits api 4"], "→ 4"),
        ("/api<Enter>04+", &["permits api 7"], "→ 7"),
        ("/api<Enter>09-", &["permits api 1"], "→ 1"),
        ("/frames<Enter>C<Enter>", &["close frames"], "close queue frames"),
        ("/frames<Enter>C<Esc>", &[], ""),
        ("C", &[], "db is a lock, not a queue"),
        ("K<Enter>", &["stop :1320"], "stop thumb:1319"),
        ("/index<Enter>K", &[], "psql -f migrate.sql is no running job of this run: `kill 812`"),
        ("/seated<Enter>K", &[], "nobody holds seated"),
        ("/seated<Enter>o", &[], "nobody holds seated"),
        ("+", &["scale 0 7"], "scale default"),
        ("/nothing<Enter><Esc>n", &[], "nothing was searched for"),
    ] {
        let (got, text) = story(typed);
        assert_eq!(got, commands, "{typed}");
        assert!(text.contains(said), "{typed}: {text}");
    }
}

#[test]
fn what_a_kill_frees_and_what_not_is_told_before() {
    let mut model = lived(120, 40, &circle());
    press(&mut model, "9K");
    let shown = text(&model);
    for words in [
        "frees db: w2 gets it next",
        "breaks the circle: the others go on",
        "does not mend what it left half done",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    // Who shares a lock frees nothing.
    let mut snapshot = shared();
    snapshot.shared.locks[2].holders.push(holder(party(1_320), 9, true));
    let mut model = lived(120, 40, &snapshot);
    press(&mut model, "9K");
    let shown = text(&model);
    assert!(shown.contains("does not free index: psql -f migrate.sql has it too"), "{shown}");
    assert!(shown.contains("frees api: nobody waits for it"), "{shown}");
}

#[test]
fn lists_sort_filter_and_keep_what_is_selected() {
    let mut model = lived(120, 40, &shared());
    press(&mut model, "9jjfqueue<Enter>");
    let shown = text(&model);
    assert!(shown.contains("1 with `queue`") && !shown.contains("seated"), "{shown}");
    press(&mut model, "<Esc>sj<Enter>");
    let shown = text(&model);
    let place = |name: &str| shown.lines().position(|line| line.contains(&format!(" {name} ")));
    assert!(place("api") < place("db") && place("db") < place("seated"), "{shown}");
    let mut later = shared();
    later.at = at(1_001);
    later.shared.locks.reverse();
    send(&mut model, later);
    assert!(text(&model).contains("▸ frames"), "{}", text(&model));
    assert_eq!(now().mono, Mono(1_000_000_000));
}
