//! Installs and removes packages: one transaction is one request, and goes on to its end whatever becomes of the connection.

use std::fmt::Write as _;

use super::super::questions::{checked_package, word};
use super::super::{Packages, check_version};
use super::told;
use crate::model::{Fault, FaultKind, Stream};
use crate::transport::{Request, Worker};

pub(super) async fn perform(
    worker: &Worker,
    packages: &Packages,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<(), Fault> {
    let lines = told::Lines::new(output);
    let reply =
        worker.stream(Request::change(script(packages)?).keep(0), &|stream, bytes| lines.take(stream, bytes)).await?;
    let last = lines.last();
    let installs =
        || packages.install.iter().map(|install| format!("`{}`", install.name)).collect::<Vec<_>>().join(", ");
    let removes = || packages.remove.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let fault = match reply.status {
        0 => return Ok(()),
        48 => {
            return Err(Fault::new(
                FaultKind::Stale,
                format!("`{}` would go away as well, which was not shown", last.trim()),
            )
            .help("nothing was removed: run again, the next plan shows it"));
        }
        61 => {
            Fault::failed("the lists of packages could not be refreshed").help("see whether its sources can be reached")
        }
        62 => Fault::failed(format!("could not remove {}", removes())),
        63 => Fault::failed(format!("could not install {}", installs())),
        70 => Fault::failed("the host has no room for a temporary folder"),
        status => Fault::failed(format!("the work on packages ended with status {status}")),
    };
    let fault = fault.cause(cause(&last));
    let table = [
        ("remove is disabled", "it would remove other packages: remove them in a task above, where the plan shows it"),
        ("Unable to locate package", "say `update_cache: true`, or add its repository in a task above"),
        ("Could not get lock", "another program works on packages there: run again when it is done"),
        ("No space left on device", "make room there: see `df -h` and `df -i`"),
        ("are you root?", "set `become: true`"),
        ("Held packages were changed", "release it with `apt-mark unhold`"),
        ("dpkg: error processing", "mend what its script says; the next run brings to its end what is left half done"),
        ("Sub-process /usr/bin/dpkg returned an error", "the next run brings to its end what is left half done"),
    ];
    Err(match table.iter().find(|(text, _)| last.contains(text)) {
        Some((_, help)) => fault.help(*help),
        None => fault,
    })
}

fn script(packages: &Packages) -> Result<String, Fault> {
    let names: Result<Vec<&str>, Fault> = packages.remove.iter().map(|name| checked_package(name)).collect();
    let mut installs = Vec::new();
    for install in &packages.install {
        let name = checked_package(&install.name)?;
        installs.push(match &install.version {
            None => name.to_owned(),
            Some(version) => {
                check_version(version).map_err(|why| Fault::new(FaultKind::Refused, why))?;
                format!("{name}={version}")
            }
        });
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "UPDATE={} PURGE={} DOWNGRADE={} REMOVE={} INSTALL={}",
        if packages.update { "yes" } else { "" },
        if packages.purge { "purge" } else { "" },
        if packages.install.iter().any(|install| install.downgrade) { "--allow-downgrades" } else { "" },
        word(&names?.join(" "))?,
        word(&installs.join(" "))?,
    );
    text.push_str(include_str!("../sh/packages.sh"));
    Ok(text)
}

/// The lines that tell why: those marked as errors and what came before the first of them, else the last ones.
fn cause(last: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<&str> = last.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
