//! Colours and attributes that a job gives its text with SGR sequences (ECMA-48, `ESC [ … m`).
//!
//! Only what changes how letters look: nothing here can move a cursor or hide text.

use serde::{Deserialize, Serialize};

/// A colour as the job asked for it; whoever draws maps it to what the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobColor {
    /// 0 to 7, and 8 to 15 for the bright ones: the terminal's own palette.
    Ansi(u8),
    /// 16 to 255 of the usual table of 256.
    Indexed(u8),
    Rgb(u8, u8, u8),
}

/// How a piece of a job's output looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobStyle {
    pub fg: Option<JobColor>,
    pub bg: Option<JobColor>,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub reverse: bool,
    pub strike: bool,
}

/// Parameters of one sequence that are looked at: programs send up to about ten.
const PARAMETERS: usize = 32;

impl JobStyle {
    /// Takes in the parameters of one SGR sequence: what stands between `ESC [` and `m`.
    ///
    /// What is not known is passed over. Concealed text (8) stays visible: nothing hides.
    pub fn apply(&mut self, parameters: &str) {
        let groups: Vec<&str> = parameters.split(';').take(PARAMETERS).collect();
        let mut rest = groups.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let mut parts = first.split(':').map(number);
            let code = parts.next().flatten();
            let parts: Vec<Option<u16>> = parts.take(PARAMETERS).collect();
            match code {
                Some(38 | 48 | 58) => {
                    let color = if parts.is_empty() {
                        let (color, n_taken) = color_of_list(rest);
                        rest = rest.get(n_taken..).unwrap_or_default();
                        color
                    } else {
                        color_of_parts(&parts)
                    };
                    match code {
                        Some(38) => self.fg = color.or(self.fg),
                        Some(48) => self.bg = color.or(self.bg),
                        // The colour of underlines: read past, not kept.
                        _ => {}
                    }
                }
                Some(4) => self.underline = parts.first().is_none_or(|kind| *kind != Some(0)),
                Some(code) => self.set(code),
                None => {}
            }
        }
    }

    fn set(&mut self, code: u16) {
        // At most 107 where it matters, so the difference fits.
        let color = |from: u16, base: u8| Some(JobColor::Ansi(base + (code - from) as u8));
        match code {
            0 => *self = JobStyle::default(),
            1 => self.bold = true,
            2 => self.dim = true,
            3 => self.italic = true,
            7 => self.reverse = true,
            9 => self.strike = true,
            21 => self.underline = true,
            22 => (self.bold, self.dim) = (false, false),
            23 => self.italic = false,
            24 => self.underline = false,
            27 => self.reverse = false,
            29 => self.strike = false,
            30..=37 => self.fg = color(30, 0),
            39 => self.fg = None,
            40..=47 => self.bg = color(40, 0),
            49 => self.bg = None,
            90..=97 => self.fg = color(90, 8),
            100..=107 => self.bg = color(100, 8),
            _ => {}
        }
    }

    /// Returns the style with which the text can be seen: without the background where that
    /// has the colour of the letters.
    pub fn visible(self) -> JobStyle {
        match self.fg {
            Some(_) if self.fg == self.bg => JobStyle { bg: None, ..self },
            _ => self,
        }
    }
}

/// An empty parameter is zero; what is no number, or beyond 65535, is `None`.
fn number(text: &str) -> Option<u16> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

fn byte(value: Option<u16>) -> Option<u8> {
    u8::try_from(value?).ok()
}

fn indexed(n: u8) -> JobColor {
    if n < 16 { JobColor::Ansi(n) } else { JobColor::Indexed(n) }
}

/// `5;N` or `2;R;G;B` behind a 38, and how many parameters that were.
fn color_of_list(rest: &[&str]) -> (Option<JobColor>, usize) {
    let at = |i: usize| rest.get(i).and_then(|text| byte(number(text)));
    match at(0) {
        Some(5) => (at(1).map(indexed), 2),
        Some(2) => {
            let color = at(1).zip(at(2)).zip(at(3));
            (color.map(|((r, g), b)| JobColor::Rgb(r, g, b)), 4)
        }
        _ => (None, 1),
    }
}

/// `5:N`, `2:R:G:B` or `2:SPACE:R:G:B`, as ISO 8613-6 writes them.
fn color_of_parts(parts: &[Option<u16>]) -> Option<JobColor> {
    match parts {
        [Some(5), n, ..] => byte(*n).map(indexed),
        [Some(2), r, g, b] | [Some(2), _, r, g, b, ..] => {
            Some(JobColor::Rgb(byte(*r)?, byte(*g)?, byte(*b)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use JobColor::{Ansi, Indexed, Rgb};

    fn plain() -> JobStyle {
        JobStyle::default()
    }

    fn fg(color: JobColor) -> JobStyle {
        JobStyle { fg: Some(color), ..plain() }
    }

    fn bg(color: JobColor) -> JobStyle {
        JobStyle { bg: Some(color), ..plain() }
    }

    #[test]
    fn parameters_become_a_style() {
        let bold = JobStyle { bold: true, ..plain() };
        let underlined = JobStyle { underline: true, ..plain() };
        for (parameters, style) in [
            ("", plain()),
            ("0", plain()),
            ("31", fg(Ansi(1))),
            ("97", fg(Ansi(15))),
            ("44", bg(Ansi(4))),
            ("103", bg(Ansi(11))),
            ("1;31;0", plain()),
            ("1;31;39", bold),
            ("38;5;9", fg(Ansi(9))),
            ("38;5;208", fg(Indexed(208))),
            ("38;2;1;2;3", fg(Rgb(1, 2, 3))),
            ("48;2;1;2;3", bg(Rgb(1, 2, 3))),
            ("38:2:1:2:3", fg(Rgb(1, 2, 3))),
            ("38:2::1:2:3", fg(Rgb(1, 2, 3))),
            ("38:5:208", fg(Indexed(208))),
            ("58;5;9;1", bold),
            ("58;2;9;9;9;1", bold),
            ("4:3", underlined),
            ("4:0", plain()),
            ("4", underlined),
            ("8", plain()),
            ("5", plain()),
            ("1;2;22", plain()),
            ("38;5", plain()),
            ("38;2;1;2", plain()),
            ("38;5;300", plain()),
            ("38;9;1", bold),
            ("99999999999999999999;1", bold),
            ("x;1", bold),
            (";;;1", bold),
        ] {
            let mut seen = plain();
            seen.apply(parameters);
            assert_eq!(seen, style, "{parameters}");
        }
    }

    #[test]
    fn text_in_the_colour_of_its_background_shows() {
        let mut style = plain();
        style.apply("31;41");
        assert_eq!(style.visible(), fg(Ansi(1)));
        assert_eq!(bg(Ansi(1)).visible(), bg(Ansi(1)));
    }

    #[test]
    fn a_flood_of_parameters_ends() {
        let mut style = plain();
        style.apply(&"1;".repeat(1_000_000));
        style.apply(&"1:1".repeat(1_000_000));
        assert!(style.bold);
    }
}
