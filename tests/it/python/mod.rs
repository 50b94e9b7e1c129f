//! What Python programs wait for, told from outside: real interpreters of every version that this
//! machine has, each hung in a known way.

mod frames;
mod multiprocessing;
mod program;
mod threading;

use program::{Program, pythons, some_pythons};
