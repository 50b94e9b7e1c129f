//! ganger: a terminal process-pool monitor and task runner for Linux.
//!
//! The modules in reading order; what each is for stands at its own top.

// Who asks for the primitives that jobs share, and whether they still live.
pub mod broker;
// The command line: one file per verb, one table of exit codes.
pub mod cli;
// The only file that reads a clock.
pub mod clock;
// The protocol of front ends: messages, client, server, folders of runs.
pub mod control;
// The run as a state machine with one writer. Pure.
pub mod engine;
// Back ends that run attempts: processes of this host.
pub mod exec;
// What `foreach`, `env_file` and `stdin` name: globs, lines, csv, json, commands.
pub mod inputs;
// The shared nouns: ids, time, events, commands, snapshots, samples, limits. Pure.
pub mod model;
// Task file text to plan, with every problem at once. Pure.
pub mod plan;
// The machine: cores, memory, the process trees of attempts.
pub mod probe;
// Headless front ends: plain text, JSON lines, progress bar.
pub mod report;
// The loop around the engine: perform what it asks for, publish what came of it.
pub mod supervisor;
// The screen: draws snapshots, sends commands.
pub mod tui;
// From what blocked threads wait for to who can never go on. Pure.
pub mod xray;
