//! Options that several commands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::model::{Fault, Secret, Value};
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
    /// Read the password of sudo from this file, for automation
    #[arg(long, value_name = "FILE", conflicts_with = "ask_become_pass", value_hint = clap::ValueHint::FilePath)]
    pub(super) become_password_file: Option<PathBuf>,
    /// How long to wait for other runs that work on the same hosts: `90s`, `5m`
    #[arg(long, env = "LIONS_LOCK_WAIT", value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub(super) lock_wait: std::time::Duration,
}

impl Work {
    /// The password of sudo, if there is to be one.
    ///
    /// # Errors
    /// There is nobody to ask, or the file cannot be read or is not one line.
    pub(super) fn password(&self) -> Result<Option<Secret>, Fault> {
        if self.ask_become_pass {
            return crate::render::password().map(Some);
        }
        let Some(path) = &self.become_password_file else { return Ok(None) };
        let cannot = |cause: &dyn std::fmt::Display| {
            Fault::failed(format!("no password of sudo in `{}`", path.display())).cause(cause)
        };
        let text = crate::source::read_text(Path::new(""), path, 4096).map_err(|problem| cannot(&problem.summary))?;
        let text = zeroize::Zeroizing::new(text);
        let line = text.trim_end_matches(['\n', '\r']);
        if line.is_empty() || line.contains('\n') {
            return Err(cannot(&"one line with the password is expected"));
        }
        Ok(Some(Secret::new(Value::text(line))))
    }
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let seconds = crate::language::seconds(text).filter(|seconds| *seconds <= 31_536_000);
    seconds
        .map(std::time::Duration::from_secs)
        .ok_or_else(|| "a time such as `90s`, `5m` or `1h` is expected".to_owned())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("`NAME=VALUE` is expected".to_owned()),
    }
}
