//! Events, conditions and barriers: waits that others end.

use super::{Back, Kind, LockTable, Relock, Request, Result, WaitNo, Want};
use crate::model::locks::{Failure, Given, LockKind, Name, Op, Refusal};

impl LockTable {
    // ---- events

    pub(super) fn event(
        &mut self,
        op: &Op,
        request: &dyn Fn(Option<u64>) -> Request,
    ) -> Result<Option<Given>> {
        let (Op::EventSet { name }
        | Op::EventClear { name }
        | Op::EventIsSet { name }
        | Op::EventWait { name, .. }) = op
        else {
            return Ok(None);
        };
        let thing = self.thing(name, || Kind::Event { set: false })?;
        let word = thing.word();
        let Kind::Event { set } = &mut thing.kind else {
            let text = format!("`{name}` is a {word}, not an event");
            return Err(Refusal::new(Failure::WrongKind, text));
        };
        Ok(Some(match op {
            Op::EventSet { .. } => {
                *set = true;
                Given::Woken { woken: self.grant_all(name, |_| true) }
            }
            Op::EventClear { .. } => {
                *set = false;
                Given::Nothing {}
            }
            Op::EventWait { timeout_ms, .. } => {
                return self.enlist(request(*timeout_ms), Want::Set { name: name.clone() });
            }
            _ => Given::IsSet { is_set: *set },
        }))
    }

    // ---- conditions

    fn condition(&mut self, name: &Name) -> Result<()> {
        let thing = self.thing(name, || Kind::Condition)?;
        match thing.kind {
            Kind::Condition => Ok(()),
            _ => {
                let text = format!("`{name}` is a {}, not a condition", thing.word());
                Err(Refusal::new(Failure::WrongKind, text))
            }
        }
    }

    pub(super) fn condition_wait(
        &mut self,
        request: Request,
        name: &Name,
        lock: Option<&Name>,
    ) -> Result<Option<Given>> {
        self.condition(name)?;
        let owner = request.party.owner();
        let relock = match lock {
            None => None,
            Some(lock) => {
                let is_lock = |t: &&super::Thing| matches!(t.kind, Kind::Lock { .. });
                let holds = self.things.get(lock).filter(is_lock).map(|t| t.holds.as_slice());
                let held = holds.unwrap_or_default().iter().find(|h| h.party.owner() == owner);
                let Some(hold) = held else {
                    let text = format!("{} does not hold `{lock}`", request.party);
                    return Err(Refusal::new(Failure::NotOwner, text));
                };
                Some(Relock { name: lock.clone(), count: hold.count, shared: hold.shared })
            }
        };
        // A wait that is not to wait keeps its lock.
        if request.timeout_ms == Some(0) {
            let text = format!("nobody has notified `{name}`");
            return Err(Refusal::new(Failure::Timeout, text));
        }
        let want = Want::Notify { condition: name.clone(), lock: relock.clone() };
        self.enlist(request, want)?;
        if let Some(relock) = relock {
            self.give_back_for(&relock.name, owner);
        }
        Ok(None)
    }

    pub(super) fn condition_notify(&mut self, name: &Name, n: Option<u32>) -> Result<Given> {
        self.condition(name)?;
        Ok(Given::Woken { woken: self.wake_some(name, n.unwrap_or(u32::MAX)) })
    }

    /// Wakes the sleepers that have slept longest; returns how many.
    pub(super) fn wake_some(&mut self, name: &Name, n: u32) -> u32 {
        let Some(thing) = self.things.get(name) else { return 0 };
        let sleepers: Vec<WaitNo> = thing.queue.iter().copied().take(n as usize).collect();
        for no in &sleepers {
            let lock = match self.waits.get(no).map(|wait| &wait.want) {
                Some(Want::Notify { lock, .. }) => lock.clone(),
                _ => None,
            };
            match lock {
                Some(lock) => self.wake(*no, name, lock, Ok(Given::Nothing {})),
                None => self.finish(*no, Ok(Given::Nothing {})),
            }
        }
        sleepers.len() as u32
    }

    /// Sends a sleeper to the end of the queue for its lock; it is answered when it has it.
    pub(super) fn wake(
        &mut self,
        no: WaitNo,
        condition: &Name,
        lock: Relock,
        result: Result<Given>,
    ) {
        let Some(mut wait) = self.remove(no) else { return };
        let Relock { name, count, shared } = lock;
        let back = Back { condition: condition.clone(), count, result };
        wait.until = None;
        wait.own_timeout = false;
        wait.want = Want::Locks {
            names: vec![name.clone()],
            kind: LockKind::Lock,
            shared,
            back: Some(back),
        };
        let no = self.insert(wait);
        self.begun.push(no);
        self.serve(&name, false);
    }

    // ---- barriers

    pub(super) fn barrier_wait(
        &mut self,
        request: Request,
        name: &Name,
        parties: Option<u32>,
    ) -> Result<Option<Given>> {
        if !self.things.contains_key(name) && parties.is_none_or(|n| n == 0) {
            let text = format!("`parties` says how many `{name}` waits for, at least 1");
            return Err(Refusal::new(Failure::Invalid, text));
        }
        let parties = parties.unwrap_or(1);
        let thing = self.thing(name, || Kind::Barrier { parties, broken: false })?;
        match thing.kind {
            Kind::Barrier { broken: true, .. } => {
                Err(Refusal::new(Failure::Broken, format!("the barrier `{name}` is broken")))
            }
            Kind::Barrier { .. } => self.enlist(request, Want::Parties { name: name.clone() }),
            _ => {
                let text = format!("`{name}` is a {}, not a barrier", thing.word());
                Err(Refusal::new(Failure::WrongKind, text))
            }
        }
    }

    /// Lets everybody go on when all have come.
    pub(super) fn serve_barrier(&mut self, name: &Name) {
        let Some(thing) = self.things.get(name) else { return };
        let Kind::Barrier { parties, broken: false } = thing.kind else { return };
        if thing.queue.len() < parties as usize {
            return;
        }
        let all: Vec<WaitNo> = thing.queue.iter().copied().take(parties as usize).collect();
        for (index, no) in (0..).zip(all) {
            self.finish(no, Ok(Given::Turn { index }));
        }
    }

    /// Sends everybody away, and everybody who comes, until it is reset.
    pub(super) fn break_barrier(&mut self, name: &Name) {
        if let Some(Kind::Barrier { broken, .. }) =
            self.things.get_mut(name).map(|thing| &mut thing.kind)
        {
            *broken = true;
        }
        self.send_away(name);
    }

    fn send_away(&mut self, name: &Name) {
        let all: Vec<WaitNo> = match self.things.get(name) {
            Some(thing) => thing.queue.iter().copied().collect(),
            None => return,
        };
        for no in all {
            let text = format!("the barrier `{name}` is broken");
            self.finish(no, Err(Refusal::new(Failure::Broken, text)));
        }
    }

    /// Breaks a barrier, or makes it as new.
    pub(super) fn barrier_end(&mut self, name: &Name, abort: bool) -> Result<Given> {
        let Some(thing) = self.things.get_mut(name) else {
            return Err(Refusal::new(Failure::Gone, format!("there is no barrier `{name}`")));
        };
        let word = thing.word();
        let Kind::Barrier { broken, .. } = &mut thing.kind else {
            let text = format!("`{name}` is a {word}, not a barrier");
            return Err(Refusal::new(Failure::WrongKind, text));
        };
        *broken = abort;
        self.send_away(name);
        Ok(Given::Nothing {})
    }
}
