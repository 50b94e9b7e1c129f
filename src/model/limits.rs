//! Every limit of ganger, with its reason. Reaching one is always visible.

use std::time::Duration;

/// A task file beyond this size is refused: at this size reading takes a few seconds.
pub const TASK_FILE_BYTES: usize = 16 << 20;
/// Nodes of a task file after aliases are followed: stops alias bombs ("billion laughs").
pub const TASK_FILE_NODES: usize = 2_000_000;
/// Bytes that the values of a task file may take once aliases are followed and `defaults` and
/// `env` are given to every task, 64 for each value besides its text: stops the same bombs
/// when they are made of few large values.
pub const TASK_FILE_SPREAD_BYTES: usize = 256 << 20;
/// Nesting of a task file: the schema needs six levels; each level costs stack.
pub const TASK_FILE_DEPTH: usize = 64;
/// Problems of a task file that are shown: more help nobody.
pub const DIAGNOSTICS: usize = 500;
/// Variables of one `foreach`: each is looked up for every placeholder.
pub const FOREACH_VARIABLES: usize = 256;
/// Pools of one run: each is a line on the screen and a queue in the engine.
pub const POOLS: usize = 256;
/// Jobs of one run: job numbers and per-job state stay small.
pub const JOBS: u32 = 100_000_000;
/// Bytes that the values of one source of inputs may have together: they are kept in memory.
pub const SOURCE_BYTES: usize = 1 << 30;
/// Workers of one pool: each worker is a process tree with open files.
pub const WORKERS: u32 = 4096;
/// Workers in a snapshot: more do not fit any screen.
pub const SNAPSHOT_WORKERS: usize = 512;
/// Failures in a snapshot.
pub const SNAPSHOT_FAILURES: usize = 50;
/// Frame of the control protocol, in bytes: one snapshot of the largest pool fits many times.
pub const FRAME_BYTES: usize = 4 << 20;
/// Bytes of output in one answer: base64 of it still fits a frame.
pub const OUTPUT_PART_BYTES: u32 = 1 << 20;
/// Clients of one run at a time: each costs a task and buffers.
pub const CLIENTS: usize = 64;
/// Snapshots per second at the most: the eye does not follow more.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(100);
/// Between two looks of the probe; `limits` by look needs at least five a second.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// Before the first look of the probe: a run of a few milliseconds is never looked at.
pub const PROBE_FIRST_LOOK: Duration = Duration::from_millis(100);
/// Share of one core that looking may cost, as a divisor: dear looks become rarer.
pub const PROBE_COST_DIVISOR: u32 = 20;
/// Files that the probe keeps open at the most, two or three for each of some hundred processes.
/// It never takes more than half of what the system lets ganger open.
pub const PROBE_FDS: usize = 2048;
/// Looks from one reading of what is dear or slow to change to the next: about two seconds.
pub const PROBE_SLOW_LOOKS: u64 = 4;
/// Processes of all jobs up to which the bytes they move are read every second; beyond it less
/// often.
pub const PROBE_IO_PROCESSES: usize = 128;
/// Threads that the probe reads at one look: about a millisecond, so at the dearest a five
/// hundredth of a core.
pub const PROBE_THREADS: usize = 128;
/// Processes of one tree whose descriptors and switches the probe counts.
pub const PROBE_DETAILED: usize = 2;
/// Looks after which the probe reads a process that belongs to no job again: by then its pid
/// may be another's.
pub const PROBE_REREAD_LOOKS: u64 = 10;
/// Between two looks at trees with `limits` that no cgroup bounds.
pub const LIMIT_LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// After KILL, how long a sweep looks for survivors before it reports them as unkillable.
pub const SWEEP_PATIENCE: Duration = Duration::from_secs(5);
/// Ended runs whose folders are kept.
pub const KEPT_RUNS: usize = 100;
/// Bytes that the folders of ended runs may take together.
pub const KEPT_BYTES: u64 = 1 << 30;
/// Time between TERM and KILL unless the task says otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);
