//! What has happened in a run, as rows for people: who, what, when, in a sentence.

use super::command::Requester;
use super::ids::{JobNo, PoolIdx, TaskIdx};
use super::time::Now;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// Counts up by one with every event of the run, from 1.
    pub id: u64,
    pub at: Now,
    /// The event's word as in `docs/json.md`, or `asked` for a request and what became of it.
    pub kind: String,
    pub job: Option<JobNo>,
    pub task: Option<TaskIdx>,
    pub pool: Option<PoolIdx>,
    /// Who asked for it; `None`: nobody had to.
    pub by: Option<Requester>,
    /// One sentence, made harmless.
    pub text: String,
}

/// Which rows are wanted: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    /// Part of the text, small and capital letters alike.
    pub text: Option<String>,
    /// The word of a kind.
    pub kind: Option<String>,
    pub job: Option<JobNo>,
    /// Name of a task; its jobs' events count.
    pub task: Option<String>,
    /// `screen`, `cli`, `signal`, `rule`, `ganger`, or `people` for the first three.
    pub by: Option<String>,
}

/// Where a page of events lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventsFrom {
    /// The newest.
    #[default]
    Newest,
    /// The newest before this id.
    Before(u64),
    /// The oldest after this id.
    After(u64),
}

/// The answer to `Query::Events`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// Oldest first.
    pub rows: Vec<EventRow>,
    /// The oldest id that is kept; older events were dropped when it is not 1.
    pub oldest: u64,
    /// The newest id there is; 0 before the first event.
    pub newest: u64,
    /// Where to go on in the same direction: all ids up to it (`After`) or down to it have
    /// been looked at.
    pub looked_to: u64,
}
