//! A person's choices: `config.yaml` in the folder of settings.
//!
//! Nothing in it is fatal: what is wrong is said, with its line, and the rest counts.

use super::glyphs::GlyphSet;
use super::keys::{self, ActKeys, KeyPress};
use super::settings::{self, Entry, Node, Value, Warning};
use super::theme::store::AUTO;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// Panels by rows: `[[cores, queue], [workers]]`.
pub type Rows = Vec<Vec<String>>;

/// What can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A theme's name, or [`AUTO`].
    pub theme: String,
    /// `None`: by locale and terminal.
    pub glyphs: Option<GlyphSet>,
    pub mouse: bool,
    /// Least time between two frames that no key asked for.
    pub refresh: Duration,
    /// Keys of acts, in place of those they have by themselves.
    pub keys: BTreeMap<String, Vec<KeyPress>>,
    /// Panels of views, in place of those they have by themselves.
    pub layouts: BTreeMap<String, Rows>,
    file: String,
    /// Where each key and layout stands, for what is found out later.
    lines: BTreeMap<String, usize>,
}

/// Twelve frames a second.
const REFRESH: Duration = Duration::from_millis(83);
const REFRESH_LEAST: Duration = Duration::from_millis(16);
const REFRESH_MOST: Duration = Duration::from_secs(10);

impl Default for Config {
    fn default() -> Config {
        Config {
            theme: AUTO.to_owned(),
            glyphs: None,
            mouse: true,
            refresh: REFRESH,
            keys: BTreeMap::new(),
            layouts: BTreeMap::new(),
            file: String::new(),
            lines: BTreeMap::new(),
        }
    }
}

const KEYS: [&str; 6] = ["theme", "glyphs", "mouse", "refresh", "keys", "layouts"];

impl Config {
    /// Reads the configuration of the person that `env` belongs to; with what is wrong in it.
    pub fn load(env: impl Fn(&str) -> Option<String>) -> (Config, Vec<String>) {
        let Some(path) = settings::folder(env).map(|folder| folder.join("config.yaml")) else {
            return (Config::default(), Vec::new());
        };
        let file = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => Config::parse(&file, &text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => (Config::default(), Vec::new()),
            Err(e) => (Config::default(), vec![format!("{file}: cannot be read: {e}")]),
        }
    }

    /// Reads a configuration; `file` is how warnings call it.
    pub fn parse(file: &str, text: &str) -> (Config, Vec<String>) {
        let mut config = Config { file: file.to_owned(), ..Config::default() };
        let mut warnings = Vec::new();
        let root = match settings::parse(file, text) {
            Ok(root) => root,
            Err(warning) => return (config, vec![warning.to_string()]),
        };
        match root.entries() {
            Err(e) => warnings.push(config.wrong(root.line, "", e)),
            Ok(entries) => entries.iter().for_each(|e| config.take(e, &mut warnings)),
        }
        (config, warnings)
    }

    fn wrong(&self, line: usize, key: &str, what: impl Into<String>) -> String {
        let (file, key) = (self.file.clone(), key.to_owned());
        Warning { file, line, key, what: what.into() }.to_string()
    }

    fn take(&mut self, entry: &Entry, warnings: &mut Vec<String>) {
        let done = match entry.key.as_str() {
            "theme" => entry.value.text().map(|name| self.theme = name.to_owned()),
            "glyphs" => glyphs(&entry.value).map(|set| self.glyphs = set),
            "mouse" => switch(&entry.value).map(|on| self.mouse = on),
            "refresh" => refresh(&entry.value).map(|time| self.refresh = time),
            "keys" => self.each(entry, warnings, |config, act, node| {
                let texts = node.texts()?;
                let keys = texts.into_iter().map(KeyPress::parse).collect::<Result<_, _>>()?;
                config.keys.insert(act.to_owned(), keys);
                Ok(())
            }),
            "layouts" => self.each(entry, warnings, |config, view, node| {
                config.layouts.insert(view.to_owned(), rows(node)?);
                Ok(())
            }),
            other => Err(format!("no such setting{}", settings::meant(other, KEYS))),
        };
        if let Err(what) = done {
            warnings.push(self.wrong(entry.line, &entry.key, what));
        }
    }

    /// Takes each entry of a map by itself: a wrong one does not spoil the others.
    fn each(
        &mut self,
        entry: &Entry,
        warnings: &mut Vec<String>,
        take: impl Fn(&mut Config, &str, &Node) -> Result<(), String>,
    ) -> Result<(), String> {
        for inner in entry.value.entries()? {
            let key = format!("{}.{}", entry.key, inner.key);
            self.lines.insert(key.clone(), inner.line);
            if let Err(what) = take(self, &inner.key, &inner.value) {
                warnings.push(self.wrong(inner.line, &key, what));
            }
        }
        Ok(())
    }

    fn at(&self, key: &str, what: impl Into<String>) -> String {
        self.wrong(self.lines.get(key).copied().unwrap_or(0), key, what)
    }

    /// Returns the keys of every act of a table, in its order, as chosen here or as they are by
    /// themselves; with acts that there are not, and keys that would mean two things.
    pub fn bind(&self, table: &[ActKeys<'_>]) -> (Vec<Vec<KeyPress>>, Vec<String>) {
        let names = || table.iter().map(|act| act.name);
        let unknown = self.keys.keys().filter(|name| !names().any(|known| known == *name));
        let mut warnings: Vec<String> = unknown
            .map(|name| {
                let hint = settings::meant(name, names());
                self.at(&format!("keys.{name}"), format!("there is no act `{name}`{hint}"))
            })
            .collect();
        let (bound, clashes) = keys::bind(table, &self.keys);
        for clash in clashes {
            warnings.push(self.at(&format!("keys.{}", clash.kept), clash.what));
        }
        (bound, warnings)
    }

    /// Returns what is wrong with the names in `layouts`: views and panels that there are not,
    /// panels that stand twice.
    pub fn check_layouts(&self, views: &[&str], panels: &[&str]) -> Vec<String> {
        let mut warnings = Vec::new();
        for (view, rows) in &self.layouts {
            let key = format!("layouts.{view}");
            if !views.contains(&view.as_str()) {
                let hint = settings::meant(view, views.iter().copied());
                warnings.push(self.at(&key, format!("there is no view `{view}`{hint}")));
            }
            let all: Vec<&String> = rows.iter().flatten().collect();
            for (i, panel) in all.iter().enumerate() {
                if !panels.contains(&panel.as_str()) {
                    let hint = settings::meant(panel, panels.iter().copied());
                    warnings.push(self.at(&key, format!("there is no panel `{panel}`{hint}")));
                } else if all[..i].contains(panel) {
                    warnings.push(self.at(&key, format!("the panel `{panel}` stands twice")));
                }
            }
        }
        warnings
    }
}

fn glyphs(node: &Node) -> Result<Option<GlyphSet>, String> {
    match node.text()? {
        "auto" => Ok(None),
        name => GlyphSet::parse(name).map(Some),
    }
}

fn switch(node: &Node) -> Result<bool, String> {
    match node.text()? {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("`{other}` is neither `true` nor `false`")),
    }
}

/// Reads `100ms` or `0.5s`.
fn refresh(node: &Node) -> Result<Duration, String> {
    let text = node.text()?;
    let number = |unit: &str| text.strip_suffix(unit)?.trim().parse::<f64>().ok();
    let seconds = number("ms").map(|ms| ms / 1000.0).or_else(|| number("s"));
    let time = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    match time {
        Some(time) if (REFRESH_LEAST..=REFRESH_MOST).contains(&time) => Ok(time),
        Some(_) => Err(format!("`{text}` is not between 16ms and 10s")),
        None => Err(format!("`{text}` is no time; write `100ms` or `0.5s`")),
    }
}

/// Rows of panels; a row of one panel may do without its brackets.
fn rows(node: &Node) -> Result<Rows, String> {
    let form = "write rows of panels, such as `[[cores, queue], [workers]]`";
    let Value::List(items) = &node.value else { return Err(form.to_owned()) };
    let row = |item: &Node| {
        let names = item.texts().map_err(|_| form.to_owned())?;
        Ok(names.into_iter().map(str::to_owned).collect())
    };
    match items.is_empty() {
        true => Err(form.to_owned()),
        false => items.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(text: &str) -> Vec<String> {
        Config::parse("config.yaml", text).1
    }

    #[test]
    fn a_whole_configuration() {
        let text = "
theme: nord
glyphs: block
mouse: false
refresh: 0.25s
keys:
  kill: [x, f9]
  grow: +
layouts:
  run: [[cores, queue], workers]
";
        let (config, warnings) = Config::parse("c", text);
        assert_eq!(warnings, [""; 0]);
        assert_eq!((config.theme.as_str(), config.mouse), ("nord", false));
        assert_eq!(config.glyphs, Some(GlyphSet::Block));
        assert_eq!(config.refresh, Duration::from_millis(250));
        let shown: Vec<_> = config.keys["kill"].iter().map(KeyPress::to_string).collect();
        assert_eq!(shown, ["x", "F9"]);
        assert_eq!(config.keys["grow"].len(), 1);
        assert_eq!(config.layouts["run"], [vec!["cores", "queue"], vec!["workers"]]);
    }

    #[test]
    fn nothing_and_auto_are_what_is_by_itself() {
        for text in ["", "# nothing\n", "theme: auto\nglyphs: auto\nkeys:\n"] {
            let (config, warnings) = Config::parse("", text);
            assert_eq!((config, warnings), (Config::default(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_the_rest_counts() {
        for (text, says) in [
            ("a: [", "config.yaml:1"),
            ("- a", "config.yaml:1: a list, where keys with values must stand"),
            ("\nthem: x", "config.yaml:2: `them`: no such setting; did you mean `theme`?"),
            ("theme: [a]", "`theme`: a list, where a word must stand"),
            ("glyphs: brail", "`glyphs`: `brail` is"),
            ("mouse: 1", "`1` is neither `true` nor `false`"),
            ("refresh: fast", "`fast` is no time; write `100ms` or `0.5s`"),
            ("refresh: 1h", "is no time"),
            ("refresh: 1ms", "`1ms` is not between 16ms and 10s"),
            ("refresh: -5s", "is no time"),
            ("keys: x", "`keys`: a word, where keys with values"),
            ("keys:\n  kill: ctlr-d", "config.yaml:2: `keys.kill`: `ctlr-d` is no key"),
            ("keys:\n  kill: [[x]]", "`keys.kill`"),
            ("layouts: {run: cores}", "`layouts.run`: write rows of panels"),
            ("layouts: {run: []}", "`layouts.run`: write rows of panels"),
        ] {
            let found = warnings(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains(says), "{text}: {}", found[0]);
        }
        let (config, warnings) = Config::parse("", "mouse: no\ntheme: nord\nkeys: {a: x, b: yy}");
        assert_eq!((config.theme.as_str(), config.keys.len(), warnings.len()), ("nord", 1, 2));
    }

    #[test]
    fn acts_views_and_panels_are_checked_against_what_there_is() {
        let text = "keys:\n  kil: x\n  retry: K\nlayouts:\n  runn: [[cores, wrokers], [cores]]\n";
        let (config, _) = Config::parse("c", text);
        let act = |name, key| ActKeys {
            name,
            contexts: &["workers"],
            keys: vec![KeyPress::parse(key).unwrap()],
        };
        let (keys, found) = config.bind(&[act("kill", "K"), act("retry", "r")]);
        assert_eq!(keys.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(found[0], "c:2: `keys.kil`: there is no act `kil`; did you mean `kill`?");
        assert!(found[1].starts_with("c:3: `keys.retry`: `K` would mean both"), "{found:?}");
        let found = config.check_layouts(&["run"], &["cores", "workers"]);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], "c:5: `layouts.runn`: there is no view `runn`; did you mean `run`?");
        assert!(found[1].contains("no panel `wrokers`; did you mean `workers`?"), "{found:?}");
        assert!(found[2].contains("`cores` stands twice"), "{found:?}");
    }

    #[test]
    fn it_is_found_in_the_folder_of_settings() {
        let home = tempfile::tempdir().unwrap();
        let env = |name: &str| (name == "HOME").then(|| home.path().display().to_string());
        assert_eq!(Config::load(env), (Config::default(), Vec::new()));
        fs::create_dir_all(home.path().join(".config/ganger")).unwrap();
        fs::write(home.path().join(".config/ganger/config.yaml"), "theme: nord\nx: 1").unwrap();
        let (config, warnings) = Config::load(env);
        assert_eq!(config.theme, "nord");
        assert!(warnings[0].contains(".config/ganger/config.yaml:2: `x`"), "{warnings:?}");
    }
}
