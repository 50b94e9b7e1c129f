//! What blocked threads wait for, read without stopping or changing them.

pub mod maps;
pub mod memory;
