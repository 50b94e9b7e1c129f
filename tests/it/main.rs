//! Tests that start processes or the binary.

mod task_file;
mod template;
