//! Themes by name: those built in, and a person's own, which are read anew when they are saved.
//!
//! A person's themes are the files `themes/NAME.yaml` in the folder of settings. One of the same
//! name stands before a built-in one. A broken file changes nothing but is said.

use super::file::{self, Looks};
use super::{Depth, MONO, THEMES, Theme, built_in};
use crate::model::Mono;
use crate::tui::background::Background;
use crate::tui::settings::{self, Warning};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Stands for `dark` or `light`, by the terminal's background.
pub const AUTO: &str = "auto";

/// Least time between two looks at whether a file was saved.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When a file was written and how long it is; `None` while there is none.
type Stamp = Option<(SystemTime, u64)>;

/// All themes there are, and which of them is on.
#[derive(Debug)]
pub struct ThemeStore {
    /// Where a person's themes are.
    folder: Option<PathBuf>,
    depth: Depth,
    background: Background,
    /// The theme that is on, by its real name.
    name: String,
    stamp: Stamp,
    next_look: Option<Mono>,
}

impl ThemeStore {
    /// Finds the themes of the person that `env` belongs to.
    pub fn new(
        env: impl Fn(&str) -> Option<String>,
        depth: Depth,
        background: Background,
    ) -> ThemeStore {
        let folder = settings::folder(env).map(|folder| folder.join("themes"));
        let name = THEMES[0].0.to_owned();
        ThemeStore { folder, depth, background, name, stamp: None, next_look: None }
    }

    /// Returns every name: the built-in themes, then the person's others by the alphabet.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = THEMES.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut own: Vec<String> = self.own().into_iter().filter(|n| !names.contains(n)).collect();
        own.sort();
        names.append(&mut own);
        names
    }

    /// Returns the file of a person's own theme.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        // Not a path: `themes/../x` is nobody's theme.
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        let file = self.folder.as_ref().filter(|_| plain)?.join(format!("{name}.yaml"));
        file.is_file().then_some(file)
    }

    fn own(&self) -> Vec<String> {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let files = entries.into_iter().flatten().flatten().map(|e| e.file_name());
        files
            .filter_map(|name| name.to_str()?.strip_suffix(".yaml").map(str::to_owned))
            .filter(|name| self.file(name).is_some())
            .collect()
    }

    /// Puts a theme on and returns it.
    ///
    /// # Errors
    /// When there is none of that name, or its file is broken; then nothing changes.
    pub fn choose(&mut self, name: &str) -> Result<Theme, Warning> {
        let name = match (name, self.background) {
            (AUTO, Background::Light) => "light",
            (AUTO, _) => "dark",
            (name, _) => name,
        };
        let stamp = self.file(name).and_then(|file| stamp_of(&file));
        let theme = self.read(name)?;
        (self.name, self.stamp) = (name.to_owned(), stamp);
        Ok(theme)
    }

    /// Puts the next theme on and returns it; broken ones are passed over.
    pub fn turn(&mut self) -> Theme {
        let names = self.names();
        let at = names.iter().position(|name| *name == self.name).unwrap_or(0);
        let others = names.iter().cycle().skip(at + 1).take(names.len());
        for name in others {
            if let Ok(theme) = self.choose(name) {
                return theme;
            }
        }
        Theme::named(MONO, self.depth)
    }

    /// Reads the theme that is on anew when its file was saved since; looks at most once a
    /// second. A broken file is reported once for each time it is saved.
    pub fn poll(&mut self, now: Mono) -> Option<Result<Theme, Warning>> {
        if self.next_look.is_some_and(|next| now < next) {
            return None;
        }
        self.next_look = Some(now + LOOK_EVERY);
        let stamp = self.file(&self.name).and_then(|file| stamp_of(&file));
        if stamp == self.stamp {
            return None;
        }
        self.stamp = stamp;
        // Editors write a new file in place of the old one: for a moment there may be none.
        let gone = stamp.is_none() && built_in(&self.name).is_none();
        (!gone).then(|| self.read(&self.name))
    }

    /// Reads a theme without putting it on.
    ///
    /// # Errors
    /// As [`ThemeStore::choose`].
    pub fn read(&self, name: &str) -> Result<Theme, Warning> {
        let looks = self.looks(name)?;
        if self.depth == Depth::None {
            // What has no colours needs other means to stand out.
            return Ok(Theme { name: name.to_owned(), ..Theme::named(MONO, self.depth) });
        }
        Ok(Theme::fitted(name, &looks, self.depth))
    }

    fn looks(&self, name: &str) -> Result<Looks, Warning> {
        if let Some(path) = self.file(name) {
            let shown = path.display().to_string();
            let text = fs::read_to_string(&path).map_err(|e| unreadable(&shown, &e))?;
            return file::read(&shown, &text);
        }
        let text = built_in(name).ok_or_else(|| self.unknown(name))?;
        file::read(name, text)
    }

    fn unknown(&self, name: &str) -> Warning {
        let names = self.names();
        let known = names.iter().map(String::as_str).chain([AUTO]);
        let hint = settings::meant(name, known);
        let what = format!("there is no theme `{name}`{hint}; `ganger themes` lists them");
        Warning { file: String::new(), line: 0, key: String::new(), what }
    }
}

fn unreadable(file: &str, error: &io::Error) -> Warning {
    let what = format!("cannot be read: {error}");
    Warning { file: file.to_owned(), line: 0, key: String::new(), what }
}

fn stamp_of(file: &Path) -> Stamp {
    let data = fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Role;
    use ratatui::style::Color;

    /// A folder of settings, and the themes in it.
    struct Home(tempfile::TempDir);

    impl Home {
        fn with(themes: &[(&str, &str)]) -> Home {
            let home = Home(tempfile::tempdir().unwrap());
            fs::create_dir_all(home.0.path().join("ganger/themes")).unwrap();
            for (name, text) in themes {
                home.save(name, text);
            }
            home
        }

        fn save(&self, name: &str, text: &str) {
            let path = self.0.path().join(format!("ganger/themes/{name}.yaml"));
            fs::write(path, text).unwrap();
        }

        fn store(&self, depth: Depth, background: Background) -> ThemeStore {
            let path = self.0.path().display().to_string();
            let env = move |name: &str| (name == "XDG_CONFIG_HOME").then(|| path.clone());
            ThemeStore::new(env, depth, background)
        }
    }

    fn good(theme: &Theme) -> Option<Color> {
        theme.style(Role::Good).fg
    }

    fn at(ms: u64) -> Mono {
        Mono(ms * 1000)
    }

    const SEA: &str = "base: nord\nroles: {good: '#010203'}\n";

    #[test]
    fn own_themes_stand_behind_the_built_in_ones_and_may_replace_them() {
        let home = Home::with(&[("sea", SEA), ("dark", SEA), (".hidden", SEA)]);
        let mut store = home.store(Depth::True, Background::Unknown);
        let names = store.names();
        assert_eq!(names.len(), THEMES.len() + 1);
        assert_eq!(names.last().map(String::as_str), Some("sea"));
        for name in ["sea", "dark"] {
            assert_eq!(good(&store.choose(name).unwrap()), Some(Color::Rgb(1, 2, 3)), "{name}");
        }
        assert_eq!(store.turn().name, THEMES[1].0);
    }

    #[test]
    fn automatic_is_dark_or_light_by_the_background() {
        let home = Home::with(&[]);
        for (background, name) in [
            (Background::Dark, "dark"),
            (Background::Light, "light"),
            (Background::Unknown, "dark"),
        ] {
            assert_eq!(home.store(Depth::True, background).choose(AUTO).unwrap().name, name);
        }
    }

    #[test]
    fn an_unknown_name_gets_a_hint_and_a_path_is_no_name() {
        let home = Home::with(&[]);
        let mut store = home.store(Depth::True, Background::Unknown);
        let warning = store.choose("solarised").unwrap_err().to_string();
        assert!(warning.contains("did you mean `solarized`?"), "{warning}");
        for name in ["", "../themes/sea", ".", "/etc/x"] {
            assert!(store.choose(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_saved_theme_is_read_anew_and_a_broken_one_is_said_once() {
        let home = Home::with(&[("sea", SEA)]);
        let mut store = home.store(Depth::True, Background::Unknown);
        store.choose("sea").unwrap();
        assert!(store.poll(at(0)).is_none());
        home.save("sea", "base: nord\nroles: {good: '#0a0b0c', bad: red}\n");
        assert!(store.poll(at(500)).is_none(), "looked twice within a second");
        let theme = store.poll(at(1100)).unwrap().unwrap();
        assert_eq!(good(&theme), Some(Color::Rgb(10, 11, 12)));

        home.save("sea", "base: nord\nroles:\n  goood: red\n");
        let warning = store.poll(at(2200)).unwrap().unwrap_err().to_string();
        assert!(warning.contains("sea.yaml:3: `roles.goood`"), "{warning}");
        assert!(store.poll(at(3300)).is_none());
        fs::remove_file(store.file("sea").unwrap()).unwrap();
        assert!(store.poll(at(4400)).is_none(), "a file between two versions is no news");
        home.save("sea", SEA);
        assert!(store.poll(at(5500)).unwrap().is_ok());
    }

    #[test]
    fn turning_passes_over_broken_themes_and_comes_round() {
        let home = Home::with(&[("broken", "rolls: 1"), ("sea", SEA)]);
        let mut store = home.store(Depth::True, Background::Unknown);
        store.choose(MONO).unwrap();
        assert_eq!([store.turn().name, store.turn().name], ["sea", THEMES[0].0]);
    }

    #[test]
    fn without_colours_every_theme_is_without_them_and_keeps_its_name() {
        let home = Home::with(&[("sea", SEA)]);
        let mut store = home.store(Depth::None, Background::Unknown);
        let theme = store.choose("sea").unwrap();
        assert_eq!((theme.name.as_str(), good(&theme)), ("sea", None));
        assert_eq!(store.turn().name, THEMES[0].0);
    }
}
