//! `lions validate`: everything that is wrong with the text, all at once, without touching any place.

use super::Ended;
use super::exit::Exit;
use super::options::Source;
use super::{keys, project, session};
use crate::language::{Checked, Files, validate};
use crate::render::{Format, Show};

const EXAMPLES: &str = "\
Examples:
  lions validate                          every environment, playbooks/site.yml
  lions validate --env production
  lions validate postgres --env staging   playbooks/postgres.yml
  lions validate --output json            one `problem` event each, for editors and CI";

/// Find everything that is wrong in the text, without touching any host
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The playbook: a name in `playbooks/`, or a path [default: site]
    playbook: Option<String>,
    #[command(flatten)]
    source: Source,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let root = project::find()?;
    let wanted = session::wanted(&args.source, args.playbook.as_deref(), &root);
    let Checked { programs, sources, mut problems } =
        validate(&Files::disk(&root).with_identities(keys::identities()), &wanted, &crate::resources::catalogue());
    // The order of tasks is a matter of the text, too: rings and unknown names in `needs`.
    for program in &programs {
        if let Err(found) = crate::graph::build(program) {
            // What is wrong with a name was said already: at one place of the text one problem is enough.
            let said: Vec<_> = problems.iter().map(|problem| problem.span).collect();
            problems.extend(found.into_iter().filter(|problem| !said.contains(&problem.span)));
        }
    }
    if !problems.is_empty() {
        show.problems(&sources, &problems);
    }
    if problems.has_errors() {
        return Ok(Exit::Fault);
    }
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    if programs.is_empty() && show.format() == Format::Text {
        show.text("the text is right, and there is no environment to hold it against\n")?;
    }
    for program in &programs {
        if show.format() == Format::Text {
            show.text(&format!(
                "{} is right: {}, {}, {}\n",
                program.environment.name,
                count(program.plays.len(), "play"),
                count(program.tasks.len(), "task"),
                count(program.environment.hosts.len(), "host"),
            ))?;
        } else {
            show.json(&serde_json::json!({
                "type": "valid", "environment": program.environment.name, "plays": program.plays.len(),
                "tasks": program.tasks.len(), "hosts": program.environment.hosts.len(),
            }))?;
        }
    }
    Ok(Exit::Done)
}
