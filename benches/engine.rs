//! Speed of the engine alone: inputs per second, and a million jobs loaded.
//!
//! `cargo bench --bench engine`; one job is three inputs: its start, its end, a tick.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ganger::engine::{Effect, Engine, Input};
use ganger::model::each::EachMap;
use ganger::model::{
    Asked, AttemptId, Command, ExecReport, Exit, Mono, Now, PoolIdx, ProcRef, Requester, StopHow,
    TaskIdx, Usage, Wall,
};
use ganger::plan::{Need, NeedWhen, PoolRules, Schedule, TaskRules};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

/// A run with one pool and these tasks.
fn engine(workers: u32, tasks: Vec<TaskRules>) -> Engine {
    let pool = PoolRules { name: "default".to_owned(), min: 1, max: workers, start: workers };
    Engine::new(Schedule { pools: vec![pool], tasks, fail_fast: None, ..Schedule::default() }, 1)
}

fn task(name: &str) -> TaskRules {
    TaskRules {
        name: name.to_owned(),
        timeout: Some(Duration::from_secs(60)),
        ..TaskRules::default()
    }
}

fn linked_to(up: TaskIdx, name: &str) -> TaskRules {
    let need = Need { task: up, when: NeedWhen::Succeeded, each: true };
    TaskRules { needs: vec![need], ..task(name) }
}

/// A world in which every attempt starts and succeeds, oldest first.
struct World {
    engine: Engine,
    running: VecDeque<AttemptId>,
    now: Now,
    inputs: u64,
}

impl World {
    fn new(engine: Engine) -> World {
        World { engine, running: VecDeque::new(), now: Now::default(), inputs: 0 }
    }

    fn feed(&mut self, input: Input) {
        self.inputs += 1;
        self.now = Now { mono: Mono(self.now.mono.0 + 1), wall: Wall(0) };
        let step = self.engine.handle(self.now, input);
        for effect in &step.effects {
            if let Effect::Launch { attempt, .. } = effect {
                self.running.push_back(*attempt);
            }
        }
        black_box(step.events.len());
    }

    /// Lets everything run to the end; returns the number of inputs that it took.
    fn run(mut self) -> u64 {
        self.feed(Input::Start);
        while let Some(attempt) = self.running.pop_front() {
            let (proc, at) = (ProcRef { pid: 1, start_ticks: 1 }, self.now);
            self.feed(Input::Exec(ExecReport::Started { attempt, proc, at }));
            self.feed(Input::Exec(ExecReport::LeaderEnded {
                attempt,
                exit: Some(Exit::Code(0)),
                usage: Usage::default(),
                leftovers: 0,
                oom_killed: None,
                at,
            }));
            self.feed(Input::Tick);
        }
        assert!(self.engine.state().ended().is_some());
        self.inputs
    }
}

const JOBS: u32 = 50_000;

fn plain() -> World {
    let mut world = World::new(engine(64, vec![task("a")]));
    world.feed(Input::JobsAdded { task: TaskIdx(0), count: JOBS, each: Vec::new() });
    world
}

fn linked() -> World {
    let tasks = vec![task("a"), linked_to(TaskIdx(0), "b")];
    let mut world = World::new(engine(64, tasks));
    world.feed(Input::JobsAdded { task: TaskIdx(0), count: JOBS / 2, each: Vec::new() });
    let each = vec![EachMap::identity(JOBS / 2)];
    world.feed(Input::JobsAdded { task: TaskIdx(1), count: JOBS / 2, each });
    world
}

fn inputs(c: &mut Criterion) {
    let mut group = c.benchmark_group("inputs");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(JOBS) * 3 + 1));
    for (name, make) in [("plain", plain as fn() -> World), ("linked", linked)] {
        group.bench_function(name, |b| {
            b.iter_batched(make, World::run, BatchSize::LargeInput);
        });
    }
    group.finish();
}

const MILLION: u32 = 1_000_000;

fn million() -> World {
    let mut world = World::new(engine(8, vec![task("a"), linked_to(TaskIdx(0), "b")]));
    world.feed(Input::JobsAdded { task: TaskIdx(0), count: MILLION, each: Vec::new() });
    let each = vec![EachMap::identity(MILLION)];
    world.feed(Input::JobsAdded { task: TaskIdx(1), count: MILLION, each });
    world.feed(Input::Start);
    world
}

fn a_million_jobs(c: &mut Criterion) {
    let mut group = c.benchmark_group("million");
    group.sample_size(10);
    group.bench_function("load", |b| {
        b.iter_batched(
            || World::new(engine(8, vec![task("a")])),
            |mut world| {
                let each = Vec::new();
                world.feed(Input::JobsAdded { task: TaskIdx(0), count: MILLION, each });
                world.feed(Input::Start);
                world
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("load with as many linked", |b| {
        b.iter_batched(|| (), |()| million(), BatchSize::LargeInput);
    });
    group.bench_function("cancel two million", |b| {
        b.iter_batched(
            million,
            |mut world| {
                let command = Command::Stop { how: StopHow::Drain };
                world.feed(Input::Asked(Asked { by: Requester::Screen, command }));
                world
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("scale", |b| {
        b.iter_batched(
            million,
            |mut world| {
                let command = Command::Scale { pool: PoolIdx::DEFAULT, size: 4, now: false };
                world.feed(Input::Asked(Asked { by: Requester::Screen, command }));
                world
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, inputs, a_million_jobs);
criterion_main!(benches);
