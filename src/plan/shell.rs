//! Where in a POSIX shell text a placeholder stands, and so how its value must be quoted.
//!
//! A small lexer of the shell's quoting, after POSIX.1-2017 XCU 2.2, 2.3, 2.6 and 2.10, plus the
//! parts of bash that change where quotes begin and end. It knows no more grammar than it needs
//! to tell a `)` of a case pattern from the end of `$(`. Where it is not sure it says so; it never
//! guesses, because a wrong guess would run a value as code.

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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// `(`; `command_after`: reserved words count again after its `)`.
    Paren {
        command_after: bool,
    },
    Case(CaseState),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CaseState {
    /// The word after `case` comes next.
    Word,
    /// `in` comes next.
    In,
    /// A pattern, or `esac`, comes next.
    PatternStart,
    Pattern,
    Body,
}

/// Where the commands of a program have got to.
struct Commands {
    frames: Vec<Frame>,
    /// A reserved word would be one here.
    at_command: bool,
    /// The next word is the target of a redirection.
    redirection: bool,
}

impl Commands {
    fn case_state(&self) -> Option<CaseState> {
        match self.frames.last() {
            Some(Frame::Case(state)) => Some(*state),
            _ => None,
        }
    }

    fn set_case(&mut self, state: CaseState) {
        if let Some(top) = self.frames.last_mut() {
            *top = Frame::Case(state);
        }
    }

    fn in_command(&self) -> bool {
        matches!(self.case_state(), None | Some(CaseState::Body))
    }
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

/// Commands: what stands between words.
impl Lexer<'_> {
    fn program(&mut self, end: End) -> Lexed {
        let mut now = Commands { frames: Vec::new(), at_command: true, redirection: false };
        loop {
            match self.peek() {
                None => return self.end_of_text(end, &now),
                Some(What::Byte(b' ' | b'\t')) => self.pos += 1,
                Some(What::Byte(b'\\')) if self.next_is(1, b'\n') => self.pos += 2,
                Some(What::Byte(b'\n')) => self.newline(&mut now)?,
                Some(What::Byte(b'#')) => self.comment(),
                Some(What::Byte(b';')) => self.semicolon(&mut now)?,
                Some(What::Byte(b'&')) => self.separator(&mut now, b'&')?,
                Some(What::Byte(b'|')) => self.separator(&mut now, b'|')?,
                Some(What::Byte(b'<' | b'>')) => self.redirection(&mut now)?,
                Some(What::Byte(b'(')) => self.open_paren(&mut now)?,
                Some(What::Byte(b')')) if now.frames.is_empty() && end == End::Paren => {
                    if !self.pending.is_empty() {
                        return self.unsure("a here-document does not begin before this `)`");
                    }
                    self.pos += 1;
                    return Ok(());
                }
                Some(What::Byte(b')')) => self.close_paren(&mut now)?,
                Some(What::Byte(_) | What::Hole(_)) => {
                    let word = self.word(now.at_command && now.in_command())?;
                    self.after_word(&mut now, word.as_deref())?;
                }
            }
        }
    }

    fn end_of_text(&self, end: End, now: &Commands) -> Lexed {
        match now.frames.last() {
            _ if end == End::Paren => self.unsure("a `$(` is not closed"),
            Some(Frame::Paren { .. }) => self.unsure("a `(` is not closed"),
            Some(Frame::Case(_)) => self.unsure("a `case` has no `esac`"),
            None if !self.pending.is_empty() && self.backticks.levels > 0 => {
                self.unsure("a here-document has no body")
            }
            None => Ok(()),
        }
    }

    fn newline(&mut self, now: &mut Commands) -> Lexed {
        match now.case_state() {
            Some(CaseState::Word | CaseState::Pattern) => {
                return self.unsure("a line ends where `case` needs a word");
            }
            Some(CaseState::In | CaseState::PatternStart) => {}
            Some(CaseState::Body) | None => now.at_command = true,
        }
        if self.outer_pending {
            return self.unsure("a line ends while a here-document around it is to begin");
        }
        self.pos += 1;
        for document in std::mem::take(&mut self.pending) {
            self.here_body(&document)?;
        }
        Ok(())
    }

    fn comment(&mut self) {
        while let Some(what) = self.peek() {
            match what {
                What::Byte(b'\n') => return,
                What::Byte(_) => self.pos += 1,
                What::Hole(hole) => self.set(hole, Spot::Refused(Refusal::Comment)),
            }
        }
    }

    fn semicolon(&mut self, now: &mut Commands) -> Lexed {
        if !now.in_command() {
            return self.unsure("a `;` stands where `case` needs a word");
        }
        self.pos += 1;
        now.at_command = true;
        if self.next_is(0, b';') || self.next_is(0, b'&') {
            // `;;`, and bash's `;&` and `;;&`.
            self.pos += 1;
            if self.next_is(0, b'&') {
                self.pos += 1;
            }
            if now.case_state() != Some(CaseState::Body) {
                return self.unsure("a `;;` stands outside `case`");
            }
            now.set_case(CaseState::PatternStart);
        }
        Ok(())
    }

    fn separator(&mut self, now: &mut Commands, byte: u8) -> Lexed {
        if now.case_state() == Some(CaseState::Pattern) && byte == b'|' {
            self.pos += 1;
            return Ok(());
        }
        if !now.in_command() {
            return self.unsure("an operator stands where `case` needs a word");
        }
        self.pos += 1;
        now.at_command = true;
        Ok(())
    }

    fn redirection(&mut self, now: &mut Commands) -> Lexed {
        if !now.in_command() {
            return self.unsure("a redirection stands where `case` needs a word");
        }
        now.at_command = false;
        if self.next_is(0, b'<') && self.next_is(1, b'<') {
            self.pos += 2;
            if self.next_is(0, b'<') {
                // bash's here-string: what follows is an ordinary word.
                self.pos += 1;
                now.redirection = true;
                return Ok(());
            }
            return self.here_delimiter();
        }
        self.pos += 1;
        if self.next_is(0, b'(') {
            // bash's process substitution.
            self.pos += 1;
            now.frames.push(Frame::Paren { command_after: false });
            now.at_command = true;
            return Ok(());
        }
        if matches!(self.peek(), Some(What::Byte(b'>' | b'&' | b'|'))) {
            self.pos += 1;
        }
        now.redirection = true;
        Ok(())
    }

    fn open_paren(&mut self, now: &mut Commands) -> Lexed {
        match now.case_state() {
            Some(CaseState::PatternStart) => {
                self.pos += 1;
                now.set_case(CaseState::Pattern);
                return Ok(());
            }
            Some(CaseState::Word | CaseState::In) => {
                return self.unsure("a `(` stands where `case` needs a word");
            }
            Some(CaseState::Pattern | CaseState::Body) | None => {}
        }
        if self.next_is(1, b'(') {
            self.pos += 2;
            now.at_command = false;
            return self.arithmetic();
        }
        self.pos += 1;
        let command_after = now.at_command || self.next_is(0, b')');
        now.frames.push(Frame::Paren { command_after });
        now.at_command = true;
        now.redirection = false;
        Ok(())
    }

    fn close_paren(&mut self, now: &mut Commands) -> Lexed {
        match now.frames.last().copied() {
            Some(Frame::Paren { command_after }) => {
                now.frames.pop();
                now.at_command = command_after;
            }
            Some(Frame::Case(CaseState::Pattern)) => {
                now.set_case(CaseState::Body);
                now.at_command = true;
            }
            Some(Frame::Case(_)) | None => return self.unsure("a `)` closes nothing"),
        }
        now.redirection = false;
        self.pos += 1;
        Ok(())
    }

    /// Follows the reserved words; `word` is `None` when a part of it was quoted or expanded.
    fn after_word(&mut self, now: &mut Commands, word: Option<&[u8]>) -> Lexed {
        if std::mem::take(&mut now.redirection) {
            now.at_command = false;
            return Ok(());
        }
        match now.case_state() {
            Some(CaseState::Word) => now.set_case(CaseState::In),
            Some(CaseState::In) if word == Some(b"in") => now.set_case(CaseState::PatternStart),
            Some(CaseState::In) => return self.unsure("a `case` is not followed by `in`"),
            Some(CaseState::PatternStart) if word == Some(b"esac") => {
                now.frames.pop();
                now.at_command = true;
            }
            Some(CaseState::PatternStart) => now.set_case(CaseState::Pattern),
            Some(CaseState::Pattern) => {}
            Some(CaseState::Body) | None => {
                let reserved = if now.at_command { word } else { None };
                return self.after_command_word(now, reserved);
            }
        }
        Ok(())
    }

    fn after_command_word(&mut self, now: &mut Commands, reserved: Option<&[u8]>) -> Lexed {
        now.at_command = match reserved {
            Some(b"case") => {
                now.frames.push(Frame::Case(CaseState::Word));
                false
            }
            Some(b"esac") => {
                if now.case_state() != Some(CaseState::Body) {
                    return self.unsure("an `esac` has no `case`");
                }
                now.frames.pop();
                true
            }
            Some(
                b"if" | b"then" | b"else" | b"elif" | b"fi" | b"while" | b"until" | b"do" | b"done"
                | b"{" | b"}" | b"!" | b"time",
            ) => true,
            _ => false,
        };
        Ok(())
    }
}

/// Words and what they are made of.
impl Lexer<'_> {
    /// Reads a word; returns its text when nothing in it is quoted or expanded.
    fn word(&mut self, command_word: bool) -> Lexed<Option<Vec<u8>>> {
        let mut plain = Vec::new();
        let mut is_plain = true;
        let start = self.pos;
        while let Some(what) = self.peek() {
            match what {
                What::Byte(
                    b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')',
                ) => {
                    break;
                }
                What::Byte(b'\\') if self.next_is(1, b'\n') => self.pos += 2,
                What::Hole(hole) if command_word && is_plain && opens_subscript(&plain) => {
                    is_plain = false;
                    self.set(hole, Spot::Refused(Refusal::Subscript));
                }
                What::Hole(hole) => {
                    is_plain = false;
                    let alone = self.stands_alone(start);
                    self.place(hole, Style::Bare { alone });
                }
                What::Byte(b'\\' | b'\'' | b'"' | b'$' | b'`') => {
                    is_plain = false;
                    self.quoted_part(Around::Nothing)?;
                }
                What::Byte(b) => {
                    plain.push(b);
                    self.pos += 1;
                }
            }
        }
        Ok(is_plain.then_some(plain))
    }

    /// Tells whether the value here is a whole word between blanks.
    fn stands_alone(&self, word_start: usize) -> bool {
        let before = match word_start.checked_sub(1) {
            None => true,
            Some(p) => matches!(self.byte_at(p), Some(b' ' | b'\t' | b'\n')),
        };
        let after = match self.text.get(self.pos + 1).map(|s| s.what) {
            None => true,
            Some(What::Byte(b)) => matches!(b, b' ' | b'\t' | b'\n' | b';' | b'|' | b')'),
            Some(What::Hole(_)) => false,
        };
        word_start == self.pos && before && after
    }

    /// Reads one quoted or expanded part: from `\`, `'`, `"`, `$` or a backquote to its end.
    fn quoted_part(&mut self, around: Around) -> Lexed {
        match self.peek() {
            Some(What::Byte(b'\\')) => self.backslash(),
            Some(What::Byte(b'\'')) => self.single(),
            Some(What::Byte(b'"')) => self.double(),
            Some(What::Byte(b'`')) => self.backquote(around),
            Some(What::Byte(b'$')) => self.dollar(around),
            _ => self.step(),
        }
    }

    fn backslash(&mut self) -> Lexed {
        self.pos += 1;
        match self.peek() {
            None => Ok(()),
            Some(What::Hole(hole)) => {
                self.set(hole, Spot::Refused(Refusal::Backslash));
                Ok(())
            }
            Some(What::Byte(_)) => {
                self.pos += 1;
                Ok(())
            }
        }
    }

    fn single(&mut self) -> Lexed {
        let open = self.pos;
        self.pos += 1;
        loop {
            match self.peek() {
                None => {
                    self.pos = open;
                    return self.unsure("a `'` is not closed");
                }
                Some(What::Byte(b'\'')) => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(What::Byte(_)) => self.step()?,
                // Backquotes eat a backslash even here, with what follows it; dash does so when
                // that is a newline.
                Some(What::Hole(hole))
                    if self.backticks.levels > 0 && self.byte_at(self.pos - 1) == Some(b'\\') =>
                {
                    self.set(hole, Spot::Refused(Refusal::Backslash));
                }
                Some(What::Hole(hole)) => self.place(hole, Style::InSingle),
            }
        }
    }

    fn double(&mut self) -> Lexed {
        let open = self.pos;
        self.pos += 1;
        loop {
            match self.peek() {
                None => {
                    self.pos = open;
                    return self.unsure("a `\"` is not closed");
                }
                Some(What::Byte(b'"')) => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(What::Byte(b'\\' | b'$' | b'`')) => self.quoted_part(Around::Double)?,
                Some(What::Byte(_)) => self.step()?,
                Some(What::Hole(hole)) => {
                    let glued = self.glued();
                    self.place(hole, Style::InDouble { glued });
                }
            }
        }
    }

    fn dollar(&mut self, around: Around) -> Lexed {
        match self.byte_at(self.pos + 1) {
            Some(b'(') if self.next_is(2, b'(') => {
                self.pos += 3;
                self.arithmetic()
            }
            Some(b'(') => {
                self.pos += 2;
                self.deeper(Self::substitution)
            }
            Some(b'{') => self.deeper(|lexer| lexer.braces(around)),
            Some(b'[') => self.old_arithmetic(),
            Some(b'\'') if around == Around::Nothing => self.ansi_quote(),
            _ => {
                self.pos += 1;
                Ok(())
            }
        }
    }

    /// Reads the program in `$(...)`: quoting begins anew in it.
    fn substitution(&mut self) -> Lexed {
        let refuse = self.refuse;
        if refuse != Some(Refusal::HereDocument) {
            self.refuse = None;
        }
        let pending = std::mem::take(&mut self.pending);
        let outer_pending = self.outer_pending;
        self.outer_pending |= !pending.is_empty();
        let result = self.program(End::Paren);
        self.pending = pending;
        self.outer_pending = outer_pending;
        self.refuse = refuse;
        result
    }

    /// Reads what backquotes hold, after taking off the backslashes that they eat.
    fn backquote(&mut self, around: Around) -> Lexed {
        let open = self.pos;
        self.pos += 1;
        let mut inner = Vec::new();
        loop {
            match self.peek() {
                None => {
                    self.pos = open;
                    return self.unsure("a backquote is not closed");
                }
                Some(What::Byte(b'`')) => break,
                Some(What::Byte(b'"')) if around != Around::Nothing => {
                    return self
                        .unsure("`\"` in backquotes in double quotes; `$(...)` is clear there");
                }
                Some(What::Byte(b'\\')) => {
                    match self.byte_at(self.pos + 1) {
                        Some(b'$' | b'`' | b'\\') => self.pos += 1,
                        Some(b'"') if around == Around::Double => self.pos += 1,
                        Some(b'"') if around == Around::Arithmetic => {
                            return self.unsure("shells differ in how they read `\\\"` here");
                        }
                        _ => {}
                    }
                    inner.extend(self.text.get(self.pos));
                    self.pos += 1;
                }
                Some(_) => {
                    inner.extend(self.text.get(self.pos));
                    self.step()?;
                }
            }
        }
        self.pos += 1;
        if self.backticks.levels >= BACKTICKS {
            return self.unsure("backquotes are nested too deeply");
        }
        let mut lexer = Lexer {
            text: &inner,
            pos: 0,
            spots: self.spots,
            backticks: self.backticks.inside(around == Around::Double),
            refuse: self.refuse.filter(|r| *r == Refusal::HereDocument),
            pending: Vec::new(),
            outer_pending: self.outer_pending || !self.pending.is_empty(),
            depth: self.depth,
        };
        lexer.deeper(|lexer| lexer.program(End::Text))
    }

    /// Reads to the `))` of `$((` or bash's `((`; no value may stand in it.
    fn arithmetic(&mut self) -> Lexed {
        self.deeper(|lexer| lexer.refusing(Refusal::Arithmetic, Self::arithmetic_text))
    }

    fn arithmetic_text(&mut self) -> Lexed {
        let mut depth = 0_u32;
        loop {
            match self.peek() {
                None => return self.unsure("a `((` is not closed"),
                Some(What::Byte(b'(')) => {
                    depth += 1;
                    self.pos += 1;
                }
                Some(What::Byte(b')')) if depth > 0 => {
                    depth -= 1;
                    self.pos += 1;
                }
                Some(What::Byte(b')')) if self.next_is(1, b')') => {
                    self.pos += 2;
                    return Ok(());
                }
                Some(What::Byte(b')')) => {
                    return self.unsure(
                        "`((` begins arithmetic; for a subshell write a blank between the two",
                    );
                }
                Some(What::Byte(b'\'')) => {
                    return self.unsure("shells differ in how they read `'` in arithmetic");
                }
                Some(What::Byte(b'\\' | b'"' | b'$' | b'`')) => {
                    self.quoted_part(Around::Arithmetic)?;
                }
                Some(What::Byte(_)) => self.step()?,
                Some(What::Hole(hole)) => self.place(hole, Style::InSingle),
            }
        }
    }

    /// Reads bash's `$[...]`, which other shells take for ordinary text.
    fn old_arithmetic(&mut self) -> Lexed {
        self.pos += 2;
        loop {
            match self.peek() {
                Some(What::Byte(b']')) => {
                    self.pos += 1;
                    return Ok(());
                }
                None | Some(What::Byte(b'[' | b'\'' | b'"' | b'\\' | b'`' | b'$' | b'\n')) => {
                    return self.unsure("shells differ in how they read `$[`");
                }
                Some(What::Byte(_)) => self.pos += 1,
                Some(What::Hole(hole)) => self.set(hole, Spot::Refused(Refusal::Arithmetic)),
            }
        }
    }

    /// Reads bash's `$'...'`; shells without it see an ordinary quote after a `$`.
    fn ansi_quote(&mut self) -> Lexed {
        self.pos += 2;
        loop {
            match self.peek() {
                None => return self.unsure("a `$'` is not closed"),
                Some(What::Byte(b'\'')) => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(What::Byte(b'\\')) if self.next_is(1, b'\'') => {
                    return self.unsure("shells differ in how they read `\\'` in `$'...'`");
                }
                Some(What::Byte(b'\\')) => {
                    self.pos += 1;
                    if matches!(self.peek(), Some(What::Byte(_))) {
                        self.step()?;
                    }
                }
                Some(What::Byte(_)) => self.step()?,
                Some(What::Hole(hole)) => self.set(hole, Spot::Refused(Refusal::AnsiQuote)),
            }
        }
    }
}

/// What an expansion stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Double,
    Arithmetic,
}

/// What stands between the name and the `}` of `${...}`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BraceText {
    /// The word after `:-`, `:+`, `:?`, `:=` or one of them without the colon.
    Word,
    /// The pattern after `#` or `%`: quotes count in it even inside double quotes.
    Pattern,
    /// Anything else, such as bash's `/`, `^` and indices.
    Other,
}

/// Parameter expansions.
impl Lexer<'_> {
    fn braces(&mut self, around: Around) -> Lexed {
        self.pos += 2;
        let (text, refusal) = self.brace_operator(around)?;
        let in_double = around != Around::Nothing && text != BraceText::Pattern;
        match refusal {
            Some(why) => self.refusing(why, |lexer| lexer.brace_text(in_double, around)),
            None => self.brace_text(in_double, around),
        }
    }

    /// Reads the name and the operator; returns what follows, and why values are refused in it.
    fn brace_operator(&mut self, around: Around) -> Lexed<(BraceText, Option<Refusal>)> {
        let other = (BraceText::Other, Some(Refusal::Expansion));
        match self.peek() {
            Some(What::Byte(b'#' | b'!')) if !self.next_is(1, b'}') => return Ok(other),
            Some(What::Byte(b' ' | b'\t' | b'\n' | b'|')) => {
                return self.unsure("`${` is followed by a blank");
            }
            Some(What::Byte(b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!')) => self.pos += 1,
            _ => {
                while self.byte_at(self.pos).is_some_and(is_name_byte) {
                    self.pos += 1;
                }
            }
        }
        let colon = usize::from(self.next_is(0, b':'));
        let operator = self.byte_at(self.pos + colon);
        match operator {
            Some(b'-' | b'+' | b'?' | b'=') => self.pos += colon + 1,
            Some(b'#' | b'%') if colon == 0 => {
                self.pos += 1;
                if self.byte_at(self.pos) == operator {
                    self.pos += 1;
                }
                // bash looks for `{a,b}` first and takes quotes in a quoted pattern for the end
                // of those around it.
                let quoted = around != Around::Nothing;
                return Ok((BraceText::Pattern, quoted.then_some(Refusal::Expansion)));
            }
            _ => return Ok(other),
        }
        let splits = operator == Some(b'=') && around == Around::Nothing;
        Ok((BraceText::Word, splits.then_some(Refusal::Assignment)))
    }

    fn brace_text(&mut self, in_double: bool, around: Around) -> Lexed {
        loop {
            match self.peek() {
                None => return self.unsure("a `${` is not closed"),
                Some(What::Byte(b'}')) => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(What::Byte(b'\'')) if in_double => {
                    return self.unsure("shells differ in how they read `'` in \"${...}\"");
                }
                Some(What::Byte(b'"')) if in_double => {
                    self.refusing(Refusal::Expansion, Self::double)?;
                }
                Some(What::Byte(b'<' | b'>')) if self.next_is(1, b'(') => {
                    return self.unsure("shells differ in how they read `<(` in `${...}`");
                }
                Some(What::Byte(b'\\' | b'\'' | b'"' | b'$' | b'`')) => {
                    let around = if in_double { around } else { Around::Nothing };
                    self.quoted_part(around)?;
                }
                Some(What::Byte(_)) => self.step()?,
                Some(What::Hole(hole)) if in_double => {
                    if self.glued() {
                        self.set(hole, Spot::Refused(Refusal::Glued));
                    } else {
                        self.place(hole, Style::InDoubleBraces);
                    }
                }
                Some(What::Hole(hole)) => self.place(hole, Style::Bare { alone: false }),
            }
        }
    }
}

/// Here-documents.
impl Lexer<'_> {
    /// Reads the word after `<<`.
    fn here_delimiter(&mut self) -> Lexed {
        let strip_tabs = self.next_is(0, b'-');
        self.pos += usize::from(strip_tabs);
        while self.next_is(0, b' ') || self.next_is(0, b'\t') {
            self.pos += 1;
        }
        let mut delimiter = Vec::new();
        let mut expands = true;
        let start = self.pos;
        while let Some(what) = self.peek() {
            let What::Byte(b) = what else {
                return self.unsure("the end of a here-document must be written out");
            };
            match b {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                b'$' | b'`' => return self.unsure("the end of a here-document is an expansion"),
                b'\\' => {
                    expands = false;
                    delimiter.extend(self.byte_at(self.pos + 1));
                    self.pos += 2;
                }
                b'\'' | b'"' => {
                    expands = false;
                    self.pos += 1;
                    self.quoted_delimiter(b, &mut delimiter)?;
                }
                _ => {
                    delimiter.push(b);
                    self.pos += 1;
                }
            }
        }
        if self.pos == start {
            return self.unsure("a `<<` is not followed by a word");
        }
        self.pending.push(HereDocument { delimiter, strip_tabs, expands });
        Ok(())
    }

    fn quoted_delimiter(&mut self, quote: u8, delimiter: &mut Vec<u8>) -> Lexed {
        loop {
            match self.byte_at(self.pos) {
                Some(b) if b == quote => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(b) if b != b'\n' && b != b'\\' && b != b'$' && b != b'`' => {
                    delimiter.push(b);
                    self.pos += 1;
                }
                _ => return self.unsure("cannot tell where a here-document ends"),
            }
        }
    }

    /// Reads a body up to and with the line that ends it.
    fn here_body(&mut self, document: &HereDocument) -> Lexed {
        let start = self.pos;
        let mut joined = false;
        loop {
            let line_start = self.pos;
            while !matches!(self.peek(), None | Some(What::Byte(b'\n'))) {
                self.pos += 1;
            }
            let line = &self.text[line_start..self.pos];
            let is_end = is_delimiter(line, document);
            let at_end = self.pos >= self.text.len();
            self.pos += usize::from(!at_end);
            if is_end && joined {
                return self
                    .unsure("a here-document's end follows a line that ends in a backslash");
            }
            if is_end {
                return self.here_text(start, line_start, document.expands);
            }
            if at_end {
                return self.here_text(start, self.pos, document.expands);
            }
            joined = document.expands && ends_in_backslash(line);
        }
    }

    /// Refuses all values in a body. Where it is expanded, expansions must end inside it: shells
    /// differ in what they do otherwise.
    fn here_text(&mut self, start: usize, end: usize, expands: bool) -> Lexed {
        let body = &self.text[start..end];
        if !expands {
            for symbol in body {
                if let What::Hole(hole) = symbol.what
                    && let Some(spot) = self.spots.get_mut(hole)
                {
                    *spot = Spot::Refused(Refusal::HereDocument);
                }
            }
            return Ok(());
        }
        let mut lexer = Lexer {
            text: body,
            pos: 0,
            spots: self.spots,
            backticks: self.backticks,
            refuse: Some(Refusal::HereDocument),
            pending: Vec::new(),
            outer_pending: false,
            depth: self.depth,
        };
        while let Some(what) = lexer.peek() {
            match what {
                What::Byte(b'\\' | b'$' | b'`') => lexer.quoted_part(Around::Double)?,
                What::Byte(_) => lexer.pos += 1,
                What::Hole(hole) => lexer.place(hole, Style::InSingle),
            }
        }
        Ok(())
    }
}

fn is_delimiter(line: &[Symbol], document: &HereDocument) -> bool {
    let is_tab = |s: &&Symbol| document.strip_tabs && s.what == What::Byte(b'\t');
    let n_tabs = line.iter().take_while(is_tab).count();
    let wanted = document.delimiter.iter().map(|b| What::Byte(*b));
    line.iter().skip(n_tabs).map(|s| s.what).eq(wanted)
}

fn ends_in_backslash(line: &[Symbol]) -> bool {
    line.iter().rev().take_while(|s| s.what == What::Byte(b'\\')).count() % 2 == 1
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// Tells whether a word begins like `name[`, the index still open.
fn opens_subscript(plain: &[u8]) -> bool {
    let name = plain.iter().take_while(|b| is_name_byte(**b)).count();
    name > 0 && plain.get(name) == Some(&b'[') && !plain.contains(&b']')
}
