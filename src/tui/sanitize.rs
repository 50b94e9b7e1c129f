//! Makes bytes that came from elsewhere harmless on a terminal, yet honest.
//!
//! The rules stand in [`crate::model::drawn`]; here colours are left out too.

use crate::model::drawn;

/// Cells of a line that are kept; more is cut with `…`: no screen is wider by far.
const LINE_CELLS: usize = 4096;

/// Returns one line of job output (without its newline) as a terminal would have left it:
/// what stands behind the last carriage return wins, as progress bars mean it.
pub fn line(bytes: &[u8]) -> String {
    drawn::drawn_line(bytes, LINE_CELLS).text
}

/// Returns text that must stay on one line, such as a job's inputs: line breaks show as `⏎`.
pub fn one_line(text: &str) -> String {
    drawn::one_line(text, LINE_CELLS)
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
        assert!(line(tower.as_bytes()).chars().count() <= 4);
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
                proptest::prop_assert!(!c.is_control() && !drawn::is_invisible(c), "{c:?}");
            }
        }
    }
}
