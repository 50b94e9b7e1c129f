//! The messages, one JSON object a line, and how they are written and read.

use crate::model::query::{Query, Reply};
use crate::model::{Answer, Command, Event, RunInfo, Snapshot, Text};
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
    ///
    /// Whoever asks for events when the run has begun gets first what names its jobs:
    /// `RunStarted`, then for each task whose inputs have been read `JobsAdded` or
    /// `InputsFailed`. What else has happened is in snapshots and in answers to queries.
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
    /// The run's own screen got this signal, or its terminal went away (SIGHUP), and it leaves.
    /// The run ends as if its supervisor had got the signal. Nobody else may say so.
    Signalled {
        signal: i32,
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
        /// The values of the job, for events that begin an attempt or end a job.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        inputs: Vec<(String, Text)>,
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
