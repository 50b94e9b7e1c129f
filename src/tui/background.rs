//! Is the terminal dark or light? Asked once, at the start, before anybody reads keys.
//!
//! OSC 11 asks for the background colour, and DA1, which every terminal answers, comes after it
//! as a fence: when its answer comes first, the colour is not told. Crates that ask this throw
//! away what is typed in the meantime; here it comes back as keys.
//!
//! xterm's control sequences: <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>.

use crate::clock;
use crate::tui::keys::KeyPress;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

/// Longest wait for the answers. One over ssh may come later: then [`LateAnswer`] takes it.
const PATIENCE: Duration = Duration::from_millis(100);

/// The two questions.
const ASK: &[u8] = b"\x1b]11;?\x1b\\\x1b[c";

/// What lies under the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    Dark,
    Light,
    /// The terminal does not say.
    Unknown,
}

/// What came of asking.
#[derive(Debug)]
pub struct Asked {
    pub background: Background,
    /// What was typed meanwhile, in order.
    pub typed: Vec<KeyEvent>,
    /// The fence has not come: an answer may still arrive among the keys.
    pub late: Option<LateAnswer>,
}

impl Asked {
    /// Nobody was asked; `COLORFGBG`, which some terminals set, may know.
    pub fn nobody(env: impl Fn(&str) -> Option<String>) -> Asked {
        Asked { background: from_colorfgbg(env), typed: Vec::new(), late: None }
    }
}

/// Asks the terminal, which must be in raw mode, with nobody else reading from it.
pub fn ask(env: impl Fn(&str) -> Option<String>) -> Asked {
    let term = env("TERM").unwrap_or_default();
    let tty = File::options().read(true).write(true).open("/dev/tty");
    let mut tty = match tty {
        Ok(tty) if !term.is_empty() && term != "dumb" => tty,
        _ => return Asked::nobody(env),
    };
    if tty.write_all(ASK).is_err() {
        return Asked::nobody(env);
    }
    let mut answers = Answers::default();
    let end = clock::mono() + PATIENCE;
    while !answers.fence {
        let left = end.since(clock::mono());
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&tty, PollFlags::IN)], Some(&wait)) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(1) => {}
            _ => break,
        }
        let mut bytes = [0; 256];
        match tty.read(&mut bytes) {
            Ok(n) if n > 0 => answers.take(&bytes[..n]),
            _ => break,
        }
    }
    let background = match answers.background {
        Background::Unknown => from_colorfgbg(env),
        known => known,
    };
    let late = (!answers.fence).then(|| answers.unfinished());
    Asked { background, typed: typed(&answers.bytes), late }
}

/// rxvt, Konsole and others say `15;0`: the numbers of foreground and background.
fn from_colorfgbg(env: impl Fn(&str) -> Option<String>) -> Background {
    let said = env("COLORFGBG").unwrap_or_default();
    match said.rsplit(';').next().and_then(|n| n.parse::<u8>().ok()) {
        Some(0..=6 | 8) => Background::Dark,
        Some(7 | 9..=15) => Background::Light,
        _ => Background::Unknown,
    }
}

/// What has come from the terminal so far.
#[derive(Debug)]
struct Answers {
    bytes: Vec<u8>,
    background: Background,
    fence: bool,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers { bytes: Vec::new(), background: Background::Unknown, fence: false }
    }
}

impl Answers {
    /// Takes in bytes; complete answers are taken out of them, what is left was typed.
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let Some((start, end)) = find(&self.bytes, b"\x1b]11;", |b| {
            ends_with(b, b"\x07").or_else(|| ends_with(b, b"\x1b\\"))
        }) {
            self.background = brightness(&self.bytes[start + 5..end]);
            self.bytes.drain(start..end);
        }
        let da1 = |b: &[u8]| {
            let n = b.iter().position(|c| !c.is_ascii_digit() && *c != b';')?;
            (b[n] == b'c').then_some(n + 1)
        };
        while let Some((start, end)) = find(&self.bytes, b"\x1b[?", da1) {
            self.fence = true;
            self.bytes.drain(start..end);
        }
    }

    /// Takes out an answer that has begun: the rest of it is still to come.
    fn unfinished(&mut self) -> LateAnswer {
        let begun = find(&self.bytes, b"\x1b]", |_| Some(0));
        let seen = begun.map(|(start, _)| {
            let begun = self.bytes.split_off(start);
            String::from_utf8_lossy(&begun[2..]).into_owned()
        });
        LateAnswer { seen, done: false }
    }
}

/// Finds what begins with `head`; `length` says how long the rest is.
fn find(
    bytes: &[u8],
    head: &[u8],
    length: impl Fn(&[u8]) -> Option<usize>,
) -> Option<(usize, usize)> {
    let start = bytes.windows(head.len()).position(|w| w == head)?;
    let rest = start + head.len();
    Some((start, rest + length(&bytes[rest..])?))
}

fn ends_with(bytes: &[u8], end: &[u8]) -> Option<usize> {
    let at = bytes.windows(end.len()).position(|w| w == end)?;
    Some(at + end.len())
}

/// Reads `rgb:14/16/1d` or `rgb:1414/1616/1d1d`, XParseColor(3).
fn brightness(answer: &[u8]) -> Background {
    let text = String::from_utf8_lossy(answer);
    let digits = |c: char| c.is_ascii_hexdigit() || c == '/';
    let value = text.strip_prefix("rgb:").or_else(|| text.strip_prefix("rgba:"));
    let value = value.map(|v| v.split(|c| !digits(c)).next().unwrap_or(""));
    let channel = |hex: &str| {
        let most = 16f32.powi(i32::try_from(hex.len()).ok()?) - 1.0;
        Some(u32::from_str_radix(hex, 16).ok()? as f32 / most)
    };
    let channels: Vec<f32> =
        value.unwrap_or("").split('/').filter(|h| h.len() <= 4).filter_map(channel).collect();
    match channels[..] {
        // Rec. 709 on values as they are: near enough to say which half they are in.
        [r, g, b, ..] if 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.5 => Background::Light,
        [_, _, _, ..] => Background::Dark,
        _ => Background::Unknown,
    }
}

/// Reads what was typed: text, control keys, and the sequences that arrows and the like send.
fn typed(bytes: &[u8]) -> Vec<KeyEvent> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.as_ref();
    let mut keys = Vec::new();
    while let Some(c) = rest.chars().next() {
        if let Some((sequence, code)) = SEQUENCES.iter().find(|(s, _)| rest.starts_with(s)) {
            keys.push(KeyEvent::new(*code, KeyModifiers::NONE));
            rest = &rest[sequence.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        let none = KeyModifiers::NONE;
        keys.push(match c {
            '\r' | '\n' => KeyEvent::new(KeyCode::Enter, none),
            '\t' => KeyEvent::new(KeyCode::Tab, none),
            '\x7f' | '\x08' => KeyEvent::new(KeyCode::Backspace, none),
            // A sequence that is not known is one key that nothing is bound to, not its letters.
            '\x1b' if rest.starts_with(['[', 'O']) => {
                let end = rest.find(|c: char| matches!(c, '@'..='Z' | 'a'..='z' | '~') && c != 'O');
                rest = end.map_or("", |end| &rest[end + 1..]);
                continue;
            }
            '\x1b' => KeyEvent::new(KeyCode::Esc, none),
            '\0'..='\x1f' => {
                let letter = char::from(c as u8 + b'a' - 1);
                KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
            }
            c => KeyEvent::new(KeyCode::Char(c), none),
        });
    }
    keys
}

/// What keys send that a person is likely to press at the start.
const SEQUENCES: [(&str, KeyCode); 10] = [
    ("\x1b[A", KeyCode::Up),
    ("\x1b[B", KeyCode::Down),
    ("\x1b[C", KeyCode::Right),
    ("\x1b[D", KeyCode::Left),
    ("\x1bOA", KeyCode::Up),
    ("\x1bOB", KeyCode::Down),
    ("\x1b[H", KeyCode::Home),
    ("\x1b[F", KeyCode::End),
    ("\x1b[5~", KeyCode::PageUp),
    ("\x1b[6~", KeyCode::PageDown),
];

/// Takes an answer that came too late out of the keys: to crossterm it is Alt-] and text, and
/// the `r` of `rgb` would retry a job.
#[derive(Debug, Default)]
pub struct LateAnswer {
    /// What of it has come.
    seen: Option<String>,
    done: bool,
}

impl LateAnswer {
    /// Tells whether a key is a part of the answer, and must not be passed on.
    pub fn swallows(&mut self, key: &KeyEvent) -> bool {
        if self.done {
            return false;
        }
        let press = KeyPress::from(*key);
        let (alt, ctrl) =
            (press.modifiers == KeyModifiers::ALT, press.modifiers == KeyModifiers::CONTROL);
        match (&mut self.seen, press.code) {
            (None, KeyCode::Char(']')) if alt => self.seen = Some(String::new()),
            (None, _) => return false,
            (Some(_), KeyCode::Char('\\')) if alt => self.done = true,
            (Some(_), KeyCode::Char('g')) if ctrl => self.done = true,
            (Some(seen), KeyCode::Char(c)) if press.modifiers.is_empty() && fits(seen, c) => {
                seen.push(c);
            }
            // No answer, but somebody who types.
            (Some(_), _) => {
                self.done = true;
                return false;
            }
        }
        true
    }
}

/// Whether `11;rgb:hhhh/hhhh/hhhh` can go on so.
fn fits(seen: &str, next: char) -> bool {
    const HEAD: &str = "11;rgb:";
    match HEAD.chars().nth(seen.len()) {
        Some(wanted) => next == wanted,
        None => seen.len() < 32 && (next.is_ascii_hexdigit() || next == '/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of bytes that arrive in these pieces: the background, whether the fence came,
    /// and the keys.
    fn answered(pieces: &[&str]) -> (Background, bool, String) {
        let mut answers = Answers::default();
        for piece in pieces {
            answers.take(piece.as_bytes());
        }
        let (background, fence) = (answers.background, answers.fence);
        let keys: Vec<_> =
            typed(&answers.bytes).iter().map(|k| KeyPress::from(*k).to_string()).collect();
        (background, fence, keys.join(" "))
    }

    #[test]
    fn answers_are_told_from_keys_however_they_arrive() {
        use Background::{Dark, Light, Unknown};
        for (pieces, background, fence, keys) in [
            (&["\x1b]11;rgb:1414/1616/1d1d\x1b\\\x1b[?62;22c"][..], Dark, true, ""),
            (&["\x1b]11;rgb:fa/fa/f7\x07\x1b[?6c"], Light, true, ""),
            (&["\x1b]11;rgba:ffff/ffff/ffff/8000\x07\x1b[?1;2c"], Light, true, ""),
            (&["\x1b[?6c"], Unknown, true, ""),
            (&["q", "\x1b]11;rgb:00", "00/0000/0000\x1b", "\\K\x1b[?6", "cé"], Dark, true, "q K é"),
            (&["k\x1b[B\x1b[1;5Cq\x03\r"], Unknown, false, "k Down q Ctrl-C Enter"),
            (&["\x1b"], Unknown, false, "Esc"),
            (&["\x1b]11;nonsense\x07"], Unknown, false, ""),
        ] {
            assert_eq!(answered(pieces), (background, fence, keys.to_owned()), "{pieces:?}");
        }
    }

    #[test]
    fn an_answer_that_has_begun_ends_among_the_keys() {
        let mut answers = Answers::default();
        answers.take(b"j\x1b]11;rgb:1414/16");
        let mut late = answers.unfinished();
        assert_eq!(typed(&answers.bytes).len(), 1);
        for c in "16/1d1d".chars() {
            assert!(late.swallows(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)), "{c}");
        }
        assert!(late.swallows(&KeyEvent::new(KeyCode::Char('\\'), KeyModifiers::ALT)));
        assert!(!late.swallows(&KeyEvent::new(KeyCode::Char('r'), KeyModifiers::NONE)));
    }

    #[test]
    fn the_environment_may_know_the_background() {
        for (said, background) in [
            ("15;0", Background::Dark),
            ("0;15", Background::Light),
            ("0;default;15", Background::Light),
            ("15;default", Background::Unknown),
            ("", Background::Unknown),
        ] {
            let asked = Asked::nobody(|name| (name == "COLORFGBG").then(|| said.to_owned()));
            assert_eq!(asked.background, background, "{said}");
        }
    }

    #[test]
    fn a_late_answer_retries_no_job() {
        let passed = |events: &[(char, KeyModifiers)]| {
            let mut late = LateAnswer::default();
            let keys = events.iter().map(|(c, m)| KeyEvent::new(KeyCode::Char(*c), *m));
            keys.filter(|k| !late.swallows(k)).filter_map(|k| k.code.as_char()).collect::<String>()
        };
        let none = |text: &str| text.chars().map(|c| (c, KeyModifiers::NONE)).collect::<Vec<_>>();
        let alt = |c: char| vec![(c, KeyModifiers::ALT)];
        let bell = vec![('g', KeyModifiers::CONTROL)];
        let answer = none("11;rgb:1414/1616/1d1d");
        for (events, left) in [
            ([none("j"), alt(']'), answer.clone(), alt('\\'), none("r")].concat(), "jr"),
            ([alt(']'), answer, bell, none("]r")].concat(), "]r"),
            ([alt(']'), none("r11;")].concat(), "r11;"),
            (none("rgb:"), "rgb:"),
        ] {
            assert_eq!(passed(&events), left);
        }
    }
}
