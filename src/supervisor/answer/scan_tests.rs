//! Lists over runs that nothing runs: the engine is fed by hand.

use super::scan::{Scan, Scans};
use super::view::View;
use crate::engine::{Effect, Engine, Input};
use crate::model::filter::{Filter, Names};
use crate::model::limits::{SCAN_SLICE_BYTES, SCAN_SLICE_JOBS, SORTED_JOBS};
use crate::model::query::{JobPage, JobRow, JobSort};
use crate::model::{AttemptId, ExecReport, Exit, Mono, Now, ProcRef, TaskIdx, Usage, Wall};
use crate::plan::inputs::{Foreach, ForeachVar, InputSet, Source, Table};
use crate::plan::{Need, NeedWhen, PoolRules, Schedule, TaskRules};
use crate::supervisor::ledger::Ledger;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A run with the tasks `first` (jobs that run) and `work` (jobs that wait for them).
struct World {
    engine: Engine,
    ledger: Ledger,
    inputs: Vec<Option<Arc<InputSet>>>,
    running: VecDeque<AttemptId>,
    now_us: u64,
}

fn numbers(n: u32) -> InputSet {
    set(Source::Range { first: 1, last: i64::from(n), step: 1 })
}

fn set(source: Source) -> InputSet {
    let table = Table::of_literal(&source).unwrap().unwrap();
    let vars = vec![ForeachVar { name: "n".into(), source }];
    InputSet::new(&Foreach { vars, zip: false }, vec![table]).unwrap()
}

impl World {
    fn new(first: InputSet, work: InputSet) -> World {
        let rules = |name: &str| TaskRules { name: name.into(), ..TaskRules::default() };
        let needs = vec![Need { task: TaskIdx(0), when: NeedWhen::Always, each: false }];
        let pool = PoolRules { name: "default".into(), min: 1, max: 4, start: 4 };
        let tasks = vec![rules("first"), TaskRules { needs, ..rules("work") }];
        let mut world = World {
            engine: Engine::new(
                Schedule { pools: vec![pool], tasks, fail_fast: None, ..Schedule::default() },
                1,
            ),
            ledger: Ledger::default(),
            inputs: vec![Some(Arc::new(first)), Some(Arc::new(work))],
            running: VecDeque::new(),
            now_us: 0,
        };
        for task in [0, 1] {
            let count = world.inputs[task as usize].as_ref().unwrap().len();
            world.feed(Input::JobsAdded { task: TaskIdx(task), count, each: Vec::new() });
        }
        world.feed(Input::Start);
        world
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.now_us), wall: Wall(self.now_us.cast_signed() + 1) }
    }

    fn feed(&mut self, input: Input) {
        let step = self.engine.handle(self.now(), input);
        step.events.iter().for_each(|event| self.ledger.note(event));
        for effect in step.effects {
            if let Effect::Launch { attempt, .. } = effect {
                self.running.push_back(attempt);
            }
        }
    }

    /// Lets the oldest attempt run for a while and end.
    fn end_one(&mut self, us: u64, exit: Exit, rss: Option<u64>) {
        let attempt = self.running.pop_front().expect("something runs");
        let proc = ProcRef { pid: 1, start_ticks: 1 };
        let at = self.now();
        self.feed(Input::Exec(ExecReport::Started { attempt, proc, at }));
        self.now_us += us;
        let at = self.now();
        let usage = Usage {
            cpu_user: Duration::from_micros(us % 97),
            max_rss_bytes: rss,
            ..Usage::default()
        };
        self.feed(Input::Exec(ExecReport::LeaderEnded {
            attempt,
            exit: Some(exit),
            usage,
            leftovers: 0,
            oom_killed: None,
            at,
        }));
        self.feed(Input::Tick);
    }

    fn view(&self) -> View<'_> {
        View {
            state: self.engine.state(),
            ledger: &self.ledger,
            inputs: &self.inputs,
            now: self.now(),
        }
    }

    fn scan(&self, filter: &str, sort: JobSort, descending: bool, offset: u32, limit: u32) -> Scan {
        let names = Names { tasks: vec!["first", "work"], pools: vec!["default"] };
        let filter = Filter::parse(filter, &names).unwrap();
        Scan::new(&self.view(), filter, sort, descending, offset, limit)
    }

    /// Makes a list; no slice may look at more jobs than it should. Returns the number of
    /// slices too.
    fn list(
        &self,
        filter: &str,
        sort: JobSort,
        descending: bool,
        offset: u32,
        limit: u32,
    ) -> (JobPage, u32) {
        let mut scan = self.scan(filter, sort, descending, offset, limit);
        let (mut before, mut slices) = (0, 0);
        loop {
            slices += 1;
            let page = scan.step(&self.view());
            assert!(scan.scanned() - before <= SCAN_SLICE_JOBS, "slice {slices} of `{filter}`");
            before = scan.scanned();
            if let Some(page) = page {
                return (page, slices);
            }
        }
    }
}

fn jobs(rows: &[JobRow]) -> Vec<u32> {
    rows.iter().map(|row| row.job.0).collect()
}

/// Four of ten run, the other six and a million wait.
fn million() -> World {
    World::new(numbers(10), numbers(1_000_000))
}

#[test]
fn a_million_jobs_are_looked_at_in_small_slices() {
    let world = million();
    let all = 1_000_010;
    for (filter, total, scanned) in [
        ("queued", 1_000_006, all),
        ("running", 4, all),
        ("failed", 0, all),
        // Tasks that the filter rules out are not looked at.
        ("task=first running", 4, 10),
        ("first !running", 6, 10),
        ("work:999999", 1, 1_000_000),
        // Nor are numbers that it leaves out.
        ("job>1000000", 10, 10),
        ("job>=5 job<=104 ok", 0, 100),
    ] {
        let (page, slices) = world.list(filter, JobSort::Number, false, 0, 1000);
        assert_eq!((page.total, page.scanned, page.of), (total, scanned, all), "{filter}");
        assert!(slices >= scanned / SCAN_SLICE_JOBS, "{filter} took {slices} slices");
        assert_eq!(page.rows.len(), total.min(1000) as usize, "{filter}");
    }
    let (page, _) = world.list("queued", JobSort::Number, false, 900_000, 3);
    assert_eq!(jobs(&page.rows), [900_005, 900_006, 900_007]);
    let (page, _) = world.list("queued", JobSort::Number, true, 900_000, 3);
    assert_eq!(jobs(&page.rows), [100_010, 100_009, 100_008]);
}

#[test]
fn slices_that_read_texts_are_smaller() {
    let long = set(Source::List(vec![vec![b'x'; 10_000]; 200]));
    let world = World::new(numbers(1), long);
    let (page, slices) = world.list("\"y\"", JobSort::Number, false, 0, 10);
    assert_eq!((page.total, page.scanned), (0, 201));
    let bytes = 200 * 10_000;
    assert!(slices as usize >= bytes / (SCAN_SLICE_BYTES + 10_100), "only {slices} slices");
}

#[test]
fn a_sorted_list_ends_where_the_limit_says() {
    let world = World::new(numbers(1), numbers(SORTED_JOBS + 500));
    let (page, _) = world.list("", JobSort::Task, true, SORTED_JOBS - 5, 1000);
    assert_eq!((page.rows.len(), page.total), (5, SORTED_JOBS + 501));
    assert_eq!(page.cut_at, Some(SORTED_JOBS));
    let (page, _) = world.list("first", JobSort::Task, false, 0, 10);
    assert_eq!((page.rows.len(), page.cut_at), (1, None));
}

/// What a sorted list shows of a job, for a comparison by other means.
fn key(row: &JobRow, sort: JobSort, now: Wall) -> Option<i64> {
    let number = |n: u64| n.cast_signed();
    match sort {
        JobSort::Number => Some(i64::from(row.job.0)),
        JobSort::Task => Some(i64::from(row.task.0)),
        JobSort::State => Some(match row.state.as_str() {
            "running" => 0,
            "ready" => 2,
            "blocked" => 3,
            "succeeded" => 6,
            _ => 4,
        }),
        JobSort::Time => row.started_at.map(|s| row.ended_at.unwrap_or(now).0 - s.0),
        JobSort::Cpu => row.cpu_ms.map(|_| i64::from(row.job.0)),
        JobSort::Rss => row.max_rss_bytes.map(number),
        JobSort::Attempts => Some(i64::from(row.attempts)),
        JobSort::Started => row.started_at.map(|at| at.0),
        JobSort::Ended => row.ended_at.map(|at| at.0),
    }
}

#[test]
fn every_order_is_that_of_its_key_with_the_unknown_last() {
    let mut world = World::new(numbers(60), numbers(50));
    for n in 1..=30_u64 {
        let exit = [Exit::Code(0), Exit::Code(3), Exit::Signal(9)][n as usize % 3];
        // The CPU time is the number of the job: see `key`.
        world.end_one((n * 7919) % 1000 * 97 + n, exit, (n % 4 > 0).then_some(n % 5 * 1000));
    }
    world.now_us += 1_000_000_000;
    let (all, _) = world.list("", JobSort::Number, false, 0, 1000);
    assert_eq!(all.rows.len(), 110);
    for sort in JobSort::ALL {
        for descending in [false, true] {
            let mut wanted: Vec<&JobRow> = all.rows.iter().collect();
            wanted.sort_by_key(|row| {
                let key = key(row, sort, world.now().wall).map(|k| if descending { -k } else { k });
                (key.is_none(), key, row.job)
            });
            let mut found = Vec::new();
            for offset in (0..110).step_by(20) {
                found.extend(world.list("", sort, descending, offset, 20).0.rows);
            }
            let wanted: Vec<u32> = wanted.iter().map(|row| row.job.0).collect();
            assert_eq!(jobs(&found), wanted, "{sort:?}, descending: {descending}");
        }
    }
}

#[test]
fn rows_say_what_is_known_and_nothing_else() {
    let mut world = World::new(numbers(6), numbers(1));
    world.end_one(5_000, Exit::Code(0), Some(4096));
    world.end_one(7_000, Exit::Code(3), None);
    world.end_one(9_000, Exit::Signal(11), None);
    let (page, _) = world.list("", JobSort::Number, false, 0, 10);
    let said: Vec<_> = page
        .rows
        .iter()
        .map(|r| (r.label.as_str(), r.state.as_str(), r.exit.map(Exit::words), r.attempts))
        .collect();
    let words = |text: &str| Some(text.to_owned());
    assert_eq!(
        said,
        [
            ("first:1", "succeeded", words("exit 0"), 1),
            ("first:2", "failed", words("exit 3"), 1),
            ("first:3", "signaled", words("SIGSEGV"), 1),
            ("first:4", "running", None, 1),
            ("first:5", "running", None, 1),
            ("first:6", "running", None, 1),
            ("work:1", "blocked", None, 0),
        ]
    );
    let [ended, _, _, running, .., blocked] = page.rows.as_slice() else { panic!("rows") };
    assert_eq!((ended.wall_ms, ended.max_rss_bytes), (Some(5), Some(4096)));
    assert!(running.ended_at.is_none() && running.wall_ms == Some(21), "{running:?}");
    assert_eq!(running.cpu_ms, None);
    assert_eq!((blocked.wall_ms, blocked.started_at, blocked.cpu_ms), (None, None, None));
}

#[test]
fn a_task_adds_up_its_jobs() {
    let mut world = World::new(numbers(8), numbers(1));
    for us in [10_000, 10_000, 10_000, 40_000] {
        world.end_one(us, Exit::Code(0), Some(us));
    }
    world.end_one(1, Exit::Code(1), None);
    let row = world.view().task_row(TaskIdx(0));
    let durations = row.durations.unwrap();
    assert_eq!((durations.count, durations.mean_us, durations.max_us), (4, 17_500, 40_000));
    assert!(durations.p50_us.abs_diff(10_000) < 400, "{durations:?}");
    assert_eq!((row.counts.failed, row.attempts, row.max_rss_bytes), (1, 8, Some(40_000)));
    // Three jobs are left, four may run at a time.
    assert_eq!(row.eta_ms, Some(13));
    let waiting = world.view().task_row(TaskIdx(1));
    assert_eq!((waiting.durations, waiting.eta_ms, waiting.attempts), (None, None, 0));
}

#[test]
fn clients_take_turns_and_a_newer_question_takes_the_place_of_an_older() {
    let world = World::new(numbers(1), numbers(1));
    let scan = || Box::new(world.scan("", JobSort::Time, false, 0, 1));
    let mut scans = Scans::default();
    assert_eq!(scans.add(1, 10, scan()), None);
    assert_eq!(scans.add(2, 20, scan()), None);
    assert_eq!(scans.add(1, 11, scan()), Some(10));
    let first = scans.take_next().unwrap();
    assert_eq!((first.client, first.id), (1, 11));
    scans.put_back(first);
    assert_eq!(scans.take_next().map(|w| w.id), Some(20));
    scans.leave(1);
    assert!(scans.is_empty());
}

/// How fast the slices are; prints it. Run in a release build with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let world = million();
    for (filter, sort) in [
        ("queued", JobSort::Number),
        ("failed or cpu>1", JobSort::Number),
        ("", JobSort::Time),
        ("", JobSort::Task),
        ("/99$/", JobSort::Number),
        ("\"12345\"", JobSort::Number),
    ] {
        let mut scan = world.scan(filter, sort, false, 0, 100);
        let (mut longest, mut all) = (Duration::ZERO, Duration::ZERO);
        loop {
            let before = crate::clock::mono();
            let page = scan.step(&world.view());
            let took = crate::clock::mono().since(before);
            longest = longest.max(took);
            all += took;
            if let Some(page) = page {
                println!("`{filter}` {sort:?}: {all:?}, longest slice {longest:?}, {}", page.total);
                break;
            }
        }
    }
}
