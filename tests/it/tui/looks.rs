//! Themes and configuration, from the command line and on a real terminal.

use super::pty::Pty;
use ganger::tui::theme::roles;
use ganger::tui::theme::{Depth, ROLES, Role, Theme};
use ratatui::style::Color;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const TASKS: &str = "tasks: [{name: a, run: 'echo hello; sleep 600'}]\n";

/// A folder with a task file and a person's settings.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        home.write("t.yaml", TASKS);
        home
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
        command.args(args).current_dir(self.0.path()).env_remove("COLORTERM");
        for name in ["XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
            command.env(name, self.0.path());
        }
        command
    }

    fn output(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn run(&self, args: &[&str]) -> Pty {
        let all: Vec<&str> = ["run", "t.yaml"].iter().chain(args).copied().collect();
        Pty::start(&mut self.command(&all), 100, 30)
    }
}

/// The background of a screen in a theme, with 256 colours.
fn ground(theme: &Theme) -> Option<vt100::Color> {
    match theme.style(Role::Screen).bg {
        Some(Color::Indexed(n)) => Some(vt100::Color::Idx(n)),
        other => panic!("{other:?}"),
    }
}

fn leave(mut pty: Pty) {
    pty.send("\x03\x03\x03");
    assert_eq!(pty.exit_code(), 130);
}

#[test]
fn themes_are_listed_as_plain_text_when_piped() {
    let home = Home::new();
    home.write("ganger/themes/sea.yaml", "about: deep blue\nbase: nord\n");
    home.write("ganger/themes/broken.yaml", "base: nord\nroles:\n  goood: red\n");
    let (code, out, _) = home.output(&["themes"]);
    assert_eq!(code, 0);
    assert!(!out.contains('\x1b'), "{out}");
    let line = |name: &str| out.lines().find(|l| l.starts_with(name)).unwrap().to_owned();
    assert!(line("sea").contains("deep blue") && line("sea").contains("sea.yaml"), "{out}");
    assert!(line("broken").contains("broken.yaml:3: `roles.goood`: no such role; did you mean"));
    assert!(line("dark").contains("calm"));
}

#[test]
fn a_theme_is_shown_with_every_role() {
    let home = Home::new();
    let (code, out, _) = home.output(&["themes", "nord"]);
    assert_eq!(code, 0);
    for info in ROLES {
        assert!(out.split_whitespace().any(|w| w == info.name), "{} is not there", info.name);
    }
    assert!(!out.contains('\x1b'));
}

#[test]
fn a_theme_that_is_not_there_is_said_before_anything_runs() {
    let home = Home::new();
    let (code, _, err) = home.output(&["themes", "solarised"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `solarized`?"), "{err}");
    let mut pty = home.run(&["--theme", "solarised"]);
    pty.wait_for("did you mean `solarized`?");
    assert_eq!(pty.exit_code(), 2);
}

#[test]
fn on_a_terminal_themes_are_drawn_in_their_colours() {
    let home = Home::new();
    let mut pty = Pty::start(&mut home.command(&["themes", "nord"]), 100, 60);
    assert_eq!(pty.exit_code(), 0);
    pty.settle();
    assert_eq!(pty.background(0, 0), ground(&Theme::named("nord", Depth::Ansi256)));
}

/// The answer is there before the question: nothing depends on how fast this machine is.
#[test]
fn the_screen_is_light_on_a_light_terminal_and_keys_typed_meanwhile_count() {
    for (answer, theme) in [("ffff/ffff/ffff", "light"), ("1414/1616/1d1d", "dark")] {
        let home = Home::new();
        let mut pty = home.run(&[]);
        pty.send(&format!("?\x1b]11;rgb:{answer}\x1b\\\x1b[?6c"));
        pty.wait_for("ganger: help");
        assert_eq!(pty.background(0, 0), ground(&Theme::named(theme, Depth::Ansi256)), "{theme}");
        pty.send("\x1b");
        leave(pty);
    }
}

#[test]
fn a_theme_that_is_saved_is_shown_and_a_broken_one_is_said() {
    let home = Home::new();
    home.write("ganger/config.yaml", "theme: sea\n");
    home.write("ganger/themes/sea.yaml", "base: nord\n");
    let pty = home.run(&[]);
    pty.wait_for("hello");
    assert_eq!(pty.background(0, 0), ground(&Theme::named("nord", Depth::Ansi256)));
    home.write("ganger/themes/sea.yaml", "base: gruvbox # now\n");
    pty.wait_for("theme sea");
    assert_eq!(pty.background(0, 0), ground(&Theme::named("gruvbox", Depth::Ansi256)));
    home.write("ganger/themes/sea.yaml", "base: gruvbox\nrolls: {}\n");
    pty.wait_for("`rolls`");
    assert_eq!(pty.background(0, 0), ground(&Theme::named("gruvbox", Depth::Ansi256)));
    leave(pty);
}

#[test]
fn a_broken_configuration_is_said_and_the_rest_of_it_counts() {
    let home = Home::new();
    let config =
        "them: x\ntheme: gruvbox\nkeys: {kill: p, pause: p}\nlayouts: {nope: [[workers]]}\n";
    home.write("ganger/config.yaml", config);
    let pty = home.run(&["--glyphs", "ascii"]);
    pty.wait("both", |text| text.contains("hello") && text.contains("no such setting"));
    // Before the screen there is everything, on it the first.
    let said = pty.before_the_screen();
    for what in ["no such setting", "`p` would mean both", "`layouts.nope`"] {
        assert_eq!(said.matches(what).count(), 1, "{what}: {said}");
    }
    assert_eq!(pty.background(0, 0), ground(&Theme::named("gruvbox", Depth::Ansi256)));
    assert!(pty.text().is_ascii(), "{}", pty.text());
    leave(pty);
}

#[test]
fn docs_themes_lists_every_role() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/themes.md");
    let doc = fs::read_to_string(&path).unwrap();
    let (before, rest) = doc.split_once("<!-- roles").unwrap();
    let (comment, rest) = rest.split_once("-->\n").unwrap();
    let (table, after) = rest.split_once("<!-- /roles -->").unwrap();
    let wanted = roles::markdown();
    if std::env::var_os("GANGER_UPDATE_DOCS").is_some() {
        let doc = format!("{before}<!-- roles{comment}-->\n{wanted}<!-- /roles -->{after}");
        fs::write(&path, doc).unwrap();
        return;
    }
    assert_eq!(table, wanted, "run `GANGER_UPDATE_DOCS=1 cargo test docs_themes`");
}

/// The examples of the pages are read without a word of complaint.
#[test]
fn docs_of_themes_and_configuration_can_be_used_as_they_are() {
    let block = |page: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
        let doc = fs::read_to_string(path).unwrap();
        let inner = doc.split_once("```yaml\n").unwrap().1;
        inner.split_once("```").unwrap().0.to_owned()
    };
    let (_, warnings) = ganger::tui::config::Config::parse("config.md", &block("config.md"));
    assert!(warnings.is_empty(), "{warnings:?}");
    let theme = Theme::parse("mine", "themes.md", &block("themes.md"), Depth::True);
    assert!(theme.is_ok(), "{}", theme.unwrap_err());
}
