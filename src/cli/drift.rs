//! `lions drift`: has anything changed since it was right?

use super::exit::Exit;
use super::options::{Part, Source, Work};
use super::run::{self, Run};
use super::{Ended, session};
use crate::engine::journal;
use crate::render::Show;

const EXAMPLES: &str = "\
Examples:
  lions drift                        exit code 2 when anything differs
  lions drift --env production --output json";

/// Tell whether anything differs from what the project says
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The playbook: a name in `playbooks/`, or a path [default: site]
    playbook: Option<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    work: Work,
    /// Show every host by itself, and every line of long texts
    #[arg(long)]
    full: bool,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let session = match session::open(&args.source, args.playbook.as_deref(), show)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let environment = session.loaded.program.environment.name.clone();
    let asked = run::asked(&environment, &session.wanted, &args.part);
    let graph = match run::graph(&session.loaded, &asked, show) {
        Ok(graph) => graph,
        Err(exit) => return Ok(exit),
    };
    let owed = journal::owed(&run::journal_folder(&session.root, &environment))?;
    run::block_on(async {
        let run = Run::new(session.loaded, graph, &session.root, &asked, &args.work, owed, show).await?;
        let planned = match run.plan().await? {
            Ok(planned) => planned,
            Err(exit) => return Ok(exit),
        };
        show.plan(&planned.plan, args.full)?;
        Ok(Exit::of_plan(&planned.plan, true))
    })
}
