//! `ganger xray`: the screen on a tree of processes that ganger did not start.

use super::args::XrayArgs;
use super::failure::Failure;
use super::{exit, themes};
use crate::broker;
use crate::control::client;
use crate::control::proto::Role;
use crate::model::harmless::harmless_line;
use crate::supervisor::observe;
use crate::tui::{self, TuiOptions};
use std::fs;
use std::io::IsTerminal;

/// Letters of a program's name.
const NAME_CHARS: usize = 40;

/// Shows a tree of processes until the person leaves; the processes go on as they are.
///
/// # Errors
/// When there is no such process, or no terminal to show it on.
pub fn xray(args: &XrayArgs) -> Result<i32, Failure> {
    let pid = args.pid;
    let Some(root) = broker::proc_of(pid) else {
        return Err(Failure::usage(
            format!("cannot look at process {pid}: there is no such process"),
            "`ps -e` lists processes; give the pid of the one at the top of the tree.",
        ));
    };
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "`ganger xray` needs a terminal to draw on",
            format!("`ganger why {pid}` prints the same as text, with --json as JSON."),
        ));
    }
    let (config, warnings) = themes::chosen_by(args.theme.as_deref(), args.glyphs)?;
    let failed = |what: &str, e: std::io::Error| Failure::own(format!("cannot {what}: {e}"));
    let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = harmless_line(comm.trim_ascii_end(), NAME_CHARS);
    let folder = std::env::current_dir().unwrap_or_else(|_| std::env::temp_dir());
    let stream = observe::start(root, &name, folder).map_err(|e| failed("look at the tree", e))?;
    let connected = client::greet(stream, Role::Owner).map_err(|e| Failure::own(e.to_string()))?;
    let options = TuiOptions { hold_at_end: true, config, warnings };
    match tui::run(connected, options) {
        Ok(tui::Ended::Run { .. }) => Ok(exit::OK),
        Ok(tui::Ended::Signal { exit_code, .. }) => Ok(exit_code),
        Ok(tui::Ended::SupervisorGone(e)) => Err(Failure::own(e.to_string())),
        Err(e) => Err(Failure::own(format!("the screen failed: {e}"))),
    }
}
