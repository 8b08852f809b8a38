//! Starts, stops and enables units. It ends with its caller; what systemd was told goes on.

use std::fmt::Write as _;

use super::super::questions::word;
use super::super::{UnitAction, check_unit};
use super::told;
use crate::model::{Fault, FaultKind, Stream};
use crate::transport::{Request, Worker};

pub(super) async fn perform(
    worker: &Worker,
    name: &str,
    action: UnitAction,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<(), Fault> {
    check_unit(name).map_err(|why| Fault::new(FaultKind::Refused, why))?;
    let mut text = String::new();
    let (verb, way) = match action {
        UnitAction::Launch => ("start", "--no-block"),
        UnitAction::Relaunch => ("restart", "--no-block"),
        action => (action.word(), ""),
    };
    let _ = writeln!(text, "ACTION={verb} WAY={way} NAME={}", word(name)?);
    text.push_str(include_str!("../sh/unit.sh"));
    let lines = told::Lines::new(output);
    let reply = worker.stream(Request::guarded(text).keep(0), &|stream, bytes| lines.take(stream, bytes)).await?;
    let last = lines.last();
    if reply.status == 0 {
        return Ok(());
    }
    let fault = match reply.status {
        91 => Fault::failed(format!("`{name}` was started and ended at once with a failure")),
        _ => Fault::failed(format!("could not {verb} `{name}`")),
    };
    let help = match action {
        _ if last.contains("not been booted with systemd") => "this host does not run systemd as its first process",
        _ if last.contains("Interactive authentication required") || last.contains("Access denied") => {
            "set `become: true`"
        }
        UnitAction::Mask if last.contains("already exists") => {
            "its file stands in `/etc/systemd/system`: take that away instead"
        }
        UnitAction::Start | UnitAction::Restart | UnitAction::Launch | UnitAction::Relaunch | UnitAction::Reload => {
            "see `journalctl -xeu` of that unit there"
        }
        _ => return Err(said(fault, &last)),
    };
    Err(said(fault, &last).help(help))
}

pub(super) async fn reload(worker: &Worker) -> Result<(), Fault> {
    let reply = worker.call(Request::change("systemctl --no-pager --no-ask-password daemon-reload >&2")).await?;
    if reply.status == 0 {
        return Ok(());
    }
    let cause = String::from_utf8_lossy(&reply.stderr);
    Err(said(Fault::failed("systemd could not read its units again"), &cause))
}

fn said(fault: Fault, said: &str) -> Fault {
    if said.trim().is_empty() { fault.cause("it said nothing") } else { fault.cause(said.trim()) }
}
