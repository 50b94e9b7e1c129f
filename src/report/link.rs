//! The way to the supervisor: in the same process, or over its socket.

use crate::clock;
use crate::control::client::{Receiver, Sender};
use crate::control::proto::{ToClient, ToServer};
use crate::model::Mono;
use crate::model::query::{Query, Reply};
use std::collections::VecDeque;
use std::sync::mpsc;
use std::time::Duration;

/// The supervisor is gone without a `Bye`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the supervisor ended without a word")]
pub struct Gone;

/// A connection to a supervisor, already past its hello.
///
/// A front end may be behind: it asks for the output of jobs after the run has ended. So the
/// supervisor answers questions after its `Bye`, until the front end hangs up.
pub trait Link {
    /// Sends a message.
    ///
    /// # Errors
    /// When the supervisor is gone.
    fn send(&mut self, message: ToServer) -> Result<(), Gone>;

    /// Waits for the next message, `None` when none came in time.
    ///
    /// # Errors
    /// When the supervisor is gone and nothing of what it said is left.
    fn receive(&mut self, wait: Duration) -> Result<Option<ToClient>, Gone>;
}

/// How soon one batch of messages may follow another before the next are left to gather.
const HURRY: Duration = Duration::from_millis(2);
/// So many that follow each other closely: a wake-up for each would take the cores from the jobs.
/// A run of a few jobs has fewer, and nobody waits for its end.
const CLOSE: u32 = 50;
/// How long they gather: too short to be seen, and long beside what it costs to wake up.
const GATHER: Duration = Duration::from_millis(8);

/// A link made of two channels, for a supervisor in the same process.
pub struct ChannelLink<F> {
    send: F,
    receive: mpsc::Receiver<Vec<ToClient>>,
    /// What came and has not been asked for.
    came: VecDeque<ToClient>,
    came_at: Mono,
    /// Batches that have followed each other closely.
    n_close: u32,
}

impl<F: FnMut(ToServer) -> bool> ChannelLink<F> {
    /// `send` hands a message to the supervisor, `false` when it is gone; `receive` brings what
    /// the supervisor says.
    pub fn new(send: F, receive: mpsc::Receiver<Vec<ToClient>>) -> ChannelLink<F> {
        ChannelLink { send, receive, came: VecDeque::new(), came_at: Mono(0), n_close: 0 }
    }

    /// Takes what has come, and waits when nothing has.
    fn take(&mut self, wait: Duration) -> Result<(), mpsc::RecvTimeoutError> {
        let is_busy = self.n_close >= CLOSE;
        if is_busy {
            clock::pause(GATHER);
        }
        let batch = self.receive.recv_timeout(wait)?;
        self.came.extend(batch);
        self.came.extend(self.receive.try_iter().flatten());
        let now = clock::mono();
        let is_soon = now.since(self.came_at) < if is_busy { GATHER * 2 } else { HURRY };
        self.n_close = if is_soon { self.n_close.saturating_add(1) } else { 0 };
        self.came_at = now;
        Ok(())
    }
}

impl<F: FnMut(ToServer) -> bool> Link for ChannelLink<F> {
    fn send(&mut self, message: ToServer) -> Result<(), Gone> {
        // Whoever asks waits for the answer.
        self.n_close = 0;
        if (self.send)(message) { Ok(()) } else { Err(Gone) }
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<ToClient>, Gone> {
        if self.came.is_empty() {
            match self.take(wait) {
                Ok(()) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => return Ok(None),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Gone),
            }
        }
        Ok(self.came.pop_front())
    }
}

/// A link over a run's socket.
pub struct SocketLink {
    sender: Sender,
    receive: mpsc::Receiver<ToClient>,
}

impl SocketLink {
    /// Starts a thread that reads the socket, so that waiting can end.
    pub fn new(sender: Sender, mut receiver: Receiver) -> SocketLink {
        let (to, receive) = mpsc::sync_channel(1024);
        std::thread::spawn(move || {
            while let Ok(message) = receiver.receive() {
                if to.send(message).is_err() {
                    break;
                }
            }
        });
        SocketLink { sender, receive }
    }
}

impl Link for SocketLink {
    fn send(&mut self, message: ToServer) -> Result<(), Gone> {
        self.sender.send(&message).map_err(|_| Gone)
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<ToClient>, Gone> {
        match self.receive.recv_timeout(wait) {
            Ok(message) => Ok(Some(message)),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Gone),
        }
    }
}

/// How long a reply may take before a question is given up: a supervisor that does not answer
/// for so long is stuck, and the front end should still show what it has.
const PATIENCE: Duration = Duration::from_secs(30);

/// Questions and messages over one link, kept apart.
pub(super) struct Talk<'a> {
    link: &'a mut dyn Link,
    /// Messages that came while a reply was awaited.
    waiting: VecDeque<ToClient>,
    next_id: u64,
}

impl<'a> Talk<'a> {
    /// Subscribes to snapshots and events.
    pub(super) fn begin(link: &'a mut dyn Link) -> Result<Talk<'a>, Gone> {
        link.send(ToServer::Subscribe { snapshots: true, events: true })?;
        Ok(Talk { link, waiting: VecDeque::new(), next_id: 1 })
    }

    /// Returns the next message that is no reply.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<ToClient>, Gone> {
        match self.waiting.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.link.receive(wait),
        }
    }

    /// Asks and waits for the reply; `None` when there will be none.
    pub(super) fn ask(&mut self, query: Query) -> Option<Reply> {
        self.next_id += 1;
        let id = self.next_id;
        self.link.send(ToServer::Query { id, query }).ok()?;
        loop {
            match self.link.receive(PATIENCE).ok()?? {
                ToClient::Reply { id: of, reply } if of == id => return Some(*reply),
                // A `Bye` may already be under way when the last jobs' output is asked for.
                message => self.waiting.push_back(message),
            }
        }
    }
}
