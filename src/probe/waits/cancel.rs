//! Threads that another one of their process may cancel (pthread_cancel(3)): it ends what they
//! wait for, and their clean-up handlers give back what they hold.

use super::kinds::Wait;
use super::maps::{Device, FileKey, Mapping};
use super::process::{Process, Thread};
use super::syscall::Sys;
use crate::model::limits;
use crate::model::waits::{ThreadState, WaitKind};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol, ReadCache};
use std::collections::HashMap;
use std::fs::File;

/// Whether programs and libraries ask for pthread_cancel(3).
#[derive(Debug, Default)]
pub struct Callers {
    /// Kept from look to look.
    files: HashMap<FileKey, bool>,
    /// Asked about in this look, by device and inode.
    seen: HashMap<(Device, u64), bool>,
}

impl Callers {
    pub fn begin_look(&mut self) {
        self.seen.clear();
        if self.files.len() > limits::CANCEL_FILES {
            self.files.clear();
        }
    }

    /// Whether any thread of a process might cancel others: its program or a library of it asks
    /// for the function. What cannot be read might.
    pub fn may_cancel(&mut self, process: &Process) -> bool {
        let Ok(maps) = process.maps() else { return true };
        // Code that was made in memory calls nothing that its program does not have.
        let code = maps.iter().filter(|m| m.executable && m.file().is_some());
        code.into_iter().any(|mapping| self.asks(process.live_tid, mapping))
    }

    fn asks(&mut self, live_tid: i32, mapping: &Mapping) -> bool {
        let Callers { files, seen } = self;
        *seen.entry((mapping.device, mapping.inode)).or_insert_with(|| {
            let Some((file, key)) = mapping.open(live_tid) else { return true };
            *files.entry(key).or_insert_with(|| imports(file))
        })
    }
}

/// Whether an ELF file asks for the function. One without a table of symbols might have it
/// inside; a file of another kind does not.
fn imports(file: File) -> bool {
    const NAME: &[u8] = b"pthread_cancel";
    let data = ReadCache::new(file);
    let Ok(elf) = ElfFile64::<Endianness, _>::parse(&data) else { return false };
    let is_it = |symbol: &object::read::elf::ElfSymbol64<'_, '_, Endianness, _>| {
        symbol.name_bytes().is_ok_and(|name| name == NAME)
    };
    if elf.dynamic_symbols().next().is_some() {
        return elf.dynamic_symbols().any(|symbol| symbol.is_undefined() && is_it(&symbol));
    }
    let mut own = elf.symbols().peekable();
    own.peek().is_none() || own.any(|symbol| is_it(&symbol))
}

/// Whether a wait is one that a cancelled thread leaves: those of pthreads(7).
pub fn is_point(wait: &Wait, kind: WaitKind) -> bool {
    let is_living = |t: &&Thread| t.state != ThreadState::Dead;
    let is_alone = wait.process.threads.iter().filter(is_living).nth(1).is_none();
    let is_lock = matches!(kind, WaitKind::Mutex | WaitKind::Rwlock | WaitKind::Barrier);
    !is_alone && !is_lock && !matches!(wait.call.sys, Sys::Flock | Sys::Semop | Sys::Semtimedop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_ask_for_it_may_cancel() {
        let own = || File::open("/proc/self/exe").unwrap();
        assert!(!imports(own()), "the standard library does not cancel threads");
        assert!(!imports(File::open("/proc/self/maps").unwrap()), "no program");
        let process = std::process::id().cast_signed();
        let maps = super::super::maps::Maps::read(process, process).unwrap();
        let libc = maps.iter().find(|m| m.executable && m.path.contains("libc.so"));
        // A static build has none.
        if let Some(libc) = libc {
            assert!(!imports(File::open(&*libc.path).unwrap()), "it has it, and does not ask");
        }
    }
}
