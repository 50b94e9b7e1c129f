//! Memory that other processes write to as well, as words of 8 bytes.

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A memfd of a fixed size, mapped. It has no name: when the last who has it is gone, so is it.
#[derive(Debug)]
pub(super) struct Words {
    at: NonNull<AtomicU64>,
    n: usize,
    fd: Arc<OwnedFd>,
}

// SAFETY: the mapping belongs to this value alone, and its words are atomic.
unsafe impl Send for Words {}

impl Words {
    /// So many words, all zero.
    pub(super) fn new(n: usize) -> io::Result<Words> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = rustix::fs::memfd_create("ganger-fast", flags)?;
        rustix::fs::ftruncate(&fd, n as u64 * 8)?;
        // Whoever could cut the file off could kill who looks at it, with SIGBUS.
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel picks a place that nothing else uses.
        let at = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), n * 8, protection, MapFlags::SHARED, &fd, 0)
        }?;
        let at = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mapped at nowhere"))?;
        Ok(Words { at, n, fd: Arc::new(fd) })
    }

    pub(super) fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    pub(super) fn at(&self, place: usize) -> &AtomicU64 {
        assert!(place < self.n, "word {place} of {}", self.n);
        // SAFETY: within the mapping, which has this size for good and lives as long as `self`. A
        // page is aligned for every word, and any bits are a number.
        unsafe { self.at.add(place).as_ref() }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: nothing borrowed from it is left.
        let _cannot_fail =
            unsafe { rustix::mm::munmap(self.at.as_ptr().cast::<c_void>(), self.n * 8) };
    }
}
