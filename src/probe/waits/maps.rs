//! What is mapped where in a process: `/proc/PID/maps` (proc_pid_maps(5)). The parser is pure.

use super::memory::Trouble;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

/// The mappings of one process, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maps {
    mappings: Vec<Mapping>,
}

/// One line of `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    /// Others see what is written to it (`MAP_SHARED`).
    pub shared: bool,
    /// Place of `start` in the file.
    pub offset: u64,
    pub device: Device,
    /// 0 for memory without a file.
    pub inode: u64,
    /// As the kernel shows it: a path, maybe with ` (deleted)` behind it, `[heap]`, or nothing.
    pub path: Box<str>,
}

/// Numbers of a device, as `/proc/PID/maps`, `/proc/locks` and fdinfo write them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

/// A mapped file as it was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    device: Device,
    inode: u64,
    modified: (i64, i64),
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x}:{:02x}", self.major, self.minor)
    }
}

impl Mapping {
    /// The path without the note that its name is gone; `None` for memory without a file.
    ///
    /// That note says little: sem_open(3) links a file under its name only after it has mapped
    /// it, so whoever made a semaphore sees it as deleted for ever.
    pub fn file(&self) -> Option<&str> {
        let path = self.path.strip_suffix(" (deleted)").unwrap_or(&self.path);
        path.starts_with('/').then_some(path)
    }

    /// Opens the file of a mapping of a process; `None` when that is not there any more.
    pub fn open(&self, live_tid: i32) -> Option<(File, FileKey)> {
        let path = self.file()?;
        // Through the process, which may live in a container; its program may have been replaced.
        let places = [format!("/proc/{live_tid}/root{path}"), format!("/proc/{live_tid}/exe")];
        places.iter().find_map(|place| {
            let file = File::open(place).ok()?;
            let meta = file.metadata().ok()?;
            let modified = (meta.mtime(), meta.mtime_nsec());
            let key = FileKey { device: self.device, inode: self.inode, modified };
            (meta.is_file() && meta.ino() == self.inode).then_some((file, key))
        })
    }

    /// Whether processes that did not inherit the memory may get it by a name.
    pub fn has_name(&self) -> bool {
        match self.file() {
            // SysV memory has a number that anybody may know.
            Some(path) if path.starts_with("/SYSV") => true,
            Some("/dev/zero") | None => false,
            Some(path) if path.starts_with("/memfd:") => false,
            // It may be another file by now; that is a doubt as well.
            Some(path) => std::path::Path::new(path).exists(),
        }
    }

    /// Place of an address of this mapping in its file. For shared memory it says, together with
    /// device and inode, what two processes have in common.
    pub fn offset_of(&self, address: u64) -> u64 {
        address - self.start + self.offset
    }

    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

impl Maps {
    /// Reads the mappings of a process through any of its live threads: a leader that has ended
    /// before its threads shows nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(pid: i32, live_tid: i32) -> Result<Maps, Trouble> {
        let text = fs::read(format!("/proc/{pid}/task/{live_tid}/maps"))
            .map_err(|error| Trouble::of(&error))?;
        Ok(Maps::parse(&text))
    }

    /// Lines of another shape are passed over.
    pub fn parse(text: &[u8]) -> Maps {
        let mut mappings: Vec<Mapping> =
            text.split(|b| *b == b'\n').filter_map(mapping_of).collect();
        // The kernel writes them in order; a search relies on it.
        mappings.sort_by_key(|m| m.start);
        Maps { mappings }
    }

    /// The mapping that an address lies in.
    pub fn find(&self, address: u64) -> Option<&Mapping> {
        let after = self.mappings.partition_point(|m| m.start <= address);
        self.mappings[..after].last().filter(|m| address < m.end)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }
}

/// `7f12a000-7f12b000 rw-s 00000000 00:1c 5521                      /dev/shm/sem.x (deleted)`
fn mapping_of(line: &[u8]) -> Option<Mapping> {
    let line = String::from_utf8_lossy(line);
    // The path may hold blanks, and stands behind any number of them.
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let flags = words.next()?.as_bytes();
    let offset = words.next()?;
    let (major, minor) = words.next()?.split_once(':')?;
    let inode = words.next()?;
    let path = words.next().unwrap_or_default().trim_start();
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let hex32 = |text| u32::from_str_radix(text, 16).ok();
    let flag = |at: usize, letter| flags.get(at) == Some(&letter);
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        readable: flag(0, b'r'),
        writable: flag(1, b'w'),
        executable: flag(2, b'x'),
        shared: flag(3, b's'),
        offset: hex(offset)?,
        device: Device { major: hex32(major)?, minor: hex32(minor)? },
        inode: inode.parse().ok()?,
        path: path.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
55d0c6a00000-55d0c6c3d000 r-xp 00052000 fe:00 1311013                    /usr/bin/python3.11
55d0c7d68000-55d0c7e5e000 rw-p 00000000 00:00 0                          [heap]
7f3a5c000000-7f3a5c021000 rw-p 00000000 00:00 0 
7f3a61a4c000-7f3a61a4d000 rw-s 00000000 00:1c 5521                       /dev/shm/sem.a b (deleted)
7f3a61a4d000-7f3a61a5d000 rw-s 00003000 00:01 1047                       /dev/zero (deleted)
7ffd5b7d2000-7ffd5b7f3000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
strange line
";

    #[test]
    fn an_address_is_found_in_its_mapping() {
        let maps = Maps::parse(TEXT.as_bytes());
        assert_eq!(maps.iter().count(), 7);
        let found = |address| maps.find(address).map(|m| &*m.path);
        assert_eq!(found(0x55d0_c6a0_0000), Some("/usr/bin/python3.11"));
        assert_eq!(found(0x55d0_c6c3_cfff), Some("/usr/bin/python3.11"));
        assert_eq!(found(0x55d0_c6c3_d000), None);
        assert_eq!(found(0x7f3a_5c00_0008), Some(""));
        assert_eq!(found(0x10), None);
        assert_eq!(found(0xffff_ffff_ff60_0fff), Some("[vsyscall]"));
        assert_eq!(found(u64::MAX), None);
    }

    #[test]
    fn shared_memory_is_known_by_file_and_place() {
        let maps = Maps::parse(TEXT.as_bytes());
        let semaphore = maps.find(0x7f3a_61a4_c000).unwrap();
        assert!(semaphore.shared && semaphore.readable && semaphore.writable);
        assert!(!semaphore.executable);
        assert_eq!(semaphore.file(), Some("/dev/shm/sem.a b"));
        assert_eq!((semaphore.device.to_string().as_str(), semaphore.inode), ("00:1c", 5521));
        assert_eq!(semaphore.len(), 4096);
        let zero = maps.find(0x7f3a_61a4_d010).unwrap();
        assert_eq!(zero.offset_of(0x7f3a_61a4_d010), 0x3010);
        let heap = maps.find(0x55d0_c7d6_8000).unwrap();
        assert_eq!((heap.shared, heap.file()), (false, None));
        assert_eq!(maps.find(0x55d0_c6a0_0000).unwrap().device.to_string(), "fe:00");
    }

    #[test]
    fn this_process_has_a_stack() {
        let pid = std::process::id().cast_signed();
        let here = 0;
        let maps = Maps::read(pid, pid).unwrap();
        let found = maps.find(std::ptr::from_ref(&here) as u64).unwrap();
        assert!(found.writable && !found.shared);
        assert_eq!(Maps::read(5_000_000, 5_000_000), Err(Trouble::Gone));
    }
}
