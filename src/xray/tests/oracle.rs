//! Random looks, judged by definitions alone, as slowly as they read.

use super::*;
use crate::xray::judge;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Numbers from a seed (SplitMix64), so that a case is its seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

fn random_look(dice: &mut Dice) -> Look {
    let mut look = Look { at: Mono(SECOND), ..Look::default() };
    let n_processes = 1 + dice.below(5);
    let mut all: Vec<ThreadRef> = Vec::new();
    for n in 0..n_processes as i32 {
        let pid = 10 * (n + 1);
        let n_threads = 1 + dice.below(3) as i32;
        let signals = dice.one_in(6);
        let process = process_of(&mut look, pid);
        process.catches_signals = signals;
        for tid in pid..pid + n_threads {
            all.push(ThreadRef { proc: proc(pid), tid });
        }
    }
    // Somebody who is not in the look, and a process of which no thread is known.
    all.push(thread("90"));
    if dice.one_in(8) {
        process_of(&mut look, 80);
        all.push(thread("80"));
    }
    for who in all.clone() {
        let Some(at) = look.processes.iter().position(|p| p.proc == who.proc) else { continue };
        if who.proc.pid == 80 {
            continue;
        }
        let state = match dice.below(20) {
            0 => ThreadState::Running,
            1 => ThreadState::Stopped,
            2 => ThreadState::Dead,
            3 => ThreadState::Uninterruptible,
            _ => ThreadState::Blocked,
        };
        look.processes[at].threads.push(ThreadFact {
            tid: who.tid,
            name: String::new(),
            state,
            stamp: Stamp { run_ns: dice.next() % 2, turns: 1, syscall: "".into() },
            still_since: None,
        });
        if !dice.one_in(20) {
            look.waits.push(random_wait(dice, who, &all));
        }
    }
    look
}

fn random_wait(dice: &mut Dice, who: ThreadRef, all: &[ThreadRef]) -> WaitFact {
    let pick = |dice: &mut Dice| all[dice.below(all.len())];
    let mut needs = Vec::new();
    for _ in 0..1 + usize::from(dice.one_in(4)) * dice.below(3) {
        let n = if dice.one_in(15) { 0 } else { 1 + dice.below(2) };
        let wakers = (0..n).map(|_| match dice.below(30) {
            0 => Waker::Outside("x".to_owned()),
            1..12 => Waker::Process(pick(dice).proc),
            _ => Waker::Thread(pick(dice)),
        });
        needs.push(Need { wakers: wakers.collect() });
    }
    let n_holders = dice.below(3);
    let holders = (0..n_holders).map(|_| {
        let who = pick(dice);
        let tid = Some(who.tid).filter(|_| dice.one_in(2));
        Holder { proc: who.proc, tid, proven: dice.one_in(2) }
    });
    WaitFact {
        waiter: who,
        holders: holders.collect(),
        needs,
        resource: Resource { kind: WaitKind::Mutex, id: dice.below(4).to_string(), name: None },
        abandoned: dice.one_in(10),
        last_owner: None,
        timeout: dice.one_in(25),
        certainty: if dice.one_in(3) { Certainty::Inferred } else { Certainty::Proven },
        ends_by_signal: dice.one_in(3),
        on_death: OnDeath::Nothing,
        fill: None,
        frames: Vec::new(),
    }
}

/// Two looks: what is in the second, and mostly the same before.
fn random_looks(seed: u64) -> (Look, Look) {
    let mut dice = Dice(seed);
    let second = random_look(&mut dice);
    let mut first = earlier(&second);
    if dice.one_in(2) {
        return (first, second);
    }
    let other = random_look(&mut dice);
    for (process, instead) in first.processes.iter_mut().zip(&other.processes) {
        for (thread, instead) in process.threads.iter_mut().zip(&instead.threads) {
            if dice.one_in(6) {
                *thread = instead.clone();
            }
        }
    }
    for wait in &mut first.waits {
        let instead = other.waits.iter().find(|instead| instead.waiter == wait.waiter);
        if let Some(instead) = instead.filter(|_| dice.one_in(6)) {
            *wait = instead.clone();
        }
    }
    (first, second)
}

// ---- the oracle

/// Takes the looks by their words: the greatest set of threads such that each is blocked in both
/// looks, did not run, and in both has a need that nobody can meet who is not in the set.
fn stuck(first: &Look, second: &Look) -> BTreeSet<ThreadRef> {
    let mut set: BTreeSet<ThreadRef> = second.waits.iter().map(|wait| wait.waiter).collect();
    loop {
        let before = set.len();
        let now = set.clone();
        set.retain(|who| {
            let is_same = state(first, *who) == state(second, *who)
                && stamp(first, *who) == stamp(second, *who)
                && wait_of(first, *who).map(|w| &w.resource)
                    == wait_of(second, *who).map(|w| &w.resource);
            is_same
                && [first, second].iter().all(|look| is_held_up(look, *who, &now, first, second))
        });
        if set.len() == before {
            return set;
        }
    }
}

fn is_held_up(
    look: &Look,
    who: ThreadRef,
    set: &BTreeSet<ThreadRef>,
    first: &Look,
    second: &Look,
) -> bool {
    let blocked = [Some(ThreadState::Blocked), Some(ThreadState::Uninterruptible)];
    let Some(wait) = wait_of(look, who) else { return false };
    if !blocked.contains(&state(look, who)) || wait.timeout {
        return false;
    }
    let signals = |proc: ProcRef| {
        look.processes.iter().any(|process| process.proc == proc && process.catches_signals)
    };
    if wait.ends_by_signal && signals(who.proc) {
        return false;
    }
    let rests = |who: ThreadRef| {
        let at_rest = [Some(ThreadState::Stopped), Some(ThreadState::Dead)];
        at_rest.contains(&state(second, who))
            && state(first, who) == state(second, who)
            && stamp(first, who) == stamp(second, who)
    };
    let cannot = |who: ThreadRef| set.contains(&who) || rests(who);
    wait.needs.iter().any(|need| {
        need.wakers.iter().all(|waker| match waker {
            Waker::Outside(_) => false,
            Waker::Thread(who) => {
                state(look, *who).is_some()
                    && cannot(*who)
                    && !(wait.ends_by_signal && signals(who.proc))
            }
            Waker::Process(proc) => {
                let threads = look.processes.iter().find(|p| p.proc == *proc).map(|p| &p.threads);
                let is_known = threads.is_some_and(|threads| !threads.is_empty());
                is_known
                    && !(wait.ends_by_signal && signals(*proc))
                    && threads
                        .into_iter()
                        .flatten()
                        .all(|thread| cannot(ThreadRef { proc: *proc, tid: thread.tid }))
            }
        })
    })
}

fn fact(look: &Look, who: ThreadRef) -> Option<&ThreadFact> {
    let process = look.processes.iter().find(|process| process.proc == who.proc)?;
    process.threads.iter().find(|thread| thread.tid == who.tid)
}

fn state(look: &Look, who: ThreadRef) -> Option<ThreadState> {
    fact(look, who).map(|thread| thread.state)
}

fn stamp(look: &Look, who: ThreadRef) -> Option<&Stamp> {
    fact(look, who).map(|thread| &thread.stamp)
}

fn wait_of(look: &Look, who: ThreadRef) -> Option<&WaitFact> {
    look.waits.iter().find(|wait| wait.waiter == who)
}

/// Everybody in a finding of a report.
fn told(report: &Report) -> BTreeSet<ThreadRef> {
    let all = report.findings.iter().flat_map(|knot| knot.core.iter().chain(&knot.behind));
    all.map(|member| ThreadRef { proc: member.proc, tid: member.tid }).collect()
}

// ---- properties

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn findings_have_exactly_those_who_are_stuck(seed: u64) {
        let (first, second) = random_looks(seed);
        prop_assert_eq!(told(&judge(&first, &second)), stuck(&first, &second), "seed {}", seed);
    }

    #[test]
    fn one_more_who_could_end_a_wait_never_makes_a_thread_stuck(seed: u64) {
        let (first, second) = random_looks(seed);
        let before = told(&judge(&first, &second));
        let mut dice = Dice(seed ^ 1);
        let (mut first, mut second) = (first, second);
        if second.waits.is_empty() {
            return Ok(());
        }
        let at = dice.below(second.waits.len());
        let who = second.waits[at].waiter;
        let more = second.waits[dice.below(second.waits.len())].waiter;
        for look in [&mut first, &mut second] {
            for wait in look.waits.iter_mut().filter(|wait| wait.waiter == who) {
                let n = wait.needs.len();
                wait.needs[dice.below(n)].wakers.push(Waker::Thread(more));
            }
        }
        let after = told(&judge(&first, &second));
        prop_assert!(after.is_subset(&before), "seed {}: {:?} of {:?}", seed, after, before);
    }

    #[test]
    fn nobody_who_ran_is_told_of(seed: u64) {
        let (first, mut second) = random_looks(seed);
        for thread in second.processes.iter_mut().flat_map(|process| &mut process.threads) {
            thread.stamp.turns += 1;
        }
        prop_assert_eq!(judge(&first, &second).findings, vec![]);
    }

    #[test]
    fn a_core_explains_its_finding(seed: u64) {
        let (_, second) = random_looks(seed);
        let report = judge(&earlier(&second), &second);
        let cores: BTreeSet<ThreadRef> = report
            .findings
            .iter()
            .flat_map(|knot| &knot.core)
            .map(|member| ThreadRef { proc: member.proc, tid: member.tid })
            .collect();
        let n: usize = report.findings.iter().map(|knot| knot.core.len()).sum();
        prop_assert_eq!(n, cores.len(), "seed {}: cores share a thread", seed);
        prop_assert!(report.findings.iter().all(|knot| !knot.core.is_empty()));
        // Once the cores go on, so does everybody else.
        let mut freed = second.clone();
        freed.waits.retain(|wait| !cores.contains(&wait.waiter));
        let left = judge(&earlier(&freed), &freed);
        prop_assert_eq!(findings(&left), Vec::<String>::new(), "seed {}", seed);
    }

    #[test]
    fn a_deadlock_does_not_depend_on_anything_unproven(seed: u64) {
        let (_, mut second) = random_looks(seed);
        let report = judge(&earlier(&second), &second);
        let deadlocked: BTreeSet<ThreadRef> = report
            .findings
            .iter()
            .filter(|knot| knot.kind == crate::model::waits::report::Verdict::Deadlock)
            .flat_map(|knot| &knot.core)
            .map(|member| ThreadRef { proc: member.proc, tid: member.tid })
            .collect();
        // Everything unproven ends: who is stopped goes on, locks have other owners.
        second.waits.retain(|wait| wait.certainty == Certainty::Proven && !wait.abandoned);
        for thread in second.processes.iter_mut().flat_map(|process| &mut process.threads) {
            if thread.state == ThreadState::Stopped {
                thread.state = ThreadState::Running;
            }
        }
        let still = stuck(&earlier(&second), &second);
        prop_assert!(deadlocked.is_subset(&still), "seed {}", seed);
    }
}

#[test]
fn random_looks_are_worth_judging() {
    let mut n_findings = [0_usize; 4];
    let mut n_behind = 0;
    for seed in 0..2_000 {
        let (first, second) = random_looks(seed);
        let report = judge(&first, &second);
        n_findings[report.verdict as usize] += 1;
        n_behind += report.findings.iter().filter(|knot| !knot.behind.is_empty()).count();
    }
    assert!(n_findings.iter().all(|n| *n > 50), "{n_findings:?}");
    assert!(n_behind > 100, "{n_behind}");
}

/// Mistakes that a detector could make, as changes of what it is shown: the oracle must notice
/// each, or random looks would prove nothing.
#[test]
fn planted_mistakes_are_noticed() {
    type Mistake = fn(&mut Look);
    let mistakes: [(&str, Mistake); 9] = [
        ("timeouts do not count", |look| {
            look.waits.iter_mut().for_each(|wait| wait.timeout = false);
        }),
        ("nobody is outside", |look| {
            for need in look.waits.iter_mut().flat_map(|wait| &mut wait.needs) {
                need.wakers.retain(|waker| !matches!(waker, Waker::Outside(_)));
            }
        }),
        ("signals do not count", |look| {
            look.waits.iter_mut().for_each(|wait| wait.ends_by_signal = false);
        }),
        ("signals of the waiter alone count", |look| {
            for process in &mut look.processes {
                let mut waits = look.waits.iter();
                process.catches_signals &= waits.any(|wait| wait.waiter.proc == process.proc);
            }
            let catching: Vec<ProcRef> = look
                .processes
                .iter()
                .filter(|process| process.catches_signals)
                .map(|process| process.proc)
                .collect();
            for wait in &mut look.waits {
                wait.ends_by_signal &= catching.contains(&wait.waiter.proc);
            }
        }),
        ("one need is enough", |look| {
            look.waits.iter_mut().for_each(|wait| wait.needs.truncate(1));
        }),
        ("needs are one", |look| {
            for wait in &mut look.waits {
                let wakers = wait.needs.drain(..).flat_map(|need| need.wakers).collect();
                wait.needs = vec![Need { wakers }];
            }
        }),
        ("one waker is all", |look| {
            for need in look.waits.iter_mut().flat_map(|wait| &mut wait.needs) {
                need.wakers.truncate(1);
            }
        }),
        ("who is stopped goes on", |look| {
            for thread in look.processes.iter_mut().flat_map(|process| &mut process.threads) {
                if thread.state == ThreadState::Stopped {
                    thread.state = ThreadState::Running;
                }
            }
        }),
        ("stamps do not count", |look| {
            for thread in look.processes.iter_mut().flat_map(|process| &mut process.threads) {
                thread.stamp = Stamp::default();
            }
        }),
    ];
    for (what, mistake) in mistakes {
        let is_noticed = |seed: u64| {
            let (first, second) = random_looks(seed);
            let (mut shown_first, mut shown_second) = (first.clone(), second.clone());
            mistake(&mut shown_first);
            mistake(&mut shown_second);
            told(&judge(&shown_first, &shown_second)) != stuck(&first, &second)
        };
        assert!((0..4_000).any(is_noticed), "{what}: not noticed");
    }
}
