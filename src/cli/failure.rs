//! Why a verb could not do its work, in words, with the exit code that says so.

use crate::control::runs::RunsError;

/// An error that ends ganger.
#[derive(Debug)]
pub struct Failure {
    code: i32,
    text: String,
}

impl Failure {
    /// What was asked cannot be done as asked: exit code 2.
    pub fn usage(message: impl AsRef<str>, hint: impl AsRef<str>) -> Failure {
        Failure { code: 2, text: format!("error: {}\nhint: {}", message.as_ref(), hint.as_ref()) }
    }

    /// ganger itself failed: exit code 3.
    pub fn own(message: impl AsRef<str>) -> Failure {
        Failure { code: 3, text: format!("error: {}", message.as_ref()) }
    }

    /// A text that is complete already.
    pub fn drawn(code: i32, text: impl Into<String>) -> Failure {
        Failure { code, text: text.into() }
    }

    /// The exit code of the process.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// What a person reads.
    pub fn drawn_text(&self) -> String {
        self.text.clone()
    }
}

impl From<RunsError> for Failure {
    fn from(e: RunsError) -> Failure {
        Failure::own(e.to_string())
    }
}
