//! `ganger why`: what the threads of a process tree wait for, or why a job of a run is not
//! running or what it is doing.

use super::args::WhyArgs;
use super::failure::Failure;
use super::reach::{self, Reached, reach};
use super::{exit, print};
use crate::clock;
use crate::control::runs::RunsDir;
use crate::model::harmless::harmless_line;
use crate::model::query::{JobRow, Query, Reply};
use crate::model::waits::preview::Preview;
use crate::model::waits::report::{Report, Verdict};
use crate::model::waits::text::{Show, Words, drawn};
use crate::model::waits::{Look, SharedWaits, dot};
use crate::model::{AttemptId, JobNo, JobRef, ProcRef};
use crate::probe::waits::process::{leader_of, unreaped};
use crate::probe::waits::{Root, Tracker};
use crate::report::waits;
use crate::supervisor::xray::{self, LookError, Proof, Xray};
use crate::xray::preview;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

/// Characters of one sentence that are shown.
const LINE_CHARS: usize = 1000;
/// How long is looked for somebody who is stuck, when at first it is not clear.
const PATIENCE: Duration = Duration::from_millis(600);

/// Prints what is known of a job or of a process tree.
///
/// # Errors
/// When it is not there, or cannot be looked at.
pub fn why(args: &WhyArgs) -> Result<i32, Failure> {
    let (run, job) = split(&args.target);
    if args.target.bytes().all(|b| b.is_ascii_digit()) {
        return of_process(args);
    }
    let job: JobRef = job.parse().map_err(|e: String| {
        Failure::usage(
            e,
            "A bare number is a pid. `ganger status` shows the jobs that run and those that failed.",
        )
    })?;
    let reached = reach(args.on.run.as_deref().or(run))?;
    of_job(args, reached, &job)
}

/// Takes `RUN:17` apart. A task may have the name that a run begins with, so only the whole id
/// of a run counts.
fn split(text: &str) -> (Option<&str>, &str) {
    let Some(at) = text.rfind(':').filter(|at| *at > 0) else { return (None, text) };
    let is_run =
        RunsDir::from_env().is_ok_and(|runs| runs.list().iter().any(|run| run.id == text[..at]));
    if is_run { (Some(&text[..at]), &text[at..]) } else { (None, text) }
}

fn exit_of(report: &Report) -> i32 {
    if report.verdict == Verdict::Healthy { exit::OK } else { exit::NO }
}

// ---- a process tree

fn of_process(args: &WhyArgs) -> Result<i32, Failure> {
    let no_such = |pid: &str| {
        could_not_look(
            &format!("cannot look at process {pid}: there is no such process"),
            &format!("For job {pid} of a run write `ganger why :{pid}`."),
        )
    };
    let Ok(pid) = args.target.parse::<i32>() else { return Err(no_such(&args.target)) };
    // `top -H` shows the numbers of threads.
    let pid = leader_of(pid);
    let Some(proc) = crate::broker::proc_of(pid) else { return Err(no_such(&args.target)) };
    if let Some(parent) = unreaped(pid) {
        return Err(could_not_look(
            &format!("cannot look at process {pid}: it has ended"),
            &format!("Its parent (pid {parent}) has not taken notice of that: look at it instead."),
        ));
    }
    let roots = vec![Root { proc, attempt: None }];
    if args.watch {
        return watch(args, roots, proc, None);
    }
    let proof = xray::look_at(&mut *tracker(&roots), &mut |_| {}, PATIENCE);
    let mut report = proof.report();
    report.pid = Some(pid);
    xray::is_seen(proc, &report).map_err(|e| unseen(&e))?;
    if let Some(victim) = args.kill {
        return preview_of(args, &proof, victim, None);
    }
    show(args, &report, None)?;
    Ok(exit_of(&report))
}

fn tracker(roots: &[Root]) -> Box<Tracker> {
    let mut tracker = Tracker::new();
    tracker.set_roots(roots.to_vec());
    tracker.set_frames(true);
    Box::new(tracker)
}

/// Exit code 3.
fn could_not_look(error: &str, hint: &str) -> Failure {
    Failure::drawn(exit::OWN, format!("error: {error}\nhint: {hint}"))
}

fn unseen(error: &LookError) -> Failure {
    let hint = match error {
        LookError::Gone { .. } => "It may just have ended.",
        LookError::Hidden { .. } => {
            "Processes of other users, setuid programs and (under Yama) those that ganger did not \
             start are visible to root only; docs/xray.md says more."
        }
    };
    could_not_look(&error.to_string(), hint)
}

// ---- a job

/// A job and what its run knows of it.
struct Job {
    row: JobRow,
    lines: Vec<String>,
    labels: Labels,
}

/// What people call jobs.
type Labels = BTreeMap<JobNo, String>;

fn of_job(args: &WhyArgs, mut reached: Reached, job: &JobRef) -> Result<i32, Failure> {
    let row = reached.job(job)?.row;
    let Reply::Why { lines } = reached.ask(Query::Why { job: JobRef::number(row.job) })? else {
        return Err(reach::misunderstood());
    };
    let number = row.job;
    let seat = seat(&mut reached, number)?;
    let mut job = Job { row, lines, labels: BTreeMap::new() };
    let Some(seat) = seat else {
        // It has no process.
        let report = Report { at: clock::mono(), ..Report::default() };
        show(args, &report, Some(&job))?;
        return Ok(exit::OK);
    };
    job.labels = seat.labels;
    let proc = seat.leader;
    let mut complete = completing(reached, Some(seat.attempt));
    if args.watch {
        return watch(args, seat.roots, proc, Some((job, complete)));
    }
    let proof = xray::look_at(&mut *tracker(&seat.roots), &mut complete, PATIENCE);
    if let Some(victim) = args.kill {
        return preview_of(args, &proof, victim, Some(&job.labels));
    }
    let mut report = proof.report();
    report.pid = Some(proc.pid);
    show(args, &report, Some(&job))?;
    Ok(exit_of(&report))
}

/// Where a job runs, and what runs beside it.
struct Seat {
    attempt: AttemptId,
    leader: ProcRef,
    /// Circles lead through other jobs too, so all are looked at.
    roots: Vec<Root>,
    labels: Labels,
}

/// `None` when the job has no process.
fn seat(reached: &mut Reached, job: JobNo) -> Result<Option<Seat>, Failure> {
    let shared = shared_waits(reached)?;
    let own = shared.attempts.iter().find(|(attempt, _)| attempt.job == job);
    let Some((attempt, leader)) = own.copied() else { return Ok(None) };
    let root =
        |(attempt, proc): &(AttemptId, ProcRef)| Root { proc: *proc, attempt: Some(*attempt) };
    let roots = shared.attempts.iter().map(root).collect();
    let mut labels = Labels::new();
    for (attempt, _) in &shared.attempts {
        // It may have ended since.
        if let Ok(detail) = reached.job(&JobRef::number(attempt.job)) {
            labels.insert(attempt.job, detail.row.label);
        }
    }
    Ok(Some(Seat { attempt, leader, roots, labels }))
}

fn shared_waits(reached: &mut Reached) -> Result<SharedWaits, Failure> {
    match reached.ask(Query::SharedWaits)? {
        Reply::SharedWaits(shared) => Ok(shared),
        _ => Err(reach::misunderstood()),
    }
}

/// Joins looks with what the run knows, and narrows them to one attempt, if any.
fn completing(mut reached: Reached, attempt: Option<AttemptId>) -> xray::Complete {
    Box::new(move |look: &mut Look| {
        // Without the supervisor its waits are for messages, which may always come.
        if let Ok(shared) = shared_waits(&mut reached) {
            crate::xray::join(look, &shared);
        }
        for process in &mut look.processes {
            process.in_tree &= attempt.is_none() || process.attempt == attempt;
        }
    })
}

// ---- showing

fn show(args: &WhyArgs, report: &Report, job: Option<&Job>) -> Result<(), Failure> {
    if args.json {
        let value = as_json(report, job);
        // One report a line, so that whoever reads along knows where each ends.
        return match args.watch {
            true => print::bytes(format!("{value}\n").as_bytes()),
            false => print::json(&value),
        };
    }
    let name = |attempt: AttemptId| job?.labels.get(&attempt.job).cloned();
    let words = Words::naming(report.at, &name);
    if args.dot {
        return print::bytes(dot::drawn(report, &words).as_bytes());
    }
    let mut text = job.map_or(String::new(), reasons);
    if job.is_none() || report.pid.is_some() {
        if job.is_some() {
            text.push('\n');
        }
        text += &drawn(report, &words, Show { stacks: args.stacks });
    }
    print::bytes(text.as_bytes())
}

fn reasons(job: &Job) -> String {
    let row = &job.row;
    let mut text = format!("{} ({})", row.label, row.job);
    if !row.inputs.is_empty() {
        text += &format!(" [{}]", harmless_line(row.inputs.as_bytes(), LINE_CHARS));
    }
    text += &format!(": {}\n", row.state.replace('_', " "));
    for line in &job.lines {
        text += &format!("  {}\n", harmless_line(line.as_bytes(), LINE_CHARS));
    }
    text
}

fn as_json(report: &Report, job: Option<&Job>) -> Value {
    let mut value = waits::json(report);
    if let Some(job) = job {
        value["job"] = json!({
            "job": job.row.job,
            "label": job.row.label,
            "state": job.row.state,
            "why": job.lines,
        });
    }
    value
}

// ---- before a kill

/// Says what killing one process would do.
fn preview_of(
    args: &WhyArgs,
    proof: &Proof,
    victim: i32,
    labels: Option<&Labels>,
) -> Result<i32, Failure> {
    let found = proof.second.processes.iter().find(|process| process.proc.pid == victim);
    let Some(victim) = found.map(|process| process.proc) else {
        return Err(Failure::usage(
            format!(
                "process {victim} is not below `{}`, nor does anybody there wait for it",
                args.target
            ),
            format!("`ganger why {}` shows who waits for whom.", args.target),
        ));
    };
    let name = |attempt: AttemptId| labels?.get(&attempt.job).cloned();
    show_preview(&preview(&proof.first, &proof.second, &[victim]), proof, &name, args.json)
}

fn show_preview(
    preview: &Preview,
    proof: &Proof,
    name: &dyn Fn(AttemptId) -> Option<String>,
    as_json: bool,
) -> Result<i32, Failure> {
    if as_json {
        print::json(&waits::preview_json(preview))?;
    } else {
        print::bytes(preview.drawn(&Words::naming(proof.second.at, name)).as_bytes())?;
    }
    Ok(if preview.is_harmful() { exit::NO } else { exit::OK })
}

/// Says what killing these jobs would do, with everything that they started.
///
/// # Errors
/// When one of them is not there.
pub fn preview_jobs(mut reached: Reached, jobs: &[JobRef]) -> Result<i32, Failure> {
    let mut victims = Vec::new();
    let mut seen = None;
    for job in jobs {
        let row = reached.job(job)?.row;
        let Some(seat) = seat(&mut reached, row.job)? else {
            return Err(Failure::usage(
                format!("job {} ({}) has no process that could be killed", row.label, row.job),
                format!("`ganger why {}` says why.", row.job),
            ));
        };
        victims.push(seat.attempt);
        seen = Some(seat);
    }
    let Some(seat) = seen else { return Ok(exit::OK) };
    let mut complete = completing(reached, None);
    let proof = xray::look_at(&mut *tracker(&seat.roots), &mut complete, PATIENCE);
    let is_victim = |attempt: Option<AttemptId>| attempt.is_some_and(|a| victims.contains(&a));
    let processes = proof.second.processes.iter().filter(|process| is_victim(process.attempt));
    let mut processes: Vec<ProcRef> = processes.map(|process| process.proc).collect();
    processes.sort_by_key(|proc| (*proc != seat.leader, *proc));
    let name = |attempt: AttemptId| seat.labels.get(&attempt.job).cloned();
    show_preview(&preview(&proof.first, &proof.second, &processes), &proof, &name, false)
}

// ---- again and again

/// Prints a report whenever it says something new, until the process has ended.
fn watch(
    args: &WhyArgs,
    roots: Vec<Root>,
    proc: ProcRef,
    job: Option<(Job, xray::Complete)>,
) -> Result<i32, Failure> {
    let (told, coming) = mpsc::channel();
    let (job, complete) = job.unzip();
    let start = roots.clone();
    let xray = Xray::start(
        move || tracker(&start) as Box<dyn xray::Looks>,
        complete,
        move |what| drop(told.send(what)),
    )
    .map_err(|e| Failure::own(format!("cannot start a thread that looks: {e}")))?;
    xray.follow(roots);
    xray.watch(true);
    let mut last: Option<Report> = None;
    for told in coming {
        let xray::Told::News(mut report) = told else { continue };
        report.pid = Some(proc.pid);
        if report.processes == 0 {
            if last.is_none() {
                xray::is_seen(proc, &report).map_err(|e| unseen(&e))?;
            }
            eprintln!("process {} has ended", proc.pid);
            break;
        }
        if last.as_ref().is_none_or(|last| xray::differ(last, &report)) {
            if last.is_none() {
                xray::is_seen(proc, &report).map_err(|e| unseen(&e))?;
            } else if !args.json && !args.dot {
                print::bytes(format!("\n{}\n", clock::wall().rfc3339()).as_bytes())?;
            }
            show(args, &report, job.as_ref())?;
        }
        last = Some(*report);
    }
    Ok(last.as_ref().map_or(exit::OK, exit_of))
}
