//! Requests for the primitives that jobs share: from clients into the engine, and back.

use super::cells::Passed;
use super::history::StateNames;
use super::{Message, Supervisor};
use crate::broker::{Claim, Ended};
use crate::clock;
use crate::control::peer::Peer;
use crate::control::proto::{OwnerPid, Role, ToClient};
use crate::control::server::ClientId;
use crate::engine::{Attempt, Input, State};
use crate::model::locks::{Failure, Given, LockChange, Op, Refusal, WaitFor};
use crate::model::sentence::{self, Names};
use crate::model::waits::SharedWaits;
use crate::model::{AttemptId, Mono, ProcRef};

impl From<Ended> for Message {
    fn from(Ended(proc): Ended) -> Message {
        Message::ProcessEnded(proc)
    }
}

/// What an attempt waits for, in words.
pub(super) fn wait_for(state: &State, attempt: AttemptId) -> Option<WaitFor> {
    let wait = state.locks().wait_of(attempt)?;
    // Of several the one that somebody has says most.
    let names = match (wait.names, wait.blocked) {
        ([_, rest @ ..], Some(blocked)) if !rest.is_empty() => {
            format!("{blocked} +{}", rest.len())
        }
        (names, _) => names.join("+"),
    };
    let what = match wait.wants {
        "exclusive" | "shared" | "permits" => names,
        "set" => format!("event {names}"),
        "notify" => format!("condition {names}"),
        "parties" => format!("barrier {names}"),
        // `put`, `get`, `join`
        verb => format!("{verb} {names}"),
    };
    let job = wait.holder.as_ref().and_then(|party| party.job());
    let words = |party| match job {
        Some(job) => StateNames(state).job(job),
        None => sentence::party(&StateNames(state), party),
    };
    Some(WaitFor {
        what,
        holder: wait.holder.as_ref().map(words),
        holder_job: job,
        since: wait.since,
        in_circle: state.deadlocks().iter().any(|deadlock| deadlock.waits.contains(&wait.no)),
    })
}

/// A request as it was sent.
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) thread: Option<u64>,
    pub(super) owner: Option<OwnerPid>,
    pub(super) op: Op,
}

impl Supervisor {
    /// Takes in who is at the other end of a connection.
    pub(super) fn meet(&mut self, client: ClientId, role: &Role, peer: Peer) {
        let claim = match role {
            Role::Client(said) => Claim {
                command: said.command,
                ..Claim::new(said.job, said.attempt, said.label.as_deref())
            },
            Role::Owner | Role::Guest { .. } => Claim::default(),
        };
        self.broker.join(client, peer.pid, peer.pidfd, claim);
    }

    /// Asks the engine, which may answer later.
    pub(super) fn ask_shared(&mut self, client: ClientId, request: Request) {
        let Request { id, thread, owner, op } = request;
        if self.exit_code.is_some() {
            let over = Refusal::new(Failure::Closed, "the run has ended");
            return self.refuse_shared(client, id, over);
        }
        let state = self.engine.state();
        let is_running =
            |claimed: AttemptId| state.attempt(claimed.job).is_some_and(|a| a.id == claimed);
        let party = self.broker.party(client, thread, owner.map(|owner| owner.pid), is_running);
        let table = state.locks();
        match party {
            Err(refusal) => self.refuse_shared(client, id, refusal),
            Ok(party) => match self.cells.ask(table, client, id, party, op, clock::mono()) {
                Ok(Passed::On(changes)) => self.input(Input::Locks(changes)),
                Ok(Passed::Answered(given, fd)) => {
                    self.broker.answered(client);
                    self.clients.send_with(client, &ToClient::got(id, Ok(given)), fd);
                }
                Err(refusal) => {
                    self.broker.answered(client);
                    self.refuse_shared(client, id, refusal);
                }
            },
        }
    }

    /// Closes the cells of what jobs wait for.
    pub(super) fn close_cells(&mut self) {
        while !self.to_close.is_empty() {
            let names = std::mem::take(&mut self.to_close);
            let changes = self.cells.look(self.engine.state().locks(), &names, clock::mono());
            self.found_in_cells(changes);
        }
    }

    /// Looks at cells whose time has come.
    pub(super) fn look_at_cells(&mut self, now: Mono) {
        let state = self.engine.state();
        let warn = state.schedule().shared.hold_warn;
        let changes = self.cells.look_again(state.locks(), now, warn);
        self.found_in_cells(changes);
    }

    fn found_in_cells(&mut self, changes: Vec<LockChange>) {
        if !changes.is_empty() {
            self.input(Input::Locks(changes));
        }
    }

    fn refuse_shared(&mut self, client: ClientId, id: u64, refusal: Refusal) {
        self.clients.send(client, &ToClient::got(id, Err(refusal)));
    }

    /// Passes the engine's answer on.
    pub(super) fn tell_shared(
        &mut self,
        client: ClientId,
        id: u64,
        mut result: Result<Given, Refusal>,
    ) {
        self.broker.answered(client);
        if let Ok(Given::Table { locks }) = &mut result {
            let table = self.engine.state().locks();
            locks.iter_mut().for_each(|view| self.cells.complete(table, view));
        }
        self.clients.send(client, &ToClient::got(id, result));
    }

    /// Who waits for what jobs share.
    pub(super) fn shared_waits(&self) -> SharedWaits {
        let state = self.engine.state();
        let leader = |attempt: &Attempt| attempt.proc().map(|proc| (attempt.id, proc));
        SharedWaits {
            supervisor: std::process::id().cast_signed(),
            attempts: state.attempts_running().filter_map(leader).collect(),
            waits: state.locks().wait_facts(),
        }
    }

    /// A connection has ended: nobody is there to hear what it waits for.
    pub(super) fn part(&mut self, client: ClientId) {
        if self.broker.leave(client) {
            self.cells.left(client);
            self.input(Input::Locks(vec![LockChange::Left { client }]));
        }
    }

    /// A process that asked for something, or was to own something, has ended.
    pub(super) fn process_ended(&mut self, proc: ProcRef) {
        self.broker.ended(proc);
        let table = self.engine.state().locks();
        let changes = self.cells.ended(table, proc, clock::mono());
        self.input(Input::Locks(changes));
    }
}
