use super::*;
use crate::engine::{Engine, Input};
use crate::model::{Asked, Command, ExecReport, Exit, LaneWork, ProcRef, Rank, Usage, Wall};
use crate::plan::{PoolRules, Schedule, TaskRules};

/// A run of one task on two workers, with its history.
struct World {
    engine: Engine,
    history: History,
    now: Now,
}

impl World {
    fn new(jobs: u32) -> World {
        let pool = PoolRules { name: "default".into(), min: 1, max: 9, start: 2 };
        let task = TaskRules { name: "thumb".into(), ..TaskRules::default() };
        let schedule = Schedule {
            pools: vec![pool],
            tasks: vec![task],
            fail_fast: None,
            ..Schedule::default()
        };
        let engine = Engine::new(schedule, 1);
        let mut world = World { engine, history: History::default(), now: Now::default() };
        world.at(1_000, Input::Start);
        world.at(1_000, Input::JobsAdded { task: TaskIdx(0), count: jobs, each: vec![] });
        world
    }

    fn at(&mut self, ms: u64, input: Input) {
        self.now = Now { mono: Mono(ms * 1000), wall: Wall(0) };
        for event in self.engine.handle(self.now, input).events {
            self.history.note(event, self.now, self.engine.state());
        }
    }

    fn attempt(job: u32) -> AttemptId {
        AttemptId { job: JobNo(job), n: 1 }
    }

    fn started(&mut self, ms: u64, job: u32) {
        let at = Now { mono: Mono(ms * 1000), wall: Wall(0) };
        let proc = ProcRef { pid: 1, start_ticks: 1 };
        self.at(ms, Input::Exec(ExecReport::Started { attempt: World::attempt(job), proc, at }));
    }

    fn exits(&mut self, ms: u64, job: u32, code: i32) {
        let at = Now { mono: Mono(ms * 1000), wall: Wall(0) };
        self.at(
            ms,
            Input::Exec(ExecReport::LeaderEnded {
                attempt: World::attempt(job),
                exit: Some(Exit::Code(code)),
                usage: Usage::default(),
                leftovers: 0,
                oom_killed: None,
                at,
            }),
        );
    }

    fn asks(&mut self, ms: u64, command: Command) {
        self.at(ms, Input::Asked(Asked { by: Requester::Cli { pid: 9 }, command }));
    }

    fn timeline(&self, from_ms: u64, to_ms: u64) -> Timeline {
        let (from, to) = (Mono(from_ms * 1000), Mono(to_ms * 1000));
        let range = Range { from, to, now: self.now.mono, max_bars: 100 };
        self.history.timeline(range, self.engine.state())
    }

    fn texts(&self, filter: &EventFilter, from: EventsFrom, limit: u32) -> Vec<String> {
        let page = self.history.page(filter, from, limit, self.engine.state());
        page.rows.into_iter().map(|row| row.text).collect()
    }
}

#[test]
fn attempts_stand_as_bars_in_the_lanes_of_their_workers() {
    let mut world = World::new(3);
    world.started(1_000, 1);
    world.started(1_500, 2);
    world.exits(2_000, 1, 0);
    world.started(2_000, 3);
    world.exits(3_000, 2, 1);
    world.asks(3_000, Command::Scale { pool: PoolIdx(0), size: 3, now: false });
    world.at(5_000, Input::Tick);
    let t = world.timeline(1_000, 5_000);
    let bars: Vec<Vec<(u32, Option<Outcome>)>> = t
        .lanes
        .iter()
        .map(|lane| match &lane.work {
            LaneWork::Bars(bars) => bars.iter().map(|bar| (bar.index, bar.outcome)).collect(),
            LaneWork::Merged(_) => vec![],
        })
        .collect();
    let failed = Some(Outcome::Failed { code: 1 });
    assert_eq!(bars[..2], [vec![(1, Some(Outcome::Succeeded)), (3, None)], vec![(2, failed)]]);
    // The third worker came at 3 s; the second was idle from 3 s on and before its start.
    let idle: Vec<_> = t.lanes.iter().map(|lane| lane.idle_percent.map(f32::round)).collect();
    assert_eq!(idle, [Some(0.0), Some(63.0), Some(100.0)]);
    assert_eq!(world.history.slots(Mono(0), Mono(5_000_000))[2].1, Duration::from_secs(2));
    assert_eq!(t.longest[0].attempt, World::attempt(3), "it runs still: the long pole");
    assert_eq!(t.since, None);
}

#[test]
fn old_attempts_and_events_are_dropped_and_that_is_said() {
    let n = TIMELINE_ATTEMPTS as u32 + 10;
    let mut world = World::new(n);
    for job in 1..=n {
        world.started(1_000 + u64::from(job), job);
        world.exits(1_000 + u64::from(job), job, 0);
    }
    assert_eq!(world.history.past.len(), TIMELINE_ATTEMPTS);
    let t = world.timeline(0, 1_000_000);
    assert_eq!(t.since, Some(Mono(1_010_000)));
    let page =
        world.history.page(&EventFilter::default(), EventsFrom::After(0), 1, world.engine.state());
    assert_eq!(page.newest - page.oldest + 1, EVENTS_KEPT as u64);
    assert_eq!(page.rows[0].id, page.oldest);
}

#[test]
fn a_kept_attempt_is_small() {
    assert!(size_of::<Past>() <= 40, "{}", size_of::<Past>());
}

#[test]
fn events_are_paged_in_both_directions_and_filtered() {
    let mut world = World::new(4);
    world.started(1_000, 1);
    world.exits(4_200, 1, 2);
    world.asks(5_000, Command::Prioritize { job: JobNo(4), to: Rank::First });
    let none = EventFilter::default();
    let all = world.texts(&none, EventsFrom::Newest, 100);
    assert_eq!(all[0], "the run started");
    assert_eq!(all.last().unwrap(), "thumb:4 moved to priority 1 by pid 9");
    assert!(
        all.contains(&"thumb:1 ended: exit code 2 after 3.2s (attempt 1)".to_owned()),
        "{all:?}"
    );
    // Page by page, back and forth, gives the same.
    let (mut back, mut to) = (Vec::new(), u64::MAX);
    loop {
        let page = world.history.page(&none, EventsFrom::Before(to), 3, world.engine.state());
        if page.rows.is_empty() {
            break;
        }
        to = page.looked_to;
        back.splice(0..0, page.rows.into_iter().map(|row| row.text));
    }
    assert_eq!(back, all);
    let (mut forth, mut to) = (Vec::new(), 0);
    loop {
        let page = world.history.page(&none, EventsFrom::After(to), 3, world.engine.state());
        if page.rows.is_empty() {
            break;
        }
        to = page.looked_to;
        forth.extend(page.rows.into_iter().map(|row| row.text));
    }
    assert_eq!(forth, all);
    let filters = [
        (EventFilter { text: Some("EXIT CODE".into()), ..none.clone() }, 2),
        (EventFilter { kind: Some("attempt_launched".into()), ..none.clone() }, 3),
        (EventFilter { job: Some(JobNo(4)), ..none.clone() }, 1),
        (EventFilter { task: Some("thumb".into()), ..none.clone() }, all.len() - 1),
        (EventFilter { task: Some("other".into()), ..none.clone() }, 0),
        (EventFilter { by: Some("people".into()), ..none.clone() }, 1),
        (EventFilter { by: Some("rule".into()), ..none.clone() }, 0),
    ];
    for (filter, n) in filters {
        let texts = world.texts(&filter, EventsFrom::Newest, 100);
        assert_eq!(texts.len(), n, "{filter:?}: {texts:?}");
    }
}

#[test]
fn requests_stand_among_the_events_with_their_answers() {
    let mut world = World::new(1);
    let about = (Some(JobNo(1)), None);
    let text = "kill thumb:1: refused, since it has ended".to_owned();
    world.history.note_asked(Requester::Screen, text.clone(), about, world.now);
    let filter =
        EventFilter { kind: Some("asked".into()), job: Some(JobNo(1)), ..Default::default() };
    assert_eq!(world.texts(&filter, EventsFrom::Newest, 9), [text]);
}
