//! What is said to those who do not get what they asked for.

use super::{LockTable, Wait, Want};
use crate::model::locks::Failure;
use crate::model::words::duration;

impl LockTable {
    /// Why a wait got nothing, in one sentence.
    pub(super) fn why_not(&self, wait: &Wait, failure: Failure) -> String {
        let names = wait.want.names().iter().map(|n| format!("`{n}`")).collect::<Vec<_>>();
        let names = names.join(", ");
        let holder = wait
            .want
            .names()
            .iter()
            .find_map(|name| self.things.get(name)?.holds.first().map(|hold| &hold.party));
        let held = holder.map(|party| format!(": held by {party}")).unwrap_or_default();
        // What it asked for rather than when that was looked at.
        let limit = wait.until.map_or(self.now, |until| until.min(self.now)).since(wait.since);
        let limit = duration(limit);
        match (failure, &wait.want) {
            (Failure::Timeout, Want::Locks { .. } | Want::Permits { .. }) => {
                format!("{names} did not become free in {limit}{held}")
            }
            (Failure::Timeout, Want::Put { .. }) => format!("{names} was full for {limit}"),
            (Failure::Timeout, Want::Get { .. }) => format!("{names} was empty for {limit}"),
            (Failure::Timeout, Want::Join { .. }) => {
                format!("not all items of {names} were dealt with in {limit}")
            }
            (Failure::Timeout, Want::Set { .. }) => format!("{names} was not set in {limit}"),
            (Failure::Timeout, Want::Parties { .. }) => {
                format!("not all came to {names} in {limit}")
            }
            (Failure::Timeout, Want::Notify { .. }) => {
                format!("{names} was not notified in {limit}")
            }
            (Failure::Busy, want) => why_busy(want, &names, &held),
            (failure, _) => why_ended(failure, &names),
        }
    }
}

fn why_busy(want: &Want, names: &str, held: &str) -> String {
    match want {
        Want::Locks { .. } | Want::Permits { .. } => format!("{names} is not free{held}"),
        Want::Put { .. } => format!("{names} is full"),
        Want::Get { .. } => format!("{names} is empty"),
        Want::Join { .. } => format!("not all items of {names} are dealt with"),
        Want::Set { .. } => format!("{names} is not set"),
        Want::Parties { .. } => format!("not all have come to {names}"),
        Want::Notify { .. } => format!("{names} was not notified"),
    }
}

fn why_ended(failure: Failure, names: &str) -> String {
    match failure {
        Failure::Withdrawn => format!("the wait for {names} was withdrawn"),
        Failure::Broken => format!("the barrier {names} is broken"),
        Failure::Closed => format!("the queue {names} is closed"),
        _ => format!("who was to own {names} has ended"),
    }
}
