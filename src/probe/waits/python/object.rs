//! Objects of CPython by their layout (3.6 to 3.13, little-endian, 64 bits), and finding those
//! that a blocked thread is busy with.

use crate::probe::waits::maps::Maps;
use crate::probe::waits::memory::{Memory, i32_in, u64_in};

/// How much of a blocked thread's stack is searched. The objects were found within 264 bytes.
const STACK_BYTES: usize = 1024;
/// From the start of an object to its first field: behind reference count and type, and in
/// builds without the global lock behind a longer head.
pub const HEADS: [u64; 2] = [16, 32];

/// A class that is known by the name in its type object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    SemLock,
    Lock,
    RLock,
}

impl Class {
    fn of(name: &[u8]) -> Option<Class> {
        match name {
            b"_multiprocessing.SemLock" => Some(Class::SemLock),
            b"_thread.lock" => Some(Class::Lock),
            b"_thread.RLock" => Some(Class::RLock),
            _ => None,
        }
    }
}

/// The class of the object whose first field, behind its head, is at `field`: the pointer to its
/// type stands before it, the pointer to the type's name 24 bytes into the type.
pub fn class_of(memory: Memory, field: u64) -> Option<Class> {
    let kind = memory.u64(field.checked_sub(8)?).ok()?;
    let name = memory.u64(kind.checked_add(24)?).ok()?;
    Class::of(&memory.c_string(name, 32).ok()?)
}

/// The name of the class of an object, without its module for classes written in Python.
pub fn class_name(memory: Memory, object: u64) -> Option<String> {
    let kind = memory.u64(object.checked_add(8)?).ok()?;
    let name = memory.u64(kind.checked_add(24)?).ok()?;
    String::from_utf8(memory.c_string(name, 64).ok()?).ok()
}

/// Looks on the stack of a thread for an object of these classes whose first field holds
/// `target`. Returns where that field is, and the class.
///
/// The C function of the method that blocks has the object at hand, so nothing else has to be
/// searched.
pub fn on_stack(
    memory: Memory,
    stack_pointer: u64,
    maps: &Maps,
    target: u64,
    classes: &[Class],
) -> Option<(u64, Class)> {
    let mut stack = [0_u8; STACK_BYTES];
    let n = memory.read_some(stack_pointer, &mut stack).ok()?;
    let (words, _) = stack[..n].as_chunks::<8>();
    let mut fields: Vec<u64> = words
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .filter(|at| at % 8 == 0)
        .filter(|at| maps.find(*at).is_some_and(|m| m.writable && !m.shared))
        .flat_map(|at| HEADS.map(|head| at.saturating_add(head)))
        .collect();
    fields.sort_unstable();
    fields.dedup();
    let held = memory.gather::<8>(&fields).ok()?;
    let holds = |word: &Option<[u8; 8]>| word.is_some_and(|w| u64::from_le_bytes(w) == target);
    fields
        .iter()
        .zip(&held)
        .filter(|(_, word)| holds(word))
        .find_map(|(field, _)| Some((*field, class_of(memory, *field)?)))
        .filter(|(_, class)| classes.contains(class))
}

/// What a `multiprocessing` lock is made of in each process (`SemLockObject` in
/// `Modules/_multiprocessing/semaphore.c`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SemLock {
    /// Where its pointer to the semaphore stands.
    pub field: u64,
    /// `pthread_t` of the thread of this process that took it last.
    pub last_thread: u64,
    /// How often this process took it more often than it gave it back.
    pub count: i32,
    pub max: i32,
    /// It may be taken again by the thread that has it, and given back by that thread only.
    pub recursive: bool,
    /// Where its name stands.
    name: u64,
}

impl SemLock {
    /// Reads the one whose pointer to the semaphore at `target` is at `field`; `None` when there
    /// is none (any more).
    pub fn read(memory: Memory, field: u64, target: u64) -> Option<SemLock> {
        let bytes: [u8; 40] = memory.array(field).ok()?;
        let found = SemLock {
            field,
            last_thread: u64_in(&bytes, 8)?,
            count: i32_in(&bytes, 16)?,
            max: i32_in(&bytes, 20)?,
            recursive: i32_in(&bytes, 24)? == 0,
            name: u64_in(&bytes, 32)?,
        };
        let plausible = u64_in(&bytes, 0)? == target
            && (0..=1).contains(&i32_in(&bytes, 24)?)
            && found.max >= 1
            && found.count.unsigned_abs() < 1_000_000;
        (plausible && class_of(memory, field)? == Class::SemLock).then_some(found)
    }

    /// Whether it keeps the name of its semaphore.
    pub fn has_name(&self) -> bool {
        self.name != 0
    }

    /// The name of its semaphore, such as `/mp-x1z_8a2k`.
    pub fn name(&self, memory: Memory) -> Option<String> {
        String::from_utf8(memory.c_string(self.name, 255).ok()?).ok()
    }
}

/// A `threading.RLock` (`rlockobject` in `Modules/_threadmodule.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RLock {
    /// `pthread_t` of the thread that has it; 0 while nobody has.
    pub owner: u64,
    pub depth: u64,
}

impl RLock {
    pub fn read(memory: Memory, field: u64) -> Option<RLock> {
        let bytes: [u8; 16] = memory.array(field.checked_add(8)?).ok()?;
        Some(RLock { owner: u64_in(&bytes, 0)?, depth: u64_in(&bytes, 8)? })
    }
}
