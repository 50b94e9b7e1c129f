//! Memory of other processes, read by process_vm_readv(2): the process is neither stopped nor
//! changed, and need not be a child.
//!
//! All numbers are little-endian, as on every machine that `waits` knows the objects of.

use crate::model::waits::NotVisible;
use std::io;

/// Pieces that one system call takes (`IOV_MAX`, readv(2)).
const PIECES: usize = 1024;
/// The smallest size of a page: what lies in one page is readable as a whole or not at all.
const PAGE: u64 = 4096;

/// Why something of a process could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The process or thread has ended.
    Gone,
    /// It may not be looked at: another user's, set-user-id, Yama, another container.
    Denied,
    /// Nothing is mapped there (any more), or nothing that can be read.
    Unmapped,
    /// Anything else, in the words of the system.
    Other(String),
}

impl Trouble {
    pub fn of(error: &io::Error) -> Trouble {
        match error.raw_os_error() {
            Some(libc::ESRCH | libc::ENOENT) => Trouble::Gone,
            Some(libc::EPERM | libc::EACCES) => Trouble::Denied,
            Some(libc::EFAULT | libc::EIO | libc::ENOMEM) => Trouble::Unmapped,
            Some(libc::ENOSYS) => {
                Trouble::Other("the kernel, or a seccomp filter, does not have the call".to_owned())
            }
            _ => Trouble::Other(error.to_string()),
        }
    }

    /// What people are told; `None` when there is nothing to see any more.
    pub fn not_visible(&self, pid: i32, what: &str) -> Option<NotVisible> {
        let why = match self {
            Trouble::Gone => return None,
            Trouble::Denied => "permission denied",
            Trouble::Unmapped => "not readable at that address",
            Trouble::Other(why) => why,
        };
        Some(NotVisible { pid, what: what.to_owned(), why: why.to_owned() })
    }
}

/// The memory of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    tid: i32,
}

impl Memory {
    /// Takes any live thread of the process: the leader may be a zombie that has no memory.
    pub fn of(tid: i32) -> Memory {
        Memory { tid }
    }

    /// Fills `into` from `address` on.
    ///
    /// # Errors
    /// When not all of it could be read; what `into` holds then is worth nothing.
    pub fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Trouble> {
        match self.read_some(address, into)? {
            n if n == into.len() => Ok(()),
            _ => Err(Trouble::Unmapped),
        }
    }

    /// Reads from `address` up to the first page that cannot be read; returns how many bytes.
    ///
    /// # Errors
    /// When not even the first byte could be read.
    pub fn read_some(&self, address: u64, into: &mut [u8]) -> Result<usize, Trouble> {
        if into.is_empty() {
            return Ok(0);
        }
        let end = address.checked_add(into.len() as u64).ok_or(Trouble::Unmapped)?;
        // A piece that cannot be read whole is dropped whole in some kernels, so every page that
        // may end the reading begins a piece of its own, in groups of one system call.
        let (mut at, mut done) = (address, 0);
        while at < end {
            let mut pieces = Vec::with_capacity(8);
            while at < end && pieces.len() < PIECES {
                let next = ((at / PAGE + 1) * PAGE).min(end);
                pieces.push((at, (next - at) as usize));
                at = next;
            }
            let asked: usize = pieces.iter().map(|p| p.1).sum();
            match self.transfer(&pieces, &mut into[done..done + asked]) {
                Ok(n) if n == asked => done += n,
                Ok(n) => return Ok(done + n),
                Err(_) if done > 0 => return Ok(done),
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(done)
    }

    /// Reads big stretches fast, for memory that is known to be there: one piece, not one for
    /// every page. Returns how many bytes from the start were read.
    ///
    /// # Errors
    /// When nothing could be read.
    pub fn read_stretch(&self, address: u64, into: &mut [u8]) -> Result<usize, Trouble> {
        self.transfer(&[(address, into.len())], into)
    }

    /// Reads `N` bytes at each of many addresses, in one system call for about a thousand of them.
    /// What cannot be read is `None`.
    ///
    /// # Errors
    /// When the process as a whole cannot be read.
    pub fn gather<const N: usize>(
        &self,
        addresses: &[u64],
    ) -> Result<Vec<Option<[u8; N]>>, Trouble> {
        let mut found = Vec::with_capacity(addresses.len());
        let mut bytes = vec![0_u8; N * addresses.len().min(PIECES)];
        while found.len() < addresses.len() {
            let rest = &addresses[found.len()..];
            let rest = &rest[..rest.len().min(PIECES)];
            let pieces: Vec<(u64, usize)> = rest.iter().map(|a| (*a, N)).collect();
            let n = match self.transfer(&pieces, &mut bytes[..N * rest.len()]) {
                Ok(n) => n,
                Err(Trouble::Unmapped) => 0,
                Err(trouble) => return Err(trouble),
            };
            let (whole, _) = bytes[..n].as_chunks::<N>();
            found.extend(whole.iter().map(|piece| Some(*piece)));
            // The first one that is missing is the one that could not be read.
            if whole.len() < rest.len() {
                found.push(None);
            }
        }
        Ok(found)
    }

    /// # Errors
    /// When it cannot be read.
    pub fn array<const N: usize>(&self, address: u64) -> Result<[u8; N], Trouble> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// # Errors
    /// When it cannot be read.
    pub fn u32(&self, address: u64) -> Result<u32, Trouble> {
        self.array(address).map(u32::from_le_bytes)
    }

    /// # Errors
    /// When it cannot be read.
    pub fn i32(&self, address: u64) -> Result<i32, Trouble> {
        self.array(address).map(i32::from_le_bytes)
    }

    /// # Errors
    /// When it cannot be read.
    pub fn u64(&self, address: u64) -> Result<u64, Trouble> {
        self.array(address).map(u64::from_le_bytes)
    }

    /// Reads a C string of at most `longest` bytes, without its end.
    ///
    /// # Errors
    /// When it cannot be read, or does not end within `longest` bytes of readable memory.
    pub fn c_string(&self, address: u64, longest: usize) -> Result<Vec<u8>, Trouble> {
        let mut bytes = vec![0; longest + 1];
        let n = self.read_some(address, &mut bytes)?;
        match bytes[..n].iter().position(|b| *b == 0) {
            Some(end) => {
                bytes.truncate(end);
                Ok(bytes)
            }
            None => Err(Trouble::Unmapped),
        }
    }

    /// Reads pieces one behind the other into `into`; returns how many bytes from the start are
    /// good.
    fn transfer(&self, pieces: &[(u64, usize)], into: &mut [u8]) -> Result<usize, Trouble> {
        debug_assert!(pieces.iter().map(|p| p.1).sum::<usize>() <= into.len());
        let remote: Vec<libc::iovec> = pieces
            .iter()
            .map(|(at, n)| libc::iovec { iov_base: *at as *mut libc::c_void, iov_len: *n })
            .collect();
        let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
        // SAFETY: `local` is all of `into`, which is borrowed for as long as the call writes to
        // it; addresses of the other process are only looked up in the other process.
        let n = unsafe {
            libc::process_vm_readv(self.tid, &local, 1, remote.as_ptr(), remote.len() as u64, 0)
        };
        usize::try_from(n).map_err(|_| Trouble::of(&io::Error::last_os_error()))
    }
}

/// Reads a number out of bytes that were read before; `None` where they end too early.
pub fn u32_in(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

/// See [`u32_in`].
pub fn i32_in(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|b| i32::from_le_bytes(*b))
}

/// See [`u32_in`].
pub fn u64_in(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Memory {
        Memory::of(std::process::id().cast_signed())
    }

    fn address<T>(of: &T) -> u64 {
        std::ptr::from_ref(of) as u64
    }

    /// Two pages, of which the second cannot be read.
    struct Edge(*mut libc::c_void);

    impl Edge {
        fn new() -> Edge {
            // SAFETY: new memory at an address of the kernel's choice.
            let at = unsafe {
                let protection = libc::PROT_READ | libc::PROT_WRITE;
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                libc::mmap(std::ptr::null_mut(), 8192, protection, flags, -1, 0)
            };
            assert_ne!(at, libc::MAP_FAILED);
            // SAFETY: the second half of what was mapped above; nothing refers to it.
            unsafe {
                at.cast::<u8>().add(4090).copy_from(b"edge!!".as_ptr(), 6);
                assert_eq!(libc::mprotect(at.byte_add(4096), 4096, libc::PROT_NONE), 0);
            }
            Edge(at)
        }

        fn end(&self) -> u64 {
            self.0 as u64 + 4096
        }
    }

    impl Drop for Edge {
        fn drop(&mut self) {
            // SAFETY: mapped by `new`; nothing refers to it any more.
            unsafe { libc::munmap(self.0, 8192) };
        }
    }

    #[test]
    fn numbers_are_read_where_they_stand() {
        let numbers = [0x1122_3344_u32, 0xffff_fffe, 7];
        let at = address(&numbers);
        assert_eq!(own().u32(at), Ok(0x1122_3344));
        assert_eq!(own().i32(at + 4), Ok(-2));
        assert_eq!(own().u64(at + 4), Ok(0x0000_0007_ffff_fffe));
        let mut bytes = [0; 12];
        own().read(at, &mut bytes).unwrap();
        assert_eq!(u32_in(&bytes, 8), Some(7));
        assert_eq!(i32_in(&bytes, 4), Some(-2));
        assert_eq!(u64_in(&bytes, 0), Some(0xffff_fffe_1122_3344));
        assert_eq!(u64_in(&bytes, 5), None);
        assert_eq!(u32_in(&bytes, 50), None);
    }

    #[test]
    fn reading_ends_where_the_readable_ends() {
        let edge = Edge::new();
        let mut bytes = [0; 6000];
        assert_eq!(own().read_some(edge.end() - 6, &mut bytes), Ok(6));
        assert_eq!(&bytes[..6], b"edge!!");
        assert_eq!(own().read(edge.end() - 6, &mut bytes[..7]), Err(Trouble::Unmapped));
        assert_eq!(own().read_some(edge.end(), &mut bytes), Err(Trouble::Unmapped));
        assert_eq!(own().read_some(u64::MAX - 2, &mut bytes), Err(Trouble::Unmapped));
        assert_eq!(own().read_some(0, &mut []), Ok(0));
    }

    #[test]
    fn many_pieces_come_at_once_without_those_that_cannot_be_read() {
        let edge = Edge::new();
        let numbers: Vec<u32> = (0..3000).collect();
        let mut addresses: Vec<u64> = numbers.iter().map(address).collect();
        addresses[0] = 0;
        addresses[1500] = edge.end();
        addresses[1501] = edge.end() - 2;
        addresses[2999] = u64::MAX - 1;
        let found = own().gather::<4>(&addresses).unwrap();
        assert_eq!(found.len(), 3000);
        for (i, piece) in found.iter().enumerate() {
            let number = piece.map(u32::from_le_bytes);
            let readable = ![0, 1500, 1501, 2999].contains(&i);
            assert_eq!(number, readable.then_some(i as u32), "piece {i}");
        }
    }

    #[test]
    fn strings_end_where_they_say() {
        let text = *b"_thread.lock\0rest";
        assert_eq!(own().c_string(address(&text), 40), Ok(b"_thread.lock".to_vec()));
        assert_eq!(own().c_string(address(&text), 12), Ok(b"_thread.lock".to_vec()));
        assert_eq!(own().c_string(address(&text), 11), Err(Trouble::Unmapped));
        let edge = Edge::new();
        assert_eq!(own().c_string(edge.end() - 6, 40), Err(Trouble::Unmapped));
    }

    #[test]
    fn who_is_gone_and_who_may_not_be_looked_at_are_told_apart() {
        // Beyond what a kernel gives out (PID_MAX_LIMIT, 4194304).
        assert_eq!(Memory::of(5_000_000).u32(4096), Err(Trouble::Gone));
        assert_eq!(Memory::of(5_000_000).gather::<4>(&[4096]), Err(Trouble::Gone));
        assert_eq!(Trouble::Gone.not_visible(7, "memory"), None);
        let said = Trouble::of(&io::Error::from_raw_os_error(libc::EPERM)).not_visible(7, "memory");
        assert_eq!(said.unwrap().why, "permission denied");
    }
}
