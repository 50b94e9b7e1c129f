//! Theme files: text -> how every role looks.
//!
//! The first problem ends the reading: a theme is taken whole or not at all.

use super::color::{Look, MARKS, Palette, parse_color};
use super::roles::{ROLES, Role};
use super::{THEMES, built_in};
use crate::tui::settings::{self, Entry, Node, Value, Warning};
use ratatui::style::Color;

/// A theme before it is fitted to a terminal.
#[derive(Clone, Debug)]
pub struct Looks {
    /// One sentence about it.
    pub about: String,
    /// In the order of [`Role`].
    pub roles: Vec<Look>,
}

/// What the file itself names.
struct Named {
    about: String,
    roles: Vec<Option<Look>>,
    base: Option<&'static str>,
    /// Where `roles` stands.
    line: usize,
}

/// Reads a theme; `file` is how warnings call it.
///
/// # Errors
/// With place and hint, when the text is no theme, or a role is missing.
pub fn read(file: &str, text: &str) -> Result<Looks, Warning> {
    let mut named = Reader { file, palette: Palette::new() }.read(text)?;
    if let Some(base) = named.base.and_then(built_in) {
        // The looks a base names itself: those it does not follow the overridden ones.
        let below = Reader { file, palette: Palette::new() }.read(base)?;
        for (mine, theirs) in named.roles.iter_mut().zip(below.roles) {
            *mine = match (mine.take(), theirs) {
                (Some(mine), Some(theirs)) => Some(over(mine, theirs)),
                (mine, theirs) => mine.or(theirs),
            };
        }
    }
    let mut roles: Vec<Look> = Vec::with_capacity(ROLES.len());
    for (info, look) in ROLES.iter().zip(named.roles) {
        let like = || info.like.and_then(|like| roles.get(like as usize).cloned());
        let Some(look) = look.or_else(like) else {
            let what = format!(
                "the role `{}` ({}) is missing; add it, or name a `base` such as `dark`",
                info.name, info.about
            );
            return Err(Warning {
                file: file.to_owned(),
                line: named.line,
                key: "roles".to_owned(),
                what,
            });
        };
        roles.push(look);
    }
    Ok(Looks { about: named.about, roles })
}

/// A look over that of the base. For sixteen colours the base's choice holds, which is better
/// than the nearest of them; unless the look itself names one of the sixteen.
fn over(mine: Look, theirs: Look) -> Look {
    let exact = |color: Option<Color>| matches!(color, None | Some(Color::Rgb(..)));
    let ansi = mine.ansi.or_else(|| theirs.ansi.filter(|_| exact(mine.fg) && exact(mine.bg)));
    Look { ansi, ..mine }
}

struct Reader<'a> {
    file: &'a str,
    palette: Palette,
}

impl Reader<'_> {
    fn wrong(&self, line: usize, key: &str, what: impl Into<String>) -> Warning {
        Warning { file: self.file.to_owned(), line, key: key.to_owned(), what: what.into() }
    }

    fn entries<'n>(&self, node: &'n Node, key: &str) -> Result<&'n [Entry], Warning> {
        node.entries().map_err(|e| self.wrong(node.line, key, e))
    }

    fn read(mut self, text: &str) -> Result<Named, Warning> {
        const KEYS: [&str; 4] = ["about", "base", "colors", "roles"];
        let root = settings::parse(self.file, text)?;
        let entries = self.entries(&root, "")?;
        if let Some(unknown) = entries.iter().find(|e| !KEYS.contains(&e.key.as_str())) {
            let what = format!(
                "no such key; a theme has {}{}",
                "`about`, `base`, `colors` and `roles`",
                settings::meant(&unknown.key, KEYS)
            );
            return Err(self.wrong(unknown.line, &unknown.key, what));
        }
        let at = |key: &str| entries.iter().find(|e| e.key == key);
        if let Some(colors) = at("colors") {
            for entry in self.entries(&colors.value, "colors")? {
                let color = entry.value.text().and_then(|t| parse_color(t, &self.palette));
                let key = format!("colors.{}", entry.key);
                let color = color.map_err(|e| self.wrong(entry.line, &key, e))?;
                self.palette.insert(entry.key.clone(), color);
            }
        }
        let text = |key: &str| match at(key) {
            None => Ok(None),
            Some(e) => e.value.text().map(|t| Some((t, e.line))).map_err(|w| (e.line, w)),
        };
        let about = text("about").map_err(|(line, w)| self.wrong(line, "about", w))?;
        let base = text("base").map_err(|(line, w)| self.wrong(line, "base", w))?;
        let base = base.map(|(name, line)| self.base(name, line)).transpose()?;
        let mut roles = vec![None; ROLES.len()];
        if let Some(entry) = at("roles") {
            for entry in self.entries(&entry.value, "roles")? {
                let role = self.role(entry)?;
                roles[role as usize] = Some(self.look(entry)?);
            }
        }
        let about = about.map_or(String::new(), |(text, _)| text.to_owned());
        Ok(Named { about, roles, base, line: at("roles").map_or(1, |e| e.line) })
    }

    fn base(&self, name: &str, line: usize) -> Result<&'static str, Warning> {
        let known = THEMES.iter().map(|(name, _)| *name);
        known.clone().find(|known| *known == name).ok_or_else(|| {
            let names: Vec<_> = known.clone().map(|n| format!("`{n}`")).collect();
            let hint = settings::meant(name, known);
            let what =
                format!("`{name}` is not built in; a base is one of {}{hint}", names.join(", "));
            self.wrong(line, "base", what)
        })
    }

    fn role(&self, entry: &Entry) -> Result<Role, Warning> {
        Role::of(&entry.key).ok_or_else(|| {
            let hint = settings::meant(&entry.key, ROLES.iter().map(|info| info.name));
            let key = format!("roles.{}", entry.key);
            self.wrong(entry.line, &key, format!("no such role{hint}"))
        })
    }

    /// A style in words, or a map of its parts.
    fn look(&self, entry: &Entry) -> Result<Look, Warning> {
        let key = format!("roles.{}", entry.key);
        let wrong = |line: usize, what: String| self.wrong(line, &key, what);
        let parts = match &entry.value.value {
            Value::Text(text) => {
                return Look::parse(text, &self.palette).map_err(|e| wrong(entry.line, e));
            }
            _ => entry.value.entries().map_err(|e| wrong(entry.line, e))?,
        };
        let mut look = Look::default();
        for part in parts {
            self.part(&mut look, part).map_err(|what| wrong(part.line, what))?;
        }
        Ok(look)
    }

    fn part(&self, look: &mut Look, part: &Entry) -> Result<(), String> {
        let mark = MARKS.iter().find(|(name, _)| *name == part.key);
        let text = part.value.text().map_err(|e| format!("{}: {e}", part.key))?;
        match (part.key.as_str(), mark) {
            ("fg", _) => look.fg = Some(parse_color(text, &self.palette)?),
            ("bg", _) => look.bg = Some(parse_color(text, &self.palette)?),
            // By the terminal's own names only: the palette has more than sixteen colours.
            ("ansi", _) => look.ansi = Some(Box::new(Look::parse(text, &Palette::new())?)),
            (_, Some((_, mark))) => match text {
                "true" => look.marks |= *mark,
                "false" => look.marks -= *mark,
                _ => return Err(format!("`{}` is `true` or `false`", part.key)),
            },
            (other, None) => {
                let known = MARKS.iter().map(|(name, _)| *name).chain(["fg", "bg", "ansi"]);
                return Err(format!(
                    "`{other}` is no part of a style{}",
                    settings::meant(other, known)
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Modifier;

    fn problem(text: &str) -> String {
        read("t.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_theme_that_is_wrong_says_where() {
        for (text, says) in [
            ("roles:\n  text: red", "t.yaml:1: `roles`: the role `screen`"),
            ("base: drak", "t.yaml:1: `base`: `drak` is not built in"),
            ("base: dark\nroles:\n  goood: red", "t.yaml:3: `roles.goood`: no such role; did you"),
            ("base: dark\nroles:\n  good:\n    fg: rde", "t.yaml:4: `roles.good`: `rde` is no"),
            ("base: dark\nroles:\n  good: {fgg: red}", "`fgg` is no part of a style; did you"),
            ("base: dark\nroles:\n  good: {bold: 1}", "`bold` is `true` or `false`"),
            ("base: dark\nroles:\n  good: [red]", "t.yaml:3: `roles.good`: a list, where"),
            ("base: dark\nrolls: {}", "t.yaml:2: `rolls`: no such key"),
            ("base: dark\ncolors:\n  sea: '#12'", "t.yaml:3: `colors.sea`: `#12` is no colour"),
            ("base: dark\nroles: {good: {ansi: sea}}", "`sea` is no colour"),
        ] {
            assert!(problem(text).contains(says), "{text}\n{}", problem(text));
        }
    }

    #[test]
    fn a_theme_overrides_its_base_and_what_looks_like_it_follows() {
        let text = "base: dark\ncolors: {sea: '#010203', deep: sea}\nroles: {dim: deep}";
        let (dark, mine) = (read("d", THEMES[0].1).unwrap(), read("t", text).unwrap());
        let sea = Some(Color::Rgb(1, 2, 3));
        assert_eq!(mine.roles[Role::Dim as usize].fg, sea);
        assert_eq!(mine.roles[Role::Text as usize], dark.roles[Role::Text as usize]);
        let follows = ROLES
            .iter()
            .any(|info| info.like == Some(Role::Dim) && mine.roles[info.role as usize].fg == sea);
        assert!(follows, "no role of `dark` looks like `dim`");
    }

    #[test]
    fn sixteen_colours_follow_the_base_unless_one_of_them_is_named() {
        let text = "base: dark\nroles: {good: '#00ff01', bad: blue}";
        let (dark, mine) = (read("d", THEMES[0].1).unwrap(), read("t", text).unwrap());
        let ansi = |looks: &Looks, role: Role| looks.roles[role as usize].ansi.clone();
        assert!(ansi(&dark, Role::Good).is_some() && ansi(&dark, Role::Bad).is_some());
        assert_eq!(ansi(&mine, Role::Good), ansi(&dark, Role::Good));
        assert_eq!(ansi(&mine, Role::Bad), None);
    }

    #[test]
    fn a_style_is_words_or_a_map() {
        let text = "base: dark\nroles:\n  good: bold red on blue\n  bad: {fg: red, bg: blue, \
                    bold: true, italic: false}\n";
        let looks = read("t", text).unwrap();
        let good = &looks.roles[Role::Good as usize];
        assert_eq!(good, &looks.roles[Role::Bad as usize]);
        assert_eq!((good.fg, good.marks), (Some(Color::Red), Modifier::BOLD));
    }
}
