use super::*;
use crate::model::{Now, PoolIdx};

const JOB: JobNo = JobNo(3);

fn at(ms: u64) -> Now {
    Now { mono: Mono(ms * 1000), wall: Wall(ms.cast_signed() * 1000 + 1_000_000_000) }
}

fn launched(n: u32, ms: u64) -> Event {
    Event::AttemptLaunched {
        attempt: AttemptId { job: JOB, n },
        task: TaskIdx(1),
        slot: Slot { pool: PoolIdx(0), n: 2 },
        weight: 1,
        at: at(ms),
    }
}

/// An attempt that used `cpu_ms` of CPU and `rss` bytes, and ended with `code` if it ran at all.
fn ended(n: u32, ms: u64, code: Option<i32>, cpu_ms: u64, rss: Option<u64>) -> Event {
    let outcome = match code {
        None => Outcome::SpawnFailed,
        Some(0) => Outcome::Succeeded,
        Some(code) => Outcome::Failed { code },
    };
    Event::AttemptEnded {
        attempt: AttemptId { job: JOB, n },
        task: TaskIdx(1),
        outcome,
        exit: code.map(Exit::Code),
        usage: Usage {
            cpu_user: Duration::from_millis(cpu_ms),
            cpu_system: Duration::from_millis(1),
            max_rss_bytes: rss,
            stdout_bytes: Some(u64::from(n)),
            ..Usage::default()
        },
        swept: 1,
        oom_killed: None,
        reason: None,
        error: code.is_none().then(|| "no such program".to_owned()),
        at: at(ms),
    }
}

#[test]
fn attempts_add_up_and_the_last_one_stands_out() {
    let mut ledger = Ledger::default();
    assert!(ledger.get(JOB).is_none() && ledger.tally(TaskIdx(1)).is_none());
    ledger.note(&launched(1, 0));
    let record = ledger.get(JOB).unwrap();
    assert_eq!((record.attempts, record.wall(), record.usage()), (1, None, None));
    ledger.note(&ended(1, 100, Some(2), 30, Some(500)));
    assert_eq!(ledger.get(JOB).unwrap().wall(), Some(Duration::from_millis(100)));
    ledger.note(&launched(2, 200));
    let record = ledger.get(JOB).unwrap();
    assert_eq!((record.wall(), record.last.exit), (None, None), "it runs again");
    assert_eq!(record.usage().unwrap().cpu_user, Duration::from_millis(30));
    ledger.note(&ended(2, 500, Some(0), 40, Some(400)));

    let record = ledger.get(JOB).unwrap();
    let usage = record.usage().unwrap();
    assert_eq!(record.attempts, 2);
    assert_eq!(record.started_at(), at(0).wall);
    assert_eq!(record.wall(), Some(Duration::from_millis(500)));
    assert_eq!(usage.cpu_user, Duration::from_millis(70));
    assert_eq!((usage.max_rss_bytes, usage.stdout_bytes), (Some(500), Some(2)));
    assert_eq!(record.swept(), 2);
    assert_eq!(record.earlier.as_ref().unwrap().kept.capacity(), 1);
    let kept: Vec<_> = record.kept().map(|(n, a)| (n, a.wall().unwrap().as_millis())).collect();
    assert_eq!(kept, [(1, 100), (2, 300)]);

    let tally = ledger.tally(TaskIdx(1)).unwrap();
    assert_eq!((tally.attempts, tally.cpu.as_millis()), (2, 72));
    assert_eq!(tally.durations.summary().unwrap().count, 1, "only what succeeded counts");
}

#[test]
fn of_many_attempts_the_newest_are_kept_and_the_sums_hold() {
    let mut ledger = Ledger::default();
    for n in 1..=1000 {
        ledger.note(&launched(n, u64::from(n) * 10));
        ledger.note(&ended(n, u64::from(n) * 10 + 5, Some(1), 1, None));
    }
    let record = ledger.get(JOB).unwrap();
    let kept: Vec<u32> = record.kept().map(|(n, _)| n).collect();
    assert_eq!(kept, (991..=1000).collect::<Vec<_>>());
    assert_eq!(record.usage().unwrap().cpu_user, Duration::from_secs(1));
    let room = record.earlier.as_ref().unwrap().kept.capacity();
    assert!(room < ATTEMPTS_KEPT, "room for {room}");
    assert_eq!((record.swept(), record.started_at()), (1000, at(10).wall));
}

#[test]
fn what_no_process_used_is_not_known() {
    let mut ledger = Ledger::default();
    ledger.note(&launched(1, 0));
    ledger.note(&ended(1, 1, None, 0, None));
    assert_eq!(ledger.get(JOB).unwrap().usage(), None);
    assert_eq!(ledger.error(JOB), Some("no such program"));
    // The next attempt runs: the error is over.
    ledger.note(&launched(2, 2));
    assert_eq!(ledger.error(JOB), None);
    assert_eq!(ledger.get(JOB).unwrap().usage(), None);
}

#[test]
fn a_peak_that_was_seen_stands_in_for_one_that_is_not_known() {
    let mut ledger = Ledger::default();
    let attempt = AttemptId { job: JOB, n: 1 };
    ledger.note_peak(attempt, 7);
    assert_eq!(ledger.sampled_peak(attempt), None, "it does not run");
    ledger.note(&launched(1, 0));
    for peak in [100, 300, 0, 200] {
        ledger.note_peak(attempt, peak);
    }
    assert_eq!(ledger.sampled_peak(attempt), Some(300));
    ledger.note(&ended(1, 5, Some(0), 1, None));
    assert_eq!(ledger.get(JOB).unwrap().usage().unwrap().max_rss_bytes, Some(300));
    assert_eq!(ledger.sampled_peak(attempt), None);
}

/// A million jobs with one attempt each take a little more than 100 MB.
#[test]
fn a_record_stays_small() {
    assert!(size_of::<Record>() <= 104, "{}", size_of::<Record>());
    let mut ledger = Ledger::default();
    for job in (1..=CHUNK as u32 * 2 + 1).rev() {
        let attempt = AttemptId { job: JobNo(job), n: 1 };
        ledger.begin(attempt, AttemptRecord::launched(Slot { pool: PoolIdx(0), n: job }, Wall(0)));
    }
    assert_eq!(ledger.records.len(), CHUNK * 2 + 1);
    for job in [1, 2, CHUNK as u32, CHUNK as u32 * 2 + 1] {
        assert_eq!(ledger.get(JobNo(job)).unwrap().last.slot.n, job);
    }
}
