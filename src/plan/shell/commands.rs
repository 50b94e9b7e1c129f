//! What stands between words: operators, reserved words and comments.
//!
//! Follows just enough grammar to tell which `)` ends what.

use super::{End, Lexed, Lexer, Refusal, Spot, What};

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

/// Commands: what stands between words.
impl Lexer<'_> {
    pub(super) fn program(&mut self, end: End) -> Lexed {
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
