//! Sets a dead-man's switch, puts it off, takes it back or lets it go. What it keeps lies in a folder that only root
//! reads, and is gone when the switch is; so is the unit that lets go as the host comes up again.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::questions::{CommandText, checked, word};
use super::with_cause;
use crate::model::{Fault, FaultKind};
use crate::targets::host::check_unit;
use crate::targets::host::guard::{Order, Switch, Undo};
use crate::transport::{Reply, Request, Worker};

pub(in crate::targets::host) async fn guard(worker: &Worker, order: &Order) -> Result<Switch, Fault> {
    match order {
        Order::Arm { undo, within } => arm(worker, undo, *within).await,
        Order::PutOff { id, within } => {
            let text = format!(
                "{}[ -d \"$g/armed\" ] && read -r now x </proc/uptime && \
                 echo $((${{now%.*}} + {})) >\"$g/until.new\" && mv -fT \"$g/until.new\" \"$g/until\" || exit 80\n",
                of(id)?,
                within.as_secs()
            );
            let reply = worker.call(Request::change(text)).await?;
            if reply.status == 0 { Ok(Switch::Armed(id.clone())) } else { outcome(worker, id).await }
        }
        Order::Disarm(id) => {
            let text = format!(
                "{}mv -T \"$g/armed\" \"$g/disarmed\" || exit 80\nsync \"$g\"\n\
                 n=lions-guard-boot-${{g##*/}}.service\n\
                 rm -f \"/etc/systemd/system/$n\" \"/etc/systemd/system/multi-user.target.wants/$n\"\n\
                 [ \"$(systemctl show -p LoadState --value -- $n 2>/dev/null)\" != loaded ] || systemctl daemon-reload\n\
                 rm -rf \"$g\"; rmdir \"${{g%/*}}\" 2>/dev/null; exit 0\n",
                of(id)?
            );
            let reply = worker.call(Request::change(text)).await?;
            if reply.status == 0 { Ok(Switch::Disarmed) } else { outcome(worker, id).await }
        }
        Order::Fire(id) => {
            worker.call(Request::change(format!("{}: >\"$g/fire\"\n", of(id)?))).await?;
            outcome(worker, id).await
        }
        Order::Outcome(id) => outcome(worker, id).await,
    }
}

/// Defines the folder of the switch.
fn of(id: &str) -> Result<String, Fault> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Fault::failed(format!("`{}` is not the name of a switch", id.escape_debug())));
    }
    Ok(format!("g=/var/lib/lions/guard/{id}\n"))
}

async fn arm(worker: &Worker, undo: &Undo, within: Duration) -> Result<Switch, Fault> {
    let (text, script) = scripts(undo, within)?;
    let reply = worker.call(Request::change(text).payload(script.into_bytes())).await?;
    if reply.status == 0 {
        return Ok(Switch::Armed(String::from_utf8_lossy(&reply.stdout).into_owned()));
    }
    let said = String::from_utf8_lossy(&reply.stderr);
    let fault = match reply.status {
        77 => Fault::new(FaultKind::Refused, "a guard needs root").help("set `become: true`"),
        78 => Fault::failed("the host could not start what would undo the change").help("nothing was changed"),
        43 | 44 => Fault::failed("the host has no place to keep what is there").help("nothing was changed: make room"),
        _ => Fault::failed("the host could not see what is there").help("nothing was changed"),
    };
    Err(with_cause(fault, said.trim()))
}

/// What keeps, and what puts back.
fn scripts(undo: &Undo, within: Duration) -> Result<(String, String), Fault> {
    let mut keep = format!("SECONDS_LEFT={}\n{}", within.as_secs(), include_str!("../sh/arm.sh"));
    let mut back = include_str!("../sh/undo.sh").to_owned();
    let mut number = 0;
    let parts: [(&str, &str, &[String]); 4] = [
        ("keep", "back", &undo.paths),
        ("follow", "followed", &undo.followed),
        ("value", "value", &undo.values),
        ("unit", "unit", &undo.units),
    ];
    for (kept, put, names) in parts {
        if kept == "unit" {
            back.push_str("[ ! -d /run/systemd/system ] || systemctl daemon-reload\n");
        }
        for name in names {
            if kept == "unit" {
                check_unit(name).map_err(|why| Fault::new(FaultKind::Refused, why))?;
            } else {
                checked(name)?;
            }
            number += 1;
            let name = word(name)?;
            let _ = writeln!(keep, "{kept} {number} {name}");
            let _ = writeln!(back, "{put} {number} {name}");
        }
    }
    if undo.rules {
        keep.push_str("table\n");
        back.push_str("table\n");
    }
    for command in &undo.commands {
        let parts = CommandText::new(command)?;
        // The first word of the guard is its time.
        let (_, words) = parts.guard.split_once(' ').unwrap_or_default();
        let input = match &command.stdin {
            Some(input) => format!("printf %s {} | ", word(&String::from_utf8_lossy(input))?),
            None => String::new(),
        };
        let _ = writeln!(back, "{}( dress; {input}again {words} )", parts.dress);
    }
    keep.push_str(include_str!("../sh/armed.sh"));
    Ok((keep, back))
}

/// Waits a while for the end of it.
async fn outcome(worker: &Worker, id: &str) -> Result<Switch, Fault> {
    let text = format!(
        "{}[ -d \"$g\" ] || exit 81\ni=0\n\
         until [ -e \"$g/over\" ]; do [ -d \"$g/fired\" ] || [ -e \"$g/fire\" ] || exit 82; i=$((i + 1)); [ $i -lt 75 ] || exit 82; sleep 0.2 || sleep 1; done\n\
         cat \"$g/log\"; rm -rf \"$g\"; rmdir \"${{g%/*}}\" 2>/dev/null; exit 0\n",
        of(id)?
    );
    let Reply { status, stdout, stderr, .. } = worker.call(Request::change(text)).await?;
    match status {
        0 => {
            let log = String::from_utf8_lossy(&stdout).trim().to_owned();
            Ok(Switch::Undone(Some(log).filter(|log| !log.is_empty())))
        }
        82 => Ok(Switch::Armed(id.to_owned())),
        _ => Err(with_cause(Fault::failed("the switch of the guard is gone"), String::from_utf8_lossy(&stderr).trim())),
    }
}
