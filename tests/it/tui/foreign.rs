//! Locks that are not ganger's own, in the panel of locks.

use super::fixtures::{busy, look, text};
use super::locks::{lived, shared};
use super::past::{Past, keys};
use super::screens::check;
use ganger::model::locks::Party;
use ganger::model::waits::foreign::*;
use ganger::model::waits::{LastOwner, WaitKind};
use ganger::model::*;
use ganger::tui::glyphs::GlyphSet;
use ganger::tui::model::Model;

/// A thread of a job; its main one without a number.
fn party(job: u32, thread: Option<u64>) -> Party {
    Party {
        proc: Some(ProcRef { pid: 7_000 + job as i32, start_ticks: 1 }),
        thread,
        attempt: Some(AttemptId { job: JobNo(job), n: 1 }),
        label: Some("python3".into()),
        command: false,
    }
}

fn holder(party: Party, proven: bool) -> ForeignHolder {
    ForeignHolder { party, proven, stopped: false }
}

fn waiter(party: Party, ago: u64) -> ForeignWaiter {
    let since = Some(Mono((1_000 - ago) * 1_000_000));
    ForeignWaiter { party, since, timeout: false }
}

fn lock(kind: WaitKind, name: &str, lost_s: u64) -> ForeignLock {
    ForeignLock {
        kind,
        id: format!("id of {name}"),
        name: name.to_owned(),
        holders: Vec::new(),
        last_owner: None,
        waiters: Vec::new(),
        n_waiters: 0,
        fill: None,
        stats: ForeignStats {
            looks: lost_s * 3,
            most_waiters: 3,
            waited_us: lost_s * 1_000_000,
            jobs_waited_us: lost_s * 800_000,
            longest_us: lost_s * 90_000,
            seen_at: Mono(960_000_000),
        },
    }
}

fn held(of: ForeignLock, holders: Vec<ForeignHolder>, waiters: Vec<ForeignWaiter>) -> ForeignLock {
    let n_waiters = waiters.len() as u32;
    let stats = ForeignStats { seen_at: Mono(1_000_000_000), ..of.stats };
    ForeignLock { holders, waiters, n_waiters, stats, ..of }
}

/// What jobs share, and six locks that they brought themselves.
pub fn contended() -> Snapshot {
    let mut snapshot = shared();
    let index = held(
        lock(WaitKind::FileLock, "/srv/thumbs/.cache/index.lock", 96),
        vec![holder(party(1_320, None), true)],
        vec![waiter(party(1_322, None), 21), waiter(party(1_323, Some(7_400)), 4)],
    );
    let mut room = held(
        lock(WaitKind::PySemaphore, "room in Queue #1", 33),
        Vec::new(),
        vec![waiter(party(1_321, None), 9)],
    );
    room.fill = Some(QueueFill { depth: 8, capacity: Some(8) });
    let mut gone = held(
        lock(WaitKind::MpLock, "Lock #1", 12),
        Vec::new(),
        vec![waiter(party(1_324, None), 12)],
    );
    gone.last_owner = Some(LastOwner { pid: 7_777, tid: 7_777 });
    let perhaps = held(
        lock(WaitKind::Condvar, "#1", 5),
        vec![holder(party(1_290, None), false), holder(party(1_320, None), false)],
        vec![waiter(party(1_290, Some(7_301)), 2)],
    );
    let mut others = lock(WaitKind::PipeRead, "Queue pipe:[5521]", 3);
    others.stats.longest_us = 0;
    snapshot.shared.foreign =
        vec![index, room, gone, perhaps, lock(WaitKind::Mutex, "#2", 8), others];
    snapshot.shared.foreign_total = 6;
    snapshot
}

fn screen(width: u16, height: u16) -> Model {
    let mut model = lived(width, height, &contended());
    press(&mut model, "9");
    model
}

fn press(model: &mut Model, typed: &str) {
    keys(model, &Past::busy(), typed);
}

fn said(model: &Model) -> String {
    model.feedback.as_ref().map(|f| f.text.clone()).unwrap_or_default()
}

#[test]
fn foreign_locks_stand_among_gangers_own() {
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let mut model = screen(width, height);
        check("foreign", &model);
        press(&mut model, "/index.lock<Enter>l");
        check("foreign-inside", &model);
        press(&mut model, "<Esc>v");
        check("foreign-matrix", &model);
    }
    let mut model = screen(80, 24);
    model.look = look(GlyphSet::Ascii);
    let shown = text(&model);
    assert!(shown.is_ascii(), "{shown}");
    assert!(shown.contains("~ "), "they are told apart by a shape:\n{shown}");
}

#[test]
fn the_selected_one_says_that_it_is_sampled_and_who_has_it() {
    let mut model = screen(120, 40);
    let of = |model: &mut Model, name: &str| {
        press(model, &format!("/{name}<Enter>"));
        text(model)
    };
    for (name, words) in [
        (
            "index.lock",
            &["file lock · held · foreign", "~1:36, sampled", "holds it", "pid 8320"][..],
        ),
        ("index.lock", &["waits   21s  pid 8322", "waits    4s  pid 8323/7400"]),
        ("room in", &["8 items of 8 in the queue", "longest wait", "8/8"]),
        ("Lock #1", &["abandoned", "its owner (pid 7777) is gone"]),
        ("condvar #1", &["may have it", "awaited"]),
        ("mutex #2", &["quiet", "last waited for 40s ago", "nobody was seen to wait for it"]),
    ] {
        let shown = of(&mut model, name);
        for word in words {
            assert!(shown.contains(word), "{name}: {word}\n{shown}");
        }
    }
}

#[test]
fn acts_on_what_is_not_gangers_own_say_why_they_do_nothing() {
    use super::stories::press as sent;
    for (typed, commands, words) in [
        ("/index.lock<Enter>+", &[][..], "index.lock is not ganger's own: it is only seen from"),
        ("/index.lock<Enter>-", &[], "is not ganger's own"),
        ("/room in<Enter>C", &[], "room in Queue #1 is not ganger's own"),
        ("/index.lock<Enter>K<Enter>", &["stop :1320"], "stop thumb:1319"),
        ("/Lock #1<Enter>K", &[], "the owner of Lock #1 (pid 7777) is gone: nothing to kill"),
        ("/condvar<Enter>K", &[], "nobody is proven to hold condvar #1: nothing to kill"),
        ("/mutex #2<Enter>K", &[], "who holds it is not looked at: nothing to kill"),
        ("/room in<Enter>o", &[], "nobody is proven to hold room in Queue #1"),
    ] {
        let mut model = screen(120, 40);
        let got = sent(&mut model, typed);
        let text = said(&model);
        assert_eq!(got, commands, "{typed}: {text}");
        assert!(text.contains(words), "{typed}: {text}");
    }
}

#[test]
fn o_goes_from_waiter_to_holder_and_on_to_what_that_waits_for() {
    let mut snapshot = contended();
    // The holder of the file lock waits for a mutex that another job has.
    let mutex = held(
        lock(WaitKind::Mutex, "#2", 8),
        vec![holder(party(1_321, Some(7_500)), true)],
        vec![waiter(party(1_320, Some(7_450)), 3)],
    );
    snapshot.shared.foreign[4] = mutex;
    snapshot.shared.locks.retain(|lock| &*lock.name != "db" && &*lock.name != "frames");
    let mut model = lived(120, 40, &snapshot);
    press(&mut model, "9/index.lock<Enter>ljo");
    let mut seen = vec![model.selection().map(|selection| selection.job.0)];
    for _ in 0..2 {
        press(&mut model, "o");
        seen.push(model.selection().map(|selection| selection.job.0));
    }
    // Its holder, at what that waits for, and who has it.
    assert_eq!(seen, [Some(1_320), Some(1_320), Some(1_321)]);
    let shown = text(&model);
    assert!(shown.contains("◇ mutex #2 mutex · held"), "{shown}");
}

#[test]
fn they_sort_filter_and_keep_what_is_selected() {
    let place = |shown: &str, name: &str| shown.lines().position(|line| line.contains(name));
    let mut model = screen(120, 40);
    let shown = text(&model);
    // By what they cost: db 188 s, the file lock 96, frames 77, index 41, room 33.
    let order = [" db ", "index.lock", " frames ", " index ", "room in Queue", " api "];
    let places: Vec<_> = order.iter().map(|name| place(&shown, name)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{shown}");
    press(&mut model, "fforeign<Enter>");
    let shown = text(&model);
    assert!(
        shown.contains("6 with `foreign`") && place(&shown, " semaphore ").is_none(),
        "{shown}"
    );
    press(&mut model, "/condvar<Enter>");
    let mut later = contended();
    later.shared.foreign.reverse();
    super::fixtures::send(&mut model, later);
    assert!(text(&model).contains("▸ ◇ condvar #1"), "{}", text(&model));
}

#[test]
fn a_run_that_shares_nothing_shows_them_when_it_is_asked_to() {
    let mut snapshot = contended();
    snapshot.shared.locks.clear();
    snapshot.shared.total = 0;
    let mut model = lived(120, 40, &snapshot);
    assert!(!text(&model).contains("index.lock"), "{}", text(&model));
    press(&mut model, "9");
    let shown = text(&model);
    assert!(shown.contains("6 foreign") && shown.contains("index.lock"), "{shown}");
    // Nothing at all: it says how to share something.
    let mut model = lived(120, 40, &busy());
    press(&mut model, "9");
    assert!(text(&model).contains("nothing is shared"), "{}", text(&model));
}

#[test]
fn all_waits_are_looked_at_while_the_panel_has_the_focus() {
    let asks = |model: &Model| {
        let waits = |pending: &ganger::tui::model::Pending| {
            matches!(pending, ganger::tui::model::Pending::Panel { panel: 9, .. })
        };
        model.pending.values().any(waits)
    };
    let mut model = lived(120, 40, &contended());
    assert!(!asks(&model));
    super::stories::press(&mut model, "9");
    assert!(asks(&model));
}
