//! `lions plan`: what would be done, without doing it.

use std::path::PathBuf;

use super::exit::Exit;
use super::options::{Part, Source, Work};
use super::project::quoted;
use super::run::{self, Run};
use super::{Ended, session};
use crate::engine::journal;
use crate::engine::planfile::PlanFile;
use crate::model::{Decision, Fault, FaultKind};
use crate::render::Show;

const EXAMPLES: &str = "\
Examples:
  lions plan                               playbooks/site.yml, the only environment
  lions plan --env staging --limit web-1
  lions plan --component postgres --set storage=20Gi
  lions plan -o change.plan                save it, for `lions apply change.plan`
  lions plan --detailed-exitcode           2 when changes are pending";

/// Show what would be done, without doing it
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
    /// Save the plan to this file
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Exit with 2 when changes are pending
    #[arg(long)]
    detailed_exitcode: bool,
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
    let secrets = session.loaded.program.secrets();
    if args.out.is_some() && !secrets.set.is_empty() {
        let names: Vec<String> = secrets.set.iter().map(|name| format!("`{name}`")).collect();
        return Err(Fault::new(
            FaultKind::Refused,
            format!("a saved plan holds no secret, but `--set` gives {}", names.join(", ")),
        )
        .help("put it into a file outside the project, and pass `--set NAME=@FILE`"));
    }
    run::block_on(async {
        let run = Run::new(session.loaded, graph, &session.root, &asked, &args.work, owed, show).await?;
        let planned = match run.plan().await? {
            Ok(planned) => planned,
            Err(exit) => return Ok(exit),
        };
        show.plan(&planned.plan, args.full)?;
        let exit = Exit::of_plan(&planned.plan, args.detailed_exitcode);
        if let Some(path) = &args.out {
            let failed = planned.plan.rows.iter().any(|row| matches!(row.decision, Decision::Failed(_)));
            if failed {
                show.warning("the plan is saved, but not whole: what could not be planned will not be applied");
            }
            PlanFile::new(asked, planned.plan, &session.files.read(), &secrets.files)?.save(path)?;
            show.note(&format!("\nsaved: `lions apply {}` does exactly this", quoted(path)));
        }
        Ok(exit)
    })
}
