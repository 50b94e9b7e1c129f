//! What people read.

use super::*;
use crate::model::waits::text::{Show, Words, drawn};
use crate::model::waits::{Frame, Language, NotVisible, dot};

#[track_caller]
fn says(scene: &str, wanted: &[&str]) {
    let report = judged(scene);
    let said: Vec<&str> = report.waits.iter().map(|wait| wait.text.as_str()).collect();
    assert_eq!(said, wanted);
}

#[test]
fn every_wait_is_one_sentence() {
    says(
        "process 10 named python3 job=3\n10 mp_lock:a 20 held=20\n20 runs",
        &[":3#1 (pid 10, python3) waits 41 s for multiprocessing.Lock #1 held by prog (pid 20)"],
    );
    says(
        "10.11 mutex:a 10.12 held=10.12\n10.12 runs",
        &["prog (pid 10, thread 11) waits 41 s for mutex #1 held by prog (pid 10, thread 12)"],
    );
    says("10 mutex:a 10 held=10", &["prog (pid 10) waits 41 s for mutex #1 held by itself"]);
    says(
        "10 mutex:a abandoned was=9",
        &["prog (pid 10) waits 41 s for mutex #1, whose owner is gone (pid 9)"],
    );
    says("10 mutex:a abandoned", &["prog (pid 10) waits 41 s for mutex #1, which nobody can end"]);
    says(
        "10 wait_child:c p20 held=p20\n20 stopped",
        &["prog (pid 10) waits 41 s for the end of prog (pid 20, stopped)"],
    );
    says(
        "10 pipe_read:a p20 p30 held=p20 held=p30\n20 runs\n30 runs",
        &[
            "prog (pid 10) waits 41 s for data from a pipe, which only prog (pid 20) or prog (pid 30) \
         could send",
        ],
    );
    says(
        "10 rwlock:a 20 & 30 held=20 held=30\n20 runs\n30 runs",
        &[
            "prog (pid 10) waits 41 s for read-write lock #1 held by prog (pid 20) and prog (pid 30)",
        ],
    );
    says(
        "10 poll:a outside",
        &["prog (pid 10) waits 41 s for one of several files; may be ended by somebody"],
    );
    says(
        "10 mutex:a 20 held=20 timeout\n20 runs",
        &["prog (pid 10) waits 41 s for mutex #1 held by prog (pid 20), with a timeout"],
    );
    says(
        "10 py_lock:a p10 guess=10.11 inferred\n10.11 runs",
        &[
            "prog (pid 10) waits 41 s for threading.Lock #1 perhaps held by prog (pid 10, thread 11)",
        ],
    );
}

#[test]
fn the_same_lock_has_the_same_number_for_all() {
    says(
        "10 mutex:b 20 held=20
         20 mutex:a 10 held=10
         30 mutex:b 20 held=20",
        &[
            "prog (pid 10) waits 41 s for mutex #2 held by prog (pid 20)",
            "prog (pid 20) waits 41 s for mutex #1 held by prog (pid 10)",
            "prog (pid 30) waits 41 s for mutex #2 held by prog (pid 20)",
        ],
    );
}

fn frame(language: Language, function: &str, file: &str, line: Option<u32>) -> Frame {
    Frame {
        language,
        function: function.to_owned(),
        file: Some(file.to_owned()),
        line,
        locals: vec![],
    }
}

#[test]
fn the_place_is_in_the_program_not_in_a_library() {
    let mut second = look("10 mp_lock:a 20 held=20\n20 runs");
    let lib = "/usr/lib/python3.11/multiprocessing/synchronize.py";
    second.waits[0].frames = vec![
        frame(Language::Native, "__futex_abstimed_wait", "/usr/lib/libc.so.6", None),
        frame(Language::Python, "__enter__", lib, Some(95)),
        frame(Language::Python, "copy", "/home/a/transfer.py", Some(42)),
    ];
    let report = crate::xray::judge(&earlier(&second), &second);
    assert!(report.waits[0].text.ends_with("held by prog (pid 20) at transfer.py:42"));
    // What `python -c` runs has no file.
    second.waits[0].frames[2].file = Some("<string>".to_owned());
    let report = crate::xray::judge(&earlier(&second), &second);
    assert!(report.waits[0].text.ends_with("at <string>:42"), "{}", report.waits[0].text);
    second.waits[0].frames.truncate(1);
    second.waits[0].frames.push(frame(Language::Native, "0xbcbf", "/bin/dash", None));
    second.waits[0].frames.push(frame(Language::Native, "work", "/opt/x/worker", None));
    let report = crate::xray::judge(&earlier(&second), &second);
    assert!(report.waits[0].text.ends_with("at work (worker)"), "{}", report.waits[0].text);
}

#[test]
fn a_report_draws_circles_as_rails_first_then_who_waits_behind_then_the_rest() {
    let mut second = look(
        "process 30 named ma\u{1b}[31mke
         10 mutex:a 20 held=20
         20 mutex:b 10 held=10
         30 wait_child:c p10 held=p10
         40 poll:d outside
         50 runs",
    );
    second.not_visible =
        vec![NotVisible { pid: 7, what: "waits".into(), why: "permission denied".into() }];
    let report = crate::xray::judge(&earlier(&second), &second);
    let text = drawn(&report, &Words::new(report.at), Show::default());
    assert_eq!(
        text,
        "\
deadlock: 1 finding in 5 processes, 5 threads, 4 waits

DEADLOCK: none of these can ever go on (for at least 41 s)
┌▶ prog (pid 10) waits 41 s for mutex #1 held by prog (pid 20)
└─ prog (pid 20) waits 41 s for mutex #2 held by prog (pid 10)
   behind them
     make (pid 30) waits 41 s for the end of prog (pid 10)

other waits
  prog (pid 40) waits 41 s for one of several files; may be ended by somebody

not visible
  waits of pid 7: permission denied
"
    );
    assert_eq!(
        report.findings[0].text,
        "a circle of 2: prog (pid 10) waits 41 s for mutex #1 held by prog (pid 20); prog (pid 20) \
         waits 41 s for mutex #2 held by prog (pid 10). 1 more thread waits behind"
    );
}

#[test]
fn stacks_stand_below_their_wait() {
    let mut second = look("10 mutex:a 10 held=10");
    second.waits[0].frames = vec![
        frame(Language::Native, "pthread_mutex_lock", "libc.so.6", None),
        Frame {
            locals: vec![("n".into(), "3".into())],
            ..frame(Language::Python, "run", "/x/a.py", Some(7))
        },
    ];
    let report = crate::xray::judge(&earlier(&second), &second);
    let text = drawn(&report, &Words::new(report.at), Show { stacks: true });
    assert!(
        text.ends_with(
            "held by itself at a.py:7
      pthread_mutex_lock (libc.so.6)
      run (/x/a.py:7) n = 3\n"
        ),
        "{text}"
    );
}

#[test]
fn attempts_are_called_as_the_screen_calls_them() {
    let report = judged("process 10 job=3\n10 mutex:a 10 held=10");
    let name = |attempt: AttemptId| Some(format!("worker {}", attempt.job.0));
    let words = Words::naming(report.at, &name);
    assert_eq!(words.member(&report.waits[0].who), "worker 3 (pid 10, prog)");
}

#[test]
fn a_graph_has_threads_resources_and_arrows() {
    let report = judged(
        "10 mutex:a 20 held=20
         20 mutex:b 10 held=10
         30 pipe_read:\"\\ p40 guess=p40",
    );
    let text = dot::drawn(&report, &Words::new(report.at));
    assert_eq!(
        text,
        r##"digraph waits {
  rankdir=LR;
  node [shape=box];
  t10 [label="prog (pid 10)", style=filled, fillcolor="#f4a6a6", penwidth=2];
  "mutex a" [label="mutex #1", shape=ellipse];
  t10 -> "mutex a";
  "mutex a" -> t20;
  t20 [label="prog (pid 20)", style=filled, fillcolor="#f4a6a6", penwidth=2];
  "mutex b" [label="mutex #2", shape=ellipse];
  t20 -> "mutex b";
  "mutex b" -> t10;
  t30 [label="prog (pid 30)"];
  "pipe_read \"\\" [label="data from a pipe", shape=ellipse];
  t30 -> "pipe_read \"\\";
  p40 [label="pid 40"];
  "pipe_read \"\\" -> p40 [style=dashed];
}
"##
    );
}
