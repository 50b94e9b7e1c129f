//! The protocol of front ends: JSON lines over the run's Unix socket.
//!
//! [`proto`] has the messages, [`client`] the half that front ends use, [`sharer`] the one
//! of processes that share primitives, [`server`] the half
//! that the supervisor drives, [`runs`] the folders and sockets of runs. Decides nothing.

pub mod client;
pub mod kept;
pub mod outbox;
pub mod peer;
pub mod proto;
pub mod report_file;
mod run_names;
pub mod runs;
pub mod server;
pub mod sharer;
