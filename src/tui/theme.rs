//! Colours by role: what a thing means, never which widget it is.
//!
//! Themes are YAML files built into the binary. The terminal's depth of colour decides what
//! becomes of them: as written, one of 256, one of 16, or none.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use std::collections::BTreeMap;

macro_rules! roles {
    ($($variant:ident $name:literal),+ $(,)?) => {
        /// What something on the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Role { $($variant),+ }

        /// Every role with its name in theme files.
        pub const ROLES: &[(Role, &str)] = &[$((Role::$variant, $name)),+];
    };
}

roles! {
    Screen "screen", Text "text", Strong "strong", Dim "dim",
    Title "title", TitleFocus "title_focus", Border "border", BorderFocus "border_focus",
    Key "key", KeyText "key_text", Heading "heading",
    Select "select", SelectBlur "select_blur",
    Good "good", Bad "bad", Warn "warn",
    Run "run", Paused "paused", Quiet "quiet", Stopping "stopping", Idle "idle",
    BarDone "bar_done", BarFailed "bar_failed", BarRunning "bar_running", BarRest "bar_rest",
    GraphLow "graph_low", GraphHigh "graph_high",
    CpuUser "cpu_user", CpuNice "cpu_nice", CpuSystem "cpu_system", CpuIrq "cpu_irq",
    CpuSoftirq "cpu_softirq", CpuSteal "cpu_steal", CpuIowait "cpu_iowait", Memory "memory",
    Stderr "stderr",
    Popup "popup", PopupBorder "popup_border", Choice "choice",
    BannerGood "banner_good", BannerBad "banner_bad",
}

/// The themes that are built in: name and text. The first is the default.
pub const THEMES: [(&str, &str); 4] = [
    ("dark", include_str!("../../themes/dark.yaml")),
    ("light", include_str!("../../themes/light.yaml")),
    ("contrast", include_str!("../../themes/contrast.yaml")),
    ("mono", include_str!("../../themes/mono.yaml")),
];

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    None,
    Ansi16,
    Ansi256,
    True,
}

/// A theme made ready for a terminal.
#[derive(Clone, Debug)]
pub struct Theme {
    pub name: String,
    pub depth: Depth,
    styles: Vec<Style>,
    low_high: Option<([u8; 3], [u8; 3])>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeFile {
    name: String,
    roles: BTreeMap<String, RoleStyle>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RoleStyle {
    fg: Option<String>,
    bg: Option<String>,
    ansi: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
}

impl Theme {
    /// Reads a theme and fits it to a terminal.
    ///
    /// # Errors
    /// In words, when the text is no theme, a role is missing or unknown, or a colour is none.
    pub fn parse(text: &str, depth: Depth) -> Result<Theme, String> {
        let file: ThemeFile = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
        if let Some(unknown) = file.roles.keys().find(|k| ROLES.iter().all(|(_, n)| n != k)) {
            return Err(format!("theme `{}`: unknown role `{unknown}`", file.name));
        }
        let mut styles = Vec::with_capacity(ROLES.len());
        for (_, name) in ROLES {
            let role = file.roles.get(*name);
            let role =
                role.ok_or_else(|| format!("theme `{}`: role `{name}` is missing", file.name))?;
            styles.push(
                role.style(depth).map_err(|e| format!("theme `{}`: {name}: {e}", file.name))?,
            );
        }
        let rgb = |role: Role| match styles[role as usize].fg {
            Some(Color::Rgb(r, g, b)) => Some([r, g, b]),
            _ => None,
        };
        let low_high = rgb(Role::GraphLow).zip(rgb(Role::GraphHigh));
        Ok(Theme { name: file.name, depth, styles, low_high })
    }

    /// Returns a built-in theme by name; the plain one without colours when that is unknown or
    /// the terminal has none.
    pub fn named(name: &str, depth: Depth) -> Theme {
        let name = if depth == Depth::None { "mono" } else { name };
        let text = THEMES.iter().find(|(n, _)| *n == name).map_or(THEMES[3].1, |(_, text)| text);
        Theme::parse(text, depth).unwrap_or_else(|_| Theme::bare())
    }

    /// The theme of last resort: no style at all.
    fn bare() -> Theme {
        Theme {
            name: "bare".to_owned(),
            depth: Depth::None,
            styles: vec![Style::new(); ROLES.len()],
            low_high: None,
        }
    }

    /// Returns the name of the theme after this one.
    pub fn next_name(&self) -> &'static str {
        let at = THEMES.iter().position(|(n, _)| *n == self.name).unwrap_or(0);
        THEMES[(at + 1) % THEMES.len()].0
    }

    /// Returns how a role looks.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// Returns the style of a graph's row at `height` (0.0 lowest, 1.0 highest).
    pub fn gradient(&self, height: f32) -> Style {
        let Some((low, high)) = self.low_high else {
            return self.style(if height > 0.66 { Role::GraphHigh } else { Role::GraphLow });
        };
        let t = height.clamp(0.0, 1.0);
        let mix =
            |i: usize| (f32::from(low[i]) + (f32::from(high[i]) - f32::from(low[i])) * t) as u8;
        self.style(Role::GraphLow).fg(Color::Rgb(mix(0), mix(1), mix(2)))
    }
}

impl RoleStyle {
    fn style(&self, depth: Depth) -> Result<Style, String> {
        let mut style = Style::new();
        let fg = self.fg.as_deref().map(parse_color).transpose()?;
        let bg = self.bg.as_deref().map(parse_color).transpose()?;
        let ansi = self.ansi.as_deref().map(parse_color).transpose()?;
        match (depth, ansi) {
            // A role with a background keeps that one: `ansi` names what fills most cells.
            (Depth::Ansi16, Some(Color::Reset)) => {}
            (Depth::Ansi16, Some(c)) if bg.is_some() => style = style.bg(c).fg(contrast_to(c)),
            (Depth::Ansi16, Some(c)) => style = style.fg(c),
            _ => {
                style.fg = fg.and_then(|c| fit(c, depth));
                style.bg = bg.and_then(|c| fit(c, depth));
            }
        }
        let marks = [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            (self.italic, Modifier::ITALIC),
            (self.underline, Modifier::UNDERLINED),
            (self.reverse, Modifier::REVERSED),
        ];
        for (on, modifier) in marks {
            if on {
                style = style.add_modifier(modifier);
            }
        }
        Ok(style)
    }
}

fn contrast_to(background: Color) -> Color {
    match background {
        Color::Black | Color::Blue | Color::Red | Color::Magenta | Color::DarkGray => Color::White,
        _ => Color::Black,
    }
}

/// Reads `#rrggbb` or one of the sixteen names that terminals have.
fn parse_color(text: &str) -> Result<Color, String> {
    if let Some(hex) = text.strip_prefix('#') {
        let n = u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 6);
        let [_, r, g, b] = n.ok_or_else(|| format!("`{text}` is no colour"))?.to_be_bytes();
        return Ok(Color::Rgb(r, g, b));
    }
    let named = NAMED.iter().find(|(name, _, _)| *name == text);
    if text == "default" {
        return Ok(Color::Reset);
    }
    named.map(|(_, color, _)| *color).ok_or_else(|| format!("`{text}` is no colour"))
}

/// The sixteen colours, as xterm draws them.
const NAMED: [(&str, Color, [u8; 3]); 16] = [
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

fn fit(color: Color, depth: Depth) -> Option<Color> {
    let Color::Rgb(r, g, b) = color else {
        return (depth != Depth::None).then_some(color);
    };
    match depth {
        Depth::None => None,
        Depth::True => Some(color),
        Depth::Ansi256 => Some(Color::Indexed(nearest_256([r, g, b]))),
        Depth::Ansi16 => NAMED
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

/// Tells how many colours the terminal has, from what `env` says (no-color.org, COLORTERM, TERM).
pub fn detect(env: impl Fn(&str) -> Option<String>) -> Depth {
    if env("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        return Depth::None;
    }
    let term = env("TERM").unwrap_or_default();
    if term == "dumb" || term.starts_with("vt1") || term.starts_with("vt2") {
        return Depth::None;
    }
    let has = |words: &[&str]| words.iter().any(|w| term.contains(w));
    if matches!(env("COLORTERM").as_deref(), Some("truecolor" | "24bit"))
        || has(&["direct", "kitty", "alacritty", "ghostty", "wezterm", "foot"])
    {
        return Depth::True;
    }
    if has(&["256", "tmux", "screen"]) { Depth::Ansi256 } else { Depth::Ansi16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_names_every_role_at_every_depth() {
        for (name, text) in THEMES {
            for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
                let theme = Theme::parse(text, depth).unwrap();
                assert_eq!(theme.name, name);
            }
        }
    }

    #[test]
    fn a_theme_that_is_wrong_says_where() {
        let missing = Theme::parse("name: x\nroles: {text: {}}", Depth::True);
        assert!(missing.unwrap_err().contains("role `screen` is missing"));
        let bad = THEMES[0].1.replace("\"#c5cbd6\"", "\"#c5cbd\"");
        assert!(Theme::parse(&bad, Depth::True).unwrap_err().contains("`#c5cbd` is no colour"));
        let unknown = format!("{}  bogus: {{}}\n", THEMES[0].1);
        assert!(Theme::parse(&unknown, Depth::True).unwrap_err().contains("unknown role `bogus`"));
    }

    #[test]
    fn mono_has_no_colour_and_no_colour_means_mono() {
        for (role, name) in ROLES {
            for theme in [Theme::named("dark", Depth::None), Theme::named("mono", Depth::True)] {
                let style = theme.style(*role);
                assert!(style.fg.is_none() && style.bg.is_none(), "{name}");
            }
        }
    }

    #[test]
    fn the_depth_follows_the_environment() {
        for (pairs, depth) in [
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "1")][..], Depth::None),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Depth::Ansi256),
            (&[("TERM", "xterm"), ("COLORTERM", "truecolor")], Depth::True),
            (&[("TERM", "xterm-kitty")], Depth::True),
            (&[("TERM", "tmux-256color")], Depth::Ansi256),
            (&[("TERM", "linux")], Depth::Ansi16),
            (&[("TERM", "dumb")], Depth::None),
        ] {
            let env = |n: &str| pairs.iter().find(|(k, _)| *k == n).map(|(_, v)| (*v).to_owned());
            assert_eq!(detect(env), depth, "{pairs:?}");
        }
    }

    #[test]
    fn colours_find_their_nearest() {
        assert_eq!(nearest_256([255, 0, 0]), 196);
        assert_eq!(nearest_256([128, 128, 128]), 244);
        assert_eq!(nearest_256([0, 0, 0]), 16);
        assert_eq!(fit(Color::Rgb(250, 10, 10), Depth::Ansi16), Some(Color::LightRed));
    }

    #[test]
    fn themes_cycle() {
        let mut theme = Theme::named("dark", Depth::True);
        for _ in 0..THEMES.len() {
            theme = Theme::named(theme.next_name(), Depth::True);
        }
        assert_eq!(theme.name, "dark");
    }
}
