//! Starts Python programs that say who they are, and looks at what their threads wait for.

use ganger::clock;
use ganger::model::ids::ProcRef;
use ganger::model::waits::{Frame, ThreadRef, WaitFact, Waker};
use ganger::probe::stacks::{Registers, Stacks};
use ganger::probe::waits::maps::Maps;
use ganger::probe::waits::{Root, Scope, Tracker};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far beyond what anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every program begins with.
const HEAD: &str = r#"
import multiprocessing as mp, os, signal, sys, threading, time
def role(name):
    # By the kernel: threading.get_native_id() is younger than some interpreters here.
    tid = int(os.readlink("/proc/thread-self").rsplit("/", 1)[1])
    os.write(1, "role {} {} {}\n".format(name, os.getpid(), tid).encode())
"#;

/// All interpreters of this machine, by version.
pub fn pythons() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let home = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let versions = home.and_then(|home| fs::read_dir(home.join("versions")).ok());
    for version in versions.into_iter().flatten().flatten() {
        found.push(version.path().join("bin/python3"));
    }
    found.extend(["/usr/bin/python3", "/usr/local/bin/python3"].map(PathBuf::from));
    let ask = "import sys; print('%d.%02d' % sys.version_info[:2])";
    let mut known = BTreeMap::new();
    for path in found.into_iter().filter(|path| path.exists()) {
        let Ok(said) = Command::new(&path).args(["-c", ask]).output() else { continue };
        let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        // Those whose layouts are known.
        if ("3.06"..="3.13").contains(&version.as_str()) {
            let place = if path.starts_with("/usr") { "system " } else { "" };
            known.insert(format!("{place}{version}"), path);
        }
    }
    if known.is_empty() {
        println!("skipped: no Python 3.6 to 3.13 on this machine");
    }
    known.into_iter().collect()
}

/// The oldest, the newest and that of the system.
pub fn some_pythons() -> Vec<(String, PathBuf)> {
    let all = pythons();
    let chosen = |i: usize| {
        i == 0
            || i + 1 >= all.len()
            || all[i].0.starts_with("system")
            || all[i + 1].0.starts_with("system")
    };
    let found = all.iter().enumerate().filter(|(i, _)| chosen(*i));
    found.map(|(_, python)| python.clone()).collect()
}

/// A running program; ended with all its processes when dropped.
pub struct Program {
    child: Child,
    said: Receiver<String>,
    pub roles: BTreeMap<String, (i32, i32)>,
    stacks: Stacks,
    tracker: Tracker,
    pub words: String,
    _dir: TempDir,
}

impl Program {
    /// Starts a program and waits until that many roles have been said.
    pub fn start(words: &str, python: &PathBuf, n_roles: usize, code: &str) -> Program {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("program.py");
        fs::write(&file, format!("{HEAD}{code}")).unwrap();
        let mut command = Command::new(python);
        command.arg(&file).current_dir(dir.path()).env_remove("PYTHONPATH");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.process_group(0);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        let proc = proc_ref(child.id().cast_signed()).unwrap();
        let mut tracker = Tracker::new();
        tracker.set_roots(vec![Root { proc, attempt: None }]);
        let mut program = Program {
            child,
            said,
            roles: BTreeMap::new(),
            stacks: Stacks::new(),
            tracker,
            words: words.to_owned(),
            _dir: dir,
        };
        while program.roles.len() < n_roles {
            program.hear_one();
        }
        program
    }

    fn hear_one(&mut self) {
        let line = self.said.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("{}: only {:?}", self.words, self.roles));
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["role", name, pid, tid] = words[..] {
            self.roles.insert(name.to_owned(), (pid.parse().unwrap(), tid.parse().unwrap()));
        }
    }

    pub fn thread(&self, role: &str) -> ThreadRef {
        let (pid, tid) = self.roles[role];
        ThreadRef { proc: proc_ref(pid).unwrap(), tid }
    }

    /// The line of `syscall` of a role's thread, once it is one of a futex without a timeout, and
    /// stays so.
    pub fn blocked(&self, role: &str) -> Vec<u64> {
        let (pid, tid) = self.roles[role];
        let read = || fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall"));
        let until = Instant::now() + PATIENCE;
        let (mut last, mut times) = (String::new(), 0);
        while times < 4 {
            let line = read().unwrap_or_default();
            let same = line == last && on_futex(&line);
            times = if same { times + 1 } else { 0 };
            last = line;
            assert!(Instant::now() < until, "{}: {role} stands at {last}", self.words);
            std::thread::park_timeout(Duration::from_millis(10));
        }
        numbers(&last)
    }

    /// What a role's blocked thread waits for.
    pub fn look(&mut self, role: &str) -> WaitFact {
        self.blocked(role);
        let tid = self.roles[role].1;
        let look = self.tracker.look(clock::mono(), Scope::All);
        let found = look.waits.iter().find(|wait| wait.waiter.tid == tid);
        found.unwrap_or_else(|| panic!("{}: {role} does not wait: {look:?}", self.words)).clone()
    }

    /// Looks until a role's thread, in whatever call, waits as wanted.
    pub fn seen(&mut self, role: &str, wanted: fn(&WaitFact) -> bool) -> WaitFact {
        let (give_up, tid) = (Instant::now() + PATIENCE, self.roles[role].1);
        loop {
            let look = self.tracker.look(clock::mono(), Scope::All);
            let found = look.waits.into_iter().find(|wait| wait.waiter.tid == tid);
            match found {
                Some(fact) if wanted(&fact) => return fact,
                fact => assert!(Instant::now() < give_up, "{}: {role}: {fact:?}", self.words),
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Looks again until what is seen of a role is as wanted.
    pub fn until(&mut self, role: &str, wanted: fn(&WaitFact) -> bool) -> WaitFact {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let fact = self.look(role);
            if wanted(&fact) {
                return fact;
            }
            assert!(Instant::now() < give_up, "{}: {role}: {fact:?}", self.words);
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    pub fn is_alive(&self, role: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.roles[role].0));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    /// What the role waits for once one of all stands on a futex; `None` when it stands elsewhere.
    pub fn waits_on_futex(&mut self, role: &str) -> Option<WaitFact> {
        let (pid, tid) = self.roles[role];
        let path = format!("/proc/{pid}/task/{tid}/syscall");
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            let line = fs::read_to_string(&path).unwrap_or_default();
            if on_futex(&line) {
                return Some(self.look(role));
            }
            // A read: this one has the lock.
            if line.starts_with("0 ") || role == "parent" {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        None
    }

    pub fn frames(&mut self, role: &str) -> Vec<Frame> {
        self.tracker.set_frames(true);
        self.look(role).frames
    }

    pub fn native(&mut self, role: &str) -> Vec<Frame> {
        let call = self.blocked(role);
        let thread = self.thread(role);
        let maps = Maps::read(thread.proc.pid, thread.tid).unwrap();
        let registers = Registers { stack_pointer: call[7], program_counter: call[8] };
        self.stacks.native(thread, &maps, registers)
    }

    /// The roles that a fact names as holders, with a `?` behind those that are not proven.
    pub fn holders(&self, fact: &WaitFact) -> Vec<String> {
        let name = |pid: i32, tid: Option<i32>| {
            let role = self.roles.iter().find(|(_, at)| tid.map_or(at.0 == pid, |t| at.1 == t));
            role.map_or_else(|| format!("{pid}/{tid:?}"), |(name, _)| name.clone())
        };
        let mark = |proven| if proven { "" } else { "?" };
        fact.holders
            .iter()
            .map(|h| format!("{}{}", name(h.proc.pid, h.tid), mark(h.proven)))
            .collect()
    }

    /// The pids of who could end a wait, as roles where they have one.
    pub fn wakers(&self, fact: &WaitFact) -> BTreeSet<String> {
        let named = |pid: i32| {
            let role = self.roles.iter().find(|(_, at)| at.0 == pid);
            role.map_or_else(|| pid.to_string(), |(name, _)| name.clone())
        };
        let mut all = BTreeSet::new();
        for waker in fact.needs.iter().flat_map(|need| &need.wakers) {
            match waker {
                Waker::Process(proc) => all.insert(named(proc.pid)),
                Waker::Thread(thread) => all.insert(self.holders_name(thread)),
                Waker::Outside(what) => all.insert(what.clone()),
            };
        }
        all
    }

    fn holders_name(&self, thread: &ThreadRef) -> String {
        let role = self.roles.iter().find(|(_, at)| at.1 == thread.tid);
        role.map_or_else(|| thread.tid.to_string(), |(name, _)| format!("thread {name}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the group was made for this program, whose leader has not been waited for.
        unsafe { libc::kill(-self.child.id().cast_signed(), libc::SIGKILL) };
        let _ = self.child.wait();
    }
}

/// Whether a line says that a thread waits on a futex without a timeout.
fn on_futex(line: &str) -> bool {
    let words = numbers(line);
    line.starts_with("202 ") && words.get(4) == Some(&0)
}

/// The words of a line of `syscall`: the first is decimal.
fn numbers(line: &str) -> Vec<u64> {
    let number = |(i, word): (usize, &str)| match i {
        0 => word.parse().unwrap_or(u64::MAX),
        _ => u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(u64::MAX),
    };
    line.split_whitespace().enumerate().map(number).collect()
}

fn proc_ref(pid: i32) -> Option<ProcRef> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.rsplit_once(')')?.1;
    Some(ProcRef { pid, start_ticks: after.split_whitespace().nth(19)?.parse().ok()? })
}

/// Lines of the whole program before the first of `code` that is this one.
pub fn lines_before(code: &str, line: &str) -> u32 {
    let before = code.lines().take_while(|l| l.trim() != line).count();
    (HEAD.lines().count() + before) as u32
}
