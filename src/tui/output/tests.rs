use super::*;
use crate::model::query::{Found, Hit, Mark, SearchScope};
use crate::model::{AttemptId, Case, Pattern, Text};
use std::fs::File;
use std::os::unix::fs::FileExt;

const KEY: Key = (JobNo(7), 1);
const ROOM: Room = Room { height: 10, width: 40 };
use Stream::{Stderr, Stdout};

fn part(offset: u64, text: &str, size: u64) -> OutputPart {
    OutputPart {
        attempt: AttemptId { job: KEY.0, n: KEY.1 },
        path: None,
        offset,
        size,
        bytes: Text::from(text),
        complete: false,
        marks: Vec::new(),
    }
}

fn shown() -> Output {
    let mut output = Output::default();
    output.show(Target { key: KEY, label: "a:1".to_owned() }, Mono(0));
    output
}

fn second(n: u64) -> Mono {
    Mono(n * 1_000_000)
}

fn text(line: &Line) -> String {
    line.spans.iter().map(|(text, _)| text.as_str()).collect()
}

fn page(output: &Output) -> Vec<String> {
    output.lines(ROOM).iter().map(text).collect()
}

/// Files that stand for a supervisor, with the bytes that were read of them.
struct Disk {
    files: [File; 2],
    marks: [Vec<Mark>; 2],
    read_bytes: u64,
    n_asks: usize,
}

impl Disk {
    fn new() -> Disk {
        let file = || tempfile::tempfile().unwrap();
        Disk { files: [file(), file()], marks: [vec![], vec![]], read_bytes: 0, n_asks: 0 }
    }

    fn write(&self, stream: Stream, offset: u64, text: &str) {
        self.files[stream as usize].write_all_at(text.as_bytes(), offset).unwrap();
    }

    fn add(&mut self, stream: Stream, at: i64, text: &str) {
        let size = self.files[stream as usize].metadata().unwrap().len();
        self.write(stream, size, text);
        self.marks[stream as usize].push(Mark { at: Wall(at), size: size + text.len() as u64 });
    }

    fn part(&mut self, ask: Ask) -> OutputPart {
        let (file, marks) = (&self.files[ask.stream as usize], &self.marks[ask.stream as usize]);
        let size = file.metadata().unwrap().len();
        let offset = match ask.from {
            OutputFrom::Tail => size.saturating_sub(u64::from(ask.max_bytes)),
            OutputFrom::Offset(offset) => offset.min(size),
            OutputFrom::After(at) => {
                marks.iter().rev().find(|m| m.at <= at).map_or(0, |mark| mark.size)
            }
        };
        let mut bytes = vec![0; (size - offset).min(u64::from(ask.max_bytes)) as usize];
        file.read_exact_at(&mut bytes, offset).unwrap();
        self.read_bytes += bytes.len() as u64;
        self.n_asks += 1;
        assert!(self.n_asks < 1000, "it asks without end");
        OutputPart {
            bytes: Text(bytes),
            marks: marks.clone(),
            complete: true,
            ..part(offset, "", size)
        }
    }

    /// Answers until nothing is asked any more.
    fn settle(&mut self, output: &mut Output) {
        for i in 0.. {
            let asks = output.asks(second(100 + i), None);
            if asks.is_empty() {
                return;
            }
            for ask in asks {
                let part = self.part(ask);
                output.take(ask, Ok(part));
            }
        }
    }
}

#[test]
fn the_end_is_followed_without_fetching_anything_twice() {
    let mut output = shown();
    let asks = output.asks(second(1), None);
    assert_eq!(asks.iter().map(|a| a.from).collect::<Vec<_>>(), [OutputFrom::Tail; 2]);
    assert!(output.asks(second(9), None).is_empty(), "asked again while it waits");
    output.take(asks[0], Ok(part(10, "x\none\ntw", 18)));
    output.take(asks[1], Ok(part(0, "", 0)));
    assert_eq!(page(&output), ["one", "tw"]);
    assert!(output.asks(Mono(9_100_000), None).is_empty(), "asked too soon");
    let asks = output.asks(second(11), None);
    assert_eq!(asks[0].from, OutputFrom::Offset(18));
    output.take(asks[0], Ok(part(18, "o\nthree\n", 26)));
    assert_eq!(page(&output), ["one", "two", "three"]);
}

#[test]
fn a_file_that_became_shorter_is_read_anew() {
    let mut output = shown();
    let asks = output.asks(second(1), None);
    output.take(asks[0], Ok(part(0, "old old old\n", 12)));
    output.take(asks[1], Ok(part(0, "", 0)));
    let asks = output.asks(second(3), None);
    output.take(asks[0], Ok(part(4, "", 4)));
    output.take(asks[1], Ok(part(0, "", 0)));
    let asks = output.asks(second(5), None);
    assert_eq!(asks[0].from, OutputFrom::Tail);
    output.take(asks[0], Ok(part(0, "new\n", 4)));
    assert_eq!(page(&output), ["new"]);
}

#[test]
fn scrolling_back_fetches_what_lies_before_and_keeps_the_place() {
    let disk = &mut Disk::new();
    let all: String = (0..100_000).map(|i| format!("{i:05}\n")).collect();
    disk.write(Stdout, 0, &all);
    let mut output = shown();
    disk.settle(&mut output);
    assert_eq!(page(&output).first().unwrap(), "99990");
    for n in 1..=30 {
        output.scroll(-500, ROOM);
        disk.settle(&mut output);
        assert_eq!(*page(&output).first().unwrap(), format!("{:05}", 99_990 - n * 500));
    }
    output.scroll(3, ROOM);
    assert_eq!(page(&output).first().unwrap(), "84993");
    output.scroll(isize::MAX / 2, ROOM);
    assert!(!output.is_held(), "the end is followed again");
    output.scroll(isize::MIN / 2, ROOM);
    disk.settle(&mut output);
    assert_eq!(page(&output)[..2], ["00000", "00001"]);
    output.scroll(15, ROOM);
    disk.settle(&mut output);
    assert_eq!(page(&output)[0], "00015");
}

#[test]
fn a_file_of_eight_gigabytes_is_read_in_windows_only() {
    const SIZE: u64 = 8 << 30;
    let disk = &mut Disk::new();
    disk.write(Stdout, 0, "first\nsecond\n");
    disk.write(Stdout, SIZE / 2, "\nmiddle\nnext\n");
    disk.write(Stdout, SIZE - 12, "\nlast\nend of");
    let mut output = shown();
    disk.settle(&mut output);
    assert_eq!(page(&output).last().unwrap(), "end of");
    output.to_start();
    disk.settle(&mut output);
    assert_eq!(page(&output)[..2], ["first", "second"]);
    output.to_offset(Stdout, SIZE / 2 + 1);
    disk.settle(&mut output);
    assert_eq!(page(&output)[..2], ["middle", "next"]);
    output.to_percent(50);
    disk.settle(&mut output);
    output.scroll(1, ROOM);
    assert_eq!(page(&output)[0], "middle");
    // Far into what has no lines: pieces, and one can go on.
    for _ in 0..50 {
        output.scroll(5, ROOM);
        disk.settle(&mut output);
        assert!(!page(&output).is_empty());
    }
    assert!(
        matches!(output.place(), Position::At { offset, .. } if offset > SIZE / 2 + 200 * 16384)
    );
    output.to_percent(100);
    disk.settle(&mut output);
    assert_eq!(page(&output).last().unwrap(), "end of");
    assert!(disk.read_bytes < 8 << 20, "{} bytes were read", disk.read_bytes);
    let pair = output.pair().unwrap();
    assert!(pair.out.end() - pair.out.start <= HELD_BYTES as u64 + u64::from(PART_BYTES));
}

#[test]
fn both_streams_are_one_by_the_time_of_their_lines() {
    let disk = &mut Disk::new();
    disk.add(Stdout, 10, "out 1\nout 2\n");
    disk.add(Stderr, 20, "err 1\n");
    disk.add(Stdout, 30, "out 3\n");
    disk.add(Stderr, 30, "err 2\n");
    let mut output = shown();
    disk.settle(&mut output);
    assert_eq!(page(&output), ["out 1", "out 2", "err 1", "out 3", "err 2"]);
    let lines = output.lines(ROOM);
    assert_eq!((lines[2].stream, lines[2].time), (Stderr, Some(Wall(20))));
    output.next_streams();
    assert_eq!(page(&output), ["out 1", "out 2", "out 3"]);
    output.next_streams();
    assert_eq!(page(&output), ["err 1", "err 2"]);
}

#[test]
fn lines_from_before_the_window_of_the_other_stream_wait_until_it_is_there() {
    let disk = &mut Disk::new();
    disk.add(Stderr, 0, "first of all\n");
    for i in 1..=3000 {
        disk.add(Stdout, i, &format!("{i:0100}\n"));
        if i % 1000 == 500 {
            disk.add(Stderr, i, &format!("warning {i}\n"));
        }
    }
    let mut output = shown();
    disk.settle(&mut output);
    let seen = |output: &Output| output.order.iter().filter(|(s, _)| *s == Stderr).count();
    assert_eq!(seen(&output), 1, "only the last warning stands among lines that are there");
    // A hit far from the end brings the other stream along.
    output.to_offset(Stderr, 13);
    disk.settle(&mut output);
    let lines = page(&output);
    assert_eq!(lines[0], "warning 500");
    assert!(lines[1].ends_with(&"0".repeat(30)), "{lines:?}");
    let first = output.lines(Room { height: 3, width: 200 });
    assert!(text(&first[1]).ends_with("501") && text(&first[2]).ends_with("502"));
    output.scroll(-1, ROOM);
    assert!(text(&output.lines(Room { height: 1, width: 200 })[0]).ends_with("500"));
    output.to_start();
    disk.settle(&mut output);
    assert_eq!(page(&output)[0], "first of all");
}

#[test]
fn what_ended_is_not_asked_for_again() {
    let mut output = shown();
    let asks = output.asks(second(1), None);
    for ask in asks {
        output.take(ask, Ok(OutputPart { complete: true, ..part(0, "x\n", 2) }));
    }
    assert!(output.asks(second(100), None).is_empty());
}

#[test]
fn what_is_refused_is_not_asked_for_in_a_loop() {
    let mut output = shown();
    output.to_start();
    let asks = output.asks(second(1), None);
    assert_eq!(asks.len(), 2);
    for ask in asks {
        output.take(ask, Err("no such file".to_owned()));
    }
    assert!(output.asks(second(2), None).is_empty());
    output.to_start();
    assert_eq!(output.asks(second(3), None).len(), 2, "going there again asks again");
}

#[test]
fn memory_stays_bounded() {
    let mut output = shown();
    let big = format!("{}\n", "x".repeat(99)).repeat(20_000);
    let asks = output.asks(second(1), None);
    output.take(asks[0], Ok(part(0, &big, big.len() as u64)));
    let out = &output.pair().unwrap().out;
    assert!(out.end() - out.start <= HELD_BYTES as u64 / 4);
    for job in 100..400 {
        output.prefetch((JobNo(job), 1), second(2));
    }
    assert!(output.held.len() <= KEPT_ATTEMPTS);
}

fn hit(job: u32, offset: u64) -> Hit {
    Hit {
        attempt: AttemptId { job: JobNo(job), n: 1 },
        label: format!("a:{job}"),
        stream: Stdout,
        offset,
        text: "needle".to_owned(),
        matched: (0, 6),
    }
}

#[test]
fn a_search_walks_through_hits_of_all_jobs_and_marks_them() {
    let disk = &mut Disk::new();
    disk.write(Stdout, 0, "one\na needle and a Needle\n");
    let mut output = shown();
    disk.settle(&mut output);
    assert!(output.search(Pattern::typed("/(/"), SearchScope::All).is_err());
    output.search(Pattern::typed("needle"), SearchScope::All).unwrap();
    let questions = output.questions(second(200), None);
    let [Question::Find(search)] = questions.as_slice() else { panic!("{questions:?}") };
    assert_eq!(search.pattern.case, Case::Smart);
    let found = Found { hits: vec![hit(3, 0), hit(7, 4), hit(9, 8)], ..Found::default() };
    output.answer(&questions[0], Ok(Reply::Found(found)));
    assert!(output.find.as_ref().unwrap().complete);
    assert_eq!(output.lines(ROOM)[1].matches, [2..8, 15..21]);

    let jobs =
        |output: &mut Output, forward| output.step(forward, second(9)).unwrap().attempt.job.0;
    assert_eq!(jobs(&mut output, true), 7, "first where one looks");
    assert_eq!(output.place(), Position::At { stream: Stdout, offset: 4, row: 0 });
    assert_eq!(jobs(&mut output, true), 9);
    assert_eq!(output.target.as_ref().unwrap().label, "a:9");
    assert_eq!(jobs(&mut output, true), 3, "around");
    assert_eq!(jobs(&mut output, false), 9);
    assert_eq!(jobs(&mut output, false), 7);
}

#[test]
fn an_answer_to_an_old_search_is_not_taken() {
    let mut output = shown();
    output.search(Pattern::typed("old"), SearchScope::All).unwrap();
    let find = |q: &Question| matches!(q, Question::Find(_));
    let old = output.questions(second(1), None).into_iter().find(find).unwrap();
    output.search(Pattern::typed("new"), SearchScope::All).unwrap();
    let found = Found { hits: vec![hit(3, 0)], ..Found::default() };
    output.answer(&old, Ok(Reply::Found(found)));
    assert!(output.find.as_ref().unwrap().hits.is_empty());
    let new = output.questions(second(2), None).into_iter().find(find).unwrap();
    output.answer(&new, Ok(Reply::Refused { error: "too many".to_owned() }));
    assert_eq!(output.find.as_ref().unwrap().error.as_deref(), Some("too many"));
    assert!(!output.questions(second(3), None).iter().any(find), "it asks again and again");
}

#[test]
fn saving_names_a_file_for_each_stream_that_holds_something() {
    let disk = &mut Disk::new();
    disk.write(Stdout, 0, "one\n");
    let mut output = shown();
    assert!(output.save_plan(Path::new("x"), false).is_err());
    let asks = output.asks(second(1), None);
    for ask in asks {
        let path = Some(Text::from(format!("/{:?}", ask.stream)));
        let part = OutputPart { path, ..disk.part(ask) };
        output.take(ask, Ok(part));
    }
    let plan = output.save_plan(Path::new("x"), true).unwrap();
    let copy = |from: &str, to: &str, holds: &[u8]| Copy {
        from: from.into(),
        to: to.into(),
        holds: (0, holds.to_vec()),
    };
    assert_eq!(plan, SaveJob { copies: vec![copy("/Stdout", "x", b"one\n")], replace: true });
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn looking_around_in_random_output_never_breaks(
        out in proptest::collection::vec(proptest::num::u8::ANY, 0..2000),
        err in proptest::collection::vec("[a\n\r\t\x1b\\[31m日]{0,40}", 0..20),
        steps in proptest::collection::vec((0_u8..8, -60_isize..60), 0..20),
        wrap: bool,
    ) {
        let mut disk = Disk::new();
        disk.files[0].write_all_at(&out, 0).unwrap();
        for (i, text) in err.iter().enumerate() {
            disk.add(Stderr, i as i64, text);
        }
        let mut output = shown();
        output.wrap = wrap;
        let room = Room { height: 7, width: 9 };
        for (what, by) in steps {
            match what {
                0 => output.to_start(),
                1 => output.follow(),
                2 => output.next_streams(),
                3 => output.to_percent(by.unsigned_abs() as u8),
                4 => output.to_offset(Stderr, by.unsigned_abs() as u64 * 9),
                _ => output.scroll(by, room),
            }
            disk.settle(&mut output);
            let lines = output.lines(room);
            proptest::prop_assert!(lines.len() <= room.height);
            for line in &lines {
                proptest::prop_assert!(text(line).chars().all(|c| !c.is_control()));
            }
        }
    }
}
