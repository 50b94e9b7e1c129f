//! `ganger run`: from the command line to a run with a front end, and back to an exit code.

use super::args::RunArgs;
use super::failure::Failure;
use crate::control::client;
use crate::control::proto::{Role, ToClient, ToServer};
use crate::control::report_file::ReportTarget;
use crate::control::runs::{RunFolder, RunsDir};
use crate::plan::inputs::Source;
use crate::plan::{self, Plan};
use crate::report::{self, PlainOptions};
use crate::supervisor::prepare::{self, PrepareError, Prepared, Request};
use crate::supervisor::{Front, Setup, supervise};
use crate::tui::{self, config::Config};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a supervisor in a process of its own is told, in its run's folder.
const ORDER: &str = "order.json";
/// The copy of the task file in the run's folder.
const TASK_FILE: &str = "task.yaml";
/// What came on standard input, in the run's folder.
const STDIN: &str = "stdin";
/// Where a supervisor of its own writes what it has no better place for.
const LOG: &str = "supervisor.log";

/// [`ORDER`]
#[derive(Serialize, Deserialize)]
struct Order {
    request: Request,
    report: Option<PathBuf>,
}

/// What a supervisor of its own says on its standard output, once, in one line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Handshake {
    Ready,
    Failed { message: String, exit_code: i32 },
}

/// Runs a task file. Returns the exit code of the run.
///
/// # Errors
/// When nothing could be started.
pub fn run(args: &RunArgs) -> Result<i32, Failure> {
    let text = read_task_file(&args.file)?;
    let request = request(args);
    if args.dry_run {
        return super::dry_run::print(&text, request);
    }
    let target = args.report.as_deref().map(ReportTarget::parse);
    if let Some(target) = &target {
        target.check().map_err(|e| Failure::usage(e.to_string(), e.hint.clone()))?;
    }
    let look = if wants_screen(args) { Some(super::themes::chosen(args)?) } else { None };
    // Everything that is wrong with the file is said before a folder is made for it.
    let (prepared, _) = prepared("", &text, request.clone())?;
    let misfits = super::check::misfits(&text, &prepared);
    if !misfits.is_empty() {
        let source = plan::Source::new(&request.file, &text);
        let drawn: Vec<String> = misfits.iter().map(|d| d.render(&source)).collect();
        return Err(Failure::drawn(2, drawn.join("\n")));
    }
    let runs = RunsDir::from_env()?;
    let folder = runs.create(&prepared.plan.name, &request.file)?;
    write_private(&folder.dir.join(TASK_FILE), &text)?;
    let request = Request { stdin: spool_stdin(args, &prepared.plan, &folder)?, ..request };
    match look {
        Some(look) => with_screen(args, look, request, &folder, target.as_ref()),
        None => headless(args, &text, request, folder, target),
    }
}

/// Says everything that may be wrong with a request.
fn prepared(run: &str, text: &[u8], request: Request) -> Result<(Prepared, Vec<String>), Failure> {
    let invalid = |PrepareError::Invalid(drawn)| Failure::drawn(2, drawn);
    prepare::prepare(run, text, request).map_err(invalid)
}

fn request(args: &RunArgs) -> Request {
    Request {
        only: args.tasks.clone(),
        jobs: args.jobs.clone(),
        ..request_for(&args.file, &args.set)
    }
}

/// What a task file alone asks for.
pub fn request_for(file: &Path, set: &[(String, String)]) -> Request {
    let here = || std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    Request {
        file: file.display().to_string(),
        file_dir: if is_stdin(file) { here() } else { prepare::folder_of(file) },
        set: set.to_vec(),
        ..Request::default()
    }
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Reads the bytes of a task file.
///
/// # Errors
/// When there is no such file, or it cannot be read.
pub fn read_task_file(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    // One byte more than allowed, so that the reader sees that it is too much.
    let limit = crate::model::limits::TASK_FILE_BYTES as u64 + 1;
    let read = if is_stdin(file) {
        io::stdin().lock().take(limit).read_to_end(&mut text)
    } else {
        File::open(file).and_then(|f| f.take(limit).read_to_end(&mut text))
    };
    if text.len() as u64 == limit {
        return Err(too_large(file));
    }
    let Err(e) = read else { return Ok(text) };
    let hint = match e.kind() {
        io::ErrorKind::NotFound => "Give the path of a task file, or `-` for standard input.",
        io::ErrorKind::IsADirectory => "Name a file in it.",
        _ => "Check that you may read it.",
    };
    let what = format!("cannot read the task file `{}`: {}", file.display(), words(&e));
    Err(Failure::usage(what, hint))
}

fn too_large(file: &Path) -> Failure {
    let size = match fs::metadata(file) {
        Ok(meta) if meta.is_file() && !is_stdin(file) => format!("{} bytes", meta.len()),
        // Of a pipe nobody knows how much would come.
        _ => "it goes on".to_owned(),
    };
    let limit = crate::model::limits::TASK_FILE_BYTES >> 20;
    let name = file.display();
    Failure::usage(
        format!("the task file `{name}` is too large: {size}, and at most {limit} MiB are read"),
        "Keep long lists in files of their own and name them in `foreach` with `lines`, `csv` or \
         `json`.",
    )
}

fn words(e: &io::Error) -> String {
    let text = e.to_string();
    let plain = text.split(" (os error").next().unwrap_or_default();
    plain.to_lowercase()
}

/// When a source of inputs reads standard input, keeps all of it in the run's folder.
fn spool_stdin(
    args: &RunArgs,
    plan: &Plan,
    folder: &RunFolder,
) -> Result<Option<PathBuf>, Failure> {
    if !reads_stdin(plan) {
        return Ok(None);
    }
    if is_stdin(&args.file) {
        return Err(Failure::usage(
            "standard input cannot be both the task file and a source of inputs",
            "Keep the task file in a file.",
        ));
    }
    let path = folder.dir.join(STDIN);
    let spooled = private(&path).and_then(|mut file| io::copy(&mut io::stdin().lock(), &mut file));
    match spooled {
        Ok(_) => Ok(Some(path)),
        Err(e) => Err(Failure::own(format!("cannot keep standard input: {e}"))),
    }
}

/// Whether a source of inputs is `-`.
pub fn reads_stdin(plan: &Plan) -> bool {
    let mut sources = plan.tasks.iter().filter_map(|t| t.foreach.as_ref()).flat_map(|f| &f.vars);
    sources.any(|var| match &var.source {
        Source::Lines(t) | Source::Csv(t) | Source::Json(t) => t.as_literal() == Some("-"),
        _ => false,
    })
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    private(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|e| Failure::own(format!("cannot write `{}`: {e}", path.display())))
}

fn wants_screen(args: &RunArgs) -> bool {
    let is_plain = args.plain || args.live || args.json || args.output.is_some();
    // A dumb terminal, such as that of an editor, has no cursor to move.
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    // Keys come from the controlling terminal when standard input is something else.
    !is_plain && !is_dumb && io::stdout().is_terminal() && File::open("/dev/tty").is_ok()
}

/// Runs in this process, with a front end that prints.
fn headless(
    args: &RunArgs,
    text: &[u8],
    request: Request,
    folder: RunFolder,
    report: Option<ReportTarget>,
) -> Result<i32, Failure> {
    let (prepared, warnings) = prepared(&folder.id, text, request)?;
    let (to_front, at_front) = std_mpsc::channel();
    let (to_supervisor, from_front) = mpsc::unbounded_channel::<ToServer>();
    let (json, live, output) = (args.json, args.live, args.output.unwrap_or_default());
    let mut link =
        report::ChannelLink::new(move |message| to_supervisor.send(message).is_ok(), at_front);
    let streams = report::Streams::of_process()
        .map_err(|e| Failure::own(format!("cannot use standard output: {e}")))?;
    let show = move || {
        // The supervisor of this very process introduces itself first.
        let Ok(Some(ToClient::Hello { info, .. })) =
            report::Link::receive(&mut link, Duration::MAX)
        else {
            return None;
        };
        Some(if json {
            report::json::follow(&mut link, &info, &streams)
        } else {
            report::plain::follow(&mut link, &info, PlainOptions { output, live }, &streams)
        })
    };
    let front = std::thread::Builder::new()
        .name("report".to_owned())
        .spawn(show)
        .map_err(|e| Failure::own(format!("cannot start a thread: {e}")))?;
    prune_beside_the_work(RunsDir::from_env()?);
    let setup = Setup {
        prepared,
        warnings,
        folder,
        front: Front::InProcess { to: to_front, from: from_front },
        report,
    };
    let code = supervise(setup).map_err(|e| Failure::own(e.to_string()))?;
    match front.join() {
        Ok(Some(shown)) => Ok(shown.exit_code),
        Ok(None) => Ok(code),
        Err(_) => Err(Failure::own("the front end panicked")),
    }
}

/// Runs in a process of its own, which a broken screen cannot hurt, and shows it.
fn with_screen(
    args: &RunArgs,
    (config, warnings): (Config, Vec<String>),
    request: Request,
    folder: &RunFolder,
    target: Option<&ReportTarget>,
) -> Result<i32, Failure> {
    let report = target.map(|target| super::screen::report_file(target, folder));
    let order = serde_json::to_vec(&Order { request, report })
        .map_err(|e| Failure::own(format!("cannot write down the request: {e}")))?;
    write_private(&folder.dir.join(ORDER), &order)?;
    let mut supervisor = start_supervisor(folder)?;
    let connected =
        client::connect(&folder.socket, Role::Owner).map_err(|e| Failure::own(e.to_string()))?;
    let options = tui::TuiOptions { hold_at_end: !args.no_hold, config, warnings };
    let ended = tui::run(connected, options);
    super::screen::after(ended, &mut supervisor, folder, target)
}

/// Clears old runs away on a thread of its own: it may take long, and nothing waits for it.
fn prune_beside_the_work(runs: RunsDir) {
    std::thread::spawn(move || runs.prune().ok());
}

fn start_supervisor(folder: &RunFolder) -> Result<Child, Failure> {
    let failed = |e: io::Error| Failure::own(format!("cannot start the supervisor: {e}"));
    let log = private(&folder.dir.join(LOG)).map_err(failed)?;
    // By its real path, so that every process is called `ganger`.
    let program = fs::read_link("/proc/self/exe").map_err(failed)?;
    let mut child = std::process::Command::new(program)
        .arg("__supervise")
        .arg(&folder.id)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(failed)?;
    }
    match serde_json::from_str(&line) {
        Ok(Handshake::Ready) => Ok(child),
        Ok(Handshake::Failed { message, exit_code }) => Err(Failure::drawn(exit_code, message)),
        Err(_) => {
            let log = fs::read_to_string(folder.dir.join(LOG)).unwrap_or_default();
            Err(Failure::own(format!("the supervisor ended at its start: {}", log.trim())))
        }
    }
}

/// `ganger __supervise ID`: the supervisor of a run with a screen, in a session of its own.
///
/// # Errors
/// Those of [`run`]; the screen's process hears of them through the handshake.
pub fn supervise_detached(id: &str) -> Result<i32, Failure> {
    // It fails only for a process that leads a group already: then it is away from the
    // terminal as well.
    let _leads_already = rustix::process::setsid();
    let outcome = detached(id);
    if let Err(failure) = &outcome {
        say(&Handshake::Failed { message: failure.drawn_text(), exit_code: failure.code() });
    }
    outcome
}

fn detached(id: &str) -> Result<i32, Failure> {
    let runs = RunsDir::from_env()?;
    let folder = runs.open(id)?;
    let read = |name: &str| {
        fs::read(folder.dir.join(name))
            .map_err(|e| Failure::own(format!("cannot read `{name}` of run `{id}`: {e}")))
    };
    let order: Order = serde_json::from_slice(&read(ORDER)?)
        .map_err(|e| Failure::own(format!("cannot read the request of run `{id}`: {e}")))?;
    let (prepared, warnings) = prepared(id, &read(TASK_FILE)?, order.request)?;
    prune_beside_the_work(runs);
    let setup = Setup {
        prepared,
        warnings,
        front: Front::Screen { ready: Box::new(|_| say(&Handshake::Ready)) },
        report: order.report.map(|path| ReportTarget::parse(path.as_os_str())),
        folder,
    };
    supervise(setup).map_err(|e| Failure::own(e.to_string()))
}

fn say(handshake: &Handshake) {
    if let Ok(line) = serde_json::to_string(handshake) {
        // The screen may be gone: then the run is stopped for want of an owner.
        let _screen_may_be_gone = writeln!(io::stdout(), "{line}");
    }
}
