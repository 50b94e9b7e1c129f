//! What x-ray found in a run, as the run keeps it: one entry for each finding, from the moment it
//! is there until it is gone.

use super::ThreadRef;
use super::report::Verdict;
use crate::model::locks::Member;
use crate::model::time::Mono;
use serde::{Deserialize, Serialize};

/// A finding that has come or gone. An input of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "sighting")]
pub enum Sighting {
    /// Its `id` says nothing yet: the engine gives it one.
    Found(Box<Stuck>),
    /// The one with this number, a [`Stuck`] or a circle, is no longer seen.
    Gone { id: u64 },
}

/// Processes that were seen from outside to be stuck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    /// Counts up, together with the numbers of circles.
    pub id: u64,
    pub kind: Verdict,
    /// Since when all of them have been seen not to run.
    pub at: Mono,
    /// Those of its core: all of one job together, others one by one. In the order of the circle
    /// where there is one.
    pub members: Vec<Member>,
    /// Jobs, and processes of none, that wait behind them.
    pub behind: u32,
    /// Of the core. What shares one of these is the same finding.
    pub threads: Vec<ThreadRef>,
    /// In one sentence or a few.
    pub text: String,
}

impl Stuck {
    /// Whether both are the same finding, seen at different times.
    pub fn is_same(&self, kind: Verdict, threads: &[ThreadRef]) -> bool {
        self.kind == kind && self.threads.iter().any(|thread| threads.contains(thread))
    }
}

/// What x-ray saw of a run in short, for snapshots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct XrayView {
    /// When it looked last; zero before the first look.
    pub at: Mono,
    pub processes: u32,
    pub threads: u32,
    /// Threads that wait, of those it looked at closely.
    pub waiting: u32,
    /// The worst of the findings.
    pub verdict: Verdict,
    pub findings: u32,
    /// The worst finding in words.
    pub worst: Option<String>,
}
