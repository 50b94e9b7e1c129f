//! The table itself, and the shapes made of it.

use super::forms::{
    DURATION, ENV_NAMES, FAIL_FAST, INPUT_NAMES, LASTING, LINE, LOCK_NAMES, NAME, POOL_NAMES,
    RANGE, SHARED_NAME, SIGNAL, SIZE, THREADS, VAR_NAMES, WORKER_COUNT,
};
use super::{Key, Shape, Type};

const COUNT: Type = Type::Int { min: 1, max: u32::MAX as i64 };
const TEXTS: Type = Type::List { of: &Type::Text, min: 0 };
const SOME_TEXTS: Type = Type::List { of: &Type::Text, min: 1 };
const TEXT_OR_TEXTS: Type = Type::Either(&[Type::Text, SOME_TEXTS]);
const EXIT_CODE: Type = Type::Int { min: 0, max: 255 };
const EXIT_CODES: Type = Type::Either(&[EXIT_CODE, Type::List { of: &EXIT_CODE, min: 1 }]);
const PERMITS: Type = Type::Int { min: 1, max: 1_000_000 };
const ENV: Type = Type::Names { names: &ENV_NAMES, of: &Type::Text, fixed: &[] };

/// The top level of a task file.
pub static TOP: Shape =
    Shape { place: "a task file", keys: &TOP_KEYS, without: None, partial: false };
/// An entry of `tasks`.
pub static TASK: Shape = Shape { place: "a task", keys: &TASK_KEYS, without: None, partial: false };
/// `defaults`.
pub static DEFAULTS: Shape = Shape {
    place: "`defaults`",
    keys: &TASK_KEYS,
    without: Some(("name", "each task has a name of its own")),
    partial: true,
};
static WORKERS: Shape =
    Shape { place: "`workers`", keys: &BOUND_KEYS, without: None, partial: true };
static POOL: Shape = Shape { place: "a pool", keys: &POOL_KEYS, without: None, partial: true };
static STOP: Shape = Shape { place: "`stop`", keys: &STOP_KEYS, without: None, partial: true };
static RETRIES: Shape =
    Shape { place: "`retries`", keys: &RETRIES_KEYS, without: None, partial: true };
static LIMITS: Shape =
    Shape { place: "`limits`", keys: &LIMITS_KEYS, without: None, partial: true };
static QUIET: Shape = Shape { place: "`quiet`", keys: &QUIET_KEYS, without: None, partial: true };
static TTY: Shape = Shape { place: "`tty`", keys: &TTY_KEYS, without: None, partial: true };
static QUEUE: Shape = Shape { place: "a queue", keys: &QUEUE_KEYS, without: None, partial: false };
static STDIN: Shape = Shape { place: "`stdin`", keys: &STDIN_KEYS, without: None, partial: false };
static NEED: Shape = Shape { place: "a need", keys: &NEED_KEYS, without: None, partial: false };
static SOURCE: Shape =
    Shape { place: "a source of inputs", keys: &SOURCE_KEYS, without: None, partial: false };

/// All maps with fixed keys, in the order of the reference.
pub static SHAPES: [&Shape; 14] = [
    &TOP, &WORKERS, &POOL, &TASK, &DEFAULTS, &SOURCE, &NEED, &STOP, &RETRIES, &QUIET, &LIMITS,
    &STDIN, &TTY, &QUEUE,
];

const fn key(
    name: &'static str,
    takes: Type,
    default: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Key {
    Key { name, takes, required: false, default, doc, example }
}

const fn required(
    name: &'static str,
    takes: Type,
    doc: &'static str,
    example: &'static str,
) -> Key {
    Key { name, takes, required: true, default: "", doc, example }
}

static TOP_KEYS: [Key; 21] = [
    key(
        "name",
        Type::Form(&LINE),
        "the name of the file",
        "The name of the run, as `ganger ls` shows it.",
        "name: thumbnails",
    ),
    key(
        "description",
        Type::Text,
        "",
        "What the file is for.",
        "description: Thumbnails of all pictures",
    ),
    key(
        "workers",
        Type::Either(&[Type::Form(&WORKER_COUNT), Type::Map(&WORKERS)]),
        "auto",
        "How many workers the pool `default` has.",
        "workers: 50%",
    ),
    key(
        "pools",
        Type::Names {
            names: &POOL_NAMES,
            of: &Type::Either(&[Type::Form(&WORKER_COUNT), Type::Map(&POOL)]),
            fixed: &[],
        },
        "only `default`",
        "Further pools, each with workers of its own.",
        "pools: {net: 4}",
    ),
    key("env", ENV, "", "Environment variables of every job.", "env: {LANG: C.UTF-8}"),
    key(
        "workdir",
        Type::Text,
        "the folder of the task file",
        "The folder that jobs start in and relative paths count from.",
        "workdir: /tmp",
    ),
    key(
        "shell",
        SOME_TEXTS,
        "[sh, -c]",
        "What runs a `run` that is text; the text becomes its last argument.",
        "shell: [bash, -euo, pipefail, -c]",
    ),
    key(
        "vars",
        Type::Names { names: &VAR_NAMES, of: &Type::Text, fixed: &[] },
        "",
        "Values for `{vars.name}`; `--set NAME=VALUE` overrides them.",
        "vars: {out: /tmp/thumbs}",
    ),
    key(
        "defaults",
        Type::Map(&DEFAULTS),
        "",
        "Any keys of a task, for all tasks that do not say otherwise.",
        "defaults: {timeout: 30s, retries: 2}",
    ),
    key(
        "fail_fast",
        Type::Form(&FAIL_FAST),
        "never",
        "Start nothing more once this many jobs, or this share of all, have not ended well.",
        "fail_fast: 10%",
    ),
    key(
        "locks",
        Type::Either(&[
            Type::List { of: &Type::Form(&SHARED_NAME), min: 0 },
            Type::Names {
                names: &LOCK_NAMES,
                of: &Type::Word(&["lock", "rlock", "rwlock"]),
                fixed: &[],
            },
        ]),
        "made at first use",
        "Locks that jobs share.",
        "locks: [db, index]",
    ),
    key(
        "semaphores",
        Type::Names { names: &LOCK_NAMES, of: &PERMITS, fixed: &[] },
        "made at first use",
        "Semaphores that jobs share, and how many permits each has.",
        "semaphores: {api: 3}",
    ),
    key(
        "events",
        Type::List { of: &Type::Form(&SHARED_NAME), min: 0 },
        "made at first use",
        "Events that jobs set and wait for.",
        "events: [ready]",
    ),
    key(
        "barriers",
        Type::Names { names: &LOCK_NAMES, of: &PERMITS, fixed: &[] },
        "made at first use",
        "Barriers, and how many parties each waits for.",
        "barriers: {start: 3}",
    ),
    key(
        "queues",
        Type::Names {
            names: &LOCK_NAMES,
            of: &Type::Either(&[PERMITS, Type::Map(&QUEUE)]),
            fixed: &[],
        },
        "made at first use",
        "Queues that jobs share; `{max: 8}` is the same as `8`.",
        "queues: {frames: {max: 8}}",
    ),
    key(
        "values",
        Type::Names { names: &LOCK_NAMES, of: &Type::Text, fixed: &[] },
        "made at first use",
        "Values that jobs share, and what each begins with: a whole number or a text.",
        "values: {done: 0}",
    ),
    key(
        "on_deadlock",
        Type::Word(&["report", "stop_youngest", "stop"]),
        "report",
        "What happens when a circle of waits has closed: nothing but words, the attempt of it that started last is stopped, or the run.",
        "on_deadlock: stop_youngest",
    ),
    key(
        "wait_timeout",
        Type::Form(&LASTING),
        "none",
        "How long a job waits for a shared primitive when it says nothing itself.",
        "wait_timeout: 5m",
    ),
    key(
        "hold_warn",
        Type::Form(&LASTING),
        "never",
        "A lock that is held for longer is told about.",
        "hold_warn: 30s",
    ),
    key(
        "xray",
        Type::Bool,
        "true",
        "Looks at the processes of jobs from outside, without disturbing them, for what they wait and who could end it.",
        "xray: false",
    ),
    required(
        "tasks",
        Type::List { of: &Type::Map(&TASK), min: 1 },
        "What to run.",
        "tasks: [{name: hello, run: echo hello}]",
    ),
];

static TASK_KEYS: [Key; 31] = [
    required("name", Type::Form(&NAME), "The name of the task, once in the file.", "name: resize"),
    key(
        "description",
        Type::Text,
        "",
        "What the task is for.",
        "description: One thumbnail for each picture",
    ),
    key(
        "run",
        TEXT_OR_TEXTS,
        "",
        "What a job runs: text for the shell, or a list that is executed as it is.",
        "run: gzip -k {file}",
    ),
    key(
        "foreach",
        Type::Names {
            names: &INPUT_NAMES,
            of: &Type::Either(&[TEXTS, Type::Map(&SOURCE)]),
            fixed: &FOREACH_KEYS,
        },
        "one job without inputs",
        "The inputs: one job for each value, or for each combination of several variables' values.",
        "foreach: {size: [64, 256]}",
    ),
    key("zip", Type::Bool, "false", "The same as `zip` inside `foreach`.", "zip: true"),
    key(
        "expand",
        Type::Word(&["at_start", "when_ready"]),
        "at_start",
        "When the sources of `foreach` are read: at the start of the run, or when what the task needs has ended.",
        "expand: when_ready",
    ),
    key(
        "needs",
        Type::Either(&[
            Type::Text,
            Type::List { of: &Type::Either(&[Type::Text, Type::Map(&NEED)]), min: 0 },
        ]),
        "",
        "The tasks that must have ended before.",
        "needs: [prepare]",
    ),
    key("pool", Type::Text, "default", "The pool whose workers run the jobs.", "pool: net"),
    key(
        "max_parallel",
        COUNT,
        "as many as the pool has workers",
        "How many jobs of the task run at the same time at the most.",
        "max_parallel: 2",
    ),
    key("weight", COUNT, "1", "How many workers' worth a running job takes.", "weight: 2"),
    key(
        "priority",
        Type::Int { min: i32::MIN as i64, max: i32::MAX as i64 },
        "0",
        "Ready jobs of a higher priority start first; equal ones in file order.",
        "priority: 10",
    ),
    key(
        "locks",
        Type::Either(&[
            Type::List { of: &Type::Form(&SHARED_NAME), min: 0 },
            Type::Names {
                names: &LOCK_NAMES,
                of: &Type::Word(&["exclusive", "shared"]),
                fixed: &[],
            },
        ]),
        "none",
        "Locks that a job takes before it starts, all or none, and gives back when it ends.",
        "locks: {db: shared}",
    ),
    key(
        "uses",
        Type::Names { names: &LOCK_NAMES, of: &PERMITS, fixed: &[] },
        "none",
        "Permits of semaphores that a job takes before it starts, with its `locks`.",
        "uses: {api: 1}",
    ),
    key(
        "timeout",
        Type::Form(&LASTING),
        "none",
        "How long an attempt may run; then it is stopped and counts as timed out.",
        "timeout: 1m30s",
    ),
    key(
        "stop",
        Type::Map(&STOP),
        "{signal: TERM, grace: 5s}",
        "How an attempt is asked to end, and how long it has before KILL.",
        "stop: {signal: INT, grace: 20s}",
    ),
    key(
        "retries",
        Type::Either(&[Type::Int { min: 0, max: u32::MAX as i64 - 1 }, Type::Map(&RETRIES)]),
        "0",
        "How often an unsuccessful job is tried again: `2` means up to three attempts.",
        "retries: 2",
    ),
    key(
        "on_failure",
        Type::Word(&["continue", "stop", "abort"]),
        "continue",
        "What a failed job does to the run: nothing, start nothing more, or also stop what runs.",
        "on_failure: stop",
    ),
    key("ok_codes", EXIT_CODES, "0", "Exit codes that count as success.", "ok_codes: [0, 1]"),
    key(
        "env",
        ENV,
        "",
        "Environment variables of the task's jobs, besides those at the top.",
        "env: {LEVEL: \"{level}\"}",
    ),
    key(
        "env_file",
        TEXT_OR_TEXTS,
        "",
        "Files of NAME=VALUE lines for the environment; their values are never shown.",
        "env_file: secrets.env",
    ),
    key(
        "workdir",
        Type::Text,
        "the run's",
        "The folder that the jobs start in.",
        "workdir: build/{target}",
    ),
    key(
        "stdin",
        Type::Either(&[Type::Text, Type::Map(&STDIN)]),
        "/dev/null",
        "What the jobs read: a text, or a file.",
        "stdin: {file: words.txt}",
    ),
    key(
        "stdout",
        Type::Text,
        "kept by ganger",
        "A file for standard output, emptied at the start of each attempt.",
        "stdout: out/{job}.txt",
    ),
    key(
        "stderr",
        Type::Text,
        "kept by ganger",
        "A file for standard error, emptied at the start of each attempt.",
        "stderr: out/{job}.err",
    ),
    key(
        "tty",
        Type::Either(&[Type::Bool, Type::Map(&TTY)]),
        "false",
        "Gives each job a terminal of its own, 80 columns by 24 rows or as given.",
        "tty: {cols: 120, rows: 40}",
    ),
    key(
        "creates",
        Type::Text,
        "",
        "The path that a job makes: when it exists and is newer than the job's file inputs, the job is up to date.",
        "creates: thumbs/{picture.stem}.png",
    ),
    key(
        "nice",
        Type::Int { min: -20, max: 19 },
        "ganger's own",
        "The niceness of the jobs' processes.",
        "nice: 10",
    ),
    key(
        "leftovers",
        Type::Word(&["stop", "keep"]),
        "stop",
        "What happens to processes that are alive when a job's leader has ended.",
        "leftovers: keep",
    ),
    key("limits", Type::Map(&LIMITS), "none", "What a job may use.", "limits: {memory: 512MiB}"),
    key(
        "threads",
        Type::Form(&THREADS),
        "not set",
        "How many threads the usual libraries start, by their environment variables; `auto` is cores / workers.",
        "threads: auto",
    ),
    key(
        "quiet",
        Type::Map(&QUIET),
        "",
        "When a job counts as hung, and what to do then.",
        "quiet: {after: 20s, action: report}",
    ),
];

static BOUND_KEYS: [Key; 3] = [
    key(
        "min",
        Type::Form(&WORKER_COUNT),
        "1",
        "The fewest workers that scaling can set.",
        "min: 1",
    ),
    key(
        "max",
        Type::Form(&WORKER_COUNT),
        "4096",
        "The most workers that scaling can set.",
        "max: 16",
    ),
    key("start", Type::Form(&WORKER_COUNT), "auto", "The workers to start with.", "start: 50%"),
];

static POOL_KEYS: [Key; 4] = [
    key(
        "workers",
        Type::Either(&[Type::Form(&WORKER_COUNT), Type::Map(&WORKERS)]),
        "auto",
        "How many workers the pool has; `{workers: 4}` is the same as `4`.",
        "workers: 4",
    ),
    key(
        "min",
        Type::Form(&WORKER_COUNT),
        "1",
        "The fewest workers that scaling can set.",
        "min: 1",
    ),
    key(
        "max",
        Type::Form(&WORKER_COUNT),
        "4096",
        "The most workers that scaling can set.",
        "max: 16",
    ),
    key("start", Type::Form(&WORKER_COUNT), "auto", "The workers to start with.", "start: 50%"),
];

static FOREACH_KEYS: [Key; 1] = [key(
    "zip",
    Type::Bool,
    "false",
    "Links the variables position by position instead of combining each with each.",
    "zip: true",
)];

static SOURCE_KEYS: [Key; 9] = [
    key(
        "glob",
        TEXT_OR_TEXTS,
        "",
        "Paths that match a pattern, in the order of their bytes; `**` is any depth.",
        "glob: \"pictures/**/*.png\"",
    ),
    key(
        "exclude",
        TEXT_OR_TEXTS,
        "",
        "Patterns of paths that `glob` leaves out.",
        "exclude: \"**/draft-*\"",
    ),
    key("range", Type::Form(&RANGE), "", "Whole numbers, both ends included.", "range: 1..100"),
    key(
        "step",
        Type::Int { min: i64::MIN, max: i64::MAX },
        "1",
        "The distance between two numbers of `range`.",
        "step: 5",
    ),
    key("lines", Type::Text, "", "The lines of a file; `-` is standard input.", "lines: names.txt"),
    key(
        "csv",
        Type::Text,
        "",
        "The rows of a CSV file with a header; `{x.column}` is a cell.",
        "csv: people.csv",
    ),
    key(
        "json",
        Type::Text,
        "",
        "The items of a JSON list: scalars are the value, objects give `{x.field}`.",
        "json: hosts.json",
    ),
    key("command", TEXT_OR_TEXTS, "", "The lines that a command prints.", "command: git ls-files"),
    key(
        "nul",
        Type::Bool,
        "false",
        "The records of `command` end with NUL, not with a line break.",
        "nul: true",
    ),
];

static NEED_KEYS: [Key; 3] = [
    required("task", Type::Text, "The task that is needed.", "task: prepare"),
    key(
        "each",
        Type::Bool,
        "false",
        "Job by job: a job needs only the jobs with the same values of shared variables.",
        "each: true",
    ),
    key(
        "when",
        Type::Word(&["succeeded", "failed", "always"]),
        "succeeded",
        "How it must have ended: all of it well, some of it not, or however.",
        "when: always",
    ),
];

static STOP_KEYS: [Key; 2] = [
    key(
        "signal",
        Type::Form(&SIGNAL),
        "TERM",
        "The signal that asks the whole tree of a job to end.",
        "signal: INT",
    ),
    key("grace", Type::Form(&DURATION), "5s", "The time from the signal to KILL.", "grace: 20s"),
];

static RETRIES_KEYS: [Key; 6] = [
    key(
        "max",
        Type::Int { min: 0, max: u32::MAX as i64 - 1 },
        "0",
        "Further attempts after the first.",
        "max: 3",
    ),
    key("delay", Type::Form(&DURATION), "0s", "The time before the second attempt.", "delay: 1s"),
    key(
        "factor",
        Type::Number { min: 1.0, max: 1e6 },
        "1",
        "How much longer each delay is than the one before.",
        "factor: 2",
    ),
    key("max_delay", Type::Form(&DURATION), "none", "The longest delay.", "max_delay: 1m"),
    key(
        "jitter",
        Type::Number { min: 0.0, max: 1.0 },
        "0",
        "The share of the delay that is drawn at random: 0.2 gives 80 to 120 percent.",
        "jitter: 0.2",
    ),
    key(
        "exit_codes",
        EXIT_CODES,
        "every unsuccessful outcome",
        "Only attempts that ended with one of these codes are tried again.",
        "exit_codes: [75]",
    ),
];

static QUIET_KEYS: [Key; 2] = [
    key(
        "after",
        Type::Form(&LASTING),
        "",
        "How long without CPU, output and I/O a job is hung.",
        "after: 20s",
    ),
    key(
        "action",
        Type::Word(&["report", "stop", "retry"]),
        "report",
        "Mark it only; stop it, which ends the job as timed out; or stop it and try again as `retries` say.",
        "action: stop",
    ),
];

static LIMITS_KEYS: [Key; 5] = [
    key("memory", Type::Form(&SIZE), "none", "Memory of a job's whole tree.", "memory: 512MiB"),
    key("cpu_time", Type::Form(&LASTING), "none", "CPU time of each process.", "cpu_time: 10m"),
    key("open_files", COUNT, "none", "Open files of each process.", "open_files: 256"),
    key(
        "file_size",
        Type::Form(&SIZE),
        "none",
        "Size of each file that a process writes.",
        "file_size: 1GiB",
    ),
    key("processes", COUNT, "none", "Processes of a job's whole tree.", "processes: 32"),
];

static TTY_KEYS: [Key; 2] = [
    key("cols", Type::Int { min: 1, max: 1000 }, "80", "Columns of the terminal.", "cols: 120"),
    key("rows", Type::Int { min: 1, max: 1000 }, "24", "Rows of the terminal.", "rows: 40"),
];

static STDIN_KEYS: [Key; 2] = [
    key("text", Type::Text, "", "The text that a job reads.", "text: yes"),
    key("file", Type::Text, "", "The file that a job reads.", "file: words.txt"),
];

static QUEUE_KEYS: [Key; 2] = [
    key("max", PERMITS, "no limit", "How many items it holds; then putting waits.", "max: 8"),
    key(
        "order",
        Type::Word(&["fifo", "lifo", "priority"]),
        "fifo",
        "Which item leaves first: the oldest, the newest, or the one of the smallest priority.",
        "order: lifo",
    ),
];
