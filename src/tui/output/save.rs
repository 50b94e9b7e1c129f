//! Output copied into files that a person names: the only part of output that touches files.
//!
//! The screen runs on the same machine as the jobs, so it copies the files themselves.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What to copy where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveJob {
    pub copies: Vec<Copy>,
    /// Files that are there already are written anew.
    pub replace: bool,
}

/// One file to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub from: PathBuf,
    pub to: PathBuf,
    /// Some bytes that `from` holds, and where: a running job's file gets another name when it
    /// ends, and another job's may then have the old one.
    pub holds: (u64, Vec<u8>),
}

/// Why output was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("`{0}` is there already")]
    Exists(PathBuf),
    #[error("`{0}` is the output itself")]
    Itself(PathBuf),
    #[error("the job has just ended and its output has moved: try again")]
    Moved,
    #[error("cannot read the output: {0}")]
    Read(io::Error),
    #[error("cannot write `{}`: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot start a thread to save: {0}")]
    Thread(io::Error),
}

/// Copies on a thread of its own; `done` is called there with the number of bytes.
///
/// # Errors
/// When the system gives no thread; `done` is then never called.
pub fn save(
    job: SaveJob,
    done: impl FnOnce(Result<u64, SaveError>) + Send + 'static,
) -> Result<(), SaveError> {
    std::thread::Builder::new()
        .name("save".to_owned())
        .spawn(move || done(save_now(&job)))
        .map(drop)
        .map_err(SaveError::Thread)
}

/// Copies, and returns the number of bytes. Nothing is written unless everything may be.
///
/// # Errors
/// As [`SaveError`] says. A copy that could not be finished, on a full disk, is removed when it
/// is a new file.
pub fn save_now(job: &SaveJob) -> Result<u64, SaveError> {
    let mut sources = Vec::new();
    for copy in &job.copies {
        sources.push(open(copy)?);
        if !job.replace && copy.to.symlink_metadata().is_ok() {
            return Err(SaveError::Exists(copy.to.clone()));
        }
    }
    let mut n_bytes = 0;
    for (copy, from) in job.copies.iter().zip(sources) {
        let write = |error| SaveError::Write { path: copy.to.clone(), error };
        let is_itself = same(&from, &copy.to);
        if is_itself {
            return Err(SaveError::Itself(copy.to.clone()));
        }
        let mut to = OpenOptions::new()
            .write(true)
            .create(job.replace)
            .truncate(job.replace)
            .create_new(!job.replace)
            .mode(0o600)
            // A pipe without a reader must give an error, not wait.
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(&copy.to)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => SaveError::Exists(copy.to.clone()),
                _ => write(error),
            })?;
        // A job that goes on writing must not keep the copy from ending.
        let size = from.metadata().map_err(SaveError::Read)?.len();
        n_bytes += io::copy(&mut from.take(size), &mut to).map_err(|error| {
            if !job.replace {
                // The half of a file would be taken for the whole.
                let _what_is_left_is_told_by_the_error = std::fs::remove_file(&copy.to);
            }
            write(error)
        })?;
    }
    Ok(n_bytes)
}

fn open(copy: &Copy) -> Result<File, SaveError> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&copy.from);
    let file = file.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => SaveError::Moved,
        _ => SaveError::Read(e),
    })?;
    let (at, bytes) = &copy.holds;
    let mut there = vec![0; bytes.len()];
    match file.read_exact_at(&mut there, *at) {
        Ok(()) if there == *bytes => Ok(file),
        Ok(()) => Err(SaveError::Moved),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(SaveError::Moved),
        Err(e) => Err(SaveError::Read(e)),
    }
}

fn same(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn job(dir: &Path, to: &str) -> SaveJob {
        let copy = Copy { from: dir.join("from"), to: dir.join(to), holds: (0, b"out".to_vec()) };
        SaveJob { copies: vec![copy], replace: false }
    }

    #[test]
    fn output_is_copied_and_what_is_there_is_kept_unless_confirmed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join("from"), "output").unwrap();
        fs::write(dir.join("there"), "precious").unwrap();
        assert_eq!(save_now(&job(dir, "new")).unwrap(), 6);
        assert_eq!(fs::read(dir.join("new")).unwrap(), b"output");
        let there = job(dir, "there");
        assert!(matches!(save_now(&there), Err(SaveError::Exists(_))));
        assert_eq!(fs::read(dir.join("there")).unwrap(), b"precious");
        save_now(&SaveJob { replace: true, ..there }).unwrap();
        assert_eq!(fs::read(dir.join("there")).unwrap(), b"output");
        let itself = SaveJob { replace: true, ..job(dir, "from") };
        assert!(matches!(save_now(&itself), Err(SaveError::Itself(_))));
        assert_eq!(fs::read(dir.join("from")).unwrap(), b"output");
    }

    #[test]
    fn a_file_that_belongs_to_another_job_by_now_is_not_saved() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(matches!(save_now(&job(dir, "new")), Err(SaveError::Moved)));
        for text in ["another job's", "o"] {
            fs::write(dir.join("from"), text).unwrap();
            assert!(matches!(save_now(&job(dir, "new")), Err(SaveError::Moved)));
        }
        assert!(!dir.join("new").exists());
    }

    #[test]
    fn a_full_disk_and_a_missing_folder_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join("from"), "output").unwrap();
        let full = SaveJob { replace: true, ..job(dir, "/dev/full") };
        let error = save_now(&full).unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("No space"), "{error}");
        let error = save_now(&job(dir, "no/such/folder")).unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn saving_happens_on_a_thread() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("from"), "output").unwrap();
        let (to, done) = std::sync::mpsc::channel();
        save(job(dir.path(), "new"), move |result| to.send(result.unwrap()).unwrap()).unwrap();
        assert_eq!(done.recv().unwrap(), 6);
    }
}
