//! Task file text -> [`Plan`], with every problem at once. Pure: no files, no clock.
//!
//! What lies outside the text (globs, lines, csv ...) is asked for as data
//! ([`inputs::Source`]) and comes back as data ([`inputs::Table`]); the edge module `inputs`
//! reads it.

pub mod diag;
pub mod inputs;
pub mod keys;
mod quoting;
pub mod read;
pub mod rules;
pub mod schedule;
pub mod schema;
mod shape;
mod shell;
pub mod spec;
pub mod template;
pub mod units;
pub mod yaml;

pub use diag::{Diagnostic, Severity, Source};
pub use read::{Outcome, ReadOptions, Site, SiteKind, read};
pub use rules::{
    Declared, EachMap, FailFast, Need, NeedWhen, OnDeadlock, OnFailure, PoolRules, QuietAction,
    QuietRule, Retries, Schedule, SharedRules, StopRule, Takes, TaskRules,
};
pub use spec::{Plan, TaskSpec};
