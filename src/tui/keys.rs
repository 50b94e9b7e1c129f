//! Keys as people write them: `K`, `F9`, `ctrl-d`, `shift-tab`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeMap;
use std::fmt;

/// A key with what is held down beside it; two that arrive alike are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd)]
pub struct KeyPress {
    pub code: KeyCode,
    /// Control, Alt and Shift; never Shift with a character, which says it itself.
    pub modifiers: KeyModifiers,
}

/// Keys with names: as they are written in a configuration, as they are shown.
const NAMED: &[(&str, &str, KeyCode)] = &[
    ("enter", "Enter", KeyCode::Enter),
    ("return", "Enter", KeyCode::Enter),
    ("esc", "Esc", KeyCode::Esc),
    ("escape", "Esc", KeyCode::Esc),
    ("space", "Space", KeyCode::Char(' ')),
    ("tab", "Tab", KeyCode::Tab),
    ("backspace", "Backspace", KeyCode::Backspace),
    ("del", "Del", KeyCode::Delete),
    ("delete", "Del", KeyCode::Delete),
    ("ins", "Ins", KeyCode::Insert),
    ("insert", "Ins", KeyCode::Insert),
    ("up", "Up", KeyCode::Up),
    ("down", "Down", KeyCode::Down),
    ("left", "Left", KeyCode::Left),
    ("right", "Right", KeyCode::Right),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("pgup", "PgUp", KeyCode::PageUp),
    ("pageup", "PgUp", KeyCode::PageUp),
    ("pgdn", "PgDn", KeyCode::PageDown),
    ("pagedown", "PgDn", KeyCode::PageDown),
];

const HELD: [(&str, &str, KeyModifiers); 3] = [
    ("ctrl-", "Ctrl-", KeyModifiers::CONTROL),
    ("alt-", "Alt-", KeyModifiers::ALT),
    ("shift-", "Shift-", KeyModifiers::SHIFT),
];

impl KeyPress {
    pub fn new(code: KeyCode, modifiers: KeyModifiers) -> KeyPress {
        let known = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT;
        let (mut code, mut modifiers) = (code, modifiers & known);
        if code == KeyCode::BackTab {
            (code, modifiers) = (KeyCode::Tab, modifiers | KeyModifiers::SHIFT);
        }
        if let KeyCode::Char(c) = code {
            let shift = modifiers.contains(KeyModifiers::SHIFT);
            // Terminals send one code for Ctrl-d and Ctrl-D; some add Shift to `K`, some do not.
            code = KeyCode::Char(match c {
                c if modifiers.contains(KeyModifiers::CONTROL) => c.to_ascii_lowercase(),
                c if shift => c.to_ascii_uppercase(),
                c => c,
            });
            modifiers -= KeyModifiers::SHIFT;
        }
        KeyPress { code, modifiers }
    }

    /// Reads a key as people write it; upper and lower case count for single letters only.
    ///
    /// # Errors
    /// In words, when there is no such key.
    pub fn parse(text: &str) -> Result<KeyPress, String> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        while let Some((held, after)) = HELD.iter().find_map(|(name, _, held)| {
            let head = rest.get(..name.len())?;
            // `ctrl-` alone would be Ctrl with nothing.
            head.eq_ignore_ascii_case(name).then(|| (*held, &rest[name.len()..]))
        }) {
            modifiers |= held;
            rest = after;
        }
        let code = code_of(rest).ok_or_else(|| {
            let names = NAMED.iter().map(|(name, _, _)| *name);
            let hint = crate::tui::settings::meant(rest, names);
            format!(
                "`{text}` is no key{hint}; keys are written as `K`, `F9`, `space`, `pgdn`, \
                 `ctrl-d`, `alt-x`, `shift-tab`"
            )
        })?;
        Ok(KeyPress::new(code, modifiers))
    }
}

fn code_of(name: &str) -> Option<KeyCode> {
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return (!c.is_control()).then_some(KeyCode::Char(c));
    }
    let lower = name.to_ascii_lowercase();
    if let Some((_, _, code)) = NAMED.iter().find(|(known, _, _)| *known == lower) {
        return Some(*code);
    }
    let n = lower.strip_prefix('f')?.parse::<u8>().ok()?;
    ((1..=24).contains(&n) && !lower.starts_with("f0")).then_some(KeyCode::F(n))
}

impl From<KeyEvent> for KeyPress {
    fn from(event: KeyEvent) -> KeyPress {
        KeyPress::new(event.code, event.modifiers)
    }
}

impl fmt::Display for KeyPress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, shown, held) in HELD {
            if self.modifiers.contains(held) {
                f.write_str(shown)?;
            }
        }
        let named = NAMED.iter().find(|(_, _, code)| *code == self.code);
        match (named, self.code) {
            (Some((_, shown, _)), _) => f.write_str(shown),
            (None, KeyCode::Char(c)) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                write!(f, "{}", c.to_ascii_uppercase())
            }
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, code) => write!(f, "{code}"),
        }
    }
}

/// An act as the table of keys has it.
#[derive(Clone, Debug)]
pub struct ActKeys<'a> {
    /// Its name in a configuration.
    pub name: &'a str,
    /// Where it can be asked for: panels, or an empty name for everywhere. A panel's own keys
    /// come before those for everywhere, so the two never clash.
    pub contexts: &'a [&'a str],
    pub keys: Vec<KeyPress>,
}

impl ActKeys<'_> {
    /// The context in which both can be asked for, if any.
    fn meets(&self, other: &ActKeys<'_>) -> Option<String> {
        let shared = self.contexts.iter().find(|c| other.contexts.contains(c));
        shared.map(|c| if c.is_empty() { String::new() } else { format!(" in `{c}`") })
    }
}

/// A key that would ask for two acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// Keeps the key.
    pub kept: String,
    /// Loses it.
    pub lost: String,
    pub what: String,
}

/// Returns the keys of every act, in the order of `table`: those that `chosen` gives it, else its
/// own, without those that are given to another act in the same context; and every clash.
///
/// A chosen key wins over a key that an act has by itself; of two chosen ones, the act that comes
/// first in the table keeps it.
pub fn bind(
    table: &[ActKeys<'_>],
    chosen: &BTreeMap<String, Vec<KeyPress>>,
) -> (Vec<Vec<KeyPress>>, Vec<Clash>) {
    let is_chosen = |act: &ActKeys<'_>| chosen.contains_key(act.name);
    let mut bound: Vec<Vec<KeyPress>> = table
        .iter()
        .map(|act| chosen.get(act.name).cloned().unwrap_or_else(|| act.keys.clone()))
        .collect();
    let mut clashes = Vec::new();
    let mut order: Vec<usize> = (0..table.len()).collect();
    order.sort_by_key(|i| !is_chosen(&table[*i]));
    for (n, winner) in order.iter().copied().enumerate() {
        for loser in order[n + 1..].iter().copied() {
            let Some(place) = table[winner].meets(&table[loser]) else { continue };
            // Acts may share a key by design, such as one that turns on and off.
            if !is_chosen(&table[winner]) {
                continue;
            }
            let (kept, lost): (Vec<_>, Vec<_>) =
                bound[loser].iter().partition(|key| !bound[winner].contains(key));
            for key in lost {
                let (kept, lost) = (table[winner].name.to_owned(), table[loser].name.to_owned());
                let what = format!(
                    "`{key}` would mean both `{kept}` and `{lost}`{place}; it is `{kept}` now, \
                     give `{lost}` another key"
                );
                clashes.push(Clash { kept, lost, what });
            }
            bound[loser] = kept;
        }
    }
    // Who lost every chosen key has its own again, as far as nobody else took them.
    for i in 0..table.len() {
        if bound[i].is_empty() && is_chosen(&table[i]) {
            let is_taken = |key: &KeyPress| {
                let others =
                    (0..table.len()).filter(|o| *o != i && table[*o].meets(&table[i]).is_some());
                others.into_iter().any(|o| bound[o].contains(key))
            };
            bound[i] = table[i].keys.iter().filter(|key| !is_taken(key)).copied().collect();
        }
    }
    (bound, clashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> KeyPress {
        KeyPress::parse(text).unwrap()
    }

    #[test]
    fn keys_are_read_and_shown() {
        for (text, shown) in [
            ("K", "K"),
            ("k", "k"),
            ("+", "+"),
            ("-", "-"),
            ("é", "é"),
            ("F9", "F9"),
            ("f12", "F12"),
            ("ctrl-d", "Ctrl-D"),
            ("Ctrl-D", "Ctrl-D"),
            ("ctrl--", "Ctrl--"),
            ("space", "Space"),
            ("ctrl-space", "Ctrl-Space"),
            ("tab", "Tab"),
            ("shift-tab", "Shift-Tab"),
            ("shift-k", "K"),
            ("alt-x", "Alt-x"),
            ("alt-X", "Alt-X"),
            ("ctrl-alt-del", "Ctrl-Alt-Del"),
            ("PageDown", "PgDn"),
            ("pgdn", "PgDn"),
        ] {
            assert_eq!(key(text).to_string(), shown);
            assert_eq!(key(shown), key(text), "{shown} is read as another key");
        }
        for wrong in ["", "ctrl-", "f0", "F25", "f01", "foo", "ctrl-foo", "\t", "ab"] {
            assert!(KeyPress::parse(wrong).is_err(), "{wrong} was taken");
        }
        assert!(KeyPress::parse("spcae").unwrap_err().contains("did you mean `space`?"));
    }

    #[test]
    fn what_a_terminal_sends_is_what_people_write() {
        let event = |code, modifiers| KeyPress::from(KeyEvent::new(code, modifiers));
        assert_eq!(event(KeyCode::BackTab, KeyModifiers::SHIFT), key("shift-tab"));
        assert_eq!(event(KeyCode::BackTab, KeyModifiers::NONE), key("shift-tab"));
        assert_eq!(event(KeyCode::Char('K'), KeyModifiers::SHIFT), key("K"));
        assert_eq!(event(KeyCode::Char('K'), KeyModifiers::NONE), key("K"));
        assert_eq!(event(KeyCode::Char('D'), KeyModifiers::CONTROL), key("ctrl-d"));
        assert_ne!(event(KeyCode::Char('d'), KeyModifiers::NONE), key("ctrl-d"));
    }

    fn act<'a>(name: &'a str, contexts: &'a [&'a str], keys: &str) -> ActKeys<'a> {
        ActKeys { name, contexts, keys: keys.split_whitespace().map(key).collect() }
    }

    /// What the acts are bound to with these choices, and the clashes in words.
    fn bound(chosen: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let table = [
            act("kill", &["workers"], "K F9"),
            act("retry", &["workers", "failures"], "r"),
            act("fold", &["output"], "z"),
            act("help", &[], "? F1"),
        ];
        let keys = |text: &str| text.split_whitespace().map(key).collect::<Vec<_>>();
        let chosen = chosen.iter().map(|(a, k)| ((*a).to_owned(), keys(k))).collect();
        let (bound, clashes) = bind(&table, &chosen);
        let shown = bound
            .iter()
            .map(|keys| keys.iter().map(KeyPress::to_string).collect::<Vec<_>>().join(" "));
        (shown.collect(), clashes.into_iter().map(|c| c.what).collect())
    }

    #[test]
    fn chosen_keys_take_the_place_of_an_acts_own() {
        assert_eq!(bound(&[]).0, ["K F9", "r", "z", "? F1"]);
        let (keys, clashes) = bound(&[("kill", "x"), ("fold", "K")]);
        assert_eq!(keys, ["x", "r", "K", "? F1"]);
        assert!(clashes.is_empty(), "{clashes:?}");
    }

    #[test]
    fn a_key_for_two_acts_is_said_and_means_the_chosen_one() {
        let (keys, clashes) = bound(&[("retry", "K")]);
        assert_eq!(keys, ["F9", "K", "z", "? F1"]);
        assert_eq!(clashes.len(), 1);
        assert!(clashes[0].starts_with("`K` would mean both `retry` and `kill` in `workers`"));

        let (keys, clashes) = bound(&[("kill", "x"), ("retry", "x r")]);
        assert_eq!(keys[..2], ["x", "r"]);
        assert!(clashes[0].contains("both `kill` and `retry`"), "{clashes:?}");

        let (keys, clashes) = bound(&[("kill", "x"), ("retry", "x")]);
        assert_eq!(keys[..2], ["x", "r"], "who lost its key has its own again");
        assert_eq!(clashes.len(), 1);

        // In different contexts a key may mean different things.
        assert!(bound(&[("fold", "r")]).1.is_empty());
        assert_eq!(bound(&[("fold", "?")]).0, ["K F9", "r", "?", "? F1"]);
    }
}
