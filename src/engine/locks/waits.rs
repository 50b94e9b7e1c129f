//! Waits for primitives as facts for x-ray, which joins them with what it sees from outside.

use super::{Kind, LockTable, Thing, Wait, WaitNo, Want, family};
use crate::model::locks::{Name, Owner};
use crate::model::waits::{SharedWait, WaitKind};

impl LockTable {
    /// Everybody who waits, and all who could end each wait: more than could, never less.
    pub fn wait_facts(&self) -> Vec<SharedWait> {
        self.waits.iter().map(|(no, wait)| self.wait_fact(*no, wait)).collect()
    }

    fn wait_fact(&self, no: WaitNo, wait: &Wait) -> SharedWait {
        let needs = wait.want.names().iter().map(|name| self.needs_of(no, wait, name));
        // Of one that nobody is known to hold up, anybody may be the one who ends the wait.
        let needs: Option<Vec<Vec<Vec<Owner>>>> = needs.collect();
        SharedWait {
            party: wait.party.clone(),
            kind: match wait.want {
                Want::Locks { .. } | Want::Permits { .. } => WaitKind::GangerLock,
                Want::Put { .. } | Want::Get { .. } | Want::Join { .. } => WaitKind::GangerQueue,
                Want::Set { .. } | Want::Notify { .. } | Want::Parties { .. } => {
                    WaitKind::GangerOther
                }
            },
            names: wait.want.names().to_vec(),
            needs: needs.unwrap_or_default().concat(),
            timeout: wait.own_timeout || wait.until.is_some(),
        }
    }

    /// What has to happen at one name; `None` when anybody may do it. No needs: it is free.
    fn needs_of(&self, no: WaitNo, wait: &Wait, name: &Name) -> Option<Vec<Vec<Owner>>> {
        let thing = self.things.get(name)?;
        if family::is_again(thing, wait) {
            return Some(Vec::new());
        }
        match &wait.want {
            Want::Locks { shared, .. } => {
                let against = thing.holds.iter().filter(|hold| !(*shared && hold.shared));
                let mut needs: Vec<_> = against.map(|hold| vec![hold.party.owner()]).collect();
                if needs.is_empty() {
                    needs.extend(self.first_before(no, thing).map(|owner| vec![owner]));
                }
                Some(needs)
            }
            Want::Permits { .. } => self.permit_needs(no, wait, thing),
            Want::Join { .. } => {
                let Kind::Queue(queue) = &thing.kind else { return None };
                // Items that wait to be got may be got by anybody.
                let is_known = queue.len() == 0 && queue.kept().next().is_some();
                is_known.then(|| queue.kept().map(|kept| vec![kept.party.owner()]).collect())
            }
            _ => None,
        }
    }

    /// Permits may come from any of those who have some.
    fn permit_needs(&self, no: WaitNo, wait: &Wait, thing: &Thing) -> Option<Vec<Vec<Owner>>> {
        let owners = self.blockers_at(no, wait, thing);
        (!owners.is_empty()).then(|| vec![owners])
    }

    /// Who stands before a wait in the queue, where its turn comes only after that one's.
    fn first_before(&self, no: WaitNo, thing: &Thing) -> Option<Owner> {
        let first = thing.queue.iter().next().filter(|first| **first < no)?;
        let first = self.waits.get(first).filter(|wait| !wait.want.is_many())?;
        Some(first.party.owner())
    }
}
