//! Where the output of attempts goes: one file per stream, written by the job itself.
//!
//! A running attempt writes to the file of its slot (`slot-3.out`). When it has ended with
//! something written, the file gets the attempt's name (`17-1.out`) and the slot a new one;
//! a file that stayed empty serves the next attempt, so silent jobs create no files. Each
//! attempt has files of its own because a job that writes to `/dev/stdout` reopens and
//! truncates its file, which would lose the output of others.
//!
//! Readers go through [`Outputs`], which knows where the files of running attempts are.

use crate::model::exec::OutputFiles;
use crate::model::{AttemptId, JobNo, LaunchOrder, Stdout, Text, Wall};
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One of an attempt's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn suffix(self) -> &'static str {
        match self {
            Stream::Stdout => "out",
            Stream::Stderr => "err",
        }
    }
}

/// Returns the folder of all output inside the run's folder.
pub fn folder(run_dir: &Path) -> PathBuf {
    run_dir.join("output")
}

/// Returns where the output of an *ended* attempt is. There is no such file when it wrote
/// nothing. With a file that the task names, this is a symbolic link to it.
pub fn path_of(run_dir: &Path, attempt: AttemptId, stream: Stream) -> PathBuf {
    let AttemptId { job: JobNo(job), n } = attempt;
    folder(run_dir).join(format!("{job}-{n}.{}", stream.suffix()))
}

/// The attempt that a file is named after, see [`path_of`].
fn attempt_of(name: &str) -> Option<AttemptId> {
    let (job, n) = name.split_once('.')?.0.split_once('-')?;
    Some(AttemptId { job: JobNo(job.parse().ok()?), n: n.parse().ok()? })
}

/// How far the output of a running attempt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// `None` when the stream goes to something that is not a regular file.
    pub stdout_bytes: Option<u64>,
    pub stderr_bytes: Option<u64>,
    /// When something was last written, `None` when nothing was.
    pub last_write: Option<Wall>,
}

/// Finds the output of attempts, running or ended. Cheap to clone; clones share one index.
#[derive(Clone, Debug)]
pub struct Outputs {
    run_dir: PathBuf,
    running: Arc<Mutex<HashMap<AttemptId, Pair>>>,
}

impl Outputs {
    /// An index for the run in this folder, of which nothing runs yet. Enough by itself to
    /// read the output of ended attempts.
    pub fn new(run_dir: &Path) -> Outputs {
        Outputs { run_dir: run_dir.to_owned(), running: Arc::default() }
    }

    /// Opens a stream for reading, from its beginning; `None` when nothing was written.
    ///
    /// Opens under the lock that also guards renaming, so it can never be the file of another
    /// attempt. While the attempt runs, the file grows.
    pub fn open(&self, attempt: AttemptId, stream: Stream) -> io::Result<Option<File>> {
        let running = self.lock();
        let path = match running.get(&attempt).and_then(|pair| pair.sink(stream)) {
            Some(sink) => sink.path.clone(),
            None => path_of(&self.run_dir, attempt, stream),
        };
        // A named file can be a pipe by now: opening it must not block.
        match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the paths at this moment. They change when the attempt ends; to read, use
    /// [`Outputs::open`].
    pub fn files(&self, attempt: AttemptId) -> OutputFiles {
        let running = self.lock();
        let path = |stream| match running.get(&attempt) {
            Some(pair) => pair.sink(stream).map(|sink| sink.path.clone()),
            None => Some(path_of(&self.run_dir, attempt, stream)).filter(|path| path.exists()),
        };
        let text = |stream| path(stream).map(|p| Text(p.as_os_str().as_bytes().to_vec()));
        OutputFiles { stdout: text(Stream::Stdout), stderr: text(Stream::Stderr) }
    }

    /// Returns how far the output of a running attempt is; `None` when it does not run.
    pub fn progress(&self, attempt: AttemptId) -> Option<Progress> {
        let pair = self.lock().get(&attempt)?.clone();
        let mut progress =
            Progress { stdout_bytes: pair.len(Stream::Stdout), ..Progress::default() };
        progress.stderr_bytes = pair.len(Stream::Stderr);
        for sink in [&pair.stdout, &pair.stderr].into_iter().flatten() {
            if let Some(meta) = sink.file.metadata().ok().filter(|m| m.is_file() && m.len() > 0) {
                let at = Wall(meta.mtime() * 1_000_000 + meta.mtime_nsec() / 1_000);
                progress.last_write = progress.last_write.max(Some(at));
            }
        }
        Some(progress)
    }

    /// Returns size and last change of both streams of a running attempt; `None` for one that
    /// is no regular file, and for both when it does not run.
    pub fn grown(&self, attempt: AttemptId) -> [Option<(u64, Wall)>; 2] {
        let Some(pair) = self.lock().get(&attempt).cloned() else { return [None; 2] };
        [pair.stdout, pair.stderr].map(|sink| {
            let meta = sink?.file.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((meta.len(), Wall(meta.mtime() * 1_000_000 + meta.mtime_nsec() / 1_000)))
        })
    }

    /// Returns all attempts that may have output, in order. Reads a folder that has two entries
    /// for each attempt that wrote something.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn attempts(&self) -> io::Result<Vec<AttemptId>> {
        let mut found: BTreeSet<AttemptId> = self.lock().keys().copied().collect();
        for entry in std::fs::read_dir(folder(&self.run_dir))? {
            found.extend(entry?.file_name().to_str().and_then(attempt_of));
        }
        Ok(found.into_iter().collect())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptId, Pair>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open file that a stream goes to.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    pub(super) file: Arc<File>,
    path: PathBuf,
    /// Belongs to the slot, not to a file that the task names.
    kept: bool,
}

/// The two files of one attempt. `None`: the stream has none (the terminal takes both).
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    pub(super) stdout: Option<Sink>,
    pub(super) stderr: Option<Sink>,
}

impl Pair {
    fn sink(&self, stream: Stream) -> Option<&Sink> {
        match stream {
            Stream::Stdout => self.stdout.as_ref(),
            Stream::Stderr => self.stderr.as_ref(),
        }
    }

    /// Returns the size of a stream; `None` when it is not a regular file or its file is gone.
    fn len(&self, stream: Stream) -> Option<u64> {
        let Some(sink) = self.sink(stream) else { return Some(0) };
        let meta = sink.file.metadata().ok()?;
        (meta.is_file() && meta.nlink() > 0).then_some(meta.len())
    }

    /// Returns the sizes of stdout and stderr, see [`Pair::len`].
    pub(super) fn sizes(&self) -> [Option<u64>; 2] {
        [self.len(Stream::Stdout), self.len(Stream::Stderr)]
    }

    /// Returns device and inode of the files in the run's folder.
    pub(super) fn kept_files(&self) -> Vec<(u64, u64)> {
        [&self.stdout, &self.stderr]
            .into_iter()
            .flatten()
            .filter(|sink| sink.kept)
            .filter_map(|sink| sink.file.metadata().ok().map(|m| (m.dev(), m.ino())))
            .collect()
    }
}

/// Opens, names and reuses output files. Owned by the thread that starts attempts.
#[derive(Debug)]
pub(super) struct OutputStore {
    outputs: Outputs,
    idle: HashMap<(u64, Stream), Sink>,
}

impl OutputStore {
    /// Creates the output folder.
    pub(super) fn create(run_dir: &Path) -> io::Result<OutputStore> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder(run_dir))?;
        Ok(OutputStore { outputs: Outputs::new(run_dir), idle: HashMap::new() })
    }

    pub(super) fn outputs(&self) -> Outputs {
        self.outputs.clone()
    }

    /// Opens both streams of an attempt. With a terminal there is one stream, stdout.
    pub(super) fn open(&mut self, order: &LaunchOrder) -> Result<Pair, OpenError> {
        let stdout = self.open_stream(order, Stream::Stdout, &order.stdout)?;
        let stderr = if order.tty.is_some() {
            None
        } else {
            let stderr = self.open_stream(order, Stream::Stderr, &order.stderr)?;
            // One open file, as `> file 2>&1` has, or each stream would overwrite the other.
            let same = !stdout.kept && !stderr.kept && is_same_file(&stdout.file, &stderr.file);
            Some(if same { stdout.clone() } else { stderr })
        };
        let pair = Pair { stdout: Some(stdout), stderr };
        self.outputs.lock().insert(order.attempt, pair.clone());
        Ok(pair)
    }

    fn open_stream(
        &mut self,
        order: &LaunchOrder,
        stream: Stream,
        to: &Stdout,
    ) -> Result<Sink, OpenError> {
        match to {
            Stdout::Kept => self.open_kept(order.slot_key, stream),
            Stdout::File(path) => {
                let path = order.workdir.join(path);
                let sink = open_named(&path)?;
                let link = path_of(&self.outputs.run_dir, order.attempt, stream);
                // Readers of an ended attempt find the file through this link. Losing it loses
                // no output, so failing to make it is not worth failing the attempt.
                let _ = std::fs::remove_file(&link);
                let _ = std::os::unix::fs::symlink(&path, &link);
                Ok(sink)
            }
        }
    }

    fn open_kept(&mut self, slot_key: u64, stream: Stream) -> Result<Sink, OpenError> {
        if let Some(sink) = self.idle.remove(&(slot_key, stream)) {
            return Ok(sink);
        }
        let name = format!("slot-{slot_key}.{}", stream.suffix());
        let path = folder(&self.outputs.run_dir).join(name);
        // Append: after a job has reopened its own output (`> /dev/stderr` in a script), what
        // it writes through the old descriptor must not leave a hole or overwrite.
        let opened =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&path).and_then(emptied);
        match opened {
            Ok(file) => Ok(Sink { file: Arc::new(file), path, kept: true }),
            Err(error) => Err(OpenError { path, error }),
        }
    }

    /// Takes the files of an attempt back. `alive`: something may still write to them.
    pub(super) fn release(&mut self, attempt: AttemptId, slot_key: u64, pair: Pair, alive: bool) {
        let sizes = pair.sizes();
        self.release_sized(attempt, slot_key, pair, sizes, alive);
    }

    /// Like [`OutputStore::release`] when the sizes (stdout, stderr) are known already.
    pub(super) fn release_sized(
        &mut self,
        attempt: AttemptId,
        slot_key: u64,
        pair: Pair,
        sizes: [Option<u64>; 2],
        alive: bool,
    ) {
        let mut running = self.outputs.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&attempt);
        let sinks = [(Stream::Stdout, pair.stdout), (Stream::Stderr, pair.stderr)];
        for ((stream, sink), size) in sinks.into_iter().zip(sizes) {
            let Some(sink) = sink.filter(|sink| sink.kept) else { continue };
            if size == Some(0) && !alive {
                self.idle.insert((slot_key, stream), sink);
            } else {
                // A file that the job itself removed cannot be renamed; nothing is lost by that.
                let _ =
                    std::fs::rename(&sink.path, path_of(&self.outputs.run_dir, attempt, stream));
            }
        }
    }

    /// Removes the files that stayed empty.
    pub(super) fn clear_idle(&mut self) {
        for (_, sink) in self.idle.drain() {
            let _ = std::fs::remove_file(sink.path);
        }
    }

    /// Closes files of slots that wait for their next attempt; `false` when there are none.
    pub(super) fn close_idle(&mut self) -> bool {
        let any = !self.idle.is_empty();
        self.clear_idle();
        any
    }
}

/// Empties a file that an earlier attempt may have left in its slot.
///
/// A file that is empty is left alone: ext4 takes every cut to zero for the first half of a
/// replacement and then writes the file out when it is closed, a quarter of a second for 1 GB.
fn emptied(file: File) -> io::Result<File> {
    if file.metadata()?.len() > 0 {
        file.set_len(0)?;
    }
    Ok(file)
}

/// An output file that could not be opened.
#[derive(Debug)]
pub(super) struct OpenError {
    pub(super) path: PathBuf,
    pub(super) error: io::Error,
}

fn open_named(path: &Path) -> Result<Sink, OpenError> {
    let fail = |error| OpenError { path: path.to_owned(), error };
    // Non-blocking: a named pipe without a reader must give an error, not stop every launch.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(fail)?;
    rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty()).map_err(|e| fail(e.into()))?;
    Ok(Sink { file: Arc::new(file), path: path.to_owned(), kept: false })
}

fn is_same_file(a: &File, b: &File) -> bool {
    match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Opens a file for an attempt's standard input. A named pipe is refused: opening it would
/// wait for a writer, and every launch with it.
pub(super) fn open_stdin(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() {
        return Err(io::Error::other("is a named pipe, which only the job itself can open"));
    }
    if kind.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty())?;
    Ok(file)
}

/// Puts text into a file without a name, positioned at its beginning: unlike a pipe, it
/// cannot fill up and block whoever writes it.
pub(super) fn stdin_text(text: &[u8]) -> io::Result<File> {
    use std::io::{Seek, Write};
    let fd = rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(text)?;
    file.rewind()?;
    Ok(file)
}
