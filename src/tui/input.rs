//! A line of text that is being typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Text with a cursor, edited with the keys of a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    pub text: String,
    /// Bytes before the cursor.
    cursor: usize,
}

impl Input {
    /// Starts with a text, the cursor behind it.
    pub fn with(text: String) -> Input {
        Input { cursor: text.len(), text }
    }

    /// Returns what stands before the cursor.
    pub fn before(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Returns what stands behind the cursor.
    pub fn behind(&self) -> &str {
        &self.text[self.cursor..]
    }

    /// Takes in a key; `false` when it means nothing to a line of text.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, ctrl) {
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => self.cursor = 0,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => self.cursor = self.text.len(),
            (KeyCode::Char('b'), true) | (KeyCode::Left, _) => self.cursor = self.left(),
            (KeyCode::Char('f'), true) | (KeyCode::Right, _) => self.cursor = self.right(),
            (KeyCode::Char('u'), true) => self.cut(0, self.cursor),
            (KeyCode::Char('k'), true) => self.cut(self.cursor, self.text.len()),
            (KeyCode::Char('w'), true) => self.cut(self.word_start(), self.cursor),
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => {
                self.cut(self.left(), self.cursor);
            }
            (KeyCode::Delete, _) => self.cut(self.cursor, self.right()),
            (KeyCode::Char(c), false) if !c.is_control() => {
                self.text.insert(self.cursor, c);
                self.cursor += c.len_utf8();
            }
            _ => return false,
        }
        true
    }

    /// Puts pasted text in; control characters become blanks.
    pub fn paste(&mut self, text: &str) {
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.text.insert_str(self.cursor, &clean);
        self.cursor += clean.len();
    }

    fn left(&self) -> usize {
        self.before().char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        self.cursor + self.behind().chars().next().map_or(0, char::len_utf8)
    }

    fn word_start(&self) -> usize {
        let before = self.before().trim_end();
        before.rfind(char::is_whitespace).map_or(0, |at| at + 1)
    }

    fn cut(&mut self, from: usize, until: usize) {
        self.text.replace_range(from..until, "");
        self.cursor = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[(char, bool)]) -> Input {
        let mut input = Input::default();
        for (c, ctrl) in keys {
            let modifiers = if *ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            input.key(KeyEvent::new(KeyCode::Char(*c), modifiers));
        }
        input
    }

    #[test]
    fn it_edits_like_a_shell() {
        let plain = |s: &'static str| s.chars().map(|c| (c, false));
        let keys = |s, more: &[(char, bool)]| {
            typed(&plain(s).chain(more.iter().copied()).collect::<Vec<_>>()).text
        };
        assert_eq!(keys("cpu>1 größe", &[('w', true)]), "cpu>1 ");
        assert_eq!(keys("größe", &[('h', true), ('h', true)]), "grö");
        assert_eq!(keys("abc", &[('b', true), ('u', true)]), "c");
        assert_eq!(keys("abc", &[('a', true), ('k', true)]), "");
        assert_eq!(keys("abc", &[('a', true), ('x', false)]), "xabc");
        let mut input = Input::with("ab".to_owned());
        input.paste("1\n2");
        assert_eq!((input.before(), input.behind()), ("ab1 2", ""));
    }
}
