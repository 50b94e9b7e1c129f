//! From the name of a run, or none, to a connection to its supervisor.

use super::failure::Failure;
use crate::control::client::{Asker, ClientError};
use crate::control::runs::{FindError, KnownRun, RunsDir};
use crate::model::query::{JobDetail, Query, Reply};
use crate::model::{JobRef, RunInfo};

/// A run that answers.
pub struct Reached {
    pub known: KnownRun,
    pub info: RunInfo,
    pub asker: Asker,
}

/// Finds the run that a person means and connects to it.
///
/// # Errors
/// When none or several are meant, or it does not answer any more.
pub fn reach(name: Option<&str>) -> Result<Reached, Failure> {
    let known = find(name)?;
    connect(known)
}

/// Finds the run that a person means, live or not.
///
/// # Errors
/// When none or several are meant.
pub fn find(name: Option<&str>) -> Result<KnownRun, Failure> {
    let runs = RunsDir::from_env()?;
    runs.find(name).map_err(|e: FindError| Failure::usage(e.to_string(), e.hint()))
}

/// Connects to a run's supervisor.
///
/// # Errors
/// When the run has ended or its supervisor is dead.
pub fn connect(known: KnownRun) -> Result<Reached, Failure> {
    is_live(&known)?;
    let id = &known.id;
    match Asker::connect(&known.socket) {
        Ok((asker, info)) => Ok(Reached { known, info, asker }),
        Err(e) => Err(unreachable(id, &e)),
    }
}

/// Sees to it that a run can be asked.
///
/// # Errors
/// When it has ended, its supervisor is dead or it is another host's.
pub fn is_live(known: &KnownRun) -> Result<(), Failure> {
    let id = &known.id;
    if known.is_lost() {
        return Err(Failure::usage(
            format!("run `{id}` is lost: its supervisor (pid {}) died", known.pid),
            format!("`ganger stop {id}` ends what it may have left behind."),
        ));
    }
    if known.elsewhere {
        return Err(Failure::usage(format!("run `{id}` belongs to another host"), "Log in there."));
    }
    if !known.alive {
        return Err(Failure::usage(
            format!("run `{id}` has ended"),
            format!("`ganger status {id}` says how; `ganger logs JOB -r {id}` shows output."),
        ));
    }
    Ok(())
}

/// What it means when a live supervisor does not talk.
pub fn unreachable(id: &str, e: &ClientError) -> Failure {
    let text = format!("cannot talk to run `{id}`: {e}");
    match e {
        ClientError::Protocol { .. } => {
            Failure::usage(text, "Use the ganger that started the run.")
        }
        _ => Failure::own(text),
    }
}

impl Reached {
    /// Asks a question.
    ///
    /// # Errors
    /// When the supervisor is gone, or it refuses to answer: something named is not there.
    pub fn ask(&mut self, query: Query) -> Result<Reply, Failure> {
        match self.asker.query(query) {
            Ok(Reply::Refused { error }) => Err(Failure::usage(
                error,
                format!("`ganger status {}` shows what is there.", self.known.id),
            )),
            Ok(reply) => Ok(reply),
            Err(e) => Err(unreachable(&self.known.id, &e)),
        }
    }

    /// Asks for a job that a person named.
    ///
    /// # Errors
    /// When there is no such job, or its attempt named is over.
    pub fn job(&mut self, job: &JobRef) -> Result<JobDetail, Failure> {
        match self.ask(Query::Job { job: JobRef { attempt: None, ..job.clone() } })? {
            Reply::Job { job } => Ok(*job),
            _ => Err(misunderstood()),
        }
    }
}

/// The supervisor answered another question than was asked.
pub fn misunderstood() -> Failure {
    Failure::own("the supervisor's answer does not fit the question")
}
