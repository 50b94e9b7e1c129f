//! What jobs share, through the real binary and through its socket.

mod deaths;
mod manners;
mod soak;
mod verbs;

use crate::cli::{Home, Live};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// A run that goes on until a file `go` is there.
const STANDING: &str = r#"
tasks:
  - name: stand
    run: |
      echo "$GANGER_SOCKET" > socket.tmp && mv socket.tmp socket
      until test -e go; do sleep 0.05; done
"#;

/// A live run and everything that speaks to it.
pub(crate) struct Stage {
    pub(crate) home: Home,
    pub(crate) run: Live,
    pub(crate) socket: PathBuf,
}

/// Polls, for things that nobody reports.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage::of(STANDING)
    }

    pub(crate) fn of(text: &str) -> Stage {
        let home = Home::new();
        let run = home.start(text, &[]);
        let file = home.path("socket");
        until("a job has told its socket", || file.exists());
        let socket = fs::read_to_string(file).unwrap().trim_end().into();
        Stage { home, run, socket }
    }

    pub(crate) fn end(self) -> i32 {
        fs::write(self.home.path("go"), "").unwrap();
        self.run.end()
    }

    pub(crate) fn spawn(&self, words: &[&str]) -> Running {
        let mut command = self.home.command(words);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { child }
    }

    /// Calls a verb with something on its standard input.
    pub(crate) fn fed(&self, words: &[&str], input: &[u8]) -> Output {
        let mut running = self.spawn(words);
        running.child.stdin.take().unwrap().write_all(input).unwrap();
        running.output()
    }

    pub(crate) fn client(&self) -> Client {
        let mut client = Client::connect(&self.socket);
        client.say(&json!({"type": "hello", "protocol": 2, "role": "client"}));
        assert_eq!(client.hear().unwrap()["type"], "welcome");
        client
    }

    /// The live table's row of a primitive.
    pub(crate) fn row(&self, name: &str) -> Value {
        let got = self.client().ask(&json!({"op": "list", "names": [name]}));
        got["locks"][0].clone()
    }

    pub(crate) fn until_waiting(&self, name: &str, n: u64) {
        until(&format!("{n} wait for {name}"), || self.row(name)["n_waiters"] == n);
    }
}

/// A verb that is under way.
pub(crate) struct Running {
    pub(crate) child: Child,
}

impl Running {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        // Byte by byte: what follows stays for `output`.
        let (mut line, mut byte) = (Vec::new(), [0]);
        let out = self.child.stdout.as_mut().unwrap();
        while out.read(&mut byte).unwrap() == 1 && byte != [b'\n'] {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    pub(crate) fn output(mut self) -> Output {
        drop(self.child.stdin.take());
        self.child.wait_with_output().unwrap()
    }
}

/// A client of the socket, as any language would write it.
pub(crate) struct Client {
    reader: BufReader<UnixStream>,
    last_id: u64,
}

impl Client {
    pub(crate) fn connect(socket: &PathBuf) -> Client {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Client { reader: BufReader::new(stream), last_id: 0 }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    pub(crate) fn say(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes()).unwrap();
    }

    /// The next message; `None` at the end.
    pub(crate) fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(n) if n > 0 => Some(serde_json::from_str(&line).unwrap()),
            Ok(_) => None,
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(e) => panic!("nothing came: {e}"),
        }
    }

    /// Asks and goes on without the answer; returns the request's number.
    pub(crate) fn begin(&mut self, op: &Value) -> u64 {
        self.last_id += 1;
        let mut message = json!({"type": "ask", "id": self.last_id});
        message.as_object_mut().unwrap().extend(op.as_object().unwrap().clone());
        self.say(&message);
        self.last_id
    }

    pub(crate) fn ask(&mut self, op: &Value) -> Value {
        let id = self.begin(op);
        let got = self.hear().unwrap();
        assert_eq!(got["id"], id, "{got}");
        got
    }
}
