//! What an ELF file says of its code: how to unwind it, and the names of its functions.

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, ReadCache, SymbolKind, elf};
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// A file beyond this is not searched for names.
const FILE_MAX: u64 = 1 << 30;

/// One program or library.
#[derive(Debug, Default)]
pub struct Binary {
    pub eh_frame: Option<Section>,
    pub eh_frame_hdr: Option<Section>,
    pub text: Option<Range<u64>>,
    pub got: Option<Range<u64>>,
    segments: Vec<Segment>,
    /// By start.
    symbols: Vec<Symbol>,
}

#[derive(Clone, Debug)]
pub struct Section {
    pub at: Range<u64>,
    pub bytes: Arc<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    address: u64,
    offset: u64,
    len: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Symbol {
    at: Range<u64>,
    name: Box<str>,
}

impl Binary {
    /// `None` for what is no 64-bit little-endian ELF file.
    pub fn read(file: File) -> Option<Binary> {
        if file.metadata().ok()?.len() > FILE_MAX {
            return None;
        }
        let data = ReadCache::new(file);
        let elf = object::read::elf::ElfFile64::<Endianness, _>::parse(&data).ok()?;
        let section = |name: &str| elf.section_by_name(name);
        let range = |name: &str| section(name).map(|s| s.address()..s.address() + s.size());
        let whole = |name: &str| {
            let bytes = section(name)?.data().ok()?;
            Some(Section { at: range(name)?, bytes: bytes.into() })
        };
        let endian = elf.endian();
        let headers = elf.elf_header().program_headers(endian, &data).ok()?;
        let segments = headers
            .iter()
            .filter(|h| h.p_type(endian) == elf::PT_LOAD)
            .map(|h| Segment {
                address: h.p_vaddr(endian),
                offset: h.p_offset(endian),
                len: h.p_filesz(endian),
            })
            .collect();
        let mut symbols: Vec<Symbol> = elf
            .symbols()
            .chain(elf.dynamic_symbols())
            .filter(|s| s.kind() == SymbolKind::Text && s.is_definition() && s.address() != 0)
            .filter_map(|s| {
                let at = s.address()..s.address() + s.size().max(1);
                // Of `name@@VERSION` the first part; versions are of no use to people.
                let name = s.name().ok()?.split('@').next()?;
                (!name.is_empty()).then(|| Symbol { at, name: name.into() })
            })
            .collect();
        // Of several names for one function the public one: `pthread_mutex_lock` rather than
        // `__pthread_mutex_lock`.
        symbols.sort_by(|a, b| {
            let hidden = |s: &Symbol| s.name.chars().take_while(|c| *c == '_').count();
            a.at.start.cmp(&b.at.start).then(hidden(a).cmp(&hidden(b))).then(a.name.cmp(&b.name))
        });
        symbols.dedup_by_key(|s| s.at.start);
        Some(Binary {
            eh_frame: whole(".eh_frame"),
            eh_frame_hdr: whole(".eh_frame_hdr"),
            text: range(".text"),
            got: range(".got"),
            segments,
            symbols,
        })
    }

    /// What has to be added to addresses of the file, where a part of it that begins at `offset`
    /// is mapped at `start`.
    pub fn shift(&self, start: u64, offset: u64) -> Option<u64> {
        const PAGE: u64 = 4096;
        let inside = |s: &&Segment| {
            let begin = s.offset / PAGE * PAGE;
            (begin..s.offset + s.len).contains(&offset)
        };
        // A page may belong to the end of one and the start of the next segment.
        let segment = self.segments.iter().filter(inside).max_by_key(|s| s.offset)?;
        Some(start.wrapping_sub(segment.address).wrapping_sub(offset.wrapping_sub(segment.offset)))
    }

    /// The function at an address of the file.
    pub fn function(&self, address: u64) -> Option<&str> {
        let after = self.symbols.partition_point(|s| s.at.start <= address);
        let found = self.symbols[..after].last()?;
        found.at.contains(&address).then_some(&*found.name)
    }
}
