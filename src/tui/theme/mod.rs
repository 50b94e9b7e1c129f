//! Colours by role: what a thing means, never which widget it is.
//!
//! Themes are YAML files, some built into the binary, others a person's own ([`store`]). The
//! terminal's depth of colour decides what becomes of them: as written, one of 256, one of 16,
//! or none.

pub mod color;
mod file;
mod job;
pub mod roles;
pub mod store;

#[cfg(test)]
mod vision;

pub use file::Looks;
pub use roles::{ROLES, Role, RoleInfo, TASKS};

use crate::tui::settings::Warning;
use ratatui::style::{Color, Style};

/// The themes that are built in: name and text. The first is the default on a dark terminal.
pub const THEMES: [(&str, &str); 9] = [
    ("dark", include_str!("../../../themes/dark.yaml")),
    ("light", include_str!("../../../themes/light.yaml")),
    ("contrast", include_str!("../../../themes/contrast.yaml")),
    ("colorblind", include_str!("../../../themes/colorblind.yaml")),
    ("gruvbox", include_str!("../../../themes/gruvbox.yaml")),
    ("nord", include_str!("../../../themes/nord.yaml")),
    ("solarized", include_str!("../../../themes/solarized.yaml")),
    ("catppuccin", include_str!("../../../themes/catppuccin.yaml")),
    (MONO, include_str!("../../../themes/mono.yaml")),
];

/// The theme without colours.
const MONO: &str = "mono";

/// Returns the text of a built-in theme.
pub fn built_in(name: &str) -> Option<&'static str> {
    THEMES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// One sentence about it; may be empty.
    pub about: String,
    pub depth: Depth,
    styles: Vec<Style>,
    /// Foot, middle and top of the gradient, when colours can be mixed.
    stops: Option<[[u8; 3]; 3]>,
}

impl Theme {
    /// Reads a theme and fits it to a terminal; `file` is how warnings call it.
    ///
    /// # Errors
    /// With place and hint, when the text is no theme.
    pub fn parse(name: &str, file: &str, text: &str, depth: Depth) -> Result<Theme, Warning> {
        Ok(Theme::fitted(name, &file::read(file, text)?, depth))
    }

    fn fitted(name: &str, looks: &Looks, depth: Depth) -> Theme {
        let styles = looks.roles.iter().map(|look| look.style(depth)).collect();
        let rgb = |role: Role| match looks.roles.get(role as usize)?.fg {
            Some(Color::Rgb(r, g, b)) if depth >= Depth::Ansi256 => Some([r, g, b]),
            _ => None,
        };
        let stops = match [Role::GraphLow, Role::GraphMid, Role::GraphHigh].map(rgb) {
            [Some(low), Some(mid), Some(high)] => Some([low, mid, high]),
            _ => None,
        };
        Theme { name: name.to_owned(), about: looks.about.clone(), depth, styles, stops }
    }

    /// Returns a built-in theme by name; the one without colours when the name is unknown or the
    /// terminal has none.
    pub fn named(name: &str, depth: Depth) -> Theme {
        let name = if depth == Depth::None { MONO } else { name };
        let (name, text) = match built_in(name) {
            Some(text) => (name, text),
            None => (MONO, built_in(MONO).unwrap_or_default()),
        };
        Theme::parse(name, name, text, depth).unwrap_or_else(|_| Theme::bare())
    }

    /// The theme of last resort: no style at all.
    fn bare() -> Theme {
        Theme {
            name: MONO.to_owned(),
            about: String::new(),
            depth: Depth::None,
            styles: Vec::new(),
            stops: None,
        }
    }

    /// Returns the name of the built-in theme after this one.
    pub fn next_name(&self) -> &'static str {
        let at = THEMES.iter().position(|(n, _)| *n == self.name).unwrap_or(0);
        THEMES[(at + 1) % THEMES.len()].0
    }

    /// Returns how a role looks.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// Returns how task number `n` looks on the time line; after the last colour comes the first.
    pub fn task(&self, n: usize) -> Style {
        self.style(TASKS[n % TASKS.len()])
    }

    /// Returns the style of a graph's row at `height` (0.0 lowest, 1.0 highest).
    pub fn gradient(&self, height: f32) -> Style {
        let t = if height.is_nan() { 0.0 } else { height.clamp(0.0, 1.0) } * 2.0;
        let Some([low, mid, high]) = self.stops else {
            let role = match t {
                t if t > 1.32 => Role::GraphHigh,
                t if t > 0.66 => Role::GraphMid,
                _ => Role::GraphLow,
            };
            return self.style(role);
        };
        let (from, to, t) = if t < 1.0 { (low, mid, t) } else { (mid, high, t - 1.0) };
        let mix = |i: usize| {
            let (from, to) = (f32::from(from[i]), f32::from(to[i]));
            (from + (to - from) * t).round() as u8
        };
        let mixed = color::fit(Color::Rgb(mix(0), mix(1), mix(2)), self.depth);
        self.style(Role::GraphLow).fg(mixed.unwrap_or_default())
    }
}

/// Tells how many colours the terminal has, from what `env` says (no-color.org, COLORTERM, TERM).
pub fn detect(env: impl Fn(&str) -> Option<String>) -> Depth {
    if env("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        return Depth::None;
    }
    let term = env("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" || term.starts_with("vt1") || term.starts_with("vt2") {
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
    fn every_built_in_theme_can_be_read_at_every_depth() {
        for (name, text) in THEMES {
            for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
                let theme = Theme::parse(name, name, text, depth);
                let theme = theme.unwrap_or_else(|w| panic!("{w}"));
                assert!(!theme.about.is_empty(), "{name} says nothing about itself");
                assert_eq!(theme.styles.len(), ROLES.len());
            }
        }
    }

    #[test]
    fn mono_has_no_colour_and_no_colour_means_mono() {
        for info in ROLES {
            for theme in [Theme::named("dark", Depth::None), Theme::named("mono", Depth::True)] {
                let style = theme.style(info.role);
                assert!(style.fg.is_none() && style.bg.is_none(), "{}", info.name);
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
            (&[], Depth::None),
        ] {
            let env = |n: &str| pairs.iter().find(|(k, _)| *k == n).map(|(_, v)| (*v).to_owned());
            assert_eq!(detect(env), depth, "{pairs:?}");
        }
    }

    #[test]
    fn a_gradient_goes_through_its_stops_and_has_three_steps_in_sixteen_colours() {
        for (name, _) in THEMES {
            for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
                let theme = Theme::named(name, depth);
                for (height, role) in
                    [(0.0, Role::GraphLow), (0.5, Role::GraphMid), (1.0, Role::GraphHigh)]
                {
                    let (got, wanted) = (theme.gradient(height), theme.style(role));
                    assert_eq!(got.fg, wanted.fg, "{name} {depth:?} {height}");
                }
            }
        }
        let dark = Theme::named("dark", Depth::True);
        assert_ne!(dark.gradient(0.25).fg, dark.gradient(0.5).fg);
        assert_eq!(dark.gradient(f32::NAN), dark.gradient(0.0));
    }

    #[test]
    fn tasks_have_colours_in_turn() {
        let theme = Theme::named("dark", Depth::True);
        assert_eq!(theme.task(3), theme.style(Role::Task4));
        assert_eq!(theme.task(11), theme.task(3));
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
