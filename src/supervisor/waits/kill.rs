//! What a kill of attempts would do to those who wait: looked at on a thread of its own, since
//! nothing may wait for other processes.

use super::{Message, Supervisor, complete};
use crate::control::proto::ToClient;
use crate::model::query::Reply;
use crate::model::waits::preview::Preview;
use crate::model::{AttemptId, ProcRef};
use crate::probe::waits::{Root, Tracker};
use crate::supervisor::xray::{Proof, look_at};
use crate::xray;
use std::time::Duration;

/// How long is looked for somebody who is stuck: a person waits for the answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// An answer, and whose it is.
pub struct Previewed {
    client: u64,
    id: u64,
    preview: Preview,
}

impl Supervisor {
    /// Answers, in a while, what a kill of these attempts would do.
    pub(in crate::supervisor) fn preview_kill(
        &mut self,
        client: u64,
        id: u64,
        attempts: Vec<AttemptId>,
    ) {
        if let Some(why) = self.publisher.waits.why_not.clone() {
            let reply = Box::new(Reply::Refused { error: why });
            return self.clients.send(client, &ToClient::Reply { id, reply });
        }
        let roots = roots(self.engine.state());
        let queue = self.queue.clone();
        tokio::task::spawn_blocking(move || {
            let mut tracker = Tracker::new();
            tracker.set_roots(roots);
            let mut complete = complete(queue.clone());
            let proof = look_at(&mut tracker, &mut |look| complete(look), PATIENCE);
            let preview = of_attempts(&proof, &attempts);
            drop(queue.blocking_send(Message::Previewed(Previewed { client, id, preview })));
        });
    }

    pub(in crate::supervisor) fn previewed(&mut self, previewed: Previewed) {
        let Previewed { client, id, preview } = previewed;
        let reply = Box::new(Reply::KillPreview { preview: Box::new(preview) });
        self.clients.send(client, &ToClient::Reply { id, reply });
    }
}

/// A kill takes the whole tree of an attempt.
fn of_attempts(proof: &Proof, attempts: &[AttemptId]) -> Preview {
    let processes = proof.second.processes.iter();
    let dies = processes.filter(|p| p.attempt.is_some_and(|attempt| attempts.contains(&attempt)));
    let victims: Vec<ProcRef> = dies.map(|process| process.proc).collect();
    xray::preview(&proof.first, &proof.second, &victims)
}

/// The trees of all running attempts.
pub(super) fn roots(state: &crate::engine::State) -> Vec<Root> {
    let root = |a: &crate::engine::Attempt| Some(Root { proc: a.proc()?, attempt: Some(a.id) });
    state.attempts_running().filter_map(root).collect()
}
