//! Words, quotes and the expansions that begin with `$` or a backquote.

use super::{Around, BACKTICKS, End, Lexed, Lexer, Refusal, Spot, Style, What, is_name_byte};

/// Words and what they are made of.
impl Lexer<'_> {
    /// Reads a word; returns its text when nothing in it is quoted or expanded.
    pub(super) fn word(&mut self, command_word: bool) -> Lexed<Option<Vec<u8>>> {
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
    pub(super) fn quoted_part(&mut self, around: Around) -> Lexed {
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

    pub(super) fn double(&mut self) -> Lexed {
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
    pub(super) fn arithmetic(&mut self) -> Lexed {
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

/// Tells whether a word begins like `name[`, the index still open.
fn opens_subscript(plain: &[u8]) -> bool {
    let name = plain.iter().take_while(|b| is_name_byte(**b)).count();
    name > 0 && plain.get(name) == Some(&b'[') && !plain.contains(&b']')
}
