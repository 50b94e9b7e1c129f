//! Orders for tests of this folder.

use crate::model::{AttemptId, JobNo, LaunchOrder, Limits, Stdin, Stdout};
use std::path::Path;
use std::sync::Arc;

/// An order that asks for nothing special.
pub fn order(workdir: &Path, argv: &[&str]) -> LaunchOrder {
    LaunchOrder {
        attempt: AttemptId { job: JobNo(1), n: 1 },
        slot_key: 1,
        argv: argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
        env: Arc::default(),
        job_env: Vec::new(),
        workdir: workdir.to_owned(),
        stdin: Stdin::Null,
        stdout: Stdout::Kept,
        stderr: Stdout::Kept,
        tty: None,
        creates: None,
        nice: None,
        limits: Limits::default(),
        keep_leftovers: false,
    }
}
