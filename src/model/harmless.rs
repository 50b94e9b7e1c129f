//! Output of jobs, made safe to show: no escape sequence reaches the terminal.

/// Returns one line of output as text: escape sequences left out, every other control
/// character and every byte that is not UTF-8 as U+FFFD, a tab as a blank, at most `max_chars`
/// characters with `…` where it was cut.
pub fn harmless_line(line: &[u8], max_chars: usize) -> String {
    // What is cut away need not be decoded; escapes and long characters need room.
    let line = &line[..line.len().min(max_chars.saturating_mul(16))];
    let text = String::from_utf8_lossy(line);
    let mut shown = String::new();
    let mut n_shown = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\u{1b}' => {
                skip_escape(&mut chars);
                continue;
            }
            '\r' | '\u{8}' => continue,
            '\t' => ' ',
            c if is_harmful(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        };
        if n_shown == max_chars {
            shown.push('…');
            break;
        }
        shown.push(c);
        n_shown += 1;
    }
    shown
}

/// Control characters, and those that turn the direction of text around.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Skips what follows ESC, see ECMA-48: a control sequence up to its final byte, a string up to
/// its terminator, else one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            for c in chars.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    break;
                }
            }
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        Some(' '..='/') => {
            chars.next();
        }
        _ => {}
    }
}

/// Returns the last `max_lines` lines that are not blank, harmless, oldest first.
pub fn last_lines(bytes: &[u8], max_lines: usize, max_chars: usize) -> Vec<String> {
    let mut lines: Vec<String> = bytes
        .rsplit(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .take(max_lines)
        .map(|line| harmless_line(last_drawn(line), max_chars))
        .collect();
    lines.reverse();
    lines
}

/// What a progress line that returns its carriage shows in the end.
fn last_drawn(line: &[u8]) -> &[u8] {
    line.split(|b| *b == b'\r').rfind(|part| !part.trim_ascii().is_empty()).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_is_left() {
        for (line, shown) in [
            (&b"plain"[..], "plain"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07x", "x"),
            (b"\x1b]8;;http://x\x1b\\link", "link"),
            (b"\x1bcreset", "reset"),
            (b"\x1b(Bset", "set"),
            (b"a\tb\x00c\x9b", "a b\u{fffd}c\u{fffd}"),
            ("\u{9b}31m".as_bytes(), "\u{fffd}31m"),
            ("\u{202e}abc".as_bytes(), "\u{fffd}abc"),
            (b"\x1b[", ""),
            (b"\x1b", ""),
            (b"caf\xc3\xa9 \xff", "café \u{fffd}"),
        ] {
            assert_eq!(harmless_line(line, 80), shown, "{line:?}");
        }
        assert_eq!(harmless_line(&[b'x'; 5000], 10), "xxxxxxxxxx…");
    }

    #[test]
    fn last_lines_leave_out_blank_ones_and_overdrawn_progress() {
        let bytes = b"a\n\n b \n10%\r20%\r100%\r\n\n";
        assert_eq!(last_lines(bytes, 2, 80), [" b ", "100%"]);
        assert_eq!(last_lines(b"", 2, 80), Vec::<String>::new());
    }
}
