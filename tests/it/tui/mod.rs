//! The screen, drawn without a terminal and driven in a real one.

mod fixtures;
mod live;
mod looks;
mod output;
mod pty;
mod screens;
mod stories;
