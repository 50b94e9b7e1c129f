use super::*;
use proptest::prelude::*;

const TASKS: [&str; 4] = ["fetch", "resize", "failed", "or-b"];
const POOLS: [&str; 2] = ["default", "gpu"];

fn names() -> Names<'static> {
    Names { tasks: TASKS.to_vec(), pools: POOLS.to_vec() }
}

fn parsed(text: &str) -> Filter {
    Filter::parse(text, &names()).unwrap_or_else(|e| panic!("{text}: {e}; {}", e.fix))
}

/// Job 17: `resize:3` with the input `in/Cat.png 256`, which failed with code 2.
fn failed() -> JobFacts<'static> {
    JobFacts {
        job: JobNo(17),
        task: TaskIdx(1),
        index: 3,
        pool: PoolIdx(1),
        standing: Standing::Ended(Outcome::Failed { code: 2 }),
        paused: false,
        attempts: 2,
        exit: Some(Exit::Code(2)),
        wall: Some(Duration::from_secs(90)),
        started_at: Some(Wall(1_000_000)),
        ended_at: Some(Wall(91_000_000)),
        cpu: Some(Duration::from_millis(1500)),
        max_rss_bytes: Some(200 << 20),
        output_bytes: Some(1000),
        texts: &|| JobTexts { label: "resize:3".into(), inputs: "in/Cat.png 256".into() },
    }
}

/// Job 1: `fetch:1`, which waits.
fn waiting() -> JobFacts<'static> {
    JobFacts {
        job: JobNo(1),
        task: TaskIdx(0),
        index: 1,
        pool: PoolIdx(0),
        standing: Standing::Ready,
        attempts: 0,
        exit: None,
        wall: None,
        cpu: None,
        max_rss_bytes: None,
        output_bytes: None,
        texts: &|| JobTexts { label: "fetch:1".into(), inputs: String::new() },
        ..failed()
    }
}

#[test]
fn every_kind_of_term_finds_its_jobs() {
    for (text, finds_failed, finds_waiting) in [
        ("", true, true),
        ("  ", true, true),
        ("failed", true, false),
        ("outcome=failed", true, false),
        ("outcome!=failed", false, true),
        ("outcome=signaled", false, false),
        ("state=queued", false, true),
        ("queued", false, true),
        ("ready", false, true),
        ("blocked", false, false),
        ("ended", true, false),
        ("Timed-Out", false, false),
        ("resize", true, false),
        ("task=resize", true, false),
        ("task!=resize", false, true),
        ("task=failed", false, false),
        ("or-b", false, false),
        ("resize:3", true, false),
        ("resize:4", false, false),
        (":17", true, false),
        ("17", true, false),
        ("job<17", false, true),
        ("index=3", true, false),
        ("pool=gpu", true, false),
        ("cpu>1", true, false),
        ("cpu>1.5", false, false),
        ("cpu>=1.5s", true, false),
        ("time>1m", true, false),
        ("time<=1m30s", true, false),
        ("rss>100M", true, false),
        ("rss>200M", false, false),
        ("attempts>1", true, false),
        ("attempts=0", false, true),
        ("exit=2", true, false),
        ("exit==2", true, false),
        // What is not known matches no comparison, not even `!=`.
        ("exit!=0", true, false),
        ("exit!=2", false, false),
        ("!exit=2", false, true),
        ("out>999", true, false),
        ("/size:\\d$/", true, false),
        ("/^in\\/C/", true, false),
        ("/RESIZE/", false, false),
        ("/RESIZE/i", true, false),
        ("\"cat.png\"", true, false),
        ("\"Cat.png 2\"", true, false),
        ("\"CAT\"", false, false),
        ("'fetch:'", false, true),
        ("cat.png", true, false),
        ("rezise_", false, false),
        // Side by side, or, not, parentheses.
        ("failed resize", true, false),
        ("failed and fetch", false, false),
        ("failed fetch", false, false),
        ("failed or fetch", true, true),
        ("failed | fetch", true, true),
        ("failed||fetch", true, true),
        ("!failed", false, true),
        ("not failed", false, true),
        ("not not failed", true, false),
        ("fetch failed or ready", false, true),
        ("fetch (failed or ready)", false, true),
        ("resize (ready or 'nothing')", false, false),
        ("!(failed or ready)", false, false),
        ("(failed)(cpu>1)", true, false),
        ("task=\"resize\"", true, false),
    ] {
        let filter = parsed(text);
        assert_eq!(filter.matches(&failed()), finds_failed, "{text} on a failed job");
        assert_eq!(filter.matches(&waiting()), finds_waiting, "{text} on a waiting job");
        for job in [failed(), waiting()] {
            let passed_over = !filter.may_match(job.task, job.pool);
            assert!(!(passed_over && filter.matches(&job)), "{text} passes over a job it wants");
        }
    }
}

#[test]
fn every_word_covers_what_its_sentence_says() {
    use Outcome::*;
    let ended = [
        (Succeeded, vec!["ok", "succeeded"]),
        (UpToDate, vec!["ok", "up_to_date"]),
        (Failed { code: 1 }, vec!["failed"]),
        (Signaled { signal: 9 }, vec!["failed", "signaled", "signalled"]),
        (TimedOut, vec!["failed", "timed_out", "timeout"]),
        (OutOfMemory, vec!["failed", "oom", "out_of_memory"]),
        (SpawnFailed, vec!["failed", "spawn_failed"]),
        (Cancelled, vec!["canceled", "cancelled"]),
        (Skipped { upstream: TaskIdx(0) }, vec!["skipped"]),
        (Lost, vec!["failed", "lost"]),
    ];
    let mut cases: Vec<(Standing, bool, Vec<&str>)> = Vec::new();
    for (outcome, mut words) in ended {
        words.push("ended");
        cases.push((Standing::Ended(outcome), false, words));
    }
    cases.extend([
        (Standing::Blocked, false, vec!["blocked", "queued"]),
        (Standing::Ready, true, vec!["paused", "queued", "ready"]),
        (Standing::BackingOff, false, vec!["backing_off", "queued"]),
        (Standing::Running(WorkerState::Running), false, vec!["running"]),
        (Standing::Running(WorkerState::Launching), false, vec!["launching", "running"]),
        (Standing::Running(WorkerState::Quiet), false, vec!["quiet", "running"]),
        (Standing::Running(WorkerState::Paused), true, vec!["paused", "running"]),
        (Standing::Running(WorkerState::Stopping), false, vec!["running", "stopping"]),
    ]);
    for (standing, paused, mut words) in cases {
        let job = JobFacts { standing, paused, ..failed() };
        let mut held: Vec<&str> =
            WORDS.iter().map(|w| w.0).filter(|w| parsed(w).matches(&job)).collect();
        held.sort_unstable();
        words.sort_unstable();
        assert_eq!(held, words, "{standing:?}");
    }
}

#[test]
fn a_signal_counts_as_a_shell_counts_it() {
    let job = JobFacts { exit: Some(Exit::Signal(11)), ..failed() };
    for text in ["exit=139", "exit=SEGV", "exit=SIGSEGV", "exit>128", "exit!=0"] {
        assert!(parsed(text).matches(&job), "{text}");
    }
    assert!(!parsed("exit=11").matches(&job));
}

#[test]
fn errors_say_where_what_and_what_to_do() {
    for (text, place, cause, fix) in [
        ("faild", "faild", "no state and no task", "Did you mean `failed`?"),
        ("x resised", "resised", "no state and no task", "Did you mean `resize`?"),
        ("cpus>1", "cpus", "no `cpus`", "Did you mean `cpu`?"),
        ("wobble=1", "wobble", "no `wobble`", "`rss`"),
        ("cpu>fast", "fast", "not a duration", "1m30s"),
        ("rss>1X", "1X", "not a size", "100M"),
        ("attempts>x", "x", "not a number", "`3`"),
        ("exit=SIGFOO", "SIGFOO", "neither an exit code nor a signal", "SEGV"),
        ("cpu>", "cpu>", "nothing stands behind", "2m"),
        ("task=resise", "task=resise", "no task `resise`", "`task=resize`"),
        ("pool=cpu", "pool=cpu", "no pool `cpu`", "gpu"),
        ("outcome=queued", "outcome=queued", "no outcome", "succeeded"),
        ("state>failed", "state>failed", "no order", "`state=failed`"),
        ("resiz:3", "resiz:3", "no task `resiz`", "Did you mean `resize:3`?"),
        ("resize:x", "resize:x", "no number", "resize:3"),
        ("resize:0", "resize:0", "no number", "resize:3"),
        ("é (failed", "(", "not closed", "`)`"),
        ("failed)", ")", "closes nothing", "Leave it out"),
        ("()", ")", "missing before `)`", "Write one"),
        ("failed or", "", "missing at the end", "cpu>1"),
        ("| failed", "|", "missing before", "Write one"),
        ("or failed", "or", "missing before `or`", "\"or\""),
        ("failed !", "", "missing at the end", "cpu>1"),
        ("/a(/", "/a(/", "no regular expression: unclosed group", "\"text\""),
        ("/abc", "/abc", "no end", "Close it"),
        ("/home/me", "me", "no flag `me`", "\"/home/me\""),
        ("\"abc", "\"abc", "no end", "Close it"),
    ] {
        let e = Filter::parse(text, &names()).expect_err(text);
        assert_eq!(&text[e.span.clone()], place, "{text}");
        assert!(e.cause.contains(cause), "{text}: {}", e.cause);
        assert!(e.fix.contains(fix) && e.fix.ends_with(['.', '?']), "{text}: {}", e.fix);
        assert_eq!(e.column, text[..e.span.start].chars().count());
    }
    let deep = format!("{}failed{}", "(".repeat(100), ")".repeat(100));
    assert!(Filter::parse(&deep, &names()).expect_err("deep").cause.contains("within each other"));
    let long = "a ".repeat(4000);
    assert!(Filter::parse(&long, &names()).expect_err("long").cause.contains("longer"));
    let dear = r"/(\w{100}){100}/";
    assert!(Filter::parse(dear, &names()).expect_err("dear").cause.contains("size limit"));
}

#[test]
fn every_example_of_the_reference_is_read_and_every_word_is_there() {
    let page = include_str!("../../../docs/filter.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let examples: Vec<String> =
        rows.filter_map(|row| row.split_once("` |")).map(|(text, _)| text.into()).collect();
    assert!(examples.len() > 40, "only {} examples", examples.len());
    for example in &examples {
        let wanted = parsed(example);
        assert!(!wanted.is_everything(), "{example}");
    }
    let inner = page.split('`').map(|piece| piece.replace("\\|", "|"));
    let pieces: std::collections::HashSet<String> = inner.collect();
    for (word, _, _) in WORDS {
        assert!(pieces.contains(word), "docs/filter.md does not tell of `{word}`");
    }
    for (field, _, _) in FIELDS {
        let told = examples.iter().any(|e| e.starts_with(field));
        assert!(told, "docs/filter.md does not tell of `{field}`");
    }
}

#[test]
fn whole_tasks_are_passed_over_where_the_filter_allows() {
    for (text, looks_at) in [
        ("task=resize failed", vec![1]),
        ("resize or fetch", vec![0, 1]),
        ("resize:3", vec![1]),
        ("pool=gpu", vec![0, 1, 2, 3]),
        ("!resize", vec![0, 2, 3]),
        ("failed", vec![0, 1, 2, 3]),
        ("resize fetch", vec![]),
        ("(resize or cpu>1) !fetch", vec![1, 2, 3]),
    ] {
        let filter = parsed(text);
        let tasks: Vec<u32> =
            (0..4).filter(|t| filter.may_match(TaskIdx(*t), PoolIdx(1))).collect();
        assert_eq!(tasks, looks_at, "{text}");
    }
    assert!(!parsed("pool=gpu failed").may_match(TaskIdx(0), PoolIdx(0)));
}

#[test]
fn texts_are_made_only_where_they_decide() {
    let job = JobFacts { texts: &|| panic!("made for nothing"), ..failed() };
    assert!(!parsed("/x/ queued").matches(&job));
    assert!(parsed("\"x\" or failed").matches(&job));
    assert!(parsed("/x/ queued").reads_texts() && !parsed("failed cpu>1").reads_texts());
}

proptest! {
    #[test]
    fn whatever_is_typed_is_read_or_refused_with_its_place(
        text in "([a-z]{1,8}|failed|resize:3|cpu>1|[!()|/\"'=<>: #é\\\\.\\[*+{,}-]){0,14}|\\PC{0,30}",
    ) {
        match Filter::parse(&text, &names()) {
            Ok(filter) => {
                for job in [failed(), waiting()] {
                    let wanted = filter.matches(&job);
                    prop_assert!(!wanted || filter.may_match(job.task, job.pool));
                }
            }
            Err(e) => {
                prop_assert!(text.get(e.span.clone()).is_some(), "{:?} in {:?}", e.span, text);
                prop_assert!(!e.cause.is_empty() && !e.fix.is_empty());
            }
        }
    }

    #[test]
    fn negation_finds_the_others(
        text in "(failed|ready|resize|cpu>1|\"png\")( (or )?(fetch|ended|!resize|exit=2)){0,3}",
    ) {
        for job in [failed(), waiting()] {
            prop_assert_ne!(
                parsed(&text).matches(&job),
                parsed(&format!("!({text})")).matches(&job)
            );
        }
    }
}

#[test]
fn terms_about_numbers_bound_the_jobs_to_look_at() {
    for (text, low, high) in [
        ("job>=5 job<=9 failed", 5, 9),
        ("job>5 job<9", 6, 8),
        (":17", 17, 17),
        ("(:3 or :9) failed", 3, 9),
        ("failed or :3", i64::MIN, i64::MAX),
        ("!job>5", i64::MIN, i64::MAX),
        ("job!=5", i64::MIN, i64::MAX),
        ("", i64::MIN, i64::MAX),
    ] {
        let filter = Filter::parse(text, &Names::default()).unwrap();
        assert_eq!(filter.job_bounds(), (low, high), "{text}");
    }
}
