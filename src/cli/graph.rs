//! `lions graph`: what comes before what, without touching any host.

use super::exit::Exit;
use super::options::{Part, Source};
use super::{Ended, run, session};
use crate::graph::{self, Format};
use crate::render::{self, Show};

const EXAMPLES: &str = "\
Examples:
  lions graph
  lions graph --component keycloak           a role with all that it needs
  lions graph --format dot | dot -Tsvg > graph.svg
  lions graph --format mermaid               for a page of documentation";

/// Show what comes before what, without touching any host
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The playbook: a name in `playbooks/`, or a path [default: site]
    playbook: Option<String>,
    /// How the graph is written
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Shape>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    Text,
    Dot,
    Mermaid,
    Json,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let session = match session::open(&args.source, args.playbook.as_deref(), show)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let loaded = &session.loaded;
    let asked = run::asked(&loaded.program.environment.name, &session.wanted, &args.part);
    let graph = match run::graph(loaded, &asked, show) {
        Ok(graph) => graph,
        Err(exit) => return Ok(exit),
    };
    let format = match (args.format, show.format()) {
        (Some(Shape::Json), _) | (None, render::Format::Json) => Format::Json,
        (Some(Shape::Dot), _) => Format::Dot,
        (Some(Shape::Mermaid), _) => Format::Mermaid,
        (Some(Shape::Text), _) | (None, render::Format::Text) => Format::Text,
    };
    show.text(&graph::show(&graph, &loaded.program, format))?;
    Ok(Exit::Done)
}
