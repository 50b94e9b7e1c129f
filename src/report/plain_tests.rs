use super::*;
use crate::model::{Mono, TaskIdx};
use crate::report::script::{Captured, Script, at};

const FAILED: Outcome = Outcome::Failed { code: 2 };

/// Plays a script in a mode; returns what was printed and the exit code.
fn play(mut script: Script, output: OutputMode) -> (Captured, i32) {
    let info = script.info();
    let (captured, streams) = Captured::new();
    let finish = follow(&mut script, &info, PlainOptions { output, live: false }, &streams);
    (captured, finish.exit_code)
}

fn three_jobs() -> Script {
    let mut script = Script::new();
    script.job(2, Outcome::Succeeded, Exit::Code(0), b"two\xff\nrest", b"warn 2\n");
    script.job(1, FAILED, Exit::Code(2), b"one\n", b"bad 1\n\x1b[31mworse\x1b[0m\n");
    script.job(3, Outcome::Succeeded, Exit::Code(0), b"", b"");
    let counts = Counts { total: 3, succeeded: 2, failed: 1, ..Counts::default() };
    script.snapshot(Snapshot { counts, at: at(2), ..Snapshot::default() });
    script.bye(1, None);
    script
}

#[test]
fn grouped_output_is_byte_for_byte_in_the_order_of_ends() {
    let (captured, exit_code) = play(three_jobs(), OutputMode::Grouped);
    assert_eq!(captured.out(), b"two\xff\nrestone\n");
    let err = captured.err_text();
    assert!(err.starts_with("warn 2\nbad 1\n\x1b[31mworse\x1b[0m\n"), "{err}");
    assert_eq!(exit_code, 1);
}

#[test]
fn on_a_terminal_an_unfinished_line_is_finished() {
    for output in [&b"x"[..], &[b'x'; 100_000]] {
        let mut script = Script::new();
        script.job(1, Outcome::Succeeded, Exit::Code(0), output, b"");
        script.job(2, Outcome::Succeeded, Exit::Code(0), b"y\n", b"");
        script.bye(0, None);
        let info = script.info();
        let (captured, mut streams) = Captured::new();
        streams.out_is_terminal = true;
        follow(&mut script, &info, PlainOptions::default(), &streams);
        assert!(captured.out() == [output, b"\ny\n"].concat());
    }
}

#[test]
fn the_summary_names_every_failed_job_with_its_end_and_last_lines() {
    let (captured, _) = play(three_jobs(), OutputMode::Nothing);
    assert_eq!(captured.out(), b"");
    let expected = "
failed:
  a:1 (:1)  [input-1]  exit code 2
    | bad 1
    | worse
  `ganger logs JOB -r brave-otter-x7k2` shows all of a job's output.

3 jobs: 2 succeeded, 1 failed; 2.0s; run brave-otter-x7k2
";
    assert_eq!(captured.err_text(), expected);
}

#[test]
fn tagged_output_names_the_job_before_every_line() {
    let (captured, _) = play(three_jobs(), OutputMode::Tagged);
    assert_eq!(captured.out(), b"a:2 | two\xff\na:2 | rest\na:1 | one\n");
    assert!(captured.err_text().starts_with("a:2 ! warn 2\na:1 ! bad 1\n"));
}

#[test]
fn only_failed_jobs_are_printed_when_asked_for() {
    let (captured, _) = play(three_jobs(), OutputMode::Failed);
    assert_eq!(captured.out(), b"one\n");
}

#[test]
fn much_output_is_copied_from_its_file_or_asked_for_piece_by_piece() {
    let much: Vec<u8> = (0..300_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    for hide_paths in [false, true] {
        let mut script = Script::new();
        script.hide_paths = hide_paths;
        script.job(1, Outcome::Succeeded, Exit::Code(0), &much, b"");
        script.bye(0, None);
        let (captured, _) = play(script, OutputMode::Grouped);
        assert!(captured.out() == much, "hide_paths={hide_paths}");
    }
    let mut script = Script::new();
    script.job(1, Outcome::Succeeded, Exit::Code(0), &much, b"");
    script.bye(0, None);
    let (captured, _) = play(script, OutputMode::Tagged);
    let tagged: String = (0..300_000).map(|n| format!("a:1 | {n}\n")).collect();
    assert!(captured.out_text() == tagged);
}

#[test]
fn output_that_the_task_sends_to_a_file_is_not_printed() {
    let mut script = Script::new();
    script.job(1, Outcome::Succeeded, Exit::Code(0), b"x", b"");
    script.send_elsewhere(1);
    script.bye(0, None);
    let (captured, _) = play(script, OutputMode::Grouped);
    assert_eq!(captured.out(), b"");
}

#[test]
fn of_a_retried_job_only_the_last_attempt_counts() {
    let mut script = Script::new();
    script.attempt(1, 1, FAILED, Exit::Code(2), b"first", b"");
    let by = Requester::Rule;
    script.event(Event::JobRetrying { job: JobNo(1), ready_at: Mono(0), by: by.clone() });
    script.job(1, Outcome::Succeeded, Exit::Code(0), b"second", b"");
    script.job(2, FAILED, Exit::Code(2), b"", b"");
    script.event(Event::JobRetrying { job: JobNo(2), ready_at: Mono(0), by });
    script.job(2, Outcome::Succeeded, Exit::Code(0), b"", b"");
    script.bye(0, None);
    let (captured, exit_code) = play(script, OutputMode::Grouped);
    assert_eq!(captured.out(), b"second");
    assert!(!captured.err_text().contains("failed:"), "{}", captured.err_text());
    assert_eq!(exit_code, 0);
}

#[test]
fn warnings_are_said_once() {
    let mut script = Script::new();
    script.event(Event::InputsFailed { task: TaskIdx(1), error: "no such file".into() });
    let notices = vec!["no cgroup".into(), "task `b` has no jobs: no such file".into()];
    for _ in 0..2 {
        script.snapshot(Snapshot { notices: notices.clone(), ..Snapshot::default() });
    }
    let quiet = Event::AttemptQuiet {
        attempt: AttemptId { job: JobNo(4), n: 1 },
        quiet: true,
        since: Mono(0),
    };
    script.event(quiet);
    script.event(Event::RunStopping {
        how: StopHow::Drain,
        by: Requester::Signal { signal: 2 },
        why: String::new(),
    });
    script.bye(130, None);
    let (captured, exit_code) = play(script, OutputMode::Grouped);
    let err = captured.err_text();
    assert_eq!(err.matches("warning: no cgroup\n").count(), 1, "{err}");
    assert!(err.contains("warning: b:1 (:4) is quiet"), "{err}");
    assert!(err.starts_with("error: task `b` has no jobs: no such file\n"), "{err}");
    assert_eq!(err.matches("has no jobs").count(), 2, "at once and in the summary: {err}");
    assert!(err.contains("\nfailed:\n  task `b` has no jobs: no such file\n"), "{err}");
    assert!(err.contains("0 jobs; inputs of 1 task could not be read; "), "{err}");
    assert!(err.contains("draining: SIGINT; running jobs end first, Ctrl-C again"), "{err}");
    assert_eq!(exit_code, 130);
}

#[test]
fn the_summary_says_that_a_job_had_been_hung() {
    let mut script = Script::new();
    for (job, outcome, reason) in [
        (1, Outcome::Cancelled, Some(StopReason::Kill)),
        (2, Outcome::TimedOut, Some(StopReason::Quiet)),
        (3, Outcome::TimedOut, Some(StopReason::Timeout)),
        (4, Outcome::Succeeded, None),
    ] {
        let attempt = AttemptId { job: JobNo(job), n: 1 };
        script.event(Event::AttemptQuiet { attempt, quiet: true, since: at(1).mono });
        script.stopped_job(job, outcome, reason, at(43));
    }
    script.bye(1, None);
    let (captured, _) = play(script, OutputMode::Nothing);
    let expected = "
failed:
  a:2 (:2)  [input-2]  timed out (SIGTERM): hung: no CPU, no output, no I/O for 42.0s
  a:3 (:3)  [input-3]  timed out (SIGTERM): was hung: quiet for 42.0s

cancelled while hung:
  a:1 (:1)  [input-1]  cancelled (SIGTERM): killed by hand, was hung: quiet for 42.0s
  `ganger logs";
    assert!(captured.err_text().contains(expected), "{}", captured.err_text());
}

#[test]
fn a_supervisor_that_vanishes_is_an_error() {
    let (captured, exit_code) = play(Script::new(), OutputMode::Grouped);
    assert_eq!(exit_code, 3);
    assert!(captured.err_text().contains("error: cannot follow run `brave-otter-x7k2`"));
}

#[test]
fn a_report_that_could_not_be_written_is_said() {
    let mut script = Script::new();
    script.bye(3, Some("cannot write the report to `/x`: it is a folder"));
    let (captured, exit_code) = play(script, OutputMode::Grouped);
    assert!(
        captured.err_text().ends_with("error: cannot write the report to `/x`: it is a folder\n")
    );
    assert_eq!(exit_code, 3);
}

#[test]
fn a_reader_who_has_seen_enough_ends_the_printing_not_the_run() {
    let mut script = three_jobs();
    let info = script.info();
    let (captured, mut streams) = Captured::new();
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    streams.out = File::from(std::os::fd::OwnedFd::from(write));
    let finish = follow(&mut script, &info, PlainOptions::default(), &streams);
    assert_eq!(finish.exit_code, 1);
    assert!(captured.err_text().contains("3 jobs: 2 succeeded, 1 failed"));
    assert!(!captured.err_text().contains("cannot print"));
}

#[test]
fn a_full_disk_is_said_and_is_a_failure() {
    let mut script = Script::new();
    script.job(1, Outcome::Succeeded, Exit::Code(0), b"x", b"");
    script.bye(0, None);
    let info = script.info();
    let (captured, mut streams) = Captured::new();
    streams.out = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let finish = follow(&mut script, &info, PlainOptions::default(), &streams);
    assert_eq!(finish.exit_code, 3);
    assert!(captured.err_text().contains("error: cannot print the output of jobs"));
}
