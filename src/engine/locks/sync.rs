//! Events, conditions and barriers: waits that others end.

use super::{Back, Kind, LockTable, Relock, Request, Result, WaitNo, Want};
use crate::model::locks::{Failure, Given, LockKind, Name, Op, Owner, Party, Refusal};

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
            let text = format!("`{name}` is {word}, not an event");
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
                let text = format!("`{name}` is {}, not a condition", thing.word());
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
        act: bool,
    ) -> Result<Option<Given>> {
        if !self.things.contains_key(name) && parties.is_none_or(|n| n == 0) {
            let text = format!("`parties` says how many `{name}` waits for, at least 1");
            return Err(Refusal::new(Failure::Invalid, text));
        }
        self.barrier(name, parties.unwrap_or(1))?;
        if let Some(Kind::Barrier { broken: true, .. }) = self.things.get(name).map(|t| &t.kind) {
            let text = format!("the barrier `{name}` is broken");
            return Err(Refusal::new(Failure::Broken, text));
        }
        self.enlist(request, Want::Parties { name: name.clone(), act })
    }

    fn barrier(&mut self, name: &Name, parties: u32) -> Result<()> {
        let make = || Kind::Barrier { parties, broken: false, acting: None };
        let thing = self.thing(name, make)?;
        match thing.kind {
            Kind::Barrier { .. } => Ok(()),
            _ => {
                let text = format!("`{name}` is {}, not a barrier", thing.word());
                Err(Refusal::new(Failure::WrongKind, text))
            }
        }
    }

    /// What the last to come had to do is done: the others go on.
    pub(super) fn barrier_pass(&mut self, party: &Party, name: &Name) -> Result<Given> {
        let owner = party.owner();
        let Some(thing) = self.things.get_mut(name) else {
            return Err(Refusal::new(Failure::Gone, format!("there is no barrier `{name}`")));
        };
        let Kind::Barrier { parties, acting, .. } = &mut thing.kind else {
            let text = format!("`{name}` is {}, not a barrier", thing.word());
            return Err(Refusal::new(Failure::WrongKind, text));
        };
        if *acting != Some(owner) {
            let text = format!("the barrier `{name}` is broken");
            return Err(Refusal::new(Failure::Broken, text));
        }
        *acting = None;
        let others = parties.saturating_sub(1) as usize;
        let all: Vec<WaitNo> = thing.queue.iter().copied().take(others).collect();
        self.forget_actor(name, owner);
        self.let_go_on(all);
        self.serve_barrier(name);
        Ok(Given::Nothing {})
    }

    fn let_go_on(&mut self, all: Vec<WaitNo>) {
        for (index, no) in (0..).zip(all) {
            self.finish(no, Ok(Given::Turn { index, act: false }));
        }
    }

    /// Who had to do something before the others go on has ended, and with it the barrier.
    pub(super) fn stop_acting(&mut self, name: &Name, owner: Owner) {
        let kind = self.things.get(name).map(|thing| &thing.kind);
        if matches!(kind, Some(Kind::Barrier { acting: Some(of), .. }) if *of == owner) {
            self.break_barrier(name);
        }
    }

    fn forget_actor(&mut self, name: &Name, owner: Owner) {
        if let Some(names) = self.holding.get_mut(&owner) {
            names.remove(name);
            if names.is_empty() {
                self.holding.remove(&owner);
            }
        }
    }

    /// Lets everybody go on when all have come.
    pub(super) fn serve_barrier(&mut self, name: &Name) {
        let Some(thing) = self.things.get(name) else { return };
        let Kind::Barrier { parties, broken: false, acting: None } = thing.kind else { return };
        if thing.queue.len() < parties as usize {
            return;
        }
        let mut all: Vec<WaitNo> = thing.queue.iter().copied().take(parties as usize).collect();
        let acts = |no: &WaitNo| match self.waits.get(no) {
            Some(wait) if matches!(wait.want, Want::Parties { act: true, .. }) => {
                Some(wait.party.owner())
            }
            _ => None,
        };
        let Some(owner) = all.last().and_then(acts) else { return self.let_go_on(all) };
        if let Some(Kind::Barrier { acting, .. }) =
            self.things.get_mut(name).map(|thing| &mut thing.kind)
        {
            *acting = Some(owner);
        }
        self.holding.entry(owner).or_default().insert(name.clone());
        if let Some(last) = all.pop() {
            self.finish(last, Ok(Given::Turn { index: all.len() as u32, act: true }));
        }
    }

    /// Sends everybody away, and everybody who comes, until it is reset.
    pub(super) fn break_barrier(&mut self, name: &Name) {
        self.end_round(name, true);
    }

    fn end_round(&mut self, name: &Name, abort: bool) {
        let mut actor = None;
        if let Some(Kind::Barrier { broken, acting, .. }) =
            self.things.get_mut(name).map(|thing| &mut thing.kind)
        {
            *broken = abort;
            actor = acting.take();
        }
        if let Some(owner) = actor {
            self.forget_actor(name, owner);
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
    pub(super) fn barrier_end(
        &mut self,
        name: &Name,
        parties: Option<u32>,
        abort: bool,
    ) -> Result<Given> {
        match parties.filter(|n| *n > 0) {
            None if !self.things.contains_key(name) => {
                let text = format!("there is no barrier `{name}`");
                return Err(Refusal::new(Failure::Gone, text));
            }
            parties => self.barrier(name, parties.unwrap_or(1))?,
        }
        self.end_round(name, abort);
        Ok(Given::Nothing {})
    }
}
