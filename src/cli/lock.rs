//! `ganger lock` and `ganger sem`: a command that holds something while it runs.
//!
//! Inside of a command that `ganger lock NAME` runs, `ganger lock NAME` passes at once: the
//! outer one leaves a mark in the environment (`GANGER_LOCKS`), and the inner one believes it
//! when the run says that the process in the mark still holds the lock. A mark that outlived its
//! process, or was made up, is worth nothing, so nobody gets in who is not let in.

use super::contention::called_in;
use super::failure::Failure;
use super::shared::{Shared, names, of_wrapper};
use super::shared_args::{LockArgs, LockVerb, SemArgs};
use super::{exit, steer, wrapped};
use crate::broker::proc_of;
use crate::model::limits::VIEW_PARTIES;
use crate::model::locks::{Given, LockKind, LockView, Name, Op};
use crate::model::{Command, ProcRef};

/// The locks that outer `ganger lock` hold: `db=812:99371,index=812:99371`.
const MARK: &str = "GANGER_LOCKS";

/// Runs a command while it holds locks, or takes locks for another process.
///
/// # Errors
/// When the locks cannot be had, or the command does not start.
pub fn lock(args: &LockArgs) -> Result<i32, Failure> {
    match &args.verb {
        None => held(args).map_err(of_wrapper),
        Some(LockVerb::Hold { names: given, pid, shared, patience, on, cmd }) => {
            if let Some(first) = cmd.first() {
                return Err(Failure::usage(
                    format!("`ganger lock hold` runs no command, and `{}` is one", first.display()),
                    "`ganger lock NAME -- CMD` holds a lock while CMD runs.",
                ));
            }
            let mut run = Shared::connect(on.run.as_deref(), "ganger lock hold")?;
            let timeout_ms = patience.timeout_ms();
            let names = names(given);
            let op = Op::Acquire { names, kind: LockKind::Lock, shared: *shared, timeout_ms };
            tell_died(&run.ask_for(Some(owner(*pid)), op)?);
            Ok(exit::OK)
        }
        Some(LockVerb::Release { names: given, pid, anyone, on }) => {
            let mut run = Shared::connect(on.run.as_deref(), "ganger lock release")?;
            let op = Op::Release { names: names(given), anyone: *anyone };
            run.ask_for((!anyone).then(|| owner(*pid)), op)?;
            Ok(exit::OK)
        }
    }
}

/// The process that was named, or the one that called this.
fn owner(pid: Option<i32>) -> i32 {
    pid.unwrap_or_else(|| nix::unistd::getppid().as_raw())
}

fn held(args: &LockArgs) -> Result<i32, Failure> {
    let mut run = Shared::for_command(args.on.run.as_deref(), &args.cmd)?;
    let mut names = names(&args.names);
    let outer = std::env::var(MARK).unwrap_or_default();
    leave_out_held(&mut run, &mut names, &outer, args.shared)?;
    if names.is_empty() {
        return wrapped::run(&args.cmd, None).map(|ended| ended.code);
    }
    let (shared, timeout_ms) = (args.shared, args.patience.timeout_ms());
    let op = Op::Acquire { names: names.clone(), kind: LockKind::Lock, shared, timeout_ms };
    tell_died(&run.ask(op)?);
    tell_order(&mut run, &names, &outer);
    let ended = wrapped::run(&args.cmd, mark(&outer, &names).map(|mark| (MARK, mark)));
    // A run that is over keeps nothing: how the command ended counts.
    let _gone_with_the_run = run.try_ask(Op::Release { names, anyone: false });
    ended.map(|ended| ended.code)
}

/// Says in which order locks were taken: the outer ones are held by other processes, so the run
/// cannot see that it is one after the other.
fn tell_order(run: &mut Shared, names: &[Name], outer: &str) {
    for (first, _) in marked(outer) {
        for second in names.iter().filter(|second| **second != first) {
            let (first, second) = (first.clone(), second.clone());
            // For a warning only: the command need not fail for it.
            let _no_warning_then = run.try_ask(Op::FastOrder { first, second });
        }
    }
}

/// The next owner has to know that what the lock protects may be half done.
fn tell_died(given: &Given) {
    let Given::Locks { owner_died } = given else { return };
    for name in owner_died {
        eprintln!("warning: the last owner of `{name}` ended without giving it back");
    }
}

/// Leaves out what an outer `ganger lock` holds for this command.
fn leave_out_held(
    run: &mut Shared,
    names: &mut Vec<Name>,
    outer: &str,
    shared: bool,
) -> Result<(), Failure> {
    let marked: Vec<(Name, ProcRef)> = marked(outer).filter(|(n, _)| names.contains(n)).collect();
    if marked.is_empty() {
        return Ok(());
    }
    let asked = marked.iter().map(|(name, _)| name.clone()).collect();
    let Given::Table { locks } = run.ask(Op::List { names: asked })? else { return Ok(()) };
    for (name, proc) in marked {
        match locks.iter().find(|lock| lock.name == name).and_then(|lock| hold(lock, proc)) {
            Some(Hold { shared: true }) if !shared => {
                return Err(Failure::usage(
                    format!("`{name}` is held shared by the `ganger lock` around this one"),
                    "Take it alone there, or shared here too: one that waits inside of its own \
                     share would wait for ever.",
                ));
            }
            Some(_) => names.retain(|known| *known != name),
            None => {}
        }
    }
    Ok(())
}

struct Hold {
    shared: bool,
}

fn hold(lock: &LockView, proc: ProcRef) -> Option<Hold> {
    let own = lock.holders.iter().find(|holder| holder.party.proc == Some(proc));
    // Of very many who share it only some are shown.
    let beyond = || lock.holders.len() >= VIEW_PARTIES && proc_of(proc.pid) == Some(proc);
    match own {
        Some(holder) => Some(Hold { shared: holder.shared }),
        None => beyond().then_some(Hold { shared: true }),
    }
}

fn marked(mark: &str) -> impl Iterator<Item = (Name, ProcRef)> {
    mark.split(',').filter_map(|entry| {
        let (name, holder) = entry.rsplit_once('=')?;
        let (pid, start) = holder.split_once(':')?;
        let proc = ProcRef { pid: pid.parse().ok()?, start_ticks: start.parse().ok()? };
        Some((Name::from(name), proc))
    })
}

/// The mark for the command: what is held around it and what this process holds.
fn mark(outer: &str, names: &[Name]) -> Option<String> {
    let own = proc_of(std::process::id().cast_signed())?;
    let inner = names.iter().map(|name| format!("{name}={}:{}", own.pid, own.start_ticks));
    let around = outer.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned);
    Some(around.chain(inner).collect::<Vec<_>>().join(","))
}

/// Runs a command with permits of a semaphore.
///
/// # Errors
/// When the permits cannot be had, or the command does not start.
pub fn semaphore(args: &SemArgs) -> Result<i32, Failure> {
    if let Some(max) = args.resize {
        let mut run = called_in(args.on.run.as_deref())?;
        let name = Name::from(args.name.as_str());
        return steer::act(&mut run, [Command::ResizeSemaphore { name, max }]);
    }
    with_permits(args).map_err(of_wrapper)
}

fn with_permits(args: &SemArgs) -> Result<i32, Failure> {
    let mut run = Shared::for_command(args.on.run.as_deref(), &args.cmd)?;
    let (name, n) = (Name::from(args.name.as_str()), args.permits);
    run.ask(Op::SemaphoreAcquire {
        name: name.clone(),
        max: args.max,
        bounded: true,
        n,
        tied: true,
        timeout_ms: args.patience.timeout_ms(),
    })?;
    let ended = wrapped::run(&args.cmd, None);
    let back = Op::SemaphoreRelease { name, max: None, bounded: true, n };
    let _gone_with_the_run = run.try_ask(back);
    ended.map(|ended| ended.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_add_up_and_what_is_none_is_passed_over() {
        let first = mark("", &["db".into()]).unwrap();
        let both = mark(&first, &["a:b".into()]).unwrap();
        let names: Vec<String> = marked(&both).map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["db", "a:b"]);
        assert!(marked(&both).all(|(_, proc)| proc.pid == std::process::id().cast_signed()));
        assert_eq!(marked("db,x=1,=,y=1:z").count(), 0);
    }
}
