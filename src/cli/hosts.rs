//! `lions hosts`: is every host there, as whom do we work on it, and what is it? It changes nothing.

mod trust;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::json;

use super::exit::Exit;
use super::options::{Source, Work};
use super::places::reach;
use super::session::{self, Session};
use super::{Ended, run};
use crate::language::program::Host;
use crate::model::{Fault, Map, Secret, Value};
use crate::render::{Format, Show, one_line};
use crate::source::did_you_mean;
use crate::targets::host::way::Way;
use crate::targets::host::{Answer, Link as _, Privilege, Question};

const EXAMPLES: &str = "\
Examples:
  lions hosts --env production         is each there, may we become root, what is it
  lions hosts web db-1                 a group and a host
  lions hosts trust vps-1              show the key of a new host, ask, and keep it";

/// Show which hosts answer, as whom we work on them, and what they are
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Hosts or groups [default: all]
    hosts: Vec<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    work: Work,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Trust(trust::Args),
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    if let Some(Action::Trust(args)) = &args.action {
        return trust::run(args, show);
    }
    let session = match session::open(&args.source, None, show)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let hosts = chosen(&session, &args.hosts)?;
    let password = args.work.password()?;
    run::block_on(async {
        let looks = hosts.iter().map(|host| look(host, &session, password.clone()));
        let looks: Vec<Look> = futures::stream::iter(looks).buffered(usize::from(args.work.forks)).collect().await;
        match show.format() {
            Format::Text => show.text(&text(&looks))?,
            Format::Json => looks.iter().try_for_each(|look| show.json(&as_json(look)))?,
        }
        Ok(Exit::of_hosts(looks.iter().filter_map(|look| look.found.as_ref().err())))
    })
}

/// The hosts that `names` mean, in the order of the inventory.
///
/// # Errors
/// A name that is neither a host nor a group.
fn chosen<'s>(session: &'s Session, names: &[String]) -> Result<Vec<&'s Host>, Fault> {
    let environment = &session.loaded.program.environment;
    let hosts = environment.hosts.iter().map(|host| &*host.name);
    let known: Vec<&str> = hosts.chain(environment.groups.keys().map(String::as_str)).chain(["all"]).collect();
    for name in names {
        if !known.contains(&name.as_str()) {
            let fault = Fault::failed(format!("`{}` has no host or group `{name}`", environment.name));
            let near = did_you_mean(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            return Err(near.map_or(fault.clone(), |near| fault.help(near)));
        }
    }
    let wanted = |host: &&Host| {
        let means = |name: &String| name == "all" || *name == *host.name || host.groups.contains(name);
        names.is_empty() || names.iter().any(means)
    };
    Ok(environment.hosts.iter().filter(wanted).collect())
}

/// What was seen of a host.
struct Look {
    name: Arc<str>,
    found: Result<(Map, Duration), Fault>,
}

async fn look(host: &Host, session: &Session, password: Option<Secret>) -> Look {
    let found = facts(host, session, &session.root, password).await;
    Look { name: host.name.clone(), found }
}

/// Facts of `host`, as the user who does what tasks do there, and how long a question takes.
async fn facts(
    host: &Host,
    session: &Session,
    root: &Path,
    password: Option<Secret>,
) -> Result<(Map, Duration), Fault> {
    let program = &session.loaded.program;
    let becomes = program.environment.becomes;
    let privilege = if becomes { Privilege::Become("root".into()) } else { Privilege::Login };
    let way = Way::new(reach(host, program, root)?, privilege, password);
    let strange = || Fault::failed("the host did not answer what it was asked");
    let Answer::Facts(facts) = way.ask(&[Question::Facts]).await?.pop().ok_or_else(strange)?? else {
        return Err(strange());
    };
    let begun = Instant::now();
    way.ask(&[Question::Stat("/".to_owned())]).await?;
    Ok((facts, begun.elapsed()))
}

/// Columns, as people read them.
fn text(looks: &[Look]) -> String {
    let word = |facts: &Map, name: &str| match facts.get(name) {
        Some(Value::Text(text)) => one_line(text).into_owned(),
        Some(Value::Int(number)) => number.to_string(),
        _ => "?".to_owned(),
    };
    let mut rows = Vec::new();
    for look in looks {
        let name = one_line(&look.name).into_owned();
        rows.push(match &look.found {
            Err(fault) => vec![name, format!("-  {}", one_line(&fault.to_string()))],
            Ok((facts, took)) => vec![
                name,
                format!("{:.0} ms", took.as_secs_f64() * 1000.0),
                word(facts, "user_id"),
                format!("{} {}", word(facts, "distribution"), word(facts, "distribution_version")),
                word(facts, "kernel"),
                word(facts, "architecture"),
                format!("{} cpu", word(facts, "processor_vcpus")),
                format!("{} MiB", word(facts, "memtotal_mb")),
            ],
        });
    }
    let widths: Vec<usize> = (0..8)
        .map(|at| {
            rows.iter().filter(|row| row.len() > 2 || at == 0).filter_map(|row| row.get(at)).map(String::len).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut out = String::new();
    for (row, look) in rows.iter().zip(looks) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
        if let Err(Fault { help: Some(help), .. }) = &look.found {
            let _ = writeln!(out, "{:width$}     help: {}", "", one_line(help), width = widths[0]);
        }
    }
    if out.is_empty() { "no hosts\n".to_owned() } else { out }
}

fn as_json(look: &Look) -> serde_json::Value {
    match &look.found {
        Ok((facts, took)) => json!({
            "type": "host", "name": *look.name, "answers": true, "took_ms": took.as_secs_f64() * 1000.0,
            "facts": facts.iter().map(|(name, value)| (name.clone(), value.to_shown_json())).collect::<serde_json::Map<_, _>>(),
        }),
        Err(fault) => json!({
            "type": "host", "name": *look.name, "answers": false,
            "fault": { "what": fault.what, "cause": fault.cause, "help": fault.help },
        }),
    }
}
