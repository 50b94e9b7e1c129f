//! Text for other programs: into the terminal's clipboard, and into a file.
//!
//! OSC 52 (xterm's control sequences) asks the terminal to take a text into its clipboard, also
//! over ssh. A terminal that does not do that says nothing, so the text goes into a file as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Files of one kind in one folder: nobody keeps more.
const FILES: u32 = 1000;
/// Terminals drop longer ones; xterm takes 100,000 bytes of base64.
const CLIP_BYTES: usize = 74_000;

/// Returns what asks a terminal to take a text into its clipboard; `None` when it is too long.
pub fn osc52(text: &str) -> Option<Vec<u8>> {
    let fits = text.len() <= CLIP_BYTES;
    fits.then(|| format!("\x1b]52;c;{}\x07", STANDARD.encode(text)).into_bytes())
}

/// Writes a text into a new file of the folder: `waits-1.txt`, or the next number.
///
/// # Errors
/// When it cannot be written.
pub fn save(folder: &Path, what: &str, text: &str) -> io::Result<PathBuf> {
    for n in 1..=FILES {
        let path = folder.join(format!("{what}-{n}.txt"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => return file.write_all(text.as_bytes()).map(|()| path),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other(format!("{FILES} such files are there already")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_sequence_unless_it_is_too_long() {
        assert_eq!(osc52("hi\n").unwrap(), b"\x1b]52;c;aGkK\x07");
        assert_eq!(osc52(&"x".repeat(CLIP_BYTES + 1)), None);
    }

    #[test]
    fn files_are_numbered_and_none_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let first = save(folder.path(), "waits", "one").unwrap();
        let second = save(folder.path(), "waits", "two").unwrap();
        assert!(first.ends_with("waits-1.txt") && second.ends_with("waits-2.txt"));
        assert_eq!(std::fs::read_to_string(first).unwrap(), "one");
        assert!(save(&folder.path().join("none"), "waits", "").is_err());
    }
}
