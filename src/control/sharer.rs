//! The client half for shared primitives: blocking, one request at a time.

use super::client::ClientError;
use super::proto::{ClientRole, Got, OwnerPid, PROTOCOL, Role, ToClient, ToServer};
use crate::model::locks::{Given, Op, Refusal};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A connection of a process that shares primitives.
pub struct Sharer {
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
    next_id: u64,
    /// The run's id.
    pub run: String,
}

impl Sharer {
    /// Connects to a run and says hello.
    ///
    /// # Errors
    /// When nobody listens at `socket`, or the other side refuses or speaks another protocol.
    pub fn connect(socket: &Path, role: ClientRole) -> Result<Sharer, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|error| ClientError::Unreachable {
            path: socket.display().to_string(),
            error,
        })?;
        let mut sharer = Sharer {
            stream: BufReader::new(stream),
            line: Vec::new(),
            next_id: 0,
            run: String::new(),
        };
        sharer.say(&ToServer::Hello { protocol: PROTOCOL, role: Role::Client(role) })?;
        match sharer.hear()? {
            ToClient::Welcome { protocol, run } if protocol == PROTOCOL => {
                sharer.run = run;
                Ok(sharer)
            }
            ToClient::Welcome { protocol, .. } => Err(ClientError::Protocol { theirs: protocol }),
            ToClient::Error { error } => Err(ClientError::Refused(error)),
            other => Err(ClientError::Garbage(format!("{other:?}"))),
        }
    }

    /// Asks for something and waits for the answer.
    ///
    /// # Errors
    /// When the connection ends before the answer: the supervisor died, or the run is over.
    pub fn ask(&mut self, op: Op) -> Result<Result<Given, Refusal>, ClientError> {
        self.ask_for(None, op)
    }

    /// Asks for something that another process is to own, and waits for the answer.
    ///
    /// # Errors
    /// As [`Sharer::ask`].
    pub fn ask_for(
        &mut self,
        owner: Option<OwnerPid>,
        op: Op,
    ) -> Result<Result<Given, Refusal>, ClientError> {
        self.next_id += 1;
        let id = self.next_id;
        self.say(&ToServer::Ask { id, thread: None, owner, op })?;
        loop {
            match self.hear()? {
                ToClient::Got { id: of, body, .. } if of == id => {
                    return Ok(match body {
                        Got::Given(given) => Ok(given),
                        Got::Refused(refusal) => Err(refusal),
                    });
                }
                ToClient::Error { error } => return Err(ClientError::Refused(error)),
                ToClient::Bye { .. } => return Err(ClientError::Over),
                _ => {}
            }
        }
    }

    fn say(&mut self, message: &ToServer) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(message).map_err(|e| ClientError::Broken(e.into()))?;
        line.push(b'\n');
        // A supervisor that refuses says why before it hangs up: read on.
        match self.stream.get_mut().write_all(&line) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(ClientError::Broken(e)),
            _ => Ok(()),
        }
    }

    fn hear(&mut self) -> Result<ToClient, ClientError> {
        self.line.clear();
        match self.stream.read_until(b'\n', &mut self.line) {
            Ok(0) => Err(ClientError::Gone),
            // A supervisor that was killed leaves what it had not read behind.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => Err(ClientError::Gone),
            Err(e) => Err(ClientError::Broken(e)),
            Ok(_) => {
                serde_json::from_slice(&self.line).map_err(|e| ClientError::Garbage(e.to_string()))
            }
        }
    }
}
