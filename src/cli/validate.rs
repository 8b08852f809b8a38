//! `lions validate`: everything that is wrong with the text, all at once, without touching any place.

use super::Ended;
use super::exit::Exit;
use super::options::Source;
use super::session::{self, Session};
use crate::render::{Format, Show};

const EXAMPLES: &str = "\
Examples:
  lions validate                          the only environment, playbooks/site.yml
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
    let session = match session::open(&args.source, args.playbook.as_deref(), show)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let Session { loaded, .. } = &session;
    let program = &loaded.program;
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
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
    Ok(Exit::Done)
}
