//! Tests that start processes or the binary.

mod template;
