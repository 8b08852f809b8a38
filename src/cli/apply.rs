//! `lions apply`: plans, shows, asks, and does exactly that; or does what a saved plan says.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::exit::Exit;
use super::options::{Part, Source, Work};
use super::run::{self, Run};
use super::{Ended, keys, project, session};
use crate::engine::journal::Journal;
use crate::engine::planfile::PlanFile;
use crate::engine::{self, Salt};
use crate::language::{Files, Wanted, load};
use crate::model::{Fault, FaultKind, Outcome, Plan};
use crate::render::{self, Show};
use crate::source::did_you_mean;

const EXAMPLES: &str = "\
Examples:
  lions apply                              playbooks/site.yml, the only environment; asks first
  lions apply --env staging --limit web-1
  lions apply postgres                     playbooks/postgres.yml
  lions apply --yes                        without asking, for automation
  lions apply change.plan                  what `lions plan -o change.plan` showed, without asking";

/// Make it so: plan, show, ask, and do exactly that
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A playbook (a name in `playbooks/`, or a path), or a saved plan [default: site]
    #[arg(value_name = "PLAYBOOK|PLAN")]
    what: Option<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    work: Work,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Show every host by itself, and every line of long texts
    #[arg(long)]
    full: bool,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let Some(what) = args.what.as_deref().filter(|what| !project::is_playbook(what)) else { return fresh(args, show) };
    // A file that is there is a plan; a name is a playbook.
    let (path, playbooks) =
        (Path::new(what), project::find().map(|root| project::playbooks(&root)).unwrap_or_default());
    if path.exists() {
        return saved(args, path, show);
    }
    if playbooks.iter().any(|name| name == what) {
        return fresh(args, show);
    }
    let fault = Fault::failed(format!("`{what}` is neither a saved plan nor a playbook"));
    let near = did_you_mean(what, playbooks.iter().map(String::as_str));
    Err(match (near, playbooks.as_slice()) {
        (Some(near), _) => fault.help(format!("did you mean `{near}`?")),
        (None, []) => fault.help("`lions plan -o FILE` saves a plan"),
        (None, names) => {
            fault.help(format!("`lions plan -o FILE` saves a plan; playbooks are `{}`", names.join("`, `")))
        }
    })
}

/// Plans, shows, asks, applies.
fn fresh(args: &Args, show: &Show) -> Ended {
    let session = match session::open(&args.source, args.what.as_deref(), show)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let environment = session.loaded.program.environment.name.clone();
    let asked = run::asked(&environment, &session.wanted, &args.part);
    let graph = match run::graph(&session.loaded, &asked, show) {
        Ok(graph) => graph,
        Err(exit) => return Ok(exit),
    };
    let journal = Arc::new(Journal::begin(&run::journal_folder(&session.root, &environment), "apply")?);
    run::block_on(async {
        let owed = journal.owed().clone();
        let run = Run::new(session.loaded, graph, &session.root, &asked, &args.work, owed, show).await?;
        let planned = match run.plan().await? {
            Ok(planned) => planned,
            Err(exit) => return Ok(exit),
        };
        show.plan(&planned.plan, args.full)?;
        let tally = planned.plan.tally();
        let changes = tally.delete + tally.run + tally.update + tally.create + tally.later > 0;
        if !changes && (tally.unready == 0 || tally.failed > 0) {
            engine::clear(&run.context).await;
            journal.finish(false)?;
            return Ok(Exit::of_plan(&planned.plan, false));
        }
        // There is nothing to agree to in waiting for what is there.
        if changes && !args.yes && !render::approve(&environment)? {
            show.note("nothing was applied");
            journal.finish(false)?;
            return Ok(Exit::Fault);
        }
        finish(&run, &planned.plan, None, journal, show).await
    })
}

/// Applies what a file says, without asking and without reading the playbook again.
fn saved(args: &Args, path: &Path, show: &Show) -> Ended {
    let file = PlanFile::load(path)?;
    let needless = args.source.env.is_some()
        || args.source.component.is_some()
        || !args.source.set.is_empty()
        || !(args.part.limit.is_empty() && args.part.tags.is_empty() && args.part.skip_tags.is_empty());
    if needless {
        show.fault(
            &Fault::new(FaultKind::Refused, "a saved plan is applied as it is")
                .help("leave out `--env`, `--set`, `--limit`, `--tags`, `--skip-tags` and `--component`"),
        );
        return Ok(Exit::Usage);
    }
    let project = project::find().ok();
    let root = project.clone().map_or_else(project::start, Ok)?;
    let files = Files::kept(file.files(project.as_deref())?).with_identities(keys::identities());
    let asked = &file.asked;
    let wanted = Wanted {
        environment: Some(asked.environment.clone()),
        playbook: asked.playbook.clone(),
        set: asked.set.clone(),
        component: asked.component.clone(),
    };
    let loaded = match load(&files, &wanted, &crate::resources::catalogue()) {
        Ok(loaded) => loaded,
        Err(failure) => {
            show.problems(&failure.sources, &failure.problems);
            return Ok(Exit::Fault);
        }
    };
    let graph = match run::graph(&loaded, asked, show) {
        Ok(graph) => graph,
        Err(exit) => return Ok(exit),
    };
    let journal = Arc::new(Journal::begin(&run::journal_folder(&root, &asked.environment), "apply")?);
    run::block_on(async {
        let owed = journal.owed().clone();
        let run = Run::new(loaded, graph, &root, asked, &args.work, owed, show).await?;
        finish(&run, &file.plan, Some(file.salt()), journal, show).await
    })
}

/// Applies, looks again, reports.
async fn finish(run: &Run<'_>, plan: &Plan, salt: Option<Salt>, journal: Arc<Journal>, show: &Show) -> Ended {
    let unplanned = engine::faults(&run.context, plan);
    if unplanned > 0 {
        journal.finish(false)?;
        let tasks = if unplanned == 1 { "1 task".to_owned() } else { format!("{unplanned} tasks") };
        return Err(Fault::failed(format!("nothing was applied: {tasks} could not be planned"))
            .help("mend what the plan says of them, or leave them out with `--limit`, `--tags` or `--skip-tags`"));
    }
    let start = Instant::now();
    let mut report = run.watch("apply", engine::apply(&run.context, plan, salt, journal.clone())).await?;
    journal.finish(report.interrupted)?;
    let changed = report.rows.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Changed(_)));
    if changed
        && !report.interrupted
        && let Err(unplanned) = run.watch("verify", engine::verify(&run.context, &mut report)).await?
    {
        show.report(&report, start.elapsed())?;
        return Ok(run.unplanned(unplanned));
    }
    show.report(&report, start.elapsed())?;
    Ok(Exit::of_report(&report))
}
