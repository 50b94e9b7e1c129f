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
/// Time between the two looks that prove that a thread is stuck. A single look at busy programs was
/// wrong in 15 of 1,800 measured, a second one after 20 ms never.
pub const XRAY_APART: Duration = Duration::from_millis(50);
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
/// Alerts in a snapshot: more than a screen has lines for would hide the worst.
pub const SNAPSHOT_ALERTS: usize = 20;
/// Acts of people in a snapshot: the last few that somebody may want to take back.
pub const SNAPSHOT_ACTS: usize = 20;
/// Stops of attempts in a snapshot: those that a person is watching.
pub const SNAPSHOT_STOPS: usize = 20;
/// Ended attempts that the timeline keeps, the newest: 40 bytes each, two megabytes together.
pub const TIMELINE_ATTEMPTS: usize = 50_000;
/// Bars and stretches in one answer: 150 bytes each as JSON, so that they fit a frame.
pub const TIMELINE_BARS: u32 = 16_000;
/// Longest attempts in one answer.
pub const TIMELINE_LONGEST: usize = 10;
/// Events that are kept for people to read, the newest: a few hundred bytes each.
pub const EVENTS_KEPT: usize = 20_000;
/// Events in one answer: 400 bytes each as JSON, so that they fit a frame.
pub const EVENTS_PAGE: u32 = 1_000;
/// Commands in one `many`: a hundred bytes each fit a frame, and more are done in one breath
/// in which nothing else happens.
pub const COMMANDS_AT_ONCE: usize = 10_000;
/// Frame of the control protocol, in bytes: one snapshot of the largest pool fits many times.
pub const FRAME_BYTES: usize = 4 << 20;
/// Bytes of output in one answer: base64 of it still fits a frame.
pub const OUTPUT_PART_BYTES: u32 = 1 << 20;
/// Front ends of one run at a time: each costs snapshots, a task and buffers.
pub const CLIENTS: usize = 64;
/// Processes that share primitives at a time, by connections: each costs two descriptors and a
/// few KiB. The limit of open files (`ulimit -n`) may be reached before.
pub const SHARERS: usize = 10_000;
/// Requests of one connection that may be without an answer: one for each thread of a large
/// process.
pub const ASKS_IN_FLIGHT: usize = 4096;
/// Bytes of what a client calls itself: a command line on one line of a screen.
pub const LABEL_BYTES: usize = 200;
/// Snapshots per second at the most: the eye does not follow more.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(100);
/// Between two looks of the probe; `limits` by look needs at least five a second.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// Between two looks at memory, swap and disk: none of them runs out in less.
pub const SHORTAGE_INTERVAL: Duration = Duration::from_secs(3);
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
/// Jobs and tasks in one answer: their rows fit a frame and are made in a few milliseconds.
pub const PAGE_ROWS: u32 = 1000;
/// Characters of a job's inputs in a list: no screen is wider, and a page of them fits a frame.
pub const ROW_INPUTS_CHARS: usize = 300;
/// Jobs that a list has when it is sorted by something else than their number: nobody reads
/// further, and a place for every job would have to be kept.
pub const SORTED_JOBS: u32 = 10_000;
/// Jobs that are looked at in one go for a list, so that the supervisor's loop goes on after a
/// few milliseconds.
pub const SCAN_SLICE_JOBS: u32 = 16_384;
/// Inputs in bytes that are looked at in one go for a list, for the same reason.
pub const SCAN_SLICE_BYTES: usize = 256 << 10;
/// Attempts of one job of which all is known; of those before only sums.
pub const ATTEMPTS_KEPT: usize = 10;
/// Letters of a filter: a person types no more, and reading it takes no time.
pub const FILTER_BYTES: usize = 4096;
/// Bytes that a regular expression of a filter may take once compiled: making the largest takes
/// a few milliseconds of the supervisor.
pub const FILTER_REGEX_BYTES: usize = 512 << 10;
/// Parentheses and negations of a filter within each other: each costs stack.
pub const FILTER_DEPTH: usize = 32;
/// Marks kept for each stream of an attempt, which tell when its bytes were written: a screen
/// full of lines has a few.
pub const MARKS: usize = 256;
/// Ended attempts whose marks are kept: 8 MiB at the most.
pub const MARKED_ATTEMPTS: usize = 1024;
/// Growths of output kept in the order in which they appeared, for who follows all jobs.
pub const GROWTHS: usize = 1 << 16;
/// Bytes of output taken as one line at the most; a longer one is shown in pieces.
pub const LINE_BYTES: usize = 16 << 10;
/// Lines that one answer to a search holds: a screen shows fewer.
pub const SEARCH_HITS: u32 = 1000;
/// Bytes that are searched for one answer: about a tenth of a second of work.
pub const SEARCH_BYTES: u64 = 64 << 20;
/// Bytes of the name of a shared primitive: a path and a line of code fit.
pub const NAME_BYTES: usize = 200;
/// Primitives of one run: a few hundred bytes each.
pub const PRIMITIVES: usize = 100_000;
/// Requests that may wait at a time: a thousand processes with as many threads do not reach it.
pub const WAITS: usize = 100_000;
/// How soon a lock is looked at again whose client is in the middle of taking it or giving it back
/// in shared memory (a step takes far less than this), and how rarely at the least: the client may
/// have been stopped there.
pub const LOOK_AGAIN: Duration = Duration::from_millis(1);
pub const LOOK_AGAIN_MOST: Duration = Duration::from_millis(64);
/// Bytes of one item of a queue, of one value or key: base64 of it still fits a frame.
pub const ITEM_BYTES: usize = 2 << 20;
/// Bytes that items, values and tables of one run may take together: they are kept in memory.
pub const SHARED_BYTES: usize = 1 << 30;
/// Names or items in one request.
pub const NAMES_AT_ONCE: usize = 1000;
/// A wait for a lock or a permit that no time ends is told about when it has gone on for this
/// long: whoever waits so long would rather know.
pub const ENDLESS_WAIT: Duration = Duration::from_secs(60);
/// Primitives in a snapshot: more do not fit any screen.
pub const SNAPSHOT_LOCKS: usize = 64;
/// Locks that are not ganger's own of which it is remembered what waiting for them cost: those
/// that nobody has waited for the longest are forgotten first. A hundred bytes each and more.
pub const FOREIGN_LOCKS: usize = 512;
/// Of them in a snapshot.
pub const SNAPSHOT_FOREIGN: usize = 64;
/// Holders, and waiters, that are shown of one primitive.
pub const VIEW_PARTIES: usize = 32;
/// How often one that waits for several locks may be overtaken before it gets what is free
/// reserved.
pub const OVERTAKEN: u32 = 32;
/// How long such a reservation lasts. It ends by itself, so that it cannot block for ever.
pub const RESERVATION: Duration = Duration::from_millis(500);
/// Pairs of locks whose order is remembered to tell when it is reversed.
pub const LOCK_ORDERS: usize = 10_000;
/// Searches that wait for their turn: one for most front ends.
pub const SEARCHES: usize = 16;

/// Frames of one stack: the innermost say where a thread waits, and the outermost of a deep
/// recursion say nothing more.
pub const STACK_FRAMES: usize = 48;
/// Variables of one frame, and characters of each: what fits a line of the screen.
pub const STACK_LOCALS: usize = 4;
pub const STACK_LOCAL_CHARS: usize = 40;
/// Characters of the name of a function, a file or a variable.
pub const STACK_TEXT_CHARS: usize = 240;
/// Looks that a reader of a Python program is kept for after its last use.
pub const STACK_SPY_LOOKS: u64 = 600;
/// Programs and libraries of which the names of functions are kept: some megabytes each at the
/// most.
pub const STACK_BINARIES: usize = 128;
/// Programs and libraries of which it is kept whether they cancel threads: some bytes each.
pub const CANCEL_FILES: usize = 4096;
/// Locks of Python that keep their number (`Lock #2`): more have never been met in one tree.
pub const LOCKS_NAMED: usize = 10_000;
/// Time that one look may spend on searching memory for objects: a verdict that needs more of it
/// comes a look later.
pub const SCAN_PER_LOOK: Duration = Duration::from_millis(400);
/// A process that runs is searched again after this many times what the search took.
pub const SCAN_REST: u32 = 20;

/// Files that x-ray keeps open at the most, one or two for each thread; never more than a quarter
/// of what the system lets ganger open.
pub const XRAY_FDS: usize = 4096;
/// Ticks in a row that have to see a thread standing still before it is a suspect.
pub const XRAY_TICKS: u32 = 2;
/// Time for which a thread has to stand still before it is a suspect.
pub const XRAY_STILL: Duration = Duration::from_millis(500);
/// Between two listings of all processes while somebody runs: finds those whose parent ended
/// before they were seen.
pub const XRAY_LIST: Duration = Duration::from_secs(2);
/// Processes that one look follows waits through; what is beyond them is not visible.
pub const XRAY_PROCESSES: usize = 4096;
