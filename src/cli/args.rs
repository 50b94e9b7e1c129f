//! What may stand on the command line. `docs/cli.md` describes the same; a test compares them.

use super::shared_args::{
    BarrierArgs, DeadlocksArgs, EventArgs, KvArgs, LockArgs, LocksArgs, QueueArgs, SemArgs,
    ValueArgs,
};
use crate::model::query::JobSort;
use crate::model::{JobRef, signal_number};
use crate::report::OutputMode;
use crate::tui::glyphs::GlyphSet;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Run a task file on a pool of workers, watch it live and steer it.
#[derive(Debug, Parser)]
#[command(name = "ganger", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 all succeeded or up to date, 1 some job failed, 2 usage or \
    invalid task file, 3 ganger itself failed, 129/130/143 ended by HUP/INT/TERM.")]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a task file
    Run(RunArgs),
    /// Report every problem of a task file, without running it
    Check(CheckArgs),
    /// Print the JSON Schema of task files, for editors
    Schema,
    /// List runs
    Ls(LsArgs),
    /// Show where a run stands
    Status(StatusArgs),
    /// List the jobs of a run, filtered and sorted
    Jobs(JobsArgs),
    /// Show everything about one job
    Job(JobArgs),
    /// Show what the jobs of each task add up to: counts, durations, CPU
    Tasks(TasksArgs),
    /// Change the number of workers of a pool
    Scale(ScaleArgs),
    /// Pause the run, a pool, or jobs: nothing starts, what runs is frozen
    Pause(PauseArgs),
    /// Let a paused run, pool or job go on
    Continue(PauseArgs),
    /// End jobs with everything they started
    Kill(KillArgs),
    /// Queue ended jobs again that did not end well
    Retry(RetryArgs),
    /// Move waiting jobs in their queue
    Prio(PrioArgs),
    /// Take back the newest act that can be taken back
    Undo(UndoArgs),
    /// End a run
    Stop(StopArgs),
    /// Print the output of a job
    Logs(LogsArgs),
    /// Say who waits for whom in a process tree, or why a job is not running
    Why(WhyArgs),
    /// Watch a tree of processes that ganger did not start: CPU, memory, waits, who holds what
    Xray(XrayArgs),
    /// List the colour themes of the screen
    Themes(ThemesArgs),
    /// Print what has happened in a run, and who asked for it
    Events(EventsArgs),
    /// Run a command while it holds locks that the jobs of a run share
    Lock(LockArgs),
    /// Run a command with a permit of a semaphore
    Sem(SemArgs),
    /// Set, clear or wait for an event
    Event(EventArgs),
    /// Wait until so many have come
    Barrier(BarrierArgs),
    /// Put items into a queue, get them, run a command for each
    Queue(QueueArgs),
    /// Read or change a value
    Value(ValueArgs),
    /// Read or change a table of keys and values
    Kv(KvArgs),
    /// Show who holds and who waits for what jobs share
    Locks(LocksArgs),
    /// Show circles of waits; exit code 1 if there is one
    Deadlocks(DeadlocksArgs),
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// The supervisor of a run with a screen
    #[command(name = "__supervise", hide = true)]
    Supervise { id: String },
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The task file; `-` reads it from standard input
    pub file: PathBuf,
    /// Run only these tasks and what they need
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// Workers of the default pool, in place of `workers`: N, N% of the CPUs, or auto
    #[arg(short, long, value_name = "N|N%|auto")]
    pub jobs: Option<String>,
    /// Set one of the file's `vars`; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub set: Vec<(String, String)>,
    /// Print the jobs and their commands, run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Plain text instead of the screen
    #[arg(long, conflicts_with = "json")]
    pub plain: bool,
    /// Say every change in a line of its own, for screen readers; implies --plain
    #[arg(long, conflicts_with = "json")]
    pub live: bool,
    /// One event a line, as JSON, instead of the screen
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
    /// How the output of jobs is printed; implies --plain
    #[arg(long, value_name = "HOW", value_parser = output_mode())]
    pub output: Option<OutputMode>,
    /// Write one JSON document about the run and its jobs at the end; `-`: to standard output
    #[arg(long, value_name = "FILE")]
    pub report: Option<OsString>,
    /// Leave the screen as soon as the run has ended
    #[arg(long)]
    pub no_hold: bool,
    /// Colours of the screen; `ganger themes` lists them
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Shapes of the screen: auto, braille, block or ascii
    #[arg(long, value_name = "SET", value_parser = glyph_set())]
    pub glyphs: Option<Glyphs>,
}

#[derive(Debug, Args)]
pub struct ThemesArgs {
    /// Show one theme with every role
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The task file; `-` reads it from standard input
    pub file: PathBuf,
    /// Set one of the file's `vars`; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub set: Vec<(String, String)>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct LsArgs {
    /// Also list runs that have ended
    #[arg(short, long)]
    pub all: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The run, by its id or the beginning of it; may be left out when only one runs
    pub run: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Which jobs: terms such as `failed`, `resize:3`, 'cpu>1', '/regex/', "text"; see
    /// docs/filter.md
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    /// The order
    #[arg(long, value_name = "KEY", default_value = "number", value_parser = job_sort())]
    pub sort: JobSort,
    /// From the largest to the smallest
    #[arg(long)]
    pub reverse: bool,
    /// Jobs that are shown at the most
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct JobArgs {
    /// A job such as `17` or `resize:3`
    pub job: JobRef,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct TasksArgs {
    /// The run, by its id or the beginning of it; may be left out when only one runs
    pub run: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Which run a verb is about.
#[derive(Debug, Args)]
pub struct RunChoice {
    /// The run, by its id or the beginning of it; may be left out when only one runs
    #[arg(short, long, value_name = "RUN")]
    pub run: Option<String>,
}

#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Workers: N, or +N more, or -N fewer
    #[arg(value_name = "N|+N|-N", allow_hyphen_values = true)]
    pub size: ScaleTo,
    /// The pool; `default` unless given
    #[arg(short, long)]
    pub pool: Option<String>,
    /// Stop running attempts beyond the new size instead of letting them end
    #[arg(long)]
    pub now: bool,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct PauseArgs {
    /// Jobs such as `17` or `resize:3`; without any: the whole run
    #[arg(value_name = "JOB")]
    pub jobs: Vec<JobRef>,
    /// A pool instead
    #[arg(short, long, conflicts_with = "jobs")]
    pub pool: Option<String>,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct KillArgs {
    /// Jobs such as `17` or `resize:3`
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<JobRef>,
    /// KILL at once, without asking first
    #[arg(long, conflicts_with = "signal")]
    pub now: bool,
    /// Only say what a kill would do: what is freed, and what stays locked for ever
    #[arg(long, conflicts_with_all = ["now", "signal"])]
    pub preview: bool,
    /// Only send this signal, such as USR1, to everything of the job
    #[arg(short, long, value_parser = signal)]
    pub signal: Option<i32>,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Jobs such as `17` or `resize:3`
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<JobRef>,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct PrioArgs {
    /// Waiting jobs such as `17` or `resize:3`
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<JobRef>,
    /// Before everything that waits in their pool; this is what happens without an option
    #[arg(long, conflicts_with_all = ["to", "reset"])]
    pub first: bool,
    /// By this priority in place of their task's
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with = "reset")]
    pub to: Option<i32>,
    /// By their task's priority again
    #[arg(long)]
    pub reset: bool,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The run, by its id or the beginning of it; may be left out when only one runs
    pub run: Option<String>,
}

#[derive(Debug, Args)]
pub struct EventsArgs {
    /// The run, by its id or the beginning of it; may be left out when only one runs
    pub run: Option<String>,
    /// Go on until the run has ended
    #[arg(short, long)]
    pub follow: bool,
    /// One object a line, as JSON
    #[arg(long)]
    pub json: bool,
    /// How many of the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub lines: u32,
    /// Only those whose text holds this
    #[arg(long)]
    pub text: Option<String>,
    /// Only of this kind, such as `attempt_ended`, or `asked`
    #[arg(long)]
    pub kind: Option<String>,
    /// Only of a job such as `17` or `resize:3`
    #[arg(long)]
    pub job: Option<JobRef>,
    /// Only of a task
    #[arg(long)]
    pub task: Option<String>,
    /// Only what these asked for: screen, cli, signal, rule, ganger, or people
    #[arg(long, value_parser = ["screen", "cli", "signal", "rule", "ganger", "people"])]
    pub by: Option<String>,
}

#[derive(Debug, Args)]
pub struct StopArgs {
    /// The run, by its id or the beginning of it; may be left out when only one runs
    pub run: Option<String>,
    /// KILL everything at once
    #[arg(long, conflicts_with = "drain")]
    pub now: bool,
    /// Start nothing more, but let running jobs end
    #[arg(long)]
    pub drain: bool,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// A job such as `17` or `resize:3`; with `#2` behind it, its second attempt
    #[arg(required_unless_present_any = ["all", "search"])]
    pub job: Option<JobRef>,
    /// Lines of all jobs, each with its job's name, in the order in which they appeared
    #[arg(short, long, conflicts_with = "job")]
    pub all: bool,
    /// Only lines with this text, or that match this regular expression, of the job or of all
    #[arg(long, value_name = "TEXT|/REGEX/", conflicts_with = "follow")]
    pub search: Option<String>,
    /// Lines with the time by which they had been written, and their job's name
    #[arg(long, conflicts_with = "search")]
    pub timestamps: bool,
    /// Go on until the job, or with --all the run, has ended
    #[arg(short, long)]
    pub follow: bool,
    /// Only its standard output
    #[arg(long, conflicts_with = "stderr")]
    pub stdout: bool,
    /// Only its standard error
    #[arg(long)]
    pub stderr: bool,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct WhyArgs {
    /// A pid (its whole tree), or a job such as `:17`, `resize:3`, `prepare` or
    /// `brave-otter-x7k2:17`
    pub target: String,
    /// As JSON
    #[arg(long, conflicts_with_all = ["dot", "stacks"])]
    pub json: bool,
    /// Go on, and print again whenever something has changed
    #[arg(long)]
    pub watch: bool,
    /// With the stack of every thread that waits
    #[arg(long, conflicts_with = "dot")]
    pub stacks: bool,
    /// As a graph for Graphviz
    #[arg(long)]
    pub dot: bool,
    /// Say what a kill of this process would do: what is freed, what stays locked for ever, and
    /// whom to kill instead. Nothing is killed
    #[arg(long, value_name = "PID", conflicts_with_all = ["watch", "stacks", "dot"])]
    pub kill: Option<i32>,
    #[command(flatten)]
    pub on: RunChoice,
}

#[derive(Debug, Args)]
pub struct XrayArgs {
    /// The process at the top of the tree
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: i32,
    /// Colours of the screen; `ganger themes` lists them
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Shapes of the screen: auto, braille, block or ascii
    #[arg(long, value_name = "SET", value_parser = glyph_set())]
    pub glyphs: Option<Glyphs>,
}

/// Which shapes the screen is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// By locale and terminal.
    Auto,
    Set(GlyphSet),
}

fn glyph_set() -> impl TypedValueParser<Value = Glyphs> {
    PossibleValuesParser::new(["auto", "braille", "block", "ascii"])
        .map(|word| GlyphSet::parse(&word).map_or(Glyphs::Auto, Glyphs::Set))
}

/// What follows `scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleTo {
    Exactly(u32),
    More(u32),
    Fewer(u32),
}

impl std::str::FromStr for ScaleTo {
    type Err = String;

    fn from_str(text: &str) -> Result<ScaleTo, String> {
        let number = |digits: &str| match digits.parse::<u32>() {
            Ok(n) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
            _ => Err("write a number of workers such as `4`, or a change such as `+1` or `-2`"
                .to_owned()),
        };
        match text.as_bytes().first() {
            Some(b'+') => number(&text[1..]).map(ScaleTo::More),
            Some(b'-') => number(&text[1..]).map(ScaleTo::Fewer),
            _ => number(text).map(ScaleTo::Exactly),
        }
    }
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn signal(text: &str) -> Result<i32, String> {
    signal_number(text).ok_or_else(|| "no signal has this name; write TERM, SIGUSR1 or 10".into())
}

fn output_mode() -> impl TypedValueParser<Value = OutputMode> {
    PossibleValuesParser::new(["grouped", "tagged", "failed", "none"]).map(|word| {
        match word.as_str() {
            "tagged" => OutputMode::Tagged,
            "failed" => OutputMode::Failed,
            "none" => OutputMode::Nothing,
            _ => OutputMode::Grouped,
        }
    })
}

fn job_sort() -> impl TypedValueParser<Value = JobSort> {
    PossibleValuesParser::new(JobSort::ALL.map(JobSort::word))
        .map(|word| JobSort::ALL.into_iter().find(|sort| sort.word() == word).unwrap_or_default())
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
