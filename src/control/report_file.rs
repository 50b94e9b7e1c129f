//! Writes the document of `--report FILE`: job by job, so that a million jobs need no memory,
//! and atomically, so that nobody ever reads half of it.

use crate::model::report::{JobReport, RunReport};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportTarget {
    /// `-` or `/dev/stdout`.
    Stdout,
    File(PathBuf),
}

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report to `{path}`: {why}")]
pub struct ReportError {
    pub path: String,
    pub why: String,
    /// What to try.
    pub hint: String,
}

/// How a file is written.
enum Way {
    /// Beside it, then renamed over it.
    Beside,
    /// Into it as it is: a pipe, a device, or a file in a folder where nothing can be made.
    Into,
}

impl ReportTarget {
    /// Reads what follows `--report`. A relative path counts from the current folder, now.
    pub fn parse(text: &OsStr) -> ReportTarget {
        if matches!(text.as_bytes(), b"-" | b"/dev/stdout") {
            return ReportTarget::Stdout;
        }
        let path = PathBuf::from(text);
        ReportTarget::File(std::path::absolute(&path).unwrap_or(path))
    }

    /// Finds out whether the report can be written, before a run begins.
    ///
    /// # Errors
    /// When the folder is missing, the path is a folder, or the file must not be written.
    pub fn check(&self) -> Result<(), ReportError> {
        let ReportTarget::File(path) = self else { return Ok(()) };
        if path.file_name().is_none() || path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(refused(path, "it is a folder", "Name a file in it."));
        }
        match self.way(path)? {
            Way::Into => Ok(()),
            Way::Beside => {
                let temp = temp_path(&real(path));
                File::create(&temp).map_err(|e| explain(path, &e))?;
                fs::remove_file(&temp).map_err(|e| explain(path, &e))
            }
        }
    }

    /// Writes the document. A reader of a file sees the old one or all of the new one.
    ///
    /// # Errors
    /// When it cannot be written; a file that was there stays as it was.
    pub fn write(
        &self,
        head: &RunReport,
        jobs: impl IntoIterator<Item = JobReport>,
    ) -> Result<(), ReportError> {
        let path = match self {
            ReportTarget::Stdout => {
                let done = write_document(io::stdout().lock(), head, jobs);
                return ignore_closed_pipe(done).map_err(|e| explain(Path::new("-"), &e));
            }
            ReportTarget::File(path) => path,
        };
        let done = match self.way(path)? {
            Way::Into => fs::OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(path)
                .and_then(|file| ignore_closed_pipe(write_document(file, head, jobs))),
            Way::Beside => write_beside(&real(path), head, jobs),
        };
        done.map_err(|e| explain(path, &e))
    }

    fn way(&self, path: &Path) -> Result<Way, ReportError> {
        let writable = |path: &Path| {
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK).map_err(io::Error::from)
        };
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => Err(refused(path, "it is a folder", "Name a file in it.")),
            Ok(meta) => {
                writable(path).map_err(|e| explain(path, &e))?;
                let real = real(path);
                let folder_is_writable = real.parent().is_some_and(|dir| writable(dir).is_ok());
                if meta.is_file() && folder_is_writable { Ok(Way::Beside) } else { Ok(Way::Into) }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                if folder.is_dir() {
                    return Ok(Way::Beside);
                }
                let why = format!("there is no folder `{}`", folder.display());
                Err(refused(path, &why, "Make the folder first, or name another file."))
            }
            Err(e) => Err(explain(path, &e)),
        }
    }
}

/// The file behind a link, so that renaming replaces the file and not the link.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn temp_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or(OsStr::new("report")));
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

fn write_beside(
    path: &Path,
    head: &RunReport,
    jobs: impl IntoIterator<Item = JobReport>,
) -> io::Result<()> {
    let temp = temp_path(path);
    let done = File::create(&temp)
        .and_then(|file| {
            if let Ok(old) = fs::metadata(path) {
                file.set_permissions(old.permissions())?;
            }
            write_document(file, head, jobs)
        })
        .and_then(|()| fs::rename(&temp, path));
    if done.is_err() {
        let _ = fs::remove_file(&temp);
    }
    done
}

/// Writes the document, one job a line.
fn write_document(
    out: impl Write,
    head: &RunReport,
    jobs: impl IntoIterator<Item = JobReport>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut text = serde_json::to_vec(head)?;
    text.pop();
    out.write_all(&text)?;
    out.write_all(b",\"jobs\":[")?;
    let mut separator: &[u8] = b"\n";
    for job in jobs {
        out.write_all(separator)?;
        serde_json::to_writer(&mut out, &job)?;
        separator = b",\n";
    }
    out.write_all(b"\n]}\n")?;
    out.flush()
}

/// A reader that has seen enough is no error.
fn ignore_closed_pipe(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn refused(path: &Path, why: &str, hint: &str) -> ReportError {
    ReportError { path: path.display().to_string(), why: why.into(), hint: hint.into() }
}

fn explain(path: &Path, error: &io::Error) -> ReportError {
    let (why, hint) = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ("permission denied".to_owned(), "Name a file that you may write.")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            ("the file system is read-only".to_owned(), "Name a file on another file system.")
        }
        io::ErrorKind::StorageFull => {
            ("the file system is full".to_owned(), "Free some space, or name another file.")
        }
        io::ErrorKind::NotADirectory => {
            ("part of its path is no folder".to_owned(), "Check the path.")
        }
        _ => (error.to_string(), "Name another file."),
    };
    refused(path, &why, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::{CommandText, REPORT_VERSION, Totals, UnreadTask};
    use crate::model::{Exit, Outcome, RunOutcome, StopReason, TaskIdx, Text, Usage, Wall};
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    fn head() -> RunReport {
        RunReport {
            version: REPORT_VERSION,
            run: "brave-otter-x7k2".into(),
            name: "pictures".into(),
            file: "tasks/pictures.yaml".into(),
            started_at: Wall(1_000_000),
            ended_at: Wall(3_500_000),
            wall_s: Duration::from_millis(2500),
            outcome: RunOutcome::Failed,
            exit_code: 1,
            totals: Totals { jobs: 3, succeeded: 1, timed_out: 1, skipped: 1, ..Totals::default() },
            unread_tasks: vec![UnreadTask { task: "late".into(), error: "no such file".into() }],
            deadlocks: Vec::new(),
        }
    }

    fn jobs() -> Vec<JobReport> {
        let usage = Usage {
            cpu_user: Duration::from_micros(1_500),
            stdout_bytes: Some(12),
            ..Usage::default()
        };
        let shell = |text: &str| CommandText::Shell(text.into());
        let inputs = vec![("f".to_owned(), Text(vec![b'a', 0xff])), ("n".to_owned(), "64".into())];
        let first =
            JobReport::unstarted(1, "resize".into(), 1, inputs, shell("x"), Outcome::Succeeded);
        let argv = CommandText::Argv(vec!["sleep".into(), "9".into()]);
        let second = JobReport::unstarted(2, "hang".into(), 1, Vec::new(), argv, Outcome::TimedOut);
        let upstream = Outcome::Skipped { upstream: TaskIdx(1) };
        let third = JobReport::unstarted(3, "after".into(), 1, Vec::new(), shell("y"), upstream);
        vec![
            JobReport {
                attempts: 2,
                started_at: Some(Wall(1_000_001)),
                wall_s: Some(Duration::from_millis(250)),
                ..first.with_exit(Some(Exit::Code(0))).with_usage(&usage)
            },
            JobReport {
                attempts: 1,
                swept_processes: 3,
                reason: Some(StopReason::Timeout),
                ..second
                    .with_exit(Some(Exit::Signal(15)))
                    .with_hang(Some(Duration::from_millis(41_500)))
            },
            JobReport { upstream: Some("hang".into()), ..third },
        ]
    }

    const GOLDEN: &str = concat!(
        r#"{"version":1,"run":"brave-otter-x7k2","name":"pictures","file":"tasks/pictures.yaml","#,
        r#""started_at":"1970-01-01T00:00:01.000000Z","ended_at":"1970-01-01T00:00:03.500000Z","#,
        r#""wall_s":2.5,"outcome":"failed","exit_code":1,"totals":{"jobs":3,"succeeded":1,"#,
        r#""up_to_date":0,"failed":0,"signaled":0,"timed_out":1,"out_of_memory":0,"#,
        r#""spawn_failed":0,"cancelled":0,"skipped":1,"lost":0,"retries":0},"#,
        r#""unread_tasks":[{"task":"late","error":"no such file"}],"deadlocks":[],"jobs":["#,
        "\n",
        r#"{"job":1,"task":"resize","index":1,"inputs":{"f":{"base64":"Yf8="},"n":"64"},"#,
        r#""command":"x","outcome":"succeeded","exit_code":0,"signal":null,"attempts":2,"#,
        r#""started_at":"1970-01-01T00:00:01.000001Z","wall_s":0.25,"cpu_user_s":0.0015,"#,
        r#""cpu_system_s":0.0,"max_rss_bytes":null,"stdout_bytes":12,"stderr_bytes":null,"#,
        r#""swept_processes":0,"limits_by":null,"oom_killed":null,"hung":false,"#,
        r#""quiet_s":null,"reason":null,"upstream":null,"error":null},"#,
        "\n",
        r#"{"job":2,"task":"hang","index":1,"inputs":{},"command":["sleep","9"],"#,
        r#""outcome":"timed_out","exit_code":null,"signal":"SIGTERM","attempts":1,"#,
        r#""started_at":null,"wall_s":null,"cpu_user_s":null,"cpu_system_s":null,"#,
        r#""max_rss_bytes":null,"stdout_bytes":null,"stderr_bytes":null,"swept_processes":3,"#,
        r#""limits_by":null,"oom_killed":null,"hung":true,"quiet_s":41.5,"reason":"timeout","#,
        r#""upstream":null,"error":null},"#,
        "\n",
        r#"{"job":3,"task":"after","index":1,"inputs":{},"command":"y","outcome":"skipped","#,
        r#""exit_code":null,"signal":null,"attempts":0,"started_at":null,"wall_s":null,"#,
        r#""cpu_user_s":null,"cpu_system_s":null,"max_rss_bytes":null,"stdout_bytes":null,"#,
        r#""stderr_bytes":null,"swept_processes":0,"limits_by":null,"oom_killed":null,"#,
        r#""hung":false,"quiet_s":null,"reason":null,"upstream":"hang","error":null}"#,
        "\n]}\n",
    );

    fn target(path: &Path) -> ReportTarget {
        ReportTarget::parse(path.as_os_str())
    }

    #[test]
    fn the_document_is_as_described() {
        let mut out = Vec::new();
        write_document(&mut out, &head(), jobs()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), GOLDEN);
        assert!(serde_json::from_str::<serde_json::Value>(GOLDEN).unwrap()["jobs"].is_array());
    }

    #[test]
    fn a_document_without_jobs_is_whole_too() {
        let mut out = Vec::new();
        write_document(&mut out, &head(), Vec::new()).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["jobs"], serde_json::json!([]));
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_behind_its_link() {
        let temp = tempfile::tempdir().unwrap();
        let (file, link) = (temp.path().join("r.json"), temp.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        target(&link).check().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        target(&link).write(&head(), jobs()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), GOLDEN);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2, "a temporary file is left");
    }

    #[test]
    fn what_cannot_be_written_is_said_before_the_run_with_cause_and_hint() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, why) in [
            (temp.path().join("no/such/r.json"), "there is no folder"),
            (temp.path().to_owned(), "it is a folder"),
            (file.join("r.json"), "part of its path is no folder"),
            (PathBuf::from("/proc/ganger-report.json"), ""),
        ] {
            let error = target(&path).check().unwrap_err();
            assert!(error.to_string().contains(why), "{path:?}: {error}");
            assert!(error.path.contains(path.to_str().unwrap()) && !error.hint.is_empty());
        }
    }

    #[test]
    fn devices_and_standard_output_are_written_as_they_are() {
        let null = target(Path::new("/dev/null"));
        null.check().unwrap();
        null.write(&head(), jobs()).unwrap();
        for text in ["-", "/dev/stdout"] {
            assert_eq!(ReportTarget::parse(OsStr::new(text)), ReportTarget::Stdout);
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("r.json");
        fs::write(&file, "old").unwrap();
        let failing = jobs().into_iter().inspect(|job| {
            // The folder of the temporary file goes away in the middle.
            if job.job == 2 {
                fs::remove_file(temp_path(&real(&file))).unwrap();
            }
        });
        target(&file).write(&head(), failing).unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    }
}
