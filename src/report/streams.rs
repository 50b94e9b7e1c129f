//! Standard output and standard error of this process, as plain files.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// Where a front end prints. Unbuffered: copying from an output file then never passes memory.
pub struct Streams {
    pub out: File,
    pub err: File,
    pub out_colours: bool,
    pub err_colours: bool,
    /// A terminal, where a line without an end would run into the next one.
    pub out_is_terminal: bool,
    pub err_is_terminal: bool,
}

impl Streams {
    /// Returns the streams of this process; colours only on a terminal that has them and when
    /// `NO_COLOR` is not set.
    ///
    /// # Errors
    /// When no file descriptor is left.
    pub fn of_process() -> io::Result<Streams> {
        let duplicate = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let colours = wants_colours();
        Ok(Streams {
            out: duplicate(stdout.as_fd())?,
            err: duplicate(stderr.as_fd())?,
            out_colours: colours && stdout.is_terminal(),
            err_colours: colours && stderr.is_terminal(),
            out_is_terminal: stdout.is_terminal(),
            err_is_terminal: stderr.is_terminal(),
        })
    }

    /// Prints a line on standard error. Nobody can be told when that fails.
    pub(super) fn note(&self, line: &str) {
        let _ = (&self.err).write_all(format!("{line}\n").as_bytes());
    }
}

/// See no-color.org: set and not empty means no colours.
pub fn wants_colours() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
