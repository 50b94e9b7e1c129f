//! What is seen of threads and processes that wait for one another: programs that wait in known
//! ways, and who should be named.

mod scenes;

use ganger::clock;
use ganger::model::ids::ProcRef;
use ganger::model::waits::{Look, ThreadRef, WaitFact, Waker};
use ganger::probe::waits::{Root, Scope, Tracker};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A scene on its stage: processes in a session of their own, which ends with it.
pub struct Stage {
    child: Child,
    _stdin: Option<ChildStdin>,
    roles: BTreeMap<String, (i32, i32)>,
    pub tracker: Tracker,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Starts a scene and waits until all roles have said who they are. `@` in a word stands for
    /// a path that nothing else uses. `None`, and why, where there is no C compiler.
    pub fn play(words: &[&str], roles: &[&str]) -> Option<Stage> {
        Stage::play_with("cc", &[], words, roles)
    }

    /// The same with another compiler.
    pub fn play_with(
        compiler: &str,
        with: &[&str],
        words: &[&str],
        roles: &[&str],
    ) -> Option<Stage> {
        let program = program(compiler, with)?;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let words = words.iter().map(|w| w.replace('@', path.to_str().unwrap()));
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: setsid is safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                Ok(())
            });
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = BTreeMap::new();
        while said.len() < roles.len() {
            let line = lines.next().expect("a role did not come").unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let ["role", name, pid, tid] = words.as_slice() else { panic!("{line}") };
            assert!(roles.contains(name), "{line}");
            said.insert((*name).to_owned(), (pid.parse().unwrap(), tid.parse().unwrap()));
        }
        let pid = child.id().cast_signed();
        let mut tracker = Tracker::new();
        let proc = ProcRef { pid, start_ticks: start_ticks(pid) };
        tracker.set_roots(vec![Root { proc, attempt: None }]);
        let stdin = child.stdin.take();
        Some(Stage { child, _stdin: stdin, roles: said, tracker, _folder: folder })
    }

    pub fn tid(&self, role: &str) -> i32 {
        self.roles[role].1
    }

    pub fn pid(&self, role: &str) -> i32 {
        self.roles[role].0
    }

    fn name_of(&self, proc: ProcRef, tid: Option<i32>) -> String {
        let is_it = |(_, (pid, t)): &(&String, &(i32, i32))| {
            *pid == proc.pid && tid.is_none_or(|tid| *t == tid)
        };
        let name = self.roles.iter().find(is_it).map(|(name, _)| name.clone());
        let name = name.unwrap_or_else(|| if tid.is_some() { "?" } else { "??" }.to_owned());
        if tid.is_some() { name } else { format!("{name}'s process") }
    }

    /// What is seen of the thread with a role, in words: `kind id`-less, needs separated by
    /// ` and `, wakers by ` or `.
    pub fn says(&self, wait: &WaitFact) -> String {
        let waker = |waker: &Waker| match waker {
            Waker::Thread(ThreadRef { proc, tid }) => self.name_of(*proc, Some(*tid)),
            Waker::Process(proc) => self.name_of(*proc, None),
            Waker::Outside(words) => format!("({words})"),
        };
        let needs = wait.needs.iter().map(|need| {
            let mut wakers: Vec<String> = need.wakers.iter().map(waker).collect();
            wakers.sort();
            if wakers.is_empty() { "nobody".to_owned() } else { wakers.join(" or ") }
        });
        let mut needs: Vec<String> = needs.collect();
        needs.sort();
        let mut said = format!("{}: {}", wait.resource.kind.word(), needs.join(" and "));
        said += match wait.certainty {
            ganger::model::waits::Certainty::Proven => ", proven",
            ganger::model::waits::Certainty::Inferred => "",
        };
        for (is_so, word) in [
            (wait.abandoned, ", abandoned"),
            (wait.timeout, ", timed"),
            (wait.ends_by_signal, ", by signal"),
        ] {
            said += if is_so { word } else { "" };
        }
        said
    }

    pub fn look(&mut self, scope: Scope) -> Look {
        self.tracker.look(clock::mono(), scope)
    }

    /// Looks until the thread with a role is blocked, also where no more can be seen of it.
    pub fn settle(&mut self, role: &str) {
        let give_up = Instant::now() + PATIENCE;
        while wait_of(&self.look(Scope::All), self.tid(role)).is_none() {
            assert!(Instant::now() < give_up, "{role} does not wait");
        }
    }

    /// Looks until the thread with a role waits as is said.
    pub fn expect(&mut self, role: &str, words: &str) -> WaitFact {
        let give_up = Instant::now() + PATIENCE;
        let mut last = String::new();
        loop {
            let look = self.look(Scope::All);
            if let Some(wait) = wait_of(&look, self.tid(role)) {
                last = self.says(wait);
                if last == words {
                    return wait.clone();
                }
            }
            assert!(
                Instant::now() < give_up,
                "{role}\n  says {last}\n  not  {words}\n{:?}",
                look.not_visible
            );
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

pub fn wait_of(look: &Look, tid: i32) -> Option<&WaitFact> {
    look.waits.iter().find(|wait| wait.waiter.tid == tid)
}

impl Drop for Stage {
    fn drop(&mut self) {
        let session = self.child.id().cast_signed();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
                continue;
            };
            if session_of(pid) == Some(session) {
                // SAFETY: a signal to a process of a session that this test began.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
        let _status = self.child.wait();
    }
}

fn fields(pid: i32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn session_of(pid: i32) -> Option<i32> {
    fields(pid)?.get(3)?.parse().ok()
}

fn start_ticks(pid: i32) -> u64 {
    fields(pid).unwrap()[19].parse().unwrap()
}

/// The scenes, compiled once with a compiler and its arguments.
fn program(compiler: &str, with: &[&str]) -> Option<PathBuf> {
    static PROGRAMS: Mutex<BTreeMap<String, Option<PathBuf>>> = Mutex::new(BTreeMap::new());
    let name = format!("waits-scenes-{compiler}{}", with.concat());
    let mut programs = PROGRAMS.lock().unwrap();
    programs.entry(name.clone()).or_insert_with(|| compile(&name, compiler, with)).clone()
}

fn compile(name: &str, compiler: &str, with: &[&str]) -> Option<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/waits/scenes.c");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let beside = program.with_extension(std::process::id().to_string());
    let mut command = Command::new(compiler);
    command.args(["-O1", "-pthread"]).args(with).arg("-o").arg(&beside).arg(source);
    match command.status() {
        Ok(status) => assert!(status.success(), "the scenes do not compile with {compiler}"),
        Err(error) => {
            println!("skipped: no {compiler}: {error}");
            return None;
        }
    }
    std::fs::rename(beside, &program).unwrap();
    Some(program)
}
