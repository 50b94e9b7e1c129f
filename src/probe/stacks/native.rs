//! Native frames of blocked threads: unwound from the stack pointer and the program counter that
//! `/proc/PID/task/TID/syscall` shows. The other registers are not known, so a stack of code that
//! was built with frame pointers only may end early; no frame is ever made up.

use super::symbols::{Binary, Section};
use super::{Registers, harmless};
use crate::model::limits;
use crate::model::waits::{Frame, ThreadRef};
use crate::probe::waits::maps::{FileKey, Mapping, Maps};
use crate::probe::waits::memory::{Memory, u64_in};
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder};
use std::collections::HashMap;
use std::sync::Arc;

/// What is copied of a stack at once.
const STACK_BYTES: usize = 1 << 15;

/// Unwinds, and keeps what files say of their code.
#[derive(Default)]
pub struct Unwinders {
    cache: CacheX86_64,
    binaries: HashMap<FileKey, Option<Arc<Binary>>>,
}

impl Unwinders {
    /// Innermost first; empty where nothing can be read, and on other machines than x86_64.
    pub fn frames(&mut self, thread: ThreadRef, maps: &Maps, at: Registers) -> Vec<Frame> {
        if !cfg!(target_arch = "x86_64") {
            return Vec::new();
        }
        let memory = Memory::of(thread.tid);
        let mut stack = vec![0_u8; STACK_BYTES];
        let n = memory.read_some(at.stack_pointer, &mut stack).unwrap_or(0);
        stack.truncate(n);
        let mut read = |address: u64| {
            let copied = address
                .checked_sub(at.stack_pointer)
                .and_then(|offset| u64_in(&stack, usize::try_from(offset).ok()?));
            copied.or_else(|| memory.u64(address).ok()).ok_or(())
        };

        let mut unwinder: UnwinderX86_64<Arc<[u8]>> = UnwinderX86_64::new();
        let mut registers = UnwindRegsX86_64::new(at.program_counter, at.stack_pointer, 0);
        let mut next = Some(FrameAddress::from_instruction_pointer(at.program_counter));
        let mut known: Vec<(u64, Arc<Binary>, u64)> = Vec::new();
        let mut frames = Vec::new();
        while let Some(address) = next
            && frames.len() < limits::STACK_FRAMES
        {
            let place = address.address_for_lookup();
            let Some(mapping) = maps.find(place).filter(|m| m.executable) else { break };
            let binary = match known.iter().find(|(start, ..)| *start == mapping.start) {
                Some((_, binary, shift)) => Some((Arc::clone(binary), *shift)),
                None => self.binary(thread.tid, mapping).and_then(|binary| {
                    let shift = binary.shift(mapping.start, mapping.offset)?;
                    unwinder.add_module(module(mapping, &binary, shift));
                    known.push((mapping.start, Arc::clone(&binary), shift));
                    Some((binary, shift))
                }),
            };
            frames.push(shown(mapping, place, binary.as_ref()));
            // Without its tables it would be guessed by frame pointers, of which none is known.
            if binary.is_none_or(|(binary, _)| binary.eh_frame.is_none()) {
                break;
            }
            next = unwinder
                .unwind_frame(address, &mut registers, &mut self.cache, &mut read)
                .ok()
                .flatten()
                .and_then(FrameAddress::from_return_address);
        }
        frames
    }

    fn binary(&mut self, tid: i32, mapping: &Mapping) -> Option<Arc<Binary>> {
        let (file, key) = mapping.open(tid)?;
        if self.binaries.len() >= limits::STACK_BINARIES && !self.binaries.contains_key(&key) {
            self.binaries.clear();
        }
        self.binaries.entry(key).or_insert_with(|| Binary::read(file).map(Arc::new)).clone()
    }
}

fn module(mapping: &Mapping, binary: &Binary, shift: u64) -> Module<Arc<[u8]>> {
    let at = |section: &Option<Section>| section.as_ref().map(|s| s.at.clone());
    let bytes = |section: &Option<Section>| section.as_ref().map(|s| Arc::clone(&s.bytes));
    let sections = ExplicitModuleSectionInfo {
        text_svma: binary.text.clone(),
        got_svma: binary.got.clone(),
        eh_frame_svma: at(&binary.eh_frame),
        eh_frame: bytes(&binary.eh_frame),
        eh_frame_hdr_svma: at(&binary.eh_frame_hdr),
        eh_frame_hdr: bytes(&binary.eh_frame_hdr),
        ..ExplicitModuleSectionInfo::default()
    };
    Module::new(mapping.path.to_string(), mapping.start..mapping.end, shift, sections)
}

fn shown(mapping: &Mapping, place: u64, binary: Option<&(Arc<Binary>, u64)>) -> Frame {
    let function = binary.and_then(|(binary, shift)| binary.function(place.wrapping_sub(*shift)));
    let function = match function {
        // Names of Rust as their authors wrote them, without the hash behind.
        Some(name) => harmless(&format!("{:#}", rustc_demangle::demangle(name))),
        // Like `addr2line` wants it.
        None => format!("{:#x}", binary.map_or(place, |(_, shift)| place.wrapping_sub(*shift))),
    };
    let file = mapping.file().map(harmless).or_else(|| Some(harmless(&mapping.path)));
    Frame { function, file: file.filter(|f| !f.is_empty()), ..Frame::default() }
}
