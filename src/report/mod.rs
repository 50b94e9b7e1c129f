//! The headless front ends: plain text for people and logs, JSON lines for programs.
//!
//! They get the messages of the control protocol through a [`Link`], from a supervisor in the
//! same process or over its socket, and print. They decide nothing about the run.

mod bar;
mod book;

pub mod json;
mod link;
mod live;
pub mod plain;
mod streams;
mod summary;
pub mod waits;
pub mod words;

#[cfg(test)]
mod script;

pub use link::{ChannelLink, Gone, Link, SocketLink};
pub use plain::{OutputMode, PlainOptions};
pub use streams::Streams;
pub use summary::line as summary_line;

/// What a front end has to say when the run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The run's exit code; 3 when the run could not be followed to its end.
    pub exit_code: i32,
}

/// The exit code of "ganger itself failed".
const FAILED_ITSELF: i32 = 3;
