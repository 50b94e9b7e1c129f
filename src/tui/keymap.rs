//! The one table of keys: the key bar, the help and the documentation read it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    Back,
    Grow,
    Shrink,
    PauseRun,
    PauseJob,
    KillMenu,
    Retry,
    Follow,
    Streams,
    Theme,
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
#[derive(Debug)]
pub struct Binding {
    pub act: Act,
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
    keys: &'static [Key],
    shown: &'static str,
    bar: &'static str,
    help: &'static str,
) -> Binding {
    Binding { act, keys, shown, help, bar }
}

use Key::{Char, Code, Ctrl, Digit, F};

/// Every key there is, in the order of help and key bar.
pub const KEYMAP: &[Binding] = &[
    bind(
        Act::Grow,
        &[Char('+'), Char('=')],
        "+",
        "+ -|scale",
        "one more worker in the pool of the selected worker",
    ),
    bind(Act::Shrink, &[Char('-'), Char('_')], "-", "", "one worker less; what it runs ends first"),
    bind(Act::PauseRun, &[Char('p')], "p", "p|pause", "pause the run, or let it go on"),
    bind(Act::PauseJob, &[Char('P')], "P", "", "pause the selected job, or let it go on"),
    bind(
        Act::KillMenu,
        &[Char('K'), F(9)],
        "K F9",
        "K|kill",
        "stop, kill or signal the selected job: a menu opens",
    ),
    bind(Act::Retry, &[Char('r')], "r", "r|retry", "queue the selected failed job again"),
    bind(
        Act::Open,
        &[Code(KeyCode::Enter)],
        "Enter",
        "Enter|open",
        "output of the selected job on the whole screen, and back",
    ),
    bind(Act::Back, &[Code(KeyCode::Esc)], "Esc", "", "close what is open"),
    bind(Act::Up, &[Code(KeyCode::Up), Char('k')], "Up k", "", "move up"),
    bind(Act::Down, &[Code(KeyCode::Down), Char('j')], "Down j", "", "move down"),
    bind(Act::Left, &[Code(KeyCode::Left), Char('h')], "Left h", "", "move output to the left"),
    bind(Act::Right, &[Code(KeyCode::Right), Char('l')], "Right l", "", "move output to the right"),
    bind(Act::PageUp, &[Code(KeyCode::PageUp), Ctrl('b')], "PgUp Ctrl-B", "", "a page up"),
    bind(Act::PageDown, &[Code(KeyCode::PageDown), Ctrl('f')], "PgDn Ctrl-F", "", "a page down"),
    bind(Act::First, &[Code(KeyCode::Home), Char('g')], "Home g", "", "to the first"),
    bind(Act::Last, &[Code(KeyCode::End), Char('G')], "End G", "", "to the last"),
    bind(Act::NextPanel, &[Code(KeyCode::Tab)], "Tab", "Tab|panel", "next panel"),
    bind(Act::PreviousPanel, &[Code(KeyCode::BackTab)], "Shift-Tab", "", "previous panel"),
    bind(Act::Panel, &[Digit], "1-9", "", "panel with this number"),
    bind(Act::Follow, &[Char('F')], "F", "", "follow the end of the output, or hold it still"),
    bind(Act::Streams, &[Char('e')], "e", "", "output: both streams, stdout only, stderr only"),
    bind(Act::Help, &[Char('?'), F(1)], "? F1", "?|help", "this help"),
    bind(Act::Theme, &[Char('t')], "t", "t|theme", "next theme"),
    bind(
        Act::Quit,
        &[Char('q'), F(10)],
        "q F10",
        "q|quit",
        "ask how to leave: drain, stop or back",
    ),
    bind(
        Act::Interrupt,
        &[Ctrl('c')],
        "Ctrl-C",
        "",
        "first asks, second stops the run, third kills it",
    ),
    bind(
        Act::Suspend,
        &[Ctrl('z')],
        "Ctrl-Z",
        "",
        "back to the shell, `fg` returns; the run goes on",
    ),
    bind(Act::Redraw, &[Ctrl('l')], "Ctrl-L", "", "draw everything anew"),
];

/// Returns what a key asks for; the number for [`Act::Panel`].
pub fn act_of(event: KeyEvent) -> Option<(Act, usize)> {
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    if event.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    let fits = |key: &Key| match (*key, event.code) {
        (Char(c), KeyCode::Char(pressed)) => c == pressed && !ctrl,
        (Ctrl(c), KeyCode::Char(pressed)) => ctrl && c == pressed.to_ascii_lowercase(),
        (F(n), KeyCode::F(pressed)) => n == pressed,
        (Digit, KeyCode::Char('1'..='9')) => !ctrl,
        (Code(code), pressed) => code == pressed,
        _ => false,
    };
    let binding = KEYMAP.iter().find(|b| b.keys.iter().any(fits))?;
    let number = match event.code {
        KeyCode::Char(c) => c.to_digit(10).map_or(0, |d| d as usize),
        _ => 0,
    };
    Some((binding.act, number))
}

/// Returns the line of an act.
pub fn binding(act: Act) -> Option<&'static Binding> {
    KEYMAP.iter().find(|b| b.act == act)
}

/// Returns the table for `docs/tui.md`.
pub fn markdown() -> String {
    let mut out = String::from("| keys | what they do |\n|---|---|\n");
    for b in KEYMAP {
        let keys: Vec<_> = b.shown.split(' ').map(|k| format!("`{k}`")).collect();
        out.push_str(&format!("| {} | {} |\n", keys.join(" "), b.help));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Option<(Act, usize)> {
        act_of(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn no_key_asks_for_two_things() {
        for (i, a) in KEYMAP.iter().enumerate() {
            for b in &KEYMAP[i + 1..] {
                assert!(a.act != b.act, "{:?} stands twice", a.act);
                let clash = a.keys.iter().find(|k| b.keys.contains(k));
                assert!(clash.is_none(), "{clash:?} is bound twice");
            }
        }
    }

    #[test]
    fn keys_of_htop_and_vi_work_and_small_k_only_moves() {
        let none = KeyModifiers::NONE;
        for (code, act) in [
            (KeyCode::Char('k'), Act::Up),
            (KeyCode::Char('j'), Act::Down),
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
}
