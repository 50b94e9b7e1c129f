//! The verbs that act on a run: `scale`, `pause`, `continue`, `kill`, `retry`,
//! `prio`, `undo`, `stop`.

use super::args::{
    KillArgs, PauseArgs, PrioArgs, RetryArgs, ScaleArgs, ScaleTo, StopArgs, UndoArgs,
};
use super::failure::Failure;
use super::reach::{self, Reached, reach};
use super::{exit, print};
use crate::control::runs::RunsDir;
use crate::exec;
use crate::model::query::{Query, Reply};
use crate::model::{Answer, Command, JobNo, JobRef, PauseTarget, PoolIdx, Rank, StopHow};
use std::io::{self, Write};

/// `ganger scale`
///
/// # Errors
/// When the run or the pool is not there, or the size is out of its bounds.
pub fn scale(args: &ScaleArgs) -> Result<i32, Failure> {
    let mut run = reach(args.on.run.as_deref())?;
    let pool = pool(&run, args.pool.as_deref())?;
    let size = match args.size {
        ScaleTo::Exactly(n) => n,
        ScaleTo::More(n) => size_of(&mut run, pool)?.saturating_add(n),
        ScaleTo::Fewer(n) => size_of(&mut run, pool)?.saturating_sub(n),
    };
    act(&mut run, [Command::Scale { pool, size, now: args.now }])
}

/// `ganger pause` and `ganger continue`
///
/// # Errors
/// When the run, the pool or a job is not there, or cannot be paused.
pub fn pause(args: &PauseArgs, pause: bool) -> Result<i32, Failure> {
    let mut run = reach(args.on.run.as_deref())?;
    let targets = match (&args.pool, args.jobs.as_slice()) {
        (Some(name), _) => vec![PauseTarget::Pool(pool(&run, Some(name))?)],
        (None, []) => vec![PauseTarget::Run],
        (None, jobs) => numbers(&mut run, jobs)?.into_iter().map(PauseTarget::Job).collect(),
    };
    let command = |target| {
        if pause { Command::Pause { target } } else { Command::Resume { target } }
    };
    act(&mut run, targets.into_iter().map(command))
}

/// `ganger kill`
///
/// # Errors
/// When the run or a job is not there, or it has ended.
pub fn kill(args: &KillArgs) -> Result<i32, Failure> {
    let mut run = reach(args.on.run.as_deref())?;
    if args.preview {
        return super::why::preview_jobs(run, &args.jobs);
    }
    let jobs = numbers(&mut run, &args.jobs)?;
    let command = |job| match args.signal {
        Some(signal) => Command::Signal { job, signal },
        None => Command::Kill { job, now: args.now },
    };
    act(&mut run, jobs.into_iter().map(command))
}

/// `ganger retry`
///
/// # Errors
/// When the run or a job is not there, or has not ended badly.
pub fn retry(args: &RetryArgs) -> Result<i32, Failure> {
    let mut run = reach(args.on.run.as_deref())?;
    let jobs = numbers(&mut run, &args.jobs)?;
    act(&mut run, jobs.into_iter().map(|job| Command::Retry { job }))
}

/// `ganger prio`
///
/// # Errors
/// When the run or a job is not there, or it does not wait.
pub fn prioritize(args: &PrioArgs) -> Result<i32, Failure> {
    let mut run = reach(args.on.run.as_deref())?;
    let mut jobs = numbers(&mut run, &args.jobs)?;
    let to = match (args.to, args.reset) {
        (Some(priority), _) => Rank::Priority(priority),
        (None, true) => Rank::OfTask,
        (None, false) => {
            // Each goes before all others: the first one named comes last.
            jobs.reverse();
            Rank::First
        }
    };
    act(&mut run, jobs.into_iter().map(|job| Command::Prioritize { job, to }))
}

/// `ganger undo`
///
/// # Errors
/// When the run is not there, or nothing can be taken back.
pub fn undo(args: &UndoArgs) -> Result<i32, Failure> {
    let mut run = reach(args.run.as_deref())?;
    let Reply::Status { snapshot, .. } = run.ask(Query::Status)? else {
        return Err(reach::misunderstood());
    };
    let Some(last) = snapshot.acts.iter().find(|act| act.undo.is_some()) else {
        return Err(Failure::usage(
            format!("nothing that was done to run `{}` can be taken back", run.known.id),
            "A process that was ended does not come back; `ganger retry JOB` starts another.",
        ));
    };
    print::bytes(format!("undo `{}`\n", last.asked).as_bytes())?;
    act(&mut run, [Command::Undo { act: last.id }])
}

/// `ganger stop`
///
/// # Errors
/// When no run, or not just one, is meant.
pub fn stop(args: &StopArgs) -> Result<i32, Failure> {
    let known = reach::find(args.run.as_deref())?;
    if known.is_lost() {
        let swept = exec::sweep_run(&known.mark);
        RunsDir::from_env()?.open(&known.id)?.mark_swept()?;
        let what = match swept {
            0 => "nothing of it was left".to_owned(),
            1 => "ended 1 process that was left".to_owned(),
            n => format!("ended {n} processes that were left"),
        };
        print::bytes(format!("{}: its supervisor had died; {what}\n", known.id).as_bytes())?;
        return Ok(exit::OK);
    }
    let mut run = reach::connect(known)?;
    let how = match (args.now, args.drain) {
        (true, _) => StopHow::Kill,
        (_, true) => StopHow::Drain,
        _ => StopHow::Stop,
    };
    act(&mut run, [Command::Stop { how }])
}

/// Sends commands one by one and prints what becomes of them. All are tried; one that is
/// refused makes the exit code that of wrong usage.
pub(super) fn act(
    run: &mut Reached,
    commands: impl IntoIterator<Item = Command>,
) -> Result<i32, Failure> {
    let mut code = exit::OK;
    for command in commands {
        match run.asker.command(command) {
            Ok(Answer::Done(words)) => print::bytes(format!("{words}\n").as_bytes())?,
            Ok(Answer::Refused(words)) => {
                code = exit::USAGE;
                let _stderr_may_be_closed = writeln!(io::stderr(), "error: {words}");
            }
            Err(e) => return Err(reach::unreachable(&run.known.id, &e)),
        }
    }
    Ok(code)
}

/// Finds the jobs that a person named, all before anything is done to one.
fn numbers(run: &mut Reached, jobs: &[JobRef]) -> Result<Vec<JobNo>, Failure> {
    jobs.iter()
        .map(|job| {
            let row = run.job(job)?.row;
            match job.attempt {
                Some(n) if n != row.attempts => Err(Failure::usage(
                    format!("`{job}` is not the attempt of {} that counts now", row.label),
                    format!("Name the job, `{}`; it is at attempt {}.", row.job, row.attempts),
                )),
                _ => Ok(row.job),
            }
        })
        .collect()
}

fn pool(run: &Reached, name: Option<&str>) -> Result<PoolIdx, Failure> {
    let Some(name) = name else { return Ok(PoolIdx::DEFAULT) };
    let place = run.info.pools.iter().position(|pool| pool == name);
    match place.and_then(|place| u16::try_from(place).ok()) {
        Some(place) => Ok(PoolIdx(place)),
        None => Err(Failure::usage(
            format!("run `{}` has no pool `{name}`", run.known.id),
            format!("Its pools are {}.", run.info.pools.join(", ")),
        )),
    }
}

fn size_of(run: &mut Reached, pool: PoolIdx) -> Result<u32, Failure> {
    let Reply::Status { snapshot, .. } = run.ask(Query::Status)? else {
        return Err(reach::misunderstood());
    };
    snapshot.pools.get(usize::from(pool.0)).map(|pool| pool.size).ok_or_else(reach::misunderstood)
}
