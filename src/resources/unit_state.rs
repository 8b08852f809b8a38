//! What is done to a unit whose files a task keeps: read again, enabled, started.

use crate::model::{Action, Change, Fault, FaultKind, Shown, Verdict};
use crate::targets::host::{Active, Step, Unit, UnitAction};

/// The wish.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnitState<'a> {
    pub(super) name: &'a str,
    pub(super) enabled: Option<bool>,
    pub(super) started: Option<bool>,
}

/// A part of a change, and its name.
pub(super) type Part = (String, Verdict<Step>);

fn part(name: &str, before: &str, after: &str, step: Step) -> Part {
    let change = Change::new(Action::Update).field("", Shown::value(before), Shown::value(after));
    (name.to_owned(), Verdict::Change(change.step(step)))
}

/// systemd reads its files again, because they change or because an earlier run did not come to it.
pub(super) fn reload(changes: bool, units: &[Option<&Unit>]) -> Option<Part> {
    let stale = units.iter().flatten().any(|unit| unit.stale);
    if changes {
        return Some((String::new(), Verdict::Change(Change::new(Action::Update).step(Step::DaemonReload))));
    }
    stale.then(|| part("systemd", "knows an older file", "reads it again", Step::DaemonReload))
}

pub(super) fn is_active(unit: &Unit) -> bool {
    matches!(unit.active, Active::Active | Active::Reloading | Active::Activating)
}

fn is_enabled(unit: &Unit) -> bool {
    unit.enabled == "enabled"
}

impl UnitState<'_> {
    fn step(&self, action: UnitAction) -> Step {
        Step::Unit { name: self.name.to_owned(), action }
    }

    /// Enabled and started as wished, after its files are as wished.
    pub(super) fn parts(&self, unit: Option<&Unit>) -> Result<Vec<Part>, Fault> {
        let mut parts = Vec::new();
        if let Some(wished) = self.enabled
            && unit.is_some_and(is_enabled) != wished
        {
            if let Some(unit) =
                unit.filter(|unit| wished && matches!(unit.enabled.as_str(), "static" | "masked" | "generated"))
            {
                let what = format!("`{}` cannot be enabled: it is {}", self.name, unit.enabled);
                let help =
                    "give it an `[Install]` section, or leave `enabled` out; what is masked is unmasked with `service`";
                return Err(Fault::new(FaultKind::Refused, what).help(help));
            }
            let (action, after) =
                if wished { (UnitAction::Enable, "enabled") } else { (UnitAction::Disable, "disabled") };
            let before = unit.map_or("disabled", |unit| unit.enabled.as_str());
            parts.push(part("enabled", before, after, self.step(action)));
        }
        if let Some(wished) = self.started
            && unit.is_some_and(is_active) != wished
        {
            if unit.is_some_and(|unit| unit.passing) && wished {
                let what = format!("`{}` ends by itself: it cannot stay started", self.name);
                return Err(Fault::new(FaultKind::Refused, what).help("leave `started` out, or let a `timer` start it"));
            }
            let (action, after) = if wished { (UnitAction::Start, "active") } else { (UnitAction::Stop, "inactive") };
            let before = unit.map_or("inactive", |unit| unit.active.word());
            parts.push(part("now", before, after, self.step(action)));
        }
        Ok(parts)
    }

    /// Neither active nor enabled, before its file goes.
    pub(super) fn gone(&self, unit: Option<&Unit>) -> Vec<Part> {
        let Some(unit) = unit else { return Vec::new() };
        let gone = |name: &str, before: &str, step| {
            let change = Change::new(Action::Delete).field("", Shown::value(before), Shown::Absent);
            (name.to_owned(), Verdict::Change(change.step(step)))
        };
        let stop = is_active(unit).then(|| gone("now", unit.active.word(), self.step(UnitAction::Stop)));
        let disable = is_enabled(unit).then(|| gone("enabled", "enabled", self.step(UnitAction::Disable)));
        stop.into_iter().chain(disable).collect()
    }

    /// Started anew, where it runs with what it was.
    pub(super) fn restarted(&self, unit: Option<&Unit>) -> Option<Part> {
        let active = unit.is_some_and(is_active);
        active.then(|| part("now", "active", "restarted", self.step(UnitAction::Restart)))
    }
}

/// The check of a unit's file before it lands, by systemd where it can.
pub(super) fn verify(unit: &str, drop_in: Option<&str>) -> String {
    let tool = "v() { if systemd-analyze --help | grep -q -e --recursive-errors; then set -- --recursive-errors=no \"$@\"; fi; systemd-analyze verify --man=no \"$@\"; }";
    let check = match drop_in {
        None => format!("cp %s \"$d/\"'{unit}' && v \"$d/\"'{unit}'"),
        // Beside the unit that it is for, where there is one yet.
        Some(file) => format!(
            "f=$(systemctl show -p FragmentPath --value -- '{unit}'); [ -n \"$f\" ] || exit 0; \
             mkdir \"$d/\"'{unit}.d' && cp %s \"$d/\"'{unit}.d/{file}' && SYSTEMD_UNIT_PATH=\"$d:\" v \"$f\""
        ),
    };
    format!(
        "# systemd-analyze verify\ncommand -v systemd-analyze >/dev/null || exit 0\n{tool}\n\
         ( d=$(mktemp -d) || exit 125; trap 'rm -rf \"$d\"' EXIT; {check} )"
    )
}
