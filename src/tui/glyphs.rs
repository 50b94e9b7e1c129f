//! What shapes are drawn with: braille, blocks or plain ASCII, by what the terminal can show.

/// How fine the terminal's font is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlyphSet {
    /// Everything, graphs in braille dots.
    Braille,
    /// Blocks and box lines, as the Linux console has them.
    Block,
    /// Seven bits.
    Ascii,
}

/// The shapes of one set.
#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    pub set: GlyphSet,
    /// Top left, top right, bottom left, bottom right, horizontal, vertical.
    pub corners: [&'static str; 6],
    pub divider: &'static str,
    pub bar_full: &'static str,
    pub bar_parts: &'static [&'static str],
    pub bar_rest: &'static str,
    /// Rising levels of one cell, the first is nothing.
    pub levels: &'static [&'static str],
    /// user, nice, system, irq, softirq, steal, iowait.
    pub classes: [&'static str; 7],
    pub idle: &'static str,
    pub marker: &'static str,
    pub done: &'static str,
    pub failed: &'static str,
    pub running: &'static str,
    pub paused: &'static str,
    pub ended: &'static str,
    pub queued: &'static str,
    pub retried: &'static str,
    pub warning: &'static str,
    pub ellipsis: &'static str,
    pub times: &'static str,
    pub minus: &'static str,
    pub arrow: &'static str,
    pub dot: &'static str,
    /// Before every line of stderr.
    pub edge: &'static str,
}

const BRAILLE: Glyphs = Glyphs {
    set: GlyphSet::Braille,
    corners: ["╭", "╮", "╰", "╯", "─", "│"],
    divider: "╌",
    // Not the full block: bars in rows one under the other stay apart.
    bar_full: "▇",
    bar_parts: &["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"],
    bar_rest: "·",
    levels: &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    classes: ["▇", "▅", "▓", "i", "s", "t", "w"],
    idle: "·",
    marker: "▸",
    done: "✓",
    failed: "✗",
    running: "▶",
    paused: "‖",
    ended: "■",
    queued: "⋯",
    retried: "↻",
    warning: "⚠",
    ellipsis: "…",
    times: "×",
    minus: "−",
    arrow: "→",
    dot: "·",
    edge: "▌",
};

const BLOCK: Glyphs = Glyphs {
    set: GlyphSet::Block,
    bar_full: "█",
    corners: ["┌", "┐", "└", "┘", "─", "│"],
    divider: "─",
    bar_parts: &["", "", "", "", "▌", "▌", "▌", "▌"],
    levels: &[" ", "▄", "▄", "▄", "▄", "█", "█", "█", "█"],
    classes: ["█", "▒", "▓", "i", "s", "t", "w"],
    marker: ">",
    done: "+",
    failed: "x",
    running: ">",
    queued: ".",
    retried: "~",
    warning: "!",
    ellipsis: "~",
    times: "x",
    minus: "-",
    arrow: ">",
    paused: "=",
    ended: "#",
    ..BRAILLE
};

const ASCII: Glyphs = Glyphs {
    set: GlyphSet::Ascii,
    corners: ["+", "+", "+", "+", "-", "|"],
    divider: "-",
    bar_full: "#",
    bar_parts: &["", "", "", "", "", "", "", ""],
    bar_rest: ".",
    levels: &[" ", ".", ".", ":", ":", "|", "|", "#", "#"],
    classes: ["|", "n", "#", "i", "s", "t", "w"],
    idle: ".",
    dot: "-",
    edge: "!",
    ..BLOCK
};

impl Glyphs {
    /// Returns the shapes of a set.
    pub fn of(set: GlyphSet) -> &'static Glyphs {
        match set {
            GlyphSet::Braille => &BRAILLE,
            GlyphSet::Block => &BLOCK,
            GlyphSet::Ascii => &ASCII,
        }
    }

    /// Returns a cell of braille dots: two columns with 0 to 4 dots each, from below.
    pub fn dots(left: usize, right: usize) -> char {
        const LEFT: [u32; 5] = [0, 0x40, 0x44, 0x46, 0x47];
        const RIGHT: [u32; 5] = [0, 0x80, 0xa0, 0xb0, 0xb8];
        char::from_u32(0x2800 + LEFT[left.min(4)] + RIGHT[right.min(4)]).unwrap_or(' ')
    }
}

/// Chooses the set from what `env` says of locale and terminal.
pub fn detect(env: impl Fn(&str) -> Option<String>) -> GlyphSet {
    let set = |name: &str| env(name).filter(|v| !v.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    if !(locale.contains("utf-8") || locale.contains("utf8")) {
        return GlyphSet::Ascii;
    }
    match env("TERM").as_deref() {
        Some("linux") => GlyphSet::Block,
        Some("dumb" | "vt100" | "vt220") => GlyphSet::Ascii,
        _ => GlyphSet::Braille,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_follows_locale_and_terminal() {
        let with = |pairs: &'static [(&str, &str)]| {
            detect(|n| pairs.iter().find(|(k, _)| *k == n).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(with(&[("LANG", "en_US.UTF-8"), ("TERM", "xterm-256color")]), GlyphSet::Braille);
        assert_eq!(with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), GlyphSet::Ascii);
        assert_eq!(with(&[("LC_ALL", ""), ("LANG", "C.utf8")]), GlyphSet::Braille);
        assert_eq!(with(&[("LANG", "C.UTF-8"), ("TERM", "linux")]), GlyphSet::Block);
        assert_eq!(with(&[]), GlyphSet::Ascii);
    }

    #[test]
    fn dots_fill_from_below() {
        assert_eq!(Glyphs::dots(0, 0), '⠀');
        assert_eq!(Glyphs::dots(4, 4), '⣿');
        assert_eq!(Glyphs::dots(1, 0), '⡀');
        assert_eq!(Glyphs::dots(9, 9), '⣿');
    }
}
