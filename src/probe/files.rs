//! Files below `/proc` and `/sys`, kept open and read again from their start: the kernel then
//! writes them anew.

use crate::model::limits;
use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;
use std::fmt::Write;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file that is kept open; one that is not there stays away.
pub struct Kept(Option<File>);

impl Kept {
    pub fn open(path: &Path) -> Kept {
        Kept(File::open(path).ok())
    }

    /// Reads the whole file into `buffer`, which grows until it takes all at once: a second read
    /// would see another moment. `None` when it cannot be read.
    pub fn read<'a>(&self, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let file = self.0.as_ref()?;
        buffer.resize(buffer.capacity().max(4096), 0);
        loop {
            let n = file.read_at(buffer, 0).ok()?;
            if n < buffer.len() {
                return buffer.get(..n);
            }
            buffer.resize(buffer.len() * 2, 0);
        }
    }
}

/// `/proc`, and how many files below it are kept open.
pub struct Folder {
    dir: Option<OwnedFd>,
    path: String,
    buffer: Box<[u8; 4096]>,
    entries: Box<[MaybeUninit<u8>; 32 << 10]>,
    n_open: usize,
    most: usize,
    /// Files that ganger may have open at all.
    system: usize,
    pid_to_place: Option<i64>,
}

/// Why a file of a process was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The process has ended.
    Gone,
    Forbidden,
    Unreadable,
}

/// How much of the budget a kind of file may take, for all kinds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    All,
    Half,
    Nothing,
}

impl Folder {
    pub fn open(root: &Path) -> Folder {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Folder {
            dir: rustix::fs::open(root, flags, Mode::empty()).ok(),
            path: String::new(),
            buffer: Box::new([0; 4096]),
            entries: Box::new([MaybeUninit::uninit(); 32 << 10]),
            n_open: 0,
            most: 0,
            system: limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX),
            pid_to_place: None,
        }
    }

    /// Sets how many files may be kept, beside `n_open` that are, and those that ganger itself
    /// needs for `attempts`. Returns `false` when there are too many already: then all count as
    /// closed, and have to be.
    pub fn set_budget(&mut self, n_open: usize, attempts: usize) -> bool {
        // A pidfd, files of output, a folder: eight are more than an attempt has.
        let others = 128_usize.saturating_add(attempts.saturating_mul(8));
        self.most = limits::PROBE_FDS.min(self.system / 2).min(self.system.saturating_sub(others));
        self.n_open = if n_open > self.most { 0 } else { n_open };
        n_open <= self.most
    }

    /// Sets that at most `most` files may be kept, and a quarter of what the system lets ganger
    /// open. Returns `false` when `n_open` are too many: then all have to be closed.
    pub fn set_budget_of(&mut self, n_open: usize, most: usize) -> bool {
        self.most = most.min(self.system / 4);
        self.n_open = if n_open > self.most { 0 } else { n_open };
        n_open <= self.most
    }

    /// Reads a file of a process from its start; opens it where `file` is `None`, and keeps it
    /// there as far as the budget goes. At most 4 KiB: the files of interest are shorter.
    pub fn read(
        &mut self,
        file: &mut Option<OwnedFd>,
        pid: i32,
        name: &str,
        keep: Keep,
    ) -> Result<&[u8], Trouble> {
        let n = match file {
            Some(file) => rustix::io::pread(file, self.buffer.as_mut_slice(), 0),
            None => {
                let opened = self.open_file(pid, name)?;
                let n = rustix::io::pread(&opened, self.buffer.as_mut_slice(), 0);
                let most = match keep {
                    Keep::All => self.most,
                    Keep::Half => self.most / 2,
                    Keep::Nothing => 0,
                };
                if n.is_ok() && self.n_open < most {
                    self.n_open += 1;
                    *file = Some(opened);
                }
                n
            }
        };
        self.buffer.get(..n.map_err(trouble)?).ok_or(Trouble::Unreadable)
    }

    fn open_file(&mut self, pid: i32, name: &str) -> Result<OwnedFd, Trouble> {
        self.path.clear();
        let _writing_to_a_string_cannot_fail = write!(self.path, "{pid}/{name}");
        let dir = self.dir.as_ref().ok_or(Trouble::Unreadable)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(dir, self.path.as_str(), flags, Mode::empty()).map_err(trouble)
    }

    /// Returns the entries of a folder below whose names are numbers: processes, or threads.
    pub fn numbers(&mut self, name: &str) -> Vec<i32> {
        let Some(dir) = &self.dir else { return Vec::new() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            Ok(dir) => self.list(&dir).0,
            Err(_) => Vec::new(),
        }
    }

    /// Returns all processes.
    pub fn processes(&mut self) -> Vec<i32> {
        self.processes_from(0)
    }

    /// Returns the processes with a pid above `pid`, or all where the folder cannot be entered in
    /// its middle.
    pub fn processes_above(&mut self, pid: i32) -> Vec<i32> {
        let place =
            self.pid_to_place.and_then(|shift| u64::try_from(shift + i64::from(pid) + 1).ok());
        self.processes_from(place.unwrap_or(0))
    }

    fn processes_from(&mut self, place: u64) -> Vec<i32> {
        let Some(dir) = self.dir.take() else { return Vec::new() };
        let found = match rustix::fs::seek(&dir, SeekFrom::Start(place)) {
            Ok(_) => self.list(&dir),
            Err(_) => (Vec::new(), None),
        };
        self.dir = Some(dir);
        if place == 0 {
            self.pid_to_place = found.1;
        }
        found.0
    }

    /// Lists numbers from where a folder stands. Also returns how far the place of an entry is
    /// from its number, when that is the same for all: the kernel counts places in `/proc` by
    /// pid, which other file systems do not.
    fn list(&mut self, dir: &OwnedFd) -> (Vec<i32>, Option<i64>) {
        let (mut numbers, mut shift, mut is_same) = (Vec::new(), None, true);
        let mut entries = RawDir::new(dir, self.entries.as_mut_slice());
        let mut place = None;
        while let Some(Ok(entry)) = entries.next() {
            // Each entry has the place of the one behind it.
            let this = place.replace(i64::try_from(entry.next_entry_cookie()).unwrap_or(i64::MAX));
            let name = entry.file_name().to_str().ok();
            let Some(n) = name.and_then(|n| n.parse::<i32>().ok()) else { continue };
            if let Some(this) = this.map(|place| place.saturating_sub(i64::from(n))) {
                is_same &= *shift.get_or_insert(this) == this;
            }
            numbers.push(n);
        }
        (numbers, shift.filter(|_| is_same))
    }
}

fn trouble(error: Errno) -> Trouble {
    match error {
        // The second: it ended between the opening and the reading.
        Errno::NOENT | Errno::SRCH => Trouble::Gone,
        Errno::ACCESS | Errno::PERM => Trouble::Forbidden,
        _ => Trouble::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_listed_from_its_middle() {
        let mut proc = Folder::open(Path::new("/proc"));
        let own = std::process::id().cast_signed();
        assert!(proc.processes().contains(&own));
        assert!(proc.pid_to_place.is_some(), "places in /proc are counted by pid");
        assert!(proc.processes_above(own - 1).contains(&own));
        let above = proc.processes_above(own);
        assert!(above.iter().all(|pid| *pid > own), "{own} {above:?}");
        assert!(proc.processes().contains(&own), "and from its start again");
    }

    #[test]
    fn files_are_kept_up_to_the_budget() {
        let mut proc = Folder::open(Path::new("/proc"));
        let own = std::process::id().cast_signed();
        proc.system = 128 + 8 + 4;
        assert!(proc.set_budget(0, 1));
        let mut kept: Vec<Option<OwnedFd>> = (0..6).map(|_| None).collect();
        for file in &mut kept {
            assert!(proc.read(file, own, "stat", Keep::All).is_ok_and(|text| !text.is_empty()));
        }
        assert_eq!(kept.iter().flatten().count(), 4);
        assert!(!proc.set_budget(4, 2), "more attempts need files of their own");
        assert_eq!(proc.read(&mut None, 0, "stat", Keep::All).err(), Some(Trouble::Gone));
    }
}
