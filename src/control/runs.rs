//! Folders and sockets of runs: made, found, listed, pruned.
//!
//! Every run has a folder `$XDG_STATE_HOME/ganger/runs/<id>/` (0700). Its `run.json` says who
//! supervises it, where its socket is and, at the end, how it ended; that file is what other
//! ganger processes go by. Talks to nobody.

use super::run_names::random_id;
use crate::model::limits::{KEPT_BYTES, KEPT_RUNS};
use crate::model::{Counts, ProcRef, RunOutcome, Text, Wall};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest path that fits `sun_path` of unix(7) with its final NUL.
const SOCKET_PATH_BYTES: usize = 107;
/// The file in a run's folder that tells others about it.
const RECORD: &str = "run.json";
/// Where the size of an ended run is kept, so that it is counted once.
const SIZE: &str = "size";
/// A folder without a record is a run that is just beginning, or rubbish when older than this.
const RECORDLESS_AGE: Duration = Duration::from_secs(24 * 3600);

/// Why the folders of runs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    #[error("cannot tell where the folders of runs are: neither XDG_STATE_HOME nor HOME is set")]
    NoHome,
    #[error("cannot {act} {path}: {error}")]
    Io { act: &'static str, path: String, error: io::Error },
    #[error("cannot place a socket for run `{id}`: every possible path is longer than 107 bytes")]
    NoSocket { id: String },
}

fn failed<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> RunsError + 'a {
    move |error| RunsError::Io { act, path: path.display().to_string(), error }
}

/// The folder that holds the folders of all runs of this user.
#[derive(Clone, Debug)]
pub struct RunsDir {
    root: PathBuf,
    /// `$XDG_RUNTIME_DIR`, when it is set to an absolute path.
    runtime: Option<PathBuf>,
}

/// The folder of one run, from the side of the process that owns it.
#[derive(Clone, Debug)]
pub struct RunFolder {
    pub id: String,
    pub dir: PathBuf,
    /// Where the run's socket is to be bound. Nothing is there yet.
    pub socket: PathBuf,
}

/// What `run.json` says about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Of this format.
    pub version: u32,
    pub run: String,
    /// GANGER_RUN of the run's jobs: the id, with outer runs before it.
    pub mark: String,
    pub name: String,
    pub file: String,
    pub socket: Text,
    #[serde(flatten)]
    pub supervisor: ProcRef,
    pub host: String,
    /// `/proc/sys/kernel/random/boot_id`: start ticks count from boot.
    pub boot_id: String,
    pub started_at: Wall,
    pub ended: Option<EndedInfo>,
    /// The supervisor died, and what it left has been ended since.
    #[serde(default)]
    pub swept: bool,
    /// No supervisor has taken the run over yet: nothing of it was started.
    #[serde(default)]
    pub preparing: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndedInfo {
    pub exit_code: i32,
    pub outcome: RunOutcome,
    pub ended_at: Wall,
    pub counts: Counts,
    /// What could not be done at the end, such as writing the report.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// A run that was found on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRun {
    pub id: String,
    pub dir: PathBuf,
    pub socket: PathBuf,
    pub name: String,
    pub file: String,
    /// GANGER_RUN of the run's jobs.
    pub mark: String,
    pub pid: i32,
    pub start_ticks: u64,
    pub started_at: Wall,
    /// Its supervisor is a living process of this host.
    pub alive: bool,
    /// The run belongs to another host that shares this folder; whether it lives is unknown.
    pub elsewhere: bool,
    pub ended: Option<EndedInfo>,
    /// Its supervisor died, and what it left has been ended since.
    pub swept: bool,
    /// No supervisor has taken it over yet.
    pub preparing: bool,
}

impl KnownRun {
    /// Whether its supervisor died before it could say how the run ended.
    pub fn is_lost(&self) -> bool {
        !self.alive && !self.elsewhere && self.ended.is_none()
    }

    /// Whether it was lost and nobody has ended yet what its supervisor left behind.
    pub fn is_left(&self) -> bool {
        self.is_lost() && !self.swept
    }

    /// Whether the process that made the folder died before there was a run.
    fn never_began(&self) -> bool {
        self.preparing && self.is_lost()
    }
}

/// Why no run, or not just one, is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    #[error("{}", none_live(.lost))]
    NoneLive {
        /// Runs whose supervisors died and left what nobody has ended yet.
        lost: Vec<String>,
    },
    #[error("{} runs are live: {}", .0.len(), .0.join(", "))]
    Several(Vec<String>),
    #[error("no run `{name}`")]
    Unknown { name: String, nearest: Option<String> },
    #[error("`{name}` may be any of {}", .candidates.join(", "))]
    Ambiguous { name: String, candidates: Vec<String> },
}

fn none_live(lost: &[String]) -> String {
    match lost {
        [] => "no run is live".to_owned(),
        [one] => format!("no run is live; the supervisor of `{one}` died"),
        _ => format!(
            "no run is live; the supervisors of {} runs died: {}",
            lost.len(),
            lost.join(", ")
        ),
    }
}

impl FindError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            FindError::NoneLive { lost } if !lost.is_empty() => {
                let id = &lost[0];
                format!(
                    "`ganger stop {id}` ends what it left behind; `ganger status {id}` shows it."
                )
            }
            FindError::NoneLive { .. } => {
                "Start one with `ganger run FILE`; `ganger ls --all` lists those that ended.".into()
            }
            FindError::Several(_) => {
                "Name the one you mean; a prefix of its id is enough. `ganger ls` lists them."
                    .into()
            }
            FindError::Unknown { nearest: Some(near), .. } => format!("Did you mean `{near}`?"),
            FindError::Unknown { nearest: None, .. } => {
                "`ganger ls --all` lists the runs that are known.".into()
            }
            FindError::Ambiguous { .. } => "Write more of its id.".into(),
        }
    }
}

impl RunsDir {
    /// Returns the folder that the environment names: `$XDG_STATE_HOME/ganger/runs`, else
    /// `$HOME/.local/state/ganger/runs`. Creates nothing.
    ///
    /// # Errors
    /// When neither variable holds an absolute path.
    pub fn from_env() -> Result<RunsDir, RunsError> {
        // Relative paths in these variables are to be ignored, says the XDG base directory
        // specification.
        let absolute =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
            .ok_or(RunsError::NoHome)?;
        Ok(RunsDir { root: state.join("ganger/runs"), runtime: absolute("XDG_RUNTIME_DIR") })
    }

    /// Returns folders of runs at a place of the caller's choice.
    pub fn at(root: PathBuf, runtime: Option<PathBuf>) -> RunsDir {
        RunsDir { root, runtime }
    }

    /// Makes a folder for a new run, for this process until a supervisor claims it.
    ///
    /// # Errors
    /// When the folder cannot be made or no path is short enough for a socket.
    pub fn create(&self, name: &str, file: &str) -> Result<RunFolder, RunsError> {
        private_dir(&self.root).map_err(failed("make folder", &self.root))?;
        let folder = loop {
            let id = random_id().map_err(failed("draw a random name in", &self.root))?;
            let dir = self.root.join(&id);
            match fs::DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => break self.with_socket(id, dir)?,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(failed("make folder", &dir)(e)),
            }
        };
        let record = folder.record(&folder.id, name, file, crate::clock::wall());
        folder.write(&RunRecord { preparing: true, ..record })?;
        Ok(folder)
    }

    /// Opens the folder of a run that another ganger process has made for this one.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn open(&self, id: &str) -> Result<RunFolder, RunsError> {
        let dir = self.root.join(id);
        let record = read_record(&dir).map_err(failed("read the record of", &dir))?;
        Ok(RunFolder { id: id.to_owned(), dir, socket: path_of(record.socket) })
    }

    /// Lists every known run, newest first. Left out are folders that say nothing and runs that
    /// never began.
    pub fn list(&self) -> Vec<KnownRun> {
        let mut runs = self.recorded();
        runs.retain(|run| !run.never_began());
        runs.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
        runs
    }

    fn recorded(&self) -> Vec<KnownRun> {
        let here = Here::look();
        let folders = self.folders().into_iter();
        folders.filter_map(|dir| Some(known(read_record(&dir).ok()?, dir, &here))).collect()
    }

    /// Finds the run that `name` means: its id, a unique prefix of it, or `outer/inner`, of
    /// which the last part counts. Without a name: the only live run.
    ///
    /// # Errors
    /// When none or several are meant.
    pub fn find(&self, name: Option<&str>) -> Result<KnownRun, FindError> {
        let runs = self.list();
        let Some(name) = name else {
            let left = runs.iter().filter(|run| run.is_left());
            let lost = left.map(|run| run.id.clone()).collect();
            let mut live: Vec<KnownRun> = runs.into_iter().filter(|run| run.alive).collect();
            return match live.len() {
                0 => Err(FindError::NoneLive { lost }),
                1 => Ok(live.remove(0)),
                _ => Err(FindError::Several(ids(&live))),
            };
        };
        find_named(runs, name)
    }

    fn folders(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.root) else { return Vec::new() };
        entries
            .flatten()
            .filter(|entry| !entry.file_name().as_bytes().starts_with(b"."))
            .map(|entry| entry.path())
            .collect()
    }

    fn with_socket(&self, id: String, dir: PathBuf) -> Result<RunFolder, RunsError> {
        let name = format!("{id}.sock");
        let fits = |path: &Path| path.as_os_str().len() <= SOCKET_PATH_BYTES;
        let runtime = self.runtime.as_ref().map(|dir| dir.join("ganger"));
        if let Some(folder) = runtime {
            let socket = folder.join(&name);
            if fits(&socket) && private_dir(&folder).is_ok() && is_ours(&folder) {
                return Ok(RunFolder { id, dir, socket });
            }
        }
        let inside = dir.join("sock");
        if fits(&inside) {
            return Ok(RunFolder { id, dir, socket: inside });
        }
        // Deep home folders: the one place that is short everywhere. Anybody may write there,
        // so the folder must be ours alone.
        let short = PathBuf::from(format!("/tmp/ganger-{}", rustix::process::getuid().as_raw()));
        if private_dir(&short).is_ok() && is_ours(&short) {
            return Ok(RunFolder { id, dir, socket: short.join(name) });
        }
        Err(RunsError::NoSocket { id })
    }
}

fn find_named(runs: Vec<KnownRun>, name: &str) -> Result<KnownRun, FindError> {
    let wanted = name.rsplit('/').next().unwrap_or(name);
    let mut exact = Vec::new();
    let mut live = Vec::new();
    let mut rest = Vec::new();
    let mut nearest: Option<(f64, String)> = None;
    for run in runs {
        let likeness = strsim::jaro_winkler(&run.id, wanted);
        if likeness > 0.8 && nearest.as_ref().is_none_or(|(best, _)| likeness > *best) {
            nearest = Some((likeness, run.id.clone()));
        }
        if run.id == wanted {
            exact.push(run);
        } else if !wanted.is_empty() && run.id.starts_with(wanted) {
            if run.alive { live.push(run) } else { rest.push(run) }
        }
    }
    // A prefix means a live run first: it is the one a person sees before them.
    for mut candidates in [exact, live, rest] {
        match candidates.len() {
            0 => {}
            1 => return Ok(candidates.remove(0)),
            _ => {
                return Err(FindError::Ambiguous {
                    name: name.to_owned(),
                    candidates: ids(&candidates),
                });
            }
        }
    }
    Err(FindError::Unknown { name: name.to_owned(), nearest: nearest.map(|(_, id)| id) })
}

fn ids(runs: &[KnownRun]) -> Vec<String> {
    runs.iter().map(|run| run.id.clone()).collect()
}

impl RunFolder {
    /// Says that this process supervises the run, and what the run is.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn claim(
        &self,
        mark: &str,
        name: &str,
        file: &str,
        started_at: Wall,
    ) -> Result<(), RunsError> {
        self.write(&self.record(mark, name, file, started_at))
    }

    fn record(&self, mark: &str, name: &str, file: &str, started_at: Wall) -> RunRecord {
        let here = Here::look();
        let pid = std::process::id().cast_signed();
        RunRecord {
            version: 1,
            run: self.id.clone(),
            mark: mark.to_owned(),
            name: name.to_owned(),
            file: file.to_owned(),
            socket: Text(self.socket.as_os_str().as_bytes().to_vec()),
            supervisor: ProcRef { pid, start_ticks: start_ticks(pid).unwrap_or(0) },
            host: here.host,
            boot_id: here.boot_id,
            started_at,
            ended: None,
            swept: false,
            preparing: false,
        }
    }

    /// Returns what the run's folder says about it.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn read(&self) -> Result<RunRecord, RunsError> {
        read_record(&self.dir).map_err(failed("read the record of", &self.dir))
    }

    /// Says how the run ended.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn finish(&self, ended: EndedInfo) -> Result<(), RunsError> {
        let mut record = self.read()?;
        record.ended = Some(ended);
        self.write(&record)
    }

    /// Says that what a dead supervisor left has been ended.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn mark_swept(&self) -> Result<(), RunsError> {
        let mut record = self.read()?;
        record.swept = true;
        self.write(&record)
    }

    fn write(&self, record: &RunRecord) -> Result<(), RunsError> {
        let path = self.dir.join(RECORD);
        let text = serde_json::to_vec(record).map_err(|e| failed("write", &path)(e.into()))?;
        write_atomically(&path, &text).map_err(failed("write", &path))
    }
}

/// Writes a file so that a reader sees the old or the new text, never a part.
pub(super) fn write_atomically(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut temp = OsString::from(path);
    temp.push(format!(".{}", std::process::id()));
    fs::write(&temp, text)?;
    fs::rename(&temp, path)
}

fn read_record(dir: &Path) -> io::Result<RunRecord> {
    Ok(serde_json::from_slice(&fs::read(dir.join(RECORD))?)?)
}

fn known(record: RunRecord, dir: PathBuf, here: &Here) -> KnownRun {
    let ProcRef { pid, start_ticks: ticks } = record.supervisor;
    let same_host = record.host == here.host;
    let alive =
        same_host && record.boot_id == here.boot_id && start_ticks(pid) == Some(ticks) && ticks > 0;
    KnownRun {
        id: record.run,
        dir,
        socket: path_of(record.socket),
        name: record.name,
        file: record.file,
        mark: record.mark,
        pid,
        start_ticks: ticks,
        started_at: record.started_at,
        alive,
        elsewhere: !same_host,
        ended: record.ended,
        swept: record.swept,
        preparing: record.preparing,
    }
}

fn path_of(text: Text) -> PathBuf {
    PathBuf::from(OsString::from_vec(text.0))
}

/// Makes a folder that only its owner may enter, with its parents.
fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether a path is a folder of this user that nobody else may enter.
fn is_ours(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| {
        meta.is_dir()
            && meta.uid() == rustix::process::getuid().as_raw()
            && meta.mode() & 0o077 == 0
    })
}

/// Which host and which boot of it this process runs on.
struct Here {
    host: String,
    boot_id: String,
}

impl Here {
    fn look() -> Here {
        let read = |path| fs::read_to_string(path).map_or_else(|_| "".into(), |s| s.trim().into());
        Here {
            host: read("/proc/sys/kernel/hostname"),
            boot_id: read("/proc/sys/kernel/random/boot_id"),
        }
    }
}

/// Returns field 22 of `/proc/PID/stat`, `None` when the process is gone or a zombie.
pub fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in brackets and may hold anything, brackets too.
    let after_name = stat.iter().rposition(|b| *b == b')')? + 2;
    let rest = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" | "x" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// Where clients of a run put what does not fit through its socket; it goes with the socket.
pub fn beside(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".d");
    path.into()
}

impl RunsDir {
    /// Removes the folders of ended runs beyond [`KEPT_RUNS`] and [`KEPT_BYTES`], oldest first,
    /// and the sockets that dead supervisors left. Returns how many runs it removed.
    ///
    /// Live runs are never touched, the newest ended one is always kept. May run in any number
    /// of processes at once: all but one return at once.
    ///
    /// # Errors
    /// When the folder of runs cannot be used at all; what cannot be removed is left.
    pub fn prune(&self) -> io::Result<usize> {
        let Some(_turn) = self.turn_to_prune()? else { return Ok(0) };
        self.remove_rubbish();
        let mut kept_runs = 0;
        let mut kept_bytes = 0;
        let mut removed = 0;
        for run in self.list() {
            if run.is_lost() {
                // Only a socket file that this run's record names, and only of a dead process.
                let _ = fs::remove_file(&run.socket);
                let _ = fs::remove_dir_all(beside(&run.socket));
            }
            if run.alive || (run.elsewhere && run.ended.is_none()) {
                kept_runs += 1;
                continue;
            }
            let bytes = size_of_run(&run.dir);
            let fits = kept_runs < KEPT_RUNS && kept_bytes + bytes <= KEPT_BYTES;
            if fits || (kept_bytes == 0 && kept_runs < KEPT_RUNS) {
                kept_runs += 1;
                kept_bytes += bytes;
            } else if self.remove(&run) {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Takes the lock of pruning, which the kernel gives back when this process dies.
    fn turn_to_prune(&self) -> io::Result<Option<Turn>> {
        private_dir(&self.root)?;
        let file = fs::File::create(self.root.join(".prune"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Turn(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }

    fn remove(&self, run: &KnownRun) -> bool {
        // Renamed first: nobody sees half a run, and the next turn finishes what a killed one
        // began.
        let trash = self.root.join(format!(".trash-{}", run.id));
        let gone = fs::rename(&run.dir, &trash).is_ok();
        let _ = fs::remove_dir_all(&trash);
        gone
    }

    fn remove_rubbish(&self) {
        for run in self.recorded().iter().filter(|run| run.never_began()) {
            self.remove(run);
        }
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            if entry.file_name().as_bytes().starts_with(b".trash-") {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        for dir in self.folders() {
            let is_old = fs::symlink_metadata(&dir).is_ok_and(|meta| {
                let age_s = crate::clock::wall().0 / 1_000_000 - meta.mtime();
                meta.is_dir() && age_s > RECORDLESS_AGE.as_secs().cast_signed()
            });
            if is_old && !dir.join(RECORD).exists() {
                let _ = fs::remove_dir_all(&dir);
            }
        }
    }
}

/// The lock of pruning, while it is held.
struct Turn(fs::File);

impl Drop for Turn {
    fn drop(&mut self) {
        // Not left to closing the file: a lock of flock(2) lives until the last copy of the
        // descriptor is closed, and a child that another thread is just starting has one until
        // its exec.
        let _ = self.0.unlock();
    }
}

/// Returns the bytes on disk of an ended run, counted once and then remembered.
fn size_of_run(dir: &Path) -> u64 {
    let note = dir.join(SIZE);
    if let Some(bytes) = fs::read_to_string(&note).ok().and_then(|text| text.parse().ok()) {
        return bytes;
    }
    let bytes = disk_bytes(dir);
    let _ = write_atomically(&note, bytes.to_string().as_bytes());
    bytes
}

fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match fs::symlink_metadata(entry.path()) {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            // st_blocks counts 512 bytes each, see stat(3type).
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
