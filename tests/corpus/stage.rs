//! Programs in sessions of their own, as one user or another, and ganger looking at them.

use super::manifest::{Program, SeenBy, folder};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Far beyond what a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const NOBODY: u32 = 65534;

/// Who runs a program and looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// Whoever runs the tests.
    Me,
    /// An ordinary user; only root can become one.
    Nobody,
}

impl User {
    pub(crate) fn may_run(self, seen_by: Option<SeenBy>) -> bool {
        let is_root = self == User::Me && rustix::process::geteuid().is_root();
        match seen_by {
            None => true,
            Some(SeenBy::Root) => is_root,
            Some(SeenBy::User) => !is_root,
        }
    }

    /// Those that the tests can be.
    pub(crate) fn all() -> Vec<User> {
        if rustix::process::geteuid().is_root() {
            vec![User::Me, User::Nobody]
        } else {
            vec![User::Me]
        }
    }
}

/// A folder that every user may read, with the programs, what was built of them, and ganger.
pub(crate) struct Stage {
    dir: tempfile::TempDir,
    /// What each build command made, or why it could not.
    built: Mutex<HashMap<String, Arc<Built>>>,
}

type Built = OnceLock<Result<PathBuf, String>>;

impl Stage {
    /// The one that all tests that run at a time share.
    pub(crate) fn shared() -> Arc<Stage> {
        static SHARED: Mutex<Weak<Stage>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let stage = Arc::new(Stage::new());
            *shared = Arc::downgrade(&stage);
            stage
        })
    }

    fn new() -> Stage {
        let dir = tempfile::Builder::new().prefix("ganger-xray").tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let stage = Stage { dir, built: Mutex::default() };
        for (name, mode) in [("programs", 0o755), ("bin", 0o755), ("tmp", 0o1777)] {
            fs::create_dir(stage.path(name)).unwrap();
            fs::set_permissions(stage.path(name), Permissions::from_mode(mode)).unwrap();
        }
        for entry in fs::read_dir(folder()).unwrap() {
            let entry = entry.unwrap();
            let copy = stage.path("programs").join(entry.file_name());
            fs::copy(entry.path(), &copy).unwrap();
            fs::set_permissions(&copy, Permissions::from_mode(0o644)).unwrap();
        }
        // By another process: one that is started while this one writes to the binary would keep
        // it open, and a file that is written cannot be executed.
        let copied =
            Command::new("cp").arg(env!("CARGO_BIN_EXE_ganger")).arg(stage.ganger()).status();
        assert!(copied.unwrap().success());
        fs::set_permissions(stage.ganger(), Permissions::from_mode(0o755)).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ganger(&self) -> PathBuf {
        self.path("ganger")
    }

    /// Runs a shell command as a user, where the programs are.
    fn shell(&self, command: &str, user: User) -> Command {
        let mut shell = Command::new("setsid");
        shell.args(["bash", "-c", command]);
        self.become_user(&mut shell, user);
        shell.current_dir(self.path("programs"));
        shell
    }

    fn become_user(&self, command: &mut Command, user: User) {
        command.env("TMPDIR", self.path("tmp")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env_remove("PYTHONUNBUFFERED");
        if user == User::Nobody {
            // Programs of the tests' own user may stand where this one cannot go.
            command.uid(NOBODY).gid(NOBODY).env("HOME", "/nonexistent");
            command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        }
    }

    /// The binary of a program, made at the first call.
    fn build(&self, build: &str) -> Result<PathBuf, String> {
        let mut built = self.built.lock().unwrap();
        let n_built = built.len();
        let slot = built.entry(build.to_owned()).or_default().clone();
        drop(built);
        let made = slot.get_or_init(|| {
            let out = self.path("bin").join(format!("{n_built}"));
            let command = build.replace("{out}", out.to_str().unwrap());
            let output = self.shell(&command, User::Me).output().unwrap();
            if output.status.success() {
                Ok(out)
            } else {
                Err(format!("`{build}`: {}", String::from_utf8_lossy(&output.stderr)))
            }
        });
        made.clone()
    }

    pub(crate) fn start(&self, program: &Program, user: User) -> Result<Session, String> {
        let out = program.build.as_deref().map_or(Ok(PathBuf::new()), |b| self.build(b))?;
        let command = program.run.replace("{out}", out.to_str().unwrap());
        let child = self
            .shell(&command, user)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        Ok(Session::new(child))
    }

    /// `ganger why PID --json`: what it printed, and its exit code.
    pub(crate) fn why(&self, pid: i32, user: User) -> Result<(Value, i32), String> {
        let mut why = Command::new("timeout");
        why.args(["-k", "5", "60"]).arg(self.ganger()).args(["why", &pid.to_string(), "--json"]);
        self.become_user(&mut why, user);
        let output = why.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        let told = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().unwrap_or(-1);
        match serde_json::from_str(&said) {
            Ok(report) if told.is_empty() => Ok((report, code)),
            Ok(_) => Err(format!("`ganger why` said on standard error: {told}")),
            Err(e) => Err(format!("`ganger why` ended with {code}: {e}\n{said}\n{told}")),
        }
    }
}

/// Programs that the path leads to.
pub(crate) fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).exists())
}

/// Whose thread plays a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) pid: i32,
    pub(crate) tid: i32,
}

/// A running program; everything of its session is gone when it is dropped.
pub(crate) struct Session {
    child: Child,
    lines: Receiver<String>,
    stderr: Arc<Mutex<String>>,
    roles: BTreeMap<String, Role>,
    /// Arguments of `ipcrm`, for what outlives processes.
    leftovers: Vec<[String; 2]>,
}

impl Session {
    fn new(mut child: Child) -> Session {
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut pipe, all) = (child.stderr.take().unwrap(), stderr.clone());
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut some) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(&some[..n]));
            }
        });
        Session { child, lines, stderr, roles: BTreeMap::new(), leftovers: Vec::new() }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until every role has been told.
    pub(crate) fn roles(&mut self, names: &[String]) -> Result<BTreeMap<String, Role>, String> {
        let end = Instant::now() + PATIENCE;
        while let Some(missing) = names.iter().find(|name| !self.roles.contains_key(*name)) {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.hear(&line),
                Err(e) => {
                    let why = match e {
                        RecvTimeoutError::Timeout => "in time",
                        RecvTimeoutError::Disconnected => "before its output was closed",
                    };
                    return Err(format!("did not tell role `{missing}` {why}: {}", self.stderr()));
                }
            }
        }
        Ok(self.roles.clone())
    }

    /// The rest of the line that begins with a word, once it has come.
    pub(crate) fn line_after(&mut self, word: &str) -> Result<String, String> {
        loop {
            let line =
                self.lines.recv_timeout(PATIENCE).map_err(|e| format!("no `{word}`: {e}"))?;
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim().to_owned());
            }
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
    }

    /// `role NAME PID TID`, or `leaves FLAG ID` for what `ipcrm` has to remove.
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["role", name, pid, tid] => {
                if let (Ok(pid), Ok(tid)) = (pid.parse(), tid.parse()) {
                    self.roles.insert((*name).to_owned(), Role { pid, tid });
                }
            }
            ["leaves", flag, id] => {
                self.leftovers.push([(*flag).to_owned(), (*id).to_owned()]);
            }
            _ => {}
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // multiprocessing's tracker goes last: it removes named semaphores when the others
        // have gone.
        let mut tracker_has_time_until = None;
        loop {
            let _ = self.child.try_wait();
            let living = session(self.pid());
            let (trackers, others): (Vec<_>, Vec<_>) =
                living.into_iter().partition(|pid| is_tracker(*pid));
            if others.is_empty() {
                let end =
                    *tracker_has_time_until.get_or_insert(Instant::now() + Duration::from_secs(5));
                if trackers.is_empty() {
                    break;
                }
                if Instant::now() > end {
                    trackers.iter().for_each(|pid| kill(*pid));
                }
            }
            others.iter().for_each(|pid| kill(*pid));
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.wait();
        while let Ok(line) = self.lines.recv_timeout(Duration::ZERO) {
            self.hear(&line);
        }
        for [flag, id] in &self.leftovers {
            let _ = Command::new("ipcrm").args([flag, id]).stderr(Stdio::null()).status();
        }
    }
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid);
    let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
}

fn is_tracker(pid: i32) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).contains("resource_tracker")
}

/// Processes of a session that have not ended.
fn session(sid: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(Path::new("/proc").join(format!("{pid}/stat")));
        let stat = stat.unwrap_or_default();
        // After the name, which may hold anything: state, parent, group, session; see
        // proc_pid_stat(5). A leader that is a zombie may have threads that live.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let words: Vec<&str> = rest.split_whitespace().collect();
        let has_threads = words.get(17).is_some_and(|n| *n != "1");
        let lives = words.first().is_some_and(|s| *s != "Z" && *s != "X") || has_threads;
        lives && words.get(3).is_some_and(|s| s.parse() == Ok(sid))
    })
    .collect()
}
