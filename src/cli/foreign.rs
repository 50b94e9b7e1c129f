//! `ganger locks --foreign`: locks that are not ganger's own, as looks from outside sampled them.

use super::contention::{moment, named, party_json, shown, since};
use super::print;
use crate::model::waits::foreign::ForeignLock;
use crate::model::{Mono, RunInfo};
use crate::report::words;
use serde_json::{Value, json};
use std::time::Duration;

/// Returns the table of them.
pub(super) fn drawn(locks: &[ForeignLock], now: Mono) -> String {
    let heads =
        ["FOREIGN", "KIND", "LOOKS", "MOST", "LOST", "LONGEST", "ITEMS", "HOLDERS", "WAITERS"];
    let mut table = vec![heads.map(str::to_owned).to_vec()];
    for lock in locks {
        let mut holders: Vec<String> =
            lock.owners().map(|holder| shown(&holder.party.to_string())).collect();
        if let Some(owner) = lock.last_owner {
            holders.push(format!("pid {}, which is gone", owner.pid));
        }
        let waiters: Vec<String> = lock
            .waiters
            .iter()
            .map(|waiter| {
                let age = waiter.since.map_or(String::new(), |at| format!(" {}", since(at, now)));
                format!("{}{age}", shown(&waiter.party.to_string()))
            })
            .collect();
        let items = lock.fill.map_or("-".to_owned(), |fill| match fill.capacity {
            Some(max) => format!("{} of {max}", fill.depth),
            None => fill.depth.to_string(),
        });
        table.push(vec![
            shown(&lock.title()),
            lock.kind.word().replace('_', " "),
            lock.stats.looks.to_string(),
            lock.stats.most_waiters.to_string(),
            format!("~{}", span(lock.stats.waited_us)),
            span(lock.stats.longest_us),
            items,
            named(&holders, holders.len()),
            named(&waiters, lock.n_waiters as usize),
        ]);
    }
    print::table(&table, &[2, 3, 4, 5])
}

fn span(us: u64) -> String {
    words::duration(Duration::from_micros(us))
}

/// Returns one as `docs/json.md` has it.
pub(super) fn json(lock: &ForeignLock, info: &RunInfo, now: Mono) -> Value {
    let seconds = |us: u64| us as f64 / 1e6;
    let holders = lock.holders.iter().map(|holder| {
        let mut of = party_json(&holder.party);
        of["proven"] = holder.proven.into();
        of["stopped"] = holder.stopped.into();
        of
    });
    let waiters = lock.waiters.iter().map(|waiter| {
        let mut of = party_json(&waiter.party);
        of["since"] = waiter.since.map(|at| moment(at, info)).into();
        of["waited_s"] = waiter.since.map(|at| now.since(at).as_secs_f64()).into();
        of["timeout"] = waiter.timeout.into();
        of
    });
    json!({
        "name": lock.title(),
        "kind": lock.kind,
        "id": lock.id,
        "holders": holders.collect::<Vec<_>>(),
        "last_owner": lock.last_owner,
        "waiters": waiters.collect::<Vec<_>>(),
        "n_waiters": lock.n_waiters,
        "queue": lock.fill,
        "looks": lock.stats.looks,
        "most_waiters": lock.stats.most_waiters,
        "sampled_lost_s": seconds(lock.stats.waited_us),
        "longest_s": seconds(lock.stats.longest_us),
        "seen_at": moment(lock.stats.seen_at, info),
    })
}
