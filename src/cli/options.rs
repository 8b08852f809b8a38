//! Options that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::render::{Colour, Format};

/// For every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(super) struct Globals {
    /// Work in this folder instead of the current one
    #[arg(short = 'C', long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) directory: Option<PathBuf>,
    /// For people, or for machines: one event a line
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Output,
    /// When to use colours; `auto`: on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: Color,
    /// Say more: what commands print as they run, what is right and why
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

/// `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    #[default]
    Text,
    Json,
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl From<Output> for Format {
    fn from(output: Output) -> Self {
        match output {
            Output::Text => Self::Text,
            Output::Json => Self::Json,
        }
    }
}

impl From<Color> for Colour {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Which playbook, for which environment, with which values.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Source {
    /// The environment, a folder of `inventories/`; may be left out when there is only one
    #[arg(short, long, value_name = "NAME")]
    pub(super) env: Option<String>,
    /// Set an input or var: `ROLE.INPUT=VALUE`, `VAR=VALUE`; `=@FILE` reads the value from a file
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(super) set: Vec<(String, String)>,
    /// Only this role or play, with all that it needs
    #[arg(long, value_name = "NAME")]
    pub(super) component: Option<String>,
}

/// Which part of it.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Part {
    /// Only these hosts: names or groups, `!name` leaves out
    #[arg(long, value_name = "HOSTS", value_delimiter = ',')]
    pub(super) limit: Vec<String>,
    /// Only tasks with one of these tags, with all that they need
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub(super) tags: Vec<String>,
    /// Leave out tasks with one of these tags
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub(super) skip_tags: Vec<String>,
}

/// How it is run.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Work {
    /// How many hosts at once
    #[arg(short, long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) forks: u16,
    /// Ask for the password of sudo
    #[arg(short = 'K', long)]
    pub(super) ask_become_pass: bool,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("`NAME=VALUE` is expected".to_owned()),
    }
}
