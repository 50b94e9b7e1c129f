//! Puts a value into POSIX shell text so that it arrives as exactly one word.

/// How a value is quoted where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quoting {
    pub style: Style,
    pub backticks: Backticks,
}

/// Backquotes around a place: each takes off one level of backslashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backticks {
    /// At most 8.
    pub levels: u8,
    /// A bit for each level, the outermost lowest: it stands in double quotes, where it takes
    /// the backslash off `"` too.
    in_double: u8,
}

impl Backticks {
    /// Returns the same with one more level inside.
    pub fn inside(self, in_double: bool) -> Backticks {
        let bit = u8::from(in_double).checked_shl(self.levels.into()).unwrap_or(0);
        Backticks { levels: self.levels + 1, in_double: self.in_double | bit }
    }
}

/// What surrounds the place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// No quotes; `alone`: it is a whole word between blanks.
    Bare { alone: bool },
    /// `"..."`; `glued`: directly after `$name`.
    InDouble { glued: bool },
    /// `'...'`
    InSingle,
    /// The word of `"${name:-word}"`.
    InDoubleBraces,
}

/// Appends `value` to `out`, quoted for its place.
///
/// Single quotes are used wherever they can be: nothing but `'` has a meaning in them, and `'`
/// is never the second byte of a character in the multi-byte encodings that shells know.
pub(super) fn put_value(out: &mut Vec<u8>, value: &[u8], quoting: Quoting) {
    let backticks = quoting.backticks;
    if backticks.levels == 0 {
        put_styled(out, value, quoting.style);
        return;
    }
    let mut word = Vec::new();
    put_styled(&mut word, value, quoting.style);
    for level in (0..backticks.levels).rev() {
        // bash looks for `{a,b}` before it looks at backquotes: to it, a bare `"` in them ends
        // the double quotes around them.
        let in_double = backticks.in_double >> level & 1 == 1;
        word = escaped(&word, if in_double { b"$`\\\"" } else { b"$`\\" });
    }
    out.extend_from_slice(&word);
}

fn put_styled(out: &mut Vec<u8>, value: &[u8], style: Style) {
    match style {
        Style::Bare { alone } if alone && reads_as_is(value) => out.extend_from_slice(value),
        Style::Bare { .. } => {
            out.push(b'\'');
            put_in_single(out, value);
            out.push(b'\'');
        }
        Style::InDouble { glued: false } if value.iter().all(|b| is_harmless_in_double(*b)) => {
            out.extend_from_slice(value);
        }
        Style::InDouble { .. } => {
            // Leaves the double quotes for the value and enters them again.
            out.extend_from_slice(b"\"'");
            put_in_single(out, value);
            out.extend_from_slice(b"'\"");
        }
        Style::InSingle => put_in_single(out, value),
        Style::InDoubleBraces => {
            for byte in value {
                match byte {
                    b'$' | b'`' | b'"' | b'\\' | b'}' => out.extend_from_slice(&[b'\\', *byte]),
                    // Here bash, unlike POSIX, takes `'` for the start of a quote and `<(` for
                    // that of a command, and keeps a backslash before them.
                    _ if byte.is_ascii_punctuation() && !b"_./-:@%+,=^".contains(byte) => {
                        out.extend_from_slice(b"$(echo \\");
                        out.extend_from_slice(&[*byte, b')']);
                    }
                    _ => out.push(*byte),
                }
            }
        }
    }
}

fn put_in_single(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            _ => out.push(*byte),
        }
    }
}

fn escaped(text: &[u8], special: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for byte in text {
        if special.contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// Tells whether a whole word needs no quotes. Words of small letters only may be reserved or
/// aliases, so they get quotes.
fn reads_as_is(value: &[u8]) -> bool {
    let is_safe = |b: &u8| b.is_ascii_alphanumeric() || b"_./-:@%+,".contains(b);
    value.iter().all(is_safe) && value.iter().any(|b| !b.is_ascii_lowercase())
}

fn is_harmless_in_double(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !b"\"$`\\!'".contains(&byte)
}
