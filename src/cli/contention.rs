//! `ganger locks` and `ganger deadlocks`: who holds, who waits, and which circles have closed.

use super::failure::Failure;
use super::reach::{self, Reached, reach};
use super::shared_args::{DeadlocksArgs, LocksArgs};
use super::{exit, print};
use crate::clock;
use crate::control::proto::Got;
use crate::model::harmless::harmless_line;
use crate::model::locks::{Deadlock, Given, LockState, LockView, Op, Party};
use crate::model::query::{Durations, Query, Reply};
use crate::model::waits::foreign::ForeignLock;
use crate::model::{Mono, RunInfo, Wall};
use crate::report::words;
use serde_json::{Value, json};

/// Characters of a name and of a party that are shown.
const CELL_CHARS: usize = 40;
/// Parties that a row names.
const NAMED: usize = 2;

/// Prints the live table.
///
/// # Errors
/// When there is no such run, or it does not answer.
pub fn locks(args: &LocksArgs) -> Result<i32, Failure> {
    let mut reached = called_in(args.run.as_deref())?;
    if args.foreign {
        let foreign = foreign(&mut reached)?;
        let now = clock::mono();
        if args.json {
            let rows = foreign.iter().map(|lock| super::foreign::json(lock, &reached.info, now));
            print::json(&rows.collect())?;
        } else if foreign.is_empty() {
            eprintln!("nobody was seen to wait for a lock that is not ganger's own");
        } else {
            print::bytes(super::foreign::drawn(&foreign, now).as_bytes())?;
        }
        return Ok(exit::OK);
    }
    let answer = reached.asker.ask(Op::List { names: Vec::new() });
    let answer = answer.map_err(|e| reach::unreachable(&reached.known.id, &e))?;
    let Got::Given(Given::Table { locks }) = answer else { return Err(reach::misunderstood()) };
    let now = clock::mono();
    if args.json {
        let rows = locks.iter().map(|lock| lock_json(lock, &reached.info, now));
        print::json(&rows.collect())?;
        return Ok(exit::OK);
    }
    let foreign = foreign(&mut reached)?;
    let mut tables = Vec::new();
    if !locks.is_empty() {
        tables.push(drawn(&locks, now));
    }
    if !foreign.is_empty() {
        tables.push(super::foreign::drawn(&foreign, now));
    }
    match tables.is_empty() {
        true => eprintln!("nothing is shared in this run"),
        false => print::bytes(tables.join("\n").as_bytes())?,
    }
    Ok(exit::OK)
}

/// Locks that are not ganger's own.
fn foreign(reached: &mut Reached) -> Result<Vec<ForeignLock>, Failure> {
    let Reply::Status { snapshot, .. } = reached.ask(Query::Status)? else {
        return Err(reach::misunderstood());
    };
    Ok(snapshot.shared.foreign)
}

/// Prints the circles of waits.
///
/// # Errors
/// As [`locks`].
pub fn deadlocks(args: &DeadlocksArgs) -> Result<i32, Failure> {
    let mut reached = called_in(args.run.as_deref())?;
    let Reply::Status { snapshot, .. } = reached.ask(Query::Status)? else {
        return Err(reach::misunderstood());
    };
    let found = snapshot.shared.deadlocks;
    let now = clock::mono();
    if args.json {
        let rows = found.iter().map(|deadlock| deadlock_json(deadlock, &reached.info, now));
        print::json(&rows.collect())?;
    } else if found.is_empty() {
        eprintln!("no deadlock");
    } else {
        let drawn: Vec<String> = found.iter().map(|deadlock| rail(deadlock, now)).collect();
        print::bytes(drawn.join("\n").as_bytes())?;
    }
    Ok(if found.is_empty() { exit::OK } else { exit::NO })
}

/// The run of that name; without one that in which this is called, or the only live one.
pub(super) fn called_in(run: Option<&str>) -> Result<Reached, Failure> {
    let own = std::env::var("GANGER_RUN").ok().filter(|_| run.is_none());
    // The mark of a nested run is `outer/inner`; runs go by their last part.
    let own = own.as_deref().and_then(|mark| mark.rsplit('/').next());
    reach(run.or(own))
}

pub(super) fn shown(text: &str) -> String {
    harmless_line(text.as_bytes(), CELL_CHARS)
}

pub(super) fn since(since: Mono, now: Mono) -> String {
    words::duration(now.since(since))
}

fn drawn(locks: &[LockView], now: Mono) -> String {
    let heads = [
        "NAME", "KIND", "STATE", "TAKEN", "WAITED", "LOST", "WAIT P95", "HOLD P95", "HOLDERS",
        "WAITERS",
    ];
    let mut table = vec![heads.map(str::to_owned).to_vec()];
    for lock in locks {
        let holders: Vec<String> = lock
            .holders
            .iter()
            .map(|h| format!("{} {}", shown(&h.party.to_string()), since(h.since, now)))
            .collect();
        let waiters: Vec<String> = lock
            .waiters
            .iter()
            .map(|w| format!("{} {}", shown(&w.party.to_string()), since(w.since, now)))
            .collect();
        table.push(vec![
            shown(&lock.name),
            lock.state.word().replace('_', " "),
            state_words(lock),
            lock.stats.acquisitions.to_string(),
            share(lock),
            words::duration(std::time::Duration::from_micros(lock.stats.lost_us)),
            p95(lock.stats.wait),
            p95(lock.stats.hold),
            named(&holders, holders.len()),
            named(&waiters, lock.n_waiters as usize),
        ]);
    }
    print::table(&table, &[3, 4, 5, 6, 7])
}

fn p95(durations: Option<Durations>) -> String {
    let known = durations.filter(|d| d.count > 0);
    let words = |d: Durations| words::duration(std::time::Duration::from_micros(d.p95_us));
    known.map_or("-".to_owned(), words)
}

fn share(lock: &LockView) -> String {
    match lock.stats.acquisitions {
        0 => "-".to_owned(),
        n => format!("{}%", 100 * lock.stats.waited.min(n) / n),
    }
}

pub(super) fn named(parties: &[String], total: usize) -> String {
    let shown = parties.len().min(NAMED);
    let mut text = parties[..shown].join(", ");
    if total > shown {
        text += &format!(" and {} more", total - shown);
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

fn state_words(lock: &LockView) -> String {
    match &lock.state {
        LockState::Lock | LockState::Rlock | LockState::Rwlock => {
            let shared = lock.holders.iter().any(|holder| holder.shared);
            let word = match (lock.holders.is_empty(), shared) {
                (true, _) => "free",
                (false, true) => "shared",
                (false, false) => "held",
            };
            word.to_owned()
        }
        LockState::Semaphore { value, max } | LockState::BoundedSemaphore { value, max } => {
            format!("{value} of {max} free")
        }
        LockState::Event { set } => if *set { "set" } else { "clear" }.to_owned(),
        LockState::Condition => "-".to_owned(),
        LockState::Barrier { broken: true, .. } => "broken".to_owned(),
        LockState::Barrier { parties, waiting, .. } => format!("{waiting} of {parties}"),
        LockState::Queue { depth, capacity, closed, puts_per_s, gets_per_s, .. } => {
            let room = capacity.map_or(String::new(), |max| format!(" of {max}"));
            let closed = if *closed { ", closed" } else { "" };
            let rates = match (*puts_per_s, *gets_per_s) {
                (i, o) if i < 0.05 && o < 0.05 => String::new(),
                (i, o) => format!(", in {i:.1}/s out {o:.1}/s"),
            };
            format!("{depth}{room}{closed}{rates}")
        }
        LockState::Value { value } => shown(value),
        LockState::Kv { entries } => format!("{entries} keys"),
    }
}

/// A moment of CLOCK_MONOTONIC as RFC 3339.
pub(super) fn moment(at: Mono, info: &RunInfo) -> String {
    let micros = info.started_at.0 + at.0.cast_signed() - info.started_mono.0.cast_signed();
    Wall(micros).rfc3339()
}

pub(super) fn party_json(party: &Party) -> Value {
    json!({
        "job": party.attempt.map(|attempt| attempt.job),
        "attempt": party.attempt.map(|attempt| attempt.n),
        "pid": party.proc.map(|proc| proc.pid),
        "thread": party.thread,
        "label": party.label,
    })
}

fn durations_json(durations: Option<Durations>) -> Value {
    let seconds = |us: u64| us as f64 / 1e6;
    durations.map_or(Value::Null, |d| {
        json!({
            "count": d.count,
            "mean_s": seconds(d.mean_us),
            "p50_s": seconds(d.p50_us),
            "p95_s": seconds(d.p95_us),
            "max_s": seconds(d.max_us),
        })
    })
}

fn lock_json(lock: &LockView, info: &RunInfo, now: Mono) -> Value {
    let mut row = json!({"name": lock.name});
    if let (Value::Object(row), Ok(Value::Object(state))) =
        (&mut row, serde_json::to_value(&lock.state))
    {
        row.extend(state);
        let holders = lock.holders.iter().map(|holder| {
            let mut of = party_json(&holder.party);
            of["since"] = moment(holder.since, info).into();
            of["held_s"] = now.since(holder.since).as_secs_f64().into();
            of["count"] = holder.count.into();
            of["shared"] = holder.shared.into();
            of
        });
        row.insert("holders".to_owned(), holders.collect());
        let waiters = lock.waiters.iter().map(|waiter| {
            let mut of = party_json(&waiter.party);
            of["since"] = moment(waiter.since, info).into();
            of["waited_s"] = now.since(waiter.since).as_secs_f64().into();
            of["wants"] = waiter.wants.clone().into();
            of["until"] = waiter.until.map(|until| moment(until, info)).into();
            of
        });
        row.insert("waiters".to_owned(), waiters.collect());
        row.insert("n_waiters".to_owned(), lock.n_waiters.into());
        row.insert("acquisitions".to_owned(), lock.stats.acquisitions.into());
        row.insert("waited".to_owned(), lock.stats.waited.into());
        row.insert("lost_s".to_owned(), (lock.stats.lost_us as f64 / 1e6).into());
        row.insert("wait".to_owned(), durations_json(lock.stats.wait));
        row.insert("hold".to_owned(), durations_json(lock.stats.hold));
    }
    row
}

fn deadlock_json(deadlock: &Deadlock, info: &RunInfo, now: Mono) -> Value {
    let members = deadlock.members.iter().map(|member| {
        let mut of = party_json(&member.party);
        of["job"] = member.job.map(|job| job.0).into();
        of["task"] = member
            .task
            .and_then(|task| info.tasks.get(task.0 as usize))
            .map(|task| task.name.clone())
            .into();
        of["holds"] = json!(member.holds);
        of["wants"] = json!(member.wants);
        of["since"] = moment(member.since, info).into();
        of
    });
    json!({
        "deadlock": deadlock.id,
        "at": moment(deadlock.at, info),
        "age_s": now.since(deadlock.at).as_secs_f64(),
        "text": deadlock.text,
        "members": members.collect::<Vec<_>>(),
        "closed_by": deadlock.closed_by,
        "behind": deadlock.behind,
        "until": deadlock.until.map(|until| moment(until, info)),
        "xray": !deadlock.seen.is_empty(),
    })
}

/// The circle as a rail with words.
fn rail(deadlock: &Deadlock, now: Mono) -> String {
    let mut text =
        format!("deadlock {} since {}: {}\n", deadlock.id, since(deadlock.at, now), deadlock.text);
    let last = deadlock.members.len().saturating_sub(1);
    for (i, member) in deadlock.members.iter().enumerate() {
        let rail = match i {
            0 => "┌▶",
            i if i == last => "└─",
            _ => "│ ",
        };
        let closed =
            if i == deadlock.closed_by as usize { ", which closed the circle" } else { "" };
        text += &format!(
            "{rail} {} holds {}, wants {} for {}{closed}\n",
            shown(&member.party.to_string()),
            shown(&member.holds.join(", ")),
            shown(&member.wants.join(", ")),
            since(member.since, now),
        );
    }
    if deadlock.behind > 0 {
        text += &format!("   {} more wait for them\n", deadlock.behind);
    }
    text
}
