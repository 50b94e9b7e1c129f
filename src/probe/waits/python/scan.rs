//! Finding words in the memory of a process: the last resort when nothing says where an object
//! is. Only pages that are in memory are read, so nothing is brought back from swap and no page
//! table grows.

use crate::probe::waits::maps::{Mapping, Maps};
use crate::probe::waits::memory::{Memory, Trouble};
use std::fs::File;
use std::os::unix::fs::FileExt;

const PAGE: u64 = 4096;
/// One piece of process_vm_readv(2): the fastest size of those measured.
const STRETCH: usize = 1 << 20;
/// Pages whose state is read at once: 256 MiB.
const PAGES_AT_ONCE: u64 = 1 << 16;
/// A mapping beyond this is a reservation (of a sanitizer, of another runtime), not a heap of
/// Python's.
const MAPPING_MAX: u64 = 16 << 30;
/// What is read of one process at most.
const READ_MAX: u64 = 8 << 30;

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Addresses of words that hold one of those looked for, with the word.
    pub hits: Vec<(u64, u64)>,
    pub read_bytes: u64,
    /// Something was left out: what was not found may be there all the same.
    pub partial: bool,
}

/// Where objects of Python may be: private memory without a file that it writes to.
fn may_hold_objects(mapping: &Mapping) -> bool {
    let path = &*mapping.path;
    mapping.readable
        && mapping.writable
        && !mapping.shared
        && (path.is_empty() || path == "[heap]" || path.starts_with("[anon"))
}

/// Looks for words in all memory that may hold objects. `targets` have to be in order, and begin
/// a page each, as semaphores do.
///
/// # Errors
/// When the process cannot be read.
pub fn words(tid: i32, maps: &Maps, targets: &[u64]) -> Result<Found, Trouble> {
    let memory = Memory::of(tid);
    let pagemap =
        File::open(format!("/proc/{tid}/pagemap")).map_err(|error| Trouble::of(&error))?;
    let mut found = Found::default();
    let mut bytes = vec![0_u8; STRETCH];
    for mapping in maps.iter().filter(|m| may_hold_objects(m)) {
        if mapping.len() > MAPPING_MAX || found.read_bytes > READ_MAX {
            found.partial = true;
            continue;
        }
        for (start, end) in stretches(&pagemap, mapping)? {
            let into = &mut bytes[..(end - start) as usize];
            match memory.read_stretch(start, into) {
                Ok(n) => {
                    found.read_bytes += n as u64;
                    found.partial |= n < into.len();
                    pick(&into[..n], start, targets, &mut found.hits);
                }
                // Given back since its mappings were read.
                Err(Trouble::Unmapped) => found.partial = true,
                Err(trouble) => return Err(trouble),
            }
        }
    }
    Ok(found)
}

/// The parts of a mapping that are in memory, none longer than [`STRETCH`].
///
/// Bit 63 of an entry of `/proc/PID/pagemap` says that the page is present, see the kernel's
/// `Documentation/admin-guide/mm/pagemap.rst`.
fn stretches(pagemap: &File, mapping: &Mapping) -> Result<Vec<(u64, u64)>, Trouble> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    let (mut page, last) = (mapping.start / PAGE, mapping.end / PAGE);
    let mut entries = vec![0_u8; 8 * PAGES_AT_ONCE.min(last - page) as usize];
    while page < last {
        let wanted = 8 * PAGES_AT_ONCE.min(last - page) as usize;
        let n = pagemap
            .read_at(&mut entries[..wanted], page * 8)
            .map_err(|error| Trouble::of(&error))?;
        let (words, _) = entries[..n].as_chunks::<8>();
        if words.is_empty() {
            break;
        }
        for entry in words {
            let at = page * PAGE;
            page += 1;
            if u64::from_le_bytes(*entry) >> 63 == 0 {
                continue;
            }
            match found.last_mut() {
                Some((start, end)) if *end == at && (at - *start) < STRETCH as u64 => *end += PAGE,
                _ => found.push((at, at + PAGE)),
            }
        }
    }
    Ok(found)
}

/// Adds the words of `bytes` that are targets.
fn pick(bytes: &[u8], start: u64, targets: &[u64], hits: &mut Vec<(u64, u64)>) {
    let (words, _) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // Nearly all words are done with after this.
        if word & (PAGE - 1) == 0 && word != 0 && targets.binary_search(&word).is_ok() {
            hits.push((start + 8 * i as u64, word));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_they_are() {
        let pid = std::process::id().cast_signed();
        // Made at run time, so that no constant of the program looks the same.
        let target = (u64::from(std::process::id()) << 24) | 0x5a00_0000_0000_0000;
        let held: Vec<Box<u64>> = (0..3).map(|_| Box::new(target)).collect();
        let maps = Maps::read(pid, pid).unwrap();
        let found = words(pid, &maps, &[target, !4095_u64]).unwrap();
        for word in &held {
            let at = std::ptr::from_ref::<u64>(word) as u64;
            assert!(found.hits.contains(&(at, target)), "{at:x} not in {:x?}", found.hits);
        }
        assert!(found.read_bytes > 4096);
    }

    #[test]
    fn only_words_in_their_place_count() {
        let mut bytes = vec![0_u8; 64];
        bytes[8..16].copy_from_slice(&0x7000_u64.to_le_bytes());
        bytes[17..25].copy_from_slice(&0x7000_u64.to_le_bytes());
        bytes[56..64].copy_from_slice(&0x9000_u64.to_le_bytes());
        let mut hits = Vec::new();
        pick(&bytes, 0x10_0000, &[0x7000, 0x8000], &mut hits);
        assert_eq!(hits, [(0x10_0008, 0x7000)]);
    }
}
