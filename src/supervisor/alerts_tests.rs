use super::*;
use crate::engine::{Engine, Input};
use crate::model::exec::Finding;
use crate::model::{
    Asked, AttemptId, Command, CoreShares, ExecReport, Exit, Now, PauseTarget, Pressure, ProcRef,
    Requester, Usage,
};
use crate::plan::{Need, NeedWhen, PoolRules, Schedule, TaskRules};

/// A run on two cores: task `a` with its jobs, and task `b`, which needs it.
struct World {
    engine: Engine,
    alerts: Alerts,
    sample: Sample,
    waits: BTreeMap<AttemptId, WaitFor>,
    s: f64,
}

impl World {
    fn new(jobs: u32, change: impl FnOnce(&mut Schedule)) -> World {
        let pool = PoolRules { name: "default".into(), min: 1, max: 9, start: 2 };
        let a = TaskRules { name: "a".into(), ..TaskRules::default() };
        let need = Need { task: TaskIdx(0), when: NeedWhen::Succeeded, each: false };
        let b = TaskRules { name: "b".into(), needs: vec![need], ..TaskRules::default() };
        let mut schedule = Schedule {
            pools: vec![pool],
            tasks: vec![a, b],
            fail_fast: None,
            ..Schedule::default()
        };
        change(&mut schedule);
        let mut world = World {
            engine: Engine::new(schedule, 1),
            alerts: Alerts::default(),
            sample: Sample::default(),
            waits: BTreeMap::new(),
            s: 100.0,
        };
        world.feed(Input::Start);
        for (task, count) in [(TaskIdx(0), jobs), (TaskIdx(1), 5)] {
            world.feed(Input::JobsAdded { task, count, each: vec![] });
        }
        for job in 1..=jobs.min(2) {
            world.start(job);
        }
        world.cores(10.0, 0.5);
        world
    }

    fn now(&self) -> Now {
        Now { mono: Mono((self.s * 1e6) as u64), ..Now::default() }
    }

    fn feed(&mut self, input: Input) {
        for event in self.engine.handle(self.now(), input).events {
            self.alerts.note(&event);
        }
    }

    fn start(&mut self, job: u32) {
        let attempt = AttemptId { job: JobNo(job), n: 1 };
        let proc = ProcRef { pid: 40 + job as i32, start_ticks: 1 };
        self.feed(Input::Exec(ExecReport::Started { attempt, proc, at: self.now() }));
    }

    fn exit(&mut self, job: u32, code: i32) {
        let attempt = AttemptId { job: JobNo(job), n: 1 };
        let (exit, usage, at) = (Some(Exit::Code(code)), Usage::default(), self.now());
        let (leftovers, oom_killed) = (0, None);
        let report = ExecReport::LeaderEnded { attempt, exit, usage, leftovers, oom_killed, at };
        self.feed(Input::Exec(report));
    }

    fn cores(&mut self, busy: f32, load: f32) {
        let core = |core| CoreShares { core, user: busy, idle: 100.0 - busy, ..Default::default() };
        self.sample.machine.cores = vec![core(0), core(1)];
        self.sample.machine.load = [load; 3];
    }

    /// The trees of running attempts, each with this share of a core and so many threads.
    fn trees(&mut self, cpu: f32, threads: u32) {
        let trees = self.engine.state().attempts_running().map(|a| TreeSample {
            attempt: a.id,
            cpu_percent: Some(cpu),
            rss_bytes: 1,
            peak_rss_bytes: 1,
            threads,
            threads_running: threads,
            threads_allotted: 4,
            oversubscribed: threads > 4,
            processes: 1,
            ..TreeSample::default()
        });
        self.sample.trees = trees.collect();
    }

    /// Lets time pass, with a look twice a second; returns the alerts at its end.
    fn after(&mut self, seconds: u32) -> Vec<Alert> {
        for _ in 0..seconds * 2 {
            self.s += 0.5;
            self.sample.at = self.now().mono;
            self.alerts.look(self.now().mono, self.engine.state(), &self.sample, &|id| {
                self.waits.get(&id).cloned()
            });
        }
        self.alerts.views()
    }

    fn texts(&mut self, seconds: u32) -> Vec<String> {
        self.after(seconds).into_iter().map(|alert| alert.text).collect()
    }

    fn shortage(&mut self, change: impl FnOnce(&mut Shortage)) {
        let mut shortage = Shortage {
            swapped_pages: Some(0),
            disk_free_bytes: Some(50 << 30),
            disk_total_bytes: Some(100 << 30),
        };
        change(&mut shortage);
        self.alerts.note_shortage(self.now().mono, shortage);
    }

    /// How much of the time something, and everything, waited for memory, and what is left of 4 GiB.
    fn memory(&mut self, some: f32, full: f32, free: u64) {
        let machine = &mut self.sample.machine;
        (machine.memory_total_bytes, machine.memory_used_bytes) = (4 << 30, (4 << 30) - free);
        (machine.swap_total_bytes, machine.swap_used_bytes) = (2 << 30, 1 << 30);
        let pressure = Pressure { memory_some: some, memory_full: full, ..Pressure::default() };
        machine.pressure = Some(pressure);
    }

    fn memory_is_fine(&mut self) {
        self.memory(0.0, 0.0, 3 << 30);
    }
}

#[test]
fn a_quiet_run_has_no_alerts() {
    let mut world = World::new(2, |_| {});
    world.trees(90.0, 1);
    world.shortage(|_| {});
    world.memory_is_fine();
    assert_eq!(world.after(30), []);
}

#[test]
fn full_cores_say_that_more_workers_would_not_help() {
    let mut world = World::new(9, |_| {});
    world.trees(99.0, 1);
    world.cores(99.0, 2.1);
    assert_eq!(world.after(4), [], "a moment is not enough");
    let said = "more workers in pool default would not help: CPU is full (2 cores 99 % busy, \
                load 2.1 of 2, 7 jobs ready)";
    assert_eq!(world.texts(6), [said]);
    world.cores(93.0, 2.1);
    assert_eq!(world.after(20).len(), 1, "a little less keeps it");
    world.cores(40.0, 1.0);
    world.trees(99.0, 1);
    assert_eq!(world.after(20), []);
}

#[test]
fn workers_that_wait_ask_for_more_of_them() {
    let mut world = World::new(9, |_| {});
    world.trees(15.0, 1);
    world.cores(20.0, 0.4);
    let said = "workers of pool default wait, not for a CPU: add some (2 cores 20 % busy, 2 jobs \
                running with 15 % CPU each, 7 jobs ready)";
    assert_eq!(world.texts(10), [said]);
    world.sample.trees.iter_mut().for_each(|tree| tree.io_wait_percent = Some(64.0));
    let said = &world.texts(1)[0];
    assert!(said.contains("pool default wait for disks 64 % of the time: add some"), "{said}");
    // At its largest the pool cannot grow.
    let mut world = World::new(9, |schedule| schedule.pools[0].max = 2);
    world.trees(15.0, 1);
    assert_eq!(world.after(10), []);
    // Jobs that nobody could look at tell nothing.
    let mut world = World::new(9, |_| {});
    assert_eq!(world.after(10), []);
}

#[test]
fn more_threads_than_cores_is_oversubscription_and_not_just_full() {
    let mut world = World::new(9, |_| {});
    world.trees(99.0, 8);
    world.cores(100.0, 8.1);
    let said = "more threads want to run than there are cores: load 8.1 on 2 cores, 2 jobs run \
                16 threads; a:2 runs 8 of its 4";
    assert_eq!(world.texts(10), [said]);
    // Others crowd the machine while the jobs sleep.
    let mut world = World::new(2, |_| {});
    world.trees(0.0, 8);
    world.cores(100.0, 8.1);
    assert_eq!(world.after(10), []);
}

#[test]
fn what_holds_for_a_moment_never_shows_and_what_shows_does_not_flicker() {
    let mut world = World::new(9, |_| {});
    world.trees(90.0, 1);
    let shows = |alerts: &[Alert]| alerts.iter().any(|a| a.kind == AlertKind::MemoryPressure);
    for _ in 0..20 {
        world.memory(40.0, 0.0, 3 << 30);
        assert!(!shows(&world.after(1)));
        world.memory_is_fine();
        assert!(!shows(&world.after(1)));
    }
    world.memory(40.0, 0.0, 3 << 30);
    let raised = world.after(3);
    assert!(shows(&raised));
    for _ in 0..5 {
        world.memory_is_fine();
        assert!(shows(&world.after(3)), "it lingers");
        world.memory(40.0, 0.0, 3 << 30);
        let alerts = world.after(3);
        assert_eq!(alerts[0].since, raised[0].since, "it is the same alert");
    }
    world.memory_is_fine();
    assert!(!shows(&world.after(6)));
}

#[test]
fn short_memory_swap_and_disk_are_told_with_numbers() {
    let mut world = World::new(2, |_| {});
    world.trees(90.0, 1);
    world.shortage(|_| {});
    world.after(1);
    world.memory(30.0, 12.0, 100 << 20);
    for n in 1..=8 {
        world.shortage(|s| {
            s.swapped_pages = Some(n * 1000);
            s.disk_free_bytes = Some(500 << 20);
        });
        world.after(1);
    }
    let alerts = world.after(1);
    let shown: Vec<_> = alerts.iter().map(|a| (a.kind, a.level, a.text.as_str())).collect();
    let memory = "memory is short: 100.0 MiB of 4.0 GiB available, something waited for memory \
                  30 % of the last 10 s, everything 12 %";
    let swap = "the machine swaps: 1000 pages/s, 1.0 GiB of 2.0 GiB swap in use";
    let disk = "the disk of the run's folder is nearly full: 500.0 MiB of 100.0 GiB free";
    assert_eq!(
        shown,
        [
            (AlertKind::MemoryPressure, AlertLevel::Critical, memory),
            (AlertKind::Swapping, AlertLevel::Warning, swap),
            (AlertKind::DiskFull, AlertLevel::Warning, disk),
        ]
    );
}

#[test]
fn a_task_whose_jobs_fail_is_named_while_some_are_left() {
    let mut world = World::new(40, |_| {});
    world.trees(90.0, 1);
    for job in 1..=4 {
        world.exit(job, 1);
        world.start(job + 2);
    }
    assert_eq!(world.after(1), [], "four may be chance");
    world.exit(5, 1);
    assert_eq!(world.texts(1), ["task a: its last 5 jobs failed; 33 jobs wait"]);
    for job in 6..=20 {
        world.exit(job, i32::from(job == 9));
    }
    assert_eq!(world.texts(1), ["task a: 6 of its last 20 jobs failed (30 %); 18 jobs wait"]);
    for job in 21..=40 {
        world.exit(job, 0);
    }
    assert_eq!(world.after(6), [], "it recovered");
}

#[test]
fn a_hung_job_is_named_and_a_still_one_is_only_mentioned() {
    let mut world = World::new(2, |_| {});
    world.trees(0.0, 1);
    let since = world.now().mono;
    world.sample.trees[0].quiet_since = Some(since);
    assert_eq!(world.after(59), []);
    let alerts = world.after(6);
    let said = "a:1 is still: no CPU, no output, no I/O for 1m 05s (pid 41)";
    assert_eq!((alerts[0].level, alerts[0].text.as_str()), (AlertLevel::Advice, said));
    let attempt = AttemptId { job: JobNo(1), n: 1 };
    world.feed(Input::Finding(Finding { attempt, quiet_since: since, quiet: true }));
    let alerts = world.after(1);
    assert_eq!((alerts.len(), alerts[0].level), (1, AlertLevel::Warning));
    assert!(alerts[0].text.starts_with("a:1 hangs"), "{alerts:?}");
    assert!(alerts[0].hint.contains("`ganger why :1`"), "{alerts:?}");
    let (by, job) = (Requester::Screen, JobNo(1));
    world.feed(Input::Asked(Asked { by, command: Command::Kill { job, now: false } }));
    assert_eq!(world.after(1), [], "it is being stopped");
}

#[test]
fn a_hung_job_that_waits_says_for_what() {
    let mut world = World::new(2, |_| {});
    world.trees(0.0, 1);
    let since = world.now().mono;
    let attempt = AttemptId { job: JobNo(1), n: 1 };
    world.feed(Input::Finding(Finding { attempt, quiet_since: since, quiet: true }));
    world.waits.insert(attempt, wait("index.lock", Some("sleep 4711"), since));
    let said = "a:1 hangs: waits for index.lock, up to sleep 4711, for 1.0s (pid 41)";
    assert_eq!(world.texts(1), [said]);
}

#[test]
fn a_job_much_slower_than_others_is_told_with_what_it_does() {
    let mut world = World::new(40, |schedule| schedule.pools[0].start = 3);
    for job in 3..=8 {
        world.start(job);
        world.after(1);
        world.exit(job, 0);
    }
    assert_eq!(world.texts(3), [""; 0], "nobody waits for nine seconds");
    world.trees(96.0, 1);
    let said = "a:1 runs for 10.0s, others took 1.0s: computes, 96 % of a core";
    assert_eq!(world.texts(1)[0], said);
    let attempt = AttemptId { job: JobNo(1), n: 1 };
    world.waits.insert(attempt, wait("read pipe", None, world.now().mono));
    assert!(world.texts(1)[0].ends_with("waits for read pipe"));
    world.exit(1, 0);
    assert!(world.texts(1)[0].starts_with("a:2 runs"), "what has ended is not told of");
}

fn wait(what: &str, holder: Option<&str>, since: Mono) -> WaitFor {
    let holder = holder.map(str::to_owned);
    WaitFor { what: what.to_owned(), holder, holder_job: None, since, in_circle: false }
}

#[test]
fn idle_workers_say_what_holds_up_the_jobs() {
    let mut world = World::new(1, |_| {});
    world.trees(90.0, 1);
    let said = "1 of 2 workers of pool default idle: 5 jobs wait for a (1 left, 1 running)";
    assert_eq!(world.texts(6), [said]);
    let mut world = World::new(9, |schedule| schedule.tasks[0].max_parallel = Some(1));
    world.trees(90.0, 1);
    let said = "1 of 2 workers of pool default idle: a is at its max_parallel of 1 (8 jobs ready)";
    assert_eq!(world.texts(6), [said]);
    // Whoever paused the run knows.
    let (by, target) = (Requester::Screen, PauseTarget::Run);
    world.feed(Input::Asked(Asked { by, command: Command::Pause { target } }));
    assert_eq!(world.after(6), []);
}

#[test]
fn many_alerts_are_counted_and_the_worst_come_first() {
    let mut world = World::new(30, |schedule| schedule.pools[0].start = 30);
    world.trees(0.0, 1);
    let since = world.now().mono;
    world.sample.trees.iter_mut().for_each(|tree| tree.quiet_since = Some(since));
    world.shortage(|s| s.disk_free_bytes = Some(1 << 20));
    let alerts = world.after(70);
    assert_eq!(alerts.len(), SNAPSHOT_ALERTS);
    assert_eq!(alerts[0].kind, AlertKind::DiskFull);
    assert!(alerts[SNAPSHOT_ALERTS - 1].text.ends_with("(and 11 alerts more)"), "{alerts:?}");
}
