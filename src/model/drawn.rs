//! Lines of output as a terminal would show them: harmless text and the job's own colours.
//!
//! Of escape sequences only colours and attributes are kept, as [`JobStyle`]; the others
//! disappear. Other control characters and what cannot be seen show as something that can.
//! Nothing that leaves here can move the cursor, turn text around or hide. Every line starts
//! without a style, as pagers have it: a line then looks the same from wherever one came to it,
//! and a sequence that never ends takes its own line only.

use super::style::JobStyle;
use unicode_width::UnicodeWidthChar;

/// Distance of tab stops, as terminals have it.
const TAB_CELLS: usize = 8;
/// Marks (accents) kept on one letter: enough for every script, too few to smear the screen.
const MARKS: usize = 3;
/// Bytes kept of the parameters of a sequence; a longer one is no colour.
const PARAMETER_BYTES: usize = 256;

/// One line, ready to be drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrawnLine {
    pub text: String,
    /// Byte of `text` from which on a style holds, in order. The line begins without style.
    pub styles: Vec<(usize, JobStyle)>,
    /// Width of `text` in cells.
    pub cells: usize,
}

/// Returns one line of output (without its newline) as a terminal would have left it: what
/// stands behind the last carriage return wins, as progress bars mean it. At most `max_cells`
/// cells, with `…` where it was cut.
pub fn drawn_line(bytes: &[u8], max_cells: usize) -> DrawnLine {
    if bytes.len() <= max_cells && bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        return DrawnLine { cells: text.len(), text, styles: Vec::new() };
    }
    let mut out = Writer::new(max_cells);
    for chunk in bytes.utf8_chunks() {
        out.text(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    out.line
}

/// Returns text that must stay on one line, such as a job's inputs: line breaks show as `⏎`.
pub fn one_line(text: &str, max_cells: usize) -> String {
    if text.len() <= max_cells && text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return text.to_owned();
    }
    let mut out = Writer::new(max_cells);
    for part in text.split_inclusive(['\n', '\r']) {
        let body = part.trim_end_matches(['\n', '\r']);
        out.text(body);
        if body.len() < part.len() {
            out.state = State::Ground;
            out.show('⏎');
        }
    }
    out.line.text
}

/// Where in an escape sequence the text is, ECMA-48.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// `ESC (` and the like: one more character belongs to it.
    Charset,
    /// `ESC [` up to a byte of 0x40..=0x7e.
    Csi,
    /// `ESC ]`, `ESC P`, `ESC X`, `ESC ^`, `ESC _` up to BEL or `ESC \`.
    Text,
    TextEscape,
}

#[derive(Default)]
struct Writer {
    line: DrawnLine,
    max_cells: usize,
    marks: usize,
    /// A carriage return came: the next character starts the line anew.
    returned: bool,
    cut: bool,
    state: State,
    parameters: String,
    style: JobStyle,
}

impl Writer {
    fn new(max_cells: usize) -> Writer {
        Writer { max_cells, ..Writer::default() }
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            self.push(c);
        }
    }

    fn push(&mut self, c: char) {
        if self.state == State::TextEscape {
            // Only `ESC \` ends a string; any other sequence breaks it off and counts.
            self.state = if c == '\\' { State::Ground } else { State::Escape };
            if c == '\\' {
                return;
            }
        }
        self.state = match (self.state, c) {
            (State::Ground, '\x1b') => State::Escape,
            (State::Ground, '\u{9b}') => self.begin_csi(),
            (State::Ground, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => State::Text,
            (State::Ground, c) => {
                self.plain(c);
                State::Ground
            }
            (State::Escape, '[') => self.begin_csi(),
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::Text,
            (State::Escape, ' '..='/') => State::Charset,
            (State::Escape, '\x1b') => State::Escape,
            (State::Escape | State::Charset | State::TextEscape, _) => State::Ground,
            (State::Csi, '\x1b') => State::Escape,
            (State::Csi, ' '..='?') => {
                // One byte too many is kept, so that what was too long is not taken for short.
                if self.parameters.len() <= PARAMETER_BYTES {
                    self.parameters.push(c);
                }
                State::Csi
            }
            (State::Csi, '@'..='~') => {
                self.end_csi(c);
                State::Ground
            }
            // Not a sequence after all: what follows is text again.
            (State::Csi, c) => {
                self.plain(c);
                State::Ground
            }
            (State::Text, '\x07' | '\u{9c}') => State::Ground,
            (State::Text, '\x1b') => State::TextEscape,
            (State::Text, _) => State::Text,
        };
    }

    fn begin_csi(&mut self) -> State {
        self.parameters.clear();
        State::Csi
    }

    fn end_csi(&mut self, last: char) {
        let parameters = std::mem::take(&mut self.parameters);
        let is_plain = parameters.bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':');
        if !is_plain || parameters.len() > PARAMETER_BYTES {
            return;
        }
        match (last, parameters.as_str()) {
            ('m', _) => self.style.apply(&parameters),
            // To the first column: a carriage return in other words.
            ('G', "" | "0" | "1") => self.returned = true,
            // The whole line is erased.
            ('K', "2") => {
                self.returned = true;
                self.start_anew();
            }
            _ => {}
        }
    }

    fn plain(&mut self, c: char) {
        match c {
            '\r' => self.returned = true,
            '\t' => {
                self.start_anew();
                let to = (self.line.cells / TAB_CELLS + 1) * TAB_CELLS;
                while self.line.cells < to && !self.cut {
                    self.show(' ');
                }
            }
            '\x08' => self.step_back(),
            '\x07' => {}
            '\0'..='\x1f' => self.caret(char::from(c as u8 + 0x40)),
            '\x7f' => self.caret('?'),
            '\u{80}'..='\u{9f}' => self.show(char::REPLACEMENT_CHARACTER),
            c if is_invisible(c) => self.coded(c),
            c => self.show(c),
        }
    }

    fn start_anew(&mut self) {
        if std::mem::take(&mut self.returned) {
            self.line = DrawnLine::default();
            self.cut = false;
            self.marks = 0;
        }
    }

    fn step_back(&mut self) {
        if self.returned || self.cut {
            return;
        }
        if let Some(c) = self.line.text.pop() {
            self.line.cells = self.line.cells.saturating_sub(c.width().unwrap_or(0));
            let end = self.line.text.len();
            while self.line.styles.last().is_some_and(|(at, _)| *at >= end) {
                self.line.styles.pop();
            }
        }
    }

    fn caret(&mut self, c: char) {
        self.show('^');
        self.show(c);
    }

    fn coded(&mut self, c: char) {
        for c in format!("<{:04X}>", u32::from(c)).chars() {
            self.show(c);
        }
    }

    fn show(&mut self, c: char) {
        self.start_anew();
        let width = c.width().unwrap_or(0);
        self.marks = if width == 0 { self.marks + 1 } else { 0 };
        if self.cut || self.marks > MARKS || (width == 0 && self.line.text.is_empty()) {
            return;
        }
        let style = self.style.visible();
        if self.line.styles.last().map(|(_, s)| *s).unwrap_or_default() != style {
            self.line.styles.push((self.line.text.len(), style));
        }
        self.cut = self.line.cells + width > self.max_cells;
        let (c, width) = if self.cut { ('…', 1) } else { (c, width) };
        self.line.text.push(c);
        self.line.cells += width;
    }
}

/// Characters that draw nothing but change how others are read: bidi controls, zero-width
/// spaces, line separators, tags, annotation and variation marks.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::style::JobColor;

    /// Pieces of text and the colour of their letters as a number, -1 for none.
    fn colored(bytes: &[u8]) -> Vec<(String, i16)> {
        let line = drawn_line(bytes, 1000);
        let mut pieces = vec![(0, JobStyle::default())];
        pieces.extend(&line.styles);
        let ends = pieces.iter().skip(1).map(|(at, _)| *at).chain([line.text.len()]);
        let color = |style: &JobStyle| match style.fg {
            Some(JobColor::Ansi(n) | JobColor::Indexed(n)) => i16::from(n),
            Some(JobColor::Rgb(..)) => 1000,
            None => -1,
        };
        let piece = |((at, style), end): (&(usize, JobStyle), usize)| {
            (line.text[*at..end].to_owned(), color(style))
        };
        pieces.iter().zip(ends).map(piece).filter(|(text, _)| !text.is_empty()).collect()
    }

    #[test]
    fn colours_are_kept_and_every_other_sequence_goes() {
        type Pieces = [(&'static str, i16)];
        let cases: [(&[u8], &Pieces); 14] = [
            (b"plain", &[("plain", -1)]),
            (b"\x1b[31mred\x1b[0m not", &[("red", 1), (" not", -1)]),
            (b"a\x1b[31mb\x1b[mc", &[("a", -1), ("b", 1), ("c", -1)]),
            ("\u{9b}32mgreen".as_bytes(), &[("green", 2)]),
            (b"\x1b[31m\x1b[2J\x1b[1;1Hx", &[("x", 1)]),
            (b"\x1b[>4;31mx", &[("x", -1)]),
            (b"\x1b[?31mx", &[("x", -1)]),
            (b"\x1b[31 mx", &[("x", -1)]),
            (b"\x1b[31", &[]),
            (b"\x1b[31\x1b[32mx", &[("x", 2)]),
            (b"old\r\x1b[33mnew", &[("new", 3)]),
            (b"\x1b[33mkept\rover", &[("over", 3)]),
            (b"\x1b]0;\x1b[31mtitle\x07x", &[("titlex", 1)]),
            (b"x\x1b[31my\x08z", &[("x", -1), ("z", 1)]),
        ];
        for (bytes, pieces) in cases {
            let wanted: Vec<_> = pieces.iter().map(|(t, c)| ((*t).to_owned(), *c)).collect();
            assert_eq!(colored(bytes), wanted, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn an_endless_sequence_is_no_colour_and_costs_its_line_only() {
        let mut long = b"\x1b[".to_vec();
        long.extend(b"1;".repeat(100_000));
        long.extend(b"31mtext");
        assert_eq!(colored(&long), [("text".to_owned(), -1)]);
        let mut title = b"seen\x1b]0;".to_vec();
        title.extend(vec![b'x'; 100_000]);
        assert_eq!(drawn_line(&title, 80).text, "seen");
    }

    #[test]
    fn progress_shows_its_last_state() {
        for (raw, shown) in [
            (&b"10%\r50%\r100%"[..], "100%"),
            (b"10%\x1b[1G50%\x1b[G100%", "100%"),
            (b"long words\x1b[2K\rshort", "short"),
            (b"gone\x1b[2K", ""),
            (b"done\r", "done"),
            (b"kept\x1b[K", "kept"),
            (b"a\rb\tc", "b       c"),
        ] {
            assert_eq!(drawn_line(raw, 80).text, shown, "{raw:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_dangerous_ever_leaves(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
            max_cells in 0_usize..50,
        ) {
            let line = drawn_line(&bytes, max_cells);
            for c in line.text.chars() {
                proptest::prop_assert!(!c.is_control() && !is_invisible(c), "{c:?}");
            }
            let cells: usize = line.text.chars().filter_map(char::width).sum();
            proptest::prop_assert_eq!(cells, line.cells);
            proptest::prop_assert!(cells <= max_cells + 1);
            let mut last = None;
            for (at, _) in &line.styles {
                proptest::prop_assert!(line.text.is_char_boundary(*at) && *at < line.text.len());
                proptest::prop_assert!(last < Some(*at));
                last = Some(*at);
            }
        }

        #[test]
        fn sequences_made_of_their_own_letters_do_no_harm(
            text in "[\\x1b\\[\\]m;:?0-9GKPX\\\\\u{9b}\u{9d}\u{9c}\u{7}\r\t\u{8}ab日\u{301}]{0,80}",
        ) {
            for c in drawn_line(text.as_bytes(), 40).text.chars() {
                proptest::prop_assert!(!c.is_control(), "{c:?}");
            }
        }
    }
}
