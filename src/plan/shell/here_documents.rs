//! Here-documents.

use super::{Around, HereDocument, Lexed, Lexer, Refusal, Spot, Style, Symbol, What};

/// Here-documents.
impl Lexer<'_> {
    /// Reads the word after `<<`.
    pub(super) fn here_delimiter(&mut self) -> Lexed {
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
    pub(super) fn here_body(&mut self, document: &HereDocument) -> Lexed {
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
