//! Commands, one file each; the only place that decides the exit code. A command puts layers together and shows what
//! they say: it knows nothing of its own about playbooks, hosts or plans.

mod apply;
mod cluster;
mod completions;
mod doc;
mod drift;
mod exit;
mod graph;
mod hosts;
mod init;
mod k3s;
mod keys;
mod kubeconfig;
mod options;
mod places;
mod plan;
mod project;
mod proxy;
mod run;
mod schema;
mod session;
mod show;
mod validate;
mod vars;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::model::Fault;
use crate::render::{Show, Terminal};
use exit::Exit;
use options::Globals;

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    a problem in the project, or a fault
  2    changes are pending (`plan --detailed-exitcode`, `drift`)
  3    the place changed since the plan was made
  4    tasks failed on some hosts
  5    hosts could not be reached
  7    another run holds the place
  64   the command line is wrong
  130  interrupted

`lions COMMAND --help` shows examples.";

/// Brings hosts and a cluster to the state that a project of YAML files describes: shows every difference first,
/// then makes exactly those changes.
#[derive(Debug, Parser)]
#[command(name = "lions", version, after_help = EXIT_CODES, arg_required_else_help = true, max_term_width = 100)]
#[command(subcommand_required = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    globals: Globals,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::Args),
    Apply(apply::Args),
    Drift(drift::Args),
    Show(show::Args),
    Hosts(hosts::Args),
    Kubeconfig(kubeconfig::Args),
    K3s(k3s::Args),
    Validate(validate::Args),
    Graph(graph::Args),
    Vars(vars::Args),
    Doc(doc::Args),
    Schema(schema::Args),
    Init(init::Args),
    Completions(completions::Args),
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    execute(std::env::args_os().collect()).into()
}

fn execute(words: Vec<OsString>) -> Exit {
    let parsed = Cli::command().try_get_matches_from(words).and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let terminal = Terminal::new(cli.globals.color.into());
    let ended = Show::new(terminal, cli.globals.output.into(), cli.globals.verbose).map(|show| {
        command(&cli, &show).unwrap_or_else(|fault| {
            show.fault(&fault);
            Exit::of_fault(&fault)
        })
    });
    ended.unwrap_or_else(|fault| {
        terminal.note(&format!("error: {fault}\n"));
        Exit::of_fault(&fault)
    })
}

fn command(cli: &Cli, show: &Show) -> Ended {
    if let Some(folder) = &cli.globals.directory {
        // As `make -C`: every path on the command line is seen from there.
        std::env::set_current_dir(folder)
            .map_err(|error| Fault::failed(format!("cannot work in `{}`", folder.display())).cause(error))?;
    }
    match &cli.command {
        Command::Plan(args) => plan::run(args, show),
        Command::Apply(args) => apply::run(args, show),
        Command::Drift(args) => drift::run(args, show),
        Command::Show(args) => show::run(args, show),
        Command::Hosts(args) => hosts::run(args, show),
        Command::Kubeconfig(args) => kubeconfig::run(args, show),
        Command::K3s(args) => k3s::run(args, show),
        Command::Validate(args) => validate::run(args, show),
        Command::Graph(args) => graph::run(args, show),
        Command::Vars(args) => vars::run(args, show),
        Command::Doc(args) => doc::run(args, show),
        Command::Schema(args) => schema::run(args, show),
        Command::Init(args) => init::run(args, &cli.globals, show),
        Command::Completions(args) => completions::run(args, Cli::command(), show),
    }
}

/// Help and version are results; anything else is a wrong command line.
fn usage(error: &clap::Error) -> Exit {
    let terminal = Terminal::new(options::Color::Auto.into());
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match terminal.styled_result(&text.ansi().to_string()) {
            Ok(()) => Exit::Done,
            Err(fault) => Exit::of_fault(&fault),
        },
        _ => {
            terminal.styled_note(&text.ansi().to_string());
            Exit::Usage
        }
    }
}

/// What a command gives back: how it ended, or a fault to be shown.
type Ended = Result<Exit, Fault>;
