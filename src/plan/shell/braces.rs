//! Parameter expansions: `${...}`.

use super::{Around, Lexed, Lexer, Refusal, Spot, Style, What, is_name_byte};

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
    pub(super) fn braces(&mut self, around: Around) -> Lexed {
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
