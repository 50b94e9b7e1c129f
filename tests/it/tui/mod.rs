//! The screen, drawn without a terminal and driven in a real one.

mod asked;
mod fixtures;
mod foreign;
mod jobs;
mod live;
mod locks;
mod looking_back;
mod looks;
mod output;
mod past;
mod pty;
mod rescue;
mod screens;
mod stories;
mod waits;
mod xray;
