//! What is in a `multiprocessing.Queue`: its semaphore `_sem` has a place for each item that may
//! still be put, so what is missing from its maximum are the items.
//!
//! Who waits for room stands in that semaphore. Who gets waits for a lock of the queue, or reads
//! from its pipe: there the queue is a local variable of `get`, and its semaphore is found among
//! its attributes by the names of their classes. Where the layout is another one, no such object
//! is found, and nothing is told.

use super::object::{self, SemLock};
use super::semlock::UNLIMITED;
use crate::model::waits::foreign::QueueFill;
use crate::probe::stacks::PythonFrame;
use crate::probe::waits::maps::Maps;
use crate::probe::waits::memory::{Memory, u64_in};

const FILE: &str = "multiprocessing/queues.py";
/// Classes that have a semaphore with a place for each item; a SimpleQueue has none.
const CLASSES: [&str; 2] = ["Queue", "JoinableQueue"];
/// `get` is that far from the innermost frame at most: reading from the pipe takes three calls.
const FRAMES: usize = 5;
/// How much is searched where the attributes of an object stand: they are among the first.
const ATTRIBUTES: usize = 1024;

/// What is in the queue that a thread gets from.
pub fn got_from(frames: &[PythonFrame], memory: Memory, maps: &Maps) -> Option<QueueFill> {
    let get = frames.iter().take(FRAMES).find(|frame| frame.is(FILE, "get"))?;
    let queue = get.local("self")?.address;
    let class = object::class_name(memory, queue)?;
    if !CLASSES.contains(&class.as_str()) {
        return None;
    }
    let semaphore = attribute(memory, queue, "BoundedSemaphore")?;
    let object = attribute(memory, semaphore, "_multiprocessing.SemLock")?;
    let field = object + object::HEADS[0];
    let place = memory.u64(field).ok()?;
    let is_shared = maps.find(place).is_some_and(|mapping| mapping.shared);
    let lock = SemLock::read(memory, field, place).filter(|_| is_shared)?;
    fill(lock.max, memory.u32(place).ok()?)
}

/// What follows from the largest and the present value of a queue's semaphore.
pub fn fill(max: i32, value: u32) -> Option<QueueFill> {
    let max = u32::try_from(max).ok()?;
    let depth = max.checked_sub(value)?;
    let capacity = (max != UNLIMITED.unsigned_abs()).then_some(max);
    Some(QueueFill { depth, capacity })
}

/// The first attribute of an object that is of a class.
fn attribute(memory: Memory, object: u64, class: &str) -> Option<u64> {
    places(memory, object).into_iter().find_map(|place| first_of(memory, place, class))
}

/// Where the attributes of an object may stand, the likeliest first. A dictionary of its own comes
/// before values that lie with the object: those may be left over from before it was made.
fn places(memory: Memory, object: u64) -> Vec<u64> {
    // Flags of classes (`Include/object.h`): since 3.11 a class may keep a pointer to the
    // dictionary before its objects, 3.12 says the same of weak references, and since 3.13 values
    // stand behind the head of the object.
    const INLINE_VALUES: u64 = 1 << 2;
    const MANAGED_WEAKREF: u64 = 1 << 3;
    const MANAGED_DICT: u64 = 1 << 4;
    let word = |at: Option<u64>| at.and_then(|at| memory.u64(at).ok());
    let Some(class) = word(object.checked_add(8)) else { return Vec::new() };
    let Some(flags) = word(class.checked_add(168)) else { return Vec::new() };
    if flags & MANAGED_DICT == 0 {
        let offset = word(class.checked_add(288)).filter(|offset| (16..1024).contains(offset));
        let dict = offset.and_then(|offset| word(object.checked_add(offset)));
        return dict.map_or(Vec::new(), |dict| of_dict(memory, dict));
    }
    let Some(dict) = word(object.checked_sub(24)) else { return Vec::new() };
    if flags & INLINE_VALUES != 0 {
        return if dict == 0 { vec![object + 16] } else { of_dict(memory, dict) };
    }
    if flags & MANAGED_WEAKREF != 0 {
        // One pointer for both: an odd one is to the values, and one too small.
        return if dict & 1 == 1 { vec![dict + 1] } else { of_dict(memory, dict) };
    }
    match word(object.checked_sub(32)) {
        Some(values) if dict == 0 => vec![values],
        _ => of_dict(memory, dict),
    }
}

/// Values of a dictionary (`PyDictObject`): in an array of their own when it shares its keys with
/// others, else beside the keys.
fn of_dict(memory: Memory, dict: u64) -> Vec<u64> {
    if object::class_name(memory, dict).as_deref() != Some("dict") {
        return Vec::new();
    }
    let Ok(head) = memory.array::<48>(dict) else { return Vec::new() };
    match (u64_in(&head, 40), u64_in(&head, 32)) {
        (Some(values), _) if values != 0 => vec![values],
        (_, Some(keys)) => keys.checked_add(32).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The first of the pointers from here on that is to an object of a class. What stands behind the
/// attributes may be anything, but those that are looked for are there and come first.
fn first_of(memory: Memory, place: u64, class: &str) -> Option<u64> {
    let mut bytes = [0_u8; ATTRIBUTES];
    let n = memory.read_some(place, &mut bytes).ok()?;
    let (words, _) = bytes[..n].as_chunks::<8>();
    let pointers = words.iter().map(|word| u64::from_le_bytes(*word));
    let objects: Vec<u64> = pointers.filter(|at| *at >= 4096 && at % 8 == 0).collect();
    let next = |from: &[u64], offset: u64| -> Option<Vec<u64>> {
        let at: Vec<u64> = from.iter().map(|at| at.saturating_add(offset)).collect();
        let found = memory.gather::<8>(&at).ok()?;
        Some(found.into_iter().map(|word| word.map_or(0, u64::from_le_bytes)).collect())
    };
    let names = next(&next(&objects, 8)?, 24)?;
    let is_called = |name: u64| {
        name >= 4096 && memory.c_string(name, 64).is_ok_and(|name| name == class.as_bytes())
    };
    // Most are of few classes: each name is read once.
    let mut wrong = Vec::new();
    for (object, name) in objects.into_iter().zip(names) {
        if wrong.contains(&name) {
            continue;
        }
        if is_called(name) {
            return Some(object);
        }
        wrong.push(name);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_from_a_semaphore_is_in_the_queue() {
        let full = |depth, capacity| Some(QueueFill { depth, capacity });
        assert_eq!(fill(7, 0), full(7, Some(7)));
        assert_eq!(fill(7, 7), full(0, Some(7)));
        assert_eq!(fill(UNLIMITED, UNLIMITED.unsigned_abs() - 3), full(3, None));
        // No such semaphore: somebody else writes there.
        assert_eq!(fill(7, 8), None);
        assert_eq!(fill(-1, 0), None);
    }
}
