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

/// The sets with the names they are chosen by, from fine to plain.
const SETS: [(&str, GlyphSet); 3] =
    [("braille", GlyphSet::Braille), ("block", GlyphSet::Block), ("ascii", GlyphSet::Ascii)];

impl GlyphSet {
    /// Reads the name of a set.
    ///
    /// # Errors
    /// In words, when there is none of that name.
    pub fn parse(name: &str) -> Result<GlyphSet, String> {
        let set = SETS.iter().find(|(known, _)| *known == name).map(|(_, set)| *set);
        set.ok_or_else(|| format!("`{name}` is none of `auto`, `braille`, `block` and `ascii`"))
    }

    /// Returns the name of the set.
    pub fn name(self) -> &'static str {
        SETS.iter().find(|(_, set)| *set == self).map_or("", |(name, _)| name)
    }
}

/// The shapes of one set; each takes one cell.
#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    pub set: GlyphSet,
    /// Top left, top right, bottom left, bottom right, horizontal, vertical.
    pub corners: [&'static str; 6],
    pub divider: &'static str,
    pub bar_full: &'static str,
    /// A whole cell.
    pub solid: &'static str,
    pub bar_parts: &'static [&'static str],
    pub bar_rest: &'static str,
    /// Rising levels of one cell, the first is nothing.
    pub levels: &'static [&'static str],
    /// user, nice, system, irq, softirq, steal, iowait.
    pub classes: [&'static str; 7],
    /// user, nice and system time of others than this run.
    pub others: [&'static str; 3],
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
    /// The other way.
    pub back: &'static str,
    pub dot: &'static str,
    /// Before every line of stderr.
    pub edge: &'static str,
    /// `0` to `9` for the numbers of panels.
    pub digits: [&'static str; 10],
    /// Smallest first, largest first.
    pub sort: [&'static str; 2],
    /// A branch, the last branch, a trunk that goes on.
    pub tree: [&'static str; 3],
    /// A branch that is folded, and one that is open.
    pub fold: [&'static str; 2],
    /// Track and thumb of a scrollbar.
    pub scroll: [&'static str; 2],
    /// There is more above, below.
    pub more: [&'static str; 2],
    /// Before a tagged row.
    pub tag: &'static str,
    /// What a worker's processes do: run, wait for a CPU, wait for a disk, sleep.
    pub activity: [&'static str; 4],
    /// Before who holds a lock, and who waits for it.
    pub holder: &'static str,
    pub waiter: &'static str,
    /// Before what is not ganger's own.
    pub foreign: &'static str,
    /// Waits, and will for ever.
    pub stuck: &'static str,
    /// Before an input line.
    pub prompt: &'static str,
    /// The moment that is looked at, through a graph.
    pub cursor: &'static str,
    /// How full a stretch of time is, from hardly to wholly.
    pub density: [&'static str; 4],
}

const BRAILLE: Glyphs = Glyphs {
    set: GlyphSet::Braille,
    corners: ["╭", "╮", "╰", "╯", "─", "│"],
    divider: "╌",
    // Not the full block: bars in rows one under the other stay apart.
    bar_full: "▇",
    solid: "█",
    bar_parts: &["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"],
    bar_rest: "·",
    levels: &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    classes: ["▇", "▅", "▓", "i", "s", "t", "w"],
    others: ["▒", "▒", "░"],
    idle: "·",
    marker: "▸",
    done: "✓",
    failed: "✗",
    // Not U+25B6 and U+26A0: some terminals draw emoji there, two cells wide.
    running: "►",
    paused: "‖",
    ended: "■",
    queued: "⋯",
    retried: "↻",
    warning: "▲",
    ellipsis: "…",
    times: "×",
    minus: "−",
    arrow: "→",
    back: "←",
    dot: "·",
    edge: "▌",
    digits: ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"],
    sort: ["△", "▽"],
    tree: ["├", "└", "│"],
    fold: ["▸", "▾"],
    scroll: ["│", "┃"],
    more: ["↑", "↓"],
    tag: "◆",
    activity: ["▇", "▒", "≈", "·"],
    holder: "■",
    waiter: "○",
    foreign: "◇",
    stuck: "●",
    prompt: "›",
    cursor: "┊",
    density: ["░", "▒", "▓", "▇"],
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
    back: "<",
    paused: "=",
    ended: "#",
    // Fonts of the console have few of the superscripts, and few arrows.
    digits: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    sort: ["^", "v"],
    fold: ["+", "-"],
    scroll: ["░", "█"],
    more: ["^", "v"],
    tag: "*",
    activity: ["█", "▒", "~", "·"],
    holder: "█",
    waiter: "o",
    foreign: "~",
    stuck: "@",
    prompt: ">",
    cursor: "│",
    density: ["░", "▒", "▓", "█"],
    ..BRAILLE
};

const ASCII: Glyphs = Glyphs {
    set: GlyphSet::Ascii,
    corners: ["+", "+", "+", "+", "-", "|"],
    divider: "-",
    bar_full: "#",
    solid: "#",
    bar_parts: &["", "", "", "", "", "", "", ""],
    bar_rest: ".",
    levels: &[" ", ".", ".", ":", ":", "|", "|", "#", "#"],
    classes: ["|", "n", "#", "i", "s", "t", "w"],
    others: [":", ":", ";"],
    idle: ".",
    dot: "-",
    edge: "!",
    tree: ["|", "`", "|"],
    scroll: ["|", "#"],
    activity: ["#", "%", "~", "-"],
    holder: "#",
    cursor: "|",
    density: ["-", "=", "%", "#"],
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

    /// Returns the shapes of the next plainer set; after the plainest comes the finest.
    pub fn next(&self) -> &'static Glyphs {
        let at = SETS.iter().position(|(_, set)| *set == self.set).unwrap_or(0);
        Glyphs::of(SETS[(at + 1) % SETS.len()].1)
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

    /// Every shape of a set. Without `..`: a new field cannot be forgotten.
    #[rustfmt::skip]
    fn all(set: GlyphSet) -> Vec<&'static str> {
        let Glyphs {
            set: _, corners, divider, bar_full, bar_parts, bar_rest, levels, classes, idle, marker,
            done, failed, running, paused, ended, queued, retried, warning, ellipsis, times, minus,
            arrow, back, dot, edge, digits, sort, tree, fold, scroll, more, tag, activity, holder,
            waiter, foreign, stuck, prompt, cursor, density, others, solid,
        } = *Glyphs::of(set);
        let single = [
            divider, bar_full, bar_rest, idle, marker, done, failed, running, paused, ended, queued,
            retried, warning, ellipsis, times, minus, arrow, back, dot, edge, tag, holder, waiter, foreign, stuck,
            prompt, cursor, solid,
        ];
        // A part of a bar may be too small to be drawn.
        let parts = bar_parts.iter().copied().filter(|p| !p.is_empty());
        [&single[..], &corners, levels, &classes, &digits, &sort, &tree, &fold, &scroll, &more,
            &activity, &density, &others].concat().into_iter().chain(parts).collect()
    }

    /// Code points of the Basic Multilingual Plane with the property Emoji (Unicode 16,
    /// emoji-data.txt; near ones taken together): a terminal may draw them in colour and two cells wide.
    #[rustfmt::skip]
    const EMOJI: [(u32, u32); 46] = [
        (0xa9, 0xa9), (0xae, 0xae), (0x203c, 0x203c), (0x2049, 0x2049), (0x2122, 0x2122),
        (0x2139, 0x2139), (0x2194, 0x2199), (0x21a9, 0x21aa), (0x231a, 0x231b), (0x2328, 0x2328),
        (0x23cf, 0x23cf), (0x23e9, 0x23f3), (0x23f8, 0x23fa), (0x24c2, 0x24c2), (0x25aa, 0x25ab),
        (0x25b6, 0x25b6), (0x25c0, 0x25c0), (0x25fb, 0x25fe), (0x2600, 0x2604), (0x260e, 0x260e),
        (0x2611, 0x2611), (0x2614, 0x2615), (0x2618, 0x2618), (0x261d, 0x261d), (0x2620, 0x2620),
        (0x2622, 0x2623), (0x2626, 0x262f), (0x2638, 0x263a), (0x2640, 0x2653), (0x265f, 0x2668),
        (0x267b, 0x267f), (0x2692, 0x26fd), (0x2702, 0x2705), (0x2708, 0x270f), (0x2712, 0x2712),
        (0x2714, 0x2714), (0x2716, 0x2716), (0x271d, 0x2728), (0x2733, 0x2757), (0x2763, 0x2764),
        (0x2795, 0x2797), (0x27a1, 0x27a1), (0x27b0, 0x27bf), (0x2934, 0x2935), (0x2b05, 0x2b55),
        (0x3030, 0x3299),
    ];

    #[test]
    fn every_shape_takes_one_cell_and_none_is_an_emoji() {
        use unicode_width::UnicodeWidthStr;
        for (name, set) in SETS {
            for shape in all(set) {
                assert_eq!(shape.width(), 1, "{name}: `{shape}`");
                assert_eq!(shape.chars().count(), 1, "{name}: `{shape}`");
                let c = shape.chars().next().unwrap() as u32;
                let emoji = EMOJI.iter().any(|(first, last)| (*first..=*last).contains(&c));
                assert!(!emoji, "{name}: `{shape}` (U+{c:04X}) may be drawn as an emoji");
                assert!(set != GlyphSet::Ascii || shape.is_ascii(), "{name}: `{shape}`");
            }
        }
    }

    #[test]
    fn what_stands_for_different_things_looks_different() {
        for (name, set) in SETS {
            let g = Glyphs::of(set);
            let groups: [&[&str]; 8] = [
                &g.activity,
                &g.density,
                &g.classes,
                &g.digits,
                &g.scroll,
                &g.fold,
                &[g.holder, g.waiter, g.foreign, g.stuck],
                &[g.done, g.failed, g.running, g.paused, g.warning],
            ];
            for group in groups {
                for (i, shape) in group.iter().enumerate() {
                    assert!(!group[..i].contains(shape), "{name}: `{shape}` in {group:?}");
                }
            }
        }
    }

    #[test]
    fn sets_have_names_and_come_round() {
        for (name, set) in SETS {
            assert_eq!(GlyphSet::parse(name), Ok(set));
            assert_eq!(set.name(), name);
            assert_eq!(Glyphs::of(set).next().next().next().set, set);
        }
        assert!(GlyphSet::parse("fancy").unwrap_err().contains("`ascii`"));
    }

    #[test]
    fn dots_fill_from_below() {
        assert_eq!(Glyphs::dots(0, 0), '⠀');
        assert_eq!(Glyphs::dots(4, 4), '⣿');
        assert_eq!(Glyphs::dots(1, 0), '⡀');
        assert_eq!(Glyphs::dots(9, 9), '⣿');
    }
}
