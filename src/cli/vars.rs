//! `lions vars`: where a value comes from: every layer that sets it, and the one that holds.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::exit::Exit;
use super::options::Source;
use super::{Ended, session};
use crate::language::Traced;
use crate::model::PlaceName;
use crate::render::{Format, Show, one_line};
use crate::source::{Problems, Sources};

const EXAMPLES: &str = "\
Examples:
  lions vars web-1 domain                 a var, as web-1 sees it
  lions vars web-1 postgres.storage       an input of the role postgres
  lions vars cluster postgres.storage     as tasks of the cluster see it";

/// Show every layer that sets a value, and the one that holds
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The host, or `cluster`
    host: String,
    /// A var, or `ROLE.INPUT`
    name: String,
    /// The playbook, which may set inputs with `with:` [default: site]
    #[arg(long, value_name = "PLAYBOOK")]
    playbook: Option<String>,
    #[command(flatten)]
    source: Source,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let session = match session::open(&args.source, args.playbook.as_deref(), show)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let loaded = &session.loaded;
    let host = Some(args.host.as_str()).filter(|host| *host != PlaceName::CLUSTER);
    let traced = match loaded.program.trace(host, &args.name) {
        Ok(traced) => traced,
        Err(problem) => {
            show.problems(&loaded.sources, &Problems::from(problem));
            return Ok(Exit::Fault);
        }
    };
    match show.format() {
        Format::Text => show.text(&text(&args.name, &traced, &loaded.sources))?,
        Format::Json => traced.iter().try_for_each(|one| show.json(&as_json(&args.name, one, &loaded.sources)))?,
    }
    Ok(Exit::Done)
}

/// The one that holds first, then what it hides.
fn text(name: &str, traced: &[Traced], sources: &Sources) -> String {
    let mut out = String::new();
    for one in traced {
        let at = one.at.as_ref().map(|at| format!(" in {}", one_line(at))).unwrap_or_default();
        let _ = writeln!(out, "{}{at}", one_line(name));
        if one.layers.is_empty() {
            out.push_str("  nothing sets it\n");
        }
        let width = one.layers.iter().map(|layer| layer.origin.len()).max().unwrap_or_default();
        for layer in one.layers.iter().rev() {
            let sign = if layer.holds { '*' } else { ' ' };
            let (value, position) = (layer.value.to_shown_json().to_string(), sources.position(layer.span));
            let _ = writeln!(out, "{sign} {:width$}  {}  ({})", layer.origin, one_line(&value), one_line(&position));
        }
    }
    out
}

fn as_json(name: &str, traced: &Traced, sources: &Sources) -> Json {
    let layers: Vec<Json> = traced
        .layers
        .iter()
        .map(|layer| {
            json!({
                "origin": layer.origin, "position": sources.position(layer.span),
                "value": layer.value.to_shown_json(), "holds": layer.holds,
            })
        })
        .collect();
    json!({ "type": "var", "name": name, "at": traced.at, "layers": layers })
}
