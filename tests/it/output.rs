//! The output of a real run as a screen holds it: asked for over the socket, without a terminal.

use ganger::control::client::Asker;
use ganger::model::query::{Reply, SearchScope, Stream};
use ganger::model::{JobColor, JobNo, Mono, Pattern, Wall};
use ganger::tui::output::lines::Line;
use ganger::tui::output::{Output, Room, Target, Whose, save};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROOM: Room = Room { height: 20, width: 60 };

const TASKS: &str = "
workers: 1
tasks:
  - name: a
    run: |
      printf '\\033[32mgreen\\033[0m start\\n'
      sleep 0.3
      echo 'a warning' >&2
      sleep 0.3
      printf 'half\\rwhole\\n'
      echo $GANGER_SOCKET > socket.new
      mv socket.new socket
      while [ ! -e go ]; do sleep 0.02; done
  - name: b
    needs: a
    run: echo the needle is here; while [ ! -e done ]; do sleep 0.02; done
";

struct Run {
    dir: tempfile::TempDir,
    child: Child,
}

impl Run {
    fn start() -> Run {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("runtime")).unwrap();
        fs::write(dir.path().join("t.yaml"), TASKS).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ganger"))
            .args(["run", "t.yaml", "--plain", "--output", "none"])
            .current_dir(dir.path())
            .env("XDG_STATE_HOME", dir.path().join("state"))
            .env("XDG_RUNTIME_DIR", dir.path().join("runtime"))
            .env_remove("GANGER_RUN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Run { dir, child }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A test that failed half-way leaves nothing running.
        for name in ["go", "done"] {
            let _ = fs::write(self.path(name), "");
        }
        let _ = self.child.wait();
    }
}

/// Asks and answers until something is so; every turn is half a second of the screen's clock.
fn settle(
    output: &mut Output,
    asker: &mut Asker,
    clock: &mut u64,
    is_so: impl Fn(&Output) -> bool,
) {
    let (_never, nothing) = std::sync::mpsc::channel::<()>();
    for _ in 0..600 {
        *clock += 500_000;
        for question in output.questions(Mono(*clock), Some(Mono(*clock))) {
            let reply = asker.query(question.query()).map_err(|e| e.to_string());
            assert!(!matches!(reply, Ok(Reply::Refused { .. })), "{question:?}: {reply:?}");
            output.answer(&question, reply);
        }
        if is_so(output) {
            return;
        }
        let _timeout = nothing.recv_timeout(std::time::Duration::from_millis(20));
    }
    panic!("never so: {:?}", texts(&output.lines(ROOM)));
}

fn texts(lines: &[Line]) -> Vec<String> {
    let text = |line: &Line| line.spans.iter().map(|(text, _)| text.as_str()).collect();
    lines.iter().map(text).collect()
}

fn wait_for(path: &Path) -> String {
    let (_never, nothing) = std::sync::mpsc::channel::<()>();
    for _ in 0..1200 {
        if let Ok(text) = fs::read_to_string(path) {
            return text.trim().to_owned();
        }
        let _timeout = nothing.recv_timeout(std::time::Duration::from_millis(50));
    }
    panic!("{} never came", path.display());
}

#[test]
fn a_run_is_looked_at_searched_and_saved() {
    let run = Run::start();
    let socket = wait_for(&run.path("socket"));
    let (mut asker, info) = Asker::connect(Path::new(&socket)).unwrap();
    let (mut output, mut clock) = (Output::default(), 0);
    output.show(Target { key: (JobNo(1), 1), label: "a:1".to_owned() }, Mono(0));
    settle(&mut output, &mut asker, &mut clock, |o| o.lines(ROOM).len() == 3);

    // Both streams by time, with the colours of the job, the last state of a line, and times.
    let lines = output.lines(ROOM);
    assert_eq!(texts(&lines), ["green start", "a warning", "whole"]);
    let streams: Vec<_> = lines.iter().map(|line| line.stream).collect();
    assert_eq!(streams, [Stream::Stdout, Stream::Stderr, Stream::Stdout]);
    assert_eq!(lines[0].spans[0].1.fg, Some(JobColor::Ansi(2)));
    let times: Vec<Wall> = lines.iter().map(|line| line.time.unwrap()).collect();
    assert!(times[0] >= info.started_at && times.is_sorted(), "{times:?}");
    assert!(times[2].0 - times[0].0 > 300_000, "{times:?}: seen by looking while it ran");

    let plan = output.save_plan(&run.path("saved"), false).unwrap();
    assert_eq!(save::save_now(&plan).unwrap(), 42);
    assert_eq!(fs::read(run.path("saved.stderr")).unwrap(), b"a warning\n");

    // The other job is found from here, and its line shown.
    fs::write(run.path("go"), "").unwrap();
    output.show_whose(Whose::All);
    settle(&mut output, &mut asker, &mut clock, |o| o.lines(ROOM).len() == 4);
    let tagged: Vec<_> =
        output.lines(ROOM).iter().map(|line| line.tag.clone().unwrap_or_default()).collect();
    assert_eq!(tagged, ["a:1", "a:1", "a:1", "b:1"]);
    output.search(Pattern::typed("/need\\w+/"), SearchScope::All).unwrap();
    settle(&mut output, &mut asker, &mut clock, |o| o.find.as_ref().is_some_and(|f| f.complete));
    let hit = output.step(true, Mono(clock)).unwrap();
    assert_eq!((hit.attempt.job, hit.label.as_str()), (JobNo(2), "b:1"));
    settle(&mut output, &mut asker, &mut clock, |o| !o.lines(ROOM).is_empty());
    let line = &output.lines(ROOM)[0];
    assert_eq!(
        (texts(std::slice::from_ref(line)), line.matches[0].clone()),
        (vec!["the needle is here".to_owned()], 4..10)
    );
    fs::write(run.path("done"), "").unwrap();
}
