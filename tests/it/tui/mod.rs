//! The screen, drawn without a terminal and driven in a real one.

mod fixtures;
mod screens;
mod stories;
