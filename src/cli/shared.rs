//! What the verbs of shared primitives have in common: the connection, and what refusals mean.

use super::failure::Failure;
use super::{exit, reach};
use crate::control::client::ClientError;
use crate::control::proto::{ClientRole, OwnerPid};
use crate::control::sharer::Sharer;
use crate::model::locks::{Datum, Failure as Why, Given, Name, Op, Refusal};
use crate::model::{Text, harmless};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Characters of a command in the label that people read.
const LABEL_CHARS: usize = 80;

/// A connection to the run that a person or a job means.
pub struct Shared {
    sharer: Sharer,
    /// This is called inside of a job of that run.
    pub in_job: bool,
}

impl Shared {
    /// Connects to the run of that name; without one to the run that this is called in, or to
    /// the only live one. `label` is what people are to read.
    ///
    /// # Errors
    /// When there is no such run, or it does not answer.
    pub fn connect(run: Option<&str>, label: &str) -> Result<Shared, Failure> {
        Shared::connect_as(run, ClientRole { label: Some(label.to_owned()), ..Default::default() })
    }

    /// Connects for a command: what is taken is kept until it has ended.
    ///
    /// # Errors
    /// As [`Shared::connect`].
    pub fn for_command(run: Option<&str>, cmd: &[OsString]) -> Result<Shared, Failure> {
        let words: Vec<_> = cmd.iter().map(|word| word.to_string_lossy()).collect();
        let label = Some(harmless::harmless_line(words.join(" ").as_bytes(), LABEL_CHARS));
        Shared::connect_as(run, ClientRole { label, command: true, ..Default::default() })
    }

    fn connect_as(run: Option<&str>, role: ClientRole) -> Result<Shared, Failure> {
        let own = std::env::var_os("GANGER_SOCKET").filter(|path| !path.is_empty());
        let (socket, in_job) = match (run, own) {
            (None, Some(own)) => (PathBuf::from(own), true),
            (run, _) => (found(run)?, false),
        };
        let number = |name| std::env::var(name).ok()?.parse().ok();
        let role = ClientRole {
            job: in_job.then(|| number("GANGER_JOB")).flatten(),
            attempt: in_job.then(|| number("GANGER_ATTEMPT")).flatten(),
            ..role
        };
        let in_job = role.job.is_some();
        let sharer = Sharer::connect(&socket, role).map_err(|e| lost(&e))?;
        Ok(Shared { sharer, in_job })
    }

    /// Asks, and takes a refusal for a failure.
    ///
    /// # Errors
    /// When it is refused, or the run is gone.
    pub fn ask(&mut self, op: Op) -> Result<Given, Failure> {
        self.ask_for(None, op)
    }

    /// Asks for another process.
    ///
    /// # Errors
    /// As [`Shared::ask`].
    pub fn ask_for(&mut self, pid: Option<i32>, op: Op) -> Result<Given, Failure> {
        let owner = pid.map(|pid| OwnerPid { pid });
        let answer = self.sharer.ask_for(owner, op).map_err(|e| lost(&e))?;
        answer.map_err(|refusal| refused(&refusal))
    }

    /// Asks; a refusal is an answer too.
    ///
    /// # Errors
    /// When the run is gone.
    pub fn try_ask(&mut self, op: Op) -> Result<Result<Given, Refusal>, Failure> {
        self.sharer.ask(op).map_err(|e| lost(&e))
    }
}

fn found(run: Option<&str>) -> Result<PathBuf, Failure> {
    let known = match reach::find(run) {
        Ok(known) => known,
        Err(failure) if run.is_some() => return Err(failure),
        Err(failure) => {
            return Err(Failure::drawn(
                failure.code(),
                format!(
                    "{}\nhint: A job finds its run by itself (GANGER_SOCKET); elsewhere name one \
                     with `--run RUN`.",
                    failure.drawn_text().trim_end()
                ),
            ));
        }
    };
    reach::is_live(&known)?;
    Ok(known.socket)
}

/// What it means when the run does not answer.
fn lost(e: &ClientError) -> Failure {
    let text = match e {
        ClientError::Gone => {
            "the supervisor of the run died; nobody keeps what its jobs share any more".to_owned()
        }
        ClientError::Unreachable { .. } => {
            format!("the run is over, or its supervisor died: {e}")
        }
        ClientError::Protocol { .. } => {
            return Failure::usage(e.to_string(), "Use the ganger that started the run.");
        }
        _ => e.to_string(),
    };
    Failure::own(text)
}

/// What a refusal means: its sentence and its exit code.
pub fn refused(refusal: &Refusal) -> Failure {
    let code = match refusal.error {
        Why::Timeout => exit::TIMED_OUT,
        Why::Busy => exit::BUSY,
        Why::Closed => exit::CLOSED,
        Why::Broken | Why::NotOwner | Why::Gone | Why::Changed => exit::NO,
        Why::WrongKind | Why::Invalid | Why::TooLarge => exit::USAGE,
        Why::Withdrawn => exit::OWN,
    };
    Failure::drawn(code, format!("error: {}", refusal.text))
}

/// Exit codes of verbs that run a command: what is not the command's has to be told apart.
pub fn of_wrapper(failure: Failure) -> Failure {
    match failure.code() {
        exit::TIMED_OUT | exit::BUSY | exit::NOT_EXECUTABLE | exit::NOT_FOUND => failure,
        _ => Failure::drawn(exit::WRAPPER, failure.drawn_text()),
    }
}

/// Names as the protocol has them, each once.
pub fn names(given: &[String]) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for name in given {
        if !names.iter().any(|known| **known == **name) {
            names.push(Name::from(name.as_str()));
        }
    }
    names
}

/// A whole number or a text.
pub fn datum(word: &OsStr) -> Datum {
    let number = word.to_str().and_then(|text| {
        let number: i64 = text.parse().ok()?;
        // `007` and `+1` are texts: they would come back as something else.
        (number.to_string() == text).then_some(number)
    });
    number.map_or_else(|| Datum::Text(text(word)), Datum::Number)
}

/// Bytes as they were given.
pub fn text(word: &OsStr) -> Text {
    Text(word.as_bytes().to_vec())
}

/// A datum as it is printed.
pub fn printed(datum: &Datum) -> Vec<u8> {
    match datum {
        Datum::Number(n) => n.to_string().into_bytes(),
        Datum::Text(text) => text.0.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_back_the_same_is_a_number() {
        for (word, number) in [("7", Some(7)), ("-3", Some(-3)), ("007", None), ("+1", None)] {
            let expected = number.map_or_else(|| Datum::Text(word.into()), Datum::Number);
            assert_eq!(datum(OsStr::new(word)), expected);
        }
    }
}
