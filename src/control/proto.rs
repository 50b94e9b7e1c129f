//! The messages, one JSON object a line, and how they are written and read.

use crate::model::query::{Query, Reply};
use crate::model::{Answer, Command, Event, RunInfo, Snapshot};
use serde::{Deserialize, Serialize};

/// Goes up with every change that an older client or supervisor would misread.
pub const PROTOCOL: u32 = 2;

/// Who the client is to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The run's own screen: when its connection ends before the run does, the run is stopped.
    Owner,
    /// Anybody else, with the pid of the asking process.
    Guest { pid: i32 },
}

/// From a front end to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ToServer {
    /// The first message.
    Hello {
        protocol: u32,
        role: Role,
    },
    /// From now on snapshots are pushed (when something changed, at most ten a second), and
    /// with `events` every event.
    Subscribe {
        snapshots: bool,
        #[serde(default)]
        events: bool,
    },
    Command {
        id: u64,
        command: Command,
    },
    Query {
        id: u64,
        query: Query,
    },
}

/// From the supervisor to a front end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ToClient {
    /// The answer to `Hello`.
    Hello {
        protocol: u32,
        info: Box<RunInfo>,
    },
    Snapshot {
        snapshot: Box<Snapshot>,
    },
    Event {
        event: Box<Event>,
    },
    /// To a `Command`.
    Answer {
        id: u64,
        answer: Answer,
    },
    /// To a `Query`.
    Reply {
        id: u64,
        reply: Box<Reply>,
    },
    /// The run has ended. Nothing more comes by itself, but questions are answered until the
    /// client hangs up: a front end that is behind asks for the output of the last jobs now.
    Bye {
        exit_code: i32,
        /// What could not be done at the end, such as writing the report.
        trouble: Option<String>,
    },
    /// The client's message was not understood; the connection ends.
    Error {
        error: String,
    },
}
