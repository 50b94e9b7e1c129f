//! The one test binary for everything that starts processes or reads the sources.

// Clippy takes helpers of tests for code that users run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cli;
mod exec;
mod inputs;
mod jobs;
mod output;
mod package;
mod python;
mod run;
mod shared;
mod task_file;
mod tasks;
mod template;
mod tidy;
mod tui;
mod waits;
mod why;
