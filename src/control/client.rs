//! The client half: blocking, for front ends with threads of their own.

use super::proto::{Got, PROTOCOL, Role, ToClient, ToServer};
use crate::model::limits::FRAME_BYTES;
use crate::model::locks::Op;
use crate::model::query::{Query, Reply};
use crate::model::{Answer, Command, RunInfo};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Why a front end cannot talk to a run.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot reach the supervisor at {path}: {error}")]
    Unreachable { path: String, error: std::io::Error },
    #[error("the supervisor speaks protocol {theirs}, this ganger speaks {PROTOCOL}")]
    Protocol { theirs: u32 },
    #[error("the supervisor refused: {0}")]
    Refused(String),
    #[error("the connection to the supervisor broke: {0}")]
    Broken(std::io::Error),
    #[error("the supervisor ended without a word")]
    Gone,
    #[error("the run has ended")]
    Over,
    #[error("the supervisor sent something that is no message: {0}")]
    Garbage(String),
}

/// Sends messages; may be cloned into other threads.
pub struct Sender {
    stream: UnixStream,
}

/// Receives messages.
pub struct Receiver {
    reader: BufReader<UnixStream>,
    line: Vec<u8>,
}

/// Connects to a run and says hello.
///
/// # Errors
/// When nobody listens at `socket`, or the other side speaks another protocol.
pub fn connect(socket: &Path, role: Role) -> Result<(Sender, Receiver, RunInfo), ClientError> {
    let unreachable =
        |error| ClientError::Unreachable { path: socket.display().to_string(), error };
    greet(UnixStream::connect(socket).map_err(unreachable)?, role)
}

/// Says hello over a connection that is there already.
///
/// # Errors
/// When the other side is gone or speaks another protocol.
pub fn greet(stream: UnixStream, role: Role) -> Result<(Sender, Receiver, RunInfo), ClientError> {
    let mut receiver = Receiver {
        reader: BufReader::with_capacity(1 << 16, stream.try_clone().map_err(ClientError::Broken)?),
        line: Vec::new(),
    };
    let mut sender = Sender { stream };
    sender.send(&ToServer::Hello { protocol: PROTOCOL, role })?;
    match receiver.receive()? {
        ToClient::Hello { protocol, info } if protocol == PROTOCOL => Ok((sender, receiver, *info)),
        ToClient::Hello { protocol, .. } => Err(ClientError::Protocol { theirs: protocol }),
        ToClient::Error { error } => Err(ClientError::Refused(error)),
        other => Err(ClientError::Garbage(format!("{other:?}"))),
    }
}

impl Sender {
    /// Sends one message.
    ///
    /// # Errors
    /// When the supervisor is gone.
    pub fn send(&mut self, message: &ToServer) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(message).map_err(|e| ClientError::Broken(e.into()))?;
        line.push(b'\n');
        self.stream.write_all(&line).map_err(ClientError::Broken)
    }

    /// Returns a second sender for the same connection.
    ///
    /// # Errors
    /// When no file descriptor is left.
    pub fn try_clone(&self) -> Result<Sender, ClientError> {
        Ok(Sender { stream: self.stream.try_clone().map_err(ClientError::Broken)? })
    }
}

impl Receiver {
    /// Waits for the next message.
    ///
    /// # Errors
    /// When the connection ended or what came is no message.
    pub fn receive(&mut self) -> Result<ToClient, ClientError> {
        self.line.clear();
        let limit = FRAME_BYTES as u64;
        let n = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut self.line)
            .map_err(ClientError::Broken)?;
        if n == 0 {
            return Err(ClientError::Gone);
        }
        serde_json::from_slice(&self.line).map_err(|e| ClientError::Garbage(e.to_string()))
    }
}

/// Asks one thing at a time, for verbs such as `ganger status`.
pub struct Asker {
    sender: Sender,
    receiver: Receiver,
    next_id: u64,
}

impl Asker {
    /// Connects as a guest.
    ///
    /// # Errors
    /// As [`connect`].
    pub fn connect(socket: &Path) -> Result<(Asker, RunInfo), ClientError> {
        let pid = std::process::id().cast_signed();
        let (sender, receiver, info) = connect(socket, Role::Guest { pid })?;
        Ok((Asker { sender, receiver, next_id: 1 }, info))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// When the connection ends before the answer.
    pub fn command(&mut self, command: Command) -> Result<Answer, ClientError> {
        let id = self.id();
        self.sender.send(&ToServer::Command { id, command })?;
        loop {
            match self.receiver.receive()? {
                ToClient::Answer { id: of, answer } if of == id => return Ok(answer),
                ToClient::Error { error } => return Err(ClientError::Refused(error)),
                ToClient::Bye { .. } => return Err(ClientError::Gone),
                _ => {}
            }
        }
    }

    /// Asks a question and waits for its reply.
    ///
    /// # Errors
    /// When the connection ends before the reply.
    pub fn query(&mut self, query: Query) -> Result<Reply, ClientError> {
        let id = self.id();
        self.sender.send(&ToServer::Query { id, query })?;
        loop {
            match self.receiver.receive()? {
                ToClient::Reply { id: of, reply } if of == id => return Ok(*reply),
                ToClient::Error { error } => return Err(ClientError::Refused(error)),
                ToClient::Bye { .. } => return Err(ClientError::Gone),
                _ => {}
            }
        }
    }

    /// Asks something of shared primitives and waits for what it got.
    ///
    /// # Errors
    /// When the connection ends before the answer.
    pub fn ask(&mut self, op: Op) -> Result<Got, ClientError> {
        let id = self.id();
        self.sender.send(&ToServer::Ask { id, thread: None, owner: None, op })?;
        loop {
            match self.receiver.receive()? {
                ToClient::Got { id: of, body, .. } if of == id => return Ok(body),
                ToClient::Error { error } => return Err(ClientError::Refused(error)),
                ToClient::Bye { .. } => return Err(ClientError::Over),
                _ => {}
            }
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
