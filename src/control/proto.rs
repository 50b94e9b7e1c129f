//! The messages, one JSON object a line, and how they are written and read.

use crate::model::locks::{Given, Op, Refusal};
use crate::model::query::{Query, Reply};
use crate::model::{Answer, Command, Event, RunInfo, Snapshot, Text};
use serde::{Deserialize, Serialize};

/// Goes up with every change that an older client or supervisor would misread.
pub const PROTOCOL: u32 = 2;

/// Who the client is to the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "WrittenRole")]
pub enum Role {
    /// The run's own screen: when its connection ends before the run does, the run is stopped.
    Owner,
    /// Anybody else, with the pid of the asking process.
    Guest { pid: i32 },
    /// A process that uses the primitives that jobs share: `docs/protocol.md`.
    Client(ClientRole),
}

/// What such a process says of itself. Its pid comes from the socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRole {
    /// GANGER_JOB and GANGER_ATTEMPT, when it runs in a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// It takes things for a command that it runs, and gives them back when that has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub command: bool,
    /// What people are to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A role as it may be written: `"client"` is one without anything said.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenRole {
    Short(ShortRole),
    Full(FullRole),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShortRole {
    Owner,
    Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FullRole {
    Guest { pid: i32 },
    Client(ClientRole),
}

impl From<WrittenRole> for Role {
    fn from(written: WrittenRole) -> Role {
        match written {
            WrittenRole::Short(ShortRole::Owner) => Role::Owner,
            WrittenRole::Short(ShortRole::Client) => Role::Client(ClientRole::default()),
            WrittenRole::Full(FullRole::Guest { pid }) => Role::Guest { pid },
            WrittenRole::Full(FullRole::Client(client)) => Role::Client(client),
        }
    }
}

/// Another process that is to own what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerPid {
    pub pid: i32,
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
    /// Asks for something of a shared primitive; answered by `Got` with the same number, in any
    /// order.
    Ask {
        id: u64,
        /// Which thread asks, when threads are to own for themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<u64>,
        /// Who is to own what is got, if not the process that asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<OwnerPid>,
        #[serde(flatten)]
        op: Op,
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
    /// The answer to `Hello` of a [`Role::Client`].
    Welcome {
        protocol: u32,
        /// The run's id.
        run: String,
    },
    /// To an `Ask`.
    Got {
        id: u64,
        ok: bool,
        #[serde(flatten)]
        body: Got,
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

/// What an `Ask` got. `ok` of the message says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Got {
    /// First, since `Given` takes anything for `Nothing`.
    Refused(Refusal),
    Given(Given),
}

impl ToClient {
    /// The answer to the `Ask` of that number.
    pub fn got(id: u64, result: Result<Given, Refusal>) -> ToClient {
        match result {
            Ok(given) => ToClient::Got { id, ok: true, body: Got::Given(given) },
            Err(refusal) => ToClient::Got { id, ok: false, body: Got::Refused(refusal) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::locks::{Datum, Failure, LockState, LockStats, LockView};
    use serde_json::{Value, json};

    fn ask(text: &str) -> ToServer {
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn there_and_back(message: &ToClient) -> Value {
        let text = serde_json::to_string(message).unwrap();
        assert_eq!(&serde_json::from_str::<ToClient>(&text).unwrap(), message, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn roles_are_read_in_both_spellings() {
        let hello = |role: &str| ask(&format!(r#"{{"type":"hello","protocol":2,"role":{role}}}"#));
        let said = ClientRole { job: Some(17), attempt: Some(1), ..ClientRole::default() };
        let said = ClientRole { label: Some("index.py".into()), ..said };
        for (text, role) in [
            (r#""client""#, Role::Client(ClientRole::default())),
            (r#"{"client":{}}"#, Role::Client(ClientRole::default())),
            (r#"{"client":{"job":17,"attempt":1,"label":"index.py"}}"#, Role::Client(said)),
            (r#"{"guest":{"pid":9}}"#, Role::Guest { pid: 9 }),
            (r#""owner""#, Role::Owner),
        ] {
            assert_eq!(hello(text), ToServer::Hello { protocol: PROTOCOL, role: role.clone() });
            let written = serde_json::to_string(&role).unwrap();
            assert_eq!(serde_json::from_str::<Role>(&written).unwrap(), role);
        }
    }

    #[test]
    fn every_request_of_the_page_is_read() {
        let page = include_str!("../../docs/protocol.md");
        let lines: Vec<&str> =
            page.lines().filter(|line| line.starts_with(r#"{"type":"ask""#)).collect();
        assert!(lines.len() > 30, "only {} requests in docs/protocol.md", lines.len());
        for line in lines {
            let message = ask(line);
            let again: ToServer =
                serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
            assert_eq!(again, message, "{line}");
        }
        let answers = page.lines().filter(|line| line.starts_with(r#"{"type":"got""#));
        for line in answers {
            let read: ToClient = serde_json::from_str(line).unwrap();
            let read_back = there_and_back(&read);
            assert_eq!(read_back, serde_json::from_str::<Value>(line).unwrap());
        }
    }

    #[test]
    fn answers_say_what_they_are_by_their_fields() {
        let view = LockView {
            name: "api".into(),
            state: LockState::Semaphore { value: 1, max: 3 },
            holders: Vec::new(),
            waiters: Vec::new(),
            n_waiters: 0,
            stats: LockStats::default(),
        };
        for given in [
            Given::Locks { owner_died: vec!["db".into()] },
            Given::Woken { woken: 2 },
            Given::Turn { index: 0, act: false },
            Given::Items { items: vec![Text(vec![255]), "a".into()], tickets: vec![7, 8] },
            Given::Len { len: 1, max: None, closed: false },
            Given::IsSet { is_set: true },
            Given::Value { value: Datum::Number(-4) },
            Given::Entries { entries: vec![("k".into(), Datum::Text("v".into()))] },
            Given::Table { locks: vec![view] },
            Given::Nothing {},
        ] {
            there_and_back(&ToClient::got(3, Ok(given)));
        }
        let refusal = Refusal::new(Failure::NotOwner, "pid 7 does not hold `db`");
        let said = there_and_back(&ToClient::got(3, Err(refusal)));
        assert_eq!(
            said,
            json!({"type": "got", "id": 3, "ok": false, "error": "not_owner",
                   "text": "pid 7 does not hold `db`"})
        );
    }
}
