//! The loop with looks that are made up, and a clock that is set by hand.

use super::*;
use crate::model::waits::report::Verdict;
use crate::model::waits::{
    Certainty, Need, OnDeath, ProcessFact, Resource, Stamp, ThreadFact, ThreadRef, ThreadState,
    WaitFact, WaitKind, Waker,
};
use std::sync::{Arc, Mutex};

/// What the made-up processes do, and what was asked.
#[derive(Default)]
struct World {
    suspects: u32,
    who: u64,
    /// Both wait for each other.
    hung: bool,
    /// Goes up with every look while they only seem hung.
    turns: u64,
    busy: bool,
    ticks: u32,
    looks: Vec<(Mono, Scope)>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<World>>);

impl Fake {
    fn set(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.0.lock().unwrap());
    }

    fn looks(&self) -> Vec<(Mono, Scope)> {
        std::mem::take(&mut self.0.lock().unwrap().looks)
    }
}

fn proc(pid: i32) -> ProcRef {
    ProcRef { pid, start_ticks: 1 }
}

impl Looks for Fake {
    fn set_roots(&mut self, _: Vec<Root>) {}

    fn tick(&mut self, _: Mono) -> Tick {
        let mut world = self.0.lock().unwrap();
        world.ticks += 1;
        Tick { processes: 2, threads: 2, suspects: world.suspects, who: world.who }
    }

    fn look(&mut self, now: Mono, scope: Scope) -> Look {
        let mut world = self.0.lock().unwrap();
        world.looks.push((now, scope));
        world.turns += u64::from(world.busy);
        let process = |pid| ProcessFact {
            proc: proc(pid),
            parent: 1,
            name: "p".to_owned(),
            in_tree: true,
            attempt: None,
            catches_signals: false,
            threads: vec![ThreadFact {
                tid: pid,
                name: "p".to_owned(),
                state: ThreadState::Blocked,
                stamp: Stamp { turns: world.turns, ..Stamp::default() },
                still_since: Some(now),
            }],
        };
        let wait = |pid, other| WaitFact {
            waiter: ThreadRef { proc: proc(pid), tid: pid },
            resource: Resource { kind: WaitKind::Mutex, id: pid.to_string(), name: None },
            needs: vec![Need { wakers: vec![Waker::Process(proc(other))] }],
            holders: Vec::new(),
            abandoned: false,
            last_owner: None,
            timeout: false,
            certainty: Certainty::Proven,
            ends_by_signal: false,
            on_death: OnDeath::Nothing,
            fill: None,
            frames: Vec::new(),
        };
        let waits = if world.hung { vec![wait(1, 2), wait(2, 1)] } else { vec![wait(1, 2)] };
        Look { at: now, processes: vec![process(1), process(2)], waits, not_visible: Vec::new() }
    }
}

const MS: u64 = 1_000;

/// Runs a loop until a time, as its thread would; returns what it told, and when.
fn run_until(state: &mut Loop, now: &mut u64, until: u64) -> Vec<(u64, Verdict)> {
    let mut told = Vec::new();
    while *now <= until {
        let at = Mono(*now);
        if let Some(Told::News(report)) = state.turn(at, || at) {
            told.push((*now / MS, report.verdict));
        }
        *now = state.wake_at.0.max(*now + 1);
    }
    told
}

fn started(fake: &Fake) -> Loop {
    let mut state = Loop::new(Box::new(fake.clone()), None);
    state.follow(vec![Root { proc: proc(1), attempt: None }]);
    state
}

#[test]
fn nobody_is_looked_at_while_nobody_is_suspected() {
    let fake = Fake::default();
    let (mut state, mut now) = (started(&fake), 0);
    assert_eq!(run_until(&mut state, &mut now, 10_000 * MS), []);
    assert_eq!(fake.looks(), []);
    assert_eq!(fake.0.lock().unwrap().ticks, 21);
}

#[test]
fn a_suspicion_is_proven_by_a_second_look_after_50_ms() {
    let fake = Fake::default();
    let (mut state, mut now) = (started(&fake), 0);
    fake.set(|world| (world.suspects, world.hung) = (2, true));
    let told = run_until(&mut state, &mut now, 100 * MS);
    assert_eq!(told, [(50, Verdict::Deadlock)]);
    let looks = fake.looks();
    assert_eq!(looks, [(Mono(0), Scope::Suspects), (Mono(50 * MS), Scope::Suspects)]);
}

#[test]
fn a_finding_is_told_once_and_its_end_is_told_too() {
    let fake = Fake::default();
    let (mut state, mut now) = (started(&fake), 0);
    fake.set(|world| (world.suspects, world.hung) = (2, true));
    assert_eq!(run_until(&mut state, &mut now, 20_000 * MS).len(), 1);
    // Unchanged suspects are looked at ever more rarely, but never given up.
    let n = fake.looks().len();
    assert!((14..=30).contains(&n), "{n} looks in 20 s");
    fake.set(|world| (world.suspects, world.hung) = (0, false));
    let told = run_until(&mut state, &mut now, 22_000 * MS);
    assert_eq!(told.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(), [Verdict::Healthy]);
}

#[test]
fn a_new_suspect_is_looked_at_within_a_tick_however_long_others_have_been() {
    let fake = Fake::default();
    let (mut state, mut now) = (started(&fake), 0);
    fake.set(|world| world.suspects = 1);
    run_until(&mut state, &mut now, 30_000 * MS);
    fake.set(|world| (world.suspects, world.hung) = (2, true));
    let before = now / MS;
    let told = run_until(&mut state, &mut now, 40_000 * MS);
    assert_eq!(told.len(), 1);
    assert!(told[0].0 <= before + 600, "told at {}, hung before {before}", told[0].0);
    // One goes on as another comes to wait: as many as before, and not the same.
    fake.set(|world| (world.who, world.hung) = (1, false));
    let before = now / MS;
    let told = run_until(&mut state, &mut now, 50_000 * MS);
    assert_eq!(told.len(), 1);
    assert!(told[0].0 <= before + 600, "told at {}, changed before {before}", told[0].0);
}

#[test]
fn who_runs_between_the_looks_is_never_told_of() {
    let fake = Fake::default();
    let (mut state, mut now) = (started(&fake), 0);
    fake.set(|world| (world.suspects, world.hung, world.busy) = (2, true, true));
    let told = run_until(&mut state, &mut now, 60_000 * MS);
    assert!(told.iter().all(|(_, verdict)| *verdict == Verdict::Healthy), "{told:?}");
}

#[test]
fn while_somebody_watches_all_is_looked_at_often_and_told_each_time() {
    let fake = Fake::default();
    let (mut state, mut now) = (started(&fake), 0);
    state.watch(true);
    let told = run_until(&mut state, &mut now, 2_000 * MS);
    assert!(told.len() >= 10, "{}", told.len());
    assert!(fake.looks().iter().all(|(_, scope)| *scope == Scope::All));
    state.watch(false);
    assert_eq!(run_until(&mut state, &mut now, 20_000 * MS), []);
}

#[test]
fn a_dear_look_is_followed_by_a_rest() {
    let fake = Fake::default();
    let mut state = started(&fake);
    state.watch(true);
    let took = Duration::from_millis(100);
    state.turn(Mono(1_000 * MS), || Mono(1_000 * MS) + took);
    assert_eq!(state.wake_at, Mono(1_100 * MS) + took * REST);
}

#[test]
fn the_thread_tells_a_hang_and_ends_with_its_handle() {
    let fake = Fake::default();
    fake.set(|world| (world.suspects, world.hung) = (2, true));
    let (told, coming) = mpsc::channel();
    let looks = fake.clone();
    let begin = clock::mono();
    let told_by = move |report| drop(told.send(report));
    let xray = Xray::start(move || Box::new(looks) as Box<dyn Looks>, None, told_by).unwrap();
    xray.follow(vec![Root { proc: proc(1), attempt: None }]);
    let Told::News(report) = coming.recv_timeout(Duration::from_secs(20)).unwrap() else {
        panic!("the first report is always news");
    };
    assert_eq!(report.verdict, Verdict::Deadlock);
    assert!(clock::mono().since(begin) >= XRAY_APART);
    drop(xray);
    let rest = std::iter::from_fn(|| match coming.recv_timeout(Duration::from_secs(20)) {
        Err(RecvTimeoutError::Disconnected) => None,
        said => Some(said),
    });
    assert!(rest.take(1_000).all(|said| matches!(said, Ok(Told::Same(_)))));
}

#[test]
fn once_a_hang_is_proven_by_looks_far_apart() {
    let mut fake = Fake::default();
    fake.set(|world| world.hung = true);
    let report = look_at(&mut fake, &mut |_| {}, Duration::from_secs(20)).report();
    assert_eq!(report.verdict, Verdict::Deadlock);
    let looks = fake.looks();
    assert!(looks.last().unwrap().0.since(looks[0].0) >= STANDING);
    // Nobody seems stuck: that is said soon.
    fake.set(|world| world.hung = false);
    let report = look_at(&mut fake, &mut |_| {}, Duration::from_secs(20)).report();
    assert_eq!(report.verdict, Verdict::Healthy);
    assert_eq!(fake.looks().len(), 2);
    // Seems stuck and is not.
    fake.set(|world| (world.hung, world.busy) = (true, true));
    let patience = Duration::from_millis(200);
    let report = look_at(&mut fake, &mut |_| {}, patience).report();
    assert_eq!(report.verdict, Verdict::Healthy);
}
