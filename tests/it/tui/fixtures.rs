//! Runs to draw, built in code.

use ganger::model::snapshot::{Stopping, WorkView};
use ganger::model::*;
use ganger::tui::canvas::Look;
use ganger::tui::glyphs::{GlyphSet, Glyphs};
use ganger::tui::model::Model;
use ganger::tui::theme::{Depth, Theme};
use ganger::tui::update::{Msg, update};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::Duration;

/// The moment at which every fixture stands still.
pub fn now() -> Now {
    at(1_000)
}

/// A moment in seconds since boot.
pub fn at(seconds: u64) -> Now {
    let us = seconds * 1_000_000;
    Now { mono: Mono(us), wall: Wall(us as i64) }
}

pub fn look(set: GlyphSet) -> Look {
    Look { theme: Theme::named("dark", Depth::True), glyphs: Glyphs::of(set) }
}

pub fn info() -> RunInfo {
    let task = |name: &str, pool| TaskInfo { name: name.to_owned(), description: None, pool };
    RunInfo {
        run: "brave-otter".to_owned(),
        name: "thumbnails".to_owned(),
        file: "tasks/thumbnails.yaml".to_owned(),
        supervisor_pid: 4_000,
        tasks: vec![task("prepare", 0), task("thumb", 0), task("upload", 1), task("index", 0)],
        pools: vec!["default".to_owned()],
        ..RunInfo::default()
    }
}

/// A screen of the given size on which nothing has come yet.
pub fn empty(width: u16, height: u16) -> Model {
    let size = Rect::new(0, 0, width, height);
    Model::new(info(), look(GlyphSet::Braille), size, at(700))
}

pub fn send(model: &mut Model, snapshot: Snapshot) {
    let now = snapshot.at;
    let message = ganger::control::proto::ToClient::Snapshot { snapshot: Box::new(snapshot) };
    update(model, Msg::Server(Box::new(message)), now);
}

/// Sends a snapshot, and answers what the screen asks about the past.
pub fn tell(model: &mut Model, past: &super::past::Past, snapshot: Snapshot) {
    model.now = snapshot.at;
    let message = ganger::control::proto::ToClient::Snapshot { snapshot: Box::new(snapshot) };
    super::past::serve(model, past, Msg::Server(Box::new(message)));
}

/// A screen with a past: the queue of `last` shrank for five minutes.
pub fn lived(width: u16, height: u16, last: Snapshot) -> Model {
    let mut model = empty(width, height);
    // On large screens bars and events are in sight from the start.
    let past = super::past::Past::busy();
    model.info.cores = machine(last.machine.cores.len() as u32);
    model.own = OwnUse { cpu_percent: Some(0.4), resident_bytes: Some(3 << 20) };
    let end = last.counts.ready;
    for half in 0..600u64 {
        let mut snapshot = last.clone();
        snapshot.at.mono = Mono(700_000_000 + half * 500_000);
        snapshot.failures.clear();
        snapshot.state = RunState::Running;
        let left = (600 - half) as f64;
        let wave = 1.0 + 0.35 * (half as f64 / 23.0).sin();
        let more = (left * wave * 1.6) as u32;
        snapshot.counts.ready = end + more;
        snapshot.counts.succeeded = snapshot.counts.succeeded.saturating_sub(more / 2);
        for (i, pool) in snapshot.pools.iter_mut().enumerate() {
            pool.ready += if i == 0 { more } else { ((half / 40) % 5) as u32 };
        }
        for (i, core) in snapshot.machine.cores.iter_mut().enumerate() {
            let swing = (half as f32 / (9.0 + i as f32)).sin() * 18.0;
            core.user = (core.user + swing).clamp(0.0, 90.0);
            core.idle = (core.idle - swing).max(0.0);
        }
        for worker in &mut snapshot.workers {
            let phase = (half + u64::from(worker.slot.n) * 31) as f32 / 14.0;
            if let Some(tree) = worker.work.as_mut().and_then(|w| w.tree.as_mut()) {
                tree.cpu_percent =
                    tree.cpu_percent.map(|p| (p + phase.sin() * 30.0).clamp(0.0, 100.0));
                if phase.cos() > 0.9 && tree.activity == Activity::Running {
                    tree.activity = Activity::WaitingIo;
                }
            }
        }
        tell(&mut model, &past, snapshot);
    }
    tell(&mut model, &past, last);
    model
}

pub fn cores(n: u32) -> Vec<CoreShares> {
    (0..n)
        .map(|core| {
            let user = 62.0 - (core * 17 % 60) as f32;
            let (system, iowait) = (12.0, 5.0 + (core % 3) as f32 * 4.0);
            let softirq = if core == 0 { 4.0 } else { 0.4 };
            let idle = 100.0 - user - system - iowait - softirq;
            // Every core but a few does mostly this run's work.
            let run = (user + system) * if core % 5 == 3 { 0.3 } else { 0.9 };
            let mhz = Some(800 + core * 391 % 3_000);
            CoreShares {
                core,
                user,
                system,
                iowait,
                softirq,
                idle,
                run,
                mhz,
                ..CoreShares::default()
            }
        })
        .collect()
}

fn tree(attempt: AttemptId, cpu: f32, rss: u64, silent_s: u64) -> TreeSample {
    TreeSample {
        attempt,
        cpu_percent: Some(cpu),
        user_percent: Some(cpu * 0.9),
        system_percent: Some(cpu * 0.1),
        cpu_wait_percent: Some(cpu / 14.0),
        io_wait_percent: Some(0.0),
        rss_bytes: rss,
        peak_rss_bytes: rss,
        read_bytes_per_s: Some(cpu * 12_000.0),
        write_bytes_per_s: Some(if cpu > 50.0 { 310_000.0 } else { 0.0 }),
        major_faults_per_s: Some(0.0),
        voluntary_switches_per_s: Some(cpu * 3.0),
        fds: Some(9),
        threads: 2,
        threads_running: u32::from(cpu > 1.0),
        processes: 1,
        threads_allotted: 1,
        core: (cpu > 1.0).then_some(rss as u32 % 2),
        activity: if cpu > 1.0 { Activity::Running } else { Activity::Sleeping },
        last_output: Some(Mono((1_000 - silent_s) * 1_000_000)),
        ..TreeSample::default()
    }
}

/// One running worker: slot, job, task, inputs, state, seconds, CPU, RSS, age of output.
#[expect(clippy::too_many_arguments)]
fn worker(
    n: u32,
    job: u32,
    task: u32,
    inputs: &str,
    state: WorkerState,
    seconds: u64,
    cpu: f32,
    rss: u64,
    silent_s: u64,
) -> WorkerView {
    let attempt = AttemptId { job: JobNo(job), n: 1 };
    WorkerView {
        slot: Slot { pool: PoolIdx(0), n },
        state,
        leaving: false,
        work: Some(WorkView {
            attempt,
            task: TaskIdx(task),
            index: job - 1,
            inputs: inputs.to_owned(),
            proc: Some(ProcRef { pid: 6_000 + job as i32, start_ticks: 4_711 }),
            since: Mono((1_000 - seconds) * 1_000_000),
            stopping: None,
            tree: Some(tree(attempt, cpu, rss, silent_s)),
            waits: None,
        }),
    }
}

pub fn pool(name: &str, size: u32, reason: &str) -> PoolView {
    PoolView {
        name: name.to_owned(),
        size,
        min: 1,
        max: 64,
        reason: reason.to_owned(),
        running: size,
        weight_used: size,
        arrived_per_s: 2.0,
        ended_per_s: 5.2,
        ..PoolView::default()
    }
}

/// Six workers on two cores, two failures, one job hung, one being stopped.
pub fn busy() -> Snapshot {
    use WorkerState::{Paused, Quiet, Running, Stopping as StoppingState};
    const M: u64 = 1 << 20;
    let mut stopping = worker(5, 1_317, 1, "broken.svg 64", StoppingState, 31, 0.0, 9 * M, 31);
    if let Some(work) = stopping.work.as_mut() {
        work.attempt.n = 2;
        let kill_at = now().mono + Duration::from_millis(2_600);
        work.stopping =
            Some(Stopping { reason: StopReason::Timeout, kill_at, leader_ended: false });
    }
    let failure = |job, inputs: &str, outcome: &str, ago: u64, last_line: &str| FailureView {
        job: JobNo(job),
        task: TaskIdx(1),
        index: job - 1,
        inputs: inputs.to_owned(),
        outcome: outcome.to_owned(),
        attempts: 3,
        at: Mono((1_000 - ago) * 1_000_000),
        last_line: last_line.to_owned(),
    };
    Snapshot {
        seq: 4_000,
        at: now(),
        state: RunState::Running,
        counts: Counts {
            total: 2_096,
            blocked: 1,
            ready: 766,
            backing_off: 3,
            running: 6,
            succeeded: 1_301,
            up_to_date: 17,
            failed: 1,
            timed_out: 1,
            retries: 8,
            ..Counts::default()
        },
        rate_per_s: 5.2,
        eta_ms: Some(160_000),
        elapsed_ms: 252_000,
        pools: vec![pool("default", 6, "set by hand (auto: 2 cores)")],
        workers: vec![
            worker(1, 1_320, 1, "cat.png 256", Running, 3, 99.0, 84 * M, 0),
            worker(
                2,
                1_322,
                1,
                "a-very-long-name-of-a-picture-from-the-holidays.png 64",
                Running,
                1,
                97.0,
                80 * M,
                0,
            ),
            worker(3, 1_290, 1, "huge.png 256", Quiet, 130, 0.0, 1_900 * M, 122),
            worker(4, 1_321, 1, "dog.png 64", Paused, 12, 0.0, 79 * M, 12),
            stopping,
            worker(6, 1_323, 1, "owl.png 256", Running, 0, 12.0, 4 * M, 0),
        ],
        tasks: Vec::new(),
        failures: vec![
            failure(
                1_201,
                "logo.svg 256",
                "failed 2",
                41,
                "convert: no decode delegate for this image format `SVG'",
            ),
            failure(998, "scan.tif 64", "timed_out", 122, ""),
        ],
        machine: MachineSample {
            cores: cores(2),
            load: [5.81, 4.2, 2.0],
            memory_total_bytes: 4_000 * M,
            memory_used_bytes: 1_260 * M,
            swap_total_bytes: 2_000 * M,
            swap_used_bytes: 31 * M,
            pressure: Some(Pressure {
                cpu_some: 37.2,
                memory_some: 0.0,
                memory_full: 0.0,
                io_some: 3.4,
                io_full: 1.1,
            }),
            own: OwnUse { cpu_percent: Some(0.25), resident_bytes: Some(4 * M) },
        },
        sampled_at: now().mono,
        notices: Vec::new(),
        ..Snapshot::default()
    }
}

/// A large machine, two pools, forty workers.
pub fn large() -> Snapshot {
    let mut snapshot = busy();
    snapshot.machine.cores = cores(64);
    snapshot.pools = vec![pool("default", 36, "auto: 64 cores"), pool("net", 4, "4")];
    snapshot.pools[0].ready = 700;
    snapshot.pools[1].ready = 66;
    let base = snapshot.workers.clone();
    snapshot.workers = (0..40)
        .map(|i| {
            let mut worker = base[[0, 1, 5][i % 3]].clone();
            let n = i as u32 + 1;
            worker.slot = if n > 36 {
                Slot { pool: PoolIdx(1), n: n - 36 }
            } else {
                Slot { pool: PoolIdx(0), n }
            };
            if let Some(work) = &mut worker.work {
                work.attempt.job = JobNo(2_000 + n);
                work.index = n;
                if n > 36 {
                    work.task = TaskIdx(2);
                }
            }
            worker
        })
        .collect();
    snapshot
}

/// Two pools: one job takes more threads than it was given, and workers have nothing to do
/// because the jobs of their pool are blocked.
pub fn crowded(n_cores: u32) -> Snapshot {
    let mut snapshot = busy();
    snapshot.machine.cores = cores(n_cores);
    snapshot.pools = vec![pool("default", 6, "auto: cgroup quota of 6 CPUs"), pool("net", 4, "4")];
    (snapshot.pools[0].ready, snapshot.pools[1].ready) = (754, 0);
    snapshot.pools[1].blocked = 12;
    snapshot.counts.blocked = 12;
    if let Some(tree) = snapshot.workers[0].work.as_mut().and_then(|w| w.tree.as_mut()) {
        (tree.threads, tree.threads_running, tree.threads_allotted) = (19, 16, 4);
        tree.oversubscribed = true;
        tree.cpu_percent = Some(788.0);
        (tree.user_percent, tree.system_percent) = (Some(751.0), Some(37.0));
        tree.cpu_wait_percent = Some(771.0);
        tree.activity = Activity::WaitingCpu;
    }
    for n in 1..=4 {
        let mut worker = snapshot.workers[1].clone();
        worker.slot = Slot { pool: PoolIdx(1), n };
        match worker.work.as_mut() {
            Some(work) if n == 1 => {
                work.task = TaskIdx(2);
                work.attempt.job = JobNo(1_900);
            }
            _ => (worker.work, worker.state) = (None, WorkerState::Idle),
        }
        snapshot.workers.push(worker);
    }
    snapshot
}

/// What is fixed about a machine: the second half of its cores is another node, every fourth
/// core of each node is small.
pub fn machine(n_cores: u32) -> Vec<CoreInfo> {
    (0..n_cores)
        .map(|core| CoreInfo {
            core,
            node: (n_cores > 32).then_some(core * 2 / n_cores),
            kind: (n_cores == 8).then_some(match core {
                0..6 => CoreKind::Performance,
                _ => CoreKind::Efficiency,
            }),
            physical: None,
        })
        .collect()
}

/// The run of [`busy`] after its last job.
pub fn ended() -> Snapshot {
    let mut snapshot = busy();
    snapshot.state = RunState::Ended { outcome: RunOutcome::Failed, exit_code: 1 };
    snapshot.counts = Counts {
        total: 2_096,
        succeeded: 2_076,
        up_to_date: 17,
        failed: 2,
        timed_out: 1,
        ..Counts::default()
    };
    snapshot.eta_ms = None;
    for worker in &mut snapshot.workers {
        worker.work = None;
        worker.state = WorkerState::Idle;
    }
    snapshot
}

/// Draws a screen and returns its text, one line per row, without blanks at the ends.
pub fn text(model: &Model) -> String {
    let mut buf = Buffer::empty(model.size);
    let _ = ganger::tui::draw::draw(model, &mut buf);
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buf.area.width {
            let symbol = buf[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = unicode_width::UnicodeWidthStr::width(symbol).max(1);
            }
            skip -= 1;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The run of [`busy`] in trouble: one alert of each level.
pub fn alarmed() -> Snapshot {
    let mut snapshot = busy();
    let alert = |level, kind, text: &str, hint: &str, job: Option<u32>, ago: u64| Alert {
        level,
        kind,
        text: text.to_owned(),
        hint: hint.to_owned(),
        job: job.map(JobNo),
        task: None,
        pool: None,
        since: Mono((1_000 - ago) * 1_000_000),
    };
    snapshot.alerts = vec![
        alert(
            AlertLevel::Critical,
            AlertKind::MemoryPressure,
            "memory is short: 61.0 MiB of 3.9 GiB available, something waited for memory 41 % of \
             the last 10 s, everything 22 %",
            "Use fewer workers, or give the task a higher weight.",
            None,
            14,
        ),
        alert(
            AlertLevel::Warning,
            AlertKind::HungJob,
            "thumb:1289 hangs: no CPU, no output, no I/O for 2m 02s (pid 7290)",
            "`ganger why :1290` says more; kill it when it does not go on.",
            Some(1_290),
            62,
        ),
        alert(
            AlertLevel::Advice,
            AlertKind::IdleWorkers,
            "1 of 6 workers of pool default idle: 1 job waits for thumb (3 left, 3 running)",
            "Move what others wait for to the front, or use the workers elsewhere.",
            None,
            5,
        ),
    ];
    snapshot
}

/// An act of a person that can be taken back.
pub fn act(id: u64, asked: &str, undo: Option<&str>) -> Act {
    Act {
        id,
        at: now().mono,
        by: Requester::Screen,
        asked: asked.to_owned(),
        answer: String::new(),
        done: true,
        undo: undo.map(str::to_owned),
    }
}

/// The stop of an attempt of [`busy`] that was asked for now.
pub fn stop_of(job: u32) -> StopProof {
    StopProof {
        attempt: AttemptId { job: JobNo(job), n: 1 },
        task: TaskIdx(1),
        index: job - 1,
        reason: StopReason::Kill,
        by: Requester::Screen,
        asked_at: now().mono,
        signal: libc::SIGTERM,
        kill_at: now().mono + Duration::from_millis(5_000),
        killed_at: None,
        leader_ended_at: None,
        exit: None,
        ended_at: None,
        swept: 0,
        nothing_left: None,
        left: None,
    }
}
