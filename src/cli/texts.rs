//! `ganger completions` and `ganger man`: texts made from the definition of the command line.

use super::args::Cli;
use super::failure::Failure;
use super::{exit, print};
use clap::CommandFactory;

/// Prints the completion script of a shell.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(shell: clap_complete::Shell) -> Result<i32, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut visible(), "ganger", &mut text);
    print::bytes(&text)?;
    Ok(exit::OK)
}

/// Prints the manual: the page of ganger, then one for each verb.
///
/// # Errors
/// When standard output cannot be written.
pub fn man() -> Result<i32, Failure> {
    let mut command = visible();
    command.build();
    let pages = std::iter::once(command.clone()).chain(command.get_subcommands().map(|verb| {
        let name = format!("ganger-{}", verb.get_name());
        verb.clone().name(name)
    }));
    let mut text = Vec::new();
    for page in pages {
        clap_mangen::Man::new(page)
            .render(&mut text)
            .map_err(|e| Failure::own(format!("cannot make the manual page: {e}")))?;
    }
    print::bytes(&text)?;
    Ok(exit::OK)
}

/// The command line without verbs that are not for people.
fn visible() -> clap::Command {
    let all = Cli::command();
    let verbs: Vec<clap::Command> =
        all.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let bare = clap::Command::new("ganger")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommand_required(true);
    let bare = match (all.get_about(), all.get_after_help()) {
        (Some(about), Some(after)) => bare.about(about.clone()).after_help(after.clone()),
        _ => bare,
    };
    bare.subcommands(verbs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_verbs_stay_hidden() {
        let names: Vec<String> =
            visible().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        assert!(names.contains(&"run".to_owned()) && names.iter().all(|n| !n.starts_with("__")));
    }
}
