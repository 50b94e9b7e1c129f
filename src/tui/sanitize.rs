//! Makes bytes that came from elsewhere harmless on a terminal, yet honest.
//!
//! Escape sequences disappear, other control characters and what cannot be seen show as
//! something that can. Nothing that leaves here can move the cursor, change a colour, turn
//! text around or hide.

use unicode_width::UnicodeWidthChar;

/// Cells of a line that are kept; more is cut with `…`: no screen is wider by far.
const LINE_CELLS: usize = 4096;
/// Distance of tab stops, as terminals have it.
const TAB_CELLS: usize = 8;
/// Marks (accents) kept on one letter: enough for every script, too few to smear the screen.
const MARKS: usize = 3;

/// Returns one line of job output (without its newline) as a terminal would have left it:
/// what stands behind the last carriage return wins, as progress bars mean it.
pub fn line(bytes: &[u8]) -> String {
    let mut out = Line::default();
    for chunk in bytes.utf8_chunks() {
        out.text(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.show('\u{FFFD}');
        }
    }
    out.text
}

/// Returns text that must stay on one line, such as a job's inputs: line breaks show as `⏎`.
pub fn one_line(text: &str) -> String {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return text.to_owned();
    }
    let mut out = Line::default();
    for part in text.split_inclusive(['\n', '\r']) {
        let body = part.trim_end_matches(['\n', '\r']);
        out.text(body);
        if body.len() < part.len() {
            out.show('⏎');
        }
    }
    out.text
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
struct Line {
    text: String,
    cells: usize,
    marks: usize,
    /// A carriage return came: the next character starts the line anew.
    returned: bool,
    cut: bool,
    state: State,
}

impl Line {
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            self.push(c);
        }
    }

    fn push(&mut self, c: char) {
        self.state = match (self.state, c) {
            (State::Ground, '\x1b') => State::Escape,
            (State::Ground, '\u{9b}') => State::Csi,
            (State::Ground, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => State::Text,
            (State::Ground, c) => {
                self.plain(c);
                State::Ground
            }
            (State::Escape, '[') => State::Csi,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::Text,
            (State::Escape, ' '..='/') => State::Charset,
            (State::Escape | State::TextEscape, '\x1b') => State::Escape,
            (State::Escape | State::Charset, _) => State::Ground,
            (State::Csi, '\x1b') => State::Escape,
            (State::Csi, ' '..='?') => State::Csi,
            (State::Csi, '@'..='~') => State::Ground,
            // Not a sequence after all: what follows is text again.
            (State::Csi, c) => {
                self.plain(c);
                State::Ground
            }
            (State::Text, '\x07' | '\u{9c}') => State::Ground,
            (State::Text, '\x1b') => State::TextEscape,
            (State::Text, _) => State::Text,
            (State::TextEscape, _) => State::Ground,
        };
    }

    fn plain(&mut self, c: char) {
        match c {
            '\r' => self.returned = true,
            '\t' => {
                let to = (self.cells / TAB_CELLS + 1) * TAB_CELLS;
                self.start_anew();
                while self.cells < to && !self.cut {
                    self.show(' ');
                }
            }
            '\x08' => self.step_back(),
            '\x07' => {}
            '\0'..='\x1f' => self.caret(char::from(c as u8 + 0x40)),
            '\x7f' => self.caret('?'),
            '\u{80}'..='\u{9f}' => self.show('\u{FFFD}'),
            c if is_invisible(c) => self.coded(c),
            c => self.show(c),
        }
    }

    fn start_anew(&mut self) {
        if std::mem::take(&mut self.returned) {
            self.text.clear();
            self.cells = 0;
            self.cut = false;
        }
    }

    fn step_back(&mut self) {
        if let Some(c) = self.text.pop() {
            self.cells = self.cells.saturating_sub(c.width().unwrap_or(0));
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
        if self.cut || self.marks > MARKS || (width == 0 && self.text.is_empty()) {
            return;
        }
        if self.cells + width > LINE_CELLS {
            self.text.push('…');
            self.cut = true;
            return;
        }
        self.text.push(c);
        self.cells += width;
    }
}

/// Characters that draw nothing but change how others are read: bidi controls, zero-width
/// spaces, line separators, tags, annotation and variation marks.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_harmless() {
        for (raw, shown) in [
            (&b"plain text"[..], "plain text"),
            (b"\x1b[1;31mred\x1b[0m", "red"),
            (b"a\x1b[2Jb\x1b[10;10Hc", "abc"),
            (b"\x1b]0;evil title\x07after", "after"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"\x1b]52;c;ZXZpbA==", ""),
            (b"\x1bPq#0;sixel\x1b\\ok", "ok"),
            (b"\x1b(0lqk\x1b(B", "lqk"),
            (b"\x1bcreset", "reset"),
            ("\u{9b}31mred".as_bytes(), "red"),
            ("\u{9d}0;t\u{9c}x".as_bytes(), "x"),
            (b"bell\x07", "bell"),
            (b"nul\0 esc-less \x01", "nul^@ esc-less ^A"),
            (b"del\x7f", "del^?"),
            (b"\xff\xfe raw", "\u{FFFD}\u{FFFD} raw"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"caf\xe9", "caf\u{FFFD}"),
            ("abc\u{202e}def".as_bytes(), "abc<202E>def"),
            ("zero\u{200b}width".as_bytes(), "zero<200B>width"),
            (b"a\tb", "a       b"),
            (b"12345678\tb", "12345678        b"),
            (b"10%\r50%\r100%", "100%"),
            (b"done\r", "done"),
            (b"crlf\r", "crlf"),
            (b"N\x08NA\x08A", "NA"),
            (b"\x1b[", ""),
            (b"\x1b", ""),
            ("日本".as_bytes(), "日本"),
        ] {
            assert_eq!(line(raw), shown, "{raw:?}");
        }
    }

    #[test]
    fn long_lines_and_towers_of_marks_are_cut() {
        let long = line(&vec![b'x'; 100_000]);
        assert!(long.chars().count() == LINE_CELLS + 1 && long.ends_with('…'));
        let tower = format!("a{}", "\u{301}".repeat(500));
        assert!(line(tower.as_bytes()).chars().count() <= 1 + MARKS);
    }

    #[test]
    fn labels_stay_on_one_line() {
        assert_eq!(one_line("a\nb"), "a⏎b");
        assert_eq!(one_line("x\x1b[31my"), "xy");
        assert_eq!(one_line("cat.png 256"), "cat.png 256");
    }

    proptest::proptest! {
        #[test]
        fn nothing_dangerous_ever_leaves(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            for c in line(&bytes).chars() {
                proptest::prop_assert!(!c.is_control() && !is_invisible(c), "{c:?}");
            }
        }
    }
}
