//! Colours and styles as theme files write them, and what a terminal with fewer colours makes of
//! them.

use super::Depth;
use ratatui::style::{Color, Modifier, Style};
use std::collections::BTreeMap;

/// Colours that a theme file gives names to.
pub type Palette = BTreeMap<String, Color>;

/// A style before it is fitted to a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub fg: Option<Color>,
    pub bg: Option<Color>,
    pub marks: Modifier,
    /// The same for sixteen colours, when the nearest ones will not do.
    pub ansi: Option<Box<Look>>,
}

/// The attributes of text by name.
pub const MARKS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
];

impl Look {
    /// Reads `[bold|dim|italic|underline|reverse ...] [COLOUR] [on COLOUR]`.
    ///
    /// # Errors
    /// In words, when a word is none of these.
    pub fn parse(text: &str, palette: &Palette) -> Result<Look, String> {
        let mut look = Look::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let mark = MARKS.iter().find(|(name, _)| *name == word);
            if let Some((_, mark)) = mark {
                look.marks |= *mark;
            } else if word == "on" {
                let below = words.next().ok_or("a colour must follow `on`")?;
                look.bg = Some(parse_color(below, palette)?);
            } else if look.fg.is_some() {
                return Err(format!("`{word}` follows a colour; a background is `on {word}`"));
            } else {
                look.fg = Some(parse_color(word, palette)?);
            }
        }
        Ok(look)
    }

    /// Returns the style on a terminal with so many colours.
    pub fn style(&self, depth: Depth) -> Style {
        let (look, marks) = match (&self.ansi, depth) {
            (Some(ansi), Depth::Ansi16) => (&**ansi, self.marks | ansi.marks),
            _ => (self, self.marks),
        };
        let mut style = Style::new().add_modifier(marks);
        style.fg = look.fg.and_then(|c| fit(c, depth));
        style.bg = look.bg.and_then(|c| fit(c, depth));
        style
    }
}

/// Reads `#rrggbb`, a name of the palette, `default`, or one of the sixteen names that terminals
/// have.
///
/// # Errors
/// In words, when it is none of these.
pub fn parse_color(text: &str, palette: &Palette) -> Result<Color, String> {
    // In `on "#303848"` the quotes are a part of a YAML text that does not begin with them.
    let text = text.trim_matches(['"', '\'']);
    if let Some(hex) = text.strip_prefix('#') {
        let digits = hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let n = u32::from_str_radix(hex, 16).ok().filter(|_| digits);
        let n = n.ok_or_else(|| format!("`{text}` is no colour: write `#rrggbb`"))?;
        let [_, r, g, b] = n.to_be_bytes();
        return Ok(Color::Rgb(r, g, b));
    }
    if text == "default" {
        return Ok(Color::Reset);
    }
    if let Some(color) = palette.get(text) {
        return Ok(*color);
    }
    if let Some((_, color, _)) = ANSI.iter().find(|(name, _, _)| *name == text) {
        return Ok(*color);
    }
    let known = palette.keys().map(String::as_str).chain(ANSI.iter().map(|(name, _, _)| *name));
    let hint = crate::tui::settings::meant(text, known);
    let hint = if hint.is_empty() {
        "; write `#rrggbb` in quotes, a name from `colors`, `default`, or `red`, `bright_blue` \
         and so on"
            .to_owned()
    } else {
        hint
    };
    Err(format!("`{text}` is no colour{hint}"))
}

/// The sixteen colours, as xterm draws them.
pub const ANSI: [(&str, Color, [u8; 3]); 16] = [
    ("black", Color::Black, [0, 0, 0]),
    ("red", Color::Red, [205, 0, 0]),
    ("green", Color::Green, [0, 205, 0]),
    ("yellow", Color::Yellow, [205, 205, 0]),
    ("blue", Color::Blue, [0, 0, 238]),
    ("magenta", Color::Magenta, [205, 0, 205]),
    ("cyan", Color::Cyan, [0, 205, 205]),
    ("white", Color::Gray, [229, 229, 229]),
    ("bright_black", Color::DarkGray, [127, 127, 127]),
    ("bright_red", Color::LightRed, [255, 0, 0]),
    ("bright_green", Color::LightGreen, [0, 255, 0]),
    ("bright_yellow", Color::LightYellow, [255, 255, 0]),
    ("bright_blue", Color::LightBlue, [92, 92, 255]),
    ("bright_magenta", Color::LightMagenta, [255, 0, 255]),
    ("bright_cyan", Color::LightCyan, [0, 255, 255]),
    ("bright_white", Color::White, [255, 255, 255]),
];

/// Returns what a terminal with so many colours shows; `None` for its own.
pub fn fit(color: Color, depth: Depth) -> Option<Color> {
    if depth == Depth::None || color == Color::Reset {
        return None;
    }
    let Color::Rgb(r, g, b) = color else { return Some(color) };
    match depth {
        Depth::None => None,
        Depth::True => Some(color),
        Depth::Ansi256 => Some(Color::Indexed(nearest_256([r, g, b]))),
        Depth::Ansi16 => ANSI
            .iter()
            .min_by_key(|(_, _, of)| distance([r, g, b], *of))
            .map(|(_, color, _)| *color),
    }
}

/// The nearest of the colour cube (16 to 231) and the grey ramp (232 to 255).
fn nearest_256(rgb: [u8; 3]) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |v: u8| (0..6u8).min_by_key(|i| STEPS[usize::from(*i)].abs_diff(v)).unwrap_or(0);
    let cube = rgb.map(step);
    let cube_rgb = cube.map(|i| STEPS[usize::from(i)]);
    let mean = rgb.iter().map(|v| u16::from(*v)).sum::<u16>() / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey_rgb = [8 + grey * 10; 3];
    if distance(rgb, grey_rgb) < distance(rgb, cube_rgb) {
        232 + grey
    } else {
        16 + 36 * cube[0] + 6 * cube[1] + cube[2]
    }
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    (0..3).map(|i| u32::from(a[i].abs_diff(b[i])).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_find_their_nearest() {
        assert_eq!(nearest_256([255, 0, 0]), 196);
        assert_eq!(nearest_256([128, 128, 128]), 244);
        assert_eq!(nearest_256([0, 0, 0]), 16);
        assert_eq!(fit(Color::Rgb(250, 10, 10), Depth::Ansi16), Some(Color::LightRed));
        assert_eq!(fit(Color::Reset, Depth::True), None);
    }

    #[test]
    fn styles_are_read_as_people_say_them() {
        let palette = Palette::from([("sea".to_owned(), Color::Rgb(1, 2, 3))]);
        let look = Look::parse("bold underline sea on #ffffff", &palette).unwrap();
        assert_eq!(look.fg, Some(Color::Rgb(1, 2, 3)));
        assert_eq!(look.bg, Some(Color::Rgb(255, 255, 255)));
        assert_eq!(look.marks, Modifier::BOLD | Modifier::UNDERLINED);
        let quoted = Look::parse("on \"#303848\"", &palette).unwrap();
        assert_eq!(quoted.bg, Some(Color::Rgb(0x30, 0x38, 0x48)));
        assert_eq!(Look::parse("", &palette).unwrap(), Look::default());
        for (wrong, says) in [
            ("sae", "did you mean `sea`"),
            ("#12345", "write `#rrggbb`"),
            ("#+12345", "write `#rrggbb`"),
            ("red blue", "`on blue`"),
            ("red on", "must follow `on`"),
            ("chartreuse", "a name from `colors`"),
        ] {
            let error = Look::parse(wrong, &palette).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    #[test]
    fn sixteen_colours_have_a_style_of_their_own_when_the_theme_says_so() {
        let palette = Palette::new();
        let mut look = Look::parse("bold #ffffff on #000000", &palette).unwrap();
        assert_eq!(look.style(Depth::Ansi16).bg, Some(Color::Black));
        look.ansi = Some(Box::new(Look::parse("underline blue", &palette).unwrap()));
        let style = look.style(Depth::Ansi16);
        assert_eq!((style.fg, style.bg), (Some(Color::Blue), None));
        assert_eq!(style.add_modifier, Modifier::BOLD | Modifier::UNDERLINED);
        assert_eq!(look.style(Depth::True).fg, Some(Color::Rgb(255, 255, 255)));
        assert_eq!(look.style(Depth::None), Style::new().bold());
    }
}
