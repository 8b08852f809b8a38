//! `lions completions`: what a shell needs to complete commands and options.

use clap_complete::Shell;

use super::Ended;
use super::exit::Exit;
use crate::render::Show;

const EXAMPLES: &str = "\
Examples:
  lions completions bash > ~/.local/share/bash-completion/completions/lions
  lions completions zsh > ~/.zfunc/_lions
  lions completions fish > ~/.config/fish/completions/lions.fish";

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args, mut command: clap::Command, show: &Show) -> Ended {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "lions", &mut text);
    show.text(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}
