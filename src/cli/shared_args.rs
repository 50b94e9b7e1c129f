//! The verbs of primitives that jobs share.

use crate::model::units::parse_duration;
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::time::Duration;

/// Which run is meant.
#[derive(Debug, Args)]
pub struct SharedRun {
    /// The run; without it the one that this is called in (GANGER_SOCKET), or the only live one
    #[arg(short, long, value_name = "RUN")]
    pub run: Option<String>,
}

/// How long a request waits.
#[derive(Debug, Args)]
pub struct Patience {
    /// Give up after this time, such as `500ms`, `1m30s`, or `5` for seconds: exit code 124
    #[arg(long, value_name = "D", value_parser = patience)]
    pub timeout: Option<Duration>,
    /// Do not wait at all: exit code 75
    #[arg(long = "try", conflicts_with = "timeout")]
    pub no_wait: bool,
}

/// As in a task file, and as flock(1) and timeout(1) read it: a mere number counts seconds.
fn patience(text: &str) -> Result<Duration, String> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_number { parse_duration(&format!("{text}s")) } else { parse_duration(text) }
}

impl Patience {
    /// As the protocol has it.
    pub fn timeout_ms(&self) -> Option<u64> {
        if self.no_wait {
            return Some(0);
        }
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        self.timeout.map(ms)
    }
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct LockArgs {
    #[command(subcommand)]
    pub verb: Option<LockVerb>,
    /// Locks to take, all of them or none
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Together with others that share it
    #[arg(long)]
    pub shared: bool,
    #[command(flatten)]
    pub patience: Patience,
    #[command(flatten)]
    pub on: SharedRun,
    /// What runs while they are held
    #[arg(value_name = "CMD", last = true, required = true)]
    pub cmd: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub enum LockVerb {
    /// Take locks for a process that goes on, such as the shell that calls this
    Hold {
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Who is to hold them; without it the process that calls this
        #[arg(long, value_name = "P")]
        pid: Option<i32>,
        /// Together with others that share it
        #[arg(long)]
        shared: bool,
        #[command(flatten)]
        patience: Patience,
        #[command(flatten)]
        on: SharedRun,
        #[arg(value_name = "CMD", last = true, hide = true)]
        cmd: Vec<OsString>,
    },
    /// Give locks back
    Release {
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Who holds them; without it the process that calls this
        #[arg(long, value_name = "P")]
        pid: Option<i32>,
        /// Whoever holds them
        #[arg(long, conflicts_with = "pid")]
        anyone: bool,
        #[command(flatten)]
        on: SharedRun,
    },
}

#[derive(Debug, Args)]
pub struct SemArgs {
    /// The semaphore
    pub name: String,
    /// Permits that it has; who comes first decides, 1 without
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max: Option<u32>,
    /// Permits to take
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub permits: u32,
    #[command(flatten)]
    pub patience: Patience,
    #[command(flatten)]
    pub on: SharedRun,
    /// Give it N permits altogether from now on; those that are out come back first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
          conflicts_with_all = ["cmd", "max", "permits"])]
    pub resize: Option<u32>,
    /// What runs with the permit
    #[arg(value_name = "CMD", last = true, required_unless_present = "resize")]
    pub cmd: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct EventArgs {
    #[command(subcommand)]
    pub verb: EventVerb,
}

#[derive(Debug, Subcommand)]
pub enum EventVerb {
    /// Let everybody go on who waits for it
    Set {
        name: String,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Let wait again
    Clear {
        name: String,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Wait until it is set
    Wait {
        name: String,
        #[command(flatten)]
        patience: Patience,
        #[command(flatten)]
        on: SharedRun,
    },
}

#[derive(Debug, Args)]
pub struct BarrierArgs {
    #[command(subcommand)]
    pub verb: BarrierVerb,
}

#[derive(Debug, Subcommand)]
pub enum BarrierVerb {
    /// Wait until so many have come
    Wait {
        name: String,
        /// How many; who comes first decides
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        parties: Option<u32>,
        #[command(flatten)]
        patience: Patience,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Make a broken one whole again
    Reset {
        name: String,
        #[command(flatten)]
        on: SharedRun,
    },
}

#[derive(Debug, Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    pub verb: QueueVerb,
}

#[derive(Debug, Subcommand)]
pub enum QueueVerb {
    Put(PutArgs),
    Get(GetArgs),
    Each(EachArgs),
    /// Print how many items are in it
    Len {
        name: String,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Say that no item comes any more
    Close {
        name: String,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Say that items are dealt with
    Done {
        name: String,
        /// Of `get --tickets`
        #[arg(value_name = "TICKET")]
        tickets: Vec<u64>,
        /// Items that were got without tickets; 1 when no ticket is given
        #[arg(short, value_name = "N")]
        n: Option<u32>,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Wait until every item that was put is dealt with
    Join {
        name: String,
        #[command(flatten)]
        patience: Patience,
        #[command(flatten)]
        on: SharedRun,
    },
}

/// Put items into a queue; ends when all are in it
#[derive(Debug, Args)]
pub struct PutArgs {
    pub name: String,
    /// The items; without any, or with `-`, each line of standard input is one
    #[arg(value_name = "ITEM")]
    pub items: Vec<OsString>,
    /// Items on standard input end with NUL instead of a line break
    #[arg(short = '0', long = "null")]
    pub null: bool,
    /// All of standard input is one item
    #[arg(long, conflicts_with = "null")]
    pub raw: bool,
    /// Room of a queue that nobody has made yet
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max: Option<u32>,
    /// In a queue with `order: priority` the smallest leaves first
    #[arg(long, value_name = "P", default_value_t = 0, allow_negative_numbers = true)]
    pub priority: i64,
    #[command(flatten)]
    pub patience: Patience,
    #[command(flatten)]
    pub on: SharedRun,
}

/// Take items from a queue and print them; exit code 4 when it is closed and empty
#[derive(Debug, Args)]
pub struct GetArgs {
    pub name: String,
    /// Items at the most; one at least
    #[arg(short, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub n: u32,
    /// NUL behind each item instead of a line break
    #[arg(short = '0', long = "null")]
    pub null: bool,
    /// Nothing behind an item
    #[arg(long, conflicts_with_all = ["null", "n"])]
    pub raw: bool,
    /// Print a ticket and a tab before each item: `ganger queue done NAME TICKET`
    #[arg(long, conflicts_with = "raw")]
    pub tickets: bool,
    /// Never hand the items out again, whatever becomes of the job that got them
    #[arg(long, conflicts_with = "tickets")]
    pub for_good: bool,
    #[command(flatten)]
    pub patience: Patience,
    #[command(flatten)]
    pub on: SharedRun,
}

/// Run a command for each item, until the queue is closed and empty
#[derive(Debug, Args)]
pub struct EachArgs {
    pub name: String,
    #[command(flatten)]
    pub patience: Patience,
    #[command(flatten)]
    pub on: SharedRun,
    /// The command; `{}` in it is the item, without `{}` the item is its last argument
    #[arg(value_name = "CMD", last = true, required = true)]
    pub cmd: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct ValueArgs {
    #[command(subcommand)]
    pub verb: ValueVerb,
}

#[derive(Debug, Subcommand)]
pub enum ValueVerb {
    /// Print it
    Get {
        name: String,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Set it to a whole number or a text
    Set {
        name: String,
        #[arg(allow_hyphen_values = true)]
        value: OsString,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Add to it, from 0, and print what it is now
    Add {
        name: String,
        /// 1 without
        #[arg(default_value_t = 1, allow_negative_numbers = true)]
        n: i64,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Set it to NEW if it is OLD; exit code 1 if not
    Cas {
        name: String,
        #[arg(value_name = "OLD", allow_hyphen_values = true)]
        old: OsString,
        #[arg(value_name = "NEW", allow_hyphen_values = true, required_unless_present = "absent")]
        new: Option<OsString>,
        /// If there is no such value: `cas NAME --absent NEW`
        #[arg(long, conflicts_with = "new")]
        absent: bool,
        #[command(flatten)]
        on: SharedRun,
    },
}

#[derive(Debug, Args)]
pub struct KvArgs {
    #[command(subcommand)]
    pub verb: KvVerb,
}

#[derive(Debug, Subcommand)]
pub enum KvVerb {
    /// Print what a key has; exit code 1 when there is no such key
    Get {
        name: String,
        key: OsString,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Set a key to a whole number or a text
    Set {
        name: String,
        key: OsString,
        #[arg(allow_hyphen_values = true)]
        value: OsString,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Remove a key; exit code 1 when there is no such key
    Del {
        name: String,
        key: OsString,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Print keys and values, a tab between them
    List {
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        on: SharedRun,
    },
    /// Add to the number of a key, from 0, and print what it is now
    Add {
        name: String,
        key: OsString,
        /// 1 without
        #[arg(default_value_t = 1, allow_negative_numbers = true)]
        n: i64,
        #[command(flatten)]
        on: SharedRun,
    },
}

#[derive(Debug, Args)]
pub struct LocksArgs {
    /// The run, by its id or the beginning of it; may be left out inside of a job, or when only
    /// one runs
    pub run: Option<String>,
    /// Only locks that are not ganger's own, as looks from outside have sampled them
    #[arg(long)]
    pub foreign: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DeadlocksArgs {
    /// The run, by its id or the beginning of it; may be left out inside of a job, or when only
    /// one runs
    pub run: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
