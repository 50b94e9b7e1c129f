//! The command line.

use crate::report::OutputMode;
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Parser)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(clap::Subcommand)]
pub enum Verb {
    Run(RunArgs),
    Check(CheckArgs),
    Schema,
    #[command(name = "__supervise", hide = true)]
    Supervise {
        id: String,
    },
}

#[derive(clap::Args)]
pub struct RunArgs {
    pub file: PathBuf,
    pub tasks: Vec<String>,
    #[arg(short, long)]
    pub jobs: Option<String>,
    #[arg(long, value_parser = pair)]
    pub set: Vec<(String, String)>,
    #[arg(long)]
    pub dry_run: bool,
    #[arg(long)]
    pub plain: bool,
    #[arg(long)]
    pub json: bool,
    #[arg(long, value_parser = mode)]
    pub output: Option<OutputMode>,
    #[arg(long)]
    pub report: Option<OsString>,
    #[arg(long)]
    pub no_hold: bool,
    #[arg(long)]
    pub theme: Option<String>,
}

fn pair(s: &str) -> Result<(String, String), String> {
    s.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).ok_or("NAME=VALUE".to_owned())
}
fn mode(s: &str) -> Result<OutputMode, String> {
    Ok(match s {
        "none" => OutputMode::Nothing,
        "tagged" => OutputMode::Tagged,
        "failed" => OutputMode::Failed,
        _ => OutputMode::Grouped,
    })
}

#[derive(clap::Args)]
pub struct CheckArgs {
    pub file: PathBuf,
    #[arg(long, value_parser = pair)]
    pub set: Vec<(String, String)>,
    #[arg(long)]
    pub json: bool,
}
