//! `ganger themes`, and the look that was chosen for a run.

use super::args::{Glyphs as Chosen, RunArgs, ThemesArgs};
use super::failure::Failure;
use super::print;
use crate::tui::background::Background;
use crate::tui::canvas::Look;
use crate::tui::config::Config;
use crate::tui::glyphs::{self, Glyphs};
use crate::tui::sample;
use crate::tui::settings::Warning;
use crate::tui::theme::store::{AUTO, ThemeStore};
use crate::tui::theme::{self, Depth, Theme};
use std::io::{self, IsTerminal, Write};

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn store(depth: Depth) -> ThemeStore {
    ThemeStore::new(env, depth, Background::Unknown)
}

fn no_such(warning: &Warning) -> Failure {
    let hint = "Choose another with `--theme`; `ganger themes` lists them.";
    Failure::usage(format!("cannot use the theme: {warning}"), hint)
}

/// Returns the configuration, with what the command line says in its place; and what is wrong in
/// it, which is said on standard error too, where it stays when the screen has gone.
///
/// # Errors
/// When the theme that was asked for on the command line cannot be used.
pub fn chosen(args: &RunArgs) -> Result<(Config, Vec<String>), Failure> {
    chosen_by(args.theme.as_deref(), args.glyphs)
}

/// As [`chosen`], for any verb with a screen.
///
/// # Errors
/// As [`chosen`].
pub fn chosen_by(
    theme_name: Option<&str>,
    glyphs: Option<Chosen>,
) -> Result<(Config, Vec<String>), Failure> {
    let (mut config, mut warnings) = Config::load(env);
    let store = store(theme::detect(env));
    if let Some(name) = theme_name {
        if name != AUTO {
            store.read(name).map_err(|w| no_such(&w))?;
        }
        name.clone_into(&mut config.theme);
    } else if config.theme != AUTO
        && let Err(warning) = store.read(&config.theme)
    {
        warnings.push(warning.to_string());
    }
    match glyphs {
        Some(Chosen::Auto) => config.glyphs = None,
        Some(Chosen::Set(set)) => config.glyphs = Some(set),
        None => {}
    }
    warnings.extend(crate::tui::wrong_in(&config));
    for warning in &warnings {
        let _stderr_may_be_closed = writeln!(io::stderr(), "warning: {warning}");
    }
    Ok((config, warnings))
}

/// Lists the themes, or shows one.
///
/// # Errors
/// When there is no such theme.
pub fn themes(args: &ThemesArgs) -> Result<i32, Failure> {
    let styled = io::stdout().is_terminal();
    let store = store(if styled { theme::detect(env) } else { Depth::True });
    let glyphs = Glyphs::of(glyphs::detect(env));
    let text = match &args.name {
        Some(name) => {
            let theme = store.read(name).map_err(|w| no_such(&w))?;
            sample::print(&sample::page(&Look { theme, glyphs }), styled)
        }
        None if styled => lines(&store, glyphs),
        None => table(&store),
    };
    print::bytes(text.as_bytes())?;
    Ok(super::exit::OK)
}

/// A line drawn in each theme.
fn lines(store: &ThemeStore, glyphs: &'static Glyphs) -> String {
    let mut text = String::new();
    for (name, theme, place) in all(store) {
        match theme {
            Ok(theme) => {
                let about = theme.about.clone();
                let sample = sample::print(&sample::line(&Look { theme, glyphs }), true);
                text.push_str(&format!("{name}  {about}{place}\n{sample}\n"));
            }
            Err(warning) => text.push_str(&format!("{name}  {warning}\n\n")),
        }
    }
    text
}

fn table(store: &ThemeStore) -> String {
    let row = |(name, theme, place): (String, Result<Theme, Warning>, String)| {
        let about = theme.map_or_else(|w| w.to_string(), |theme| theme.about + &place);
        vec![name, about]
    };
    print::table(&all(store).map(row).collect::<Vec<_>>(), &[])
}

/// Every theme by name, with the file of a person's own.
fn all(store: &ThemeStore) -> impl Iterator<Item = (String, Result<Theme, Warning>, String)> {
    store.names().into_iter().map(|name| {
        let theme = store.read(&name);
        let file = store.file(&name);
        let place = file.map_or(String::new(), |file| format!(" ({})", file.display()));
        (name, theme, place)
    })
}
