//! Where in a POSIX shell text a placeholder stands, and so how its value must be quoted.
//!
//! A small lexer of the shell's quoting, after POSIX.1-2017 XCU 2.2, 2.3, 2.6 and 2.10, plus the
//! parts of bash that change where quotes begin and end. It knows no more grammar than it needs
//! to tell a `)` of a case pattern from the end of `$(`. Where it is not sure it says so; it never
//! guesses, because a wrong guess would run a value as code.

mod braces;
mod commands;
mod here_documents;
mod words;

use super::quoting::{Backticks, Quoting, Style};

/// One symbol of a shell text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    pub what: What,
    /// Byte offset in the text of the task file.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Byte(u8),
    /// The place of the value with this number, from 0 in the order of the text.
    Hole(usize),
}

/// What can be done at the place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Word(Quoting),
    Refused(Refusal),
}

/// Why no word can stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Comment,
    HereDocument,
    Arithmetic,
    /// Directly after a backslash.
    Backslash,
    /// In the part of `${...}` that is not a default or a pattern.
    Expansion,
    /// In `${x:=value}` outside double quotes: the shell would split the value.
    Assignment,
    /// In bash's `$'...'`.
    AnsiQuote,
    /// In the index of an array element, which bash calculates.
    Subscript,
    /// Directly after `$name` in `"${x:-word}"`, where no quotes can part the two.
    Glued,
}

/// The lexer does not know how a shell reads the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsure {
    pub at: usize,
    pub why: &'static str,
}

/// Nesting beyond this is refused: each level costs stack.
const DEPTH: u32 = 40;
/// Backquotes in backquotes: each level doubles the backslashes.
const BACKTICKS: u8 = 4;

/// Returns what can be done at each of the `n_holes` places of values in `text`.
pub(super) fn spots(text: &[Symbol], n_holes: usize) -> Result<Vec<Spot>, Unsure> {
    let mut spots = vec![Spot::Refused(Refusal::Comment); n_holes];
    let mut lexer = Lexer {
        text,
        pos: 0,
        spots: &mut spots,
        backticks: Backticks::default(),
        refuse: None,
        pending: Vec::new(),
        outer_pending: false,
        depth: 0,
    };
    lexer.program(End::Text)?;
    Ok(spots)
}

struct Lexer<'t> {
    text: &'t [Symbol],
    pos: usize,
    spots: &'t mut Vec<Spot>,
    /// Backquotes around `text`, whose backslashes have been taken off.
    backticks: Backticks,
    /// Every value in the part that is being read is refused.
    refuse: Option<Refusal>,
    /// Here-documents whose bodies begin after the next newline.
    pending: Vec<HereDocument>,
    /// The same of the texts around this one.
    outer_pending: bool,
    depth: u32,
}

struct HereDocument {
    delimiter: Vec<u8>,
    strip_tabs: bool,
    /// Expansions happen in the body.
    expands: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The end of the text.
    Text,
    /// The `)` of `$(`.
    Paren,
}

/// What an expansion stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Double,
    Arithmetic,
}

type Lexed<T = ()> = Result<T, Unsure>;

impl Lexer<'_> {
    fn peek(&self) -> Option<What> {
        self.text.get(self.pos).map(|s| s.what)
    }

    fn byte_at(&self, pos: usize) -> Option<u8> {
        match self.text.get(pos)?.what {
            What::Byte(b) => Some(b),
            What::Hole(_) => None,
        }
    }

    fn next_is(&self, ahead: usize, byte: u8) -> bool {
        self.byte_at(self.pos + ahead) == Some(byte)
    }

    fn unsure<T>(&self, why: &'static str) -> Lexed<T> {
        let symbol = self.text.get(self.pos).or(self.text.last());
        Err(Unsure { at: symbol.map_or(0, |s| s.at), why })
    }

    /// Goes one symbol on, inside a word or a quote.
    fn step(&mut self) -> Lexed {
        if self.next_is(0, b'\n') && (self.outer_pending || !self.pending.is_empty()) {
            return self.unsure("a line ends inside a word while a here-document is to begin");
        }
        self.pos += 1;
        Ok(())
    }

    /// Notes how the value that stands here is quoted, and goes on.
    fn place(&mut self, hole: usize, style: Style) {
        let spot = match self.refuse {
            Some(refusal) => Spot::Refused(refusal),
            None => Spot::Word(Quoting { style, backticks: self.backticks }),
        };
        self.set(hole, spot);
    }

    fn set(&mut self, hole: usize, spot: Spot) {
        if let Some(place) = self.spots.get_mut(hole) {
            *place = spot;
        }
        self.pos += 1;
    }

    /// Runs `inner` with every value refused; an outer here-document keeps its own reason.
    fn refusing<T>(&mut self, why: Refusal, inner: impl FnOnce(&mut Self) -> Lexed<T>) -> Lexed<T> {
        let before = self.refuse;
        if before != Some(Refusal::HereDocument) {
            self.refuse = Some(why);
        }
        let result = inner(self);
        self.refuse = before;
        result
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Lexed<T>) -> Lexed<T> {
        if self.depth >= DEPTH {
            return self.unsure("it is nested too deeply");
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Tells whether the value here follows `$name` directly, so that its first letters could be
    /// taken for a part of that name.
    fn glued(&self) -> bool {
        let mut pos = self.pos;
        while let Some(b) = pos.checked_sub(1).and_then(|p| self.byte_at(p)) {
            if b == b'$' {
                return true;
            }
            if !is_name_byte(b) {
                return false;
            }
            pos -= 1;
        }
        false
    }
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}
