use super::*;
use crate::engine::{Effect, Engine, Input};
use crate::model::{Asked, ExecReport, Exit, JobNo, Now, PoolIdx, ProcRef, TaskIdx, Usage};
use crate::plan::{PoolRules, Schedule, TaskRules};

/// A run of one task on one worker, with what is kept of acts and stops.
struct World {
    engine: Engine,
    acts: Acts,
    stops: Stops,
}

impl World {
    fn new() -> World {
        let pool = PoolRules { name: "default".into(), min: 1, max: 9, start: 1 };
        let task = TaskRules { name: "thumb".into(), ..TaskRules::default() };
        let schedule = Schedule {
            pools: vec![pool],
            tasks: vec![task],
            fail_fast: None,
            ..Schedule::default()
        };
        let engine = Engine::new(schedule, 1);
        let mut world = World { engine, acts: Acts::default(), stops: Stops::default() };
        world.at(0, Input::Start);
        world.at(0, Input::JobsAdded { task: TaskIdx(0), count: 4, each: vec![] });
        let (attempt, at) = (AttemptId { job: JobNo(1), n: 1 }, Now::default());
        let proc = ProcRef { pid: 1, start_ticks: 1 };
        world.at(0, Input::Exec(ExecReport::Started { attempt, proc, at }));
        world
    }

    fn at(&mut self, s: u64, input: Input) -> Option<Answer> {
        let now = Now { mono: Mono(s * 1_000_000), ..Now::default() };
        let step = self.engine.handle(now, input);
        for event in &step.events {
            self.stops.note(event, now.mono, self.engine.state());
        }
        for effect in &step.effects {
            if let Effect::Kill { attempt } = effect {
                self.stops.killed(*attempt, now.mono);
            }
        }
        step.answer
    }

    fn asks(&mut self, s: u64, command: Command, is_undo: bool) -> Act {
        let by = Requester::Screen;
        let begun = Acts::begin(self.engine.state(), by.clone(), &command, is_undo);
        let answer = self.at(s, Input::Asked(Asked { by, command })).unwrap();
        self.acts.end(begun, &answer, Mono(s * 1_000_000)).clone()
    }
}

fn kill(job: u32) -> Command {
    Command::Kill { job: JobNo(job), now: false }
}

#[test]
fn acts_are_taken_back_once_and_only_where_they_can_be() {
    let mut world = World::new();
    let scaled = world.asks(1, Command::Scale { pool: PoolIdx(0), size: 1, now: false }, false);
    assert_eq!((scaled.done, scaled.undo), (true, None), "nothing changed");
    let cancelled = world.asks(2, kill(3), false);
    assert_eq!(cancelled.asked, "kill thumb:3");
    assert_eq!(cancelled.undo.as_deref(), Some("queue thumb:3 again"));
    let stopped = world.asks(3, kill(1), false);
    assert_eq!((stopped.done, stopped.undo), (true, None), "a process does not come back");
    let refused = world.asks(4, kill(99), false);
    assert_eq!((refused.done, refused.undo), (false, None));

    let back = world.acts.take_back(cancelled.id).unwrap();
    let undone = world.asks(5, back, true);
    assert_eq!((undone.asked.as_str(), undone.done), ("queue thumb:3 again", true));
    assert!(world.acts.take_back(cancelled.id).unwrap_err().contains("kill thumb:3"));
    assert!(world.acts.take_back(stopped.id).is_err());
    assert!(world.acts.take_back(77).is_err());
    let ids: Vec<u64> = world.acts.views().iter().map(|act| act.id).collect();
    assert_eq!(ids, [5, 4, 3, 2, 1]);
    for s in 0..100 {
        world.asks(6 + s, kill(99), false);
    }
    assert_eq!(world.acts.views().len(), SNAPSHOT_ACTS);
}

#[test]
fn a_stop_is_followed_from_the_request_to_the_proof() {
    let mut world = World::new();
    let second = |s: u64| Mono(s * 1_000_000);
    world.asks(10, kill(1), false);
    let stop = world.stops.views().remove(0);
    assert_eq!((stop.asked_at, stop.kill_at, stop.signal), (second(10), second(15), 15));
    assert_eq!((stop.killed_at, stop.nothing_left), (None, None));

    world.at(15, Input::Tick);
    assert_eq!(world.stops.views()[0].killed_at, Some(second(15)));
    let attempt = stop.attempt;
    let at = |s| Now { mono: second(s), ..Now::default() };
    let (exit, usage, oom_killed) = (Some(Exit::Signal(9)), Usage::default(), None);
    let ended =
        ExecReport::LeaderEnded { attempt, exit, usage, leftovers: 2, oom_killed, at: at(16) };
    world.at(16, Input::Exec(ended));
    let stop = world.stops.views().remove(0);
    assert_eq!((stop.leader_ended_at, stop.exit), (Some(second(16)), exit));
    assert_eq!((stop.ended_at, stop.nothing_left), (None, None), "two are alive still");

    let gone = ExecReport::TreeGone { attempt, swept: 2, unkillable: 0, at: at(17) };
    world.at(17, Input::Exec(gone));
    let stop = world.stops.views().remove(0);
    assert_eq!((stop.ended_at, stop.swept), (Some(second(17)), 2));
    assert_eq!((stop.nothing_left, stop.left), (Some(true), None));
}

#[test]
fn what_cannot_be_killed_is_said() {
    let mut world = World::new();
    world.asks(1, Command::Kill { job: JobNo(1), now: true }, false);
    let stop = world.stops.views().remove(0);
    assert_eq!((stop.signal, stop.killed_at), (9, Some(Mono(1_000_000))));
    let attempt = stop.attempt;
    world.at(
        6,
        Input::Exec(ExecReport::TreeGone { attempt, swept: 0, unkillable: 1, at: Now::default() }),
    );
    let stop = world.stops.views().remove(0);
    assert_eq!(stop.nothing_left, Some(false));
    assert!(stop.left.unwrap().contains('1'));
}
