use super::*;
use crate::model::JobNo;
use crate::model::waits::report::Rule;
use crate::model::waits::{LastOwner, Resource};

fn proc(pid: i32) -> ProcRef {
    ProcRef { pid, start_ticks: 1 }
}

fn held(pid: i32, proven: bool) -> Held {
    let name = "holder".to_owned();
    Held { proc: proc(pid), tid: None, name, attempt: None, proven, stopped: false }
}

/// Reads `11.2 mutex:a since 900 by 12`: thread 2 of process 11, which has waited since 900 ms;
/// processes from 10 to 19 are of job 1 and so on, those from 90 on are nobody's.
fn wait(text: &str) -> Waiting {
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().position(|w| *w == word);
        at.and_then(|at| words.get(at + 1)).map(|n| n.parse::<i32>().unwrap())
    };
    let (pid, thread) = words[0].split_once('.').unwrap_or((words[0], "0"));
    let (pid, thread): (i32, i32) = (pid.parse().unwrap(), thread.parse().unwrap());
    let (kind, id) = words[1].split_once(':').unwrap();
    let job = (pid < 90).then_some(AttemptId { job: JobNo(pid as u32 / 10), n: 1 });
    let holder = after("by").map(|pid| held(pid, true));
    Waiting {
        who: Member { proc: proc(pid), tid: pid + thread, name: "p".to_owned(), attempt: job },
        resource: Resource {
            kind: WaitKind::ALL.iter().copied().find(|k| k.word() == kind).unwrap(),
            id: id.to_owned(),
            name: id.starts_with('/').then(|| id.to_owned()),
        },
        holders: holder.into_iter().chain(after("perhaps").map(|pid| held(pid, false))).collect(),
        last_owner: after("of").map(|pid| LastOwner { pid, tid: pid }),
        rule: Rule::Any,
        timeout: words.contains(&"timeout"),
        since: after("since").map(|ms| Mono(ms as u64 * 1_000)),
        fill: None,
        frames: Vec::new(),
        finding: None,
        outside: None,
        text: String::new(),
    }
}

fn report(ms: u64, waits: &[&str]) -> Report {
    let waits = waits.iter().map(|text| wait(text)).collect();
    Report { at: Mono(ms * 1_000), waits, ..Report::default() }
}

/// What is remembered after looks at these times.
fn after(looks: &[(u64, &[&str])]) -> Contention {
    let mut seen = Contention::default();
    for (ms, waits) in looks {
        seen.see(&mut report(*ms, waits));
    }
    seen
}

/// `mutex #1: 3 looks, 2 at most, lost 600 ms, jobs 400, longest 300`
fn told(seen: &Contention) -> Vec<String> {
    let one = |lock: &ForeignLock| {
        let s = &lock.stats;
        let (lost, jobs, longest) =
            (s.waited_us / 1000, s.jobs_waited_us / 1000, s.longest_us / 1000);
        let (looks, most) = (s.looks, s.most_waiters);
        let title = lock.title();
        format!("{title}: {looks} looks, {most} at most, lost {lost} ms, jobs {jobs}, {longest}")
    };
    seen.view().0.iter().map(one).collect()
}

#[test]
fn a_look_counts_the_time_since_the_look_before_for_every_thread_that_waits() {
    let seen = after(&[
        (1_000, &[]),
        (1_200, &["11 mutex:a since 1100", "21 mutex:a since 1150"]),
        (1_400, &["11 mutex:a since 1100"]),
        (1_600, &[]),
    ]);
    assert_eq!(told(&seen), ["mutex #1: 2 looks, 2 at most, lost 600 ms, jobs 600, 300"]);
}

#[test]
fn threads_of_one_job_cost_it_its_time_once() {
    let waits: &[&str] = &["11 mutex:a", "11.1 mutex:a", "12 mutex:a", "91 mutex:a"];
    let seen = after(&[(1_000, &[]), (1_200, waits)]);
    assert_eq!(told(&seen), ["mutex #1: 1 looks, 4 at most, lost 800 ms, jobs 200, 0"]);
}

#[test]
fn after_a_long_time_without_looks_a_wait_counts_as_long_as_it_was_seen() {
    // Nobody watched: the first look for a minute is at a thread that stands still for 0.5 s.
    let seen = after(&[(1_000, &[]), (61_000, &["11 mutex:a since 60500", "21 mutex:b"])]);
    assert_eq!(
        told(&seen),
        [
            "mutex #1: 1 looks, 1 at most, lost 500 ms, jobs 500, 500",
            "mutex #2: 1 looks, 1 at most, lost 200 ms, jobs 200, 0",
        ]
    );
    // No look came before: what was seen is all there is.
    let seen = after(&[(61_000, &["11 mutex:a since 58000"])]);
    assert_eq!(told(&seen), ["mutex #1: 1 looks, 1 at most, lost 3000 ms, jobs 3000, 3000"]);
}

#[test]
fn looks_that_show_the_same_go_on_counting() {
    let mut seen = Contention::default();
    let mut first = report(1_000, &["11 mutex:a since 500 by 21"]);
    seen.see(&mut first);
    for ms in [3_000, 5_000] {
        seen.still(Mono(ms * 1_000), &first);
    }
    assert_eq!(told(&seen), ["mutex #1: 3 looks, 1 at most, lost 4500 ms, jobs 4500, 4500"]);
    // The same look twice is one.
    seen.still(Mono(5_000_000), &first);
    assert!(told(&seen)[0].contains("lost 4500 ms"), "{:?}", told(&seen));
}

#[test]
fn holders_are_told_as_long_as_somebody_waits() {
    let seen =
        after(&[(1_000, &["11 mutex:a perhaps 31", "12 mutex:a by 21", "13 mutex:a by 21"])]);
    let lock = &seen.view().0[0];
    let holders = lock.holders.iter().map(|h| (h.party.proc.unwrap().pid, h.proven));
    assert_eq!(holders.collect::<Vec<_>>(), [(21, true), (31, false)]);
    assert_eq!(lock.owners().count(), 1);
    let waiters = lock.waiters.iter().map(|w| w.party.proc.unwrap().pid);
    assert_eq!(waiters.collect::<Vec<_>>(), [11, 12, 13]);
    let seen = after(&[(1_000, &["11 mutex:a by 21"]), (1_200, &[])]);
    let lock = &seen.view().0[0];
    assert_eq!((lock.n_waiters, lock.waiters.len(), lock.holders.len()), (0, 0, 0));
    let seen = after(&[(1_000, &["11 mp_lock:/x of 44"])]);
    assert_eq!(seen.view().0[0].last_owner, Some(LastOwner { pid: 44, tid: 44 }));
}

#[test]
fn only_locks_that_are_not_gangers_own_are_remembered() {
    let mut queue = wait("13 pipe_read:pipe:[7]");
    queue.frames = vec![Frame {
        language: Language::Python,
        function: "get".to_owned(),
        file: Some("/usr/lib/python3.11/multiprocessing/queues.py".to_owned()),
        ..Frame::default()
    }];
    let others = ["11 ganger_lock:db", "12 pipe_read:pipe:[6]", "14 poll:x", "15 file_lock:/a"];
    let mut all = report(1_000, &others);
    all.waits.push(queue);
    let mut seen = Contention::default();
    seen.see(&mut all);
    let titles: Vec<String> = seen.view().0.iter().map(ForeignLock::title).collect();
    assert_eq!(titles, ["/a", "Queue pipe:[7]"]);
    assert!(seen.view().0.iter().all(|lock| lock.key().starts_with('~')));
}

#[test]
fn what_is_announced_within_a_process_is_one_whatever_it_is_waited_with() {
    let mut all =
        report(1_000, &["11 condvar:a", "11.1 condvar:b", "21 condvar:c", "11.2 condvar:d"]);
    for wait in all.waits.iter_mut().take(3) {
        wait.resource.name = Some("an item in a queue.Queue".to_owned());
    }
    let mut feeder = wait("11.4 condvar:e");
    feeder.resource.name = Some("threading.Condition".to_owned());
    feeder.frames = vec![Frame {
        language: Language::Python,
        function: "_feed".to_owned(),
        file: Some("/usr/lib/python3.11/multiprocessing/queues.py".to_owned()),
        ..Frame::default()
    }];
    all.waits.push(feeder);
    let mut seen = Contention::default();
    seen.see(&mut all);
    let mut titles: Vec<(String, u32)> =
        seen.view().0.iter().map(|lock| (lock.title(), lock.n_waiters)).collect();
    titles.sort();
    let item = |pid: i32| format!("an item in a queue.Queue (pid {pid})");
    assert_eq!(titles, [(item(11), 2), (item(21), 1), ("condvar #1".to_owned(), 1)]);
}

#[test]
fn locks_without_a_name_keep_their_number_in_every_report() {
    let mut seen = Contention::default();
    seen.see(&mut report(1_000, &["11 mutex:z"]));
    // By itself a report counts in the order of the ids.
    let mut second = report(1_200, &["11 mutex:z", "12 mutex:a", "13 rwlock:r", "14 file_lock:/f"]);
    second.waits[0].resource.name = Some("#2".to_owned());
    second.waits[1].resource.name = Some("#1".to_owned());
    seen.see(&mut second);
    let names = second.waits.iter().map(|wait| wait.resource.name.as_deref().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["#1", "#2", "#1", "/f"]);
}

#[test]
fn those_unseen_for_longest_are_forgotten_first_and_no_number_comes_again() {
    let mut seen = Contention::default();
    let of = |n: usize| format!("11 mutex:{n:04}");
    for n in 0..FOREIGN_LOCKS {
        seen.see(&mut report(1_000 + n as u64, &[&of(n)]));
    }
    // The oldest comes back, so the second is the one that goes.
    seen.see(&mut report(9_000, &[&of(0)]));
    seen.see(&mut report(9_200, &[&of(0), &of(7_000)]));
    let ids: BTreeSet<String> = seen.locks.keys().map(|(_, id)| id.clone()).collect();
    assert_eq!(ids.len(), FOREIGN_LOCKS);
    assert!(ids.contains("0000") && ids.contains("7000") && !ids.contains("0001"));
    let new = seen.locks.get(&(WaitKind::Mutex, "7000".to_owned()));
    assert_eq!(new.and_then(|known| known.number), Some(FOREIGN_LOCKS as u32 + 1));
    let (view, total) = seen.view();
    assert_eq!((view.len(), total as usize), (SNAPSHOT_FOREIGN, FOREIGN_LOCKS));
    // More at once than are remembered: the rest is not told, and nothing breaks.
    let many: Vec<String> = (0..FOREIGN_LOCKS + 9).map(|n| format!("11 mutex:x{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    seen.see(&mut report(9_400, &many));
    assert_eq!(seen.view().1 as usize, FOREIGN_LOCKS);
    assert!(seen.locks.values().all(|known| known.lock.n_waiters == 1));
}
