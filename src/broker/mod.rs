//! Who asks for the primitives that jobs share, and whether they still live.
//!
//! A connection stands for the process that opened it ([`crate::control`] hears it from the
//! kernel); that process, told apart from others with its pid by its start time, owns what it
//! takes. Each is watched through a pidfd from its first request on, so that its end is known at
//! once. Talks to the supervisor only, and decides nothing: who gets what is the engine's.

mod alone;
mod memory;
mod process;
mod words;

use crate::model::limits::{ASKS_IN_FLIGHT, LABEL_BYTES};
use crate::model::locks::{ClientNo, Failure, Party, Refusal};
use crate::model::{AttemptId, JobNo, ProcRef};
pub use alone::{has_only_children, only_waits};
pub use memory::Memory;
use process::Known;
pub use process::proc_of;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// A watched process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended(pub ProcRef);

/// What a client says of itself; nothing of it is believed unseen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub attempt: Option<AttemptId>,
    pub label: Option<Arc<str>>,
    /// It keeps what it takes for a command that it runs.
    pub command: bool,
}

impl Claim {
    /// From GANGER_JOB, GANGER_ATTEMPT and a name.
    pub fn new(job: Option<u32>, attempt: Option<u32>, label: Option<&str>) -> Claim {
        let attempt = job.map(|job| AttemptId { job: JobNo(job), n: attempt.unwrap_or_default() });
        let label = label.map(|label| Arc::from(&label[..label.floor_char_boundary(LABEL_BYTES)]));
        Claim { attempt, label, command: false }
    }

    /// A claim that holds, or a label that says what was claimed.
    fn checked(&self, is_running: impl Fn(AttemptId) -> bool) -> Claim {
        match self.attempt {
            Some(attempt) if !is_running(attempt) => {
                let label = self.label.clone().unwrap_or_else(|| attempt.to_string().into());
                Claim { attempt: None, label: Some(label), command: self.command }
            }
            _ => self.clone(),
        }
    }
}

/// The process at the other end of a connection.
#[derive(Debug)]
enum Asker {
    /// It has asked for nothing yet: its pid, and its pidfd where the kernel gives one.
    Unseen(i32, Option<OwnedFd>),
    Alive(ProcRef),
    Ended(i32),
}

#[derive(Debug)]
struct Client {
    asker: Asker,
    claim: Claim,
    /// Requests without an answer.
    in_flight: usize,
}

/// All who ask.
pub struct Broker<M> {
    clients: HashMap<ClientNo, Client>,
    /// Until they end, whether they are connected or not: they may hold something.
    watched: HashMap<ProcRef, AbortHandle>,
    to: mpsc::Sender<M>,
}

impl<M: From<Ended> + Send + 'static> Broker<M> {
    /// Nobody yet. Ends of processes go to `to`.
    pub fn new(to: mpsc::Sender<M>) -> Broker<M> {
        Broker { clients: HashMap::new(), watched: HashMap::new(), to }
    }

    /// Takes in a connection.
    pub fn join(&mut self, client: ClientNo, pid: i32, pidfd: Option<OwnedFd>, claim: Claim) {
        let asker = Asker::Unseen(pid, pidfd);
        self.clients.insert(client, Client { asker, claim, in_flight: 0 });
    }

    /// Forgets a connection; `true` when it has asked for something.
    pub fn leave(&mut self, client: ClientNo) -> bool {
        self.clients
            .remove(&client)
            .is_some_and(|client| !matches!(client.asker, Asker::Unseen(..)))
    }

    /// Says who is to own what a client asks for: the process at the other end, or `owner`.
    ///
    /// # Errors
    /// When that process has ended, belongs to another user or cannot be watched, or when the
    /// client has too many requests in flight.
    pub fn party(
        &mut self,
        client: ClientNo,
        thread: Option<u64>,
        owner: Option<i32>,
        is_running: impl Fn(AttemptId) -> bool,
    ) -> Result<Party, Refusal> {
        let Some(known) = self.clients.get_mut(&client) else {
            return Err(Refusal::new(Failure::Invalid, "this connection has no process behind it"));
        };
        if known.in_flight >= ASKS_IN_FLIGHT {
            let text = format!("{ASKS_IN_FLIGHT} requests of this connection have no answer yet");
            return Err(Refusal::new(Failure::TooLarge, text));
        }
        let claim = known.claim.checked(is_running);
        let asker = std::mem::replace(&mut known.asker, Asker::Ended(0));
        let (asker, own) = self.identified(asker);
        let proc = match owner {
            None => own,
            Some(pid) => process::of_same_user(pid).and_then(|known| self.watch(known)),
        };
        if let Some(known) = self.clients.get_mut(&client) {
            known.asker = asker;
            known.in_flight += usize::from(proc.is_ok());
        }
        let Claim { attempt, label, command } = claim;
        // Another process is not called like this one, and runs no command for it.
        let own = owner.is_none();
        let label = label.filter(|_| own);
        Ok(Party { proc: Some(proc?), thread, attempt, label, command: command && own })
    }

    /// A request has been answered.
    pub fn answered(&mut self, client: ClientNo) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.in_flight = client.in_flight.saturating_sub(1);
        }
    }

    /// A watched process has ended: its connections ask for nothing any more.
    pub fn ended(&mut self, proc: ProcRef) {
        self.watched.remove(&proc);
        for client in self.clients.values_mut() {
            if matches!(client.asker, Asker::Alive(of) if of == proc) {
                client.asker = Asker::Ended(proc.pid);
            }
        }
    }

    fn identified(&mut self, asker: Asker) -> (Asker, Result<ProcRef, Refusal>) {
        match asker {
            Asker::Alive(proc) => (Asker::Alive(proc), Ok(proc)),
            Asker::Ended(pid) => (Asker::Ended(pid), Err(process::has_ended(pid))),
            Asker::Unseen(pid, pidfd) => {
                let known = process::behind(pid, pidfd);
                match known.and_then(|known| self.watch(known)) {
                    Ok(proc) => (Asker::Alive(proc), Ok(proc)),
                    Err(refusal) if refusal.error == Failure::Gone => {
                        (Asker::Ended(pid), Err(refusal))
                    }
                    // Out of descriptors: the next request may have more luck.
                    Err(refusal) => (Asker::Unseen(pid, None), Err(refusal)),
                }
            }
        }
    }

    fn watch(&mut self, known: Known) -> Result<ProcRef, Refusal> {
        let Known { proc, pidfd } = known;
        if self.watched.contains_key(&proc) {
            return Ok(proc);
        }
        // SAFETY: the `AsyncFd` owns the descriptor, which nobody else closes or replaces.
        let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }
            .map_err(|e| process::unwatchable(proc.pid, &e.into()))?;
        let to = self.to.clone();
        let watching = tokio::spawn(async move {
            if pidfd.readable().await.is_ok() {
                let _supervisor_may_be_gone = to.send(Ended(proc).into()).await;
            }
        });
        self.watched.insert(proc, watching.abort_handle());
        Ok(proc)
    }
}

impl<M> Drop for Broker<M> {
    fn drop(&mut self) {
        self.watched.values().for_each(AbortHandle::abort);
    }
}

#[cfg(test)]
mod tests;
