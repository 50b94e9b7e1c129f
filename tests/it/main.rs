//! Tests that start processes or the binary: one test binary, one module per room.

mod exec;
