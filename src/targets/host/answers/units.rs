//! What `systemctl show` says of units.

use std::collections::BTreeMap;

use super::super::{Active, Answer, Load, Unit};
use super::{Section, Told, text, torn};
use crate::model::{Fault, FaultKind};

pub(super) fn read(names: &[(usize, String)], section: &Section<'_>) -> Vec<(usize, Told)> {
    let all = |told: &dyn Fn() -> Told| names.iter().map(|(at, _)| (*at, told())).collect();
    if section.status == "127" {
        let fault = Fault::new(
            FaultKind::Refused,
            "services are looked after with systemd only, which this host does not have",
        )
        .help("leave this host out with `when: facts.service_mgr == \"systemd\"`");
        return all(&|| Told::Answer(Err(fault.clone())));
    }
    let blocks: Vec<&str> = match text(section.data) {
        Ok(text) => text.trim_end().split("\n\n").filter(|block| !block.is_empty()).collect(),
        Err(fault) => return all(&|| Told::Answer(Err(fault.clone()))),
    };
    // One that it does not take ends the call there. Blocks say the real name, not the one asked for: they are counted.
    if section.status != "0" || blocks.len() != names.len() {
        return match &names {
            [(_, name)] => all(&|| Told::Answer(Err(section.fault(&format!("the unit `{name}`"))))),
            _ => all(&|| Told::Unclear),
        };
    }
    names.iter().zip(blocks).map(|((at, _), block)| (*at, Told::Answer(unit(block).map(Answer::Unit)))).collect()
}

fn unit(block: &str) -> Result<Option<Unit>, Fault> {
    let properties: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
    let is = |name: &str| properties.get(name).copied().unwrap_or_default();
    let load = match is("LoadState") {
        "not-found" => return Ok(None),
        "loaded" | "merged" | "stub" => Load::Loaded,
        "masked" => Load::Masked,
        "bad-setting" | "error" => Load::Bad(why(is("LoadError"))),
        _ => return Err(torn()),
    };
    let active = match is("ActiveState") {
        "active" => Active::Active,
        "reloading" | "refreshing" => Active::Reloading,
        "inactive" | "maintenance" => Active::Inactive,
        "failed" => Active::Failed,
        "activating" => Active::Activating,
        "deactivating" => Active::Deactivating,
        _ => return Err(torn()),
    };
    Ok(Some(Unit {
        id: is("Id").to_owned(),
        load,
        active,
        sub: is("SubState").to_owned(),
        enabled: is("UnitFileState").to_owned(),
        stale: is("NeedDaemonReload") == "yes",
        path: is("FragmentPath").to_owned(),
        reloads: is("CanReload") == "yes",
        passing: is("Type") == "oneshot" && is("RemainAfterExit") == "no",
    }))
}

/// `org.freedesktop.systemd1.BadUnitSetting "Unit x.service has a bad unit file setting."`: what stands in quotes.
fn why(error: &str) -> String {
    error.split_once('"').map_or(error, |(_, text)| text.trim_end_matches('"')).to_owned()
}
