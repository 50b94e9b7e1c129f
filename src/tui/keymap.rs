//! The one table of keys: the key bar, the palette, the help and the documentation read it.
//!
//! A line belongs everywhere or to one panel; a panel's own lines come first while it has the
//! focus, so `w` wraps in the output and picks a pool everywhere else.

use super::config::Config;
use super::keys::{ActKeys, KeyPress};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    NextPanel,
    PreviousPanel,
    Panel,
    Open,
    Zoom,
    Back,
    Grow,
    Shrink,
    Pools,
    PauseRun,
    PauseJob,
    KillMenu,
    Retry,
    Cancel,
    Raise,
    ResetPriority,
    Tag,
    Untag,
    Undo,
    Find,
    FindNext,
    FindPrevious,
    Filter,
    Sort,
    Invert,
    Freeze,
    TimeBack,
    TimeForward,
    TimeClear,
    ZoomIn,
    ZoomOut,
    Follow,
    Streams,
    AllJobs,
    Wrap,
    Times,
    Percent,
    PreviousAttempt,
    NextAttempt,
    Save,
    Details,
    Group,
    Owner,
    Matrix,
    CloseQueue,
    Colours,
    Waits,
    WaitsMatrix,
    Copy,
    Palette,
    Theme,
    Glyphs,
    Help,
    Quit,
    Interrupt,
    Suspend,
    Redraw,
}

/// A key as the table writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Ctrl(char),
    F(u8),
    Code(KeyCode),
    /// `1` to `9`.
    Digit,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub act: Act,
    /// Its name in the palette and in the configuration file.
    pub name: &'static str,
    /// The panel it belongs to; empty: everywhere.
    pub panel: &'static str,
    pub keys: &'static [Key],
    /// The keys in words.
    pub shown: &'static str,
    /// What it does, in the help and the documentation.
    pub help: &'static str,
    /// For the key bar: `keys|word`. Empty: not there.
    pub bar: &'static str,
}

const fn bind(
    act: Act,
    name: &'static str,
    keys: &'static [Key],
    shown: &'static str,
    bar: &'static str,
    help: &'static str,
) -> Binding {
    Binding { act, name, panel: "", keys, shown, help, bar }
}

/// A line of one panel.
const fn of(panel: &'static str, binding: Binding) -> Binding {
    Binding { panel, ..binding }
}

use Key::{Char, Code, Ctrl, Digit, F};

/// Every key there is, in the order of help and key bar.
#[rustfmt::skip]
pub const KEYMAP: &[Binding] = &[
    bind(Act::Grow, "grow", &[Char('+'), Char('=')], "+", "+ -|scale",
        "one more worker in the pool of the selected worker; `04+` is four more"),
    bind(Act::Shrink, "shrink", &[Char('-'), Char('_')], "-", "",
        "one worker less; what it runs ends first"),
    bind(Act::Pools, "pools", &[Char('w')], "w", "w|pools",
        "choose a pool, type its size, pause it"),
    bind(Act::PauseRun, "pause", &[Char('p')], "p", "p|pause", "pause the run, or let it go on"),
    bind(Act::PauseJob, "pause_job", &[Char('P')], "P", "",
        "pause the selected or tagged jobs, or let them go on"),
    bind(Act::KillMenu, "kill", &[Char('K'), F(9)], "K F9", "K|kill",
        "stop, kill or signal the selected or tagged jobs: a menu opens"),
    bind(Act::Retry, "retry", &[Char('r')], "r", "r|retry",
        "queue the selected or tagged jobs that did not end well again"),
    bind(Act::Cancel, "cancel", &[Char('x')], "x", "",
        "cancel the selected or tagged jobs in the queue"),
    bind(Act::Raise, "raise", &[Char(']'), F(8)], "] F8", "",
        "move the selected or tagged jobs to the front of the queue"),
    bind(Act::ResetPriority, "reset_priority", &[Char('['), F(7)], "[ F7", "",
        "give them their task's priority again"),
    bind(Act::Tag, "tag", &[Char(' ')], "Space", "", "tag the selected job; acts then mean all tagged"),
    bind(Act::Untag, "untag", &[Char('U')], "U", "", "remove all tags"),
    bind(Act::Undo, "undo", &[Char('u'), Ctrl('_')], "u", "",
        "take back the last act that can be taken back"),
    bind(Act::Open, "open", &[Code(KeyCode::Enter)], "Enter", "Enter|open",
        "open what is selected: the output of a job, the jobs of a task"),
    bind(Act::Details, "details", &[Char('d')], "d", "",
        "everything about the selected job: command, environment, attempts; Esc goes back"),
    bind(Act::Zoom, "zoom", &[Char('m'), F(11)], "m F11", "",
        "the panel alone on the screen, and back"),
    bind(Act::Back, "back", &[Code(KeyCode::Esc)], "Esc", "", "close what is open"),
    bind(Act::Find, "search", &[Char('/'), F(3)], "/ F3", "/|search", "search in this panel"),
    bind(Act::FindNext, "next_match", &[Char('n')], "n", "", "next match"),
    bind(Act::FindPrevious, "previous_match", &[Char('N')], "N", "", "previous match"),
    bind(Act::Filter, "filter", &[Char('f'), F(4), Char('\\')], "f F4", "f|filter",
        "show only what fits: `failed`, `task:3`, `cpu>1`, `/regex/`"),
    bind(Act::Sort, "sort", &[Char('s'), F(6)], "s F6", "", "sort by another column: a menu opens"),
    bind(Act::Invert, "invert", &[Char('I')], "I", "", "turn the order round"),
    bind(Act::Freeze, "freeze", &[Char('z')], "z", "",
        "hold the screen still; the run goes on"),
    bind(Act::TimeBack, "time_back", &[Char(',')], ",", "",
        "move the time cursor back: every graph shows that moment; `020,` goes back by 20"),
    bind(Act::TimeForward, "time_forward", &[Char('.')], ".", "", "move the time cursor forward"),
    bind(Act::TimeClear, "now", &[Char(';')], ";", "", "put the time cursor away: back to now"),
    bind(Act::ZoomIn, "zoom_in", &[Char('>')], ">", "", "less time per cell in every graph"),
    bind(Act::ZoomOut, "zoom_out", &[Char('<')], "<", "", "more time per cell in every graph"),
    bind(Act::Up, "up", &[Code(KeyCode::Up), Char('k')], "Up k", "", "move up"),
    bind(Act::Down, "down", &[Code(KeyCode::Down), Char('j')], "Down j", "", "move down"),
    bind(Act::Left, "left", &[Code(KeyCode::Left), Char('h')], "Left h", "",
        "move to the left, or back in time"),
    bind(Act::Right, "right", &[Code(KeyCode::Right), Char('l')], "Right l", "",
        "move to the right, or forward in time"),
    bind(Act::PageUp, "page_up", &[Code(KeyCode::PageUp), Ctrl('b')], "PgUp Ctrl-B", "", "a page up"),
    bind(Act::PageDown, "page_down", &[Code(KeyCode::PageDown), Ctrl('f')], "PgDn Ctrl-F", "",
        "a page down"),
    bind(Act::First, "first", &[Code(KeyCode::Home), Char('g')], "Home g", "", "to the first"),
    bind(Act::Last, "last", &[Code(KeyCode::End), Char('G')], "End G", "", "to the last"),
    bind(Act::NextPanel, "next_panel", &[Code(KeyCode::Tab)], "Tab", "Tab|panel", "next panel"),
    bind(Act::PreviousPanel, "previous_panel", &[Code(KeyCode::BackTab)], "Shift-Tab", "",
        "previous panel"),
    bind(Act::Panel, "panel", &[Digit], "1-9", "", "panel with this number"),
    of("output", bind(Act::Follow, "follow", &[Char('F')], "F", "",
        "follow the end of the output, or hold it still")),
    of("output", bind(Act::Streams, "streams", &[Char('e')], "e", "",
        "both streams, stdout only, stderr only")),
    of("output", bind(Act::AllJobs, "all_jobs", &[Char('a')], "a", "",
        "the output of all jobs, or of the selected one; a click on a line turns to its job")),
    of("output", bind(Act::Wrap, "wrap", &[Char('w')], "w", "",
        "long lines go on below, or are cut: then the arrows move to the side")),
    of("output", bind(Act::Times, "times", &[Char('T')], "T", "",
        "when each line had been written, or not")),
    of("output", bind(Act::Percent, "go_to", &[Char('%')], "%", "",
        "go to a place in the output by percent")),
    of("output", bind(Act::PreviousAttempt, "previous_attempt", &[Char('[')], "[", "",
        "the output of the attempt before")),
    of("output", bind(Act::NextAttempt, "next_attempt", &[Char(']')], "]", "",
        "the output of the attempt after")),
    of("output", bind(Act::Save, "save", &[Char('S')], "S", "",
        "save the output that is shown in a file; stderr beside it")),
    of("jobs", bind(Act::Group, "group", &[Char('a')], "a", "",
        "all jobs, or their tasks with what their jobs add up to")),
    of("timeline", bind(Act::Colours, "colours", &[Char('c')], "c", "",
        "colour the bars by task, or by how they ended")),
    bind(Act::Owner, "owner", &[Char('o')], "o", "",
        "from one that waits to who has what it waits for; else to the circle of waits"),
    of("locks", bind(Act::Matrix, "matrix", &[Char('v')], "v", "",
        "workers by locks: who holds and who waits; or the table again")),
    of("locks", bind(Act::CloseQueue, "close_queue", &[Char('C')], "C", "",
        "close the selected queue: no item comes any more")),
    bind(Act::Waits, "waits", &[Char('W')], "W", "", "the panel of who waits for whom"),
    of("waits", bind(Act::WaitsMatrix, "waits_matrix", &[Char('v')], "v", "",
        "waits as chains, or as a matrix of who and what")),
    of("waits", bind(Act::Copy, "copy", &[Char('y')], "y", "",
        "copy the report as text: to the terminal's clipboard, and into a file")),
    bind(Act::Palette, "palette", &[Char(':')], ":", ":|palette", "every act by name"),
    bind(Act::Help, "help", &[Char('?'), F(1)], "? F1", "?|help", "this help"),
    bind(Act::Theme, "theme", &[Char('t')], "t", "", "next theme"),
    bind(Act::Glyphs, "glyphs", &[Char('B')], "B", "", "next set of shapes: braille, blocks, ASCII"),
    bind(Act::Quit, "quit", &[Char('q'), F(10)], "q F10", "q|quit",
        "ask how to leave: drain, stop or back"),
    bind(Act::Interrupt, "interrupt", &[Ctrl('c')], "Ctrl-C", "",
        "first asks, second stops the run, third kills it"),
    bind(Act::Suspend, "suspend", &[Ctrl('z')], "Ctrl-Z", "",
        "back to the shell, `fg` returns; the run goes on"),
    bind(Act::Redraw, "redraw", &[Ctrl('l')], "Ctrl-L", "", "draw everything anew"),
];

impl Key {
    fn presses(self) -> Vec<KeyPress> {
        let one = |code, held| vec![KeyPress::new(code, held)];
        match self {
            Char(c) => one(KeyCode::Char(c), KeyModifiers::NONE),
            Ctrl(c) => one(KeyCode::Char(c), KeyModifiers::CONTROL),
            F(n) => one(KeyCode::F(n), KeyModifiers::NONE),
            Code(code) => one(code, KeyModifiers::NONE),
            Digit => ('1'..='9').flat_map(|c| Char(c).presses()).collect(),
        }
    }
}

/// The keys that hold: those of the table, or what a person made of them.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// By index in [`KEYMAP`].
    keys: Vec<Vec<KeyPress>>,
}

impl Default for Keymap {
    fn default() -> Keymap {
        Keymap { keys: KEYMAP.iter().map(Binding::presses).collect() }
    }
}

impl Keymap {
    /// Puts the keys of a configuration in place of those of the table; returns what is wrong
    /// with them too.
    pub fn of(config: &Config) -> (Keymap, Vec<String>) {
        let contexts: Vec<[&str; 1]> = KEYMAP.iter().map(|b| [b.panel]).collect();
        let table: Vec<_> = KEYMAP
            .iter()
            .zip(&contexts)
            .map(|(b, panel)| ActKeys { name: b.name, contexts: panel, keys: b.presses() })
            .collect();
        let (keys, warnings) = config.bind(&table);
        (Keymap { keys }, warnings)
    }

    /// Returns what a key asks for while `panel` has the focus; the number for [`Act::Panel`].
    pub fn act_of(&self, event: KeyEvent, panel: &str) -> Option<(Act, usize)> {
        let press = KeyPress::from(event);
        let find = |of: &str| {
            let mut all = KEYMAP.iter().zip(&self.keys);
            all.find(|(b, keys)| b.panel == of && keys.contains(&press))
        };
        let (binding, _) = find(panel).or_else(|| find(""))?;
        let number = match event.code {
            KeyCode::Char(c) => c.to_digit(10).map_or(0, |d| d as usize),
            _ => 0,
        };
        Some((binding.act, number))
    }

    /// Tells whether a key of a line for everywhere means something else in `panel`.
    pub fn is_covered(&self, binding: &Binding, panel: &str) -> bool {
        let at = KEYMAP.iter().position(|b| b.act == binding.act);
        let keys = at.map_or(&[][..], |at| &self.keys[at]);
        let mut own = KEYMAP.iter().zip(&self.keys).filter(|(b, _)| b.panel == panel);
        binding.panel.is_empty() && own.any(|(_, own)| own.iter().any(|key| keys.contains(key)))
    }

    /// Returns the keys of a line in words.
    pub fn shown(&self, binding: &Binding) -> String {
        self.changed(binding).unwrap_or_else(|| binding.shown.to_owned())
    }

    /// Returns the first key of an act, if a person changed it; a blank when it has none.
    pub fn changed_key(&self, act: Act) -> Option<String> {
        let changed = self.changed(binding(act)?)?;
        Some(changed.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Returns the first key of an act, as it is written on the screen.
    pub fn key_of(&self, act: Act) -> String {
        let at = KEYMAP.iter().position(|b| b.act == act);
        at.and_then(|at| self.keys[at].first()).map(KeyPress::to_string).unwrap_or_default()
    }

    fn changed(&self, binding: &Binding) -> Option<String> {
        let at = KEYMAP.iter().position(|b| b.act == binding.act)?;
        let keys = &self.keys[at];
        (*keys != binding.presses()).then(|| {
            let words: Vec<_> = keys.iter().map(KeyPress::to_string).collect();
            words.join(" ")
        })
    }
}

impl Binding {
    fn presses(&self) -> Vec<KeyPress> {
        self.keys.iter().flat_map(|key| key.presses()).collect()
    }
}

/// Returns the line of an act.
pub fn binding(act: Act) -> Option<&'static Binding> {
    KEYMAP.iter().find(|b| b.act == act)
}

/// Returns the lines that hold while `panel` has the focus: its own, then those for everywhere.
pub fn bindings_in(panel: &str) -> impl Iterator<Item = &'static Binding> {
    let own = KEYMAP.iter().filter(move |b| !b.panel.is_empty() && b.panel == panel);
    own.chain(KEYMAP.iter().filter(|b| b.panel.is_empty()))
}

/// Returns the table for `docs/tui.md`.
pub fn markdown() -> String {
    let mut out = String::from("| keys | what they do | name |\n|---|---|---|\n");
    for b in KEYMAP {
        let keys: Vec<_> = b.shown.split(' ').map(|k| format!("`{k}`")).collect();
        let place = if b.panel.is_empty() { String::new() } else { format!("{}: ", b.panel) };
        out.push_str(&format!("| {} | {place}{} | `{}` |\n", keys.join(" "), b.help, b.name));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Option<(Act, usize)> {
        Keymap::default().act_of(KeyEvent::new(code, modifiers), "workers")
    }

    #[test]
    fn no_key_asks_for_two_things_in_one_place() {
        for (i, a) in KEYMAP.iter().enumerate() {
            for b in &KEYMAP[i + 1..] {
                assert!(a.act != b.act, "{:?} stands twice", a.act);
                assert!(a.name != b.name, "{} stands twice", a.name);
                let clash = a.keys.iter().find(|k| b.keys.contains(k));
                assert!(a.panel != b.panel || clash.is_none(), "{clash:?} is bound twice");
            }
        }
    }

    #[test]
    fn every_panel_that_keys_belong_to_is_there() {
        for b in KEYMAP.iter().filter(|b| !b.panel.is_empty()) {
            assert!(crate::tui::panels::index_of(b.panel).is_some(), "{}", b.panel);
        }
    }

    #[test]
    fn keys_of_htop_and_vi_work_and_small_k_only_moves() {
        let none = KeyModifiers::NONE;
        for (code, act) in [
            (KeyCode::Char('k'), Act::Up),
            (KeyCode::Char('j'), Act::Down),
            (KeyCode::F(3), Act::Find),
            (KeyCode::F(4), Act::Filter),
            (KeyCode::F(6), Act::Sort),
            (KeyCode::F(9), Act::KillMenu),
            (KeyCode::F(10), Act::Quit),
            (KeyCode::F(1), Act::Help),
            (KeyCode::Tab, Act::NextPanel),
        ] {
            assert_eq!(press(code, none).map(|(a, _)| a), Some(act));
        }
        assert_eq!(press(KeyCode::Char('K'), KeyModifiers::SHIFT), Some((Act::KillMenu, 0)));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some((Act::Interrupt, 0)));
        assert_eq!(press(KeyCode::Char('p'), KeyModifiers::CONTROL), None);
        assert_eq!(press(KeyCode::Char('4'), none), Some((Act::Panel, 4)));
    }

    #[test]
    fn a_person_may_change_every_key_and_the_table_has_no_clash() {
        let config = |text| Config::parse("config.yaml", text).0;
        let (keymap, warnings) = Keymap::of(&config(""));
        assert!(warnings.is_empty(), "{warnings:?}");
        let key = |code| KeyEvent::from(code);
        assert_eq!(keymap.changed_key(Act::KillMenu), None);
        let (keymap, warnings) = Keymap::of(&config("keys:\n  kill: [X, ctrl-k]\n  quit: Q\n"));
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(keymap.act_of(key(KeyCode::Char('X')), ""), Some((Act::KillMenu, 0)));
        assert_eq!(keymap.act_of(key(KeyCode::Char('K')), ""), None);
        assert_eq!(keymap.changed_key(Act::KillMenu).as_deref(), Some("X"));
        let (_, warnings) = Keymap::of(&config("keys: {pause: r}"));
        assert!(warnings[0].contains("pause") && warnings[0].contains("retry"), "{warnings:?}");
        let (_, warnings) = Keymap::of(&config("keys: {pase: r}"));
        assert!(warnings[0].contains("pause"), "{warnings:?}");
    }

    #[test]
    fn a_panel_comes_before_everywhere() {
        let e = KeyEvent::from(KeyCode::Char('e'));
        let keymap = Keymap::default();
        assert_eq!(keymap.act_of(e, "output"), Some((Act::Streams, 0)));
        assert_eq!(keymap.act_of(e, "workers"), None);
    }
}
